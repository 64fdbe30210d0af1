"""Keys: column values turned into bytes that compare like the index orders them.

    segment   00 null (C0 when nulls sort high) | 40 zero-length | 7F and the transformed value
    integers  big-endian, sign bit flipped when signed        Long -13371337   7F 7F33F837
    floats    big-endian, all bits inverted when negative, else the sign bit flipped
    Bit       00 or FF
    GUID      bytes 10-15, 8-9, 6-7, 4-5, 0-3 (or the .NET order, an index flag)
    Binary    fixed: as is; else 8 bytes and a marker: 9 more follow, 1-8 valid bytes in this last chunk
    Text      code page other than 1200: to the first NUL, a-z upper-cased, then 00
    descending segments are inverted, their first byte included

The segments are joined and cut to KeyMost bytes.  Unicode text keys of a locale need the tables of Windows and are
refused.  Two orders that need none are named in the catalog in place of a locale:

    x-ordinal   UTF-16 code units, big-endian, as Binary
    x-fold      the same after folding case, one character for one; only below U+2000, where that never changes

Source: database reference 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.column import TYPE_SIZES, UNICODE, ColumnDef, ColumnType, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_KEY_MOST: Final = 255
NULL_PREFIX: Final = b"\x00"
NULL_HIGH_PREFIX: Final = b"\xc0"
ZERO_LENGTH_PREFIX: Final = b"\x40"
DATA_PREFIX: Final = b"\x7f"

_CHUNK: Final = 8
_MORE_FOLLOWS: Final = b"\x09"
_CASE: Final = 0x20
_ANY_ROOM: Final = 1 << 16
_INVERTED: Final = bytes(255 - each for each in range(256))
_UPPER: Final = bytes(each - _CASE if ord("a") <= each <= ord("z") else each for each in range(256))
_SIGN: Final = bytes(each ^ 0x80 for each in range(256))

Normaliser: TypeAlias = "Callable[[bytes], bytes]"


def key_limit(page_size: int) -> int:
    """Return the largest KeyMost that a page size allows."""
    return {2048: 500, 4096: 1000}.get(page_size, 2000)


class TextOrder(Enum):
    """An order of Unicode text that needs no tables of Windows; the value is its name in the catalog (LocaleName)."""

    ORDINAL = "x-ordinal"
    FOLD = "x-fold"

    @classmethod
    def named(cls, locale: str | None) -> TextOrder | None:
        """Return the order that stands in place of a locale, or None for a locale."""
        return _ORDERS.get(locale)


_ORDERS: Final[dict[str | None, TextOrder]] = {order.value: order for order in TextOrder}
_LAST_FOLDED: Final = 0x2000
_FOLDED: Final[dict[int, str]] = {
    number: chr(number).lower()
    for number in range(_LAST_FOLDED)
    if chr(number).lower() != chr(number) and len(chr(number).lower()) == 1
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One column of an index: what its key bytes depend on; `order` matters for Unicode text only."""

    type: ColumnType
    code_page: int = 0
    fixed: bool = True
    descending: bool = False
    order: TextOrder | None = None

    @classmethod
    def of(cls, column: ColumnDef, *, descending: bool = False, order: TextOrder | None = None) -> Segment:
        """Return the segment for a column."""
        return cls(column.type, column.code_page, column.storage is Storage.FIXED, descending, order)


def _unsigned(raw: bytes) -> bytes:
    return DATA_PREFIX + raw[::-1]


def _signed(raw: bytes) -> bytes:
    return b"%c%c%b" % (0x7F, raw[-1] ^ 0x80, raw[-2::-1])


def _float(raw: bytes) -> bytes:
    value = raw[::-1]
    return DATA_PREFIX + (value.translate(_INVERTED) if value[0] & 0x80 else value[:1].translate(_SIGN) + value[1:])


def _bit(raw: bytes) -> bytes:
    return b"\x7f\xff" if raw[0] else b"\x7f\x00"


def _guid(raw: bytes) -> bytes:
    return DATA_PREFIX + raw[10:16] + raw[8:10] + raw[6:8] + raw[4:6] + raw[0:4]


def _guid_dotnet(raw: bytes) -> bytes:
    return DATA_PREFIX + raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]


_FIXED_SIZE: Final[dict[ColumnType, Normaliser]] = {
    ColumnType.BIT: _bit,
    ColumnType.UNSIGNED_BYTE: _unsigned,
    ColumnType.SHORT: _signed,
    ColumnType.LONG: _signed,
    ColumnType.CURRENCY: _signed,
    ColumnType.IEEE_SINGLE: _float,
    ColumnType.IEEE_DOUBLE: _float,
    ColumnType.DATE_TIME: _float,
    ColumnType.UNSIGNED_LONG: _unsigned,
    ColumnType.LONG_LONG: _signed,
    ColumnType.GUID: _guid,
    ColumnType.UNSIGNED_SHORT: _unsigned,
    ColumnType.UNSIGNED_LONG_LONG: _unsigned,
}


def _binary(raw: bytes, room: int) -> bytes:
    """Chunks of a variable or tagged Binary, at most `room` bytes of them."""
    parts: list[bytes] = []
    last = (len(raw) - 1) // _CHUNK * _CHUNK
    for at in range(0, min(last, room), _CHUNK):
        parts += (raw[at : at + _CHUNK], _MORE_FOLLOWS)
    tail = raw[last:]
    parts += (tail.ljust(_CHUNK, b"\0"), bytes((len(tail),)))
    return b"".join(parts)[:room]


