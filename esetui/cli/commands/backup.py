"""`esetui backup INSTANCE DIR`: a full, atomic or incremental backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from esetui.cli.options import PATH, common
from esetui.cli.work import Work

if TYPE_CHECKING:
    from esetui.cli.exit_codes import ExitCode
    from esetui.cli.output import Output


@click.command("backup")
@click.argument("instance", type=PATH)
@click.argument("directory", type=PATH)
@click.option("-i", "--incremental", is_flag=True, help="Only the logs since the last backup, added to the set there.")
@click.option("-a", "--atomic", is_flag=True, help="Keep the previous set in DIRECTORY until this one is complete.")
@click.option("--dry-run", is_flag=True, help="Show what would be read, written and deleted; change nothing.")
@click.option("--create-path/--no-create-path", default=None, help="Create missing folders of DIRECTORY.")
@click.option("--recover", is_flag=True, help="Recover first when the last run did not end.")
@click.option("--base", help="Base name of the logs, where INSTANCE is a folder with several instances.")
@common
def command(  # noqa: PLR0913 - one argument an option
    out: Output,
    instance: str,
    directory: str,
    base: str | None,
    *,
    incremental: bool,
    atomic: bool,
    dry_run: bool,
    create_path: bool | None,
    recover: bool,
) -> ExitCode:
    """Back up an instance: full, atomic or incremental.

    Every attached database is copied page by page, each page verified; then the logs that make the copies
    consistent.  Logs that are no longer needed are deleted afterwards.  When anything fails, or on Ctrl-C, DIRECTORY
    is left as it was.
    """
    work = Work(
        out,
        instance,
        directory,
        incremental=incremental,
        atomic=atomic,
        create_path=create_path,
        recover=recover,
        base=base,
    )
    work.begin()
    return work.plan() if dry_run else work.run()
