"""Engine work in threads, and ONE snapshot of it that screens poll.

A job owns a `Monitor`; the worker writes plain attributes into it and never waits for anybody.  A screen
calls `JobBoard.snapshot()` as often as it likes (10 times a second, 4 over SSH) and gets values that no
longer change.  A screen that stalls therefore stalls nothing but itself.

    RUNNING -> DONE | FAILED | CANCELLED

Cancelling sets a flag that the engine looks at between two chunks; what it had begun it cleans up itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from engine.errors import EseError
from engine.monitor import Monitor, MonitorSnapshot, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

RATE_SAMPLES = 240
"""Samples of the transfer rate that are kept for the sparkline."""

RATE_INTERVAL = 0.25
"""Seconds between two samples."""

KEPT_JOBS = 50
"""Finished jobs that are remembered."""

_LOG = logging.getLogger("esetui.jobs")


class JobKind(Enum):
    """What a job does."""

    FULL = "full backup"
    ATOMIC = "atomic full backup"
    INCREMENTAL = "incremental backup"
    TRUNCATE = "truncation"
    VERIFY = "verification"
    CHECK = "integrity check"
    REPLAY = "recovery in memory"
    RECOVER = "recovery"
    RESTORE = "restore"
    DRILL = "restore drill"
    REPAIR = "page repair"
    EXPORT = "export"
    START = "start"
    STOP = "stop"
    CUT_OFF = "cut off"

    @property
    def is_backup(self) -> bool:
        """Whether files are copied into a backup directory."""
        return self in {JobKind.FULL, JobKind.ATOMIC, JobKind.INCREMENTAL}


class JobState(Enum):
    """Where a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by work that noticed the request to cancel and has cleaned up."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: what, where, and what to do next."""

    text: str
    code: int | None = None
    hint: str = ""
    path: str = ""
    page: int | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """One job as a screen draws it."""

    number: int
    kind: JobKind
    instance: str
    """Key of the instance, or empty."""
    subject: str
    target: str
    command: str
    state: JobState
    monitor: MonitorSnapshot
    rates: tuple[float, ...]
    """Bytes a second, one sample each RATE_INTERVAL, oldest first."""
    summary: str
    error: JobError | None
    cancelling: bool

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.state is JobState.RUNNING

    @property
    def percent(self) -> int | None:
        """Percent of the bytes; None when there are none to wait for: what comes after them has its own measure."""
        shot = self.monitor
        return None if shot.bytes_done >= shot.bytes_total else int(shot.fraction * 100)

    @property
    def rate(self) -> float:
        """Bytes a second over the last second, or the mean when it has ended."""
        if not self.running or not self.rates:
            return self.monitor.bytes_per_second
        last = self.rates[-4:]
        return sum(last) / len(last)


@dataclass(frozen=True, slots=True)
class BoardSnapshot:
    """All jobs, oldest first.  `version` changes when a job begins or ends."""

    jobs: tuple[JobSnapshot, ...] = ()
    version: int = 0

    @property
    def running(self) -> tuple[JobSnapshot, ...]:
        """Jobs that still run."""
        return tuple(job for job in self.jobs if job.running)

    @property
    def shown(self) -> JobSnapshot | None:
        """The job a panel shows: the newest running one, else the newest."""
        return self.running[-1] if self.running else self.jobs[-1] if self.jobs else None

    def busy(self, instance: str) -> JobSnapshot | None:
        """Return the job that runs on an instance."""
        return next((job for job in self.running if job.instance == instance), None)


