"""The cleanup in the background fails: it is told as the engine tells of deletes that it leaves, and begins anew."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from engine.build import Column, ColumnType, Index
from engine.errors import Err, EseError
from engine.event_table import Severity
from engine.store import trees
from tests.store.conftest import PATH
from tests.store.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from engine.store.cleanup import Cleanup
    from tests.store.desk import Desk


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def threads() -> int:
    return sum(each.name == "ese-cleanup" for each in threading.enumerate())


def test_a_failure_is_an_event_and_the_next_session_begins_the_cleanup_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.live.end()
    desk.live.background = True
    desk.live.start()
    session, database = desk.open()
    table = database.create_table(
        "T", [Column("Id", ColumnType.LONG, not_null=True)], indexes=[Index("pk", ("Id",), primary=True)]
    )
    table.insert_many({"Id": number} for number in range(20))
    delete = trees.delete

    def damaged(*_: object) -> None:
        raise EseError.from_code(Err.ReadVerifyFailure, path=PATH, page=9)

    monkeypatch.setattr(trees, "delete", damaged)
    for row in list(table):
        table.delete(row.bookmark)
    instance = desk.live.instance
    until(lambda: 602 in [event.id for event in instance.events])
    monkeypatch.setattr(trees, "delete", delete)
    (told,) = [event for event in instance.events if event.id == 602]
    assert told.severity is Severity.WARNING
    database_path, *numbers, code = told.strings
    assert database_path == PATH
    assert code == str(int(Err.ReadVerifyFailure))
    assert len(numbers) == 5
    assert all(each.startswith("0x") for each in numbers)
    assert "-1018" in told.message
    until(lambda: not threads())
    # Work goes on, and the next session has it cleaned up again.
    table.insert(Id=1000)
    desk.open()
    until(lambda: not instance.live.versions.count)
    assert session.store.level == 0
    assert desk.settled() == []


def test_threads_are_begun_and_ended_one_at_a_time() -> None:
    world = World()
    cleanup: Cleanup = world.cleanup

    def turn() -> None:
        for _ in range(100):
            cleanup.start()
            cleanup.start()
            cleanup.stop()

    before = threads()
    many = [threading.Thread(target=turn) for _ in range(4)]
    for thread in many:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in many):
        most = max(most, threads() - before)
    # Those that were told to end may not have yet.
    assert most <= len(many) + 1
    cleanup.stop()
    assert threads() == before
