"""The log stream of a folder: which generations there are, and whether they follow one another.

A stream is the closed logs (`edb0001F.log`) and the current log (`edb.log`).  The log in preparation
(`edbtmp.log`) is never part of it, though it may be a whole valid older generation: it is a recycled one.
Neighbours are linked three ways: the signature is that of the stream, the header's tmPrevGen is the tmCreate of
the generation before, and the header carries the XOR of all its segment checksums.
Source: log reference 1.1, 1.6, 1.10, 3.10.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.files.base import FileKind, FileSystem, OpenMode
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader, LogHeaderExpectation
from engine.format.names import BASE_NAME_LENGTH, FolderNames, LogNames, NameKind, detect_names
from engine.format.versions import LOG_VERSION_ACCUMULATED_CHECKSUM
from engine.log.paths import join
from engine.log.reader import LogFile
from engine.log.scan import FindingKind, LogScan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.log.records import LogRecord
    from engine.types import LgPos, Signature

EVENT_CHECKSUM_CHAIN: Final = 543
EVENT_WRONG_LOG: Final = 567


class StreamFindingKind(Enum):
    """What a check of a stream has to report."""

    MISSING = "generations are missing"
    UNREADABLE = "header cannot be used"
    FOREIGN = "belongs to another stream"
    WRONG_GENERATION = "holds another generation than its name says"
    BROKEN_LINK = "was not made after the generation before it"
    CHECKSUM_CHAIN = "does not follow the content of the generation before it"
    OTHER_SIZE = "has another size than the rest of the stream"
    DUPLICATE = "generation exists under two names"
    ABOVE_CURRENT = "generation is not below the current one"
    CORRUPT = "is damaged"
    TORN = "has a half-written segment, whose shadow is good"
    CORRECTED = "has a wrong bit that can be put right"
    FOREIGN_BASE = "is a log with another base name"


class StreamFinding(NamedTuple):
    """One finding.  `code` is the error that recovery would give; 0 when it is for information."""

    kind: StreamFindingKind
    path: str | None
    generation: int | None
    code: int = 0
    detail: str = ""
    event_id: int | None = None


@dataclass(frozen=True, slots=True)
class LogStream:
    """A stream as it lies in a folder.  `archives` maps closed generations, ascending, to their paths.

    `header` is that of the current log, or of the highest closed one when there is no readable current log;
    `current` is the path of the current log even when its header cannot be read.
    """

    fs: FileSystem = field(repr=False)
    folder: str
    names: LogNames
    archives: dict[int, str]
    current: str | None
    current_header: LogHeader | None
    temp: str | None
    checkpoint: str | None
    reserves: tuple[str, ...]
    header: LogHeader | None
    findings: tuple[StreamFinding, ...] = ()
    """What the listing and the header alone tell; `check` tells the rest."""

    @classmethod
    def find(cls, fs: FileSystem, folder: str, base: str | None = None) -> LogStream | None:
        """Return the stream with this base name, or the only one there; None when there is none.

        -1003 when no base name was given and the folder has several streams.
        """
        found = cls.find_all(fs, folder) if base is None else cls._of_base(fs, folder, base)
        if len(found) > 1:
            bases = ", ".join(each.names.base for each in found)
            raise EseError.from_code(
                Err.InvalidParameter, f"several log streams: {bases}", path=folder, hint="name the base name"
            )
        return found[0] if found else None

    @classmethod
    def find_all(cls, fs: FileSystem, folder: str) -> list[LogStream]:
        """Return every stream of the folder that has at least one file with the header of a log."""
        streams = cls._streams(fs, folder, None)
        return [each for each in streams if each.header is not None]

    @classmethod
    def _of_base(cls, fs: FileSystem, folder: str, base: str) -> list[LogStream]:
        """Return the stream of a base name, unreadable headers or not; none when it has no log."""
        streams = cls._streams(fs, folder, base)
        return [each for each in streams if each.archives or each.current is not None]

    @classmethod
    def _streams(cls, fs: FileSystem, folder: str, base: str | None) -> list[LogStream]:
        """Return what the names of the folder suggest, of one base name or of all."""
        listing = [entry.name for entry in fs.list(folder) if entry.kind is FileKind.FILE]
        by_base: dict[str, list[str]] = {}
        for name in listing:
            by_base.setdefault(name[:BASE_NAME_LENGTH].lower(), []).append(name)
        wanted = by_base if base is None else [base.lower()]
        found = []
        for key in wanted:
            group = by_base.get(key, [])
            for names in detect_names(group):
                stream = cls._assemble(fs, folder, names, group)
                foreign = _foreign(folder, key, by_base) if stream.header is not None else []
                found.append(replace(stream, findings=(*stream.findings, *foreign)))
        return found

    @classmethod
    def _assemble(cls, fs: FileSystem, folder: str, names: LogNames, listing: list[str]) -> LogStream:
        known = FolderNames(listing)
        findings: list[StreamFinding] = []

        def path(name: str | None) -> str | None:
            return None if name is None else join(folder, name)

        archives = {generation: join(folder, name) for generation, name in known.archives(names).items()}
        current = path(known.actual(names.current))
        current_header = None
        if current is not None:
            current_header = _try_header(fs, current, None, findings)
        header = current_header
        for generation in reversed(archives):
            if header is not None:
                break
            header = _try_header(fs, archives[generation], generation, findings)
        findings += _duplicates(folder, names, listing, known)
        if current_header is not None:
            findings += (
                StreamFinding(StreamFindingKind.ABOVE_CURRENT, archives[generation], generation, Err.InvalidLogSequence)
                for generation in archives
                if generation >= current_header.generation
            )
        reserves = [known.actual(name) for name in names.reserves]
        return cls(
            fs=fs,
            folder=folder,
            names=names,
            archives=archives,
            current=current,
            current_header=current_header,
            temp=path(known.actual(names.temp)),
            checkpoint=path(known.actual(names.checkpoint)),
            reserves=tuple(join(folder, name) for name in reserves if name is not None),
            header=header,
            findings=tuple(findings),
        )

    @property
    def signature(self) -> Signature | None:
        """The signature of the stream."""
        return None if self.header is None else self.header.signature

    @property
    def current_generation(self) -> int | None:
        """The generation of the current log; None when it is absent or cannot be read."""
        return None if self.current_header is None else self.current_header.generation

    @property
    def generations(self) -> tuple[int, ...]:
        """All generations present, ascending, the current one included."""
        current = self.current_generation
        return (*self.archives, current) if current is not None and current not in self.archives else (*self.archives,)

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Gaps between the lowest and the highest generation, as (first, last) that are absent."""
        present = sorted(self.generations)
        return tuple((before + 1, after - 1) for before, after in itertools.pairwise(present) if after - before > 1)

    def path(self, generation: int) -> str | None:
        """Return the path of a generation that is present; a closed log is preferred to the current one."""
        if generation == self.current_generation and generation not in self.archives:
            return self.current
        return self.archives.get(generation)

    def open(self, generation: int) -> LogFile:
        """Open a generation of this stream; -528 when it is absent, -513, -530 when it is another log."""
        path = self.path(generation)
        if path is None:
            raise EseError.from_code(
                Err.MissingLogFile, path=join(self.folder, self.names.archive(generation)), generation=generation
            )
        expect = LogHeaderExpectation(signature=self.signature)
        return LogFile.open(self.fs, path, generation, expect=expect)

    def temp_generation(self) -> int | None:
        """Return the generation that the log in preparation holds; None when absent, blank or unusable.

        It may become the current log only where that is missing and this is the highest closed one plus 1.
        """
        if self.temp is None:
            return None
        try:
            return _header(self.fs, self.temp).generation
        except EseError:
            return None

    def records(self, start: LgPos | None = None) -> Iterator[LogRecord]:
        """Yield the records of all generations from `start`, by default from the lowest.

        -528 at a gap, -515 at a broken link, -501 at damage; runs to the end of the highest generation.
        """
        generations = sorted(self.generations)
        first = generations[0] if start is None and generations else 0 if start is None else start.generation
        before: LogHeader | None = None
        for generation in range(first, generations[-1] + 1 if generations else first):
            with self.open(generation) as log:
                if before is not None and log.header.previous_created != before.created:
                    raise EseError.from_code(
                        Err.InvalidLogSequence,
                        StreamFindingKind.BROKEN_LINK.value,
                        path=log.path,
                        generation=generation,
                        event_id=EVENT_WRONG_LOG,
                    )
                yield from log.records(start if start is not None and generation == start.generation else None)
                before = log.header

    def check(self, *, content: bool = True) -> Iterator[StreamFinding]:
        """Yield what is wrong with the stream, generation by generation; nothing for a whole one.

        With `content` every segment is read, and the checksums chain; else headers only.  A generator: stop asking
        to cancel.  I/O errors of single files are findings.
        """
        yield from self.findings
        for first, last in self.missing:
            detail = f"{first:#x}" if first == last else f"{first:#x} to {last:#x}"
            yield StreamFinding(StreamFindingKind.MISSING, None, first, Err.InvalidLogSequence, detail, EVENT_WRONG_LOG)
        before: tuple[LogHeader, LogScan | None] | None = None
        for generation in sorted(self.generations):
            path = self.path(generation) or ""
            try:
                with LogFile.open(self.fs, path) as log:
                    yield from self._check_header(log.header, generation, path, before)
                    scan = log.scan() if content else None
                    if scan is not None:
                        yield from _scan_findings(scan, path)
                    before = (log.header, scan)
            except EseError as error:
                before = None
                if all(each.path != path for each in self.findings):
                    yield _unreadable(error, path, generation)

    def _check_header(
        self, header: LogHeader, generation: int, path: str, before: tuple[LogHeader, LogScan | None] | None
    ) -> Iterator[StreamFinding]:
        kinds = StreamFindingKind
        if header.generation != generation:
            detail = f"{header.generation:#x} instead of {generation:#x}"
            yield StreamFinding(kinds.WRONG_GENERATION, path, generation, Err.InvalidLogSequence, detail)
        if header.signature != self.signature:
            detail = f"signature {header.signature} instead of {self.signature}"
            yield StreamFinding(kinds.FOREIGN, path, generation, Err.BadLogSignature, detail)
            return
        if self.header is not None and header.file_size != self.header.file_size:
            detail = f"{header.file_size} bytes instead of {self.header.file_size}"
            yield StreamFinding(kinds.OTHER_SIZE, path, generation, Err.LogFileSizeMismatch, detail)
        if before is None or header.generation != before[0].generation + 1:
            return
        earlier, scan = before
        if header.previous_created != earlier.created:
            detail = f"made after {header.previous_created}, but that one was made at {earlier.created}"
            yield StreamFinding(kinds.BROKEN_LINK, path, generation, Err.InvalidLogSequence, detail, EVENT_WRONG_LOG)
        if (
            scan is not None
            and scan.ok
            and header.version >= LOG_VERSION_ACCUMULATED_CHECKSUM
            and header.previous_checksum != scan.accumulated_checksum
        ):
            detail = f"{header.previous_checksum:#018x} instead of {scan.accumulated_checksum:#018x}"
            yield StreamFinding(
                kinds.CHECKSUM_CHAIN,
                path,
                generation,
                Err.LogSequenceChecksumMismatch,
                detail,
                EVENT_CHECKSUM_CHAIN,
            )


