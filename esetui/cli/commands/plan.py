"""`esetui plan INSTANCE`: what a recovery would do, and what it lacks.  Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.recovery.plan import Outlook, plan_recovery
from esetui.cli.describe.fields import range_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for
from esetui.cli.options import PATH, common
from esetui.cli.stops import losing, stoppable, write_end

if TYPE_CHECKING:
    from engine.recovery.plan import PlannedDatabase, RecoveryPlan
    from engine.recovery.plan_end import PlannedFormat
    from engine.recovery.stop import Lose, StopPoint
    from esetui.cli.output import Output

MAP = click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="OLD=NEW",
    help="Where a database, or a folder of them, lies now that the log calls OLD; may be given several times.",
)
DATABASES = click.option(
    "--database",
    "files",
    multiple=True,
    type=PATH,
    help="A database that lies elsewhere or has another name; what it is, its signature says.",
)
BASE = click.option("--base", help="Base name of the logs, where INSTANCE is a folder with several instances.")


@click.command("plan")
@click.argument("instance", type=PATH)
@BASE
@MAP
@click.option("--quick", is_flag=True, help="Read headers and records only; do not check every segment of the logs.")
@click.option(
    "--database", "files", multiple=True, type=PATH, help="A database that lies elsewhere, found by signature."
)
@stoppable
@losing
@common
def command(
    out: Output,
    instance: str,
    base: str | None,
    mapped: tuple[str, ...],
    files: tuple[str, ...],
    stop: StopPoint | None,
    lose: Lose,
    *,
    quick: bool,
) -> ExitCode:
    """Show what recovery of an instance would do; change nothing.

    Ends with 5 when a recovery would be refused for what is missing, with 4 when for damage.
    """
    plan = plan_recovery(
        instance,
        base_name=base,
        map_databases=parse_map(mapped),
        files=files,
        stop=stop,
        lose=lose,
        content=not quick,
        fs=ReadOnlyFileSystem(RealFileSystem()),
    )
    write_plan(out, plan)
    code = plan_code(plan)
    out.record("job_finished", ok=plan.ok, exit_code=int(code))
    return code


def parse_map(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return the pairs of `--map` as a mapping."""
    found = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old or not new:
            raise click.UsageError(f"--map takes OLD=NEW, not {pair!r}")
        found[old] = new
    return found


def plan_code(plan: RecoveryPlan) -> ExitCode:
    """Return the exit code that the plan means."""
    return ExitCode.OK if plan.ok else exit_code_for(EseError.from_code(plan.refusals[0].code))


def write_plan(out: Output, plan: RecoveryPlan) -> None:
    """Write a plan in words, and as one record."""
    _write_logs(out, plan)
    _write_outcome(out, plan)
    out.record(
        "recovery_plan",
        folder=plan.folder,
        base_name=plan.base_name,
        signature=plan.signature,
        generations=list(plan.generations),
        current=plan.current,
        missing=list(plan.missing),
        checkpoint=plan.checkpoint,
        checkpoint_note=plan.checkpoint_note or None,
        clean=plan.clean,
        start=plan.start,
        replays=plan.replays,
        log_version=plan.log_version,
        databases=[_database_fields(each) for each in plan.databases],
        findings=[
            {"kind": each.kind.value, "path": each.path, "generation": each.generation, "code": each.code,
             "detail": each.detail}
            for each in plan.findings
        ],
        refusals=[{"code": each.code, "detail": each.detail, "path": each.path} for each in plan.refusals],
        losses=list(plan.losses),
        end=None if plan.end is None else plan.end._asdict(),
        earliest_stop=plan.earliest,
        formats=[each._asdict() for each in plan.formats],
    )  # fmt: skip


def _write_logs(out: Output, plan: RecoveryPlan) -> None:
    """Write what is there: logs, their formats, what is wrong with them, the checkpoint, the databases."""
    logs = range_text(plan.generations[0], plan.generations[-1]) if plan.generations else "none"
    out.line(f"logs       {plan.base_name} in {plan.folder}: {logs}, format {plan.log_version or 'unknown'}")
    for found in plan.formats:
        out.line(f"format     {_format_text(found)}")
    for name in plan.missing:
        out.line(f"missing    {name}")
    if plan.spare is not None:
        out.line(f"not used   {plan.spare}: a log in preparation")
    for each in plan.findings:
        place = each.path or plan.base_name
        out.line(f"log        {place}: {each.kind.value} {each.detail}".rstrip())
    where = str(plan.checkpoint) if plan.checkpoint is not None else "none"
    out.line(f"checkpoint {where}{f' ({plan.checkpoint_note})' if plan.checkpoint_note else ''}")
    for database in plan.databases:
        out.line(f"database   {_database_text(database)}")


def _write_outcome(out: Output, plan: RecoveryPlan) -> None:
    """Write what would come of it."""
    if plan.clean:
        out.line("result     the last run ended well: nothing to recover")
    elif plan.ok:
        out.line(
            f"result     logs {range_text(plan.replays.start, plan.replays.stop - 1)} are replayed, from {plan.start}"
        )
    if plan.end is not None:
        write_end(out, plan.end)
    if plan.earliest is not None:
        out.line(f"earliest   {plan.earliest} is the earliest possible stop")
    for refusal in plan.refusals:
        out.line(f"refused    {refusal.detail} ({refusal.code})")
    for loss in plan.losses:
        out.line(f"loss       {loss}")


def _format_text(found: PlannedFormat) -> str:
    what = found.path or f"logs {range_text(found.first, found.last)}"
    engine = f", written by format version {found.engine}" if found.engine else ""
    can = "read, replayed and written" if found.understood else "not understood: neither read nor written"
    return f"{what}: {found.version}{engine}; {can}"


def _database_text(database: PlannedDatabase) -> str:
    text = f"{database.path}: {database.outlook.value}"
    if database.outlook is Outlook.REFUSED or database.detail:
        text += f" ({database.detail or 'see below'})"
    if database.required is not None:
        text += f"; needs logs {range_text(*database.required)}"
    if database.committed is not None:
        text += f", finished work up to {database.committed:#x}"
    if database.logged_path != database.path:
        text += f"; in the log {database.logged_path}"
    return text


def _database_fields(database: PlannedDatabase) -> dict[str, object]:
    header = database.header
    return {
        "path": database.path,
        "logged_path": database.logged_path,
        "state": None if header is None else header.state.name.lower(),
        "outlook": database.outlook.value,
        "detail": database.detail or None,
        "required": None if database.required is None else list(database.required),
        "committed": database.committed,
        "missing": list(database.missing),
        "page_size": None if header is None else header.page_size,
        "version": None if header is None else f"{header.version:#x}.{header.update_major}.{header.update_minor}",
    }
