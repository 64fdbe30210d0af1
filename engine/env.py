"""What the engine takes from the world: a file system, a clock, randomness, sleep.

Everything that makes two runs differ comes through here, so a test can hold it still.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.files.real import RealFileSystem
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Environment:
    """The outside of the engine.  `read_retry_delay` scales the sleeps between read retries (1.0 = 100 ms steps)."""

    fs: FileSystem = field(default_factory=RealFileSystem)
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    read_retry_delay: float = 1.0

    def log_time(self) -> LogTime:
        """Return the present time as a LOGTIME."""
        return LogTime.from_datetime(self.now())

    def new_signature(self) -> Signature:
        """Return a fresh signature: random number and time; the computer name stays empty, as Windows leaves it."""
        return Signature(int.from_bytes(self.random_bytes(4), "little"), self.log_time())
