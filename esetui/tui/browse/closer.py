"""One value in full, as far as a person can read it: text, bytes, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.errors import EseError
from engine.format.column import UNICODE
from engine.table.long_values import LongValue
from engine.table.values import Unreadable
from esetui.cli.describe.values import value_text

if TYPE_CHECKING:
    from engine.format.column import ColumnDef
    from esetui.tui.browse.rowset import Entry

MOST_BYTES: Final = 1 << 20
"""Bytes of a long value that are shown; an export has all of it."""
MOST_VALUES: Final = 1000
"""Values of a multi-valued column that can be looked at one by one."""


@dataclass(frozen=True, slots=True)
class Closer:
    """A value.  `data` are its bytes where it has any worth looking at, `size` how many there are in all.

    `place` says where it is kept, `chunks` the sizes of the pieces of a long value as far as it was read.
    """

    text: str
    place: str
    data: bytes | None = None
    size: int = 0
    chunks: tuple[int, ...] = ()
    problem: str = ""

    @property
    def cut(self) -> bool:
        """Whether there is more than is shown."""
        return self.data is not None and self.size > len(self.data)


def look_closer(entry: Entry, column: ColumnDef) -> tuple[Closer, ...]:
    """Return the values of a column of a row: one, or several of a multi-valued one."""
    if entry.row is None:
        return (Closer("", "", problem=entry.problem),)
    value = entry.row.peek(column.name)
    if isinstance(value, tuple):
        return tuple(_one(each, column) for each in value[:MOST_VALUES]) or (Closer("", "no value in the record"),)
    return (_one(value, column),)


def _one(value: object, column: ColumnDef) -> Closer:
    if value is None:
        return Closer("", "null: no value")
    if isinstance(value, Unreadable):
        problem = f"{value.name} ({value.code}): {value.detail}"
        return Closer("", "in the record", value.stored or None, len(value.stored), problem=problem)
    if isinstance(value, LongValue):
        return _long(value)
    if isinstance(value, bytes):
        return Closer("", "in the record", value, len(value))
    if isinstance(value, str):
        data = value.encode("utf-16-le" if column.code_page == UNICODE else "cp1252", "replace")
        return Closer(value, "in the record", data, len(data))
    return Closer(value_text(value), "in the record")


def _long(value: LongValue) -> Closer:
    place = f"long value {value.lid:#x}, outside the record"
    data, sizes, total = bytearray(), [], 0
    try:
        total = value.size
        for chunk in value.chunks():
            sizes.append(len(chunk))
            data += chunk
            if len(data) >= MOST_BYTES:
                break
    except EseError as error:
        problem = f"{error.name} ({error.code}): {error.message}"
        return Closer("", place, bytes(data) or None, total, tuple(sizes), problem)
    shown = bytes(data[:MOST_BYTES])
    text = value.decoded(shown)
    return Closer(text if isinstance(text, str) else "", place, shown, total, tuple(sizes))
