"""Lines of a page as a split or merge weighs them: sizes, what undoing may need beside them, prefixes.

    size of a line   6 + key + data with its tag; with a shared prefix of more than 2 bytes those less 2
    saving           what a prefix takes off all lines, less its own bytes on the page

A prefix is a key of the page: the one that saves most.
Source: database reference 3.2, 4.7.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.format.node import COMPRESSION_THRESHOLD, NodeFlags, shared_with_previous

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.pages.mutable import MutablePage
    from engine.store.doing import Doer, TreeRef

PLAIN_COST: Final = 6
"""Bytes of a line beside key and data: tag and one size word."""

_VERSION: Final = int(NodeFlags.VERSION)
_DELETED: Final = int(NodeFlags.DELETED)


class Prefix(NamedTuple):
    """The line whose key is the prefix (-1: none), and the bytes that it saves."""

    line: int = -1
    saving: int = 0


NO_PREFIX: Final = Prefix()


def held_of_line(doer: Doer, tree: TreeRef, page: MutablePage, line: int) -> int:
    """Return the bytes beyond its data that undoing may give back to a node."""
    flags, _, _, data = page.node(line)
    if not flags & _VERSION:
        return 0
    held = doer.held(tree, page.key(line), b"" if tree.unique else data)
    return 0 if held is None else max(held - len(data), 0)


def held_bytes(doer: Doer, tree: TreeRef, page: MutablePage, only: int | None = None) -> int:
    """Return the bytes that undoing may need on a leaf; `only` for one of its lines."""
    if not page.is_leaf:
        return 0
    if only is not None:
        return held_of_line(doer, tree, page, only)
    return sum(held_of_line(doer, tree, page, line) for line in range(page.line_count))


def is_dead(doer: Doer, tree: TreeRef, page: MutablePage, line: int) -> bool:
    """Whether a node is deleted and nothing needs it any more."""
    flags, _, _, data = page.node(line)
    if not flags & _DELETED:
        return False
    return not flags & _VERSION or doer.held(tree, page.key(line), b"" if tree.unique else data) is None


class Lines:
    """Keys and weights of the lines that are to be distributed."""

    def __init__(self, keys: list[bytes], data: Sequence[bytes], held: list[int] | None) -> None:
        self.keys = keys
        self.data = data
        self.cost = [PLAIN_COST + len(key) + len(value) for key, value in zip(keys, data, strict=True)]
        self.held = held or [0] * len(keys)
        self.weight = [0, *accumulate(self.cost)]
        """Bytes of the lines before each."""
        self.most = [0, *accumulate(map(int.__add__, self.cost, self.held))] if held else self.weight
        """The same with what undoing may need."""
        self._shared: list[int] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def shared(self) -> list[int]:
        """What each key saves with its neighbour to the left as the prefix; 0 for the first."""
        if self._shared is None:
            self._shared = [max(shared - COMPRESSION_THRESHOLD, 0) for shared in shared_with_previous(self.keys)]
        return self._shared

    def best_prefix(self, first: int, end: int) -> Prefix:
        """Return the best prefix for lines `first` .. `end` - 1; its line counts from `first`."""
        count = end - first
        if count < 2:  # noqa: PLR2004 - one line saves nothing
            return NO_PREFIX
        shared = self.shared[first:end]
        left = _savings(shared[1:])
        right = _savings(shared[:0:-1])
        right.reverse()
        both = list(map(int.__add__, left, right))
        most = max(both)
        return Prefix(both.index(most), most - COMPRESSION_THRESHOLD) if most > COMPRESSION_THRESHOLD else NO_PREFIX

    def fits(self, first: int, end: int, prefix: Prefix, capacity: int) -> bool:
        """Whether the lines fit on a page with that prefix, whatever is undone."""
        return self.most[end] - self.most[first] - prefix.saving <= capacity

    def held_between(self, first: int, end: int) -> int:
        """Return the bytes that undoing may need of these lines."""
        return sum(self.held[first:end])


def _savings(shared: list[int]) -> list[int]:
    """Return for each line what those before it save with its key as the prefix.

    `shared`: what each line but the first saves with its neighbour.  A line saves with a prefix the least of what lies
    between; so all lines behind the last smaller step save as much as the neighbour, and those before it as there.
    """
    found = [0]
    smaller = [(0, 0, 0)]
    for line, step in enumerate(shared, 1):
        while smaller[-1][1] >= step and smaller[-1][0]:
            smaller.pop()
        at, _, before = smaller[-1]
        saving = before + (line - at) * step
        smaller.append((line, step, saving))
        found.append(saving)
    return found
