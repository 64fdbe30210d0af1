"""Tables and indexes as the catalog describes them; columns are `engine.format.column.ColumnDef`.

Source: database reference 5.3-5.5, 5.8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.format.catalog_row import CatalogRow, IndexFlags, TableFlags
from engine.format.key import Segment, TextOrder, compile_key, make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.format.column import ColumnDef


_SYSTEM: Final = int(TableFlags.SYSTEM)


@dataclass(frozen=True, slots=True)
class IndexColumn:
    """A segment of an index; `must_be_null` matters in conditions only."""

    column: ColumnDef
    descending: bool = False
    must_be_null: bool = False

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.column.name


@dataclass(frozen=True, slots=True)
class IndexDef:
    """An index as the catalog describes it.

    `root` is its root page, `objid` its object (both those of the table for the primary index), `key_most` and
    `segment_most` the longest key and variable segment in bytes, `tuple_limits` and `version` as stored.
    """

    name: str
    objid: int
    root: int
    flags: IndexFlags
    columns: tuple[IndexColumn, ...]
    density: int = 0
    key_most: int = 255
    segment_most: int | None = None
    conditions: tuple[IndexColumn, ...] = ()
    tuple_limits: bytes | None = None
    locale: str | None = None
    lcmap_flags: int = 0
    version: bytes | None = None
    sort_id: bytes | None = None

    @property
    def primary(self) -> bool:
        """Whether the table's rows are kept in its order."""
        return bool(self.flags & IndexFlags.PRIMARY)

    @property
    def unique(self) -> bool:
        """Whether a key occurs once."""
        return bool(self.flags & (IndexFlags.UNIQUE | IndexFlags.PRIMARY))

    segments: tuple[Segment, ...] = field(init=False, repr=False, compare=False)
    """What the key of each column depends on."""
    _quick: Callable[[Sequence[bytes]], bytes] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = TextOrder.named(self.locale)
        segments = tuple(Segment.of(each.column, descending=each.descending, order=order) for each in self.columns)
        object.__setattr__(self, "segments", segments)
        dotnet = bool(self.flags & IndexFlags.DOTNET_GUID)
        quick = compile_key(segments, self.key_most, dotnet_guid=dotnet) if segments else None
        object.__setattr__(self, "_quick", quick if self.segment_most is None else None)

    def key(self, raw: Sequence[bytes | None]) -> bytes:
        """Return the key of stored values, one a column or fewer for the beginning of a key; -1001 as `make_key`."""
        if self._quick is not None and len(raw) == len(self.segments) and all(raw):
            return self._quick(raw)  # type: ignore[arg-type]  # none is null
        return make_key(
            self.segments[: len(raw)],
            raw,
            key_most=self.key_most,
            segment_most=self.segment_most,
            nulls_high=bool(self.flags & IndexFlags.NULLS_HIGH),
            dotnet_guid=bool(self.flags & IndexFlags.DOTNET_GUID),
        )


@dataclass(frozen=True, slots=True)
class TableDef:
    """A table as the catalog describes it.

    `columns` are in the order of their ids, those of the template first.  `long_values` is the catalog row of the
    long-value tree, `chunk` the bytes of its chunks, `separate` the longest long value kept in a record (None: the
    engine's own limit).
    """

    name: str
    objid: int
    root: int
    flags: TableFlags
    columns: tuple[ColumnDef, ...]
    indexes: tuple[IndexDef, ...]
    row: CatalogRow
    chunk: int
    long_values: CatalogRow | None = None
    template: str | None = None
    separate: int | None = None
    callbacks: tuple[CatalogRow, ...] = ()
    gone: tuple[CatalogRow, ...] = ()
    """Rows of deleted columns, whose bytes stay in old records and whose ids are not used again."""

    @property
    def primary(self) -> IndexDef | None:
        """The primary index; None when rows are kept by a number that no column shows."""
        return next((index for index in self.indexes if index.primary), None)

    @property
    def is_system(self) -> bool:
        """Whether the engine made it for itself."""
        return bool(int(self.flags) & _SYSTEM)
