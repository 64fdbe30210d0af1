"""The real engine's backup runs, run again here from the state that each of its backups began in.

A stage is a copy of the running instance after a backup.  `rewind` takes it back to the moment before: the log
is cut at the backup's first record, deleted logs come back from the set, headers forget the backup.  Then our
backup runs, and return codes, events with their strings, the files of the sets and of the instance, header
fields and log records are compared.  Where the two differ on purpose (jet-api reference 7) the expectation says so.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.format.checksum import SEGMENT_SIZE
from engine.format.lr import Backup2, BackupPhase, BackupScope, Trace
from engine.format.names import LogNames
from engine.format.patch import PatchHeader
from engine.format.segment import SEGMENT_HEADER_SIZE, SegmentHeader, build_partial_segment
from engine.header_file import read_header
from engine.log.reader import LogFile
from engine.types import BkInfo, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.format.dbheader import DatabaseHeader

FS = RealFileSystem()
NAMES = LogNames("edb", eight=True)
WITH_FILES = {217, 218, 220, 221, 223, 224, 459}
"""Events whose strings name files or sizes that must agree."""


@dataclass
class Command:
    """One JetBackupInstance call of the real engine: arguments, return code, callbacks, and its events."""

    path: str
    grbit: int
    result: int
    callbacks: int
    events: list[tuple[int, list[str]]] = field(default_factory=list)
    note: str = ""


@dataclass
class Step:
    """What was done up to a pause."""

    name: str
    commands: list[Command]
    create_path: bool
    circular: bool


@cache
def steps_of(case: Path) -> list[Step]:
    steps: list[Step] = []
    commands: list[Command] = []
    create_path, circular = False, False
    lines = (case / "run.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    index = 0
    flags: list[bool] = []
    while index < len(lines):
        line = lines[index]
        index += 1
        if match := re.match(r"> set (100|17) (\d)", line):
            if match[1] == "100":
                create_path = match[2] == "1"
            else:
                circular = match[2] == "1"
        elif match := re.match(r"> backup(nested)? (\S+) (\d+)(.*)", line):
            callbacks = 0
            while not lines[index].startswith("  = "):
                callbacks += lines[index].startswith("  CB")
                index += 1
            result = int(lines[index].removeprefix("  = "))
            note = match[4].strip() or ("nested" if match[1] else "")
            commands.append(Command(match[2], int(match[3]), result, callbacks, note=note))
            flags.append(create_path)
        elif match := re.match(r"> pause (\S+)", line):
            steps.append(Step(match[1], commands, create_path, circular))
            commands = []
    _attach_events(case, steps)
    return steps


def _attach_events(case: Path, steps: list[Step]) -> None:
    """Give each command the events from its start to its end."""
    text = (case / "run.txt.events.txt").read_text(encoding="utf-8", errors="replace")
    for step, part in zip(steps, re.split(r"^=+ above: .*$", text, flags=re.MULTILINE), strict=False):
        found = re.findall(r"^event (\d+) .*\n\s+strings=\[(.*)\]$", part, re.MULTILINE)
        events = [(int(number), re.findall(r'"((?:[^"\\]|\\.)*)"', strings)[3:]) for number, strings in found]
        groups: list[list[tuple[int, list[str]]]] = []
        inside = False
        for event in events:
            if event[0] in {210, 211, 206}:
                groups.append([])
                inside = True
            if inside:
                groups[-1].append(event)
            if event[0] in {213, 214, 215, 226, 206}:
                inside = False
        eventful = [each for each in step.commands if each.result not in {-526, -516, -505}]
        assert len(groups) == len(eventful), (case.name, step.name)
        for command, group in zip(eventful, groups, strict=True):
            command.events = group


def records_of(folder: Path, generation: int, name: str) -> list[tuple[LgPos, Any]]:
    path = folder / name
    with LogFile.open(FS, str(path), generation) as log:
        return [(each.pos, each.record) for each in log.records()]


def log_file(folder: Path, generation: int) -> Path | None:
    """Return where a generation lies: closed, current, or in a set below the stage."""
    closed = folder / "inst" / NAMES.archive(generation)
    if closed.exists():
        return closed
    current = folder / "inst" / NAMES.current
    with LogFile.open(FS, str(current)) as log:
        if log.header.generation == generation:
            return current
    return next(iter(sorted(folder.glob(f"bk*/**/{NAMES.archive(generation)}"))), None)


def last_generation(folder: Path) -> int:
    with LogFile.open(FS, str(folder / "inst" / NAMES.current)) as log:
        return log.header.generation


def first_begin(stage: Path, before: Path | None, scope: int) -> LgPos | None:
    """Return where the first backup of the step logged its Begin record; None when none did.

    The last records of a stage may not be on disk in its copy, so they look new in the next one: `scope` tells.
    """
    newest = last_generation(stage)
    start = last_generation(before) if before is not None else 1
    known: set[LgPos] = set()
    if before is not None:
        known = {pos for pos, _ in records_of(before / "inst", start, NAMES.current)}
    for generation in range(start, newest + 1):
        path = log_file(stage, generation)
        if path is None:
            continue
        for pos, record in records_of(path.parent, generation, path.name):
            mine = isinstance(record, Backup2) and (record.phase, record.scope) == (BackupPhase.BEGIN, scope)
            if mine and pos not in known:
                return pos
    return None


def rewind(stage: Path, before: Path | None, target: Path, scope: int) -> Path:
    """Make the instance in `target` what it was before the first backup that led to `stage`."""
    shutil.copytree(stage / "inst", target, dirs_exist_ok=True)
    for each in [target, *target.iterdir()]:
        each.chmod(0o755 if each.is_dir() else 0o644)
        if each.suffix == ".pat":
            each.unlink()
    begin = first_begin(stage, before, scope)
    if begin is None:
        return target
    newest = last_generation(stage)
    for generation in range(1, newest):
        path = log_file(stage, generation) or (before and log_file(before, generation))
        existed = before is None or generation >= min(closed_generations(before / "inst"), default=newest)
        if path is not None and existed and not (target / NAMES.archive(generation)).exists():
            shutil.copyfile(path, target / NAMES.archive(generation))
    if begin.generation < newest:
        (target / NAMES.current).unlink()
        for generation in range(begin.generation + 1, newest):
            (target / NAMES.archive(generation)).unlink()
        (target / NAMES.archive(begin.generation)).rename(target / NAMES.current)
    cut(target / NAMES.current, begin)
    with LogFile.open(FS, str(target / NAMES.current)) as log:
        created = log.header.created
    for database in target.glob("*.edb"):
        header = read_header(FS, str(database)).header
        old = before / "inst" / database.name if before is not None else None
        former = read_header(FS, str(old)).header if old is not None and old.exists() else None
        fields: dict[str, Any] = {
            f"bkinfo_{name}_prev": getattr(former, f"bkinfo_{name}_prev") if former is not None else BkInfo()
            for name in ("full", "inc", "copy", "diff")
        }
        if not header.clean:
            fields |= {
                "gen_max_required": begin.generation,
                "gen_max_committed": begin.generation,
                "logtime_gen_max_create": created,
                "logtime_gen_max_required": created,
            }
        page = header.replace(**fields).pack()
        with database.open("r+b") as file:
            file.write(page * 2)
    return target


def closed_generations(folder: Path) -> list[int]:
    return sorted(int(each.name[3:11], 16) for each in folder.glob("edb????????.log"))


def cut(path: Path, at: LgPos) -> None:
    """End a log right before the record at `at`."""
    data = bytearray(path.read_bytes())
    start = at.segment * SEGMENT_SIZE
    used = max(at.offset, SEGMENT_HEADER_SIZE)
    header = SegmentHeader.unpack(data, start)
    records = bytes(data[start + SEGMENT_HEADER_SIZE : start + used])
    kept = data[:start]
    if records:
        kept += build_partial_segment(records, at.generation, at.segment, header.started)
    path.write_bytes(kept.ljust(len(data), b"\0")[: len(data)])


def local(value: str) -> str:
    """Return the file name of a Windows path; other strings as they are."""
    return value.replace("\\\\", "\\").rpartition("\\")[2] if "\\" in value else value


def names_in(strings: tuple[str, ...] | list[str]) -> list[str]:
    return [Path(local(each)).name if "/" in each else local(each) for each in strings]


def listing(folder: Path) -> dict[str, int]:
    """Return the files of a set (or of all sets below a folder) with their sizes, without what only we write."""
    return {
        str(each.relative_to(folder)): each.stat().st_size
        for each in sorted(folder.rglob("*"))
        if each.is_file() and each.name != "backup.json"
    }


def expected_events(command: Command) -> list[int]:
    """Return what our log should have: the engine's events, and 552 before 218 for a bad segment."""
    ids = [number for number, _ in command.events if number != 484]
    if 218 in ids:
        ids.insert(ids.index(218), 552)
    return ids


