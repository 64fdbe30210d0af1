"""Jobs that read a database: recovered in memory for looking at, its rows written to a file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.env import Environment
from engine.files.oserror import from_os_error
from engine.monitor import Phase
from engine.recovery.memory import open_recovered
from engine.recovery.stop import Lose
from engine.table import open_database
from esetui.actions import quote
from esetui.cli.describe.rows import FORMS, values
from esetui.jobs import Cancelled, JobKind
from esetui.tui import words
from esetui.tui.browse.matches import RowFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.monitor import Monitor
    from engine.recovery.memory import Recovered
    from engine.table import Table
    from engine.types import Progress
    from esetui.jobs import Job
    from esetui.tui.browse.session import Session, Shown
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView
    from esetui.tui.recovery.until import Wish

_LOOK = 256
"""Rows between two looks at whether to stop."""


def replay(
    control: Control,
    path: str,
    view: InstanceView | None,
    ready: Callable[[Recovered], object],
    *,
    wish: Wish | None = None,
) -> Job:
    """Recover the database at `path` in memory, in a job; `ready` gets the pages in the job's thread and owns them."""

    def work(monitor: Monitor) -> str:
        monitor.phase = Phase.STARTING
        monitor.detail = "replaying the log in memory"

        def progress(step: Progress) -> bool:
            monitor.bytes_total, monitor.bytes_done = step.total, step.done
            return not monitor.cancel_requested

        # The logs need not lie beside the database.
        logs = None if view is None or not view.logs.high else view.folder
        recovered = open_recovered(
            path,
            logs=logs,
            env=Environment(fs=control.fs),
            progress=progress,
            stop=None if wish is None else wish.stop,
            lose=Lose.NOTHING if wish is None else wish.lose,
        )
        for event in recovered.events:
            control.feed.add_event(event)
        ready(recovered)
        pages = sum(each.replayed for each in recovered.databases)
        return f"Recovered in memory: {words.plural(pages, 'page')} differ from the files, which are as they were."

    return control.submit(JobKind.REPLAY, work, view, subject=path)


def export_rows(control: Control, session: Session, shown: Shown, text: str, target: str, command: str) -> Job:
    """Write the rows of a table to a new file, in a job; those that fit `text`, when there is any."""
    session.hold()

    def work(monitor: Monitor) -> str:
        try:
            return write(monitor)
        finally:
            session.let_go()

    def write(monitor: Monitor) -> str:
        with open_database(session.path, fs=control.fs, pages=session.pages) as database:
            table = database[shown.name]
            names = list(table.columns)
            wanted = RowFilter(text, table.columns)
            rows = _fitting(table, shown.index, wanted) if wanted else values(table, names, shown.index)
            form = FORMS["csv" if target.lower().endswith(".csv") else "jsonl"]
            lines = form(names, rows)
            count = _write(Path(target), lines, monitor)
        return f"{words.plural(count, 'line')} written to {target}."

    line = f"{command} > {quote(target)}"
    return control.submit(JobKind.EXPORT, work, None, subject=shown.name, target=target, command=line)


def _fitting(table: Table, index: str | None, wanted: RowFilter) -> Iterator[tuple[Any, ...]]:
    for row in table.cursor(index):
        if wanted.fits(row):
            yield row.astuple()


def _look(monitor: Monitor) -> None:
    if monitor.cancel_requested:
        raise Cancelled


def _write(path: Path, lines: Iterator[str], monitor: Monitor) -> int:
    """Write lines to a new file, which is not left half-made, and return how many there were."""
    count = 0
    try:
        out = path.open("x", encoding="utf-8", newline="\n")
    except OSError as error:
        raise from_os_error(error, str(path), doing="export") from error
    try:
        with out:
            while piece := list(islice(lines, _LOOK)):
                _look(monitor)
                out.writelines(f"{line}\n" for line in piece)
                count += len(piece)
                monitor.detail = f"{words.count(count)} lines"
    except BaseException:
        path.unlink()
        raise
    return count
