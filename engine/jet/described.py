"""What there is: tables of a database, columns and indexes of a table.

Source: jet-api reference 3.3, 4.1.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, overload

from engine.errors import Err, EseError
from engine.format.catalog_row import IndexFlags
from engine.format.column import ColumnFlags, Storage
from engine.format.key import DEFAULT_KEY_MOST
from engine.jet import schema
from engine.jet.handles import wide
from engine.jet.opened import database, returns_pair, table
from engine.jet.schema import JetColumnDef, JetConditionalColumn, JetIndexCreate

if TYPE_CHECKING:
    from engine.catalog import IndexDef
    from engine.format.column import ColumnDef
    from engine.store.table import Table

JET_objtypTable: Final = 1
JET_bitObjectSystem: Final = 0x80000000
_SET_BY_ENGINE: Final = ColumnFlags.VERSION | ColumnFlags.AUTO_INCREMENT
_DESCRIBED: Final = {
    ColumnFlags.NOT_NULL: schema.NOT_NULL,
    ColumnFlags.VERSION: schema.VERSION,
    ColumnFlags.AUTO_INCREMENT: schema.AUTO_INCREMENT,
    ColumnFlags.MULTI_VALUED: schema.MULTI_VALUED,
    ColumnFlags.ESCROW_UPDATE: schema.ESCROW,
    ColumnFlags.COMPRESSED: schema.COMPRESSED,
}
_INDEX_DESCRIBED: Final = {
    IndexFlags.UNIQUE: 0x1,
    IndexFlags.PRIMARY: 0x2,
    IndexFlags.NO_NULL_SEGMENT: 0x4,
    IndexFlags.NULLS_HIGH: 0x400,
    IndexFlags.DISALLOW_TRUNCATION: 0x10000,
    IndexFlags.DOTNET_GUID: 0x40000,
}
_IGNORE_NULL: Final = 0x8
_IGNORE_ANY_NULL: Final = 0x20
_IGNORE_FIRST_NULL: Final = 0x40
_KEY_MOST: Final = 0x8000


class JetObjectInfo(NamedTuple):
    """A row of the list that JET_OBJECTLIST is: type, name, JET_bitObjectSystem for the engine's own tables."""

    objtyp: int
    objectname: str
    flags: int


class JetColumnInfo(NamedTuple):
    """A row of the list that JET_COLUMNLIST is: name and definition."""

    columnname: str
    columndef: JetColumnDef


_NO_OBJECTS: Final[tuple[JetObjectInfo, ...]] = ()
_NO_INDEXES: Final[tuple[JetIndexCreate, ...]] = ()


@returns_pair(_NO_OBJECTS)
def JetGetObjectInfo(
    sesid: int, dbid: int, objtyp: int = 0, szContainerName: str | None = None, szObjectName: str | None = None
) -> tuple[int, tuple[JetObjectInfo, ...]]:
    """Return (error, the tables of a database in the order they were made, or the one that is named); -1305."""
    del szContainerName
    home = database(sesid, dbid).database
    if objtyp not in (0, JET_objtypTable):
        raise EseError.from_code(Err.InvalidParameter, f"objects of type {objtyp!r}")
    own = frozenset(home.tables())
    found = tuple(
        JetObjectInfo(JET_objtypTable, name, 0 if name in own else JET_bitObjectSystem)
        for name in home.tables(system=True)
    )
    wanted = wide(szObjectName)
    if wanted is None:
        return 0, found
    one = tuple(each for each in found if each.objectname.casefold() == wanted.casefold())
    if not one:
        raise EseError.from_code(Err.ObjectNotFound, f"{wanted!r} in {home.name}")
    return 0, one


@overload
def JetGetTableColumnInfo(sesid: int, tableid: int, column: str | int) -> tuple[int, JetColumnDef]: ...


@overload
def JetGetTableColumnInfo(sesid: int, tableid: int, column: None = None) -> tuple[int, tuple[JetColumnInfo, ...]]: ...


def JetGetTableColumnInfo(
    sesid: int, tableid: int, column: str | int | None = None
) -> tuple[int, JetColumnDef | tuple[JetColumnInfo, ...]]:
    """Describe a column, given by name or number, or without one all of them.

    Returns (error, definition or list); -1507, -1517.
    """
    try:
        return 0, _described(table(sesid, tableid).table, column)
    except EseError as error:
        return error.code, () if column is None else JetColumnDef(0, 0)