def script_checkpoint(host: Any, command: Command) -> None:
    """Let the checkpoint be where the engine's was: at the first log copied, then behind the last deleted."""
    found = dict(command.events)
    if 223 not in found:
        host.checkpoint_script = []
        return
    first = int(local(found[223][0])[3:11], 16)
    beyond = int(local(found[224][1])[3:11], 16) + 1 if 224 in found else 1
    host.checkpoint_script = [beyond] if command.grbit & 1 else [first, beyond]


CASES = [
    ("backup-full-incr-incr", "s1-full", "s0-before"),
    ("backup-full-incr-incr", "s2-incr1", "s1b-work"),
    ("backup-full-incr-incr", "s3-incr2", "s2-incr1"),
    ("backup-full-incr-incr", "s5-incr3", "s4-morework"),
    ("backup-atomic-cwd", "s1-atomic-full", None),
    ("backup-atomic-cwd", "s2-atomic-incr", "s1-atomic-full"),
    ("backup-atomic-cwd", "s3-atomic-incr", "s2-atomic-incr"),
    ("backup-atomic-cwd", "s4-atomic-full", "s3-atomic-incr"),
    ("backup-atomic-cwd", "s5-atomic-incr", "s4-atomic-full"),
    ("backup-atomic-twice", "s1-atomic1", None),
    ("backup-atomic-twice", "s3-atomic2", "s2-atomic-incr"),
    ("backup-atomic-twice", "s4-atomic3", "s3-atomic2"),
    ("backup-circular", "s1-full", None),
    ("backup-circular", "s2", "s1-full"),
    ("backup-err-nodb", "s1", None),
    ("backup-err-nodb", "s2", "s1"),
    ("backup-multidb", "s1-full", None),
    ("backup-multidb", "s2-incr", "s1-full"),
    ("backup-multidb", "s3-incr-newdb", "s2-incr"),
    ("backup-nullpath", "s3-real-full", "s2-null-incr"),
    ("backup-nullpath", "s4", "s3-real-full"),
    ("backup-p4k", "s1-full", None),
    ("backup-p32k", "s1-full", None),
    ("backup-uncommitted", "s1-full", None),
    ("backup-uncommitted", "s2-incr", "s1-full"),
    ("backup-err-misc", "s3", "s2"),
    ("backup-corrupt-log-incr", "s2-incr", "s1b"),
    ("backup-corrupt-log-incr", "s5", "s4"),
    ("backup-missing-log-incr", "s2-incr", "s1b"),
    ("backup-missing-log-incr", "s5", "s2-incr"),
]


