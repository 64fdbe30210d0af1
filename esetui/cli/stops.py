"""Options that several commands share for recovery: where to stop, and what may be lost."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from engine.errors import EseError
from engine.recovery.stop import Lose, StopPoint
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.recovery.plan_end import PlannedEnd
    from engine.recovery.result import RecoveryResult
    from esetui.cli.output import Output

_PARTS = 3
_LARGEST = 0xFFFF


def stoppable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a stop point, as `stop`: a `StopPoint` or None."""

    @click.option(
        "--until-generation",
        metavar="GEN",
        help="Follow the logs through this generation, in hexadecimal as their names have it: 1F for edb0001F.log.",
    )
    @click.option(
        "--until-position",
        metavar="GEN:SEG:OFF",
        help="Follow the logs through the record at this position, in hexadecimal as `esetui log` shows it.",
    )
    @click.option(
        "--until-time",
        metavar="TIME",
        help="Follow the logs through what was written by this time; ISO 8601, UTC when it names no zone.",
    )
    @functools.wraps(function)
    def run(
        *args: Any,
        until_generation: str | None,
        until_position: str | None,
        until_time: str | None,
        **options: Any,
    ) -> Any:
        return function(*args, stop=parse_stop(until_generation, until_position, until_time), **options)

    return run


def losing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the leave to lose finished work, as `lose`: a `Lose`."""

    @click.option(
        "--accept-loss",
        type=click.Choice(("missing", "damaged")),
        help="Go on without logs that hold finished work but that no database requires: without those missing at the "
        "end, or also without those that cannot be used and all behind them.",
    )
    @functools.wraps(function)
    def run(*args: Any, accept_loss: str | None, **options: Any) -> Any:
        lose = Lose.NOTHING
        if accept_loss is not None:
            lose = Lose.MISSING if accept_loss == "missing" else Lose.MISSING | Lose.DAMAGED
        return function(*args, lose=lose, **options)

    return run


def parse_stop(generation: str | None, position: str | None, time: str | None) -> StopPoint | None:
    """Return the stop point that the options name; a usage error for several, and for what is none."""
    if sum(each is not None for each in (generation, position, time)) > 1:
        raise click.UsageError("--until-generation, --until-position and --until-time exclude each other")
    try:
        if generation is not None:
            return StopPoint(generation=_hexadecimal(generation, generation))
        if position is not None:
            return StopPoint(position=_position(position))
        if time is not None:
            return StopPoint(time=_time(time))
    except EseError as error:
        raise click.UsageError(error.message) from None
    return None


def _position(text: str) -> LgPos:
    parts = text.split(":")
    if len(parts) != _PARTS:
        raise click.UsageError(f"a position is GEN:SEG:OFF in hexadecimal, not {text!r}")
    found = LgPos(*(_hexadecimal(each, text) for each in parts))
    if found.segment > _LARGEST or found.offset > _LARGEST:
        raise click.UsageError(f"a position is GEN:SEG:OFF in hexadecimal, not {text!r}")
    return found


def _hexadecimal(text: str, whole: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise click.UsageError(f"{whole!r} is not hexadecimal") from None


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is not a time of ISO 8601") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def write_end(out: Output, end: PlannedEnd) -> None:
    """Write where a replay would end before the log does, and what is behind."""
    known = "" if end.whole else " that can be read"
    out.line(f"end        {end.because}: {end.transactions} finished transaction(s){known} are behind it")
    for name in end.set_aside:
        out.line(f"put away   {name}{': what is behind the end' if name == end.cut else ''}")


def write_standing(out: Output, result: RecoveryResult) -> None:
    """Write where the databases stand, and what became of what is behind."""
    if not result.replayed:
        # Nothing was to be done: the databases are where the last run left them.
        return
    undone = f"{result.undone_transactions} open transaction(s), {result.undone_changes} change(s)"
    out.line(f"stands at  {result.stands} ({result.stands_time}); undone: {undone}")
    for path in result.set_aside:
        out.line(f"put away   {path}")
    for loss in result.lost:
        count = loss.last - loss.first + 1
        out.warn(f"finished work of {count} log(s), {loss.first:#x} to {loss.last:#x}, is lost", path=loss.path)


def standing_fields(result: RecoveryResult) -> dict[str, object]:
    """Return the same as fields of a record."""
    return {
        "stands_at": result.stands if result.replayed else None,
        "stands_time": str(result.stands_time) if result.stands_time else None,
        "undone_transactions": result.undone_transactions,
        "undone_changes": result.undone_changes,
        "set_aside": list(result.set_aside),
        "lost": [{"path": each.path, "first": each.first, "last": each.last} for each in result.lost],
    }
