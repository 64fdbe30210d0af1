"""`esetui restore SET`: databases from a backup set, rolled forward through newer logs where there are any."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.backup.sets import Verdict, read_backup_set
from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.instance.restore_set import continued_log, restore_set
from engine.log.paths import join
from engine.monitor import Monitor
from esetui.cli.describe.fields import range_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import is_terminal, size_text
from esetui.cli.progress import Reporter
from esetui.cli.signals import Cancellation, stopped
from esetui.cli.stops import standing_fields, stoppable, write_standing

if TYPE_CHECKING:
    from engine.backup.sets import BackupSet
    from engine.recovery.stop import StopPoint
    from engine.restore.result import RestoreResult
    from esetui.cli.output import Output


@click.command("restore")
@click.argument("source", metavar="SET", type=PATH)
@click.option("--to", type=PATH, help="Folder for the databases; without it they go to where the logs say they were.")
@click.option("--logs", type=PATH, help="Folder of the live logs, which are replayed too; by default that of --to.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before databases are replaced or a log is written on in.")
@stoppable
@common
def command(
    out: Output, source: str, to: str | None, logs: str | None, stop: StopPoint | None, *, yes: bool
) -> ExitCode:
    """Restore the databases of a backup set.

    Each database is copied, brought to the newest moment that the logs reach or to the stop point, and only then put
    in its place.  The set is not changed; live logs behind a stop point are put away in a folder beside the others.
    Where databases are replaced, or there is a log that the restore would write on in, --yes or an answer is wanted.
    """
    if to is None and logs is None:
        raise click.UsageError("say --to, the folder for the databases, or --logs to restore them to where they were")
    fs = RealFileSystem()
    found = read_backup_set(source, fs=fs)
    out.record("job_started", command="restore", set=found.path, to=to, logs=logs or to)
    write_set(out, found)
    changed = _changed(fs, found, to, logs)
    if changed and not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError(f"this {changed}; say --yes when nobody can be asked")
        click.confirm(f"This {changed}. Go on?", abort=True, err=True)

    done = _restore(out, source, to, logs, stop)
    if not isinstance(done, EseError):
        write_result(out, done)
        return ExitCode.OK
    code = exit_code_for(done)
    out.fail(done, unchanged="the set; no database was replaced", then=next_step(done))
    out.record("job_finished", ok=False, exit_code=int(code))
    return code


def _restore(
    out: Output, source: str, to: str | None, logs: str | None, stop: StopPoint | None
) -> RestoreResult | EseError:
    """Restore, and return the result or why it failed.  A signal stops the copying and the replay."""
    monitor = Monitor()
    with Cancellation(monitor) as cancellation, Reporter(out, monitor) as reporter:
        try:
            return restore_set(source, to=to, logs=logs, stop=stop, monitor=monitor, on_event=reporter.event)
        except EseError as error:
            failed = error
    if cancellation.code is not None:
        stopped(out, cancellation.code, "no database was replaced, and nothing half-made was left")
    return failed


def _changed(fs: RealFileSystem, found: BackupSet, to: str | None, logs: str | None) -> str:
    """Return what is there already and would not be the same afterwards, as the end of a sentence; or nothing."""
    said = []
    if to is None:
        said.append("replaces the databases at their original places")
    else:
        places = [join(fs.absolute(to), each.name) for each in found.databases]
        replaced = [path for path in places if fs.stat(path) is not None]
        said += [f"replaces {', '.join(replaced)}"] if replaced else []
    folder = fs.absolute(logs or to or "")
    if continued_log(found, folder, fs=fs) is not None:
        said.append(f"writes on in the log of {folder}, and only what is restored here goes on with it")
    return " and ".join(said)


def write_set(out: Output, found: BackupSet) -> None:
    """Write what the set is."""
    verdict = found.verdict.value if found.verdict is Verdict.COMPLETE else f"{found.verdict.value}: {found.reason}"
    out.line(f"set        {found.path}: {verdict}")
    for database in found.databases:
        out.line(f"database   {database.name}: {size_text(database.size)}")
    if found.logs:
        out.line(f"logs       {range_text(found.logs[0].generation, found.logs[-1].generation)}")


def write_result(out: Output, result: RestoreResult) -> None:
    """Write what was done."""
    for logged, path in sorted(result.databases.items()):
        out.line(f"restored   {path}")
        out.record("database", logged_path=logged, path=path)
    write_standing(out, result.recovery)
    replayed = range_text(result.replayed.start, result.replayed.stop - 1)
    out.summary(f"restore of {result.set_folder} complete; logs {replayed} replayed, consistent at {result.ended}")
    out.record(
        "job_finished",
        ok=True,
        exit_code=0,
        set=result.set_folder,
        databases=result.databases,
        replayed=result.replayed,
        from_set=result.from_set,
        started=result.started,
        ended=result.ended,
        **standing_fields(result.recovery),
    )
