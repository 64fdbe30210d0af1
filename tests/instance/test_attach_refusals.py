"""What an attach refuses, and what it leaves when it fails in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.build import DatabaseBuilder
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState
from engine.header_file import read_header, write_header
from engine.instance import Instance, InstanceState
from engine.instance.keeper import MAX_DATABASES
from engine.types import BkInfo, LgPos, LogTime

if TYPE_CHECKING:
    from pathlib import Path

    from tests.instance.conftest import World


def refused(instance: Instance, path: str, **how: Any) -> EseError:
    with pytest.raises(EseError) as caught:
        instance.session().attach(path, **how)
    return caught.value


def change_header(world: World, name: str, **fields: Any) -> None:
    path = world.path(name)
    header = read_header(world.disk, path).header.replace(**fields)
    with world.disk.open(path, OpenMode.READ_WRITE) as file:
        write_header(file, header)


BACKUP_COPY = {"state": DbState.DIRTY_SHUTDOWN, "bkinfo_full_cur": BkInfo(LgPos(3, 1, 0), LogTime(), 3, 0)}


@pytest.mark.parametrize(
    ("fields", "code", "event"),
    [
        ({"state": DbState.DIRTY_SHUTDOWN, "gen_min_required": 3, "gen_max_required": 4}, -550, None),
        ({"state": DbState.JUST_CREATED}, -550, None),
        ({"state": DbState.DIRTY_AND_PATCHED}, -550, None),
        (BACKUP_COPY, -544, 619),
        ({"update_major": 9000}, -1209, 332),
    ],
)
def test_states_and_versions(world: World, running: Instance, fields: Any, code: int, event: int | None) -> None:
    change_header(world, "a.edb", **fields)
    before = world.read("a.edb")
    error = refused(running, world.path("a.edb"))
    assert error.code == code
    assert error.path == world.path("a.edb")
    assert (event is None) or event in [each.id for each in running.events]
    assert world.read("a.edb") == before
    assert "AttachDB" not in world.kinds()
    assert running.databases() == []


def test_both_headers_damaged(world: World, running: Instance) -> None:
    with world.disk.open(world.path("a.edb"), OpenMode.READ_WRITE) as file:
        file.write_at(300, b"\xff")
        file.write_at(4096 + 300, b"\xff")
    assert refused(running, world.path("a.edb")).code == Err.DatabaseCorrupted
    assert 497 in [each.id for each in running.events]


@pytest.mark.parametrize(("offset", "event"), [(300, 456), (4096 + 300, 472)])
def test_one_header_damaged_is_healed(world: World, running: Instance, offset: int, event: int) -> None:
    path = world.path("a.edb")
    with world.disk.open(path, OpenMode.READ_WRITE) as file:
        file.write_at(offset, b"\xff")
    running.session().attach(path)
    assert [each.strings for each in running.events if each.id == event] == [(path, "4096")]
    assert not read_header(world.disk, path).problems


def test_another_page_size(world: World, running: Instance) -> None:
    with DatabaseBuilder(world.env(), world.path("large.edb"), page_size=8192, threaded=False):
        pass
    assert refused(running, world.path("large.edb")).code == Err.PageSizeMismatch


def test_a_database_that_is_cut_off(world: World, running: Instance) -> None:
    with world.disk.open(world.path("a.edb"), OpenMode.READ_WRITE) as file:
        file.truncate(file.size() - 20 * 4096)
    assert refused(running, world.path("a.edb")).code == Err.DatabaseCorrupted


def test_paths(world: World, running: Instance) -> None:
    assert refused(running, "").code == Err.DatabaseInvalidPath
    assert refused(running, "a\0b").code == Err.DatabaseInvalidPath
    assert refused(running, world.path("none.edb")).code == Err.FileNotFound
    assert refused(running, world.folder).code == Err.FileAccessDenied
    assert refused(running, world.path("edb.log")).code == Err.DatabaseCorrupted


def test_a_file_that_must_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.edb"
    from engine.env import Environment  # noqa: PLC0415

    with DatabaseBuilder(Environment(), path, threaded=False):
        pass
    path.chmod(0o444)
    with Instance(path=tmp_path, log_file_size=64) as instance:
        assert refused(instance, str(path)).code == Err.DatabaseFileReadOnly
        instance.session().attach(path, read_only=True)


def test_too_many(world: World, running: Instance) -> None:
    session = running.session()
    for number in range(MAX_DATABASES + 1):
        world.disk.load(world.folder, "/c", source=world.disk)
        world.disk.rename("/c/a.edb", world.path(f"{number}.edb"))
    for number in range(MAX_DATABASES):
        session.attach(world.path(f"{number}.edb"))
    assert refused(running, world.path(f"{MAX_DATABASES}.edb")).code == Err.TooManyAttachedDatabases
    session.detach(world.path("2.edb"))
    session.attach(world.path(f"{MAX_DATABASES}.edb"))
    assert [each.dbid for each in running.databases()] == [1, 2, 3, 4, 5, 6]
    assert running.databases()[2].path == world.path(f"{MAX_DATABASES}.edb"), "the free number is used"


def test_another_instance_has_it(world: World, running: Instance) -> None:
    world.disk.make_directory("/j")
    other = world.instance(path="/j")
    other.init()
    running.session().attach(world.path("a.edb"))
    assert refused(other, world.path("a.edb")).code == Err.DatabaseSharingViolation
    assert refused(other, world.path("a.edb"), read_only=True).code == Err.DatabaseSharingViolation
    running.database_paths.clear()
    assert refused(other, world.path("a.edb")).code == Err.DatabaseInUse, "what another process would get"
    running.session().detach(world.path("a.edb"))
    other.session().attach(world.path("a.edb"))


def test_two_readers_may_share(world: World, running: Instance) -> None:
    world.disk.make_directory("/j")
    other = world.instance(path="/j")
    other.init()
    running.session().attach(world.path("a.edb"), read_only=True)
    other.session().attach(world.path("a.edb"), read_only=True)


def test_during_a_backup(world: World, running: Instance) -> None:
    from engine.backup.slot import BackupState, SlotHolder  # noqa: PLC0415

    session = running.session()
    session.attach(world.path("a.edb"))
    running.slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    assert refused(running, world.path("b.edb")).code == Err.BackupInProgress
    assert refused(running, world.path("a.edb")).code == Err.BackupInProgress
    with pytest.raises(EseError) as caught:
        session.detach(world.path("a.edb"))
    assert caught.value.code == Err.BackupInProgress
    with pytest.raises(EseError) as caught:
        running.term()
    assert caught.value.code == Err.BackupInProgress
    assert running.state is InstanceState.RUNNING
    running.slot.release()
    running.term()


def test_detach_of_what_is_not_attached(world: World, running: Instance) -> None:
    with pytest.raises(EseError) as caught:
        running.session().detach(world.path("a.edb"))
    assert caught.value.code == Err.DatabaseNotFound


def test_a_header_that_cannot_be_written_takes_the_attach_back(world: World) -> None:
    path = world.path("a.edb")
    fs = FaultFileSystem(world.disk, 1, FaultMode.EIO, select=lambda op, target: op == "write" and target == path)
    instance = world.instance(fs)
    instance.init()
    assert refused(instance, path).code == Err.DiskIO
    assert instance.databases() == []
    assert read_header(world.disk, path).header.clean
    assert [name for name in world.kinds() if name.endswith("DB")] == ["AttachDB", "DetachDB"]
    instance.session().attach(path)
    instance.term()
    assert read_header(world.disk, path).header.clean


@pytest.mark.parametrize("step", ["attach", "detach"])
def test_a_database_that_can_no_longer_be_written(world: World, step: str) -> None:
    """Log and header cannot be brought together: the run does not end well, so that the next one recovers."""
    path = world.path("a.edb")
    armed: list[bool] = []
    fs = FaultFileSystem(
        world.disk,
        1,
        FaultMode.EIO,
        times=100,
        select=lambda op, target: op == "write" and target == path and bool(armed),
    )
    instance = world.instance(fs)
    instance.init()
    session = instance.session()
    if step == "detach":
        session.attach(path)
    armed.append(True)
    with pytest.raises(EseError) as caught:
        session.attach(path) if step == "attach" else session.detach(path)
    assert caught.value.code == Err.DiskIO
    assert {470 if step == "attach" else 473, 492} <= {each.id for each in instance.events}
    with pytest.raises(EseError) as caught:
        instance.term()
    assert caught.value.code == Err.InstanceUnavailable
    again = world.instance()
    assert again.init().needed
    assert read_header(world.disk, path).header.clean
    again.session().attach(path)
    again.term()
    assert world.chain_is_whole()


def test_a_log_that_fails_in_an_attach_takes_the_instance_down(world: World) -> None:
    log = world.path("edb.log")
    armed: list[bool] = []
    fs = FaultFileSystem(
        world.disk,
        1,
        FaultMode.EIO,
        select=lambda op, target: op == "fsync" and target == log and bool(armed),
    )
    instance = world.instance(fs)
    instance.init()
    armed.append(True)
    assert refused(instance, world.path("a.edb")).code == Err.DiskIO
    with pytest.raises(EseError) as caught:
        instance.session()
    assert caught.value.code == Err.InstanceUnavailable
    assert instance.state is InstanceState.DOWN
    with pytest.raises(EseError) as caught:
        instance.check_log_writable()
    assert caught.value.code == Err.LogWriteFail
    with pytest.raises(EseError) as caught:
        instance.term()
    assert caught.value.code == Err.InstanceUnavailable
    again = world.instance()
    again.init()
    again.session().attach(world.path("a.edb"))
    again.term()
    assert world.chain_is_whole()


def test_a_real_file_system_lock(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    folder.mkdir()
    with Instance(path=folder, log_file_size=64):
        from engine.errors import IOFailure  # noqa: PLC0415

        with pytest.raises(IOFailure):
            RealFileSystem().lock(str(folder / "edb.lock"))
    with RealFileSystem().lock(str(folder / "edb.lock")):
        pass
