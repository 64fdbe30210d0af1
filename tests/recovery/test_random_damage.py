"""Random damage to a crashed instance: never a wrong clean database, and every refusal names file and place.

What may come of it: a typed error, and the database as it was; or a clean database that holds what the log says up to
where the result says that it stands.  A page of the file that is damaged and that no record touches stays damaged, and
is found by its checksum, as it would be in any engine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.header_file import read_header
from engine.instance import Instance
from engine.pages.source import FilePages
from engine.recovery.memory import open_recovered
from engine.recovery.stop import StopPoint
from engine.space import owned_pages
from tests.faults.test_recovery_faults import content
from tests.recovery.oracle_files import page_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.types import LgPos

EXAMPLES: Final = int(os.environ.get("ESE_FUZZ_EXAMPLES", "60"))
INST: Final = "/inst"
DATABASE: Final = f"{INST}/a.edb"
LOGS: Final = ("edb.log", "edb00000001.log")
FILES: Final = (*LOGS, "edb.chk", "a.edb", "edbtmp.log", "a.jfm")
PAGE: Final = 8192


class Damage(NamedTuple):
    """One thing that is done to a file: `at` and `size` are parts of 1024 of its length."""

    kind: str
    name: str
    at: int
    size: int
    value: int


DAMAGE: Final = st.builds(
    Damage,
    st.sampled_from(("flip bit", "change bytes", "cut", "zero", "remove", "swap logs", "other log", "other database",
                     "other checkpoint", "later checkpoint")),
    st.sampled_from(FILES),
    st.integers(0, 1023),
    st.integers(1, 1023),
    st.integers(1, 255),
)  # fmt: skip


class World:
    """The instance, another one, and what the log says at each stop."""

    def __init__(self, dirty: Path) -> None:
        self.folder = dirty / "dirty-termabrupt" / "before"
        self.disk = CrashFileSystem()
        self.disk.load(str(self.folder), INST)
        self.other = {each.name: each.read_bytes() for each in (dirty / "dirty-inserts" / "before").iterdir()}
        self.later = (dirty / "dirty-termabrupt" / "after" / "edb.chk").read_bytes()
        self.database = self.read(self.disk, DATABASE)
        self._at: dict[LgPos, dict[int, tuple[object, ...]]] = {}

    @staticmethod
    def read(fs: CrashFileSystem, path: str) -> bytes:
        with fs.open(path) as file:
            return file.read_at(0, file.size())

    def at(self, stands: LgPos) -> dict[int, tuple[object, ...]]:
        """Return the content of the undamaged database, recovered to a position."""
        if stands not in self._at:
            disk = self.disk.crash(CrashPolicy.KEEP_ALL)
            run(disk, StopPoint(position=stands))
            self._at[stands] = content(disk, DATABASE)
        return self._at[stands]


@pytest.fixture(scope="module")
def world(oracle: Callable[[str], Path]) -> World:
    return World(oracle("dirty"))


def run(fs: CrashFileSystem, stop: StopPoint | None = None) -> Any:
    instance = Instance(path=INST, page_size=PAGE, log_file_size=128, env=Environment(fs=fs, sleep=lambda _: None))
    try:
        result = instance.init(stop_at=stop)
        instance.term()
    finally:
        instance.abandon()
    return result


def do(fs: CrashFileSystem, world: World, damage: Damage) -> None:
    path = f"{INST}/{damage.name}"
    if damage.kind == "remove":
        if fs.stat(path) is not None:
            fs.unlink(path)
        return
    if damage.kind == "swap logs":
        first, second = (world.read(fs, f"{INST}/{name}") for name in LOGS)
        rewrite(fs, f"{INST}/{LOGS[0]}", second)
        rewrite(fs, f"{INST}/{LOGS[1]}", first)
        return
    found = replacement(world, damage)
    if found is not None:
        rewrite(fs, *found)
    elif fs.stat(path) is not None:
        change(fs, world, path, damage)


def replacement(world: World, damage: Damage) -> tuple[str, bytes] | None:
    """Return what takes the place of which file."""
    found = {
        "other log": (LOGS[damage.value % 2], world.other[LOGS[damage.value % 2]]),
        "other database": ("a.edb", world.other["a.edb"]),
        "other checkpoint": ("edb.chk", world.other["edb.chk"]),
        "later checkpoint": ("edb.chk", world.later),
    }.get(damage.kind)
    return None if found is None else (f"{INST}/{found[0]}", found[1])


def change(fs: CrashFileSystem, world: World, path: str, damage: Damage) -> None:
    """Change the bytes of a file."""
    data = bytearray(world.read(fs, path))
    at = damage.at * len(data) // 1024
    size = max(1, damage.size * len(data) // (1024 * 64))
    if not data:
        return
    if damage.kind == "flip bit":
        data[at] ^= 1 << damage.value % 8
    elif damage.kind == "change bytes":
        # The same bits of bytes side by side cancel out in the checksum of the format: no engine would see that.
        for number, place in enumerate(range(at, min(at + min(size, 16), len(data)))):
            data[place] ^= (damage.value + 37 * number * number) % 255 + 1
    elif damage.kind == "zero":
        data[at : at + size] = bytes(len(data[at : at + size]))
    else:
        del data[at:]
    rewrite(fs, path, bytes(data))


def rewrite(fs: CrashFileSystem, path: str, data: bytes) -> None:
    if fs.stat(path) is not None:
        fs.unlink(path)
    with fs.open(path, OpenMode.CREATE) as file:
        file.write_at(0, data)


@pytest.mark.oracle
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(damages=st.lists(DAMAGE, min_size=1, max_size=2))
def test_never_a_wrong_clean_database(world: World, damages: list[Damage]) -> None:
    disk = world.disk.crash(CrashPolicy.KEEP_ALL)
    for damage in damages:
        do(disk, world, damage)
    before = world.read(disk, DATABASE) if disk.stat(DATABASE) is not None else None
    result: Any = None
    error: EseError | None = None
    try:
        result = run(disk)
    except EseError as raised:
        error = raised
    if error is not None:
        assert error.code < 0
        assert error.path, error
        if before is not None:
            assert world.read(disk, DATABASE) == before, "a refusal changes nothing"
        return
    if disk.stat(DATABASE) is None:
        return
    header = read_header(disk, DATABASE).header
    if not header.clean:
        assert world.read(disk, DATABASE) == before, "a database that did not take part is left alone"
        return
    if header.sign_db != read_header(world.disk, DATABASE).header.sign_db:
        return
    found, damaged = readable(disk)
    wanted = world.at(result.stands)
    assert {pgno: page for pgno, page in wanted.items() if pgno not in damaged} == found, (damages, result)
    touched = any(each.name == "a.edb" for each in damages)
    assert touched or not damaged, "damage of logs damages no page"


def readable(fs: CrashFileSystem) -> tuple[dict[int, tuple[object, ...]], set[int]]:
    """Return the content of the pages that can be read, one wrong bit put right, and the numbers of the others."""
    found: dict[int, tuple[object, ...]] = {}
    damaged = set()
    with fs.open(DATABASE, OpenMode.READ) as file:
        pages = FilePages(file, PAGE)
        for pgno in range(1, owned_pages(file, PAGE).last + 1):
            try:
                page = page_content(bytes(pages.page(pgno).data), pgno)
            except EseError as error:
                if error.code != Err.PageNotInitialized:
                    damaged.add(pgno)
                continue
            found[pgno] = ("empty",) if page[0] == "empty" else page[1:]
    return found, damaged


@pytest.mark.oracle
def test_in_memory_refuses_the_same(world: World) -> None:
    """One damage of each kind, so that the two ways do not drift apart."""
    kinds = ("swap logs", "other log", "other checkpoint", "later checkpoint", "other database")
    for kind in kinds:
        outcomes = []
        for way in ("in place", "in memory"):
            disk = world.disk.crash(CrashPolicy.KEEP_ALL)
            do(disk, world, Damage(kind, "edb.log", 0, 1, 1))
            try:
                if way == "in place":
                    run(disk)
                else:
                    with open_recovered(INST, env=Environment(fs=disk)):
                        pass
                outcomes.append(0)
            except EseError as error:
                outcomes.append(error.code)
        assert bool(outcomes[0]) == bool(outcomes[1]), (kind, outcomes)
