"""Transactions of a session.  Source: jet-api reference 4.1; log reference 6.4."""

# ruff: noqa: N802 - names of the C interface
from __future__ import annotations

from typing import Final

from engine.errors import Err, EseError
from engine.jet.handles import HANDLES
from engine.jet.opened import OpenTable, allowed, returns_error

_READ_ONLY: Final = 0x1
_LAZY: Final = 0x1
_WAIT_LAST: Final = 0x2
_WAIT_ALL: Final = 0x8
_ALL: Final = 0x1


def JetBeginTransaction(sesid: int) -> int:
    """Begin a transaction, or the next level of one; -1103 below level 7."""
    return JetBeginTransaction2(sesid)


@returns_error
def JetBeginTransaction2(sesid: int, grbit: int = 0) -> int:
    """JetBeginTransaction; bit 1 for one that only reads, whose changes are then -1110."""
    options = allowed(grbit, _READ_ONLY)
    session = HANDLES.session(sesid)
    with session.entered():
        session.store.begin(read_only=bool(options & _READ_ONLY))
    return 0


@returns_error
def JetCommitTransaction(sesid: int, grbit: int = 0) -> int:
    """Commit the innermost level; the outermost is durable on return unless bit 1 says that it need not be.

    Bits 2 and 8 commit nothing: they make what was committed so durable, and are not allowed in a transaction
    (-1108).  -1054 without a transaction.
    """
    options = allowed(grbit, _LAZY | _WAIT_LAST | _WAIT_ALL)
    session = HANDLES.session(sesid)
    with session.entered():
        store = session.store
        if not options & (_WAIT_LAST | _WAIT_ALL):
            store.commit(lazy=bool(options & _LAZY) or session.lazy_commits)
            for opened in HANDLES.all_opened(sesid, OpenTable).values():
                opened.committed(store.level)
        elif store.level:
            raise EseError.from_code(Err.InTransaction, f"level {store.level}")
        else:
            HANDLES.instance_of(sesid).writer.flush()
    return 0


@returns_error
def JetRollback(sesid: int, grbit: int = 0) -> int:
    """Take back the innermost level, or with bit 1 all of them; -1054 without a transaction.

    Tables that were opened in it are closed, what was prepared in it is dropped, and cursors that were moved in it
    are before the first row.
    """
    options = allowed(grbit, _ALL)
    session = HANDLES.session(sesid)
    with session.entered(ending=True):
        session.store.rollback()
        if options & _ALL and session.store.level:
            session.store.rollback_all()
        for number, opened in HANDLES.all_opened(sesid, OpenTable).items():
            if not opened.rolled_back(session.store.level):
                HANDLES.forget_opened(number)
    return 0
