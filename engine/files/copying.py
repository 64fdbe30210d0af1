"""Copying from one open file to another, every byte accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.files.base import File

CHUNK: Final = 4 * 1024 * 1024
"""Bytes that are copied at once."""


def copy_bytes(source: File, target: File, start: int, end: int) -> Iterator[int]:
    """Copy the bytes `start` .. `end` - 1 to the same place, and yield the size of each piece once it is written.

    -1022 when the source gives fewer: its size was known, so it was cut off meanwhile, or a read came back short.
    """
    for offset in range(start, end, CHUNK):
        length = min(CHUNK, end - offset)
        data = source.read_at(offset, length)
        if len(data) != length:
            raise EseError.from_code(
                Err.DiskIO, f"{len(data)} of {length} bytes could be read", path=source.path, offset=offset
            )
        target.write_at(offset, data)
        yield length
