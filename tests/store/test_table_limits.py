"""What happens to live tables when space or versions run out, and when threads get in each other's way."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine import Column, ColumnType, Index, Instance
from engine.build import FormatLevel
from engine.check import Severity, check
from engine.errors import Err, EseError
from engine.format import lr
from tests.store.conftest import PATH
from tests.store.desk import code_of, hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.session import Session
    from engine.store.database import Database
    from engine.store.table import Table
    from tests.store.desk import Desk


@pytest.mark.parametrize("page_size", [4096, 16384])
@pytest.mark.parametrize("pages", [64, 80, 110])
def test_a_full_database_stays_whole(  # noqa: C901 - one choice after another
    new_desk: Callable[..., Desk], page_size: int, pages: int
) -> None:
    source = random.Random(pages)  # noqa: S311 - repeatable on purpose
    desk = new_desk(page_size)
    session, _ = desk.open()
    session.detach(PATH)
    session.attach(PATH, max_pages=pages)
    database = session.open(PATH)
    marks: list[bytes] = []
    codes: set[int] = set()

    def insert(table: Table, number: int) -> None:
        size = source.choice((10, 3000, 20000))
        marks.append(table.insert(Name=f"n{number}", Owner=f"o{number}", Note="t" * size, Ports=(number,)))

    def change(database: Database, number: int) -> None:
        table, what = database["Hosts"], source.random()
        others = [name for name in database if name != "Hosts"]
        if what < 0.6:
            insert(table, number)
        elif what < 0.75 and marks:
            table.delete(marks.pop(source.randrange(len(marks))))
        elif what < 0.85 and marks:
            table.update(source.choice(marks), Note="u" * source.choice((10, 5000, 30000)))
        elif what < 0.9 and "byPort" in table.indexes:
            table.delete_index("byPort")
        elif what < 0.9:
            table.create_index(Index("byPort", ("Ports",)))
        elif what < 0.95 or not others:
            hosts(database, f"T{number}")
        else:
            database.delete_table(others[0])

    hosts(database)
    for number in range(200):
        codes.add(code_of(lambda number=number: change(database, number)))  # type: ignore[misc]
        if number % 20 == 0:
            desk.live.instance.live.cleanup.run()
    assert codes == {0, Err.OutOfDatabaseSpace}
    assert desk.live.pages.last_page <= pages
    assert {row.bookmark for row in database["Hosts"]} == set(marks)
    assert desk.settled() == []


def test_with_a_cache_of_a_few_pages(new_desk: Callable[..., Desk]) -> None:
    source = random.Random(1)  # noqa: S311 - repeatable on purpose
    desk = new_desk(params={"MaxVerPages": 1000, "CacheSizeMin": 16, "CacheSizeMax": 64})
    _, database = desk.open()
    table = hosts(database)
    marks = [table.insert(Name=f"n{n}", Owner=f"o{n}", Note="t" * (n * 7)) for n in range(600)]
    for number in range(400):
        mark = source.choice(marks)
        if number % 3:
            table.update(mark, Name=str(number), Note="u" * source.choice((0, 100, 4000, 20000)))
        else:
            table.delete(mark)
            marks.remove(mark)
    table.create_index(Index("more", ("Version", "Owner")))
    assert desk.live.pages.pool.count <= 80
    assert [row.bookmark for row in table] == sorted(marks)
    assert desk.settled() == []


def test_one_transaction_over_two_databases(desk: Desk) -> None:
    session, database = desk.open()
    one = hosts(database)
    two = hosts(session.create_database("/i/b.edb"))
    with pytest.raises(ZeroDivisionError), session.transaction():
        _ = one.insert(Name="a", Owner="a"), two.insert(Name="a", Owner="a", Note="n" * 4000), 1 // 0
    assert (one.count(), two.count()) == (0, 0)
    with session.transaction():
        one.insert(Name="a", Owner="a", Note="n" * 4000)
        two.insert(Name="a", Owner="a", Note="n" * 4000)
    desk.recovered()
    session, database = desk.open()
    session.attach("/i/b.edb")
    assert [row["Name"] for row in database["Hosts"]] == ["a"]
    assert [row["Name"] for row in session.open("/i/b.edb")["Hosts"]] == ["a"]
    assert desk.settled() == []
    assert [str(each) for each in check("/i/b.edb", fs=desk.disk) if each.severity is not Severity.INFO] == []


def test_a_transaction_too_large_for_the_version_store(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(params={"MaxVerPages": 4})
    session, database = desk.open()
    table = hosts(database)
    rows = [{"Name": str(n), "Owner": str(n)} for n in range(3000)]
    assert code_of(lambda: table.insert_many(rows)) == Err.VersionStoreOutOfMemory
    assert table.count() == 0
    for start in range(0, 600, 50):
        assert table.insert_many(rows[start : start + 50]) == 50
    session.begin()
    assert code_of(lambda: table.insert_many(rows[600:])) == Err.VersionStoreOutOfMemory
    session.rollback()
    assert table.count() == 600
    assert desk.settled() == []


def test_one_thread_at_a_time_in_a_session(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    session.enter()
    try:
        assert code_of(lambda: table.insert(Name="x", Owner="x")) == Err.SessionSharingViolation
        assert code_of(lambda: list(table)) == Err.SessionSharingViolation
        assert code_of(session.begin) == Err.SessionSharingViolation
    finally:
        session.leave()
    table.insert(Name="x", Owner="x")
    assert desk.settled() == []


def test_a_database_opened_for_reading_only(desk: Desk) -> None:
    session, database = desk.open()
    mark = hosts(database).insert(Name="x", Owner="x", Note="n" * 3000)
    reading = session.open(PATH, read_only=True)
    table = reading["Hosts"]
    assert [row["Name"] for row in table.cursor("byName")] == ["x"]
    for change in (
        lambda: table.insert(Name="y"),
        lambda: table.update(mark, Name="y"),
        lambda: table.long_value(mark, "Note").append(b"y"),
        lambda: table.delete_column("Note"),
        lambda: reading.delete_table("Hosts"),
    ):
        assert code_of(change) == Err.PermissionDenied
    assert desk.settled() == []


def test_transactions_nest_to_level_seven(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    for level in range(7):
        session.begin()
        table.insert(Name=str(level), Owner=str(level))
    assert code_of(session.begin) == Err.TransTooDeep
    # An operation at the deepest level is still whole or not there.
    table.create_index(Index("one", ("Owner",), unique=True))
    assert code_of(lambda: table.insert(Name="7", Owner="6")) == Err.KeyDuplicate
    for _ in range(3):
        session.rollback()
    for _ in range(4):
        session.commit()
    assert code_of(session.commit) == Err.NotInTransaction
    assert sorted(str(row["Name"]) for row in table) == ["0", "1", "2", "3"]
    assert "one" not in table.indexes
    assert desk.settled() == []


def test_what_is_logged_of_an_escrow_update(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(level=FormatLevel.NEWEST)
    _, database = desk.open()
    columns = [
        Column("Id", ColumnType.LONG),
        Column("Small", ColumnType.LONG, escrow=True, default=1),
        Column("Wide", ColumnType.LONG_LONG, escrow=True, default=2**40),
    ]
    table = database.create_table("T", columns, indexes=[Index("pk", ("Id",), primary=True)])
    mark = table.insert(Id=1)
    table.escrow(mark, "Small", -3)
    table.escrow(mark, "Wide", 2**41)
    assert (table.get(mark)["Small"], table.get(mark)["Wide"]) == (-2, 3 * 2**40)
    assert desk.settled() == []
    logged = [each.record for each in desk.live.records() if isinstance(each.record, (lr.Delta, lr.Delta64))]
    assert [(type(each), each.delta, each.cb_offset) for each in logged] == [(lr.Delta, -3, 8), (lr.Delta64, 2**41, 12)]


class Writers:
    """Threads that change one table, each in a session of its own, and know what they have committed."""

    def __init__(self, instance: Instance, path: Path, rounds: int) -> None:
        self.instance, self.path, self.rounds = instance, path, rounds
        self.errors: list[BaseException] = []
        self.rows: dict[int, dict[bytes, tuple[int, bytes]]] = {}

    def run(self, who: int) -> None:
        try:
            with self.instance.session() as session:
                self._work(who, session, session.open(self.path)["T"])
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            self.errors.append(error)

    def _work(self, who: int, session: Session, table: Table) -> None:
        source = random.Random(who)  # noqa: S311 - repeatable on purpose
        rows: dict[bytes, tuple[int, bytes]] = {}
        number = 0
        for _ in range(self.rounds):
            new = dict(rows)
            try:
                with session.transaction(lazy_flush=source.random() < 0.9):
                    for _ in range(source.randrange(1, 10)):
                        number += 1
                        self._change(who, source, table, new, number)
                    1 // (source.random() > 0.2)
            except ZeroDivisionError:
                continue
            except EseError as error:
                if error.code not in {Err.WriteConflict, Err.TableLocked}:
                    raise
                continue
            rows = new
        self.rows[who] = rows

    @staticmethod
    def _change(
        who: int, source: random.Random, table: Table, rows: dict[bytes, tuple[int, bytes]], number: int
    ) -> None:
        what, value = source.random(), bytes([who]) * source.choice((0, 10, 2000, 9000))
        if what < 0.5 or not rows:
            rows[table.insert(W=who, N=number, L=value)] = number, value
            return
        mark = source.choice(list(rows))
        if what < 0.7:
            table.delete(mark)
            del rows[mark]
        elif what < 0.9:
            table.update(mark, N=number, L=value)
            rows[mark] = number, value
        else:
            table.long_value(mark, "L").append(b"more")
            rows[mark] = rows[mark][0], rows[mark][1] + b"more"

    def define(self) -> None:
        """Make and delete tables, and an index of the table that the others write."""
        try:
            with self.instance.session() as session:
                database = session.open(self.path)
                for number in range(self.rounds // 4):
                    name = f"X{number}"
                    database.create_table(name, [Column("B", ColumnType.LONG_BINARY)]).insert(B=bytes(5000))
                    if number % 2:
                        database.delete_table(name)
                    table = database["T"]
                    there = "byN" in table.indexes
                    code = code_of(lambda: table.delete_index("byN") if there else table.create_index(BY_N))  # noqa: B023 - called at once
                    assert code in {0, Err.TableInUse, Err.WriteConflict, Err.TableLocked}
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            self.errors.append(error)


BY_N = Index("byN", ("N",))


def test_threads_write_define_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.edb"
    settings: dict[Any, Any] = {"MaxVerPages": 1000}
    with Instance("threads", path=tmp_path, log_file_size=256, params=settings) as instance:
        session = instance.session()
        table = session.create_database(path).create_table(
            "T",
            [
                Column("Id", ColumnType.LONG, auto_increment=True),
                Column("W", ColumnType.LONG),
                Column("N", ColumnType.LONG),
                Column("L", ColumnType.LONG_BINARY),
            ],
            indexes=[Index("pk", ("Id",), primary=True), Index("byWN", ("W", "-N"), unique=True), BY_N],
        )
        writers = Writers(instance, path, 60)
        threads = [threading.Thread(target=writers.run, args=(who,)) for who in range(4)]
        threads.append(threading.Thread(target=writers.define))
        for thread in threads:
            thread.start()
        looks = 0
        while any(thread.is_alive() for thread in threads):
            with session.transaction(read_only=True):
                marks = [row.bookmark for row in table]
                assert sorted(marks) == sorted(mark for _, mark in table.cursor("byWN").entries())
            looks += 1
        assert writers.errors == []
        assert looks > 0
        found: dict[int, dict[bytes, Any]] = {}
        for row in table:
            assert isinstance(row["W"], int)
            found.setdefault(row["W"], {})[row.bookmark] = (row["N"], row["L"])
        assert {who: found.get(who, {}) for who in range(4)} == writers.rows
    assert [str(each) for each in check(path) if each.severity is not Severity.INFO] == []
