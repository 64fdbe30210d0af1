"""Who may change what beside whom: each rule of conflicts, and what is left of a transaction that hits one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err
from engine.store import nodes
from tests.store.world import World, code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.transactions import StoreSession


@pytest.fixture
def world() -> World:
    made = World()
    session = made.session()
    session.begin()
    for number in range(10):
        made.insert(session, number, number, f"name {number}")
    session.commit()
    made.cleanup.run()
    return made


@pytest.fixture
def two(world: World) -> tuple[StoreSession, StoreSession]:
    """Return two sessions with a transaction each, the first one older."""
    sessions = world.session(), world.session()
    for session in sessions:
        session.begin()
    return sessions


EXCLUSIVE: dict[str, Callable[[World, StoreSession], None]] = {
    "rename": lambda world, session: world.rename(session, 3, "else"),
    "delete": lambda world, session: world.delete(session, 3),
    "lock": lambda world, session: nodes.lock(session, world.table, world.record(3, 0, "")[0]),
}
ALL = EXCLUSIVE | {"add": lambda world, session: world.add(session, 3, 1)}
Two = tuple["StoreSession", "StoreSession"]


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ALL)
def test_one_row_takes_one_writer_and_many_deltas(world: World, two: Two, first: str, second: str) -> None:
    one, other = two
    ALL[first](world, one)
    expected = 0 if first == second == "add" else Err.WriteConflict
    assert code_of(lambda: ALL[second](world, other)) == expected


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ALL)
def test_a_commit_after_the_beginning_is_in_the_way_as_well(world: World, two: Two, first: str, second: str) -> None:
    one, other = two
    ALL[first](world, one)
    one.commit()
    expected = 0 if first == second == "add" else Err.WriteConflict
    assert code_of(lambda: ALL[second](world, other)) == expected
    other.rollback()
    other.begin()
    if first != "delete":
        ALL[second](world, other)


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ALL)
def test_what_was_rolled_back_is_in_nobodys_way(world: World, two: Two, first: str, second: str) -> None:
    one, other = two
    ALL[first](world, one)
    one.rollback()
    ALL[second](world, other)
    other.commit()


def test_own_changes_are_never_in_the_way(world: World, two: Two) -> None:
    one, _ = two
    for change in ("add", "rename", "add", "lock", "rename", "delete"):
        ALL[change](world, one)
    one.commit()
    assert 3 not in world.rows(world.session())


def test_an_own_delta_does_not_let_a_replace_past_the_delta_of_another(world: World, two: Two) -> None:
    one, other = two
    world.add(one, 3, 1)
    world.add(other, 3, 10)
    world.add(one, 3, 100)
    assert code_of(lambda: EXCLUSIVE["rename"](world, one)) == Err.WriteConflict
    other.rollback()
    EXCLUSIVE["rename"](world, one)
    one.commit()
    assert world.row(world.session(), 3) == (104, "else")


def test_deltas_of_two_add_up_and_each_sees_only_its_own(world: World, two: Two) -> None:
    one, other = two
    world.add(one, 3, 1)
    world.add(other, 3, 10)
    assert (world.row(one, 3)[0], world.row(other, 3)[0]) == (4, 13)
    assert world.row(world.session(), 3)[0] == 3
    one.commit()
    assert (world.row(world.session(), 3)[0], world.row(other, 3)[0]) == (4, 13)
    other.commit()
    assert world.row(world.session(), 3)[0] == 14


def test_deltas_of_4_and_of_8_bytes_do_not_mix(world: World, two: Two) -> None:
    one, other = two
    world.add(one, 3, 1)
    key = world.record(3, 0, "")[0]
    assert code_of(lambda: nodes.delta(other, world.table, key, 4, 1, wide=True)) == Err.WriteConflict


def test_an_insert_says_duplicate_whatever_stands_in_its_way(world: World, two: Two) -> None:
    one, other = two
    assert code_of(lambda: world.insert(one, 3, 0, "there")) == Err.KeyDuplicate
    world.insert(one, 20, 0, "of another, open")
    assert code_of(lambda: world.insert(other, 20, 0, "too")) == Err.KeyDuplicate
    world.delete(one, 5)
    assert code_of(lambda: world.insert(other, 5, 0, "too")) == Err.KeyDuplicate
    one.commit()
    assert code_of(lambda: world.insert(other, 20, 0, "too")) == Err.KeyDuplicate
    assert code_of(lambda: world.insert(other, 5, 0, "deleted after this began")) == Err.KeyDuplicate
    other.rollback()
    other.begin()
    world.insert(other, 5, 0, "free now")
    other.commit()
    assert world.row(one, 5) == (0, "free now")


def test_an_insert_over_the_own_deleted_row_and_back(world: World, two: Two) -> None:
    one, other = two
    world.delete(one, 3)
    one.begin()
    world.insert(one, 3, 33, "anew")
    assert world.row(one, 3) == (33, "anew")
    one.rollback()
    assert 3 not in world.rows(one)
    world.insert(one, 3, 34, "again")
    assert world.row(other, 3) == (3, "name 3")
    one.rollback()
    assert world.row(one, 3) == (3, "name 3")


def test_an_entry_that_is_there_twice(world: World, two: Two) -> None:
    key, _, named = world.record(3, 3, "name 3")
    assert code_of(lambda: nodes.insert(two[0], world.index, named, key)) == Err.MultiValuedIndexViolation
    nodes.delete(two[0], world.index, named, key)
    nodes.insert(two[0], world.index, named, key)
    assert code_of(lambda: nodes.delete(two[1], world.index, named, key)) == Err.WriteConflict


def test_rows_that_are_not_there(world: World, two: Two) -> None:
    one, other = two
    absent, row, _ = world.record(99, 0, "no")
    assert code_of(lambda: nodes.replace(one, world.table, absent, row)) == Err.RecordDeleted
    assert code_of(lambda: nodes.delete(one, world.table, absent)) == Err.RecordDeleted
    assert code_of(lambda: nodes.delta(one, world.table, absent, 8, 1)) == Err.RecordDeleted
    assert nodes.get(one, world.table, absent) is None
    world.delete(one, 3)
    assert code_of(lambda: nodes.delete(one, world.table, world.record(3, 0, "")[0])) == Err.RecordDeleted
    one.commit()
    # For the other one the row is there, and it is too late to change it.
    assert world.row(other, 3) == (3, "name 3")
    assert code_of(lambda: world.delete(other, 3)) == Err.WriteConflict


def test_a_lost_update_is_refused_and_a_write_skew_is_not(world: World, two: Two) -> None:
    one, other = two
    for session in two:
        assert world.row(session, 1)[0] + world.row(session, 2)[0] == 3
    world.rename(one, 1, "taken by the first")
    world.rename(other, 2, "taken by the second")
    one.commit()
    other.commit()
    names = {world.row(world.session(), number)[1] for number in (1, 2)}
    assert names == {"taken by the first", "taken by the second"}


def test_levels_and_transactions_that_are_not_there(world: World) -> None:
    session = world.session()
    assert code_of(session.commit) == code_of(session.rollback) == Err.NotInTransaction
    assert code_of(lambda: world.insert(session, 50, 0, "x")) == Err.NotInTransaction
    for _ in range(7):
        session.begin()
    assert code_of(session.begin) == Err.TransTooDeep
    session.rollback_all()
    assert session.level == 0


def test_a_reading_transaction_may_not_write(world: World) -> None:
    session = world.session()
    session.begin(read_only=True)
    for change in ALL.values():
        assert code_of(lambda change=change: change(world, session)) == Err.TransReadOnly  # type: ignore[misc]
    assert len(world.rows(session)) == 10
    session.commit()


def test_readers_wait_for_nobody(world: World, two: Two) -> None:
    writer, reader = two
    for number in range(10):
        world.rename(writer, number, "changed")
    seen: list[dict[int, tuple[int, str]]] = []
    thread = threading.Thread(target=lambda: seen.append(world.rows(reader)))
    thread.start()
    thread.join(10)
    assert seen == [{number: (number, f"name {number}") for number in range(10)}]
