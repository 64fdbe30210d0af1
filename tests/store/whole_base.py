"""A running instance and its model, with three sessions: transactions, crashes, restarts, and all that is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import open_database
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.check import CheckKind, Severity, check
from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.format.column import ASCII
from engine.params import Param
from tests.store.conftest import PATH, Live
from tests.store.desk import Desk, code_of
from tests.store.whole_model import DEEPEST, Change, Model, Person, Refused
from tests.store.whole_state import KnownIndex, Shown, State, TableState, find, seen, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.files.base import FileSystem
    from engine.store.table import Table

PAGE_SIZES: Final = st.sampled_from((4096, 4096, 8192, 32768))
LEVELS: Final = st.sampled_from((FormatLevel.WIDEST, FormatLevel.WINDOWS_10, FormatLevel.NEWEST))
PARAMS: Final = {
    Param.CacheSizeMin: 24,
    Param.CacheSizeMax: 48,
    Param.CheckpointDepthMax: 128 * 1024,
    Param.DbExtensionSize: 16,
    Param.MaxVerPages: 1000,
}
SESSIONS: Final = 3
WHO: Final = st.integers(0, SESSIONS - 1)
NAMES: Final = st.sampled_from(("Main", "Plain", "Heap", "MAIN", "Heap", "Main", "Plain", "Other"))
NUMBERS: Final = st.integers(0, 15) | st.integers(0, 120)
POLICIES: Final = st.sampled_from(tuple(CrashPolicy))
SOON: Final = 10
"""Steps between two starts, at least."""
ABSENT: Final = 8
"""Of how many numbers one stands for a row that may not be there."""


class Kind(NamedTuple):
    """What a table is made of."""

    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]


PRIMARY: Final = Index("pk", ("Id",), primary=True)
ID: Final = Column("Id", ColumnType.LONG)
GROUP: Final = Column("Group", ColumnType.SHORT)
CODE: Final = Column("Code", ColumnType.TEXT, code_page=ASCII, size=40)
TEXT: Final = Column("Text", ColumnType.TEXT)
MANY: Final = Column("Many", ColumnType.LONG, multi_valued=True)
LONG: Final = Column("Long", ColumnType.LONG_BINARY)
LONGS: Final = Column("Longs", ColumnType.LONG_BINARY, multi_valued=True)
HITS: Final = Column("Hits", ColumnType.LONG, escrow=True, default=0)
VERSION: Final = Column("Version", ColumnType.LONG, version=True)
COUNT: Final = Column("Count", ColumnType.LONG, auto_increment=True)
BY_CODE: Final = Index("byCode", ("Code",), unique=True, ignore_null=True)
BY_GROUP: Final = Index("byGroup", ("-Group", "Code"))
BY_MANY: Final = Index("byMany", ("Many",), ignore_null=True)
MAIN: Final = Kind((ID, GROUP, CODE, TEXT, MANY, LONG, LONGS, HITS, VERSION), (PRIMARY, BY_CODE, BY_GROUP, BY_MANY))
PLAIN: Final = Kind((ID, GROUP, TEXT, HITS), (PRIMARY,))
HEAP: Final = Kind((COUNT, GROUP, CODE, TEXT, LONG), (BY_GROUP,))


def mark_of(number: int) -> bytes:
    """Return the bookmark of a row by its Id."""
    return b"\x7f" + (number ^ 0x80000000).to_bytes(4, "big")


def contents(path: str, disk: CrashFileSystem) -> dict[str, Shown]:
    """Return what a database holds; it must be clean."""
    with open_database(path, fs=disk, strict=True) as reader:
        return dict(seen((name, reader[name]) for name in reader.tables(system=False)))


class Base(RuleBasedStateMachine):
    """The instance and its model, step by step together."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.crashed = False
        self.uids = 0
        self.turn = self.started = 0

    def begin_life(self, page_size: int, level: FormatLevel) -> None:
        """Start an instance over an empty database."""
        self.page_size = page_size
        self.desk = Desk(page_size, level=level, params=PARAMS)
        self.desk.live.end()
        self.desk.live = self.living(self.desk.disk)
        self.enter()

    def living(self, disk: CrashFileSystem) -> Live:
        """Start an instance on a disk."""
        live = self.desk.live
        return Live(disk, self.file_system(disk), self.page_size, live.settings, clock=live.clock)

    def file_system(self, disk: CrashFileSystem) -> FileSystem:
        """Return what the instance sees of a disk."""
        return disk

    def enter(self) -> None:
        """Open the sessions, of an instance that has just been started."""
        self.model.people = [Person(*self.desk.open()) for _ in range(SESSIONS)]
        # One thread has all sessions: nothing that is waited for comes.
        self.desk.live.journal.turns.patience = 0

    def next_uid(self) -> int:
        self.uids += 1
        return self.uids

    def both(
        self,
        who: int,
        engine: Callable[[], Any],
        model: Callable[[Person, Any], None],
    ) -> int:
        """Do something in the engine and, with what it returned, in the model; both have the same error, or none."""
        model_person = self.model.people[who]
        own = not model_person.levels
        code, result = 0, None
        try:
            result = engine()
        except EseError as error:
            code = error.code
        if own:
            self.model.begin(model_person)
        # A call is a level of its own: an error takes back all of it.
        self.model.begin(model_person)
        expected = 0
        try:
            model(model_person, result)
        except Refused as refused:
            expected = refused.code
            self.model.rollback(model_person)
        else:
            self.model.commit(model_person)
        if own and not expected:
            self.model.commit(model_person)
        elif own:
            self.model.rollback(model_person)
        assert code == expected, f"the engine says {code}, the model {expected}"
        return code

    def live(self, who: int, name: str) -> Table:
        return self.model.people[who].database[name]

    def fits(self, who: int, name: str, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out the values of columns that the table, as the session sees it, does not have."""
        table = find(self.model.view(self.model.people[who]), name)
        return values if table is None else {each: values[each] for each in values if each in table.columns}

    def mark(self, who: int, name: str, number: int) -> bytes:
        """Return the bookmark of a row: one of those that the session sees, sometimes one that may not be there."""
        table = find(self.model.view(self.model.people[who]), name)
        marks = [] if table is None else sorted(table.rows)
        if marks and number % ABSENT:
            # Few rows have most of the work, so that sessions meet.
            return marks[number % 7 % len(marks) if number % 3 else number % len(marks)]
        return mark_of(number) if table is None or table.has_primary else number.to_bytes(4, "big")

    # Transactions.

    def make(self, who: int, name: str, kind: Kind) -> int:
        """Make a table."""
        uid = self.next_uid()
        indexes = {each.name: KnownIndex(self.next_uid(), each) for each in kind.indexes}

        def model(person: Person, _: Any) -> None:
            if find(self.model.view(person), name) is not None:
                raise Refused(Err.TableDuplicate)
            self.model.define(person, uid, alone=True)
            node = ("name", name.upper())
            self.model.demand(person, node, Err.TableDuplicate)

            def apply(state: State) -> None:
                state[uid] = TableState(uid, name, {each.name: each for each in kind.columns}, dict(indexes))

            self.model.change(person, Change(node, apply))

        database = self.model.people[who].database
        return self.both(who, lambda: database.create_table(name, kind.columns, indexes=kind.indexes), model)

    @rule(who=WHO, read_only=st.sampled_from((False, False, False, True)))
    def begin(self, who: int, read_only: bool) -> None:  # noqa: FBT001 - a drawn value
        person = self.model.people[who]
        if len(person.levels) == DEEPEST:
            assert code_of(person.session.begin) == Err.TransTooDeep
            return
        person.session.begin(read_only=read_only)
        self.model.begin(person, read_only=read_only)

    @rule(who=WHO, lazy=st.booleans())
    def commit(self, who: int, lazy: bool) -> None:  # noqa: FBT001 - a drawn value
        person = self.model.people[who]
        code = code_of(lambda: person.session.commit(lazy_flush=lazy))
        assert code == (0 if person.levels else Err.NotInTransaction)
        if not code:
            self.model.commit(person, lazy=lazy)

    @rule(who=WHO)
    def rollback(self, who: int) -> None:
        person = self.model.people[who]
        code = code_of(person.session.rollback)
        assert code == (0 if person.levels else Err.NotInTransaction)
        if not code:
            self.model.rollback(person)

    # Seeing.

    @rule(who=WHO)
    def look(self, who: int) -> None:
        """Compare everything that a session sees, in every order."""
        person = self.model.people[who]
        view = self.model.view(person)
        names = list(person.database.tables())
        assert names == [view[uid].name for uid in sorted(view)]
        assert dict(seen((name, person.database[name]) for name in names)) == shown(view)
        for table in view.values():
            live = person.database[table.name]
            assert live.count() == len(table.rows)
            for index in table.secondary:
                entries = [mark for _, mark in live.cursor(index.index.name).entries()]
                assert entries == [mark for _, mark in table.order(index.index.name)]

    @invariant()
    def rows_are_seen(self) -> None:
        """Compare one table as one session sees it, another one each time."""
        self.turn += 1
        person = self.model.people[self.turn % SESSIONS]
        view = self.model.view(person)
        if view:
            table = list(view.values())[self.turn // SESSIONS % len(view)]
            assert {row.bookmark: dict(row) for row in person.database[table.name]} == table.rows

    # What happens in between, and the end.

    @rule()
    def clean_up(self) -> None:
        self.desk.live.instance.live.cleanup.run()

    @rule(all_go=st.booleans())
    def write_pages(self, all_go: bool) -> None:  # noqa: FBT001 - a drawn value
        pages = self.desk.live.pages
        if all_go:
            pages.evict(pages.kept_pages)
        else:
            pages.flush()

    @rule(policy=POLICIES, seed=st.integers(0, 1 << 16))
    @precondition(lambda self: self.turn - self.started > SOON)
    def crash(self, policy: CrashPolicy, seed: int) -> None:
        """Lose the power; go on from what is there after recovery."""
        self.leave()
        self.desk.live = self.living(self.desk.live.crash(policy, seed))
        self.crashed = True
        self._go_on(self.model.states[self.model.durable :])

    @rule()
    @precondition(lambda self: self.turn - self.started > SOON)
    def restart(self) -> None:
        """Stop clean, what is open is taken back; look at the files; start again."""
        self._stop()
        self.desk.live.start()
        self._go_on([self.model.committed])

    def _go_on(self, possible: Sequence[State]) -> None:
        """Find out which state it is, and take that for the beginning."""
        _, database = self.desk.open()
        tables = [(name, database[name]) for name in database.tables()]
        found = dict(seen(tables))
        state = next((each for each in reversed(possible) if shown(each) == found), None)
        assert state is not None, f"none of the last {len(possible)} states"
        self.model = Model(state)
        for table in state.values():
            table.long = database[table.name].definition.long_values is not None
            self.model.locks[table.uid].long = table.long
        self.started = self.turn
        self.enter()

    def _stop(self) -> None:
        """Stop clean and look at the files."""
        self.leave()
        self.desk.live.end()
        # The end waits for what nobody has waited for.
        self.model.durable = len(self.model.states) - 1
        self.judge(PATH)
        assert contents(PATH, self.desk.disk) == shown(self.model.committed)

    def judge(self, path: str, disk: CrashFileSystem | None = None) -> None:
        """See that the integrity check finds nothing in a file.

        A crash may leave pages that nobody uses, and so may a restore: what was open is taken back without its space.
        """
        found = [each for each in check(path, fs=disk or self.desk.disk) if each.severity is not Severity.INFO]
        leaks = self.crashed or disk is not None
        assert [str(each) for each in found if each.kind is not CheckKind.LEAKED or not leaks] == []

    def after_each(self) -> None:
        """Do what is to be done after each thing that a session did."""

    def leave(self) -> None:
        """End what the instance is doing besides, before it stops."""

    def teardown(self) -> None:
        if not self.model.people:
            return
        try:
            for who in range(SESSIONS):
                self.look(who)
            self._stop()
        finally:
            self.desk.abandon()
