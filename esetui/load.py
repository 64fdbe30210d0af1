"""Writers that keep an instance busy: for the demonstration, and for backups that are to be tried under load.

Each writer is a thread with a session of its own.  Its transactions are numbered, and what each does is a mixture:

    a row in Ledger with (writer, number)       every transaction: what is restored must have no gap
    a new one, a change, a deletion           in Renewals, with a secondary index and now and then a long note

`rate` is transactions a second for all writers together and may be changed at any time; 0 lets them rest.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.build import ASCII, Column, ColumnType, Index
from engine.errors import Err, EseError
from engine.table.seeking import Seek

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.instance import Instance
    from engine.session import Session
    from engine.store.cursor import Cursor
    from engine.store.database import Database
    from engine.table.values import Value

LEDGER: Final = "Ledger"
RENEWALS: Final = "Renewals"
MOST_RENEWALS: Final = 2_000
"""Rows of a writer; then it deletes as many as it adds."""

_LEDGER_COLUMNS: Final = (
    Column("Writer", ColumnType.LONG, not_null=True),
    Column("Number", ColumnType.LONG, not_null=True),
)
_RENEWAL_COLUMNS: Final = (
    Column("Id", ColumnType.LONG_LONG, not_null=True),
    Column("Host", ColumnType.TEXT, size=64, code_page=ASCII),
    Column("Renewed", ColumnType.LONG),
    Column("Note", ColumnType.LONG_TEXT, code_page=ASCII),
)
_CONFLICTS: Final = (Err.WriteConflict, Err.KeyDuplicate)
_REST: Final = 0.2
_NOTE_EVERY: Final = 40
_NOTE_LINES: Final = 300
_STRIDE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What the writers have done: transactions committed, and those that met another's change and were rolled back."""

    committed: int
    conflicts: int
    error: EseError | None


class Load:
    """Writers on a database that an instance has attached.  `start` and `stop` are for one thread."""

    def __init__(self, instance: Instance, path: str, *, writers: int = 4, rate: float = 50.0, seed: int = 1) -> None:
        self.instance = instance
        self.path = path
        self.rate = rate
        self._seed = seed
        self._number = writers
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._committed = [0] * writers
        self._conflicts = [0] * writers
        self._error: EseError | None = None

    @property
    def running(self) -> bool:
        """Whether writers are at work."""
        return any(each.is_alive() for each in self._threads)

    def counts(self) -> LoadCounts:
        """Return what has been done so far."""
        return LoadCounts(sum(self._committed), sum(self._conflicts), self._error)

    def start(self) -> None:
        """Make the tables if they are not there, and set the writers to work; the errors of making tables."""
        with self.instance.session() as session:
            _make_tables(session, session.open(self.path))
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"writer-{number}", daemon=True)
            for number in range(self._number)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every writer end its transaction, and wait for them; idempotent."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _run(self, writer: int) -> None:
        try:
            with self.instance.session() as session:
                _Writer(session, session.open(self.path), writer, self._seed).work(self, self._stopping)
        except EseError as error:
            # The others go on; who looks at the counts sees why this one does not.
            self._error = error

    def done(self, writer: int, *, conflict: bool) -> None:
        """Count a transaction."""
        (self._conflicts if conflict else self._committed)[writer] += 1

    @property
    def pause(self) -> float:
        """Seconds between two transactions of one writer; 0 means that it rests."""
        return self._number / self.rate if self.rate > 0 else 0.0


class _Writer:
    def __init__(self, session: Session, database: Database, number: int, seed: int) -> None:
        self._session = session
        self._ledger = database[LEDGER]
        self._renewals = database[RENEWALS]
        self._writer = number
        self._random = random.Random(seed * 1000 + number)  # noqa: S311 - a mixture, not a secret
        self._next = _highest(self._ledger.cursor("pk"), number) + 1
        self._made = [
            row["Id"] for row in self._renewals.cursor("pk").range(number * _STRIDE, (number + 1) * _STRIDE - 1)
        ]
        self._fresh = max((int(each) for each in self._made if isinstance(each, int)), default=number * _STRIDE - 1) + 1

    def work(self, load: Load, stopping: threading.Event) -> None:
        due = time.monotonic()
        while not stopping.is_set():
            pause = load.pause
            if not pause:
                stopping.wait(_REST)
                due = time.monotonic()
                continue
            due = max(due + pause, time.monotonic() - pause)
            if stopping.wait(max(0.0, due - time.monotonic())):
                return
            try:
                self._transaction()
            except EseError as error:
                if error.code not in _CONFLICTS:
                    raise
                load.done(self._writer, conflict=True)
            else:
                load.done(self._writer, conflict=False)

    def _transaction(self) -> None:
        number, choose = self._next, self._random
        fresh = self._fresh
        gone = None
        note = "A long note. " * choose.randrange(1, _NOTE_LINES) if number % _NOTE_EVERY == 0 else None
        with self._session.transaction():
            self._ledger.insert(Writer=self._writer, Number=number)
            self._renewals.insert(Id=fresh, Host=f"host-{choose.randrange(10_000)}.example", Renewed=0, Note=note)
            cursor = self._renewals.cursor("pk")
            if self._made and cursor.seek(choose.choice(self._made)):
                cursor.update(Renewed=number)
            if len(self._made) >= MOST_RENEWALS:
                gone = choose.randrange(len(self._made))
                if cursor.seek(self._made[gone]):
                    cursor.delete()
        # Only now is it certain that the transaction is there.
        self._next, self._fresh = number + 1, fresh + 1
        if gone is None:
            self._made.append(fresh)
        else:
            self._made[gone] = fresh


def _highest(cursor: Cursor, writer: int) -> int:
    """Return the last number of a writer; 0 when it has none."""
    if not cursor.seek(writer, match=Seek.LE):
        return 0
    row = cursor.row
    return _number(row["Number"]) if row["Writer"] == writer else 0


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _make_tables(session: Session, database: Database) -> None:
    with session.transaction():
        if LEDGER not in database:
            database.create_table(LEDGER, _LEDGER_COLUMNS, indexes=[Index("pk", ("Writer", "Number"), primary=True)])
        if RENEWALS not in database:
            database.create_table(
                RENEWALS,
                _RENEWAL_COLUMNS,
                indexes=[Index("pk", ("Id",), primary=True), Index("byHost", ("Host", "Renewed"))],
            )


def ledger_gaps(rows: Iterable[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Return, by writer, (transactions found, highest number) from (writer, number) pairs.

    They are equal where every transaction up to the last one is there; otherwise there is a gap.
    """
    found: dict[int, tuple[int, int]] = {}
    for writer, number in rows:
        count, highest = found.get(writer, (0, 0))
        found[writer] = count + 1, max(highest, number)
    return found
