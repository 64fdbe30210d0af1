"""Backups measured: against `cp` and `sync`, their memory, and incremental ones against the size of the database.

    python benchmarks/backup.py [--size MIB] [--large MIB] [--rounds N] [--folder DIR] [--json]

copy          a full backup of `--size` MiB with 4 and 32 KiB pages, every page verified and CRC32C'd, everything
              fsynced, in turn with `cp A B && sync B` of the same file; medians.  The goal is at most 1.0.
memory        highest resident size of a process that backs up 64 MiB, and `--large` MiB.  At most 120 MB, and the two
              within 8 MB.
incremental   time for 4 and 16 logs of 5 MiB, beside a database of 16 MiB and one of `--size` MiB: it should follow the
              logs and not the database.

The databases are made by the bulk builder.  The source is read once before the first round, so both sides find
it in the cache.  Everything lies in `--folder` (default: a new folder where temporary files go).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from engine.build import DatabaseBuilder
from engine.env import Environment
from engine.format.lr import Trace
from engine.instance import Instance

MIB = 1 << 20
PAGE_SIZES = (4096, 32768)
LOG_KIB = 5120
SMALL_MIB = 64
RECORD = Trace.create("x" * 3900).pack()


class Copy(NamedTuple):
    """Median seconds of a full backup and of cp and sync."""

    page_size: int
    mib: int
    backup: float
    cp: float

    @property
    def ratio(self) -> float:
        """How long the backup takes, cp and sync being 1."""
        return self.backup / self.cp


class Memory(NamedTuple):
    """Highest resident size of a process that backs up so much, in MB."""

    mib: int
    peak: float


class Incremental(NamedTuple):
    """Median seconds of an incremental backup."""

    database_mib: int
    logs: int
    seconds: float


def make_instance(folder: Path, mib: int, page_size: int) -> Path:
    """Build a database of about `mib` MiB in a new folder and return its path."""
    folder.mkdir(parents=True)
    path = folder / "bench.edb"
    with DatabaseBuilder(Environment(), path, page_size=page_size) as builder:
        builder.add_filled_table("rows", mib * MIB)
    return path


def start(path: Path, page_size: int) -> Instance:
    """Start an instance in the folder of the database and attach it."""
    instance = Instance(path=path.parent, page_size=page_size, log_file_size=LOG_KIB)
    instance.init()
    with instance.session() as session:
        session.attach(path)
    return instance


def read_once(path: Path) -> None:
    """Bring a file into the cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass


def timed_backup(instance: Instance, target: Path, *, incremental: bool = False) -> float:
    """Return the seconds of one backup."""
    target.mkdir(exist_ok=True)
    began = time.perf_counter()
    instance.backup(target, incremental=incremental)
    return time.perf_counter() - began


def timed_cp(path: Path, target: Path) -> float:
    """Return the seconds of copying a file and making it durable."""
    target.mkdir()
    copy = target / path.name
    began = time.perf_counter()
    subprocess.run(["cp", str(path), str(copy)], check=True)
    subprocess.run(["sync", str(copy)], check=True)
    return time.perf_counter() - began


def settle(target: Path) -> None:
    """Remove a copy and let the disk come to rest, so that no round pays for the one before."""
    shutil.rmtree(target)
    os.sync()


def measure_copy(folder: Path, mib: int, page_size: int, rounds: int) -> Copy:
    """Back up and copy in turn."""
    path = make_instance(folder / f"copy{page_size}", mib, page_size)
    backups, copies = [], []
    with start(path, page_size) as instance:
        read_once(path)
        for number in range(rounds):
            for kind in ("backup", "cp") if number % 2 else ("cp", "backup"):
                target = folder / "target"
                if kind == "backup":
                    backups.append(timed_backup(instance, target))
                else:
                    copies.append(timed_cp(path, target))
                settle(target)
    shutil.rmtree(path.parent)
    return Copy(page_size, mib, statistics.median(backups), statistics.median(copies))


