"""Reading a tree in order, as a session sees it.

A scan keeps the visible nodes of one leaf, and whence they came.  It goes on from there only as long as that leaf is as
it was (its dbtime) and the session still sees the same (its snapshot and its own writes); otherwise it looks for its
place again by the bookmark of its row.  So splits, merges and deletes between two calls do not matter.

A leaf of a tree without versions is taken as a whole; else each node that bears the version flag is looked up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format.lr import Oper
from engine.format.node import NodeFlags
from engine.format.page import PageFlags
from engine.store import nodes, trees
from engine.store.search import last_leaf
from engine.store.versions import visible
from engine.table.cursor import Seek

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.pages.mutable import MutablePage
    from engine.store.doing import TreeRef
    from engine.store.transactions import StoreSession

Row = tuple[bytes, bytes]
"""Key and data of a node."""

_VERSION: Final = int(NodeFlags.VERSION)
_DELETED: Final = int(NodeFlags.DELETED)
_PAIRS: Final = int(PageFlags.NON_UNIQUE)
_WHOLE: Final = frozenset((int(Oper.INSERT), int(Oper.REPLACE), int(Oper.FLAG_DELETE)))
"""Changes below which nothing can be invisible to one who sees them."""
_ABOVE_ALL: Final = b"\xff" * 257
"""Data above that of every node: in trees without unique keys it is a bookmark of at most 255 bytes."""


def visible_nodes(session: StoreSession, tree: TreeRef, page: MutablePage) -> list[Row]:
    """Return the nodes of a leaf that the session sees; with the latch held."""
    chains = session.versions.chains(tree)
    if not chains:
        rows = page.alive()
        if len(rows) < page.line_count and session.cleanup is not None:
            session.cleanup.sweep(tree, page)
        return rows
    rows = []
    trx, snapshot, unique, swept = session.trx, session.snapshot, tree.unique, False
    for flags, key, data in page.full():
        if flags:
            head = chains.get(key if unique else (key, data)) if flags & _VERSION else None
            if head is not None:
                owner = head.trx
                if head.oper not in _WHOLE or (owner is not trx and owner.commit >= snapshot):
                    seen = visible(head, trx, snapshot, deleted=flags & _DELETED, data=data)
                    if seen is not None:
                        rows.append((key, seen))
                    continue
            if flags & _DELETED:
                swept = swept or head is None
                continue
        rows.append((key, data))
    if swept and session.cleanup is not None:
        session.cleanup.sweep(tree, page)
    return rows


class Scan:
    """A position in a tree for a session; before the first row at the start.

    The position outlives changes of the tree, also the deletion of its row.
    """

    __slots__ = ("_at", "_dbtime", "_leaf", "_rows", "_stamp", "session", "tree")

    def __init__(self, session: StoreSession, tree: TreeRef) -> None:
        self.session = session
        self.tree = tree
        self._rows: list[Row] = []
        self._at = -1
        self._leaf = 0
        self._dbtime = 0
        self._stamp = 0

    # Where the position is.

    @property
    def current(self) -> Row | None:
        """The row of the position as the session sees it now; None beside the rows, or when it is deleted."""
        if not 0 <= self._at < len(self._rows):
            return None
        row = self._rows[self._at]
        if self._stamp == self._now():
            return row
        key, data = row
        found = nodes.get(self.session, self.tree, key, b"" if self.tree.unique else data)
        return None if found is None else (key, found)

    @property
    def bookmark(self) -> Row | None:
        """What names the row of the position, whether or not it is still there; no data where keys are unique."""
        if not 0 <= self._at < len(self._rows):
            return None
        key, data = self._rows[self._at]
        return (key, b"") if self.tree.unique else (key, data)

    @property
    def fresh(self) -> bool:
        """Whether the session still sees the rows at hand as they were read."""
        return self._stamp == self._now()

    # Going there.

    def first(self) -> bool:
        """Go to the first row; False when there is none."""
        return self._forward(b"", b"", after=False)

    def last(self) -> bool:
        """Go to the last row; False when there is none."""
        with self.session.journal.latch:
            self.tree.pages.maintain()
            page = last_leaf(self.tree)
            self._take(page)
            while not self._rows:
                if not page.prev:
                    return False
                page = self._step(page, page.prev)
            self._at = len(self._rows) - 1
            return True

    def seek(self, key: bytes, match: Seek = Seek.EQ) -> bool:
        """Go to the nearest row of that kind; False when there is none: then the position is beside the rows."""
        if match is Seek.LT:
            return self._backward(key, b"")
        if match is Seek.LE:
            return self._backward(*self._above(key))
        if match is Seek.GT:
            return self._forward(*self._above(key), after=False)
        found = self._forward(key, b"", after=False)
        return found if match is Seek.GE or not found else self._rows[self._at][0] == key

    def find(self, key: bytes) -> bool:
        """Go to the row of a key where keys are unique; quicker than `seek`: nothing around it is looked at."""
        data = nodes.get(self.session, self.tree, key)
        if data is None:
            return False
        self._rows, self._at = [(key, data)], 0
        # Of no leaf: the next step looks for its place again.
        self._leaf, self._dbtime = self.tree.root, -1
        self._stamp = self._now()
        return True

    def seek_bookmark(self, key: bytes, data: bytes = b"") -> bool:
        """Go to the row of a bookmark; False when the session does not see it."""
        if not self._forward(key, data, after=False):
            return False
        row = self._rows[self._at]
        return row[0] == key and (self.tree.unique or row[1] == data)

    def next(self) -> bool:
        """Go to the next row; False behind the last."""
        at = self._at + 1
        if at < len(self._rows) and self._stamp == self._now():
            self._at = at
            return True
        return self._more()

    def prev(self) -> bool:
        """Go to the row before; False before the first."""
        if self._at > 0 and self._stamp == self._now():
            self._at -= 1
            return True
        if self._at < 0:
            return False
        if self._at >= len(self._rows):
            return self.last()
        key, data = self._rows[self._at]
        return self._backward(key, b"" if self.tree.unique else data)

    def batch(self) -> list[Row]:
        """Return the rows behind the position up to the end of a leaf, and go to the last of them; none at the end."""
        at = self._at + 1
        if at >= len(self._rows) or self._stamp != self._now():
            if not self._more():
                return []
            at = self._at
        self._at = len(self._rows) - 1
        return self._rows[at:]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows behind the position."""
        while rows := self.batch():
            yield from rows

    # Inside.

    def _now(self) -> int:
        """Return a number that changes when the session may see something else than before."""
        session = self.session
        return session.writes if session.trx is not None else -1 - session.versions.published

    def _above(self, key: bytes) -> Row:
        """Return the bookmark above all nodes of a key and below all of the next."""
        return (key + b"\0", b"") if self.tree.unique else (key, _ABOVE_ALL)

    def _take(self, page: MutablePage) -> None:
        self._rows = visible_nodes(self.session, self.tree, page)
        self._leaf, self._dbtime = page.pgno, page.dbtime
        self._stamp = self._now()

    def _step(self, page: MutablePage, pgno: int) -> MutablePage:
        """Go to a sibling of a leaf; -327 when it does not point back or is not on that side: no way is a circle."""
        sibling = self.tree.pages.load(pgno)
        onward = pgno == page.next
        if (
            not sibling.is_leaf
            or page.pgno != (sibling.prev if onward else sibling.next)
            or sibling.objid != page.objid
        ):
            raise page.error(Err.BadPageLink, f"page {pgno} is no sibling")
        low, high = (page, sibling) if onward else (sibling, page)
        if not low.line_count or not high.line_count or _last_of(low) >= _first_of(high):
            raise page.error(Err.BadPageLink, f"page {pgno} is a sibling on the wrong side, or empty")
        self._take(sibling)
        return sibling

    def _more(self) -> bool:
        """Go to the first row behind what is at hand."""
        rows = self._rows
        if not rows or self._at < 0:
            return self._at < 0 and self.first()
        if self._at >= len(rows):
            return False
        if self._stamp == self._now():
            with self.session.journal.latch:
                self.tree.pages.maintain()
                page = self.tree.pages.load(self._leaf)
                if page.dbtime == self._dbtime:
                    return self._onward(page)
        key, data = rows[self._at]
        return self._forward(key, b"" if self.tree.unique else data, after=True)

    def _onward(self, page: MutablePage) -> bool:
        """Go to the first row behind a leaf."""
        while page.next:
            page = self._step(page, page.next)
            if self._rows:
                self._at = 0
                return True
        self._at = len(self._rows)
        return False

    def _forward(self, key: bytes, data: bytes, *, after: bool) -> bool:
        """Go to the first row at or behind a bookmark, or only behind."""
        mark = (key,) if self.tree.unique else (key, data)
        if after and self.tree.unique:
            mark = (key + b"\0",)
        find = bisect_right if after else bisect_left
        with self.session.journal.latch:
            self.tree.pages.maintain()
            page = trees.descend(self.tree, key, data).page
            self._take(page)
            while True:
                at = find(self._rows, mark)
                if at < len(self._rows) or not page.next:
                    self._at = at
                    return at < len(self._rows)
                page = self._step(page, page.next)

    def _backward(self, key: bytes, data: bytes) -> bool:
        """Go to the last row before a bookmark."""
        mark = (key,) if self.tree.unique else (key, data)
        with self.session.journal.latch:
            self.tree.pages.maintain()
            page = trees.descend(self.tree, key, data).page
            self._take(page)
            while True:
                at = bisect_left(self._rows, mark) - 1
                if at >= 0 or not page.prev:
                    self._at = at
                    return at >= 0
                page = self._step(page, page.prev)


def _last_of(page: MutablePage) -> Row:
    line = page.line_count - 1
    return page.key(line), page.data(line) if page.flags & _PAIRS else b""


def _first_of(page: MutablePage) -> Row:
    return page.key(0), page.data(0) if page.flags & _PAIRS else b""


def max_key(session: StoreSession, tree: TreeRef) -> bytes | None:
    """Return the greatest key that the session sees, None in an empty tree."""
    scan = Scan(session, tree)
    row = scan.current if scan.last() else None
    return None if row is None else row[0]


def min_key(session: StoreSession, tree: TreeRef) -> bytes | None:
    """Return the least key that the session sees, None in an empty tree."""
    scan = Scan(session, tree)
    row = scan.current if scan.first() else None
    return None if row is None else row[0]
