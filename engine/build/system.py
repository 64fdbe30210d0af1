"""The system tables of a new database, at the places where the engine looks for them.

    page  1..3    system root, its OE and AE
          4..23   MSysObjects; 7..9 its index Name, 10..12 its index RootObjects, leaves from 13 on
          24..28  MSysObjectsShadow
          29      MSysObjids          one row a tree
          30      MSysLocales         versions of the schema

What does not fit there goes to runs taken like any other table's.  They are written last, when all is known.

Source: database reference 4.6, 5.1, 5.2, 5.7, 5.9, 12.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.build.allocation import PageSpace
from engine.build.catalog_rows import column_row, index_row, table_row
from engine.build.index_keys import KeyMaker
from engine.build.rows import RowEncoder
from engine.build.schema import Column, Index, IndexDef, define_columns, define_index
from engine.build.space_trees import write_tree_root
from engine.build.tree import TreeBuilder, TreeKind
from engine.errors import Err, EseError
from engine.format.catalog_row import (
    CATALOG_COLUMNS,
    FDP_CATALOG,
    FDP_NAME_INDEX,
    FDP_ROOT_OBJECTS_INDEX,
    FDP_SHADOW,
    FDP_SYSTEM_ROOT,
    KEY_SEGMENTS,
    LAST_SET_TIME,
    LCMAP_FLAGS,
    LOCALE,
    LOCALE_NAME,
    OBJID_CATALOG,
    OBJID_NAME_INDEX,
    OBJID_ROOT_OBJECTS_INDEX,
    OBJID_SHADOW,
    OBJID_SYSTEM_ROOT,
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
from engine.format.record import record_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.build.rows import Row
    from engine.build.table import BuildContext

OBJID_OBJIDS: Final = 6
OBJID_LOCALES: Final = 7
OBJID_LAST_SYSTEM: Final = OBJID_LOCALES
FDP_OBJIDS: Final = 29
FDP_LOCALES: Final = 30
FIRST_USER_PAGE: Final = 31

_DENSITY: Final = 80
_CATALOG_CODE_PAGE: Final = 1252
_ALL_SELF_OFFSETS: Final = 4
"""RecordOffset of every fixed column that the catalog lists for itself."""
_KEY_VALUE_STORE_V2: Final = 250
_LAST_SET_TIME_LEVEL: Final = 230
_MOST_SYSTEM_PAGES: Final = (4, 20, 5)

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


class SystemTables:
    """Writes the catalog and its companions.  `rows` are the catalog rows of the user's tables, in any order."""

    def __init__(self, context: BuildContext, update_major: int) -> None:
        self._context = context
        self._update_major = update_major
        self._catalog: list[CatalogRow] = []

    def write(self, rows: Sequence[CatalogRow]) -> None:
        """Write every system table but the root, which comes last (`write_system_root`)."""
        self._catalog = [*self._own_rows(), *rows]
        objids, locales = self._objids_definition(), self._locales_definition()
        self._catalog += [*objids[2], *locales[2]]
        self._catalog.sort(key=lambda row: (row.objid_table, row.type, row.id))
        self._write_small(OBJID_OBJIDS, FDP_OBJIDS, _OBJIDS_DENSITY, objids, self._objids_rows())
        self._write_small(OBJID_LOCALES, FDP_LOCALES, _LOCALES_DENSITY, locales, self._locales_rows())
        self._write_catalog()

    def _own_rows(self) -> Iterable[CatalogRow]:
        """Rows by which the catalog describes itself and its shadow."""
        flags = TableFlags.SYSTEM | TableFlags.FIXED_DDL
        key = [1, 2, 3]
        for objid, name, root, pages in (
            (OBJID_CATALOG, "MSysObjects", FDP_CATALOG, _MOST_SYSTEM_PAGES[1]),
            (OBJID_SHADOW, "MSysObjectsShadow", FDP_SHADOW, _MOST_SYSTEM_PAGES[2]),
        ):
            yield table_row(objid, name, root, _DENSITY, pages, flags)
            for column in CATALOG_COLUMNS:
                if column.id == LAST_SET_TIME and self._update_major < _LAST_SET_TIME_LEVEL:
                    continue
                yield CatalogRow(
                    objid,
                    CatalogType.COLUMN,
                    column.id,
                    column.type,
                    column.size,
                    column.flags,
                    _CATALOG_CODE_PAGE,
                    column.name,
                    record_offset=_ALL_SELF_OFFSETS if column.storage is Storage.FIXED else None,
                )
            yield _catalog_index(objid, objid, "Id", root, key, primary=True)
        yield _catalog_index(OBJID_CATALOG, OBJID_NAME_INDEX, "Name", FDP_NAME_INDEX, [1, 2, 128])
        yield _catalog_index(OBJID_CATALOG, OBJID_ROOT_OBJECTS_INDEX, "RootObjects", FDP_ROOT_OBJECTS_INDEX, [8, 128])

    def _objids_definition(self) -> tuple[Sequence[Column], IndexDef, list[CatalogRow]]:
        flags = TableFlags.SYSTEM | TableFlags.FIXED_DDL | TableFlags.DYNAMIC_SYSTEM
        index = Index("primary", ("objid",), density=_OBJIDS_DENSITY)
        return self._definition(OBJID_OBJIDS, "MSysObjids", FDP_OBJIDS, flags, index, _OBJIDS_COLUMNS)

    def _locales_definition(self) -> tuple[Sequence[Column], IndexDef, list[CatalogRow]]:
        flags = TableFlags.SYSTEM | TableFlags.DYNAMIC_SYSTEM
        index = Index("KeyPrimary", ("Key",), density=_LOCALES_DENSITY, disallow_truncation=True)
        columns = [
            column
            for column in _LOCALES_COLUMNS
            if self._update_major >= _KEY_VALUE_STORE_V2 or column.name not in _LOCALES_V2_ONLY
        ]
        return self._definition(OBJID_LOCALES, "MSysLocales", FDP_LOCALES, flags, index, columns)

    def _definition(
        self,
        objid: int,
        name: str,
        root: int,
        flags: int,
        index: Index,
        columns: Sequence[Column],
    ) -> tuple[Sequence[Column], IndexDef, list[CatalogRow]]:
        """Return (columns, primary index, catalog rows) of a table with a primary index only."""
        defined = define_columns(columns)
        primary = define_index(index, defined, primary=True, page_size=self._context.page_size)
        rows = [table_row(objid, name, root, index.density, 0, flags)]
        rows += [column_row(objid, column) for column in defined]
        rows.append(index_row(objid, objid, primary, root))
        return columns, primary, rows

    def _objids_rows(self) -> list[Row]:
        """One row for each tree: objid, objid of its table, kind."""
        kinds = (CatalogType.TABLE, CatalogType.INDEX, CatalogType.LONG_VALUE)
        trees = [
            (row.id, row.objid_table, int(row.type))
            for row in self._catalog
            # The primary index is the table's own tree.
            if row.type in kinds and not (row.type == CatalogType.INDEX and row.id == row.objid_table)
        ]
        return [*sorted(trees)]

    def _locales_rows(self) -> list[Row]:
        internal_update = 2 if self._update_major >= _KEY_VALUE_STORE_V2 else 0
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

    def _write_small(
        self,
        objid: int,
        root: int,
        density: int,
        definition: tuple[Sequence[Column], IndexDef, list[CatalogRow]],
        rows: Iterable[Row],
    ) -> None:
        context = self._context
        columns, primary, _ = definition
        defined = define_columns(columns)
        limit = record_limit(context.page_size, DEFAULT_KEY_MOST)
        encoder = RowEncoder(
            defined,
            [each.default for each in columns],
            context.page_size,
            limit,
            _never_separate,
            wanted=frozenset(primary.positions),
        )
        space = PageSpace(context.space)
        space.own(root, 1)
        tree = TreeBuilder(context.sink, space, root, objid, TreeKind.TABLE, density=density)
        keys = KeyMaker(primary.resolved(defined), defined)
        for row in rows:
            record = encoder.encode(row)
            tree.add(keys.primary_key(encoder.raw), record)
        tree.finish()
        write_tree_root(context.sink, tree, FDP_SYSTEM_ROOT)

    def _write_catalog(self) -> None:
        context = self._context
        sink, page_size = context.sink, context.page_size
        space = PageSpace(context.space, step=16)
        space.own(FDP_CATALOG, 9)
        space.own(13, 11, free=True)
        space.pgno_oe = FDP_CATALOG + 1
        tree = TreeBuilder(sink, space, FDP_CATALOG, OBJID_CATALOG, TreeKind.TABLE, density=_DENSITY)
        shadow_space = PageSpace(context.space, step=5)
        shadow_space.own(FDP_SHADOW, 3)
        shadow_space.own(FDP_SHADOW + 3, 2, free=True)
        shadow_space.pgno_oe = FDP_SHADOW + 1
        shadow = TreeBuilder(sink, shadow_space, FDP_SHADOW, OBJID_SHADOW, TreeKind.TABLE, density=_DENSITY)
        for row in self._catalog:
            record = row.pack(page_size)
            tree.add(row.key, record)
            shadow.add(row.key, record)
        tree.finish()
        shadow.finish()
        by_name = sorted((row.name_key, row.key) for row in self._catalog)
        roots = sorted((row.root_key, row.key) for row in self._catalog if row.root_key)
        for objid, root, entries in (
            (OBJID_NAME_INDEX, FDP_NAME_INDEX, by_name),
            (OBJID_ROOT_OBJECTS_INDEX, FDP_ROOT_OBJECTS_INDEX, roots),
        ):
            index_space = PageSpace(space)
            index_space.own(root, 3)
            index_space.pgno_oe = root + 1
            index = TreeBuilder(sink, index_space, root, objid, TreeKind.UNIQUE_INDEX, density=_DENSITY)
            for key, bookmark in entries:
                index.add(key, bookmark)
            index.finish()
            write_tree_root(sink, index, FDP_CATALOG)
        write_tree_root(sink, tree, FDP_SYSTEM_ROOT)
        write_tree_root(sink, shadow, FDP_SYSTEM_ROOT)


def write_system_root(context: BuildContext, pages: int) -> None:
    """Write pages 1 to 3 for a database of `pages` pages; everything else must be settled."""
    space = context.space
    tail = pages + 1 - space.next_page
    if tail < 0:
        raise EseError.from_code(Err.InternalError, f"{space.next_page - 1} pages in a file of {pages}")
    if tail:
        space.extend(tail)
    space.own(FDP_SYSTEM_ROOT, pages)
    space.pgno_oe = FDP_SYSTEM_ROOT + 1
    root = TreeBuilder(context.sink, space, FDP_SYSTEM_ROOT, OBJID_SYSTEM_ROOT, TreeKind.TABLE)
    root.finish()
    write_tree_root(context.sink, root, 0)


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
        _DENSITY,
        flags,
        0,
        name,
        lcmap_flags=LCMAP_FLAGS,
        more={KEY_SEGMENTS: pack_segments(segments), LOCALE: LOCALE_NAME.encode("utf-16-le")},
    )


def _never_separate(value: bytes) -> bytes:
    raise EseError.from_code(Err.InternalError, f"a system row with a value of {len(value)} bytes")
