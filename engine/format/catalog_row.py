"""Catalog rows: records of MSysObjects and of its shadow; one a table, column, index, long-value tree or callback.

Their own schema is fixed: MSysObjects describes itself with offsets that are all 4, so they are never read from it.

    id  offset  column              table            column            index             long value
    1   4       ObjidTable          objid of table   =                 =                 =
    2   8       Type                1                2                 3                 4
    3   10      Id                  objid            column id         objid of index    objid of tree
    4   14      ColtypOrPgnoFDP     root page        type              root page         root page
    5   18      SpaceUsage          density %        size              density %         100
    6   22      Flags               TableFlags       ColumnFlags       IndexFlags        0
    7   26      PagesOrLocale       initial pages    code page         0 (old: LCID)     1
    8   30      RootFlag            FF               -                 null              -
    9   31      RecordOffset        -                fixed columns     null              -
    10  33      LCMapFlags          -                -                 30401             -
    11  37      KeyMost             -                -                 null: 255         -
    12  39      LVChunkMax          null: default
    13  43      PgnoFDPLastSetTime  FILETIME
    128 Name, 130 TemplateTable, 131 DefaultValue, 132 KeyFldIDs, 133 VarSegMac, 134 ConditionalColumns,
    135 TupleLimits, 136 Version, 137 SortID, 258 SeparateLV, 261 LocaleName

Primary key: ObjidTable, Type, Id (`7F objid 7F type 7F id`).  Source: database reference 5.1-5.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.column import ASCII, FIRST_TAGGED, ColumnDef, ColumnFlags, ColumnType
from engine.format.key import DEFAULT_KEY_MOST, Segment, make_key
from engine.format.record import LONG, Instance, Record, RecordLayout, Tagged

if TYPE_CHECKING:
    from collections.abc import Mapping


LCMAP_FLAGS: Final = 0x30401
"""Sort-key flags that every index row of the engine carries: ignore case, kana type and width."""

LOCALE_NAME: Final = "en-US"
NAME_LIMIT: Final = 64
"""Longest name of an object, in ASCII bytes."""


SYSTEM_NAMES: Final = frozenset(
    ("MSYSOBJECTS", "MSYSOBJECTSSHADOW", "MSYSOBJIDS", "MSYSLOCALES", "MSYSUNICODEFIXUPVER2")
)
"""Names that no table of a user may have, in capitals."""


class CatalogType(IntEnum):
    """What a catalog row describes."""

    TABLE = 1
    COLUMN = 2
    INDEX = 3
    LONG_VALUE = 4
    CALLBACK = 5


class TableFlags(IntFlag):
    """Flags of a table row."""

    NONE = 0
    NO_FIXED_VAR_IN_DERIVED = 0x04000000
    DYNAMIC_SYSTEM = 0x08000000
    DERIVED = 0x10000000
    TEMPLATE = 0x20000000
    FIXED_DDL = 0x40000000
    SYSTEM = 0x80000000


class IndexFlags(IntFlag):
    """Flags of an index row: low half fidb, high half fidx."""

    NONE = 0
    UNIQUE = 0x1
    ALLOW_ALL_NULLS = 0x2
    ALLOW_FIRST_NULL = 0x4
    ALLOW_SOME_NULLS = 0x8
    NO_NULL_SEGMENT = 0x10
    PRIMARY = 0x20
    LOCALE_SET = 0x40
    MULTI_VALUED = 0x80
    TEMPLATE = 0x100
    DERIVED = 0x200
    UNICODE_TEXT = 0x400
    NULLS_HIGH = 0x800
    OLD_UNICODE_FIXUP = 0x1000
    CROSS_PRODUCT = 0x2000
    DISALLOW_TRUNCATION = 0x4000
    NESTED_TABLE = 0x8000
    EXTENDED_COLUMNS = 0x10000
    DOTNET_GUID = 0x20000
    DEFERRED_POPULATE = 0x40000
    OPTIONALLY_UNIQUE = 0x80000


class SegmentFlags(IntFlag):
    """Flags of an index segment (IDXSEG)."""

    NONE = 0
    MUST_BE_NULL = 0x20
    DESCENDING = 0x40
    TEMPLATE_COLUMN = 0x80


class IndexSegment(NamedTuple):
    """One segment of an index: flags and column id (IDXSEG, 4 bytes)."""

    flags: SegmentFlags
    column_id: int

    @property
    def descending(self) -> bool:
        """Whether the column is ordered downwards."""
        return bool(self.flags & SegmentFlags.DESCENDING)


_SEGMENT = struct.Struct("<BxH")
_OLD_SEGMENT = struct.Struct("<h")

_FIXED: Final[tuple[tuple[str, ColumnType, int], ...]] = (
    ("ObjidTable", ColumnType.LONG, 4),
    ("Type", ColumnType.SHORT, 2),
    ("Id", ColumnType.LONG, 4),
    ("ColtypOrPgnoFDP", ColumnType.LONG, 4),
    ("SpaceUsage", ColumnType.LONG, 4),
    ("Flags", ColumnType.LONG, 4),
    ("PagesOrLocale", ColumnType.LONG, 4),
    ("RootFlag", ColumnType.BIT, 1),
    ("RecordOffset", ColumnType.SHORT, 2),
    ("LCMapFlags", ColumnType.LONG, 4),
    ("KeyMost", ColumnType.UNSIGNED_SHORT, 2),
    ("LVChunkMax", ColumnType.LONG, 4),
    ("PgnoFDPLastSetTime", ColumnType.DATE_TIME, 8),
)
_VARIABLE: Final = (
    ("Name", ColumnType.TEXT),
    ("Stats", ColumnType.BINARY),
    ("TemplateTable", ColumnType.TEXT),
    ("DefaultValue", ColumnType.BINARY),
    ("KeyFldIDs", ColumnType.BINARY),
    ("VarSegMac", ColumnType.BINARY),
    ("ConditionalColumns", ColumnType.BINARY),
    ("TupleLimits", ColumnType.BINARY),
    ("Version", ColumnType.BINARY),
    ("SortID", ColumnType.BINARY),
)
_TAGGED: Final = (
    "CallbackData",
    "CallbackDependencies",
    "SeparateLV",
    "SpaceHints",
    "SpaceDeferredLVHints",
    "LocaleName",
)
CATALOG_CODE_PAGE: Final = ASCII
_NOT_NULL_IDS: Final = frozenset((1, 2, 3, 4, 5, 6, 7, 128))

LAST_SET_TIME: Final = 13
NAME: Final = 128
DEFAULT_VALUE: Final = 131
KEY_SEGMENTS: Final = 132
VAR_SEG_MAC: Final = 133
CONDITIONAL: Final = 134
SEPARATE_LV: Final = 258
LOCALE: Final = 261


def _columns() -> tuple[ColumnDef, ...]:
    columns, offset = [], 4
    for number, (name, kind, size) in enumerate(_FIXED, 1):
        flags = ColumnFlags.NOT_NULL if number in _NOT_NULL_IDS else ColumnFlags.NONE
        columns.append(ColumnDef(number, name, kind, size, CATALOG_CODE_PAGE, flags, offset))
        offset += size
    for number, (name, kind) in enumerate(_VARIABLE, 128):
        flags = ColumnFlags.NOT_NULL if number in _NOT_NULL_IDS else ColumnFlags.NONE
        columns.append(ColumnDef(number, name, kind, 255, CATALOG_CODE_PAGE, flags))
    columns += [
        ColumnDef(number, name, ColumnType.LONG_BINARY, 0, CATALOG_CODE_PAGE)
        for number, name in enumerate(_TAGGED, 256)
    ]
    return tuple(columns)


CATALOG_COLUMNS: Final = _columns()
"""Columns of MSysObjects with their true offsets."""

_KEY = tuple(Segment.of(column) for column in CATALOG_COLUMNS[:3])
_NAME_KEY = (*_KEY[:2], Segment.of(CATALOG_COLUMNS[13]))
_ROOT_KEY = (Segment.of(CATALOG_COLUMNS[7]), _NAME_KEY[2])


def _raw(number: int, size: int) -> bytes:
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")


def catalog_key(objid_table: int, kind: int, number: int) -> bytes:
    """Return the primary key of a row, 13 bytes."""
    return make_key(_KEY, (_raw(objid_table, 4), _raw(kind, 2), _raw(number, 4)))


def pack_segments(segments: tuple[IndexSegment, ...]) -> bytes:
    """Return the array of IDXSEG of a KeyFldIDs or ConditionalColumns value."""
    return b"".join(_SEGMENT.pack(each.flags, each.column_id) for each in segments)


def unpack_segments(data: bytes, *, extended: bool = True) -> tuple[IndexSegment, ...]:
    """Read an array of IDXSEG, or of the old 2-byte ids (negative: descending); -1220 for a broken length."""
    if len(data) % (_SEGMENT.size if extended else _OLD_SEGMENT.size):
        raise EseError.from_code(Err.CatalogCorrupted, f"index segments of {len(data)} bytes")
    if extended:
        return tuple(IndexSegment(SegmentFlags(flags), number) for flags, number in _SEGMENT.iter_unpack(data))
    return tuple(
        IndexSegment(SegmentFlags.DESCENDING if number < 0 else SegmentFlags.NONE, abs(number))
        for (number,) in _OLD_SEGMENT.iter_unpack(data)
    )


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One row.  Fields that the kind of row does not have are None; `more` keeps further columns by id, as stored.

    `coltyp_or_pgno`, `space_usage`, `flags` and `pages_or_locale` mean what the table in the module's
    description says.
    """

    objid_table: int
    type: int
    id: int
    coltyp_or_pgno: int
    space_usage: int
    flags: int
    pages_or_locale: int
    name: str
    root_flag: bool | None = None
    record_offset: int | None = None
    lcmap_flags: int | None = None
    key_most: int | None = None
    lv_chunk_max: int | None = None
    more: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Primary key."""
        return catalog_key(self.objid_table, self.type, self.id)

    @property
    def name_key(self) -> bytes:
        """Key in the index Name."""
        return make_key(_NAME_KEY, (_raw(self.objid_table, 4), _raw(self.type, 2), self.name.encode("cp1252")))

    @property
    def root_key(self) -> bytes | None:
        """Key in the index RootObjects, which has tables only."""
        if not self.root_flag:
            return None
        return make_key(_ROOT_KEY, (b"\xff", self.name.encode("cp1252")))

    @property
    def segments(self) -> tuple[IndexSegment, ...]:
        """Segments of an index row."""
        extended = bool(self.flags & IndexFlags.EXTENDED_COLUMNS)
        return unpack_segments(self.more.get(KEY_SEGMENTS, b""), extended=extended)

    def column(self) -> ColumnDef:
        """Return the column that a column row describes; -1220 for an unknown type."""
        try:
            kind = ColumnType(self.coltyp_or_pgno)
        except ValueError:
            detail = f"column {self.id} of table {self.objid_table} has type {self.coltyp_or_pgno}"
            raise EseError.from_code(Err.CatalogCorrupted, detail) from None
        column = ColumnDef(
            self.id,
            self.name,
            kind,
            self.space_usage,
            self.pages_or_locale,
            ColumnFlags(self.flags),
            self.record_offset or 0,
            self.more.get(DEFAULT_VALUE),
        )
        # The catalog has a default as it was given, records have it as they have any value.
        return column if column.default is None else replace(column, default=column.filled(column.default))

    def made_at(self, filetime: bytes) -> CatalogRow:
        """Return the row with the time at which its tree was made (PgnoFDPLastSetTime, 8 bytes)."""
        return replace(self, more={**self.more, LAST_SET_TIME: filetime})

    def key_limit(self) -> int:
        """Return KeyMost of an index row."""
        return self.key_most or DEFAULT_KEY_MOST

    def pack(self, page_size: int) -> bytes:
        """Return the record.  It ends with the last column that is not null."""
        fixed: dict[int, bytes | None] = {
            1: _raw(self.objid_table, 4),
            2: _raw(self.type, 2),
            3: _raw(self.id, 4),
            4: _raw(self.coltyp_or_pgno, 4),
            5: _raw(self.space_usage, 4),
            6: _raw(self.flags, 4),
            7: _raw(self.pages_or_locale, 4),
        }
        rest = {
            8: None if self.root_flag is None else (b"\xff" if self.root_flag else b"\0"),
            9: None if self.record_offset is None else _raw(self.record_offset, 2),
            10: None if self.lcmap_flags is None else _raw(self.lcmap_flags, 4),
            11: None if self.key_most is None else _raw(self.key_most, 2),
            12: None if self.lv_chunk_max is None else _raw(self.lv_chunk_max, 4),
            LAST_SET_TIME: self.more.get(LAST_SET_TIME),
        }
        last = max((number for number, value in rest.items() if value is not None), default=7)
        fixed.update({number: value for number, value in rest.items() if number <= last})
        variable: dict[int, bytes | None] = {NAME: self.name.encode("cp1252")}
        variable.update({number: value for number, value in self.more.items() if NAME < number < FIRST_TAGGED})
        tagged = [
            Tagged(number, (Instance(value),), LONG) for number, value in self.more.items() if number >= FIRST_TAGGED
        ]
        return RecordLayout(CATALOG_COLUMNS, page_size).encode(Record(fixed, variable, tagged))

    @classmethod
    def unpack(cls, data: bytes | memoryview, page_size: int) -> CatalogRow:
        """Read a record; -1220 when a column is missing that every row has, -358 for a broken record."""
        record = RecordLayout(CATALOG_COLUMNS, page_size).decode(data)
        numbers = [
            None if (raw := record.fixed.get(number)) is None else int.from_bytes(raw, "little")
            for number in range(1, 13)
        ]
        name = record.variable.get(NAME)
        objid_table, kind, number, coltyp, usage, flags, pages = numbers[:7]
        if (
            objid_table is None
            or kind is None
            or number is None
            or coltyp is None
            or usage is None
            or flags is None
            or pages is None
            or name is None
        ):
            raise EseError.from_code(Err.CatalogCorrupted, "a catalog row lacks its first columns or its name")
        more = {each: value for each, value in record.variable.items() if each != NAME and value is not None}
        more.update({each.id: each.instances[0].data for each in record.tagged if each.instances})
        if (filetime := record.fixed.get(LAST_SET_TIME)) is not None:
            more[LAST_SET_TIME] = filetime
        return cls(
            objid_table,
            kind,
            number,
            coltyp,
            usage,
            flags,
            pages,
            name.decode("cp1252", "replace"),
            None if numbers[7] is None else bool(numbers[7]),
            record_offset=numbers[8],
            lcmap_flags=numbers[9],
            key_most=numbers[10],
            lv_chunk_max=numbers[11],
            more=more,
        )
