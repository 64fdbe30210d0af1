"""Records decoded by a plan made once for a table: the inner loop of reading rows.

For each "last fixed column" that occurs there is one `struct` over all fixed columns up to it, the places of columns
that can be null and the columns that need a conversion; variable and tagged columns have their conversion ready.
What a record does not mention comes from a row of defaults.  A record that makes no sense raises; a value that makes
no sense becomes `Unreadable`.

Source: database reference 6.1-6.5.
"""

from __future__ import annotations

import struct
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.column import FIRST_FIXED_OFFSET, FIRST_VARIABLE, LAST_FIXED, ColumnFlags, ColumnType, Storage
from engine.format.compression import unpack_value
from engine.format.longvalue import unpack_reference
from engine.format.page import is_large
from engine.format.record import (
    COMPRESSED,
    ENCRYPTED,
    LONG,
    NO_VARIABLE,
    NULL,
    Instance,
    decode_tagged_old,
    instances_of,
)
from engine.format.value import CONVERSION_ERRORS, STRUCT_CODES, date_time, decoder
from engine.table.long_values import LongValue
from engine.table.values import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.format.column import ColumnDef
    from engine.table.long_values import LongValues

_HEAD: Final = 4
_OFFSET: Final = 0x7FFF
_TOP: Final = 0x8000
_DERIVED_KEY: Final = 0x10000
"""Added to the id of a template column to tell it from the table's own."""
_SMALL_MASK: Final = 0x1FFF
_SMALL_HEADER: Final = 0x4000
_SMALL_NULL: Final = 0x2000
_FAILURES: Final = (*CONVERSION_ERRORS, IndexError, LookupError)


class _Fixed(NamedTuple):
    """How to read the fixed part of records whose last fixed column is a certain one."""

    unpack: Callable[[bytes, int], tuple[Any, ...]]
    least: int
    """Bytes from the start of the record to the end of the null bitmap, at least."""
    bitmap: int
    mask: int
    nulls: tuple[tuple[int, int], ...]
    convert: tuple[tuple[int, Callable[[Any], Any]], ...]
    rest: list[Any]


class _Tagged(NamedTuple):
    """A tagged column: its place in the row and how to convert one value."""

    place: int
    column: ColumnDef
    convert: Callable[[bytes], Any]
    several: bool
    plain: Callable[[bytes], Any]
    """Converts a whole field that has no peculiarity."""


@lru_cache(maxsize=512)
def _words(count: int) -> Callable[[bytes, int], tuple[int, ...]]:
    return struct.Struct(f"<{count}H").unpack_from


def _identity(raw: bytes) -> bytes:
    return raw


def _careful(convert: Callable[[Any], Any], column: ColumnDef) -> Callable[[Any], Any]:
    """Return a conversion that never fails: bytes that do not fit the type give `Unreadable`."""

    def converted(raw: Any) -> Any:
        try:
            return convert(raw)
        except EseError as error:
            return Unreadable.of(error, raw if isinstance(raw, bytes) else b"")
        except _FAILURES:
            stored = raw if isinstance(raw, bytes) else b""
            detail = f"column {column.name}: {len(stored)} bytes for a {column.type.name}"
            return Unreadable(Err.InvalidColumnType, detail, stored)

    return converted


def _bad(detail: str) -> EseError:
    return EseError.from_code(Err.NodeCorrupted, f"record: {detail}")


