"""How a session enters the store: one thread at a time, and with a transaction for each call that has none.

    with work:           a change: the session's transaction, or one of its own that ends with the call
    with work.reading:   reading: what the session's transaction sees; without one, what is committed at the moment

What cannot be taken back when a call fails, because a page cannot be read, is taken back before the next call.

Source: jet-api reference 2.6, 6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from types import TracebackType

    from engine.store.shared import Shared
    from engine.store.transactions import StoreSession


_PERIOD: Final = 63
"""Calls between two looks at what is due, less one; a mask."""


class Owner(Protocol):
    """The session of an instance that the work belongs to."""

    def enter(self) -> None:
        """Begin a call: -1910 when another thread is inside, -1104 when the session was closed.

        First what a call before has left is taken back, see `StoreSession.settle`.
        """

    def leave(self) -> None:
        """End a call."""


class Work:
    """One session's way into a database.  Not re-entrant: a call does not make another one by this way."""

    __slots__ = ("_own", "_owner", "_read_only", "_shared", "calls", "reading", "session")

    def __init__(self, session: StoreSession, owner: Owner, shared: Shared, *, read_only: bool = False) -> None:
        self.session = session
        self._read_only = read_only
        self.calls = 0
        self._owner = owner
        self._shared = shared
        self._own = False
        self.reading = Reading(session, self)

    def begin(self) -> None:
        """Begin a call: -1010 when the database was detached, and as `Owner.enter`."""
        self._owner.enter()
        if self._shared.closed:
            self._owner.leave()
            raise EseError.from_code(Err.InvalidDatabaseId, "the database was detached", path=self._shared.pages.path)

    def end(self) -> None:
        """End a call; now and then what is due between operations is done."""
        self.calls += 1
        try:
            if not self.calls & _PERIOD:
                self._shared.between()
        finally:
            self._owner.leave()

    def __enter__(self) -> None:
        if self._read_only:
            raise EseError.from_code(Err.PermissionDenied, "opened for reading only", path=self._shared.pages.path)
        self.begin()
        session = self.session
        if not session.level:
            try:
                session.begin(inner=True)
            except BaseException:
                self._owner.leave()
                raise
            self._own = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._own:
                self._own = False
                if kind is None:
                    self.session.commit()
                else:
                    self.session.check_open()
                    # All of it: a level within may not have been taken back.
                    self.session.rollback_all()
        finally:
            self.end()


class Reading:
    """The way in for calls that only read: short ones, for without a transaction they hold the latch."""

    __slots__ = ("_held", "_latch", "_work", "session")

    def __init__(self, session: StoreSession, work: Work) -> None:
        self.session = session
        self._latch = session.journal.latch
        self._work = work
        self._held = False

    def __enter__(self) -> None:
        self._work.begin()
        if not self.session.level:
            self._latch.acquire()
            self._held = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:
            self._held = False
            self._latch.release()
        self._work.end()
