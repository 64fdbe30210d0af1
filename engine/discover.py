"""Finding the instances below a folder: their logs, checkpoints and databases, and in what state they are.

What belongs together is told by signature: a database and a checkpoint carry the signature of their log stream,
and a log lists the signatures of the databases attached when it was made.  Names serve only where the format
relies on them, for the order of the generations.  Nothing is written, so this works on read-only media.

Backup sets lie about with the same signatures; a folder without a current log that holds nothing but copies
made by a backup, or nothing but closed logs, is not an instance and is left out.
Source: log reference 1.1, 3.9; database reference 1.5; console design, "what is here".
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from engine.discover_scan import DatabaseFile, FolderScan, scan_file, scan_folders
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState
from engine.format.segment import canonical_position
from engine.log.checkpoint_file import read_checkpoint_file
from engine.log.paths import folder_of, join, lock_name, name_of, parts_of
from engine.log.reader import LogFile
from engine.log.stream import LogStream, StreamFinding, StreamFindingKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.format.checkpoint import CheckpointRead
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames
    from engine.types import Signature, StrPath

DEFAULT_DEPTH: Final = 8


class FoundState(Enum):
    """State of an instance or a database, in a word."""

    CLEAN = "clean"
    DIRTY = "dirty"
    DAMAGED = "damaged"
    LOCKED = "locked"
    """Another process, or an instance of this one, is at work there."""
    UNREACHABLE = "unreachable"
    """A database that the logs name is not where they say, nor anywhere that was looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about an instance.  `code` is the error it would give, 0 for information."""

    text: str
    path: str | None = None
    code: int = 0
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class FoundDatabase:
    """A database: its header when one copy is right, its state, its size in bytes, what is wrong with it."""

    path: str
    header: DatabaseHeader | None
    state: FoundState
    size: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """An instance on disk, or a database that no log stream belongs to (then `names` is None).

    `generations` are those present, ascending, the current one included; `missing` the gaps as (first, last).
    """

    base_name: str
    log_folder: str
    system_folder: str
    names: LogNames | None
    generations: tuple[int, ...]
    missing: tuple[tuple[int, int], ...]
    current_header: LogHeader | None
    checkpoint: CheckpointRead | None
    databases: tuple[FoundDatabase, ...]
    state: FoundState
    detail: str
    """The state in words: why it is what it is."""
    page_size: int
    log_file_size: int
    signature: Signature | None
    circular: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def has_log(self) -> bool:
        """Whether there is a log stream."""
        return self.names is not None

    @property
    def checkpoint_generation(self) -> int | None:
        """Generation of the checkpoint."""
        return None if self.checkpoint is None else self.checkpoint.checkpoint.checkpoint.generation


def discover(path: StrPath, *, fs: FileSystem | None = None, max_depth: int = DEFAULT_DEPTH) -> list[FoundInstance]:
    """Return what lies at and below `path`, a folder or a file of an instance; instances first, by folder.

    -1811 when there is nothing at `path`; folders below it that cannot be read are passed over.
    """
    fs = fs or RealFileSystem()
    top = fs.absolute(os.fspath(path))
    stat = fs.stat(top)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=top)
    wanted = None
    if stat.kind is FileKind.DIRECTORY:
        scans = list(scan_folders(fs, top, max_depth=max_depth))
    else:
        wanted, folder = top, folder_of(top)
        scans = list(scan_folders(fs, folder, max_depth=0))
        if all(top not in _paths(each) for each in scans):
            scans = [scan_file(fs, top, folder)]
    found = _Assembly(fs, scans).instances()
    if wanted is not None:
        found = [each for each in found if _mentions(each, wanted)] or found
    return found


def _paths(scan: FolderScan) -> list[str]:
    return [*scan.logs, *scan.checkpoints, *(each.path for each in scan.databases)]


def _mentions(found: FoundInstance, path: str) -> bool:
    """Whether a file belongs to this instance."""
    if any(each.path == path for each in found.databases):
        return True
    if found.names is None:
        return False
    return folder_of(path) in (found.log_folder, found.system_folder) and found.names.parse(name_of(path)) is not None


@dataclass(slots=True)
class _Stream:
    """A stream and what belongs to it, while it is put together."""

    stream: LogStream
    checkpoint_path: str | None = None
    checkpoint: CheckpointRead | None = None
    databases: list[DatabaseFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class _Assembly:
    """Puts files together by signature."""

    def __init__(self, fs: FileSystem, scans: list[FolderScan]) -> None:
        self.fs = fs
        self.scans = scans
        self.streams: list[_Stream] = []
        self.checkpoints: list[tuple[str, CheckpointRead]] = []

    def instances(self) -> list[FoundInstance]:
        for scan in self.scans:
            self._streams_of(scan)
        self._read_checkpoints()
        for each in self.streams:
            self._give_checkpoint(each)
        loose = self._give_databases()
        self.streams = [each for each in self.streams if not self._is_backup_set(each)]
        found = [_judge(self.fs, each) for each in self.streams]
        found += [_lone(database) for database in loose]
        return sorted(found, key=lambda each: (not each.has_log, each.log_folder, each.base_name))

    def _streams_of(self, scan: FolderScan) -> None:
        if not scan.logs:
            return
        try:
            streams = LogStream.find_all(self.fs, scan.folder)
        except EseError:
            return  # the folder went away meanwhile
        self.streams += [_Stream(each) for each in streams]

    def _read_checkpoints(self) -> None:
        for scan in self.scans:
            for path in scan.checkpoints:
                try:
                    self.checkpoints.append((path, read_checkpoint_file(self.fs, path)))
                except EseError:
                    continue  # a damaged one is told of by its place beside the logs

    def _give_checkpoint(self, found: _Stream) -> None:
        """Find the checkpoint: beside the logs by name, else anywhere by signature."""
        stream = found.stream
        if stream.checkpoint is not None:
            try:
                found.checkpoint = read_checkpoint_file(self.fs, stream.checkpoint, signature=stream.signature)
                found.checkpoint_path = stream.checkpoint
            except EseError as error:
                found.findings.append(Finding("the checkpoint cannot be used", stream.checkpoint, error.code))
            else:
                return
        for path, read in self.checkpoints:
            if read.checkpoint.signature == stream.signature:
                found.checkpoint, found.checkpoint_path = read, path
                return

    def _give_databases(self) -> list[DatabaseFile]:
        """Give each database to its stream; return those that have none.

        Of several streams with the signature (a copy of the whole folder, say) the one whose folder is nearest to
        the database's gets it.
        """
        loose = []
        for scan in self.scans:
            for database in scan.databases:
                owner = self._owner(database)
                if owner is None:
                    loose.append(database)
                else:
                    owner.databases.append(database)
        return loose

    def _owner(self, database: DatabaseFile) -> _Stream | None:
        header = database.header
        if header is None:
            folder = folder_of(database.path)
            beside = [each for each in self.streams if each.stream.folder == folder]
            return beside[0] if len(beside) == 1 else None
        candidates = [
            each
            for each in self.streams
            if (header.sign_log and header.sign_log == each.stream.signature)
            or any(entry.sign_db == header.sign_db for entry in _attachments(each))
        ]
        if not candidates:
            return None
        return max(candidates, key=lambda each: _shared_depth(each.stream.folder, database.path))

    @staticmethod
    def _is_backup_set(found: _Stream) -> bool:
        """Whether this is a backup set and no instance."""
        stream = found.stream
        if stream.current is not None or found.checkpoint_path == stream.checkpoint is not None:
            return False
        beside = [each for each in found.databases if folder_of(each.path) == stream.folder]
        return all(each.header is not None and each.header.is_backup_copy for each in beside)


def _attachments(found: _Stream) -> Iterable[AttachInfo]:
    if found.stream.header is not None:
        yield from found.stream.header.attachments
    if found.checkpoint is not None and found.checkpoint.checkpoint.attachments_valid:
        yield from found.checkpoint.checkpoint.attachments


def _shared_depth(folder: str, path: str) -> int:
    """Return how many folders two paths share from the top; one more when the folder holds the file."""
    one, other = parts_of(folder), parts_of(folder_of(path))
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared + (one == other)


def _judge(fs: FileSystem, found: _Stream) -> FoundInstance:
    """Say in what state a stream is."""
    stream = found.stream
    header = stream.current_header or stream.header
    databases = [_judge_database(each) for each in sorted(found.databases, key=lambda each: each.path)]
    databases += _unreachable(found)
    findings = [*found.findings, *map(_from_stream, stream.findings)]
    state, detail = _state_of_log(fs, found, findings)
    dirty = [each for each in databases if each.state is FoundState.DIRTY]
    broken = [each for each in databases if each.state is FoundState.DAMAGED]
    if state is FoundState.CLEAN and dirty:
        state = FoundState.DIRTY
        detail = f"{name_of(dirty[0].path)} was not shut down cleanly"
    if state is not FoundState.LOCKED and broken:
        state, detail = FoundState.DAMAGED, f"{name_of(broken[0].path)}: {broken[0].problem}"
    return FoundInstance(
        base_name=stream.names.base,
        log_folder=stream.folder,
        system_folder=stream.folder if found.checkpoint_path is None else folder_of(found.checkpoint_path),
        names=stream.names,
        generations=tuple(sorted(stream.generations)),
        missing=stream.missing,
        current_header=stream.current_header,
        checkpoint=found.checkpoint,
        databases=tuple(databases),
        state=state,
        detail=detail,
        page_size=0 if header is None else header.page_size,
        log_file_size=0 if header is None else header.file_size,
        signature=stream.signature,
        circular=header is not None and header.circular,
        findings=tuple(findings),
    )


def _state_of_log(fs: FileSystem, found: _Stream, findings: list[Finding]) -> tuple[FoundState, str]:
    stream = found.stream
    if _is_locked(fs, stream):
        return FoundState.LOCKED, "in use"
    if stream.current is None or stream.current_header is None:
        return _state_without_current(stream)
    above = [each for each in stream.findings if each.kind is StreamFindingKind.ABOVE_CURRENT]
    if above:
        return FoundState.DAMAGED, f"generation {above[0].generation:#x} is not below the current one"
    try:
        with LogFile.open(fs, stream.current) as log:
            log.scan().raise_if_corrupt(stream.current)
            end = log.quit_position()
    except EseError as error:
        findings.append(Finding(error.message, stream.current, error.code, stream.current_generation))
        return FoundState.DAMAGED, f"{name_of(stream.current)} is damaged"
    if end is None:
        return FoundState.DIRTY, "the last run did not end"
    checkpoint = found.checkpoint
    if checkpoint is not None and canonical_position(checkpoint.checkpoint.checkpoint) != end:
        return FoundState.DIRTY, "the checkpoint was not brought up to the end"
    return FoundState.CLEAN, "ended cleanly"


def _state_without_current(stream: LogStream) -> tuple[FoundState, str]:
    if stream.current is not None:
        return FoundState.DAMAGED, f"the header of {name_of(stream.current)} cannot be used"
    if stream.temp_generation() == max(stream.archives, default=0) + 1:
        return FoundState.DIRTY, "a roll-over of the log was interrupted"
    return FoundState.DAMAGED, f"{stream.names.current} is missing"


def _is_locked(fs: FileSystem, stream: LogStream) -> bool:
    """Whether another process holds the log folder."""
    return is_held(fs, join(stream.folder, lock_name(stream.names.base)))


def is_held(fs: FileSystem, path: str) -> bool:
    """Whether another process holds the lock of that name; one without a lock file was never held."""
    try:
        if fs.stat(path) is None:
            return False
        with fs.lock(path):
            return False
    except EseError as error:
        # Where nothing may be written, nobody who writes can be at work through this path.
        return error.code == Err.FileAccessDenied and isinstance(error.__cause__, TimeoutError)


def _judge_database(found: DatabaseFile) -> FoundDatabase:
    if found.read is None:
        problem = "no usable header" if found.error is None else found.error.message
        return FoundDatabase(found.path, None, FoundState.DAMAGED, found.size, problem)
    header = found.read.header
    problems = [each.detail for each in found.read.problems]
    if header.clean:
        return FoundDatabase(found.path, header, FoundState.CLEAN, found.size, "; ".join(problems) or None)
    words = {
        DbState.JUST_CREATED: "its creation did not finish",
        DbState.DIRTY_AND_PATCHED: "restored, but not replayed to the end",
        DbState.INCREMENTAL_RESEED: "a reseed did not finish",
        DbState.REVERT_IN_PROGRESS: "a revert did not finish",
    }
    if header.is_backup_copy:
        why = "a copy made by a backup; restore the set"
    else:
        needed = f"needs the logs {header.gen_min_required:#x} to {header.gen_max_required:#x}"
        why = words.get(header.state, needed)
    return FoundDatabase(found.path, header, FoundState.DIRTY, found.size, "; ".join((why, *problems)))


def _unreachable(found: _Stream) -> list[FoundDatabase]:
    """Return the databases that the newest log lists and that were not met."""
    met = {each.header.sign_db.pack() for each in found.databases if each.header is not None}
    missing = {
        entry.sign_db.pack(): FoundDatabase(entry.path, None, FoundState.UNREACHABLE, 0, "not found")
        for entry in _attachments(found)
        if entry.sign_db.pack() not in met
    }
    return list(missing.values())


def _lone(database: DatabaseFile) -> FoundInstance:
    """Return a database that no stream belongs to."""
    judged = _judge_database(database)
    folder = folder_of(database.path)
    header = database.header
    return FoundInstance(
        base_name="",
        log_folder=folder,
        system_folder=folder,
        names=None,
        generations=(),
        missing=(),
        current_header=None,
        checkpoint=None,
        databases=(judged,),
        state=judged.state,
        detail=judged.problem or "shut down cleanly; no log stream",
        page_size=0 if header is None else header.page_size,
        log_file_size=0,
        signature=None if header is None else header.sign_log or None,
    )


def _from_stream(finding: StreamFinding) -> Finding:
    text = finding.kind.value if not finding.detail else f"{finding.kind.value}: {finding.detail}"
    return Finding(text, finding.path, finding.code, finding.generation)
