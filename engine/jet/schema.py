r"""Tables, columns and indexes: made, opened, deleted, described.

An index key is written as in the C interface: `"+Name\0-Changed\0\0"`.
Source: jet-api reference 3.3, 4.1.
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import Final, NamedTuple

from engine.build.schema import Column, Index
from engine.errors import Err, EseError
from engine.format.column import UNICODE, ColumnDef, ColumnFlags, ColumnType, Storage
from engine.format.value import decode_value
from engine.jet.handles import HANDLES, wide
from engine.jet.opened import OpenTable, allowed, database, returns_error, returns_pair, table

_READ_ONLY: Final = 0x4
_OPEN_HINTS: Final = 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x8000 | 0x1F0000
"""Updatable, schema changes and hints for the cache: always so here, or of no effect on what is read."""

_FIXED: Final = 0x1
_TAGGED: Final = 0x2
_NOT_NULL: Final = 0x4
_VERSION: Final = 0x8
_AUTO_INCREMENT: Final = 0x10
_UPDATABLE: Final = 0x20
_MULTI_VALUED: Final = 0x400
_ESCROW: Final = 0x800
_VARIABLE: Final = 0x40000
_COMPRESSED: Final = 0x80000
_COLUMN_BITS: Final = (
    _FIXED | _TAGGED | _NOT_NULL | _VERSION | _AUTO_INCREMENT | _MULTI_VALUED | _ESCROW | _VARIABLE | _COMPRESSED
)

_INDEX_FIELDS: Final = {
    0x1: "unique",
    0x2: "primary",
    0x4: "disallow_null",
    0x8: "ignore_null",
    0x20: "ignore_any_null",
    0x40: "ignore_first_null",
    0x400: "nulls_high",
    0x10000: "disallow_truncation",
    0x40000: "dotnet_guid",
}
_INDEX_HINTS: Final = 0x80 | 0x200
"""Lazy flush and unversioned: how an index is made, not what it is."""
_STORAGES: Final = {_FIXED: Storage.FIXED, _VARIABLE: Storage.VARIABLE, _TAGGED: Storage.TAGGED}


class JetColumnDef(NamedTuple):
    """JET_COLUMNDEF: number (0 in a definition), type, code page, longest value in bytes, and bits."""

    columnid: int
    coltyp: int
    cp: int = 0
    cbMax: int = 0
    grbit: int = 0


# Tables.


@returns_pair(0)
def JetCreateTable(sesid: int, dbid: int, szTableName: str, lPages: int = 0, lDensity: int = 0) -> tuple[int, int]:
    """Make a table without columns and open it; the space it begins with is the engine's choice.

    Returns (error, table).
    """
    del lPages
    opened = database(sesid, dbid)
    opened.changing()
    home = opened.database
    name = wide(szTableName) or ""
    made = home.create_table(name, (), density=lDensity) if lDensity else home.create_table(name, ())
    return 0, HANDLES.add_opened(sesid, OpenTable(made, made.cursor()))


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
    """Open a table; the cursor is at its first row.  Returns (error, table); -1305."""
    del pvParameters, cbParameters
    options = allowed(grbit, _READ_ONLY | _OPEN_HINTS)
    home = database(sesid, dbid)
    found = home.database.table(wide(szTableName) or "")
    opened = OpenTable(found, found.cursor(), read_only=home.read_only or bool(options & _READ_ONLY))
    opened.cursor.first()
    return 0, HANDLES.add_opened(sesid, opened)


@returns_error
def JetCloseTable(sesid: int, tableid: int) -> int:
    """Let go of a table; what was prepared is dropped."""
    table(sesid, tableid).table.close()
    HANDLES.forget_opened(tableid)
    return 0


# Columns.


@returns_pair(0)
def JetAddColumn(
    sesid: int, tableid: int, szColumnName: str, pcolumndef: JetColumnDef, pvDefault: bytes | None = None
) -> tuple[int, int]:
    """Add a column.  Returns (error, column); -1508, -1511, -1040, -1510, -1521, -1524."""
    opened = table(sesid, tableid)
    opened.changing()
    options = allowed(pcolumndef.grbit, _COLUMN_BITS)
    kind, code_page = _type_of(pcolumndef.coltyp), pcolumndef.cp or UNICODE
    places = [storage for bit, storage in _STORAGES.items() if options & bit]
    if len(places) > 1:
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    name = wide(szColumnName) or ""
    opened.table.add_column(
        Column(
            name,
            kind,
            size=pcolumndef.cbMax,
            code_page=code_page,
            storage=places[0] if places else None,
            default=None if pvDefault is None else decode_value(pvDefault, kind, code_page),
            not_null=bool(options & _NOT_NULL),
            auto_increment=bool(options & _AUTO_INCREMENT),
            multi_valued=bool(options & _MULTI_VALUED),
            version=bool(options & _VERSION),
            escrow=bool(options & _ESCROW),
            compressed=bool(options & _COMPRESSED),
        )
    )
    return 0, opened.table.columns[name].id


def _type_of(coltyp: int) -> ColumnType:
    try:
        return ColumnType(coltyp)
    except ValueError:
        raise EseError.from_code(Err.InvalidColumnType, f"column type {coltyp}") from None


@returns_error
def JetDeleteColumn(sesid: int, tableid: int, szColumnName: str) -> int:
    """Delete a column; -1507, -1046."""
    opened = table(sesid, tableid)
    opened.changing()
    opened.table.delete_column(wide(szColumnName) or "")
    return 0


@returns_pair(JetColumnDef(0, 0))
def JetGetTableColumnInfo(sesid: int, tableid: int, column: str | int) -> tuple[int, JetColumnDef]:
    """Describe a column, given by name or number.  Returns (error, definition); -1507, -1517."""
    opened = table(sesid, tableid)
    if isinstance(column, int):
        found = opened.column(column)
    else:
        named = (wide(column) or "").casefold()
        columns = opened.table.columns.values()
        match = next((each for each in columns if each.name.casefold() == named), None)
        if match is None:
            raise EseError.from_code(Err.ColumnNotFound, f"{column!r} in {opened.table.name}")
        found = match
    return 0, _described(found)


_DESCRIBED: Final = {
    ColumnFlags.NOT_NULL: _NOT_NULL,
    ColumnFlags.VERSION: _VERSION,
    ColumnFlags.AUTO_INCREMENT: _AUTO_INCREMENT,
    ColumnFlags.MULTI_VALUED: _MULTI_VALUED,
    ColumnFlags.ESCROW_UPDATE: _ESCROW,
    ColumnFlags.COMPRESSED: _COMPRESSED,
}
_SET_BY_ENGINE: Final = ColumnFlags.VERSION | ColumnFlags.AUTO_INCREMENT


def _described(column: ColumnDef) -> JetColumnDef:
    grbit = sum(bit for flag, bit in _DESCRIBED.items() if column.flags & flag)
    if column.storage is Storage.FIXED:
        grbit |= _FIXED
    elif column.storage is Storage.TAGGED:
        grbit |= _TAGGED
    if not column.flags & _SET_BY_ENGINE:
        grbit |= _UPDATABLE
    return JetColumnDef(column.id, int(column.type), column.code_page, column.size, grbit)


# Indexes.


@returns_error
def JetCreateIndex(
    sesid: int, tableid: int, szIndexName: str, grbit: int, szKey: str, cbKey: int = 0, lDensity: int = 0
) -> int:
    """Add an index; -1403, -1402, -1605, -1406, -1507."""
    del cbKey
    opened = table(sesid, tableid)
    opened.changing()
    options = allowed(grbit, sum(_INDEX_FIELDS) | _INDEX_HINTS)
    columns = tuple(part for part in (wide(szKey) or "").split("\0") if part)
    if any(part[0] not in "+-" for part in columns):
        raise EseError.from_code(Err.IndexInvalidDef, f"{szKey!r}: a column begins with + or -")
    fields = {name: True for bit, name in _INDEX_FIELDS.items() if options & bit}
    if lDensity:
        opened.table.create_index(Index(wide(szIndexName) or "", columns, density=lDensity, **fields))  # type: ignore[arg-type]
    else:
        opened.table.create_index(Index(wide(szIndexName) or "", columns, **fields))  # type: ignore[arg-type]
    return 0


@returns_error
def JetDeleteIndex(sesid: int, tableid: int, szIndexName: str) -> int:
    """Delete an index; -1404, -1405, -1051 when it is the current one."""
    opened = table(sesid, tableid)
    opened.changing()
    name = wide(szIndexName) or ""
    current = opened.cursor.index
    if current is not None and not current.primary and current.name.casefold() == name.casefold():
        raise EseError.from_code(Err.IndexInUse, f"{name} of {opened.table.name}")
    opened.table.delete_index(name)
    return 0


@returns_error
def JetSetCurrentIndex(sesid: int, tableid: int, szIndexName: str | None) -> int:
    """Change to an index, to the primary order with None, and go to its first entry; -1404."""
    opened = table(sesid, tableid)
    opened.choose(wide(szIndexName))
    opened.cursor.first()
    return 0


@returns_pair("")
def JetGetCurrentIndex(sesid: int, tableid: int) -> tuple[int, str]:
    """Return (error, name of the current index), an empty name for rows that are kept as they come."""
    index = table(sesid, tableid).cursor.index
    return 0, "" if index is None else index.name
