"""A cursor over an index of a live table: search and move; read, change and delete the row at hand.

What searches and ranges mean is said in `engine.table.seeking`.  The place outlives changes of the table, the
deletion of its own row too: the next step goes to the entry that follows.  A cursor does not outlive its index: -1404
then, and -1305 when the table has gone.

Source: jet-api reference 6.4, 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import Err, EseError
from engine.store import nodes
from engine.store.indexes import index_tree
from engine.store.scan import Scan
from engine.table.seeking import Seek, SeekingCursor, successor

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
        self._known = rows
        self._primary = index is None or index.primary
        tree = rows.tree if index is None or index.primary else index_tree(rows.shared, index, rows.tree)
        self._scan = Scan(work.session, tree)
        self._behind = False
        self._placed = False
        self._gap: bytes | None = None
        """The key that was looked for in vain: the place is between the entries around it."""

    def __repr__(self) -> str:
        return f"<Cursor of {self.table!r} in {'primary order' if self.index is None else self.index.name}>"

    def _look(self) -> Scan:
        """Return the scan of the index, if that is still there: -1404, -1305."""
        rows = self.table.rows()
        if rows is not self._known:
            index = self.index
            there = index is None or index.primary or any(each.objid == index.objid for each in rows.table.indexes)
            if not there:
                raise EseError.from_code(Err.IndexNotFound, f"{self!r}: the index was deleted")
            self._known = rows
        return self._scan

    # Where it is.

    @property
    def positioned(self) -> bool:
        """Whether the cursor is at an entry, or where one was."""
        return self._placed

    @property
    def place(self) -> bytes | None:
        """Key where the cursor is, also of an entry that was deleted or was looked for in vain; None at an end."""
        bookmark = self._scan.bookmark if self._placed else None
        return self._gap if bookmark is None else bookmark[0]

    def _entry(self) -> tuple[bytes, bytes]:
        """Return key and data of the current entry: -1603 without one, -1017 when it was deleted."""
        if not self._placed:
            raise EseError.from_code(Err.NoCurrentRecord, f"{self!r}")
        found = self._look().current
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
        key, data = self._entry()
        rows = self._known
        return rows.row(key, data) if self._primary else rows.row(data, rows.record(data))

    def _row_or_none(self) -> Row | None:
        with self._work.reading:
            return self._row() if self._look().current is not None else None

    # Going places.

    def first(self) -> bool:
        """Go to the first entry; return whether there is one."""
        with self._work.reading:
            return self._arrive(self._look().first(), behind=False)

    def last(self) -> bool:
        """Go to the last entry; return whether there is one."""
        with self._work.reading:
            return self._arrive(self._look().last(), behind=True)

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
        scan = self._look()
        if self._placed:
            return self._arrive(scan.prev() if backward else scan.next(), behind=not backward)
        if self._gap is not None:
            return self._arrive(scan.seek(self._gap, Seek.LT if backward else Seek.GE), behind=not backward)
        if self._behind != backward:
            return False
        return self._arrive(scan.last() if backward else scan.first(), behind=not backward)

    def _arrive(self, found: bool, *, behind: bool, gap: bytes | None = None) -> bool:  # noqa: FBT001 - what a search found
        self._placed, self._behind, self._gap = found, behind, None if found else gap
        return found

    def leave(self, *, behind: bool) -> None:
        """Go before the first entry, or behind the last."""
        self._arrive(False, behind=behind)

    def goto_entry(self, key: bytes, bookmark: bytes) -> bool:
        """Go to the entry of a row with this key; return whether it exists."""
        with self._work.reading:
            found = self._look().seek_bookmark(key, b"" if self._primary else bookmark)
            return self._arrive(found, behind=False)

    def seek_key(self, key: bytes, match: Seek = Seek.EQ, *, partial: bool = False) -> bool:
        """Go to an entry by key bytes; with `partial` they stand for all keys that begin with them."""
        with self._work.reading:
            scan = self._look()
            if match is Seek.EQ:
                return self._arrive(self._find(scan, key, partial=partial), behind=False, gap=key)
            if match in (Seek.GE, Seek.LT):
                found = scan.seek(key, match)
            else:
                behind = successor(key) if partial else key + b"\0"
                if match is Seek.GT:
                    found = behind is not None and scan.seek(behind, Seek.GE)
                else:
                    found = scan.last() if behind is None else scan.seek(behind, Seek.LT)
            return self._arrive(found, behind=match in (Seek.GE, Seek.GT))

    @staticmethod
    def _find(scan: Scan, key: bytes, *, partial: bool) -> bool:
        if scan.tree.unique and not partial:
            return scan.find(key)
        found = scan.current if scan.seek(key, Seek.GE) else None
        return found is not None and (found[0].startswith(key) if partial else found[0] == key)

    def goto(self, bookmark: bytes) -> bool:
        """Go to the row of a bookmark; return whether it exists.

        In a secondary index: to the first of its entries; False also for a row without one.
        """
        with self._work.reading:
            scan = self._look()
            if self._primary:
                return self._arrive(scan.find(bookmark), behind=False)
            rows = self._known
            if nodes.get(self._work.session, rows.tree, bookmark) is None:
                return self._arrive(False, behind=False)
            key = rows.first_key(self.index, bookmark)
            found = key is not None and scan.seek_bookmark(key, bookmark)
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
                self._look()
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
                scan = self._look()
                current = scan.current
                batch = scan.batch()
            if not total and current is not None:
                batch.insert(0, current)
            if end is not None and batch and batch[-1][0] >= end:
                total += sum(key < end for key, _ in batch)
                break
            total += len(batch)
            found = bool(batch)
        self.leave(behind=True)
        return total

    def _rows(self, found: bool, end: bytes | None) -> Iterator[Row]:  # noqa: FBT001 - as it is inherited
        while found:
            with self._work.reading:
                entry = self._look().current if self._placed else None
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

    def update(self, /, **values: Any) -> None:
        """Change columns of the current row; -1603, -1017, and as `Table.update`.  The cursor stays at its entry."""
        self.table.update(self.bookmark, **values)

    def replace(self, /, **values: Any) -> None:
        """Give the current row other values altogether; see `Table.replace`."""
        self.table.replace(self.bookmark, **values)

    def delete(self) -> None:
        """Delete the current row; -1603, -1017, -1102."""
        self.table.delete(self.bookmark)

    def escrow(self, column: str, amount: int) -> int:
        """Add to an escrow column of the current row; return its value before; see `Table.escrow`."""
        return self.table.escrow(self.bookmark, column, amount)
