"""What a caller says about a table: columns and indexes, in words; and the ids, offsets and catalog flags that follow.

    Column("Id", ColumnType.LONG, auto_increment=True)
    Column("Name", ColumnType.TEXT, size=100, code_page=ASCII, default="none")
    Index("pk", ("Id",))            Index("byDate", ("-Changed", "Id"), unique=True, ignore_null=True)

A segment is a column name with an optional + or - (descending) before it.

Source: database reference 5.1, 5.4, 5.5; jet-api reference 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.catalog import IndexColumn
from engine.catalog import IndexDef as ResolvedIndex
from engine.errors import Err, EseError
from engine.format.catalog_row import (
    LCMAP_FLAGS,
    LOCALE_NAME,
    NAME_LIMIT,
    IndexFlags,
    IndexSegment,
    SegmentFlags,
)
from engine.format.column import (
    FIRST_FIXED,
    FIRST_FIXED_OFFSET,
    FIRST_TAGGED,
    FIRST_VARIABLE,
    LAST_FIXED,
    LAST_TAGGED,
    LAST_VARIABLE,
    MOST_SHORT_BYTES,
    TYPE_SIZES,
    UNICODE,
    ColumnDef,
    ColumnFlags,
    ColumnType,
    Storage,
)
from engine.format.key import DEFAULT_KEY_MOST, TextOrder, key_limit
from engine.format.longvalue import MOST_BYTES
from engine.format.value import CONVERSION_ERRORS, Value, codec, encoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.format.catalog_row import CatalogRow

DEFAULT_DENSITY: Final = 90
_LEAST_DENSITY: Final = 20
_LAST_CONTROL: Final = 0x1F
_MOST_SEGMENTS: Final = 16
_AUTO_INCREMENT_TYPES: Final = (
    ColumnType.LONG,
    ColumnType.CURRENCY,
    ColumnType.LONG_LONG,
    ColumnType.UNSIGNED_LONG_LONG,
)
_ESCROW_TYPES: Final = (ColumnType.LONG, ColumnType.LONG_LONG)
_ONCE: Final = (ColumnFlags.AUTO_INCREMENT, ColumnFlags.VERSION)
_FIRST_IDS: Final = {Storage.FIXED: FIRST_FIXED, Storage.VARIABLE: FIRST_VARIABLE, Storage.TAGGED: FIRST_TAGGED}
_LAST_IDS: Final = {Storage.FIXED: LAST_FIXED, Storage.VARIABLE: LAST_VARIABLE, Storage.TAGGED: LAST_TAGGED}


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be created.

    `size` limits Binary and Text values in bytes (default 255) and is the exact size when they are fixed; for
    long types 0 means no limit.  `storage` defaults to fixed for numbers, variable for Binary and Text, tagged
    for long types and multi-valued columns.  `code_page` is 1200 (UTF-16) or one that Python knows.
    """

    name: str
    type: ColumnType
    size: int = 0
    code_page: int = UNICODE
    storage: Storage | None = None
    default: Value | None = None
    not_null: bool = False
    auto_increment: bool = False
    multi_valued: bool = False
    version: bool = False
    escrow: bool = False
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index to be created; `columns` are names with an optional + or - (descending) in front.

    The null rules are those of JetCreateIndex: `ignore_null` leaves out entries whose segments are all null,
    `ignore_first_null` and `ignore_any_null` more of them, `disallow_null` refuses such rows.  `key_most` is
    the longest key in bytes, `segment_most` the longest variable segment, `density` the percentage of a page
    to fill.

    `if_present` and `if_null` name columns: only rows have an entry that have a value there, or none.  `text_order`
    orders Unicode text without the sort tables of Windows; it is named in the catalog in place of a locale.
    `primary` matters where the indexes of a table are given together.
    """

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    unique: bool = False
    ignore_null: bool = False
    ignore_first_null: bool = False
    ignore_any_null: bool = False
    disallow_null: bool = False
    disallow_truncation: bool = False
    nulls_high: bool = False
    dotnet_guid: bool = False
    key_most: int | None = None
    segment_most: int | None = None
    if_present: tuple[str, ...] = ()
    if_null: tuple[str, ...] = ()
    text_order: TextOrder | None = None
    density: int = DEFAULT_DENSITY


@dataclass(frozen=True, slots=True)
class IndexDef:
    """An index with its segments resolved: positions in the table's column list, and catalog flags."""

    index: Index
    flags: IndexFlags
    segments: tuple[IndexSegment, ...]
    positions: tuple[int, ...]
    conditions: tuple[IndexSegment, ...] = ()

    @property
    def locale(self) -> str:
        """What the catalog names as the order of Unicode text."""
        order = self.index.text_order
        return LOCALE_NAME if order is None or not self.flags & IndexFlags.UNICODE_TEXT else order.value

    def resolved(self, columns: Sequence[ColumnDef], *, objid: int = 0, root: int = 0) -> ResolvedIndex:
        """Return the index as the catalog would describe it."""
        by_id = {column.id: column for column in columns}
        return ResolvedIndex(
            self.index.name,
            objid,
            root,
            self.flags,
            tuple(
                IndexColumn(columns[place], segment.descending)
                for place, segment in zip(self.positions, self.segments, strict=True)
            ),
            self.index.density,
            self.index.key_most or DEFAULT_KEY_MOST,
            self.index.segment_most,
            tuple(
                IndexColumn(by_id[each.column_id], must_be_null=bool(each.flags & SegmentFlags.MUST_BE_NULL))
                for each in self.conditions
            ),
            locale=self.locale,
            lcmap_flags=LCMAP_FLAGS,
        )


