"""R35-R52 and the order of the return codes: headers, failure, exclusivity, events, callback."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sequence import backup_instance
from engine.errors import BackupInProgress, Err, EseError
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.lr import Backup2, BackupPhase
from engine.jet import (
    JetAttachDatabase2,
    JetBackupInstance,
    JetBeginSession,
    JetCreateInstance,
    JetInit3,
    JetSetSystemParameter,
    JetStopBackupInstance,
    JetTerm2,
)
from engine.monitor import Monitor, Phase
from engine.params import Param
from engine.types import JET_SESID_NIL, BackupOptions, BkInfo, LgPos, Progress, Snp, Snprog, Snt, TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.events import Event

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
                lambda: run.instance.term(TermOptions.COMPLETE),
            ]
            for action in actions:
                with pytest.raises(EseError) as caught:
                    action()
                codes.append(caught.value.code)

    run.backup(progress=try_all)
    assert codes == [Err.BackupInProgress] * 3
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


def test_r46_events_of_a_full_backup(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    run.roll(2)
    result = run.backup()
    events = [each for each in run.instance.events if 200 <= each.id < 300]
    assert [each.id for each in events] == [210, 220, 221, 220, 221, 223, 224, 213]
    size = (run.instance.attached()[0].last_owned_page + 3) * 4
    assert events[1].strings == (str(run.database), f"{size} Kb")
    assert events[2].strings == (str(run.database),)
    first = run.folder / f"edb{result.first_generation:05X}.log"
    last = run.folder / f"edb{result.last_generation:05X}.log"
    assert events[5].strings == (str(first), str(last))
    assert {each.category for each in events} == {3}


def test_r46_events_of_an_incremental_backup(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    run.instance.events.clear()
    run.backup(INCREMENTAL)
    assert run.ids() == [211, 223, 224, 213]


def test_r47_events_of_failures(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.database.open("r+b") as file:
        file.seek(4096 * 12 + 100)
        file.write(b"damaged!")
    with pytest.raises(EseError):
        run.backup()
    events = {each.id: each for each in run.instance.events}
    path = str(run.database)
    assert events[217].strings == ("-1018", path)
    total = (run.instance.attached()[0].last_owned_page + 3) * 4096
    assert events[222].strings == (path, "0", str(total))
    assert events[215].strings == ("-1018",)
    assert events[474].category == 3
    strings = events[474].strings
    assert strings[:4] == (path, "49152 (0x000000000000c000)", "4096 (0x00001000)", "-1018 (0xfffffc06)")
    assert strings[6] == "11 (0xB)"


def test_r48_parameters_hide_events(tiny: Callable[..., Any]) -> None:
    quiet = tiny(name="quiet", params={"NoInformationEvent": 1})
    quiet.backup()
    assert quiet.ids() == []
    with pytest.raises(EseError):
        quiet.backup()
    assert quiet.ids() == [215]
    silent = tiny(name="silent", params={"EventLoggingLevel": 0})
    with pytest.raises(EseError):
        silent.backup(INCREMENTAL)
    assert silent.ids() == []


def test_r49_the_callback_gets_what_the_interface_says(tiny: Callable[..., Any]) -> None:
    run = tiny()
    seen: list[Progress] = []
    run.backup(progress=seen.append)
    assert {each.snp for each in seen} == {Snp.BACKUP}
    assert {each.total for each in seen} == {100}
    assert {each.phase for each in seen} == {"database", "log", "truncate"}
    paths = {each.path for each in seen if each.snt is Snt.PROGRESS}
    assert str(run.database) in paths


def test_r49_in_the_jet_layer(built: Path, tmp_path: Path) -> None:
    (tmp_path / "a.edb").write_bytes((built / "a.edb").read_bytes())
    error, handle = JetCreateInstance("callbacks")
    assert error == 0
    for param in (Param.SystemPath, Param.LogFilePath):
        assert JetSetSystemParameter(handle, None, param, str(tmp_path)) == 0
    assert JetSetSystemParameter(handle, None, Param.LogFileSize, 64) == 0
    assert JetInit3(handle) == 0
    _, session = JetBeginSession(handle)
    assert JetAttachDatabase2(session, str(tmp_path / "a.edb")) == 0
    calls: list[tuple[int, int, int, Snprog]] = []

    def status(sesid: int, snp: int, snt: int, state: Any) -> int:
        calls.append((sesid, snp, snt, state))
        return 0

    (tmp_path / "bk").mkdir()
    assert JetStopBackupInstance(handle) == Err.NoBackup
    assert JetBackupInstance(handle, str(tmp_path / "bk"), 0, status) == 0
    assert {call[:2] for call in calls} == {(JET_SESID_NIL, 9)}
    assert calls[0][2:] == (5, Snprog(12, 0, 100))
    assert calls[-1][2:] == (6, Snprog(12, 100, 100))
    (tmp_path / "bk2").mkdir()
    assert JetBackupInstance(handle, str(tmp_path / "bk2"), 0, lambda *_: -1011) == -1011

    def raising(*_: object) -> int:
        raise ZeroDivisionError

    assert JetBackupInstance(handle, str(tmp_path / "bk2"), 0, raising) == Err.CallbackFailed
    assert JetTerm2(handle) == 0


@WAYS
def test_r50_begin_first_and_complete_between_truncation_and_headers(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    before = run.header()
    states: list[tuple[Snt, int, bool, bool]] = []

    def look(progress: Progress) -> None:
        deleted = 224 in run.ids()
        updated = run.header().bkinfo_full_prev != before.bkinfo_full_prev
        states.append((progress.snt, progress.done, deleted, updated))

    run.backup(options, progress=look)
    assert states[0] == (Snt.BEGIN, 0, False, False)
    assert states[-1] == (Snt.COMPLETE, 100, True, False)


@WAYS
def test_r51_progress_grows_strictly_for_all_kinds(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    seen: list[Progress] = []
    thread = threading.get_ident()
    run.backup(options, progress=lambda each: seen.append(each) if threading.get_ident() == thread else 1 / 0)
    kinds = [each.snt for each in seen]
    assert kinds[0] is Snt.BEGIN
    assert kinds[-1] is Snt.COMPLETE
    middle = seen[1:-1]
    assert middle
    assert {each.snt for each in middle} == {Snt.PROGRESS}
    done = [each.done for each in middle]
    assert done == sorted(set(done))
    assert all(0 < each < 100 for each in done)
    assert seen[-1].bytes_done == seen[-1].bytes_total


def test_r51_truncation_alone_begins_and_completes(tiny: Callable[..., Any]) -> None:
    run = tiny()
    seen: list[Snt] = []
    run.instance.backup(None, progress=lambda each: seen.append(each.snt))
    assert seen == [Snt.BEGIN, Snt.COMPLETE]


@WAYS
def test_r51_exactly_one_fail_after_begin(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    seen: list[Snt] = []

    def stop(progress: Progress) -> object:
        seen.append(progress.snt)
        return progress.snt is not Snt.PROGRESS

    with pytest.raises(EseError):
        run.backup(options, progress=stop)
    assert seen == [Snt.BEGIN, Snt.PROGRESS, Snt.FAIL]


def test_r51_no_call_when_it_fails_before_begin(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "x").write_bytes(b"")
    seen: list[Progress] = []
    with pytest.raises(EseError):
        run.backup(progress=seen.append)
    assert seen == []


@pytest.mark.parametrize("when", [Snt.BEGIN, Snt.PROGRESS])
@pytest.mark.parametrize(
    ("answer", "code"), [(-1011, -1011), (False, Err.CallbackFailed), (ValueError("no"), Err.CallbackFailed)]
)
def test_r52_the_callback_cancels(tiny: Callable[..., Any], when: Snt, answer: object, code: int) -> None:
    run = tiny()

    def respond(progress: Progress) -> object:
        if progress.snt is not when:
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(EseError) as caught:
        run.backup(progress=respond)
    assert caught.value.code == code
    if isinstance(answer, Exception):
        assert caught.value.__cause__ is answer
    assert not list(run.target.iterdir())
    assert run.ids()[-1] == 215
    run.backup()


@pytest.mark.parametrize("answer", [None, True, 0, 5, "text"])
def test_r52_other_answers_go_on(tiny: Callable[..., Any], answer: object) -> None:
    run = tiny()
    assert run.backup(progress=lambda _: answer).kind == "full"


def test_r52_at_the_end_an_exception_is_raised_when_all_is_done(tiny: Callable[..., Any]) -> None:
    run = tiny()

    def late(progress: Progress) -> object:
        if progress.snt is Snt.COMPLETE:
            raise KeyError("late")
        return None

    with pytest.raises(KeyError):
        run.backup(progress=late)
    assert run.ids()[-1] == 213
    assert run.header().bkinfo_full_prev
    assert not run.instance.slot.in_progress
    assert run.backup(ATOMIC, progress=lambda each: -5 if each.snt is Snt.COMPLETE else None).kind == "full"


@WAYS
def test_cancel_from_another_thread(tiny: Callable[..., Any], options: int) -> None:
    run = prepared(tiny, options)
    before = tree(run.target)
    monitor = Monitor()

    def cancel(progress: Progress) -> None:
        if progress.snt is Snt.PROGRESS:
            monitor.cancel()

    with pytest.raises(EseError) as caught:
        run.backup(options, progress=cancel, monitor=monitor)
    assert caught.value.code == Err.BackupAbortByCaller
    assert monitor.phase is Phase.CANCELLED
    assert moved_back(tree(run.target)) == moved_back(before)


def test_the_monitor_shows_the_work(tiny: Callable[..., Any]) -> None:
    run = tiny()
    monitor = Monitor()
    result = run.backup(monitor=monitor)
    shot = monitor.snapshot()
    assert shot.phase is Phase.DONE
    assert shot.bytes_done == shot.bytes_total == result.bytes_copied
    assert shot.pages_verified == result.pages_verified
    assert next(each.name for each in shot.files) == "a.edb"
    assert all(each.bytes_done == each.bytes_total for each in shot.files)
    assert shot.map_pages == run.instance.attached()[0].last_owned_page
    assert set(shot.map_cells) <= {2, 3}


def test_records_of_a_backup(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    run.backup()
    phases = [(each.phase, each.dbid) for each in run.records()]
    names = [(1, 0), (2, 0), (3, 0), (4, 1), (4, 2), (6, 0)]
    assert phases == names
    prepared_at = next(each for each in run.records() if each.phase == 2)
    assert isinstance(prepared_at, Backup2)
    checkpoint = run.instance.log
    assert checkpoint.last_full_backup == LgPos(run.instance.writer.generation, 1, 0)


def test_events_are_values(tiny: Callable[..., Any]) -> None:
    run = tiny()
    heard: list[Event] = []
    end = run.instance.events.subscribe(heard.append)
    run.backup()
    end()
    assert [each.id for each in heard] == [210, 220, 221, 223, 225, 213]
    assert heard[0].instance == "inst"
