"""Operations on the nodes of one page.

Each function applies one record if its page is due and returns (applied, key of the node, data of the node
before); key and data are None where no version needs them.
Source: log reference 3.4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from engine.errors import Err
from engine.format import lr
from engine.format.lr.diff import apply_diff
from engine.format.node import NodeFlags
from engine.format.page import PageFlags
from engine.redo.store import due

if TYPE_CHECKING:
    from engine.errors import EseError
    from engine.pages.mutable import MutablePage
    from engine.redo.store import PageStore

Result: TypeAlias = tuple[bool, bytes | None, bytes | None]
_SKIPPED: Final[Result] = (False, None, None)
DONE: Final[Result] = (True, None, None)
"""The page was changed, and there is nothing to say about it."""

_VERSION: Final = int(NodeFlags.VERSION)
_DELETED: Final = int(NodeFlags.DELETED)
_VERSIONED: Final = int(lr.NodeFlags.VERSIONED)
_I32 = struct.Struct("<i")
_I64 = struct.Struct("<q")
_UNUSED_PAGE: Final = 1
_SCRUB_DATA: Final = 1
_SCRUB_LONG_VALUE: Final = 2


def version_flag(record: lr.NodeRecord) -> int:
    """Return the node flag VERSION when the record is versioned."""
    return _VERSION if record.flags & _VERSIONED else 0


def insert(record: lr.Insert, store: PageStore) -> Result:
    """Insert a node, stored with the prefix that the record says."""
    _, _, pgno, dbtime, before, _, _, line, flags, _, _, _, prefix, suffix, data = record
    page = due(store, pgno, before, dbtime)
    if page is None:
        return _SKIPPED
    if prefix and not page.external.startswith(prefix):
        raise contradiction(page, "Insert takes a prefix that the page does not have")
    page.insert(line, _VERSION if flags & _VERSIONED else 0, len(prefix), suffix, data)
    page.dbtime = dbtime
    store.changed(page)
    return DONE


def flag_insert(record: lr.FlagInsert, store: PageStore) -> Result:
    """Bring a deleted node back to life."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    page.set_flags(record.iline, add=version_flag(record), remove=_DELETED)
    return _finish(record, store, page)


def flag_insert_and_replace_data(record: lr.FlagInsertAndReplaceData, store: PageStore) -> Result:
    """Bring a deleted node back to life with other data."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    before = page.data(record.iline)
    if page.key(record.iline) != record.key:
        raise contradiction(page, f"FlagInsertAndReplaceData names another node than line {record.iline}")
    page.set_data(record.iline, record.data)
    page.set_flags(record.iline, add=version_flag(record), remove=_DELETED)
    _hold_back(record, page, before, record.data)
    _finish(record, store, page)
    return True, record.key, before


def new_data(record: lr.Replace | lr.ReplaceD, before: bytes, page: MutablePage, *, in_split: bool = False) -> bytes:
    """Return the data that a replace makes of `before`; a replace within a split does not tell the old length."""
    if len(before) != record.cb_old and not in_split:
        raise contradiction(page, f"a replace of {record.cb_old} bytes met {len(before)}")
    data = record.data if isinstance(record, lr.Replace) else apply_diff(before, record.diff, large=record.large)
    if len(data) != record.cb_new:
        raise contradiction(page, f"a replace made {len(data)} bytes of {record.cb_new}")
    return data


def replace(record: lr.Replace | lr.ReplaceD, store: PageStore) -> Result:
    """Replace a node's data."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    line = record.iline
    before = page.data(line)
    data = new_data(record, before, page)
    page.set_data(line, data, _VERSION if record.flags & _VERSIONED else 0)
    _hold_back(record, page, before, data)
    _finish(record, store, page)
    return True, page.key(line), before


def _hold_back(record: lr.NodeRecord, page: MutablePage, before: bytes, data: bytes) -> None:
    """Keep the bytes that a versioned replace frees out of use: undoing it needs them.

    The sum is never too small.  It may be too large, because no record tells of a commit: whoever needs room asks
    the versions.
    """
    if record.flags & _VERSIONED and len(data) < len(before):
        page.uncommitted_free += len(before) - len(data)


def flag_delete(record: lr.FlagDelete, store: PageStore) -> Result:
    """Mark a node deleted."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    before = page.data(record.iline)
    page.set_flags(record.iline, add=_DELETED | _VERSION if record.flags & _VERSIONED else _DELETED)
    _finish(record, store, page)
    return True, page.key(record.iline), before


def delete(record: lr.Delete, store: PageStore) -> Result:
    """Take a node out."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    page.delete(record.iline)
    return _finish(record, store, page)


