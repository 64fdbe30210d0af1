"""Undo: what transactions left open is taken back, change by change, newest first.

    every session, ascending: MacroAbort for each macro still open
    every session, ascending, while its level is above 0:
        its versions of that level by descending rceid:
            locate the bookmark in the tree as it is now
            UndoInfo, when the before-image is not in the log yet
            Undo with the database's next dbtime; the page is changed by the one function that redo uses
        Rollback, one level

The same order, and so the same records, as the engine's own.  An insert leaves its node, marked deleted.
Source: log reference 4.1, 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Err, EseError
from engine.format import lr
from engine.redo.apply import apply_undo
from engine.redo.version import NEED_IMAGE, UNDONE, locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.recovery.replay import Replay, ReplayedDatabase
    from engine.recovery.sessions import Session
    from engine.redo.version import Version


class UndoResult(NamedTuple):
    """How many transactions were open, and how many changes were taken back."""

    transactions: int
    changes: int


def undo_all(replay: Replay, log: Callable[[lr.Record], object] | None = None) -> UndoResult:
    """Take back every open transaction; `log` appends each record before its page changes (None: nothing is logged).

    -1917 when a change cannot be found again; errors of the pages.
    """
    append = log or (lambda _: None)
    sessions = replay.open_sessions()
    for session in sessions:
        for dbtime in sorted(session.macros):
            append(lr.MacroAbort(session.procid, dbtime))
        session.macros.clear()
    transactions = changes = 0
    for session in sessions:
        if session.level:
            transactions += 1
            changes += _undo_session(replay, session, append)
    return UndoResult(transactions, changes)


def _undo_session(replay: Replay, session: Session, append: Callable[[lr.Record], object]) -> int:
    if session.deferred:
        raise EseError.from_code(
            Err.RollbackError,
            f"the before-images of {len(session.deferred)} changes of session {session.procid} are not in the log",
        )
    changes = 0
    while session.level:
        for version in session.of_level(session.level):
            database = replay.databases.get(version.dbid)
            if database is not None and version.oper in UNDONE:
                _undo_version(database, version, append)
                changes += 1
            del session.versions[version.rceid]
        append(lr.Rollback(session.procid, 1))
        session.level -= 1
    session.end()
    return changes


def _undo_version(database: ReplayedDatabase, version: Version, append: Callable[[lr.Record], object]) -> None:
    store = database.store
    page, line = locate(store, version)
    if version.image_due and version.oper in NEED_IMAGE:
        append(version.image_record(page.pgno, len(page.data(line))))
        version.image_due = False
        database.unpin(version.pgno)
    database.dbtime_last += 1
    record = version.undo_record(page, line, database.dbtime_last)
    append(record)
    apply_undo(record, store, version.undo_data())
