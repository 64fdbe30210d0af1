"""Signals that end a command: Ctrl-C, SIGTERM and, where it exists, SIGHUP.

Two manners.  A command that only reads is simply stopped (`Stopped` is raised between two instructions).  A
command that writes runs inside `Cancellation`: there a signal only asks the engine to stop at its next chunk,
so that it can clean up and no half-made file stays behind.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, NoReturn, Self

from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from engine.monitor import Monitor
    from esetui.cli.output import Output

EXIT_CODES: dict[int, ExitCode] = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
if hasattr(signal, "SIGHUP"):
    EXIT_CODES[signal.SIGHUP] = ExitCode.HANGUP


class Stopped(BaseException):
    """A signal ends the command; not an `Exception`, so that nothing that handles failures takes it for one."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code.name)
        self.code = code


def stopped(out: Output, code: ExitCode, unchanged: str) -> NoReturn:
    """Say that a signal ended a job, what that left, and end the command."""
    out.narrate(f"cancelled; {unchanged}")
    out.record("job_finished", ok=False, exit_code=int(code))
    raise Stopped(code)


class _Handlers:
    """Installs one handler for all the signals and puts the old ones back."""

    def __init__(self) -> None:
        self._old: dict[int, Any] = {}

    def install(self, handler: Callable[[int, FrameType | None], None]) -> None:
        for number in EXIT_CODES:
            try:
                old = signal.signal(number, handler)
            except ValueError:
                # Not the main thread: whoever embeds us handles signals.
                return
            if old is signal.SIG_IGN:
                # nohup, or a shell's background job: the caller wants the signal ignored.
                signal.signal(number, signal.SIG_IGN)
            self._old[number] = old

    def restore(self) -> None:
        for number, old in self._old.items():
            signal.signal(number, signal.default_int_handler if old is None else old)
        self._old.clear()


class Interruptible(_Handlers):
    """Context in which a signal raises `Stopped`."""

    def __enter__(self) -> Self:
        self.install(self._stop)
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()

    @staticmethod
    def _stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(EXIT_CODES[number])


class Cancellation(_Handlers):
    """Context in which a signal cancels the work of a monitor; `code` says which signal came, if any.

    The handler only takes a note: it may have interrupted the very code that writes to the terminal.
    """

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._monitor = monitor
        self.code: ExitCode | None = None

    def __enter__(self) -> Self:
        self.install(self._cancel)
        return self

    def __exit__(self, *exc: object) -> None:
        self.restore()

    def check(self) -> None:
        """Raise `Stopped` when a signal has come; for the steps that cannot be cancelled half-way."""
        if self.code is not None:
            raise Stopped(self.code)

    def _cancel(self, number: int, _frame: FrameType | None) -> None:
        self.code = self.code or EXIT_CODES[number]
        self._monitor.cancel()
