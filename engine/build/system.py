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

from typing import TYPE_CHECKING

from engine.build.allocation import PageSpace
from engine.build.space_trees import write_tree_root
from engine.build.system_rows import (
    CATALOG_DENSITY,
    SmallTable,
    locales_rows,
    locales_table,
    objids_rows,
    objids_table,
    own_rows,
)
from engine.build.tree import TreeBuilder, TreeKind
from engine.errors import Err, EseError
from engine.format.system_trees import CATALOG, NAME_INDEX, ROOT_OBJECTS_INDEX, SHADOW, SYSTEM_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.build.rows import Row
    from engine.build.table import BuildContext
    from engine.format.catalog_row import CatalogRow


class SystemTables:
    """Writes the catalog and its companions.  `rows` are the catalog rows of the user's tables, in any order."""

    def __init__(self, context: BuildContext, update_major: int) -> None:
        self._context = context
        self._update_major = update_major
        self._catalog: list[CatalogRow] = []

    def write(self, rows: Sequence[CatalogRow]) -> None:
        """Write every system table but the root, which comes last (`write_system_root`)."""
        page_size = self._context.page_size
        objids, locales = objids_table(page_size), locales_table(page_size, self._update_major)
        self._catalog = [*own_rows(self._update_major), *rows, *objids.catalog, *locales.catalog]
        self._catalog.sort(key=lambda row: (row.objid_table, row.type, row.id))
        self._write_small(objids, objids_rows(self._catalog))
        self._write_small(locales, locales_rows(self._update_major))
        self._write_catalog()

    def _write_small(self, table: SmallTable, rows: Iterable[Row]) -> None:
        context = self._context
        space = PageSpace(context.space)
        space.own(table.root, 1)
        tree = TreeBuilder(context.sink, space, table.root, table.objid, TreeKind.TABLE, density=table.density)
        for key, record in table.entries(rows, context.page_size):
            tree.add(key, record)
        tree.finish()
        write_tree_root(context.sink, tree, SYSTEM_ROOT.root)

    def _write_catalog(self) -> None:
        context = self._context
        sink, page_size = context.sink, context.page_size
        space = PageSpace(context.space, step=16)
        space.own(CATALOG.root, 9)
        space.own(13, 11, free=True)
        space.pgno_oe = CATALOG.root + 1
        tree = TreeBuilder(sink, space, CATALOG.root, CATALOG.objid, TreeKind.TABLE, density=CATALOG_DENSITY)
        shadow_space = PageSpace(context.space, step=5)
        shadow_space.own(SHADOW.root, 3)
        shadow_space.own(SHADOW.root + 3, 2, free=True)
        shadow_space.pgno_oe = SHADOW.root + 1
        shadow = TreeBuilder(sink, shadow_space, SHADOW.root, SHADOW.objid, TreeKind.TABLE, density=CATALOG_DENSITY)
        for row in self._catalog:
            record = row.pack(page_size)
            tree.add(row.key, record)
            shadow.add(row.key, record)
        tree.finish()
        shadow.finish()
        by_name = sorted((row.name_key, row.key) for row in self._catalog)
        roots = sorted((row.root_key, row.key) for row in self._catalog if row.root_key)
        for objid, root, entries in (
            (NAME_INDEX.objid, NAME_INDEX.root, by_name),
            (ROOT_OBJECTS_INDEX.objid, ROOT_OBJECTS_INDEX.root, roots),
        ):
            index_space = PageSpace(space)
            index_space.own(root, 3)
            index_space.pgno_oe = root + 1
            index = TreeBuilder(sink, index_space, root, objid, TreeKind.UNIQUE_INDEX, density=CATALOG_DENSITY)
            for key, bookmark in entries:
                index.add(key, bookmark)
            index.finish()
            write_tree_root(sink, index, CATALOG.root)
        write_tree_root(sink, tree, SYSTEM_ROOT.root)
        write_tree_root(sink, shadow, SYSTEM_ROOT.root)


def write_system_root(context: BuildContext, pages: int) -> None:
    """Write pages 1 to 3 for a database of `pages` pages; everything else must be settled."""
    space = context.space
    tail = pages + 1 - space.next_page
    if tail < 0:
        raise EseError.from_code(Err.InternalError, f"{space.next_page - 1} pages in a file of {pages}")
    if tail:
        space.extend(tail)
    space.own(SYSTEM_ROOT.root, pages)
    space.pgno_oe = SYSTEM_ROOT.root + 1
    root = TreeBuilder(context.sink, space, SYSTEM_ROOT.root, SYSTEM_ROOT.objid, TreeKind.TABLE)
    root.finish()
    write_tree_root(context.sink, root, 0)
