"""Checksums of headers, pages and log segments, one at a time, and the correction of single flipped bits.

Three kinds exist.

*Header* (database, log, checkpoint, flush map and trailer headers): u32 at 0 = XOR of all other u32 words ^ 0x89ABCDEF.

*Old*: the same, and the u32 at 4 is the unit's own number.  Chosen by the flag 0x2000 being clear at byte 36.

*New* (flag set), for a block of 2048, 4096 or 8192 bytes whose bits are numbered from 0 in little-endian order:
X = XOR of all u32 words, L = XOR of the numbers of all set bits, H = the same XOR over the complemented numbers.
The u64 is `(H << 16 | L) << 32 | (X ^ number)`.  A single flipped bit changes one bit of X, and L and H by its
number and by the complement of its number: so it can be told from all other damage and put right.

    small page   one block, the page; its own first 8 bytes count as zero
    large page   four blocks; checksums at 0, 40, 48, 56; block 0 (whose first 8 bytes count as zero) covers the
                 other three checksums, so it is computed last
    segment      as a small page of 4096 bytes, with the segment's index in place of the page number

Everything here works on one unit with big integers, which for one page is faster than numpy by the cost of its
calls.  Whole batches go through `engine.format.checksum_batch`, reached by `verify_batch` and its siblings.

Source: database reference 1.2, 2.3; log reference 1.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.errors import Err, EseError
from engine.format.page import LARGEST_SMALL_PAGE, PAGE_SIZES, Buffer
from engine.types import HEADER_MAGIC

if TYPE_CHECKING:
    from engine.format.checksum_batch import PageBatchResult, SegmentBatchResult

SEGMENT_SIZE: Final = 4096
"""Bytes of a log segment."""

LARGE_PAGE_BLOCKS: Final = 4
FLAGS_OFFSET: Final = 36
NEW_CHECKSUM_FLAG: Final = 0x2000
FLAG_BIT: Final = 8 * FLAGS_OFFSET + 13
"""Number of the bit that says "new": which formula holds depends on it, so it is never corrected."""

BLOCK_CHECKSUM_OFFSETS: Final = (0, 40, 48, 56)
PGNO_OFFSET: Final = 64
"""Where large pages keep their own number."""

_LARGEST_4K_BLOCK_PAGE: Final = 16384
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_LOW_64: Final = (1 << 64) - 1
_LOW_32: Final = (1 << 32) - 1
_WORD_BITS: Final = 32
_MASKS: Final = {1 << power: (1 << (1 << power)) - 1 for power in range(5, 18)}
"""For each half width in bits, the mask of the lower half."""
_INDEX_MASKS: Final = ((1, 0xAAAAAAAA), (2, 0xCCCCCCCC), (4, 0xF0F0F0F0), (8, 0xFF00FF00), (16, 0xFFFF0000))
"""For each of the five lowest bits of a bit number, the places within a word where it is set."""

MutableBuffer: TypeAlias = bytearray | memoryview


@dataclass(frozen=True, slots=True)
class BadUnit:
    """A page or segment whose checksum is wrong: a finding, not an exception.

    `number` is the page number or segment index it was read as, `offset` the byte within the unit where the
    first wrong checksum lies, `stored` and `computed` its 8 bytes.  `bits` are the flipped bits (numbered within
    the unit) when each is the only one of its block, else empty.  `claimed` is the number under which the
    checksum would be right.

    `code` is -1018; -1118 for a large page whose checksum is right but which names another page in its header,
    `claimed` (then `stored` equals `computed`).
    """

    number: int
    code: int
    offset: int
    stored: int
    computed: int
    bits: tuple[int, ...] = ()
    claimed: int | None = None

    @property
    def correctable(self) -> bool:
        """Whether flipping `bits` makes the unit right."""
        return bool(self.bits)

    @property
    def bit(self) -> int | None:
        """The first flipped bit, or None."""
        return self.bits[0] if self.bits else None


@dataclass(frozen=True, slots=True)
class Correction:
    """Bits that were flipped back in the page or segment `number`."""

    number: int
    bits: tuple[int, ...]
    stored: int
    computed: int


def header_checksum(page: Buffer) -> int:
    """Return the u32 that belongs at offset 0 of a header page (its length a multiple of 4, at most 64 KiB)."""
    value = int.from_bytes(page, "little")
    half = _WORD_BITS
    while half * 2 < len(page) * 8:
        half *= 2
    first = value & _LOW_32
    while half >= _WORD_BITS:
        value = (value >> half) ^ (value & ((1 << half) - 1))
        half >>= 1
    return value ^ first ^ HEADER_MAGIC


def header_checksum_ok(page: Buffer) -> bool:
    """Return whether the u32 at offset 0 fits the rest."""
    return len(page) >= _U32.size and _U32.unpack_from(page)[0] == header_checksum(page)


def set_header_checksum(page: MutableBuffer) -> None:
    """Store the checksum at offset 0 of a header page."""
    _U32.pack_into(page, 0, header_checksum(page))


def block_size(page_size: int) -> int:
    """Return the bytes that one checksum of such a page covers."""
    if page_size <= LARGEST_SMALL_PAGE:
        return page_size
    return 4096 if page_size <= _LARGEST_4K_BLOCK_PAGE else 8192


def is_blank(unit: Buffer) -> bool:
    """Return whether every byte is zero: never written, and no error in itself."""
    return not any(memoryview(unit)[:8]) and not int.from_bytes(unit, "little")


def has_new_checksum(unit: Buffer) -> bool:
    """Return whether the flag chooses the new kind."""
    return bool(_U32.unpack_from(unit, FLAGS_OFFSET)[0] & NEW_CHECKSUM_FLAG)


def page_checksums(page: Buffer, pgno: int) -> tuple[int, ...]:
    """Return what the page's checksum fields should hold: one value, or four on large pages with new checksums."""
    _require_page_size(len(page))
    return _checksums(page, pgno)


