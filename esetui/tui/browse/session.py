"""One database open in the browser.  All methods but the properties are for the reader's thread alone.

A screen gets values that no longer change, and may look at the plain numbers (`status`) whenever it likes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.table import open_database
from esetui.tui.browse.cells import Cell, cell_of
from esetui.tui.browse.matches import Matches, RowFilter
from esetui.tui.browse.rowset import Rowset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.files.base import FileSystem
    from engine.findings import Finding
    from engine.format.column import ColumnDef
    from engine.format.page import Page
    from engine.pages.source import PageSource
    from engine.table import Database
    from esetui.tui.browse.rowset import Entry

SLICE: Final = 0.03
"""Seconds of background work between two looks at what is asked for."""
GLANCE: Final = 100_000
"""Rows up to which a table is counted that nobody has opened."""


class SharedPages:
    """Pages of one source for several threads: one at a time."""

    def __init__(self, pages: PageSource) -> None:
        self._pages = pages
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """Path of the database file."""
        return self._pages.path

    @property
    def page_size(self) -> int:
        """Bytes a page."""
        return self._pages.page_size

    @property
    def last_page(self) -> int:
        """Last page that can be asked for."""
        return self._pages.last_page

    @property
    def corrected(self) -> list[int]:
        """Pages in which one bit was put right in memory."""
        return list(getattr(self._pages, "corrected", ()))

    def page(self, pgno: int) -> Page:
        """Return a page; errors as those of the source."""
        with self._lock:
            return self._pages.page(pgno)

    def prefetch(self, first: int, count: int) -> None:
        """Read pages that will be asked for soon."""
        with self._lock:
            self._pages.prefetch(first, count)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table in the list."""

    name: str
    system: bool
    columns: int
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """The table that is open: its columns in the order of the catalog, and the index whose order it is shown in."""

    name: str
    index: str | None
    indexes: tuple[str, ...]
    columns: tuple[ColumnDef, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is drawn: its number, and a cell for each of the columns that were asked for."""

    number: int
    cells: dict[str, Cell]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Plain numbers of the open table.  `total` is None while rows are still being counted or searched."""

    known: int = 0
    total: int | None = None
    looked: int = 0
    counted: int | None = None
    """All rows of the table, None while they are being counted."""
    filter: str = ""
    cut: bool = False
    findings: int = 0


class Session:
    """An open database, the table that is shown, and what is counted in the background."""

    def __init__(
        self,
        path: str,
        fs: FileSystem,
        pages: PageSource | None = None,
        free: Callable[[], object] | None = None,
    ) -> None:
        """Open later; `free` gives `pages` back once nobody uses them any more."""
        self._free = free
        self._users = 1
        self._lock = threading.Lock()
        self.path = path
        self.fs = fs
        self.pages = None if pages is None else SharedPages(pages)
        self.counts: dict[str, tuple[int, bool]] = {}
        """Rows by table, and whether that is all of them."""
        self.shown: Shown | None = None
        self._database: Database | None = None
        self._sets: dict[tuple[str, str | None], Rowset] = {}
        self._rows: Rowset | None = None
        self._matches: Matches | None = None
        self._uncounted: list[str] = []

    def open(self) -> tuple[TableEntry, ...]:
        """Open the database and return its tables, the engine's own last; errors as `open_database`."""
        database = open_database(self.path, fs=self.fs, pages=self.pages)
        self._database = database
        names = sorted(database.tables(), key=lambda name: database.definition(name).is_system)
        self._uncounted = [*names]
        entries = []
        for name in names:
            definition = database.definition(name)
            indexes = tuple(each.name for each in definition.indexes)
            entries.append(TableEntry(name, definition.is_system, len(definition.columns), indexes))
        return tuple(entries)

    def close(self) -> None:
        """Close the file, and let go of the pages."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self.let_go()

    def hold(self) -> None:
        """Keep the pages beyond the end of the screen; from any thread."""
        with self._lock:
            self._users += 1

    def let_go(self) -> None:
        """Give up one hold on the pages; the last one frees them.  From any thread."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last and self._free is not None:
            self._free()

    @property
    def replayed(self) -> bool:
        """Whether the pages are those of a recovery in memory."""
        return self.pages is not None

    def show(self, name: str, index: str | None) -> Shown:
        """Open a table in the order of an index (None: of its rows); a filter is left behind."""
        key = (name, index)
        rows = self._sets.get(key)
        if rows is None:
            if self._database is None:
                raise RuntimeError("the database is not open")
            table = self._database[name]
            definition = table.definition.primary if index is None else table.index(index)
            rows = self._sets[key] = Rowset(table, definition)
        self._rows, self._matches = rows, None
        table = rows.table
        self.shown = Shown(name, index, tuple(table.indexes), tuple(table.columns.values()))
        # The first screenful is known before anything is said about the table.
        rows.survey(SLICE)
        self._note(name, rows)
        return self.shown

    def filter(self, text: str) -> None:
        """Show only rows that fit; an empty text shows all again."""
        rows = self._rows
        if rows is not None:
            wanted = RowFilter(text, rows.table.columns)
            self._matches = Matches(rows, wanted) if wanted else None

    def window(self, start: int, count: int, names: Sequence[str]) -> tuple[int, list[Line]]:
        """Return the lines from `start` on with the cells of some columns."""
        source = self._matches or self._rows
        if source is None:
            return start, []
        return start, [self._line(entry, names) for entry in source.read(start, count)]

    def _line(self, entry: Entry, names: Sequence[str]) -> Line:
        row = entry.row
        cells = {} if row is None else {name: cell_of(row, name) for name in names}
        return Line(entry.number, cells, entry.problem)

    def entry(self, number: int) -> Entry | None:
        """Return the row of a number as the table has it."""
        found = [] if self._rows is None else self._rows.read(number, 1)
        return found[0] if found else None

    def findings(self) -> tuple[Finding, ...]:
        """Return what was damaged on the way, the first ten thousand at most."""
        return () if self._database is None else self._database.findings

    def row(self, number: int) -> Line:
        """Return all columns of a row."""
        found = self.entry(number)
        if found is None or self.shown is None:
            return Line(number, {}, "the row is gone")
        return self._line(found, [each.name for each in self.shown.columns])

    def work(self) -> bool:
        """Do a slice of what nobody waits for: search, count the open table, then the others."""
        if self._matches is not None and self._matches.search(SLICE):
            return True
        rows, shown = self._rows, self.shown
        if rows is not None and shown is not None and rows.total is None:
            rows.survey(SLICE)
            self._note(shown.name, rows)
            return True
        while self._uncounted:
            name = self._uncounted[0]
            if self.counts.get(name, (0, False))[1] or self.counts.get(name, (0, False))[0] >= GLANCE:
                self._uncounted.pop(0)
                continue
            key = (name, None)
            if key not in self._sets and self._database is not None:
                table = self._database[name]
                self._sets[key] = Rowset(table, table.definition.primary)
            self._sets[key].survey(SLICE, most=GLANCE)
            self._note(name, self._sets[key])
            return True
        return False

    def _note(self, name: str, rows: Rowset) -> None:
        if rows.index is None or rows.index.primary:
            self.counts[name] = (rows.known, rows.total is not None and not rows.cut)

    @property
    def status(self) -> Status:
        """The numbers of the open table; from any thread."""
        rows, matches = self._rows, self._matches
        database = self._database
        count = 0 if database is None else database.finding_count
        if rows is None:
            return Status(findings=count)
        if matches is None:
            return Status(rows.known, rows.total, rows.known, rows.total, "", rows.cut, count)
        total = matches.known if matches.done else None
        return Status(matches.known, total, matches.looked, rows.total, matches.wanted.text, matches.cut, count)
