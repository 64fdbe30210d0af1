"""The difference that a ReplaceD record carries instead of the new data.

    small form (pages up to 8 KiB)   u16: bits 0-12 offset, 0x2000 same length, 0x4000 insert, 0x8000 two-byte lengths
    large form                       u16 offset, u8: 0x20 same length, 0x40 insert, 0x80 two-byte lengths
    then                             length of the new bytes; unless insert or same length: of the old bytes
                                     the new bytes

Offsets count in the old data and ascend.  Source: log reference 2.6.
"""

from __future__ import annotations

from typing import Final

from engine.errors import Err, EseError

_SAME: Final = 0x20
_INSERT: Final = 0x40
_WIDE: Final = 0x80
_OFFSET_MASK: Final = 0x1FFF


def apply_diff(old: bytes, diff: bytes, *, large: bool) -> bytes:
    """Return the new data; -501 when the difference leaves the old data or itself."""
    pieces: list[bytes] = []
    done = at = 0
    size = len(diff)
    head = 3 if large else 2
    while at < size:
        if at + head > size:
            raise _corrupt(at)
        offset = diff[at] | diff[at + 1] << 8
        if large:
            kind = diff[at + 2]
        else:
            kind, offset = offset >> 8 & (_SAME | _INSERT | _WIDE), offset & _OFFSET_MASK
        at += head
        width = 2 if kind & _WIDE else 1
        new = int.from_bytes(diff[at : at + width], "little")
        at += width
        if kind & _INSERT:
            gone = 0
        elif kind & _SAME:
            gone = new
        else:
            gone = int.from_bytes(diff[at : at + width], "little")
            at += width
        if offset < done or offset + gone > len(old) or at + new > size:
            raise _corrupt(at)
        pieces += (old[done:offset], diff[at : at + new])
        at += new
        done = offset + gone
    pieces.append(old[done:])
    return b"".join(pieces)


def _corrupt(at: int) -> EseError:
    return EseError.from_code(Err.LogFileCorrupt, f"a ReplaceD difference makes no sense at its byte {at}")
