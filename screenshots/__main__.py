"""Make the pictures of the README from the real console: `make screenshots`.

    python -m screenshots [--folder DIR] [SCENE...]

A sample is made in `--folder` (default /srv/ese, which must not exist and is removed afterwards; its name is what
the pictures show), the console is opened on it without a terminal, keys are pressed, and what it shows is written
beside this file as SVG.  Nothing is drawn for the pictures: backups are made, a page is damaged and found.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.discover import discover
from engine.errors import EseError
from engine.files.realfile import RealFile
from engine.table import open_database
from engine.types import TermOptions
from esetui.demo import Demo, create_demo
from esetui.jobs import JobKind
from esetui.service import Running
from esetui.tui.activity.walk import Walk
from esetui.tui.app import Console
from esetui.tui.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from textual.pilot import Pilot

SMALL = (80, 24)
LARGE = (120, 40)
LEASE_BYTES = 128 << 20
SLOW_BYTES_PER_SECOND = 48 << 20
HALFWAY = 0.55
DAMAGED_PAGES = (812, 4711)
WORK_SECONDS = 6.0
_PAGE = 4096
PATIENCE = 60.0
HERE = Path(__file__).parent


class Stage:
    """An open console and the keys pressed on it."""

    def __init__(self, app: Console, pilot: Pilot[int], demo: Demo) -> None:
        self.app = app
        self.pilot = pilot
        self.demo = demo

    async def press(self, *keys: str) -> None:
        """Press keys, and let the screen follow."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause(0.05)

    async def until(self, ready: Callable[[], bool], *, step: float = 0.05) -> None:
        """Wait for something."""
        for _ in range(int(PATIENCE / step)):
            if ready():
                return
            await self.pilot.pause(step)
        raise TimeoutError("the console never got there")

    async def idle(self) -> None:
        """Wait until no job runs and the screen has seen it."""
        await self.until(lambda: not self.app.control.board.running())
        scans = self.app.control.scans
        self.app.control.look()
        await self.until(lambda: self.app.control.scans > scans)
        await self.pilot.pause(0.3)

    async def backup(self, key: str) -> None:
        """Run a backup through its dialog."""
        await self.press(key)
        await self.until(lambda: not self.app.screen.query_one("#go").disabled)
        await self.press("enter")
        await self.until(lambda: bool(self.app.control.board.snapshot().jobs))
        await self.idle()

    async def open(self, instance: str, key: str, *, database: str = "") -> None:
        """Press a key with the cursor on an instance, or on one of its databases."""
        rows = self.app.main.instances
        for at in range(rows.count()):
            row = rows.row(at)
            if row.instance.name == instance and (row.database.name if row.database else "") == database:
                rows.move_to(at)
        rows.focus()
        await self.pilot.pause(0.1)
        await self.press(key)
        await self.until(lambda: self.app.screen is not self.app.main)
        await self.pilot.pause(0.3)

    def save(self, name: str) -> None:
        """Write what is shown."""
        svg = self.app.export_screenshot(title="esetui")
        # The exporter gives every picture other names for the same styles.
        number = re.search(r"terminal-(\d+)-", svg)
        if number is not None:
            svg = svg.replace(f"terminal-{number[1]}-", "terminal-")
        path = HERE / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(path)


@asynccontextmanager
async def console(demo: Demo, size: tuple[int, int], *, walk: bool = False) -> AsyncIterator[Stage]:
    """Open the console on the sample; with `walk` as the demonstration does."""
    control = Control([demo.folder], target=demo.backup, sandbox=demo.folder if walk else "")
    if walk:
        control.walk = Walk(control, "dhcp", demo.backup)
    app = Console(control, theme="esetui-night")
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, demo)
        await stage.until(lambda: control.scans > 0)
        await pilot.pause(0.3)
        yield stage
    control.close()


@asynccontextmanager
async def slow_reads() -> AsyncIterator[None]:
    """Slow the disk down, so that a picture of the work can be taken."""
    read = RealFile.read_into_at

    def slowly(self: RealFile, offset: int, buffer: memoryview) -> int:
        count = read(self, offset, buffer)
        time.sleep(count / SLOW_BYTES_PER_SECOND)
        return count

    RealFile.read_into_at = slowly  # type: ignore[method-assign]
    try:
        yield
    finally:
        RealFile.read_into_at = read  # type: ignore[method-assign]


