"""One snapshot of a running operation, for screens that poll.

The worker writes plain attributes and never waits; a reader takes `snapshot()` whenever it likes.  Each
figure is read by itself, so two figures of one snapshot may be a chunk apart; none is ever torn.
Memory is bounded: the page map has at most `MAP_CELLS` cells however large the database is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum, IntEnum

MAP_CELLS = 4096
"""Most cells a page map has."""


class Phase(Enum):
    """What an operation is doing now."""

    IDLE = "idle"
    STARTING = "starting"
    DATABASES = "copying databases"
    ROLLING = "rolling the log"
    LOGS = "copying logs"
    PUBLISHING = "publishing the set"
    TRUNCATING = "truncating logs"
    HEADERS = "updating headers"
    REPLAYING = "replaying logs"
    VERIFYING = "verifying"
    CLEANING = "cleaning up"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Cell(IntEnum):
    """State of one group of pages in the page map; a higher state wins within a group."""

    NOT_YET = 0
    READING = 1
    FREE = 2
    VERIFIED = 3
    CORRECTED = 4
    BAD = 5


class FileState(Enum):
    """State of one file of an operation."""

    WAITING = "waiting"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class FileProgress:
    """Progress of one file: bytes, and pages or segments."""

    name: str
    path: str
    kind: str
    """"database" or "log"."""
    bytes_total: int = 0
    bytes_done: int = 0
    state: FileState = FileState.WAITING


@dataclass(frozen=True, slots=True)
class MonitorSnapshot:
    """What a screen draws: a copy that no longer changes.  Times are `time.monotonic()` seconds."""

    phase: Phase
    detail: str
    started: float
    finished: float | None
    taken: float
    bytes_done: int
    bytes_total: int
    pages_verified: int
    pages_blank: int
    pages_corrected: int
    pages_bad: int
    segments_verified: int
    files: tuple[FileProgress, ...]
    map_name: str
    map_pages: int
    map_cells: bytes

    @property
    def elapsed(self) -> float:
        """Seconds since the start, up to the end."""
        return max(0.0, (self.finished if self.finished is not None else self.taken) - self.started)

    @property
    def fraction(self) -> float:
        """Share of bytes done, 0..1."""
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Mean rate since the start."""
        return self.bytes_done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds left at the mean rate, or None when nothing can be said."""
        if self.finished is not None or not self.bytes_done or not self.bytes_total:
            return None
        return (self.bytes_total - self.bytes_done) / max(self.bytes_per_second, 1.0)


@dataclass(slots=True)
class Monitor:
    """Counters that the worker writes and screens read; also carries the request to cancel."""

    phase: Phase = Phase.IDLE
    detail: str = ""
    started: float = field(default_factory=time.monotonic)
    finished: float | None = None
    bytes_total: int = 0
    bytes_done: int = 0
    pages_verified: int = 0
    pages_blank: int = 0
    pages_corrected: int = 0
    pages_bad: int = 0
    segments_verified: int = 0
    files: list[FileProgress] = field(default_factory=list)
    map_name: str = ""
    map_pages: int = 0
    pages_per_cell: int = 1
    map_cells: bytearray = field(default_factory=bytearray)
    cancel_requested: bool = False

    def cancel(self) -> None:
        """Ask the operation to stop at its next chunk."""
        self.cancel_requested = True

    def finish(self, phase: Phase) -> None:
        """Mark the end and stop the clock."""
        self.finished = time.monotonic()
        self.phase = phase

    def begin_map(self, name: str, pages: int) -> None:
        """Start the page map of a database of `pages` pages."""
        per_cell = max(1, -(-pages // MAP_CELLS))
        self.map_cells = bytearray(-(-pages // per_cell) if pages else 0)
        self.pages_per_cell = per_cell
        self.map_pages = pages
        self.map_name = name

    def mark_pages(self, first_pgno: int, count: int, state: Cell) -> None:
        """Raise the cells of pages `first_pgno` .. + `count` - 1 (1-based) to `state`; a bad cell stays bad."""
        if count <= 0 or not self.map_cells:
            return
        cells, per_cell = self.map_cells, self.pages_per_cell
        first = max(0, (first_pgno - 1) // per_cell)
        last = min(len(cells) - 1, (first_pgno - 2 + count) // per_cell)
        for index in range(first, last + 1):
            cells[index] = max(cells[index], state)

    def snapshot(self) -> MonitorSnapshot:
        """Return a copy of the present figures."""
        return MonitorSnapshot(
            phase=self.phase,
            detail=self.detail,
            started=self.started,
            finished=self.finished,
            taken=time.monotonic(),
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            pages_verified=self.pages_verified,
            pages_blank=self.pages_blank,
            pages_corrected=self.pages_corrected,
            pages_bad=self.pages_bad,
            segments_verified=self.segments_verified,
            files=tuple(
                FileProgress(each.name, each.path, each.kind, each.bytes_total, each.bytes_done, each.state)
                for each in tuple(self.files)
            ),
            map_name=self.map_name,
            map_pages=self.map_pages,
            map_cells=bytes(self.map_cells),
        )
