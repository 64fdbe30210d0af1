"""The trees of the catalog, as every live database has them at their fixed places.

Source: database reference 4.6, 5.1, 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.format.page import PageFlags
from engine.format.system_trees import CATALOG, NAME_INDEX, ROOT_OBJECTS_INDEX, SHADOW, SYSTEM_ROOT, SystemTree
from engine.store.doing import TreeRef

if TYPE_CHECKING:
    from engine.store.pages import StorePages

_INDEX: Final = int(PageFlags.INDEX)


class SystemTrees:
    """System root, catalog and shadow, and the two indexes of the catalog, of one database."""

    def __init__(self, pages: StorePages) -> None:
        self.root = _tree(pages, SYSTEM_ROOT)
        self.catalog = _tree(pages, CATALOG, self.root)
        self.shadow = _tree(pages, SHADOW, self.root)
        self.by_name = _tree(pages, NAME_INDEX, self.catalog, _INDEX)
        self.roots = _tree(pages, ROOT_OBJECTS_INDEX, self.catalog, _INDEX)


def _tree(pages: StorePages, place: SystemTree, parent: TreeRef | None = None, kind: int = 0) -> TreeRef:
    return TreeRef(pages, place.root, place.objid, kind=kind, parent=parent)
