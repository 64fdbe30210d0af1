"""The live store measured beside sqlite3: inserts, commits, look-ups, scans, changes, recovery, growth.

    python benchmarks/store.py [--rows N] [--rounds N] [--commits N] [--largest ROWS] [--only NAME]

work       a table with an integer primary key, an integer and a text of 80 characters; 8 KiB pages and 64 MiB of cache
           on either side.  Medians of `--rounds`, each store in turn.  sqlite3 keeps a write-ahead log, once with
           synchronous=FULL and once with OFF, which does not wait for the disk.  dissect.database and libesedb, which
           only read, scan the engine's file when it is closed; the one that can search looks rows up.
commits    inserts with a durable commit each, from 1, 4 and 16 sessions, one thread each
recovery   the process is gone after `--rows` inserts and a flush of the log: how long the next start takes
growth     random inserts and look-ups in tables of 10^4 rows up to `--largest`: the cost should grow with the depth of
           the tree only.  Tables are made by the bulk builder; nothing of them is in the store's cache at first.

backup     durable commits of four sessions, as fast as they go, with and without full backups of a database of
           `--backup` MiB made one after the other: how much is left of their rate, and the longest time in which none
           of them got anything done.  The goal is 60 %.

Names for `--only`: work, commits, recovery, growth, backup.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyesedb
from dissect.database.ese import ESE

from benchmarks.sqlite_store import Row, Sqlite
from engine import Instance
from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.errors import StateError
from engine.params import Param
from engine.types import TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.session import Session
    from engine.store.table import Table

TEXT: Final = "abcdefgh" * 10
PAGE: Final = 8192
CACHE_BYTES: Final = 64 << 20
COLUMNS: Final = (
    Column("Id", ColumnType.LONG),
    Column("Number", ColumnType.LONG_LONG),
    Column("Text", ColumnType.TEXT, code_page=ASCII, size=100),
)
KEY: Final = Index("pk", ("Id",), primary=True)
LOOKUPS: Final = 10_000
RANGES: Final = 100
RANGE_ROWS: Final = 1_000
GROWTH: Final = 5_000
SESSIONS: Final = (1, 4, 16)
BUSY_SESSIONS: Final = 4
BUSY_SECONDS: Final = 5.0
GOALS: Final = {"insert, sequential": 40_000, "insert, random": 25_000, "scan, all columns": 100_000}


class Store(Protocol):
    """What is measured."""

    name: str

    def insert(self, rows: Sequence[Row]) -> None:
        """Insert rows in one transaction, durable at its end."""

    def look_up(self, ids: Sequence[int]) -> None:
        """Read the row of each id."""

    def scan_ranges(self, ids: Sequence[int], rows: int) -> int:
        """Read so many rows from each id on; return their number."""

    def scan(self) -> int:
        """Read all columns of all rows; return their number."""

    def update(self, ids: Sequence[int]) -> None:
        """Change a column of each row in one transaction."""

    def delete(self, ids: Sequence[int]) -> None:
        """Delete each row in one transaction."""

    def commit_each(self, rows: Sequence[Row]) -> None:
        """Insert rows with a durable commit each; called by one thread for itself."""

    def close(self) -> None:
        """End it."""


def rows_of(ids: Sequence[int]) -> list[Row]:
    """Return a row for each id."""
    return [(number, number * 7, TEXT) for number in ids]


class Ours:
    """The engine.  One session for the work, one more for each thread that commits."""

    name = "esetui engine"

    def __init__(self, folder: Path, *, make: bool = True, page_size: int = PAGE) -> None:
        path = folder / "a.edb"
        if make:
            with DatabaseBuilder(Environment(), path, page_size=page_size) as builder:
                builder.add_table("Rows", COLUMNS, primary=KEY, rows=())
        pages = CACHE_BYTES // page_size
        params: dict[Param | int | str, Any] = {
            Param.MaxVerPages: 1 << 17,
            Param.CacheSizeMax: pages,
            Param.CacheSizeMin: pages,
            Param.MaxSessions: 64,
        }
        self.instance = Instance(path=folder, page_size=page_size, log_file_size=5120, params=params)
        self.instance.init()
        self.path = path
        self.session, self.table = self.open()

    def open(self) -> tuple[Session, Table]:
        """Return a further session and its table."""
        session = self.instance.session()
        session.attach(self.path)
        return session, session.open(self.path)["Rows"]

    def insert(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        with self.session.transaction():
            self.table.insert_many(rows)

    def look_up(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        cursor = self.table.cursor("pk")
        with self.session.transaction(read_only=True):
            for number in ids:
                if not cursor.seek(number) or cursor.row["Number"] != number * 7:
                    sys.exit(f"row {number} is not there")

    def scan_ranges(self, ids: Sequence[int], rows: int) -> int:
        """See `Store`."""
        cursor = self.table.cursor("pk")
        count = 0
        with self.session.transaction(read_only=True):
            for number in ids:
                for count, row in enumerate(cursor.range(number, number + rows - 1), count + 1):  # noqa: B007, B020
                    row.astuple()
        return count

    def scan(self) -> int:
        """See `Store`."""
        with self.session.transaction(read_only=True):
            return sum(1 for _ in self.table.values())

    def update(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        cursor = self.table.cursor("pk")
        with self.session.transaction():
            for number in ids:
                cursor.seek(number)
                cursor.update(Number=number * 7)

    def delete(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        cursor = self.table.cursor("pk")
        with self.session.transaction():
            for number in ids:
                cursor.seek(number)
                cursor.delete()

    def commit_each(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        session, table = self.open()
        with session:
            for row in rows:
                table.insert_row(row)

    def close(self) -> None:
        """See `Store`."""
        self.session.close()
        self.instance.term()


STORES: Final[tuple[Callable[[Path], Store], ...]] = (
    Ours,
    lambda folder: Sqlite(folder, "FULL", page_size=PAGE, cache_bytes=CACHE_BYTES),
    lambda folder: Sqlite(folder, "OFF", page_size=PAGE, cache_bytes=CACHE_BYTES),
)


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def work(store: Store, count: int) -> dict[str, float]:
    """Return operations a second of each kind."""
    choose = random.Random(7)  # noqa: S311 - the same work for everybody
    ascending = rows_of(range(count))
    shuffled = rows_of(choose.sample(range(count, 11 * count), count))
    some = choose.sample(range(count), min(LOOKUPS, count))
    starts = [choose.randrange(max(1, count - RANGE_ROWS)) for _ in range(RANGES)]
    rates: dict[str, float] = {}
    rates["insert, sequential"] = count / timed(lambda: store.insert(ascending))
    rates["insert, random"] = count / timed(lambda: store.insert(shuffled))
    rates["look-up, random"] = len(some) / timed(lambda: store.look_up(some))
    found: list[int] = []
    seconds = timed(lambda: found.append(store.scan_ranges(starts, RANGE_ROWS)))
    rates["range of 1,000 rows"] = found[0] / seconds
    seconds = timed(lambda: found.append(store.scan()))
    if found[1] != 2 * count:
        sys.exit(f"{store.name} scanned {found[1]} rows of {2 * count}")
    rates["scan, all columns"] = found[1] / seconds
    rates["update, random"] = len(some) / timed(lambda: store.update(some))
    rates["delete, random"] = len(some) / timed(lambda: store.delete(some))
    return rates


def measure_work(count: int, rounds: int) -> None:
    """Print the table of the operations."""
    results: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for make in STORES:
            with tempfile.TemporaryDirectory() as folder:
                store = make(Path(folder))
                for kind, rate in work(store, count).items():
                    results.setdefault(kind, {}).setdefault(store.name, []).append(rate)
                store.close()
                if isinstance(store, Ours):
                    for name, kind, rate in peers(store.path, count):
                        results[kind].setdefault(name, []).append(rate)
    print(f"\n{count:,} rows sequential and {count:,} random, one transaction each; medians of {rounds}; operations/s")
    show(results)


def peers(path: Path, count: int) -> Iterator[tuple[str, str, float]]:
    """Yield (reader, kind, operations/s) of other readers of the engine's file, which is clean."""
    names = [column.name for column in COLUMNS]
    rows: list[list[Any]] = []
    with path.open("rb") as file:
        table = ESE(file).table("Rows")
        seconds = timed(lambda: rows.extend([each.get(name) for name in names] for each in table.records()))
        yield "dissect", "scan, all columns", len(rows) / seconds
        some = random.Random(8).sample(rows, min(LOOKUPS, count) // 10)  # noqa: S311 - the same every time
        seconds = timed(lambda: [table.search(Id=row[0]).get("Text") for row in some])
        yield "dissect", "look-up, random", len(some) / seconds
    database = pyesedb.file()
    database.open(str(path))
    try:
        table = database.get_table_by_name("Rows")
        found: list[list[bytes]] = []
        columns = range(len(names))
        seconds = timed(lambda: found.extend([each.get_value_data(at) for at in columns] for each in table.records))
        yield "libesedb", "scan, all columns", len(found) / seconds
    finally:
        database.close()
    if len(found) != len(rows):
        sys.exit(f"libesedb found {len(found)} rows, dissect {len(rows)}")


def show(results: dict[str, dict[str, list[float]]]) -> None:
    """Print medians, a line a kind of work and a column a store."""
    names = list(dict.fromkeys(name for rates in results.values() for name in rates))
    print(f"  {'':<24}" + "".join(f"{name:>16}" for name in names) + f"{'goal':>10}")
    for kind, rates in results.items():
        goal = f"{GOALS[kind]:,}" if kind in GOALS else ""
        medians = (f"{statistics.median(rates[name]):,.0f}" if name in rates else "" for name in names)
        print(f"  {kind:<24}" + "".join(f"{rate:>16}" for rate in medians) + f"{goal:>10}")


def measure_commits(count: int, rounds: int) -> None:
    """Print durable commits a second, by number of sessions."""
    results: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for make in STORES:
            for sessions in SESSIONS:
                with tempfile.TemporaryDirectory() as folder:
                    store = make(Path(folder))
                    threads = [
                        threading.Thread(target=store.commit_each, args=(rows_of(range(each, count, sessions)),))
                        for each in range(sessions)
                    ]

                    def run(threads: list[threading.Thread] = threads) -> None:
                        for thread in threads:
                            thread.start()
                        for thread in threads:
                            thread.join()

                    rate = count / timed(run)
                    if store.scan() != count:
                        sys.exit(f"{store.name} lost rows")
                    results.setdefault(f"commits, {sessions} sessions", {}).setdefault(store.name, []).append(rate)
                    store.close()
    print(f"\n{count:,} inserts, each with a commit of its own; medians of {rounds}; commits/s")
    show(results)


def measure_recovery(count: int) -> None:
    """Print how long a start takes after the process has gone."""
    with tempfile.TemporaryDirectory() as folder:
        store = Ours(Path(folder))
        store.insert(rows_of(range(count)))
        log = sum(path.stat().st_size for path in Path(folder).glob("*.log"))
        # It says that it leaves the databases dirty.
        with suppress(StateError):
            store.instance.term(TermOptions.DIRTY)
        again: list[Ours] = []
        seconds = timed(lambda: again.append(Ours(Path(folder), make=False)))
        if again[0].scan() != count:
            sys.exit("recovery lost rows")
        again[0].close()
    print(
        f"\nstart after {count:,} inserts whose pages were not written: {seconds:.2f} s, {count / seconds:,.0f} rows/s"
        f" ({log >> 20} MiB of log)"
    )


def measure_backup(mib: int, rounds: int) -> None:
    """Print what is left of the writers' rate during backups."""
    with tempfile.TemporaryDirectory() as folder:
        data, target = Path(folder, "data"), Path(folder, "backup")
        data.mkdir()
        with DatabaseBuilder(Environment(), data / "a.edb", page_size=PAGE) as builder:
            builder.add_table("Rows", COLUMNS, primary=KEY, rows=())
            builder.add_filled_table("Ballast", mib << 20, seed=1)
        store = Ours(data, make=False)
        stopping = threading.Event()
        moments: list[float] = []
        threads = [
            threading.Thread(target=_write, args=(store, each, stopping, moments)) for each in range(BUSY_SESSIONS)
        ]
        for thread in threads:
            thread.start()
        quiet: list[float] = []
        busy: list[float] = []
        longest = 0.0
        for number in range(rounds):
            begin = time.perf_counter()
            time.sleep(BUSY_SECONDS)
            middle = time.perf_counter()
            while time.perf_counter() - middle < BUSY_SECONDS:
                made = target / f"{number}-{time.perf_counter_ns()}"
                made.mkdir(parents=True)
                store.instance.backup(made)
                shutil.rmtree(made)
            end = time.perf_counter()
            during = [moment for moment in list(moments) if middle <= moment < end]
            quiet.append(sum(begin <= moment < middle for moment in list(moments)) / (middle - begin))
            busy.append(len(during) / (end - middle))
            longest = max([longest, *(later - sooner for sooner, later in pairwise(during))])
        stopping.set()
        for thread in threads:
            thread.join()
        store.close()
    before, now = statistics.median(quiet), statistics.median(busy)
    print(
        f"\n{BUSY_SESSIONS} sessions, {before:,.0f} commits/s; during full backups of {mib} MiB {now:,.0f} commits/s, "
        f"{now / before:.0%} (goal 60 %); longest time without a commit {longest * 1000:.0f} ms; medians of {rounds}"
    )


def _write(store: Ours, writer: int, stopping: threading.Event, moments: list[float]) -> None:
    session, table = store.open()
    with session:
        number = writer
        while not stopping.is_set():
            table.insert_row((number, number, TEXT))
            moments.append(time.perf_counter())
            number += BUSY_SESSIONS


def measure_growth(largest: int) -> None:
    """Print the cost of an insert and a look-up by the size of the table."""
    print(f"\n{GROWTH:,} random inserts in one transaction and as many look-ups; microseconds each")
    print(f"  {'rows':>12}{'levels':>8}{'insert':>10}{'look-up':>10}{'again':>10}")
    count = 10_000
    while count <= largest:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.edb"
            with DatabaseBuilder(Environment(), path, page_size=PAGE) as builder:
                rows = ((2 * number, 14 * number, TEXT) for number in range(count))
                builder.add_table("Rows", COLUMNS, primary=KEY, rows=rows)
            store = Ours(Path(folder), make=False)
            choose = random.Random(11)  # noqa: S311 - the same work every time
            some = choose.sample(range(count), min(GROWTH, count))
            even, odd = [2 * each for each in some], [2 * each + 1 for each in some]
            first = timed(lambda: store.look_up(even)) / len(some)  # noqa: B023 - called at once
            again = timed(lambda: store.look_up(even)) / len(some)  # noqa: B023
            insert = timed(lambda: store.insert(rows_of(odd))) / len(some)  # noqa: B023
            print(f"  {count:>12,}{depth(store):>8}{insert * 1e6:>10.0f}{first * 1e6:>10.0f}{again * 1e6:>10.0f}")
            store.close()
        count *= 10


def depth(store: Ours) -> int:
    """Return the levels of the table's tree."""
    rows = store.table.rows()
    page = rows.tree.pages.load(rows.tree.root)
    levels = 1
    while not page.is_leaf:
        page = rows.tree.pages.load(int.from_bytes(page.data(0), "little"))
        levels += 1
    return levels


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=4_000)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--backup", type=int, default=256)
    parser.add_argument("--only", choices=("work", "commits", "recovery", "growth", "backup"))
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "work": lambda: measure_work(options.rows, options.rounds),
        "commits": lambda: measure_commits(options.commits, options.rounds),
        "recovery": lambda: measure_recovery(options.rows),
        "growth": lambda: measure_growth(options.largest),
        "backup": lambda: measure_backup(options.backup, options.rounds),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    return 0


if __name__ == "__main__":
    sys.exit(main())
