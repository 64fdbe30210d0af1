"""`esetui recover INSTANCE`: bring databases that were not shut down to a clean state, from their logs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.env import Environment
from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.instance.recovering import recover
from engine.log.paths import name_of
from engine.recovery.memory import open_recovered
from engine.recovery.plan import plan_recovery
from esetui.cli.commands.plan import BASE, DATABASES, MAP, parse_map, plan_code, write_plan
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import is_terminal
from esetui.cli.stops import losing, standing_fields, stoppable, write_standing
from esetui.journal import event_fields

if TYPE_CHECKING:
    from engine.events import Event
    from engine.recovery.plan import RecoveryPlan
    from engine.recovery.result import RecoveryResult
    from engine.recovery.stop import Lose, StopPoint
    from esetui.cli.output import Output


@click.command("recover")
@click.argument("instance", type=PATH)
@click.option("--into", type=PATH, help="Folder for the recovered copy; by default INSTANCE.recovered.")
@click.option("--in-place", is_flag=True, help="Recover the instance itself instead of a copy.")
@click.option("--in-memory", is_flag=True, help="Only show what recovery gives; nothing is written.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@BASE
@MAP
@DATABASES
@stoppable
@losing
@common
def command(  # noqa: PLR0913 - one for each option
    out: Output,
    instance: str,
    into: str | None,
    base: str | None,
    mapped: tuple[str, ...],
    files: tuple[str, ...],
    stop: StopPoint | None,
    lose: Lose,
    *,
    in_place: bool,
    in_memory: bool,
    yes: bool,
) -> ExitCode:
    """Recover an instance: replay its logs, undo what was never committed.

    A copy is made and recovered, and the instance stays as it is; with --in-place the instance itself is changed.
    The plan is shown first.  With a stop point the logs behind it are put away in a folder beside the logs.
    """
    if sum((in_place, in_memory, into is not None)) > 1:
        raise click.UsageError("--into, --in-place and --in-memory exclude each other")
    fs = RealFileSystem()
    asked = Asked(parse_map(mapped), files, stop, lose)
    out.record("job_started", command="recover", instance=instance, in_place=in_place, in_memory=in_memory)
    plan = plan_recovery(instance, base_name=base, map_databases=asked.places, files=files, stop=stop, lose=lose, fs=fs)
    write_plan(out, plan)
    if not plan.ok:
        code = plan_code(plan)
        out.complain("nothing was changed")
        out.record("job_finished", ok=False, exit_code=int(code))
        return code
    if in_memory:
        return _in_memory(out, plan, asked)
    target = None if in_place else fs.absolute(into if into is not None else f"{plan.folder}.recovered")
    if in_place and not yes:
        _ask(plan)
    return _recover(out, plan, asked, target)


class Asked(NamedTuple):
    """What was asked for: places of databases, a stop point, leave to lose."""

    places: dict[str, str]
    files: tuple[str, ...]
    stop: StopPoint | None
    lose: Lose


def _ask(plan: RecoveryPlan) -> None:
    """Let a person type the name of what is going to be changed."""
    if not is_terminal(sys.stdin):
        raise click.UsageError("this changes the instance; say --yes when nobody can be asked")
    name = name_of(plan.folder)
    typed = click.prompt(f"This changes {plan.folder}. Type {name} to recover it in place", err=True, default="")
    if typed != name:
        raise click.Abort


def _recover(out: Output, plan: RecoveryPlan, asked: Asked, target: str | None) -> ExitCode:
    def event(each: Event) -> None:
        out.record("event", event_fields(each))
        out.narrate(each.message)

    try:
        job = recover(
            plan.folder,
            into=target,
            base_name=plan.base_name,
            map_databases=asked.places,
            files=asked.files,
            stop=asked.stop,
            lose=asked.lose,
            on_event=event,
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
    write_standing(out, job.result)
    out.summary(f"recovery of {plan.folder} complete{'' if target is None else f': {target}'}")
    return _finished(out, job.result, folder=job.folder)


def _in_memory(out: Output, plan: RecoveryPlan, asked: Asked) -> ExitCode:
    """Recover in memory and say what came of it."""
    env = Environment(fs=ReadOnlyFileSystem(RealFileSystem()))
    with open_recovered(
        plan.folder,
        base_name=plan.base_name,
        map_databases={each.logged_path: each.path for each in plan.databases},
        stop=asked.stop,
        lose=asked.lose,
        env=env,
    ) as recovered:
        for each in recovered.databases:
            header = each.header
            state = "consistent already" if not each.replayed else f"{each.replayed} page(s) differ from the file"
            out.line(f"in memory  {each.path}: {state}")
            out.record(
                "recovered_database",
                path=each.path,
                pages=each.replayed,
                page_size=header.page_size,
                last_page=each.pages.last_page,
                dbtime=header.dbtime_dirtied,
                objid_last=header.objid_last,
            )
        write_standing(out, recovered.result)
        out.summary(f"recovery of {plan.folder} tried in memory; nothing was written")
        return _finished(out, recovered.result, folder=plan.folder)


def _finished(out: Output, result: RecoveryResult, *, folder: str) -> ExitCode:
    code = ExitCode.WARNINGS if result.lost else ExitCode.OK
    out.record(
        "job_finished",
        ok=True,
        exit_code=int(code),
        needed=result.needed,
        folder=folder,
        replayed=result.replayed,
        started=result.started,
        ended=result.ended,
        **standing_fields(result),
    )
    return code
