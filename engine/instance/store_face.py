"""What an instance offers for tables that change while it runs: the store half of `Instance`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.instance.statistics import StoreStatistics, statistics

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.files.base import FileSystem
    from engine.instance.keeper import LogKeeper
    from engine.instance.live import LiveStore
    from engine.params import Parameters
    from engine.store.shared import Shared

_COMMIT_LAZY_FLUSH: Final = 1


class StoreFace(ABC):
    """Base of `Instance`; `_live` is None while there is no log."""

    env: Environment
    params: Parameters
    _live: LiveStore | None
    _keeper: LogKeeper | None

    @abstractmethod
    def keeper(self) -> LogKeeper:
        """Return the databases and their bond with the log; -1029 before init."""

    @property
    def live(self) -> LiveStore:
        """What live work needs; -516 when logging is off, -1029 before init."""
        if self._live is None:
            raise EseError.from_code(Err.NotInitialized if self._keeper is None else Err.LoggingDisabled)
        return self._live

    @property
    def open_transactions(self) -> int:
        """Number of sessions with an open transaction."""
        return 0 if self._live is None else sum(each.level > 0 for each in list(self._live.sessions.values()))

    def statistics(self) -> StoreStatistics:
        """Return what goes on in the store, in numbers; -516 when logging is off, -1029 before init."""
        return statistics(self.live, self.keeper().checkpoint_position(), self.params.checkpoint_depth_max)

    @property
    def file_system(self) -> FileSystem:
        """Where large sorts put what does not fit into memory."""
        return self.env.fs

    @property
    def lazy_commits(self) -> bool:
        """Whether JET_paramCommitDefault lets every commit go on without the disk."""
        return bool(self.params.commit_default & _COMMIT_LAZY_FLUSH)

    def shared(self, path: str) -> Shared:
        """Return what the sessions share of an attached database; -1203 when it is not attached."""
        found = self.keeper().find(self.env.fs.absolute(path))
        if found is None:
            raise EseError.from_code(Err.DatabaseNotFound, "not attached", path=path)
        return self.live.shared_of(found)
