"""Rows of a database that was built for the purpose: values, order, defaults, long values, cursors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import engine
from engine import Seek, open_database
from engine.errors import Err, EseError
from engine.table.cursor import successor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.table import Database, Row, Table
    from tests.table.conftest import Sample


@pytest.fixture
def database(sample: Sample) -> Iterator[Database]:
    with open_database(sample.path, strict=True) as opened:
        yield opened


@pytest.fixture
def table(database: Database) -> Table:
    return database["All"]


def test_names(database: Database) -> None:
    assert list(database.tables(system=False)) == ["All", "Plain", "Empty", "Defaults"]
    assert list(database)[:2] == ["MSysObjects", "MSysObjectsShadow"]
    assert "All" in database
    assert "all" in database
    assert "None" not in database
    assert 5 not in database
    assert database.table("ALL").name == "All"
    with pytest.raises(EseError) as told:
        database.table("None")
    assert told.value.code == Err.ObjectNotFound


def test_every_value_of_every_row(table: Table, sample: Sample) -> None:
    rows = [dict(row) for row in table]
    assert rows == sample.rows
    assert list(table.values()) == [tuple(row.values()) for row in sample.rows]


def test_some_columns_in_another_order(table: Table, sample: Sample) -> None:
    names = ["Many", "Text", "Long", "Id", "Bit"]
    assert list(table.values(names)) == [tuple(row[name] for name in names) for row in sample.rows]
    assert list(table.values(["Wide"])) == [(row["Wide"],) for row in sample.rows]
    assert list(table.values([])) == [()] * len(sample.rows)
    with pytest.raises(EseError) as told:
        table.values(["Id", "Nothing"])
    assert told.value.code == Err.ColumnNotFound


def test_stored_bytes(table: Table, sample: Sample) -> None:
    for (number, text, many), row in zip(table.values(["Id", "Text", "Many"], raw=True), sample.rows, strict=True):
        assert isinstance(number, bytes)
        assert int.from_bytes(number, "little") == row["Id"]
        assert text == (None if row["Text"] is None else row["Text"].encode("ascii"))
        assert many is None or (isinstance(many, tuple) and all(isinstance(each, bytes) for each in many))


def test_a_row_is_a_mapping(table: Table, sample: Sample) -> None:
    row = next(iter(table))
    assert list(row) == list(sample.rows[0])
    assert len(row) == len(sample.rows[0])
    assert row == sample.rows[0]
    assert "Id" in row
    assert row.get("None") is None
    assert row.bookmark == b"\x7f\x80\x00\x00\x01"
    assert "Id=1" in repr(row)
    with pytest.raises(KeyError):
        row["None"]


def test_long_values_in_pieces(table: Table, sample: Sample) -> None:
    outside = 0
    for row, wanted in zip(table, sample.rows, strict=True):
        found = row.long_value("Long")
        if found is None:
            continue
        outside += 1
        chunks = list(found.chunks())
        assert b"".join(chunks) == wanted["Long"]
        assert found.size == len(wanted["Long"])
        assert len(chunks) > 1 or found.size <= 8192
        assert row.long_value("Id") is None
        assert row.long_value("ManyLong", 9) is None
    assert outside > 100


def test_defaults(database: Database) -> None:
    first, second = database["Defaults"]
    assert (first["Level"], first["Wide"], first["Tagged"]) == (7, "nichts", -5)
    assert {name for name, value in second.items() if value is not None} == {"Id", "Level", "Wide", "Tagged"}


def test_auto_increment(database: Database, sample: Sample) -> None:
    highest = database["All"].auto_increment
    assert highest is None or highest >= len(sample.rows)


def test_tables_without_rows_or_primary_index(database: Database) -> None:
    empty = database["Empty"]
    assert list(empty) == []
    assert empty.count() == 0
    cursor = empty.cursor("i")
    assert not cursor.first()
    assert not cursor.last()
    assert not cursor.seek(True)
    plain = database["Plain"]
    assert [row["N"] for row in plain] == list(range(3000))
    assert plain.count() == 3000
    rows = plain.cursor()
    assert rows.goto((5).to_bytes(4, "big"))
    assert rows.row["N"] == 4
    assert rows.last()
    assert rows.row["N"] == 2999
    with pytest.raises(EseError):
        rows.seek(1)


# cursors


def upper(row: Row) -> str:
    """Return the text of a row as its index has it."""
    text: Any = row["Text"]
    return (text or "").upper()


def test_an_index_gives_its_order(table: Table, sample: Sample) -> None:
    by_date = [row["Date"] for row in table.cursor("byDate")]
    dates = sorted((row["Date"] for row in sample.rows if row["Date"] is not None), reverse=True)
    assert [each for each in by_date if each is not None] == dates
    assert len(by_date) == len(sample.rows)
    guids = [row["Guid"] for row in table.cursor("byGuid")]
    assert None not in guids
    assert len(guids) == sum(row["Guid"] is not None for row in sample.rows)


def test_seek_in_primary_order(table: Table, sample: Sample) -> None:
    cursor = table.cursor()
    assert not cursor.positioned
    with pytest.raises(EseError) as told:
        _ = cursor.row
    assert told.value.code == Err.NoCurrentRecord
    for number in (1, 2, 350, len(sample.rows)):
        assert cursor.seek(number)
        assert cursor.row == sample.rows[number - 1]
    last = len(sample.rows)
    for key, match, wanted in (
        (0, Seek.EQ, None), (0, Seek.GE, 1), (0, Seek.GT, 1), (0, Seek.LE, None), (0, Seek.LT, None),
        (5, Seek.GE, 5), (5, Seek.GT, 6), (5, Seek.LE, 5), (5, Seek.LT, 4),
        (last, Seek.GT, None), (last + 9, Seek.LE, last), (last + 9, Seek.LT, last), (last + 9, Seek.GE, None),
    ):  # fmt: skip
        assert cursor.seek(key, match=match) is (wanted is not None), (key, match)
        if wanted is not None:
            assert cursor.row["Id"] == wanted


def test_a_step_from_where_a_key_would_be(table: Table, sample: Sample) -> None:
    last = len(sample.rows)
    cursor = table.cursor()
    for key, behind, before in ((0, 1, None), (last + 9, None, last)):
        for step, wanted in ((1, behind), (-1, before)):
            assert not cursor.seek(key)
            assert cursor.move(step) is (wanted is not None)
            if wanted is not None:
                assert cursor.row["Id"] == wanted
    by_text = table.cursor("byText")
    texts = [upper(row) for row in table.cursor("byText")]
    for text in ("AB~", "C C~"):
        assert not by_text.seek(text)
        if by_text.move():
            assert upper(by_text.row) == next(each for each in texts if each > text)
        assert not by_text.seek(text)
        if by_text.move(-1):
            assert upper(by_text.row) == [each for each in texts if each < text][-1]


def test_seek_by_the_first_columns(table: Table, sample: Sample) -> None:
    cursor = table.cursor("byText")
    for text in ("A", "ab", "C c", "zz"):
        same = [row for row in sample.rows if (row["Text"] or "").upper() == text.upper()]
        found = cursor.seek(text)
        assert found is bool(same)
        if found:
            assert upper(cursor.row) == text.upper()
            assert len(list(cursor.range(text, text))) == len(same)
            assert cursor.seek(text, match=Seek.LE)
            assert upper(cursor.row) == text.upper()
            smallest = min((row["Short"] for row in same if row["Short"] is not None), default=None)
            if all(row["Short"] is not None for row in same):
                assert cursor.row["Short"] == smallest  # descending
        if cursor.seek(text, match=Seek.GT):
            assert upper(cursor.row) > text.upper()
        if cursor.seek(text, match=Seek.LT):
            assert upper(cursor.row) < text.upper()


def test_seek_null_and_full_key(table: Table, sample: Sample) -> None:
    cursor = table.cursor("byText")
    assert cursor.seek(None)
    assert cursor.row["Text"] is None
    row = next(row for row in sample.rows if row["Text"] and row["Short"] is not None)
    assert cursor.seek(row["Text"], row["Short"])
    assert (upper(cursor.row), cursor.row["Short"]) == (row["Text"].upper(), row["Short"])


def test_move(table: Table, sample: Sample) -> None:
    last = len(sample.rows)
    cursor = table.cursor()
    assert cursor.move(1)
    assert cursor.row["Id"] == 1
    assert cursor.move(last - 1)
    assert cursor.row["Id"] == last
    assert not cursor.move(1)
    assert not cursor.positioned
    assert not cursor.move(1)
    assert cursor.move(-1)
    assert cursor.row["Id"] == last
    assert cursor.move(-(last // 2))
    assert cursor.row["Id"] == last - last // 2
    assert cursor.move(5)
    assert cursor.move(-5)
    assert cursor.row["Id"] == last - last // 2
    assert not cursor.move(-last)
    assert not cursor.move(-1)
    assert cursor.move(1)
    assert cursor.row["Id"] == 1
    assert cursor.move(0)


@pytest.mark.parametrize("name", ["byText", "byDate", "byWhole", "byGuid"])
def test_moving_there_and_back_meets_the_same_entries(table: Table, name: str) -> None:
    cursor = table.cursor(name)
    there = []
    while cursor.move(1):
        there.append((cursor.key, cursor.bookmark))
    back = []
    while cursor.move(-1):
        back.append((cursor.key, cursor.bookmark))
    assert there == back[::-1] == list(cursor.entries())
    # Turning round at every entry.
    cursor.first()
    for entry in there[:200]:
        assert (cursor.key, cursor.bookmark) == entry
        if cursor.move(-1):
            assert cursor.move(1)
        else:
            cursor.first()
        cursor.move(1)


def test_range(table: Table, sample: Sample) -> None:
    cursor = table.cursor()
    assert [row["Id"] for row in cursor.range(10, 15)] == [10, 11, 12, 13, 14, 15]
    assert [row["Id"] for row in cursor.range(10, 15, inclusive=False)] == [10, 11, 12, 13, 14]
    assert [row["Id"] for row in cursor.range(upper=3)] == [1, 2, 3]
    assert [row["Id"] for row in cursor.range((len(sample.rows) - 1,))] == [len(sample.rows) - 1, len(sample.rows)]
    assert list(cursor.range(9, 4)) == []
    by_date = table.cursor("byDate")
    newest = max(row["Date"] for row in sample.rows if row["Date"] is not None)
    year = timedelta(days=365)
    found = [row["Date"] for row in by_date.range(newest, newest - year)]
    assert found == sorted(
        (row["Date"] for row in sample.rows if row["Date"] and newest - year <= row["Date"] <= newest), reverse=True
    )


def test_bookmarks(table: Table, sample: Sample) -> None:
    by_text = table.cursor("byText")
    assert by_text.seek(None, match=Seek.GE)
    bookmark = by_text.bookmark
    row = by_text.row
    cursor = table.cursor()
    assert cursor.goto(bookmark)
    assert cursor.row == row
    assert table.fetch(bookmark) == row
    assert not cursor.goto(b"\x7f\xff\xff\xff\xff")
    with pytest.raises(EseError) as told:
        by_text.goto(bookmark)
    assert told.value.code == Err.IllegalOperation
    with pytest.raises(EseError) as told:
        table.fetch(b"nothing")
    assert told.value.code == Err.RecordNotFound


def test_keys_that_cannot_be(table: Table) -> None:
    with pytest.raises(EseError) as told:
        table.cursor().seek("text for a number")
    assert told.value.code == Err.InvalidParameter
    with pytest.raises(EseError) as told:
        table.cursor().seek()
    assert told.value.code == Err.InvalidParameter
    with pytest.raises(EseError) as told:
        table.cursor("none")
    assert told.value.code == Err.IndexNotFound


def test_successor() -> None:
    assert successor(b"ab") == b"ac"
    assert successor(b"a\xff\xff") == b"b"
    assert successor(b"\xff") is None
    assert successor(b"") is None


def test_what_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(EseError) as told:
        open_database(tmp_path / "none.edb")
    assert told.value.code == Err.FileNotFound
    (tmp_path / "text.edb").write_bytes(b"no database" * 5000)
    with pytest.raises(EseError):
        open_database(tmp_path / "text.edb")


def test_the_front_door() -> None:
    assert engine.open_database is open_database
    assert engine.Database.__name__ == "Database"
