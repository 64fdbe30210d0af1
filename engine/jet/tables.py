"""Tables: made, opened, deleted; the index that a table is seen in.

Source: jet-api reference 3.3, 4.1.
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.jet.handles import HANDLES, wide
from engine.jet.moves import goto
from engine.jet.opened import OpenTable, allowed, database, level_of, returns_error, returns_pair, table
from engine.jet.schema import JetColumnCreate, JetIndexCreate, column_of, index_of

if TYPE_CHECKING:
    from engine.store.database import Database
    from engine.store.table import Table

_DENY_WRITE: Final = 0x1
_DENY_READ: Final = 0x2
_READ_ONLY: Final = 0x4
_OPEN_HINTS: Final = 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x8000 | 0x1F0000
"""Updatable, schema changes and hints for the cache: always so here, or of no effect on what is read."""
JET_bitMoveFirst: Final = 0x0
JET_bitNoMove: Final = 0x2


class JetTableCreate(NamedTuple):
    """JET_TABLECREATE: name, pages (the engine's choice here), density in percent (0 too), columns and indexes."""

    szTableName: str
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: tuple[JetColumnCreate, ...] = ()
    rgindexcreate: tuple[JetIndexCreate, ...] = ()


def _open(sesid: int, home: Database, made: Table, *, read_only: bool = False) -> tuple[OpenTable, int]:
    level = level_of(sesid)
    opened = OpenTable(made, made.cursor(), home.dbid, read_only, level=level, moved_at=level)
    return opened, HANDLES.add_opened(sesid, opened)


@returns_pair(0)
def JetCreateTable(sesid: int, dbid: int, szTableName: str, lPages: int = 0, lDensity: int = 0) -> tuple[int, int]:
    """Make a table without columns and open it; the space it begins with is the engine's choice.

    Returns (error, table); -1303, -1002, -1307.
    """
    return _create(sesid, dbid, JetTableCreate(szTableName, lPages, lDensity))


@returns_pair(0)
def JetCreateTableColumnIndex(sesid: int, dbid: int, ptablecreate: JetTableCreate) -> tuple[int, int]:
    """Make a table with columns and indexes, all of it or nothing, and open it.

    Returns (error, table); errors of JetCreateTable, JetAddColumn and JetCreateIndex.
    """
    return _create(sesid, dbid, ptablecreate)


def _create(sesid: int, dbid: int, create: JetTableCreate) -> tuple[int, int]:
    opened = database(sesid, dbid)
    opened.changing()
    columns = [column_of(each)[0] for each in create.rgcolumncreate]
    indexes = [index_of(each) for each in create.rgindexcreate]
    more = {"density": create.ulDensity} if create.ulDensity else {}
    made = opened.database.create_table(wide(create.szTableName) or "", columns, indexes=indexes, **more)
    return 0, _open(sesid, opened.database, made)[1]


@returns_error
def JetDeleteTable(sesid: int, dbid: int, szTableName: str) -> int:
    """Delete a table; -1305, -1318, -1304."""
    opened = database(sesid, dbid)
    opened.changing()
    opened.database.delete_table(wide(szTableName) or "")
    return 0


@returns_error
def JetRenameTable(sesid: int, dbid: int, szName: str, szNameNew: str) -> int:
    """Give a table another name; -1305, -1303, -1002."""
    opened = database(sesid, dbid)
    opened.changing()
    opened.database.rename_table(wide(szName) or "", wide(szNameNew) or "")
    return 0


@returns_pair(0)
def JetOpenTable(
    sesid: int,
    dbid: int,
    szTableName: str,
    pvParameters: bytes | None = None,
    cbParameters: int = 0,
    grbit: int = 0,
) -> tuple[int, int]:
    """Open a table; the cursor is at its first row.  Returns (error, table); -1305.

    Bit 4: for reading only.  Bit 1: other sessions must not open it for writing, bit 2: nor at all; -1304 when one has
    opened it already, -1302 when one that has opened it does not allow this.
    """
    del pvParameters, cbParameters
    options = allowed(grbit, _READ_ONLY | _DENY_WRITE | _DENY_READ | _OPEN_HINTS)
    home = database(sesid, dbid)
    found = home.database.table(wide(szTableName) or "")
    read_only = home.read_only or bool(options & _READ_ONLY)
    for other in _beside(sesid, home.database.dbid, found):
        if other.deny_read or (other.deny_write and not read_only):
            raise EseError.from_code(Err.TableLocked, f"another session keeps {found.name} for itself")
        if options & _DENY_READ or (options & _DENY_WRITE and not other.read_only):
            raise EseError.from_code(Err.TableInUse, f"another session has {found.name} open")
    opened, tableid = _open(sesid, home.database, found, read_only=read_only)
    opened.deny_write, opened.deny_read = bool(options & (_DENY_WRITE | _DENY_READ)), bool(options & _DENY_READ)
    opened.cursor.first()
    return 0, tableid


def _beside(sesid: int, dbid: int, home: Table) -> list[OpenTable]:
    """Return a table as other sessions have opened it."""
    others = [each for each in HANDLES.opened_beside(sesid, OpenTable) if each.dbid == dbid]
    return [each for each in others if each.table.objid == home.objid]


@returns_pair(0)
def JetDupCursor(sesid: int, tableid: int, grbit: int = 0) -> tuple[int, int]:
    """Open a table once more, in the primary order and before the first row.  Returns (error, table)."""
    allowed(grbit, 0)
    opened, level = table(sesid, tableid), level_of(sesid)
    again = OpenTable(opened.table, opened.table.cursor(), opened.dbid, opened.read_only, level=level, moved_at=level)
    return 0, HANDLES.add_opened(sesid, again)


@returns_error
def JetCloseTable(sesid: int, tableid: int) -> int:
    """Let go of a table; what was prepared is dropped."""
    table(sesid, tableid)
    HANDLES.forget_opened(tableid)
    return 0


@returns_error
def JetSetCurrentIndex(sesid: int, tableid: int, szIndexName: str | None) -> int:
    """Change to an index, to the primary order with None, and go to its first entry; -1404."""
    return _choose(sesid, tableid, szIndexName, JET_bitMoveFirst)


@returns_error
def JetSetCurrentIndex2(sesid: int, tableid: int, szIndexName: str | None, grbit: int = JET_bitMoveFirst) -> int:
    """JetSetCurrentIndex; with bit 2 the current row stays the current one: -1603 when the index has no entry of it."""
    return _choose(sesid, tableid, szIndexName, allowed(grbit, JET_bitNoMove))


def _choose(sesid: int, tableid: int, name: str | None, options: int) -> int:
    opened = table(sesid, tableid)
    bookmark = opened.cursor.bookmark if options & JET_bitNoMove else None
    opened.choose(wide(name))
    cursor = opened.moving(level_of(sesid))
    if bookmark is None:
        cursor.first()
    else:
        goto(opened, bookmark)
    return 0


@returns_pair("")
def JetGetCurrentIndex(sesid: int, tableid: int) -> tuple[int, str]:
    """Return (error, name of the current index), an empty name for rows that are kept as they come."""
    index = table(sesid, tableid).cursor.index
    return 0, "" if index is None else index.name
