"""One table with indexes and long values against plain Python: any work, sessions, crashes and recoveries."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine import open_database
from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.files.crash import CrashPolicy
from engine.format.column import ASCII
from engine.format.key import TextOrder
from tests.store.conftest import PATH
from tests.store.desk import Desk, code_of

Row = dict[str, Any]
COLUMNS: Final = (
    Column("Id", ColumnType.LONG),
    Column("Group", ColumnType.SHORT),
    Column("Code", ColumnType.TEXT, code_page=ASCII, size=40),
    Column("Text", ColumnType.TEXT),
    Column("Many", ColumnType.LONG, multi_valued=True),
    Column("Long", ColumnType.LONG_BINARY),
    Column("Hits", ColumnType.LONG, escrow=True, default=0),
    Column("Version", ColumnType.LONG, version=True),
)
INDEXES: Final = (
    Index("pk", ("Id",), primary=True),
    Index("code", ("Code",), unique=True, ignore_null=True),
    Index("group", ("-Group", "Text"), text_order=TextOrder.FOLD),
    Index("many", ("Many",), ignore_null=True),
    Index("some", ("Text",), if_present=("Group",), text_order=TextOrder.ORDINAL),
    Index("long", ("Long",)),
)
IDS: Final = st.integers(0, 25)
VALUES: Final = st.fixed_dictionaries(
    {},
    optional={
        "Group": st.none() | st.integers(-3, 3),
        "Code": st.none() | st.sampled_from(["a", "A", "b", "long code " * 3, ""]),
        "Text": st.none() | st.text("abcXYZäß\u4e00", max_size=30),
        "Many": st.none() | st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
        "Long": st.none()
        | st.binary(max_size=40)
        | st.integers(900, 9000).map(lambda size: b"x%d" % size * (size // 4)),
    },
)


def code_key(row: Row) -> str | None:
    return None if row["Code"] is None else row["Code"].upper()


class OneTable(RuleBasedStateMachine):
    """What the table holds is known; what a session has not committed is known besides."""

    @initialize(page_size=st.sampled_from([4096, 16384]))
    def begin(self, page_size: int) -> None:
        self.desk = Desk(page_size)
        self.committed: dict[int, Row] = {}
        self.levels: list[dict[int, Row]] = []
        self.open()
        self.database.create_table("T", COLUMNS, indexes=INDEXES)
        self.table = self.database["T"]
        self.extra = False

    def open(self) -> None:
        self.session, self.database = self.desk.open()
        self.reader, self.seen = self.desk.open()

    @property
    def rows(self) -> dict[int, Row]:
        return self.levels[-1] if self.levels else self.committed

    def mark(self, number: int) -> bytes:
        return b"\x7f" + (number ^ 0x80000000).to_bytes(4, "big")

    def taken(self, number: int, row: Row) -> bool:
        """Return whether another row has the unique code."""
        code = code_key(row)
        return code is not None and any(code_key(each) == code for other, each in self.rows.items() if other != number)

    @rule(number=IDS, values=VALUES)
    def insert(self, number: int, values: Row) -> None:
        row = dict.fromkeys((column.name for column in COLUMNS), None) | {"Hits": 0, "Version": 0}
        row |= {"Id": number} | values
        wrong = number in self.rows or self.taken(number, row)
        code = code_of(lambda: self.table.insert(Id=number, **values))
        assert code == (Err.KeyDuplicate if wrong else 0)
        if not wrong:
            self.rows[number] = row

    @rule(number=IDS, values=VALUES)
    def update(self, number: int, values: Row) -> None:
        row = self.rows.get(number)
        expected = 0
        if row is None:
            expected = int(Err.RecordNotFound)
        elif self.taken(number, row | values):
            expected = int(Err.KeyDuplicate)
        assert code_of(lambda: self.table.update(self.mark(number), **values)) == expected
        # Without a value the row is only kept from others.
        if row is not None and not expected and values:
            self.rows[number] = row | values | {"Version": row["Version"] + 1}

    @rule(number=IDS)
    def delete(self, number: int) -> None:
        expected = 0 if number in self.rows else int(Err.RecordNotFound)
        assert code_of(lambda: self.table.delete(self.mark(number))) == expected
        self.rows.pop(number, None)

    @rule(number=IDS, amount=st.integers(-1000, 1000))
    def escrow(self, number: int, amount: int) -> None:
        row = self.rows.get(number)
        if row is not None:
            assert self.table.escrow(self.mark(number), "Hits", amount) == row["Hits"]
            self.rows[number] = row | {"Hits": row["Hits"] + amount}

    @rule(number=IDS, at=st.integers(0, 12000), data=st.binary(max_size=30), times=st.integers(1, 300))
    def write_piece(self, number: int, at: int, data: bytes, times: int) -> None:
        row = self.rows.get(number)
        if row is None or row["Long"] is None:
            return
        data *= times
        old: bytes = row["Long"]
        at = min(at, len(old))
        self.table.long_value(self.mark(number), "Long").write(at, data)
        new = old[:at] + data + old[at + len(data) :]
        self.rows[number] = row | {"Long": new, "Version": row["Version"] + 1}

    @precondition(lambda self: len(self.levels) < 3)
    @rule()
    def begin_level(self) -> None:
        self.session.begin()
        self.levels.append(dict(self.rows))

    @precondition(lambda self: self.levels)
    @rule(keep=st.booleans(), lazy=st.booleans())
    def end_level(self, *, keep: bool, lazy: bool) -> None:
        rows = self.levels.pop()
        if not keep:
            self.session.rollback()
            return
        self.session.commit(lazy_flush=lazy)
        if self.levels:
            self.levels[-1] = rows
        else:
            self.committed = rows
            # What was committed lazily may be lost by a crash until something waits for the log.
            self.desk.live.journal.writer.flush()

    @precondition(lambda self: not self.levels)
    @rule()
    def define(self) -> None:
        """Delete an index and make it again, over the rows there are; a column comes and goes."""
        index = INDEXES[2]
        if "group" in self.table.indexes:
            self.table.delete_index("group")
            self.table.add_column(Column("Extra", ColumnType.LONG, default=1))
        else:
            self.table.create_index(index)
            self.table.delete_column("Extra")

    @rule(policy=st.sampled_from([CrashPolicy.DROP_ALL, CrashPolicy.KEEP_ALL]))
    def crash(self, policy: CrashPolicy) -> None:
        self.desk.recovered(policy)
        self.levels.clear()
        self.open()
        self.table = self.database["T"]

    @rule()
    def clean_up(self) -> None:
        self.desk.live.instance.live.cleanup.run()

    @invariant()
    def both_see_what_they_should(self) -> None:
        if not hasattr(self, "table"):
            return
        for table, rows in ((self.table, self.rows), (self.seen["T"], self.committed)):
            found = {row["Id"]: {name: row[name] for name in row if name != "Extra"} for row in table}
            assert found == rows

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        try:
            while self.levels:
                self.session.rollback()
                self.levels.pop()
            entries = {name: self.table.cursor(name).count() for name in ("code", "many", "some", "long")}
            rows = self.committed.values()
            assert entries == {
                "code": sum(row["Code"] is not None for row in rows),
                "many": sum(len(set(row["Many"] or ())) for row in rows),
                "some": sum(row["Group"] is not None for row in rows),
                "long": len(rows),
            }
            assert [each for each in self.desk.settled() if "leak" not in each.lower()] == []
            with open_database(PATH, fs=self.desk.disk, strict=True) as reader:
                read = {row["Id"]: {name: row[name] for name in row if name != "Extra"} for row in reader["T"]}
            assert read == self.committed
        finally:
            self.desk.abandon()


TestOneTable = OneTable.TestCase
TestOneTable.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
