"""`esetui completion SHELL`: the script that makes a shell complete commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import common

if TYPE_CHECKING:
    from esetui.cli.output import Output

HOW = {
    "bash": 'eval "$(esetui completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(esetui completion zsh)"   in ~/.zshrc',
    "fish": "esetui completion fish > ~/.config/fish/completions/esetui.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(HOW)))
@common
def command(out: Output, shell: str) -> ExitCode | None:
    """Print the completion script for a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        out.complain(f"error: no completion for {shell}")
        return ExitCode.FAILED
    script = kind(cli, {}, "esetui", "_ESETUI_COMPLETE").source()
    if out.json:
        out.record("completion", shell=shell, script=script)
    else:
        out.raw(script)
        out.narrate(f"# to use it: {HOW[shell]}")
    return ExitCode.OK
