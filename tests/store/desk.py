"""A running instance over an empty database on a disk in memory, and sessions that have it open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import open_database
from engine.build import Column, ColumnType, DatabaseBuilder, FormatLevel, Index
from engine.env import Environment
from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.format.column import ASCII
from engine.format.key import TextOrder
from tests.store.conftest import FOLDER, PATH, Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.catalog import TableDef
    from engine.session import Session
    from engine.store.database import Database
    from engine.store.table import Table

HOSTS = (
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Version", ColumnType.LONG, version=True),
    Column("Hits", ColumnType.LONG, escrow=True, default=0),
    Column("Name", ColumnType.TEXT, size=100),
    Column("Owner", ColumnType.TEXT, code_page=ASCII),
    Column("Note", ColumnType.LONG_TEXT),
    Column("Ports", ColumnType.LONG, multi_valued=True),
)
HOST_INDEXES = (
    Index("pk", ("Id",), primary=True),
    Index("byName", ("Name",), text_order=TextOrder.FOLD),
    Index("byOwner", ("-Owner", "Id"), unique=True),
    Index("byPort", ("Ports",), ignore_null=True),
)


class Desk:
    """An instance with an empty `a.edb` attached; `open` gives a further session and its database."""

    def __init__(self, page_size: int = 4096, *, level: FormatLevel | None = None, **settings: Any) -> None:
        disk = CrashFileSystem()
        disk.make_directory(FOLDER)
        level = FormatLevel.WIDEST if level is None else level
        with DatabaseBuilder(Environment(fs=disk), PATH, page_size=page_size, level=level, threaded=False):
            pass
        disk.sync_all()
        many: dict[str, Any] = {"params": {"MaxVerPages": 1000}}
        self.live = Live(disk, page_size=page_size, settings=many | settings)

    @property
    def disk(self) -> CrashFileSystem:
        return self.live.disk

    def open(self) -> tuple[Session, Database]:
        session = self.live.instance.session()
        return session, session.open(PATH)

    def recovered(self, policy: CrashPolicy = CrashPolicy.DROP_ALL, seed: int = 0) -> None:
        """Lose the power, recover, attach again."""
        self.live = self.live.recovered(policy, seed)

    def settled(self) -> list[str]:
        """Stop clean; return what the integrity check finds."""
        self.live.end()
        return self.live.findings()

    def abandon(self) -> None:
        """Give the instance up."""
        self.live.instance.abandon()

    def definition(self, table: str) -> TableDef:
        """Return a table as the file describes it; the database must be clean."""
        with open_database(PATH, fs=self.disk) as database:
            return database.definition(table)


def hosts(database: Database, name: str = "Hosts") -> Table:
    """Return a new table with a column and an index of many kinds."""
    return database.create_table(name, HOSTS, indexes=HOST_INDEXES)


def code_of(operation: Callable[[], object]) -> int:
    """Return the error code of an operation, 0 when there is none."""
    try:
        operation()
    except EseError as error:
        return error.code
    return 0
