"""The console as a person uses it: each scene at 80 x 24 and 120 x 40."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sets import read_backup_set
from engine.files.real import RealFileSystem
from engine.info import database_info
from esetui.action import Scope
from esetui.actions import ACTIONS, BY_ID
from esetui.jobs import JobState
from esetui.tui.activity.screen import ActivityScreen
from esetui.tui.app import Console
from esetui.tui.model import Level, State
from esetui.tui.screens.browse import BrowseScreen
from esetui.tui.screens.check import CheckScreen
from esetui.tui.screens.plan import PlanScreen
from esetui.tui.screens.restore import RestoreScreen

if TYPE_CHECKING:
    from esetui.demo import Demo

SMALL = (80, 24)
LARGE = (120, 40)
both_sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
Open = Any


@both_sizes
async def test_first_screen_answers_the_five_questions(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await stage.sees(
            "2 instances", "all clean", "▾ dhcp", "lease.mdb", "full never", "checkpoint here",
            "No backup set here yet", "Nothing is running", "Event log", "b Backup", "? Help", "q Quit",
        )  # fmt: skip
        assert len(stage.text.splitlines()) == size[1]
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        assert ("Log stream" in stage.text) is (size == LARGE)


@both_sizes
async def test_full_backup_through_the_dialog(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await stage.press("b")
        await stage.sees("Full backup of dhcp", "reads", "writes", "deletes", "$ esetui backup", "Back up")
        await stage.confirm()
        await stage.idle()
        await stage.sees("done full backup", "pages verified", "213", "full  ", "verified")
    made = read_backup_set(demo.backup, fs=RealFileSystem())
    assert made.restorable
    assert [each.name for each in made.databases] == ["dhcp.mdb", "lease.mdb"]
    assert database_info(Path(demo.instances[0]) / "lease.mdb").state.name == "CLEAN_SHUTDOWN"


@both_sizes
async def test_chain_of_incrementals_and_atomic(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        for key, times in (("b", 1), ("i", 2)):
            for _ in range(times):
                await stage.press("1", key)
                await stage.confirm()
                await stage.idle()
        await stage.sees("├ inc", "└ inc", "2 logs verified", "log segments")
        assert [job.state for job in stage.control.board.snapshot().jobs] == [JobState.DONE] * 3
        overview = stage.control.overview
        assert [entry.kind for entry in overview.folders[0].sets] == ["full", "inc", "inc"]
        assert overview.instances[0].last_incremental.when is not None
        stage.control.set_target(str(Path(demo.backup) / "atomic"))
        Path(demo.backup, "atomic").mkdir()
        await stage.press("1", "a")
        await stage.confirm()
        await stage.idle()
        assert Path(demo.backup, "atomic", "new", "backup.json").exists()


async def test_incremental_without_a_full_backup_is_refused_before_anything(console: Open, demo: Demo) -> None:
    before = {path: path.read_bytes() for path in Path(demo.folder).rglob("*") if path.is_file()}
    async with console(demo) as stage:
        await stage.press("i")
        await stage.sees("Cannot:", "-560")
        assert stage.app.screen.query_one("#go").disabled
        await stage.press("escape")
    assert {path: path.read_bytes() for path in before} == before


async def test_looking_writes_nothing(console: Open, demo: Demo) -> None:
    before = {path: path.read_bytes() for path in Path(demo.folder).rglob("*") if path.is_file()}
    async with console(demo, LARGE) as stage:
        await stage.press(
            "down", "down", "enter", "escape", "l", "end", "escape", "2", "3", "4", "5", "m", "m", "1", "f5"
        )
        await stage.idle()
    after = {path: path.read_bytes() for path in Path(demo.folder).rglob("*") if path.is_file()}
    assert after == before


@both_sizes
async def test_start_shows_what_will_be_written_and_stop_leaves_it_clean(
    console: Open, demo: Demo, size: tuple[int, int]
) -> None:
    async with console(demo, size) as stage:
        await stage.press("s")
        await stage.sees("Start dhcp: what will be written", "marked dirty while")
        await stage.confirm()
        await stage.idle()
        await stage.sees("running", "Stop")
        assert stage.control.overview.instances[0].state is State.RUNNING
        assert database_info(Path(demo.instances[0]) / "dhcp.mdb").state.name == "DIRTY_SHUTDOWN"
        await stage.press("s")
        await stage.idle()
        await stage.sees("its databases are clean")
    assert database_info(Path(demo.instances[0]) / "dhcp.mdb").state.name == "CLEAN_SHUTDOWN"


@both_sizes
async def test_verify_names_the_damaged_page(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    data = bytearray(path.read_bytes())
    data[(40 + 1) * 4096 + 900] ^= 0x10
    data[(90 + 1) * 4096 + 1000 : (90 + 1) * 4096 + 1100] = bytes(range(100))
    path.write_bytes(data)
    async with console(demo, size) as stage:
        await stage.press("down", "v")
        await stage.idle()
        await stage.sees("DAMAGE FOUND", "2 bad", "dhcp.mdb, page 90", "found DAMAGE", "✗")
        await stage.press("4", "n")
        await stage.sees(": bad")


async def test_truncation_wants_the_name_typed(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("b")
        await stage.confirm()
        await stage.idle()
        await stage.press("1", "n")
        await stage.sees("Delete logs of dhcp", "type name")
        await stage.press("enter")
        assert stage.app.screen is not stage.app.main
        await stage.press(*"dhcp")
        await stage.confirm()
        await stage.idle()
        await stage.sees("Truncated")


@both_sizes
async def test_help_rows_run(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await stage.press("question_mark")
        await stage.sees("Keys", "Full backup: every attached database", "enter runs the row")
        await stage.press("enter")
        await stage.sees("Full backup of dhcp")


async def test_palette_finds_actions_and_themes(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("colon")
        await stage.press(*"atomic")
        await stage.sees("Atomic (a)")
        await stage.press("enter")
        await stage.sees("Atomic full backup of dhcp")


async def test_event_log_filters_by_id_level_and_words(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("b")
        await stage.confirm()
        await stage.idle()
        await stage.press("5", "slash", *"id:213", "enter")
        await stage.sees("213 backup finished", "1 of")
        assert "210 full backup begins" not in stage.text
        await stage.press("slash", "escape")
        await stage.until(lambda: len(stage.app.main.events.shown) > 5, "the filter is gone")
        await stage.press("enter")
        await stage.sees("Event", "level")


async def test_layout_follows_the_size(console: Open, demo: Demo) -> None:
    async with console(demo, (59, 14)) as stage:
        await stage.sees("esetui needs 60", "15 characters; this is 59")
    async with console(demo, (60, 15)) as stage:
        await stage.sees("Instances")
        assert all(len(line) <= 60 for line in stage.text.splitlines())
    async with console(demo, (200, 60)) as stage:
        await stage.sees("Details", "Log stream", "signature")
        await stage.press("5", "m")
        await stage.pilot.pause(0.2)
        assert "Instances" not in stage.text
        await stage.press("m")
        await stage.sees("Instances")


async def test_disabled_keys_say_why(console: Open, demo: Demo) -> None:
    async with console(demo, SMALL, demo.backup) as stage:
        await stage.sees("no instance found")
        await stage.sees("(b Backup)")
        assert stage.app.main.reason(BY_ID["backup_full"]) == "no instance is chosen"
        await stage.press("b")
        assert stage.app.screen is stage.app.main


async def test_quit_asks_while_an_instance_runs_and_stops_it(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        await stage.press("s")
        await stage.confirm()
        await stage.idle()
        await stage.press("q")
        await stage.sees("Quit?", "1 instance started here will be stopped clean")
        await stage.press("escape")
        assert stage.control.running()
        await stage.press("q", "right", "tab", "enter")
        await stage.until(lambda: not stage.control.running(), "the instance is stopped")
    assert database_info(Path(demo.instances[0]) / "dhcp.mdb").state.name == "CLEAN_SHUTDOWN"


async def test_hostile_names_are_only_text(console: Open, demo: Demo, tmp_path: Path) -> None:
    hostile = tmp_path / "[bold red]x[reset] \x1b[31mred\u202e"
    Path(demo.instances[0]).rename(hostile)
    async with console(demo, LARGE, str(hostile)) as stage:
        await stage.sees("[bold red]x[reset]", "\\x1b[31mred", "\\u202e")
        assert "\x1b" not in stage.text
        await stage.press("b")
        await stage.sees("Full backup of [bold red]x[reset] \\x1b[31mred\\u202e")


async def test_a_vanished_backup_directory_is_unreachable_and_not_empty(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        Path(demo.backup).rmdir()
        await stage.idle()
        await stage.sees("UNREACHABLE", "backup directory UNREACHABLE")


async def test_copies_in_the_making_are_no_databases_of_the_instance(console: Open, demo: Demo) -> None:
    async with console(demo, SMALL, demo.folder) as stage:
        await stage.press("a")
        await stage.confirm()
        await stage.idle()
        overview = stage.control.overview
        assert [len(each.databases) for each in overview.instances] == [2, 1]


async def test_every_theme_draws(console: Open, demo: Demo) -> None:
    async with console(demo) as stage:
        seen = set()
        for _ in range(5):
            seen.add(stage.app.theme)
            await stage.press("t")
            await stage.sees("dhcp")
        assert len(seen) == 5


async def test_copied_command_is_the_one_that_ran(console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    async with console(demo) as stage:
        monkeypatch.setattr(stage.app, "copy_to_clipboard", copied.append)
        await stage.press("y")
        await stage.press("b")
        await stage.confirm()
        await stage.idle()
        await stage.press("y")
    assert copied == [f"esetui backup {demo.instances[0]} {demo.backup}"] * 2


def test_actions_of_the_table_are_all_there() -> None:
    screens = {
        Scope.BROWSE: BrowseScreen,
        Scope.PLAN: PlanScreen,
        Scope.RESTORE: RestoreScreen,
        Scope.CHECK: CheckScreen,
        Scope.ACTIVITY: ActivityScreen,
    }
    for action in ACTIONS:
        first = {scope for scope in action.where if scope not in screens}
        places: list[type] = [Console] if first else []
        places += [screen for scope, screen in screens.items() if scope in action.where]
        assert [place for place in places if not hasattr(place, f"do_{action.id}")] == [], action.id


async def test_details_give_a_long_event_in_full(console: Open, demo: Demo) -> None:
    """The line of the log ends at its pane; the details have every word and every string, also under a scroll bar."""
    words = [f"{'x' * (3 + number % 9)}{number:03}" for number in range(400)]
    async with console(demo, (120, 40)) as stage:
        stage.control.feed.add(Level.ERROR, " ".join(words), event_id=217, strings=words[:40])
        await stage.press("5", "end")
        await stage.sees("event 217")
        details = stage.app.main.details
        width = details.scrollable_content_region.width
        assert details.max_scroll_y > 0
        seen = set()
        for _ in range(100):
            strips = [details.render_line(y).text for y in range(details.size.height)]
            assert all(len(text) <= width for text in strips)
            seen |= {part for text in strips for part in text.split()}
            if details.scroll_offset.y >= details.max_scroll_y:
                break
            details.action_page(1)
            await stage.pilot.pause(0.02)
        assert set(words) - seen == set()
