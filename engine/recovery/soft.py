"""Recovery after a run that did not end: the log from the checkpoint on is replayed, then closed.

It happens in two steps, so that a replay which must be refused has changed nothing:

    `replay`   reads the logs and follows what they do to headers and pages, above the files
    `finish`   appends RecoveryUndo2 and what undoes open transactions, writes the pages, appends ShutDownMark and
               RecoveryQuit2, writes the headers clean and moves the checkpoint (`engine.recovery.closing`)

Where the replay ends before the log does, at a stop point or before a log that cannot be used, the caller ends the log
there in between (`engine.recovery.cut`).
Source: log reference 3.9-3.13.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.base import OpenMode
from engine.format.attachinfo import AttachInfo
from engine.format.dbheader import HeaderRead, HeaderSource
from engine.format.lr import NOP, NOP2
from engine.header_changes import generation_range
from engine.header_file import first_to_write, write_header
from engine.log.paths import join
from engine.log.tail import read_tail
from engine.recovery.closing import Closing
from engine.recovery.control import ControlReplay, ReplayedHeader
from engine.recovery.looking import first_attachments
from engine.recovery.places import Places
from engine.recovery.reach import earliest_stop
from engine.recovery.result import Loss, RecoveryResult
from engine.recovery.sequence import LogSequence
from engine.recovery.stop import Lose, StopTooEarly, end_of, segment_time, through_recovery
from engine.recovery.telling import Telling
from engine.recovery.undo import UndoResult
from engine.types import LGPOS_MIN, LgPos, LogTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.env import Environment
    from engine.format.checkpoint import Checkpoint
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.lr import Record
    from engine.log.checkpoint_file import CheckpointFile
    from engine.log.reader import LogFile
    from engine.log.records import LogRecord
    from engine.log.stream import LogStream
    from engine.log.writer import LogWriter
    from engine.recovery.attach_rule import Named
    from engine.recovery.closing import Bond
    from engine.recovery.stop import StopPoint
    from engine.types import ProgressCallback


_CORRUPT_IN_RESTORE: Final = frozenset(
    (
        Err.LogCorruptDuringHardRestore,
        Err.LogCorruptDuringHardRecovery,
        Err.LogTornWriteDuringHardRestore,
        Err.LogTornWriteDuringHardRecovery,
    )
)
"""Reported by an event of their own."""
_SEQUENCE: Final = frozenset(
    (Err.InvalidLogSequence, Err.LogSequenceChecksumMismatch, Err.LogGenerationMismatch, Err.BadLogSignature)
)
_LOSABLE: Final = _SEQUENCE | {Err.LogFileCorrupt, Err.LogReadVerifyFailure}
"""What makes a log useless without saying anything of the others."""


class Finder(Protocol):
    """Tells where databases lie."""

    def find(self, path: str, named: Named) -> str:
        """Return the place of the database that the log knows as `path`; nothing need be there."""


@dataclass(slots=True)
class Recovery:
    """One recovery of a stream.  `checkpoint` is None when there is no usable one."""

    env: Environment
    events: EventLog
    stream: LogStream
    checkpoint: Checkpoint | None
    map_databases: Mapping[str, str] = field(default_factory=dict)
    progress: ProgressCallback | None = None
    telling: Telling = field(init=False)
    places: Finder | None = None
    """Where databases lie; by default what `map_databases`, the log and its folder tell."""
    set_top: int = 0
    """Highest generation of the backup set that is restored; 0 for a soft recovery."""
    stop: StopPoint | None = None
    """How far the log is followed; None: to its end."""
    lose: Lose = Lose.NOTHING
    """What of finished work may be lost, when the databases become consistent all the same."""
    cache_pages: int = 0
    """Pages of each database that are kept decoded; 0 for the default."""
    state: ControlReplay | None = None
    started: LgPos = LGPOS_MIN
    limit: LgPos | None = None
    """Where the replay ended, when the log goes on behind it: see `engine.recovery.stop`."""
    last: LogHeader | None = None
    """Header of the last log that was replayed."""
    accumulated: int = 0
    """XOR of the segment checksums of that log."""
    last_record: LgPos = LGPOS_MIN
    """Place of the last record that was replayed, fillers included."""
    last_end: LgPos = LGPOS_MIN
    """Where that record ends."""
    stands_time: LogTime = field(default_factory=LogTime)
    """When the segment of that record was begun."""
    lost: list[Loss] = field(default_factory=list)
    undone: UndoResult = field(default_factory=lambda: UndoResult(0, 0))

    def __post_init__(self) -> None:
        """Make ready to tell of the progress."""
        self.telling = Telling(self.progress)

    @property
    def top(self) -> int:
        """The last generation that was replayed."""
        return self.last_record.generation if self.last is None else self.last.generation

    # -- replay --

    def replay(self) -> None:
        """Follow the log to its end or to the stop point; nothing is written.

        -528 the log of the checkpoint is missing, -515 -530 -590 a broken sequence, -501 damage (-586 -582 where only
        finished work is behind it), -543 -582 logs that a database needs are missing, -544 -551 -1206 -1216 a
        database that does not fit, -566 -567 -626 -1018 pages that do not fit their records, -550 a database that would
        have to be built anew, `StopTooEarly` (-543) for a stop that lies before what the databases hold.
        """
        start, limit = self._plan()
        if not self.set_top:
            self.events.report(300)
        try:
            self.telling.begin()
            find = (self.places or Places(self.env.fs, self.stream.folder, self.map_databases)).find
            if limit < start:
                self._check_limit(limit, find)
            state = ControlReplay(
                self.env,
                self.events,
                find,
                start.generation,
                self._header_of(limit.generation),
                set_top=self.set_top,
                cache_pages=self.cache_pages,
            )
            self.state = state
            state.follows(self.stream, start)
            self._follow(state, range(start.generation, limit.generation + 1), limit)
            self._check_end(state, find)
            self.stands_time = segment_time(self.stream, self.last_record)
        except BaseException as error:
            if self.state is not None:
                self.state.close()
            if isinstance(error, EseError):
                if error.code not in _CORRUPT_IN_RESTORE:
                    self.events.report(454, str(error.code))
                self.telling.fail()
            raise

    def _plan(self) -> tuple[LgPos, LgPos]:
        """Choose where to start, the checkpoint or else the lowest log there is, and how far to go."""
        present = self.stream.generations
        start = LgPos(min(present), 1, 0) if self.checkpoint is None else self.checkpoint.checkpoint
        if start.generation not in present:
            path = join(self.stream.folder, self.stream.names.archive(max(1, start.generation)))
            self.events.report(455, path, str(Err.FileNotFound))
            raise EseError.from_code(
                Err.MissingLogFile, "the log of the checkpoint", path=path, generation=start.generation, event_id=455
            )
        self.started = start
        limit = end_of(max(present))
        if self.stop is not None:
            limit = through_recovery(self.stream, self.stop.limit(self.stream))
        unreadable = self.stream.current is not None and self.stream.current_header is None
        if limit.generation < max(present) or (unreadable and self.stop is not None):
            self.limit = limit
        return start, limit

    def _header_of(self, generation: int) -> LogHeader:
        sequence = LogSequence(self.stream, EventLog(now=self.env.now, shared=False), self.set_top)
        try:
            with sequence.open(generation) as log:
                return log.header
        except EseError as error:
            if self._may_end_before(generation, error):
                # The replay ends before it, and says so.
                return self._header_of(generation - 1)
            raise

    def _follow(self, state: ControlReplay, generations: range, limit: LgPos) -> None:
        sequence = LogSequence(self.stream, self.events, self.set_top)
        self.telling.through(generations)
        for generation in generations:
            try:
                with sequence.open(generation) as log:
                    self._replay_log(state, log, sequence, limit)
                    sequence.done(log)
            except EseError as error:
                if self.telling.stopped or not self._end_before(state, generation, error):
                    raise
                break
            self.last, self.accumulated = sequence.last, sequence.accumulated
            self.telling.log(generation)
        if self.stream.current is not None and self.stream.current_header is None:
            self._judge_unreadable(state)

    def _replay_log(self, state: ControlReplay, log: LogFile, sequence: LogSequence, limit: LgPos) -> None:
        generation = log.generation
        first = generation == self.started.generation
        if first:
            state.begin(first_attachments(log.header, self.checkpoint, self.started), log.header)
        state.begin_generation(generation)
        self._check_created(state, log)
        self._check_whole(log, sequence, limit)
        counted: Counter[type[Record]] = Counter()
        apply, found, segment = state.apply, None, 0
        records = log.records(self.started if first else None, strict=False)
        if limit.generation == generation and limit != end_of(generation):
            records = self._until(records, limit)
        for found in records:
            counted[type(found.record)] += 1
            apply(found, log.header)
            if found.pos.segment != segment:
                segment = found.pos.segment
                self.telling.segment(generation, segment, log.scan().segments)
        if found is not None:
            self.last_record, self.last_end = found.pos, found.end
        self._check_created(state, log)
        most, count = counted.most_common(1)[0] if counted else (None, 0)
        name = "" if most is None else most.__name__
        self.events.report(301, log.path, "", f"{name:<9}", str(count))

    def _check_whole(self, log: LogFile, sequence: LogSequence, limit: LgPos) -> None:
        """Raise for damage; the end of the last log may be torn: what is to be mended there is known already."""
        half = sequence.half_written(log)
        if half and limit >= LgPos(log.generation, half, 0):
            sequence.refuse_corrupt(log)
        bad = log.scan().corruption
        if bad is None or (limit.generation == log.generation and limit.segment < bad.segment):
            return
        is_last = log.generation == max(self.stream.generations) and log.generation > self.set_top
        if is_last and not self.lose & Lose.DAMAGED:
            return
        if is_last:
            read_tail(self.env.fs, log.path, self.events)
        else:
            sequence.refuse_corrupt(log)

    def _until(self, records: Iterator[LogRecord], limit: LgPos) -> Iterator[LogRecord]:
        """Yield the records up to the limit, and note whether more follow."""
        for each in records:
            if each.pos <= limit:
                yield each
            elif not isinstance(each.record, NOP | NOP2):
                self.limit = limit
                return

    def _judge_unreadable(self, state: ControlReplay) -> None:
        """Decide about a current log whose header cannot be read; it counts as the one behind the last."""
        if self.limit is None and self.last is not None:
            current = self.stream.current or ""
            error = EseError.from_code(Err.LogFileCorrupt, "its header cannot be used", path=current)
            if not self._end_before(state, self.last.generation + 1, error):
                raise error

    # -- loss --

    def _may_end_before(self, generation: int, error: EseError) -> bool:
        """Say whether an error of a log can be answered by ending before it: as far as the log alone tells."""
        return error.code in _LOSABLE and not self.set_top and generation > self.started.generation

    def _end_before(self, state: ControlReplay, generation: int, error: EseError) -> bool:
        """End the replay before a log that cannot be used, when that was allowed and no database requires the log.

        -586 (event 525) or -582 (event 528) when it was not allowed and there is only finished work behind.
        """
        headers = [each.on_disk for each in state.attached.values()]
        if not self._may_end_before(generation, error) or any(each.gen_max_required >= generation for each in headers):
            return False
        path, reached = error.path or "", generation - 1
        damaged = error.code not in _SEQUENCE
        if not self.lose & Lose.DAMAGED:
            if all(each.gen_max_committed < generation for each in headers):
                return False
            self._refuse_loss(path, generation, error, damaged=damaged)
        if damaged:
            self.events.report(526, f"{reached:#x}", path, f"{generation:#x}", str(error.code), self.stream.folder)
        else:
            self.events.report(499, str(reached), path, str(generation))
        self.limit = end_of(reached)
        return True

    def _refuse_loss(self, path: str, generation: int, error: EseError, *, damaged: bool) -> None:
        if damaged:
            self.events.report(525, path, str(error.code), self.stream.folder)
        else:
            before = self.stream.path(generation - 1) or ""
            self.events.report(528, before, str(generation - 1), path, str(generation), self.stream.folder)
        code = Err.CommittedLogFileCorrupt if damaged else Err.CommittedLogFilesMissing
        raise EseError.from_code(
            code,
            error.message,
            path=path,
            generation=generation,
            segment=error.segment,
            offset=error.offset,
            event_id=525 if damaged else 528,
            hint="the databases are consistent without it; finished work would be lost",
        ) from error

    # -- end --

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

    def _check_limit(self, limit: LgPos, find: Callable[[str, Named], str]) -> None:
        """Raise for an end that lies before what the databases hold."""
        earliest = earliest_stop(self.env, self.stream, self.checkpoint, find, set_top=self.set_top)
        if limit < earliest:
            raise StopTooEarly(earliest, limit, self.stream.folder)

    def _check_end(self, state: ControlReplay, find: Callable[[str, Named], str]) -> None:
        """Check that nothing a database needs lies behind the end, and that none is unaccounted for."""
        if self.limit is not None:
            self._check_limit(self.limit, find)
        for database in state.attached.values():
            database.pages.check()
            if self.limit is None:
                self._check_required(database)
            self._check_committed(database)
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

    def _check_required(self, database: ReplayedHeader) -> None:
        header, last = database.on_disk, self.top
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

    def _check_committed(self, database: ReplayedHeader) -> None:
        """Account for finished work behind the last log; a stop that was asked for is no loss."""
        header, last = database.on_disk, self.top
        if header.gen_max_committed <= last or (self.stop is not None and self.limit is not None):
            return
        lowest, highest = str(header.gen_min_required), str(header.gen_max_committed)
        if not self.lose:
            self.events.report(523, database.path, lowest, highest, str(last), str(last + 1), self.stream.folder)
            raise EseError.from_code(
                Err.CommittedLogFilesMissing,
                f"logs up to {header.gen_max_committed:#x} hold finished work, the last is {last:#x}",
                path=database.path,
                generation=last + 1,
                event_id=523,
                hint="the databases are consistent without them; finished work would be lost",
            )
        count = header.gen_max_committed - last
        self.lost.append(Loss(database.path, last + 1, header.gen_max_committed))
        self.events.report(524, database.path, str(count), str(last + 1), highest, str(last), self.stream.folder)

    def mend(self) -> None:
        """Put pages that were torn right in the files; to be called before any log goes that they were changed with."""
        state = self.replayed_state()
        for each in (*state.finished.values(), *state.attached.values()):
            if each.pages.torn:
                with self.env.fs.open(each.path, OpenMode.READ_WRITE) as file:
                    each.pages.mend(file)

    def lower_ranges(self) -> None:
        """Write into the headers that the databases need no log behind the limit; to be called before any goes.

        That is so: nothing of a later record is in their pages.
        """
        last = self.last
        for each in self.replayed_state().attached.values():
            header = each.on_disk
            if last is None or each.anew or max(header.gen_max_required, header.gen_max_committed) <= last.generation:
                continue
            with self.env.fs.open(each.path, OpenMode.READ_WRITE) as file:
                lowered = generation_range(header, last.generation, last.created)
                write_header(file, lowered, first=first_to_write(each.read))
            each.read = HeaderRead(lowered, HeaderSource.PRIMARY, ())
            each.header = generation_range(each.header, last.generation, last.created)

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

    def finish(
        self, writer: LogWriter, checkpoint: CheckpointFile, bond: Bond, *, set_aside: tuple[str, ...] = ()
    ) -> RecoveryResult:
        """Close the replayed log; `writer` appends behind its last segment.  To be called once, after `replay`."""
        state = self.replayed_state()
        closing = Closing(self.env, self.events, self.started, self.top, self.set_top)
        try:
            ended = closing.finish(state, writer, checkpoint, bond)
        except EseError as error:
            self.events.report(454, str(error.code))
            self.telling.fail()
            raise
        finally:
            state.close()
        if not self.set_top:
            self.events.report(302)
        self.telling.complete()
        self.undone = closing.undone
        paths = sorted(each.path for each in (*state.finished.values(), *state.attached.values()))
        return self.result(tuple(paths), ended, set_aside=set_aside)

    def result(self, databases: tuple[str, ...], ended: LgPos, *, set_aside: tuple[str, ...] = ()) -> RecoveryResult:
        """Return what was done."""
        return RecoveryResult(
            needed=True,
            replayed=range(self.started.generation, self.top + 1),
            databases=databases,
            started=self.started,
            ended=ended,
            stands=self.last_record,
            stands_time=self.stands_time,
            undone_transactions=self.undone.transactions,
            undone_changes=self.undone.changes,
            set_aside=set_aside,
            lost=tuple(self.lost),
        )

    def replayed_state(self) -> ControlReplay:
        """Return what `replay` has gathered."""
        if self.state is None:
            raise EseError.from_code(Err.InvalidParameter, "replay comes first")
        return self.state
