"""The version store: what was before each change, for snapshots, conflicts and undoing.

Every versioned change of a node makes one version.  The versions of a node form a chain, the newest first; the page
always has the newest state.  A reader walks from there to the state of its snapshot: a version that is not visible
is thought away.

    visible     made by the reader's own transaction, or committed before it began
    insert      thought away: the node is deleted        flag delete   the node is there
    replace     the data is the before-image             delta         its amount is taken off again

(The real engine lets a reader see the pending deltas of others; here they are no part of its snapshot.)

A write conflicts when the newest version of its node is active, that is made by another transaction which is open or
was committed after the writer began.  Deltas of the same width commute, so they conflict only with other operations.

The store is bounded: JET_paramMaxVerPages pages of JET_paramVerPageSize bytes (at least twice the database page).  A
version counts with the size of the engine's own entry: 144 bytes, bookmark, and for a replace 8 bytes and the
before-image, rounded up to 8.

Everything here is called with the latch held.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.lr import NodeFlags, Oper
from engine.redo.node_ops import shifted
from engine.redo.version import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.format.lr import UndoInfo
    from engine.store.doing import TreeRef
    from engine.store.transactions import StoreSession

Bookmark: TypeAlias = "bytes | tuple[bytes, bytes]"
"""What names a node in its tree: the key, where keys are not unique the key and the data."""

ACTIVE: Final = 1 << 62
"""Commit id of a transaction that is open: later than everything."""
LATEST: Final = ACTIVE - 1
"""Snapshot of a session without transaction: all that is committed."""
TRX_STEP: Final = 4
RCEID_STEP: Final = 2
WORD: Final = 0xFFFFFFFF

_COMMUTING: Final = frozenset((Oper.READ_LOCK, Oper.DELTA, Oper.DELTA64))
_INSERT: Final = int(Oper.INSERT)
_REPLACE: Final = int(Oper.REPLACE)
_FLAG_DELETE: Final = int(Oper.FLAG_DELETE)
_DELTA: Final = int(Oper.DELTA)
_DELTA64: Final = int(Oper.DELTA64)
_VERSIONED: Final = int(NodeFlags.VERSIONED)
_VERSIONED_UNIQUE: Final = int(NodeFlags.VERSIONED | NodeFlags.UNIQUE)
_DBID: Final = 0xFF
_ENTRY: Final = 144
_REPLACE_EXTRA: Final = 8
_DEFAULT_PAGES: Final = 64
_DEFAULT_PAGE_SIZE: Final = 32768
_ALL: Final = 100


class Transaction:
    """One transaction from level 0 on; `begin` is its snapshot, `level` its depth, `commit` ACTIVE while it is open."""

    __slots__ = ("begin", "commit", "level", "procid", "written")

    def __init__(self, begin: int, procid: int) -> None:
        self.begin = begin
        self.procid = procid
        self.level = 0
        self.commit = ACTIVE
        self.written: list[LiveVersion | Hook] = []
        """Its versions and hooks in order of making."""


@dataclass(slots=True)
class Hook:
    """Something that goes with a transaction although it is no change of a node; `level` as of a version.

    `rolled_back` runs in its turn among the changes that are taken back, `committed` when the outermost level has
    been committed, `cleaned` when moreover no reader is left that began before.  All run with the latch held.
    """

    level: int = 0
    rolled_back: Callable[[], None] | None = None
    committed: Callable[[], None] | None = None
    cleaned: Callable[[StoreSession], None] | None = None


class LiveVersion(Change):
    """A version of live work, linked to its neighbours in the chain of its node.

    `size` is what it takes of the store, `size_after` the length of the node's data after the change, `image_due` says
    that the before-image is not in the log yet and has to be logged before the page `pgno` of the change is written.
    `trx` says who sees the change and conflicts with it, `account` is the transaction that takes it back: another one
    only where a new index is told what others did while it was filled.
    """

    __slots__ = (
        "account",
        "before",
        "data",
        "delta",
        "image_due",
        "key",
        "level",
        "newer",
        "offset",
        "older",
        "oper",
        "pgno",
        "rceid",
        "size",
        "size_after",
        "tree",
        "trx",
    )

    def __init__(
        self, trx: Transaction, tree: TreeRef, rceid: int, oper: int, key: bytes, data: bytes, size: int
    ) -> None:
        self.trx = self.account = trx
        self.tree = tree
        self.rceid = rceid
        self.oper = oper
        self.key = key
        self.data = b"" if tree.unique else data
        self.level = trx.level
        self.size = size
        self.before = None
        self.delta = self.offset = self.size_after = self.pgno = 0
        self.image_due = False
        self.newer: LiveVersion | None = None
        self.older: LiveVersion | None = None

    @property
    def procid(self) -> int:
        """Number of the session in log records."""
        return self.account.procid

    @property
    def trx_begin0(self) -> int:
        """Id of the transaction in log records."""
        return self.account.begin & WORD

    @property
    def dbid(self) -> int:
        """Number of the database in log records."""
        return self.tree.pages.dbid

    @property
    def pgno_fdp(self) -> int:
        """Root of the tree."""
        return self.tree.root

    @property
    def objid_fdp(self) -> int:
        """Object id of the tree."""
        return self.tree.objid

    @property
    def unique(self) -> bool:
        """Whether the key alone names the node."""
        return self.tree.unique

    @property
    def flags(self) -> int:
        """Flags of log records about the change."""
        return _VERSIONED_UNIQUE if self.tree.unique else _VERSIONED

    @property
    def bookmark(self) -> Bookmark:
        """The name of the node in its tree."""
        return self.key if self.unique else (self.key, self.data)

    def undo_info(self) -> UndoInfo:
        """Return the record that brings the before-image into the log."""
        self.image_due = False
        return self.image_record(self.pgno, self.size_after)


Chains: TypeAlias = dict[Bookmark, LiveVersion]
_NO_CHAINS: Final[Chains] = {}


class VersionStore:
    """All versions of an instance, and the counters of its transactions.

    `max_pages` and `page_size` bound it.  The oldest open transaction may not go on when more than
    `max_transaction_percent` of that is used; it is asked for when it can matter, once after each beginning.
    `make_room` is called when the store is full; it cleans up what can go.
    """

    def __init__(
        self,
        *,
        max_pages: int = _DEFAULT_PAGES,
        page_size: int = _DEFAULT_PAGE_SIZE,
        max_transaction_percent: Callable[[], int] = lambda: _ALL,
        first_rceid: int = 1,
    ) -> None:
        self.limit = max_pages * page_size
        self.page_size = page_size
        self._percent = max_transaction_percent
        self._sure = self.limit // _ALL
        """What the oldest transaction may use whatever the percentage is."""
        self._oldest_may_use = self._sure
        self.used = 0
        self.count = 0
        self.trx_newest = 0
        self.published = 0
        """Counts what changes the view of readers without a transaction."""
        self.make_room: Callable[[int], None] | None = None
        self.rooms = 0
        """Counts the calls of `make_room`; each may have removed nodes."""
        self.committed: deque[Transaction] = deque()
        """Transactions whose versions wait for the readers that began before they were committed, oldest first."""
        self._rceid = first_rceid | 1
        self._trees: dict[int, Chains] = {}
        self._active: dict[Transaction, None] = {}

    # Transactions.

    def begin(self, procid: int, *, read_only: bool) -> Transaction:
        """Begin a transaction: ids go up in steps of 4, a reader takes none and lies between two."""
        self._oldest_may_use = self._sure
        if read_only:
            trx = Transaction(self.trx_newest + TRX_STEP // 2, procid)
        else:
            trx = Transaction(self.next_trx(), procid)
        self._active[trx] = None
        return trx

    def next_trx(self) -> int:
        """Return the next transaction id; the log has its low 32 bits."""
        self.trx_newest += TRX_STEP
        return self.trx_newest

    def next_rceid(self) -> int:
        """Return the id of the next version, odd, in 32 bits."""
        self._rceid = (self._rceid + RCEID_STEP) & WORD
        return self._rceid

    def publish(self, trx: Transaction) -> None:
        """Make a transaction's changes visible to all that begin from now on."""
        trx.commit = self.next_trx()
        del self._active[trx]
        if trx.written:
            self.published += 1
            self.committed.append(trx)

    def discard(self, trx: Transaction) -> None:
        """Forget a transaction that was rolled back or left nothing; once more if need be."""
        self.published += 1
        self._active.pop(trx, None)

    def is_open(self, trx: Transaction) -> bool:
        """Whether a transaction has not ended."""
        return trx in self._active

    @property
    def oldest(self) -> int:
        """Begin of the oldest open transaction; ACTIVE when none is open."""
        for trx in self._active:
            return trx.begin
        return ACTIVE

    @property
    def cleanable(self) -> bool:
        """Whether a transaction has been committed whose versions no reader needs any more."""
        return bool(self.committed) and self.committed[0].commit <= self.oldest

    @property
    def open_transactions(self) -> int:
        """Number of open transactions."""
        return len(self._active)

    def uses(self, dbid: int) -> bool:
        """Whether a node of this database has a version."""
        return any(tree & _DBID == dbid for tree in self._trees)

    # Chains.

    def chains(self, tree: TreeRef) -> Chains:
        """Return the newest version of each node of a tree that has one; not to be changed."""
        return self._trees.get(tree.number, _NO_CHAINS)

    def head(self, tree: TreeRef, bookmark: Bookmark) -> LiveVersion | None:
        """Return the newest version of a node."""
        chains = self._trees.get(tree.number)
        return None if chains is None else chains.get(bookmark)

    def reserve(self, trx: Transaction, key: bytes, data: bytes, before: int = -1) -> int:
        """Return the size of a version that is about to be made; `before`: size of a before-image.

        -1069 when the store is full of versions that still are needed, -1065 when the version fits no page.
        """
        size = _ENTRY + len(key) + len(data) + 7 & ~7
        if before >= 0:
            size += _REPLACE_EXTRA + before + 7 & ~7
        if self.used + size > self._oldest_may_use:
            self._make_room(trx, size)
        return size

    def _make_room(self, trx: Transaction, size: int) -> None:
        if size > self.page_size:
            raise EseError.from_code(Err.VersionStoreEntryTooBig, f"a version of {size} bytes")
        if self.used + size > self.limit and self.make_room is not None:
            self.rooms += 1
            self.make_room(size)
        # Making room begins transactions too.
        self._oldest_may_use = self.limit * self._percent() // _ALL
        oldest = trx.begin == self.oldest
        if self.used + size > (self._oldest_may_use if oldest else self.limit):
            raise EseError.from_code(
                Err.VersionStoreOutOfMemory,
                f"{self.count} versions take {self.used} of {self.limit} bytes; the oldest of "
                f"{len(self._active)} open transactions is {self.oldest}",
                hint="commit in smaller steps, end long readers, or raise MaxVerPages",
            )

    def link(self, version: LiveVersion) -> None:
        """Put a version at the head of the chain of its node, and on the account of its transaction."""
        tree = version.tree
        chains = self._trees.get(tree.number)
        if chains is None:
            chains = self._trees[tree.number] = {}
        bookmark: Bookmark = version.key if tree.unique else (version.key, version.data)
        older = chains.get(bookmark)
        if older is not None:
            version.older = older
            older.newer = version
        chains[bookmark] = version
        version.trx.written.append(version)
        self.used += version.size
        self.count += 1

    def unlink(self, version: LiveVersion) -> bool:
        """Take a version out; return whether its node has none left."""
        older, newer = version.older, version.newer
        tree = version.tree.number
        if older is not None:
            older.newer = newer
        if newer is not None:
            newer.older = older
        else:
            chains = self._trees[tree]
            if older is not None:
                chains[version.bookmark] = older
            else:
                del chains[version.bookmark]
                if not chains:
                    del self._trees[tree]
        version.older = version.newer = None
        self.used -= version.size
        self.count -= 1
        return older is None and newer is None


