"""The walk along the leaves of a tree, kept going by two witnesses: the links between leaves, and the parents.

In a whole tree both agree on every step.  Where they do not:

    the next leaf cannot be read     it is quarantined; the parents name the one after it
    a parent cannot be read          the links lead on; where they break too, the next whole parent takes over
    the link leads elsewhere         to a leaf that belongs between the two (a split that a crash cut short): it is
                                     taken along; to one further on, or to nothing: the parents are right
    to a page of another tree, or    the walk ends, with a finding: nothing behind such a page can be trusted
    to one that was there already

A bit map of the pages seen bounds every walk by the size of the file.

Source: database reference 4.1, 4.7; pitfall 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import CorruptionError, Err, EseError
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.btree.tree import Tree
    from engine.format.page import Page

MOST_DEPTH: Final = 32
"""Levels of a tree; a real one has four with a thousand million rows."""

_AHEAD_BYTES: Final = 1 << 20
_PIECE_SHIFT: Final = 15
_PIECE_MASK: Final = (1 << _PIECE_SHIFT - 3) - 1


_END: Final = 0
_GAP: Final = -1
"""Stands for the leaves of a parent that cannot be read."""


class CrossLinkError(CorruptionError):
    """A link leads to a page of another tree, or to one that is in two places of this tree: -327."""

    def __init__(self, message: str, page: Page) -> None:
        super().__init__(
            page.error(Err.BadPageLink, message).message, code=Err.BadPageLink, path=page.path, page=page.pgno
        )


class _Seen:
    """The pages a walk has met: one bit a page, in pieces that come into being when they are needed."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytearray] = {}

    def add(self, pgno: int) -> bool:
        """Note a page; return whether it is new."""
        piece = self._pieces.get(pgno >> _PIECE_SHIFT)
        if piece is None:
            piece = self._pieces[pgno >> _PIECE_SHIFT] = bytearray(1 << _PIECE_SHIFT - 3)
        at, bit = pgno >> 3 & _PIECE_MASK, 1 << (pgno & 7)
        new = not piece[at] & bit
        piece[at] |= bit
        return new

    def __contains__(self, pgno: int) -> bool:
        piece = self._pieces.get(pgno >> _PIECE_SHIFT)
        return piece is not None and bool(piece[pgno >> 3 & _PIECE_MASK] >> (pgno & 7) & 1)


def leaf_pages(tree: Tree, start: bytes | None, *, reverse: bool, ahead: bool) -> Iterator[Page]:
    """Yield the leaves of a tree, see `Tree.leaves`."""
    return _Walk(tree, reverse=reverse, ahead=ahead).run(start)


