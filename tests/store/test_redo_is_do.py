"""The whole log, replayed over the file as it was when the instance started, gives the file as it was left."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import Column, ColumnType, Index
from engine.files.crash import CrashPolicy
from engine.format.page import PageFlags
from engine.info import database_info
from engine.page_reading import read_verified
from engine.pages.cache import PageCache
from engine.pages.mutable import MutablePage
from engine.recovery.replay import Replay
from engine.space import owned_pages
from engine.types import LGPOS_MIN
from tests.store.conftest import PATH
from tests.store.desk import hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.crash import CrashFileSystem
    from engine.store.database import Database
    from engine.store.table import Table
    from tests.store.desk import Desk


class Replayed:
    """The database of a disk under a replay of the log."""

    def __init__(self, disk: CrashFileSystem, page_size: int) -> None:
        self.dbtime_last = self.objid_last = 0
        self.attach_position = LGPOS_MIN
        file = disk.open(PATH)
        self.store = PageCache(
            PATH,
            page_size,
            read=lambda pgno: read_verified(file, pgno, page_size),
            write=lambda pgno, _: pytest.fail(f"page {pgno} was pushed out"),
            capacity=1 << 20,
        )
        self.pin, self.unpin = self.store.pin, self.store.unpin


def says(page: MutablePage) -> tuple[Any, ...]:
    """Return what a page says: without its write counter, and of a page that is free not what was on it."""
    if page.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
        return page.pgno, page.objid, page.dbtime
    flags = page.flags & ~(PageFlags.FLUSH_TYPE | PageFlags.NEW_CHECKSUM | PageFlags.NEW_RECORD_FORMAT)
    nodes = [page.node(line) for line in range(page.line_count)]
    return page.pgno, page.objid, page.dbtime, flags, page.prev, page.next, page.external, nodes


def row(rnd: random.Random, number: int) -> dict[str, Any]:
    return {
        "Name": f"host {number} {'x' * rnd.randint(0, 35)}",
        "Owner": f"owner {rnd.random()}"[:30],
        "Note": "n" * rnd.choice([0, 10, 900, 5000, 20_000]),
        "Ports": tuple(sorted({rnd.randint(0, 99) for _ in range(rnd.randint(0, 3))})) or None,
    }


def work(database: Database, rnd: random.Random) -> None:
    """Rows of many sizes come, change and go; so do tables, columns and indexes."""
    table: Table = hosts(database)
    marks = [table.insert(**row(rnd, number)) for number in range(250)]
    for mark in rnd.sample(marks, 120):
        table.update(mark, **row(rnd, 1000))
    gone = set(rnd.sample(marks, 170))
    for mark in gone:
        table.delete(mark)
    for mark in marks:
        if mark not in gone:
            table.escrow(mark, "Hits", 3)
    table.add_column(Column("Extra", ColumnType.LONG))
    table.create_index(Index("byVersion", ("Version", "-Owner")))
    other = hosts(database, "Other")
    for number in range(60):
        other.insert(**row(rnd, number))
    database.delete_table("Other")
    for number in range(80):
        table.insert(Extra=number, **row(rnd, number))
    table.delete_index("byOwner")


@pytest.mark.parametrize("page_size", [4096, 8192, 32768])
def test_the_log_over_the_first_file_gives_the_last_one(new_desk: Callable[..., Desk], page_size: int) -> None:
    desk = new_desk(page_size)
    first = desk.disk.crash(CrashPolicy.DROP_ALL)
    session, database = desk.open()
    rnd = random.Random(page_size)  # noqa: S311 - only reproducible
    work(database, rnd)
    session.begin()
    for number in range(40):
        database["Hosts"].insert(**row(rnd, number))
    session.rollback()
    dbid = desk.live.pages.dbid
    assert desk.settled() == []
    replay = Replay()
    before = Replayed(first, page_size)
    replay.databases[dbid] = before
    for each in desk.live.records():
        replay.feed(each.pos, each.record)
    size = database_info(PATH, fs=desk.disk).page_size
    assert size == page_size
    compared = 0
    with desk.disk.open(PATH) as file:
        for pgno in range(1, owned_pages(file, page_size).last + 1):
            offset = (pgno + 1) * page_size
            data = file.read_at(offset, page_size)
            if any(data):
                page = MutablePage.decode(data, pgno)
                assert says(before.store.load(pgno)) == says(page)
                compared += 1
    assert compared > 40
