"""One generation being written: segments go to the file so that a crash never loses what was acknowledged.

A segment that is written before it is full is written again later, so it is kept twice: in its place and, the
same bytes, in the place behind it (its shadow).  The two are never in flight together:

    first write of a segment    shadow, fsync, real, fsync
    writing it again            real, fsync, shadow, fsync

Whatever a crash tears - the file system may keep any subset of the sectors of the write in flight - the other
copy is whole: a torn real segment is restored from its shadow, and a torn shadow stands behind a segment that
is right or behind nothing, and says nothing.  `engine.log.tail` clears such leftovers at the next start.
Source: log reference 1.5-1.7, 6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.format.segment import SEGMENT_SIZE, build_segment

if TYPE_CHECKING:
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

    def store(self, segment: int, records: bytes | bytearray | memoryview, started: LogTime) -> None:
        """Make the records of `segment` durable; the rest of the segment is zero, which reads as padding."""
        block = build_segment(records, self.header.generation, segment, started)
        places = [segment, segment + 1] if segment in self._checksums else [segment + 1, segment]
        for place in places:
            self._file.write_at(place * SEGMENT_SIZE, block)
            # One copy must be whole on the disk before the other one is touched.
            self._file.fsync()
        self._checksums[segment] = int.from_bytes(block[:8], "little")

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()
