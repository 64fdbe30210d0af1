"""Splits: the records of one macro, applied to every page they name.

The macro holds one Split record a level, from the highest to the deepest, and mostly the leaf operation that made
the split necessary.  All pages are judged by the dbtime rule before the first one is changed.  A level whose new
page is missing while its old page is already newer rebuilds the old page from the image in the record.

    vertical   the root's nodes move down to a new page, the root keeps one pointer
    right      the upper nodes move to a new right neighbour, both get new prefixes
    append     only the new node (a parent: its last pointer) moves, the old page keeps its nodes as they are

The leaf operation's page change is part of the split; for its version the caller gets the before-image.
Source: log reference 2.8, 3.5.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.format import lr
from engine.format.node import NodeFlags, child_data
from engine.format.page import PageFlags
from engine.pages.mutable import MutablePage
from engine.redo.image import load_image
from engine.redo.node_ops import contradiction, new_data, version_flag
from engine.redo.store import due, rebuilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.redo.store import PageStore

Split: TypeAlias = lr.Split | lr.Split2
LeafOperation: TypeAlias = lr.Insert | lr.FlagInsertAndReplaceData | lr.Replace | lr.ReplaceD
SplitResult: TypeAlias = tuple[bool, bytes | None, bytes | None, bool]
Lines: TypeAlias = list[tuple[int, bytes, bytes]]

_ALWAYS: Final = int(PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM)
_FLUSH_TYPE: Final = int(PageFlags.FLUSH_TYPE)
_NONE: Final = -1


@dataclass(slots=True)
class _Level:
    """One level of the split, with the pages that are due (None: not due)."""

    record: Split
    child: Split | None
    page: MutablePage | None
    right: MutablePage | None
    build_new: bool
    source: MutablePage | None = None
    """Where the nodes come from: the page, or the image of it."""


def apply_split(records: Sequence[lr.Record], store: PageStore) -> dict[int, SplitResult]:
    """Apply a split macro; return, under the index of the leaf operation, (applied, key, data before, from image)."""
    splits = [record for record in records if isinstance(record, lr.Split | lr.Split2)]
    others = [
        (index, record)
        for index, record in enumerate(records)
        if isinstance(record, lr.Insert | lr.FlagInsertAndReplaceData | lr.Replace | lr.ReplaceD)
    ]
    leaf = others[-1] if others else None
    levels = [
        _judge(record, splits[index + 1] if index + 1 < len(splits) else None, store)
        for index, record in enumerate(splits)
    ]
    results: dict[int, SplitResult] = {}
    for level in levels:
        operation = leaf[1] if leaf is not None and level.child is None else None
        replaced = _apply_level(level, operation, store)
        if leaf is not None and level.child is None:
            applied = level.source is not None
            results[leaf[0]] = (applied, *(replaced or (None, None)), applied and level.page is None)
    return results


def _judge(record: Split, child: Split | None, store: PageStore) -> _Level:
    """Decide which pages of a level are due, before anything is changed."""
    page = due(store, record.pgno, record.dbtime_before, record.dbtime)
    if not record.pgno_new:
        return _Level(record, child, page, None, build_new=False, source=page)
    build_new = rebuilt(store, record.pgno_new, record.dbtime)
    right = None
    if record.pgno_right:
        right = due(store, record.pgno_right, record.dbtime_right_before, record.dbtime)
    level = _Level(record, child, page, right, build_new, page)
    if page is None and build_new and isinstance(record, lr.Split2) and record.image:
        level.source = load_image(record, store.page_size, path=store.path)
    return level


def _apply_level(level: _Level, operation: LeafOperation | None, store: PageStore) -> tuple[bytes, bytes] | None:
    record, source = level.record, level.source
    if not record.pgno_new:
        if level.page is not None:
            _add_pointer(level, store)
        return None
    replaced = None
    if source is None and level.build_new:
        lines = _only_new_line(level, operation)
        if lines is not None:
            _build_new(level, lines, store)
    elif source is not None:
        lines, replaced = _lines_with_operation(level, source, operation)
        if level.build_new:
            _build_new(level, lines[record.iline_split :], store)
        if level.page is not None:
            _change_old(level, level.page, lines, store)
    if level.right is not None:
        level.right.prev = record.pgno_new
        level.right.dbtime = record.dbtime
        store.changed(level.right)
    return replaced


def _add_pointer(level: _Level, store: PageStore) -> None:
    """Give a level that is not split its pointer to the new page below it."""
    page, child = level.page, level.child
    if page is None or child is None:
        return
    line = _line_of_child(page, child.key_parent)
    page.set_data(line, child_data(child.pgno_new))
    page.insert_key(line, 0, child.key_parent, child_data(child.pgno))
    page.dbtime = level.record.dbtime
    store.changed(page)


def _line_of_child(page: MutablePage, key: bytes) -> int:
    """Return the first line whose key is >= `key`; the empty key counts as infinite."""
    keys = page.keys()
    count = len(keys)
    line = bisect_left(keys, key, 0, count - 1 if keys and not keys[-1] else count)
    if line == count:
        raise contradiction(page, "no pointer to the page that was split")
    return line


def _lines_with_operation(
    level: _Level, source: MutablePage, operation: LeafOperation | None
) -> tuple[Lines, tuple[bytes, bytes] | None]:
    """Return the nodes of the old page with the operation done, and key and data of the node that it replaced."""
    record, child = level.record, level.child
    lines = source.full()
    at, replaced = record.iline_oper, None
    if record.split_oper == lr.SplitOper.INSERT:
        if at > len(lines):
            raise contradiction(source, f"a split inserts line {at} of {len(lines)}")
        lines.insert(at, _inserted(level, operation, source))
    elif record.split_oper != lr.SplitOper.NONE:
        if at >= len(lines) or operation is None:
            raise contradiction(source, f"a split changes line {at} of {len(lines)} without an operation")
        flags, key, before = lines[at]
        if isinstance(operation, lr.Insert):
            raise contradiction(source, "a split by replace comes with an Insert")
        if isinstance(operation, lr.FlagInsertAndReplaceData):
            flags, data = flags & ~NodeFlags.DELETED, operation.data
        else:
            data = new_data(operation, before, source, in_split=True)
        lines[at] = (flags | version_flag(operation), key, data)
        replaced = (key, before)
    if len(lines) != record.clines or record.iline_split > len(lines):
        raise contradiction(source, f"a split of {record.clines} lines met {len(lines)}")
    if child is not None and record.split_oper == lr.SplitOper.INSERT:
        # The pointer behind the new one led to the page that was split: now it leads to the page that came of it.
        if at + 1 >= len(lines):
            raise contradiction(source, "a split puts a pointer at the end of a parent")
        flags, key, _ = lines[at + 1]
        lines[at + 1] = (flags, key, child_data(child.pgno_new))
    return lines, replaced


def _inserted(level: _Level, operation: LeafOperation | None, source: MutablePage | None) -> tuple[int, bytes, bytes]:
    child = level.child
    if child is not None:
        return 0, child.key_parent, child_data(child.pgno)
    if not isinstance(operation, lr.Insert):
        where = source or MutablePage(level.record.pgno, 4096)
        raise contradiction(where, "a split by insert comes without an Insert")
    return version_flag(operation), operation.key, operation.data


def _only_new_line(level: _Level, operation: LeafOperation | None) -> Lines | None:
    """Return the content of a new page that holds nothing of the old one, when the old one is already newer."""
    record = level.record
    only_insert = (
        record.split_oper == lr.SplitOper.INSERT
        and record.iline_split == record.iline_oper == record.clines - 1
        and record.split_type != lr.SplitType.VERTICAL
    )
    if only_insert and level.child is None:
        return [_inserted(level, operation, None)]
    if record.split_type == lr.SplitType.APPEND and level.child is not None:
        # A parent's append moves the last pointer, the one that leads to the new page below.
        return [(0, b"", child_data(level.child.pgno_new))]
    raise contradiction(
        MutablePage(record.pgno, 4096), f"page {record.pgno_new} depends on a page that is newer, and there is no image"
    )


def _build_new(level: _Level, lines: Lines, store: PageStore) -> None:
    record = level.record
    page = MutablePage(
        record.pgno_new,
        store.page_size,
        objid=record.objid_fdp,
        flags=record.new_page_flags | _ALWAYS,
        path=store.path,
    )
    page.dbtime = record.dbtime
    prefix = b""
    if record.iline_prefix_new != _NONE:
        if record.iline_prefix_new >= len(lines):
            raise contradiction(page, f"prefix line {record.iline_prefix_new} of {len(lines)}")
        prefix = lines[record.iline_prefix_new][1]
    page.refill(prefix, lines)
    page.uncommitted_free = max(record.cb_uncommitted_free_dest, 0)
    if page.is_leaf and record.split_type != lr.SplitType.VERTICAL:
        page.prev, page.next = record.pgno, record.pgno_right
    store.put(page)


def _change_old(level: _Level, page: MutablePage, lines: Lines, store: PageStore) -> None:
    record = level.record
    kept = lines[: record.iline_split]
    if record.split_type == lr.SplitType.VERTICAL:
        page.flags = record.split_page_flags | _ALWAYS | page.flags & _FLUSH_TYPE
        page.refill(page.external, [(0, b"", child_data(record.pgno_new))])
    else:
        if record.split_type == lr.SplitType.APPEND:
            _keep_as_they_are(level, page, kept)
        else:
            page.refill(record.prefix_split_new, kept)
        page.flags = record.split_page_flags | _ALWAYS | page.flags & _FLUSH_TYPE
        if page.is_leaf:
            page.next = record.pgno_new
    page.uncommitted_free = max(record.cb_uncommitted_free_source, 0)
    page.dbtime = record.dbtime
    store.changed(page)


def _keep_as_they_are(level: _Level, page: MutablePage, kept: Lines) -> None:
    """Bring the old page of an append to `kept` without encoding its other nodes anew."""
    at, record = level.record.iline_oper, level.record
    if record.split_oper == lr.SplitOper.INSERT and at < len(kept):
        page.truncate(len(kept) - 1)
        page.insert_key(at, *kept[at])
        if at + 1 < len(kept):
            page.set_data(at + 1, kept[at + 1][2])
        return
    page.truncate(len(kept))
    if record.split_oper != lr.SplitOper.NONE and at < len(kept):
        flags, _, data = kept[at]
        page.set_data(at, data)
        page.set_flags(at, add=flags, remove=NodeFlags.DELETED & ~flags)
