"""Restore, drill and page repair from the console: our own sets and those of the real engine."""

from __future__ import annotations

import hashlib
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.info import database_info
from engine.table import open_database
from engine.verify import verify
from esetui.jobs import JobKind, JobState
from esetui.tui.screens.restore import RestoreScreen
from tests.recovery.oracle_files import writable_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from esetui.demo import Demo

SMALL = (80, 24)
LARGE = (120, 40)
both_sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
Open = Any


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir() if each.is_file()}


async def back_up(stage: Any, *keys: str) -> None:
    for key in keys:
        await stage.press("1", key)
        await stage.confirm()
        await stage.idle()


async def restore(stage: Any) -> None:
    await stage.press("1", "r")
    await stage.until(lambda: isinstance(stage.app.screen, RestoreScreen), "the screen is open")
    await stage.until(lambda: stage.app.screen.plan is not None, "the plan is made")
    await stage.pilot.pause(0.3)


@both_sizes
async def test_a_set_goes_to_a_new_folder(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await back_up(stage, "b", "i")
        before = {**digests(Path(demo.backup)), **digests(Path(demo.instances[0]))}
        await restore(stage)
        await stage.sees(
            "1 Set", "full", "└ inc", "2 Point in time", "newest", "to folder", "live logs", "databases", "lease.mdb",
            "replaced", "nothing", "$ esetui restore", "Restore", "Drill", "esc Back",
        )  # fmt: skip
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        await stage.press("r")
        await stage.sees("✓ copy and redo 2/2", "✓ clean", "done", "consistent at")
        job = stage.control.board.snapshot().jobs[-1]
        assert (job.kind, job.state) == (JobKind.RESTORE, JobState.DONE)
        assert job.command == f"esetui restore {demo.backup} --to {demo.backup}.restored"
        ids = [row.event_id for row in stage.control.feed.since(0)]
        assert [number for number in ids if number in (204, 205, 301)] == [204, 301, 301, 205]
    assert {**digests(Path(demo.backup)), **digests(Path(demo.instances[0]))} == before
    for name in ("dhcp.mdb", "lease.mdb"):
        assert database_info(Path(f"{demo.backup}.restored") / name).clean
        assert verify(Path(f"{demo.backup}.restored") / name).ok


async def test_an_earlier_point_in_time_is_a_stop(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await back_up(stage, "b", "i", "i")
        await restore(stage)
        screen = stage.app.screen
        assert [each.generation for each in screen.timeline.points] == [1, 2, 3]
        await stage.press("2", "up")
        await stage.until(lambda: screen.timeline.chosen.generation == 2, "the point is chosen")
        assert screen.command().endswith(".restored --until-generation 2")
        await stage.press("r")
        await stage.sees("✓ copy and redo 2/2", "✓ clean")
    assert database_info(Path(f"{demo.backup}.restored") / "dhcp.mdb").clean


async def test_replacing_wants_the_name_typed(console: Open, demo: Demo) -> None:
    target = Path(f"{demo.backup}.restored")
    async with console(demo) as stage:
        await back_up(stage, "b")
        shutil.copytree(demo.backup, target)
        before = digests(target)
        await restore(stage)
        await stage.sees("replaced")
        await stage.press("r")
        await stage.sees("what is there will be changed", "type name")
        await stage.press("escape")
        assert digests(target) == before


async def test_live_logs_are_offered_and_said_to_be_written(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await back_up(stage, "b")
        await restore(stage)
        assert not any(each.live for each in stage.app.screen.timeline.points)
        stage.app.screen.query_one("#live").press()
        await stage.until(lambda: any(each.live for each in stage.app.screen.timeline.points), "live logs")
        await stage.sees("live", "the log there is ended by this restore")
        await stage.press("r")
        await stage.sees("type name")


async def test_without_a_set_the_screen_teaches(console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(demo) as stage:
        said: list[str] = []
        monkeypatch.setattr(stage.app, "notify", lambda text, **_: said.append(text))
        await stage.press("r")
        await stage.until(lambda: isinstance(stage.app.screen, RestoreScreen), "the screen is open")
        await stage.sees("No backup set here yet", "the points in time")
        await stage.press("r")
        assert "there is no set" in said[0]


@pytest.mark.oracle
async def test_a_set_of_the_real_engine(
    console: Open, demo: Demo, oracle: Callable[[str], Path], tmp_path: Path
) -> None:
    source = next(each.parent for each in sorted(oracle("restore").rglob("*.pat")))
    folder = writable_copy(source, tmp_path / "set")
    before = digests(folder)
    async with console(demo) as stage:
        stage.control.set_target(str(folder))
        await stage.idle()
        await restore(stage)
        await stage.press("r")
        await stage.until(lambda: not stage.control.board.running(), "the job ends")
        await stage.sees("✓ clean", "done")
    assert digests(folder) == before


@both_sizes
async def test_a_drill_says_whether_the_set_restores(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await back_up(stage, "b")
        before = digests(Path(demo.backup))
        await stage.press("2", "d")
        await stage.until(lambda: stage.control.board.snapshot().jobs[-1].kind is JobKind.DRILL, "the drill")
        await stage.idle()
        job = stage.control.board.snapshot().jobs[-1]
        assert job.state is JobState.DONE
        assert job.summary.startswith("The set restores: 2 databases restored")
        assert job.command == f"esetui drill {demo.backup}"
        await stage.sees("done restore drill")
    assert digests(Path(demo.backup)) == before


async def test_a_damaged_page_is_rebuilt_from_the_set(console: Open, demo: Demo) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    async with console(demo) as stage:
        await back_up(stage, "b")
        with open_database(path) as database:
            pgno = next(islice(database["AuditLog"].tree.leaves(), 3, 4)).pgno
        whole = path.read_bytes()
        data = bytearray(whole)
        data[(pgno + 1) * 4096 + 1000 : (pgno + 1) * 4096 + 1100] = bytes(range(100))
        path.write_bytes(data)
        await stage.press("1", "home", "down", "v")
        await stage.idle()
        await stage.sees("DAMAGED", "e Repair pages")
        await stage.press("e")
        await stage.sees(f"Repair page {pgno} of dhcp.mdb", "from set", "checksum wrong", "AuditLog", "type name")
        stage.app.screen.query_one("#name").value = "dhcp.mdb"
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled, "the button")
        await stage.press("enter") if stage.app.screen.focused.id == "name" else stage.app.screen.query_one(
            "#go"
        ).press()
        await stage.until(lambda: stage.app.screen is stage.app.main, "the dialog is closed")
        await stage.idle()
        job = stage.control.board.snapshot().jobs[-1]
        assert (job.kind, job.state) == (JobKind.REPAIR, JobState.DONE)
        assert stage.control.damage.pages(str(path)) == []
        await stage.sees("1 page repaired")
    assert path.read_bytes() == whole


async def test_a_set_whose_log_is_ruined_is_refused_with_the_real_events(console: Open, demo: Demo) -> None:
    async with console(demo, LARGE) as stage:
        await back_up(stage, "b")
        log = next(Path(demo.backup).glob("*.log"))
        data = bytearray(log.read_bytes())
        data[5000:9000] = bytes(range(250)) * 16
        log.write_bytes(data)
        await restore(stage)
        await stage.press("r")
        await stage.sees("FAILED", "✗")
        ids = [row.event_id for row in stage.control.feed.since(0)]
        assert 204 in ids
        assert ids.index(205) > ids.index(204)
        assert {465, 463, 454} & set(ids)
        await stage.press("escape")
        await stage.sees("restore FAILED")
    assert not (Path(f"{demo.backup}.restored") / "dhcp.mdb").exists()


async def test_a_bad_page_met_by_a_backup_leads_to_its_repair(console: Open, demo: Demo, tmp_path: Path) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    async with console(demo) as stage:
        await back_up(stage, "b")
        with open_database(path) as database:
            pgno = next(islice(database["AuditLog"].tree.leaves(), 3, 4)).pgno
        data = bytearray(path.read_bytes())
        data[(pgno + 1) * 4096 + 1000 : (pgno + 1) * 4096 + 1100] = bytes(range(100))
        path.write_bytes(data)
        other = tmp_path / "other"
        other.mkdir()
        stage.control.backup(stage.control.overview.instances[0], JobKind.FULL, str(other))
        await stage.idle()
        assert stage.control.board.snapshot().jobs[-1].state is JobState.FAILED
        assert stage.control.damage.pages(str(path)) == [pgno]
        await stage.press("1", "home", "down")
        await stage.sees("DAMAGED", "e Repair pages")
