"""What follows from a new log generation: headers, checkpoint, circular deletion.

The order is what makes a crash at any point harmless:

    1  the headers of all attached databases: newest log, and the oldest one that recovery will need
    2  the checkpoint, at the first byte of the generation before, with the databases attached there
    3  with circular logging: logs that lie more than two below the checkpoint

The checkpoint is the first byte of a generation, at most the one before the newest, and not behind anything that
recovery needs: the beginning of a transaction whose end is not on the disk, or of any that changed a page which
is not written.  While a detach is between its record and its header the checkpoint stays where it is: recovery
must see that record.
Source: log reference 1.10, 1.11, 5.1-5.3; jet-api reference R34.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from engine import header_changes
from engine.log.truncate import delete_logs
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.attached import AttachedDatabase
    from engine.backup.slot import BackupSlot
    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.attachinfo import AttachInfo
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames
    from engine.log.checkpoint_file import CheckpointFile
    from engine.store.journal import Journal
    from engine.store.pool import PagePool

SPARE_LOGS: Final = 2
"""Closed logs that circular logging keeps below the checkpoint."""

MAX_DATABASES: Final = 6
"""User databases an instance; with the temporary one, number 0, that makes the seven of the documentation."""


class LogKeeper:
    """The attached databases of an instance and their bond with its log.  The `LogOwner` of the writer.

    `databases` is changed only with the lock held; the writer's lock is taken before this one, never after.
    """

    def __init__(
        self,
        env: Environment,
        events: EventLog,
        slot: BackupSlot,
        *,
        log_folder: str,
        names: LogNames,
        circular: bool,
    ) -> None:
        self.env = env
        self.events = events
        self.slot = slot
        self.log_folder = log_folder
        self.names = names
        self.circular = circular
        self.checkpoint: CheckpointFile | None = None
        self._journal: Journal | None = None
        self._pool: PagePool | None = None
        self._on_generation: Callable[[], None] | None = None
        self._begun: list[tuple[LgPos, tuple[AttachInfo, ...]]] = []
        """First bytes of the generations of this run from the checkpoint on, and what was attached there."""
        self._databases: dict[int, AttachedDatabase] = {}
        self._holds = 0
        self._lock = threading.RLock()

    def bind(self, journal: Journal, pool: PagePool, on_generation: Callable[[], None]) -> None:
        """Say what the checkpoint must stay behind, and whom to tell of a new generation."""
        self._journal, self._pool, self._on_generation = journal, pool, on_generation

    def attached(self) -> list[AttachedDatabase]:
        """Return the attached databases by number."""
        with self._lock:
            return [self._databases[dbid] for dbid in sorted(self._databases)]

    def logged(self) -> list[AttachedDatabase]:
        """Return those that belong to the log stream."""
        return [each for each in self.attached() if each.logged and not each.read_only]

    def find(self, path: str) -> AttachedDatabase | None:
        """Return the database attached from this absolute path."""
        return next((each for each in self.attached() if each.path == path), None)

    def free_dbid(self) -> int | None:
        """Return the lowest number that no database has, or None when there is none left."""
        with self._lock:
            return next((dbid for dbid in range(1, MAX_DATABASES + 1) if dbid not in self._databases), None)

    def add(self, database: AttachedDatabase) -> None:
        """Take in a database; from here on a new generation lists it and updates its header."""
        with self._lock:
            self._databases[database.dbid] = database

    def remove(self, database: AttachedDatabase) -> None:
        """Let go of a database."""
        with self._lock:
            self._databases.pop(database.dbid, None)

    @contextmanager
    def held_checkpoint(self) -> Iterator[None]:
        """Keep the checkpoint where it is."""
        with self._lock:
            self._holds += 1
        try:
            yield
        finally:
            with self._lock:
                self._holds -= 1

    def attach_list(self) -> tuple[AttachInfo, ...]:
        """Return the entries of the attached databases for a log header or the checkpoint."""
        return tuple(each.attach_info() for each in self.logged())

    def checkpoint_position(self) -> LgPos:
        """Return the present checkpoint."""
        return LgPos(1, 1, 0) if self.checkpoint is None else self.checkpoint.position

    def generation_begun(self, header: LogHeader) -> None:
        """Do what a new generation asks for, in the order of the module's text."""
        with self._lock:
            self._begun.append((LgPos(header.generation, 1, 0), self.attach_list()))
            target = self._target()
            minimum = self.checkpoint_position() if target is None else max(target[0], self.checkpoint_position())
            for database in self.logged():
                database.change_header(
                    partial(
                        header_changes.generation_begun,
                        generation=header.generation,
                        created=header.created,
                        minimum=minimum.generation,
                    )
                )
                # The header first: once the checkpoint has moved, older logs may go.
                database.write_header()
            self._move_to(target)
            self.delete_old_logs()
        if self._on_generation is not None:
            self._on_generation()

    def advance(self) -> None:
        """Move the checkpoint as far as it may go: headers, checkpoint, old logs.  Called without the latch."""
        if self._journal is None:
            return
        with self._journal.latch, self._lock:
            target = self._target()
            if target is None or target[0] <= self.checkpoint_position():
                return
            databases = self.logged()
            for database in databases:
                change = partial(header_changes.minimum_moved, minimum=target[0].generation)
                database.change_header(change)
        for database in databases:
            # The header first: once the checkpoint has moved, older logs may go.
            database.write_header()
        with self._journal.latch, self._lock:
            self._move_to(target)
            self.delete_old_logs()

    def _target(self) -> tuple[LgPos, tuple[AttachInfo, ...]] | None:
        """Return the latest beginning of a generation that the checkpoint may move to, None to let it stay."""
        if self.checkpoint is None or self._holds:
            return None
        bounds: list[LgPos | None] = []
        if self._journal is not None and self._pool is not None:
            bounds = [self._journal.oldest(), *(pages.oldest() for pages in self._pool.stores)]
        bound = min((each for each in bounds if each is not None), default=None)
        found = [each for each in self._begun[:-1] if bound is None or each[0] <= bound]
        return found[-1] if found else None

    def _move_to(self, target: tuple[LgPos, tuple[AttachInfo, ...]] | None) -> None:
        if target is None or self.checkpoint is None:
            return
        self.checkpoint.advance(*target)
        self._begun = [each for each in self._begun if each[0] >= target[0]]

    def delete_old_logs(self) -> None:
        """With circular logging, delete the logs that are not needed; never those that a backup holds."""
        if not self.circular or self.checkpoint is None:
            return
        end = self.checkpoint.position.generation - SPARE_LOGS
        pinned = self.slot.pinned_from
        if pinned is not None:
            end = min(end, pinned)
        if end <= 1:
            return
        done = delete_logs(self.env.fs, self.log_folder, self.names, 1, end)
        if done.error is not None:
            # An old log too many does no harm; it is tried again with the next generation.
            self.events.report(485, str(done.error.path), str(done.error.code), "", done.error.message)
