"""`esetui config show|path|validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from esetui import config as configuration
from esetui.cli.describe.settings import toml_value
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import common

if TYPE_CHECKING:
    from esetui.cli.output import Output


@click.group("config")
def command() -> None:
    """Show, locate or validate the configuration."""


@command.command("show")
@common
def show(out: Output) -> None:
    """Print every setting, its value, and whether it comes from the file."""
    section = ""
    for setting in configuration.settings():
        here, name = setting.key.split(".")
        if here != section:
            out.line(f"[{here}]" if not section else "")
            if section:
                out.line(f"[{here}]")
            section = here
        out.line(f"{name} = {toml_value(setting.value)}  # {setting.source}: {setting.description}")
        out.record(
            "setting",
            key=setting.key,
            value=setting.value,
            default=setting.default,
            source=setting.source,
            description=setting.description,
        )


@command.command("path")
@common
def path(out: Output) -> None:
    """Print the path of the configuration file, whether or not it exists."""
    where = configuration.config_path()
    out.line(str(where))
    out.record("config_path", path=str(where), exists=where.is_file())


@command.command("validate")
@common
def validate(out: Output) -> ExitCode | None:
    """Check the configuration file; every problem is listed with file, line and key."""
    configuration.load()
    where = configuration.config_path()
    found = where.is_file()
    out.line(f"{where}: valid" if found else f"{where}: not there, defaults apply")
    out.record("config_valid", path=str(where), exists=found)
    return ExitCode.OK
