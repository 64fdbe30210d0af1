"""Reading and writing the two header pages of a database file.

The copies are never in flight together: one is durable before the other is touched, so after a crash at least
one is whole.  When only one copy was good, the bad one is written first.
Source: database reference 1.1; log reference 3.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, HeaderRead, HeaderSource, read_header_pages

if TYPE_CHECKING:
    from engine.files.base import File, FileSystem


def read_header(fs: FileSystem, path: str) -> HeaderRead:
    """Read the header of the database at `path`: -1811 absent, -1032 not a file, -1206 damaged or foreign, -1209."""
    stat = fs.stat(path)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=path)
    if stat.kind is not FileKind.FILE:
        raise EseError.from_code(Err.FileAccessDenied, "not a regular file", path=path)
    with fs.open(path) as file:
        return read_header_from(file)


def read_header_from(file: File) -> HeaderRead:
    """Read the header of an open database file."""
    return read_header_pages(file.read_at(0, HEADER_PROBE_SIZE), file.size(), path=file.path)


def write_header(file: File, header: DatabaseHeader, *, first: HeaderSource = HeaderSource.PRIMARY) -> None:
    """Write both copies, `first` before the other, each made durable by itself."""
    page = header.pack()
    places = [0, header.page_size] if first is HeaderSource.PRIMARY else [header.page_size, 0]
    for offset in places:
        file.write_at(offset, page)
        # This copy must be whole on the disk before the other one is touched; and what the caller does next
        # (acknowledge records, move the checkpoint) relies on both.
        file.fsync()


def first_to_write(read: HeaderRead) -> HeaderSource:
    """Return the copy to write first: the bad one, so that the good one survives a torn write."""
    damaged = {problem.source for problem in read.problems}
    return HeaderSource.SHADOW if HeaderSource.SHADOW in damaged else HeaderSource.PRIMARY
