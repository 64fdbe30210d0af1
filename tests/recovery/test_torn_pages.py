"""Shadows of pages in whole crashes: a recovery that loses its power tears nothing, and a shadow of another
state of the database, or of another future of the log, changes nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.pages import shadow
from engine.pages.shadow import LIVE, RECOVERY
from engine.params import Param
from engine.recovery import control
from tests.store.conftest import FOLDER, PATH, Live, built

if TYPE_CHECKING:
    from collections.abc import Callable

Rows = dict[int, str]

STRIDE = 1 if os.environ.get("CRASH_ALL") else 5
SMALL = {"params": {Param.CacheSizeMin: 16, Param.CacheSizeMax: 64, Param.CheckpointDepthMax: 64 * 1024}}


def work(live: Live, rows: Rows, text: str) -> None:
    """Change every row, in transactions that are waited for; each sector of most pages is like every other."""
    session = live.instance.session()
    table = session.open(PATH)["Rows"]
    for first in range(0, 2000, 200):
        session.begin()
        for row in range(first, first + 200):
            table.update(b"\x7f" + (row + 0x80000000).to_bytes(4, "big"), Name=text * 100)
            rows[row] = text * 100
        session.commit()
        live.instance.live.between_operations(live.pages)
    session.close()


def found(live: Live) -> Rows:
    return {row["Id"]: row["Name"] for row in live.rows()}


def file_of(disk: CrashFileSystem, path: str) -> bytes:
    with disk.open(path) as file:
        return file.read_at(0, file.size())


def put(disk: CrashFileSystem, path: str, data: bytes) -> None:
    with disk.open(path, OpenMode.CREATE) as file:
        file.write_at(0, data)
    disk.sync_all()


def copy(source: CrashFileSystem, target: CrashFileSystem, wanted: Callable[[str], bool]) -> None:
    """Copy the files whose names are wanted, and remove what else there is of that kind."""
    for each in target.list(FOLDER):
        if wanted(each.name):
            target.unlink(f"{FOLDER}/{each.name}")
    for each in source.list(FOLDER):
        if wanted(each.name):
            put(target, f"{FOLDER}/{each.name}", file_of(source, f"{FOLDER}/{each.name}"))


def recovered(disk: CrashFileSystem) -> Live:
    """Recover and stop."""
    live = Live(disk, settings=SMALL)
    live.end()
    assert live.findings() == []
    return live


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the pages that recoveries take from shadows."""
    numbers: list[int] = []
    genuine = shadow.torn_pages

    def torn_pages(*args: object) -> dict[int, bytes]:
        pages = genuine(*args)  # type: ignore[arg-type]
        numbers.extend(pages)
        return pages

    monkeypatch.setattr("engine.recovery.database_pages.torn_pages", torn_pages)
    return numbers


class Runs:
    """A run that died, `crashed`, or `lost` its power then, and the same `earlier`; what it had committed then."""

    def __init__(self) -> None:
        disk = built(2000)
        live = Live(disk, settings=SMALL)
        try:
            self.first: Rows = {}
            work(live, self.first, "a")
            self.earlier = disk.crash(CrashPolicy.KEEP_ALL)
            self.last = dict(self.first)
            work(live, self.last, "b")
            work(live, self.last, "c")
            with live.journal.latch:
                # They are on their way to the file when the power goes.
                live.pages.evict(live.pages.kept_pages)
            self.crashed = disk.crash(CrashPolicy.KEEP_ALL)
            self.lost = {policy: disk.crash(policy, 1) for policy in CrashPolicy}
        finally:
            live.instance.abandon()
        self.unwritten = built(2000)
        live = Live(self.unwritten)
        self.logged: Rows = {}
        try:
            work(live, self.logged, "e")
            assert live.pages.dirty_pages > 60
            assert self.unwritten.stat(PATH + LIVE) is None
        finally:
            live.instance.abandon()

    @staticmethod
    def fresh(disk: CrashFileSystem) -> CrashFileSystem:
        return disk.crash(CrashPolicy.KEEP_ALL)


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs()


@pytest.mark.parametrize("policy", [CrashPolicy.DROP_ALL, CrashPolicy.TORN, CrashPolicy.REORDERED])
def test_images_of_this_state_count(runs: Runs, taken: list[int], policy: CrashPolicy) -> None:
    """Nothing tells a whole old page from a torn one that has an old dbtime: both become what the image has."""
    disk = runs.lost[policy]
    assert found(recovered(runs.fresh(disk))) == runs.last
    assert len(taken) > 8
    assert disk.stat(PATH + LIVE) is not None


