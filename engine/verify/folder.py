"""A folder as a whole: which files belong to an instance or a backup set, and whether they belong together.

Files are told by their content.  Logs come by their streams, so that a log in preparation, reserve logs and
other programs' `.log` files are not taken for logs.  Behind the checks of each file come those between them:

- the generations of a stream follow one another (signature, times, accumulated checksums, no gaps);
- the logs that a dirty database or a backup copy needs are there;
- the files of a set are those of its manifest, with the sizes and CRC32Cs it names.

Source: jet-api reference 6.5, R17; log reference 1.6, 1.10, 7.6, 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.backup.crc import crc32c
from engine.backup.directory import MANIFEST, MANIFEST_LIMIT
from engine.backup.manifest import FileEntry, decode
from engine.backup.sets import BackupSet, Verdict, list_backups
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.findings import Finding, UnitKind
from engine.format.names import LogNames, NameKind, is_base_name
from engine.format.versions import LOG_VERSION_ACCUMULATED_CHECKSUM
from engine.info import EseFileType, identify, read_database_file
from engine.log.paths import folder_of, join, name_of
from engine.log.stream import LogStream, StreamFindingKind
from engine.verify.report import FileReport, Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.log.scan import LogScan
    from engine.types import Signature

DEPTH: Final = 4
"""How far below the given folder files are looked for."""

_SMALLEST: Final = 4096
_SEGMENT: Final = 4096
PREVIOUS_CHECKSUM_OFFSET: Final = 653
"""Where a log's header keeps the checksum of the generation before it."""
_MOST_NEEDED: Final = 100_000
_ORDER: Final = (EseFileType.DATABASE, EseFileType.LOG, EseFileType.CHECKPOINT, EseFileType.FLUSH_MAP)
_UNUSABLE: Final = frozenset({Verdict.HALF_MADE, Verdict.BROKEN})
_REPORTED_ELSEWHERE: Final = frozenset(
    {StreamFindingKind.UNREADABLE, StreamFindingKind.FOREIGN_BASE, StreamFindingKind.DUPLICATE}
)


class Member(NamedTuple):
    """A file to look at; with a `note` it is only mentioned."""

    path: str
    type: EseFileType
    size: int
    note: str = ""
    role: NameKind | None = None
    """What its name makes of it in the log stream of its folder."""


def gather(fs: FileSystem, folder: str) -> list[Member]:
    """Return the files of an instance or set in and below a folder, databases first."""
    members = []
    for place, entries in fs.walk(folder, max_depth=DEPTH):
        roles = _roles(fs, place)
        for entry in entries:
            path = join(place, entry.name)
            stat = fs.stat(path) if entry.kind is FileKind.FILE else None
            if stat is None:
                continue
            member = _member(fs, path, stat.size, roles)
            if member is not None:
                members.append(member)
    return sorted(members, key=lambda each: (each.type not in _ORDER, _rank(each.type)))


def _rank(kind: EseFileType) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _roles(fs: FileSystem, folder: str) -> dict[str, NameKind]:
    """Return what the names of the streams in a folder make of its files."""
    roles: dict[str, NameKind] = {}
    for stream in LogStream.find_all(fs, folder):
        roles |= dict.fromkeys(stream.archives.values(), NameKind.ARCHIVE)
        roles |= dict.fromkeys(stream.reserves, NameKind.RESERVE)
        single = {
            NameKind.CURRENT: stream.current,
            NameKind.TEMP: stream.temp,
            NameKind.CHECKPOINT: stream.checkpoint,
        }
        roles |= {path: kind for kind, path in single.items() if path is not None}
    return roles


def _member(fs: FileSystem, path: str, size: int, roles: dict[str, NameKind]) -> Member | None:
    role = roles.get(path)
    if role is NameKind.TEMP:
        return Member(path, EseFileType.LOG, size, "log in preparation, not part of the stream", role)
    if role is NameKind.RESERVE:
        return Member(path, EseFileType.EMPTY, size, "reserve log", role)
    if role in {NameKind.ARCHIVE, NameKind.CURRENT}:
        return Member(path, EseFileType.LOG, size, role=role)
    if role is NameKind.CHECKPOINT:
        return Member(path, EseFileType.CHECKPOINT, size, role=role)
    if size < _SMALLEST:
        return None
    found = identify(path, fs=fs)
    if found.type is EseFileType.LOG and not found.intact and not _may_be_log(path, size):
        return None
    if found.type in {EseFileType.UNKNOWN, EseFileType.EMPTY}:
        return None
    return Member(path, found.type, size)


