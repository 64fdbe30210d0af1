"""The activity of a running instance, and the guided walk of the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esetui.demo import create_demo
from esetui.tui.activity.screen import ActivityScreen
from esetui.tui.activity.walk import STEPS, Walk
from esetui.tui.app import Console
from esetui.tui.control import Control

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
        await pilot.press("K")
        await until(pilot, lambda: "Cut dhcp off?" in text_of(app))
        await pilot.click("#go")
        await until(pilot, lambda: not control.is_running(key))
        await until(pilot, lambda: "not running" in text_of(app))
        assert not control.activity.working(key)
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
            await pilot.press("plus")
            await pilot.press("K")
            await pilot.press("u")
            assert not control.activity.working(view.key)
            assert control.is_running(view.key)
            assert "Guided walk" not in text_of(app)
    finally:
        assert control.close() == []


def test_the_walk_without_a_screen(control: Control) -> None:
    said: list[str] = []
    walk = control.walk
    assert walk is not None
    assert walk.play(said.append), said
    assert len(said) == 2 * len(STEPS)
    assert "nothing half, no gap" in said[-3]
    assert "the check finds nothing" in said[-1]
    assert walk.done
    assert not walk.next()
