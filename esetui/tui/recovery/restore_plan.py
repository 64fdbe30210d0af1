"""A restore before the act: the points in time that logs reach, what is written, what would be replaced.

generations of the set      19 .. 1B    up to its newest backup, all of them needed to be consistent
live ones above it          1C .. 20    rolled forward through, as far as one wants
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.backup.sets import Verdict, read_backup_set
from engine.errors import EseError
from engine.files.base import FileKind
from engine.instance.restore_set import continued_log
from engine.log.paths import join
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.recovery.stop import StopPoint
from esetui.actions import BY_ID, command_line, quote
from esetui.tui import words
from esetui.tui.model import Field, LogStrip, Tone
from esetui.tui.recovery.until import until_option

if TYPE_CHECKING:
    from datetime import datetime

    from engine.backup.sets import BackupSet
    from engine.files.base import FileSystem

MOST_POINTS: Final = 4096
"""Generations that are listed; of more the newest."""


@dataclass(frozen=True, slots=True)
class Point:
    """The end of a generation, as far as a restore can go; `allowed` says whether databases are consistent there."""

    generation: int
    created: datetime | None
    ended: datetime | None
    """When the next generation was begun; None for the newest."""
    live: bool
    allowed: bool


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore of a set would do; `problem` says why it cannot be begun."""

    set_path: str
    points: tuple[Point, ...] = ()
    lines: tuple[Field, ...] = ()
    replaced: tuple[str, ...] = ()
    """Files that are there already and would be replaced."""
    problem: str = ""
    goes_on: bool = False
    """Whether there is a log that the restore would write on in."""

    @property
    def strip(self) -> LogStrip:
        """The generations as a strip: those of the set are required."""
        if not self.points:
            return LogStrip()
        of_set = [each.generation for each in self.points if not each.live]
        low, high = (of_set[0], of_set[-1]) if of_set else (0, 0)
        return LogStrip(self.points[0].generation, self.points[-1].generation, (), low, high, 0)

    def generations(self, stop: Point | None) -> range:
        """Return the generations that are replayed up to a point."""
        if not self.points:
            return range(0)
        last = self.points[-1].generation if stop is None else stop.generation
        return range(self.points[0].generation, last + 1)


def plan_restore(fs: FileSystem, set_path: str, to: str, logs: str) -> RestorePlan:
    """Look at the set, the live logs and the destination; nothing is written.

    `to` empty: the databases go where their logs say; `logs` empty: the live logs are those in `to`.
    """
    try:
        found = read_backup_set(set_path, fs=fs)
        points = _points(fs, found, logs or to)
        continued = continued_log(found, logs or to, fs=fs) if logs or to else None
    except EseError as error:
        return RestorePlan(set_path, problem=error.message)
    names = [each.name for each in found.databases]
    size = sum(each.size for each in found.databases)
    what = words.plural(len(names), "database")
    lines = [Field("databases", f"{', '.join(names)}; {words.size(size)}")]
    replaced: tuple[str, ...] = ()
    if to:
        replaced = tuple(path for path in (join(to, name) for name in names) if fs.stat(path) is not None)
        lines += [Field("replaced", path, Tone.WARN) for path in replaced]
        if not replaced:
            lines.append(Field("replaced", "nothing", Tone.MUTED))
    else:
        lines.append(Field("replaced", f"{what} at their original places", Tone.WARN))
    goes_on = continued is not None
    if goes_on:
        lines.append(Field("written", f"{logs or to}: the log there is ended by this restore", Tone.WARN))
    problem = ""
    if found.verdict is not Verdict.COMPLETE:
        problem = f"the set is {found.verdict.value}: {found.reason}"
    elif not to and not logs:
        problem = "say where the databases go, or where the live logs are"
    return RestorePlan(found.path, points, tuple(lines), replaced, problem, goes_on=goes_on)


def _points(fs: FileSystem, found: BackupSet, folder: str) -> tuple[Point, ...]:
    of_set = [(each.generation, each.header.created.to_datetime() if each.header else None) for each in found.logs]
    highest = of_set[-1][0] if of_set else 0
    above = _live(fs, found, folder, highest) if folder and found.names is not None else []
    both = [(*each, False) for each in of_set] + [(*each, True) for each in above]
    needed = max((each.last_needed for each in found.databases), default=0)
    points = []
    for at, (generation, created, live) in enumerate(both[-MOST_POINTS:]):
        following = both[-MOST_POINTS:][at + 1 : at + 2]
        ended = following[0][1] if following else None
        points.append(Point(generation, created, ended, live, generation >= needed))
    return tuple(points)


def _live(fs: FileSystem, found: BackupSet, folder: str, highest: int) -> list[tuple[int, datetime | None]]:
    """Return the live logs above the set, as far as they follow it without a gap."""
    place = fs.stat(folder)
    if place is None or place.kind is not FileKind.DIRECTORY or found.names is None:
        return []
    stream = LogStream.find(fs, folder, found.names.base)
    if stream is None or stream.signature != found.log_signature:
        return []
    above: list[tuple[int, datetime | None]] = []
    generation = highest + 1
    while generation in stream.generations and len(above) < MOST_POINTS:
        with LogFile.open(fs, stream.path(generation) or "", generation) as log:
            above.append((generation, log.header.created.to_datetime()))
        generation += 1
    return above


def stop_of(plan: RestorePlan, point: Point | None) -> StopPoint | None:
    """Return the stop point of a choice; None for the newest, which is no stop."""
    if point is None or not plan.points or point == plan.points[-1]:
        return None
    return StopPoint(generation=point.generation)


def restore_command(set_path: str, to: str, logs: str, stop: StopPoint | None) -> str:
    """Return the command that does the same."""
    whole = command_line(BY_ID["restore"], {"set": set_path, "target": to}) if to else None
    line = whole or f"esetui restore {quote(set_path)}"
    if logs:
        line += f" --logs {quote(logs)}"
    return line + until_option(stop)
