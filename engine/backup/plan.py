"""What a backup would do, worked out without touching anything: for dialogs and for `--dry-run`.

A plan is made from a `PlanSource`, which a running instance gives (`source_of_host`), and as well an instance that
was found on disk and not started.  The figures are those of this moment: a running instance goes on.
Source: jet-api reference 1.3-1.6, 1.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.backup.directory import MANIFEST, MANIFEST_LIMIT, NEW, OLD, PARTIAL, RESERVED_NAMES, TEMP
from engine.backup.manifest import decode
from engine.backup.paths import folder_of, join, name_of, stem_of
from engine.errors import Err, EseError, error_name
from engine.files.base import FileKind
from engine.log.truncate import archives
from engine.space import owned_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.backup.host import BackupHost
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames

_HEADER_PAGES = 2
_EXTRA_PAGES = _HEADER_PAGES + 1
"""Header pages and the trailer."""


@dataclass(frozen=True, slots=True)
class PlanDatabase:
    """A database that would be copied: `last_page` as far as known, else by the size of its file."""

    path: str
    page_size: int
    last_page: int
    header: DatabaseHeader | None


@dataclass(frozen=True, slots=True)
class PlanSource:
    """What a plan is made from.  `generations` are the closed logs on disk; `current_generation` is being written."""

    fs: FileSystem
    log_folder: str
    names: LogNames
    databases: tuple[PlanDatabase, ...]
    generations: tuple[int, ...]
    current_generation: int
    checkpoint_generation: int
    log_file_size: int
    circular: bool = False
    recovery: bool = True
    create_path: bool = False


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A file that would be written: where it comes from ("" for one that is made), its name in the set, bytes."""

    source: str
    name: str
    kind: str
    """"database", "log", "patch" or "manifest"."""
    size: int
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the backup would fail, with the code it would fail with."""

    code: int
    detail: str

    @property
    def name(self) -> str:
        """Name of the error, such as JET_errMissingFullBackup."""
        return error_name(self.code)


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """A plan: `refusals` first, in the order of the checks; without any, the rest is what would happen.

    `folder` is where the set would lie in the end.  `copies` and `deletes` are generations; `steps` says in words
    what happens to the destination.
    """

    kind: str
    """"full", "incremental" or "truncate"."""
    atomic: bool
    target: str | None
    folder: str | None
    files: tuple[PlanFile, ...]
    copies: range
    deletes: range
    steps: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    free_bytes: int | None

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals

    @property
    def bytes_total(self) -> int:
        """Bytes that would be written."""
        return sum(each.size for each in self.files)


def source_of_host(host: BackupHost) -> PlanSource:
    """Return what a running instance looks like to a plan."""
    fs = host.env.fs
    return PlanSource(
        fs=fs,
        log_folder=host.log_folder,
        names=host.names,
        databases=tuple(
            PlanDatabase(each.path, each.page_size, each.last_owned_page, each.header)
            for each in host.attached()
            if each.logged and not each.read_only
        ),
        generations=tuple(archives(fs, host.log_folder, host.names)),
        current_generation=host.writer.generation,
        checkpoint_generation=host.checkpoint_generation_on_disk(),
        log_file_size=host.writer.header.file_size,
        circular=bool(host.params.circular_log),
        recovery=host.params.logging_enabled,
        create_path=bool(host.params.create_path_if_not_exist),
    )


class FoundOnDisk(Protocol):
    """An instance that was found and not started, as a plan needs it (`engine.discover.FoundInstance`)."""

    @property
    def log_folder(self) -> str:
        """Folder of the log files."""

    @property
    def names(self) -> LogNames | None:
        """How they are named; None without a log stream."""

    @property
    def generations(self) -> tuple[int, ...]:
        """Generations present, the current one included."""

    @property
    def current_header(self) -> LogHeader | None:
        """Header of the current log."""

    @property
    def checkpoint_generation(self) -> int | None:
        """Generation of the checkpoint."""

    @property
    def databases(self) -> Sequence[FoundFile]:
        """The databases."""

    @property
    def log_file_size(self) -> int:
        """Bytes of one log."""

    @property
    def circular(self) -> bool:
        """Whether circular logging is on."""


class FoundFile(Protocol):
    """A database that was found."""

    @property
    def path(self) -> str:
        """Where it is."""

    @property
    def header(self) -> DatabaseHeader | None:
        """Its header, when one copy is right."""

    @property
    def size(self) -> int:
        """Bytes of the file."""


def source_of_found(found: FoundOnDisk, fs: FileSystem, *, create_path: bool = False) -> PlanSource:
    """Return what an instance on disk looks like to a plan; -528 without a log stream.

    Starting it adds to its current log, and may begin a new one; the plan shows the generations of now.
    """
    if found.names is None or found.current_header is None:
        raise EseError.from_code(Err.MissingLogFile, "no log stream", path=found.log_folder)
    current = found.current_header.generation
    databases = []
    for each in found.databases:
        if each.header is not None:
            size = each.header.page_size
            databases.append(PlanDatabase(each.path, size, _last_page(fs, each), each.header))
    return PlanSource(
        fs=fs,
        log_folder=found.log_folder,
        names=found.names,
        databases=tuple(databases),
        generations=tuple(each for each in found.generations if each != current),
        current_generation=current,
        checkpoint_generation=found.checkpoint_generation or min(found.generations, default=current),
        log_file_size=found.log_file_size,
        circular=found.circular,
        create_path=create_path,
    )


def _last_page(fs: FileSystem, found: FoundFile) -> int:
    """Return the last owned page, or what the file has room for when that cannot be told."""
    page_size = found.header.page_size if found.header is not None else 4096
    try:
        with fs.open(found.path) as file:
            return owned_pages(file, page_size).last
    except EseError:
        return max(0, found.size // page_size - _HEADER_PAGES)


def plan_backup(
    source: PlanSource, target: str | None, *, incremental: bool = False, atomic: bool = False
) -> BackupPlan:
    """Work out a backup of `source` into `target` (None: only truncate).  Raises nothing for what would be refused."""
    return _Planner(source, incremental=incremental, atomic=atomic).plan(target)


class _Planner:
    def __init__(self, source: PlanSource, *, incremental: bool, atomic: bool) -> None:
        self.source = source
        self.fs = source.fs
        self.incremental = incremental
        self.atomic = atomic
        self.refusals: list[Refusal] = []
        self.steps: list[str] = []
        self.notes: list[str] = []

    def refuse(self, code: int, detail: str) -> None:
        self.refusals.append(Refusal(code, detail))

    def plan(self, target: str | None) -> BackupPlan:
        source = self.source
        path = None
        if target is not None:
            try:
                path = self.fs.absolute(target)
            except EseError as error:
                self.refuse(error.code, error.message)
        if not source.recovery:
            self.refuse(Err.LoggingDisabled, "logging is off (JET_paramRecovery)")
        if self.incremental and source.circular:
            self.refuse(Err.InvalidBackup, "circular logging is on: only full backups are possible")
        if self.incremental:
            self._check_full_backups()
        copies = self._copies() if target is not None else range(0)
        folder = self._arrange(path) if path is not None else None
        files = self._files(copies, folder) if target is not None else ()
        free = self._check_space(path, files)
        kind = "truncate" if target is None else "incremental" if self.incremental else "full"
        return BackupPlan(
            kind=kind,
            atomic=self.atomic,
            target=path,
            folder=folder,
            files=files,
            copies=copies,
            deletes=self._deletes(truncate_only=target is None),
            steps=tuple(self.steps),
            refusals=tuple(self.refusals),
            notes=tuple(self.notes),
            free_bytes=free,
        )

    def _check_full_backups(self) -> None:
        for database in self.source.databases:
            header = database.header
            if header is None:
                continue
            if not header.bkinfo_full_prev.gen_low or header.bkinfo_type_full_prev:
                self.refuse(Err.MissingFullBackup, f"{name_of(database.path)} has no full backup to build on")
                return
            last = max(header.bkinfo_full_prev.gen_high, header.bkinfo_inc_prev.gen_high)
            lowest = min(self.source.generations, default=self.source.current_generation)
            if lowest > last + 1:
                self.refuse(Err.MissingFileToBackup, f"{self.source.names.archive(last + 1)} is missing")
                return

    def _copies(self) -> range:
        source = self.source
        lowest = min(source.generations, default=source.current_generation)
        low = lowest if self.incremental else source.checkpoint_generation
        copies = range(low, source.current_generation + 1)
        # The log being written is closed by the backup itself.
        present = {*source.generations, source.current_generation}
        gone = next((each for each in copies if each not in present), None)
        if gone is not None:
            self.refuse(Err.MissingFileToBackup, f"{source.names.archive(gone)} is missing")
        return copies

    def _deletes(self, *, truncate_only: bool) -> range:
        source = self.source
        if not source.generations or (truncate_only and source.circular):
            return range(0)
        lowest = min(source.generations)
        return range(lowest, max(lowest, min(source.checkpoint_generation, source.current_generation + 1)))

    # -- the destination --

    def _arrange(self, path: str) -> str:
        found = self.fs.stat(path)
        if found is None:
            if self.source.create_path:
                self.steps.append(f"create {path}")
            else:
                code = Err.MakeBackupDirectoryFail if self.atomic and not self.incremental else Err.InvalidPath
                self.refuse(code, f"{path} does not exist, and may not be created (JET_paramCreatePathIfNotExist)")
        elif found.kind is not FileKind.DIRECTORY:
            self.refuse(Err.InvalidPath, f"{path} is not a folder")
            return path
        names = [] if found is None else [each.name for each in self.fs.list(path)]
        if self.atomic:
            return self._arrange_atomic(path, names)
        if self.incremental:
            self._arrange_incremental(path, names)
        else:
            self._arrange_full(names)
        return path

    def _arrange_full(self, names: Sequence[str]) -> None:
        others = [name for name in names if name != TEMP]
        if others:
            more = f" and {len(others) - 1} more" if others[1:] else ""
            self.refuse(Err.BackupDirectoryNotEmpty, f"holds {others[0]!r}{more}")
        elif names:
            self.steps.append("delete 'temp', left by an atomic backup that was not finished")

    def _arrange_incremental(self, path: str, names: Sequence[str]) -> None:
        for name in (NEW, OLD):
            if name in names:
                self.refuse(Err.BackupDirectoryNotEmpty, f"holds {name!r}, so an atomic backup")
                return
        self._check_addition(path, names)

    def _check_addition(self, folder: str, names: Sequence[str]) -> None:
        """Refuse to add to a set that was never finished, or whose manifest is damaged."""
        if MANIFEST not in names:
            if PARTIAL in names:
                self.refuse(Err.BackupDirectoryNotEmpty, "holds a full backup that was never finished")
            return
        path = join(folder, MANIFEST)
        try:
            with self.fs.open(path) as file:
                decode(file.read_at(0, MANIFEST_LIMIT), path=path)
        except EseError as error:
            self.refuse(error.code, error.message)

    def _arrange_atomic(self, path: str, names: Sequence[str]) -> str:
        if TEMP in names:
            self.steps.append("delete 'temp', left by an atomic backup that was not finished")
        if NEW in names:
            if OLD in names:
                self.steps.append("delete the older set in 'old'")
            self.steps.append("rename 'new' to 'old'")
        if self.incremental:
            if NEW not in names and OLD not in names:
                self.refuse(Err.InvalidPath, "holds neither 'new' nor 'old', so nothing to add to")
            else:
                newest = join(path, NEW if NEW in names else OLD)
                self._check_addition(newest, [each.name for each in self.fs.list(newest)])
            self.steps.append("add the logs to the set in 'old'")
            return join(path, OLD)
        self.steps.append("copy into 'temp', then rename it to 'new'")
        if NEW in names or OLD in names:
            self.steps.append("delete the former set in 'old'")
        return join(path, NEW)

    def _files(self, copies: range, folder: str | None) -> tuple[PlanFile, ...]:
        source = self.source
        files: list[PlanFile] = []
        taken = {name.lower() for name in RESERVED_NAMES}
        for database in () if self.incremental else source.databases:
            name = name_of(database.path)
            if name.lower() in taken or source.names.parse(name) is not None:
                self.refuse(Err.FileAlreadyExists, f"two files of the set would be called {name!r}")
            taken.add(name.lower())
            size = (database.last_page + _EXTRA_PAGES) * database.page_size
            files.append(PlanFile(database.path, name, "database", size))
        existing = self._existing(folder)
        for generation in copies:
            name = source.names.archive(generation)
            path = join(source.log_folder, name)
            files.append(PlanFile(path, name, "log", source.log_file_size, name in existing))
        patches = [] if self.incremental else [f"{stem_of(name_of(each.path))}.pat" for each in source.databases]
        files += [PlanFile("", name, "patch", 0) for name in dict.fromkeys(patches)]
        files.append(PlanFile("", MANIFEST, "manifest", 0, MANIFEST in existing))
        return tuple(files)

    def _existing(self, folder: str | None) -> frozenset[str]:
        """Return the names that lie where an incremental backup adds its logs."""
        if folder is None or not self.incremental:
            return frozenset()
        for where in (folder, join(folder_of(folder), NEW)) if self.atomic else (folder,):
            found = self.fs.stat(where)
            if found is not None and found.kind is FileKind.DIRECTORY:
                return frozenset(each.name for each in self.fs.list(where))
        return frozenset()

    def _check_space(self, path: str | None, files: tuple[PlanFile, ...]) -> int | None:
        if path is None:
            return None
        needed = sum(each.size for each in files)
        try:
            free = self.fs.free_space(path)
        except EseError as error:
            self.notes.append(f"free space is not known: {error.message}")
            return None
        if free < needed:
            self.notes.append(f"{needed} bytes are needed, {free} are free there")
        return free
