"""The event log on the first screen: it takes the focus, scrolls, follows, and says what its keys are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from esetui.tui.model import Level
from esetui.tui.screens.view import ViewScreen

if TYPE_CHECKING:
    from esetui.demo import Demo

SMALL, LARGE = (80, 24), (120, 40)
both_sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
Open = Any
MANY = 60


@both_sizes
async def test_it_is_reached_by_number_tab_and_mouse(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        for way in ("5", "tab", "mouse"):
            await stage.press("1")
            assert stage.app.main.place == "instances-pane"
            if way == "mouse":
                await stage.pilot.click("#events")
            else:
                for _ in range(1 if way == "5" else 4):
                    await stage.press(way)
            assert stage.app.main.place == "events-pane", way
            await stage.sees("space Pause", "ctrl+s Export", "/ Filter", "? Help")


@both_sizes
async def test_it_scrolls_and_says_what_is_newer(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        for number in range(MANY):
            stage.control.feed.note(f"line {number}")
        await stage.sees(f"line {MANY - 1}")
        await stage.press("5", "home")
        await stage.sees("line 0", f"{MANY - 1} newer below")
        await stage.until(lambda: f"line {MANY - 1}" not in stage.text, "it is out of view")
        stage.control.feed.note("one more")
        await stage.sees(f"{MANY} newer below")
        await stage.until(lambda: "one more" not in stage.text, "it is out of view")
        await stage.press("pagedown", "pagedown")
        await stage.until(lambda: "line 0 " not in stage.text, "it is out of view")
        await stage.press("end")
        await stage.sees("one more")
        await stage.until(lambda: "newer below" not in stage.text, "it is out of view")
        stage.control.feed.note("and one")
        await stage.sees("and one")


async def test_a_row_opens_in_full(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        stage.control.feed.add(Level.WARN, "a long story " * 20, event_id=399, strings=("first", "second"))
        await stage.press("5")
        await stage.sees("enter Open")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.screen, ViewScreen))
        await stage.sees("event 399", "%1", "first", "second")
        await stage.press("escape")
        assert stage.app.screen is stage.app.main


async def test_a_pane_alone_says_the_way_back(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("5", "m")
        await stage.sees("m or esc: the other panes")
        await stage.until(lambda: "Instances" not in stage.text, "it is out of view")
        await stage.press("escape")
        await stage.sees("Instances")
        await stage.until(lambda: "the other panes" not in stage.text, "it is out of view")
