r"""Columns and indexes: defined, added, deleted.

An index key is written as in the C interface: `"+Name\0-Changed\0\0"`.
Source: jet-api reference 3.3, 3.4, 4.1.
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine.build.schema import Column, Index
from engine.errors import Err, EseError, Wrn
from engine.format.column import ASCII, MOST_SHORT_BYTES, TYPE_SIZES, ColumnType, Storage
from engine.format.value import decode_value
from engine.jet.handles import wide
from engine.jet.opened import allowed, as_one, returns_error, returns_pair, table

FIXED: Final = 0x1
TAGGED: Final = 0x2
NOT_NULL: Final = 0x4
VERSION: Final = 0x8
AUTO_INCREMENT: Final = 0x10
UPDATABLE: Final = 0x20
MULTI_VALUED: Final = 0x400
ESCROW: Final = 0x800
VARIABLE: Final = 0x40000
COMPRESSED: Final = 0x80000
_COLUMN_BITS: Final = (
    FIXED | TAGGED | NOT_NULL | VERSION | AUTO_INCREMENT | MULTI_VALUED | ESCROW | VARIABLE | COMPRESSED
)
_COLUMN_HINTS: Final = UPDATABLE | 0x1000 | 0x2000
"""What is told of a column, unversioned, and that it may be null: all without effect."""

INDEX_FIELDS: Final = {
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
_KEY_MOST: Final = 0x8000
_INDEX_HINTS: Final = 0x80 | 0x200
"""Lazy flush and unversioned: how an index is made, not what it is."""
_STORAGES: Final = {FIXED: Storage.FIXED, VARIABLE: Storage.VARIABLE, TAGGED: Storage.TAGGED}
_MUST_BE_NULL: Final = 0x1
_MUST_BE_THERE: Final = 0x2


class JetColumnDef(NamedTuple):
    """JET_COLUMNDEF: number (0 in a definition), type, code page (0: 1252), longest value in bytes, and bits."""

    columnid: int
    coltyp: int
    cp: int = 0
    cbMax: int = 0
    grbit: int = 0


class JetColumnCreate(NamedTuple):
    """JET_COLUMNCREATE: name, type, longest value in bytes, bits, default, code page (0: 1252)."""

    szColumnName: str
    coltyp: int
    cbMax: int = 0
    grbit: int = 0
    pvDefault: bytes | None = None
    cp: int = 0


class JetConditionalColumn(NamedTuple):
    """JET_CONDITIONALCOLUMN: only rows have an entry in which this column is null (bit 1), or is not (bit 2)."""

    szColumnName: str
    grbit: int


class JetIndexCreate(NamedTuple):
    """JET_INDEXCREATE: name, key, bits, density in percent (0: the engine's choice), longest variable segment (0: any).

    `cbKeyMost` is the longest key, for which bit 0x8000 is needed.
    """

    szIndexName: str
    szKey: str
    grbit: int = 0
    ulDensity: int = 0
    cbVarSegMac: int = 0
    rgconditionalcolumn: tuple[JetConditionalColumn, ...] = ()
    cbKeyMost: int = 0


# Columns.


@returns_pair(0)
def JetAddColumn(
    sesid: int, tableid: int, szColumnName: str, pcolumndef: JetColumnDef, pvDefault: bytes | None = None
) -> tuple[int, int]:
    """Add a column.  Returns (error, column); 1512 when the longest value was cut to 255 bytes.

    -1508, -1511, -1040, -1510, -1521, -1524, -1047 a default of a wrong size, -1063 a code page that is none of 1200
    and 1252, -1538 a short column that is to be compressed, -900.
    """
    opened = table(sesid, tableid)
    opened.changing()
    name = wide(szColumnName) or ""
    _, coltyp, code_page, longest, grbit = pcolumndef
    column, warning = column_of(JetColumnCreate(name, coltyp, longest, grbit, pvDefault, code_page))
    opened.table.add_column(column)
    return warning, opened.table.columns[column.name].id


def column_of(create: JetColumnCreate) -> tuple[Column, int]:
    """Return a column as the table takes it, and a warning; errors of JetAddColumn."""
    options = allowed(create.grbit, _COLUMN_BITS | _COLUMN_HINTS)
    kind, code_page = _type_of(create.coltyp), create.cp or ASCII
    places = [storage for bit, storage in _STORAGES.items() if options & bit]
    if len(places) > 1:
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    name = wide(create.szColumnName) or ""
    cut = not kind.is_long and create.cbMax > MOST_SHORT_BYTES and kind not in TYPE_SIZES
    default = bytes(create.pvDefault or b"")
    if default and len(default) != TYPE_SIZES.get(kind, len(default)):
        raise EseError.from_code(Err.InvalidBufferSize, f"a default of {len(default)} bytes for {name}")
    column = Column(
        name,
        kind,
        size=MOST_SHORT_BYTES if cut else 0 if kind in TYPE_SIZES else create.cbMax,
        code_page=code_page,
        storage=places[0] if places else None,
        default=decode_value(default, kind, code_page) if default else None,
        not_null=bool(options & NOT_NULL),
        auto_increment=bool(options & AUTO_INCREMENT),
        multi_valued=bool(options & MULTI_VALUED),
        version=bool(options & VERSION),
        escrow=bool(options & ESCROW),
        compressed=bool(options & COMPRESSED),
    )
    return column, Wrn.ColumnMaxTruncated if cut else 0


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


# Indexes.


@returns_error
def JetCreateIndex(
    sesid: int, tableid: int, szIndexName: str, grbit: int, szKey: str, cbKey: int = 0, lDensity: int = 0
) -> int:
    """Add an index; -1403, -1402, -1605, -1406, -1507, -900."""
    del cbKey
    opened = table(sesid, tableid)
    opened.changing()
    opened.table.create_index(index_of(JetIndexCreate(szIndexName, szKey, grbit, lDensity)))
    return 0


@returns_error
def JetCreateIndex2(sesid: int, tableid: int, pindexcreate: tuple[JetIndexCreate, ...]) -> int:
    """Add indexes, all of them or none; errors of JetCreateIndex."""
    opened = table(sesid, tableid)
    opened.changing()
    with as_one(sesid):
        for each in pindexcreate:
            opened.table.create_index(index_of(each))
    return 0


def index_of(create: JetIndexCreate) -> Index:
    """Return an index as the table takes it; -1406 for a key that is none, -900."""
    options = allowed(create.grbit, sum(INDEX_FIELDS) | _KEY_MOST | _INDEX_HINTS)
    key = wide(create.szKey) or ""
    columns = tuple(part for part in key.split("\0") if part)
    if key[:1] not in ("+", "-"):
        raise EseError.from_code(Err.IndexInvalidDef, f"{key!r} does not begin with + or -")
    fields: dict[str, Any] = {name: True for bit, name in INDEX_FIELDS.items() if options & bit}
    if create.ulDensity:
        fields["density"] = create.ulDensity
    if options & _KEY_MOST:
        fields["key_most"] = create.cbKeyMost
    if create.cbVarSegMac:
        fields["segment_most"] = create.cbVarSegMac
    for column, grbit in create.rgconditionalcolumn:
        if grbit not in (_MUST_BE_NULL, _MUST_BE_THERE):
            raise EseError.from_code(Err.InvalidGrbit, f"condition {grbit:#x} of {column}")
        rule = "if_null" if grbit == _MUST_BE_NULL else "if_present"
        fields[rule] = (*fields.get(rule, ()), wide(column) or "")
    return Index(wide(create.szIndexName) or "", columns, **fields)


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
