from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format import checksum_batch
from engine.format.checksum import (
    BLOCK_CHECKSUM_OFFSETS,
    FLAG_BIT,
    SEGMENT_SIZE,
    block_size,
    correct_page,
    correct_segment,
    diagnose,
    header_checksum,
    header_checksum_ok,
    is_blank,
    page_checksum,
    page_checksums,
    segment_checksum,
    set_batch_checksums,
    set_header_checksum,
    set_page_checksum,
    set_segment_checksum,
    stored_checksums,
    verify_batch,
    verify_page,
    verify_segments,
)
from engine.format.checksum_batch import SegmentState
from engine.format.page import PAGE_SIZES, WRITABLE_PAGE_SIZES

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = 0x89ABCDEF
FLAG_NEW = 0x2000


def dice(seed: int | str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - what is drawn must be the same in each run


def plain_checksum(block: bytes, number: int, *, header_block: bool) -> int:
    """Compute the new checksum bit by bit, straight from its definition."""
    x = low = high = 0
    mask = len(block) * 8 - 1
    for index in range(0, len(block), 4):
        word = int.from_bytes(block[index : index + 4], "little")
        if header_block and index < 8:
            word = 0
        x ^= word
        while word:
            bit = 32 * (index // 4) + (word & -word).bit_length() - 1
            low ^= bit
            high ^= ~bit & mask
            word &= word - 1
    return (high << 16 | low) << 32 | x ^ number


def made_page(page_size: int, pgno: int, seed: int = 0) -> bytearray:
    page = bytearray(dice(f"{page_size} {pgno} {seed}").randbytes(page_size))
    set_page_checksum(page, pgno)
    return page


def test_worked_example() -> None:
    page = bytearray(4096)
    page[625] = 1
    page[36:40] = FLAG_NEW.to_bytes(4, "little")
    with_flag = page_checksum(page, 7)
    flag_only = bytearray(4096)
    flag_only[36:40] = page[36:40]
    # The checksum is linear, so the example without the flag is the difference of two that have it.
    assert with_flag ^ page_checksum(flag_only, 7) ^ 7 == 0x6C771388_00000107


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_single_page_agrees_with_the_definition(page_size: int) -> None:
    pgno = 0x1234567
    page = bytes(made_page(page_size, pgno))
    size = block_size(page_size)
    blocks = [page[at : at + size] for at in range(0, page_size, size)]
    expected = tuple(plain_checksum(each, pgno, header_block=not index) for index, each in enumerate(blocks))
    assert page_checksums(page, pgno) == stored_checksums(page) == expected
    assert len(expected) == (4 if page_size > 8192 else 1)


@pytest.mark.parametrize("odd", [checksum_batch._odd_by_count, checksum_batch._odd_by_folding])
@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_batch_agrees_with_single_pages(page_size: int, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksum_batch, "_odd", odd)
    pages = [made_page(page_size, 100 + index) for index in range(9)]
    pages[2] = bytearray(page_size)
    pages[4][-1] ^= 0x10
    pages[6][page_size // 2] ^= 0x81
    pages[8][8] ^= 1
    result = verify_batch(b"".join(pages), 100, page_size)
    single = [verify_page(each, 100 + index) for index, each in enumerate(pages)]
    assert list(result.bad) == [each for each in single if each is not None]
    assert [each.number for each in result.bad] == [104, 106, 108]
    assert result.blank.tolist() == [index == 2 for index in range(9)]
    assert (result.count, result.blank_count, result.ok) == (9, 1, False)


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
def test_setting_a_batch_is_setting_each_page(page_size: int) -> None:
    rng = dice(page_size)
    # Alternating blank pages: too many runs to be taken one by one.
    pages = [bytearray(rng.randbytes(page_size)) if index % 2 else bytearray(page_size) for index in range(70)]
    whole = bytearray(b"".join(pages))
    set_batch_checksums(whole, 5, page_size)
    for index, page in enumerate(pages):
        if index % 2:
            set_page_checksum(page, 5 + index)
    assert whole == b"".join(pages)
    assert verify_batch(whole, 5, page_size).ok
    assert verify_batch(memoryview(whole), 5, page_size).blank_count == 35


@given(data=st.binary(min_size=0, max_size=300), page_size=st.sampled_from(PAGE_SIZES), pgno=st.integers(0, 2**32 - 1))
def test_any_bytes_are_judged_alike_by_both(data: bytes, page_size: int, pgno: int) -> None:
    page = (data * (page_size // max(len(data), 1) + 1))[:page_size].ljust(page_size, b"\0")
    single = verify_page(page, pgno)
    batch = verify_batch(page, pgno, page_size)
    assert batch.bad == (() if single is None else (single,))
    assert bool(batch.blank[0]) == is_blank(page) == (not any(page))


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_every_single_bit_is_located(page_size: int) -> None:
    rng = dice(page_size)
    page = bytes(made_page(page_size, 77))
    size = block_size(page_size) * 8
    edges = [64, FLAG_BIT - 1, FLAG_BIT + 1, 40 * 8, 63 * 8 + 7, size - 1, page_size * 8 - 1]
    for bit in {*edges, *(rng.randrange(64, page_size * 8) for _ in range(60))} - {FLAG_BIT}:
        damaged = bytearray(page)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        assert verify_batch(damaged, 77, page_size).bad[0].bits == (bit,)
        correction = correct_page(damaged, 77)
        assert correction is not None
        assert (correction.number, correction.bits) == (77, (bit,))
        assert damaged == page


@pytest.mark.parametrize("page_size", [16384, 32768])
def test_one_bit_in_each_block_of_a_large_page(page_size: int) -> None:
    rng = dice(page_size)
    page = bytes(made_page(page_size, 9))
    size = block_size(page_size) * 8
    bits = tuple(block * size + rng.randrange(1000, size) for block in range(4))
    damaged = bytearray(page)
    for bit in bits:
        damaged[bit >> 3] ^= 1 << (bit & 7)
    bad = verify_page(damaged, 9)
    assert bad is not None
    assert bad.bits == bits
    assert correct_page(damaged, 9) is not None
    assert damaged == page


@pytest.mark.parametrize("page_size", [16384, 32768])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_hit_checksum_of_a_later_block_is_put_right_first(page_size: int, block: int) -> None:
    page = bytes(made_page(page_size, 9))
    damaged = bytearray(page)
    damaged[BLOCK_CHECKSUM_OFFSETS[block] + 5] ^= 0x20
    damaged[block * block_size(page_size) + 99] ^= 0x02
    assert correct_page(damaged, 9) is not None
    assert damaged == page


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_more_than_one_bit_is_detected_and_left_alone(page_size: int) -> None:
    rng = dice(page_size)
    page = bytes(made_page(page_size, 3))
    span = block_size(page_size) * 8
    for _ in range(60):
        damaged = bytearray(page)
        for bit in rng.sample(range(64, span), rng.choice((2, 3, 5, 8))):
            damaged[bit >> 3] ^= 1 << (bit & 7)
        before = bytes(damaged)
        bad = verify_page(damaged, 3)
        assert bad is not None
        assert bad.code == Err.ReadVerifyFailure
        # An even number of flips never looks like one; an odd number hardly ever does.
        if correct_page(damaged, 3) is None:
            assert damaged == before
        else:
            assert verify_page(damaged, 3) is None


@pytest.mark.parametrize("bit", [FLAG_BIT, 5, 40])
def test_flag_and_stored_checksum_are_not_correctable(bit: int) -> None:
    damaged = made_page(8192, 3)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    bad = verify_page(damaged, 3)
    assert bad is not None
    assert (bad.correctable, bad.bit) == (False, None)
    assert correct_page(damaged, 3) is None


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
def test_misplaced_page_names_its_place(page_size: int) -> None:
    page = made_page(page_size, 500)
    for pgno in (499, 501, 7, 1000):
        bad = verify_page(page, pgno)
        assert bad is not None
        assert (bad.code, bad.claimed, bad.bits, bad.number) == (Err.ReadVerifyFailure, 500, (), pgno)


@pytest.mark.parametrize("page_size", [16384, 32768])
def test_large_page_with_another_number_in_its_header(page_size: int) -> None:
    page = made_page(page_size, 500)
    page[64:68] = (501).to_bytes(4, "little")
    page[:8] = page_checksum(page, 500).to_bytes(8, "little")
    bad = verify_page(page, 500)
    assert bad is not None
    assert (bad.code, bad.claimed, bad.stored == bad.computed) == (Err.ReadPgnoVerifyFailure, 501, True)
    assert verify_batch(page, 500, page_size).bad == (bad,)
    assert correct_page(page, 500) is None


@pytest.mark.parametrize("page_size", [2048, 4096, 8192])
def test_old_checksum(page_size: int) -> None:
    page = bytearray(dice(1).randbytes(page_size))
    page[37] &= ~0x20
    page[4:8] = (42).to_bytes(4, "little")
    words = np.frombuffer(page, "<u4")
    page[:4] = (int(np.bitwise_xor.reduce(words[1:])) ^ MAGIC).to_bytes(4, "little")
    assert page_checksums(page, 42) == stored_checksums(page)
    assert verify_page(page, 42) is None
    assert verify_batch(page, 42, page_size).ok
    foreign = verify_page(page, 43)
    assert foreign is not None
    assert (foreign.claimed, foreign.bits) == (42, ())
    page[100] ^= 1
    for bad in (verify_page(page, 42), verify_batch(page, 42, page_size).bad[0]):
        assert bad is not None
        assert (bad.bits, bad.claimed, bad.code) == ((), None, Err.ReadVerifyFailure)
    set_page_checksum(page, 42)
    assert verify_page(page, 42) is None


def test_header_checksum() -> None:
    for size in (2048, 4096, 8192, 16384, 32768, 12):
        page = bytearray(dice(size).randbytes(size))
        words = np.frombuffer(page, "<u4")
        assert header_checksum(page) == int(np.bitwise_xor.reduce(words[1:])) ^ MAGIC
        del words
        assert not header_checksum_ok(page)
        set_header_checksum(page)
        assert header_checksum_ok(page)
    assert not header_checksum_ok(b"")
    assert not header_checksum_ok(bytes(4096))


def test_segments_by_their_checksum() -> None:
    rng = dice(4)
    blocks = [bytearray(rng.randbytes(SEGMENT_SIZE)) for _ in range(6)]
    for index, block in enumerate(blocks):
        set_segment_checksum(block, 10 + index)
        assert segment_checksum(block, 10 + index) == int.from_bytes(block[:8], "little")
    blocks[1] = bytearray(SEGMENT_SIZE)
    blocks[3] = blocks[2][:]
    whole = bytes(blocks[4])
    blocks[4][1000] ^= 0x40
    blocks[5][1000] ^= 0x41
    result = verify_segments(b"".join(blocks), 10)
    expected = (
        SegmentState.VALID,
        SegmentState.BLANK,
        SegmentState.VALID,
        SegmentState.SHADOW,
        SegmentState.CORRECTABLE,
        SegmentState.BAD,
    )
    assert result.states == expected
    assert [each.number for each in result.bad] == [14, 15]
    assert not result.ok
    correction = correct_segment(blocks[4], 14)
    assert correction is not None
    assert bytes(blocks[4]) == whole
    assert correction.bits == (8006,)
    assert correct_segment(blocks[4], 14) is None
    assert correct_segment(blocks[5], 15) is None


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 12288, 65536])
def test_wrong_sizes_are_typed_errors(size: int) -> None:
    with pytest.raises(EseError) as caught:
        verify_page(bytes(size), 1)
    assert caught.value.code == Err.PageSizeMismatch
    with pytest.raises(EseError):
        segment_checksum(bytes(size), 1)
    with pytest.raises(EseError):
        verify_batch(bytes(4097), 1, 4096)
    with pytest.raises(EseError):
        verify_batch(b"", 1, size if size != 0 else 3)


def test_empty_batch_is_good() -> None:
    assert verify_batch(b"", 1, 4096).ok
    assert verify_segments(b"", 1).states == ()


def test_every_real_page_verifies(real_databases: list[Any]) -> None:
    checked = 0
    for database in real_databases:
        size = database.page_size
        pages = database.data[2 * size : (database.page_count + 2) * size]
        result = verify_batch(pages, 1, size)
        assert result.bad == (), database.path
        checked += result.count - result.blank_count
        # Every seventh page by itself: the two ways must agree.
        assert all(verify_page(page, pgno) is None for pgno, page in database.pages() if pgno % 7 == 1)
        # Setting a checksum again changes nothing.
        for pgno, page in database.pages():
            if pgno % 11 == 3:
                again = bytearray(page)
                set_page_checksum(again, pgno)
                assert again == page
    assert checked > 4000


def test_random_flips_in_real_pages_are_put_right(real_databases: list[Any]) -> None:
    rng = dice(20)
    for database in real_databases:
        for pgno, page in rng.sample(list(database.pages()), 6):
            bit = rng.choice([bit for bit in (rng.randrange(64, len(page) * 8) for _ in range(3)) if bit != FLAG_BIT])
            damaged = bytearray(page)
            damaged[bit >> 3] ^= 1 << (bit & 7)
            assert diagnose(damaged, pgno).bits == (bit,)
            assert correct_page(damaged, pgno) is not None
            assert damaged == page


def test_real_logs_verify(corpus: Path) -> None:
    logs = [path for path in sorted(corpus.glob("*/SRU*.log")) if "tmp" not in path.name]
    assert len(logs) > 20
    for path in logs:
        data = path.read_bytes()
        result = verify_segments(data[SEGMENT_SIZE:], 1)
        assert result.ok, path
        assert SegmentState.VALID in result.states or path.name == "SRU.log"
