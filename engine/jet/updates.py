"""Rows: read column by column, prepared, written, deleted.

Values are stored bytes: numbers little-endian, dates as 8 bytes of a double, text in the code page of its column.
A transaction is needed to replace a row and to lock one; other changes make one of their own where there is none.
Source: jet-api reference 3.3, 3.4, 4.1.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError, Wrn
from engine.format.column import TYPE_SIZES, ColumnFlags
from engine.jet.handles import HANDLES
from engine.jet.opened import allowed, returns_error, returns_pair, table
from engine.jet.prepared import Prep, Prepared, check_original

if TYPE_CHECKING:
    from engine.format.column import ColumnDef
    from engine.jet.opened import OpenTable

_APPEND: Final = 0x1
_OVERWRITE: Final = 0x4
_SIZE: Final = 0x8
_ZERO_LENGTH: Final = 0x20
_DEFAULT: Final = 0x200
_STORAGE_HINTS: Final = 0x40 | 0x400 | 0x10000 | 0x20000
"""Where a long value is kept and whether it is packed: the engine chooses."""
_COPY: Final = 0x1
_TAG: Final = 0x8
_NULL: Final = 0x10
_IGNORE_DEFAULT: Final = 0x20
_READ_LOCK: Final = 0x1
_WRITE_LOCK: Final = 0x2


@returns_pair(b"")
def JetRetrieveColumn(
    sesid: int,
    tableid: int,
    columnid: int,
    cbMax: int | None = None,
    grbit: int = 0,
    itagSequence: int = 1,
    ibLongValue: int = 0,
) -> tuple[int, bytes]:
    """Return (error, bytes of a column from `ibLongValue` on, at most `cbMax`).

    1004 for null, 1006 when the value is longer than what is returned.  Bit 1: of the copy that is being prepared.
    `itagSequence` counts the values of a column that has several, from 1.  -1603, -1517.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _COPY | _TAG | _NULL | _IGNORE_DEFAULT)
    column = opened.column(columnid)
    if options & _COPY and opened.prepared is not None:
        values = opened.prepared.values(opened.table, column)
    else:
        stored = opened.table.stored(opened.cursor.bookmark, (column.name,))[column.name]
        values = [each for each in stored if each is not None]
    if not 1 <= itagSequence <= len(values):
        return Wrn.ColumnNull, b""
    value = values[itagSequence - 1]
    if options & _IGNORE_DEFAULT and value == column.default:
        return Wrn.ColumnNull, b""
    rest = value[max(ibLongValue, 0) :]
    if cbMax is not None and len(rest) > cbMax:
        return Wrn.BufferTruncated, rest[:cbMax]
    return 0, rest


@returns_error
def JetPrepareUpdate(sesid: int, tableid: int, prep: int) -> int:
    """Begin to prepare a row: insert 0, replace 2, replace without lock 4, copy 5, move 7; 3 drops what was prepared.

    -1607 when something is prepared already, -1609 when there is nothing to drop, -1603 without a current row,
    -1054 for a replace without a transaction, -1102 when another session has changed the row.
    """
    opened = table(sesid, tableid)
    opened.changing()
    kind = _prep_of(prep)
    if kind is Prep.CANCEL:
        if opened.prepared is None:
            raise EseError.from_code(Err.UpdateNotPrepared)
        opened.prepared = None
        return 0
    if opened.prepared is not None:
        raise EseError.from_code(Err.AlreadyPrepared)
    bookmark = None
    if kind is not Prep.INSERT:
        bookmark = opened.cursor.bookmark
        check_original(kind, opened.table)
    if kind in (Prep.REPLACE, Prep.REPLACE_NO_LOCK) and not HANDLES.session(sesid).store.level:
        raise EseError.from_code(Err.NotInTransaction)
    if bookmark is not None and kind is Prep.REPLACE:
        opened.table.lock(bookmark)
    opened.prepared = Prepared(kind, bookmark)
    return 0


