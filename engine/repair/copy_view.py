"""A copy of a backup set seen as the database that a restore would begin with, without making it.

    header pages    the header with the range of the set required (`engine.restore.copies`)
    pages           those of the file
    trailer         not there

Only this one file looks different, and nothing can be written.  Source: log reference 8.2 (steps 9, 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.files.base import OpenMode
from engine.files.readonly import ReadOnlyFile, ReadOnlyFileSystem

if TYPE_CHECKING:
    from engine.files.base import FileStat, FileSystem
    from engine.format.dbheader import DatabaseHeader


class CopyViewFileSystem(ReadOnlyFileSystem):
    """`inner`, read-only, with the file at `path` seen with `header` and without its last `cut` bytes."""

    def __init__(self, inner: FileSystem, path: str, header: DatabaseHeader, *, cut: int) -> None:
        super().__init__(inner)
        self._path = path
        self._front = header.pack() * 2
        self._cut = cut

    def open(self, path: str, mode: OpenMode = OpenMode.READ) -> ReadOnlyFile:
        """Open for reading."""
        file = super().open(path, mode)
        return _CopyView(file, self._front, self._cut) if path == self._path else file

    def stat(self, path: str) -> FileStat | None:
        """As the inner one, with the size of the view."""
        found = super().stat(path)
        if found is None or path != self._path:
            return found
        return found._replace(size=found.size - self._cut)


class _CopyView(ReadOnlyFile):
    """One open file of the view."""

    def __init__(self, inner: ReadOnlyFile, front: bytes, cut: int) -> None:
        super().__init__(inner)
        self._front = front
        self._cut = cut
        self._read = inner.read_at
        self._whole = inner.size
        self.read_at = self._read_at
        self.read_into_at = self._read_into_at
        self.size = self._size

    def _size(self) -> int:
        return self._whole() - self._cut

    def _read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self._size() - offset))
        front = self._front[offset : offset + length]
        if len(front) == length:
            return front
        return front + self._read(offset + len(front), length - len(front))

    def _read_into_at(self, offset: int, buffer: memoryview) -> int:
        data = self._read_at(offset, buffer.nbytes)
        buffer.cast("B")[: len(data)] = data
        return len(data)
