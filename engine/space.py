"""Which pages a tree owns, read from the space trees: above all, where a database ends.

A file is often longer than the database in it, so "how many pages" is asked of the system root, page 1:

    page 1, external header: single extent -> pages 1 .. n, the free ones in a bitmap
                             else          -> OE tree (owned extents), and on the next page the AE tree (available)
    OE, AE leaf entries: key = last page, data = count, ascending, disjoint

Every page on the way is verified; a single flipped bit is put right in memory.  Walks are bounded: no page is
entered twice, none outside the file.

Source: database reference 4.1-4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format.node import Extent, RootHeader, children, nodes
from engine.format.page import Page, PageFlags, pages_in_file
from engine.page_reading import read_verified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.page_reading import File

SYSTEM_ROOT: Final = 1
"""Page of the system root, which owns everything."""

_SYSTEM_OBJID: Final = 1


@dataclass(frozen=True, slots=True)
class OwnedPages:
    """How far the database in a file reaches.

    `last` is the last owned page: a backup copies pages 1 .. `last`.  `count` is the number of owned pages (less
    than `last` if there are holes), `extents` of how many runs, `file_pages` how many pages the file has room
    for behind the headers.
    """

    last: int
    count: int
    extents: int
    file_pages: int

    @property
    def beyond_end(self) -> bool:
        """Whether the database owns pages that the file does not have: it is cut off."""
        return self.last > self.file_pages


def read_page(file: File, pgno: int, page_size: int) -> Page:
    """Read and verify one page that a tree points to; errors as `read_verified`."""
    return Page(read_verified(file, pgno, page_size), pgno, path=file.path)


def root_header(file: File, pgno: int, page_size: int) -> tuple[Page, RootHeader]:
    """Read the root page of a tree and its space header; -1206 when it is no root."""
    page = read_page(file, pgno, page_size)
    if not page.is_root or page.flags & (PageFlags.SPACE_TREE | PageFlags.EMPTY | PageFlags.PRE_INIT):
        raise page.error(Err.DatabaseCorrupted, f"page with flags {page.flags:#x} is not the root of a tree")
    return page, RootHeader.of(page)


def owned_extents(file: File, page_size: int, root: int = SYSTEM_ROOT) -> Iterator[Extent]:
    """Yield what the tree rooted at page `root` owns, ascending; -343 for a damaged tree, and those of `read_page`."""
    page, header = root_header(file, root, page_size)
    if not header.space.multiple_extent:
        if not header.space.pages:
            raise page.error(Err.SPOwnExtCorrupted, "a tree that owns nothing, not even its root")
        yield Extent(root + header.space.pages - 1, header.space.pages)
        return
    yield from _extents(file, page_size, header.space.pgno_oe, page.header.objid, Err.SPOwnExtCorrupted)


def available_extents(file: File, page_size: int, root: int = SYSTEM_ROOT) -> Iterator[Extent]:
    """Yield what the tree owns but neither uses nor has given to a child tree; -341 for a damaged tree.

    Ascending within each pool; extents of pool 2 lie beyond the end of the database.  In the single-extent form
    each free page comes by itself, pages beyond the end of the file left out.
    """
    page, header = root_header(file, root, page_size)
    if not header.space.multiple_extent:
        last = pages_in_file(file.size(), page_size)
        for pgno in header.space.free_pages(root):
            if pgno > last:
                break
            yield Extent(pgno, 1)
        return
    yield from _extents(file, page_size, header.space.pgno_ae, page.header.objid, Err.SPAvailExtCorrupted)


def owned_pages(file: File, page_size: int) -> OwnedPages:
    """Return how far the database in the file reaches, by the OE tree of its system root."""
    page, _ = root_header(file, SYSTEM_ROOT, page_size)
    if page.header.objid != _SYSTEM_OBJID:
        raise page.error(Err.DatabaseCorrupted, f"the system root belongs to object {page.header.objid}")
    last = count = extents = 0
    for extent in owned_extents(file, page_size):
        last, count, extents = extent.last, count + extent.count, extents + 1
    if not count:
        raise page.error(Err.SPOwnExtCorrupted, "the system root owns nothing")
    return OwnedPages(last, count, extents, pages_in_file(file.size(), page_size))


def _extents(file: File, page_size: int, root: int, objid: int, code: int) -> Iterator[Extent]:
    """Yield the live entries of a space tree in order, checking that they ascend and do not overlap."""
    key, last, pool = b"", 0, 0
    for page in _leaves(file, page_size, root, objid, code):
        for node in nodes(page):
            if node.deleted:
                continue
            extent = Extent.of(page, node, code=code)
            if node.key <= key and key:
                raise page.error(code, f"the extent at page {extent.last} is out of order")
            if extent.pool != pool:
                last, pool = 0, extent.pool
            if extent.count and extent.first <= last:
                raise page.error(code, f"the extent {extent.first} to {extent.last} overlaps its neighbour")
            key, last = node.key, extent.last
            if extent.count:
                yield extent


def _leaves(file: File, page_size: int, root: int, objid: int, code: int) -> Iterator[Page]:
    """Yield the leaf pages of a space tree from left to right, through the internal pages."""
    pending, seen = [root], set[int]()
    while pending:
        pgno = pending.pop()
        page = read_page(file, pgno, page_size)
        if pgno in seen:
            raise page.error(code, "the tree reaches this page twice")
        seen.add(pgno)
        wanted = PageFlags.SPACE_TREE | PageFlags.ROOT if pgno == root else PageFlags.SPACE_TREE
        ours = PageFlags.SPACE_TREE | PageFlags.ROOT | PageFlags.EMPTY | PageFlags.PRE_INIT
        if page.flags & ours != wanted or page.header.objid != objid:
            raise page.error(code, f"flags {page.flags:#x}, object {page.header.objid}: not a page of this space tree")
        page.check()
        if page.is_leaf:
            yield page
        else:
            pending.extend(reversed([child.pgno for child in children(page)]))
