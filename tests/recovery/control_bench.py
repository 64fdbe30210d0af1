"""A disk in memory with an instance that dies again and again, for recoveries whose log holds control records only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.env import Environment
from engine.errors import EseError
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem
from engine.header_file import read_header, write_header
from engine.instance import Instance
from engine.log.stream import LogStream

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.log.records import LogRecord
    from engine.recovery.result import RecoveryResult


FOLDER = "/i"
A, B = f"{FOLDER}/a.edb", f"{FOLDER}/b.edb"


class Bench:
    """A disk with an instance that dies again and again."""

    def __init__(self, prepared: CrashFileSystem) -> None:
        self.disk = CrashFileSystem()
        self.disk.load(FOLDER, FOLDER, source=prepared)
        self.made: list[Instance] = []

    def instance(self, fs: FileSystem | None = None) -> Instance:
        made = Instance(path=FOLDER, log_file_size=64, env=Environment(fs=fs or self.disk))
        self.made.append(made)
        return made

    def started(self, *attach: str) -> Instance:
        instance = self.instance()
        instance.init()
        for path in attach:
            instance.session().attach(path)
        return instance

    def recover(self, **how: Any) -> tuple[Instance, RecoveryResult]:
        instance = self.instance()
        return instance, instance.init(**how)

    def header(self, path: str = A) -> DatabaseHeader:
        read = read_header(self.disk, path)
        assert not read.problems
        return read.header

    def set_header(self, header: DatabaseHeader, path: str = A) -> None:
        with self.disk.open(path, OpenMode.READ_WRITE) as file:
            write_header(file, header)

    def records(self) -> list[LogRecord]:
        stream = LogStream.find(self.disk, FOLDER, "edb")
        assert stream is not None
        assert not [each for each in stream.check() if each.code]
        return [each for each in stream.records() if each.record.type.name != "NOP2"]

    def kinds(self) -> list[str]:
        return [each.record.type.name for each in self.records()]


def code_of(instance: Instance, **how: Any) -> EseError:
    with pytest.raises(EseError) as caught:
        instance.init(**how)
    return caught.value


def files(fs: FileSystem) -> dict[str, bytes]:
    found = {}
    for each in fs.list(FOLDER):
        if not each.name.endswith(".lock"):
            with fs.open(f"{FOLDER}/{each.name}") as file:
                found[each.name] = file.read_at(0, file.size())
    return found