def _header(fs: FileSystem, path: str) -> LogHeader:
    with fs.open(path, OpenMode.READ) as file:
        return LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=path)


def _try_header(fs: FileSystem, path: str, generation: int | None, findings: list[StreamFinding]) -> LogHeader | None:
    try:
        return _header(fs, path)
    except EseError as error:
        findings.append(_unreadable(error, path, generation))
        return None


def _unreadable(error: EseError, path: str, generation: int | None) -> StreamFinding:
    return StreamFinding(StreamFindingKind.UNREADABLE, path, generation, error.code, error.message, error.event_id)


def _duplicates(folder: str, names: LogNames, listing: list[str], known: FolderNames) -> Iterator[StreamFinding]:
    """Yield the files whose generation another file holds too: with the other number of digits, or another case."""
    for name in listing:
        parsed = names.parse(name)
        if parsed is not None and parsed.kind is NameKind.ARCHIVE and parsed.generation is not None:
            chosen = known.archive(names, parsed.generation)
            if chosen != name:
                detail = f"{chosen} is used"
                yield StreamFinding(StreamFindingKind.DUPLICATE, join(folder, name), parsed.generation, 0, detail)


def _foreign(folder: str, base: str, by_base: dict[str, list[str]]) -> Iterator[StreamFinding]:
    """Yield the logs in the folder that have another base name."""
    for other, group in by_base.items():
        for names in detect_names(group) if other != base else ():
            logs = (NameKind.CURRENT, NameKind.ARCHIVE, NameKind.TEMP)
            for name in group:
                parsed = names.parse(name)
                if parsed is not None and parsed.kind in logs:
                    yield StreamFinding(StreamFindingKind.FOREIGN_BASE, join(folder, name), None)


def _scan_findings(scan: LogScan, path: str) -> Iterator[StreamFinding]:
    for each in scan.findings:
        detail = f"segment {each.segment}, offset {each.offset:#x}"
        if each.kind is FindingKind.CORRECTED:
            kind, code, detail = StreamFindingKind.CORRECTED, 0, f"{detail}, bit {each.bit}"
        elif each.kind is FindingKind.TORN:
            kind, code = StreamFindingKind.TORN, 0
        else:
            kind, code, detail = StreamFindingKind.CORRUPT, Err.LogFileCorrupt, f"{each.kind.value}, {detail}"
        yield StreamFinding(kind, path, scan.generation, code, detail, each.event_id)
