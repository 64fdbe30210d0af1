"""The database beside its replay: every other page must stand where the log leaves it.

A page rebuilt from a log belongs into a database only when nothing has happened to that database which the log does
not know.  The dbtime of a page says which change it has seen last, so one look at all pages tells.

    newer than the replay    something wrote to the database that is not in these logs: refused
    older                    a write that never reached the disk: told
    damaged                  told
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.checksum import verify_batch
from engine.format.page import page_offset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from engine.files.base import File
    from engine.format.dbheader import DatabaseHeader
    from engine.pages.source import SpilledPages
    from engine.repair.replayed import ReplayedCopy

_BATCH_BYTES: Final = 1024 * 1024
_MOST: Final = 1000
"""Page numbers of one sort that are kept."""

_DBTIME = struct.Struct("<Q")
_DBTIME_OFFSET: Final = 8


@dataclass(slots=True)
class Comparison:
    """What the look at the other pages gave: numbers of the first damaged and the first older ones, and how many."""

    pages: int = 0
    damaged: list[int] = field(default_factory=list)
    damaged_count: int = 0
    older: list[int] = field(default_factory=list)
    older_count: int = 0


def compare(file: File, header: DatabaseHeader, last_page: int, copy: ReplayedCopy, but: Collection[int]) -> Comparison:
    """Compare pages 1 .. `last_page` of the database with the replay, all but `but`; -567 when one is newer."""
    found = Comparison()
    size = header.page_size
    if header.dbtime_dirtied and header.dbtime_dirtied < copy.dbtime:
        raise EseError.from_code(
            Err.DbTimeTooOld,
            f"the header knows of changes up to {header.dbtime_dirtied}, the logs of {copy.dbtime}",
            path=file.path,
        )
    step = max(1, _BATCH_BYTES // size)
    for first in range(1, last_page + 1, step):
        length = min(step, last_page + 1 - first) * size
        data = file.read_at(page_offset(first, size), length)
        if len(data) != length:
            raise EseError.from_code(
                Err.DiskIO, f"{len(data)} of {length} bytes could be read", path=file.path, page=first
            )
        bad = {each.number for each in verify_batch(data, first, size).bad}
        for pgno, ours, logged in _times(data, first, size, copy.pages):
            found.pages += 1
            if pgno in but:
                continue
            if pgno in bad:
                found.damaged_count += 1
                found.damaged += [pgno] if len(found.damaged) < _MOST else []
            elif ours > logged:
                raise EseError.from_code(
                    Err.DbTimeTooNew,
                    f"its dbtime is {ours}, the logs end for it at {logged}: it was changed by something else",
                    path=file.path,
                    page=pgno,
                    offset=page_offset(pgno, size),
                )
            elif ours < logged:
                found.older_count += 1
                found.older += [pgno] if len(found.older) < _MOST else []
    return found


def _times(data: bytes, first: int, size: int, pages: SpilledPages) -> Iterator[tuple[int, int, int]]:
    """Yield (page number, dbtime in the database, dbtime by the log) of a run of pages."""
    replayed = pages.replayed_in(first, len(data) // size)
    below = pages.base.file.read_at(page_offset(first, size), len(data))
    for index in range(len(data) // size):
        pgno, at = first + index, index * size + _DBTIME_OFFSET
        ours = _DBTIME.unpack_from(data, at)[0]
        if pgno in replayed:
            logged = _DBTIME.unpack_from(pages.read(pgno), _DBTIME_OFFSET)[0]
        else:
            logged = _DBTIME.unpack_from(below, at)[0] if at + _DBTIME.size <= len(below) else 0
        yield pgno, ours, logged
