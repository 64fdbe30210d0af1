"""The status callback of a backup: Begin, Progress with growing percent, then Complete or exactly one Fail.

Always on the calling thread, with no lock held.  A callback that returns False or a negative number, or raises, at
Begin or Progress cancels the backup; at Complete and Fail its value is ignored and what it raises is raised
again when the backup is over.
Source: jet-api reference R49-R52.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.types import Progress, Snp, Snt

if TYPE_CHECKING:
    from engine.monitor import Monitor
    from engine.types import ProgressCallback

TOTAL: Final = 100
_LAST_PERCENT: Final = 99


class Notifier:
    """Counts bytes for the monitor and tells the callback, if there is one."""

    def __init__(self, callback: ProgressCallback | None, monitor: Monitor) -> None:
        self._callback = callback
        self._monitor = monitor
        self._begun = False
        self._ended = False
        self._percent = 0
        self.phase = "database"
        self.path: str | None = None
        self.late: BaseException | None = None
        """What the callback raised at Complete or Fail."""

    def begin(self) -> None:
        """Say that the first byte is about to be copied."""
        self._begun = True
        self._call(Snt.BEGIN, 0)

    def advance(self, count: int) -> None:
        """Add copied bytes; tells the callback when the percent has grown."""
        monitor = self._monitor
        monitor.bytes_done += count
        if monitor.bytes_total:
            percent = min(_LAST_PERCENT, monitor.bytes_done * TOTAL // monitor.bytes_total)
            if percent > self._percent:
                self._percent = percent
                self._call(Snt.PROGRESS, percent)

    def complete(self) -> None:
        """Say that all is copied and truncated."""
        self._end(Snt.COMPLETE, TOTAL)

    def fail(self) -> None:
        """Say that the backup failed; nothing when it never began or has ended."""
        if self._begun:
            self._end(Snt.FAIL, self._percent)

    def _end(self, snt: Snt, done: int) -> None:
        if self._ended or self._callback is None:
            return
        self._ended = True
        try:
            self._callback(self._progress(snt, done))
        except BaseException as error:  # noqa: BLE001 - raised again by the backup when it is over
            self.late = error

    def _call(self, snt: Snt, done: int) -> None:
        if self._callback is None:
            return
        try:
            answer = self._callback(self._progress(snt, done))
        except Exception as error:
            raise EseError.from_code(Err.CallbackFailed, f"{type(error).__name__}: {error}") from error
        if answer is False:
            raise EseError.from_code(Err.CallbackFailed, "the callback asked to stop")
        if isinstance(answer, int) and answer < 0:
            raise EseError.from_code(answer, "returned by the callback")

    def _progress(self, snt: Snt, done: int) -> Progress:
        monitor = self._monitor
        return Progress(Snp.BACKUP, snt, done, TOTAL, self.phase, self.path, monitor.bytes_done, monitor.bytes_total)
