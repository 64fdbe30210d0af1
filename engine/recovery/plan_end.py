"""The end of a planned recovery, where that is not the end of the log: what would be put away, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import EseError
from engine.format.lr import NOP, NOP2, Commit0
from engine.log.paths import name_of
from engine.recovery.cut import behind
from engine.recovery.stop import end_of, segment_of

if TYPE_CHECKING:
    from engine.log.stream import LogStream
    from engine.types import LgPos


class PlannedEnd(NamedTuple):
    """Where the replay would end before the log does.

    `because` says why; `set_aside` are the names of the logs that would be put away, newest first, the log that is cut
    last; `transactions` are finished ones in them, as far as they can be read (`whole` says whether all could be).
    """

    limit: LgPos
    because: str
    set_aside: tuple[str, ...]
    cut: str | None
    transactions: int
    whole: bool


def plan_end(stream: LogStream, limit: LgPos, because: str) -> PlannedEnd | None:
    """Work out what is behind `limit`; None when nothing is."""
    going = [name_of(path) for path in behind(stream, limit.generation)]
    transactions, whole, cuts = 0, True, False
    for generation in sorted(each for each in stream.generations if each >= limit.generation):
        try:
            with stream.open(generation) as log:
                for each in log.records(segment_of(limit) if generation == limit.generation else None):
                    if each.pos <= limit or isinstance(each.record, NOP | NOP2):
                        continue
                    cuts = cuts or generation == limit.generation
                    transactions += isinstance(each.record, Commit0)
        except EseError:
            whole = False
    whole = whole and not (stream.current is not None and stream.current_header is None)
    if not going and not cuts:
        return None
    path = stream.path(limit.generation)
    cut = name_of(path) if cuts and path is not None and limit != end_of(limit.generation) else None
    return PlannedEnd(limit, because, tuple(going if cut is None else [*going, cut]), cut, transactions, whole)


class PlannedFormat(NamedTuple):
    """A format that was found: of logs (`first` to `last`) or of a database (`path`), and whether it is understood.

    What is understood is read, replayed, and written in the same format.
    """

    what: str
    version: str
    understood: bool
    path: str | None = None
    first: int = 0
    last: int = 0
    engine: int = 0
    """Format version of the program that wrote the logs; 0 where it is not known."""


def log_formats(stream: LogStream) -> list[PlannedFormat]:
    """Return the formats of the logs, one for each run of generations that share it."""
    found: list[PlannedFormat] = []
    for generation in sorted(stream.generations):
        try:
            with stream.open(generation) as log:
                version, engine = str(log.header.version), log.header.engine_version
        except EseError:
            continue
        before = found[-1] if found else None
        if before is not None and (before.version, before.engine, before.last) == (version, engine, generation - 1):
            found[-1] = before._replace(last=generation)
        else:
            found.append(
                PlannedFormat("logs", version, understood=True, first=generation, last=generation, engine=engine)
            )
    return found
