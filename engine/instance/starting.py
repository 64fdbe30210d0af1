"""The start of an instance, step by step.

    1  folders there (or made)          4  stream found, or a new one begun
    2  inter-process lock               5  recovery when the last run did not end well
    3  what a crash left is mended      6  the writer behind the last segment

Source: jet-api reference 2.6; log reference 3.9-3.11, 6.5, 6.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.logheader import LogHeaderExpectation
from engine.instance.keeper import LogKeeper
from engine.instance.live import cache_pages
from engine.instance.opening import (
    Folders,
    Opened,
    check_log_size,
    checkpoint_file,
    dbms_param,
    find_names,
    finish_interrupted_rollover,
    look_at_stream,
    new_stream,
    open_stream,
    read_checkpoint,
)
from engine.log.paths import join, lock_name
from engine.log.rollover import next_flags
from engine.log.stream import LogStream
from engine.log.tail import mend_tail
from engine.log.writer import LogWriter
from engine.recovery.cut import cut_stream
from engine.recovery.result import RecoveryResult
from engine.recovery.soft import Recovery
from engine.recovery.stop import Lose
from engine.types import InitOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from engine.backup.slot import BackupSlot
    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.checkpoint import CheckpointRead
    from engine.format.names import LogNames
    from engine.log.checkpoint_file import CheckpointFile
    from engine.params import Parameters
    from engine.recovery.stop import StopPoint
    from engine.types import ProgressCallback

_KNOWN: Final = (
    InitOptions.LOG_STREAM_MUST_EXIST | InitOptions.ALLOW_MISSING_CURRENT_LOG | InitOptions.REPLAY_IGNORE_LOST_LOGS
)


class Starter:
    """Starts an instance; afterwards `names`, `keeper`, `writer` and `result` are what it runs with.

    What must be given up at the end, or when the start fails, goes into `resources`.
    """

    def __init__(  # noqa: PLR0913 - what an instance has
        self,
        env: Environment,
        events: EventLog,
        params: Parameters,
        slot: BackupSlot,
        folders: Folders,
        resources: ExitStack,
        *,
        options: InitOptions,
        progress: ProgressCallback | None,
        stop_at: StopPoint | None,
        map_databases: Mapping[str, str],
    ) -> None:
        self._env = env
        self._events = events
        self._params = params
        self._slot = slot
        self._folders = folders
        self._resources = resources
        self._options = InitOptions(options)
        self._progress = progress
        self._stop_at = stop_at
        self._map = map_databases
        self.names: LogNames
        self.keeper: LogKeeper
        self.writer: LogWriter | None = None
        self.result = RecoveryResult()

    def start(self) -> None:
        """Do it."""
        params, fs = self._params, self._env.fs
        self._check_options()
        for folder in (self._folders.system, self._folders.log):
            self._check_folder(folder)
        lock = self._env.hold(join(self._folders.log, lock_name(params.base_name)))
        self._resources.enter_context(lock)
        found = LogStream.find(fs, self._folders.log, params.base_name)
        listing = [entry.name for entry in fs.list(self._folders.log)]
        self.names = find_names(params, listing, found)
        self.keeper = self._make_keeper()
        if not params.logging_enabled:
            return
        if found is None:
            if self._options & InitOptions.LOG_STREAM_MUST_EXIST:
                raise EseError.from_code(Err.MissingLogFile, "no log stream", path=self._folders.log)
            self._begin_stream()
        else:
            self._continue_stream(found)

    def _make_keeper(self) -> LogKeeper:
        return LogKeeper(
            self._env,
            self._events,
            self._slot,
            log_folder=self._folders.log,
            names=self.names,
            circular=self._params.circular_log,
        )

    def _check_options(self) -> None:
        if self._options & ~_KNOWN:
            raise EseError.from_code(Err.InvalidGrbit, f"{int(self._options & ~_KNOWN):#x} is not offered")
        if self._stop_at is not None and self._params.delete_out_of_range_logs:
            # As the engine has it: a stop leaves nothing behind it that could be out of range.
            raise EseError.from_code(Err.InvalidParameter, "a stop point and JET_paramDeleteOutOfRangeLogs")

    @property
    def _lose(self) -> Lose:
        """What of finished work may be lost: nothing, unless the options say so."""
        if not self._options & InitOptions.REPLAY_IGNORE_LOST_LOGS:
            return Lose.NOTHING
        return Lose.MISSING | Lose.DAMAGED if self._params.delete_out_of_range_logs else Lose.MISSING

    def _check_folder(self, folder: str) -> None:
        stat = self._env.fs.stat(folder)
        if stat is None and self._params.create_path_if_not_exist:
            self._env.fs.make_directory(folder, parents=True)
        elif stat is None or stat.kind is not FileKind.DIRECTORY:
            raise EseError.from_code(Err.InvalidPath, "no such folder", path=folder)

    def _begin_stream(self) -> None:
        header, checkpoint = new_stream(self._env, self._params, self._folders, self.names)
        self.keeper.checkpoint = checkpoint
        self.writer = LogWriter.create(
            self._env, self._folders.log, self.names, self.keeper, self._events, header=header
        )
        self._resources.callback(self.writer.close)

    def _continue_stream(self, found: LogStream) -> None:
        recovery: Recovery | None = None
        set_aside: tuple[str, ...] = ()
        if self._stop_at is not None or self._lose & Lose.DAMAGED:
            opened, recovery, set_aside = self._replay_partly(found)
        else:
            opened = open_stream(self._env, self._events, self._params, self._folders, found, self.names)
            if not opened.clean:
                recovery = self._recovery(opened.stream, opened.checkpoint)
                recovery.replay()
                self._resources.callback(recovery.replayed_state().close)
        if recovery is None:
            check_log_size(self._params, opened)
        checkpoint = self._checkpoint_of(opened)
        self.keeper.checkpoint = checkpoint
        mend_tail(self._env.fs, opened.tail, self._events)
        if opened.current is not None:
            self.writer = self._open_writer(opened)
        else:
            self.writer = self._create_next(opened, recovery)
        self._resources.callback(self.writer.close)
        if recovery is not None:
            self.result = recovery.finish(self.writer, checkpoint, self.keeper, set_aside=set_aside)
            self._check_size_after(opened)
        elif opened.checkpoint is None and opened.quit_position is not None:
            # A clean stream without a right checkpoint gets one, so that nothing is replayed the next time.
            checkpoint.finish(opened.quit_position)

    def _recovery(self, stream: LogStream, checkpoint: CheckpointRead | None) -> Recovery:
        return Recovery(
            self._env,
            self._events,
            stream,
            None if checkpoint is None else checkpoint.checkpoint,
            self._map,
            self._progress,
            stop=self._stop_at,
            lose=self._lose,
            cache_pages=cache_pages(self._params),
        )

    def _replay_partly(self, found: LogStream) -> tuple[Opened, Recovery | None, tuple[str, ...]]:
        """Replay to the stop point, or before what cannot be used, and end the stream there."""
        env, events, params, folders, names = self._env, self._events, self._params, self._folders, self.names
        found = finish_interrupted_rollover(env, found, names)
        header = found.header
        if header is None:
            # No log can be read: that is an error with or without a stop.
            return open_stream(env, events, params, folders, found, names), None, ()
        header.check(LogHeaderExpectation(page_size=params.database_page_size), found.folder)
        checkpoint = read_checkpoint(env, events, folders, found, names)
        recovery = self._recovery(found, checkpoint)
        recovery.replay()
        self._resources.callback(recovery.replayed_state().close)
        # Pages that are known by the log that goes are whole before it does.
        recovery.mend()
        if recovery.limit is not None:
            # The headers first: once a log is gone, no header may say that it is needed.
            recovery.lower_ranges()
        cut = cut_stream(env, events, found, recovery)
        return look_at_stream(env, events, params, folders, cut.stream, names), recovery, cut.set_aside

    def _checkpoint_of(self, opened: Opened) -> CheckpointFile:
        return checkpoint_file(self._env, self._params, self._folders, opened)

    def _check_size_after(self, opened: Opened) -> None:
        """Refuse another log size only now: the databases are clean, which the error says."""
        try:
            check_log_size(self._params, opened)
        except EseError as error:
            self._events.report(454, str(error.code))
            raise

    def _open_writer(self, opened: Opened) -> LogWriter:
        return LogWriter.open(
            self._env,
            self._folders.log,
            self.names,
            self.keeper,
            self._events,
            current_name=opened.current or self.names.current,
            header=opened.header,
            last_valid_segment=opened.tail.scan.last_valid_segment,
            accumulated=opened.tail.scan.accumulated_checksum,
            dbms_param=dbms_param(self._params, self._folders, opened.header.file_segments),
        )

    def _create_next(self, opened: Opened, recovery: Recovery | None) -> LogWriter:
        """Make the log that follows the highest closed one, when the current log is lost."""
        last = opened.header
        settings = dbms_param(self._params, self._folders, last.file_segments)
        header = last.replace(
            raw=bytes(len(last.raw)),
            generation=last.generation + 1,
            created=self._env.log_time(),
            previous_created=last.created,
            previous_checksum=opened.tail.scan.accumulated_checksum,
            dbms_param=settings,
            flags=next_flags(last, settings),
            checkpoint=self.keeper.checkpoint_position(),
            attachments=() if recovery is None else recovery.attach_list(),
        )
        return LogWriter.create(self._env, self._folders.log, self.names, self.keeper, self._events, header=header)
