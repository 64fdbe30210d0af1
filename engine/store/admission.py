"""Who may write and define the tables of one database, beside whom.

    write     transactions that write a table share it, also with one that adds or deletes a column, deletes an index
              or renames the table: rows by the definition before that are right all the same
    alone     to come to the end of a new index, to number rows, to delete a table, nobody else may write it

Who wants a table alone closes its door first and then waits for the transactions that write it to end; nobody comes in
meanwhile, so others at work cannot keep it waiting for ever.  What has not ended when patience has is -1304, and the
door is open again.  In the same way a database is closed that is to be detached: -1202 when patience ends.

At a closed door a call that is a transaction of its own waits, and sees afterwards what was done behind it.  It has
changed nothing, so nobody waits for it.  Within a transaction it is -1302 (-1207 for a database): to be rolled back.

Source: jet-api reference 3.3, 6.4.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.store.versions import ACTIVE, Hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.store.pages import StorePages
    from engine.store.transactions import StoreSession
    from engine.store.versions import Transaction, VersionStore

_DEFINES: Final = "another session's transaction defines it"
_WRITES: Final = "another session's transaction writes it"


class TableLock:
    """Who has a table: transactions that write it, some that have ended included, and a session that defines it."""

    __slots__ = ("added", "alone", "changed", "owner", "snapshot", "writers", "written")

    def __init__(self) -> None:
        self.owner: StoreSession | None = None
        self.alone = False
        """Whether the owner has the table for itself, or waits for that."""
        self.writers: set[Transaction] = set()
        self.snapshot = 0
        """Transactions that began before this id see a definition by which nobody may write any more."""
        self.changed = 0
        """Transactions that began before this id see an older definition."""
        self.added = 0
        """Transactions that began before this id do not see all rows of the catalog about the table."""
        self.written = 0
        """Transactions that began before this id do not see all rows of the table; `settle` brings it up to date."""

    def settle(self, versions: VersionStore) -> None:
        """Let go of the writers that have ended; note when the last of them was committed."""
        ended = [each for each in self.writers if not versions.is_open(each)]
        self.writers.difference_update(ended)
        self.written = max([self.written, *(each.commit for each in ended if each.commit != ACTIVE)])


class Admission:
    """The doors of one database and of its tables."""

    def __init__(self, pages: StorePages) -> None:
        self.pages = pages
        self.closed = False
        """Whether the database was detached."""
        self.generation = 0
        """Counts changes of definitions, also those not committed and those taken back."""
        self.changed_before = 0
        """Transactions that began before this id may see older definitions than those that began later."""
        self.defining = 0
        """Transactions with definitions that are open."""
        self._locks: dict[int, TableLock] = {}
        self._users: set[Transaction] = set()
        """Transactions that change the database, some that have ended included."""
        self._leaving = False
        """Whether the database is about to be detached."""
        self._latch = pages.journal.latch
        self._turns = pages.journal.turns

    def _lock(self, objid: int) -> TableLock:
        found = self._locks.get(objid)
        if found is None:
            found = self._locks[objid] = TableLock()
        return found

    def forget_lock(self, objid: int) -> None:
        """Forget who had a table that is gone."""
        self._locks.pop(objid, None)

    # Coming in.

    def enter(self, session: StoreSession) -> None:
        """Let a transaction change the database: -1010 when it is gone, -1207 while it is being detached."""
        session.writable()
        with self._latch:
            self._come_in(session, None)

    def write(self, session: StoreSession, objid: int) -> bool:
        """Let a transaction write a table; return True when it sees definitions anew, and has to ask once more.

        -1302 while another has the table for itself, -1102 when the transaction sees a definition by which nobody may
        write any more, and as `enter`.
        """
        lock, trx = self._lock(objid), session.writable()
        if lock.owner is session or trx in lock.writers:
            return False
        with self._latch:
            renewed = self._come_in(session, lock)
            if session.snapshot < lock.snapshot:
                if not session.renewable:
                    raise self._defined_anew(objid)
                session.renew()
                self._come_in(session, lock)
                renewed = True
            lock.settle(session.versions)
            lock.writers.add(session.writable())
            return renewed

    def _come_in(self, session: StoreSession, lock: TableLock | None) -> bool:
        """Make a transaction one that changes the database; return whether it had to wait and began anew."""
        closed = self._closed_to(session, lock)
        waits = closed is not None and session.renewable
        if waits:
            # Its snapshot must not keep what a detach waits for.
            session.let_go()
            self._turns.wait_for(lambda: session.closed or self._gone or self._closed_to(session, lock) is None)
            session.check_open()
            session.renew()
            closed = self._closed_to(session, lock)
        if closed is not None:
            raise closed
        trx = session.writable()
        if trx not in self._users:
            self._users = {trx, *filter(session.versions.is_open, self._users)}
        return waits

    @property
    def _gone(self) -> bool:
        return self.closed or self.pages.sealed

    def _closed_to(self, session: StoreSession, lock: TableLock | None) -> EseError | None:
        """Return what keeps a session out; None when the doors are open."""
        path = self.pages.path
        if self._gone:
            return EseError.from_code(Err.InvalidDatabaseId, "the database was detached", path=path)
        if self._leaving and session.trx not in self._users:
            return EseError.from_code(Err.DatabaseLocked, "the database is being detached", path=path)
        if lock is not None and lock.alone and lock.owner is not session:
            return EseError.from_code(Err.TableLocked, _DEFINES, path=path)
        return None

    # Defining.

    def define(self, session: StoreSession, objid: int, *, alone: bool = False) -> None:
        """Let a transaction define a table, with `alone` while nobody else writes it.

        -1302 while another defines it, -1102 when the transaction sees an older definition, -1304 when others write
        it and do not end, and as `enter`.
        """
        session.writable()
        with self._latch:
            lock, seen = self._lock(objid), session.snapshot
            self._come_in(session, None)
            mine = lock.owner is session
            if not mine and lock.owner is not None:
                raise EseError.from_code(Err.TableLocked, f"table {objid}: {_DEFINES}", path=self.pages.path)
            # What the caller knows of the table is of the time before it waited.
            if not mine and seen < lock.changed:
                raise self._defined_anew(objid)
            lock.owner, before = session, lock.alone
            try:
                if alone and not before:
                    self._be_alone(session, objid, lock)
                    if session.renewable:
                        session.renew()
                        self._users.add(session.writable())
                self._define(session, lock, mine=mine, before=before)
            except BaseException:
                # Not if the session was ended while it waited: then others may have it by now.
                if lock.owner is session:
                    lock.owner, lock.alone = session if mine else None, before
                    self._turns.changed()
                raise

    def _be_alone(self, session: StoreSession, objid: int, lock: TableLock) -> None:
        """Close the door of a table that the session defines, and wait until nobody else is behind it."""

        def free() -> bool:
            return session.closed or not any(
                each is not session.trx and session.versions.is_open(each) for each in lock.writers
            )

        lock.alone = True
        patient = self._turns.wait_for(free)
        session.check_open()
        if not patient:
            raise EseError.from_code(Err.TableInUse, f"table {objid}: {_WRITES}", path=self.pages.path)

    def _define(self, session: StoreSession, lock: TableLock, *, mine: bool, before: bool) -> None:
        """Have the door open with the transaction's end; `before`: whether it was closed at the level below."""

        def taken_back() -> None:
            lock.alone = before
            self._turns.changed()
            self._step()

        self._step()
        session.hook(Hook(0, taken_back))
        if mine:
            return
        self.defining += 1

        def over() -> None:
            with self._latch:
                lock.owner, lock.alone = None, False
                self._turns.changed()
                self.defining -= 1
                self._step()

        def committed() -> None:
            with self._latch:
                lock.changed = self.changed_before = session.versions.next_trx()
                if lock.alone:
                    lock.snapshot = lock.changed
                over()

        session.hook(Hook(0, over, committed))

    def _step(self) -> None:
        """Have everybody look at the definitions again."""
        self.generation += 1

    def _defined_anew(self, objid: int) -> EseError:
        detail = f"table {objid} was defined anew since this transaction began"
        return EseError.from_code(Err.WriteConflict, detail, path=self.pages.path)

    def added(self, session: StoreSession, objid: int) -> None:
        """Note that a row of the catalog about a table was added beside the transactions that use it."""
        self._lock(objid).added = session.versions.next_trx()

    def check_seen(self, session: StoreSession, objid: int) -> None:
        """Raise -1102 when others have committed rows that the transaction, which has the table alone, does not see."""
        lock = self._lock(objid)
        lock.settle(session.versions)
        if session.snapshot < lock.written:
            detail = f"rows of table {objid} were changed by others since this transaction began"
            raise EseError.from_code(Err.WriteConflict, detail, path=self.pages.path)

    def check_complete(self, session: StoreSession, objid: int) -> None:
        """Raise -1102 when the transaction does not see all rows of the catalog about a table."""
        if session.snapshot < self._lock(objid).added:
            raise self._defined_anew(objid)

    def owned(self, session: StoreSession, objid: int) -> bool:
        """Whether the session's transaction has the table for itself, so that nobody else writes it."""
        lock = self._lock(objid)
        return lock.alone and lock.owner is session

    # The end of the database.

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Close the database, for a detach, to all that have not begun to change it; -1202 while another does so."""
        with self._latch:
            if self._leaving:
                raise self.in_use()
            self._leaving = True
        try:
            yield
        finally:
            with self._latch:
                self._leaving = False
                self._turns.changed()

    def used(self, is_open: Callable[[Transaction], bool]) -> bool:
        """Whether an open transaction has asked to change the database; with the latch held."""
        return any(map(is_open, self._users))

    def in_use(self) -> EseError:
        """Return -1202."""
        return EseError.from_code(Err.DatabaseInUse, "open transactions need it", path=self.pages.path)

    def close(self) -> None:
        """Tell everybody that the database is gone."""
        with self._latch:
            self.closed = True
            self._turns.changed()
