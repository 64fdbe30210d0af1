"""Long values of columns that are packed: in records the same bytes as the engine's own, and read by all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.btree.tree import Tree
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.files.crash import CrashPolicy
from engine.format.column import ASCII, ColumnFlags
from engine.format.compression import pack_value
from engine.format.key import TextOrder
from engine.format.record import COMPRESSED, RecordLayout
from tests.store.conftest import PATH
from tests.store.test_tables_oracle import column_of, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.format.record import Tagged
    from engine.table import Database
    from tests.store.desk import Desk

COLUMNS = [
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Wide", ColumnType.LONG_TEXT, compressed=True),
    Column("Narrow", ColumnType.LONG_TEXT, code_page=ASCII, compressed=True),
    Column("Bytes", ColumnType.LONG_BINARY, compressed=True),
    Column("Plain", ColumnType.LONG_TEXT),
]
SIZES = (0, 1, 3, 4, 7, 8, 9, 20, 100, 511, 512, 1023, 1024, 1025, 4014, 4015, 9000, 30_000)


def tagged_of(database: Database, table: str) -> list[dict[int, Tagged]]:
    """Return the tagged fields of each record by column id."""
    definition = database.definition(table)
    layout = RecordLayout(definition.columns, database.page_size)
    entries = Tree(database.pages, definition.root, objid=definition.objid).entries()
    return [{each.id: each for each in layout.decode(data).tagged} for _, data in entries]


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_records_have_the_values_that_the_engine_has_packed(
    oracle: Callable[[str], Path], new_desk: Callable[..., Desk], page_size: int
) -> None:
    desk = new_desk(page_size, level=FormatLevel.NEWEST)
    path = oracle("clean") / "clean-basic" / f"p{page_size}" / "clean.edb"
    with open_database(path) as theirs:
        _, database = desk.open()
        definition = theirs.definition("all")
        primary = next(each for each in definition.indexes if each.primary)
        keys = tuple("-" * each.descending + each.name for each in primary.columns)
        columns = [column_of(each) for each in definition.columns]
        fill(database.create_table("all", columns, indexes=[Index(primary.name, keys, primary=True)]), theirs["all"])
        assert desk.settled() == []
        packed = [each.id for each in definition.columns if each.flags & ColumnFlags.COMPRESSED]
        with open_database(PATH, fs=desk.disk, strict=True) as ours:
            compared = 0
            for own, real in zip(tagged_of(ours, "all"), tagged_of(theirs, "all"), strict=True):
                for number in packed:
                    if number not in real or any(each.separated for each in real[number].instances):
                        continue
                    assert own[number] == real[number]
                    compared += bool(real[number].header & COMPRESSED)
    assert compared >= 29


def values(size: int) -> dict[str, Any]:
    text = ("The quick brown fox 0123456789. " * (size // 32 + 1))[:size]
    return {
        "Wide": text[: size // 2],
        "Narrow": text,
        "Bytes": text.encode()[:-1] + b"\xff" * bool(size),
        "Plain": text,
    }


@pytest.mark.parametrize("page_size", [4096, 32768])
@pytest.mark.parametrize("level", [FormatLevel.WIDEST, FormatLevel.NEWEST])
def test_values_of_all_sizes_come_back(new_desk: Callable[..., Desk], page_size: int, level: FormatLevel) -> None:
    desk = new_desk(page_size, level=level)
    _, database = desk.open()
    table = database.create_table("T", COLUMNS, indexes=[Index("pk", ("Id",), primary=True)])
    marks = {size: table.insert(**values(size)) for size in SIZES}
    # As they come in a change, and as several.
    for size in SIZES:
        table.update(table.insert(), **values(size))
    expected = [dict(row) for row in table]
    for size, mark in marks.items():
        row = dict(table.get(mark))
        assert {name: row[name] for name in values(size)} == values(size)
    desk.recovered(CrashPolicy.DROP_ALL)
    _, database = desk.open()
    assert [dict(row) for row in database["T"]] == expected
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        assert [dict(row) for row in reader["T"]] == expected
        ids = {each.name: each.id for each in reader.definition("T").columns}
        fields = tagged_of(reader, "T")
        reference = 8 if level is FormatLevel.NEWEST else 4
        for size, fresh, changed in zip(SIZES, fields, fields[len(SIZES) :], strict=False):
            for name, count, width in (("Wide", size // 2, 2), ("Narrow", size, 1)):
                small = 1 + (7 * count + 7) // 8
                inside = reference <= small < count * width <= 1023
                for each in (fresh, changed):
                    header = each[ids[name]].header if ids[name] in each else 0
                    assert bool(header & COMPRESSED) is inside, (name, size)
            for name in ("Bytes", "Plain"):
                assert ids[name] not in fresh or not fresh[ids[name]].header & COMPRESSED


def stored(reader: Database) -> list[int]:
    """Return the sizes of the chunks of all long values."""
    held = reader.definition("T").long_values
    assert held is not None
    tree = Tree(reader.pages, held.coltyp_or_pgno, objid=held.id)
    return [len(data) for key, data in tree.entries() if len(data) > 13]


def test_pieces_of_packed_values_are_changed_and_stay_packed(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", COLUMNS, indexes=[Index("pk", ("Id",), primary=True)])
    mark = table.insert(Wide="a" * 10_000)
    other = table.insert(Narrow="b" * 900)
    value, inside = table.long_value(mark, "Wide"), table.long_value(other, "Narrow")
    expected = bytearray(("a" * 10_000).encode("utf-16-le"))

    def check() -> None:
        assert value.size == len(expected)
        assert value.read() == bytes(expected)
        assert b"".join(value.chunks(777)) == bytes(expected)

    check()
    value.append("c".encode("utf-16-le") * 3000)
    expected += "c".encode("utf-16-le") * 3000
    check()
    value.write(4000, "dé".encode("utf-16-le") * 10)
    expected[4000:4040] = "dé".encode("utf-16-le") * 10
    check()
    value.resize(5000)
    del expected[5000:]
    check()
    value.resize(9000)
    expected += bytes(4000)
    check()
    pieces = []
    for piece in (b"", b"B" * 50, b"C" * 100):
        inside.append(piece)
        pieces.append((inside.separated, inside.size))
    assert pieces == [(False, 900), (False, 950), (True, 1050)]
    assert inside.read() == inside_bytes()
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        # One chunk has another character; the others take 7 of 16 bits, the last one of bytes 7 of 8.
        assert sorted(stored(reader)) == sorted(
            len(pack_value(each) or each)
            for each in (bytes(expected[:4014]), bytes(expected[4014:8028]), bytes(expected[8028:]), inside_bytes())
        )


def inside_bytes() -> bytes:
    return b"b" * 900 + b"B" * 50 + b"C" * 100


def test_what_does_not_fit_goes_out_unpacked_from_the_record(desk: Desk) -> None:
    columns = [Column("Id", ColumnType.LONG, auto_increment=True)]
    columns += [Column(f"T{n}", ColumnType.LONG_TEXT, code_page=ASCII, compressed=True) for n in range(8)]
    _, database = desk.open()
    table = database.create_table("T", columns, indexes=[Index("pk", ("Id",), primary=True)])
    whole = {f"T{n}": chr(97 + n) * 1000 for n in range(8)}
    mark = table.insert(**whole)
    later = table.insert()
    for name, value in whole.items():
        table.update(later, **{name: value})
    for each in (mark, later):
        assert {name: table.get(each)[name] for name in whole} == whole
        assert any(table.long_value(each, name).separated for name in whole)
        assert not all(table.long_value(each, name).separated for name in whole)
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        assert [{name: row[name] for name in whole} for row in reader["T"]] == [whole, whole]


def test_packed_columns_have_indexes(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table(
        "T",
        COLUMNS,
        indexes=[Index("pk", ("Id",), primary=True), Index("byNarrow", ("Narrow",), text_order=TextOrder.FOLD)],
    )
    marks = [table.insert(Narrow=f"{n:03}" + "x" * 200) for n in range(50)]
    table.update(marks[3], Narrow="zzz" * 40)
    table.delete(marks[4])
    table.create_index(Index("byBytes", ("Narrow", "-Id"), text_order=TextOrder.ORDINAL))
    for name in ("byNarrow", "byBytes"):
        found = [row["Id"] for row in table.cursor(name)]
        assert found == [n + 1 for n in range(50) if n not in {3, 4}] + [4]
    assert desk.settled() == []
