"""What the catalog of a new database says of the system tables, and the rows of the small ones.

    page  4..23   MSysObjects; 7..9 its index Name, 10..12 its index RootObjects
         24..28   MSysObjectsShadow
         29       MSysObjids          one row a tree
         30       MSysLocales         versions of the schema

Source: database reference 5.1, 5.2, 5.7, 5.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.build.catalog_rows import column_row, index_row, table_row
from engine.build.index_keys import KeyMaker
from engine.build.rows import RowEncoder
from engine.build.schema import Column, Index, IndexDef, define_columns, define_index
from engine.errors import Err, EseError
from engine.format.catalog_row import (
    CATALOG_CODE_PAGE,
    CATALOG_COLUMNS,
    KEY_SEGMENTS,
    LAST_SET_TIME,
    LCMAP_FLAGS,
    LOCALE,
    LOCALE_NAME,
    CatalogRow,
    CatalogType,
    IndexFlags,
    IndexSegment,
    SegmentFlags,
    TableFlags,
    pack_segments,
)
from engine.format.column import ColumnType, Storage
from engine.format.key import DEFAULT_KEY_MOST
from engine.format.levels import KEY_VALUE_STORE_2_LEVEL, LAST_SET_TIME_LEVEL
from engine.format.record import record_limit
from engine.format.system_trees import CATALOG, LOCALES, NAME_INDEX, OBJIDS, ROOT_OBJECTS_INDEX, SHADOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.build.rows import Row

CATALOG_DENSITY: Final = 80

_COLUMN_ORDER: Final = (
    *(1, 2, 3, 128, 4, 5, 6, 7, 129, 8, 130, 9, 131, 132, 133, 134, 10, 11, 135, 136, 137),
    *(256, 257, 258, 259, 260, 261, 12, 13),
)  # fmt: skip
"""Columns of the catalog, by number, in the order in which the engine declares and enters them."""
_ALL_SELF_OFFSETS: Final = 4
"""RecordOffset of every fixed column that the catalog lists for itself."""

_OBJIDS_COLUMNS: Final = (
    Column("objid", ColumnType.LONG, storage=Storage.TAGGED),
    Column("objidTable", ColumnType.LONG, storage=Storage.TAGGED),
    Column("type", ColumnType.SHORT, storage=Storage.TAGGED),
)
_OBJIDS_DENSITY: Final = 100
_LOCALES_COLUMNS: Final = (
    Column("Type", ColumnType.UNSIGNED_BYTE, not_null=True),
    Column("iValue", ColumnType.LONG, escrow=True, default=0),
    Column("i64Value", ColumnType.CURRENCY),
    Column("Key", ColumnType.BINARY),
    Column("rgbValue", ColumnType.LONG_BINARY),
)
_LOCALES_V2_ONLY: Final = ("i64Value", "rgbValue")
_LOCALES_DENSITY: Final = 92
_SCHEMA_VERSION: Final = 1
_COUNTER: Final = 2


def own_rows(update_major: int) -> Iterator[CatalogRow]:
    """Yield the rows by which the catalog describes itself and its shadow, in the order the engine enters them."""
    flags = TableFlags.SYSTEM | TableFlags.FIXED_DDL
    tables = (
        (CATALOG.objid, "MSysObjects", CATALOG.root, CATALOG.pages),
        (SHADOW.objid, "MSysObjectsShadow", SHADOW.root, SHADOW.pages),
    )
    columns = sorted(CATALOG_COLUMNS, key=lambda column: _COLUMN_ORDER.index(column.id))
    for objid, name, root, pages in tables:
        yield table_row(objid, name, root, CATALOG_DENSITY, pages, flags)
        for column in columns:
            if column.id == LAST_SET_TIME and update_major < LAST_SET_TIME_LEVEL:
                continue
            yield CatalogRow(
                objid,
                CatalogType.COLUMN,
                column.id,
                column.type,
                column.size,
                column.flags,
                CATALOG_CODE_PAGE,
                column.name,
                record_offset=_ALL_SELF_OFFSETS if column.storage is Storage.FIXED else None,
            )
    key = [1, 2, 3]
    for objid, _, root, _ in tables:
        yield _catalog_index(objid, objid, "Id", root, key, primary=True)
    yield _catalog_index(CATALOG.objid, NAME_INDEX.objid, "Name", NAME_INDEX.root, [1, 2, 128])
    yield _catalog_index(CATALOG.objid, ROOT_OBJECTS_INDEX.objid, "RootObjects", ROOT_OBJECTS_INDEX.root, [8, 128])


def _catalog_index(
    objid_table: int,
    objid: int,
    name: str,
    root: int,
    columns: Sequence[int],
    *,
    primary: bool = False,
) -> CatalogRow:
    flags = IndexFlags.EXTENDED_COLUMNS | IndexFlags.UNIQUE
    if primary:
        flags |= IndexFlags.PRIMARY
    flags |= IndexFlags.NO_NULL_SEGMENT if name != "RootObjects" else IndexFlags.ALLOW_SOME_NULLS
    segments = tuple(IndexSegment(SegmentFlags.NONE, column) for column in columns)
    return CatalogRow(
        objid_table,
        CatalogType.INDEX,
        objid,
        root,
        CATALOG_DENSITY,
        flags,
        0,
        name,
        lcmap_flags=LCMAP_FLAGS,
        more={KEY_SEGMENTS: pack_segments(segments), LOCALE: LOCALE_NAME.encode("utf-16-le")},
    )


@dataclass(frozen=True, slots=True)
class SmallTable:
    """A system table of one page with a primary index only; `catalog` are its rows in the catalog."""

    objid: int
    root: int
    density: int
    columns: Sequence[Column]
    primary: IndexDef
    catalog: list[CatalogRow]

    @classmethod
    def define(
        cls, objid: int, name: str, root: int, flags: int, index: Index, columns: Sequence[Column], page_size: int
    ) -> SmallTable:
        """Define it."""
        defined = define_columns(columns)
        primary = define_index(index, defined, primary=True, page_size=page_size)
        rows = [table_row(objid, name, root, index.density, 0, flags)]
        rows += [column_row(objid, column) for column in defined]
        rows.append(index_row(objid, objid, primary, root))
        return cls(objid, root, index.density, columns, primary, rows)

    def entries(self, rows: Iterable[Row], page_size: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield rows as (key, record)."""
        defined = define_columns(self.columns)
        encoder = RowEncoder(
            defined,
            [each.default for each in self.columns],
            page_size,
            record_limit(page_size, DEFAULT_KEY_MOST),
            _never_separate,
            wanted=frozenset(self.primary.positions),
        )
        keys = KeyMaker(self.primary.resolved(defined), defined)
        for row in rows:
            record = encoder.encode(row)
            yield keys.primary_key(encoder.raw), record


