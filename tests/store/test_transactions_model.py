"""Sessions that do anything in any order, against a model of snapshots in plain Python; then the power fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.errors import Err
from engine.files.crash import CrashPolicy
from engine.store import nodes
from engine.store.scan import Scan
from tests.store.world import Rows, World, code_of, decoded

if TYPE_CHECKING:
    from engine.store.transactions import StoreSession

SESSIONS: Final = 3
DEEPEST: Final = 7
IDS: Final = st.integers(0, 11) | st.integers(0, 29)
NAMES: Final = st.builds(lambda letter, size: letter * size, st.sampled_from("abc"), st.sampled_from((1, 20, 120, 240)))
WHO: Final = st.integers(0, SESSIONS - 1)
POLICIES: Final = st.sampled_from(tuple(CrashPolicy))


@dataclass
class Change:
    """One change: a whole row (None: deleted) unless `amount` is given."""

    number: int
    row: tuple[int, str] | None = None
    amount: int | None = None
    lock: bool = False

    def apply(self, rows: Rows) -> None:
        if self.lock:
            return
        if self.amount is not None:
            count, name = rows[self.number]
            rows[self.number] = (count + self.amount, name)
        elif self.row is None:
            del rows[self.number]
        else:
            rows[self.number] = self.row


@dataclass
class Person:
    """A session and what it should see."""

    session: StoreSession
    levels: list[list[Change]] = field(default_factory=list)
    snapshot: Rows = field(default_factory=dict)
    began: int = 0
    read_only: bool = False
    scan: Scan | None = None
    place: int = -1

    def changes(self) -> list[Change]:
        return [each for level in self.levels for each in level]

    def view(self, committed: Rows) -> Rows:
        if not self.levels:
            return committed
        rows = dict(self.snapshot)
        for each in self.changes():
            each.apply(rows)
        return rows


class Machine(RuleBasedStateMachine):
    """Sessions on one table."""

    page_size = 4096

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.page_size)
        self.people = [Person(self.world.session()) for _ in range(SESSIONS)]
        self.committed: Rows = {}
        self.history: list[tuple[int, list[Change]]] = []
        self.states: list[Rows] = [{}]
        self.durable = 0

    # The model of conflicts.

    def active(self, person: Person, number: int) -> set[str]:
        """Return the kinds of changes of a row by others that are open or came after the person's beginning."""
        found: list[Change] = []
        for other in self.people:
            if other is not person:
                found += other.changes()
        for at, changes in self.history:
            if at >= person.began:
                found += changes
        return {"delta" if each.amount is not None else "other" for each in found if each.number == number}

    def expected(self, person: Person, number: int, *, delta: bool = False) -> int:
        """Return the code of a change of a row that is there, or of a delta; a transaction is begun if need be."""
        if not person.levels:
            self.begin_one(person, read_only=False)
        if person.read_only:
            return Err.TransReadOnly
        active = self.active(person, number)
        if active and (not delta or "other" in active):
            return Err.WriteConflict
        return 0

    # Transactions.

    @initialize(count=st.sampled_from((8, 25)))
    def fill(self, count: int) -> None:
        for number in range(0, count, 2):
            self.insert(0, number, "i" * (number * 9 % 200))
        self.commit(0, lazy=False)

    @rule(who=WHO, read_only=st.sampled_from((False, False, False, True)))
    def begin(self, who: int, read_only: bool) -> None:  # noqa: FBT001 - a drawn value
        person = self.people[who]
        if len(person.levels) == DEEPEST:
            assert code_of(person.session.begin) == Err.TransTooDeep
            return
        self.begin_one(person, read_only=read_only)

    def begin_one(self, person: Person, *, read_only: bool) -> None:
        person.session.begin(read_only=read_only)
        if not person.levels:
            person.snapshot = dict(self.committed)
            person.began = len(self.history)
            person.read_only = read_only
        person.levels.append([])

    @rule(who=WHO, lazy=st.booleans())
    def commit(self, who: int, lazy: bool) -> None:  # noqa: FBT001 - a drawn value
        person = self.people[who]
        if not person.levels:
            return
        person.session.commit(lazy=lazy)
        changes = person.levels.pop()
        if person.levels:
            person.levels[-1] += changes
            return
        if not changes:
            return
        for each in changes:
            each.apply(self.committed)
        self.history.append((len(self.history), changes))
        self.states.append(dict(self.committed))
        if not lazy and any(not each.lock for each in changes):
            self.durable = len(self.states) - 1

    @rule(who=WHO)
    def rollback(self, who: int) -> None:
        person = self.people[who]
        if not person.levels:
            return
        person.session.rollback()
        person.levels.pop()

    # Changes.

    @rule(who=WHO, number=IDS, name=NAMES)
    def insert(self, who: int, number: int, name: str) -> None:
        person = self.people[who]
        code = self.expected(person, number)
        if code == Err.WriteConflict or (not code and number in person.view(self.committed)):
            code = Err.KeyDuplicate
        assert code_of(lambda: self.world.insert(person.session, number, number, name)) == code
        if not code:
            person.levels[-1].append(Change(number, (number, name)))

    @rule(who=WHO, first=IDS)
    def insert_many(self, who: int, first: int) -> None:
        for number in range(first, first + 6):
            self.insert(who, number, "m" * 100)

    @rule(who=WHO, number=IDS, name=NAMES)
    def rename(self, who: int, number: int, name: str) -> None:
        person = self.people[who]
        row = person.view(self.committed).get(number)
        if row is None:
            return
        code = self.expected(person, number)
        assert code_of(lambda: self.world.rename(person.session, number, name)) == code
        if not code:
            person.levels[-1].append(Change(number, (row[0], name)))

    @rule(who=WHO, number=IDS)
    def delete(self, who: int, number: int) -> None:
        person = self.people[who]
        if number not in person.view(self.committed):
            return
        code = self.expected(person, number)
        assert code_of(lambda: self.world.delete(person.session, number)) == code
        if not code:
            person.levels[-1].append(Change(number))

    @rule(who=WHO, number=IDS, amount=st.integers(-5, 5))
    def add(self, who: int, number: int, amount: int) -> None:
        person = self.people[who]
        if number not in person.view(self.committed):
            return
        code = self.expected(person, number, delta=True)
        assert code_of(lambda: self.world.add(person.session, number, amount)) == code
        if not code:
            person.levels[-1].append(Change(number, amount=amount))

    @rule(who=WHO, number=IDS)
    def lock(self, who: int, number: int) -> None:
        person = self.people[who]
        if number not in person.view(self.committed):
            return
        code = self.expected(person, number)
        key = self.world.record(number, 0, "")[0]
        assert code_of(lambda: nodes.lock(person.session, self.world.table, key)) == code
        if not code:
            person.levels[-1].append(Change(number, lock=True))

    # Reading on from a place.

    @rule(who=WHO)
    def scan_anew(self, who: int) -> None:
        person = self.people[who]
        person.scan, person.place = Scan(person.session, self.world.table), -1

    @rule(who=WHO)
    def scan_next(self, who: int) -> None:
        person = self.people[who]
        if person.scan is None:
            return
        following = [each for each in person.view(self.committed) if each > person.place]
        assert person.scan.next() == bool(following)
        if not following:
            person.scan = None
            return
        person.place = min(following)
        self.check_place(person)

    @rule(who=WHO)
    def scan_back(self, who: int) -> None:
        person = self.people[who]
        if person.scan is None or person.place < 0:
            return
        before = [each for each in person.view(self.committed) if each < person.place]
        assert person.scan.prev() == bool(before)
        if not before:
            person.scan = None
            return
        person.place = max(before)
        self.check_place(person)

    def check_place(self, person: Person) -> None:
        assert person.scan is not None
        row = person.scan.current
        assert row is not None
        assert decoded(row[1]) == (person.place, person.view(self.committed)[person.place])

    # What happens in between.

    @rule()
    def clean_up(self) -> None:
        self.world.cleanup.run()
        if not any(person.levels for person in self.people):
            assert self.world.versions.count == 0
            assert self.world.deleted_nodes() == 0

    @rule(all_go=st.booleans())
    def write_pages(self, all_go: bool) -> None:  # noqa: FBT001 - a drawn value
        pages = self.world.live.pages
        if all_go:
            pages.evict(pages.kept_pages)
        else:
            pages.flush()

    @rule(policy=POLICIES, seed=st.integers(0, 3))
    @precondition(lambda self: len(self.states) > 5)
    def crash(self, policy: CrashPolicy, seed: int) -> None:
        self.world.recover(policy, seed)
        found = self.world.rows(self.world.session())
        assert found in self.states[self.durable :]
        self.people = [Person(self.world.session()) for _ in range(SESSIONS)]
        self.committed, self.history, self.states, self.durable = dict(found), [], [dict(found)], 0

    @invariant()
    def everybody_sees_what_they_should(self) -> None:
        for person in self.people:
            view = person.view(self.committed)
            assert self.world.rows(person.session) == view
            assert self.world.entries(person.session) == self.world.expected_entries(view)

    def teardown(self) -> None:
        if self.durable % 2:
            for person in self.people:
                person.session.rollback_all()
            self.world.cleanup.run()
            assert self.world.versions.count == self.world.versions.used == 0
            assert self.world.deleted_nodes() == 0
        self.world.recover(CrashPolicy.DROP_ALL)
        rows, findings = self.world.after_end()
        assert rows in self.states[self.durable :]
        assert findings == []


@pytest.mark.parametrize("page_size", [4096, 32768])
def test_sessions_see_what_the_model_says(page_size: int) -> None:
    class Sized(Machine):
        pass

    Sized.page_size = page_size
    run_state_machine_as_test(Sized, settings=settings(max_examples=12, stateful_step_count=40))
