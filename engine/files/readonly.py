"""A file system that cannot change anything: every write is -1809, before the system is asked.

For evidence and for instances that were not started: what is under it stays as it was, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from engine.errors import Err, EseError
from engine.files.base import OpenMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from engine.files.base import Buffer, Entries, File, FileStat, FileSystem, Paths


def _refuse(path: str, doing: str) -> NoReturn:
    raise EseError.from_code(Err.PermissionDenied, f"{doing}: opened for reading only", path=path)


class ReadOnlyFile:
    """A file whose writes are refused."""

    def __init__(self, inner: File) -> None:
        self._inner = inner
        # Straight through: these are the hot calls.
        self.read_at = inner.read_at
        self.read_into_at = inner.read_into_at
        self.size = inner.size
        self.drop_cache = inner.drop_cache
        self.close = inner.close

    @property
    def path(self) -> str:
        """The absolute path it was opened by."""
        return self._inner.path

    def write_at(self, offset: int, data: Buffer) -> None:
        """Refuse."""
        _refuse(self.path, f"write of {memoryview(data).nbytes} bytes at {offset:#x}")

    def truncate(self, size: int) -> None:
        """Refuse."""
        _refuse(self.path, f"truncate to {size}")

    def preallocate(self, size: int) -> None:
        """Refuse."""
        _refuse(self.path, f"preallocate {size}")

    def fsync(self) -> None:
        """Do nothing: nothing was written."""

    def start_writeback(self, offset: int, length: int) -> None:
        """Do nothing: nothing was written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ReadOnlyFileSystem:
    """The reading half of `inner`; the rest is -1809.  A lock is a file that is written, so it is refused too."""

    def __init__(self, inner: FileSystem) -> None:
        self._inner = inner

    def absolute(self, path: str) -> str:
        """As the inner one."""
        return self._inner.absolute(path)

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> ReadOnlyFile:
        """Open for reading; any other mode is -1809."""
        if mode is not OpenMode.READ:
            _refuse(path, f"open ({mode.value})")
        return ReadOnlyFile(self._inner.open(path))

    def stat(self, path: str) -> FileStat | None:
        """As the inner one, but nothing is writable."""
        found = self._inner.stat(path)
        return None if found is None else found._replace(writable=False)

    def list(self, path: str) -> Entries:
        """As the inner one."""
        return self._inner.list(path)

    def walk(self, path: str, *, max_depth: int) -> Iterator[tuple[str, Entries]]:
        """As the inner one."""
        return self._inner.walk(path, max_depth=max_depth)

    def free_space(self, path: str) -> int:
        """As the inner one."""
        return self._inner.free_space(path)

    def make_directory(self, path: str, *, parents: bool = False) -> Paths:  # noqa: ARG002 - the protocol's
        """Refuse."""
        _refuse(path, "create folder")

    def remove_directory(self, path: str) -> None:
        """Refuse."""
        _refuse(path, "remove folder")

    def rename(self, source: str, target: str) -> None:
        """Refuse."""
        _refuse(source, f"rename to {target}")

    def unlink(self, path: str) -> None:
        """Refuse."""
        _refuse(path, "remove")

    def fsync_directory(self, path: str) -> None:
        """Do nothing: nothing was written."""

    def lock(self, path: str) -> AbstractContextManager[object]:
        """Refuse."""
        _refuse(path, "lock")
