"""`esetui [PATH...]`: the console.  The only command besides `demo` that imports textual."""

from __future__ import annotations

import importlib
import sys

import click

from engine.files.real import RealFileSystem
from esetui import config
from esetui.cli.app import no_such_path
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH
from esetui.cli.output import Output, is_terminal


@click.command("console", hidden=True)
@click.argument("paths", nargs=-1, type=PATH)
@click.option("-t", "--target", type=PATH, help="Backup directory that is shown and backed up to.")
@click.option("--theme", type=click.Choice(config.THEME_NAMES), help="Colour theme.")
def command(paths: tuple[str, ...], target: str | None, theme: str | None) -> int:
    """Open the console on the instances below PATHS."""
    out = Output(command="console")
    try:
        settings = config.load()
    except config.ConfigError as error:
        for problem in error.problems:
            out.complain(f"error: {problem}")
        return ExitCode.USAGE
    fs = RealFileSystem()
    for path in paths:
        if fs.stat(fs.absolute(path)) is None:
            raise no_such_path(path)
    return open_console(out, paths or settings.console.paths, target=target, theme=theme, settings=settings)


def open_console(
    out: Output,
    paths: tuple[str, ...],
    *,
    target: str | None,
    theme: str | None,
    settings: config.Config,
    sandbox: str = "",
    play: float | None = None,
) -> ExitCode:
    """Run the console on a terminal, or say what to use instead of one; `sandbox`, `play` as `esetui.tui.run`."""
    if not on_terminal(out):
        return ExitCode.USAGE
    tui = importlib.import_module("esetui.tui")
    code = tui.run(
        paths,
        target=target or settings.backup.directory or None,
        theme=theme,
        settings=settings,
        sandbox=sandbox,
        play=play,
    )
    return ExitCode(code or ExitCode.OK)


def on_terminal(out: Output) -> bool:
    """Whether the console can run here; if not, say so."""
    if is_terminal(sys.stdout) and is_terminal(sys.stdin):
        return True
    out.complain("error: the console needs a terminal; every action is also a command, see `esetui --help`")
    return False
