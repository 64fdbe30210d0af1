"""Pages under construction, made quickly.

The same pages as `engine.format.page_builder` makes (a test compares them byte for byte), at a third of the cost:
lines are kept as key, data and shared length, and a page is put together in one go when it is full.  The page
prefix is the first key; since keys ascend, the number of bytes a key shares with the first one never rises within
a page, so one `startswith` usually tells it.

Hot path: `PendingPage.add` runs once a row.  Source: database reference 2.1-2.5, 3.1-3.3, 4.7.
"""

from __future__ import annotations

import struct
from itertools import accumulate
from operator import or_
from typing import Final, NamedTuple

from engine.format.node import COMPRESSION_THRESHOLD, FLAG_SHIFT, NodeFlags, common_prefix
from engine.format.page import (
    LARGE_HEADER,
    LARGEST_SMALL_PAGE,
    SMALL_HEADER,
    TAG_SIZE,
    PageFlags,
    header_size,
    is_large,
)

TREE_FLAGS: Final = int(PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM)
"""Flags of every page that is written."""

_PLAIN_COST: Final = 6
"""Tag and key size word."""
_COMPRESSED_COST: Final = 8
_COMPRESSED_BIT: Final = int(NodeFlags.COMPRESSED) << FLAG_SHIFT
_MOST_LINES: Final = 0x0FFF - 1
_WORD = struct.Struct("<H")
# PageHeader of engine.format.page without the fields that are zero in a new page.
_SMALL = struct.Struct("<8xQIIIH2xHHI")
_LARGE = struct.Struct("<8xQIIIH2xHHI24xI12x")
_TWO_WORDS = struct.Struct("<HH")
_TAG_WORDS: Final = tuple(struct.Struct(f"<{2 * count}H") for count in range(256))


def page_capacity(page_size: int) -> int:
    """Return the bytes of a page for external header, lines and their tags."""
    return page_size - header_size(page_size) - TAG_SIZE


class PageHead(NamedTuple):
    """What a page header says besides sizes and counts."""

    pgno: int
    objid: int
    flags: int
    dbtime: int
    before: int = 0
    after: int = 0


def compose_page(
    page_size: int,
    head: PageHead,
    external: bytes,
    blobs: list[bytes],
    offset_flags: list[int] | None = None,
) -> bytes:
    """Return a whole page with zero checksums.

    `blobs` are the lines, flags already in their first words on large pages; `offset_flags` those of small
    pages.
    """
    sizes = [*map(len, blobs)]
    offsets = list(accumulate(sizes, initial=len(external)))
    used = offsets.pop()
    if offset_flags is not None:
        offsets = [*map(or_, offsets, offset_flags)]
    count = len(blobs) + 1
    words = [0] * (2 * count)
    sizes.reverse()
    offsets.reverse()
    words[0:-2:2], words[1:-1:2], words[-2] = sizes, offsets, len(external)
    tags = (_TAG_WORDS[count] if count < len(_TAG_WORDS) else struct.Struct(f"<{2 * count}H")).pack(*words)
    pgno, objid, flags, dbtime, before, after = head
    if page_size > LARGEST_SMALL_PAGE:
        free = page_size - LARGE_HEADER - used - TAG_SIZE * count
        packed = _LARGE.pack(dbtime, before, after, objid, free, used, count, flags, pgno)
    else:
        free = page_size - SMALL_HEADER - used - TAG_SIZE * count
        packed = _SMALL.pack(dbtime, before, after, objid, free, used, count, flags)
    return b"".join((packed, external, *blobs, bytes(free), tags))


class PendingPage:
    """Lines of one page, in ascending order.  `limit` is the bytes to fill (density), the first line always fits."""

    __slots__ = ("_large", "_limit", "_page_size", "_shared", "_start", "data", "keys", "prefix", "shares", "used")

    def __init__(self, page_size: int, density: int) -> None:
        self._page_size = page_size
        self._large = is_large(page_size)
        self._limit = page_capacity(page_size) * density // 100
        self.reset()

    def reset(self) -> None:
        """Empty the page."""
        self.keys: list[bytes] = []
        self.data: list[bytes] = []
        self.shares: list[int] = []
        self.prefix = b""
        self.used = 0
        self._shared = 0
        self._start = b""

    def add(self, key: bytes, data: bytes) -> bool:
        """Append a line and return True, or False when the page is full."""
        if not self.keys:
            shared = len(key)
            if shared <= COMPRESSION_THRESHOLD:
                shared = 0
            else:
                self.prefix = self._start = key
            self._shared = shared
            self.used = (shared + _COMPRESSED_COST if shared else _PLAIN_COST + len(key)) + len(data)
        else:
            shared = self._shared
            if shared and not key.startswith(self._start):
                shared = common_prefix(key, self.prefix)
                if shared <= COMPRESSION_THRESHOLD:
                    shared = 0
            size = (_COMPRESSED_COST - shared if shared else _PLAIN_COST) + len(key) + len(data)
            if self.used + size > self._limit or len(self.keys) >= _MOST_LINES:
                return False
            if shared != self._shared:
                self._shared = shared
                self._start = self.prefix[:shared]
            self.used += size
        self.keys.append(key)
        self.data.append(data)
        self.shares.append(shared)
        return True

    def root_size(self) -> int:
        """Return the bytes that the lines take uncompressed, as on a root page."""
        return sum(map(len, self.keys)) + sum(map(len, self.data)) + _PLAIN_COST * len(self.keys)

    def compose(self, head: PageHead) -> bytes:
        """Return the page, lines compressed against the prefix."""
        pack = _TWO_WORDS.pack
        if self._large:
            blobs = [
                pack(shared | _COMPRESSED_BIT, len(key) - shared) + key[shared:] + data
                if shared
                else _WORD.pack(len(key)) + key + data
                for key, data, shared in zip(self.keys, self.data, self.shares, strict=True)
            ]
            return compose_page(self._page_size, head, self.prefix, blobs)
        blobs = [
            pack(shared, len(key) - shared) + key[shared:] + data if shared else _WORD.pack(len(key)) + key + data
            for key, data, shared in zip(self.keys, self.data, self.shares, strict=True)
        ]
        flags = [_COMPRESSED_BIT if shared else 0 for shared in self.shares]
        return compose_page(self._page_size, head, self.prefix, blobs, flags)

    def compose_root(self, head: PageHead, external: bytes) -> bytes:
        """Return a root page, whose lines are never compressed."""
        blobs = [_WORD.pack(len(key)) + key + data for key, data in zip(self.keys, self.data, strict=True)]
        return compose_page(self._page_size, head, external, blobs)


assert _SMALL.size == SMALL_HEADER  # noqa: S101 - the layout is checked once, at import
assert _LARGE.size == LARGE_HEADER  # noqa: S101
