from __future__ import annotations

import itertools
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.node import (
    Extent,
    NodeFlags,
    RootHeader,
    SpaceFlags,
    SpaceHeader,
    children,
    common_prefix,
    decode_node,
    encode_node,
    encoded_size,
    nodes,
    separator,
    split_buffers,
)
from engine.format.page import (
    PAGE_SIZES,
    WRITABLE_PAGE_SIZES,
    Page,
    PageFlags,
    PageHeader,
    header_size,
    page_number,
    page_offset,
    pages_in_file,
)
from engine.format.page_builder import PageBuilder

LEAF = PageFlags.LEAF
ROOT_LEAF = PageFlags.ROOT | PageFlags.LEAF


def small_tag(page: bytearray, tag: int, size: int, offset: int) -> None:
    struct.pack_into("<HH", page, len(page) - 4 * (tag + 1), size, offset)


def built(page_size: int = 4096, lines: int = 5, external: bytes = b"pre", flags: int = LEAF) -> bytearray:
    builder = PageBuilder(page_size, 7, 9, flags, external=external)
    for index in range(lines):
        builder.add(b"prefix%04d" % index, b"data" * (index + 1))
    return builder.build(dbtime=5, pgno_prev=6, pgno_next=8)


def code_of(page: bytes | bytearray, pgno: int = 7) -> int | None:
    try:
        read = Page(page, pgno, path="a.edb")
        read.check()
        list(nodes(read))
    except EseError as error:
        return error.code if (error.page, error.path) == (pgno, "a.edb") else 0
    return None


def test_geometry() -> None:
    assert page_offset(1, 4096) == 8192
    assert [page_number(offset, 4096) for offset in (0, 4096, 8192, 12287)] == [-1, 0, 1, 1]
    assert (pages_in_file(8192, 4096), pages_in_file(0, 4096), pages_in_file(5 * 4096 + 1, 4096)) == (0, 0, 3)
    assert [header_size(size) for size in PAGE_SIZES] == [40, 40, 40, 80, 80]


def test_worked_example_of_the_space_tree_root() -> None:
    page = bytearray(4096)
    page[:40] = bytes.fromhex("d459ec00920192014600000000000000000000000000000001000000b60f00001a00020023a80000")
    page[56:66] = bytes.fromhex("0400000000fefe000000")
    page[-8:] = bytes.fromhex("0a00100010000000")
    read = Page(page, 2)
    read.check()
    assert (read.header.dbtime, read.header.objid, read.header.flush_type) == (70, 1, 1)
    wanted = PageFlags.ROOT | LEAF | PageFlags.SPACE_TREE | PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM
    assert read.flags == wanted | 0x8000
    assert (read.is_root, read.is_leaf, read.is_blank) == (True, True, False)
    node = decode_node(read, 0)
    assert Extent.of(read, node) == Extent(254, 254)
    assert Extent.of(read, node).first == 1
    assert split_buffers(read) == ()


@pytest.mark.parametrize("page_size", WRITABLE_PAGE_SIZES)
@pytest.mark.parametrize("flags", [LEAF, ROOT_LEAF, LEAF | PageFlags.SPACE_TREE])
def test_builder_fills_a_page_that_reads_back(page_size: int, flags: PageFlags) -> None:
    external = b"key-of-000010" if flags == LEAF else bytes(16)
    builder = PageBuilder(page_size, 7, 9, flags, external=external)
    expected = []
    for index in itertools.count():
        key, data = b"key-of-%06d" % index, b"v" * (index % 90 + 1)
        cost = builder.cost(key, data)
        if not builder.fits(key, data):
            assert cost > builder.free
            with pytest.raises(EseError) as caught:
                builder.add(key, data)
            assert caught.value.code == Err.RecordTooBig
            break
        before = builder.used
        builder.add(key, data, NodeFlags.VERSION if index % 3 else 0)
        assert builder.used == before + cost
        expected.append((key, data))
    page = Page(builder.build(dbtime=99, pgno_prev=3, pgno_next=4), 7)
    page.check()
    found = list(nodes(page))
    assert [(each.key, bytes(each.data)) for each in found] == expected
    assert len(expected) == builder.line_count == page.line_count
    compressed = {bool(each.flags & NodeFlags.COMPRESSED) for each in found}
    assert compressed == {flags == LEAF}
    assert all(bool(each.flags & NodeFlags.VERSION) == bool(index % 3) for index, each in enumerate(found))
    assert bytes(page.external_header) == external
    header = page.header
    assert (header.dbtime, header.pgno_prev, header.pgno_next, header.objid) == (99, 3, 4, 9)
    assert (header.tag_count, header.reserved_tags, header.uncommitted_free) == (len(expected) + 1, 1, 0)
    assert header.flags == flags | PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM
    assert header.pgno == (7 if page_size > 8192 else 0)
    assert header.pack(page_size) == bytes(page.data[: header_size(page_size)])


