"""Rows that fit a filter: their numbers, gathered a slice at a time.

    text         in any column          Name:text    in that column, when there is one of that name
    two words    both must be there     !text        all other rows

Looked at is what lies within the record: a long value outside it would cost a read each.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Final

from engine.table.long_values import LongValue
from esetui.cli.describe.values import value_text
from esetui.tui.browse.rowset import Entry, Rowset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.btree.leaf import Leaf
    from engine.format.column import ColumnDef
    from engine.table.row import Row

MOST_MATCHES: Final = 1_000_000
"""Rows that are remembered; the search ends there."""


class RowFilter:
    """What rows to show."""

    def __init__(self, text: str, columns: Mapping[str, ColumnDef]) -> None:
        self.text = text.strip()
        self._inverse = self.text.startswith("!")
        names = {name.casefold(): name for name in columns}
        self._anywhere: list[str] = []
        self._within: list[tuple[str, str]] = []
        for word in self.text.removeprefix("!").split():
            name, colon, value = word.partition(":")
            if colon and name.casefold() in names:
                self._within.append((names[name.casefold()], value.casefold()))
            else:
                self._anywhere.append(word.casefold())

    def __bool__(self) -> bool:
        return bool(self.text.removeprefix("!"))

    def fits(self, row: Row) -> bool:
        """Return whether a row is shown."""
        fits = all(value in _text(row.peek(name)) for name, value in self._within)
        if fits and self._anywhere:
            said = "\n".join(_text(row.peek(name)) for name in row)
            fits = all(word in said for word in self._anywhere)
        return fits is not self._inverse


def _text(value: object) -> str:
    if isinstance(value, LongValue):
        return ""
    if isinstance(value, tuple):
        return " ".join(_text(each) for each in value)
    return value_text(value).casefold()


class Matches:
    """The entries of a rowset that fit; `looked` counts those that were looked at."""

    def __init__(self, rowset: Rowset, wanted: RowFilter) -> None:
        self.rowset = rowset
        self.wanted = wanted
        self.looked = 0
        self.done = False
        self.cut = False
        self._numbers = array("Q")
        self._leaves: Iterator[tuple[Leaf, int]] | None = None

    @property
    def known(self) -> int:
        """Number of rows found so far."""
        return len(self._numbers)

    def search(self, seconds: float) -> bool:
        """Go on with the search for a while; return whether there is more to look at."""
        if self.done:
            return False
        if self._leaves is None:
            self._leaves = self.rowset.leaves()
        until = time.monotonic() + seconds
        for leaf, first in self._leaves:
            for at in range(len(leaf)):
                entry = self.rowset.entry(leaf, at, first + at)
                if entry.row is not None and self.wanted.fits(entry.row):
                    self._numbers.append(first + at)
            self.looked = first + len(leaf)
            self.cut = len(self._numbers) >= MOST_MATCHES
            if self.cut:
                break
            if time.monotonic() > until:
                return True
        self.done = True
        self._leaves = None
        return False

    def read(self, start: int, count: int) -> list[Entry]:
        """Return up to `count` entries that fit, from the `start`-th on (from the end: negative)."""
        end = len(self._numbers)
        start = max(0, end + start) if start < 0 else start
        found: list[Entry] = []
        for number in self._numbers[start : start + count]:
            # The search runs ahead of the survey when the table was just opened.
            while number >= self.rowset.known and self.rowset.survey(0.1):
                pass
            found += self.rowset.read(number, 1)
        return found
