"""Attaching and detaching databases.

An attach, and what must be durable before what:

    1  AttachDB record, then a filler to the end of its segment     flushed: recovery must know of the attach
    2  header: dirty, attached there, logs required                 both copies: pages may change from here on
    3  SetDbVersion record (streams of version 8.6.20 and later)    with the next flush

and a detach:

    1  DetachDB record and filler                                   flushed
    2  header: clean, consistent at that record                     both copies

Making one (create): see `engine.instance.creating`.

Between the two steps recovery brings the header to where it would have been.  The checkpoint does not move
past a DetachDB whose header is not written yet.
Source: log reference 3.7, 6.5; jet-api reference 2.6, R43.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from engine import header_changes
from engine.attached import AttachedDatabase
from engine.backup.lost_writes import LostFlushDetection
from engine.errors import Err, EseError
from engine.files.base import FileKind, OpenMode
from engine.flush_map import believable_flush_map
from engine.format.dbheader import NEWEST_UPDATE, HeaderSource
from engine.format.lr import AttachDB, DetachDB, SetDbVersion
from engine.format.versions import LOG_VERSION_SET_DB_VERSION
from engine.header_file import first_to_write, read_header_from
from engine.instance.creating import begin_database, create_in_log, format_level, new_file
from engine.instance.registry import REGISTRY
from engine.session import AttachResult
from engine.space import owned_pages
from engine.store.creation import FIRST_PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import File
    from engine.format.dbheader import DatabaseHeader, HeaderRead
    from engine.instance.keeper import LogKeeper
    from engine.instance.live import LiveStore
    from engine.instance.registry import Member
    from engine.log.writer import LogWriter
    from engine.params import Parameters
    from engine.store.transactions import StoreSession
    from engine.types import LgPos, Signature


class Attachments:
    """Attaches and detaches the databases of one instance.  `writer` is None when logging is off.

    Not safe by itself: the instance lets one call in at a time.
    """

    def __init__(
        self,
        member: Member,
        env: Environment,
        events: EventLog,
        params: Parameters,
        keeper: LogKeeper,
        writer: LogWriter | None,
        live: LiveStore | None,
    ) -> None:
        self._live = live
        self._member = member
        self._env = env
        self._events = events
        self._params = params
        self._keeper = keeper
        self._writer = writer
        self._locks: dict[int, ExitStack] = {}

    # -- attach --

    def attach(self, path: str, *, read_only: bool, max_pages: int, procid: int) -> AttachResult:
        """Attach the database at `path`; the errors are those of `Session.attach`."""
        started = time.monotonic()
        path = self._absolute(path)
        fs = self._env.fs
        stat = fs.stat(path)
        if stat is None:
            raise EseError.from_code(Err.FileNotFound, path=path)
        if stat.kind is not FileKind.FILE:
            raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
        if not stat.writable and not read_only:
            raise EseError.from_code(Err.DatabaseFileReadOnly, path=path)
        with self._changing():
            if self._keeper.find(path) is not None:
                return AttachResult.ALREADY_ATTACHED
            dbid = self._keeper.free_dbid()
            if dbid is None:
                raise EseError.from_code(Err.TooManyAttachedDatabases, path=path)
            REGISTRY.claim_database(self._member, path, writes=not read_only)
            with ExitStack() as undo:
                undo.callback(REGISTRY.release_database, self._member, path)
                database = self._open(path, dbid, undo, read_only=read_only, max_pages=max_pages)
                position = self._enter(database, procid)
                if self._live is not None and (database.logged or database.read_only):
                    self._live.open(database)
                self._locks[dbid] = undo.pop_all()
        self._report(326, database, started, "" if position is None else f"lgposAttach = {position}")
        return AttachResult.ATTACHED

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Surround an attach or detach: no backup begins, and upkeep keeps its hands off the files."""
        with ExitStack() as held:
            held.enter_context(self._keeper.slot.changing_databases())
            if self._live is not None:
                held.enter_context(self._live.upkeep.paused())
            yield

    def _absolute(self, path: str) -> str:
        try:
            return self._env.fs.absolute(path)
        except EseError as error:
            if error.code != Err.InvalidPath:
                raise
            raise EseError.from_code(Err.DatabaseInvalidPath, error.message, path=path) from error

    def _open(self, path: str, dbid: int, undo: ExitStack, *, read_only: bool, max_pages: int) -> AttachedDatabase:
        fs = self._env.fs
        if not read_only:
            try:
                undo.enter_context(self._env.hold(path + ".lock"))
            except EseError as error:
                if error.code != Err.FileAccessDenied:
                    raise
                raise EseError.from_code(Err.DatabaseInUse, "another process has it attached", path=path) from error
        file = fs.open(path, OpenMode.READ if read_only else OpenMode.READ_WRITE)
        undo.callback(file.close)
        read = self._read_header(file)
        header = read.header
        self._check_header(path, header)
        owned = owned_pages(file, header.page_size)
        if owned.beyond_end:
            raise EseError.from_code(
                Err.DatabaseCorrupted, f"owns {owned.last} pages, the file has {owned.file_pages}", path=path
            )
        return AttachedDatabase(
            self._env,
            file,
            header,
            dbid=dbid,
            last_owned_page=owned.last,
            read_only=read_only,
            logged=self._writer is not None and not read_only,
            cpg_max=max_pages,
            first_copy=first_to_write(read),
            flush_map=self._flush_map(path, header),
        )

    def _flush_map(self, path: str, header: DatabaseHeader) -> Signature | None:
        """Return the signature of the database's flush map; None, and event 640, when it is not to be believed."""
        if not self._params.persisted_lost_flush_detection & LostFlushDetection.ENABLED:
            # Nobody would look after the map, so that it must not be believed later on.
            return None
        try:
            return believable_flush_map(self._env.fs, path, header)
        except EseError as error:
            # The map is a help, not a part of the data: the engine too goes on without it.
            self._events.report(640, str(error.code), error.path or path, error.message)
            return None

    def _read_header(self, file: File) -> HeaderRead:
        try:
            read = read_header_from(file)
        except EseError as error:
            if error.code == Err.DatabaseCorrupted:
                self._events.report(497, file.path)
            raise
        if read.problems:
            event = 456 if read.source is HeaderSource.SHADOW else 472
            self._events.report(event, file.path, str(read.header.page_size))
        return read

    def _check_header(self, path: str, header: DatabaseHeader) -> None:
        """Refuse what cannot be attached, in the engine's order."""
        try:
            header.check_version(path=path)
        except EseError:
            version = f"{header.version}.{header.update_major}.{header.update_minor}"
            self._events.report(332, path, version, f"{header.version}.{NEWEST_UPDATE}")
            raise
        wanted = self._params.database_page_size
        if header.page_size != wanted:
            detail = f"pages of {header.page_size} bytes, the instance works with {wanted}"
            raise EseError.from_code(Err.PageSizeMismatch, detail, path=path)
        if header.clean:
            return
        if header.bkinfo_full_cur.gen_low:
            self._events.report(619, path)
            raise EseError.from_code(
                Err.SoftRecoveryOnBackupDatabase, path=path, event_id=619, hint="restore the backup set it belongs to"
            )
        raise EseError.from_code(
            Err.DatabaseDirtyShutdown,
            f"state {header.state.name.lower().replace('_', ' ')}, "
            f"logs {header.gen_min_required:#x} to {header.gen_max_required:#x} required",
            path=path,
            hint="recover it with its log files first",
        )

    def _enter(self, database: AttachedDatabase, procid: int) -> LgPos | None:
        """Bring the database into the log stream; the position of its AttachDB record."""
        if database.read_only:
            self._keeper.add(database)
            return None
        if self._writer is None:
            now, signature = self._env.log_time(), self._env.new_signature()
            database.change_header(
                lambda header: header_changes.attach_unlogged(header, dbid=database.dbid, time=now, sign_db=signature)
            )
            # Dirty on the disk before anything else may touch the database.
            database.write_header()
            self._keeper.add(database)
            return None
        return self._enter_log(self._writer, database, procid)

    def _enter_log(self, writer: LogWriter, database: AttachedDatabase, procid: int) -> LgPos:
        before = database.header
        database.consistent = before.lgpos_consistent
        record = AttachDB.create(
            procid,
            database.dbid,
            database.path,
            consistent=before.lgpos_consistent,
            sign_db=before.sign_db,
            sign_log=before.sign_log,
            cpg_max=database.cpg_max,
        )
        now = self._env.log_time()
        try:
            with writer.lock:
                position = writer.append(record.pack())
                current = writer.header
                database.change_header(
                    lambda header: header_changes.attach(
                        header, position=position, dbid=database.dbid, current=current, time=now
                    )
                )
                # Known to a generation that begins from here on, as the record lies before it.
                self._keeper.add(database)
                # The record is on the disk before the header says that the database is attached there.
                writer.flush(fill=True)
            # Dirty, with the logs it requires, before a page could change or a checkpoint pass the record.
            database.write_header()
            if writer.header.version >= LOG_VERSION_SET_DB_VERSION:
                header = database.header
                version = SetDbVersion(database.dbid, header.version, header.update_major, header.update_minor)
                writer.append(version.pack())
                writer.flush()
        except EseError as error:
            self._back_out(writer, database, procid, error)
            raise
        return position

    def _back_out(self, writer: LogWriter, database: AttachedDatabase, procid: int, error: EseError) -> None:
        """Take an attach back that failed after its record was logged.

        When that fails too, recovery at the next start does it: the records tell what happened.
        """
        try:
            if self._keeper.find(database.path) is not None:
                self._leave_log(writer, database, procid)
        except EseError:
            self._keeper.remove(database)
            self._events.report(470, database.path, "attach", str(error.code))

    # -- create --

    def create(self, path: str, session: StoreSession, *, overwrite: bool, max_pages: int) -> None:
        """Make a database at `path` and attach it; the errors are those of `Session.create_database`."""
        started = time.monotonic()
        path = self._absolute(path)
        if self._live is None or self._writer is None:
            raise EseError.from_code(Err.LoggingDisabled, "a database is made with a log only", path=path)
        if session.level:
            raise EseError.from_code(Err.InTransaction, path=path)
        if 0 < max_pages < FIRST_PAGES:
            raise EseError.from_code(Err.OutOfDatabaseSpace, f"a database has {FIRST_PAGES} pages", path=path)
        with self._changing():
            if self._keeper.find(path) is not None:
                raise EseError.from_code(Err.DatabaseDuplicate, "attached", path=path)
            dbid = self._keeper.free_dbid()
            if dbid is None:
                raise EseError.from_code(Err.TooManyAttachedDatabases, path=path)
            REGISTRY.claim_database(self._member, path, writes=True)
            with ExitStack() as failed, ExitStack() as held:
                held.callback(REGISTRY.release_database, self._member, path)
                file = new_file(self._env, path, held, failed, overwrite=overwrite)
                database = begin_database(self._env, self._params, self._writer.header, file, dbid, max_pages)
                level = format_level(self._params, self._writer.header)
                position = create_in_log(
                    self._env, self._live, self._keeper, database, session, level, overwrite=overwrite
                )
                self._locks[dbid] = held.pop_all()
                # The file stays.
                failed.pop_all()
        self._report(325, database, started, f"lgposCreate = {position}")

    # -- detach --

    def detach(self, path: str | None, *, procid: int) -> None:
        """Detach a database, or all: -505/-617 during a backup, -1203 not attached, -1202 needed by transactions.

        `LiveStore.vacated` surrounds it.
        """
        with self._changing():
            for database in self.named(path):
                self._detach(database, procid)

    def named(self, path: str | None) -> list[AttachedDatabase]:
        """Return the attached database at `path`, or all; -1203 when it is not attached."""
        if path is None:
            return list(self._keeper.attached())
        path = self._absolute(path)
        found = self._keeper.find(path)
        if found is None:
            raise EseError.from_code(Err.DatabaseNotFound, path=path)
        return [found]

    def _detach(self, database: AttachedDatabase, procid: int) -> None:
        started = time.monotonic()
        position = None
        if database.read_only:
            self._keeper.remove(database)
        elif self._writer is None:
            self._finish_unlogged(database)
        else:
            position = self._leave_log(self._writer, database, procid)
        self._let_go(database)
        self._report(327, database, started, "" if position is None else f"lgposDetach = {position}")

    def _leave_log(self, writer: LogWriter, database: AttachedDatabase, procid: int) -> LgPos:
        with self._keeper.held_checkpoint():
            with writer.lock:
                # The pages are in the file before the log says that the database has everything, and stay as they are.
                if self._live is not None:
                    self._live.seal(database)
                position = writer.append(DetachDB.create(procid, database.dbid, database.path).pack())
                # Not part of a generation that begins behind the record.
                self._keeper.remove(database)
                # The record is on the disk before the header says that the database ended there.
                writer.flush(fill=True)
            try:
                self.finish(database, position)
            except EseError as error:
                # The log says detached, the header does not: only a recovery can bring them together.
                self._events.report(473, database.path, str(error.code))
                writer.take_down(error)
                raise
        return position

    def finish(self, database: AttachedDatabase, position: LgPos) -> None:
        """Write the header of a database that is clean at `position` (DetachDB or ShutDownMark, flushed)."""
        now = self._env.log_time()
        database.change_header(lambda header: header_changes.clean_shutdown(header, position=position, time=now))
        database.write_header()
        if self._live is not None:
            self._live.close(database, clean=True)

    def _finish_unlogged(self, database: AttachedDatabase) -> None:
        now = self._env.log_time()
        database.change_header(lambda header: header_changes.clean_shutdown_unlogged(header, time=now))
        database.write_header()
        self._keeper.remove(database)

    # -- end of the instance --

    def finish_all(self, position: LgPos | None) -> None:
        """Make all attached databases clean, those of the log stream at `position`; their files stay open."""
        for database in self._keeper.attached():
            if database.read_only:
                continue
            if not database.logged:
                self._finish_unlogged(database)
            elif position is not None:
                self.finish(database, position)

    def release_all(self) -> None:
        """Close every file and give every lock up, without writing."""
        for database in self._keeper.attached():
            self._keeper.remove(database)
        for dbid in list(self._locks):
            with suppress(EseError):
                self._locks.pop(dbid).close()

    def _let_go(self, database: AttachedDatabase) -> None:
        if self._live is not None:
            self._live.close(database)
        held = self._locks.pop(database.dbid, None)
        if held is not None:
            held.close()

    def _report(self, event: int, database: AttachedDatabase, started: float, additional: str) -> None:
        header = database.header
        if event == 326:  # noqa: PLR2004 - its own text
            version = f"{header.version}.{header.update_major}.{header.update_minor}"
            additional = f"{additional}, dbv = {version} ({header.efv_max_bin_attach})"
        seconds = time.monotonic() - started
        self._events.report(
            event, str(database.dbid), database.path, str(int(seconds)), f"[1] {seconds:.6f}", "0 0", additional
        )
