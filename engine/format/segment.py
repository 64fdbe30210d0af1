"""LGSEGHDR: the segments of a log file.

With format 8 a log file is a sequence of segments of 4096 bytes.  Segment 0 is the file header; the last one is
never a segment of its own and only can hold the shadow of the one before it.  Each of the others begins with::

    0 checksum (u64)   8 lgposSegment (offset 0, own segment, own generation)   16 logtimeSegmentStart
    24 reserved (12)   36 flags (u32; 0x2000: checksum of the new kind)         40 records, 4056 bytes

A segment that is written before it is full is written twice: in its place, and the same bytes again in the
place after it (the shadow).  So at any crash one of the two is right.
Source: log reference 1.5, 1.7, 6.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.checksum import SEGMENT_SIZE, set_batch_checksums, set_segment_checksum
from engine.types import LgPos, LogTime

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "NOP_PADDING_LIMIT",
    "SEGMENT_HEADER_SIZE",
    "SEGMENT_PAYLOAD",
    "SEGMENT_SIZE",
    "SegmentHeader",
    "build_partial_segment",
    "build_segment",
    "build_segments",
    "canonical_position",
    "file_offset",
]

SEGMENT_HEADER_SIZE: Final = 40
SEGMENT_PAYLOAD: Final = SEGMENT_SIZE - SEGMENT_HEADER_SIZE
"""Bytes of records in one segment."""
NOP_PADDING_LIMIT: Final = 32
"""With fewer bytes than this left, a segment is padded rather than ended with a fragment."""

_NEW_CHECKSUM: Final = 0x2000
_BATCH: Final = 64
"""From so many segments on, summing them up together is worth the loading of what does it."""
_LAYOUT = struct.Struct("<Q8s8s12sI")


class SegmentHeader(NamedTuple):
    """The first 40 bytes of a segment."""

    checksum: int
    position: LgPos
    started: LogTime
    flags: int = _NEW_CHECKSUM
    reserved: bytes = bytes(12)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> SegmentHeader:
        """Read the header at `at`; -501 when it is cut off."""
        if len(data) - at < SEGMENT_HEADER_SIZE:
            raise EseError.from_code(Err.LogFileCorrupt, "segment header cut off", offset=at)
        checksum, position, started, reserved, flags = _LAYOUT.unpack_from(data, at)
        return cls(checksum, LgPos.unpack(position), LogTime(started), flags, reserved)

    def pack(self) -> bytes:
        """Return the 40 bytes."""
        return _LAYOUT.pack(self.checksum, self.position.pack(), self.started.raw, self.reserved, self.flags)


def build_segment(records: bytes | bytearray | memoryview, generation: int, segment: int, started: LogTime) -> bytes:
    """Return the segment with these records, the rest zero (NOP), and its checksum.

    `records` has at most 4056 bytes.  `started` is the time when the first record of the segment was written.
    """
    if len(records) > SEGMENT_PAYLOAD:
        raise EseError.from_code(Err.LogBufferTooSmall, f"{len(records)} bytes of records for one segment")
    block = bytearray(SEGMENT_SIZE)
    block[:SEGMENT_HEADER_SIZE] = SegmentHeader(0, LgPos(generation, segment, 0), started).pack()
    block[SEGMENT_HEADER_SIZE : SEGMENT_HEADER_SIZE + len(records)] = records
    set_segment_checksum(block, segment)
    return bytes(block)


def build_segments(
    pieces: Sequence[tuple[bytes | bytearray | memoryview, LogTime]], generation: int, first: int
) -> bytearray:
    """Return neighbouring segments from `first` on, each given as (records, time of the first record)."""
    buffer = bytearray(SEGMENT_SIZE * len(pieces))
    for index, (records, started) in enumerate(pieces):
        if len(records) > SEGMENT_PAYLOAD:
            raise EseError.from_code(Err.LogBufferTooSmall, f"{len(records)} bytes of records for one segment")
        at = index * SEGMENT_SIZE
        header = SegmentHeader(0, LgPos(generation, first + index, 0), started).pack()
        buffer[at : at + SEGMENT_HEADER_SIZE + len(records)] = header + records
    if len(pieces) < _BATCH:
        for index in range(len(pieces)):
            block = memoryview(buffer)[index * SEGMENT_SIZE : (index + 1) * SEGMENT_SIZE]
            set_segment_checksum(block, first + index)
    else:
        # A segment is summed up as a page of its size is.
        set_batch_checksums(buffer, first, SEGMENT_SIZE)
    return buffer


def build_partial_segment(
    records: bytes | bytearray | memoryview, generation: int, segment: int, started: LogTime
) -> bytes:
    """Return segment and shadow, 8192 bytes that go to the file in one write at the place of `segment`."""
    return build_segment(records, generation, segment, started) * 2


def file_offset(position: LgPos) -> int:
    """Return the byte of the file where the record at `position` starts; offset 0 means behind the header."""
    return position.segment * SEGMENT_SIZE + max(position.offset, SEGMENT_HEADER_SIZE)


def canonical_position(position: LgPos) -> LgPos:
    """Return the spelling that the engine stores: the first record of a segment has offset 0, not 40."""
    return position._replace(offset=0) if position.offset <= SEGMENT_HEADER_SIZE else position


assert _LAYOUT.size == SEGMENT_HEADER_SIZE  # noqa: S101 - the layout is checked once, at import
