"""A tree over a page source: pages checked as members of it, descents, and the walk along its leaves.

    root    keeps its page number for ever; flagged root, and leaf or not
    inside  children with exclusive upper bounds; compared with the key, in non-unique trees with key and data joined
    leaves  linked both ways, ends 0

Damage does not end a reader: a page that cannot be read is quarantined, which means named in a finding and passed
over.  `strict` raises instead.

Source: database reference 3.3, 3.5, 4.1; pitfall 15.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from engine.btree.leaf import Fork, Leaf
from engine.btree.walk import MOST_DEPTH, CrossLinkError, leaf_pages
from engine.errors import Err, EseError
from engine.findings import Findings, UnitKind, finding_of
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.format.page import Page
    from engine.pages.source import PageSource

_Parsed = TypeVar("_Parsed", Leaf, Fork)

_FREE: Final = PageFlags.EMPTY | PageFlags.PRE_INIT
_MOST_PARSED: Final = 32
"""Pages a tree keeps in parsed form, for searches that follow each other closely."""


class Tree:
    """One B+-tree: rooted at page `root`, of object `objid` (None: whatever the root says).

    `table` and `name` go into findings.
    """

    def __init__(
        self,
        pages: PageSource,
        root: int,
        *,
        objid: int | None = None,
        findings: Findings | None = None,
        strict: bool = False,
        table: str = "",
        name: str = "",
    ) -> None:
        self.pages = pages
        self.root = root
        self.objid = objid
        self.findings = findings if findings is not None else Findings()
        self.strict = strict
        self.table = table
        self.name = name
        self._leaves: OrderedDict[int, Leaf] = OrderedDict()
        self._forks: OrderedDict[int, Fork] = OrderedDict()

    def report(
        self,
        error: EseError,
        number: int,
        *,
        kind: UnitKind = UnitKind.PAGE,
        line: int | None = None,
        warning: bool = False,
    ) -> None:
        """Make a finding of an error; raise it instead when the tree is read strictly and it is no warning."""
        if self.strict and not warning:
            raise error
        self.findings.add(
            finding_of(
                error,
                kind,
                number,
                path=self.pages.path,
                table=self.table,
                tree=self.name,
                line=line,
                warning=warning,
            )
        )

    def page(self, pgno: int) -> Page:
        """Return a page of this tree.

        The errors of `PageSource.page`; -327 for a page that is free; `CrossLinkError`, also -327, for one that has
        another owner or another place: of another object, of a space tree, or a root where there should be none.
        """
        page = self.pages.page(pgno)
        header = page.header
        if self.objid is None and pgno == self.root:
            self.objid = header.objid
        if header.flags & _FREE:
            raise page.error(Err.BadPageLink, f"a page with flags {int(header.flags):#x} is not in use")
        if header.objid != self.objid:
            raise CrossLinkError(f"the page belongs to object {header.objid}, not to {self.objid}", page)
        if header.flags & PageFlags.SPACE_TREE:
            raise CrossLinkError("the page is part of a space tree", page)
        if bool(header.flags & PageFlags.ROOT) != (pgno == self.root):
            raise CrossLinkError("a root within a tree" if pgno != self.root else "not a root", page)
        return page

    def leaf(self, page: Page) -> Leaf:
        """Return the parsed form of a leaf; nodes that are damaged become findings and are left out."""
        return _kept(self._leaves, page, lambda: Leaf(page, lambda line, error: self.bad_line(page, line, error)))

    def fork(self, page: Page) -> Fork:
        """Return the parsed form of an internal page; -357, -358 or -338 when it is damaged."""
        return _kept(self._forks, page, lambda: Fork(page))

    def parsed(self, page: Page) -> Leaf | None:
        """Return the parsed form of a leaf, or None, with a finding, when its tags make no sense at all."""
        try:
            return self.leaf(page)
        except EseError as error:
            self.report(error, page.pgno)
            return None

    def bad_line(self, page: Page, line: int, error: EseError) -> None:
        """Report a node that cannot be used."""
        self.report(error, page.pgno, kind=UnitKind.RECORD, line=line)

    def descend(self, key: bytes) -> Leaf:
        """Return the leaf where entries that begin with `key` are, or would be.

        Raises what is wrong with a page on the way, whatever `strict` says.
        """
        page = self.page(self.root)
        for _ in range(MOST_DEPTH):
            if page.is_leaf:
                return self.leaf(page)
            fork = self.fork(page)
            page = self.page(fork.children[fork.place(key)])
        raise page.error(Err.BadParentPageLink, f"more than {MOST_DEPTH} levels")

    def find(self, key: bytes) -> tuple[Leaf, int] | None:
        """Return the leaf and the place in it of the first entry with this key, or None; raises as `descend`."""
        leaf = self.descend(key)
        index = leaf.first_at_least(key)
        return (leaf, index) if index < len(leaf) and leaf.keys[index] == key else None

    def get(self, key: bytes) -> bytes | None:
        """Return the data of the first entry with this key, or None; raises as `descend`."""
        found = self.find(key)
        return None if found is None else found[0].value(found[1])

    def leaves(self, start: bytes | None = None, *, reverse: bool = False, ahead: bool = False) -> Iterator[Page]:
        """Yield the leaf pages in order, from the one where `start` belongs, or from the (right, if reverse) end.

        `ahead` reads runs of pages in one piece, for walks that will see them all.
        """
        return leaf_pages(self, start, reverse=reverse, ahead=ahead)

    def entries(self, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, data) of the live entries in order, from the leaf where `start` belongs."""
        for page in self.leaves(start, ahead=start is None):
            leaf = self.parsed(page)
            if leaf is not None:
                yield from ((key, leaf.value(index)) for index, key in enumerate(leaf.keys))


def _kept(cache: OrderedDict[int, _Parsed], page: Page, make: Callable[[], _Parsed]) -> _Parsed:
    """Return the parsed form of a page, made again when the source has given another page since."""
    found = cache.get(page.pgno)
    if found is not None and found.page is page:
        cache.move_to_end(page.pgno)
        return found
    cache[page.pgno] = made = make()
    if len(cache) > _MOST_PARSED:
        cache.popitem(last=False)
    return made
