"""`esetui discover PATH`: the instances below a folder, found by signature.  Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.discover import FoundState, discover
from engine.files.real import RealFileSystem
from esetui import config
from esetui.cli.describe.database import last_backups
from esetui.cli.describe.fields import generation_text, range_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.cli.output import plain, size_text, table

if TYPE_CHECKING:
    from engine.discover import FoundDatabase, FoundInstance
    from esetui.cli.output import Output

_DATABASE_FIELDS = (
    "bkinfo_full_prev",
    "bkinfo_inc_prev",
    "gen_min_required",
    "gen_max_required",
    "gen_max_committed",
    "sign_db",
)


@click.command("discover")
@click.argument("path", type=PATH)
@click.option("--max-depth", type=click.IntRange(0, 64), help="Folders below PATH that are searched.")
@common
def command(out: Output, path: str, max_depth: int | None) -> ExitCode:
    """Find the instances below a folder."""
    depth = config.load().discover.max_depth if max_depth is None else max_depth
    found = discover(path, fs=RealFileSystem(), max_depth=depth)
    for number, instance in enumerate(found):
        if number:
            out.line()
        write_instance(out, instance)
    if not found:
        out.narrate("nothing of ESE found")
    damaged = any(each.state is FoundState.DAMAGED for each in found)
    return ExitCode.WARNINGS if damaged else ExitCode.OK


def write_instance(out: Output, found: FoundInstance) -> None:
    """Write an instance, its databases and what there is to know about it."""
    if found.has_log:
        out.line(f"{found.log_folder}  {found.base_name}: {found.state.value}, {found.detail}")
        facts = [("  logs", _logs(found)), ("  checkpoint", generation_text(found.checkpoint_generation or 0))]
        if found.system_folder != found.log_folder:
            facts.append(("  system folder", found.system_folder))
        facts.append(("  page size", str(found.page_size)))
        if found.circular:
            facts.append(("  circular", "yes: old logs are not kept, so only full backups are possible"))
        for line in table(facts):
            out.line(line)
    else:
        out.line(f"{found.log_folder}  no log stream: {found.state.value}, {found.detail}")
    for line in table([("  database", *_database_row(each)) for each in found.databases], right=frozenset({3})):
        out.line(line)
    for finding in found.findings:
        where = f" [{finding.path}]" if finding.path else ""
        out.line(f"  finding     {finding.text}{where}")
    out.record("instance", instance_fields(found))


def _logs(found: FoundInstance) -> str:
    if not found.generations:
        return "none"
    text = range_text(found.generations[0], found.generations[-1])
    gaps = ", ".join(range_text(*gap) for gap in found.missing)
    return f"{text} of {size_text(found.log_file_size)}" + (f"; missing: {gaps}" if gaps else "")


def _database_row(found: FoundDatabase) -> tuple[str, ...]:
    note = found.problem or ("" if found.header is None else last_backups(found.header))
    return (found.path, found.state.value, size_text(found.size), note)


def instance_fields(found: FoundInstance) -> dict[str, Any]:
    """Return an instance as JSON can carry it."""
    return {
        "log_folder": found.log_folder,
        "system_folder": found.system_folder,
        "base_name": found.base_name or None,
        "has_log": found.has_log,
        "state": found.state.value,
        "detail": found.detail,
        "page_size": found.page_size,
        "log_file_size": found.log_file_size,
        "circular": found.circular,
        "generations": list(found.generations),
        "missing": [list(gap) for gap in found.missing],
        "checkpoint": plain(found.checkpoint.checkpoint.checkpoint) if found.checkpoint else None,
        "signature": plain(found.signature),
        "databases": [database_fields(each) for each in found.databases],
        "findings": [plain(finding) for finding in found.findings],
    }


def database_fields(found: FoundDatabase) -> dict[str, Any]:
    """Return a database as JSON can carry it."""
    header = found.header
    fields = {} if header is None else {name: plain(getattr(header, name)) for name in _DATABASE_FIELDS}
    return {
        "path": found.path,
        "state": found.state.value,
        "size": found.size,
        "problem": found.problem,
        **fields,
    }
