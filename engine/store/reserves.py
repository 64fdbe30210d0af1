"""Reserves of space trees: pages kept in the header of an OE or AE root, so that it can always be split.

Before extents are entered anywhere the reserves are filled: from the tree's own available pages, which only makes an
extent shorter, or else from its parent.  What the parent gives must be entered in OE; for that OE keeps twice what
one split takes.

    root is a leaf with 100 bytes free   nothing is needed, an extent takes 14
    a fuller leaf                        2 pages: the root's lines go down, and the page they are on is divided
    above leaves, higher                 3, 4

Source: database reference 4.4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.node import Extent, split_buffers
from engine.format.page import PageFlags
from engine.store import extents, space, trees

if TYPE_CHECKING:
    from engine.format.node import SpaceHeader
    from engine.pages.mutable import MutablePage
    from engine.store.doing import Doer, TreeRef

_BUFFER = struct.Struct("<IiIi")
_ROOM: Final = 100
_LEAF_SPLIT: Final = 2
_PARENT_SPLIT: Final = 3
_DEEP_SPLIT: Final = 4
_ROUNDS: Final = 8


def reserve(doer: Doer, tree: TreeRef, header: SpaceHeader) -> None:
    """Make sure that an extent can be entered in both space trees; errors when there are no pages to be had."""
    left = _fill(doer, tree, header, extents.owned(tree, header), 2)
    left += _fill(doer, tree, header, extents.available(tree, header), 1)
    for extent in left:
        extents.add(doer, extents.available(tree, header), extent)


def take_reserved(doer: Doer, tree: TreeRef) -> int:
    """Take a page for a split of a space tree; -1808 when its reserve is empty."""
    root = tree.pages.load(tree.root)
    for which, extent in enumerate(_slots(root)):
        if extent.count:
            _set(doer, tree, root, which, Extent(extent.last, extent.count - 1))
            return extent.first
    raise root.error(Err.OutOfDatabaseSpace, "the reserve of a space tree is empty")


def _need(root: MutablePage) -> int:
    if root.is_leaf:
        return _LEAF_SPLIT if root.free < _ROOM else 0
    return _PARENT_SPLIT if root.flags & PageFlags.PARENT_OF_LEAF else _DEEP_SPLIT


def _fill(doer: Doer, tree: TreeRef, header: SpaceHeader, kept: TreeRef, factor: int) -> list[Extent]:
    """Fill one reserve; return extents that are owned now and not entered as available yet."""
    left: list[Extent] = []
    for _ in range(_ROUNDS):
        root = kept.pages.load(kept.root)
        need = _need(root) * factor
        slots = _slots(root)
        if sum(each.count for each in slots) >= need:
            return left
        which = min((0, 1), key=lambda at: slots[at].count)
        if slots[which].count:
            left.append(slots[which])
        found = _from_own(doer, tree, header, need)
        if found is not None:
            _set(doer, kept, root, which, found)
            continue
        first, count = space.from_parent(doer, tree, need, need)
        whole, mine = Extent(first + count - 1, count), Extent(first + need - 1, need)
        # Pages are owned before anything uses them, unless owning them may need them.
        late = factor > 1 and sum(each.count for each in slots) < _need(root) and root.free < _ROOM
        if not late:
            extents.add(doer, extents.owned(tree, header), whole)
        _set(doer, kept, root, which, mine)
        if late:
            extents.add(doer, extents.owned(tree, header), whole)
        if count > need:
            left.append(Extent(whole.last, count - need))
    raise EseError.from_code(Err.InternalError, f"the reserve of tree {tree.objid} stays empty", path=tree.pages.path)


def _from_own(doer: Doer, tree: TreeRef, header: SpaceHeader, need: int) -> Extent | None:
    """Take pages from an available extent that has more."""
    free = extents.available(tree, header)
    for place, extent in extents.listed(free):
        if extent.count > need:
            extents.resize(doer, free, place, extent.count - need)
            return Extent(extent.first + need - 1, need)
    return None


def _slots(root: MutablePage) -> tuple[Extent, Extent]:
    """Return both reserves, empty ones with 0 pages; -1206 for a header that is none."""
    split_buffers(root)
    last1, count1, last2, count2 = _BUFFER.unpack(root.external or bytes(_BUFFER.size))
    return Extent(last1, max(count1, 0)), Extent(last2, max(count2, 0))


def _set(doer: Doer, kept: TreeRef, root: MutablePage, which: int, extent: Extent) -> None:
    slots = list(_slots(root))
    slots[which] = extent
    one, two = slots
    trees.set_root_header(doer, kept, _BUFFER.pack(one.last, one.count, two.last, two.count))
