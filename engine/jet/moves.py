"""Going places in a table: moves, keys and searches, ranges, bookmarks, counts.

A key is made column by column from stored bytes.  A limit at its end makes it stand before or behind all keys that
begin like it:

    bit       what the key becomes
    0x2       string limit       behind every key that begins with these columns
    0x4       substring limit    behind every key whose last column begins with the text
    0x100     column start       before every key that begins with these columns
    0x200     column end         behind them
    0x400     partial start      before every key whose last column begins with the value
    0x800     partial end        behind them

A search without a hit leaves the table without a current row.
Source: jet-api reference 3.4, 4.1; database reference 7.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError, Wrn
from engine.format.column import TYPE_SIZES, Storage
from engine.format.key import stem
from engine.jet.opened import MadeKey, OpenTable, Range, allowed, returns_error, returns_pair, table
from engine.table.seeking import Seek

if TYPE_CHECKING:
    from engine.catalog import IndexDef
    from engine.format.column import ColumnDef

JET_MoveFirst: Final = -0x80000000
JET_MovePrevious: Final = -1
JET_MoveNext: Final = 1
JET_MoveLast: Final = 0x7FFFFFFF
_KEY_NE: Final = 1

_NEW_KEY: Final = 0x1
_STRING_LIMIT: Final = 0x2
_SUBSTRING_LIMIT: Final = 0x4
_NORMALIZED: Final = 0x8
_ZERO_LENGTH: Final = 0x10
_COLUMN_START: Final = 0x100
_COLUMN_END: Final = 0x200
_PARTIAL_START: Final = 0x400
_PARTIAL_END: Final = 0x800
_LIMITS: Final = _STRING_LIMIT | _SUBSTRING_LIMIT | _COLUMN_START | _COLUMN_END | _PARTIAL_START | _PARTIAL_END
_BEHIND: Final = _STRING_LIMIT | _SUBSTRING_LIMIT | _COLUMN_END | _PARTIAL_END
_OF_THE_VALUE: Final = _SUBSTRING_LIMIT | _PARTIAL_START | _PARTIAL_END

_MATCHES: Final = {0x1: Seek.EQ, 0x2: Seek.LT, 0x4: Seek.LE, 0x8: Seek.GE, 0x10: Seek.GT}
_SET_RANGE: Final = 0x20

_INCLUSIVE: Final = 0x1
_UPPER: Final = 0x2
_INSTANT: Final = 0x4
_REMOVE: Final = 0x8


# Moves.


@returns_error
def JetMove(sesid: int, tableid: int, cRow: int, grbit: int = 0) -> int:
    """Move by `cRow` entries, or to JET_MoveFirst or JET_MoveLast; with bit 1 to the next or previous other key.

    -1603 when there is none; then the table has no current row.  First and last end a range.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _KEY_NE)
    opened.prepared = None
    cursor = opened.cursor
    if cRow in (JET_MoveFirst, JET_MoveLast):
        opened.range = None
        found = cursor.first() if cRow == JET_MoveFirst else cursor.last()
    elif not cRow:
        _ = cursor.key
        return 0
    else:
        step = 1 if cRow > 0 else -1
        found = all(_step(opened, step, other_key=bool(options & _KEY_NE)) for _ in range(abs(cRow)))
    if not found:
        raise EseError.from_code(Err.NoCurrentRecord, f"{cursor!r}")
    return 0


def _step(opened: OpenTable, step: int, *, other_key: bool) -> bool:
    cursor, limit = opened.cursor, opened.range
    before = cursor.key if other_key and cursor.positioned else None
    while cursor.move(step):
        if limit is not None and limit.upper == (step > 0) and not limit.holds(cursor.key):
            cursor.leave(behind=step > 0)
            return False
        if before is None or cursor.key != before:
            return True
    return False


# Keys and searches.


