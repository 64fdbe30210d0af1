"""The pace of a copy beside others: rests while the log grows, none otherwise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backup.pace import LONGEST_REST, RESTS, Pace
from engine.types import LgPos


class World:
    def __init__(self) -> None:
        self.time = 0.0
        self.rests: list[float] = []
        self.log: Any = SimpleNamespace(last_record=LgPos(1, 1, 0))

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.time += seconds

    def pace(self) -> Pace:
        return Pace(self.log, self.sleep, lambda: self.time)

    def write(self) -> None:
        self.log.last_record = LgPos(1, self.log.last_record.segment + 1, 0)


def test_nobody_writes() -> None:
    world = World()
    pace = world.pace()
    for _ in range(10):
        world.time += 0.01
        pace.rest()
    assert world.rests == []


def test_somebody_writes() -> None:
    world = World()
    pace = world.pace()
    world.time += 0.01
    world.write()
    pace.rest()
    world.time += 0.01
    pace.rest()
    assert world.rests == [pytest.approx(0.01 * RESTS)]


def test_what_was_written_during_a_rest_counts() -> None:
    world = World()
    pace = world.pace()
    sleep = world.sleep

    def busy(seconds: float) -> None:
        sleep(seconds)
        world.write()

    world.sleep = busy  # type: ignore[method-assign]
    pace = world.pace()
    world.write()
    for _ in range(3):
        world.time += 0.01
        pace.rest()
    assert len(world.rests) == 3


def test_a_slow_disk_gets_no_long_rest() -> None:
    world = World()
    pace = world.pace()
    world.time += 10
    world.write()
    pace.rest()
    assert world.rests == [LONGEST_REST]
