"""Space: where a tree gets its pages, and where they go when it does not need them.

    single extent      pages behind the root, free ones as bits in the root's header
    multiple extents   OE and AE trees; a tree becomes one when its bits are used up (ConvertFDP2)
    an extent          comes out of the parent's AE into the tree's OE, what is not used at once into its AE
    the system root    grows the file

A new page is announced (NewPage) before a split fills it.  A freed page joins its free neighbours within the owned
extent; a whole extent that is free again goes back to the parent.
Source: database reference 4.2-4.5; log reference 2.7, 6.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.node import Extent, RootHeader, SpaceFlags, SpaceHeader
from engine.format.page import PageFlags
from engine.store import extents, reserves, trees
from engine.store.doing import TreeRef

if TYPE_CHECKING:
    from engine.store.doing import Doer
    from engine.store.pages import StorePages

SYSTEM_ROOT: Final = 1
SYSTEM_OBJID: Final = 1

_MOST_BITS: Final = 32
_SPACE_ROOTS: Final = 2
_SMALL_TREE: Final = 16
_SMALL_STEP: Final = 4
_STEP: Final = 16
_GROWTH: Final = 4
"""Each extent may be larger than the one before by this part of it."""
_LARGEST_STEP: Final = 4 << 20
_ROUNDS: Final = 4


def system_root(pages: StorePages) -> TreeRef:
    """Return the tree that owns all pages of a database."""
    return TreeRef(pages, SYSTEM_ROOT, SYSTEM_OBJID)


def alloc_page(doer: Doer, tree: TreeRef, near: int = 0) -> int:
    """Take a page for a tree, at or behind `near` if there is one, and announce it; errors when space is out."""
    pgno = reserves.take_reserved(doer, tree) if tree.owner is not None else _take_page(doer, tree, near)
    announce(doer, tree.pages, pgno, tree.objid)
    return pgno


def announce(doer: Doer, pages: StorePages, pgno: int, objid: int) -> None:
    """Log that a page is new to a tree, unless the format of stream or database is too old for that."""
    begin0 = doer.begun()
    if pages.announces:
        doer.journal.do(pages, lr.NewPage(doer.procid, pages.dbid, pgno, objid, pages.next_dbtime()), begin0)


def _take_page(doer: Doer, tree: TreeRef, near: int) -> int:
    header = extents.root_header(tree)
    if not header.space.multiple_extent:
        run = _run(header.space, tree.root, 1)
        if run is not None:
            _set_bits(doer, tree, header, run[0], 1, free=False)
            return run[0]
        convert(doer, tree, 1)
    for _ in range(_ROUNDS):
        free = extents.available(tree, extents.root_header(tree).space)
        found = next(extents.listed(free, near), None) or next(extents.listed(free), None)
        if found is not None:
            place, extent = found
            extents.resize(doer, free, place, extent.count - 1)
            return extent.first
        take_secondary(doer, tree, 1, 1)
    raise EseError.from_code(Err.InternalError, f"tree {tree.objid} gets no page", path=tree.pages.path)


def take_extent(doer: Doer, tree: TreeRef, want: int, least: int) -> tuple[int, int]:
    """Take consecutive pages out of a tree, for a child; (first, count)."""
    header = extents.root_header(tree)
    if not header.space.multiple_extent:
        run = _run(header.space, tree.root, least)
        if run is not None:
            count = min(run[1], want)
            _set_bits(doer, tree, header, run[0], count, free=False)
            return run[0], count
        convert(doer, tree, want)
    for _ in range(_ROUNDS):
        free = extents.available(tree, extents.root_header(tree).space)
        for place, extent in extents.listed(free):
            if extent.count >= least:
                count = min(extent.count, want)
                extents.resize(doer, free, place, extent.count - count)
                return extent.first, count
        take_secondary(doer, tree, want, least)
    raise EseError.from_code(Err.InternalError, f"tree {tree.objid} gets no extent", path=tree.pages.path)


def from_parent(doer: Doer, tree: TreeRef, want: int, least: int) -> tuple[int, int]:
    """Take pages out of the parent, for the system root out of the file."""
    if tree.parent is None:
        return tree.pages.extend(max(want, _STEP), doer.procid)
    return take_extent(doer, tree.parent, want, least)


def take_secondary(doer: Doer, tree: TreeRef, want: int, least: int) -> None:
    """Give a tree of multiple extents one more, all of it available."""
    header = extents.root_header(tree)
    reserves.reserve(doer, tree, header.space)
    if tree.parent is not None:
        want = _step(tree, header.space, want)
        if not header.space.flags & SpaceFlags.V2 or header.space.pages != want:
            _set_space(doer, tree, want, header.space.flags | SpaceFlags.V2, header.space.space)
    first, count = from_parent(doer, tree, want, least)
    extent = Extent(first + count - 1, count)
    extents.add(doer, extents.owned(tree, header.space), extent)
    extents.add(doer, extents.available(tree, header.space), extent)


def _step(tree: TreeRef, header: SpaceHeader, want: int) -> int:
    """Return how many pages to ask for: few while the tree is small, then more each time."""
    if header.flags & SpaceFlags.V2:
        most = _LARGEST_STEP // tree.pages.page_size
        grown = header.pages + header.pages // _GROWTH
        return max(want, _STEP, min(grown, most))
    if header.pages < _SMALL_TREE:
        total = 0
        for _, extent in extents.listed(extents.owned(tree, header)):
            total += extent.count
            if total >= _SMALL_TREE:
                break
        else:
            return max(want, _SMALL_STEP)
    return max(want, _STEP, header.pages // _GROWTH)


def convert(doer: Doer, tree: TreeRef, want: int) -> None:
    """Turn the bits of a single extent into space trees, on a new extent that has `want` pages more."""
    header = extents.root_header(tree)
    parent = tree.parent
    if parent is None:
        raise EseError.from_code(
            Err.InternalError, f"tree {tree.objid} has no parent to have space from", path=tree.pages.path
        )
    first, count = take_extent(doer, parent, want + _SPACE_ROOTS, _SPACE_ROOTS + 1)
    for pgno in (first, first + 1):
        announce(doer, tree.pages, pgno, tree.objid)
    begin0 = doer.begun()
    root = tree.pages.load(tree.root)
    record = lr.ConvertFDP2(
        doer.procid,
        tree.pages.dbid,
        tree.root,
        tree.pages.next_dbtime(),
        root.dbtime,
        doer.trx_begin0,
        doer.level,
        0,
        tree.record_flags | doer.record_flags,
        tree.objid,
        first,
        first + 1,
        header.space.pgno_parent,
        first,
        header.space.pages,
        count,
        header.space.space,
        tree.kind | int(PageFlags.NEW_RECORD_FORMAT),
    )
    doer.journal.do(tree.pages, record, begin0)


def free_page(doer: Doer, tree: TreeRef, pgno: int) -> None:
    """Give a page of a tree back to its available ones."""
    free_extent(doer, tree, Extent(pgno, 1))


def free_extent(doer: Doer, tree: TreeRef, extent: Extent) -> None:
    """Give pages back; -343 when the tree does not own them as one."""
    header = extents.root_header(tree)
    if not header.space.multiple_extent:
        _set_bits(doer, tree, header, extent.first, extent.count, free=True)
        return
    reserves.reserve(doer, tree, header.space)
    own, free = extents.owned(tree, header.space), extents.available(tree, header.space)
    found = next(extents.listed(own, extent.last), None)
    if found is None or found[1].first > extent.first:
        detail = f"pages {extent.first} to {extent.last} are not owned by tree {tree.objid}"
        raise EseError.from_code(Err.SPOwnExtCorrupted, detail, path=tree.pages.path)
    place, whole = found
    start, end = extent.first, extent.last
    left = extents.ending_at(free, start - 1) if start > whole.first else None
    right = next(extents.listed(free, end + 1), None)
    if right is not None and (right[1].first != end + 1 or right[1].last > whole.last):
        right = None
    if left is not None and left[1].first >= whole.first:
        start = left[1].first
        extents.resize(doer, free, left[0], 0)
    if right is not None:
        end = right[1].last
    both = Extent(end, end - start + 1)
    if both == whole and tree.parent is not None and not whole.first <= tree.root <= whole.last:
        if right is not None:
            _drop(doer, free, right[1])
        extents.resize(doer, own, place, 0)
        free_extent(doer, tree.parent, whole)
    else:
        # With a right neighbour the extent keeps its key and only grows.
        extents.add(doer, free, both)


def _drop(doer: Doer, space: TreeRef, extent: Extent) -> None:
    found = extents.ending_at(space, extent.last)
    if found is not None:
        extents.resize(doer, space, found[0], 0)


# The header of the root.


def _run(header: SpaceHeader, root: int, least: int) -> tuple[int, int] | None:
    """Return the first run of free pages in the bits that is long enough."""
    length = 0
    limit = min(header.pages - 1, _MOST_BITS)
    for bit in range(limit + 1):
        if bit < limit and header.space >> bit & 1:
            length += 1
        elif length >= least:
            return root + 1 + bit - length, length
        else:
            length = 0
    return None


def _set_bits(doer: Doer, tree: TreeRef, header: RootHeader, first: int, count: int, *, free: bool) -> None:
    at = first - tree.root - 1
    if at < 0 or count < 1 or at + count > min(header.space.pages - 1, _MOST_BITS):
        detail = f"pages {first} to {first + count - 1} of tree {tree.objid} have no bits"
        raise EseError.from_code(Err.SPOwnExtCorrupted, detail, path=tree.pages.path)
    mask = (1 << count) - 1 << at
    bits = header.space.space
    if bool(bits & mask) == free or (not free and bits & mask != mask):
        detail = f"pages {first} to {first + count - 1} of tree {tree.objid} are not as they should be"
        raise EseError.from_code(Err.SPAvailExtCorrupted, detail, path=tree.pages.path)
    _set_space(doer, tree, header.space.pages, header.space.flags, bits ^ mask)


def _set_space(doer: Doer, tree: TreeRef, pages: int, flags: SpaceFlags, space: int) -> None:
    header = extents.root_header(tree)
    changed = SpaceHeader(pages, header.space.pgno_parent, flags, space)
    packed = RootHeader(changed, header.auto_increment, header.rest).pack() + header.rest
    trees.set_root_header(doer, tree, packed)
