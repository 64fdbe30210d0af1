"""The plan of a recovery, and recovery from it: evidence of the real engine, at 80 x 24 and 120 x 40."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.files.realfile import RealFile
from engine.header_file import read_header, write_header
from engine.info import database_info, log_info
from engine.instance.recovering import PARTIAL
from esetui.actions import BY_ID
from esetui.cli.stops import parse_stop
from esetui.jobs import JobKind, JobState
from esetui.tui.recovery.until import parse_until, until_option
from esetui.tui.screens.browse import BrowseScreen
from esetui.tui.screens.plan import PlanScreen
from tests.recovery.oracle_files import writable_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from esetui.demo import Demo

SMALL = (80, 24)
LARGE = (120, 40)
both_sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
Open = Any


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir() if each.is_file()}


@pytest.fixture
def evidence(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    return writable_copy(oracle("dirty") / "dirty-inserts" / "before", tmp_path / "evidence")


def make_last_log_optional(folder: Path) -> None:
    """Let the database require all logs but the last, which then holds finished work only."""
    fs = RealFileSystem()
    header = read_header(fs, str(folder / "a.edb")).header
    created = log_info(folder / "edb00000005.log").created
    with fs.open(str(folder / "a.edb"), OpenMode.READ_WRITE) as file:
        write_header(file, header.replace(gen_max_required=5, logtime_gen_max_required=created))


async def plan(stage: Any) -> None:
    await stage.press("p")
    await stage.until(lambda: isinstance(stage.app.screen, PlanScreen), "the plan is open")
    await stage.until(lambda: stage.app.screen.plan is not None or stage.app.screen.problem, "the plan is made")
    await stage.pilot.pause(0.3)


@pytest.mark.oracle
@both_sizes
async def test_the_plan_and_a_recovered_copy(console: Open, demo: Demo, evidence: Path, size: tuple[int, int]) -> None:
    before = digests(evidence)
    async with console(demo, size, str(evidence)) as stage:
        await plan(stage)
        await stage.sees(
            "Recovery plan evidence", "All that recovery needs is there", "recovery needs 1", "checkpoint 1",
            "What will happen", "redo", ", 7 logs", "copy into", "$ esetui recover", "Recover a copy",
            "In place", "In memory", "esc Back",
        )  # fmt: skip
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        await stage.press("enter")
        await stage.sees("✓ redo 7/7", "✓ clean", "done", "consistent at")
        (job,) = stage.control.board.snapshot().jobs
        assert (job.kind, job.state) == (JobKind.RECOVER, JobState.DONE)
        assert job.command == f"esetui recover {evidence} --into {evidence}.recovered"
        ids = [row.event_id for row in stage.control.feed.since(0)]
        assert [number for number in ids if number in (300, 301, 302)] == [300, *[301] * 7, 302]
        await stage.press("escape")
        assert stage.app.screen is stage.app.main
    assert digests(evidence) == before
    assert database_info(evidence.with_name("evidence.recovered") / "a.edb").clean


@pytest.mark.oracle
async def test_in_place_wants_the_name_typed(console: Open, demo: Demo, evidence: Path) -> None:
    async with console(demo, SMALL, str(evidence)) as stage:
        await plan(stage)
        await stage.press("P")
        await stage.sees("Recover evidence in place", "pages and header are changed", "type name", "--in-place --yes")
        assert stage.app.screen.query_one("#go").disabled
        await stage.press(*"evidence")
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled, "the name is typed")
        await stage.press("enter")
        await stage.sees("✓ clean", "done")
        await stage.idle()
    assert database_info(evidence / "a.edb").clean


@pytest.mark.oracle
async def test_in_memory_opens_the_browser_and_changes_nothing(console: Open, demo: Demo, evidence: Path) -> None:
    before = digests(evidence)
    async with console(demo, LARGE, str(evidence)) as stage:
        await plan(stage)
        await stage.press("w")
        await stage.until(lambda: isinstance(stage.app.screen, BrowseScreen), "the browser is open")
        await stage.until(lambda: stage.app.screen.session.counts.get("simple") == (450, True), "rows as recovered")
    assert digests(evidence) == before


@pytest.mark.oracle
@both_sizes
async def test_a_missing_log_is_named_and_nothing_can_be_begun(
    console: Open, demo: Demo, evidence: Path, size: tuple[int, int]
) -> None:
    (evidence / "edb00000003.log").unlink()
    before = digests(evidence)
    async with console(demo, size, str(evidence)) as stage:
        await plan(stage)
        await stage.sees("Recovery would be refused", "Why not", "missing 3", "edb00000003")
        said: list[str] = []
        stage.app.notify = lambda text, **_: said.append(text)
        await stage.press("X", "P", "w")
        assert said == [f"{name}: recovery would be refused; see the plan." for name in (
            "Recover a copy", "In place", "Browse")]  # fmt: skip
        assert not stage.control.board.snapshot().jobs
        assert all(stage.app.screen.query_one(f"#{name}").disabled for name in ("recover", "browse"))
    assert digests(evidence) == before


@pytest.mark.oracle
async def test_a_recovery_that_fails_names_the_stage_and_leaves_the_evidence(
    console: Open, demo: Demo, evidence: Path
) -> None:
    target = evidence.with_name("evidence.recovered")
    target.mkdir()
    (target / "something").write_bytes(b"mine")
    before = digests(evidence)
    async with console(demo, SMALL, str(evidence)) as stage:
        await plan(stage)
        await stage.press("enter")
        await stage.sees("✗ analysis", "FAILED", "the folder is not")
    assert digests(evidence) == before
    assert [each.name for each in target.iterdir()] == ["something"]


@both_sizes
async def test_a_clean_instance_has_nothing_to_recover(console: Open, demo: Demo, size: tuple[int, int]) -> None:
    async with console(demo, size) as stage:
        await plan(stage)
        await stage.sees("The last run ended well: there is nothing to recover", "$ esetui plan", "(P In place)")
        await stage.press("X")
        assert not stage.control.board.snapshot().jobs


@pytest.mark.oracle
async def test_a_stop_point_is_planned_and_kept_to(console: Open, demo: Demo, evidence: Path) -> None:
    async with console(demo, LARGE, str(evidence)) as stage:
        await plan(stage)
        screen = stage.app.screen
        screen.query_one("#until").value = "nonsense"
        await stage.sees("nonsense is no generation")
        screen.query_one("#until").value = "5"
        await stage.sees("Recovery would be refused", "cannot go back to", "may stop")
        assert screen.query_one("#recover").disabled
        screen.query_one("#until").value = "6"
        await stage.sees("All that recovery needs", "the stop at generation 0x6", "put away", "--until-generation 6")
        await stage.press("X")
        await stage.sees("✓ redo 6/6", "✓ clean", "1 log behind it put away")
    assert database_info(evidence.with_name("evidence.recovered") / "a.edb").clean


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("", ""),
        ("1f", " --until-generation 1F"),
        ("0x1F", " --until-generation 1F"),
        ("1F:12:0", " --until-position 1F:12:0"),
        ("2026-11-28 13:35+00:00", " --until-time 2026-11-28T13:35:00+00:00"),
    ],
)
def test_what_is_typed_is_the_option_of_the_command(text: str, option: str) -> None:
    stop, problem = parse_until(text)
    assert problem == ""
    assert until_option(stop) == option
    if stop is not None:
        _, name, value = option.split(" ")
        named = dict.fromkeys(("--until-generation", "--until-position", "--until-time")) | {name: value}
        assert parse_stop(*named.values()) == stop


def test_what_is_no_stop_point_says_so() -> None:
    assert parse_until("yesterday")[1].startswith("yesterday is no generation")
    assert parse_until("0")[1]


@pytest.mark.oracle
async def test_the_copying_is_followed_and_can_be_cancelled(
    console: Open, demo: Demo, evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RealFile.write_at
    gate = threading.Event()

    def held(self: RealFile, offset: int, data: bytes) -> None:
        write(self, offset, data)
        if self.path.endswith("a.edb"):
            assert gate.wait(20)

    monkeypatch.setattr(RealFile, "write_at", held)
    before = digests(evidence)
    async with console(demo, LARGE, str(evidence)) as stage:
        await plan(stage)
        await stage.press("enter")
        try:
            await stage.sees("✓ analysis", "▶ copy", "copying a.edb")
            await stage.press("x")
            await stage.sees("Cancel the recovery?")
            await stage.press("tab", "enter")
        finally:
            gate.set()
        await stage.sees("CANCELLED")
        (job,) = stage.control.board.snapshot().jobs
        assert job.state is JobState.CANCELLED
    assert digests(evidence) == before
    # What is there is marked as half-made.
    assert (evidence.with_name("evidence.recovered") / PARTIAL).exists()


@pytest.mark.oracle
@both_sizes
async def test_a_loss_is_accepted_only_by_name_and_said(
    console: Open, demo: Demo, oracle: Callable[[str], Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "evidence")
    async with console(demo, size, str(folder)) as stage:
        await plan(stage)
        before = stage.app.screen.why_not(BY_ID["accept_loss"])
        assert before == "nothing is lacking"
        await stage.press("escape")
        make_last_log_optional(folder)
        (folder / "edb.log").unlink()
        await stage.idle()
        await plan(stage)
        await stage.sees("Recovery would be refused", "Lost without", "Accept loss")
        await stage.press("A")
        await stage.sees("Accept a loss in evidence", "lost", "--accept-loss missing", "type name")
        await stage.press(*"evidence")
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled, "the name is typed")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.screen, PlanScreen), "the dialog is closed")
        screen = stage.app.screen
        await stage.until(lambda: screen.plan is not None and screen.plan.ok, "the plan with the loss")
        await stage.press("X")
        await stage.sees("✓ clean", "done")
        assert any("finished work of logs" in row.text for row in stage.control.feed.since(0))
