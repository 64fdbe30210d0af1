"""Rows: read column by column, prepared, written, deleted.

Values are stored bytes: numbers little-endian, dates as 8 bytes of a double, text in the code page of its column.
A transaction is needed to set a long value, to add to an escrow column and to lock a row; other changes make one of
their own where there is none.
Source: jet-api reference 3.3, 3.4, 4.1.
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError, Wrn
from engine.format.column import ColumnFlags, Storage
from engine.jet.handles import HANDLES
from engine.jet.opened import OpenTable, allowed, as_one, level_of, returns_error, returns_pair, table
from engine.jet.prepared import Prep, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.format.column import ColumnDef

_COPY: Final = 0x1
_FROM_INDEX: Final = 0x2
_FROM_BOOKMARK: Final = 0x4
_TAG: Final = 0x8
_NULL: Final = 0x10
_IGNORE_DEFAULT: Final = 0x20
_READ_LOCK: Final = 0x1
_WRITE_LOCK: Final = 0x2


class JetRetrieveItem(NamedTuple):
    """JET_RETRIEVECOLUMN: what JetRetrieveColumn is given for one column."""

    columnid: int
    cbData: int | None = None
    grbit: int = 0
    ibLongValue: int = 0
    itagSequence: int = 1


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
    """Return (error, bytes of a column, at most `cbMax`; of a long value from `ibLongValue` on).

    1004 for null, 1006 when the value is longer than what is returned.  Bit 1: of the copy that is being prepared.
    `itagSequence` counts the values of a tagged column from 1.  Bit 2: the value that the current entry of the index
    stands for.  Bit 0x20: a tagged column that is left to its default is null.  -1603, -1517, -1507, -1518.
    """
    return _retrieved(table(sesid, tableid), JetRetrieveItem(columnid, cbMax, grbit, ibLongValue, itagSequence))


_NOTHING: Final[tuple[tuple[int, bytes], ...]] = ()


@returns_pair(_NOTHING)
def JetRetrieveColumns(
    sesid: int, tableid: int, pretrievecolumn: Iterable[JetRetrieveItem]
) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    """JetRetrieveColumn for several columns.  Returns (error, (warning, bytes) of each)."""
    opened = table(sesid, tableid)
    return 0, tuple([_retrieved(opened, each) for each in pretrievecolumn])


def _retrieved(opened: OpenTable, item: JetRetrieveItem) -> tuple[int, bytes]:
    columnid, most, grbit, start, count = item
    options = allowed(grbit, _COPY | _FROM_INDEX | _FROM_BOOKMARK | _TAG | _NULL | _IGNORE_DEFAULT)
    column = opened.column(columnid)
    number = count if column.storage is Storage.TAGGED else 1
    if number < 1:
        raise EseError.from_code(Err.BadItagSequence, f"{column.name} has no value {number}")
    offset = max(start, 0) if column.type.is_long else 0
    prepared = opened.prepared if options & _COPY and not options & _FROM_INDEX else None
    if prepared is None and column.type.is_long and most is not None:
        piece = _piece(opened, column, number, offset, most)
        if piece is not None:
            return piece
    values = _values(opened, prepared, column, defaults=not options & _IGNORE_DEFAULT)
    if options & _FROM_INDEX and column.multi_valued:
        number = _entry_value(opened, column, values)
    if number > len(values):
        return Wrn.ColumnNull, b""
    rest = values[number - 1][offset:]
    if most is not None and len(rest) > most:
        return Wrn.BufferTruncated, rest[:most]
    return 0, rest


def _values(opened: OpenTable, prepared: Prepared | None, column: ColumnDef, *, defaults: bool) -> list[bytes]:
    """Return the values of a column of the current row, or of what is prepared; an empty list for null."""
    defaults = defaults or column.storage is not Storage.TAGGED
    if prepared is not None:
        return prepared.values(opened.table, column, defaults=defaults)
    stored = opened.table.stored(opened.cursor.bookmark, (column.name,), defaults=defaults)[column.name]
    return [each for each in stored if each is not None]


def _piece(opened: OpenTable, column: ColumnDef, number: int, offset: int, most: int) -> tuple[int, bytes] | None:
    """Return a part of a long value, for which the whole is not read; None when the row has no such value."""
    try:
        value = opened.table.long_value(opened.cursor.bookmark, column.name, number - 1)
    except EseError as error:
        if error.code != Err.BadItagSequence:
            raise
        return None
    return (Wrn.BufferTruncated if value.size > offset + most else 0), value.read(offset, most)


def _entry_value(opened: OpenTable, column: ColumnDef, values: list[bytes]) -> int:
    """Return the number of the value that the current entry of the index was made of; 1 when it tells nothing."""
    cursor = opened.cursor
    index, key = cursor.index, cursor.key
    columns = [] if index is None else [each.column for each in index.columns]
    names = [each.name for each in columns]
    varying = next((each.name for each in columns if each.multi_valued), None)
    if index is None or column.name != varying:
        return 1
    stored = opened.table.stored(cursor.bookmark, names)
    for number, value in enumerate(values, 1):
        if index.key([value if name == varying else stored[name][0] for name in names]) == key:
            return number
    return 1


@returns_error
def JetPrepareUpdate(sesid: int, tableid: int, prep: int) -> int:
    """Begin to prepare a row: insert 0, replace 2, replace without lock 4, copy 5, move 7; 3 drops what was prepared.

    A new row has its number of the counter from now on.  A row that is to be replaced or moved is locked, within a
    transaction; without one, and without lock, JetUpdate sees whether it has changed meanwhile.
    -1607 when something is prepared already, -1609 when there is nothing to drop, -1603 without a current row, -1102
    when another session has changed the row, -1111 when another cursor of this session is about to replace it, -1110
    in a transaction that only reads.
    """
    opened = table(sesid, tableid)
    opened.changing()
    kind = _prep_of(prep)
    if kind is Prep.CANCEL:
        if opened.prepared is None:
            raise EseError.from_code(Err.UpdateNotPrepared)
        opened.prepared = None
        return 0
    level = _writing(sesid)
    if opened.prepared is not None:
        raise EseError.from_code(Err.AlreadyPrepared)
    bookmark = None if kind is Prep.INSERT else opened.cursor.bookmark
    if bookmark is not None and kind in (Prep.REPLACE, Prep.REPLACE_NO_LOCK):
        _check_own(sesid, opened, bookmark)
    tied = bookmark is not None and kind is not Prep.INSERT_COPY
    if bookmark is not None and tied and level and kind is not Prep.REPLACE_NO_LOCK:
        opened.table.lock(bookmark)
    prepared = Prepared.of(kind, opened.table, bookmark, level)
    if bookmark is not None and tied and not level:
        prepared.before = opened.table.record(bookmark)
    opened.prepared = prepared
    return 0


def _prep_of(prep: int) -> Prep:
    try:
        return Prep(prep)
    except ValueError:
        raise EseError.from_code(Err.InvalidParameter, f"update {prep!r}") from None


def _writing(sesid: int) -> int:
    """Return the level of a session that is about to write: -1110 in a transaction that only reads."""
    store = HANDLES.session(sesid).store
    if store.read_only:
        raise EseError.from_code(Err.TransReadOnly, "the transaction was begun for reading only")
    return store.level


def _check_own(sesid: int, opened: OpenTable, bookmark: bytes) -> None:
    """Refuse a change of a row that another cursor of the session is about to replace: -1111."""
    for other in HANDLES.all_opened(sesid, OpenTable).values():
        prepared = other.prepared
        if other is opened or prepared is None or not prepared.replaces or prepared.bookmark != bookmark:
            continue
        if other.dbid == opened.dbid and other.table.objid == opened.table.objid:
            raise EseError.from_code(Err.SessionWriteConflict, f"a row of {opened.table.name}")


@returns_pair(b"")
def JetUpdate(sesid: int, tableid: int, cbMax: int | None = None) -> tuple[int, bytes]:
    """Write what was prepared.  Returns (error, bookmark, at most `cbMax` bytes); the current row stays what it was.

    -1609 nothing prepared, -1605, -1504, -1026, -1604, -1102, -1038 when the bookmark of a new row is longer than
    `cbMax`; then it stays prepared.
    """
    opened = table(sesid, tableid)
    opened.changing()
    prepared = opened.prepared
    if prepared is None:
        raise EseError.from_code(Err.UpdateNotPrepared)
    with as_one(sesid):
        bookmark = prepared.apply(opened.table)
        if cbMax is not None and len(bookmark) > cbMax and not prepared.replaces:
            raise EseError.from_code(Err.BufferTooSmall, f"a bookmark of {len(bookmark)} bytes")
    opened.prepared = None
    return 0, bookmark[:cbMax]


@returns_error
def JetDelete(sesid: int, tableid: int) -> int:
    """Delete the current row; the next move goes from where it was.  What was prepared is dropped.

    -1603, -1017, -1102, -1110, -1607 while a row is about to be moved.
    """
    opened = table(sesid, tableid)
    opened.changing()
    _writing(sesid)
    if opened.prepared is not None and opened.prepared.prep is Prep.INSERT_COPY_DELETE_ORIGINAL:
        raise EseError.from_code(Err.AlreadyPrepared)
    opened.prepared = None
    opened.cursor.delete()
    return 0


@returns_pair(b"")
def JetEscrowUpdate(sesid: int, tableid: int, columnid: int, pv: bytes, grbit: int = 0) -> tuple[int, bytes]:
    """Add to an escrow column.  Returns (error, its bytes before).

    -1054, -1607, -1047, -1906 for any other column, -1111, -1102.
    """
    opened = table(sesid, tableid)
    if not level_of(sesid):
        raise EseError.from_code(Err.NotInTransaction)
    opened.changing()
    allowed(grbit, 0)
    column = opened.column(columnid)
    if opened.prepared is not None:
        raise EseError.from_code(Err.AlreadyPrepared)
    if len(pv) != column.size:
        raise EseError.from_code(Err.InvalidBufferSize, f"{len(pv)} bytes for {column.name}")
    if not column.flags & ColumnFlags.ESCROW_UPDATE:
        raise EseError.from_code(Err.InvalidOperation, f"{column.name} is no escrow column")
    _check_own(sesid, opened, opened.cursor.bookmark)
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
    if not level_of(sesid):
        raise EseError.from_code(Err.NotInTransaction)
    if options == _WRITE_LOCK:
        opened.changing()
    opened.table.lock(opened.cursor.bookmark)
    return 0
