"""Checksums of many pages or segments at once, with numpy.

A block of the new kind is looked at as a matrix of u64 words, 128 columns wide.  XOR down the columns and along
the rows; the parity of each column's (row's) XOR says whether its index takes part in the locator L, and the
index bits within a word come from the XOR of everything.  So the data is read twice and all that follows works
on a quarter of it.  numpy releases the interpreter lock meanwhile.

    word number = row * 128 + column;  bit number = word number * 64 + bit within the word

This is the hot path of backup and verify; `benchmarks/checksum` measures it.

Source: database reference 2.3; log reference 1.5, 1.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.errors import Err, EseError
from engine.format.checksum import (
    BLOCK_CHECKSUM_OFFSETS,
    FLAGS_OFFSET,
    LARGE_PAGE_BLOCKS,
    NEW_CHECKSUM_FLAG,
    PGNO_OFFSET,
    SEGMENT_SIZE,
    BadUnit,
    MutableBuffer,
    block_size,
    diagnose,
)
from engine.format.page import LARGEST_SMALL_PAGE, PAGE_SIZES, Buffer
from engine.types import HEADER_MAGIC

Words: TypeAlias = NDArray[np.uint64]
Mask: TypeAlias = NDArray[np.bool_]

_COLUMNS: Final = 128
_SLICE_BYTES: Final = 1 << 22
"""Longest stretch in one go: beyond this the intermediate results leave the caches."""
_MOST_RUNS: Final = 16
"""Runs of used pages between blank ones that are worth being taken one by one."""
_FLAG_WORD: Final = FLAGS_OFFSET // 8
_FLAG_SHIFTED: Final = np.uint64(NEW_CHECKSUM_FLAG << 32)
"""Byte 36 is the upper half of the fifth word."""
_IN_WORD_MASKS: Final = np.array(
    [
        0xAAAAAAAAAAAAAAAA,
        0xCCCCCCCCCCCCCCCC,
        0xF0F0F0F0F0F0F0F0,
        0xFF00FF00FF00FF00,
        0xFFFF0000FFFF0000,
        0xFFFFFFFF00000000,
    ],
    np.uint64,
)
"""For each of the six lowest bits of a bit number, the places within a word where it is set."""
_LOW_32: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_16: Final = np.uint64(16)
_BLOCK_WORDS: Final = [offset // 8 for offset in BLOCK_CHECKSUM_OFFSETS]
_LATER_BLOCKS: Final = _BLOCK_WORDS[1:]


class SegmentState(IntEnum):
    """What a segment is by its checksum alone."""

    VALID = 0
    BLANK = 1
    """All zero."""
    SHADOW = 2
    """Right as a copy of the segment before it."""
    CORRECTABLE = 3
    """Right but for one bit."""
    BAD = 4


@dataclass(frozen=True, slots=True)
class PageBatchResult:
    """Verdict on a batch of pages: `blank[i]` is whether page first_pgno + i is all zero; `bad` is ascending."""

    first_pgno: int
    count: int
    blank: Mask
    bad: tuple[BadUnit, ...]

    @property
    def blank_count(self) -> int:
        """Number of all-zero pages."""
        return int(np.count_nonzero(self.blank))

    @property
    def ok(self) -> bool:
        """Whether no page is bad."""
        return not self.bad


@dataclass(frozen=True, slots=True)
class SegmentBatchResult:
    """Verdict on a batch of segments: one SegmentState a segment; `bad` holds the CORRECTABLE and BAD ones."""

    first_isec: int
    states: tuple[SegmentState, ...]
    bad: tuple[BadUnit, ...]

    @property
    def ok(self) -> bool:
        """Whether no segment is bad or in need of correction."""
        return not self.bad


def verify_pages(buffer: Buffer, first_pgno: int, page_size: int) -> PageBatchResult:
    """Check the pages `first_pgno` and following that fill `buffer`; 1 to 4 MiB at once is best.

    -1213 when the page size is unknown or does not divide the buffer.
    """
    words = _matrix(buffer, page_size)
    stored = words[:, 0]
    blank = stored == 0
    suspects = np.flatnonzero(blank)
    if suspects.size:
        blank[suspects] = ~words[suspects].any(axis=1) if suspects.size < len(words) else ~words.any(axis=1)
    wrong = np.zeros(len(words), np.bool_)
    for first, last in _runs(~blank) if suspects.size else [(0, len(words))]:
        wrong[first:last] = _wrong_pages(words[first:last], first_pgno + first)
    wrong &= ~blank
    view = memoryview(buffer).cast("B")
    bad = tuple(
        diagnose(view[index * page_size : (index + 1) * page_size], first_pgno + index)
        for index in np.flatnonzero(wrong).tolist()
    )
    return PageBatchResult(first_pgno, len(words), blank, bad)


def verify_log_segments(buffer: Buffer, first_isec: int) -> SegmentBatchResult:
    """Check the 4096-byte segments `first_isec` and following that fill `buffer` (not the header, segment 0)."""
    words = _matrix(buffer, SEGMENT_SIZE)
    wrong = _wrong_pages(words, first_isec)
    states = [SegmentState.VALID] * len(words)
    bad = []
    view = memoryview(buffer).cast("B")
    for index in np.flatnonzero(wrong).tolist():
        if not words[index].any():
            states[index] = SegmentState.BLANK
            continue
        finding = diagnose(view[index * SEGMENT_SIZE : (index + 1) * SEGMENT_SIZE], first_isec + index)
        if finding.claimed == first_isec + index - 1:
            states[index] = SegmentState.SHADOW
            continue
        states[index] = SegmentState.CORRECTABLE if finding.correctable else SegmentState.BAD
        bad.append(finding)
    return SegmentBatchResult(first_isec, tuple(states), tuple(bad))


def set_page_checksums(buffer: MutableBuffer, first_pgno: int, page_size: int) -> None:
    """Set flag, page number (large pages) and checksums of consecutive pages in place; blank ones stay blank."""
    every = _matrix(buffer, page_size)
    used = np.not_equal(np.bitwise_or.reduce(every, axis=1), 0)
    for first, last in _runs(used):
        words = every[first:last]
        numbers = np.arange(first_pgno + first, first_pgno + last, dtype=np.uint64)
        words[:, _FLAG_WORD] |= _FLAG_SHIFTED
        if page_size <= LARGEST_SMALL_PAGE:
            words[:, 0] = _new_checksums(words, numbers)
            continue
        at = PGNO_OFFSET // 8
        words[:, at] = words[:, at] & ~_LOW_32 | numbers
        size = block_size(page_size) // 8
        later = _new_checksums(words.reshape(-1, size), np.repeat(numbers, LARGE_PAGE_BLOCKS), LARGE_PAGE_BLOCKS)
        # Block 0 covers the checksums of the others: it comes last.
        words[:, _LATER_BLOCKS] = later.reshape(-1, LARGE_PAGE_BLOCKS)[:, 1:]
        words[:, 0] = _new_checksums(words[:, :size], numbers)
    every[~used] = 0


def _matrix(buffer: Buffer, page_size: int) -> Words:
    """Return the buffer as one row of u64 words a page, without copying."""
    size = memoryview(buffer).nbytes
    if page_size not in PAGE_SIZES or size % page_size:
        raise EseError.from_code(Err.PageSizeMismatch, f"{size} bytes are not whole pages of {page_size}")
    return np.frombuffer(buffer, "<u8").reshape(-1, page_size // 8)


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Return the runs [first, last) of True; many short ones are given as the one range that spans them."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    if len(edges) > 2 * _MOST_RUNS:
        return [(edges[0], edges[-1])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _wrong_pages(words: Words, first_number: int) -> Mask:
    """Return which pages have a stored checksum other than the computed one."""
    wrong = np.empty(len(words), np.bool_)
    step = max(1, _SLICE_BYTES // (words.shape[1] * 8))
    for first in range(0, len(words), step):
        part = words[first : first + step]
        numbers = np.arange(first_number + first, first_number + first + len(part), dtype=np.uint64)
        wrong[first : first + step] = _wrong_slice(part, numbers)
    return wrong


def _wrong_slice(words: Words, numbers: Words) -> Mask:
    size = words.shape[1] * 8
    if size <= LARGEST_SMALL_PAGE:
        wrong: Mask = _new_checksums(words, numbers) != words[:, 0]
    else:
        blocks = words.reshape(-1, block_size(size) // 8)
        computed = _new_checksums(blocks, np.repeat(numbers, LARGE_PAGE_BLOCKS), LARGE_PAGE_BLOCKS)
        different: Mask = computed.reshape(-1, LARGE_PAGE_BLOCKS) != words[:, _BLOCK_WORDS]
        wrong = np.logical_or.reduce(different, axis=1)
    old = np.flatnonzero((words[:, _FLAG_WORD] & _FLAG_SHIFTED) == 0)
    if old.size:
        wrong[old] = _old_checksums(words[old], numbers[old]) != words[old, 0]
    if size > LARGEST_SMALL_PAGE:
        wrong |= (words[:, PGNO_OFFSET // 8] & _LOW_32) != numbers
    return wrong


def _old_checksums(words: Words, numbers: Words) -> Words:
    total: Words = np.bitwise_xor.reduce(words[:, 1:], axis=1)
    return (total & _LOW_32) ^ (total >> _32) ^ numbers ^ np.uint64(HEADER_MAGIC) | numbers << _32


def _new_checksums(blocks: Words, numbers: Words, header_every: int = 1) -> Words:
    """Return the u64 checksum of each row, a block of 256, 512 or 1024 words.

    Every `header_every`-th row, from the first on, is a header block: its first word counts as zero.
    """
    count, width = blocks.shape
    rows = width // _COLUMNS
    # One word a column, one a row, one for each of the six lowest bits of a bit number.
    parts = np.empty((count, _COLUMNS + rows + len(_IN_WORD_MASKS)), np.uint64)
    np.bitwise_xor.reduce(blocks.reshape(count, rows, _COLUMNS), axis=1, out=parts[:, :_COLUMNS])
    across = _row_xors(blocks, count * rows).reshape(count, rows)
    own = blocks[::header_every, 0]
    parts[::header_every, 0] ^= own
    across[::header_every, 0] ^= own
    parts[:, _COLUMNS : _COLUMNS + rows] = across
    total = across[:, 0].copy()
    for row in range(1, rows):
        total ^= across[:, row]
    np.bitwise_and(total[:, None], _IN_WORD_MASKS, out=parts[:, _COLUMNS + rows :])
    locator = np.bitwise_xor.reduce(_odd(parts) * _WEIGHTS[width], axis=1).astype(np.uint64)
    mirror = locator ^ _odd(total) * np.uint64(width * 64 - 1)
    checksums: Words = (mirror << _16 | locator) << _32 | (total & _LOW_32) ^ (total >> _32) ^ numbers
    return checksums


def _row_xors(blocks: Words, count: int) -> Words:
    """Return the XOR of each row of 128 words, `count` in all."""
    if blocks.flags.c_contiguous and count <= len(_ROW_STARTS):
        # The same as the other, at two thirds of its cost: numpy sets up less for each row.
        rows: Words = np.bitwise_xor.reduceat(blocks.reshape(-1), _ROW_STARTS[:count])
        return rows
    return np.ascontiguousarray(np.bitwise_xor.reduce(blocks.reshape(count, _COLUMNS), axis=1))


def _weights(width: int) -> NDArray[np.uint16]:
    """Return what each part adds to the locator when its parity is odd."""
    columns = np.arange(_COLUMNS) << 6
    rows = np.arange(width // _COLUMNS) << 6 + (_COLUMNS - 1).bit_length()
    return np.concatenate((columns, rows, 1 << np.arange(len(_IN_WORD_MASKS)))).astype(np.uint16)


_ROW_STARTS: Final = np.arange(0, _SLICE_BYTES // 8, _COLUMNS)
_WEIGHTS: Final = {width: _weights(width) for width in (256, 512, 1024)}


def _odd_by_count(words: Words) -> NDArray[np.uint8]:
    """Return 1 for each word with an odd number of set bits, else 0."""
    counts = np.bitwise_count(words)
    counts &= np.uint8(1)
    return counts


def _odd_by_folding(words: Words) -> NDArray[np.uint8]:
    """Do the same without the bit count that numpy has since 2.0."""
    for shift in (32, 16, 8, 4, 2, 1):
        words = words ^ (words >> np.uint64(shift))
    return (words & np.uint64(1)).astype(np.uint8)


_odd = _odd_by_count if hasattr(np, "bitwise_count") else _odd_by_folding
