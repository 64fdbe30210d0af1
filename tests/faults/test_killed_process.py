"""A real process with four writers and backups is killed at random moments, and started again on what it left.

What was acknowledged is there, nothing half is, the integrity check finds nothing; and the last backup set, if one was
finished, restores to a state without a gap.  ESE_KILLS sets how often (`make crash`: 200).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from engine import Instance, open_database, restore_set
from engine.backup.sets import Verdict, list_backups
from engine.build import DatabaseBuilder
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import EseError
from esetui.load import LEDGER, ledger_gaps

KILLS = int(os.environ.get("ESE_KILLS", "200" if os.environ.get("CRASH_ALL") else "6"))
PROGRAM = Path(__file__).with_name("busy_instance.py")
ROOT = PROGRAM.parents[2]
LONGEST = 1.5
"""Seconds that a process lives at most before it is killed."""


def ledger(path: Path) -> dict[int, tuple[int, int]]:
    with open_database(path, strict=True) as database:
        pairs = list(database[LEDGER].values(["Writer", "Number"]))
    return ledger_gaps((int(str(writer)), int(str(number))) for writer, number in pairs)


def run_and_kill(folder: Path, backup: Path, seconds: float, output: Path) -> list[str]:
    """Run the busy process, kill it after `seconds` of work, and return what it said."""
    with output.open("wb") as target:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), str(backup), "600"],
            stdout=target,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            end = time.monotonic() + 60
            while b"started\n" not in output.read_bytes():
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < end, output.read_text()
                time.sleep(0.005)
            time.sleep(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    # The last line may have been cut off by the kill.
    return output.read_text().rpartition("\n")[0].splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.timeout(3600)
def test_killed_again_and_again(tmp_path: Path) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    folder.mkdir()
    backup.mkdir()
    with DatabaseBuilder(Environment(), folder / "a.edb"):
        pass
    choose = random.Random(5)  # noqa: S311 - the same moments in every run
    acknowledged: Counter[int] = Counter()
    restored = 0
    for kill in range(KILLS):
        said = run_and_kill(folder, backup, choose.uniform(0, LONGEST), tmp_path / "said")
        assert not [line for line in said if line.startswith(("error", "Traceback"))], said
        acknowledged.update(int(line) for line in said if line.isdigit())

        with Instance("again", path=folder, log_file_size=128) as instance, instance.session() as session:
            session.attach(folder / "a.edb")
        found = ledger(folder / "a.edb")
        for writer, (count, highest) in found.items():
            assert count == highest, f"kill {kill}: writer {writer} has {count} transactions up to {highest}"
        missing = {
            writer: (count, found.get(writer, (0, 0))[0])
            for writer, count in acknowledged.items()
            if found.get(writer, (0, 0))[0] < count
        }
        assert not missing, f"kill {kill}: acknowledged and found: {missing}"
        # A commit whose answer the kill swallowed is there without having been acknowledged.
        acknowledged = Counter({writer: count for writer, (count, _) in found.items()})
        assert [each for each in check(folder / "a.edb") if each.severity is Severity.ERROR] == []

        restored += restore_and_compare(backup, tmp_path / f"back{kill}", found)
    assert sum(acknowledged.values()) > KILLS
    assert restored or KILLS < 4


def restore_and_compare(backup: Path, back: Path, live: dict[int, tuple[int, int]]) -> int:
    """Restore the set if there is a whole one; return how many were restored."""
    sets = list_backups(str(backup), fs=Environment().fs)
    if not sets or not any(each.verdict is Verdict.COMPLETE for each in sets):
        return 0
    back.mkdir()
    try:
        restore_set(backup, to=back)
    except EseError as error:
        pytest.fail(f"a whole set does not restore: {error}")
    found = ledger(back / "a.edb")
    for writer, (count, highest) in found.items():
        assert count == highest
        assert count <= live[writer][0]
    return 1
