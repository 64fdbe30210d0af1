"""What a file is, judged by its content, and its name only where the content says nothing.

    667 u32   file type: 1 database, 3 log, 4 checkpoint, 5 temporary database, 7 flush map
    4   u32   0x89ABCDEF in a database header (old files carry no file type)

A damaged header is still recognised by its second copy or by the name, so that `show` can say what is wrong
with it.
Source: database reference 1.4, 8; log reference 1.2, 5.
"""

from __future__ import annotations

import re
import struct
from enum import Enum
from typing import TYPE_CHECKING

from engine.format.dbheader import HEADER_PROBE_SIZE
from engine.format.page import PAGE_SIZES
from engine.types import HEADER_MAGIC

if TYPE_CHECKING:
    from engine.files.base import File


class FileType(Enum):
    """Kind of a file of an instance."""

    DATABASE = "database"
    LOG = "log"
    CHECKPOINT = "checkpoint"
    FLUSH_MAP = "flush map"
    RESERVE = "reserve log"
    UNKNOWN = "unknown"


_BY_NUMBER = {
    1: FileType.DATABASE,
    3: FileType.LOG,
    4: FileType.CHECKPOINT,
    5: FileType.DATABASE,
    7: FileType.FLUSH_MAP,
}
_TYPE_AT = 667
_MAGIC_AT = 4
_U32 = struct.Struct("<I")
_NAMES = (
    (re.compile(r"\.(edb|dit|mdb|sdb|dat|db)$", re.IGNORECASE), FileType.DATABASE),
    (re.compile(r"\.(chk|jcp)$", re.IGNORECASE), FileType.CHECKPOINT),
    (re.compile(r"\.(log|jtx)$", re.IGNORECASE), FileType.LOG),
    (re.compile(r"\.jfm$", re.IGNORECASE), FileType.FLUSH_MAP),
)
_RESERVE = re.compile(r"(^.{3}res\d{5}\.jrs|^res[12]\.log)$", re.IGNORECASE)


def file_type(file: File, name: str) -> FileType:
    """Return what an open file is."""
    start = file.read_at(0, HEADER_PROBE_SIZE)
    # A reserve log is never read by the engine: zeros, garbage or a recycled log.
    if _RESERVE.search(name):
        return FileType.RESERVE
    # Second copies lie one page further on.
    for at in (0, *sorted(PAGE_SIZES)):
        if len(start) < at + _TYPE_AT + 4:
            continue
        number = _U32.unpack_from(start, at + _TYPE_AT)[0]
        if number in _BY_NUMBER:
            return _BY_NUMBER[number]
        if number == 0 and _U32.unpack_from(start, at + _MAGIC_AT)[0] == HEADER_MAGIC:
            return FileType.DATABASE
    return next((kind for pattern, kind in _NAMES if pattern.search(name)), FileType.UNKNOWN)