@dataclass
class Replay:
    """One step of a case run again: what the real engine had, and where ours ran."""

    case: Path
    step: Step
    before: Path | None
    root: Path
    host: Any

    @property
    def stage(self) -> Path:
        return self.case / self.step.name

    def target(self, command: Command) -> Path:
        return self.root / local(command.path)


@pytest.fixture
def replay(stage: Callable[..., Any], oracle: Callable[[str], Path], tmp_path: Path) -> Callable[..., Replay]:
    return replaying(stage, oracle, tmp_path)


def replaying(stage: Callable[..., Any], oracle: Callable[[str], Path], tmp_path: Path) -> Callable[..., Replay]:
    """Return a function that sets a step of a case up again: case, step, and the step before it or None."""

    def make(case_name: str, stage_name: str, before_name: str | None) -> Replay:
        case = oracle("backup") / case_name
        step = next(each for each in steps_of(case) if each.name == stage_name)
        before = case / before_name if before_name else None
        eventful = [each for each in step.commands if each.events and each.events[0][0] != 206]
        scope = BackupScope.INCREMENTAL if eventful and eventful[0].grbit & 1 else BackupScope.FULL
        rewind(case / stage_name, before, tmp_path / "inst", scope)
        if before is not None:
            for each in before.glob("bk*"):
                if each.is_dir():
                    shutil.copytree(each, tmp_path / each.name)
        for each in tmp_path.rglob("*"):
            each.chmod(0o755 if each.is_dir() else 0o644)
        host = stage(
            f"{case_name}/{stage_name}",
            names=NAMES,
            create_path_if_not_exist=step.create_path,
            circular_log=step.circular,
        )
        host.start_at_last_record()
        return Replay(case, step, before, tmp_path, host)

    return make


