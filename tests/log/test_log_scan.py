"""The rules by which a log ends, each row of the table with a log made for it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbms_param import DbmsParam
from engine.format.logheader import LogHeader, LogHeaderExpectation
from engine.format.segment import build_partial_segment, build_segment
from engine.format.versions import LOG_VERSION_MAX, LogVersion
from engine.log.reader import LogFile
from engine.log.scan import FindingKind, LogScan, Situation
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))
SIGN = Signature(4711, TIME)
NOISE = random.Random(1).randbytes(4096)  # noqa: S311 - the same noise each time
SEGMENTS = 12
GENERATION = 5


def header(**changes: object) -> LogHeader:
    made = LogHeader.create(
        generation=GENERATION,
        file_segments=SEGMENTS,
        page_size=4096,
        created=TIME,
        signature=SIGN,
        version=LOG_VERSION_MAX,
        engine_version=9600,
        dbms_param=DbmsParam(),
    )
    return made.replace(**changes)


def full(segment: int, generation: int = GENERATION, filler: int = 0x17) -> bytes:
    return build_segment(bytes([filler]) * 4056, generation, segment, TIME)


class Made:
    """A log under construction: header, then segments, then zeros."""

    def __init__(self, **changes: object) -> None:
        made = header(**changes)
        self.data = bytearray(made.pack().ljust(SEGMENTS * 4096, b"\0"))

    def put(self, segment: int, block: bytes) -> Made:
        self.data[segment * 4096 : segment * 4096 + len(block)] = block
        return self

    def fill(self, last: int) -> Made:
        for segment in range(1, last + 1):
            self.put(segment, full(segment))
        return self

    def flip(self, bit: int, segment: int) -> Made:
        self.data[segment * 4096 + bit // 8] ^= 1 << bit % 8
        return self

    def spoil(self, segment: int) -> Made:
        # Not a pattern: the checksum is blind to many a regular one.
        return self.put(segment, bytes(self.data[segment * 4096 : segment * 4096 + 2000]) + NOISE[:2096])


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Made], LogFile]:
    def make(made: Made) -> LogFile:
        path = tmp_path / "edb.log"
        path.write_bytes(made.data)
        return LogFile.open(RealFileSystem(), str(path))

    return make


@pytest.fixture
def scanned(opened: Callable[[Made], LogFile]) -> Callable[[Made], LogScan]:
    def make(made: Made) -> LogScan:
        with opened(made) as log:
            return log.scan()

    return make


def checksums(made: Made, last: int) -> int:
    total = 0
    for segment in range(1, last + 1):
        total ^= int.from_bytes(made.data[segment * 4096 : segment * 4096 + 8], "little")
    return total


def test_nothing_in_it(scanned: Callable[[Made], LogScan]) -> None:
    scan = scanned(Made())
    assert (scan.last_valid_segment, scan.first_empty_segment, scan.accumulated_checksum) == (0, 1, 0)
    assert (scan.empty, scan.full, scan.ok, scan.torn) == (True, False, True, False)


def test_half_full(scanned: Callable[[Made], LogScan]) -> None:
    made = Made().fill(4)
    scan = scanned(made)
    assert (scan.last_valid_segment, scan.first_empty_segment) == (4, 5)
    assert scan.accumulated_checksum == checksums(made, 4)
    assert not scan.findings


def test_full_to_the_last_but_one(scanned: Callable[[Made], LogScan]) -> None:
    made = Made().fill(SEGMENTS - 2)
    scan = scanned(made)
    assert (scan.last_valid_segment, scan.first_empty_segment, scan.full) == (SEGMENTS - 2, None, True)
    assert scan.accumulated_checksum == checksums(made, SEGMENTS - 2)


def test_the_last_segment_is_never_looked_at(scanned: Callable[[Made], LogScan]) -> None:
    assert scanned(Made().fill(3).put(SEGMENTS - 1, NOISE)).ok
    assert scanned(Made().fill(SEGMENTS - 1)).last_valid_segment == SEGMENTS - 2


def test_partial_segment_with_its_shadow(scanned: Callable[[Made], LogScan]) -> None:
    made = Made().fill(3).put(4, build_partial_segment(b"\x17", GENERATION, 4, TIME))
    scan = scanned(made)
    assert (scan.last_valid_segment, scan.first_empty_segment) == (4, 5)
    assert scan.accumulated_checksum == checksums(made, 4)
    assert not scan.findings


def test_shadow_in_the_very_last_place(scanned: Callable[[Made], LogScan]) -> None:
    last = SEGMENTS - 2
    made = Made().fill(last - 1).put(last, build_partial_segment(b"\x17", GENERATION, last, TIME))
    assert scanned(made).last_valid_segment == last


def test_stale_segments_of_a_reused_file(scanned: Callable[[Made], LogScan]) -> None:
    made = Made().fill(3)
    for segment in range(4, SEGMENTS - 1):
        made.put(segment, full(segment, GENERATION - 3))
    scan = scanned(made)
    assert (scan.last_valid_segment, scan.first_empty_segment) == (3, 4)
    assert scan.accumulated_checksum == checksums(made, 3)
    assert scan.ok


def test_segment_of_a_later_generation(scanned: Callable[[Made], LogScan]) -> None:
    scan = scanned(Made().fill(3).put(4, full(4, GENERATION + 1)))
    assert scan.corruption is not None
    assert (scan.corruption.kind, scan.corruption.segment) == (FindingKind.BAD_POSITION, 4)
    assert scan.last_valid_segment == 3


def test_valid_after_empty(scanned: Callable[[Made], LogScan]) -> None:
    scan = scanned(Made().fill(3).put(6, full(6)))
    assert scan.corruption is not None
    assert (scan.corruption.kind, scan.corruption.segment) == (FindingKind.VALID_AFTER_EMPTY, 6)
    assert scan.last_valid_segment == 3


def test_damage_after_empty(scanned: Callable[[Made], LogScan]) -> None:
    scan = scanned(Made().fill(3).put(6, NOISE))
    assert scan.corruption is not None
    assert (scan.corruption.kind, scan.corruption.offset) == (FindingKind.CORRUPT_AFTER_EMPTY, 6 * 4096)


def test_plain_damage(scanned: Callable[[Made], LogScan]) -> None:
    made = Made().fill(5).spoil(3)
    scan = scanned(made)
    assert scan.corruption is not None
    assert (scan.corruption.kind, scan.corruption.segment) == (FindingKind.SEGMENT_CORRUPT, 3)
    assert scan.corruption.stored != scan.corruption.computed
    assert scan.accumulated_checksum == checksums(made, 2)
    error = scan.error("edb.log")
    assert error is not None
    assert (error.code, error.generation, error.segment, error.offset) == (Err.LogFileCorrupt, 5, 3, 12288)
    with pytest.raises(EseError, match="-573"):
        scan.raise_if_corrupt("edb.log", Situation.HARD_RESTORE)
    with pytest.raises(EseError, match="-574"):
        scan.raise_if_corrupt("edb.log", Situation.HARD_RECOVERY)


def test_torn_write_is_mended_from_the_shadow(opened: Callable[[Made], LogFile]) -> None:
    partial = build_partial_segment(b"\x17\x17", GENERATION, 4, TIME)
    made = Made().fill(3).put(4, partial)
    wanted = checksums(made, 4)
    made.spoil(4)
    with opened(made) as log:
        scan = log.scan()
        assert (scan.ok, scan.torn, scan.last_valid_segment, scan.first_empty_segment) == (True, True, 4, 5)
        assert scan.accumulated_checksum == wanted
        assert [finding.event_id for finding in scan.findings] == [466]
        assert log.segment(4) == partial[:4096]
        assert list(log.patches()) == [(4 * 4096, partial[:4096])]
        assert sum(1 for _ in log.records()) == 3 * 4056 + 2
    for situation, code in ((Situation.NORMAL, None), (Situation.HARD_RESTORE, -570), (Situation.HARD_RECOVERY, -571)):
        error = scan.error("edb.log", situation)
        assert (None if error is None else error.code) == code


def test_torn_write_with_something_valid_behind_it(scanned: Callable[[Made], LogScan]) -> None:
    partial = build_partial_segment(b"\x17", GENERATION, 4, TIME)
    scan = scanned(Made().fill(3).put(4, partial).spoil(4).put(6, full(6)))
    assert scan.torn
    assert scan.corruption is not None
    assert scan.corruption.kind is FindingKind.VALID_AFTER_EMPTY


def test_the_shadow_of_another_generation_does_not_mend(scanned: Callable[[Made], LogScan]) -> None:
    stale = build_partial_segment(b"\x17", GENERATION - 1, 4, TIME)
    scan = scanned(Made().fill(3).put(4, stale).spoil(4))
    assert scan.corruption is not None
    assert scan.corruption.kind is FindingKind.SEGMENT_CORRUPT


def test_the_header_has_no_shadow(scanned: Callable[[Made], LogScan]) -> None:
    scan = scanned(Made().put(1, full(0)))
    assert scan.corruption is not None
    assert (scan.corruption.kind, scan.corruption.segment) == (FindingKind.SEGMENT_CORRUPT, 1)


@pytest.mark.parametrize("bit", [64, 300, 500, 4096 * 8 - 1])
def test_one_wrong_bit_is_put_right(opened: Callable[[Made], LogFile], bit: int) -> None:
    made = Made().fill(5)
    wanted = checksums(made, 5)
    good = bytes(made.data[3 * 4096 : 4 * 4096])
    with opened(made.flip(bit, 3)) as log:
        scan = log.scan()
        assert (scan.ok, scan.torn, scan.last_valid_segment) == (True, False, 5)
        assert scan.accumulated_checksum == wanted
        assert [(finding.kind, finding.segment, finding.bit, finding.event_id) for finding in scan.findings] == [
            (FindingKind.CORRECTED, 3, bit, 554),
        ]
        assert log.segment(3) == good
        assert list(log.patches()) == [(3 * 4096, good)]


def test_the_bit_that_says_which_checksum_is_not_corrected(scanned: Callable[[Made], LogScan]) -> None:
    assert not scanned(Made().fill(5).flip(301, 3)).ok


def test_two_wrong_bits_are_damage(scanned: Callable[[Made], LogScan]) -> None:
    assert not scanned(Made().fill(5).flip(500, 3).flip(900, 3)).ok


def test_a_wrong_bit_in_a_shadow_is_harmless(scanned: Callable[[Made], LogScan]) -> None:
    partial = build_partial_segment(b"\x17", GENERATION, 4, TIME)
    scan = scanned(Made().fill(3).put(4, partial).flip(500, 5))
    assert (scan.ok, scan.last_valid_segment, scan.first_empty_segment) == (True, 4, 5)
    assert [finding.segment for finding in scan.findings] == [5]


def test_a_wrong_bit_in_both_copies_of_the_last(opened: Callable[[Made], LogFile]) -> None:
    partial = build_partial_segment(b"\x17", GENERATION, 4, TIME)
    with opened(Made().fill(3).put(4, partial).spoil(4).flip(500, 5)) as log:
        assert log.scan().torn
        assert log.segment(4) == partial[:4096]


def test_file_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "edb.log"
    for size, last, segment in ((3 * 4096, 2, 3), (3 * 4096 + 100, 2, 3), (4096, 0, 1)):
        path.write_bytes(Made().fill(5).data[:size])
        with LogFile.open(RealFileSystem(), str(path)) as log:
            scan = log.scan()
        assert scan.last_valid_segment == last
        assert scan.corruption is not None
        assert (scan.corruption.kind, scan.corruption.segment) == (FindingKind.FILE_CUT_OFF, segment)


def test_fill_pattern_of_old_logs(scanned: Callable[[Made], LogScan]) -> None:
    pattern = bytes(range(16)) * 256
    old = Made(version=LogVersion(8, 4000, 1, 0)).fill(2)
    for segment in range(3, SEGMENTS):
        old.put(segment, pattern)
    assert scanned(old).last_valid_segment == 2
    assert not scanned(Made().fill(2).put(3, pattern)).ok


def test_many_batches(tmp_path: Path) -> None:
    path = tmp_path / "edb.log"
    count = 600
    blocks = [build_segment(b"\x17", GENERATION, segment, TIME) for segment in range(1, count + 1)]
    data = header(file_segments=700).pack() + b"".join(blocks)
    path.write_bytes(data.ljust(700 * 4096, b"\0"))
    with LogFile.open(RealFileSystem(), str(path)) as log:
        assert log.scan().last_valid_segment == count
        positions = [each.pos for each in log.records()]
    assert positions == [LgPos(GENERATION, segment, 0) for segment in range(1, count + 1)]


def test_opening_checks_the_generation_and_what_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "edb.log"
    path.write_bytes(Made().data)
    fs = RealFileSystem()
    with pytest.raises(EseError) as caught:
        LogFile.open(fs, str(path), 6)
    assert (caught.value.code, caught.value.path) == (Err.LogGenerationMismatch, str(path))
    with pytest.raises(EseError, match="-530"):
        LogFile.open(fs, str(path), 5, expect=LogHeaderExpectation(signature=Signature(1)))
    with pytest.raises(EseError, match="-1811"):
        LogFile.open(fs, str(tmp_path / "edb00001.log"))


def test_how_the_log_ended(opened: Callable[[Made], LogFile]) -> None:
    init = lr.Init2(DbmsParam(), TIME).pack()
    term = lr.Term2(LgPos(5, 1, 0), time=TIME).pack()
    filler = lr.NOP2.create(100).pack()
    cases = [
        (init + term, LgPos(5, 1, 40 + len(init))),
        (term + filler, LgPos(5, 1, 0)),
        (term + lr.ShutDownMark().pack(), None),
        (init, None),
    ]
    for records, expected in cases:
        with opened(Made().put(1, build_segment(records, GENERATION, 1, TIME))) as log:
            assert log.quit_position() == expected
    with opened(Made()) as log:
        assert log.quit_position() is None
