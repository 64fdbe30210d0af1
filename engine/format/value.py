"""Column values: Python objects to the stored bytes of a type, and back.

    Bit                 bool; FF or 00
    integers            int, little-endian
    IEEESingle, Double  float
    DateTime            datetime (naive values are UTC), or a float of days since 1899-12-30; `decode_value` gives the
                        float, `decoder` the time
    GUID                uuid.UUID, mixed-endian
    Text, LongText      str in the column's code page (1200 is UTF-16LE), without terminator
    Binary, LongBinary  bytes

Source: database reference 5.4.
"""

from __future__ import annotations

import struct
import uuid
from codecs import utf_16_le_decode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.column import ASCII, UNICODE, ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = bool | int | float | str | bytes | uuid.UUID | datetime
"""What a column can be given; reading gives the same kinds but datetime."""

OLE_EPOCH: Final = datetime(1899, 12, 30, tzinfo=UTC)
FILETIME_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_LAST_DAY: Final = 2_958_465
"""9999-12-31."""
_LEAST_DATE: Final = 1e-100
_TICKS = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")
_GUID_SIZE: Final = 16

STRUCT_CODES: Final[dict[ColumnType, str]] = {
    ColumnType.UNSIGNED_BYTE: "B",
    ColumnType.SHORT: "h",
    ColumnType.LONG: "i",
    ColumnType.CURRENCY: "q",
    ColumnType.IEEE_SINGLE: "f",
    ColumnType.IEEE_DOUBLE: "d",
    ColumnType.DATE_TIME: "d",
    ColumnType.UNSIGNED_LONG: "I",
    ColumnType.LONG_LONG: "q",
    ColumnType.UNSIGNED_SHORT: "H",
    ColumnType.UNSIGNED_LONG_LONG: "Q",
}
"""`struct` codes of the plain numeric types."""

CONVERSION_ERRORS: Final = (TypeError, ValueError, OverflowError, ArithmeticError, struct.error)
"""What an encoder raises for a value that does not fit."""


def ole_date(when: datetime | float) -> float:
    """Return days since 1899-12-30; a naive time is taken as UTC, a number is passed through."""
    if isinstance(when, datetime):
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return (when - OLE_EPOCH) / _DAY
    return float(when)


def from_ole_date(days: float) -> datetime | None:
    """Return the UTC time, or None for a number outside the calendar (many programs store other things here)."""
    try:
        return OLE_EPOCH + timedelta(days=days)
    except (OverflowError, ValueError):
        return None


@cache
def codec(code_page: int) -> str:
    """Return the name of the codec for a code page; -1001 when Python has none."""
    if code_page == UNICODE:
        return "utf-16-le"
    name = f"cp{code_page}"
    try:
        "".encode(name)
    except LookupError:
        raise EseError.from_code(Err.FeatureNotAvailable, f"no codec for code page {code_page}") from None
    return name


