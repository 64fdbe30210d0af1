from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.checksum import set_header_checksum, verify_batch
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, read_header_pages
from engine.format.flushmap import (
    FLUSH_MAP_PAGE_SIZE,
    FLUSH_MAP_SLOTS,
    FlushMapHeader,
    flush_type_of,
)
from engine.format.page import PageHeader, pages_in_file
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE, TWO, THREE = Signature(1), Signature(2), Signature(3)


def test_round_trip_keeps_unknown_bytes() -> None:
    header = FlushMapHeader(flags=1, logtime_create=LogTime(bytes(range(8))), gen_min_required=7, sign_db_hdr_flush=ONE)
    page = header.pack()
    assert FlushMapHeader.parse(page) == header
    assert len(page) == FLUSH_MAP_PAGE_SIZE
    odd = bytearray(page)
    odd[20], odd[300], odd[8191] = 1, 2, 3
    set_header_checksum(odd)
    read = FlushMapHeader.parse(odd)
    assert read.pack() == odd
    changed = read.replace(flags=0).pack()
    assert (changed[20], changed[300], changed[8191]) == (1, 2, 3)
    assert not FlushMapHeader.parse(changed).clean


def test_what_parse_refuses() -> None:
    page = bytearray(FlushMapHeader().pack())
    page[667] = 3
    set_header_checksum(page)
    cases: list[tuple[bytes, int]] = [
        (bytes(page), Err.FileInvalidType),
        (b"", Err.FileInvalidType),
        (bytes(8192), Err.ReadVerifyFailure),
    ]
    for data, code in cases:
        with pytest.raises(EseError) as caught:
            FlushMapHeader.parse(data, path="a.jfm")
        assert (caught.value.code, caught.value.path) == (code, "a.jfm")


def test_which_map_the_engine_takes_for_the_databases_own() -> None:
    database = DatabaseHeader.create(4096, sign_db_hdr_flush=ONE, sign_flush_map_hdr_flush=TWO)
    assert FlushMapHeader(flags=1, sign_db_hdr_flush=ONE, sign_flush_map_hdr_flush=THREE).accepted_for(database)
    assert FlushMapHeader(flags=1, sign_db_hdr_flush=THREE, sign_flush_map_hdr_flush=TWO).accepted_for(database)
    assert not FlushMapHeader(flags=1, sign_db_hdr_flush=TWO, sign_flush_map_hdr_flush=ONE).accepted_for(database)
    assert not FlushMapHeader(flags=1).accepted_for(DatabaseHeader.create(4096))
    newer = FlushMapHeader(version=(4, 0, 0), flags=1, sign_db_hdr_flush=ONE)
    assert not newer.accepted_for(database)
    # A map that was not closed serves only while its required generation is not behind the database's.
    for gen_database, gen_map, taken in ((0, 0, False), (5, 5, True), (5, 6, True), (6, 5, False), (5, 0, False)):
        dirty = FlushMapHeader(gen_min_required=gen_map, sign_db_hdr_flush=ONE)
        assert dirty.accepted_for(database.replace(gen_min_required=gen_database)) == taken


def test_slots() -> None:
    page = bytearray(FLUSH_MAP_PAGE_SIZE)
    rng = random.Random(1)  # noqa: S311 - what is drawn must be the same in each run
    wanted = [rng.randrange(4) for _ in range(FLUSH_MAP_SLOTS)]
    for slot, value in enumerate(wanted):
        page[64 + slot // 4] |= value << (6 - 2 * (slot % 4))
    assert [flush_type_of(page, FLUSH_MAP_SLOTS + slot) for slot in range(FLUSH_MAP_SLOTS)] == wanted


@given(data=st.binary(max_size=300))
def test_any_bytes_give_a_header_or_a_typed_error(data: bytes) -> None:
    page = bytearray(data.ljust(FLUSH_MAP_PAGE_SIZE, b"\1"))
    page[667:671] = (7).to_bytes(4, "little")
    set_header_checksum(page)
    assert FlushMapHeader.parse(page).pack() == page
    page[5] ^= 1
    with pytest.raises(EseError):
        FlushMapHeader.parse(page)


def test_real_maps(corpus: Path, oracle: Callable[[str], Path]) -> None:
    maps = [*corpus.glob("*/*.jfm"), *oracle("clean").glob("*/*/*.jfm"), *oracle("dirty").glob("*/after/*.jfm")]
    accepted = 0
    for path in maps:
        data = path.read_bytes()
        header = FlushMapHeader.parse(data[:FLUSH_MAP_PAGE_SIZE])
        assert header.pack() == data[:FLUSH_MAP_PAGE_SIZE]
        assert verify_batch(data[FLUSH_MAP_PAGE_SIZE:], 0, FLUSH_MAP_PAGE_SIZE).ok
        siblings = [each for each in path.parent.glob(f"{path.stem}.*") if each.suffix in {".edb", ".dat"}]
        database = siblings[0].read_bytes()
        db_header = read_header_pages(database[:HEADER_PROBE_SIZE], len(database)).header
        if not (db_header.clean and header.accepted_for(db_header)):
            continue
        accepted += 1
        size = db_header.page_size
        for pgno in range(1, pages_in_file(len(database), size) + 1):
            flags = PageHeader.unpack(database, size, (pgno + 1) * size)
            kept = flush_type_of(data[(1 + pgno // FLUSH_MAP_SLOTS) * FLUSH_MAP_PAGE_SIZE :], pgno)
            assert kept in {0, flags.flush_type}, (path, pgno)
    assert accepted >= 15
