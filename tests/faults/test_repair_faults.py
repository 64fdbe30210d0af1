"""A repair of a page fails or dies at every operation in turn; afterwards nothing but that page may have changed.

The files lie in memory, what was synced apart from what was not.  Whatever happened:

- every other byte of the database is as it was, and the set and the logs are untouched;
- the page is as damaged as before, or as it must be, or torn between the two;
- once the page is touched, what lay there is whole in a file beside it;
- the repair can be done again, and gives the undamaged database.

CRASH_ALL=1 takes every operation (`make crash`); the default is a share of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.repair import plan_repair, write_repair
from tests.repair.patient import PAGE, Patient, make_patient

if TYPE_CHECKING:
    from engine.files.base import FileSystem

STRIDE = 1 if os.environ.get("CRASH_ALL") else 7
POLICIES = [CrashPolicy.KEEP_ALL, CrashPolicy.DROP_ALL, CrashPolicy.RANDOM, CrashPolicy.TORN, CrashPolicy.REORDERED]
MODES = list(FaultMode)
FOLDER = "/p"


class World:
    """A disk with a database of which two pages are damaged."""

    def __init__(self) -> None:
        self.disk = CrashFileSystem()
        patient = make_patient(env(self.disk), FOLDER, rows=60)
        self.good = patient.read()
        plan = plan_repair(
            patient.database, range(1, len(self.good) // PAGE - 1), source=patient.source, env=patient.env
        )
        self.pages = [each.pgno for each in plan.pages if each.table == "t" and each.in_use][1:3]
        for pgno in self.pages:
            patient.flip(pgno)
        self.bad = patient.read()
        self.disk.sync_all()
        counting = FaultFileSystem(self.disk.crash(CrashPolicy.KEEP_ALL))
        repair(counting, self.pages)
        self.operations = counting.count
        self.writes = [each.n for each in counting.operations if each.op in ("write", "fsync", "fsync-dir", "lock")]
        self.rest = everything_else(self.disk)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def env(fs: FileSystem) -> Environment:
    return Environment(fs=fs, sleep=lambda _: None)


def at(fs: FileSystem) -> Patient:
    return Patient(env(fs), f"{FOLDER}/inst/a.edb", f"{FOLDER}/set", f"{FOLDER}/inst")


def repair(fs: FileSystem, pages: list[int]) -> None:
    patient = at(fs)
    write_repair(plan_repair(patient.database, pages, source=patient.source, env=patient.env), env=patient.env)


def everything_else(fs: FileSystem) -> dict[str, bytes]:
    """Return the files of the set and the logs."""
    found = {}
    for folder in (f"{FOLDER}/inst", f"{FOLDER}/set"):
        for entry in fs.list(folder):
            path = f"{folder}/{entry.name}"
            if path != f"{FOLDER}/inst/a.edb" and not path.endswith(".lock") and ".old" not in entry.name:
                with fs.open(path) as file:
                    found[path] = file.read_at(0, file.size())
    return found


def judge(fs: FileSystem, world: World, case: object, *, torn: bool) -> None:
    patient = at(fs)
    now = patient.read()
    assert len(now) == len(world.good), case
    for pgno in range(-1, len(now) // PAGE - 1):
        span = slice((pgno + 1) * PAGE, (pgno + 2) * PAGE)
        if pgno not in world.pages:
            assert now[span] == world.bad[span], (case, pgno)
            continue
        assert torn or now[span] in (world.bad[span], world.good[span]), (case, pgno)
        if now[span] != world.bad[span]:
            kept = f"{patient.database}.page{pgno}.old"
            with fs.open(kept) as file:
                assert file.read_at(0, PAGE + 1) == world.bad[span], (case, pgno)
    assert everything_else(fs) == world.rest, case
    repair(fs, world.pages)
    assert patient.read() == world.good, case


@pytest.mark.parametrize("mode", MODES, ids=[each.name.lower() for each in MODES])
def test_a_repair_that_fails_or_dies_anywhere(world: World, mode: FaultMode) -> None:
    assert world.operations > 100
    # Reading is most of it and alike; everything that writes is always taken.
    points = sorted({*range(1 + MODES.index(mode) % STRIDE, world.operations + 1, STRIDE), *world.writes})
    for point in points:
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        faulty = FaultFileSystem(disk, fail_at=point, mode=mode)
        with suppress(EseError, SimulatedKill):
            repair(faulty, world.pages)
            assert at(disk).read() == world.good, (mode, point)
        judge(disk.crash(CrashPolicy.KEEP_ALL), world, (mode, point), torn=mode is FaultMode.KILL_TORN)


@pytest.mark.parametrize("policy", POLICIES, ids=[each.name.lower() for each in POLICIES])
def test_the_power_goes_anywhere(world: World, policy: CrashPolicy) -> None:
    first = min(world.writes)
    for point in range(first, world.operations + 1):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        faulty = FaultFileSystem(disk, fail_at=point, mode=FaultMode.KILL_AFTER)
        with suppress(SimulatedKill):
            repair(faulty, world.pages)
        torn = policy in (CrashPolicy.TORN, CrashPolicy.REORDERED, CrashPolicy.RANDOM)
        judge(disk.crash(policy), world, (policy, point), torn=torn)
