"""The external backup calls and their states."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.external import MOST_HANDLES, ExternalBackup
from engine.backup.sets import Verdict, read_backup_set
from engine.errors import Err, EseError
from engine.types import BackupOptions
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = 4096


def code_of(action: Callable[[], object]) -> int:
    with pytest.raises(EseError) as caught:
        action()
    return caught.value.code


def copy(backup: Any, target: Path, *, databases: bool = True) -> None:
    """Do what a backup program does."""
    for path in backup.attached() if databases else []:
        with backup.open(path) as file:
            (target / path.rpartition("/")[2]).write_bytes(file.readall())
    for path in backup.logs().paths:
        with backup.open(path) as file:
            (target / path.rpartition("/")[2]).write_bytes(file.readall())


def test_a_full_backup_by_hand_is_a_set(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    run.roll(2)
    with run.instance.begin_external_backup() as backup:
        copy(backup, run.target)
        doomed = backup.truncatable()
        assert doomed
        backup.truncate()
        assert not any((run.folder / each).exists() for each in doomed)
        backup.end()
    assert run.ids() == [210, 220, 221, 220, 221, 223, 224, 213]
    found = read_backup_set(str(run.target), fs=run.instance.env.fs)
    assert found.verdict is Verdict.COMPLETE
    assert verify(run.target, kind="backup-set").ok
    assert run.header().bkinfo_full_prev
    assert not run.instance.slot.in_progress


def test_an_incremental_one(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    run.instance.events.clear()
    with run.instance.begin_external_backup(incremental=True) as backup:
        assert code_of(backup.attached) == Err.InvalidBackupSequence
        assert code_of(lambda: backup.open(str(run.database))) == Err.InvalidBackupSequence
        assert backup.logs().patches == ()
        copy(backup, run.target, databases=False)
        backup.truncate()
        backup.end()
    assert run.ids() == [211, 223, 224, 213]
    assert run.header().bkinfo_inc_prev


def test_leaving_without_end_aborts(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        file = backup.open(str(run.database))
        file.read(3 * PAGE)
    assert run.ids() == [210, 220, 222, 215]
    assert file.closed
    assert not run.header().bkinfo_full_prev
    run.backup()


def test_an_end_before_the_logs_is_an_abort(tiny: Callable[..., Any]) -> None:
    run = tiny()
    backup = run.instance.begin_external_backup()
    assert code_of(backup.end) == Err.BackupAbortByCaller
    assert run.ids() == [210, 215]
    for action in (backup.attached, backup.logs, backup.truncatable, backup.truncate, backup.end):
        assert code_of(action) == Err.NoBackup
    backup.abort()


def test_the_order_of_the_calls(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        assert code_of(backup.truncate) == Err.InvalidBackupSequence
        file = backup.open(str(run.database))
        assert code_of(backup.logs) == Err.InvalidBackupSequence
        assert code_of(backup.truncatable) == Err.InvalidBackupSequence
        file.readall()
        file.close()
        logs = backup.logs()
        assert backup.logs() == logs, "the log rolls once"
        assert code_of(lambda: backup.open(str(run.database))) == Err.InvalidBackupSequence
        assert code_of(lambda: backup.open(str(run.folder / "edb.log"))) == Err.FileNotFound
        log = backup.open(logs.logs[0])
        assert code_of(backup.truncate) == Err.InvalidBackupSequence
        log.close()
        assert code_of(backup.truncate) == Err.LogFileNotCopied


def test_what_open_refuses(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        assert code_of(lambda: backup.open("")) == Err.InvalidParameter
        assert code_of(lambda: backup.open(str(run.folder / "b.edb"))) == Err.DatabaseNotFound
        files = [backup.open(str(run.database)) for _ in range(MOST_HANDLES)]
        assert code_of(lambda: backup.open(str(run.database))) == Err.OutOfMemory
        for each in files:
            each.close()


def test_reads_are_whole_pages(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        with backup.open(str(run.database)) as file:
            assert code_of(lambda: file.read(2 * PAGE)) == Err.InvalidParameter
            assert code_of(lambda: file.read(3 * PAGE + 1)) == Err.InvalidParameter
            assert len(file.read(3 * PAGE)) == 3 * PAGE
            assert len(file.read(PAGE)) == PAGE
            size = file.size
            assert len(file.readall()) == size - 4 * PAGE
            assert file.read(PAGE) == b""
        with backup.open(backup.logs().logs[0]) as log:
            assert code_of(lambda: log.read(PAGE)) == Err.InvalidParameter
            assert len(log.read(2 * PAGE)) == 2 * PAGE
        assert code_of(lambda: file.readinto(bytearray(PAGE))) == Err.InvalidParameter


def test_a_damaged_database_is_closed_and_the_backup_lives(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    with run.database.open("r+b") as file:
        file.seek(12 * PAGE + 5)
        file.write(b"damage!!")
    with run.instance.begin_external_backup() as backup:
        opened = backup.open(str(run.database))
        assert code_of(opened.readall) == Err.ReadVerifyFailure
        assert opened.closed
        assert backup.active
        assert run.ids()[-2:] == [217, 222]
        with backup.open(str(run.folder / "b.edb")) as other:
            other.readall()
        for path in backup.logs().paths:
            with backup.open(path) as file:
                file.readall()
        backup.truncate()
        backup.end()
    assert not run.header("a.edb").bkinfo_full_prev
    assert run.header("b.edb").bkinfo_full_prev
    assert 225 in run.ids(), "the logs that the damaged one needs stay"


def test_a_damaged_log_ends_it(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    with (run.folder / f"edb{max(run.logs()):05X}.log").open("r+b") as file:
        file.seek(PAGE + 100)
        file.write(b"damage!!")
    run.instance.events.clear()
    with run.instance.begin_external_backup(incremental=True) as backup:
        logs = backup.logs()
        broken = next(each for each in logs.logs if each.endswith(f"edb{max(run.logs()) - 1:05X}.log"))
        opened = backup.open(broken)
        assert code_of(opened.readall) == Err.LogReadVerifyFailure
        assert not backup.active
        assert code_of(backup.logs) == Err.NoBackup
    assert run.ids() == [211, 223, 552, 218, 214]
    assert not run.instance.slot.in_progress


def test_a_missing_log_ends_it(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        logs = backup.logs()
        backup._steps._archives.clear()
        assert code_of(lambda: backup.open(logs.logs[0])) == Err.MissingFileToBackup
        assert not backup.active
    assert run.ids() == [210, 223, 459, 214]


def test_a_stopped_backup_answers_so_until_it_is_ended(tiny: Callable[..., Any]) -> None:
    run = tiny()
    backup = run.instance.begin_external_backup()
    file = backup.open(str(run.database))
    run.instance.stop_backup()
    assert code_of(lambda: file.read(3 * PAGE)) == Err.BackupAbortByServer
    assert code_of(backup.attached) == Err.BackupAbortByServer
    assert run.instance.slot.in_progress
    assert code_of(backup.end) == Err.BackupAbortByServer
    assert run.ids()[-1] == 226
    assert not run.instance.slot.in_progress


def test_two_threads_at_once(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        backup._inside.acquire()
        codes: list[int] = []
        worker = threading.Thread(target=lambda: codes.append(code_of(backup.attached)))
        worker.start()
        worker.join()
        backup._inside.release()
    assert codes == [Err.SessionSharingViolation]


@pytest.mark.parametrize("options", [BackupOptions.ATOMIC, BackupOptions.SNAPSHOT, 0x1000])
def test_what_begin_refuses(tiny: Callable[..., Any], options: int) -> None:
    run = tiny()
    assert code_of(lambda: ExternalBackup(run.instance, options)) == Err.InvalidGrbit
    assert code_of(lambda: run.instance.begin_external_backup(incremental=True)) == Err.MissingFullBackup
    circular = tiny(name="circular", circular_log=True)
    assert code_of(lambda: circular.instance.begin_external_backup(incremental=True)) == Err.InvalidBackup


def test_codes_of_begin_in_their_order(tiny: Callable[..., Any]) -> None:
    """Each state answers although what comes behind it would be refused as well; nothing of it leaves an event."""
    run = tiny(circular_log=True)
    instance = run.instance

    def failing(code: int) -> Callable[[], None]:
        def fail() -> None:
            raise EseError.from_code(code)

        return fail

    checks = {name: getattr(instance, name) for name in ("check_can_backup", "check_log_writable", "check_log_space")}
    for name in checks:
        setattr(instance, name, failing(Err.LogDiskFull))
    states = (Err.ClientRequestToStopJetService, Err.InstanceUnavailable, Err.TermInProgress, Err.RestoreInProgress)
    for code in (*states, Err.NotInitialized, Err.BackupNotAllowedYet):
        instance.check_can_backup = failing(code)
        assert code_of(lambda: ExternalBackup(instance, 0x1001)) == code
    instance.check_can_backup = checks["check_can_backup"]
    assert code_of(lambda: ExternalBackup(instance, 0x1001)) == Err.InvalidGrbit
    instance.check_log_writable = failing(Err.LogWriteFail)
    assert code_of(lambda: ExternalBackup(instance, BackupOptions.INCREMENTAL)) == Err.LogWriteFail
    instance.check_log_writable = checks["check_log_writable"]
    assert code_of(lambda: ExternalBackup(instance, BackupOptions.INCREMENTAL)) == Err.InvalidBackup
    for code in (Err.LogDiskFull, Err.LogSequenceEnd):
        instance.check_log_space = failing(code)
        assert code_of(instance.begin_external_backup) == code
    instance.check_log_space = checks["check_log_space"]
    with instance.begin_external_backup():
        assert code_of(instance.begin_external_backup) == Err.BackupInProgress
    assert run.ids() == [210, 215]


def test_without_logging_there_is_nothing_to_begin(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=(), recovery=False)
    assert code_of(run.instance.begin_external_backup) == Err.LoggingDisabled


@pytest.mark.parametrize(("code", "removed"), [(Err.CheckpointFileNotFound, True), (Err.CheckpointCorrupt, False)])
def test_a_full_one_needs_the_checkpoint(tiny: Callable[..., Any], code: int, *, removed: bool) -> None:
    run = tiny()
    path = run.folder / "edb.chk"
    path.unlink() if removed else path.write_bytes(bytes(8192))
    assert code_of(run.instance.begin_external_backup) == code
    assert not run.instance.slot.in_progress


def test_no_header_update_on_request(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance.begin_external_backup() as backup:
        copy(backup, run.target)
        backup.end(update_headers=False)
    assert run.ids()[-1] == 213
    assert not run.header().bkinfo_full_prev
    assert not run.header().bkinfo_copy_prev
