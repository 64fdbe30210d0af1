from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.checksum import set_page_checksum
from engine.format.node import Extent, SpaceFlags, SpaceHeader
from engine.format.page import WRITABLE_PAGE_SIZES, PageFlags, page_offset
from engine.format.page_builder import PageBuilder
from engine.info import database_file_info
from engine.space import OwnedPages, available_extents, owned_extents, owned_pages, read_page, root_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ROOT_LEAF = PageFlags.ROOT | PageFlags.LEAF
SPACE = PageFlags.SPACE_TREE
SIZE = 4096


class MemoryFile:
    """The bytes of a database, as an open file; counts the reads."""

    path = "memory.edb"

    def __init__(self, pages: dict[int, bytes], count: int, page_size: int = SIZE) -> None:
        self.data = bytearray((count + 2) * page_size)
        self.reads = 0
        for pgno, page in pages.items():
            self.data[page_offset(pgno, page_size) : page_offset(pgno + 1, page_size)] = page

    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return bytes(self.data[offset : offset + length])


def root_page(space: SpaceHeader, pgno: int = 1, objid: int = 1, flags: int = ROOT_LEAF, size: int = SIZE) -> bytes:
    return bytes(PageBuilder(size, pgno, objid, flags, external=space.pack()).build(dbtime=1))


def multiple(pgno_oe: int) -> SpaceHeader:
    return SpaceHeader(100, 0, SpaceFlags.MULTIPLE_EXTENT, pgno_oe)


def leaf(pgno: int, extents: Iterable[Extent], *, root: bool = True, objid: int = 1, size: int = SIZE) -> bytes:
    flags = SPACE | PageFlags.LEAF | (PageFlags.ROOT if root else 0)
    builder = PageBuilder(size, pgno, objid, flags, external=bytes(16) if root else b"")
    for each in extents:
        builder.add(each.key, each.data)
    return bytes(builder.build(dbtime=1))


def internal(pgno: int, below: list[tuple[bytes, int]], *, root: bool = True) -> bytes:
    flags = SPACE | PageFlags.PARENT_OF_LEAF | (PageFlags.ROOT if root else 0)
    builder = PageBuilder(SIZE, pgno, 1, flags, external=bytes(16) if root else b"")
    for key, child in below:
        builder.add_child(key, child)
    return bytes(builder.build(dbtime=1))


def owned(pages: dict[int, bytes], count: int = 100, page_size: int = SIZE) -> OwnedPages:
    return owned_pages(MemoryFile(pages, count, page_size), page_size)  # type: ignore[arg-type]


def code_of(pages: dict[int, bytes], count: int = 100) -> tuple[int, int | None]:
    with pytest.raises(EseError) as caught:
        owned(pages, count)
    assert caught.value.path == "memory.edb"
    return caught.value.code, caught.value.page


@pytest.mark.parametrize("size", WRITABLE_PAGE_SIZES)
def test_single_extent(size: int) -> None:
    space = SpaceHeader(20, 0, SpaceFlags.NONE, 0b1011)
    file = MemoryFile({1: root_page(space, size=size)}, 30, size)
    assert owned_pages(file, size) == OwnedPages(20, 20, 1, 30)  # type: ignore[arg-type]
    assert list(owned_extents(file, size)) == [Extent(20, 20)]  # type: ignore[arg-type]
    assert list(available_extents(file, size)) == [Extent(2, 1), Extent(3, 1), Extent(5, 1)]  # type: ignore[arg-type]


@pytest.mark.parametrize("size", WRITABLE_PAGE_SIZES)
def test_trees_of_one_page(size: int) -> None:
    extents = [Extent(10, 10), Extent(15, 0), Extent(40, 20), Extent(90, 5)]
    free = [Extent(8, 2), Extent(89, 3), Extent(200, 50, 2)]
    pages = {
        1: root_page(multiple(2), size=size),
        2: leaf(2, extents, size=size),
        3: leaf(3, free, size=size),
    }
    file = MemoryFile(pages, 100, size)
    assert owned(pages, 100, size) == OwnedPages(90, 35, 3, 100)
    assert list(owned_extents(file, size)) == [extents[0], *extents[2:]]  # type: ignore[arg-type]
    assert list(available_extents(file, size)) == free  # type: ignore[arg-type]
    assert owned(pages, 50, size).beyond_end


