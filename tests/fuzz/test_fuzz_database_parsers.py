"""Real and made-up database files, damaged at random: a value, a finding or an EseError; bounded; nothing written."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.checksum import set_batch_checksums, set_header_checksum
from engine.format.dbheader import HEADER_PROBE_SIZE, DatabaseHeader, DbState, read_header_pages
from engine.format.flushmap import FlushMapHeader
from engine.format.node import Extent, RootHeader, children, nodes, split_buffers
from engine.format.page import PAGE_SIZES, Page, PageFlags
from engine.format.page_builder import PageBuilder
from engine.format.patch import PatchHeader
from engine.info import database_file_info, identify
from engine.space import available_extents, owned_pages
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "100"))
bounded = settings(max_examples=EXAMPLES, deadline=None)
MOST_PAGES = 40
MOST_SECONDS = 5.0
"""Of one example; a hang would be far beyond, a loaded machine hardly."""


def made_database(page_size: int) -> bytes:
    """Return a small valid database: header, root with its space trees, one internal page and leaves."""
    pages = bytearray()
    space = bytes.fromhex("1400000000000000") + b"\1\0\0\0" + b"\2\0\0\0"
    root = PageBuilder(page_size, 1, 1, PageFlags.ROOT | PageFlags.LEAF, external=space)
    trees = PageFlags.ROOT | PageFlags.LEAF | PageFlags.SPACE_TREE
    owned = PageBuilder(page_size, 2, 1, trees, external=bytes(16))
    owned.add(Extent(20, 20).key, Extent(20, 20).data)
    free = PageBuilder(page_size, 3, 1, trees, external=bytes(16))
    table = PageBuilder(page_size, 4, 2, PageFlags.ROOT | PageFlags.PARENT_OF_LEAF, external=space)
    table.add_child(b"mmm", 5)
    table.add_child(b"", 6)
    builders = [root, owned, free, table]
    for pgno in (5, 6):
        leaf = PageBuilder(page_size, pgno, 2, PageFlags.LEAF, external=b"prefix")
        for index in range(9):
            leaf.add(b"prefix%d" % index, b"data" * (index + 1))
        builders.append(leaf)
    for each in builders:
        pages += each.build(dbtime=1, checksum=False)
    pages += bytes((20 - len(builders)) * page_size)
    set_batch_checksums(pages, 1, page_size)
    header = DatabaseHeader.create(page_size, state=DbState.CLEAN_SHUTDOWN, dbid=1).pack()
    return header * 2 + pages


@pytest.fixture(scope="module")
def seeds(request: pytest.FixtureRequest) -> list[bytes]:
    """Return the beginnings of real files where there are any, and made-up ones."""
    found = [made_database(size) for size in (4096, 16384)]
    folder = Path(os.environ.get("ESE_CORPUS", Path(request.config.rootpath).parent / "shared" / "corpus"))
    for path in [*sorted(folder.glob("*/SRUDB.dat")), *sorted(folder.glob("*/qmgr.db"))]:
        data = path.read_bytes()
        page_size = int.from_bytes(data[236:240], "little")
        found.append(data[: (MOST_PAGES + 2) * page_size])
    return found


def damage(seed: bytes, rng: random.Random) -> tuple[bytearray, int]:
    """Return a damaged copy and its page size; half of the time with checksums made right again."""
    data = bytearray(seed)
    page_size = int.from_bytes(data[236:240], "little")
    for _ in range(rng.randrange(1, 12)):
        kind = rng.randrange(5)
        page = rng.randrange(len(data) // page_size) * page_size
        # What steers a parser lies at the two ends of a page.
        at = page + rng.choice((rng.randrange(120), page_size - 1 - rng.randrange(80), rng.randrange(page_size)))
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            value = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.randrange(64)))
            data[at : at + 4] = value.to_bytes(4, "little")[: len(data) - at]
        elif kind == 3:
            other = rng.randrange(len(data) // page_size) * page_size
            data[page : page + page_size] = data[other : other + page_size]
        else:
            data[page : page + page_size] = rng.randbytes(page_size)
    if rng.randrange(2):
        for copy in (0, page_size):
            view = data[copy : copy + page_size]
            set_header_checksum(view)
            data[copy : copy + page_size] = view
        body = data[2 * page_size :]
        set_batch_checksums(body, 1, page_size)
        data[2 * page_size :] = body
    if not rng.randrange(4):
        del data[rng.randrange(len(data)) :]
    return data, page_size


def quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except EseError as error:
        assert error.code < 0  # noqa: PT017 - a value is right as well


@bounded
@given(number=st.integers(0, 2**32))
def test_damaged_files(seeds: list[bytes], tmp_path_factory: pytest.TempPathFactory, number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - what is drawn must be the same in each run
    data, page_size = damage(rng.choice(seeds), rng)
    path = tmp_path_factory.getbasetemp() / "damaged.edb"
    path.write_bytes(data)
    fs = ReadOnlyFileSystem(RealFileSystem())
    since = time.monotonic()
    quietly(lambda: read_header_pages(data[:HEADER_PROBE_SIZE], len(data)))
    quietly(lambda: identify(path, fs=fs))
    quietly(lambda: database_file_info(path, fs=fs))
    with fs.open(str(path)) as file:
        quietly(lambda: owned_pages(file, page_size))
        quietly(lambda: list(available_extents(file, page_size)))
    quietly(lambda: verify(path, fs=fs))
    quietly(lambda: verify(path, kind="database", page_size=page_size, fs=fs))
    assert time.monotonic() - since < MOST_SECONDS
    assert path.read_bytes() == data


@bounded
@given(number=st.integers(0, 2**32))
def test_damaged_pages(seeds: list[bytes], number: int) -> None:
    rng = random.Random(number)  # noqa: S311 - what is drawn must be the same in each run
    data, page_size = damage(rng.choice(seeds), rng)
    for at in range(2 * page_size, len(data) - page_size + 1, page_size):
        page = Page(memoryview(data)[at : at + page_size], at // page_size - 1)
        quietly(page.check)
        quietly(lambda page=page: list(nodes(page)))  # type: ignore[misc]
        quietly(lambda page=page: list(children(page)))  # type: ignore[misc]
        quietly(lambda page=page: RootHeader.of(page))  # type: ignore[misc]
        quietly(lambda page=page: split_buffers(page))  # type: ignore[misc]


@bounded
@given(data=st.binary(max_size=1500), size=st.sampled_from([*PAGE_SIZES, 100]), right=st.booleans())
def test_any_header(data: bytes, size: int, right: bool) -> None:  # noqa: FBT001
    page = bytearray(data.ljust(size, b"\0")[:size])
    if right and size in PAGE_SIZES:
        set_header_checksum(page)
    for parse in (DatabaseHeader.parse, PatchHeader.parse, FlushMapHeader.parse):
        quietly(lambda parse=parse: parse(page))  # type: ignore[misc]
    quietly(lambda: read_header_pages(page * 2, 2 * size))
