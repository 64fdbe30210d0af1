"""A call that fails and cannot take back what it did: nothing goes on before that can be, and then everything does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.files.fault import FaultFileSystem
from tests.store.conftest import PATH
from tests.store.desk import Desk, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.build.rows import Row

ROWS = 300


class Unreadable:
    """A table in an instance whose database cannot be read while `broken` says so."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.live.end()
        self.fs = FaultFileSystem(desk.disk, times=1 << 30, select=lambda op, path: op == "read" and path == PATH)
        desk.live.fs = self.fs
        desk.live.start()
        self.session, database = desk.open()
        self.table = database.create_table(
            "T",
            [Column("Id", ColumnType.LONG, not_null=True), Column("N", ColumnType.LONG)],
            indexes=[Index("pk", ("Id",), primary=True), Index("byN", ("N",), unique=True)],
        )
        self.table.insert_many({"Id": number, "N": -number} for number in range(ROWS))

    def broken(self) -> None:
        """Have nothing in memory, and no page read any more."""
        pages = self.desk.live.pages
        with self.desk.live.journal.latch:
            pages.evict(pages.kept_pages)
        self.fs.fail_at = self.fs.count + 1

    def mended(self) -> None:
        self.fs.fail_at = None

    def rows(self) -> Iterator[Row]:
        """Yield rows to insert; then nothing can be read, and it is over."""
        yield from ({"Id": number, "N": -number} for number in range(ROWS, 2 * ROWS))
        self.broken()
        raise KeyError

    def numbers(self) -> list[object]:
        return [row["Id"] for row in self.table]


@pytest.fixture
def unreadable(desk: Desk) -> Unreadable:
    return Unreadable(desk)


LATER: dict[str, Callable[[Unreadable], object]] = {
    "a change": lambda world: world.table.insert(Id=-1, N=1),
    "a look": lambda world: world.table.count(),
    "a transaction": lambda world: world.session.begin(),
}


@pytest.mark.parametrize("later", LATER)
def test_a_call_by_itself_is_taken_back_before_the_next(unreadable: Unreadable, later: str) -> None:
    world = unreadable
    assert code_of(lambda: world.table.insert_many(world.rows())) == Err.DiskIO
    # Not yet: the call before this one is not over.
    assert world.session.store.level
    assert code_of(lambda: LATER[later](world)) == Err.DiskIO
    world.mended()
    LATER[later](world)
    if later == "a transaction":
        assert world.session.store.level == 1
        world.session.commit()
    assert world.session.store.level == 0
    assert [number for number in world.numbers() if number != -1] == list(range(ROWS))
    assert code_of(world.session.commit) == Err.NotInTransaction
    assert world.desk.settled() == []


def test_nobody_commits_half_of_a_call(unreadable: Unreadable) -> None:
    world = unreadable
    assert code_of(lambda: world.table.insert_many(world.rows())) == Err.DiskIO
    world.mended()
    assert code_of(world.session.commit) == Err.NotInTransaction
    assert world.numbers() == list(range(ROWS))
    assert world.desk.settled() == []


def test_in_a_transaction_only_the_call_is_taken_back(unreadable: Unreadable) -> None:
    world = unreadable
    world.session.begin()
    world.table.insert(Id=-1, N=1)
    world.session.begin()
    world.table.insert(Id=-2, N=2)
    assert code_of(lambda: world.table.insert_many(world.rows())) == Err.DiskIO
    assert code_of(world.session.rollback) == Err.DiskIO
    world.mended()
    world.session.rollback()
    assert world.session.store.level == 1
    assert world.numbers() == [-1, *range(ROWS)]
    world.session.commit()
    assert world.session.store.level == 0
    assert world.numbers() == [-1, *range(ROWS)]
    assert world.desk.settled() == []


def test_the_end_takes_back_what_no_call_could(unreadable: Unreadable) -> None:
    world = unreadable
    assert code_of(lambda: world.table.insert_many(world.rows())) == Err.DiskIO
    world.mended()
    world.session.close()
    assert world.desk.settled() == []
    assert len(world.desk.live.rows("T")) == ROWS
