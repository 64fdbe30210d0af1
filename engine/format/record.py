"""Records: the data of a table's leaf nodes.

    0            u8   last fixed column present (0: none)
    1            u8   last variable column present (127: none)
    2            u16  end of the null bitmap = start of the variable offsets
    4            fixed columns, contiguous in id order; a null one holds filler 0x2A
    ...          null bitmap, one bit a fixed column, 1 = null, spare bits 1
    ...          u16 an offset for each variable column: end of its data, bit 15 = null
    ...          data of the variable columns
    ...          tagged area: {u16 column id, u16 offset} sorted, then the data of each

    tagged offset, small pages   0x8000 template column, 0x4000 header byte first, 0x2000 null
    tagged offset, large pages   0x8000 template column; the header byte is always there
    header byte                  01 long value  02 compressed  04 separated  08 multi-value  10 two values
                                 20 null (large pages)  40 encrypted

A multi-value is an array of u16 offsets (bit 15: that instance is a long-value id) and the instances; "two values"
is a length byte, the first value, the second.  Separated values hold a long-value id of 4 or 8 bytes.

Example: `08 80 2000 | 30 fixed bytes.. ff | 00 | 0500 | "basic"` - eight fixed columns none null, one variable.

Source: database reference 6.1-6.3, 6.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.column import FIRST_FIXED_OFFSET, FIRST_VARIABLE, LAST_FIXED, ColumnDef, Storage
from engine.format.page import is_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_VARIABLE: Final = 127
FILLER: Final = b"\x2a"
DBK_SIZE: Final = 4
"""Bytes of the key of a row in a table without primary index: its number."""
INTRINSIC_LIMIT: Final = 1023
"""Longest long value that is kept in the record unless the table says otherwise."""

LONG: Final = 0x01
COMPRESSED: Final = 0x02
SEPARATED: Final = 0x04
MULTI: Final = 0x08
TWO: Final = 0x10
NULL: Final = 0x20
ENCRYPTED: Final = 0x40

_SMALL_DERIVED: Final = 0x8000
_SMALL_HEADER: Final = 0x4000
_SMALL_NULL: Final = 0x2000
_SMALL_OFFSET: Final = 0x1FFF
_LARGE_OFFSET: Final = 0x7FFF
_OLD_LENGTH: Final = 0x0FFF
_OLD_DERIVED: Final = 0x2000
_OLD_NULL: Final = 0x4000
_OLD_LONG: Final = 0x8000
_OFFSET: Final = 0x7FFF
NULL_VARIABLE: Final = 0x8000
"""Bit of a variable column's end offset; in a multi-value's directory: that instance is separated."""
_TOP: Final = NULL_VARIABLE
_TAG_SIZE: Final = 4

RECORD_HEAD = struct.Struct("<BBH")
"""Last fixed column, last variable column, end of the fixed part."""
_WORD = struct.Struct("<H")
_TWO_WORDS = struct.Struct("<HH")


def record_limit(page_size: int, key_most: int) -> int:
    """Return the longest record in bytes, for a primary key of at most `key_most` bytes (4 without primary index)."""
    if is_large(page_size):
        return page_size - 92 - key_most
    return page_size - 50 - max(255, key_most + 2)


class Instance(NamedTuple):
    """One value of a tagged column; `data` is a long-value id when `separated`."""

    data: bytes
    separated: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tagged column of a record: its instances in order, none when explicitly null.

    `header` keeps the bits LONG, COMPRESSED, TWO and ENCRYPTED as stored; COMPRESSED and ENCRYPTED speak of the
    first instance.  `derived` marks a column of the template table.
    """

    id: int
    instances: tuple[Instance, ...]
    header: int = 0
    derived: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it is an explicit null, which hides a default."""
        return not self.instances


@dataclass(slots=True)
class Record:
    """A record taken apart.  A column that is not listed has its default, or null when it has none.

    `fixed` and `variable` map column ids to bytes or None (null) for every id up to the last one present.
    """

    fixed: dict[int, bytes | None] = field(default_factory=dict)
    variable: dict[int, bytes | None] = field(default_factory=dict)
    tagged: list[Tagged] = field(default_factory=list)


def _bad(detail: str, offset: int | None = None) -> EseError:
    return EseError.from_code(Err.NodeCorrupted, f"record: {detail}", offset=offset)


def null_bitmap(nulls: Sequence[bool]) -> bytes:
    """Return the bitmap for fixed columns 1..n; spare bits are 1 as in real records."""
    bits = (1 << (-(-len(nulls) // 8) * 8)) - 1
    for index, is_null in enumerate(nulls):
        if not is_null:
            bits &= ~(1 << index)
    return bits.to_bytes(-(-len(nulls) // 8), "little")


class RecordLayout:
    """How to read and write the records of one table.

    `columns` are those of the catalog (the fixed ones matter; deleted columns may be missing, their bytes
    are then passed over); `page_size` decides the form of tagged data.
    """

    def __init__(self, columns: Iterable[ColumnDef], page_size: int) -> None:
        self.large = is_large(page_size)
        self.fixed = {each.id: (each.offset, each.size) for each in columns if each.storage is Storage.FIXED}
        for number, (offset, size) in self.fixed.items():
            if offset < FIRST_FIXED_OFFSET or size < 0:
                raise EseError.from_code(Err.CatalogCorrupted, f"fixed column {number} at {offset}, {size} bytes")

    def decode(self, data: bytes | memoryview) -> Record:
        """Take a record apart; -358 when a length or offset leaves it.  Copies the values."""
        data = bytes(data)
        if len(data) < RECORD_HEAD.size:
            raise _bad(f"{len(data)} bytes")
        last_fixed, last_variable, end_fixed = RECORD_HEAD.unpack_from(data)
        record = Record()
        bitmap_size = -(-last_fixed // 8)
        if last_fixed > LAST_FIXED or last_variable < NO_VARIABLE:
            raise _bad(f"last columns {last_fixed} and {last_variable}", 0)
        if not FIRST_FIXED_OFFSET + bitmap_size <= end_fixed <= len(data):
            raise _bad(f"fixed columns end at {end_fixed} of {len(data)}", 2)
        bitmap = int.from_bytes(data[end_fixed - bitmap_size : end_fixed], "little")
        for number, (offset, size) in self.fixed.items():
            if number <= last_fixed:
                if offset + size > end_fixed - bitmap_size:
                    raise _bad(f"fixed column {number} ends at {offset + size} of {end_fixed - bitmap_size}")
                is_null = bitmap >> (number - 1) & 1
                record.fixed[number] = None if is_null else data[offset : offset + size]
        start = _decode_variable(record, data, end_fixed, last_variable - NO_VARIABLE)
        if start < len(data):
            record.tagged = decode_tagged(data[start:], large=self.large)
        return record

    def encode(self, record: Record) -> bytes:
        """Put a record together; the inverse of `decode` but for the bytes under null fixed columns."""
        last = max(record.fixed, default=0)
        fixed = bytearray()
        nulls = [True] * last
        for number in range(1, last + 1):
            value = record.fixed.get(number)
            if number in self.fixed:
                offset, size = self.fixed[number]
                fixed.extend(FILLER * (offset - FIRST_FIXED_OFFSET - len(fixed)))
                fixed += FILLER * size if value is None else value
                if value is not None and len(value) != size:
                    raise EseError.from_code(Err.InvalidParameter, f"column {number}: {len(value)} bytes, not {size}")
                nulls[number - 1] = value is None
        variable = [
            record.variable.get(number) for number in range(FIRST_VARIABLE, max(record.variable, default=127) + 1)
        ]
        tagged = encode_tagged(record.tagged, large=self.large)
        return assemble(last, bytes(fixed) + null_bitmap(nulls), variable, tagged)


def _decode_variable(record: Record, data: bytes, directory: int, count: int) -> int:
    """Read the variable columns and return where the tagged area begins."""
    start = directory + _WORD.size * count
    if start > len(data):
        raise _bad(f"{count} variable columns", directory)
    at = 0
    for index, end in enumerate(struct.unpack_from(f"<{count}H", data, directory)):
        stop = end & _OFFSET
        if not at <= stop <= len(data) - start:
            raise _bad(f"variable column {FIRST_VARIABLE + index} ends at {stop}", directory + 2 * index)
        record.variable[FIRST_VARIABLE + index] = None if end & _TOP else data[start + at : start + stop]
        at = stop
    return start + at


def assemble(last_fixed: int, fixed: bytes, variable: Sequence[bytes | None], tagged: bytes) -> bytes:
    """Join the parts of a record; `fixed` includes the null bitmap, `variable` starts at column 128."""
    head = RECORD_HEAD.pack(last_fixed, NO_VARIABLE + len(variable), RECORD_HEAD.size + len(fixed))
    if not variable:
        return head + fixed + tagged
    ends = accumulate(0 if value is None else len(value) for value in variable)
    words = [end | _TOP if value is None else end for end, value in zip(ends, variable, strict=True)]
    return b"".join((head, fixed, struct.pack(f"<{len(words)}H", *words), *filter(None, variable), tagged))


def encode_tagged(fields: Sequence[Tagged], *, large: bool) -> bytes:
    """Return the tagged area of a record; template columns first, then by id."""
    if not fields:
        return b""
    ordered = sorted(fields, key=lambda each: (not each.derived, each.id))
    return pack_tagged([(each.id, each.derived, *tagged_field(each)) for each in ordered], large=large)


def tagged_field(tagged: Tagged) -> tuple[int, bytes]:
    """Return (header byte, data without it) of a tagged column."""
    header, instances = tagged.header & ~(MULTI | SEPARATED | NULL), tagged.instances
    if not instances:
        return NULL, b""
    if len(instances) == 1:
        value, separated = instances[0]
        return (header | SEPARATED if separated else header) & ~TWO, value
    if header & TWO:
        one, two = (each.data for each in instances)
        return header | MULTI, bytes((len(one),)) + one + two
    start = _WORD.size * len(instances)
    ends = accumulate((len(each.data) for each in instances[:-1]), initial=start)
    words = [at | _TOP if each.separated else at for at, each in zip(ends, instances, strict=True)]
    return header | MULTI, struct.pack(f"<{len(words)}H", *words) + b"".join(each.data for each in instances)


def pack_tagged(fields: Sequence[tuple[int, bool, int, bytes]], *, large: bool) -> bytes:
    """Join (column id, derived, header byte, data) in the right order into a tagged area."""
    at = _TAG_SIZE * len(fields)
    directory: list[int] = []
    parts: list[bytes] = []
    for number, derived, header, data in fields:
        word = at | _SMALL_DERIVED if derived else at
        if large:
            data = bytes((header,)) + data  # noqa: PLW2901 - the stored form of the same thing
        elif header == NULL:
            word |= _SMALL_NULL
        elif header:
            word |= _SMALL_HEADER
            data = bytes((header,)) + data  # noqa: PLW2901
        directory += (number, word)
        parts.append(data)
        at += len(data)
    return struct.pack(f"<{len(directory)}H", *directory) + b"".join(parts)


def decode_tagged(area: bytes, *, large: bool) -> list[Tagged]:
    """Take the tagged area of a record apart; -358 when an offset leaves it or goes back."""
    mask = _LARGE_OFFSET if large else _SMALL_OFFSET
    if len(area) < _TAG_SIZE:
        raise _bad(f"a tagged area of {len(area)} bytes")
    size = _TWO_WORDS.unpack_from(area)[1] & mask
    if size % _TAG_SIZE or not _TAG_SIZE <= size <= len(area):
        raise _bad(f"a tagged directory of {size} in {len(area)} bytes")
    words = struct.unpack_from(f"<{size // 2}H", area)
    ends = [word & mask for word in words[3::2]] + [len(area)]
    fields = []
    for number, word, end in zip(words[::2], words[1::2], ends, strict=True):
        start = word & mask
        if not start <= end <= len(area):
            raise _bad(f"tagged column {number} from {start} to {end} of {len(area)}")
        header = 0
        if large or word & _SMALL_HEADER:
            if start == end:
                raise _bad(f"tagged column {number} without its header byte")
            header = area[start]
            start += 1
        elif word & _SMALL_NULL:
            header = NULL
        fields.append(
            Tagged(number, instances_of(number, header, area[start:end]), header, bool(word & _SMALL_DERIVED))
        )
    return fields


def decode_tagged_old(area: bytes) -> list[Tagged]:
    """Take a tagged area of the format before 0x620,9 apart: `{u16 id, u16 word, data}` after each other; -358.

    The word holds the length and 0x2000 template column, 0x4000 null, 0x8000 long value, whose first byte then says
    by bit 0 whether it is separated.  A column that comes again adds an instance.
    """
    found: dict[tuple[bool, int], Tagged] = {}
    at = 0
    while at < len(area):
        if at + _TAG_SIZE > len(area):
            raise _bad(f"an old tagged column at {at} of {len(area)}")
        number, word = _TWO_WORDS.unpack_from(area, at)
        start = at + _TAG_SIZE
        at = start + (word & _OLD_LENGTH)
        if at > len(area) or (word & _OLD_LONG and start == at):
            raise _bad(f"old tagged column {number} from {start} to {at} of {len(area)}")
        derived = bool(word & _OLD_DERIVED)
        before = found.get((derived, number))
        instances = () if before is None else before.instances
        if word & _OLD_LONG:
            instances += (Instance(area[start + 1 : at], bool(area[start] & 1)),)
        elif not word & _OLD_NULL:
            instances += (Instance(area[start:at]),)
        found[derived, number] = Tagged(number, instances, LONG if word & _OLD_LONG else 0, derived)
    return list(found.values())


def instances_of(number: int, header: int, data: bytes) -> tuple[Instance, ...]:
    """Return the instances of a tagged column from its header byte and the data behind it; -358."""
    if header & NULL:
        return ()
    if not header & MULTI:
        return (Instance(data, bool(header & SEPARATED)),)
    if header & TWO:
        if not data or data[0] >= len(data):
            raise _bad(f"tagged column {number}: two values in {len(data)} bytes")
        return Instance(data[1 : 1 + data[0]]), Instance(data[1 + data[0] :])
    size = _WORD.unpack_from(data)[0] & _OFFSET if len(data) >= _WORD.size else 0
    if not size or size % _WORD.size or size > len(data):
        raise _bad(f"tagged column {number}: a value directory of {size} in {len(data)} bytes")
    words = struct.unpack_from(f"<{size // 2}H", data)
    values = []
    for word, end in zip(words, [each & _OFFSET for each in words[1:]] + [len(data)], strict=True):
        start = word & _OFFSET
        if not start <= end <= len(data):
            raise _bad(f"tagged column {number}: a value from {start} to {end} of {len(data)}")
        values.append(Instance(data[start:end], bool(word & _TOP)))
    return tuple(values)
