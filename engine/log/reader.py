"""One log file, read: header, scan, records with their positions.

Positions follow the engine: a record that is the first of its segment is named by offset 0 (its bytes start at
40), a record in pieces by the place of its first piece.  A third spelling exists in headers and dumps: where a
segment ended in padding, the start of the padding stands for the start of the next segment; `LogFile.canonical`
resolves it.  Source: log reference 0.2, 1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from engine.errors import Err, EseError
from engine.files.base import File, FileSystem, OpenMode
from engine.format.checksum import correct_segment, segment_checksum
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader, LogHeaderExpectation
from engine.format.lr import LrType
from engine.format.segment import (
    NOP_PADDING_LIMIT,
    SEGMENT_HEADER_SIZE,
    SEGMENT_SIZE,
    canonical_position,
)
from engine.log.records import LogRecord, RecordWalk
from engine.log.scan import BATCH_SEGMENTS, LogScan, scan_log
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_QUITS: Final = frozenset(
    (
        LrType.Term,
        LrType.Term2,
        LrType.RecoveryQuit,
        LrType.RecoveryQuit2,
        LrType.RecoveryQuitKeepAttachments,
    ),
)
_FILLERS: Final = frozenset((LrType.NOP, LrType.NOP2))


class LogFile:
    """An open log file.  `header` is read and checked at once, the rest on demand and in bounded memory."""

    def __init__(self, file: File, header: LogHeader, size: int) -> None:
        self.file = file
        self.header = header
        self.size = size
        self.unfinished: LgPos | None = None
        """After `records` has run to its end: the place of a record whose last pieces were never written."""
        self._scan: LogScan | None = None
        self._to_patch: frozenset[int] = frozenset()

    @classmethod
    def open(
        cls,
        fs: FileSystem,
        path: str,
        expected_generation: int | None = None,
        *,
        expect: LogHeaderExpectation | None = None,
    ) -> Self:
        """Open for reading and check the header.

        Errors of `LogHeader.parse`, and -513 when the file holds another generation than expected.
        """
        file = fs.open(path, OpenMode.READ)
        try:
            header = LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=path, expect=expect)
            _check_generation(header, expected_generation, path)
            return cls(file, header, file.size())
        except BaseException:
            file.close()
            raise

    @property
    def path(self) -> str:
        """The path it was opened by."""
        return self.file.path

    @property
    def generation(self) -> int:
        """The generation that the header names."""
        return self.header.generation

    def close(self) -> None:
        """Close; idempotent."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def scan(self) -> LogScan:
        """Judge all segments; done once."""
        if self._scan is None:
            self._scan = scan_log(self.file.read_at, self.header, self.size)
            self._to_patch = frozenset(self._scan.to_patch())
        return self._scan

    def segment(self, number: int) -> bytes:
        """Return a valid segment as it should be, corrected or from its shadow; -501 when it is not valid."""
        if not 1 <= number <= self.scan().last_valid_segment:
            raise self._corrupt("no valid segment there", number, 0)
        return self._segments(number, 1)[0]

    def patches(self) -> Iterator[tuple[int, bytes]]:
        """Yield (byte offset, 4096 bytes) of what to write so that the file is as it should be."""
        scan = self.scan()
        for number in sorted(self._to_patch):
            if number <= scan.last_valid_segment:
                yield number * SEGMENT_SIZE, self.segment(number)

    def canonical(self, pos: LgPos) -> LgPos:
        """Return the spelling with which `records` names the record at `pos` of this generation.

        Offset 40 becomes 0; the start of tail padding becomes the start of the next segment.
        """
        pos = canonical_position(pos)
        if pos.generation != self.generation or SEGMENT_SIZE - pos.offset >= NOP_PADDING_LIMIT:
            return pos
        if 1 <= pos.segment < self.scan().last_valid_segment and not any(self.segment(pos.segment)[pos.offset :]):
            return LgPos(pos.generation, pos.segment + 1, 0)
        return pos

    def records(self, start: LgPos | None = None, *, strict: bool = True) -> Iterator[LogRecord]:
        """Yield the records from `start` (which must be the place of one), by default from the first.

        A `start` in an earlier generation means the first, one in a later generation gives nothing.

        Padding is left out; records in pieces come joined; pieces of a record that began before `start` are passed
        over.  Runs to the last valid segment; then, when `strict`, a corruption of the file is raised as -501.
        -501 with path, generation, segment and byte offset in the file at what cannot be a record.
        """
        scan = self.scan()
        start = LgPos(self.generation, 1, 0) if start is None else self.canonical(start)
        if start.generation < self.generation:
            start = LgPos(self.generation, 1, 0)
        elif start.generation > self.generation:
            return
        self.unfinished = None
        walk = RecordWalk(self.header, self.path)
        number = max(1, start.segment)
        offset = max(start.offset, SEGMENT_HEADER_SIZE)
        while number <= scan.last_valid_segment:
            for block in self._segments(number, min(BATCH_SEGMENTS, scan.last_valid_segment - number + 1)):
                yield from walk.segment(block, number, offset)
                offset = SEGMENT_HEADER_SIZE
                number += 1
        self.unfinished = walk.unfinished
        if strict:
            scan.raise_if_corrupt(self.path)

    def quit_position(self) -> LgPos | None:
        """Return the place of the Term or RecoveryQuit record that ends the log, or None if it does not end so."""
        last = self.scan().last_valid_segment
        if not last:
            return None
        found = None
        for each in self.records(LgPos(self.generation, last, 0), strict=False):
            kind = each.record.type
            if kind in _QUITS:
                found = each.pos
            elif kind not in _FILLERS:
                found = None
        return found

    def _segments(self, first: int, count: int) -> list[bytes]:
        """Read valid segments, patched where the scan said so."""
        data = self.file.read_at(first * SEGMENT_SIZE, count * SEGMENT_SIZE)
        if len(data) < count * SEGMENT_SIZE:
            raise self._corrupt("the file became shorter while it was read", first, 0)
        blocks = [data[at : at + SEGMENT_SIZE] for at in range(0, len(data), SEGMENT_SIZE)]
        for number in self._to_patch.intersection(range(first, first + count)):
            blocks[number - first] = self._patched(blocks[number - first], number)
        return blocks

    def _patched(self, block: bytes, number: int) -> bytes:
        for candidate in (block, self.file.read_at((number + 1) * SEGMENT_SIZE, SEGMENT_SIZE)):
            copy = bytearray(candidate)
            if len(copy) < SEGMENT_SIZE:
                continue
            if segment_checksum(copy, number) == int.from_bytes(copy[:8], "little") or correct_segment(copy, number):
                return bytes(copy)
        raise self._corrupt("the file changed while it was read", number, 0)

    def _corrupt(self, detail: str, segment: int, at: int) -> EseError:
        return EseError.from_code(
            Err.LogFileCorrupt,
            detail,
            path=self.path,
            generation=self.generation,
            segment=segment,
            offset=segment * SEGMENT_SIZE + at,
        )


def _check_generation(header: LogHeader, expected: int | None, path: str) -> None:
    if expected is not None and header.generation != expected:
        detail = f"generation {header.generation:#x} where {expected:#x} belongs"
        raise EseError.from_code(Err.LogGenerationMismatch, detail, path=path, generation=header.generation)
