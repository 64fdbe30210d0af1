"""The pages of an attached database while it is live: what is in memory is ahead of the file.

A `StorePages` is the `engine.redo.store.PageStore` that live records are applied to.  It keeps for each changed page
where the transaction began that changed it first (recovery would have to start there: the checkpoint stays before
it) and which record changed it last (that one must be on the disk before the page is).

Pages leave memory only in `maintain`, never while an operation loads others: a page that an operation has in its hand
stays the page that counts.

A before-image is *pinned* to the page of its change until it is in the log or its transaction has ended.  When the page
is written first, its UndoInfo records are logged before it.

Source: log reference 5.2, 6.3, 6.7; database reference 2.2.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.page import FLUSH_TYPE_SHIFT, PageFlags, page_offset
from engine.pages.mutable import MutablePage
from engine.pages.source import read_verified
from engine.types import LGPOS_MIN

if TYPE_CHECKING:
    from engine.attached import AttachedDatabase
    from engine.store.journal import Journal
    from engine.types import LgPos

DEFAULT_CACHE_PAGES: Final = 4096
"""Pages kept decoded unless told otherwise."""

GROW_AHEAD: Final = 16
"""Pages by which the file is longer than what is owned after it grew."""

_UNREADABLE: Final = frozenset(
    (Err.ReadVerifyFailure, Err.ReadPgnoVerifyFailure, Err.PageNotInitialized, Err.FileIOBeyondEOF)
)
_FLUSH_TYPES: Final = 3


class BeforeImage(Protocol):
    """A change that can be taken back only with what its page held before, which is not in the log yet."""

    @property
    def pgno(self) -> int:
        """The page that the record of the change names."""

    def undo_info(self) -> lr.UndoInfo:
        """Return the record that brings the before-image into the log; asked for once, and logged at once."""


class _Dirty:
    """A changed page: where its first change's transaction began, and its last change."""

    __slots__ = ("first", "last")

    def __init__(self, first: LgPos, last: LgPos) -> None:
        self.first = first
        self.last = last


