"""`esetui recover INSTANCE`: bring databases that were not shut down to a clean state, from their logs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.instance.recovering import recover
from engine.recovery.plan import plan_recovery
from esetui.cli.commands.plan import BASE, MAP, parse_map, plan_code, write_plan
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import is_terminal
from esetui.journal import event_fields

if TYPE_CHECKING:
    from engine.events import Event
    from esetui.cli.output import Output


@click.command("recover")
@click.argument("instance", type=PATH)
@click.option("--into", type=PATH, help="Folder for the recovered copy; by default INSTANCE.recovered.")
@click.option("--in-place", is_flag=True, help="Recover the instance itself instead of a copy.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@BASE
@MAP
@common
def command(
    out: Output,
    instance: str,
    into: str | None,
    base: str | None,
    mapped: tuple[str, ...],
    *,
    in_place: bool,
    yes: bool,
) -> ExitCode:
    """Recover an instance: replay its logs, undo what was never committed.

    A copy is made and recovered, and the instance stays as it is; with --in-place the instance itself is changed.
    The plan is shown first.
    """
    if in_place and into is not None:
        raise click.UsageError("--into and --in-place exclude each other")
    fs = RealFileSystem()
    places = parse_map(mapped)
    out.record("job_started", command="recover", instance=instance, in_place=in_place)
    plan = plan_recovery(instance, base_name=base, map_databases=places, fs=fs)
    write_plan(out, plan)
    if not plan.ok:
        code = plan_code(plan)
        out.complain("nothing was changed")
        out.record("job_finished", ok=False, exit_code=int(code))
        return code
    target = None if in_place else fs.absolute(into if into is not None else f"{plan.folder}.recovered")
    if in_place and not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError("this changes the instance; say --yes when nobody can be asked")
        click.confirm(f"Recover {plan.folder} in place?", abort=True, err=True)

    def event(each: Event) -> None:
        out.record("event", event_fields(each))
        out.narrate(each.message)

    try:
        job = recover(
            plan.folder, into=target, base_name=plan.base_name, map_databases=places, on_event=event, env=None
        )
    except EseError as error:
        code = exit_code_for(error)
        unchanged = "the instance is as it was" if target is not None else "recovery can be run again"
        out.fail(error, unchanged=unchanged, then=next_step(error))
        out.record("job_finished", ok=False, exit_code=int(code))
        return code
    for logged, path in sorted(job.databases.items()):
        out.line(f"recovered  {path}")
        out.record("database", logged_path=logged, path=path)
    result = job.result
    out.summary(f"recovery of {plan.folder} complete{'' if target is None else f': {target}'}")
    out.record(
        "job_finished",
        ok=True,
        exit_code=0,
        needed=result.needed,
        folder=job.folder,
        replayed=result.replayed,
        started=result.started,
        ended=result.ended,
    )
    return ExitCode.OK
