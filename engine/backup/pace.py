"""The pace of a copy: as fast as it goes while nobody works, in small shares of the time while somebody does.

A copy at full speed leaves little of disk and processor to commits, each of which waits for the disk.  So after a
chunk during which, or since which, the log has grown, the copy rests a few times as long as the chunk took.
Source: jet-api reference 6.4 (backup copies in chunks and holds no lock between them).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.backup.host import BackupLog

RESTS: Final = 4
"""How many times as long as a chunk took the copy rests."""
LONGEST_REST: Final = 0.25
"""Seconds; a slow disk needs no long rests, and a cancelled backup should end soon."""


class Pace:
    """Rests between chunks while the log grows; `sleep` takes seconds."""

    def __init__(
        self, log: BackupLog, sleep: Callable[[float], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._sleep = sleep
        self._now = now
        self._seen = log.last_record
        self._began = now()

    def rest(self) -> None:
        """Rest after a chunk if somebody has logged anything since the one before."""
        position = self._log.last_record
        if position != self._seen:
            self._seen = position
            self._sleep(min(LONGEST_REST, max(0.0, self._now() - self._began) * RESTS))
        self._began = self._now()
