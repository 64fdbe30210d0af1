"""Where an instance is, and what is to be known of it: the half of `Instance` that changes nothing.

Source: jet-api reference 2.5, 6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.instance.info import DatabaseInfo, InstanceInfo, LogInfo
from engine.log.truncate import archives
from engine.types import LGPOS_MIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.attached import AttachedDatabase
    from engine.env import Environment
    from engine.format.names import LogNames
    from engine.instance.keeper import LogKeeper
    from engine.log.writer import LogWriter
    from engine.params import Parameters


class LookFace:
    """Base of `Instance`; `log_writer`, `_keeper` and `_names` are None before init, the first also without a log."""

    env: Environment
    params: Parameters
    name: str
    number: int
    log_writer: LogWriter | None
    _keeper: LogKeeper | None
    _names: LogNames | None

    @property
    def log_folder(self) -> str:
        """Absolute path of the folder of the log files, without a delimiter at its end."""
        return self.env.fs.absolute(self.params.log_file_path)

    @property
    def system_folder(self) -> str:
        """Absolute path of the folder of the checkpoint file."""
        return self.env.fs.absolute(self.params.system_path)

    @property
    def names(self) -> LogNames:
        """How the log files are named; -1029 before init."""
        if self._names is None:
            raise EseError.from_code(Err.NotInitialized)
        return self._names

    @property
    def writer(self) -> LogWriter:
        """The log writer; -516 when logging is off, -1029 before init."""
        if self.log_writer is None:
            code = Err.NotInitialized if self._keeper is None else Err.LoggingDisabled
            raise EseError.from_code(code)
        return self.log_writer

    @property
    def log(self) -> LogInfo:
        """The log stream, as it is now."""
        writer, keeper = self.writer, self.keeper()
        closed = archives(self.env.fs, self.log_folder, self.names)
        checkpoint = None if keeper.checkpoint is None else keeper.checkpoint.value
        position = keeper.checkpoint_position()
        return LogInfo(
            current_generation=writer.generation,
            checkpoint_generation=position.generation,
            checkpoint=position,
            generations_on_disk=range(min(closed, default=writer.generation), writer.generation + 1),
            signature=writer.signature,
            last_full_backup=LGPOS_MIN if checkpoint is None else checkpoint.full_backup,
            last_incremental_backup=LGPOS_MIN if checkpoint is None else checkpoint.incremental_backup,
        )

    def attached(self) -> Sequence[AttachedDatabase]:
        """Return all attached databases by number, read-only and unlogged ones included."""
        return [] if self._keeper is None else self._keeper.attached()

    def keeper(self) -> LogKeeper:
        """Return the databases and their bond with the log; -1029 before init."""
        if self._keeper is None:
            raise EseError.from_code(Err.NotInitialized)
        return self._keeper

    def databases(self) -> list[DatabaseInfo]:
        """Return what is to be known of the attached databases."""
        return [
            DatabaseInfo(
                each.path, each.dbid, each.size_bytes, each.page_size, each.read_only, each.logged, each.header
            )
            for each in self.attached()
        ]

    def info(self) -> InstanceInfo:
        """Return the row of JetGetInstanceInfo."""
        return InstanceInfo(
            self.number, self.name, tuple(each.path for each in self.attached() if each.logged and not each.read_only)
        )
