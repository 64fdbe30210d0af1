"""A number for every page of a database: who owns it, or who uses it.

Pages are kept in chunks of 65536.  A chunk that holds one number throughout is one integer, so that memory goes with
what is really there and not with what a hostile file claims; at worst it is 4 bytes a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 16

_Chunk: TypeAlias = "int | np.ndarray[tuple[int], np.dtype[np.uint32]]"


class PageMap:
    """Numbers of pages; 0 for every page that has none."""

    def __init__(self) -> None:
        self._chunks: dict[int, _Chunk] = {}

    def get(self, pgno: int) -> int:
        """Return the number of a page."""
        chunk = self._chunks.get(pgno >> 16, 0)
        return chunk if isinstance(chunk, int) else int(chunk[pgno & _CHUNK - 1])

    def put(self, first: int, last: int, number: int, *, over: int = 0) -> tuple[int, int] | None:
        """Give pages `first` .. `last` a number where they have `over` now.

        Returns the first page that has another number, and that number; such pages keep theirs.
        """
        conflict: tuple[int, int] | None = None
        at = first
        while at <= last:
            index, start = at >> 16, at & _CHUNK - 1
            stop = min(_CHUNK, start + last - at + 1)
            found = self._put(index, start, stop, number, over)
            if found is not None and conflict is None:
                place = (index << 16) + found
                conflict = place, self.get(place)
            at += stop - start
        return conflict

    def _put(self, index: int, start: int, stop: int, number: int, over: int) -> int | None:
        chunk = self._chunks.get(index, 0)
        if isinstance(chunk, int):
            if chunk != over:
                return start
            if stop - start == _CHUNK:
                self._chunks[index] = number
                return None
            chunk = np.full(_CHUNK, chunk, np.uint32)
            self._chunks[index] = chunk
        part = chunk[start:stop]
        fitting = part == over
        part[fitting] = number
        return None if fitting.all() else start + int(np.argmin(fitting))

    def runs_without(self, other: PageMap) -> Iterator[tuple[int, int, int]]:
        """Yield (number, first page, last page) of the runs that have a number here and none in `other`."""
        for index in sorted(self._chunks):
            ours, theirs = self._chunks[index], other._chunks.get(index, 0)
            if isinstance(theirs, int) and theirs:
                continue
            base = index << 16
            if isinstance(ours, int) and isinstance(theirs, int):
                if ours:
                    yield ours, base, base + _CHUNK - 1
                continue
            left = np.where(np.equal(theirs, 0), ours, 0)
            edges = np.flatnonzero(np.diff(left)) + 1
            starts = [0, *edges.tolist()]
            for start, stop in zip(starts, [*starts[1:], _CHUNK], strict=True):
                if number := int(left[start]):
                    yield number, base + start, base + stop - 1
