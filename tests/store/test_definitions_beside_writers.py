"""Definitions of a table that others write all the time: made in bounded time, and right whatever the others did."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from engine import open_database
from engine.build import Column, ColumnType, Index
from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.store import catch_up, definitions, indexes
from tests.store.conftest import PATH
from tests.store.desk import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.store.database import Database
    from engine.store.table import Table
    from engine.table.row import Row
    from tests.store.desk import Desk

COLUMNS = [
    Column("Id", ColumnType.LONG, not_null=True),
    Column("N", ColumnType.LONG),
    Column("Text", ColumnType.LONG_BINARY),
]
NEW = Column("New", ColumnType.LONG, default=7)
BY_N = Index("byN", ("N",))
OTHER = Index("other", ("-N", "Id"))


def made(database: Database, count: int = 50) -> Table:
    """Return a new table with rows of which N is 10 times the Id."""
    table = database.create_table("T", COLUMNS, indexes=[Index("pk", ("Id",), primary=True), OTHER])
    table.insert_many({"Id": number, "N": 10 * number, "Text": bytes(number)} for number in range(count))
    return table


class Writers:
    """Threads that insert, change and delete rows without a pause, each call or each three a transaction."""

    def __init__(self, desk: Desk, count: int = 3) -> None:
        self.errors: list[EseError] = []
        self.done = [0] * count
        self._stop = threading.Event()
        self._opened = [desk.open() for _ in range(count)]
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def _run(self, number: int) -> None:
        session, database = self._opened[number]
        table, turn = database["T"], 0
        while not self._stop.is_set():
            turn += 1
            try:
                if number % 2:
                    with session.transaction():
                        self._write(table, number, turn)
                else:
                    self._write(table, number, turn)
            except EseError as error:
                self.errors.append(error)
            else:
                self.done[number] += 1

    @staticmethod
    def _write(table: Table, number: int, turn: int) -> None:
        key = 1000 * (number + 1) + turn % 50
        mark = bookmark_of(key)
        if mark in table:
            table.delete(mark)
        else:
            table.insert(Id=key, N=turn, Text=bytes(turn % 900))
            table.update(mark, N=turn + 1)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait(5)
        return self

    def wait(self, turns: int) -> None:
        """Return when each of them has done some more."""
        least = [done + turns for done in self.done]
        until(lambda: all(done >= wanted for done, wanted in zip(self.done, least, strict=True)))

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def codes(self) -> set[int]:
        return {error.code for error in self.errors}


def until(true: Callable[[], bool]) -> None:
    """Return when something is so."""
    for _ in range(4000):
        if true():
            return
        threading.Event().wait(0.005)
    raise AssertionError("not in 20 seconds")


def numbers(rows: Iterable[Row], column: str = "Id") -> list[Any]:
    """Return the values of a column in their order."""
    values: list[Any] = [row[column] for row in rows]
    return sorted(values)


def bookmark_of(number: int) -> bytes:
    return b"\x7f" + (number ^ 0x80000000).to_bytes(4, "big")


DEFINED: dict[str, Callable[[Database, Table, int], None]] = {
    "add column": lambda _, table, turn: table.add_column(Column(f"C{turn}", ColumnType.LONG, default=turn)),
    "counter": lambda _, table, turn: _counter(table, turn),
    "index": lambda _, table, turn: table.create_index(Index(f"i{turn}", ("N", "Id"))),
    "unique index": lambda _, table, turn: table.create_index(Index(f"i{turn}", ("Id", "-N"), unique=True)),
    "delete index": lambda _, table, turn: _index_and_back(table, turn),
    "rename": lambda database, _, turn: database.rename_table(*(("T", "U") if turn % 2 else ("U", "T"))),
}


def _counter(table: Table, turn: int) -> None:
    if turn % 2:
        table.add_column(Column("Counter", ColumnType.LONG, auto_increment=True))
    else:
        table.delete_column("Counter")


def _index_and_back(table: Table, turn: int) -> None:
    if turn % 2:
        table.delete_index("other")
    else:
        table.create_index(OTHER)


@pytest.mark.parametrize("what", DEFINED)
def test_a_table_is_defined_beside_constant_writers(desk: Desk, what: str) -> None:
    _, database = desk.open()
    table = made(database)
    with Writers(desk) as writers:
        for turn in range(1, 7):
            DEFINED[what](database, table, turn)
            writers.wait(2)
    # Calls that are transactions of their own wait; what has begun may have to begin anew.
    assert writers.codes <= {Err.TableLocked, Err.WriteConflict}
    rows = numbers(table)
    for index in table.indexes:
        assert numbers(table.cursor(index)) == rows
    live = [dict(row) for row in table]
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        assert [dict(row) for row in reader["T"]] == live


def test_a_table_is_deleted_beside_constant_writers(desk: Desk) -> None:
    _, database = desk.open()
    made(database)
    with Writers(desk) as writers:
        database.delete_table("T")
        until(lambda: [error.code for error in writers.errors].count(Err.ObjectNotFound) > 50)
    assert writers.codes <= {Err.TableLocked, Err.WriteConflict, Err.ObjectNotFound}
    assert list(database) == []
    assert desk.settled() == []


# What others do while an index is filled, turn by turn.


@pytest.fixture
def while_filling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Return a function that has something done between the reading of the rows and the end of the index."""

    def arrange(act: Callable[[], None]) -> None:
        fill = indexes.fill

        def filled(*args: Any, **options: Any) -> int:
            count = fill(*args, **options)
            act()
            return count

        monkeypatch.setattr(definitions, "fill", filled)

    return arrange


