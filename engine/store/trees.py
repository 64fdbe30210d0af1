"""Operations on the nodes of a tree; whatever does not fit where it belongs goes through a split.

Every function appends one record, or a macro, and applies it.  Room and counts are judged before anything is
appended: a record in the log takes effect.  All under the journal's latch, with a place found under the same hold
of it.

Room: bytes that the undoing of a replace may need are free but not available (cbUncommittedFree).  The page's
count is an upper bound; when it stands in the way, the versions are asked what is really held.
Source: database reference 2.5, 4.7; log reference 2.6, 3.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format import lr
from engine.format.node import NodeFlags
from engine.store import merge, split
from engine.store.doing import make_record
from engine.store.lines import PLAIN_COST, held_bytes
from engine.store.search import Place, descend, path_to

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage
    from engine.redo.apply import Applied
    from engine.store.doing import Doer, TreeRef

__all__ = [
    "Place",
    "delete",
    "delta",
    "descend",
    "flag_delete",
    "flag_insert",
    "flag_insert_and_replace",
    "insert",
    "path_to",
    "replace",
    "set_root_header",
]

_VERSIONED: Final = int(lr.NodeFlags.VERSIONED)
_DELETED: Final = int(NodeFlags.DELETED)
_STREAK: Final = 2
_COMPRESSED: Final = 8
_ROUNDS: Final = 16


def insert(
    doer: Doer, tree: TreeRef, place: Place, key: bytes, data: bytes, *, rceid: int = 0, versioned: bool = True
) -> Applied:
    """Insert a node at a place where it is not; -1605 when it is there, -1026 when no page could hold it."""
    page, line, exact = place
    if exact:
        raise page.error(Err.KeyDuplicate, f"line {line} has this key")
    if line == tree.hint_line + 1 and page.pgno == tree.hint:
        tree.streak += 1
    else:
        tree.streak = 0
    tree.hint_line = line
    prefix, suffix = page.compress(key)
    cost = (_COMPRESSED if prefix else PLAIN_COST) + len(suffix) + len(data)
    count = page.line_count
    need = cost if page.next or line != count or not line else cost + tree.slack
    if tree.capacity - page.used - page.uncommitted_free < need or count >= split.MOST_LINES:
        return _insert_in_want(doer, tree, place, key, data, rceid, versioned=versioned)
    flags = tree.record_flags | doer.record_flags
    begin0 = doer.begun()
    pages = tree.pages
    record = make_record(
        lr.Insert,
        (
            doer.procid,
            pages.dbid,
            page.pgno,
            pages.next_dbtime(),
            page.dbtime,
            doer.trx_begin0,
            doer.level,
            line,
            flags | _VERSIONED if versioned else flags,
            rceid,
            tree.fdp,
            tree.objid,
            page.external[:prefix] if prefix else b"",
            suffix,
            data,
        ),
    )
    return doer.journal.do(pages, record, begin0)


def _insert_in_want(
    doer: Doer, tree: TreeRef, place: Place, key: bytes, data: bytes, rceid: int, *, versioned: bool
) -> Applied:
    """Insert a node whose page seems to have no room."""
    mark = b"" if tree.unique else data
    streak = tree.streak
    for _ in range(_ROUNDS):
        page, line, _ = place
        prefix, suffix = page.compress(key)
        cost = (_COMPRESSED if prefix else PLAIN_COST) + len(suffix) + len(data)
        behind = line == page.line_count and line > 0
        if _room(doer, tree, page, cost + (tree.slack if behind and not page.next else 0)):
            values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
            begin0 = doer.begun()
            record = make_record(lr.Insert, (*values, page.external[:prefix], suffix, data))
            return doer.journal.do(tree.pages, record, begin0)
        hot = streak >= _STREAK and line >= _STREAK and not (behind and not page.next)
        work = split.Work(lr.SplitOper.INSERT, line, key, data, hot)

        def make(pgno: int, line: int, dbtime: int) -> lr.Record:
            head = _in_macro(doer, tree, pgno, line, dbtime, rceid, versioned=versioned)
            return make_record(lr.Insert, (*head, b"", key, data))

        applied = split.divide(doer, tree, mark, work, make)
        if applied is not None:
            return applied
        place = descend(tree, key, data)
    raise place.page.error(Err.InternalError, f"{_ROUNDS} splits make no room for a node")


def _room(doer: Doer, tree: TreeRef, page: MutablePage, need: int) -> bool:
    """Whether the page has room; where only its own count says no, the versions are asked."""
    free = tree.capacity - page.used
    if free < need or page.line_count >= split.MOST_LINES:
        return False
    if free - page.uncommitted_free < need:
        page.uncommitted_free = held_bytes(doer, tree, page)
    return free - page.uncommitted_free >= need


def _grows(doer: Doer, tree: TreeRef, page: MutablePage, line: int, size: int) -> bool:
    """Whether node `line` can have `size` bytes of data on its page, and everything be undone afterwards."""
    growth = size - len(page.data(line))
    free = tree.capacity - page.used
    if growth <= 0 or free - page.uncommitted_free >= growth:
        return True
    if free < growth or not page.uncommitted_free:
        return False
    page.uncommitted_free = held_bytes(doer, tree, page)
    own = held_bytes(doer, tree, page, only=line)
    # What the node itself may need back grows smaller as it grows.
    return free - growth >= page.uncommitted_free - own + max(own - growth, 0)


def replace(doer: Doer, tree: TreeRef, place: Place, data: bytes, *, rceid: int = 0, versioned: bool = True) -> Applied:
    """Replace the data of a node; by a split when its page has no room for more."""
    for _ in range(_ROUNDS):
        page, line = _node(place)
        old = page.data(line)
        if len(data) <= len(old) or _grows(doer, tree, page, line, len(data)):
            begin0 = doer.begun()
            values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
            return doer.journal.do(tree.pages, make_record(lr.Replace, (*values, len(old), len(data), data)), begin0)

        def make(pgno: int, line: int, dbtime: int, old: bytes = old) -> lr.Record:
            head = _in_macro(doer, tree, pgno, line, dbtime, rceid, versioned=versioned)
            return make_record(lr.Replace, (*head, len(old), len(data), data))

        work = split.Work(lr.SplitOper.REPLACE, line, page.key(line), data)
        place, applied = _grow(doer, tree, place, work, make)
        if applied is not None:
            return applied
    raise place.page.error(Err.InternalError, f"{_ROUNDS} splits make no room for a node")


def _grow(
    doer: Doer, tree: TreeRef, place: Place, work: split.Work, make: split.MakeRecord
) -> tuple[Place, Applied | None]:
    """Split the page of a node that is to have more data; return where it is and the operation's result if done."""
    page = place.page
    if not page.is_root and page.external and not any(page.node(line)[1] for line in range(page.line_count)):
        # A prefix that no key uses only takes room.
        begin0 = doer.begun()
        values = _node_values(doer, tree, page, 0, 0, versioned=False)
        doer.journal.do(tree.pages, make_record(lr.SetExternalHeader, (*values, b"")), begin0)
        return place, None
    mark = b"" if tree.unique else page.data(place.line)
    applied = split.divide(doer, tree, mark, work, make)
    return place if applied is not None else descend(tree, work.key, mark), applied


