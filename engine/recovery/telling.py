"""What a replay tells of its progress, and the answer that cancels it.

Percent of the way through the logs, told when it has grown: by segments where there are few logs, else by logs.  An
answer of False or a negative number cancels, while nothing is written.
Source: jet-api reference 2.1 (callback), R52; log reference 8.2 (step 8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.types import Progress, Snp, Snt

if TYPE_CHECKING:
    from engine.types import ProgressCallback

_FEW_LOGS: Final = 60
_LAST_PERCENT: Final = 99


class Telling:
    """Tells the callback, if there is one.  `stopped` is set when it has cancelled."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._first = 0
        self._count = 1
        self._percent = 0
        self.stopped = False

    def begin(self) -> None:
        """Say that the replay begins."""
        self._call(Snt.BEGIN, 0)

    def through(self, generations: range) -> None:
        """Note which logs will be read."""
        self._first, self._count = generations.start, max(1, len(generations))

    def segment(self, generation: int, segment: int, segments: int) -> None:
        """Say that the replay has come to a segment of a log of so many."""
        if self._callback is not None and self._count < _FEW_LOGS:
            self._advance(generation - self._first + segment / segments)

    def log(self, generation: int) -> None:
        """Say that a log is done."""
        self._advance(generation - self._first + 1)

    def complete(self) -> None:
        """Say that the recovery is over."""
        self._call(Snt.COMPLETE, 100)

    def fail(self) -> None:
        """Say that it failed."""
        self._call(Snt.FAIL, self._percent)

    def _advance(self, logs: float) -> None:
        percent = int(_LAST_PERCENT * logs / self._count)
        if percent > self._percent:
            self._percent = percent
            self._call(Snt.PROGRESS, percent)

    def _call(self, snt: Snt, done: int) -> None:
        if self._callback is None:
            return
        working = snt in (Snt.BEGIN, Snt.PROGRESS)
        try:
            answer = self._callback(Progress(Snp.RESTORE, snt, done, 100, "replay"))
        except BaseException:
            self.stopped = True
            raise
        if working and (answer is False or (isinstance(answer, int) and answer < 0)):
            self.stopped = True
            raise EseError.from_code(Err.CallbackFailed if answer is False else int(answer), "cancelled")
