"""One long value of a row, read and changed in pieces, wherever it is stored.

Source: jet-api reference 4.1 (JetSetColumn: AppendLV, OverwriteLV, SizeLV); database reference 6.5, 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.longvalue import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.store.table import Table
    from engine.store.work import Work

_PIECE: Final = 64 << 10


class LongField:
    """A value of a long column.  Text is in bytes of its code page here.  Made by `Table.long_value`."""

    def __init__(self, table: Table, work: Work, bookmark: bytes, column: str, instance: int) -> None:
        self._table = table
        self._work = work
        self._bookmark = bookmark
        self._column = column
        self._instance = instance

    def __repr__(self) -> str:
        return f"<LongField {self._column}[{self._instance}] of {self._bookmark.hex()}>"

    def _found(self) -> tuple[bytes, int | None]:
        rows = self._table.rows()
        _, inside, lid = rows.instance(rows.record(self._bookmark), self._column, self._instance)
        return inside, lid

    @property
    def size(self) -> int:
        """Bytes of the value; -1601 when the row is gone, -1518 when the value is."""
        with self._work.reading:
            inside, lid = self._found()
            return len(inside) if lid is None else self._table.rows().long.root(lid).size

    @property
    def separated(self) -> bool:
        """Whether it is stored outside the record."""
        with self._work.reading:
            return self._found()[1] is not None

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Return `size` bytes from `offset` on, all without it; fewer at the end.

        -1003 for less than nothing, and errors as `size`.
        """
        if offset < 0 or (size is not None and size < 0):
            raise EseError.from_code(Err.InvalidParameter, f"{self._column}: {size} bytes at {offset}")
        with self._work.reading:
            inside, lid = self._found()
            most = MOST_BYTES if size is None else size
            return inside[offset : offset + most] if lid is None else self._table.rows().long.piece(lid, offset, most)

    def chunks(self, size: int = _PIECE) -> Iterator[bytes]:
        """Yield the value in pieces of `size` bytes; -1003 for none, and errors as `read`."""
        if size < 1:
            raise EseError.from_code(Err.InvalidParameter, f"{self._column}: pieces of {size} bytes")
        at = 0
        while piece := self.read(at, size):
            yield piece
            at += len(piece)

    def append(self, data: bytes) -> None:
        """Add bytes at the end; -1506 when the value becomes too long, -1102."""

        def change(lid: int | None, inside: bytes) -> bytes:
            if lid is None:
                return inside + data
            rows = self._table.rows()
            rows.long.write(lid, rows.long.root(lid).size, data, pack=rows.packs(self._column))
            return b""

        self._change(change)

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite bytes at `offset`, beyond the end too; -1502 when it lies behind the end, -1506, -1102."""

        def change(lid: int | None, inside: bytes) -> bytes:
            rows = self._table.rows()
            size = len(inside) if lid is None else rows.long.root(lid).size
            if not 0 <= offset <= size:
                raise EseError.from_code(Err.ColumnNoChunk, f"{self._column}: offset {offset} of {size}")
            if lid is None:
                return inside[:offset] + data + inside[offset + len(data) :]
            rows.long.write(lid, offset, data, pack=rows.packs(self._column))
            return b""

        self._change(change)

    def resize(self, size: int) -> None:
        """Cut the value, or fill it up with zeros; -1506 when it would be too long, -1102."""
        if not 0 <= size <= MOST_BYTES:
            raise EseError.from_code(Err.ColumnTooBig, f"{self._column}: {size} bytes")

        def change(lid: int | None, inside: bytes) -> bytes:
            if lid is None:
                return inside[:size].ljust(size, b"\0")
            rows = self._table.rows()
            rows.long.resize(lid, size, pack=rows.packs(self._column))
            return b""

        self._change(change)

    def _change(self, change: Callable[[int | None, bytes], bytes]) -> None:
        with self._work:
            self._table.writable().change_long(self._bookmark, self._column, self._instance, change)
