"""Numbers that a table gives out once: record numbers, and those of its auto-increment column.

The auto-increment counter is reserved in batches: the root's header says up to which number.  A batch is twice the one
before, up to 1000; what a stop leaves unused is skipped.  Formats that do not know the header count on from the
greatest number in the table.  A number is not given back when its transaction is.

Source: database reference 2.6, 3.4; jet-api reference 3.3 (-1076).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.column import ColumnType
from engine.format.levels import ROOT_COUNTER_LEVEL
from engine.store import trees
from engine.store.extents import root_header
from engine.store.search import last_leaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.catalog import TableDef
    from engine.format.column import ColumnDef
    from engine.store.doing import TreeRef
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession

LARGEST_BATCH: Final = 1000
_DBK = struct.Struct(">I")
_LAST, _RESERVED, _BATCH, _RECORD = "last", "reserved", "batch", "record"
_UNSIGNED: Final = (ColumnType.UNSIGNED_LONG, ColumnType.UNSIGNED_LONG_LONG)
_MOST_RECORD: Final = 0xFFFFFFFF
_COUNTER_SIZE: Final = 9


def next_record_number(shared: Shared, tree: TreeRef) -> bytes:
    """Return the key of the next row of a table without primary index; -1076 when they run out."""
    numbers, key = shared.numbers, (tree.objid, _RECORD)
    with shared.pages.journal.latch:
        last = numbers.get(key)
        if last is None:
            leaf = last_leaf(tree)
            last = _DBK.unpack(leaf.key(leaf.line_count - 1))[0] if leaf.line_count else 0
        if last >= _MOST_RECORD:
            raise EseError.from_code(Err.OutOfAutoincrementValues, "record numbers", path=shared.pages.path)
        numbers[key] = last + 1
        return _DBK.pack(last + 1)


class AutoIncrement:
    """The counter of one table; `greatest` finds the greatest number in it."""

    def __init__(self, shared: Shared, table: TableDef, column: ColumnDef, tree: TreeRef) -> None:
        self._shared = shared
        self._table = table
        self._column = column
        self._tree = tree
        bits = 8 * column.size - (column.type not in _UNSIGNED)
        self._most = (1 << bits) - 1
        objid = table.objid
        self._last, self._reserved, self._batch = (objid, _LAST), (objid, _RESERVED), (objid, _BATCH)

    def take(self, session: StoreSession, greatest: Callable[[], int]) -> int:
        """Return the next number; -1076 when they run out."""
        numbers = self._shared.numbers
        with session.journal.latch:
            last = numbers.get(self._last)
            if last is None:
                last = self._begin(session, greatest)
            number = last + 1
            if number > self._most:
                raise EseError.from_code(Err.OutOfAutoincrementValues, self._column.name, path=self._shared.pages.path)
            if number > numbers[self._reserved]:
                self._reserve(session, last)
            numbers[self._last] = number
            return number

    def start(self, session: StoreSession, last: int) -> None:
        """Begin to count behind `last`, in a table that is made or gets its counter.

        Never below what an earlier counter of the table has reached: it may come back with the transaction.
        """
        numbers = self._shared.numbers
        with session.journal.latch:
            stored = root_header(self._tree).auto_increment or 0
            numbers[self._last] = last = max(last, stored, numbers.get(self._last, 0))
            self._set(session, last)

    def _begin(self, session: StoreSession, greatest: Callable[[], int]) -> int:
        """Find out where to go on, the first time since the database was attached."""
        numbers = self._shared.numbers
        stored = root_header(self._tree).auto_increment
        last = greatest() if stored is None else stored
        numbers[self._last] = last
        if stored is None:
            self._set(session, last)
        else:
            numbers[self._reserved] = stored
        return last

    def _set(self, session: StoreSession, reserved: int) -> None:
        """Note in the root what is reserved, where the format and the room there allow it."""
        numbers, tree = self._shared.numbers, self._tree
        header = root_header(tree)
        page = tree.pages.load(tree.root)
        room = header.auto_increment is not None or tree.capacity - page.used >= _COUNTER_SIZE
        if self._shared.update_major < ROOT_COUNTER_LEVEL or not room:
            numbers[self._reserved] = self._most
            return
        trees.set_root_header(session, tree, replace(header, auto_increment=reserved).pack())
        numbers[self._reserved] = reserved

    def _reserve(self, session: StoreSession, last: int) -> None:
        numbers = self._shared.numbers
        batch = min(2 * numbers.get(self._batch, 1), LARGEST_BATCH)
        numbers[self._batch] = batch
        self._set(session, min(last + batch, self._most))
