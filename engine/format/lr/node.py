"""Records that change one node of a page, or all nodes of a page.

Each begins with the page prefix: session, database, page, the dbtime the page gets and the one it had (-1: new
or irrelevant), the transaction, its level, the node's line (the external header not counted) and flags; behind
it come the version entry's id and the tree's root and object id (the node prefix).
Source: log reference 2.1, 2.6.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.lr.codec import Record, corrupt, register, wire
from engine.format.lr.types import LrType

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_PREFIX: Final = "procid:H dbid:B pgno:I dbtime:q dbtime_before:q trx_begin0:I level:B iline:H flags:B "
"""Layout of the page prefix, behind the type byte."""

NODE_PREFIX: Final = PAGE_PREFIX + "rceid:I pgno_fdp:I objid_fdp:I "
"""Layout of the node prefix."""

_NODE_AND_THREE = struct.Struct("<BHBIqqIBHBIIIHHH")
"""Type, node prefix, and three sizes."""

DBTIME_NIL: Final = -1
"""The page is new, or its dbtime does not matter."""


class NodeFlags(IntFlag):
    """Flags of the page prefix."""

    VERSIONED = 0x01
    DELETED = 0x02
    UNIQUE = 0x04
    SPACE = 0x08
    CONCURRENT_CREATE_INDEX = 0x10
    SYSTEM_TASK = 0x20


class Oper(IntEnum):
    """What a version entry undoes."""

    INSERT = 1
    REPLACE = 2
    FLAG_DELETE = 3
    DELTA = 4
    READ_LOCK = 5
    WRITE_LOCK = 6
    ALLOCATE_EXTENT = 7
    DELTA64 = 9
    PRE_INSERT = 0x80


class PageRecord(Record):
    """A record that begins with the page prefix."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def procid(self) -> int: ...  # noqa: D102
        @property
        def dbid(self) -> int: ...  # noqa: D102
        @property
        def pgno(self) -> int: ...  # noqa: D102
        @property
        def dbtime(self) -> int: ...  # noqa: D102
        @property
        def dbtime_before(self) -> int: ...  # noqa: D102
        @property
        def trx_begin0(self) -> int: ...  # noqa: D102
        @property
        def level(self) -> int: ...  # noqa: D102
        @property
        def iline(self) -> int: ...  # noqa: D102
        @property
        def flags(self) -> int: ...  # noqa: D102


class NodeRecord(PageRecord):
    """A record that begins with the node prefix."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def rceid(self) -> int: ...  # noqa: D102
        @property
        def pgno_fdp(self) -> int: ...  # noqa: D102
        @property
        def objid_fdp(self) -> int: ...  # noqa: D102


class _Insert(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    prefix: bytes
    suffix: bytes
    data: bytes


@wire
class Insert(NodeRecord, _Insert):
    """A node is inserted; its key is `prefix` + `suffix`, stored prefix-compressed when `prefix` is not empty."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(suffix):H len(prefix):H len(data):H"
    TAIL = "prefix suffix data"

    @property
    def key(self) -> bytes:
        """The whole key."""
        return self.prefix + self.suffix

    def pack(self) -> bytes:
        """Return the bytes of the record; by hand, for live work makes one for each row."""
        procid, dbid, pgno, dbtime, before, trx, level, iline, flags, rceid, fdp, objid, prefix, suffix, data = self
        sizes = len(suffix), len(prefix), len(data)
        try:
            head = _NODE_AND_THREE.pack(
                LrType.Insert, procid, dbid, pgno, dbtime, before, trx, level, iline, flags, rceid, fdp, objid, *sizes
            )
        except struct.error:
            return super().pack()
        return head + prefix + suffix + data


