"""Reading a set: headers of its databases and logs, its manifest, and the verdict.

Links between logs are checked by their headers alone: the generation is the one of the name, all signatures are
one, and each log's "previous created" is its predecessor's "created".
Source: log reference 1.2, 7.6, 8.3; database reference 1.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.backup import manifest as manifests
from engine.backup.directory import MANIFEST, MANIFEST_LIMIT, PARTIAL, TEMP, TEMP_SUFFIX
from engine.backup.paths import join, name_of
from engine.backup.sets import BackupSet, Place, SetBackup, SetDatabase, SetLog, Verdict, backup_of
from engine.backup.stamp import read_stamp
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.dbheader import HEADER_PROBE_SIZE, read_header_pages
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.format.names import NameKind, detect_names
from engine.format.page import page_number
from engine.format.patch import PatchHeader

if TYPE_CHECKING:
    from datetime import datetime

    from engine.backup.manifest import Manifest
    from engine.files.base import FileSystem
    from engine.format.names import LogNames

_MOST_PROBLEMS = 100


@dataclass(slots=True)
class _Findings:
    """Problems of a set, and how bad they are together."""

    problems: list[str] = field(default_factory=list)
    broken_at: int | None = None

    def add(self, text: str, *, generation: int | None = None) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)
        if generation is not None and (self.broken_at is None or generation < self.broken_at):
            self.broken_at = generation


def read_set(fs: FileSystem, folder: str, place: Place) -> BackupSet:
    """Read the set that lies directly in `folder`; damage becomes part of the verdict."""
    entries = {each.name: each.kind for each in fs.list(folder)}
    files = sorted(name for name, kind in entries.items() if kind is FileKind.FILE)
    findings = _Findings()
    manifest, manifest_damaged = _read_manifest(fs, folder, files, findings)
    half_made = manifest is None and not manifest_damaged and PARTIAL in files
    # An atomic backup counts from the rename of `temp`; what is still there, or there again, is on its way out.
    unpublished = name_of(folder) == TEMP and (manifest is None or manifest.backups[0].atomic)
    names = _names_of(files, manifest)
    logs = _read_logs(fs, folder, files, names)
    databases = _read_databases(fs, folder, files, names, manifest)
    patches = tuple(name for name in files if name.lower().endswith(".pat"))
    _check_logs(logs, findings)
    _check_databases(databases, logs, findings)
    if manifest is not None:
        _check_manifest(fs, folder, files, manifest, findings)
    verdict, reason = _verdict(databases, findings, half_made=half_made or unpublished, made_here=manifest is not None)
    backups = _backups(manifest, databases, logs)
    return BackupSet(
        path=folder,
        place=place,
        verdict=verdict,
        reason=reason,
        manifest=manifest,
        databases=databases,
        logs=logs,
        patches=patches,
        backups=backups,
        problems=tuple(findings.problems),
        broken_at=findings.broken_at,
        verified=_verified(fs, folder, files, backups) if manifest is not None else read_stamp(fs, folder, files),
        bytes_total=sum(each.size for each in databases) + sum(each.size for each in logs),
        names=names,
    )


def _read_manifest(fs: FileSystem, folder: str, files: list[str], findings: _Findings) -> tuple[Manifest | None, bool]:
    """Return the manifest, and whether there is one that cannot be used."""
    if MANIFEST not in files:
        return None, False
    path = join(folder, MANIFEST)
    try:
        with fs.open(path) as file:
            size = file.size()
            if size > MANIFEST_LIMIT:
                raise EseError.from_code(Err.InvalidParameter, f"{size} bytes", path=path)
            return manifests.decode(file.read_at(0, size), path=path), False
    except EseError as error:
        findings.add(f"{MANIFEST}: {error.message}")
        return None, True


def _names_of(files: list[str], manifest: Manifest | None) -> LogNames | None:
    streams = detect_names(files)
    if manifest is not None:
        base = manifest.backups[0].base_name.lower()
        streams = [each for each in streams if each.base.lower() == base] or streams
    counted = [(sum(_is_archive(each, name) for name in files), each) for each in streams]
    return max(counted, key=lambda each: each[0], default=(0, None))[1]


def _is_archive(names: LogNames, name: str) -> bool:
    parsed = names.parse(name)
    return parsed is not None and parsed.kind is NameKind.ARCHIVE


def _read_logs(fs: FileSystem, folder: str, files: list[str], names: LogNames | None) -> tuple[SetLog, ...]:
    if names is None:
        return ()
    logs: dict[int, SetLog] = {}
    for name in files:
        parsed = names.parse(name)
        if parsed is None or parsed.kind is not NameKind.ARCHIVE or parsed.generation is None:
            continue
        logs.setdefault(parsed.generation, _read_log(fs, folder, name, parsed.generation))
    return tuple(logs[each] for each in sorted(logs))


def _read_log(fs: FileSystem, folder: str, name: str, generation: int) -> SetLog:
    path = join(folder, name)
    header, problem, size = None, "", 0
    try:
        with fs.open(path) as file:
            size = file.size()
            header = LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=path)
        if header.generation != generation:
            problem = f"its header says generation {header.generation:#x}"
        elif size != header.file_size:
            problem = f"{size} bytes instead of {header.file_size}"
    except EseError as error:
        problem = error.message
    return SetLog(generation, name, path, size, header, problem)


def _read_databases(
    fs: FileSystem, folder: str, files: list[str], names: LogNames | None, manifest: Manifest | None
) -> tuple[SetDatabase, ...]:
    known = manifest.current_files() if manifest is not None else {}
    sources = {
        each.name: each.source
        for entry in (manifest.backups if manifest is not None else ())
        for each in entry.databases
    }
    found = []
    for name in files:
        expected = name in known and known[name].kind == "database"
        if not expected and (_is_other(name) or (names is not None and names.parse(name) is not None)):
            continue
        database = _read_database(fs, folder, name, sources.get(name, ""))
        if expected or database.header is not None or _has_patch(name, files):
            found.append(database)
    return tuple(found)


def _is_other(name: str) -> bool:
    lowered = name.lower()
    return lowered.endswith((".pat", ".jfm", ".jrs", ".json", TEMP_SUFFIX)) or name == PARTIAL


def _has_patch(name: str, files: list[str]) -> bool:
    return f"{name.rpartition('.')[0] or name}.pat".lower() in {each.lower() for each in files}


def _read_database(fs: FileSystem, folder: str, name: str, source: str) -> SetDatabase:
    path = join(folder, name)
    header = trailer = None
    problem, size = "", 0
    try:
        with fs.open(path) as file:
            size = file.size()
            header = read_header_pages(file.read_at(0, HEADER_PROBE_SIZE), size, path=path).header
            if not header.is_backup_copy:
                problem = "not a copy made by a backup"
            elif size % header.page_size or size < 3 * header.page_size:
                problem = f"{size} bytes are not whole pages"
            else:
                at = size - header.page_size
                page = file.read_at(at, header.page_size)
                trailer = PatchHeader.parse(page, path=path, pgno=page_number(at, header.page_size))
                if not trailer.belongs_to(header):
                    problem = "its trailer belongs to another backup"
    except EseError as error:
        problem = error.message
    return SetDatabase(name, path, size, header, trailer, source, problem)


def _check_logs(logs: tuple[SetLog, ...], findings: _Findings) -> None:
    """Check that the logs follow one another."""
    signature = next((each.header.signature for each in logs if each.header is not None), None)
    before: SetLog | None = None
    for log in logs:
        if log.problem:
            findings.add(f"{log.name}: {log.problem}", generation=log.generation)
        elif log.header is not None and log.header.signature != signature:
            findings.add(f"{log.name}: of another log stream", generation=log.generation)
        if before is not None and log.generation != before.generation + 1:
            missing = before.generation + 1
            findings.add(f"generations {missing:#x} to {log.generation - 1:#x} are missing", generation=missing)
        elif (
            before is not None
            and before.header is not None
            and log.header is not None
            and log.header.previous_created != before.header.created
        ):
            findings.add(f"{log.name}: does not follow {before.name}", generation=log.generation)
        before = log


def _check_databases(databases: tuple[SetDatabase, ...], logs: tuple[SetLog, ...], findings: _Findings) -> None:
    """Check that each copy is whole and that the logs it needs are there."""
    present = {each.generation for each in logs}
    signature = next((each.header.signature for each in logs if each.header is not None), None)
    for database in databases:
        if database.problem:
            findings.add(f"{database.name}: {database.problem}")
            continue
        if database.header is not None and signature is not None and database.header.sign_log != signature:
            findings.add(f"{database.name}: its logs are of another stream")
        needed = range(database.first_needed, database.last_needed + 1)
        gone = next((each for each in needed if each not in present), None)
        if gone is not None:
            findings.add(f"{database.name}: needs generation {gone:#x}, which is missing", generation=gone)


def _check_manifest(fs: FileSystem, folder: str, files: list[str], manifest: Manifest, findings: _Findings) -> None:
    """Check that every file the manifest names is there in its size."""
    for name, entry in manifest.current_files().items():
        if name not in files:
            findings.add(f"{name}: missing", generation=entry.generation)
            continue
        found = fs.stat(join(folder, name))
        if found is not None and found.size != entry.size:
            findings.add(f"{name}: {found.size} bytes instead of {entry.size}", generation=entry.generation)


def _verdict(
    databases: tuple[SetDatabase, ...], findings: _Findings, *, half_made: bool, made_here: bool
) -> tuple[Verdict, str]:
    if half_made:
        return Verdict.HALF_MADE, "the backup was never finished"
    if findings.problems:
        # Without a manifest nobody knows whether it was ever whole: a copy that ended early is the usual cause.
        unfinished = not made_here and any(each.problem for each in databases)
        return (Verdict.HALF_MADE if unfinished else Verdict.BROKEN), findings.problems[0]
    if not databases:
        return Verdict.LOGS_ONLY, "no database in it"
    return Verdict.COMPLETE, ""


def _backups(
    manifest: Manifest | None, databases: tuple[SetDatabase, ...], logs: tuple[SetLog, ...]
) -> tuple[SetBackup, ...]:
    """Return the chain: what the manifest says, and before it the full backup it does not know."""
    listed = tuple(backup_of(each) for each in manifest.backups) if manifest is not None else ()
    if any(each.kind == "full" for each in listed):
        return listed
    full = _full_backup_by_headers(databases)
    if full is not None:
        return (full, *listed)
    if listed or not logs:
        return listed
    return (SetBackup("incremental", None, None, logs[0].generation, logs[-1].generation),)


def _full_backup_by_headers(databases: tuple[SetDatabase, ...]) -> SetBackup | None:
    """Return what the copies' headers and trailers tell of the full backup that made them."""
    copies = [each for each in databases if each.header is not None and each.first_needed]
    if not copies:
        return None
    starts = [each.header.bkinfo_full_cur.time.to_datetime() for each in copies if each.header is not None]
    return SetBackup(
        "full",
        min((each for each in starts if each is not None), default=None),
        None,
        min(each.first_needed for each in copies),
        max(each.last_needed for each in copies),
        sum(each.size for each in copies),
    )


def _verified(fs: FileSystem, folder: str, files: list[str], backups: tuple[SetBackup, ...]) -> datetime | None:
    """Return when the contents were last known good: at the latest check, or when they were copied and checked."""
    stamp = read_stamp(fs, folder, files)
    copied = max((each.finished for each in backups if each.finished is not None), default=None)
    known = [each for each in (stamp, copied) if each is not None]
    return max(known, default=None)
