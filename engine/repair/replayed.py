"""The copy of a database in a set, brought in memory to the moment at which the database was last shut down.

    set's copy + logs of the set + logs since ──replay──► pages as they must be in the database
                                                          at its own lgposConsistent

It is the replay of a restore, above files that stay as they are.  What it gives is of use only when it ends exactly
where the database ended: same database, same log stream, same position.  Source: log reference 3.1, 3.8, 8.2.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.backup.sets import read_backup_set
from engine.errors import Err, EseError
from engine.header_file import read_header
from engine.log.paths import join
from engine.recovery.attach_rule import judge
from engine.recovery.places import last_name
from engine.recovery.soft import Recovery
from engine.repair.copy_view import CopyViewFileSystem
from engine.restore.copies import check_copy
from engine.restore.logs import gather

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.pages.source import SpilledPages
    from engine.recovery.attach_rule import Named
    from engine.recovery.control import ControlReplay, ReplayedHeader
    from engine.restore.logs import RestoreLogs
    from engine.types import LgPos, ProgressCallback

_NOT_THERE: Final = ".not-replayed"
"""Behind the name of a database that does not take part: nothing bears it."""


@dataclass(slots=True)
class ReplayedCopy:
    """Pages as the log leaves them.  `dbtime` is the highest that it knows; `close` frees the pages."""

    set_folder: str
    source: str
    pages: SpilledPages
    dbtime: int
    replayed: range
    from_set: range
    started: LgPos
    ended: LgPos
    _state: ControlReplay = field(repr=False)

    def close(self) -> None:
        """Free everything."""
        self._state.close()


@dataclass(slots=True)
class _OneDatabase:
    """The `Finder` of the replay: the copy takes part when the log names it as it was copied, nothing else does."""

    source: str
    header: DatabaseHeader
    logs: RestoreLogs
    met: bool = False

    def find(self, path: str, named: Named) -> str:
        """Return the place of the copy, or one where nothing is."""
        elsewhere = join(self.logs.set_folder, last_name(path) + _NOT_THERE)
        if named.sign_db != self.header.sign_db:
            return elsewhere
        if not self.met and judge(named, self.header, self.logs.first.signature, self.source).harmless:
            return elsewhere
        self.met = True
        return self.source


def replay_copy(
    env: Environment,
    events: EventLog,
    database: DatabaseHeader,
    *,
    path: str,
    source: str,
    log_folder: str,
    progress: ProgressCallback | None = None,
) -> ReplayedCopy:
    """Replay the set in `source` and the newer logs in `log_folder` for the database at `path` with that header.

    -1811 no set, -531 it has no copy of the database, -539 of another log stream, -543 the logs do not reach its
    shutdown, -551 they do not lead to it; otherwise the errors of a restore.  Nothing is written.
    """
    found = read_backup_set(source, fs=env.fs)
    copy = _copy_of(env.fs, found.path, [each.path for each in found.databases if each.header is not None], database)
    if found.names is None:
        raise EseError.from_code(Err.FileNotFound, "no log in the set", path=found.path)
    logs = gather(env.fs, events, found.path, log_folder, base=found.names.base, page_size=database.page_size)
    if logs.first.signature != database.sign_log:
        raise EseError.from_code(
            Err.DatabaseLogSetMismatch, "the database and the set are of different log streams", path=path
        )
    header = check_copy(env.fs, events, copy, logs)
    cut = header.page_size if header.is_backup_copy else 0
    view = CopyViewFileSystem(env.fs, copy, header, cut=cut)
    stream = dataclasses.replace(logs.stream, fs=view)
    one = _OneDatabase(copy, header, logs)
    recovery = Recovery(
        dataclasses.replace(env, fs=view), events, stream, None, {}, progress, places=one, set_top=logs.highest
    )
    recovery.replay()
    state = recovery.replayed_state()
    try:
        ended = _ended(state, copy, database, path, recovery.last_record)
        ended.pages.cache.flush()
        return ReplayedCopy(
            set_folder=found.path,
            source=copy,
            pages=ended.pages.spilled,
            dbtime=ended.pages.dbtime_last,
            replayed=range(logs.lowest, max(stream.generations) + 1),
            from_set=range(logs.lowest, logs.highest + 1),
            started=recovery.started,
            ended=ended.header.lgpos_consistent,
            _state=state,
        )
    except BaseException:
        state.close()
        raise


def _copy_of(fs: FileSystem, folder: str, paths: list[str], database: DatabaseHeader) -> str:
    """Return the copy of the database, told by its signature, not by its name."""
    for path in paths:
        if read_header(fs, path).header.sign_db == database.sign_db:
            return path
    raise EseError.from_code(
        Err.BadDbSignature, "the set has no copy of this database", path=folder, hint="choose a set that was made of it"
    )


def _ended(state: ControlReplay, copy: str, database: DatabaseHeader, path: str, last_record: LgPos) -> ReplayedHeader:
    """Return the database of the replay if it ended where the one at `path` did."""
    wanted = database.lgpos_consistent
    found = state.finished.get(copy)
    if found is not None and found.header.lgpos_consistent == wanted:
        return found
    reached = last_record if found is None else found.header.lgpos_consistent
    if reached < wanted:
        raise EseError.from_code(
            Err.RequiredLogFilesMissing,
            f"the database was shut down at {wanted}, the logs end for it at {reached}",
            path=path,
            generation=wanted.generation,
            hint="say with --logs where the newer logs are",
        )
    raise EseError.from_code(
        Err.ConsistentTimeMismatch,
        f"the logs lead beyond it: the database was shut down at {wanted}, the logs have it at {reached}",
        path=path,
        hint="the file is older than its logs; restore the database",
    )
