"""Backups while four sessions define tables and write them: a set restores to the state after a number of transactions.

Each transaction takes the next number from a counter that all of them change, so that together they are one serial
history, and what the database holds after each of them is known: tables, columns, indexes, rows, long values.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine import open_database
from engine.build import Column, ColumnType, Index
from engine.check import CheckKind, Severity, check
from engine.env import Environment
from engine.errors import Err, EseError
from engine.format.column import ASCII
from engine.instance import Instance
from engine.params import Param
from tests.store.conftest import PATH, Live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.session import Session
    from engine.store.database import Database
    from engine.store.table import Table

WRITERS: Final = 4
COUNTER: Final = "Counter"
MOST_TABLES: Final = 6
COLUMNS: Final = (
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Text", ColumnType.TEXT, code_page=ASCII),
    Column("Long", ColumnType.LONG_BINARY),
)
MORE: Final = {
    "Fixed": Column("Fixed", ColumnType.LONG, default=7),
    "Tagged": Column("Tagged", ColumnType.LONG, multi_valued=True),
    "Other": Column("Other", ColumnType.LONG_TEXT),
}
ABSENT: Final = {"Fixed": 7, "Tagged": None, "Other": None}
INDEXES: Final = {
    "byText": Index("byText", ("Text",)),
    "byLong": Index("byLong", ("-Long", "Id"), unique=True),
}


@dataclass(frozen=True)
class Known:
    """What a table is and holds: rows by bookmark."""

    columns: frozenset[str] = frozenset(column.name for column in COLUMNS)
    indexes: frozenset[str] = frozenset(("pk",))
    rows: Mapping[bytes, Mapping[str, Any]] = field(default_factory=dict)


State = dict[str, Known]


class History:
    """The state after each transaction, by its number, and the writers that go on with it."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.states: dict[int, State] = {0: {}}
        self.last = 0
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        self.kinds: set[str] = set()
        with live.instance.session() as session:
            table = session.open(PATH).create_table(COUNTER, [Column("N", ColumnType.LONG)])
            self.mark = table.insert(N=0)

    def work(self, who: int) -> None:
        """Commit transactions until told to stop."""
        source = random.Random(who)  # noqa: S311 - a draw, no secret
        try:
            with self.live.instance.session() as session:
                database = session.open(PATH)
                while not self.stop.is_set():
                    self.transaction(source, session, database)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            self.errors.append(error)

    def transaction(self, source: random.Random, session: Session, database: Database) -> None:
        session.begin()
        try:
            counter = database[COUNTER]
            number = counter.get(self.mark)["N"]
            assert isinstance(number, int)
            counter.update(self.mark, N=number + 1)
            # Nobody else gets so far before this one has ended: what there is now is the state after the one before.
            state = dict(self.states[number])
            for _ in range(source.randint(1, 6)):
                step(source, database, state, self.kinds)
        except EseError as error:
            session.rollback()
            # Whoever has just ended may have a table for a moment longer than the counter.
            if error.code not in (Err.WriteConflict, Err.TableInUse, Err.TableLocked):
                raise
            return
        if source.random() < 0.15:
            session.rollback()
            return
        # Known before it is committed: a backup may have it sooner than this thread comes back.
        self.states[number + 1] = state
        session.commit(lazy_flush=source.random() < 0.5)
        self.last = number + 1


def step(source: random.Random, database: Database, state: State, kinds: set[str]) -> None:
    """Do one thing to the database and to what is known of it."""
    kind = source.choice(("row",) * 12 + ("table", "rename", "drop", "column", "index"))
    if not state or (kind == "table" and len(state) < MOST_TABLES):
        name = f"T{source.randrange(10**9)}"
        database.create_table(name, COLUMNS, indexes=[Index("pk", ("Id",), primary=True)])
        state[name] = Known()
        kinds.add("table")
        return
    name = source.choice(sorted(state))
    known, table = state[name], database[name]
    if kind == "rename":
        new = f"R{source.randrange(10**9)}"
        database.rename_table(name, new)
        state[new] = state.pop(name)
    elif kind == "drop" and len(state) > 2:
        database.delete_table(name)
        del state[name]
    elif kind == "column":
        state[name] = columns(source, table, known)
    elif kind == "index":
        state[name] = indexes(source, table, known)
    else:
        state[name] = replace(known, rows=row(source, table, known))
        return
    kinds.add(kind)


def columns(source: random.Random, table: Table, known: Known) -> Known:
    """Add a column, or delete one."""
    name = source.choice(sorted(MORE))
    if name in known.columns:
        table.delete_column(name)
        rows = {mark: {key: each[key] for key in each if key != name} for mark, each in known.rows.items()}
        return replace(known, columns=known.columns - {name}, rows=rows)
    table.add_column(MORE[name])
    rows = {mark: {**each, name: ABSENT[name]} for mark, each in known.rows.items()}
    return replace(known, columns=known.columns | {name}, rows=rows)


def indexes(source: random.Random, table: Table, known: Known) -> Known:
    """Add an index, or delete one."""
    name = source.choice(sorted(INDEXES))
    if name in known.indexes:
        table.delete_index(name)
        return replace(known, indexes=known.indexes - {name})
    table.create_index(INDEXES[name])
    return replace(known, indexes=known.indexes | {name})


