"""R60-R62: JetStopServiceInstance, requirement by requirement; and where JetInit3 can be told to stop a replay."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine import jet
from engine.errors import Err
from engine.files.real import RealFileSystem
from engine.format.segment import SegmentHeader
from engine.info import database_info
from engine.jet.handles import HANDLES
from engine.log.stream import LogStream
from engine.params import PROCESS, Param
from engine.types import InitOptions, LgPos, Snt, TermOptions
from tests.jet.test_jet_life import start  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STOPPED = Err.ClientRequestToStopJetService


def test_R60_most_calls_are_refused_afterwards(start: Callable[..., Any], tmp_path: Path) -> None:  # noqa: F811, N802
    handle, session, folder = start()
    depth = HANDLES.instance(handle).params.checkpoint_depth_max
    assert jet.JetStopServiceInstance(handle) == 0
    assert jet.JetStopServiceInstance(handle) == 0, "idempotent"
    assert HANDLES.instance(handle).params.checkpoint_depth_max == min(depth, 16384)
    (tmp_path / "set").mkdir()
    assert jet.JetBackupInstance(handle, str(tmp_path / "set")) == STOPPED
    assert jet.JetBeginSession(handle)[0] == STOPPED
    assert jet.JetAttachDatabase2(session, str(folder / "b.edb")) == STOPPED
    assert list((tmp_path / "set").iterdir()) == []
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == 0
    assert database_info(folder / "a.edb").clean


def test_R60_an_instance_that_is_not_running(start: Callable[..., Any]) -> None:  # noqa: F811, N802
    handle, _, folder = start(init=False)
    before = sorted(each.name for each in folder.iterdir())
    assert jet.JetStopServiceInstance(handle) == Err.InvalidParameter
    assert jet.JetStopServiceInstance(123456) == Err.InvalidParameter
    assert sorted(each.name for each in folder.iterdir()) == before
    assert jet.JetInit3(handle) == 0, "on failure nothing changed"


def test_R61_what_leads_to_the_end_is_permitted(start: Callable[..., Any]) -> None:  # noqa: F811, N802
    handle, session, folder = start()
    path = str(folder / "a.edb")
    error, database = jet.JetOpenDatabase(session, path)
    assert error == 0
    error, table = jet.JetOpenTable(session, database, "t")
    assert error == 0
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetStopServiceInstance(handle) == 0
    assert jet.JetRollback(session) == 0
    assert jet.JetCloseTable(session, table) == 0
    assert jet.JetCloseDatabase(session, database) == 0
    assert jet.JetDetachDatabase2(session, path) == 0
    assert jet.JetEndSession(session) == 0
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == 0
    assert database_info(path).clean


def test_R62_a_running_backup_is_not_interrupted(start: Callable[..., Any], tmp_path: Path) -> None:  # noqa: F811, N802
    handle, _, _ = start()
    told: list[int] = []

    def stop(_sesid: int, _snp: int, snt: int, _progress: object) -> int:
        if snt == Snt.BEGIN:
            told.append(jet.JetStopServiceInstance(handle))
        return 0

    for name in ("one", "two"):
        (tmp_path / f"set {name}").mkdir()
    assert jet.JetBackupInstance(handle, str(tmp_path / "set one"), 0, stop) == 0
    assert told == [0]
    assert (tmp_path / "set one" / "a.edb").exists()
    assert jet.JetBackupInstance(handle, str(tmp_path / "set two")) == STOPPED


@pytest.fixture
def crashed(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "crashed"
    shutil.copytree(oracle("dirty") / "dirty-uncommitted" / "before", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


def init(folder: Path, info: jet.JetRstInfo | None, grbit: int = 0) -> int:
    error, handle = jet.JetCreateInstance(f"stop {folder.name}")
    assert error == 0
    for param, value in ((Param.SystemPath, str(folder)), (Param.LogFilePath, str(folder))):
        assert jet.JetSetSystemParameter(handle, None, param, value) == 0
    assert jet.JetSetSystemParameter(handle, None, Param.LogFileSize, 128) == 0
    params = HANDLES.instance(handle).params
    # One for the whole process, as all page sizes of this layer are.
    before = dict(PROCESS.values)
    params[Param.DatabasePageSize] = 8192
    try:
        error = jet.JetInit3(handle, info, grbit)
        jet.JetTerm2(handle, TermOptions.COMPLETE)
    finally:
        PROCESS.values.clear()
        PROCESS.values.update(before)
    return error


def last_log(folder: Path) -> int:
    stream = LogStream.find(RealFileSystem(), str(folder))
    assert stream is not None
    return max(stream.generations)


def test_init_stops_at_a_position(crashed: Path) -> None:
    assert init(crashed, jet.JetRstInfo(lgposStop=LgPos(4, 1, 0))) == Err.RequiredLogFilesMissing
    assert not database_info(crashed / "a.edb").clean
    assert init(crashed, jet.JetRstInfo(lgposStop=LgPos(5, 0x17, 0))) == 0
    assert database_info(crashed / "a.edb").clean
    (aside,) = [each for each in crashed.iterdir() if each.is_dir()]
    assert sorted(each.name for each in aside.iterdir()) == ["edb.log", "edb00000005.log"]


def test_init_stops_at_a_time(crashed: Path) -> None:
    stream = LogStream.find(RealFileSystem(), str(crashed))
    assert stream is not None
    with stream.open(5) as log:
        moment = SegmentHeader.unpack(log.segment(0x18)).started
    assert init(crashed, jet.JetRstInfo(logtimeStop=moment)) == 0
    assert database_info(crashed / "a.edb").clean


def test_init_with_a_map_of_folders_and_both_stops(crashed: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.move(crashed / "a.edb", apart / "a.edb")
    both = jet.JetRstInfo(lgposStop=LgPos(5, 0x17, 0), logtimeStop=database_info(apart / "a.edb").logtime_attach)
    assert init(crashed, both) == Err.InvalidParameter
    assert init(crashed, jet.JetRstInfo(rgrstmap=[("C:\\ese\\d-uncommitted", str(apart))])) == 0
    assert database_info(apart / "a.edb").clean


def test_what_init_does_not_offer(crashed: Path) -> None:
    before = (crashed / "a.edb").read_bytes()
    assert init(crashed, None, InitOptions.RECOVERY_WITHOUT_UNDO) == Err.InvalidGrbit
    assert (crashed / "a.edb").read_bytes() == before
    assert last_log(crashed) == 6
    assert init(crashed, None, InitOptions.REPLAY_IGNORE_LOST_LOGS) == 0
    assert database_info(crashed / "a.edb").clean
