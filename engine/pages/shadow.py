"""Pages kept twice while they are written, so that a write which tears is no loss.

A page is larger than what a disk writes in one piece.  A power failure can leave half of it, which no record of the
log could put right.  So pages go to a file beside the database first, `<database>.shadow`, and are durable there
before the database is touched.  Recovery takes from it the pages that are wrong in the database.  The file is no part
of the format: it is there while a database is attached, and whoever does not know it loses nothing else.

    batch    index, one page: magic, CRC32 of the rest, count, round, log mark, state of the database, then for each
             page its number and CRC32; behind it the pages as they are
    round    batches behind each other, up to 8 MiB; then the database is made durable, and it begins anew

A torn page can look right.  The checksum of a small page does not see that a sector whose words are all alike took the
place of another, nor four bits that tear in pairs; and when the first sector is an old one, the dbtime is old as well.
So of a page and its image the image counts unless the page is newer and right: the newest image, by dbtime, of equal
ones the last.

Why that is safe.  A page goes to its place right after its image, and until the database is made durable a crash may
leave either: a database in which the newest image of each page has come to its place is one that the crash could have
left as well.  That holds for the database, and for the log, that the images were made with, and so an image counts
only where both are there:

    state    sign_db, sign_log, state, number, lgposAttach and its time, lgposConsistent and lgposLastReattach are those
             in the header.  Each attach, detach and recovery changes one of them, ours and those of the real engine.
             So images mean nothing to a database that was shut down, recovered, attached again or replaced since.
    mark     the log has what was durable in it when the images were made (`engine.log.mark`): the changes in an image,
             and what undoes them, lie before its mark.  So an image is not taken when database and log were
             replaced by older ones, or when the log was cut; with the whole log, an older copy of the database of the
             same attach may have it, which is then what redo would have made.
    start    the mark does not lie before the place where recovery begins.  What changed a page after its image lies
             behind the mark, and is replayed: an image that is older than what has become of its page gets there too.

A page that is newer than its image, and right, was written by somebody else on the same log - a recovery of the real
engine that did not end - and stays.  A file with another magic number, of another version, is passed over.

While recovery writes, its pages go to a second file, and the first stays.  Before that the pages taken from either are
put where they belong: then nothing depends on what the second one held (`engine.recovery.database_pages`).
Source: architecture, rule 6; database reference 1.4, 2.1, 2.3; log reference 3.8.
"""

from __future__ import annotations

import struct
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError
from engine.files.base import FileKind, OpenMode
from engine.format.checksum import verify_page
from engine.format.page import page_offset
from engine.log.mark import LogMark
from engine.log.paths import folder_of
from engine.types import LgPos, LogTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.page_reading import File as Readable

LIVE: Final = ".shadow"
"""Added to the name of the database: pages that live work writes."""
RECOVERY: Final = ".shadow2"
"""The same for those that recovery writes, which needs the first one until it has ended."""

_MAGIC: Final = b"ESEshad2"
_STATE: Final = struct.Struct("<28s28sII8s8s8s8s")
_HEAD: Final = struct.Struct(f"<8sIII8s8sI{_STATE.size}s")
_CHECKED_FROM: Final = 12
_ENTRY: Final = struct.Struct("<II")
_DBTIME: Final = struct.Struct("<Q")
_DBTIME_AT: Final = 8
_ROUND: Final = 8 * 1024 * 1024


def state_of(header: DatabaseHeader) -> bytes:
    """Return what in a header tells a database, and the run it is in, from all others."""
    return _STATE.pack(
        header.sign_db.pack(),
        header.sign_log.pack(),
        int(header.state),
        header.dbid,
        header.lgpos_attach.pack(),
        header.logtime_attach.pack(),
        header.lgpos_consistent.pack(),
        header.lgpos_last_reattach.pack(),
    )


class Bond(NamedTuple):
    """What images must fit: the `state_of` the database in its file, and the log that is replayed, from `start` on."""

    state: bytes
    start: LgPos
    reaches: Callable[[LogMark], bool]


class PageShadow:
    """Writes the shadow of one database.  Safe from any thread.

    `state` is the `state_of` the header in the file, `sync_database` makes durable what was written to the database so
    far.  Whoever writes pages where they belong right after `protect` holds `lock` over both; who gives it up in
    between finds by `round` whether his images are still there.
    """

    def __init__(
        self,
        fs: FileSystem,
        path: str,
        page_size: int,
        state: bytes,
        sync_database: Callable[[], None],
    ) -> None:
        self.path = path
        self.state = state
        self.round = 0
        """Number of the present round; images of earlier ones are gone."""
        self.lock = threading.RLock()
        self._fs = fs
        self._page_size = page_size
        self._sync_database = sync_database
        self._file: File | None = None
        self._at = 0
        self.most = (page_size - _HEAD.size) // _ENTRY.size
        """Pages that one call takes."""

    def protect(self, pages: Sequence[tuple[int, bytes | bytearray]], mark: LogMark) -> int:
        """Make images of pages durable, as (number, bytes); afterwards they may be written where they belong.

        All that is in the images lies before `mark`, and nothing between it and the mark is about these pages.  Returns
        the round that they are in.
        """
        with self.lock:
            if self._file is None:
                self._file = self._fs.open(self.path, OpenMode.CREATE)
                # The name is there before a page relies on it.
                self._fs.fsync_directory(folder_of(self.path))
                self.round, self._at = self.round + 1, 0
            size = (1 + len(pages)) * self._page_size
            if self._at and self._at + size > _ROUND:
                # What these images were for is on the disk before others take their place.
                self._sync_database()
                self.round, self._at = self.round + 1, 0
            index = self._index(pages, mark)
            self._file.write_at(self._at, b"".join((index, *(data for _, data in pages))))
            # The images are on the disk before a page of the database can tear.
            self._file.fsync()
            self._at += size
            return self.round

    def _index(self, pages: Sequence[tuple[int, bytes | bytearray]], mark: LogMark) -> bytearray:
        index = bytearray(self._page_size)
        position, created = mark.position.pack(), mark.created.pack()
        _HEAD.pack_into(index, 0, _MAGIC, 0, len(pages), self.round, position, created, mark.check, self.state)
        for place, (pgno, data) in enumerate(pages):
            _ENTRY.pack_into(index, _HEAD.size + place * _ENTRY.size, pgno, zlib.crc32(data))
        index[8:_CHECKED_FROM] = zlib.crc32(index[_CHECKED_FROM:]).to_bytes(4, "little")
        return index

    def close(self) -> None:
        """Close the file and leave it: it may be needed.  Idempotent."""
        with self.lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def remove(self) -> None:
        """Close and remove the file: every page is durable where it belongs."""
        self.close()
        remove_shadow(self._fs, self.path)


