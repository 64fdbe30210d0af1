"""Rows to records: one encoder a table, with everything that can be decided once decided at the start.

A row is a mapping of column names to values, or a sequence with a value for each column in the order of the
definition.  A missing name takes the default, or the next number of an auto-increment column; None is null.
Multi-valued columns take a value or a list of values.

Hot path: `RowEncoder.encode`.  The usual row has no null in a fixed column: all of them are then packed by one
`struct` call, and only a failure of that call leads to looking at each.

Source: database reference 6.1-6.5, 7.7.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.column import MOST_SHORT_BYTES, UNICODE, ColumnDef, ColumnFlags, ColumnType, Storage
from engine.format.page import is_large
from engine.format.record import (
    FILLER,
    INTRINSIC_LIMIT,
    LONG,
    NULL,
    TWO,
    Instance,
    Tagged,
    assemble,
    null_bitmap,
    pack_tagged,
    tagged_field,
)
from engine.format.value import STRUCT_CODES, encoder, ole_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.format.value import Value

Row: TypeAlias = "Mapping[str, Value | Sequence[Value] | None] | Sequence[Value | Sequence[Value] | None]"
Raw: TypeAlias = "bytes | tuple[bytes, ...] | None"
"""Stored form of a column: bytes, the instances of a multi-value, or None for null."""

_CONVERSION_ERRORS: Final = (TypeError, ValueError, OverflowError, ArithmeticError, struct.error)


class _Missing:
    """Stands for a column that a row does not mention and whose default is not written into records."""


_MISSING: Final = _Missing()
_UNSIGNED: Final = (ColumnType.UNSIGNED_LONG, ColumnType.UNSIGNED_LONG_LONG)


class RowEncoder:
    """Encodes the rows of one table.

    `limit` is the longest record in bytes.  `separate` stores a long value and returns its reference; it is
    called for values longer than 1023 bytes and, longest first, for as many as needed to respect the limit.
    After `encode`, `raw` holds the stored form of each column by position, for keys.
    """

    def __init__(
        self,
        columns: Sequence[ColumnDef],
        defaults: Sequence[Value | None],
        page_size: int,
        limit: int,
        separate: Callable[[bytes], bytes],
    ) -> None:
        self.columns = tuple(columns)
        self.raw: list[Raw] = [None] * len(columns)
        self.high_water: int | None = None
        """Highest auto-increment value so far; None without such a column."""
        self._large = is_large(page_size)
        self._limit = limit
        self._separate = separate
        self._encode = [encoder(column.type, column.code_page) for column in columns]
        self._names = [
            (column.name, _when_missing(column, default)) for column, default in zip(columns, defaults, strict=True)
        ]
        self._known = frozenset(column.name for column in columns)
        self._counter = self._find_counter()
        self._plan_fixed()
        self._variable = [place for place, column in enumerate(columns) if column.storage is Storage.VARIABLE]
        self._tagged = [place for place, column in enumerate(columns) if column.storage is Storage.TAGGED]

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
        codes = "<"
        steps: list[tuple[int, Callable[[Any], Any] | None]] = []
        slices: list[tuple[int, int, int]] = []
        at = 0
        for place in self._fixed:
            column = self.columns[place]
            code = STRUCT_CODES.get(column.type)
            codes += code or f"{column.size}s"
            if column.type is ColumnType.DATE_TIME:
                steps.append((place, ole_date))
            elif code:
                steps.append((place, None))
            else:
                steps.append((place, self._padded(place)))
            slices.append((place, at, at + column.size))
            at += column.size
        self._pack_fixed = struct.Struct(codes).pack
        self._fixed_steps, self._fixed_slices = steps, slices
        self._no_nulls = null_bitmap([False] * len(self._fixed))

    def _padded(self, place: int) -> Callable[[Any], bytes]:
        """Return the encoder of a fixed column of bytes: exact size, text filled with spaces, binary with zeros."""
        column, encode = self.columns[place], self._encode[place]
        fill = b"\0"
        if column.type.is_text:
            fill = " ".encode("utf-16-le" if column.code_page == UNICODE else "ascii")

        def padded(value: Any) -> bytes:
            raw = encode(value)
            if len(raw) > column.size:
                raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(raw)} bytes in {column.size}")
            return raw + (fill * (column.size - len(raw)))[: column.size - len(raw)]

        return padded

    def encode(self, row: Row) -> bytes:
        """Return the record of a row and set `raw`.

        -1504 for a null that is not allowed, -1506 for a value too long, -1507 for an unknown name, -1026 for
        a record that no page can hold, -1003 for a value that is not of the column's type.
        """
        values = self._values(row)
        raw = self.raw
        try:
            packed = [values[place] if step is None else step(values[place]) for place, step in self._fixed_steps]
            fixed = self._pack_fixed(*packed)
        except _CONVERSION_ERRORS:
            last, fixed = self._fixed_slowly(values)
        else:
            for place, start, end in self._fixed_slices:
                raw[place] = fixed[start:end]
            last = len(self._fixed)
            fixed += self._no_nulls
        variable = self._encode_variable(values) if self._variable else []
        fields = self._encode_tagged(values) if self._tagged else []
        record = assemble(last, fixed, variable, self._pack_tagged(fields))
        while len(record) > self._limit:
            self._move_out(fields, len(record))
            record = assemble(last, fixed, variable, self._pack_tagged(fields))
        return record

    def _values(self, row: Row) -> list[Any]:
        """Return a value for each column, `_MISSING` only for tagged columns with a default."""
        if isinstance(row, Mapping):
            if not row.keys() <= self._known:
                unknown = ", ".join(sorted(map(str, row.keys() - self._known)))
                raise EseError.from_code(Err.ColumnNotFound, unknown)
            get = row.get
            values = [get(name, missing) for name, missing in self._names]
        else:
            values = list(row)
            if len(values) != len(self.columns):
                raise EseError.from_code(Err.InvalidParameter, f"{len(values)} values for {len(self.columns)} columns")
        if self._counter is not None:
            self._count(values, self._counter)
        return values

    def _count(self, values: list[Any], place: int) -> None:
        given, high = values[place], self.high_water or 0
        if given is _MISSING or given is None:
            given = values[place] = high + 1
            bits = 8 * self.columns[place].size
            if given >> (bits - (self.columns[place].type not in _UNSIGNED)):
                raise EseError.from_code(Err.OutOfAutoincrementValues, self.columns[place].name)
        if isinstance(given, int) and given > high:
            self.high_water = given

    def _fixed_slowly(self, values: list[Any]) -> tuple[int, bytes]:
        """Encode fixed columns one by one; return (last one present, bytes with null bitmap)."""
        for place in self._fixed:
            value = values[place]
            self.raw[place] = None if value is None else self._one(place, value)
        last = len(self._fixed)
        # A null at the end is left out, unless a default would then take its place.
        while last and self.raw[place := self._fixed[last - 1]] is None and self.columns[place].default is None:
            self._check_null(place)
            last -= 1
        parts, nulls = [], []
        for place in self._fixed[:last]:
            raw = self.raw[place]
            if raw is None:
                self._check_null(place)
            parts.append(raw if isinstance(raw, bytes) else FILLER * self.columns[place].size)
            nulls.append(raw is None)
        return last, b"".join(parts) + null_bitmap(nulls)

    def _check_null(self, place: int) -> None:
        if self.columns[place].flags & ColumnFlags.NOT_NULL:
            raise EseError.from_code(Err.NullInvalid, self.columns[place].name)

    def _one(self, place: int, value: Any) -> bytes:
        """Return the stored form of one value, checked against the column."""
        column = self.columns[place]
        try:
            raw = self._padded(place)(value) if column.storage is Storage.FIXED else self._encode[place](value)
        except _CONVERSION_ERRORS as error:
            raise EseError.from_code(Err.InvalidParameter, f"{column.name}: {error}") from error
        if column.size and len(raw) > column.size:
            raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(raw)} bytes, at most {column.size}")
        return raw

    def _encode_variable(self, values: list[Any]) -> list[bytes | None]:
        variable: list[bytes | None] = []
        present = 0
        for place in self._variable:
            value = values[place]
            raw = None
            if value is None:
                self._check_null(place)
            else:
                raw = self._one(place, value)
            self.raw[place] = raw
            variable.append(raw)
            if raw is not None or self.columns[place].default is not None:
                present = len(variable)
        return variable[:present]

    def _encode_tagged(self, values: list[Any]) -> list[Tagged]:
        fields = []
        for place in self._tagged:
            value, column = values[place], self.columns[place]
            if value is None or value is _MISSING:
                self.raw[place] = column.default if value is _MISSING else None
                if value is None:
                    self._check_null(place)
                    if column.default is not None:
                        fields.append(Tagged(column.id, (), NULL))
                continue
            header = LONG if column.type.is_long else 0
            if isinstance(value, (list, tuple)):
                raws = self._several(place, value)
                if not raws:
                    self.raw[place] = None
                    continue
                self.raw[place] = raws if len(raws) > 1 else raws[0]
                # Small pages keep two short values in the form that needs no directory.
                if len(raws) == 2 and not header and not self._large and max(map(len, raws)) <= MOST_SHORT_BYTES:  # noqa: PLR2004
                    header = TWO
            else:
                raws = (self._one(place, value),)
                self.raw[place] = raws[0]
            fields.append(Tagged(column.id, tuple(self._instance(raw, header) for raw in raws), header))
        fields.sort(key=lambda field: field.id)
        return fields

    def _several(self, place: int, values: Sequence[Any]) -> tuple[bytes, ...]:
        column = self.columns[place]
        if not column.multi_valued and len(values) > 1:
            raise EseError.from_code(Err.InvalidParameter, f"{column.name} holds one value, not {len(values)}")
        if any(value is None for value in values):
            raise EseError.from_code(Err.NullInvalid, f"{column.name}: null within a multi-value")
        return tuple(self._one(place, value) for value in values)

    def _instance(self, raw: bytes, header: int) -> Instance:
        if header & LONG and len(raw) > INTRINSIC_LIMIT:
            return Instance(self._separate(raw), separated=True)
        return Instance(raw)

    def _pack_tagged(self, fields: list[Tagged]) -> bytes:
        if not fields:
            return b""
        return pack_tagged([(field.id, False, *tagged_field(field)) for field in fields], large=self._large)

    def _move_out(self, fields: list[Tagged], size: int) -> None:
        """Separate the longest long value that is still in the record."""
        longest, found = 8, None
        for number, field in enumerate(fields):
            if field.header & LONG:
                for order, instance in enumerate(field.instances):
                    if not instance.separated and len(instance.data) > longest:
                        longest, found = len(instance.data), (number, order)
        if found is None:
            raise EseError.from_code(Err.RecordTooBig, f"{size} bytes, at most {self._limit}")
        field = fields[found[0]]
        instances = list(field.instances)
        instances[found[1]] = Instance(self._separate(instances[found[1]].data), separated=True)
        fields[found[0]] = Tagged(field.id, tuple(instances), field.header)


def _when_missing(column: ColumnDef, default: Value | None) -> Any:
    """Return what stands for a column that a mapping does not name."""
    by_itself = column.storage is Storage.TAGGED and column.default is not None
    return _MISSING if by_itself or column.flags & ColumnFlags.AUTO_INCREMENT else default
