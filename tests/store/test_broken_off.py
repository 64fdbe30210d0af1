"""Writes of the log, and changes of pages, that end otherwise than well or by an error of the disk."""

from __future__ import annotations

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.log.generation_file import GenerationFile
from tests.store.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("waiting", [True, False], ids=["commit", "flush"])
def test_a_write_of_the_log_that_is_broken_off_takes_it_down(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    waiting: bool,  # noqa: FBT001
) -> None:
    session, other = world.session(), world.session()
    session.begin()
    other.begin()
    world.insert(session, 1, 0, "a")

    def broken_off(_file: GenerationFile, _segments: object) -> None:
        raise KeyboardInterrupt

    end = session.commit if waiting else world.journal.writer.flush
    with monkeypatch.context() as patched:
        patched.setattr(GenerationFile, "store", broken_off)
        with pytest.raises(KeyboardInterrupt):
            end()
    # What was taken from the memory is in no file: nothing may be said to be durable behind it.
    with pytest.raises(EseError) as caught:
        world.insert(other, 2, 0, "b")
    assert caught.value.code == Err.LogWriteFail


def test_a_change_that_is_broken_off_takes_the_log_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    session.begin()
    world.insert(session, 1, 0, "a")
    session.commit()

    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    session.begin()
    with monkeypatch.context() as patched:
        patched.setattr("engine.store.journal.apply", broken_off)
        with pytest.raises(KeyboardInterrupt):
            world.insert(session, 2, 0, "b")
    # The record is in the log and the node has no version: nothing could take it back.
    with pytest.raises(EseError) as caught:
        session.commit()
    assert caught.value.code == Err.LogWriteFail
    world.recover(CrashPolicy.KEEP_ALL)
    assert world.rows(world.session()) == {1: (0, "a")}
