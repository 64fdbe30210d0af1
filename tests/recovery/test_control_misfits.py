"""Recovery of a control tail where something does not fit: logs or databases missing, foreign, cancelled, dying."""

from __future__ import annotations

import pytest

from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.format.lr import (
    Trace,
)
from engine.types import BkInfo, InitOptions, LgPos, LogTime, Progress
from tests.recovery.control_bench import FOLDER, A, B, Bench, code_of, files


def test_a_log_in_the_middle_is_missing(bench: Bench) -> None:
    instance = bench.started(A)
    for _ in range(3):
        instance.writer.roll()
    instance.abandon()
    bench.disk.unlink(f"{FOLDER}/edb.chk")
    bench.disk.unlink(f"{FOLDER}/edb00002.log")
    again = bench.instance()
    assert code_of(again).code == Err.InvalidLogSequence
    assert [each.id for each in again.events] == [102, 300, 301, 567, 454]


def test_the_log_of_the_checkpoint_is_missing(bench: Bench) -> None:
    instance = bench.started(A)
    for _ in range(3):
        instance.writer.roll()
    instance.abandon()
    bench.disk.unlink(f"{FOLDER}/edb00003.log")
    again = bench.instance()
    assert code_of(again).code == Err.MissingLogFile
    assert [each.id for each in again.events] == [102, 455]


def test_the_current_log_is_missing_and_a_database_needs_it(bench: Bench) -> None:
    instance = bench.started(A)
    instance.writer.roll()
    instance.abandon()
    bench.disk.unlink(f"{FOLDER}/edb.log")
    again = bench.instance()
    assert code_of(again).code == Err.RequiredLogFilesMissing
    assert [each.id for each in again.events] == [102, 300, 301, 453, 454]


def test_the_current_log_is_missing_and_nobody_needs_it(bench: Bench) -> None:
    instance = bench.started()
    instance.writer.roll()
    instance.abandon()
    bench.disk.unlink(f"{FOLDER}/edb.log")
    instance, _ = bench.recover()
    assert instance.writer.generation == 2
    instance.term()
    assert bench.kinds() == [
        "Init2",
        "RecoveryUndo2",
        "ShutDownMark",
        "RecoveryQuit2",
        "Init2",
        "ShutDownMark",
        "Term2",
    ]


def test_all_logs_are_missing(bench: Bench) -> None:
    """A new stream begins; the database stays as it is, and says why."""
    bench.started(A).abandon()
    bench.disk.unlink(f"{FOLDER}/edb.log")
    again, result = bench.recover()
    assert not result.needed
    assert not bench.header().clean
    with pytest.raises(EseError) as caught:
        again.session().attach(A)
    assert caught.value.code == Err.DatabaseDirtyShutdown


def test_another_log_of_that_number(bench: Bench) -> None:
    bench.started(A).abandon()
    bench.set_header(bench.header().replace(logtime_gen_max_create=LogTime(b"\1\2\3\4\5\6\7\0")))
    again = bench.instance()
    error = code_of(again)
    assert error.code == Err.RequiredLogFilesMissing
    assert 496 in [each.id for each in again.events]


def test_logs_below_the_start_are_needed(bench: Bench) -> None:
    instance = bench.started(A)
    for _ in range(4):
        instance.writer.roll()
    instance.abandon()
    bench.set_header(bench.header().replace(gen_min_required=1))
    again = bench.instance()
    assert code_of(again).code == Err.RequiredLogFilesMissing
    assert 452 in [each.id for each in again.events]


def test_committed_logs_are_missing(bench: Bench) -> None:
    bench.started(A).abandon()
    bench.set_header(bench.header().replace(gen_max_committed=2))
    assert code_of(bench.instance()).code == Err.CommittedLogFilesMissing


def test_a_database_is_gone(bench: Bench) -> None:
    bench.started(A).abandon()
    bench.disk.rename(A, "/a.edb")
    again = bench.instance()
    assert code_of(again).code == Err.AttachedDatabaseMismatch
    assert 494 in [each.id for each in again.events]
    instance, result = bench.recover(map_databases={A: "/a.edb"})
    assert result.databases == ("/a.edb",)
    assert bench.header("/a.edb").clean
    instance.term()


def test_another_database_lies_there(bench: Bench) -> None:
    bench.started(A).abandon()
    bench.disk.rename(B, A)
    assert code_of(bench.instance()).code == Err.AttachedDatabaseMismatch


def test_a_backup_copy_lies_there(bench: Bench) -> None:
    bench.started(A).abandon()
    bench.set_header(bench.header().replace(bkinfo_full_cur=BkInfo(LgPos(1, 1, 0), LogTime(), 1, 0)))
    again = bench.instance()
    assert code_of(again).code == Err.SoftRecoveryOnBackupDatabase
    assert 619 in [each.id for each in again.events]


def test_progress_and_its_cancelling(bench: Bench) -> None:
    bench.started(A).abandon()
    before = files(bench.disk)
    assert code_of(bench.instance(), progress=lambda _: False).code == Err.CallbackFailed
    assert files(bench.disk) == before
    seen: list[tuple[str, int]] = []
    bench.recover(progress=lambda each: seen.append((each.snt.name, each.done)))
    assert (seen[0], seen[-2:]) == (("BEGIN", 0), [("PROGRESS", 99), ("COMPLETE", 100)])
    percents = [done for snt, done in seen if snt == "PROGRESS"]
    assert percents == sorted(set(percents))


@pytest.mark.parametrize("answer", [False, -501, int(Err.LogReadVerifyFailure)])
def test_an_answer_that_cancels_is_not_taken_for_damage(bench: Bench, answer: int) -> None:
    """Not even where the loss of damaged logs was allowed, and the answer is the code of one."""
    instance = bench.started(A)
    instance.writer.roll()
    instance.writer.roll()
    for _ in range(9):
        instance.writer.append(Trace.create("x" * 3000).pack())
    instance.writer.flush()
    instance.abandon()
    header = bench.header()
    # The last logs hold finished work only: what the loss may be of.
    bench.set_header(header.replace(gen_max_required=header.gen_min_required))
    before = files(bench.disk)

    def progress(each: Progress) -> int | None:
        return answer if each.done > 50 else None  # within the last log

    error = code_of(bench.instance(), progress=progress, options=InitOptions.REPLAY_IGNORE_LOST_LOGS)
    assert error.code == (answer or Err.CallbackFailed)
    assert files(bench.disk) == before


def test_recovery_can_die_at_every_step_and_begin_again(bench: Bench) -> None:
    instance = bench.started(A, B)
    instance.writer.roll()
    instance.session().detach(B)
    instance.abandon()
    start = bench.disk
    start.sync_all()
    counted = FaultFileSystem(copy_of(start))
    Bench.instance(bench, counted).init()
    for number in range(1, counted.count + 1):
        bench.disk = copy_of(start)
        dying = bench.instance(FaultFileSystem(bench.disk, number, FaultMode.KILL_TORN))
        with pytest.raises(SimulatedKill):
            dying.init()
        dying.abandon()
        again = bench.instance()
        again.init()
        again.session().attach(A)
        again.term()
        assert bench.header(A).clean
        assert bench.header(B).clean
        bench.records()


def copy_of(disk: CrashFileSystem) -> CrashFileSystem:
    made = CrashFileSystem()
    made.load(FOLDER, FOLDER, source=disk)
    return made
