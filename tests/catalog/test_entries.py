"""Which entries a record should have, for the kinds of index that the builder does not make."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from engine.catalog import IndexColumn, IndexDef
from engine.catalog.entries import Depth, EntryMaker, TooManyEntriesError
from engine.format.catalog_row import IndexFlags
from engine.format.column import ASCII, UNICODE, ColumnDef, ColumnFlags, ColumnType

if TYPE_CHECKING:
    from engine.catalog.entries import Values

LONG = ColumnDef(1, "L", ColumnType.LONG, 4, 0, offset=4)
SHORT = ColumnDef(2, "S", ColumnType.SHORT, 2, 0, offset=8)
TEXT = ColumnDef(128, "T", ColumnType.TEXT, 255, ASCII)
WIDE = ColumnDef(129, "W", ColumnType.TEXT, 255, UNICODE)
MANY = ColumnDef(256, "M", ColumnType.SHORT, 2, 0, ColumnFlags.MULTI_VALUED)
MORE = ColumnDef(257, "N", ColumnType.SHORT, 2, 0, ColumnFlags.MULTI_VALUED)


def maker(*columns: ColumnDef, flags: int = 0xE, **more: object) -> EntryMaker:
    keyed = tuple(IndexColumn(column) for column in columns)
    return EntryMaker(IndexDef("i", 9, 40, IndexFlags(flags), keyed, **more))  # type: ignore[arg-type]


def keys(made: EntryMaker, **values: Values) -> set[str]:
    return {key.hex() for key in made.keys(lambda column: values.get(column.name, (None,)))}


def short(*numbers: int) -> Values:
    return tuple(number.to_bytes(2, "little", signed=True) for number in numbers)


def test_one_entry_for_one_value() -> None:
    assert keys(maker(LONG), L=(b"\1\0\0\0",)) == {"7f80000001"}


@pytest.mark.parametrize(
    ("flag", "values", "there"),
    [
        (0x2, {}, True),
        (0xC, {}, False),
        (0x4, {"S": short(1)}, True),
        (0xA, {"S": short(1)}, False),
        (0x8, {"L": (b"\1\0\0\0",)}, True),
        (0x6, {"L": (b"\1\0\0\0",)}, False),
    ],
)
def test_null_rules(flag: int, values: dict[str, Values], *, there: bool) -> None:
    assert bool(keys(maker(LONG, SHORT, flags=flag), **values)) is there


def test_the_first_multi_value_varies() -> None:
    made = maker(LONG, MANY, MORE, flags=0x8E)
    found = keys(made, L=(b"\1\0\0\0",), M=short(1, 2, 1), N=short(7, 8))
    assert found == {"7f800000017f80017f8007", "7f800000017f80027f8007"}


def test_cross_product() -> None:
    made = maker(MANY, MORE, flags=0x208E)
    assert keys(made, M=short(1, 2), N=short(7, 8)) == {
        "7f80017f8007",
        "7f80017f8008",
        "7f80027f8007",
        "7f80027f8008",
    }
    with pytest.raises(TooManyEntriesError):
        keys(made, M=short(*range(400)), N=short(*range(400)))


def test_nested_tables() -> None:
    made = maker(MANY, SHORT, MORE, flags=0x808E)
    found = keys(made, M=short(1, 2, 3), S=short(5), N=short(7))
    assert found == {"7f80017f80057f8007", "7f80027f800500", "7f80037f800500"}


@pytest.mark.parametrize(("value", "must_be_null", "there"), [(None, True, True), (b"\1\0", True, False)])
def test_conditions(value: bytes | None, *, must_be_null: bool, there: bool) -> None:
    condition = IndexColumn(SHORT, must_be_null=must_be_null)
    made = maker(LONG, conditions=(condition,))
    assert bool(keys(made, L=(b"\1\0\0\0",), S=(value,))) is there
    other = maker(LONG, conditions=(IndexColumn(SHORT),))
    assert bool(keys(other, L=(b"\1\0\0\0",), S=(value,))) is not there


def test_tuples() -> None:
    made = maker(TEXT, LONG, tuple_limits=struct.pack("<III", 3, 4, 32767))
    found = keys(made, T=(b"abcdef",), L=(b"\1\0\0\0",))
    assert found == {(b"\x7f" + text + b"\0").hex() + "7f80000001" for text in (b"ABCD", b"BCDE", b"CDEF", b"DEF")}
    assert keys(made, T=(None,), L=(b"\1\0\0\0",)) == set()
    assert keys(made, T=(b"ab",), L=(b"\1\0\0\0",)) == set()


def test_tuples_with_start_step_and_limit() -> None:
    made = maker(TEXT, tuple_limits=struct.pack("<IIIII", 2, 3, 2, 2, 1))
    assert keys(made, T=(b"abcdefghij",)) == {(b"\x7f" + text + b"\0").hex() for text in (b"BCD", b"DEF")}


@pytest.mark.parametrize(
    ("made", "depth"),
    [
        (maker(LONG, TEXT), Depth.KEYS),
        (maker(LONG, WIDE), Depth.BOOKMARKS),
        (maker(MANY, WIDE, flags=0x8E), Depth.COUNT),
        (maker(LONG, flags=0x4000E), Depth.NOTHING),
        (maker(ColumnDef(1, "D", ColumnType.LONG, 4, 0, ColumnFlags.USER_DEFINED_DEFAULT)), Depth.NOTHING),
        (maker(ColumnDef(256, "E", ColumnType.LONG_BINARY, 0, 0, ColumnFlags.ENCRYPTED)), Depth.NOTHING),
    ],
)
def test_how_much_can_be_compared(made: EntryMaker, depth: Depth) -> None:
    assert made.depth is depth
    assert bool(made.reason) is (depth is not Depth.KEYS)