def test_deep_tree_in_key_order() -> None:
    extents = [Extent(last, 3) for last in range(5, 95, 5)]
    groups = [extents[at : at + 3] for at in range(0, len(extents), 3)]
    pages = {1: root_page(multiple(2)), 3: leaf(3, [])}
    below = []
    for index, group in enumerate(groups):
        pages[50 + index] = leaf(50 + index, group, root=False)
        below.append((group[-1].key + b"\0", 50 + index))
    left, right = below[:3], below[3:]
    pages[40] = internal(40, left, root=False)
    pages[41] = internal(41, [*right[:-1], (b"", right[-1][1])], root=False)
    pages[2] = internal(2, [(left[-1][0], 40), (b"", 41)])
    file = MemoryFile(pages, 100)
    assert list(owned_extents(file, SIZE)) == extents  # type: ignore[arg-type]
    assert owned(pages).count == 54


def test_flipped_bit_is_no_obstacle() -> None:
    pages = {1: root_page(multiple(2)), 2: leaf(2, [Extent(77, 77)])}
    damaged = bytearray(pages[2])
    damaged[70] ^= 4
    assert owned({**pages, 2: bytes(damaged)}).last == 77
    damaged[90] ^= 4
    assert code_of({**pages, 2: bytes(damaged)}) == (Err.ReadVerifyFailure, 2)


def test_what_is_refused() -> None:
    root = root_page(multiple(2))
    good = leaf(2, [Extent(10, 10)])
    own = Err.SPOwnExtCorrupted
    assert code_of({}) == (Err.PageNotInitialized, 1)
    assert code_of({1: root}) == (Err.PageNotInitialized, 2)
    assert code_of({1: root_page(multiple(2**31))}) == (Err.FileIOBeyondEOF, 2**31)
    assert code_of({1: root_page(multiple(0))}) == (Err.BadPageLink, 0)
    assert code_of({1: leaf(1, []), 2: good}) == (Err.DatabaseCorrupted, 1)
    assert code_of({1: root_page(multiple(2), objid=5), 2: good}) == (Err.DatabaseCorrupted, 1)
    assert code_of({1: root_page(multiple(2), flags=PageFlags.LEAF), 2: good}) == (Err.DatabaseCorrupted, 1)
    assert code_of({1: root_page(SpaceHeader(0, 0, SpaceFlags.NONE, 0))}) == (own, 1)
    assert code_of({1: root, 2: leaf(2, [])}) == (own, 1)
    assert code_of({1: root, 2: leaf(2, [Extent(10, 10)], objid=3)}) == (own, 2)
    assert code_of({1: root, 2: leaf(2, [Extent(10, 10)], root=False)}) == (own, 2)
    assert code_of({1: root, 2: root_page(multiple(2), pgno=2)}) == (own, 2)
    assert code_of({1: root, 2: leaf(2, [Extent(10, 5), Extent(12, 3)])}) == (own, 2)
    assert code_of({1: root, 2: leaf(2, [Extent(10, 5), Extent(9, 1)])}) == (own, 2)
    assert code_of({1: root, 2: leaf(2, [Extent(10, 5), Extent(10, 1)])}) == (own, 2)
    twice = internal(2, [(b"\0\0\0\x20", 50), (b"", 50)])
    assert code_of({1: root, 2: twice, 50: leaf(50, [Extent(10, 10)], root=False)}) == (own, 50)
    assert code_of({1: root, 2: internal(2, [(b"", 2)])}) == (own, 2)
    loop = {2: internal(2, [(b"", 3)]), 3: internal(3, [(b"", 4)], root=False), 4: internal(4, [(b"", 3)], root=False)}
    assert code_of({1: root, **loop}) == (own, 3)
    assert code_of({1: root, 2: internal(2, [(b"", 1000)])}) == (Err.FileIOBeyondEOF, 1000)


