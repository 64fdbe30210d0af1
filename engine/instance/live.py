"""What a running instance has for databases whose pages change: journal, pages, versions, and who keeps them up.

Source: jet-api reference, parameters 9, 18, 23, 24, 41, 60 and 128.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.store.checkpoint import Upkeep
from engine.store.cleanup import Cleanup, LeftBehind
from engine.store.journal import Journal
from engine.store.pages import StorePages
from engine.store.pool import DEFAULT_CACHE_BYTES, PagePool
from engine.store.shared import Shared
from engine.store.transactions import StoreSession
from engine.store.versions import VersionStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.attached import AttachedDatabase
    from engine.env import Environment
    from engine.events import EventLog
    from engine.instance.keeper import LogKeeper
    from engine.log.writer import LogWriter
    from engine.params import Parameters


CLEANUP_PROCID: Final = 2
"""Number of the session in which the cleanup works; those of users come later."""
DEFINING_PROCID: Final = 4
"""Number of the session that makes long-value trees, whatever becomes of the transaction that needs one."""


class LiveStore:
    """Journal, page pool, versions and upkeep of one instance, and the live pages of its databases by number."""

    def __init__(
        self, env: Environment, events: EventLog, params: Parameters, keeper: LogKeeper, writer: LogWriter
    ) -> None:
        self.journal = Journal(writer)
        self.pool = PagePool(cache_pages(params))
        self.upkeep = Upkeep(
            self.journal,
            self.pool,
            keeper,
            events,
            lambda: params.checkpoint_depth_max,
            lambda: cache_pages(params),
            background=env.background,
        )
        self.versions = VersionStore(
            max_pages=params.max_ver_pages,
            page_size=max(params.ver_page_size, 2 * params.database_page_size),
            max_transaction_percent=lambda: params.max_transaction_size,
        )
        self.cleanup = Cleanup(StoreSession(CLEANUP_PROCID, self.journal, self.versions), self._cleanup_failed)
        self.sessions: dict[int, StoreSession] = {}
        """What the sessions of the instance are to the store, by number."""
        self.pages: dict[int, StorePages] = {}
        self.shared: dict[int, Shared] = {}
        """What sessions share of each database, by number."""
        self._now = env.now
        self._params = params
        self._background = env.background
        self._events = events
        self._newest_when_told = 0
        keeper.bind(self.journal, self.pool, self.upkeep.want)

    def open(self, database: AttachedDatabase) -> None:
        """Give a database that was attached live pages."""
        params = self._params
        pages = self.pages[database.dbid] = StorePages(
            self.journal, database, self.pool, extension=lambda: params.db_extension_size
        )
        self.shared[database.dbid] = Shared(
            pages,
            update_major=database.header.update_major,
            now=self._now,
            system_session=lambda: StoreSession(DEFINING_PROCID, self.journal, self.versions, self.cleanup),
            between=lambda: self.between_operations(pages),
        )
        self.upkeep.begin()
        self._begin_cleaning()

    def _begin_cleaning(self) -> None:
        if self._background:
            self.cleanup.start()

    def session(self, procid: int) -> StoreSession:
        """Begin a session."""
        if self.pages:
            self._begin_cleaning()
        made = self.sessions[procid] = StoreSession(procid, self.journal, self.versions, self.cleanup)
        return made

    def end_session(self, procid: int) -> None:
        """End a session; what it left open is rolled back."""
        ended = self.sessions.get(procid)
        if ended is not None and not self.journal.writer.failed:
            ended.close()
        # Only now: whoever ends the instance meanwhile must not go on before this session has ended.
        self.sessions.pop(procid, None)

    def settle(self, *, clean: bool) -> None:
        """Roll every transaction back; with `clean`, remove what only waited for their end.  Called without the latch.

        Afterwards nothing is left to be done but writing the pages.
        """
        for procid in sorted(self.sessions):
            self.end_session(procid)
        self.cleanup.stop()
        if clean:
            self.cleanup.run()
        self.upkeep.end()

    @contextmanager
    def vacated(self, database: AttachedDatabase) -> Iterator[None]:
        """Have a database for oneself, to detach it: transactions that change it end first, no others begin to.

        -1202 when one of them, or one that needs what was before its changes, does not end.
        Called without any lock, for those transactions end by other calls.
        """
        shared = self.shared.get(database.dbid)
        if shared is None:
            yield
            return
        turns = self.journal.turns
        deadline = turns.deadline()
        with shared.leaving():
            while True:
                # Without the changes that were only kept for transactions that have ended.
                self.cleanup.run()
                with self.journal.latch:
                    if not self._used(database):
                        break
                    ready = turns.wait_for(lambda: self.versions.cleanable or not self._used(database), deadline)
                if not ready:
                    raise shared.in_use()
            yield

    def _used(self, database: AttachedDatabase) -> bool:
        shared = self.shared.get(database.dbid)
        users = shared is not None and shared.used(self.versions.is_open)
        return users or self.versions.uses(database.dbid)

    def _check_unused(self, database: AttachedDatabase) -> None:
        if self._used(database):
            raise EseError.from_code(Err.DatabaseInUse, "open transactions need it", path=database.path)

    def between_operations(self, pages: StorePages) -> None:
        """Do what is due between the operations of a session: room in the cache, and upkeep where no thread does it."""
        with self.journal.latch:
            pages.maintain()
        self.upkeep.between_operations()

    def _cleanup_failed(self, error: EseError, at: LeftBehind) -> None:
        # Whoever next needs the room, detaches or ends cleans up by itself and gets the error; the next
        # session starts the thread again.
        before, self._newest_when_told = self._newest_when_told, self.versions.trx_newest
        numbers = (at.rceid, at.begin, at.commit, before, self._newest_when_told)
        # As the engine tells of deletes that it discards; the error is told besides.
        self._events.report(602, at.path or error.path or "", *(f"{each:#x}" for each in numbers), str(error.code))

    def shared_of(self, database: AttachedDatabase) -> Shared:
        """Return what sessions share of a database; -1203 when it has no live pages."""
        self.find(database)
        return self.shared[database.dbid]

    def find(self, database: AttachedDatabase) -> StorePages:
        """Return the pages of a database as sessions see them; -1203 when it has none."""
        found = self.pages.get(database.dbid)
        if found is None:
            raise EseError.from_code(Err.DatabaseNotFound, path=database.path)
        return found

    def seal(self, database: AttachedDatabase | None = None) -> None:
        """Write everything of a database, or of all, and let nothing change any more.  Called with the latch held.

        -1202 when transactions have begun to change the one database meanwhile.
        """
        for dbid, pages in self.pages.items():
            if database is None or dbid == database.dbid:
                if database is not None:
                    self._check_unused(database)
                pages.flush()
                pages.sealed = True

    def close(self, database: AttachedDatabase, *, clean: bool = False) -> None:
        """Let go of the live pages of a database; `clean`: its file has them all, and its header says so."""
        pages = self.pages.pop(database.dbid, None)
        shared = self.shared.pop(database.dbid, None)
        if shared is not None:
            shared.close()
        if pages is not None:
            with self.journal.latch:
                self.cleanup.forget_pages(pages)
                pages.close(clean=clean)

    def end(self) -> None:
        """Let go of everything; nothing is written.  Idempotent."""
        self.cleanup.stop()
        self.upkeep.end()
        self.sessions.clear()
        for shared in self.shared.values():
            shared.close()
        self.shared.clear()
        with self.journal.latch:
            for pages in self.pages.values():
                pages.close()
        self.pages.clear()


def cache_pages(params: Parameters) -> int:
    """Return how many pages the cache may hold: CacheSize when it is set, else what fits 64 MiB, in its bounds."""
    if params.cache_size:
        return params.cache_size
    wanted = DEFAULT_CACHE_BYTES // params.database_page_size
    return max(params.cache_size_min, min(params.cache_size_max, wanted))
