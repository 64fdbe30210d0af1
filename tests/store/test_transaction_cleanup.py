"""What goes when nobody needs it any more: versions, deleted nodes, and what hangs on the end of a transaction."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.format import lr
from engine.store.transactions import StoreSession
from engine.store.versions import Hook, Transaction
from tests.store.world import World, code_of, logged, mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.store.cleanup import LeftBehind


@pytest.fixture
def world() -> World:
    return World()


def test_nodes_go_when_no_reader_needs_them(world: World) -> None:
    session, reader = world.session(), world.session()
    session.begin()
    for number in range(20):
        world.insert(session, number, 0, "row")
    session.commit()
    reader.begin()
    session.begin()
    for number in range(0, 20, 2):
        world.delete(session, number)
    session.commit()
    world.cleanup.run()
    assert world.deleted_nodes() == 20
    assert len(world.rows(reader)) == 20
    start = mark(world)
    reader.commit()
    world.cleanup.run()
    assert world.deleted_nodes() == world.versions.count == 0
    records = logged(world, start, lr.Begin0, lr.Delete, lr.Commit0)
    assert [type(each) for each in records] == [lr.Begin0] + [lr.Delete] * 20 + [lr.Commit0]
    assert {each.procid for each in records} == {world.cleanup.session.procid}  # type: ignore[attr-defined]


def test_what_a_rollback_inserted_goes_too(world: World) -> None:
    session = world.session()
    session.begin()
    world.insert(session, 1, 0, "row")
    session.rollback()
    assert world.deleted_nodes() == 2
    world.cleanup.run()
    assert world.deleted_nodes() == 0


def test_a_node_that_came_back_stays(world: World) -> None:
    session = world.session()
    session.begin()
    world.insert(session, 1, 0, "row")
    session.commit()
    session.begin()
    world.delete(session, 1)
    session.commit()
    session.begin()
    world.insert(session, 1, 1, "row")
    world.cleanup.run()
    assert world.row(session, 1) == (1, "row")
    session.rollback()
    world.cleanup.run()
    assert world.deleted_nodes() == world.versions.count == 0
    assert world.rows(session) == {}


@pytest.fixture
def background(world: World) -> Iterator[World]:
    world.cleanup.start()
    yield world
    world.cleanup.stop()


def test_the_background_cleans_up_by_itself(background: World) -> None:
    world, session = background, background.session()
    for number in range(50):
        session.begin()
        world.insert(session, number, 0, "row")
        session.commit(lazy=True)
        session.begin()
        world.delete(session, number)
        session.commit(lazy=True)
    end = time.monotonic() + 20
    while time.monotonic() < end and (world.versions.count or world.deleted_nodes()):
        time.sleep(0.02)
    with world.journal.latch:
        assert world.versions.count == world.deleted_nodes() == 0


def test_an_error_in_the_background_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[EseError] = []
    heard = threading.Event()

    def failed(error: EseError, _: LeftBehind) -> None:
        told.append(error)
        heard.set()

    world.cleanup.failed = failed

    def failing() -> bool:
        raise EseError.from_code(Err.DiskIO, "no")

    monkeypatch.setattr(world.cleanup, "step", failing)
    world.cleanup.start()
    world.cleanup.wake()
    assert heard.wait(10)
    world.cleanup.stop()
    assert [error.code for error in told] == [Err.DiskIO]


def test_what_recovery_leaves_goes_when_somebody_reads_there(world: World) -> None:
    session = world.session()
    session.begin()
    for number in range(30):
        world.insert(session, number, 0, "row")
    session.commit()
    session.begin()
    for number in range(0, 30, 2):
        world.delete(session, number)
    session.commit()
    session.begin()
    world.insert(session, 50, 0, "open")
    world.journal.writer.flush()
    world.recover(CrashPolicy.DROP_ALL)
    assert world.deleted_nodes() == 2 * 16
    reader = world.session()
    rows = world.rows(reader)
    assert sorted(rows) == list(range(1, 30, 2))
    assert world.entries(reader) == world.expected_entries(rows)
    world.cleanup.run()
    assert world.deleted_nodes() == 0
    assert world.rows(reader) == rows


def test_an_error_of_a_cleanup_is_raised_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    session.begin()
    world.insert(session, 1, 0, "row")
    session.rollback()

    def failing(*_: object) -> None:
        raise EseError.from_code(Err.ReadVerifyFailure, "no")

    with monkeypatch.context() as patch:
        patch.setattr("engine.store.trees.delete", failing)
        assert code_of(world.cleanup.run) == Err.ReadVerifyFailure
    world.cleanup.run()
    assert world.cleanup.session.level == 0
    assert world.deleted_nodes() == 1


# Hooks.


def test_hooks_go_with_their_level(world: World) -> None:
    told: list[str] = []

    def hook(name: str) -> Hook:
        return Hook(
            rolled_back=lambda: told.append(f"{name} rolled back"),
            committed=lambda: told.append(f"{name} committed"),
            cleaned=lambda _: told.append(f"{name} cleaned"),
        )

    session, reader = world.session(), world.session()
    session.begin()
    session.hook(hook("a"))
    session.begin()
    session.hook(hook("b"))
    session.hook(hook("c"))
    session.rollback()
    assert told == ["c rolled back", "b rolled back"]
    session.begin()
    session.hook(hook("d"))
    session.commit()
    reader.begin()
    session.commit()
    world.cleanup.run()
    assert told[2:] == ["a committed", "d committed"]
    reader.rollback()
    world.cleanup.run()
    assert told[4:] == ["a cleaned", "d cleaned"]


def test_hooks_of_a_commit_run_before_the_cleanup_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session, told = world.session(), list[str]()
    publish = world.versions.publish

    def cleaning(trx: Transaction) -> None:
        publish(trx)
        other = threading.Thread(target=world.cleanup.run)
        other.start()
        other.join(0.1)
        threads.append(other)

    threads: list[threading.Thread] = []
    monkeypatch.setattr(world.versions, "publish", cleaning)
    session.begin()
    session.hook(Hook(committed=lambda: told.append("committed"), cleaned=lambda _: told.append("cleaned")))
    session.commit()
    threads[0].join(10)
    assert told == ["committed", "cleaned"]


def test_work_of_the_cleanup_does_not_begin_another(world: World) -> None:
    session, told = world.session(), list[bool]()
    session.begin()
    session.hook(Hook(cleaned=lambda _: told.append(world.cleanup.step())))
    session.commit()
    world.cleanup.run()
    assert told == [False]
    assert world.cleanup.session.level == 0


def test_a_session_is_a_slot_in_the_log(world: World) -> None:
    one, other = world.session(), world.session()
    assert isinstance(one, StoreSession)
    assert one.procid != other.procid
