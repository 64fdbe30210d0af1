"""Reading rows: every column of every row of a table, against dissect.database on the same file.

    python benchmarks/bench_rows.py [--rows 200000] [--rounds 3] [--page-size 8192]

The file is made first: numbers, a date, a GUID, short text and binary, and a long text in the record; each row is
different.  Both readers run in this process, by turns, and the best round counts; the operating system has the file
in memory for both.  The sums of a column must agree, or the measurement fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.table import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TABLE = "Events"
WANTED = 3.0
"""How many times faster we have to be."""

COLUMNS = (
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("When", ColumnType.DATE_TIME),
    Column("Size", ColumnType.LONG_LONG),
    Column("Level", ColumnType.UNSIGNED_BYTE),
    Column("Done", ColumnType.BIT),
    Column("Ratio", ColumnType.IEEE_DOUBLE),
    Column("Client", ColumnType.GUID),
    Column("Host", ColumnType.TEXT, code_page=ASCII, size=64),
    Column("User", ColumnType.TEXT, size=64),
    Column("Address", ColumnType.BINARY, size=16),
    Column("Note", ColumnType.LONG_TEXT),
    Column("Data", ColumnType.LONG_BINARY),
)


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows; every seventh has no user, every third no data."""
    for number in range(1, count + 1):
        yield (
            number,
            45000.0 + number / 1000,
            number * 7919,
            number % 5,
            number % 2 == 0,
            number / 7,
            uuid.UUID(int=number * 0x1000000000000000000000001),
            f"host-{number % 977}.example.org",
            None if number % 7 == 0 else f"user {number % 5003}",
            number.to_bytes(16, "big"),
            f"Request {number} was answered after {number % 300} milliseconds",
            None if number % 3 == 0 else number.to_bytes(4, "big") * 12,
        )


def build(path: Path, count: int, page_size: int) -> None:
    """Make the file."""
    with DatabaseBuilder(Environment(), path, page_size=page_size) as builder:
        builder.add_table(TABLE, COLUMNS, primary=Index("pk", ("Id",)), rows=rows(count))


def ours(path: Path) -> tuple[int, int]:
    """Read everything; return (rows, sum of a column)."""
    count = total = 0
    with open_database(path) as database:
        for row in database[TABLE].values():
            count += 1
            total += cast("int", row[2])
    return count, total


def our_mappings(path: Path) -> tuple[int, int]:
    """Read the same by `Row` objects and column names."""
    count = total = 0
    names = [column.name for column in COLUMNS]
    with open_database(path) as database:
        for row in database[TABLE]:
            count += 1
            values = [row[name] for name in names]
            total += cast("int", values[2])
    return count, total


def theirs(path: Path) -> tuple[int, int]:
    """Read the same with dissect.database."""
    from dissect.database.ese import ESE  # noqa: PLC0415 - only here

    count = total = 0
    names = [column.name for column in COLUMNS]
    with path.open("rb") as file:
        for record in ESE(file).table(TABLE).records():
            count += 1
            values = [record.get(name) for name in names]
            total += values[2]
    return count, total


def best(readers: Mapping[str, Callable[[Path], tuple[int, int]]], path: Path, rounds: int) -> dict[str, float]:
    """Return the best time of each reader in seconds; ends the program when they disagree."""
    times = dict.fromkeys(readers, float("inf"))
    results = set()
    for _ in range(rounds):
        for name, reader in readers.items():
            start = time.perf_counter()
            results.add(reader(path))
            times[name] = min(times[name], time.perf_counter() - start)
    if len(results) != 1:
        sys.exit(f"the readers disagree: {results}")
    return times


def main() -> int:
    """Build, measure, print; the exit code says whether we are fast enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--page-size", type=int, default=8192)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.edb"
        build(path, options.rows, options.page_size)
        print(
            f"{options.rows:,} rows of {len(COLUMNS)} columns, {path.stat().st_size / 2**20:.0f} MiB, best of "
            f"{options.rounds}"
        )
        readers = {"tuples": ours, "mappings": our_mappings, "dissect.database": theirs}
        times = best(readers, path, options.rounds)
    reference = times["dissect.database"]
    for name, seconds in times.items():
        print(f"{name:>18}  {seconds:7.2f} s  {options.rows / seconds:10,.0f} rows/s  {reference / seconds:5.1f} x")
    return int(reference / times["tuples"] < WANTED)


if __name__ == "__main__":
    sys.exit(main())
