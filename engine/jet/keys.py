"""Keys for searches and ranges: made column by column from stored bytes, or given as a whole.

A limit at the end of a key makes it stand before or behind all keys that begin like it:

    bit       what the key becomes
    0x2       string limit       behind every key that begins with these columns; bytes of any length: as 0x800
    0x4       substring limit    behind every key whose last column begins with the text; nothing for other columns
    0x100     column start       before every key that begins with these columns
    0x200     column end         behind them
    0x400     partial start      before every key whose last column begins with the value: text, or bytes of any length
    0x800     partial end        behind them

A key is used up by the search or range that it is made for, but can be read until the next one is begun.
Source: jet-api reference 3.3, 4.1; database reference 7.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError, Wrn
from engine.format.column import TYPE_SIZES, ColumnType, Storage
from engine.format.key import DEFAULT_KEY_MOST, stem
from engine.jet.opened import MadeKey, OpenTable, allowed, returns_error, returns_pair, table

if TYPE_CHECKING:
    from engine.catalog import IndexDef
    from engine.format.column import ColumnDef

_NEW_KEY: Final = 0x1
_STRING_LIMIT: Final = 0x2
_SUBSTRING_LIMIT: Final = 0x4
_NORMALIZED: Final = 0x8
_ZERO_LENGTH: Final = 0x10
_COLUMN_START: Final = 0x100
_COLUMN_END: Final = 0x200
_PARTIAL_START: Final = 0x400
_PARTIAL_END: Final = 0x800
_COLUMN_LIMITS: Final = _COLUMN_START | _COLUMN_END | _PARTIAL_START | _PARTIAL_END
_LIMITS: Final = _STRING_LIMIT | _SUBSTRING_LIMIT | _COLUMN_LIMITS
_BEHIND: Final = _STRING_LIMIT | _SUBSTRING_LIMIT | _COLUMN_END | _PARTIAL_END
_COPY: Final = 0x1


@returns_error
def JetMakeKey(sesid: int, tableid: int, pvData: bytes | None, grbit: int) -> int:
    """Add the value of the next column to the key, or begin a new one with bit 1.

    No bytes mean null, but an empty value with bit 0x10.  Bit 8: the bytes are a whole key.  -1608 without a key
    that was begun, -1516 when it is complete, -1515 for rows without an order, -1047 for a size that the column cannot
    have, -900 for limits that exclude each other or that the column cannot have.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _NEW_KEY | _LIMITS | _NORMALIZED | _ZERO_LENGTH)
    data = bytes(pvData or b"")
    index = opened.cursor.index
    if options & _NORMALIZED:
        most = (DEFAULT_KEY_MOST if index is None else index.key_most) + 1
        if len(data) > max(most, DEFAULT_KEY_MOST):
            raise EseError.from_code(Err.InvalidParameter, f"a key of {len(data)} bytes")
        opened.parts = []
        opened.key = MadeKey(data[:most], 1, complete=len(data) >= most)
        return 0
    if index is None:
        raise EseError.from_code(Err.NoCurrentIndex, opened.table.name)
    before = b""
    if options & _NEW_KEY:
        opened.forget_key()
    else:
        before = _unfinished(opened)
    if len(opened.parts) >= len(index.columns):
        raise EseError.from_code(Err.KeyIsMade)
    column = index.columns[len(opened.parts)].column
    limit = _limit_of(column, options & _LIMITS)
    value = _value(column, data, zero_length=bool(options & _ZERO_LENGTH))
    opened.parts.append(value)
    key = _key(index, opened.parts, before, limit)
    opened.key = MadeKey(key, len(opened.parts), complete=bool(limit))
    return 0


def _unfinished(opened: OpenTable) -> bytes:
    """Return the key that is to be continued."""
    if opened.key is None or opened.key.used:
        raise EseError.from_code(Err.KeyNotMade)
    if opened.key.complete or not opened.parts:
        raise EseError.from_code(Err.KeyIsMade)
    return opened.key.data


def _limit_of(column: ColumnDef, limits: int) -> int:
    """Return the one limit that holds for a column, 0 for none."""
    columns = limits & _COLUMN_LIMITS
    of_any_length = column.type.is_text or (column.type.is_binary and column.storage is not Storage.FIXED)
    if columns & (columns - 1) or (columns & (_PARTIAL_START | _PARTIAL_END) and not of_any_length):
        raise EseError.from_code(Err.InvalidGrbit, f"{limits:#x} for {column.name}")
    if columns:
        return columns
    if limits & _SUBSTRING_LIMIT and column.type.is_text:
        return _PARTIAL_END
    if limits & _STRING_LIMIT:
        return _PARTIAL_END if of_any_length and not column.type.is_text else _COLUMN_END
    return 0


def _value(column: ColumnDef, data: bytes, *, zero_length: bool) -> bytes | None:
    """Return the stored form of a value, None for null: a fixed text is filled up."""
    size = TYPE_SIZES.get(column.type, column.size if column.storage is Storage.FIXED else None)
    if not data:
        if zero_length and size is not None:
            raise EseError.from_code(Err.InvalidBufferSize, f"{column.name} is never empty")
        return b"" if zero_length else None
    if column.storage is Storage.FIXED and column.type is ColumnType.TEXT:
        data = column.filled(data)
    if size is not None and len(data) != size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(data)} bytes for {column.name}")
    return data


def _key(index: IndexDef, parts: list[bytes | None], before: bytes, limit: int) -> bytes:
    last = parts[-1]
    if limit & (_PARTIAL_START | _PARTIAL_END) and last:
        key = (before + stem(index.segments[len(parts) - 1], last))[: index.key_most]
    else:
        key = index.key(parts)
    return key.ljust(index.key_most + 1, b"\xff") if limit & _BEHIND else key


def made_key(opened: OpenTable) -> bytes:
    """Return the key that is ready to be used; -1608 without one."""
    if opened.key is None or opened.key.used:
        raise EseError.from_code(Err.KeyNotMade)
    return opened.key.data


@returns_pair(b"")
def JetRetrieveKey(sesid: int, tableid: int, cbMax: int | None = None, grbit: int = 0) -> tuple[int, bytes]:
    """Return (error, key of the current entry, at most `cbMax` bytes); 1006 when it was cut, -1603.

    With bit 1 the key that was made, used up or not: no warning then; -1608 without one.
    """
    opened = table(sesid, tableid)
    if allowed(grbit, _COPY):
        if opened.key is None:
            raise EseError.from_code(Err.KeyNotMade)
        return 0, opened.key.data[:cbMax]
    key = opened.cursor.key
    if cbMax is not None and len(key) > cbMax:
        return Wrn.BufferTruncated, key[:cbMax]
    return 0, key