def most_data(version: LiveVersion | None) -> int:
    """Return the size of the largest data that undoing the open changes of a node may put back."""
    most = 0
    while version is not None:
        if version.before is not None and version.account.commit == ACTIVE:
            most = max(most, len(version.before))
        version = version.older
    return most


def conflicts(head: LiveVersion | None, trx: Transaction, oper: int) -> bool:
    """Return whether an operation of a transaction conflicts with the versions of its node."""
    if head is None:
        return False
    if _active_not_by(head, trx):
        if oper not in _COMMUTING:
            return True
        version: LiveVersion | None = head
        while version is not None and version.trx.commit > trx.begin:
            if version.oper != oper:
                return True
            version = version.older
        return False
    if head.oper != oper and head.oper in _COMMUTING:
        version = head.older
        while version is not None:
            if _active_not_by(version, trx):
                return True
            version = version.older
    return False


def _active_not_by(version: LiveVersion, trx: Transaction) -> bool:
    owner = version.trx
    return owner is not trx and owner.commit > trx.begin


def visible(
    head: LiveVersion | None, trx: Transaction | None, snapshot: int, *, deleted: int, data: bytes
) -> bytes | None:
    """Return a node's data as a snapshot has it, None when it has no such node.

    `deleted` and `data` are what the page says; `trx` is the reader's own transaction.
    """
    version = head
    while version is not None:
        owner = version.trx
        oper = version.oper
        if owner is trx or owner.commit < snapshot:
            if oper in {_INSERT, _REPLACE, _FLAG_DELETE}:
                break
        elif oper == _REPLACE:
            data = version.before or b""
        elif oper == _INSERT:
            deleted = 1
        elif oper == _FLAG_DELETE:
            deleted = 0
        elif oper in {_DELTA, _DELTA64}:
            data = shifted(data, version.offset, -version.delta, wide=oper == _DELTA64)
        version = version.older
    return None if deleted else data
