"""The plan of a recovery, worked out before anything is done: what is there, what is missing, what would happen.

    checkpoint ──► start ......... generations replayed ......... last log
    database        [required ........ required]  .. committed]

Only logs and headers are read: the control records of the range tell which databases the replay will meet.  Whether
each page fits its records is not known before the replay itself, which refuses before it writes.
Source: log reference 3.7-3.11.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.files.real import RealFileSystem
from engine.format.lr import AttachDB, CreateDB, DetachDB, LrType
from engine.header_file import read_header
from engine.log.stream import StreamFindingKind
from engine.recovery.attach_rule import Named, Verdict, judge
from engine.recovery.looking import folder_and_database, look
from engine.recovery.places import Places
from engine.recovery.plan_end import PlannedEnd, PlannedFormat, log_formats, plan_end
from engine.recovery.reach import earliest_stop
from engine.recovery.stop import Lose, StopTooEarly, end_of, through_recovery
from engine.types import LGPOS_MIN, LgPos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.format.dbheader import DatabaseHeader
    from engine.format.lr import Record
    from engine.log.stream import LogStream, StreamFinding
    from engine.recovery.looking import Looked
    from engine.recovery.stop import StopPoint
    from engine.types import Signature, StrPath

_ENDS = frozenset((LrType.Term, LrType.Term2, LrType.RecoveryQuit, LrType.RecoveryQuit2))
_HARMLESS = frozenset((StreamFindingKind.DUPLICATE, StreamFindingKind.FOREIGN_BASE, StreamFindingKind.TORN))


class Outlook(Enum):
    """What recovery would make of a database."""

    REPLAYED = "replayed"
    ANEW = "built anew from the log"
    AS_IT_IS = "consistent already"
    REFUSED = "refused"


class Refusal(NamedTuple):
    """Why a recovery would be refused: the error, and what about it."""

    code: int
    detail: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedDatabase:
    """A database of the stream.

    `logged_path` is what the log calls it, `path` where it is (or would be made).  `required` and `committed` are
    generations, None when there are none; `missing` are the names of the logs it needs that are not there.
    """

    logged_path: str
    path: str
    header: DatabaseHeader | None
    outlook: Outlook
    detail: str
    required: tuple[int, int] | None = None
    committed: int | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """The plan.  `start` is where the replay begins, `replays` the generations it reads; both empty when clean."""

    folder: str
    base_name: str
    signature: Signature | None
    generations: tuple[int, ...]
    current: str | None
    """Path of the current log, None when it is missing."""
    missing: tuple[str, ...]
    """Names of missing logs: gaps, and what the databases need above the last one."""
    checkpoint: LgPos | None
    checkpoint_note: str
    """Why the checkpoint is of no use, or where it was read from a copy; empty when all is well."""
    start: LgPos
    replays: range
    databases: tuple[PlannedDatabase, ...]
    findings: tuple[StreamFinding, ...]
    """What is wrong with logs: damaged, foreign, left over from another run."""
    refusals: tuple[Refusal, ...]
    losses: tuple[str, ...]
    """What would be lost if it were done without what is missing."""
    clean: bool
    log_version: str
    spare: str | None = None
    """Path of a log in preparation that holds an old generation; it is not replayed."""
    end: PlannedEnd | None = None
    """Where the replay would end before the log does."""
    earliest: LgPos | None = None
    """The earliest position that could be a stop point; None when that was not looked for, or cannot be told."""
    formats: tuple[PlannedFormat, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is known that would stop it."""
        return not self.refusals


def plan_recovery(  # noqa: PLR0913 - what a recovery can be told
    path: StrPath,
    *,
    base_name: str | None = None,
    system_folder: str | None = None,
    map_databases: Mapping[str, str] | None = None,
    files: Sequence[str] = (),
    stop: StopPoint | None = None,
    lose: Lose = Lose.NOTHING,
    content: bool = True,
    fs: FileSystem | None = None,
) -> RecoveryPlan:
    """Work out the recovery of the instance whose logs lie in the folder `path`, or beside the database `path`.

    `files` are databases that lie elsewhere, to be found by their signatures.  `stop` and `lose` are as those of the
    recovery.  With `content` every segment of every log is checked, and the earliest stop point is worked out.
    Nothing is written.  -1811 nothing there, -528 no log,
    -1003 several streams and no `base_name`.
    """
    opened = fs or RealFileSystem()
    folder, _ = folder_and_database(opened, path)
    looked = look(opened, folder, base=base_name, system_folder=system_folder)
    places = Places(opened, folder, map_databases or {}, files)
    return _Planner(opened, looked, places, stop, lose).plan(content=content)


@dataclass(slots=True)
class _Meeting:
    named: Named
    created: bool


