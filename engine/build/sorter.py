"""Sorting more entries than fit in memory: sorted runs in a spill file, merged when read.

    spill file   runs, one after the other; an entry is u16 key size, u16 data size, key, data

An entry is a pair of byte strings, compared as such: key first, then data, which is the order of a non-unique tree.
The spill file is made beside the database when it is first needed and removed by `close`.
"""

from __future__ import annotations

import heapq
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.files.base import OpenMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import File, FileSystem

Entry: TypeAlias = tuple[bytes, bytes]

_SIZES = struct.Struct("<HH")
_MOST_SIZE: Final = 0xFFFF
_OBJECTS_COST: Final = 150
"""Bytes that a pair of byte strings costs in memory beyond its content."""
DEFAULT_MEMORY: Final = 24 << 20
_BLOCK: Final = 128 << 10
_MOST_RUNS: Final = 96
"""More runs than this are merged into one first: each open run holds one block."""


class EntrySorter:
    """Collects entries and gives them back in order.  `memory` bounds the bytes held, about."""

    def __init__(self, fs: FileSystem, spill_path: str, *, memory: int = DEFAULT_MEMORY) -> None:
        self._fs = fs
        self._path = spill_path
        self._memory = memory
        self._entries: list[Entry] = []
        self._held = 0
        self._file: File | None = None
        self._runs: list[tuple[int, int]] = []
        """Start and end offset of each run in the spill file."""
        self._end = 0
        self.count = 0

    def add(self, key: bytes, data: bytes) -> None:
        """Take an entry; key and data have at most 65535 bytes."""
        self._entries.append((key, data))
        self._held += len(key) + len(data) + _OBJECTS_COST
        self.count += 1
        if self._held > self._memory:
            self._spill()

    def sorted(self) -> Iterator[Entry]:
        """Yield every entry in order; call once, after the last `add`."""
        self._entries.sort()
        if not self._runs:
            yield from self._entries
            return
        streams = [self._read(start, end) for start, end in self._runs]
        yield from heapq.merge(*streams, iter(self._entries))

    def close(self) -> None:
        """Remove the spill file."""
        self._entries = []
        if self._file is not None:
            self._file.close()
            self._file = None
            self._fs.unlink(self._path)

    def _spill(self) -> None:
        self._entries.sort()
        self._write_run(iter(self._entries))
        self._entries = []
        self._held = 0
        if len(self._runs) >= _MOST_RUNS:
            merged = [self._read(start, end) for start, end in self._runs]
            self._runs = []
            self._write_run(heapq.merge(*merged))

    def _write_run(self, entries: Iterator[Entry]) -> None:
        if self._file is None:
            self._file = self._fs.open(self._path, OpenMode.CREATE)
        start, block = self._end, bytearray()
        for key, data in entries:
            if len(key) > _MOST_SIZE or len(data) > _MOST_SIZE:
                raise EseError.from_code(Err.RecordTooBig, f"an entry of {len(key)} and {len(data)} bytes")
            block += _SIZES.pack(len(key), len(data))
            block += key
            block += data
            if len(block) >= _BLOCK:
                self._file.write_at(self._end, block)
                self._end += len(block)
                block.clear()
        if block:
            self._file.write_at(self._end, block)
            self._end += len(block)
        self._runs.append((start, self._end))

    def _read(self, start: int, end: int) -> Iterator[Entry]:
        rest = b""
        while start < end or rest:
            size = min(_BLOCK, end - start)
            block = rest + (self._read_exactly(start, size) if size else b"")
            start += size
            at = 0
            while at + _SIZES.size <= len(block):
                key_size, data_size = _SIZES.unpack_from(block, at)
                key_at = at + _SIZES.size
                stop = key_at + key_size + data_size
                if stop > len(block):
                    break
                yield block[key_at : key_at + key_size], block[key_at + key_size : stop]
                at = stop
            rest = block[at:]
            if rest and start >= end:
                raise EseError.from_code(Err.DiskIO, "the spill file is cut off", path=self._path, offset=start)

    def _read_exactly(self, offset: int, size: int) -> bytes:
        if self._file is None:
            raise EseError.from_code(Err.InternalError, "the sorter is closed")
        block = self._file.read_at(offset, size)
        if len(block) != size:
            raise EseError.from_code(Err.DiskIO, f"{len(block)} of {size} bytes", path=self._path, offset=offset)
        return block