@overload
def JetGetColumnInfo(sesid: int, dbid: int, szTableName: str, column: str | int) -> tuple[int, JetColumnDef]: ...


@overload
def JetGetColumnInfo(
    sesid: int, dbid: int, szTableName: str, column: None = None
) -> tuple[int, tuple[JetColumnInfo, ...]]: ...


def JetGetColumnInfo(
    sesid: int, dbid: int, szTableName: str, column: str | int | None = None
) -> tuple[int, JetColumnDef | tuple[JetColumnInfo, ...]]:
    """JetGetTableColumnInfo for a table that is named; -1305."""
    try:
        return 0, _described(database(sesid, dbid).database.table(wide(szTableName) or ""), column)
    except EseError as error:
        return error.code, () if column is None else JetColumnDef(0, 0)


def _described(home: Table, column: str | int | None) -> JetColumnDef | tuple[JetColumnInfo, ...]:
    columns = home.columns.values()
    if column is None:
        return tuple(JetColumnInfo(each.name, _definition(each)) for each in columns)
    if isinstance(column, int):
        found = next((each for each in columns if each.id == column), None)
    else:
        named = (wide(column) or "").casefold()
        found = next((each for each in columns if each.name.casefold() == named), None)
    if found is None:
        raise EseError.from_code(Err.ColumnNotFound, f"{column!r} in {home.name}")
    return _definition(found)


def _definition(column: ColumnDef) -> JetColumnDef:
    grbit = sum(bit for flag, bit in _DESCRIBED.items() if column.flags & flag)
    if column.storage is Storage.FIXED:
        grbit |= schema.FIXED
    elif column.storage is Storage.TAGGED:
        grbit |= schema.TAGGED
    if not column.flags & _SET_BY_ENGINE:
        grbit |= schema.UPDATABLE
    return JetColumnDef(column.id, int(column.type), column.code_page, column.size, grbit)


@returns_pair(_NO_INDEXES)
def JetGetTableIndexInfo(
    sesid: int, tableid: int, szIndexName: str | None = None
) -> tuple[int, tuple[JetIndexCreate, ...]]:
    """Return (error, all indexes of a table as JetCreateIndex2 would make them, or the one that is named); -1404."""
    return 0, _indexes(table(sesid, tableid).table, szIndexName)


@returns_pair(_NO_INDEXES)
def JetGetIndexInfo(
    sesid: int, dbid: int, szTableName: str, szIndexName: str | None = None
) -> tuple[int, tuple[JetIndexCreate, ...]]:
    """JetGetTableIndexInfo for a table that is named; -1305."""
    return 0, _indexes(database(sesid, dbid).database.table(wide(szTableName) or ""), szIndexName)


def _indexes(home: Table, name: str | None) -> tuple[JetIndexCreate, ...]:
    indexes = tuple(home.indexes.values())
    wanted = wide(name)
    if wanted is not None:
        indexes = tuple(each for each in indexes if each.name.casefold() == wanted.casefold())
        if not indexes:
            raise EseError.from_code(Err.IndexNotFound, f"{wanted!r} in {home.name}")
    return tuple(map(_index, indexes))


def _index(index: IndexDef) -> JetIndexCreate:
    flags = index.flags
    grbit = sum(bit for flag, bit in _INDEX_DESCRIBED.items() if flags & flag)
    if not flags & (IndexFlags.NO_NULL_SEGMENT | IndexFlags.ALLOW_ALL_NULLS):
        if flags & IndexFlags.ALLOW_FIRST_NULL:
            grbit |= _IGNORE_NULL
        else:
            grbit |= _IGNORE_FIRST_NULL if flags & IndexFlags.ALLOW_SOME_NULLS else _IGNORE_ANY_NULL
    if index.key_most != DEFAULT_KEY_MOST:
        grbit |= _KEY_MOST
    key = "".join(f"{'-' if each.descending else '+'}{each.name}\0" for each in index.columns) + "\0"
    conditions = tuple(JetConditionalColumn(each.name, 1 if each.must_be_null else 2) for each in index.conditions)
    return JetIndexCreate(
        index.name,
        key,
        grbit,
        index.density,
        index.segment_most or 0,
        conditions,
        index.key_most if grbit & _KEY_MOST else 0,
    )
