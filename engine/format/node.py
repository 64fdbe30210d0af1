"""Nodes: what the lines and the external header of a page mean.

    line, not compressed:  u16 suffix size | suffix | data
    line, compressed:      u16 prefix size | u16 suffix size | suffix | data
    key = external header[:prefix size] + suffix

Sizes use 13 bits; on large pages the top three bits of the first word are the node flags.

    internal page   data = u32 child page number; key = exclusive upper bound, empty on the right spine
    leaf page       data = record, index entry, long-value chunk or extent
    OE and AE trees key = u32 big-endian last page (before it u8 0x80+pool in pool entries), data = u32 page count

The external header of a tree's root is the SPACE_HEADER, 16 bytes, or since update 30 a mask byte followed by
SPACE_HEADER (0x01) and the auto-increment high-water mark (0x02).  The root of an OE or AE tree holds the split
buffer, two `{u32 last page, i32 count}` or nothing.  Every other page holds its prefix key.

Source: database reference 2.6, 3, 4.2-4.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from engine.errors import Err

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.errors import EseError
    from engine.format.page import Buffer, Page

_WORD = struct.Struct("<H")
_TWO_WORDS = struct.Struct("<HH")
_CHILD = struct.Struct("<I")
_SPACE_HEADER = struct.Struct("<IIII")
_SPLIT_BUFFER = struct.Struct("<IiIi")
_AUTO_INCREMENT = struct.Struct("<Q")
_EXTENT_KEY = struct.Struct(">I")
_POOL_KEY = struct.Struct(">BI")
_EXTENT_DATA = struct.Struct("<I")

SIZE_MASK: Final = 0x1FFF
"""Bits of a key size word that count."""

FLAG_SHIFT: Final = 13
PAGE_POINTER_SIZE: Final = 4
SPACE_HEADER_SIZE: Final = 16
COMPRESSION_THRESHOLD: Final = 2
"""A key is stored compressed when it shares more bytes than this with the page prefix."""

_FEWEST_SHARED: Final = COMPRESSION_THRESHOLD + 1

_HAS_SPACE_HEADER: Final = 0x01
_HAS_AUTO_INCREMENT: Final = 0x02
_POOL_BIT: Final = 0x80
_MOST_IMPLICIT_PAGES: Final = 32


class HasExternalHeader(Protocol):
    """A page, read or decoded for change, whose external header can be understood."""

    @property
    def external_header(self) -> Buffer:
        """The bytes of tag 0."""

    def error(self, code: int, detail: str) -> EseError:
        """Return an error of this page."""


class NodeFlags(IntFlag):
    """Flags of a node.  VERSION means nothing on disk; DELETED nodes are to be skipped."""

    NONE = 0
    VERSION = 1
    DELETED = 2
    COMPRESSED = 4


_COMPRESSED: Final = int(NodeFlags.COMPRESSED)
"""A plain number: for every node an operation on flags costs ten times as much."""


class Node(NamedTuple):
    """A decoded line: flags, full key, and a view of the data."""

    flags: int
    key: bytes
    data: memoryview

    @property
    def deleted(self) -> bool:
        """Whether the node is logically gone."""
        return bool(self.flags & NodeFlags.DELETED)


class Child(NamedTuple):
    """A line of an internal page: exclusive upper bound (empty: none) and page number of the child."""

    key: bytes
    pgno: int


def decode_node(page: Page, index: int) -> Node:
    """Decode line `index` of a page; -357 or -358 when its sizes leave the line or the prefix."""
    flags, data = page.line(index)
    return _decode(page, index, flags, data, page.external_header)


def nodes(page: Page) -> Iterator[Node]:
    """Yield the nodes of a page in key order, deleted ones included."""
    if not page.line_count:
        return
    prefix = page.external_header
    for index, (flags, data) in enumerate(page.lines()):
        yield _decode(page, index, flags, data, prefix)


def children(page: Page) -> Iterator[Child]:
    """Yield the children of an internal page from left to right; -358 for a line that is not 4 bytes of pointer."""
    for index, node in enumerate(nodes(page)):
        if len(node.data) != PAGE_POINTER_SIZE:
            raise page.error(Err.NodeCorrupted, f"line {index}: a child pointer of {len(node.data)} bytes")
        yield Child(node.key, _CHILD.unpack(node.data)[0])


def _decode(page: Page, index: int, flags: int, data: memoryview, prefix: memoryview) -> Node:
    size = len(data)
    if flags & _COMPRESSED:
        if size < _TWO_WORDS.size:
            raise page.error(Err.NodeCorrupted, f"line {index} has {size} bytes")
        prefix_size, suffix_size = _TWO_WORDS.unpack_from(data)
        prefix_size &= SIZE_MASK
        start = _TWO_WORDS.size
        if prefix_size > len(prefix):
            raise page.error(Err.NodeCorrupted, f"line {index} takes {prefix_size} of {len(prefix)} prefix bytes")
    else:
        if size < _WORD.size:
            raise page.error(Err.NodeCorrupted, f"line {index} has {size} bytes")
        prefix_size, suffix_size, start = 0, _WORD.unpack_from(data)[0], _WORD.size
    end = start + (suffix_size & SIZE_MASK)
    if end > size:
        raise page.error(Err.NodeCorrupted, f"line {index}: the key ends at {end} of {size} bytes")
    return Node(flags, bytes(prefix[:prefix_size]) + bytes(data[start:end]), data[end:])


def common_prefix(one: bytes, two: bytes) -> int:
    """Return the number of leading bytes that are equal."""
    length = len(one)
    if length != len(two):
        length = min(length, len(two))
        one, two = one[:length], two[:length]
    # One big-integer XOR finds the first difference faster than a loop over bytes.
    difference = int.from_bytes(one, "big") ^ int.from_bytes(two, "big")
    return length - (difference.bit_length() + 7) // 8


def shared_with_prefix(prefix: bytes, keys: Iterable[bytes]) -> list[int]:
    """Return for each key how many bytes it shares with a prefix; 0 when they are too few to leave them out."""
    size, head, convert = len(prefix), prefix[:_FEWEST_SHARED], int.from_bytes
    whole = convert(prefix, "big")
    found = []
    for key in keys:
        if key[:_FEWEST_SHARED] != head:
            found.append(0)
            continue
        length = len(key)
        if length < size:
            difference = convert(key, "big") ^ (whole >> 8 * (size - length))
        else:
            difference = convert(key if length == size else key[:size], "big") ^ whole
            length = size
        found.append(length - (difference.bit_length() + 7) // 8)
    return found


def shared_with_previous(keys: Sequence[bytes]) -> list[int]:
    """Return for each key how many bytes it shares with the one before it; 0 when they are too few, or none is."""
    found: list[int] = []
    before, head_before, number_before = b"", b"", 0
    convert = int.from_bytes
    for key in keys:
        head, number = key[:_FEWEST_SHARED], convert(key, "big")
        if head != head_before:
            found.append(0)
        elif len(key) == len(before):
            found.append(len(key) - ((number ^ number_before).bit_length() + 7) // 8)
        else:
            found.append(common_prefix(before, key))
        before, head_before, number_before = key, head, number
    return found


def encode_node(
    key: bytes, data: Buffer, *, prefix: bytes = b"", flags: int = 0, large: bool = False
) -> tuple[int, bytes]:
    """Return (flags, bytes) of a line, compressed against `prefix` when that shares more than 2 bytes.

    `flags` may hold VERSION or DELETED; COMPRESSED is decided here.  Pass no prefix for root and
    space-tree pages.  On large pages the flags are also put into the first word.
    """
    shared = common_prefix(key, prefix) if prefix else 0
    if shared > COMPRESSION_THRESHOLD:
        flags |= NodeFlags.COMPRESSED
        first, suffix = shared, key[shared:]
        head = _TWO_WORDS.pack(first | flags << FLAG_SHIFT if large else first, len(suffix))
    else:
        flags &= ~NodeFlags.COMPRESSED
        first, suffix = len(key), key
        head = _WORD.pack(first | flags << FLAG_SHIFT if large else first)
    return int(flags), b"".join((head, suffix, data))


def encoded_size(key: bytes, data_size: int, prefix: bytes = b"") -> int:
    """Return the bytes a node takes on a page, its 4-byte tag included."""
    shared = common_prefix(key, prefix) if prefix else 0
    if shared > COMPRESSION_THRESHOLD:
        return 8 + len(key) - shared + data_size
    return 6 + len(key) + data_size


def separator(
    left_key: bytes, left_data: Buffer, right_key: bytes, right_data: Buffer, *, unique: bool = True
) -> bytes:
    """Return the shortest bytes that are > the left entry and <= the right one (section 3.3).

    Unique trees compare keys alone; in the others equal keys are told apart by the data.
    """
    shared = common_prefix(left_key, right_key)
    if shared < len(right_key) or unique:
        return right_key[: shared + 1]
    right = bytes(right_data)
    return right_key + right[: common_prefix(bytes(left_data), right) + 1]


class SpaceFlags(IntFlag):
    """Flags of a SPACE_HEADER."""

    NONE = 0
    MULTIPLE_EXTENT = 1
    NON_UNIQUE = 2
    V2 = 4


@dataclass(frozen=True, slots=True)
class SpaceHeader:
    """SPACE_HEADER: how a tree owns its pages.

    `pages` is the size of the primary extent (with V2: of the last secondary extent, informational).
    `space` is, for a single extent, the bitmap of free pages after the root (bit 0 = root + 1), else the
    root page of the owned-extents tree; the available-extents tree is rooted on the page after it.
    """

    pages: int
    pgno_parent: int
    flags: SpaceFlags
    space: int

    @property
    def multiple_extent(self) -> bool:
        """Whether OE and AE trees exist."""
        return bool(self.flags & SpaceFlags.MULTIPLE_EXTENT)

    @property
    def pgno_oe(self) -> int:
        """Root page of the owned-extents tree (multiple-extent form only)."""
        return self.space

    @property
    def pgno_ae(self) -> int:
        """Root page of the available-extents tree (multiple-extent form only)."""
        return self.space + 1

    def free_pages(self, root: int) -> Iterator[int]:
        """Yield the free pages of a single extent rooted at page `root`, ascending."""
        for bit in range(min(self.pages - 1, _MOST_IMPLICIT_PAGES)):
            if self.space >> bit & 1:
                yield root + 1 + bit
        yield from range(root + 1 + _MOST_IMPLICIT_PAGES, root + self.pages)

    @classmethod
    def unpack(cls, data: Buffer) -> SpaceHeader:
        """Read the 16 bytes; the caller has checked the length."""
        pages, parent, flags, space = _SPACE_HEADER.unpack(data)
        return cls(pages, parent, SpaceFlags(flags), space)

    def pack(self) -> bytes:
        """Return the 16 bytes."""
        return _SPACE_HEADER.pack(self.pages, self.pgno_parent, self.flags, self.space)


@dataclass(frozen=True, slots=True)
class RootHeader:
    """External header of a tree's root: space header, and the highest auto-increment value reserved so far.

    `rest` keeps the bytes of parts that are not known.
    """

    space: SpaceHeader
    auto_increment: int | None = None
    rest: bytes = b""

    @classmethod
    def of(cls, page: HasExternalHeader) -> RootHeader:
        """Read it from a root page; -1206 when it is missing or too short."""
        data = page.external_header
        if len(data) == SPACE_HEADER_SIZE:
            return cls(SpaceHeader.unpack(data))
        mask = data[0] if data else 0
        at, auto_increment = 1 + SPACE_HEADER_SIZE, None
        if not mask & _HAS_SPACE_HEADER or len(data) < at:
            raise page.error(Err.DatabaseCorrupted, f"a root header of {len(data)} bytes without space header")
        if mask & _HAS_AUTO_INCREMENT:
            if len(data) < at + _AUTO_INCREMENT.size:
                raise page.error(Err.DatabaseCorrupted, f"a root header of {len(data)} bytes without its counter")
            auto_increment = _AUTO_INCREMENT.unpack_from(data, at)[0]
            at += _AUTO_INCREMENT.size
        return cls(SpaceHeader.unpack(data[1 : 1 + SPACE_HEADER_SIZE]), auto_increment, bytes(data[at:]))

    def pack(self) -> bytes:
        """Return 16 bytes, or the 25-byte form when there is a counter."""
        if self.auto_increment is None:
            return self.space.pack()
        mask = _HAS_SPACE_HEADER | _HAS_AUTO_INCREMENT
        return bytes((mask,)) + self.space.pack() + _AUTO_INCREMENT.pack(self.auto_increment)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of pages, `last` - `count` + 1 .. `last`; pool 0 is the general one, 2 lies beyond the end of the file."""

    last: int
    count: int
    pool: int = 0

    @property
    def first(self) -> int:
        """First page; one more than `last` when the extent is empty."""
        return self.last - self.count + 1

    @classmethod
    def of(cls, page: Page, node: Node, *, code: int = Err.SPOwnExtCorrupted) -> Extent:
        """Read an entry of an OE or AE tree; `code` (-343 or -341) when it is malformed."""
        if len(node.data) != _EXTENT_DATA.size:
            raise page.error(code, f"an extent of {len(node.data)} data bytes")
        if len(node.key) == _EXTENT_KEY.size:
            pool, last = 0, _EXTENT_KEY.unpack(node.key)[0]
        elif len(node.key) == _POOL_KEY.size and node.key[0] & _POOL_BIT:
            pool, last = _POOL_KEY.unpack(node.key)
            pool &= ~_POOL_BIT
        else:
            raise page.error(code, f"an extent with the key {node.key[:8].hex()}")
        count = _EXTENT_DATA.unpack(node.data)[0]
        if count > last:
            raise page.error(code, f"an extent of {count} pages that ends at page {last}")
        return cls(last, count, pool)

    @property
    def key(self) -> bytes:
        """The key it is stored under."""
        return _POOL_KEY.pack(_POOL_BIT | self.pool, self.last) if self.pool else _EXTENT_KEY.pack(self.last)

    @property
    def data(self) -> bytes:
        """The data it is stored as."""
        return _EXTENT_DATA.pack(self.count)


EMPTY_SPLIT_BUFFER: Final = bytes(_SPLIT_BUFFER.size)
"""External header of an OE or AE root without reserve."""


def split_buffers(page: HasExternalHeader) -> tuple[Extent, ...]:
    """Return the reserves kept in the root of an OE or AE tree: none, one or two extents; -1206 for another length."""
    data = page.external_header
    if not data:
        return ()
    if len(data) != _SPLIT_BUFFER.size:
        raise page.error(Err.DatabaseCorrupted, f"a split buffer of {len(data)} bytes")
    last1, count1, last2, count2 = _SPLIT_BUFFER.unpack(data)
    return tuple(Extent(last, count) for last, count in ((last1, count1), (last2, count2)) if 0 < count <= last)


def child_data(pgno: int) -> bytes:
    """Return the data of an internal node that points to page `pgno`."""
    return _CHILD.pack(pgno)


assert _SPACE_HEADER.size == SPACE_HEADER_SIZE  # noqa: S101 - the layout is checked once, at import
assert _SPLIT_BUFFER.size == SPACE_HEADER_SIZE  # noqa: S101
