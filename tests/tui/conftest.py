"""A small sample instance, the console opened on it, and its screen as text."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from esetui.config import Config, JournalSettings
from esetui.demo import Demo, create_demo
from esetui.tui.app import Console
from esetui.tui.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.pilot import Pilot

SMALL = (80, 24)
LARGE = (120, 40)


class Stage:
    """An open console: keys in, text out."""

    def __init__(self, app: Console, pilot: Pilot[int], demo: Demo) -> None:
        self.app = app
        self.pilot = pilot
        self.demo = demo
        self.control = app.control

    @property
    def text(self) -> str:
        """What a person sees."""
        return "\n".join("".join(part.text for part in line) for line in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause(0.02)

    async def until(self, ready: Callable[[], bool], what: str = "") -> None:
        for _ in range(400):
            if ready():
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"never happened: {what}\n{self.text}")

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(each in self.text for each in texts), f"{texts} on the screen")

    async def idle(self) -> None:
        await self.until(lambda: not self.control.board.running(), "no job runs")
        scans = self.control.scans
        self.control.look()
        await self.until(lambda: self.control.scans > scans, "a new scan")
        await self.pilot.pause(0.25)

    async def confirm(self) -> None:
        """Wait for the plan of the open dialog and go on."""
        await self.until(lambda: not self.app.screen.query_one("#go").disabled, "a plan without refusal")
        await self.press("enter")
        await self.until(lambda: self.app.screen is self.app.main, "the dialog is closed")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return create_demo(str(tmp_path_factory.mktemp("sample") / "ese"), lease_bytes=1 << 20)


@pytest.fixture
def demo(sample: Demo, tmp_path: Path) -> Demo:
    top = tmp_path / "ese"
    shutil.copytree(sample.folder, top)
    return Demo(str(top), (str(top / "dhcp"), str(top / "tickets")), str(top / "backup"))


@asynccontextmanager
async def open_console(demo: Demo, size: tuple[int, int] = SMALL, *paths: str) -> AsyncIterator[Stage]:
    settings = Config(journal=JournalSettings(enabled=False))
    control = Control(paths or demo.instances, target=demo.backup, settings=settings)
    app = Console(control, theme="esetui-night")
    try:
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot, demo)
            await stage.until(lambda: control.scans > 0, "the first scan")
            await pilot.pause(0.25)
            yield stage
    finally:
        assert control.close() == []


@pytest.fixture
def console() -> Callable[..., object]:
    return open_console
