"""The status callback of a restore: Begin, Progress with growing percent, then Complete or exactly one Fail.

All copies together count as much as one replayed log, as the engine counts.
A callback that returns False or a negative number, or raises, at Begin or Progress cancels the restore; at Complete
and Fail its value is ignored, and what it raises is raised again when the restore is over.
Source: jet-api reference 2.1, R51, R52.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.monitor import Phase
from engine.types import Progress, Snp, Snt

if TYPE_CHECKING:
    from engine.monitor import Monitor
    from engine.types import ProgressCallback

_TOTAL: Final = 100
_LAST_PERCENT: Final = 99


class RestoreProgress:
    """Tells the callback and the monitor, where there are such."""

    def __init__(self, callback: ProgressCallback | None, monitor: Monitor | None) -> None:
        self._callback = callback
        self._monitor = monitor
        self.databases = 1
        """How many there are to copy; set when that is known."""
        self._copied = 0.0
        self._replayed = 0.0
        self._generations = 0
        self._percent = 0
        self._begun = False
        self.late: BaseException | None = None
        """What the callback raised at Complete or Fail."""

    def begin(self, generations: int) -> None:
        """Say that a restore through so many logs begins."""
        self._generations = generations
        self._begun = True
        self._call(Snt.BEGIN, 0, "database")

    def copied(self) -> None:
        """Say that one database is copied."""
        self._copied += 1 / max(1, self.databases)
        self._advance("database")

    def replay(self, progress: Progress) -> None:
        """Take what the replay tells of itself; its begin and its end are not those of the restore."""
        self._check()
        if progress.snt is Snt.PROGRESS:
            if self._monitor is not None:
                self._monitor.phase, self._monitor.detail = Phase.REPLAYING, f"{progress.done} %"
            self._replayed = self._generations * progress.done / _LAST_PERCENT
            self._advance(progress.phase)

    def complete(self) -> None:
        """Say that the databases are at their places."""
        self._end(Snt.COMPLETE, _TOTAL)

    def fail(self) -> None:
        """Say that the restore failed; nothing when it never began."""
        if self._begun:
            self._end(Snt.FAIL, self._percent)

    def _check(self) -> None:
        if self._monitor is not None and self._monitor.cancel_requested:
            raise EseError.from_code(Err.BackupAbortByCaller, "cancelled")

    def _advance(self, phase: str) -> None:
        self._check()
        percent = min(_LAST_PERCENT, int((self._copied + self._replayed) * _TOTAL / (1 + self._generations)))
        if percent > self._percent:
            self._percent = percent
            self._call(Snt.PROGRESS, percent, phase)

    def _call(self, snt: Snt, done: int, phase: str) -> None:
        if self._callback is None:
            return
        try:
            answer = self._callback(Progress(Snp.RESTORE, snt, done, _TOTAL, phase))
        except Exception as error:
            raise EseError.from_code(Err.CallbackFailed, f"{type(error).__name__}: {error}") from error
        if answer is False:
            raise EseError.from_code(Err.CallbackFailed, "the callback asked to stop")
        if isinstance(answer, int) and answer < 0:
            raise EseError.from_code(answer, "returned by the callback")

    def _end(self, snt: Snt, done: int) -> None:
        self._begun = False
        if self._callback is None:
            return
        try:
            self._callback(Progress(Snp.RESTORE, snt, done, _TOTAL, "undo"))
        except BaseException as error:  # noqa: BLE001 - raised again when the restore is over
            self.late = error
