"""Trees that come and go: made on pages of their parent, and given back to it whole.

    made      the parent's space changes; NewPage of the root; CreateSEFDP, or CreateMEFDP with the space trees
    deleted   FreeFDP; then every owned extent goes into the parent's space, each announced by ExtentFreed2

What a table's indexes and long values own lies within what the table owns: they go with it.
Source: database reference 4.5; log reference 2.7, 6.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.node import Extent
from engine.format.page import PageFlags
from engine.store import extents, space
from engine.store.doing import TreeRef

if TYPE_CHECKING:
    from engine.store.doing import Doer

_SPACE_ROOTS: Final = 2
_FREED_TABLE: Final = 1
_FREED_INDEX: Final = 2


def create_tree(
    doer: Doer,
    parent: TreeRef,
    *,
    pages: int = 1,
    kind: int = 0,
    unique: bool = True,
    multiple_extent: bool = False,
    density: int | None = None,
) -> TreeRef:
    """Make an empty tree with `pages` pages of its parent, its root and space trees among them.

    `kind`: the page flags INDEX or LONG_VALUE, or 0; NON_UNIQUE follows from `unique`.  The caller frees the tree
    (`delete_tree`) when the transaction that made it is undone.
    """
    if not unique:
        kind |= int(PageFlags.NON_UNIQUE)
    least = max(pages, 1 + _SPACE_ROOTS if multiple_extent else 1)
    root, count = space.take_extent(doer, parent, least, least)
    store = parent.pages
    objid = store.next_objid()
    space.announce(doer, store, root, objid)
    begin0 = doer.begun()
    head = (
        doer.procid,
        store.dbid,
        root,
        store.next_dbtime(),
        lr.DBTIME_NIL,
        doer.trx_begin0,
        doer.level,
        0,
        (4 if unique else 0) | doer.record_flags,
        objid,
    )
    record: lr.PageRecord
    if multiple_extent:
        record = lr.CreateMEFDP(*head, root + 1, root + 2, parent.root, count, kind)
    else:
        record = lr.CreateSEFDP(*head, parent.root, count, kind)
    doer.journal.do(store, record, begin0)
    made = TreeRef(store, root, objid, unique, kind, parent=parent)
    return made if density is None else TreeRef(store, root, objid, unique, kind, density, parent)


def delete_tree(doer: Doer, tree: TreeRef, *, trx_committed: int = 0) -> None:
    """Give all pages of a tree, and of the trees that have theirs from it, to its parent.

    `trx_committed`: the transaction whose commit deleted it.
    """
    parent = tree.parent
    if parent is None:
        raise EseError.from_code(Err.InvalidParameter, "the system root cannot be deleted", path=tree.pages.path)
    header = extents.root_header(tree).space
    if header.multiple_extent:
        owned = [extent for _, extent in extents.listed(extents.owned(tree, header))]
    else:
        owned = [Extent(tree.root + header.pages - 1, header.pages)]
    store, journal = tree.pages, doer.journal
    kind = _FREED_INDEX if tree.kind & PageFlags.INDEX else _FREED_TABLE if not tree.kind else 0
    journal.note(lr.FreeFDP(store.dbid, tree.root, trx_committed, kind, b""))
    for extent in owned:
        journal.note(lr.ExtentFreed2(store.dbid, extent.first, extent.count, 0, store.dbtime_last))
        space.free_extent(doer, parent, extent)
