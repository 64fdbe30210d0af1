"""R46-R52: events, the status callback, cancelling, and what else a backup tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.lr import Backup2
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
from engine.types import JET_SESID_NIL, BackupOptions, LgPos, Progress, Snp, Snprog, Snt

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


def moved_back(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files with the set's place left out: `new` may have been renamed to `old`."""
    return {name.removeprefix("new/").removeprefix("old/"): data for name, data in files.items()}


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
    assert JetStopBackupInstance(handle) == 0
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
