"""Columns of a row that is being prepared are set: a value as a whole, or a long one in pieces.

    of a long value    nothing there              something there
    append  0x1        the bytes                  the bytes behind it
    overwrite 0x4      the bytes, at 0 only       the bytes at the offset, the rest as it was
    size 0x8           zeros                      cut, or filled up with zeros; no bytes: null, with bit 0x20 empty
    0x4 and 0x8        the bytes, at 0 only       the bytes at the offset, nothing behind them; no bytes: null

Source: jet-api reference 3.3, 3.4, 4.1 (JetSetColumn).
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError, Wrn
from engine.format.column import TYPE_SIZES, ColumnFlags, Storage
from engine.format.key import Segment, normalise
from engine.jet.opened import OpenTable, allowed, level_of, returns_error, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.format.column import ColumnDef
    from engine.jet.prepared import Prepared

_APPEND: Final = 0x1
_OVERWRITE: Final = 0x4
_SIZE: Final = 0x8
_ZERO_LENGTH: Final = 0x20
_UNIQUE: Final = 0x80
_UNIQUE_KEYS: Final = 0x100
_DEFAULT: Final = 0x200
_STORAGE_HINTS: Final = 0x40 | 0x400 | 0x10000 | 0x20000
"""Where a long value is kept and whether it is packed: the engine chooses."""
_PIECES: Final = _APPEND | _OVERWRITE | _SIZE
_SET_BITS: Final = _PIECES | _ZERO_LENGTH | _UNIQUE | _UNIQUE_KEYS | _DEFAULT | _STORAGE_HINTS
_WAYS: Final = (0, _APPEND, _OVERWRITE, _SIZE, _SIZE | _OVERWRITE, _ZERO_LENGTH, _SIZE | _ZERO_LENGTH)
_ANY_ROOM: Final = 1 << 31


class JetSetItem(NamedTuple):
    """JET_SETCOLUMN: what JetSetColumn is given for one column."""

    columnid: int
    pvData: bytes | None
    grbit: int = 0
    ibLongValue: int = 0
    itagSequence: int = 1


@returns_error
def JetSetColumn(
    sesid: int,
    tableid: int,
    columnid: int,
    pvData: bytes | None,
    grbit: int = 0,
    itagSequence: int = 1,
    ibLongValue: int = 0,
) -> int:
    """Set a column of what is being prepared; None, or no bytes without bit 0x20, makes it null.

    `itagSequence` counts the values of a tagged column from 1; 0 adds one.  Bit 0x80: -1525 when another value is the
    same, with 0x100 when its key would be.  Bit 0x200: null leaves a tagged column to its default.
    1512 when the value of a variable column was cut to the longest that it can have.  -1609 when nothing is prepared,
    -1511 for a column that the engine sets, -1504 null not allowed, -1047 a size that the type cannot have, -1506 too
    long, -1502 an offset behind the end, -1054 for a long value without a transaction, -1518 for a further value of a
    column that has one only, -1110 in a transaction that only reads.
    """
    opened = table(sesid, tableid)
    opened.changing()
    return _set_column(sesid, opened, JetSetItem(columnid, pvData, grbit, ibLongValue, itagSequence))


@returns_error
def JetSetColumns(sesid: int, tableid: int, psetcolumn: Iterable[JetSetItem]) -> int:
    """JetSetColumn for several columns, in the order given: those before one that fails stay set."""
    opened = table(sesid, tableid)
    opened.changing()
    warning = 0
    for each in psetcolumn:
        warning = _set_column(sesid, opened, each)
    return warning


def _set_column(sesid: int, opened: OpenTable, item: JetSetItem) -> int:
    options, data, number, offset = allowed(item.grbit, _SET_BITS), item.pvData, item.itagSequence, item.ibLongValue
    prepared = opened.prepared
    if prepared is None:
        raise EseError.from_code(Err.UpdateNotPrepared)
    column = opened.column(item.columnid)
    if column.flags & ColumnFlags.AUTO_INCREMENT or (column.flags & ColumnFlags.VERSION and prepared.replaces):
        raise EseError.from_code(Err.InvalidColumnType, f"{column.name} is set by the engine")
    unique = options & (_UNIQUE | _UNIQUE_KEYS)
    if unique and options & _PIECES:
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    if column.type.is_long and not level_of(sesid):
        raise EseError.from_code(Err.NotInTransaction, f"{column.name} is a long column")
    value, warning = _new_value(opened, prepared, column, bytes(data or b""), options, number, offset)
    if value is None and column.flags & ColumnFlags.NOT_NULL:
        raise EseError.from_code(Err.NullInvalid, column.name)
    if value is not None and unique:
        _check_unique(column, value, prepared.values(opened.table, column), number, keys=bool(unique & _UNIQUE_KEYS))
    if value is None and options & _DEFAULT and column.storage is Storage.TAGGED:
        prepared.reset(column)
    else:
        prepared.set(opened.table, column, number, value)
    return warning


def _new_value(
    opened: OpenTable, prepared: Prepared, column: ColumnDef, data: bytes, options: int, number: int, offset: int
) -> tuple[bytes | None, int]:
    """Return what a column is set to, None for null, and a warning."""
    if column.type.is_long:
        values = prepared.values(opened.table, column)
        before = values[number - 1] if 1 <= number <= len(values) else None
        value = _long_value(column, before, data, options & (_PIECES | _ZERO_LENGTH), offset)
        if value is not None and column.size and len(value) > column.size:
            raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(value)} bytes, at most {column.size}")
        return value, 0
    if options & _PIECES:
        raise EseError.from_code(Err.InvalidColumnType, f"{column.name} holds no long values")
    return _short_value(column, data, zero_length=bool(options & _ZERO_LENGTH))


def _short_value(column: ColumnDef, data: bytes, *, zero_length: bool) -> tuple[bytes | None, int]:
    fixed = column.storage is Storage.FIXED
    if not data:
        if zero_length and not fixed and column.type in TYPE_SIZES:
            raise EseError.from_code(Err.InvalidBufferSize, f"{column.name} is never empty")
        return (b"" if zero_length and not fixed else None), 0
    if len(data) > column.size:
        if column.storage is Storage.VARIABLE:
            return data[: column.size], Wrn.ColumnMaxTruncated
        code = Err.InvalidBufferSize if fixed else Err.ColumnTooBig
        raise EseError.from_code(code, f"{column.name}: {len(data)} bytes, at most {column.size}")
    if len(data) != TYPE_SIZES.get(column.type, len(data)):
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(data)} bytes for {column.name}")
    return data, 0


def _long_value(column: ColumnDef, before: bytes | None, data: bytes, way: int, offset: int) -> bytes | None:
    """Return a long value after it was set, in one of the ways that the module describes."""
    if way not in _WAYS:
        raise EseError.from_code(Err.InvalidGrbit, f"{way:#x}")
    if way & _OVERWRITE:
        return _overwritten(column, before, data, offset, cut=bool(way & _SIZE))
    if way & _APPEND:
        return (before or b"") + data
    if not data:
        return b"" if way & _ZERO_LENGTH else None
    return (before or b"")[: len(data)].ljust(len(data), b"\0") if way & _SIZE else data


def _overwritten(column: ColumnDef, before: bytes | None, data: bytes, offset: int, *, cut: bool) -> bytes | None:
    if not data and cut:
        return None
    if not data and before is not None:
        return before
    there = before or b""
    if not 0 <= offset <= len(there):
        raise EseError.from_code(Err.ColumnNoChunk, f"{column.name}: offset {offset} of {len(there)}")
    return there[:offset] + data + (b"" if cut else there[offset + len(data) :])


def _check_unique(column: ColumnDef, value: bytes, values: list[bytes], number: int, *, keys: bool) -> None:
    others = [each for at, each in enumerate(values, 1) if at != number]
    if keys:
        segment = Segment.of(column)
        value = normalise(segment, value, _ANY_ROOM)
        others = [normalise(segment, each, _ANY_ROOM) for each in others]
    if value in others:
        raise EseError.from_code(Err.MultiValuedDuplicate, column.name)
