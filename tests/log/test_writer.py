from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.attachinfo import AttachInfo
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader, LogHeaderFlags
from engine.format.lr.control import NOP2, FragmentBegin, ShutDownMark, Trace
from engine.format.lr.types import LrType
from engine.format.names import LAST_GENERATION, LogNames
from engine.format.segment import SEGMENT_SIZE
from engine.format.versions import LogVersion
from engine.log.reader import LogFile
from engine.log.tail import mend_tail, read_tail
from engine.log.writer import LogWriter
from engine.types import LgPos, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.files.base import FileSystem

NAMES = LogNames("edb")
VERSION = LogVersion(8, 4000, 60, 140)
OPEN: list[LogWriter] = []


@pytest.fixture(autouse=True)
def closed_writers() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


@dataclass
class Owner:
    attachments: tuple[AttachInfo, ...] = ()
    begun: list[int] = field(default_factory=list)
    on_begin: Callable[[LogHeader], None] | None = None

    def attach_list(self) -> tuple[AttachInfo, ...]:
        return self.attachments

    def checkpoint_position(self) -> LgPos:
        return LgPos(1, 1, 0)

    def generation_begun(self, header: LogHeader) -> None:
        self.begun.append(header.generation)
        if self.on_begin is not None:
            self.on_begin(header)


def header(segments: int = 16, generation: int = 1, **changes: object) -> LogHeader:
    env = Environment()
    made = LogHeader.create(
        generation=generation,
        file_segments=segments,
        page_size=4096,
        created=env.log_time(),
        signature=Signature(7, env.log_time()),
        version=VERSION,
        engine_version=9180,
        dbms_param=DbmsParam(log_file_segments=segments),
    )
    return made.replace(**changes)


def new_writer(
    folder: Path, *, segments: int = 16, fs: FileSystem | None = None, owner: Owner | None = None, generation: int = 1
) -> LogWriter:
    env = Environment(fs=fs or RealFileSystem())
    return create(env, folder, owner or Owner(), header(segments, generation))


def create(env: Environment, folder: Path, owner: Owner, made: LogHeader) -> LogWriter:
    writer = LogWriter.create(env, str(folder), NAMES, owner, EventLog(shared=False), header=made)
    OPEN.append(writer)
    return writer


def reopen(folder: Path, fs: FileSystem | None = None) -> LogWriter:
    fs = fs or RealFileSystem()
    path = str(folder / "edb.log")
    tail = read_tail(fs, path, EventLog(shared=False))
    mend_tail(fs, tail, EventLog(shared=False))
    scan = tail.scan
    with LogFile.open(fs, path) as log:
        found = log.header
    writer = LogWriter.open(
        Environment(fs=fs),
        str(folder),
        NAMES,
        Owner(),
        EventLog(shared=False),
        current_name="edb.log",
        header=found,
        last_valid_segment=scan.last_valid_segment,
        accumulated=scan.accumulated_checksum,
        dbms_param=found.dbms_param,
    )
    OPEN.append(writer)
    return writer


def read_stream(folder: Path) -> list[tuple[LgPos, bytes]]:
    """Read all generations, checking the chain between them."""
    fs = RealFileSystem()
    paths = [*sorted(folder.glob("edb?????.log")), folder / "edb.log"]
    found: list[tuple[LgPos, bytes]] = []
    before: tuple[LogHeader, int] | None = None
    for path in paths:
        with LogFile.open(fs, str(path)) as log:
            if before is not None:
                assert log.header.generation == before[0].generation + 1
                assert log.header.previous_created == before[0].created
                assert log.header.previous_checksum == before[1]
                assert log.header.signature == before[0].signature
            assert path.stat().st_size == log.header.file_size
            found += [(each.pos, each.raw) for each in log.records() if each.record.type is not LrType.NOP2]
            before = log.header, log.scan().accumulated_checksum
    return found


def trace(length: int, seed: int = 0) -> bytes:
    return Trace(5, random.Random(seed).randbytes(length - 5)).pack()  # noqa: S311 - not for secrets


