"""Pages on their way to the file: nobody waits for the disk meanwhile, and whatever happens no state is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode
from engine.pages import shadow
from engine.pages.shadow import LIVE
from engine.params import Param
from tests.store.by_hand import Writer, leaves, values
from tests.store.conftest import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.store.pages import Flight
    from tests.store.conftest import Live

MANY = 6_000


def with_faults(live: Live) -> FaultFileSystem:
    """Start anew, over a file system that can fail."""
    inner = live.disk
    live.end()
    live.fs = fs = FaultFileSystem(inner)
    live.start()
    return fs


def changed(live: Live, pgnos: Sequence[int], value: int, trx: int = 4) -> None:
    """Commit a change of the first row of pages."""
    writer = Writer(live, trx)
    for pgno in pgnos:
        writer.replace(0, value, pgno)
    writer.commit()


def off(live: Live, pgnos: Sequence[int]) -> Flight:
    flight = live.pages.take_off(pgnos)
    assert flight is not None
    assert sorted(flight.images) == sorted(pgnos)
    return flight


def ended(live: Live) -> list[int]:
    """Stop, and return the values that were changed."""
    live.end()
    assert live.findings() == []
    return sorted(value for value in values(live) if value < 0)


def test_nobody_waits_for_the_disk_while_old_pages_are_written(new_live: Callable[..., Live]) -> None:
    """At each wait for the disk of the shadow or the database another thread gets the latch."""
    live = new_live(MANY, params={Param.CheckpointDepthMax: 0})
    fs = with_faults(live)
    found = leaves(live)
    changed(live, found, -1)
    live.journal.writer.roll()
    asked: list[tuple[str, bool]] = []

    def got_latch() -> bool:
        answer: list[bool] = []

        def ask() -> None:
            answer.append(live.journal.latch.acquire(timeout=5))
            if answer[0]:
                live.journal.latch.release()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return answer[0]

    def watch(op: str, path: str) -> bool:
        if op == "fsync" and path.startswith(PATH):
            asked.append((path, got_latch()))
        return True

    fs.select = watch
    live.instance.live.upkeep.work()
    fs.select = None
    assert live.pages.dirty_pages == 0
    assert {path for path, _ in asked} == {PATH, PATH + LIVE}
    assert all(got for _, got in asked)
    assert ended(live) == [-1] * len(found)


def test_a_page_that_is_changed_in_flight_lands_as_it_was(live: Live, new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    found = leaves(live)[:3]
    changed(live, found, -1)
    flight = off(live, found)
    old = live.pages.oldest()
    live.pages.protect(flight)
    later = Writer(live, 40)
    later.replace(0, -2, found[1])
    assert live.pages.oldest() == old
    assert live.pages.dirty_pages == 3
    assert live.pages.land(flight) == 3
    assert live.pages.dirty_pages == 1
    live.pages.sync()
    assert live.pages.oldest() == later.begin0
    with live.disk.open(PATH) as file:
        pieces = [file.read_at((pgno + 1) * 4096, 4096) for pgno in found]
    assert pieces == [flight.images[pgno] for pgno in found]
    again = live.recovered(CrashPolicy.KEEP_ALL)
    assert ended(again) == [-1, -1, -1], "the change that came later was not committed"


def test_a_change_in_flight_that_is_committed(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    found = leaves(live)[:3]
    changed(live, found, -1)
    flight = off(live, found)
    live.pages.protect(flight)
    changed(live, found[1:2], -2, 40)
    assert live.pages.land(flight) == 3
    again = live.recovered(CrashPolicy.KEEP_ALL)
    assert ended(again) == [-2, -1, -1]


@pytest.mark.parametrize("policy", list(CrashPolicy))
@pytest.mark.parametrize("landed", [False, True])
def test_the_power_fails_in_flight(new_live: Callable[..., Live], policy: CrashPolicy, landed: bool) -> None:  # noqa: FBT001
    live = new_live(MANY)
    found = leaves(live)[:8]
    changed(live, found, -1)
    flight = off(live, found)
    live.pages.protect(flight)
    changed(live, found[:2], -2, 40)
    Writer(live, 80).replace(1, -3, found[3])
    if landed:
        live.pages.land(flight)
    assert ended(live.recovered(policy, 5)) == [-2] * 2 + [-1] * 6


def test_pages_in_flight_are_not_let_go(new_live: Callable[..., Live]) -> None:
    """What the file has is older than what somebody would load."""
    live = new_live(MANY)
    found = leaves(live)
    live.pages.evict(live.pages.kept_pages)
    changed(live, found[:4], -1)
    flight = off(live, found[:4])
    live.pages.protect(flight)
    for pgno in found[4:8]:
        live.pages.load(pgno)
    live.pages.evict(live.pages.kept_pages)
    assert live.pages.kept_pages == 4
    assert live.instance.live.pool.count == 4
    changed(live, found[:2], -2, 40)
    assert live.pages.land(flight) == 4
    live.pages.evict(live.pages.kept_pages)
    assert live.pages.kept_pages == 0
    assert ended(live) == [-2, -2, -1, -1]


def test_a_flush_calls_pages_back(new_live: Callable[..., Live]) -> None:
    """An older state does not come over a newer one."""
    live = new_live(MANY)
    found = leaves(live)[:4]
    changed(live, found, -1)
    flight = off(live, found)
    live.pages.protect(flight)
    changed(live, found[:2], -2, 40)
    live.pages.flush()
    assert live.pages.dirty_pages == 0
    assert live.pages.oldest() is None
    assert live.pages.land(flight) == 0
    live.pages.call_back(flight)
    assert live.pages.dirty_pages == 0
    assert ended(live.recovered()) == [-2, -2, -1, -1]


def test_a_flight_whose_images_gave_way_does_not_land(
    new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = new_live(MANY)
    monkeypatch.setattr(shadow, "_ROUND", 5 * 4096)
    found = leaves(live)[:4]
    changed(live, found[:2], -1)
    changed(live, found[2:], -2, 40)
    flight = off(live, found[:2])
    first = live.pages.oldest()
    live.pages.protect(flight)
    assert live.pages.write(found[2:]) == 2
    assert live.pages.land(flight) == 0
    live.pages.call_back(flight)
    assert (live.pages.dirty_pages, live.pages.oldest()) == (2, first)
    again = live.recovered()
    assert ended(again) == [-2, -2, -1, -1]


@pytest.mark.parametrize("suffix", [LIVE, ""])
def test_a_flight_that_fails_is_called_back(new_live: Callable[..., Live], suffix: str) -> None:
    live = new_live(MANY, params={Param.CheckpointDepthMax: 0})
    fs = with_faults(live)
    found = leaves(live)[:10]
    changed(live, found, -1)
    live.pages.flush()
    changed(live, found, -2, 40)
    live.journal.writer.roll()
    first = live.pages.oldest()
    fs.select = lambda op, path: op == "write" and path == PATH + suffix
    fs.fail_at, fs.mode = fs.count + 1, FaultMode.EIO
    with pytest.raises(EseError) as caught:
        live.instance.live.upkeep.work()
    assert caught.value.code == Err.DiskIO
    assert (live.pages.dirty_pages, live.pages.oldest()) == (10, first)
    fs.select = None
    live.instance.live.upkeep.work()
    assert live.pages.dirty_pages == 0
    assert ended(live) == [-2] * 10


def test_a_database_that_cannot_be_made_durable_for_the_shadow(
    new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is taken down when nobody holds the shadow any more: who has the latch may wait for that."""
    live = new_live(MANY)
    fs = with_faults(live)
    monkeypatch.setattr(shadow, "_ROUND", 5 * 4096)
    found = leaves(live)[:6]
    changed(live, found, -1)
    assert live.pages.write(found[:3]) == 3
    flight = off(live, found[3:])
    fs.select = lambda op, path: op == "fsync" and path == PATH
    fs.fail_at, fs.mode = fs.count + 1, FaultMode.EIO
    taken: list[bool] = []
    take_down: Any = live.journal.writer.take_down

    def watched(error: EseError) -> None:
        lock = live.pages._shadow.lock

        def ask() -> None:
            taken.append(lock.acquire(timeout=5))
            if taken[0]:
                lock.release()

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        take_down(error)

    monkeypatch.setattr(live.journal.writer, "take_down", watched)
    with pytest.raises(EseError):
        live.pages.protect(flight)
    assert taken == [True]
    assert live.journal.writer.failed


