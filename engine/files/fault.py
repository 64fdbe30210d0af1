"""A file system that fails on purpose: the Nth operation answers with an error, or the program dies there.

Every operation is counted and logged: open, stat, list, walk, mkdir, rmdir, rename, unlink, fsync-dir, free-space,
lock, and of open files size, read, write, truncate, preallocate, fsync.  Hints, `absolute` and `close` are not:
they cannot fail in a way that a program would notice.

How a test uses it: run once without a fault and take `count`; then for n in 1..count run again with `fail_at=n`,
and look at what is on the disk afterwards.  With several threads the order may differ between runs, so go on until
`fired` stays False instead of trusting the count.
"""

from __future__ import annotations

import errno
import os
import threading
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from engine.files.base import OpenMode
from engine.files.oserror import from_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from engine.files.base import Buffer, Entries, File, FileStat, FileSystem, Paths

T = TypeVar("T")


class SimulatedKill(BaseException):
    """The process died here.  No `except Exception` catches it, and no operation works afterwards."""


class FaultMode(Enum):
    """What happens at the chosen operation."""

    EIO = "I/O error"
    ENOSPC = "disk full"
    SHORT_READ = "fewer bytes than are there (reads only; other operations go on)"
    KILL = "the process dies before the operation"
    KILL_AFTER = "the process dies after the operation, before it can know"
    KILL_TORN = "the process dies in the middle of a write: its first half is there (other operations: before)"


_KILLS = (FaultMode.KILL, FaultMode.KILL_AFTER, FaultMode.KILL_TORN)
_ERRNO = {FaultMode.EIO: errno.EIO, FaultMode.ENOSPC: errno.ENOSPC}


class Operation(NamedTuple):
    """One entry of the log: its number (from 1), what it was, and on which path."""

    n: int
    op: str
    path: str


