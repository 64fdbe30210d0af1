"""Scans that keep their place whatever happens to the tree, and sessions of several threads at once."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final

import pytest

from engine.errors import Err, EseError
from engine.store import nodes
from engine.store.scan import Scan, max_key, min_key
from engine.table.cursor import Seek
from tests.store.world import World, code_of, decoded

if TYPE_CHECKING:
    from engine.store.transactions import StoreSession

LONG: Final = "x" * 200


@pytest.fixture
def world() -> World:
    """Rows 0, 10, 20 ... 990: a tree of many leaves."""
    made = World()
    session = made.session()
    session.begin()
    for number in range(0, 1000, 10):
        made.insert(session, number, number, LONG)
    session.commit()
    made.cleanup.run()
    return made


def numbers(scan: Scan) -> list[int]:
    return [decoded(data)[0] for _, data in scan]


def current(scan: Scan) -> int | None:
    row = scan.current
    return None if row is None else decoded(row[1])[0]


def key(world: World, number: int) -> bytes:
    return world.record(number, 0, "")[0]


def test_forward_and_back(world: World) -> None:
    scan = Scan(world.session(), world.table)
    forward = []
    while scan.next():
        forward.append(current(scan))
    assert forward == list(range(0, 1000, 10))
    assert scan.current is None
    assert not scan.next()
    back = []
    while scan.prev():
        back.append(current(scan))
    assert back == forward[::-1]
    assert not scan.prev()
    assert scan.next()
    assert current(scan) == 0


@pytest.mark.parametrize(
    ("wanted", "match", "found"),
    [
        (500, Seek.EQ, 500), (505, Seek.EQ, None), (500, Seek.GE, 500), (505, Seek.GE, 510), (500, Seek.GT, 510),
        (500, Seek.LE, 500), (505, Seek.LE, 500), (500, Seek.LT, 490), (0, Seek.LT, None), (990, Seek.GT, None),
        (-5, Seek.LE, None), (2000, Seek.GE, None), (2000, Seek.LE, 990), (-5, Seek.GE, 0),
    ],
)  # fmt: skip
def test_seeks(world: World, wanted: int, match: Seek, found: int | None) -> None:
    scan = Scan(world.session(), world.table)
    assert scan.seek(key(world, wanted), match) == (found is not None)
    if found is not None:
        assert current(scan) == found


def test_seeks_among_equal_keys(world: World) -> None:
    session = world.session()
    session.begin()
    for number in range(60):
        world.insert(session, number * 10 + 1, 0, "b" * 100)
    session.commit()
    scan = Scan(session, world.index)
    named = world.record(0, 0, "b" * 100)[2]
    assert scan.seek(named, Seek.GE)
    assert scan.bookmark == (named, key(world, 1))
    assert scan.seek(named, Seek.LE)
    assert scan.bookmark == (named, key(world, 591))
    assert scan.seek(named, Seek.GT)
    assert scan.bookmark == (world.record(0, 0, LONG)[2], key(world, 0))
    assert not scan.seek(named, Seek.LT)
    assert scan.seek_bookmark(named, key(world, 301))
    assert not scan.seek_bookmark(named, key(world, 302))


def test_a_place_outlives_splits_deletes_and_merges(world: World) -> None:
    writer, reader = world.session(), world.session()
    scan = Scan(reader, world.table)
    assert scan.seek(key(world, 500))
    writer.begin()
    for number in range(401, 600, 2):
        world.insert(writer, number, 0, LONG)
    writer.commit()
    assert scan.next()
    assert current(scan) == 501
    writer.begin()
    for number in (*range(401, 600, 2), *range(0, 1000, 10)):
        if number not in {410, 900}:
            world.delete(writer, number)
    writer.commit()
    world.cleanup.run()
    assert scan.current is None
    assert scan.next()
    assert current(scan) == 900
    assert scan.prev()
    assert current(scan) == 410
    assert numbers(Scan(reader, world.table)) == [410, 900]


def test_own_changes_are_seen_at_once(world: World) -> None:
    session = world.session()
    session.begin()
    scan = Scan(session, world.table)
    assert scan.next()
    world.insert(session, 5, 0, "new")
    assert scan.next()
    assert current(scan) == 5
    world.delete(session, 10)
    world.rename(session, 20, "other")
    assert scan.next()
    assert scan.current is not None
    assert decoded(scan.current[1]) == (20, (20, "other"))
    session.rollback()
    # The transaction is over: the place stays, what is seen there is what is committed.
    assert scan.current is not None
    assert decoded(scan.current[1]) == (20, (20, LONG))
    assert scan.prev()
    assert current(scan) == 10


def test_a_snapshot_stays_while_others_commit(world: World) -> None:
    reader, writer = world.session(), world.session()
    reader.begin()
    scan = Scan(reader, world.table)
    seen = [decoded(data)[0] for _, data in scan.batch()]
    writer.begin()
    for number in range(0, 1000, 10):
        world.delete(writer, number)
        world.insert(writer, number + 3, 0, LONG)
    writer.commit()
    world.cleanup.run()
    while rows := scan.batch():
        seen += [decoded(data)[0] for _, data in rows]
    assert seen == list(range(0, 1000, 10))
    reader.commit()
    assert numbers(Scan(reader, world.table)) == list(range(3, 1000, 10))


def test_the_ends(world: World) -> None:
    session = world.session()
    assert (min_key(session, world.table), max_key(session, world.table)) == (key(world, 0), key(world, 990))
    session.begin()
    for number in range(0, 1000, 10):
        world.delete(session, number)
    assert min_key(session, world.table) is max_key(session, world.table) is None
    session.commit()
    world.cleanup.run()
    assert min_key(session, world.table) is max_key(session, world.table) is None
    assert numbers(Scan(session, world.table)) == []


def test_a_chain_of_leaves_that_leads_astray_is_an_error(world: World) -> None:
    scan = Scan(world.session(), world.table)
    assert scan.seek(key(world, 0))
    with world.journal.latch:
        page = world.table.pages.load(scan._leaf)
        kept, page.next = page.next, world.table.root
    with pytest.raises(EseError) as found:
        list(scan)
    assert found.value.code == Err.BadPageLink
    page.next = kept


# Several threads.


def transfer(world: World, session: StoreSession, source: int, target: int, amount: int) -> None:
    """Move an amount from one row to another, replacing both."""
    for number, change in ((source, -amount), (target, amount)):
        count, name = world.row(session, number)
        bookmark, record, _ = world.record(number, count + change, name)
        nodes.replace(session, world.table, bookmark, record)


def test_threads_move_amounts_and_no_reader_ever_sees_a_half(world: World) -> None:
    total = sum(count for count, _ in world.rows(world.session()).values())
    world.cleanup.start()
    failures: list[BaseException] = []
    done = [0] * 3
    stop = threading.Event()

    def guarded(work: object, *arguments: int) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)  # type: ignore[operator]
            except BaseException as error:  # noqa: BLE001 - told to the test below
                failures.append(error)
                stop.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write(who: int) -> None:
        chance, session = random.Random(who), world.session()  # noqa: S311 - a load, no secret
        while done[who] < 60 and not stop.is_set():
            session.begin()
            source, target = chance.sample(range(0, 300, 10), 2)
            code = code_of(lambda: transfer(world, session, source, target, 5))  # noqa: B023 - called at once
            if code or chance.random() < 0.2:
                assert code in {0, Err.WriteConflict}
                session.rollback()
            else:
                session.commit(lazy=chance.random() < 0.5)
                done[who] += 1

    def read() -> None:
        session = world.session()
        while not stop.is_set():
            session.begin(read_only=True)
            rows = world.rows(session)
            assert len(rows) == 100
            assert sum(count for count, _ in rows.values()) == total
            session.commit()

    reader = guarded(read)
    writers = [guarded(write, who) for who in range(3)]
    for thread in writers:
        thread.join(120)
    stop.set()
    reader.join(120)
    world.cleanup.stop()
    assert failures == []
    assert done == [60] * 3
    world.cleanup.run()
    assert world.versions.count == 0
    assert sum(count for count, _ in world.rows(world.session()).values()) == total
