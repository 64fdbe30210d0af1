"""The keys of a row in an index, made from the stored form of the row's columns.

Which entries there are is the business of `engine.catalog.entries`; here are the errors of a row that must not have
the key it would have, and the quick way for the usual row: numbers, nothing null, no several values.

Hot path: `KeyMaker.keys` and `primary_key` run once a row.  Source: database reference 7.6, 7.7, 7.9.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.catalog.entries import Depth, EntryMaker, TooManyEntriesError
from engine.errors import Err, EseError
from engine.format.catalog_row import IndexFlags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.build.tagged import Raw
    from engine.catalog import IndexDef
    from engine.catalog.entries import Values
    from engine.format.column import ColumnDef


class KeyMaker:
    """Makes the keys of one index; `columns` are those of the table, in the order of the stored values."""

    def __init__(self, index: IndexDef, columns: Sequence[ColumnDef]) -> None:
        self.name = index.name
        self.key_most = index.key_most
        self._forbid_null = bool(index.flags & IndexFlags.NO_NULL_SEGMENT)
        self._forbid_cut = bool(index.flags & IndexFlags.DISALLOW_TRUNCATION)
        # A key that may not be cut is made one byte longer than allowed, to see whether it would be.
        self._entries = EntryMaker(replace(index, key_most=index.key_most + 1) if self._forbid_cut else index)
        self._places = {(column.derived, column.id): place for place, column in enumerate(columns)}
        self._positions = tuple(self._places[each.column.derived, each.column.id] for each in index.columns)
        self._conditions = tuple(
            (self._places[each.column.derived, each.column.id], each.must_be_null) for each in index.conditions
        )
        self.needed = frozenset((*self._positions, *(place for place, _ in self._conditions)))
        """Positions of the columns that keys and conditions depend on."""
        self._refused = self._entries.reason if self._entries.depth is Depth.NOTHING else ""
        quick = None if self._forbid_cut or self._refused else self._entries.quick
        self._quick_primary = quick
        self._quick = None if self._conditions or any(columns[at].multi_valued for at in self._positions) else quick

    def primary_key(self, raw: Sequence[Raw]) -> bytes:
        """Return the one key of a row in a primary index.

        -1053 for a null that the index does not allow, -346 for a key that would be cut where that is not allowed.
        """
        values: Any = [raw[place] for place in self._positions]
        # Nothing null, and a primary index has no multi-values: every value is bytes.
        if self._quick_primary is not None and None not in values:
            return self._quick_primary(values)
        if self._forbid_null and None in values:
            raise EseError.from_code(Err.NullKeyDisallowed, self.name)
        key = self._entries.primary_key(self._value_of(raw))
        self._check(key)
        return key

    def keys(self, raw: Sequence[Raw]) -> Iterable[bytes]:
        """Return the keys of a row in a secondary index, each once; errors as `primary_key`.

        -1001 for an index whose keys cannot be made here.
        """
        if self._quick is not None:
            values: Any = [raw[place] for place in self._positions]
            if None not in values:
                return (self._quick(values),)
        if self._refused:
            raise EseError.from_code(Err.FeatureNotAvailable, f"index {self.name}: {self._refused}")
        if not self._met(raw):
            return ()
        if self._forbid_null and None in [raw[place] for place in self._positions]:
            raise EseError.from_code(Err.NullKeyDisallowed, self.name)
        try:
            found = self._entries.keys(self._value_of(raw))
        except TooManyEntriesError as error:
            raise EseError.from_code(Err.OutOfMemory, f"too many entries for one row in index {self.name}") from error
        if self._forbid_cut:
            for key in found:
                self._check(key)
        return found

    def _met(self, raw: Sequence[Raw]) -> bool:
        return all((raw[place] is None) == must_be_null for place, must_be_null in self._conditions)

    def _value_of(self, raw: Sequence[Raw]) -> Callable[[ColumnDef], Values]:
        places = self._places

        def values(column: ColumnDef) -> Values:
            value = raw[places[column.derived, column.id]]
            return value if isinstance(value, tuple) else (value,)

        return values

    def _check(self, key: bytes) -> None:
        if self._forbid_cut and len(key) > self.key_most:
            raise EseError.from_code(Err.KeyTruncated, self.name)
