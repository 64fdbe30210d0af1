"""The differences that ReplaceD records carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.lr.diff import DiffPiece, apply_diff, diff_pieces


def small(offset: int, flags: int, new: bytes, old: int | None = None) -> bytes:
    width = 2 if flags & 0x8000 else 1
    lengths = len(new).to_bytes(width, "little") + (b"" if old is None else old.to_bytes(width, "little"))
    return (offset | flags).to_bytes(2, "little") + lengths + new


def large(offset: int, flags: int, new: bytes, old: int | None = None) -> bytes:
    width = 2 if flags & 0x80 else 1
    lengths = len(new).to_bytes(width, "little") + (b"" if old is None else old.to_bytes(width, "little"))
    return offset.to_bytes(2, "little") + bytes([flags]) + lengths + new


OLD = bytes(range(65, 91))


def test_each_form_of_a_piece() -> None:
    assert apply_diff(OLD, small(2, 0x2000, b"xy"), large=False) == b"ABxyEFGHIJKLMNOPQRSTUVWXYZ"
    assert apply_diff(OLD, small(2, 0x4000, b"xy"), large=False) == b"ABxyCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert apply_diff(OLD, small(2, 0, b"x", 3), large=False) == b"ABxFGHIJKLMNOPQRSTUVWXYZ"
    assert apply_diff(OLD, small(2, 0x8000, b"x", 24), large=False) == b"ABx"
    assert apply_diff(OLD, large(2, 0x20, b"xy"), large=True) == b"ABxyEFGHIJKLMNOPQRSTUVWXYZ"
    assert apply_diff(OLD, large(26, 0x40, b"!"), large=True) == OLD + b"!"
    assert apply_diff(OLD, large(0, 0x80, b"", 26), large=True) == b""
    assert apply_diff(OLD, b"", large=True) == OLD


def test_several_pieces_are_relative_to_the_old_data() -> None:
    diff = small(0, 0, b"longer", 1) + small(5, 0x4000, b"-") + small(25, 0x2000, b"z")
    assert apply_diff(OLD, diff, large=False) == b"longerBCDE-FGHIJKLMNOPQRSTUVWXYz"
    assert list(diff_pieces(diff, large=False)) == [
        DiffPiece(0, 1, b"longer", insert=False, same=False, wide=False),
        DiffPiece(5, 0, b"-", insert=True, same=False, wide=False),
        DiffPiece(25, 1, b"z", insert=False, same=True, wide=False),
    ]


@pytest.mark.parametrize(
    "diff",
    [
        small(20, 0, b"x", 7),  # beyond the old data
        small(27, 0x4000, b"x"),
        small(5, 0x2000, b"xx") + small(6, 0x4000, b"y"),  # descending
        small(0, 0x2000, b"xyz")[:-1],  # cut off
        b"\x01",
        b"\x00\xa0\x05",
    ],
)
def test_damage(diff: bytes) -> None:
    with pytest.raises(EseError) as caught:
        apply_diff(OLD, diff, large=False)
    assert caught.value.code == Err.LogFileCorrupt


def test_result_is_bounded() -> None:
    with pytest.raises(EseError, match="-501"):
        apply_diff(OLD, small(0, 0xC000, bytes(5000)), large=False, limit=4096)
    with pytest.raises(EseError, match="-501"):
        apply_diff(bytes(4096), small(0, 0x4000, b"x"), large=False, limit=4096)


@given(st.binary(max_size=64), st.binary(max_size=64), st.booleans())
def test_any_bytes_give_a_result_or_damage(old: bytes, diff: bytes, form: bool) -> None:  # noqa: FBT001 - drawn
    try:
        new = apply_diff(old, diff, large=form, limit=8192)
    except EseError as error:
        assert error.code == Err.LogFileCorrupt  # noqa: PT017 - either outcome is right
    else:
        assert len(new) <= 8192
