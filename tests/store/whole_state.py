"""What a database holds, in plain Python: tables with their columns and indexes, rows, and the entries of an index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.build import Column, Index

Row = dict[str, Any]
Key: TypeAlias = tuple[tuple[int, Any], ...]
"""Key of an index entry, in the order of the index: a part for each segment."""
NULL: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """An index, and a number that no other one ever had."""

    uid: int
    index: Index


@dataclass(slots=True)
class TableState:
    """One table; `rows` by bookmark.  `long`: whether it has a tree for long values."""

    uid: int
    name: str
    columns: dict[str, Column]
    indexes: dict[str, KnownIndex] = field(default_factory=dict)
    rows: dict[bytes, Row] = field(default_factory=dict)
    long: bool = False

    def copy(self) -> TableState:
        return TableState(self.uid, self.name, dict(self.columns), dict(self.indexes), dict(self.rows), self.long)

    @property
    def has_primary(self) -> bool:
        return any(each.index.primary for each in self.indexes.values())

    @property
    def secondary(self) -> list[KnownIndex]:
        return [each for each in self.indexes.values() if not each.index.primary]

    def column(self, kind: str) -> str | None:
        """Return the name of the column with a property: version, auto_increment."""
        return next((name for name, each in self.columns.items() if getattr(each, kind)), None)

    def fresh_row(self) -> Row:
        """Return what a row has where nothing is said."""
        return {name: 0 if each.version else each.default for name, each in self.columns.items()}

    def keys(self, index: Index, row: Row) -> set[Key]:
        """Return the keys that a row has in an index."""
        parts = [self._parts(segment, row) for segment in index.columns]
        keys: set[Key] = {()}
        for each in parts:
            keys = {(*key, part) for key in keys for part in each}
        return {key for key in keys if not (index.ignore_null and all(part == NULL for part in key))}

    def _parts(self, segment: str, row: Row) -> set[tuple[int, Any]]:
        name = segment.lstrip("+-")
        value = row[name]
        values = value if isinstance(value, tuple) else (value,)
        return {part_of(each, descending=segment.startswith("-")) for each in values}

    def entries(self, index: Index) -> list[tuple[Key, bytes]]:
        """Return key and bookmark of every entry, in order."""
        return sorted((key, mark) for mark, row in self.rows.items() for key in self.keys(index, row))

    def order(self, name: str | None) -> list[tuple[Any, bytes]]:
        """Return the entries of an index by its name, those of the primary order without one."""
        if name is None or self.indexes[name].index.primary:
            return [(mark, mark) for mark in sorted(self.rows)]
        return list(self.entries(self.indexes[name].index))


def part_of(value: Any, *, descending: bool = False) -> tuple[int, Any]:
    """Return the part of a key for a value: nulls lie below all others, in descending order above them."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return (1, value.upper())
    return (-1, -value) if descending else (1, value)


State = dict[int, TableState]
"""Tables by number."""


def copied(state: State) -> State:
    return {uid: table.copy() for uid, table in state.items()}


def find(state: State, name: str) -> TableState | None:
    """Return a table by its name, case not minded."""
    return next((table for table in state.values() if table.name.upper() == name.upper()), None)


class Shown(NamedTuple):
    """A table as anybody can see it."""

    columns: frozenset[str]
    indexes: frozenset[str]
    rows: dict[bytes, Row]


def shown(state: State) -> dict[str, Shown]:
    """Return what a state looks like."""
    return {
        table.name: Shown(frozenset(table.columns), frozenset(table.indexes), table.rows) for table in state.values()
    }


def seen(tables: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Shown]]:
    """Yield what tables look like, live or read from a file: pairs of name and table."""
    for name, table in tables:
        definition = table.definition
        columns = frozenset(column.name for column in definition.columns)
        indexes = frozenset(index.name for index in definition.indexes)
        yield name, Shown(columns, indexes, {row.bookmark: dict(row) for row in table})
