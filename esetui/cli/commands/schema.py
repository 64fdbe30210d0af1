"""`esetui schema DB [TABLE]`: columns and indexes of tables, from the catalog.  Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.errors import EseError
from engine.format.catalog_row import IndexFlags
from engine.format.column import ColumnFlags
from engine.format.value import CONVERSION_ERRORS, decoder
from esetui.cli.commands.tables import table_kind
from esetui.cli.describe.values import json_text
from esetui.cli.options import PATH, common
from esetui.cli.output import table
from esetui.cli.reading import reading, replayable

if TYPE_CHECKING:
    from engine.catalog import IndexDef, TableDef
    from engine.format.column import ColumnDef
    from esetui.cli.exit_codes import ExitCode
    from esetui.cli.output import Output
    from esetui.cli.reading import Replay

_COLUMN_WORDS = {
    ColumnFlags.NOT_NULL: "not null",
    ColumnFlags.AUTO_INCREMENT: "auto-increment",
    ColumnFlags.VERSION: "version",
    ColumnFlags.ESCROW_UPDATE: "escrow",
    ColumnFlags.MULTI_VALUED: "multi-valued",
    ColumnFlags.FINALIZE: "finalize",
    ColumnFlags.DELETE_ON_ZERO: "delete on zero",
    ColumnFlags.COMPRESSED: "compressed",
    ColumnFlags.ENCRYPTED: "encrypted",
    ColumnFlags.USER_DEFINED_DEFAULT: "default by callback",
}
_INDEX_WORDS = {
    IndexFlags.PRIMARY: "primary",
    IndexFlags.UNIQUE: "unique",
    IndexFlags.NO_NULL_SEGMENT: "no null",
    IndexFlags.NULLS_HIGH: "nulls high",
    IndexFlags.MULTI_VALUED: "multi-valued",
    IndexFlags.UNICODE_TEXT: "Unicode text",
    IndexFlags.CROSS_PRODUCT: "cross product",
    IndexFlags.NESTED_TABLE: "nested table",
    IndexFlags.DISALLOW_TRUNCATION: "no truncation",
    IndexFlags.DEFERRED_POPULATE: "not complete",
}

_NULL_WORDS = {
    IndexFlags.ALLOW_ALL_NULLS: "without all null",
    IndexFlags.ALLOW_FIRST_NULL: "without first null",
    IndexFlags.ALLOW_SOME_NULLS: "without any null",
}
"""Which entries are left out when a flag is missing: all, first or some segments null."""


@click.command("schema")
@click.argument("database", type=PATH, metavar="DB")
@click.argument("name", required=False, metavar="[TABLE]")
@replayable
@common
def command(out: Output, database: str, name: str | None, *, replay: Replay | None) -> ExitCode:
    """Show columns and indexes of a table, or of all."""
    with reading(out, database, replay=replay) as (opened, told):
        for number, each in enumerate(opened.tables() if name is None else [name]):
            if number:
                out.line()
            write_table(out, opened.definition(each))
        return told.code


def write_table(out: Output, definition: TableDef) -> None:
    """Write one table."""
    kind = table_kind(definition)
    words = [*kind, f"from {definition.template}"] if definition.template else kind
    out.line(
        f"{definition.name}  object {definition.objid}, root page {definition.root}"
        + "".join(f", {word}" for word in words)
    )
    for line in table([("  id", "column", "type", "size", "code page", ""), *map(_column_cells, definition.columns)]):
        out.line(line)
    if definition.indexes:
        out.line()
        for line in table([("  index", "columns", ""), *map(_index_cells, definition.indexes)]):
            out.line(line)
    out.record(
        "schema",
        name=definition.name,
        objid=definition.objid,
        root_page=definition.root,
        flags=kind,
        template=definition.template,
        long_values=definition.long_values is not None,
        columns=[column_fields(column) for column in definition.columns],
        indexes=[index_fields(index) for index in definition.indexes],
    )


def _words(column: ColumnDef) -> list[str]:
    return [word for flag, word in _COLUMN_WORDS.items() if column.flags & flag]


def default_of(column: ColumnDef) -> Any:
    """Return the default of a column, None when it has none; as stored when it does not fit the type."""
    if column.default is None:
        return None
    try:
        return decoder(column.type, column.code_page)(column.default)
    except (EseError, *CONVERSION_ERRORS):
        return column.default


def _column_cells(column: ColumnDef) -> tuple[str, ...]:
    words = _words(column)
    if column.default is not None:
        words.append(f"default {json_text(default_of(column))}")
    size = str(column.size) if column.size else ""
    page = str(column.code_page) if column.type.is_text else ""
    return (f"  {column.id}", column.name, type_name(column), size, page, ", ".join(words))


def type_name(column: ColumnDef) -> str:
    """Return the type as the engine's documentation writes it: LongText, UnsignedByte, ..."""
    name = column.type.name.title().replace("_", "")
    return {"Guid": "GUID", "IeeeSingle": "IEEESingle", "IeeeDouble": "IEEEDouble", "Slv": "SLV"}.get(name, name)


def column_fields(column: ColumnDef) -> dict[str, Any]:
    """Return a column as JSON fields; `default` is spelled like a value of a row."""
    return {
        "id": column.id,
        "name": column.name,
        "type": type_name(column),
        "storage": column.storage.value,
        "size": column.size,
        "code_page": column.code_page or None,
        "flags": _words(column),
        "default": default_of(column),
    }


def _segments(index: IndexDef) -> list[str]:
    return [f"{'-' if each.descending else '+'}{each.name}" for each in index.columns]


def _index_cells(index: IndexDef) -> tuple[str, ...]:
    words = [word for flag, word in _INDEX_WORDS.items() if index.flags & flag]
    words += [word for flag, word in _NULL_WORDS.items() if not index.primary and not index.flags & flag]
    words += [f"only if {each.name} is {'' if each.must_be_null else 'not '}null" for each in index.conditions]
    return (f"  {index.name}", " ".join(_segments(index)), ", ".join(words))


def index_fields(index: IndexDef) -> dict[str, Any]:
    """Return an index as JSON fields."""
    return {
        "name": index.name,
        "objid": index.objid,
        "root_page": index.root,
        "columns": _segments(index),
        "primary": index.primary,
        "unique": index.unique,
        "flags": [word for flag, word in _INDEX_WORDS.items() if index.flags & flag],
        "key_most": index.key_most,
        "density": index.density,
        "locale": index.locale,
        "conditions": [f"{each.name} is {'' if each.must_be_null else 'not '}null" for each in index.conditions],
    }
