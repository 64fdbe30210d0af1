"""`esetui tables DB`: the tables of a database, from its catalog.  Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.format.catalog_row import TableFlags
from esetui.cli.options import PATH, common
from esetui.cli.output import table
from esetui.cli.reading import reading, replayable

if TYPE_CHECKING:
    from engine.catalog import TableDef
    from esetui.cli.exit_codes import ExitCode
    from esetui.cli.output import Output
    from esetui.cli.reading import Replay

_WORDS = {
    TableFlags.SYSTEM: "system",
    TableFlags.TEMPLATE: "template",
    TableFlags.DERIVED: "derived",
    TableFlags.FIXED_DDL: "fixed schema",
}


@click.command("tables")
@click.argument("database", type=PATH, metavar="DB")
@click.option("--count", is_flag=True, help="Count the rows, which reads every leaf page.")
@click.option("--user", is_flag=True, help="Leave out the tables of the engine itself.")
@replayable
@common
def command(out: Output, database: str, *, count: bool, user: bool, replay: Replay | None) -> ExitCode:
    """List the tables of a database."""
    with reading(out, database, replay=replay) as (opened, told):
        head = ("table", "columns", "indexes", "root page", *(("rows",) if count else ()), "kind")
        lines = [head]
        for name in opened.tables(system=not user):
            definition = opened.definition(name)
            rows = opened[name].count() if count else None
            kind = table_kind(definition)
            numbers = [len(definition.columns), len(definition.indexes), definition.root]
            lines.append((name, *map(str, numbers), *((str(rows),) if count else ()), ", ".join(kind)))
            out.record(
                "table",
                name=name,
                objid=definition.objid,
                columns=numbers[0],
                indexes=numbers[1],
                root_page=definition.root,
                rows=rows,
                flags=kind,
                template=definition.template,
            )
        for line in table(lines, right=frozenset(range(1, len(head) - 1))):
            out.line(line)
        return told.code


def table_kind(definition: TableDef) -> list[str]:
    """Return what a table is, in words; nothing for an ordinary one."""
    return [word for flag, word in _WORDS.items() if definition.flags & flag]
