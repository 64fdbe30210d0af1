"""What all sessions share of one live database beyond its pages: trees, counters, and who may define or write what.

    trees       one `TreeRef` a tree, so that searches and versions meet
    counters    numbers that are given out and never taken back: record numbers, long-value ids, auto-increment
    locks       a transaction that defines a table has it for itself until it ends; those that write it share it

Counters are used with the journal's latch held.
Source: database reference 2.6, 3.4, 6.5, 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.catalog_row import (
    FDP_CATALOG,
    FDP_NAME_INDEX,
    FDP_ROOT_OBJECTS_INDEX,
    FDP_SHADOW,
    FDP_SYSTEM_ROOT,
    OBJID_CATALOG,
    OBJID_NAME_INDEX,
    OBJID_ROOT_OBJECTS_INDEX,
    OBJID_SHADOW,
    OBJID_SYSTEM_ROOT,
)
from engine.format.page import PageFlags
from engine.store.doing import TreeRef
from engine.store.versions import ACTIVE, Hook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession
    from engine.store.versions import Transaction, VersionStore

_LOCKED: Final = "another session's transaction"


class TableLock:
    """Who has a table: transactions that write it, some that have ended included, or a session that defines it."""

    __slots__ = ("added", "owner", "snapshot", "writers", "written")

    def __init__(self) -> None:
        self.owner: StoreSession | None = None
        self.writers: set[Transaction] = set()
        self.snapshot = 0
        """Transactions that began before this id see an older definition of the table."""
        self.added = 0
        """Transactions that began before this id do not see all rows of the catalog about the table."""
        self.written = 0
        """Transactions that began before this id do not see all rows of the table; `settle` brings it up to date."""

    def settle(self, versions: VersionStore) -> None:
        """Let go of the writers that have ended; note when the last of them was committed."""
        ended = [each for each in self.writers if not versions.is_open(each)]
        self.writers.difference_update(ended)
        self.written = max([self.written, *(each.commit for each in ended if each.commit != ACTIVE)])


class Shared:
    """The shared part of one database.  `update_major` is its format level, `now` a clock."""

    def __init__(
        self,
        pages: StorePages,
        *,
        update_major: int,
        now: Callable[[], datetime],
        system_session: Callable[[], StoreSession],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.pages = pages
        self.update_major = update_major
        self.now = now
        self.system_session = system_session
        """Makes a session for work that stays whatever becomes of the caller's transaction."""
        self.between = between
        """Does what is due between operations: called without the latch, when no page is in anybody's hand."""
        self.closed = False
        """Whether the database was detached."""
        self.generation = 0
        """Counts changes of definitions, also those not committed and those taken back."""
        self.changed_before = 0
        """Transactions that began before this id may see older definitions than those that began later."""
        self.defining = 0
        """Transactions with definitions that are open."""
        self.numbers: dict[tuple[int, str], int] = {}
        """Last number given out, by object and kind."""
        self._trees: dict[int, TreeRef] = {}
        self._locks: dict[int, TableLock] = {}
        self.root = TreeRef(pages, FDP_SYSTEM_ROOT, OBJID_SYSTEM_ROOT)
        self.catalog = TreeRef(pages, FDP_CATALOG, OBJID_CATALOG, parent=self.root)
        self.shadow = TreeRef(pages, FDP_SHADOW, OBJID_SHADOW, parent=self.root)
        kind = int(PageFlags.INDEX)
        self.by_name = TreeRef(pages, FDP_NAME_INDEX, OBJID_NAME_INDEX, kind=kind, parent=self.catalog)
        self.roots = TreeRef(pages, FDP_ROOT_OBJECTS_INDEX, OBJID_ROOT_OBJECTS_INDEX, kind=kind, parent=self.catalog)

    def tree(
        self, root: int, objid: int, *, parent: TreeRef, kind: int = 0, unique: bool = True, density: int = 80
    ) -> TreeRef:
        """Return the one `TreeRef` of a tree."""
        found = self._trees.get(objid)
        if found is None or found.root != root:
            found = self._trees[objid] = TreeRef(self.pages, root, objid, unique, kind, density, parent)
        return found

    def keep(self, tree: TreeRef) -> None:
        """Take a tree that was just made."""
        self._trees[tree.objid] = tree

    def known(self, objid: int) -> TreeRef | None:
        """Return the `TreeRef` of a tree, if there is one."""
        return self._trees.get(objid)

    def forget(self, objid: int) -> None:
        """Forget a tree that is gone, its counters and who had it."""
        self._trees.pop(objid, None)
        self._locks.pop(objid, None)
        for key in [key for key in self.numbers if key[0] == objid]:
            del self.numbers[key]

    # Locks.

    def _lock(self, objid: int) -> TableLock:
        found = self._locks.get(objid)
        if found is None:
            found = self._locks[objid] = TableLock()
        return found

    def write(self, session: StoreSession, objid: int) -> None:
        """Let a transaction write a table: -1302 while another defines it, -1102 when it sees an older definition."""
        lock, trx = self._lock(objid), session.writable()
        if lock.owner is session or trx in lock.writers:
            return
        with self.pages.journal.latch:
            if lock.owner is not None:
                raise EseError.from_code(Err.TableLocked, f"table {objid}: {_LOCKED} defines it", path=self.pages.path)
            if session.snapshot < lock.snapshot:
                raise self._defined_anew(objid)
            lock.settle(session.versions)
            lock.writers.add(trx)

    def _defined_anew(self, objid: int) -> EseError:
        detail = f"table {objid} was defined anew since this transaction began"
        return EseError.from_code(Err.WriteConflict, detail, path=self.pages.path)

    def define(self, session: StoreSession, objid: int, *, over_rows: bool = False) -> None:
        """Let a transaction define a table: -1304 while others write it, -1302 while another defines it.

        -1102 when it sees an older definition.  With `over_rows` what it makes depends on the rows, so also when
        others have committed some that it does not see.
        """
        lock, trx = self._lock(objid), session.writable()
        with self.pages.journal.latch:
            self.generation += 1
            session.hook(Hook(0, self._step))
            if lock.owner is not session:
                self._take(session, trx, objid, lock)
            if over_rows and session.snapshot < lock.written:
                detail = f"rows of table {objid} were changed by others since this transaction began"
                raise EseError.from_code(Err.WriteConflict, detail, path=self.pages.path)

    def _take(self, session: StoreSession, trx: Transaction, objid: int, lock: TableLock) -> None:
        """Let a session have a table for itself."""
        if lock.owner is not None:
            raise EseError.from_code(Err.TableLocked, f"table {objid}: {_LOCKED} defines it", path=self.pages.path)
        lock.settle(session.versions)
        if lock.writers - {trx}:
            raise EseError.from_code(Err.TableInUse, f"table {objid}: {_LOCKED} writes it", path=self.pages.path)
        if session.snapshot < max(lock.snapshot, lock.added):
            raise self._defined_anew(objid)
        lock.owner = session
        self.defining += 1

        def over() -> None:
            with self.pages.journal.latch:
                lock.owner = None
                self.defining -= 1
                self._step()

        def committed() -> None:
            with self.pages.journal.latch:
                lock.snapshot = self.changed_before = session.versions.next_trx()
                over()

        session.hook(Hook(0, over, committed))

    def added(self, session: StoreSession, objid: int) -> None:
        """Note that a row of the catalog about a table was added beside the transactions that use it."""
        self._lock(objid).added = session.versions.next_trx()

    def owned(self, session: StoreSession, objid: int) -> bool:
        """Whether the session's transaction defines the table, so that nobody else writes it."""
        return self._lock(objid).owner is session

    def _step(self) -> None:
        """Have everybody look at the definitions again."""
        self.generation += 1
