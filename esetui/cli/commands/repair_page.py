"""`esetui repair-page DB PGNO...`: damaged pages built anew from a backup set and the logs since."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from engine.env import Environment
from engine.errors import EseError
from engine.monitor import Monitor
from engine.repair import plan_repair, write_repair
from esetui.cli.commands.check import finding_fields, finding_text
from esetui.cli.describe.fields import range_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.options import PATH, common
from esetui.cli.output import is_terminal
from esetui.cli.progress import Reporter
from esetui.cli.signals import Cancellation, stopped

if TYPE_CHECKING:
    from engine.repair import PlannedPage, RepairPlan
    from engine.types import Progress
    from esetui.cli.output import Output

_SHOWN = 20
"""Page numbers that are spelled out on a line."""


@click.command("repair-page")
@click.argument("database", metavar="DB", type=PATH)
@click.argument("pages", metavar="PGNO...", nargs=-1, required=True)
@click.option("--from", "source", metavar="SET", required=True, type=PATH, help="Backup set with a copy of DB.")
@click.option("--logs", type=PATH, help="Folder of the logs since the set; by default that of DB.")
@click.option("--dry-run", is_flag=True, help="Show what would be written; change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def command(
    out: Output,
    database: str,
    pages: tuple[str, ...],
    source: str,
    logs: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """Rebuild damaged pages of a database from a backup set and the logs since.

    PGNO is a page number, or a range as in 40-47.  The copy in the set is replayed, in memory, to the moment at which
    the database was shut down; what that leaves of the pages is checked and written.  What lies there now is kept in
    files beside the database.  The database must have been shut down cleanly.
    """
    numbers = parse_pages(pages)
    out.record("job_started", command="repair-page", path=database, pages=numbers, set=source, logs=logs)
    env = Environment()
    plan = _plan(out, database, numbers, source, logs, env)
    write_plan(out, plan)
    if not plan.ok:
        more = "; name the other damaged pages too" if plan.others.damaged_count else ""
        out.complain(f"the trees would not be whole with these pages; nothing was changed{more}")
        return _finish(out, plan, ExitCode.DAMAGE)
    code = ExitCode.WARNINGS if _something_else(plan) else ExitCode.OK
    if dry_run or not plan.needed:
        out.summary("nothing was changed" if plan.needed else "nothing to repair: the pages are as the log has them")
        return _finish(out, plan, code)
    if not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError("this changes the database; say --yes when nobody can be asked")
        click.confirm(f"Write {len(plan.needed)} page(s) of {plan.path}?", abort=True, err=True)
    # A signal that comes now waits: half a write helps nobody.
    with Cancellation(Monitor()):
        try:
            result = write_repair(plan, env=env)
        except EseError as error:
            failed = exit_code_for(error)
            out.fail(error, unchanged="every other page, and the header", then=next_step(error))
            return _finish(out, plan, failed)
    for path in result.kept:
        out.line(f"kept       {path}: what lay there")
    out.summary(f"repaired   {plan.path}: {_numbers(result.pages)}")
    return _finish(out, plan, code, result.pages, result.kept)


def parse_pages(words: tuple[str, ...]) -> list[int]:
    """Return the page numbers that the words name, ascending; a word is a number, decimal or 0x..., or a range."""
    found: set[int] = set()
    for word in words:
        first, dash, last = word.partition("-")
        try:
            low = int(first, 0)
            high = int(last, 0) if dash else low
        except ValueError:
            raise click.UsageError(f"{word!r} is no page number and no range of them") from None
        if not 1 <= low <= high < 1 << 31:
            raise click.UsageError(f"{word!r}: pages count from 1, and a range goes upwards")
        if high - low >= 1 << 16:
            raise click.UsageError(f"{word!r} is too many pages")
        found.update(range(low, high + 1))
    return sorted(found)


def _plan(
    out: Output, database: str, numbers: list[int], source: str, logs: str | None, env: Environment
) -> RepairPlan:
    monitor = Monitor()
    with Cancellation(monitor) as cancellation, Reporter(out, monitor) as reporter:

        def go_on(_progress: Progress) -> bool:
            return not monitor.cancel_requested

        try:
            return plan_repair(
                database,
                numbers,
                source=source,
                logs=logs,
                progress=go_on,
                monitor=monitor,
                on_event=reporter.event,
                env=env,
            )
        except EseError as error:
            failed = error
    if cancellation.code is not None:
        stopped(out, cancellation.code, "nothing was changed")
    raise failed


def write_plan(out: Output, plan: RepairPlan) -> None:
    """Write a plan in words, and as records."""
    out.line(f"database   {plan.path}: shut down at {plan.ended}")
    out.line(f"set        {plan.set_folder}: {range_text(plan.from_set.start, plan.from_set.stop - 1)}")
    replayed = range_text(plan.replayed.start, plan.replayed.stop - 1)
    out.line(f"logs       {replayed} replayed, newer ones from {plan.log_folder}")
    for page in plan.pages:
        out.line(f"page       {page.pgno}: {page.state.value}; {_belongs(page)}")
        out.record("page", page_fields(page))
    if plan.others.damaged_count:
        out.line(f"also bad   {_numbers(plan.others.damaged, plan.others.damaged_count)}: checksum wrong")
    if plan.others.older_count:
        out.line(f"also old   {_numbers(plan.others.older, plan.others.older_count)}: a write was lost")
    for finding in (*plan.findings, *plan.remaining):
        out.record("finding", finding_fields(plan.path, finding))
        out.line(finding_text(finding))
    out.record(
        "repair_plan",
        path=plan.path,
        set=plan.set_folder,
        logs=plan.log_folder,
        replayed=plan.replayed,
        from_set=plan.from_set,
        ended=plan.ended,
        compared=plan.others.pages,
        damaged=plan.others.damaged,
        older=plan.others.older,
        allowed=plan.ok,
    )


def page_fields(page: PlannedPage) -> dict[str, Any]:
    """Return a planned page as fields, without its bytes."""
    return {
        "page": page.pgno,
        "state": page.state.name.lower(),
        "needed": page.state.needs_repair,
        "table": page.table or None,
        "tree": page.tree or None,
        "objid": page.objid or None,
        "dbtime": page.dbtime,
        "from_log": page.from_log,
        "in_use": page.in_use,
        "code": None if page.error is None else page.error.code,
    }


def _belongs(page: PlannedPage) -> str:
    where = ".".join(each for each in (page.table, page.tree) if each)
    of = f"of {where}" if where else f"of object {page.objid}" if page.objid else "blank"
    origin = "changed by the log since the set" if page.from_log else "as in the set"
    return f"{of}{'' if page.in_use else ', not in use'}; {origin}, dbtime {page.dbtime:,}"


def _numbers(pages: list[int] | tuple[int, ...], count: int | None = None) -> str:
    shown = ", ".join(map(str, pages[:_SHOWN]))
    more = (len(pages) if count is None else count) - min(len(pages), _SHOWN)
    return f"pages {shown}" + (f" and {more:,} more" if more else "")


def _something_else(plan: RepairPlan) -> bool:
    errors = any(each.is_error for each in plan.remaining)
    return bool(plan.others.damaged_count or plan.others.older_count or errors)


def _finish(
    out: Output, plan: RepairPlan, code: ExitCode, written: tuple[int, ...] = (), kept: tuple[str, ...] = ()
) -> ExitCode:
    good = code in (ExitCode.OK, ExitCode.WARNINGS)
    out.record("job_finished", ok=good, exit_code=int(code), path=plan.path, pages=written, kept=kept)
    return code
