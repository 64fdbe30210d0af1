"""The entries that a record should have in an index, from the record's stored values.

    plain           one entry, subject to the null rules
    multi-valued    one for each value of the first multi-valued segment, the others with their first value; with
                    cross product for all combinations; nested: the k-th values of all columns together
    conditional     only when every listed column is there, or is null where that is asked for
    tuple           one for each substring of the first segment

Keys over Unicode text of a locale need the sort tables of Windows.  Of such an index only the bookmarks are compared,
or, where a record may have several entries, their number is held between two bounds.

Source: database reference 7.6-7.9.
"""

from __future__ import annotations

import struct
from enum import Enum
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias

from engine.format.catalog_row import IndexFlags
from engine.format.column import UNICODE, ColumnFlags
from engine.format.key import compile_key, make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.catalog import IndexDef
    from engine.format.column import ColumnDef

Values: TypeAlias = "tuple[bytes | None, ...]"
"""The values of a column in a record; one None when it has none."""

_TUPLE_LIMITS = struct.Struct("<III")
_TUPLE_LIMITS_LONG = struct.Struct("<IIIII")
_MOST_TUPLES: Final = 32767
_MOST_COMBINATIONS: Final = 100_000
_UNICODE_UNIT: Final = 2
# Plain numbers: for every record an operation on flags costs ten times as much.
_ALL_NULLS: Final = int(IndexFlags.ALLOW_ALL_NULLS)
_FIRST_NULL: Final = int(IndexFlags.ALLOW_FIRST_NULL)
_SOME_NULLS: Final = int(IndexFlags.ALLOW_SOME_NULLS)
_CROSS: Final = int(IndexFlags.CROSS_PRODUCT)
_NESTED: Final = int(IndexFlags.NESTED_TABLE)


class Depth(Enum):
    """How much of an index can be compared."""

    KEYS = "keys"
    BOOKMARKS = "bookmarks"
    COUNT = "count"
    NOTHING = "nothing"


class TooManyEntriesError(Exception):
    """A record that would have more entries than an engine would make."""


