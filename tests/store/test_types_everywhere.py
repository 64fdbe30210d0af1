"""Every column type in every storage, in rows and in indexes: inserted, changed, deleted, searched, recovered."""

from __future__ import annotations

import random
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine import open_database
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.format.column import ASCII, UNICODE, Storage
from engine.format.key import TextOrder
from engine.table import Seek
from tests.store.conftest import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.database import Database
    from engine.store.table import Table
    from tests.store.desk import Desk

INTEGERS: Final = {
    ColumnType.UNSIGNED_BYTE: (0, 2**8 - 1),
    ColumnType.SHORT: (-(2**15), 2**15 - 1),
    ColumnType.UNSIGNED_SHORT: (0, 2**16 - 1),
    ColumnType.LONG: (-(2**31), 2**31 - 1),
    ColumnType.UNSIGNED_LONG: (0, 2**32 - 1),
    ColumnType.CURRENCY: (-(2**63), 2**63 - 1),
    ColumnType.LONG_LONG: (-(2**63), 2**63 - 1),
    ColumnType.UNSIGNED_LONG_LONG: (0, 2**64 - 1),
}
NUMBERS: Final = (
    *INTEGERS,
    ColumnType.BIT,
    ColumnType.IEEE_SINGLE,
    ColumnType.IEEE_DOUBLE,
    ColumnType.DATE_TIME,
    ColumnType.GUID,
)
SHORT: Final = (ColumnType.TEXT, ColumnType.BINARY)
LONG: Final = (ColumnType.LONG_TEXT, ColumnType.LONG_BINARY)
FIXED_BYTES: Final = 6
LETTERS: Final = "abcXYZ 0189"


def every_column() -> list[Column]:
    """Return a column of each type, storage and code page that there can be."""
    found = [Column(f"{kind.name} fixed", kind) for kind in NUMBERS]
    found += [Column(f"{kind.name} tagged", kind, storage=Storage.TAGGED) for kind in (*NUMBERS, *SHORT)]
    found += [Column(f"{kind.name} many", kind, multi_valued=True) for kind in (*NUMBERS, *SHORT, *LONG)]
    found += [Column(f"{kind.name} short", kind, size=FIXED_BYTES, storage=Storage.FIXED) for kind in SHORT]
    found += [Column(f"{kind.name} variable", kind) for kind in SHORT]
    found += [Column(f"{kind.name} long", kind) for kind in LONG]
    found += [
        Column("ascii short", ColumnType.TEXT, size=FIXED_BYTES, code_page=ASCII, storage=Storage.FIXED),
        Column("ascii variable", ColumnType.TEXT, code_page=ASCII),
        Column("ascii tagged", ColumnType.TEXT, code_page=ASCII, storage=Storage.TAGGED),
        Column("ascii long", ColumnType.LONG_TEXT, code_page=ASCII),
        Column("ascii many", ColumnType.LONG_TEXT, code_page=ASCII, multi_valued=True),
    ]
    return found


COLUMNS: Final = every_column()
ID: Final = Column("Id", ColumnType.LONG)
PRIMARY: Final = Index("pk", ("Id",), primary=True)


def single(source: random.Random, column: Column) -> Any:
    """Return a value that the column may hold."""
    kind = column.type
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return source.choice((low, high, max(low, -1), 0, source.randint(low, high), source.randint(low, high)))
    if kind is ColumnType.BIT:
        return source.random() < 0.5
    if kind in (ColumnType.IEEE_SINGLE, ColumnType.IEEE_DOUBLE):
        number = source.choice((0.0, 1e30, -1e30, source.uniform(-1, 1), source.uniform(-1e9, 1e9)))
        return struct.unpack("<f", struct.pack("<f", number))[0] if kind is ColumnType.IEEE_SINGLE else number
    if kind is ColumnType.DATE_TIME:
        return datetime(1899, 12, 30, tzinfo=UTC) + timedelta(days=source.randrange(60000), hours=source.randrange(24))
    if kind is ColumnType.GUID:
        return uuid.UUID(bytes=source.randbytes(16))
    if column.size:
        return source.randbytes(FIXED_BYTES) if kind.is_binary else text(source, column, FIXED_BYTES)
    size = source.randrange(30) if not kind.is_long or source.random() < 0.5 else source.randrange(1000, 6000)
    return source.randbytes(size) if kind.is_binary else text(source, column, size * 2)


