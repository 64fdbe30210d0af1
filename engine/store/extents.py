"""The extents of a tree: its OE and AE trees as lists that are searched and changed.

    key   u32 big-endian last page     data   u32 number of pages

Space trees are trees like others, so what changes them is in `trees`, which comes back here for space: only the pages
for splitting a space tree come from its own reserve.  Their records have no versions: space is not given back by an
undo.  The last line of a page is not taken out but marked deleted, and comes back to life with the next extent.
Source: database reference 4.3; log reference 6.5.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format.node import Extent, NodeFlags, RootHeader
from engine.store import trees
from engine.store.doing import TreeRef
from engine.store.search import Place, descend, enter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.format.node import SpaceHeader
    from engine.pages.mutable import MutablePage
    from engine.store.doing import Doer

_NUMBER = struct.Struct("<I")
_KEY = struct.Struct(">I")
_DELETED: Final = int(NodeFlags.DELETED)


def root_header(tree: TreeRef) -> RootHeader:
    """Return the external header of a tree's root; -1206 when it has none."""
    return RootHeader.of(tree.pages.load(tree.root))


def owned(tree: TreeRef, header: SpaceHeader) -> TreeRef:
    """Return the OE tree."""
    return TreeRef(tree.pages, header.pgno_oe, tree.objid, kind=tree.kind, owner=tree)


def available(tree: TreeRef, header: SpaceHeader) -> TreeRef:
    """Return the AE tree."""
    return TreeRef(tree.pages, header.pgno_ae, tree.objid, kind=tree.kind, owner=tree)


def listed(space: TreeRef, at_least: int = 0) -> Iterator[tuple[Place, Extent]]:
    """Yield the extents whose last page is `at_least` or more, ascending; only the first place outlives a change.

    Empty ones, deleted ones and those of special pools are left out.
    """
    place = descend(space, _KEY.pack(at_least))
    page: MutablePage | None = place.page
    line = place.line
    seen = set()
    while page is not None:
        for at in range(line, page.line_count):
            flags, _, _, data = page.node(at)
            key = page.key(at)
            if not flags & _DELETED and len(key) == _KEY.size:
                found = _extent(page, at, key, data)
                if found.count:
                    yield Place(page, at, exact=True), found
        seen.add(page.pgno)
        if page.next in seen:
            raise page.error(Err.BadPageLink, f"leaves of a space tree in a circle at page {page.next}")
        page = enter(space, page.next, 1) if page.next else None
        line = 0


def _extent(page: MutablePage, line: int, key: bytes, data: bytes) -> Extent:
    if len(data) != _NUMBER.size:
        raise page.error(Err.SPAvailExtCorrupted, f"line {line}: an extent of {len(data)} data bytes")
    found = Extent(_KEY.unpack(key)[0], _NUMBER.unpack(data)[0])
    if found.count > found.last:
        raise page.error(Err.SPAvailExtCorrupted, f"line {line}: {found.count} pages that end at page {found.last}")
    return found


def ending_at(space: TreeRef, last: int) -> tuple[Place, Extent] | None:
    """Return the extent that ends with page `last`."""
    found = next(listed(space, last), None)
    return found if found is not None and found[1].last == last else None


def add(doer: Doer, space: TreeRef, extent: Extent) -> None:
    """Enter an extent."""
    place = descend(space, extent.key)
    if not place.exact:
        trees.insert(doer, space, place, extent.key, extent.data, versioned=False)
    elif place.page.node(place.line)[0] & _DELETED:
        trees.flag_insert_and_replace(doer, space, place, extent.data, versioned=False)
    else:
        trees.replace(doer, space, place, extent.data, versioned=False)


def resize(doer: Doer, space: TreeRef, place: Place, pages: int) -> None:
    """Let an extent be `pages` long up to its last page; nothing is left of it when that is 0."""
    if pages:
        trees.replace(doer, space, place, _NUMBER.pack(pages), versioned=False)
    elif place.page.line_count == 1:
        trees.flag_delete(doer, space, place, versioned=False)
    else:
        trees.remove_line(doer, space, place.page, place.line)
