"""R1-R11: the shape of the call and its options."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sequence import backup_instance
from engine.errors import Err, EseError
from engine.format.lr import Trace
from engine.instance import Instance
from engine.jet import (
    JetAttachDatabase2,
    JetBackupInstance,
    JetBackupInstanceA,
    JetBackupInstanceW,
    JetBeginSession,
    JetCreateInstance,
    JetInit3,
    JetSetSystemParameter,
    JetTerm2,
)
from engine.jet.handles import HANDLES
from engine.params import Param
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def contents(folder: Path) -> dict[str, str]:
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.iterdir())
        if each.name != "backup.json"
    }


@pytest.fixture
def jet(built: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[int, Path]]]:
    handles: list[int] = []

    def make(name: str = "jet") -> tuple[int, Path]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.edb").write_bytes((built / "a.edb").read_bytes())
        error, handle = JetCreateInstance(name)
        assert error == 0
        handles.append(handle)
        settings: list[tuple[int, int | str]] = [
            (Param.SystemPath, str(folder)),
            (Param.LogFilePath, str(folder)),
            (Param.LogFileSize, 64),
            (Param.CreatePathIfNotExist, 1),
        ]
        for number, value in settings:
            assert JetSetSystemParameter(handle, None, number, value) == 0
        assert JetInit3(handle) == 0
        error, session = JetBeginSession(handle)
        assert error == 0
        assert JetAttachDatabase2(session, str(folder / "a.edb")) == 0
        return handle, folder

    yield make
    for each in handles:
        JetTerm2(each)


@pytest.fixture(autouse=True)
def _page_size() -> None:
    """The process-wide page size is that of the databases here, 4096; it is the default."""
    assert HANDLES.defaults.database_page_size == 4096


def test_r1_every_attached_database_goes_into_one_directory(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    result = run.backup()
    names = [each.name for each in result.files]
    assert names[:2] == ["a.edb", "b.edb"]
    assert {each.parent for each in result.files} == {run.target}
    assert result.pages_verified > 0


def test_r1_writers_go_on_during_the_backup(tiny: Callable[..., Any]) -> None:
    run = tiny()
    stop = threading.Event()
    longest = [0.0]
    written = [0]

    def work() -> None:
        while not stop.is_set():
            began = time.monotonic()
            run.instance.writer.append(Trace.create("work").pack())
            run.instance.writer.flush()
            longest[0] = max(longest[0], time.monotonic() - began)
            written[0] += 1

    writer = threading.Thread(target=work)
    before: list[int] = []

    def slow(progress: Any) -> None:
        before.append(written[0])
        time.sleep(0.05)

    writer.start()
    try:
        run.backup(progress=slow)
    finally:
        stop.set()
        writer.join()
    assert before[-1] > before[0], "nobody wrote while the backup ran"
    assert longest[0] < 2.0


def test_r2_read_only_and_unlogged_databases_are_skipped(tiny: Callable[..., Any], built: Path) -> None:
    run = tiny()
    copy = run.folder / "r.edb"
    copy.write_bytes((built / "b.edb").read_bytes())
    with run.instance.session() as session:
        session.attach(copy, read_only=True)
    result = run.backup()
    assert [each.name for each in result.files if each.suffix == ".edb"] == ["a.edb"]


def test_r2_no_session_is_needed(tiny: Callable[..., Any]) -> None:
    run = tiny()
    assert backup_instance(run.instance, str(run.target)).kind == "full"


def test_r3_w_and_a_give_the_same(jet: Callable[..., tuple[int, Path]], tmp_path: Path) -> None:
    handle, _ = jet()
    assert JetBackupInstanceW(handle, str(tmp_path / "w")) == 0
    assert JetBackupInstanceA(handle, bytes(tmp_path / "a")) == 0
    assert {each.suffix for each in (tmp_path / "a").iterdir()} == {each.suffix for each in (tmp_path / "w").iterdir()}
    assert JetBackupInstance is JetBackupInstanceW


def test_r3_undecodable_bytes_and_wrong_types_are_invalid_parameters(
    jet: Callable[..., tuple[int, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    handle, _ = jet()
    assert JetBackupInstanceA(handle, b"/tmp/\xff\xfe") == -1003
    assert JetBackupInstanceA(handle, "text") == -1003  # type: ignore[arg-type]
    assert JetBackupInstanceW(handle, b"bytes") == -1003  # type: ignore[arg-type]
    assert JetBackupInstanceW(handle, str(tmp_path), "0") == -1003  # type: ignore[arg-type]
    assert JetBackupInstanceW(handle, str(tmp_path), 0, 5) == -1003  # type: ignore[arg-type]
    assert JetBackupInstanceW(4711, str(tmp_path)) == -1003


def test_r4_the_callback_changes_nothing(tiny: Callable[..., Any]) -> None:
    with_callback, without = tiny(name="one"), tiny(name="two")
    with_callback.backup(progress=lambda _: None)
    without.backup()
    one, two = contents(with_callback.target), contents(without.target)
    assert one.keys() == two.keys()
    sizes = [
        {each.name: each.stat().st_size for each in run.target.iterdir() if each.name != "backup.json"}
        for run in (with_callback, without)
    ]
    assert sizes[0] == sizes[1]


def test_r5_none_copies_nothing_and_an_empty_path_is_refused(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(3)
    before = {each.name for each in run.target.iterdir()}
    result = run.instance.backup(None)
    assert result.kind == "truncate"
    assert result.target is None
    assert result.files == ()
    assert {each.name for each in run.target.iterdir()} == before
    with pytest.raises(EseError) as caught:
        run.instance.backup("")
    assert caught.value.code == Err.InvalidPath


def test_r5_an_empty_path_is_null_in_the_jet_layer(jet: Callable[..., tuple[int, Path]]) -> None:
    handle, folder = jet()
    HANDLES.instance(handle).writer.roll()
    HANDLES.instance(handle).writer.roll()
    closed = sorted(each.name for each in folder.glob("edb0*.log"))
    assert len(closed) == 2
    assert JetBackupInstance(handle, "") == 0
    assert [each.name for each in folder.glob("edb0*.log")] == closed[-1:], "the log of the checkpoint stays"


def test_r6_no_option_is_a_full_backup_with_files_directly_in_the_directory(tiny: Callable[..., Any]) -> None:
    run = tiny()
    result = run.backup(0)
    assert result.kind == "full"
    assert result.target == run.target
    assert (run.target / "a.edb").exists()


def test_r7_atomic_keeps_the_set_in_new(tiny: Callable[..., Any]) -> None:
    run = tiny()
    result = run.backup(BackupOptions.ATOMIC)
    assert result.target == run.target / "new"
    assert [each.name for each in run.target.iterdir()] == ["new"]


def test_r8_incremental_copies_logs_only_and_opens_no_database(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.write(3)
    result = run.backup(BackupOptions.INCREMENTAL)
    assert result.kind == "incremental"
    assert result.pages_verified == 0
    assert {each.suffix for each in result.files} == {".log", ".json"}


@pytest.mark.parametrize("grbit", [0x10, 0x1000, 0x10000, 0x80000000, 0x40000004])
def test_r9_snapshot_and_unknown_bits_are_invalid(tiny: Callable[..., Any], grbit: int) -> None:
    run = tiny()
    with pytest.raises(EseError) as caught:
        backup_instance(run.instance, str(run.target), grbit)
    assert caught.value.code == Err.InvalidGrbit
    assert run.ids() == []
    assert not list(run.target.iterdir())


def test_r10_atomic_incremental_adds_to_the_newest_atomic_set(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(BackupOptions.ATOMIC)
    run.write(2)
    result = run.backup(BackupOptions.ATOMIC | BackupOptions.INCREMENTAL)
    assert result.target == run.target / "old"
    assert (run.target / "old" / "a.edb").exists()


@pytest.mark.parametrize("grbit", [0x2, 0x8, 0x20, 0x40])
def test_r11_bits_of_other_functions_are_invalid(tiny: Callable[..., Any], grbit: int) -> None:
    run = tiny()
    with pytest.raises(EseError) as caught:
        backup_instance(run.instance, str(run.target), grbit)
    assert caught.value.code == Err.InvalidGrbit


def test_options_and_booleans_exclude_one_another(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with pytest.raises(TypeError):
        run.instance.backup(run.target, incremental=True, options=BackupOptions.ATOMIC)


def test_an_instance_that_does_not_run_refuses(tmp_path: Path) -> None:
    instance = Instance("idle", path=tmp_path)
    with pytest.raises(EseError) as caught:
        instance.backup(tmp_path / "bk")
    assert caught.value.code == Err.NotInitialized
