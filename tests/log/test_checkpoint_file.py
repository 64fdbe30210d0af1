from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.format.attachinfo import AttachInfo
from engine.format.checkpoint import Checkpoint
from engine.format.dbms_param import DbmsParam
from engine.log.checkpoint_file import CheckpointFile, read_checkpoint_file, write_checkpoint_file
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.files.base import FileSystem

PATH = "/s/edb.chk"
SIGN = Signature(5)
ENTRY = AttachInfo.create(1, "/d/a.edb", Signature(6), attach=LgPos(1, 1, 0x268))


def first() -> Checkpoint:
    return Checkpoint.create(checkpoint=LgPos(1, 1, 0), signature=SIGN, dbms_param=DbmsParam(), attachments=())


@pytest.fixture
def disk() -> CrashFileSystem:
    fs = CrashFileSystem()
    fs.make_directory("/s")
    fs.sync_all()
    return fs


def read(fs: FileSystem) -> Checkpoint:
    return read_checkpoint_file(fs, PATH, signature=SIGN).checkpoint


def test_life_of_a_checkpoint(disk: CrashFileSystem) -> None:
    write_checkpoint_file(disk, PATH, first())
    file = CheckpointFile(disk, PATH, first())
    assert read(disk).attachments_valid
    assert not read(disk).attachments
    assert file.advance(LgPos(3, 1, 0), (ENTRY,))
    assert read(disk).pack() == file.value.pack()
    assert (read(disk).checkpoint, read(disk).db_consistency) == (LgPos(3, 1, 0), LgPos(3, 1, 0))
    assert read(disk).attachments == (ENTRY,)
    assert not file.advance(LgPos(2, 1, 0), ()), "it never goes backwards"
    assert not file.advance(LgPos(3, 1, 0), ())
    assert read(disk).attachments == (ENTRY,)
    when = LogTime(b"\x01\x02\x03\x04\x05\x06\x07\x08")
    file.record_backup(full=True, position=LgPos(3, 2, 0), time=when)
    file.record_backup(full=False, position=LgPos(4, 2, 0), time=when)
    file.finish(LgPos(4, 5, 0))
    last = read(disk)
    assert (last.full_backup, last.full_backup_time) == (LgPos(3, 2, 0), when)
    assert (last.incremental_backup, last.incremental_backup_time) == (LgPos(4, 2, 0), when)
    assert (last.checkpoint, last.db_consistency, last.attachments_valid) == (LgPos(4, 5, 0), LgPos(4, 5, 0), False)
    assert not last.attachments


def test_missing_foreign_damaged(disk: CrashFileSystem) -> None:
    def code(**how: Signature) -> int:
        with pytest.raises(EseError) as caught:
            read_checkpoint_file(disk, PATH, **how)
        return caught.value.code

    assert code() == Err.CheckpointFileNotFound
    write_checkpoint_file(disk, PATH, first())
    assert code(signature=Signature(9)) == Err.BadCheckpointSignature
    with disk.open(PATH, OpenMode.READ_WRITE) as file:
        file.write_at(100, b"x")
    assert read_checkpoint_file(disk, PATH).copy == 2
    with disk.open(PATH, OpenMode.READ_WRITE) as file:
        file.write_at(4196, b"x")
    assert code() == Err.CheckpointCorrupt


@pytest.mark.parametrize("bad", [None, 1, 2])
def test_a_crash_while_writing_leaves_the_old_or_the_new(disk: CrashFileSystem, bad: int | None) -> None:
    """One copy is whole at every point, also when only one was whole before."""
    write_checkpoint_file(disk, PATH, first())
    if bad is not None:
        with disk.open(PATH, OpenMode.READ_WRITE) as file:
            file.write_at((bad - 1) * 4096 + 100, b"x")
    disk.sync_all()
    start = disk.crash(CrashPolicy.KEEP_ALL)
    later = first().replace(checkpoint=LgPos(7, 1, 0))
    met = set()
    for number in range(1, 8):
        inner = start.crash(CrashPolicy.KEEP_ALL)
        inner.sync_all()
        fs = FaultFileSystem(inner, number, FaultMode.KILL)
        with suppress(SimulatedKill):
            write_checkpoint_file(fs, PATH, later, bad_copy=bad)
        for policy in CrashPolicy:
            for seed in range(4):
                met.add(read(inner.crash(policy, seed)).checkpoint)
    assert met == {LgPos(1, 1, 0), LgPos(7, 1, 0)}


@pytest.mark.oracle
def test_a_real_one_survives_a_backup_mark(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("dirty") / "dirty-multidb" / "before" / "edb.chk"
    path = tmp_path / "edb.chk"
    path.write_bytes(source.read_bytes())
    fs = RealFileSystem()
    before = read_checkpoint_file(fs, str(path)).checkpoint
    file = CheckpointFile(fs, str(path), before)
    file.record_backup(full=True, position=LgPos(9, 1, 0), time=Environment().log_time())
    after = read_checkpoint_file(fs, str(path)).checkpoint
    assert after.replace(full_backup=before.full_backup, full_backup_time=before.full_backup_time).pack() == (
        before.pack()
    )
