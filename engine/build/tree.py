"""Bulk building of a B+ tree: entries in ascending order in, pages out, one pending page a level.

Leaves are filled from left to right and linked; when a leaf is full, the shortest separator to the next entry goes
into the pending page of the level above, and so on.  The last line of every level's rightmost page has an empty
key; the last line of any other internal page has the key that its parent has for it.  What remains on the top level
becomes the root, which has its fixed page and is written last, when the space header is known.

    page order   leaf n, then internal pages that became full with it, then leaf n+1: consecutive within a run

Source: database reference 3.3, 4.1, 4.7, 12.2.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from engine.build.compose import TREE_FLAGS, PageHead, PendingPage, page_capacity
from engine.errors import Err, EseError
from engine.format.node import child_data, separator
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from engine.build.allocation import PageSpace
    from engine.build.sink import PageSink, PageStream

_FULL: Final = 100
# Plain integers: a page is made every few microseconds, and enumeration arithmetic takes one.
_ROOT: Final = int(PageFlags.ROOT)
_LEAF: Final = int(PageFlags.LEAF)
_PARENT_OF_LEAF: Final = int(PageFlags.PARENT_OF_LEAF)
ROOT_HEADER_BYTES: Final = 25
"""Room for the larger form of a root's external header."""


class TreeKind(Enum):
    """Kinds of trees by the flags their pages carry."""

    TABLE = PageFlags(0)
    UNIQUE_INDEX = PageFlags.INDEX
    INDEX = PageFlags.INDEX | PageFlags.NON_UNIQUE
    LONG_VALUE = PageFlags.LONG_VALUE

    @property
    def unique(self) -> bool:
        """Whether keys alone tell entries apart."""
        return self is not TreeKind.INDEX


class TreeBuilder:
    """Builds one tree.

    `root` is its fixed page, `space` where the others come from.  `add` wants ascending keys (in a
    non-unique tree: keys and data); `finish` ends the leaf chain; `write_root` comes when the space is settled.
    """

    def __init__(
        self,
        sink: PageSink,
        space: PageSpace,
        root: int,
        objid: int,
        kind: TreeKind,
        *,
        density: int = _FULL,
    ) -> None:
        self.root = root
        self.objid = objid
        self.kind = kind
        self.space = space
        self.entries = 0
        self._sink = sink
        self._stream: PageStream = sink.stream()
        self._density = density
        self._base = TREE_FLAGS | int(kind.value)
        self._unique = kind.unique
        self._leaf = PendingPage(sink.page_size, density)
        self._levels: list[PendingPage] = []
        """Pending internal pages, the parents of leaves first."""
        self._pgno = 0
        """Page of the pending leaf; 0 while it may still become the root."""
        self._before = 0
        self._ready: list[tuple[int, bytes]] = []
        self._top: PendingPage | None = None
        self._root_flags = 0

    def add(self, key: bytes, data: bytes) -> None:
        """Append an entry.  -1605 for one that is there already, -1003 for one out of order."""
        leaf = self._leaf
        if leaf.keys:
            last = leaf.keys[-1]
            if key <= last and (key < last or self._unique or data <= leaf.data[-1]):
                self._refuse(key, data)
        if not leaf.add(key, data):
            self._close_leaf(key, data)
            leaf.add(key, data)
        self.entries += 1

    def _refuse(self, key: bytes, data: bytes) -> None:
        leaf = self._leaf
        if key == leaf.keys[-1] and (self._unique or data == leaf.data[-1]):
            raise EseError.from_code(Err.KeyDuplicate, f"key {key[:32].hex()} twice in tree {self.objid}")
        raise EseError.from_code(
            Err.InvalidParameter,
            f"key {key[:32].hex()} after {leaf.keys[-1][:32].hex()} in tree {self.objid}",
            hint="give the rows in primary-key order, or ask for them to be sorted",
        )

    def _close_leaf(self, key: bytes, data: bytes) -> None:
        """End the pending leaf; the next one begins with this entry."""
        leaf = self._leaf
        if not self._pgno:
            self.space.take_space_trees()
            self._pgno = self.space.take()
        bound = separator(leaf.keys[-1], leaf.data[-1], key, data, unique=self._unique)
        self._add_child(0, bound, self._pgno)
        after = self.space.take()
        self._emit_leaf(after)
        self._before, self._pgno = self._pgno, after

    def _emit_leaf(self, after: int) -> None:
        """Put out the pending leaf and then the internal pages that are ready."""
        dbtime = self._sink.next_dbtime()
        head = PageHead(self._pgno, self.objid, self._base | _LEAF, dbtime, self._before, after)
        self._stream.put(self._pgno, self._leaf.compose(head))
        self._leaf.reset()
        for pgno, page in self._ready:
            self._stream.put(pgno, page)
        self._ready.clear()

    def _add_child(self, level: int, bound: bytes, pgno: int) -> None:
        """Append a child to an internal level, ending that level's page when it is full."""
        if level == len(self._levels):
            self._levels.append(PendingPage(self._sink.page_size, _FULL))
        page = self._levels[level]
        data = child_data(pgno)
        if not page.add(bound, data):
            self._close_internal(level, page.keys[-1])
            page.add(bound, data)

    def _close_internal(self, level: int, bound: bytes) -> None:
        """End the pending page of a level; its page number is consecutive, the page itself waits for its leaf."""
        pgno = self.space.take()
        flags = self._base | (0 if level else _PARENT_OF_LEAF)
        head = PageHead(pgno, self.objid, flags, self._sink.next_dbtime())
        page = self._levels[level]
        self._ready.append((pgno, page.compose(head)))
        page.reset()
        self._add_child(level + 1, bound, pgno)

    def add_finished_leaf(self, bound: bytes, pgno: int) -> None:
        """Append a leaf that was written by other means; `bound` is the separator to the next, empty for the last.

        For `engine.build.filled`; do not mix with `add`.  Internal pages go out as they become full.
        """
        self._add_child(0, bound, pgno)
        for each, page in self._ready:
            self._stream.put(each, page)
        self._ready.clear()

    def finish(self) -> None:
        """Put out everything but the root."""
        room = page_capacity(self._sink.page_size) - ROOT_HEADER_BYTES
        leaf = self._leaf
        if not self._levels and leaf.root_size() <= room:
            self._top, self._root_flags = leaf, _LEAF
        else:
            if leaf.keys:
                if not self._pgno:
                    self.space.take_space_trees()
                    self._pgno = self.space.take()
                self._add_child(0, b"", self._pgno)
                self._emit_leaf(0)
            self._finish_levels(room)
        for pgno, page in self._ready:
            self._stream.put(pgno, page)
        self._ready.clear()
        self._stream.flush()

    def _finish_levels(self, room: int) -> None:
        level = 0
        while level + 1 < len(self._levels) or self._levels[level].root_size() > room:
            self._close_internal(level, b"")
            level += 1
        self._top = self._levels[level]
        self._root_flags = 0 if level else _PARENT_OF_LEAF

    def write_root(self, external: bytes) -> None:
        """Write the root page with its external header; after `finish`."""
        if self._top is None:
            raise EseError.from_code(Err.InternalError, f"tree {self.objid} is not finished")
        flags = self._base | _ROOT | self._root_flags
        head = PageHead(self.root, self.objid, flags, self._sink.next_dbtime())
        self._sink.write_page(self.root, self._top.compose_root(head, external))
