"""The backup directory: sets as chains, each part with time and verdict.

full  Nov 22 03:00  verified
├ inc Nov 22 09:00  verified
└ inc Nov 22 15:00  unverified
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.model import BackupFolderView, FolderState, SetView, Verdict, utc_now
from esetui.tui.rows import Part
from esetui.tui.theme import VERDICT_STYLE
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE = 52
"""Cells from which on size and generations fit."""


@dataclass(frozen=True, slots=True)
class Row:
    """A folder's heading, or a set in it."""

    folder: BackupFolderView
    entry: SetView | None = None

    @property
    def key(self) -> str:
        """What identifies the row."""
        return f"{self.folder.path}\n{self.entry.key if self.entry else ''}"


class Sets(RowList):
    """The sets of the watched backup directories."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.folders: tuple[BackupFolderView, ...] = ()
        self.filter = ""
        self._rows: list[Row] = []

    def show(self, folders: tuple[BackupFolderView, ...]) -> None:
        """Take what a scan found."""
        self.folders = folders
        rows: list[Row] = []
        for folder in folders:
            inside = [Row(folder, entry) for entry in folder.sets if self._fits(entry)]
            # One folder is named in the title; several, or one without sets, get a row each.
            if len(folders) > 1 or (folder.state is FolderState.UNREACHABLE):
                rows.append(Row(folder))
            rows += inside
        self._rows = rows
        self.reload()

    def set_filter(self, text: str) -> None:
        """Show only sets that hold `text`."""
        self.filter = text.casefold()
        self.show(self.folders)

    def _fits(self, entry: SetView) -> bool:
        said = (entry.kind, entry.path, entry.verdict.value, words.moment(entry.when), *entry.databases)
        return not self.filter or self.filter in " ".join(said).casefold()

    def choose(self, key: str) -> None:
        """Put the cursor on a set."""
        for at, row in enumerate(self._rows):
            if row.entry is not None and row.entry.key == key:
                self.move_to(at)
                return

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def row_key(self, index: int) -> str:
        """Return the key of a row."""
        return self._rows[index].key

    def lesson(self) -> str:
        """Say what will be here."""
        if self.filter:
            return "Nothing fits the filter; esc clears it."
        if not self.folders:
            return "No backup directory chosen. Press f to choose one; its sets are listed here, and b makes the first."
        return "No backup set here yet. Press b for a full backup."

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        row = self._rows[index]
        if row.entry is None:
            if row.folder.state is FolderState.UNREACHABLE:
                return (Part("UNREACHABLE", "bad strong"), Part(row.folder.path, flex=True, path=True))
            count = len(row.folder.sets)
            return (
                Part(row.folder.path, "accent", flex=True, path=True),
                Part(words.plural(count, "set") if count else "empty", "muted"),
            )
        entry = row.entry
        width = self.size.width
        glyphs = self.glyphs
        kind = f"{glyphs.last_branch if entry.last else glyphs.branch} {entry.kind}" if entry.depth else entry.kind
        word = entry.verdict.value
        if entry.verdict is Verdict.NEVER and width < WIDE:
            word = "unverified"
        elif entry.verdict is Verdict.BROKEN:
            word = f"BROKEN: {entry.reason}" if entry.reason and width >= WIDE else "BROKEN"
        elif entry.verdict is Verdict.UNFINISHED:
            word = "HALF-MADE"
        more = []
        if width >= WIDE:
            more = [
                Part(words.generations(entry.gen_low, entry.gen_high), "muted", width=9, drop=2),
                Part(words.size(entry.size), "muted", width=8, right=True, drop=1),
            ]
        return (
            Part(kind, "plain" if not entry.depth else "muted", width=5),
            Part(words.short_moment(entry.when, utc_now()), flex=True),
            *more,
            Part(crop_word(word, width), VERDICT_STYLE[entry.verdict], width=14 if width >= WIDE else 10),
        )


def crop_word(word: str, width: int) -> str:
    """Keep a verdict within a third of the row."""
    return words.crop(word, max(10, width // 3))
