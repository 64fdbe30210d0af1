"""A database page: header, tag array, blobs.

    0 .. 39          header (small pages: 2, 4 and 8 KiB)
    0 .. 79          header (large pages: 16 and 32 KiB; block checksums at 40, own page number at 64)
    hdr .. hdr+mic   blobs in any physical order, with holes
    ...              free
    size-4*n .. size tag array, growing downwards: tag i is the 4 bytes at size - 4*(i+1)

A tag is `{u16 size, u16 offset from the end of the header}`.  Small pages keep the three node flags in the top
bits of the offset; large pages keep them in the top bits of the blob's own first word.  The other spare bits are
garbage in real files and are always masked.  Tag 0 is the external header and never carries flags; tags
`1 .. reserved-1` (none in practice) are reserved blobs; the rest are the lines, in key order.

Page `pgno` (from 1) lies at `(pgno + 1) * page_size`, behind the two header pages.

Source: database reference 1.1, 2.1, 2.2, 2.4, 2.5.
"""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZES: Final = (2048, 4096, 8192, 16384, 32768)
"""Page sizes that occur; 2048 is read only."""

WRITABLE_PAGE_SIZES: Final = (4096, 8192, 16384, 32768)
LARGEST_SMALL_PAGE: Final = 8192
SMALL_HEADER: Final = 40
LARGE_HEADER: Final = 80
TAG_SIZE: Final = 4
HEADER_PAGES: Final = 2
"""Physical pages before page 1: the header and its shadow."""

_SMALL = struct.Struct("<QQIIIHHHHI")
_LARGE = struct.Struct("<QQIIIHHHHIQQQI12x")
_TAG = struct.Struct("<HH")
_WORD = struct.Struct("<H")

_SMALL_MASK: Final = 0x1FFF
_LARGE_MASK: Final = 0x7FFF
_FLAG_SHIFT: Final = 13
_TAG_COUNT_MASK: Final = 0x0FFF
_RESERVED_SHIFT: Final = 12
_SMALLEST_LINE: Final = 4

Buffer: TypeAlias = bytes | bytearray | memoryview


def is_large(page_size: int) -> bool:
    """Return whether pages of this size have the 80-byte header and four checksum blocks."""
    return page_size > LARGEST_SMALL_PAGE


def header_size(page_size: int) -> int:
    """Return the bytes of the page header, 40 or 80."""
    return LARGE_HEADER if page_size > LARGEST_SMALL_PAGE else SMALL_HEADER


def page_offset(pgno: int, page_size: int) -> int:
    """Return the byte offset in the file of page `pgno` (from 1)."""
    return (pgno + HEADER_PAGES - 1) * page_size


def page_number(offset: int, page_size: int) -> int:
    """Return the page at byte `offset` of the file; the header pages give -1 and 0."""
    return offset // page_size - HEADER_PAGES + 1


