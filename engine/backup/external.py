"""External (streaming) backup: the caller reads the files, the engine hands out verified bytes.

    begin -> attached, open/read/close each database -> logs -> open/read/close each log and .pat
          -> truncatable, truncate -> end | abort

Every call first says -520 when the backup is over, -801 when it was stopped, -1000 when the instance terminates,
and -1910 when another thread is inside a call of the same backup.  A database that cannot be read is closed and
the backup goes on; a log that cannot be read ends it.
Source: jet-api reference 2.5, 6.4; log reference 7.1, 7.2, 7.9.
"""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from engine.backup.paths import join, name_of, stem_of
from engine.backup.slot import BackupState, SlotHolder
from engine.backup.streaming import DatabaseCopy, LogCopy, StreamingBackup
from engine.errors import Err, EseError
from engine.monitor import Monitor
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from engine.backup.host import BackupHost

MOST_HANDLES: Final = 20
"""Files that may be open at once in one backup."""
_DATABASE_FIRST_READ: Final = 3
_LOG_FIRST_READ: Final = 2
_READ_ALL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LogSet:
    """The files to copy after the databases: logs in order, then one empty `.pat` for each database copied."""

    logs: tuple[str, ...]
    patches: tuple[str, ...]
    first_generation: int
    last_generation: int
    base_name: str

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, in the order of copying."""
        return (*self.logs, *self.patches)


def check_external(host: BackupHost, options: int) -> None:
    """Raise what forbids an external backup now, in the order of the checks; nothing is touched."""
    host.check_can_backup()
    if isinstance(options, bool) or not isinstance(options, int):
        raise EseError.from_code(Err.InvalidParameter, f"options of type {type(options).__name__}")
    if int(options) & ~int(BackupOptions.INCREMENTAL):
        raise EseError.from_code(Err.InvalidGrbit, f"{options:#x}")
    if not host.params.logging_enabled:
        raise EseError.from_code(Err.LoggingDisabled)
    host.check_log_writable()
    if options & BackupOptions.INCREMENTAL and host.params.circular_log:
        raise EseError.from_code(Err.InvalidBackup)
    host.check_log_space()


class ExternalBackup:
    """A running external backup.  As a context manager, leaving without `end` aborts it."""

    def __init__(self, host: BackupHost, options: int = BackupOptions.NONE, *, monitor: Monitor | None = None) -> None:
        check_external(host, options)
        self.incremental = bool(options & BackupOptions.INCREMENTAL)
        self.monitor = Monitor() if monitor is None else monitor
        self._host = host
        self._inside = threading.Lock()
        self._files: list[BackupFile] = []
        self._log_set: LogSet | None = None
        self._truncated = False
        self._steps = StreamingBackup(host, self.incremental, self.monitor, lambda: None, SlotHolder.EXTERNAL)
        self._steps.begin()

    @property
    def active(self) -> bool:
        """Whether it has neither ended nor failed."""
        return self._steps.running

    @property
    def page_size(self) -> int:
        """Page size of the instance, the unit of reads; 4096 without a database."""
        return next((each.page_size for each in self._host.attached()), 4096)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if not self._inside.acquire(blocking=False):
            raise EseError.from_code(Err.SessionSharingViolation, "another thread is inside this backup")
        try:
            if not self._steps.running:
                raise EseError.from_code(Err.NoBackup)
            self._steps.check()
            yield
        finally:
            self._inside.release()

    def attached(self) -> list[str]:
        """Return the databases to copy; -521 in an incremental backup."""
        with self._entered():
            if self.incremental:
                raise EseError.from_code(Err.InvalidBackupSequence, "an incremental backup copies no database")
            return [each.path for each in self._steps.databases()]

    def open(self, path: str) -> BackupFile:
        """Open a database, and after `logs` a log or `.pat`.

        -1003 empty name, -521 a database at the wrong time, -1203 not attached, -569 a missing log (ends the
        backup), -1811 any other file, -1011 too many open.
        """
        with self._entered():
            if not path:
                raise EseError.from_code(Err.InvalidParameter, "an empty name")
            if len(self._files) >= MOST_HANDLES:
                raise EseError.from_code(Err.OutOfMemory, f"{MOST_HANDLES} files are open")
            wanted = self._host.env.fs.absolute(path)
            listed = self._log_set
            file = self._open_database(wanted) if listed is None else self._open_listed(wanted, listed)
            self._files.append(file)
            return file

    def _open_database(self, path: str) -> BackupFile:
        if self.incremental:
            raise EseError.from_code(Err.InvalidBackupSequence, "an incremental backup copies no database", path=path)
        database = next((each for each in self._steps.databases() if each.path == path), None)
        if database is None:
            raise EseError.from_code(Err.DatabaseNotFound, "not attached", path=path)
        return BackupFile(self, path, self._steps.open_database(database))

    def _open_listed(self, path: str, log_set: LogSet) -> BackupFile:
        if path in log_set.patches:
            return BackupFile(self, path, None)
        if path in log_set.logs:
            generation = log_set.first_generation + log_set.logs.index(path)
            try:
                return BackupFile(self, path, self._steps.open_log(generation))
            except EseError as error:
                self._steps.end(error)
                raise
        if any(each.path == path for each in self._steps.databases()):
            raise EseError.from_code(Err.InvalidBackupSequence, "the databases come before the logs", path=path)
        raise EseError.from_code(Err.FileNotFound, "not a file of this backup", path=path)

    def logs(self) -> LogSet:
        """Return the logs to copy; the first call rolls the log and fixes the range.  -521 while a file is open."""
        with self._entered():
            return self._prepared()

    def _prepared(self) -> LogSet:
        if self._files:
            raise EseError.from_code(Err.InvalidBackupSequence, f"{len(self._files)} files are still open")
        if self._log_set is None:
            steps = self._steps
            try:
                steps.prepare_logs()
            except EseError as error:
                steps.end(error)
                raise
            generations = range(steps.copy_low, steps.copy_mac)
            self._log_set = LogSet(
                logs=tuple(steps.log_path(each) for each in generations),
                patches=() if self.incremental else tuple(self._patch_paths()),
                first_generation=steps.copy_low,
                last_generation=steps.copy_mac - 1,
                base_name=self._host.names.base,
            )
        return self._log_set

    def _patch_paths(self) -> list[str]:
        return [
            join(self._host.log_folder, stem_of(name_of(each.database.path)) + ".pat") for each in self._steps.copies
        ]

    def truncatable(self) -> list[str]:
        """Return the logs that `truncate` would delete; -521 while a file is open."""
        with self._entered():
            self._prepared()
            return [self._steps.log_path(each) for each in self._steps.truncatable()]

    def truncate(self) -> None:
        """Delete the logs that are not needed any more: -521 out of order, -616 when one was not read to its end."""
        with self._entered():
            if self._files or self._log_set is None:
                raise EseError.from_code(Err.InvalidBackupSequence, "the logs have not been copied")
            self._steps.truncate()
            self._truncated = True

    def end(self, *, truncate_done: bool = False, update_headers: bool = True) -> None:
        """End well: headers learn of the backup.

        `truncate_done` says that the caller deleted the logs; without it and without `truncate` it counts as a
        copy.  -801 when it was stopped, -800 when a full backup never came to its logs: it has then failed.
        """
        with self._left():
            error: EseError | None = None
            if self._host.slot.stop_code is not None:
                error = EseError.from_code(self._host.slot.stop_code)
            elif self._host.slot.state is BackupState.DATABASES:
                error = EseError.from_code(Err.BackupAbortByCaller, "ended before the logs were copied")
            self._finish(error, update_headers=update_headers, truncated=truncate_done)
            if error is not None:
                raise error

    def abort(self) -> None:
        """End as failed; harmless when it is over."""
        if self.active:
            with self._left():
                self._finish(EseError.from_code(Err.BackupAbortByCaller), update_headers=False, truncated=False)

    @contextmanager
    def _left(self) -> Iterator[None]:
        """Like `_entered`, but lets a stopped backup be ended."""
        if not self._inside.acquire(blocking=False):
            raise EseError.from_code(Err.SessionSharingViolation, "another thread is inside this backup")
        try:
            if not self._steps.running:
                raise EseError.from_code(Err.NoBackup)
            yield
        finally:
            self._inside.release()

    def _finish(self, error: EseError | None, *, update_headers: bool, truncated: bool) -> None:
        for file in list(self._files):
            file.close()
        self._steps.end(error, update_headers=update_headers, truncated=truncated)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    # what the files ask

    def _read(self, file: BackupFile, copy: DatabaseCopy | LogCopy, buffer: memoryview) -> int:
        with self._entered():
            try:
                return copy.source.read_into(buffer)
            except EseError as error:
                if isinstance(copy, DatabaseCopy):
                    self._steps.database_failed(copy, error)
                    file.close()
                else:
                    self._steps.log_failed(copy, error)
                    file.drop()
                    self._finish(error, update_headers=False, truncated=False)
                raise

    def _closed(self, file: BackupFile, copy: DatabaseCopy | LogCopy | None) -> None:
        if file in self._files:
            self._files.remove(file)
        if isinstance(copy, DatabaseCopy):
            self._steps.close_database(copy)
        elif copy is not None:
            self._steps.close_log(copy)


class BackupFile(io.RawIOBase):
    """A file of an external backup, read from its beginning to its end in whole pages.

    Reads are multiples of the page size; the first one of a database at least 3 pages, of a log at least 2; else
    -1003.  After the end they give nothing.
    """

    def __init__(self, backup: ExternalBackup, path: str, copy: DatabaseCopy | LogCopy | None) -> None:
        super().__init__()
        self.path = path
        self.size = 0 if copy is None else copy.source.total
        self._backup = backup
        self._copy = copy
        self._page_size = copy.database.page_size if isinstance(copy, DatabaseCopy) else backup.page_size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with the next verified bytes and return the count; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        copy = self._copy
        if self.closed:
            raise EseError.from_code(Err.InvalidParameter, "the file was closed", path=self.path)
        if copy is None:
            return 0
        first = _DATABASE_FIRST_READ if isinstance(copy, DatabaseCopy) else _LOG_FIRST_READ
        least = first if copy.source.done == 0 else 1
        if len(view) % self._page_size or len(view) < least * self._page_size:
            raise EseError.from_code(
                Err.InvalidParameter, f"a read of {len(view)} bytes, not {least} or more whole pages", path=self.path
            )
        return self._backup._read(self, copy, view)  # noqa: SLF001 - the two are one unit

    def readall(self) -> bytes:
        """Return everything that is left."""
        parts = []
        while data := self.read(max(_READ_ALL_BYTES, _DATABASE_FIRST_READ * self._page_size)):
            parts.append(data)
        return b"".join(parts)

    def drop(self) -> None:
        """Close without an event: the backup has failed."""
        copy, self._copy = self._copy, None
        if copy is not None:
            (copy.source if isinstance(copy, DatabaseCopy) else copy.file).close()
        self.close()

    def close(self) -> None:
        """Close; a database that was not read to its end gets event 222."""
        if not self.closed:
            super().close()
            copy, self._copy = self._copy, None
            self._backup._closed(self, copy)  # noqa: SLF001 - the two are one unit