def test_an_open_transaction_has_no_page_written_again_and_again(new_live: Callable[..., Live]) -> None:
    """It changes ten pages in each generation, and holds the checkpoint; four generations are wanted behind that."""
    rounds, depth = 26, 4
    live = new_live(MANY, params={Param.CheckpointDepthMax: depth * 64 * 1024})
    fs = with_faults(live)
    found = leaves(live)
    changed(live, found[10:15], -1, 2000)
    waiting = Writer(live, 4, procid=5)
    keeper, log = live.instance.keeper(), live.journal.writer
    for round_ in range(rounds):
        for pgno in found[:10]:
            waiting.replace(round_ % 2, -2, pgno)
        log.roll()
        live.instance.live.upkeep.between_operations()
    held = waiting.begin0.generation
    assert keeper.checkpoint_position().generation == held
    sizes = [each for each in fs.operations if each.op == "write" and each.path == PATH + LIVE]
    # Each batch has the ten, the first the five of the others as well.
    assert rounds // (depth + 1) - 1 <= len(sizes) <= rounds // depth + 1
    assert live.pages.dirty_pages == 10
    waiting.commit()
    log.roll()
    live.instance.live.upkeep.between_operations()
    assert live.pages.dirty_pages == 0, "nothing keeps them from helping now"
    for _ in range(depth):
        log.roll()
        live.instance.live.upkeep.between_operations()
    assert keeper.checkpoint_position().generation == log.generation - 1
    assert ended(live) == [-2] * 20 + [-1] * 5
