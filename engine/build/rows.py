"""Rows to records: one encoder a table, with everything that can be decided once decided at the start.

A row is a mapping of column names to values, or a sequence with a value for each column in the order of the
definition.  A missing name takes the default, or the next number of an auto-increment column; None is null.
Multi-valued columns take a value or a list of values.

Hot path: `RowEncoder.encode`.  The usual row mentions every column, has no null in a fixed column and only values
of the right type; then the fixed columns are packed by one `struct` call and nothing is checked twice.  Anything
else makes one of these steps fail, and the row is then looked at column by column.

Source: database reference 6.1-6.5, 7.7.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.build.tagged import MISSING, TaggedEncoder
from engine.errors import Err, EseError
from engine.format.column import (
    FIRST_FIXED_OFFSET,
    FIRST_VARIABLE,
    TYPE_SIZES,
    ColumnDef,
    ColumnFlags,
    ColumnType,
    Storage,
)
from engine.format.record import FILLER, NO_VARIABLE, NULL_VARIABLE, RECORD_HEAD, null_bitmap
from engine.format.value import CONVERSION_ERRORS, STRUCT_CODES, encoder, ole_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.build.tagged import Raw
    from engine.format.value import Value

Row: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""Values by column name, or in the order of the columns; see the module's description."""

_UNSIGNED: Final = (ColumnType.UNSIGNED_LONG, ColumnType.UNSIGNED_LONG_LONG)
_MOST_VARIABLE: Final = 128
_NOWHERE: Final = -1
"""Stands for the place of a deleted variable column."""
_WORDS: Final = tuple(struct.Struct(f"<{count}H") for count in range(_MOST_VARIABLE + 1))


