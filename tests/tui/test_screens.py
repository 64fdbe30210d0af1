"""What all screens beside the first one have in common: actions, help, mouse, sizes, leaving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from esetui.actions import ACTIONS, BY_ID
from esetui.tui.doing.base import EVERYWHERE, ActionScreen
from esetui.tui.screens.browse import BrowseScreen
from esetui.tui.screens.check import CheckScreen
from esetui.tui.screens.plan import PlanScreen
from esetui.tui.screens.restore import RestoreScreen

if TYPE_CHECKING:
    from esetui.demo import Demo

Open = Any
SCREENS = {"w": BrowseScreen, "c": CheckScreen, "p": PlanScreen, "r": RestoreScreen}
every_screen = pytest.mark.parametrize("key", SCREENS)


async def go(stage: Any, key: str) -> Any:
    await stage.press("down", key)
    await stage.until(lambda: isinstance(stage.app.screen, SCREENS[key]), "the screen is open")
    await stage.idle()
    return stage.app.screen


@every_screen
async def test_every_action_can_be_run_or_says_why_not(console: Open, demo: Demo, key: str) -> None:
    async with console(demo) as stage:
        screens: list[ActionScreen] = [stage.app.main]
        screens.append(await go(stage, key))
        for screen in screens:
            for action in ACTIONS:
                name = f"do_{action.id}"
                if not screen.why_not(action):
                    general = hasattr(stage.app, name) and (screen is stage.app.main or action.id in EVERYWHERE)
                    assert hasattr(screen, name) or general, action.id
        assert stage.app.main.why_not(BY_ID["browse_index"]) == "only in the browser"
        assert "first screen" in screens[1].why_not(BY_ID["backup_full"])
        assert "first screen" in screens[1].why_not(BY_ID["choose_target"])


@every_screen
async def test_help_theme_and_the_way_back_with_the_mouse(console: Open, demo: Demo, key: str) -> None:
    async with console(demo) as stage:
        screen = await go(stage, key)
        await stage.press("question_mark")
        await stage.sees("enter runs the row")
        await stage.press("escape")
        assert stage.app.screen is screen
        before = stage.app.theme
        stage.app.set_focus(None)
        await stage.press("t")
        assert stage.app.theme != before
        # The first key of the lower line is the way back.
        await stage.pilot.click("#keys", offset=(3, 0))
        await stage.until(lambda: stage.app.screen is stage.app.main, "back on the first screen")


@every_screen
@pytest.mark.parametrize("size", [(60, 15), (79, 22), (160, 50)], ids=["60x15", "79x22", "160x50"])
async def test_other_sizes_of_terminals(console: Open, demo: Demo, key: str, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await go(stage, key)
        lines = stage.text.splitlines()
        assert len(lines) == size[1]
        assert all(len(line) <= size[0] for line in lines)
        assert "esc Back" in lines[-1]
        await stage.pilot.resize_terminal(40, 10)
        await stage.sees("esetui needs 60")


async def test_a_click_goes_to_a_cell_and_a_second_one_opens_it(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        screen = await go(stage, "w")
        await stage.until(lambda: screen.grid.known > 3, "rows are there")
        await stage.pilot.pause(0.3)
        await stage.pilot.click("#rows", offset=(10, 4))
        await stage.until(lambda: screen.grid.cursor == 2, "the row under the mouse")
        await stage.pilot.click("#rows", offset=(10, 4), times=2)
        await stage.sees("kept", "esc back")


async def test_quitting_asks_while_a_check_runs_on_another_screen(
    console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(demo) as stage:
        await go(stage, "w")
        control = stage.control
        real = control.board.snapshot

        class Busy:
            running = (type("Job", (), {"kind": type("Kind", (), {"value": "integrity check"})})(),)

        monkeypatch.setattr(control.board, "snapshot", Busy)
        stage.app.run_named("quit")
        monkeypatch.setattr(control.board, "snapshot", real)
        await stage.sees("Quit?", "The integrity check will be cancelled")
        await stage.press("escape")
        assert Path(demo.folder).exists()
