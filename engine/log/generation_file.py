"""One generation being written: segments go to the file so that a crash never loses what was acknowledged.

A segment that is written before it is full is written again later, so it is kept twice: in its place and, the
same bytes, in the place behind it (its shadow).  The two are never in flight together:

    first write of a segment    shadow, fsync, real, fsync
    writing it again            real, fsync, shadow; the fsync for that comes before the next write (`settle`)

What the real segment holds is durable then: the shadow is for the write that will come over it.

When several segments go to the file at once, the shadow of the next one is in flight together with the real one of
this: between them lies the finished shadow of this one, so either can be told apart from the other.

    three new segments a b c    a's shadow, fsync, a + b's shadow, fsync, b + c's shadow, fsync, c, fsync

That is one fsync a segment.  Many go together, behind a mark that says so: the first sector of the first of them,
but for its first 16 bytes, which name the segment before it, and the last that is in flight.  A place that names
the segment before it is that one's shadow, or nothing.

    many new segments a .. z    mark in a's place, fsync, rest of a + b .. z + z's shadow, fsync, a's sector, fsync

Whatever a crash tears - the file system may keep any subset of the sectors of the write in flight - the other
copy is whole: a torn real segment is restored from its shadow, and a torn shadow stands behind a segment that
is right or behind nothing, and says nothing.  Behind a mark nothing was acknowledged.  `engine.log.tail` clears such
leftovers at the next start.
Source: log reference 1.5-1.7, 6.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from engine.format.segment import SEGMENT_SIZE, build_segment, build_segments
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.files.base import File
    from engine.format.logheader import LogHeader
    from engine.types import LogTime

_SECTOR: Final = 512
"""Bytes that a disk writes whole or not at all."""
_FEW: Final = 4
"""So many segments are written one by one: for more a mark costs less."""
_PIECE: Final = 1024 * 1024
"""Bytes written in one call."""
_MARK = struct.Struct("<II8s")
_MAGIC: Final = 0x4D4B5246


def _mark_of(block: memoryview, generation: int, segment: int, last: int) -> bytes:
    """Return the sector that stands in the place of `segment` while it and those up to `last` are in flight."""
    before = LgPos(generation, segment - 1, 0)
    return _MARK.pack(_MAGIC, last, before.pack()) + bytes(block[_MARK.size : _SECTOR])


def marked_last(block: bytes, generation: int, segment: int) -> int | None:
    """Return the last segment in flight by the mark in the place of `segment`; None when there is no mark."""
    magic, last, before = _MARK.unpack_from(block)
    return last if magic == _MAGIC and LgPos.unpack(before) == LgPos(generation, segment - 1, 0) else None


def _checksum_of(block: bytes | memoryview) -> int:
    """Return the checksum that a segment bears."""
    return int.from_bytes(block[:8], "little")


class GenerationFile:
    """The current log file, opened for writing.  Not locked: the writer that owns it is."""

    def __init__(self, file: File, header: LogHeader, *, accumulated: int = 0) -> None:
        """`accumulated` is the XOR of the checksums of the segments that are in the file already."""
        self._file = file
        self.header = header
        self._before = accumulated
        self._checksums: dict[int, int] = {}
        self.settled = True
        """Whether the shadow that was written last is durable."""

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return self._file.path

    @property
    def last_segment(self) -> int:
        """Last segment that may hold records; the one behind it only can hold its shadow."""
        return self.header.file_segments - 2

    @property
    def accumulated(self) -> int:
        """XOR of the checksums of all segments written, the shadows not counted: the next header carries it."""
        value = self._before
        for checksum in self._checksums.values():
            value ^= checksum
        return value

    def store(self, segments: Sequence[tuple[int, bytes | bytearray | memoryview, LogTime]]) -> None:
        """Make neighbouring segments durable, given as (number, records, time of the first record).

        The rest of a segment is zero, which reads as padding.  Only the first can be in the file already.
        """
        if not segments:
            return
        self.settle()
        if len(segments) <= _FEW:
            self._store_each(segments)
            return
        if segments[0][0] in self._checksums:
            number, block = self._built(*segments[0])
            self._write(number, block)
            # The segment is right before its shadow gives way to the mark.
            self._file.fsync()
            self._checksums[number] = _checksum_of(block)
            segments = segments[1:]
        self._store_marked(segments)

    def _built(self, number: int, records: bytes | bytearray | memoryview, started: LogTime) -> tuple[int, bytes]:
        return number, build_segment(records, self.header.generation, number, started)

    def _store_each(self, segments: Sequence[tuple[int, bytes | bytearray | memoryview, LogTime]]) -> None:
        """Write segments one by one."""
        blocks = [self._built(*each) for each in segments]
        first, block = blocks[0]
        again = first in self._checksums
        if not again:
            self._write(first + 1, block)
            # One copy must be whole on the disk before the other one is touched.
            self._file.fsync()
        for index, (number, real) in enumerate(blocks):
            self._write(number, real)
            if index + 1 < len(blocks):
                self._write(number + 2, blocks[index + 1][1])
            # The same, for this segment and for the one that comes next.
            self._file.fsync()
            self._checksums[number] = _checksum_of(real)
        if again and len(blocks) == 1:
            self._write(first + 1, block)
            self._file.start_writeback((first + 1) * SEGMENT_SIZE, SEGMENT_SIZE)
            self.settled = False

    def settle(self) -> None:
        """Make the last shadow durable: from then on its segment can be written again."""
        if not self.settled:
            # The shadow is whole before the segment is written another time.
            self._file.fsync()
            self.settled = True

    def _store_marked(self, segments: Sequence[tuple[int, bytes | bytearray | memoryview, LogTime]]) -> None:
        """Write many segments, none of which is in the file, behind a mark."""
        first, last = segments[0][0], segments[-1][0]
        generation = self.header.generation
        whole = memoryview(build_segments([each[1:] for each in segments], generation, first))
        at = first * SEGMENT_SIZE
        self._file.write_at(at, _mark_of(whole, generation, first, last))
        # It says that what is behind it was not acknowledged, before anything is behind it.
        self._file.fsync()
        for start in range(_SECTOR, len(whole), _PIECE):
            self._file.write_at(at + start, whole[start : start + _PIECE])
        self._write(last + 1, whole[-SEGMENT_SIZE:])
        # Everything is there before the mark gives way.
        self._file.fsync()
        self._file.write_at(at, whole[:_SECTOR])
        # This sector makes all of them part of the log.
        self._file.fsync()
        for number in range(first, last + 1):
            self._checksums[number] = _checksum_of(whole[(number - first) * SEGMENT_SIZE :])

    def _write(self, segment: int, data: bytes | memoryview) -> None:
        self._file.write_at(segment * SEGMENT_SIZE, data)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()
