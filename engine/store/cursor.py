"""A cursor over an index of a live table: search and move; read, change and delete the row at hand.

What searches and ranges mean is said in `engine.table.seeking`.  The place outlives changes of the table, the
deletion of its own row too: the next step goes to the entry that follows.

Source: jet-api reference 6.4, 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import Err, EseError
from engine.store import nodes
from engine.store.indexes import index_tree
from engine.store.scan import Scan
from engine.table.seeking import Seek, SeekingCursor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.catalog import IndexDef
    from engine.store.long_field import LongField
    from engine.store.rows import Rows
    from engine.store.table import Table
    from engine.store.work import Work
    from engine.table.row import Row


class Cursor(SeekingCursor):
    """A place in an index; before the first entry until it is moved."""

    def __init__(self, table: Table, work: Work, rows: Rows, index: IndexDef | None) -> None:
        self.table = table
        self.index = index
        self._work = work
        self._primary = index is None or index.primary
        tree = rows.tree if index is None or index.primary else index_tree(rows.shared, index, rows.tree)
        self._scan = Scan(work.session, tree)
        self._behind = False
        self._placed = False

    def __repr__(self) -> str:
        return f"<Cursor of {self.table!r} in {'primary order' if self.index is None else self.index.name}>"

    # Where it is.

    @property
    def positioned(self) -> bool:
        """Whether the cursor is at an entry, or where one was."""
        return self._placed

    def _entry(self) -> tuple[bytes, bytes]:
        """Return key and data of the current entry: -1603 without one, -1017 when it was deleted."""
        if not self._placed:
            raise EseError.from_code(Err.NoCurrentRecord, f"{self!r}")
        found = self._scan.current
        if found is None:
            raise EseError.from_code(Err.RecordDeleted, f"{self!r}")
        return found

    @property
    def key(self) -> bytes:
        """Key of the current entry; -1603 without one, -1017 when it was deleted."""
        with self._work.reading:
            return self._entry()[0]

    @property
    def bookmark(self) -> bytes:
        """Primary key of the current row; -1603 without one, -1017 when it was deleted."""
        with self._work.reading:
            return self._bookmark()

    def _bookmark(self) -> bytes:
        key, data = self._entry()
        return key if self._primary else data

    @property
    def row(self) -> Row:
        """The current row; -1603 without one, -1017 when it was deleted."""
        with self._work.reading:
            return self._row()

    def _row(self) -> Row:
        rows = self.table.rows()
        key, data = self._entry()
        return rows.row(key, data) if self._primary else rows.row(data, rows.record(data))

    def _row_or_none(self) -> Row | None:
        with self._work.reading:
            return self._row() if self._scan.current is not None else None

    # Going places.

    def first(self) -> bool:
        """Go to the first entry; return whether there is one."""
        with self._work.reading:
            return self._arrive(self._scan.first(), behind=False)

    def last(self) -> bool:
        """Go to the last entry; return whether there is one."""
        with self._work.reading:
            return self._arrive(self._scan.last(), behind=True)

    def move(self, n: int = 1) -> bool:
        """Go `n` entries on (back, if negative); return whether there is one.

        From before the first entry one step leads to the first, from behind the last one step back to the last.
        """
        with self._work.reading:
            for _ in range(abs(n)):
                if not self._step(backward=n < 0):
                    return False
            return self._placed

    def _step(self, *, backward: bool) -> bool:
        scan = self._scan
        if self._placed:
            return self._arrive(scan.prev() if backward else scan.next(), behind=not backward)
        if self._behind != backward:
            return False
        return self._arrive(scan.last() if backward else scan.first(), behind=not backward)

    def _arrive(self, found: bool, *, behind: bool) -> bool:  # noqa: FBT001 - what a search found
        self._placed, self._behind = found, behind
        return found

    def _leave(self, *, behind: bool) -> None:
        self._arrive(False, behind=behind)

    def _to(self, key: bytes) -> bool:
        with self._work.reading:
            return self._arrive(self._scan.seek(key, Seek.GE), behind=True)

    def leave(self, *, behind: bool) -> None:
        """Go before the first entry, or behind the last."""
        self._leave(behind=behind)

    def goto_entry(self, key: bytes, bookmark: bytes) -> bool:
        """Go to the entry of a row with this key; return whether it exists."""
        with self._work.reading:
            found = self._scan.seek_bookmark(key, b"" if self._primary else bookmark)
            return self._arrive(found, behind=False)

    def seek_key(self, key: bytes, match: Seek = Seek.EQ, *, partial: bool = False) -> bool:
        """Go to an entry by key bytes; with `partial` they stand for all keys that begin with them."""
        if match is Seek.EQ and not partial and self._scan.tree.unique:
            with self._work.reading:
                return self._arrive(self._scan.find(key), behind=False)
        return super().seek_key(key, match, partial=partial)

    def goto(self, bookmark: bytes) -> bool:
        """Go to the row of a bookmark; return whether it exists.

        In a secondary index: to the first of its entries; False also for a row without one.
        """
        with self._work.reading:
            if self._primary:
                return self._arrive(self._scan.find(bookmark), behind=False)
            rows = self.table.rows()
            if nodes.get(self._work.session, rows.tree, bookmark) is None:
                return self._arrive(False, behind=False)
            key = rows.first_key(self.index, bookmark)
            found = key is not None and self._scan.seek_bookmark(key, bookmark)
            return self._arrive(found, behind=False)

    # Reading many.

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows from the first entry on."""
        return self._rows(self.first(), None)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, bookmark) of all entries in order; the cursor stays where it is."""
        scan = Scan(self._work.session, self._scan.tree)
        while True:
            with self._work.reading:
                batch = scan.batch()
            if not batch:
                return
            yield from ((key, key if self._primary else data) for key, data in batch)

    def count(self, lower: Any = None, upper: Any = None, *, inclusive: bool = True) -> int:
        """Return the number of entries from `lower` to `upper`, given as for `range`; the cursor goes behind them."""
        found, end = self._go_to_range(lower, upper, inclusive=inclusive)
        total = 0
        while found:
            with self._work.reading:
                current = self._scan.current
                batch = self._scan.batch()
            if not total and current is not None:
                batch.insert(0, current)
            if end is not None and batch and batch[-1][0] >= end:
                total += sum(key < end for key, _ in batch)
                break
            total += len(batch)
            found = bool(batch)
        self._leave(behind=True)
        return total

    def _rows(self, found: bool, end: bytes | None) -> Iterator[Row]:  # noqa: FBT001 - as it is inherited
        while found:
            with self._work.reading:
                entry = self._scan.current if self._placed else None
                if entry is not None and end is not None and entry[0] >= end:
                    return
                # Without a transaction the row may have gone since the last call.
                row = None if entry is None else self._row()
            if row is not None:
                yield row
            found = self.move(1)

    def long_value(self, column: str, instance: int = 0) -> LongField:
        """Return a long value of the current row, for reading and changing it in pieces; see `Table.long_value`."""
        return self.table.long_value(self.bookmark, column, instance)

    # Changing.

    def update(self, **values: Any) -> None:
        """Change columns of the current row; -1603, -1017, and as `Table.update`.  The cursor stays at its entry."""
        self.table.update(self.bookmark, **values)

    def replace(self, **values: Any) -> None:
        """Give the current row other values altogether; see `Table.replace`."""
        self.table.replace(self.bookmark, **values)

    def delete(self) -> None:
        """Delete the current row; -1603, -1017, -1102."""
        self.table.delete(self.bookmark)

    def escrow(self, column: str, amount: int) -> int:
        """Add to an escrow column of the current row; return its value before; see `Table.escrow`."""
        return self.table.escrow(self.bookmark, column, amount)
