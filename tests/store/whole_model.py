"""A model of sessions on a database in plain Python: snapshots, levels, conflicts, who may define or write a table.

It says which error an operation ends with (`Refused`), or takes its changes.  Time goes on by one with each beginning
and each commit.  What a transaction changes is a list of `Change`s in the order they were made: they make its own
view of its snapshot, and are applied to what is committed when it ends.

    node        what a change belongs to: a row, a key of a unique index, the name of a table.  A change of a node is
                refused beside those of others that are open, or were committed since the transaction began; amounts
                added to a row (deltas) go beside each other
    table       one transaction at a time defines it; others that do, or began before the definition, are refused.  Who
                defines it alone refuses others that write it, and is refused by them
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.errors import Err
from engine.format.record import INTRINSIC_LIMIT
from tests.store.whole_state import Row, State, TableState, copied, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from engine.session import Session
    from engine.store.cursor import Cursor
    from engine.store.database import Database
    from tests.store.whole_state import KnownIndex

Node = tuple[Any, ...]
DEEPEST: Final = 7


class Refused(Exception):  # noqa: N818 - an answer
    """The operation ends with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = int(code)


class Change(NamedTuple):
    """A change of a node; `apply` makes it in a state, None when it only keeps others from the node."""

    node: Node
    apply: Callable[[State], None] | None = None
    delta: bool = False


@dataclass
class Level:
    """A level of a transaction: what is seen in it, and what was done in it so far."""

    view: State
    changes: list[Change] = field(default_factory=list)
    defined: set[int] = field(default_factory=set)
    alone: set[int] = field(default_factory=set)


@dataclass
class Held:
    """A cursor that is kept: over which table and index, and the entry where it is; else before or behind all."""

    cursor: Cursor
    uid: int
    index: KnownIndex | None
    entry: tuple[Any, ...] | None = None
    behind: bool = False

    def named(self, entry: tuple[Any, ...]) -> Any:
        """Return what names an entry: its key, with the bookmark where several may have it."""
        unique = self.index is None or self.index.index.primary or self.index.index.unique
        return entry[0] if unique else entry


@dataclass
class Person:
    """A session; `writes` are the tables that its transaction may write."""

    session: Session
    database: Database
    levels: list[Level] = field(default_factory=list)
    began: int = 0
    read_only: bool = False
    writes: set[int] = field(default_factory=set)
    held: Held | None = None

    def changes(self) -> Iterable[Change]:
        return (change for level in self.levels for change in level.changes)

    def defines(self, uid: int) -> bool:
        return any(uid in level.defined for level in self.levels)

    def alone(self, uid: int) -> bool:
        return any(uid in level.alone for level in self.levels)


@dataclass
class Lock:
    """What has to do with who may use a table; all but `long` are times."""

    defined: int = 0
    """Of the last commit that defined it."""
    closed: int = 0
    """Of the last commit that defined it alone."""
    extended: int = 0
    """Of the making of its tree for long values by one who only wrote it."""
    written: int = 0
    """Of the last commit of one who wrote it."""
    long: bool = False
    """Whether there is a tree for long values, in whatever view."""


