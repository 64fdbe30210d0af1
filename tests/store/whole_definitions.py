"""What three sessions do to definitions: tables, columns and indexes that come, go, and get other names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.format.column import Storage
from tests.store.whole_base import (
    BY_CODE,
    BY_GROUP,
    BY_MANY,
    CODE,
    COUNT,
    GROUP,
    HEAP,
    HITS,
    LONG,
    LONGS,
    MAIN,
    MANY,
    NAMES,
    PLAIN,
    TEXT,
    VERSION,
    WHO,
    Kind,
)
from tests.store.whole_cursors import Cursors
from tests.store.whole_model import Change, Node, Person, Refused
from tests.store.whole_state import KnownIndex, State, TableState, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.whole_state import Key

KINDS: Final = (MAIN, PLAIN, HEAP)
COLUMNS: Final = (
    Column("Extra", ColumnType.LONG, default=7),
    Column("Tag", ColumnType.SHORT, storage=Storage.TAGGED, default=4),
    Column("Wide", ColumnType.LONG_LONG),
    GROUP,
    CODE,
    TEXT,
    MANY,
    LONG,
    LONGS,
    HITS,
    VERSION,
    COUNT,
)
INDEXES: Final = (
    BY_CODE,
    BY_GROUP,
    BY_MANY,
    Index("byExtra", ("Extra", "-Group"), ignore_null=True),
    Index("oneGroup", ("Group",), unique=True, ignore_null=True),
    Index("byTag", ("Tag",)),
    Index("byHits", ("Hits",)),
    Index("another", ("Id",), primary=True),
)
TO: Final = st.sampled_from(("Main", "Plain", "Heap", "Other", "other", "Third"))


class Definitions(Cursors):
    """Definitions made, changed, taken back."""

    def defining(self, who: int, name: str, engine: Callable[[Any], Any], model: Callable[..., None]) -> int:
        """Do something to the definition of a table."""
        return self.both(
            who,
            lambda: engine(self.live(who, name)),
            lambda person, _: model(person, self.model.table(person, name)),
        )

    @rule(who=WHO, name=NAMES, kind=st.sampled_from(KINDS))
    def make_table(self, who: int, name: str, kind: Kind) -> None:
        self.make(who, name, kind)

    @rule(who=WHO, name=NAMES)
    def delete_table(self, who: int, name: str) -> None:
        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            uid = table.uid
            self.model.define(person, uid, alone=True)
            if person.began < self.model.locks[uid].extended:
                raise Refused(Err.WriteConflict)

            def apply(state: State) -> None:
                del state[uid]

            self.model.change(person, Change(_name(table.name), apply))

        database = self.model.people[who].database
        self.both(who, lambda: database.delete_table(name), model)

    @rule(who=WHO, name=NAMES, to=TO)
    def rename_table(self, who: int, name: str, to: str) -> None:
        def model(person: Person, _: Any) -> None:
            table = self.model.table(person, name)
            other, uid = find(self.model.view(person), to), table.uid
            if other is not None and other.uid != uid:
                raise Refused(Err.TableDuplicate)
            self.model.define(person, uid)
            if to.upper() != table.name.upper():
                self.model.change(person, Change(_name(table.name)))
                self.model.demand(person, _name(to), Err.TableDuplicate)

            def apply(state: State) -> None:
                state[uid].name = to

            self.model.change(person, Change(_name(to), apply))

        database = self.model.people[who].database
        self.both(who, lambda: database.rename_table(name, to), model)

    # Columns.

    @rule(who=WHO, name=NAMES, definition=st.sampled_from(COLUMNS))
    def add_column(self, who: int, name: str, definition: Column) -> None:
        # One of its own, so that it is not taken for one of this name that was deleted.
        column = replace(definition)

        def model(person: Person, table: TableState) -> None:
            if column.name in table.columns:
                raise Refused(Err.ColumnDuplicate)
            if any(getattr(column, kind) and table.column(kind) is not None for kind in ("version", "auto_increment")):
                raise Refused(Err.ColumnRedundant)
            if column.escrow and table.rows:
                raise Refused(Err.TableNotEmpty)
            counted = column.escrow or column.auto_increment
            self.model.define(person, table.uid, alone=counted or column.version, over_rows=counted)
            uid = table.uid

            def apply(state: State) -> None:
                grown = state[uid]
                grown.columns[column.name] = column
                grown.rows = {mark: row | {column.name: column.default} for mark, row in grown.rows.items()}

            self.model.change(person, Change(("column", uid), apply))
            if column.auto_increment:
                self._number_rows(person, uid, column.name)

        self.defining(who, name, lambda table: table.add_column(column), model)

    def _number_rows(self, person: Person, uid: int, name: str) -> None:
        table = self.model.view(person)[uid]
        for number, mark in enumerate(sorted(table.rows), 1):
            node = ("row", uid, mark)
            self.model.demand(person, node, Err.WriteConflict)

            def apply(state: State, mark: bytes = mark, number: int = number) -> None:
                state[uid].rows[mark] = state[uid].rows[mark] | {name: number}

            self.model.change(person, Change(node, apply))

    @rule(who=WHO, name=NAMES, definition=st.sampled_from(COLUMNS))
    def delete_column(self, who: int, name: str, definition: Column) -> None:
        column = definition

        def model(person: Person, table: TableState) -> None:
            if column.name not in table.columns:
                raise Refused(Err.ColumnNotFound)
            used = {segment.lstrip("+-") for each in table.indexes.values() for segment in each.index.columns}
            if column.name in used:
                raise Refused(Err.ColumnInUse)
            self.model.define(person, table.uid)
            uid = table.uid

            def apply(state: State) -> None:
                left = state[uid]
                del left.columns[column.name]
                left.rows = {
                    mark: {each: value for each, value in row.items() if each != column.name}
                    for mark, row in left.rows.items()
                }

            self.model.change(person, Change(("column", uid), apply))

        self.defining(who, name, lambda table: table.delete_column(column.name), model)

    # Indexes.

    @rule(who=WHO, name=NAMES, index=st.sampled_from(INDEXES))
    def create_index(self, who: int, name: str, index: Index) -> None:
        number = self.next_uid()

        def model(person: Person, table: TableState) -> None:
            if index.name in table.indexes:
                raise Refused(Err.IndexDuplicate)
            columns = [table.columns.get(segment.lstrip("+-")) for segment in index.columns]
            if None in columns:
                raise Refused(Err.ColumnNotFound)
            if any(column is not None and column.escrow for column in columns):
                raise Refused(Err.CannotIndex)
            uid = table.uid
            self.model.define(person, uid, alone=index.primary, over_rows=index.primary)
            if index.primary:
                raise Refused(Err.IndexHasPrimary)
            seen = table.entries(index)
            self._check_unique(index, seen)
            self.model.define(person, uid, alone=True)
            newest = self.model.newest(person)[uid].entries(index)
            self._check_unique(index, newest)
            for key, _ in set(seen) ^ set(newest):
                self.model.keep_key(number, key)

            def apply(state: State) -> None:
                state[uid].indexes[index.name] = KnownIndex(number, index)

            self.model.change(person, Change(("index", uid), apply))

        self.defining(who, name, lambda table: table.create_index(index), model)

    @staticmethod
    def _check_unique(index: Index, entries: list[tuple[Key, bytes]]) -> None:
        if index.unique and len({key for key, _ in entries}) < len(entries):
            raise Refused(Err.KeyDuplicate)

    @rule(who=WHO, name=NAMES, index=st.sampled_from((*INDEXES, MAIN.indexes[0])))
    def delete_index(self, who: int, name: str, index: Index) -> None:
        def model(person: Person, table: TableState) -> None:
            if index.name not in table.indexes:
                raise Refused(Err.IndexNotFound)
            if table.indexes[index.name].index.primary:
                raise Refused(Err.IndexMustStay)
            self.model.define(person, table.uid)
            uid = table.uid

            def apply(state: State) -> None:
                del state[uid].indexes[index.name]

            self.model.change(person, Change(("index", uid), apply))

        self.defining(who, name, lambda table: table.delete_index(index.name), model)


def _name(name: str) -> Node:
    return ("name", name.upper())
