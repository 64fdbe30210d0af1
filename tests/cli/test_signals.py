from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from engine.monitor import Monitor
from esetui.cli.exit_codes import ExitCode
from esetui.cli.signals import Cancellation, Interruptible, Stopped

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@needs_signals
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGHUP, ExitCode.HANGUP)],
)
def test_reading_is_stopped_at_once(number: int, code: ExitCode) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, Interruptible():
        os.kill(os.getpid(), number)
    assert caught.value.code is code
    assert signal.getsignal(number) is before


@needs_signals
def test_work_is_asked_to_stop_and_goes_on_to_clean_up() -> None:
    monitor = Monitor()
    with Cancellation(monitor) as cancellation:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert monitor.cancel_requested
        assert cancellation.code is ExitCode.TERMINATED
        with pytest.raises(Stopped):
            cancellation.check()


@needs_signals
def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monitor = Monitor()
        with Cancellation(monitor):
            os.kill(os.getpid(), signal.SIGHUP)
        assert not monitor.cancel_requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_is_installed() -> None:
    codes: list[ExitCode | None] = []

    def body() -> None:
        with Cancellation(Monitor()) as cancellation:
            codes.append(cancellation.code)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert codes == [None]
