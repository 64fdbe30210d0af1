"""Long values of live rows: where they are, and changed in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import open_database
from engine.build import Column, ColumnType, FormatLevel, Index
from engine.errors import Err
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size
from engine.store import nodes
from engine.store.scan import Scan
from tests.store.conftest import PATH
from tests.store.desk import Desk, code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.database import Database
    from engine.store.long_values import StoredValues
    from engine.store.table import Table

COLUMNS = (
    Column("Id", ColumnType.LONG),
    Column("B", ColumnType.LONG_BINARY),
    Column("T", ColumnType.LONG_TEXT),
    Column("M", ColumnType.LONG_BINARY, multi_valued=True),
    Column("Small", ColumnType.LONG_BINARY, size=5000),
)
INDEXES = (Index("pk", ("Id",), primary=True), Index("byB", ("B",)), Index("byM", ("M",)))
PAGE_SIZES = (4096, 8192, 16384, 32768)


def made(database: Database) -> Table:
    return database.create_table("T", COLUMNS, indexes=INDEXES)


def stored(values: StoredValues) -> dict[int, list[int]]:
    """Return the lengths of the chunks of each long value, the roots looked at by the way."""
    tree = values.tree
    found: dict[int, list[int]] = {}
    if tree is not None:
        for key, data in Scan(values._session, tree):
            lid, offset = LongValueKey.unpack(key)
            if offset is None:
                assert LongValueRoot.unpack(data).references > 0
                found[lid] = []
            else:
                assert offset == sum(found[lid])
                found[lid].append(len(data))
    return found


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_where_values_are(new_desk: Callable[..., Desk], page_size: int) -> None:
    desk = new_desk(page_size)
    _, database = desk.open()
    table = made(database)
    step = chunk_size(page_size)
    sizes = [0, 1, 1023, 1024, step, step + 1, 3 * step]
    for number, size in enumerate(sizes):
        table.insert(Id=number, B=bytes(size))
    rows = table.rows()
    found = stored(rows.long)
    assert list(found.values()) == [[1024], [step], [step, 1], [step] * 3] if step > 1024 else found
    assert [len(row["B"]) for row in table] == sizes  # type: ignore[arg-type]
    marks = [row.bookmark for row in table]
    assert [table.long_value(mark, "B").separated for mark in marks] == [size > 1023 for size in sizes]
    table.update(marks[4], B=b"short")
    table.delete(marks[5])
    table.update(marks[6], B=None)
    assert list(stored(rows.long).values()) == [[1024]]
    assert desk.settled() == []


def test_ids_by_format_level(new_desk: Callable[..., Desk]) -> None:
    for level, first in ((FormatLevel.WIDEST, 1), (FormatLevel.NEWEST, 1 << 63 | 1)):
        desk = new_desk(level=level)
        _, database = desk.open()
        table = made(database)
        table.insert(Id=1, B=bytes(5000))
        table.insert(Id=2, B=bytes(5000))
        assert list(stored(table.rows().long)) == [first, first + 1]
        assert desk.settled() == []


def test_values_go_out_until_the_record_fits(desk: Desk) -> None:
    _, database = desk.open()
    table = made(database)
    mark = table.insert(Id=1, M=[bytes([n]) * (900 - n) for n in range(8)])
    table.update(mark, B=bytes(1000), T="t" * 500)
    row = table.get(mark)
    assert row["M"] == tuple(bytes([n]) * (900 - n) for n in range(8))
    assert (row["B"], row["T"]) == (bytes(1000), "t" * 500)
    assert [table.long_value(mark, "M", n).size for n in range(8)] == [900 - n for n in range(8)]
    assert desk.settled() == []


@pytest.mark.parametrize("page_size", [4096, 16384])
def test_in_pieces(new_desk: Callable[..., Desk], page_size: int) -> None:
    desk = new_desk(page_size)
    _, database = desk.open()
    table = made(database)
    mark = table.insert(Id=1, B=b"begin")
    field = table.long_value(mark, "B")
    expected = bytearray(b"begin")
    for n in range(40):
        piece = bytes([n]) * (n * 37)
        field.append(piece)
        expected += piece
        assert field.size == len(expected)
    for at, piece in ((0, b"BEGIN"), (4000, bytes(9000)), (len(expected) - 3, b"beyond"), (12345, b"x" * 20000)):
        field.write(at, piece)
        expected[at : at + len(piece)] = piece
    assert field.read() == expected
    assert field.read(3990, 30) == expected[3990:4020]
    assert b"".join(field.chunks(1000)) == expected
    for size in (20000, 50000, 3, 0, 10):
        field.resize(size)
        expected = (expected + bytes(size))[:size]
        assert table.get(mark)["B"] == expected
    assert code_of(lambda: field.write(11, b"x")) == Err.ColumnNoChunk
    assert code_of(lambda: field.write(-1, b"x")) == Err.ColumnNoChunk
    assert code_of(lambda: field.resize(-1)) == Err.ColumnTooBig
    assert code_of(lambda: field.read(-1)) == Err.InvalidParameter
    assert code_of(lambda: field.read(0, -1)) == Err.InvalidParameter
    assert code_of(lambda: list(field.chunks(0))) == Err.InvalidParameter
    assert (field.read(4, 0), field.read(10), field.read(11, 5)) == (b"", b"", b"")
    assert code_of(lambda: table.long_value(mark, "B", -1)) == Err.BadItagSequence
    assert code_of(lambda: table.long_value(mark, "B", 1)) == Err.BadItagSequence
    small = table.insert(Id=2, Small=bytes(4000))
    assert code_of(lambda: table.long_value(small, "Small").append(bytes(1001))) == Err.ColumnTooBig
    assert table.get(small)["Small"] == bytes(4000)
    assert code_of(lambda: table.long_value(small, "B")) == Err.BadItagSequence
    assert code_of(lambda: table.long_value(small, "Id")) == Err.InvalidColumnType
    assert desk.settled() == []


def test_pieces_are_taken_back_and_not_seen_by_others(desk: Desk) -> None:
    session, database = desk.open()
    table = made(database)
    mark = table.insert(Id=1, B=bytes(20000), M=[bytes(3000), b"m" * 3000])
    other_session, other = desk.open()
    with other_session.transaction():
        seen = other["T"].long_value(mark, "B")
        assert seen.size == 20000
        session.begin()
        table.long_value(mark, "B").append(b"more")
        table.long_value(mark, "M", 1).write(0, b"changed")
        assert seen.size == 20000
        assert code_of(lambda: other["T"].long_value(mark, "M").append(b"x")) == Err.WriteConflict
        session.rollback()
    assert table.get(mark)["B"] == bytes(20000)
    assert table.get(mark)["M"] == (bytes(3000), b"m" * 3000)
    assert table.cursor("byB").count() == 1
    assert desk.settled() == []


def test_a_shared_value_is_copied_before_it_changes(desk: Desk) -> None:
    session, database = desk.open()
    table = made(database)
    one, two = table.insert(Id=1, B=b"s" * 9000), table.insert(Id=2, B=b"t" * 9000)
    rows = table.rows()
    with session.transaction():
        table.definition  # noqa: B018 - the rows are those of this transaction
        rows = table.writable()
        _, _, lid = rows.instance(rows.record(one), "B", 0)
        _, _, gone = rows.instance(rows.record(two), "B", 0)
        assert lid is not None
        assert gone is not None
        # What other engines do for rows that are copied: two records, one value.
        tree = rows.long.tree
        assert tree is not None
        nodes.delta(session.store, tree, LongValueKey(lid).pack(), 0, 1)
        column = rows.columns[rows.place("B")]
        shared = rows.changer.refer(rows.record(two), column, 0, None, rows.long.reference(lid))
        old = rows.raw(rows.record(two), rows.indexes.needed)
        nodes.replace(session.store, rows.tree, two, shared)
        rows.indexes.update(old, rows.raw(shared, rows.indexes.needed), [rows.place("B")], two)
        rows.long.release(gone)
    table.long_value(two, "B").append(b"!")
    assert (table.get(one)["B"], table.get(two)["B"]) == (b"s" * 9000, b"s" * 9000 + b"!")
    table.delete(one)
    assert table.get(two)["B"] == b"s" * 9000 + b"!"
    assert desk.settled() == []


def test_the_tree_of_long_values_stays_when_its_transaction_is_taken_back(desk: Desk) -> None:
    session, database = desk.open()
    table = made(database)
    session.begin()
    table.insert(Id=1, B=bytes(9000))
    session.rollback()
    assert table.count() == 0
    mark = table.insert(Id=1, B=bytes(9000))
    session.begin()
    made_again = database.create_table("U", COLUMNS)
    made_again.insert(B=bytes(9000))
    session.rollback()
    database.create_table("U", COLUMNS).insert(B=bytes(9000))
    table.delete(mark)
    assert desk.settled() == []
    assert desk.definition("U").long_values is not None


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "write", "resize", "set"]), st.integers(0, 30000), st.integers(0, 15000)),
        max_size=25,
    )
)
def test_any_pieces(steps: list[tuple[str, int, int]]) -> None:
    desk = Desk()
    try:
        _, database = desk.open()
        table = made(database)
        mark, expected = table.insert(Id=1, B=b""), b""
        for number, (what, at, size) in enumerate(steps):
            data = bytes([number + 1]) * size
            field = table.long_value(mark, "B")
            if what == "append":
                field.append(data)
                expected += data
            elif what == "write":
                place = min(at, len(expected))
                field.write(place, data)
                expected = expected[:place] + data + expected[place + size :]
            elif what == "resize":
                field.resize(at)
                expected = expected[:at].ljust(at, b"\0")
            else:
                table.update(mark, B=data)
                expected = data
            assert table.get(mark)["B"] == expected
        assert desk.settled() == []
        with open_database(PATH, fs=desk.disk) as reader:
            assert next(iter(reader["T"]))["B"] == expected
    finally:
        desk.abandon()
