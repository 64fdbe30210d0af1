"""A place in a log stream that can be told from the same place in another stream, or in another future of this one.

A position says little: a log that was cut, or replaced by an older copy, grows through the same positions again with
other records.  So a mark also has what lies there: when its log was made, and a CRC32 of the records of its segment.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import EseError
from engine.format.segment import SEGMENT_HEADER_SIZE

if TYPE_CHECKING:
    from engine.log.stream import LogStream
    from engine.types import LgPos, LogTime


class LogMark(NamedTuple):
    """The end of what is durable.  `created` is that of its log, `check` the CRC32 of the segment's records so far.

    Offset 0: nothing of the segment was there, and `check` is 0.
    """

    position: LgPos
    created: LogTime
    check: int = 0


def reaches(stream: LogStream, mark: LogMark) -> bool:
    """Say whether a stream has what was durable when the mark was made; not when that part of it cannot be read."""
    generation, segment, offset = mark.position
    if stream.path(generation) is None:
        return False
    try:
        with stream.open(generation) as log:
            if log.header.created != mark.created or log.scan().last_valid_segment < segment - (not offset):
                return False
            return not offset or zlib.crc32(log.segment(segment)[SEGMENT_HEADER_SIZE:offset]) == mark.check
    except EseError:
        # Whether the damage matters is for those to say who read the log.
        return False
