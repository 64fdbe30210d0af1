"""Cursors over live tables: searching, moving, ranges, bookmarks; and rows changed under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.format.column import Storage
from engine.format.key import TextOrder
from engine.table import Seek
from tests.store.desk import code_of

if TYPE_CHECKING:
    from engine.store.table import Table
    from tests.store.desk import Desk

COLUMNS = (
    Column("Id", ColumnType.LONG),
    Column("Group", ColumnType.SHORT),
    Column("Text", ColumnType.TEXT, code_page=1252),
)
INDEXES = (
    Index("pk", ("Id",), primary=True),
    Index("byGroup", ("-Group", "Id"), unique=True),
    Index("byText", ("Text",)),
)


@pytest.fixture
def table(desk: Desk) -> Table:
    """Return a table of the even numbers below 600 in 30 groups, 20 texts."""
    _, database = desk.open()
    made = database.create_table("T", COLUMNS, indexes=INDEXES)
    made.insert_many((2 * n, n % 30, f"text {n % 20:02}") for n in range(300))
    return made


@pytest.mark.parametrize(
    ("match", "key", "found"),
    [
        (Seek.EQ, 100, 100),
        (Seek.EQ, 101, None),
        (Seek.GE, 100, 100),
        (Seek.GE, 101, 102),
        (Seek.GE, 599, None),
        (Seek.GT, 100, 102),
        (Seek.GT, 598, None),
        (Seek.LE, 100, 100),
        (Seek.LE, 101, 100),
        (Seek.LE, -1, None),
        (Seek.LE, 9999, 598),
        (Seek.LT, 100, 98),
        (Seek.LT, 0, None),
    ],
)
def test_seek(table: Table, match: Seek, key: int, found: int | None) -> None:
    cursor = table.cursor()
    assert cursor.seek(key, match=match) is (found is not None)
    if found is None:
        assert code_of(lambda: cursor.row) == Err.NoCurrentRecord
    else:
        assert cursor.row["Id"] == found


def test_part_of_a_key_in_a_descending_index(table: Table) -> None:
    cursor = table.cursor("byGroup")
    assert cursor.seek(7)
    assert (cursor.row["Group"], cursor.row["Id"]) == (7, 14)
    assert cursor.seek(7, match=Seek.GT)
    assert cursor.row["Group"] == 6
    assert cursor.seek(7, match=Seek.LT)
    assert cursor.row["Group"] == 8
    assert cursor.seek(7, match=Seek.LE)
    assert (cursor.row["Group"], cursor.row["Id"]) == (7, 14 + 9 * 60)
    assert not cursor.seek(31)
    assert cursor.seek(0, match=Seek.LE)
    assert not cursor.seek(0, match=Seek.GT)


def test_after_a_search_in_vain_the_cursor_is_between(table: Table) -> None:
    cursor = table.cursor()
    for key, behind, before in ((101, 102, 100), (-1, 0, None), (999, None, 598)):
        assert not cursor.seek(key)
        assert not cursor.positioned
        assert cursor.move() is (behind is not None)
        assert behind is None or cursor.row["Id"] == behind
        assert not cursor.seek(key)
        assert cursor.move(-1) is (before is not None)
        assert before is None or cursor.row["Id"] == before
    assert not cursor.seek(101)
    table.insert(Id=101)
    assert cursor.move()
    assert cursor.row["Id"] == 101
    by_text = table.cursor("byText")
    assert not by_text.seek("text 05x")
    assert by_text.move(-1)
    assert by_text.row["Text"] == "text 05"
    assert not by_text.seek("text 05x")
    assert by_text.move()
    assert by_text.row["Text"] == "text 06"
    by_group = table.cursor("byGroup")
    assert not by_group.seek(7, 13)
    assert by_group.move()
    assert (by_group.row["Group"], by_group.row["Id"]) == (7, 14)
    assert not by_group.seek(31)
    assert by_group.move()
    assert by_group.row["Group"] == 29


def test_a_fixed_text_is_found_without_its_filling(desk: Desk) -> None:
    _, database = desk.open()
    fixed = Storage.FIXED
    columns = [
        Column("T", ColumnType.TEXT, size=10, code_page=1252, storage=fixed),
        Column("U", ColumnType.TEXT, size=10, storage=fixed),
        Column("B", ColumnType.BINARY, size=4, storage=fixed),
    ]
    indexes = [
        Index("pk", ("T",), primary=True),
        Index("u", ("U",), text_order=TextOrder.FOLD),
        Index("b", ("-B", "T")),
    ]
    table = database.create_table("T", columns, indexes=indexes)
    mark = table.insert(T="ab", U="cd", B=b"ef")
    table.insert(T="x", U="y", B=b"z")
    assert dict(table.get(mark)) == {"T": "ab        ", "U": "cd   ", "B": b"ef\0\0"}
    for index, key in ((None, ("ab",)), ("u", ("CD",)), ("b", (b"ef", "ab")), ("b", (b"ef",))):
        cursor = table.cursor(index)
        assert cursor.seek(*key)
        assert cursor.bookmark == mark
        assert [row.bookmark for row in cursor.range(key, key)] == [mark]
    assert desk.settled() == []


def test_move(table: Table) -> None:
    cursor = table.cursor()
    assert not cursor.positioned
    assert cursor.move()
    assert cursor.row["Id"] == 0
    assert not cursor.move(-1)
    assert cursor.move(1)
    assert cursor.row["Id"] == 0
    assert cursor.move(299)
    assert not cursor.move()
    assert code_of(lambda: cursor.bookmark) == Err.NoCurrentRecord
    assert cursor.move(-1)
    assert cursor.row["Id"] == 598
    assert cursor.move(-2)
    assert cursor.row["Id"] == 594
    assert cursor.last()
    assert cursor.row["Id"] == 598
    assert cursor.first()
    assert cursor.key == cursor.bookmark == b"\x7f\x80\0\0\0"


def test_ranges_and_counts(table: Table) -> None:
    cursor = table.cursor()
    assert [row["Id"] for row in cursor.range(11, 18)] == [12, 14, 16, 18]
    assert [row["Id"] for row in cursor.range(12, 18, inclusive=False)] == [12, 14, 16]
    assert len(list(cursor.range(lower=500))) == 50
    assert len(list(cursor.range(upper=99))) == 50
    assert len(list(cursor)) == 300
    assert cursor.count() == 300
    assert cursor.count(11, 18) == 4
    assert cursor.count(12, 18, inclusive=False) == 3
    assert cursor.count(13, 13) == 0
    by_text = table.cursor("byText")
    assert by_text.count("text 07", "text 07") == 15
    assert len({key for key, _ in by_text.entries()}) == 20
    by_group = table.cursor("byGroup")
    assert by_group.count(20, 11) == 100
    assert [row["Id"] for row in by_group.range((7, 400), (7, 500))] == [434, 494]


def test_bookmarks(table: Table) -> None:
    cursor = table.cursor("byText")
    assert cursor.seek("text 05")
    mark = cursor.bookmark
    primary = table.cursor()
    assert primary.goto(mark)
    assert primary.row["Id"] == 10
    assert cursor.first()
    assert cursor.goto(mark)
    assert (cursor.row["Text"], cursor.bookmark) == ("text 05", mark)
    table.delete(mark)
    assert not cursor.goto(mark)
    assert not primary.goto(mark)
    assert mark not in table


def test_changes_under_a_cursor(table: Table, desk: Desk) -> None:
    cursor, other = table.cursor("byText"), table.cursor("byText")
    assert cursor.seek("text 03")
    mark = cursor.bookmark
    assert other.goto(mark)
    cursor.update(Text="zzz")
    assert code_of(lambda: other.row) == Err.RecordDeleted
    assert other.move()
    assert other.row["Text"] == "text 03"
    assert table.get(mark)["Text"] == "zzz"
    cursor = table.cursor()
    seen = []
    while cursor.move():
        number = cursor.row["Id"]
        seen.append(number)
        if len(seen) % 3 == 0:
            cursor.delete()
            assert code_of(cursor.delete) == Err.RecordDeleted
    assert seen == list(range(0, 600, 2))
    assert table.count() == 200
    assert desk.settled() == []


def test_a_table_may_grow_and_shrink_while_it_is_read(table: Table, desk: Desk) -> None:
    seen = []
    for row in table:
        number = row["Id"]
        assert isinstance(number, int)
        seen.append(number)
        if number % 2:
            continue
        table.insert(Id=number + 1, Group=1, Text="x" * 200)
        if number >= 100:
            table.delete(row.bookmark)
    assert seen == sorted(set(seen))
    assert set(range(0, 600, 2)) <= set(seen)
    assert table.count() == 350
    assert desk.settled() == []


def test_rows_that_change_ahead_of_a_scan(desk: Desk) -> None:
    session, database = desk.open()
    other = desk.open()[1]
    columns = [Column("Id", ColumnType.LONG), Column("L", ColumnType.LONG_BINARY)]
    table = database.create_table("L", columns, indexes=[Index("pk", ("Id",), primary=True)])
    marks = [table.insert(Id=n, L=bytes([n]) * 3000) for n in range(12)]
    for changed in (table, other["L"]):
        seen = {}
        for row in table:
            number = row["Id"]
            assert isinstance(number, int)
            seen[number] = row["L"]
            if number % 4 == 0:
                changed.update(marks[number + 1], L=b"new" * 1000)
                changed.delete(marks[number + 2])
        assert seen == {n: b"new" * 1000 if n % 4 == 1 else bytes([n]) * 3000 for n in range(12) if n % 4 != 2}
        for n in range(12):
            if n % 4 == 1:
                table.update(marks[n], L=bytes([n]) * 3000)
            if n % 4 == 2:
                table.insert(Id=n, L=bytes([n]) * 3000)
    assert list(table.values(["L"]))[5] == (bytes([5]) * 3000,)
    session.close()
    assert desk.settled() == []


def test_within_a_transaction_a_scan_sees_one_moment(table: Table, desk: Desk) -> None:
    session, database = desk.open()
    with session.transaction(read_only=True):
        rows = iter(database["T"])
        first = next(rows)["Id"]
        table.insert_many((2 * n + 1, 5, "new") for n in range(300))
        for number in range(0, 100, 2):
            cursor = table.cursor()
            assert cursor.seek(number)
            cursor.delete()
        assert [first, *(row["Id"] for row in rows)] == list(range(0, 600, 2))
        assert database["T"].cursor("byGroup").count() == 300
        assert code_of(lambda: database["T"].insert(Id=-1)) == Err.TransReadOnly
    assert table.count() == 550
    assert desk.settled() == []
