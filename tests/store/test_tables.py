"""Rows of live tables: inserted, changed, deleted, read; as one step or not at all."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.errors import Err
from engine.format.column import ASCII, Storage
from engine.format.key import TextOrder
from engine.store import nodes
from tests.store.conftest import PATH
from tests.store.desk import code_of, hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.desk import Desk

PAGE_SIZES = (4096, 8192, 16384, 32768)


@pytest.mark.parametrize("level", [FormatLevel.WIDEST, FormatLevel.NEWEST], ids=("20", "290"))
@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_rows_of_many_kinds(new_desk: Callable[..., Desk], page_size: int, level: FormatLevel) -> None:
    desk = new_desk(page_size, level=level)
    _, database = desk.open()
    table = hosts(database)
    marks = [
        table.insert(Name=f"host {n}", Owner=f"o{n}", Note="x" * (n * 150), Ports=[n, n + 1] if n % 2 else None)
        for n in range(60)
    ]
    for n in range(0, 60, 3):
        table.update(marks[n], Name=f"HOST {n} again", Note="é" * (n * 90), Ports=(n, 1000))
    for n in range(0, 60, 5):
        table.delete(marks[n])
    expected = {
        n + 1: (f"HOST {n} again", "é" * (n * 90), (n, 1000), 1)
        if not n % 3
        else (f"host {n}", "x" * (n * 150), (n, n + 1) if n % 2 else None, 0)
        for n in range(60)
        if n % 5
    }
    live = {row["Id"]: (row["Name"], row["Note"], row["Ports"], row["Version"]) for row in table}
    assert live == expected
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        read = {row["Id"]: (row["Name"], row["Note"], row["Ports"], row["Version"]) for row in reader["Hosts"]}
    assert read == expected


def test_every_type(desk: Desk) -> None:
    values: dict[str, Any] = {
        "Bit": True,
        "Byte": 200,
        "Short": -5,
        "Long": -70000,
        "Currency": 2**40,
        "Single": 0.5,
        "Double": 1e100,
        "Date": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "Binary": b"\0\1\2",
        "Text": "ärgerlich",
        "LongBinary": bytes(range(256)) * 40,
        "LongText": "lang" * 2000,
        "UnsignedLong": 2**32 - 1,
        "LongLong": -(2**60),
        "Guid": uuid.UUID(int=2**100 + 7),
        "UnsignedShort": 65535,
        "UnsignedLongLong": 2**64 - 1,
    }
    kinds = [each for each in ColumnType if each is not ColumnType.SLV]
    columns = [Column(name, kind) for name, kind in zip(values, kinds, strict=True)]
    columns += [Column(f"Tagged{name}", kind, storage=Storage.TAGGED) for name, kind in zip(values, kinds, strict=True)]
    _, database = desk.open()
    table = database.create_table("T", columns)
    whole = values | {f"Tagged{name}": value for name, value in values.items()}
    first, second = table.insert(**whole), table.insert()
    assert dict(table.get(first)) == whole
    assert set(dict(table.get(second)).values()) == {None}
    table.update(second, **whole)
    table.update(first, **dict.fromkeys(whole))
    assert dict(table.get(second)) == whole
    assert set(dict(table.get(first)).values()) == {None}
    assert desk.settled() == []


def test_defaults_and_nulls(desk: Desk) -> None:
    _, database = desk.open()
    columns = [
        Column("Id", ColumnType.LONG, not_null=True),
        Column("Fixed", ColumnType.LONG, default=7),
        Column("Variable", ColumnType.TEXT, default="seven"),
        Column("Tagged", ColumnType.LONG, storage=Storage.TAGGED, default=77),
        Column("Short", ColumnType.TEXT, size=10),
    ]
    table = database.create_table("T", columns, indexes=[Index("pk", ("Id",), primary=True)])
    mark = table.insert(Id=1)
    assert dict(table.get(mark)) == {"Id": 1, "Fixed": 7, "Variable": "seven", "Tagged": 77, "Short": None}
    table.update(mark, Fixed=None, Variable=None, Tagged=None)
    assert dict(table.get(mark)) == {"Id": 1, "Fixed": None, "Variable": None, "Tagged": None, "Short": None}
    table.replace(mark, Id=1, Short="ab")
    assert dict(table.get(mark)) == {"Id": 1, "Fixed": 7, "Variable": "seven", "Tagged": 77, "Short": "ab"}
    assert code_of(table.insert) == Err.NullInvalid
    assert code_of(lambda: table.update(mark, Id=None)) == Err.NullInvalid
    assert code_of(lambda: table.insert(Id=2, Short="x" * 6)) == Err.ColumnTooBig
    assert code_of(lambda: table.insert(Id=2, Other=1)) == Err.ColumnNotFound
    assert code_of(lambda: table.insert(Id="two")) == Err.InvalidParameter
    assert code_of(lambda: table.insert(Id=1)) == Err.KeyDuplicate
    assert code_of(lambda: table.update(mark, Id=2)) == Err.RecordPrimaryChanged
    assert code_of(lambda: table.get(b"\x7f\x80\0\0\x09")) == Err.RecordNotFound
    assert code_of(lambda: table.delete(b"\x7f\x80\0\0\x09")) == Err.RecordNotFound
    assert table.count() == 1
    assert desk.settled() == []


def test_a_row_that_cannot_be_leaves_nothing(desk: Desk) -> None:
    _, database = desk.open()
    table = hosts(database)
    table.insert(Name="a", Owner="same", Note="n" * 3000)
    # Owner and Id are unique together, so a second counter value is needed to meet the first: a null key does not.
    table.create_index(Index("oneOwner", ("Owner",), unique=True))
    assert code_of(lambda: table.insert(Name="b", Owner="SAME", Note="n" * 3000)) == Err.KeyDuplicate
    assert table.count() == 1
    assert [key for key, _ in table.cursor("byName").entries()] == [key for key, _ in table.cursor("byName").entries()]
    assert table.cursor("byName").count() == 1
    mark = table.insert(Name="c", Owner="other")
    assert code_of(lambda: table.update(mark, Owner="same", Note="m" * 5000)) == Err.KeyDuplicate
    assert table.get(mark)["Owner"] == "other"
    assert desk.settled() == []


def test_a_record_too_big(desk: Desk) -> None:
    _, database = desk.open()
    columns = [Column(f"B{n}", ColumnType.BINARY) for n in range(20)]
    table = database.create_table("T", columns)
    assert code_of(lambda: table.insert(**{f"B{n}": bytes(255) for n in range(20)})) == Err.RecordTooBig
    mark = table.insert()
    assert code_of(lambda: table.update(mark, **{f"B{n}": bytes(255) for n in range(20)})) == Err.RecordTooBig
    assert desk.settled() == []


def test_counter_goes_on_after_stop_and_crash(desk: Desk) -> None:
    _, database = desk.open()
    table = hosts(database)
    for n in range(5):
        table.insert(Name=str(n), Owner=str(n))
    assert [row["Id"] for row in table] == [1, 2, 3, 4, 5]
    assert code_of(lambda: table.insert(Id=9, Name="x", Owner="x")) == Err.InvalidColumnType
    assert code_of(lambda: table.update(next(iter(table)).bookmark, Version=9)) == Err.InvalidColumnType
    desk.recovered()
    _, database = desk.open()
    database["Hosts"].insert(Name="y", Owner="y")
    numbers = [row["Id"] for row in database["Hosts"]]
    assert numbers[:5] == [1, 2, 3, 4, 5]
    assert str(numbers[5]).isdigit()
    assert numbers[5] not in numbers[:5]
    assert desk.settled() == []


def test_counter_in_the_root_grows_in_batches(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(level=FormatLevel.NEWEST)
    _, database = desk.open()
    table = hosts(database)
    for n in range(7):
        table.insert(Name=str(n), Owner=str(n))
    desk.settled()
    with open_database(PATH, fs=desk.disk) as reader:
        # Batches of 2, 4 and 8.
        assert reader["Hosts"].auto_increment == 14


def test_escrow_by_two_sessions_at_once(desk: Desk) -> None:
    one, database = desk.open()
    table = hosts(database)
    mark = table.insert(Name="a", Owner="a")
    two, other = desk.open()
    one.begin()
    two.begin()
    assert table.escrow(mark, "Hits", 5) == 0
    assert other["Hosts"].escrow(mark, "Hits", 7) == 0
    assert code_of(lambda: table.update(mark, Name="b")) == Err.WriteConflict
    one.rollback()
    two.commit()
    assert table.get(mark)["Hits"] == 7
    assert code_of(lambda: table.escrow(mark, "Version", 1)) == Err.InvalidOperation
    assert desk.settled() == []


def test_an_update_of_nothing_changes_nothing(desk: Desk) -> None:
    one, database = desk.open()
    table = hosts(database)
    mark = table.insert(Name="a", Owner="a")
    table.update(mark)
    assert table.get(mark)["Version"] == 0
    table.update(mark, Name="a")
    assert table.get(mark)["Version"] == 1
    assert code_of(lambda: table.update(mark + b"x")) == Err.RecordNotFound
    _, other = desk.open()
    with one.transaction():
        table.update(mark)
        assert code_of(lambda: other["Hosts"].update(mark, Name="b")) == Err.WriteConflict
    assert desk.settled() == []


def test_snapshot_conflict_and_rollback(desk: Desk) -> None:
    one, database = desk.open()
    table = hosts(database)
    mark = table.insert(Name="a", Owner="a", Note="first" * 1000)
    two, other = desk.open()
    two.begin()
    seen = other["Hosts"]
    assert seen.get(mark)["Note"] == "first" * 1000
    with one.transaction():
        table.update(mark, Note="second" * 1000, Name="z")
        table.insert(Name="b", Owner="b")
    assert seen.get(mark)["Note"] == "first" * 1000
    assert [row["Name"] for row in seen.cursor("byName")] == ["a"]
    assert code_of(lambda: seen.update(mark, Name="q")) == Err.WriteConflict
    two.rollback()
    assert [row["Name"] for row in seen.cursor("byName")] == ["b", "z"]
    with pytest.raises(ZeroDivisionError), one.transaction():
        table.insert(Name=str(1 // table.escrow(mark, "Hits", 1)))
    assert table.get(mark)["Name"] == "z"
    assert desk.settled() == []


def test_rows_without_primary_index_keep_their_order(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("Log", [Column("Text", ColumnType.TEXT)])
    marks = [table.insert(Text=str(n)) for n in range(300)]
    assert marks[0] == b"\0\0\0\1"
    table.delete(marks[-1])
    assert table.insert(Text="next") > marks[-1]
    assert table.insert_many([{"Text": "a"}, ("b",)]) == 2
    assert [row["Text"] for row in table][-3:] == ["next", "a", "b"]
    assert desk.settled() == []


def test_an_index_that_does_not_agree_with_its_rows(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    marks = [table.insert(Name=f"n{n}", Owner=f"o{n}", Ports=(n,)) for n in range(3)]
    by_port = next(each for each in table.rows().indexes.all if each.definition.name == "byPort")
    cursor = table.cursor("byPort")
    with session.transaction():
        nodes.delete(session.store, by_port.tree, cursor.make_key(0), marks[0])
        nodes.insert(session.store, by_port.tree, cursor.make_key(7), marks[1])
    assert code_of(lambda: table.delete(marks[0])) == Err.SecondaryIndexCorrupted
    assert code_of(lambda: table.update(marks[0], Ports=None)) == Err.SecondaryIndexCorrupted
    assert code_of(lambda: table.update(marks[1], Ports=(7,))) == Err.SecondaryIndexCorrupted
    # What is not touched by it goes on.
    table.update(marks[0], Name="other")
    table.delete(marks[2])
    assert [row["Name"] for row in table] == ["other", "n1"]
    table.delete_index("byPort")
    table.create_index(Index("byPort", ("Ports",)))
    table.delete(marks[0])
    assert desk.settled() == []


def test_insert_many_is_one_step(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", [Column("Id", ColumnType.LONG)], indexes=[Index("pk", ("Id",), primary=True)])
    assert table.insert_many((n,) for n in range(500)) == 500
    assert code_of(lambda: table.insert_many([(1000,), (7,)])) == Err.KeyDuplicate
    assert table.count() == 500
    assert list(table.values(["Id"]))[:2] == [(0,), (1,)]
    other = desk.open()[1]["T"]
    copy = database.create_table("Copy", [Column("Id", ColumnType.LONG)])
    assert code_of(lambda: copy.insert_many(table.values())) == Err.SessionSharingViolation
    assert copy.count() == 0
    assert copy.insert_many(other.values()) == 500
    assert desk.settled() == []


def test_unicode_text_orders(desk: Desk) -> None:
    _, database = desk.open()
    names = ["b", "A", "a", "B", "Ä", "ä", "Z", ""]
    columns = [Column("N", ColumnType.TEXT), Column("A", ColumnType.TEXT, code_page=ASCII)]
    indexes = [
        Index("fold", ("N",), text_order=TextOrder.FOLD),
        Index("ordinal", ("N",), text_order=TextOrder.ORDINAL),
    ]
    table = database.create_table("T", columns, indexes=indexes)
    for name in names:
        table.insert(N=name)
    assert [row["N"] for row in table.cursor("ordinal")] == sorted(names)
    assert [str(row["N"]).lower() for row in table.cursor("fold")] == sorted(name.lower() for name in names)
    cursor = table.cursor("fold")
    assert cursor.count("Ä", "ä") == 2
    assert code_of(lambda: table.create_index(Index("locale", ("N",)))) == Err.FeatureNotAvailable
    assert desk.settled() == []
    assert {each.name: each.locale for each in desk.definition("T").indexes} == {
        "fold": "x-fold",
        "ordinal": "x-ordinal",
    }
