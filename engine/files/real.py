"""The operating system's files.

Nothing outside `engine.files` touches a path of the system; every failure leaves here as an `EseError` with the
path (see `engine.files.oserror` for the codes).
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from engine.errors import Err, EseError
from engine.files.base import DirEntry, Entries, FileKind, FileStat, OpenMode, Paths
from engine.files.oserror import from_os_error
from engine.files.realfile import RealFile, SeekingFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_PATH = 32766 if sys.platform == "win32" else 4095
_LONGEST_NAME = 255
_POSITIONED = hasattr(os, "preadv") and hasattr(os, "pwrite")
_FLAGS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe put in place of a file must not stop us
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
_MODE_FLAGS = {
    OpenMode.READ: os.O_RDONLY,
    OpenMode.READ_WRITE: os.O_RDWR,
    OpenMode.CREATE: os.O_RDWR | os.O_CREAT,
    OpenMode.CREATE_NEW: os.O_RDWR | os.O_CREAT | os.O_EXCL,
}


class HeldLock(AbstractContextManager["HeldLock"]):
    """An exclusive lock between processes, held until `release` or the end of the with-block."""

    def __init__(self, path: str) -> None:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - slow to load, and readers need no lock

        self.path = path
        self._lock = FileLock(path, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise EseError.from_code(Err.FileAccessDenied, "another process holds the lock", path=path) from error
        except OSError as error:
            raise from_os_error(error, path, doing="lock") from error

    def release(self) -> None:
        """Give the lock up; idempotent."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class RealFileSystem:
    """The operating system's files.  See `engine.files.base.FileSystem`."""

    def absolute(self, path: str) -> str:
        """Resolve against the working directory and normalise; -1023 for an empty path, NUL or over-long ones."""
        if not path or "\0" in path:
            raise EseError.from_code(Err.InvalidPath, "empty" if not path else "NUL character", path=path)
        try:
            whole = os.path.abspath(path)  # pathlib's resolve() would follow links
            size = len(os.fsencode(whole)) if os.name == "posix" else len(whole)
        except (OSError, ValueError) as error:  # no working directory; characters that no file name can have
            raise EseError.from_code(Err.InvalidPath, str(error), path=path) from error
        if size > _LONGEST_PATH or any(len(os.fsencode(part)) > _LONGEST_NAME for part in whole.split(os.sep)):
            raise EseError.from_code(Err.InvalidPath, "too long", path=path)
        return whole

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> RealFile:
        """Open a regular file; a folder, device or pipe is -1032."""
        path = self.absolute(path)
        found = self.stat(path)
        if found is not None and found.kind is not FileKind.FILE and mode is not OpenMode.CREATE_NEW:
            raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
        try:
            fd = os.open(path, _MODE_FLAGS[mode] | _FLAGS, 0o666)
        except OSError as error:
            raise from_os_error(error, path, doing="open") from error
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
            if mode is OpenMode.CREATE and about.st_size:
                os.ftruncate(fd, 0)
        except EseError:
            os.close(fd)
            raise
        except OSError as error:
            os.close(fd)
            raise from_os_error(error, path, doing="open") from error
        return RealFile(fd, path) if _POSITIONED else SeekingFile(fd, path)

    def stat(self, path: str) -> FileStat | None:
        """Return what is there (links followed; a broken one is OTHER), or None when nothing is."""
        path = self.absolute(path)
        try:
            about = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return _broken_link(path)
        except OSError as error:
            made = from_os_error(error, path, doing="stat")
            if made.code == Err.InvalidPath and (link := _broken_link(path)) is not None:
                return link  # a link that leads to itself
            raise made from error
        return FileStat(
            _kind_of(about.st_mode),
            about.st_size,
            datetime.fromtimestamp(about.st_mtime, UTC),
            bool(about.st_mode & stat.S_IWUSR),
        )

    def list(self, path: str) -> Entries:
        """Return the entries of a folder sorted by name; -1811 missing, -1023 not a folder."""
        return [entry for entry, _ in _scan(self.absolute(path))]

    def walk(self, path: str, *, max_depth: int) -> Iterator[tuple[str, Entries]]:
        """Yield (folder, entries) downwards, parents first; links are not followed, unreadable folders passed over.

        `max_depth` 0 is the folder alone.  Raises only for the first folder.
        """
        top = self.absolute(path)
        waiting = [(top, 0)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                found = _scan(folder)
            except EseError:
                if folder == top:
                    raise
                continue
            yield folder, [entry for entry, _ in found]
            if depth < max_depth:
                waiting.extend(
                    (os.path.join(folder, entry.name), depth + 1)
                    for entry, is_link in reversed(found)
                    if entry.kind is FileKind.DIRECTORY and not is_link
                )

    def make_directory(self, path: str, *, parents: bool = False) -> Paths:
        """Create a folder and return the paths created, outermost first (empty when it existed).

        Nothing stays when a part of the way cannot be made.  A file in the place is -1814, on the way -1023.
        """
        path = self.absolute(path)
        missing = [path]
        if parents:
            above = os.path.dirname(path)
            while self.stat(above) is None and above != os.path.dirname(above):
                missing.append(above)
                above = os.path.dirname(above)
        made: Paths = []
        try:
            for folder in reversed(missing):
                try:
                    os.mkdir(folder)
                except FileExistsError:
                    if not os.path.isdir(folder):
                        raise
                else:
                    made.append(folder)
        except OSError as error:
            for folder in reversed(made):
                with suppress(OSError):
                    os.rmdir(folder)
            raise from_os_error(error, path, doing="create folder") from error
        return made

    def remove_directory(self, path: str) -> None:
        """Remove an empty folder."""
        path = self.absolute(path)
        try:
            os.rmdir(path)
        except OSError as error:
            raise from_os_error(error, path, doing="remove folder") from error

    def rename(self, source: str, target: str) -> None:
        """Rename within one file system, replacing a file at `target`; the error names the source."""
        source, target = self.absolute(source), self.absolute(target)
        try:
            os.replace(source, target)
        except OSError as error:
            raise from_os_error(error, source, doing=f"rename to {target}") from error

    def unlink(self, path: str) -> None:
        """Remove a file."""
        path = self.absolute(path)
        try:
            os.unlink(path)
        except OSError as error:
            raise from_os_error(error, path, doing="remove") from error

    def fsync_directory(self, path: str) -> None:
        """Make creations, renames and removals in this folder durable (nothing to do on Windows)."""
        path = self.absolute(path)
        if os.name != "posix":
            return
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            made = from_os_error(error, path, doing="fsync folder")
            if made.code == Err.InvalidPath and os.path.isdir(path):
                return  # EINVAL: this file system has no such thing (some network ones)
            raise made from error

    def free_space(self, path: str) -> int:
        """Return the bytes available below `path`, or below the nearest folder above it that exists."""
        at = self.absolute(path)
        while True:
            try:
                return shutil.disk_usage(at).free
            except FileNotFoundError as error:
                above = os.path.dirname(at)
                if above == at:
                    raise from_os_error(error, path, doing="free space") from error
                at = above
            except OSError as error:
                raise from_os_error(error, path, doing="free space") from error

    def allocated_size(self, path: str) -> int:
        """Return the bytes that a file takes on the disk; its size where the system does not tell."""
        path = self.absolute(path)
        try:
            about = os.stat(path)
        except OSError as error:
            raise from_os_error(error, path, doing="stat") from error
        blocks = getattr(about, "st_blocks", None)
        return about.st_size if blocks is None else blocks * 512

    def lock(self, path: str) -> HeldLock:
        """Return a held exclusive inter-process lock named by `path`; -1032 when somebody has it.

        The file stays when the lock is given up: removing it would let two others hold one name.
        """
        path = self.absolute(path)
        folder = os.path.dirname(path)
        if self.stat(folder) is None:
            raise EseError.from_code(Err.FileNotFound, "no folder for the lock", path=path)
        return HeldLock(path)


def _kind_of(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    return FileKind.DIRECTORY if stat.S_ISDIR(mode) else FileKind.OTHER


def _broken_link(path: str) -> FileStat | None:
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return FileStat(FileKind.OTHER, 0, datetime.fromtimestamp(about.st_mtime, UTC), writable=False)


def _scan(folder: str) -> list[tuple[DirEntry, bool]]:
    """Return the entries sorted by name, each with whether it is a link."""
    found: list[tuple[DirEntry, bool]] = []
    try:
        with os.scandir(folder) as entries:
            for each in entries:
                try:
                    kind = FileKind.FILE if each.is_file() else FileKind.DIRECTORY if each.is_dir() else FileKind.OTHER
                    is_link = each.is_symlink()
                except OSError:
                    kind, is_link = FileKind.OTHER, False
                found.append((DirEntry(each.name, kind), is_link))
    except OSError as error:
        raise from_os_error(error, folder, doing="list") from error
    found.sort(key=lambda pair: pair[0].name)
    return found
