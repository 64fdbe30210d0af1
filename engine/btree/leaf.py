"""Where the nodes of a page lie: the inner loop of every walk.

A span is `(prefix size, start of the key suffix, start of the data, end)`, offsets within the page:

    key = external header[:prefix size] + page[key start:data start]      data = page[data start:end]

Whole pages are taken apart at once, from one `bytes` object and with one `struct` call for the tags, because a call a
node is what makes a reader slow.  Deleted nodes are left out.  `engine.format.node` says the same with words and
checks, one node at a time.

Source: database reference 2.4, 3.1, 3.2.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.page import TAG_SIZE, header_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.format.page import Page

Span: TypeAlias = tuple[int, int, int, int]

_POINTER = struct.Struct("<I")
_DELETED: Final = 2
_COMPRESSED: Final = 4
_FLAG_SHIFT: Final = 13
_FLAG_BITS_IN_BYTE: Final = 5
"""Where the flags begin in the upper byte of a word."""
_HIGH: Final = 0x1F
_SMALL: Final = 0x1FFF
_LARGE: Final = 0x7FFF
_LINE_HEAD: Final = 2
_PACKED_HEAD: Final = 4


@lru_cache(maxsize=512)
def _tags(count: int) -> struct.Struct:
    return struct.Struct(f"<{2 * count}H")


def spans(page: Page, data: bytes, on_bad: Callable[[int, EseError], object] | None = None) -> list[Span]:
    """Return the spans of the live nodes of a page in order; `data` are the page's bytes.

    A node that leaves the page or the prefix is handed to `on_bad` with its line number and left out; without
    `on_bad` it is raised: -357 for a tag, -358 for a node.
    """
    header = page.header
    reserved, count = header.reserved_tags, page.line_count
    if not count:
        return []
    start, tags = header_size(page.size), page.size - TAG_SIZE * header.tag_count
    if tags < start:
        raise page.error(Err.PageTagCorrupted, f"{header.tag_count} tags on a page")
    words = _tags(header.tag_count).unpack_from(data, tags)
    mask = _LARGE if page.large else _SMALL
    most_prefix = words[-2] & mask
    found: list[Span] = []
    add = found.append
    line = -1
    large = page.large
    # The tag array grows downwards: the first tag is the last pair of words.
    first = -2 - 2 * reserved
    for size, offset in zip(words[first::-2], words[first + 1 :: -2], strict=True):
        line += 1
        at = start + (offset & mask)
        end = at + (size & mask)
        key = at + _LINE_HEAD
        if end > tags or key > end:
            _bad(page, on_bad, line, Err.PageTagCorrupted, f"line {line} from {at} to {end}")
            continue
        flags = data[at + 1] >> _FLAG_BITS_IN_BYTE if large else offset >> _FLAG_SHIFT
        if flags & _DELETED:
            continue
        low = data[at] | (data[at + 1] & _HIGH) << 8
        if flags & _COMPRESSED:
            key = at + _PACKED_HEAD
            if key > end:
                _bad(page, on_bad, line, Err.NodeCorrupted, f"line {line} has {end - at} bytes")
                continue
            value = key + (data[at + 2] | (data[at + 3] & _HIGH) << 8)
            if value > end or low > most_prefix:
                _bad(page, on_bad, line, Err.NodeCorrupted, f"line {line}: key to {value} of {end}, prefix {low}")
                continue
            add((low, key, value, end))
        else:
            value = key + low
            if value > end:
                _bad(page, on_bad, line, Err.NodeCorrupted, f"line {line}: the key ends at {value} of {end}")
                continue
            add((0, key, value, end))
    return found


def line_of(page: Page, data: bytes, span: Span) -> int:
    """Return the line number of a span of this page."""
    mask = _LARGE if page.large else _SMALL
    start = header_size(page.size)
    words = _tags(page.header.tag_count).unpack_from(data, page.size - TAG_SIZE * page.header.tag_count)
    first = -2 - 2 * page.header.reserved_tags
    for line, (size, offset) in enumerate(zip(words[first::-2], words[first + 1 :: -2], strict=True)):
        at = start + (offset & mask)
        if at < span[1] <= span[3] == at + (size & mask):
            return line
    return -1


def _bad(page: Page, on_bad: Callable[[int, EseError], object] | None, line: int, code: int, detail: str) -> None:
    error = page.error(code, detail)
    if on_bad is None:
        raise error
    on_bad(line, error)


class Leaf:
    """The live entries of a leaf: keys in order, and where their data lies in `data`."""

    __slots__ = ("data", "keys", "page", "spans")

    def __init__(self, page: Page, on_bad: Callable[[int, EseError], object] | None = None) -> None:
        self.page = page
        self.data = data = bytes(page.data)
        self.spans = spans(page, data, on_bad)
        prefix = bytes(page.external_header) if self.spans else b""
        self.keys = [prefix[:shared] + data[key:value] for shared, key, value, _ in self.spans]

    def __len__(self) -> int:
        return len(self.spans)

    def value(self, index: int) -> bytes:
        """Return the data of entry `index`."""
        span = self.spans[index]
        return self.data[span[2] : span[3]]

    def first_at_least(self, key: bytes) -> int:
        """Return the index of the first entry whose key is >= `key`; the number of entries when there is none."""
        return bisect_left(self.keys, key)

    def first_above(self, key: bytes) -> int:
        """Return the index of the first entry whose key is > `key`."""
        return bisect_right(self.keys, key)


class Fork:
    """An internal page: children from left to right, and the exclusive upper bounds of all but the last."""

    __slots__ = ("bounds", "children", "page")

    def __init__(self, page: Page) -> None:
        self.page = page
        data = bytes(page.data)
        nodes = spans(page, data)
        prefix = bytes(page.external_header) if nodes and not page.is_root else b""
        self.bounds: list[bytes] = []
        self.children: list[int] = []
        for shared, key, value, end in nodes:
            if end - value != _POINTER.size:
                raise page.error(Err.NodeCorrupted, f"a child pointer of {end - value} bytes")
            if shared > len(prefix):
                raise page.error(Err.NodeCorrupted, "a root with a prefix")
            self.bounds.append(prefix[:shared] + data[key:value])
            child = _POINTER.unpack_from(data, value)[0]
            if not child:
                raise page.error(Err.BadParentPageLink, "a child pointer of 0")
            self.children.append(child)
        if not self.children:
            raise page.error(Err.BadParentPageLink, "an internal page without children")
        # The last bound is empty on the right spine; a page is entered only for keys below it anyway.
        self.bounds.pop()

    def place(self, key: bytes) -> int:
        """Return the index of the child in which an entry that begins with `key` belongs."""
        return bisect_right(self.bounds, key)
