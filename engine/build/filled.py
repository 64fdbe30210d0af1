"""Large tables of generated rows, at the speed of the disk: for benchmarks and trials.

    Id LongLong (primary key, 1..n) | Stamp DateTime | Shard UnsignedLong | Payload LongBinary, random bytes

All rows have the same size, so all leaves have the same shape.  One leaf is composed by the ordinary code; the others
are copies of it in which keys, values, page number, siblings and update counter are filled in for a whole batch at
once.  The pages are as valid as any: checksums, separators, space and catalog are made by the same code as always.
The leaves carry no page prefix (legal, 2-3 % less dense), which keeps their shape the same.

Source: database reference 2.1, 3.3, 6.1, 12.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.build.compose import TREE_FLAGS, PageHead, compose_page, page_capacity
from engine.build.schema import Column, Index
from engine.build.table import TableBuilder
from engine.errors import Err, EseError
from engine.format.column import ColumnType
from engine.format.node import separator
from engine.format.page import PageFlags, header_size, is_large

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.build.table import BuildContext, TableInfo

FILLED_COLUMNS: Final = (
    Column("Id", ColumnType.LONG_LONG, not_null=True),
    Column("Stamp", ColumnType.DATE_TIME),
    Column("Shard", ColumnType.UNSIGNED_LONG),
    Column("Payload", ColumnType.LONG_BINARY),
)
_ROW_BYTES: Final = 1013
"""About a kibibyte a row on every page size, with the payload still within the record."""
_KEY_SIZE: Final = 9
_KEY_WORD: Final = struct.Struct("<H")
_KEY: Final = struct.Struct(">BQ")
_KEY_PREFIX: Final = 0x7F
_SIGN: Final = 1 << 63
_ID_AT, _STAMP_AT, _SHARD_AT = 4, 12, 20
_FIRST_DAY: Final = 45292.0
"""2024-01-01 as days since 1899-12-30."""
_SECONDS_A_DAY: Final = 86400.0
_SPREAD: Final = 2654435761
# Places in a page header that differ from leaf to leaf.
_DBTIME, _BEFORE, _AFTER, _OWN_PGNO = slice(8, 16), slice(16, 20), slice(20, 24), slice(64, 68)


class FilledTable(TableBuilder):
    """Builds a table of generated rows; made and used by `DatabaseBuilder.add_filled_table`."""

    def __init__(self, context: BuildContext, name: str) -> None:
        super().__init__(context, name, FILLED_COLUMNS, primary=Index("Id", ("Id",)), secondary=())
        page_size = context.page_size
        lines = page_capacity(page_size)
        self.rows_a_page = lines // _ROW_BYTES
        empty = len(self._rows.encode((1, _FIRST_DAY, 1, b"")))
        overhead = 4 + _KEY_WORD.size + _KEY_SIZE
        self._payload = lines // self.rows_a_page - overhead - empty
        self._record = self._rows.encode((1, _FIRST_DAY, 1, bytes(self._payload)))

    def fill(self, leaf_pages: int, seed: int) -> TableInfo:
        """Write `leaf_pages` full leaves, at least 2, with payloads that follow from `seed`."""
        if leaf_pages < 2:  # noqa: PLR2004 - a tree needs something to link
            raise EseError.from_code(Err.InvalidParameter, f"{leaf_pages} leaf pages")
        sink = self._context.sink
        first = self._space.take(leaf_pages)
        last = first + leaf_pages - 1
        generator = np.random.Generator(np.random.SFC64(seed))
        template = np.frombuffer(self._template(), np.uint8)
        base = sink.dbtime + 1
        sink.dbtime += leaf_pages
        for start in range(first, last + 1, sink.batch_pages):
            count = min(sink.batch_pages, last + 1 - start)
            buffer = sink.buffer()
            pages = np.frombuffer(buffer, np.uint8)[: count * sink.page_size].reshape(count, sink.page_size)
            pages[:] = template
            numbers = np.arange(start, start + count, dtype=np.uint64)
            self._number(pages, numbers, first, last, base)
            self._fill_rows(pages, numbers - np.uint64(first), generator)
            sink.submit(buffer, count, start)
            self._add_leaves(start, count, first, last)
        self._tree.entries = leaf_pages * self.rows_a_page
        return self._finish()

    def _template(self) -> bytes:
        """Return one leaf made by the ordinary code, with the same row in every line."""
        line = _KEY_WORD.pack(_KEY_SIZE) + bytes(_KEY_SIZE) + self._record
        flags = TREE_FLAGS | int(PageFlags.LEAF)
        lines = [line] * self.rows_a_page
        return compose_page(self._context.page_size, PageHead(0, self._tree.objid, flags, 0), b"", lines)

    def _number(
        self,
        pages: NDArray[np.uint8],
        numbers: NDArray[np.uint64],
        first: int,
        last: int,
        dbtime: int,
    ) -> None:
        """Fill in update counter, siblings and, on large pages, the page's own number."""
        before, after = numbers - np.uint64(1), numbers + np.uint64(1)
        before[numbers == first] = 0
        after[numbers == last] = 0
        pages[:, _DBTIME] = _bytes(numbers - np.uint64(first) + np.uint64(dbtime), "<u8")
        pages[:, _BEFORE] = _bytes(before, "<u4")
        pages[:, _AFTER] = _bytes(after, "<u4")
        if is_large(self._context.page_size):
            pages[:, _OWN_PGNO] = _bytes(numbers, "<u4")

    def _fill_rows(self, pages: NDArray[np.uint8], leaves: NDArray[np.uint64], generator: np.random.Generator) -> None:
        """Fill in keys and values; `leaves` are the positions of these pages among the leaves, from 0."""
        count, a_page = len(pages), self.rows_a_page
        size = _KEY_WORD.size + _KEY_SIZE + len(self._record)
        start = header_size(self._context.page_size)
        rows = pages[:, start : start + a_page * size].reshape(count, a_page, size)
        ids = leaves[:, None] * np.uint64(a_page) + np.arange(1, a_page + 1, dtype=np.uint64)[None, :]
        rows[:, :, 2] = _KEY_PREFIX
        rows[:, :, 3 : 3 + 8] = _bytes(ids ^ np.uint64(_SIGN), ">u8")
        record = rows[:, :, _KEY_WORD.size + _KEY_SIZE :]
        record[:, :, _ID_AT:_STAMP_AT] = _bytes(ids, "<u8")
        record[:, :, _STAMP_AT:_SHARD_AT] = _bytes(_FIRST_DAY + ids / _SECONDS_A_DAY, "<f8")
        record[:, :, _SHARD_AT : _SHARD_AT + 4] = _bytes(ids * np.uint64(_SPREAD) & np.uint64(0xFFFFFFFF), "<u4")
        words = -(-count * a_page * self._payload // 8)
        random = generator.integers(0, 1 << 64, words, dtype=np.uint64, endpoint=False).view(np.uint8)
        wanted = random[: count * a_page * self._payload]
        record[:, :, len(self._record) - self._payload :] = wanted.reshape(count, a_page, self._payload)

    def _add_leaves(self, start: int, count: int, first: int, last: int) -> None:
        """Give these leaves to the level above."""
        add, a_page = self._tree.add_finished_leaf, self.rows_a_page
        for pgno in range(start, start + count):
            if pgno == last:
                add(b"", pgno)
                break
            left = (pgno - first + 1) * a_page
            bound = separator(_KEY.pack(_KEY_PREFIX, left | _SIGN), b"", _KEY.pack(_KEY_PREFIX, left + 1 | _SIGN), b"")
            add(bound, pgno)


def _bytes(values: NDArray[np.generic], kind: str) -> NDArray[np.uint8]:
    """Return the bytes of each value as a further axis."""
    return np.ascontiguousarray(values.astype(kind))[..., None].view(np.uint8)
