"""All measurements, one after the other: `make bench`.

    python -m benchmarks [--quick]

Each is a program of its own and runs in a process of its own, so none warms up the other; what each prints names
sizes and commands.  `--quick` takes smaller sizes and fewer rounds, to see that everything works.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PROGRAMS = (
    ("startup.py", (), ("--rounds", "3")),
    ("backup.py", (), ("--size", "64", "--large", "128", "--rounds", "3")),
    ("checksum.py", (), ("--size", "64", "--rounds", "3")),
    ("log_records.py", (), ("--segments", "128", "--rounds", "3")),
    ("bench_rows.py", (), ("--rows", "20000", "--rounds", "1")),
    ("redo.py", (), ("--rows", "10000", "--rounds", "1")),
    ("store.py", (), ("--rows", "5000", "--rounds", "1", "--commits", "400", "--largest", "100000", "--backup", "32")),
)
"""Each program with its options, in full and quick."""


def main() -> int:
    """Run them; the exit code counts those that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    failed = 0
    for name, full, quick in PROGRAMS:
        arguments = quick if options.quick else full
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        done = subprocess.run([sys.executable, str(Path(__file__).with_name(name)), *arguments], check=False)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
