"""Compose a page from its external header and its lines, in key order.

How the bulk builder uses it:

    builder = PageBuilder(page_size, pgno, objid, flags, external=prefix_or_space_header)
    for key, data in entries:
        if not builder.fits(key, data):        # or: builder.used + builder.cost(key, data) > limit of the density
            write(builder.build(dbtime=..., pgno_prev=..., pgno_next=...)); start the next page
        builder.add(key, data)

`external` is the prefix key of a non-root page, the packed space header of a tree's root, or the split buffer of
an OE or AE root.  Lines are compressed against the prefix by the engine's own rule, and never on root and
space-tree pages.  The result obeys every invariant of the reference: blobs in tag order without holes, exact free
space, reserved count 0 (means 1), no flush type, the new-checksum and new-record-format flags set.

Checksums cost 12 us for a 4 KiB page when made one by one.  For many pages pass `checksum=False`, lay them side by
side and call `engine.format.checksum.set_batch_checksums` once a megabyte or so.

Source: database reference 2.1-2.6, 3.1-3.3, 10.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.checksum import set_page_checksum
from engine.format.node import FLAG_SHIFT, child_data, encode_node, encoded_size
from engine.format.page import (
    TAG_SIZE,
    WRITABLE_PAGE_SIZES,
    PageFlags,
    PageHeader,
    header_size,
    is_large,
)

if TYPE_CHECKING:
    from engine.format.page import Buffer

_MOST_TAGS: Final = 0x0FFF
_NEVER_COMPRESSED: Final = PageFlags.ROOT | PageFlags.SPACE_TREE
_ALWAYS: Final = PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM


class PageBuilder:
    """One page under construction.

    `flags` are the tree's type bits and the page's place in the tree (2.2); the two format bits are added.
    -1213 for a page size that is not written (only 4, 8, 16 and 32 KiB are); -1026 when something does not fit.
    """

    __slots__ = (
        "_blobs",
        "_external",
        "_flags_words",
        "_large",
        "_prefix",
        "capacity",
        "flags",
        "objid",
        "page_size",
        "pgno",
        "used",
    )

    def __init__(self, page_size: int, pgno: int, objid: int, flags: int, *, external: bytes = b"") -> None:
        if page_size not in WRITABLE_PAGE_SIZES:
            raise EseError.from_code(Err.PageSizeMismatch, f"pages of {page_size} bytes are not written", page=pgno)
        self.page_size = page_size
        self.pgno = pgno
        self.objid = objid
        self.flags = PageFlags(flags) | _ALWAYS
        self.capacity = page_size - header_size(page_size) - TAG_SIZE
        """Bytes for the external header and the lines with their tags."""
        self.used = len(external)
        """Bytes taken so far: external header, lines and their tags."""
        self._large = is_large(page_size)
        self._external = external
        self._prefix = b"" if self.flags & _NEVER_COMPRESSED else external
        self._blobs: list[bytes] = []
        self._flags_words: list[int] = []
        if self.used > self.capacity:
            raise EseError.from_code(Err.RecordTooBig, f"an external header of {self.used} bytes", page=pgno)

    @property
    def line_count(self) -> int:
        """Number of lines added."""
        return len(self._blobs)

    @property
    def free(self) -> int:
        """Bytes left for lines and their tags."""
        return self.capacity - self.used

    def cost(self, key: bytes, data: Buffer) -> int:
        """Return the bytes that this line and its tag would take."""
        return encoded_size(key, len(data), self._prefix)

    def fits(self, key: bytes, data: Buffer) -> bool:
        """Return whether this line can still be added."""
        return self.used + self.cost(key, data) <= self.capacity and len(self._blobs) + 1 < _MOST_TAGS

    def add(self, key: bytes, data: Buffer, flags: int = 0) -> None:
        """Append a line; the caller keeps the order of keys.  -1026 when it does not fit.

        `flags` may hold NodeFlags.DELETED or VERSION; compression is decided here.
        """
        node_flags, blob = encode_node(key, data, prefix=self._prefix, flags=flags, large=self._large)
        used = self.used + TAG_SIZE + len(blob)
        if used > self.capacity or len(self._blobs) + 1 >= _MOST_TAGS:
            raise EseError.from_code(
                Err.RecordTooBig,
                f"a line of {len(blob)} bytes where {self.free} are free",
                page=self.pgno,
            )
        self.used = used
        self._blobs.append(blob)
        self._flags_words.append(node_flags << FLAG_SHIFT)

    def add_child(self, key: bytes, pgno: int) -> None:
        """Append a line of an internal page: exclusive upper bound (empty on the right spine) and child page."""
        self.add(key, child_data(pgno))

    def build(
        self,
        *,
        dbtime: int,
        pgno_prev: int = 0,
        pgno_next: int = 0,
        checksum: bool = True,
    ) -> bytearray:
        """Return the whole page.  `dbtime` is its update counter, the siblings are 0 at the ends and on internal pages.

        With `checksum=False` the checksum fields stay zero.
        """
        start, count = header_size(self.page_size), len(self._blobs) + 1
        used = self.used - TAG_SIZE * len(self._blobs)
        header = PageHeader(
            checksum=0,
            dbtime=dbtime,
            pgno_prev=pgno_prev,
            pgno_next=pgno_next,
            objid=self.objid,
            free=self.capacity - self.used,
            uncommitted_free=0,
            mic_free=used,
            tag_state=count,
            flags=self.flags,
            pgno=self.pgno if self._large else 0,
        )
        page = bytearray(self.page_size)
        page[:start] = header.pack(self.page_size)
        page[start : start + used] = self._external + b"".join(self._blobs)
        page[self.page_size - TAG_SIZE * count :] = self._tags()
        if checksum:
            set_page_checksum(page, self.pgno)
        return page

    def _tags(self) -> bytes:
        """Return the tag array as it lies at the end of the page, last tag first."""
        words = [0, len(self._external)]
        offset, large = len(self._external), self._large
        for blob, flags in zip(self._blobs, self._flags_words, strict=True):
            # Written backwards: the whole list is reversed at the end, words within a tag too.
            words.append(offset if large else offset | flags)
            words.append(len(blob))
            offset += len(blob)
        words.reverse()
        return struct.pack(f"<{len(words)}H", *words)
