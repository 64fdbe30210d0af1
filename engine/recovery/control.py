"""Replaying a log: what its records do to the headers and pages of the databases they name, in memory.

    AttachDB, attach list   a database takes part, or is passed over (`attach_rule`)
    DetachDB                clean at the record; done with
    Term, RecoveryQuit      all that take part: clean at the last ShutDownMark; done with
    SetDbVersion            version fields raised
    ReAttach                position noted
    Backup2, phase Update   backup information
    ExtendDB, Shrink, Trim  how far the database reaches
    transactions, pages     `engine.recovery.replay`, on pages kept above the file
    all others              nothing

Nothing is written here: a replay that has to be refused leaves everything as it was.
Source: log reference 3.6-3.8, 3.10.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from engine import header_changes
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.dbheader import DbState, HeaderRead, HeaderSource
from engine.format.lr import (
    AttachDB,
    Backup2,
    BackupPhase,
    CreateDB,
    DetachDB,
    ExtendDB,
    Init,
    Init2,
    LrType,
    ReAttach,
    SetDbVersion,
    ShrinkDB,
    ShrinkDB2,
    ShrinkDB3,
    ShutDownMark,
    TrimDB,
)
from engine.header_file import read_header
from engine.log.mark import reaches
from engine.pages.shadow import Bond, state_of
from engine.recovery.attach_rule import Named, Verdict, judge
from engine.recovery.database_pages import ReplayedPages
from engine.recovery.replay import Replay
from engine.types import LGPOS_MIN, BkInfo, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.attachinfo import AttachInfo
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.lr import Record
    from engine.log.mark import LogMark
    from engine.log.records import LogRecord
    from engine.log.stream import LogStream

_ENDS = frozenset((LrType.Term, LrType.Term2, LrType.RecoveryQuit, LrType.RecoveryQuit2))
_FILLERS = frozenset((LrType.NOP, LrType.NOP2))
_NEUTRAL = frozenset(
    (
        *_FILLERS,
        LrType.RecoveryUndo,
        LrType.RecoveryUndo2,
        LrType.RecoveryQuitKeepAttachments,
        LrType.Trace,
        LrType.JetOp,
        LrType.ForceWriteLog,
        LrType.ForceLogRollover,
        LrType.ExtRestore,
        LrType.ExtRestore2,
        LrType.FullBackup,
        LrType.IncBackup,
        LrType.Backup,
        LrType.CommitCtx,
        LrType.PrepCommit,
        LrType.PrepRollback,
        LrType.MacroInfo,
        LrType.MacroInfo2,
        LrType.PagePatchRequest,
        LrType.SignalAttachDb,
        LrType.ScanCheck,
        LrType.ScanCheck2,
        LrType.FreeFDP,
        LrType.ExtentFreed,
        LrType.ExtentFreed2,
        LrType.Checksum,
    )
)
"""Records that change neither a page nor a header, and are not of a transaction."""


@dataclass(slots=True)
class ReplayedHeader:
    """A database that takes part, or took part until its detach.

    `header` is what the log has made of it so far, `on_disk` what the file says; `attach_consistent` is the position
    that its AttachDB carried.
    """

    path: str
    dbid: int
    read: HeaderRead
    header: DatabaseHeader
    attach_consistent: LgPos
    pages: ReplayedPages
    logged_path: str = ""
    """What the log calls it."""
    anew: bool = False
    """The log builds it from its first page on: its file is made when the replay is written."""

    @property
    def on_disk(self) -> DatabaseHeader:
        """The header in the file."""
        return self.read.header


@dataclass(slots=True)
class Passed:
    """A database that the log names and that does not take part."""

    named: Named
    path: str
    verdict: Verdict
    later: LgPos = LGPOS_MIN
    """How far it is by its header, when it is further than the log at this point."""


@dataclass(slots=True)
class ControlReplay:
    """The state of a replay.

    `resolve` gives the place of a database for the path that the log has.  `finished` are databases whose detach is in
    the log: their headers are to be written as they are.
    """

    env: Environment
    events: EventLog
    resolve: Callable[[str, Named], str]
    lowest: int
    """Lowest generation that is replayed."""
    highest: LogHeader
    """Header of the last log."""
    set_top: int = 0
    """Highest generation of the backup set that is restored; 0 in a soft recovery."""
    cache_pages: int = 0
    """Pages of each database that are kept decoded, 0 for the default."""
    attached: dict[int, ReplayedHeader] = field(default_factory=dict)
    passed: dict[int, Passed] = field(default_factory=dict)
    finished: dict[str, ReplayedHeader] = field(default_factory=dict)
    shutdown_mark: LgPos = LGPOS_MIN
    last_is_mark: bool = False
    pages: Replay = field(default_factory=Replay)
    """Sessions, and the pages of the databases that take part."""
    replayed_from: LgPos = LGPOS_MIN
    reaches: Callable[[LogMark], bool] | None = None
    """Whether the log that is replayed has what was durable at a mark; None: it cannot be told."""
    ended_at: LgPos | None = None
    """Place of the Term or RecoveryQuit that the log ends with so far."""

    def follows(self, stream: LogStream, start: LgPos) -> None:
        """Say which log is replayed, from where on: with it, pages that were kept twice may count.

        A restore has no use for them.  What lies beside its databases was not made with the copies of the set.
        """
        if not self.set_top:
            self.replayed_from, self.reaches = start, partial(reaches, stream)

    def begin(self, entries: tuple[AttachInfo, ...], log: LogHeader) -> None:
        """Take the databases that are attached where the replay starts."""
        for entry in entries:
            named = Named(entry.dbid, entry.path, entry.attach, entry.consistent, entry.sign_db)
            self._meet(named, log)
            taken = self.attached.get(entry.dbid)
            if taken is not None:
                # What the last recovery counted may stand in the list alone.
                taken.pages.dbtime_last = max(taken.pages.dbtime_last, entry.dbtime)
                taken.pages.objid_last = max(taken.pages.objid_last, entry.objid_last)

    def begin_generation(self, generation: int) -> None:
        """Note that the records of a log follow: behind the range that a database needs, every page must fit."""
        for database in self.attached.values():
            if self.set_top and generation == self.set_top + 1:
                # From here on it is more than the copy.
                self.events.report(328, database.path, str(LgPos(generation, 1, 0)), "0")
            needed = generation <= database.on_disk.gen_max_required
            if not needed:
                database.pages.check()
            database.pages.cache.tolerant = needed

    def close(self) -> None:
        """Give up the files."""
        for database in (*self.attached.values(), *self.finished.values()):
            database.pages.close()

    def apply(self, found: LogRecord, log: LogHeader) -> None:
        """Apply one record of the log with that header; errors of redo name the record's place."""
        record = found.record
        try:
            # Most records are of pages and transactions.
            replayed = self.pages.feed(found.pos, record)
        except EseError as error:
            pos = found.pos
            raise error.located(generation=pos.generation, segment=pos.segment, offset=pos.offset) from None
        if replayed:
            self.last_is_mark, self.ended_at = False, None
            return
        kind = record.type
        if kind in _FILLERS:
            return
        self.last_is_mark = isinstance(record, ShutDownMark)
        self.ended_at = None
        if kind not in _NEUTRAL:
            self._apply_control(found, record, log)

    def _apply_control(self, found: LogRecord, record: Record, log: LogHeader) -> None:
        if isinstance(record, (Init, Init2)):
            self.pages.end_sessions()
        elif isinstance(record, ShutDownMark):
            self.shutdown_mark = found.pos
        elif record.type in _ENDS:
            self._end(found.pos)
        elif isinstance(record, AttachDB):
            self._attach(record, found, log)
        elif isinstance(record, CreateDB):
            self._create(record, found, log)
        elif isinstance(record, DetachDB):
            self._detach(record.dbid, found.pos)
        else:
            self._on_database(found, record)

    def _on_database(self, found: LogRecord, record: Record) -> None:
        """Apply a record about one database as a whole."""
        database = self.attached.get(getattr(record, "dbid", 0))
        if database is None:
            return
        header = database.header
        if isinstance(record, SetDbVersion):
            now = (header.version, header.update_major, header.update_minor)
            if (record.version, record.update_major, record.update_minor) > now:
                database.header = header.replace(
                    version=record.version, update_major=record.update_major, update_minor=record.update_minor
                )
        elif isinstance(record, ReAttach):
            database.header = header.replace(lgpos_last_reattach=found.pos)
        elif isinstance(record, Backup2):
            if record.phase == BackupPhase.UPDATE:
                info = BkInfo(record.mark, record.time, record.gen_low, record.gen_high)
                database.header = header_changes.backup_finished(header, info, kind=record.kind, scope=record.scope)
        else:
            self._resize(found, record, database)

    def _resize(self, found: LogRecord, record: Record, database: ReplayedHeader) -> None:
        """Apply a change of size, unless the file has seen a later one."""
        if isinstance(record, TrimDB):
            database.pages.trim(record.pgno_start, record.cpg)
            return
        if not isinstance(record, (ExtendDB, ShrinkDB, ShrinkDB2, ShrinkDB3)):
            return
        if database.header.lgpos_last_resize > found.pos:
            return
        if isinstance(record, ExtendDB):
            database.pages.extend(record.pgno_last)
        else:
            database.pages.shrink(record.pgno_last)
        if isinstance(record, ShrinkDB3):
            database.pages.dbtime_last = max(database.pages.dbtime_last, record.dbtime)
        if database.header.update_major >= header_changes.LAST_RESIZE_UPDATE:
            database.header = database.header.replace(lgpos_last_resize=found.pos)

    # -- attach --

    def _attach(self, record: AttachDB, found: LogRecord, log: LogHeader) -> None:
        named = Named(record.dbid, record.path, found.pos, record.consistent, record.sign_db, record.sign_log)
        self._meet(named, log)

    def _meet(self, named: Named, log: LogHeader) -> None:
        """Judge a database that the log names, and let it take part if its turn has come."""
        self._let_go(named.dbid)
        self.passed.pop(named.dbid, None)
        path = self.resolve(named.path, named)
        known = self.finished.get(path)
        read = known.read if known is not None else self._read(path)
        if isinstance(read, Verdict):
            self.passed[named.dbid] = Passed(named, path, read)
            return
        header = known.header if known is not None else read.header
        try:
            verdict = judge(named, header, log.signature, path)
        except EseError as error:
            if error.event_id is not None:
                self.events.report(error.event_id, str(error.code), path)
            raise
        if verdict is not Verdict.NOW:
            self.passed[named.dbid] = Passed(named, path, verdict, _latest(header))
            return
        self._check_ranges(path, header)
        self._take(named, path, read, header, log)

    def _take(self, named: Named, path: str, read: HeaderRead, header: DatabaseHeader, log: LogHeader) -> None:
        """Let a database take part; one that was detached before keeps its pages."""
        known = self.finished.pop(path, None)
        if known is None:
            pages = ReplayedPages(
                self.env.fs,
                path,
                header.page_size,
                attach_position=named.position,
                dbtime=header.dbtime_dirtied,
                objid=header.objid_last,
                cache_pages=self.cache_pages,
                bond=None if self.reaches is None else Bond(state_of(header), self.replayed_from, self.reaches),
            )
        else:
            pages = known.pages
            pages.attach_position = named.position
        pages.cache.tolerant = log.generation <= read.header.gen_max_required
        self.attached[named.dbid] = ReplayedHeader(
            path, named.dbid, read, self._after_attach(header, named, log), named.consistent, pages, named.path
        )
        self.pages.databases[named.dbid] = pages

    def _let_go(self, dbid: int) -> None:
        database = self.attached.pop(dbid, None)
        self.pages.databases.pop(dbid, None)
        if database is not None:
            database.pages.close()

    def _after_attach(self, header: DatabaseHeader, named: Named, log: LogHeader) -> DatabaseHeader:
        if named.sign_log is None or (header.lgpos_attach == named.position and not header.clean):
            return header.replace(state=DbState.DIRTY_SHUTDOWN, gen_recovering=log.generation)
        return header_changes.attach(
            header,
            position=named.position,
            dbid=named.dbid,
            current=log,
            time=self.env.log_time(),
            recovering=True,
        )

    def _read(self, path: str) -> HeaderRead | Verdict:
        stat = self.env.fs.stat(path)
        if stat is None or stat.kind is not FileKind.FILE:
            return Verdict.MISSING
        try:
            read = read_header(self.env.fs, path)
        except EseError as error:
            if error.code == Err.DatabaseCorrupted:
                return Verdict.UNREADABLE
            raise
        if read.source is HeaderSource.SHADOW:
            self.events.report(456, path, str(read.header.page_size))
        return read

    def _check_ranges(self, path: str, header: DatabaseHeader) -> None:
        # What is not understood is not changed.
        header.check_version(path=path)
        if header.is_backup_copy:
            self.events.report(619, path)
            raise EseError.from_code(
                Err.SoftRecoveryOnBackupDatabase, path=path, event_id=619, hint="restore the backup set it belongs to"
            )
        first, last = header.gen_min_required, header.gen_max_required
        if first and first < self.lowest:
            self.events.report(452, path, str(first), str(last), str(self.lowest))
            raise EseError.from_code(
                Err.RequiredLogFilesMissing,
                f"logs from {first:#x} on are needed, the replay starts at {self.lowest:#x}",
                path=path,
                generation=first,
                event_id=452,
            )

    def _create(self, record: CreateDB, found: LogRecord, log: LogHeader) -> None:
        """Meet a CreateDB: a database that it made takes part, one that came further is passed over.

        One that is gone, never came beyond its creation, or has no readable header is built anew.
        """
        named = Named(record.dbid, record.path, found.pos, LGPOS_MIN, record.sign_db, log.signature)
        self.passed.pop(named.dbid, None)
        path = self.resolve(named.path, named)
        read = self._read(path)
        if isinstance(read, Verdict):
            if self.set_top:
                # Only what the set has is restored.
                self.passed[named.dbid] = Passed(named, path, read)
            else:
                self._build_anew(named, path, log)
            return
        verdict = judge(named, read.header, log.signature, path)
        if verdict is Verdict.UNREADABLE:
            self._build_anew(named, path, log)
        elif verdict is Verdict.NOW:
            self._let_go(named.dbid)
            self._check_ranges(path, read.header)
            self._take(named._replace(sign_log=None), path, read, read.header, log)
        else:
            self.passed[named.dbid] = Passed(named, path, verdict, _latest(read.header))

    def _build_anew(self, named: Named, path: str, log: LogHeader) -> None:
        """Begin a database from nothing; its header needs every log from here to the last one."""
        self._let_go(named.dbid)
        header = header_changes.created(
            log.page_size,
            position=named.position,
            dbid=named.dbid,
            sign_db=named.sign_db,
            last=self.highest,
            time=self.env.log_time(),
        )
        pages = ReplayedPages(
            self.env.fs,
            path,
            header.page_size,
            attach_position=named.position,
            dbtime=0,
            objid=0,
            anew=True,
            cache_pages=self.cache_pages,
        )
        pages.cache.tolerant = True
        read = HeaderRead(header, HeaderSource.PRIMARY, ())
        self.attached[named.dbid] = ReplayedHeader(
            path, named.dbid, read, header, LGPOS_MIN, pages, named.path, anew=True
        )
        self.pages.databases[named.dbid] = pages
        self.events.report(325, str(named.dbid), path, "0", "", "", "")

    # -- detach --

    def _detach(self, dbid: int, position: LgPos) -> None:
        self.passed.pop(dbid, None)
        database = self.attached.pop(dbid, None)
        self.pages.databases.pop(dbid, None)
        if database is not None:
            self._finish(database, position)

    def _end(self, position: LgPos) -> None:
        """End a run: what takes part is detached, at the last mark."""
        for dbid in sorted(self.attached):
            database = self.attached.pop(dbid)
            self._finish(database, self.shutdown_mark)
            self.events.report(329, database.path, str(position), "0")
        self.pages.end_sessions()
        self.pages.databases.clear()
        self.passed.clear()
        self.ended_at = position

    def _finish(self, database: ReplayedHeader, position: LgPos) -> None:
        database.pages.check()
        database.header = header_changes.clean_shutdown(
            database.header, position=position, time=self.env.log_time()
        ).replace(gen_recovering=0, dbtime_dirtied=database.pages.dbtime_last, objid_last=database.pages.objid_last)
        self.finished[database.path] = database


def _latest(header: DatabaseHeader) -> LgPos:
    """Return how far a database is: the later of where it was made consistent and where it was attached."""
    return max(header.lgpos_consistent, header.lgpos_attach)
