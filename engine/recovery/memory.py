"""Recovery in memory: a database that was not shut down, as it would be after recovery, with its files untouched.

    with open_recovered("/evidence/srum") as recovered:
        database = open_database(recovered.databases[0].path, pages=recovered.databases[0].pages)

The log is replayed and open transactions are undone on pages that lie in memory and in an unnamed temporary file
far from the evidence; nothing is logged, and the file system refuses every write.
Source: log reference 3, 4; architecture, "Evidence read".
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine import header_changes
from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.readonly import ReadOnlyFileSystem
from engine.header_file import read_header_from
from engine.log.tail import read_tail
from engine.pages.source import FilePages
from engine.recovery.looking import folder_and_database, look
from engine.recovery.places import Places
from engine.recovery.soft import Recovery
from engine.recovery.stop import Lose
from engine.recovery.undo import UndoResult, undo_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from engine.format.dbheader import DatabaseHeader
    from engine.pages.source import PageSource
    from engine.recovery.control import ReplayedHeader
    from engine.recovery.result import RecoveryResult
    from engine.recovery.stop import StopPoint
    from engine.types import LgPos, ProgressCallback, StrPath


@dataclass(frozen=True, slots=True)
class RecoveredDatabase:
    """A database as it would be: its header after recovery, and its pages.

    `replayed` is the number of pages that differ from the file; 0 for one that needed nothing.
    """

    path: str
    header: DatabaseHeader
    pages: PageSource
    replayed: int


@dataclass(slots=True)
class Recovered:
    """What a recovery in memory gave; `close` frees the pages."""

    databases: tuple[RecoveredDatabase, ...]
    result: RecoveryResult
    undone: UndoResult
    events: EventLog
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)

    def database(self, path: str | None = None) -> RecoveredDatabase:
        """Return the database at `path`, or the only one; -1203 when it is not among them."""
        found = [each for each in self.databases if path is None or each.path == path]
        if len(found) != 1:
            known = ", ".join(each.path for each in self.databases) or "none"
            raise EseError.from_code(Err.DatabaseNotFound, f"recovered: {known}", path=path)
        return found[0]

    def close(self) -> None:
        """Free everything; idempotent."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_recovered(  # noqa: PLR0913 - what a recovery can be told
    path: StrPath,
    *,
    logs: StrPath | None = None,
    base_name: str | None = None,
    system_folder: str | None = None,
    map_databases: Mapping[str, str] | None = None,
    stop: StopPoint | None = None,
    lose: Lose = Lose.NOTHING,
    progress: ProgressCallback | None = None,
    env: Environment | None = None,
) -> Recovered:
    """Recover in memory the instance whose logs lie in the folder `path`, or beside the database `path` or in `logs`.

    `system_folder` is where the checkpoint is, when not beside the logs; `map_databases` leads from paths in the log
    to where the databases are now.  The log is followed to `stop`, by default to its end; `lose` says what may be
    missing or damaged behind what the databases need.  A database `path` that is consistent already is opened as it
    is.  Errors are those of a recovery in place; -528 when there is no log.
    """
    world = env or Environment()
    world = replace(world, fs=ReadOnlyFileSystem(world.fs))
    folder, wanted = folder_and_database(world.fs, path)
    if logs is not None:
        folder = world.fs.absolute(os.fspath(logs))
    events = EventLog(now=world.now, shared=False)
    with ExitStack() as resources:
        looked = look(world.fs, folder, base=base_name, system_folder=system_folder)
        checkpoint = None if looked.checkpoint is None else looked.checkpoint.checkpoint
        # A damaged end is refused here as it is on a start: what lies behind it is not known.
        if stop is None and not lose & Lose.DAMAGED:
            read_tail(world.fs, looked.stream.path(max(looked.stream.generations)) or "", events)
        places = Places(world.fs, folder, map_databases or {}, () if wanted is None else (wanted,))
        recovery = Recovery(
            world, events, looked.stream, checkpoint, progress=progress, places=places, stop=stop, lose=lose
        )
        recovery.replay()
        state = recovery.replayed_state()
        resources.callback(state.close)
        undone = recovery.undone = undo_all(state.pages)
        end = recovery.last_record
        databases = [_recovered(each) for _, each in sorted(state.finished.items())]
        databases += [_recovered(each, closed=(recovery, end)) for _, each in sorted(state.attached.items())]
        if wanted is not None:
            databases = [each for each in databases if each.path == wanted]
            databases = databases or [_as_it_is(world, wanted, resources)]
        result = replace(recovery.result(tuple(each.path for each in databases), end), needed=not looked.clean)
        return Recovered(tuple(databases), result, undone, events, resources.pop_all())


def _recovered(replayed: ReplayedHeader, closed: tuple[Recovery, LgPos] | None = None) -> RecoveredDatabase:
    pages = replayed.pages
    pages.cache.flush()
    header = replayed.header
    if closed is not None:
        recovery, end = closed
        header = header_changes.clean_shutdown(header, position=end, time=recovery.env.log_time())
        header = header.replace(dbtime_dirtied=pages.dbtime_last, objid_last=pages.objid_last)
    return RecoveredDatabase(replayed.path, header, pages.spilled, pages.spilled.replayed)


def _as_it_is(env: Environment, path: str, resources: ExitStack) -> RecoveredDatabase:
    """Open a database that the log does not change; -550 when it is not consistent all the same."""
    file = resources.enter_context(env.fs.open(path))
    header = read_header_from(file).header
    if not header.clean:
        raise EseError.from_code(
            Err.DatabaseDirtyShutdown, "the log beside it does not know it", path=path, hint="say where its logs are"
        )
    return RecoveredDatabase(path, header, FilePages(file, header.page_size), 0)
