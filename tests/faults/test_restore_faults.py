"""A restore fails or dies at every operation in turn, or the power goes there.  Afterwards, always:

- the set is untouched, byte for byte;
- what bears the name of a database is a whole and clean one: the restored one, or the one that was there before;
- what is half-made bears another name and is refused, unless the restore had only its name left to give;
- the restore can be run again, and gives the databases that an undisturbed one gives.

CRASH_ALL=1 takes every operation (`make crash`); the default is a share of them, another one each mode.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.header_file import read_header
from engine.instance import Instance
from engine.restore.copies import RESTORING
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem

STRIDE = 1 if os.environ.get("CRASH_ALL") else 29
PAGE = 4096
INST, SET, DEST, LOGS = "/inst", "/set", "/dest", "/logs"
NAMES = ("a.edb", "b.edb")
POLICIES = [CrashPolicy.KEEP_ALL, CrashPolicy.DROP_ALL, CrashPolicy.RANDOM, CrashPolicy.TORN, CrashPolicy.REORDERED]
MODES = list(FaultMode)
PLACES = ("elsewhere", "original")


def env(fs: FileSystem) -> Environment:
    return Environment(fs=fs, sleep=lambda _: None)


def files(fs: FileSystem, folder: str) -> dict[str, bytes]:
    found = {}
    for entry in fs.list(folder):
        with fs.open(f"{folder}/{entry.name}") as file:
            found[entry.name] = file.read_at(0, file.size())
    return found


@dataclass
class World:
    """A disk with a set of two databases (full and incremental), the instance that it is of, and newer logs."""

    place: str
    disk: CrashFileSystem = field(default_factory=CrashFileSystem)
    operations: int = 0
    first_write: int = 0
    source: dict[str, bytes] = field(default_factory=dict)
    before: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        disk = self.disk
        for folder in (INST, SET, DEST, LOGS):
            disk.make_directory(folder)
        for name in NAMES:
            with DatabaseBuilder(env(disk), f"{INST}/{name}", threaded=False) as builder:
                rows = [{"id": each} for each in range(40)]
                builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
        instance = Instance(path=INST, env=env(disk), page_size=PAGE, log_file_size=64)
        instance.init()
        with instance.session() as session:
            for name in NAMES:
                session.attach(f"{INST}/{name}")
            instance.backup(SET)
            instance.writer.roll()
            instance.backup(SET, incremental=True)
            instance.writer.roll()
        instance.term()
        disk.sync_all()
        self.source = files(disk, SET)
        self.before = {name: data for name, data in files(disk, INST).items() if name in NAMES}
        counting = FaultFileSystem(disk.crash(CrashPolicy.KEEP_ALL))
        restore(counting, self.place)
        self.operations = counting.count
        self.first_write = next(each.n for each in counting.operations if each.op == "write")
        self.pages = self.bodies(counting.inner)

    @property
    def folder(self) -> str:
        return DEST if self.place == "elsewhere" else INST

    def bodies(self, fs: FileSystem) -> dict[str, bytes]:
        """Return the pages of the restored databases; their headers have times and signatures of their own."""
        return {name: data[2 * PAGE :] for name, data in files(fs, self.folder).items() if name in NAMES}


@pytest.fixture(scope="module")
def worlds() -> Callable[[str], World]:
    made: dict[str, World] = {}

    def world(place: str) -> World:
        if place not in made:
            made[place] = World(place)
        return made[place]

    return world


def restore(fs: FileSystem, place: str) -> None:
    """Restore elsewhere, or to the original place and through the newer logs there."""
    logs, target = (LOGS, DEST) if place == "elsewhere" else (INST, None)
    instance = Instance(path=logs, env=env(fs), page_size=PAGE, log_file_size=64)
    try:
        instance.restore(SET, target)
    finally:
        instance.abandon()


def judge(fs: FileSystem, world: World, case: object) -> None:
    assert files(fs, SET) == world.source, case
    there = files(fs, world.folder)
    for name in NAMES:
        old = world.before.get(name) if world.place == "original" else None
        if there.get(name) != old:
            assert read_header(fs, f"{world.folder}/{name}").header.clean, case
            assert there[name][2 * PAGE :] == world.pages[name], case
        half = f"{world.folder}/{name}{RESTORING}"
        if fs.stat(half) is not None and not is_whole(fs, half):
            with pytest.raises(EseError):
                attach(fs.crash(CrashPolicy.KEEP_ALL) if isinstance(fs, CrashFileSystem) else fs, half)
    restore(fs, world.place)
    assert files(fs, SET) == world.source, case
    assert world.bodies(fs) == world.pages, case
    assert not [name for name in files(fs, world.folder) if name.endswith(RESTORING)], case
    for name in NAMES:
        assert read_header(fs, f"{world.folder}/{name}").header.clean, case
        assert verify(f"{world.folder}/{name}", fs=fs).ok, case


def is_whole(fs: FileSystem, path: str) -> bool:
    try:
        return read_header(fs, path).header.clean
    except EseError:
        return False


def attach(fs: FileSystem, path: str) -> None:
    """Try to use what a dead restore left as a database."""
    fs.make_directory("/other")
    instance = Instance(path="/other", env=env(fs), page_size=PAGE, log_file_size=64)
    try:
        instance.init()
        with instance.session() as session:
            session.attach(path)
    finally:
        instance.abandon()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", MODES, ids=[each.name.lower() for each in MODES])
def test_a_restore_that_fails_or_dies_anywhere(worlds: Callable[[str], World], place: str, mode: FaultMode) -> None:
    world = worlds(place)
    assert world.operations > 150
    for point in range(1 + MODES.index(mode) % STRIDE, world.operations + 1, STRIDE):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        with suppress(EseError, SimulatedKill):
            restore(FaultFileSystem(disk, fail_at=point, mode=mode), place)
        judge(disk.crash(CrashPolicy.KEEP_ALL), world, (place, mode, point))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("policy", POLICIES, ids=[each.name.lower() for each in POLICIES])
def test_the_power_goes_anywhere(worlds: Callable[[str], World], place: str, policy: CrashPolicy) -> None:
    world = worlds(place)
    first = world.first_write + POLICIES.index(policy) % STRIDE
    for point in range(first, world.operations + 1, STRIDE):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        with suppress(SimulatedKill):
            restore(FaultFileSystem(disk, fail_at=point, mode=FaultMode.KILL_AFTER), place)
        judge(disk.crash(policy), world, (place, policy, point))
