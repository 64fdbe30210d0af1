"""The entry of a verification: find out what is there, look at each file, put the reports together.

Source: jet-api reference 6.5.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from engine.backup.sets import list_backups, read_backup_set
from engine.errors import Err, EseError
from engine.files.base import FileKind, OpenMode
from engine.files.real import RealFileSystem
from engine.format.names import NameKind
from engine.info import EseFileType, identify
from engine.log.paths import name_of
from engine.verify.database import verify_database
from engine.verify.folder import FolderCheck, Member, gather
from engine.verify.others import verify_checkpoint, verify_flush_map, verify_log
from engine.verify.report import FileReport, Sheet, VerifyReport
from engine.verify.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import File, FileSystem
    from engine.findings import Finding
    from engine.monitor import Monitor
    from engine.types import ProgressCallback, StrPath

VerifyKind: TypeAlias = Literal["auto", "database", "log", "checkpoint", "flush map", "backup-set", "instance"]

_FILE_KINDS: Final = {
    "database": EseFileType.DATABASE,
    "log": EseFileType.LOG,
    "checkpoint": EseFileType.CHECKPOINT,
    "flush map": EseFileType.FLUSH_MAP,
}
_LIVE: Final = frozenset({NameKind.CURRENT, NameKind.CHECKPOINT})
"""What an instance has and a set has not."""


class _Request(NamedTuple):
    """What the caller asked for, beside the path."""

    fs: FileSystem
    page_size: int | None
    correct: bool
    on_finding: Callable[[Finding], object] | None


def verify(
    path: StrPath,
    *,
    kind: VerifyKind = "auto",
    page_size: int | None = None,
    progress: ProgressCallback | None = None,
    monitor: Monitor | None = None,
    correct: bool = False,
    fs: FileSystem | None = None,
    on_finding: Callable[[Finding], object] | None = None,
) -> VerifyReport:
    """Check every checksum of a file, a backup set, or all files in an instance's folder.

    Damage is reported, never raised.  Raised are: -1811 nothing there, -1023 no path, -1032 not readable, -1206 not a
    file of an ESE instance, or a database without a usable header (then `page_size` helps), -2101 or the callback's own
    negative number when `progress` stops it, -800 after `monitor.cancel()`.

    `kind` "auto" goes by the content: a folder with a manifest, patch files, closed logs alone or an atomic layout is a
    backup set, any other an instance.  `correct` puts single wrong bits of pages and segments right in the file, which
    then must be writable and in no other program's use.  `on_finding` gets each finding as it is made.
    Memory does not grow with the size of the files.
    """
    system: FileSystem = RealFileSystem() if fs is None else fs
    request = _Request(system, page_size, correct, on_finding)
    name = system.absolute(os.fspath(path))
    stat = system.stat(name)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=name)
    if stat.kind is FileKind.DIRECTORY:
        return _verify_folder(name, kind, request, progress, monitor)
    if kind in {"backup-set", "instance"}:
        raise EseError.from_code(Err.InvalidPath, "not a folder", path=name)
    file_type = _FILE_KINDS.get(kind) or identify(name, fs=system).type
    if file_type is EseFileType.EMPTY and page_size is not None:
        file_type = EseFileType.DATABASE
    if file_type is EseFileType.UNKNOWN:
        raise EseError.from_code(Err.DatabaseCorrupted, "not a file of an ESE instance", path=name)
    member = Member(name, file_type, stat.size)
    watch = Watch(progress, monitor, stat.size)
    reports = _run([member], FolderCheck(), request, watch)
    return VerifyReport(name, file_type.value, tuple(reports))


def _verify_folder(
    name: str, kind: VerifyKind, request: _Request, progress: ProgressCallback | None, monitor: Monitor | None
) -> VerifyReport:
    if kind in _FILE_KINDS:
        raise EseError.from_code(Err.FileAccessDenied, "a folder, not a file", path=name)
    members = gather(request.fs, name)
    if kind == "auto":
        kind = "backup-set" if _looks_like_a_set(request.fs, name, members) else "instance"
    if not members and not list_backups(name, fs=request.fs, max_sets=1):
        raise EseError.from_code(Err.DatabaseCorrupted, "no file of an ESE instance in this folder", path=name)
    watch = Watch(progress, monitor, sum(member.size for member in members))
    check = FolderCheck(name, request.fs, request.on_finding)
    return VerifyReport(name, kind, tuple(_run(members, check, request, watch)))


def _looks_like_a_set(fs: FileSystem, folder: str, members: list[Member]) -> bool:
    """Whether this is a set, an atomic layout, or a folder of sets, and not an instance that has sets below it."""
    try:
        read_backup_set(folder, fs=fs)
    except EseError:
        return not any(member.role in _LIVE for member in members) and bool(list_backups(folder, fs=fs, max_sets=1))
    return True


def _run(members: list[Member], check: FolderCheck, request: _Request, watch: Watch) -> list[FileReport]:
    """Look at the files one after the other, then at what they are to one another."""
    try:
        watch.begin()
        reports = [_look_at(member, check, request, watch) for member in members]
        reports += check.finish(reports)
    except BaseException:
        watch.fail()
        raise
    watch.finish()
    return reports


def _look_at(member: Member, check: FolderCheck, request: _Request, watch: Watch) -> FileReport:
    sheet = Sheet(member.path, member.type, member.size, request.on_finding)
    phase = "database" if member.type is EseFileType.DATABASE else "log"
    watch.begin_file(member.path, name_of(member.path), phase, member.size)
    if member.note or not member.size:
        sheet.note = member.note or "empty"
        watch.advance(member.size)
    else:
        mode = OpenMode.READ_WRITE if request.correct else OpenMode.READ
        with request.fs.open(member.path, mode) as file:
            sheet.size = file.size()
            _look_into(file, member, check, sheet, watch, request)
    report = sheet.report()
    watch.end_file(ok=report.ok)
    return report


def _look_into(file: File, member: Member, check: FolderCheck, sheet: Sheet, watch: Watch, request: _Request) -> None:
    tap = check.tap(member.path)
    add = None if tap is None else tap.add
    if member.type is EseFileType.DATABASE:
        header = verify_database(
            file,
            sheet,
            watch,
            page_size=request.page_size,
            correct=request.correct,
            tap=add,
            fs=request.fs,
        )
        check.database(member.path, file, header)
    elif member.type is EseFileType.LOG:
        result = verify_log(file, sheet, watch, correct=request.correct, tap=add)
        check.log(member.path, result)
        if member.role is not None:
            # A folder may hold thousands of logs; their headers are not kept.
            sheet.header = {}
    elif member.type is EseFileType.CHECKPOINT:
        verify_checkpoint(file, sheet, watch)
    elif member.type is EseFileType.FLUSH_MAP:
        verify_flush_map(file, sheet, watch)
    else:
        sheet.note = "nothing but zeros"
        watch.advance(member.size)
    if tap is not None:
        tap.judge(sheet)
