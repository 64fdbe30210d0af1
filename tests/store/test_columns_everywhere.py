"""Columns of every kind added to rows that are there, deleted again; defaults, nulls, counters, versions, limits."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine import open_database
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.errors import Err
from engine.format.column import ASCII, ColumnFlags, Storage
from tests.store.conftest import PATH
from tests.store.desk import code_of
from tests.store.test_types_everywhere import COLUMNS, FIXED_BYTES, NUMBERS, SHORT, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.desk import Desk

ID: Final = Column("Id", ColumnType.LONG)
PRIMARY: Final = Index("pk", ("Id",), primary=True)
DEFAULTS: Final[dict[ColumnType, Any]] = {
    ColumnType.BIT: True,
    ColumnType.UNSIGNED_BYTE: 200,
    ColumnType.SHORT: -2,
    ColumnType.UNSIGNED_SHORT: 65535,
    ColumnType.LONG: -70000,
    ColumnType.UNSIGNED_LONG: 2**32 - 1,
    ColumnType.CURRENCY: -(2**40),
    ColumnType.LONG_LONG: 2**62,
    ColumnType.UNSIGNED_LONG_LONG: 2**64 - 1,
    ColumnType.IEEE_SINGLE: 0.5,
    ColumnType.IEEE_DOUBLE: -1e300,
    ColumnType.DATE_TIME: datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    ColumnType.GUID: uuid.UUID(int=7),
    ColumnType.TEXT: "äöü",
    ColumnType.BINARY: b"\0\1\2\3\4\5",
    ColumnType.LONG_TEXT: "long äöü",
    ColumnType.LONG_BINARY: bytes(100),
}


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_each_is_added_to_rows_and_deleted(new_desk: Callable[..., Desk], page_size: int) -> None:
    source = random.Random(page_size)  # noqa: S311 - repeatable on purpose
    desk = new_desk(page_size, log_file_size=256)
    _, database = desk.open()
    table = database.create_table("T", [ID], indexes=[PRIMARY])
    rows: dict[int, dict[str, Any]] = {number: {"Id": number} for number in range(12)}
    marks = {number: table.insert(Id=number) for number in rows}
    for turn, column in enumerate(COLUMNS):
        table.add_column(column)
        for row in rows.values():
            row[column.name] = None
        for number in source.sample(sorted(rows), 4):
            rows[number][column.name] = found = value(source, column)
            table.update(marks[number], **{column.name: found})
        new = 100 + turn
        rows[new] = {"Id": new} | {name: None for name in rows[0] if name != "Id"}
        rows[new][column.name] = value(source, column)
        marks[new] = table.insert(Id=new, **{column.name: rows[new][column.name]})
        assert {row["Id"]: dict(row) for row in table} == rows
    for column in source.sample(COLUMNS, len(COLUMNS) // 2):
        table.delete_column(column.name)
        for row in rows.values():
            del row[column.name]
        number = source.choice(sorted(rows))
        left = [each for each in COLUMNS if each.name in rows[number]]
        other = source.choice(left)
        rows[number][other.name] = found = value(source, other)
        table.update(marks[number], **{other.name: found})
        assert {row["Id"]: dict(row) for row in table} == rows
        assert code_of(lambda name=column.name: table.update(marks[0], **{name: None})) == Err.ColumnNotFound  # type: ignore[misc]
    for number in range(6):
        table.delete(marks[number])
        del rows[number]
    # Names that are free again, with other types.
    for column in COLUMNS:
        if column.name not in table.columns:
            table.add_column(Column(column.name, ColumnType.LONG_TEXT, code_page=ASCII))
            for row in rows.values():
                row[column.name] = None
    table.update(marks[7], **{name: "x" for name in table.columns if table.columns[name].code_page == ASCII})
    rows[7] |= {name: "x" for name in table.columns if table.columns[name].code_page == ASCII}
    found_rows = {row["Id"]: dict(row) for row in table}
    assert {number: row for number, row in found_rows.items() if number != 7} == {
        number: row for number, row in rows.items() if number != 7
    }
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        assert {row["Id"]: dict(row) for row in reader["T"]} == found_rows


@pytest.mark.parametrize("added", [False, True], ids=("made with the table", "added to rows"))
def test_defaults_of_every_kind(desk: Desk, *, added: bool) -> None:
    _, database = desk.open()
    storages: dict[Storage, tuple[ColumnType, ...]] = {
        Storage.FIXED: (*NUMBERS, *SHORT),
        Storage.VARIABLE: SHORT,
        Storage.TAGGED: tuple(DEFAULTS),
    }
    columns = [
        Column(
            f"{kind.name} {storage.value}",
            kind,
            size=FIXED_BYTES if storage is Storage.FIXED and kind in SHORT else 0,
            storage=storage,
            default=DEFAULTS[kind],
        )
        for storage, kinds in storages.items()
        for kind in kinds
    ]
    expected = {column.name: column.default for column in columns}
    nulls = dict.fromkeys(expected)
    table = database.create_table("T", [ID, *(() if added else columns)], indexes=[PRIMARY])
    mark = table.insert(Id=1)
    if added:
        for column in columns:
            table.add_column(column)
    fresh = table.insert(Id=2)
    assert dict(table.get(mark)) == {"Id": 1} | expected
    assert dict(table.get(fresh)) == {"Id": 2} | expected
    null = table.insert(Id=3, **nulls)
    table.update(fresh, **nulls)
    assert dict(table.get(null)) == {"Id": 3} | nulls
    assert dict(table.get(fresh)) == {"Id": 2} | nulls
    table.replace(fresh, Id=2)
    assert dict(table.get(fresh)) == {"Id": 2} | expected
    for column in columns:
        table.update(mark, **{column.name: None})
        expected[column.name] = None
        assert dict(table.get(mark)) == {"Id": 1} | expected
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        found = {row["Id"]: dict(row) for row in reader["T"]}
    assert found[1] == {"Id": 1} | nulls
    assert found[2] == {"Id": 2} | {column.name: column.default for column in columns}


def test_no_nulls(desk: Desk) -> None:
    """A column that must not be null: what is written is held to it, rows there are stay as they are."""
    _, database = desk.open()
    kinds = [
        Column("Fixed", ColumnType.SHORT, not_null=True),
        Column("Variable", ColumnType.TEXT, not_null=True),
        Column("Tagged", ColumnType.LONG, storage=Storage.TAGGED, not_null=True),
        Column("Long", ColumnType.LONG_BINARY, not_null=True),
        Column("Many", ColumnType.LONG, multi_valued=True, not_null=True),
        Column("Default", ColumnType.LONG, not_null=True, default=5),
    ]
    whole = {"Fixed": 1, "Variable": "", "Tagged": 2, "Long": b"", "Many": (3,)}
    table = database.create_table("T", [ID], indexes=[PRIMARY])
    old = table.insert(Id=1)
    for column in kinds:
        table.add_column(column)
    assert dict(table.get(old)) == {"Id": 1} | dict.fromkeys(whole) | {"Default": 5}
    assert code_of(lambda: table.insert(Id=2)) == Err.NullInvalid
    mark = table.insert(Id=2, **whole)
    for column in kinds:
        name = column.name
        assert code_of(lambda name=name: table.update(mark, **{name: None})) == Err.NullInvalid  # type: ignore[misc]
        less = whole | {name: None}
        assert code_of(lambda less=less: table.insert(Id=3, **less)) == Err.NullInvalid  # type: ignore[misc]
        if name in whole:
            less = {other: found for other, found in whole.items() if other != name}
            assert code_of(lambda less=less: table.insert(Id=3, **less)) == Err.NullInvalid  # type: ignore[misc]
            assert code_of(lambda less=less: table.replace(mark, Id=2, **less)) == Err.NullInvalid  # type: ignore[misc]
    assert code_of(lambda: table.update(mark, Many=())) == Err.NullInvalid
    assert dict(table.get(mark)) == {"Id": 2, **whole, "Default": 5}
    assert [row["Id"] for row in table] == [1, 2]
    assert desk.settled() == []


@pytest.mark.parametrize(
    "kind", [ColumnType.LONG, ColumnType.CURRENCY, ColumnType.LONG_LONG, ColumnType.UNSIGNED_LONG_LONG]
)
def test_a_counter_of_each_type(desk: Desk, kind: ColumnType) -> None:
    session, database = desk.open()
    columns = [Column("N", kind, auto_increment=True), Column("T", ColumnType.TEXT)]
    table = database.create_table("T", columns, indexes=[Index("pk", ("N",), primary=True)])
    for _ in range(3):
        table.insert(T="x")
    # Numbers are not given twice, not even those of what was taken back.
    session.begin()
    table.insert(T="lost")
    session.rollback()
    table.insert(T="y")
    assert [row["N"] for row in table] == [1, 2, 3, 5]
    assert desk.settled() == []


def test_two_sessions_count_together(desk: Desk) -> None:
    one, database = desk.open()
    two, other = desk.open()
    columns = [Column("N", ColumnType.LONG, auto_increment=True), Column("Who", ColumnType.LONG)]
    table = database.create_table("T", columns, indexes=[Index("pk", ("N",), primary=True)])
    seen = other["T"]
    with one.transaction(), two.transaction():
        for _ in range(5):
            table.insert(Who=1)
            seen.insert(Who=2)
        assert [row["Who"] for row in table] == [1] * 5
    assert [(row["N"], row["Who"]) for row in table] == [(n, 1 + (n - 1) % 2) for n in range(1, 11)]
    assert desk.settled() == []


@pytest.mark.parametrize("level", [FormatLevel.WIDEST, FormatLevel.NEWEST], ids=("20", "290"))
def test_numbers_run_out(new_desk: Callable[..., Desk], level: FormatLevel) -> None:
    desk = new_desk(level=level)
    session, database = desk.open()
    counted = database.create_table("C", [Column("N", ColumnType.LONG, auto_increment=True)])
    kept = database.create_table("K", [ID])
    _ = counted.insert(), kept.insert(Id=1)
    numbers = desk.live.instance.shared(PATH).numbers
    numbers[counted.definition.objid, "last"] = numbers[counted.definition.objid, "reserved"] = 2**31 - 2
    numbers[kept.definition.objid, "record"] = 2**32 - 2
    _ = counted.insert(), kept.insert(Id=2)
    assert code_of(counted.insert) == Err.OutOfAutoincrementValues
    assert code_of(lambda: kept.insert(Id=3)) == Err.OutOfAutoincrementValues
    assert [row["N"] for row in counted] == [1, 2**31 - 1]
    assert [row.bookmark for row in kept] == [b"\0\0\0\1", b"\xff\xff\xff\xff"]
    desk.recovered()
    session, database = desk.open()
    assert code_of(database["C"].insert) == Err.OutOfAutoincrementValues
    assert code_of(lambda: database["K"].insert(Id=3)) == Err.OutOfAutoincrementValues
    session.close()
    assert desk.settled() == []


def test_versions_count_changes(desk: Desk) -> None:
    session, database = desk.open()
    table = database.create_table("T", [ID, Column("L", ColumnType.LONG_BINARY)], indexes=[PRIMARY])
    old = table.insert(Id=1)
    table.add_column(Column("V", ColumnType.LONG, version=True))
    new = table.insert(Id=2)
    assert (table.get(old)["V"], table.get(new)["V"]) == (None, 0)
    table.update(old, L=b"x")
    table.update(new, L=bytes(3000))
    table.update(new)
    table.long_value(new, "L").append(b"more")
    session.begin()
    table.update(new, L=None)
    session.rollback()
    # A change of nothing is none.
    assert (table.get(old)["V"], table.get(new)["V"]) == (1, 2)
    # A new row may begin at another number, as with the engine; a change cannot set it.
    assert table.get(table.insert(Id=3, V=7))["V"] == 7
    assert code_of(lambda: table.update(new, V=7)) == Err.InvalidColumnType
    assert desk.settled() == []


REFUSED: Final = {
    "no name": (Column("", ColumnType.LONG), Err.InvalidName),
    "name": (Column("a.b", ColumnType.LONG), Err.InvalidName),
    "long name": (Column("x" * 65, ColumnType.LONG), Err.InvalidName),
    "name taken": (Column("ID", ColumnType.LONG), Err.ColumnDuplicate),
    "size of a number": (Column("C", ColumnType.LONG, size=8), Err.ColumnTooBig),
    "long text": (Column("C", ColumnType.TEXT, size=256), Err.ColumnTooBig),
    "long fixed": (Column("C", ColumnType.BINARY, size=256, storage=Storage.FIXED), Err.ColumnTooBig),
    "variable number": (Column("C", ColumnType.LONG, storage=Storage.VARIABLE), Err.InvalidColumnType),
    "fixed long value": (Column("C", ColumnType.LONG_TEXT, storage=Storage.FIXED), Err.InvalidGrbit),
    "fixed values": (
        Column("C", ColumnType.LONG, storage=Storage.FIXED, multi_valued=True),
        Err.MultiValuedColumnMustBeTagged,
    ),
    "tagged counter": (
        Column("C", ColumnType.LONG, storage=Storage.TAGGED, auto_increment=True),
        Err.CannotBeTagged,
    ),
    "tagged version": (Column("C", ColumnType.LONG, storage=Storage.TAGGED, version=True), Err.CannotBeTagged),
    "tagged escrow": (
        Column("C", ColumnType.LONG, storage=Storage.TAGGED, escrow=True, default=0),
        Err.CannotBeTagged,
    ),
    "short counter": (Column("C", ColumnType.SHORT, auto_increment=True), Err.InvalidGrbit),
    "unsigned counter": (Column("C", ColumnType.UNSIGNED_LONG, auto_increment=True), Err.InvalidGrbit),
    "wide version": (Column("C", ColumnType.LONG_LONG, version=True), Err.InvalidGrbit),
    "currency escrow": (Column("C", ColumnType.CURRENCY, escrow=True, default=0), Err.InvalidGrbit),
    "escrow without default": (Column("C", ColumnType.LONG, escrow=True), Err.InvalidGrbit),
    "counter and version": (Column("C", ColumnType.LONG, auto_increment=True, version=True), Err.InvalidGrbit),
    "escrow and version": (Column("C", ColumnType.LONG, escrow=True, version=True, default=0), Err.InvalidGrbit),
    "second counter": (Column("C", ColumnType.LONG, auto_increment=True), Err.ColumnRedundant),
    "second version": (Column("C", ColumnType.LONG, version=True), Err.ColumnRedundant),
    "long default": (Column("C", ColumnType.LONG_BINARY, default=bytes(256)), Err.DefaultValueTooBig),
    "default of another type": (Column("C", ColumnType.LONG, default="x"), Err.InvalidParameter),
    "default out of range": (Column("C", ColumnType.SHORT, default=40000), Err.InvalidParameter),
    "an old type": (Column("C", ColumnType.SLV), Err.InvalidColumnType),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_column_can_be(desk: Desk, case: str) -> None:
    column, code = REFUSED[case]
    _, database = desk.open()
    columns = [ID, Column("N", ColumnType.LONG, auto_increment=True), Column("V", ColumnType.LONG, version=True)]
    table = database.create_table("T", columns)
    assert code_of(lambda: table.add_column(column)) == code
    assert list(table.columns) == ["Id", "N", "V"]
    assert code_of(lambda: database.create_table("U", [*columns, column])) == code
    assert list(database) == ["T"]
    assert table.columns["N"].flags & ColumnFlags.AUTO_INCREMENT
    assert desk.settled() == []


def test_as_many_columns_as_there_can_be(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(8192)
    _, database = desk.open()
    most = {Storage.FIXED: 127, Storage.VARIABLE: 128}
    columns = [Column(f"F{n}", ColumnType.UNSIGNED_BYTE) for n in range(most[Storage.FIXED])]
    columns += [Column(f"V{n}", ColumnType.BINARY) for n in range(most[Storage.VARIABLE])]
    columns += [Column(f"T{n}", ColumnType.LONG_BINARY) for n in range(300)]
    table = database.create_table("T", columns)
    assert code_of(lambda: table.add_column(Column("F", ColumnType.BIT))) == Err.TooManyColumns
    assert code_of(lambda: table.add_column(Column("V", ColumnType.TEXT))) == Err.TooManyColumns
    table.add_column(Column("T", ColumnType.TEXT, storage=Storage.TAGGED))
    whole: dict[str, Any] = {f"F{n}": n for n in range(127)} | {f"V{n}": bytes([n]) * (n % 7) for n in range(128)}
    whole |= {f"T{n}": b"%d" % n for n in range(300)} | {"T": "x"}
    mark = table.insert(**whole)
    few = table.insert(F126=1, V127=b"v", T299=b"t")
    assert dict(table.get(mark)) == whole
    assert {name: found for name, found in table.get(few).items() if found is not None} == {
        "F126": 1,
        "V127": b"v",
        "T299": b"t",
    }
    # The ids of deleted columns are not given again.
    table.delete_column("F0")
    assert code_of(lambda: table.add_column(Column("F", ColumnType.BIT))) == Err.TooManyColumns
    assert desk.settled() == []
