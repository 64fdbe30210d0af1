"""The external backup calls.  Source: jet-api reference 2.5.

One backup an instance; its files are numbers.  Lists of names come as one text, each name ended by NUL and the
list by another, with its size in bytes as UTF-16; a `cbMax` below that size is -1038, and the size still returned.
"""

# ruff: noqa: N802, N803, N815 - names of the C interface
from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, NamedTuple

from engine.backup.external import BackupFile, ExternalBackup
from engine.errors import Err, EseError
from engine.jet.handles import HANDLES, bits, wide
from engine.types import EndBackupOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.instance import Instance

JET_HANDLE_NIL = -1


class JetLogInfo(NamedTuple):
    """JET_LOGINFO: size of the structure, first and last generation, base name."""

    cbSize: int
    ulGenLow: int
    ulGenHigh: int
    szBaseName: str


_LOGINFO_SIZE = 20


class _Running:
    """The external backups that were begun here, and their files."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backups: dict[int, ExternalBackup] = {}
        self._files: dict[int, tuple[int, BackupFile]] = {}
        self._numbers = itertools.count(1)

    def add(self, instance: Instance, backup: ExternalBackup) -> None:
        with self._lock:
            self._backups[id(instance)] = backup

    def backup(self, instance: int | None) -> ExternalBackup:
        """Return the backup of an instance: -520 when none was begun, or it has ended."""
        found = HANDLES.instance(instance)
        with self._lock:
            backup = self._backups.get(id(found))
        if backup is None or not backup.active:
            self.drop(found)
            found.check_can_backup()
            raise EseError.from_code(Err.NoBackup)
        return backup

    def drop(self, instance: Instance) -> None:
        with self._lock:
            self._backups.pop(id(instance), None)
            for number in [each for each, (owner, _) in self._files.items() if owner == id(instance)]:
                del self._files[number]

    def add_file(self, instance: int | None, file: BackupFile) -> int:
        owner = id(HANDLES.instance(instance))
        with self._lock:
            number = next(self._numbers)
            self._files[number] = (owner, file)
            return number

    def file(self, instance: int | None, handle: int) -> BackupFile:
        """Return an open file: -1003 for a number that is none of this instance's."""
        owner = id(HANDLES.instance(instance))
        with self._lock:
            found = self._files.get(handle)
        if found is None or found[0] != owner:
            raise EseError.from_code(Err.InvalidParameter, f"no backup file {handle!r}")
        return found[1]

    def drop_file(self, handle: int) -> None:
        with self._lock:
            self._files.pop(handle, None)


_RUNNING = _Running()


def JetBeginExternalBackupInstance(instance: int | None, grbit: int = 0) -> int:
    """Take the slot and begin a full or (Incremental 1) incremental backup."""
    try:
        found = HANDLES.instance(instance)
        _RUNNING.add(found, ExternalBackup(found, bits(grbit)))
    except EseError as error:
        return error.code
    return 0


def JetBeginExternalBackup(grbit: int = 0) -> int:
    """JetBeginExternalBackupInstance of the single instance."""
    try:
        return JetBeginExternalBackupInstance(HANDLES.number_of(HANDLES.single()), grbit)
    except EseError as error:
        return error.code


def JetGetAttachInfoInstance(instance: int | None, cbMax: int | None = None) -> tuple[int, str, int]:
    """Return (error, names of the databases to copy, size of the list in bytes)."""
    try:
        return _names(_RUNNING.backup(instance).attached(), cbMax)
    except EseError as error:
        return error.code, "", 0


def JetOpenFileInstance(instance: int | None, szFileName: str) -> tuple[int, int, int, int]:
    """Open a file of the backup: (error, handle, low and high 32 bits of its size)."""
    try:
        file = _RUNNING.backup(instance).open(wide(szFileName) or "")
        handle = _RUNNING.add_file(instance, file)
    except EseError as error:
        return error.code, JET_HANDLE_NIL, 0, 0
    return 0, handle, file.size & 0xFFFFFFFF, file.size >> 32


