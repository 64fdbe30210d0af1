"""Taking a lock that somebody looks at for a moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import EseError
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_that_is_only_looked_at_is_taken_in_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    looked = RealFileSystem().lock(path)
    looked.__enter__()
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 3:
            thread = threading.Thread(target=looked.__exit__, args=(None, None, None))
            thread.start()
            thread.join()

    with Environment(sleep=sleep).hold(path):
        assert len(sleeps) == 3


def test_a_lock_that_is_held_is_refused_after_a_while(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    sleeps: list[float] = []
    with RealFileSystem().lock(path), pytest.raises(EseError) as caught:
        Environment(sleep=sleeps.append).hold(path)
    assert caught.value.code == -1032
    assert len(sleeps) == 10