def text(source: random.Random, column: Column, size: int) -> str:
    """Return text of as many bytes."""
    letters = LETTERS if column.code_page == ASCII else LETTERS + "äÄßéЖ中\U0001f600"[: -1 if column.size else None]
    width = 1 if column.code_page == ASCII else 2
    return "".join(source.choices(letters, k=size // width))[: size // width]


def value(source: random.Random, column: Column) -> Any:
    """Return a value, several, or null."""
    if source.random() < 0.15:
        return None
    if not column.multi_valued:
        return single(source, column)
    return tuple(single(source, column) for _ in range(source.randint(1, 3)))


def sort_key(column: Column, found: Any) -> Any:
    """Return what sorts like the keys of a column; null before all, empty before the rest."""
    if found is None:
        return (0,)
    if column.type is ColumnType.GUID:
        raw = found.bytes_le
        return 2, raw[10:16] + raw[8:10] + raw[6:8] + raw[4:6] + raw[:4]
    if not column.type.is_text and not column.type.is_binary:
        return 2, found
    if not found:
        return (1,)
    if column.type.is_binary:
        return 2, found[:200]
    if column.code_page == UNICODE:
        return 2, found.encode("utf-16-be")[:200]
    return 2, found.upper()[:200]


@dataclass
class Known:
    """What two tables hold: one whose indexes go up, one whose indexes go down."""

    source: random.Random
    rows: dict[int, dict[str, Any]]

    def row(self, number: int) -> dict[str, Any]:
        return {"Id": number} | {column.name: value(self.source, column) for column in COLUMNS}

    def change(self, tables: list[Table], number: int) -> None:
        """Insert, change or delete the row of this number in all tables."""
        mark = b"\x7f\x80" + number.to_bytes(3, "big")
        if number not in self.rows:
            self.rows[number] = self.row(number)
            assert [table.insert(**self.rows[number]) for table in tables] == [mark] * len(tables)
        elif self.source.random() < 0.25:
            del self.rows[number]
            for table in tables:
                table.delete(mark)
        else:
            few = self.source.sample(COLUMNS, 12)
            changes = {column.name: value(self.source, column) for column in few}
            self.rows[number] = self.rows[number] | changes
            for table in tables:
                table.update(mark, **changes)

    def entries(self, column: Column, *, down: bool) -> list[tuple[Any, int]]:
        """Return (sort key, row number) of what an index over the column must hold, in its order."""
        found = set()
        for number, row in self.rows.items():
            values = row[column.name] if isinstance(row[column.name], tuple) else (row[column.name],)
            found |= {(sort_key(column, each), number) for each in values}
        in_rows = sorted(found, key=lambda entry: entry[1])
        return sorted(in_rows, key=lambda entry: entry[0], reverse=down)


def index_of(column: Column, *, down: bool) -> Index:
    order = TextOrder.ORDINAL if column.type.is_text and column.code_page == UNICODE else None
    return Index(column.name, ("-" * down + column.name,), text_order=order)


def made(database: Database, name: str, *, down: bool) -> Table:
    """Return a new table with half of its indexes."""
    half = [index_of(column, down=down) for column in COLUMNS[::2]]
    return database.create_table(name, [ID, *COLUMNS], indexes=[PRIMARY, *half])


def number_of(mark: bytes) -> int:
    return int.from_bytes(mark[2:], "big")


def hold(database: Database, known: Known) -> None:
    """Compare both tables and their indexes with what is known."""
    for down, name in enumerate(("Up", "Down")):
        table = database[name]
        assert {row["Id"]: dict(row) for row in table} == known.rows
        for column in COLUMNS:
            expected = known.entries(column, down=bool(down))
            found = [number_of(mark) for _, mark in table.cursor(column.name).entries()]
            assert found == [number for _, number in expected], f"index over {column.name} in {name}"


@pytest.mark.parametrize(
    ("page_size", "level"),
    [
        (size, FormatLevel.WIDEST if size in (4096, 16384) else FormatLevel.NEWEST)
        for size in (4096, 8192, 16384, 32768)
    ],
)
def test_in_rows_and_indexes(new_desk: Callable[..., Desk], page_size: int, level: FormatLevel) -> None:
    desk = new_desk(page_size, level=level, log_file_size=256)
    session, database = desk.open()
    known = Known(random.Random(page_size), {})  # noqa: S311 - repeatable on purpose
    tables = [made(database, "Up", down=False), made(database, "Down", down=True)]
    for _ in range(40):
        known.change(tables, known.source.randrange(30))
    for down, table in enumerate(tables):
        # Over the rows there are.
        for column in COLUMNS[1::2]:
            table.create_index(index_of(column, down=bool(down)))
    for _ in range(40):
        known.change(tables, known.source.randrange(30))
    hold(database, known)
    kept = dict(known.rows)
    session.begin()
    for _ in range(20):
        known.change(tables, known.source.randrange(30))
    hold(database, known)
    session.rollback()
    known.rows = kept
    hold(database, known)
    session.begin()
    change = Known(random.Random(1), dict(kept))  # noqa: S311 - repeatable on purpose
    for _ in range(10):
        change.change(tables, change.source.randrange(30))
    desk.live.journal.writer.flush()
    desk.recovered()
    _, database = desk.open()
    hold(database, known)
    # Pages of what was not committed may be lost to the database, as they are with the engine.
    assert [each for each in desk.settled() if "leak" not in each.lower()] == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        for name in ("Up", "Down"):
            assert {row["Id"]: dict(row) for row in reader[name]} == known.rows


def test_searched_by_every_type(desk: Desk) -> None:
    _, database = desk.open()
    known = Known(random.Random(7), {})  # noqa: S311 - repeatable on purpose
    tables = [made(database, "Up", down=False), made(database, "Down", down=True)]
    for number in range(25):
        known.change(tables, number)
    for down, table in enumerate(tables):
        for column in COLUMNS[1::2]:
            table.create_index(index_of(column, down=bool(down)))
        for column in COLUMNS:
            entries = known.entries(column, down=bool(down))
            cursor = table.cursor(column.name)
            for number in range(25):
                wanted = known.rows[number][column.name]
                wanted = wanted[0] if isinstance(wanted, tuple) else wanted  # the first of several
                key = sort_key(column, wanted)
                same = [each for found, each in entries if found == key]
                places = [place for place, (found, _) in enumerate(entries) if found == key]
                assert cursor.seek(wanted)
                assert number_of(cursor.bookmark) == same[0]
                assert cursor.count((wanted,), (wanted,)) == len(same)
                assert cursor.seek(wanted, match=Seek.LE)
                assert number_of(cursor.bookmark) == same[-1]
                assert cursor.seek(wanted, match=Seek.GT) is (places[-1] + 1 < len(entries))
                if places[-1] + 1 < len(entries):
                    assert number_of(cursor.bookmark) == entries[places[-1] + 1][1]
                assert cursor.seek(wanted, match=Seek.LT) is (places[0] > 0)
                if places[0]:
                    assert number_of(cursor.bookmark) == entries[places[0] - 1][1]
    assert desk.settled() == []
