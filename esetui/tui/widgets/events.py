"""The event log: newest at the lower end, followed unless somebody looks further up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.feed import EventFilter
from esetui.tui.model import EventRow, Level
from esetui.tui.rows import Part
from esetui.tui.theme import LEVEL_STYLE, Glyphs
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.feed import EventFeed

WIDE = 58
"""Cells from which on the level is spelled out."""


def level_glyph(level: Level, glyphs: Glyphs) -> str:
    """Return the sign of a level; signs differ in shape."""
    return {
        Level.INFO: glyphs.info,
        Level.WARN: glyphs.warn,
        Level.ERROR: glyphs.error,
        Level.COMMAND: glyphs.command,
    }[level]


class Events(RowList):
    """The rows of the event log that fit the filter."""

    def __init__(self, feed: EventFeed, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.feed = feed
        self.paused = False
        self._follow = True
        self._filter = EventFilter()
        self._rows: list[EventRow] = []
        self._seen = 0
        self._oldest = 1

    def poll(self) -> bool:
        """Take what is new in the feed; returns whether anything was."""
        if self.paused or self.feed.version == self._seen:
            return False
        fresh = self.feed.since(self._seen)
        self._seen = fresh[-1].number if fresh else self.feed.version
        self._rows += [row for row in fresh if self._filter.fits(row)]
        oldest = self.feed.oldest
        if oldest != self._oldest:
            self._oldest = oldest
            self._rows = [row for row in self._rows if row.number >= oldest]
        self.reload()
        if self._follow:
            self.move_to(len(self._rows) - 1, tell=self.has_focus)
        return True

    def set_filter(self, text: str) -> None:
        """Show only rows that fit, all of those kept by the feed."""
        self._filter = EventFilter(text)
        self._rows = [row for row in self.feed.since(0) if row.number <= self._seen and self._filter.fits(row)]
        self._follow = True
        self.reload()
        self.move_to(len(self._rows) - 1, tell=False)

    def toggle_pause(self) -> bool:
        """Hold the log still, or follow again; returns whether it is held."""
        self.paused = not self.paused
        if not self.paused:
            self._follow = True
            self.poll()
        return self.paused

    @property
    def shown(self) -> list[EventRow]:
        """The rows that fit the filter, oldest first."""
        return list(self._rows)

    @property
    def foot(self) -> str:
        """What the lower edge of the pane says."""
        total = self._seen - self._oldest + 1
        said = []
        if self.paused:
            behind = self.feed.version - self._seen
            said.append(f"PAUSED, {words.count(behind)} new" if behind else "PAUSED")
        below = len(self._rows) - 1 - self.cursor
        if below > 0 and not self._follow:
            said.append(f"{words.count(below)} newer below")
        if self._filter:
            said.append(f"{words.count(len(self._rows))} of {words.count(total)} fit “{self._filter.text}”")
        elif total:
            said.append(words.plural(total, "event"))
        return ", ".join(said)

    @property
    def chosen(self) -> EventRow | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Move; the last row is followed, any other is stayed at."""
        super().move_to(index, tell=tell)
        self._follow = self.cursor >= len(self._rows) - 1

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def row_key(self, index: int) -> str:
        """Return the key of a row."""
        return str(self._rows[index].number)

    def lesson(self) -> str:
        """Say what will be here."""
        if self._filter:
            return "No event fits the filter; esc clears it."
        return "Every step of the engine will be listed here with its id, for instance 210 when a full backup begins."

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        row = self._rows[index]
        width = self.size.width
        style = LEVEL_STYLE[row.level]
        # A command is known by its sign; it has no id.
        number = "" if row.event_id is None else str(row.event_id)
        text_style = "plain" if row.level in {Level.INFO, Level.COMMAND} else style
        word = (
            [Part(row.level.value if row.level is not Level.COMMAND else "ran", style, width=5)]
            if width >= WIDE
            else []
        )
        return (
            Part(words.clock(row.when), "muted", width=8),
            Part(level_glyph(row.level, self.glyphs), style, width=1),
            *word,
            Part(number or " ", "muted" if row.level is Level.INFO else style, width=3, right=True),
            Part(short_text(row), text_style, flex=True),
        )


def short_text(row: EventRow) -> str:
    """Return the text with names in place of whole paths; the details have them whole."""
    text = row.text
    for each in row.strings:
        name = each.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        if name and name != each:
            text = text.replace(each, name)
    return text
