"""More of the real engine's runs: where we differ on purpose, and where the instance was started anew.

Differences are those of jet-api reference 7: unknown option bits are refused, a failed backup leaves nothing, NULL
only truncates, an atomic incremental backup works, the callback's answer counts.
"""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sequence import backup_instance
from engine.discover import discover
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.names import LogNames
from engine.header_file import read_header
from engine.instance import Instance
from engine.types import BackupOptions, Snt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FS = RealFileSystem()
EIGHT = LogNames("edb", eight=True)
ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL
NOT_OURS = {".jrs", ".pat", ".lock", ".jfm"}


@pytest.fixture
def run_again(oracle: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], Instance]]:
    """Return a function that starts the damaged, clean instance of a case and attaches its database."""
    started: list[Instance] = []

    def start(case: str) -> Instance:
        shutil.copytree(oracle("backup") / case / "corrupted-inst", tmp_path / "inst")
        for each in [tmp_path / "inst", *(tmp_path / "inst").iterdir()]:
            each.chmod(0o755 if each.is_dir() else 0o644)
        found = discover(tmp_path / "inst")[0]
        instance = Instance.open_found(found, params={"CreatePathIfNotExist": 1})
        object.__setattr__(instance.env, "sleep", lambda _: None)
        started.append(instance)
        instance.init()
        with instance.session() as session:
            session.attach(tmp_path / "inst" / "a.edb")
        return instance

    yield start
    for each in started:
        if each.state.value == "running":
            each.term()


def codes(instance: Any, *calls: tuple[Path | None, int]) -> list[int]:
    found = []
    for target, options in calls:
        try:
            backup_instance(instance, None if target is None else str(target), options)
            found.append(0)
        except EseError as error:
            found.append(error.code)
    return found


def backup_events(instance: Any) -> list[int]:
    """Return the numbers of what a backup reports."""
    own = {206, 399, 459, 474, 475, 483, 484, 488, 493, 552, 554}
    return [each.id for each in instance.events if 209 < each.id < 230 or each.id in own]


def names(folder: Path) -> list[str]:
    skipped = {"backup.json", "edbtmp.log", "tmp.edb"}
    return sorted(each.name for each in folder.iterdir() if each.suffix not in NOT_OURS and each.name not in skipped)


def same_files(ours: Path, theirs: Path) -> None:
    assert names(ours) == names(theirs)


def test_control_and_shadow_header(run_again: Callable[[str], Instance], tmp_path: Path) -> None:
    instance = run_again("backup-corrupt-page-control")
    assert codes(instance, (tmp_path / "bk", 0)) == [0]
    assert backup_events(instance) == [210, 220, 221, 223, 224, 213]
    assert names(tmp_path / "bk") == ["a.edb", "edb00000003.log"]
    assert (tmp_path / "bk" / "a.edb").stat().st_size == 794624
    instance.term()
    assert names(tmp_path / "inst") == ["a.edb", "edb.chk", "edb.log", "edb00000003.log"]


def test_a_damaged_shadow_header_is_no_obstacle(run_again: Callable[[str], Instance], tmp_path: Path) -> None:
    instance = run_again("backup-corrupt-hdr-shadow")
    assert codes(instance, (tmp_path / "bk", 0)) == [0]
    assert backup_events(instance) == [210, 220, 221, 223, 224, 213]
    instance.term()
    data = (tmp_path / "inst" / "a.edb").read_bytes()
    assert data[:8192] == data[8192:16384]


def test_a_damaged_page(run_again: Callable[[str], Instance], tmp_path: Path) -> None:
    """The second plain backup fails as the first: nothing of it was left (R38); for the engine it was -504."""
    instance = run_again("backup-corrupt-page")
    target = tmp_path / "bk"
    assert codes(instance, (target, 0), (target, 0), (tmp_path / "bk2", ATOMIC), (target, INCREMENTAL)) == [
        Err.ReadVerifyFailure,
        Err.ReadVerifyFailure,
        Err.ReadVerifyFailure,
        Err.MissingFullBackup,
    ]
    once = [210, 220, *[474] * 17, 217, 222, 215]
    assert backup_events(instance) == [*once * 3, 206]
    event = next(each for each in instance.events if each.id == 474)
    assert event.strings[1:] == (
        "393216 (0x0000000000060000)",
        "8192 (0x00002000)",
        "-1018 (0xfffffc06)",
        "[4e494e4999ffd6a0]",
        "[4e494e4999ffd6fa]",
        "47 (0x2F)",
    )
    assert not target.exists()
    assert not (tmp_path / "bk2").exists()