class FaultFileSystem:
    """`inner`, failing at counted operation number `fail_at` (from 1; None: never) and the `times` - 1 after it.

    `select` limits what is counted and can fail, by operation name and path; everything is logged all the same,
    with 0 for what was not counted.  `fired` tells whether the fault has happened.
    """

    def __init__(
        self,
        inner: FileSystem,
        fail_at: int | None = None,
        mode: FaultMode = FaultMode.EIO,
        *,
        times: int = 1,
        select: Callable[[str, str], bool] | None = None,
    ) -> None:
        self.inner = inner
        self.fail_at = fail_at
        self.mode = mode
        self.times = times
        self.select = select
        self.count = 0
        self.fired = False
        self.killed = False
        self.operations: list[Operation] = []
        self._lock = threading.Lock()

    def _hits(self, op: str, path: str) -> bool:
        """Count and log one operation, and tell whether it is to fail."""
        with self._lock:
            if self.killed:
                raise SimulatedKill(f"{op} {path} after the process died")
            counted = self.select is None or self.select(op, path)
            self.count += counted
            self.operations.append(Operation(self.count if counted else 0, op, path))
            hit = counted and self.fail_at is not None and self.fail_at <= self.count < self.fail_at + self.times
            if self.mode is FaultMode.SHORT_READ and op != "read":
                hit = False
            self.fired = self.fired or hit
            if hit and self.mode in _KILLS:
                self.killed = True
            return hit

    def run(self, op: str, path: str, work: Callable[[], T], *, torn: Callable[[], object] | None = None) -> T:
        """Do `work` as one operation, or fail in its place."""
        if not self._hits(op, path):
            return work()
        if self.mode in _ERRNO:
            number = _ERRNO[self.mode]
            raise from_os_error(OSError(number, os.strerror(number)), path, doing=f"{op} (simulated)")
        if self.mode is FaultMode.KILL_AFTER:
            work()
        elif self.mode is FaultMode.KILL_TORN and torn is not None:
            torn()
        raise SimulatedKill(f"{op} {path}")

    def read(self, path: str, length: int, work: Callable[[int], T]) -> T:
        """Do `work(length)` as one read, or fail, or ask it for half the length."""
        if self.mode is FaultMode.SHORT_READ:
            return work(length // 2 if self._hits("read", path) else length)
        return self.run("read", path, lambda: work(length))

    def absolute(self, path: str) -> str:
        """As the inner one; not counted."""
        return self.inner.absolute(path)

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> FaultFile:
        """Count "open" or "create"."""
        op = "create" if mode in (OpenMode.CREATE, OpenMode.CREATE_NEW) else "open"
        opened: list[File] = []
        try:
            self.run(op, path, lambda: opened.append(self.inner.open(path, mode)))
        except SimulatedKill:
            for each in opened:
                each.close()
            raise
        return FaultFile(self, opened[0])

    def stat(self, path: str) -> FileStat | None:
        """Count "stat"."""
        return self.run("stat", path, lambda: self.inner.stat(path))

    def list(self, path: str) -> Entries:
        """Count "list"."""
        return self.run("list", path, lambda: self.inner.list(path))

    def walk(self, path: str, *, max_depth: int) -> Iterator[tuple[str, Entries]]:
        """Count "walk", once for the whole walk."""
        return self.run("walk", path, lambda: self.inner.walk(path, max_depth=max_depth))

    def make_directory(self, path: str, *, parents: bool = False) -> Paths:
        """Count "mkdir"."""
        return self.run("mkdir", path, lambda: self.inner.make_directory(path, parents=parents))

    def remove_directory(self, path: str) -> None:
        """Count "rmdir"."""
        self.run("rmdir", path, lambda: self.inner.remove_directory(path))

    def rename(self, source: str, target: str) -> None:
        """Count "rename", under the source's path."""
        self.run("rename", source, lambda: self.inner.rename(source, target))

    def unlink(self, path: str) -> None:
        """Count "unlink"."""
        self.run("unlink", path, lambda: self.inner.unlink(path))

    def fsync_directory(self, path: str) -> None:
        """Count "fsync-dir"."""
        self.run("fsync-dir", path, lambda: self.inner.fsync_directory(path))

    def free_space(self, path: str) -> int:
        """Count "free-space"."""
        return self.run("free-space", path, lambda: self.inner.free_space(path))

    def lock(self, path: str) -> AbstractContextManager[object]:
        """Count "lock"; a lock taken by a process that dies is given up, as the system does."""
        taken: list[AbstractContextManager[object]] = []
        try:
            self.run("lock", path, lambda: taken.append(self.inner.lock(path)))
        except SimulatedKill:
            for each in taken:
                with each:
                    pass
            raise
        return taken[0]


class FaultFile:
    """An open file whose operations are counted and may fail.  `close` always works, so nothing leaks."""

    def __init__(self, system: FaultFileSystem, inner: File) -> None:
        self._system = system
        self._inner = inner

    @property
    def path(self) -> str:
        """The absolute path it was opened by."""
        return self._inner.path

    def size(self) -> int:
        """Count "size"."""
        return self._system.run("size", self.path, self._inner.size)

    def read_at(self, offset: int, length: int) -> bytes:
        """Count "read"."""
        return self._system.read(self.path, length, lambda count: self._inner.read_at(offset, count))

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        """Count "read"."""
        view = buffer.cast("B")
        return self._system.read(self.path, view.nbytes, lambda n: self._inner.read_into_at(offset, view[:n]))

    def write_at(self, offset: int, data: Buffer) -> None:
        """Count "write"."""
        half = memoryview(data).cast("B")[: memoryview(data).nbytes // 2]
        self._system.run(
            "write",
            self.path,
            lambda: self._inner.write_at(offset, data),
            torn=lambda: self._inner.write_at(offset, half),
        )

    def truncate(self, size: int) -> None:
        """Count "truncate"."""
        self._system.run("truncate", self.path, lambda: self._inner.truncate(size))

    def preallocate(self, size: int) -> None:
        """Count "preallocate"."""
        self._system.run("preallocate", self.path, lambda: self._inner.preallocate(size))

    def fsync(self) -> None:
        """Count "fsync"."""
        self._system.run("fsync", self.path, self._inner.fsync)

    def start_writeback(self, offset: int, length: int) -> None:
        """Pass the hint on; not counted."""
        self._inner.start_writeback(offset, length)

    def drop_cache(self, offset: int, length: int) -> None:
        """Pass the hint on; not counted."""
        self._inner.drop_cache(offset, length)

    def close(self) -> None:
        """Close; not counted."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
