"""The log files of a backup, each one verified while it is copied.

What is good, what is put right and what is -612 is told in `engine.log.verify`.  Here it becomes a stream of bytes
and events: 552 damaged, 554 corrected, 459 missing.
Source: jet-api reference R16, R26, R28, R47; log reference 7.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.backup.paths import join
from engine.backup.result import CorrectedUnit
from engine.errors import Err, EseError
from engine.format.checksum import SEGMENT_SIZE
from engine.format.logheader import LogHeaderExpectation
from engine.log.verify import LogCopyVerifier

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
        self.total = file.size()
        self.done = 0
        self._file = file
        self._watch = watch
        self._expect = LogHeaderExpectation(signature=signature)
        self._verifier: LogCopyVerifier | None = None

    @property
    def complete(self) -> bool:
        """Whether the log was read to its end."""
        return self._verifier is not None and self._verifier.complete

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next whole segments, verified; 0 at the end.

        -612 for damage, -513 and -530 for a log of another generation or stream, -1022 when it cannot be read.
        """
        try:
            return self._read(buffer)
        except EseError as error:
            if error.code == Err.LogReadVerifyFailure:
                self._report_damaged(error)
            raise

    def _read(self, buffer: memoryview) -> int:
        if self._verifier is None:
            self._verifier = LogCopyVerifier(
                self._file.path, self.total, generation=self.generation, expect=self._expect
            )
        view = buffer[: min(len(buffer) // SEGMENT_SIZE * SEGMENT_SIZE, self.total - self.done)]
        if not view:
            return 0
        count = self._file.read_into_at(self.done, view)
        if count < len(view):
            raise EseError.from_code(
                Err.LogReadVerifyFailure,
                f"the file ends {len(view) - count} bytes early",
                path=self._file.path,
                generation=self.generation,
                segment=(self.done + count) // SEGMENT_SIZE,
                offset=self.done + count,
                event_id=LOG_DAMAGED,
            )
        for each in self._verifier.feed(view):
            where = f"{each.offset} (0x{each.offset:016x})"
            self._watch.events.report(LOG_CORRECTED, self._file.path, each.segment, where, each.bit)
            self._watch.corrected.append(CorrectedUnit(self._file.path, "segment", each.segment, (each.bit,)))
        self.done += count
        self._watch.monitor.segments_verified += count // SEGMENT_SIZE
        return count

    def _report_damaged(self, error: EseError) -> None:
        segment = error.segment or 0
        self._watch.events.report(
            LOG_DAMAGED,
            self._file.path,
            error.message,
            max(segment - 1, 0),
            segment,
            f"0x{error.stored or 0:016x}",
            f"0x{error.computed or 0:016x}",
            error.code,
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
