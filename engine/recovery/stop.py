"""Stop points: how far a log is followed when not to its end.

A stop is asked for by generation, by position or by time, and becomes one position, the *limit*: records that begin at
or before it are replayed, those behind it are not.

    generation G            through the last record of G
    position G:S:O          through the record there; G:0:0 is the whole generation, as lgposStop of JET_RSTINFO has it
    time T                  through the last segment that was begun at or before T

Commit records carry no time; what tells the time of a commit is the segment it lies in, whose header says when its
first record was written.  So a commit counts for the time at which its segment was begun.
Source: log reference 1.5, 3.12, 8.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

from engine.errors import Err, EseError, InconsistentError, error_string
from engine.format.lr import LrType
from engine.format.segment import SegmentHeader, file_offset
from engine.types import LgPos, LogTime

if TYPE_CHECKING:
    from datetime import datetime

    from engine.log.reader import LogFile
    from engine.log.stream import LogStream

_LAST: Final = 0xFFFF
"""Segment and offset behind every record of a generation."""
_FILLERS: Final = frozenset((LrType.NOP, LrType.NOP2))
_BEGINS_RECOVERY: Final = frozenset(
    (LrType.RecoveryUndo, LrType.RecoveryUndo2, LrType.RecoveryQuit, LrType.RecoveryQuit2)
)
_EMPTY_RUN: Final = frozenset((LrType.Init, LrType.Init2))
_OF_RECOVERY: Final = (
    _BEGINS_RECOVERY
    | _EMPTY_RUN
    | {LrType.Undo, LrType.UndoInfo, LrType.Rollback, LrType.MacroAbort, LrType.ShutDownMark, LrType.Term, LrType.Term2}
)


def end_of(generation: int) -> LgPos:
    """Return the limit that takes in a whole generation."""
    return LgPos(generation, _LAST, _LAST)


class Lose(Flag):
    """What of finished work a recovery may lose; never what a database needs to be consistent."""

    NOTHING = 0
    MISSING = auto()
    """Logs behind the last one that are not there (JET_bitReplayIgnoreLostLogs)."""
    DAMAGED = auto()
    """Logs that cannot be used, and all behind them (JET_paramDeleteOutOfRangeLogs as well)."""


class StopTooEarly(InconsistentError):  # noqa: N818 - says what is wrong
    """-543: the databases hold work of records behind the stop; `earliest` is the first position that can be one."""

    def __init__(self, earliest: LgPos, limit: LgPos, path: str) -> None:
        text = error_string(Err.RequiredLogFilesMissing).partition(",")[2]
        super().__init__(
            f"{text}: databases cannot go back to {limit}, they hold what was logged later; the earliest is {earliest}",
            code=Err.RequiredLogFilesMissing,
            path=path,
            generation=earliest.generation,
            segment=earliest.segment,
            offset=file_offset(earliest),
            hint=f"stop at {earliest} or later, or restore a backup set that ended before",
        )
        self.earliest = earliest

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.earliest, self.__dict__.copy())


def _again(earliest: LgPos, state: dict[str, Any]) -> StopTooEarly:
    error = StopTooEarly(earliest, earliest, "")
    error.__dict__.update(state)
    error.args = (error.message,)
    return error


@dataclass(frozen=True, slots=True)
class StopPoint:
    """One of a generation, a position and an aware time; -1003 for none or several."""

    generation: int | None = None
    position: LgPos | None = None
    time: datetime | None = None

    def __post_init__(self) -> None:
        given = [each for each in (self.generation, self.position, self.time) if each is not None]
        if len(given) != 1:
            raise EseError.from_code(Err.InvalidParameter, "a stop point is a generation, a position or a time")
        if self.time is not None and self.time.tzinfo is None:
            raise EseError.from_code(Err.InvalidParameter, "the time of a stop point needs its zone")
        number = self.generation if self.position is None else self.position.generation
        if number is not None and number < 1:
            raise EseError.from_code(Err.InvalidParameter, f"a stop point in generation {number:#x}")

    def __str__(self) -> str:
        if self.generation is not None:
            return f"generation {self.generation:#x}"
        return f"position {self.position}" if self.position is not None else f"{self.time}"

    @property
    def last_generation(self) -> int | None:
        """The generation it lies in, None where that has to be looked for."""
        return self.generation if self.position is None else self.position.generation

    def limit(self, stream: LogStream) -> LgPos:
        """Return the limit in a stream; -528 when the stream does not have that generation."""
        if self.time is not None:
            return _limit_of_time(stream, self.time)
        limit = end_of(self.generation) if self.generation is not None else self.position or LgPos(1, 0, 0)
        if not limit.segment and not limit.offset:
            limit = end_of(limit.generation)
        present = stream.generations
        if limit.generation not in present:
            have = f"{min(present):#x} to {max(present):#x}" if present else "none"
            raise EseError.from_code(
                Err.MissingLogFile,
                f"the stop point is in generation {limit.generation:#x}, there are {have}",
                path=stream.folder,
                generation=limit.generation,
            )
        return limit


def _limit_of_time(stream: LogStream, time: datetime) -> LgPos:
    """Search from the newest log down; one that cannot be read is an error when the time may lie in it."""
    unread: EseError | None = None
    if stream.current is not None and stream.current_header is None:
        unread = EseError.from_code(Err.LogFileCorrupt, "its header cannot be used", path=stream.current)
    for generation in sorted(stream.generations, reverse=True):
        try:
            with stream.open(generation) as log:
                begun = _begun(log, 1) if log.scan().last_valid_segment else log.header.created
                limit = None if _later(begun, time) else _last_segment(log, time)
        except EseError as error:
            unread = error
            continue
        if limit is not None:
            if unread is not None and limit == end_of(generation):
                raise unread
            return limit
        unread = None
    return LgPos(min(stream.generations, default=1), 0, 0)


def _last_segment(log: LogFile, time: datetime) -> LgPos:
    for segment in range(1, log.scan().last_valid_segment + 1):
        if _later(_begun(log, segment), time):
            return LgPos(log.generation, segment - 1, _LAST)
    return end_of(log.generation)


def _begun(log: LogFile, segment: int) -> LogTime:
    return SegmentHeader.unpack(log.segment(segment)).started


def _later(found: LogTime, time: datetime) -> bool:
    """Say whether a time of the log is behind `time`; one that is not set tells nothing."""
    when = found.to_datetime()
    return when is not None and when > time


def segment_of(limit: LgPos) -> LgPos:
    """Return the start of a limit's segment: reading begins at records, and a limit need not be the place of one."""
    return LgPos(limit.generation, max(1, limit.segment), 0)


def through_recovery(stream: LogStream, limit: LgPos) -> LgPos:
    """Return the limit behind a recovery that was done at this very point, and behind runs that did nothing.

    What a recovery undoes there leads to the state that the stop asks for.  So a recovery to a stop that died, or was
    done already, can be done again.
    """
    found, began = limit, False
    for generation in range(limit.generation, max(stream.generations, default=0) + 1):
        try:
            with stream.open(generation) as log:
                first = segment_of(limit) if generation == limit.generation else None
                for each in log.records(first, strict=False):
                    kind = each.record.type
                    if each.pos <= limit or kind in _FILLERS:
                        continue
                    if kind not in (_OF_RECOVERY if began else _BEGINS_RECOVERY):
                        return found
                    # Within an empty run there is no place to end: it has none of its own.
                    began, found = True, each.pos if kind not in _EMPTY_RUN else found
        except EseError:
            return found
    return found


def segment_time(stream: LogStream, position: LgPos) -> LogTime:
    """Return when the segment of a position was begun; not set when there is no such segment."""
    if stream.path(position.generation) is None:
        return LogTime()
    with stream.open(position.generation) as log:
        if not 1 <= position.segment <= log.scan().last_valid_segment:
            return log.header.created
        return _begun(log, position.segment)