class _FlagInsert(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    key: bytes
    data: bytes


@wire
class FlagInsert(NodeRecord, _FlagInsert):
    """A deleted node is made alive again; key and data for information."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(key):H len(data):H"
    TAIL = "key data"


class _FlagInsertAndReplaceData(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    rceid_replace: int
    key: bytes
    data: bytes


@wire
class FlagInsertAndReplaceData(NodeRecord, _FlagInsertAndReplaceData):
    """A deleted node is made alive again with new data."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(key):H len(data):H rceid_replace:I"
    TAIL = "key data"


class _NodeOnly(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int


@wire
class FlagDelete(NodeRecord, _NodeOnly):
    """A node is marked deleted."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX


@wire
class Delete(NodeRecord, _NodeOnly):
    """A node is removed from the page."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX


class _Replace(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    cb_old: int
    cb_new: int
    data: bytes


@wire
class Replace(NodeRecord, _Replace):
    """A node's data becomes `data`; `cb_old` and `cb_new` are the lengths before and after."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(data):H cb_old:H cb_new:H"
    TAIL = "data"


class _ReplaceD(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    large: bool
    cb_old: int
    cb_new: int
    diff: bytes


class ReplaceD(NodeRecord, _ReplaceD):
    """A node's data is changed by a difference; `large` tells its form (pages above 8 KiB), see `lr.diff`."""

    __slots__ = ()


_LARGE_DIFF: Final = 0x8000


def _decode_replace_d(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
    start = at + _NODE_AND_THREE.size
    if start > limit:
        corrupt("ReplaceD record cut off", at)
    values = _NODE_AND_THREE.unpack_from(buffer, at)
    length, old, new = values[13:]
    end = start + (length & ~_LARGE_DIFF)
    if end > limit:
        corrupt(f"ReplaceD record of {end - at} bytes leaves its place", at)
    return ReplaceD._make((*values[1:13], bool(length & _LARGE_DIFF), old, new, buffer[start:end])), end


def _pack_replace_d(values: tuple[object, ...]) -> bytes:
    record = ReplaceD(*values)  # type: ignore[arg-type]  # these are the fields of a ReplaceD
    length = len(record.diff)
    if length >= _LARGE_DIFF:
        raise EseError.from_code(Err.InvalidParameter, f"a difference of {length} bytes")
    length |= _LARGE_DIFF if record.large else 0
    try:
        return _NODE_AND_THREE.pack(record.type, *values[:12], length, record.cb_old, record.cb_new) + record.diff
    except struct.error as error:
        raise EseError.from_code(Err.InvalidParameter, f"a field of ReplaceD does not fit: {error}") from None


register(ReplaceD, _decode_replace_d, _pack_replace_d)


class _SetExternalHeader(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    data: bytes


@wire
class SetExternalHeader(NodeRecord, _SetExternalHeader):
    """The external header (tag 0) becomes `data`."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(data):H"
    TAIL = "data"


class EmptyPage(NamedTuple):
    """One page that EmptyTree empties."""

    dbtime_before: int
    pgno: int
    flags: int


class _EmptyTree(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    pages: bytes


@wire
class EmptyTree(NodeRecord, _EmptyTree):
    """All nodes of a tree go; `pages` lists the pages below the root, 16 bytes each."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(pages):H"
    TAIL = "pages"

    def empty_pages(self) -> Iterator[EmptyPage]:
        """Yield the pages; an incomplete entry at the end is left out."""
        whole = len(self.pages) // _EMPTY_PAGE.size * _EMPTY_PAGE.size
        yield from map(EmptyPage._make, _EMPTY_PAGE.iter_unpack(self.pages[:whole]))


_EMPTY_PAGE = struct.Struct("<qII")


class _Scrub(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    rceid: int
    pgno_fdp: int
    objid_fdp: int
    scrub_flags: int
    operations: int
    data: bytes


@wire
class Scrub(NodeRecord, _Scrub):
    """Unused bytes are overwritten; one byte a node: 0 nothing, 1 fill with 'D', 2 with 'L'."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "scrub_flags:I operations:I len(data):H"
    TAIL = "data"
