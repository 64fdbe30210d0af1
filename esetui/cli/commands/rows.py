"""`esetui rows DB TABLE`: the rows of a table, as JSON lines, CSV or a table.  Reads only, in constant memory.

    jsonl    an object a row: column -> value; every column is there, null included
    csv      a header, then a line a row
    table    columns of equal width, long values cut; for looking at

Damage on the way goes to standard error and into the exit code; the rows that can be had are written all the same.
With `--json` a row is the `row` of a line of type `row`, and findings are lines of their own.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from engine.table import Unreadable
from esetui.cli.describe.rows import FORMS, values
from esetui.cli.describe.values import finite, value_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.options import PATH, common
from esetui.cli.reading import reading, replayable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esetui.cli.output import Output
    from esetui.cli.reading import Replay, Told

_BATCH: Final = 1 << 16
"""Characters that are gathered before they are written."""


@click.command("rows")
@click.argument("database", type=PATH, metavar="DB")
@click.argument("name", metavar="TABLE")
@click.option("--index", help="In the order of this index; without it in primary order.")
@click.option("--columns", help="Names separated by commas; without it all.")
@click.option("--format", "form", type=click.Choice(("jsonl", "csv", "table")), default="jsonl", show_default=True)
@click.option("-n", "--limit", type=click.IntRange(min=0), help="At most so many rows.")
@click.option("--strict", is_flag=True, help="Stop at the first damage.")
@replayable
@common
def command(  # noqa: PLR0913 - one for each option
    out: Output,
    database: str,
    name: str,
    index: str | None,
    columns: str | None,
    form: str,
    limit: int | None,
    *,
    strict: bool,
    replay: Replay | None,
) -> ExitCode:
    """Write the rows of a table."""
    with reading(out, database, strict=strict, replay=replay) as (opened, told):
        table = opened[name]
        names = [each.strip() for each in columns.split(",")] if columns else list(table.columns)
        rows = islice(watched(values(table, names, index), told), limit)
        if out.json:
            for row in rows:
                out.record("row", row=json_row(names, row))
                if out.closed:
                    break
        else:
            write(out, FORMS[form](names, rows, escape=out.out.isatty()))
        return told.code


def watched(rows: Iterator[tuple[Any, ...]], told: Told) -> Iterator[tuple[Any, ...]]:
    """Pass rows on; a value that cannot be read is something to look at."""
    for row in rows:
        if any(isinstance(value, Unreadable) for value in row):
            told.note(ExitCode.WARNINGS)
        yield row


def json_row(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return a row in the form that JSON lines of a command carry."""
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Unreadable):
        return {"error": value.name, "code": value.code, "detail": value.detail}
    return finite(value) if isinstance(value, float) else value_text(value)


def write(out: Output, lines: Iterator[str]) -> None:
    """Write lines in batches until there are no more, or nobody reads them."""
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size > _BATCH:
            out.raw("\n".join(batch))
            batch, size = [], 0
            if out.closed:
                return
    if batch:
        out.raw("\n".join(batch))
