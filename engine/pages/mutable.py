"""A page decoded for change: header fields, external header, and the nodes as a list.

Redo and live work change pages only through this class, so an operation costs a list operation and not a
splice of 32 KiB; the bytes are made once, when the page is written.  Encoding lays the blobs out in tag order
without holes: the engine compacts at other moments, so equality of pages is a matter of content, not of place.

A node is `(flags, prefix size, suffix, data)`; its key is `external[:prefix size] + suffix`.  `flags` are the
node flags VERSION and DELETED; COMPRESSED follows from the prefix size.

Source: database reference 2, 3; log reference 3.4.
"""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.checksum import set_page_checksum
from engine.format.node import (
    COMPRESSION_THRESHOLD,
    FLAG_SHIFT,
    PAGE_POINTER_SIZE,
    SIZE_MASK,
    NodeFlags,
    common_prefix,
    shared_with_prefix,
)
from engine.format.page import TAG_SIZE, Page, PageFlags, PageHeader, header_size, is_large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.format.page import Buffer

Node: TypeAlias = tuple[int, int, bytes, bytes]
"""Flags, bytes of the key taken from the external header, rest of the key, data."""

_WORD = struct.Struct("<H")
_TWO_WORDS = struct.Struct("<HH")
_KEPT_FLAGS: Final = int(NodeFlags.VERSION | NodeFlags.DELETED)
_COMPRESSED: Final = int(NodeFlags.COMPRESSED)
_DELETED: Final = int(NodeFlags.DELETED)
# Plain integers: an operation on flags that are enumeration members costs ten times as much.
_ROOT: Final = int(PageFlags.ROOT)
_LEAF: Final = int(PageFlags.LEAF)
_EMPTY: Final = int(PageFlags.EMPTY)
_NEVER_COMPRESSED: Final = int(PageFlags.ROOT | PageFlags.SPACE_TREE)
_NOT_A_BODY: Final = int(PageFlags.EMPTY | PageFlags.PRE_INIT)
_PLAIN_COST: Final = 6
"""Bytes of a node beside key and data: tag and one size word; with a prefix there is a second word."""
_MOST_TAGS: Final = 0x0FFF
_SURE_LINES: Final = 4000
"""So many lines and the reserved tags are always below the limit."""
_FEWEST_SHARED: Final = COMPRESSION_THRESHOLD + 1
_RESERVED_MASK: Final = 0xF000
_FORMAT_FLAGS: Final = int(PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM)