def entries(table: Table, index: str) -> list[tuple[Any, Any]]:
    return [(row["N"], row["Id"]) for row in table.cursor(index)]


@pytest.mark.parametrize("index", [BY_N, Index("byN", ("N",), unique=True)])
def test_what_others_commit_while_an_index_is_filled_is_in_it(
    desk: Desk, while_filling: Callable[[Callable[[], None]], None], index: Index
) -> None:
    one, database = desk.open()
    _, other = desk.open()
    table = made(database, 6)
    theirs = other["T"]

    def act() -> None:
        theirs.insert(Id=100, N=5)
        theirs.delete(bookmark_of(1))
        theirs.update(bookmark_of(2), N=10)
        theirs.update(bookmark_of(3), Text=b"no key of it")
        theirs.update(bookmark_of(4), N=41)
        theirs.update(bookmark_of(4), N=42)
        theirs.insert(Id=101, N=20)
        theirs.delete(bookmark_of(101))

    while_filling(act)
    with one.transaction():
        before = [dict(row) for row in table]
        table.create_index(index)
        # By its own snapshot still.
        assert entries(table, "byN") == [(10 * number, number) for number in range(6)]
        assert [dict(row) for row in table] == before
        table.update(bookmark_of(5), N=51)
        assert code_of(lambda: table.update(bookmark_of(4), N=43)) == Err.WriteConflict
    expected = [(0, 0), (5, 100), (10, 2), (30, 3), (42, 4), (51, 5)]
    assert entries(table, "byN") == entries(theirs, "byN") == expected
    theirs.update(bookmark_of(4), N=1)
    desk.live.instance.live.cleanup.run()
    assert entries(table, "byN")[:2] == [(0, 0), (1, 4)]
    assert desk.settled() == []


