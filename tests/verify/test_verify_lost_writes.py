"""Lost writes among the findings of a verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err
from engine.findings import UnitKind
from engine.format.page import page_offset
from engine.monitor import Cell, Monitor
from engine.verify import verify
from tests.flush_maps import PAGE, PAGE_SIZE, Srum

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def srum(corpus: Path, tmp_path: Path) -> Srum:
    return Srum.copy(corpus, tmp_path / "srum")


@pytest.mark.parametrize("whole", [False, True])
def test_found(srum: Srum, *, whole: bool) -> None:
    expected, older = srum.lose_write(PAGE)
    srum.write_page(PAGE + 1, bytes(PAGE_SIZE))
    monitor = Monitor()
    report = verify(srum.folder if whole else srum.database, monitor=monitor)
    assert not report.ok
    assert [(each.code, each.kind, each.number, each.offset, each.path) for each in report.bad] == [
        (Err.ReadLostFlushVerifyFailure, UnitKind.PAGE, pgno, page_offset(pgno, PAGE_SIZE), str(srum.database))
        for pgno in (PAGE, PAGE + 1)
    ]
    first, second = report.bad
    assert first.detail == f"its last write was lost: by the flush map {expected}, the page was written {older}"
    assert second.detail == f"its last write was lost: by the flush map {srum.expected(PAGE + 1)}, the page is blank"
    assert [(each.stored, each.computed) for each in report.bad] == [(expected, older), (srum.expected(PAGE + 1), 0)]
    assert not first.correctable
    assert monitor.pages_bad == 2
    cells = monitor.snapshot().map_cells
    assert cells[PAGE - 1 : PAGE + 2] == bytes([Cell.BAD, Cell.BAD, Cell.VERIFIED])


def test_a_damaged_page_is_damaged_only(srum: Srum) -> None:
    srum.lose_write(PAGE)
    page = srum.page(PAGE)
    page[100] ^= 0xFF
    srum.write_page(PAGE, page)
    assert [(each.code, each.number) for each in verify(srum.database).bad] == [(Err.ReadVerifyFailure, PAGE)]


def test_without_a_map_to_be_believed_nothing_is_lost(srum: Srum) -> None:
    srum.lose_write(PAGE)
    srum.map.unlink()
    assert verify(srum.database).ok


def test_a_doubtful_map_page_is_a_warning(srum: Srum) -> None:
    srum.lose_write(PAGE)
    srum.set_flush_type(PAGE + 100, srum.expected(PAGE + 100), dbtime=1 << 40)
    report = verify(srum.database)
    assert report.ok
    [finding] = report.findings
    assert (finding.kind, finding.number, finding.warning, finding.path) == (UnitKind.MAP_PAGE, 0, True, str(srum.map))
    assert str(PAGE + 100) in finding.detail