def test_largest_count_claims_no_memory() -> None:
    space = SpaceHeader(2**32 - 1, 0, SpaceFlags.NONE, 2**32 - 1)
    file = MemoryFile({1: root_page(space)}, 60)
    assert owned_pages(file, SIZE).last == 2**32 - 1  # type: ignore[arg-type]
    free = list(available_extents(file, SIZE))  # type: ignore[arg-type]
    assert free == [Extent(pgno, 1) for pgno in range(2, 61)]


@given(
    damage=st.lists(
        st.tuples(st.sampled_from([1, 2, 50, 51]), st.integers(0, SIZE - 1), st.integers(1, 255)), max_size=8
    )
)
def test_damaged_trees_give_typed_errors_in_bounded_time(damage: list[tuple[int, int, int]]) -> None:
    pages = {
        1: bytearray(root_page(multiple(2))),
        2: bytearray(internal(2, [(b"\0\0\0\x1f", 50), (b"", 51)])),
        50: bytearray(leaf(50, [Extent(10, 10), Extent(30, 5)], root=False)),
        51: bytearray(leaf(51, [Extent(60, 20), Extent(90, 5)], root=False)),
    }
    for pgno, at, mask in damage:
        # Damage where it matters: near the ends of the page.
        pages[pgno][at % 90 if at % 3 else -1 - at % 30] ^= mask
    for pgno, page in pages.items():
        set_page_checksum(page, pgno)
    file = MemoryFile({pgno: bytes(page) for pgno, page in pages.items()}, 100)
    for walk in (owned_extents, available_extents):
        try:
            for extent in walk(file, SIZE):  # type: ignore[arg-type]
                assert 0 < extent.count <= extent.last
        except EseError as error:
            assert error.path == "memory.edb"  # noqa: PT017 - not raising is right as well
    assert file.reads < 20


def test_real_databases(corpus: Path, oracle: Callable[[str], Path]) -> None:
    fs = RealFileSystem()
    paths = [
        *sorted(corpus.glob("*/SRUDB.dat")),
        *sorted(corpus.glob("*/qmgr.db")),
        *sorted(oracle("clean").glob("*/*/clean.edb")),
        *sorted(oracle("dirty").glob("*/after/*.edb")),
    ]
    for path in paths:
        info = database_file_info(path)
        page_size = info.header.page_size
        with fs.open(str(path)) as file:
            found = owned_pages(file, page_size)
            # Everything the engine owns starts at page 1 and has no holes in these files.
            assert found.count == found.last, path
            if info.header.clean:
                assert not found.beyond_end, path
            # What is available lies inside what is owned, and each table's space inside the root's.
            for extent in available_extents(file, page_size):
                assert extent.last <= found.last or extent.pool == 2
            page, header = root_header(file, 4, page_size)
            assert (page.header.objid, header.space.pgno_parent) == (2, 1)
            assert all(extent.last <= found.last for extent in owned_extents(file, page_size, 4))
    assert len(paths) > 30


def test_size_of_a_backup_copy(oracle: Callable[[str], Path]) -> None:
    """A copy ends at the last page that was owned when it began, which its own trees may not know yet."""
    fs = RealFileSystem()
    for path in sorted(oracle("backup").glob("*/s1-full/bk/*.edb")):
        info = database_file_info(path)
        assert info.trailer is not None
        with fs.open(str(path)) as file:
            found = owned_pages(file, info.header.page_size)
            assert found.last <= info.pages
            assert read_page(file, 1, info.header.page_size).is_root


def test_read_page_names_the_place() -> None:
    file = MemoryFile({3: leaf(7, [])}, 10)
    for pgno, code in ((0, Err.BadPageLink), (3, Err.ReadVerifyFailure), (4, Err.PageNotInitialized), (11, -4001)):
        with pytest.raises(EseError) as caught:
            read_page(file, pgno, SIZE)  # type: ignore[arg-type]
        assert (caught.value.code, caught.value.page) == (code, pgno)
    struct.pack_into("<I", file.data, page_offset(3, SIZE), 0)
