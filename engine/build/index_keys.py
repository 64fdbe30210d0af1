"""Which entries a row has in an index.

    single-valued   one entry, subject to the null rules
    multi-valued    one entry for each value of the first multi-valued segment; the other segments use their
                    first value; equal entries count once

Source: database reference 7.6, 7.7, 7.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import Err, EseError
from engine.format.catalog_row import IndexFlags
from engine.format.key import DEFAULT_KEY_MOST, Segment, compile_key, make_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.build.schema import IndexDef
    from engine.build.tagged import Raw
    from engine.format.column import ColumnDef


class KeyMaker:
    """Makes the keys of one index from the stored form of a row's columns."""

    def __init__(self, index: IndexDef, columns: Sequence[ColumnDef]) -> None:
        self.name = index.index.name
        self.flags = index.flags
        self.key_most = index.index.key_most or DEFAULT_KEY_MOST
        self._positions = index.positions
        self._segments = tuple(
            Segment.of(columns[place], descending=segment.descending)
            for place, segment in zip(index.positions, index.segments, strict=True)
        )
        self._segment_most = index.index.segment_most
        self._dotnet = bool(index.flags & IndexFlags.DOTNET_GUID)
        self._quick = compile_key(self._segments, self.key_most, dotnet_guid=self._dotnet)

    def primary_key(self, raw: Sequence[Raw]) -> bytes:
        """Return the one key of a row in a primary index; nulls obey the index's flag only."""
        values: Any = [raw[place] for place in self._positions]
        # Nothing null, and a primary index has no multi-values: every value is bytes.
        if self._quick is not None and None not in values:
            return self._quick(values)
        single = [value[0] if isinstance(value, tuple) else value for value in values]
        if self.flags & IndexFlags.NO_NULL_SEGMENT and None in single:
            raise EseError.from_code(Err.NullKeyDisallowed, self.name)
        return self._key(single)

    def keys(self, raw: Sequence[Raw]) -> Iterable[bytes]:
        """Return the keys of a row in a secondary index, each once."""
        values: Any = [raw[place] for place in self._positions]
        if self._quick is not None and None not in values and not self.flags & IndexFlags.MULTI_VALUED:
            return (self._quick(values),)
        varying = next((place for place, value in enumerate(values) if isinstance(value, tuple)), None)
        first = [value[0] if isinstance(value, tuple) else value for value in values]
        if varying is None:
            return (self._key(first),) if self._has_entry(first) else ()
        found = {}
        instances = values[varying]
        for instance in instances if isinstance(instances, tuple) else ():
            first[varying] = instance
            if self._has_entry(first):
                found[self._key(first)] = True
        return found

    def _has_entry(self, values: Sequence[bytes | None]) -> bool:
        nulls = sum(value is None for value in values)
        if not nulls:
            return True
        if self.flags & IndexFlags.NO_NULL_SEGMENT:
            raise EseError.from_code(Err.NullKeyDisallowed, self.name)
        if nulls == len(values):
            return bool(self.flags & IndexFlags.ALLOW_ALL_NULLS)
        if values[0] is None:
            return bool(self.flags & IndexFlags.ALLOW_FIRST_NULL)
        return bool(self.flags & IndexFlags.ALLOW_SOME_NULLS)

    def _key(self, values: Sequence[bytes | None]) -> bytes:
        most = self.key_most
        forbid = bool(self.flags & IndexFlags.DISALLOW_TRUNCATION)
        key = make_key(
            self._segments,
            values,
            key_most=most + 1 if forbid else most,
            segment_most=self._segment_most,
            nulls_high=bool(self.flags & IndexFlags.NULLS_HIGH),
            dotnet_guid=self._dotnet,
        )
        if len(key) > most:
            raise EseError.from_code(Err.KeyTruncated, self.name)
        return key
