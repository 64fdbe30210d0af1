"""sqlite3 as a store to be measured beside the engine: `benchmarks/store.py`."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Row = tuple[int, int, str]


class Sqlite:
    """sqlite3 with a write-ahead log."""

    def __init__(self, folder: Path, synchronous: str, *, page_size: int, cache_bytes: int) -> None:
        self.name = f"sqlite3 {synchronous}"
        self.path = folder / "a.sqlite"
        self.synchronous = synchronous
        self._page_size = page_size
        self._cache_bytes = cache_bytes
        self.connection = self._open()
        self.connection.execute("CREATE TABLE IF NOT EXISTS Rows (Id INTEGER PRIMARY KEY, Number INTEGER, Text TEXT)")

    def _open(self) -> sqlite3.Connection:
        made = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        made.execute(f"PRAGMA page_size={self._page_size}")
        made.execute("PRAGMA journal_mode=WAL")
        made.execute(f"PRAGMA synchronous={self.synchronous}")
        made.execute(f"PRAGMA cache_size=-{self._cache_bytes >> 10}")
        return made

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.connection.execute("BEGIN IMMEDIATE")
        yield self.connection
        self.connection.execute("COMMIT")

    def insert(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        with self._transaction() as connection:
            connection.executemany("INSERT INTO Rows VALUES (?, ?, ?)", rows)

    def look_up(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        for number in ids:
            self.connection.execute("SELECT * FROM Rows WHERE Id = ?", (number,)).fetchone()

    def scan_ranges(self, ids: Sequence[int], rows: int) -> int:
        """See `Store`."""
        statement = "SELECT * FROM Rows WHERE Id BETWEEN ? AND ?"
        return sum(len(self.connection.execute(statement, (each, each + rows - 1)).fetchall()) for each in ids)

    def scan(self) -> int:
        """See `Store`."""
        return sum(1 for _ in self.connection.execute("SELECT * FROM Rows"))

    def update(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        with self._transaction() as connection:
            connection.executemany("UPDATE Rows SET Number = Id * 7 WHERE Id = ?", [(each,) for each in ids])

    def delete(self, ids: Sequence[int]) -> None:
        """See `Store`."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM Rows WHERE Id = ?", [(each,) for each in ids])

    def commit_each(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        connection = self._open()
        for row in rows:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO Rows VALUES (?, ?, ?)", row)
            connection.execute("COMMIT")
        connection.close()

    def close(self) -> None:
        """See `Store`."""
        self.connection.close()
