"""Whose page is it: the object number in a page's header, as the table and the tree that the catalog gives it.

Source: database reference 2.1, 5.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.catalog.defs import TableDef

SYSTEM_OBJECT: Final = 1
"""Object of the system root, which owns all pages."""


class TreeName(NamedTuple):
    """A tree: its table, and which of the table's trees (empty: the records)."""

    table: str
    tree: str = ""


def tree_names(tables: Mapping[str, TableDef]) -> dict[int, TreeName]:
    """Return the trees of a database by object number."""
    names = {SYSTEM_OBJECT: TreeName("system root")}
    for table in tables.values():
        names[table.objid] = TreeName(table.name)
        for index in table.indexes:
            if not index.primary:
                names.setdefault(index.objid, TreeName(table.name, f"index {index.name}"))
        if table.long_values is not None:
            names.setdefault(table.long_values.id, TreeName(table.name, "long values"))
    return names
