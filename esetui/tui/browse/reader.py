"""The one thread that reads a database for a screen, so that a slow disk never holds up the keys.

    ask(key, work)    the newest request of a key replaces one that still waits
    background        called whenever nothing is asked for, a slice of work each time, until it returns False

What comes out is handed to `deliver(key, value)`, which must not wait: the value, or the `EseError` that was raised.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger("esetui.browse")


class Reader:
    """The thread and what it is asked for."""

    def __init__(self, deliver: Callable[[str, object], object], name: str = "browse") -> None:
        self._deliver = deliver
        self._asked: dict[str, Callable[[], object]] = {}
        self._background: Callable[[], bool] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._at_end: Callable[[], object] | None = None
        # A daemon: it only reads, and a device that never answers must not keep the process.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask(self, key: str, work: Callable[[], object]) -> None:
        """Ask for something."""
        with self._changed:
            self._asked.pop(key, None)
            self._asked[key] = work
            self._changed.notify()

    def in_background(self, work: Callable[[], bool]) -> None:
        """Set what is done when nothing is asked for; it takes the place of what was."""
        with self._changed:
            self._background = work
            self._changed.notify()

    def close(self, at_end: Callable[[], object] | None = None) -> None:
        """Let the thread end after what it is doing; `at_end` is called in it, to close what it has read from."""
        with self._changed:
            self._closing = True
            self._at_end = at_end
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the end; False when it has not come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _next(self) -> tuple[str, Callable[[], object]] | None:
        """Wait for the next piece of work; None: a slice of what is done in the background."""
        with self._changed:
            while not (self._closing or self._asked or self._background is not None):
                self._changed.wait()
            if not self._asked:
                return None
            key = next(iter(self._asked))
            return key, self._asked.pop(key)

    def _run(self) -> None:
        while True:
            work = self._next()
            if self._closing:
                break
            if work is not None:
                key, call = work
                self._deliver(key, _outcome(call))
                continue
            self._slice()
        if self._at_end is not None:
            self._at_end()

    def _slice(self) -> None:
        work = self._background
        if work is None:
            return
        more = _outcome(work)
        if isinstance(more, EseError):
            self._deliver("background", more)
        if more is not True:
            with self._changed:
                if self._background is work:
                    self._background = None


def _outcome(call: Callable[[], object]) -> object:
    """Return what a call gives, or its error; nothing may end the thread that others wait for."""
    try:
        return call()
    except EseError as error:
        return error
    except Exception as error:  # noqa: BLE001 - shown as an error, and logged with its place
        _LOG.exception("reading for the screen failed")
        return EseError.from_code(Err.InternalError, f"{type(error).__name__}: {error}")
