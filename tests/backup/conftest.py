"""Instances to back up: the files of a running instance made to run again, without recovery.

A stage of the real engine's runs (`<case>/<stage>/inst`) is the folder of an instance that was running when it was
copied.  `StageHost` takes up such a folder where the engine had it: the header of each database is the one in
memory, the log goes on behind its last valid segment.  So our backup can be run from the very state the real
one was run from, page changes in the log included.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from engine import header_changes
from engine.attached import AttachedDatabase
from engine.backup.sequence import backup_instance
from engine.backup.slot import BackupSlot
from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import EseError
from engine.events import EventLog
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.format.lr import Backup2, ExtendDB, Trace
from engine.format.names import LogNames, detect_names
from engine.header_file import read_header, read_header_from
from engine.instance import Instance
from engine.log.checkpoint_file import CheckpointFile, read_checkpoint_file
from engine.log.scan import scan_log
from engine.log.stream import LogStream
from engine.log.truncate import archives
from engine.log.writer import LogWriter
from engine.params import Parameters
from engine.space import owned_pages
from engine.types import BackupOptions, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.backup.result import BackupResult
    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.format.dbheader import DatabaseHeader
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

    def __init__(
        self,
        folder: Path,
        *,
        fs: FileSystem | None = None,
        names: LogNames | None = None,
        **params: int | str | bool,
    ) -> None:
        self.slept: list[float] = []
        self.env = Environment(fs=fs or RealFileSystem(), now=Clock(), sleep=self.slept.append)
        self.params = Parameters()
        for name, value in params.items():
            setattr(self.params, name, value)
        self.name = "oracle"
        self.events = EventLog(instance=self.name, settings=self.params, now=self.env.now, shared=False)
        self.slot = BackupSlot()
        self.log_folder = self.system_folder = str(folder)
        self.names: LogNames = names or detect_names(each.name for each in folder.iterdir())[0]
        self.running_check: Callable[[], None] = lambda: None
        self.state_check: Callable[[], None] = lambda: None
        self.checkpoint_script: list[int] = []
        """What the next looks at the checkpoint file find, before it is really read."""
        self.log_down: int | None = None
        self.log_full: int | None = None
        header, valid, accumulated = self._scan(folder / self.names.current)
        read = read_checkpoint_file(self.env.fs, str(folder / self.names.checkpoint))
        self.checkpoint = CheckpointFile(self.env.fs, str(folder / self.names.checkpoint), read.checkpoint)
        self.databases: list[AttachedDatabase] = []
        self.last_position = LgPos(0, 0, 0)
        self.extents = self._extents(folder)
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

    def _extents(self, folder: Path) -> dict[int, int]:
        """Return the last page of each database as the log has it: the space trees on disk are behind."""
        last: dict[int, int] = {}
        stream = LogStream.find(self.env.fs, str(folder))
        assert stream is not None
        with contextlib.suppress(EseError):
            for generation in sorted(stream.generations):
                with stream.open(generation) as log:
                    for each in log.records():
                        if isinstance(each.record, ExtendDB):
                            last[each.record.dbid] = each.record.pgno_last
                        self.last_position = each.pos
        return last

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
            last_owned_page=max(owned_pages(file, header.page_size).last, self.extents.get(header.dbid, 0)),
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
        if self.checkpoint_script:
            return self.checkpoint_script.pop(0)
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
                change = partial(
                    header_changes.generation_begun,
                    generation=header.generation,
                    created=header.created,
                    minimum=self.checkpoint.position.generation,
                )
                each.change_header(change)
                each.write_header()

    # for tests

    def start_at_last_record(self) -> None:
        """Let the writer know the last record of the engine, which it cannot tell without reading the log."""
        self.writer._last_record = self.last_position

    def set_checkpoint(self, generation: int) -> None:
        """Move the checkpoint to the beginning of a generation, backwards too."""
        self.checkpoint.write(self.checkpoint.value.replace(checkpoint=LgPos(generation, 1, 0)))

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


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two small databases, a.edb and b.edb, of 4 KiB pages."""
    folder = tmp_path_factory.mktemp("built")
    for number, name in enumerate(("a.edb", "b.edb")):
        with DatabaseBuilder(Environment(), folder / name, threaded=False) as builder:
            columns = [Column("id", ColumnType.LONG), Column("text", ColumnType.TEXT)]
            rows = [{"id": each, "text": f"row {each} of {name}"} for each in range(200 + 100 * number)]
            builder.add_table("t", columns, rows=rows)
    return folder


@dataclass
class Tiny:
    """A running instance with small databases, its folder, and a folder for backups."""

    instance: Instance
    folder: Path
    target: Path
    slept: list[float]

    @property
    def database(self) -> Path:
        return self.folder / "a.edb"

    def backup(self, options: int = 0, target: Path | None = None, **more: Any) -> BackupResult:
        """Back up into `target`, by default the fixture's own empty folder."""
        return self.instance.backup(target or self.target, options=BackupOptions(options), **more)

    def ids(self) -> list[int]:
        """Return the numbers of the backup's events, in order."""
        return [each.id for each in self.instance.events if each.id not in {102, 105, 326, 103}]

    def logs(self) -> list[int]:
        """Return the closed generations on disk."""
        return list(archives(self.instance.env.fs, str(self.folder), self.instance.names))

    def header(self, name: str = "a.edb") -> DatabaseHeader:
        """Return the header in the file."""
        return read_header(self.instance.env.fs, str(self.folder / name)).header

    def write(self, count: int = 1, size: int = 4000) -> None:
        """Append harmless records to the log, as much as writers would."""
        for _ in range(count):
            self.instance.writer.append(Trace.create("x" * size).pack())
        self.instance.writer.flush()

    def roll(self, times: int = 1) -> None:
        """Close the current log so many times."""
        for _ in range(times):
            self.write()
            self.instance.writer.roll()

    def records(self) -> list[Backup2]:
        """Return the backup records in the logs that are there."""
        self.instance.writer.flush()
        stream = LogStream.find(RealFileSystem(), str(self.folder))
        assert stream is not None
        return [each.record for each in stream.records() if isinstance(each.record, Backup2)]


@pytest.fixture
def tiny(built: Path, tmp_path: Path) -> Iterator[Callable[..., Tiny]]:
    """Return a function that starts an instance with small databases attached."""
    running: list[Instance] = []
    clock = Clock()

    def make(
        *, databases: tuple[str, ...] = ("a.edb",), fs: FileSystem | None = None, name: str = "inst", **params: Any
    ) -> Tiny:
        folder, target = tmp_path / name, tmp_path / f"{name}-bk"
        folder.mkdir(exist_ok=True)
        target.mkdir(exist_ok=True)
        for each in databases:
            if not (folder / each).exists():
                shutil.copyfile(built / each, folder / each)
        slept: list[float] = []
        env = Environment(fs=fs or RealFileSystem(), now=clock, sleep=slept.append)
        instance = Instance(name, path=folder, env=env, page_size=4096, log_file_size=64, **params)
        running.append(instance)
        instance.init()
        with instance.session() as session:
            for each in databases:
                session.attach(folder / each)
        return Tiny(instance, folder, target, slept)

    yield make
    for each in running:
        if each.state.value not in {"terminated", "created"}:
            each.abandon()


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

    def make(name: str, *, folder: str = "inst", fs: FileSystem | None = None, **params: Any) -> StageHost:
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
