"""Start-up measured: `esetui --version`, and the time until the console has drawn its first whole screen.

    python benchmarks/startup.py [--rounds N] [--json]

version       from the start of the process to its end.  The goal is at most 150 ms.
first paint   from the start of the process, in a pseudo-terminal of 80 x 24, until the line of keys has arrived.  The
              goal is at most 0.8 s.

Medians.  The first run of each, which compiles and reads from disk, is not counted.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple

from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.instance import Instance

PROGRAM = (sys.executable, "-m", "esetui")
VERSION_GOAL_MS = 150
PAINT_GOAL_MS = 800
LAST_DRAWN = b"Quit"
TIMEOUT = 30.0


class Startup(NamedTuple):
    """Median milliseconds."""

    version: float
    first_paint: float


def make_instance(folder: Path) -> None:
    """Make a small instance to open."""
    path = folder / "sample.edb"
    with DatabaseBuilder(Environment(), str(path)) as build:
        rows = ({"Id": number} for number in range(1000))
        build.add_table("Rows", [Column("Id", ColumnType.LONG)], primary=Index("pk", ("Id",)), rows=rows)
    with Instance("sample", path=folder) as instance, instance.session() as session:
        session.attach(path)


def time_version() -> float:
    """Return the seconds that `esetui --version` takes."""
    began = time.perf_counter()
    subprocess.run([*PROGRAM, "--version"], check=True, capture_output=True)
    return time.perf_counter() - began


def time_first_paint(folder: Path) -> float:
    """Return the seconds until the console's keys are on the screen."""
    began = time.perf_counter()
    child, terminal = pty.fork()
    if not child:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(PROGRAM[0], [*PROGRAM, str(folder)])  # noqa: S606 - the program that is measured
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        seen = b""
        while LAST_DRAWN not in seen:
            ready, _, _ = select.select([terminal], [], [], TIMEOUT)
            if not ready:
                raise RuntimeError(f"nothing was drawn: {seen[-500:]!r}")
            seen += os.read(terminal, 65536)
        return time.perf_counter() - began
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def measure(rounds: int) -> Startup:
    """Measure both, in turn."""
    with tempfile.TemporaryDirectory(prefix="esetui-bench-") as name:
        folder = Path(name)
        make_instance(folder)
        time_version()
        time_first_paint(folder)
        pairs = [(time_version(), time_first_paint(folder)) for _ in range(rounds)]
    version, paint = zip(*pairs, strict=True)
    return Startup(1000 * statistics.median(version), 1000 * statistics.median(paint))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found._asdict()))
        return
    print("start-up                      median      goal")
    print(f"esetui --version           {found.version:6.0f} ms  {VERSION_GOAL_MS:4} ms")
    print(f"console, first paint       {found.first_paint:6.0f} ms  {PAINT_GOAL_MS:4} ms")


if __name__ == "__main__":
    main()
