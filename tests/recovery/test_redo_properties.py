"""Redo twice is redo once, and redo from any earlier checkpoint gives the same pages.

Over random work on live trees, whose records split, merge, create and free; and over the logs of the real engine.  A
page in the file may be of any moment after the checkpoint: each is written when the cache likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.format import lr
from engine.format.page import page_offset
from engine.pages.mutable import MutablePage
from engine.recovery.looking import look
from engine.recovery.places import Places
from engine.recovery.soft import Recovery
from engine.redo.apply import apply, apply_macro
from engine.types import LgPos
from tests.recovery.oracle_files import page_content
from tests.recovery.test_recovery_oracle import CASES
from tests.store.rig import MemoryPages, state
from tests.store.test_tree_model import PAGE_SIZES, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from engine.recovery.control import ControlReplay

INST = "/inst"
Entry = bytes | list[bytes]


def redo(log: list[Entry], pages: MemoryPages) -> None:
    for entry in log:
        if isinstance(entry, bytes):
            apply(lr.decode(entry), pages)
        else:
            apply_macro([lr.decode(each) for each in entry], pages)


def copied(pages: dict[int, MutablePage]) -> dict[int, MutablePage]:
    return {pgno: MutablePage.decode(page.encode(), pgno) for pgno, page in pages.items()}


def said(pages: MemoryPages) -> dict[int, object]:
    return {pgno: state(page) for pgno, page in pages.pages.items()}


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    page_size=st.sampled_from(PAGE_SIZES[:2]),
    unique=st.booleans(),
    rnd=st.randoms(use_true_random=True),
    steps=st.integers(60, 400),
)
def test_random_work_redone(page_size: int, unique: bool, rnd: Random, steps: int) -> None:  # noqa: FBT001
    rig, models = start(page_size, unique=unique, pages=3, rnd=rnd, longest_key=12)
    for step in range(steps):
        rnd.choice(models).work(step)
    log = rig.log.log
    once = MemoryPages(page_size)
    redo(log, once)
    wanted = said(once)
    redo(log, once)
    assert said(once) == wanted, "redo twice is redo once"
    # The states of the pages as time went on, and a checkpoint somewhere in between.
    moments = sorted(rnd.sample(range(len(log) + 1), min(len(log) + 1, 6)))
    states: list[dict[int, MutablePage]] = []
    pages = MemoryPages(page_size)
    done = 0
    for moment in moments:
        redo(log[done:moment], pages)
        done = moment
        states.append(copied(pages.pages))
    file = MemoryPages(page_size)
    file.pages = copied(states[0])
    for later in states[1:]:
        for pgno, page in copied(later).items():
            if rnd.random() < 0.3:
                file.pages[pgno] = page
    for begin in (moments[0], rnd.randrange(moments[0] + 1)):
        again = MemoryPages(page_size)
        again.pages = copied(file.pages)
        redo(log[begin:], again)
        assert said(again) == wanted, f"from entry {begin} of {len(log)}"


# The real engine's logs.


class World:
    """A crashed instance, and what its pages are at some moments of a replay without undo."""

    def __init__(self, folder: Path) -> None:
        self.disk = CrashFileSystem()
        self.disk.load(str(folder), INST)
        self.looked = look(self.disk, INST)
        assert self.looked.checkpoint is not None
        self.checkpoint = self.looked.checkpoint.checkpoint

    def replayed(self, disk: CrashFileSystem, start: LgPos | None = None, cache_pages: int = 0) -> ControlReplay:
        looked = look(disk, INST)
        checkpoint = self.checkpoint
        if start is not None:
            checkpoint = checkpoint.replace(checkpoint=start, version_flags=0)
        places = Places(disk, INST)
        events = EventLog(shared=False)
        recovery = Recovery(
            Environment(fs=disk), events, looked.stream, checkpoint, places=places, cache_pages=cache_pages
        )
        recovery.replay()
        return recovery.replayed_state()


def pages_of(control: ControlReplay) -> dict[str, dict[int, bytes]]:
    """Return the pages of every database that takes part, as they would be written; before any undo.  Closes them."""
    found: dict[str, dict[int, bytes]] = {}
    for each in (*control.attached.values(), *control.finished.values()):
        pages = found.setdefault(each.path, {})
        for pgno in range(1, each.pages.spilled.last_page + 1):
            try:
                pages[pgno] = bytes(each.pages.cache.load(pgno).encode())
            except EseError as error:
                if error.code not in (Err.PageNotInitialized, Err.FileIOBeyondEOF, Err.ReadVerifyFailure):
                    raise
    control.close()
    return found


def meaning(found: dict[str, dict[int, bytes]]) -> dict[str, dict[int, object]]:
    return {path: {pgno: page_content(data, pgno) for pgno, data in pages.items()} for path, pages in found.items()}


def write(disk: CrashFileSystem, found: dict[str, dict[int, bytes]], wanted: set[int]) -> None:
    for path, pages in found.items():
        with disk.open(path, OpenMode.READ_WRITE) as file:
            for pgno, data in pages.items():
                if pgno in wanted:
                    file.write_at(page_offset(pgno, len(data)), data)


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_the_logs_of_the_engine_redone(oracle: Callable[[str], Path], case: str) -> None:
    world = World(oracle("dirty") / f"dirty-{case}" / "before")
    once = pages_of(world.replayed(world.disk))
    disk = world.disk.crash(CrashPolicy.KEEP_ALL)
    write(disk, once, {pgno for pages in once.values() for pgno in pages})
    again = world.replayed(disk)
    assert meaning(pages_of(again)) == meaning(once), "redo twice is redo once"
    # Some pages were written at the end, others are as they were.
    for part in range(3):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        write(disk, once, {pgno for pages in once.values() for pgno in pages if pgno % 3 == part})
        assert meaning(pages_of(world.replayed(disk))) == meaning(once), part


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["lv", "p4k", "threads"])
def test_an_earlier_checkpoint_gives_the_same(oracle: Callable[[str], Path], case: str) -> None:
    """Of these cases the checkpoint is not at the first log."""
    world = World(oracle("dirty") / f"dirty-{case}" / "before")
    once = meaning(pages_of(world.replayed(world.disk)))
    lowest = min(world.looked.stream.generations)
    assert lowest < world.checkpoint.checkpoint.generation
    for generation in range(lowest, world.checkpoint.checkpoint.generation):
        assert meaning(pages_of(world.replayed(world.disk, LgPos(generation, 1, 0)))) == once, generation


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["inserts", "updates", "p4k", "lv"])
def test_a_small_cache_gives_the_same_and_holds_no_more(oracle: Callable[[str], Path], case: str) -> None:
    world = World(oracle("dirty") / f"dirty-{case}" / "before")
    once = meaning(pages_of(world.replayed(world.disk)))
    control = world.replayed(world.disk, cache_pages=16)
    for each in control.attached.values():
        cache = each.pages.cache
        # Pages whose before-images are not in the log yet cannot be written, however full it is.
        assert len(cache._pages) <= 16 + len(cache._pins)
        assert each.pages.spilled.replayed > 0
    assert meaning(pages_of(control)) == once
