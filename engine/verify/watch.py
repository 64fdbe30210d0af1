"""Progress of a verification, and the way to stop it.

Screens poll the `Monitor`; programs may give a callback.  Both are told between batches, on the calling thread.
A callback that returns False or a negative number, or raises, stops the verification; so does `Monitor.cancel`.

Source: jet-api reference 6.3, R52.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.monitor import FileProgress, FileState, Monitor, Phase
from engine.types import Progress, Snp, Snt

if TYPE_CHECKING:
    from engine.types import ProgressCallback

_WHOLE: Final = 100
_LAST_STEP: Final = 99


class Watch:
    """Tells a callback and a monitor how far a verification is, and asks whether to go on."""

    def __init__(self, progress: ProgressCallback | None, monitor: Monitor | None, total: int) -> None:
        self.monitor = Monitor() if monitor is None else monitor
        """Counters; a private one when nobody looks."""
        self._progress = progress
        self._percent = 0
        self._done = 0
        self._total = total
        self._phase = "database"
        self._path: str | None = None
        self._file: FileProgress | None = None

    def begin(self) -> None:
        """Say that the work starts; raises like `advance`."""
        self.monitor.phase = Phase.VERIFYING
        self.monitor.bytes_total = self._total
        self._tell(Snt.BEGIN, 0)

    def begin_file(self, path: str, name: str, phase: str, size: int) -> None:
        """Say which file comes next; `phase` is "database" or "log" (all other files count as log)."""
        self._phase = phase
        self._path = path
        self._file = FileProgress(name, path, phase, bytes_total=size, state=FileState.ACTIVE)
        self.monitor.files.append(self._file)
        self.monitor.detail = name

    def end_file(self, *, ok: bool) -> None:
        """Say that the file is done."""
        if self._file is not None:
            self._file.state = FileState.DONE if ok else FileState.FAILED
            self._file = None

    def advance(self, count: int) -> None:
        """Count bytes; raises -2101 or the callback's own code when it wants to stop, -800 after a cancel."""
        self._done += count
        self.monitor.bytes_done += count
        if self._file is not None:
            self._file.bytes_done += count
        if self.monitor.cancel_requested:
            raise EseError.from_code(Err.BackupAbortByCaller, "the verification was cancelled", path=self._path)
        percent = min(_LAST_STEP, self._done * _WHOLE // self._total) if self._total else 0
        if percent > self._percent:
            self._percent = percent
            self._tell(Snt.PROGRESS, percent)

    def finish(self) -> None:
        """Say that all is done.  What a callback answers to this is not looked at."""
        self.monitor.finish(Phase.DONE)
        if self._progress is not None:
            self._progress(self._message(Snt.COMPLETE, _WHOLE))

    def fail(self) -> None:
        """Say that the work ended early."""
        cancelled = self.monitor.cancel_requested
        self.monitor.finish(Phase.CANCELLED if cancelled else Phase.FAILED)
        if self._file is not None:
            self._file.state = FileState.FAILED

    def _tell(self, snt: Snt, percent: int) -> None:
        if self._progress is None:
            return
        try:
            answer = self._progress(self._message(snt, percent))
        except EseError:
            raise
        except Exception as error:
            raise EseError.from_code(Err.CallbackFailed, str(error), path=self._path) from error
        if answer is False:
            raise EseError.from_code(Err.CallbackFailed, "stopped by the callback", path=self._path)
        if isinstance(answer, int) and answer < 0:
            raise EseError.from_code(answer, "stopped by the callback", path=self._path)

    def _message(self, snt: Snt, percent: int) -> Progress:
        return Progress(
            snp=Snp.REPAIR,
            snt=snt,
            done=percent,
            total=_WHOLE,
            phase=self._phase,
            path=self._path,
            bytes_done=self._done,
            bytes_total=self._total,
        )
