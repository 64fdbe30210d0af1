"""A restore drill: a backup set is restored to a scratch folder, looked at from all sides, and thrown away again.

    1  every checksum of the set
    2  restore, recovery included, into SCRATCH/esetui-drill-...
    3  every checksum and the integrity of each restored database
    4  rows of every table, beside those of the source where there is one
    5  the scratch folder is removed, whatever happened

What is wrong with the databases is a finding; that the set cannot be restored is an error, as of a restore.
Source: jet-api reference 2.1, R53-R59.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.backup.sets import read_backup_set
from engine.check import check
from engine.discover import discover
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.header_file import read_header
from engine.instance.restore_set import restore_set
from engine.log.paths import join
from engine.monitor import Monitor, Phase
from engine.recovery.memory import open_recovered
from engine.table import open_database
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.backup.sets import BackupSet
    from engine.check import CheckFinding
    from engine.events import Event
    from engine.files.base import FileSystem
    from engine.findings import Finding
    from engine.restore.result import RestoreResult
    from engine.table import Database
    from engine.types import StrPath

SCRATCH: Final = "esetui-drill-"
"""What the names of scratch folders begin with."""

_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of one table in the restored database and, when it was `compared`, in the source; None: no such table."""

    name: str
    rows: int | None
    source_rows: int | None = None
    compared: bool = False

    @property
    def differs(self) -> bool:
        """Whether the source has other rows, or only one of both has the table."""
        return self.compared and self.rows != self.source_rows


@dataclass(frozen=True, slots=True)
class DrilledDatabase:
    """One restored database: what the checks found in it, and its tables.

    `source` is the database it was compared with, None when it was not; `problem` says why it could not be.
    """

    path: str
    logged_path: str
    size: int
    bad_units: int
    errors: int
    warnings: int
    tables: tuple[TableCount, ...]
    source: str | None = None
    problem: str = ""

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(each.rows or 0 for each in self.tables)

    @property
    def differing(self) -> tuple[TableCount, ...]:
        """The tables whose rows are not those of the source."""
        return tuple(each for each in self.tables if each.differs)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.bad_units and not self.errors


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What a drill gave.  `scratch` is where the databases are when they were kept; `seconds` what each step took."""

    set_folder: str
    set_units: int
    set_bad: int
    restored: RestoreResult
    databases: tuple[DrilledDatabase, ...]
    scratch: str | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether set and databases are whole."""
        return not self.set_bad and all(each.ok for each in self.databases)

    @property
    def same(self) -> bool:
        """Whether every database was compared that could be, and has the rows of its source."""
        return not any(each.differing or each.problem for each in self.databases)

    @property
    def warnings(self) -> int:
        """Findings of the checks that are no damage."""
        return sum(each.warnings for each in self.databases)


def drill(
    source: StrPath,
    *,
    against: StrPath | None = None,
    scratch: StrPath | None = None,
    keep: bool = False,
    monitor: Monitor | None = None,
    on_finding: Callable[[str, Finding | CheckFinding], object] | None = None,
    on_event: Callable[[Event], object] | None = None,
    env: Environment | None = None,
) -> DrillResult:
    """Restore the set in `source` into a new folder below `scratch`, check it, and remove it again unless `keep`.

    `against` is a database, or the folder of an instance, whose rows are counted too; one that was not shut down is
    read as it would be after recovery.  `on_finding` gets the path of a file and what was found in it.  The scratch
    folder, by default in the system's temporary folder, is removed after an error too.  -1811 no set, no source or no
    scratch folder, -1808 not enough room, -800 when the monitor asks to stop; otherwise the errors of a restore.
    """
    return _Drill(env or Environment(), monitor or Monitor(), on_finding).run(
        os.fspath(source),
        None if against is None else os.fspath(against),
        os.fspath(scratch) if scratch is not None else tempfile.gettempdir(),
        keep=keep,
        on_event=on_event,
    )


