"""A write of the log that ends otherwise than well or by an error of the disk."""

from __future__ import annotations

import pytest

from engine.errors import Err, EseError
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