@returns_error
def JetMakeKey(sesid: int, tableid: int, pvData: bytes | None, grbit: int) -> int:
    """Add the value of the next column to the key, or begin a new one with bit 1.

    No bytes mean null, but an empty value with bit 0x10.  Bit 8: the bytes are a whole key.  -1608 without a key
    that was begun, -1516 when it is complete, -1047 for a size that the column cannot have.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _NEW_KEY | _LIMITS | _NORMALIZED | _ZERO_LENGTH)
    data = bytes(pvData or b"")
    if options & _NORMALIZED:
        opened.parts = []
        opened.key = MadeKey(data, 1, complete=True)
        return 0
    if options & _NEW_KEY:
        opened.forget_key()
    elif opened.key is None:
        raise EseError.from_code(Err.KeyNotMade)
    elif opened.key.complete:
        raise EseError.from_code(Err.KeyIsMade)
    index = opened.cursor.index
    if index is None:
        raise EseError.from_code(Err.NoCurrentIndex, opened.table.name)
    if len(opened.parts) >= len(index.columns):
        raise EseError.from_code(Err.KeyIsMade)
    limit = options & _LIMITS
    if limit & (limit - 1):
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    column = index.columns[len(opened.parts)].column
    value = data if data or options & _ZERO_LENGTH else None
    _check_size(column, value)
    opened.parts.append(value)
    opened.key = MadeKey(_key(index, opened.parts, limit), len(opened.parts), complete=bool(limit))
    return 0


def _check_size(column: ColumnDef, value: bytes | None) -> None:
    size = TYPE_SIZES.get(column.type)
    if size is not None and value is not None and len(value) != size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(value)} bytes for {column.name}")
    if column.storage is Storage.FIXED and size is None and value is not None and len(value) > column.size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(value)} bytes for {column.name}")


def _key(index: IndexDef, parts: list[bytes | None], limit: int) -> bytes:
    last = parts[-1]
    if limit & _OF_THE_VALUE and last is not None:
        before = index.key(parts[:-1]) if len(parts) > 1 else b""
        key = (before + stem(index.segments[len(parts) - 1], last))[: index.key_most]
    else:
        key = index.key(parts)
    return key.ljust(index.key_most + 1, b"\xff") if limit & _BEHIND else key


def _made(opened: OpenTable) -> bytes:
    if opened.key is None:
        raise EseError.from_code(Err.KeyNotMade)
    return opened.key.data


@returns_error
def JetSeek(sesid: int, tableid: int, grbit: int) -> int:
    """Search with the key that was made: 0, or 1039 when GE or LE found a neighbour; -1601, -1608.

    Bits: EQ 1, LT 2, LE 4, GE 8, GT 10; with EQ bit 0x20 limits the range to the key.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, sum(_MATCHES) | _SET_RANGE)
    match = _MATCHES.get(options & ~_SET_RANGE)
    if match is None:
        raise EseError.from_code(Err.InvalidParameter, f"search {options:#x}")
    key = _made(opened)
    opened.prepared = None
    opened.range = None
    if not opened.cursor.seek_key(key, match):
        raise EseError.from_code(Err.RecordNotFound, f"{opened.cursor!r}")
    if match is Seek.EQ and options & _SET_RANGE:
        opened.range = Range(key, upper=True, inclusive=True)
    return Wrn.SeekNotEqual if match in (Seek.GE, Seek.LE) and opened.cursor.key != key else 0


@returns_error
def JetSetIndexRange(sesid: int, tableid: int, grbit: int) -> int:
    """Let moves end at the key that was made, which is used up by it.

    Bits: 1 the key belongs to the range, 2 it is the upper end, 4 only look whether the range is empty, 8 end the
    range.  -1603 when the current row is not in the range, -1608 without a key, -1906 when there is none to end.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _INCLUSIVE | _UPPER | _INSTANT | _REMOVE)
    if options & _REMOVE:
        if opened.range is None:
            raise EseError.from_code(Err.InvalidOperation, "no range is set")
        opened.range = None
        return 0
    limit = Range(_made(opened), upper=bool(options & _UPPER), inclusive=bool(options & _INCLUSIVE))
    current = opened.cursor.key
    opened.forget_key()
    if not limit.holds(current):
        opened.cursor.leave(behind=limit.upper)
        opened.range = None
        raise EseError.from_code(Err.NoCurrentRecord, "the range is empty")
    opened.range = None if options & _INSTANT else limit
    return 0


# Bookmarks and counts.


@returns_pair(b"")
def JetGetBookmark(sesid: int, tableid: int) -> tuple[int, bytes]:
    """Return (error, bookmark of the current row); -1603."""
    return 0, table(sesid, tableid).cursor.bookmark


@returns_error
def JetGotoBookmark(sesid: int, tableid: int, pvBookmark: bytes) -> int:
    """Go to the row of a bookmark; -1017 when it is gone, -1045 for none."""
    opened = table(sesid, tableid)
    if not pvBookmark:
        raise EseError.from_code(Err.InvalidBookmark, "an empty bookmark")
    opened.prepared = None
    opened.range = None
    if not opened.cursor.goto(bytes(pvBookmark)):
        raise EseError.from_code(Err.RecordDeleted, f"{opened.cursor!r}")
    return 0


@returns_pair(b"")
def JetRetrieveKey(sesid: int, tableid: int, cbMax: int | None = None, grbit: int = 0) -> tuple[int, bytes]:
    """Return (error, key of the current entry, at most `cbMax` bytes), or with bit 1 the key that was made.

    1006 when it was cut.
    """
    opened = table(sesid, tableid)
    key = _made(opened) if allowed(grbit, 1) else opened.cursor.key
    if cbMax is not None and len(key) > cbMax:
        return Wrn.BufferTruncated, key[:cbMax]
    return 0, key


@returns_pair(0)
def JetIndexRecordCount(sesid: int, tableid: int, crecMax: int = 0) -> tuple[int, int]:
    """Count the entries from the current one to the end of the range, at most `crecMax` (0: no limit).

    Returns (error, count); the current row stays where it is.  -1603.
    """
    opened = table(sesid, tableid)
    cursor, limit = opened.cursor, opened.range
    key, bookmark = cursor.key, cursor.bookmark
    step = 1 if limit is None or limit.upper else -1
    count = 1
    while (not crecMax or count < crecMax) and _step(opened, step, other_key=False):
        count += 1
    cursor.goto_entry(key, bookmark)
    return 0, count
