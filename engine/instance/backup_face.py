"""What an instance offers for backups, and what a backup asks of it: the `BackupHost` half of `Instance`.

Source: jet-api reference 1.1, 1.8-1.10, 2.5.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from engine.backup.external import ExternalBackup
from engine.backup.sequence import backup_instance
from engine.errors import Err, EseError
from engine.instance.state import ATTACHED_STATES, refusal
from engine.log.checkpoint_file import read_checkpoint_file
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.attached import AttachedDatabase
    from engine.backup.result import BackupResult
    from engine.backup.slot import BackupSlot
    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.names import LogNames
    from engine.instance.keeper import LogKeeper
    from engine.instance.state import InstanceState
    from engine.log.writer import LogWriter
    from engine.monitor import Monitor
    from engine.params import Parameters
    from engine.types import LgPos, LogTime, ProgressCallback, StrPath


class BackupFace(ABC):
    """Base of `Instance`; `log_writer` is None while there is no log, `replaying` true while recovery reads it."""

    env: Environment
    events: EventLog
    params: Parameters
    name: str
    slot: BackupSlot
    state: InstanceState
    log_writer: LogWriter | None
    replaying: bool

    @property
    @abstractmethod
    def writer(self) -> LogWriter:
        """The log writer; -516 when logging is off, -1029 before init."""

    @property
    @abstractmethod
    def names(self) -> LogNames:
        """How the log files are named; -1029 before init."""

    @property
    @abstractmethod
    def log_folder(self) -> str:
        """Absolute path of the folder of the log files."""

    @property
    @abstractmethod
    def system_folder(self) -> str:
        """Absolute path of the folder of the checkpoint file."""

    @abstractmethod
    def attached(self) -> Sequence[AttachedDatabase]:
        """Return all attached databases by number, read-only and unlogged ones included."""

    @abstractmethod
    def keeper(self) -> LogKeeper:
        """Return the databases and their bond with the log; -1029 before init."""

    def backup(
        self,
        target: StrPath | None,
        *,
        incremental: bool = False,
        atomic: bool = False,
        options: BackupOptions | None = None,
        progress: ProgressCallback | None = None,
        monitor: Monitor | None = None,
    ) -> BackupResult:
        """Back up all attached databases into the folder `target`; None only deletes logs that are not needed.

        Blocks, and holds no lock of the instance between chunks.  Raises the codes of jet-api reference 1.10; on an
        error the target is as it was and no log is gone.  TypeError when `options` and the booleans are both given.
        """
        if options is not None and (incremental or atomic):
            raise TypeError("options says what incremental and atomic say; give one or the other")
        if options is None:
            options = BackupOptions.NONE
            options |= BackupOptions.INCREMENTAL if incremental else 0
            options |= BackupOptions.ATOMIC if atomic else 0
        folder = None if target is None else os.fspath(target)
        return backup_instance(self, folder, options, progress=progress, monitor=monitor)

    def begin_external_backup(self, *, incremental: bool = False, monitor: Monitor | None = None) -> ExternalBackup:
        """Begin a backup whose files the caller reads; leaving it as a context manager without `end` aborts it."""
        options = BackupOptions.INCREMENTAL if incremental else BackupOptions.NONE
        return ExternalBackup(self, options, monitor=monitor)

    def stop_backup(self) -> None:
        """Make the running backup fail with -801 at its next step; nothing happens when none runs."""
        self.slot.request_stop(Err.BackupAbortByServer)

    def check_can_backup(self) -> None:
        """Raise what the state of the instance demands of a backup."""
        error = refusal(self.state, replaying=self.replaying, for_backup=True)
        if error is not None:
            raise error

    def check_log_writable(self) -> None:
        """Raise -510 when the log has been taken down by a write error."""
        if self.log_writer is not None:
            self.log_writer.check()

    def check_log_space(self) -> None:
        """Raise -529 when the log volume is known to be full, -519 close to the last possible generation."""
        writer = self.writer
        if writer.disk_full:
            raise EseError.from_code(Err.LogDiskFull, path=self.log_folder)
        if writer.near_end:
            raise EseError.from_code(Err.LogSequenceEnd, generation=writer.generation)

    def check_running(self) -> None:
        """Raise -1000 when termination has begun, -1090 after a fatal error."""
        state = self.state
        if state not in ATTACHED_STATES:
            raise refusal(state, for_backup=True) or EseError.from_code(Err.TermInProgress)

    def checkpoint_generation_on_disk(self) -> int:
        """Read the checkpoint file and return its generation; -542 missing, -533 damaged."""
        checkpoint = self.keeper().checkpoint
        if checkpoint is None:
            raise EseError.from_code(Err.CheckpointFileNotFound)
        read = read_checkpoint_file(self.env.fs, checkpoint.path, signature=self.writer.signature)
        return read.checkpoint.checkpoint.generation

    def record_backup_in_checkpoint(self, *, full: bool, pos: LgPos, time: LogTime) -> None:
        """Keep position and time of a successful backup's PrepareLogs record in the checkpoint."""
        checkpoint = self.keeper().checkpoint
        if checkpoint is not None:
            checkpoint.record_backup(full=full, position=pos, time=time)

    def wait_attach_detach(self) -> None:
        """Return when no attach or detach is under way."""
        self.slot.wait_databases_settled()
