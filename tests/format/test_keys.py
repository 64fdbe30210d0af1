"""Keys: the vectors of real databases, order, truncation, what is refused."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.column import ASCII, UNICODE, ColumnType
from engine.format.key import Segment, TextOrder, compile_key, key_limit, make_key, normalise, stem
from engine.format.value import encoder

if TYPE_CHECKING:
    from collections.abc import Callable


def key_of(kind: ColumnType, value: Any, *, code_page: int = 0, fixed: bool = True, descending: bool = False) -> str:
    raw = encoder(kind, code_page)(value)
    return make_key((Segment(kind, code_page, fixed, descending),), (raw,)).hex().upper()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (ColumnType.BIT, False, "7F00"),
        (ColumnType.BIT, True, "7FFF"),
        (ColumnType.UNSIGNED_BYTE, 0xD5, "7FD5"),
        (ColumnType.SHORT, -1337, "7F7AC7"),
        (ColumnType.LONG, -13371337, "7F7F33F837"),
        (ColumnType.LONG, 1, "7F80000001"),
        (ColumnType.UNSIGNED_SHORT, 1337, "7F0539"),
        (ColumnType.UNSIGNED_LONG, 13371337, "7F00CC07C9"),
        (ColumnType.IEEE_SINGLE, 1.0, "7FBF800000"),
        (ColumnType.GUID, bytes.fromhex("F10A363F6667DC469AF20DACF295C2A1"), "7F0DACF295C2A19AF2DC466667F10A363F"),
    ],
)
def test_fixed_types(kind: ColumnType, value: Any, expected: str) -> None:
    assert key_of(kind, value) == expected
    inverted = bytes(255 - each for each in bytes.fromhex(expected)).hex().upper()
    assert key_of(kind, value, descending=True) == inverted


def test_binary_in_chunks_and_fixed() -> None:
    assert key_of(ColumnType.BINARY, b"test binary data", fixed=False) == "7F746573742062696E09617279206461746108"
    assert key_of(ColumnType.BINARY, b"ab", fixed=False) == "7F616200000000000002"
    assert key_of(ColumnType.BINARY, b"ab") == "7F6162"
    assert key_of(ColumnType.BINARY, b"", fixed=False) == "40"


def test_ascii_text() -> None:
    ascii_key = key_of(ColumnType.TEXT, "Simple ASCII text", code_page=ASCII, fixed=False)
    assert ascii_key == "7F" + b"SIMPLE ASCII TEXT\0".hex().upper()
    assert key_of(ColumnType.TEXT, "", code_page=ASCII, fixed=False) == "40"
    assert key_of(ColumnType.TEXT, "a\0b", code_page=ASCII, fixed=False) == "7F4100"
    assert key_of(ColumnType.TEXT, "é", code_page=ASCII, fixed=False) == "7FE900"


def test_dotnet_order_of_guids() -> None:
    guid = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    segment = Segment(ColumnType.GUID)
    assert make_key((segment,), (guid.bytes_le,), dotnet_guid=True) == b"\x7f" + guid.bytes


def test_nulls() -> None:
    for descending, high, expected in (
        (False, False, "00"),
        (True, False, "FF"),
        (False, True, "C0"),
        (True, True, "3F"),
    ):
        segment = Segment(ColumnType.LONG, descending=descending)
        assert make_key((segment,), (None,), nulls_high=high).hex().upper() == expected


def test_cut_to_key_most() -> None:
    number, text = Segment(ColumnType.LONG), Segment(ColumnType.TEXT, ASCII, fixed=False)
    raw = (1).to_bytes(4, "little")
    assert make_key((number, number), (raw, raw), key_most=7) == bytes.fromhex("7F800000017F80")
    assert make_key((number, number), (raw, raw), key_most=5) == bytes.fromhex("7F80000001")
    # The byte in the last place is lowered by 0x20 without looking at it.
    assert make_key((text,), (b"abcdefgh",), key_most=5) == b"\x7fABCD"
    assert make_key((text,), (b"ABCDefgh",), key_most=5) == b"\x7fABC" + bytes((ord("D") - 0x20,))
    assert make_key((text,), (b"abc",), key_most=5) == b"\x7fABC\0"
    assert make_key((text,), (b"abcd",), key_most=5) == b"\x7fABCD"
    assert make_key((text,), (b"abcd",), key_most=1) == b"\x7f"
    binary = Segment(ColumnType.LONG_BINARY, fixed=False)
    assert make_key((binary,), (bytes(range(16)),), key_most=12) == b"\x7f" + bytes(range(8)) + b"\x09\x08\x09"
    assert make_key((binary,), (bytes(range(16)),), key_most=10) == b"\x7f" + bytes(range(8)) + b"\x09"
    assert make_key((binary, number), (bytes(9), raw), segment_most=4) == b"\x7f\0\0\0" + bytes.fromhex("7F80000001")
    assert [key_limit(size) for size in (2048, 4096, 8192, 32768)] == [500, 1000, 2000, 2000]


def test_refused() -> None:
    with pytest.raises(EseError) as caught:
        normalise(Segment(ColumnType.TEXT, UNICODE, fixed=False), b"a\0", 255)
    assert caught.value.code == Err.FeatureNotAvailable
    with pytest.raises(EseError) as caught:
        normalise(Segment(ColumnType.SLV), b"a", 255)
    assert caught.value.code == Err.FeatureNotAvailable
    with pytest.raises(EseError) as caught:
        normalise(Segment(ColumnType.LONG), b"", 255)
    assert caught.value.code == Err.InvalidParameter


ORDERED: list[tuple[ColumnType, int, st.SearchStrategy[Any], Callable[[Any], Any]]] = [
    (ColumnType.SHORT, 0, st.integers(-(2**15), 2**15 - 1), lambda value: value),
    (ColumnType.LONG, 0, st.integers(-(2**31), 2**31 - 1), lambda value: value),
    (ColumnType.LONG_LONG, 0, st.integers(-(2**63), 2**63 - 1), lambda value: value),
    (ColumnType.UNSIGNED_LONG, 0, st.integers(0, 2**32 - 1), lambda value: value),
    (ColumnType.UNSIGNED_LONG_LONG, 0, st.integers(0, 2**64 - 1), lambda value: value),
    (
        ColumnType.IEEE_DOUBLE,
        0,
        st.floats(allow_nan=False).filter(lambda value: value != 0 or str(value) == "0.0"),
        float,
    ),
    (ColumnType.BINARY, 0, st.binary(max_size=100), lambda value: value),
    (ColumnType.TEXT, ASCII, st.text("ABCXYZ 0", max_size=80), lambda value: value),
]


@pytest.mark.parametrize(
    ("kind", "code_page", "values", "order"), ORDERED, ids=lambda value: getattr(value, "name", None)
)
@given(data=st.data())
def test_keys_compare_like_values(
    kind: ColumnType,
    code_page: int,
    values: st.SearchStrategy[Any],
    order: Callable[[Any], Any],
    data: st.DataObject,
) -> None:
    one, two = data.draw(values), data.draw(values)
    encode = encoder(kind, code_page)
    for descending in (False, True):
        segment = Segment(kind, code_page, fixed=False, descending=descending)
        first, second = (make_key((segment,), (encode(value),)) for value in (one, two))
        expected = order(one) > order(two) if descending else order(one) < order(two)
        assert (first < second) == expected
        assert (first == second) == (one == two)
        null = make_key((segment,), (None,))
        assert null > first if descending else null < first


@given(
    st.lists(
        st.sampled_from([ColumnType.LONG, ColumnType.GUID, ColumnType.IEEE_DOUBLE, ColumnType.BIT]),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_quick_keys_are_the_plain_ones(kinds: list[ColumnType], data: st.DataObject) -> None:
    segments = [Segment(kind, descending=data.draw(st.booleans())) for kind in kinds]
    sizes = {ColumnType.LONG: 4, ColumnType.GUID: 16, ColumnType.IEEE_DOUBLE: 8, ColumnType.BIT: 1}
    raw = [data.draw(st.binary(min_size=sizes[kind], max_size=sizes[kind])) for kind in kinds]
    dotnet = data.draw(st.booleans())
    quick = compile_key(segments, 255, dotnet_guid=dotnet)
    assert quick is not None
    assert quick(raw) == make_key(segments, raw, dotnet_guid=dotnet)
    assert compile_key(segments, 1) is None
    assert compile_key([Segment(ColumnType.BINARY)], 255) is None


def test_float_bits() -> None:
    for value in (0.0, 1.0, 1e300, float("inf")):
        raw = struct.pack("<d", value)
        negative = struct.pack("<d", -value)
        segment = (Segment(ColumnType.IEEE_DOUBLE),)
        assert make_key(segment, (negative,)) < make_key(segment, (raw,))


def unicode_key(text: str, order: TextOrder, room: int = 255) -> bytes:
    segment = Segment(ColumnType.TEXT, UNICODE, fixed=False, order=order)
    return normalise(segment, text.encode("utf-16-le", "surrogatepass"), room)


@given(st.text(max_size=40), st.text(max_size=40))
def test_ordinal_order_is_that_of_code_units(one: str, two: str) -> None:
    units = [each.encode("utf-16-be", "surrogatepass") for each in (one, two)]
    keys = [unicode_key(each, TextOrder.ORDINAL) for each in (one, two)]
    assert (keys[0] < keys[1]) == (units[0] < units[1])
    assert (keys[0] == keys[1]) == (units[0] == units[1])


def test_folded_order_makes_no_difference_of_case() -> None:
    assert unicode_key("Straße ÄÖ Ω Ж", TextOrder.FOLD) == unicode_key("STRAßE äö ω ж", TextOrder.FOLD)
    assert unicode_key("ß", TextOrder.FOLD) != unicode_key("ss", TextOrder.FOLD)
    assert unicode_key("a", TextOrder.ORDINAL) != unicode_key("A", TextOrder.ORDINAL)
    assert unicode_key("", TextOrder.FOLD) == b"\x40"


def test_a_long_text_is_cut_where_the_key_ends() -> None:
    whole = unicode_key("x" * 300, TextOrder.FOLD, 1000)
    assert unicode_key("X" * 300, TextOrder.FOLD, 100) == whole[:100]


@pytest.mark.parametrize("code_page", [1252, UNICODE])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 20])
def test_a_stem_begins_all_keys_of_longer_texts(code_page: int, length: int, *, descending: bool) -> None:
    segment = Segment(ColumnType.TEXT, code_page, fixed=False, descending=descending, order=TextOrder.ORDINAL)
    text = "abcdefghijklmnopqrstuvwxyz"
    encode = encoder(ColumnType.TEXT, code_page)
    found = stem(segment, encode(text[:length]))
    other = stem(segment, encode(text[: length - 1] + "!"))
    for more in ("", "a", "zzzzzzzzz"):
        key = normalise(segment, encode(text[:length] + more), 255)
        assert key.startswith(found)
        assert not key.startswith(other)


def test_a_stem_of_a_number_is_its_key() -> None:
    segment = Segment(ColumnType.LONG)
    assert stem(segment, b"\1\0\0\0") == normalise(segment, b"\1\0\0\0", 255)