def _ascii(raw: bytes, room: int) -> bytes:
    """Upper-cased text and its terminator, at most `room` bytes.

    When the text fills the room, the byte in the last place is lowered by 0x20 whatever it is: an old
    quirk of the engine that existing indexes depend on.
    """
    text = raw.partition(b"\0")[0]
    if len(text) < room:
        return text.translate(_UPPER) + b"\0"
    return text[: room - 1].translate(_UPPER) + bytes(((text[room - 1] - _CASE) & 0xFF,)) if room > 0 else b""


def _unicode(raw: bytes, room: int, order: TextOrder) -> bytes:
    text = raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")
    if order is TextOrder.FOLD:
        text = text.translate(_FOLDED)
    # Where the key is cut anyway, the rest of a long text need not be looked at.
    return _binary(text[:room].encode("utf-16-be", "surrogatepass"), room)


def normalise(
    segment: Segment, raw: bytes | None, room: int, *, nulls_high: bool = False, dotnet_guid: bool = False
) -> bytes:
    """Return the key bytes of one value (None: null), at most `room` >= 1 of them.

    -1001 for Unicode text of a locale and for types that have no order; -1003 for a value of the wrong size.
    """
    if raw is None:
        key = NULL_HIGH_PREFIX if nulls_high else NULL_PREFIX
    elif (simple := _FIXED_SIZE.get(segment.type)) is not None:
        if segment.type is ColumnType.GUID and dotnet_guid:
            simple = _guid_dotnet
        if not raw:
            raise EseError.from_code(Err.InvalidParameter, f"an empty {segment.type.name} in a key")
        key = simple(raw)[:room]
    elif segment.type.is_text and segment.code_page == UNICODE and segment.order is None:
        raise EseError.from_code(Err.FeatureNotAvailable, "keys over Unicode text need the sort tables of Windows")
    elif not raw:
        key = ZERO_LENGTH_PREFIX
    elif segment.type.is_text and segment.code_page == UNICODE and segment.order is not None:
        key = DATA_PREFIX + _unicode(raw, room - 1, segment.order)
    elif segment.type.is_text:
        key = DATA_PREFIX + _ascii(raw, room - 1)
    elif segment.type.is_binary:
        key = DATA_PREFIX + (raw[: room - 1] if segment.fixed else _binary(raw, room - 1))
    else:
        raise EseError.from_code(Err.FeatureNotAvailable, f"keys over {segment.type.name}")
    return key.translate(_INVERTED) if segment.descending else key


def stem(segment: Segment, raw: bytes) -> bytes:
    """Return what the keys of all values that begin with `raw` have in common: its key without its end.

    For values of one size the whole key; errors as `normalise`.
    """
    whole = normalise(segment, raw, _ANY_ROOM)
    plain = whole.translate(_INVERTED) if segment.descending else whole
    if segment.type in _FIXED_SIZE or len(plain) == 1 or (segment.type.is_binary and segment.fixed):
        return whole
    if segment.type.is_text and segment.code_page != UNICODE:
        plain = plain[:-1]
    else:
        # The last chunk is filled up with zeros and followed by the number of bytes in it.
        plain = plain[: len(plain) - 1 - (_CHUNK - plain[-1])]
    return plain.translate(_INVERTED) if segment.descending else plain


def make_key(
    segments: Sequence[Segment],
    values: Sequence[bytes | None],
    *,
    key_most: int = DEFAULT_KEY_MOST,
    segment_most: int | None = None,
    nulls_high: bool = False,
    dotnet_guid: bool = False,
) -> bytes:
    """Return the key of `values` (stored bytes, None for null), cut to `key_most` bytes.

    `segment_most` (VarSegMac) caps each variable or tagged segment, its prefix byte included.
    """
    key = b""
    for segment, raw in zip(segments, values, strict=True):
        room = key_most - len(key)
        if room <= 0:
            break
        if segment_most is not None and not segment.fixed:
            room = min(room, segment_most)
        key += normalise(segment, raw, room, nulls_high=nulls_high, dotnet_guid=dotnet_guid)
    return key


def compile_key(
    segments: Sequence[Segment], key_most: int, *, dotnet_guid: bool = False
) -> Callable[[Sequence[bytes]], bytes] | None:
    """Return a quicker `make_key` for values that are never null, or None when the index is not that simple.

    Simple: only numbers, dates and GUIDs, and the whole key fits.
    """
    steps: list[Normaliser] = []
    for segment in segments:
        simple = _FIXED_SIZE.get(segment.type)
        if simple is None:
            return None
        if segment.type is ColumnType.GUID and dotnet_guid:
            simple = _guid_dotnet
        steps.append(_inverted(simple) if segment.descending else simple)
    if sum(1 + TYPE_SIZES[segment.type] for segment in segments) > key_most:
        return None
    if len(steps) == 1:
        only = steps[0]
        return lambda values: only(values[0])
    return lambda values: b"".join([step(raw) for step, raw in zip(steps, values, strict=True)])


def _inverted(step: Normaliser) -> Normaliser:
    return lambda raw: step(raw).translate(_INVERTED)
