"""A table and its index under transactions: sessions over the store itself, rows encoded as the builder does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from engine import open_database
from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.build.index_keys import KeyMaker
from engine.build.rows import RowEncoder
from engine.build.schema import define_columns, define_index
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.format import lr
from engine.format.node import NodeFlags
from engine.format.page import PageFlags
from engine.page_reading import read_verified
from engine.pages.cache import PageCache
from engine.store import nodes
from engine.store.cleanup import Cleanup
from engine.store.doing import TreeRef
from engine.store.scan import Scan
from engine.store.search import first_place
from engine.store.transactions import StoreSession
from engine.store.versions import VersionStore
from engine.types import LGPOS_MIN
from tests.store.conftest import FOLDER, PATH, Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.build.table import TableInfo
    from engine.recovery.replay import Replay
    from engine.types import LgPos

COLUMNS: Final = (
    Column("Id", ColumnType.LONG),
    Column("Count", ColumnType.LONG),
    Column("Name", ColumnType.TEXT, code_page=1252),
)
PRIMARY: Final = Index("pk", ("Id",))
BY_NAME: Final = Index("by_name", ("Name",))
COUNT_AT: Final = 8
"""Where Count lies in a record: behind four bytes of head and Id."""
DELETED: Final = int(NodeFlags.DELETED)
Rows = dict[int, tuple[int, str]]
"""Count and name by id."""


class World:
    """A running instance with the table Rows (Id, Count, Name; index by_name) and sessions on its trees."""

    def __init__(self, page_size: int = 4096, *, limit_pages: int = 64, **settings: object) -> None:
        self.disk = CrashFileSystem()
        self.page_size = page_size
        self.info = self._build()
        defined = define_columns(COLUMNS)
        primary = define_index(PRIMARY, defined, primary=True, page_size=page_size)
        by_name = define_index(BY_NAME, defined, primary=False, page_size=page_size)
        self._key = KeyMaker(primary.resolved(defined), defined).primary_key
        self._names = KeyMaker(by_name.resolved(defined), defined).keys
        self._encoder = RowEncoder(
            defined, [None] * 3, page_size, page_size // 2, lambda _: b"", wanted=frozenset((0, 1, 2))
        )
        self._encoding = threading.Lock()
        """An encoder keeps what it has made last."""
        self._settings = settings
        self._limit_pages = limit_pages
        self.live = Live(self.disk, page_size=page_size, settings=dict(settings))
        self._open()

    def _build(self) -> TableInfo:
        self.disk.make_directory(FOLDER)
        with DatabaseBuilder(Environment(fs=self.disk), PATH, page_size=self.page_size, threaded=False) as build:
            info = build.add_table("Rows", COLUMNS, primary=PRIMARY, secondary=[BY_NAME])
        self.disk.sync_all()
        return info

    def _open(self) -> None:
        self.journal = self.live.journal
        pages = self.live.pages
        system = TreeRef(pages, 1, 1)
        self.table = TreeRef(pages, self.info.tree.root, self.info.tree.objid, parent=system)
        index = self.info.indexes["by_name"]
        self.index = TreeRef(
            pages,
            index.root,
            index.objid,
            unique=False,
            kind=int(PageFlags.INDEX | PageFlags.NON_UNIQUE),
            parent=self.table,
        )
        self.versions = VersionStore(max_pages=self._limit_pages)
        self.cleanup = Cleanup(self.session(None))

    def session(self, cleanup: Cleanup | str | None = "own") -> StoreSession:
        """Return a new session."""
        taken = self.cleanup if cleanup == "own" else None
        procid = self.live.instance.session().procid
        return StoreSession(procid, self.journal, self.versions, taken)

    # Rows.

    def record(self, number: int, count: int, name: str) -> tuple[bytes, bytes, bytes]:
        """Return primary key, record, and key of the name."""
        with self._encoding:
            data = self._encoder.encode((number, count, name))
            raw = self._encoder.raw
            return self._key(raw), data, next(iter(self._names(raw)))

    def insert(self, session: StoreSession, number: int, count: int, name: str) -> None:
        key, data, named = self.record(number, count, name)
        nodes.insert(session, self.table, key, data)
        nodes.insert(session, self.index, named, key)

    def rename(self, session: StoreSession, number: int, name: str) -> None:
        """Replace a row's name, keeping its count as the session sees it."""
        count, before = self.row(session, number)
        key, data, named = self.record(number, count, name)
        nodes.replace(session, self.table, key, data)
        if before != name:
            nodes.delete(session, self.index, self.record(number, count, before)[2], key)
            nodes.insert(session, self.index, named, key)

    def delete(self, session: StoreSession, number: int) -> None:
        count, name = self.row(session, number)
        key, _, named = self.record(number, count, name)
        nodes.delete(session, self.table, key)
        nodes.delete(session, self.index, named, key)

    def add(self, session: StoreSession, number: int, amount: int) -> None:
        nodes.delta(session, self.table, self.record(number, 0, "")[0], COUNT_AT, amount)

    def row(self, session: StoreSession, number: int) -> tuple[int, str]:
        data = nodes.get(session, self.table, self.record(number, 0, "")[0])
        if data is None:
            raise KeyError(number)
        return decoded(data)[1]

    def rows(self, session: StoreSession) -> Rows:
        """Return what a session sees, by a scan."""
        return dict(decoded(data) for _, data in Scan(session, self.table))

    def entries(self, session: StoreSession) -> list[tuple[bytes, bytes]]:
        """Return what a session sees of the index."""
        return list(Scan(session, self.index))

    def expected_entries(self, rows: Rows) -> list[tuple[bytes, bytes]]:
        found = [self.record(number, count, name) for number, (count, name) in rows.items()]
        return sorted((named, key) for key, _, named in found)

    def deleted_nodes(self) -> int:
        """Return how many nodes of both trees are marked deleted."""
        total = 0
        for tree in (self.table, self.index):
            page = first_place(tree).page
            while True:
                total += sum(1 for flags, _, _ in page.full() if flags & DELETED)
                if not page.next:
                    break
                page = tree.pages.load(page.next)
        return total

    # Ends.

    def recover(self, policy: CrashPolicy, seed: int = 0) -> None:
        """Crash, recover, open again; what sessions there were are gone."""
        self.live = self.live.recovered(policy, seed)
        self._open()

    def reopen(self, disk: CrashFileSystem) -> None:
        """Recover what is found on a disk, and go on there; the instance before is given up."""
        self.live = Live(disk, page_size=self.page_size, settings=dict(self._settings), clock=self.live.clock)
        self._open()

    def recover_with(self, replay: Replay) -> None:
        """Crash with everything on the disk but changed pages, and feed the log to a replay."""
        self.journal.writer.flush()
        database = _Replayed(self.live.disk.crash(CrashPolicy.DROP_ALL), self.page_size)
        replay.databases[self.live.pages.dbid] = database
        for each in self.live.records():
            replay.feed(each.pos, each.record)

    def after_end(self) -> tuple[Rows, list[str]]:
        """Stop clean; return the rows in the file and what the integrity check finds."""
        self.live.end()
        disk = self.live.disk
        with open_database(PATH, fs=disk) as database:
            rows: dict[Any, Any] = {row["Id"]: (row["Count"], row["Name"]) for row in database["Rows"]}
        return rows, [str(each) for each in check(PATH, fs=disk) if each.severity is not Severity.INFO]


