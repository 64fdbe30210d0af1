"""A session: the place from which databases are attached and opened, and whose transactions change them.

A session belongs to one thread at a time; a second one that enters it meanwhile gets -1910.  It knows its
instance only through `SessionHost`.
Source: jet-api reference 2.6, 6.4.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, Self

from engine.errors import Err, EseError
from engine.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from engine.files.base import FileSystem
    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession
    from engine.types import StrPath


class AttachResult(IntEnum):
    """What an attach found."""

    ATTACHED = 0
    ALREADY_ATTACHED = 1007
    """This instance has the database attached already (JET_wrnDatabaseAttached)."""


class SessionHost(Protocol):
    """An instance as its sessions see it."""

    def attach_database(self, path: str, *, read_only: bool, max_pages: int, procid: int) -> AttachResult:
        """Attach a database."""

    def create_database(self, path: str, session: Session, *, overwrite: bool, max_pages: int) -> None:
        """Make a database and attach it."""

    def detach_database(self, path: str | None, *, procid: int) -> None:
        """Detach a database, or all of them."""

    def end_session(self, session: Session) -> None:
        """Forget a session that was closed."""

    def shared(self, path: str) -> Shared:
        """Return what the sessions share of an attached database; -1203 when it is not attached."""

    @property
    def file_system(self) -> FileSystem:
        """Where large sorts put what does not fit into memory."""

    @property
    def lazy_commits(self) -> bool:
        """Whether no commit waits for the disk, as JET_paramCommitDefault may say."""


class Transaction:
    """A transaction, or a level of one: `with session.transaction():`.  `level` is 0 outside of the block."""

    __slots__ = ("_lazy_flush", "_read_only", "_session", "level")

    def __init__(self, session: Session, *, read_only: bool, lazy_flush: bool) -> None:
        self._session = session
        self._read_only = read_only
        self._lazy_flush = lazy_flush
        self.level = 0

    def __enter__(self) -> Self:
        """Begin; -1103 deeper than 7 levels, -516 without a log, and as `Session.enter`."""
        self._session.begin(read_only=self._read_only)
        self.level = self._session.store.level
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or roll back what the block has begun.

        -1054 when the block has ended the transaction itself, -1108 when it has left a level open within: then all of
        it is rolled back, as it is when the commit is not let in.  -510 when the log cannot be written.
        """
        level, self.level = self.level, 0
        session = self._session
        store = session.store
        if kind is not None:
            self._roll_back(level)
            return
        try:
            if store.level > level:
                raise EseError.from_code(Err.InTransaction, "a level that began within has not ended")
            if store.level < level:
                raise EseError.from_code(Err.NotInTransaction, "the transaction was ended within")
            # Who is not let in any more does not commit.
            session.enter()
        except EseError:
            self._roll_back(level)
            raise
        try:
            store.commit(lazy=self._lazy_flush or session.lazy_commits)
        finally:
            session.leave()

    def _roll_back(self, level: int) -> None:
        """Take back what is open of the block; the end of session or instance has done so already."""
        while self._session.store.level >= level:
            self._session.rollback()


