"""What all commands share: `--json`, `--quiet`, and the way their errors end.

A command is written as

    @click.command("show")
    @click.argument("file")
    @common
    def command(out: Output, file: str) -> ExitCode | None: ...

`common` makes the `Output`, prints an engine error or a bad configuration, and turns it into an exit code.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from engine.errors import EseError
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.output import Output
from esetui.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


def common(function: Callable[..., ExitCode | None]) -> Callable[..., int]:
    """Give a command its output options and an `Output` as first argument; returns the exit code."""

    @click.option("--json", "as_json", is_flag=True, help="JSON lines on standard output.")
    @click.option("-q", "--quiet", is_flag=True, help="No narration; warnings and errors still show.")
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, quiet: bool, **options: Any) -> int:
        context = click.get_current_context()
        out = Output(command="-".join(context.command_path.split()[1:]), json=as_json, quiet=quiet)
        try:
            return int(function(out, *args, **options) or ExitCode.OK)
        except ConfigError as error:
            for problem in error.problems:
                out.record("error", path=problem.path, line=problem.line, key=problem.key, message=problem.message)
                out.complain(f"error: {problem}")
            return int(ExitCode.USAGE)
        except EseError as error:
            out.fail(error, then=next_step(error))
            return int(exit_code_for(error))

    return run


PATH = click.Path(path_type=str)
"""A path as it was typed: whether it is there is asked through the engine's file system, with its error codes."""
