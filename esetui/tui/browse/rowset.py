"""The rows of one index by their number, however many there are.

    survey    walks the leaves once, a slice at a time, and notes of each only its page and its number of entries
    read      entries n .. n + count: the leaf is known, so one page is read, wherever n is

Twelve bytes a leaf are kept, and nothing of the rows.  Until the survey is through, rows can be asked for by their
number as far as it has come, and from the other end by negative numbers: -1 is the last.

Source: database reference 4.1.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right
from operator import neg
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError
from engine.table.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.btree.leaf import Leaf
    from engine.catalog import IndexDef
    from engine.format.page import Page
    from engine.table import Table

MOST_LEAVES: Final = 4_000_000
"""Leaves whose place is kept: 48 MB of memory, and 30 GB of rows at 8 KiB a page."""


class Entry(NamedTuple):
    """A row by its number; `row` is None when the entry has none that can be had, and `problem` says why."""

    number: int
    row: Row | None
    problem: str = ""


class Rowset:
    """The entries of an index (None: the table has no primary one) in order.

    `known` counts the entries that the survey has seen, `total` is None until it is through; `cut` says that the
    table has more leaves than are kept.
    """

    def __init__(self, table: Table, index: IndexDef | None, *, most_leaves: int = MOST_LEAVES) -> None:
        self.table = table
        self.index = index
        self.known = 0
        self.total: int | None = None
        self.cut = False
        self._most = most_leaves
        self._by_row = index is None or index.primary
        self._tree = table.tree if index is None else table.index_tree(index)
        self._pages = array("I")
        self._starts = array("Q")
        self._walk: Iterator[Page] | None = None
        self._last_pages = array("I")
        self._last_starts = array("q")
        self._back: Iterator[Page] | None = None

    def survey(self, seconds: float, most: int | None = None) -> bool:
        """Go on with the survey for a while, or until `most` entries are known; return whether there is more."""
        if self.total is not None:
            return False
        if self._walk is None:
            self._walk = self._tree.leaves(ahead=True)
        until = time.monotonic() + seconds
        for page in self._walk:
            leaf = self._tree.parsed(page)
            if leaf is not None and len(leaf):
                self._pages.append(page.pgno)
                self._starts.append(self.known)
                self.known += len(leaf)
            self.cut = len(self._pages) >= self._most
            if self.cut:
                break
            if time.monotonic() > until or (most is not None and self.known >= most):
                return True
        self.total = self.known
        self._walk = None
        return False

    def read(self, start: int, count: int) -> list[Entry]:
        """Return up to `count` entries from number `start` on, within what is known (from the end: negative)."""
        end = min(start + count, 0 if start < 0 else self.known)
        entries: list[Entry] = []
        for pgno, first, behind in self._leaves_with(start, end):
            numbers = range(max(start, first), min(end, behind))
            try:
                leaf = self._tree.leaf(self._tree.page(pgno))
                entries += [self.entry(leaf, number - first, number) for number in numbers]
            except (EseError, IndexError) as error:
                # A page that was whole when it was counted, and is not now.
                said = str(error) if isinstance(error, EseError) else f"page {pgno} has changed"
                entries += [Entry(number, None, said) for number in numbers]
        return entries

    def entry(self, leaf: Leaf, at: int, number: int) -> Entry:
        """Return the row at a place of a leaf."""
        try:
            row = self.table.row(leaf, at) if self._by_row else self.table.fetch(leaf.value(at))
        except EseError as error:
            return Entry(number, None, f"{error.name} ({error.code}): {error.message}")
        return Entry(number, row)

    def leaves(self) -> Iterator[tuple[Leaf, int]]:
        """Yield each leaf with the number of its first entry, from the first one on."""
        number = 0
        for page in self._tree.leaves(ahead=True):
            leaf = self._tree.parsed(page)
            if leaf is not None and len(leaf):
                yield leaf, number
                number += len(leaf)

    def _leaves_with(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (page, first number, number behind the last) of the leaves with entries from `start` on."""
        if start >= end:
            return
        if start >= 0:
            count = len(self._pages)
            for index in range(max(0, bisect_right(self._starts, start) - 1), count):
                first = self._starts[index]
                if first >= end:
                    return
                yield self._pages[index], first, self._starts[index + 1] if index + 1 < count else self.known
            return
        self._survey_back(start)
        # These are kept from the last leaf to the first.
        from_here = min(bisect_left(self._last_starts, -start, key=neg), len(self._last_starts) - 1)
        for index in range(from_here, -1, -1):
            first = self._last_starts[index]
            if first >= end:
                return
            yield self._last_pages[index], first, self._last_starts[index - 1] if index else 0

    def _survey_back(self, start: int) -> None:
        """Walk back from the last leaf until the one with entry `start` is known."""
        if self._back is None:
            self._back = self._tree.leaves(reverse=True)
        known = self._last_starts[-1] if self._last_starts else 0
        while known > start and len(self._last_pages) < self._most:
            page = next(self._back, None)
            if page is None:
                return
            leaf = self._tree.parsed(page)
            if leaf is not None and len(leaf):
                known -= len(leaf)
                self._last_pages.append(page.pgno)
                self._last_starts.append(known)
