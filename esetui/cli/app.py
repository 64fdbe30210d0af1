"""The command `esetui`: finds the module of a command when it is run, and turns every end into an exit code.

A word that names no command is a path, and paths open the console: `esetui /var/lib/dhcp`.
Only `click` is imported here.  Each command's module is imported when that command is run, so `esetui
--version` needs neither numpy nor textual nor watchdog.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from esetui import __version__
from esetui.cli.exit_codes import ExitCode
from esetui.cli.signals import Interruptible, Stopped

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entry(NamedTuple):
    """Where a command lives, and its line in the list of commands."""

    module: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo", "Make a sample instance and open the console on it."),
    "discover": Entry("discover", "Find the instances below a folder."),
    "show": Entry("show", "Show a database, log, checkpoint, flush map or trailer, with a verdict in words."),
    "log": Entry("log", "List the log records of an instance."),
    "tables": Entry("tables", "List the tables of a database."),
    "schema": Entry("schema", "Show columns and indexes of a table, or of all."),
    "rows": Entry("rows", "Write the rows of a table."),
    "verify": Entry("verify", "Check every checksum of a file, a backup set or an instance."),
    "check": Entry("check", "Check the integrity of a database: trees, space, records, indexes, long values."),
    "backup": Entry("backup", "Back up an instance: full, atomic or incremental."),
    "truncate": Entry("truncate", "Delete the logs that recovery no longer needs."),
    "restore": Entry("restore", "Restore the databases of a backup set."),
    "drill": Entry("drill", "Try a backup set out: restore it, check it, count its rows, remove it again."),
    "repair-page": Entry("repair_page", "Rebuild damaged pages of a database from a backup set and the logs since."),
    "plan": Entry("plan", "Show what recovery of an instance would do; change nothing."),
    "recover": Entry("recover", "Recover an instance: replay its logs, undo what was never committed."),
    "events": Entry("events", "Show the journal of an instance's events."),
    "config": Entry("config", "Show, locate or validate the configuration."),
    "info": Entry("info", "Show versions, paths and terminal, for a bug report."),
    "completion": Entry("completion", "Print the completion script for a shell."),
}

CONSOLE = "console"
"""Hidden command that the bare form `esetui [PATH...]` stands for."""


class Root(click.Group):
    """Group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table, which goes from looking to changing."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name != CONSOLE and cmd_name not in COMMANDS:
            return None
        module = CONSOLE if cmd_name == CONSOLE else COMMANDS[cmd_name].module
        found: click.Command = importlib.import_module(f"esetui.cli.commands.{module}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list from the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take a first word that names no command for a path of the console."""
        first = next((at for at, word in enumerate(args) if not word.startswith("-") or word == "-"), None)
        options = args if first is None else args[:first]
        own = {"--help", "-h", "--version"}
        # Completion asks for what may follow; the word that would decide is not there yet.
        decided = not (ctx.resilient_parsing and first is None)
        if decided and not own.intersection(options) and (first is None or args[first] not in {*COMMANDS, CONSOLE}):
            args = [CONSOLE, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands, options and paths, importing nothing."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        fitting = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return fitting or [CompletionItem(incomplete, type="file")]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run a command line and, in stand-alone mode, leave the process with the exit code that fits."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        code: int = ExitCode.OK
        with Interruptible():
            try:
                code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra) or ExitCode.OK
            except click.exceptions.Exit as end:
                code = end.exit_code
            except click.ClickException as error:
                error.show()
                code = ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.FAILED
            except (click.Abort, KeyboardInterrupt):
                code = ExitCode.INTERRUPTED
            except Stopped as stopped:
                code = stopped.code
            except BrokenPipeError:
                code = ExitCode.FAILED
        sys.exit(int(code))


def no_such_path(word: str) -> click.UsageError:
    """Return the error for a word that is neither a command nor a path."""
    close = difflib.get_close_matches(word, COMMANDS, 1)
    with contextlib.suppress(UnicodeError):
        word = word.encode("unicode_escape").decode("ascii")
    hint = f"  Did you mean `{close[0]}`?" if close else ""
    context = click.get_current_context(silent=True)
    return click.UsageError(f"no command and no path {word!r}.{hint}", context and context.parent)


@click.group(
    cls=Root,
    subcommand_metavar="[PATH]... | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`esetui [PATH...]` opens the console on the instances below the paths.",
)
@click.version_option(__version__, prog_name="esetui", message="%(prog)s %(version)s")
def cli() -> None:
    """Back up, verify and inspect ESE (JET Blue) databases on any operating system."""
