"""`esetui drill SET`: restore a set to a scratch folder, check what came back, and remove it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.check import CheckFinding
from engine.drill import drill
from engine.errors import EseError
from engine.monitor import Monitor
from esetui.cli.commands.check import finding_fields as check_fields
from esetui.cli.commands.check import finding_text as check_text
from esetui.cli.describe.fields import range_text
from esetui.cli.describe.findings import finding_fields, finding_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import size_text, table
from esetui.cli.progress import Reporter
from esetui.cli.signals import Cancellation, stopped

if TYPE_CHECKING:
    from engine.drill import DrilledDatabase, DrillResult
    from engine.findings import Finding
    from esetui.cli.output import Output


@click.command("drill")
@click.argument("source", metavar="SET", type=PATH)
@click.option("--against", type=PATH, help="Database or instance whose rows are counted too, table by table.")
@click.option("--scratch", type=PATH, help="Folder to restore below; by default the system's temporary folder.")
@click.option("--keep", is_flag=True, help="Leave the restored databases where they are.")
@common
def command(out: Output, source: str, against: str | None, scratch: str | None, *, keep: bool) -> ExitCode:
    """Try a backup set out: restore it, check it, count its rows, remove it again.

    The set is verified, restored with recovery below a scratch folder, and every restored database is verified and
    checked for integrity.  The set and what it is compared with are only read, and the scratch folder is removed at
    the end, after Ctrl-C too.
    """
    monitor = Monitor()
    failed: EseError | None = None
    out.record("job_started", command="drill", set=source, against=against, scratch=scratch, keep=keep)
    with Cancellation(monitor) as cancellation, Reporter(out, monitor) as reporter:

        def tell(path: str, finding: Finding | CheckFinding) -> None:
            if isinstance(finding, CheckFinding):
                out.record("finding", check_fields(path, finding))
                reporter.line(check_text(finding))
            else:
                out.record("finding", finding_fields(finding))
                reporter.line(finding_text(finding))

        try:
            result = drill(
                source,
                against=against,
                scratch=scratch,
                keep=keep,
                monitor=monitor,
                on_finding=tell,
                on_event=reporter.event,
            )
        except EseError as error:
            failed = error
    if failed is None:
        return _write(out, result)
    if cancellation.code is not None:
        stopped(out, cancellation.code, "nothing of the drill was left behind")
    code = exit_code_for(failed)
    out.fail(failed, unchanged="the set; nothing of the drill was left behind", then=next_step(failed))
    out.record("job_finished", ok=False, exit_code=int(code))
    return code


def _write(out: Output, result: DrillResult) -> ExitCode:
    for each in result.databases:
        _write_database(out, each)
    replayed = result.restored.replayed
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in result.seconds.items())
    out.line(f"replayed   {range_text(replayed.start, replayed.stop - 1)}, consistent at {result.restored.ended}")
    out.line(f"time       {steps}")
    if result.scratch is not None:
        out.line(f"kept       {result.scratch}")
    code = exit_code_of(result)
    say = out.summary if code is ExitCode.OK else out.line
    say(f"drill of {result.set_folder}: {_verdict(result)}")
    out.record(
        "job_finished",
        ok=result.ok,
        exit_code=int(code),
        set=result.set_folder,
        units=result.set_units,
        bad=result.set_bad,
        same=result.same,
        replayed=replayed,
        ended=result.restored.ended,
        seconds={step: round(seconds, 3) for step, seconds in result.seconds.items()},
        scratch=result.scratch,
    )
    return code


def exit_code_of(result: DrillResult) -> ExitCode:
    """Return what a drill means to the caller."""
    if not result.ok:
        return ExitCode.DAMAGE
    return ExitCode.OK if result.same and not result.warnings else ExitCode.WARNINGS


def _verdict(result: DrillResult) -> str:
    whole = all(each.ok for each in result.databases)
    text = f"it can be restored, and what comes back is {'whole' if whole else 'damaged'}"
    if result.set_bad:
        text += f"; {result.set_bad} checksum(s) of the set are wrong"
    if not result.same:
        text += "; not what the source has now"
    return text


def _write_database(out: Output, database: DrilledDatabase) -> None:
    verdict = "whole" if database.ok else f"damaged: {database.bad_units} bad pages, {database.errors} errors"
    notes = f", {database.warnings} thing(s) to look at" if database.warnings else ""
    out.line(
        f"database   {database.logged_path}: {size_text(database.size)}, {len(database.tables)} tables, "
        f"{database.rows:,} rows; {verdict}{notes}"
    )
    out.record(
        "database",
        path=database.path,
        logged_path=database.logged_path,
        bytes=database.size,
        bad=database.bad_units,
        errors=database.errors,
        warnings=database.warnings,
        rows=database.rows,
        source=database.source,
        problem=database.problem or None,
    )
    compared = database.source is not None
    head = ("table", "rows", *(("source", "") if compared else ()))
    lines = [head]
    for each in database.tables:
        counts = [
            _count(each.rows),
            *((_count(each.source_rows), "differs" if each.differs else "") if compared else ()),
        ]
        lines.append((each.name, *counts))
        out.record(
            "table",
            database=database.path,
            name=each.name,
            rows=each.rows,
            source_rows=each.source_rows,
            compared=each.compared,
            differs=each.differs,
        )
    if len(lines) > 1:
        for line in table(lines, right=frozenset((1, 2) if compared else (1,))):
            out.line(f"  {line}")
    if database.problem:
        out.line(f"compared   not: {database.problem}")


def _count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"