def test_what_is_appended_is_read_back_at_the_positions_told(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311
    writer = new_writer(tmp_path)
    wanted = []
    for number in range(600):
        length = chance.choice((5, 9, 40, 300, 4051, 4056, 4057, 9000, 20000))
        record = trace(length, number)
        wanted.append((writer.append(record), record))
        if chance.random() < 0.4:
            writer.flush(fill=chance.random() < 0.3)
        if chance.random() < 0.01:
            writer.roll()
    writer.flush()
    writer.close()
    assert read_stream(tmp_path) == wanted
    assert [pos for pos, _ in wanted] == sorted(pos for pos, _ in wanted)


def test_first_record_of_a_segment_is_named_by_offset_zero_and_the_next_by_its_byte(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    assert writer.append(trace(576)) == LgPos(1, 1, 0)
    assert writer.append(trace(143)) == LgPos(1, 1, 0x268)
    writer.flush(fill=True)
    assert writer.last_record == LgPos(1, 1, 0x2F7)
    assert writer.tip == LgPos(1, 1, SEGMENT_SIZE)
    assert writer.append(trace(9)) == LgPos(1, 2, 0)


def test_nothing_is_written_before_a_flush(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    position = writer.append(trace(100))
    assert not any((tmp_path / "edb.log").read_bytes()[SEGMENT_SIZE:])
    assert writer.tip == position
    writer.flush()
    assert writer.tip > position
    data = (tmp_path / "edb.log").read_bytes()
    assert data[SEGMENT_SIZE : 2 * SEGMENT_SIZE] == data[2 * SEGMENT_SIZE : 3 * SEGMENT_SIZE] != bytes(SEGMENT_SIZE)


def test_a_record_with_less_than_32_bytes_left_starts_the_next_segment_instead_of_being_cut(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.append(trace(4056 - 31))
    assert writer.append(trace(50)) == LgPos(1, 2, 0)
    writer.append(trace(4056 - 50 - 32))
    assert writer.append(trace(50)) == LgPos(1, 2, SEGMENT_SIZE - 32)
    writer.flush()
    block = (tmp_path / "edb.log").read_bytes()[2 * SEGMENT_SIZE : 3 * SEGMENT_SIZE]
    assert block[-32] == LrType.FragmentBegin
    assert FragmentBegin(50, block[-25:]).pack() == block[-32:]


def test_one_byte_of_the_last_usable_segment_stays_free(tmp_path: Path) -> None:
    owner = Owner()
    writer = new_writer(tmp_path, segments=4, owner=owner)
    writer.append(trace(4056))
    assert writer.append(trace(4055)) == LgPos(1, 2, 0)
    assert writer.append(trace(5)) == LgPos(2, 1, 0)
    writer.append(trace(4051))
    assert writer.append(trace(4056)) == LgPos(3, 1, 0)
    assert owner.begun == [2, 3]
    writer.flush()
    assert len(read_stream(tmp_path)) == 5


def test_filling_the_last_usable_segment_begins_the_next_generation(tmp_path: Path) -> None:
    writer = new_writer(tmp_path, segments=4)
    writer.append(trace(4056))
    writer.append(trace(100))
    writer.flush(fill=True)
    assert writer.generation == 2
    assert writer.append(ShutDownMark().pack()) == LgPos(2, 1, 0)


def test_a_group_is_never_parted_by_a_generation(tmp_path: Path) -> None:
    writer = new_writer(tmp_path, segments=5)
    writer.append(trace(4056 * 2))
    places = writer.append_group([trace(3000), trace(3000)])
    assert [place.generation for place in places] == [2, 2]
    with pytest.raises(EseError) as caught:
        writer.append_group([trace(6000), trace(6200)])
    assert caught.value.code == Err.LogBufferTooSmall
    writer.append(trace(10))
    writer.flush()


def test_a_new_generation_carries_the_stream_on(tmp_path: Path) -> None:
    info = AttachInfo.create(1, "/data/a.edb", Signature(9), attach=LgPos(1, 1, 0x268), dbtime=55, objid_last=12)
    owner = Owner((info,))
    writer = new_writer(tmp_path, owner=owner)
    before = writer.header
    writer.append(trace(77))
    position = writer.append_in_new_generation(trace(35))
    assert position == LgPos(2, 1, 0)
    assert writer.tip > position
    with LogFile.open(RealFileSystem(), str(tmp_path / "edb.log"), 2) as log:
        now = log.header
    assert now.attachments == (info,)
    assert (now.signature, now.version, now.file_segments, now.page_size, now.engine_version) == (
        before.signature,
        before.version,
        before.file_segments,
        before.page_size,
        before.engine_version,
    )
    assert now.checkpoint == LgPos(1, 1, 0)
    assert now.flags == 0
    assert read_stream(tmp_path)[1][0] == position
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edb.log", "edb00001.log"]


@pytest.mark.parametrize(
    ("before", "circular", "after"),
    [(0, False, 0), (0, True, 2), (2, True, 6), (6, False, 4), (4, False, 4), (6, True, 6), (1, False, 0)],
)
def test_circular_flags_of_a_new_generation(tmp_path: Path, before: int, circular: bool, after: int) -> None:  # noqa: FBT001
    made = header(flags=before, dbms_param=DbmsParam().with_circular(on=circular))
    writer = create(Environment(), tmp_path, Owner(), made)
    writer.roll()
    assert writer.header.flags == after


def test_reopening_continues_in_a_new_segment_with_the_right_sum(tmp_path: Path) -> None:
    first = new_writer(tmp_path)
    first.append(trace(500))
    first.flush()
    first.close()
    second = reopen(tmp_path)
    assert second.append(trace(60)) == LgPos(1, 2, 0)
    second.roll()
    second.append(trace(61))
    second.flush()
    assert len(read_stream(tmp_path)) == 3


def test_reopening_a_full_log_rolls_before_the_first_record(tmp_path: Path) -> None:
    first = new_writer(tmp_path, segments=4)
    first.append(trace(4056))
    first.append(trace(4000))
    first.flush()
    first.close()
    second = reopen(tmp_path)
    assert second.append(trace(60)) == LgPos(2, 1, 0)
    second.flush()
    assert len(read_stream(tmp_path)) == 3


def test_the_last_possible_generation(tmp_path: Path) -> None:
    writer = new_writer(tmp_path, generation=LAST_GENERATION)
    writer.append(trace(10))
    with pytest.raises(EseError) as caught:
        writer.roll()
    assert caught.value.code == Err.LogSequenceEnd
    writer.append(trace(10))
    writer.flush()


def test_after_a_failed_write_nothing_can_be_logged(tmp_path: Path) -> None:
    armed: list[bool] = []
    fs = FaultFileSystem(RealFileSystem(), 1, FaultMode.EIO, select=lambda op, _: op == "write" and bool(armed))
    writer = new_writer(tmp_path, fs=fs)
    armed.append(True)
    writer.append(trace(10))
    with pytest.raises(EseError) as caught:
        writer.flush()
    assert caught.value.code == Err.DiskIO
    assert writer.failed
    for call in (writer.flush, writer.roll, lambda: writer.append(b"\x17")):
        with pytest.raises(EseError) as caught:
            call()
        assert caught.value.code == Err.LogWriteFail


def full_disk() -> FaultFileSystem:
    """Return a file system where the first file made gets no blocks."""
    return FaultFileSystem(RealFileSystem(), 1, FaultMode.ENOSPC, select=lambda op, _: op in ("write", "preallocate"))


def test_a_full_disk_without_reserve(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.env = Environment(fs=full_disk())
    writer.append(trace(10))
    with pytest.raises(EseError) as caught:
        writer.roll()
    assert caught.value.code == Err.LogDiskFull
    with pytest.raises(EseError) as caught:
        writer.append(trace(10))
    assert caught.value.code == Err.LogWriteFail
    assert not (tmp_path / "edbtmp.log").exists()


def test_a_full_disk_with_a_reserve_of_garbage(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.env = Environment(fs=full_disk())
    (tmp_path / "EDBres00001.jrs").write_bytes(random.Random(3).randbytes(65536))  # noqa: S311
    writer.append(trace(10))
    writer.roll()
    assert writer.disk_full
    assert writer.header.flags & LogHeaderFlags.RESERVE_LOG
    writer.append(trace(20))
    writer.flush()
    assert len(read_stream(tmp_path)) == 2
    assert not (tmp_path / "EDBres00001.jrs").exists()


def test_a_prepared_log_of_another_case_is_replaced(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    (tmp_path / "EDBTMP.LOG").write_bytes(b"recycled")
    writer.roll()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edb.log", "edb00001.log"]


def test_filler_is_a_record_of_zeros(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.append(trace(4056 - 5))
    writer.flush(fill=True)
    block = (tmp_path / "edb.log").read_bytes()[SEGMENT_SIZE : 2 * SEGMENT_SIZE]
    assert block[-5:] == NOP2.create(5).pack() == b"\x47\0\0\0\0"
    writer.append(trace(4056 - 4))
    writer.flush(fill=True)
    assert writer.last_record == LgPos(1, 2, 0), "four bytes are no room for a filler"