class Session:
    """One session of an instance; made by `Instance.session()`.  `procid` is its number in the log."""

    def __init__(self, host: SessionHost, procid: int, store: StoreSession | None = None) -> None:
        self.procid = procid
        self._store = store
        self._host = host
        self._inside = threading.Lock()
        self._closed = False
        self._stopped = False

    def attach(self, path: StrPath, *, read_only: bool = False, max_pages: int = 0) -> AttachResult:
        """Attach the database at `path`; `max_pages` limits its size (0: no limit).

        -505 during a backup, -1008 not writable, -1202 in use by another process, -1215 by another instance,
        -1217 bad path, -1811 absent, -1805 too many, -550 dirty, -544 backup copy, -1206 damaged header,
        -1213 page size, -1209 version, -1108 within a transaction, -1329 service stopped.
        """
        with self.entered():
            self._not_in_transaction(path)
            return self._host.attach_database(
                os.fspath(path), read_only=read_only, max_pages=max_pages, procid=self.procid
            )

    def create_database(self, path: StrPath, *, overwrite: bool = False, max_pages: int = 0) -> Database:
        """Make a new database at `path`, attach it and return it; `max_pages` limits its size (0: no limit).

        `overwrite` replaces a database that is there and not attached.  -1201 there is one, -505 during a backup,
        -1108 within a transaction, -1217 bad path, -1023 no such folder, -1215 attached by another instance, -1202 by
        another process, -1805 too many, -516 without a log, -1808 and -529 when the disks are full, -1329 service
        stopped.
        """
        with self.entered():
            self._host.create_database(os.fspath(path), self, overwrite=overwrite, max_pages=max_pages)
        return self.open(path)

    def detach(self, path: StrPath | None = None) -> None:
        """Detach a database, or all without a path.

        Transactions that change it end first; others that want to change it meanwhile get -1207, calls that are
        transactions of their own wait.  -1202 when one does not end, or still needs what was before changes, -505
        during a backup, -1203 not attached, -1108 within a transaction.
        """
        with self.entered(ending=True):
            self._not_in_transaction(path)
            self._host.detach_database(None if path is None else os.fspath(path), procid=self.procid)

    def _not_in_transaction(self, path: StrPath | None) -> None:
        if self._store is not None and self._store.level:
            raise EseError.from_code(Err.InTransaction, path=None if path is None else os.fspath(path))

    @property
    def lazy_commits(self) -> bool:
        """Whether no commit of this session waits for the disk, whatever it asks for."""
        return self._host.lazy_commits

    @property
    def store(self) -> StoreSession:
        """The session as the store sees it; -516 when logging is off."""
        if self._store is None:
            raise EseError.from_code(Err.LoggingDisabled, "there are no transactions without a log")
        return self._store

    def open(self, path: StrPath, *, read_only: bool = False) -> Database:
        """Return an attached database for reading and changing its tables, or only for reading.

        What is attached for reading only is opened so too.  -1203 when it is not attached, -516 without a log:
        `engine.open_database` reads it then.
        """
        with self.entered():
            shared = self._host.shared(os.fspath(path))
            return Database(self.store, shared, self, self._host.file_system, read_only=read_only)

    def transaction(self, *, read_only: bool = False, lazy_flush: bool = False) -> Transaction:
        """Return what surrounds calls by a transaction, or by a level of it, in a `with` statement.

        It is committed at the end and rolled back by an exception.  With `lazy_flush` the commit does not wait for the
        disk.
        """
        return Transaction(self, read_only=read_only, lazy_flush=lazy_flush)

    def begin(self, *, read_only: bool = False) -> None:
        """Begin a transaction, or a level of it; see `transaction`."""
        with self.entered():
            self.store.begin(read_only=read_only)

    def commit(self, *, lazy_flush: bool = False) -> None:
        """Commit the innermost level; -1054 without a transaction."""
        with self.entered():
            self.store.commit(lazy=lazy_flush or self.lazy_commits)

    def rollback(self) -> None:
        """Take the innermost level back; -1054 without a transaction."""
        with self.entered(ending=True):
            self.store.rollback()

    def stop(self) -> None:
        """Let only in what leads to the end from here on: rollback, detach, close."""
        self._stopped = True

    def enter(self, *, ending: bool = False) -> None:
        """Begin a call: -1910 when another thread is inside, -1104 when the session was closed, -1329 when stopped.

        What a call before could not take back is taken back now, or its error raised again.

        `ending`: the call is one that leads to the end.
        """
        if not self._inside.acquire(blocking=False):
            raise EseError.from_code(Err.SessionSharingViolation, "another call is inside the session")
        if self._closed or (self._stopped and not ending):
            self._inside.release()
            if self._closed:
                raise EseError.from_code(Err.InvalidSesid, "the session was closed")
            raise EseError.from_code(Err.ClientRequestToStopJetService)
        store = self._store
        if store is not None and store.level > store.outer:
            try:
                store.settle()
            except BaseException:
                self._inside.release()
                raise

    def leave(self) -> None:
        """End a call."""
        self._inside.release()

    @contextmanager
    def entered(self, *, ending: bool = False) -> Iterator[None]:
        """Hold the session for one call; errors as `enter`."""
        self.enter(ending=ending)
        try:
            yield
        finally:
            self.leave()

    def close(self) -> None:
        """End the session; idempotent."""
        if not self._closed:
            self._closed = True
            self._host.end_session(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
