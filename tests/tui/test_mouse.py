"""The mouse does what the keys do: rows, cells, the keys in the footer, buttons of dialogs, the help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from textual.events import MouseScrollDown

from esetui.jobs import JobKind, JobState

if TYPE_CHECKING:
    from esetui.demo import Demo
    from tests.tui.conftest import Stage

Open = Any
both_sizes = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


async def click(stage: Stage, text: str, *, times: int = 1) -> None:
    """Click where the text stands on the screen, first place from the top."""
    for y, line in enumerate(stage.text.splitlines()):
        x = line.find(text)
        if x >= 0:
            await stage.pilot.click(offset=(x, y), times=times)
            await stage.pilot.pause(0.1)
            return
    raise AssertionError(f"{text!r} is not on the screen\n{stage.text}")


@both_sizes
async def test_rows(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await click(stage, "  lease.mdb")
        assert stage.app.main.instances.chosen.database.name == "lease.mdb"
        await click(stage, "  tickets.edb")
        assert stage.app.main.instances.chosen.database.name == "tickets.edb"
        await click(stage, "  lease.mdb")
        await click(stage, "  lease.mdb", times=2)
        await stage.until(lambda: stage.app.screen is not stage.app.main, "the row is open")
        await stage.sees("page size")
        await stage.press("escape")
        assert stage.app.screen is stage.app.main


@both_sizes
async def test_footer_and_dialog(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await click(stage, "b Backup")
        await stage.sees("Full backup of dhcp")
        await click(stage, "Cancel")
        await stage.until(lambda: stage.app.screen is stage.app.main, "the dialog is closed")
        assert not stage.control.board.snapshot().jobs
        await click(stage, "b Backup")
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled, "a plan without refusal")
        await click(stage, "Back up")
        await stage.idle()
        [job] = stage.control.board.snapshot().jobs
        assert (job.kind, job.state) == (JobKind.FULL, JobState.DONE)
        await stage.sees("full")
        await stage.pilot.click("#sets", offset=(2, 0))
        assert stage.app.main.place == "sets-pane"
        await click(stage, "v Verify")
        await stage.idle()
        assert stage.control.board.snapshot().jobs[-1].kind is JobKind.VERIFY
        await stage.pilot.click("#events", offset=(5, 0))
        assert stage.app.main.place == "events-pane"
        assert stage.app.main.choice().event is not None


@both_sizes
async def test_page_map(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await stage.press("down", "v")
        await stage.idle()
        await stage.pilot.click("#map", offset=(5, 0))
        assert stage.app.main.place == "map-pane"
        assert stage.app.main.page_map.cursor == 5
        await stage.sees(f"from page {stage.app.main.page_map.span[0]}: ")


@both_sizes
async def test_help_and_quit(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await click(stage, "? Help")
        await stage.sees("Full backup: every attached database")
        await stage.press("escape")
        await click(stage, "q Quit")
        await stage.until(lambda: stage.app._exit, "the console ends")


async def test_wheel(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        for number in range(200):
            stage.control.feed.note(f"line {number:03}")
        await stage.press("5", "home")
        await stage.sees("line 000")
        events = stage.app.main.events
        where = events.region
        for _ in range(3):
            stage.app.screen._forward_event(
                MouseScrollDown(None, where.x + 3, where.y + 1, 0, 1, 0, shift=False, meta=False, ctrl=False)
            )
            await stage.pilot.pause(0.1)
        assert events.scroll_offset.y > 0
