"""The cache keeps its limit, old pages are written, the checkpoint follows, old logs go; in a thread or without one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode
from engine.format import lr
from engine.format.logheader import LogHeaderFlags
from engine.format.page import PageFlags
from engine.instance.live import cache_pages
from engine.params import Param, Parameters, SharedParameters
from engine.types import LgPos
from tests.store.by_hand import Writer, leaves, values
from tests.store.conftest import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.conftest import Live

MANY = 12_000
"""Rows on more than a hundred leaves."""


def touch(live: Live, pgnos: list[int], trx: int = 4) -> None:
    """Commit a change of the first row of each page; upkeep comes between the operations."""
    for count, pgno in enumerate(pgnos):
        writer = Writer(live, trx + 4 * count)
        writer.replace(0, -pgno, pgno)
        writer.commit()
        with live.journal.latch:
            live.pages.maintain()
        live.instance.live.upkeep.between_operations()


def test_the_cache_keeps_its_limit(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY, params={Param.CacheSizeMax: 70})
    found = leaves(live)
    assert len(found) > 100
    live.pages.maintain()
    touch(live, found)
    assert live.pages.kept_pages <= 70
    assert live.instance.live.pool.count == live.pages.kept_pages
    assert 0 < live.pages.dirty_pages <= 70
    again = live.recovered()
    again.end()
    changed = [number for number in values(again) if number < 0]
    assert sorted(changed) == sorted(-pgno for pgno in found)


@pytest.mark.parametrize(
    ("settings", "pages"),
    [
        ({}, 64 * 1024 * 1024 // 4096),
        ({Param.CacheSizeMax: 100}, 100),
        ({Param.CacheSizeMin: 50_000}, 50_000),
        ({Param.CacheSize: 777}, 777),
    ],
)
def test_the_size_of_the_cache_follows_the_parameters(settings: dict[Param | int | str, int], pages: int) -> None:
    assert cache_pages(Parameters(settings, shared=SharedParameters())) == pages


def test_parameters_can_change_while_it_runs(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    found = leaves(live)
    assert live.pages.kept_pages > 100
    live.instance.params[Param.CacheSize] = 70
    live.instance.params[Param.DbExtensionSize] = 32
    live.journal.writer.roll()
    live.instance.live.between_operations(live.pages)
    touch(live, found[:3])
    assert live.pages.kept_pages <= 70
    assert live.pages.extend(1, 9)[1] == 32


def test_a_page_in_the_hand_stays_the_page_that_counts(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY, params={Param.CacheSizeMax: 64})
    root = live.pages.load(live.root("Marks")[0])
    found = leaves(live)
    assert live.pages.kept_pages > len(found)
    assert live.pages.load(root.pgno) is root
    live.pages.maintain()
    assert live.pages.kept_pages <= 64


def test_each_write_steps_the_flush_type(new_live: Callable[..., Live]) -> None:
    live = new_live(3)
    root, _ = live.root("Marks")
    seen = []
    for count in range(5):
        writer = Writer(live, 4 + 4 * count)
        writer.replace(1, 100 + count)
        writer.commit()
        live.pages.flush()
        seen.append((live.page(root).flags & PageFlags.FLUSH_TYPE) >> 15)
    first = seen[0]
    assert seen == [(first - 1 + step) % 3 + 1 for step in range(5)]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_page_waits_for_the_commit_of_its_changes(live: Live, deleted: bool) -> None:  # noqa: FBT001 - a parameter
    """The change is on the disk, the lazy commit is not: recovery would take back what no record can undo any more."""
    database = live.session.open(PATH)
    with live.session.transaction():
        key = database["Rows"].insert(Id=1, Name="before")
    live.session.begin()
    if deleted:
        database["Rows"].delete(key)
    else:
        database["Rows"].update(key, Name="after")
    live.journal.writer.flush()
    live.session.commit(lazy_flush=True)
    changed = live.journal.writer.tip
    dirty = list(live.pages._dirty)
    assert live.pages.write(dirty) == len(dirty) - 1
    live.pages.flush()
    assert live.journal.writer.tip > changed
    again = live.recovered()
    again.end()
    assert [row["Name"] for row in again.rows()] == ([] if deleted else ["after"])


def test_old_pages_are_written_and_the_checkpoint_follows(new_live: Callable[..., Live]) -> None:
    depth = 3 * 64 * 1024
    live = new_live(MANY, params={Param.CheckpointDepthMax: depth})
    log, keeper = live.journal.writer, live.instance.keeper()
    found = leaves(live)
    most = 0
    for round_ in range(12):
        touch(live, found[round_ * 8 : round_ * 8 + 8], 4 + 400 * round_)
        log.roll()
        live.instance.live.upkeep.between_operations()
        most = max(most, log.generation - keeper.checkpoint_position().generation)
    assert most <= 4
    assert live.pages.dirty_pages <= 4 * 8
    header = live.database.header
    assert header.gen_min_required == keeper.checkpoint_position().generation
    assert header.gen_max_required == log.generation
    again = live.recovered()
    assert again.instance.log.generations_on_disk.start == 1
    again.end()
    assert sum(number < 0 for number in values(again)) == 96
    assert again.findings() == []


def test_an_open_transaction_holds_the_checkpoint(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY, params={Param.CheckpointDepthMax: 0})
    log, keeper = live.journal.writer, live.instance.keeper()
    found = leaves(live)
    log.roll()
    waiting = Writer(live, 4, procid=5)
    waiting.replace(3, -1, found[0])
    for count in range(6):
        touch(live, found[count : count + 1], 400 + 4 * count)
        log.roll()
        live.instance.live.upkeep.between_operations()
    assert keeper.checkpoint_position() == LgPos(2, 1, 0)
    assert not live.pages.due(log.tip, 1), "the pages themselves are written"
    assert "UndoInfo" in [each.record.type.name for each in live.records()]
    waiting.commit()
    touch(live, found[50:51], 800)
    log.roll()
    live.instance.live.upkeep.between_operations()
    assert keeper.checkpoint_position().generation == log.generation - 1


def test_circular_logging_deletes_what_the_checkpoint_has_passed(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY, circular_log=True, params={Param.CheckpointDepthMax: 0})
    log = live.journal.writer
    for round_, pgno in enumerate(leaves(live)[:10]):
        touch(live, [pgno], 4 + 4 * round_)
        log.roll()
        live.instance.live.upkeep.between_operations()
    on_disk = live.instance.log.generations_on_disk
    assert on_disk.stop == log.generation + 1
    assert len(on_disk) <= 5
    again = live.recovered()
    again.end()
    assert sum(number < 0 for number in values(again)) == 10


@pytest.mark.parametrize("policy", list(CrashPolicy))
def test_a_crash_at_any_time_of_upkeep(new_live: Callable[..., Live], policy: CrashPolicy) -> None:
    live = new_live(MANY, params={Param.CheckpointDepthMax: 64 * 1024, Param.CacheSizeMax: 64})
    expected = set[int]()
    for round_ in range(8):
        found = leaves(live)[round_ * 9 : round_ * 9 + 9]
        touch(live, found, 4 + 400 * round_)
        expected |= {-pgno for pgno in found}
        left = Writer(live, 400 * round_ + 200, procid=6)
        left.replace(1, -1, found[0])
        if round_ % 2:
            live.pages.flush()
        live = live.recovered(policy, round_)
    live.end()
    assert {number for number in values(live) if number < 0} == expected
    assert live.findings() == []


def test_a_full_log_disk_refuses_work_but_lets_it_end(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    log = live.journal.writer
    found = leaves(live)
    writer = Writer(live)
    writer.replace(0, -7, found[0])
    log.disk_full = True
    with pytest.raises(EseError) as caught:
        writer.replace(0, -8, found[1])
    assert caught.value.code == Err.LogDiskFull
    with pytest.raises(EseError) as caught:
        live.journal.note(lr.Begin0(7, 1 << 4, 400))
    assert caught.value.code == Err.LogDiskFull
    with pytest.raises(EseError) as caught:
        live.pages.extend(1, 7)
    assert caught.value.code == Err.LogDiskFull
    writer.commit()
    live.end()
    assert [number for number in values(live) if number < 0] == [-7]


def test_a_thread_does_it(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY, background=True, params={Param.CheckpointDepthMax: 0})
    log, keeper = live.journal.writer, live.instance.keeper()
    found = leaves(live)
    writer = Writer(live)
    for pgno in found[:60]:
        writer.replace(0, -pgno, pgno)
    writer.commit()
    for _ in range(3):
        log.roll()
    until = time.monotonic() + 20
    while keeper.checkpoint_position().generation < log.generation - 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert keeper.checkpoint_position().generation == log.generation - 1
    assert live.pages.dirty_pages == 0
    live.end()
    assert not [each for each in threading.enumerate() if each.name == "ese-upkeep" and each.is_alive()]
    assert sum(number < 0 for number in values(live)) == 60


def test_a_thread_makes_lazy_commits_durable(new_live: Callable[..., Live]) -> None:
    live = new_live(1, background=True)
    writer = Writer(live)
    writer.insert(5)
    position = live.journal.note(lr.Commit0(writer.procid, 0, 8))
    until = time.monotonic() + 20
    while live.journal.writer.tip <= position and time.monotonic() < until:
        time.sleep(0.01)
    again = live.recovered()
    again.end()
    assert values(again) == [0, 5]


def test_a_page_that_cannot_be_written_stays_changed(new_live: Callable[..., Live]) -> None:
    live = new_live(3)
    inner = live.disk
    live.end()
    fs = FaultFileSystem(inner, select=lambda op, path: op == "write" and path.endswith(".edb"))
    live.fs = fs
    live.start()
    writer = Writer(live)
    writer.replace(1, 77)
    writer.commit()
    fs.fail_at, fs.mode = fs.count + 1, FaultMode.EIO
    with pytest.raises(EseError):
        live.pages.flush()
    assert live.pages.dirty_pages == 1
    live.pages.flush()
    live.end()
    assert values(live) == [0, 77, 2]


def test_a_full_disk_uses_the_reserve_logs_and_work_goes_on_when_there_is_room(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    inner = live.disk
    live.end()
    full = FaultFileSystem(inner, select=lambda op, path: op == "preallocate" and path.endswith(("tmp.log", ".jrs")))
    live.fs = full
    live.start()
    log, between = live.journal.writer, live.instance.live.upkeep.between_operations

    def refuses() -> bool:
        return log.disk_full

    found = leaves(live)
    touch(live, found[:5])
    log.roll()
    between()
    assert sorted(each for each in live.names() if each.endswith(".jrs")) == ["edbres00001.jrs", "edbres00002.jrs"]
    writer = Writer(live, 400)
    writer.replace(0, -1, found[0])
    full.fail_at, full.times, full.mode = full.count + 1, 10**6, FaultMode.ENOSPC
    log.roll()
    assert refuses()
    assert log.header.flags & LogHeaderFlags.RESERVE_LOG
    with pytest.raises(EseError) as caught:
        writer.replace(0, -2, found[1])
    assert caught.value.code == Err.LogDiskFull
    between()
    assert refuses(), "there is no room for the reserves yet"
    writer.commit()
    full.fail_at = None
    between()
    assert not refuses()
    assert sorted(each for each in live.names() if each.endswith(".jrs")) == ["edbres00001.jrs", "edbres00002.jrs"]
    touch(live, found[5:8], 800)
    assert [each.id for each in live.instance.events].count(428) == 1
    live.end()
    assert sum(number < 0 for number in values(live)) == 8
    assert live.findings() == []


def test_without_any_room_the_log_goes_down_and_recovery_helps(new_live: Callable[..., Live]) -> None:
    live = new_live(MANY)
    inner = live.disk
    live.end()
    full = FaultFileSystem(inner, select=lambda op, path: op == "preallocate" and path.endswith("tmp.log"))
    live.fs = full
    live.start()
    writer = Writer(live)
    writer.replace(0, -1, leaves(live)[0])
    writer.commit()
    full.fail_at, full.times, full.mode = full.count + 1, 10**6, FaultMode.ENOSPC
    with pytest.raises(EseError) as caught:
        live.journal.writer.roll()
    assert caught.value.code == Err.LogDiskFull
    with pytest.raises(EseError) as caught:
        live.instance.session()
    assert caught.value.code == Err.InstanceUnavailable
    live.fs = None
    again = live.killed()
    again.end()
    assert sum(number < 0 for number in values(again)) == 1
