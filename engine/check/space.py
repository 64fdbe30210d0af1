"""Space: what each tree owns, what it has left, and that no page is in two hands.

    owned(T) = pages of T + pages of its space trees + available(T) + split buffers + what it gave to its children

For every tree: the root's space header, the OE and AE trees as trees of their own, extents that ascend without overlap,
owned ones taken from the parent, available ones inside one owned one.

Source: database reference 4.2-4.4.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from engine.check.context import TreeSpec
from engine.check.findings import CheckKind
from engine.check.tree import TreeWalk, check_owner
from engine.errors import Err, EseError
from engine.event_table import Severity
from engine.format.node import Extent, RootHeader, SpaceFlags, split_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.check.context import Check
    from engine.check.findings import CheckFinding
    from engine.format.node import Node, SpaceHeader
    from engine.format.page import Page

_SHELVED: Final = 2
"""Pool of pages beyond the end of the database."""

_MOST_RUNS: Final = 20


class SpaceCheck:
    """The space of one tree; `parent` is the tree it has its pages from, None for the system root."""

    def __init__(self, check: Check, spec: TreeSpec, parent: TreeSpec | None) -> None:
        self._check = check
        self._spec = spec
        self._parent = parent
        self._parent_owner = parent.owner if parent is not None else 0
        self.header: RootHeader | None = None

    def run(self) -> Iterator[CheckFinding]:
        """Read the space of the tree into the maps."""
        check, spec = self._check, self._spec
        header = self._root_header()
        if header is None:
            spec.space_broken = True
        elif header.multiple_extent:
            yield from self._space_trees(header)
        else:
            self._single_extent(header)
        yield from check.drain()

    def _root_header(self) -> SpaceHeader | None:
        """Read and check the space header; the walk of the tree looks at the rest of the page."""
        check, spec = self._check, self._spec
        pgno = spec.root
        if not 0 < pgno <= check.last_page:
            return None  # the walk says so
        try:
            page = check.pages.page(pgno)
            if page.header.objid != spec.objid or not page.is_root:
                return None  # the walk says so
        except EseError:
            return None  # the walk says so
        try:
            self.header = RootHeader.of(page)
        except EseError as error:
            check.error(CheckKind.ROOT_HEADER, error.message, spec, page=pgno)
            return None
        header = self.header.space
        parent = self._parent.root if self._parent is not None else 0
        if header.pgno_parent != parent:
            detail = f"the parent is noted as page {header.pgno_parent}, it is {parent}"
            check.error(CheckKind.ROOT_HEADER, detail, spec, page=pgno)
        if bool(header.flags & SpaceFlags.NON_UNIQUE) == spec.unique:
            word = "unique" if spec.unique else "not unique"
            detail = f"space flags {int(header.flags):#x} on a tree that is {word}"
            check.error(CheckKind.ROOT_HEADER, detail, spec, page=pgno)
        return header

    def _single_extent(self, header: SpaceHeader) -> None:
        check, spec = self._check, self._spec
        last = spec.root + header.pages - 1
        if not header.pages:
            spec.space_broken = True
            check.error(CheckKind.ROOT_HEADER, "a tree that owns nothing, not even its root", spec, page=spec.root)
            return
        self._own(Extent(last, header.pages), spec.root, None)
        for pgno in header.free_pages(spec.root):
            if pgno > check.last_page:
                break
            self._available(Extent(pgno, 1), spec.root, None)

    def _space_trees(self, header: SpaceHeader) -> Iterator[CheckFinding]:
        check, spec = self._check, self._spec
        owned_tree = self._tree("OE", header.pgno_oe)
        owned = TreeWalk(check, owned_tree, self._owned_leaf, owned=False)
        yield from owned.run()
        spec.space_broken |= owned_tree.broken
        if not spec.extents and not spec.space_broken:
            spec.space_broken = True
            check.error(CheckKind.SPACE_TREE, "a tree that owns nothing", owned_tree, page=owned_tree.root)
        free_tree = self._tree("AE", header.pgno_ae)
        free = TreeWalk(check, free_tree, self._free_leaf, owned=False)
        yield from free.run()
        if owned_tree.broken or free_tree.broken:
            spec.broken = True
        for walk, tree in ((owned, owned_tree), (free, free_tree)):
            if not spec.space_broken:
                for pgno in walk.pages or ():
                    check_owner(check, tree, pgno)
            self._split_buffer(tree)

    def _tree(self, word: str, root: int) -> TreeSpec:
        spec = self._spec
        name = f"{spec.tree} {word}" if spec.tree else word
        return TreeSpec(spec.table, name, root, spec.objid, spec.owner, spec.kind, space=True)

    def _owned_leaf(self, page: Page, found: list[tuple[int, Node]]) -> None:
        self._extents(page, found, owned=True)

    def _free_leaf(self, page: Page, found: list[tuple[int, Node]]) -> None:
        self._extents(page, found, owned=False)

    def _extents(self, page: Page, found: list[tuple[int, Node]], *, owned: bool) -> None:
        """Take the extents of a leaf of a space tree into the maps."""
        check, spec = self._check, self._spec
        code = Err.SPOwnExtCorrupted if owned else Err.SPAvailExtCorrupted
        for line, node in found:
            if node.deleted:
                continue
            try:
                extent = Extent.of(page, node, code=code)
            except EseError as error:
                self._bad(error.message, page.pgno, line, code=code)
                if owned:
                    spec.space_broken = True
                else:
                    spec.broken = True
                continue
            if not extent.count:
                continue
            if owned:
                self._own(extent, page.pgno, line)
            elif extent.pool == _SHELVED:
                if extent.first <= check.last_page and check.owners.get(extent.first):
                    self._bad(f"shelved pages {extent.first} to {extent.last} are owned", page.pgno, line)
            else:
                self._available(extent, page.pgno, line)

    def _bad(self, detail: str, page: int, line: int | None, code: int = 0) -> None:
        self._check.add(CheckKind.SPACE_TREE, Severity.ERROR, detail, self._spec, page=page, line=line, code=code)

    def _own(self, extent: Extent, page: int, line: int | None) -> None:
        check, spec = self._check, self._spec
        first, last = extent.first, extent.last
        if last > check.last_page:
            detail = f"pages {first} to {last} are owned, the file ends with page {check.last_page}"
            check.error(CheckKind.BEYOND_END, detail, spec, page=page, line=line)
            last = check.last_page
            if first > last:
                return
        before = spec.extents[-1][1] if spec.extents else 0
        if first <= before:
            self._bad(f"owned pages {first} to {last} overlap their neighbour, which ends at {before}", page, line)
        spec.extents.append((first, last))
        conflict = check.owners.put(first, last, spec.owner, over=self._parent_owner)
        if conflict is not None:
            at, owner = conflict
            if owner and owner != spec.owner:
                detail = f"page {at} of {first} to {last} is owned by {check.specs[owner].title} too"
                check.error(CheckKind.OWNED_TWICE, detail, spec, page=page, line=line)
            elif not owner and not (self._parent is not None and self._parent.space_broken):
                detail = f"page {at} of {first} to {last} is not owned by the parent"
                check.error(CheckKind.NOT_OWNED, detail, spec, page=page, line=line)
        elif self._parent is not None and not _inside(self._parent.extents, first, last):
            detail = f"owned pages {first} to {last} lie in several extents of the parent"
            check.warn(CheckKind.SPACE_TREE, detail, spec, page=page, line=line)

    def _available(self, extent: Extent, page: int, line: int | None) -> None:
        check, spec = self._check, self._spec
        first, last = extent.first, min(extent.last, check.last_page)
        if not spec.space_broken and not _inside(spec.extents, extent.first, extent.last):
            self._bad(f"available pages {extent.first} to {extent.last} lie in no one owned extent", page, line)
        if first > last:
            return
        conflict = check.users.put(first, last, spec.owner)
        if conflict is not None:
            at, user = conflict
            word = "again" if user == spec.owner else f"and in use by {check.specs[user].title}"
            detail = f"page {at} is available in {first} to {extent.last} {word}"
            check.error(CheckKind.CROSS_LINK, detail, spec, page=page, line=line)

    def _split_buffer(self, tree: TreeSpec) -> None:
        """Count the pages that the root of a space tree keeps in reserve as used."""
        check = self._check
        try:
            page = check.pages.page(tree.root)
            reserves = split_buffers(page)
        except EseError as error:
            if not tree.broken:
                check.error(CheckKind.ROOT_HEADER, error.message, tree, page=tree.root)
            return
        if tree.broken:
            return
        for extent in reserves:
            last = min(extent.last, check.last_page)
            conflict = check.users.put(extent.first, last, self._spec.owner)
            if conflict is not None:
                detail = f"page {conflict[0]} is in reserve and in use by {check.specs[conflict[1]].title}"
                check.error(CheckKind.CROSS_LINK, detail, tree, page=tree.root)
            elif not self._spec.space_broken and not _inside(self._spec.extents, extent.first, extent.last):
                detail = f"pages {extent.first} to {extent.last} are in reserve but not owned"
                check.error(CheckKind.NOT_OWNED, detail, tree, page=tree.root)


def _inside(extents: list[tuple[int, int]], first: int, last: int) -> bool:
    """Whether a run of pages lies in one of the extents."""
    at = bisect_left(extents, first, key=lambda each: each[1])
    return at < len(extents) and extents[at][0] <= first and last <= extents[at][1]


def leaked(check: Check) -> Iterator[CheckFinding]:
    """Yield, at the end, the pages of each tree that are owned and neither used nor available."""
    runs: dict[int, list[tuple[int, int]]] = {}
    counts: dict[int, int] = {}
    for owner, first, last in check.owners.runs_without(check.users):
        mine = runs.setdefault(owner, [])
        counts[owner] = counts.get(owner, 0) + last - first + 1
        if mine and mine[-1][1] == first - 1:
            mine[-1] = mine[-1][0], last
        elif len(mine) <= _MOST_RUNS:
            mine.append((first, last))
    for owner, mine in runs.items():
        spec = check.specs[owner]
        text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in mine[:_MOST_RUNS])
        more = ", ..." if len(mine) > _MOST_RUNS else ""
        detail = f"{counts[owner]:,} pages are owned but neither used nor available: {text}{more}"
        if spec.broken or spec.space_broken:
            # They may well hang below a page that could not be entered.
            check.info(CheckKind.LEAKED, detail, spec, page=mine[0][0])
        else:
            check.warn(CheckKind.LEAKED, detail, spec, page=mine[0][0])
    yield from check.drain()
