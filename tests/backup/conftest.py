"""Instances to back up: the files of a running instance made to run again, without recovery.

A stage of the real engine's runs (`<case>/<stage>/inst`) is the folder of an instance that was running when it was
copied.  `StageHost` takes up such a folder where the engine had it: the header of each database is the one in
memory, the log goes on behind its last valid segment.  So our backup can be run from the very state the real
one was run from, page changes in the log included.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import header_changes
from engine.attached import AttachedDatabase
from engine.backup.sequence import backup_instance
from engine.backup.slot import BackupSlot
from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.format.checkpoint import CHECKPOINT_FILE_SIZE
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.format.names import LogNames, NameKind, detect_names
from engine.header_file import read_header_from
from engine.log.checkpoint_file import CheckpointFile, read_checkpoint_file
from engine.log.scan import scan_log
from engine.log.writer import LogWriter
from engine.params import Parameters
from engine.space import owned_pages
from engine.types import LGPOS_MIN, BackupOptions, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.backup.result import BackupResult
    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.monitor import Monitor
    from engine.types import LogTime, ProgressCallback


class Clock:
    """A clock that moves one millisecond a look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class StageHost:
    """A BackupHost over the files of a running instance."""

    def __init__(self, folder: Path, *, fs: FileSystem | None = None, **params: int | str | bool) -> None:
        self.slept: list[float] = []
        self.env = Environment(fs=fs or RealFileSystem(), now=Clock(), sleep=self.slept.append)
        self.params = Parameters()
        for name, value in params.items():
            setattr(self.params, name, value)
        self.name = "oracle"
        self.events = EventLog(instance=self.name, settings=self.params, now=self.env.now, shared=False)
        self.slot = BackupSlot()
        self.log_folder = self.system_folder = str(folder)
        self.names: LogNames = detect_names(each.name for each in folder.iterdir())[0]
        self.running_check: Callable[[], None] = lambda: None
        self.state_check: Callable[[], None] = lambda: None
        self.log_down: int | None = None
        self.log_full: int | None = None
        header, valid, accumulated = self._scan(folder / self.names.current)
        read = read_checkpoint_file(self.env.fs, str(folder / self.names.checkpoint))
        self.checkpoint = CheckpointFile(self.env.fs, str(folder / self.names.checkpoint), read.checkpoint)
        self.databases: list[AttachedDatabase] = []
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in {".edb", ".dat"} and path.name.lower() != "tmp.edb":
                self.add_database(path)
        self.writer: LogWriter = LogWriter.open(
            self.env,
            str(folder),
            self.names,
            self,
            self.events,
            current_name=self.names.current,
            header=header,
            last_valid_segment=valid,
            accumulated=accumulated,
            dbms_param=header.dbms_param,
        )

    def _scan(self, path: Path) -> tuple[LogHeader, int, int]:
        with self.env.fs.open(str(path)) as file:
            header = LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=path)
            scan = scan_log(file.read_at, header, file.size())
        return header, scan.last_valid_segment, scan.accumulated_checksum

    def add_database(self, path: Path, *, read_only: bool = False, logged: bool = True) -> AttachedDatabase | None:
        """Take up a database that the stage had attached; None for one that it had detached."""
        file = self.env.fs.open(str(path), OpenMode.READ_WRITE)
        header = read_header_from(file).header
        if header.clean and not read_only:
            file.close()
            return None
        database = AttachedDatabase(
            self.env,
            file,
            header,
            dbid=header.dbid if not read_only else 9,
            last_owned_page=owned_pages(file, header.page_size).last,
            read_only=read_only,
            logged=logged,
        )
        self.databases.append(database)
        self.databases.sort(key=lambda each: each.dbid)
        return database

    def check_can_backup(self) -> None:
        self.state_check()

    def check_log_writable(self) -> None:
        if self.log_down is not None:
            raise EseError.from_code(self.log_down)

    def check_log_space(self) -> None:
        if self.log_full is not None:
            raise EseError.from_code(self.log_full)

    def check_running(self) -> None:
        self.running_check()

    def attached(self) -> list[AttachedDatabase]:
        return list(self.databases)

    def checkpoint_generation_on_disk(self) -> int:
        return read_checkpoint_file(self.env.fs, self.checkpoint.path).checkpoint.checkpoint.generation

    def record_backup_in_checkpoint(self, *, full: bool, pos: LgPos, time: LogTime) -> None:
        self.checkpoint.record_backup(full=full, position=pos, time=time)

    def wait_attach_detach(self) -> None:
        self.slot.wait_databases_settled()

    # what the log writer asks

    def attach_list(self) -> tuple[AttachInfo, ...]:
        return tuple(each.attach_info() for each in self.databases if each.logged and not each.read_only)

    def checkpoint_position(self) -> LgPos:
        return self.checkpoint.position

    def generation_begun(self, header: LogHeader) -> None:
        for each in self.databases:
            if each.logged and not each.read_only:
                minimum = self.checkpoint.position.generation
                each.change_header(
                    lambda old, low=minimum: header_changes.generation_begun(
                        old, header.generation, header.created, minimum=low
                    )
                )
                each.write_header()

    # for tests

    def set_checkpoint(self, generation: int) -> None:
        """Move the checkpoint to the beginning of a generation, backwards too."""
        self.checkpoint.write(self.checkpoint.value.replace(checkpoint=LgPos(generation, 1, 0)))

    def mark_backed_up(self) -> None:
        """Forget that anything was ever backed up."""

    def backup(
        self,
        target: Path | None,
        options: int = BackupOptions.NONE,
        *,
        progress: ProgressCallback | None = None,
        monitor: Monitor | None = None,
    ) -> BackupResult:
        return backup_instance(
            self, None if target is None else str(target), options, progress=progress, monitor=monitor
        )

    def event_ids(self) -> list[int]:
        return [each.id for each in self.events]

    def close(self) -> None:
        self.writer.close()
        for each in self.databases:
            each.close()


def copy_writable(source: Path, target: Path) -> Path:
    """Copy a folder so that everything in the copy can be changed."""
    shutil.copytree(source, target)
    for each in [target, *target.rglob("*")]:
        each.chmod(0o755 if each.is_dir() else 0o644)
    return target


@pytest.fixture
def stage(oracle: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[..., StageHost]]:
    """Return a function from "case/stage" to a running host over a copy of its instance folder."""
    hosts: list[StageHost] = []

    def make(name: str, *, folder: str = "inst", fs: FileSystem | None = None, **params: int | str | bool) -> StageHost:
        source = oracle("backup") / name
        target = tmp_path / folder
        if not target.exists():
            copy_writable(source / "inst" if (source / "inst").is_dir() else source, target)
        host = StageHost(target, fs=fs, **params)
        hosts.append(host)
        return host

    yield make
    for each in hosts:
        each.close()


__all__ = ["CHECKPOINT_FILE_SIZE", "LGPOS_MIN", "Clock", "Err", "NameKind", "StageHost", "copy_writable"]
