"""Records that build whole pages: new pages, new trees, conversion of a tree's space, page moves.

Each function returns (applied, None, None).  Source: log reference 3.5; database reference 4.2, 4.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.format import lr
from engine.format.node import EMPTY_SPLIT_BUFFER, Extent, RootHeader, SpaceFlags, SpaceHeader, child_data
from engine.format.page import Page, PageFlags
from engine.pages.mutable import MutablePage
from engine.redo.node_ops import contradiction
from engine.redo.store import due, rebuilt

if TYPE_CHECKING:
    from engine.redo.node_ops import Result
    from engine.redo.store import PageStore

_ALWAYS: Final = int(PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM)
_MOST_IMPLICIT_PAGES: Final = 32
_ALL_BITS: Final = 0xFFFFFFFF
_SPACE_PAGES: Final = 2


def new_page(record: lr.NewPage, store: PageStore) -> Result:
    """Announce a page of a tree: blank until a later record fills it."""
    if not rebuilt(store, record.pgno, record.dbtime_after):
        return False, None, None
    page = MutablePage(record.pgno, store.page_size, objid=record.objid, flags=int(PageFlags.PRE_INIT), path=store.path)
    page.dbtime = record.dbtime_after
    store.put(page)
    return True, None, None


def _fresh(store: PageStore, pgno: int, objid: int, flags: int, dbtime: int) -> MutablePage:
    page = MutablePage(pgno, store.page_size, objid=objid, flags=flags | _ALWAYS, path=store.path)
    page.dbtime = dbtime
    return page


def _space_page(store: PageStore, pgno: int, root: MutablePage, flags: int, extents: list[Extent], dbtime: int) -> None:
    """Build the root of an OE or AE tree."""
    flags |= int(PageFlags.ROOT | PageFlags.LEAF | PageFlags.SPACE_TREE)
    page = _fresh(store, pgno, root.objid, flags, dbtime)
    page.refill(EMPTY_SPLIT_BUFFER, [(0, each.key, each.data) for each in extents])
    store.put(page)


def _space_flags(record: lr.PageRecord) -> SpaceFlags:
    return SpaceFlags.NONE if record.flags & lr.NodeFlags.UNIQUE else SpaceFlags.NON_UNIQUE


def create_single_extent(record: lr.CreateSEFDP, store: PageStore) -> Result:
    """Make the root of a tree whose free pages are bits in its header."""
    if not rebuilt(store, record.pgno, record.dbtime):
        return False, None, None
    flags = record.page_flags | int(PageFlags.ROOT | PageFlags.LEAF)
    page = _fresh(store, record.pgno, record.objid_fdp, flags, record.dbtime)
    pages = record.cpg_primary
    free = _ALL_BITS if pages > _MOST_IMPLICIT_PAGES else (1 << max(pages - 1, 0)) - 1
    page.set_external(SpaceHeader(pages, record.pgno_fdp_parent, _space_flags(record), free).pack())
    store.put(page)
    return True, None, None


def create_multiple_extent(record: lr.CreateMEFDP, store: PageStore) -> Result:
    """Make the root of a tree together with the roots of its space trees."""
    applied = False
    flags = record.page_flags | int(PageFlags.ROOT | PageFlags.LEAF)
    root = _fresh(store, record.pgno, record.objid_fdp, flags, record.dbtime)
    if rebuilt(store, record.pgno, record.dbtime):
        space = SpaceHeader(
            record.cpg_primary,
            record.pgno_fdp_parent,
            _space_flags(record) | SpaceFlags.MULTIPLE_EXTENT,
            record.pgno_oe,
        )
        root.set_external(space.pack())
        store.put(root)
        applied = True
    last = record.pgno + record.cpg_primary - 1
    left = record.cpg_primary - 1 - _SPACE_PAGES
    for pgno, extents in (
        (record.pgno_oe, [Extent(last, record.cpg_primary)]),
        (record.pgno_ae, [Extent(last, left)] if left > 0 else []),
    ):
        if rebuilt(store, pgno, record.dbtime):
            _space_page(store, pgno, root, record.page_flags, extents, record.dbtime)
            applied = True
    return applied, None, None


def convert(record: lr.ConvertFDP | lr.ConvertFDP2, store: PageStore) -> Result:
    """Turn the bitmap of a tree's root into space trees; only the space field of a long root header changes."""
    applied = False
    root = due(store, record.pgno, record.dbtime_before, record.dbtime)
    objid = record.objid_fdp
    if isinstance(record, lr.ConvertFDP2):
        bitmap, flags = record.bitmap_available, record.page_flags
    else:
        if root is None:
            raise contradiction(
                MutablePage(record.pgno, store.page_size, path=store.path),
                "an old ConvertFDP whose root is newer: the free pages it turned into extents are not known",
            )
        bitmap = _root_header(root).space.space
        flags = root.flags & ~int(PageFlags.LEAF | PageFlags.PARENT_OF_LEAF | PageFlags.FLUSH_TYPE)
    if root is not None:
        header = _root_header(root)
        space = SpaceHeader(
            record.cpg_primary,
            record.pgno_fdp_parent,
            header.space.flags | SpaceFlags.MULTIPLE_EXTENT,
            record.pgno_secondary_first,
        )
        root.set_external(RootHeader(space, header.auto_increment, header.rest).pack() + header.rest)
        root.dbtime = record.dbtime
        store.changed(root)
        applied = True
    model = _fresh(store, record.pgno, objid, 0, record.dbtime)
    secondary_last = record.pgno_secondary_first + record.cpg_secondary - 1
    primary_last = record.pgno + record.cpg_primary - 1
    owned = [Extent(secondary_last, record.cpg_secondary), Extent(primary_last, record.cpg_primary)]
    available = _available(record.pgno, record.cpg_primary, bitmap)
    if record.cpg_secondary > _SPACE_PAGES:
        available.append(Extent(secondary_last, record.cpg_secondary - _SPACE_PAGES))
    for pgno, extents in ((record.pgno_oe, owned), (record.pgno_ae, available)):
        if rebuilt(store, pgno, record.dbtime):
            extents.sort(key=lambda each: each.key)
            _space_page(store, pgno, model, flags, extents, record.dbtime)
            applied = True
    return applied, None, None