@dataclass(slots=True)
class _Met:
    """The databases that the records of a log name, and those of them that are attached at its end."""

    all: list[_Meeting] = field(default_factory=list)
    open: dict[int, _Meeting] = field(default_factory=dict)

    def take(self, named: Named, *, created: bool = False) -> None:
        """Meet one."""
        meeting = self.open[named.dbid] = _Meeting(named, created)
        self.all.append(meeting)

    def follow(self, pos: LgPos, record: Record, stream: Signature) -> None:
        """Follow one record."""
        if isinstance(record, AttachDB):
            self.take(Named(record.dbid, record.path, pos, record.consistent, record.sign_db, record.sign_log))
        elif isinstance(record, CreateDB):
            self.take(Named(record.dbid, record.path, pos, LGPOS_MIN, record.sign_db, stream), created=True)
        elif isinstance(record, DetachDB):
            self.open.pop(record.dbid, None)
        elif record.type in _ENDS:
            self.open.clear()


class _Planner:
    def __init__(self, fs: FileSystem, looked: Looked, places: Places, stop: StopPoint | None, lose: Lose) -> None:
        self._fs = fs
        self._looked = looked
        self._stream: LogStream = looked.stream
        self._places = places
        self._stop = stop
        self._lose = lose
        self._limit: LgPos | None = None
        self._because = ""
        self._refusals: list[Refusal] = []
        self._losses: list[str] = []

    def plan(self, *, content: bool) -> RecoveryPlan:
        looked, stream = self._looked, self._stream
        checkpoint = None if looked.checkpoint is None else looked.checkpoint.checkpoint.checkpoint
        generations = tuple(sorted(stream.generations))
        start = checkpoint if checkpoint is not None else LgPos(generations[0] if generations else 1, 1, 0)
        findings = tuple(stream.check(content=content))
        clean = looked.clean
        if self._stop is not None:
            self._find_limit(self._stop)
            clean = clean and (self._limit is None or self._limit >= (looked.quit_position or LGPOS_MIN))
        replays = self._range(start, generations)
        databases = () if clean else tuple(self._databases(start, replays))
        if not clean and self._limit is None and self._end_before_damage(findings, start, databases):
            self._refusals.clear()
            self._losses.clear()
            replays = self._range(start, generations)
            databases = tuple(self._databases(start, replays))
        self._judge_logs(findings, replays)
        end = None if clean or self._limit is None else plan_end(stream, self._limit, self._because)
        self._tell_loss(end)
        earliest = None if clean or not content else self._find_earliest()
        if end is not None:
            self._judge_end(end, earliest)
        version = stream.header.version if stream.header is not None else None
        return RecoveryPlan(
            folder=stream.folder,
            base_name=stream.names.base,
            signature=stream.signature,
            generations=generations,
            current=stream.current,
            missing=self._missing(databases, replays),
            checkpoint=checkpoint,
            checkpoint_note=self._checkpoint_note(),
            start=start,
            replays=range(0) if clean else replays,
            databases=databases,
            findings=findings,
            refusals=() if clean else tuple(self._refusals),
            losses=tuple(self._losses),
            clean=clean,
            log_version="" if version is None else str(version),
            spare=stream.temp if stream.temp != stream.current else None,
            end=end,
            earliest=earliest,
            formats=(*log_formats(stream), *_database_formats(databases)),
        )

    # -- the end --

    def _range(self, start: LgPos, generations: tuple[int, ...]) -> range:
        last = generations[-1] if generations else 0
        return range(start.generation, (last if self._limit is None else min(last, self._limit.generation)) + 1)

    def _find_limit(self, stop: StopPoint) -> None:
        try:
            self._limit = through_recovery(self._stream, stop.limit(self._stream))
            self._because = f"the stop at {stop}"
        except EseError as error:
            self._refusals.append(Refusal(error.code, error.message, error.path))

    def _end_before_damage(
        self, findings: tuple[StreamFinding, ...], start: LgPos, databases: tuple[PlannedDatabase, ...]
    ) -> bool:
        """Let the replay end before the first log that cannot be used, where that is allowed and it is not required."""
        bad = [each for each in findings if each.code and each.kind not in _HARMLESS]
        last = max(self._stream.generations, default=0)
        first = min((each.generation or last + 1 for each in bad), default=0)
        needed = max((each.required[1] for each in databases if each.required is not None), default=0)
        if not self._lose & Lose.DAMAGED or first <= max(start.generation, needed):
            return False
        name = self._stream.path(first) or self._stream.current or self._stream.names.archive(first)
        self._limit, self._because = end_of(first - 1), f"{name} cannot be used"
        return True

    def _tell_loss(self, end: PlannedEnd | None) -> None:
        if end is None or self._stop is not None:
            return
        known = f"{end.transactions} finished transactions" if end.whole else f"at least {end.transactions} of them"
        self._losses.append(f"{', '.join(end.set_aside)}: put away; finished work is lost, {known} can be read there")

    def _find_earliest(self) -> LgPos | None:
        checkpoint = None if self._looked.checkpoint is None else self._looked.checkpoint.checkpoint
        try:
            return earliest_stop(Environment(fs=self._fs), self._stream, checkpoint, self._places.find)
        except EseError as error:
            if self._limit is not None and not any(each.code == error.code for each in self._refusals):
                self._refusals.append(Refusal(error.code, error.message, error.path))
            return None

    def _judge_end(self, end: PlannedEnd, earliest: LgPos | None) -> None:
        if earliest is not None and end.limit < earliest:
            error = StopTooEarly(earliest, end.limit, self._stream.folder)
            self._refusals.append(Refusal(error.code, error.message, error.path))

    def _checkpoint_note(self) -> str:
        problem, read = self._looked.checkpoint_problem, self._looked.checkpoint
        if problem is not None:
            return f"{problem.message}: the replay starts at the lowest log"
        return "read from its second copy" if read is not None and read.problems else ""

    def _judge_logs(self, findings: tuple[StreamFinding, ...], replays: range) -> None:
        if replays and replays.start not in self._stream.generations:
            name = self._stream.names.archive(max(1, replays.start))
            self._refusals.append(Refusal(Err.MissingLogFile, f"{name}, where the checkpoint is, is missing"))
        for each in findings:
            if not each.code or each.kind in _HARMLESS:
                continue
            if self._limit is not None and (each.generation is None or each.generation >= replays.stop):
                # Behind the end: whether it matters shows when the earliest end is worked out.
                continue
            if each.generation is None or each.generation >= replays.start:
                where = each.path or self._stream.names.archive(each.generation or 1)
                detail = f"{where}: {each.kind.value} {each.detail}".strip()
                self._refusals.append(Refusal(each.code, detail, each.path))

    # -- databases --

    def _databases(self, start: LgPos, replays: range) -> list[PlannedDatabase]:
        met = _Met()
        try:
            for entry in self._first_attachments(start):
                met.take(Named(entry.dbid, entry.path, entry.attach, entry.consistent, entry.sign_db))
            for generation in replays:
                with self._stream.open(generation) as log:
                    first = start if generation == start.generation else None
                    for each in log.records(first, strict=False):
                        if self._limit is not None and each.pos > self._limit:
                            break
                        met.follow(each.pos, each.record, log.header.signature)
        except EseError:
            # What is damaged or missing there is among the refusals already.
            pass
        left = {id(each) for each in met.open.values()}
        found: dict[str, PlannedDatabase] = {}
        for meeting in met.all:
            planned = self._database(meeting.named, replays, created=meeting.created, open_=id(meeting) in left)
            found[planned.path] = planned
        return list(found.values())

    def _first_attachments(self, start: LgPos) -> tuple[AttachInfo, ...]:
        """Return the databases attached where the replay starts."""
        checkpoint = None if self._looked.checkpoint is None else self._looked.checkpoint.checkpoint
        if checkpoint is not None and checkpoint.attachments_valid:
            return checkpoint.attachments
        if checkpoint is not None and start != LgPos(start.generation, 1, 0):
            return ()
        with self._stream.open(start.generation) as log:
            return log.header.attachments

    def _database(self, named: Named, replays: range, *, created: bool, open_: bool) -> PlannedDatabase:
        """Judge one database; one that does not take part matters only when it is attached at the end (`open_`)."""
        path = self._places.find(named.path, named)
        header, detail = self._header(path)
        if header is None:
            if created:
                return PlannedDatabase(named.path, path, None, Outlook.ANEW, detail)
            return self._passed(PlannedDatabase(named.path, path, None, Outlook.REFUSED, detail), open_=open_)
        try:
            verdict = judge(named, header, self._stream.signature or header.sign_log, path)
        except EseError as error:
            self._refusals.append(Refusal(error.code, error.message, path))
            return PlannedDatabase(named.path, path, header, Outlook.REFUSED, error.message)
        required = (header.gen_min_required, header.gen_max_required) if header.gen_max_required else None
        committed = header.gen_max_committed or None
        if verdict.harmless:
            return PlannedDatabase(named.path, path, header, Outlook.AS_IT_IS, verdict.value, required, committed)
        if verdict is Verdict.UNREADABLE and created:
            return PlannedDatabase(named.path, path, header, Outlook.ANEW, verdict.value)
        if verdict is not Verdict.NOW:
            passed = PlannedDatabase(named.path, path, header, Outlook.REFUSED, verdict.value, required, committed)
            return self._passed(passed, open_=open_)
        unfit = _unfit(path, header)
        if unfit is not None:
            self._refusals.append(unfit)
            return PlannedDatabase(named.path, path, header, Outlook.REFUSED, unfit.detail, required, committed)
        missing = self._check_ranges(path, header, replays)
        lost = bool(self._lose) and header.gen_max_required < replays.stop
        outlook = Outlook.REFUSED if missing and not lost else Outlook.REPLAYED
        return PlannedDatabase(named.path, path, header, outlook, "", required, committed, missing)

    def _passed(self, planned: PlannedDatabase, *, open_: bool) -> PlannedDatabase:
        """Take in a database that cannot take part."""
        if not open_:
            return replace(planned, outlook=Outlook.AS_IT_IS, detail=f"{planned.detail}; detached later")
        detail = f"{planned.logged_path}: {planned.detail}"
        self._refusals.append(Refusal(Err.AttachedDatabaseMismatch, detail, planned.path))
        return planned

    def _header(self, path: str) -> tuple[DatabaseHeader | None, str]:
        stat = self._fs.stat(path)
        if stat is None or stat.kind is not FileKind.FILE:
            return None, "not found"
        try:
            return read_header(self._fs, path).header, ""
        except EseError as error:
            return None, error.message

    def _check_ranges(self, path: str, header: DatabaseHeader, replays: range) -> tuple[str, ...]:
        """Compare what a database needs with what is there."""
        first, last = header.gen_min_required, header.gen_max_required
        top = replays.stop - 1
        needed = range(first, max(last, header.gen_max_committed) + 1) if first else range(0)
        gone = [each for each in needed if each not in self._stream.generations]
        if first and first < replays.start:
            detail = f"{path}: needs logs from {first:#x} on, the replay starts at {replays.start:#x}"
            self._refusals.append(Refusal(Err.RequiredLogFilesMissing, detail, path))
        elif last > top and self._limit is None:
            detail = f"{path}: needs logs {first:#x} to {last:#x} to be consistent, the last is {top:#x}"
            self._refusals.append(Refusal(Err.RequiredLogFilesMissing, detail, path))
            count = last - max(top, first - 1)
            self._losses.append(
                f"{path}: cannot be made consistent without {count} log(s), {max(top + 1, first):#x} to {last:#x}; "
                "single tables may still be read"
            )
        elif header.gen_max_committed > top and not (self._limit is not None and self._stop is not None):
            count = header.gen_max_committed - top
            detail = f"{path}: logs up to {header.gen_max_committed:#x} hold finished work, the last is {top:#x}"
            if not self._lose:
                self._refusals.append(Refusal(Err.CommittedLogFilesMissing, detail, path))
            self._losses.append(
                f"{path}: consistent without {count} log(s), {top + 1:#x} to {header.gen_max_committed:#x}, "
                "but what was committed in them is lost"
            )
        if self._limit is not None and self._stop is not None:
            # What lies behind a stop is missed only as far as pages may hold it.
            gone = [each for each in gone if each <= last]
        return tuple(self._name(each) for each in gone)

    def _name(self, generation: int) -> str:
        """Return the name that a missing log would have."""
        names, current = self._stream.names, self._stream.current
        above = generation > max(self._stream.generations, default=0)
        closed = f"{names.archive(generation)}"
        return f"{names.current} (or {closed})" if above and current is None else closed

    def _missing(self, databases: tuple[PlannedDatabase, ...], replays: range) -> tuple[str, ...]:
        found = [self._name(each) for first, last in self._stream.missing for each in range(first, last + 1)]
        if replays and replays.start < min(self._stream.generations, default=0):
            below = range(replays.start, min(self._stream.generations))
            found = [self._name(each) for each in below] + found
        for database in databases:
            found += [each for each in database.missing if each not in found]
        return tuple(found)


def _database_formats(databases: tuple[PlannedDatabase, ...]) -> Iterator[PlannedFormat]:
    for each in databases:
        header = each.header
        if header is not None:
            version = f"{header.version:#x}.{header.update_major}.{header.update_minor}"
            yield PlannedFormat("database", version, understood=_understood(header), path=each.path)


def _understood(header: DatabaseHeader) -> bool:
    try:
        header.check_version()
    except EseError:
        return False
    return True


def _unfit(path: str, header: DatabaseHeader) -> Refusal | None:
    """Return why a database that would take part may not, as far as its header alone tells."""
    if header.is_backup_copy:
        return Refusal(Err.SoftRecoveryOnBackupDatabase, f"{path}: a copy that a backup made; restore its set", path)
    try:
        header.check_version(path=path)
    except EseError as error:
        return Refusal(error.code, error.message, path)
    return None
