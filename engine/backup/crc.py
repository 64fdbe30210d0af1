"""CRC32C (Castagnoli) of buffers and files; the check value that the manifest carries for every file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crc32c import crc32c as _crc32c

if TYPE_CHECKING:
    from engine.files.base import Buffer, FileSystem

CHUNK: Final = 1 << 20


def crc32c(data: Buffer, value: int = 0) -> int:
    """Continue the CRC `value` over `data`."""
    return _crc32c(data, value)


def file_crc(fs: FileSystem, path: str) -> tuple[int, int]:
    """Return (size, CRC32C) of a file, read in chunks."""
    value = at = 0
    with fs.open(path) as file:
        while data := file.read_at(at, CHUNK):
            value = _crc32c(data, value)
            at += len(data)
    return at, value