class Model:
    """All of it.  `states` are those after each commit since the last start, `durable` the last that must survive."""

    def __init__(self, state: State | None = None) -> None:
        self.people: list[Person] = []
        self.states: list[State] = [state or {}]
        self.durable = 0
        self.locks: defaultdict[int, Lock] = defaultdict(Lock)
        self._now = 0
        self._last: dict[tuple[Node, bool], int] = {}

    @property
    def committed(self) -> State:
        return self.states[-1]

    def now(self) -> int:
        self._now += 1
        return self._now

    def view(self, person: Person) -> State:
        """Return what a session sees."""
        return person.levels[-1].view if person.levels else self.committed

    # Transactions.

    def begin(self, person: Person, *, read_only: bool = False) -> None:
        if not person.levels:
            person.began, person.read_only = self.now(), read_only
        person.levels.append(Level(copied(self.view(person))))

    def commit(self, person: Person, *, lazy: bool = False) -> None:
        level = person.levels.pop()
        if person.levels:
            below = person.levels[-1]
            below.view = level.view
            below.changes += level.changes
            below.defined |= level.defined
            below.alone |= level.alone
            return
        if level.changes or level.defined:
            self._publish(person, level, lazy=lazy)
        person.writes.clear()

    def _publish(self, person: Person, level: Level, *, lazy: bool) -> None:
        now = self.now()
        for change in level.changes:
            self._last[change.node, change.delta] = now
        for uid in person.writes:
            self.locks[uid].written = now
        for uid in level.defined:
            self.locks[uid].defined = self.now()
            if uid in level.alone:
                self.locks[uid].closed = self._now
        if any(change.apply for change in level.changes):
            state = copied(self.committed)
            for change in level.changes:
                if change.apply is not None:
                    change.apply(state)
            self.states.append(state)
            if not lazy:
                self.durable = len(self.states) - 1

    def rollback(self, person: Person) -> None:
        level = person.levels.pop()
        for uid in level.defined:
            # A tree for long values that the definer made goes with the level.
            views = (self.view(each) for each in self.people)
            self.locks[uid].long = any(uid in view and view[uid].long for view in (self.committed, *views))
        if not person.levels:
            person.writes.clear()

    # Conflicts and locks.

    def change(self, person: Person, change: Change) -> None:
        """Take a change of a session that is allowed."""
        level = person.levels[-1]
        level.changes.append(change)
        if change.apply is not None:
            change.apply(level.view)

    def conflicts(self, person: Person, node: Node, *, delta: bool = False) -> bool:
        """Return whether others have changed a node."""
        if self._last.get((node, False), 0) > person.began:
            return True
        if not delta and self._last.get((node, True), 0) > person.began:
            return True
        return any(
            change.node == node and not (delta and change.delta)
            for other in self.people
            if other is not person
            for change in other.changes()
        )

    def demand(self, person: Person, node: Node, code: int, *, delta: bool = False) -> None:
        """Refuse with a code when others have changed a node."""
        if self.conflicts(person, node, delta=delta):
            raise Refused(code)

    def table(self, person: Person, name: str) -> TableState:
        """Return a table as a session sees it."""
        found = find(self.view(person), name)
        if found is None:
            raise Refused(Err.ObjectNotFound)
        return found

    def write(self, person: Person, table: TableState) -> None:
        """Let a transaction write a table."""
        if person.read_only:
            raise Refused(Err.TransReadOnly)
        if person.defines(table.uid) or table.uid in person.writes:
            return
        if any(other.alone(table.uid) for other in self.people):
            raise Refused(Err.TableLocked)
        if person.began < self.locks[table.uid].closed:
            raise Refused(Err.WriteConflict)
        person.writes.add(table.uid)

    def define(self, person: Person, uid: int, *, alone: bool = False, over_rows: bool = False) -> None:
        """Let a transaction define a table, with nobody else who writes it, or has committed rows it does not see."""
        if person.read_only:
            raise Refused(Err.TransReadOnly)
        lock = self.locks[uid]
        if not person.defines(uid):
            if any(other.defines(uid) for other in self.people):
                raise Refused(Err.TableLocked)
            if person.began < lock.defined:
                raise Refused(Err.WriteConflict)
        if alone and not person.alone(uid):
            if any(uid in other.writes for other in self.people if other is not person):
                raise Refused(Err.TableInUse)
            person.levels[-1].alone.add(uid)
        if over_rows and person.began < lock.written:
            raise Refused(Err.WriteConflict)
        person.levels[-1].defined.add(uid)

    def newest(self, person: Person) -> State:
        """Return what is committed, and what the session has changed."""
        state = copied(self.committed)
        for change in person.changes():
            if change.apply is not None:
                change.apply(state)
        return state

    def keep_key(self, uid: int, key: Any) -> None:
        """Note that others have changed a key of an index just now."""
        self._last[("key", uid, key), False] = self._now

    # Rows.

    def store_long(self, person: Person, table: TableState, value: Any) -> None:
        """Note that a long value goes outside its record: the first one makes the tree for them."""
        lock = self.locks[table.uid]
        longest = max(map(len, long_values(value)), default=0)
        if longest <= INTRINSIC_LIMIT or table.long or lock.long:
            return
        lock.long = True
        uid = table.uid

        def grown(state: State) -> None:
            state[uid].long = True

        if person.alone(uid):
            self.change(person, Change(("long", uid), grown))
        else:
            lock.extended = self.now()
            if uid in self.committed:
                grown(self.committed)

    def insert(self, person: Person, table: TableState, values: Mapping[str, Any], mark: bytes | None) -> None:
        """Insert a row; no bookmark when the engine has made none."""
        row = table.fresh_row() | dict(values)
        self._check_columns(table, values)
        for value in row.values():
            self.store_long(person, table, value)
        node = ("row", table.uid, mark)
        self.demand(person, node, Err.KeyDuplicate)
        if mark in table.rows:
            raise Refused(Err.KeyDuplicate)
        for index in table.secondary:
            for key in table.keys(index.index, row):
                self._take_key(person, table, index, key, mark)
        if mark is not None:
            self._put(person, table.uid, mark, row)

    @staticmethod
    def _check_columns(table: TableState, values: Mapping[str, Any]) -> None:
        if any(name not in table.columns for name in values):
            raise Refused(Err.ColumnNotFound)

    def _take_key(self, person: Person, table: TableState, index: KnownIndex, key: Any, mark: bytes | None) -> None:
        if not index.index.unique:
            return
        node = ("key", index.uid, key)
        self.demand(person, node, Err.KeyDuplicate)
        rows = table.rows.items()
        if any(key in table.keys(index.index, row) for other, row in rows if other != mark):
            raise Refused(Err.KeyDuplicate)
        self.change(person, Change(node))

    def _put(self, person: Person, uid: int, mark: bytes, row: Row) -> None:
        known = dict(self.view(person)[uid].columns)

        def apply(state: State) -> None:
            # Others may have added and deleted columns.
            columns = state[uid].columns.items()
            state[uid].rows[mark] = {
                name: row[name] if known.get(name) is column else column.default for name, column in columns
            }

        self.change(person, Change(("row", uid, mark), apply))

    def row(self, table: TableState, mark: bytes) -> Row:
        """Return a row as a session sees it."""
        if mark not in table.rows:
            raise Refused(Err.RecordNotFound)
        return table.rows[mark]

    def update(self, person: Person, table: TableState, mark: bytes, values: Mapping[str, Any]) -> None:
        """Change columns of a row; without one the row is only kept from others."""
        self._check_columns(table, values)
        before = self.row(table, mark)
        if not values:
            self.lock(person, table, mark)
            return
        row = before | dict(values)
        version = table.column("version")
        if version is not None:
            row[version] = (before[version] or 0) + 1
        for value in values.values():
            self.store_long(person, table, value)
        if table.has_primary and row["Id"] != before["Id"]:
            raise Refused(Err.RecordPrimaryChanged)
        self.demand(person, ("row", table.uid, mark), Err.WriteConflict)
        # The old row until then, so that keys are looked for among those of others only.
        for index in table.secondary:
            old, new = table.keys(index.index, before), table.keys(index.index, row)
            if index.index.unique:
                for key in old - new:
                    self.change(person, Change(("key", index.uid, key)))
            for key in new - old:
                self._take_key(person, table, index, key, mark)
        self._put(person, table.uid, mark, row)

    def replace(self, person: Person, table: TableState, mark: bytes, values: Mapping[str, Any]) -> None:
        """Give a row other values altogether."""
        kept = {name for name, each in table.columns.items() if each.version or each.auto_increment}
        whole = {name: value for name, value in table.fresh_row().items() if name not in kept}
        self._check_columns(table, values)
        self.update(person, table, mark, whole | dict(values))

    def delete(self, person: Person, table: TableState, mark: bytes) -> None:
        """Delete a row."""
        row = self.row(table, mark)
        node = ("row", table.uid, mark)
        self.demand(person, node, Err.WriteConflict)
        for index in table.secondary:
            if index.index.unique:
                for key in table.keys(index.index, row):
                    self.change(person, Change(("key", index.uid, key)))
        uid = table.uid

        def apply(state: State) -> None:
            del state[uid].rows[mark]

        self.change(person, Change(node, apply))

    def escrow(self, person: Person, table: TableState, mark: bytes, column: str, amount: int) -> int:
        """Add to a column; return its value before."""
        self._check_columns(table, {column: 0})
        if not table.columns[column].escrow:
            raise Refused(Err.InvalidOperation)
        before: int = self.row(table, mark)[column]
        node, uid = ("row", table.uid, mark), table.uid
        self.demand(person, node, Err.WriteConflict, delta=True)

        def apply(state: State) -> None:
            row = state[uid].rows[mark]
            if column in row:
                state[uid].rows[mark] = row | {column: row[column] + amount}

        self.change(person, Change(node, apply, delta=True))
        return before

    def lock(self, person: Person, table: TableState, mark: bytes) -> None:
        """Keep others from a row."""
        self.row(table, mark)
        if person.read_only:
            raise Refused(Err.TransReadOnly)
        node = ("row", table.uid, mark)
        self.demand(person, node, Err.WriteConflict)
        self.change(person, Change(node))

    def long_value(self, table: TableState, mark: bytes, column: str, instance: int = 0) -> bytes:
        """Return a long value as a session sees it."""
        row = self.row(table, mark)
        self._check_columns(table, {column: None})
        values = long_values(row[column])
        if instance >= len(values):
            raise Refused(Err.BadItagSequence)
        return values[instance]

    def change_long(
        self, person: Person, table: TableState, mark: bytes, column: str, value: bytes | tuple[bytes, ...] | None
    ) -> None:
        """Change a long value in place; None for a piece that would lie behind its end."""
        row = self.row(table, mark)
        self.demand(person, ("row", table.uid, mark), Err.WriteConflict)
        if value is None:
            raise Refused(Err.ColumnNoChunk)
        self.store_long(person, table, value)
        version = table.column("version")
        more = {} if version is None else {version: (row[version] or 0) + 1}
        self._put(person, table.uid, mark, row | {column: value} | more)


def long_values(value: Any) -> tuple[bytes, ...]:
    """Return the long values that a column holds."""
    if isinstance(value, bytes):
        return (value,)
    return tuple(each for each in value if isinstance(each, bytes)) if isinstance(value, tuple) else ()
