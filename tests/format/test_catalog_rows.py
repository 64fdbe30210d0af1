"""Catalog rows, long-value keys, packed values: worked examples, and all of real catalogs byte for byte."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.catalog_row import (
    CATALOG_COLUMNS,
    CatalogRow,
    CatalogType,
    IndexFlags,
    SegmentFlags,
    catalog_key,
    unpack_segments,
)
from engine.format.column import ColumnType
from engine.format.compression import unpack_value
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size, pack_reference, unpack_reference
from engine.format.value import decode_value, encoder, from_ole_date
from engine.table import open_database
from tests.build.reading import catalog_entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = bytes.fromhex("08802000080000000100080000001f000000500000000000000004000000ff000500") + b"basic"
INDEX = (
    bytes.fromhex("0b842900080000000300080000001f000000500000002f000100000000002a2a2a010403000500")
    + bytes.fromhex("80f90200028002800280060049640000010005010440")
    + b"\x01"
    + "en-US".encode("utf-16-le")
)


def test_table_row() -> None:
    row = CatalogRow.unpack(TABLE, 4096)
    assert (row.objid_table, row.type, row.id, row.coltyp_or_pgno, row.space_usage) == (8, CatalogType.TABLE, 8, 31, 80)
    assert (row.name, row.root_flag, row.pages_or_locale) == ("basic", True, 4)
    assert row.pack(4096) == TABLE
    assert row.key == bytes.fromhex("7F80000008 7F8001 7F80000008")
    assert row.name_key.endswith(b"\x7fBASIC\0")
    assert row.root_key == b"\x7f\xff\x7fBASIC\0"


def test_index_row() -> None:
    row = CatalogRow.unpack(INDEX, 4096)
    assert row.flags == 0x1002F
    assert IndexFlags(row.flags) & IndexFlags.PRIMARY
    assert (row.lcmap_flags, row.key_most, row.key_limit()) == (0x30401, 5, 5)
    assert row.segments == ((SegmentFlags.NONE, 1),)
    assert row.root_key is None
    assert row.more[261].decode("utf-16-le") == "en-US"
    assert row.pack(4096) == INDEX
    assert CatalogRow.unpack(row.pack(32768), 32768) == row


def test_broken_rows() -> None:
    with pytest.raises(EseError) as caught:
        CatalogRow.unpack(bytes.fromhex("007F0400"), 4096)
    assert caught.value.code == Err.CatalogCorrupted
    with pytest.raises(EseError):
        unpack_segments(b"\0\0\0")
    with pytest.raises(EseError):
        CatalogRow(8, CatalogType.COLUMN, 1, 99, 4, 0, 0, "x").column()
    assert unpack_segments(bytes.fromhex("0100FEFF"), extended=False) == (
        (SegmentFlags.NONE, 1),
        (SegmentFlags.DESCENDING, 2),
    )


def test_own_columns_are_where_the_engine_has_them() -> None:
    offsets = {column.name: column.offset for column in CATALOG_COLUMNS if column.offset}
    assert offsets["RootFlag"] == 30
    assert offsets["KeyMost"] == 37
    assert offsets["PgnoFDPLastSetTime"] == 43
    assert catalog_key(2, 1, 2) == bytes.fromhex("7F800000027F80017F80000002")


def catalogs_agree(path: Path) -> int:
    """Decode every catalog row, encode it again, recompute its keys; return the number of rows."""
    with open_database(path, strict=True) as database:
        entries, size = catalog_entries(database), database.page_size
        for key, data in entries:
            row = CatalogRow.unpack(data, size)
            assert row.key == key
            again = CatalogRow.unpack(row.pack(size), size)
            assert again == row
            # Byte for byte, but for trailing nulls that some engines spell out.
            if row.pack(size) != data:
                assert row.type == CatalogType.CALLBACK or len(data) > len(row.pack(size))
        return len(entries)


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name",
    ["srum-win10-clean/SRUDB.dat", "srum-win11-clean/SRUDB.dat", "bits-24h2-16k/qmgr.db", "srum-win10-small/SRUDB.dat"],
)
def test_catalogs_of_windows(corpus: Path, name: str) -> None:
    assert catalogs_agree(corpus / name) > 50


@pytest.mark.oracle
@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_catalogs_of_the_real_engine(oracle: Callable[[str], Path], page_size: int) -> None:
    assert catalogs_agree(oracle("clean") / "clean-basic" / f"p{page_size}" / "clean.edb") == 171


def test_long_value_keys() -> None:
    for key, size in (
        (LongValueKey(7), 4),
        (LongValueKey(7, 4014), 8),
        (LongValueKey(1 << 63 | 7), 8),
        (LongValueKey(1 << 63 | 7, 8150), 12),
    ):
        raw = key.pack()
        assert len(raw) == size
        assert LongValueKey.unpack(raw) == key
    with pytest.raises(EseError) as caught:
        LongValueKey.unpack(b"12345")
    assert caught.value.code == Err.LVCorrupted
    for lid in (5, 1 << 63 | 5):
        assert unpack_reference(pack_reference(lid)) == lid
    with pytest.raises(EseError):
        unpack_reference(b"123")
    for root in (LongValueRoot(1, 5000), LongValueRoot(2, 70, 0)):
        assert LongValueRoot.unpack(root.pack()) == root
    with pytest.raises(EseError):
        LongValueRoot.unpack(b"1234567")
    assert [chunk_size(size) for size in (4096, 8192, 16384, 32768)] == [4014, 8110, 4050, 8150]


def seven_bits(scheme: int, values: bytes) -> bytes:
    """Pack 7-bit values as the engine does."""
    packed = sum(value << 7 * at for at, value in enumerate(values))
    bits = 7 * len(values)
    return bytes([scheme << 3 | (bits - 1) % 8]) + packed.to_bytes((bits + 7) // 8, "little")


@given(st.binary(min_size=1, max_size=60).map(lambda data: bytes(each & 0x7F for each in data)))
def test_seven_bit_values(values: bytes) -> None:
    assert unpack_value(seven_bits(1, values)) == values
    assert unpack_value(seven_bits(2, values)) == b"".join(bytes([each, 0]) for each in values)


def test_other_packed_values() -> None:
    literals = b"\x18" + (5).to_bytes(2, "little") + (0x07FFFFFF).to_bytes(4, "little") + b"hello"
    assert unpack_value(literals) == b"hello"
    assert unpack_value(b"\x20lll") == b""
    for broken in (b"", b"\x08\x01\x02", b"\x28abc", b"\x18\x05\x00", b"\x00abc", b"\x08"):
        with pytest.raises(EseError) as caught:
            unpack_value(broken)
        assert caught.value.code == Err.DecompressionFailed


@given(st.binary(max_size=40))
def test_any_bytes_unpack_or_are_a_typed_error(data: bytes) -> None:
    with contextlib.suppress(EseError):
        unpack_value(data)


def test_values_that_do_not_fit() -> None:
    with pytest.raises(EseError):
        decode_value(b"123", ColumnType.LONG)
    with pytest.raises(EseError):
        decode_value(b"", ColumnType.BIT)
    with pytest.raises(EseError):
        decode_value(b"short", ColumnType.GUID)
    assert decode_value(b"a\0b", ColumnType.TEXT, 1200) == "a"
    assert decode_value(b"\x81", ColumnType.TEXT, 1252) == "�"
    assert from_ole_date(1e300) is None
    assert from_ole_date(2.5) is not None
    with pytest.raises(EseError):
        encoder(ColumnType.SLV)