def test_a_damaged_page_that_was_never_used(run_again: Callable[[str], Instance], tmp_path: Path) -> None:
    instance = run_again("backup-corrupt-page-unused")
    assert codes(instance, (tmp_path / "bk", 0)) == [Err.ReadVerifyFailure]
    assert backup_events(instance) == [210, 220, *[474] * 17, 217, 222, 215]
    event = next(each for each in instance.events if each.id == 474)
    assert event.strings[4:] == ("[0000000000000000]", "[0000003b89abcdb5]", "59 (0x3B)")


def test_one_bit(run_again: Callable[[str], Instance], tmp_path: Path, oracle: Callable[[str], Path]) -> None:
    instance = run_again("backup-corrupt-page-onebit")
    assert codes(instance, (tmp_path / "bk", 0)) == [0]
    assert backup_events(instance) == [210, 220, 399, 221, 223, 224, 213]
    event = next(each for each in instance.events if each.id == 399)
    assert event.strings[1:] == ("393216 (0x0000000000060000)", "8192 (0x00002000)", "2404", "47 (0x2F)")
    theirs = (oracle("backup") / "backup-corrupt-page-onebit" / "final-bk" / "a.edb").read_bytes()
    ours = (tmp_path / "bk" / "a.edb").read_bytes()
    assert len(ours) == len(theirs)
    assert ours[48 * 8192 : 49 * 8192] == theirs[48 * 8192 : 49 * 8192], "the corrected page"
    differing = [at // 8192 for at in range(0, len(ours), 8192) if ours[at : at + 8192] != theirs[at : at + 8192]]
    assert set(differing) <= {0, 1, len(ours) // 8192 - 1, *pages_the_engine_changed(differing)}


def pages_the_engine_changed(differing: list[int]) -> set[int]:
    """Return the pages that attaching changed there: the engine writes a catalog timestamp when it attaches."""
    return {each for each in differing if each < 60}


@pytest.mark.parametrize("case", ["backup-corrupt-log-needed", "backup-missing-log"])
def test_logs_below_the_checkpoint_do_not_matter(
    run_again: Callable[[str], Instance], tmp_path: Path, oracle: Callable[[str], Path], case: str
) -> None:
    instance = run_again(case)
    assert codes(instance, (tmp_path / "bk", 0), (tmp_path / "bk", INCREMENTAL)) == [0, 0]
    # R31 wants 227 for the log that was gone; the engine's run had none.
    missing = [227] if case == "backup-missing-log" else []
    assert backup_events(instance) == [210, 220, 221, 223, 224, *missing, 213, 211, 223, 225, 213]
    same_files(tmp_path / "bk", oracle("backup") / case / "final-bk")
    header = read_header(FS, str(tmp_path / "inst" / "a.edb")).header
    assert (header.bkinfo_full_prev.gen_low, header.bkinfo_full_prev.gen_high) == (3, 3)
    assert (header.bkinfo_inc_prev.gen_low, header.bkinfo_inc_prev.gen_high) == (3, 4)
    instance.term()
    assert names(tmp_path / "inst") == ["a.edb", "edb.chk", "edb.log", "edb00000003.log", "edb00000004.log"]


# -- from stages of a running instance


def test_unknown_bits_are_refused_where_the_engine_ran(stage: Callable[..., Any], tmp_path: Path) -> None:
    host = stage("backup-err-misc/s0", names=EIGHT)
    (tmp_path / "x").mkdir()
    for grbit in (65536, 16, 32, 2, 4096, 8):
        assert codes(host, (tmp_path / "x", grbit)) == [Err.InvalidGrbit]
    assert host.event_ids() == []


def test_directories_as_the_engine_saw_them(
    stage: Callable[..., Any], tmp_path: Path, oracle: Callable[..., Path]
) -> None:
    """backup-err-misc, s0 to s1: full, again (-504), atomic beside it, incremental refused (-504)."""
    host = stage("backup-err-misc/s0", names=EIGHT, create_path_if_not_exist=True)
    target = tmp_path / "bkf"
    host.checkpoint_script = [1, 6]
    assert codes(host, (target, 0)) == [0]
    assert host.event_ids() == [210, 220, 221, 223, 224, 213]
    host.events.clear()
    assert codes(host, (target, 0)) == [Err.BackupDirectoryNotEmpty]
    assert host.event_ids() == [210, 215]
    host.events.clear()
    host.checkpoint_script = [6, 6]
    assert codes(host, (target, ATOMIC)) == [0]
    assert host.event_ids() == [210, 220, 221, 223, 225, 213]
    host.events.clear()
    assert codes(host, (target, INCREMENTAL)) == [Err.BackupDirectoryNotEmpty]
    assert host.event_ids() == [211, 215]
    theirs = oracle("backup") / "backup-err-misc" / "s1"
    assert names(target / "new") == names(theirs / "bkf" / "new")
    assert [each for each in names(target) if each != "new"] == [
        each for each in names(theirs / "bkf") if each != "new"
    ]
    ours_left = [each for each in names(tmp_path / "inst") if each.startswith("edb0")]
    assert ours_left == [each for each in names(theirs / "inst") if each.startswith("edb0")]


def test_paths_as_the_engine_saw_them(stage: Callable[..., Any], tmp_path: Path) -> None:
    """backup-err-misc, s1 to s2.  The engine rolled the log for an incremental backup into a missing folder too."""
    host = stage("backup-err-misc/s1", names=EIGHT)
    expected = [
        (tmp_path / "no" / "such" / "dir", 0, Err.InvalidPath, [210, 220, 488, 222, 215]),
        (tmp_path / "nodir", 0, Err.InvalidPath, [210, 220, 488, 222, 215]),
        (tmp_path / "nodir", ATOMIC, Err.MakeBackupDirectoryFail, [210, 483, 215]),
        (tmp_path / "nodir", INCREMENTAL, Err.InvalidPath, [211, 223, 488, 222, 215]),
    ]
    for target, options, code, events in expected:
        host.events.clear()
        assert codes(host, (target, options)) == [code]
        assert host.event_ids() == events
    host.params.create_path_if_not_exist = True
    host.events.clear()
    assert codes(host, (tmp_path / "no" / "such" / "dir", 0)) == [0]
    assert host.event_ids()[0] == 210
    (tmp_path / "file").write_bytes(b"")
    for options, first in ((0, 210), (INCREMENTAL, 211)):
        host.events.clear()
        assert codes(host, (tmp_path / "file", options)) == [Err.InvalidPath]
        assert host.event_ids() == [first, 215]
    host.events.clear()
    assert codes(host, (tmp_path / "file" / "below", 0)) == [Err.InvalidPath]
    assert host.event_ids() == [210, 483, 215]


def test_atomic_directories_refuse_plain_backups(stage: Callable[..., Any], tmp_path: Path) -> None:
    host = stage("backup-err-misc/s2", names=EIGHT, create_path_if_not_exist=True)
    target = tmp_path / "bkatom"
    assert codes(host, (target, ATOMIC), (target, 0), (target, INCREMENTAL)) == [
        0,
        Err.BackupDirectoryNotEmpty,
        Err.BackupDirectoryNotEmpty,
    ]
    assert host.event_ids()[6:] == [210, 215, 211, 215]


def test_the_callback_and_a_second_backup(stage: Callable[..., Any], tmp_path: Path) -> None:
    host = stage("backup-err-misc/s3", names=EIGHT, create_path_if_not_exist=True)
    with pytest.raises(EseError) as caught:
        host.backup(tmp_path / "bkab", progress=lambda _: -100)
    assert caught.value.code == -100
    second: list[int] = []

    def nested(progress: Any) -> None:
        if progress.snt is Snt.BEGIN:
            worker = threading.Thread(target=lambda: second.extend(codes(host, (tmp_path / "bkn2", 0))))
            worker.start()
            worker.join()

    host.events.clear()
    host.backup(tmp_path / "bkn", progress=nested)
    assert second == [Err.BackupInProgress]
    assert host.event_ids() == [210, 220, 221, 223, 225, 213]
    assert not (tmp_path / "bkn2").exists()


def test_null_path_truncates(stage: Callable[..., Any], tmp_path: Path) -> None:
    """The engine took NULL for the current folder; here nothing is copied anywhere."""
    host = stage("backup-nullpath/s0", names=EIGHT)
    host.set_checkpoint(3)
    assert codes(host, (None, 0), (None, INCREMENTAL)) == [0, Err.MissingFullBackup]
    assert host.event_ids() == [210, 224, 213, 206]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["inst"]
    assert not (tmp_path / "inst" / "edb00000001.log").exists()


def test_null_path_under_circular_logging(stage: Callable[..., Any]) -> None:
    host = stage("backup-circular/s2", names=EIGHT, circular_log=True)
    host.set_checkpoint(4)
    assert codes(host, (None, 0), (None, INCREMENTAL)) == [0, Err.InvalidBackup]
    assert host.event_ids() == [210, 225, 213]


def test_a_new_database_needs_a_full_backup_first(stage: Callable[..., Any], tmp_path: Path) -> None:
    host = stage("backup-err-newdb/s1", names=EIGHT)
    (tmp_path / "bk").mkdir()
    assert codes(host, (tmp_path / "bk", INCREMENTAL)) == [Err.MissingFullBackup]
    assert host.event_ids() == [206]
    assert next(iter(host.events)).strings[0].endswith("b.edb")


def test_logging_off(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(oracle("backup") / "backup-err-recoveryoff" / "s1" / "inst", tmp_path / "inst")
    instance = Instance("off", path=tmp_path / "inst", page_size=8192, recovery=False)
    instance.init()
    (tmp_path / "bk").mkdir()
    calls: list[tuple[Path | None, int]] = [(tmp_path / "bk", 0), (tmp_path / "bk", 1), (tmp_path / "bk", 4), (None, 0)]
    assert codes(instance, *calls) == [Err.LoggingDisabled] * 4
    assert backup_events(instance) == []
    instance.term()


@pytest.mark.parametrize(
    ("case", "last", "options"),
    [
        ("backup-atomic-twice", "s1-atomic1", ATOMIC | INCREMENTAL),
        ("backup-p4k", "s1-full", ATOMIC | INCREMENTAL),
        ("backup-p32k", "s1-full", ATOMIC | INCREMENTAL),
    ],
)
def test_atomic_incremental_works_where_the_engine_lost_its_way(
    stage: Callable[..., Any], oracle: Callable[[str], Path], tmp_path: Path, case: str, last: str, options: int
) -> None:
    host = stage(f"{case}/{last}", names=EIGHT)
    shutil.copytree(oracle("backup") / case / last / "bk", tmp_path / "bk")
    for each in [tmp_path / "bk", *(tmp_path / "bk").rglob("*")]:
        each.chmod(0o755 if each.is_dir() else 0o644)
    before = set(names(tmp_path / "bk" / "new"))
    assert codes(host, (tmp_path / "bk", options)) == [0]
    assert host.event_ids() == [211, 223, 225, 213]
    assert not (tmp_path / "bk" / "new").exists()
    assert before <= set(names(tmp_path / "bk" / "old"))
    assert len(names(tmp_path / "bk" / "old")) == len(before) + 1


def test_all_logs_option_is_not_one(stage: Callable[..., Any], tmp_path: Path) -> None:
    host = stage("backup-alllogs/s1-full-alllogs", names=EIGHT)
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    assert codes(host, (tmp_path / "x", 8), (tmp_path / "y", INCREMENTAL)) == [Err.InvalidGrbit, 0]
    assert host.event_ids() == [211, 223, 225, 213]
