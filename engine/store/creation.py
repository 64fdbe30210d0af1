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
    CATALOG_PAGES,
    SHADOW_PAGES,
    SmallTable,
    locales_rows,
    locales_table,
    objids_rows,
    objids_table,
    own_rows,
)
from engine.errors import Err, EseError
from engine.format import lr
from engine.format.catalog_row import (
    FDP_CATALOG,
    FDP_NAME_INDEX,
    FDP_ROOT_OBJECTS_INDEX,
    FDP_SHADOW,
    FDP_SYSTEM_ROOT,
    OBJID_CATALOG,
    OBJID_NAME_INDEX,
    OBJID_ROOT_OBJECTS_INDEX,
    OBJID_SHADOW,
    OBJID_SYSTEM_ROOT,
)
from engine.format.page import PageFlags
from engine.store import create, nodes, space
from engine.store.doing import TreeRef

if TYPE_CHECKING:
    from engine.build.rows import Row
    from engine.format.catalog_row import CatalogRow
    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession

FIRST_PAGES: Final = 46
"""Pages that a new database owns."""

FIRST_DBTIME: Final = 64
"""What the counter of changes stands at before the first."""

_TREE_DBTIMES: Final = 9
"""Numbers that the engine takes for a tree of multiple extents; the record has the last."""
_INDEX_PAGES: Final = 3
_INDEX: Final = int(PageFlags.INDEX)


class SystemTrees:
    """The trees of the catalog of one database."""

    def __init__(self, pages: StorePages) -> None:
        self.root = TreeRef(pages, FDP_SYSTEM_ROOT, OBJID_SYSTEM_ROOT)
        self.catalog = TreeRef(pages, FDP_CATALOG, OBJID_CATALOG, parent=self.root)
        self.shadow = TreeRef(pages, FDP_SHADOW, OBJID_SHADOW, parent=self.root)
        self.names = TreeRef(pages, FDP_NAME_INDEX, OBJID_NAME_INDEX, kind=_INDEX, parent=self.catalog)
        self.roots = TreeRef(pages, FDP_ROOT_OBJECTS_INDEX, OBJID_ROOT_OBJECTS_INDEX, kind=_INDEX, parent=self.catalog)


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
            (trees.catalog, CATALOG_PAGES),
            (trees.shadow, SHADOW_PAGES),
            (trees.names, _INDEX_PAGES),
            (trees.roots, _INDEX_PAGES),
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
    nodes.insert(session, trees.names, row.name_key, row.key)
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
