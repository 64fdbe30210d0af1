"""Sessions of an instance: their transactions, its cleanup, and what detach and term make of what is open."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine import open_database
from engine.build import Column, ColumnType
from engine.errors import Err, EseError
from engine.store import nodes
from engine.store.doing import TreeRef
from engine.store.journal import Journal
from engine.types import TermOptions
from tests.store.conftest import MARKS, PATH
from tests.store.desk import code_of, hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.session import Session
    from engine.types import LgPos, LogTime
    from tests.store.conftest import Live
    from tests.store.desk import Desk


class Marks:
    """The table Marks, for sessions."""

    def __init__(self, live: Live) -> None:
        root, objid = live.root(MARKS)
        self.tree = TreeRef(live.pages, root, objid, parent=TreeRef(live.pages, 1, 1))

    def key(self, number: int) -> bytes:
        return b"\x7f" + (number + 0x80000000).to_bytes(4, "big")

    def set(self, session: Session, number: int, value: int) -> None:
        data = nodes.get(session.store, self.tree, self.key(number))
        assert data is not None
        nodes.replace(
            session.store, self.tree, self.key(number), data[:8] + value.to_bytes(4, "little", signed=True) + data[12:]
        )

    def delete(self, session: Session, number: int) -> None:
        nodes.delete(session.store, self.tree, self.key(number))


def values(live: Live) -> list[int]:
    return [row["Value"] for row in live.rows(MARKS)]


def test_term_rolls_back_what_is_open(new_live: Callable[..., Live]) -> None:
    live = new_live(4)
    marks = Marks(live)
    one, two = live.instance.session(), live.instance.session()
    one.store.begin()
    marks.set(one, 1, 11)
    one.store.commit()
    two.store.begin()
    marks.set(two, 2, 22)
    marks.delete(two, 3)
    live.end()
    assert values(live) == [0, 11, 2, 3]
    assert live.findings() == []


def test_a_session_that_is_closed_rolls_back(new_live: Callable[..., Live]) -> None:
    live = new_live(4)
    marks = Marks(live)
    with live.instance.session() as session:
        session.store.begin()
        marks.set(session, 2, 22)
    assert live.instance.live.versions.open_transactions == 0
    live.end()
    assert values(live) == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [TermOptions.COMPLETE, TermOptions.ABRUPT])
def test_deleted_nodes_are_removed_by_a_complete_end(new_live: Callable[..., Live], options: TermOptions) -> None:
    live = new_live(4)
    marks = Marks(live)
    session = live.instance.session()
    session.store.begin()
    marks.delete(session, 3)
    session.store.commit()
    live.instance.term(options)
    assert values(live) == [0, 1, 2]
    assert live.page(marks.tree.root).line_count == (3 if options is TermOptions.COMPLETE else 4)
    assert live.findings() == []


def test_a_dirty_end_leaves_recovery_to_do_it(new_live: Callable[..., Live]) -> None:
    live = new_live(4)
    marks = Marks(live)
    one, two = live.instance.session(), live.instance.session()
    for session, number in ((one, 1), (two, 2)):
        session.store.begin()
        marks.set(session, number, number * 11)
    one.store.commit()
    with pytest.raises(EseError) as caught:
        live.instance.term(TermOptions.DIRTY)
    assert caught.value.code == Err.DirtyShutdown
    again = live.killed()
    again.end()
    assert values(again) == [0, 11, 2, 3]


def test_a_database_that_transactions_need_is_not_detached(new_live: Callable[..., Live]) -> None:
    live = new_live(4)
    marks = Marks(live)
    session = live.instance.session()
    session.store.begin()
    marks.set(session, 1, 11)
    with pytest.raises(EseError) as caught:
        live.session.detach("/i/a.edb")
    assert caught.value.code == Err.DatabaseInUse
    session.store.commit()
    live.session.detach("/i/a.edb")
    assert values(live) == [0, 11, 2, 3]
    assert live.instance.live.pool.stores == []
    live.session.attach("/i/a.edb")
    live.end()


def test_the_cleanup_works_in_the_background(new_live: Callable[..., Live]) -> None:
    live = new_live(4, background=True)
    marks = Marks(live)
    session = live.instance.session()
    session.store.begin()
    marks.delete(session, 3)
    session.store.commit()
    until = time.monotonic() + 20
    while live.instance.live.versions.count and time.monotonic() < until:
        time.sleep(0.01)
    assert live.instance.live.versions.count == 0
    live.end()
    assert not [each for each in threading.enumerate() if each.name.startswith("ese-") and each.is_alive()]
    assert live.page(marks.tree.root).line_count == 3


def test_commits_of_many_threads_share_their_flushes(
    new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = new_live(400)
    marks = Marks(live)
    sessions = [live.instance.session() for _ in range(8)]
    stores = []
    log = live.journal.writer
    inner = log._file.store

    def slow(segments: Sequence[tuple[int, bytes | bytearray | memoryview, LogTime]]) -> None:
        stores.append(len(segments))
        time.sleep(0.002)
        inner(segments)

    monkeypatch.setattr(log._file, "store", slow)

    def work(place: int) -> None:
        for count in range(20):
            sessions[place].store.begin()
            marks.set(sessions[place], place * 40 + count, -1)
            sessions[place].store.commit()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) < 100, "160 commits"
    again = live.recovered()
    again.end()
    assert values(again).count(-1) == 160
    assert again.findings() == []


def test_commit_default_lets_every_commit_go_on(new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch) -> None:
    live = new_live(4)
    marks = Marks(live)
    waited: list[object] = []
    wait = Journal.wait_durable

    def noted(journal: Journal, position: LgPos) -> None:
        waited.append(position)
        wait(journal, position)

    monkeypatch.setattr(Journal, "wait_durable", noted)

    def change(number: int, *, lazy: bool = False) -> int:
        before = len(waited)
        with live.session.transaction(lazy_flush=lazy):
            marks.set(live.session, number, 10 + number)
        live.session.begin()
        marks.set(live.session, number, 20 + number)
        live.session.commit(lazy_flush=lazy)
        return len(waited) - before

    assert change(1) == 2
    assert change(1, lazy=True) == 0
    live.instance.params.commit_default = 1
    assert change(2) == 0
    live.instance.params.commit_default = 0
    assert change(3) == 2
    live.end()
    assert values(live) == [0, 21, 22, 23]


def test_nothing_comes_into_the_log_behind_its_end(new_live: Callable[..., Live]) -> None:
    """Threads that work while the instance ends get -1000 or find their transaction gone."""
    live = new_live(400)
    marks = Marks(live)
    sessions = [live.instance.session() for _ in range(4)]
    codes: list[int] = []

    def work(place: int) -> None:
        number = 0
        try:
            while True:
                sessions[place].store.begin()
                marks.set(sessions[place], place * 100 + number % 100, -1)
                sessions[place].store.commit(lazy=True)
                number += 1
        except EseError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    live.end()
    for thread in threads:
        thread.join()
    assert len(codes) == 4
    assert set(codes) <= {Err.TermInProgress, Err.NotInTransaction, Err.LogWriteFail}
    assert live.records()[-1].record.type.name == "Term2"
    assert live.findings() == []
    before = values(live)
    again = live.killed()
    again.end()
    assert values(again) == before


def test_a_table_that_was_made_is_taken_back_on_a_full_disk(new_live: Callable[..., Live]) -> None:
    live = new_live(4)
    session = live.instance.session()
    database = session.open("/i/a.edb")
    session.store.begin()
    database.create_table("New", [Column("Id", ColumnType.LONG)])
    live.journal.writer.disk_full = True
    with pytest.raises(EseError) as caught:
        database.create_table("More", [Column("Id", ColumnType.LONG)])
    assert caught.value.code == Err.LogDiskFull
    session.store.rollback_all()
    live.journal.writer.disk_full = False
    live.end()
    assert live.findings() == []
    with open_database("/i/a.edb", fs=live.disk) as found:
        assert "New" not in list(found)


def test_a_stopped_service_lets_sessions_end_only(desk: Desk) -> None:
    one, database = desk.open()
    two, other = desk.open()
    three, third = desk.open()
    table = hosts(database)
    mark = table.insert(Name="a", Owner="a", Note="n" * 3000)
    two.begin()
    other["Hosts"].insert(Name="b", Owner="b")
    cursor = table.cursor()
    assert cursor.first()
    rows = iter(third["Hosts"])
    desk.live.instance.stop_service()
    for call in (
        one.begin,
        two.begin,
        two.commit,
        lambda: one.open(PATH),
        lambda: one.attach("/i/b.edb"),
        lambda: one.create_database("/i/b.edb"),
        lambda: list(database),
        lambda: database.create_table("T", [Column("Id", ColumnType.LONG)]),
        lambda: table.insert(Name="c", Owner="c"),
        lambda: table.update(mark, Name="c"),
        lambda: table.get(mark),
        lambda: cursor.row,
        cursor.move,
        cursor.delete,
        lambda: next(rows),
        lambda: table.long_value(mark, "Note"),
    ):
        assert code_of(call) == Err.ClientRequestToStopJetService
    two.rollback()
    assert code_of(two.rollback) == Err.NotInTransaction
    two.close()
    three.close()
    one.detach(PATH)
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk) as reader:
        assert [row["Name"] for row in reader["Hosts"]] == ["a"]


def test_a_transaction_that_may_not_commit_any_more_is_taken_back(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)

    def work() -> None:
        with session.transaction():
            table.insert(Name="a", Owner="a")
            desk.live.instance.stop_service()

    assert code_of(work) == Err.ClientRequestToStopJetService
    assert session.store.level == 0
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk) as reader:
        assert list(reader["Hosts"]) == []


def test_databases_are_attached_and_detached_outside_of_transactions(desk: Desk) -> None:
    session, database = desk.open()
    session.create_database("/i/b.edb")
    session.detach("/i/b.edb")
    with session.transaction():
        for call in (
            lambda: session.attach("/i/b.edb"),
            lambda: session.create_database("/i/c.edb"),
            lambda: session.detach(PATH),
            session.detach,
        ):
            assert code_of(call) == Err.InTransaction
        database.create_table("T", [Column("Id", ColumnType.LONG)])
    session.attach("/i/b.edb")
    session.detach()
    assert code_of(lambda: session.open(PATH)) == Err.DatabaseNotFound
    session.attach(PATH)
    assert list(session.open(PATH)) == ["T"]
    assert desk.settled() == []


def test_a_thread_that_comes_in_while_another_is_inside(desk: Desk) -> None:
    session, database = desk.open()
    table = database.create_table("T", [Column("Id", ColumnType.LONG)])
    inside, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[tuple[int]]:
        yield (1,)
        inside.set()
        assert go_on.wait(60)
        yield (2,)

    thread = threading.Thread(target=lambda: table.insert_many(slowly()))
    thread.start()
    assert inside.wait(60)
    for call in (lambda: table.insert(Id=3), session.begin, table.count, lambda: list(database), session.detach):
        assert code_of(call) == Err.SessionSharingViolation
    go_on.set()
    thread.join()
    assert list(table.values()) == [(1,), (2,)]
    with session.transaction():
        table.insert(Id=3)
    assert table.count() == 3
    assert desk.settled() == []


def test_a_block_ends_what_it_has_begun(desk: Desk) -> None:
    session, database = desk.open()
    table = database.create_table("T", [Column("Id", ColumnType.LONG)])

    def leaves_a_level_open() -> None:
        with session.transaction():
            table.insert(Id=1)
            session.begin()
            table.insert(Id=2)

    def ends_it_itself() -> None:
        with session.transaction():
            table.insert(Id=3)
            session.commit()

    def fails_two_levels_down() -> None:
        with session.transaction():
            table.insert(Id=4)
            session.begin()
            session.begin()
            table.insert(Id=5)
            raise LookupError

    def closes_the_session() -> None:
        with session.transaction():
            session.close()
            raise LookupError

    assert code_of(leaves_a_level_open) == Err.InTransaction
    assert session.store.level == 0
    assert code_of(ends_it_itself) == Err.NotInTransaction
    with pytest.raises(LookupError):
        fails_two_levels_down()
    assert session.store.level == 0
    with session.transaction() as outer:
        table.insert(Id=6)
        with session.transaction(lazy_flush=True) as inner:
            assert (outer.level, inner.level) == (1, 2)
        with pytest.raises(ZeroDivisionError), session.transaction():
            table.insert(Id=1 // 0)
        table.insert(Id=7)
    assert (outer.level, inner.level) == (0, 0)
    assert [row["Id"] for row in table] == [3, 6, 7]
    with pytest.raises(LookupError):
        closes_the_session()
    assert desk.settled() == []


def test_columns_of_any_name(desk: Desk) -> None:
    _, database = desk.open()
    names = ("self", "bookmark", "values", "column", "not an identifier")
    table = database.create_table("T", [Column(name, ColumnType.LONG) for name in names])
    mark = table.insert(**dict.fromkeys(names, 1))
    table.update(mark, **dict.fromkeys(names, 2))
    assert dict(table.get(mark)) == dict.fromkeys(names, 2)
    table.replace(mark, self=3, bookmark=4)
    cursor = table.cursor()
    assert cursor.first()
    cursor.update(self=5)
    assert dict(cursor.row) == dict.fromkeys(names) | {"self": 5, "bookmark": 4}
    cursor.replace(self=6)
    assert dict(cursor.row) == dict.fromkeys(names) | {"self": 6}
    assert desk.settled() == []
