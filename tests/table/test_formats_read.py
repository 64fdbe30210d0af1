"""Forms that few files have: templates, old tagged columns, odd long values, packed values, damaged records.

Tables are put together page by page in memory.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError
from engine.findings import UnitKind
from engine.format.catalog_row import (
    CatalogRow,
    CatalogType,
    IndexFlags,
    IndexSegment,
    SegmentFlags,
    TableFlags,
    pack_segments,
)
from engine.format.column import ColumnDef, ColumnFlags, ColumnType
from engine.format.longvalue import LongValueKey, LongValueRoot
from engine.format.node import SpaceFlags, SpaceHeader
from engine.format.page import PageFlags
from engine.format.page_builder import PageBuilder
from engine.format.record import (
    COMPRESSED,
    ENCRYPTED,
    LONG,
    Instance,
    Record,
    RecordLayout,
    Tagged,
    assemble,
    decode_tagged_old,
)
from engine.format.value import date_time
from engine.table import Database, Unreadable
from engine.table.decoder import RowDecoder
from engine.table.long_values import LongValues
from tests.table.conftest import MemoryPages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT, LEAF = int(PageFlags.ROOT), int(PageFlags.LEAF)
SPACE = SpaceHeader(1, 1, SpaceFlags.NONE, 0).pack()
SIZES = pytest.mark.parametrize("page_size", [4096, 32768])
NO_VALUES = LongValues(None, "T")
TEMPLATE, DERIVED, TABLE, LV_ROOT = 30, 31, 32, 33
LID32, LID64 = 5, 1 << 63 | 7


def leaf(
    page_size: int, pgno: int, objid: int, lines: Iterable[tuple[bytes, bytes]], *, deleted: Sequence[int] = ()
) -> bytearray:
    builder = PageBuilder(page_size, pgno, objid, ROOT | LEAF, external=SPACE)
    for number, (key, data) in enumerate(lines):
        builder.add(key, data, flags=2 if number in deleted else 0)
    return builder.build(dbtime=1)


def table_row(objid: int, pgno: int, name: str, flags: int = 0, **more: Any) -> CatalogRow:
    return CatalogRow(objid, CatalogType.TABLE, objid, pgno, 80, flags, 1, name, root_flag=True, **more)


def column_row(objid: int, column: ColumnDef) -> CatalogRow:
    return CatalogRow(
        objid,
        CatalogType.COLUMN,
        column.id,
        int(column.type),
        column.size,
        int(column.flags),
        column.code_page,
        column.name,
        record_offset=column.offset or None,
        more={} if column.default is None else {131: column.default},
    )


def database(page_size: int, rows: Iterable[CatalogRow], pages: Mapping[int, bytes | bytearray]) -> Database:
    source = MemoryPages(page_size)
    ordered = sorted(rows, key=lambda row: row.key)
    source.add(4, leaf(page_size, 4, 2, [(row.key, row.pack(page_size)) for row in ordered]))
    for pgno, data in pages.items():
        source.add(pgno, data)
    return Database(source)


def key(number: int) -> bytes:
    return b"\x7f" + (number ^ 1 << 31).to_bytes(4, "big")


LONG_COLUMN = ColumnDef(1, "N", ColumnType.LONG, 4, offset=4)


@SIZES
def test_derived_tables(page_size: int) -> None:
    template = [
        LONG_COLUMN,
        ColumnDef(128, "Name", ColumnType.TEXT, 255, 1252),
        ColumnDef(256, "Above", ColumnType.LONG, 4, flags=ColumnFlags.TEMPLATE, default=struct.pack("<i", 9)),
    ]
    own = [
        ColumnDef(2, "M", ColumnType.SHORT, 2, offset=8),
        ColumnDef(129, "Other", ColumnType.BINARY, 255),
        ColumnDef(256, "Below", ColumnType.LONG, 4),
    ]
    segment = IndexSegment(SegmentFlags.TEMPLATE_COLUMN, 1), IndexSegment(SegmentFlags.NONE, 2)
    flags = int(IndexFlags.EXTENDED_COLUMNS | IndexFlags.DERIVED | IndexFlags.PRIMARY | IndexFlags.UNIQUE)
    rows = [
        table_row(TEMPLATE, 40, "Tpl", int(TableFlags.TEMPLATE | TableFlags.FIXED_DDL)),
        *(column_row(TEMPLATE, column) for column in template),
        table_row(DERIVED, 41, "Der", int(TableFlags.DERIVED), more={130: b"Tpl"}),
        *(column_row(DERIVED, column) for column in own),
        CatalogRow(
            DERIVED, CatalogType.INDEX, DERIVED, 41, 80, flags, 0, "pk", more={132: pack_segments(segment)}
        ),
    ]  # fmt: skip
    layout = RecordLayout([LONG_COLUMN, own[0]], page_size)
    record = layout.encode(
        Record(
            {1: struct.pack("<i", 5), 2: struct.pack("<h", -2)},
            {128: b"up", 129: b"own"},
            [
                Tagged(256, (Instance(struct.pack("<i", 1)),), derived=True),
                Tagged(256, (Instance(struct.pack("<i", 2)),)),
            ],
        )
    )
    bare = layout.encode(Record({1: struct.pack("<i", 6)}))
    lines = [(b"\x7f\x80\x00\x00\x05\x7f\x7f\xfe", record), (b"\x7f\x80\x00\x00\x06\x00", bare)]
    with database(page_size, rows, {41: leaf(page_size, 41, DERIVED, lines)}) as opened:
        table = opened["Der"]
        assert list(table.columns) == ["N", "Name", "Above", "M", "Other", "Below"]
        first, second = table
        assert dict(first) == {"N": 5, "Name": "up", "Above": 1, "M": -2, "Other": b"own", "Below": 2}
        assert dict(second) == {"N": 6, "Name": None, "Above": 9, "M": None, "Other": None, "Below": None}
        cursor = table.cursor("pk")
        assert cursor.seek(5, -2)
        assert cursor.row == first
        assert opened.findings == ()


def test_a_derived_table_without_its_template() -> None:
    rows = [table_row(DERIVED, 41, "Der", int(TableFlags.DERIVED), more={130: b"Gone"})]
    with database(4096, rows, {}) as opened:
        assert "Gone" in opened.findings[0].detail


TAGGED = [
    ColumnDef(256, "A", ColumnType.LONG_BINARY),
    ColumnDef(257, "B", ColumnType.LONG_TEXT, 0, 1200),
    ColumnDef(258, "C", ColumnType.LONG, 4, default=struct.pack("<i", 3)),
    ColumnDef(259, "D", ColumnType.LONG_TEXT, 0, 932, ColumnFlags.MULTI_VALUED),
]


def decode(page_size: int, fields: Sequence[Tagged], columns: Sequence[ColumnDef] = TAGGED) -> dict[str, Any]:
    record = RecordLayout(columns, page_size).encode(Record(tagged=list(fields)))
    decoder = RowDecoder(columns, page_size, NO_VALUES)
    values = decoder.decode(b"**" + record + b"**", 2, 2 + len(record))
    return dict(zip([column.name for column in columns], values, strict=True))


@SIZES
def test_tagged_forms(page_size: int) -> None:
    row = decode(
        page_size,
        [
            Tagged(256, (Instance(b""),), LONG),
            Tagged(257, (Instance("中".encode("utf-16-le")),), LONG),
            Tagged(258, ()),
            Tagged(259, (Instance("カ".encode("cp932")), Instance(b"x")), LONG),
        ],
    )
    assert row == {"A": b"", "B": "中", "C": None, "D": ("カ", "x")}
    assert decode(page_size, []) == {"A": None, "B": None, "C": 3, "D": None}
    # A column that may hold several values gives a tuple for one, too.
    assert decode(page_size, [Tagged(259, (Instance(b"x"),), LONG)])["D"] == ("x",)
    # Several values in a column that is not marked for it.
    many = Tagged(258, (Instance(b"\1\0\0\0"), Instance(b"\2\0\0\0")))
    assert decode(page_size, [many])["C"] == (1, 2)
    # Columns of the template do not mix with columns of the same id.
    assert decode(page_size, [Tagged(258, (Instance(b"\1\0\0\0"),), derived=True)])["C"] == 3


@SIZES
def test_packed_values(page_size: int) -> None:
    ascii7 = bytes((0x08 | (7 * 3 - 1) % 8,)) + sum(ord(c) << 7 * at for at, c in enumerate("abc")).to_bytes(
        3, "little"
    )
    row = decode(
        page_size,
        [
            Tagged(256, (Instance(ascii7),), LONG | COMPRESSED),
            Tagged(257, (Instance(bytes((ascii7[0] + 8,)) + ascii7[1:]),), LONG | COMPRESSED),
            Tagged(259, (Instance(ascii7), Instance(ascii7)), LONG | COMPRESSED),
        ],
    )
    assert row["A"] == b"abc"
    assert row["B"] == "abc"
    assert row["D"] == ("abc", ascii7.decode("cp932", "replace"))  # the first only
    assert decode(page_size, [Tagged(256, (Instance(b"\x20llll"),), LONG | COMPRESSED)])["A"] == b""


@SIZES
@pytest.mark.parametrize(("scheme", "name"), [(5, "XPRESS9"), (6, "XPRESS10"), (7, "LZ4"), (0, "scheme 0")])
def test_values_packed_in_ways_that_are_not_read(page_size: int, scheme: int, name: str) -> None:
    packed = bytes((scheme << 3,)) + b"data"
    row = decode(
        page_size,
        [Tagged(256, (Instance(packed),), LONG | COMPRESSED), Tagged(258, (Instance(b"\1\0\0\0"),))],
    )
    assert isinstance(row["A"], Unreadable)
    assert name in row["A"].detail
    assert row["A"].stored == packed
    assert row["A"].name == "JET_errDecompressionFailed"
    assert str(row["A"]).startswith("<JET_errDecompressionFailed: ")
    assert row["C"] == 1


def test_values_that_do_not_fit_their_type() -> None:
    row = decode(4096, [Tagged(258, (Instance(b"\1\0\0"),)), Tagged(256, (Instance(b"x"),), LONG | ENCRYPTED)])
    assert isinstance(row["C"], Unreadable)
    assert row["C"].stored == b"\1\0\0"
    assert isinstance(row["A"], Unreadable)
    assert "encrypted" in row["A"].detail
    # Half a character is no reason to lose the rest.
    assert decode(4096, [Tagged(257, (Instance(b"a\0b"),), LONG)])["B"] == "a"
    assert decode(4096, [Tagged(257, (Instance(b"\x00\xd8"),), LONG)])["B"] == "\ud800"


def test_a_code_page_that_nobody_knows() -> None:
    columns = [ColumnDef(256, "A", ColumnType.LONG_TEXT, 0, 54321), LONG_COLUMN]
    row = decode(4096, [Tagged(256, (Instance(b"x"),), LONG)], columns)
    assert isinstance(row["A"], Unreadable)
    assert "54321" in row["A"].detail


def test_old_tagged_columns() -> None:
    area = b"".join(
        (
            struct.pack("<HH", 256, 0x8000 | 4) + b"\x00abc",
            struct.pack("<HH", 258, 0x2000 | 4) + b"\1\0\0\0",
            struct.pack("<HH", 258, 4) + b"\2\0\0\0",
            struct.pack("<HH", 258, 4) + b"\3\0\0\0",
            struct.pack("<HH", 257, 0x4000),
        )
    )
    assert decode_tagged_old(area)[0] == Tagged(256, (Instance(b"abc"),), LONG)
    record = assemble(0, b"", [], area)
    values = RowDecoder(TAGGED, 4096, NO_VALUES).decode(record, 0, len(record), old=True)
    assert values == (b"abc", None, (2, 3), None)
    for cut in range(1, len(area)):
        try:
            decode_tagged_old(area[:cut])
        except EseError as error:
            assert error.code == Err.NodeCorrupted  # noqa: PT017 - some cuts fall between columns


def test_every_cut_and_every_byte_of_a_record() -> None:
    columns = [LONG_COLUMN, ColumnDef(128, "V", ColumnType.TEXT, 255, 1200), *TAGGED]
    for page_size in (4096, 32768):
        record = RecordLayout(columns, page_size).encode(
            Record(
                {1: b"\1\0\0\0"},
                {128: b"a\0"},
                [Tagged(256, (Instance(b"x"), Instance(b"yy")), LONG), Tagged(258, (Instance(b"\1\0\0\0"),))],
            )
        )
        decoder = RowDecoder(columns, page_size, NO_VALUES)
        around = b"\xff" * 64
        assert decoder.decode(around + record + around, 64, 64 + len(record)) == decoder.decode(record, 0, len(record))
        for at in range(len(record)):
            for value in (0, 1, 0x7F, 0x80, 0xFF):
                changed = bytearray(record)
                changed[at] = value
                for data, end in ((bytes(changed), len(record)), (record, at)):
                    try:
                        values = decoder.decode(data, 0, end)
                    except EseError as error:
                        assert error.code in (Err.NodeCorrupted, Err.LVCorrupted)  # noqa: PT017
                    else:
                        assert len(values) == len(columns)


def test_dates() -> None:
    assert date_time(45429.5) == datetime(2024, 5, 17, 12, tzinfo=UTC)
    assert date_time(0.0) == datetime(1899, 12, 30, tzinfo=UTC)
    assert date_time(-1.0) == datetime(1899, 12, 29, tzinfo=UTC)
    ticks = int((datetime(2024, 5, 17, 12, 30, 45, tzinfo=UTC).timestamp() + 11_644_473_600) * 10_000_000)
    as_double = struct.unpack("<d", struct.pack("<q", ticks))[0]
    assert date_time(as_double) == datetime(2024, 5, 17, 12, 30, 45, tzinfo=UTC)
    for number in (1e9, -1e9, float("inf"), -5e-310):
        assert date_time(number) == number


# long values


def long_value_table(page_size: int, reference: bytes, lines: Sequence[tuple[bytes, bytes]]) -> Database:
    column = ColumnDef(256, "V", ColumnType.LONG_BINARY)
    record = RecordLayout([column], page_size).encode(
        Record(tagged=[Tagged(256, (Instance(reference, separated=True),), LONG)])
    )
    rows = [
        table_row(TABLE, 42, "T"),
        column_row(TABLE, column),
        CatalogRow(TABLE, CatalogType.LONG_VALUE, LV_ROOT, 43, 100, 0, 1, "LV"),
    ]
    pages = {
        42: leaf(page_size, 42, TABLE, [(b"\0\0\0\1", record)]),
        43: leaf(page_size, 43, LV_ROOT, sorted(lines)),
    }
    return database(page_size, rows, pages)


def lv(lid: int, size: int, chunks: Mapping[int, bytes], flags: int | None = None) -> list[tuple[bytes, bytes]]:
    lines = [(LongValueKey(lid).pack(), LongValueRoot(1, size, flags).pack())]
    return lines + [(LongValueKey(lid, offset).pack(), data) for offset, data in chunks.items()]


def value_of(opened: Database) -> Any:
    with opened:
        ((value,),) = opened["T"].values()
        return value


@SIZES
@pytest.mark.parametrize("lid", [LID32, LID64])
def test_long_values_by_both_kinds_of_ids(page_size: int, lid: int) -> None:
    reference = lid.to_bytes(8 if lid == LID64 else 4, "little")
    others = lv(4, 3, {0: b"xxx"}) + lv(6, 3, {0: b"yyy"}) + lv(1 << 63 | 8, 2, {0: b"zz"})
    # Chunks of another size than the usual one, the last one packed.
    ascii7 = b"\x0c" + sum(ord(c) << 7 * at for at, c in enumerate("abc")).to_bytes(3, "little")
    assert value_of(long_value_table(page_size, reference, others + lv(lid, 9, {0: b"abc", 3: b"def", 6: b"ghi"}))) == (
        b"abcdefghi"
    )
    seven = bytes((0x08 | (7 * 8 - 1) % 8,)) + sum(ord("a") << 7 * at for at in range(8)).to_bytes(7, "little")
    packed = {0: b"raw", 3: seven[:8]}
    assert len(seven) == 8  # as long as what it stands for, so it would be taken for raw
    assert value_of(long_value_table(page_size, reference, lv(lid, 11, packed))) == b"raw" + seven
    assert len(ascii7) == 4
    assert value_of(long_value_table(page_size, reference, others + lv(lid, 0, {}))) == b""
    assert value_of(long_value_table(page_size, reference, lv(lid, 2, {0: b"ab"}, flags=0))) == b"ab"


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        (lv(4, 3, {0: b"xxx"}), "is not there"),
        (lv(LID32, 9, {0: b"abc", 6: b"ghi"}), "packed by scheme"),
        (lv(LID32, 9, {3: b"def", 6: b"ghi"}), "begins at byte 3"),
        (lv(LID32, 9, {}), "has none of its 9 bytes"),
        (lv(LID32, 2, {0: b"abc"}), "a chunk of 3 bytes where 2 belong"),
        (lv(LID32, 0x7FFFFFFF, {0: b"\x08aa"}), "7-bit"),
        (lv(LID32, 2, {0: b"ab"}, flags=1), "encrypted"),
        ([(b"\0\0\0\5", b"short")], "root of 5 bytes"),
    ],
)
def test_broken_long_values_are_named(lines: list[tuple[bytes, bytes]], detail: str) -> None:
    value = value_of(long_value_table(4096, LID32.to_bytes(4, "little"), lines))
    assert isinstance(value, Unreadable)
    assert detail in value.detail


def test_a_reference_of_three_bytes() -> None:
    value = value_of(long_value_table(4096, b"abc", []))
    assert isinstance(value, Unreadable)
    assert value.code == Err.LVCorrupted


# pages and catalog


@SIZES
def test_deleted_nodes_and_broken_records(page_size: int) -> None:
    layout = RecordLayout([LONG_COLUMN], page_size)
    lines = [(key(number), layout.encode(Record({1: struct.pack("<i", number)}))) for number in range(6)]
    lines[4] = (lines[4][0], b"\xff\xff\xff\xff")
    rows = [table_row(TABLE, 42, "T"), column_row(TABLE, LONG_COLUMN)]
    with database(page_size, rows, {42: leaf(page_size, 42, TABLE, lines, deleted=(1, 3))}) as opened:
        table = opened["T"]
        assert [row["N"] for row in table] == [0, 2, 5]
        assert list(table.values()) == [(0,), (2,), (5,)]
        assert table.count() == 4
        (finding,) = opened.findings
        assert (finding.kind, finding.number, finding.line, finding.code) == (UnitKind.RECORD, 42, 4, Err.NodeCorrupted)
        cursor = table.cursor()
        assert cursor.first()
        assert [row["N"] for row in cursor] == [0, 2, 5]


def test_reserved_tags_are_no_rows() -> None:
    layout = RecordLayout([LONG_COLUMN], 4096)
    lines = [(key(number), layout.encode(Record({1: struct.pack("<i", number)}))) for number in range(4)]
    page = leaf(4096, 42, TABLE, lines)
    state = struct.unpack_from("<H", page, 34)[0]
    for reserved, wanted in ((0, [0, 1, 2, 3]), (1, [0, 1, 2, 3]), (2, [1, 2, 3]), (7, [])):
        struct.pack_into("<H", page, 34, state | reserved << 12)
        with database(4096, [table_row(TABLE, 42, "T"), column_row(TABLE, LONG_COLUMN)], {42: page}) as opened:
            assert [row["N"] for row in opened["T"]] == wanted


def test_catalog_rows_that_make_no_sense() -> None:
    rows = [
        table_row(TABLE, 42, "T"),
        column_row(TABLE, LONG_COLUMN),
        column_row(TABLE, ColumnDef(2, "Over", ColumnType.LONG, 4, offset=6)),
        column_row(TABLE, ColumnDef(3, "N", ColumnType.LONG, 4, offset=8)),
        CatalogRow(TABLE, CatalogType.COLUMN, 4, 99, 4, 0, 0, "Type99", record_offset=12),
        CatalogRow(TABLE, CatalogType.COLUMN, 5, 0, 4, 0, 0, "Deleted", record_offset=12),
        CatalogRow(TABLE, CatalogType.INDEX, 50, 45, 80, 0x10000, 0, "i", more={132: b"\0\0\x63\0"}),
        CatalogRow(TABLE, CatalogType.INDEX, 51, 45, 80, 0x10000, 0, "j", more={132: b"\0\0\x63"}),
        CatalogRow(77, CatalogType.COLUMN, 1, 4, 4, 0, 0, "Orphan", record_offset=4),
        table_row(78, 46, "T"),
    ]
    with database(4096, rows, {}) as opened:
        table = opened["T"]
        assert list(table.columns) == ["N"]
        assert dict(table.indexes) == {}
        details = " | ".join(finding.detail for finding in opened.findings)
    for word in ("Over", "two columns of the name N", "has type 99", "column 99", "3 bytes", "object 77", "two tables"):
        assert word in details


def test_the_shadow_stands_in_for_the_catalog() -> None:
    source = MemoryPages(4096)
    rows = sorted([table_row(TABLE, 42, "T"), column_row(TABLE, LONG_COLUMN)], key=lambda row: row.key)
    source.add(24, leaf(4096, 24, 3, [(row.key, row.pack(4096)) for row in rows]))
    with Database(source) as opened:
        assert list(opened) == ["T"]
        assert list(opened["T"].columns) == ["N"]
        assert [(finding.number, finding.code) for finding in opened.findings] == [(4, Err.FileIOBeyondEOF)]
    with pytest.raises(EseError):
        Database(source, strict=True)