class StorePages:
    """The live pages of one attached database.  Every method is called with the journal's latch held.

    `dbtime_last` and `objid_last` are the last numbers given out; `last_page` is the last page the database owns.
    """

    def __init__(
        self,
        journal: Journal,
        database: AttachedDatabase,
        *,
        capacity: int = DEFAULT_CACHE_PAGES,
        extension: int = 1,
    ) -> None:
        self.journal = journal
        self.database = database
        self.dbid = database.dbid
        self.path = database.path
        self.page_size = database.page_size
        self.last_page = database.last_owned_page
        self.dbtime_last = database.header.dbtime_dirtied
        self.objid_last = database.header.objid_last
        self._capacity = max(16, capacity)
        self._extension = extension
        self._pages: OrderedDict[int, MutablePage] = OrderedDict()
        self._dirty: dict[int, _Dirty] = {}
        self._written: LgPos | None = None
        """Where recovery would have to start for pages that were written since the file was last made durable."""
        self._images: dict[int, list[BeforeImage]] = {}
        self._begin0 = self._position = LGPOS_MIN
        database.counters = self

    # PageStore.

    def load(self, pgno: int) -> MutablePage:
        """Return a page for change; -1018 and its family, -1019 blank, -4001 beyond the end, -357/-358."""
        page = self._pages.get(pgno)
        if page is not None:
            self._pages.move_to_end(pgno)
            return page
        page = MutablePage.decode(read_verified(self.database.file, pgno, self.page_size), pgno, path=self.path)
        self._pages[pgno] = page
        return page

    def peek(self, pgno: int) -> MutablePage | None:
        """Return the page, None when it was never written or cannot be read: it is about to be built anew."""
        try:
            return self.load(pgno)
        except EseError as error:
            if error.code not in _UNREADABLE:
                raise
            return None

    def put(self, page: MutablePage) -> None:
        """Take a page that was built anew."""
        self._pages[page.pgno] = page
        self._pages.move_to_end(page.pgno)
        self.changed(page)

    def changed(self, page: MutablePage) -> None:
        """Note a change by the record last stamped."""
        mark = self._dirty.get(page.pgno)
        if mark is None:
            self._dirty[page.pgno] = _Dirty(self._begin0, self._position)
        else:
            mark.last = self._position

    def mismatch(self, pgno: int, error: EseError) -> None:  # noqa: ARG002 - a page store's method
        """Raise: live records fit their pages."""
        raise error

    def stamp(self, position: LgPos, begin0: LgPos) -> None:
        """Say which record, and which transaction's beginning, the changes from here on belong to."""
        self._position, self._begin0 = position, begin0

    # Counters and size.

    def next_dbtime(self) -> int:
        """Return the number for the next change of pages."""
        self.dbtime_last += 1
        return self.dbtime_last

    def next_objid(self) -> int:
        """Return the number for the next tree."""
        self.objid_last += 1
        return self.objid_last

    def extend(self, pages: int, procid: int) -> tuple[int, int]:  # noqa: ARG002 - who asks
        """Let the database own at least `pages` more at its end; (first, count) of the new ones.

        -1012 when the size limit of the database forbids it, -1808 when the disk is full.  The caller enters the new
        pages in the space trees of the system root.
        """
        count = -(-pages // self._extension) * self._extension
        limit = self.database.cpg_max
        if limit:
            count = min(count, limit - self.last_page)
            if count < pages:
                raise EseError.from_code(Err.OutOfDatabaseSpace, f"limited to {limit} pages", path=self.path)
        first, last = self.last_page + 1, self.last_page + count
        size = page_offset(last + GROW_AHEAD + 1, self.page_size)
        file = self.database.file
        if file.size() < size:
            file.preallocate(size)
        position = self.journal.note(lr.ExtendDB(self.dbid, last))
        self.last_page = last
        self.database.resized(position)
        return first, count

    # Before-images.

    def pin_image(self, version: BeforeImage) -> None:
        """Have the before-image logged should its page be written."""
        self._images.setdefault(version.pgno, []).append(version)

    def unpin_image(self, version: BeforeImage) -> None:
        """Forget a before-image: its transaction has ended, or it is in the log; nothing happens if it was not kept."""
        images = self._images.get(version.pgno)
        if images is None:
            return
        images[:] = [each for each in images if each is not version]
        if not images:
            del self._images[version.pgno]

    # Writing.

    @property
    def dirty_pages(self) -> int:
        """Number of pages that are ahead of the file."""
        return len(self._dirty)

    def oldest(self) -> LgPos | None:
        """Return where recovery would have to start for the pages in memory; None when the file has everything."""
        found = [mark.first for mark in list(self._dirty.values())]
        if self._written is not None:
            found.append(self._written)
        return min(found, default=None)

    def flush(self) -> None:
        """Write every changed page in page order and make the file durable.  The log first: errors of the log."""
        self._write(sorted(self._dirty))
        if self._written is not None:
            # What follows - a clean header, a checkpoint - says that the file has these pages.
            self.database.file.fsync()
            self._written = None

    def maintain(self) -> None:
        """Keep within the capacity: called between operations, when no page is in anybody's hand."""
        if len(self._pages) <= self._capacity:
            return
        surplus = len(self._pages) - self._capacity * 3 // 4
        going = [pgno for pgno, _ in zip(self._pages, range(surplus), strict=False)]
        self._write(sorted(pgno for pgno in going if pgno in self._dirty))
        for pgno in going:
            del self._pages[pgno]

    def _write(self, pgnos: list[int]) -> None:
        """Write pages: first what undoes their changes into the log, then the log to the disk, then the pages."""
        if not pgnos:
            return
        for pgno in pgnos:
            for image in self._images.pop(pgno, ()):
                self._dirty[pgno].last = self.journal.note(image.undo_info())
        newest = max(self._dirty[pgno].last for pgno in pgnos)
        if self.journal.writer.tip <= newest:
            self.journal.writer.flush()
        self.database.pages_change()
        for pgno in pgnos:
            page = self._pages[pgno]
            # Every write steps the page's write counter, as the engine does.
            step = (page.flags & PageFlags.FLUSH_TYPE) >> FLUSH_TYPE_SHIFT
            page.flags = page.flags & ~PageFlags.FLUSH_TYPE | (step % _FLUSH_TYPES + 1) << FLUSH_TYPE_SHIFT
            self.database.file.write_at(page_offset(pgno, self.page_size), page.encode())
            first = self._dirty.pop(pgno).first
            self._written = first if self._written is None else min(first, self._written)
