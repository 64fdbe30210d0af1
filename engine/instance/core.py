"""The instance: one log stream and the databases attached to it.

    with Instance("demo", path="/data") as instance:
        with instance.session() as session:
            session.attach("/data/a.edb")
        instance.backup("/backup")

Nothing on disk is touched before `init`.  `term` leaves the databases clean and the stream ended by a Term2
record, so that any engine can go on with it.
Source: jet-api reference 2.2, 2.6, 6.4; log reference 6.5.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from engine.backup.slot import BackupSlot
from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.format.lr import Init2
from engine.instance.attachments import Attachments
from engine.instance.backup_face import BackupFace
from engine.instance.ending import end_cleanly
from engine.instance.live import LiveStore
from engine.instance.look_face import LookFace
from engine.instance.opening import Folders
from engine.instance.registry import REGISTRY, world_of
from engine.instance.restoring import Restorer
from engine.instance.starting import Starter
from engine.instance.state import ATTACHED_STATES, InstanceState, refusal
from engine.instance.store_face import StoreFace
from engine.params import PROCESS, Param, Parameters, SharedParameters
from engine.recovery.stop import StopPoint
from engine.session import AttachResult, Session
from engine.types import LGPOS_MIN, InitOptions, LgPos, TermOptions
from engine.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from engine.discover import FoundInstance
    from engine.format.names import LogNames
    from engine.instance.keeper import LogKeeper
    from engine.log.writer import LogWriter
    from engine.monitor import Monitor
    from engine.recovery.result import RecoveryResult
    from engine.restore.result import RestoreResult
    from engine.types import ProgressCallback, StrPath

FIRST_PROCID = 5
"""Number that the first session of a user gets in the log."""

_STOPPED_CHECKPOINT_DEPTH = 16384
_ANY_TERM = TermOptions.COMPLETE | TermOptions.ABRUPT | TermOptions.STOP_BACKUP | TermOptions.DIRTY


class Instance(LookFace, BackupFace, StoreFace):
    """An instance of the engine; see the module's text.  Safe from any thread.

    `path` sets system, log and temp folder at once; `log_file_size` is in KiB.  What is left None is as `params`,
    or else the default of the parameter, says.  `shared` is the store of the process-wide parameters: by default
    the instance has a copy of its own, so that instances with different page sizes can live side by side.
    Raises -1214 when there are too many instances and -1086 when the name is in use.
    """

    def __init__(  # noqa: PLR0913 - the settings people use most have names
        self,
        name: str | None = None,
        *,
        path: StrPath | None = None,
        base_name: str | None = None,
        page_size: int | None = None,
        log_file_size: int | None = None,
        circular_log: bool | None = None,
        recovery: bool | None = None,
        create_path_if_not_exist: bool | None = None,
        params: Mapping[Param | int | str, Any] | None = None,
        template: Parameters | None = None,
        shared: SharedParameters | None = None,
        env: Environment | None = None,
    ) -> None:
        self.env = env or Environment()
        self.name = name or ""
        self.world = world_of(self.env.fs)
        self.folders: tuple[str, str] | None = None
        self.database_paths: dict[str, bool] = {}
        self.state = InstanceState.CREATED
        self.slot = BackupSlot()
        self.params = Parameters(
            params, shared=_copy_of(PROCESS) if shared is None else shared, template=template, fs=self.env.fs
        )
        folder = None if path is None else os.fspath(path)
        given: dict[Param, Any] = {
            Param.SystemPath: folder,
            Param.LogFilePath: folder,
            Param.BaseName: base_name,
            Param.DatabasePageSize: page_size,
            Param.LogFileSize: log_file_size,
            Param.CircularLog: circular_log,
            Param.Recovery: None if recovery is None else "on" if recovery else "off",
            Param.CreatePathIfNotExist: create_path_if_not_exist,
        }
        for param, value in given.items():
            if value is not None:
                self.params[param] = value
        self.events = EventLog(
            source=self.params.event_source, instance=self.name, settings=self.params, now=self.env.now
        )
        self._lock = threading.RLock()
        self.replaying = False
        self._resources = ExitStack()
        self.log_writer: LogWriter | None = None
        self._live: LiveStore | None = None
        self._keeper: LogKeeper | None = None
        self._attachments: Attachments | None = None
        self._names: LogNames | None = None
        self._run_began = LGPOS_MIN
        self._sessions: list[Session] = []
        self.number = REGISTRY.add(self, limit=self.params.max_instances)

    @classmethod
    def open_found(
        cls,
        found: FoundInstance,
        *,
        name: str | None = None,
        params: Mapping[Param | int | str, Any] | None = None,
        env: Environment | None = None,
    ) -> Self:
        """Return an instance set up as what was found on disk, so that `init` continues its stream.

        `params` are set on top.  A database without a log stream gets a new stream in its folder.
        """
        settings: dict[Param | int | str, Any] = {
            Param.LogFilePath: found.log_folder,
            Param.SystemPath: found.system_folder,
        }
        if found.page_size:
            settings[Param.DatabasePageSize] = found.page_size
        if found.names is not None:
            settings |= {
                Param.BaseName: found.names.base,
                Param.LegacyFileNames: found.names.legacy_bits,
                Param.LogFileSize: found.log_file_size // 1024,
                Param.CircularLog: found.circular,
            }
        return cls(name, params=settings | dict(params or {}), env=env)

    # -- init --

    def init(
        self,
        options: InitOptions = InitOptions.NONE,
        *,
        progress: ProgressCallback | None = None,
        stop_at: StopPoint | LgPos | None = None,
        map_databases: Mapping[StrPath, StrPath] | None = None,
    ) -> RecoveryResult:
        """Open the log stream, or begin a new one; recover first when the last run did not end well.

        Afterwards no database is attached.  `map_databases` says where databases lie now that the logs know by
        another path, or by another folder.  With `stop_at` the log is followed to there only, what was not committed
        is undone, and the logs behind are put away (see `engine.recovery.cut`).  -1030 when called twice, -1032 when
        another process has the log folder, -1023 for a missing folder, and the errors of the log stream.
        """
        with self._lock:
            if self.state is not InstanceState.CREATED:
                code = Err.InvalidParameter if self.state is InstanceState.TERMINATED else Err.AlreadyInitialized
                raise EseError.from_code(code)
            self.state = InstanceState.RECOVERING
            self.params.freeze()
        started = time.monotonic()
        version = [*__version__.split("."), "0"][:4]
        self.events.report(102, str(self.number), *version)
        starter = Starter(
            self.env,
            self.events,
            self.params,
            self.slot,
            Folders(self.log_folder, self.system_folder),
            self._resources,
            options=options,
            progress=progress,
            stop_at=StopPoint(position=stop_at) if isinstance(stop_at, LgPos) else stop_at,
            map_databases={os.fspath(old): os.fspath(new) for old, new in (map_databases or {}).items()},
        )
        try:
            REGISTRY.claim_folders(self, self.system_folder, self.log_folder, self.params.base_name)
            self.replaying = True
            starter.start()
        except BaseException:
            self.replaying = False
            self._release()
            # After a failed init the object is as it was created: the caller may set things right and try again.
            self.state = InstanceState.CREATED
            raise
        self.replaying = False
        self._names, self._keeper, self.log_writer = starter.names, starter.keeper, starter.writer
        if starter.writer is not None:
            self._live = LiveStore(self.env, self.events, self.params, starter.keeper, starter.writer)
        self._attachments = Attachments(
            self, self.env, self.events, self.params, starter.keeper, starter.writer, self._live
        )
        try:
            if starter.writer is not None:
                settings = starter.writer.dbms_param
                self._run_began = starter.writer.append(Init2(settings, self.env.log_time()).pack())
                # The run must be known to the log before anything happens in it.
                starter.writer.flush()
        except BaseException:
            self._release()
            self.state = InstanceState.CREATED
            raise
        self.state = InstanceState.RUNNING
        seconds = time.monotonic() - started
        self.events.report(105, str(self.number), str(int(seconds)), f"[1] {seconds:.6f}", "RBSOn = 0 ")
        return starter.result

    def restore(
        self,
        source: StrPath,
        destination: StrPath | None = None,
        *,
        progress: ProgressCallback | None = None,
        monitor: Monitor | None = None,
        stop_at: StopPoint | None = None,
    ) -> RestoreResult:
        """Restore the backup set in `source` into the folder `destination`, or to where its logs say (None).

        For an instance that was created and not begun; afterwards it is so again.  Newer logs in the log folder are
        replayed behind those of the set, up to `stop_at`.  -1030 once begun, -1003 without `source`, -1023 for a
        missing folder, -800 when the monitor asks to stop, and the errors of jet-api reference 2.1.
        """
        if not os.fspath(source):
            raise EseError.from_code(Err.InvalidParameter, "no backup set named")
        with self._lock:
            if self.state is not InstanceState.CREATED:
                code = Err.InvalidParameter if self.state is InstanceState.TERMINATED else Err.AlreadyInitialized
                raise EseError.from_code(code)
            self.state = InstanceState.RESTORING
            self.params.freeze()
        try:
            REGISTRY.claim_folders(self, self.system_folder, self.log_folder, self.params.base_name)
            folders = Folders(self.log_folder, self.system_folder)
            restorer = Restorer(
                self.env, self.events, self.params, self.slot, folders, progress, monitor=monitor, stop_at=stop_at
            )
            return restorer.restore(os.fspath(source), None if destination is None else os.fspath(destination))
        finally:
            self._release()
            self.state = InstanceState.CREATED

    # -- databases --

    def session(self) -> Session:
        """Begin a session; -1059 when there are too many."""
        with self._lock:
            self._check()
            if len(self._sessions) >= self.params.max_sessions:
                raise EseError.from_code(Err.OutOfSessions, f"{self.params.max_sessions} at most")
            used = {each.procid for each in self._sessions}
            procid = next(number for number in range(FIRST_PROCID, FIRST_PROCID + 65536) if number not in used)
            made = Session(self, procid, None if self._live is None else self._live.session(procid))
            self._sessions.append(made)
            return made

    def end_session(self, session: Session) -> None:
        """Forget a session that was closed."""
        with self._lock, suppress(ValueError):
            self._sessions.remove(session)
            if self._live is not None:
                self._live.end_session(session.procid)

    def attach_database(self, path: str, *, read_only: bool, max_pages: int, procid: int) -> AttachResult:
        """Attach a database; see `Session.attach`."""
        with self._lock:
            self._check()
            return self._running_attachments().attach(path, read_only=read_only, max_pages=max_pages, procid=procid)

    def create_database(self, path: str, session: Session, *, overwrite: bool, max_pages: int) -> None:
        """Make a database and attach it; see `Session.create_database`."""
        with self._lock:
            self._check()
            self._running_attachments().create(path, session.store, overwrite=overwrite, max_pages=max_pages)

    def detach_database(self, path: str | None, *, procid: int) -> None:
        """Detach a database or all of them; permitted after `stop_service`; see `Session.detach`."""
        with ExitStack() as held:
            with self._lock:
                self._check(stopped_too=True)
                # Nobody waits for transactions when a backup forbids it anyway.
                self.slot.check_free()
                live, found = self._live, self._running_attachments().named(path)
            for database in found:
                if live is not None:
                    held.enter_context(live.vacated(database))
            held.enter_context(self._lock)
            self._check(stopped_too=True)
            self._running_attachments().detach(path, procid=procid)

    # -- end --

    def stop_service(self) -> None:
        """Refuse most calls from here on with -1329; a running backup goes on.  Idempotent; -1003 when not running."""
        with self._lock:
            if self.state not in ATTACHED_STATES:
                raise EseError.from_code(Err.InvalidParameter, "the instance is not running")
            if self.state is InstanceState.RUNNING:
                depth = min(self.params.checkpoint_depth_max, _STOPPED_CHECKPOINT_DEPTH)
                self.params[Param.CheckpointDepthMax] = depth
                self.state = InstanceState.STOPPING
                for session in self._sessions:
                    session.stop()

    def term(self, options: TermOptions = TermOptions.COMPLETE) -> None:
        """End the instance: databases clean, stream closed.  Nothing happens on one that has ended.

        Sessions at work get -1000 from their next change on; what they have open is rolled back.  ABRUPT ends it as
        cleanly, but leaves deleted nodes where they are and does not wait for a backup: ABRUPT or STOP_BACKUP makes a
        running one fail with -801, otherwise -505.  DIRTY leaves the databases as
        they are, to be recovered by the next init, and raises -1116 when all is closed.  -1029 before init, -1000
        while another call ends it.  When the end fails the instance is gone all the same, and the next init
        recovers.
        """
        options = TermOptions(options)
        if int(options) & ~int(_ANY_TERM):
            raise EseError.from_code(Err.InvalidGrbit, f"{int(options):#x}")
        if not self._begin_end(options):
            return
        started = time.monotonic()
        dirty = bool(options & TermOptions.DIRTY)
        try:
            self.slot.wait_free()
            if not dirty and not self._down:
                self._end_cleanly(clean=not options & TermOptions.ABRUPT)
        except EseError as error:
            self.events.report(104, str(self.number), str(error.code), "")
            raise
        finally:
            down = self._down
            self._finish_end()
        seconds = time.monotonic() - started
        self.events.report(103, str(self.number), f"[1] {seconds:.6f}", str(int(dirty or down)))
        if dirty:
            raise EseError.from_code(Err.DirtyShutdown)
        if down:
            raise EseError.from_code(Err.InstanceUnavailable, "recovery at the next init sets the databases right")

    def abandon(self) -> None:
        """Give up everything that is held, as the end of the process does, and write nothing."""
        self._finish_end()

    def _begin_end(self, options: TermOptions) -> bool:
        with self._lock:
            if self.state is InstanceState.TERMINATED:
                return False
            if self.state is InstanceState.CREATED:
                raise EseError.from_code(Err.NotInitialized)
            if self.state in (InstanceState.TERMINATING, InstanceState.RECOVERING, InstanceState.RESTORING):
                raise refusal(self.state) or EseError.from_code(Err.TermInProgress)
            if self.slot.in_progress:
                if not options & (TermOptions.STOP_BACKUP | TermOptions.ABRUPT):
                    self.slot.check_free()
                self.slot.request_stop(Err.BackupAbortByServer)
            self.state = InstanceState.TERMINATING
            return True

    def _end_cleanly(self, *, clean: bool) -> None:
        attachments = self._running_attachments()
        if self.log_writer is None:
            attachments.finish_all(None)
        else:
            end_cleanly(self.env, self.live, attachments, self.keeper(), self._run_began, clean=clean)

    def _finish_end(self) -> None:
        self._release()
        self.state = InstanceState.TERMINATED
        REGISTRY.remove(self.number)

    def _release(self) -> None:
        """Close every file and give every lock up."""
        if self._live is not None:
            self._live.end()
        if self._attachments is not None:
            self._attachments.release_all()
        self._resources.close()
        self.log_writer = self._keeper = self._attachments = self._live = None
        self._sessions.clear()
        self.folders = None
        self.database_paths.clear()
        self.params.unfreeze()

    # -- helpers --

    @property
    def _down(self) -> bool:
        return self.log_writer is not None and self.log_writer.failed

    def _check(self, *, stopped_too: bool = False) -> None:
        if self.state in ATTACHED_STATES and self._down:
            self.state = InstanceState.DOWN
        error = refusal(self.state, stopped_too=stopped_too)
        if error is not None:
            raise error

    def _running_attachments(self) -> Attachments:
        if self._attachments is None:
            raise EseError.from_code(Err.NotInitialized)
        return self._attachments

    def __enter__(self) -> Self:
        if self.state is InstanceState.CREATED:
            self.init()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.term(TermOptions.COMPLETE if kind is None else TermOptions.ABRUPT)

    def __repr__(self) -> str:
        return f"<Instance {self.name or self.number} {self.state.value}>"


def _copy_of(shared: SharedParameters) -> SharedParameters:
    made = SharedParameters()
    with shared.lock:
        made.values.update(shared.values)
    return made