def test_builder_of_an_empty_page_and_its_limits() -> None:
    page = Page(PageBuilder(4096, 3, 2, ROOT_LEAF).build(dbtime=1), 3)
    page.check()
    assert (page.header.free, page.header.mic_free, page.line_count) == (4096 - 40 - 4, 0, 0)
    assert list(nodes(page)) == []
    for size in (2048, 0, 12288):
        with pytest.raises(EseError) as caught:
            PageBuilder(size, 1, 1, 2)
        assert caught.value.code == Err.PageSizeMismatch
    with pytest.raises(EseError) as caught:
        PageBuilder(4096, 1, 1, 2, external=bytes(4053))
    assert caught.value.code == Err.RecordTooBig


def test_most_tags_of_a_large_page() -> None:
    builder = PageBuilder(32768, 1, 1, LEAF)
    key = 0
    while builder.fits(key.to_bytes(2, "big"), b""):
        builder.add(key.to_bytes(2, "big"), b"")
        key += 1
    # 8 bytes a line would be room for 4085; the count must also stay within 12 bits.
    assert 4080 < builder.line_count <= 4094
    page = Page(builder.build(dbtime=1), 1)
    page.check()
    assert [each.key for each in nodes(page)] == [each.to_bytes(2, "big") for each in range(key)]


def test_internal_pages() -> None:
    builder = PageBuilder(4096, 5, 9, PageFlags.PARENT_OF_LEAF)
    for key, child in ((b"bb", 10), (b"cc", 11), (b"", 12)):
        builder.add_child(key, child)
    page = Page(builder.build(dbtime=1), 5)
    assert list(children(page)) == [(b"bb", 10), (b"cc", 11), (b"", 12)]
    leaf = Page(built(), 7)
    with pytest.raises(EseError) as caught:
        list(children(leaf))
    assert caught.value.code == Err.NodeCorrupted


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ({28: 4}, Err.PageTagCorrupted),  # cbFree
        ({32: 2}, Err.PageTagCorrupted),  # ibMicFree too small: a tag lies in free space
        ({33: 0x20}, Err.PageTagCorrupted),  # ibMicFree beyond the page
        ({34: 0x40}, Err.PageTagCorrupted),  # more tags than there are
        ({35: 0x0F}, Err.PageTagCorrupted),  # so many that they run into the header
        ({35: 0x70}, Err.PageTagCorrupted),  # more reserved tags than tags
        ({16: 6 ^ 7}, Err.BadPageLink),
        ({20: 8 ^ 7}, Err.BadPageLink),
        ({4096 - 8: 0x80}, Err.PageTagCorrupted),  # size of the first line
        ({4096 - 5: 0x1F}, Err.PageTagCorrupted),  # offset of the first line
        ({30: 0xFF, 31: 0x1F}, Err.PageTagCorrupted),  # more uncommitted than free
    ],
)
def test_broken_bookkeeping_is_refused(damage: dict[int, int], code: int) -> None:
    page = built()
    assert code_of(page) is None
    for at, flip in damage.items():
        page[at] ^= flip
    assert code_of(page) == code


