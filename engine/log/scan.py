"""The scan of one log file: where its valid segments end, and what is wrong with it.

Segments 1 up to the last but one of the file are judged in order::

    right, own place and generation     valid (after an empty one: corrupt)
    right, older place or generation    empty: the file is a reused one
    right, newer place or generation    corrupt
    right as the copy of the one before empty: the shadow of a segment that was not full
    all zero                            empty
    one wrong bit                       as the segment is without it; reported
    wrong, after an empty one           corrupt
    wrong, next is its shadow           torn write; the shadow takes its place; nothing valid can follow
    wrong otherwise                     corrupt

The XOR of the checksums of all valid segments is what the next generation's header carries.
Source: log reference 1.6, 1.7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from engine.errors import Err, EseError
from engine.format.checksum import Correction, correct_segment, segment_checksum, verify_segments
from engine.format.segment import SEGMENT_SIZE, SegmentHeader
from engine.format.versions import LOG_VERSION_SEGMENT_ZERO_FILL
from engine.types import LgPos

if TYPE_CHECKING:
    from engine.format.logheader import LogHeader

BATCH_SEGMENTS: Final = 256
"""Segments read and judged at once: 1 MiB."""

EVENT_SHADOW_USED: Final = 466
EVENT_SEGMENT_CORRECTED: Final = 554
_FILL_PATTERN: Final = 16

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, length) -> bytes, fewer only at the end of the file."""


class FindingKind(Enum):
    """What a scan has to report; the values of the corruptions are the engine's own words in event 552."""

    CORRECTED = "Corrected"
    """One bit was wrong and was put right in memory."""
    TORN = "TornWrite"
    """A segment was half written; its shadow takes its place."""
    CORRUPT_AFTER_EMPTY = "CorruptAfterEmptySegment"
    BAD_POSITION = "BadSegmentLgpos"
    VALID_AFTER_EMPTY = "ValidSegmentAfterEmpty"
    SEGMENT_CORRUPT = "SegmentCorrupt"
    FILE_CUT_OFF = "FileCutOff"
    """The file is shorter than its header says."""


class ScanFinding(NamedTuple):
    """One finding: segment, its byte offset in the file, the flipped bit within it, and its checksums."""

    kind: FindingKind
    segment: int
    offset: int
    stored: int = 0
    computed: int = 0
    bit: int | None = None

    @property
    def event_id(self) -> int | None:
        """The engine's event for it, when it is not an error."""
        return {FindingKind.CORRECTED: EVENT_SEGMENT_CORRECTED, FindingKind.TORN: EVENT_SHADOW_USED}.get(self.kind)


class Situation(Enum):
    """What the log is read for; it decides which error a corruption gives."""

    NORMAL = "normal"
    HARD_RESTORE = "within the backup set"
    HARD_RECOVERY = "after the backup set"


_CODES: Final = {  # a torn write, any other corruption
    Situation.NORMAL: (Err.LogFileCorrupt, Err.LogFileCorrupt),
    Situation.HARD_RESTORE: (Err.LogTornWriteDuringHardRestore, Err.LogCorruptDuringHardRestore),
    Situation.HARD_RECOVERY: (Err.LogTornWriteDuringHardRecovery, Err.LogCorruptDuringHardRecovery),
}


