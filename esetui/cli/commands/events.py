"""`esetui events [INSTANCE]`: the journal of what happened to the instances that esetui started."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from engine.errors import Err, EseError
from engine.event_table import Severity
from engine.files.base import FileKind
from engine.files.real import RealFileSystem
from esetui import journal
from esetui.cli.options import PATH, common
from esetui.cli.output import Output, table

if TYPE_CHECKING:
    from typing import Any

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MARKS = {"info": "i", "warning": "w", "error": "e"}


class Since(click.ParamType[datetime]):
    """A time (`2026-11-22`, `2026-11-22T03:00`) or an age (`90m`, `12h`, `7d`)."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware time; one without a zone is local."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        age = re.fullmatch(r"(\d{1,9})([smhd])", text)
        try:
            if age is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is neither a time (2026-11-22T03:00) nor an age (90m, 12h, 7d)", param, ctx)


@click.command("events")
@click.argument("instance", required=False, type=PATH)
@click.option("--id", "ids", multiple=True, type=int, help="Only events with this number; may be repeated.")
@click.option("--level", type=click.Choice(list(_MARKS)), default="info", help="Only this level and worse.")
@click.option("--since", type=Since(), help="Only newer ones: a time, or an age such as 12h.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="The newest so many.")
@common
def command(
    out: Output,
    instance: str | None,
    ids: tuple[int, ...],
    level: str,
    since: datetime | None,
    limit: int | None,
) -> None:
    """Show the journal of an instance's events."""
    folder = None if instance is None else _folder(instance)
    least = list(_MARKS).index(level)
    entries = [
        entry for entry in _read(folder, since) if (not ids or entry.get("id") in ids) and _severity(entry) >= least
    ]
    kept = entries[-limit:] if limit else entries
    for line in table([_row(entry) for entry in kept], right=frozenset({2})):
        out.line(line)
    for entry in kept:
        # The envelope is that of this run; the entry's own time and run go beside it.
        out.record("event", entry, time=entry.get("ts"), origin=entry.get("job"))
    if not kept:
        out.narrate(f"no event fits; the journal is {journal.journal_path()}")
    elif len(kept) < len(entries):
        out.narrate(f"{len(entries) - len(kept)} older events are left out (--limit)")


def _folder(path: str) -> str:
    """Return the folder whose instances are asked for: of a file, the one that it lies in."""
    fs = RealFileSystem()
    path = fs.absolute(path)
    stat = fs.stat(path)
    # The folder may be gone; its journal is not.
    return path if stat is None or stat.kind is FileKind.DIRECTORY else str(PurePath(path).parent)


def _read(folder: str | None, since: datetime | None) -> list[dict[str, Any]]:
    try:
        return journal.read(folder=folder, since=since)
    except OSError as error:
        detail = error.strerror or str(error)
        raise EseError.from_code(Err.FileAccessDenied, detail, path=str(journal.journal_path())) from error


def _severity(entry: dict[str, Any]) -> int:
    known = {each.name.lower(): int(each) for each in Severity}
    return known.get(str(entry.get("severity")), 0)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    when = str(entry.get("ts", ""))
    with suppress(ValueError):
        when = f"{datetime.fromisoformat(when).astimezone():%Y-%m-%d %H:%M:%S}"
    mark = _MARKS.get(str(entry.get("severity")), "?")
    return (when, mark, str(entry.get("id", "")), str(entry.get("instance", "")), str(entry.get("message", "")))
