"""One generation being written: segments go to the file so that a crash never loses what was acknowledged.

A segment that is written before it is full is written again later, so it is kept twice: in its place and, the
same bytes, in the place behind it (its shadow).  The two are never in flight together:

    first write of a segment    shadow, fsync, real, fsync
    writing it again            real, fsync, shadow, fsync

When several segments go to the file at once, the shadow of the next one is in flight together with the real one of
this: between them lies the finished shadow of this one, so either can be told apart from the other.

    three new segments a b c    a's shadow, fsync, a + b's shadow, fsync, b + c's shadow, fsync, c, fsync

Whatever a crash tears - the file system may keep any subset of the sectors of the write in flight - the other
copy is whole: a torn real segment is restored from its shadow, and a torn shadow stands behind a segment that
is right or behind nothing, and says nothing.  `engine.log.tail` clears such leftovers at the next start.
Source: log reference 1.5-1.7, 6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.format.segment import SEGMENT_SIZE, build_segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.files.base import File
    from engine.format.logheader import LogHeader
    from engine.types import LogTime


class GenerationFile:
    """The current log file, opened for writing.  Not locked: the writer that owns it is."""

    def __init__(self, file: File, header: LogHeader, *, accumulated: int = 0) -> None:
        """`accumulated` is the XOR of the checksums of the segments that are in the file already."""
        self._file = file
        self.header = header
        self._before = accumulated
        self._checksums: dict[int, int] = {}

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
        generation = self.header.generation
        blocks = [
            (number, build_segment(records, generation, number, started)) for number, records, started in segments
        ]
        first, block = blocks[0]
        again = first in self._checksums
        if not again:
            self._file.write_at((first + 1) * SEGMENT_SIZE, block)
            # One copy must be whole on the disk before the other one is touched.
            self._file.fsync()
        for index, (number, real) in enumerate(blocks):
            self._file.write_at(number * SEGMENT_SIZE, real)
            if index + 1 < len(blocks):
                self._file.write_at((number + 2) * SEGMENT_SIZE, blocks[index + 1][1])
            # The same, for this segment and for the one that comes next.
            self._file.fsync()
            self._checksums[number] = int.from_bytes(real[:8], "little")
        if again and len(blocks) == 1:
            self._file.write_at((first + 1) * SEGMENT_SIZE, block)
            # The shadow is whole before the segment is written another time.
            self._file.fsync()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()
