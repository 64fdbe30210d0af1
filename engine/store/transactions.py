"""The transaction of a session: levels, the records that tell of them, and taking changes back.

    begin       nothing is logged; the first change logs Begin0 (or Begin) with all levels that are open by then
    commit      inner levels: their changes belong to the level below; Commit if their begin was logged
                outermost: Commit0; then it is waited for outside the latch until it is on the disk, and only then
                are the changes published under an id of their own, so that nobody has seen what a crash takes back
    rollback    the changes of the innermost level, newest first: UndoInfo where the before-image is not in the log,
                Undo, page; then Rollback of one level

What an undone insert leaves, a node marked deleted, is for the cleanup.
Source: log reference 2.3, 4.1, 4.2, 6.4, 6.7; jet-api reference 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format import lr
from engine.redo.version import NEED_IMAGE, UNDONE, locate
from engine.store.versions import LATEST, WORD, Hook, LiveVersion, Transaction, VersionStore, most_data

if TYPE_CHECKING:
    from engine.store.cleanup import Cleanup
    from engine.store.doing import TreeRef
    from engine.store.journal import Journal
    from engine.types import LgPos

DEEPEST: Final = 7
"""Levels of transactions that a session may have open."""
DEEPEST_INNER: Final = 9
"""Levels with those that an operation begins for itself, to be taken back as a whole."""
_LEVEL_BITS: Final = 4
_SLICE: Final = 64
"""Changes taken back before others get the latch."""


class StoreSession:
    """One session as the store sees it; used by one thread at a time.

    `level` is 0 without a transaction; `snapshot` is what it sees: everything committed before this id.  `writes`
    counts the changes of its view by itself, for those that keep what they have read.
    """

    __slots__ = (
        "_begin0",
        "_commit0",
        "_deferred",
        "cleanup",
        "closed",
        "journal",
        "level",
        "outer",
        "procid",
        "read_only",
        "snapshot",
        "trx",
        "trx_begin0",
        "versions",
        "writes",
    )

    def __init__(self, procid: int, journal: Journal, versions: VersionStore, cleanup: Cleanup | None = None) -> None:
        self.procid = procid
        self.journal = journal
        self.versions = versions
        self.cleanup = cleanup
        self.level = 0
        self.snapshot = LATEST
        self.trx: Transaction | None = None
        self.trx_begin0 = 0
        self.read_only = False
        self.outer = 0
        """Levels that the session's user has begun; what is above them are levels of the call that is going on."""
        self.writes = 0
        self.closed = False
        """Whether it has been ended, from whatever thread: it changes nothing any more."""
        self._begin0: LgPos | None = None
        self._commit0: LgPos | None = None
        self._deferred = 0

    def begin(self, *, read_only: bool = False, inner: bool = False, lasting: bool = False) -> None:
        """Begin a transaction, or a level of it.  -1103 deeper than 7; a call's own level (`inner`) may be 9.

        What is `inner` ends with the call, unless it is `lasting`: `settle` leaves that open.
        """
        self.check_open()
        if self.level >= (DEEPEST_INNER if inner else DEEPEST):
            raise EseError.from_code(Err.TransTooDeep, f"level {self.level}")
        if not self.level:
            with self.journal.latch:
                self.trx = trx = self.versions.begin(self.procid, read_only=read_only)
            self.snapshot = trx.begin
            self.trx_begin0 = trx.begin & WORD
            self.read_only = read_only
        self._set_level(self.level + 1)
        if not inner or lasting:
            self.outer = self.level
        self._deferred += 1

    def check_open(self) -> None:
        """Raise -1000 when the session has been ended."""
        if self.closed:
            raise _ended()

    @property
    def renewable(self) -> bool:
        """Whether the transaction can begin anew: it is that of a call that has changed nothing so far."""
        trx = self.trx
        return not self.outer and trx is not None and not trx.written and self._deferred == self.level

    def let_go(self) -> None:
        """Need no snapshot from here on, until `renew`, in a renewable transaction.  With the latch held."""
        if self.trx is not None:
            self.versions.discard(self.trx)
            self.journal.turns.changed()

    def renew(self) -> None:
        """Let a renewable transaction see what has been committed meanwhile.  With the latch held."""
        before = self.trx
        if before is None or not self.renewable:
            raise EseError.from_code(Err.InternalError, "a transaction that has begun to change things begins anew")
        self.let_go()
        self.trx = trx = self.versions.begin(self.procid, read_only=self.read_only)
        trx.level = self.level
        self.snapshot = trx.begin
        self.trx_begin0 = trx.begin & WORD
        self.writes += 1

    def begun(self) -> LgPos | None:
        """Log what has been begun and not been logged; return where Begin0 lies.  With the latch held.

        Every change asks for it: -1000 when the session has been ended.  What takes its changes back asks too, where
        it gives space back.
        """
        if self.closed and not self.journal.taking_back:
            raise _ended()
        return self._begun() if self._deferred else self._begin0

    def _begun(self) -> LgPos | None:
        if self._deferred:
            base, levels = self.level - self._deferred, self._deferred << _LEVEL_BITS
            if base:
                self.journal.note(lr.Begin(self.procid, base | levels))
            else:
                self._begin0 = self.journal.note(lr.Begin0(self.procid, levels, self.trx_begin0))
            self._deferred = 0
        return self._begin0

    @property
    def record_flags(self) -> int:
        """Flags that all records of the session carry."""
        return 0

    def held(self, tree: TreeRef, key: bytes, data: bytes) -> int | None:
        """Return the largest data that undoing may put back into a node; None when it has no version."""
        head = self.versions.head(tree, key if tree.unique else (key, data))
        return None if head is None else most_data(head)

    def writable(self) -> Transaction:
        """Return the transaction for a change: -1054 when there is none, -1110 when it may only read."""
        if self.trx is None:
            raise EseError.from_code(Err.NotInTransaction, "a change needs a transaction")
        if self.read_only:
            raise EseError.from_code(Err.TransReadOnly, "the transaction was begun for reading only")
        if self._commit0 is not None:
            raise _commit_is_logged()
        return self.trx

    def wrote(self, version: LiveVersion) -> None:
        """Take the version of a change that has just been made."""
        self.versions.link(version)
        self.writes += 1

    def hook(self, hook: Hook) -> None:
        """Have something go with the transaction from here on; `hook.level` is set."""
        trx = self.writable()
        hook.level = self.level
        with self.journal.latch:
            trx.written.append(hook)

    def _set_level(self, level: int) -> None:
        self.level = level
        self.outer = min(self.outer, level)
        if self.trx is not None:
            self.trx.level = level

    # Commit.

    def commit(self, *, lazy: bool = False) -> None:
        """Commit the innermost level; the outermost is durable on return unless `lazy`.

        -1054 without a transaction.  -510 when the log cannot be written: the commit is in the log all the same and
        only recovery knows whether it holds; the transaction can neither go on nor be rolled back.
        -1000 when the session has been ended.
        """
        with self.journal.latch:
            self.check_open()
            trx = self.trx
            if trx is None:
                raise EseError.from_code(Err.NotInTransaction, "nothing to commit")
            if self.level > 1:
                self._commit_inner(trx)
                return
            if self._commit0 is None and not self._deferred:
                id_logged = self.versions.next_trx() & WORD
                self._commit0 = self.journal.note(lr.Commit0(self.procid, 0, id_logged))
            position = self._commit0
        self._make_durable_and_publish(trx, position, lazy=lazy)

    def _make_durable_and_publish(self, trx: Transaction, position: LgPos | None, *, lazy: bool) -> None:
        if position is not None and trx.written and not lazy:
            self.journal.wait_durable(position)
        with self.journal.latch:
            if self.trx is not trx:
                # The session was ended meanwhile, and this commit with it.
                return
            for hook in self._committed(trx):
                # Before anybody can begin, and before the cleanup can come to what follows.
                if hook.committed is not None:
                    hook.committed()
        if self.cleanup is not None:
            self.cleanup.wake()

    def _commit_inner(self, trx: Transaction) -> None:
        below = self.level - 1
        for version in reversed(trx.written):
            if version.level <= below:
                break
            version.level = below
        if self._deferred:
            self._deferred -= 1
        else:
            self.journal.note(lr.Commit(self.procid, below))
        self._set_level(below)

    def _committed(self, trx: Transaction) -> list[Hook]:
        """Publish the transaction; return its hooks."""
        hooks: list[Hook] = []
        for change in trx.written:
            if isinstance(change, Hook):
                hooks.append(change)
            elif change.image_due:
                change.image_due = False
                change.tree.pages.unpin_image(change, self._commit0)
        if trx.written:
            self.versions.publish(trx)
        else:
            self.versions.discard(trx)
        self._end()
        return hooks

    def _end(self) -> None:
        self.level = self.outer = self._deferred = 0
        self.trx = None
        self.snapshot = LATEST
        self.read_only = False
        self.writes += 1
        self._begin0 = self._commit0 = None
        self.journal.turns.changed()

    # Rollback.

    def rollback(self) -> None:
        """Take back the innermost level.  -1054 without a transaction; after an error it can be called again.

        -1000 when the session has been ended, and everything taken back with it.
        """
        self.check_open()
        self._take_back_level()

    def _take_back_level(self) -> None:
        with self.journal.latch:
            trx, level = self.trx, self.level
            if trx is None:
                if self.closed:
                    # Who ends the session and its user may both be at it: one of them has done it.
                    return
                raise EseError.from_code(Err.NotInTransaction, "nothing to roll back")
            if self._commit0 is not None:
                raise _commit_is_logged()
            self.writes += 1
        while self._take_back_slice(trx, level):
            pass
        with self.journal.latch:
            if self.trx is not trx or self.level != level:
                return
            if self._deferred:
                self._deferred -= 1
            else:
                self.journal.note(lr.Rollback(self.procid, 1))
            self._set_level(self.level - 1)
            if not self.level:
                self.versions.discard(trx)
                self._end()
        if self.cleanup is not None:
            self.cleanup.wake()

    def _take_back_slice(self, trx: Transaction, level: int) -> bool:
        """Take some changes of the level back; return whether there may be more."""
        written = trx.written
        with self.journal.latch:
            if self.trx is not trx or self.level != level:
                # Who has ended the session has done the rest.
                return False
            self.journal.taking_back = True
            try:
                for _ in range(_SLICE):
                    if not written or written[-1].level < level:
                        return False
                    self._take_back(written[-1])
                    written.pop()
            finally:
                self.journal.taking_back = False
        return True

    def rollback_all(self) -> None:
        """Take back the whole transaction, if there is one."""
        while self.level:
            self._take_back_level()

    def settle(self) -> None:
        """Take back what a call has left that could not take it back itself; the error once more while it cannot be."""
        while self.level > self.outer and self._commit0 is None:
            self._take_back_level()

    def close(self) -> None:
        """End the session, from any thread: its user may be inside a call, and gets -1000 from the next change on.

        What is open is taken back; a commit that is in the log already is brought to its end.
        """
        with self.journal.latch:
            self.closed = True
            trx, position = self.trx, self._commit0
        if trx is not None and position is not None:
            self._make_durable_and_publish(trx, position, lazy=False)
        self.rollback_all()

    def _take_back(self, change: LiveVersion | Hook) -> None:
        if isinstance(change, Hook):
            if change.rolled_back is not None:
                change.rolled_back()
            return
        if change.oper in UNDONE:
            self._undo(change)
        empty = self.versions.unlink(change)
        if change.oper == lr.Oper.INSERT and empty and self.cleanup is not None:
            self.cleanup.schedule(change.tree, change.key, change.data)

    def _undo(self, version: LiveVersion) -> None:
        pages = version.tree.pages
        pages.maintain()
        page, line = locate(pages, version)
        if version.image_due and version.oper in NEED_IMAGE:
            pages.unpin_image(version)
            self.journal.note(version.undo_info())
        record = version.undo_record(page, line, pages.next_dbtime())
        self.journal.undo(pages, record, version.undo_data(), self._begun())


def _ended() -> EseError:
    return EseError.from_code(Err.TermInProgress, "the session was ended, and what was open taken back")


def _commit_is_logged() -> EseError:
    return EseError.from_code(Err.LogWriteFail, "the commit is in the log, but it could not be made durable")