def test_overlapping_and_tiny_tags() -> None:
    page = built()
    first, second = (struct.unpack_from("<HH", page, 4096 - 4 * (tag + 1)) for tag in (1, 2))
    assert first[0] < second[0]
    small_tag(page, 2, second[0], first[1])
    assert code_of(page) == Err.PageTagCorrupted
    page = built()
    small_tag(page, 1, 3, first[1])
    struct.pack_into("<H", page, 28, struct.unpack_from("<H", page, 28)[0] + first[0] - 3)
    assert code_of(page) == Err.PageTagCorrupted


def test_garbage_bits_of_tags_are_ignored() -> None:
    page = built()
    for tag in range(6):
        page[4096 - 4 * (tag + 1) + 1] |= 0xE0
    assert code_of(page) is None
    large = built(16384)
    for tag in range(6):
        large[16384 - 4 * (tag + 1) + 1] |= 0x80
        large[16384 - 4 * (tag + 1) + 3] |= 0x80
    assert code_of(large) is None
    assert [each.key for each in nodes(Page(large, 7))] == [b"prefix%04d" % index for index in range(5)]


def test_reserved_tags() -> None:
    page = built()
    for count, keys in ((0x1000, 5), (0x2000, 4), (0x3000, 3)):
        struct.pack_into("<H", page, 34, 6 | count)
        read = Page(page, 7)
        read.check()
        assert [each.key for each in nodes(read)] == [b"prefix%04d" % index for index in range(5 - keys, 5)]


def test_pages_that_hold_nothing_pass() -> None:
    page = bytearray(random.Random(1).randbytes(4096))  # noqa: S311 - any bytes will do
    for flag in (PageFlags.EMPTY, PageFlags.PRE_INIT):
        struct.pack_into("<I", page, 36, flag)
        Page(page, 7).check()
    blank = Page(bytes(8192), 4)
    assert blank.is_blank
    assert blank.line_count == 0
    assert code_of(bytes(4096)) == Err.PageTagCorrupted


def test_large_page_with_another_number() -> None:
    assert code_of(built(16384), 8) == Err.ReadPgnoVerifyFailure


@pytest.mark.parametrize("size", [0, 1, 40, 4095, 12288])
def test_wrong_page_size(size: int) -> None:
    with pytest.raises(EseError) as caught:
        Page(bytes(size), 1)
    assert caught.value.code == Err.PageSizeMismatch


def test_lines_out_of_range() -> None:
    page = Page(built(), 7)
    for index in (-1, 5, 10**9):
        with pytest.raises(EseError) as caught:
            page.line(index)
        assert caught.value.code == Err.BadLineCount


@pytest.mark.parametrize("large", [False, True])
def test_node_sizes_beyond_the_line(large: bool) -> None:  # noqa: FBT001 - one case each
    page = built(16384 if large else 4096, external=b"prefix0000")
    first = Page(page, 7).line(0)
    assert first.flags == NodeFlags.COMPRESSED
    at = page.index(bytes(first.data))
    for offset in (0, 2):
        broken = bytearray(page)
        broken[at + offset] = 0xFF
        assert code_of(broken) == Err.NodeCorrupted


