"""Backups while sessions insert, change and delete rows: what is committed before is in the set, and nothing half.

Requirements R1, R17, R19, R26b, R34, with real transactions on live tables.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import EseError
from engine.instance import Instance
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WRITERS = 3
COLUMNS = (
    Column("Id", ColumnType.LONG),
    Column("Writer", ColumnType.LONG),
    Column("Text", ColumnType.LONG_TEXT),
)
INDEXES = (Index("pk", ("Id",), primary=True), Index("byWriter", ("Writer", "Id")))


@dataclass
class Writer:
    """A session that keeps inserting pairs of rows, changing the first of each pair, and deleting every fifth."""

    instance: Instance
    path: Path
    number: int
    stop: threading.Event
    committed: int = 0
    """Pairs committed so far."""
    longest: float = 0.0
    failure: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        try:
            with self.instance.session() as session:
                table = session.open(self.path).table("Rows")
                while not self.stop.is_set():
                    began = time.monotonic()
                    pair = self.committed
                    first = (self.number * 1_000_000 + pair) * 2
                    with session.transaction(lazy_flush=bool(pair % 4)):
                        mark = table.insert(Id=first, Writer=self.number, Text="before")
                        other = table.insert(Id=first + 1, Writer=self.number, Text="x" * (pair % 40 * 90))
                        table.update(mark, Text=f"pair {pair}")
                        if not pair % 5:
                            table.delete(other)
                    self.committed = pair + 1
                    self.longest = max(self.longest, time.monotonic() - began)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failure = error


@dataclass
class Run:
    """A running instance over real files with one table, and writers at work on it."""

    instance: Instance
    folder: Path
    path: Path
    writers: list[Writer]
    stop: threading.Event

    def pairs(self) -> list[int]:
        return [each.committed for each in self.writers]

    def rest(self) -> None:
        """Let the writers end; what went wrong with them is raised."""
        self.stop.set()
        for each in self.writers:
            each.thread.join()
            if each.failure is not None:
                raise each.failure


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def start(**settings: Any) -> Run:
        folder = tmp_path / "inst"
        folder.mkdir()
        path = folder / "a.edb"
        with DatabaseBuilder(Environment(), path):
            pass
        instance = Instance(path=folder, log_file_size=64, params={"MaxVerPages": 1000}, **settings)
        instance.init()
        with instance.session() as session:
            session.attach(path)
            session.open(path).create_table("Rows", COLUMNS, indexes=INDEXES)
        stop = threading.Event()
        run = Run(instance, folder, path, [Writer(instance, path, number, stop) for number in range(WRITERS)], stop)
        made.append(run)
        deadline = time.monotonic() + 30
        while min(run.pairs()) < 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return run

    yield start
    for run in made:
        run.stop.set()
        for each in run.writers:
            each.thread.join()
        try:
            run.instance.term()
        except EseError:
            run.instance.abandon()
            raise


def slowly(seen: list[list[int]], run: Run) -> Callable[[object], None]:
    """Return a callback that gives the writers time between the pieces of the copy, and notes how far they are."""

    def told(_: object) -> None:
        seen.append(run.pairs())
        time.sleep(0.1)

    return told


def restored(source: Path, top: Path) -> dict[Any, Any]:
    """Restore a set into `top` without the live logs; return its rows after an integrity check."""
    (top / "db").mkdir(parents=True)
    (top / "logs").mkdir()
    restoring = Instance(path=top / "logs", log_file_size=64)
    try:
        restoring.restore(source, top / "db")
    finally:
        restoring.abandon()
    return rows_of(top / "db" / "a.edb")


def rows_of(path: Path) -> dict[Any, Any]:
    """Return texts by number after an integrity check without findings."""
    assert [str(each) for each in check(path) if each.severity is not Severity.INFO] == []
    with open_database(path, strict=True) as database:
        rows: list[Any] = list(database["Rows"].values(["Id", "Text"]))
        return dict(rows)


def whole_pairs(rows: dict[Any, Any], writer: int) -> int:
    """Return how many pairs of a writer there are; each is whole, and none is missing before the last."""
    base = writer * 2_000_000
    mine = {key - base: text for key, text in rows.items() if base <= key < base + 2_000_000}
    pairs = 0
    while 2 * pairs in mine:
        assert mine.pop(2 * pairs) == f"pair {pairs}"
        if pairs % 5:
            assert mine.pop(2 * pairs + 1) == "x" * (pairs % 40 * 90)
        pairs += 1
    assert mine == {}
    return pairs


@pytest.mark.parametrize("circular", [False, True])
def test_r1_r17_r34_a_full_backup_of_tables_in_use(
    at_work: Callable[..., Run], tmp_path: Path, *, circular: bool
) -> None:
    run = at_work(circular_log=circular)
    target = tmp_path / "set"
    target.mkdir()
    seen: list[list[int]] = []
    run.instance.backup(target, progress=slowly(seen, run))
    after = run.pairs()
    run.rest()
    assert all(later > earlier for earlier, later in zip(seen[0], seen[-1], strict=True)), "nobody wrote meanwhile"
    assert max(each.longest for each in run.writers) < 2.0, "a commit waited for more than a piece of the copy"
    assert verify(target).ok
    rows = restored(target, tmp_path / "back")
    for number in range(WRITERS):
        # What was committed when the copy began is there; what came after the log was closed is not.
        assert seen[0][number] <= whole_pairs(rows, number) <= after[number] + 1


def test_r26b_an_incremental_backup_brings_the_rows_since(at_work: Callable[..., Run], tmp_path: Path) -> None:
    run = at_work()
    target = tmp_path / "set"
    target.mkdir()
    run.instance.backup(target)
    copy = (target / "a.edb").read_bytes()
    then = run.pairs()
    deadline = time.monotonic() + 30
    while any(now < before + 30 for now, before in zip(run.pairs(), then, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    seen: list[list[int]] = []
    run.instance.backup(target, incremental=True, progress=slowly(seen, run))
    run.rest()
    assert (target / "a.edb").read_bytes() == copy
    rows = restored(target, tmp_path / "back")
    for number in range(WRITERS):
        assert whole_pairs(rows, number) >= seen[0][number] >= then[number] + 30


def test_the_instance_ends_with_every_row(at_work: Callable[..., Run], tmp_path: Path) -> None:
    run = at_work()
    target = tmp_path / "set"
    target.mkdir()
    run.instance.backup(target, atomic=True)
    run.rest()
    run.instance.term()
    rows = rows_of(run.path)
    assert [whole_pairs(rows, number) for number in range(WRITERS)] == run.pairs()
