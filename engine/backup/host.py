"""What a backup needs of the instance it backs up.

The backup code knows an instance only through `BackupHost`; `engine.instance.Instance` provides it, and so
can a test.  Everything is a property or a method, so a plain attribute satisfies it too.

Nothing here is called with a lock of the backup held, and the backup calls every method from the thread that
asked for the backup, except `BackupSlot`, which is safe from any thread.
Source: jet-api reference 1.8-1.10; log reference 7.1-7.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from engine.backup.slot import BackupSlot
    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames
    from engine.params import Parameters
    from engine.types import LgPos, LogTime, Signature


class AttachedDatabase(Protocol):
    """A database that the instance has attached."""

    @property
    def path(self) -> str:
        """Absolute path of the database file."""

    @property
    def dbid(self) -> int:
        """Number of the database in the log stream, 1 and up."""

    @property
    def page_size(self) -> int:
        """Bytes a page."""

    @property
    def read_only(self) -> bool:
        """Attached read-only: not part of the log stream, never backed up."""

    @property
    def logged(self) -> bool:
        """False when attached with logging off, and for a temp database: never backed up."""

    @property
    def header(self) -> DatabaseHeader:
        """The header in memory, as it is now.  An immutable value: take it once and use that."""

    @property
    def last_owned_page(self) -> int:
        """Last page of the logical size (1-based); pages grown ahead beyond it are not copied."""

    @property
    def reading(self) -> AbstractContextManager[object]:
        """Held while a piece of the file is read: meanwhile no page is written."""

    def change_header(self, change: Callable[[DatabaseHeader], DatabaseHeader]) -> None:
        """Replace the header in memory by `change(header)`, atomically against a rollover that updates it too."""

    def write_header(self) -> None:
        """Write both copies of the header in memory and make them durable."""


class BackupLog(Protocol):
    """The log writer, as far as a backup uses it.  Safe from any thread."""

    @property
    def generation(self) -> int:
        """Generation of the current log."""

    @property
    def last_record(self) -> LgPos:
        """First byte of the last record logged so far."""

    @property
    def signature(self) -> Signature:
        """Signature of the log stream."""

    @property
    def header(self) -> LogHeader:
        """Header of the current log."""

    def append(self, record: bytes) -> LgPos:
        """Append one record without flushing; returns its position."""

    def append_in_new_generation(self, record: bytes) -> LgPos:
        """Close the current log and write `record` as the first record of the next one, flushed."""

    def flush(self) -> None:
        """Make everything appended so far durable."""


class BackupHost(Protocol):
    """An instance as a backup sees it."""

    @property
    def env(self) -> Environment:
        """File system, clock, randomness, sleep."""

    @property
    def events(self) -> EventLog:
        """Event log of the instance."""

    @property
    def params(self) -> Parameters:
        """System parameters of the instance."""

    @property
    def name(self) -> str:
        """Name of the instance."""

    @property
    def log_folder(self) -> str:
        """Absolute path of the folder of the log files."""

    @property
    def system_folder(self) -> str:
        """Absolute path of the folder of the checkpoint file."""

    @property
    def names(self) -> LogNames:
        """How the log files are named."""

    @property
    def writer(self) -> BackupLog:
        """The log writer.  Asked for only after `check_can_backup` has passed."""

    @property
    def slot(self) -> BackupSlot:
        """The one place in this instance where a backup may run."""

    def check_can_backup(self) -> None:
        """Raise what the state of the instance demands, in this order.

        -1003 in recovery or no live instance, -1329 service stopped, -1090/-1092 unavailable, -1000 terminating,
        -506 restore, -1029 not initialised, -523 not yet or no more.
        """

    def check_log_writable(self) -> None:
        """Raise -510 when the log has been taken down by a write error."""

    def check_log_space(self) -> None:
        """Raise -529 when the log volume is known to be full, -519 close to the last possible generation."""

    def check_running(self) -> None:
        """Raise -1000 when termination has begun, -1090 after a fatal error.  Called between chunks: cheap."""

    def attached(self) -> Sequence[AttachedDatabase]:
        """Return all attached databases by dbid, read-only and unlogged ones included; never a temp database."""

    def checkpoint_generation_on_disk(self) -> int:
        """Read the checkpoint file and return its generation; -542 missing, -533 damaged."""

    def record_backup_in_checkpoint(self, *, full: bool, pos: LgPos, time: LogTime) -> None:
        """Keep position and time of a successful backup's PrepareLogs record in the checkpoint (fields 615..639)."""

    def wait_attach_detach(self) -> None:
        """Return when no attach or detach is under way.  Called after the slot was taken, so no new one begins."""
