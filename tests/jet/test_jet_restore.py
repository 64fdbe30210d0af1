"""JetRestore and its forms: codes, never exceptions."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine import jet
from engine.errors import Err
from engine.info import database_info
from engine.params import Param
from engine.types import JET_SESID_NIL, Snp, Snprog, Snt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def saved(built: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Return a set and the folder that it was made from; the instance has ended."""
    folder, target = tmp_path / "source", tmp_path / "set"
    folder.mkdir()
    target.mkdir()
    shutil.copy(built / "a.edb", folder / "a.edb")
    _, handle = jet.JetCreateInstance("source")
    configure(handle, folder)
    assert jet.JetInit(handle) == 0
    _, session = jet.JetBeginSession(handle)
    assert jet.JetAttachDatabase2(session, str(folder / "a.edb")) == 0
    assert jet.JetBackupInstance(handle, str(target)) == 0
    assert jet.JetTerm2(handle) == 0
    yield target, folder
    assert not jet.handles.HANDLES._instances


def configure(handle: int | None, folder: Path) -> None:
    for param in (Param.SystemPath, Param.LogFilePath):
        assert jet.JetSetSystemParameter(handle, None, param, str(folder)) == 0
    assert jet.JetSetSystemParameter(handle, None, Param.LogFileSize, 5120) == 0


def instance(tmp_path: Path, name: str = "inst") -> int:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    error, handle = jet.JetCreateInstance(name)
    assert error == 0
    configure(handle, folder)
    return handle


def test_into_a_folder_and_then_started(saved: tuple[Path, Path], tmp_path: Path) -> None:
    handle = instance(tmp_path)
    (tmp_path / "dest").mkdir()
    told: list[tuple[int, int, int]] = []

    def status(session: int, snp: int, snt: int, state: object) -> int:
        assert session == JET_SESID_NIL
        assert isinstance(state, Snprog)
        told.append((snp, snt, state[1]))
        return 0

    assert jet.JetRestoreInstanceW(handle, str(saved[0]), str(tmp_path / "dest"), status) == 0
    assert told[0] == (Snp.RESTORE, Snt.BEGIN, 0)
    assert told[-1] == (Snp.RESTORE, Snt.COMPLETE, 100)
    assert database_info(tmp_path / "dest" / "a.edb").clean
    assert jet.JetInit(handle) == 0
    assert jet.JetRestoreInstanceW(handle, str(saved[0]), None) == Err.AlreadyInitialized
    _, session = jet.JetBeginSession(handle)
    assert jet.JetAttachDatabase2(session, str(tmp_path / "dest" / "a.edb")) == 0
    assert jet.JetTerm2(handle) == 0
    assert jet.JetRestoreInstanceW(handle, str(saved[0]), None) == Err.InvalidParameter


def test_to_the_original_place(saved: tuple[Path, Path], tmp_path: Path) -> None:
    target, folder = saved
    (folder / "a.edb").write_bytes(b"overwritten")
    handle = instance(tmp_path)
    assert jet.JetRestoreInstanceA(handle, str(target).encode()) == 0
    assert database_info(folder / "a.edb").clean
    jet.JetTerm2(handle)


def test_without_an_instance_one_is_made(saved: tuple[Path, Path], tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "dest").mkdir()
    configure(None, logs)
    try:
        assert jet.JetRestore2A(str(saved[0]).encode(), str(tmp_path / "dest").encode()) == 0
        assert jet.JetRestore(str(saved[0])) == 0
        assert jet.JetRestoreInstance(None, str(saved[0]), str(tmp_path / "dest")) == 0
    finally:
        for param in (Param.SystemPath, Param.LogFilePath):
            jet.JetSetSystemParameter(None, None, param, ".")
    assert database_info(tmp_path / "dest" / "a.edb").clean
    assert database_info(saved[1] / "a.edb").clean


def test_what_is_refused(saved: tuple[Path, Path], tmp_path: Path) -> None:
    handle = instance(tmp_path)
    target = saved[0]
    assert jet.JetRestore2(str(target), str(tmp_path)) == Err.RunningInMultiInstanceMode
    assert jet.JetRestore(str(target)) == Err.RunningInMultiInstanceMode
    for wrong in (None, ""):
        assert jet.JetRestoreInstance(handle, wrong) == Err.InvalidParameter
    assert jet.JetRestoreInstanceA(handle, "text") == Err.InvalidParameter  # type: ignore[arg-type]
    assert jet.JetRestoreInstance(77, str(target)) == Err.InvalidParameter
    assert jet.JetRestoreInstance(handle, str(target), str(tmp_path / "nowhere")) == Err.InvalidPath
    assert jet.JetRestoreInstance(handle, str(tmp_path / "nowhere")) == Err.FileNotFound
    assert jet.JetRestoreInstance(handle, str(target), str(tmp_path), 5) == Err.InvalidParameter  # type: ignore[arg-type]
    (tmp_path / "dest").mkdir()
    stopped = jet.JetRestoreInstance(handle, str(target), str(tmp_path / "dest"), lambda *_: -2101)
    assert stopped == Err.CallbackFailed or stopped == -2101  # noqa: PLR1714
    assert list((tmp_path / "dest").iterdir()) == []
    (target / "a.pat").unlink()
    assert jet.JetRestoreInstance(handle, str(target), str(tmp_path / "dest")) == Err.PatchFileMissing
    jet.JetTerm2(handle)
