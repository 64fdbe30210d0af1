"""JetGetInstanceInfo and JetGetDatabaseFileInfo.  Source: jet-api reference 2.6."""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.files.real import RealFileSystem
from engine.format.dbheader import NEWEST_UPDATE, DatabaseHeader
from engine.info import EseFileType, database_info, identify
from engine.instance import instances
from engine.instance.registry import REGISTRY
from engine.jet.handles import HANDLES, narrow, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem

DB_INFO_FILESIZE = 10
DB_INFO_UPGRADE = 13
DB_INFO_MISC = 14
DB_INFO_IN_USE = 15
DB_INFO_PAGE_SIZE = 17
DB_INFO_FILE_TYPE = 19
DB_INFO_FILESIZE_ON_DISK = 21

_FILE_TYPES = {
    EseFileType.DATABASE: 1,
    EseFileType.LOG: 3,
    EseFileType.CHECKPOINT: 4,
    EseFileType.FLUSH_MAP: 7,
}
_TEMP_DATABASE = 5
_UPGRADE_SIZE = 32


class JetInstanceInfo(NamedTuple):
    """JET_INSTANCE_INFO: handle (0 for an instance made without one), name, and the attached, logged databases."""

    hInstanceId: int
    szInstanceName: str
    cDatabases: int
    szDatabaseFileName: tuple[str, ...]
    szDatabaseDisplayName: tuple[str, ...]


class DbInfoUpgrade(NamedTuple):
    """JET_DBINFOUPGRADE; nothing needs upgrading here."""

    cbStruct: int
    cbFilesizeLow: int
    cbFilesizeHigh: int
    cbFreeSpaceRequiredLow: int
    cbFreeSpaceRequiredHigh: int
    csecToUpgrade: int
    fUpgradable: bool
    fAlreadyUpgraded: bool


DbInfo: TypeAlias = int | bool | DatabaseHeader | DbInfoUpgrade


def JetGetInstanceInfo() -> tuple[int, list[JetInstanceInfo]]:
    """Return (error, the instances of this process with their attached, logged databases)."""
    try:
        numbers = {member.number: HANDLES.handle_of_number(member.number) for member in REGISTRY.members()}
        rows = [
            JetInstanceInfo(
                numbers.get(each.id, 0),
                each.name,
                len(each.databases),
                each.databases,
                ("",) * len(each.databases),
            )
            for each in instances()
        ]
    except EseError as error:
        return error.code, []
    return 0, rows


def JetGetDatabaseFileInfoW(szDatabaseName: str, InfoLevel: int) -> tuple[int, DbInfo | None]:
    """Return (error, value) about a file that need not be attached.

    Filesize 10 and FilesizeOnDisk 21 in bytes, Upgrade 13, Misc 14 the header, DBInUse 15 whether an instance of
    this library has it attached, PageSize 17, FileType 19 (0 unknown).  -1003 for another level.
    """
    try:
        return 0, _file_info(wide(szDatabaseName), InfoLevel)
    except EseError as error:
        return error.code, None


def JetGetDatabaseFileInfoA(szDatabaseName: bytes, InfoLevel: int) -> tuple[int, DbInfo | None]:
    """JetGetDatabaseFileInfoW with a path in the ANSI code page."""
    try:
        return 0, _file_info(narrow(szDatabaseName), InfoLevel)
    except EseError as error:
        return error.code, None


JetGetDatabaseFileInfo = JetGetDatabaseFileInfoW


def _file_info(name: str | None, level: int) -> DbInfo:
    reader = _LEVELS.get(level)
    if reader is None:
        raise EseError.from_code(Err.InvalidParameter, f"information level {level!r}")
    fs = RealFileSystem()
    path = fs.absolute(name or "")
    found = fs.stat(path)
    if found is None:
        raise EseError.from_code(Err.FileNotFound, path=path)
    if found.kind is not FileKind.FILE:
        raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
    return reader(fs, path)


def _size(fs: FileSystem, path: str) -> int:
    found = fs.stat(path)
    return 0 if found is None else found.size


def _size_on_disk(fs: FileSystem, path: str) -> int:
    return fs.allocated_size(path) if isinstance(fs, RealFileSystem) else _size(fs, path)


def _upgrade(fs: FileSystem, path: str) -> DbInfoUpgrade:
    header = database_info(path, fs=fs)
    header.check_version(path=path)
    size = _size(fs, path)
    done = header.update_major <= NEWEST_UPDATE
    return DbInfoUpgrade(
        _UPGRADE_SIZE, size & 0xFFFFFFFF, size >> 32, 0, 0, 0, fUpgradable=False, fAlreadyUpgraded=done
    )


def _misc(fs: FileSystem, path: str) -> DatabaseHeader:
    return database_info(path, fs=fs)


def _in_use(fs: FileSystem, path: str) -> bool:
    if any(path in member.database_paths for member in REGISTRY.members()):
        return True
    lock = path + ".lock"
    if fs.stat(lock) is None:
        return False
    try:
        with fs.lock(lock):
            return False
    except EseError as error:
        if error.code == Err.FileAccessDenied:
            return True
        raise


def _page_size(fs: FileSystem, path: str) -> int:
    return database_info(path, fs=fs).page_size


def _file_type(fs: FileSystem, path: str) -> int:
    kind = identify(path, fs=fs).type
    if kind is EseFileType.DATABASE and database_info(path, fs=fs).filetype == _TEMP_DATABASE:
        return _TEMP_DATABASE
    return _FILE_TYPES.get(kind, 0)


_LEVELS: dict[int, Callable[[FileSystem, str], DbInfo]] = {
    DB_INFO_FILESIZE: _size,
    DB_INFO_UPGRADE: _upgrade,
    DB_INFO_MISC: _misc,
    DB_INFO_IN_USE: _in_use,
    DB_INFO_PAGE_SIZE: _page_size,
    DB_INFO_FILE_TYPE: _file_type,
    DB_INFO_FILESIZE_ON_DISK: _size_on_disk,
}