def outcome(host: Any, target: Path | None, grbit: int, calls: list[Any]) -> int:
    try:
        host.backup(target, grbit, progress=calls.append)
    except EseError as error:
        return error.code
    return 0


@pytest.mark.parametrize(("case", "stage_name", "before"), CASES, ids=str)
def test_backup_as_the_engine_did(
    replay: Callable[..., Replay], case: str, stage_name: str, before: str | None
) -> None:
    run = replay(case, stage_name, before)
    host = run.host
    start = host.writer.last_record
    for command in run.step.commands:
        host.events.clear()
        script_checkpoint(host, command)
        calls: list[Any] = []
        target = run.target(command)
        result = outcome(host, target, command.grbit, calls)
        assert result == command.result, command
        assert host.event_ids() == expected_events(command)
        ours = [names_in(each.strings) for each in host.events if each.id in WITH_FILES]
        theirs = [names_in(strings) for number, strings in command.events if number in WITH_FILES]
        assert ours == theirs
        if not command.grbit & 1:
            kinds = [each.snt for each in calls]
            assert (kinds[:1] == [5]) == (command.callbacks > 0)
            assert (kinds[-1:] == [6]) == (command.callbacks > 1)
    compare_sets(run)
    compare_instance(run)
    if run.step.commands[-1].result == 0:
        compare_records(run, start)


def compare_sets(run: Replay) -> None:
    """Compare the sets' files, and in each database copy the header and trailer."""
    failed = {run.target(each).name for each in run.step.commands if each.result < 0}
    for theirs in sorted(run.stage.glob("bk*")):
        ours = run.root / theirs.name
        if theirs.name in failed:
            continue
        assert listing(ours) == listing(theirs)
        for copy in theirs.rglob("*.edb"):
            mine = ours / copy.relative_to(theirs)
            compare_copy(run.stage, mine, copy)