def delta(record: lr.Delta | lr.Delta64, store: PageStore) -> Result:
    """Add to an escrow column."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    add_delta(page, record.iline, record.cb_offset, record.delta, wide=isinstance(record, lr.Delta64))
    if record.flags & _VERSIONED:
        page.set_flags(record.iline, add=_VERSION)
    return _finish(record, store, page)


def add_delta(page: MutablePage, line: int, offset: int, amount: int, *, wide: bool) -> None:
    """Add `amount` to the signed 4 or 8 bytes at `offset` of a node's data; -626 when they are not there."""
    data = page.data(line)
    if offset + (_I64 if wide else _I32).size > len(data):
        raise contradiction(page, f"a delta at byte {offset} of {len(data)}")
    page.set_data(line, shifted(data, offset, amount, wide=wide))


def shifted(data: bytes, offset: int, amount: int, *, wide: bool) -> bytes:
    """Return `data` with `amount` added to the signed 4 or 8 bytes at `offset`, wrapping around as the engine does."""
    number = _I64 if wide else _I32
    result = bytearray(data)
    bits = 8 * number.size
    value = (number.unpack_from(data, offset)[0] + amount) & ((1 << bits) - 1)
    number.pack_into(result, offset, value - (1 << bits) if value >> (bits - 1) else value)
    return bytes(result)


def set_external_header(record: lr.SetExternalHeader, store: PageStore) -> Result:
    """Replace the external header."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    page.set_external(record.data)
    return _finish(record, store, page)


class UndoData(NamedTuple):
    """What a version knows beyond its bookmark: the data that a replace had found, or what a delta added where."""

    before: bytes | None = None
    delta: int = 0
    offset: int = 0


def undo(record: lr.Undo, store: PageStore, data: UndoData | None) -> Result:
    """Take an operation back, with what its version knows (None: there is no version)."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    line = record.iline
    if page.key(line) != record.bookmark_key:
        raise contradiction(page, f"Undo names another node than line {line}")
    match record.oper:
        case lr.Oper.INSERT:
            page.set_flags(line, add=_DELETED)
        case lr.Oper.FLAG_DELETE:
            page.set_flags(line, remove=_DELETED)
        case lr.Oper.REPLACE:
            if data is None or data.before is None:
                raise contradiction(page, "Undo of a replace whose before-image is not known")
            page.set_data(line, data.before)
        case lr.Oper.DELTA | lr.Oper.DELTA64:
            if data is None:
                raise contradiction(page, "Undo of a delta that is not known")
            add_delta(page, line, data.offset, -data.delta, wide=record.oper == lr.Oper.DELTA64)
        case _:
            raise contradiction(page, f"Undo of operation {record.oper}")
    return _finish(record, store, page)


def scrub(record: lr.Scrub, store: PageStore) -> Result:
    """Overwrite what is not used: all nodes of an unused page, or the data of single nodes."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if page is None:
        return _SKIPPED
    if record.scrub_flags & _UNUSED_PAGE:
        page.clear()
    else:
        for line, what in enumerate(record.data[: page.line_count]):
            if what in {_SCRUB_DATA, _SCRUB_LONG_VALUE}:
                size = len(page.data(line))
                page.set_data(line, (b"D" if what == _SCRUB_DATA else b"L") * size)
                page.set_flags(line, remove=_VERSION)
    page.flags |= int(PageFlags.SCRUBBED)
    return _finish(record, store, page)


def empty_tree(record: lr.EmptyTree, store: PageStore) -> Result:
    """Make a root an empty leaf and release the pages below it."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    below = [(each, due(store, each.pgno, each.dbtime_before, record.dbtime)) for each in record.empty_pages()]
    for _, child in below:
        if child is not None:
            child.make_empty()
            child.dbtime = record.dbtime
            store.changed(child)
    if page is None:
        return _SKIPPED
    page.clear(keep_external=True)
    page.flags = int(page.flags & ~PageFlags.PARENT_OF_LEAF | PageFlags.LEAF)
    return _finish(record, store, page)


def contradiction(page: MutablePage, detail: str) -> EseError:
    """Return -626: the record contradicts the page it is for."""
    return page.error(Err.LogOperationInconsistentWithDatabase, detail)


def _finish(record: lr.PageRecord, store: PageStore, page: MutablePage) -> Result:
    page.dbtime = record.dbtime
    store.changed(page)
    return DONE
