"""Writing down who owns which pages: the root's external header, and the trees of owned and available extents.

A tree with one page, or with a few consecutive pages and no children, has a single extent and a bitmap of its free
pages; any other has an OE and an AE tree on two neighbouring pages.

Source: database reference 4.2-4.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.build.compose import TREE_FLAGS, PageHead, PendingPage, page_capacity
from engine.errors import Err, EseError
from engine.format.node import EMPTY_SPLIT_BUFFER, Extent, RootHeader, SpaceFlags, SpaceHeader
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from engine.build.allocation import PageSpace, Run
    from engine.build.sink import PageSink
    from engine.build.tree import TreeBuilder

_MOST_BITS: Final = 32


def write_tree_root(
    sink: PageSink,
    tree: TreeBuilder,
    pgno_parent: int,
    *,
    auto_increment: int | None = None,
) -> None:
    """Write a finished tree's root and, unless it has a single extent, its space trees."""
    space = tree.space
    flags = SpaceFlags.NONE if tree.kind.unique else SpaceFlags.NON_UNIQUE
    if space.pgno_oe:
        flags |= SpaceFlags.MULTIPLE_EXTENT
        header = SpaceHeader(space.owned[0].pages, pgno_parent, flags, space.pgno_oe)
        write_space_trees(sink, space, tree.objid, int(tree.kind.value))
    else:
        header = SpaceHeader(space.page_count, pgno_parent, flags, _bitmap(tree.root, space))
    tree.write_root(RootHeader(header, auto_increment).pack())


def _bitmap(root: int, space: PageSpace) -> int:
    """Return the bitmap of free pages of a single extent."""
    if len(space.owned) != 1 or space.owned[0].first != root or space.page_count > _MOST_BITS + 1:
        raise EseError.from_code(Err.InternalError, f"tree at page {root} is not a single extent")
    bits = 0
    for run in space.free:
        for pgno in range(run.first, run.last + 1):
            bits |= 1 << (pgno - root - 1)
    return bits


def write_space_trees(sink: PageSink, space: PageSpace, objid: int, kind_flags: int) -> None:
    """Write the OE and AE trees of a tree whose space is settled."""
    flags = TREE_FLAGS | kind_flags | PageFlags.ROOT | PageFlags.LEAF | PageFlags.SPACE_TREE
    for pgno, runs in ((space.pgno_oe, space.owned), (space.pgno_oe + 1, space.free)):
        _write_extents(sink, pgno, objid, flags, runs)


def _write_extents(sink: PageSink, pgno: int, objid: int, flags: int, runs: list[Run]) -> None:
    page = PendingPage(sink.page_size, 100)
    for run in sorted(runs):
        extent = Extent(run.last, run.pages)
        if not page.add(extent.key, extent.data):
            break
    if len(page.keys) < len(runs) or page.root_size() + len(EMPTY_SPLIT_BUFFER) > page_capacity(sink.page_size):
        raise EseError.from_code(Err.DiskFull, f"{len(runs)} extents do not fit on page {pgno}", page=pgno)
    head = PageHead(pgno, objid, int(flags), sink.next_dbtime())
    sink.write_page(pgno, page.compose_root(head, EMPTY_SPLIT_BUFFER))
