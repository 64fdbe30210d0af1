"""The JET names of the life cycle, parameters and information: returns, never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine import jet
from engine.errors import Err
from engine.format.dbheader import DatabaseHeader
from engine.info import database_info
from engine.jet.handles import HANDLES
from engine.params import Param
from engine.types import TermOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(built: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[int, int, Path]]]:
    """Return a function that makes an instance with a.edb attached: (instance, session, folder)."""
    handles: list[int] = []

    def make(name: str = "one", *, init: bool = True) -> tuple[int, int, Path]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.edb").write_bytes((built / "a.edb").read_bytes())
        error, handle = jet.JetCreateInstance(name)
        assert error == 0
        handles.append(handle)
        for param in (Param.SystemPath, Param.LogFilePath):
            assert jet.JetSetSystemParameter(handle, None, param, str(folder)) == 0
        assert jet.JetSetSystemParameter(handle, None, Param.LogFileSize, 64) == 0
        if not init:
            return handle, 0, folder
        assert jet.JetInit3(handle) == 0
        error, session = jet.JetBeginSession(handle)
        assert error == 0
        assert jet.JetAttachDatabase2(session, str(folder / "a.edb")) == 0
        return handle, session, folder

    yield make
    for each in handles:
        jet.JetTerm2(each)


def test_a_complete_end_waits_for_no_open_transaction(start: Callable[..., Any]) -> None:
    handle, session, folder = start()
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == Err.TooManyActiveUsers == -1059
    # It goes on running, and so does the transaction.
    error, database = jet.JetOpenDatabase(session, str(folder / "a.edb"))
    assert error == 0
    assert jet.JetCloseDatabase(session, database) == 0
    assert jet.JetRollback(session) == 0
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetCommitTransaction(session) == 0
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == 0
    assert database_info(folder / "a.edb").clean


def test_an_abrupt_end_takes_open_transactions_back(start: Callable[..., Any]) -> None:
    handle, session, folder = start()
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetTerm2(handle, TermOptions.ABRUPT) == 0
    assert database_info(folder / "a.edb").clean
    assert jet.JetRollback(session) == Err.InvalidSesid


def test_a_whole_life(start: Callable[..., Any]) -> None:
    handle, session, folder = start()
    path = str(folder / "a.edb")
    assert jet.JetAttachDatabase2W(session, path) == 1007
    assert jet.JetDetachDatabase2W(session, path) == 0
    assert jet.JetDetachDatabase2W(session, path) == Err.DatabaseNotFound
    assert jet.JetAttachDatabase2A(session, path.encode()) == 0
    assert jet.JetDetachDatabase2A(session, path.encode()) == 0
    assert jet.JetEndSession(session) == 0
    assert jet.JetEndSession(session) == Err.InvalidSesid
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == 0
    assert jet.JetTerm2(handle) == Err.InvalidParameter


def test_wrong_arguments_are_codes(start: Callable[..., Any]) -> None:
    handle, session, folder = start()
    path = str(folder / "a.edb")
    assert jet.JetInit3(handle) == Err.AlreadyInitialized
    assert jet.JetInit3(handle, None, 0x4000_0000) == Err.InvalidGrbit
    assert jet.JetTerm2(handle, 0x100) == Err.InvalidGrbit
    assert jet.JetAttachDatabase2(session, "") == Err.DatabaseInvalidPath
    assert jet.JetAttachDatabase2(session, path, 0, 0x8000) == Err.InvalidGrbit
    assert jet.JetAttachDatabase2(99_999, path) == Err.InvalidSesid
    assert jet.JetDetachDatabase2(session, path, 1) == Err.ForceDetachNotAllowed
    assert jet.JetDetachDatabase2(session, path, 0x10) == Err.InvalidGrbit
    assert jet.JetEndSession(session, 4) == Err.InvalidGrbit
    assert jet.JetBeginSession(99_999) == (Err.InvalidParameter, jet.JET_sesidNil)
    assert jet.JetCreateInstance(5) == (Err.InvalidParameter, 0)  # type: ignore[arg-type]
    assert jet.JetCreateInstance("one")[0] == Err.InstanceNameInUse


def test_without_init(start: Callable[..., Any], tmp_path: Path) -> None:
    handle, _, _ = start(init=False)
    assert jet.JetBackupInstance(handle, str(tmp_path)) == Err.NotInitialized
    assert jet.JetStopServiceInstance(handle) == Err.InvalidParameter
    assert jet.JetTerm2(handle) == Err.NotInitialized
    assert jet.JetTerm2(handle) == Err.InvalidParameter, "it is gone all the same"


def test_single_and_multi_instance_mode(start: Callable[..., Any], tmp_path: Path) -> None:
    assert jet.JetBackup(str(tmp_path)) == Err.NotInitialized
    start()
    assert jet.JetBackup(str(tmp_path)) == Err.RunningInMultiInstanceMode
    assert jet.JetStopService() == Err.RunningInMultiInstanceMode
    assert jet.JetInit(None) == Err.RunningInMultiInstanceMode


def test_the_single_instance(tmp_path: Path, built: Path) -> None:
    folder, target = tmp_path / "single", tmp_path / "bk"
    folder.mkdir()
    target.mkdir()
    (folder / "a.edb").write_bytes((built / "a.edb").read_bytes())
    defaults: dict[int, int | str] = {
        Param.SystemPath: str(folder),
        Param.LogFilePath: str(folder),
        Param.LogFileSize: 64,
    }
    before = {param: HANDLES.defaults[param] for param in defaults}
    try:
        for param, value in defaults.items():
            assert jet.JetSetSystemParameter(None, None, param, value) == 0
        assert jet.JetInit(None) == 0
        assert jet.JetCreateInstance("other")[0] == Err.RunningInOneInstanceMode
        error, session = jet.JetBeginSession(None)
        assert error == 0
        assert jet.JetAttachDatabase2(session, str(folder / "a.edb")) == 0
        assert jet.JetBackupA(bytes(target)) == 0
        assert jet.JetStopBackup() == 0
        assert jet.JetBeginExternalBackup() == 0
        assert jet.JetEndExternalBackupInstance2(None, 2) == 0
        assert jet.JetStopService() == 0
        assert jet.JetBackupW(str(target), 1) == Err.ClientRequestToStopJetService
        assert jet.JetTerm(None) == 0
        assert jet.JetTerm(None) == Err.NotInitialized
    finally:
        for param, value in before.items():
            HANDLES.defaults[param] = value


def test_stop_service_and_its_bits(start: Callable[..., Any], tmp_path: Path) -> None:
    handle, session, folder = start()
    for bits in (2, 4, 6, 0x80000002):
        assert jet.JetStopServiceInstance2(handle, bits) == 0
    for bits in (0x10, 0x8 | 0x2):
        assert jet.JetStopServiceInstance2(handle, bits) == Err.InvalidGrbit
    assert jet.JetStopServiceInstance2(handle, 0x80000000) == Err.ClientRequestToStopJetService
    before = HANDLES.instance(handle).writer.generation
    assert jet.JetStopServiceInstance2(handle, 8) == 0
    assert HANDLES.instance(handle).writer.generation == before + 1
    assert jet.JetStopServiceInstance(handle) == 0, "idempotent"
    assert jet.JetBackupInstance(handle, str(tmp_path)) == Err.ClientRequestToStopJetService
    assert jet.JetBeginSession(handle)[0] == Err.ClientRequestToStopJetService
    assert jet.JetDetachDatabase2(session, str(folder / "a.edb")) == 0
    assert jet.JetEndSession(session) == 0
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == 0


def test_parameters(start: Callable[..., Any]) -> None:
    handle, _, folder = start()
    assert jet.JetGetSystemParameter(handle, None, Param.LogFileSize) == (0, 64, "")
    assert jet.JetGetSystemParameter(handle, None, Param.LogFilePath)[2].rstrip("/\\") == str(folder)
    assert jet.JetGetSystemParameter(handle, None, Param.ErrorToString, -1018) == (
        0,
        -1018,
        "JET_errReadVerifyFailure,page checksum wrong",
    )
    assert jet.JetGetSystemParameter(handle, None, 70, -4242)[2] == "Unknown Error,Unknown Error"
    assert jet.JetGetSystemParameter(handle, None, 9999)[0] == Err.InvalidParameter
    assert jet.JetGetSystemParameter(handle, 5, Param.LogFileSize)[0] == Err.InvalidParameter
    assert jet.JetSetSystemParameter(handle, 5, Param.LogFileSize, 64) == Err.InvalidParameter
    assert jet.JetSetSystemParameter(handle, None, Param.LogFileSize, 1) == Err.InvalidParameter
    assert jet.JetSetSystemParameter(handle, None, Param.LogFileSize, 128) == Err.AlreadyInitialized
    assert jet.JetSetSystemParameter(handle, None, Param.CreatePathIfNotExist, 1) == 0
    assert jet.JetGetSystemParameter(handle, None, Param.CreatePathIfNotExist)[1] == 1


def test_instance_info(start: Callable[..., Any]) -> None:
    handle, session, folder = start()
    error, rows = jet.JetGetInstanceInfo()
    assert error == 0
    mine = next(each for each in rows if each.hInstanceId == handle)
    assert mine.szInstanceName == "one"
    assert mine.szDatabaseFileName == (str(folder / "a.edb"),)
    assert mine.cDatabases == 1
    assert jet.JetDetachDatabase2(session, None) == 0
    mine = next(each for each in jet.JetGetInstanceInfo()[1] if each.hInstanceId == handle)
    assert mine.cDatabases == 0


def test_database_file_info(start: Callable[..., Any], built: Path, tmp_path: Path) -> None:
    _, _, folder = start()
    path = str(built / "a.edb")
    size = (built / "a.edb").stat().st_size
    assert jet.JetGetDatabaseFileInfo(path, 10) == (0, size)
    error, upgrade = jet.JetGetDatabaseFileInfo(path, 13)
    assert error == 0
    assert isinstance(upgrade, jet.DbInfoUpgrade)
    assert (upgrade.cbFilesizeLow, upgrade.fUpgradable, upgrade.fAlreadyUpgraded) == (size, False, True)
    error, header = jet.JetGetDatabaseFileInfo(path, 14)
    assert isinstance(header, DatabaseHeader)
    assert jet.JetGetDatabaseFileInfo(path, 15) == (0, False)
    assert jet.JetGetDatabaseFileInfo(str(folder / "a.edb"), 15) == (0, True)
    assert jet.JetGetDatabaseFileInfo(path, 17) == (0, 4096)
    assert jet.JetGetDatabaseFileInfo(path, 19) == (0, 1)
    assert jet.JetGetDatabaseFileInfo(str(folder / "edb.log"), 19) == (0, 3)
    assert jet.JetGetDatabaseFileInfo(str(folder / "edb.chk"), 19) == (0, 4)
    on_disk = jet.JetGetDatabaseFileInfoA(path.encode(), 21)
    assert on_disk[0] == 0
    assert isinstance(on_disk[1], int)
    assert jet.JetGetDatabaseFileInfo(path, 99) == (Err.InvalidParameter, None)
    assert jet.JetGetDatabaseFileInfo(str(tmp_path / "gone"), 10) == (Err.FileNotFound, None)
    assert jet.JetGetDatabaseFileInfo("", 10) == (Err.InvalidPath, None)
    (tmp_path / "text").write_bytes(b"nothing of the kind" * 1000)
    assert jet.JetGetDatabaseFileInfo(str(tmp_path / "text"), 19) == (0, 0)
    assert jet.JetGetDatabaseFileInfo(str(tmp_path / "text"), 14) == (Err.DatabaseCorrupted, None)


def test_external_backup_by_numbers(start: Callable[..., Any], tmp_path: Path) -> None:
    handle, _, folder = start()
    target = tmp_path / "bk"
    target.mkdir()
    assert jet.JetGetAttachInfoInstance(handle)[0] == Err.NoBackup
    assert jet.JetEndExternalBackupInstance2(handle, 1) == Err.NoBackup
    assert jet.JetBeginExternalBackupInstance(handle, 4) == Err.InvalidGrbit
    assert jet.JetBeginExternalBackupInstance(handle) == 0
    assert jet.JetBeginExternalBackupInstance(handle) == Err.BackupInProgress
    assert jet.JetTerm2(handle, TermOptions.COMPLETE) == Err.BackupInProgress
    error, names, size = jet.JetGetAttachInfoInstance(handle)
    assert (error, names) == (0, f"{folder / 'a.edb'}\0\0")
    assert size == 2 * len(names)
    assert jet.JetGetAttachInfoInstance(handle, size - 1) == (Err.BufferTooSmall, "", size)
    read_all(handle, names.rstrip("\0"), target)
    error, names, _, info = jet.JetGetLogInfoInstance2(handle)
    assert error == 0
    assert info is not None
    assert (info.ulGenLow, info.szBaseName) == (1, "edb")
    assert jet.JetGetLogInfoInstance(handle)[1] == names
    for name in names.rstrip("\0").split("\0"):
        read_all(handle, name, target)
    assert jet.JetGetTruncateLogInfoInstance(handle)[0] == 0
    assert jet.JetTruncateLogInstance(handle) == 0
    assert jet.JetEndExternalBackupInstance2(handle, 3) == Err.InvalidParameter
    assert jet.JetEndExternalBackupInstance2(handle, 0) == Err.InvalidParameter
    assert jet.JetEndExternalBackupInstance(handle) == 0
    assert jet.JetEndExternalBackupInstance(handle) == Err.NoBackup
    assert {each.suffix for each in target.iterdir()} == {".edb", ".log", ".pat"}
    assert jet.JetBackupInstance(handle, str(target), 1) == 0


def read_all(handle: int, name: str, target: Path) -> None:
    error, file, low, high = jet.JetOpenFileInstance(handle, name)
    assert (error, high) == (0, 0)
    buffer = bytearray(1 << 16)
    parts = []
    while True:
        error, count = jet.JetReadFileInstance(handle, file, buffer)
        assert error == 0
        if not count:
            break
        parts.append(bytes(buffer[:count]))
    assert jet.JetCloseFileInstance(handle, file) == 0
    assert jet.JetCloseFileInstance(handle, file) == Err.InvalidParameter
    data = b"".join(parts)
    assert len(data) == low
    (target / name.rpartition("/")[2]).write_bytes(data)


def test_external_errors_by_numbers(start: Callable[..., Any]) -> None:
    handle, _, folder = start()
    assert jet.JetOpenFileInstance(handle, "x")[0] == Err.NoBackup
    assert jet.JetBeginExternalBackupInstance(handle, 1) == Err.MissingFullBackup
    assert jet.JetBeginExternalBackupInstance(handle) == 0
    assert jet.JetOpenFileInstance(handle, "")[0] == Err.InvalidParameter
    error, file, _, _ = jet.JetOpenFileInstance(handle, str(folder / "a.edb"))
    assert error == 0
    assert jet.JetReadFileInstance(handle, file, bytearray(4096)) == (Err.InvalidParameter, 0)
    assert jet.JetReadFileInstance(handle, file, bytearray(4096 * 4), 4096 * 5) == (Err.InvalidParameter, 0)
    assert jet.JetReadFileInstance(handle, 12345, bytearray(4096 * 4)) == (Err.InvalidParameter, 0)
    assert jet.JetReadFileInstance(handle, file, bytearray(4096 * 4), 4096 * 3) == (0, 4096 * 3)
    assert jet.JetGetLogInfoInstance(handle)[0] == Err.InvalidBackupSequence
    assert jet.JetTruncateLogInstance(handle) == Err.InvalidBackupSequence
    assert jet.JetStopBackupInstance(handle) == 0
    assert jet.JetReadFileInstance(handle, file, bytearray(4096 * 4))[0] == Err.BackupAbortByServer
    assert jet.JetEndExternalBackupInstance(handle) == Err.BackupAbortByServer
    assert jet.JetGetAttachInfoInstance(handle)[0] == Err.NoBackup
    assert jet.JetBackupInstance(handle, None) == 0


def test_two_instances_and_their_handles(start: Callable[..., Any], tmp_path: Path) -> None:
    one, _, _ = start("one")
    two, _, _ = start("two")
    for handle, name in ((one, "x"), (two, "y")):
        (tmp_path / name).mkdir()
        assert jet.JetBackupInstance(handle, str(tmp_path / name)) == 0
    assert jet.JetTerm2(one) == 0
    assert jet.JetBackupInstance(one, str(tmp_path / "x"), 4) == Err.InvalidParameter
    assert jet.JetBackupInstance(two, str(tmp_path / "y"), 1) == 0


def test_every_name_is_exported() -> None:
    assert all(hasattr(jet, name) for name in jet.__all__)
