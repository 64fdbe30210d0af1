"""The quick composer against the plain page builder; the sorter; the allocation of pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.allocation import FileSpace, PageSpace, Run
from engine.build.compose import TREE_FLAGS, PageHead, PendingPage
from engine.build.sorter import EntrySorter
from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem
from engine.format.page import PageFlags
from engine.format.page_builder import PageBuilder

ENTRIES = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=300)), max_size=60)


@given(ENTRIES, st.sampled_from([4096, 8192, 16384, 32768]), st.integers(30, 100))
def test_pages_are_those_of_the_page_builder(
    entries: list[tuple[bytes, bytes]],
    page_size: int,
    density: int,
) -> None:
    pending = PendingPage(page_size, density)
    taken = []
    for key, data in sorted(dict(entries).items()):
        if not pending.add(key, data):
            break
        taken.append((key, data))
    head = PageHead(77, 9, TREE_FLAGS | int(PageFlags.LEAF), 4711, 76, 78)
    plain = PageBuilder(page_size, 77, 9, PageFlags.LEAF, external=pending.prefix)
    for key, data in taken:
        plain.add(key, data)
    assert pending.compose(head) == plain.build(dbtime=4711, pgno_prev=76, pgno_next=78, checksum=False)
    assert pending.used == plain.used
    root = PageBuilder(page_size, 77, 9, PageFlags.LEAF | PageFlags.ROOT, external=bytes(16))
    if pending.root_size() + 16 <= root.capacity:
        for key, data in taken:
            root.add(key, data)
        root_head = PageHead(77, 9, TREE_FLAGS | int(PageFlags.LEAF | PageFlags.ROOT), 4711)
        assert pending.compose_root(root_head, bytes(16)) == root.build(dbtime=4711, checksum=False)
        assert pending.root_size() + 16 == root.used


@given(ENTRIES, st.integers(500, 20_000))
def test_entries_come_back_in_order_whatever_the_memory(entries: list[tuple[bytes, bytes]], memory: int) -> None:
    fs = CrashFileSystem()
    sorter = EntrySorter(fs, "/spill", memory=memory)
    for key, data in entries:
        sorter.add(key, data)
    assert list(sorter.sorted()) == sorted(entries)
    assert sorter.count == len(entries)
    sorter.close()
    assert fs.stat("/spill") is None


def test_many_runs_are_merged_in_between() -> None:
    fs = CrashFileSystem()
    sorter = EntrySorter(fs, "/spill", memory=1000)
    entries = [((n * 7919 % 10007).to_bytes(4, "big"), bytes(20)) for n in range(10007)]
    for key, data in entries:
        sorter.add(key, data)
    assert len(sorter._runs) < 100
    assert list(sorter.sorted()) == sorted(entries)
    sorter.close()


def test_cut_off_spill_file_is_an_error() -> None:
    fs = CrashFileSystem()
    sorter = EntrySorter(fs, "/spill", memory=1000)
    for n in range(200):
        sorter.add(n.to_bytes(4, "big"), bytes(20))
    with fs.open("/spill") as file:
        size = file.size()
    assert sorter._file is not None
    sorter._file.truncate(size - 1)
    with pytest.raises(EseError) as caught:
        list(sorter.sorted())
    assert caught.value.code == Err.DiskIO
    with pytest.raises(EseError) as caught:
        sorter.add(bytes(70_000), b"more than the memory")
    assert caught.value.code == Err.RecordTooBig


def test_neighbouring_runs_become_one_and_the_tail_goes_back() -> None:
    file = FileSpace(31)
    table = PageSpace(file, step=16)
    assert [table.take() for _ in range(17)] == list(range(31, 48))
    assert table.owned == [Run(31, 32)]
    values = PageSpace(table, step=4, proportional=True)
    assert values.take() == 48
    assert values.owned == [Run(48, 4)]
    assert table.take() == 52
    values.take_space_trees()
    values.take_space_trees()
    assert values.pgno_oe == 49
    values.release_tail()
    assert values.owned == [Run(48, 3)]
    assert values.page_count == 3
    assert table.take() == 51
    table.release_tail()
    assert table.owned == [Run(31, 22)]
    assert file.next_page == 53
    assert table.free == []


def test_growth_keeps_the_number_of_extents_small() -> None:
    file = FileSpace(31)
    table = PageSpace(file, step=16)
    values = PageSpace(table, step=16, proportional=True)
    while values.page_count < 2_000_000:
        values.take(16)
        table.take()
    # As many as one page of 4 KiB can list.
    assert len(values.owned) < 280


def test_pages_end_somewhere() -> None:
    file = FileSpace(2**31 - 20)
    with pytest.raises(EseError) as caught:
        PageSpace(file).take(100)
    assert caught.value.code == Err.DiskFull
