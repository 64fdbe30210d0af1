"""The form of what transactions log: rules that hold in every log of the real engine hold in ours."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from engine.files.real import RealFileSystem
from engine.format import lr
from engine.log.stream import LogStream
from tests.store.world import World, code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from engine.store.transactions import StoreSession

CASES: Final = ("deletes", "escrow", "inserts", "lv", "rollback", "threads", "updates")
VERSIONED: Final = (lr.Insert, lr.FlagInsert, lr.FlagInsertAndReplaceData, lr.FlagDelete, lr.Replace, lr.ReplaceD,
                    lr.Delta, lr.Delta64)  # fmt: skip
UNDOABLE: Final = {1, 2, 3, 4, 9}


@dataclass
class Slot:
    """A session as the log tells of it."""

    level: int = 0
    trx: int = 0
    versions: dict[int, int] = field(default_factory=dict)
    """Level by version id, of changes that were not taken back."""
    undone: list[int] = field(default_factory=list)


class Form:
    """Looks at records in their order; `broken` has a line for each rule that one breaks."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}
        self.broken: list[str] = []
        self.seen: dict[str, int] = {}
        self._commit = 0
        self._rceid = 0

    def look(self, records: Iterable[lr.Record]) -> Form:
        for record in records:
            if isinstance(record, lr.Init2):
                self.slots.clear()
                self._commit = self._rceid = 0
            elif isinstance(record, lr.Begin0):
                self._begin0(record)
            else:
                slot = self.slots.get(getattr(record, "procid", -1))
                if slot is not None:
                    self._of_session(slot, record)
        return self

    def rule(self, record: lr.Record, name: str, holds: object) -> None:
        self.seen[name] = self.seen.get(name, 0) + 1
        if not holds:
            self.broken.append(f"{name}: {record}"[:200])

    def _begin0(self, record: lr.Begin0) -> None:
        old = self.slots.get(record.procid)
        self.rule(record, "a transaction begins after the one before has ended", old is None or not old.level)
        self.rule(record, "ids of transactions are multiples of 4", record.trx_begin0 % 4 == 0)
        self.slots[record.procid] = Slot(record.begun, record.trx_begin0)

    def _of_session(self, slot: Slot, record: lr.Record) -> None:
        match record:
            case lr.Begin():
                self.rule(record, "a begin names the level that there is", record.level_from == slot.level)
                slot.level += record.begun
            case lr.Commit0():
                self.rule(record, "ids of commits grow", record.trx_commit0 > max(self._commit, slot.trx))
                self.rule(record, "the last level is committed to 0", slot.level == 1 and not record.level_to)
                self._commit, slot.level = record.trx_commit0, 0
            case lr.Commit():
                self.rule(record, "levels are committed one by one", record.level_to == slot.level - 1)
                slot.level = record.level_to
                slot.versions = {rceid: min(level, slot.level) for rceid, level in slot.versions.items()}
            case lr.Rollback():
                self._rollback(slot, record)
            case lr.NodeRecord():
                self._node(slot, record)
            case _:
                pass

    def _rollback(self, slot: Slot, record: lr.Rollback) -> None:
        self.rule(record, "levels are rolled back one by one", record.levels == 1)
        left = [rceid for rceid, level in slot.versions.items() if level == slot.level]
        self.rule(record, "everything of a level is undone before its rollback", not left)
        self.rule(record, "the newest change is undone first", slot.undone == sorted(slot.undone, reverse=True))
        slot.undone.clear()
        slot.level -= 1

    def _node(self, slot: Slot, record: lr.NodeRecord) -> None:
        self.rule(record, "records bear the id of their transaction", record.trx_begin0 == slot.trx)
        if isinstance(record, lr.Undo):
            known = record.rceid in slot.versions
            self.rule(record, "what is undone was done", known and slot.versions[record.rceid] == slot.level)
            self.rule(record, "an undo names the level", record.level == record.level_undone == slot.level)
            self.rule(record, "an undo makes no version", not record.flags & lr.NodeFlags.VERSIONED)
            slot.versions.pop(record.rceid, None)
            slot.undone.append(record.rceid)
        elif isinstance(record, lr.UndoInfo):
            self.rule(record, "before-images name a change and no place", record.dbtime == -1 and not record.iline)
            self.rule(record, "only what does not tell needs a before-image", record.oper in {2, 3})
        elif isinstance(record, lr.Delete):
            self.rule(record, "a removal makes no version", not record.rceid and not record.flags & 0x21)
        elif isinstance(record, VERSIONED):
            self._change(slot, record)

    def _change(self, slot: Slot, record: lr.NodeRecord) -> None:
        versioned = bool(record.flags & lr.NodeFlags.VERSIONED)
        self.rule(record, "what has a version is flagged so", versioned == bool(record.rceid))
        self.rule(record, "records bear the level", record.level == slot.level)
        ids = [record.rceid] if versioned else []
        if versioned and isinstance(record, lr.FlagInsertAndReplaceData):
            ids.append(record.rceid_replace)
        for rceid in ids:
            self.rule(record, "ids of versions are odd", rceid % 2)
            slot.versions[rceid] = slot.level
        self.rule(record, "the replace is newer than the insert", ids == sorted(ids))


def ours(world: World) -> list[lr.Record]:
    world.journal.writer.flush()
    return [each.record for each in world.live.records()]


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_the_rules_hold_in_logs_of_the_real_engine(oracle: Callable[[str], Path], case: str) -> None:
    stream = LogStream.find(RealFileSystem(), str(oracle("dirty") / f"dirty-{case}" / "before"), "edb")
    assert stream is not None
    form = Form().look(each.record for each in stream.records())
    assert form.broken == []
    assert form.seen["ids of versions are odd"] > 300


@pytest.mark.parametrize("seed", range(6))
def test_the_rules_hold_in_ours(seed: int) -> None:
    world, chance = World(), random.Random(seed)  # noqa: S311 - a workload, no secret
    sessions = [world.session() for _ in range(3)]
    for _ in range(700):
        step(world, chance, chance.choice(sessions))
    for session in sessions:
        session.rollback_all()
    world.cleanup.run()
    form = Form().look(ours(world))
    assert form.broken == []
    assert all(form.seen[name] > 10 for name in ("what is undone was done", "a removal makes no version"))
    assert form.seen["everything of a level is undone before its rollback"] > 10


def step(world: World, chance: random.Random, session: StoreSession) -> None:
    """Let a session do something."""
    if not session.level:
        session.begin()
    number = chance.randrange(40)
    act = chance.randrange(12)
    known = number in world.rows(session)
    if act == 0 and session.level < 4:
        session.begin()
    elif act == 1:
        session.rollback()
    elif act == 2:
        session.commit(lazy=chance.random() < 0.5)
    elif act == 3:
        world.cleanup.run()
    elif act == 4 and chance.random() < 0.3:
        world.live.pages.flush()
    elif not known:
        code_of(lambda: world.insert(session, number, 0, "i" * chance.randrange(1, 200)))
    elif act < 7:
        code_of(lambda: world.rename(session, number, "r" * chance.randrange(1, 200)))
    elif act < 10:
        code_of(lambda: world.delete(session, number))
    else:
        code_of(lambda: world.add(session, number, 1))
