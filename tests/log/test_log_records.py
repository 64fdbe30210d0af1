"""Records in their places: spellings of positions, records in pieces, what is damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader
from engine.format.segment import build_segment
from engine.format.versions import LOG_VERSION_MAX
from engine.log.reader import LogFile
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from pathlib import Path

    from engine.log.records import LogRecord

TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
MARK = lr.ShutDownMark()


def trace(size: int, letter: bytes = b"x") -> lr.Trace:
    """A record of `size` bytes in all."""
    return lr.Trace(0, letter * (size - 5))


def in_pieces(record: lr.Record, first_room: int) -> list[bytes]:
    """The pieces: the first fills `first_room`, the others a segment each."""
    data = record.pack()
    cut = first_room - lr.FragmentBegin.HEADER_SIZE
    pieces = [lr.FragmentBegin(len(data), data[:cut]).pack()]
    room = 4056 - lr.Fragment.HEADER_SIZE
    pieces += [lr.Fragment(data[at : at + room]).pack() for at in range(cut, len(data), room)]
    return pieces


class Log:
    """Opens a log whose segments hold these records."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edb.log"

    def of(self, *segments: bytes) -> LogFile:
        header = LogHeader.create(
            generation=5,
            file_segments=12,
            page_size=4096,
            created=TIME,
            signature=Signature(1, TIME),
            version=LOG_VERSION_MAX,
            engine_version=9600,
            dbms_param=DbmsParam(),
        )
        blocks = [build_segment(data, 5, number, TIME) for number, data in enumerate(segments, 1)]
        self.path.write_bytes((header.pack() + b"".join(blocks)).ljust(12 * 4096, b"\0"))
        return LogFile.open(RealFileSystem(), str(self.path))

    def records(self, *segments: bytes, start: LgPos | None = None) -> list[LogRecord]:
        with self.of(*segments) as log:
            return list(log.records(start))

    def damage(self, *segments: bytes) -> tuple[int | None, int | None]:
        """Return segment and offset within it of the -501 that reading gives."""
        with self.of(*segments) as log, pytest.raises(EseError) as caught:
            list(log.records())
        error = caught.value
        assert (error.code, error.path, error.generation) == (Err.LogFileCorrupt, str(self.path), 5)
        assert error.offset is not None
        assert error.segment is not None
        return error.segment, error.offset - error.segment * 4096


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_positions_and_ends(log: Log) -> None:
    first, second = trace(100), trace(4056)
    found = log.records(first.pack() + MARK.pack(), second.pack(), MARK.pack())
    assert [(each.pos, each.end) for each in found] == [
        (LgPos(5, 1, 0), LgPos(5, 1, 140)),
        (LgPos(5, 1, 140), LgPos(5, 1, 141)),
        (LgPos(5, 2, 0), LgPos(5, 3, 0)),
        (LgPos(5, 3, 0), LgPos(5, 3, 41)),
    ]
    assert [each.record for each in found] == [first, MARK, second, MARK]
    assert [each.raw for each in found] == [first.pack(), MARK.pack(), second.pack(), MARK.pack()]


def test_a_record_in_two_pieces(log: Log) -> None:
    long = trace(1000)
    head, tail = in_pieces(long, 56)
    found = log.records(trace(4000).pack() + head, tail + MARK.pack())
    assert [each.pos for each in found] == [LgPos(5, 1, 0), LgPos(5, 1, 4040), LgPos(5, 2, 40 + len(tail))]
    assert found[1].record == long
    assert found[1].raw == long.pack()
    assert found[1].end == found[2].pos


def test_a_record_over_many_segments(log: Log) -> None:
    long = lr.Trace(0, bytes(range(256)) * 80)
    pieces = in_pieces(long, 4056)
    assert len(pieces) > 4
    (found,) = log.records(*pieces)
    assert found.record == long
    assert (found.pos, found.end) == (LgPos(5, 1, 0), LgPos(5, len(pieces), 40 + len(pieces[-1])))


def test_two_long_records_meet_in_one_segment(log: Log) -> None:
    one, two = trace(3000, b"1"), trace(3000, b"2")
    head, tail = in_pieces(one, 1056)
    room = 4056 - len(tail)
    head2, tail2 = in_pieces(two, room)
    found = log.records(trace(3000).pack() + head, tail + head2, tail2)
    assert [each.record for each in found[1:]] == [one, two]


def test_start_in_mid_log_passes_over_pieces(log: Log) -> None:
    head, tail = in_pieces(trace(1000), 56)
    segments = (trace(4000).pack() + head, tail + MARK.pack(), MARK.pack())
    at_two = log.records(*segments, start=LgPos(5, 2, 0))
    assert [each.pos for each in at_two] == [LgPos(5, 2, 40 + len(tail)), LgPos(5, 3, 0)]
    assert len(log.records(*segments, start=LgPos(5, 2, 40))) == 2
    assert next(each.pos for each in log.records(*segments, start=LgPos(5, 1, 4040))) == LgPos(5, 1, 4040)
    assert log.records(*segments, start=LgPos(5, 4, 0)) == []
    assert log.records(*segments, start=LgPos(6, 1, 0)) == []
    assert len(log.records(*segments, start=LgPos(4, 3, 0))) == 4