def measure_memory(folder: Path, mib: int) -> Memory:
    """Back up in a process of its own and ask how large it grew."""
    path = make_instance(folder / f"memory{mib}", mib, PAGE_SIZES[0])
    program = [sys.executable, __file__, "--child", str(path), str(folder / "target")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(program, check=True, capture_output=True, text=True, env=environment)
    shutil.rmtree(path.parent)
    settle(folder / "target")
    return Memory(mib, float(done.stdout) / 1000)


def child(path: Path, target: Path) -> None:
    """Back up, and print the highest resident size in kilobytes."""
    with start(path, PAGE_SIZES[0]) as instance:
        timed_backup(instance, target)
    print(peak_kilobytes())


def peak_kilobytes() -> float:
    """Return the highest resident size of this process.

    On Linux from its own status: what getrusage tells was inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM:"))
        return float(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1000 if sys.platform == "darwin" else float(peak)


def measure_incremental(folder: Path, mib: int, rounds: int) -> list[Incremental]:
    """Measure incremental backups of 4 and 16 logs beside a database of `mib` MiB."""
    path = make_instance(folder / f"incremental{mib}", mib, PAGE_SIZES[0])
    results = []
    with start(path, PAGE_SIZES[0]) as instance:
        timed_backup(instance, folder / "target")
        for logs in (4, 16):
            times = []
            for number in range(rounds):
                instance.backup(None)
                fill_logs(instance, logs)
                times.append(timed_incremental(instance, folder / f"logs{number}"))
            results.append(Incremental(mib, logs, statistics.median(times)))
    shutil.rmtree(path.parent)
    settle(folder / "target")
    return results


def timed_incremental(instance: Instance, target: Path) -> float:
    """Return the seconds of an incremental backup into a folder of its own."""
    seconds = timed_backup(instance, target, incremental=True)
    settle(target)
    return seconds


def fill_logs(instance: Instance, count: int) -> None:
    """Fill so many log files."""
    until = instance.writer.generation + count
    while instance.writer.generation < until:
        instance.writer.append(RECORD)
    instance.writer.flush()


def print_tables(copies: list[Copy], memory: list[Memory], incremental: list[Incremental]) -> None:
    """Print the results for people."""
    print("full backup against cp + sync      backup       cp   ratio   goal 1.00")
    for each in copies:
        speed = each.mib / 1024 / each.backup
        print(
            f"  {each.mib:5} MiB, {each.page_size:5}-byte pages  {each.backup:8.3f} s {each.cp:7.3f} s   "
            f"{each.ratio:5.2f}   ({speed:.2f} GiB/s)"
        )
    print("memory of a backup                 peak      goal 120 MB")
    for size in memory:
        print(f"  {size.mib:5} MiB                       {size.peak:7.1f} MB")
    print("incremental backup                 time")
    for row in incremental:
        print(f"  {row.database_mib:5} MiB database, {row.logs:2} logs    {row.seconds:7.3f} s")


def main() -> None:
    """Measure everything and print tables, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the database in copy and incremental")
    parser.add_argument("--large", type=int, default=4096, help="MiB of the large database in memory; 0: not measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files go")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        copies = [measure_copy(folder, options.size, each, options.rounds) for each in PAGE_SIZES]
        sizes = [SMALL_MIB, *([options.large] if options.large else [])]
        memory = [measure_memory(folder, each) for each in sizes]
        incremental = [row for mib in (16, options.size) for row in measure_incremental(folder, mib, options.rounds)]
    if options.json:
        rows = [{**each._asdict(), "ratio": each.ratio} for each in copies]
        found = {
            "copy": rows,
            "memory": [each._asdict() for each in memory],
            "incremental": [each._asdict() for each in incremental],
        }
        print(json.dumps(found))
        return
    print_tables(copies, memory, incremental)


if __name__ == "__main__":
    main()
