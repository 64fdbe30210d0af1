"""Databases of a set: which of them are restored and where to, the check of a copy, and the copying.

A copy ends with a trailer page that says which logs it needs.  It is copied to its place under another name,

    a.edb.restoring     header: the range of the set is required; no trailer; dirty

and gets its own name when it is recovered: what bears that name is never a half-made database.
Source: log reference 8.2 (steps 9, 10), 8.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.files.base import FileKind, OpenMode
from engine.files.copying import copy_bytes
from engine.format.page import page_number
from engine.format.patch import PatchHeader
from engine.header_file import read_header, write_header
from engine.log.paths import folder_of, join, name_of, without_extension
from engine.monitor import Phase
from engine.recovery.attach_rule import judge
from engine.recovery.places import last_name
from engine.types import LogTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.events import EventLog
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.monitor import Monitor
    from engine.recovery.attach_rule import Named
    from engine.restore.logs import RestoreLogs

RESTORING: Final = ".restoring"
"""Behind the name of a database that is being restored."""

_NO_TIME: Final = LogTime()


@dataclass(slots=True)
class RestoredDatabase:
    """A database of the set: where its copy is in the set, and where it goes.  `made`: the copying has begun."""

    source: str
    logged_path: str
    target: str
    made: bool = False

    @property
    def aside(self) -> str:
        """Where it is until it is recovered."""
        return self.target + RESTORING


@dataclass(slots=True)
class RestoreMap:
    """The databases of a set by their names without extension; the `Finder` of a hard recovery.

    A database is copied when the log names it as it was copied.  `destination` None: it goes where the log says it was.
    """

    fs: FileSystem
    events: EventLog
    logs: RestoreLogs
    destination: str | None
    names: frozenset[str]
    """Names of the `.pat` files, lower case, without extension."""
    create_path: bool = False
    monitor: Monitor | None = None
    copied: Callable[[], object] = field(default=lambda: None)
    """Called behind each database that was copied."""
    databases: dict[str, RestoredDatabase] = field(default_factory=dict)
    _checked: dict[str, DatabaseHeader] = field(default_factory=dict)

    @classmethod
    def of_set(
        cls,
        fs: FileSystem,
        events: EventLog,
        logs: RestoreLogs,
        destination: str | None,
        *,
        create_path: bool,
        monitor: Monitor | None = None,
        copied: Callable[[], object] = lambda: None,
    ) -> RestoreMap:
        """Read the map of a set; -538 when it has no `.pat` file."""
        found = frozenset(
            without_extension(each.name).lower()
            for each in fs.list(logs.set_folder)
            if each.name.lower().endswith(".pat") and each.kind is FileKind.FILE
        )
        if not found:
            raise EseError.from_code(Err.PatchFileMissing, "no .pat file in the set", path=logs.set_folder)
        return cls(fs, events, logs, destination, found, create_path, monitor, copied)

    def find(self, path: str, named: Named) -> str:
        """Return where the database is while it is recovered; it is copied there first.

        One that the set does not have is left out: its place is a name that nothing has.
        """
        name = last_name(path)
        key = without_extension(name).lower()
        known = self.databases.get(key)
        if known is not None:
            return known.aside
        source = self._source(name)
        if key not in self.names or source is None:
            return join(self.logs.set_folder, f"{name}{RESTORING}")
        header = self._checked.get(key)
        if header is None:
            header = self._checked[key] = check_copy(self.fs, self.events, source, self.logs)
        if judge(named, header, self.logs.first.signature, source).harmless:
            # It was attached again after that, perhaps at another place: its turn comes.
            return join(self.logs.set_folder, f"{name}{RESTORING}")
        target = path if self.destination is None else join(self.destination, name)
        database = RestoredDatabase(source, path, self._placed(target))
        self.databases[key] = database
        database.made = True
        copy_in(self.fs, database, header, self.monitor)
        self.copied()
        return database.aside

    def _source(self, name: str) -> str | None:
        for each in self.fs.list(self.logs.set_folder):
            if each.name.lower() == name.lower() and each.kind is FileKind.FILE:
                return join(self.logs.set_folder, each.name)
        return None

    def _placed(self, target: str) -> str:
        """Return the absolute target; -1023 when its folder is not there and is not to be made."""
        place = self.fs.absolute(target)
        folder = folder_of(target)
        if self.destination is None and (not folder or self.fs.absolute(target) != target):
            raise EseError.from_code(
                Err.InvalidPath, "a path of another system", path=target, hint="say where the databases are to go"
            )
        if self.fs.stat(folder_of(place)) is None:
            if not self.create_path:
                raise EseError.from_code(Err.InvalidPath, "no such folder", path=folder_of(place))
            for made in self.fs.make_directory(folder_of(place), parents=True):
                self.fs.fsync_directory(folder_of(made))
        return place

    def publish(self) -> None:
        """Give every recovered database its own name."""
        for database in self.databases.values():
            self.fs.rename(database.aside, database.target)
            # The name is on the disk before anybody is told that it is restored.
            self.fs.fsync_directory(folder_of(database.target))

    def discard(self) -> None:
        """Remove what was copied and could not be recovered."""
        for database in self.databases.values():
            if database.made and self.fs.stat(database.aside) is not None:
                self.fs.unlink(database.aside)


def check_copy(fs: FileSystem, events: EventLog, path: str, logs: RestoreLogs) -> DatabaseHeader:
    """Check that a copy belongs to the logs; return the header that it is recovered with.

    -1206 unreadable, -615 no copy of a backup, -535 -552 (event 430) its trailer.  Logs that do not reach (events
    431, 432) are refused when the range is checked.
    """
    header = read_header(fs, path).header
    info = header.bkinfo_full_cur
    stream = logs.first.signature
    if not info.gen_low:
        raise EseError.from_code(Err.RestoreOfNonBackupDatabase, path=path)
    low, high, required = info.gen_low, info.gen_high, 0
    if header.is_backup_copy:
        trailer = _trailer(fs, path, header)
        if not trailer.belongs_to(header) or header.sign_log != stream:
            events.report(430, path)
            raise EseError.from_code(
                Err.DatabasePatchFileMismatch, "its trailer is of another backup", path=path, event_id=430
            )
        low, high = trailer.bkinfo.gen_low or low, trailer.bkinfo.gen_high
        required = max(high, trailer.gen_max_required)
    folder = logs.stream.folder
    if low < logs.lowest:
        names = (logs.names.archive(logs.lowest), logs.names.archive(low))
        events.report(431, *(join(folder, each) for each in names))
    if high > logs.highest:
        names = (logs.names.archive(logs.highest), logs.names.archive(high))
        events.report(432, *(join(folder, each) for each in names))
    return _patched(header, logs, required)


def _trailer(fs: FileSystem, path: str, header: DatabaseHeader) -> PatchHeader:
    with fs.open(path) as file:
        at = file.size() - header.page_size
        if at < 2 * header.page_size or file.size() % header.page_size:
            raise EseError.from_code(Err.BadPatchPage, "the copy is cut off", path=path)
        page = file.read_at(at, header.page_size)
    number = page_number(at, header.page_size)
    try:
        return PatchHeader.parse(page, path=path, pgno=number)
    except EseError as error:
        raise EseError.from_code(Err.BadPatchPage, error.message, path=path, page=number) from error


def _patched(header: DatabaseHeader, logs: RestoreLogs, required: int) -> DatabaseHeader:
    """Return the header with the range of the set: until all of it is replayed the copy is not consistent."""
    top = max(logs.highest, required)
    first = header.gen_min_required or header.bkinfo_full_cur.gen_low
    changed = header.replace(
        bkinfo_full_cur=replace(header.bkinfo_full_cur, gen_high=logs.highest),
        gen_min_required=min(first, header.bkinfo_full_cur.gen_low),
    )
    if header.gen_max_committed < top:
        changed = changed.replace(gen_max_committed=top, logtime_gen_max_create=_NO_TIME)
    if header.gen_max_required < top:
        changed = changed.replace(gen_max_required=top, logtime_gen_max_required=_NO_TIME)
    return changed


def copy_in(fs: FileSystem, database: RestoredDatabase, header: DatabaseHeader, monitor: Monitor | None = None) -> None:
    """Copy a database aside, without its trailer and with `header`; what a dead restore left there is replaced.

    -800 when the monitor asks to stop.
    """
    with fs.open(database.source) as reader, fs.open(database.aside, OpenMode.CREATE) as writer:
        size = reader.size()
        if read_header(fs, database.source).header.is_backup_copy:
            size -= header.page_size
        # The header comes last: without it nobody takes the file for a database.
        start = 2 * header.page_size
        if monitor is not None:
            monitor.phase, monitor.detail = Phase.DATABASES, name_of(database.target)
            monitor.bytes_total += max(0, size - start)
        for length in copy_bytes(reader, writer, start, size):
            if monitor is not None:
                monitor.bytes_done += length
                if monitor.cancel_requested:
                    raise EseError.from_code(Err.BackupAbortByCaller, path=database.source)
        writer.fsync()
        write_header(writer, header)
    fs.fsync_directory(folder_of(database.aside))