class _Replayed:
    """The database file of a crashed disk under a replay."""

    def __init__(self, disk: CrashFileSystem, page_size: int) -> None:
        self.dbtime_last = self.objid_last = 0
        self.attach_position = LGPOS_MIN
        file = disk.open(PATH)
        self.store = PageCache(
            PATH, page_size, read=lambda pgno: read_verified(file, pgno, page_size), write=lambda _pgno, _data: None
        )
        self.pin, self.unpin = self.store.pin, self.store.unpin


def decoded(data: bytes) -> tuple[int, tuple[int, str]]:
    """Return id, count and name of a record."""
    number = int.from_bytes(data[4:8], "little", signed=True)
    count = int.from_bytes(data[8:12], "little", signed=True)
    offset = int.from_bytes(data[2:4], "little")
    end = int.from_bytes(data[offset : offset + 2], "little")
    name = data[offset + 2 : offset + 2 + end].decode("cp1252")
    return number, (count, name)


def code_of(operation: Callable[[], object]) -> int:
    """Return the error code of an operation, 0 when there is none."""
    try:
        operation()
    except EseError as error:
        return error.code
    return 0


TRANSACTIONS = (lr.Begin0, lr.Begin, lr.Commit, lr.Commit0, lr.Rollback)
"""The records that tell where transactions begin and end."""


def logged(world: World, since: LgPos, *kinds: type[lr.Record]) -> list[lr.Record]:
    """Return the records of these kinds that came after a position, as far as they are in the log file."""
    world.journal.writer.flush()
    return [each.record for each in world.live.records() if each.pos > since and isinstance(each.record, kinds)]


def mark(world: World) -> LgPos:
    """Return where the last record lies, all being in the log file."""
    world.journal.writer.flush()
    return list(world.live.records())[-1].pos
