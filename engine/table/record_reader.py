"""The values of a record as stored bytes, column by column: what keys and references are made of.

Source: database reference 6, 7.2-7.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.column import Storage
from engine.format.compression import unpack_value
from engine.format.longvalue import unpack_reference
from engine.format.record import COMPRESSED, ENCRYPTED, RecordLayout, decode_tagged_old

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.catalog import TableDef
    from engine.catalog.entries import Values
    from engine.format.column import ColumnDef
    from engine.format.record import Record, Tagged
    from engine.table.long_values import LongValues

_NULL: Final[Values] = (None,)
_DERIVED: Final = 1 << 16


class RecordReader:
    """Reads the values of records and makes index entries of them; knows nothing of pages."""

    def __init__(self, table: TableDef, page_size: int, long_values: LongValues) -> None:
        self.table = table
        self._layout = RecordLayout(table.columns, page_size)
        self._long_values = long_values
        self._record: Record | None = None
        self._tagged: dict[tuple[bool, int], Tagged] = {}
        self._values: dict[int, Values] = {}

    def take(self, data: bytes | memoryview, *, old: bool = False) -> Record:
        """Take a record apart and make it the current one; -358."""
        record = self._layout.decode(data) if not old else self._old(data)
        self._record = record
        self._tagged = {(each.derived, each.id): each for each in record.tagged}
        self._values = {}
        return record

    def _old(self, data: bytes | memoryview) -> Record:
        """Take a record of the format before sorted tagged columns apart."""
        whole = bytes(data)
        start = _tagged_start(whole)
        record = self._layout.decode(whole[:start])
        record.tagged = decode_tagged_old(whole[start:])
        return record

    def value_of(self, column: ColumnDef) -> Values:
        """Return the values of a column in the current record; -1526, -1620 and the like when one is unreadable."""
        place = column.id | _DERIVED if column.derived else column.id
        found = self._values.get(place)
        if found is None:
            found = self._values[place] = self._read(column)
        return found

    def has(self, column: ColumnDef) -> bool:
        """Say whether the current record itself says what a column is, null included: no default stands in for it."""
        record = self._record
        if record is None:
            return False
        if column.storage is Storage.TAGGED:
            return (column.derived, column.id) in self._tagged
        return column.id in (record.fixed if column.storage is Storage.FIXED else record.variable)

    def _read(self, column: ColumnDef) -> Values:
        record = self._record
        if record is None:
            return _NULL
        if column.storage is not Storage.TAGGED:
            part = record.fixed if column.storage is Storage.FIXED else record.variable
            return (part.get(column.id, column.default),)
        tagged = self._tagged.get((column.derived, column.id))
        if tagged is None:
            return (column.default,)
        if tagged.is_null:
            return _NULL
        return tuple(self._instances(tagged))

    def _instances(self, tagged: Tagged) -> Iterable[bytes]:
        if tagged.header & ENCRYPTED:
            raise EseError.from_code(Err.FeatureNotAvailable, f"column {tagged.id} is encrypted")
        for place, instance in enumerate(tagged.instances):
            if instance.separated:
                yield self._long_values.read(unpack_reference(instance.data))
            else:
                packed = tagged.header & COMPRESSED and not place
                yield unpack_value(instance.data) if packed else instance.data

    def lids(self) -> Iterable[int]:
        """Yield the long values that the current record refers to; -1526 for an id of a wrong size."""
        for tagged in self._record.tagged if self._record is not None else ():
            for instance in tagged.instances:
                if instance.separated:
                    yield unpack_reference(instance.data)


def _tagged_start(data: bytes) -> int:
    """Return where the tagged area of a record begins; the length of the record when it is too short for one."""
    if len(data) < 4:  # noqa: PLR2004 - the head of a record
        return len(data)
    count = data[1] - 127
    directory = int.from_bytes(data[2:4], "little")
    end = directory + 2 * max(0, count)
    if count <= 0:
        return min(len(data), directory)
    return min(len(data), end + (int.from_bytes(data[end - 2 : end], "little") & 0x7FFF))
