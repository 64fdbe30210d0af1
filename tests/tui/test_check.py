"""The integrity check in the console: findings as they are made, what they mean, cancelling."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.check import CheckKind
from engine.files.realfile import RealFile
from engine.monitor import Cell
from engine.table import open_database
from esetui.jobs import JobKind, JobState
from esetui.tui.check_words import advice_for
from esetui.tui.model import State
from esetui.tui.screens.check import CheckScreen
from tests.recovery.oracle_files import writable_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from esetui.demo import Demo

SMALL = (80, 24)
LARGE = (120, 40)
both_sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
Open = Any


async def check(stage: Any, *keys: str) -> None:
    await stage.press("down", "c", *keys)
    await stage.until(lambda: isinstance(stage.app.screen, CheckScreen), "the screen is open")


@both_sizes
async def test_a_sound_database_is_good(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await check(stage)
        await stage.sees("Check dhcp.mdb", "good", "pages read", "0 errors", "Page map", "Nothing is wrong", "esc Back")
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        (job,) = stage.control.board.snapshot().jobs
        assert (job.kind, job.state) == (JobKind.CHECK, JobState.DONE)
        assert set(job.monitor.map_cells) == {Cell.VERIFIED, Cell.FREE}, "what no tree holds is free at the end"
        assert job.command == f"esetui check {Path(demo.instances[0]) / 'dhcp.mdb'}"
        await stage.press("escape")
        assert stage.app.screen is stage.app.main


@both_sizes
async def test_a_finding_says_what_it_means_and_what_to_do(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    with open_database(path) as database:
        pgno = next(islice(database["AuditLog"].tree.leaves(), 3, 4)).pgno
    data = bytearray(path.read_bytes())
    data[(pgno + 1) * 4096 + 1000 : (pgno + 1) * 4096 + 1100] = bytes(range(100))
    path.write_bytes(data)
    async with console(demo, size) as stage:
        await check(stage)
        await stage.sees("DAMAGED", "checksum", "AuditLog", f"page {pgno}", "e Repair pages")
        await stage.press("enter")
        await stage.sees("What it means", "not the page that was written", "What to do", "ReadVerifyFailure")
        await stage.press("escape")
        assert ("What it means" in stage.text) is (size == LARGE)
        await stage.press("slash", *"no-such")
        await stage.sees("No finding fits")
        await stage.press("escape", "escape")
        assert stage.app.screen is stage.app.main
        await stage.idle()
        await stage.sees("DAMAGED", "e Repair pages")


@pytest.mark.oracle
async def test_a_dirty_database_as_it_is_and_as_recovered(
    console: Open, demo: Demo, oracle: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-inserts" / "before", tmp_path / "evidence")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    async with console(demo, SMALL, str(folder)) as stage:
        await stage.press("c")
        await stage.sees("As recovered in memory", "As it is on disk")
        await stage.press("enter")
        await stage.sees("as recovered in memory", "good")
        await stage.press("escape", "c", "tab", "enter")
        await stage.sees("state", "not shut down cleanly", "may be gone")
        assert stage.app.screen.query_one("#findings").count() > 10
        assert stage.control.overview.instances[0].databases[0].state is State.DIRTY
        jobs = stage.control.board.snapshot().jobs
        assert [each.command.endswith("--replay") for each in jobs] == [True, False]
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


async def test_a_check_can_be_cancelled(console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    read = RealFile.read_at

    def slowly(self: RealFile, offset: int, length: int) -> bytes:
        if length == 4096:
            time.sleep(0.02)
        return read(self, offset, length)

    monkeypatch.setattr(RealFile, "read_at", slowly)
    async with console(demo) as stage:
        await check(stage)
        await stage.press("x")
        await stage.sees("Cancel the integrity check?")
        await stage.press("tab", "enter")
        await stage.until(lambda: not stage.control.board.running(), "it ends")
        await stage.sees("CANCELLED")
        (job,) = stage.control.board.snapshot().jobs
        assert job.state is JobState.CANCELLED


@pytest.mark.parametrize("kind", list(CheckKind))
def test_every_kind_of_finding_has_a_meaning_and_a_next_step(kind: CheckKind) -> None:
    advice = advice_for(kind)
    assert advice.meaning.endswith(".")
    assert advice.action.endswith(".")


async def test_a_running_instance_is_not_checked(console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(demo) as stage:
        await stage.press("s")
        await stage.confirm()
        await stage.idle()
        said: list[str] = []
        monkeypatch.setattr(stage.app, "notify", lambda text, **_: said.append(text))
        await stage.press("1", "home", "down", "c")
        assert said == ["Check: the instance is running; s stops it."]
        await stage.press("w")
        await stage.sees("running: as on")
        await stage.press("escape")
