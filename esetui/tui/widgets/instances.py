"""The instances: a tree with, for each, its databases, logs and last backups, all open at first.

▾ dhcp                running
  dhcp.mdb    41.0 MiB  clean
  logs 1A–1F    checkpoint 1D
  full 6 h ago       verified
  inc  20 min ago never verified
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from esetui.tui import words
from esetui.tui.model import EMPTY, BackupMark, DatabaseView, InstanceView, Overview, Verdict, utc_now, worst_state
from esetui.tui.rows import Part
from esetui.tui.theme import STATE_STYLE, VERDICT_STYLE
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE = 48
"""Cells from which on a row has room for more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the tree."""

    kind: str
    instance: InstanceView
    database: DatabaseView | None = None
    text: str = ""

    @property
    def key(self) -> str:
        """What identifies the row."""
        return f"{self.instance.key}\n{self.kind}\n{self.database.key if self.database else self.text}"


class Instances(RowList):
    """The tree of instances."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "fold(True)", "Fold", show=False),
        Binding("right", "fold(False)", "Unfold", show=False),
        Binding("space", "toggle_fold", "Fold or unfold", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.overview: Overview = EMPTY
        self.filter = ""
        self._rows: list[Row] = []
        self._folded: set[str] = set()
        self._state_width = 5

    def show(self, overview: Overview) -> None:
        """Take what a scan found."""
        self.overview = overview
        self._rows = self._flatten()
        self._state_width = max(
            (len(each.state.value) for instance in overview.instances for each in instance.databases),
            default=5,
        )
        self.reload()

    def set_filter(self, text: str) -> None:
        """Show only instances that hold `text`, in their name, folder, state or a database."""
        self.filter = text.casefold()
        self.show(self.overview)

    def _fits(self, instance: InstanceView) -> bool:
        if not self.filter:
            return True
        said = [instance.name, instance.base_name, instance.folder, instance.state.value]
        for each in instance.databases:
            said += (each.name, each.path, each.state.value)
        return self.filter in " ".join(said).casefold()

    def _flatten(self) -> list[Row]:
        rows = []
        for instance in sorted(self.overview.instances, key=lambda each: worst_state(each).rank):
            if not self._fits(instance):
                continue
            rows.append(Row("instance", instance))
            if instance.key in self._folded:
                continue
            rows += [Row("database", instance, database) for database in instance.databases]
            rows += [Row("finding", instance, None, finding) for finding in instance.findings]
            rows += [Row(kind, instance) for kind in ("logs", "full", "inc")]
        return rows

    def row(self, index: int) -> Row:
        """Return a row."""
        return self._rows[index]

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    @property
    def chosen_instance(self) -> InstanceView | None:
        """The instance under the cursor, as the last scan saw it."""
        row = self.chosen
        return row.instance if row else None

    def choose(self, key: str) -> None:
        """Put the cursor on an instance."""
        for index, row in enumerate(self._rows):
            if row.kind == "instance" and row.instance.key == key:
                self.move_to(index)

    def action_fold(self, folded: bool) -> None:  # noqa: FBT001 - textual calls by position
        """Fold or unfold the instance under the cursor."""
        row = self.chosen
        if row is None:
            return
        if folded:
            self._folded.add(row.instance.key)
        else:
            self._folded.discard(row.instance.key)
        self.show(self.overview)
        if folded:
            self.choose(row.instance.key)

    def action_toggle_fold(self) -> None:
        """Fold or unfold."""
        row = self.chosen
        if row is not None:
            self.action_fold(row.instance.key not in self._folded)

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
        if self.overview.taken is None:
            return "Looking for instances …"
        return (
            "No instance found here. An instance is a folder with log files and databases of the ESE engine. "
            "Press o to look in another folder."
        )

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        row = self._rows[index]
        wide = self.size.width >= WIDE
        indent = Part(" ")
        instance = row.instance
        if row.kind == "instance":
            folded = instance.key in self._folded
            state = worst_state(instance)
            mark = self.glyphs.closed if folded else self.glyphs.open
            more = [Part(f"full {words.age(instance.last_full.when, utc_now())}", "muted", drop=1)] if folded else []
            return (
                Part(mark, "muted"),
                Part(instance.name, "strong", flex=True),
                *more,
                Part(_loud(state.value, loud=state.wrong), STATE_STYLE[state]),
            )
        if row.kind == "database" and row.database is not None:
            database = row.database
            word = _loud(database.state.value, loud=database.state.wrong)
            return (
                indent,
                Part(database.name, flex=True, path=True),
                Part(words.size(database.size) if database.size else "-", width=8, right=True),
                Part(word, STATE_STYLE[database.state], width=self._state_width, right=True),
            )
        if row.kind == "finding":
            return (indent, Part(self.glyphs.warn, "warn"), Part(row.text, "warn", flex=True))
        if row.kind == "logs":
            return (indent, *self._logs(instance, wide=wide))
        backup = instance.last_full if row.kind == "full" else instance.last_incremental
        return (indent, *self._mark(row.kind, backup, wide=wide))

    def _logs(self, instance: InstanceView, *, wide: bool) -> Sequence[Part]:
        logs = instance.logs
        if not logs.high:
            return (Part("logs", "muted", width=4), Part("none", "warn", flex=True))
        missing = f", {len(logs.missing)} missing" if logs.missing else ""
        span = words.generations(logs.low, logs.high) + missing
        if wide:
            span += f" ({words.plural(logs.present, 'file')})"
        place = words.generation(logs.checkpoint) if logs.checkpoint < logs.high else "here"
        far = f"checkpoint {place}" if logs.checkpoint else "no checkpoint"
        return (
            Part("logs", "muted", width=4),
            Part(span, "warn" if missing else "plain", flex=True),
            Part(far, "muted", drop=1),
        )

    def _mark(self, kind: str, mark: BackupMark, *, wide: bool) -> Sequence[Part]:
        when = words.age(mark.when, utc_now())
        if mark.when is None:
            return (Part(kind, "muted", width=4), Part(when, "warn" if kind == "full" else "muted", flex=True))
        exact = [Part(words.short_moment(mark.when), "muted", drop=2)] if wide else []
        verdict = mark.verdict.value
        if mark.verdict is Verdict.BROKEN and mark.reason:
            verdict = f"broken: {mark.reason}" if wide else "BROKEN"
        return (
            Part(kind, "muted", width=4),
            Part(when, flex=True),
            *exact,
            Part(verdict, VERDICT_STYLE[mark.verdict], drop=1 if mark.verdict is Verdict.UNSEEN else 0),
        )


def _loud(word: str, *, loud: bool) -> str:
    """Return the word, in capitals when something is wrong, for eyes and terminals that see no colour."""
    return word.upper() if loud else word
