"""Dialogs: the plan in them can be read to its end, and keys that are named do something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.instance import Instance
from esetui.tui.model import BackupFolderView, FolderState, SetView, State, Verdict, worst_state
from esetui.tui.screens.main import _sets_foot

if TYPE_CHECKING:
    import pytest

    from esetui.demo import Demo

Open = Any
LAST = "checkpoint brought up to the"


async def test_a_plan_that_is_longer_than_its_room_scrolls(console: Open, demo: Demo) -> None:
    async with console(demo, (80, 24)) as stage:
        await stage.press("b")
        await stage.sees("up down scroll", "y copy command", "reads")
        await stage.press("pagedown", "pagedown")
        await stage.sees(LAST)
        await stage.until(lambda: "reads" not in stage.text, "the beginning is out of view")
        await stage.press("pageup", "pageup")
        await stage.sees("reads")
        await stage.press(*["down"] * 3)
        await stage.until(lambda: "reads" not in stage.text, "three lines further down")
        await stage.press("escape")


async def test_a_plan_that_fits_needs_no_scrolling(console: Open, demo: Demo) -> None:
    async with console(demo, (120, 40)) as stage:
        await stage.press("b")
        await stage.sees("reads", LAST, "y copy command")
        assert "up down scroll" not in stage.text
        await stage.press("escape")


async def test_what_has_no_command_offers_none(console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(demo) as stage:
        said: list[str] = []
        monkeypatch.setattr(stage.app, "notify", lambda text, **_: said.append(text))
        await stage.press("s")
        await stage.sees("what will be written", "marked dirty while", "esc back")
        assert "$" not in stage.text
        assert "y copy command" not in stage.text
        await stage.press("y")
        assert said == ["There is no command for this."]
        await stage.press("escape")


async def test_an_instance_that_another_program_has_is_locked_and_not_in_trouble(console: Open, demo: Demo) -> None:
    folder = Path(demo.instances[0])
    with Instance(path=folder, base_name="j50", page_size=4096, log_file_size=256) as instance:
        instance.session().attach(folder / "dhcp.mdb")
        async with console(demo) as stage:
            await stage.sees("2 instances  1 locked, none in trouble")
            assert "DIRTY" not in stage.text
            view = stage.control.overview.instances[0]
            assert [each.state for each in view.databases] == [State.LOCKED, State.CLEAN]
            assert worst_state(view) is State.LOCKED
            await stage.press("s")
            await stage.sees("Cannot: Another program has this instance.")
            assert stage.app.screen.query_one("#go").disabled
            await stage.press("escape")


def test_a_set_in_the_making_is_no_backup() -> None:
    made = [SetView("a", "/b", "full", None, verdict) for verdict in (Verdict.VERIFIED, Verdict.NEVER)]
    half = SetView("c", "/c", "full", None, Verdict.UNFINISHED)

    def said(*sets: SetView, state: FolderState = FolderState.PRESENT) -> str:
        return _sets_foot(BackupFolderView("/b", state, sets))

    assert said(*made) == "2 backups"
    assert said(*made, half) == "2 backups, 1 half-made"
    assert said(half) == "1 half-made"
    assert said(state=FolderState.UNREACHABLE) == "UNREACHABLE"
    assert (said(), _sets_foot(None)) == ("", "")