def objids_table(page_size: int) -> SmallTable:
    """Return MSysObjids."""
    flags = TableFlags.SYSTEM | TableFlags.FIXED_DDL | TableFlags.DYNAMIC_SYSTEM
    index = Index("primary", ("objid",), density=_OBJIDS_DENSITY)
    return SmallTable.define(OBJIDS.objid, "MSysObjids", OBJIDS.root, flags, index, _OBJIDS_COLUMNS, page_size)


def locales_table(page_size: int, update_major: int) -> SmallTable:
    """Return MSysLocales."""
    flags = TableFlags.SYSTEM | TableFlags.DYNAMIC_SYSTEM
    index = Index("KeyPrimary", ("Key",), density=_LOCALES_DENSITY, disallow_truncation=True)
    columns = [
        column
        for column in _LOCALES_COLUMNS
        if update_major >= KEY_VALUE_STORE_2_LEVEL or column.name not in _LOCALES_V2_ONLY
    ]
    return SmallTable.define(LOCALES.objid, "MSysLocales", LOCALES.root, flags, index, columns, page_size)


def objids_rows(catalog: Iterable[CatalogRow]) -> list[Row]:
    """Return the rows of MSysObjids, one for each tree: objid, objid of its table, kind."""
    kinds = (CatalogType.TABLE, CatalogType.INDEX, CatalogType.LONG_VALUE)
    trees = [
        (row.id, row.objid_table, int(row.type))
        for row in catalog
        # The primary index is the table's own tree.
        if row.type in kinds and not (row.type == CatalogType.INDEX and row.id == row.objid_table)
    ]
    return [*sorted(trees)]


def locales_rows(update_major: int) -> list[Row]:
    """Return the rows of MSysLocales: the versions of the schema."""
    internal_update = 2 if update_major >= KEY_VALUE_STORE_2_LEVEL else 0
    values = {
        r".Schema\External\Major": (_SCHEMA_VERSION, 1),
        r".Schema\External\Minor": (_SCHEMA_VERSION, 0),
        r".Schema\External\Update": (_SCHEMA_VERSION, 0),
        r".Schema\Internal\Major": (_SCHEMA_VERSION, 1),
        r".Schema\Internal\Minor": (_SCHEMA_VERSION, 0),
        r".Schema\Internal\Update": (_SCHEMA_VERSION, internal_update),
        "MSysLocalesConsistent": (_COUNTER, 1),
    }
    return [
        {"Type": kind, "iValue": value, "Key": (name + "\0").encode("utf-16-le")}
        for name, (kind, value) in sorted(values.items())
    ]


def _never_separate(value: bytes) -> bytes:
    raise EseError.from_code(Err.InternalError, f"a system row with a value of {len(value)} bytes")
