"""Records of a live table: made from rows, and changed column by column.

    new       as the builder makes them; the counter's next number, a version of 0
    changed   taken apart, columns replaced, put together again: what is not named stays as it is, also what the
              catalog no longer shows; the version column goes up by one
    packed    a long value by itself, where its column asks for that and it becomes smaller
    too big   the longest long value that is still inside goes out, until the record fits

Hot path: `NewRecords.encode`, once an insert.  Source: database reference 6.1-6.5, 6.7.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from engine.build.rows import RowEncoder
from engine.build.tagged import MISSING
from engine.errors import Err, EseError
from engine.format.column import (
    FIRST_FIXED_OFFSET,
    LAST_FIXED,
    MOST_SHORT_BYTES,
    ColumnDef,
    ColumnFlags,
    ColumnType,
    Storage,
)
from engine.format.compression import pack_value, unpack_value
from engine.format.longvalue import unpack_reference
from engine.format.page import is_large
from engine.format.record import (
    COMPRESSED,
    DBK_SIZE,
    INTRINSIC_LIMIT,
    LONG,
    RECORD_HEAD,
    TWO,
    Instance,
    RecordLayout,
    Tagged,
    record_limit,
)
from engine.format.value import decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.catalog import TableDef
    from engine.format.record import Record
    from engine.format.value import Value

_VERSION = struct.Struct("<i")
_NOT_FIXED: Final = (LAST_FIXED + 1, 0, 0)
_WORD: Final = 0xFFFFFFFF
_SIGN: Final = 0x80000000
_TWO: Final = 2
_REFERENCE: Final = 8
"""Longest reference; moving out a value as short as that gains nothing."""


class LongStore(Protocol):
    """Where long values go that are not in their record."""

    def add(self, value: bytes, *, pack: bool = False) -> bytes:
        """Store a value, packed where that makes it smaller if `pack`; return its reference."""

    def add_packed(self, value: bytes) -> bytes:
        """Store a value with `pack`."""

    @property
    def reference_size(self) -> int:
        """Bytes of a reference; what is packed in a record is not smaller."""


def limit_of(table: TableDef, page_size: int) -> int:
    """Return the longest record of a table, in bytes."""
    primary = table.primary
    return record_limit(page_size, DBK_SIZE if primary is None else primary.key_most)


def _default(column: ColumnDef) -> Value | None:
    if column.default is None:
        return None
    return decoder(column.type, column.code_page)(column.default)


def is_packed(column: ColumnDef) -> bool:
    """Whether the long values of a column are packed."""
    return bool(column.flags & ColumnFlags.COMPRESSED) and column.type.is_long and column.storage is Storage.TAGGED


class NewRecords(RowEncoder):
    """Makes the records of new rows.  `long` stores long values, `number` gives the counter's next number."""

    def __init__(
        self,
        table: TableDef,
        page_size: int,
        long: LongStore,
        number: Callable[[], int],
        wanted: frozenset[int],
    ) -> None:
        columns = table.columns
        defaults = [0 if each.flags & ColumnFlags.VERSION else _default(each) for each in columns]
        self.defaults = defaults
        super().__init__(columns, defaults, page_size, limit_of(table, page_size), long.add, wanted=wanted)
        if self.tagged is not None:
            if table.separate is not None:
                self.tagged.intrinsic = table.separate
            self.tagged.packed = {(each.id, each.derived): long.add_packed for each in columns if is_packed(each)}
            self.tagged.least_packed = long.reference_size
        self._number = number

    def count(self, values: list[Any], place: int) -> None:
        """Give the counter its number; -1511 when the caller names one, which is not for him to do."""
        if values[place] is not MISSING and values[place] is not None:
            raise EseError.from_code(Err.InvalidColumnType, f"{self.columns[place].name} counts by itself")
        values[place] = self._number()


