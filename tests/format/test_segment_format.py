"""Segments: built, and the same bytes as Windows wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.checksum import segment_checksum
from engine.format.segment import (
    SEGMENT_PAYLOAD,
    SegmentHeader,
    build_partial_segment,
    build_segment,
    canonical_position,
    file_offset,
)
from engine.types import LgPos, LogTime

if TYPE_CHECKING:
    from pathlib import Path

TIME = LogTime(bytes((1, 2, 3, 4, 5, 126, 1, 0)))


def test_a_full_segment() -> None:
    block = build_segment(b"\x17" * SEGMENT_PAYLOAD, 5, 9, TIME)
    header = SegmentHeader.unpack(block)
    assert header.position == LgPos(5, 9, 0)
    assert header.started == TIME
    assert header.flags == 0x2000
    assert header.checksum == segment_checksum(block, 9)
    assert header.pack() == block[:40]


def test_a_partial_segment_is_written_twice() -> None:
    data = build_partial_segment(b"\x17", 5, 9, TIME)
    assert len(data) == 8192
    assert data[:4096] == data[4096:] == build_segment(b"\x17", 5, 9, TIME)
    assert not any(data[41:4096])


def test_too_many_records() -> None:
    with pytest.raises(EseError) as caught:
        build_segment(bytes(SEGMENT_PAYLOAD + 1), 5, 9, TIME)
    assert caught.value.code == Err.LogBufferTooSmall


def test_a_header_that_is_cut_off() -> None:
    with pytest.raises(EseError, match="-501"):
        SegmentHeader.unpack(bytes(39))
    with pytest.raises(EseError, match="-501"):
        SegmentHeader.unpack(bytes(100), 61)


def test_positions() -> None:
    assert file_offset(LgPos(1, 2, 0)) == file_offset(LgPos(1, 2, 40)) == 8232
    assert file_offset(LgPos(1, 2, 0x268)) == 8192 + 0x268
    assert canonical_position(LgPos(1, 2, 40)) == LgPos(1, 2, 0)
    assert canonical_position(LgPos(1, 2, 41)) == LgPos(1, 2, 41)


@pytest.mark.corpus
def test_windows_segments_are_rebuilt(corpus: Path) -> None:
    data = (corpus / "srum-win10-clean" / "SRU0001A.log").read_bytes()
    rebuilt = 0
    for segment in range(1, 15):
        block = data[segment * 4096 : (segment + 1) * 4096]
        header = SegmentHeader.unpack(block)
        if header.position.segment == segment:
            assert build_segment(block[40:], 0x1A, segment, header.started) == block
            rebuilt += 1
    assert rebuilt > 10
