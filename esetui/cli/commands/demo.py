"""`esetui demo`: a sample instance to try everything on, and the console on it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from esetui import config
from esetui.cli.commands.console import on_terminal, open_console
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.demo import LEASE_BYTES, Demo, create_demo

if TYPE_CHECKING:
    from esetui.cli.output import Output


@click.command("demo")
@click.option("--folder", type=PATH, help="Where to make it (and keep it); default: a temporary folder.")
@click.option("--no-console", is_flag=True, help="Make it, print the paths, and leave it there.")
@click.option(
    "--size",
    type=click.IntRange(1, 1 << 20),
    default=LEASE_BYTES >> 20,
    show_default=True,
    help="Size of the large database in MiB.",
)
@click.option("--theme", type=click.Choice(config.THEME_NAMES), help="Colour theme.")
@click.option("--play", is_flag=True, help="Let the guided walk go by itself; with --no-console, told line by line.")
@click.option(
    "--pause",
    type=click.FloatRange(0, 3600),
    default=4.0,
    show_default=True,
    help="Seconds between two steps of the walk.",
)
@common
def command(
    out: Output, folder: str | None, size: int, theme: str | None, *, no_console: bool, play: bool, pause: float
) -> ExitCode:
    """Make a sample instance and open the console on it."""
    settings = config.load()
    if not no_console and not on_terminal(out):
        return ExitCode.USAGE
    with ExitStack() as stack:
        if folder is None and (play or not no_console):
            # Made to be thrown away: with the console closed nobody would know where it is.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="esetui-demo-", ignore_cleanup_errors=True))
        out.narrate("making the sample instances ...")
        made = create_demo(folder, lease_bytes=size << 20)
        if no_console and play:
            return _play(out, made)
        if no_console:
            out.line(made.folder)
            out.record("demo", folder=made.folder, instances=made.instances, backup=made.backup)
            out.narrate(f"try: esetui {made.folder} --target {made.backup}")
            return ExitCode.OK
        return open_console(
            out,
            (made.folder,),
            target=made.backup,
            theme=theme,
            settings=settings,
            sandbox=made.folder,
            play=pause if play else None,
        )


def _play(out: Output, made: Demo) -> ExitCode:
    """Go through the guided walk without a console."""
    from esetui.tui.activity.walk import Walk  # noqa: PLC0415 - only here
    from esetui.tui.control import Control  # noqa: PLC0415

    control = Control((made.folder,), target=made.backup, watch=False, sandbox=made.folder)
    try:
        good = Walk(control, "dhcp", made.backup).play(out.line)
    finally:
        problems = control.close()
    for each in problems:
        out.complain(each)
    return ExitCode.OK if good and not problems else ExitCode.FAILED
