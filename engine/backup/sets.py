"""Backup sets on disk: what a folder holds, and whether it can be restored from.

A set is a folder with copies of databases, the logs that make them consistent, an empty `.pat` for each database
and, when it was made here, `backup.json`.  Sets of the real engine have no manifest; for them the databases
themselves tell: a copy has `bkinfoFullCur` set in its header and a trailer page that names its generations.

    complete     every file is there, and the logs reach from the first generation needed to the last, unbroken
    half-made    a backup that was never finished, or a set whose copy ended early
    broken       it was complete, and now a file or a log is missing, cut off or unreadable
    logs only    logs and no database: what incremental backups put into a folder of their own

A folder with a current log or a checkpoint is an instance, not a set.  Only headers are read here, so a verdict is
cheap and says nothing about every page: `verify` does.  `verified` tells when the contents were last known good.
Source: jet-api reference R16-R26, 6.5; log reference 7.5-7.7, 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from engine.backup.directory import MANIFEST, NEW, OLD, PARTIAL
from engine.backup.paths import join
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.names import NameKind, detect_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.backup.manifest import BackupEntry, Manifest
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames
    from engine.format.patch import PatchHeader
    from engine.types import Signature


class Verdict(Enum):
    """Whether a set can be restored from, judged by names, sizes and headers."""

    COMPLETE = "complete"
    HALF_MADE = "half-made"
    BROKEN = "broken"
    LOGS_ONLY = "logs only"


class Place(Enum):
    """Where in an atomic layout a set lies."""

    PLAIN = "plain"
    NEW = "new"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class SetDatabase:
    """A database of a set.  `header` and `trailer` are None when they cannot be read; `problem` says why."""

    name: str
    path: str
    size: int
    header: DatabaseHeader | None
    trailer: PatchHeader | None
    source: str = ""
    """Where the database was when it was copied, as far as known."""
    problem: str = ""

    @property
    def first_needed(self) -> int:
        """First generation without which it cannot be made consistent; 0 when not known."""
        return 0 if self.header is None else self.header.bkinfo_full_cur.gen_low

    @property
    def last_needed(self) -> int:
        """Last generation without which it cannot be made consistent; 0 when not known."""
        if self.trailer is None:
            return 0
        return max(self.trailer.bkinfo.gen_high, self.trailer.gen_max_required)


@dataclass(frozen=True, slots=True)
class SetLog:
    """A log of a set.  `header` is None when it cannot be read; `problem` says why."""

    generation: int
    name: str
    path: str
    size: int
    header: LogHeader | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SetBackup:
    """One backup of a set: the full one, or an incremental one that added its logs."""

    kind: str
    """"full" or "incremental"."""
    started: datetime | None
    finished: datetime | None
    first_generation: int
    last_generation: int
    bytes_total: int = 0
    id: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class BackupSet:
    """A set as it lies on disk.  `backups` is the chain, oldest first; generations count inclusive."""

    path: str
    place: Place
    verdict: Verdict
    reason: str
    manifest: Manifest | None
    databases: tuple[SetDatabase, ...]
    logs: tuple[SetLog, ...]
    patches: tuple[str, ...]
    backups: tuple[SetBackup, ...]
    problems: tuple[str, ...] = ()
    broken_at: int | None = None
    """First generation that is missing, damaged or does not follow its predecessor."""
    verified: datetime | None = None
    """When the contents were last known to be good; None: never, as far as known."""
    bytes_total: int = 0
    names: LogNames | None = field(default=None, repr=False)

    @property
    def first_generation(self) -> int:
        """Lowest generation in the set, 0 without logs."""
        return self.logs[0].generation if self.logs else 0

    @property
    def last_generation(self) -> int:
        """Highest generation in the set, 0 without logs."""
        return self.logs[-1].generation if self.logs else 0

    @property
    def restorable(self) -> bool:
        """Whether a restore from it can succeed, as far as names and headers tell."""
        return self.verdict is Verdict.COMPLETE

    @property
    def created(self) -> datetime | None:
        """When its full backup began (or its first backup, where there is none)."""
        return self.backups[0].started if self.backups else None

    @property
    def latest(self) -> datetime | None:
        """When its newest backup began."""
        return self.backups[-1].started if self.backups else None

    @property
    def log_signature(self) -> Signature | None:
        """Signature of the log stream."""
        return next((each.header.signature for each in self.logs if each.header is not None), None)

    @property
    def has_manifest(self) -> bool:
        """Whether it was made here."""
        return self.manifest is not None


def read_backup_set(path: str, *, fs: FileSystem) -> BackupSet:
    """Read the set in `path`: the folder itself, else its `new`, else its `old` (R21).

    -1811 when there is no set there, -1023 when `path` is not a folder.
    """
    from engine.backup.set_reader import read_set  # noqa: PLC0415 - headers and manifest are needed only now

    top = fs.absolute(path)
    found = fs.stat(top)
    if found is None:
        raise EseError.from_code(Err.FileNotFound, "no such folder", path=top)
    if found.kind is not FileKind.DIRECTORY:
        raise EseError.from_code(Err.InvalidPath, "not a folder", path=top)
    for place, folder in ((Place.PLAIN, top), (Place.NEW, join(top, NEW)), (Place.OLD, join(top, OLD))):
        if _looks_like_set(fs, folder):
            return read_set(fs, folder, _place_of(folder) if place is Place.PLAIN else place)
    raise EseError.from_code(Err.FileNotFound, "no backup set there, nor in 'new' or 'old'", path=top)


def list_backups(path: str, *, fs: FileSystem, max_sets: int = 1000) -> list[BackupSet]:
    """Return the sets in a folder, in its `new` and `old`, and in the folders directly below it; newest first.

    A folder that cannot be read is passed over; one whose set is damaged is in the list with its verdict.
    """
    from engine.backup.set_reader import read_set  # noqa: PLC0415 - headers and manifest are needed only now

    top = fs.absolute(path)
    if fs.stat(top) is None:
        return []
    folders = [top]
    for folder, entries in fs.walk(top, max_depth=1):
        folders += [join(folder, each.name) for each in entries if each.kind is FileKind.DIRECTORY]
    found: list[BackupSet] = []
    for folder in dict.fromkeys(folders):
        if len(found) >= max_sets:
            break
        try:
            if _looks_like_set(fs, folder):
                found.append(read_set(fs, folder, _place_of(folder)))
        except EseError:
            continue
    found.sort(key=lambda each: (_age(each), each.path), reverse=True)
    return found


def _age(backup_set: BackupSet) -> float:
    latest = backup_set.latest
    return latest.timestamp() if latest is not None else 0.0


def _place_of(folder: str) -> Place:
    name = folder.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return {NEW: Place.NEW, OLD: Place.OLD}.get(name, Place.PLAIN)


def _looks_like_set(fs: FileSystem, folder: str) -> bool:
    """Whether names suggest a set: a manifest, a half-made one, `.pat` files, or closed logs without an instance."""
    try:
        names = [each.name for each in fs.list(folder) if each.kind is FileKind.FILE]
    except EseError:
        return False
    if MANIFEST in names or PARTIAL in names:
        return True
    archives, instance = _stream_names(names)
    if instance:
        return False
    return archives or any(name.lower().endswith(".pat") for name in names)


def _stream_names(names: Sequence[str]) -> tuple[bool, bool]:
    """Return (has closed logs, has a current log or a checkpoint)."""
    archives = instance = False
    for stream in detect_names(names):
        for name in names:
            parsed = stream.parse(name)
            if parsed is None:
                continue
            archives = archives or parsed.kind is NameKind.ARCHIVE
            instance = instance or parsed.kind in {NameKind.CURRENT, NameKind.CHECKPOINT}
    return archives, instance


def backup_of(entry: BackupEntry) -> SetBackup:
    """Return a manifest's entry as a value of the chain."""
    return SetBackup(
        entry.kind,
        entry.started,
        entry.finished,
        entry.first_generation,
        entry.last_generation,
        sum(each.size for each in entry.files),
        entry.id,
        entry.parent,
    )
