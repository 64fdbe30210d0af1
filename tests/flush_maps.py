"""A real instance with a flush map, and pages of it that an older write left, for tests of several packages."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.discover import discover
from engine.format.checksum import set_batch_checksums, set_page_checksum
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, flush_type_of
from engine.format.page import FLUSH_TYPE_SHIFT, PageFlags, page_offset

if TYPE_CHECKING:
    from pathlib import Path

    from engine.discover import FoundInstance

PAGE_SIZE = 4096
PAGE = 90
"""A page in use of the database below."""


@dataclass
class Srum:
    """A copy of a clean SRUM instance of Windows."""

    folder: Path

    @classmethod
    def copy(cls, corpus: Path, target: Path) -> Srum:
        shutil.copytree(corpus / "srum-win10-clean", target)
        for each in [target, *target.iterdir()]:
            each.chmod(each.stat().st_mode | 0o200)
        return cls(target)

    def found(self) -> FoundInstance:
        """Discover the instance."""
        [found] = [each for each in discover(self.folder) if each.has_log]
        return found

    @property
    def database(self) -> Path:
        return self.folder / "SRUDB.dat"

    @property
    def map(self) -> Path:
        return self.folder / "SRUDB.jfm"

    def page(self, pgno: int) -> bytearray:
        with self.database.open("rb") as file:
            file.seek(page_offset(pgno, PAGE_SIZE))
            return bytearray(file.read(PAGE_SIZE))

    def write_page(self, pgno: int, data: bytes | bytearray) -> None:
        with self.database.open("r+b") as file:
            file.seek(page_offset(pgno, PAGE_SIZE))
            file.write(data)

    def expected(self, pgno: int) -> int:
        return flush_type_of(self.map.read_bytes()[FLUSH_MAP_PAGE_SIZE:], pgno)

    def set_flush_type(self, pgno: int, value: int, *, dbtime: int | None = None) -> None:
        """Make the page the one of another write; its checksum is right."""
        page = self.page(pgno)
        flags = int.from_bytes(page[36:40], "little") & ~PageFlags.FLUSH_TYPE
        page[36:40] = (flags | value << FLUSH_TYPE_SHIFT).to_bytes(4, "little")
        if dbtime is not None:
            page[8:16] = dbtime.to_bytes(8, "little")
        set_page_checksum(page, pgno)
        self.write_page(pgno, page)

    def lose_write(self, pgno: int = PAGE) -> tuple[int, int]:
        """Put the write before the last one there; returns what the map expects and what the page says."""
        expected = self.expected(pgno)
        assert expected
        older = (expected + 1) % 3 + 1
        self.set_flush_type(pgno, older)
        return expected, older

    def change_map_page(self, offset: int, value: bytes) -> None:
        """Write into the first map page; its checksum is right."""
        data = bytearray(self.map.read_bytes())
        page = data[FLUSH_MAP_PAGE_SIZE : 2 * FLUSH_MAP_PAGE_SIZE]
        page[offset : offset + len(value)] = value
        set_batch_checksums(page, 0, FLUSH_MAP_PAGE_SIZE)
        data[FLUSH_MAP_PAGE_SIZE : 2 * FLUSH_MAP_PAGE_SIZE] = page
        self.map.write_bytes(data)
