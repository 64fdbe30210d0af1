"""What a start makes of the log files that it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.backup.slot import BackupState, SlotHolder
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.lr import Init2
from engine.log.checkpoint_file import read_checkpoint_file
from engine.types import LgPos

if TYPE_CHECKING:
    from engine.instance import Instance
    from tests.instance.conftest import World


@pytest.fixture
def ended(world: World) -> World:
    """A stream of four generations that ended cleanly, its database detached."""
    with world.instance() as instance:
        instance.session().attach(world.path("a.edb"))
        for _ in range(3):
            instance.writer.roll()
    return world


def generation_after_start(world: World) -> int:
    instance = world.instance()
    try:
        instance.init()
        return instance.writer.generation
    finally:
        instance.abandon()


def test_a_crash_between_the_two_renames(ended: World) -> None:
    ended.disk.rename(ended.path("edb.log"), ended.path("edbtmp.log"))
    assert generation_after_start(ended) == 4
    assert "edbtmp.log" not in ended.names()
    assert ended.chain_is_whole()


def test_a_crash_between_the_two_renames_of_the_first_log(world: World) -> None:
    with world.instance():
        pass
    world.disk.rename(world.path("edb.log"), world.path("EDBTMP.LOG"))
    assert generation_after_start(world) == 1


@pytest.mark.parametrize("which", ["an older generation", "of another stream", "zeros"])
def test_a_prepared_log_that_does_not_follow_is_not_taken(ended: World, which: str) -> None:
    if which == "zeros":
        data = bytes(65536)
    elif which == "an older generation":
        data = ended.read("edb00002.log")
    else:
        other = ended.copy()
        for name in ("edb.log", "edb00001.log", "edb00002.log", "edb00003.log", "edb.chk"):
            other.disk.unlink(other.path(name))
        with other.instance() as instance:
            for _ in range(3):
                instance.writer.roll()
        data = other.read("edb.log")
    ended.disk.unlink(ended.path("edb.log"))
    with ended.disk.open(ended.path("edbtmp.log"), OpenMode.CREATE) as file:
        file.write_at(0, data)
    instance = ended.instance()
    with pytest.raises(EseError) as caught:
        instance.init()
    assert caught.value.code == Err.MissingLogFile, "the checkpoint lies in the log that is lost"
    assert [each.id for each in instance.events] == [102, 455]
    assert "edb.log" not in ended.names()
    assert ended.read("edbtmp.log") == data


def test_a_closed_log_that_is_not_below_the_current_one(ended: World) -> None:
    with ended.disk.open(ended.path("edb00009.log"), OpenMode.CREATE) as file:
        file.write_at(0, ended.read("edb00003.log"))
    with pytest.raises(EseError) as caught:
        ended.instance().init()
    assert caught.value.code == Err.InvalidLogSequence


def test_a_damaged_header_of_the_current_log(ended: World) -> None:
    with ended.disk.open(ended.path("edb.log"), OpenMode.READ_WRITE) as file:
        file.write_at(100, b"\xff")
    instance = ended.instance()
    with pytest.raises(EseError) as caught:
        instance.init()
    assert caught.value.code == Err.LogFileCorrupt
    assert [each.id for each in instance.events] == [102, 412], "as the real engine"


def test_a_run_begins_in_a_new_segment_and_in_a_new_file_when_that_is_full(ended: World) -> None:
    places = []
    for _ in range(10):
        with ended.instance():
            pass
        places = [each.pos for each in ended.records() if isinstance(each.record, Init2)]
    assert all(each.offset == 0 for each in places)
    assert max(each.generation for each in places) > 4
    assert ended.chain_is_whole()


@pytest.mark.parametrize("copy", [0, 4096])
def test_one_copy_of_the_checkpoint_is_damaged(ended: World, copy: int) -> None:
    with ended.disk.open(ended.path("edb.chk"), OpenMode.READ_WRITE) as file:
        file.write_at(copy + 100, b"\xff")
    instance = ended.instance()
    assert not instance.init().needed
    assert [each.strings for each in instance.events if each.id == 456] == (
        [(ended.path("edb.chk"), "4096")] if copy == 0 else []
    )
    instance.term()
    read = read_checkpoint_file(ended.disk, ended.path("edb.chk"))
    assert not read.problems
    assert not read.copies_differ


def test_circular_logging_keeps_what_a_backup_holds(world: World) -> None:
    instance = world.instance(circular_log=True)
    instance.init()
    instance.session().attach(world.path("a.edb"))
    for _ in range(5):
        instance.writer.roll()
    assert instance.log.generations_on_disk == range(3, 7), "two below the checkpoint"
    instance.slot.take(SlotHolder.BACKUP, BackupState.DATABASES)
    instance.slot.pin(4)
    for _ in range(6):
        instance.writer.roll()
    assert instance.log.generations_on_disk == range(4, 13)
    instance.slot.release()
    instance.writer.roll()
    assert instance.log.generations_on_disk == range(10, 14)


def test_without_circular_logging_nothing_is_deleted(world: World, running: Instance) -> None:
    for _ in range(8):
        running.writer.roll()
    assert running.log.generations_on_disk == range(1, 10)
    assert running.log.checkpoint == LgPos(8, 1, 0)


def test_the_lock_is_one_however_the_base_name_is_spelled(world: World) -> None:
    first = world.instance(base_name="EDB")
    first.init()
    first.folders = None
    with pytest.raises(EseError) as caught:
        world.instance(base_name="edb").init()
    assert caught.value.code == Err.FileAccessDenied
