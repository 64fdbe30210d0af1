"""XPRESS, the plain LZ77 form (MS-XCA 2.3): decompression.

    u32 flags, highest bit first: 0 = the next byte is a literal, 1 = a match follows
    match: u16, bits 0-2 length, bits 3-15 distance - 1
           length 7: + 4 bits, taken from the lower, then the upper half of a byte shared by two matches
           15 there: + u8; 255 there: u16 instead of the sum; 0 there: u32
           all lengths count from 3

Page images in log records, and columns and long values marked as XPRESS, are packed like this.
Source: database reference 6.7; log reference 2.10.
"""

from __future__ import annotations

import struct
from typing import Final

from engine.errors import Err, EseError

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_SHORTEST: Final = 3
_LENGTH_MASK: Final = 7
_NIBBLE: Final = 15
_BYTE: Final = 255
_DISTANCE_SHIFT: Final = 3


def decompress(data: bytes, size: int) -> bytes:
    """Return the `size` bytes that `data` holds; -1620 when it holds fewer, or points outside itself."""
    try:
        out = _decompress(data, size)
    except (IndexError, struct.error):
        raise EseError.from_code(Err.DecompressionFailed, f"packed data of {len(data)} bytes ends early") from None
    if len(out) != size:
        raise EseError.from_code(Err.DecompressionFailed, f"{len(out)} bytes where {size} were promised")
    return bytes(out)


def _decompress(data: bytes, size: int) -> bytearray:
    out = bytearray()
    at = shared = 0
    flags = bits = 0
    while len(out) < size:
        if not bits:
            flags, bits = _U32.unpack_from(data, at)[0], 32
            at += 4
        bits -= 1
        if not flags >> bits & 1:
            out.append(data[at])
            at += 1
            continue
        if at == len(data):
            break
        match = _U16.unpack_from(data, at)[0]
        at += 2
        length, distance = match & _LENGTH_MASK, (match >> _DISTANCE_SHIFT) + 1
        if length == _LENGTH_MASK:
            if shared:
                length, shared = data[shared] >> 4, 0
            else:
                length, shared = data[at] & _NIBBLE, at
                at += 1
            if length == _NIBBLE:
                length, at = _long_length(data, at)
            length += _LENGTH_MASK
        _copy(out, distance, min(length + _SHORTEST, size - len(out)))
    return out


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Return (length above 7, next offset) of a match whose four bits are all set."""
    length = data[at]
    at += 1
    if length < _BYTE:
        return length + _NIBBLE, at
    length = _U16.unpack_from(data, at)[0]
    at += 2
    if not length:
        length = _U32.unpack_from(data, at)[0]
        at += 4
    if length < _NIBBLE + _LENGTH_MASK:
        raise EseError.from_code(Err.DecompressionFailed, f"a match of {length} bytes in the long form")
    return length - _LENGTH_MASK, at


def _copy(out: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes from `distance` back; they may overlap what is being written."""
    start = len(out) - distance
    if start < 0:
        raise EseError.from_code(Err.DecompressionFailed, f"a match {distance} back from byte {len(out)}")
    if distance >= length:
        out += out[start : start + length]
        return
    piece = bytes(out[start:])
    out += (piece * (length // distance + 1))[:length]
