"""The pages of one database while its log is replayed: read from the file, changed above it.

Until the whole log has been replayed nothing is written to the file: changed pages that do not fit the cache go to an
unnamed temporary file.  So a replay that has to be refused has changed nothing, and a database can be looked at as
it would be after recovery.  `write_back` brings the pages into the file in the end.

A database that the log builds anew, from its CreateDB record on, has no file below: `NoFile` stands for it.

Source: log reference 3.1, 3.2, 3.6, 3.11.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from engine.files.base import OpenMode
from engine.format.page import page_offset
from engine.pages.cache import PageCache
from engine.pages.shadow import RECOVERY, PageShadow, make_shadows_durable, torn_pages
from engine.pages.source import FilePages, SpilledPages
from engine.space import owned_pages

if TYPE_CHECKING:
    from engine.errors import EseError
    from engine.files.base import File, FileSystem
    from engine.log.mark import LogMark
    from engine.page_reading import File as Readable
    from engine.pages.shadow import Bond
    from engine.types import LgPos

_BATCH: Final = 64
"""Pages written to the database at once."""

CACHE_BYTES: Final = 32 * 1024 * 1024
"""Bytes of pages that are kept decoded; the rest goes to the temporary file."""


class NoFile:
    """The empty file below a database that is built anew."""

    def __init__(self, path: str) -> None:
        self.path = path

    def size(self) -> int:
        """Return 0."""
        return 0

    def read_at(self, offset: int, length: int) -> bytes:  # noqa: ARG002 - a file's method
        """Return nothing."""
        return b""

    def close(self) -> None:
        """Do nothing."""


class ReplayedPages:
    """Pages of a database that takes part in a replay: a `engine.recovery.replay.ReplayedDatabase`.

    `attach_position` is its lgposAttach: records at or before it are not for it.  `dbtime_last` and `objid_last`
    begin at the greater of what its header and the list of attached databases say.  At most `cache_pages` are kept
    decoded (0: what fits 32 MiB), and pages whose before-images are not logged yet.  `anew`: whatever lies at `path` is
    not looked at.  With a `bond` torn pages are taken from the shadows of the database, and those that are written are
    kept twice; without, the file is one that is made anew when its writing does not end.
    """

    def __init__(  # noqa: PLR0913 - what a database in a replay consists of
        self,
        fs: FileSystem,
        path: str,
        page_size: int,
        *,
        attach_position: LgPos,
        dbtime: int,
        objid: int,
        anew: bool = False,
        cache_pages: int = 0,
        bond: Bond | None = None,
    ) -> None:
        self.attach_position = attach_position
        self.dbtime_last = dbtime
        self.objid_last = objid
        self._file: Readable = NoFile(path) if anew else fs.open(path, OpenMode.READ)
        self.page_size = page_size
        try:
            self.spilled = SpilledPages(FilePages(self._file, page_size, cache_bytes=4 * 1024 * 1024))
            self._fs, self._bond = fs, bond
            self.torn = {} if bond is None else torn_pages(fs, self._file, page_size, bond)
            """Pages that count instead of those in the file, until `mend` has put them there."""
            for pgno, image in self.torn.items():
                self.spilled.write(pgno, image)
        except BaseException:
            self._file.close()
            raise
        self.cache = PageCache(
            path,
            page_size,
            read=self.spilled.read,
            write=self.spilled.write,
            capacity=cache_pages or CACHE_BYTES // page_size,
        )
        self.resized = False

    @property
    def store(self) -> PageCache:
        """The pages for redo."""
        return self.cache

    @property
    def changed(self) -> bool:
        """Whether the file has to be written."""
        return bool(self.cache.dirty_pages or self.spilled.replayed or self.resized)

    def pin(self, pgno: int) -> None:
        """Keep a page decoded: a before-image of it is not in the log yet."""
        self.cache.pin(pgno)

    def unpin(self, pgno: int) -> None:
        """Take one `pin` back."""
        self.cache.unpin(pgno)

    def extend(self, last_page: int) -> None:
        """Let the database reach to `last_page`."""
        self.spilled.grow(last_page)
        self.resized = True

    def shrink(self, last_page: int) -> None:
        """End the database after `last_page`."""
        self.cache.drop_from(last_page + 1)
        self.spilled.cut(last_page)
        self.resized = True

    def trim(self, first: int, count: int) -> None:
        """Forget what does not fit about pages that were given back to the file system."""
        self.cache.forget(first, count)

    def check(self) -> None:
        """Raise for a page that did not fit its record and that no later record did away with."""
        for error in self.cache.mismatches.values():
            raise error

    @property
    def rebuilt(self) -> dict[int, EseError]:
        """Damaged pages that the log has built anew."""
        return self.cache.rebuilt

    def mend(self, target: File) -> None:
        """Put the pages that were taken from shadows where they belong, durably; the log need not have any more yet.

        A crash in between tears pages of which the shadows have what they had.
        """
        if not self.torn:
            return
        make_shadows_durable(self._fs, target.path)
        for pgno, image in sorted(self.torn.items()):
            target.write_at(page_offset(pgno, self.page_size), image)
        # From here on no page depends on the images: their file may be used again, and the log be cut before them.
        target.fsync()
        self.torn.clear()

    def write_back(self, target: File, mark: LogMark) -> None:
        """Write every changed page to the database, make it durable, and end the file behind the last owned page.

        The log that describes the changes must be durable before; `mark` is its end.  Written in page order; a crash in
        between is repaired by replaying again, because each page says by its dbtime what it holds already.
        """
        self.mend(target)
        self.cache.flush()
        bond, shadow = self._bond, None
        if bond is not None:
            shadow = PageShadow(self._fs, target.path + RECOVERY, self.page_size, bond.state, target.fsync)
        with ExitStack() as opened:
            if shadow is not None:
                opened.callback(shadow.close)
            self._write_all(target, shadow, mark)
        # The pages are on the disk before a header says that the database is clean.
        target.fsync()
        end = page_offset(owned_pages(target, self.page_size).last + 1, self.page_size)
        if target.size() != end:
            target.truncate(end)
            target.fsync()

    def _write_all(self, target: File, shadow: PageShadow | None, mark: LogMark) -> None:
        written = self.spilled.written()
        step = _BATCH if shadow is None else min(_BATCH, shadow.most)
        for start in range(0, len(written), step):
            batch = [(pgno, self.spilled.read(pgno)) for pgno in written[start : start + step]]
            if shadow is not None:
                shadow.protect(batch, mark)
            for pgno, data in batch:
                target.write_at(page_offset(pgno, self.page_size), data)

    def close(self) -> None:
        """Give up the file and the temporary one; idempotent."""
        self.spilled.close()
        self._file.close()