def check_name(name: str) -> str:
    """Return the name of an object if it is one: 1 to 64 ASCII characters, none of `!.[]` or control; else -1002."""
    raw = name.encode("ascii", "replace")
    bad = not name.isascii() or name.startswith(" ") or any(each in b"!.[]" or each <= _LAST_CONTROL for each in raw)
    if bad or not 1 <= len(raw) <= NAME_LIMIT:
        raise EseError.from_code(Err.InvalidName, f"{name!r}")
    return name


def check_density(percent: int) -> int:
    """Return the percentage if it lies in 20..100; else -1307."""
    if not _LEAST_DENSITY <= percent <= 100:  # noqa: PLR2004 - percent
        raise EseError.from_code(Err.DensityInvalid, f"{percent} %")
    return percent


def _storage(column: Column) -> Storage:
    """Return where a column lives; -1511 or -1509 when it cannot live there."""
    must_be_tagged = column.type.is_long or column.multi_valued
    short_bytes = column.type in (ColumnType.BINARY, ColumnType.TEXT)
    storage = column.storage
    if storage is None:
        if must_be_tagged:
            return Storage.TAGGED
        return Storage.VARIABLE if short_bytes else Storage.FIXED
    if column.multi_valued and storage is not Storage.TAGGED:
        raise EseError.from_code(Err.MultiValuedColumnMustBeTagged, column.name)
    if must_be_tagged and storage is Storage.FIXED:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: {column.type.name} cannot be fixed")
    if (must_be_tagged and storage is not Storage.TAGGED) or (storage is Storage.VARIABLE and not short_bytes):
        raise EseError.from_code(Err.InvalidColumnType, f"{column.name}: {column.type.name} cannot be {storage.value}")
    return storage


def _size(column: Column) -> int:
    """Return SpaceUsage; -1506 for a size the type cannot have."""
    natural = TYPE_SIZES.get(column.type)
    if natural is not None:
        if column.size not in (0, natural):
            raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {column.type.name} has {natural} bytes")
        return natural
    most = MOST_BYTES if column.type.is_long else MOST_SHORT_BYTES
    if not 0 <= column.size <= most:
        raise EseError.from_code(Err.ColumnTooBig, f"{column.name}: {column.size} bytes")
    return column.size or (0 if column.type.is_long else MOST_SHORT_BYTES)


def _flags(column: Column, storage: Storage) -> ColumnFlags:
    flags = ColumnFlags.NONE
    wanted = (
        (column.not_null, ColumnFlags.NOT_NULL),
        (column.version, ColumnFlags.VERSION),
        (column.auto_increment, ColumnFlags.AUTO_INCREMENT),
        (column.multi_valued, ColumnFlags.MULTI_VALUED),
        (column.default is not None, ColumnFlags.DEFAULT),
        (column.escrow, ColumnFlags.ESCROW_UPDATE),
        (column.compressed, ColumnFlags.COMPRESSED),
    )
    for is_set, flag in wanted:
        if is_set:
            flags |= flag
    _check_special(column, storage)
    return flags


