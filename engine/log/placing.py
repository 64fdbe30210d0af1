"""How far records reach: where a record ends that is placed in the segments of a log.

Source: log reference 1.9.
"""

from __future__ import annotations

from engine.format.lr.control import Fragment, FragmentBegin
from engine.format.segment import NOP_PADDING_LIMIT, SEGMENT_HEADER_SIZE, SEGMENT_PAYLOAD, SEGMENT_SIZE


def end_of(segment: int, used: int, length: int) -> tuple[int, int]:
    """Return segment and bytes used in it after a record of `length` placed behind `used` bytes of `segment`."""
    room = SEGMENT_PAYLOAD - used
    if length > room and room < NOP_PADDING_LIMIT:
        segment, used, room = segment + 1, 0, SEGMENT_PAYLOAD
    if length <= room:
        return segment, used + length
    rest = length - (room - FragmentBegin.HEADER_SIZE)
    whole, left = divmod(rest - 1, SEGMENT_PAYLOAD - Fragment.HEADER_SIZE)
    return segment + 1 + whole, Fragment.HEADER_SIZE + left + 1


assert SEGMENT_SIZE == SEGMENT_HEADER_SIZE + SEGMENT_PAYLOAD  # noqa: S101 - the layout is checked once, at import