def test_three_spellings_of_one_place(log: Log) -> None:
    padded = trace(4040).pack()  # 16 bytes of padding follow
    with log.of(padded, MARK.pack()) as opened:
        for spelling in (LgPos(5, 1, 4080), LgPos(5, 1, 4090), LgPos(5, 2, 0), LgPos(5, 2, 40)):
            assert opened.canonical(spelling) == LgPos(5, 2, 0)
            assert [each.record for each in opened.records(spelling)] == [MARK]
        assert opened.canonical(LgPos(5, 1, 40)) == LgPos(5, 1, 0)
        assert opened.canonical(LgPos(6, 1, 4090)) == LgPos(6, 1, 4090)
        # The end of the last segment has no next one yet.
        assert opened.canonical(LgPos(5, 2, 4090)) == LgPos(5, 2, 4090)


def test_padding_is_left_out_wherever_it_stands(log: Log) -> None:
    found = log.records(MARK.pack() + bytes(10) + MARK.pack(), bytes(4056), MARK.pack())
    assert [each.pos for each in found] == [LgPos(5, 1, 0), LgPos(5, 1, 51), LgPos(5, 3, 0)]


def test_unfinished_record_at_the_end(log: Log) -> None:
    head, _ = in_pieces(trace(1000), 56)
    with log.of(trace(4000).pack() + head) as opened:
        assert len(list(opened.records())) == 1
        assert opened.unfinished == LgPos(5, 1, 4040)
        list(opened.records(LgPos(5, 2, 0)))
        assert opened.unfinished is None


@pytest.mark.parametrize("first", [lr.RecoveryUndo2(TIME), lr.RecoveryUndo()])
def test_recovery_goes_on_after_an_unfinished_record(log: Log, first: lr.Record) -> None:
    head, _ = in_pieces(trace(1000), 56)
    found = log.records(trace(4000).pack() + head, first.pack() + MARK.pack())
    assert [each.record for each in found[1:]] == [first, MARK]


def test_undo_information_in_pieces_after_an_unfinished_record(log: Log) -> None:
    head, _ = in_pieces(trace(1000), 56)
    info = lr.UndoInfo(5, 1, 2, -1, -1, 4, 1, 0, 4, 9, 8, 7, 2, 5000, 0, b"key", b"", bytes(5000))
    found = log.records(trace(4000).pack() + head, *in_pieces(info, 4056))
    assert [each.record for each in found[1:]] == [info]


def test_anything_else_after_an_unfinished_record_is_damage(log: Log) -> None:
    head, _ = in_pieces(trace(1000), 56)
    assert log.damage(trace(4000).pack() + head, MARK.pack()) == (2, 40)
    other, _ = in_pieces(trace(5000), 4056)
    assert log.damage(trace(4000).pack() + head, other) == (2, 40)


def test_pieces_in_wrong_places(log: Log) -> None:
    long = trace(1000)
    head, tail = in_pieces(long, 56)
    early = lr.FragmentBegin(1000, b"x" * 49).pack()
    start = trace(4000).pack()
    # The first piece must end its segment.
    assert log.damage(early + MARK.pack(), tail) == (1, 40)
    # A piece where none is expected.
    assert log.damage(MARK.pack(), tail) == (2, 40)
    # More than the record has.
    assert log.damage(start + head, lr.Fragment(b"x" * 2000).pack()) == (2, 40)
    # Not at the start of its segment.
    assert log.damage(start + head, lr.Fragment(b"x" * 10).pack() + lr.Fragment(b"x" * 10).pack()) == (2, 53)
    # The first piece must be less than the whole.
    assert log.damage(start + lr.FragmentBegin(49, b"x" * 49).pack()) == (1, 4040)


def test_an_immense_record_is_damage_at_once(log: Log) -> None:
    claim = lr.FragmentBegin(0xFFFFFFFF, b"\x16" * 49).pack()
    assert log.damage(trace(4000).pack() + claim) == (1, 4040)


def test_joined_pieces_must_be_one_record(log: Log) -> None:
    data = trace(1000).pack()
    head = lr.FragmentBegin(1001, data[:49]).pack()
    assert log.damage(trace(4000).pack() + head, lr.Fragment(data[49:] + b"\x17").pack()) == (1, 4040)
    wrong = lr.FragmentBegin(1000, b"\xff" + data[1:49]).pack()
    assert log.damage(trace(4000).pack() + wrong, lr.Fragment(data[49:]).pack()) == (1, 4040)


def test_damage_names_its_place(log: Log) -> None:
    assert log.damage(MARK.pack(), MARK.pack() * 3 + b"\xff") == (2, 43)
    assert log.damage(trace(4050).pack() + b"\x16\0\0\xff\0") == (1, 4090)


def test_records_before_a_damaged_segment_are_given(log: Log) -> None:
    with log.of(MARK.pack(), MARK.pack(), MARK.pack()) as opened:
        pass
    data = bytearray(log.path.read_bytes())
    data[2 * 4096 + 100 : 2 * 4096 + 200] = b"\xaa" * 100
    log.path.write_bytes(data)
    with LogFile.open(RealFileSystem(), str(log.path)) as opened:
        assert len(list(opened.records(strict=False))) == 1
        given: list[LogRecord] = []
        with pytest.raises(EseError, match="SegmentCorrupt"):
            given.extend(opened.records())
        with pytest.raises(EseError, match="no valid segment"):
            opened.segment(2)
