"""What the commands that read a database share: opening it, telling its findings, the exit code that follows."""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from engine.env import Environment
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.recovery.memory import open_recovered
from engine.table import open_database
from esetui.cli.describe.fields import range_text
from esetui.cli.describe.findings import finding_fields, finding_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH
from esetui.cli.stops import standing_fields, stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.findings import Finding
    from engine.recovery.memory import Recovered, RecoveredDatabase
    from engine.recovery.stop import StopPoint
    from engine.table import Database
    from esetui.cli.output import Output

_MOST_NAMED = 20
"""Pages that a warning lists."""


class Told:
    """Writes findings as they come, and knows how bad they were."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._code = ExitCode.OK
        self.database: Database | None = None

    @property
    def code(self) -> ExitCode:
        """The exit code that follows from what was met."""
        corrected = self.database is not None and self.database.corrected
        return max(self._code, ExitCode.WARNINGS if corrected else ExitCode.OK)

    def __call__(self, finding: Finding) -> None:
        """Write one finding: to standard error, or a line of JSON."""
        self.note(ExitCode.WARNINGS if finding.warning else ExitCode.DAMAGE)
        self._out.record("finding", finding_fields(finding))
        if not self._out.json:
            self._out.complain(finding_text(finding))

    def note(self, code: ExitCode) -> None:
        """Remember the worst of what was met."""
        self._code = max(self._code, code)


class Replay(NamedTuple):
    """What `--replay` asks for: the folder of the logs, None where they lie beside the database, and how far."""

    logs: str | None
    stop: StopPoint | None


def replayable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that reads a database the options of a recovery in memory, as `replay`: a `Replay` or None."""

    @click.option("--replay", is_flag=True, help="Recover the database in memory first; nothing is written.")
    @click.option("--logs", type=PATH, help="Folder of the logs for --replay; by default that of the database.")
    @stoppable
    @functools.wraps(function)
    def run(*args: Any, replay: bool, logs: str | None, stop: StopPoint | None, **options: Any) -> Any:
        if not replay and (logs is not None or stop is not None):
            raise click.UsageError("--logs and --until-... are for --replay")
        return function(*args, replay=Replay(logs, stop) if replay else None, **options)

    return run


def replayed(stack: ExitStack, out: Output, path: str, replay: Replay) -> RecoveredDatabase:
    """Recover a database in memory and tell what that did; freed with `stack`.  Errors as `open_recovered`."""
    env = Environment(fs=ReadOnlyFileSystem(RealFileSystem()))
    recovered = stack.enter_context(open_recovered(path, logs=replay.logs, stop=replay.stop, env=env))
    write_recovered(out, recovered)
    return recovered.database(path)


def write_recovered(out: Output, recovered: Recovered) -> None:
    """Tell on standard error, or in a record, what a recovery in memory did."""
    result, undone = recovered.result, recovered.undone
    pages = sum(each.replayed for each in recovered.databases)
    logs = range_text(result.replayed.start, result.replayed.stop - 1)
    out.narrate(
        f"replayed in memory: logs {logs}, {pages} page(s) differ from the file, "
        f"{undone.transactions} open transaction(s) undone; it stands at {result.stands} ({result.stands_time})"
    )
    out.record(
        "replayed",
        replayed=result.replayed,
        started=result.started,
        ended=result.ended,
        pages=pages,
        **standing_fields(result),
    )


@contextmanager
def reading(
    out: Output, path: str, *, strict: bool = False, replay: Replay | None = None
) -> Iterator[tuple[Database, Told]]:
    """Open a database for a command, with `replay` as it would be after recovery; errors as `open_database`."""
    fs = ReadOnlyFileSystem(RealFileSystem())
    told = Told(out)
    name = fs.absolute(path)
    with ExitStack() as stack:
        pages = None if replay is None else replayed(stack, out, name, replay).pages
        database = stack.enter_context(open_database(name, strict=strict, fs=fs, pages=pages, on_finding=told))
        told.database = database
        yield database, told
        if database.corrected:
            numbers = ", ".join(map(str, database.corrected[:_MOST_NAMED]))
            out.warn(f"one bit was put right in memory in {len(database.corrected)} page(s): {numbers}", path=path)