def _prep_of(prep: int) -> Prep:
    try:
        return Prep(prep)
    except ValueError:
        raise EseError.from_code(Err.InvalidParameter, f"update {prep!r}") from None


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

    Long values: bit 1 appends, 4 overwrites from `ibLongValue` on, 8 sets the size to the length of `pvData`.
    Bit 0x200: the default.  -1609 when nothing is prepared, -1048 a column that the engine sets, -1047 a size that
    the type cannot have, -1506 too long, -1502 an offset behind the end.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _APPEND | _OVERWRITE | _SIZE | _ZERO_LENGTH | _DEFAULT | _STORAGE_HINTS)
    prepared = opened.prepared
    if prepared is None:
        raise EseError.from_code(Err.UpdateNotPrepared)
    column = opened.column(columnid)
    if column.flags & (ColumnFlags.AUTO_INCREMENT | ColumnFlags.VERSION):
        raise EseError.from_code(Err.ColumnNotUpdatable, f"{column.name} is set by the engine")
    data = None if pvData is None else bytes(pvData)
    if options & _DEFAULT:
        value = column.default
    elif options & (_APPEND | _OVERWRITE | _SIZE):
        value = _long_value(opened, prepared, column, data or b"", options, itagSequence, ibLongValue)
    else:
        value = data if data or (data is not None and options & _ZERO_LENGTH) else None
    _check(column, value)
    prepared.set(opened.table, column, itagSequence, value)
    return 0


def _long_value(
    opened: OpenTable, prepared: Prepared, column: ColumnDef, data: bytes, options: int, number: int, offset: int
) -> bytes:
    """Return a long value after an append, an overwrite or a change of its size."""
    if not column.type.is_long:
        raise EseError.from_code(Err.InvalidColumnType, f"{column.name} holds no long values")
    values = prepared.values(opened.table, column)
    value = values[number - 1] if 1 <= number <= len(values) else b""
    if options & _SIZE:
        value = value[: len(data)].ljust(len(data), b"\0")
        return value if not options & _OVERWRITE else data
    if options & _APPEND:
        return value + data
    if offset > len(value):
        raise EseError.from_code(Err.ColumnNoChunk, f"{column.name}: offset {offset} of {len(value)}")
    return value[:offset] + data + value[offset + len(data) :]


def _check(column: ColumnDef, value: bytes | None) -> None:
    size = TYPE_SIZES.get(column.type)
    if value is None:
        return
    if size is not None and len(value) != size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(value)} bytes for {column.name}")
    if column.size and len(value) > column.size:
        raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {len(value)} bytes, at most {column.size}")


@returns_pair(b"")
def JetUpdate(sesid: int, tableid: int, cbMax: int | None = None) -> tuple[int, bytes]:
    """Write what was prepared.  Returns (error, bookmark); the current row stays what it was.

    -1609 nothing prepared, -1605, -1504, -1026, -1604, -1102; then it stays prepared.
    """
    opened = table(sesid, tableid)
    opened.changing()
    prepared = opened.prepared
    if prepared is None:
        raise EseError.from_code(Err.UpdateNotPrepared)
    if prepared.prep is Prep.INSERT_COPY_DELETE_ORIGINAL and prepared.bookmark is not None:
        session = HANDLES.session(sesid)
        with session.transaction():
            row = prepared.row(opened.table)
            opened.table.delete(prepared.bookmark)
            bookmark = opened.table.insert(**row)
    else:
        bookmark = prepared.apply(opened.table)
    opened.prepared = None
    if cbMax is not None and len(bookmark) > cbMax:
        return Wrn.BufferTruncated, bookmark[:cbMax]
    return 0, bookmark


@returns_error
def JetDelete(sesid: int, tableid: int) -> int:
    """Delete the current row; the next move goes from where it was.  -1603, -1017, -1102, -1607."""
    opened = table(sesid, tableid)
    opened.changing()
    if opened.prepared is not None:
        raise EseError.from_code(Err.AlreadyPrepared)
    opened.cursor.delete()
    return 0


@returns_pair(b"")
def JetEscrowUpdate(sesid: int, tableid: int, columnid: int, pv: bytes, grbit: int = 0) -> tuple[int, bytes]:
    """Add to an escrow column.  Returns (error, its bytes before); -1048, -1047, -1054, -1102, -1607."""
    opened = table(sesid, tableid)
    opened.changing()
    allowed(grbit, 0)
    column = opened.column(columnid)
    if opened.prepared is not None:
        raise EseError.from_code(Err.AlreadyPrepared)
    if len(pv) != column.size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(pv)} bytes for {column.name}")
    if not HANDLES.session(sesid).store.level:
        raise EseError.from_code(Err.NotInTransaction)
    before = opened.cursor.escrow(column.name, int.from_bytes(pv, "little", signed=True))
    return 0, before.to_bytes(column.size, "little", signed=True)


@returns_error
def JetGetLock(sesid: int, tableid: int, grbit: int) -> int:
    """Keep others from changing the current row until the transaction ends; -1054, -1603, -1102.

    A read lock keeps out as much as a write lock here, so two sessions cannot share one.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _READ_LOCK | _WRITE_LOCK)
    if options not in (_READ_LOCK, _WRITE_LOCK):
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    opened.table.lock(opened.cursor.bookmark)
    return 0
