"""The end of a log after a crash: what is mended, what is cleared, and what is left alone as damage."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader
from engine.format.lr import Trace
from engine.format.names import LogNames
from engine.format.segment import SEGMENT_SIZE
from engine.format.versions import LogVersion
from engine.log.reader import LogFile
from engine.log.tail import mend_tail, read_tail
from engine.log.writer import LogWriter
from engine.types import LgPos, Signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo

NAMES = LogNames("edb")
PATH = "/l/edb.log"


class Owner:
    def attach_list(self) -> tuple[AttachInfo, ...]:
        return ()

    def checkpoint_position(self) -> LgPos:
        return LgPos(1, 1, 0)

    def generation_begun(self, header: LogHeader) -> None:
        pass


def written(fs: FileSystem, *steps: tuple[int, ...]) -> LogWriter:
    """Write a log: each step is a group of record sizes and a flush."""
    env = Environment(fs=fs)
    header = LogHeader.create(
        generation=1,
        file_segments=16,
        page_size=4096,
        created=env.log_time(),
        signature=Signature(1, env.log_time()),
        version=LogVersion(8, 4000, 60, 140),
        engine_version=9180,
        dbms_param=DbmsParam(),
    )
    writer = LogWriter.create(env, "/l", NAMES, Owner(), EventLog(shared=False), header=header)
    for sizes in steps:
        for size in sizes:
            writer.append(record(size))
        writer.flush()
    return writer


def record(size: int) -> bytes:
    return Trace(5, bytes(index % 250 + 1 for index in range(size - 5))).pack()


@pytest.fixture
def disk() -> CrashFileSystem:
    fs = CrashFileSystem()
    fs.make_directory("/l")
    fs.sync_all()
    return fs


def content(fs: FileSystem) -> bytes:
    with fs.open(PATH) as file:
        return file.read_at(0, file.size())


def put(fs: FileSystem, segment: int, data: bytes, at: int = 0) -> None:
    with fs.open(PATH, OpenMode.READ_WRITE) as file:
        file.write_at(segment * SEGMENT_SIZE + at, data)


def mended(fs: FileSystem) -> tuple[int, list[int]]:
    """Mend the tail; return the last valid segment, and the events."""
    events = EventLog(shared=False)
    tail = read_tail(fs, PATH, events)
    mend_tail(fs, tail, events)
    again = read_tail(fs, PATH, EventLog(shared=False))
    assert not again.writes
    assert not again.scan.findings
    assert again.scan.last_valid_segment == tail.scan.last_valid_segment
    assert again.scan.accumulated_checksum == tail.scan.accumulated_checksum
    return tail.scan.last_valid_segment, [each.id for each in events]


def test_a_whole_tail_is_left_alone(disk: CrashFileSystem) -> None:
    written(disk, (100,), (200,))
    assert read_tail(disk, PATH, EventLog(shared=False)).writes == ()


def test_a_torn_segment_is_restored_from_its_shadow(disk: CrashFileSystem) -> None:
    written(disk, (100,), (200,))
    good = content(disk)
    put(disk, 1, bytes(512), 512)
    put(disk, 1, b"\xee" * 512, 0)
    assert mended(disk) == (1, [466])
    assert content(disk) == good


def test_a_torn_renewal_of_a_shadow_is_cleared(disk: CrashFileSystem) -> None:
    written(disk, (100,), (900,))
    put(disk, 2, bytes(512), 512)
    assert mended(disk) == (1, [])
    assert not any(content(disk)[2 * SEGMENT_SIZE :])


def test_a_torn_shadow_ahead_of_its_segment_is_cleared(disk: CrashFileSystem) -> None:
    written(disk, (4056,))
    put(disk, 3, b"\x77" * 512)
    assert mended(disk) == (1, [])
    assert not any(content(disk)[3 * SEGMENT_SIZE :])


def test_a_torn_first_write_into_an_empty_log(disk: CrashFileSystem) -> None:
    written(disk)
    put(disk, 2, b"\x77" * 512, 1024)
    assert mended(disk) == (0, [])


def test_a_wrong_bit_is_put_right_in_the_file(disk: CrashFileSystem) -> None:
    written(disk, (100,))
    good = content(disk)
    put(disk, 1, bytes((good[SEGMENT_SIZE + 90] ^ 4,)), 90)
    assert mended(disk) == (1, [554])
    assert content(disk) == good


@pytest.mark.parametrize(
    ("segment", "at"),
    [(1, 60), (2, 60), (2, 4000)],
    ids=["in the middle", "the last full one", "its end"],
)
def test_damage_is_not_mended(disk: CrashFileSystem, segment: int, at: int) -> None:
    """Segments that were acknowledged and have no shadow: losing them silently is worse than an error."""
    written(disk, (4056, 4056, 4056))
    put(disk, 4, bytes(SEGMENT_SIZE))
    put(disk, segment, b"\x13\x57\x9b", at)
    before = content(disk)
    events = EventLog(shared=False)
    with pytest.raises(EseError) as caught:
        read_tail(disk, PATH, events)
    assert caught.value.code == Err.LogFileCorrupt
    assert caught.value.segment == segment
    assert [each.id for each in events] == [552, 465]
    assert content(disk) == before


def test_a_bad_place_with_something_valid_behind_it_is_damage(disk: CrashFileSystem) -> None:
    written(disk, (4056, 4056, 4056, 4056))
    put(disk, 2, bytes(SEGMENT_SIZE))
    put(disk, 3, b"\x13\x57\x9b", 500)
    with pytest.raises(EseError):
        read_tail(disk, PATH, EventLog(shared=False))


STEPS = {
    "few at once": [(100,), (3000,), (2000,), (30,), (9000, 40), (4056,), (200,), (60, 14000)],
    "many at once": [(22000,), (20000,), (900,)],
    "many behind a full one": [(4056,), (21000, 40), (900,)],
}
KILLS = (FaultMode.KILL, FaultMode.KILL_TORN)


def dying(steps: Sequence[tuple[int, ...]], number: int, mode: FaultMode) -> tuple[CrashFileSystem, int | None]:
    """Write a log until the operation of that number; return the disk and the records flushed, None without a log."""
    disk = CrashFileSystem()
    disk.make_directory("/l")
    disk.sync_all()
    flushed: int | None = None
    with suppress(SimulatedKill):
        writer = written(FaultFileSystem(disk, number, mode))
        flushed = 0
        for sizes in steps:
            for size in sizes:
                writer.append(record(size))
            writer.flush()
            flushed += len(sizes)
    return disk, flushed


def operations(steps: Sequence[tuple[int, ...]]) -> int:
    """Return how many operations it takes to write a log."""
    disk = CrashFileSystem()
    disk.make_directory("/l")
    fault = FaultFileSystem(disk)
    written(fault, *steps)
    return fault.count


@pytest.mark.parametrize("mode", KILLS, ids=lambda mode: mode.name)
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_every_crash_of_a_writer_leaves_a_tail_that_can_be_mended(
    steps: Sequence[tuple[int, ...]], mode: FaultMode
) -> None:
    """Whatever a crash tears, all that was flushed is there, and nothing in between is wrong."""
    for number in range(operations([]) + 1, operations(steps) + 1):
        disk, flushed = dying(steps, number, mode)
        assert flushed is not None
        for seed in range(4):
            for policy in CrashPolicy:
                after = disk.crash(policy, seed)
                mended(after)
                with LogFile.open(after, PATH) as log:
                    assert len(list(log.records())) >= flushed


@pytest.mark.parametrize("mode", KILLS, ids=lambda mode: mode.name)
def test_a_second_crash_while_many_segments_are_cleared(mode: FaultMode) -> None:
    """What explains them is there until they are gone."""
    steps = [(100,), (21000,)]
    cleared = 0
    for first in range(operations(steps[:1]) + 1, operations(steps) + 1):
        disk, _ = dying(steps, first, FaultMode.KILL)
        found = disk.crash(CrashPolicy.TORN, first)
        writes = len(read_tail(found, PATH, EventLog(shared=False)).writes)
        cleared = max(cleared, writes)
        for number in range(1, writes + 3):
            again = found.crash(CrashPolicy.KEEP_ALL)
            fault = FaultFileSystem(again, number, mode, select=lambda op, _: op in {"write", "fsync"})
            with suppress(SimulatedKill):
                mended(fault)
            assert fault.fired == (number <= writes + 2 and writes > 0)
            mended(again.crash(CrashPolicy.TORN, number))
    assert cleared > 6


def test_without_a_mark_segments_behind_a_wrong_one_are_damage() -> None:
    """One that was acknowledged became wrong: nothing says that those behind it were not."""
    steps = [(100,), (21000,)]
    disk, _ = dying(steps, operations(steps), FaultMode.KILL)
    found = disk.crash(CrashPolicy.KEEP_ALL)
    put(found, 2, b"\xee" * 16)
    with pytest.raises(EseError):
        read_tail(found, PATH, EventLog(shared=False))


def test_the_two_copies_of_a_segment_are_never_in_flight_together(disk: CrashFileSystem) -> None:
    fs = FaultFileSystem(disk)
    writer = written(fs)
    del fs.operations[:]
    for size in (100, 200, 5000):
        writer.append(record(size))
        writer.flush()
    steps = "".join(each.op[0] for each in fs.operations)
    # A segment written again: real, then shadow.  Three at once: with each real one the shadow of the next.
    assert steps == "wfwf" + "wfwf" + "wwfwf"


def test_a_shadow_that_nobody_waits_for_is_durable_before_the_next_write(disk: CrashFileSystem) -> None:
    fs = FaultFileSystem(disk)
    writer = written(fs)
    del fs.operations[:]
    for size in (100, 200, 300):
        writer.flush_to(writer.append(record(size)))
    assert "".join(each.op[0] for each in fs.operations) == "wfwf" + "wfw" + "fwfw"
    writer.flush()
    assert fs.operations[-1].op == "fsync"


def test_many_segments_take_three_fsyncs_and_one_more_for_the_segment_that_was_begun(disk: CrashFileSystem) -> None:
    fs = FaultFileSystem(disk)
    writer = written(fs)
    for size in (21000, 20000):
        del fs.operations[:]
        writer.append(record(size))
        writer.flush()
        steps = "".join(each.op[0] for each in fs.operations)
        assert steps == ("" if size == 21000 else "wf") + "wf" + "wwf" + "wf"
