"""Crashes and failures at every operation of a workload: what was acknowledged is there, what was not is not.

The workload runs in one thread and always does the same: transactions of several sessions in turn, some rolled back,
some lazy, one open all the time; inserts with splits, deletes with the cleanup, more pages than the cache holds, a
checkpoint that moves, growth of the file.  CRASH_ALL=1 takes every operation (`make crash`); the default is a share of
them, under another kind of power failure each.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.params import Param
from engine.store import nodes
from engine.store.doing import TreeRef
from tests.store.conftest import MARKS, Live, built
from tests.store.test_backup_under_load import Hand, key_of, marks

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.store.transactions import StoreSession

STRIDE = 1 if os.environ.get("CRASH_ALL") else 31
TRANSACTIONS = 100
ROWS = 4000
SETTINGS = {
    "params": {
        Param.CacheSizeMax: 64,
        Param.CheckpointDepthMax: 64 * 1024,
        Param.DbExtensionSize: 16,
    }
}


class Work:
    """The workload.  `states` are the rows after each transaction, `sure` how many must survive."""

    def __init__(self, disk: CrashFileSystem) -> None:
        self.disk = disk
        self.states: list[dict[int, int]] = []
        self.sure = 0
        self.live: Live | None = None

    def run(self, fs: FileSystem) -> None:
        """Do it; whatever happens, `give_up` has to be called."""
        live = self.live = Live.__new__(Live)
        live.__init__(self.disk, fs, settings=SETTINGS)  # type: ignore[misc] # it is known before it has begun
        tree = TreeRef(live.pages, *live.root(MARKS), parent=TreeRef(live.pages, 1, 1))
        rows = marks(live.rows(MARKS))
        self.states.append(dict(rows))
        hand = Hand(random.Random(7))  # noqa: S311 - a draw, no secret
        sessions = [live.instance.session().store for _ in range(3)]
        waiting = live.instance.session().store
        waiting.begin()
        nodes.insert(waiting, tree, key_of(9_000_000), hand.record(9_000_000, 1, 10))
        for number in range(1, TRANSACTIONS + 1):
            session = sessions[number % 3]
            changed = dict(rows)
            session.begin()
            for row in hand.chance.sample(range(ROWS), 12):
                change(session, tree, row, number, hand, changed)
            if number % 7 == 0:
                session.rollback()
                continue
            self.states.append(changed)
            lazy = number % 5 == 0
            session.commit(lazy=lazy)
            rows = changed
            if not lazy:
                self.sure = len(self.states) - 1
            live.instance.live.between_operations(live.pages)
            live.instance.live.cleanup.run()
        waiting.rollback()
        live.end()
        self.sure = len(self.states) - 1

    def give_up(self) -> None:
        """End the process."""
        if self.live is not None and "instance" in vars(self.live):
            self.live.instance.abandon()


def change(session: StoreSession, tree: TreeRef, row: int, number: int, hand: Hand, rows: dict[int, int]) -> None:
    record = hand.record(row, number, hand.chance.randrange(120))
    if row not in rows:
        nodes.insert(session, tree, key_of(row), record)
    elif hand.chance.random() < 0.4:
        nodes.delete(session, tree, key_of(row))
        del rows[row]
        return
    else:
        nodes.replace(session, tree, key_of(row), record)
    rows[row] = number


@pytest.fixture(scope="module")
def start() -> CrashFileSystem:
    return built(2500)


def fresh(start: CrashFileSystem) -> CrashFileSystem:
    disk = CrashFileSystem()
    disk.load("/i", "/i", source=start)
    return disk


def operations(start: CrashFileSystem) -> int:
    """Return how many operations the whole workload takes."""
    disk = fresh(start)
    fs = FaultFileSystem(disk)
    work = Work(disk)
    work.run(fs)
    generations = work.states
    assert len(generations) > 40
    return fs.count


def judge(work: Work, disk: CrashFileSystem) -> None:
    """Start again on what a crash has left, and compare.

    A page that was taken for a split whose macro did not come into the log belongs to nobody afterwards: space is
    taken by records of its own, which no undo brings back.
    """
    again = Live(disk, settings=SETTINGS)
    again.end()
    assert [each for each in again.findings() if "LEAKED" not in each] == []
    rows = marks(again.rows(MARKS))
    if not work.states:
        return
    assert rows in work.states[work.sure :], f"none of the states from {work.sure} on"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("policy", list(CrashPolicy))
def test_the_power_fails_at_every_operation(start: CrashFileSystem, policy: CrashPolicy) -> None:
    total = operations(start)
    for number in range(1 + list(CrashPolicy).index(policy), total + 1, STRIDE):
        disk = fresh(start)
        work = Work(disk)
        with pytest.raises(SimulatedKill):
            work.run(FaultFileSystem(disk, number, FaultMode.KILL))
        work.give_up()
        judge(work, disk.crash(policy, number))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_process_dies_in_the_middle_of_writes(start: CrashFileSystem) -> None:
    total = operations(start)
    for number in range(1, total + 1, STRIDE):
        disk = fresh(start)
        work = Work(disk)
        with pytest.raises(SimulatedKill):
            work.run(FaultFileSystem(disk, number, FaultMode.KILL_TORN))
        work.give_up()
        judge(work, disk.crash(CrashPolicy.KEEP_ALL))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.ENOSPC])
def test_operations_fail(start: CrashFileSystem, mode: FaultMode) -> None:
    """What fails is a typed error; the next start brings everything that was acknowledged."""
    total = operations(start)
    failed = 0
    for number in range(1, total + 1, STRIDE):
        disk = fresh(start)
        work = Work(disk)
        try:
            work.run(FaultFileSystem(disk, number, mode))
        except EseError:
            failed += 1
        work.give_up()
        judge(work, disk)
    assert failed


def test_a_machine_that_keeps_dying(start: CrashFileSystem) -> None:
    """Crash upon crash while recovery itself is at work."""
    disk = fresh(start)
    work = Work(disk)
    total = operations(start)
    with suppress(SimulatedKill):
        work.run(FaultFileSystem(disk, total * 2 // 3, FaultMode.KILL))
    work.give_up()
    disk = disk.crash(CrashPolicy.TORN, 1)
    for number in range(3, 60, 4):
        dying = Live.__new__(Live)
        with suppress(SimulatedKill):
            dying.__init__(disk, FaultFileSystem(disk, number, FaultMode.KILL), settings=SETTINGS)  # type: ignore[misc]
        if "instance" in vars(dying):
            dying.instance.abandon()
        disk = disk.crash(list(CrashPolicy)[number % 5], number)
    judge(work, disk)
