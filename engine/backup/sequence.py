"""JetBackupInstance: one call that copies an instance into a folder.

    checks 1-14      nothing is touched, no event
    begin            210 or 211
    directory        the destination is made ready
    databases        each copied, verified, its CRC taken, made durable
    logs             the log rolls; each closed log of the range likewise; one empty .pat for each database
    publish          the manifest, last, and (atomic) the rename
    truncate         logs below the checkpoint are deleted
    end              headers updated, 213

What fails before the set is published leaves the destination as it was (R38).  What fails afterwards, in
truncation, leaves the published set: it is complete and valid.  In both cases no header changes and the
instance can run the next backup at once.
Source: jet-api reference 1 (R1-R52); log reference 7.3-7.11.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.backup.directory import RESERVED_NAMES, Destination, destination
from engine.backup.manifest import BackupEntry, DatabaseEntry, FileEntry, build_on, signature_text, utc
from engine.backup.notify import Notifier
from engine.backup.pace import Pace
from engine.backup.paths import join, name_of, stem_of
from engine.backup.pipeline import BufferPool, Copied, copy_stream
from engine.backup.result import BackupKind, BackupResult
from engine.backup.streaming import StreamingBackup
from engine.backup.target import Target
from engine.backup.target_logs import check_joins
from engine.errors import Err, EseError
from engine.monitor import FileProgress, FileState, Monitor, Phase
from engine.types import BackupOptions

if TYPE_CHECKING:
    from engine.backup.host import AttachedDatabase, BackupHost
    from engine.backup.streaming import DatabaseCopy, LogCopy
    from engine.types import ProgressCallback

_LONGEST_FILE_NAME = len("/") + len("edb00000001.log.kept.tmp")
"""Room that a path must leave for a delimiter and a file name (R13)."""
_PATH_LIMIT = 4095


def backup_instance(
    host: BackupHost,
    target: str | None,
    options: int = BackupOptions.NONE,
    *,
    progress: ProgressCallback | None = None,
    monitor: Monitor | None = None,
) -> BackupResult:
    """Back up every attached, logged, writable database of `host` into the folder `target`.

    `options` is 0 for a full backup, or BackupOptions.ATOMIC, INCREMENTAL, or both.  `target` None deletes the logs
    that are not needed any more and copies nothing.  Blocks; `monitor` shows how far it is and can cancel it from
    another thread (-800); `progress` is called on this thread.  Raises the codes of jet-api reference 1.10, in
    that order.
    """
    if progress is not None and not callable(progress):
        raise EseError.from_code(Err.InvalidParameter, f"a callback of type {type(progress).__name__}")
    _check_types(target, options)
    host.check_can_backup()
    flags = _checked_options(options)
    path = None if target is None else _checked_path(host, target)
    incremental = bool(flags & BackupOptions.INCREMENTAL)
    if not host.params.logging_enabled:
        raise EseError.from_code(Err.LoggingDisabled, hint="JET_paramRecovery is off")
    host.check_log_writable()
    if incremental and host.params.circular_log:
        raise EseError.from_code(Err.InvalidBackup, hint="circular logging is on: only full backups are possible")
    host.check_log_space()
    run = _Run(host, path, incremental=incremental, atomic=bool(flags & BackupOptions.ATOMIC))
    run.monitor = Monitor() if monitor is None else monitor
    run.notifier = Notifier(progress, run.monitor)
    return run.run()


def _check_types(target: object, options: object) -> None:
    """Refuse a number as path, or a truth value as options: -1003."""
    if isinstance(options, bool) or not isinstance(options, int):
        raise EseError.from_code(Err.InvalidParameter, f"options of type {type(options).__name__}")
    if target is not None and not isinstance(target, str):
        raise EseError.from_code(Err.InvalidParameter, f"a path of type {type(target).__name__}")


def _checked_options(options: int) -> BackupOptions:
    """R9, R11: only Incremental and Atomic are options of this function."""
    # As a plain number: the complement of a flag knows only the named bits.
    if int(options) & ~int(BackupOptions.INCREMENTAL | BackupOptions.ATOMIC):
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    return BackupOptions(options)


def _checked_path(host: BackupHost, target: str) -> str:
    """R5, R13: the path must be usable as text; an empty one is refused, lest a blank setting delete logs."""
    path = host.env.fs.absolute(target)
    if len(path) > _PATH_LIMIT - _LONGEST_FILE_NAME:
        raise EseError.from_code(Err.InvalidPath, "too long", path=path)
    return path


def _raised_by_callback(error: BaseException) -> bool:
    return isinstance(error, EseError) and error.code == Err.CallbackFailed and error.__cause__ is not None


class _Run:
    """One call of `backup_instance` after the checks."""

    monitor: Monitor
    notifier: Notifier

    def __init__(self, host: BackupHost, path: str | None, *, incremental: bool, atomic: bool) -> None:
        self.host = host
        self.path = path
        self.incremental = incremental
        self.atomic = atomic
        self.started = host.env.now()
        self.destination: Destination | None = None
        self.pool = BufferPool()
        self.entries: list[FileEntry] = []
        self.names: list[str] = []
        self.bytes_copied = 0

    def run(self) -> BackupResult:
        """Take the slot, do the work, and clean up after whatever happens."""
        monitor = self.monitor
        monitor.phase = Phase.STARTING
        self.steps = StreamingBackup(self.host, self.incremental, monitor, self._cancel)
        try:
            self.steps.begin()
            if self.path is None:
                self._truncate_only()
            else:
                self._copy(self.path)
            self.notifier.complete()
            monitor.phase = Phase.HEADERS
        except BaseException as error:
            self._failed(error)
            raise
        self.steps.end(update_headers=self.path is not None)
        monitor.bytes_done = monitor.bytes_total
        monitor.finish(Phase.DONE)
        if self.notifier.late is not None:
            raise self.notifier.late
        return self._result()

    def _cancel(self) -> None:
        if self.monitor.cancel_requested:
            raise EseError.from_code(Err.BackupAbortByCaller, "cancelled")

    def _failed(self, error: BaseException) -> None:
        """Leave the destination as it was, end the backup, tell the callback."""
        cancelled = isinstance(error, EseError) and error.code in {Err.BackupAbortByCaller, Err.CallbackFailed}
        self.monitor.phase = Phase.CLEANING
        try:
            if self.destination is not None:
                for problem in self.destination.abandon():
                    error.add_note(f"could not be cleaned up: {problem}")
        finally:
            self.steps.end(error)
            for each in self.monitor.files:
                if each.state is FileState.ACTIVE:
                    each.state = FileState.FAILED
            self.monitor.finish(Phase.CANCELLED if cancelled else Phase.FAILED)
            self.notifier.fail()
        # A callback that has raised is not blamed twice: the first exception is what the caller gets.
        if self.notifier.late is not None and not _raised_by_callback(error):
            raise self.notifier.late from error

    def _truncate_only(self) -> None:
        """R33: no copy."""
        self.notifier.phase = "truncate"
        self.notifier.begin()
        self.monitor.phase = Phase.TRUNCATING
        self.steps.plan_truncation_only()
        self.steps.truncate(copied=False)

    def _copy(self, path: str) -> None:
        target = Target(self.host.env, self.host.events)
        self.destination = destination(
            path,
            target,
            incremental=self.incremental,
            atomic=self.atomic,
            create_path=bool(self.host.params.create_path_if_not_exist),
        )
        self.destination.prepare()
        databases = [] if self.incremental else self.steps.databases()
        self._check_names(databases)
        self._plan_bytes(databases)
        self.notifier.begin()
        self.monitor.phase = Phase.DATABASES
        for database in databases:
            self._copy_database(database)
        self._copy_logs(target)
        self._write_patches(databases)
        self._publish(databases)
        self.notifier.phase, self.notifier.path = "truncate", None
        self.monitor.phase = Phase.TRUNCATING
        self.steps.truncate()

    # -- before --

    def _check_names(self, databases: list[AttachedDatabase]) -> None:
        """R16: every file of the set needs a name of its own, on systems that fold case as well."""
        taken = {name.lower(): name for name in RESERVED_NAMES}
        for database in databases:
            name = name_of(database.path)
            if name.lower() in taken or self.host.names.parse(name) is not None:
                raise EseError.from_code(
                    Err.FileAlreadyExists, f"two files of the set would be called {name!r}", path=database.path
                )
            taken[name.lower()] = name

    def _plan_bytes(self, databases: list[AttachedDatabase]) -> None:
        """Tell the monitor what there will be to copy; the logs are an estimate until the log has rolled."""
        monitor = self.monitor
        for database in databases:
            size = (database.last_owned_page + 3) * database.page_size
            monitor.files.append(FileProgress(name_of(database.path), database.path, "database", size))
        low = 0 if self.incremental else self.steps.copy_low
        logs = self.steps.closed_logs(low)
        size = self.steps.log_file_size
        monitor.bytes_total = sum(each.bytes_total for each in monitor.files) + (len(logs) + 1) * size

    # -- databases --

    def _copy_database(self, database: AttachedDatabase) -> None:
        progress = next(each for each in self.monitor.files if each.path == database.path)
        copy = self.steps.open_database(database)
        self.monitor.begin_map(progress.name, copy.source.last_page)
        self.notifier.phase = "database"
        written = False
        try:
            copied = self._copy_file(progress, copy)
            written = True
        except EseError as error:
            if error.path == database.path:
                self.steps.database_failed(copy, error)
            raise
        finally:
            self.steps.close_database(copy, written=written)
        pages = copied.size // database.page_size
        self.entries.append(FileEntry(progress.name, "database", copied.size, copied.crc32c, pages=pages))

    def _copy_file(self, progress: FileProgress, copy: DatabaseCopy | LogCopy) -> Copied:
        """Copy one file with its progress; a database must not exist in the destination, a log may."""
        assert self.destination is not None  # noqa: S101 - there is one once copying begins
        progress.state = FileState.ACTIVE
        progress.bytes_total = copy.source.total
        self.notifier.path = progress.path
        self.monitor.detail = progress.name

        pace = Pace(self.host.writer, self.host.env.sleep)

        def on_chunk(count: int) -> None:
            progress.bytes_done += count
            self.notifier.advance(count)
            self.steps.check()
            pace.rest()

        self.steps.check()
        with self.destination.create(progress.name, replace=progress.kind == "log") as file:
            copied = copy_stream(copy.source, file, self.pool, on_chunk)
        progress.state = FileState.DONE
        self.names.append(progress.name)
        self.bytes_copied += copied.size
        return copied

    # -- logs --

    def _copy_logs(self, target: Target) -> None:
        steps = self.steps
        self.monitor.phase = Phase.ROLLING
        self.notifier.phase = "log"
        steps.prepare_logs()
        self.monitor.phase = Phase.LOGS
        assert self.destination is not None  # noqa: S101 - there is one once copying begins
        if self.incremental:
            check_joins(target.fs, self.destination.folder, self.host, steps.copy_low)
        generations = range(steps.copy_low, steps.copy_mac)
        rows = {each: self._log_row(steps.log_path(each)) for each in generations}
        self.monitor.files.extend(rows.values())
        self.monitor.bytes_total = sum(each.bytes_total for each in self.monitor.files)
        for generation in generations:
            self._copy_log(generation, rows[generation])

    def _log_row(self, path: str) -> FileProgress:
        return FileProgress(name_of(path), path, "log", self.steps.log_file_size)

    def _copy_log(self, generation: int, progress: FileProgress) -> None:
        steps = self.steps
        log = steps.open_log(generation)
        done = False
        try:
            copied = self._copy_file(progress, log)
            done = True
        except EseError as error:
            if error.path == progress.path:
                steps.log_failed(log, error)
                done = True
            raise
        finally:
            steps.close_log(log)
            if not done:
                steps.log_ended_early(log)
        self.entries.append(FileEntry(log.name, "log", copied.size, copied.crc32c, generation=generation))

    # -- the set --

    def _write_patches(self, databases: list[AttachedDatabase]) -> None:
        """R16: an empty <db>.pat for each database; a restore finds the databases of a set by them."""
        assert self.destination is not None  # noqa: S101 - there is one once copying begins
        for name in dict.fromkeys(stem_of(name_of(each.path)) + ".pat" for each in databases):
            with self.destination.create(name, replace=True) as file:
                file.fsync()
            self.names.append(name)
            self.entries.append(FileEntry(name, "patch", 0, 0))

    def _publish(self, databases: list[AttachedDatabase]) -> None:
        assert self.destination is not None  # noqa: S101 - there is one once copying begins
        self.monitor.phase = Phase.PUBLISHING
        entry = self._entry(databases)
        # Nothing stops the backup from here on: the set is about to count.
        self.steps.check()
        self.destination.publish(lambda former: build_on(former, entry, path=self.path))

    def _entry(self, databases: list[AttachedDatabase]) -> BackupEntry:
        steps, host = self.steps, self.host
        mark = steps.prepared_at if self.incremental else steps.mark
        return BackupEntry(
            id=host.env.random_bytes(16).hex(),
            kind="incremental" if self.incremental else "full",
            instance=host.name,
            started=utc(self.started),
            finished=utc(host.env.now()),
            log_signature=signature_text(host.writer.signature),
            base_name=host.names.base,
            first_generation=steps.copy_low,
            last_generation=steps.copy_mac - 1,
            mark=(mark.generation, mark.segment, mark.offset),
            files=tuple(self.entries),
            databases=tuple(
                DatabaseEntry(
                    name_of(each.path),
                    each.path,
                    signature_text(each.header.sign_db),
                    each.page_size,
                    each.last_owned_page,
                )
                for each in databases
            ),
            atomic=self.atomic,
            corrected_pages=len(steps.corrected),
        )

    def _result(self) -> BackupResult:
        steps = self.steps
        kind: BackupKind = "truncate" if self.path is None else "incremental" if self.incremental else "full"
        folder = None if self.destination is None else self.destination.folder
        files = [] if folder is None else [*self.names, "backup.json"]
        return BackupResult(
            kind=kind,
            target=None if folder is None else Path(folder),
            files=tuple(Path(join(folder or "", name)) for name in files),
            bytes_copied=self.bytes_copied,
            pages_verified=self.monitor.pages_verified,
            first_generation=steps.copy_low if kind != "truncate" else 0,
            last_generation=steps.copy_mac - 1 if kind != "truncate" else 0,
            deleted_logs=steps.deleted,
            started=self.started,
            finished=self.host.env.now(),
            corrected=tuple(steps.corrected),
            warnings=tuple(steps.warnings),
        )
