"""Details of searches and of values, in which the JET names are the engine's to the letter."""

from __future__ import annotations

import struct

import pytest

from engine import jet
from engine.errors import Err
from engine.format.column import ColumnType
from engine.jet import (
    JET_MoveFirst,
    JET_MoveLast,
    JET_MoveNext,
    JET_MovePrevious,
    JetColumnCreate,
    JetIndexCreate,
    JetRetrieveItem,
    JetSetItem,
)
from tests.jet.hosts import CANCEL, COPY, EQ, GE, GT, INSERT, LE, LT, NEW_KEY, REPLACE, Hosts, World, good
from tests.jet.making import inserted, long, made, number_of

NO_LOCK = 4
CHECK_UNIQUENESS, SET_RANGE = 0x40, 0x20
APPEND, OVERWRITE, SIZE, ZERO_LENGTH, UNIQUE, UNIQUE_KEYS, TO_DEFAULT = 0x1, 0x4, 0x8, 0x20, 0x80, 0x100, 0x200
FROM_COPY, FROM_INDEX, IGNORE_DEFAULT = 0x1, 0x2, 0x20


# Keys and searches.


def test_a_key_serves_one_search_and_can_be_read_after_it(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    assert jet.JetRetrieveKey(session, table, None, 1)[0] == Err.KeyNotMade
    for search in (EQ, GE, LT, GT, LE):
        hosts.key(long(20))
        assert jet.JetSeek(session, table, search) == 0
        assert jet.JetSeek(session, table, search) == Err.KeyNotMade
    hosts.key(long(25))
    assert jet.JetSeek(session, table, EQ) == Err.RecordNotFound
    assert jet.JetMakeKey(session, table, long(1), 0) == Err.KeyNotMade
    assert jet.JetSetIndexRange(session, table, 0x2) == Err.KeyNotMade
    assert jet.JetRetrieveKey(session, table, None, 1) == (0, bytes.fromhex("7f80000019"))
    # Of the made key one may take less without a warning.
    assert jet.JetRetrieveKey(session, table, 2, 1) == (0, bytes.fromhex("7f80"))
    bookmark = jet.JetGetBookmark(session, table)
    assert bookmark == (Err.NoCurrentRecord, b"")


@pytest.mark.parametrize(("step", "there"), [(JET_MoveNext, 30), (JET_MovePrevious, 20)])
def test_a_move_from_where_the_key_would_be(hosts: Hosts, step: int, there: int) -> None:
    session, table = hosts.session, hosts.table
    hosts.key(long(25))
    assert jet.JetSeek(session, table, EQ) == Err.RecordNotFound
    assert jet.JetMove(session, table, 0) == Err.NoCurrentRecord
    assert jet.JetRetrieveColumn(session, table, hosts.columns["Id"])[0] == Err.NoCurrentRecord
    assert jet.JetMove(session, table, step) == 0
    assert hosts.id == there


def test_a_range_from_where_the_key_would_be(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    hosts.key(long(25))
    assert jet.JetSeek(session, table, EQ) == Err.RecordNotFound
    hosts.key(long(40))
    assert jet.JetSetIndexRange(session, table, 0x3) == 0
    assert jet.JetMove(session, table, JET_MoveNext) == 0
    assert hosts.ids() == [30, 40]
    hosts.key(long(25))
    assert jet.JetSeek(session, table, EQ) == Err.RecordNotFound
    hosts.key(long(20))
    assert jet.JetSetIndexRange(session, table, 0x3) == Err.NoCurrentRecord
    # Behind the range is behind the last entry.
    assert jet.JetMove(session, table, JET_MovePrevious) == 0
    assert hosts.id == 50


def test_both_ends_of_a_range(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    for inclusive, expected in ((0x1, [40, 30, 20]), (0x0, [40, 30])):
        assert jet.JetMove(session, table, JET_MoveLast) == 0
        assert jet.JetMove(session, table, JET_MovePrevious) == 0
        hosts.key(long(20))
        assert jet.JetSetIndexRange(session, table, inclusive) == 0
        found = [hosts.id]
        while jet.JetMove(session, table, JET_MovePrevious) == 0:
            found.append(hosts.id)
        assert found == expected
        assert jet.JetMove(session, table, JET_MovePrevious) == Err.NoCurrentRecord
    hosts.key(long(30))
    assert jet.JetSeek(session, table, EQ) == 0
    hosts.key(long(40))
    assert jet.JetSetIndexRange(session, table, 0x2 | 0x4) == 0
    assert hosts.ids() == [30, 40, 50]


def test_whether_a_key_is_alone(hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    hosts.key(long(30))
    assert jet.JetSeek(session, table, EQ | CHECK_UNIQUENESS) == 345
    assert jet.JetSetCurrentIndex(session, table, "byName") == 0
    for name, error in ((b"beta", 0), (b"gamma", 345), (b"alpha", 345)):
        hosts.key(name)
        assert jet.JetSeek(session, table, EQ | CHECK_UNIQUENESS | SET_RANGE) == error
        assert hosts.get("Name") == name
    assert jet.JetMove(session, table, JET_MoveNext) == 0


def test_limits_that_a_column_cannot_have(world: World) -> None:
    session = world.session
    table = made(
        world,
        JetColumnCreate("N", ColumnType.LONG),
        JetColumnCreate("F", ColumnType.BINARY, 4, 0x1),
        JetColumnCreate("B", ColumnType.BINARY, 20),
        indexes=(JetIndexCreate("n", "+N\0-F\0+B\0\0"),),
    )
    assert jet.JetMakeKey(session, table, long(1), NEW_KEY) == Err.NoCurrentIndex
    for number, value in enumerate((b"ab", b"abc\xff\xff\xff\xff\xff\x01", b"abd", b"b")):
        inserted(world, table, N=long(1), F=b"f" * (4 - number), B=value)
    assert jet.JetSetCurrentIndex(session, table, "n") == 0
    for limit in (0x400, 0x800, 0x300):
        assert jet.JetMakeKey(session, table, long(1), NEW_KEY | limit) == Err.InvalidGrbit
    assert jet.JetMakeKey(session, table, b"", NEW_KEY | 0x10) == Err.InvalidBufferSize
    assert jet.JetMakeKey(session, table, long(1), NEW_KEY) == 0
    assert jet.JetMakeKey(session, table, b"f", 0x400) == Err.InvalidGrbit
    assert jet.JetMakeKey(session, table, b"f", 0) == Err.InvalidBufferSize
    assert jet.JetMakeKey(session, table, b"ffff\0", 0) == Err.InvalidBufferSize
    # A substring limit is none for numbers; a string limit ends the key.
    assert jet.JetMakeKey(session, table, long(1), NEW_KEY | 0x4) == 0
    assert jet.JetMakeKey(session, table, b"ffff", 0x2) == 0
    assert jet.JetMakeKey(session, table, b"ab", 0) == Err.KeyIsMade
    assert jet.JetSeek(session, table, LE) == 1039
    assert jet.JetRetrieveColumn(session, table, number_of(world, table, "B")) == (0, b"ab")
    assert jet.JetMakeKey(session, table, bytes(257), NEW_KEY | 0x8) == Err.InvalidParameter
    for limit in (0x2, 0x800):
        assert jet.JetMove(session, table, JET_MoveFirst) == 0
        for value, more in ((long(1), NEW_KEY), (b"fff\0", 0), (b"abc", limit)):
            assert jet.JetMakeKey(session, table, value, more) == 0
        assert jet.JetSeek(session, table, LE) == 1039
        assert jet.JetRetrieveColumn(session, table, number_of(world, table, "B"))[1][:3] == b"abc"


def test_a_key_over_a_fixed_text_is_filled_up(world: World) -> None:
    session = world.session
    table = made(
        world,
        JetColumnCreate("T", ColumnType.TEXT, 8, 0x1),
        indexes=(JetIndexCreate("pk", "+T\0\0", 0x2),),
    )
    bookmark = inserted(world, table, T=b"abc")
    assert jet.JetMakeKey(session, table, b"abc", NEW_KEY) == 0
    assert jet.JetSeek(session, table, EQ) == 0
    assert jet.JetGetBookmark(session, table) == (0, bookmark)
    assert jet.JetRetrieveColumn(session, table, 1) == (0, b"abc     ")
    assert jet.JetMakeKey(session, table, b"123456789", NEW_KEY) == Err.InvalidBufferSize


def test_a_row_that_the_index_has_no_entry_of(world: World, hosts: Hosts) -> None:
    session, table = hosts.session, hosts.table
    sparse = JetIndexCreate("sparse", "+Tags\0\0", 0x8)
    assert jet.JetCreateIndex2(session, table, (sparse,)) == 0
    bookmark = hosts.add(60, "delta", Tags=long(3))
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetSetCurrentIndex2(session, table, "sparse", 0x2) == Err.NoCurrentRecord
    assert jet.JetSetCurrentIndex(session, table, None) == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetSetCurrentIndex2(session, table, "sparse", 0x2) == 0
    assert hosts.id == 60
    assert jet.JetSetCurrentIndex2(session, table, "byName", 0x2) == 0
    assert hosts.ids() == [60, 40]
    first = hosts.add(5, "first")
    assert jet.JetSetCurrentIndex(session, table, "sparse") == 0
    assert jet.JetGotoBookmark(session, table, first) == Err.NoCurrentRecord
    assert jet.JetGotoBookmark(session, table, first + b"x") == Err.RecordDeleted
    again = good(jet.JetDupCursor(session, table))
    assert jet.JetGetCurrentIndex(session, again) == (0, "pk")
    assert jet.JetMove(session, again, JET_MoveNext) == 0
    assert jet.JetRetrieveColumn(session, again, hosts.columns["Id"]) == (0, long(5))
    assert world.session == session


# Values.


def test_parts_and_numbers_of_values(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    # Offsets are those of long values, numbers those of tagged columns.
    assert jet.JetRetrieveColumn(session, table, columns["Name"], None, 0, 7, 2) == (0, b"alpha")
    assert jet.JetRetrieveColumn(session, table, columns["Name"], 3) == (1006, b"alp")
    assert jet.JetRetrieveColumn(session, table, columns["Tags"], None, 0, 0) == (Err.BadItagSequence, b"")
    assert jet.JetRetrieveColumn(session, table, columns["Notes"], 10, 0, 1, 5) == (1004, b"")
    assert jet.JetRetrieveColumn(session, table, 0) == (Err.BadColumnId, b"")
    assert jet.JetRetrieveColumn(session, table, columns["Id"], None, 0x800) == (Err.InvalidGrbit, b"")
    assert jet.JetBeginTransaction(session) == 0
    for size in (900, 9000):
        whole = bytes(range(250)) * (size // 250)
        assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
        assert jet.JetSetColumn(session, table, columns["Notes"], whole) == 0
        assert jet.JetUpdate(session, table)[0] == 0
        for start, most, error in ((0, 10, 1006), (700, 50, 0 if size < 1000 else 1006), (len(whole) - 5, 5, 0)):
            expected = (error, whole[start : start + most])
            assert jet.JetRetrieveColumn(session, table, columns["Notes"], most, 0, 1, start) == expected
        assert jet.JetRetrieveColumn(session, table, columns["Notes"], 9, 0, 1, len(whole) + 3) == (0, b"")
        assert jet.JetRetrieveColumn(session, table, columns["Notes"], 9, 0, 2) == (1004, b"")
    assert jet.JetCommitTransaction(session) == 0


def test_the_value_that_an_entry_stands_for(hosts: Hosts) -> None:
    session, table, tags = hosts.session, hosts.table, hosts.columns["Tags"]
    assert jet.JetCreateIndex(session, table, "byTag", 0x20, "+Tags\0+Id\0\0") == 0
    bookmark = hosts.add(60, "delta", Tags=long(9))
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    for number in (4, 6):
        assert jet.JetSetColumn(session, table, tags, long(number), 0, 0) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetSetCurrentIndex(session, table, "byTag") == 0
    found = []
    for _ in range(3):
        found.append(jet.JetRetrieveColumn(session, table, tags, None, FROM_INDEX)[1])
        assert hosts.get("Tags") == long(9)
        assert jet.JetRetrieveColumn(session, table, hosts.columns["Id"], None, FROM_INDEX) == (0, long(60))
        jet.JetMove(session, table, JET_MoveNext)
    assert found == [long(4), long(6), long(9)]


@pytest.mark.parametrize("before", [None, b"0123456789"])
@pytest.mark.parametrize(
    ("grbit", "data", "offset", "new", "changed"),
    [
        (APPEND, b"ab", 0, b"ab", b"0123456789ab"),
        (APPEND, b"", 0, b"", b"0123456789"),
        (OVERWRITE, b"ab", 0, b"ab", b"ab23456789"),
        (OVERWRITE, b"ab", 9, Err.ColumnNoChunk, b"012345678ab"),
        (OVERWRITE, b"ab", 11, Err.ColumnNoChunk, Err.ColumnNoChunk),
        (OVERWRITE, b"", 0, b"", b"0123456789"),
        (SIZE, bytes(3), 0, bytes(3), b"012"),
        (SIZE, bytes(12), 0, bytes(12), b"0123456789\0\0"),
        (SIZE, b"", 0, None, None),
        (SIZE | ZERO_LENGTH, b"", 0, b"", b""),
        (SIZE | OVERWRITE, b"ab", 4, Err.ColumnNoChunk, b"0123ab"),
        (SIZE | OVERWRITE, b"ab", 0, b"ab", b"ab"),
        (SIZE | OVERWRITE, b"", 4, None, None),
        (ZERO_LENGTH, b"", 0, b"", b""),
        (ZERO_LENGTH, b"ab", 0, b"ab", b"ab"),
        (0, b"", 0, None, None),
        (APPEND | OVERWRITE, b"ab", 0, Err.InvalidGrbit, Err.InvalidGrbit),
        (APPEND | UNIQUE, b"ab", 0, Err.InvalidGrbit, Err.InvalidGrbit),
    ],
)
def test_ways_to_set_a_long_value(
    hosts: Hosts, before: bytes | None, grbit: int, data: bytes, offset: int, new: object, changed: object
) -> None:
    session, table, notes = hosts.session, hosts.table, hosts.columns["Notes"]
    expected = new if before is None else changed
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetMove(session, table, JET_MoveFirst) == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    assert jet.JetSetColumn(session, table, notes, before) == 0
    assert jet.JetUpdate(session, table)[0] == 0
    assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
    error = jet.JetSetColumn(session, table, notes, data, grbit, 1, offset)
    if isinstance(expected, int):
        assert error == expected
        expected = before
    else:
        assert error == 0
        assert hosts.get("Notes", grbit=FROM_COPY) == expected
    assert jet.JetUpdate(session, table)[0] == 0
    assert hosts.get("Notes") == expected


def test_what_cannot_be_set(hosts: Hosts, world: World) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    assert jet.JetSetColumn(session, table, columns["Id"], None) == Err.NullInvalid
    assert jet.JetSetColumn(session, table, columns["Id"], b"", ZERO_LENGTH) == Err.NullInvalid
    assert jet.JetSetColumn(session, table, columns["Id"], b"123") == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, table, columns["Id"], bytes(8)) == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, table, columns["Tags"], bytes(8)) == Err.ColumnTooBig
    assert jet.JetSetColumn(session, table, columns["Tags"], bytes(2)) == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, table, columns["Tags"], b"", ZERO_LENGTH) == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, table, columns["Name"], b"x", APPEND) == Err.InvalidColumnType
    # Long values need a transaction, whatever their length.
    assert jet.JetSetColumn(session, table, columns["Notes"], b"x") == Err.NotInTransaction
    # What is too long for a variable column is cut.
    assert jet.JetSetColumn(session, table, columns["Name"], b"n" * 120) == 1512
    assert hosts.get("Name", grbit=FROM_COPY) == b"n" * 100
    assert jet.JetPrepareUpdate(session, table, CANCEL) == 0
    other = made(
        world,
        JetColumnCreate("F", ColumnType.BINARY, 4, 0x1),
        JetColumnCreate("T", ColumnType.BINARY, 4, 0x2),
        JetColumnCreate("V", ColumnType.LONG, 0, 0x8),
        JetColumnCreate("C", ColumnType.LONG, 0, 0x10),
    )
    bookmark = inserted(world, other, F=b"ab", V=long(7))
    assert jet.JetGotoBookmark(session, other, bookmark) == 0
    assert jet.JetRetrieveColumn(session, other, number_of(world, other, "F")) == (0, b"ab\0\0")
    assert jet.JetRetrieveColumn(session, other, number_of(world, other, "V")) == (0, long(7))
    assert jet.JetPrepareUpdate(session, other, REPLACE) == 0
    for name in ("V", "C"):
        assert jet.JetSetColumn(session, other, number_of(world, other, name), long(1)) == Err.InvalidColumnType
    assert jet.JetSetColumn(session, other, number_of(world, other, "F"), bytes(5)) == Err.InvalidBufferSize
    assert jet.JetSetColumn(session, other, number_of(world, other, "T"), bytes(5)) == Err.ColumnTooBig
    assert jet.JetSetColumn(session, other, number_of(world, other, "T"), b"1") == 0
    assert jet.JetSetColumn(session, other, number_of(world, other, "T"), b"2", 0, 0) == Err.BadItagSequence
    assert jet.JetUpdate(session, other) == (0, bookmark)
    assert jet.JetRetrieveColumn(session, other, number_of(world, other, "V")) == (0, long(8))


def test_values_once_only(world: World) -> None:
    session = world.session
    table = made(world, JetColumnCreate("M", ColumnType.TEXT, 0, 0x402))
    column = number_of(world, table, "M")
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    for value, grbit, error in (
        (b"a", UNIQUE, 0),
        (b"a", UNIQUE, Err.MultiValuedDuplicate),
        (b"A", UNIQUE_KEYS, Err.MultiValuedDuplicate),
        (b"A", UNIQUE, 0),
        (b"b", UNIQUE_KEYS, 0),
        (b"a", 0, 0),
        (None, UNIQUE, 0),
    ):
        assert jet.JetSetColumn(session, table, column, value, grbit, 0) == error
    # In its own place a value is no duplicate.
    assert jet.JetSetColumn(session, table, column, b"b", UNIQUE, 3) == 0
    found = [jet.JetRetrieveColumn(session, table, column, None, FROM_COPY, each)[1] for each in range(1, 6)]
    assert found == [b"a", b"A", b"b", b"a", b""]


def test_a_column_left_to_its_default(world: World) -> None:
    session = world.session
    table = made(world, JetColumnCreate("D", ColumnType.LONG, 0, 0x2, long(5)), JetColumnCreate("X", ColumnType.LONG))
    column = number_of(world, table, "D")

    def shown() -> tuple[int, int]:
        whole = jet.JetRetrieveColumn(session, table, column)
        own = jet.JetRetrieveColumn(session, table, column, None, IGNORE_DEFAULT)
        return tuple(0 if each[0] else struct.unpack("<i", each[1])[0] for each in (whole, own))  # type: ignore[return-value]

    bookmark = inserted(world, table, X=long(1))
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    assert shown() == (5, 0)
    changes = ((long(7), 0, (7, 7)), (None, 0, (0, 0)), (None, TO_DEFAULT, (5, 0)), (long(5), 0, (5, 5)))
    for value, grbit, expected in changes:
        assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
        assert jet.JetSetColumn(session, table, column, value, grbit) == 0
        assert jet.JetUpdate(session, table)[0] == 0
        assert shown() == expected
    # A copy keeps the difference.
    for value, grbit, expected in changes[1:]:
        assert jet.JetPrepareUpdate(session, table, REPLACE) == 0
        assert jet.JetSetColumn(session, table, column, value, grbit) == 0
        assert jet.JetUpdate(session, table)[0] == 0
        assert jet.JetPrepareUpdate(session, table, COPY) == 0
        error, copy = jet.JetUpdate(session, table)
        assert error == 0
        assert jet.JetGotoBookmark(session, table, copy) == 0
        assert shown() == expected


def test_many_columns_at_once(hosts: Hosts) -> None:
    session, table, columns = hosts.session, hosts.table, hosts.columns
    assert jet.JetPrepareUpdate(session, table, INSERT) == 0
    items = [
        JetSetItem(columns["Id"], long(70)),
        JetSetItem(columns["Name"], b"omega"),
        JetSetItem(columns["Tags"], b""),
    ]
    assert jet.JetSetColumns(session, table, items) == 0
    assert (
        jet.JetSetColumns(session, table, [JetSetItem(columns["Hits"], long(9)), JetSetItem(0, b"")]) == Err.BadColumnId
    )
    error, bookmark = jet.JetUpdate(session, table)
    assert error == 0
    assert jet.JetGotoBookmark(session, table, bookmark) == 0
    asked = [JetRetrieveItem(columns["Name"], 3), JetRetrieveItem(columns["Hits"]), JetRetrieveItem(columns["Tags"])]
    assert jet.JetRetrieveColumns(session, table, asked) == (0, ((1006, b"ome"), (0, long(9)), (1004, b"")))
    assert jet.JetRetrieveColumns(session, table, [*asked, JetRetrieveItem(0)]) == (Err.BadColumnId, ())
