"""A recovery fails or dies at every operation in turn, or the power goes there.  Afterwards, always:

- a database that is clean holds exactly what an undisturbed recovery gives;
- every log that a stop point put away, or was about to, is somewhere, byte for byte;
- the same recovery can be run again, and gives what an undisturbed one gives;
- a plain start goes on as well: to the stop, to the end of what is left of the log, or it refuses with a typed error.

The instance is a crashed one of the real engine.  CRASH_ALL=1 takes every operation (`make crash`); the default is a
share of them, another one each mode.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from engine.check import Severity, check
from engine.env import Environment
from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.header_file import read_header
from engine.instance import Instance
from engine.instance.recovering import PARTIAL, recover
from engine.recovery.stop import StopPoint
from engine.space import owned_pages
from engine.types import LgPos
from engine.verify import verify
from tests.recovery.oracle_files import page_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.files.base import FileSystem

STRIDE: Final = 1 if os.environ.get("CRASH_ALL") else 23
INST: Final = "/inst"
COPY: Final = "/copy"
DATABASE: Final = "a.edb"
STOP: Final = LgPos(1, 0xC, 0)
"""In the log before the last, behind the earliest stop of this case, with a transaction open."""
POLICIES: Final = [
    CrashPolicy.KEEP_ALL, CrashPolicy.DROP_ALL, CrashPolicy.RANDOM, CrashPolicy.TORN, CrashPolicy.REORDERED,
]  # fmt: skip
MODES: Final = list(FaultMode)
JOBS: Final = ("in place", "to a stop", "of a copy")


def env(fs: FileSystem) -> Environment:
    return Environment(fs=fs, sleep=lambda _: None)


def in_place(fs: FileSystem, stop: StopPoint | None = None) -> None:
    instance = Instance(path=INST, page_size=8192, log_file_size=128, env=env(fs))
    try:
        instance.init(stop_at=stop)
        instance.term()
    finally:
        instance.abandon()


def run(job: str, fs: FileSystem) -> None:
    if job == "of a copy":
        recover(INST, into=COPY, env=env(fs))
    else:
        in_place(fs, StopPoint(position=STOP) if job == "to a stop" else None)


def content(fs: FileSystem, path: str) -> dict[int, tuple[object, ...]]:
    """Return what each owned page says; dbtimes are left out: what is undone twice has used more of them."""
    size = read_header(fs, path).header.page_size
    with fs.open(path) as file:
        last = owned_pages(file, size).last
        data = file.read_at(0, file.size())
    found = {}
    for pgno in range(1, last + 1):
        piece = data[(pgno + 1) * size : (pgno + 2) * size]
        if any(piece):
            page = page_content(piece, pgno)
            found[pgno] = ("empty",) if page[0] == "empty" else page[1:]
    return found


def logs(fs: FileSystem) -> dict[str, set[bytes]]:
    """Return the content of every log in the instance's folder and those below, by its name without number."""
    found: dict[str, set[bytes]] = {}
    for folder, entries in fs.walk(INST, max_depth=2):
        for entry in entries:
            if (entry.name.endswith(".log") and "tmp" not in entry.name) or ".log." in entry.name:
                with fs.open(f"{folder}/{entry.name}") as file:
                    found.setdefault(entry.name.partition(".log")[0], set()).add(file.read_at(0, file.size()))
    return found


