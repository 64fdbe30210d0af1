"""`esetui truncate INSTANCE`: delete the logs below the checkpoint, without a backup."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from esetui.cli.options import PATH, common
from esetui.cli.output import is_terminal
from esetui.cli.work import Work

if TYPE_CHECKING:
    from esetui.cli.exit_codes import ExitCode
    from esetui.cli.output import Output


@click.command("truncate")
@click.argument("instance", type=PATH)
@click.option("--dry-run", is_flag=True, help="Show which logs would be deleted; change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--recover", is_flag=True, help="Recover first when the last run did not end.")
@click.option("--base", help="Base name of the logs, where INSTANCE is a folder with several instances.")
@common
def command(out: Output, instance: str, base: str | None, *, dry_run: bool, yes: bool, recover: bool) -> ExitCode:
    """Delete the logs that recovery no longer needs.

    The logs are gone afterwards: an earlier backup can no longer be rolled forward beyond its own logs, and an
    incremental backup needs a new full one first.
    """
    work = Work(out, instance, None, recover=recover, base=base)
    work.begin()
    if dry_run:
        return work.plan()
    if not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError("this deletes logs; say --yes when nobody can be asked")
        click.confirm(f"Delete the logs of {work.name} that recovery no longer needs?", abort=True, err=True)
    return work.run()