def flag_insert_and_replace(
    doer: Doer,
    tree: TreeRef,
    place: Place,
    data: bytes,
    *,
    rceid: int = 0,
    rceid_replace: int = 0,
    versioned: bool = True,
) -> Applied:
    """Bring a deleted node back with other data; -1605 when it is not deleted."""
    for _ in range(_ROUNDS):
        page, line = _node(place)
        key = page.key(line)
        if not page.node(line)[0] & _DELETED:
            raise page.error(Err.KeyDuplicate, f"line {line} is not deleted")
        if _grows(doer, tree, page, line, len(data)):
            begin0 = doer.begun()
            values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
            record = make_record(lr.FlagInsertAndReplaceData, (*values, rceid_replace, key, data))
            return doer.journal.do(tree.pages, record, begin0)

        def make(pgno: int, line: int, dbtime: int, key: bytes = key) -> lr.Record:
            head = _in_macro(doer, tree, pgno, line, dbtime, rceid, versioned=versioned)
            return make_record(lr.FlagInsertAndReplaceData, (*head, rceid_replace, key, data))

        work = split.Work(lr.SplitOper.FLAG_INSERT_AND_REPLACE_DATA, line, key, data)
        place, applied = _grow(doer, tree, place, work, make)
        if applied is not None:
            return applied
    raise place.page.error(Err.InternalError, f"{_ROUNDS} splits make no room for a node")