def page_checksum(page: Buffer, pgno: int) -> int:
    """Return what the u64 at offset 0 should hold."""
    return page_checksums(page, pgno)[0]


def stored_checksums(page: Buffer) -> tuple[int, ...]:
    """Return what the page's checksum fields do hold."""
    if len(page) <= LARGEST_SMALL_PAGE or not has_new_checksum(page):
        return _U64.unpack_from(page)
    return tuple(_U64.unpack_from(page, at)[0] for at in BLOCK_CHECKSUM_OFFSETS)


def verify_page(page: Buffer, pgno: int) -> BadUnit | None:
    """Check one page; None when it is right or blank.  The fast path for a single page."""
    _require_page_size(len(page))
    right = _checksums(page, pgno) == stored_checksums(page) and _names(page, pgno)
    return None if right or is_blank(page) else diagnose(page, pgno)


def set_page_checksum(page: MutableBuffer, pgno: int) -> None:
    """Set the new-checksum flag, on large pages the page number, and the checksums of a whole page."""
    size = len(page)
    _require_page_size(size)
    flags = _U32.unpack_from(page, FLAGS_OFFSET)[0]
    _U32.pack_into(page, FLAGS_OFFSET, flags | NEW_CHECKSUM_FLAG)
    if size > LARGEST_SMALL_PAGE:
        _U32.pack_into(page, PGNO_OFFSET, pgno)
        for block in range(1, LARGE_PAGE_BLOCKS):
            _U64.pack_into(page, BLOCK_CHECKSUM_OFFSETS[block], _new_checksum(page, block, pgno))
    _U64.pack_into(page, 0, _new_checksum(page, 0, pgno))


def correct_page(page: MutableBuffer, pgno: int) -> Correction | None:
    """Flip a correctable page's wrong bits in place; None (page untouched) when right, blank or beyond that."""
    bad = verify_page(page, pgno)
    if bad is None or not bad.bits:
        return None
    _flip(page, bad.bits)
    return Correction(pgno, bad.bits, bad.stored, bad.computed)


def segment_checksum(block: Buffer, isec: int) -> int:
    """Return what the u64 at offset 0 of the 4096-byte segment `isec` should hold."""
    _require_segment(block)
    return _checksums(block, isec)[0]


def set_segment_checksum(block: MutableBuffer, isec: int) -> None:
    """Set the new-checksum flag and the checksum of a segment."""
    _require_segment(block)
    flags = _U32.unpack_from(block, FLAGS_OFFSET)[0]
    _U32.pack_into(block, FLAGS_OFFSET, flags | NEW_CHECKSUM_FLAG)
    _U64.pack_into(block, 0, _new_checksum(block, 0, isec))


def correct_segment(block: MutableBuffer, isec: int) -> Correction | None:
    """Flip the one wrong bit of a segment in place; None (segment untouched) when right or beyond that."""
    _require_segment(block)
    if _checksums(block, isec) == _U64.unpack_from(block):
        return None
    bad = diagnose(block, isec)
    if not bad.bits:
        return None
    _flip(block, bad.bits)
    return Correction(isec, bad.bits, bad.stored, bad.computed)


def diagnose(unit: Buffer, number: int) -> BadUnit:
    """Say what is wrong with a unit that failed: a correctable bit, a foreign number, or plain damage.

    A page that was written to a wrong place fails with -1018 and `claimed` set; so does, now and then, one with
    several flipped bits that cancel out in the locator.  Nothing in a small page can tell the two apart.
    (The reader of a log turns the code into its own.)
    """
    stored, computed = stored_checksums(unit), _checksums(unit, number)
    if stored == computed and not _names(unit, number):
        named = _U32.unpack_from(unit, PGNO_OFFSET)[0]
        return BadUnit(number, Err.ReadPgnoVerifyFailure, PGNO_OFFSET, stored[0], computed[0], (), named)
    first = next((block for block, value in enumerate(stored) if value != computed[block]), 0)
    bad = BadUnit(number, Err.ReadVerifyFailure, BLOCK_CHECKSUM_OFFSETS[first], stored[first], computed[first])
    bits: tuple[int, ...] = ()
    claimed = None
    if has_new_checksum(unit):
        differences = {have ^ want for have, want in zip(stored, computed, strict=True)}
        difference = differences.pop() if len(differences) == 1 else 0
        if 0 < difference <= _LOW_32:
            claimed = difference ^ number
        else:
            bits = _flipped_bits(unit, number)
    elif (claim := stored[0] >> 32) != number and stored[0] & _LOW_32 == header_checksum(unit):
        claimed = claim
    return BadUnit(number, bad.code, bad.offset, bad.stored, bad.computed, bits, claimed)


