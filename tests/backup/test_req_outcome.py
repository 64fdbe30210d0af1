"""R35-R45 and the order of the return codes: headers, failure, exclusivity."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sequence import backup_instance
from engine.errors import BackupInProgress, Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.oserror import from_os_error
from engine.files.real import RealFileSystem
from engine.format.lr import BackupPhase
from engine.types import BackupOptions, BkInfo, LgPos, Progress, Snt, TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.files.realfile import RealFile


ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL
FS = RealFileSystem()
WAYS = pytest.mark.parametrize("options", [0, ATOMIC, INCREMENTAL, ATOMIC | INCREMENTAL], ids=str)


def prepared(tiny: Callable[..., Any], options: int, **more: Any) -> Any:
    """Return a running instance that has had what an incremental backup builds on, with something new to copy."""
    run = tiny(**more)
    if options & INCREMENTAL:
        run.backup(options & ATOMIC)
    run.roll(2)
    run.instance.events.clear()
    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}


def test_r35_a_full_backup_sets_full_and_clears_the_others(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll()
    run.backup(INCREMENTAL)
    header = run.header()
    assert header.bkinfo_inc_prev
    run.instance.attached()[0].change_header(lambda old: old.replace(bkinfo_diff_prev=BkInfo(gen_low=1, gen_high=2)))
    result = run.backup(ATOMIC)
    header = run.header()
    full = header.bkinfo_full_prev
    assert (full.gen_low, full.gen_high) == (result.first_generation, result.last_generation)
    assert not header.bkinfo_inc_prev
    assert not header.bkinfo_diff_prev
    assert not header.bkinfo_snapshot_cur
    data = run.database.read_bytes()
    assert data[:4096] == data[4096:8192]


def test_r35_an_incremental_backup_sets_incremental(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    full = run.header().bkinfo_full_prev
    run.roll()
    result = run.backup(INCREMENTAL)
    header = run.header()
    assert header.bkinfo_full_prev == full
    info = header.bkinfo_inc_prev
    assert (info.gen_low, info.gen_high) == (result.first_generation, result.last_generation)
    assert info.mark == LgPos(result.last_generation + 1, 1, 0)


def external(run: Any, *, incremental: bool = False, truncate: bool, **end: Any) -> None:
    with run.instance.begin_external_backup(incremental=incremental) as backup:
        for path in [] if incremental else backup.attached():
            with backup.open(path) as file:
                file.readall()
        for path in backup.logs().paths:
            with backup.open(path) as file:
                file.readall()
        if truncate:
            backup.truncate()
        backup.end(**end)


def test_r35_without_truncation_the_copy_and_differential_slots_are_set(tiny: Callable[..., Any]) -> None:
    run = tiny()
    external(run, truncate=True)
    full = run.header().bkinfo_full_prev
    assert full
    run.roll()
    external(run, truncate=False)
    header = run.header()
    assert header.bkinfo_full_prev == full
    assert header.bkinfo_copy_prev
    run.roll()
    external(run, incremental=True, truncate=False)
    header = run.header()
    assert header.bkinfo_diff_prev
    assert not header.bkinfo_inc_prev
    external(run, incremental=True, truncate=False, truncate_done=True)
    assert run.header().bkinfo_inc_prev


def test_r36_the_update_is_logged_before_the_header_is_written(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    updates = [each for each in run.records() if each.phase == BackupPhase.UPDATE]
    assert len(updates) == 1
    full = run.header().bkinfo_full_prev
    assert (updates[0].dbid, updates[0].mark, updates[0].time) == (1, full.mark, full.time)
    assert (updates[0].gen_low, updates[0].gen_high) == (full.gen_low, full.gen_high)


def test_r36_a_header_that_cannot_be_written_is_a_warning(
    tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny()
    database = run.instance.attached()[0]
    after_roll = []
    write = database.write_header

    def fail_at_the_end() -> None:
        if run.ids()[-1:] == [213]:
            after_roll.append(True)
            raise EseError.from_code(Err.DiskIO)
        write()

    monkeypatch.setattr(database, "write_header", fail_at_the_end)
    result = run.backup()
    assert after_roll
    assert result.warnings == (219,)
    assert run.ids()[-2:] == [213, 219]
    assert run.instance.events.query(ids={219})[0].strings == ("-1022",)


@WAYS
def test_r37_headers_and_logs_change_only_on_success(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    before, logs = run.header(), run.logs()
    with pytest.raises(EseError):
        run.backup(options, progress=lambda each: each.snt is not Snt.PROGRESS)
    header = run.header()
    for name in ("full", "inc", "copy", "diff"):
        assert getattr(header, f"bkinfo_{name}_prev") == getattr(before, f"bkinfo_{name}_prev")
    assert set(logs) <= set(run.logs())


@WAYS
def test_r38_a_failure_leaves_the_destination_as_it_was(tiny: Callable[..., Any], options: int) -> None:
    """Fail every write, creation and rename on the destination, one at a time."""
    number = 0
    while True:
        number += 1
        name = f"f{number}"
        run = prepared(tiny, options, name=name)
        before = tree(run.target)
        fs = FaultFileSystem(FS, fail_at=number, select=on_destination(f"{name}-bk"))
        object.__setattr__(run.instance.env, "fs", fs)
        failed = True
        with contextlib.suppress(EseError):
            run.backup(options)
            failed = False
        if failed and not replaced(run.target, before):
            assert moved_back(tree(run.target)) == moved_back(before), (number, fs.operations[-1])
        finished = not fs.fired
        run.instance.abandon()
        if finished:
            break
    assert number > 5


def replaced(target: Path, before: dict[str, bytes]) -> bool:
    """Whether a new atomic set was published and only its predecessor could not be deleted (R15, R20 step 5)."""
    now = tree(target)
    return "new/backup.json" in now and now["new/backup.json"] not in before.values()


def on_destination(part: str) -> Callable[[str, str], bool]:
    changes = {"create", "write", "fsync", "rename", "mkdir", "fsync-dir"}
    return lambda op, path: part in path and op in changes


def moved_back(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files with the set's place left out: `new` may have been renamed to `old`."""
    return {name.removeprefix("new/").removeprefix("old/"): data for name, data in files.items()}


