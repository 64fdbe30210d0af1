"""Recovery after a run that did not end: the log from the checkpoint on is replayed, then closed.

It happens in two steps, so that a replay which must be refused has changed nothing:

    `replay`   reads the logs and follows what they do to headers and pages, above the files
    `finish`   mends the log, appends RecoveryUndo2 and what undoes open transactions, writes the pages, appends
               ShutDownMark and RecoveryQuit2, writes the headers clean and moves the checkpoint

What `finish` writes, in its order, leaves at every point a log that the next recovery brings to the same end:
what undoes a change is durable before the page is written, the pages are durable before the mark, the mark before a
header names it, the headers are clean before RecoveryQuit2 says that nobody need look at them, and that is
durable before the checkpoint points behind everything.
Source: log reference 3.9-3.13.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from engine.attached import AttachedDatabase
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.flush_map import believable_flush_map
from engine.format.attachinfo import AttachInfo
from engine.format.lr import RecoveryQuit2, RecoveryUndo2, ShutDownMark
from engine.format.page import HEADER_PAGES, page_offset
from engine.format.versions import LOG_VERSION_ACCUMULATED_CHECKSUM
from engine.header_changes import clean_shutdown, restored
from engine.header_file import first_to_write, write_header
from engine.log.paths import folder_of, join
from engine.log.tail import report_corruption
from engine.recovery.control import ControlReplay, ReplayedHeader
from engine.recovery.places import Places
from engine.recovery.result import RecoveryResult
from engine.recovery.undo import undo_all
from engine.types import LGPOS_MIN, LgPos, Progress, Snp, Snt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import FileSystem
    from engine.format.checkpoint import Checkpoint
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.lr import Record
    from engine.log.checkpoint_file import CheckpointFile
    from engine.log.reader import LogFile
    from engine.log.stream import LogStream
    from engine.log.writer import LogWriter
    from engine.recovery.attach_rule import Named
    from engine.types import ProgressCallback


_CORRUPT_IN_RESTORE: Final = frozenset((Err.LogCorruptDuringHardRestore, Err.LogCorruptDuringHardRecovery))
"""Reported by an event of their own."""


class Finder(Protocol):
    """Tells where databases lie."""

    def find(self, path: str, named: Named) -> str:
        """Return the place of the database that the log knows as `path`; nothing need be there."""


class Bond(Protocol):
    """The databases that a new generation has to update, as far as recovery uses it."""

    def add(self, database: AttachedDatabase) -> None:
        """Take in a database."""

    def remove(self, database: AttachedDatabase) -> None:
        """Let go of a database."""


@dataclass(slots=True)
class Recovery:
    """One recovery of a stream.  `checkpoint` is None when there is no usable one."""

    env: Environment
    events: EventLog
    stream: LogStream
    checkpoint: Checkpoint | None
    map_databases: Mapping[str, str] = field(default_factory=dict)
    progress: ProgressCallback | None = None
    places: Finder | None = None
    """Where databases lie; by default what `map_databases`, the log and its folder tell."""
    set_top: int = 0
    """Highest generation of the backup set that is restored; 0 for a soft recovery."""
    state: ControlReplay | None = None
    started: LgPos = LGPOS_MIN
    last: LogHeader | None = None
    """Header of the last log that was replayed."""
    accumulated: int = 0
    """XOR of the segment checksums of that log."""
    last_record: LgPos = LGPOS_MIN
    """Place of the last record that was replayed, fillers included."""

    # -- replay --

    def replay(self) -> None:
        """Follow the log to its end; nothing is written.

        -528 the log of the checkpoint is missing, -515 -530 -590 a broken sequence, -501 damage, -543 -582 logs that
        a database needs are missing, -544 -551 -1206 -1216 a database that does not fit, -566 -567 -626 -1018 pages
        that do not fit their records, -550 a database that would have to be built anew.
        """
        generations = self._plan()
        if not self.set_top:
            self.events.report(300)
        try:
            self._tell(Snt.BEGIN, 0)
            places = self.places or Places(self.env.fs, self.stream.folder, self.map_databases)
            state = ControlReplay(
                self.env, self.events, places.find, generations.start, self._highest(), set_top=self.set_top
            )
            self.state = state
            for generation in generations:
                self._replay_generation(state, generation)
                self._tell(Snt.PROGRESS, 99 * (generation - generations.start + 1) // len(generations))
            self._check_end(state)
        except BaseException as error:
            if self.state is not None:
                self.state.close()
            if isinstance(error, EseError):
                if error.code not in _CORRUPT_IN_RESTORE:
                    self.events.report(454, str(error.code))
                self._tell(Snt.FAIL, 0)
            raise

    def _plan(self) -> range:
        """Choose where to start: the checkpoint, else the lowest log there is."""
        present = self.stream.generations
        highest = max(present)
        start = LgPos(min(present), 1, 0) if self.checkpoint is None else self.checkpoint.checkpoint
        if start.generation not in present:
            path = join(self.stream.folder, self.stream.names.archive(max(1, start.generation)))
            self.events.report(455, path, str(Err.FileNotFound))
            raise EseError.from_code(
                Err.MissingLogFile, "the log of the checkpoint", path=path, generation=start.generation, event_id=455
            )
        self.started = start
        return range(start.generation, highest + 1)

    def _highest(self) -> LogHeader:
        with self._open(max(self.stream.generations)) as log:
            return log.header

    def _replay_generation(self, state: ControlReplay, generation: int) -> None:
        with self._open(generation) as log:
            self._check_link(log)
            first = generation == self.started.generation
            if first:
                state.begin(self._first_attachments(log.header), log.header)
            state.begin_generation(generation)
            self._check_created(state, log)
            is_last = generation == max(self.stream.generations)
            counted: Counter[type[Record]] = Counter()
            apply, last_record = state.apply, self.last_record
            # The end of the last log may be torn; what is to be mended there is known already.  In a set it may not.
            strict = not is_last or generation <= self.set_top
            if strict and log.scan().corruption is not None:
                self._refuse_corrupt(log)
            for record in log.records(self.started if first else None, strict=strict):
                counted[type(record.record)] += 1
                apply(record, log.header)
                last_record = record.pos
            self.last_record = last_record
            self._check_created(state, log)
            self.accumulated = log.scan().accumulated_checksum
            self.last = log.header
            most, count = counted.most_common(1)[0] if counted else (None, 0)
            name = "" if most is None else most.__name__
            self.events.report(301, log.path, "", f"{name:<9}", str(count))

    def _refuse_corrupt(self, log: LogFile) -> None:
        """Report damage of a log, and raise it: -573 in a set, -574 in the logs behind it, else -501."""
        scan = log.scan()
        report_corruption(self.events, log.path, scan, hard=bool(self.set_top))
        error = scan.error(log.path)
        if error is None:
            return
        if not self.set_top:
            raise error
        code = Err.LogCorruptDuringHardRestore if log.generation <= self.set_top else Err.LogCorruptDuringHardRecovery
        raise EseError.from_code(
            code,
            path=log.path,
            generation=log.generation,
            segment=error.segment,
            offset=error.offset,
            stored=error.stored,
            computed=error.computed,
            event_id=463,
        )

    def _open(self, generation: int) -> LogFile:
        """Open the next log; one that is missing between others is a broken sequence."""
        if self.stream.path(generation) is None:
            following = min(each for each in self.stream.generations if each > generation)
            path = self.stream.path(following) or ""
            self.events.report(567, path, str(Err.InvalidLogSequence))
            raise EseError.from_code(
                Err.InvalidLogSequence,
                f"generation {generation:#x} is missing before it",
                path=path,
                generation=following,
                event_id=567,
            )
        try:
            return self.stream.open(generation)
        except EseError as error:
            self.events.report(412, str(error.path), str(error.code))
            raise

    def _check_link(self, log: LogFile) -> None:
        before, header = self.last, log.header
        if before is None:
            return
        if header.previous_created != before.created:
            self.events.report(567, log.path, str(Err.InvalidLogSequence))
            raise EseError.from_code(
                Err.InvalidLogSequence,
                f"made after a log of {header.previous_created}, not of {before.created}",
                path=log.path,
                generation=log.generation,
                event_id=567,
            )
        if header.version >= LOG_VERSION_ACCUMULATED_CHECKSUM and header.previous_checksum != self.accumulated:
            expected, actual = f"0x{header.previous_checksum:016x}", f"0x{self.accumulated:016x}"
            self.events.report(543, log.path, expected, actual)
            raise EseError.from_code(
                Err.LogSequenceChecksumMismatch,
                path=log.path,
                generation=log.generation,
                stored=header.previous_checksum,
                computed=self.accumulated,
                event_id=543,
            )

    def _check_created(self, state: ControlReplay, log: LogFile) -> None:
        """Compare the log with what the databases know of the newest log they need."""
        for database in state.attached.values():
            header = database.on_disk
            if header.gen_max_committed == log.generation and header.logtime_gen_max_create:
                self._check_time(database, header, log)

    def _check_time(self, database: ReplayedHeader, header: DatabaseHeader, log: LogFile) -> None:
        wanted, found = header.logtime_gen_max_create, log.header.created
        if wanted != found:
            self.events.report(496, database.path, log.path, str(wanted), str(found))
            raise EseError.from_code(
                Err.RequiredLogFilesMissing,
                f"needs a log of that number made at {wanted}, not at {found}",
                path=log.path,
                generation=log.generation,
                event_id=496,
            )

    def _first_attachments(self, header: LogHeader) -> tuple[AttachInfo, ...]:
        """Return the databases attached where the replay starts."""
        checkpoint = self.checkpoint
        if checkpoint is not None and checkpoint.attachments_valid:
            return checkpoint.attachments
        if self.started == LgPos(header.generation, 1, 0):
            return header.attachments
        # The checkpoint of a clean end: nothing was attached there.
        return () if checkpoint is not None else header.attachments

    def _check_end(self, state: ControlReplay) -> None:
        """Check that nothing a database needs lies behind the last log, and that none is unaccounted for."""
        last = max(self.stream.generations)
        for database in state.attached.values():
            database.pages.check()
            header = database.on_disk
            if header.gen_max_required > last:
                first = header.gen_min_required
                if not self.set_top:
                    numbers = (str(first), str(header.gen_max_required), str(last))
                    self.events.report(453, database.path, *numbers, "", "", "")
                raise EseError.from_code(
                    Err.RequiredLogFilesMissing,
                    f"logs {first:#x} to {header.gen_max_required:#x} are needed, the last is {last:#x}",
                    path=database.path,
                    generation=last + 1,
                    event_id=453,
                )
            if header.gen_max_committed > last:
                raise EseError.from_code(
                    Err.CommittedLogFilesMissing,
                    f"logs up to {header.gen_max_committed:#x} hold finished work, the last is {last:#x}",
                    path=database.path,
                    generation=last + 1,
                )
        for passed in state.passed.values():
            if not passed.verdict.harmless:
                self.events.report(494, str(Err.AttachedDatabaseMismatch), passed.named.path)
                raise EseError.from_code(
                    Err.AttachedDatabaseMismatch,
                    f"attached at {passed.named.position}: {passed.verdict.value}",
                    path=passed.named.path,
                    event_id=494,
                    hint="say where the database lies now, or put it back",
                )

    def attach_list(self) -> tuple[AttachInfo, ...]:
        """Return the databases attached at the end of the log, for the header of a log that follows it."""
        return tuple(
            AttachInfo.create(
                each.dbid,
                each.logged_path if self.set_top else each.path,
                each.header.sign_db,
                attach=each.header.lgpos_attach,
                consistent=each.attach_consistent,
                dbtime=each.header.dbtime_dirtied,
                objid_last=each.header.objid_last,
            )
            for _, each in sorted(self.replayed_state().attached.items())
        )

    # -- finish --

    def finish(self, writer: LogWriter, checkpoint: CheckpointFile, bond: Bond) -> RecoveryResult:
        """Close the replayed log; `writer` appends behind its last segment.  To be called once, after `replay`."""
        state = self.replayed_state()
        try:
            result = self._finish(state, writer, checkpoint, bond)
        except EseError as error:
            self.events.report(454, str(error.code))
            self._tell(Snt.FAIL, 0)
            raise
        finally:
            state.close()
        if not self.set_top:
            self.events.report(302)
        self._tell(Snt.COMPLETE, 100)
        return result

    def _finish(
        self, state: ControlReplay, writer: LogWriter, checkpoint: CheckpointFile, bond: Bond
    ) -> RecoveryResult:
        for each in (*state.finished.values(), *state.attached.values()):
            if each.anew:
                self._make_file(each)
            if each.pages.rebuilt:
                bad = each.header.bad_checksum + len(each.pages.rebuilt)
                each.header = each.header.replace(bad_checksum=bad, logtime_bad_checksum=self.env.log_time())
        for each in state.finished.values():
            if self.set_top:
                each.header = restored(each.header)
            if each.header != each.on_disk:
                self._write_pages(each)
                with self._opened(each) as database:
                    # Their detach is in the log; a checkpoint that moved on would hide it.
                    database.write_header()
        ended = state.ended_at
        paths = sorted(each.path for each in (*state.finished.values(), *state.attached.values()))
        if ended is None:
            ended = self._close_log(state, writer, bond)
        checkpoint.finish(ended)
        return RecoveryResult(
            needed=True,
            replayed=range(self.started.generation, max(self.stream.generations) + 1),
            databases=tuple(paths),
            started=self.started,
            ended=ended,
        )

    def _close_log(self, state: ControlReplay, writer: LogWriter, bond: Bond) -> LgPos:
        """Append what ends a recovery; the position of RecoveryQuit2."""
        began, mark = LGPOS_MIN, state.shutdown_mark
        databases: list[AttachedDatabase] = []
        try:
            for each in state.attached.values():
                database = self._opened(each)
                databases.append(database)
                bond.add(database)
            if not state.last_is_mark:
                began = writer.append(RecoveryUndo2(self.env.log_time()).pack())
                undo_all(state.pages, lambda record: writer.append(record.pack()))
                # What undoes a change is on the disk before the page that it changes.
                writer.flush()
                for each in state.attached.values():
                    self._write_pages(each)
                mark = writer.append(ShutDownMark().pack())
                # The mark is on the disk before a header names it.
                writer.flush(fill=True)
            for database in databases:
                pages = state.attached[database.dbid].pages
                database.update_header(dbtime_dirtied=pages.dbtime_last, objid_last=pages.objid_last)
                database.change_header(partial(clean_shutdown, position=mark, time=self.env.log_time()))
                if self.set_top:
                    database.change_header(restored)
                # Clean before the log says that the recovery is over.
                database.write_header()
                bond.remove(database)
                if self.set_top and max(self.stream.generations) > self.set_top:
                    self.events.report(329, database.path, str(mark), "0")
        finally:
            for database in databases:
                bond.remove(database)
                database.close()
        ended = writer.append(RecoveryQuit2(began, self.started, int(bool(self.set_top)), self.env.log_time()).pack())
        # On the disk before the checkpoint points to it.
        writer.flush(fill=True)
        return ended

    def _make_file(self, replayed: ReplayedHeader) -> None:
        """Make the file of a database that was built anew: dirty, so that its pages may come later.

        What lies there, a database whose header nobody can read, is kept under another name.
        """
        fs, path = self.env.fs, replayed.path
        header = replayed.header.replace(
            **{name: getattr(replayed.on_disk, name) for name in ("state", *_RANGE)}, lgpos_consistent=LGPOS_MIN
        )
        aside = f"{path}.building"
        with fs.open(aside, OpenMode.CREATE) as file:
            file.truncate((replayed.pages.spilled.last_page + HEADER_PAGES) * header.page_size)
            write_header(file, header)
        if fs.stat(path) is not None:
            fs.rename(path, _free_name(fs, path))
        fs.rename(aside, path)
        # The name is on the disk before the log says that the database is consistent.
        fs.fsync_directory(folder_of(path))

    def _write_pages(self, replayed: ReplayedHeader) -> None:
        """Bring the replayed pages into the database, and say which damaged ones the log has built anew."""
        pages = replayed.pages
        if not pages.changed:
            return
        for pgno, error in sorted(pages.rebuilt.items()):
            self.events.report(474, replayed.path, *_place_of(error, pages.page_size), str(pgno))
            self.events.report(419, replayed.path, str(pgno), str(error.code), str(self.started), "")
        with self.env.fs.open(replayed.path, OpenMode.READ_WRITE) as target:
            pages.write_back(target)

    def _opened(self, replayed: ReplayedHeader) -> AttachedDatabase:
        """Open a database for writing its header."""
        fs = self.env.fs
        clean = replayed.on_disk.replace(gen_min_required=0)
        # A map that was open when the run died describes pages that may have changed since.
        flush_map = None
        if not replayed.pages.changed:
            with suppress(EseError):  # the map is a help, not a part of the data
                flush_map = believable_flush_map(fs, replayed.path, clean)
        return AttachedDatabase(
            self.env,
            fs.open(replayed.path, OpenMode.READ_WRITE),
            replayed.header,
            dbid=replayed.dbid,
            last_owned_page=0,
            first_copy=first_to_write(replayed.read),
            flush_map=flush_map,
            consistent=replayed.attach_consistent,
        )

    def replayed_state(self) -> ControlReplay:
        """Return what `replay` has gathered."""
        if self.state is None:
            raise EseError.from_code(Err.InvalidParameter, "replay comes first")
        return self.state

    def _tell(self, snt: Snt, done: int) -> None:
        """Report progress; an answer that says no cancels (only while nothing is written)."""
        if self.progress is None:
            return
        answer = self.progress(Progress(Snp.RESTORE, snt, done, 100, "replay"))
        if snt in (Snt.BEGIN, Snt.PROGRESS) and (answer is False or (isinstance(answer, int) and answer < 0)):
            raise EseError.from_code(Err.CallbackFailed if answer is False else int(answer), "cancelled")


def _place_of(error: EseError, page_size: int) -> tuple[str, ...]:
    """Return offset, length, error and checksums as event 474 has them."""
    offset = page_offset(error.page or 0, page_size)
    sums = (f"[{each or 0:016x}]" for each in (error.stored, error.computed))
    return f"{offset} (0x{offset:016x})", f"{page_size} (0x{page_size:08x})", str(error.code), *sums


_RANGE = (
    "gen_min_required", "gen_min_consistent", "gen_max_required", "gen_max_committed",
    "logtime_gen_max_create", "logtime_gen_max_required",
)  # fmt: skip


def _free_name(fs: FileSystem, path: str) -> str:
    """Return a name for a damaged file that is put away."""
    number = 1
    while fs.stat(f"{path}.damaged{number}") is not None:
        number += 1
    return f"{path}.damaged{number}"
