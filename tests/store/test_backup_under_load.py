"""Backups while sessions write: every set restores to the state after a number of transactions, none of them half.

Each transaction takes the next number from the counter, a row that all of them change, so that together they are one
serial history; it marks what it writes with that number.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType
from engine.build.rows import RowEncoder
from engine.build.schema import define_columns
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import Err, EseError
from engine.instance import Instance
from engine.params import Param
from engine.store import nodes
from engine.store.doing import TreeRef
from engine.types import TermOptions
from tests.store.conftest import MARKS, PATH, Live
from tests.store.desk import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.session import Session
    from engine.store.transactions import StoreSession

WRITERS = 4
ROWS = 4000
COUNTER = 1_000_000
ENDED = (Err.TermInProgress, Err.NotInTransaction, Err.InvalidDatabaseId, Err.InvalidSesid, Err.NotInitialized)


class Bank:
    """The table Marks under several writers: rows that come and go, and the counter as a row of its own."""

    def __init__(self, live: Live, seed: int) -> None:
        self.live = live
        self.tree = TreeRef(live.pages, *live.root(MARKS), parent=TreeRef(live.pages, 1, 1))
        self.seed = seed
        self.history: dict[int, dict[int, int | None]] = {}
        self.start = marks(live.rows(MARKS))
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        self.conflicts = 0
        session = live.instance.session()
        session.store.begin()
        nodes.insert(session.store, self.tree, key_of(COUNTER), Hand().record(COUNTER, 0, 0))
        session.store.commit()
        session.close()

    def work(self, place: int) -> None:
        """Commit transactions until told to stop."""
        hand = Hand(random.Random(self.seed * 10 + place))  # noqa: S311 - a draw, no secret
        session = self.live.instance.session()
        try:
            while not self.stop.is_set():
                self.transaction(session, hand)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            self.errors.append(error)
        finally:
            session.close()

    def transaction(self, session: Session, hand: Hand) -> None:
        store, chance = session.store, hand.chance
        store.begin()
        try:
            data = nodes.get(store, self.tree, key_of(COUNTER))
            assert data is not None
            number = hand.value(data) + 1
            nodes.replace(store, self.tree, key_of(COUNTER), hand.record(COUNTER, number, 0))
            written = {row: self.change(store, row, number, hand) for row in hand.some_rows()}
        except EseError as error:
            store.rollback()
            if error.code not in (Err.WriteConflict, Err.KeyDuplicate):
                raise
            self.conflicts += 1
            return
        if chance.random() < 0.1:
            store.rollback()
            return
        # Known before it is committed: a backup may have it sooner than this thread comes back.
        self.history[number] = written
        store.commit(lazy=chance.random() < 0.5)
        self.live.instance.live.between_operations(self.live.pages)

    def change(self, store: StoreSession, row: int, number: int, hand: Hand) -> int | None:
        record = hand.record(row, number, hand.chance.randrange(60))
        if nodes.get(store, self.tree, key_of(row)) is None:
            nodes.insert(store, self.tree, key_of(row), record)
        elif hand.chance.random() < 0.4:
            nodes.delete(store, self.tree, key_of(row))
            return None
        else:
            nodes.replace(store, self.tree, key_of(row), record)
        return number

    def state(self, number: int) -> dict[int, int]:
        """Return the rows after the first `number` transactions."""
        rows: dict[int, int] = {**self.start, COUNTER: number}
        for each in range(1, number + 1):
            for row, value in self.history[each].items():
                if value is None:
                    rows.pop(row, None)
                else:
                    rows[row] = value
        return rows


class Hand:
    """Makes records of the table Marks; one a thread."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.chance = chance or random.Random(0)  # noqa: S311 - the same
        columns = define_columns(
            [Column("Id", ColumnType.LONG), Column("Value", ColumnType.LONG), Column("Text", ColumnType.TEXT)]
        )
        self._encoder = RowEncoder(columns, [None] * 3, 4096, 2000, lambda _: b"", wanted=frozenset((0,)))

    def record(self, row: int, value: int, length: int) -> bytes:
        return self._encoder.encode((row, value, "x" * length))

    def value(self, record: bytes) -> int:
        return int.from_bytes(record[8:12], "little", signed=True)

    def some_rows(self) -> list[int]:
        return self.chance.sample(range(ROWS), self.chance.randrange(1, 12))


