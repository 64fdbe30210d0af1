"""Real databases of every page size, and a way to go through their pages."""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING, NamedTuple

import pytest

from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, read_header_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class RealDatabase(NamedTuple):
    """A database file in memory, with its header."""

    path: Path
    data: bytes
    header: DatabaseHeader

    @property
    def page_size(self) -> int:
        return self.header.page_size

    @property
    def page_count(self) -> int:
        """Pages behind the headers, without the trailer of a backup copy."""
        return len(self.data) // self.page_size - 2 - self.header.is_backup_copy

    def page(self, pgno: int) -> bytes:
        return self.data[(pgno + 1) * self.page_size : (pgno + 2) * self.page_size]

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number, bytes) of the pages that are not blank."""
        for pgno in range(1, self.page_count + 1):
            page = self.page(pgno)
            if any(page):
                yield pgno, page


def load(path: Path) -> RealDatabase:
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    return RealDatabase(path, data, read_header_pages(data[:HEADER_PROBE_SIZE], len(data)).header)


@pytest.fixture(scope="session")
def real_databases(corpus: Path, oracle: Callable[[str], Path]) -> list[RealDatabase]:
    """Return Windows' databases and the real engine's, clean, dirty and backup copies, 4 to 32 KiB pages."""
    paths = [
        *sorted(corpus.glob("*/SRUDB.dat")),
        *sorted(corpus.glob("*/qmgr.db")),
        *sorted(corpus.glob("windows-search-32k/*.xz")),
        *sorted(oracle("clean").glob("clean-basic/*/clean.edb")),
        *sorted(oracle("dirty").glob("dirty-p*/before/a.edb")),
        *sorted(oracle("backup").glob("backup-p*/s1-full/bk/new/a.edb")),
        *sorted(oracle("backup").glob("backup-multidb/s1-full/*/*.edb")),
    ]
    found = [load(path) for path in paths]
    assert {each.page_size for each in found} == {4096, 8192, 16384, 32768}
    return found
