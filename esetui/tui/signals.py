"""SIGTERM and SIGHUP: cancel what runs, stop every instance that was started here, and then leave."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

_SIGNALS: Final = {"SIGTERM": 143, "SIGHUP": 129}
_SCREEN_SECONDS: Final = 2.0
"""How long the screen may take to end after a signal, when all work has ended."""


class SignalWatch:
    """The signals of one console; `taken` is set by the first that comes.  `close` ends all work."""

    def __init__(self, app: App[int], close: Callable[[], object]) -> None:
        self._app = app
        self._close = close
        self._before: dict[int, Any] = {}
        self.taken = False

    def take(self) -> None:
        """Begin to answer signals."""
        # Not the loop's own handlers: a terminal that takes nothing holds the loop up, and a signal must get through.
        for name, code in _SIGNALS.items():
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                self._before[number] = signal.signal(number, partial(self._signalled, code))
            except ValueError:
                # A test may run the app outside the main thread.
                return

    def give_back(self) -> None:
        """Leave the signals to who had them before."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _signalled(self, code: int, *_: object) -> None:
        # The main thread may hold any lock here: everything is done by another one.
        if not self.taken:
            self.taken = True
            threading.Thread(target=self._end, args=(code,), daemon=True).start()

    def _end(self, code: int) -> None:
        try:
            self._close()
        finally:
            # A screen that has vanished, or takes nothing, would hold the end up for ever.
            last = threading.Timer(_SCREEN_SECONDS, os._exit, (code,))
            last.daemon = True
            last.start()
            self._app.call_from_thread(self._app.exit, code, code)