def _several(places: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that picks these items of a sequence or mapping, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda _: ()
    only = places[0]
    return lambda values: (values[only],)


class RowEncoder:
    """Encodes the rows of one table.

    `limit` is the longest record in bytes.  `separate` stores a long value and returns its reference; it is
    called for values longer than 1023 bytes and, longest first, for as many as needed to respect the limit.
    After `encode`, `raw` holds the stored form of the columns at the positions `wanted`, for keys.
    """

    def __init__(
        self,
        columns: Sequence[ColumnDef],
        defaults: Sequence[Value | None],
        page_size: int,
        limit: int,
        separate: Callable[[bytes], bytes],
        *,
        wanted: frozenset[int],
    ) -> None:
        self.columns = tuple(columns)
        self.raw: list[Raw] = [None] * len(columns)
        self.high_water: int | None = None
        """Highest auto-increment value so far; None without such a column."""
        self._limit = limit
        self._wanted = wanted
        self.encoders = [_encoder_of(column) for column in columns]
        self._by_name = [
            (column.name, _when_missing(column, default)) for column, default in zip(columns, defaults, strict=True)
        ]
        self._names = frozenset(column.name for column in columns)
        self._get_all = _several([column.name for column in columns])
        self._counter = self._find_counter()
        self._stored = [
            self._padded(place) if column.storage is Storage.FIXED else self.encoders[place]
            for place, column in enumerate(columns)
        ]
        """What makes the whole stored form of a value."""
        self._plan_fixed()
        self._plan_variable()
        tagged = [place for place, column in enumerate(columns) if column.storage is Storage.TAGGED]
        self.tagged = TaggedEncoder(self, tagged, page_size, separate) if tagged else None

    def _find_counter(self) -> int | None:
        places = [place for place, each in enumerate(self.columns) if each.flags & ColumnFlags.AUTO_INCREMENT]
        if len(places) > 1:
            raise EseError.from_code(Err.InvalidParameter, "more than one auto-increment column")
        if not places:
            return None
        self.high_water = 0
        return places[0]

    def _plan_fixed(self) -> None:
        """Prepare the one `struct` call that packs all fixed columns."""
        self._fixed = [place for place, column in enumerate(self.columns) if column.storage is Storage.FIXED]
        self._get_fixed = _several(self._fixed)
        ids = [self.columns[place].id for place in self._fixed]
        self._last_fixed = max(ids, default=0)
        codes, at = "<", 0
        steps: list[tuple[int, Callable[[Any], Any]]] = []
        slices: list[tuple[int, int, int]] = []
        for order, place in enumerate(self._fixed):
            column = self.columns[place]
            code = STRUCT_CODES.get(column.type)
            # Columns that were deleted leave holes.
            hole = column.offset - FIRST_FIXED_OFFSET - at
            codes += (f"{hole}x" if hole else "") + (code or f"{column.size}s")
            at += hole
            if column.type is ColumnType.DATE_TIME:
                steps.append((order, ole_date))
            elif not code:
                exact = column.type in TYPE_SIZES
                steps.append((order, self.encoders[place] if exact else self._stored[place]))
            if place in self._wanted:
                slices.append((place, at, at + column.size))
            at += column.size
        self._pack_fixed = struct.Struct(codes).pack
        self._fixed_steps, self._fixed_slices = steps, slices
        self._no_nulls = null_bitmap([number not in ids for number in range(1, self._last_fixed + 1)])

    def _plan_variable(self) -> None:
        self._variable: list[tuple[int, Callable[[Any], bytes], int, bool]] = []
        for place, column in enumerate(self.columns):
            if column.storage is Storage.VARIABLE:
                holes = column.id - FIRST_VARIABLE - len(self._variable)
                self._variable += [(_NOWHERE, self.encoders[place], 0, False)] * holes
                self._variable.append((place, self.encoders[place], column.size, column.default is not None))

    def _padded(self, place: int) -> Callable[[Any], bytes]:
        """Return the encoder of a fixed column of bytes: exact size, text filled with spaces, binary with zeros."""
        column, encode = self.columns[place], self.encoders[place]

        def padded(value: Any) -> bytes:
            raw = encode(value)
            if len(raw) > column.size:
                raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(raw)} bytes in {column.size}")
            return column.filled(raw)

        return padded

    def encode(self, row: Row) -> bytes:
        """Return the record of a row and set `raw`.

        -1504 for a null that is not allowed, -1506 for a value too long, -1507 for an unknown name, -1026 for
        a record that no page can hold, -1003 for a value that is not of the column's type.
        """
        values = self._values(row)
        try:
            fixed_values: Any = self._get_fixed(values)
            if self._fixed_steps:
                fixed_values = list(fixed_values)
                for order, step in self._fixed_steps:
                    fixed_values[order] = step(fixed_values[order])
            fixed = self._pack_fixed(*fixed_values)
        except CONVERSION_ERRORS:
            last, fixed = self._fixed_slowly(values)
        else:
            for place, start, end in self._fixed_slices:
                self.raw[place] = fixed[start:end]
            last = self._last_fixed
            fixed += self._no_nulls
        ends, parts = self._encode_variable(values) if self._variable else ((), ())
        head = RECORD_HEAD.pack(last, NO_VARIABLE + len(ends), RECORD_HEAD.size + len(fixed))
        whole = b"".join((head, fixed, _WORDS[len(ends)].pack(*ends), *parts))
        if self.tagged is None:
            if len(whole) > self._limit:
                raise EseError.from_code(Err.RecordTooBig, f"{len(whole)} bytes, at most {self._limit}")
            return whole
        return whole + self.tagged.encode(values, self._limit - len(whole))

    def _values(self, row: Row) -> Sequence[Any]:
        """Return a value for each column, `MISSING` where the caller named none and the default is not written."""
        values: Sequence[Any]
        # The usual row is spared the question whether it is a mapping, which takes long.
        if isinstance(row, tuple | list):
            values = row
        elif isinstance(row, Mapping):
            values = self._by_names(row)
        else:
            values = list(row)
        if len(values) != len(self.columns):
            raise EseError.from_code(Err.InvalidParameter, f"{len(values)} values for {len(self.columns)} columns")
        if self._counter is None:
            return values
        numbered = list(values)
        self.count(numbered, self._counter)
        return numbered

    def _by_names(self, row: Mapping[str, Any]) -> list[Any]:
        if len(row) == len(self._by_name):
            try:
                return list(self._get_all(row))
            except KeyError:
                pass  # as many names, but not the same: said below
        if not row.keys() <= self._names:
            unknown = ", ".join(sorted(map(str, row.keys() - self._names)))
            raise EseError.from_code(Err.ColumnNotFound, unknown)
        get = row.get
        return [get(name, missing) for name, missing in self._by_name]

    def count(self, values: list[Any], place: int) -> None:
        """Give the auto-increment column at `place` its number, or note the one it is given; -1076."""
        given, high = values[place], self.high_water or 0
        if given is MISSING or given is None:
            given = values[place] = high + 1
            bits = 8 * self.columns[place].size
            if given >> (bits - (self.columns[place].type not in _UNSIGNED)):
                raise EseError.from_code(Err.OutOfAutoincrementValues, self.columns[place].name)
        if isinstance(given, int) and given > high:
            self.high_water = given

    def _fixed_slowly(self, values: Sequence[Any]) -> tuple[int, bytes]:
        """Encode fixed columns one by one; return (last one present, bytes with null bitmap)."""
        for place in self._fixed:
            value = values[place]
            self.raw[place] = None if value is None else self.one(place, value)
        present = len(self._fixed)
        # A null at the end is left out, unless a default would then take its place.
        while present and self.raw[place := self._fixed[present - 1]] is None and self.columns[place].default is None:
            self.check_null(place)
            present -= 1
        last = self.columns[self._fixed[present - 1]].id if present else 0
        data, nulls = bytearray(), [True] * last
        for place in self._fixed[:present]:
            column, raw = self.columns[place], self.raw[place]
            data += FILLER * (column.offset - FIRST_FIXED_OFFSET - len(data))
            if raw is None:
                self.check_null(place)
            data += raw if isinstance(raw, bytes) else FILLER * column.size
            nulls[column.id - 1] = raw is None
        return last, bytes(data) + null_bitmap(nulls)

    def check_null(self, place: int) -> None:
        """Raise -1504 when a column must not be null."""
        if self.columns[place].flags & ColumnFlags.NOT_NULL:
            raise EseError.from_code(Err.NullInvalid, self.columns[place].name)

    def one(self, place: int, value: Any) -> bytes:
        """Return the stored form of one value, checked against the column."""
        column = self.columns[place]
        try:
            raw = self._stored[place](value)
        except CONVERSION_ERRORS as error:
            raise EseError.from_code(Err.InvalidParameter, f"{column.name}: {error}") from error
        if column.size and len(raw) > column.size:
            raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(raw)} bytes, at most {column.size}")
        return raw

    def _encode_variable(self, values: Sequence[Any]) -> tuple[Sequence[int], Sequence[bytes]]:
        """Return (end offsets, data); columns after the last one present are left out."""
        ends: list[int] = []
        parts: list[bytes] = []
        at = present = 0
        for place, encode, most, has_default in self._variable:
            if place == _NOWHERE:
                ends.append(at | NULL_VARIABLE)
                continue
            value = values[place]
            if value is None:
                self.check_null(place)
                self.raw[place] = None
                ends.append(at | NULL_VARIABLE)
                if has_default:
                    present = len(ends)
                continue
            try:
                data = encode(value)
            except CONVERSION_ERRORS:
                data = self.one(place, value)
            if len(data) > most:
                data = self.one(place, value)
            self.raw[place] = data
            parts.append(data)
            at += len(data)
            ends.append(at)
            present = len(ends)
        return ends[:present], parts


def _encoder_of(column: ColumnDef) -> Callable[[Any], bytes]:
    """Return what makes stored bytes of a column's values; -1001 at each value for one that is encrypted."""
    if not column.flags & ColumnFlags.ENCRYPTED:
        return encoder(column.type, column.code_page)

    def refuse(_: Any) -> bytes:
        raise EseError.from_code(Err.FeatureNotAvailable, f"column {column.name} is encrypted")

    return refuse


def _when_missing(column: ColumnDef, default: Value | None) -> Any:
    """Return what stands for a column that a mapping does not name."""
    by_itself = column.storage is Storage.TAGGED and column.default is not None
    return MISSING if by_itself or column.flags & ColumnFlags.AUTO_INCREMENT else default