def _may_be_log(path: str, size: int) -> bool:
    """Whether a file without a log's header has at least a log's name and size."""
    name = name_of(path)
    if size % _SEGMENT or not is_base_name(name[:3]) or name[-4:].lower() not in {".log", ".jtx"}:
        return False
    parsed = LogNames(name[:3], name[-4:]).parse(name)
    return parsed is not None and parsed.kind in {NameKind.ARCHIVE, NameKind.CURRENT}


@dataclass(slots=True)
class Tap:
    """Adds up a file's bytes as they pass, to compare with its entry in the manifest."""

    entry: FileEntry
    size: int = 0
    value: int = 0

    def add(self, data: memoryview) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self.value = crc32c(data, self.value)

    def judge(self, sheet: Sheet) -> None:
        """Report a file that is not what the manifest says."""
        if sheet.size != self.entry.size:
            detail = f"{sheet.size} bytes, the manifest says {self.entry.size}"
            sheet.add(Finding(sheet.path, UnitKind.FILE, 0, sheet.size, Err.ReadVerifyFailure, detail))
        elif self.size == self.entry.size and self.value != self.entry.crc32c:
            detail = "the CRC32C is not that of the manifest"
            sums = (self.entry.crc32c, self.value)
            sheet.add(Finding(sheet.path, UnitKind.FILE, 0, 0, Err.ReadVerifyFailure, detail, *sums))


class _Need(NamedTuple):
    """Generations that a database cannot do without."""

    path: str
    signature: Signature
    first: int
    last: int
    code: int


class _Link(NamedTuple):
    """What the neighbours of a log must know of it."""

    generation: int
    signature: Signature
    chained: bool
    """Whether its format carries the checksum of the generation before."""
    previous_checksum: int
    whole: bool
    accumulated_checksum: int