def row(source: random.Random, table: Table, known: Known) -> dict[bytes, Mapping[str, Any]]:
    """Insert, change or delete a row."""
    rows = dict(known.rows)
    values = {
        "Text": source.choice((None, "t" * source.randrange(60))),
        "Long": source.choice((None, source.randbytes(source.choice((20, 900, 3000, 15000))))),
        "Fixed": source.randrange(100),
        "Tagged": (1, source.randrange(9)),
        "Other": "other" * source.randrange(300),
    }
    values = {name: found for name, found in values.items() if name in known.columns and source.random() < 0.7}
    what = source.random()
    if what < 0.5 or not rows:
        mark = table.insert(**values)
        empty = dict.fromkeys(known.columns) | {name: ABSENT[name] for name in known.columns & ABSENT.keys()}
        rows[mark] = empty | values | {"Id": int.from_bytes(mark[2:], "big")}
        return rows
    mark = source.choice(sorted(rows))
    if what < 0.7:
        table.update(mark, **values)
        rows[mark] = {**rows[mark], **values}
    elif what < 0.85 and rows[mark]["Long"] is not None:
        piece = source.randbytes(source.randrange(4000))
        table.long_value(mark, "Long").append(piece)
        rows[mark] = {**rows[mark], "Long": rows[mark]["Long"] + piece}
    else:
        table.delete(mark)
        del rows[mark]
    return rows


@contextmanager
def running(live: Live) -> Iterator[History]:
    """Let the writers work meanwhile; what went wrong in one of them is raised in the end."""
    history = History(live)
    threads = [threading.Thread(target=history.work, args=(who,)) for who in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield history
    finally:
        history.stop.set()
        for thread in threads:
            thread.join()
    for error in history.errors:
        raise error


def wait_for(history: History, more: int) -> None:
    wanted = history.last + more
    while history.last < wanted and not history.errors:
        history.stop.wait(0.005)


def hold(live: Live, path: str, history: History, at_least: int, left_out: str | None = None) -> int:
    """Compare a database with the history; return the number of the transaction whose state it holds."""
    found = [each for each in check(path, fs=live.disk) if each.severity is not Severity.INFO]
    # Pages of what was not committed may be lost to a copy, as they are with the engine.
    assert [each for each in found if path == PATH or each.kind is not CheckKind.LEAKED] == []
    with open_database(path, fs=live.disk, strict=True) as database:
        number = next(iter(database[COUNTER]))["N"]
        assert isinstance(number, int)
        assert number >= at_least
        state = history.states[number]
        others = {COUNTER, "Rows", "Marks", left_out}
        assert {name for name in database if name not in others and not name.startswith("MSys")} == set(state)
        for name, known in state.items():
            table, definition = database[name], database.definition(name)
            assert {column.name for column in definition.columns} == known.columns
            assert {index.name for index in definition.indexes} == known.indexes
            assert {each.bookmark: dict(each) for each in table} == known.rows
        assert left_out is None or not list(database[left_out])
    return number


def restored(live: Live, source: str, history: History, at_least: int, left_out: str | None = None) -> int:
    """Restore a set elsewhere and compare it."""
    target = f"/r/{len(history.states)}"
    for folder in (target, f"{target}-logs"):
        live.disk.make_directory(folder, parents=True)
    world = Environment(fs=live.disk, background=False)
    other = Instance("restore", env=world, path=f"{target}-logs", page_size=live.page_size, log_file_size=64)
    other.restore(source, target)
    return hold(live, f"{target}/a.edb", history, at_least, left_out)


@pytest.fixture
def loaded(new_live: Callable[..., Live]) -> Live:
    """Return an instance with little cache and a short way from the checkpoint to the tip."""
    params = {Param.CacheSizeMax: 100, Param.CheckpointDepthMax: 256 * 1024, Param.MaxVerPages: 1000}
    live = new_live(0, background=True, params=params)
    for name in ("full", "atomic"):
        live.disk.make_directory(f"/b/{name}", parents=True)
    return live


def test_full_atomic_and_incremental(loaded: Live) -> None:
    moved = 0
    with running(loaded) as history:
        reached = []
        for target, incremental, atomic in (
            ("/b/full", False, False),
            ("/b/full", True, False),
            ("/b/atomic", False, True),
            ("/b/atomic", True, True),
            ("/b/atomic", False, True),
        ):
            wait_for(history, 25)
            before = loaded.instance.log.checkpoint_generation
            committed = history.last

            def slowly(_: object) -> None:
                wait_for(history, 2)

            loaded.instance.backup(target, incremental=incremental, atomic=atomic, progress=slowly)
            assert history.last > committed, "nobody wrote meanwhile"
            moved += loaded.instance.log.checkpoint_generation > before
            # What was acknowledged when the backup began is in it.
            reached.append(restored(loaded, target, history, committed - WRITERS))
    assert reached == sorted(set(reached))
    assert moved, "the checkpoint stayed where it was"
    assert history.kinds == {"table", "rename", "drop", "column", "index"}
    loaded.end()
    assert hold(loaded, PATH, history, 0) == history.last


def test_a_large_transaction_with_definitions_stays_open(loaded: Live) -> None:
    """Tables, indexes and rows that are not committed when the copy is made are not in what is restored."""
    with running(loaded) as history:
        wait_for(history, 20)
        session = loaded.instance.session()
        database = session.open(PATH)
        kept = database.create_table("Kept", [Column("Id", ColumnType.LONG), Column("Long", ColumnType.LONG_BINARY)])
        session.begin()
        kept.add_column(Column("More", ColumnType.LONG, default=3))
        kept.insert_many({"Id": n, "Long": bytes(n % 40 * 100)} for n in range(1500))
        kept.create_index(Index("byId", ("Id",)))
        database.create_table("Never", COLUMNS, indexes=[Index("pk", ("Id",), primary=True)]).insert(Long=bytes(30000))
        for incremental in (False, True):
            wait_for(history, 10)
            loaded.instance.backup("/b/full", incremental=incremental)
            restored(loaded, "/b/full", history, 20, "Kept")
        session.rollback()
    loaded.end()
    assert hold(loaded, PATH, history, 0, "Kept") == history.last
