"""`esetui info`: what a bug report needs.  Imports no library to ask for its version."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import click

from esetui import __version__, config, journal
from esetui.cli.options import common
from esetui.cli.output import is_terminal, table

if TYPE_CHECKING:
    from esetui.cli.output import Output

LIBRARIES = ("textual", "crc32c", "watchdog", "numpy", "click", "platformdirs", "filelock", "msgspec")
VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "SSH_CONNECTION", "TMUX", config.CONFIG_VARIABLE)


@click.command("info")
@common
def command(out: Output) -> None:
    """Show versions, paths and terminal, for a bug report."""
    facts = {
        "esetui": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "configuration": str(config.config_path()),
        "journal": str(journal.journal_path()),
        "stdout": "terminal" if is_terminal(sys.stdout) else "not a terminal",
        "encoding": getattr(sys.stdout, "encoding", "") or "unknown",
    }
    versions = {name: _version(name) for name in LIBRARIES}
    # SSH_CONNECTION holds addresses; that it is set is all that matters.
    variables = {
        name: "set" if name == "SSH_CONNECTION" else os.environ[name] for name in VARIABLES if name in os.environ
    }
    for line in table([(name, value) for part in (facts, versions, variables) for name, value in part.items()]):
        out.line(line)
    out.record("info", facts, libraries=versions, environment=variables)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
