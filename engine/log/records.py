"""The records of consecutive segments, with their positions; those in pieces joined.

A record that does not fit the rest of its segment is cut: FragmentBegin with the whole length fills the segment,
Fragment continues at the start of the next ones.  With fewer than 32 bytes left the segment is padded with zeros
(NOP) instead.  A chain that ends too early is accepted where the process died: nothing follows, or recovery
went on in a new segment.  Source: log reference 0.2, 1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from engine.errors import Err, EseError
from engine.format.lr import Fragment, FragmentBegin, LrType, Record, decode_at
from engine.format.segment import SEGMENT_HEADER_SIZE, SEGMENT_PAYLOAD, SEGMENT_SIZE
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.format.logheader import LogHeader

_AFTER_CRASH: Final = frozenset((LrType.RecoveryUndo, LrType.RecoveryUndo2, LrType.UndoInfo))
"""What may follow a record whose last pieces were never written: recovery went on in a new segment."""


class LogRecord(NamedTuple):
    """A record in its place: where it begins, where it ends (the place of the next), its fields, its bytes.

    The bytes of a record in pieces are joined, without the headers of the pieces.
    """

    pos: LgPos
    end: LgPos
    record: Record
    raw: bytes


class _Pieces:
    """A record of which not all pieces have been met."""

    __slots__ = ("have", "parts", "pos", "total")

    def __init__(self, pos: LgPos, total: int, data: bytes) -> None:
        self.pos = pos
        self.total = total
        self.parts = [data]
        self.have = len(data)

    def add(self, data: bytes) -> bool:
        """Add a piece; return whether the record is whole."""
        self.parts.append(data)
        self.have += len(data)
        return self.have == self.total


class RecordWalk:
    """Goes through the records of consecutive segments and joins those in pieces."""

    def __init__(self, header: LogHeader, path: str | None = None) -> None:
        self.generation = header.generation
        self.path = path
        self._largest = header.file_segments * SEGMENT_PAYLOAD
        self._skipping = True
        """No whole record met yet: pieces of an earlier one are passed over."""
        self._pending: _Pieces | None = None

    @property
    def unfinished(self) -> LgPos | None:
        """The place of a record of which pieces are still missing."""
        return None if self._pending is None else self._pending.pos

    def segment(self, block: bytes, number: int, offset: int) -> Iterator[LogRecord]:
        """Yield the records that end in this segment."""
        generation = self.generation
        while offset < SEGMENT_SIZE:
            kind = block[offset]
            if not kind:
                offset = SEGMENT_SIZE - len(block[offset:].lstrip(b"\0"))
                continue
            try:
                record, end = decode_at(block, offset, SEGMENT_SIZE)
            except EseError as error:
                self._fail(error, number, offset)
            following = LgPos(generation, number, end) if end < SEGMENT_SIZE else LgPos(generation, number + 1, 0)
            pos = LgPos(generation, number, 0 if offset == SEGMENT_HEADER_SIZE else offset)
            if isinstance(record, FragmentBegin):
                self._begin(record, pos, number, offset)
            elif isinstance(record, Fragment):
                whole = self._continue(record, number, offset)
                if whole is not None:
                    yield self._joined(whole, following)
            else:
                if self._pending is not None:
                    self._abandon(kind, number, offset)
                self._skipping = False
                yield LogRecord(pos, following, record, block[offset:end])
            offset = end

    def _begin(self, piece: FragmentBegin, pos: LgPos, number: int, offset: int) -> None:
        if self._pending is not None:
            self._abandon(piece.data[0] if piece.data else 0, number, offset)
        at_end = offset + FragmentBegin.HEADER_SIZE + len(piece.data) == SEGMENT_SIZE
        if not at_end or piece.total <= len(piece.data):
            raise self._corrupt(f"first piece of {len(piece.data)} of {piece.total} bytes", number, offset)
        # A claim costs no memory, but what cannot fit the file is no record.
        if piece.total > self._largest:
            raise self._corrupt(f"first piece claims a record of {piece.total} bytes", number, offset)
        self._skipping = False
        self._pending = _Pieces(pos, piece.total, piece.data)

    def _continue(self, piece: Fragment, number: int, offset: int) -> _Pieces | None:
        """Add a piece; return the record when it is whole."""
        if self._pending is None:
            if self._skipping:
                return None
            raise self._corrupt("piece of a record that did not begin", number, offset)
        pieces = self._pending
        if offset != SEGMENT_HEADER_SIZE or pieces.have + len(piece.data) > pieces.total:
            raise self._corrupt("piece of a record in a wrong place", number, offset)
        if not pieces.add(piece.data):
            return None
        self._pending = None
        return pieces

    def _joined(self, pieces: _Pieces, end: LgPos) -> LogRecord:
        raw = b"".join(pieces.parts)
        segment = pieces.pos.segment
        offset = max(pieces.pos.offset, SEGMENT_HEADER_SIZE)
        try:
            record, size = decode_at(raw, 0, len(raw))
        except EseError as error:
            self._fail(error, segment, offset)
        if size != len(raw):
            raise self._corrupt(f"record of {size} bytes in pieces of {len(raw)}", segment, offset)
        return LogRecord(pieces.pos, end, record, raw)

    def _abandon(self, kind: int, number: int, offset: int) -> None:
        """Drop a record whose last pieces were never written; -501 unless recovery went on here."""
        if offset != SEGMENT_HEADER_SIZE or kind not in _AFTER_CRASH:
            raise self._corrupt("another record where a piece should follow", number, offset)
        self._pending = None

    def _fail(self, error: EseError, number: int, offset: int) -> NoReturn:
        error.offset = number * SEGMENT_SIZE + offset
        raise error.located(path=self.path, generation=self.generation, segment=number) from None

    def _corrupt(self, detail: str, segment: int, at: int) -> EseError:
        return EseError.from_code(
            Err.LogFileCorrupt,
            detail,
            path=self.path,
            generation=self.generation,
            segment=segment,
            offset=segment * SEGMENT_SIZE + at,
        )
