"""Indexes with options, on empty and on filled tables: which rows have an entry, in which order; what is refused."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.format.column import ASCII
from engine.format.key import TextOrder
from tests.store.desk import code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.table import Table
    from tests.store.desk import Desk

Row: TypeAlias = dict[str, Any]

COLUMNS: Final = (
    Column("Id", ColumnType.LONG),
    Column("A", ColumnType.SHORT),
    Column("B", ColumnType.TEXT, code_page=ASCII),
    Column("C", ColumnType.IEEE_DOUBLE),
    Column("M", ColumnType.LONG, multi_valued=True),
    Column("U", ColumnType.TEXT),
    Column("G", ColumnType.GUID),
)
PRIMARY: Final = Index("pk", ("Id",), primary=True)
GUIDS: Final = [uuid.UUID(int=random.Random(each).getrandbits(128)) for each in range(5)]  # noqa: S311 - repeatable


def row_of(source: random.Random, number: int) -> Row:
    def maybe(value: Any) -> Any:
        return None if source.random() < 0.35 else value

    return {
        "Id": number,
        "A": maybe(source.randrange(-2, 3)),
        "B": maybe(source.choice(("", "a", "b", "ab"))),
        "C": maybe(source.choice((-1.5, 0.0, 2.0, 1e100))),
        "M": maybe(tuple(source.randrange(4) for _ in range(source.randint(1, 3)))),
        "U": maybe(source.choice(("", "é", "E", "e", "\u4e2d"))),
        "G": maybe(source.choice(GUIDS)),
    }


class Rank:
    """What sorts like a segment of a key: null, empty, values; `nulls_high` has null at the end."""

    def __init__(self, value: Any, *, down: bool, nulls_high: bool) -> None:
        if isinstance(value, uuid.UUID):
            value = value.bytes
        self.down = down
        self.rank: tuple[Any, ...] = (2, value)
        if value is None:
            self.rank = (3 if nulls_high else 0,)
        elif value == "":
            self.rank = (1,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rank) and self.rank == other.rank

    def __hash__(self) -> int:
        return hash(self.rank)

    def __lt__(self, other: Rank) -> bool:
        return other.rank < self.rank if self.down else self.rank < other.rank


def entries(index: Index, rows: list[Row]) -> list[int]:
    """Return the numbers of the rows in the order of an index, as often as they have an entry."""
    found = set()
    for row in rows:
        if any(row[name] is None for name in index.if_present) or any(row[name] is not None for name in index.if_null):
            continue
        keys: list[tuple[Rank, ...]] = [()]
        nulls = []
        for text in index.columns:
            name = text.lstrip("+-")
            values = row[name] if isinstance(row[name], tuple) else (row[name],)
            nulls.append(values == (None,))
            # Several values of the first column with some only; those behind it count with their first.
            values = values if not keys[0] else values[:1]
            ranks = [Rank(each, down=text.startswith("-"), nulls_high=index.nulls_high) for each in values]
            keys = [(*key, rank) for key in keys for rank in ranks]
        left_out = (
            (index.ignore_null and all(nulls))
            or (index.ignore_first_null and nulls[0])
            or (index.ignore_any_null and any(nulls))
        )
        if not left_out:
            found |= {(key, row["Id"]) for key in keys}
    return [number for _, number in sorted(found)]


INDEXES: Final = (
    Index("two", ("A", "B")),
    Index("both down", ("-A", "-B")),
    Index("up and down", ("+A", "-B", "C", "-Id")),
    Index("null", ("A", "C"), ignore_null=True),
    Index("first null", ("A", "-C"), ignore_first_null=True),
    Index("any null", ("A", "B", "C"), ignore_any_null=True),
    Index("nulls high", ("A", "-C"), nulls_high=True),
    Index("present", ("-C",), if_present=("A", "B")),
    Index("absent", ("C", "A"), if_null=("B",)),
    Index("present and absent", ("Id",), if_present=("M",), if_null=("A",)),
    Index("many", ("M", "-A")),
    Index("many down", ("-M",), ignore_null=True),
    Index("many, unique", ("M", "Id"), unique=True),
    Index("ordinal", ("U", "Id"), text_order=TextOrder.ORDINAL),
    Index("guid", ("G", "A"), dotnet_guid=True),
    Index("guid down", ("-G",), dotnet_guid=True, ignore_null=True),
    Index("short keys", ("A", "C", "B"), key_most=300, segment_most=250),
    Index("all", (*(f"{'+-'[n % 2]}{'ABC'[n % 3]}" for n in range(15)), "Id"), unique=True, key_most=400),
)


def number_of(mark: bytes) -> int:
    return int.from_bytes(mark[2:], "big")


def hold(table: Table, rows: dict[int, Row]) -> None:
    for index in INDEXES:
        found = [number_of(mark) for _, mark in table.cursor(index.name).entries()]
        assert found == entries(index, list(rows.values())), index.name


@pytest.mark.parametrize("filled", [False, True], ids=("empty", "filled"))
@pytest.mark.parametrize("page_size", [4096, 32768])
def test_which_rows_are_in_which_order(new_desk: Callable[..., Desk], page_size: int, *, filled: bool) -> None:
    source = random.Random(page_size)  # noqa: S311 - repeatable on purpose
    desk = new_desk(page_size)
    _, database = desk.open()
    rows = {number: row_of(source, number) for number in range(150)}
    table = database.create_table("T", COLUMNS, indexes=[PRIMARY, *([] if filled else INDEXES)])
    for row in rows.values():
        table.insert(**row)
    if filled:
        for index in INDEXES:
            table.create_index(index)
    hold(table, rows)
    for _ in range(150):
        number = source.randrange(150)
        mark = b"\x7f\x80" + number.to_bytes(3, "big")
        if source.random() < 0.2 and number in rows:
            del rows[number]
            table.delete(mark)
        elif number in rows:
            few = source.sample(COLUMNS[1:], 2)
            new = row_of(source, number)
            rows[number] = rows[number] | {column.name: new[column.name] for column in few}
            table.update(mark, **{column.name: new[column.name] for column in few})
        else:
            rows[number] = row_of(source, number)
            table.insert(**rows[number])
    hold(table, rows)
    for index in INDEXES[::2]:
        table.delete_index(index.name)
    for index in INDEXES[::2]:
        table.create_index(index)
    hold(table, rows)
    assert desk.settled() == []


def test_a_key_without_nulls(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", COLUMNS, indexes=[PRIMARY, Index("none", ("A", "B"), disallow_null=True)])
    mark = table.insert(Id=1, A=1, B="")
    assert code_of(lambda: table.insert(Id=2, A=1)) == Err.NullKeyDisallowed
    assert code_of(lambda: table.update(mark, A=None)) == Err.NullKeyDisallowed
    table.insert(Id=2, A=2, B="x")
    assert code_of(lambda: table.create_index(Index("more", ("C",), disallow_null=True))) == Err.NullKeyDisallowed
    assert [row["Id"] for row in table.cursor("none")] == [1, 2]
    assert "more" not in table.indexes
    assert desk.settled() == []


def test_keys_that_are_cut(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", [Column("Id", ColumnType.LONG), Column("L", ColumnType.LONG_BINARY)])
    table.create_index(Index("cut", ("L",)))
    table.create_index(Index("never", ("L",), disallow_truncation=True))
    table.create_index(Index("longer", ("L",), key_most=1000, disallow_truncation=True))
    table.insert(Id=1, L=bytes(200))
    assert code_of(lambda: table.insert(Id=2, L=bytes(300))) == Err.KeyTruncated
    table.delete_index("never")
    for number in range(2, 5):
        table.insert(Id=number, L=bytes(500) + bytes([9 - number]))
    assert code_of(lambda: table.create_index(Index("never", ("L",), disallow_truncation=True))) == Err.KeyTruncated
    # What comes behind the end of a key does not count: then the order is that of the rows.
    assert [row["Id"] for row in table.cursor("cut")] == [1, 2, 3, 4]
    assert [row["Id"] for row in table.cursor("longer")] == [1, 4, 3, 2]
    assert code_of(lambda: table.create_index(Index("one", ("L",), unique=True))) == Err.KeyDuplicate
    table.create_index(Index("one", ("L",), unique=True, key_most=1000))
    assert desk.settled() == []


def test_unique_and_null(desk: Desk) -> None:
    """A null in a unique index is a key like another, unless the index leaves it out."""
    _, database = desk.open()
    indexes = [
        PRIMARY,
        Index("a", ("A",), unique=True, ignore_null=True),
        Index("ab", ("A", "B"), unique=True, ignore_any_null=True),
        Index("m", ("M",), unique=True, ignore_null=True),
    ]
    table = database.create_table("T", COLUMNS, indexes=indexes)
    mark = table.insert(Id=1, A=1, B="x", M=(1, 2))
    for number in (2, 3):
        table.insert(Id=number, B="x")
    assert code_of(lambda: table.insert(Id=4, A=1)) == Err.KeyDuplicate
    assert code_of(lambda: table.insert(Id=4, M=(3, 2))) == Err.KeyDuplicate
    table.insert(Id=4, M=(3, 3))
    table.update(mark, A=None, M=(4,))
    table.insert(Id=5, A=1, M=(1, 2))
    table.create_index(Index("c", ("C",), unique=True, ignore_null=True))
    assert code_of(lambda: table.create_index(Index("d", ("C",), unique=True))) == Err.KeyDuplicate
    assert desk.settled() == []


REFUSED: Final = {
    "no column": (Index("i", ()), Err.IndexInvalidDef),
    "17 columns": (Index("i", ("A",) * 17), Err.IndexInvalidDef),
    "unknown": (Index("i", ("X",)), Err.ColumnNotFound),
    "unknown condition": (Index("i", ("A",), if_null=("X",)), Err.ColumnNotFound),
    "17 conditions": (Index("i", ("A",), if_null=("B",) * 17), Err.IndexInvalidDef),
    "escrow": (Index("i", ("E",)), Err.CannotIndex),
    "locale": (Index("i", ("U",)), Err.FeatureNotAvailable),
    "name": (Index("i!", ("A",)), Err.InvalidName),
    "name taken": (Index("PK", ("A",)), Err.IndexDuplicate),
    "long keys": (Index("i", ("A",), key_most=1001), Err.IndexInvalidDef),
    "segments longer than keys": (Index("i", ("B",), segment_most=256), Err.IndexInvalidDef),
    "no segment": (Index("i", ("B",), segment_most=0), Err.IndexInvalidDef),
    "density": (Index("i", ("A",), density=101), Err.DensityInvalid),
}
REFUSED_PRIMARY: Final = {
    "ignore null": (Index("i", ("A",), primary=True, ignore_null=True), Err.InvalidGrbit),
    "ignore any null": (Index("i", ("A",), primary=True, ignore_any_null=True), Err.InvalidGrbit),
    "ignore first null": (Index("i", ("A",), primary=True, ignore_first_null=True), Err.InvalidGrbit),
    "condition": (Index("i", ("A",), primary=True, if_present=("B",)), Err.IndexInvalidDef),
    "several values": (Index("i", ("M",), primary=True), Err.IndexInvalidDef),
    "two": (Index("i", ("A",), primary=True), 0),
}
ESCROW: Final = Column("E", ColumnType.LONG, escrow=True, default=0)


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_index_can_be(desk: Desk, case: str) -> None:
    index, code = REFUSED[case]
    _, database = desk.open()
    table = database.create_table("T", [*COLUMNS, ESCROW], indexes=[PRIMARY])
    assert code_of(lambda: table.create_index(index)) == code
    assert list(table.indexes) == ["pk"]
    assert code_of(lambda: database.create_table("U", [*COLUMNS, ESCROW], indexes=[PRIMARY, index])) == code
    assert list(database) == ["T"]
    assert desk.settled() == []


@pytest.mark.parametrize("case", REFUSED_PRIMARY)
def test_what_no_primary_index_can_be(desk: Desk, case: str) -> None:
    index, code = REFUSED_PRIMARY[case]
    _, database = desk.open()
    table = database.create_table("T", COLUMNS)
    assert code_of(lambda: table.create_index(index)) == code
    assert code_of(lambda: database.create_table("U", COLUMNS, indexes=[index])) == code
    assert code_of(lambda: database.create_table("V", COLUMNS, indexes=[index, PRIMARY])) == (
        code or Err.IndexHasPrimary
    )
    assert desk.settled() == []


def test_as_many_indexes_as_there_can_be(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", COLUMNS, indexes=[PRIMARY])
    table.insert(Id=1, A=1)
    for number in range(63):
        table.create_index(Index(f"i{number}", ("A", "-Id")))
    assert code_of(lambda: table.create_index(Index("more", ("A",)))) == Err.TooManyIndexes
    many = [Index(f"i{number}", ("A",)) for number in range(65)]
    assert code_of(lambda: database.create_table("U", COLUMNS, indexes=many)) == Err.TooManyIndexes
    table.insert(Id=2, A=1)
    assert [row["Id"] for row in table.cursor("i62")] == [2, 1]
    assert desk.settled() == []