def JetReadFileInstance(
    instance: int | None, hfFile: int, pv: bytearray | memoryview, cb: int | None = None
) -> tuple[int, int]:
    """Read the next `cb` bytes (default: all of `pv`) into `pv`: (error, bytes read), 0 bytes at the end."""
    try:
        _RUNNING.backup(instance)
        file = _RUNNING.file(instance, hfFile)
        view = memoryview(pv).cast("B")
        if view.readonly or (cb is not None and not 0 <= cb <= len(view)):
            raise EseError.from_code(Err.InvalidParameter, "the buffer cannot take that many bytes")
        return 0, file.readinto(view if cb is None else view[:cb])
    except EseError as error:
        return error.code, 0


def JetCloseFileInstance(instance: int | None, hfFile: int) -> int:
    """Close a file of the backup."""
    try:
        _RUNNING.backup(instance)
        _RUNNING.file(instance, hfFile).close()
        _RUNNING.drop_file(hfFile)
    except EseError as error:
        return error.code
    return 0


def JetGetLogInfoInstance(instance: int | None, cbMax: int | None = None) -> tuple[int, str, int]:
    """Close the current log and return (error, names of the logs and patch files to copy, size in bytes)."""
    try:
        return _names(_RUNNING.backup(instance).logs().paths, cbMax)
    except EseError as error:
        return error.code, "", 0


def JetGetLogInfoInstance2(instance: int | None, cbMax: int | None = None) -> tuple[int, str, int, JetLogInfo | None]:
    """JetGetLogInfoInstance that also tells the generations."""
    try:
        found = _RUNNING.backup(instance).logs()
        info = JetLogInfo(_LOGINFO_SIZE, found.first_generation, found.last_generation, found.base_name)
        return (*_names(found.paths, cbMax), info)
    except EseError as error:
        return error.code, "", 0, None


def JetGetTruncateLogInfoInstance(instance: int | None, cbMax: int | None = None) -> tuple[int, str, int]:
    """Return (error, names of the logs that truncation would delete, size in bytes)."""
    try:
        return _names(_RUNNING.backup(instance).truncatable(), cbMax)
    except EseError as error:
        return error.code, "", 0


def JetTruncateLogInstance(instance: int | None) -> int:
    """Delete the logs that are not needed any more."""
    try:
        _RUNNING.backup(instance).truncate()
    except EseError as error:
        return error.code
    return 0


def JetEndExternalBackupInstance2(instance: int | None, grbit: int) -> int:
    """End the backup: exactly one of EndNormal (1) and EndAbort (2), else -1003; frees the slot."""
    try:
        options = bits(grbit)
        known = EndBackupOptions
        if options & ~sum(known) or bool(options & known.NORMAL) == bool(options & known.ABORT):
            raise EseError.from_code(Err.InvalidParameter, f"options {options:#x}")
        backup = _RUNNING.backup(instance)
        try:
            if options & known.ABORT:
                backup.abort()
            else:
                backup.end(
                    truncate_done=bool(options & known.TRUNCATE_DONE),
                    update_headers=not options & known.NO_DB_HEADER_UPDATE,
                )
        finally:
            _RUNNING.drop(HANDLES.instance(instance))
    except EseError as error:
        return error.code
    return 0


def JetEndExternalBackupInstance(instance: int | None) -> int:
    """End the backup normally."""
    return JetEndExternalBackupInstance2(instance, EndBackupOptions.NORMAL)


def _names(names: Sequence[str], most: int | None) -> tuple[int, str, int]:
    text = "".join(f"{name}\0" for name in names) + "\0"
    size = len(text.encode("utf-16-le", errors="surrogatepass"))
    if most is not None and most < size:
        return Err.BufferTooSmall, "", size
    return 0, text, size
