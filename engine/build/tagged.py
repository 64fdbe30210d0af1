"""The tagged part of a record: values of any length, several values, and what must go outside.

    short value     the bytes; two values on small pages in the form without directory
    long value      up to 1023 bytes in the record, else stored by `separate` and named by its id
    packed          a long value by itself, of a column that says so, where the encoder is told how to store those
    record too big  the longest long value that is still inside goes out, until the rest fits

Source: database reference 6.2, 6.3, 6.5, 6.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.column import MOST_SHORT_BYTES
from engine.format.compression import pack_value, unpack_value
from engine.format.longvalue import MOST_BYTES
from engine.format.page import is_large
from engine.format.record import (
    COMPRESSED,
    INTRINSIC_LIMIT,
    LONG,
    NULL,
    SEPARATED,
    TWO,
    Instance,
    Tagged,
    pack_tagged,
    tagged_field,
)
from engine.format.value import CONVERSION_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.build.rows import RowEncoder

Raw: TypeAlias = "bytes | tuple[bytes, ...] | None"
"""Stored form of a column: bytes, the instances of a multi-value, or None for null."""

_Field: TypeAlias = tuple[int, bool, int, bytes]
_REFERENCE: Final = 8
"""Longest reference; moving out a value as short as that gains nothing."""
_TWO: Final = 2


class Missing:
    """Stands for a column that a row does not mention and whose default is not written into records."""


MISSING: Final = Missing()


class TaggedEncoder:
    """Encodes the tagged columns at `places` of a row."""

    def __init__(
        self,
        rows: RowEncoder,
        places: Sequence[int],
        page_size: int,
        separate: Callable[[bytes], bytes],
    ) -> None:
        self._rows = rows
        self._large = is_large(page_size)
        self._separate = separate
        columns = rows.columns
        self.intrinsic = INTRINSIC_LIMIT
        """Longest long value that is put into the record."""
        self.packed: dict[tuple[int, bool], Callable[[bytes], bytes]] = {}
        """What stores the long values of columns that are packed, by column id and whether it is derived."""
        self.least_packed = _REFERENCE
        """Least size of a packed value in the record."""
        # The directory is ordered by id, columns of the template first.
        self._plan = [
            (
                place,
                columns[place].id,
                columns[place].derived,
                LONG if columns[place].type.is_long else 0,
                columns[place].size or MOST_BYTES,
                rows.encoders[place],
            )
            for place in sorted(places, key=lambda place: (not columns[place].derived, columns[place].id))
        ]
        self._several: dict[int, tuple[Instance, ...]] = {}
        """Instances of the multi-values of the row at hand, by place in its list of fields."""

    def encode(self, values: Sequence[Any], room: int) -> bytes:
        """Return the tagged area of a row in at most `room` bytes, and set `raw`; -1026 when nothing can go out."""
        rows, raw = self._rows, self._rows.raw
        fields: list[_Field] = []
        if self._several:
            self._several.clear()
        for place, number, derived, header, most, encode in self._plan:
            value = values[place]
            if value is None or value is MISSING:
                self._absent(fields, place, value)
                continue
            if isinstance(value, (list, tuple)):
                self._encode_several(fields, place, header, value)
                continue
            try:
                data = raw[place] = encode(value)
            except CONVERSION_ERRORS:
                data = rows.one(place, value)
            if len(data) > most:
                data = rows.one(place, value)
            fields.append(self._long(number, derived, data) if header else (number, derived, header, data))
        area = pack_tagged(fields, large=self._large) if fields else b""
        while len(area) > room:
            self._move_out(fields, len(area) - room)
            area = pack_tagged(fields, large=self._large)
        return area

    def _long(self, number: int, derived: bool, data: bytes) -> _Field:  # noqa: FBT001 - as a field has it
        """Return the field of a long value by itself: outside, packed, or as it is."""
        packed = self.packed.get((number, derived))
        if len(data) > self.intrinsic:
            return number, derived, LONG | SEPARATED, (packed or self._separate)(data)
        small = None if packed is None else pack_value(data)
        if small is not None and len(small) >= self.least_packed:
            return number, derived, LONG | COMPRESSED, small
        return number, derived, LONG, data

    def _absent(self, fields: list[_Field], place: int, value: Missing | None) -> None:
        """Deal with a column that is null, or left to its default."""
        column = self._rows.columns[place]
        if value is not None:
            self._rows.raw[place] = column.default
            return
        self._rows.check_null(place)
        self._rows.raw[place] = None
        if column.default is not None:
            fields.append((column.id, column.derived, NULL, b""))

    def _encode_several(self, fields: list[_Field], place: int, header: int, values: Sequence[Any]) -> None:
        column = self._rows.columns[place]
        if not column.multi_valued and len(values) > 1:
            raise EseError.from_code(Err.InvalidParameter, f"{column.name} holds one value, not {len(values)}")
        if any(value is None for value in values):
            raise EseError.from_code(Err.NullInvalid, f"{column.name}: null within a multi-value")
        if not values:
            self._absent(fields, place, None)
            return
        raws = tuple(self._rows.one(place, value) for value in values)
        self._rows.raw[place] = raws if len(raws) > 1 else raws[0]
        # Small pages keep two short values in the form that needs no directory.
        if len(raws) == _TWO and not header and not self._large and max(map(len, raws)) <= MOST_SHORT_BYTES:
            header = TWO
        instances = tuple(
            Instance(self._separate(data), separated=True)
            if header & LONG and len(data) > self.intrinsic
            else Instance(data)
            for data in raws
        )
        if len(instances) > 1:
            self._several[len(fields)] = instances
        fields.append((column.id, column.derived, *tagged_field(Tagged(column.id, instances, header))))

    def _move_out(self, fields: list[_Field], excess: int) -> None:
        """Separate the longest long value that is still in the record."""
        longest, found = _REFERENCE, None
        for at, (_, _, header, data) in enumerate(fields):
            if not header & LONG:
                continue
            instances = self._several.get(at) or (Instance(data, bool(header & SEPARATED)),)
            for order, instance in enumerate(instances):
                if not instance.separated and len(instance.data) > longest:
                    longest, found = len(instance.data), (at, order, instances)
        if found is None:
            raise EseError.from_code(Err.RecordTooBig, f"{excess} bytes more than a page holds")
        at, order, instances = found
        number, derived, header, _ = fields[at]
        data = instances[order].data
        separate = self.packed.get((number, derived), self._separate)
        moved = Instance(separate(unpack_value(data) if header & COMPRESSED else data), separated=True)
        changed = (*instances[:order], moved, *instances[order + 1 :])
        if len(changed) > 1:
            self._several[at] = changed
        fields[at] = (number, derived, *tagged_field(Tagged(number, changed, LONG)))