def _check_special(column: Column, storage: Storage) -> None:
    """Raise -1521 or -900 when a column cannot count, be a version or be changed by differences."""
    special = column.auto_increment + column.version + column.escrow
    if not special:
        return
    if storage is Storage.TAGGED:
        raise EseError.from_code(Err.CannotBeTagged, column.name)
    if special > 1:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: counter, version and escrow exclude each other")
    if column.auto_increment and column.type not in _AUTO_INCREMENT_TYPES:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: {column.type.name} cannot count")
    if column.version and column.type is not ColumnType.LONG:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: a version column is a Long")
    if column.escrow and column.type not in _ESCROW_TYPES:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: an escrow column is a Long or LongLong")
    if column.escrow and column.default is None:
        raise EseError.from_code(Err.InvalidGrbit, f"{column.name}: an escrow column needs a default")


def encode_default(column: Column) -> bytes | None:
    """Return the stored form of a default value; -1524 when it is too long, -1003 when it does not fit the type.

    Too long is what the column cannot hold, and 256 bytes for any.
    """
    if column.default is None:
        return None
    try:
        raw = encoder(column.type, column.code_page)(column.default)
    except CONVERSION_ERRORS as error:
        raise EseError.from_code(Err.InvalidParameter, f"default of {column.name}: {error}") from error
    if len(raw) > min(column.size or MOST_SHORT_BYTES, MOST_SHORT_BYTES):
        raise EseError.from_code(Err.DefaultValueTooBig, f"{column.name}: {len(raw)} bytes")
    return raw


class Layout:
    """Gives columns their ids and places; `known` and `gone` are what a table has, and had, already.

    The ids of deleted columns are not used again: their bytes stay in old records.
    """

    def __init__(self, known: Sequence[ColumnDef] = (), gone: Sequence[CatalogRow] = ()) -> None:
        own = [column for column in known if not column.derived]
        used = [column.id for column in own] + [row.id for row in gone]
        self._next = {
            storage: max((each + 1 for each in used if Storage.of(each) is storage), default=first)
            for storage, first in _FIRST_IDS.items()
        }
        ends = [column.offset + column.size for column in own if column.storage is Storage.FIXED]
        ends += [(row.record_offset or 0) + row.space_usage for row in gone if Storage.of(row.id) is Storage.FIXED]
        self._offset = max(ends, default=FIRST_FIXED_OFFSET)
        self._names = {column.name.upper() for column in known}
        self._special = {flag for column in known for flag in _ONCE if column.flags & flag}

    def define(self, column: Column) -> ColumnDef:
        """Return a further column.

        -1508 for a repeated name, -1040 for too many columns, -1510 for a second counter or version, -1538 for a short
        one that is to be compressed, -1511 and the like for others that cannot be.
        """
        if check_name(column.name).upper() in self._names:
            raise EseError.from_code(Err.ColumnDuplicate, column.name)
        if column.type is ColumnType.SLV:
            raise EseError.from_code(Err.InvalidColumnType, f"{column.name}: columns of type SLV")
        if column.compressed and not column.type.is_long:
            raise EseError.from_code(Err.ColumnCannotBeCompressed, column.name)
        storage = _storage(column)
        number = self._next[storage]
        if number > _LAST_IDS[storage]:
            raise EseError.from_code(Err.TooManyColumns, f"{storage.value} columns")
        code_page = 0
        if column.type.is_text:
            codec(column.code_page)
            code_page = column.code_page
        size = _size(column)
        flags, default = _flags(column, storage), encode_default(column)
        special = {flag for flag in _ONCE if flags & flag}
        if special & self._special:
            raise EseError.from_code(Err.ColumnRedundant, column.name)
        place = self._offset if storage is Storage.FIXED else 0
        self._next[storage] += 1
        self._offset += size if storage is Storage.FIXED else 0
        self._names.add(column.name.upper())
        self._special |= special
        return ColumnDef(number, column.name, column.type, size, code_page, flags, place, default)


def define_columns(columns: Sequence[Column]) -> tuple[ColumnDef, ...]:
    """Give every column its id and offset, in the order given within each storage; errors as `Layout.define`."""
    layout = Layout()
    return tuple([layout.define(column) for column in columns])