def remove_shadow(fs: FileSystem, path: str) -> None:
    """Remove a shadow if there is one.  One that stays does no harm: it does not fit what the header says by then."""
    with suppress(EseError):
        if fs.stat(path) is not None:
            fs.unlink(path)


def make_shadows_durable(fs: FileSystem, database: str) -> None:
    """Make durable what the shadows of a database hold: images may have been read that never reached the disk."""
    for suffix in (LIVE, RECOVERY):
        if _is_file(fs, database + suffix):
            with fs.open(database + suffix, OpenMode.READ_WRITE) as file:
                # The images are on the disk before the pages that they are for are touched.
                file.fsync()


def torn_pages(fs: FileSystem, database: Readable, page_size: int, bond: Bond) -> dict[int, bytes]:
    """Return the images that count instead of what the database has: of pages that are wrong, or not newer."""
    found: dict[int, bytes] = {}
    for suffix in (LIVE, RECOVERY):
        _gather(fs, database.path + suffix, page_size, bond, found)
    torn: dict[int, bytes] = {}
    for pgno, image in found.items():
        present = database.read_at(page_offset(pgno, page_size), page_size)
        if len(present) < page_size or present == image:
            continue
        if _dbtime(present) <= _dbtime(image) or verify_page(present, pgno) is not None:
            torn[pgno] = image
    return torn


class _Batch(NamedTuple):
    """A batch in a file: where its first page lies, and (number, CRC32) of its pages."""

    mark: LogMark
    at: int
    entries: tuple[tuple[int, int], ...]


def _gather(fs: FileSystem, path: str, page_size: int, bond: Bond, found: dict[int, bytes]) -> None:
    """Add the newest images of one file that the bond lets count."""
    if not _is_file(fs, path):
        return
    with fs.open(path) as file:
        batches = list(_batches(file, page_size, bond))
        last = _last_reached(batches, bond)
        for batch in batches:
            if last is None or batch.mark.position > last:
                continue
            for place, (pgno, check) in enumerate(batch.entries):
                image = file.read_at(batch.at + place * page_size, page_size)
                # An image that is torn itself is of a batch that was not finished: its page was not touched.
                if not pgno or len(image) < page_size or zlib.crc32(image) != check or verify_page(image, pgno):
                    continue
                before = found.get(pgno)
                if before is None or _dbtime(image) >= _dbtime(before):
                    found[pgno] = image


def _batches(file: File, page_size: int, bond: Bond) -> Iterator[_Batch]:
    """Yield the batches of a round that are of this state, and not from before the place where recovery begins."""
    at, end, number = 0, min(file.size(), 2 * _ROUND), None
    while at + page_size <= end:
        index = file.read_at(at, page_size)
        magic, check, count, within, position, created, log_check, state = _HEAD.unpack_from(index)
        if magic != _MAGIC or zlib.crc32(index[_CHECKED_FROM:]) != check or state != bond.state:
            return
        if not 0 < count <= (page_size - _HEAD.size) // _ENTRY.size or within != (number or within):
            return
        number = within
        mark = LogMark(LgPos.unpack(position), LogTime(created), log_check)
        if mark.position >= bond.start:
            entries = index[_HEAD.size : _HEAD.size + count * _ENTRY.size]
            yield _Batch(mark, at + page_size, tuple(_ENTRY.iter_unpack(entries)))
        at += (1 + count) * page_size


def _last_reached(batches: list[_Batch], bond: Bond) -> LgPos | None:
    """Return the last of the marks that the log has; it has all before that, as they were made on one log."""
    marks = sorted({each.mark for each in batches}, key=lambda each: each.position)
    low, high = 0, len(marks)
    while low < high:
        # The last first: nearly always the log has it, and nothing else needs a look.
        middle = high - 1 if high == len(marks) else (low + high) // 2
        if bond.reaches(marks[middle]):
            low = middle + 1
        else:
            high = middle
    return marks[low - 1].position if low else None


def _is_file(fs: FileSystem, path: str) -> bool:
    stat = fs.stat(path)
    return stat is not None and stat.kind is FileKind.FILE


def _dbtime(image: bytes) -> int:
    return int(_DBTIME.unpack_from(image, _DBTIME_AT)[0])
