"""What a running instance has for databases whose pages change: journal, the pool of their pages, upkeep.

Source: jet-api reference, parameters 18, 23, 24, 41 and 60.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.store.checkpoint import Upkeep
from engine.store.journal import Journal
from engine.store.pages import DEFAULT_CACHE_BYTES, PagePool, StorePages

if TYPE_CHECKING:
    from engine.attached import AttachedDatabase
    from engine.env import Environment
    from engine.events import EventLog
    from engine.instance.keeper import LogKeeper
    from engine.log.writer import LogWriter
    from engine.params import Parameters


class LiveStore:
    """Journal, page pool and upkeep of one instance, and the live pages of its attached databases by number."""

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
            background=env.background,
        )
        self.pages: dict[int, StorePages] = {}
        self._params = params
        keeper.bind(self.journal, self.pool, self.upkeep.want)

    def open(self, database: AttachedDatabase) -> None:
        """Give a database that was attached live pages."""
        extension = self._params.db_extension_size
        self.pages[database.dbid] = StorePages(self.journal, database, self.pool, extension=extension)
        self.upkeep.begin()

    def find(self, database: AttachedDatabase) -> StorePages:
        """Return the live pages of a database; -1203 when it has none."""
        found = self.pages.get(database.dbid)
        if found is None:
            raise EseError.from_code(Err.DatabaseNotFound, "attached for reading only", path=database.path)
        return found

    def flush(self, database: AttachedDatabase | None = None) -> None:
        """Write what the file of a database, or of all, does not have.  Called with the latch held."""
        for dbid, pages in self.pages.items():
            if database is None or dbid == database.dbid:
                pages.flush()

    def close(self, database: AttachedDatabase) -> None:
        """Let go of the live pages of a database."""
        pages = self.pages.pop(database.dbid, None)
        if pages is not None:
            pages.close()

    def end(self) -> None:
        """Let go of everything; nothing is written.  Idempotent."""
        self.upkeep.end()
        for pages in self.pages.values():
            pages.close()
        self.pages.clear()


def cache_pages(params: Parameters) -> int:
    """Return how many pages the cache may hold: CacheSize when it is set, else what fits 64 MiB, in its bounds."""
    if params.cache_size:
        return params.cache_size
    wanted = DEFAULT_CACHE_BYTES // params.database_page_size
    return max(params.cache_size_min, min(params.cache_size_max, wanted))
