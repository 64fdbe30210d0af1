"""The return codes of a restore that its other requirements do not name: jet-api reference 2.1.

-553, -554 and -557 cannot be met: the engine answers with -543 and -1811 where its own text has them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.checksum import set_segment_checksum
from engine.info import database_info, log_info
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.restore.copies import RESTORING
from engine.types import BkInfo
from tests.restore.made import (
    NAMES,
    PAGE,
    Made,
    change,
    logs_of,
    make,
    set_header,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_code_1003_and_1811_and_1023_no_set(made: Made) -> None:
    instance = made.instance()
    for source, code in (("", Err.InvalidParameter), (made.top / "nowhere", Err.FileNotFound)):
        with pytest.raises(EseError) as caught:
            instance.restore(source, made.top)
        assert caught.value.code == code
    instance.abandon()
    empty = made.top / "empty"
    empty.mkdir()
    assert made.refused(empty).code == Err.FileNotFound
    assert made.refused(made.backups / "a.edb").code == Err.InvalidPath
    assert made.events == []


def test_code_1023_log_and_system_folder(made: Made) -> None:
    for gone in ("LogFilePath", "SystemPath"):
        params: dict[int | str, Any] = {"LogFilePath": made.top, "SystemPath": made.top, gone: made.top / "gone"}
        instance = Instance(
            params=params,
            page_size=PAGE,
            log_file_size=64,
        )
        with pytest.raises(EseError) as caught:
            instance.restore(made.backups, made.top)
        instance.abandon()
        assert caught.value.code == Err.InvalidPath


def test_code_1213_another_page_size(made: Made) -> None:
    error = made.refused(page_size=8192)
    assert error.code == Err.PageSizeMismatch
    assert made.events == [412]


def test_code_545_another_log_size_is_told_when_all_is_done(made: Made) -> None:
    """The databases are restored and clean; the next start of the instance would not go on with these logs."""
    with pytest.raises(EseError) as caught:
        made.restore(log_file_size=128)
    assert caught.value.code == Err.LogFileSizeMismatchDatabasesConsistent
    assert all(database_info(made.dest / name).clean for name in NAMES)
    assert made.events[-2:] == [454, 205]


def test_code_1811_a_log_is_missing_inside_the_set(made: Made) -> None:
    middle = logs_of(made.backups)[1]
    middle.unlink()
    error = made.refused()
    assert (error.code, error.path) == (Err.FileNotFound, str(middle))


def test_code_543_the_first_log_is_missing(made: Made) -> None:
    logs_of(made.backups)[0].unlink()
    assert made.refused().code == Err.RequiredLogFilesMissing
    assert 431 in made.events


def test_code_543_a_log_of_the_full_backup_is_missing_at_the_end(made: Made) -> None:
    for path in logs_of(made.backups)[1:]:
        path.unlink()
    top = database_info(made.backups / "a.edb").gen_max_required
    if top > 1:
        assert made.refused().code == Err.RequiredLogFilesMissing
    else:
        # All that the copies need is there: the moment of the full backup.
        assert made.restore().from_set == range(1, 2)


def test_code_555_and_556_logs_that_do_not_belong_together(made: Made, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    stranger = logs_of(made.backups)[1]
    kept = stranger.read_bytes()
    shutil.copy(logs_of(other.backups)[1], stranger)
    error = made.refused()
    assert (error.code, error.path) == (Err.GivenLogFileHasBadSignature, str(stranger))
    assert made.events == [433]
    stranger.write_bytes(kept)
    header = log_info(stranger)
    page = header.replace(previous_created=header.created).pack()
    stranger.write_bytes(page + kept[len(page) :])
    error = made.refused()
    assert (error.code, error.path) == (Err.GivenLogFileIsNotContiguous, str(stranger))
    assert made.events == [434]


def test_code_610_611_565_live_logs_that_do_not_follow(made: Made, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    assert made.refused(logs=other.inst).code == Err.ExistingLogFileHasBadSignature
    assert set(made.events) == {457}
    live = made.top / "live"
    live.mkdir()
    for path in made.inst.glob("edb*.log"):
        shutil.copy(path, live)
    top = log_info(logs_of(made.backups)[-1]).generation
    following = [path for path in live.glob("edb*.log") if log_info(path).generation == top + 1]
    (first,) = following
    kept = first.read_bytes()
    header = log_info(first)
    page = header.replace(previous_created=header.created).pack()
    first.write_bytes(page + kept[len(page) :])
    assert made.refused(logs=live).code == Err.ExistingLogFileIsNotContiguous
    assert made.events == [458]
    first.unlink()
    assert made.refused(logs=live).code == Err.MissingCurrentLogFiles
    assert made.events == [450]


def test_code_573_and_574_damage_in_logs(made: Made) -> None:
    path = logs_of(made.backups)[0]
    change(path, 4096 + 60)
    error = made.refused()
    assert (error.code, error.generation) == (Err.LogCorruptDuringHardRestore, log_info(path).generation)
    assert made.events[-2:] == [463, 205]
    change(path, 4096 + 60)
    top = log_info(logs_of(made.backups)[-1]).generation
    live = next(path for path in made.inst.glob("edb0*.log") if log_info(path).generation == top + 1)
    for offset in (4096 + 60, 8192 + 60):  # the segment, and its shadow
        change(live, offset)
    error = made.refused(logs=made.inst)
    assert (error.code, error.path) == (Err.LogCorruptDuringHardRecovery, str(live))


def half_written(path: Path) -> None:
    """Damage the last segment of a log, whose shadow lies behind it."""
    with LogFile.open(RealFileSystem(), str(path)) as log:
        last = log.scan().last_valid_segment
    data = bytearray(path.read_bytes())
    data[(last + 1) * 4096 : (last + 2) * 4096] = data[last * 4096 : (last + 1) * 4096]
    block = memoryview(data)[(last + 1) * 4096 : (last + 2) * 4096]
    set_segment_checksum(block, last)
    block.release()
    data[last * 4096 + 100] ^= 0x5A
    path.write_bytes(data)
    with LogFile.open(RealFileSystem(), str(path)) as log:
        assert log.scan().torn


def test_code_570_a_half_written_segment_in_the_set(made: Made) -> None:
    """Its shadow is good, but nothing may be written into a set."""
    path = logs_of(made.backups)[1]
    half_written(path)
    error = made.refused()
    assert (error.code, error.path, error.event_id) == (Err.LogTornWriteDuringHardRestore, str(path), 463)
    assert made.events[-3:] == [552, 463, 205]
    assert made.strings[552][1] == "CannotPatchHardRecovery"


def test_code_571_a_half_written_segment_behind_it(made: Made) -> None:
    top = log_info(logs_of(made.backups)[-1]).generation
    live = next(path for path in made.inst.glob("edb0*.log") if log_info(path).generation == top + 1)
    half_written(live)
    error = made.refused(logs=made.inst)
    assert (error.code, error.path, error.event_id) == (Err.LogTornWriteDuringHardRecovery, str(live), 464)
    assert made.events[-3:] == [552, 464, 205]


def test_a_half_written_segment_of_the_current_log_is_put_right(made: Made) -> None:
    """That is what a crash leaves: the shadow takes its place."""
    half_written(made.inst / "edb.log")
    result = made.restore(logs=made.inst)
    assert result.replayed.stop - 1 == log_info(made.inst / "edb.log").generation
    assert 466 in made.events
    assert all(database_info(made.dest / name).clean for name in NAMES)


def test_code_535_552_615_1206_copies_that_are_none(made: Made) -> None:
    path = made.backups / "a.edb"
    kept = path.read_bytes()
    change(path, len(kept) - PAGE + 100)
    assert made.refused().code == Err.BadPatchPage
    path.write_bytes(kept[:-1000])
    assert made.refused().code == Err.BadPatchPage
    path.write_bytes(kept)
    set_header(path, sign_db=database_info(path).sign_log)
    assert made.refused().code == Err.DatabasePatchFileMismatch
    assert 430 in made.events
    path.write_bytes(kept)
    set_header(path, bkinfo_full_cur=BkInfo())
    assert made.refused().code == Err.RestoreOfNonBackupDatabase
    path.write_bytes(kept)
    for offset in (300, PAGE + 300):
        change(path, offset)
    assert made.refused().code == Err.DatabaseCorrupted
    path.write_bytes(kept)
    assert len(made.restore().databases) == 2


def test_code_1216_a_copy_is_missing(made: Made) -> None:
    (made.backups / "b.edb").unlink()
    assert made.refused().code == Err.AttachedDatabaseMismatch
    assert 494 in made.events


def test_code_538_no_pat(made: Made) -> None:
    for path in made.backups.glob("*.pat"):
        path.unlink()
    assert made.refused().code == Err.PatchFileMissing


@pytest.mark.parametrize(("mode", "code"), [(FaultMode.ENOSPC, Err.DiskFull), (FaultMode.EIO, Err.DiskIO)])
def test_code_1808_and_1022_the_disk(made: Made, mode: FaultMode, code: int) -> None:
    fs = FaultFileSystem(
        RealFileSystem(), fail_at=2, mode=mode, select=lambda op, path: op == "write" and path.endswith(RESTORING)
    )
    assert made.refused(fs=fs).code == code


def test_code_1032_the_log_folder_is_held(made: Made) -> None:
    made.logs.mkdir()
    with RealFileSystem().lock(str(made.logs / "edb.lock")):
        assert made.refused().code == Err.FileAccessDenied
    assert made.restore().databases
