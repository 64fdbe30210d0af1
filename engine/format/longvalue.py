"""Long values outside their record: a tree of its own, keyed by long-value id (LID).

    key, 32-bit ids   u32 big-endian LID                 -> LVROOT
                      u32 LID, u32 big-endian offset     -> chunk
    key, 64-bit ids   u64 big-endian LID, top bit set    -> LVROOT
                      u64 LID, u32 offset                -> chunk
    LVROOT            u32 reference count, u32 size (uncompressed); 9 bytes with a flag byte where encryption is known

A key of 8 bytes is a 64-bit root when its first bit is set, else a 32-bit chunk.  Offsets are multiples of the
chunk size.  A chunk shorter than its share of the size is compressed.  In records a LID is little-endian.

Source: database reference 6.5, 6.6.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.page import is_large

_ROOT = struct.Struct("<II")
_ROOT2_SIZE: Final = 9
_LID32 = struct.Struct(">I")
_LID64 = struct.Struct(">Q")
_CHUNK32 = struct.Struct(">II")
_CHUNK64 = struct.Struct(">QI")
_LID64_BIT: Final = 1 << 63
_SMALL_OVERHEAD: Final = 82
_LARGE_CHUNKS: Final = {16384: 4050, 32768: 8150}

MOST_BYTES: Final = 0x7FFFFFFF
"""Longest long value."""
LV_DENSITY: Final = 100
"""Percentage to which the pages of a tree of long values are filled."""


class LidSize(IntEnum):
    """Bytes of a long-value id as records store it."""

    LID32 = 4
    LID64 = 8


def chunk_size(page_size: int) -> int:
    """Return the bytes of a chunk, unless the table's catalog row gives another size."""
    return _LARGE_CHUNKS[page_size] if is_large(page_size) else page_size - _SMALL_OVERHEAD


class LongValueKey(NamedTuple):
    """A key of the tree taken apart; `offset` is None for the root of a value."""

    lid: int
    offset: int | None = None

    @classmethod
    def unpack(cls, key: bytes) -> LongValueKey:
        """Read a key; -1526 for a length that no key has."""
        size = len(key)
        if size == _LID32.size:
            return cls(_LID32.unpack(key)[0])
        if size == _LID64.size:
            return cls(_LID64.unpack(key)[0]) if key[0] & 0x80 else cls(*_CHUNK32.unpack(key))
        if size == _CHUNK64.size:
            return cls(*_CHUNK64.unpack(key))
        raise EseError.from_code(Err.LVCorrupted, f"a long-value key of {size} bytes")

    def pack(self) -> bytes:
        """Return the key; ids with the top bit of 64 take the 64-bit form."""
        if self.lid & _LID64_BIT:
            return _LID64.pack(self.lid) if self.offset is None else _CHUNK64.pack(self.lid, self.offset)
        return _LID32.pack(self.lid) if self.offset is None else _CHUNK32.pack(self.lid, self.offset)


class LongValueRoot(NamedTuple):
    """LVROOT: how many records share the value, and its size in bytes; `flags` is None in the 8-byte form."""

    references: int
    size: int
    flags: int | None = None

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> LongValueRoot:
        """Read it; -1526 when it has neither 8 nor 9 bytes."""
        if len(data) == _ROOT.size:
            return cls(*_ROOT.unpack(data))
        if len(data) == _ROOT2_SIZE:
            references, size = _ROOT.unpack_from(data)
            return cls(references, size, data[_ROOT.size])
        raise EseError.from_code(Err.LVCorrupted, f"a long-value root of {len(data)} bytes")

    def pack(self) -> bytes:
        """Return the 8 or 9 bytes."""
        return _ROOT.pack(self.references, self.size) + (b"" if self.flags is None else bytes((self.flags,)))


def first_lid(size: LidSize) -> int:
    """Return the id of the first long value of a table."""
    return 1 if size is LidSize.LID32 else _LID64_BIT | 1


def pack_reference(lid: int) -> bytes:
    """Return a LID as a record stores it."""
    return lid.to_bytes(LidSize.LID64 if lid & _LID64_BIT else LidSize.LID32, "little")


def unpack_reference(data: bytes) -> int:
    """Read a LID from a record; -1526 unless it has 4 or 8 bytes."""
    if len(data) not in (LidSize.LID32, LidSize.LID64):
        raise EseError.from_code(Err.LVCorrupted, f"a long-value id of {len(data)} bytes")
    return int.from_bytes(data, "little")
