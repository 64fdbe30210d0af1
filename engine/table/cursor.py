"""A cursor over the index of a table that is read: a place in it, moved by search and by steps.

What searches and ranges mean is said in `engine.table.seeking`.

Source: jet-api reference 6.4; database reference 3.5, 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.findings import UnitKind
from engine.table.seeking import Seek, SeekingCursor, successor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.btree.leaf import Leaf
    from engine.catalog import IndexDef
    from engine.format.page import Page
    from engine.table.row import Row
    from engine.table.table import Table

__all__ = ["Cursor", "Seek", "successor"]


class Cursor(SeekingCursor):
    """A place in an index; before the first entry until it is moved.

    `index` is None for a table without primary index, whose rows are kept by a number.
    """

    def __init__(self, table: Table, index: IndexDef | None) -> None:
        self.table = table
        self.index = index
        self._primary = index is None or index.primary
        self._tree = table.tree if index is None else table.index_tree(index)
        self._leaf: Leaf | None = None
        self._at = 0
        self._behind = False
        """Without a leaf: whether the place is behind the last entry rather than before the first."""
        self._walk: Iterator[Page] | None = None
        self._backward = False
        self._gap: bytes | None = None
        """Without a leaf: the key that was looked for in vain; the place is between those around it."""

    def __repr__(self) -> str:
        name = "primary order" if self.index is None else self.index.name
        return f"<Cursor of {self.table.name} in {name}>"

    @property
    def positioned(self) -> bool:
        """Whether the cursor is at an entry."""
        return self._leaf is not None

    @property
    def key(self) -> bytes:
        """Key of the current entry; -1603 without one."""
        return self._current().keys[self._at]

    @property
    def bookmark(self) -> bytes:
        """Primary key of the current row; -1603 without one."""
        leaf = self._current()
        return leaf.keys[self._at] if self._primary else leaf.value(self._at)

    @property
    def row(self) -> Row:
        """The current row; -1603 without one, -1601 when the entry names a row that is not there."""
        leaf = self._current()
        if self._primary:
            return self.table.row(leaf, self._at)
        return self.table.fetch(leaf.value(self._at))

    def goto(self, bookmark: bytes) -> bool:
        """Go to the row of a bookmark; return whether it exists.  -1312 for a cursor in a secondary index."""
        if not self._primary:
            raise EseError.from_code(Err.IllegalOperation, "bookmarks are those of the primary order")
        return self.seek_key(bookmark)

    def first(self) -> bool:
        """Go to the first entry; return whether there is one."""
        self._leave(behind=False)
        return self.move(1)

    def last(self) -> bool:
        """Go to the last entry; return whether there is one."""
        self._leave(behind=True)
        return self.move(-1)

    def move(self, n: int = 1) -> bool:
        """Go `n` entries on (back, if negative); return whether there is one.

        From before the first entry one step leads to the first, from behind the last one step back to the last.
        """
        for _ in range(abs(n)):
            if not self._step(backward=n < 0):
                return False
        return self._leaf is not None

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows from the first entry on; entries whose row cannot be had become findings."""
        self._leave(behind=False)
        while self._step(backward=False):
            row = self._row_or_none()
            if row is not None:
                yield row

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, bookmark) of all entries in order; the cursor stays where it is."""
        for key, data in self._tree.entries():
            yield key, key if self._primary else data

    def _row_or_none(self) -> Row | None:
        try:
            return self.row
        except EseError as error:
            page = self._current().page
            self._tree.report(error.located(page=page.pgno), page.pgno, kind=UnitKind.RECORD, line=self._at)
            return None

    def _current(self) -> Leaf:
        if self._leaf is None:
            raise EseError.from_code(Err.NoCurrentRecord, f"{self!r}")
        return self._leaf

    def _leave(self, *, behind: bool, gap: bytes | None = None) -> None:
        """Go before the first entry, or behind the last, or to where a key would be."""
        self._leaf, self._walk, self._behind, self._gap = None, None, behind, gap

    def seek_key(self, key: bytes, match: Seek = Seek.EQ, *, partial: bool = False) -> bool:
        """Go to an entry by key bytes; with `partial` they stand for all keys that begin with them."""
        if match in (Seek.GT, Seek.LE):
            behind = successor(key) if partial else key + b"\0"
            found = self._end() if behind is None else self._to(behind)
            return self.move(-1) if match is Seek.LE else found
        found = self._to(key)
        if match is Seek.LT:
            return self.move(-1)
        if match is Seek.EQ and not (found and (self.key.startswith(key) if partial else self.key == key)):
            self._leave(behind=False, gap=key)
            return False
        return found

    def _end(self) -> bool:
        self._leave(behind=True)
        return False

    def _to(self, key: bytes) -> bool:
        """Go to the first entry whose key is >= `key`; behind the last when there is none."""
        self._walk, self._backward, self._gap = self._tree.leaves(key), False, None
        for page in self._walk:
            leaf = self._tree.parsed(page)
            at = 0 if leaf is None else leaf.first_at_least(key)
            if leaf is not None and at < len(leaf):
                self._leaf, self._at = leaf, at
                return True
        return self._end()

    def _step(self, *, backward: bool) -> bool:
        """Go one entry on or back."""
        leaf = self._leaf
        if leaf is not None:
            at = self._at - 1 if backward else self._at + 1
            if 0 <= at < len(leaf):
                self._at = at
                return True
        elif self._gap is not None:
            return self._out_of_gap(self._gap, backward=backward)
        elif self._behind != backward:
            return False
        walk = self._towards(leaf, backward=backward)
        for page in walk:
            following = self._tree.parsed(page)
            if following is not None and len(following):
                self._leaf, self._at = following, len(following) - 1 if backward else 0
                return True
        self._leave(behind=not backward)
        return False

    def _out_of_gap(self, key: bytes, *, backward: bool) -> bool:
        found = self._to(key)
        return self._step(backward=True) if backward else found

    def _towards(self, leaf: Leaf | None, *, backward: bool) -> Iterator[Page]:
        """Return the leaves that follow the current one in a direction."""
        if self._walk is None or self._backward != backward:
            self._backward = backward
            if leaf is None:
                self._walk = self._tree.leaves(reverse=backward)
            else:
                self._walk = self._tree.leaves(self._search(leaf, backward=backward), reverse=backward)
                for page in self._walk:
                    if page.pgno == leaf.page.pgno:
                        break
        return self._walk

    @staticmethod
    def _search(leaf: Leaf, *, backward: bool) -> bytes:
        """Return what leads to this leaf or, in the direction of the walk, before it."""
        # Equal keys of a non-unique tree are told apart by their data, which separators may hold.
        return leaf.keys[0] + leaf.value(0) if backward else leaf.keys[0]
