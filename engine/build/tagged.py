"""The tagged part of a record: values of any length, several values, and what must go outside.

    short value     the bytes; two values on small pages in the form without directory
    long value      up to 1023 bytes in the record, else stored by `separate` and named by its id
    record too big  the longest long value that is still inside goes out, until the rest fits

Source: database reference 6.2, 6.3, 6.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.column import MOST_SHORT_BYTES
from engine.format.longvalue import MOST_BYTES
from engine.format.page import is_large
from engine.format.record import (
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
        intrinsic = self.intrinsic
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
            if header and len(data) > intrinsic:
                fields.append((number, derived, header | SEPARATED, self._separate(data)))
            else:
                fields.append((number, derived, header, data))
        area = pack_tagged(fields, large=self._large) if fields else b""
        while len(area) > room:
            self._move_out(fields, len(area) - room)
            area = pack_tagged(fields, large=self._large)
        return area

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
        moved = Instance(self._separate(instances[order].data), separated=True)
        changed = (*instances[:order], moved, *instances[order + 1 :])
        if len(changed) > 1:
            self._several[at] = changed
        number, derived, _, _ = fields[at]
        fields[at] = (number, derived, *tagged_field(Tagged(number, changed, LONG)))
