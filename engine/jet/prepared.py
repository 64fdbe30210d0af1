"""The copy of a row that is being prepared: columns as stored bytes, until JetUpdate gives them to the table.

What was not set stays as the row has it (Replace, InsertCopy) or gets its default (Insert).
Source: jet-api reference 3.3, 4.1 (JetPrepareUpdate, JetSetColumn).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from engine.errors import Err, EseError
from engine.format.column import ColumnFlags
from engine.format.value import decode_value

if TYPE_CHECKING:
    from engine.format.column import ColumnDef
    from engine.store.table import Table

Values = tuple[bytes | None, ...]


class Prep(IntEnum):
    """JET_prep: what is prepared."""

    INSERT = 0
    REPLACE = 2
    CANCEL = 3
    REPLACE_NO_LOCK = 4
    INSERT_COPY = 5
    INSERT_COPY_DELETE_ORIGINAL = 7


@dataclass(slots=True)
class Prepared:
    """A row in the making; `bookmark` is that of the row it comes from."""

    prep: Prep
    bookmark: bytes | None = None
    changed: dict[str, list[bytes]] = field(default_factory=dict)
    """Values of the columns that were set, an empty list for null."""

    def values(self, table: Table, column: ColumnDef) -> list[bytes]:
        """Return the values of a column as they would be written; an empty list for null."""
        found = self.changed.get(column.name)
        if found is not None:
            return found
        if self.bookmark is None or self._is_new(column):
            return [] if column.default is None else [column.default]
        return [each for each in table.stored(self.bookmark, (column.name,))[column.name] if each is not None]

    def _is_new(self, column: ColumnDef) -> bool:
        """Say whether a copy gets a value of its own: numbers and versions are not copied."""
        copies = self.prep in (Prep.INSERT_COPY, Prep.INSERT_COPY_DELETE_ORIGINAL)
        return copies and bool(column.flags & (ColumnFlags.AUTO_INCREMENT | ColumnFlags.VERSION))

    def set(self, table: Table, column: ColumnDef, number: int, value: bytes | None) -> None:
        """Set value `number` of a column (from 1; 0 or one too many: a further one), or take it away with None."""
        values = list(self.values(table, column))
        if not column.multi_valued:
            values, number = values[:1], 1
        if value is None:
            del values[max(number, 1) - 1 : max(number, 1)]
        elif 1 <= number <= len(values):
            values[number - 1] = value
        else:
            values.append(value)
        self.changed[column.name] = values

    def row(self, table: Table) -> dict[str, Any]:
        """Return the columns to be written as the table takes them."""
        names = list(self.changed)
        if self.prep in (Prep.INSERT_COPY, Prep.INSERT_COPY_DELETE_ORIGINAL):
            names = [each.name for each in table.columns.values() if not self._is_new(each)]
        return {name: _value(table.columns[name], self.values(table, table.columns[name])) for name in names}

    def apply(self, table: Table) -> bytes:
        """Write the row and return its bookmark; the errors of `Table.insert` and `Table.update`."""
        if self.bookmark is not None and self.prep in (Prep.REPLACE, Prep.REPLACE_NO_LOCK):
            table.update(self.bookmark, **self.row(table))
            return self.bookmark
        return table.insert(**self.row(table))


def _value(column: ColumnDef, values: list[bytes]) -> Any:
    if not values:
        return None
    decoded = tuple(decode_value(each, column.type, column.code_page) for each in values)
    return decoded if column.multi_valued else decoded[0]


def check_original(prep: Prep, table: Table) -> None:
    """Refuse to move a row of a table that numbers its rows: -1001, because the number would change."""
    if prep is Prep.INSERT_COPY_DELETE_ORIGINAL and any(
        each.flags & ColumnFlags.AUTO_INCREMENT for each in table.columns.values()
    ):
        raise EseError.from_code(Err.FeatureNotAvailable, f"{table.name}: the copy would get another number")
