"""R23-R34: incremental backups, rollover, verification, truncation."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.pages import CopyWatch, DatabaseSource
from engine.errors import ChecksumError, Err, EseError
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.checksum import SEGMENT_SIZE, page_checksums, set_page_checksum
from engine.format.lr import BackupPhase
from engine.monitor import Monitor
from engine.types import BackupOptions, BkInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INCREMENTAL = BackupOptions.INCREMENTAL
FS = RealFileSystem()
PAGE = 4096


def refused(run: Any, options: int = 0, target: Path | None = None) -> EseError:
    with pytest.raises(EseError) as caught:
        run.backup(options, target)
    return caught.value


def flip(path: Path, at: int, value: int = 0x5A) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes((old ^ value,)))


def test_r23_incremental_needs_a_full_backup_of_every_database(tiny: Callable[..., Any], built: Path) -> None:
    run = tiny()
    assert refused(run, INCREMENTAL).code == Err.MissingFullBackup
    assert run.ids() == [206]
    run.backup()
    (run.folder / "b.edb").write_bytes((built / "b.edb").read_bytes())
    with run.instance.session() as session:
        session.attach(run.folder / "b.edb")
    error = refused(run, INCREMENTAL)
    assert error.code == Err.MissingFullBackup
    assert error.path == str(run.folder / "b.edb")
    assert not run.instance.slot.in_progress


def test_r23_a_full_backup_of_another_kind_does_not_count(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.instance.attached()[0].change_header(lambda header: header.replace(bkinfo_type_full_prev=1))
    assert refused(run, INCREMENTAL).code == Err.MissingFullBackup


def test_r24_incremental_with_circular_logging_is_refused_before_anything(tiny: Callable[..., Any]) -> None:
    run = tiny(circular_log=True)
    for target in (run.target, None):
        with pytest.raises(EseError) as caught:
            run.instance.backup(target, incremental=True)
        assert caught.value.code == Err.InvalidBackup
    assert run.ids() == []


def test_r25_every_log_on_disk_is_copied_and_an_overlap_is_overwritten(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    kept = run.logs()
    run.roll(2)
    present = run.logs()
    result = run.backup(INCREMENTAL)
    assert result.first_generation == min(present or kept)
    assert result.last_generation >= max(present)
    names = {each.name for each in run.target.glob("edb*.log")}
    assert {f"edb{each:05X}.log" for each in range(result.first_generation, result.last_generation + 1)} <= names


def test_r25_a_damaged_copy_of_a_log_is_replaced(tiny: Callable[..., Any]) -> None:
    run = tiny()
    with run.instance._keeper.held_checkpoint():
        run.backup()
        copy = run.target / "edb00001.log"
        good = copy.read_bytes()
        copy.write_bytes(good[:-1] + b"\x01")
        run.backup(INCREMENTAL)
    assert copy.read_bytes() == good
    assert not list(run.target.glob("*.tmp"))


def test_r26_a_gap_behind_the_last_backup(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(3)
    gone = run.folder / f"edb{min(run.logs()):05X}.log"
    first = min(run.logs())
    last = run.header().bkinfo_full_prev.gen_high
    for each in range(first, last + 2):
        (run.folder / f"edb{each:05X}.log").unlink(missing_ok=True)
    gone.unlink(missing_ok=True)
    error = refused(run, INCREMENTAL)
    assert error.code == Err.MissingFileToBackup
    event = next(each for each in run.instance.events if each.id == 459)
    assert event.strings[0].endswith(f"edb{last + 1:05X}.log")
    assert run.ids()[-3:] == [211, 459, 214]


def test_r26_a_gap_among_logs_that_a_backup_has_is_passed_over(tiny: Callable[..., Any]) -> None:
    """A power cut can leave such a gap of a truncation; the logs themselves are in the set."""
    run = tiny()
    with run.instance._keeper.held_checkpoint():
        run.roll(3)
        run.backup()
        lowest = min(run.logs())
        (run.folder / f"edb{lowest + 1:05X}.log").unlink()
        result = run.backup(INCREMENTAL)
    assert result.first_generation == lowest + 2


def test_r26_a_directory_that_ends_too_early(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    elsewhere = run.target.parent / "elsewhere"
    elsewhere.mkdir()
    run.backup(INCREMENTAL, elsewhere)
    run.roll(2)
    error = refused(run, INCREMENTAL)
    assert error.code == Err.InvalidLogSequence


def test_r26_a_directory_with_logs_of_another_stream(tiny: Callable[..., Any]) -> None:
    one, two = tiny(name="one"), tiny(name="two")
    one.backup()
    two.backup()
    two.write()
    assert refused(two, INCREMENTAL, one.target).code == Err.InvalidLogSequence


def test_r26b_only_logs_are_added_and_databases_stay_as_they_are(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    copy = run.target / "a.edb"
    before = (hashlib.sha256(copy.read_bytes()).hexdigest(), copy.stat().st_mtime_ns)
    names = {each.name for each in run.target.iterdir()}
    run.roll(2)
    run.backup(INCREMENTAL)
    assert (hashlib.sha256(copy.read_bytes()).hexdigest(), copy.stat().st_mtime_ns) == before
    assert {each.rpartition(".")[2] for each in {each.name for each in run.target.iterdir()} - names} == {"log"}


@pytest.mark.parametrize("options", [0, BackupOptions.ATOMIC])
def test_r27_the_log_rolls_once_and_the_closed_one_is_copied(tiny: Callable[..., Any], options: int) -> None:
    run = tiny()
    before = run.instance.writer.generation
    result = run.backup(options)
    assert run.instance.writer.generation == before + 1
    assert result.last_generation == before


def damage_log(run: Any, generation: int, at: int, value: int = 0x5A) -> Path:
    path: Path = run.folder / f"edb{generation:05X}.log"
    flip(path, at, value)
    return path


@pytest.mark.parametrize("where", ["header", "segment"])
def test_r28_a_damaged_log_fails_the_backup(tiny: Callable[..., Any], where: str) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    generation = max(run.logs())
    path = damage_log(run, generation, 100 if where == "header" else SEGMENT_SIZE + 50)
    error = refused(run, INCREMENTAL)
    assert error.code == Err.LogReadVerifyFailure
    assert isinstance(error, ChecksumError)
    assert (error.path, error.generation) == (str(path), generation)
    assert run.ids()[-5:] == [211, 223, 552, 218, 214]


def test_r28_a_single_bit_is_corrected_in_the_copy(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    generation = max(run.logs())
    good = (run.folder / f"edb{generation:05X}.log").read_bytes()
    path = damage_log(run, generation, SEGMENT_SIZE + 50, 0x10)
    result = run.backup(INCREMENTAL)
    assert (run.target / path.name).read_bytes() == good
    assert [each.kind for each in result.corrected] == ["segment"]
    assert 554 in run.ids()


@pytest.mark.parametrize("size", [0, 100, 4096 + 100])
def test_r28_a_log_of_a_wrong_size(tiny: Callable[..., Any], size: int) -> None:
    run = tiny()
    run.backup()
    run.roll(2)
    path = run.folder / f"edb{max(run.logs()):05X}.log"
    path.write_bytes(path.read_bytes()[:size])
    assert refused(run, INCREMENTAL).code == Err.LogReadVerifyFailure


def test_r28_shadows_and_empty_segments_are_accepted(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.write(1, 10)
    result = run.backup()
    data = (run.target / f"edb{result.last_generation:05X}.log").read_bytes()
    assert not any(data[-SEGMENT_SIZE:])


def test_r29_a_damaged_page_fails_the_backup(tiny: Callable[..., Any]) -> None:
    run = tiny()
    flip(run.database, PAGE * 12 + 1000)
    error = refused(run)
    assert error.code == Err.ReadVerifyFailure
    assert (error.path, error.page, error.offset) == (str(run.database), 11, PAGE * 12)
    assert run.ids() == [210, 220, *[474] * 17, 217, 222, 215]
    assert not list(run.target.iterdir())


def test_r29_pages_that_normal_work_never_touches_are_checked_and_blank_ones_copied(tiny: Callable[..., Any]) -> None:
    run = tiny()
    last = run.instance.attached()[0].last_owned_page
    with run.database.open("r+b") as file:
        file.seek((last + 1) * PAGE)
        file.write(bytes(PAGE))
    result = run.backup()
    copy = (run.target / "a.edb").read_bytes()
    assert copy[(last + 1) * PAGE : (last + 2) * PAGE] == bytes(PAGE)
    assert result.pages_verified < last
    flip(run.database, (last + 1) * PAGE + 2000)
    assert refused(run, BackupOptions.ATOMIC).code == Err.ReadVerifyFailure


def test_r29_one_bit_is_corrected_in_the_copy(tiny: Callable[..., Any]) -> None:
    run = tiny()
    good = run.database.read_bytes()[12 * PAGE : 13 * PAGE]
    flip(run.database, PAGE * 12 + 1000, 0x08)
    result = run.backup()
    assert (run.target / "a.edb").read_bytes()[12 * PAGE : 13 * PAGE] == good
    assert run.ids()[:4] == [210, 220, 399, 221]
    assert [(each.kind, each.number, each.bits) for each in result.corrected] == [("page", 11, (8 * 1000 + 3,))]
    event = next(each for each in run.instance.events if each.id == 399)
    assert event.category == 3
    assert event.strings[1:] == ("49152 (0x000000000000c000)", "4096 (0x00001000)", "8003", "11 (0xB)")


def test_r29_a_page_of_another_number(tiny: Callable[..., Any], tmp_path: Path) -> None:
    """Only large pages carry their number beside checksums that fit the place."""
    run = tiny()
    size, number = 16384, 3
    pages = bytearray(size * 7)
    for each in range(1, 5):
        at = (each + 1) * size
        page = bytearray(size)
        page[200:210] = b"0123456789"
        set_page_checksum(page, each)
        if each == number:
            page[64:68] = (9).to_bytes(4, "little")
            for block in (1, 2, 3, 0):
                value = page_checksums(page, each)[block]
                page[(0, 40, 48, 56)[block] : (0, 40, 48, 56)[block] + 8] = value.to_bytes(8, "little")
        pages[at : at + size] = page
    path = tmp_path / "large.edb"
    path.write_bytes(pages)
    watch = CopyWatch(run.instance.env, run.instance.events, Monitor(), lambda: None, [])
    run.instance.events.clear()
    with FS.open(str(path)) as file:
        source = DatabaseSource(file, bytes(size), 4, lambda: bytes(size), watch)
        with pytest.raises(EseError) as caught:
            source.read_into(memoryview(bytearray(size * 8)))
    assert caught.value.code == Err.ReadPgnoVerifyFailure
    assert caught.value.page == number
    assert run.ids() == [475] * 17
    event = next(iter(run.instance.events))
    assert event.strings[-2:] == ("3 (0x3)", "9 (0x9)")


def test_r29_a_medium_error_of_the_system(tiny: Callable[..., Any]) -> None:
    fs = FaultFileSystem(FS, fail_at=1, times=100, select=lambda op, path: op == "read" and path.endswith("a.edb"))
    run = tiny()
    object.__setattr__(run.instance.env, "fs", fs)
    assert refused(run).code == Err.DiskIO
    assert run.ids() == [210, 220, 217, 222, 215]


def test_r30_a_read_is_tried_seventeen_times_with_growing_sleeps(tiny: Callable[..., Any]) -> None:
    run = tiny()
    flip(run.database, PAGE * 12 + 1000)
    refused(run)
    assert [round(each, 3) for each in run.slept] == [round(0.1 * number, 3) for number in range(1, 17)]


@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.SHORT_READ])
def test_r30_success_after_a_retry_is_reported(tiny: Callable[..., Any], mode: FaultMode) -> None:
    run = tiny()
    fs = FaultFileSystem(
        FS, fail_at=1, times=3, mode=mode, select=lambda op, path: op == "read" and path.endswith("a.edb")
    )
    object.__setattr__(run.instance.env, "fs", fs)
    run.backup()
    assert run.ids()[:4] == [210, 220, 493, 221]
    event = next(each for each in run.instance.events if each.id == 493)
    assert event.strings[3] == "3"
    assert len(run.slept) == 3


def test_r31_logs_below_the_checkpoint_are_deleted_oldest_first(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(4)
    before = run.logs()
    checkpoint = run.instance.log.checkpoint_generation
    fs = FaultFileSystem(FS)
    object.__setattr__(run.instance.env, "fs", fs)
    result = run.backup()
    assert result.deleted_logs == range(min(before), checkpoint)
    deleted = [each.path for each in fs.operations if each.op == "unlink" and "edb0" in each.path]
    assert deleted == sorted(deleted)
    assert min(run.logs()) == checkpoint
    event = next(each for each in run.instance.events if each.id == 224)
    assert event.strings[0].endswith(f"edb{min(before):05X}.log")
    assert event.strings[1].endswith(f"edb{checkpoint - 1:05X}.log")


def test_r31_deletion_stops_at_the_first_failure_and_the_set_stays(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(4)
    first = min(run.logs())
    fs = FaultFileSystem(FS, fail_at=2, select=lambda op, path: op == "unlink" and "inst" in path and "edb0" in path)
    object.__setattr__(run.instance.env, "fs", fs)
    header = run.header()
    error = refused(run)
    assert error.code == Err.DiskIO
    assert run.logs()[0] == first + 1
    assert (run.target / "backup.json").exists()
    assert run.header().bkinfo_full_prev == header.bkinfo_full_prev == BkInfo()
    assert run.ids()[-1] == 215


def test_r31_missing_logs_of_the_range_are_counted(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(5)
    (run.folder / f"edb{min(run.logs()) + 1:05X}.log").unlink()
    result = run.backup()
    assert run.ids()[-3:] == [224, 227, 213]
    assert next(each for each in run.instance.events if each.id == 227).strings == ("1",)
    assert result.warnings == (227,)


def test_r31_a_database_outside_an_external_backup_keeps_its_logs(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    run.roll(3)
    with run.instance.begin_external_backup() as backup:
        with backup.open(str(run.database)) as file:
            file.readall()
        logs = backup.logs()
        assert backup.truncatable() == []
        for each in logs.paths:
            with backup.open(each) as file:
                file.readall()
        backup.truncate()
        backup.end()
    assert 225 in run.ids()


def test_r32_truncation_without_copying_everything_is_refused(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(3)
    before = run.logs()
    with run.instance.begin_external_backup() as backup:
        with backup.open(str(run.database)) as file:
            file.readall()
        logs = backup.logs()
        for each in logs.logs[:-1]:
            with backup.open(each) as file:
                file.readall()
        with backup.open(logs.logs[-1]) as file:
            file.read(2 * PAGE)
        with pytest.raises(EseError) as caught:
            backup.truncate()
    assert caught.value.code == Err.LogFileNotCopied
    assert 520 in run.ids()
    assert set(before) <= set(run.logs())


def test_r33_none_deletes_what_is_below_the_checkpoint_and_updates_no_header(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(3)
    header = run.header()
    checkpoint = run.instance.log.checkpoint_generation
    generation = run.instance.writer.generation
    result = run.instance.backup(None)
    assert result.deleted_logs.stop == checkpoint
    assert run.logs() == list(range(checkpoint, generation))
    assert run.ids() == [210, 224, 213]
    assert run.instance.writer.generation == generation
    assert run.header() == header
    run.instance.events.clear()
    run.instance.backup(None)
    assert run.ids() == [210, 225, 213]


def test_r33_with_circular_logging_or_an_unreadable_folder_nothing_is_deleted(tiny: Callable[..., Any]) -> None:
    run = tiny(circular_log=True)
    run.roll(3)
    before = run.logs()
    run.instance.backup(None)
    assert run.logs() == before
    assert run.ids() == [210, 225, 213]
    other = tiny(name="other")
    other.roll(2)
    kept = other.logs()
    fs = FaultFileSystem(FS, fail_at=1, select=lambda op, _: op == "list")
    object.__setattr__(other.instance.env, "fs", fs)
    other.instance.backup(None)
    assert fs.fired
    assert other.logs() == kept


def test_r34_circular_logging_keeps_the_logs_that_the_backup_needs(tiny: Callable[..., Any]) -> None:
    run = tiny(circular_log=True)
    run.roll(3)
    pins: list[int | None] = []

    def roll(progress: Any) -> None:
        if progress.phase == "database":
            worker = threading.Thread(target=lambda: run.roll(5))
            worker.start()
            worker.join()
            pins.append(run.instance.slot.pinned_from)

    result = run.backup(progress=roll)
    generations = range(result.first_generation, result.last_generation + 1)
    assert len(generations) >= 6
    assert all((run.target / f"edb{each:05X}.log").exists() for each in generations)
    assert set(pins) == {result.first_generation}
    assert run.instance.slot.pinned_from is None


def test_r31_the_records_name_the_range(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(3)
    result = run.backup()
    truncate = next(each for each in run.records() if each.phase == BackupPhase.TRUNCATE)
    assert (truncate.gen_low, truncate.gen_high) == (result.deleted_logs.start, result.deleted_logs.stop)
