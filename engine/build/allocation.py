"""Which pages belong to whom, while a database is being built.

    system root     owns 1 .. end of file
      table         takes runs from the root: OE = everything it took, AE = what nobody uses
        index       takes runs from its table
        long values the same, in larger steps because rows and long values are written side by side

A run given to a child stays owned by the parent and is no longer available in it.  Neighbouring runs become one.

Source: database reference 4.2-4.6.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.errors import Err, EseError

MOST_PAGES: Final = 0x7FFFFFFE
"""Most pages of a database: page numbers are kept below 2^31."""

_QUICK_GROWTH: Final = 256


class Run(NamedTuple):
    """Consecutive pages."""

    first: int
    pages: int

    @property
    def last(self) -> int:
        """Last page."""
        return self.first + self.pages - 1


def _append(runs: list[Run], added: Run) -> None:
    """Add a run, joining it to the last one when it follows directly."""
    if runs and runs[-1].last + 1 == added.first:
        runs[-1] = Run(runs[-1].first, runs[-1].pages + added.pages)
    else:
        runs.append(added)


class PageSpace:
    """The pages of one tree: `owned` and, of these, `free`.

    `step` is the least number of pages to ask the parent for; with `proportional` the request also grows with
    what is owned (a quarter at first, later 1/16), so that the extents fit on one page whatever the size.  What
    was asked for in vain goes back with `release_tail`.
    """

    def __init__(self, parent: PageSpace | None, *, step: int = 1, proportional: bool = False) -> None:
        self.parent = parent
        self.owned: list[Run] = []
        self.free: list[Run] = []
        self.pgno_oe = 0
        """Root of the owned-extents tree once there is one; the available-extents tree follows it."""
        self._step = step
        self._proportional = proportional
        self._count = 0

    @property
    def page_count(self) -> int:
        """Pages owned, children's included."""
        return self._count

    def own(self, first: int, count: int, *, free: bool = False) -> None:
        """Add pages that come from outside the ordinary way (the fixed places of system tables)."""
        _append(self.owned, Run(first, count))
        self._count += count
        if free:
            _append(self.free, Run(first, count))

    def take(self, count: int = 1) -> int:
        """Return the first of `count` consecutive pages, asking the parent when none are free; -1808 at the limit."""
        free = self.free
        if count == 1 and free:
            first, pages = free[0]
            if pages > 1:
                free[0] = Run(first + 1, pages - 1)
            else:
                del free[0]
            return first
        for place, run in enumerate(free):
            if run.pages > count:
                free[place] = Run(run.first + count, run.pages - count)
                return run.first
            if run.pages == count:
                del free[place]
                return run.first
        self._grow(count)
        return self.take(count)

    def _grow(self, count: int) -> None:
        if self.parent is None:
            raise EseError.from_code(Err.DiskFull, "the tree has no parent to take pages from")
        wanted = max(count, self._step)
        if self._proportional:
            wanted = max(wanted, min(self._count // 4, _QUICK_GROWTH), self._count // 16)
        self.own(self.parent.take(wanted), wanted, free=True)

    def take_space_trees(self) -> None:
        """Reserve the two pages of the space trees, once."""
        if not self.pgno_oe:
            self.pgno_oe = self.take(2)

    def release_tail(self) -> None:
        """Give the unused end of the last run back to the parent."""
        if self.parent is None or not self.free or not self.owned:
            return
        free, owned = self.free[-1], self.owned[-1]
        if free.last != owned.last or free.first <= owned.first:
            return
        self.free.pop()
        self.owned[-1] = Run(owned.first, owned.pages - free.pages)
        self._count -= free.pages
        self.parent.give_back(free)

    def give_back(self, run: Run) -> None:
        """Take back pages that a child does not need."""
        self.free.append(run)
        self.free.sort()
        joined: list[Run] = []
        for each in self.free:
            _append(joined, each)
        self.free = joined


class FileSpace(PageSpace):
    """The system root: everything up to the end of the file, which moves as pages are taken."""

    def __init__(self, next_page: int) -> None:
        super().__init__(None)
        self.next_page = next_page

    def _grow(self, count: int) -> None:
        if self.next_page + count > MOST_PAGES:
            raise EseError.from_code(Err.DiskFull, f"{self.next_page + count} pages")
        _append(self.free, Run(self.next_page, count))
        self.next_page += count

    def give_back(self, run: Run) -> None:
        """Take back pages; those at the end make the file shorter again."""
        super().give_back(run)
        if self.free[-1].last + 1 == self.next_page:
            self.next_page = self.free.pop().first

    def extend(self, count: int) -> None:
        """Add free pages at the end of the file."""
        self._grow(count)