def _root_header(root: MutablePage) -> RootHeader:
    return RootHeader.of(Page(root.encode(), root.pgno, path=root.path))


def _available(root: int, pages: int, bitmap: int) -> list[Extent]:
    """Return the free pages of a single extent as runs."""
    found: list[Extent] = []
    implicit = pages - 1 - _MOST_IMPLICIT_PAGES
    if implicit > 0:
        found.append(Extent(root + pages - 1, implicit))
    run = 0
    for bit in range(min(pages - 1, _MOST_IMPLICIT_PAGES) + 1):
        if bit < min(pages - 1, _MOST_IMPLICIT_PAGES) and bitmap >> bit & 1:
            run += 1
        elif run:
            found.append(Extent(root + bit, run))
            run = 0
    return found


def page_move(record: lr.PageMove, store: PageStore) -> Result:
    """Move a page to another number and lead its neighbours and its parent there."""
    source = due(store, record.pgno, record.dbtime_before, record.dbtime)
    left = _optional(store, record.pgno_left, record.dbtime_left_before, record.dbtime)
    right = _optional(store, record.pgno_right, record.dbtime_right_before, record.dbtime)
    parent = _optional(store, record.pgno_parent, record.dbtime_parent_before, record.dbtime)
    if rebuilt(store, record.pgno_dest, record.dbtime):
        moved = MutablePage(record.pgno_dest, store.page_size, path=store.path)
        moved.become(source if source is not None else _image(record, store))
        moved.dbtime = record.dbtime
        store.put(moved)
    if source is not None:
        source.make_empty()
        source.dbtime = record.dbtime
        store.changed(source)
    if left is not None:
        left.next = record.pgno_dest
    if right is not None:
        right.prev = record.pgno_dest
    if parent is not None and record.iline_parent >= 0:
        parent.set_data(record.iline_parent, child_data(record.pgno_dest))
    for page in (left, right, parent):
        if page is not None:
            page.dbtime = record.dbtime
            store.changed(page)
    return True, None, None


def _optional(store: PageStore, pgno: int, before: int, after: int) -> MutablePage | None:
    return due(store, pgno, before, after) if pgno else None


def _image(record: lr.PageMove, store: PageStore) -> MutablePage:
    gap = store.page_size - len(record.header) - len(record.trailer)
    if gap < 0:
        raise contradiction(MutablePage(record.pgno, store.page_size, path=store.path), "the image is too long")
    return MutablePage.decode(record.header + bytes(gap) + record.trailer, record.pgno, path=store.path)