def flag_insert(doer: Doer, tree: TreeRef, place: Place, *, rceid: int = 0, versioned: bool = True) -> Applied:
    """Bring a deleted node back as it is."""
    page, line = _node(place)
    begin0 = doer.begun()
    values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
    return doer.journal.do(tree.pages, make_record(lr.FlagInsert, (*values, page.key(line), page.data(line))), begin0)


def flag_delete(doer: Doer, tree: TreeRef, place: Place, *, rceid: int = 0, versioned: bool = True) -> Applied:
    """Mark a node deleted; it keeps its room until nothing can need it any more."""
    page, line = _node(place)
    begin0 = doer.begun()
    values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
    return doer.journal.do(tree.pages, make_record(lr.FlagDelete, values), begin0)


def delta(
    doer: Doer,
    tree: TreeRef,
    place: Place,
    offset: int,
    amount: int,
    *,
    rceid: int = 0,
    versioned: bool = True,
    wide: bool = False,
) -> Applied:
    """Add to the signed 4 bytes (`wide`: 8) at `offset` of a node's data."""
    page, line = _node(place)
    data = page.data(line)
    size = 8 if wide else 4
    if not 0 <= offset <= len(data) - size:
        raise page.error(Err.InvalidBufferSize, f"{size} bytes at {offset} of {len(data)}")
    begin0 = doer.begun()
    values = _node_values(doer, tree, page, line, rceid, versioned=versioned)
    mark = b"" if tree.unique else data
    kind = lr.Delta64 if wide else lr.Delta
    return doer.journal.do(tree.pages, make_record(kind, (*values, amount, offset, page.key(line), mark)), begin0)


def set_root_header(doer: Doer, tree: TreeRef, external: bytes) -> Applied:
    """Replace the external header of a tree's root; its page must have room for what it is longer."""
    page = tree.pages.load(tree.root)
    if len(external) - len(page.external) > tree.capacity - page.used:
        raise page.error(Err.RecordTooBig, f"no room for a root header of {len(external)} bytes")
    begin0 = doer.begun()
    values = _node_values(doer, tree, page, 0, 0, versioned=False)
    return doer.journal.do(tree.pages, make_record(lr.SetExternalHeader, (*values, external)), begin0)


def delete(doer: Doer, tree: TreeRef, place: Place) -> None:
    """Take a node out for good; nothing may need it any more.  Its page goes when it is empty, or nearly so."""
    merge.delete(doer, tree, place)


def remove_line(doer: Doer, tree: TreeRef, page: MutablePage, line: int) -> Applied:
    """Take a node out of its page."""
    begin0 = doer.begun()
    values = _node_values(doer, tree, page, line, 0, versioned=False)
    return doer.journal.do(tree.pages, make_record(lr.Delete, values), begin0)


def _node(place: Place) -> tuple[MutablePage, int]:
    if not place.exact:
        raise place.page.error(Err.RecordNotFound, f"no node at line {place.line}")
    return place.page, place.line


def _in_macro(
    doer: Doer, tree: TreeRef, pgno: int, line: int, dbtime: int, rceid: int, *, versioned: bool
) -> tuple[int, ...]:
    """Return the node prefix of the leaf operation of a split."""
    flags = tree.record_flags | doer.record_flags | (_VERSIONED if versioned else 0)
    return (
        doer.procid,
        tree.pages.dbid,
        pgno,
        dbtime,
        lr.DBTIME_NIL,
        doer.trx_begin0,
        doer.level,
        line,
        flags,
        rceid,
        tree.fdp,
        tree.objid,
    )


def _node_values(
    doer: Doer, tree: TreeRef, page: MutablePage, line: int, rceid: int, *, versioned: bool
) -> tuple[int, ...]:
    """Return the node prefix of a record, with the next dbtime."""
    flags = tree.record_flags | doer.record_flags
    if versioned:
        flags |= _VERSIONED
    return (
        doer.procid,
        tree.pages.dbid,
        page.pgno,
        tree.pages.next_dbtime(),
        page.dbtime,
        doer.trx_begin0,
        doer.level,
        line,
        flags,
        rceid,
        tree.fdp,
        tree.objid,
    )
