"""Packed column values: what the engine stores for columns marked as compressed, unpacked, and 7-bit texts packed.

    first byte, bits 3-7   1  7-bit ASCII       bits 0-2: bits used in the last byte - 1; values packed from bit 0 up
                           2  7-bit Unicode     the same, each value followed by a zero byte
                           3  XPRESS            u16 size, then plain LZ77
                           4  scrubbed          reads as a zero-length value
                           5, 6, 7              XPRESS9, XPRESS10, LZ4: refused

Packing tries 7-bit Unicode, then 7-bit ASCII, as the engine does where XPRESS does not gain more.

Intrinsic values say in their header byte that they are packed; a long-value chunk is packed when it is shorter than
its share of the value.

Source: database reference 6.7.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from engine.errors import Err, EseError
from engine.format.xpress import decompress as expand_xpress

_SCHEME_SHIFT: Final = 3
_ASCII_7: Final = 1
_UNICODE_7: Final = 2
_XPRESS: Final = 3
_SCRUBBED: Final = 4
_XPRESS_HEAD: Final = 3
_MOST_SPREAD: Final = 512
_NOT_READ: Final = {5: "XPRESS9", 6: "XPRESS10", 7: "LZ4"}
_SIZE = struct.Struct("<H")


def unpack_value(data: bytes) -> bytes:
    """Return the value of packed bytes; -1620 when they are broken or of a scheme that is not read."""
    if not data:
        raise EseError.from_code(Err.DecompressionFailed, "no byte to tell the scheme")
    scheme = data[0] >> _SCHEME_SHIFT
    if scheme == _ASCII_7:
        return _seven_bits(data)
    if scheme == _UNICODE_7:
        narrow = _seven_bits(data)
        wide = bytearray(2 * len(narrow))
        wide[::2] = narrow
        return bytes(wide)
    if scheme == _XPRESS and len(data) > _XPRESS_HEAD:
        return expand_xpress(data[_XPRESS_HEAD:], _SIZE.unpack_from(data, 1)[0])
    if scheme == _SCRUBBED:
        return b""
    if scheme in _NOT_READ:
        detail = f"packed with {_NOT_READ[scheme]}, which is not read"
        raise EseError.from_code(Err.DecompressionFailed, f"{detail} ({len(data)} bytes)")
    raise EseError.from_code(Err.DecompressionFailed, f"packed by scheme {scheme}, {len(data)} bytes")


def pack_value(value: bytes) -> bytes | None:
    """Return a value packed to 7 bits a character; None when it has others, or would not become smaller."""
    if not value.isascii():
        return None
    scheme, narrow = _ASCII_7, value
    if not len(value) % 2 and not value[1::2].strip(b"\0"):
        scheme, narrow = _UNICODE_7, value[::2]
    bits = 7 * len(narrow)
    if 1 + (bits + 7) // 8 >= len(value):
        return None
    parts = [bytes((scheme << _SCHEME_SHIFT | (bits - 1) % 8,))]
    for at in range(0, len(narrow), _MOST_SPREAD):
        part = narrow[at : at + _MOST_SPREAD]
        width = 1 << (len(part) - 1).bit_length()
        spread = int.from_bytes(part, "little")
        for stay, move, shift in reversed(_spreading(width)):
            spread = spread & stay | spread >> shift & move
        parts.append(spread.to_bytes((7 * len(part) + 7) // 8, "little"))
    return b"".join(parts)


@lru_cache(maxsize=32)
def _spreading(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return the steps that spread `count` (a power of two) values of 7 bits to 8 bits each: (stay, move, shift).

    Each step halves the groups: of 2n values next to each other the upper n move up by n bits.
    """
    steps = []
    half = count // 2
    while half:
        low = (1 << 7 * half) - 1
        every = sum(1 << 16 * half * at for at in range(count // (2 * half)))
        steps.append((low * every, (low << 7 * half) * every, half))
        half //= 2
    return tuple(steps)


def _seven_bits(data: bytes) -> bytes:
    bits = (len(data) - 2) * 8 + (data[0] & 7) + 1
    if bits < 0 or bits % 7:
        raise EseError.from_code(Err.DecompressionFailed, f"{bits} bits of 7-bit values")
    parts = []
    # Whole numbers of bytes and of values at a time, so that the numbers stay small.
    for at in range(0, bits // 7, _MOST_SPREAD):
        count = min(_MOST_SPREAD, bits // 7 - at)
        first = 1 + at // 8 * 7
        packed = int.from_bytes(data[first : first + _MOST_SPREAD // 8 * 7], "little") & (1 << 7 * count) - 1
        width = 1 << (count - 1).bit_length()
        for stay, move, shift in _spreading(width):
            packed = packed & stay | (packed & move) << shift
        parts.append(packed.to_bytes(width, "little")[:count])
    return b"".join(parts)