@dataclass
class World:
    """A disk with a crashed instance, and what an undisturbed run of a job makes of it."""

    job: str
    source: Path
    disk: CrashFileSystem = field(default_factory=CrashFileSystem)
    operations: int = 0
    first_write: int = 0
    wanted: dict[int, tuple[object, ...]] = field(default_factory=dict)
    to_the_end: dict[int, tuple[object, ...]] = field(default_factory=dict)
    logs: dict[str, set[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.disk.load(str(self.source), INST)
        self.logs = logs(self.disk)
        counting = FaultFileSystem(self.disk.crash(CrashPolicy.KEEP_ALL))
        run(self.job, counting)
        self.operations = counting.count
        self.first_write = next(each.n for each in counting.operations if each.op in ("write", "rename", "mkdir"))
        self.wanted = content(counting.inner, self.path)
        whole = self.disk.crash(CrashPolicy.KEEP_ALL)
        in_place(whole)
        self.to_the_end = content(whole, f"{INST}/{DATABASE}")

    @property
    def path(self) -> str:
        return f"{COPY if self.job == 'of a copy' else INST}/{DATABASE}"


@pytest.fixture(scope="module")
def worlds(oracle: Callable[[str], Path]) -> Callable[[str], World]:
    made: dict[str, World] = {}

    def world(job: str) -> World:
        if job not in made:
            made[job] = World(job, oracle("dirty") / "dirty-termabrupt" / "before")
        return made[job]

    return world


def judge(disk: CrashFileSystem, world: World, case: object) -> None:
    if is_clean(disk, world.path) and not (world.job == "of a copy" and disk.stat(f"{COPY}/{PARTIAL}") is not None):
        assert content(disk, world.path) == world.wanted, case
    if world.job == "to a stop":
        there = logs(disk)
        assert all(data in there.get(name, set()) | there["edb"] for name in world.logs for data in world.logs[name])
    plain_start(disk.crash(CrashPolicy.KEEP_ALL), world, case)
    run(world.job, disk) if world.job != "of a copy" or not whole_copy(disk) else None
    assert is_clean(disk, world.path), case
    assert content(disk, world.path) == world.wanted, case
    assert verify(world.path, fs=disk).ok, case
    if world.job == "to a stop":
        there = logs(disk)
        everywhere = set().union(*there.values())
        assert all(data in everywhere for name in world.logs for data in world.logs[name]), case
    else:
        original = f"{INST}/{DATABASE}"
        if world.job == "of a copy":
            assert not read_header(disk, original).header.clean, case


def whole_copy(fs: FileSystem) -> bool:
    return fs.stat(world_path := f"{COPY}/{DATABASE}") is not None and (
        fs.stat(f"{COPY}/{PARTIAL}") is None and is_clean(fs, world_path)
    )


def is_clean(fs: FileSystem, path: str) -> bool:
    try:
        return read_header(fs, path).header.clean
    except EseError:
        return False


def plain_start(disk: CrashFileSystem, world: World, case: object) -> None:
    """Start without saying where to stop: never a wrong clean database."""
    if world.job == "of a copy":
        return
    with suppress(EseError):
        in_place(disk)
    path = f"{INST}/{DATABASE}"
    if is_clean(disk, path):
        pages = content(disk, path)
        if pages not in (world.wanted, world.to_the_end):
            # To the end of the logs that had not been put away yet.
            assert world.job == "to a stop", case
            assert not [each for each in check(path, fs=disk) if each.severity is Severity.ERROR], case
            assert verify(path, fs=disk).ok, case


@pytest.mark.oracle
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("mode", MODES, ids=[each.name.lower() for each in MODES])
def test_a_recovery_that_fails_or_dies_anywhere(worlds: Callable[[str], World], job: str, mode: FaultMode) -> None:
    world = worlds(job)
    assert world.operations > 60
    for point in range(1 + MODES.index(mode) % STRIDE, world.operations + 1, STRIDE):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        with suppress(EseError, SimulatedKill):
            run(job, FaultFileSystem(disk, fail_at=point, mode=mode))
        judge(disk.crash(CrashPolicy.KEEP_ALL), world, (job, mode, point))


@pytest.mark.oracle
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("policy", POLICIES, ids=[each.name.lower() for each in POLICIES])
def test_the_power_goes_anywhere(worlds: Callable[[str], World], job: str, policy: CrashPolicy) -> None:
    world = worlds(job)
    first = world.first_write + POLICIES.index(policy) % STRIDE
    for point in range(first, world.operations + 1, STRIDE):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        with suppress(SimulatedKill):
            run(job, FaultFileSystem(disk, fail_at=point, mode=FaultMode.KILL_AFTER))
        judge(disk.crash(policy), world, (job, policy, point))