def verify_batch(buffer: Buffer, first_pgno: int, page_size: int) -> PageBatchResult:
    """Check consecutive pages at once; see `engine.format.checksum_batch.verify_pages`."""
    from engine.format.checksum_batch import verify_pages  # noqa: PLC0415 - numpy takes 0.15 s to import

    return verify_pages(buffer, first_pgno, page_size)


def verify_segments(buffer: Buffer, first_isec: int) -> SegmentBatchResult:
    """Check consecutive log segments at once; see `engine.format.checksum_batch.verify_log_segments`."""
    from engine.format.checksum_batch import verify_log_segments  # noqa: PLC0415 - numpy takes 0.15 s to import

    return verify_log_segments(buffer, first_isec)


def set_batch_checksums(buffer: MutableBuffer, first_pgno: int, page_size: int) -> None:
    """Set flag, number and checksums of consecutive pages at once; blank pages stay blank."""
    from engine.format.checksum_batch import set_page_checksums  # noqa: PLC0415 - numpy takes 0.15 s to import

    set_page_checksums(buffer, first_pgno, page_size)


def _require_page_size(size: int) -> None:
    if size not in PAGE_SIZES:
        raise EseError.from_code(Err.PageSizeMismatch, f"a page cannot have {size} bytes")


def _require_segment(block: Buffer) -> None:
    if len(block) != SEGMENT_SIZE:
        raise EseError.from_code(Err.LogFileCorrupt, f"a segment of {len(block)} bytes")


def _names(unit: Buffer, number: int) -> bool:
    """Whether a large page names itself by this number; other units do not name themselves."""
    return len(unit) <= LARGEST_SMALL_PAGE or _U32.unpack_from(unit, PGNO_OFFSET)[0] == number


def _checksums(unit: Buffer, number: int) -> tuple[int, ...]:
    if not has_new_checksum(unit):
        return (number << 32 | header_checksum(unit),)
    if len(unit) <= LARGEST_SMALL_PAGE:
        return (_new_checksum(unit, 0, number),)
    return tuple(_new_checksum(unit, block, number) for block in range(LARGE_PAGE_BLOCKS))


def _new_checksum(unit: Buffer, block: int, number: int) -> int:
    """Return the new checksum of one block, by folding it in halves as one integer."""
    size = block_size(len(unit))
    # Zeros at the end - of a segment that is not full - change nothing, and shorter numbers are quicker.
    value = int.from_bytes(bytes(unit[block * size : (block + 1) * size]).rstrip(b"\0"), "little")
    if block == 0:
        value ^= value & _LOW_64
    half, locator = size * 4, 0
    while half >= _WORD_BITS:
        upper = value >> half
        value = (value & _MASKS[half]) ^ upper
        # Bits of the upper half are those whose number has this bit set.
        if upper.bit_count() & 1:
            locator |= half
        half >>= 1
    for bit, mask in _INDEX_MASKS:
        if (value & mask).bit_count() & 1:
            locator |= bit
    # An odd number of complemented numbers leaves one complement standing.
    mirror = locator ^ (size * 8 - 1) if value.bit_count() & 1 else locator
    return (mirror << 16 | locator) << 32 | value ^ number


def _flipped_bits(unit: Buffer, number: int) -> tuple[int, ...]:
    """Return the flipped bits, at most one a block, that make the unit right; empty when there are none such."""
    copy = bytearray(unit)
    size = block_size(len(copy))
    found = []
    for block in range(len(copy) // size):
        stored = _U64.unpack_from(copy, BLOCK_CHECKSUM_OFFSETS[block])[0]
        difference = stored ^ _new_checksum(copy, block, number)
        if not difference:
            continue
        bit = _single_bit(difference, size * 8 - 1)
        if bit is None or (block == 0 and bit == FLAG_BIT):
            return ()
        bit += block * size * 8
        # In block 0 this may be a bit of another block's stored checksum: it is put right before that one is judged.
        _flip(copy, (bit,))
        found.append(bit)
    right = _checksums(copy, number) == stored_checksums(copy) and _names(copy, number)
    return tuple(found) if right else ()


def _single_bit(difference: int, mask: int) -> int | None:
    """Return the number of the only flipped bit of a block, from stored ^ computed; None for other damage."""
    words, locators = difference & _LOW_32, difference >> 32
    if words.bit_count() != 1 or (locators >> 16 ^ locators) & mask != mask:
        return None
    bit = locators & 0xFFFF
    return bit if bit <= mask and words == 1 << bit % _WORD_BITS else None


def _flip(unit: MutableBuffer, bits: tuple[int, ...]) -> None:
    for bit in bits:
        unit[bit >> 3] ^= 1 << (bit & 7)