@pytest.mark.parametrize("policy", [CrashPolicy.DROP_ALL, CrashPolicy.KEEP_ALL])
@pytest.mark.parametrize("end", ["commit", "rollback", "open"])
def test_an_index_that_was_caught_up_with_outlives_a_crash_or_is_gone(
    desk: Desk, while_filling: Callable[[Callable[[], None]], None], policy: CrashPolicy, end: str
) -> None:
    one, database = desk.open()
    _, other = desk.open()
    table, theirs = made(database, 30), other["T"]

    def act() -> None:
        for number in range(0, 30, 3):
            theirs.delete(bookmark_of(number))
            theirs.update(bookmark_of(number + 1), N=-1 - number)
            theirs.insert(Id=1000 + number, N=number)

    while_filling(act)
    one.begin()
    table.create_index(Index("byN", ("N",), unique=True))
    if end != "open":
        getattr(one, end)()
    theirs_now = numbers(theirs)
    desk.live.journal.writer.flush()
    desk.recovered(policy)
    _, database = desk.open()
    table = database["T"]
    assert numbers(table) == theirs_now
    assert ("byN" in table.indexes) == (end == "commit")
    if end == "commit":
        assert len(entries(table, "byN")) == len(theirs_now)
    # Pages of what was not committed may be lost to the database, as they are with the engine.
    assert [each for each in desk.settled() if "leak" not in each.lower()] == []


def test_an_index_that_becomes_impossible_while_it_is_filled_is_taken_back(
    desk: Desk, while_filling: Callable[[Callable[[], None]], None]
) -> None:
    _, database = desk.open()
    _, other = desk.open()
    table, theirs = made(database, 6), other["T"]
    while_filling(lambda: theirs.update(bookmark_of(3), N=20))
    assert code_of(lambda: table.create_index(Index("byN", ("N",), unique=True))) == Err.KeyDuplicate
    assert "byN" not in theirs.indexes
    theirs.insert(Id=9, N=9)
    desk.live.instance.live.cleanup.run()
    assert desk.settled() == []


def test_rows_committed_since_the_definer_began_are_not_forgotten(desk: Desk) -> None:
    one, database = desk.open()
    _, other = desk.open()
    table, theirs = made(database, 6), other["T"]
    one.begin()
    theirs.insert(Id=7, N=3)
    theirs.insert(Id=8, N=4)
    theirs.delete(bookmark_of(7))
    table.create_index(BY_N)
    assert len(entries(table, "byN")) == 6
    # Numbers cannot be given to rows that the transaction does not see.
    number = Column("Number", ColumnType.LONG, auto_increment=True)
    assert code_of(lambda: table.add_column(number)) == Err.WriteConflict
    one.commit()
    assert entries(theirs, "byN") == [(0, 0), (4, 8), *((10 * number, number) for number in range(1, 6))]
    table.add_column(number)
    assert numbers(theirs, "Number") == list(range(1, 8))
    assert desk.settled() == []


# Who waits for whom.


