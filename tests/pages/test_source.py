"""Where pages are read from: bounds, damage, reading ahead, and replayed pages above a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format.checksum import set_page_checksum
from engine.format.page import PageFlags, page_offset
from engine.pages.mutable import MutablePage
from engine.pages.source import FilePages, SpilledPages

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "100"))
SIZE = 4096
PAGES = 24
BLANK, RUINED, FLIPPED = 5, 9, 13
"""A page that was never written, one with a wrong checksum, one with one wrong bit."""


def image(pgno: int, number: int) -> bytes:
    page = MutablePage(pgno, SIZE, objid=5, flags=int(PageFlags.LEAF))
    page.insert_key(0, 0, b"key", number.to_bytes(8, "little"))
    return bytes(page.encode())


class Bytes:
    """A file in memory."""

    path = "a.edb"

    def __init__(self) -> None:
        self.data = bytearray(2 * SIZE)
        self.reads: list[tuple[int, int]] = []
        for pgno in range(1, PAGES + 1):
            self.data += bytes(SIZE) if pgno == BLANK else image(pgno, pgno)
        at = page_offset(RUINED, SIZE)
        self.data[at + 100 : at + 120] = bytes(range(20))
        self.data[page_offset(FLIPPED, SIZE) + 200] ^= 8

    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return bytes(self.data[offset : offset + length])

    def close(self) -> None:
        pass


def outcome(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except EseError as error:
        return error.code


def number_of(data: bytes | bytearray | memoryview, pgno: int) -> int:
    return int.from_bytes(MutablePage.decode(data, pgno).data(0), "little")


@pytest.mark.parametrize(
    ("pgno", "code"),
    [
        (-1, Err.BadPageLink),
        (0, Err.BadPageLink),
        (BLANK, Err.PageNotInitialized),
        (RUINED, Err.ReadVerifyFailure),
        (PAGES + 1, Err.FileIOBeyondEOF),
        (1 << 31, Err.FileIOBeyondEOF),
    ],
)
def test_what_cannot_be_read_is_named(pgno: int, code: int) -> None:
    for pages in (FilePages(Bytes(), SIZE), SpilledPages(FilePages(Bytes(), SIZE))):
        for _ in range(2):
            with pytest.raises(EseError) as error:
                pages.page(pgno)
            assert (error.value.code, error.value.page) == (code, pgno)
            pages.prefetch(max(1, pgno - 2), 8)


def test_a_corrected_page_is_told_of_once() -> None:
    file = Bytes()
    pages = FilePages(file, SIZE, cache_bytes=0)
    for _ in range(3):
        for pgno in (*range(1, BLANK), *range(RUINED + 1, PAGES + 1)):
            assert number_of(pages.page(pgno).data, pgno) == pgno
    assert sum(offset == page_offset(FLIPPED, SIZE) for offset, _ in file.reads) > 1, "it was read more than once"
    assert pages.corrected == [FLIPPED]
    spilled = SpilledPages(pages)
    assert number_of(spilled.read(FLIPPED), FLIPPED) == FLIPPED
    assert pages.corrected == [FLIPPED]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    cache=st.sampled_from((0, 20 * SIZE, 1 << 20)),
    asked=st.lists(
        st.one_of(
            st.tuples(st.just("page"), st.integers(-1, PAGES + 2), st.just(1)),
            st.tuples(st.just("ahead"), st.integers(-3, PAGES + 3), st.integers(-1, PAGES + 9)),
        ),
        max_size=30,
    ),
)
def test_reading_ahead_changes_nothing_of_what_is_read(cache: int, asked: list[tuple[str, int, int]]) -> None:
    file = Bytes()
    pages, plain = FilePages(file, SIZE, cache_bytes=cache), FilePages(Bytes(), SIZE)
    for what, first, count in asked:
        if what == "ahead":
            pages.prefetch(first, count)
        else:
            found = outcome(lambda pgno=first: bytes(pages.page(pgno).data))  # type: ignore[misc]
            assert found == outcome(lambda pgno=first: bytes(plain.page(pgno).data))  # type: ignore[misc]
        assert len(pages._kept) <= max(16, cache // SIZE)
    assert all(length <= 1 << 20 for _, length in file.reads)


def test_pages_that_are_kept_are_not_those_of_the_caller() -> None:
    pages = SpilledPages(FilePages(Bytes(), SIZE))
    before = bytes(pages.page(FLIPPED).data)
    mine = pages.read(FLIPPED)
    assert isinstance(mine, bytearray)
    mine[100] ^= 1
    assert bytes(pages.page(FLIPPED).data) == before
    data = bytearray(image(3, 99))
    pages.write(3, data)
    data[:] = bytes(SIZE)
    assert number_of(pages.page(3).data, 3) == 99
    pages.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, PAGES + 8)),
            st.tuples(st.just("cut"), st.integers(1, PAGES + 8)),
            st.tuples(st.just("grow"), st.integers(1, PAGES + 8)),
            st.tuples(st.just("page"), st.integers(1, PAGES + 8)),
        ),
        max_size=40,
    )
)
def test_replayed_pages_above_a_file(steps: list[tuple[str, int]]) -> None:
    """Against a dictionary: what was cut off is gone, also when the database grows over it again."""
    file = Bytes()
    untouched = bytes(file.data)
    pages = SpilledPages(FilePages(file, SIZE))
    good = [pgno for pgno in range(1, PAGES + 1) if pgno not in {BLANK, RUINED}]
    wanted = {pgno: pgno for pgno in good} | dict.fromkeys((BLANK,), int(Err.PageNotInitialized))
    wanted |= dict.fromkeys((RUINED,), int(Err.ReadVerifyFailure))
    last, replayed = PAGES, set[int]()
    for number, (what, pgno) in enumerate(steps, 1000):
        if what == "write":
            pages.write(pgno, image(pgno, number))
            wanted[pgno] = number
            replayed.add(pgno)
            last = max(last, pgno)
        elif what == "cut":
            pages.cut(pgno)
            wanted = {each: value for each, value in wanted.items() if each <= pgno}
            replayed = {each for each in replayed if each <= pgno}
            last = pgno
        elif what == "grow":
            pages.grow(pgno)
            last = max(last, pgno)
        expected = wanted.get(pgno, int(Err.FileIOBeyondEOF))
        assert outcome(lambda: number_of(pages.page(pgno).data, pgno)) == expected  # noqa: B023 - asked at once
        assert outcome(lambda: number_of(pages.read(pgno), pgno)) == expected  # noqa: B023 - asked at once
        assert pages.last_page == last
    assert pages.written() == sorted(replayed)
    assert pages.replayed == len(replayed)
    assert pages.replayed_in(1, PAGES + 8) == replayed
    assert bytes(file.data) == untouched
    pages.close()
    pages.close()


class Failing:
    """A temporary file on a full disk: it says so, or takes a part."""

    def __init__(self, *, says_so: bool) -> None:
        self.says_so = says_so

    def seek(self, place: int) -> int:
        return place

    def write(self, data: bytes) -> int:
        if self.says_so:
            raise OSError(28, "No space left on device")
        return len(data) // 2

    def read(self, length: int) -> bytes:
        raise OSError(5, f"Input/output error at {length}")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("says_so", [True, False])
def test_no_room_for_replayed_pages(monkeypatch: pytest.MonkeyPatch, *, says_so: bool) -> None:
    monkeypatch.setattr("engine.pages.source.tempfile.TemporaryFile", lambda **_: Failing(says_so=says_so))
    pages = SpilledPages(FilePages(Bytes(), SIZE))
    with pytest.raises(EseError) as error:
        pages.write(3, image(3, 99))
    assert error.value.code == Err.DiskFull
    assert (pages.replayed, number_of(pages.page(3).data, 3)) == (0, 3)
    pages._slots[4] = 0
    with pytest.raises(EseError) as error:
        pages.page(4)
    assert error.value.code == Err.DiskIO
    pages.close()
    with pytest.raises(EseError) as error:
        pages.page(4)
    assert error.value.code == Err.InternalError


def test_a_foreign_page_is_not_taken_for_this_one() -> None:
    file = Bytes()
    at = page_offset(7, SIZE)
    other = bytearray(image(8, 1))
    file.data[at : at + SIZE] = other
    pages = FilePages(file, SIZE)
    with pytest.raises(EseError):
        pages.page(7)
    set_page_checksum(other, 7)
    file.data[at : at + SIZE] = other
    assert pages.page(7).pgno == 7