def date_time(days: float) -> datetime | float:
    """Return the UTC time of a stored DateTime, or the number itself when it is none.

    Many programs keep a FILETIME in such columns, an integer of 100 ns since 1601.  Taken as a double that is a
    number next to nothing, which no date is: it is told apart without doubt.
    """
    if 1 <= days < _LAST_DAY:
        return OLE_EPOCH + timedelta(days=days)
    if days and abs(days) < _LEAST_DATE:
        ticks = _TICKS.unpack(_DOUBLE.pack(days))[0]
        try:
            return FILETIME_EPOCH + timedelta(microseconds=ticks // 10) if ticks > 0 else days
        except OverflowError:
            return days
    found = from_ole_date(days)
    return days if found is None else found


def _bit(value: Any) -> bytes:
    if value is None:
        raise TypeError
    return b"\xff" if value else b"\x00"


def _guid(value: Any) -> bytes:
    if isinstance(value, uuid.UUID):
        return value.bytes_le
    raw = bytes(value)
    if len(raw) != _GUID_SIZE:
        raise ValueError(f"a GUID of {len(raw)} bytes")
    return raw


def _bytes(value: Any) -> bytes:
    # bytes(5) would be five zeros, which nobody means.
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{type(value).__name__} for bytes")


def _text(code_page: int) -> Callable[[Any], bytes]:
    name = codec(code_page)

    def encode(value: Any) -> bytes:
        if isinstance(value, str):
            return value.encode(name)
        raise TypeError(f"{type(value).__name__} for text")

    return encode


def encoder(kind: ColumnType, code_page: int = 0) -> Callable[[Any], bytes]:
    """Return a function from a value (not None) to its stored bytes.

    The function raises one of `CONVERSION_ERRORS` for what does not fit; callers that know the column turn that
    into an EseError.  -1001 for a type that cannot be written.
    """
    code = STRUCT_CODES.get(kind)
    if kind is ColumnType.DATE_TIME:
        pack_date = struct.Struct("<d").pack
        return lambda value: pack_date(ole_date(value))
    if code is not None:
        return struct.Struct("<" + code).pack
    if kind is ColumnType.BIT:
        return _bit
    if kind is ColumnType.GUID:
        return _guid
    if kind.is_text:
        return _text(code_page)
    if kind.is_binary:
        return _bytes
    raise EseError.from_code(Err.FeatureNotAvailable, f"columns of type {kind.name}")


def decode_value(raw: bytes, kind: ColumnType, code_page: int = 0) -> Value:
    """Return the value of stored bytes; -1003 when their number does not fit the type.

    Text that is not of the code page keeps lone surrogates or gets replacement characters, so that a
    damaged value can still be shown.
    """
    code = STRUCT_CODES.get(kind)
    try:
        if code is not None:
            number: float = struct.unpack("<" + code, raw)[0]
            return number
        if kind is ColumnType.BIT:
            return raw[0] != 0
        if kind is ColumnType.GUID:
            return uuid.UUID(bytes_le=raw)
    except (struct.error, IndexError, ValueError):
        raise EseError.from_code(Err.InvalidParameter, f"{len(raw)} bytes for a {kind.name}") from None
    if kind.is_text:
        if code_page == UNICODE:
            return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")
        return raw.decode(codec(code_page or 1252), "replace")
    return bytes(raw)


def _from_utf16(raw: bytes) -> str:
    # bytes.decode would come here by way of a Python function.
    try:
        return utf_16_le_decode(raw, "strict", True)[0]
    except UnicodeDecodeError:
        return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")


def _from_code_page(code_page: int) -> Callable[[bytes], str]:
    name = codec(code_page or ASCII)
    if bytes(range(128)).decode(name, "replace") != bytes(range(128)).decode("ascii"):
        return lambda raw: raw.decode(name, "replace")
    # Most texts are ASCII, and that is decoded many times faster than any code page.
    return lambda raw: raw.decode("ascii") if raw.isascii() else raw.decode(name, "replace")


def _from_guid(raw: bytes) -> uuid.UUID:
    return uuid.UUID(bytes_le=raw)


def decoder(kind: ColumnType, code_page: int = 0) -> Callable[[bytes], Value]:
    """Return a quick `decode_value` for one column, with dates as times; -1001 for a code page without codec.

    The function raises one of `CONVERSION_ERRORS` or IndexError for bytes that do not fit.
    """
    code = STRUCT_CODES.get(kind)
    if kind is ColumnType.DATE_TIME:
        return lambda raw: date_time(_DOUBLE.unpack(raw)[0])
    if code is not None:
        unpack = struct.Struct("<" + code).unpack
        return lambda raw: unpack(raw)[0]
    if kind is ColumnType.BIT:
        return lambda raw: raw[0] != 0
    if kind is ColumnType.GUID:
        return _from_guid
    if kind.is_text:
        return _from_utf16 if code_page == UNICODE else _from_code_page(code_page)
    return bytes