def started(call: Callable[[], object]) -> tuple[threading.Thread, list[int]]:
    """Run a call in a thread of its own; return it, and where its error code will be."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(code_of(call)))
    thread.start()
    return thread, codes


def waiting(desk: Desk, count: int) -> None:
    """Return when as many threads wait for others."""
    until(lambda: desk.live.journal.turns._waiting >= count)


def test_who_writes_already_goes_on_and_who_comes_later_waits_or_is_told(desk: Desk) -> None:
    desk.live.journal.turns.patience = 30
    _, database = desk.open()
    table = made(database, 6)
    writer, theirs = desk.open()
    late, later = desk.open()
    _, single = desk.open()
    writer.begin()
    theirs["T"].insert(Id=50, N=1)
    defining, defined = started(lambda: table.create_index(BY_N))
    waiting(desk, 1)
    theirs["T"].insert(Id=51, N=2)
    with late.transaction():
        assert code_of(lambda: later["T"].insert(Id=52)) == Err.TableLocked
        assert code_of(lambda: later["T"].delete_index("other")) == Err.TableLocked
        assert len(list(later["T"])) == 6
    inserting, inserted = started(lambda: single["T"].insert(Id=53, N=3))
    waiting(desk, 2)
    writer.commit()
    for thread in (defining, inserting):
        thread.join(20)
    assert (defined, inserted) == ([0], [0])
    assert entries(table, "byN")[:4] == [(0, 0), (1, 50), (2, 51), (3, 53)]
    assert desk.settled() == []


def test_patience_ends(desk: Desk) -> None:
    turns = desk.live.journal.turns
    turns.patience = 0.02
    one, database = desk.open()
    table = made(database, 6)
    two, other = desk.open()
    theirs = other["T"]
    with two.transaction():
        theirs.insert(Id=50, N=1)
        assert code_of(lambda: table.create_index(BY_N)) == Err.TableInUse
        assert code_of(lambda: table.add_column(Column("V", ColumnType.LONG, version=True))) == Err.TableInUse
        assert code_of(lambda: database.delete_table("T")) == Err.TableInUse
        # The door is open again.
        theirs.insert(Id=51, N=2)
        table.insert(Id=52, N=3)
    with one.transaction():
        table.create_index(BY_N)
        assert code_of(lambda: theirs.insert(Id=54)) == Err.TableLocked
    theirs.insert(Id=54, N=4)
    assert entries(table, "byN")[1:5] == [(1, 50), (2, 51), (3, 52), (4, 54)]
    assert desk.settled() == []


def test_a_definer_that_is_ended_while_it_waits_leaves_the_door_open(desk: Desk) -> None:
    desk.live.journal.turns.patience = 30
    one, database = desk.open()
    table = made(database, 6)
    two, other = desk.open()
    two.begin()
    other["T"].insert(Id=50, N=1)
    defining, defined = started(lambda: table.create_index(BY_N))
    waiting(desk, 1)
    desk.live.instance.end_session(one)
    defining.join(20)
    assert defined == [Err.TermInProgress]
    two.commit()
    _, third = desk.open()
    third["T"].create_index(BY_N)
    assert len(entries(third["T"], "byN")) == 7
    assert desk.settled() == []


def test_an_index_deleted_beside_an_old_writer_is_freed_after_it(desk: Desk) -> None:
    _, database = desk.open()
    table = made(database, 200)
    two, other = desk.open()
    two.begin()
    theirs = other["T"]
    theirs.delete(bookmark_of(3))
    table.delete_index("other")
    for number in range(10, 60):
        theirs.delete(bookmark_of(number))
        theirs.insert(Id=1000 + number, N=number)
    cleanup = desk.live.instance.live.cleanup
    cleanup.run()
    two.commit()
    cleanup.run()
    # What took the place of the index is not touched by what its last writer left to be cleaned up.
    for number in range(500, 900):
        table.insert(Id=number, N=number, Text=bytes(100))
    cleanup.run()
    assert len(list(table)) == 599
    assert desk.settled() == []


def test_the_version_store_bounds_what_an_index_can_catch_up_with(
    new_desk: Callable[..., Desk], while_filling: Callable[[Callable[[], None]], None]
) -> None:
    desk = new_desk(params={"MaxVerPages": 3})
    session, database = desk.open()
    _, other = desk.open()
    table, theirs = made(database, 6), other["T"]
    refused: list[int] = []

    def act() -> None:
        for number in range(100, 2000):
            code = code_of(lambda number=number: theirs.insert(Id=number, N=number))  # type: ignore[misc]
            if code:
                refused.append(code)
                return

    while_filling(act)
    assert code_of(lambda: table.create_index(BY_N)) == Err.VersionStoreOutOfMemory
    assert refused == [Err.VersionStoreOutOfMemory]
    assert session.store.level == 0
    theirs.insert(Id=99, N=1)
    assert desk.settled() == []


def test_nothing_of_others_is_changed_when_nothing_was_done(desk: Desk) -> None:
    session, database = desk.open()
    table = made(database, 6)
    with session.transaction():
        table.insert(Id=90, N=90)
        table.create_index(BY_N)
        assert catch_up.changed_since(session.store, table.rows().tree) == {}
    assert len(entries(table, "byN")) == 7
    assert desk.settled() == []