@dataclass(frozen=True, slots=True)
class LogScan:
    """The result.  `last_valid_segment` is 0 when the log holds nothing; `first_empty_segment` None when full.

    `accumulated_checksum` is the XOR of the checksums of segments 1 .. last valid; with `corruption` set, of those
    before it.
    """

    generation: int
    segments: int
    last_valid_segment: int
    first_empty_segment: int | None
    accumulated_checksum: int
    torn: bool = False
    findings: tuple[ScanFinding, ...] = ()
    corruption: ScanFinding | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no valid segment."""
        return not self.last_valid_segment

    @property
    def full(self) -> bool:
        """Whether there is no place for another segment."""
        return self.last_valid_segment >= self.segments - 2

    @property
    def ok(self) -> bool:
        """Whether the log can be read to its end (corrected bits and a torn last segment are no obstacle)."""
        return self.corruption is None

    def to_patch(self) -> dict[int, FindingKind]:
        """Return the segments that are not in the file as they should be, and why."""
        kinds = (FindingKind.CORRECTED, FindingKind.TORN)
        return {each.segment: each.kind for each in self.findings if each.kind in kinds}

    def error(self, path: str | None = None, situation: Situation = Situation.NORMAL) -> EseError | None:
        """Return the error that the scan means in this situation, or None.

        A torn last segment is an error only in a restore, where nothing may be written into a log of the set.
        """
        torn_code, corrupt_code = _CODES[situation]
        if self.corruption is not None:
            bad = self.corruption
            return EseError.from_code(
                corrupt_code,
                bad.kind.value,
                path=path,
                generation=self.generation,
                segment=bad.segment,
                offset=bad.offset,
                stored=bad.stored if bad.stored != bad.computed else None,
                computed=bad.computed if bad.stored != bad.computed else None,
            )
        if self.torn and situation is not Situation.NORMAL:
            return EseError.from_code(torn_code, path=path, generation=self.generation, segment=self.last_valid_segment)
        return None

    def raise_if_corrupt(self, path: str | None = None, situation: Situation = Situation.NORMAL) -> None:
        """Raise what `error` returns, if anything."""
        error = self.error(path, situation)
        if error is not None:
            raise error


def scan_log(read_at: ReadAt, header: LogHeader, file_size: int) -> LogScan:
    """Judge all segments of a log whose header is known; I/O errors pass through, damage is a finding."""
    scanner = _Scanner(read_at, header)
    present = file_size // SEGMENT_SIZE
    last = min(header.file_segments - 2, present - 1)
    first = 1
    while first <= last and scanner.corruption is None:
        count = min(BATCH_SEGMENTS, last - first + 1)
        buffer = read_at(first * SEGMENT_SIZE, count * SEGMENT_SIZE)
        whole = len(buffer) // SEGMENT_SIZE
        scanner.batch(memoryview(buffer)[: whole * SEGMENT_SIZE], first)
        if whole < count:
            present = first + whole
            break
        first += count
    if present < header.file_segments and scanner.corruption is None:
        scanner.corrupt(FindingKind.FILE_CUT_OFF, present)
    return scanner.result()


class _Scanner:
    """State of a scan between batches."""

    def __init__(self, read_at: ReadAt, header: LogHeader) -> None:
        self.read_at = read_at
        self.header = header
        self.last_valid = 0
        self.first_empty: int | None = None
        self.accumulated = 0
        self.torn = False
        self.findings: list[ScanFinding] = []
        self.corruption: ScanFinding | None = None

    def batch(self, buffer: memoryview, first: int) -> None:
        """Judge the segments that fill `buffer`, up to the first corruption."""
        from engine.format.checksum_batch import SegmentState  # noqa: PLC0415 - numpy takes 0.15 s to import

        if not buffer:
            return
        for index, state in enumerate(verify_segments(buffer, first).states):
            segment = first + index
            block = buffer[index * SEGMENT_SIZE : (index + 1) * SEGMENT_SIZE]
            if state is SegmentState.VALID:
                self.right(block, segment)
            elif state is SegmentState.BLANK or (state is SegmentState.SHADOW and segment > 1):
                self.nothing(segment)
            elif state is SegmentState.CORRECTABLE:
                copy = bytearray(block)
                correction = correct_segment(copy, segment)
                if correction is None:
                    self.wrong(block, segment)
                else:
                    self.corrected(correction, segment)
                    self.right(memoryview(copy), segment)
            else:
                self.wrong(block, segment)
            if self.corruption is not None:
                return

    def right(self, block: memoryview, segment: int) -> None:
        """Judge a segment whose checksum holds, by the position it claims."""
        header = SegmentHeader.unpack(block)
        expected = LgPos(self.header.generation, segment, 0)
        if header.position < expected:
            self.nothing(segment)
        elif header.position > expected:
            self.corrupt(FindingKind.BAD_POSITION, segment)
        elif self.first_empty is not None:
            self.corrupt(FindingKind.VALID_AFTER_EMPTY, segment)
        else:
            self.valid(header, segment)

    def wrong(self, block: memoryview, segment: int) -> None:
        """Judge a segment whose checksum does not hold and that is not just the copy of the one before."""
        if self.is_fill_pattern(block):
            self.nothing(segment)
            return
        if segment > 1 and (shadow := correct_segment(bytearray(block), segment - 1)) is not None:
            # A shadow with one wrong bit: harmless, the segment itself is right.
            self.corrected(shadow, segment)
            self.nothing(segment)
            return
        stored, computed = SegmentHeader.unpack(block).checksum, segment_checksum(block, segment)
        if self.first_empty is not None:
            self.corrupt(FindingKind.CORRUPT_AFTER_EMPTY, segment, stored, computed)
            return
        shadow_header = self.shadow_header(segment)
        if shadow_header is None:
            self.corrupt(FindingKind.SEGMENT_CORRUPT, segment, stored, computed)
            return
        self.torn = True
        self.findings.append(ScanFinding(FindingKind.TORN, segment, segment * SEGMENT_SIZE, stored, computed))
        self.valid(shadow_header, segment)

    def shadow_header(self, segment: int) -> SegmentHeader | None:
        """Return the header of the shadow of `segment` if the next place holds it."""
        block = bytearray(self.read_at((segment + 1) * SEGMENT_SIZE, SEGMENT_SIZE))
        if len(block) < SEGMENT_SIZE:
            return None
        header = SegmentHeader.unpack(block)
        if segment_checksum(block, segment) != header.checksum and correct_segment(block, segment) is None:
            return None
        header = SegmentHeader.unpack(block)
        return header if header.position == LgPos(self.header.generation, segment, 0) else None

    def is_fill_pattern(self, block: memoryview) -> bool:
        """Whether this is an unused segment of an old log, a pattern of 16 bytes repeated."""
        if self.header.version >= LOG_VERSION_SEGMENT_ZERO_FILL:
            return False
        return bytes(block) == bytes(block[:_FILL_PATTERN]) * (SEGMENT_SIZE // _FILL_PATTERN)

    def valid(self, header: SegmentHeader, segment: int) -> None:
        self.last_valid = segment
        self.accumulated ^= header.checksum

    def nothing(self, segment: int) -> None:
        if self.first_empty is None:
            self.first_empty = segment

    def corrected(self, correction: Correction, segment: int) -> None:
        bit = correction.bits[0] if correction.bits else None
        offset = segment * SEGMENT_SIZE
        found = ScanFinding(FindingKind.CORRECTED, segment, offset, correction.stored, correction.computed, bit)
        self.findings.append(found)

    def corrupt(self, kind: FindingKind, segment: int, stored: int = 0, computed: int = 0) -> None:
        self.corruption = ScanFinding(kind, segment, segment * SEGMENT_SIZE, stored, computed)
        self.findings.append(self.corruption)

    def result(self) -> LogScan:
        return LogScan(
            generation=self.header.generation,
            segments=self.header.file_segments,
            last_valid_segment=self.last_valid,
            first_empty_segment=self.first_empty,
            accumulated_checksum=self.accumulated,
            torn=self.torn,
            findings=tuple(self.findings),
            corruption=self.corruption,
        )