def marks(rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Return the value of each row by its number."""
    return {row["Id"]: row["Value"] for row in rows}


def key_of(row: int) -> bytes:
    return b"\x7f" + (row + 0x80000000).to_bytes(4, "big")


@contextmanager
def running(live: Live, seed: int = 1, *, ends: bool = False) -> Iterator[Bank]:
    """Let the writers work meanwhile; what went wrong in one of them is raised in the end.

    With `ends` the instance ends while they work, which tells each of them so.
    """
    bank = Bank(live, seed)
    threads = [threading.Thread(target=bank.work, args=(place,)) for place in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield bank
    finally:
        bank.stop.set()
        for thread in threads:
            thread.join()
    for error in bank.errors:
        if not (ends and isinstance(error, EseError) and error.code in ENDED):
            raise error


def wait_for(bank: Bank, transactions: int) -> None:
    while len(bank.history) < transactions and not bank.errors:
        bank.stop.wait(0.005)


def restored(live: Live, source: str, bank: Bank, at_least: int) -> int:
    """Restore a set elsewhere; check that it is a prefix of the history, and return how long a one."""
    target = f"/r/{len(bank.history)}"
    for folder in (target, f"{target}-logs"):
        live.disk.make_directory(folder, parents=True)
    world = Environment(fs=live.disk, background=False)
    other = Instance("restore", env=world, path=f"{target}-logs", page_size=live.page_size, log_file_size=64)
    other.restore(source, target)
    path = f"{target}/a.edb"
    assert [str(each) for each in check(path, fs=live.disk) if each.severity is not Severity.INFO] == []
    with open_database(path, fs=live.disk) as database:
        rows = marks(database[MARKS])
    number = rows[COUNTER]
    assert number >= at_least
    assert rows == bank.state(number)
    return number


@pytest.fixture
def loaded(new_live: Callable[..., Live]) -> Live:
    """Return an instance with little cache and a short way from the checkpoint to the tip."""
    params = {Param.CacheSizeMax: 100, Param.CheckpointDepthMax: 256 * 1024, Param.MaxVerPages: 1000}
    live = new_live(500, background=True, params=params)
    for name in ("full", "atomic"):
        live.disk.make_directory(f"/b/{name}", parents=True)
    return live


def test_full_atomic_and_incremental_under_writers(loaded: Live) -> None:
    with running(loaded) as bank:
        reached = []
        wait_for(bank, 100)
        known = len(bank.history) - WRITERS
        loaded.instance.backup("/b/full")
        reached.append(restored(loaded, "/b/full", bank, known))
        for atomic in (False, True):
            wait_for(bank, len(bank.history) + 100)
            known = len(bank.history) - WRITERS
            loaded.instance.backup("/b/atomic" if atomic else "/b/full", incremental=not atomic, atomic=atomic)
            reached.append(restored(loaded, "/b/atomic" if atomic else "/b/full", bank, known))
        wait_for(bank, len(bank.history) + 100)
        loaded.instance.backup("/b/atomic", incremental=True, atomic=True)
        reached.append(restored(loaded, "/b/atomic", bank, reached[-1]))
    assert reached == sorted(set(reached))
    assert bank.conflicts
    loaded.end()
    assert loaded.findings() == []
    assert marks(loaded.rows(MARKS)) == bank.state(max(bank.history))


def test_full_backups_under_circular_logging(new_live: Callable[..., Live]) -> None:
    live = new_live(500, background=True, circular_log=True, params={Param.CheckpointDepthMax: 128 * 1024})
    for number in range(3):
        live.disk.make_directory(f"/b/{number}", parents=True)
    with running(live, 2) as bank:
        for number in range(3):
            wait_for(bank, len(bank.history) + 150)
            known = len(bank.history) - WRITERS
            live.instance.backup(f"/b/{number}")
            restored(live, f"/b/{number}", bank, known)
    live.end()
    assert live.findings() == []


def test_a_large_transaction_stays_open_over_backups(loaded: Live) -> None:
    """What is not committed when the set ends is not in it, however long it has been on the disk."""
    with running(loaded, 3) as bank:
        wait_for(bank, 20)
        hand, session = Hand(), loaded.instance.session()
        session.store.begin()
        for row in range(ROWS + 1, ROWS + 3000):
            nodes.insert(session.store, bank.tree, key_of(row), hand.record(row, -1, 50))
            loaded.instance.live.between_operations(loaded.pages)
        known = len(bank.history) - WRITERS
        loaded.instance.backup("/b/full")
        restored(loaded, "/b/full", bank, known)
        wait_for(bank, len(bank.history) + 50)
        loaded.instance.backup("/b/full", incremental=True)
        restored(loaded, "/b/full", bank, known)
        session.store.rollback()
    loaded.end()
    assert loaded.findings() == []
    assert marks(loaded.rows(MARKS)) == bank.state(max(bank.history))


def test_attach_detach_and_term_against_a_running_backup(loaded: Live) -> None:
    with running(loaded, 4) as bank:
        wait_for(bank, 50)
        backup = loaded.instance.begin_external_backup()
        with pytest.raises(EseError) as caught:
            loaded.session.detach(PATH)
        assert caught.value.code == Err.BackupInProgress
        with pytest.raises(EseError) as caught:
            loaded.session.create_database("/i/other.edb")
        assert caught.value.code == Err.BackupInProgress
        with pytest.raises(EseError) as caught:
            loaded.instance.term()
        assert caught.value.code == Err.BackupInProgress
        wait_for(bank, len(bank.history) + 20)
        backup.abort()
    loaded.instance.term(TermOptions.COMPLETE)
    assert loaded.findings() == []
    assert marks(loaded.rows(MARKS)) == bank.state(max(bank.history))


def test_a_piece_that_is_being_read_holds_up_nobody_but_writes_of_pages(
    new_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = new_live(500)
    live.disk.make_directory("/b")
    tree = TreeRef(live.pages, *live.root(MARKS), parent=TreeRef(live.pages, 1, 1))
    hand, done = Hand(), list[object]()
    reading, go_on = threading.Event(), threading.Event()
    file_type: Any = type(live.database.file)
    read = file_type.read_into_at

    def slowly(file: object, offset: int, view: memoryview) -> int:
        reading.set()
        assert go_on.wait(60)
        return int(read(file, offset, view))

    monkeypatch.setattr(file_type, "read_into_at", slowly)
    backup = threading.Thread(target=lambda: done.append(live.instance.backup("/b").kind))
    backup.start()
    assert reading.wait(60)
    sessions = [live.instance.session() for _ in range(WRITERS)]
    for number in range(200):
        store = sessions[number % WRITERS].store
        store.begin()
        nodes.replace(store, tree, key_of(number), hand.record(number, -1, 9))
        nodes.insert(store, tree, key_of(ROWS + number), hand.record(ROWS + number, -1, 50))
        store.commit()
    assert done == [], "the first piece is still being read"

    def write() -> None:
        with live.journal.latch:
            live.pages.flush()

    flush = threading.Thread(target=write)
    flush.start()
    flush.join(0.2)
    assert flush.is_alive()
    go_on.set()
    for thread in (flush, backup):
        thread.join(60)
        assert not thread.is_alive()
    assert done == ["full"]
    assert live.pages.dirty_pages == 0
    live.end()
    assert live.findings() == []
    rows = marks(live.rows(MARKS))
    assert [number for number, value in rows.items() if value == -1] == [*range(200), *range(ROWS, ROWS + 200)]


@pytest.mark.parametrize("options", [None, TermOptions.STOP_BACKUP | TermOptions.COMPLETE, TermOptions.ABRUPT])
def test_a_backup_that_is_stopped_under_writers(loaded: Live, options: TermOptions | None) -> None:
    """Stopped by itself, it leaves the writers at work; by the end of the instance, everything is as after any end."""
    codes: list[int] = []
    begun = threading.Event()
    before = {each.name for each in loaded.disk.list("/b/full")}

    def back_up() -> None:
        def told(_: object) -> None:
            begun.set()
            wait_for(bank, len(bank.history) + 10)

        try:
            loaded.instance.backup("/b/full", progress=told)
        except EseError as error:
            codes.append(error.code)

    with running(loaded, 6, ends=options is not None) as bank:
        wait_for(bank, 50)
        backup = threading.Thread(target=back_up)
        backup.start()
        assert begun.wait(30)
        assert code_of(loaded.session.detach) == Err.BackupInProgress
        if options is None:
            loaded.instance.stop_backup()
            backup.join(30)
            wait_for(bank, len(bank.history) + 20)
            loaded.instance.backup("/b/atomic", atomic=True)
        else:
            loaded.instance.term(options)
            backup.join(30)
    assert not backup.is_alive()
    assert set(codes) <= {Err.BackupAbortByServer, Err.TermInProgress}
    assert len(codes) == 1
    assert {each.name for each in loaded.disk.list("/b/full")} == before
    loaded.end()
    assert loaded.findings() == []
    rows = marks(loaded.rows(MARKS))
    assert rows == bank.state(rows[COUNTER])
    # What was refused at the end is known to the history, and was never acknowledged.
    assert max(bank.history) - rows[COUNTER] <= WRITERS


def test_a_crash_in_the_middle_of_it_all(loaded: Live) -> None:
    """The power fails under writers and a backup; nothing that was waited for is lost."""
    with running(loaded, 5) as bank:
        wait_for(bank, 150)
        backup = loaded.instance.begin_external_backup()
        with backup.open(PATH) as copied:
            copied.read(64 * 1024)
        with loaded.journal.latch:
            position = loaded.journal.writer.last_record
        loaded.journal.wait_durable(position)
        known = len(bank.history) - WRITERS
        disk = loaded.disk.crash()
        backup.abort()
    loaded.instance.abandon()
    again = Live(disk, clock=loaded.clock)
    again.end()
    assert again.findings() == []
    rows = marks(again.rows(MARKS))
    assert rows[COUNTER] >= known
    assert rows == bank.state(rows[COUNTER])
