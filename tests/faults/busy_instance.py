"""A process that four writers keep busy, for tests that kill it: `python busy_instance.py FOLDER BACKUP RATE`.

Each committed transaction is acknowledged on standard output, after its commit has returned: `writer number`.
While they write, atomic backups are made one after the other: `backup begins`, `backup done`.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from engine.errors import EseError
from engine.instance import Instance
from esetui.load import Load

ROUND = 3
"""Backups from one full one to the next."""


class Acknowledging(Load):
    """Writers that tell of each commit, in one write each."""

    def done(self, writer: int, *, conflict: bool) -> None:
        """Tell of a commit."""
        super().done(writer, conflict=conflict)
        if not conflict:
            os.write(1, f"{writer}\n".encode())


def main(folder: Path, backup: Path, rate: float) -> None:
    """Run until killed."""
    with (
        Instance("busy", path=folder, log_file_size=128, circular_log=False) as instance,
        instance.session() as session,
    ):
        session.attach(folder / "a.edb")
        load = Acknowledging(instance, str(folder / "a.edb"), rate=rate)
        load.start()
        os.write(1, b"started\n")
        pause = threading.Event()
        number = 0
        while load.running:
            pause.wait(0.1)
            os.write(1, b"backup begins\n")
            try:
                instance.backup(backup, atomic=True, incremental=number % ROUND > 0)
            except EseError as error:
                os.write(1, f"error {error}\n".encode())
            os.write(1, b"backup done\n")
            number += 1
        os.write(1, f"error {load.counts().error}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
