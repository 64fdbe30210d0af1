"""The steps every backup is made of, whoever drives them: the backup of a folder, or an external caller.

    begin            slot taken, -560 checked, 210/211, checkpoint remembered, record Begin
    open_database    220, record Trace; the copy's header; pages verified as they are read
    close_database   221 or 222, record Trace
    prepare_logs     the log rolls, record PrepareLogs is the first of the new one; ranges fixed; 223, record Trace
    open_log         459 when it is missing; segments verified as they are read
    truncate         record Truncate, 224/225 (227), logs deleted oldest first
    end              records Update or Abort, 213/214/215/226, headers written (219), checkpoint, record Stop

Generations: what is copied is [copy_low, copy_mac), what is deleted [delete_low, delete_mac).  The image of a database
is fuzzy; the logs from `copy_low`, the checkpoint when the backup began, repair it.
Source: jet-api reference 1.4-1.7, 1.11, 2.5; log reference 2.5, 7.1-7.9.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from engine.backup.logs import LOG_MISSING, LogSource, missing_log
from engine.backup.lost_writes import lost_write_check
from engine.backup.pages import CopyWatch, DatabaseSource, size_text
from engine.backup.paths import join, name_of
from engine.backup.slot import BackupState, SlotHolder
from engine.errors import Err, EseError
from engine.format.lr import Backup2, BackupPhase, BackupScope, Trace
from engine.format.patch import PatchHeader
from engine.header_changes import backup_finished
from engine.log.truncate import archives, delete_logs
from engine.types import LGPOS_MIN, BkInfo, BkInfoType, LgPos, LogTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.backup.host import AttachedDatabase, BackupHost
    from engine.backup.result import CorrectedUnit
    from engine.files.base import File
    from engine.monitor import Monitor

NO_FULL_BACKUP: Final = 206
START_FULL: Final = 210
START_INCREMENTAL: Final = 211
STOPPED: Final = 213
STOPPED_WITH_ERROR: Final = 214
STOPPED_BY_CALLER: Final = 215
DATABASE_FAILED: Final = 217
READ_FAILED: Final = 218
HEADERS_NOT_UPDATED: Final = 219
FILE_STARTED: Final = 220
FILE_DONE: Final = 221
FILE_ENDED_EARLY: Final = 222
LOGS_STARTED: Final = 223
LOGS_DELETED: Final = 224
NO_LOGS_DELETED: Final = 225
STOPPED_BY_SERVER: Final = 226
LOGS_WERE_MISSING: Final = 227
LOGS_NOT_COPIED: Final = 520

_TRACE_PROCID: Final = 1
_PATCH_GENERATIONS_UPDATE: Final = 160
"""Update level from which a trailer carries the required and committed generations."""


@dataclass(slots=True)
class DatabaseCopy:
    """A database while it is copied, and afterwards: `info` is what its header gets when the backup succeeds."""

    database: AttachedDatabase
    source: DatabaseSource
    info: BkInfo

    @property
    def complete(self) -> bool:
        """Whether every byte was handed out."""
        return self.source.done == self.source.total


@dataclass(slots=True)
class LogCopy:
    """A log while it is copied.  `name` is its file name."""

    generation: int
    name: str
    file: File
    source: LogSource


@dataclass(slots=True)
class StreamingBackup:
    """One backup of one instance, step by step.  Not for two threads at once."""

    host: BackupHost
    incremental: bool
    monitor: Monitor
    cancel: Callable[[], None]
    """Raises when the driver wants to stop."""
    holder: SlotHolder = SlotHolder.BACKUP
    mark: LgPos = LGPOS_MIN
    mark_time: LogTime = field(default_factory=LogTime)
    prepared_at: LgPos = LGPOS_MIN
    prepared_time: LogTime = field(default_factory=LogTime)
    copy_low: int = 0
    copy_mac: int = 0
    delete_low: int = 0
    delete_mac: int = 0
    deleted: range = field(default_factory=lambda: range(0))
    truncated: bool = False
    corrected: list[CorrectedUnit] = field(default_factory=list)
    warnings: list[int] = field(default_factory=list)
    _archives: dict[int, str] = field(default_factory=dict)
    _read_to_end: set[int] = field(default_factory=set)
    _copied: dict[int, DatabaseCopy] = field(default_factory=dict)
    _end_event: int = STOPPED_BY_CALLER
    _running: bool = False
    _record_logged: bool = False

    @property
    def watch(self) -> CopyWatch:
        """What the sources report to."""
        return CopyWatch(self.host.env, self.host.events, self.monitor, self.check, self.corrected)

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._running

    def check(self) -> None:
        """Raise when the backup must stop: -801 stopped, -1000 terminating, or what the driver says."""
        self.host.slot.check_stop()
        self.host.check_running()
        self.cancel()

    def databases(self) -> list[AttachedDatabase]:
        """Return the databases that belong to the backup: attached, writable, logged."""
        return [each for each in self.host.attached() if each.logged and not each.read_only]

    @property
    def copies(self) -> list[DatabaseCopy]:
        """The databases that were copied to their end."""
        return list(self._copied.values())

    @property
    def log_file_size(self) -> int:
        """Bytes of one log file."""
        return self.host.writer.header.file_size

    def closed_logs(self, low: int) -> list[int]:
        """Return the generations from `low` on that lie closed in the log folder now."""
        host = self.host
        return [each for each in archives(host.env.fs, host.log_folder, host.names) if each >= low]

    # -- begin --

    def begin(self) -> None:
        """Take the slot and begin.

        -505, -617 and -560 (event 206) leave no trace; -533 and -542 for the checkpoint, -510 for the log end the
        backup with its end event.
        """
        host = self.host
        host.slot.take(self.holder, BackupState.LOGS if self.incremental else BackupState.DATABASES)
        try:
            host.wait_attach_detach()
            if self.incremental:
                self._check_full_backups()
            self.mark, self.mark_time = host.writer.last_record, host.env.log_time()
        except BaseException:
            host.slot.release()
            raise
        self._running = True
        try:
            host.events.report(START_INCREMENTAL if self.incremental else START_FULL)
            # From here on no log that the backup may need is deleted (R34).
            host.slot.pin(1)
            if not self.incremental:
                self.copy_low = host.checkpoint_generation_on_disk()
                host.slot.pin(self.copy_low)
            self._log(BackupPhase.BEGIN)
            self._record_logged = True
        except BaseException as error:
            self.end(error)
            raise

    def _check_full_backups(self) -> None:
        """R23: every database must have had a full backup of this kind."""
        for database in self.databases():
            header = database.header
            if not header.bkinfo_full_prev.gen_low or header.bkinfo_type_full_prev != BkInfoType.NORMAL:
                self.host.events.report(NO_FULL_BACKUP, database.path)
                raise EseError.from_code(
                    Err.MissingFullBackup,
                    path=database.path,
                    event_id=NO_FULL_BACKUP,
                    hint="take a full backup of the instance first",
                )

    # -- databases --

    def open_database(self, database: AttachedDatabase) -> DatabaseCopy:
        """Begin the copy of a database: its header as it is now, then its size, then event 220."""
        host = self.host
        info = BkInfo(self.mark, self.mark_time, self.copy_low, 0)
        # The header is taken before the size, so that its required generations cover the size.
        header = database.header.replace(bkinfo_full_cur=info)
        last_page = database.last_owned_page
        file = host.env.fs.open(database.path)

        def trailer() -> bytes:
            return self._trailer(database, info)

        lost = lost_write_check(host, database, self.warnings)
        source = DatabaseSource(file, header.pack(), last_page, trailer, self.watch, lost, database.reading)
        copy = DatabaseCopy(database, source, info)
        try:
            size = size_text(source.total)
            host.events.report(FILE_STARTED, database.path, size)
            self._trace(f"Start backup file {database.path}, size {size}")
        except BaseException:
            source.close()
            raise
        return copy

    def _trailer(self, database: AttachedDatabase, info: BkInfo) -> bytes:
        """Return the trailer page: what is true of the live database when the last page has been read."""
        header = database.header
        last = max(self.host.writer.generation, header.gen_max_committed)
        generations: dict[str, Any] = {}
        if header.update_major >= _PATCH_GENERATIONS_UPDATE:
            generations = {
                "gen_min_required": header.gen_min_required,
                "gen_max_required": header.gen_max_required,
                "gen_max_committed": header.gen_max_committed,
                "logtime_gen_max_required": header.logtime_gen_max_required,
                "logtime_gen_max_committed": header.logtime_gen_max_create,
            }
        patch = PatchHeader(
            bkinfo=BkInfo(info.mark, info.time, info.gen_low, last),
            sign_db=header.sign_db,
            sign_log=header.sign_log,
            **generations,
        )
        return patch.pack(header.page_size)

    def database_failed(self, copy: DatabaseCopy, error: EseError) -> None:
        """Report that a database could not be read (217)."""
        self.host.events.report(DATABASE_FAILED, error.code, copy.database.path)

    def close_database(self, copy: DatabaseCopy, *, written: bool = True) -> None:
        """End the copy of a database: 221 when all of it was read, and `written` where it goes, else 222."""
        copy.source.close()
        path = copy.database.path
        if copy.complete and written:
            self._copied[copy.database.dbid] = copy
            self.host.events.report(FILE_DONE, path)
            self._trace(f"Stop backup file {path}")
        else:
            self.host.events.report(FILE_ENDED_EARLY, path, copy.source.done, copy.source.total)
            with suppress(EseError):  # the error that ended the copy is the one to report
                self._trace(f"Stop backup file {path}")

    # -- logs --

    def prepare_logs(self) -> None:
        """Roll the log and fix what is copied and deleted (R25-R27, R31); -569 with 459, then the end event is 214."""
        if self.prepared_at != LGPOS_MIN:
            return
        host = self.host
        self._end_event = STOPPED_WITH_ERROR
        # Taken before the log rolls: a rollover may move the checkpoint, and what it was until now is safe as well.
        checkpoint = host.checkpoint_generation_on_disk()
        self.prepared_time = host.env.log_time()
        record = self._record(BackupPhase.PREPARE_LOGS, time=self.prepared_time)
        self.prepared_at = host.writer.append_in_new_generation(record.pack())
        self.copy_mac = self.prepared_at.generation
        self._archives = archives(host.env.fs, host.log_folder, host.names)
        if not self._archives:
            raise EseError.from_code(Err.FileNotFound, "no closed log", path=host.log_folder)
        self.delete_low = min(self._archives)
        if self.incremental:
            self.copy_low = self._first_to_copy()
        self.delete_mac = self._deletable_mac(checkpoint)
        host.slot.state = BackupState.LOGS
        host.events.report(LOGS_STARTED, self.log_path(self.copy_low), self.log_path(self.copy_mac - 1))
        self._trace(
            f"BACKUP PREPARE LOGS (copy 0x{self.copy_low:05X}-0x{self.copy_mac - 1:05X}, "
            f"delete 0x{self.delete_low:05X}-0x{self.delete_mac:05X})"
        )
        self._end_event = STOPPED_BY_CALLER

    def _first_to_copy(self) -> int:
        """R25, R26: the oldest log there is; no log since the last backup of any database may be missing.

        A gap among logs that an earlier backup has is passed over.  It is what a power cut can leave of a truncation.
        """
        headers = [each.header for each in self.databases()]
        reached = [max(each.bkinfo_full_prev.gen_high, each.bkinfo_inc_prev.gen_high) for each in headers]
        needed = min(reached, default=self.delete_low - 1) + 1
        if self.delete_low > needed:
            raise self._missing(needed)
        gaps = [each for each in range(self.delete_low, min(needed, self.copy_mac)) if each not in self._archives]
        return gaps[-1] + 1 if gaps else self.delete_low

    def _deletable_mac(self, checkpoint: int) -> int:
        """R31: nothing at or above the checkpoint goes, nor what a database outside this backup still needs."""
        mac = min(checkpoint, self.copy_mac)
        if not self.incremental:
            for database in self.databases():
                if database.dbid not in self._copied:
                    mac = min(mac, database.header.bkinfo_full_prev.gen_high)
        return max(mac, self.delete_low)

    def log_path(self, generation: int) -> str:
        """Return the path of a closed log, spelled as it is on the disk."""
        path = self._archives.get(generation)
        return join(self.host.log_folder, self.host.names.archive(generation)) if path is None else path

    def open_log(self, generation: int) -> LogCopy:
        """Open a log of the range; -569 with event 459 when it is missing."""
        path = self._archives.get(generation)
        if path is None:
            raise self._missing(generation)
        file = self.host.env.fs.open(path)
        try:
            source = LogSource(file, generation, self.host.writer.signature, self.watch)
            return LogCopy(generation, name_of(path), file, source)
        except BaseException:
            file.close()
            raise

    def _missing(self, generation: int) -> EseError:
        error = missing_log(self.host.log_folder, self.host.names, generation)
        self.host.events.report(LOG_MISSING, error.path)
        self._end_event = STOPPED_WITH_ERROR
        return error

    def log_failed(self, log: LogCopy, error: EseError) -> None:
        """Report that a log could not be read (218); the backup then ends with 214."""
        self.host.events.report(READ_FAILED, error.code, log.file.path)
        self._end_event = STOPPED_WITH_ERROR

    def close_log(self, log: LogCopy) -> None:
        """Close a log and remember whether it was read to its end."""
        log.file.close()
        if log.source.complete:
            self._read_to_end.add(log.generation)

    def log_ended_early(self, log: LogCopy) -> None:
        """Report that a log was not copied to its end for a reason of the destination (222)."""
        self.host.events.report(FILE_ENDED_EARLY, log.file.path, log.source.done, log.source.total)

    # -- truncation --

    def plan_truncation_only(self) -> None:
        """R33: without a copy, delete below the checkpoint; nothing under circular logging or when in doubt."""
        self.delete_mac = self.host.checkpoint_generation_on_disk()
        self.delete_low = self.delete_mac
        if not self.host.params.circular_log:
            with suppress(EseError):
                folder = self.host.log_folder
                self._archives = archives(self.host.env.fs, folder, self.host.names)
                self.delete_low = min([self.delete_mac, *self._archives])

    def truncatable(self) -> range:
        """Return the generations that truncation would delete."""
        return range(self.delete_low, self.delete_mac)

    def truncate(self, *, copied: bool = True) -> None:
        """Delete the logs that are not needed any more, oldest first.

        -616 (event 520) when a log of the range was not read to its end; the error of the first log that cannot be
        deleted, the newer ones are then still there.
        """
        if copied and not self._read_to_end.issuperset(range(self.copy_low, self.copy_mac)):
            self.host.events.report(LOGS_NOT_COPIED)
            raise EseError.from_code(Err.LogFileNotCopied, event_id=LOGS_NOT_COPIED)
        host, doomed = self.host, self.truncatable()
        self._log(BackupPhase.TRUNCATE, gen_low=self.delete_low, gen_high=self.delete_mac)
        # The record must be on disk before the first log is gone.
        host.writer.flush()
        self.truncated = True
        host.slot.state = BackupState.DONE
        if not doomed:
            host.events.report(NO_LOGS_DELETED)
            return
        host.events.report(LOGS_DELETED, self.log_path(doomed[0]), self.log_path(doomed[-1]))
        done = delete_logs(host.env.fs, host.log_folder, host.names, doomed.start, doomed.stop)
        if done.generations:
            self.deleted = range(doomed.start, done.generations[-1] + 1)
        if done.missing:
            host.events.report(LOGS_WERE_MISSING, done.missing)
            self.warnings.append(LOGS_WERE_MISSING)
        if done.error is not None:
            raise done.error

    # -- end --

    def end(self, error: BaseException | None = None, *, update_headers: bool = True, truncated: bool = False) -> None:
        """End the backup and free the slot.  Raises nothing of its own: what cannot be written is a warning (219).

        `truncated` says that the logs were deleted by other means.  Without `error` the databases' headers learn of
        the backup; with one, nothing but the log does.
        """
        if not self._running:
            return
        host = self.host
        self._running = False
        try:
            if error is None:
                self._end_well(update_headers=update_headers, truncated=truncated or self.truncated)
            else:
                if self._record_logged:
                    with suppress(EseError):
                        self._log(BackupPhase.ABORT)
                code = error.code if isinstance(error, EseError) else int(Err.BackupAbortByCaller)
                if code in {Err.BackupAbortByServer, Err.TermInProgress}:
                    host.events.report(STOPPED_BY_SERVER)
                else:
                    host.events.report(self._end_event, code)
            if self._record_logged:
                with suppress(EseError):
                    self._log(BackupPhase.STOP)
                    host.writer.flush()
        finally:
            host.slot.release()

    def _end_well(self, *, update_headers: bool, truncated: bool) -> None:
        host, failure = self.host, None
        updated: list[AttachedDatabase] = []
        if update_headers:
            for database, info in self._header_updates():
                try:
                    self._update(database, info, truncated=truncated)
                    updated.append(database)
                except EseError as error:
                    failure = failure or error
        host.events.report(STOPPED)
        try:
            # The records must be on disk before the headers that they describe.
            host.writer.flush()
            for database in updated:
                database.write_header()
            if update_headers:
                host.record_backup_in_checkpoint(
                    full=not self.incremental, pos=self.prepared_at, time=self.prepared_time
                )
        except EseError as error:
            failure = failure or error
        if failure is not None:
            host.events.report(HEADERS_NOT_UPDATED, failure.code)
            self.warnings.append(HEADERS_NOT_UPDATED)

    def _header_updates(self) -> list[tuple[AttachedDatabase, BkInfo]]:
        if self.incremental:
            info = BkInfo(self.prepared_at, self.prepared_time, self.copy_low, self.copy_mac - 1)
            return [(database, info) for database in self.databases()]
        return [
            (copy.database, BkInfo(copy.info.mark, copy.info.time, copy.info.gen_low, self.copy_mac - 1))
            for copy in self._copied.values()
        ]

    def _update(self, database: AttachedDatabase, info: BkInfo, *, truncated: bool) -> None:
        """R35: log the new backup info, then put it into the header in memory."""
        kept = (BackupScope.COPY, BackupScope.FULL), (BackupScope.DIFFERENTIAL, BackupScope.INCREMENTAL)
        scope = kept[self.incremental][truncated]
        self.host.writer.append(
            Backup2(
                BackupPhase.UPDATE,
                BkInfoType.NORMAL,
                scope,
                database.dbid,
                info.mark,
                info.time,
                info.gen_low,
                info.gen_high,
            ).pack()
        )
        database.change_header(lambda header: backup_finished(header, info, kind=BkInfoType.NORMAL, scope=scope))

    # -- records --

    def _record(
        self, phase: BackupPhase, *, time: LogTime | None = None, gen_low: int = 0, gen_high: int = 0
    ) -> Backup2:
        scope = BackupScope.INCREMENTAL if self.incremental else BackupScope.FULL
        when = self.host.env.log_time() if time is None else time
        return Backup2(phase, BkInfoType.NORMAL, scope, time=when, gen_low=gen_low, gen_high=gen_high)

    def _log(self, phase: BackupPhase, *, gen_low: int = 0, gen_high: int = 0) -> None:
        self.host.writer.append(self._record(phase, gen_low=gen_low, gen_high=gen_high).pack())

    def _trace(self, text: str) -> None:
        now = self.host.env.now()
        stamp = f"[{now:%m/%d/%Y %H:%M:%S}.{now.microsecond // 1000:03d}] "
        self.host.writer.append(Trace.create(stamp + text, procid=_TRACE_PROCID).pack())
