"""What a verification finds is the word of the database and its instance, until a later one finds it whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.format.dbheader import DatabaseHeader
from esetui.jobs import JobKind
from esetui.tui.model import State, Verdict

if TYPE_CHECKING:
    from esetui.demo import Demo
    from tests.tui.conftest import Stage

Open = Any


def wound(path: Path, page: int = 90) -> bytes:
    whole = path.read_bytes()
    data = bytearray(whole)
    data[(page + 1) * 4096 + 1000 : (page + 1) * 4096 + 1100] = bytes(range(100))
    path.write_bytes(data)
    return whole


def states(stage: Stage) -> tuple[State, list[State]]:
    view = next(each for each in stage.control.overview.instances if each.name == "dhcp")
    return view.state, [each.state for each in view.databases]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_damaged_until_a_later_verification_is_good(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    whole = wound(path)
    async with console(demo, size) as stage:
        assert states(stage) == (State.CLEAN, [State.CLEAN, State.CLEAN])
        await stage.press("down", "v")
        await stage.idle()
        assert states(stage) == (State.DAMAGED, [State.DAMAGED, State.CLEAN])
        await stage.sees("dhcp", "DAMAGED", "dhcp.mdb: page 90")
        await stage.press("1", "f5")
        await stage.idle()
        assert states(stage)[0] is State.DAMAGED, "a scan does not forget it"
        await stage.press("home", "down", "down", "v")
        await stage.idle()
        assert states(stage)[0] is State.DAMAGED, "another database being whole does not make this one so"
        path.write_bytes(whole)
        await stage.press("home", "v")
        await stage.idle()
        assert states(stage) == (State.CLEAN, [State.CLEAN, State.CLEAN])


async def test_a_damaged_log_damages_its_instance(console: Open, demo: Demo) -> None:
    path = Path(demo.instances[0]) / "j50.log"
    data = bytearray(path.read_bytes())
    data[4096 + 100] ^= 0xFF
    path.write_bytes(data)
    async with console(demo) as stage:
        await stage.press("home", "v")
        await stage.idle()
        assert states(stage) == (State.DAMAGED, [State.CLEAN, State.CLEAN])


async def test_a_backup_that_meets_damage_tells_of_it(console: Open, demo: Demo) -> None:
    wound(Path(demo.instances[0]) / "dhcp.mdb")
    async with console(demo) as stage:
        await stage.press("b")
        await stage.confirm()
        await stage.idle()
        await stage.sees("FAILED")
        assert states(stage) == (State.DAMAGED, [State.DAMAGED, State.CLEAN])


async def test_a_damaged_set_is_broken(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("b")
        await stage.confirm()
        await stage.idle()
        wound(Path(demo.backup) / "dhcp.mdb")
        await stage.press("2", "v")
        await stage.idle()
        [made] = stage.control.overview.folders[0].sets
        assert (made.verdict, made.reason) == (Verdict.BROKEN, "damaged")
        assert states(stage)[0] is State.CLEAN


async def test_the_command_for_a_dirty_instance_recovers(console: Open, demo: Demo) -> None:
    """Starting a dirty instance recovers it; the command does so only when told."""
    path = Path(demo.instances[0]) / "dhcp.mdb"
    page = path.read_bytes()[:4096]
    header = DatabaseHeader.parse(page)
    async with console(demo) as stage:
        view = stage.control.overview.instances[0]
        for kind in (JobKind.FULL, JobKind.INCREMENTAL, JobKind.ATOMIC, JobKind.TRUNCATE):
            assert "--recover" not in stage.control.command(kind, view, target="/b")
        assert header.clean
        _make_dirty(path)
        await stage.press("f5")
        await stage.idle()
        view = next(each for each in stage.control.overview.instances if each.name == "dhcp")
        for kind in (JobKind.FULL, JobKind.INCREMENTAL, JobKind.ATOMIC, JobKind.TRUNCATE):
            assert stage.control.command(kind, view, target="/b").endswith(" --recover")
        assert "--recover" not in stage.control.command(JobKind.VERIFY, view, path=view.folder)
        await stage.press("home", "b")
        await stage.sees("--recover")


def _make_dirty(path: Path) -> None:
    """Mark a database as one whose last run did not end."""
    data = bytearray(path.read_bytes())
    header = DatabaseHeader.parse(bytes(data[:4096]))
    dirty = header.replace(
        state=2, gen_min_required=1, gen_max_required=1, gen_max_committed=1, gen_min_consistent=1
    ).pack()
    data[: 2 * 4096] = dirty * 2
    path.write_bytes(data)
