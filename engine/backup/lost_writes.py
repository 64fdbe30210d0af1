"""Lost writes found while a database is copied: its pages against its flush map.

JET_paramPersistedLostFlushDetection decides.  Without 1 nothing is compared.  With 4, as it is by default, a page that
contradicts the map is reported and copied as it is; without 4 the backup fails with -1119, after as many reads as
for a wrong checksum.

Events: 544 page contradicts the map, 638 page of the map damaged, 639 page of the map behind its database.
Source: jet-api reference R29, 4.2; database reference 8.1.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Final

from engine.backup.target import signed_hex
from engine.errors import Err, EseError
from engine.flush_map import FlushMap, page_marks
from engine.format.page import page_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.backup.host import AttachedDatabase, BackupHost
    from engine.events import EventLog
    from engine.flush_map import Distrust, LostWrite
    from engine.format.checksum_batch import PageBatchResult

LOST_WRITE: Final = 544
_MAP_PAGE_DAMAGED: Final = 638
_MAP_PAGE_BEHIND: Final = 639
_CATEGORY: Final = 3
_NOT_CACHED: Final = "NotInCache:3"
"""How the engine says that a backup read the page past the cache."""


class LostFlushDetection(IntFlag):
    """Bits of JET_paramPersistedLostFlushDetection."""

    ENABLED = 1
    CREATE_NEW = 2
    FAIL_ON_RUNTIME_ONLY = 4


class LostWriteCheck:
    """The comparison for one database; `warnings` gets 544 once if a page was copied in spite of it."""

    def __init__(
        self,
        flush_map: FlushMap,
        events: EventLog,
        warnings: list[int],
        *,
        path: str,
        fail: bool,
        believed: Callable[[], bool],
    ) -> None:
        """`believed`: whether the map still speaks of the pages; no longer once the first of them was written."""
        self._map = flush_map
        self._believed = believed
        self._events = events
        self._warnings = warnings
        self._path = path
        self._fail = fail

    def look(self, view: memoryview, page_size: int, result: PageBatchResult) -> None:
        """Compare the pages in `view`, all right by their checksums; -1119 for the first that contradicts the map."""
        if not self._believed():
            return
        compared = self._map.compare(page_marks(view, page_size, result))
        for each in compared.distrusted:
            self._report_distrust(each)
        for lost in compared.lost:
            self._report(lost, page_size)
            if self._fail:
                raise EseError.from_code(
                    Err.ReadLostFlushVerifyFailure,
                    path=self._path,
                    page=lost.pgno,
                    offset=page_offset(lost.pgno, page_size),
                    event_id=LOST_WRITE,
                )
        if compared.lost and LOST_WRITE not in self._warnings:
            self._warnings.append(LOST_WRITE)

    def close(self) -> None:
        """Close the map; idempotent."""
        self._map.close()

    def _report(self, lost: LostWrite, page_size: int) -> None:
        offset = page_offset(lost.pgno, page_size)
        self._events.report(
            LOST_WRITE,
            self._path,
            f"{offset} (0x{offset:016x})",
            f"{page_size} (0x{page_size:08x})",
            signed_hex(Err.ReadLostFlushVerifyFailure),
            f"{lost.pgno} (0x{lost.pgno:X})",
            str(lost.actual),
            f"{lost.map_page} (0x{lost.map_page:X})",
            str(lost.expected),
            _NOT_CACHED,
            category=_CATEGORY,
        )

    def _report_distrust(self, doubt: Distrust) -> None:
        page = f"{doubt.map_page} (0x{doubt.map_page:08x})"
        if doubt.code:
            self._events.report(_MAP_PAGE_DAMAGED, str(doubt.code), page, self._map.path)
            return
        times = [f"{each} (0x{each:016x})" for each in (doubt.dbtime_max, doubt.dbtime)]
        number = f"{doubt.pgno} (0x{doubt.pgno:08x})"
        self._events.report(_MAP_PAGE_BEHIND, page, self._map.path, times[0], number, times[1])


def lost_write_check(host: BackupHost, database: AttachedDatabase, warnings: list[int]) -> LostWriteCheck | None:
    """Return the comparison for an attached database, None when it has no map to be believed or none is wanted."""
    wanted = host.params.persisted_lost_flush_detection
    if not wanted & LostFlushDetection.ENABLED:
        return None
    flush_map = FlushMap.open(host.env.fs, database.path, database.header)
    if flush_map is None:
        return None
    fail = not wanted & LostFlushDetection.FAIL_ON_RUNTIME_ONLY

    def believed() -> bool:
        return bool(database.header.sign_flush_map_hdr_flush)

    return LostWriteCheck(flush_map, host.events, warnings, path=database.path, fail=fail, believed=believed)
