"""What transactions log, what versions cost, and when they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.format import lr
from engine.recovery.replay import Replay
from engine.redo.version import Version, locate
from engine.store import nodes
from engine.store.versions import LiveVersion, VersionStore
from tests.store.world import TRANSACTIONS, World, code_of, logged, mark

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage
    from engine.redo.store import PageStore
    from engine.types import LgPos


@pytest.fixture
def world() -> World:
    return World()


# What is logged.


def test_a_begin_is_logged_with_the_first_change_and_with_all_levels(world: World) -> None:
    session, start = world.session(), mark(world)
    session.begin()
    session.begin()
    world.insert(session, 1, 0, "a")
    session.begin()
    session.commit()
    session.begin()
    world.insert(session, 2, 0, "b")
    session.commit()
    session.commit()
    session.commit()
    begin = session.procid
    first = world.versions.trx_newest - 8
    assert logged(world, start, *TRANSACTIONS) == [
        lr.Begin0(begin, 0x20, first),
        lr.Begin(begin, 0x12),
        lr.Commit(begin, 2),
        lr.Commit(begin, 1),
        lr.Commit0(begin, 0, first + 4),
    ]


def test_ids_grow_as_the_engines_do(world: World) -> None:
    session, start = world.session(), mark(world)
    for number in range(3):
        session.begin()
        world.insert(session, number, 0, "a")
        session.commit()
    ids = [each.trx_begin0 for each in logged(world, start, lr.Begin0) if isinstance(each, lr.Begin0)]
    # Begin, the commit as logged, the commit as published.
    assert ids == [ids[0], ids[0] + 12, ids[0] + 24]
    versions = [each.rceid for each in logged(world, start, lr.Insert) if isinstance(each, lr.Insert) and each.rceid]
    assert versions == list(range(versions[0], versions[0] + 12, 2))
    assert versions[0] % 2


def test_reading_logs_nothing(world: World) -> None:
    session, start = world.session(), mark(world)
    for end in (session.commit, session.rollback):
        session.begin()
        world.rows(session)
        nodes.lock(session, world.table, b"a key")
        end()
    assert logged(world, start, *TRANSACTIONS) == []


def test_a_rollback_logs_undo_newest_first_and_one_record_a_level(world: World) -> None:
    session = world.session(None)
    session.begin()
    world.insert(session, 1, 5, "one")
    session.commit()
    start = mark(world)
    session.begin()
    world.add(session, 1, 3)
    session.begin()
    world.rename(session, 1, "uno")
    world.delete(session, 1)
    session.rollback()
    session.rollback()
    assert world.row(session, 1) == (5, "one")
    undone = [(each.oper, each.level_undone) for each in logged(world, start, lr.Undo) if isinstance(each, lr.Undo)]
    assert undone == [
        (lr.Oper.FLAG_DELETE, 2),
        (lr.Oper.FLAG_DELETE, 2),
        (lr.Oper.INSERT, 2),
        (lr.Oper.FLAG_DELETE, 2),
        (lr.Oper.REPLACE, 2),
        (lr.Oper.DELTA, 1),
    ]
    images = [each.oper for each in logged(world, start, lr.UndoInfo) if isinstance(each, lr.UndoInfo)]
    assert images == [3, 3, 3, 2]
    assert logged(world, start, lr.Rollback) == [lr.Rollback(session.procid, 1)] * 2


def test_before_images_are_logged_once_when_their_page_goes_to_the_file(world: World) -> None:
    session = world.session(None)
    session.begin()
    world.insert(session, 1, 5, "one")
    session.commit()
    session.begin()
    world.rename(session, 1, "uno")
    start = mark(world)
    world.live.pages.flush()
    # Of the row, the entry that is deleted; the entry that is new needs none.
    assert len(logged(world, start, lr.UndoInfo)) == 2
    world.live.pages.flush()
    session.rollback()
    assert len(logged(world, start, lr.UndoInfo)) == 2


def test_replay_makes_the_versions_that_are_kept_here(world: World) -> None:
    session = world.session(None)
    session.begin()
    for number in range(40):
        world.insert(session, number, number, "n" * 150)
    session.commit()
    session.begin()
    for number in range(0, 39, 3):
        world.rename(session, number, "m" * 240)
        world.add(session, number + 1, 7)
    session.begin()
    for number in range(0, 40, 5):
        world.delete(session, number)
    session.commit()
    session.begin()
    world.insert(session, 5, 0, "back")
    trx = session.trx
    assert trx is not None
    replay = Replay()
    world.recover_with(replay)
    found = replay.sessions[session.procid]
    assert found.level == session.level
    assert [vars_of(each) for each in sorted(found.versions.values(), key=lambda each: each.rceid)] == [
        vars_of(each) for each in trx.written if isinstance(each, LiveVersion)
    ]


def vars_of(version: object) -> tuple[object, ...]:
    names = (
        "procid", "rceid", "oper", "dbid", "pgno_fdp", "objid_fdp", "unique", "key", "data", "level", "flags",
        "trx_begin0", "before", "delta", "offset", "image_due",
    )  # fmt: skip
    return tuple(getattr(version, name) or None for name in names)


def test_a_rollback_that_fails_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session(None)
    session.begin()
    for number in range(20):
        world.insert(session, number, number, "n" * 150)
    session.commit()
    before = world.rows(session)
    session.begin()
    for number in range(20):
        world.rename(session, number, "m" * 20)
    left = [25]

    def failing(store: PageStore, version: Version) -> tuple[MutablePage, int]:
        left[0] -= 1
        if not left[0]:
            raise EseError.from_code(Err.DiskIO, "no")
        return locate(store, version)

    with monkeypatch.context() as patch:
        patch.setattr("engine.store.transactions.locate", failing)
        assert code_of(session.rollback) == Err.DiskIO
    assert session.level == 1
    assert world.rows(world.session()) == before
    session.rollback()
    assert world.rows(session) == before
    assert world.entries(session) == world.expected_entries(before)


# Durability.


def test_a_durable_commit_is_there_after_a_crash_and_a_lazy_one_need_not_be(world: World) -> None:
    session = world.session()
    for number in range(5):
        session.begin()
        world.insert(session, number, 0, "durable")
        session.commit()
    session.begin()
    world.insert(session, 9, 0, "lazy")
    session.commit(lazy=True)
    session.begin()
    world.insert(session, 10, 0, "open")
    world.recover(CrashPolicy.DROP_ALL)
    assert set(world.rows(world.session())) == set(range(5))


def test_a_commit_is_seen_only_when_it_is_durable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session, reader = world.session(), world.session()
    session.begin()
    world.insert(session, 1, 0, "a")
    seen: list[int] = []
    wait = world.journal.wait_durable

    def looking(position: LgPos) -> None:
        seen.append(len(world.rows(reader)))
        wait(position)
        seen.append(len(world.rows(reader)))

    monkeypatch.setattr(world.journal, "wait_durable", looking)
    session.commit()
    assert seen == [0, 0]
    assert len(world.rows(reader)) == 1


def test_a_commit_that_fails_can_be_tried_again_but_not_rolled_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.session()
    session.begin()
    world.insert(session, 1, 0, "a")

    def failing(_: LgPos) -> None:
        raise EseError.from_code(Err.LogWriteFail, "no")

    with monkeypatch.context() as patch:
        patch.setattr(world.journal, "wait_durable", failing)
        assert code_of(session.commit) == Err.LogWriteFail
    assert code_of(session.rollback) == Err.LogWriteFail
    assert code_of(lambda: world.insert(session, 2, 0, "b")) == Err.LogWriteFail
    assert world.rows(world.session()) == {}
    start = mark(world)
    session.commit()
    assert logged(world, start, lr.Commit0) == []
    assert set(world.rows(world.session())) == {1}


# The bound.


def test_a_long_reader_holds_versions_until_the_store_is_full() -> None:
    world = World(limit_pages=1)
    reader, writer = world.session(), world.session()
    writer.begin()
    world.insert(writer, 1, 0, "row")
    writer.commit()
    reader.begin()

    def write() -> None:
        for number in range(1000):
            writer.begin()
            world.rename(writer, 1, f"name {number}")
            writer.commit(lazy=True)

    assert code_of(write) == Err.VersionStoreOutOfMemory
    assert world.versions.used <= world.versions.limit
    writer.rollback_all()
    assert world.row(reader, 1) == (0, "row")
    reader.commit()
    write()
    world.cleanup.run()
    assert world.versions.used == world.versions.count == 0


def test_one_transaction_can_fill_the_store_and_be_rolled_back() -> None:
    world = World(limit_pages=1)
    session = world.session()
    session.begin()

    def fill() -> None:
        for number in range(1000):
            world.insert(session, number, 0, "row")

    assert code_of(fill) == Err.VersionStoreOutOfMemory
    session.rollback()
    world.cleanup.run()
    assert world.versions.used == 0
    assert world.deleted_nodes() == 0
    assert world.rows(session) == {}


def test_a_share_for_the_oldest_transaction() -> None:
    versions = VersionStore(max_pages=2, page_size=1024, max_transaction_percent=lambda: 50)
    oldest, younger = versions.begin(5, read_only=False), versions.begin(6, read_only=False)
    versions.used = 1024
    assert versions.reserve(younger, b"key", b"") == 152
    assert code_of(lambda: versions.reserve(oldest, b"key", b"")) == Err.VersionStoreOutOfMemory


def test_a_version_must_fit_a_page_of_the_store() -> None:
    versions = VersionStore(max_pages=1, page_size=1024)
    trx = versions.begin(5, read_only=False)
    assert code_of(lambda: versions.reserve(trx, b"key", b"", 2000)) == Err.VersionStoreEntryTooBig
