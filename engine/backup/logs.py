"""The log files of a backup: which ones there are, and each one verified while it is copied.

A segment is good when its checksum fits its place, when it is all zeros (never written), or when it is the
shadow of the segment before it.  One wrong bit is put right in the copy.  Anything else, a header that does not
check, or a file that is no whole number of segments, is -612: a log that cannot be replayed must not be the one
that is kept.

Events: 552 damaged, 554 corrected, 459 missing.
Source: jet-api reference R16, R26, R28; log reference 1.5, 1.7, 7.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.backup.paths import join
from engine.backup.result import CorrectedUnit
from engine.errors import Err, EseError
from engine.format.checksum import SEGMENT_SIZE, BadUnit, correct_segment, verify_segments
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader

if TYPE_CHECKING:
    from engine.backup.pages import CopyWatch
    from engine.files.base import File
    from engine.format.names import LogNames
    from engine.types import Signature

LOG_DAMAGED: Final = 552
LOG_CORRECTED: Final = 554
LOG_MISSING: Final = 459


class LogSource:
    """A closed log as the stream of bytes that goes into the set."""

    def __init__(self, file: File, generation: int, signature: Signature, watch: CopyWatch) -> None:
        self.generation = generation
        self._file = file
        self._signature = signature
        self._watch = watch
        self._size = file.size()
        self._at = 0

    @property
    def total(self) -> int:
        """Bytes of the log."""
        return self._size

    @property
    def done(self) -> int:
        """Bytes handed out so far."""
        return self._at

    @property
    def complete(self) -> bool:
        """Whether the log was read to its end."""
        return self._at == self._size > 0

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next whole segments, verified; 0 at the end.

        -612 for damage, -513 and -530 for a log of another generation or stream, -1022 when it cannot be read.
        """
        if self._size < LOG_HEADER_SIZE or self._size % SEGMENT_SIZE:
            raise self._damaged(f"{self._size} bytes are not a whole number of segments", 0)
        room = min(len(buffer) // SEGMENT_SIZE * SEGMENT_SIZE, self._size - self._at)
        if room <= 0:
            return 0
        view = buffer[:room]
        count = self._file.read_into_at(self._at, view)
        if count < room:
            raise self._damaged(f"the file ends {room - count} bytes early", (self._at + count) // SEGMENT_SIZE)
        segments = view
        if self._at == 0:
            self._check_header(bytes(view[:LOG_HEADER_SIZE]))
            segments = view[LOG_HEADER_SIZE:]
        if len(segments):
            self._check_segments(segments, max(self._at, LOG_HEADER_SIZE) // SEGMENT_SIZE)
        self._at += room
        return room

    def _check_header(self, data: bytes) -> None:
        try:
            header = LogHeader.parse(data)
        except EseError as error:
            raise self._damaged(f"header: {error.message}", 0, error.stored, error.computed) from error
        if header.generation != self.generation:
            raise EseError.from_code(
                Err.LogGenerationMismatch,
                f"the header says {header.generation:#x}",
                path=self._file.path,
                generation=self.generation,
            )
        if header.signature != self._signature:
            raise EseError.from_code(Err.BadLogSignature, path=self._file.path, generation=self.generation)

    def _check_segments(self, view: memoryview, first: int) -> None:
        result = verify_segments(view, first)
        for bad in result.bad:
            if not bad.correctable:
                raise self._damaged("segment checksum", bad.number, bad.stored, bad.computed)
        for bad in result.bad:
            at = (bad.number - first) * SEGMENT_SIZE
            correct_segment(view[at : at + SEGMENT_SIZE], bad.number)
            self._report_corrected(bad)
        self._watch.monitor.segments_verified += len(view) // SEGMENT_SIZE

    def _report_corrected(self, bad: BadUnit) -> None:
        path = self._file.path
        offset = bad.number * SEGMENT_SIZE
        for bit in bad.bits:
            self._watch.events.report(LOG_CORRECTED, path, str(bad.number), f"{offset} (0x{offset:016x})", str(bit))
        self._watch.corrected.append(CorrectedUnit(path, "segment", bad.number, bad.bits))

    def _damaged(self, reason: str, segment: int, stored: int | None = None, computed: int | None = None) -> EseError:
        code = Err.LogReadVerifyFailure
        self._watch.events.report(
            LOG_DAMAGED,
            self._file.path,
            reason,
            str(max(segment - 1, 0)),
            str(segment),
            f"0x{stored or 0:016x}",
            f"0x{computed or 0:016x}",
            str(code),
        )
        return EseError.from_code(
            code,
            reason,
            path=self._file.path,
            generation=self.generation,
            segment=segment,
            offset=segment * SEGMENT_SIZE,
            stored=stored,
            computed=computed,
            event_id=LOG_DAMAGED,
        )


def missing_log(folder: str, names: LogNames, generation: int) -> EseError:
    """Return -569 for a log that should be there."""
    return EseError.from_code(
        Err.MissingFileToBackup,
        "a log is missing",
        path=join(folder, names.archive(generation)),
        generation=generation,
        event_id=LOG_MISSING,
    )
