"""Progress of a running job, for a person or for a program, without ever holding the job up.

The engine writes into a `Monitor`; a thread here looks at it a few times a second and paints one line on the
terminal, or writes JSON lines: `progress`, `file_done`, `event`.  Only that thread can be stopped by a reader
that does not read: what the engine reports is put into a bounded queue and written later.
Source: console design, "Pieces"; anchors A.3 and B.5.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from engine.monitor import FileState, Phase
from esetui.cli.output import size_text
from esetui.journal import event_fields

if TYPE_CHECKING:
    from engine.events import Event
    from engine.monitor import Monitor, MonitorSnapshot
    from esetui.cli.output import Output

JSON_INTERVAL = 0.5
"""Seconds between two `progress` lines."""

PAINT_INTERVAL = 0.1
SSH_PAINT_INTERVAL = 0.25
_TICK = 0.05
_KEPT_EVENTS = 10_000
_SEVERITY_MARKS = {"info": "i", "warning": "w", "error": "e"}
_BAR = 20


class Reporter:
    """Context that reports a monitor's progress until it is left; then everything queued has been written."""

    def __init__(self, out: Output, monitor: Monitor) -> None:
        self._out = out
        self._monitor = monitor
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self._done: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._painted = False
        self._told = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def event(self, event: Event) -> None:
        """Take one event of the engine; give this to an event log's `subscribe`."""
        self._events.append(event)

    def line(self, text: str) -> None:
        """Write a line of data from the working thread, above the progress line."""
        if self._painted:
            self._out.unpaint()
        self._out.line(text)

    def _run(self) -> None:
        interval = JSON_INTERVAL if self._out.json else _paint_interval()
        due = time.monotonic() + interval
        while not self._stop.wait(_TICK):
            self._write_events()
            if self._monitor.cancel_requested and not self._told:
                self._told = True
                self._above("cancelling; what was begun is cleaned up first")
            if time.monotonic() >= due:
                self._write_progress(self._monitor.snapshot())
                due = time.monotonic() + interval
        self._write_events()
        snapshot = self._monitor.snapshot()
        self._files_done(snapshot)
        if self._painted:
            self._out.unpaint()

    def _write_events(self) -> None:
        while self._events:
            event = self._events.popleft()
            fields = event_fields(event)
            self._out.record("event", fields)
            mark = _SEVERITY_MARKS.get(fields["severity"], "?")
            self._above(f"{event.time.astimezone():%H:%M:%S} {mark} {event.id:<4} {event.message}")

    def _above(self, text: str) -> None:
        """Narrate above the progress line."""
        if self._painted:
            self._out.unpaint()
        self._out.narrate(text)

    def _write_progress(self, snapshot: MonitorSnapshot) -> None:
        if self._out.json:
            self._files_done(snapshot)
            self._out.record("progress", progress_fields(snapshot))
        elif self._out.live and snapshot.phase is not Phase.IDLE:
            self._painted = True
            width = shutil.get_terminal_size().columns
            self._out.paint(progress_line(snapshot)[: max(20, width - 1)])

    def _files_done(self, snapshot: MonitorSnapshot) -> None:
        for each in snapshot.files:
            if each.state is FileState.DONE and each.path not in self._done:
                self._done.add(each.path)
                self._out.record("file_done", name=each.name, path=each.path, kind=each.kind, bytes=each.bytes_done)


def _paint_interval() -> float:
    return SSH_PAINT_INTERVAL if "SSH_CONNECTION" in os.environ else PAINT_INTERVAL


def progress_fields(snapshot: MonitorSnapshot) -> dict[str, object]:
    """Return the figures of a `progress` line; sizes in bytes, times in seconds."""
    remaining = snapshot.remaining
    return {
        "phase": snapshot.phase.value,
        "detail": snapshot.detail,
        "percent": round(snapshot.fraction * 100, 1),
        "bytes_done": snapshot.bytes_done,
        "bytes_total": snapshot.bytes_total,
        "bytes_per_second": int(snapshot.bytes_per_second),
        "elapsed": round(snapshot.elapsed, 3),
        "remaining": None if remaining is None else round(remaining, 1),
        "pages_verified": snapshot.pages_verified,
        "pages_blank": snapshot.pages_blank,
        "pages_corrected": snapshot.pages_corrected,
        "pages_bad": snapshot.pages_bad,
        "segments_verified": snapshot.segments_verified,
    }


def progress_line(snapshot: MonitorSnapshot) -> str:
    """Return the line a person sees: bar, percent, rate, time left, pages and what is going on."""
    filled = int(snapshot.fraction * _BAR)
    parts = [
        f"[{'#' * filled}{'.' * (_BAR - filled)}] {snapshot.fraction * 100:3.0f} %",
        f"{size_text(snapshot.bytes_per_second)}/s",
    ]
    if snapshot.remaining is not None:
        seconds = int(snapshot.remaining)
        parts.append(f"ETA {seconds // 60}:{seconds % 60:02d}")
    pages = f"pages ok {snapshot.pages_verified:,} bad {snapshot.pages_bad:,}"
    if snapshot.pages_corrected:
        pages += f" corrected {snapshot.pages_corrected:,}"
    parts.append(pages)
    parts.append(f"{snapshot.phase.value} {snapshot.detail}".rstrip())
    return "  ".join(parts)