def compare_copy(stage: Path, mine: Path, theirs: Path) -> None:
    ours, want = (read_header(FS, str(each)).header for each in (mine, theirs))
    for name in ("gen_low", "gen_high"):
        assert getattr(ours.bkinfo_full_cur, name) == getattr(want.bkinfo_full_cur, name)
    compare_mark(stage, ours.bkinfo_full_cur.mark, want.bkinfo_full_cur.mark)
    for name in ("state", "sign_db", "sign_log", "lgpos_attach", "page_size", "dbid", "gen_max_required"):
        assert getattr(ours, name) == getattr(want, name), name
    data = mine.read_bytes()
    size = ours.page_size
    assert data[:size] == data[size : 2 * size]
    trailer = PatchHeader.parse(data[-size:])
    other = PatchHeader.parse(theirs.read_bytes()[-size:])
    assert trailer.belongs_to(ours)
    for name in ("gen_max_required", "gen_max_committed"):
        assert getattr(trailer, name) == getattr(other, name), name
    assert trailer.bkinfo.gen_high == other.bkinfo.gen_high
    assert trailer.bkinfo.gen_low == other.bkinfo.gen_low


def compare_mark(stage: Path, mine: LgPos, theirs: LgPos) -> None:
    """Our mark is the last record before the backup's own.

    So is the engine's, unless its clean-up threads logged something after it had taken the mark: then it is the last
    record of the session that had worked, and that session logged nothing more.
    """
    if mine == theirs:
        return
    assert theirs < mine
    assert theirs.generation == mine.generation
    path = log_file(stage, mine.generation)
    assert path is not None
    between = [each for each in records_of(path.parent, mine.generation, path.name) if theirs <= each[0] <= mine]
    sessions = [getattr(record, "procid", None) for _, record in between]
    assert between[0][0] == theirs
    assert sessions[0] is not None
    assert sessions[0] not in sessions[1:]


def compare_instance(run: Replay) -> None:
    """Compare the instance's logs and what its database headers and checkpoint say of backups."""
    theirs, ours = run.stage / "inst", run.root / "inst"
    assert closed_generations(ours) == closed_generations(theirs)
    assert last_generation(run.root) == last_generation(run.stage)
    assert not list(ours.glob("*.pat"))
    for path in theirs.glob("*.edb"):
        mine, want = (read_header(FS, str(each)).header for each in (ours / path.name, path))
        compare_backup_fields(mine, want)


def compare_backup_fields(mine: DatabaseHeader, want: DatabaseHeader) -> None:
    for name in ("full", "inc", "copy", "diff"):
        have, wanted = getattr(mine, f"bkinfo_{name}_prev"), getattr(want, f"bkinfo_{name}_prev")
        assert (have.gen_low, have.gen_high) == (wanted.gen_low, wanted.gen_high), name
        assert have.mark.generation == wanted.mark.generation, name
        assert bool(have.time) == bool(wanted.time), name
    assert not mine.bkinfo_full_cur


def compare_records(run: Replay, start: LgPos) -> None:
    """Compare the records that the step's backups wrote: phases with their fields, and the remarks.

    At the time of the copy the engine had not written the last ones out; they stand in the log of later stages.
    """
    ours = backup_records([run.root], start, last_generation(run.root))
    names = [each.name for each in steps_of(run.case)]
    later = [run.case / name for name in reversed(names[names.index(run.step.name) :])]
    theirs = backup_records(later, start, last_generation(run.stage))
    assert theirs
    assert ours[: len(theirs)] == theirs[: len(ours)]


def backup_records(folders: list[Path], start: LgPos, newest: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for generation in range(start.generation, newest + 1):
        path = next((path for each in folders if (path := log_file(each, generation)) is not None), None)
        if path is None:
            continue
        for pos, record in records_of(path.parent, generation, path.name):
            if pos <= start:
                continue
            if isinstance(record, Backup2):
                new = record.phase == BackupPhase.PREPARE_LOGS
                low, high = record.gen_low, record.gen_high
                found.append((record.phase, record.scope, record.dbid, low, high, pos[:2] if new else None))
            elif isinstance(record, Trace):
                text = record.text.partition("] ")[2]
                found.append((re.sub(r"\S*[\\/]", "", text),))
    return found
