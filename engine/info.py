"""What a file says about itself, without opening an instance: its kind, and its header.

Kinds are told by signature, not by name: all headers share one checksum and keep their file type at byte 667.
Source: jet-api reference 6.5; database reference 1, 8; log reference 1.2, 5.
"""

from __future__ import annotations

import os
import struct
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.checkpoint import CHECKPOINT_FILE_SIZE, CheckpointRead, read_checkpoint
from engine.format.checksum import header_checksum_ok
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, HeaderRead, read_header_pages
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FlushMapHeader
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.format.page import PAGE_SIZES, page_number, page_offset, pages_in_file
from engine.format.patch import PatchHeader
from engine.types import HEADER_MAGIC

if TYPE_CHECKING:
    from engine.files.base import File, FileSystem
    from engine.format.page import Buffer
    from engine.types import StrPath

_FILETYPE_OFFSET: Final = 667
_U32 = struct.Struct("<I")
_NAMED: Final = {".log": 3, ".jtx": 3, ".chk": 4, ".jcp": 4, ".jfm": 7, ".edb": 1}


class EseFileType(Enum):
    """What a file is."""

    DATABASE = "database"
    LOG = "log"
    CHECKPOINT = "checkpoint"
    FLUSH_MAP = "flush map"
    EMPTY = "empty"
    """No byte, or nothing but zeros where the header should be."""
    UNKNOWN = "unknown"


class Identified(NamedTuple):
    """What a file is, and whether its header is whole (else the kind is a guess)."""

    type: EseFileType
    intact: bool


class DatabaseFileInfo(NamedTuple):
    """Header of a database file, which copy it came from, and what lies around it.

    `pages` counts the database pages the file has room for, without the trailer; `trailer` is that of a backup copy,
    `trailer_error` says why there is none where there should be one.
    """

    read: HeaderRead
    size: int
    pages: int
    trailer: PatchHeader | None
    trailer_error: EseError | None

    @property
    def header(self) -> DatabaseHeader:
        """The header that counts."""
        return self.read.header


_TYPES: Final = {
    1: EseFileType.DATABASE,
    3: EseFileType.LOG,
    4: EseFileType.CHECKPOINT,
    5: EseFileType.DATABASE,
    7: EseFileType.FLUSH_MAP,
}


def identify(path: StrPath, *, fs: FileSystem | None = None) -> Identified:
    """Say what a file is from its first 64 KiB; the name counts only when the header is damaged."""
    fs, name = _place(path, fs)
    with fs.open(name) as file:
        return identify_bytes(file.read_at(0, HEADER_PROBE_SIZE), name)


def identify_bytes(start: Buffer, name: str = "") -> Identified:
    """Say what a file is whose first 64 KiB (or all, if shorter) are `start`."""
    data = bytes(start)
    for size in PAGE_SIZES:
        # A checksum of 0 would fit blank pages with a whole header behind them.
        if len(data) >= size and any(data[:4]) and header_checksum_ok(data[:size]):
            kind = _U32.unpack_from(data, _FILETYPE_OFFSET)[0]
            if not kind:
                return Identified(_old_type(data), intact=True)
            return Identified(_TYPES.get(kind, EseFileType.UNKNOWN), intact=True)
    for size in PAGE_SIZES:
        shadow = data[size : 2 * size]
        if len(shadow) == size and header_checksum_ok(shadow) and _U32.unpack_from(shadow, 4)[0] == HEADER_MAGIC:
            return Identified(EseFileType.DATABASE, intact=False)
    if not any(data[: PAGE_SIZES[0]]) and not any(data[: PAGE_SIZES[-1]]):
        return Identified(EseFileType.EMPTY, intact=False)
    if len(data) >= 8 and _U32.unpack_from(data, 4)[0] == HEADER_MAGIC:  # noqa: PLR2004 - two words
        return Identified(EseFileType.DATABASE, intact=False)
    kind = _NAMED.get(PurePath(name).suffix.lower(), 0)
    return Identified(_TYPES.get(kind, EseFileType.UNKNOWN), intact=False)


def database_info(path: StrPath, *, fs: FileSystem | None = None) -> DatabaseHeader:
    """Return the header of a database, from whichever copy is right; -1206 or -1209 when it has none."""
    return database_file_info(path, fs=fs).header


def database_file_info(path: StrPath, *, fs: FileSystem | None = None) -> DatabaseFileInfo:
    """Return the header of a database with its problems, and the trailer of a backup copy."""
    fs, name = _place(path, fs)
    with fs.open(name) as file:
        return read_database_file(file)


def read_database_file(file: File) -> DatabaseFileInfo:
    """Do what `database_file_info` does on an open file."""
    size = file.size()
    read = read_header_pages(file.read_at(0, HEADER_PROBE_SIZE), size, path=file.path)
    page_size = read.header.page_size
    pages = pages_in_file(size, page_size)
    if not read.header.is_backup_copy:
        return DatabaseFileInfo(read, size, pages, None, None)
    try:
        trailer = _trailer(file, read.header, pages)
    except EseError as error:
        return DatabaseFileInfo(read, size, pages, None, error)
    return DatabaseFileInfo(read, size, pages - 1, trailer, None)


def log_info(path: StrPath, *, fs: FileSystem | None = None) -> LogHeader:
    """Return the header of a log file; -501, -514 or -1812 when it is damaged or none."""
    fs, name = _place(path, fs)
    with fs.open(name) as file:
        return LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=name)


def checkpoint_info(path: StrPath, *, fs: FileSystem | None = None) -> CheckpointRead:
    """Return the checkpoint and which copy it came from; -533 when both are bad."""
    fs, name = _place(path, fs)
    with fs.open(name) as file:
        return read_checkpoint(file.read_at(0, CHECKPOINT_FILE_SIZE), path=name)


def flush_map_info(path: StrPath, *, fs: FileSystem | None = None) -> FlushMapHeader:
    """Return the header of a flush map; -1018 when it is damaged, -1812 when it is none."""
    fs, name = _place(path, fs)
    with fs.open(name) as file:
        return FlushMapHeader.parse(file.read_at(0, FLUSH_MAP_PAGE_SIZE), path=name)


def _trailer(file: File, header: DatabaseHeader, pages: int) -> PatchHeader:
    """Read the last page of a backup copy; -552 when it is not the trailer of this header."""
    offset = page_offset(pages, header.page_size)
    pgno = page_number(offset, header.page_size)
    if pages < 1:
        raise EseError.from_code(Err.DatabasePatchFileMismatch, "no room for the trailer", path=file.path)
    trailer = PatchHeader.parse(file.read_at(offset, header.page_size), path=file.path, pgno=pgno)
    if not trailer.belongs_to(header):
        detail = "the trailer is of another backup than the header"
        raise EseError.from_code(Err.DatabasePatchFileMismatch, detail, path=file.path, page=pgno, offset=offset)
    return trailer


def _old_type(data: bytes) -> EseFileType:
    """Tell files apart that predate the file type: only databases carry the magic number."""
    return EseFileType.DATABASE if _U32.unpack_from(data, 4)[0] == HEADER_MAGIC else EseFileType.UNKNOWN


def _place(path: StrPath, fs: FileSystem | None) -> tuple[FileSystem, str]:
    fs = RealFileSystem() if fs is None else fs
    return fs, fs.absolute(os.fspath(path))


__all__ = [
    "DatabaseFileInfo",
    "EseFileType",
    "Identified",
    "checkpoint_info",
    "database_file_info",
    "database_info",
    "flush_map_info",
    "identify",
    "identify_bytes",
    "log_info",
    "read_database_file",
]
