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

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.lr import Oper
from engine.redo.apply import apply_undo
from engine.redo.node_ops import UndoData

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.pages.mutable import MutablePage
    from engine.recovery.replay import Replay, ReplayedDatabase
    from engine.recovery.sessions import Session, Version
    from engine.redo.store import PageStore

_UNDONE: Final = frozenset((Oper.INSERT, Oper.REPLACE, Oper.FLAG_DELETE, Oper.DELTA, Oper.DELTA64))
_NEED_IMAGE: Final = frozenset((Oper.REPLACE, Oper.FLAG_DELETE))
_DEEPEST: Final = 32


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
            if database is not None and version.oper in _UNDONE:
                _undo_version(database, session, version, append)
                changes += 1
            del session.versions[version.rceid]
        append(lr.Rollback(session.procid, 1))
        session.level -= 1
    session.end()
    return changes


def _undo_version(
    database: ReplayedDatabase, session: Session, version: Version, append: Callable[[lr.Record], object]
) -> None:
    store = database.store
    page, line = locate(store, version)
    prefix = (session.procid, version.dbid, page.pgno)
    node = (version.rceid, version.pgno_fdp, version.objid_fdp)
    if version.image_due and version.oper in _NEED_IMAGE:
        append(_undo_info(prefix, node, version, line, page))
        version.image_due = False
        database.unpin(version.pgno)
    before = page.dbtime
    database.dbtime_last += 1
    record = lr.Undo(
        *prefix,
        database.dbtime_last,
        before,
        version.trx_begin0,
        version.level,
        line,
        version.flags & ~lr.NodeFlags.VERSIONED,
        *node,
        version.oper,
        version.level,
        version.key,
        version.data,
    )
    append(record)
    apply_undo(record, store, UndoData(version.before, version.delta, version.offset))


def _undo_info(
    prefix: tuple[int, int, int], node: tuple[int, int, int], version: Version, line: int, page: MutablePage
) -> lr.UndoInfo:
    before = version.before if version.oper == Oper.REPLACE and version.before is not None else b""
    present = len(page.data(line)) if version.oper == Oper.REPLACE else 0
    return lr.UndoInfo(
        *prefix,
        lr.DBTIME_NIL,
        lr.DBTIME_NIL,
        version.trx_begin0,
        version.level,
        0,
        version.flags & ~lr.NodeFlags.VERSIONED,
        *node,
        version.oper,
        max(len(before), present),
        present - len(before),
        version.key,
        version.data,
        before,
    )


def locate(store: PageStore, version: Version) -> tuple[MutablePage, int]:
    """Return the leaf page and line where the version's node is now; -1917 when it is nowhere."""
    wanted = version.key if version.unique else version.key + version.data
    page = store.load(version.pgno_fdp)
    for _ in range(_DEEPEST):
        if page.is_leaf:
            break
        page = store.load(int.from_bytes(page.data(_child_line(page, wanted)), "little"))
    line = _search(page, version)
    if line is None:
        raise page.error(Err.RollbackError, f"the node of version {version.rceid} is not where it belongs")
    return page, line


def _child_line(page: MutablePage, wanted: bytes) -> int:
    """Return the first line whose separator is above `wanted`; the empty key is above everything."""
    low, high = 0, page.line_count - 1
    while low < high:
        middle = (low + high) // 2
        key = page.key(middle)
        if key and key <= wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _search(page: MutablePage, version: Version) -> int | None:
    """Return the line of the version's bookmark on a leaf."""
    low, high = 0, page.line_count
    mark = (version.key, version.data) if not version.unique else (version.key,)
    while low < high:
        middle = (low + high) // 2
        if _bookmark(page, middle, version) < mark:
            low = middle + 1
        else:
            high = middle
    return low if low < page.line_count and _bookmark(page, low, version) == mark else None


def _bookmark(page: MutablePage, line: int, version: Version) -> tuple[bytes, ...]:
    return (page.key(line),) if version.unique else (page.key(line), page.data(line))