def name_of(scene: str, size: tuple[int, int]) -> str:
    """Return the name of a picture."""
    return f"{scene}-{size[0]}x{size[1]}"


async def overview(demo: Demo, size: tuple[int, int]) -> None:
    """Show what is there before anything runs."""
    async with console(demo, size) as stage:
        stage.save(name_of("overview", size))


async def dialog(demo: Demo, size: tuple[int, int]) -> None:
    """Show what a backup will read, write and delete, and the command that does the same."""
    async with console(demo, size) as stage:
        await stage.press("b")
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled)
        stage.save(name_of("dialog", size))


async def backup(demo: Demo, size: tuple[int, int]) -> None:
    """Show a full backup, half done."""
    async with slow_reads(), console(demo, size) as stage:
        await stage.press("a")
        await stage.until(lambda: not stage.app.screen.query_one("#go").disabled)
        await stage.press("enter")
        board = stage.app.control.board
        await stage.until(lambda: any(job.monitor.fraction > HALFWAY for job in board.snapshot().jobs), step=0.02)
        stage.app.main.tick()
        stage.save(name_of("backup", size))
        await stage.idle()


async def chain(demo: Demo, size: tuple[int, int]) -> None:
    """Show a full backup, two incremental ones, and what the engine said."""
    async with console(demo, size) as stage:
        for kind in (JobKind.FULL, JobKind.INCREMENTAL, JobKind.INCREMENTAL):
            stage.app.control.backup(stage.app.control.overview.instances[0], kind, demo.backup)
            await stage.idle()
        await stage.press("2")
        await stage.pilot.pause(0.3)
        stage.save(name_of("chain", size))


async def keys(demo: Demo, size: tuple[int, int]) -> None:
    """Show all keys."""
    async with console(demo, size) as stage:
        await stage.press("question_mark")
        stage.save(name_of("help", size))


async def damage(demo: Demo, size: tuple[int, int]) -> None:
    """Show a verification that finds one wrong bit and one ruined page."""
    path = Path(demo.instances[0]) / "lease.mdb"
    whole = path.read_bytes()
    bad = bytearray(whole)
    bad[(DAMAGED_PAGES[0] + 1) * _PAGE + 900] ^= 0x10
    ruined = (DAMAGED_PAGES[1] + 1) * _PAGE
    bad[ruined + 1000 : ruined + 1100] = bytes(range(100))
    path.write_bytes(bad)
    try:
        async with console(demo, size) as stage:
            await stage.press("down", "down", "v")
            await stage.until(lambda: bool(stage.app.control.board.snapshot().jobs))
            await stage.idle()
            stage.save(name_of("verify", size))
    finally:
        path.write_bytes(whole)


async def browse(demo: Demo, size: tuple[int, int]) -> None:
    """Show the rows of a table, somewhere in the middle."""
    async with console(demo, size) as stage:
        await stage.open("tickets", "w")
        await stage.until(lambda: stage.app.screen.session.status.total is not None)
        await stage.press("2", *["pagedown"] * 4, *["right"] * 2)
        await stage.pilot.pause(0.5)
        stage.save(name_of("browse", size))


async def check(demo: Demo, size: tuple[int, int]) -> None:
    """Show what an integrity check finds in a database with a ruined page."""
    path = Path(demo.instances[0]) / "dhcp.mdb"
    whole = path.read_bytes()
    with open_database(path) as database:
        page = next(islice(database["AuditLog"].tree.leaves(), 3, 4)).pgno
    bad = bytearray(whole)
    ruined = (page + 1) * _PAGE
    bad[ruined + 1000 : ruined + 1100] = bytes(range(100))
    path.write_bytes(bad)
    try:
        async with console(demo, size) as stage:
            await stage.open("dhcp", "c", database="dhcp.mdb")
            await stage.idle()
            stage.save(name_of("check", size))
    finally:
        path.write_bytes(whole)


