"""Lost writes: a page on the disk against what the flush map beside the database remembers of its last write.

Every write of a page steps a two-bit counter in its flags, 1 2 3 1 ..., and the map keeps the same counter:

    map      page     verdict
    0        any      nothing is known
    1..3     0        written by something that does not count: no verdict
    1..3     same     right
    1..3     other    an older version of the page: the last write of it was lost, -1119
    1..3     blank    the page was written and is not there: -1119

The map is believed while it is its database's own (see `engine.format.flushmap`) and closed clean.  One that was
open when its engine died may be ahead of the pages or behind them; the engine too looks away until replay has brought
them together.  A page of the map is not believed when its checksum is wrong, or when a page of the database has a
greater dbtime than the map page has seen: then it is the map that lost a write.

What is compared is small (a byte and a number a page), so that threads may gather it batch by batch.
Source: database reference 8.1; jet-api reference R29.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.checksum import verify_page
from engine.format.flushmap import (
    DBTIME_UNKNOWN,
    FLUSH_MAP_PAGE_SIZE,
    FLUSH_MAP_SLOTS,
    FlushMapHeader,
    map_page_dbtime,
)
from engine.format.page import FLUSH_TYPE_SHIFT
from engine.log.paths import without_extension

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from engine.files.base import File, FileSystem
    from engine.format.checksum_batch import PageBatchResult
    from engine.format.dbheader import DatabaseHeader
    from engine.format.page import Buffer
    from engine.types import Signature

EXTENSION: Final = ".jfm"
_FLAG_WORD: Final = 4
"""The flags are the upper half of the fifth 64-bit word of a page, its dbtime is the second word."""


class PageMarks(NamedTuple):
    """The write counters and dbtimes of consecutive pages from `first` on; `blank` says which are all zero."""

    first: int
    flush_types: NDArray[np.uint8]
    dbtimes: NDArray[np.uint64]
    blank: NDArray[np.bool_]


class LostWrite(NamedTuple):
    """A page whose last write did not reach the disk: its number, and the counters of map and page (0: blank)."""

    pgno: int
    expected: int
    actual: int
    map_page: int


class Distrust(NamedTuple):
    """A page of the map that is not believed: damaged (`code`), or older than page `pgno` of the database."""

    map_page: int
    code: int
    dbtime_max: int = 0
    pgno: int = 0
    dbtime: int = 0


class Compared(NamedTuple):
    """What came out for some pages; each map page is distrusted once."""

    lost: list[LostWrite]
    distrusted: list[Distrust]


def page_marks(pages: Buffer, page_size: int, result: PageBatchResult) -> PageMarks:
    """Gather what is compared from the whole pages in `pages`, whose checksums gave `result`."""
    import numpy as np  # noqa: PLC0415 - takes 0.15 s, and not every command looks at pages

    words = np.frombuffer(pages, "<u8").reshape(result.count, page_size // 8)
    flush_types = (words[:, _FLAG_WORD] >> np.uint64(32 + FLUSH_TYPE_SHIFT) & np.uint64(3)).astype(np.uint8)
    return PageMarks(result.first_pgno, flush_types, words[:, 1].copy(), result.blank)


def map_path(path: str) -> str:
    """Return where the flush map of the database at `path` lies."""
    return without_extension(path) + EXTENSION


def read_map_header(fs: FileSystem, path: str) -> FlushMapHeader | None:
    """Return the header of the map beside the database at `path`, None when there is no map; errors as `parse`."""
    place = map_path(path)
    stat = fs.stat(place)
    if stat is None or stat.kind is not FileKind.FILE:
        return None
    with fs.open(place) as file:
        return FlushMapHeader.parse(file.read_at(0, FLUSH_MAP_PAGE_SIZE), path=place)


def believable_flush_map(fs: FileSystem, path: str, header: DatabaseHeader) -> Signature | None:
    """Return the signature of the flush map beside the database at `path` if the engine would take that map.

    None when there is no map; -1018, -1812, -1918, -1919, -1920 for one that the engine would throw away.
    """
    found = read_map_header(fs, path)
    if found is None:
        return None
    refused = found.refused_for(header)
    if refused is not None:
        raise EseError.from_code(refused, path=map_path(path))
    return found.sign_flush_map_hdr_flush


class FlushMap:
    """A believed map, open for reading.  One map page is kept, so pages are best asked for in their order."""

    def __init__(self, file: File, header: FlushMapHeader) -> None:
        self.path = file.path
        self._file = file
        self._header = header
        self._kept = -1
        self._states: NDArray[np.uint8] | None = None
        self._dbtime_max = DBTIME_UNKNOWN
        self._distrusted: set[int] = set()

    @classmethod
    def open(cls, fs: FileSystem, path: str, header: DatabaseHeader) -> Self | None:
        """Open the map of the database at `path` with that header; None when there is none to be believed.

        The map is a help, not a part of the data: one that cannot be read is a map that is not there.
        """
        try:
            found = read_map_header(fs, path)
            if found is None or not found.clean or not found.accepted_for(header):
                return None
            return cls(fs.open(map_path(path)), found)
        except EseError:
            return None

    def compare(self, marks: PageMarks, skip: Collection[int] = ()) -> Compared:
        """Compare pages with the map; those in `skip` are left out, for what a damaged page says is worth nothing."""
        lost: list[LostWrite] = []
        distrusted: list[Distrust] = []
        end = marks.first + len(marks.flush_types)
        at = marks.first
        while at < end:
            number = at // FLUSH_MAP_SLOTS
            stop = min(end, (number + 1) * FLUSH_MAP_SLOTS)
            doubt = self._turn_to(number)
            if doubt is None:
                doubt = self._compare(marks, at, stop, skip, lost)
            if doubt is not None:
                self._distrusted.add(number)
                self._states = None
                distrusted.append(doubt)
            at = stop
        return Compared(lost, distrusted)

    def believed(self, map_page: int) -> bool:
        """Whether nothing speaks against that page of the map so far."""
        return map_page not in self._distrusted

    def counter(self, pgno: int) -> int:
        """Return the write counter 1..3 that the engine will look for in a page, 0 when it takes any.

        Raised is what the system says to reading the map: who writes a page has to know.
        """
        number, slot = divmod(pgno, FLUSH_MAP_SLOTS)
        doubt = self._turn_to(number)
        if doubt is not None:
            self._distrusted.add(number)
            if doubt.code != Err.ReadVerifyFailure:
                raise EseError.from_code(doubt.code, path=self.path)
        return 0 if self._states is None else int(self._states[slot])

    def unchanged(self) -> bool:
        """Whether the map's header on the disk is still the one it was opened with: nobody has begun to write."""
        try:
            return self._file.read_at(0, FLUSH_MAP_PAGE_SIZE) == self._header.raw
        except EseError:
            return False

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _turn_to(self, number: int) -> Distrust | None:
        """Have map page `number` at hand; `_states` is None when it knows nothing."""
        if number == self._kept:
            return None
        self._kept, self._states = number, None
        if number in self._distrusted:
            return None
        try:
            page = self._file.read_at((number + 1) * FLUSH_MAP_PAGE_SIZE, FLUSH_MAP_PAGE_SIZE)
        except EseError as error:
            return Distrust(number, error.code)
        # A map may end early, and a page of zeros was never written: both know nothing.
        if len(page) < FLUSH_MAP_PAGE_SIZE or not any(page):
            return None
        if verify_page(page, number) is not None:
            return Distrust(number, Err.ReadVerifyFailure)
        self._states, self._dbtime_max = _states_of(page), map_page_dbtime(page)
        return None

    def _compare(
        self, marks: PageMarks, begin: int, end: int, skip: Collection[int], lost: list[LostWrite]
    ) -> Distrust | None:
        """Compare the pages `begin` to `end` - 1, all of the map page at hand; returns why not to believe it."""
        import numpy as np  # noqa: PLC0415 - see page_marks

        if self._states is None:
            return None
        part = slice(begin - marks.first, end - marks.first)
        slot = begin - self._kept * FLUSH_MAP_SLOTS
        expected = self._states[slot : slot + end - begin]
        actual, blank = marks.flush_types[part], marks.blank[part]
        known = expected != 0
        if skip:
            known[[each - begin for each in skip if begin <= each < end]] = False
        if self._dbtime_max != DBTIME_UNKNOWN:
            newer = np.flatnonzero(known & ~blank & (marks.dbtimes[part] > np.uint64(self._dbtime_max)))
            if len(newer):
                first = int(newer[0])
                dbtime = int(marks.dbtimes[part][first])
                return Distrust(self._kept, Err.Success, self._dbtime_max, begin + first, dbtime)
        wrong = known & (blank | ((actual != 0) & (actual != expected)))
        for index in np.flatnonzero(wrong).tolist():
            found = 0 if blank[index] else int(actual[index])
            lost.append(LostWrite(begin + index, int(expected[index]), found, self._kept))
        return None


def _states_of(page: bytes) -> NDArray[np.uint8]:
    """Return the FLUSH_MAP_SLOTS write counters of a map page."""
    import numpy as np  # noqa: PLC0415 - see page_marks

    packed = np.frombuffer(page, np.uint8, offset=FLUSH_MAP_PAGE_SIZE - FLUSH_MAP_SLOTS // 4)
    return (packed[:, None] >> np.array([6, 4, 2, 0], np.uint8) & np.uint8(3)).astype(np.uint8).reshape(-1)
