"""Backups while other threads write: the engine's own writers, record by record, in our log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.format.lr import Backup2, BackupPhase, LrType, Trace
from engine.header_file import read_header
from engine.log.reader import LogFile
from tests.backup.test_oracle_backup import (
    FS,
    NAMES,
    Replay,
    backup_records,
    expected_events,
    last_generation,
    listing,
    local,
    log_file,
    names_in,
    outcome,
    replaying,
    script_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.types import LgPos


@pytest.fixture
def replay(stage: Callable[..., Any], oracle: Callable[[str], Path], tmp_path: Path) -> Callable[..., Replay]:
    return replaying(stage, oracle, tmp_path)


def let_writers_work(run: Replay) -> int:
    """Append what the engine's other threads logged, each time after the backup's own record that it followed there.

    The space trees on disk are those of the end of the step, so how far the database reached is taken from the log.
    Returns the generation that the engine began for the logs that it was to copy.
    """
    host = run.host
    start = host.writer.last_record
    groups: list[list[bytes]] = []
    prepared = 0
    for generation in range(start.generation, last_generation(run.stage) + 1):
        path = log_file(run.stage, generation)
        assert path is not None
        with LogFile.open(FS, str(path), generation) as log:
            for each in log.records():
                if each.pos <= start:
                    continue
                if isinstance(each.record, Backup2 | Trace):
                    groups.append([])
                    if isinstance(each.record, Backup2) and each.record.phase == BackupPhase.PREPARE_LOGS:
                        prepared = each.pos.generation
                elif groups and each.record.type is not LrType.NOP2:
                    groups[-1].append(each.raw)
    assert sum(map(len, groups)) > 1000
    append = host.writer.append

    def append_with_others(record: bytes) -> LgPos:
        position: LgPos = append(record)
        for each in groups.pop(0) if groups else ():
            append(each)
        return position

    host.writer.append = append_with_others
    for database in host.attached():
        database._last_owned_page = host.extents[database.dbid]
    return prepared


@pytest.mark.parametrize(("stage_name", "before"), [("s1-full", None), ("s2-incr", "s1-full")])
def test_backup_with_writers_at_work(replay: Callable[..., Replay], stage_name: str, before: str | None) -> None:
    """Everything as the engine did it, but for the last log.

    The engine looks for the last closed log some time after it began a new one, so it took some more that the writers
    had filled by then; ours ends with the one that it closed itself.
    """
    run = replay("backup-writers", stage_name, before)
    host = run.host
    start = host.writer.last_record
    prepared = let_writers_work(run)
    [command] = run.step.commands
    script_checkpoint(host, command)
    deleted = [int(local(each)[3:11], 16) for each in dict(command.events)[224]]
    for generation in range(deleted[0], deleted[1]):
        # What the engine deleted without having copied it is not in the data; only its name matters.
        (run.root / "inst" / NAMES.archive(generation)).touch()
    assert outcome(host, run.target(command), command.grbit, []) == command.result == 0
    assert host.event_ids() == expected_events(command)
    theirs = {number: names_in(strings) for number, strings in command.events}
    ours = {each.id: names_in(each.strings) for each in host.events}
    last = NAMES.archive(prepared - 1)
    assert theirs[223][1] >= last
    assert ours == theirs | {223: [theirs[223][0], last]}
    for folder in run.stage.glob("bk"):
        files, made = listing(folder), listing(run.root / folder.name)
        # A writer had logged that the database grows, but had not grown it yet, when the engine took its size.
        assert made.get("a.edb", 0) - files.get("a.edb", 0) in {0, 16 * 8192}
        later = {each for each in files if each.endswith(".log") and each > last}
        assert files.keys() - made.keys() == later
        assert made.keys() <= files.keys()
        assert all(size == files[name] for name, size in made.items() if name != "a.edb")
    mine, want = (read_header(FS, str(each / "inst" / "a.edb")).header for each in (run.root, run.stage))
    slot = "inc" if command.grbit & 1 else "full"
    have, wanted = (getattr(each, f"bkinfo_{slot}_prev") for each in (mine, want))
    assert (have.gen_low, have.gen_high) == (wanted.gen_low, prepared - 1)
    assert wanted.gen_high == int(theirs[223][1][3:11], 16)
    assert have.mark.generation == wanted.mark.generation
    phases = [
        [each[:3] for each in backup_records([folder], start, 0x90) if len(each) > 1]
        for folder in (run.root, run.stage)
    ]
    assert phases[0] == phases[1]
