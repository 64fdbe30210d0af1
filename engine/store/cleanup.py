"""Cleanup: versions that no reader needs any more go, and with them the nodes that only waited for that.

A version can go when its transaction was committed before every open one began.  A flag delete that was the last
version of its node leaves the node to be removed from its page; so does an insert that was taken back.  The removal is
work of the system: a transaction of its own (Begin0, Delete ..., Commit0) in a session of its own, committed lazily.
Transactions are cleaned in the order of their commits, their changes in the order they were made.

Each step holds the latch and is short; between two steps everybody else may go on.
Source: log reference 2.3, 6.5.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError
from engine.format.lr import Oper
from engine.format.node import NodeFlags
from engine.store import trees
from engine.store.versions import Hook, LiveVersion, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.pages.mutable import MutablePage
    from engine.store.doing import TreeRef
    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession

_SLICE: Final = 64
"""Changes looked at in one step."""
_MOST_SWEPT: Final = 1024
"""Nodes that may wait when a reader brings more."""
_PAUSE: Final = 0.05
"""Seconds that the background waits for more work to come together."""
_PERIOD: Final = 1.0
"""Seconds after which the background looks without being woken."""
_DELETED: Final = int(NodeFlags.DELETED)


class LeftBehind(NamedTuple):
    """What the cleanup was at when it failed: the database, and where known the version of whose transaction."""

    path: str
    rceid: int
    begin: int
    commit: int


class Cleanup:
    """The cleanup of an instance; `session` is its own session, `failed` hears of an error in the background.

    Its thread ends with an error; `start` begins another one.
    """

    def __init__(self, session: StoreSession, failed: Callable[[EseError, LeftBehind], None] | None = None) -> None:
        self.session = session
        self.versions = session.versions
        self.versions.make_room = self._make_room
        self.removed = 0
        """Nodes removed so far."""
        self.failed = failed
        self._latch = session.journal.latch
        self._waiting: deque[tuple[TreeRef, bytes, bytes]] = deque()
        self._transaction: Transaction | None = None
        self._next = 0
        self._busy = False
        self._at = LeftBehind("", 0, 0, 0)
        self._wake = threading.Event()
        self._turn = threading.Lock()
        """Held by who begins or ends a thread."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # What is to be done.

    def schedule(self, tree: TreeRef, key: bytes, data: bytes) -> None:
        """Have a node removed that is marked deleted and has no version; with the latch held."""
        self._waiting.append((tree, key, data))

    def sweep(self, tree: TreeRef, page: MutablePage) -> None:
        """Have the nodes of a leaf removed that are marked deleted and have no version; with the latch held.

        Recovery leaves such nodes: it takes changes back and cleans nothing up.
        """
        if len(self._waiting) >= _MOST_SWEPT or tree.pages.sealed:
            return
        chains = self.versions.chains(tree)
        for flags, key, data in page.full():
            if flags & _DELETED and (key if tree.unique else (key, data)) not in chains:
                self._waiting.append((tree, key, data))

    def forget(self, tree: TreeRef) -> None:
        """Drop what waits for a tree that is about to be freed; with the latch held."""
        self._waiting = deque(
            each for each in self._waiting if each[0].root != tree.root or each[0].pages is not tree.pages
        )

    def forget_pages(self, pages: StorePages) -> None:
        """Drop what waits for a database that is about to be closed; with the latch held."""
        self._waiting = deque(each for each in self._waiting if each[0].pages is not pages)

    def run(self) -> None:
        """Clean up all that can go now.

        Errors of the pages and the log.  What caused one is not tried again: a node stays marked deleted, pages stay
        unused, as the real engine leaves them too.
        """
        while self.step():
            pass

    def step(self) -> bool:
        """Do a slice of the work; return whether there may be more."""
        with self._latch:
            if self._busy:
                # What cleans up needs room for its own changes: it must not begin to clean up itself.
                return False
            self._busy = True
            try:
                more = self._slice()
            except BaseException:
                self._close(committed=False)
                raise
            finally:
                self._busy = False
            self._close(committed=True)
            return more

    def _close(self, *, committed: bool) -> None:
        if not self.session.level:
            return
        if committed:
            self.session.commit(lazy=True)
        else:
            self.session.rollback_all()

    def _make_room(self, size: int) -> None:
        versions = self.versions
        while versions.used + size > versions.limit and self.step():
            pass

    def _slice(self) -> bool:
        for _ in range(_SLICE):
            if self._waiting:
                tree, key, data = self._waiting.popleft()
                self._at = LeftBehind(tree.pages.path, 0, 0, 0)
                self._remove(tree, key, data)
                continue
            change = self._next_change()
            if change is None:
                return False
            self._next += 1
            if isinstance(change, LiveVersion):
                trx = change.trx
                self._at = LeftBehind(change.tree.pages.path, change.rceid, trx.begin, trx.commit)
                self._clean(change)
            elif change.cleaned is not None:
                self._begin()
                change.cleaned(self.session)
        return True

    def _next_change(self) -> LiveVersion | Hook | None:
        """Return the next change that no reader needs, None when there is none."""
        while True:
            if self._transaction is None:
                if not self.versions.cleanable:
                    return None
                self._transaction = self.versions.committed.popleft()
                self._next = 0
            written = self._transaction.written
            if self._next < len(written):
                return written[self._next]
            # Its versions know it: without this it would live until the garbage collector comes.
            written.clear()
            self._transaction = None

    def _clean(self, version: LiveVersion) -> None:
        if self.versions.unlink(version) and version.oper == Oper.FLAG_DELETE:
            self.schedule(version.tree, version.key, version.data)

    def _remove(self, tree: TreeRef, key: bytes, data: bytes) -> None:
        """Remove a node if it is marked deleted and no version speaks of it."""
        if tree.freed:
            # Who wrote an index that another session had deleted may have been committed after that.
            return
        tree.pages.maintain()
        if self.versions.head(tree, key if tree.unique else (key, data)) is not None:
            return
        if tree.pages.load(tree.root).objid != tree.objid:
            return
        place = trees.descend(tree, key, data)
        if place.exact and place.page.node(place.line)[0] & _DELETED:
            self._begin()
            trees.delete(self.session, tree, place)
            self.removed += 1

    def _begin(self) -> None:
        if not self.session.level:
            self.session.begin()

    # In the background.

    def start(self) -> None:
        """Clean up in a thread from now on, if none does so already."""
        with self._turn:
            if self._thread is not None:
                return
            # Each thread has its own: one that is told to end is not called back by the next.
            self._stop = stop = threading.Event()
            self._thread = threading.Thread(target=self._background, args=(stop,), name="ese-cleanup", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits stays."""
        with self._turn:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None:
            self._wake.set()
            thread.join()

    def wake(self) -> None:
        """Say that a transaction has ended."""
        if self._thread is not None and not self._wake.is_set():
            self._wake.set()

    def _background(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.wait(_PERIOD)
            self._wake.clear()
            try:
                while not stop.is_set() and self.step():
                    pass
            except EseError as error:
                with self._turn:
                    if self._stop is stop:
                        self._thread = None
                if self.failed is not None:
                    self.failed(error, self._at)
                return
            stop.wait(_PAUSE)
