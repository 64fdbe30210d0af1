"""A restore, step by step, by an instance that has not begun.

    logs of the set and of the log folder checked      nothing is written before
    event 204
    replay: databases copied aside as the log names them, changes above them
    close: undo logged, pages, headers clean, RecoveryQuit2, checkpoint
    databases get their names
    event 205, whatever happened

The set is only read.  A restore that dies leaves databases under other names (`.restoring`), and perhaps logs that
follow those of the set; run again, it goes on through these.
Source: jet-api reference R53-R59; log reference 8.2.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.instance.live import cache_pages
from engine.instance.opening import Folders, Opened
from engine.instance.restore_progress import RestoreProgress
from engine.instance.starting import Starter
from engine.log.paths import join, lock_name, name_of
from engine.log.tail import mend_tail, read_tail
from engine.recovery.cut import cut_stream
from engine.recovery.soft import Recovery
from engine.restore.copies import RestoreMap
from engine.restore.logs import gather
from engine.restore.result import RestoreResult
from engine.types import InitOptions

if TYPE_CHECKING:
    from engine.backup.slot import BackupSlot
    from engine.env import Environment
    from engine.events import EventLog
    from engine.monitor import Monitor
    from engine.params import Parameters
    from engine.recovery.stop import StopPoint
    from engine.restore.logs import RestoreLogs
    from engine.types import ProgressCallback


class Restorer(Starter):
    """Restores one set; everything that is opened is closed again."""

    def __init__(
        self,
        env: Environment,
        events: EventLog,
        params: Parameters,
        slot: BackupSlot,
        folders: Folders,
        progress: ProgressCallback | None,
        *,
        monitor: Monitor | None = None,
        stop_at: StopPoint | None = None,
    ) -> None:
        self._monitor = monitor
        self._telling = RestoreProgress(progress, monitor)
        super().__init__(
            env,
            events,
            params,
            slot,
            folders,
            ExitStack(),
            options=InitOptions.NONE,
            progress=progress,
            stop_at=stop_at,
            map_databases={},
        )

    def restore(self, source: str, destination: str | None) -> RestoreResult:
        """Restore the set in `source` into the folder `destination`; None: to where the logs say."""
        params, fs = self._params, self._env.fs
        source = fs.absolute(source)
        destination = None if destination is None else fs.absolute(destination)
        with self._resources:
            for folder in (self._folders.system, self._folders.log):
                self._check_folder(folder)
            self._resources.enter_context(self._env.hold(join(self._folders.log, lock_name(params.base_name))))
            logs = gather(
                fs,
                self._events,
                source,
                self._folders.log,
                base=params.base_name,
                page_size=params.database_page_size,
            )
            self._events.report(204, join(logs.set_folder, ""), join(self._folders.log, ""))
            try:
                result = self._restore(logs, destination)
            except BaseException as error:
                self._telling.fail()
                # A callback that has raised is not blamed twice: the first exception is what the caller gets.
                late = self._telling.late
                if late is not None and not (isinstance(error, EseError) and error.code == Err.CallbackFailed):
                    raise late from error
                raise
            else:
                self._telling.complete()
            finally:
                self._events.report(205)
        if self._telling.late is not None:
            raise self._telling.late
        return result

    def _restore(self, logs: RestoreLogs, destination: str | None) -> RestoreResult:
        fs = self._env.fs
        try:
            self._telling.begin(max(logs.stream.generations) - logs.lowest + 1)
            places = RestoreMap.of_set(
                fs,
                self._events,
                logs,
                destination,
                create_path=self._params.create_path_if_not_exist,
                monitor=self._monitor,
                copied=self._telling.copied,
            )
            self._telling.databases = len(places.names)
        except EseError as error:
            self._events.report(454, str(error.code))
            raise
        recovery = Recovery(
            self._env,
            self._events,
            logs.stream,
            None,
            {},
            self._telling.replay,
            places=places,
            set_top=logs.highest,
            stop=self._stop_at,
            cache_pages=cache_pages(self._params),
        )
        try:
            recovery.replay()
        except EseError:
            # Nothing of these copies is of use: the next restore begins with fresh ones.
            with suppress(EseError):
                places.discard()
            raise
        self._resources.callback(recovery.replayed_state().close)
        opened = self._close(logs, recovery)
        places.publish()
        self._check_size_after(opened)
        return RestoreResult(
            set_folder=logs.set_folder,
            databases={each.logged_path: each.target for each in places.databases.values()},
            replayed=self.result.replayed,
            from_set=range(logs.lowest, logs.highest + 1),
            started=recovery.started,
            ended=self.result.ended,
            recovery=self.result,
        )

    def _close(self, logs: RestoreLogs, recovery: Recovery) -> Opened:
        """Write what the replay has made, and close the log: the live one, or one that follows the set."""
        cut = cut_stream(self._env, self._events, logs.stream, recovery)
        stream = cut.stream
        last = stream.path(max(stream.generations)) or ""
        tail = read_tail(self._env.fs, last, self._events)
        with stream.open(max(stream.generations)) as log:
            header, quit_position = log.header, log.quit_position()
        opened = Opened(
            names=stream.names,
            stream=stream,
            header=header,
            tail=tail,
            current=None if stream.current is None else name_of(stream.current),
            quit_position=quit_position,
            checkpoint=None,
        )
        self.names = stream.names
        self.keeper = self._make_keeper()
        checkpoint = self._checkpoint_of(opened)
        self.keeper.checkpoint = checkpoint
        if opened.current is not None:
            mend_tail(self._env.fs, tail, self._events)
            self.writer = self._open_writer(opened)
        else:
            self.writer = self._create_next(opened, recovery)
        self._resources.callback(self.writer.close)
        self.result = recovery.finish(self.writer, checkpoint, self.keeper, set_aside=cut.set_aside)
        return opened