@dataclass(slots=True)
class FolderCheck:
    """Collects what the files say of one another.  Without a folder (a single file) it asks nothing."""

    folder: str | None = None
    fs: FileSystem | None = None
    on_finding: Callable[[Finding], object] | None = None
    _needs: list[_Need] = field(default_factory=list)
    _logs: dict[str, _Link] = field(default_factory=dict)
    _manifests: dict[str, dict[str, FileEntry]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _sheets: list[Sheet] = field(default_factory=list)

    def tap(self, path: str) -> Tap | None:
        """Return what shall add up the bytes of this file, if a manifest in its folder names it."""
        if self.folder is None:
            return None
        self._seen.add(path)
        entry = self._manifest(folder_of(path)).get(name_of(path))
        return None if entry is None else Tap(entry)

    def database(self, path: str, file: File, header: DatabaseHeader | None) -> None:
        """Note which logs this database needs."""
        if self.folder is None or header is None or header.clean:
            return
        first, last = header.gen_min_required, header.gen_max_required
        code = Err.RequiredLogFilesMissing
        if header.is_backup_copy:
            code = Err.MissingRestoreLogFiles
            trailer = read_database_file(file).trailer
            first = header.bkinfo_full_cur.gen_low
            last = max(last, trailer.bkinfo.gen_high if trailer is not None else 0)
        if 0 < first <= last:
            self._needs.append(_Need(path, header.sign_log, first, last, code))

    def log(self, path: str, result: tuple[LogHeader, LogScan] | None) -> None:
        """Note a log that has been looked at."""
        if result is not None and self.folder is not None:
            header, scan = result
            chained = header.version >= LOG_VERSION_ACCUMULATED_CHECKSUM
            self._logs[path] = _Link(
                header.generation,
                header.signature,
                chained,
                header.previous_checksum,
                scan.ok,
                scan.accumulated_checksum,
            )

    def finish(self, reports: list[FileReport]) -> list[FileReport]:
        """Compare, and return a report for each stream, database, manifest or set that something is missing from.

        `reports` are those of the files.
        """
        if self.folder is None or self.fs is None:
            return []
        for folder in sorted({folder_of(path) for path in self._logs}):
            for stream in LogStream.find_all(self.fs, folder):
                self._stream(stream)
        for need in self._needs:
            self._need(need)
        for folder, entries in self._manifests.items():
            self._complete(folder, entries)
        found = [sheet.report() for sheet in self._sheets]
        blamed = {folder_of(each.path) for report in (*reports, *found) for each in report.findings if not each.warning}
        found += [
            self._set(backup_set)
            for backup_set in list_backups(self.folder, fs=self.fs)
            if backup_set.verdict in _UNUSABLE and backup_set.path not in blamed
        ]
        return found

    def _set(self, backup_set: BackupSet) -> FileReport:
        """Report a set whose files are all right, but from which nothing can be restored."""
        sheet = Sheet(backup_set.path, EseFileType.UNKNOWN, 0, self.on_finding)
        sheet.note = "backup set"
        detail = f"{backup_set.verdict.value}: {backup_set.reason}"
        number = backup_set.broken_at or 0
        sheet.add(Finding(backup_set.path, UnitKind.FILE, number, 0, Err.MissingRestoreLogFiles, detail))
        return sheet.report()

    def _sheet(self, path: str, kind: EseFileType, note: str) -> Sheet:
        sheet = Sheet(path, kind, 0, self.on_finding)
        sheet.note = note
        self._sheets.append(sheet)
        return sheet

    def _stream(self, stream: LogStream) -> None:
        findings = [*self._chain(stream)]
        for each in stream.check(content=False):
            if each.kind not in _REPORTED_ELSEWHERE:
                path = each.path or join(stream.folder, stream.names.archive(each.generation or 1))
                detail = f"{each.kind.value}: {each.detail}" if each.detail else each.kind.value
                number = each.generation or 0
                findings.append(Finding(path, UnitKind.FILE, number, 0, each.code, detail, warning=not each.code))
        if findings:
            sheet = self._sheet(stream.folder, EseFileType.LOG, f"log stream {stream.names.base}")
            for finding in findings:
                sheet.add(finding)

    def _chain(self, stream: LogStream) -> Iterator[Finding]:
        """Yield the generations whose header does not carry the checksum of the one before."""
        before: _Link | None = None
        for generation in sorted(stream.generations):
            path = stream.path(generation) or ""
            link = self._logs.get(path)
            if link is not None and before is not None and link.chained and before.whole:
                follows = link.generation == before.generation + 1 and link.signature == before.signature
                stored, computed = link.previous_checksum, before.accumulated_checksum
                if follows and stored != computed:
                    detail = "does not follow the content of the generation before it"
                    code = Err.LogSequenceChecksumMismatch
                    at = PREVIOUS_CHECKSUM_OFFSET
                    yield Finding(path, UnitKind.FILE, generation, at, code, detail, stored, computed)
            before = link

    def _need(self, need: _Need) -> None:
        present = {link.generation for link in self._logs.values() if link.signature == need.signature}
        missing = [each for each in _span(need.first, need.last) if each not in present]
        if missing:
            sheet = self._sheet(need.path, EseFileType.DATABASE, "logs of the database")
            for generation in missing:
                detail = f"log generation {generation:#x} is needed and missing"
                sheet.add(Finding(need.path, UnitKind.FILE, generation, 0, need.code, detail))

    def _manifest(self, folder: str) -> dict[str, FileEntry]:
        known = self._manifests.get(folder)
        if known is not None:
            return known
        entries: dict[str, FileEntry] = {}
        path = join(folder, MANIFEST)
        if self.fs is not None and self.fs.stat(path) is not None:
            try:
                with self.fs.open(path) as file:
                    entries = decode(file.read_at(0, MANIFEST_LIMIT), path=path).current_files()
            except EseError as error:
                sheet = self._sheet(path, EseFileType.UNKNOWN, "manifest")
                sheet.add(Finding(path, UnitKind.FILE, 0, 0, error.code, error.message))
        self._manifests[folder] = entries
        return entries

    def _complete(self, folder: str, entries: dict[str, FileEntry]) -> None:
        missing = []
        for name in entries:
            path = join(folder, name)
            if path not in self._seen and (self.fs is None or self.fs.stat(path) is None):
                missing.append(path)
        if missing:
            sheet = self._sheet(join(folder, MANIFEST), EseFileType.UNKNOWN, "manifest")
            for path in missing:
                sheet.add(Finding(path, UnitKind.FILE, 0, 0, Err.FileNotFound, "named by the manifest and missing"))


def _span(first: int, last: int) -> range:
    """Return the generations to look for; a header's claim of very many is cut short."""
    return range(first, min(last, first + _MOST_NEEDED) + 1)
