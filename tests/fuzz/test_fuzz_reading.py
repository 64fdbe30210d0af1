"""Databases with lying pages, their checksums right: the reader ends, soon, with rows, findings or an engine error."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING

import pytest

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.errors import EseError
from engine.format.checksum import set_page_checksum
from engine.format.page import Page, header_size, page_offset
from engine.table import Database, Seek

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 200
MOST_SECONDS = 20
MOST_ROWS = 20 * ROWS
"""A lying page may show its rows under several tables, never without end."""


class Lying:
    """The pages of a file, some of them changed."""

    def __init__(self, data: bytes, page_size: int) -> None:
        self.path = "lying"
        self.page_size = page_size
        self.last_page = len(data) // page_size - 2
        self.data = data
        self.changed: dict[int, Page] = {}
        self.reads = 0

    def page(self, pgno: int) -> Page:
        self.reads += 1
        if pgno in self.changed:
            return self.changed[pgno]
        if not 1 <= pgno <= self.last_page:
            raise EseError.from_code(-4001, path=self.path, page=pgno)
        at = page_offset(pgno, self.page_size)
        return Page(self.data[at : at + self.page_size], pgno, path=self.path)

    def prefetch(self, first: int, count: int) -> None:
        pass

    def lie(self, source: random.Random) -> None:
        """Change a page that is in use: bytes of its header, its tags, or anywhere."""
        size = self.page_size
        pgno = source.choice([each for each in range(1, self.last_page + 1) if any(self.page(each).data[:40])])
        data = bytearray(self.page(pgno).data)
        tags = 4 * (self.page(pgno).line_count + 1)
        start, end = source.choice([(16, header_size(size)), (size - tags, size), (header_size(size), size)])
        for _ in range(source.choice((1, 1, 2, 8))):
            at = source.randrange(start, max(start + 1, end))
            data[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
        set_page_checksum(data, pgno)
        self.changed[pgno] = Page(bytes(data), pgno, path=self.path)


@pytest.fixture(scope="module", params=[4096, 32768])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    path: Path = tmp_path_factory.mktemp("lying") / "a.edb"
    source = random.Random(1)  # noqa: S311 - repeatable on purpose
    columns = [
        Column("Id", ColumnType.LONG),
        Column("When", ColumnType.DATE_TIME),
        Column("Text", ColumnType.TEXT, code_page=ASCII),
        Column("Many", ColumnType.TEXT, multi_valued=True),
        Column("Long", ColumnType.LONG_BINARY),
    ]
    rows = (
        (number, 45000.0, f"text {number}", ["a", "b"], source.randbytes(source.choice((20, 20, 9000))))
        for number in range(ROWS)
    )
    with DatabaseBuilder(Environment(), path, page_size=request.param) as build:
        index = Index("byText", ("Text",))
        build.add_table("T", columns, primary=Index("pk", ("Id",)), secondary=[index], rows=rows)
    return path.read_bytes(), request.param


def read_everything(pages: Lying, *, strict: bool) -> int:
    count = 0
    with Database(pages, strict=strict) as database:
        for name in database:
            table = database[name]
            for row in table:
                count += 1
                repr(row.astuple())
            count += sum(1 for _ in table.values())
            for index in table.indexes:
                cursor = table.cursor(index)
                for number, row in enumerate(cursor):
                    row.get("Id")
                    if number > ROWS // 4:
                        break
                steps = 0
                while cursor.move(-1) and steps < MOST_ROWS:
                    steps += 1
                assert steps < MOST_ROWS
                cursor.seek_key(b"\x7f\x80\x00\x01", Seek.GE, partial=True)
                cursor.seek_key(b"\x7f\x80\x00\x01", Seek.LE, partial=True)
    return count


@pytest.mark.parametrize("seed", range(4))
def test_lying_pages(built: tuple[bytes, int], seed: int) -> None:
    data, page_size = built
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    begun = time.monotonic()
    whole = read_everything(Lying(data, page_size), strict=True)
    for _ in range(6):
        pages = Lying(data, page_size)
        for _ in range(source.choice((1, 1, 3, 10))):
            pages.lie(source)
        # Whatever the pages say, there are rows and findings, and no error.
        assert read_everything(pages, strict=False) <= 3 * whole
        with contextlib.suppress(EseError):
            read_everything(pages, strict=True)
        assert pages.reads < 40 * pages.last_page + 40 * whole
    assert time.monotonic() - begun < MOST_SECONDS