class ChangedRecords:
    """Changes records of one table; `encoder` checks and converts values."""

    def __init__(self, table: TableDef, page_size: int, encoder: RowEncoder, long: LongStore) -> None:
        self._columns = table.columns
        self._encoder = encoder
        self._long = long
        self._packed = frozenset((each.id, each.derived) for each in table.columns if is_packed(each))
        self._large = is_large(page_size)
        self._limit = limit_of(table, page_size)
        self._intrinsic = INTRINSIC_LIMIT if table.separate is None else table.separate
        gone = [
            ColumnDef(row.id, row.name, ColumnType.BINARY, row.space_usage, offset=row.record_offset or 0)
            for row in table.gone
        ]
        self._layout = RecordLayout([*table.columns, *(each for each in gone if each.offset)], page_size)
        self._fixed = {
            place: (each.id, each.offset, each.offset + each.size)
            for place, each in enumerate(table.columns)
            if each.storage is Storage.FIXED
        }
        """Number, first byte and end of each fixed column, by its place."""
        self._version = next((each for each in table.columns if each.flags & ColumnFlags.VERSION), None)
        self.always = frozenset(place for place, each in enumerate(table.columns) if each.flags & ColumnFlags.VERSION)
        """Places of the columns that every change of a record changes."""
        self._refused = {
            place: each
            for place, each in enumerate(table.columns)
            if each.flags & (ColumnFlags.VERSION | ColumnFlags.AUTO_INCREMENT)
        }

    def change(self, data: bytes, values: Mapping[int, Any]) -> tuple[bytes, list[int]]:
        """Return a record with new values for the columns at some places, and the long values it no longer names.

        `MISSING` leaves a tagged column to its default.
        -1511 for a column that only the engine changes, -1026 for a record that no page holds, else as
        `RowEncoder.encode`.
        """
        refused = self._refused.keys() & values.keys()
        if refused:
            name = self._columns[min(refused)].name
            raise EseError.from_code(Err.InvalidColumnType, f"{name} is not set by callers")
        patched = self._patched(data, values) if self._version is None else None
        if patched is not None:
            return patched, []
        record = self._layout.decode(data)
        released: list[int] = []
        for place, value in values.items():
            self._set(record, place, value, released)
        if self._version is not None:
            raw = record.fixed.get(self._version.id) or bytes(_VERSION.size)
            count = (_VERSION.unpack(raw)[0] + 1) & _WORD
            self._set_fixed(record, self._version, _VERSION.pack(count - (_WORD + 1 if count & _SIGN else 0)))
        return self._encode(record), released

    def _patched(self, data: bytes, values: Mapping[int, Any]) -> bytes | None:
        """Return a record in which only fixed columns change that are there and not null; None for any other change."""
        if len(data) < RECORD_HEAD.size:
            return None
        last, _, end = RECORD_HEAD.unpack_from(data)
        nulls_at = end - -(-last // 8)
        if not FIRST_FIXED_OFFSET <= nulls_at <= end <= len(data):
            return None
        nulls = int.from_bytes(data[nulls_at:end], "little")
        patched = bytearray(data)
        for place, value in values.items():
            number, at, behind = self._fixed.get(place, _NOT_FIXED)
            if value is None or not number <= last or behind > nulls_at or nulls >> (number - 1) & 1:
                return None
            patched[at:behind] = self._encoder.one(place, value)
        return bytes(patched)

    def number(self, data: bytes, column: ColumnDef, value: int) -> bytes:
        """Return a record with another number in a fixed column."""
        record = self._layout.decode(data)
        self._set_fixed(record, column, value.to_bytes(column.size, "little"))
        return self._encode(record)

    def refer(self, data: bytes, column: ColumnDef, instance: int, value: bytes | None, lid: bytes | None) -> bytes:
        """Return a record in which one instance of a long column is `value`, or the reference `lid`."""
        record = self._layout.decode(data)
        place = next(at for at, each in enumerate(record.tagged) if _is(each, column))
        tagged = record.tagged[place]
        instances = list(tagged.instances)
        header = tagged.header if instance else tagged.header & ~COMPRESSED
        instances[instance] = Instance(lid, separated=True) if lid is not None else Instance(value or b"")
        if lid is None and len(instances) == 1:
            instances[0], header = self._inside(tagged, value or b"", header)
        record.tagged[place] = Tagged(tagged.id, tuple(instances), header, tagged.derived)
        if self._version is not None:
            return self.change(self._encode(record), {})[0]
        return self._encode(record)

    def placed(self, column: ColumnDef, value: bytes) -> tuple[bytes | None, bytes | None]:
        """Return (value, None) for one that stays in the record, (None, reference) for one that was stored outside."""
        return (value, None) if len(value) <= self._intrinsic else (None, self._separate(column, value))

    def _separate(self, column: ColumnDef | Tagged, value: bytes) -> bytes:
        """Store a value of a column outside the record; return its reference."""
        return self._long.add(value, pack=(column.id, column.derived) in self._packed)

    def _inside(self, column: ColumnDef | Tagged, value: bytes, header: int) -> tuple[Instance, int]:
        """Return the only value of a long column as it is in the record, and its header byte."""
        small = pack_value(value) if (column.id, column.derived) in self._packed else None
        if small is None or len(small) < self._long.reference_size:
            return Instance(value), header & ~COMPRESSED
        return Instance(small), header | COMPRESSED

    def _set(self, record: Record, place: int, value: Any, released: list[int]) -> None:
        column = self._columns[place]
        if column.storage is Storage.TAGGED:
            self._set_tagged(record, place, value, released)
            return
        if value is None:
            self._encoder.check_null(place)
        raw = None if value is None else self._encoder.one(place, value)
        if column.storage is Storage.FIXED:
            self._set_fixed(record, column, raw)
            return
        for each in self._columns:
            if each.storage is Storage.VARIABLE and each.id < column.id and each.id not in record.variable:
                record.variable[each.id] = each.default
        record.variable[column.id] = raw

    def _set_fixed(self, record: Record, column: ColumnDef, raw: bytes | None) -> None:
        """Set a fixed column; those before it that the record did not reach get what they had by default."""
        for each in self._columns:
            if each.storage is Storage.FIXED and each.id < column.id and each.id not in record.fixed:
                record.fixed[each.id] = each.default
        record.fixed[column.id] = raw

    def _set_tagged(self, record: Record, place: int, value: Any, released: list[int]) -> None:
        column = self._columns[place]
        before = next((each for each in record.tagged if _is(each, column)), None)
        if before is not None:
            released += [unpack_reference(each.data) for each in before.instances if each.separated]
            record.tagged.remove(before)
        if value is MISSING:
            return
        values = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
        if not values:
            self._encoder.check_null(place)
            if column.default is not None:
                record.tagged.append(Tagged(column.id, (), derived=column.derived))
            return
        if len(values) > 1 and not column.multi_valued:
            raise EseError.from_code(Err.InvalidParameter, f"{column.name} holds one value, not {len(values)}")
        if any(each is None for each in values):
            raise EseError.from_code(Err.NullInvalid, f"{column.name}: null within a multi-value")
        raws = [self._encoder.one(place, each) for each in values]
        header = LONG if column.type.is_long else 0
        if len(raws) == _TWO and not header and not self._large and max(map(len, raws)) <= MOST_SHORT_BYTES:
            header = TWO
        instances = [
            Instance(self._separate(column, raw), separated=True)
            if header & LONG and len(raw) > self._intrinsic
            else Instance(raw)
            for raw in raws
        ]
        if header & LONG and len(instances) == 1 and not instances[0].separated:
            instances[0], header = self._inside(column, raws[0], header)
        record.tagged.append(Tagged(column.id, tuple(instances), header, column.derived))

    def _encode(self, record: Record) -> bytes:
        whole = self._layout.encode(record)
        while len(whole) > self._limit:
            self._move_out(record, len(whole))
            whole = self._layout.encode(record)
        return whole

    def _move_out(self, record: Record, size: int) -> None:
        """Separate the longest long value that is still in the record; -1026 when there is none."""
        longest, found = _REFERENCE, None
        for place, tagged in enumerate(record.tagged):
            for at, instance in enumerate(tagged.instances if tagged.header & LONG else ()):
                if not instance.separated and len(instance.data) > longest:
                    longest, found = len(instance.data), (place, at)
        if found is None:
            raise EseError.from_code(Err.RecordTooBig, f"{size} bytes, at most {self._limit}")
        place, at = found
        tagged = record.tagged[place]
        instances, header = list(tagged.instances), tagged.header
        value = instances[at].data
        if header & COMPRESSED and not at:
            value, header = unpack_value(value), header & ~COMPRESSED
        instances[at] = Instance(self._separate(tagged, value), separated=True)
        record.tagged[place] = Tagged(tagged.id, tuple(instances), header, tagged.derived)


def _is(tagged: Tagged, column: ColumnDef) -> bool:
    return tagged.id == column.id and tagged.derived == column.derived


def lids_of(record: Record) -> Iterable[int]:
    """Yield the long values that a record refers to; -1526 for an id of a wrong size."""
    return (unpack_reference(each.data) for tagged in record.tagged for each in tagged.instances if each.separated)


def places_of(columns: Sequence[ColumnDef]) -> dict[str, int]:
    """Return where each column is, by name."""
    return {column.name: place for place, column in enumerate(columns)}