class RowDecoder:
    """Decodes records of one table to tuples, a place for each of `columns`, in their order.

    `raw` gives stored bytes (long values and packed values as they were written) instead of values.  After each
    record `pending` says whether the row holds `LongValue` objects.
    """

    def __init__(
        self,
        columns: Sequence[ColumnDef],
        page_size: int,
        long_values: LongValues,
        *,
        raw: bool = False,
        careful: bool = False,
    ) -> None:
        self.pending = False
        self._raw = raw
        self._careful = careful
        # Conversions that cannot fail cost a call each: the few rows that need them are decoded a second time.
        self._again = None if careful else partial(RowDecoder, columns, page_size, long_values, raw=raw, careful=True)
        self._second: RowDecoder | None = None
        self._large = is_large(page_size)
        self._long_values = long_values
        order = sorted(range(len(columns)), key=lambda place: _storage_order(columns[place]))
        ordered = [columns[place] for place in order]
        self._fixed = [column for column in ordered if column.storage is Storage.FIXED]
        first_tagged = sum(column.storage is not Storage.TAGGED for column in ordered)
        self._converters = [self._converter(column) for column in ordered]
        self._defaults = [self._default(column, place) for place, column in enumerate(ordered)]
        self._variable = [
            (column.id - FIRST_VARIABLE, place, self._converters[place])
            for place, column in enumerate(ordered)
            if column.storage is Storage.VARIABLE
        ]
        self._tagged = {
            column.id | (_DERIVED_KEY if column.derived else 0): self._tagged_plan(column, place)
            for place, column in enumerate(ordered[first_tagged:], first_tagged)
        }
        self._plans: list[_Fixed | None] = [None] * 256
        back = _inverse(order)
        in_order = back == list(range(len(columns)))
        self._arrange: Callable[[list[Any]], tuple[Any, ...]] = tuple if in_order else itemgetter(*back)

    def _converter(self, column: ColumnDef) -> Callable[[bytes], Any]:
        if self._raw:
            return _identity
        try:
            convert = decoder(column.type, column.code_page)
        except EseError as error:
            told = error
            return lambda raw: Unreadable.of(told, raw)
        return _careful(convert, column) if self._careful else convert

    def _default(self, column: ColumnDef, place: int) -> Any:
        if column.default is None or column.flags & ColumnFlags.USER_DEFINED_DEFAULT:
            return None
        value = _careful(self._converters[place], column)(column.default)
        return (value,) if column.multi_valued else value

    def _tagged_plan(self, column: ColumnDef, place: int) -> _Tagged:
        convert = self._converters[place]
        several = column.multi_valued
        return _Tagged(place, column, convert, several, (lambda raw: (convert(raw),)) if several else convert)

    def _plan(self, last: int) -> _Fixed:
        """Make the plan for records whose last fixed column is `last`."""
        if last > LAST_FIXED:
            raise _bad(f"last fixed column {last}")
        layout, at = "<", FIRST_FIXED_OFFSET
        nulls, convert = [], []
        present = [column for column in self._fixed if column.id <= last]
        for place, column in enumerate(present):
            layout += f"{column.offset - at}x" if column.offset > at else ""
            code, step = self._struct_code(column, place)
            layout += code
            if step is not None:
                convert.append((place, step))
            nulls.append((1 << (column.id - 1), place))
            at = column.offset + column.size
        shape = struct.Struct(layout)
        plan = _Fixed(
            shape.unpack_from,
            FIRST_FIXED_OFFSET + shape.size + -(-last // 8),
            -(-last // 8),
            sum(bit for bit, _ in nulls),
            tuple(nulls),
            tuple(convert),
            self._defaults[len(present) :],
        )
        self._plans[last] = plan
        return plan

    def _struct_code(self, column: ColumnDef, place: int) -> tuple[str, Callable[[Any], Any] | None]:
        """Return the `struct` code of a fixed column, and the conversion it needs afterwards."""
        if self._raw:
            return f"{column.size}s", None
        if column.type is ColumnType.DATE_TIME:
            return "d", date_time
        if column.type is ColumnType.BIT:
            return "?", None
        code = STRUCT_CODES.get(column.type)
        if code is not None:
            return code, None
        return f"{column.size}s", None if column.type.is_binary else self._converters[place]

    def decode(self, data: bytes, start: int, end: int, *, old: bool = False) -> tuple[Any, ...]:
        """Decode the record at `data[start:end]`; -358 when it makes no sense.

        `old` is the format of pages without the flag for new records.
        """
        try:
            return self._decode(data, start, end, old)
        except _FAILURES:
            if self._again is None:
                raise
            if self._second is None:
                self._second = self._again()
            values = self._second.decode(data, start, end, old=old)
            self.pending = self._second.pending
            return values

    def _decode(self, data: bytes, start: int, end: int, old: bool) -> tuple[Any, ...]:  # noqa: C901, FBT001 - a call a part would cost as much as the part
        self.pending = False
        if end - start < _HEAD:
            raise _bad(f"{end - start} bytes")
        last_fixed, last_variable = data[start], data[start + 1]
        at = start + (data[start + 2] | data[start + 3] << 8)
        plan = self._plans[last_fixed] or self._plan(last_fixed)
        if at > end or at - start < plan.least or last_variable < NO_VARIABLE:
            raise _bad(f"the fixed part ends at {at - start} of {end - start}")
        row = [*plan.unpack(data, start + _HEAD), *plan.rest]
        if plan.mask:
            nulls = int.from_bytes(data[at - plan.bitmap : at], "little") & plan.mask
            if nulls:
                for bit, place in plan.nulls:
                    if nulls & bit:
                        row[place] = None
            for place, convert in plan.convert:
                value = row[place]
                if value is not None:
                    row[place] = convert(value)
        if last_variable != NO_VARIABLE:
            at = self._decode_variable(row, data, at, end, last_variable - NO_VARIABLE)
        if at < end and self._tagged:
            if old:
                self._decode_old(row, data[at:end])
            else:
                self._decode_tagged(row, data, at, end)
        return self._arrange(row)

    def _decode_variable(self, row: list[Any], data: bytes, directory: int, end: int, count: int) -> int:
        """Put the variable columns into the row; return where the tagged area begins."""
        base = directory + 2 * count
        if base > end:
            raise _bad(f"{count} variable columns")
        ends = _words(count)(data, directory)
        last = base + (ends[-1] & _OFFSET)
        if last > end:
            raise _bad(f"variable columns end at {last - base} of {end - base}")
        for index, place, convert in self._variable:
            if index >= count:
                break
            stop = ends[index]
            if stop & _TOP:
                row[place] = None
                continue
            stop += base
            begin = base + (ends[index - 1] & _OFFSET) if index else base
            if not begin <= stop <= last:
                raise _bad(f"variable column {FIRST_VARIABLE + index} from {begin - base} to {stop - base}")
            row[place] = convert(data[begin:stop])
        return last

    def _decode_tagged(self, row: list[Any], data: bytes, at: int, end: int) -> None:
        large = self._large
        mask = _OFFSET if large else _SMALL_MASK
        if end - at < _HEAD:
            raise _bad(f"a tagged area of {end - at} bytes")
        size = (data[at + 2] | data[at + 3] << 8) & mask
        if size & 3 or not _HEAD <= size <= end - at:
            raise _bad(f"a tagged directory of {size} in {end - at} bytes")
        words = _words(size >> 1)(data, at)
        find = self._tagged.get
        for number, word, following in zip(words[::2], words[1::2], (*words[3::2], end - at), strict=True):
            plan = find(number | _DERIVED_KEY if word & _TOP else number)
            if plan is None:
                continue
            begin, stop = at + (word & mask), at + (following & mask)
            header = 0
            if large or word & _SMALL_HEADER:
                if begin < stop:
                    header = data[begin]
                begin += 1
            elif word & _SMALL_NULL:
                header = NULL
            if begin > stop or stop > end:
                raise _bad(f"tagged column {number} from {begin - at} to {stop - at} of {end - at}")
            if header & ~LONG:
                row[plan.place] = self._peculiar(plan, header, data[begin:stop])
            else:
                row[plan.place] = plan.plain(data[begin:stop])

    def _decode_old(self, row: list[Any], area: bytes) -> None:
        for field in decode_tagged_old(area):
            plan = self._tagged.get(field.id | (_DERIVED_KEY if field.derived else 0))
            if plan is not None:
                row[plan.place] = self._several(plan, 0, field.instances) if field.instances else None

    def _peculiar(self, plan: _Tagged, header: int, data: bytes) -> Any:
        """Return what a tagged field holds that is null, packed, separated or of several values."""
        if header & NULL:
            return None
        try:
            if header & ENCRYPTED:
                raise EseError.from_code(Err.FeatureNotAvailable, f"column {plan.column.name} is encrypted")
            instances = instances_of(plan.column.id, header, data)
        except EseError as error:
            return Unreadable.of(error, data)
        return self._several(plan, header, instances)

    def _several(self, plan: _Tagged, header: int, instances: Sequence[Instance]) -> Any:
        values = [self._instance(plan, each, packed=False) for each in instances]
        if header & COMPRESSED:
            values[0] = self._instance(plan, instances[0], packed=True)
        return tuple(values) if plan.several or len(values) > 1 else values[0]

    def _instance(self, plan: _Tagged, instance: Instance, *, packed: bool) -> Any:
        try:
            if instance.separated:
                reference = unpack_reference(instance.data)
                self.pending = True
                return LongValue(self._long_values, reference, plan.convert)
            return plan.convert(unpack_value(instance.data) if packed else instance.data)
        except EseError as error:
            return Unreadable.of(error, instance.data)


def _storage_order(column: ColumnDef) -> tuple[int, bool, int]:
    """Order columns as a record has them: fixed, variable, tagged of the template, tagged."""
    kind = (Storage.FIXED, Storage.VARIABLE, Storage.TAGGED).index(column.storage)
    return kind, not column.derived, column.id


def _inverse(order: Sequence[int]) -> list[int]:
    back = [0] * len(order)
    for at, place in enumerate(order):
        back[place] = at
    return back


def resolve(row: tuple[Any, ...], *, strict: bool = False) -> tuple[Any, ...]:
    """Return a row with its long values read; one that cannot be read gives `Unreadable`, strictly its error."""
    return tuple([resolved(value, strict=strict) for value in row])


def resolved(value: Any, *, strict: bool = False) -> Any:
    """Return one column with its long values read."""
    if isinstance(value, LongValue):
        try:
            return value.read()
        except EseError as error:
            if strict:
                raise
            return Unreadable.of(error)
    if isinstance(value, tuple):
        return tuple([resolved(each, strict=strict) for each in value])
    if strict and isinstance(value, Unreadable):
        raise value.error()
    return value
