"""Merges: the records of one macro, applied to every page they name.

The macro holds a record for each parent from the highest down, and last the page that is merged away or
empties itself into a neighbour.  All pages are judged by the dbtime rule before the first one is changed.  A
neighbour that is due while the page itself is already newer takes the nodes from the image in the record.

Nodes marked deleted are not moved.  Moved keys are compressed anew against the prefix of where they go.
Source: log reference 2.9, 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from engine.format import lr
from engine.format.node import NodeFlags, child_data
from engine.format.page import PageFlags
from engine.redo.image import load_image
from engine.redo.node_ops import contradiction
from engine.redo.store import due

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.pages.mutable import MutablePage
    from engine.redo.store import PageStore

Merge: TypeAlias = lr.Merge | lr.Merge2
_RIGHT: Final = {lr.MergeType.FULL_RIGHT, lr.MergeType.PARTIAL_RIGHT}
_LEFT: Final = {lr.MergeType.FULL_LEFT, lr.MergeType.PARTIAL_LEFT}
_UNLINKS: Final = {lr.MergeType.EMPTY_PAGE, lr.MergeType.FULL_RIGHT, lr.MergeType.FULL_LEFT}


def apply_merge(records: Sequence[lr.Record], store: PageStore) -> None:
    """Apply a merge macro; -626 when a record contradicts its page."""
    merges = [record for record in records if isinstance(record, lr.Merge | lr.Merge2)]
    leaf = merges[-1]
    parents = [(record, due(store, record.pgno, record.dbtime_before, record.dbtime)) for record in merges[:-1]]
    page = due(store, leaf.pgno, leaf.dbtime_before, leaf.dbtime)
    left = _neighbour(store, leaf.pgno_left, leaf.dbtime_left_before, leaf.dbtime)
    right = _neighbour(store, leaf.pgno_right, leaf.dbtime_right_before, leaf.dbtime)
    for (record, parent), child in zip(parents, merges[1:], strict=True):
        if parent is not None:
            _change_parent(record, child, leaf, parent)
    _move_nodes(leaf, page, left, right, store)
    if leaf.merge_type in _UNLINKS:
        if left is not None:
            left.next = leaf.pgno_right
        if right is not None:
            right.prev = leaf.pgno_left
    if page is not None and leaf.merge_flags & lr.MergeFlags.EMPTY_PAGE:
        page.make_empty()
    for changed in (*(parent for _, parent in parents), page, left, right):
        if changed is not None:
            changed.dbtime = leaf.dbtime
            store.changed(changed)


def _neighbour(store: PageStore, pgno: int, before: int, after: int) -> MutablePage | None:
    return due(store, pgno, before, after) if pgno else None


def _change_parent(record: Merge, child: Merge, leaf: Merge, parent: MutablePage) -> None:
    """Change a parent; the new separator stands in the record of the level below it."""
    flags, line = record.merge_flags, record.iline
    if flags & lr.MergeFlags.EMPTY_PAGE:
        if parent.is_root:
            parent.clear(keep_external=True)
            parent.flags = int(parent.flags & ~PageFlags.PARENT_OF_LEAF | PageFlags.LEAF)
        else:
            parent.make_empty()
        return
    if flags & lr.MergeFlags.KEY_CHANGE and flags & lr.MergeFlags.DELETE_NODE:
        # The left neighbour takes over this page's place in the parent, and its own pointer goes.
        parent.set_data(line, child_data(leaf.pgno_left))
        if not line:
            raise contradiction(parent, "a full left merge at the first line")
        parent.delete(line - 1)
    elif flags & lr.MergeFlags.DELETE_NODE:
        last = not parent.key(line)
        parent.delete(line)
        if last and parent.line_count:
            parent.set_key(parent.line_count - 1, b"")
    elif flags & lr.MergeFlags.KEY_CHANGE:
        if leaf.merge_type == lr.MergeType.PARTIAL_LEFT:
            line -= 1
        parent.set_key(line, child.key_parent_separator)


def _move_nodes(
    leaf: Merge, page: MutablePage | None, left: MutablePage | None, right: MutablePage | None, store: PageStore
) -> None:
    kind = leaf.merge_type
    destination = right if kind in _RIGHT else left if kind in _LEFT else None
    source = page
    if destination is not None and source is None:
        if not isinstance(leaf, lr.Merge2) or not leaf.image:
            raise contradiction(destination, f"takes nodes of page {leaf.pgno}, which is newer, and there is no image")
        source = load_image(leaf, store.page_size, path=store.path)
    if source is None or kind not in _RIGHT | _LEFT:
        return
    lines = source.full()
    if leaf.iline_merge >= len(lines):
        raise contradiction(source, f"a merge from line {leaf.iline_merge} of {len(lines)}")
    cut = leaf.iline_merge if kind in _RIGHT else leaf.iline_merge + 1
    moved, kept = (lines[cut:], lines[:cut]) if kind in _RIGHT else (lines[:cut], lines[cut:])
    if destination is not None:
        alive = [each for each in moved if not each[0] & NodeFlags.DELETED]
        first = 0 if kind in _RIGHT else destination.line_count
        for offset, line in enumerate(alive):
            destination.insert_key(first + offset, *line)
        destination.uncommitted_free = leaf.cb_uncommitted_free_dest
    if page is not None and not leaf.merge_flags & lr.MergeFlags.EMPTY_PAGE:
        if kind in _RIGHT:
            page.truncate(len(kept))
        else:
            page.drop_first(page.line_count - len(kept))
