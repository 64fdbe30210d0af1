"""Redo: how many node records a second are replayed, and how much memory that takes.

    python benchmarks/redo.py [--rows N] [--rounds N]

A live instance inserts `--rows` rows (an integer key, an integer and a text of 80 characters; a tenth of them at random
places, a tenth changed afterwards), and dies.  Its database is put back to what it was before the first row, so every
record is due.  The figure is node records over the seconds of the whole replay, undo and writing left out: logs read,
verified and decoded, pages read and changed.  Seconds are those of the processor.  The replay runs in a process of its
own, so that its peak of memory is its own; once with the rows above and once with four times as many, both with a cache
that holds little of the database.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from engine import Instance
from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.events import EventLog
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.log.stream import LogStream
from engine.params import Param
from engine.recovery.looking import look
from engine.recovery.places import Places
from engine.recovery.soft import Recovery

PAGE = 8192
GOAL = 50_000
"""Node records a second."""
SMALL_CACHE = 2 << 20
COLUMNS = (
    Column("Id", ColumnType.LONG),
    Column("Number", ColumnType.LONG_LONG),
    Column("Text", ColumnType.TEXT, code_page=ASCII, size=100),
)
KEY = Index("pk", ("Id",), primary=True)
TEXT = "abcdefgh" * 10


def crash(folder: Path, rows: int) -> None:
    """Make an instance that died, with its database as it was before the first row."""
    path = folder / "a.edb"
    with DatabaseBuilder(Environment(), path, page_size=PAGE) as builder:
        builder.add_table("Rows", COLUMNS, primary=KEY, rows=())
    pages = (256 << 20) // PAGE
    settings: dict[Param | int | str, object] = {
        Param.CacheSizeMax: pages,
        Param.CacheSizeMin: pages,
        Param.MaxVerPages: 1 << 17,
        Param.CheckpointDepthMax: 1 << 30,
    }
    instance = Instance(path=folder, page_size=PAGE, log_file_size=5120, params=settings)
    instance.init()
    rnd = random.Random(1)  # noqa: S311 - places of rows
    with instance.session() as session:
        session.attach(path)
        table = session.open(path)["Rows"]
        before = path.read_bytes()
        scattered = rnd.sample(range(rows, 100 * rows), rows // 10)
        ids = [*range(rows - len(scattered)), *scattered]
        for start in range(0, len(ids), 1000):
            with session.transaction():
                table.insert_many([(number, number * 7, TEXT) for number in ids[start : start + 1000]])
        cursor = table.cursor("pk")
        changed = rnd.sample(ids, rows // 10)
        for start in range(0, len(changed), 100):
            with session.transaction():
                for number in changed[start : start + 100]:
                    if cursor.seek(number):
                        cursor.update(Number=number)
        instance.writer.flush()
        instance.abandon()
    path.write_bytes(before)
    (folder / "edb.chk").unlink()


def node_records(folder: Path) -> int:
    """Count the node records of the logs."""
    stream = LogStream.find(RealFileSystem(), str(folder))
    if stream is None:
        sys.exit("no logs")
    return sum(isinstance(each.record, lr.NodeRecord) for each in stream.records())


def replay(folder: Path, cache_bytes: int) -> tuple[float, float]:
    """Replay once; return the seconds and the peak of memory in MiB."""
    fs = RealFileSystem()
    looked = look(fs, str(folder))
    recovery = Recovery(
        Environment(),
        EventLog(shared=False),
        looked.stream,
        None,
        places=Places(fs, str(folder)),
        cache_pages=cache_bytes // PAGE,
    )
    start = time.process_time()
    recovery.replay()
    seconds = time.process_time() - start
    recovery.replayed_state().close()
    return seconds, peak()


def peak() -> float:
    """Return the peak of this program's memory so far, in MiB; elsewhere than on Linux its starter's counts."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(folder: Path, cache_bytes: int) -> tuple[float, float]:
    """Replay in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--replay", str(folder), "--cache", str(cache_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, mebibytes = map(float, done.stdout.split())
    return seconds, mebibytes


def main() -> int:
    """Print the figures; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay is not None:
        print(*replay(options.replay, options.cache))
        return 0
    rates = []
    for rows in (options.rows, 4 * options.rows):
        folder = Path(tempfile.mkdtemp(prefix="redo-"))
        try:
            crash(folder, rows)
            records = node_records(folder)
            logs = sum(each.stat().st_size for each in folder.glob("edb*.log")) >> 20
            times = [apart(folder, 64 << 20)[0] for _ in range(options.rounds)]
            rate = records / statistics.median(times)
            rates.append(rate)
            _, small = apart(folder, SMALL_CACHE)
            print(f"{rows:>9} rows, {logs:>5} MiB of logs: {records:>9} node records, {rate:>9.0f} a second")
            print(f"{'':>9} peak of memory with a cache of {SMALL_CACHE >> 20} MiB: {small:.0f} MiB")
        finally:
            shutil.rmtree(folder)
    print(f"goal {GOAL} node records a second: {'met' if min(rates) >= GOAL else 'missed'}")
    return 0 if min(rates) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
