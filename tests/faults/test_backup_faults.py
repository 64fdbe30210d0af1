"""Every operation of a backup fails in turn, or is the last one before the power goes; then everything must be well.

The files lie in memory, what was synced apart from what was not.  One run without a fault counts the operations;
then run n fails at operation n.  Afterwards, always:

- the last published set is intact, byte for byte as its manifest says;
- a half-made backup is never taken for a set;
- no log is lost: the sets and the instance together have every generation since the last full backup;
- the instance starts again, its databases attach, and it backs up again, into a set that verifies.

CRASH_ALL=1 takes every operation (`make crash`); the default is a share of them, another one each kind.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from engine.backup.crc import file_crc
from engine.backup.sets import BackupSet, Verdict, list_backups
from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.format.checksum import set_batch_checksums
from engine.format.flushmap import DBTIME_UNKNOWN, FLUSH_MAP_PAGE_SIZE, FlushMapHeader
from engine.format.lr import Trace
from engine.format.names import LogNames
from engine.header_file import read_header_from, write_header
from engine.instance import Instance
from engine.log.checkpoint_file import read_checkpoint_file
from engine.log.truncate import archives
from engine.types import BackupOptions, LogTime, Signature
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import FileSystem

STRIDE = 1 if os.environ.get("CRASH_ALL") else 11
FOLDER, TARGET, AGAIN = "/inst", "/bk", "/again"
ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL
KINDS = {"full": 0, "atomic": ATOMIC, "incremental": INCREMENTAL, "atomic-incremental": ATOMIC | INCREMENTAL}
POLICIES = [CrashPolicy.KEEP_ALL, CrashPolicy.DROP_ALL, CrashPolicy.RANDOM, CrashPolicy.TORN, CrashPolicy.REORDERED]


def environment(fs: FileSystem) -> Environment:
    return Environment(background=False, fs=fs, sleep=lambda _: None)


def start(fs: FileSystem) -> Instance:
    """Start the instance and attach what is there."""
    instance = Instance(path=FOLDER, env=environment(fs), page_size=4096, log_file_size=64)
    try:
        instance.init()
        with instance.session() as session:
            session.attach(f"{FOLDER}/a.edb")
    except BaseException:
        instance.abandon()
        raise
    return instance


def busy(instance: Instance) -> None:
    """Log something, over more than one generation."""
    for _ in range(2):
        instance.writer.append(Trace.create("x" * 3000).pack())
        instance.writer.roll()


@dataclass
class World:
    """A disk with an instance that ended cleanly and, where the kind needs it, earlier sets."""

    disk: CrashFileSystem
    options: int
    published: tuple[str, ...] = ()
    """Identities of the backups that were published before."""
    operations: int = 0
    names: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def worlds() -> Callable[[str], World]:
    made: dict[str, World] = {}

    def world(kind: str) -> World:
        if kind not in made:
            made[kind] = make_world(KINDS[kind])
        return made[kind]

    return world


def give_flush_map(disk: CrashFileSystem) -> None:
    """Put a flush map beside the database that the engine would believe; it is read during a backup too."""
    signature = Signature(7, LogTime(b"\1\1\1\1\1\126\0\0"))
    with disk.open(f"{FOLDER}/a.edb", OpenMode.READ_WRITE) as file:
        header = read_header_from(file).header
        write_header(file, header.replace(sign_db_hdr_flush=signature, sign_flush_map_hdr_flush=signature))
    page = bytearray(FLUSH_MAP_PAGE_SIZE)
    page[8:16] = DBTIME_UNKNOWN.to_bytes(8, "little")
    set_batch_checksums(page, 0, FLUSH_MAP_PAGE_SIZE)
    flush_map = FlushMapHeader(flags=1, sign_db_hdr_flush=signature, sign_flush_map_hdr_flush=signature)
    with disk.open(f"{FOLDER}/a.jfm", OpenMode.CREATE) as file:
        file.write_at(0, flush_map.pack() + page)
    disk.sync_all()


def make_world(options: int) -> World:
    disk = CrashFileSystem()
    for folder in (FOLDER, TARGET, AGAIN):
        disk.make_directory(folder)
    with DatabaseBuilder(environment(disk), f"{FOLDER}/a.edb", threaded=False) as builder:
        rows = [{"id": each} for each in range(20)]
        builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    give_flush_map(disk)
    instance = start(disk)
    busy(instance)
    if options:
        # What an incremental one builds on, and what an atomic one must not lose.
        instance.backup(TARGET, options=BackupOptions(options & ATOMIC))
        busy(instance)
    instance.term()
    disk.sync_all()
    world = World(disk, options, tuple(ids(list_backups(TARGET, fs=disk))))
    counting = FaultFileSystem(disk.crash(CrashPolicy.KEEP_ALL))
    running = start(counting)
    busy(running)
    before = counting.count
    running.backup(TARGET, options=BackupOptions(options))
    world.operations = counting.count - before
    world.names = [f"{each.op} {each.path}" for each in counting.operations[-world.operations :]]
    assert options & INCREMENTAL or any(each.endswith("a.jfm") for each in world.names)
    running.abandon()
    return world


def ids(sets: list[BackupSet]) -> list[str]:
    return [backup.id for each in sets for backup in each.backups]


def complete_sets(fs: FileSystem, folder: str) -> list[BackupSet]:
    return [each for each in list_backups(folder, fs=fs) if each.verdict is Verdict.COMPLETE]


def check_sets(disk: CrashFileSystem, world: World, *, succeeded: bool) -> None:
    """The published sets are intact, and nothing half-made counts."""
    found = complete_sets(disk, TARGET)
    if world.options or succeeded:
        assert found, [(each.path, each.verdict, each.reason) for each in list_backups(TARGET, fs=disk)]
    for each in found:
        assert each.manifest is not None, "without a manifest it was never published"
        for name, entry in each.manifest.current_files().items():
            assert file_crc(disk, f"{each.path}/{name}") == (entry.size, entry.crc32c), name
    newest = ids(found)
    if world.options & INCREMENTAL:
        assert set(world.published) <= set(newest), "an earlier backup of the chain is gone"


def check_logs(disk: CrashFileSystem, world: World) -> None:
    """Every generation from the newest set's first on is in that set or with the instance.

    Without a set, every one from the checkpoint on is with the instance.
    """
    kept = set(archives(disk, FOLDER, LogNames("edb")))
    sets = complete_sets(disk, TARGET)[:1]
    first = read_checkpoint_file(disk, f"{FOLDER}/edb.chk").checkpoint.checkpoint.generation
    for each in sets:
        kept |= {log.generation for log in each.logs}
        first = each.first_generation
    missing = sorted(set(range(first, max(kept, default=first - 1) + 1)) - kept)
    assert not missing, f"generations {missing} are neither in a set nor with the instance"


def check_backs_up_again(instance: Instance, disk: FileSystem) -> None:
    instance.backup(AGAIN)
    again = complete_sets(disk, AGAIN)
    assert len(again) == 1
    busy(instance)
    instance.backup(AGAIN, incremental=True)
    report = verify(AGAIN, kind="backup-set", fs=disk)
    assert report.ok, report.findings


def steps(world: World, shift: int) -> list[int]:
    return list(range(1 + shift % STRIDE, world.operations + 1, STRIDE))


CHECKED = [FaultMode.EIO, FaultMode.ENOSPC, FaultMode.SHORT_READ]
KILLS = [FaultMode.KILL, FaultMode.KILL_AFTER, FaultMode.KILL_TORN]


@pytest.mark.parametrize("mode", CHECKED, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_fails(worlds: Callable[[str], World], kind: str, mode: FaultMode) -> None:
    world = worlds(kind)
    fired = 0
    for number in steps(world, CHECKED.index(mode)):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        fs = FaultFileSystem(disk, mode=mode)
        instance = start(fs)
        busy(instance)
        fs.fail_at = fs.count + number
        succeeded = False
        with suppress(EseError):
            instance.backup(TARGET, options=BackupOptions(world.options))
            succeeded = True
        where = f"{mode.name} at {number}: {fs.operations[-1]}"
        fired += fs.fired
        fs.fail_at = None
        try:
            check_sets(disk, world, succeeded=succeeded)
            check_logs(disk, world)
            assert not instance.slot.in_progress
            instance = restarted(instance, fs)
            check_backs_up_again(instance, disk)
        except BaseException as error:
            error.add_note(where)
            raise
        finally:
            instance.abandon()
    assert fired or mode is FaultMode.SHORT_READ


def restarted(instance: Instance, fs: FileSystem) -> Instance:
    """Return the instance, or a new one when its log was taken down: then recovery must set things right."""
    try:
        instance.check_can_backup()
        instance.check_log_writable()
    except EseError as error:
        if error.code not in {Err.LogWriteFail, Err.InstanceUnavailable}:
            raise
        instance.abandon()
        return start(fs)
    return instance


@pytest.mark.parametrize("mode", KILLS, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", KINDS)
def test_the_power_fails(worlds: Callable[[str], World], kind: str, mode: FaultMode) -> None:
    world = worlds(kind)
    for turn, number in enumerate(steps(world, 3 + KILLS.index(mode))):
        disk = world.disk.crash(CrashPolicy.KEEP_ALL)
        fs = FaultFileSystem(disk, mode=mode)
        instance = start(fs)
        busy(instance)
        fs.fail_at = fs.count + number
        succeeded = False
        with suppress(SimulatedKill):
            instance.backup(TARGET, options=BackupOptions(world.options))
            succeeded = True
        policies = POLICIES if STRIDE == 1 else [POLICIES[turn % len(POLICIES)]]
        for policy in policies:
            after = disk.crash(policy, seed=number)
            revived: Instance | None = None
            try:
                check_sets(after, world, succeeded=succeeded)
                check_logs(after, world)
                revived = start(after)
                check_backs_up_again(revived, after)
            except BaseException as error:
                error.add_note(f"{mode.name} at {number}, {policy.name}: {fs.operations[-1]}")
                raise
            finally:
                if revived is not None:
                    revived.abandon()
        instance.abandon()
