"""Lost writes as findings: the pages of a database against its flush map.

A page of the map can lose its credit to a page of the database that comes later in the file, so what contradicts it
is reported when all pages that it describes have been seen, and only if nobody has opened the database meanwhile.

Source: database reference 8.1; jet-api reference R29.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Err
from engine.findings import Finding, UnitKind
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE
from engine.format.page import page_offset
from engine.monitor import Cell

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.flush_map import Distrust, FlushMap, LostWrite, PageMarks
    from engine.monitor import Monitor
    from engine.verify.report import Sheet


class LostWrites:
    """Gathers what contradicts the flush map, at most one map page's worth, and reports it.

    Pages behind `last_owned` belong to nobody: what is found there is a warning.
    """

    def __init__(self, flush_map: FlushMap, sheet: Sheet, monitor: Monitor, last_owned: int | None) -> None:
        self._last_owned = last_owned
        self._map = flush_map
        self._sheet = sheet
        self._monitor = monitor
        self._waiting: list[LostWrite] = []
        self._doubts: list[Distrust] = []
        self._page_size = 0

    def take(self, marks: PageMarks, skip: Collection[int], page_size: int) -> None:
        """Compare consecutive pages, those in `skip` left out."""
        self._page_size = page_size
        compared = self._map.compare(marks, skip)
        for doubt in compared.distrusted:
            self._waiting = [each for each in self._waiting if each.map_page != doubt.map_page]
            self._report_doubt(doubt)
        if compared.lost:
            newest = compared.lost[-1].map_page
            self._waiting += compared.lost
            self._report(below=newest)

    def finish(self) -> None:
        """Report what is left."""
        self._report(below=None)

    def _report(self, *, below: int | None) -> None:
        """Report what waits for map pages before `below`, those that are complete."""
        ready = [each for each in self._waiting if below is None or each.map_page < below]
        if not ready or not self._map.unchanged():
            return
        self._waiting = [] if below is None else [each for each in self._waiting if each.map_page >= below]
        for each in ready:
            outside = self._last_owned is not None and each.pgno > self._last_owned
            if not outside:
                self._monitor.pages_bad += 1
                self._monitor.mark_pages(each.pgno, 1, Cell.BAD)
            found = f"was written {each.actual}" if each.actual else "is blank"
            self._sheet.add(
                Finding(
                    self._sheet.path,
                    UnitKind.PAGE,
                    each.pgno,
                    page_offset(each.pgno, self._page_size),
                    Err.ReadLostFlushVerifyFailure,
                    f"its last write was lost: by the flush map {each.expected}, the page {found}",
                    each.expected,
                    each.actual,
                    warning=outside,
                )
            )

    def _report_doubt(self, doubt: Distrust) -> None:
        if doubt.code:
            detail = "the map page is damaged"
        else:
            detail = f"the map page ends at dbtime {doubt.dbtime_max}, page {doubt.pgno} has {doubt.dbtime}"
        self._sheet.add(
            Finding(
                self._map.path,
                UnitKind.MAP_PAGE,
                doubt.map_page,
                (doubt.map_page + 1) * FLUSH_MAP_PAGE_SIZE,
                doubt.code or Err.ReadLostFlushVerifyFailure,
                f"{detail}; its pages are not compared",
                warning=True,
            )
        )
