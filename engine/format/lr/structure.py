"""Records that move nodes between pages: splits, merges, page moves.

Each is part of a macro and names up to four pages, every one with the dbtime it had before.
Source: log reference 2.8-2.12.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

from engine.format.lr.codec import Record, wire
from engine.format.lr.node import PAGE_PREFIX, PageRecord


class SplitType(IntEnum):
    """Where the new page goes."""

    VERTICAL = 0
    RIGHT = 1
    APPEND = 2


class SplitOper(IntEnum):
    """The operation that made the split necessary."""

    NONE = 0
    INSERT = 1
    REPLACE = 2
    FLAG_INSERT_AND_REPLACE_DATA = 3


class MergeType(IntEnum):
    """What becomes of the page; a parent's record has NONE."""

    NONE = 0
    EMPTY_PAGE = 1
    FULL_RIGHT = 2
    PARTIAL_RIGHT = 3
    EMPTY_TREE = 4
    FULL_LEFT = 5
    PARTIAL_LEFT = 6
    PAGE_MOVE = 7


class MergeFlags(IntFlag):
    """What happens to this page in a merge."""

    KEY_CHANGE = 1
    DELETE_NODE = 2
    EMPTY_PAGE = 4


class ImageFlags(IntFlag):
    """How a page image is packed; compression is undone first."""

    DEHYDRATED = 1
    COMPRESSED = 2


class _Split(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    pgno_new: int
    pgno_right: int
    dbtime_right_before: int
    pgno_parent: int
    dbtime_parent_before: int
    pgno_fdp: int
    objid_fdp: int
    split_type: int
    split_oper: int
    iline_oper: int
    iline_split: int
    clines: int
    new_page_flags: int
    split_page_flags: int
    cb_uncommitted_free_source: int
    cb_uncommitted_free_dest: int
    iline_prefix_split: int
    iline_prefix_new: int
    key_parent: bytes
    prefix_split_old: bytes
    prefix_split_new: bytes


_SPLIT = PAGE_PREFIX + (
    "pgno_new:I pgno_right:I dbtime_right_before:q pgno_parent:I dbtime_parent_before:q pgno_fdp:I objid_fdp:I "
    "split_type:B split_oper:B iline_oper:H iline_split:H clines:H new_page_flags:I split_page_flags:I "
    "cb_uncommitted_free_source:h cb_uncommitted_free_dest:h iline_prefix_split:i iline_prefix_new:i "
    "len(prefix_split_old):H len(prefix_split_new):H len(key_parent):H"
)


@wire
class Split(PageRecord, _Split):
    """A page is split, old form without image."""

    __slots__ = ()
    LAYOUT = _SPLIT
    TAIL = "key_parent prefix_split_old prefix_split_new"


class _Split2(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    pgno_new: int
    pgno_right: int
    dbtime_right_before: int
    pgno_parent: int
    dbtime_parent_before: int
    pgno_fdp: int
    objid_fdp: int
    split_type: int
    split_oper: int
    iline_oper: int
    iline_split: int
    clines: int
    new_page_flags: int
    split_page_flags: int
    cb_uncommitted_free_source: int
    cb_uncommitted_free_dest: int
    iline_prefix_split: int
    iline_prefix_new: int
    image_flags: int
    key_parent: bytes
    prefix_split_old: bytes
    prefix_split_new: bytes
    image: bytes


@wire
class Split2(PageRecord, _Split2):
    """A page is split; with `pgno_new` 0 it only gets a pointer to the new page below it."""

    __slots__ = ()
    LAYOUT = _SPLIT + " image_flags:I len(image):I"
    TAIL = "key_parent prefix_split_old prefix_split_new image"


class _Merge(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    pgno_right: int
    dbtime_right_before: int
    pgno_left: int
    dbtime_left_before: int
    pgno_parent: int
    dbtime_parent_before: int
    pgno_fdp: int
    objid_fdp: int
    cb_size_total: int
    cb_size_max_total: int
    cb_uncommitted_free_dest: int
    iline_merge: int
    merge_flags: int
    merge_type: int
    key_parent_separator: bytes


_MERGE = PAGE_PREFIX + (
    "pgno_right:I dbtime_right_before:q pgno_left:I dbtime_left_before:q pgno_parent:I dbtime_parent_before:q "
    "pgno_fdp:I objid_fdp:I cb_size_total:H cb_size_max_total:H cb_uncommitted_free_dest:H iline_merge:H "
    "merge_flags:B merge_type:B len(key_parent_separator):H"
)


@wire
class Merge(PageRecord, _Merge):
    """A page is merged away, old form without image."""

    __slots__ = ()
    LAYOUT = _MERGE
    TAIL = "key_parent_separator"


class _Merge2(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    pgno_right: int
    dbtime_right_before: int
    pgno_left: int
    dbtime_left_before: int
    pgno_parent: int
    dbtime_parent_before: int
    pgno_fdp: int
    objid_fdp: int
    cb_size_total: int
    cb_size_max_total: int
    cb_uncommitted_free_dest: int
    iline_merge: int
    merge_flags: int
    merge_type: int
    image_flags: int
    key_parent_separator: bytes
    image: bytes


@wire
class Merge2(PageRecord, _Merge2):
    """A page is emptied or merged with a neighbour."""

    __slots__ = ()
    LAYOUT = _MERGE + " image_flags:I len(image):I"
    TAIL = "key_parent_separator image"


class _PageMove(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    pgno_dest: int
    pgno_left: int
    pgno_right: int
    pgno_parent: int
    dbtime_left_before: int
    dbtime_right_before: int
    dbtime_parent_before: int
    pgno_fdp: int
    objid_fdp: int
    iline_parent: int
    move_flags: int
    header: bytes
    trailer: bytes


@wire
class PageMove(PageRecord, _PageMove):
    """A page goes to another number; `header` and `trailer` are its two ends, zeros lie between.

    `move_flags`: 1 root of a tree, 2 root of its owned extents, 4 root of its available extents.
    """

    __slots__ = ()
    LAYOUT = PAGE_PREFIX + (
        "pgno_dest:I pgno_left:I pgno_right:I pgno_parent:I dbtime_left_before:q dbtime_right_before:q "
        "dbtime_parent_before:q pgno_fdp:I objid_fdp:I iline_parent:i move_flags:I len(header):I len(trailer):I"
    )
    TAIL = "header trailer"


class _RootPageMove(NamedTuple):
    dbtime_after: int
    dbid: int
    objid: int
    procid: int


@wire
class RootPageMove(Record, _RootPageMove):
    """The root of a tree moves, within a macro that has the moves themselves."""

    __slots__ = ()
    LAYOUT = "dbtime_after:q dbid:B objid:I procid:H"
