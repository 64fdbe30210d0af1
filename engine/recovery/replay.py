"""Replay: log records go to the pages of the databases they belong to, transactions and versions are kept.

`Replay.feed` takes one record after the other.  Page operations outside macros are applied at once; those of a
macro wait for its commit and are applied as one unit.  What an operation leaves for undo becomes a version of its
session.  Attach and detach, and all other records about files, are the business of the caller.

Source: log reference 3.1-3.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from engine.format import lr
from engine.recovery.sessions import Session
from engine.redo.apply import Applied, apply, apply_macro, apply_undo, changes_pages
from engine.redo.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.redo.store import PageStore
    from engine.types import LgPos

_VERSIONED: Final = int(lr.NodeFlags.VERSIONED)
_UNIQUE: Final = int(lr.NodeFlags.UNIQUE)
_CREATES: Final = (lr.CreateSEFDP, lr.CreateMEFDP, lr.ConvertFDP, lr.ConvertFDP2)
_INSERTS: Final = (lr.Insert, lr.FlagInsert)
_REPLACES: Final = (lr.Replace, lr.ReplaceD)


class ReplayedDatabase(Protocol):
    """A database that is attached while its log is replayed."""

    dbtime_last: int
    objid_last: int

    @property
    def store(self) -> PageStore:
        """Its pages."""

    @property
    def attach_position(self) -> LgPos:
        """Records at or before this position are not for this incarnation of the database (lgposAttach)."""

    def pin(self, pgno: int) -> None:
        """Keep the page unwritten: a before-image of it is not in the log yet."""

    def unpin(self, pgno: int) -> None:
        """Take one `pin` back."""


class Replay:
    """The state of a replay: sessions and attached databases (by dbid)."""

    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.databases: dict[int, ReplayedDatabase] = {}
        self.records = 0
        """Page operations met so far."""

    def session(self, procid: int) -> Session:
        """Return the session of this number."""
        found = self.sessions.get(procid)
        if found is None:
            found = self.sessions[procid] = Session(procid)
        return found

    def feed(self, pos: LgPos, record: lr.Record) -> bool:
        """Replay one record; return False when it is none of transactions or pages and so the caller's.

        Errors of `engine.redo.apply`, completed with the position by the caller.
        """
        handler = _HANDLERS.get(type(record))
        if handler is not None:
            handler(self, pos, record)
        elif isinstance(record, lr.PageRecord):
            _HANDLERS[type(record)] = Replay._page_record
            self._page_record(pos, record)
        else:
            return False
        return True

    def end_sessions(self) -> None:
        """Forget all sessions: the run that used them is over."""
        for session in self.sessions.values():
            self._unpin(session.versions.values())
        self.sessions.clear()

    def open_sessions(self) -> list[Session]:
        """Return the sessions that have a transaction or a macro open, by number."""
        return [
            self.sessions[each]
            for each in sorted(self.sessions)
            if self.sessions[each].level or self.sessions[each].macros
        ]

    # Transactions.

    def _begin0(self, pos: LgPos, record: lr.Begin0 | lr.BeginDT) -> None:
        session = self.session(record.procid)
        self._unpin(session.versions.values())
        session.begin0_at(pos, record.levels, record.trx_begin0)

    def _begin(self, _pos: LgPos, record: lr.Begin) -> None:
        session = self.session(record.procid)
        if session.live:
            session.begin(record.levels)

    def _refresh(self, _pos: LgPos, record: lr.Refresh) -> None:
        self.session(record.procid).trx_begin0 = record.trx_begin0

    def _commit(self, _pos: LgPos, record: lr.Commit | lr.Commit0) -> None:
        session = self.session(record.procid)
        if session.live:
            if not record.level_to:
                self._unpin(session.versions.values())
            session.commit(record.level_to)

    def _rollback(self, _pos: LgPos, record: lr.Rollback) -> None:
        session = self.session(record.procid)
        if session.live:
            lowest = session.level - record.levels
            self._unpin(session.above(max(0, lowest)))
            session.rollback(record.levels)

    def _macro_begin(self, _pos: LgPos, record: lr.MacroBegin) -> None:
        session = self.session(record.procid)
        if session.live:
            session.macros[record.dbtime] = []

    def _macro_abort(self, _pos: LgPos, record: lr.MacroAbort) -> None:
        self.session(record.procid).macros.pop(record.dbtime, None)

    def _macro_commit(self, pos: LgPos, record: lr.MacroCommit) -> None:
        session = self.session(record.procid)
        records = session.macros.pop(record.dbtime, None)
        if not records:
            return
        first = records[0]
        database = self._database(pos, first.dbid) if isinstance(first, lr.PageRecord) else None
        if database is None:
            return
        for each in records:
            if isinstance(each, lr.PageRecord):
                self._count(database, each)
        results = apply_macro(records, database.store)
        for index, each in enumerate(records):
            if isinstance(each, lr.NodeRecord):
                self._keep_version(session, each, results.get(index, Applied(due=False)))

    # Pages.

    def _database(self, pos: LgPos, dbid: int) -> ReplayedDatabase | None:
        database = self.databases.get(dbid)
        return None if database is None or pos <= database.attach_position else database

    def _page_record(self, pos: LgPos, record: lr.PageRecord | lr.NewPage) -> None:
        self.records += 1
        database = self._database(pos, record.dbid)
        if database is None:
            return
        session = self.session(record.procid)
        if isinstance(record, lr.NewPage):
            self._count(database, record)
            if session.live:
                apply(record, database.store)
            return
        macro = session.macros.get(record.dbtime)
        if macro is not None:
            # Counted when the macro is committed: what it would have used is free again when it is not.
            macro.append(record)
            return
        self._count(database, record)
        if not session.live:
            return
        if isinstance(record, lr.UndoInfo):
            self._undo_info(session, record)
        elif isinstance(record, lr.Undo):
            self._undo(session, record, database)
        elif isinstance(record, lr.NodeRecord):
            self._keep_version(session, record, apply(record, database.store))
        elif changes_pages(record):
            apply(record, database.store)

    def _undo(self, session: Session, record: lr.Undo, database: ReplayedDatabase) -> None:
        version = session.versions.pop(record.rceid, None)
        data = None if version is None else version.undo_data()
        apply_undo(record, database.store, data)
        if version is not None:
            self._unpin((version,))

    @staticmethod
    def _count(database: ReplayedDatabase, record: lr.PageRecord | lr.NewPage) -> None:
        """Keep the counters up, for records that are not applied as well."""
        dbtime = record.dbtime_after if isinstance(record, lr.NewPage) else record.dbtime
        database.dbtime_last = max(database.dbtime_last, dbtime)
        if isinstance(record, _CREATES):
            database.objid_last = max(database.objid_last, record.objid_fdp)

    # Versions.

    def _keep_version(self, session: Session, record: lr.NodeRecord, applied: Applied) -> None:
        if not record.flags & _VERSIONED or not session.level:
            return
        if isinstance(record, _INSERTS):
            self._add(session, record, lr.Oper.INSERT, record.key, record.data)
        elif isinstance(record, lr.FlagInsertAndReplaceData):
            self._replaced(session, record, record.rceid_replace, record.key, applied)
            self._add(session, record, lr.Oper.INSERT, record.key, record.data)
        elif isinstance(record, _REPLACES):
            self._replaced(session, record, record.rceid, applied.key, applied)
        elif isinstance(record, lr.FlagDelete):
            self._deleted(session, record, applied)
        elif isinstance(record, lr.Delta | lr.Delta64):
            oper = lr.Oper.DELTA64 if isinstance(record, lr.Delta64) else lr.Oper.DELTA
            version = self._add(session, record, oper, record.bookmark_key, record.bookmark_data)
            version.delta, version.offset = record.delta, record.cb_offset

    def _add(
        self,
        session: Session,
        record: lr.NodeRecord,
        oper: int,
        key: bytes,
        data: bytes,
        *,
        rceid: int | None = None,
        level: int | None = None,
    ) -> Version:
        unique = bool(record.flags & _UNIQUE)
        version = Version(
            procid=record.procid,
            rceid=record.rceid if rceid is None else rceid,
            oper=oper,
            dbid=record.dbid,
            pgno_fdp=record.pgno_fdp,
            objid_fdp=record.objid_fdp,
            unique=unique,
            key=key,
            data=b"" if unique else data,
            level=record.level if level is None else level,
            flags=record.flags,
            trx_begin0=record.trx_begin0,
            pgno=record.pgno,
        )
        session.keep(version)
        return version

    def _replaced(
        self, session: Session, record: lr.NodeRecord, rceid: int, key: bytes | None, applied: Applied
    ) -> None:
        if not applied.due or key is None:
            session.deferred.add(rceid)
            return
        version = self._add(session, record, lr.Oper.REPLACE, key, b"", rceid=rceid)
        version.before = applied.before
        self._mark(version, applied)

    def _deleted(self, session: Session, record: lr.FlagDelete, applied: Applied) -> None:
        if not applied.due or applied.key is None:
            session.deferred.add(record.rceid)
            return
        version = self._add(session, record, lr.Oper.FLAG_DELETE, applied.key, applied.before or b"")
        self._mark(version, applied)

    def _mark(self, version: Version, applied: Applied) -> None:
        """Note that the before-image must be logged before the page is written; an image from the log needs none."""
        if not applied.from_image:
            version.image_due = True
            self.databases[version.dbid].pin(version.pgno)

    def _undo_info(self, session: Session, record: lr.UndoInfo) -> None:
        if not session.level:
            return
        version = session.versions.get(record.rceid)
        if version is not None:
            self._unpin((version,))
            return
        session.deferred.discard(record.rceid)
        level = min(record.level, session.level)
        version = self._add(session, record, record.oper, record.bookmark_key, record.bookmark_data, level=level)
        if record.oper == lr.Oper.REPLACE:
            version.before = record.data

    def _unpin(self, versions: Iterable[Version]) -> None:
        for version in versions:
            if version.image_due:
                version.image_due = False
                database = self.databases.get(version.dbid)
                if database is not None:
                    database.unpin(version.pgno)


_HANDLERS: Final[dict[type[lr.Record], Callable[[Replay, LgPos, Any], None]]] = {
    lr.Begin0: Replay._begin0,  # noqa: SLF001 - the class's own table
    lr.BeginDT: Replay._begin0,  # noqa: SLF001
    lr.Begin: Replay._begin,  # noqa: SLF001
    lr.Refresh: Replay._refresh,  # noqa: SLF001
    lr.Commit: Replay._commit,  # noqa: SLF001
    lr.Commit0: Replay._commit,  # noqa: SLF001
    lr.Rollback: Replay._rollback,  # noqa: SLF001
    lr.MacroBegin: Replay._macro_begin,  # noqa: SLF001
    lr.MacroAbort: Replay._macro_abort,  # noqa: SLF001
    lr.MacroCommit: Replay._macro_commit,  # noqa: SLF001
    lr.NewPage: Replay._page_record,  # noqa: SLF001
}
"""Page records come into it as they are met."""