class MutablePage:
    """One page, decoded.  `pgno` is its number, `size` the page size in bytes.

    Errors: -357 and -358 (from decoding), -354 for a line that does not exist, -1026 when a change does not fit.  A
    change that is refused has changed nothing.
    """

    __slots__ = (
        "_capacity",
        "_keys",
        "_nodes",
        "_reserved",
        "_tag_nibble",
        "dbtime",
        "external",
        "flags",
        "large",
        "next",
        "objid",
        "path",
        "pgno",
        "prev",
        "size",
        "uncommitted_free",
        "used",
    )

    def __init__(self, pgno: int, size: int, *, objid: int = 0, flags: int = 0, path: str | None = None) -> None:
        self.pgno = pgno
        self.size = size
        self.large = is_large(size)
        self._capacity = size - header_size(size) - TAG_SIZE
        self.path = path
        self.objid = objid
        self.flags = int(flags)
        self.dbtime = 0
        self.prev = 0
        self.next = 0
        self.uncommitted_free = 0
        self.external = b""
        self._nodes: list[Node] = []
        self._keys: list[bytes] | None = None
        """Whole keys in order, made by the first search and kept by every change from then on."""
        self._reserved: list[bytes] = []
        self._tag_nibble = 0
        self.used = 0
        """Bytes of external header, reserved blobs and nodes with their tags; the external header's tag left out."""

    @classmethod
    def decode(cls, data: Buffer, pgno: int, *, path: str | None = None) -> MutablePage:
        """Take apart a whole page whose checksum has been verified."""
        source = Page(data, pgno, path=path)
        source.check()
        header = source.header
        page = cls(pgno, source.size, objid=header.objid, flags=int(header.flags), path=path)
        page.dbtime = header.dbtime
        page.prev, page.next = header.pgno_prev, header.pgno_next
        page.uncommitted_free = header.uncommitted_free
        page._tag_nibble = header.tag_state & _RESERVED_MASK
        if header.flags & _NOT_A_BODY:
            return page
        page.external = bytes(source.external_header)
        page.used = len(page.external)
        if header.reserved_tags > 1:
            page._reserved = [bytes(source._blob(tag)[1]) for tag in range(1, header.reserved_tags)]  # noqa: SLF001
            page.used += sum(TAG_SIZE + len(blob) for blob in page._reserved)
        page._nodes = [page._split(flags, bytes(blob)) for flags, blob in source.lines()]
        page.used += sum(map(_cost, page._nodes))
        return page

    def _split(self, flags: int, blob: bytes) -> Node:
        """Take a line apart; the sizes are checked against the line and the prefix."""
        if flags & _COMPRESSED:
            prefix, suffix = _TWO_WORDS.unpack_from(blob)
            prefix, start = prefix & SIZE_MASK, 4
        else:
            prefix, suffix, start = 0, _WORD.unpack_from(blob)[0], 2
        end = start + (suffix & SIZE_MASK)
        if end > len(blob) or prefix > len(self.external):
            raise self.error(Err.NodeCorrupted, f"a key of {prefix} + {end - start} bytes in a line of {len(blob)}")
        return flags & _KEPT_FLAGS, prefix, blob[start:end], blob[end:]

    # What a page says of itself.

    @property
    def capacity(self) -> int:
        """Bytes for external header, reserved blobs and nodes with their tags."""
        return self._capacity

    @property
    def free(self) -> int:
        """Free bytes (cbFree)."""
        return self.capacity - self.used

    @property
    def is_leaf(self) -> bool:
        """Whether nodes are records or entries rather than children."""
        return bool(self.flags & _LEAF)

    @property
    def is_root(self) -> bool:
        """Whether this is the root of a tree."""
        return bool(self.flags & _ROOT)

    @property
    def line_count(self) -> int:
        """Number of nodes, deleted ones included."""
        return len(self._nodes)

    @property
    def external_header(self) -> bytes:
        """The external header (tag 0), by the name that a read page has for it."""
        return self.external

    @property
    def compresses(self) -> bool:
        """Whether keys may use the external header as a prefix."""
        return not self.flags & _NEVER_COMPRESSED and bool(self.external)

    def error(self, code: int, detail: str) -> EseError:
        """Return an error of this page."""
        return EseError.from_code(code, detail, path=self.path, page=self.pgno)

    # Reading nodes.

    def node(self, line: int) -> Node:
        """Return node `line` (from 0)."""
        if not 0 <= line < len(self._nodes):
            raise self.error(Err.BadLineCount, f"line {line} of {len(self._nodes)}")
        return self._nodes[line]

    def key(self, line: int) -> bytes:
        """Return the whole key of node `line`."""
        _, prefix, suffix, _ = self.node(line)
        return self.external[:prefix] + suffix if prefix else suffix

    def data(self, line: int) -> bytes:
        """Return the data of node `line`."""
        return self.node(line)[3]

    def child(self, line: int) -> int:
        """Return the page that node `line` of an internal page points to; -358 when it is no pointer."""
        data = self.node(line)[3]
        if len(data) != PAGE_POINTER_SIZE:
            raise self.error(Err.NodeCorrupted, f"line {line}: a child pointer of {len(data)} bytes")
        return int.from_bytes(data, "little")

    def keys(self) -> list[bytes]:
        """Return the whole keys in order, for searches; the list lives on and is not the caller's to change."""
        keys = self._keys
        if keys is None:
            external = self.external
            self._keys = keys = [
                external[:prefix] + suffix if prefix else suffix for _, prefix, suffix, _ in self._nodes
            ]
        return keys

    def datas(self) -> list[bytes]:
        """Return the data of all nodes in order."""
        return [data for _, _, _, data in self._nodes]

    def full(self) -> list[tuple[int, bytes, bytes]]:
        """Return every node as (flags, whole key, data)."""
        external = self.external
        return [
            (flags, external[:prefix] + suffix if prefix else suffix, data)
            for flags, prefix, suffix, data in self._nodes
        ]

    def alive(self) -> list[tuple[bytes, bytes]]:
        """Return the nodes that are not marked deleted as (whole key, data)."""
        external = self.external
        return [
            (external[:prefix] + suffix if prefix else suffix, data)
            for flags, prefix, suffix, data in self._nodes
            if not flags & _DELETED
        ]

    # Changing nodes.  Every change keeps `used`.

    def insert(self, line: int, flags: int, prefix: int, suffix: bytes, data: bytes) -> None:
        """Put a node in as line `line`, its key given as it is to be stored."""
        nodes, external = self._nodes, self.external
        if not 0 <= line <= len(nodes):
            raise self.error(Err.BadLineCount, f"insert as line {line} of {len(nodes)}")
        if prefix > len(external):
            raise self.error(Err.NodeCorrupted, f"{prefix} of {len(external)} prefix bytes")
        used = self.used + (8 if prefix else 6) + len(suffix) + len(data)
        if used > self._capacity or len(nodes) >= _SURE_LINES:
            self._must_fit(used, len(nodes) + 1)
        self.used = used
        nodes.insert(line, (flags, prefix, suffix, data))
        keys = self._keys
        if keys is not None:
            keys.insert(line, external[:prefix] + suffix if prefix else suffix)

    def insert_key(self, line: int, flags: int, key: bytes, data: bytes) -> None:
        """Put a node in as line `line`, compressing its key by the engine's own rule."""
        prefix, suffix = self.compress(key)
        self.insert(line, flags, prefix, suffix, data)

    def delete(self, line: int) -> None:
        """Take node `line` out."""
        self.used -= _cost(self.node(line))
        del self._nodes[line]
        if self._keys is not None:
            del self._keys[line]

    def set_flags(self, line: int, *, add: int = 0, remove: int = 0) -> None:
        """Change the flags of node `line`."""
        flags, prefix, suffix, data = self.node(line)
        self._nodes[line] = ((flags | add) & ~remove, prefix, suffix, data)

    def set_data(self, line: int, data: bytes, flags: int = 0) -> None:
        """Replace the data of node `line`, and add flags."""
        before, prefix, suffix, old = self.node(line)
        self.used = self._must_fit(self.used + len(data) - len(old), len(self._nodes))
        self._nodes[line] = (before | flags, prefix, suffix, data)

    def set_key(self, line: int, key: bytes) -> None:
        """Replace the key of node `line`."""
        old = self.node(line)
        prefix, suffix = self.compress(key)
        node = (old[0], prefix, suffix, old[3])
        self.used = self._must_fit(self.used + _cost(node) - _cost(old), len(self._nodes))
        self._nodes[line] = node
        if self._keys is not None:
            self._keys[line] = key

    def set_external(self, data: bytes) -> None:
        """Replace the external header where no key depends on it (roots, space trees, pages without nodes)."""
        if any(prefix > len(data) or data[:prefix] != self.external[:prefix] for _, prefix, _, _ in self._nodes):
            raise self.error(Err.NodeCorrupted, "keys depend on the external header that is to change")
        self.used = self._must_fit(self.used + len(data) - len(self.external), len(self._nodes))
        self.external = data

    def compress(self, key: bytes) -> tuple[int, bytes]:
        """Return (bytes shared with the prefix, rest) as the key is stored on this page."""
        external = self.external
        if external and key[:_FEWEST_SHARED] == external[:_FEWEST_SHARED] and not self.flags & _NEVER_COMPRESSED:
            shared = len(external) if key.startswith(external) else common_prefix(key, external)
            if shared >= _FEWEST_SHARED:
                return shared, key[shared:]
        return 0, key

    def refill(self, external: bytes, nodes: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Replace external header and all nodes, given as (flags, whole key, data), compressing keys anew."""
        whole = nodes if isinstance(nodes, list) else [*nodes]
        keys = [node[1] for node in whole]
        used = len(external) + sum([TAG_SIZE + len(blob) for blob in self._reserved])
        used += sum(map(len, keys)) + sum([len(node[2]) for node in whole]) + _PLAIN_COST * len(whole)
        if external and not self.flags & _NEVER_COMPRESSED:
            shares = shared_with_prefix(external, keys)
            stored: list[Node] = [
                (flags, shared, key[shared:], data) if shared > COMPRESSION_THRESHOLD else (flags, 0, key, data)
                for (flags, key, data), shared in zip(whole, shares, strict=True)
            ]
            used -= sum([shared - COMPRESSION_THRESHOLD for shared in shares if shared > COMPRESSION_THRESHOLD])
        else:
            stored = [(flags, 0, key, data) for flags, key, data in whole]
        self.used = self._must_fit(used, len(stored))
        self.external, self._nodes, self._keys = external, stored, keys

    def truncate(self, lines: int) -> None:
        """Keep the first `lines` nodes."""
        self._has(lines)
        self.used -= sum(map(_cost, self._nodes[lines:]))
        del self._nodes[lines:]
        if self._keys is not None:
            del self._keys[lines:]

    def drop_first(self, lines: int) -> None:
        """Take out the first `lines` nodes."""
        self._has(lines)
        self.used -= sum(map(_cost, self._nodes[:lines]))
        del self._nodes[:lines]
        if self._keys is not None:
            del self._keys[:lines]

    def clear(self, *, keep_external: bool = False) -> None:
        """Drop all nodes, and the external header unless told otherwise."""
        self._nodes = []
        self._keys = None
        if not keep_external:
            self.external = b""
        self.used = len(self.external) + sum(TAG_SIZE + len(blob) for blob in self._reserved)

    def make_empty(self) -> None:
        """Make it a page that a merge has released: flag EMPTY, no content that counts; siblings and object stay."""
        self.clear()
        self.flags |= _EMPTY
        self.uncommitted_free = 0

    def become(self, other: MutablePage) -> None:
        """Take over everything but number, size and path."""
        self.objid, self.flags, self.dbtime = other.objid, other.flags, other.dbtime
        self.prev, self.next, self.uncommitted_free = other.prev, other.next, other.uncommitted_free
        self.external, self._nodes, self.used = other.external, [*other._nodes], other.used
        self._reserved, self._tag_nibble = [*other._reserved], other._tag_nibble
        self._keys = None

    def _has(self, lines: int) -> None:
        if not 0 <= lines <= len(self._nodes):
            raise self.error(Err.BadLineCount, f"{lines} lines of {len(self._nodes)}")

    def _must_fit(self, used: int, lines: int) -> int:
        """Return `used`; -1026 when so many bytes or lines are too many."""
        if used > self._capacity or lines + len(self._reserved) + 1 > _MOST_TAGS:
            raise self.error(Err.RecordTooBig, f"{used} bytes and {lines} lines on a page of {self._capacity}")
        return used

    # Bytes.

    def image(self, dbtime: int) -> bytes:
        """Return the page as a split or merge record carries it: stamped `dbtime`, without the gap before the tags."""
        blobs, words = self._blobs()
        words.reverse()
        body = b"".join(blobs)
        header = PageHeader(
            checksum=0,
            dbtime=dbtime,
            pgno_prev=self.prev,
            pgno_next=self.next,
            objid=self.objid,
            free=0,
            uncommitted_free=min(self.uncommitted_free, self.free),
            mic_free=len(body),
            tag_state=self._tag_nibble | len(blobs),
            flags=PageFlags(self.flags | _FORMAT_FLAGS),
            pgno=self.pgno if self.large else 0,
        )
        return header.pack(self.size) + body + struct.pack(f"<{len(words)}H", *words)

    def encode(self) -> bytearray:
        """Return the whole page with its checksum set.

        EMPTY and PRE_INIT pages get a body of zeros: nothing of it counts.
        """
        start, large = header_size(self.size), self.large
        if self.flags & _NOT_A_BODY:
            blobs: list[bytes] = []
            words: list[int] = []
            count, free = self._tag_nibble, self.size - start
        else:
            blobs, words = self._blobs()
            count, free = self._tag_nibble | len(blobs), self.free
        body = b"".join(blobs)
        header = PageHeader(
            checksum=0,
            dbtime=self.dbtime,
            pgno_prev=self.prev,
            pgno_next=self.next,
            objid=self.objid,
            free=free,
            uncommitted_free=min(self.uncommitted_free, free),
            mic_free=len(body),
            tag_state=count,
            flags=PageFlags(self.flags | _FORMAT_FLAGS),
            pgno=self.pgno if large else 0,
        )
        page = bytearray(self.size)
        page[:start] = header.pack(self.size)
        page[start : start + len(body)] = body
        if words:
            words.reverse()
            page[self.size - 2 * len(words) :] = struct.pack(f"<{len(words)}H", *words)
        set_page_checksum(page, self.pgno)
        return page

    def _blobs(self) -> tuple[list[bytes], list[int]]:
        """Return the blobs in tag order, and the words of the tag array in reverse."""
        blobs: list[bytes] = [self.external, *self._reserved]
        marks = [0] * len(blobs)
        large = self.large
        for flags, prefix, suffix, data in self._nodes:
            mark = (flags | _COMPRESSED if prefix else flags) << FLAG_SHIFT
            # On large pages the flags are in the first word of the line, on small ones in the tag.
            here, there = (mark, 0) if large else (0, mark)
            if prefix:
                blobs.append(_TWO_WORDS.pack(prefix | here, len(suffix)) + suffix + data)
            else:
                blobs.append(_WORD.pack(len(suffix) | here) + suffix + data)
            marks.append(there)
        sizes = list(map(len, blobs))
        words = [0] * (2 * len(blobs))
        words[1::2] = sizes
        words[0::2] = map(int.__or__, accumulate(sizes[:-1], initial=0), marks)
        return blobs, words


def _cost(node: Node) -> int:
    """Return the bytes that a node and its tag take."""
    return (_PLAIN_COST + COMPRESSION_THRESHOLD if node[1] else _PLAIN_COST) + len(node[2]) + len(node[3])
