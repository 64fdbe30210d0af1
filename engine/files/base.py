"""The FileSystem protocol.

Nothing else in the engine calls the operating system on a path.  Every method raises `EseError` with
the JET code that fits (-1811 not found, -1032 access, -1808 full, -1022 I/O, -1020 handles, -1814 exists,
-1023 path, -1809 permission) and the path; never `OSError`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - fields of a NamedTuple may be looked up at run time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

Buffer: TypeAlias = bytes | bytearray | memoryview


class OpenMode(Enum):
    """How a file is opened.  CREATE_NEW fails if the name exists; CREATE truncates what exists."""

    READ = "read"
    READ_WRITE = "read-write"
    CREATE = "create"
    CREATE_NEW = "create-new"


class FileKind(Enum):
    """What a directory entry is; symbolic links are followed once and broken ones are OTHER."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


class FileStat(NamedTuple):
    """Size in bytes, time of last change (aware UTC), kind, and whether the owner may write."""

    kind: FileKind
    size: int
    modified: datetime
    writable: bool


class DirEntry(NamedTuple):
    """One name in a folder (not a path)."""

    name: str
    kind: FileKind


Entries: TypeAlias = list[DirEntry]
Paths: TypeAlias = list[str]


class File(Protocol):
    """An open file.  Offsets and lengths in bytes.  Safe to use from two threads at different offsets."""

    @property
    def path(self) -> str:
        """The absolute path it was opened by."""

    def size(self) -> int:
        """Return the size in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer only at the end of the file."""

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` and return the count; fewer than its length only at the end of the file."""

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of `data`, growing the file as needed."""

    def truncate(self, size: int) -> None:
        """Cut or zero-extend to `size`."""

    def preallocate(self, size: int) -> None:
        """Reserve blocks for `size` bytes where the system can; the file size becomes at least `size`."""

    def fsync(self) -> None:
        """Make data and size durable."""

    def start_writeback(self, offset: int, length: int) -> None:
        """Hint: begin to write this range out.  Not durable, may do nothing."""

    def drop_cache(self, offset: int, length: int) -> None:
        """Hint: this range will not be read again.  May do nothing."""

    def close(self) -> None:
        """Close; idempotent."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


class FileSystem(Protocol):
    """Operations on paths.  Paths are absolute strings; `absolute` makes them so."""

    def absolute(self, path: str) -> str:
        """Resolve against the working directory and normalise; does not follow links; -1023 for NUL or over-long."""

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> File:
        """Open a regular file; a folder, device or pipe is -1032."""

    def stat(self, path: str) -> FileStat | None:
        """Return what is there, or None when nothing is."""

    def list(self, path: str) -> Entries:
        """Return the entries of a folder sorted by name; -1811 missing, -1023 not a folder."""

    def walk(self, path: str, *, max_depth: int) -> Iterator[tuple[str, Entries]]:
        """Yield (folder, entries) downwards without following links; unreadable folders are passed over."""

    def make_directory(self, path: str, *, parents: bool = False) -> Paths:
        """Create a folder and return the paths created, outermost first (empty when it existed)."""

    def remove_directory(self, path: str) -> None:
        """Remove an empty folder."""

    def rename(self, source: str, target: str) -> None:
        """Rename within one file system, replacing a file at `target`."""

    def unlink(self, path: str) -> None:
        """Remove a file."""

    def fsync_directory(self, path: str) -> None:
        """Make creations, renames and removals in this folder durable (nothing to do on Windows)."""

    def free_space(self, path: str) -> int:
        """Return the bytes available below `path`."""

    def lock(self, path: str) -> AbstractContextManager[object]:
        """Return a held exclusive inter-process lock named by `path`; -1032 when another process has it."""
