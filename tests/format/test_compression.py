"""Packed values: 7-bit texts of every length, XPRESS, and what is not read."""

from __future__ import annotations

import random

import pytest

from engine.errors import Err, EseError
from engine.format.compression import pack_value, unpack_value


def pack_seven(scheme: int, text: bytes) -> bytes:
    """Return a text packed to 7 bits a character."""
    bits = 7 * len(text)
    packed = sum(each << 7 * at for at, each in enumerate(text))
    return bytes((scheme << 3 | (bits - 1) % 8,)) + packed.to_bytes((bits + 7) // 8, "little")


@pytest.mark.parametrize("length", [*range(1, 70), 511, 512, 513, 1024, 1025, 4000, 37_000])
def test_seven_bits(length: int) -> None:
    source = random.Random(length)  # noqa: S311 - repeatable on purpose
    text = bytes(source.randrange(128) for _ in range(length))
    assert unpack_value(pack_seven(1, text)) == text
    assert unpack_value(pack_seven(2, text)) == text.decode("ascii").encode("utf-16-le")


@pytest.mark.parametrize("length", [*range(1, 70), 511, 512, 513, 1024, 1025, 4014, 8150])
def test_packing_is_what_the_formula_says(length: int) -> None:
    source = random.Random(length)  # noqa: S311 - repeatable on purpose
    text = bytes(source.randrange(1, 128) for _ in range(length))
    ascii_7, unicode_7 = pack_seven(1, text), pack_seven(2, text)
    assert pack_value(text) == (ascii_7 if len(ascii_7) < length else None)
    wide = text.decode("ascii").encode("utf-16-le")
    assert pack_value(wide) == (unicode_7 if len(unicode_7) < 2 * length else None)


def test_what_cannot_be_packed() -> None:
    assert pack_value(b"") is None
    assert pack_value(b"a") is None
    assert pack_value("ä".encode("cp1252") * 50) is None
    assert pack_value("\u4e2d".encode("utf-16-le") * 50) is not None, "bytes below 0x80 are characters too"
    assert pack_value("\u0130".encode("utf-16-le") * 50) is not None
    assert pack_value("é".encode("utf-16-le") * 50) is None
    # An odd number of bytes is no Unicode text.
    packed = pack_value(b"a\0" * 20 + b"b")
    assert packed is not None
    assert packed[0] >> 3 == 1
    assert unpack_value(packed) == b"a\0" * 20 + b"b"


def test_seven_bits_of_another_number() -> None:
    with pytest.raises(EseError) as told:
        unpack_value(b"\x0fab")
    assert told.value.code == Err.DecompressionFailed


def test_xpress() -> None:
    # Eight literals, then a match of 7 bytes 4 back: the flags of nine tokens, highest bit first.
    data = b"\x18\x0f\x00" + (1 << 23).to_bytes(4, "little") + b"abcdabcd" + (3 << 3 | 4).to_bytes(2, "little")
    assert unpack_value(data) == b"abcdabcd" + b"abcdabc"


@pytest.mark.parametrize(("first", "name"), [(0x28, "XPRESS9"), (0x30, "XPRESS10"), (0x3F, "LZ4"), (0x40, "scheme 8")])
def test_what_is_not_read_is_named(first: int, name: str) -> None:
    with pytest.raises(EseError, match=name) as told:
        unpack_value(bytes((first,)) + b"data")
    assert told.value.code == Err.DecompressionFailed


def test_scrubbed_and_empty() -> None:
    assert unpack_value(b"\x20lll") == b""
    with pytest.raises(EseError):
        unpack_value(b"")
