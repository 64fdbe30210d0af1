"""Columns: types, flags, where a column lives in a record, and the identifiers that follow from it.

    fixed      ids 1..127     at a constant offset, from 4 on, contiguous in id order
    variable   ids 128..255   Binary and Text up to 255 bytes
    tagged     ids 256..65248 anything; the only place for LongBinary, LongText and multi-values

Source: database reference 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from typing import Final

FIRST_FIXED: Final = 1
FIRST_VARIABLE: Final = 128
FIRST_TAGGED: Final = 256
LAST_FIXED: Final = 127
LAST_VARIABLE: Final = 255
LAST_TAGGED: Final = 0xFEE0
FIRST_FIXED_OFFSET: Final = 4
MOST_SHORT_BYTES: Final = 255
"""Longest Binary or Text value, and longest default value."""

UNICODE: Final = 1200
ASCII: Final = 1252


class ColumnType(IntEnum):
    """Type of a column (JET_coltyp)."""

    BIT = 1
    UNSIGNED_BYTE = 2
    SHORT = 3
    LONG = 4
    CURRENCY = 5
    IEEE_SINGLE = 6
    IEEE_DOUBLE = 7
    DATE_TIME = 8
    BINARY = 9
    TEXT = 10
    LONG_BINARY = 11
    LONG_TEXT = 12
    SLV = 13
    UNSIGNED_LONG = 14
    LONG_LONG = 15
    GUID = 16
    UNSIGNED_SHORT = 17
    UNSIGNED_LONG_LONG = 18

    @property
    def is_long(self) -> bool:
        """Whether values may be stored outside the record."""
        return self in (ColumnType.LONG_BINARY, ColumnType.LONG_TEXT)

    @property
    def is_text(self) -> bool:
        """Whether values are characters of a code page."""
        return self in (ColumnType.TEXT, ColumnType.LONG_TEXT)

    @property
    def is_binary(self) -> bool:
        """Whether values are plain bytes of any length."""
        return self in (ColumnType.BINARY, ColumnType.LONG_BINARY)


TYPE_SIZES: Final[dict[ColumnType, int]] = {
    ColumnType.BIT: 1,
    ColumnType.UNSIGNED_BYTE: 1,
    ColumnType.SHORT: 2,
    ColumnType.LONG: 4,
    ColumnType.CURRENCY: 8,
    ColumnType.IEEE_SINGLE: 4,
    ColumnType.IEEE_DOUBLE: 8,
    ColumnType.DATE_TIME: 8,
    ColumnType.UNSIGNED_LONG: 4,
    ColumnType.LONG_LONG: 8,
    ColumnType.GUID: 16,
    ColumnType.UNSIGNED_SHORT: 2,
    ColumnType.UNSIGNED_LONG_LONG: 8,
}
"""Bytes of a value, for the types where that is one number."""


class ColumnFlags(IntFlag):
    """Flags of a column row in the catalog."""

    NONE = 0
    NOT_NULL = 0x1
    VERSION = 0x2
    AUTO_INCREMENT = 0x4
    MULTI_VALUED = 0x8
    DEFAULT = 0x10
    ESCROW_UPDATE = 0x20
    FINALIZE = 0x40
    USER_DEFINED_DEFAULT = 0x80
    TEMPLATE = 0x100
    DELETE_ON_ZERO = 0x200
    COMPRESSED = 0x1000
    ENCRYPTED = 0x2000


class Storage(Enum):
    """Which part of the record a column lives in."""

    FIXED = "fixed"
    VARIABLE = "variable"
    TAGGED = "tagged"

    @classmethod
    def of(cls, column_id: int) -> Storage:
        """Return the storage that a column id implies."""
        if column_id < FIRST_VARIABLE:
            return cls.FIXED
        return cls.VARIABLE if column_id < FIRST_TAGGED else cls.TAGGED


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """A column as the catalog describes it.

    `size` is SpaceUsage: bytes of a fixed column, else the longest value (0: no limit); `offset` is the
    place of a fixed column in the record (0 for others); `default` is the stored form of the default value.
    `derived` marks a tagged column that a derived table has from its template: records tell it apart by a bit.
    """

    id: int
    name: str
    type: ColumnType
    size: int = 0
    code_page: int = 0
    flags: ColumnFlags = ColumnFlags.NONE
    offset: int = 0
    default: bytes | None = None
    derived: bool = False

    @property
    def storage(self) -> Storage:
        """Which part of the record it lives in."""
        return Storage.of(self.id)

    @property
    def multi_valued(self) -> bool:
        """Whether it may hold several values."""
        return bool(self.flags & ColumnFlags.MULTI_VALUED)

    def filled(self, raw: bytes) -> bytes:
        """Return stored bytes at the size of a fixed column: Text filled up with spaces, Binary with zeros.

        Bytes of other columns, and those that are long enough, are returned as they are.
        """
        missing = self.size - len(raw)
        if self.storage is not Storage.FIXED or not 0 < missing <= MOST_SHORT_BYTES:
            return raw
        if self.type is ColumnType.BINARY:
            return raw + bytes(missing)
        if self.type is not ColumnType.TEXT:
            return raw
        space = b" \0" if self.code_page == UNICODE else b" "
        return raw + (space * missing)[:missing]
