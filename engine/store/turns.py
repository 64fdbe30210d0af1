"""Waiting until others are done: for a transaction to end, for a table or a database to be free.

Nobody waits who has changed something, but for those who want a table or a database for themselves; so all waits end.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 2.0
"""Seconds that anybody waits."""


class Turns:
    """What those who wait are woken by; one per instance.  `changed` is called with the latch held."""

    def __init__(self, latch: threading.RLock) -> None:
        self._condition = threading.Condition(latch)
        self._waiting = 0
        self.patience = PATIENCE

    def changed(self) -> None:
        """Say that a transaction has ended, or that a table or a database is free or gone."""
        if self._waiting:
            self._condition.notify_all()

    def deadline(self) -> float:
        """Return when patience ends that begins now, by the monotonic clock."""
        return time.monotonic() + self.patience

    def wait_for(self, ready: Callable[[], bool], deadline: float | None = None) -> bool:
        """Wait until something is so, at most to the deadline; return whether it is.

        `ready` is asked with the latch held.  A caller that holds it has it again on return, but not meanwhile.
        """
        until = self.deadline() if deadline is None else deadline
        with self._condition:
            self._waiting += 1
            try:
                return self._condition.wait_for(ready, max(0.0, until - time.monotonic()))
            finally:
                self._waiting -= 1
