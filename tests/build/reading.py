"""A built database read again, strictly: damage fails the test that reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.btree.tree import Tree
from engine.format.catalog_row import CatalogRow
from engine.format.system_trees import CATALOG

if TYPE_CHECKING:
    from engine.table import Database


def catalog_entries(database: Database) -> list[tuple[bytes, bytes]]:
    """Return (key, data) of every row of the catalog in its order."""
    return list(Tree(database.pages, CATALOG.root, objid=CATALOG.objid, strict=True).entries())


def catalog_rows(database: Database) -> list[CatalogRow]:
    """Return the rows of the catalog in its order."""
    return [CatalogRow.unpack(data, database.page_size) for _, data in catalog_entries(database)]
