"""backup.verified.json: when a set was last verified from end to end, and found good.

    {"schema": 1, "verified": "2026-01-31T12:00:00Z", "state": 305419896}

`state` is a CRC32C over the names and sizes of the set's files and the content of backup.json; a stamp that does
not fit them is of an earlier state of the set and does not count.  Written only on request: reading a set never
writes.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Final

import msgspec

from engine.backup.crc import crc32c
from engine.backup.directory import MANIFEST, MANIFEST_LIMIT, TEMP_SUFFIX
from engine.backup.manifest import utc
from engine.backup.paths import join
from engine.errors import EseError
from engine.files.base import OpenMode

if TYPE_CHECKING:
    from engine.files.base import FileSystem

STAMP: Final = "backup.verified.json"
_LIMIT: Final = 4096
_SCHEMA: Final = 1


class _Stamp(msgspec.Struct):
    schema: int
    verified: datetime
    state: int


def read_stamp(fs: FileSystem, folder: str, files: list[str]) -> datetime | None:
    """Return when the set in `folder` (which holds `files`) was verified; None when never or not in this state."""
    if STAMP not in files:
        return None
    try:
        with fs.open(join(folder, STAMP)) as file:
            data = file.read_at(0, _LIMIT)
        stamp = msgspec.json.decode(data, type=_Stamp)
        if stamp.schema != _SCHEMA or stamp.verified.tzinfo is None or stamp.state != _state(fs, folder, files):
            return None
    except (EseError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return stamp.verified


def write_stamp(fs: FileSystem, folder: str, when: datetime) -> None:
    """Note that every byte of the set was found good at `when`."""
    files = [each.name for each in fs.list(folder)]
    data = msgspec.json.encode(_Stamp(_SCHEMA, utc(when), _state(fs, folder, files)))
    path = join(folder, STAMP)
    with fs.open(path + TEMP_SUFFIX, OpenMode.CREATE) as file:
        file.write_at(0, data + b"\n")
        # The stamp must be whole before it has its name.
        file.fsync()
    fs.rename(path + TEMP_SUFFIX, path)
    fs.fsync_directory(folder)


def _state(fs: FileSystem, folder: str, files: list[str]) -> int:
    value = 0
    for name in sorted(files):
        if name not in (STAMP, STAMP + TEMP_SUFFIX):
            found = fs.stat(join(folder, name))
            value = crc32c(f"{name}\0{0 if found is None else found.size}\n".encode(errors="surrogateescape"), value)
    if MANIFEST in files:
        with fs.open(join(folder, MANIFEST)) as file:
            value = crc32c(file.read_at(0, MANIFEST_LIMIT), value)
    return value
