"""Databases for the tests of reading: one with every kind of column, and pages made by hand."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index, Storage
from engine.env import Environment
from engine.errors import Err, EseError
from engine.format.page import Page

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = [
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Bit", ColumnType.BIT),
    Column("Short", ColumnType.SHORT),
    Column("Date", ColumnType.DATE_TIME),
    Column("Big", ColumnType.LONG_LONG),
    Column("Double", ColumnType.IEEE_DOUBLE),
    Column("Guid", ColumnType.GUID),
    Column("Fixed", ColumnType.TEXT, code_page=ASCII, size=6, storage=Storage.FIXED),
    Column("Level", ColumnType.LONG, default=7),
    Column("Text", ColumnType.TEXT, code_page=ASCII),
    Column("Wide", ColumnType.TEXT, default="nichts"),
    Column("Binary", ColumnType.BINARY),
    Column("Tagged", ColumnType.LONG, storage=Storage.TAGGED, default=-5),
    Column("Cyrillic", ColumnType.LONG_TEXT, code_page=1251),
    Column("Long", ColumnType.LONG_BINARY),
    Column("LongText", ColumnType.LONG_TEXT),
    Column("Many", ColumnType.LONG, multi_valued=True),
    Column("ManyLong", ColumnType.LONG_BINARY, multi_valued=True),
]
INDEXES = [
    Index("byText", ("Text", "-Short")),
    Index("byDate", ("-Date",)),
    Index("byGuid", ("Guid",), ignore_null=True),
    Index("byWhole", ("Short",)),
]
NULLABLE = [column.name for column in COLUMNS[1:]]
ROWS = 700


@dataclass
class Sample:
    """A database and its rows, as reading should give them."""

    path: Path
    rows: list[dict[str, Any]]


def make_row(source: random.Random, number: int) -> dict[str, Any]:
    """Return a row as it is read; a sixth of the values are null."""
    row: dict[str, Any] = {
        "Id": number,
        "Bit": bool(source.randrange(2)),
        "Short": source.randrange(-50, 50),
        "Date": datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=source.randrange(10**9)),
        "Big": source.randrange(-(2**63), 2**63),
        "Double": source.uniform(-1e9, 1e9),
        "Guid": uuid.UUID(bytes=source.randbytes(16)),
        "Fixed": "".join(source.choices("abcdef", k=6)),
        "Level": source.randrange(100),
        "Text": "".join(source.choices("ABCab ", k=source.randrange(1, 4))),
        "Wide": "".join(source.choices("aß中\U0001f680", k=source.randrange(1, 90))),
        "Binary": source.randbytes(source.randrange(1, 200)),
        "Tagged": source.randrange(-9, 9),
        "Cyrillic": "".join(source.choices("абвгд", k=source.choice((3, 500, 3000)))),
        "Long": source.randbytes(source.choice((0, 10, 1023, 1024, 9000, 40_000))),
        "LongText": "".join(source.choices("xyzß", k=source.choice((1, 200, 900)))),
        "Many": tuple(source.randrange(99) for _ in range(source.randrange(1, 5))),
        "ManyLong": tuple(source.randbytes(source.choice((1, 300, 5000))) for _ in range(source.randrange(1, 4))),
    }
    for name in NULLABLE:
        if source.random() < 1 / 6:
            row[name] = None
    return row


@pytest.fixture(scope="session", params=[4096, 8192, 16384, 32768])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Build the database of one page size, once."""
    path = tmp_path_factory.mktemp("reading") / f"{request.param}.edb"
    source = random.Random(request.param)  # noqa: S311 - repeatable on purpose
    rows = [make_row(source, number) for number in range(1, ROWS + 1)]
    given = [{name: list(v) if isinstance(v, tuple) else v for name, v in row.items()} for row in rows]
    with DatabaseBuilder(Environment(), path, page_size=request.param) as build:
        build.add_table("All", COLUMNS, primary=Index("pk", ("Id",)), secondary=INDEXES, rows=given)
        build.add_table("Plain", [Column("N", ColumnType.LONG)], rows=((number,) for number in range(3000)))
        build.add_table("Empty", COLUMNS[:4], primary=Index("pk", ("Id",)), secondary=[Index("i", ("Bit",))])
        build.add_table("Defaults", COLUMNS, primary=Index("pk", ("Id",)), rows=[{"Id": 1}, {"Id": 2}])
    return Sample(path, rows)


class MemoryPages:
    """Pages that lie in memory only."""

    def __init__(self, page_size: int) -> None:
        self.path = "memory"
        self.page_size = page_size
        self.last_page = 1000
        self.pages: dict[int, Page] = {}

    def add(self, pgno: int, data: bytes | bytearray) -> None:
        """Put a page in place."""
        self.pages[pgno] = Page(bytes(data), pgno, path=self.path)

    def page(self, pgno: int) -> Page:
        """Return a page; -4001 when there is none."""
        if pgno not in self.pages:
            raise EseError.from_code(Err.FileIOBeyondEOF, path=self.path, page=pgno)
        return self.pages[pgno]

    def prefetch(self, first: int, count: int) -> None:
        """Do nothing."""