class EntryMaker:
    """Makes the keys of one index."""

    def __init__(self, index: IndexDef) -> None:
        self.index = index
        flags = index.flags
        self.columns: tuple[ColumnDef, ...] = tuple(each.column for each in index.columns)
        self.needed = frozenset(each.column for each in (*index.columns, *index.conditions))
        self._segments = index.segments
        self._flags = int(flags)
        self._nulls_high = bool(flags & IndexFlags.NULLS_HIGH)
        self._dotnet = bool(flags & IndexFlags.DOTNET_GUID)
        self._varying = next((place for place, column in enumerate(self.columns) if column.multi_valued), None)
        self._several = bool(flags & (IndexFlags.MULTI_VALUED | IndexFlags.CROSS_PRODUCT | IndexFlags.NESTED_TABLE))
        self._tuples = _limits(index.tuple_limits)
        self.quick: Callable[[Sequence[bytes]], bytes] | None = None
        """Makes the key of a record without nulls and several values, where that is all there is to it."""
        if index.segment_most is None and not self._several and self._tuples is None:
            self.quick = compile_key(self._segments, index.key_most, dotnet_guid=self._dotnet)
        self.depth, self.reason = self._judge()

    def _judge(self) -> tuple[Depth, str]:
        """Return how much can be compared, and why no more."""
        flags = self.index.flags
        if flags & IndexFlags.DEFERRED_POPULATE:
            return Depth.NOTHING, "the index is filled later and may be incomplete"
        if any(each.flags & ColumnFlags.USER_DEFINED_DEFAULT for each in self.needed):
            return Depth.NOTHING, "a column has its default from a function"
        if any(each.flags & ColumnFlags.ENCRYPTED for each in self.needed):
            return Depth.NOTHING, "a column is encrypted"
        if any(each.type.is_text and each.code_page == UNICODE and each.order is None for each in self._segments):
            reason = "keys over Unicode text need the sort tables of Windows"
            if self._several or self._tuples is not None:
                return Depth.COUNT, f"only the number of entries is compared: {reason}"
            return Depth.BOOKMARKS, f"only the bookmarks are compared: {reason}"
        return Depth.KEYS, ""

    def primary_key(self, value_of: Callable[[ColumnDef], Values]) -> bytes:
        """Return the key of a record in the primary index, where null rules make no difference."""
        values = [value_of(column)[0] for column in self.columns]
        return self._key(values)

    def rows(self, value_of: Callable[[ColumnDef], Values]) -> Iterable[Sequence[bytes | None]]:
        """Yield the values of each entry of a record, one a segment; equal ones may come again."""
        for condition in self.index.conditions:
            if (value_of(condition.column)[0] is None) != condition.must_be_null:
                return
        values = [value_of(column) for column in self.columns]
        if self._tuples is not None:
            values[0] = self._substrings(values[0] if self._several else values[0][:1])
            if not values[0]:
                return
        for row in self._combined(values):
            if self._has_entry(row):
                yield row

    def keys(self, value_of: Callable[[ColumnDef], Values]) -> Iterable[bytes]:
        """Return the keys of a record, each once."""
        if self.quick is not None and not self.index.conditions:
            values = [value_of(column)[0] for column in self.columns]
            if None not in values:
                return (self.quick(values),)  # type: ignore[arg-type]
        return {self._key(row) for row in self.rows(value_of)}

    def _substrings(self, values: Values) -> Values:
        """Return the substrings that a tuple index has instead of the values of its first segment."""
        shortest, longest, most, step, start = self._tuples or (0, 0, 0, 1, 0)
        column = self.columns[0]
        unit = _UNICODE_UNIT if column.type.is_text and column.code_page == UNICODE else 1
        found: list[bytes] = []
        for raw in values:
            if raw is None:
                continue
            for count, at in enumerate(range(start * unit, len(raw), max(1, step) * unit)):
                if count >= most or len(raw) - at < shortest * unit:
                    break
                found.append(raw[at : at + longest * unit])
        return tuple(found)

    def _combined(self, values: Sequence[Values]) -> Iterable[Sequence[bytes | None]]:
        flags = self._flags
        if self._tuples is not None and not flags & _CROSS:
            return ((each, *(other[0] for other in values[1:])) for each in values[0])
        if not self._several:
            return ([each[0] for each in values],)
        if flags & _NESTED:
            return self._nested(values)
        if flags & _CROSS:
            if prod(len(each) for each in values) > _MOST_COMBINATIONS:
                raise TooManyEntriesError
            return product(*values)
        varying = self._varying
        if varying is None:
            return ([each[0] for each in values],)
        before = [each[0] for each in values[:varying]]
        after = [each[0] for each in values[varying + 1 :]]
        return ([*before, each, *after] for each in values[varying])

    def _nested(self, values: Sequence[Values]) -> Iterable[Sequence[bytes | None]]:
        longest = max(len(each) for each in values)
        for place in range(longest):
            yield [
                (each[place] if place < len(each) else None) if column.multi_valued else each[0]
                for column, each in zip(self.columns, values, strict=True)
            ]

    def _has_entry(self, values: Sequence[bytes | None]) -> bool:
        if None not in values:
            return True
        if values.count(None) == len(values):
            return bool(self._flags & _ALL_NULLS)
        return bool(self._flags & (_FIRST_NULL if values[0] is None else _SOME_NULLS))

    def _key(self, values: Sequence[bytes | None]) -> bytes:
        if self.quick is not None and None not in values:
            return self.quick(values)  # type: ignore[arg-type]
        index = self.index
        return make_key(
            self._segments,
            values,
            key_most=index.key_most,
            segment_most=index.segment_most,
            nulls_high=self._nulls_high,
            dotnet_guid=self._dotnet,
        )


def _limits(raw: bytes | None) -> tuple[int, int, int, int, int] | None:
    """Return (shortest, longest, most, step, start) of a tuple index; None for any other."""
    if raw is None or len(raw) < _TUPLE_LIMITS.size:
        return None
    if len(raw) >= _TUPLE_LIMITS_LONG.size:
        shortest, longest, most, step, start = _TUPLE_LIMITS_LONG.unpack_from(raw)
    else:
        shortest, longest, most = _TUPLE_LIMITS.unpack_from(raw)
        step, start = 1, 0
    return shortest, longest, min(most, _MOST_TUPLES), max(1, step), start