def test_database_and_logs_are_put_back_and_the_shadow_is_left(runs: Runs, taken: list[int]) -> None:
    """What the images hold was never logged in that log."""
    disk = runs.fresh(runs.crashed)
    copy(runs.earlier, disk, lambda name: not name.endswith((LIVE, RECOVERY)))
    assert len(file_of(disk, PATH + LIVE)) > 100_000
    assert found(recovered(disk)) == runs.first
    assert taken == []


def test_the_database_is_put_back_with_its_header(runs: Runs, taken: list[int]) -> None:
    """An older copy of the same attach, and every log: images save redo some of its work."""
    disk = runs.fresh(runs.crashed)
    copy(runs.earlier, disk, lambda name: name == "a.edb")
    # The checkpoint may have passed what this copy needs.
    disk.unlink(f"{FOLDER}/edb.chk")
    assert found(recovered(disk)) == runs.last
    assert len(taken) > 8
    assert disk.stat(PATH + LIVE) is None


def test_an_old_shadow_beside_a_database_that_was_attached_again(runs: Runs, taken: list[int]) -> None:
    """As an engine leaves it that knows nothing of shadows: the pages may be newer than images, or older."""
    disk = runs.fresh(runs.crashed)
    old = file_of(disk, PATH + LIVE)
    recovered(disk)
    live = Live(disk, settings=SMALL)
    rows = dict(runs.last)
    work(live, rows, "d")
    after = live.crash(CrashPolicy.KEEP_ALL)
    del taken[:]
    put(after, PATH + LIVE, old)
    assert found(recovered(after)) == rows
    assert taken == []


def test_an_old_shadow_beside_a_database_that_was_recovered(runs: Runs, taken: list[int]) -> None:
    disk = runs.fresh(runs.crashed)
    old = file_of(disk, PATH + LIVE)
    recovered(disk)
    del taken[:]
    put(disk, PATH + LIVE, old)
    put(disk, PATH + RECOVERY, old)
    # Recovery looks at the database all the same: the checkpoint that says there is nothing to do is lost.
    disk.unlink(f"{FOLDER}/edb.chk")
    assert found(recovered(disk)) == runs.last
    assert taken == []


def dying_recoveries(start: CrashFileSystem, policy: CrashPolicy, rows: Rows) -> int:
    """Recover, and lose the power at an operation on pages; again, a bit later; a third one has the rows.

    Done for a share of these operations (CRASH_ALL=1: for each); returns how many there are.
    """
    fs = FaultFileSystem(Runs.fresh(start))
    live = Live(fs.inner, fs, settings=SMALL)  # type: ignore[arg-type]
    live.instance.abandon()
    changes = ("create", "write", "fsync", "unlink")
    points = [each.n for each in fs.operations if each.op in changes and each.path.startswith(PATH)]
    for number in points[::STRIDE]:
        disk = Runs.fresh(start)
        for again in range(2):
            dying = Live.__new__(Live)
            with suppress(SimulatedKill):
                dying.__init__(  # type: ignore[misc]
                    disk, FaultFileSystem(disk, number + again, FaultMode.KILL), settings=SMALL
                )
            if "instance" in vars(dying):
                dying.instance.abandon()
            disk = disk.crash(policy, number + again)
        assert found(recovered(disk)) == rows, number
    return len(points)


@pytest.mark.parametrize("policy", [CrashPolicy.TORN, CrashPolicy.REORDERED])
def test_a_recovery_that_puts_torn_pages_right_loses_its_power(runs: Runs, policy: CrashPolicy) -> None:
    assert dying_recoveries(runs.lost[policy], policy, runs.last) > 30


@pytest.mark.parametrize("policy", [CrashPolicy.TORN, CrashPolicy.REORDERED])
def test_a_recovery_that_writes_pages_loses_its_power(runs: Runs, policy: CrashPolicy) -> None:
    """No image of a page that it changes was there before."""
    assert dying_recoveries(runs.unwritten, policy, runs.logged) > 80


def test_a_restore_looks_at_no_shadow() -> None:
    state = control.ControlReplay(None, None, None, 1, None, set_top=4)  # type: ignore[arg-type]
    state.follows(None, None)  # type: ignore[arg-type]
    assert state.reaches is None
