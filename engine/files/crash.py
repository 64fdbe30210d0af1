"""A file system in memory that keeps apart what is on the disk and what is only on its way there.

Writes are on the disk after the file's fsync; names (creations, renames, removals) after the fsync of their folder,
nothing sooner: a new file whose folder was not synced is not there after a crash, however often the file itself
was.  A rename between folders is one step; it is on the disk when either folder has been synced.

`crash(policy, seed)` answers with a new file system, as a machine would find it after the power failed:

DROP_ALL    only what was synced
KEEP_ALL    everything: the program died, the machine did not
RANDOM      each un-synced write and each change of names is there or not, in the order they were made
TORN        likewise, and of each write only some of its 512-byte sectors
REORDERED   likewise, and the writes to a file reach it in any order, so a later one may lie under an earlier one

What builds upon a lost change of names is lost with it.  A seed always gives the same answer.  `load` and `save`
copy real folders in and out.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from engine.errors import Err, EseError
from engine.files.base import DirEntry, FileKind, FileStat, OpenMode
from engine.files.crash_state import EPOCH, CrashPolicy, Folder, Inode, NameChange, Write, files_below, survivors
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from engine.files.base import Buffer, Entries, FileSystem, Paths

__all__ = ["CrashFile", "CrashFileSystem", "CrashPolicy"]

_FREE = 1 << 40
_CHUNK = 1 << 20


class CrashFile:
    """An open file of a `CrashFileSystem`."""

    def __init__(self, system: CrashFileSystem, inode: Inode, path: str, *, writable: bool) -> None:
        self._system = system
        self._inode = inode
        self._path = path
        self._writable = writable
        self._open = True

    @property
    def path(self) -> str:
        """The absolute path it was opened by."""
        return self._path

    def size(self) -> int:
        """Return the size in bytes."""
        self._check()
        return len(self._inode.content)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer only at the end of the file."""
        self._check(offset, length)
        with self._system.lock_all:
            return bytes(self._inode.content[offset : offset + length])

    def read_into_at(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` and return the count; fewer than its length only at the end of the file."""
        view = buffer.cast("B")
        data = self.read_at(offset, view.nbytes)
        view[: len(data)] = data
        return len(data)

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of `data`, growing the file as needed."""
        self._change(Write(offset, bytes(data)))

    def truncate(self, size: int) -> None:
        """Cut or zero-extend to `size`."""
        self._change(Write(size, None))

    def preallocate(self, size: int) -> None:
        """Make the size at least `size`."""
        if self.size() < size:
            self.truncate(size)

    def fsync(self) -> None:
        """Make data and size durable."""
        self._check()
        with self._system.lock_all:
            self._inode.sync()

    def start_writeback(self, offset: int, length: int) -> None:
        """Do nothing: a hint promises nothing."""

    def drop_cache(self, offset: int, length: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close; idempotent, and no fsync."""
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, offset: int = 0, length: int = 0) -> None:
        if not self._open:
            raise EseError.from_code(Err.DiskIO, "file is closed", path=self._path)
        if offset < 0 or length < 0:
            raise EseError.from_code(Err.InvalidParameter, f"range {offset} + {length}", path=self._path)

    def _change(self, write: Write) -> None:
        self._check(write.offset)
        if not self._writable:
            raise EseError.from_code(Err.DiskIO, "opened for reading", path=self._path)
        with self._system.lock_all:
            self._inode.change(write)


class _Held(AbstractContextManager[object]):
    def __init__(self, system: CrashFileSystem, path: str) -> None:
        self._system = system
        self._path = path

    def __exit__(self, *_: object) -> None:
        self._system.held.discard(self._path)


class CrashFileSystem:
    """Files in memory with an un-synced part.  See `engine.files.base.FileSystem` and the module's text."""

    def __init__(self) -> None:
        self.root = Folder()
        self.pending: list[NameChange] = []
        self.held: set[str] = set()
        self.lock_all = threading.RLock()

    # -- paths

    def absolute(self, path: str) -> str:
        """As the real one."""
        return RealFileSystem().absolute(path)

    def _find(self, path: str) -> Inode | Folder | None:
        at: Inode | Folder | None = self.root
        for name in _split(path):
            if not isinstance(at, Folder):
                return None
            at = at.names.get(name)
        return at

    def _folder_of(self, path: str) -> tuple[Folder, str]:
        """Return the folder that holds `path`, and the name in it; -1811 or -1023."""
        *above, name = _split(path) or [""]
        folder: Inode | Folder | None = self.root
        for each in above:
            folder = folder.names.get(each) if isinstance(folder, Folder) else folder
        if folder is None:
            raise EseError.from_code(Err.FileNotFound, "no such folder", path=path)
        if not isinstance(folder, Folder) or not name:
            raise EseError.from_code(Err.InvalidPath, "not a folder", path=path)
        return folder, name

    def _change_names(self, *parts: tuple[Folder, str, Inode | Folder | None]) -> None:
        change = NameChange(parts)
        change.apply("names")
        self.pending.append(change)

    # -- the protocol

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> CrashFile:
        """Open a file; a folder is -1032."""
        path = self.absolute(path)
        with self.lock_all:
            found = self._find(path)
            if isinstance(found, Folder):
                raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
            if found is not None and mode is OpenMode.CREATE_NEW:
                raise EseError.from_code(Err.FileAlreadyExists, path=path)
            if found is None:
                folder, name = self._folder_of(path)
                if mode in (OpenMode.READ, OpenMode.READ_WRITE):
                    raise EseError.from_code(Err.FileNotFound, path=path)
                found = Inode()
                self._change_names((folder, name, found))
            elif mode is OpenMode.CREATE and found.content:
                found.change(Write(0, None))
            return CrashFile(self, found, path, writable=mode is not OpenMode.READ)

    def stat(self, path: str) -> FileStat | None:
        """Return what is there, or None when nothing is."""
        found = self._find(self.absolute(path))
        if found is None:
            return None
        if isinstance(found, Folder):
            return FileStat(FileKind.DIRECTORY, 0, EPOCH, writable=True)
        return FileStat(FileKind.FILE, len(found.content), found.modified, writable=True)

    def list(self, path: str) -> Entries:
        """Return the entries of a folder sorted by name; -1811 missing, -1023 not a folder."""
        path = self.absolute(path)
        found = self._find(path)
        if found is None:
            raise EseError.from_code(Err.FileNotFound, path=path)
        if not isinstance(found, Folder):
            raise EseError.from_code(Err.InvalidPath, "not a folder", path=path)
        with self.lock_all:
            return [
                DirEntry(name, FileKind.DIRECTORY if isinstance(each, Folder) else FileKind.FILE)
                for name, each in sorted(found.names.items())
            ]

    def walk(self, path: str, *, max_depth: int) -> Iterator[tuple[str, Entries]]:
        """Yield (folder, entries) downwards, parents first."""
        waiting = [(self.absolute(path), 0)]
        while waiting:
            folder, depth = waiting.pop()
            entries = self.list(folder)
            yield folder, entries
            if depth < max_depth:
                waiting.extend(
                    (os.path.join(folder, each.name), depth + 1)
                    for each in reversed(entries)
                    if each.kind is FileKind.DIRECTORY
                )

    def make_directory(self, path: str, *, parents: bool = False) -> Paths:
        """Create a folder and return the paths created, outermost first (empty when it existed)."""
        path = self.absolute(path)
        with self.lock_all:
            found = self._find(path)
            if isinstance(found, Folder):
                return []
            if found is not None:
                raise EseError.from_code(Err.FileAlreadyExists, "a file is there", path=path)
            above = os.path.dirname(path)
            made = self.make_directory(above, parents=True) if parents and self._find(above) is None else []
            folder, name = self._folder_of(path)
            self._change_names((folder, name, Folder()))
            return [*made, path]

    def remove_directory(self, path: str) -> None:
        """Remove an empty folder."""
        path = self.absolute(path)
        with self.lock_all:
            folder, name = self._folder_of(path)
            found = folder.names.get(name)
            if found is None:
                raise EseError.from_code(Err.FileNotFound, path=path)
            if not isinstance(found, Folder):
                raise EseError.from_code(Err.InvalidPath, "not a folder", path=path)
            if found.names:
                raise EseError.from_code(Err.FileAlreadyExists, "folder is not empty", path=path)
            self._change_names((folder, name, None))

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing a file at `target`."""
        source, target = self.absolute(source), self.absolute(target)
        with self.lock_all:
            from_folder, from_name = self._folder_of(source)
            to_folder, to_name = self._folder_of(target)
            moved = from_folder.names.get(from_name)
            replaced = to_folder.names.get(to_name)
            if moved is None:
                raise EseError.from_code(Err.FileNotFound, path=source)
            if source == target:
                return
            if isinstance(replaced, Folder) and (replaced.names or not isinstance(moved, Folder)):
                raise EseError.from_code(Err.FileAlreadyExists, f"rename to {target}", path=source)
            if (isinstance(moved, Folder) and isinstance(replaced, Inode)) or target.startswith(source + os.sep):
                raise EseError.from_code(Err.InvalidPath, f"rename to {target}", path=source)
            self._change_names((from_folder, from_name, None), (to_folder, to_name, moved))

    def unlink(self, path: str) -> None:
        """Remove a file."""
        path = self.absolute(path)
        with self.lock_all:
            folder, name = self._folder_of(path)
            found = folder.names.get(name)
            if found is None:
                raise EseError.from_code(Err.FileNotFound, path=path)
            if isinstance(found, Folder):
                raise EseError.from_code(Err.InvalidPath, "a folder", path=path)
            self._change_names((folder, name, None))

    def fsync_directory(self, path: str) -> None:
        """Make the changes of names in this folder durable, and those that they build upon."""
        path = self.absolute(path)
        with self.lock_all:
            folder = self._find(path)
            if not isinstance(folder, Folder):
                raise EseError.from_code(Err.FileNotFound if folder is None else Err.InvalidPath, path=path)
            keys: set[tuple[int, str]] = set()
            chosen: set[int] = set()
            for index in range(len(self.pending) - 1, -1, -1):
                change = self.pending[index]
                if any(each is folder for each, _, _ in change.parts) or change.keys() & keys:
                    chosen.add(index)
                    keys |= change.keys()
            for index in sorted(chosen):
                self.pending[index].apply("durable")
            self.pending = [change for index, change in enumerate(self.pending) if index not in chosen]

    def free_space(self, path: str) -> int:
        """Return a terabyte."""
        self.absolute(path)
        return _FREE

    def lock(self, path: str) -> AbstractContextManager[object]:
        """Return a held lock; -1032 when it is held."""
        path = self.absolute(path)
        with self.lock_all:
            if path in self.held:
                raise EseError.from_code(Err.FileAccessDenied, "another holds the lock", path=path)
            self._folder_of(path)
            self.held.add(path)
        return _Held(self, path)

    # -- crash

    def crash(self, policy: CrashPolicy = CrashPolicy.DROP_ALL, seed: int = 0) -> CrashFileSystem:
        """Return what is found after the power failed now; this one stays as it is."""
        after = CrashFileSystem()
        with self.lock_all:
            after.root = survivors(self.root, self.pending, policy, seed)
        return after

    def sync_all(self) -> None:
        """Make everything durable, as `sync` does."""
        with self.lock_all:
            for change in self.pending:
                change.apply("durable")
            self.pending.clear()
            for _, inode in files_below(self.root, ""):
                inode.sync()

    # -- real folders

    def load(self, folder: str, target: str, *, source: FileSystem | None = None) -> None:
        """Copy the files below a folder of `source` (the system's by default) to `target`, all of it durable."""
        system = RealFileSystem() if source is None else source
        top = system.absolute(folder)
        for below, entries in system.walk(top, max_depth=64):
            here = os.path.join(self.absolute(target), os.path.relpath(below, top))
            self.make_directory(here, parents=True)
            for each in entries:
                if each.kind is FileKind.FILE:
                    with (
                        system.open(os.path.join(below, each.name)) as old,
                        self.open(os.path.join(here, each.name), OpenMode.CREATE) as new,
                    ):
                        size = old.size()
                        for at in range(0, size, _CHUNK):
                            new.write_at(at, old.read_at(at, _CHUNK))
        self.sync_all()

    def save(self, folder: str, target: str) -> None:
        """Copy the files below `folder`, as they are now, to a folder of the system."""
        system = RealFileSystem()
        top = self.absolute(folder)
        for below, entries in self.walk(top, max_depth=64):
            here = os.path.join(system.absolute(target), os.path.relpath(below, top))
            system.make_directory(here, parents=True)
            for each in entries:
                if each.kind is FileKind.FILE:
                    with (
                        self.open(os.path.join(below, each.name)) as old,
                        system.open(os.path.join(here, each.name), OpenMode.CREATE) as new,
                    ):
                        new.write_at(0, old.read_at(0, old.size()))


def _split(path: str) -> list[str]:
    return [part for part in path.split(os.sep) if part]