@dataclass(slots=True)
class Job:
    """A piece of engine work in its own thread."""

    number: int
    kind: JobKind
    instance: str
    subject: str
    target: str
    command: str
    work: Callable[[Monitor], str]
    monitor: Monitor = field(default_factory=Monitor)
    state: JobState = JobState.RUNNING
    summary: str = ""
    error: JobError | None = None
    thread: threading.Thread | None = None
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_SAMPLES))
    sampled: tuple[float, int] = (0.0, 0)

    def run(self) -> None:
        """Do the work and keep its outcome.  Nothing is raised: the outcome is the value."""
        monitor = self.monitor
        try:
            self.summary = self.work(monitor)
        except Cancelled:
            self._end(JobState.CANCELLED, Phase.CANCELLED)
        except EseError as error:
            if monitor.cancel_requested:
                self._end(JobState.CANCELLED, Phase.CANCELLED)
            else:
                self.error = describe(error)
                self._end(JobState.FAILED, Phase.FAILED)
        except Exception as error:  # noqa: BLE001 - the outcome of a job is shown, whatever it is
            _LOG.exception("job %s failed", self.kind.value)
            self.error = JobError(f"internal error: {type(error).__name__}: {error}")
            self._end(JobState.FAILED, Phase.FAILED)
        else:
            self._end(JobState.DONE, Phase.DONE)

    def _end(self, state: JobState, phase: Phase) -> None:
        if self.monitor.finished is None:
            self.monitor.finish(phase)
        self.monitor.phase = phase
        self.state = state

    def sample(self, now: float, done: int) -> None:
        """Note the transfer rate since the last sample, when one is due."""
        then, before = self.sampled
        if not then:
            self.sampled = (now, done)
        elif self.state is JobState.RUNNING and now - then >= RATE_INTERVAL:
            self.rates.append(max(0, done - before) / (now - then))
            self.sampled = (now, done)

    def snapshot(self) -> JobSnapshot:
        """Return a copy of the present figures."""
        state = self.state
        shot = self.monitor.snapshot()
        self.sample(shot.taken, shot.bytes_done)
        return JobSnapshot(
            self.number,
            self.kind,
            self.instance,
            self.subject,
            self.target,
            self.command,
            state,
            shot,
            tuple(self.rates),
            self.summary,
            self.error,
            self.monitor.cancel_requested,
        )


def describe(error: EseError) -> JobError:
    """Return an engine error as the screens show it."""
    return JobError(
        f"{error.name} ({error.code}): {error.message}",
        error.code,
        error.hint or "",
        error.path or "",
        error.page,
        error.generation,
    )


class JobBoard:
    """Starts jobs, remembers them, cancels them.  Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: list[Job] = []
        self._number = 0
        self._version = 0
        self._closed = False

    def submit(
        self,
        kind: JobKind,
        work: Callable[[Monitor], str],
        *,
        instance: str = "",
        subject: str = "",
        target: str = "",
        command: str = "",
        ended: Callable[[Job], None] | None = None,
    ) -> Job:
        """Start `work` in a thread and return its job.

        `work` gets the monitor to fill and returns one sentence about its result; `ended` is called in the
        job's thread after the outcome is known.  After `close` nothing is started: the job is cancelled at once.
        """
        with self._lock:
            self._number += 1
            self._version += 1
            job = Job(self._number, kind, instance, subject, target, command, work)
            self._jobs.append(job)
            self._forget()
            if self._closed:
                job.state = JobState.CANCELLED
                job.monitor.finish(Phase.CANCELLED)
                return job

        def body() -> None:
            job.run()
            with self._lock:
                self._version += 1
            if ended is not None:
                ended(job)

        # Not a daemon: a backup cleans up after itself before the process may end.
        job.thread = threading.Thread(target=body, name=f"job-{job.number}-{kind.value}", daemon=False)
        job.thread.start()
        return job

    def _forget(self) -> None:
        surplus = len(self._jobs) - KEPT_JOBS
        for job in [each for each in self._jobs if each.state is not JobState.RUNNING][: max(0, surplus)]:
            self._jobs.remove(job)

    def snapshot(self) -> BoardSnapshot:
        """Return all jobs as they are now.  Never waits for a worker."""
        with self._lock:
            jobs, version = tuple(self._jobs), self._version
        return BoardSnapshot(tuple(job.snapshot() for job in jobs), version)

    def running(self) -> list[Job]:
        """Return the jobs that still run."""
        with self._lock:
            return [job for job in self._jobs if job.state is JobState.RUNNING]

    def cancel(self, number: int) -> bool:
        """Ask a job to stop; False when it does not run."""
        for job in self.running():
            if job.number == number:
                job.monitor.cancel()
                return True
        return False

    def close(self) -> None:
        """Start no job from now on."""
        with self._lock:
            self._closed = True

    def cancel_all(self) -> int:
        """Ask every running job to stop and return how many there were.

        Takes no lock, so that a signal handler may call it whatever the interrupted code held.
        """
        jobs = [job for job in self._jobs if job.state is JobState.RUNNING]
        for job in jobs:
            job.monitor.cancel()
        return len(jobs)

    def join(self, timeout: float) -> bool:
        """Wait until no job runs, at most `timeout` seconds; False when one still does."""
        deadline = time.monotonic() + timeout
        for job in self.running():
            if job.thread is not None:
                job.thread.join(max(0.0, deadline - time.monotonic()))
        return not self.running()