def pages_in_file(file_size: int, page_size: int) -> int:
    """Return the whole database pages that a file of `file_size` bytes holds, a trailer page included."""
    return max(0, file_size // page_size - HEADER_PAGES)


class PageFlags(IntFlag):
    """What a page is (fFlags); unknown bits are kept."""

    ROOT = 0x1
    LEAF = 0x2
    PARENT_OF_LEAF = 0x4
    EMPTY = 0x8
    REPAIRED = 0x10
    SPACE_TREE = 0x20
    INDEX = 0x40
    LONG_VALUE = 0x80
    SLV_AVAILABLE = 0x100
    SLV_OWNER_MAP = 0x200
    NON_UNIQUE = 0x400
    NEW_RECORD_FORMAT = 0x800
    NEW_CHECKSUM = 0x2000
    SCRUBBED = 0x4000
    FLUSH_TYPE = 0x18000
    PRE_INIT = 0x20000
    FDP_DELETE = 0x40000


FLUSH_TYPE_SHIFT: Final = 15
"""Place of the two-bit write counter within the flags."""


class PageHeader(NamedTuple):
    """The fixed part of a page, 40 or 80 bytes; `pgno` and `block_checksums` are zero on small pages.

    `free` (cbFree), `uncommitted_free` and `mic_free` (ibMicFree) are bytes; `mic_free` counts from the
    end of the header.  `tag_state` (itagState) holds the tag count and the number of reserved tags.
    """

    checksum: int
    dbtime: int
    pgno_prev: int
    pgno_next: int
    objid: int
    free: int
    uncommitted_free: int
    mic_free: int
    tag_state: int
    flags: PageFlags
    block_checksums: tuple[int, int, int] = (0, 0, 0)
    pgno: int = 0

    @property
    def tag_count(self) -> int:
        """Number of tags, the external header and reserved ones included (itagMicFree)."""
        return self.tag_state & _TAG_COUNT_MASK

    @property
    def reserved_tags(self) -> int:
        """Tags before the first line, at least the external header (ctagReserved; 0 in old pages means 1)."""
        return (self.tag_state >> _RESERVED_SHIFT) & 7 or 1

    @property
    def flush_type(self) -> int:
        """The write counter 1..3 that the flush map mirrors; 0 when never set."""
        return (self.flags & PageFlags.FLUSH_TYPE) >> FLUSH_TYPE_SHIFT

    @classmethod
    def unpack(cls, data: Buffer, page_size: int, at: int = 0) -> PageHeader:
        """Read the header at `at`; the caller has made sure that a whole header is there."""
        if page_size <= LARGEST_SMALL_PAGE:
            fields = _SMALL.unpack_from(data, at)
            return cls._make((*fields[:9], PageFlags(fields[9]), (0, 0, 0), 0))
        fields = _LARGE.unpack_from(data, at)
        return cls._make((*fields[:9], PageFlags(fields[9]), fields[10:13], fields[13]))

    def pack(self, page_size: int) -> bytes:
        """Return the 40 or 80 bytes."""
        if page_size <= LARGEST_SMALL_PAGE:
            return _SMALL.pack(*self[:10])
        return _LARGE.pack(*self[:10], *self.block_checksums, self.pgno)


class Line(NamedTuple):
    """One blob of a page: its node flags (0..7) and its bytes.

    On large pages the first word of `data` still carries the flags in its top three bits.
    """

    flags: int
    data: memoryview


class Page:
    """Read access to one page without copying it.

    `data` is the whole page, `pgno` the number it was read by, `path` the file (for errors only).  The
    header is decoded at once, tags on demand.  Nothing is verified but the length: use
    `engine.format.checksum` for the checksum and `check` for the page's own bookkeeping.
    """

    __slots__ = ("_limit", "_start", "data", "header", "large", "path", "pgno", "size")

    def __init__(self, data: Buffer, pgno: int, *, path: str | None = None) -> None:
        view = memoryview(data)
        if view.nbytes not in PAGE_SIZES:
            raise EseError.from_code(
                Err.PageSizeMismatch,
                f"a page cannot have {view.nbytes} bytes",
                path=path,
                page=pgno,
            )
        self.data = view.cast("B") if view.format != "B" or view.ndim != 1 else view
        self.size = view.nbytes
        self.pgno = pgno
        self.path = path
        self.large = self.size > LARGEST_SMALL_PAGE
        self.header = PageHeader.unpack(self.data, self.size)
        self._start = header_size(self.size)
        self._limit = self.size - TAG_SIZE * self.header.tag_count
        """End of the space that blobs may use: the tag array begins here."""

    @property
    def flags(self) -> PageFlags:
        """The page's flags."""
        return self.header.flags

    @property
    def is_leaf(self) -> bool:
        """Whether lines are records or entries rather than children."""
        return bool(self.header.flags & PageFlags.LEAF)

    @property
    def is_root(self) -> bool:
        """Whether this is the root of a tree."""
        return bool(self.header.flags & PageFlags.ROOT)

    @property
    def is_blank(self) -> bool:
        """Whether every byte is zero: never written, and legal as long as no tree points here."""
        return not any(self.data)

    @property
    def line_count(self) -> int:
        """Number of lines (nodes)."""
        return max(0, self.header.tag_count - self.header.reserved_tags)

    @property
    def external_header(self) -> memoryview:
        """Bytes of tag 0: prefix key, space header or split buffer, depending on the page."""
        return self._blob(0)[1]

    def line(self, index: int) -> Line:
        """Return line `index` (0 .. line_count-1); -357 when the tag leaves the page."""
        if not 0 <= index < self.line_count:
            raise self.error(Err.BadLineCount, f"line {index} of {self.line_count}")
        flags, data = self._blob(self.header.reserved_tags + index)
        return Line(flags, data)

    def lines(self) -> Iterator[Line]:
        """Yield every line in key order."""
        for tag in range(self.header.reserved_tags, self.header.tag_count):
            flags, data = self._blob(tag)
            yield Line(flags, data)

    def check(self) -> None:
        """Raise unless the bookkeeping holds that the engine checks at each read (section 2.5).

        -357 for tags and free space, -327 for a page linked to itself, -1118 for a foreign page number
        on large pages.  Empty and pre-initialised pages may hold anything and pass.
        """
        header = self.header
        if header.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
            return
        if self.large and header.pgno != self.pgno:
            raise self.error(Err.ReadPgnoVerifyFailure, f"the page says that it is page {header.pgno}")
        if self.pgno in {header.pgno_prev, header.pgno_next}:
            raise self.error(Err.BadPageLink, "the page is its own neighbour")
        if not header.tag_count:
            raise self.error(Err.PageTagCorrupted, "no external header")
        if header.reserved_tags > header.tag_count:
            raise self.error(Err.PageTagCorrupted, f"{header.reserved_tags} reserved of {header.tag_count} tags")
        area = self.size - self._start
        if header.mic_free > area or header.uncommitted_free > header.free:
            raise self.error(Err.PageTagCorrupted, "free space beyond the page")
        used = self._check_tags()
        if used + header.free + TAG_SIZE * header.tag_count != area:
            raise self.error(
                Err.PageTagCorrupted,
                f"{used} bytes used, {header.free} free and {header.tag_count} tags do not make {area}",
            )

    def error(self, code: int, detail: str, offset: int | None = None) -> EseError:
        """Return an error of this page; `offset` is a byte offset within it."""
        return EseError.from_code(code, detail, path=self.path, page=self.pgno, offset=offset)

    def _check_tags(self) -> int:
        """Check that blobs stay within the used area and do not overlap; return the bytes they use."""
        header, used, spans = self.header, 0, []
        for tag in range(header.tag_count):
            at, size, _ = self._tag(tag)
            if size < _SMALLEST_LINE and tag >= header.reserved_tags:
                raise self.error(Err.PageTagCorrupted, f"tag {tag} has {size} bytes", at)
            if size:
                if at - self._start + size > header.mic_free:
                    raise self.error(Err.PageTagCorrupted, f"tag {tag} lies in free space", at)
                spans.append((at, at + size))
                used += size
        spans.sort()
        end = 0
        for first, last in spans:
            if first < end:
                raise self.error(Err.PageTagCorrupted, "two tags overlap", first)
            end = last
        return used

    def _tag(self, tag: int) -> tuple[int, int, int]:
        """Return (offset within the page, size, node flags of small pages) of a tag, within bounds."""
        if self._limit < self._start or tag >= self.header.tag_count:
            raise self.error(Err.PageTagCorrupted, f"tag {tag} of {self.header.tag_count}")
        size, offset = _TAG.unpack_from(self.data, self.size - TAG_SIZE * (tag + 1))
        if self.large:
            size, offset, flags = size & _LARGE_MASK, offset & _LARGE_MASK, 0
        else:
            size, offset, flags = size & _SMALL_MASK, offset & _SMALL_MASK, offset >> _FLAG_SHIFT
        at = self._start + offset
        # An empty blob uses no byte, so its offset means nothing.
        if size and at + size > self._limit:
            raise self.error(
                Err.PageTagCorrupted, f"tag {tag} reaches {at + size}, the tags begin at {self._limit}", at
            )
        return at, size, flags

    def _blob(self, tag: int) -> tuple[int, memoryview]:
        at, size, flags = self._tag(tag)
        data = self.data[at : at + size] if size else self.data[:0]
        if tag == 0:
            return 0, data
        if self.large:
            flags = _WORD.unpack_from(data)[0] >> _FLAG_SHIFT if size >= _WORD.size else 0
        return flags, data


assert _SMALL.size == SMALL_HEADER  # noqa: S101 - the layout is checked once, at import
assert _LARGE.size == LARGE_HEADER  # noqa: S101
