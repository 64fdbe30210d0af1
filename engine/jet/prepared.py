"""The copy of a row that is being prepared: columns as stored bytes, until JetUpdate gives them to the table.

What was not set stays as the row has it (Replace, InsertCopy) or gets its default (Insert).
Source: jet-api reference 3.3, 4.1 (JetPrepareUpdate, JetSetColumn).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from engine.build.tagged import MISSING
from engine.errors import Err, EseError
from engine.format.column import ColumnFlags, Storage
from engine.format.value import decode_value

if TYPE_CHECKING:
    from engine.format.column import ColumnDef
    from engine.store.table import Table


class Prep(IntEnum):
    """JET_prep: what is prepared."""

    INSERT = 0
    REPLACE = 2
    CANCEL = 3
    REPLACE_NO_LOCK = 4
    INSERT_COPY = 5
    INSERT_COPY_DELETE_ORIGINAL = 7


_REPLACES: Final = (Prep.REPLACE, Prep.REPLACE_NO_LOCK)


@dataclass(slots=True)
class Prepared:
    """A row in the making; `bookmark` is that of the row it comes from."""

    prep: Prep
    bookmark: bytes | None = None
    level: int = 0
    """Level of the transaction in which it was prepared."""
    before: bytes | None = None
    """The record as it was, where no lock keeps others from changing it."""
    number: tuple[str, bytes] | None = None
    """Name of the counter's column, and the number that the new row has of it."""
    copied: dict[str, list[bytes]] = field(default_factory=dict)
    """Values of the row that a new one is the copy of."""
    changed: dict[str, list[bytes] | None] = field(default_factory=dict)
    """Values of the columns that were set: an empty list for null, None for the default."""

    @classmethod
    def of(cls, prep: Prep, table: Table, bookmark: bytes | None, level: int) -> Prepared:
        """Prepare a row: a new one gets its number now, a copy its values."""
        made = cls(prep, bookmark, level)
        columns = table.columns
        if made.replaces:
            return made
        counter = next((each for each in columns.values() if each.flags & ColumnFlags.AUTO_INCREMENT), None)
        if counter is not None:
            made.number = counter.name, table.next_number().to_bytes(counter.size, "little")
        if bookmark is not None:
            made._copy(table, bookmark)
        return made

    def _copy(self, table: Table, bookmark: bytes) -> None:
        """Take the values of a row, but for those that it leaves to their default and those that a new row gets."""
        columns = table.columns
        own = ColumnFlags.AUTO_INCREMENT | ColumnFlags.VERSION
        by_default = [
            name for name, each in columns.items() if each.storage is Storage.TAGGED and each.default is not None
        ]
        named = table.stored(bookmark, by_default, defaults=False)
        for name, values in table.stored(bookmark, columns).items():
            if not columns[name].flags & own and values == named.get(name, values):
                self.copied[name] = [each for each in values if each is not None]

    @property
    def replaces(self) -> bool:
        """Whether it is to take the place of the row that it comes from."""
        return self.prep in _REPLACES

    def values(self, table: Table, column: ColumnDef, *, defaults: bool = True) -> list[bytes]:
        """Return the values of a column as they would be written; an empty list for null.

        Without `defaults` a default that would not be written counts as null.
        """
        name = column.name
        if self.number is not None and name == self.number[0]:
            return [self.number[1]]
        if name in self.changed or not self.replaces:
            found = self.changed.get(name, self.copied.get(name))
            if found is not None:
                return found
            return [column.default] if column.default is not None and defaults else []
        if self.bookmark is None:
            return []
        return [each for each in table.stored(self.bookmark, (name,), defaults=defaults)[name] if each is not None]

    def set(self, table: Table, column: ColumnDef, number: int, value: bytes | None) -> None:
        """Set value `number` of a column (from 1; 0 or one too many: a further one), or take it away with None.

        -1518 for a further value of a column that has one only.
        """
        values = list(self.values(table, column))
        if column.storage is not Storage.TAGGED:
            values = [] if value is None else [value]
        elif value is None:
            if not 1 <= number <= len(values) and (values or number != 1):
                return
            del values[number - 1 : number]
        elif 1 <= number <= len(values):
            values[number - 1] = value
        elif values and not column.multi_valued:
            raise EseError.from_code(Err.BadItagSequence, f"{column.name} has one value")
        else:
            values.append(value)
        self.changed[column.name] = values

    def reset(self, column: ColumnDef) -> None:
        """Leave a tagged column to its default."""
        self.changed[column.name] = None

    def row(self, table: Table) -> dict[str, Any]:
        """Return the columns to be written as the table takes them."""
        columns = table.columns
        return {name: _value(columns[name], values) for name, values in {**self.copied, **self.changed}.items()}

    def apply(self, table: Table) -> bytes:
        """Write the row and return its bookmark; the errors of `Table.insert` and `Table.update`.

        -1102 when a row that was not locked has changed since.
        """
        row = self.row(table)
        if self.bookmark is not None and self.before is not None and table.record(self.bookmark) != self.before:
            raise EseError.from_code(Err.WriteConflict, f"a row of {table.name} was changed since it was prepared")
        if self.bookmark is not None and self.replaces:
            table.update(self.bookmark, **row)
            return self.bookmark
        if self.prep is Prep.INSERT_COPY_DELETE_ORIGINAL and self.bookmark is not None:
            table.delete(self.bookmark)
        if self.number is not None:
            return table.insert_numbered(int.from_bytes(self.number[1], "little"), row)
        return table.insert(**row)


def _value(column: ColumnDef, values: list[bytes] | None) -> Any:
    if values is None:
        return MISSING
    if not values:
        return None
    decoded = tuple(decode_value(each, column.type, column.code_page) for each in values)
    return decoded if column.multi_valued else decoded[0]
