"""One backup at a time.

    None --begin--> Databases --logs prepared--> Logs --truncated--> Done
    any state --end--> None

An incremental backup begins in Logs.  The slot is the only thing that several threads of a backup share with
the rest of the instance: who holds it, how far the backup is, whether it must stop, and from which generation
on no log may be deleted.
Source: jet-api reference R34, R42-R44; log reference 7.1, 7.12.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BackupState(Enum):
    """How far the running backup is."""

    NONE = "none"
    DATABASES = "databases"
    LOGS = "logs"
    DONE = "done"


class SlotHolder(Enum):
    """Kind of operation that holds the slot."""

    BACKUP = "backup"
    EXTERNAL = "external backup"
    SURROGATE = "surrogate backup"


class BackupSlot:
    """The exclusive place for a backup in one instance.  Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: SlotHolder | None = None
        self._state = BackupState.NONE
        self._stop: int | None = None
        self._pinned_from: int | None = None
        self._changing_databases = 0

    @property
    def holder(self) -> SlotHolder | None:
        """Who holds the slot, or None."""
        return self._holder

    @property
    def in_progress(self) -> bool:
        """Whether a backup is running."""
        return self._holder is not None

    @property
    def state(self) -> BackupState:
        """How far the running backup is."""
        return self._state

    @state.setter
    def state(self, state: BackupState) -> None:
        self._state = state

    @property
    def stop_code(self) -> int | None:
        """Error code of the pending request to stop, or None."""
        return self._stop

    @property
    def pinned_from(self) -> int | None:
        """Lowest generation that must not be deleted while the backup runs; None when nothing is held."""
        return self._pinned_from

    def pin(self, generation: int) -> None:
        """Hold every log from `generation` on."""
        self._pinned_from = generation

    def check_free(self) -> None:
        """Raise -505, or -617 for a surrogate backup, while a backup is running."""
        if self._holder is SlotHolder.SURROGATE:
            raise EseError.from_code(Err.SurrogateBackupInProgress)
        if self._holder is not None:
            raise EseError.from_code(Err.BackupInProgress)

    def take(self, holder: SlotHolder, state: BackupState) -> None:
        """Begin a backup, or raise -505/-617 at once."""
        with self._changed:
            self.check_free()
            self._holder = holder
            self._state = state
            self._stop = None
            self._pinned_from = None

    def release(self) -> None:
        """End the backup; harmless when none runs."""
        with self._changed:
            self._holder = None
            self._state = BackupState.NONE
            self._stop = None
            self._pinned_from = None
            self._changed.notify_all()

    def request_stop(self, code: int = Err.BackupAbortByServer) -> bool:
        """Make the running backup fail with `code` at its next step; False when none runs."""
        with self._changed:
            if self._holder is None:
                return False
            if self._stop is None:
                self._stop = code
            return True

    def check_stop(self) -> None:
        """Raise the code of a pending request to stop."""
        if self._stop is not None:
            raise EseError.from_code(self._stop, "the backup was stopped from outside")

    def wait_free(self, timeout: float | None = None) -> bool:
        """Wait until no backup runs, at most `timeout` seconds; False when one still does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._holder is None, timeout)

    @contextmanager
    def changing_databases(self) -> Iterator[None]:
        """Surround an attach or detach: -505/-617 while a backup runs, and a backup that begins waits for it."""
        with self._changed:
            self.check_free()
            self._changing_databases += 1
        try:
            yield
        finally:
            with self._changed:
                self._changing_databases -= 1
                self._changed.notify_all()

    def wait_databases_settled(self, timeout: float | None = None) -> bool:
        """Wait until no `changing_databases` block is active; returns early with False when asked to stop."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._changing_databases:
                if self._stop is not None:
                    return False
                left = 0.1 if deadline is None else min(0.1, deadline - time.monotonic())
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True
