"""The browser as a person uses it: sound, damaged and dirty databases, at 80 x 24 and 120 x 40."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.table import open_database
from esetui.cli.app import cli
from esetui.jobs import JobKind, JobState
from esetui.tui.screens.browse import BrowseScreen
from esetui.tui.screens.value import ValueScreen
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


async def browse(stage: Any, *keys: str) -> None:
    await stage.press(*keys, "w")
    await stage.until(lambda: isinstance(stage.app.screen, BrowseScreen), "the browser is open")
    await stage.until(lambda: stage.app.screen.grid.known > 0, "rows are there")
    await stage.pilot.pause(0.3)


@both_sizes
async def test_tables_rows_and_a_value_in_full(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size, demo.instances[1]) as stage:
        await browse(stage)
        await stage.sees(
            "1 tickets.edb", "▾ Tickets", "5,000", "byOpened", "MSysObjects", "Subject", "int32", "time", "text",
            "Ticket 0: prin", "row 1 of 5,000", "/ Filter", "esc Back", "? Help",
        )  # fmt: skip
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        await stage.press("2", "end")
        await stage.sees("row 5,000 of 5,000", "Ticket 4999")
        await stage.press("home", "pagedown", "down", "right", "right", "right", "enter")
        await stage.until(lambda: isinstance(stage.app.screen, ValueScreen), "the value is open")
        await stage.sees("Body  (long text)", "kept", "the record", "size", "sheets short", "Text or bytes")
        await stage.press("h")
        await stage.sees("00000000 49 00 74 00", "I·t· ·w·a·s·")
        await stage.press("escape")
        assert isinstance(stage.app.screen, BrowseScreen)
        assert ("Opened" in stage.text and "2026-01-0" in stage.text) or size == SMALL
        await stage.press("escape")
        assert stage.app.screen is stage.app.main


@both_sizes
async def test_order_of_an_index_and_filter(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size, demo.instances[1]) as stage:
        await browse(stage)
        await stage.press("i")
        await stage.sees("in the order of byOpened", "row 1 of 5,000")
        await stage.press("2", "slash", *"4321:")
        await stage.sees("1 fit “4321:”", "Ticket 4321")
        await stage.press("enter")
        assert "4,322" in stage.text
        await stage.press("escape")
        await stage.sees("of 5,000")
        await stage.press("slash", *"nowhere")
        await stage.sees("No row fits the filter")


async def test_the_footer_says_why_not_and_help_runs(
    console: Open, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(demo, SMALL, demo.instances[1]) as stage:
        await browse(stage)
        await stage.sees("/ Filter", "esc Back")
        said: list[str] = []
        monkeypatch.setattr(stage.app, "notify", lambda text, **_: said.append(text))
        await stage.press("d", "b")
        assert "no damage was met so far" in said[0]
        assert "go back to the first screen" in said[1]
        await stage.press("question_mark")
        await stage.sees("Keys", "enter runs the row")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
async def test_export_is_what_the_command_writes(console: Open, demo: Demo, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    async with console(demo, SMALL, demo.instances[1]) as stage:
        await browse(stage)
        await stage.press("ctrl+s")
        await stage.sees("Export Tickets", "JSON lines; must not")
        stage.app.screen.query_one("#typed").value = str(target)
        await stage.press("enter")
        await stage.until(lambda: stage.control.board.snapshot().jobs[-1:], "a job")
        await stage.idle()
        (job,) = stage.control.board.snapshot().jobs
        assert (job.kind, job.state) == (JobKind.EXPORT, JobState.DONE)
        assert job.command.startswith(f"esetui rows {Path(demo.instances[1]) / 'tickets.edb'} Tickets")
    database = str(Path(demo.instances[1]) / "tickets.edb")
    written = CliRunner().invoke(cli, ["rows", database, "Tickets", "--format", name.rsplit(".", 1)[1]])
    assert written.exit_code == 0
    assert target.read_text(encoding="utf-8") == written.stdout


async def test_export_of_rows_that_fit_and_never_over_a_file(console: Open, demo: Demo, tmp_path: Path) -> None:
    target = tmp_path / "some.jsonl"
    async with console(demo, SMALL, demo.instances[1]) as stage:
        await browse(stage)
        await stage.press("2", "slash", *"Subject:4321", "enter")
        await stage.sees("1 fit")
        for _ in range(2):
            await stage.press("ctrl+s")
            stage.app.screen.query_one("#typed").value = str(target)
            await stage.press("enter")
            await stage.idle()
        states = [job.state for job in stage.control.board.snapshot().jobs]
        assert states == [JobState.DONE, JobState.FAILED]
    (line,) = target.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["Subject"].startswith("Ticket 4321")


@both_sizes
async def test_a_damaged_page_is_named_and_the_rest_is_shown(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    data = bytearray(path.read_bytes())
    with open_database(path) as database:
        bad = [page.pgno for page in islice(database["AuditLog"].tree.leaves(), 3, 5)]
    for pgno in bad:
        start = (pgno + 1) * 4096
        data[start + 1000 : start + 1100] = bytes(range(100))
    path.write_bytes(data)
    async with console(demo, size) as stage:
        await browse(stage, "down")
        await stage.until(lambda: stage.app.screen.session.status.findings > 0, "damage is met")
        await stage.press("d")
        await stage.sees("Damage", f"page {bad[0]}", f"page {bad[1]}", "ReadVerifyFailure", "everything else is shown")
        await stage.press("escape")
        await stage.until(lambda: stage.app.screen.session.counts.get("AuditLog", (0, False))[1], "counted")


async def test_a_file_that_is_no_database_says_so(console: Open, demo: Demo) -> None:
    path = Path(demo.instances[0]) / "dhcp.mdb"
    async with console(demo, SMALL) as stage:
        path.write_bytes(b"\xff" * 65536)
        await stage.press("down", "w")
        await stage.until(lambda: isinstance(stage.app.screen, BrowseScreen), "the browser is open")
        await stage.sees("DatabaseCorrupted")
        await stage.press("2", "enter", "d", "i", "escape")
        assert stage.app.screen is stage.app.main


async def test_values_are_only_text(console: Open, demo: Demo) -> None:
    hostile = "[bold red]x[/] \x1b[31mred\u202e \r\n\t"
    folder = Path(demo.folder) / "hostile"
    folder.mkdir()
    with DatabaseBuilder(Environment(), folder / "h.edb") as build:
        columns = [Column("Id", ColumnType.LONG), Column("Text", ColumnType.TEXT)]
        build.add_table("T", columns, primary=Index("pk", ("Id",)), rows=[{"Id": 1, "Text": hostile}])
    async with console(demo, LARGE, str(folder)) as stage:
        await browse(stage)
        await stage.press("2", "right")
        await stage.sees("[bold red]x[/]", "\\x1b[31mred\\u202e")
        assert "\x1b" not in stage.text
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.screen, ValueScreen), "the value is open")
        await stage.sees("[bold red]x[/] \\x1b[31mred\\u202e")
        assert "\x1b" not in stage.text


@pytest.mark.oracle
@both_sizes
async def test_dirty_evidence_is_shown_as_recovered_and_stays_as_it_is(
    console: Open, demo: Demo, oracle: Callable[[str], Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    case = oracle("dirty") / "dirty-inserts"
    folder = writable_copy(case / "before", tmp_path / "evidence")
    before = digests(folder)
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    counts = {name: (each["nrows"], True) for name, each in expected["tables"].items()}
    async with console(demo, size, str(folder)) as stage:
        await stage.press("w")
        await stage.sees("was not shut down cleanly", "Replay in memory", "As it is on disk")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.screen, BrowseScreen), "the browser is open")
        screen = stage.app.screen
        await stage.until(lambda: all(whole for _, whole in screen.session.counts.values()), "the tables are counted")
        await stage.until(lambda: screen.session.counts == counts, f"{screen.session.counts} are {counts}")
        await stage.sees("as recovered")
        await stage.press("escape")
        feed = [row.event_id for row in stage.control.feed.since(0)]
        assert 300 in feed
        await stage.press("1", "w", "tab", "enter")
        await stage.sees("as on disk")
    assert digests(folder) == before
