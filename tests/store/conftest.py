"""A running instance on a disk in memory: journal and live pages over a database that was built, and its crashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.check import Severity, check
from engine.env import Environment
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.instance import Instance
from engine.log.stream import LogStream
from engine.pages.mutable import MutablePage
from engine.pages.source import FilePages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.attached import AttachedDatabase
    from engine.files.base import FileSystem
    from engine.log.records import LogRecord
    from engine.store.journal import Journal
    from engine.store.pages import StorePages
    from tests.store.desk import Desk

FOLDER = "/i"
PATH = "/i/a.edb"
TABLE = "Rows"
MARKS = "Marks"


class Clock:
    """A clock that moves one millisecond a look, so that no two log files are made at the same time."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class Live:
    """An instance with `a.edb` attached.

    `a.edb` holds the table Rows (Id LONG, primary key; Name TEXT) with as many rows as it was made with, and Marks, for
    records written by hand (Id LONG, primary key; Value LONG, the same number; Text TEXT), with as many.  `end` stops
    clean, `crash` loses the power, `killed` ends the process only; both give the disk as the next start finds it, and
    `recovered` is a new `Live` on it, after recovery.
    """

    disk: CrashFileSystem
    fs: FileSystem | None = None
    page_size: int = 4096
    settings: dict[str, Any] = field(default_factory=dict)
    background: bool = False
    clock: Clock = field(default_factory=Clock)
    instance: Instance = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        settings: dict[str, Any] = {"path": FOLDER, "log_file_size": 64, "page_size": self.page_size} | self.settings
        self.instance = Instance(
            env=Environment(fs=self.fs or self.disk, now=self.clock, background=self.background), **settings
        )
        self.instance.init()
        self.session = self.instance.session()
        self.session.attach(PATH)

    @property
    def database(self) -> AttachedDatabase:
        (found,) = self.instance.attached()
        return found

    @property
    def journal(self) -> Journal:
        return self.instance.live.journal

    @property
    def pages(self) -> StorePages:
        return self.instance.live.find(self.database)

    def crash(self, policy: CrashPolicy = CrashPolicy.DROP_ALL, seed: int = 0) -> CrashFileSystem:
        """Return the disk as it is found after the power has failed; this instance is given up."""
        disk = self.disk.crash(policy, seed)
        self.instance.abandon()
        return disk

    def recovered(self, policy: CrashPolicy = CrashPolicy.DROP_ALL, seed: int = 0) -> Live:
        """Crash, recover, attach again."""
        disk = self.crash(policy, seed)
        return Live(disk, None, self.page_size, self.settings, self.background, self.clock)

    def killed(self) -> Live:
        """End the process without any end, recover, attach again."""
        return self.recovered(CrashPolicy.KEEP_ALL)

    def end(self) -> None:
        """Stop clean."""
        self.instance.term()

    # Looking at the files; the database must be clean.

    def rows(self, table: str = TABLE) -> list[dict[str, Any]]:
        with open_database(PATH, fs=self.disk) as database:
            return [dict(row) for row in database[table]]

    def findings(self) -> list[str]:
        """Return what the integrity check has to say, mere information left out."""
        return [str(each) for each in check(PATH, fs=self.disk) if each.severity is not Severity.INFO]

    def page(self, pgno: int) -> MutablePage:
        """Return a page as it is in the file."""
        with self.disk.open(PATH) as file:
            data = FilePages(file, self.page_size).page(pgno).data
            return MutablePage.decode(data, pgno, path=PATH)

    def names(self) -> list[str]:
        """Return the names of the files in the folder."""
        return [each.name for each in self.disk.list(FOLDER)]

    def records(self) -> list[LogRecord]:
        stream = LogStream.find(self.disk, FOLDER, "edb")
        assert stream is not None
        return list(stream.records())

    def root(self, table: str = TABLE) -> tuple[int, int]:
        """Return page number and object number of the root of a table."""
        with open_database(PATH, fs=self.disk) as database:
            definition = database[table].definition
            return definition.root, definition.objid


def built(rows: int = 0, page_size: int = 4096) -> CrashFileSystem:
    """Return a disk with `a.edb`."""
    disk = CrashFileSystem()
    disk.make_directory(FOLDER)
    with DatabaseBuilder(Environment(fs=disk), PATH, page_size=page_size, threaded=False) as build:
        build.add_table(
            TABLE,
            [Column("Id", ColumnType.LONG), Column("Name", ColumnType.TEXT)],
            primary=Index("pk", ("Id",)),
            rows=({"Id": number, "Name": f"name {number}"} for number in range(rows)),
        )
        build.add_table(
            MARKS,
            [Column("Id", ColumnType.LONG), Column("Value", ColumnType.LONG), Column("Text", ColumnType.TEXT)],
            primary=Index("pk", ("Id",)),
            rows=({"Id": number, "Value": number, "Text": f"number {number}"} for number in range(rows)),
        )
    disk.sync_all()
    return disk


@pytest.fixture
def new_live() -> Iterator[Callable[..., Live]]:
    """Return a function that starts a `Live`: `rows` in the table, `page_size`, and settings of the instance."""
    made: list[Live] = []

    def start(rows: int = 0, page_size: int = 4096, *, background: bool = False, **settings: Any) -> Live:
        disk = built(rows, page_size)
        made.append(Live(disk, page_size=page_size, settings=settings, background=background))
        return made[-1]

    yield start
    for each in made:
        each.instance.abandon()


@pytest.fixture
def live(new_live: Callable[..., Live]) -> Live:
    """Return a running instance over an empty table."""
    return new_live()


@pytest.fixture
def new_desk() -> Iterator[Callable[..., Desk]]:
    """Return a function that starts a `Desk`: page size, format level, and settings of the instance."""
    from tests.store.desk import Desk  # noqa: PLC0415 - it is made of what is here

    made: list[Desk] = []

    def start(*args: Any, **settings: Any) -> Desk:
        made.append(Desk(*args, **settings))
        return made[-1]

    yield start
    for each in made:
        each.abandon()


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    """Return a running instance over an empty database."""
    return new_desk()
