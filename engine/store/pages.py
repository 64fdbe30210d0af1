"""The pages of an attached database while it is live: what is in memory is ahead of the file.

A `StorePages` is the `engine.redo.store.PageStore` that live records are applied to.  It keeps for each changed page
where the oldest of the transactions began that have changed it (recovery would have to start there: the checkpoint
stays before it) and which record changed it last (that one must be on the disk before the page is).

Each page goes to a shadow file before it goes where it belongs (`engine.pages.shadow`).

Pages leave memory only in `maintain`, never while an operation loads others: a page that an operation has in its hand
stays the page that counts.  All databases of an instance share one `PagePool`, whose limit is the size of the cache.

Writing has three steps, of which only the first and the last need the latch: pages are encoded (`take_off`), become
durable in the shadow (`protect`), and go where they belong (`land`).  A page in between is *in flight*: it stays in
memory, and what changes it makes it dirty anew, with a first transaction and a last record of its own.  What lands is
the older state, as if it had been written when it was encoded.  Eviction passes over pages in flight, `flush` calls
them back; what was called back does not land, so an older state never comes over a newer one.

A before-image is *pinned* to the page of its change until it is in the log or its transaction has ended.  When the page
is written first, its UndoInfo records are logged before it.

Source: log reference 5.2, 6.3, 6.7; database reference 2.2.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.levels import NEW_PAGE_LEVEL
from engine.format.page import FLUSH_TYPE_SHIFT, PageFlags, page_offset
from engine.format.versions import LOG_VERSION_NEW_PAGE
from engine.page_reading import read_verified
from engine.pages.mutable import MutablePage
from engine.pages.page_rules import assert_rules
from engine.pages.shadow import LIVE, RECOVERY, PageShadow, remove_shadow, state_of
from engine.store.pool import DEFAULT_CACHE_BYTES, PagePool
from engine.types import LGPOS_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.attached import AttachedDatabase
    from engine.format.dbheader import DatabaseHeader
    from engine.log.mark import LogMark
    from engine.store.journal import Journal
    from engine.types import LgPos

GROW_AHEAD: Final = 16
"""Pages by which the file is longer than what is owned after it grew."""

_FLUSH_TYPES: Final = 3
_LONGEST_WRITE: Final = 1024 * 1024
"""Bytes that go to the file in one piece."""


class BeforeImage(Protocol):
    """A change that can be taken back only with what its page held before, which is not in the log yet."""

    @property
    def pgno(self) -> int:
        """The page that the record of the change names."""

    def undo_info(self) -> lr.UndoInfo:
        """Return the record that brings the before-image into the log; asked for once, and logged at once."""


class _Dirty:
    """A changed page: where the oldest transaction began that has changed it, its first change and its last."""

    __slots__ = ("first", "last", "since")

    def __init__(self, first: LgPos, position: LgPos) -> None:
        self.first = first
        self.since = self.last = position


class Flight:
    """Pages on their way to the file: as they were at one moment, when all that is in them was in the log durably."""

    __slots__ = ("images", "mark", "marks", "round")

    def __init__(self, images: dict[int, bytearray], marks: dict[int, _Dirty], mark: LogMark) -> None:
        self.images = images
        self.marks = marks
        self.mark = mark
        self.round = 0


class StorePages:
    """The live pages of one attached database.

    Every method but `sync` and `protect` is called with the journal's latch held.
    `dbtime_last` and `objid_last` are the last numbers given out; `last_page` is the last page the database owns.
    `extension` gives the number of pages by which the database grows; it grows by that or a multiple of it.
    """

    def __init__(
        self,
        journal: Journal,
        database: AttachedDatabase,
        pool: PagePool | None = None,
        *,
        extension: Callable[[], int] = lambda: 1,
    ) -> None:
        self.journal = journal
        self.database = database
        self.dbid = database.dbid
        self.path = database.path
        self.page_size = database.page_size
        self.last_page = database.last_owned_page
        self.dbtime_last = self._dbtime_first = database.header.dbtime_dirtied
        self.objid_last = database.header.objid_last
        self.pool = PagePool(DEFAULT_CACHE_BYTES // self.page_size) if pool is None else pool
        self._extension = extension
        self._closed = False
        self._pages: OrderedDict[int, MutablePage] = OrderedDict()
        self._dirty: dict[int, _Dirty] = {}
        self._flying: dict[int, Flight] = {}
        """The pages in flight."""
        self._written: LgPos | None = None
        """Where recovery would have to start for pages that were written since the file was last made durable."""
        self._syncing: LgPos | None = None
        """The same for pages that are being made durable right now."""
        self._images: dict[int, dict[int, BeforeImage]] = {}
        """Kept before-images by page, and there by the identity of what keeps them."""
        self._begin0 = self._position = LGPOS_MIN
        self.read_only = database.read_only
        for suffix in () if self.read_only else (LIVE, RECOVERY):
            # What an earlier run left says nothing of a database that is clean.
            remove_shadow(database.fs, self.path + suffix)
        state = state_of(database.header)
        self._shadow = PageShadow(database.fs, self.path + LIVE, self.page_size, state, self._make_room)
        self._lost: EseError | None = None
        """What kept the file from becoming durable when the shadow needed its room."""
        self.pool.stores.append(self)
        self.sealed = self.read_only
        """Whether the log says, or is about to say, that the file has everything: nothing changes any more."""
        self.announces = False
        """Whether pages that trees get are announced by NewPage records."""
        self.raise_format()
        if not self.read_only:
            database.counters = self

    def raise_format(self) -> None:
        """Follow the format level of the database's header, within what the log stream can carry."""
        with_log = self.journal.writer.header.version >= LOG_VERSION_NEW_PAGE
        self.announces = with_log and self.database.header.update_major >= NEW_PAGE_LEVEL

    def keep_for(self, header: DatabaseHeader) -> None:
        """Keep images of pages for a database with this header, which is about to be written."""
        self._shadow.state = state_of(header)

    # PageStore.

    def load(self, pgno: int) -> MutablePage:
        """Return a page for change; -1018 and its family, -1019 blank, -4001 beyond the end, -357/-358."""
        page = self._pages.get(pgno)
        if page is not None:
            self._pages.move_to_end(pgno)
            return page
        if self._closed:
            raise EseError.from_code(Err.TermInProgress, "the database is not attached any more", path=self.path)
        page = MutablePage.decode(read_verified(self.database.file, pgno, self.page_size), pgno, path=self.path)
        self._pages[pgno] = page
        self.pool.count += 1
        return page

    def peek(self, pgno: int) -> MutablePage | None:
        """Return the page if it is in memory.  It is about to be built anew, and whatever the file has is older."""
        return self._pages.get(pgno)

    def put(self, page: MutablePage) -> None:
        """Take a page that was built anew."""
        if page.pgno not in self._pages:
            self.pool.count += 1
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
            # Recovery applies what a transaction logged only when it has seen its beginning.
            if self._begin0 < mark.first:  # noqa: PLR1730 - this costs less than a call of min
                mark.first = self._begin0

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
        step = self._extension()
        count = -(-pages // step) * step
        limit = self.database.cpg_max
        if limit:
            count = min(count, limit - self.last_page)
            if count < pages:
                raise EseError.from_code(Err.OutOfDatabaseSpace, f"limited to {limit} pages", path=self.path)
        first, last = self.last_page + 1, self.last_page + count
        self._grow(last)
        return first, count

    def take_first(self, count: int) -> None:
        """Let a new database own its first `count` pages; logged as `extend` does it."""
        self._grow(count)

    def _grow(self, last: int) -> None:
        size = page_offset(last + GROW_AHEAD + 1, self.page_size)
        file = self.database.file
        if file.size() < size:
            file.preallocate(size)
        position = self.journal.note(lr.ExtendDB(self.dbid, last))
        self.last_page = last
        self._written = position if self._written is None else min(self._written, position)
        self.database.resized(position)

    # Before-images.

    def pin_image(self, version: BeforeImage) -> None:
        """Have the before-image logged should its page be written."""
        self._images.setdefault(version.pgno, {})[id(version)] = version

    def unpin_image(self, version: BeforeImage, commit0: LgPos | None = None) -> None:
        """Forget a before-image: its transaction has ended, or it is in the log; nothing happens if it was not kept.

        `commit0` is where the transaction's commit lies, which may not be durable yet: as long as it is not, recovery
        takes the change back.  So the page is not written before it.
        """
        images = self._images.get(version.pgno)
        if images is None:
            return
        if commit0 is not None:
            mark = self._dirty.get(version.pgno)
            if mark is None and self._closed:
                # Given up at this moment by the thread that ends the instance, which waits for nobody.
                return
            if mark is None:
                raise EseError.from_code(Err.InternalError, "a before-image of no change", page=version.pgno)
            mark.last = max(mark.last, commit0)
        images.pop(id(version), None)
        if not images:
            self._images.pop(version.pgno, None)

    # Room.

    @property
    def worked(self) -> bool:
        """Whether a page has been changed since the database was attached."""
        return self.dbtime_last != self._dbtime_first

    @property
    def kept_pages(self) -> int:
        """Number of pages in memory."""
        return len(self._pages)

    @property
    def dirty_pages(self) -> int:
        """Number of pages that are ahead of the file."""
        return len(self._dirty.keys() | self._flying.keys())

    def maintain(self) -> None:
        """Do what is due between operations, when no page is in anybody's hand: keep the cache in its limit."""
        if self.pool.count > self.pool.limit:
            self.pool.shrink()

    def evict(self, count: int) -> None:
        """Let go of the `count` pages that were not used for longest; changed ones are written first."""
        going = list(islice((pgno for pgno in self._pages if pgno not in self._flying), count))
        self._write_now([pgno for pgno in going if pgno in self._dirty])
        for pgno in going:
            del self._pages[pgno]
        self.pool.count -= len(going)

    # Writing.

    def oldest(self) -> LgPos | None:
        """Return where recovery would have to start for the pages in memory; None when the file has everything."""
        found = [mark.first for mark in self._dirty.values()]
        found += [flight.marks[pgno].first for pgno, flight in self._flying.items()]
        found += [each for each in (self._written, self._syncing) if each is not None]
        return min(found, default=None)

    def due(self, before: LgPos, most: int, held: LgPos | None = None) -> list[int]:
        """Return up to `most` pages for which recovery would have to start before the position given.

        `held` is where the checkpoint stays whatever is written, because of an open transaction.  A page that holds it
        no further back is due by its own changes: one that the transaction changes again and again is not written
        each time, for nothing.
        """
        found: list[int] = []
        for pgno, mark in self._dirty.items():
            begins = mark.first if held is None or mark.first < held else mark.since
            if begins < before:
                found.append(pgno)
                if len(found) == most:
                    break
        return found

    def log_images(self, pgnos: Iterable[int]) -> LgPos:
        """Log what undoes the changes of pages; the position that must be durable before they are written."""
        newest = LGPOS_MIN
        for pgno in pgnos:
            mark = self._dirty[pgno]
            for image in self._images.pop(pgno, {}).values():
                mark.last = self.journal.note(image.undo_info())
            newest = max(newest, mark.last)
        return newest

    def write(self, pgnos: Iterable[int]) -> int:
        """Write those of the pages that may be: changed, and log and before-images are on the disk.  Their number."""
        count, left = 0, list(pgnos)
        while left:
            flight = self.take_off(left)
            if flight is None:
                break
            try:
                with self._shadow.lock:
                    self.protect(flight)
                    count += self.land(flight)
            finally:
                self.call_back(flight)
            left = [pgno for pgno in left if pgno not in flight.images]
        return count

    def take_off(self, pgnos: Iterable[int]) -> Flight | None:
        """Encode those of the pages that may be written, as many as go in one piece; None when there are none."""
        mark, dirty = self.journal.writer.mark, self._dirty
        tip = mark.position
        ready = sorted(p for p in pgnos if p in dirty and dirty[p].last < tip and p not in self._images)
        del ready[min(self._shadow.most, max(1, _LONGEST_WRITE // self.page_size)) :]
        if not ready:
            return None
        images = {pgno: self._encoded(pgno) for pgno in ready}
        marks = {pgno: self._dirty.pop(pgno) for pgno in ready}
        flight = Flight(images, marks, mark)
        self._flying.update(dict.fromkeys(ready, flight))
        return flight

    def protect(self, flight: Flight) -> None:
        """Make the pages of a flight durable in the shadow; called with or without the latch."""
        self.database.pages_change()
        try:
            flight.round = self._shadow.protect([*flight.images.items()], flight.mark)
        except EseError as error:
            if error is self._lost:
                # Only now: whoever holds the latch may wait for the shadow.
                self.journal.writer.take_down(error)
            raise

    def land(self, flight: Flight) -> int:
        """Write the pages of a flight where they belong, but for those that were called back; their number.

        None may land when their images in the shadow have given way to others meanwhile.
        """
        if flight.round != self._shadow.round:
            return 0
        landing = [pgno for pgno in flight.marks if self._flying.get(pgno) is flight]
        for run in _runs(landing):
            data = b"".join(flight.images[pgno] for pgno in run)
            self.database.write_pages(page_offset(run[0], self.page_size), data)
            for pgno in run:
                first = self._flying.pop(pgno).marks[pgno].first
                self._written = first if self._written is None else min(first, self._written)
        return len(landing)

    def call_back(self, flight: Flight) -> None:
        """Let what has not landed of a flight be dirty again."""
        for pgno, mark in flight.marks.items():
            if self._flying.get(pgno) is not flight:
                continue
            del self._flying[pgno]
            since = self._dirty.setdefault(pgno, mark)
            since.first = min(since.first, mark.first)
            since.since = mark.since

    def flush(self) -> None:
        """Write every changed page and make the file durable.  The log first: errors of the log."""
        for flight in set(self._flying.values()):
            self.call_back(flight)
        self._write_now(list(self._dirty))
        if self._written is not None or self._syncing is not None:
            # What follows - a clean header, a checkpoint - says that the file has these pages.
            self._make_durable()
            self._written = None

    def sync(self) -> None:
        """Make what was written durable; called without the latch, by one thread at a time."""
        latch = self.journal.latch
        with latch:
            if self._written is None:
                return
            self._syncing, self._written = self._written, None
        try:
            # The pages are on the disk before a checkpoint passes the records that changed them.
            self._make_durable()
        except EseError:
            with latch:
                self._written = min(each for each in (self._written, self._syncing) if each is not None)
                self._syncing = None
            raise
        with latch:
            self._syncing = None

    def _make_durable(self) -> None:
        """Make what was written to the file durable; a failure takes the log down.

        What the system could not write it may have forgotten: the next try would succeed without the pages.  The
        log has them all, so nothing more is done until a start recovers from it.
        """
        try:
            self.database.file.fsync()
        except EseError as error:
            self.journal.writer.take_down(error)
            raise

    def _make_room(self) -> None:
        """Make what was written to the file durable, for the shadow; who asked takes the log down."""
        try:
            self.database.file.fsync()
        except EseError as error:
            self._lost = error
            raise

    def close(self, *, clean: bool = False) -> None:
        """Give up the pages in memory; idempotent.  `clean`: the file has them all, durably."""
        self._closed = True
        if clean:
            self._shadow.remove()
        else:
            self._shadow.close()
        self.pool.count -= len(self._pages)
        self._pages.clear()
        self._dirty.clear()
        self._flying.clear()
        # Whoever is about to say that a commit is durable has nothing to say of these pages any more.
        self._images.clear()
        if self in self.pool.stores:
            self.pool.stores.remove(self)

    def _write_now(self, pgnos: list[int]) -> None:
        newest = self.log_images(pgnos)
        if pgnos and self.journal.writer.tip <= newest:
            self.journal.writer.flush()
        self.write(pgnos)

    def _encoded(self, pgno: int) -> bytearray:
        """Return the bytes of a page; every write steps the page's write counter, as the engine does."""
        page = self._pages[pgno]
        assert_rules(page)
        step = (page.flags & int(PageFlags.FLUSH_TYPE)) >> FLUSH_TYPE_SHIFT
        page.flags = page.flags & ~int(PageFlags.FLUSH_TYPE) | (step % _FLUSH_TYPES + 1) << FLUSH_TYPE_SHIFT
        return page.encode()


def _runs(pgnos: list[int]) -> Iterator[list[int]]:
    """Yield ascending page numbers as runs of neighbours."""
    run = pgnos[:1]
    for before, pgno in pairwise(pgnos):
        if pgno != before + 1:
            yield run
            run = []
        run.append(pgno)
    if run:
        yield run
