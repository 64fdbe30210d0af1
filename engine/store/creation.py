"""A new database from the inside: the records that make the system tables, in the engine's order.

    ExtendDB
    Begin0 CreateMEFDP Commit0                    the system root, with all pages
    Begin0                                        one transaction for the catalog
        Replace CreateMEFDP                       MSysObjects, MSysObjectsShadow, the two indexes: each takes its
                                                  pages out of its parent's AE
        Begin Insert ... Commit                   every row: the catalog and its indexes
        Begin Insert Commit                       then the shadow
    Commit0

What surrounds them (CreateDB before, CreateDBFinish behind) is the business of the instance, as for an attach.
`small_tables` adds MSysObjids and MSysLocales afterwards, each in a transaction of its own, as tables of users are.
Source: log reference 6.5; database reference 4.2, 4.6, 5.1, 5.7, 5.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.build.system_rows import (
    SmallTable,
    locales_rows,
    locales_table,
    objids_rows,
    objids_table,
    own_rows,
)
from engine.errors import Err, EseError
from engine.format import lr
from engine.format.system_trees import CATALOG, NAME_INDEX, ROOT_OBJECTS_INDEX, SHADOW
from engine.store import create, nodes, space
from engine.store.system_trees import SystemTrees

if TYPE_CHECKING:
    from engine.build.rows import Row
    from engine.format.catalog_row import CatalogRow
    from engine.store.doing import TreeRef
    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession

FIRST_PAGES: Final = 46
"""Pages that a new database owns."""

FIRST_DBTIME: Final = 64
"""What the counter of changes stands at before the first."""

_TREE_DBTIMES: Final = 9
"""Numbers that the engine takes for a tree of multiple extents; the record has the last."""


def create_system(session: StoreSession, pages: StorePages, update_major: int) -> None:
    """Make system root and catalog in an empty file; `pages` begins at no page and `FIRST_DBTIME`."""
    trees = SystemTrees(pages)
    latch = session.journal.latch
    with latch:
        pages.take_first(FIRST_PAGES)
    session.begin()
    with latch:
        _make(session, trees.root, FIRST_PAGES)
    session.commit(lazy=True)
    session.begin()
    with latch:
        for tree, count in (
            (trees.catalog, CATALOG.pages),
            (trees.shadow, SHADOW.pages),
            (trees.by_name, NAME_INDEX.pages),
            (trees.roots, ROOT_OBJECTS_INDEX.pages),
        ):
            _carve(session, tree, count)
    for row in own_rows(update_major):
        _enter(session, trees, row)
    session.commit(lazy=True)


def small_tables(session: StoreSession, pages: StorePages, update_major: int) -> None:
    """Make MSysObjids and MSysLocales and fill them; the last commit is waited for."""
    trees = SystemTrees(pages)
    page_size = pages.page_size
    objids, locales = objids_table(page_size), locales_table(page_size, update_major)
    catalog = [*own_rows(update_major), *objids.catalog, *locales.catalog]
    _small_table(session, trees, objids, objids_rows(catalog), lazy=True)
    _small_table(session, trees, locales, locales_rows(update_major), lazy=False)


def _make(session: StoreSession, tree: TreeRef, count: int) -> None:
    """Make a tree of multiple extents with `count` pages from its root on."""
    pages = tree.pages
    begin0 = session.begun()
    for _ in range(_TREE_DBTIMES):
        dbtime = pages.next_dbtime()
    pages.objid_last = max(pages.objid_last, tree.objid)
    record = lr.CreateMEFDP(
        session.procid,
        pages.dbid,
        tree.root,
        dbtime,
        lr.DBTIME_NIL,
        session.trx_begin0,
        session.level,
        0,
        int(lr.NodeFlags.UNIQUE),
        tree.objid,
        tree.root + 1,
        tree.root + 2,
        0 if tree.parent is None else tree.parent.root,
        count,
        tree.kind,
    )
    session.journal.do(pages, record, begin0)


def _carve(session: StoreSession, tree: TreeRef, count: int) -> None:
    """Make a tree on pages of its parent."""
    if tree.parent is None:
        raise EseError.from_code(Err.InternalError, f"tree {tree.objid} has no parent", path=tree.pages.path)
    first, taken = space.take_extent(session, tree.parent, count, count)
    if (first, taken) != (tree.root, count):
        raise EseError.from_code(
            Err.InternalError, f"tree {tree.objid} got pages {first} + {taken}", path=tree.pages.path
        )
    _make(session, tree, count)


def _enter(session: StoreSession, trees: SystemTrees, row: CatalogRow) -> None:
    """Enter one row into the catalog and its indexes, then into the shadow."""
    record = row.pack(trees.catalog.pages.page_size)
    session.begin(inner=True)
    nodes.insert(session, trees.catalog, row.key, record)
    if row.root_key:
        nodes.insert(session, trees.roots, row.root_key, row.key)
    nodes.insert(session, trees.by_name, row.name_key, row.key)
    session.commit()
    session.begin(inner=True)
    nodes.insert(session, trees.shadow, row.key, record)
    session.commit()


def _small_table(session: StoreSession, trees: SystemTrees, table: SmallTable, rows: list[Row], *, lazy: bool) -> None:
    session.begin()
    with session.journal.latch:
        tree = create.create_tree(session, trees.root, density=table.density)
    if (tree.root, tree.objid) != (table.root, table.objid):
        raise EseError.from_code(
            Err.InternalError, f"table {table.objid} came to page {tree.root}", path=tree.pages.path
        )
    for row in table.catalog:
        _enter(session, trees, row)
    for key, record in table.entries(rows, tree.pages.page_size):
        nodes.insert(session, tree, key, record)
    session.commit(lazy=lazy)
