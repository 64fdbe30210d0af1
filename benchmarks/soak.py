"""Mixed load for a long time, with backups: `make soak`.

    python benchmarks/soak.py [--minutes 15] [--every 20] [--rate 200] [--folder DIR]

Four writers work, a fifth session makes, fills, indexes and deletes tables and now and then rolls everything back, and
another holds a snapshot for seconds.  Every `--every` seconds a backup is made, a full one after five incremental ones.
A line a backup tells resident memory, cache, versions, log and checkpoint.  At the end:

    no writer has stopped for an error      the integrity check of the database finds nothing
    memory has stayed within 32 MB of what it was after a fifth of the time
    the last set restores without a gap, and its check finds nothing

The exit code is 1 when anything of this does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine import Instance, open_database, restore_set
from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import EseError
from esetui.load import LEDGER, Load, ledger_gaps

if TYPE_CHECKING:
    from engine.session import Session

MOST_GROWTH: Final = 32 << 20
INCREMENTALS: Final = 5
SCRATCH_ROWS: Final = 500
SNAPSHOT_SECONDS: Final = 3.0
MIB: Final = 1 << 20


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


class Side:
    """Work beside that of the writers, each kind in a thread of its own; `error` is what ended one."""

    def __init__(self, instance: Instance, path: Path) -> None:
        self.error: EseError | None = None
        self.tables = 0
        self._instance = instance
        self._path = path
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in (self._define, self._look)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: object) -> None:
        try:
            with self._instance.session() as session:
                while not self._stopping.is_set():
                    work(session)  # type: ignore[operator]
        except EseError as error:
            self.error = error

    def _define(self, session: Session) -> None:
        """Make a table, fill it, index it, change it, delete it; every third time all of it is taken back."""
        database = session.open(self._path)
        self.tables += 1
        name = f"Scratch{self.tables}"
        columns = [Column("Id", ColumnType.LONG), Column("Text", ColumnType.TEXT, code_page=ASCII)]
        session.begin()
        table = database.create_table(name, columns, indexes=[Index("pk", ("Id",), primary=True)])
        table.insert_many({"Id": number, "Text": f"row {number % 97}"} for number in range(SCRATCH_ROWS))
        table.create_index(Index("byText", ("Text",)))
        table.add_column(Column("More", ColumnType.LONG_BINARY))
        if self.tables % 3 == 0:
            session.rollback()
            return
        session.commit()
        with session.transaction():
            cursor = table.cursor("byText")
            cursor.first()
            cursor.update(More=bytes(20_000))
        with session.transaction():
            database.delete_table(name)
        self._stopping.wait(0.5)

    def _look(self, session: Session) -> None:
        """Hold a snapshot: what it counts must not change."""
        with session.transaction(read_only=True):
            table = session.open(self._path)[LEDGER]
            first = table.count()
            self._stopping.wait(SNAPSHOT_SECONDS)
            second = table.count()
        if first != second:
            sys.exit(f"a snapshot went from {first} to {second} rows")


def gaps(path: Path) -> list[str]:
    """Return what is missing of the writers' transactions."""
    with open_database(path, strict=True) as database:
        pairs = ((int(str(row[0])), int(str(row[1]))) for row in database[LEDGER].values(["Writer", "Number"]))
        found = ledger_gaps(pairs)
    return [f"writer {writer}: {count} of {last}" for writer, (count, last) in found.items() if count != last]


def errors_of(path: Path) -> list[str]:
    """Return the errors that the integrity check finds."""
    return [str(each) for each in check(path) if each.severity is Severity.ERROR]


def run(folder: Path, minutes: float, every: float, rate: float) -> list[str]:
    """Run the load; return what did not hold."""
    data, backup, back = folder / "data", folder / "backup", folder / "back"
    for each in (data, backup, back):
        each.mkdir(parents=True)
    path = data / "a.edb"
    with DatabaseBuilder(Environment(), path):
        pass
    wrong: list[str] = []
    begun = time.monotonic()
    settled = 0
    with Instance("soak", path=data, log_file_size=1024) as instance, instance.session() as session:
        session.attach(path)
        load, side = Load(instance, str(path), rate=rate), Side(instance, path)
        load.start()
        side.start()
        number = 0
        while (passed := time.monotonic() - begun) < minutes * 60:
            time.sleep(min(every, max(0.0, minutes * 60 - passed)))
            result = instance.backup(backup, atomic=True, incremental=number % (INCREMENTALS + 1) > 0)
            number += 1
            if not settled and time.monotonic() - begun > minutes * 12:
                settled = resident()
            numbers = instance.statistics()
            print(
                f"{time.monotonic() - begun:6.0f} s  {load.counts().committed:9,} commits  {side.tables:5} tables  "
                f"{result.kind:<11}  rss {resident() / MIB:5.0f} MiB  cache {numbers.cache_pages:5} "
                f"({numbers.dirty_pages} dirty)  versions {numbers.version_bytes >> 10:6} KiB  "
                f"log {numbers.generation}, checkpoint {numbers.checkpoint_generation}",
                flush=True,
            )
        grown = resident() - settled
        if grown > MOST_GROWTH:
            wrong.append(f"memory has grown by {grown / MIB:.0f} MiB")
        side.stop()
        load.stop()
        instance.backup(backup, atomic=True, incremental=True)
        wrong += [
            f"{name}: {error}" for name, error in (("writer", load.counts().error), ("side", side.error)) if error
        ]
    wrong += [f"live: {each}" for each in gaps(path) + errors_of(path)]
    restore_set(backup, to=back)
    restored = back / path.name
    return wrong + [f"restored: {each}" for each in gaps(restored) + errors_of(restored)]


def main() -> int:
    """Run, print, and say whether all of it held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wrong = run(options.folder or Path(scratch) / "soak", options.minutes, options.every, options.rate)
    for each in wrong:
        print(f"WRONG: {each}")
    print("all of it held" if not wrong else f"{len(wrong)} things did not hold")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
