"""Records about versions: before-images, their undoing, and escrow columns.

A bookmark (key, and for trees that are not unique the data) names a node whatever its line.
Source: log reference 2.6.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.format.lr.codec import wire
from engine.format.lr.node import NODE_PREFIX, NodeRecord


class _UndoInfo(NamedTuple):
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
    oper: int
    cb_max_size: int
    cb_delta: int
    bookmark_key: bytes
    bookmark_data: bytes
    data: bytes


@wire
class UndoInfo(NodeRecord, _UndoInfo):
    """The before-image of a Replace or FlagDelete, logged before its page is written; changes no page."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + ("len(bookmark_key):H len(bookmark_data):H oper:H cb_max_size:h cb_delta:h len(data):H")
    TAIL = "bookmark_key bookmark_data data"


class _Undo(NamedTuple):
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
    oper: int
    level_undone: int
    bookmark_key: bytes
    bookmark_data: bytes


@wire
class Undo(NodeRecord, _Undo):
    """The operation of version `rceid` is undone."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(bookmark_key):H len(bookmark_data):H oper:H level_undone:B"
    TAIL = "bookmark_key bookmark_data"


class _Delta(NamedTuple):
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
    delta: int
    cb_offset: int
    bookmark_key: bytes
    bookmark_data: bytes


@wire
class Delta(NodeRecord, _Delta):
    """`delta` is added to the signed 4 bytes at `cb_offset` of a node's data."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(bookmark_key):H len(bookmark_data):H delta:i cb_offset:H"
    TAIL = "bookmark_key bookmark_data"


@wire
class Delta64(NodeRecord, _Delta):
    """`delta` is added to the signed 8 bytes at `cb_offset` of a node's data."""

    __slots__ = ()
    LAYOUT = NODE_PREFIX + "len(bookmark_key):H len(bookmark_data):H delta:q cb_offset:H"
    TAIL = "bookmark_key bookmark_data"