@WAYS
def test_r39_r40_after_a_failure_the_next_backup_runs_at_once(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    before = run.header()
    with pytest.raises(EseError):
        run.backup(options, progress=lambda _: -800)
    assert not run.instance.slot.in_progress
    assert run.header().bkinfo_full_prev == before.bkinfo_full_prev
    phases = [each.phase for each in run.records()]
    assert phases[-2:] == [BackupPhase.ABORT, BackupPhase.STOP]
    run.backup(options)
    assert run.records()[-1].phase == BackupPhase.STOP


def test_r41_a_stale_directory_is_cleaned_by_a_later_atomic_backup(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "temp").mkdir()
    (run.target / "temp" / "half.edb").write_bytes(b"x")
    run.backup(ATOMIC)
    assert [each.name for each in run.target.iterdir()] == ["new"]


@pytest.mark.parametrize("second", [0, ATOMIC])
def test_r42_a_second_backup_is_refused_and_the_first_undisturbed(tiny: Callable[..., Any], second: int) -> None:
    run = tiny()
    codes: list[int] = []

    def again(progress: Progress) -> None:
        if progress.snt is not Snt.BEGIN:
            return
        other = run.target.parent / "other"
        other.mkdir(exist_ok=True)

        def work() -> None:
            with pytest.raises(BackupInProgress) as caught:
                run.backup(second, other)
            codes.append(caught.value.code)
            with pytest.raises(BackupInProgress):
                run.instance.begin_external_backup()

        worker = threading.Thread(target=work)
        worker.start()
        worker.join()

    run.backup(progress=again)
    assert codes == [Err.BackupInProgress]
    assert run.ids() == [210, 220, 221, 223, 225, 213]


def test_r42_instances_back_up_side_by_side(tiny: Callable[..., Any]) -> None:
    one, two = tiny(name="one"), tiny(name="two")
    one.backup(progress=lambda each: two.backup() and None if each.snt is Snt.BEGIN else None)
    assert (one.target / "backup.json").exists()
    assert (two.target / "backup.json").exists()


def test_r43_attach_detach_and_term_are_refused_meanwhile(tiny: Callable[..., Any], built: Path) -> None:
    run = tiny()
    other = run.folder / "b.edb"
    other.write_bytes((built / "b.edb").read_bytes())
    codes: list[int] = []

    def try_all(progress: Progress) -> None:
        if progress.snt is not Snt.BEGIN:
            return
        with run.instance.session() as session:
            actions: list[Callable[[], object]] = [
                lambda: session.attach(other),
                lambda: session.detach(run.database),
                lambda: session.create_database(run.folder / "new.edb"),
                lambda: run.instance.term(TermOptions.COMPLETE),
            ]
            for action in actions:
                with pytest.raises(EseError) as caught:
                    action()
                codes.append(caught.value.code)

    run.backup(progress=try_all)
    assert codes == [Err.BackupInProgress] * 4
    assert not (run.folder / "new.edb").exists()
    with run.instance.session() as session:
        session.attach(other)


def test_r43_an_attach_under_way_is_awaited(tiny: Callable[..., Any]) -> None:
    run = tiny()
    entered, go_on = threading.Event(), threading.Event()

    def attach() -> None:
        with run.instance.slot.changing_databases():
            entered.set()
            go_on.wait(10)

    worker = threading.Thread(target=attach)
    worker.start()
    entered.wait(10)
    done: list[bool] = []
    backup = threading.Thread(target=lambda: done.append(bool(run.backup())))
    backup.start()
    backup.join(0.3)
    assert not done
    assert run.ids() == []
    go_on.set()
    worker.join()
    backup.join(20)
    assert done == [True]


def test_r44_stop_backup_makes_it_fail(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with pytest.raises(EseError) as caught:
        run.backup(progress=lambda _: run.instance.stop_backup())
    assert caught.value.code == Err.BackupAbortByServer
    assert run.ids()[-1] == 226
    assert not list(run.target.iterdir())
    run.backup()


@pytest.mark.parametrize("options", [TermOptions.STOP_BACKUP | TermOptions.COMPLETE, TermOptions.ABRUPT])
def test_r44_termination_stops_the_backup(tiny: Callable[..., Any], options: TermOptions) -> None:
    run = tiny()
    worker: list[threading.Thread] = []

    def end(progress: Progress) -> None:
        if progress.snt is Snt.BEGIN:
            worker.append(threading.Thread(target=run.instance.term, args=(options,)))
            worker[0].start()
            while run.instance.slot.stop_code is None:
                pass

    with pytest.raises(EseError) as caught:
        run.backup(progress=end)
    worker[0].join(20)
    assert caught.value.code in {Err.BackupAbortByServer, Err.TermInProgress}
    assert 226 in run.ids()
    assert run.header().clean


def test_r45_a_copied_database_cannot_be_attached(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    with run.instance.session() as session, pytest.raises(EseError) as caught:
        session.attach(run.target / "a.edb")
    assert caught.value.code == Err.SoftRecoveryOnBackupDatabase
    assert 619 in [each.id for each in run.instance.events]


def test_codes_in_their_order(tiny: Callable[..., Any], tmp_path: Path) -> None:
    """Each check is met although everything behind it would fail as well."""
    run = tiny(circular_log=True)
    missing = str(tmp_path / "missing")
    codes: list[int] = []

    def attempt(path: object = missing, grbit: object = 0x1001) -> None:
        with pytest.raises(EseError) as caught:
            backup_instance(run.instance, path, grbit)  # type: ignore[arg-type]
        codes.append(caught.value.code)

    def failing(code: int) -> Callable[[], None]:
        def fail() -> None:
            raise EseError.from_code(code)

        return fail

    attempt(grbit="1")  # 1: wrong type, although everything else is wrong too
    instance = run.instance
    checks = {name: getattr(instance, name) for name in ("check_can_backup", "check_log_writable", "check_log_space")}
    states = (Err.ClientRequestToStopJetService, Err.InstanceUnavailable, Err.TermInProgress, Err.RestoreInProgress)
    for code in (*states, Err.NotInitialized, Err.BackupNotAllowedYet):
        instance.check_can_backup = failing(code)  # 2-7
        attempt()
    instance.check_can_backup = checks["check_can_backup"]
    attempt()  # 8
    attempt("\0", 1)  # 9
    instance.check_log_writable = failing(Err.LogWriteFail)
    attempt(grbit=1)  # 11
    instance.check_log_writable = checks["check_log_writable"]
    instance.check_log_space = failing(Err.LogDiskFull)
    attempt(grbit=1)  # 12 before 13
    attempt(grbit=0)  # 13
    instance.check_log_space = checks["check_log_space"]
    assert codes == [
        Err.InvalidParameter,
        *states,
        Err.NotInitialized,
        Err.BackupNotAllowedYet,
        Err.InvalidGrbit,
        Err.InvalidPath,
        Err.LogWriteFail,
        Err.InvalidBackup,
        Err.LogDiskFull,
    ]
    assert run.ids() == []


def test_codes_logging_off_comes_after_bits_and_path(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=(), recovery=False)
    for path, grbit, code in (
        (run.target, 0x40, Err.InvalidGrbit),
        ("", 0, Err.InvalidPath),
        (run.target, 0, Err.LoggingDisabled),
        (run.target, 1, Err.LoggingDisabled),
        (None, 0, Err.LoggingDisabled),
    ):
        with pytest.raises(EseError) as caught:
            backup_instance(run.instance, None if path is None else str(path), grbit)
        assert caught.value.code == code


def test_codes_a_stopped_service_refuses_but_a_running_backup_goes_on(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(progress=lambda each: run.instance.stop_service() if each.snt is Snt.BEGIN else None)
    with pytest.raises(EseError) as caught:
        run.backup(ATOMIC)
    assert caught.value.code == Err.ClientRequestToStopJetService


@pytest.mark.parametrize(("code", "removed"), [(Err.CheckpointFileNotFound, 1), (Err.CheckpointCorrupt, 0)])
def test_codes_of_the_checkpoint(tiny: Callable[..., Any], code: int, removed: int) -> None:
    run = tiny()
    path = run.folder / "edb.chk"
    if removed:
        path.unlink()
    else:
        path.write_bytes(bytes(8192))
    with pytest.raises(EseError) as caught:
        run.backup()
    assert caught.value.code == code
    assert run.ids() == [210, 215]
    assert not run.instance.slot.in_progress


@pytest.mark.parametrize("database", ["a.edb", "edb00001.log"])
def test_codes_of_a_full_target(tiny: Callable[..., Any], database: str) -> None:
    run = tiny()
    fs = FaultFileSystem(
        FS, fail_at=1, mode=FaultMode.ENOSPC, select=lambda op, path: op == "write" and path.endswith(f"-bk/{database}")
    )
    object.__setattr__(run.instance.env, "fs", fs)
    with pytest.raises(EseError) as caught:
        run.backup()
    assert caught.value.code == Err.DiskFull
    assert run.ids()[-2:] == [222, 215]
    assert not list(run.target.iterdir())


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EIO, Err.DiskIO),
        (errno.EACCES, Err.FileAccessDenied),
        (errno.EROFS, Err.PermissionDenied),
        (errno.ENOMEM, Err.OutOfMemory),
        (errno.EDQUOT, Err.DiskFull),
    ],
)
@WAYS
def test_codes_of_the_system_come_as_they_are(tiny: Callable[..., Any], options: int, number: int, code: int) -> None:
    """What the target's system refuses is the code of the backup, and leaves everything as it was."""
    run = prepared(tiny, options)
    before, logs = tree(run.target), run.logs()

    class Refusing(RealFileSystem):
        def open(self, path: str, mode: OpenMode = OpenMode.READ) -> RealFile:
            if mode in {OpenMode.CREATE, OpenMode.CREATE_NEW} and run.target.name in path:
                raise from_os_error(OSError(number, os.strerror(number)), path, doing="create")
            return super().open(path, mode)

    object.__setattr__(run.instance.env, "fs", Refusing())
    with pytest.raises(EseError) as caught:
        run.backup(options)
    assert caught.value.code == code
    assert run.target.name in (caught.value.path or "")
    object.__setattr__(run.instance.env, "fs", FS)
    after = tree(run.target)
    assert after == before or moved_back(after) == moved_back(before)
    assert set(logs) <= set(run.logs())
    run.backup(options)
