"""Finding places in a tree that changes.

    internal page   child i holds what is >= separator i-1 and < separator i; the last line takes the rest
    leaf            first line >= the bookmark: the key, in a non-unique tree the key and then the data

The leaf where the last search ended is tried first: whatever lies between the first and the last line of a leaf
belongs to it, and so does what is greater than the last line of the last leaf.
Source: database reference 3.3-3.5.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from engine.errors import EseError
    from engine.pages.mutable import MutablePage
    from engine.store.doing import TreeRef

_DEEPEST: Final = 32
_LEAF: Final = int(PageFlags.LEAF)
_SPACE: Final = int(PageFlags.SPACE_TREE)
_LIVE: Final = int(PageFlags.LEAF | PageFlags.EMPTY | PageFlags.PRE_INIT | PageFlags.SPACE_TREE)
_UNUSED: Final = int(PageFlags.EMPTY | PageFlags.PRE_INIT)
_KIND: Final = _UNUSED | _SPACE


class Place(NamedTuple):
    """Where a bookmark is or would be: the first line of the leaf that is not less; `exact` when it is equal."""

    page: MutablePage
    line: int
    exact: bool


class Step(NamedTuple):
    """One page on the way down; `line` is the pointer taken, on a leaf where the bookmark is or would be."""

    page: MutablePage
    line: int


def descend(tree: TreeRef, key: bytes, data: bytes = b"") -> Place:
    """Find the place of a bookmark; `data` counts in non-unique trees only.

    -1206 for a tree that leads astray, and what reading a page raises.
    """
    unique, hint = tree.unique, tree.hint
    if hint:
        page = tree.pages.load(hint)
        if page.flags & _LIVE == _LEAF and page.objid == tree.objid:
            keys = page.keys()
            if keys and keys[0] < key:
                last = keys[-1]
                if last < key:
                    if not page.next:
                        return Place(page, len(keys), exact=False)
                elif last > key or unique:
                    return _in_leaf(page, keys, key, data, unique=unique)
    page = _leaf(tree, key if unique else key + data)
    tree.hint = page.pgno if tree.owner is None else 0
    return _in_leaf(page, page.keys(), key, data, unique=unique)


def first_place(tree: TreeRef) -> Place:
    """Return the place before the first node."""
    return Place(_leaf(tree, b""), 0, exact=False)


def last_leaf(tree: TreeRef) -> MutablePage:
    """Return the rightmost leaf."""
    page = enter(tree, tree.root, 0)
    depth = 0
    while not page.flags & _LEAF:
        depth += 1
        page = enter(tree, page.child(page.line_count - 1), depth)
    return page


def _in_leaf(page: MutablePage, keys: list[bytes], key: bytes, data: bytes, *, unique: bool) -> Place:
    line = bisect_left(keys, key)
    if unique:
        return Place(page, line, line < len(keys) and keys[line] == key)
    end = bisect_right(keys, key, line)
    if line == end:
        return Place(page, line, exact=False)
    line = bisect_left(range(end), data, line, end, key=page.data)
    return Place(page, line, line < end and page.data(line) == data)


def _leaf(tree: TreeRef, bookmark: bytes) -> MutablePage:
    """Go down to the leaf of a bookmark; the way of every search that is not near the last one."""
    load, objid = tree.pages.load, tree.objid
    space = _SPACE if tree.owner is not None else 0
    pgno = tree.root
    for _ in range(_DEEPEST):
        page = load(pgno)
        flags = page.flags
        if flags & _KIND != space or page.objid != objid:
            raise astray(tree, page)
        if flags & _LEAF:
            return page
        keys = page.keys()
        count = len(keys)
        pgno = page.child(bisect_right(keys, bookmark, 0, count - 1) if count > 1 else 0)
    raise astray(tree, page)


def path_to(tree: TreeRef, key: bytes, data: bytes = b"") -> list[Step]:
    """Return the way from the root to the leaf of a bookmark."""
    bookmark = key if tree.unique else key + data
    page = enter(tree, tree.root, 0)
    path: list[Step] = []
    while not page.flags & _LEAF:
        keys = page.keys()
        line = bisect_right(keys, bookmark, 0, max(len(keys) - 1, 0))
        path.append(Step(page, line))
        page = enter(tree, page.child(line), len(path))
    place = _in_leaf(page, page.keys(), key, data, unique=tree.unique)
    path.append(Step(page, place.line))
    return path


def enter(tree: TreeRef, pgno: int, depth: int) -> MutablePage:
    """Load a page of the tree, `depth` levels below the root; -1206 when it is not one."""
    page = tree.pages.load(pgno)
    flags = page.flags
    space = _SPACE if tree.owner is not None else 0
    if flags & _KIND != space or page.objid != tree.objid or depth > _DEEPEST:
        raise astray(tree, page)
    return page


def astray(tree: TreeRef, page: MutablePage) -> EseError:
    """Return -1206: the page is none of the tree's."""
    detail = f"tree {tree.objid} leads to it, it is of object {page.objid} with flags {page.flags:#x}"
    return page.error(Err.DatabaseCorrupted, detail)
