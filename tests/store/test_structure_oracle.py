"""Splits and merges that the real engine logged, planned again from the pages as they were before each.

The records are replayed over nothing; before each macro our own planning is asked about the same bookmark.  What it
says must be what the engine did: which pages change, where they are divided, the bounds, what each parent loses.
Splits at a hot spot are recognised by the engine by where nodes lie on the page; none of these cases has one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.node import NodeFlags
from engine.format.page import PageFlags
from engine.info import database_info
from engine.log.stream import LogStream
from engine.redo.apply import apply, apply_macro, changes_pages
from engine.store import merge, split
from engine.store.doing import TreeRef
from engine.store.search import path_to
from tests.store.rig import MemoryDoer, MemoryJournal, MemoryPages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.store.journal import Journal
    from engine.store.pages import StorePages

CASES = ("dirty-inserts", "dirty-deletes", "dirty-lv", "dirty-lv32k", "dirty-ddl", "dirty-p4k", "dirty-p16k")
_LEFT = {lr.MergeType.FULL_LEFT, lr.MergeType.PARTIAL_LEFT}


class Planned:
    """Replays one case and asks at each macro."""

    def __init__(self, page_size: int) -> None:
        self.memory = MemoryPages(page_size)
        self.doer = MemoryDoer(cast("Journal", MemoryJournal()))
        self.open: dict[tuple[int, int], list[lr.Record]] = {}
        self.seen: Counter[str] = Counter()

    def take(self, record: lr.Record) -> None:
        if isinstance(record, lr.MacroBegin):
            self.open[record.procid, record.dbtime] = []
        elif isinstance(record, lr.MacroCommit):
            records = self.open.pop((record.procid, record.dbtime))
            self.judge(records)
            apply_macro(records, self.memory)
        elif isinstance(record, lr.PageRecord) and (record.procid, record.dbtime) in self.open:
            self.open[record.procid, record.dbtime].append(record)
        elif changes_pages(record):
            apply(record, self.memory)

    def judge(self, records: Sequence[lr.Record]) -> None:
        splits = [each for each in records if isinstance(each, lr.Split2)]
        merges = [each for each in records if isinstance(each, lr.Merge2)]
        if merges:
            self.judge_merge(merges)
        elif splits and isinstance(records[-1], lr.Insert | lr.Replace):
            self.judge_split(splits, records[-1])

    def tree(self, record: lr.Split2 | lr.Merge2) -> TreeRef:
        assert not record.flags & lr.NodeFlags.SPACE
        long = self.memory.load(record.pgno).flags & PageFlags.LONG_VALUE
        unique = bool(record.flags & lr.NodeFlags.UNIQUE)
        pages = cast("StorePages", self.memory)
        return TreeRef(pages, record.pgno_fdp, record.objid_fdp, unique, density=100 if long else 80)

    def judge_split(self, splits: Sequence[lr.Split2], operation: lr.Insert | lr.Replace) -> None:
        leaf = splits[-1]
        tree, page = self.tree(leaf), self.memory.load(leaf.pgno)
        inserts = isinstance(operation, lr.Insert)
        key = operation.key if isinstance(operation, lr.Insert) else page.key(operation.iline)
        path = path_to(tree, key, b"" if tree.unique else operation.data)
        assert path[-1] == (page, leaf.iline_oper)
        work = split.Work(lr.SplitOper.INSERT if inserts else lr.SplitOper.REPLACE, path[-1].line, key, operation.data)
        plans = split.plan_levels(self.doer, tree, path, len(path) - 1, work, appends=False)
        ours = [
            (each.step.page.pgno, each.kind, each.at, len(each.lines), each.separator, each.work.line) for each in plans
        ]
        real = [
            (
                each.pgno,
                each.split_type if each.pgno_new else None,
                each.iline_split,
                each.clines,
                each.key_parent,
                each.iline_oper,
            )
            for each in splits
        ]
        assert ours == real
        self.seen[f"split {leaf.split_type}"] += 1
        self.seen["prefix"] += 1
        self.seen["the engine's prefix"] += plans[-1].prefix_new.line == leaf.iline_prefix_new

    def judge_merge(self, merges: Sequence[lr.Merge2]) -> None:
        leaf = merges[-1]
        tree, page = self.tree(leaf), self.memory.load(leaf.pgno)
        path = path_to(tree, page.key(0), b"" if tree.unique else page.data(0))
        assert path[-1].page is page
        # A merge comes when nothing needs the deleted nodes any more.
        dead = [bool(page.node(line)[0] & NodeFlags.DELETED) for line in range(page.line_count)]
        before, after = merge.neighbours(tree, page)
        plan = merge.plan_merge(self.doer, tree, path, before, after, dead, left=leaf.merge_type in _LEFT)
        assert plan is not None
        above = [(each.page.pgno, each.line, each.flags) for each in reversed(plan.levels)]
        assert (plan.kind, plan.at, plan.separator, plan.size) == (
            leaf.merge_type,
            leaf.iline_merge,
            leaf.key_parent_separator,
            leaf.cb_size_total,
        )
        assert above == [(each.pgno, each.iline, each.merge_flags) for each in merges[:-1]]
        self.seen[f"merge {leaf.merge_type}"] += 1


def planned(folder: Path) -> Counter[str]:
    stream = LogStream.find(RealFileSystem(), str(folder), "edb")
    assert stream is not None
    (database,) = folder.glob("*.edb")
    found = Planned(database_info(database).page_size)
    for each in stream.records():
        found.take(each.record)
    return found.seen


def test_as_the_real_engine_did(oracle: Callable[[str], Path]) -> None:
    total: Counter[str] = Counter()
    for case in CASES:
        total += planned(oracle("dirty") / case / "before")
    assert total["split 0"] > 15
    assert total["split 1"] > 80
    assert total["split 2"] > 350
    assert min(total[f"merge {kind}"] for kind in (1, 2, 5, 6)) >= 2
    # Where several lines would do as the prefix ours need not be the engine's.
    assert total["the engine's prefix"] > 0.9 * total["prefix"]