async def restore(demo: Demo, size: tuple[int, int]) -> None:
    """Show the points in time that a chain of backups and the live logs reach."""
    async with console(demo, size) as stage:
        for kind in (JobKind.FULL, JobKind.INCREMENTAL, JobKind.INCREMENTAL):
            stage.app.control.backup(stage.app.control.overview.instances[0], kind, demo.backup)
            await stage.idle()
        await stage.open("dhcp", "r")
        await stage.until(lambda: stage.app.screen.plan is not None)
        await stage.press("2")
        await stage.pilot.pause(0.3)
        stage.save(name_of("restore", size))


async def plan(demo: Demo, size: tuple[int, int]) -> None:
    """Show the plan of a recovery after a crash, and the recovered copy."""
    with crashed(demo.instances[1]):
        async with console(demo, size) as stage:
            await stage.open("tickets", "p")
            await stage.until(lambda: stage.app.screen.plan is not None)
            await stage.pilot.pause(0.3)
            stage.save(name_of("plan", size))
            await stage.press("X")
            await stage.until(lambda: bool(stage.app.control.board.snapshot().jobs))
            await stage.idle()
            stage.save(name_of("recovered", size))


async def activity(demo: Demo, size: tuple[int, int]) -> None:
    """Show an instance at work during the guided walk: writers, a backup among them, and what it costs."""
    kept = f"{tempfile.mkdtemp()}/kept"
    shutil.copytree(demo.instances[0], kept)
    try:
        async with console(demo, size, walk=True) as stage:
            walk = stage.app.control.walk
            for _ in range(2):
                await stage.press("u")
                await stage.until(lambda: not walk.busy)
            await stage.open("dhcp", "h")
            for key in ("plus", "plus", "minus"):
                await stage.pilot.pause(WORK_SECONDS)
                await stage.press(key)
            await stage.pilot.pause(WORK_SECONDS)
            stage.save(name_of("activity", size))
    finally:
        shutil.rmtree(demo.instances[0])
        shutil.move(kept, demo.instances[0])


@contextmanager
def crashed(folder: str) -> Iterator[None]:
    """Let the sample's second instance work, and end without being shut down; afterwards it is as it was."""
    kept = f"{tempfile.mkdtemp()}/kept"
    shutil.copytree(folder, kept)
    (found,) = [each for each in discover(folder) if each.has_log]
    run = Running(found)
    instance = run.start()
    with instance.session() as session:
        tickets = session.open(f"{folder}/tickets.edb")["Tickets"]
        for number in range(400):
            with session.transaction():
                tickets.insert(Subject=f"Ticket {5000 + number}: the lift is stuck again", Body="Between floors. " * 20)
    with suppress(EseError):
        instance.term(TermOptions.DIRTY)
    try:
        yield
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(f"{folder}.recovered", ignore_errors=True)
        shutil.move(kept, folder)


SCENES: dict[
    str, tuple[Callable[[Demo, tuple[int, int]], Coroutine[object, object, None]], tuple[tuple[int, int], ...]]
] = {
    "overview": (overview, (SMALL, LARGE)),
    "dialog": (dialog, (SMALL,)),
    "help": (keys, (SMALL,)),
    "verify": (damage, (SMALL, LARGE)),
    "backup": (backup, (SMALL, LARGE)),
    "chain": (chain, (SMALL, LARGE)),
    "browse": (browse, (SMALL, LARGE)),
    "check": (check, (SMALL, LARGE)),
    "restore": (restore, (SMALL, LARGE)),
    "plan": (plan, (SMALL, LARGE)),
    "activity": (activity, (SMALL, LARGE)),
}
"""In the order in which they are made: the later ones need what the earlier ones left."""


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/srv/ese"))
    parser.add_argument("scenes", nargs="*", choices=[[], *SCENES], metavar="SCENE")
    options = parser.parse_args()
    if options.folder.exists():
        print(f"{options.folder} exists; name another folder with --folder", file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True)
    try:
        demo = create_demo(str(options.folder), lease_bytes=LEASE_BYTES)
        for name in options.scenes or SCENES:
            scene, sizes = SCENES[name]
            for size in sizes:
                for each in Path(demo.backup).iterdir():
                    shutil.rmtree(each) if each.is_dir() else each.unlink()
                asyncio.run(scene(demo, size))
    finally:
        shutil.rmtree(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
