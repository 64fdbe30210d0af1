"""Rows as text: JSON lines, CSV, or a table; the command and the console write them with the same code.

jsonl    an object a row: column -> value; every column is there, null included
csv      a header, then a line a row
table    columns of equal width, long values cut; for looking at
"""

from __future__ import annotations

import csv
import io
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from engine.errors import printable
from esetui.cli.describe.values import json_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.table import Table

_SAMPLE: Final = 100
"""Rows that the widths of a table are taken from."""
_WIDEST: Final = 40


def values(table: Table, names: Sequence[str], index: str | None) -> Iterator[tuple[Any, ...]]:
    """Return the rows as tuples, in the order of an index."""
    found = table.values(names)
    if index is None:
        return found
    cursor = table.cursor(index)
    return (tuple([row[name] for name in names]) for row in cursor)


def as_jsonl(names: Sequence[str], rows: Iterator[tuple[Any, ...]], *, escape: bool = False) -> Iterator[str]:  # noqa: ARG001
    """Yield an object a row; JSON is pure ASCII and needs no escaping."""
    for row in rows:
        yield json_text(dict(zip(names, row, strict=True)))


def as_csv(names: Sequence[str], rows: Iterator[tuple[Any, ...]], *, escape: bool = False) -> Iterator[str]:
    """Yield a header and a line a row; `escape` makes control characters visible, for a terminal."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    for row in chain([tuple(names)], rows):
        cells = [value_text(value) for value in row]
        writer.writerow([printable(cell) for cell in cells] if escape else cells)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def as_table(names: Sequence[str], rows: Iterator[tuple[Any, ...]], *, escape: bool = True) -> Iterator[str]:  # noqa: ARG001
    """Yield lines of equal columns; the first rows decide how wide they are, and nothing is left unescaped."""
    cells = ([_cell(value) for value in row] for row in rows)
    sample = [[_cell(name) for name in names], *islice(cells, _SAMPLE)]
    widths = [max(len(row[at]) for row in sample) for at in range(len(names))]
    for row in chain(sample, cells):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    text = printable(value_text(value))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


FORMS: Final = {"jsonl": as_jsonl, "csv": as_csv, "table": as_table}