def test_root_headers() -> None:
    space = SpaceHeader(4, 1, SpaceFlags.NONE, 7)
    plain = Page(PageBuilder(4096, 31, 8, ROOT_LEAF, external=space.pack()).build(dbtime=1), 31)
    assert RootHeader.of(plain) == RootHeader(space)
    assert list(space.free_pages(31)) == [32, 33, 34]
    assert list(SpaceHeader(40, 1, SpaceFlags.NONE, 1 << 31).free_pages(10)) == [42, *range(43, 50)]
    assert list(SpaceHeader(0, 1, SpaceFlags.NONE, 0xFFFFFFFF).free_pages(10)) == []
    multiple = SpaceHeader(254, 0, SpaceFlags.MULTIPLE_EXTENT | SpaceFlags.V2, 2)
    assert (multiple.multiple_extent, multiple.pgno_oe, multiple.pgno_ae) == (True, 2, 3)
    long = RootHeader(multiple, 5001)
    page = Page(PageBuilder(4096, 31, 8, ROOT_LEAF, external=long.pack()).build(dbtime=1), 31)
    assert len(long.pack()) == 25
    assert RootHeader.of(page) == long
    for external in (b"", b"\1", b"\2" + bytes(24), b"\3" + bytes(16), b"\0" * 25):
        page = Page(PageBuilder(4096, 31, 8, ROOT_LEAF, external=external).build(dbtime=1), 31)
        with pytest.raises(EseError) as caught:
            RootHeader.of(page)
        assert (caught.value.code, caught.value.page) == (Err.DatabaseCorrupted, 31)
    unknown = Page(PageBuilder(4096, 31, 8, ROOT_LEAF, external=b"\x81" + space.pack() + b"xy").build(dbtime=1), 31)
    assert RootHeader.of(unknown).rest == b"xy"


def test_extents_and_split_buffers() -> None:
    for extent in (Extent(254, 254), Extent(9, 0), Extent(300, 7, 1), Extent(300, 7, 2)):
        external = struct.pack("<IiIi", 40, 3, 50, -1)
        builder = PageBuilder(4096, 2, 1, ROOT_LEAF | PageFlags.SPACE_TREE, external=external)
        builder.add(extent.key, extent.data)
        page = Page(builder.build(dbtime=1), 2)
        assert Extent.of(page, decode_node(page, 0)) == extent
        assert split_buffers(page) == (Extent(40, 3),)
    for key, data in (
        (b"\0\0\0\1", b"\2\0\0\0"),
        (b"\0\0\1", b"\1\0\0\0"),
        (b"\1\0\0\0\1", b"\1\0\0\0"),
        (b"\0\0\0\1", b"\1"),
    ):
        builder = PageBuilder(4096, 2, 1, LEAF, external=b"xyz")
        builder.add(key, data)
        page = Page(builder.build(dbtime=1), 2)
        with pytest.raises(EseError) as caught:
            Extent.of(page, decode_node(page, 0), code=Err.SPAvailExtCorrupted)
        assert caught.value.code == Err.SPAvailExtCorrupted
        with pytest.raises(EseError):
            split_buffers(page)


@given(one=st.binary(max_size=40), two=st.binary(max_size=40))
def test_common_prefix(one: bytes, two: bytes) -> None:
    length = common_prefix(one, two)
    assert one[:length] == two[:length]
    assert length == min(len(one), len(two)) or one[length] != two[length]
    assert common_prefix(one + two, one) == len(one)


@given(
    key=st.binary(min_size=1, max_size=60),
    data=st.binary(min_size=1, max_size=60),
    prefix=st.binary(max_size=30),
    large=st.booleans(),
    flags=st.sampled_from([0, 1, 2, 3]),
)
def test_node_round_trip(key: bytes, data: bytes, prefix: bytes, large: bool, flags: int) -> None:  # noqa: FBT001
    node_flags, blob = encode_node(key, data, prefix=prefix, flags=flags, large=large)
    assert len(blob) + 4 == encoded_size(key, len(data), prefix)
    assert bool(node_flags & NodeFlags.COMPRESSED) == (common_prefix(key, prefix) > 2)
    assert node_flags & 3 == flags
    builder = PageBuilder(16384 if large else 4096, 1, 1, LEAF, external=prefix)
    builder.add(key, data, flags)
    page = Page(builder.build(dbtime=1), 1)
    assert bytes(page.line(0).data) == blob
    node = decode_node(page, 0)
    assert (node.flags, node.key, bytes(node.data)) == (node_flags, key, data)
    assert node.deleted == bool(flags & 2)


