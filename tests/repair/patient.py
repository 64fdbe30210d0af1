"""Databases with a set and the logs since, and ways to damage a page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.files.base import OpenMode
from engine.format.checksum import set_page_checksum
from engine.info import database_info
from engine.instance import Instance
from engine.log.paths import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.env import Environment

PAGE = 4096


@dataclass
class Patient:
    """A database at rest, its set, and the folder of its logs; all on the file system of `env`."""

    env: Environment
    database: str
    source: str
    logs: str

    def read(self) -> bytes:
        with self.env.fs.open(self.database) as file:
            return file.read_at(0, file.size())

    def page(self, pgno: int) -> bytes:
        size = self.page_size
        return self.read()[(pgno + 1) * size : (pgno + 2) * size]

    @property
    def page_size(self) -> int:
        return database_info(self.database, fs=self.env.fs).page_size

    def write(self, pgno: int, data: bytes) -> None:
        with self.env.fs.open(self.database, OpenMode.READ_WRITE) as file:
            file.write_at((pgno + 1) * len(data), data)
            file.fsync()

    def flip(self, pgno: int, offset: int = 300, mask: int = 0x5A) -> None:
        """Damage a page as a disk does."""
        data = bytearray(self.page(pgno))
        data[offset] ^= mask
        self.write(pgno, bytes(data))

    def rewrite(self, pgno: int, change: Callable[[bytearray], None]) -> None:
        """Change a page and set its checksum right, as a program does."""
        data = bytearray(self.page(pgno))
        change(data)
        set_page_checksum(data, pgno)
        self.write(pgno, bytes(data))


def make_patient(env: Environment, folder: str, rows: int = 300) -> Patient:
    """Make an instance with a database, back it up, log more, end it clean."""
    inst, source = join(folder, "inst"), join(folder, "set")
    for each in (inst, source):
        env.fs.make_directory(each, parents=True)
    database = join(inst, "a.edb")
    with DatabaseBuilder(env, database, threaded=False) as builder:
        columns = [Column("id", ColumnType.LONG), Column("text", ColumnType.TEXT)]
        content = ({"id": each, "text": f"row {each} " * 5} for each in range(rows))
        builder.add_table("t", columns, primary=Index("pk", ("id",)), rows=content)
    instance = Instance(path=inst, env=env, page_size=PAGE, log_file_size=64)
    instance.init()
    with instance.session() as session:
        session.attach(database)
        instance.backup(source)
        instance.writer.roll()
    instance.term()
    return Patient(env, database, source, inst)
