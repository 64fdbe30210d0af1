"""The activity of a running instance, and the guided walk of the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esetui.demo import create_demo
from esetui.tui.activity.screen import ActivityScreen
from esetui.tui.activity.walk import STEPS, Walk
from esetui.tui.activity.walk_bar import WalkBar
from esetui.tui.app import Console
from esetui.tui.control import Control
from esetui.tui.model import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = create_demo(str(tmp_path / "demo"), lease_bytes=2 << 20)
    control = Control((made.folder,), target=made.backup, watch=False, sandbox=made.folder)
    control.walk = Walk(control, "dhcp", made.backup)
    yield control
    assert control.close() == []


def finish(walk: Walk) -> None:
    assert walk._thread is not None
    walk._thread.join()


async def until(pilot: Pilot[int], what: Callable[[], bool], seconds: float = 60) -> None:
    for _ in range(int(seconds * 20)):
        if what():
            return
        await pilot.pause(0.05)
    pytest.fail("it never happened")


def text_of(app: Console) -> str:
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width] for strip in lines[:height])


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_an_instance_at_work(control: Control, size: tuple[int, int]) -> None:
    walk = control.walk
    assert walk is not None
    app = Console(control)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(control.overview.instances))
        await pilot.press("h")
        assert not isinstance(app.screen, ActivityScreen), "it is not running yet"
        await until(pilot, lambda: "Guided walk" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: walk.position == 1 and not walk.busy)
        assert not walk.failed, walk.said
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, ActivityScreen))
        key = control.running()[0]
        await until(pilot, lambda: control.activity.counts(key).committed > 20)
        await until(pilot, lambda: "session 5" in text_of(app))
        shown = text_of(app)
        for words in ("Activity of dhcp", "transactions/s", "recovery replays", "version store", "next: Full backup"):
            assert words in shown
        rate = control.activity.rate(key)
        await pilot.press("plus")
        assert control.activity.rate(key) == 2 * rate
        await pilot.press("minus")
        await pilot.press("minus")
        assert control.activity.rate(key) == rate / 2
        for _ in range(8):
            await pilot.press("minus")
        await until(pilot, lambda: "the writers rest" in text_of(app))
        assert control.activity.working(key)
        await pilot.press("plus")
        await pilot.press("2")
        assert app.screen.focused is not None
        assert app.screen.focused.id == "sessions"
        await pilot.press("m")
        await until(pilot, lambda: "the other panes" in text_of(app))
        assert "transactions/s" not in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: "transactions/s" in text_of(app))
        assert isinstance(app.screen, ActivityScreen)
        await pilot.press("K")
        await until(pilot, lambda: "Cut dhcp off?" in text_of(app))
        await pilot.click("#go")
        await until(pilot, lambda: not control.is_running(key))
        await until(pilot, lambda: "not running" in text_of(app))
        assert not control.activity.working(key)
        assert "writers ended" not in text_of(app)
        assert not [row.text for row in control.feed.since(0) if row.level is Level.ERROR], "what is gone tells nothing"
        await pilot.press("escape")
        await until(pilot, lambda: "DIRTY" in text_of(app))


async def test_nobody_writes_to_what_is_no_demonstration(tmp_path: Path) -> None:
    made = create_demo(str(tmp_path / "demo"), lease_bytes=2 << 20)
    control = Control((made.folder,), target=made.backup, watch=False)
    app = Console(control)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            control.rescan()
            view = next(each for each in control.overview.instances if each.name == "dhcp")
            job = control.start(view)
            await until(pilot, lambda: not job.thread or not job.thread.is_alive())
            app.push_screen(ActivityScreen(control, view.key, view.name, view.folder))
            await until(pilot, lambda: "Activity of dhcp" in text_of(app))
            assert "More work" not in text_of(app)
            assert "No session is open" in text_of(app)
            await pilot.press("plus")
            await pilot.press("K")
            await pilot.press("u")
            assert not control.activity.working(view.key)
            assert control.is_running(view.key)
            assert "Guided walk" not in text_of(app)
    finally:
        assert control.close() == []


async def test_the_walk_goes_by_itself(control: Control) -> None:
    """As `esetui demo --play` has it: without a key pressed, each step is shown and followed by the next."""
    walk = control.walk
    assert walk is not None
    app = Console(control, play=0.0)
    shown: set[str] = set()

    def over() -> bool:
        text = text_of(app)
        shown.update(step.title for step in STEPS if f"{STEPS.index(step) + 1} of {len(STEPS)}" in text)
        return walk.done or walk.failed

    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, over, 120)
        await pilot.pause(0.5)
        assert not walk.failed, walk.said
        assert "no gap, no damage" in text_of(app)
    assert shown == {step.title for step in STEPS}


def test_the_walk_without_a_screen(control: Control) -> None:
    said: list[str] = []
    walk = control.walk
    assert walk is not None
    assert walk.play(said.append), said
    assert len(said) == 2 * len(STEPS)
    assert "nothing half, no gap" in said[-3]
    assert "transactions as of the incremental backup; no gap, no damage" in said[-1]
    assert all(len(line.strip()) <= 71 for line in said[1::2]), 'beside "7 of 7" on 80 columns'
    assert walk.done
    assert not walk.next()
    assert walk.over


def test_a_step_that_fails_is_told_and_the_walk_can_begin_again(control: Control) -> None:
    walk = control.walk
    assert walk is not None
    assert not walk.again(), "it has not begun"
    for _ in range(2):
        assert walk.next()
        finish(walk)
    control.kill(control.running()[0])
    for job in control.board.running():
        assert job.thread is not None
        job.thread.join()
    assert walk.next()
    finish(walk)
    assert walk.failed
    assert walk.over
    assert "-1029" in walk.said
    assert any(row.level is Level.ERROR and row.text.startswith("walk: Work") for row in control.feed.since(0))
    assert not walk.next()
    assert walk.again()
    finish(walk)
    assert (walk.position, walk.failed) == (1, False), walk.said
    assert control.running()


@pytest.mark.parametrize("width", [80, 120])
def test_what_a_step_comes_to_can_be_read_whole(control: Control, width: int) -> None:
    walk = control.walk
    assert walk is not None
    bar = WalkBar()
    # Figures of a large sample, which the sentences of the steps are made of.
    for position, said in enumerate(
        (
            "dhcp runs; four sessions write 60 transactions a second.",
            "154 files, 1.25 GiB, 317,830 pages verified; 120 logs deleted.",
            "12,796 transactions more; none of them is in the backup yet.",
            "157 files, 14.0 MiB, 156 logs verified; 120 logs deleted.",
            "Gone in mid-work; 1,115,975 transactions were acknowledged.",
            "All 1,115,975 are there, nothing half, no gap.",
            "1,115,771 transactions as of the incremental backup; no gap, no damage.",
        ),
        1,
    ):
        walk.position, walk.said = position, said
        bar._walk = walk
        for line in bar.rows(width, 2):
            assert sum(len(part.text) + 1 for part in line) - 1 <= width, line
        assert any(said == part.text for part in bar.rows(width, 2)[0])