class _Drill:
    def __init__(
        self, env: Environment, monitor: Monitor, on_finding: Callable[[str, Finding | CheckFinding], object] | None
    ) -> None:
        self._env = env
        self._fs = env.fs
        self._monitor = monitor
        self._tell = on_finding or (lambda _path, _finding: None)
        self._seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def run(
        self,
        source: str,
        against: str | None,
        scratch: str,
        *,
        keep: bool,
        on_event: Callable[[Event], object] | None,
    ) -> DrillResult:
        found = read_backup_set(source, fs=self._fs)
        sources = {} if against is None else _sources(self._fs, self._fs.absolute(against))
        units, bad = self._verify(found.path)
        self._lap("verify")
        folder = self._make_folder(found, self._fs.absolute(scratch))
        try:
            restored = restore_set(found.path, to=folder, monitor=self._monitor, on_event=on_event, env=self._env)
            self._lap("restore")
            databases = tuple(self._look(logged, path, sources) for logged, path in sorted(restored.databases.items()))
        except BaseException:
            # What stopped the drill is to be known, not that its remains could not be removed.
            with suppress(EseError):
                remove_scratch(self._fs, folder)
            raise
        if not keep:
            remove_scratch(self._fs, folder)
        self._monitor.finish(Phase.DONE)
        return DrillResult(found.path, units, bad, restored, databases, folder if keep else None, self._seconds)

    def _lap(self, step: str) -> None:
        now = time.monotonic()
        self._seconds[step] = self._seconds.get(step, 0.0) + now - self._began
        self._began = now
        # The next step has figures of its own.
        monitor = self._monitor
        monitor.finished, monitor.bytes_done, monitor.bytes_total = None, 0, 0

    def _go_on(self) -> None:
        if self._monitor.cancel_requested:
            raise EseError.from_code(Err.BackupAbortByCaller, "cancelled")

    def _make_folder(self, found: BackupSet, scratch: str) -> str:
        """Make the scratch folder; -1811 when there is nothing to put it in, -1808 when the set has no room there."""
        fs = self._fs
        if fs.stat(scratch) is None:
            raise EseError.from_code(Err.FileNotFound, "no such folder", path=scratch)
        largest = max((each.size for each in found.logs), default=0)
        needed = sum(each.size for each in found.databases) + 2 * largest
        room = fs.free_space(scratch)
        if room < needed:
            raise EseError.from_code(
                Err.DiskFull,
                f"{needed:,} bytes are needed, {room:,} are free",
                path=scratch,
                hint="say with --scratch where there is room",
            )
        for _ in range(_TRIES):
            folder = join(scratch, SCRATCH + self._env.random_bytes(6).hex())
            # A folder that was there already belongs to somebody else.
            if fs.make_directory(folder):
                return folder
        raise EseError.from_code(Err.FileAlreadyExists, "no free name for a folder", path=scratch)

    def _verify(self, path: str) -> tuple[int, int]:
        """Look at every checksum; return (units, bad ones)."""
        report = verify(
            path, monitor=self._monitor, fs=self._fs, on_finding=lambda finding: self._tell(finding.path, finding)
        )
        return report.checked, report.bad_count

    def _look(self, logged_path: str, path: str, sources: dict[bytes, _Source]) -> DrilledDatabase:
        """Check one restored database and count its rows."""
        _, bad = self._verify(path)
        self._lap("verify")
        errors = warnings = 0
        for finding in check(path, fs=self._fs, monitor=self._monitor):
            errors += finding.is_error
            warnings += finding.severity.name == "WARNING"
            self._tell(path, finding)
        self._lap("check")
        with open_database(path, fs=self._fs) as database:
            counts = self._count(database)
        header = read_header(self._fs, path).header
        place = sources.get(header.sign_db.pack())
        theirs: dict[str, int] = {}
        problem = "the source has no such database" if sources and place is None else ""
        if place is not None:
            try:
                with _opened(self._env, place) as database:
                    theirs = self._count(database)
            except EseError as error:
                if self._monitor.cancel_requested:
                    raise
                problem, place = f"the source cannot be read: {error}", None
        self._lap("count")
        stat = self._fs.stat(path)
        return DrilledDatabase(
            path=path,
            logged_path=logged_path,
            size=0 if stat is None else stat.size,
            bad_units=bad,
            errors=errors,
            warnings=warnings,
            tables=tuple(_paired(counts, None if place is None else theirs)),
            source=None if place is None else place.path,
            problem=problem,
        )

    def _count(self, database: Database) -> dict[str, int]:
        found = {}
        for name in database.tables(system=False):
            self._go_on()
            self._monitor.detail = name
            found[name] = database[name].count()
        return found


@dataclass(frozen=True, slots=True)
class _Source:
    """A database to compare with, and the folder of its logs (None: beside it)."""

    path: str
    logs: str | None
    clean: bool


def _sources(fs: FileSystem, path: str) -> dict[bytes, _Source]:
    """Return the databases at a path, a file or the folder of an instance, by their signatures."""
    stat = fs.stat(path)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=path)
    if stat.kind is FileKind.FILE:
        header = read_header(fs, path).header
        return {header.sign_db.pack(): _Source(path, None, header.clean)}
    found = {}
    for instance in discover(path, fs=fs, max_depth=0):
        for each in instance.databases:
            if each.header is not None:
                logs = instance.log_folder if instance.has_log else None
                found[each.header.sign_db.pack()] = _Source(each.path, logs, each.header.clean)
    if not found:
        raise EseError.from_code(Err.FileNotFound, "no database there", path=path)
    return found


@contextmanager
def _opened(env: Environment, source: _Source) -> Iterator[Database]:
    """Open a source for reading: as it is, or recovered in memory."""
    with ExitStack() as stack:
        pages = None
        if not source.clean:
            recovered = stack.enter_context(open_recovered(source.path, logs=source.logs, env=env))
            pages = recovered.database(source.path).pages
        yield stack.enter_context(open_database(source.path, fs=env.fs, pages=pages))


def _paired(ours: dict[str, int], theirs: dict[str, int] | None) -> Iterator[TableCount]:
    if theirs is None:
        yield from (TableCount(name, rows) for name, rows in ours.items())
        return
    for name in (*ours, *(each for each in theirs if each not in ours)):
        yield TableCount(name, ours.get(name), theirs.get(name), compared=True)


def remove_scratch(fs: FileSystem, folder: str) -> None:
    """Remove a scratch folder and its files.  A restore makes no folders: one in it is not ours, and stays.

    -1023 or what the system says when it cannot be emptied.
    """
    for entry in fs.list(folder):
        if entry.kind is not FileKind.DIRECTORY:
            fs.unlink(join(folder, entry.name))
    fs.remove_directory(folder)
