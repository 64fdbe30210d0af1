"""The walk through one tree from its root: every page once, left to right, with all that binds pages to each other.

    bounds      every entry lies within what the pages above name: lower bound <= entry < upper bound
    order       entries ascend across the whole tree; by key, in trees that are not unique by key and data
    links       each leaf names its neighbours; internal pages name none
    levels      leaves at one depth; the pages right above them say so
    spine       the last bound of an internal page is empty on the right edge of the tree, else its parent's

A page is entered only once in a whole run, so that circles and cross links end the walk of what hangs below them.

Source: database reference 3, 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.check.findings import CheckKind
from engine.check.page_rules import check_page
from engine.errors import EseError
from engine.format.node import (
    COMPRESSION_THRESHOLD,
    PAGE_POINTER_SIZE,
    Node,
    NodeFlags,
    common_prefix,
    decode_node,
    nodes,
)
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.check.context import Check, TreeSpec
    from engine.check.findings import CheckFinding
    from engine.format.page import Page

MOST_DEPTH: Final = 32
"""Levels of a tree; a real one has four with a thousand million rows."""

_COMPRESSED: Final = int(NodeFlags.COMPRESSED)
"""A plain number: in a loop over all nodes an operation on flags costs ten times as much."""

_AHEAD_BYTES: Final = 1 << 18
_SHOWN: Final = 24


class _Place(NamedTuple):
    """A page to be entered: its bounds (empty upper bound: none), and the pages above it."""

    pgno: int
    low: bytes
    high: bytes
    depth: int
    parent: Page | None


class TreeWalk:
    """One walk; `visit` gets every leaf with its nodes, damaged ones left out, deleted ones included."""

    def __init__(
        self,
        check: Check,
        spec: TreeSpec,
        visit: Callable[[Page, list[tuple[int, Node]]], object] | None = None,
        *,
        owned: bool = True,
    ) -> None:
        self._check = check
        self._spec = spec
        self._visit = visit
        self._owned = owned and not spec.space_broken
        self.pages: list[int] | None = None if owned else []
        """The pages of the tree, kept when their owner is not known yet: space trees, which are small."""
        self.entries = 0
        self._stack: list[_Place] = []
        self._leaf_depth: int | None = None
        self._left: Page | None = None
        self._gap = False
        self._last: tuple[bytes, bytes] | None = None
        self._misjudged = 0
        self._ahead = range(0)

    def run(self) -> Iterator[CheckFinding]:
        """Walk the tree, yielding what is wrong."""
        check = self._check
        self._stack = [_Place(self._spec.root, b"", b"", 0, None)]
        while self._stack:
            place = self._stack.pop()
            page = self._enter(place)
            if page is None:
                self._gap = True
            elif page.is_leaf:
                self._leaf(page, place)
            else:
                self._fork(page, place)
            yield from check.drain()
        if self._left is not None and not self._gap and self._left.header.pgno_next:
            detail = f"the last leaf names page {self._left.header.pgno_next} as its right neighbour"
            check.error(CheckKind.SIBLING, detail, self._spec, page=self._left.pgno)
        yield from check.drain()

    def _enter(self, place: _Place) -> Page | None:
        """Return a page that may be looked into, or None."""
        check, spec, pgno = self._check, self._spec, place.pgno
        if not self._claim(place):
            spec.broken = True
            return None
        self._read_ahead(pgno)
        page = check.read(pgno, spec)
        if page is None:
            return None
        if not check_page(check, spec, page):
            spec.broken = True
            return None
        return page

    def _claim(self, place: _Place) -> bool:
        """Note that this tree uses the page; False, with a finding, when the page is not to be entered."""
        check, spec, pgno = self._check, self._spec, place.pgno
        if not 0 < pgno <= check.last_page:
            kind = CheckKind.BEYOND_END if pgno else CheckKind.CHILD
            above = place.parent.pgno if place.parent else 0
            check.error(kind, f"page {above} points to page {pgno} of {check.last_page}", spec, page=above or pgno)
            return False
        if place.depth > MOST_DEPTH:
            check.error(CheckKind.LEVELS, f"more than {MOST_DEPTH} levels", spec, page=pgno)
            return False
        if user := check.users.get(pgno):
            other = check.specs[user]
            above_it = f" (below page {place.parent.pgno})" if place.parent else ""
            state = "is there twice" if other is spec else f"is in use by {other.title} too"
            check.error(CheckKind.CROSS_LINK, f"the page{above_it} {state}", spec, page=pgno)
            return False
        check.users.put(pgno, pgno, spec.owner)
        if self.pages is not None:
            self.pages.append(pgno)
        if self._owned:
            check_owner(check, spec, pgno)
        return True

    def _read_ahead(self, pgno: int) -> None:
        """Read the run of leaves that come next in one piece."""
        if pgno in self._ahead or not self._stack:
            return
        most = max(1, _AHEAD_BYTES // self._check.page_size)
        count = 1
        while count < most and count <= len(self._stack) and self._stack[-count].pgno == pgno + count:
            count += 1
        if count > 1:
            self._check.pages.prefetch(pgno, count)
            self._ahead = range(pgno, pgno + count)

    def _nodes(self, page: Page) -> list[tuple[int, Node]]:
        """Return (line, node) of a page; a damaged node is a finding and left out."""
        check, spec = self._check, self._spec
        try:
            found = list(enumerate(nodes(page)))
        except EseError:
            found = []
            for line in range(page.line_count):
                try:
                    found.append((line, decode_node(page, line)))
                except EseError as error:
                    spec.broken = True
                    check.error(CheckKind.NODE, error.message, spec, page=page.pgno, line=line)
        bare = page.pgno == spec.root or spec.space
        prefix = b"" if bare else bytes(page.external_header)
        for line, node in found:
            if not node.data:
                check.error(CheckKind.NODE, "a node without data", spec, page=page.pgno, line=line)
            if node.flags & _COMPRESSED:
                if bare:
                    check.error(CheckKind.PREFIX, "a compressed key without prefix", spec, page=page.pgno, line=line)
                elif check.strict:
                    self._convention(page, line, node, prefix)
            elif check.strict and common_prefix(node.key, prefix) > COMPRESSION_THRESHOLD:
                check.info(CheckKind.PREFIX, "a key that could be shorter", spec, page=page.pgno, line=line)
        return found

    def _convention(self, page: Page, line: int, node: Node, prefix: bytes) -> None:
        """Note a compressed key that takes less of the prefix than it could, or hardly any."""
        shared = common_prefix(node.key, prefix)
        stored = int.from_bytes(page.line(line).data[:2], "little") & 0x1FFF
        if stored != shared or stored <= COMPRESSION_THRESHOLD:
            detail = f"a key takes {stored} bytes of the prefix, it shares {shared}"
            self._check.info(CheckKind.PREFIX, detail, self._spec, page=page.pgno, line=line)

    def _leaf(self, page: Page, place: _Place) -> None:
        check, spec = self._check, self._spec
        self._level(page, place)
        self._siblings(page)
        found = self._nodes(page)
        if not page.line_count and not page.is_root:
            check.error(CheckKind.EMPTY_PAGE, "a leaf without entries", spec, page=page.pgno)
        if found:
            self._order(page, found)
            self._bounds(page, place, *found[0])
            self._bounds(page, place, *found[-1])
            self.entries += len(found)
        if self._visit is not None:
            self._visit(page, found)
        self._left, self._gap = page, False

    def _level(self, page: Page, place: _Place) -> None:
        """Check that all leaves are at one depth and that the page above knows that it is above leaves."""
        if self._leaf_depth is None:
            self._leaf_depth = place.depth
        elif self._leaf_depth != place.depth:
            detail = f"a leaf at level {place.depth}, the first is at {self._leaf_depth}"
            self._check.error(CheckKind.LEVELS, detail, self._spec, page=page.pgno)
        self._above(place, leaf=True)

    def _above(self, place: _Place, *, leaf: bool) -> None:
        parent = place.parent
        if parent is None or bool(parent.flags & PageFlags.PARENT_OF_LEAF) == leaf or parent.pgno == self._misjudged:
            return
        self._misjudged = parent.pgno
        word = "leaves" if leaf else "internal pages"
        self._check.error(CheckKind.LEVELS, f"{word} below flags {parent.flags:#x}", self._spec, page=parent.pgno)

    def _siblings(self, page: Page) -> None:
        check, spec, left = self._check, self._spec, self._left
        if self._gap:
            return
        expected = left.pgno if left is not None else 0
        if left is not None and left.header.pgno_next != page.pgno:
            detail = f"the right neighbour is noted as page {left.header.pgno_next}, the tree has page {page.pgno}"
            check.error(CheckKind.SIBLING, detail, spec, page=left.pgno)
        if page.header.pgno_prev != expected:
            detail = f"the left neighbour is noted as page {page.header.pgno_prev}, the tree has page {expected}"
            check.error(CheckKind.SIBLING, detail, spec, page=page.pgno)

    def _order(self, page: Page, found: list[tuple[int, Node]]) -> None:
        spec, last = self._spec, self._last
        if spec.unique:
            before = last[0] if last is not None else None
            for line, node in found:
                key = node.key
                if before is not None and key <= before:
                    self._misplaced(page, line, key, before)
                before = key
            self._last = before or b"", b""
            return
        for line, node in found:
            entry = node.key, bytes(node.data)
            if last is not None and entry <= last:
                self._misplaced(page, line, node.key, last[0])
            last = entry
        self._last = last

    def _misplaced(self, page: Page, line: int, key: bytes, before: bytes) -> None:
        word = "is there again" if key == before else f"comes after {shown(before)}"
        self._check.error(CheckKind.ORDER, f"the key {shown(key)} {word}", self._spec, page=page.pgno, line=line)

    def _bounds(self, page: Page, place: _Place, line: int, node: Node) -> None:
        whole = node.key if self._spec.unique else node.key + bytes(node.data)
        if whole < place.low or (place.high and whole >= place.high):
            within = f"{shown(place.low)} to {shown(place.high)}"
            detail = f"the key {shown(node.key)} lies outside {within}, which page {_number(place.parent)} names"
            self._check.error(CheckKind.SEPARATOR, detail, self._spec, page=page.pgno, line=line)

    def _fork(self, page: Page, place: _Place) -> None:
        """Check an internal page and put its children on the stack."""
        check, spec = self._check, self._spec
        self._above(place, leaf=False)
        if page.header.pgno_prev or page.header.pgno_next:
            neighbours = f"{page.header.pgno_prev} and {page.header.pgno_next}"
            check.error(CheckKind.SIBLING, f"an internal page with the neighbours {neighbours}", spec, page=page.pgno)
        found = self._nodes(page)
        below: list[_Place] = []
        low = place.low
        for line, node in found:
            last = line == page.line_count - 1
            self._bound(page, place, line, node, low)
            if len(node.data) != PAGE_POINTER_SIZE:
                spec.broken = True
                detail = f"a child pointer of {len(node.data)} bytes"
                check.error(CheckKind.CHILD, detail, spec, page=page.pgno, line=line)
            elif node.deleted:
                spec.broken = True
                check.error(CheckKind.CHILD, "a child pointer marked as deleted", spec, page=page.pgno, line=line)
            else:
                high = place.high if last or not node.key else node.key
                child = int.from_bytes(node.data, "little")
                below.append(_Place(child, low, high, place.depth + 1, page))
            low = max(low, node.key)
        if not below:
            spec.broken = True
            check.error(CheckKind.EMPTY_PAGE, "an internal page without children", spec, page=page.pgno)
            self._gap = True
        self._stack.extend(reversed(below))

    def _bound(self, page: Page, place: _Place, line: int, node: Node, low: bytes) -> None:
        """Check the upper bound that an internal node names."""
        key, detail = node.key, ""
        if line == page.line_count - 1:
            if key != place.high:
                detail = f"the last bound is {shown(key)}, page {_number(place.parent)} has {shown(place.high)}"
        elif not key:
            detail = "an empty bound before the last child"
        elif place.high and key >= place.high:
            detail = f"the bound {shown(key)} is not below {shown(place.high)}"
        elif key <= low and low:
            kind = CheckKind.ORDER if line else CheckKind.SEPARATOR
            text = f"the bound {shown(key)} is not above {shown(low)}"
            self._check.error(kind, text, self._spec, page=page.pgno, line=line)
            return
        if detail:
            self._check.error(CheckKind.SEPARATOR, detail, self._spec, page=page.pgno, line=line)


def check_owner(check: Check, spec: TreeSpec, pgno: int) -> None:
    """Note it when a tree uses a page that it does not own."""
    owner = check.owners.get(pgno)
    if owner != spec.owner:
        word = f"it belongs to {check.specs[owner].title}" if owner else "nobody owns it"
        check.error(CheckKind.NOT_OWNED, f"the page is in use but not owned: {word}", spec, page=pgno)


def shown(key: bytes) -> str:
    """Return a key in hexadecimal, shortened."""
    if not key:
        return "(none)"
    return key.hex() if len(key) <= _SHOWN else f"{key[:_SHOWN].hex()}..."


def _number(page: Page | None) -> int:
    return page.pgno if page is not None else 0
