"""The rules that every written page keeps.

In the debug mode (`demand(True)`; all tests run with it) a page that breaks one is not written: whatever broke it is an
error of the program and not of the data.

Source: database reference 2.5, 3.1-3.4, 4.1, 10.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format.node import COMPRESSION_THRESHOLD, SPACE_HEADER_SIZE, NodeFlags, common_prefix
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.pages.mutable import MutablePage

_UNUSED: Final = PageFlags.EMPTY | PageFlags.PRE_INIT
_WHOLE_KEYS: Final = PageFlags.ROOT | PageFlags.SPACE_TREE
_POINTER: Final = 4
_LARGEST_KEY: Final = 0x1FFF
_KEPT: Final = NodeFlags.VERSION | NodeFlags.DELETED


class _Mode:
    on = False


def demand(on: bool) -> None:  # noqa: FBT001 - a switch
    """Turn the debug mode on or off."""
    _Mode.on = on


def assert_rules(page: MutablePage) -> None:
    """In the debug mode: -107 for a page that breaks a rule."""
    if _Mode.on and (broken := broken_rule(page)) is not None:
        raise page.error(Err.InternalError, f"a page that may not be written: {broken}")


def broken_rule(page: MutablePage) -> str | None:
    """Return the first rule that a page breaks, in words; None when it breaks none."""
    if page.flags & _UNUSED:
        return None
    return next(_broken(page), None)


def _broken(page: MutablePage) -> Iterator[str]:
    nodes = [page.node(line) for line in range(page.line_count)]
    used = len(page.external) + sum((8 if node[1] else 6) + len(node[2]) + len(node[3]) for node in nodes)
    if used > page.capacity or used > page.used:
        yield f"{used} bytes of {page.capacity}, noted are {page.used}"
    if not nodes and not (page.is_root and page.is_leaf):
        yield "no line"
    keys = page.keys()
    if keys != [page.key(line) for line in range(len(nodes))]:
        yield "the keys for searches are not those of the nodes"
    yield from _standing(page)
    yield from _lines(page, keys)
    yield from _order(page, keys)


def _standing(page: MutablePage) -> Iterator[str]:
    """Judge what the page says of its place in the tree."""
    flags, root = page.flags, page.is_root
    if page.is_leaf and flags & PageFlags.PARENT_OF_LEAF:
        yield "a leaf above leaves"
    if (page.prev or page.next) and (root or not page.is_leaf):
        yield "neighbours of a root or an internal page"
    if page.pgno in {page.prev, page.next}:
        yield "its own neighbour"
    if root and not flags & PageFlags.SPACE_TREE and len(page.external) < SPACE_HEADER_SIZE:
        yield f"a root header of {len(page.external)} bytes"


def _order(page: MutablePage, keys: list[bytes]) -> Iterator[str]:
    pairs = page.is_leaf and page.flags & PageFlags.NON_UNIQUE and not page.flags & PageFlags.SPACE_TREE
    for line, (before, after) in enumerate(pairwise(keys), 1):
        if pairs:
            right = (before, page.data(line - 1)) < (after, page.data(line))
        else:
            right = before < after or (not after and not page.is_leaf and line + 1 == len(keys))
        if not right:
            yield f"line {line} is not above the one before"


def _lines(page: MutablePage, keys: list[bytes]) -> Iterator[str]:
    whole = bool(page.flags & _WHOLE_KEYS)
    for line, key in enumerate(keys):
        flags, prefix, _, data = page.node(line)
        if flags & ~_KEPT:
            yield f"line {line} has flags {flags:#x}"
        if not data or (not page.is_leaf and len(data) != _POINTER):
            yield f"line {line} has {len(data)} bytes of data"
        if not key and (page.is_leaf or line + 1 < len(keys)):
            yield f"line {line} has no key"
        if len(key) > _LARGEST_KEY:
            yield f"line {line} has a key of {len(key)} bytes"
        shared = 0 if whole else common_prefix(key, page.external)
        if prefix != (shared if shared > COMPRESSION_THRESHOLD else 0):
            yield f"line {line} takes {prefix} of {shared} shared bytes from the prefix"
