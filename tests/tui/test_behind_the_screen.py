"""Jobs, the watcher and the event feed: what the screens poll."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.event_table import EVENTS
from engine.monitor import Phase
from esetui.jobs import Cancelled, JobBoard, JobKind, JobState
from esetui.tui import words
from esetui.tui.advice import ADVICE
from esetui.tui.control import Control
from esetui.tui.feed import EventFeed, EventFilter
from esetui.tui.model import Level
from esetui.watch import Watcher, is_network_path, tells_of_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.monitor import Monitor
    from esetui.demo import Demo


def wait_for(ready: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_snapshot_never_waits_for_the_worker() -> None:
    board, go = JobBoard(), threading.Event()

    def work(monitor: Monitor) -> str:
        monitor.bytes_total, monitor.bytes_done = 10, 5
        assert go.wait(10)
        return "done so"

    job = board.submit(JobKind.FULL, work, instance="i", command="esetui backup a b")
    wait_for(lambda: board.snapshot().running[0].monitor.bytes_done == 5)
    began = time.monotonic()
    shot = board.snapshot()
    assert time.monotonic() - began < 0.5
    assert shot.busy("i") is not None
    assert shot.running[0].monitor.fraction == 0.5
    assert shot.running[0].percent == 50
    job.monitor.bytes_done = 10
    assert board.snapshot().running[0].percent is None, "what comes after the bytes has its own measure"
    go.set()
    assert board.join(10)
    ended = board.snapshot().jobs[0]
    assert (ended.state, ended.summary, ended.number) == (JobState.DONE, "done so", job.number)
    assert ended.monitor.phase is Phase.DONE


def test_cancelling_is_an_outcome_and_a_failure_names_its_place() -> None:
    board = JobBoard()

    def until_cancelled(monitor: Monitor) -> str:
        wait_for(lambda: monitor.cancel_requested)
        raise Cancelled

    def broken(_: Monitor) -> str:
        raise EseError.from_code(Err.ReadVerifyFailure, "bad", path="/db", page=7)

    first = board.submit(JobKind.FULL, until_cancelled)
    assert board.cancel(first.number)
    board.submit(JobKind.VERIFY, broken)
    assert board.join(10)
    cancelled, failed = board.snapshot().jobs
    assert cancelled.state is JobState.CANCELLED
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.path, failed.error.page) == (-1018, "/db", 7)
    assert not board.cancel(first.number)


def test_nothing_begins_after_the_end(demo: Demo) -> None:
    """A start that is asked for while the console leaves must not leave a running instance behind."""
    control = Control(demo.instances, target=demo.backup, watch=False)
    control.rescan()
    [view] = [each for each in control.overview.instances if each.name == "dhcp"]
    assert control.close() == []
    job = control.start(view)
    assert (job.state, job.thread) == (JobState.CANCELLED, None)
    assert control.running() == []
    assert control.board.join(1)


@pytest.mark.parametrize("hints", [True, False], ids=["hinted", "polled"])
def test_the_watcher_rescans_when_something_changes(tmp_path: Path, *, hints: bool) -> None:
    scans: list[set[str]] = []
    watcher = Watcher(
        lambda: scans.append({each.name for each in tmp_path.iterdir()}),
        hinted=60.0,
        polled=0.2,
        settle=0.05,
        use_hints=hints,
    )
    watcher.watch([str(tmp_path)])
    watcher.start()
    try:
        wait_for(lambda: bool(scans))
        if hints:
            wait_for(lambda: str(tmp_path) in watcher.watched)
        (tmp_path / "backup.json").write_text("{}")
        wait_for(lambda: scans[-1] == {"backup.json"})
        (tmp_path / "backup.json").unlink()
        wait_for(lambda: scans[-1] == set())
    finally:
        watcher.stop()


def test_a_file_that_always_changes_does_not_bring_about_one_scan_after_another() -> None:
    moments: list[float] = []
    watcher = Watcher(lambda: moments.append(time.monotonic()), polled=60.0, settle=0.0, rest=0.4, use_hints=False)
    watcher.start()
    try:
        wait_for(lambda: len(moments) == 1)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            watcher.noticed()
            time.sleep(0.01)
        assert 2 <= len(moments) <= 5
        assert all(after - before >= 0.4 for before, after in pairwise(moments))
        # What somebody asks for does not wait.
        watcher.noticed()
        seen, asked = len(moments), time.monotonic()
        watcher.hint()
        wait_for(lambda: len(moments) > seen)
        assert moments[seen] - asked < 0.35
    finally:
        watcher.stop()


def test_a_scan_that_fails_is_tried_again() -> None:
    calls: list[int] = []

    def rescan() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("gone")

    watcher = Watcher(rescan, polled=0.05, settle=0.0, use_hints=False)
    watcher.start()
    try:
        wait_for(lambda: len(calls) > 2)
    finally:
        watcher.stop()


@pytest.mark.parametrize(
    ("path", "network"),
    [("/mnt/share/a", True), ("/home/a", False), ("//server/share", True), ("/mnt/shares", False)],
)
def test_network_file_systems_are_told_by_their_mount(path: str, *, network: bool) -> None:
    table = [("/", "ext4"), ("/mnt/share", "cifs")]
    assert is_network_path(path, table) is network


def test_the_feed_is_bounded_and_tells_what_is_new() -> None:
    feed = EventFeed(limit=5)
    for number in range(8):
        feed.note(f"row {number}", level=Level.WARN if number % 2 else Level.INFO)
    assert [row.text for row in feed.since(0)] == [f"row {number}" for number in range(3, 8)]
    assert [row.text for row in feed.since(feed.version - 1)] == ["row 7"]
    assert (feed.oldest, feed.version) == (4, 8)
    rows = feed.since(0)
    assert [row.text for row in rows if EventFilter("level:w").fits(row)] == ["row 3", "row 5", "row 7"]
    assert [row.text for row in rows if EventFilter("!level:w row").fits(row)] == ["row 4", "row 6"]
    assert not EventFilter("id:399").fits(rows[0])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31m", "a\\x1b[31m"), ("\u202egnp", "\\u202egnp"), ("[bold]x", "[bold]x"), ("Büro", "Büro")],
)
def test_text_from_files_cannot_move_the_cursor(text: str, shown: str) -> None:
    assert words.safe(text) == shown


def test_sizes_have_three_digits() -> None:
    assert [words.size(each) for each in (0, 999, 1024, 5_767_168, 137_000_000, 10**13)] == [
        "0 B", "999 B", "1.00 KiB", "5.50 MiB", "131 MiB", "9.09 TiB",
    ]  # fmt: skip


def test_advice_is_for_events_that_exist_and_is_whole() -> None:
    assert {number for number in ADVICE if number not in EVENTS} == set()
    assert all(advice.meaning.endswith(".") and advice.action.endswith(".") for advice in ADVICE.values())


@pytest.mark.parametrize(
    ("kind", "path", "folder", "tells"),
    [
        ("opened", "/i/edb.log", False, False),
        ("closed_no_write", "/i/edb.log", False, False),
        ("modified", "/i", True, False),
        ("modified", "/i/edb.log", False, True),
        ("closed", "/i/edb.log", False, True),
        ("created", "/i/edb00002.log", False, True),
        ("deleted", "/i/edb.lock", False, True),
        ("closed", "/i/edb.lock", False, False),
        ("modified", "/i/edb.lock", False, False),
    ],
)
def test_what_tells_of_a_change(kind: str, path: str, *, folder: bool, tells: bool) -> None:
    assert tells_of_change(kind, path, folder=folder) is tells


def test_a_scan_is_no_reason_for_the_next(demo: Demo) -> None:
    """A console that nobody touches looks once, and not again because it looked."""
    control = Control(demo.instances, target=demo.backup)
    control.start_watching()
    try:
        wait_for(lambda: control.scans > 0)
        time.sleep(1.0)
        before = control.scans
        time.sleep(2.0)
        quiet = control.scans
        assert quiet <= before + 1
        (Path(demo.instances[0]) / "new.edb").write_bytes(b"x")
        wait_for(lambda: control.scans > quiet)
    finally:
        assert control.close() == []
