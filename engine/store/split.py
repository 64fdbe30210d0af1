"""Splits: where a page is divided, and the records that say so.

    append     behind the last line of the last leaf: the new page gets the new node alone
    vertical   the root: all lines go down to a new page
    right      else: about half by weight; only the first line stays for an insert at the very front; inserts that
               follow each other at one spot of the page are kept together
    internal   as right, but as much as possible stays when the leaf below appends

A pointer too many for a parent splits the parent in the same macro.  Where a node does not fit into either half
the page is split without it, and the operation is tried again.

    logged:  NewPage for each new page; one macro: Split2 from the highest page that changes down to the leaf, then
             the operation, with the leaf's number and the line that it has before the split
Source: database reference 4.7; log reference 2.8, 3.5, 6.5.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.node import COMPRESSION_THRESHOLD, child_data, separator
from engine.format.page import PageFlags
from engine.store import space
from engine.store.lines import NO_PREFIX, PLAIN_COST, Lines, Prefix, held_of_line
from engine.store.search import path_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.pages.mutable import MutablePage
    from engine.redo.apply import Applied
    from engine.store.doing import Doer, TreeRef
    from engine.store.search import Step

MOST_LINES: Final = 4080
"""Lines that a page may have: the count of tags has 12 bits."""

_LOGGED_FLAGS: Final = int(
    PageFlags.ROOT
    | PageFlags.LEAF
    | PageFlags.PARENT_OF_LEAF
    | PageFlags.SPACE_TREE
    | PageFlags.INDEX
    | PageFlags.LONG_VALUE
    | PageFlags.NON_UNIQUE
    | PageFlags.NEW_RECORD_FORMAT
)
_POINTER: Final = 4
_NONE: Final = -1


class MakeRecord(Protocol):
    """Makes the record of the leaf operation from what the macro knows of it."""

    def __call__(self, pgno: int, line: int, dbtime: int) -> lr.Record:
        """Return the record for line `line` of page `pgno`."""


@dataclass(slots=True)
class Work:
    """What is to be done on a page: an operation, its line, and the node as it will be."""

    oper: lr.SplitOper
    line: int
    key: bytes
    data: bytes
    hot: bool = False
    """The insert follows others at this spot."""


@dataclass(slots=True)
class SplitPlan:
    """The division of one page; lines from `at` on move.  Without `kind` the page only gets a pointer."""

    step: Step
    kind: lr.SplitType | None
    work: Work
    lines: Lines
    at: int = 0
    prefix_old: Prefix = NO_PREFIX
    prefix_new: Prefix = NO_PREFIX
    separator: bytes = b""
    pgno_new: int = 0


def divide(doer: Doer, tree: TreeRef, mark: bytes, work: Work, make: MakeRecord) -> Applied | None:
    """Split the leaf where a node belongs, and do the operation with it if either half has room.

    `mark` is the data of the bookmark, empty in a unique tree.  None: split, but not done.  -1026 for a node that
    fits on no page.
    """
    if PLAIN_COST + len(work.key) + len(work.data) > tree.capacity:
        detail = f"a node of {len(work.key)} + {len(work.data)} bytes on pages of {tree.pages.page_size}"
        raise EseError.from_code(Err.RecordTooBig, detail, path=tree.pages.path)
    path = path_to(tree, work.key, mark)
    work.line = path[-1].line
    plans = plan_levels(doer, tree, path, len(path) - 1, work, appends=False)
    done = plans[-1].step is path[-1] and plans[-1].work is work
    result = _perform(doer, tree, plans, make if done else None)
    tree.hint = 0
    if result is None:
        return None
    leaf = plans[-1]
    moved = work.line >= leaf.at
    if tree.owner is None:
        tree.hint = leaf.pgno_new if moved else leaf.step.page.pgno
    tree.hint_line = work.line - leaf.at if moved else work.line
    return result


def plan_levels(
    doer: Doer, tree: TreeRef, path: Sequence[Step], level: int, work: Work, *, appends: bool
) -> list[SplitPlan]:
    """Plan the division of the page at `level` and of what must be divided above it; the highest comes first."""
    step = path[level]
    page = step.page
    plan = SplitPlan(step, lr.SplitType.RIGHT, work, _weigh(doer, tree, page, work))
    if page.is_root:
        _choose_vertical(doer, tree, plan)
        return [plan]
    if page.is_leaf and not page.next and work.oper == lr.SplitOper.INSERT and work.line == page.line_count:
        appends = True
        _choose_append(tree, plan)
    elif not _choose_right(tree, plan, appends=appends and not page.is_leaf):
        plan.work = Work(lr.SplitOper.NONE, work.line if work.hot else 0, b"", b"")
        plan.lines = _weigh(doer, tree, page, plan.work)
        if not _choose_right(tree, plan, appends=False):
            raise page.error(Err.RecordTooBig, f"a page of {page.line_count} lines that cannot be divided")
    lines, at = plan.lines, plan.at
    if page.is_leaf:
        plan.separator = separator(
            lines.keys[at - 1], lines.data[at - 1], lines.keys[at], lines.data[at], unique=tree.unique
        )
    else:
        plan.separator = lines.keys[at - 1]
    above = path[level - 1]
    if _takes_pointer(tree, above.page, plan.separator):
        only = Work(lr.SplitOper.NONE, above.line, b"", b"")
        return [SplitPlan(above, None, only, Lines([], [], None)), plan]
    pointer = Work(lr.SplitOper.INSERT, above.line, plan.separator, child_data(page.pgno))
    plans = plan_levels(doer, tree, path, level - 1, pointer, appends=appends)
    if plans[-1].work is pointer:
        plans.append(plan)
    return plans


def _weigh(doer: Doer, tree: TreeRef, page: MutablePage, work: Work) -> Lines:
    """Return the lines as they will be, with the operation done."""
    keys, data = [*page.keys()], page.datas()
    held: list[int] | None = None
    if page.uncommitted_free and page.is_leaf:
        held = [held_of_line(doer, tree, page, line) for line in range(len(keys))]
    line = work.line
    if work.oper == lr.SplitOper.INSERT:
        keys.insert(line, work.key)
        data.insert(line, work.data)
        if held is not None:
            held.insert(line, 0)
    elif work.oper != lr.SplitOper.NONE:
        if held is not None:
            held[line] = max(len(data[line]) + held[line] - len(work.data), 0)
        data[line] = work.data
    return Lines(keys, data, held)


def _takes_pointer(tree: TreeRef, page: MutablePage, key: bytes) -> bool:
    prefix, suffix = page.compress(key)
    cost = (8 if prefix else PLAIN_COST) + len(suffix) + _POINTER
    return cost <= tree.capacity - page.used and page.line_count < MOST_LINES


def _prefix(tree: TreeRef, lines: Lines, first: int, end: int) -> Prefix:
    """Return the best prefix; the keys of space trees are stored whole."""
    return NO_PREFIX if tree.owner is not None else lines.best_prefix(first, end)


def _choose_vertical(doer: Doer, tree: TreeRef, plan: SplitPlan) -> None:
    plan.kind = lr.SplitType.VERTICAL
    plan.prefix_new = _prefix(tree, plan.lines, 0, len(plan.lines))
    if plan.lines.fits(0, len(plan.lines), plan.prefix_new, tree.capacity) and len(plan.lines) < MOST_LINES:
        return
    plan.work = Work(lr.SplitOper.NONE, 0, b"", b"")
    plan.lines = _weigh(doer, tree, plan.step.page, plan.work)
    plan.prefix_new = _prefix(tree, plan.lines, 0, len(plan.lines))


def _choose_append(tree: TreeRef, plan: SplitPlan) -> None:
    plan.kind = lr.SplitType.APPEND
    plan.at = plan.work.line
    key = plan.work.key
    whole = PLAIN_COST + len(key) + len(plan.work.data) + COMPRESSION_THRESHOLD
    if tree.owner is None and len(key) > COMPRESSION_THRESHOLD and whole <= tree.capacity:
        plan.prefix_new = Prefix(0, -COMPRESSION_THRESHOLD)


def _choose_right(tree: TreeRef, plan: SplitPlan, *, appends: bool) -> bool:
    """Choose where to divide; False when neither place leaves room on both pages."""
    lines, work, page = plan.lines, plan.work, plan.step.page
    count = len(lines)
    if count < 2:  # noqa: PLR2004 - each page must keep a line
        return False
    if work.hot and work.oper == lr.SplitOper.INSERT:
        if work.line < count - 1:
            # What lies behind the spot goes away; the row of inserts then fills the page to its end.
            return False
        return _try(tree, plan, work.line)
    if work.oper == lr.SplitOper.NONE and work.line:
        return _try(tree, plan, work.line) or _choose_even(tree, plan)
    if appends:
        return any(_try(tree, plan, at) for at in range(count - 1, 0, -1))
    if page.is_leaf and not page.prev and work.oper == lr.SplitOper.INSERT and not work.line and _try(tree, plan, 1):
        return True
    return _choose_even(tree, plan)


def _choose_even(tree: TreeRef, plan: SplitPlan) -> bool:
    """Divide by weight, and move from there while one of the pages overflows."""
    lines = plan.lines
    count, weight = len(lines), lines.weight
    half = weight[-1] // 2
    at = min(max(bisect_left(weight, half), 1), count - 1)
    if at > 1 and half - weight[at - 1] < weight[at] - half:
        at -= 1
    direction = 0
    while 0 < at < count:
        if _try(tree, plan, at):
            return True
        turn = -1 if not lines.fits(0, at, plan.prefix_old, tree.capacity) else 1
        if direction == -turn:
            return False
        direction = turn
        at += turn
    return False


def _try(tree: TreeRef, plan: SplitPlan, at: int) -> bool:
    """Divide before line `at`; return whether both pages have room for what they get."""
    lines = plan.lines
    plan.at = at
    plan.prefix_old = _prefix(tree, lines, 0, at)
    plan.prefix_new = _prefix(tree, lines, at, len(lines))
    return lines.fits(0, at, plan.prefix_old, tree.capacity) and lines.fits(
        at, len(lines), plan.prefix_new, tree.capacity
    )


# From plan to records.


def _perform(doer: Doer, tree: TreeRef, plans: Sequence[SplitPlan], make: MakeRecord | None) -> Applied | None:
    """Get the pages, append the macro and apply it; return what became of the leaf operation, if it is part of it."""
    taken: list[int] = []
    try:
        for plan in reversed(plans):
            if plan.kind is not None:
                plan.pgno_new = space.alloc_page(doer, tree, plan.step.page.pgno)
                taken.append(plan.pgno_new)
    except EseError:
        for pgno in taken:
            space.free_page(doer, tree, pgno)
        raise
    begin0 = doer.begun()
    dbtime = tree.pages.next_dbtime()
    records: list[lr.Record] = [_record(doer, tree, plans, index, dbtime) for index in range(len(plans))]
    if make is not None:
        leaf = plans[-1]
        records.append(make(leaf.step.page.pgno, leaf.work.line, dbtime))
    applied = doer.journal.do_macro(tree.pages, doer.procid, records, begin0)
    return applied[len(records) - 1] if make is not None else None


def _record(doer: Doer, tree: TreeRef, plans: Sequence[SplitPlan], index: int, dbtime: int) -> lr.Split2:
    plan = plans[index]
    page, work, lines = plan.step.page, plan.work, plan.lines
    head = (
        doer.procid,
        tree.pages.dbid,
        page.pgno,
        dbtime,
        page.dbtime,
        doer.trx_begin0,
        doer.level,
        0,
        tree.record_flags | doer.record_flags,
    )
    if plan.kind is None:
        nothing = (0, 0, lr.DBTIME_NIL, 0, lr.DBTIME_NIL, tree.fdp, tree.objid, 0, 0, work.line, *(0,) * 8)
        return lr.Split2(*head, *nothing, 0, b"", b"", b"", b"")
    vertical, append = plan.kind == lr.SplitType.VERTICAL, plan.kind == lr.SplitType.APPEND
    right = tree.pages.load(page.next) if page.is_leaf and page.next and not vertical else None
    parent = None if vertical else plans[index - 1].step.page
    old_flags, new_flags = _flags(page, vertical=vertical)
    count, at = len(lines), plan.at
    alone = work.oper == lr.SplitOper.INSERT and at == work.line == count - 1 and not vertical
    prefix = b"" if append or plan.prefix_old.line < 0 else lines.keys[plan.prefix_old.line]
    return lr.Split2(
        *head,
        pgno_new=plan.pgno_new,
        pgno_right=right.pgno if right is not None else 0,
        dbtime_right_before=right.dbtime if right is not None else lr.DBTIME_NIL,
        pgno_parent=parent.pgno if parent is not None else 0,
        dbtime_parent_before=parent.dbtime if parent is not None else lr.DBTIME_NIL,
        pgno_fdp=tree.fdp,
        objid_fdp=tree.objid,
        split_type=int(plan.kind),
        split_oper=int(work.oper),
        iline_oper=work.line if work.oper != lr.SplitOper.NONE else 0,
        iline_split=at,
        clines=count,
        new_page_flags=new_flags,
        split_page_flags=old_flags,
        cb_uncommitted_free_source=0 if vertical else lines.held_between(0, at),
        cb_uncommitted_free_dest=lines.held_between(at, count),
        iline_prefix_split=_NONE if append else plan.prefix_old.line,
        iline_prefix_new=plan.prefix_new.line,
        image_flags=0 if alone else int(lr.ImageFlags.DEHYDRATED),
        key_parent=plan.separator,
        prefix_split_old=b"" if vertical else page.external,
        prefix_split_new=prefix,
        image=b"" if alone else page.image(dbtime),
    )


def _flags(page: MutablePage, *, vertical: bool) -> tuple[int, int]:
    """Return the flags of the old and of the new page."""
    flags = int(page.flags) & _LOGGED_FLAGS | int(PageFlags.NEW_RECORD_FORMAT)
    if not vertical:
        return flags, flags
    old = flags & ~int(PageFlags.LEAF | PageFlags.PARENT_OF_LEAF)
    if flags & PageFlags.LEAF:
        old |= int(PageFlags.PARENT_OF_LEAF)
    return old, flags & ~int(PageFlags.ROOT)
