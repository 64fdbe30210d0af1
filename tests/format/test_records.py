"""Records: worked examples, round trips, and bytes that are not records."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EseError
from engine.format.column import ColumnDef, ColumnType
from engine.format.record import (
    LONG,
    TWO,
    Instance,
    Record,
    RecordLayout,
    Tagged,
    decode_tagged,
    encode_tagged,
    record_limit,
)

FIXED = (
    ColumnDef(1, "A", ColumnType.LONG, 4, offset=4),
    ColumnDef(2, "B", ColumnType.BIT, 1, offset=8),
    ColumnDef(3, "C", ColumnType.SHORT, 2, offset=9),
)


def test_smallest_record() -> None:
    for page_size in (4096, 32768):
        layout = RecordLayout(FIXED, page_size)
        assert layout.encode(Record()) == bytes.fromhex("007F0400")
        assert layout.decode(bytes.fromhex("007F0400")) == Record()


def test_worked_example_of_the_catalog() -> None:
    raw = bytes.fromhex("08802000 08000000 0100 08000000 1f000000 50000000 00000000 04000000 ff 00 0500") + b"basic"
    sizes = (4, 2, 4, 4, 4, 4, 4, 1)
    columns, offset = [], 4
    for number, size in enumerate(sizes, 1):
        columns.append(ColumnDef(number, f"c{number}", ColumnType.LONG, size, offset=offset))
        offset += size
    layout = RecordLayout(columns, 4096)
    record = layout.decode(raw)
    assert record.variable == {128: b"basic"}
    assert record.fixed[8] == b"\xff"
    assert record.fixed[4] == (31).to_bytes(4, "little")
    assert layout.encode(record) == raw


def test_worked_example_of_multi_values() -> None:
    values = tuple(Instance(f"Tiny binary {n}".encode()) for n in (1, 2, 3))
    area = encode_tagged([Tagged(256, values, LONG)], large=False)
    assert area == bytes.fromhex("0001 0440 09 0600 1300 2000") + b"Tiny binary 1Tiny binary 2Tiny binary 3"
    decoded = decode_tagged(area, large=False)
    assert decoded[0].instances == values


def test_worked_example_of_a_large_page() -> None:
    record = bytes.fromhex("007f0400 00010c00 01011100 02011600 0002000000 0002000000 000100")
    layout = RecordLayout((), 16384)
    decoded = layout.decode(record)
    assert [(each.id, each.instances[0].data.hex()) for each in decoded.tagged] == [
        (256, "02000000"),
        (257, "02000000"),
        (258, "0100"),
    ]
    assert layout.encode(decoded) == record


def test_nulls_of_every_part() -> None:
    for page_size in (8192, 16384):
        layout = RecordLayout(FIXED, page_size)
        record = Record(
            {1: None, 2: b"\xff", 3: None},
            {128: b"x", 129: None, 130: b""},
            [Tagged(256, (), 0x20), Tagged(300, (Instance(b""),))],
        )
        raw = layout.encode(record)
        assert raw[4:8] == b"****"
        assert layout.decode(raw) == record


def test_derived_columns_come_first() -> None:
    fields = [Tagged(256, (Instance(b"own"),)), Tagged(257, (Instance(b"template"),), derived=True)]
    for large in (False, True):
        decoded = decode_tagged(encode_tagged(fields, large=large), large=large)
        assert [(each.id, each.derived) for each in decoded] == [(257, True), (256, False)]


def test_limits() -> None:
    assert record_limit(4096, 255) == 4096 - 50 - 257
    assert record_limit(4096, 4) == 4096 - 50 - 255
    assert record_limit(32768, 255) == 32768 - 92 - 255


INSTANCES = st.lists(st.builds(Instance, st.binary(max_size=60), st.booleans()), min_size=1, max_size=4)


@st.composite
def tagged_columns(draw: st.DrawFn) -> Tagged:
    kind = draw(st.sampled_from(["null", "one", "many", "two"]))
    number = draw(st.integers(256, 400))
    derived = draw(st.booleans())
    if kind == "null":
        return Tagged(number, (), 0x20, derived)
    if kind == "one":
        value = draw(st.binary(max_size=60))
        separated = draw(st.booleans())
        return Tagged(number, (Instance(value, separated),), LONG | (4 if separated else 0), derived)
    if kind == "two":
        one, two = draw(st.tuples(st.binary(max_size=200), st.binary(max_size=200)))
        return Tagged(number, (Instance(one), Instance(two)), 0x18, derived)
    instances = draw(INSTANCES.filter(lambda each: len(each) > 1))
    return Tagged(number, tuple(instances), 0x08 | LONG, derived)


@given(
    st.lists(tagged_columns(), max_size=5, unique_by=lambda each: (each.derived, each.id)),
    st.lists(st.one_of(st.none(), st.binary(max_size=30)), max_size=5),
    st.tuples(st.none() | st.binary(min_size=4, max_size=4), st.none() | st.binary(min_size=1, max_size=1)),
    st.sampled_from([4096, 32768]),
)
def test_round_trip(
    tagged: list[Tagged],
    variable: list[bytes | None],
    fixed: tuple[bytes | None, bytes | None],
    page_size: int,
) -> None:
    layout = RecordLayout(FIXED, page_size)
    ordered = sorted(tagged, key=lambda each: (not each.derived, each.id))
    record = Record(dict(enumerate(fixed, 1)), dict(enumerate(variable, 128)), ordered)
    raw = layout.encode(record)
    decoded = layout.decode(raw)
    assert decoded == record
    assert layout.encode(decoded) == raw


def test_two_values_keep_their_form() -> None:
    area = encode_tagged([Tagged(256, (Instance(b"ab"), Instance(b"cde")), TWO)], large=False)
    assert area == bytes.fromhex("00010440 18 02") + b"abcde"


@given(st.binary(max_size=200), st.sampled_from([4096, 32768]))
def test_any_bytes_are_a_record_or_a_typed_error(data: bytes, page_size: int) -> None:
    with contextlib.suppress(EseError):
        RecordLayout(FIXED, page_size).decode(data)


@given(st.data())
def test_changed_bytes_are_a_record_or_a_typed_error(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([4096, 32768]))
    layout = RecordLayout(FIXED, page_size)
    tagged = sorted(
        data.draw(st.lists(tagged_columns(), min_size=1, max_size=3, unique_by=lambda each: (each.derived, each.id))),
        key=lambda each: (not each.derived, each.id),
    )
    raw = bytearray(layout.encode(Record({1: b"abcd"}, {128: b"name"}, tagged)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    with contextlib.suppress(EseError):
        layout.decode(bytes(raw))


def test_layouts_that_cannot_be() -> None:
    with pytest.raises(EseError):
        RecordLayout((ColumnDef(1, "A", ColumnType.LONG, 4, offset=3),), 4096)
    with pytest.raises(EseError):
        RecordLayout(FIXED, 4096).encode(Record({1: b"abc"}))
