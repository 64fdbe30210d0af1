"""Verification of a log while it is copied: every segment, with one wrong bit put right in the copy.

A segment is good when its checksum fits its place, when it is all zero (never written), or when it fits the place
before it (the shadow of a segment that was not full).  A single wrong bit is corrected in the buffer and
reported.  Anything else is -612, as is a file that is no whole number of segments or has a wrong header: a log that
cannot be replayed must not be the one that is kept.
Source: jet-api reference R28; log reference 1.5, 1.7, 7.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.checksum import SEGMENT_SIZE, correct_segment, segment_checksum, verify_segments
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader, LogHeaderExpectation
from engine.log.scan import BATCH_SEGMENTS

if TYPE_CHECKING:
    from engine.files.base import File

EVENT_LOG_CORRUPT: Final = 552


class CorrectedSegment(NamedTuple):
    """A bit put right (event 554): segment, its byte offset in the file, the number of the bit within it."""

    segment: int
    offset: int
    bit: int


class LogCopyVerifier:
    """Checks a log that passes through buffers, from its first byte to its last.

    `generation` and `expect` are what the header must say, where known.  After the first buffer `header` is set;
    `complete` says whether the whole file has passed.
    """

    def __init__(
        self,
        path: str,
        size: int,
        *,
        generation: int | None = None,
        expect: LogHeaderExpectation | None = None,
    ) -> None:
        self.path = path
        self.size = size
        self.header: LogHeader | None = None
        self.passed = 0
        self._generation = generation
        self._expect = expect
        if size < LOG_HEADER_SIZE or size % SEGMENT_SIZE:
            raise self._failure(f"{size} bytes are no whole number of segments", size // SEGMENT_SIZE)

    @property
    def complete(self) -> bool:
        """Whether the whole file has passed."""
        return self.passed == self.size

    def feed(self, buffer: memoryview | bytearray) -> list[CorrectedSegment]:
        """Check the next whole segments, in place; return what was corrected.

        -612 for damage, -513 for a header of another generation, and -530, -1213, -541 where `expect` asks.
        """
        view = memoryview(buffer)
        if len(view) % SEGMENT_SIZE or self.passed + len(view) > self.size:
            raise self._failure(f"{len(view)} bytes passed at once", self.passed // SEGMENT_SIZE)
        first = self.passed // SEGMENT_SIZE
        self.passed += len(view)
        if not first and view:
            self._check_header(bytes(view[:LOG_HEADER_SIZE]))
            view = view[LOG_HEADER_SIZE:]
            first = LOG_HEADER_SIZE // SEGMENT_SIZE
        if not len(view):
            return []
        corrected = []
        for bad in verify_segments(view, first).bad:
            at = (bad.number - first) * SEGMENT_SIZE
            corrected.append(self._correct(view[at : at + SEGMENT_SIZE], bad.number))
        return corrected

    def _correct(self, block: memoryview, segment: int) -> CorrectedSegment:
        """Put a segment right in place, as itself or as the shadow of the one before it."""
        for number in (segment, segment - 1):
            correction = correct_segment(block, number)
            if correction is not None:
                return CorrectedSegment(segment, segment * SEGMENT_SIZE, correction.bits[0])
        stored = int.from_bytes(block[:8], "little")
        raise self._failure("segment checksum", segment, stored, segment_checksum(block, segment))

    def _check_header(self, data: bytes) -> None:
        try:
            header = LogHeader.parse(data, path=self.path)
        except EseError as error:
            raise self._failure(f"header: {error.message}", 0, error.stored, error.computed) from error
        if self._generation is not None and header.generation != self._generation:
            detail = f"generation {header.generation:#x} where {self._generation:#x} belongs"
            raise EseError.from_code(Err.LogGenerationMismatch, detail, path=self.path, generation=header.generation)
        if self._expect is not None:
            header.check(self._expect, self.path)
        self.header = header

    def _failure(self, detail: str, segment: int, stored: int | None = None, computed: int | None = None) -> EseError:
        return EseError.from_code(
            Err.LogReadVerifyFailure,
            detail,
            path=self.path,
            generation=self._generation if self.header is None else self.header.generation,
            segment=segment,
            offset=segment * SEGMENT_SIZE,
            stored=stored,
            computed=computed,
            event_id=EVENT_LOG_CORRUPT,
        )


def verify_log_for_copy(
    file: File, *, generation: int | None = None, expect: LogHeaderExpectation | None = None
) -> list[CorrectedSegment]:
    """Read a whole log as a backup reads it, in 1 MiB steps; return what would be corrected in the copy."""
    verifier = LogCopyVerifier(file.path, file.size(), generation=generation, expect=expect)
    corrected: list[CorrectedSegment] = []
    buffer = bytearray(BATCH_SEGMENTS * SEGMENT_SIZE)
    while not verifier.complete:
        view = memoryview(buffer)[: min(len(buffer), verifier.size - verifier.passed)]
        count = file.read_into_at(verifier.passed, view)
        if count < len(view):
            raise EseError.from_code(
                Err.LogReadVerifyFailure,
                f"the file ends {len(view) - count} bytes early",
                path=file.path,
                generation=generation,
                offset=verifier.passed + count,
            )
        corrected += verifier.feed(view)
    return corrected
