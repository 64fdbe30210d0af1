"""Sets of our own and restores of them, for the tests by requirement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import EseError
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader
from engine.format.lr import Trace
from engine.header_file import write_header
from engine.instance import Instance
from engine.table import open_database
from engine.types import BackupOptions

if TYPE_CHECKING:
    from pathlib import Path

    from engine.files.base import FileSystem
    from engine.restore.result import RestoreResult

PAGE: Final = 4096
NAMES: Final = ("a.edb", "b.edb")
ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL


def digests(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


@dataclass
class Made:
    """An instance that ended, its backup directory, and places for restores."""

    top: Path

    @property
    def inst(self) -> Path:
        return self.top / "inst"

    @property
    def backups(self) -> Path:
        return self.top / "set"

    @property
    def dest(self) -> Path:
        return self.top / "dest"

    @property
    def logs(self) -> Path:
        return self.top / "logs"

    def instance(self, logs: Path | None = None, **words: Any) -> Instance:
        """Return an instance for a restore, its folder made."""
        folder = self.logs if logs is None else logs
        folder.mkdir(exist_ok=True)
        fs: FileSystem | None = words.pop("fs", None)
        env = Environment(fs=fs or RealFileSystem(), sleep=lambda _: None, **words.pop("env", {}))
        return Instance(path=folder, env=env, **{"page_size": PAGE, "log_file_size": 64, **words})

    def restore(self, source: Path | None = None, dest: Path | None = None, **words: Any) -> RestoreResult:
        """Restore into `dest`, which is made; the events of the instance are kept in `events`."""
        progress = words.pop("progress", None)
        target = self.dest if dest is None else dest
        target.mkdir(exist_ok=True)
        instance = self.instance(**words)
        try:
            return instance.restore(source or self.backups, target, progress=progress)
        finally:
            self.events = [each.id for each in instance.events]
            self.strings = {each.id: each.strings for each in instance.events}
            instance.abandon()

    def refused(self, source: Path | None = None, **words: Any) -> EseError:
        """Restore, which must fail; the set is untouched and no database is there."""
        before = digests(self.backups)
        with pytest.raises(EseError) as caught:
            self.restore(source, **words)
        assert digests(self.backups) == before
        assert [each.name for each in self.dest.iterdir()] == []
        return caught.value


def make(top: Path, options: BackupOptions = BackupOptions.NONE, *, circular: bool = False) -> Made:
    """Make two databases, a full backup and, but for circular logging, an incremental one; then more is logged."""
    made = Made(top)
    for folder in (made.inst, made.backups):
        folder.mkdir(parents=True)
    for name in NAMES:
        with DatabaseBuilder(Environment(), made.inst / name, threaded=False) as builder:
            rows = [{"id": each} for each in range(250)]
            builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    instance = Instance(path=made.inst, page_size=PAGE, log_file_size=64, circular_log=circular)
    instance.init()
    with instance.session() as session:
        for name in NAMES:
            session.attach(made.inst / name)
        instance.backup(made.backups, options=options)
        work(instance)
        if not circular:
            instance.backup(made.backups, options=BackupOptions(options | INCREMENTAL))
        work(instance)
    instance.term()
    return made


def work(instance: Instance) -> None:
    instance.writer.append(Trace.create("x" * 3000).pack())
    instance.writer.roll()


def rows(path: Path) -> list[Any]:
    with open_database(path) as database:
        return [row["id"] for row in database["t"]]


def change(path: Path, offset: int, mask: int = 0x5A) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def set_header(path: Path, **fields: Any) -> None:
    with RealFileSystem().open(str(path), OpenMode.READ_WRITE) as file:
        header = DatabaseHeader.parse(file.read_at(0, PAGE))
        write_header(file, header.replace(**fields))


def logs_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("edb0*.log"))
