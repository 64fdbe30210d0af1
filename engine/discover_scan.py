"""Looking through folders for ESE files, by content.

Most files below a folder are none of ours, so each costs one short read: the magic number of a database stands at
byte 4, the file type of every header at byte 667.  Only a file that has one of the two, or a name that such
files usually have (its header may be damaged), is read further.
Source: database reference 1; log reference 1.2, 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.errors import EseError
from engine.files.base import FileKind
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, HeaderRead, read_header_pages
from engine.format.names import is_aside_name
from engine.info import EseFileType, identify_bytes
from engine.log.paths import join, name_of
from engine.types import HEADER_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import FileSystem

_PROBE: Final = 672
"""Bytes that hold both marks."""
_MAGIC_AT: Final = 4
_FILETYPE_AT: Final = 667
_FILETYPES: Final = frozenset((1, 3, 4, 5))
_SUFFIXES: Final = (".edb", ".dat", ".db", ".sdb", ".dit", ".log", ".jtx", ".chk", ".jcp")
_SMALLEST: Final = 4096
_U32 = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A database file that was met: its header with its source and problems, or why it has none."""

    path: str
    size: int
    read: HeaderRead | None
    error: EseError | None

    @property
    def header(self) -> DatabaseHeader | None:
        """The header that counts."""
        return None if self.read is None else self.read.header


@dataclass(slots=True)
class FolderScan:
    """The ESE files of one folder: databases, paths of logs and checkpoints (with a right header or not)."""

    folder: str
    databases: list[DatabaseFile] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Names of all files of the folder."""
    unreadable: list[tuple[str, EseError]] = field(default_factory=list)


def scan_folders(fs: FileSystem, top: str, *, max_depth: int) -> Iterator[FolderScan]:
    """Yield the folders at and below `top` that hold anything of ours; a file that cannot be read is noted there.

    Folders of logs that a recovery has put away are no instances; they are passed over below `top`.  The errors of
    `FileSystem.walk` for `top` itself.
    """
    for folder, entries in fs.walk(top, max_depth=max_depth):
        if folder != top and is_aside_name(name_of(folder)):
            continue
        scan = FolderScan(folder, names=[each.name for each in entries if each.kind is FileKind.FILE])
        for name in scan.names:
            _classify(fs, join(folder, name), scan)
        if scan.databases or scan.logs or scan.checkpoints or scan.unreadable:
            yield scan


def scan_file(fs: FileSystem, path: str, folder: str) -> FolderScan:
    """Look at one file as if it were alone in its folder."""
    scan = FolderScan(folder)
    _classify(fs, path, scan)
    return scan


def _classify(fs: FileSystem, path: str, scan: FolderScan) -> None:
    usual = path.lower().endswith(_SUFFIXES)
    try:
        with fs.open(path) as file:
            probe = file.read_at(0, _PROBE)
            if not (_is_marked(probe) or (usual and len(probe) == _PROBE)):
                return
            size = file.size()
            start = file.read_at(0, HEADER_PROBE_SIZE)
    except EseError as error:
        if usual:
            scan.unreadable.append((path, error))
        return
    if size < _SMALLEST:
        return
    kind = identify_bytes(start, path).type
    if kind is EseFileType.LOG:
        scan.logs.append(path)
    elif kind is EseFileType.CHECKPOINT:
        scan.checkpoints.append(path)
    elif kind is EseFileType.DATABASE:
        try:
            scan.databases.append(DatabaseFile(path, size, read_header_pages(start, size, path=path), None))
        except EseError as error:
            # Without a right header only the magic number tells a database from any file with that suffix.
            if len(start) > _MAGIC_AT + 4 and _U32.unpack_from(start, _MAGIC_AT)[0] == HEADER_MAGIC:
                scan.databases.append(DatabaseFile(path, size, None, error))


def _is_marked(probe: bytes) -> bool:
    if len(probe) < _PROBE:
        return False
    if _U32.unpack_from(probe, _MAGIC_AT)[0] == HEADER_MAGIC:
        return True
    return _U32.unpack_from(probe, _FILETYPE_AT)[0] in _FILETYPES
