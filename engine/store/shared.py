"""What all sessions share of one live database beyond its pages.

    trees       one `TreeRef` a tree, so that searches and versions meet
    counters    numbers that are given out and never taken back: record numbers, long-value ids, auto-increment
    doors       who may define or write what: `engine.store.admission`

Counters are used with the journal's latch held.
Source: database reference 2.6, 3.4, 6.5, 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.store.admission import Admission
from engine.store.doing import TreeRef
from engine.store.system_trees import SystemTrees

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession


class Shared(Admission):
    """The shared part of one database.  `update_major` is its format level, `now` a clock."""

    def __init__(
        self,
        pages: StorePages,
        *,
        update_major: int,
        now: Callable[[], datetime],
        system_session: Callable[[], StoreSession],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(pages)
        self.update_major = update_major
        self.now = now
        self.system_session = system_session
        """Makes a session for work that stays whatever becomes of the caller's transaction."""
        self.between = between
        """Does what is due between operations: called without the latch, when no page is in anybody's hand."""
        self.numbers: dict[tuple[int, str], int] = {}
        """Last number given out, by object and kind."""
        self._trees: dict[int, TreeRef] = {}
        fixed = SystemTrees(pages)
        self.root, self.catalog, self.shadow = fixed.root, fixed.catalog, fixed.shadow
        self.by_name, self.roots = fixed.by_name, fixed.roots

    def tree(
        self, root: int, objid: int, *, parent: TreeRef, kind: int = 0, unique: bool = True, density: int = 80
    ) -> TreeRef:
        """Return the one `TreeRef` of a tree."""
        found = self._trees.get(objid)
        if found is None or found.root != root:
            found = self._trees[objid] = TreeRef(self.pages, root, objid, unique, kind, density, parent)
        return found

    def keep(self, tree: TreeRef) -> None:
        """Take a tree that was just made."""
        self._trees[tree.objid] = tree

    def known(self, objid: int) -> TreeRef | None:
        """Return the `TreeRef` of a tree, if there is one."""
        return self._trees.get(objid)

    def forget(self, objid: int) -> None:
        """Forget a tree that is gone, its counters and who had it."""
        self._trees.pop(objid, None)
        self.forget_lock(objid)
        for key in [key for key in self.numbers if key[0] == objid]:
            del self.numbers[key]
