"""Values as cells of a table: short texts with a style, and the type of a column in a word.

Long values outside their record appear by their size and how they begin; one chunk is read for that, not more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError
from engine.format.column import ColumnFlags, ColumnType
from engine.table.long_values import LongValue
from engine.table.values import Unreadable
from esetui.cli.describe.values import value_text
from esetui.tui import words

if TYPE_CHECKING:
    from engine.format.column import ColumnDef
    from engine.table.row import Row

LONGEST: Final = 200
"""Characters of a value that a cell holds."""

_NAMES: Final = {
    ColumnType.BIT: "bit",
    ColumnType.UNSIGNED_BYTE: "uint8",
    ColumnType.SHORT: "int16",
    ColumnType.LONG: "int32",
    ColumnType.CURRENCY: "currency",
    ColumnType.IEEE_SINGLE: "float32",
    ColumnType.IEEE_DOUBLE: "float64",
    ColumnType.DATE_TIME: "time",
    ColumnType.BINARY: "binary",
    ColumnType.TEXT: "text",
    ColumnType.LONG_BINARY: "long binary",
    ColumnType.LONG_TEXT: "long text",
    ColumnType.SLV: "slv",
    ColumnType.UNSIGNED_LONG: "uint32",
    ColumnType.LONG_LONG: "int64",
    ColumnType.GUID: "guid",
    ColumnType.UNSIGNED_SHORT: "uint16",
    ColumnType.UNSIGNED_LONG_LONG: "uint64",
}
_RIGHT: Final = frozenset(_NAMES) - {
    ColumnType.BINARY, ColumnType.TEXT, ColumnType.LONG_BINARY, ColumnType.LONG_TEXT, ColumnType.DATE_TIME,
    ColumnType.GUID, ColumnType.BIT, ColumnType.SLV,
}  # fmt: skip


class Cell(NamedTuple):
    """A value as it is drawn.  `size` are the bytes of a value that is only hinted at, 0 of one that is whole."""

    text: str
    style: str = "plain"
    size: int = 0


def type_word(column: ColumnDef) -> str:
    """Return the type of a column in a word; several values a row are told by brackets."""
    word = _NAMES.get(column.type, str(int(column.type)))
    return f"{word}[]" if column.flags & ColumnFlags.MULTI_VALUED else word


def right_aligned(column: ColumnDef) -> bool:
    """Return whether the values of a column are numbers, which stand under each other."""
    return column.type in _RIGHT and not column.flags & ColumnFlags.MULTI_VALUED


def cell_of(row: Row, name: str) -> Cell:
    """Return the value of a column as a cell."""
    return _cell(row.peek(name))


def _cell(value: object) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, LongValue):
        return _long(value)
    if isinstance(value, Unreadable):
        return Cell(f"unreadable: {value.name.removeprefix('JET_err')}", "bad")
    if isinstance(value, tuple):
        parts = [_cell(each) for each in value[:LONGEST]]
        return Cell(words.crop(f"[{', '.join(each.text for each in parts)}]", LONGEST), "plain")
    if isinstance(value, bytes):
        return Cell(value[: LONGEST // 2].hex(), "accent", len(value) if len(value) > LONGEST // 2 else 0)
    text = value_text(value)
    if not text:
        # An empty text is not the same as no value.
        return Cell('""', "muted")
    return Cell(text[:LONGEST], "plain", len(text) if len(text) > LONGEST else 0)


def _long(value: LongValue) -> Cell:
    try:
        size = value.size
        start = next(value.chunks(), b"")[: 2 * LONGEST]
    except EseError as error:
        return Cell(f"unreadable: {error.name.removeprefix('JET_err')}", "bad")
    shown = value.decoded(start)
    text = shown if isinstance(shown, str) else start.hex()
    return Cell(f"{words.size(size)} {text[:LONGEST]}", "plain" if isinstance(shown, str) else "accent", size)