@given(entries=st.sets(st.tuples(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=4)), min_size=2))
def test_separators_separate(entries: set[tuple[bytes, bytes]]) -> None:
    for (left_key, left_data), (right_key, right_data) in itertools.pairwise(sorted(entries)):
        found = separator(left_key, left_data, right_key, right_data, unique=False)
        left, right = (left_key, left_data), (right_key, right_data)
        if left_key != right_key:
            assert left[0] < found <= right[0]
            assert found == separator(left_key, left_data, right_key, right_data)
            assert not left[0] < found[:-1]
        else:
            assert left_key + left_data < found <= right_key + right_data


@given(data=st.binary(max_size=400), size=st.sampled_from(PAGE_SIZES), spread=st.integers(1, 5))
def test_any_bytes_give_typed_errors_only(data: bytes, size: int, spread: int) -> None:
    page = bytearray(size)
    for index, byte in enumerate(data):
        # Headers and tags are at the two ends.
        page[index // 2 * spread % size if index % 2 else -1 - index // 2 * spread % size] = byte
    read = Page(page, 1, path="x")
    for action in (read.check, lambda: list(nodes(read)), lambda: list(children(read)), lambda: RootHeader.of(read)):
        try:
            action()
        except EseError as error:
            assert error.page == 1  # noqa: PT017 - not raising is right as well


@given(seed=st.integers(0, 2**32), flips=st.integers(1, 12))
def test_damaged_pages_give_typed_errors_only(seed: int, flips: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - what is drawn must be the same in each run
    size = rng.choice(WRITABLE_PAGE_SIZES)
    page = built(size, lines=rng.randrange(20), external=rng.randbytes(16), flags=rng.choice((LEAF, ROOT_LEAF)))
    for _ in range(flips):
        zone = rng.choice((range(40), range(size - 60, size), range(size)))
        page[rng.choice(zone)] ^= 1 << rng.randrange(8)
    code_of(page)


def test_real_pages_obey_the_rules(real_databases: list[Any]) -> None:
    lines = 0
    for database in real_databases:
        for pgno, data in database.pages():
            page = Page(data, pgno, path=str(database.path))
            assert page.header.pack(database.page_size) == data[: header_size(database.page_size)]
            page.check()
            if page.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
                continue
            found = list(nodes(page))
            lines += len(found)
            keys = [each.key for each in found]
            if page.is_leaf:
                entries = [(each.key, bytes(each.data)) for each in found]
                assert entries == sorted(entries)
            else:
                bounds = keys[:-1] if keys and not keys[-1] else keys
                assert bounds == sorted(bounds)
                assert all(child.pgno > 0 for child in children(page))
            if page.is_root and not page.flags & PageFlags.SPACE_TREE:
                header = RootHeader.of(page)
                assert header.pack() == bytes(page.external_header)
                non_unique = bool(page.flags & PageFlags.NON_UNIQUE)
                assert bool(header.space.flags & SpaceFlags.NON_UNIQUE) == non_unique
    assert lines > 50_000


def test_real_pages_rebuild_to_the_same_content(real_databases: list[Any]) -> None:
    rebuilt = 0
    for database in real_databases:
        for pgno, data in database.pages():
            page = Page(data, pgno)
            if pgno % 5 or page.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
                continue
            header = page.header
            builder = PageBuilder(page.size, pgno, header.objid, header.flags, external=bytes(page.external_header))
            wanted = list(nodes(page))
            for node in wanted:
                builder.add(node.key, node.data, node.flags)
            again = Page(builder.build(dbtime=header.dbtime), pgno)
            again.check()
            assert list(nodes(again)) == wanted
            assert again.header.free == header.free
            rebuilt += 1
    assert rebuilt > 500


def test_page_header_is_a_value() -> None:
    header = PageHeader(1, 2, 3, 4, 5, 6, 7, 8, 0x1009, PageFlags(0x1A803), (1, 2, 3), 44)
    assert (header.tag_count, header.reserved_tags, header.flush_type) == (9, 1, 3)
    assert PageHeader.unpack(header.pack(32768), 32768) == header
    assert PageHeader.unpack(header.pack(4096), 4096) == header._replace(block_checksums=(0, 0, 0), pgno=0)
