"""An open file of the operating system.

Reads and writes carry their offset (pread, pwrite), so two threads share a file without sharing a position.
Systems without them (Windows) get `SeekingFile`, which seeks and reads under a lock.

Hints: `start_writeback` is sync_file_range, so that a large copy is written out while it is made and the fsync
at its end has little left; `drop_cache` is posix_fadvise(DONTNEED), so that the copy does not fill memory.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING, Self

from engine.errors import Err, EseError
from engine.files.oserror import from_os_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from engine.files.base import Buffer

_LARGEST_OFFSET = 2**63 - 1
_CHECK_SIZE_ABOVE = 1 << 24  # a longer read is cut to the file first: the length may come from an untrusted file
_SYNC_FILE_RANGE_WRITE = 2


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Return Linux's sync_file_range, which Python does not offer, or None."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # noqa: PLC0415 - only copies need it, and it is slow to load

    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    call: Callable[[int, int, int, int], int] = function
    return call


class RealFile:
    """A regular file, open.  See `engine.files.base.File`."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    @property
    def path(self) -> str:
        """The absolute path it was opened by."""
        return self._path

    def fileno(self) -> int:
        """Return the descriptor; -1 after `close`."""
        return self._fd

    def size(self) -> int:
        """Return the size in bytes."""
        try:
            return os.fstat(self._fd).st_size
        except OSError as error:
            raise from_os_error(error, self._path, doing="size") from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer only at the end of the file."""
        self._check(offset, length)
        if length > _CHECK_SIZE_ABOVE:
            length = max(0, min(length, self.size() - offset))
        try:
            data = self._pread(length, offset)
            if len(data) == length or not data:
                return data
            parts = [data]
            done = len(data)
            while done < length and (data := self._pread(length - done, offset + done)):
                parts.append(data)
                done += len(data)
        except OSError as error:
            raise from_os_error(error, self._path, offset=offset, doing="read") from error
        return b"".join(parts)

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` and return the count; fewer than its length only at the end of the file."""
        view = buffer.cast("B")
        length = view.nbytes
        self._check(offset, length)
        done = 0
        try:
            while done < length:
                count = self._preadv(view[done:] if done else view, offset + done)
                if count <= 0:
                    break
                done += count
        except OSError as error:
            raise from_os_error(error, self._path, offset=offset + done, doing="read") from error
        return done

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of `data`, growing the file as needed."""
        view = memoryview(data).cast("B")
        length = view.nbytes
        self._check(offset, length)
        done = 0
        try:
            while done < length:
                count = self._pwrite(view[done:] if done else view, offset + done)
                if count <= 0:
                    raise EseError.from_code(Err.DiskIO, "write made no progress", path=self._path, offset=offset)
                done += count
        except EseError:
            raise
        except OSError as error:
            raise from_os_error(error, self._path, offset=offset + done, doing="write") from error

    def truncate(self, size: int) -> None:
        """Cut or zero-extend to `size`."""
        self._check(size, 0)
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise from_os_error(error, self._path, doing="truncate") from error

    def preallocate(self, size: int) -> None:
        """Reserve blocks for `size` bytes where the system can; the file size becomes at least `size`."""
        self._check(size, 0)
        if hasattr(os, "posix_fallocate") and size > 0:
            try:
                os.posix_fallocate(self._fd, 0, size)
            except OSError as error:
                made = from_os_error(error, self._path, doing="preallocate")
                if made.code == Err.DiskFull:
                    raise made from error
                # Some file systems cannot reserve; then the size alone is set.
            else:
                return
        if self.size() < size:
            self.truncate(size)

    def fsync(self) -> None:
        """Make data and size durable."""
        if self._fd < 0:
            raise EseError.from_code(Err.DiskIO, "file is closed", path=self._path)
        try:
            self._fsync()
        except OSError as error:
            raise from_os_error(error, self._path, doing="fsync") from error

    def start_writeback(self, offset: int, length: int) -> None:
        """Hint: begin to write this range out."""
        call = _sync_file_range()
        if call is not None and length > 0 and self._fd >= 0:
            call(self._fd, offset, length, _SYNC_FILE_RANGE_WRITE)

    def drop_cache(self, offset: int, length: int) -> None:
        """Hint: this range will not be read again."""
        if hasattr(os, "posix_fadvise") and length > 0 and self._fd >= 0:
            try:
                os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_DONTNEED)
            except OSError:
                return  # a hint only

    def close(self) -> None:
        """Close; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                raise from_os_error(error, self._path, doing="close") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
            warnings.warn(f"file was not closed: {self._path}", ResourceWarning, stacklevel=2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}{'' if self._fd >= 0 else ', closed'})"

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > _LARGEST_OFFSET:
            raise EseError.from_code(Err.InvalidParameter, f"range {offset} + {length}", path=self._path)

    def _pread(self, length: int, offset: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def _preadv(self, view: memoryview, offset: int) -> int:
        return os.preadv(self._fd, [view], offset)

    def _pwrite(self, view: memoryview, offset: int) -> int:
        return os.pwrite(self._fd, view, offset)

    def _fsync(self) -> None:
        if sys.platform == "darwin":
            import fcntl  # noqa: PLC0415 - not on every system

            try:
                # fsync on this system leaves the data in the drive's own cache.
                fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
            except OSError:
                os.fsync(self._fd)  # network volumes have no F_FULLFSYNC
        elif hasattr(os, "fdatasync"):
            os.fdatasync(self._fd)  # data and size; only the times may lag
        else:
            os.fsync(self._fd)


class SeekingFile(RealFile):
    """A file on a system without positioned reads: seek and transfer under a lock."""

    __slots__ = ("_lock",)

    def __init__(self, fd: int, path: str) -> None:
        super().__init__(fd, path)
        self._lock = threading.Lock()

    def _pread(self, length: int, offset: int) -> bytes:
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, length)

    def _preadv(self, view: memoryview, offset: int) -> int:
        data = self._pread(view.nbytes, offset)
        view[: len(data)] = data
        return len(data)

    def _pwrite(self, view: memoryview, offset: int) -> int:
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.write(self._fd, view)

    def _fsync(self) -> None:
        os.fsync(self._fd)
