"""Pages kept twice while they are written, so that a write which tears is no loss.

A page is larger than what a disk writes in one piece.  A power failure can leave half of it, which no record of the
log could put right.  So pages go to a file beside the database first, `<database>.shadow`, and are durable there
before the database is touched.  Recovery takes from it the pages that are wrong in the database.  The file is no part
of the format: it is there while a database is attached, and whoever does not know it loses nothing else.

    batch    index, one page: magic, count, CRC32 of the numbers, page numbers; then the pages as they are
    round    batches behind each other, up to 8 MiB; then the database is made durable, and it begins anew

Of several images of a page the newest counts: the highest dbtime, of equal ones the last.
Source: architecture, rule 6; database reference 2.1.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from engine.errors import EseError
from engine.files.base import FileKind, OpenMode
from engine.format.checksum import verify_page
from engine.format.page import page_offset
from engine.log.paths import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.files.base import File, FileSystem
    from engine.page_reading import File as Readable

LIVE: Final = ".shadow"
"""Added to the name of the database: pages that live work writes."""
RECOVERY: Final = ".shadow2"
"""The same for those that recovery writes, which needs the first one until it has ended."""

_MAGIC: Final = b"ESEshad1"
_HEAD: Final = struct.Struct("<8sII")
_DBTIME: Final = struct.Struct("<Q")
_DBTIME_AT: Final = 8
_ROUND: Final = 8 * 1024 * 1024


class PageShadow:
    """Writes the shadow of one database.  `sync_database` makes durable what was written to the database so far."""

    def __init__(self, fs: FileSystem, path: str, page_size: int, sync_database: Callable[[], None]) -> None:
        self.path = path
        self._fs = fs
        self._page_size = page_size
        self._sync_database = sync_database
        self._file: File | None = None
        self._at = 0
        self.most = (page_size - _HEAD.size) // 4
        """Pages that one call takes."""

    def protect(self, pages: Sequence[tuple[int, bytes | bytearray]]) -> None:
        """Make images of pages durable, as (number, bytes); afterwards they may be written where they belong."""
        if self._file is None:
            self._file = self._fs.open(self.path, OpenMode.CREATE)
            # The name is there before a page relies on it.
            self._fs.fsync_directory(folder_of(self.path))
        size = (1 + len(pages)) * self._page_size
        if self._at and self._at + size > _ROUND:
            # What these images were for is on the disk before others take their place.
            self._sync_database()
            self._at = 0
        numbers = struct.pack(f"<{len(pages)}I", *(pgno for pgno, _ in pages))
        index = bytearray(self._page_size)
        _HEAD.pack_into(index, 0, _MAGIC, len(pages), zlib.crc32(numbers))
        index[_HEAD.size : _HEAD.size + len(numbers)] = numbers
        self._file.write_at(self._at, b"".join((index, *(data for _, data in pages))))
        # The images are on the disk before a page of the database can tear.
        self._file.fsync()
        self._at += size

    def close(self) -> None:
        """Close the file and leave it: it may be needed.  Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def remove(self) -> None:
        """Close and remove the file: every page is durable where it belongs."""
        self.close()
        remove_shadow(self._fs, self.path)


def remove_shadow(fs: FileSystem, path: str) -> None:
    """Remove a shadow if there is one.  One that stays does no harm: the database is right without it."""
    with suppress(EseError):
        if fs.stat(path) is not None:
            fs.unlink(path)


def torn_pages(fs: FileSystem, database: Readable, page_size: int) -> dict[int, bytes]:
    """Return the pages that are wrong in a database and right in one of its shadows.

    A page can be torn and have the right checksum all the same: four bits that tear in pairs, as the flags of two lines
    do, cancel each other in both halves of it.  So of two that say to be equally old the image counts.
    """
    found: dict[int, bytes] = {}
    for suffix in (LIVE, RECOVERY):
        _gather(fs, database.path + suffix, page_size, found)
    torn: dict[int, bytes] = {}
    for pgno, image in found.items():
        present = database.read_at(page_offset(pgno, page_size), page_size)
        if len(present) < page_size or present == image:
            continue
        if _dbtime(present) == _dbtime(image) or verify_page(present, pgno) is not None:
            torn[pgno] = image
    return torn


def _gather(fs: FileSystem, path: str, page_size: int, found: dict[int, bytes]) -> None:
    """Add the images of one file, up to the first batch that is not whole."""
    stat = fs.stat(path)
    if stat is None or stat.kind is not FileKind.FILE:
        return
    with fs.open(path) as file:
        at, end = 0, min(file.size(), 2 * _ROUND)
        while at + page_size <= end:
            index = file.read_at(at, page_size)
            magic, count, check = _HEAD.unpack_from(index)
            numbers = index[_HEAD.size : _HEAD.size + 4 * count]
            if magic != _MAGIC or not count or len(numbers) != 4 * count or zlib.crc32(numbers) != check:
                return
            for place, pgno in enumerate(struct.unpack(f"<{count}I", numbers), 1):
                image = file.read_at(at + place * page_size, page_size)
                if pgno and len(image) == page_size and verify_page(image, pgno) is None:
                    before = found.get(pgno)
                    if before is None or _dbtime(image) >= _dbtime(before):
                        found[pgno] = image
            at += (1 + count) * page_size


def _dbtime(image: bytes) -> int:
    return int(_DBTIME.unpack_from(image, _DBTIME_AT)[0])
