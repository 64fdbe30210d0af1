"""Nodes that go for good, and the pages that get empty or sparse by it.

    a node        Delete; the last one of a page below the root stays, marked deleted, until its page can go
    empty page    nothing on it is needed any more: unlinked, its pointer gone from the parent
    full          all that is needed goes into the right (left) neighbour, then as an empty page
    partial       as much as fits goes into the neighbour; the bound between the two moves
    empty tree    the last leaf of a tree is empty: the root becomes a leaf again (EmptyTree)

    logged: one macro of Merge2 records from the highest page that changes down to the leaf; then the free pages go
    into the tree's space.  A parent that loses its last pointer is empty too; one whose bound changes passes the
    change on to its own parent.

A page is left as it is when its parent's bound would not fit, or when it is the only child of its parent at the right
end of the tree.
Source: database reference 4.7; log reference 2.9, 3.5, 6.5.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err
from engine.format import lr
from engine.format.node import NodeFlags, separator
from engine.store import space, split, trees
from engine.store.doing import make_record
from engine.store.lines import PLAIN_COST, held_bytes, held_of_line, is_dead
from engine.store.search import enter, path_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.pages.mutable import MutablePage
    from engine.store.doing import Doer, TreeRef
    from engine.store.search import Place, Step

_EMPTY_PAGE = struct.Struct("<qII")
_DELETED: Final = int(NodeFlags.DELETED)
_KEY, _GONE, _EMPTY = lr.MergeFlags.KEY_CHANGE, lr.MergeFlags.DELETE_NODE, lr.MergeFlags.EMPTY_PAGE
_PARTIAL: Final = {lr.MergeType.PARTIAL_RIGHT, lr.MergeType.PARTIAL_LEFT}
_MOVES: Final = _PARTIAL | {lr.MergeType.FULL_RIGHT, lr.MergeType.FULL_LEFT}


class _Level(NamedTuple):
    """What happens to a parent: its line that led to the page, and flags."""

    page: MutablePage
    line: int
    flags: lr.MergeFlags


class MergePlan(NamedTuple):
    """A merge: what becomes of the leaf, where its nodes go, and what changes above it, the lowest first."""

    kind: lr.MergeType
    page: MutablePage
    left: MutablePage | None
    right: MutablePage | None
    at: int
    size: int
    held: int
    separator: bytes
    levels: Sequence[_Level]

    @property
    def target(self) -> MutablePage | None:
        """The page that gets nodes."""
        if self.kind not in _MOVES:
            return None
        return self.right if self.kind in {lr.MergeType.FULL_RIGHT, lr.MergeType.PARTIAL_RIGHT} else self.left


def delete(doer: Doer, tree: TreeRef, place: Place) -> None:
    """Take a node out for good; nothing may need it any more.  Its page goes when it is empty, or nearly so."""
    page, line = place.page, place.line
    if not place.exact:
        raise page.error(Err.RecordNotFound, f"no node at line {line}")
    key, mark = page.key(line), b"" if tree.unique else page.data(line)
    tree.streak, tree.hint_line = 0, -1
    if page.is_root or page.line_count > 1:
        trees.remove_line(doer, tree, page, line)
        if page.is_root or not _sparse(tree, page):
            return
    elif not page.node(line)[0] & _DELETED:
        trees.flag_delete(doer, tree, place, versioned=False)
    merge(doer, tree, key, mark)


def _sparse(tree: TreeRef, page: MutablePage) -> bool:
    """Whether it is worth the look: the page and its right neighbour might be one."""
    if page.used * 2 > tree.capacity:
        return False
    if not page.next:
        return page.line_count == 1
    neighbour = enter(tree, page.next, 1)
    return page.used + neighbour.used + tree.slack <= tree.capacity


def merge(
    doer: Doer, tree: TreeRef, key: bytes, mark: bytes = b"", *, left: bool = False, partial: bool = False
) -> bool:
    """Let the leaf of a bookmark go, or its nodes into a neighbour: the right one, or the `left`.

    `partial`: also when only some of them fit there.  Return whether anything was done.
    """
    path = path_to(tree, key, mark)
    page = path[-1].page
    if page.is_root:
        return False
    before, after = neighbours(tree, page)
    dead = [is_dead(doer, tree, page, line) for line in range(page.line_count)]
    if all(dead) and before is None and after is None:
        _empty_tree(doer, tree, path)
        return True
    plan = plan_merge(doer, tree, path, before, after, dead, left=left)
    if plan is None or (plan.kind in _PARTIAL and not partial):
        return False
    freed = _perform(doer, tree, plan)
    tree.hint = 0
    for pgno in freed:
        space.free_page(doer, tree, pgno)
    return True


def neighbours(tree: TreeRef, page: MutablePage) -> tuple[MutablePage | None, MutablePage | None]:
    """Return the leaves beside a leaf; -327 when they do not know it."""
    before = enter(tree, page.prev, 1) if page.prev else None
    after = enter(tree, page.next, 1) if page.next else None
    if (before is not None and before.next != page.pgno) or (after is not None and after.prev != page.pgno):
        raise page.error(Err.BadPageLink, f"pages {page.prev} and {page.next} are no neighbours of it")
    return before, after


def plan_merge(
    doer: Doer,
    tree: TreeRef,
    path: Sequence[Step],
    before: MutablePage | None,
    after: MutablePage | None,
    dead: Sequence[bool],
    *,
    left: bool,
) -> MergePlan | None:
    """Plan the merge of the leaf that the path ends on; `dead` tells which of its lines nothing needs any more."""
    page, parent = path[-1].page, path[-2]
    if before is not None and after is None and parent.page.line_count == 1:
        # The left neighbour hangs on another parent, which could not be given the open end.
        return None
    if all(dead):
        kind, at, size, held, bound = lr.MergeType.EMPTY_PAGE, 0, 0, 0, b""
    else:
        target = before if left else after
        if target is None or (left and not parent.line):
            return None
        if any(page.node(line)[0] & _DELETED and not gone for line, gone in enumerate(dead)):
            # Deleted nodes are not moved, and this one is still needed.
            return None
        chosen = _choose(doer, tree, page, target, dead, left=left)
        if chosen is None:
            return None
        kind, at, size, held = chosen
        bound = _bound(tree, page, at, left=left) if kind in _PARTIAL else b""
    found = _levels(tree, path, kind, bound)
    if found is None:
        return None
    levels, bound = found
    return MergePlan(kind, page, before, after, at, size, held, bound, levels)


def _bound(tree: TreeRef, page: MutablePage, at: int, *, left: bool) -> bytes:
    """Return the separator between what stays and what goes."""
    low = at if left else at - 1
    return separator(page.key(low), page.data(low), page.key(low + 1), page.data(low + 1), unique=tree.unique)


def _choose(
    doer: Doer, tree: TreeRef, page: MutablePage, target: MutablePage, dead: Sequence[bool], *, left: bool
) -> tuple[lr.MergeType, int, int, int] | None:
    """Return what moves: kind, last line that does, its bytes and what undoing may need beside them."""
    if target.uncommitted_free:
        target.uncommitted_free = held_bytes(doer, tree, target)
    room = tree.capacity - target.used - target.uncommitted_free - tree.slack
    count = page.line_count
    size = held = moved = 0
    at = -1
    for line in range(count) if left else range(count - 1, -1, -1):
        if not dead[line]:
            key, data = page.key(line), page.data(line)
            prefix, suffix = target.compress(key)
            room -= (8 if prefix else PLAIN_COST) + len(suffix) + len(data) + held_of_line(doer, tree, page, line)
            if room < 0 or target.line_count + moved >= split.MOST_LINES:
                break
            # The record tells sizes without prefixes.
            size += PLAIN_COST + len(key) + len(data)
            held += held_of_line(doer, tree, page, line)
            moved += 1
        at = line
    if not moved:
        return None
    if at == (count - 1 if left else 0):
        return (lr.MergeType.FULL_LEFT if left else lr.MergeType.FULL_RIGHT), at, size, held
    return (lr.MergeType.PARTIAL_LEFT if left else lr.MergeType.PARTIAL_RIGHT), at, size, held


def _levels(tree: TreeRef, path: Sequence[Step], kind: lr.MergeType, bound: bytes) -> tuple[list[_Level], bytes] | None:
    """Return what changes above the leaf, from below, and the bound that changes there.

    None when a bound has no room, or the root would be bare.
    """
    page, line = path[-2]
    if kind == lr.MergeType.FULL_LEFT:
        return [_Level(page, line, _KEY | _GONE)], bound
    if kind == lr.MergeType.PARTIAL_LEFT:
        return ([_Level(page, line, _KEY)], bound) if _takes_key(tree, page, line - 1, bound) else None
    levels: list[_Level] = []
    steps = list(reversed(path[:-1]))
    if kind != lr.MergeType.PARTIAL_RIGHT:
        while steps and steps[0].page.line_count == 1:
            page, line = steps.pop(0)
            if page.is_root:
                return None
            levels.append(_Level(page, line, _EMPTY))
        page, line = steps.pop(0)
        levels.append(_Level(page, line, _GONE))
        last = line == page.line_count - 1
        # The line before becomes the last one: its bound is the page's bound now, and the parent's for it.
        bound = page.key(line - 1) if last else bound
        steps = steps if last and page.key(line) else []
    for page, line in steps:
        if not _takes_key(tree, page, line, bound):
            return None
        levels.append(_Level(page, line, _KEY))
        if line < page.line_count - 1:
            break
    return levels, bound


def _takes_key(tree: TreeRef, page: MutablePage, line: int, key: bytes) -> bool:
    prefix, suffix = page.compress(key)
    _, old_prefix, old_suffix, _ = page.node(line)
    growth = (2 if prefix else 0) + len(suffix) - (2 if old_prefix else 0) - len(old_suffix)
    return growth <= tree.capacity - page.used


# From plan to records.


def _perform(doer: Doer, tree: TreeRef, plan: MergePlan) -> list[int]:
    """Append the macro and apply it; return the pages that are free now."""
    begin0 = doer.begun()
    dbtime = tree.pages.next_dbtime()
    page, target = plan.page, plan.target
    records: list[lr.Record] = []
    parent: MutablePage | None = None
    for level in reversed(plan.levels):
        records.append(
            make_record(
                lr.Merge2,
                (
                    *_head(doer, tree, level.page, level.line, dbtime),
                    *_named(None),
                    *_named(None),
                    *_named(parent),
                    tree.fdp,
                    tree.objid,
                    *(0, 0, 0, 0, int(level.flags), int(lr.MergeType.NONE), 0),
                    plan.separator,
                    b"",
                ),
            )
        )
        parent = level.page
    empties = plan.kind not in _PARTIAL
    records.append(
        make_record(
            lr.Merge2,
            (
                *_head(doer, tree, page, plan.at, dbtime),
                *_named(plan.right),
                *_named(plan.left),
                *_named(parent),
                tree.fdp,
                tree.objid,
                plan.size,
                plan.size + plan.held,
                target.uncommitted_free + plan.held if target is not None else 0,
                plan.at,
                int(_EMPTY) if empties else 0,
                int(plan.kind),
                int(lr.ImageFlags.DEHYDRATED) if target is not None else 0,
                plan.separator,
                page.image(dbtime) if target is not None else b"",
            ),
        )
    )
    doer.journal.do_macro(tree.pages, doer.procid, records, begin0)
    freed = [page.pgno] if empties else []
    return freed + [level.page.pgno for level in plan.levels if level.flags == _EMPTY]


def _named(page: MutablePage | None) -> tuple[int, int]:
    """Return number and dbtime of another page of the macro, as a record names it."""
    return (page.pgno, page.dbtime) if page is not None else (0, lr.DBTIME_NIL)


def _head(doer: Doer, tree: TreeRef, page: MutablePage, line: int, dbtime: int) -> tuple[int, ...]:
    flags = tree.record_flags | doer.record_flags
    begin0, level = doer.trx_begin0, doer.level
    return (doer.procid, tree.pages.dbid, page.pgno, dbtime, page.dbtime, begin0, level, line, flags)


def _empty_tree(doer: Doer, tree: TreeRef, path: Sequence[Step]) -> None:
    """Make the root a leaf again; everything below it is free."""
    root, below = path[0].page, [step.page for step in path[1:]]
    pages = b"".join(_EMPTY_PAGE.pack(page.dbtime, page.pgno, int(page.flags)) for page in below)
    begin0 = doer.begun()
    dbtime = tree.pages.next_dbtime()
    head = _head(doer, tree, root, 0, dbtime)
    record = make_record(lr.EmptyTree, (*head, 0, tree.fdp, tree.objid, pages))
    doer.journal.do(tree.pages, record, begin0)
    tree.hint = 0
    for page in below:
        space.free_page(doer, tree, page.pgno)
