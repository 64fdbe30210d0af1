"""The tables of a database as a tree: rows counted by and by, the indexes of the open table below it.

▾ Tickets           5,000
    Tickets rows in order
  └ byOpened
  Settings              12
  MSysObjects      system
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.rows import Part
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esetui.tui.browse.session import TableEntry


@dataclass(frozen=True, slots=True)
class Row:
    """A table, or one of its indexes."""

    table: TableEntry
    index: str | None = None
    last: bool = False


class TableList(RowList):
    """The tables."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.tables: tuple[TableEntry, ...] | None = None
        self.problem = ""
        self._open = ""
        self._filter = ""
        self._counts: dict[str, tuple[int, bool]] = {}
        self._rows: list[Row] = []

    def show(self, tables: tuple[TableEntry, ...]) -> None:
        """Take the tables."""
        self.tables = tables
        self._lay_out()

    def open(self, name: str) -> None:
        """Show the indexes of one table."""
        if name != self._open:
            self._open = name
            self._lay_out()

    def count_rows(self, counts: Mapping[str, tuple[int, bool]]) -> None:
        """Take how many rows there are, and whether that is all."""
        if counts != self._counts:
            self._counts = dict(counts)
            self.refresh()

    def set_filter(self, text: str) -> None:
        """Show only tables whose name holds `text`."""
        self._filter = text.casefold()
        self._lay_out()

    def _lay_out(self) -> None:
        rows: list[Row] = []
        for table in self.tables or ():
            if self._filter not in table.name.casefold():
                continue
            rows.append(Row(table))
            if table.name == self._open:
                rows += [Row(table, each, each == table.indexes[-1]) for each in table.indexes]
        self._rows = rows
        self.reload()

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def choose(self, name: str, index: str | None) -> None:
        """Put the cursor on a table or one of its indexes."""
        for at, row in enumerate(self._rows):
            if (row.table.name, row.index) == (name, index):
                self.move_to(at)
                return

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def row_key(self, index: int) -> str:
        """Return the key of a row."""
        row = self._rows[index]
        return f"{row.table.name}\n{row.index or ''}"

    def lesson(self) -> str:
        """Say what will be here."""
        if self.problem:
            return self.problem
        if self.tables is None:
            return "opening …"
        return "No table has this in its name; esc clears the filter." if self._filter else "There is no table."

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        row, glyphs = self._rows[index], self.glyphs
        if row.index is not None:
            branch = glyphs.last_branch if row.last else glyphs.branch
            return (Part(f" {branch}", "muted"), Part(row.index, "accent", flex=True))
        table = row.table
        mark = glyphs.open if table.name == self._open and table.indexes else " "
        count, whole = self._counts.get(table.name, (0, False))
        text = words.count(count) if whole else f"{words.count(count)}+" if count else "…"
        return (
            Part(mark, "muted", width=1),
            Part(table.name, "muted" if table.system else "plain", flex=True),
            Part(text, "muted", right=True),
        )