class _Walk:
    def __init__(self, tree: Tree, *, reverse: bool, ahead: bool) -> None:
        self._tree = tree
        self._reverse = reverse
        self._ahead = ahead
        self._run = max(1, _AHEAD_BYTES // tree.pages.page_size)
        self._forks = _Seen()
        self._leaves = _Seen()
        self._ended = False
        self._parents: Iterator[int] = iter(())
        self._wanted = _END
        self._gap = False
        self._disputed = -1

    def run(self, start: bytes | None) -> Iterator[Page]:
        """Yield the leaves; see the table in the module's description."""
        try:
            root = self._tree.page(self._tree.root)
        except EseError as error:
            self._tree.report(error, self._tree.root)
            return
        if root.is_leaf:
            yield root
            return
        self._parents = self._expected(root, start, 0)
        self._advance()
        before: Page | None = None
        while (target := self._target(before)) and not self._ended:
            before = self._leaf(target)
            if before is not None:
                yield before

    def _advance(self) -> None:
        """Take the next leaf that the parents name."""
        self._gap = False
        self._wanted = next(self._parents, _END)
        while self._wanted == _GAP:
            self._gap = True
            self._wanted = next(self._parents, _END)

    def _target(self, before: Page | None) -> int:
        """Return the leaf that follows `before` (None: it could not be read), 0 at the end."""
        link = self._wanted if before is None else self._onward(before)
        if self._gap and link:
            # The links alone know the way, until they come to a leaf that a parent names.
            target = link
        elif before is None or link == self._wanted:
            target = self._wanted
        else:
            target = self._wanted if self._gap else self._choose(before, link, self._wanted)
        if target == self._wanted:
            self._advance()
        return target

    def _onward(self, page: Page) -> int:
        return page.header.pgno_prev if self._reverse else page.header.pgno_next

    def _leaf(self, pgno: int) -> Page | None:
        """Return a leaf, or None when it is quarantined or the walk has ended."""
        if not self._leaves.add(pgno):
            self._end(pgno, "the leaves form a circle: this page was there before")
            return None
        try:
            page = self._tree.page(pgno)
        except EseError as error:
            self._tree.report(error, pgno)
            self._ended = isinstance(error, CrossLinkError)
            return None
        if not page.is_leaf:
            self._end(pgno, "an internal page among the leaves")
            return None
        return page

    def _end(self, pgno: int, detail: str) -> None:
        self._ended = True
        error = EseError.from_code(Err.BadPageLink, detail, path=self._tree.pages.path, page=pgno)
        self._tree.report(error, pgno)

    def _choose(self, before: Page, link: int, wanted: int) -> int:
        """Return where to go from `before` when its link and the parents disagree."""
        tree = self._tree
        if wanted != self._disputed:
            # Said once, not for each of many leaves that the parents do not know.
            self._disputed = wanted
            named = f"page {wanted}" if wanted else "no further leaf"
            detail = f"the link leads to {f'page {link}' if link else 'nothing'}, the parents name {named}"
            tree.report(before.error(Err.BadPageLink, detail), before.pgno, warning=True)
        if not link or link in self._leaves:
            return link or wanted  # a circle is reported when it is entered
        try:
            other = tree.page(link)
        except EseError as error:
            if isinstance(error, CrossLinkError):
                return link  # the walk ends there
            tree.report(error, link)
            return wanted
        if not wanted or not other.is_leaf:
            return link
        return link if self._between(before, other, wanted) else wanted

    def _between(self, before: Page, other: Page, wanted: int) -> bool:
        """Return whether the entries of `other` belong between two leaves that the parents have side by side."""
        tree = self._tree
        try:
            left, middle, right = tree.leaf(before).keys, tree.leaf(other).keys, tree.leaf(tree.page(wanted)).keys
        except EseError:
            return True
        if not middle:
            return False
        if self._reverse:
            left, right = right, left
        return (not left or left[-1] <= middle[0]) and (not right or middle[-1] <= right[0])

    def _expected(self, page: Page, start: bytes | None, depth: int) -> Iterator[int]:
        """Yield the leaves below an internal page as the parents name them."""
        tree = self._tree
        if not self._forks.add(page.pgno) or depth > MOST_DEPTH:
            self._end(page.pgno, "the tree reaches this page twice")
            return
        try:
            fork = tree.fork(page)
        except EseError as error:
            tree.report(error, page.pgno)
            yield _GAP
            return
        children: Sequence[int] = fork.children
        at = None if start is None else fork.place(start)
        if self._reverse:
            children = children[: None if at is None else at + 1][::-1]
        elif at:
            children = children[at:]
        if page.header.flags & PageFlags.PARENT_OF_LEAF:
            yield from self._with_reading_ahead(children)
            return
        for place, child in enumerate(children):
            below = self._inside(child)
            if self._ended:
                return
            if below is None:
                yield _GAP
            elif below.is_leaf:
                yield child
            else:
                yield from self._expected(below, None if place else start, depth + 1)

    def _inside(self, pgno: int) -> Page | None:
        """Return a child of an internal page; None when it cannot be read."""
        try:
            return self._tree.page(pgno)
        except EseError as error:
            self._tree.report(error, pgno)
            self._ended = isinstance(error, CrossLinkError)
            return None

    def _with_reading_ahead(self, children: Sequence[int]) -> Iterator[int]:
        if not self._ahead:
            yield from children
            return
        at, count = 0, len(children)
        while at < count:
            first, length = children[at], 1
            while at + length < count and length < self._run and children[at + length] == first + length:
                length += 1
            if length > 1:
                self._tree.pages.prefetch(first, length)
            yield from children[at : at + length]
            at += length
