"""Instances in tests: on a disk in memory with small databases, and on copies of real folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import DatabaseBuilder
from engine.env import Environment
from engine.files.crash import CrashFileSystem
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.log.stream import LogStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.files.base import FileSystem
    from engine.log.records import LogRecord

FOLDER = "/i"
DATABASES = ("a", "b")


class Clock:
    """A clock that moves one millisecond a look, so that no two log files are made at the same time."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class World:
    """A disk in memory with a folder for an instance and databases `a.edb` and `b.edb` in it."""

    disk: CrashFileSystem
    folder: str = FOLDER
    clock: Clock = field(default_factory=Clock)
    made: list[Instance] = field(default_factory=list)

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def env(self, fs: FileSystem | None = None) -> Environment:
        return Environment(fs=fs or self.disk, now=self.clock, background=False)

    def instance(self, fs: FileSystem | None = None, **settings: Any) -> Instance:
        settings.setdefault("path", self.folder)
        settings.setdefault("log_file_size", 64)
        instance = Instance(env=self.env(fs), **settings)
        self.made.append(instance)
        return instance

    def copy(self) -> World:
        """Return the same files on a disk of their own, all of them durable."""
        disk = CrashFileSystem()
        disk.load(self.folder, self.folder, source=self.disk)
        return World(disk, self.folder)

    def read(self, name: str) -> bytes:
        with self.disk.open(self.path(name)) as file:
            return file.read_at(0, file.size())

    def names(self) -> list[str]:
        return [each.name for each in self.disk.list(self.folder)]

    def records(self, generation: int | None = None) -> list[LogRecord]:
        """Return the records of the stream, or of one generation."""
        stream = LogStream.find(self.disk, self.folder, "edb")
        assert stream is not None
        if generation is None:
            return list(stream.records())
        with stream.open(generation) as log:
            return list(log.records())

    def kinds(self) -> list[str]:
        return [each.record.type.name for each in self.records()]

    def chain_is_whole(self) -> bool:
        stream = LogStream.find(self.disk, self.folder, "edb")
        assert stream is not None
        return not [each for each in stream.check() if each.code]


@pytest.fixture(scope="session")
def prepared_disk() -> CrashFileSystem:
    """Return a disk with two empty databases; copied before use."""
    disk = CrashFileSystem()
    disk.make_directory(FOLDER)
    for name in DATABASES:
        with DatabaseBuilder(Environment(fs=disk), f"{FOLDER}/{name}.edb", threaded=False):
            pass
    disk.sync_all()
    return disk


@pytest.fixture
def world(prepared_disk: CrashFileSystem) -> Iterator[World]:
    made = World(prepared_disk).copy()
    yield made
    for each in made.made:
        each.abandon()


@pytest.fixture
def running(world: World) -> Instance:
    """Return an instance that has been initialised on a new stream."""
    instance = world.instance()
    instance.init()
    return instance


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies a folder of real files and makes the copy writable."""

    def copy(source: Path) -> Path:
        target = tmp_path / source.name
        shutil.copytree(source, target)
        for each in (target, *target.rglob("*")):
            each.chmod(0o755 if each.is_dir() else 0o644)
        return target

    return copy


def read_log(path: Path) -> list[LogRecord]:
    from engine.files.real import RealFileSystem  # noqa: PLC0415

    with LogFile.open(RealFileSystem(), str(path)) as log:
        return list(log.records())
