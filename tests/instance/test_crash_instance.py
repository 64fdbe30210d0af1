"""Crashes and failures at every operation of init, attach, roll-over, detach and term.

Whatever happens, the next start succeeds, the stream is whole, the databases are clean in both header copies, and
not a page has changed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.errors import EseError
from engine.files.crash import CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.header_file import read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem
    from tests.instance.conftest import World


def life(world: World, fs: FileSystem, *, circular: bool = False) -> None:
    """Go through a life; what is held is given up however it ends."""
    instance = world.instance(fs, circular_log=circular)
    try:
        instance.init()
        session = instance.session()
        session.attach(world.path("a.edb"))
        session.attach(world.path("b.edb"))
        instance.writer.roll()
        session.detach(world.path("a.edb"))
        session.attach(world.path("a.edb"))
        instance.writer.roll()
        instance.term()
    finally:
        instance.abandon()


def pages(world: World) -> bytes:
    return b"".join(world.read(f"{name}.edb")[2 * 4096 :] for name in "ab")


def check_next_start(world: World, before: bytes) -> None:
    instance = world.instance()
    try:
        instance.init()
        session = instance.session()
        session.attach(world.path("a.edb"))
        session.attach(world.path("b.edb"))
        instance.term()
    finally:
        instance.abandon()
    assert world.chain_is_whole()
    for name in "ab":
        read = read_header(world.disk, world.path(f"{name}.edb"))
        assert not read.problems
        header = read.header
        assert header.clean
        assert (header.gen_min_required, header.gen_max_required, header.gen_max_committed) == (0, 0, 0)
    assert pages(world) == before


@pytest.fixture(params=["new stream", "stream that goes on", "stream that died"])
def start(request: pytest.FixtureRequest, world: World) -> Callable[[], World]:
    """Return a function that gives the state before, each time on a disk of its own."""
    if request.param == "stream that goes on":
        life(world, world.disk)
    if request.param == "stream that died":
        instance = world.instance()
        instance.init()
        instance.session().attach(world.path("a.edb"))
        instance.writer.roll()
        instance.abandon()
    return world.copy


def count(start: Callable[[], World]) -> int:
    world = start()
    fs = FaultFileSystem(world.disk)
    life(world, fs)
    return fs.count


@pytest.mark.slow
def test_the_power_fails_at_every_operation(start: Callable[[], World]) -> None:
    before = pages(start())
    recovered = 0
    for number in range(1, count(start) + 1):
        dying = start()
        with pytest.raises(SimulatedKill):
            life(dying, FaultFileSystem(dying.disk, number, FaultMode.KILL))
        policies = list(CrashPolicy)
        for policy in (policies[number % len(policies)], policies[(number + 2) % len(policies)]):
            # Neighbouring places differ little, so what one policy skips here another gets next door.
            world = type(dying)(dying.disk.crash(policy, number))
            check_next_start(world, before)
            recovered += any(each.id == 302 for each in world.made[0].events)
    assert recovered > 100, "most of the crashes needed recovery"


@pytest.mark.slow
def test_the_process_dies_in_every_operation(start: Callable[[], World]) -> None:
    before = pages(start())
    for number in range(1, count(start) + 1):
        world = start()
        with pytest.raises(SimulatedKill):
            life(world, FaultFileSystem(world.disk, number, FaultMode.KILL_TORN))
        check_next_start(world, before)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.ENOSPC, FaultMode.SHORT_READ])
def test_every_operation_fails(start: Callable[[], World], mode: FaultMode) -> None:
    """An error is a typed one, and the next start sets things right."""
    before = pages(start())
    failed = 0
    number = 0
    while True:
        number += 1
        world = start()
        fs = FaultFileSystem(world.disk, number, mode)
        try:
            life(world, fs)
        except EseError:
            failed += 1
        if not fs.fired:
            if number > fs.count:
                break
            continue
        check_next_start(world, before)
    assert failed > 5


def test_circular_logging_and_crashes(world: World) -> None:
    before = pages(world)
    counted = FaultFileSystem(world.copy().disk)
    life(world.copy(), counted, circular=True)
    for number in range(1, counted.count + 1, 3):
        dying = world.copy()
        with suppress(SimulatedKill):
            life(dying, FaultFileSystem(dying.disk, number, FaultMode.KILL), circular=True)
        check_next_start(type(dying)(dying.disk.crash(CrashPolicy.REORDERED, number)), before)


def test_a_machine_that_keeps_dying(world: World) -> None:
    """Crash upon crash, each in the middle of setting the one before right."""
    before = pages(world)
    for number in range(12, 130, 7):
        with suppress(SimulatedKill):
            life(world, FaultFileSystem(world.disk, number, FaultMode.KILL))
        world = type(world)(world.disk.crash(CrashPolicy.TORN, number), clock=world.clock)
    check_next_start(world, before)
