"""What the engine takes from the world: a file system, a clock, randomness, sleep.

Everything that makes two runs differ comes through here, so a test can hold it still.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from engine.files.base import FileSystem


_LOCK_TRIES: Final = 10
_LOCK_PAUSE: Final = 0.02
"""Seconds between two tries to take a lock."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Environment:
    """The outside of the engine.

    `read_retry_delay` scales the sleeps between read retries (1.0 = 100 ms steps).  `background`: what a running
    instance does of its own accord is done by a thread; otherwise between the operations of its sessions, so that the
    same calls always give the same files.
    """

    fs: FileSystem = field(default_factory=RealFileSystem)
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    read_retry_delay: float = 1.0
    background: bool = True

    def hold(self, path: str) -> AbstractContextManager[object]:
        """Return the lock named by `path`, held; -1032 when another process has it.

        Whoever only looks whether a lock is held has it for a moment, so a lock that is taken is asked for again.
        """
        for _ in range(_LOCK_TRIES):
            try:
                return self.fs.lock(path)
            except EseError as error:
                if error.code != Err.FileAccessDenied:
                    raise
                self.sleep(_LOCK_PAUSE)
        return self.fs.lock(path)

    def log_time(self) -> LogTime:
        """Return the present time as a LOGTIME."""
        return LogTime.from_datetime(self.now())

    def new_signature(self) -> Signature:
        """Return a fresh signature: random number and time; the computer name stays empty, as Windows leaves it."""
        return Signature(int.from_bytes(self.random_bytes(4), "little"), self.log_time())