def define_index(index: Index, columns: Sequence[ColumnDef], *, primary: bool, page_size: int) -> IndexDef:
    """Resolve an index against the columns.

    -1507 for an unknown column, -1406 and -900 for a definition that cannot be, -1001 for Unicode text without
    `text_order`: its keys need the sort tables of Windows.
    """
    check_name(index.name)
    check_density(index.density)
    if not 1 <= len(index.columns) <= _MOST_SEGMENTS:
        raise EseError.from_code(Err.IndexInvalidDef, f"{index.name}: {len(index.columns)} segments")
    if index.key_most is not None and not 1 <= index.key_most <= key_limit(page_size):
        raise EseError.from_code(Err.IndexInvalidDef, f"{index.name}: keys of {index.key_most} bytes")
    if index.segment_most is not None and not 1 <= index.segment_most <= (index.key_most or DEFAULT_KEY_MOST):
        raise EseError.from_code(Err.IndexInvalidDef, f"{index.name}: segments of {index.segment_most} bytes")
    _check_rules(index, primary=primary)
    places = {column.name.upper(): place for place, column in enumerate(columns)}
    segments, positions = _segments(index, columns, places, primary=primary)
    flags = _index_flags(index, primary=primary)
    if any(columns[place].multi_valued for place in positions):
        flags |= IndexFlags.MULTI_VALUED
    if any(columns[place].type.is_text and columns[place].code_page == UNICODE for place in positions):
        flags |= IndexFlags.UNICODE_TEXT
    return IndexDef(index, flags, segments, positions, _conditions(index, columns, places))


def _check_rules(index: Index, *, primary: bool) -> None:
    """Raise -900 or -1406 for rules that an index cannot have."""
    if primary and (index.ignore_null or index.ignore_first_null or index.ignore_any_null):
        raise EseError.from_code(Err.InvalidGrbit, f"{index.name}: every row has an entry in a primary index")
    conditions = len(index.if_present) + len(index.if_null)
    if conditions > (0 if primary else _MOST_SEGMENTS):
        raise EseError.from_code(Err.IndexInvalidDef, f"{index.name}: {conditions} conditions")


def _segments(
    index: Index, columns: Sequence[ColumnDef], places: Mapping[str, int], *, primary: bool
) -> tuple[tuple[IndexSegment, ...], tuple[int, ...]]:
    """Return the segments of an index and the positions of their columns."""
    segments, positions = [], []
    for text in index.columns:
        descending = text.startswith("-")
        place = places.get(text.removeprefix("+" if not descending else "-").upper())
        if place is None:
            raise EseError.from_code(Err.ColumnNotFound, f"{text} of index {index.name}")
        column = columns[place]
        if column.flags & ColumnFlags.ESCROW_UPDATE:
            raise EseError.from_code(Err.CannotIndex, f"index {index.name}: {column.name} is an escrow column")
        if column.type.is_text and column.code_page == UNICODE and index.text_order is None:
            detail = f"index {index.name}: keys over Unicode text need the sort tables of Windows"
            raise EseError.from_code(Err.FeatureNotAvailable, detail)
        if primary and column.multi_valued:
            raise EseError.from_code(Err.IndexInvalidDef, f"{index.name}: a primary index over multi-values")
        positions.append(place)
        segments.append(IndexSegment(SegmentFlags.DESCENDING if descending else SegmentFlags.NONE, column.id))
    return tuple(segments), tuple(positions)


def _conditions(index: Index, columns: Sequence[ColumnDef], places: Mapping[str, int]) -> tuple[IndexSegment, ...]:
    found = []
    for names, flags in ((index.if_present, SegmentFlags.NONE), (index.if_null, SegmentFlags.MUST_BE_NULL)):
        for name in names:
            place = places.get(name.upper())
            if place is None:
                raise EseError.from_code(Err.ColumnNotFound, f"{name} of index {index.name}")
            found.append(IndexSegment(flags, columns[place].id))
    return tuple(found)


def _index_flags(index: Index, *, primary: bool) -> IndexFlags:
    flags = IndexFlags.EXTENDED_COLUMNS
    if primary:
        flags |= IndexFlags.PRIMARY | IndexFlags.UNIQUE
    if index.unique:
        flags |= IndexFlags.UNIQUE
    if index.disallow_null:
        flags |= IndexFlags.NO_NULL_SEGMENT
    elif index.ignore_any_null:
        pass
    elif index.ignore_first_null:
        flags |= IndexFlags.ALLOW_SOME_NULLS
    else:
        flags |= IndexFlags.ALLOW_SOME_NULLS | IndexFlags.ALLOW_FIRST_NULL
        if not index.ignore_null:
            flags |= IndexFlags.ALLOW_ALL_NULLS
    if index.disallow_truncation:
        flags |= IndexFlags.DISALLOW_TRUNCATION
    if index.nulls_high and not index.disallow_null:
        flags |= IndexFlags.NULLS_HIGH
    if index.dotnet_guid:
        flags |= IndexFlags.DOTNET_GUID
    return flags
