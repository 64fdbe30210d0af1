"""The cache of decoded pages against a plain dictionary: no change is lost, no pinned page is written."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.errors import Err, EseError
from engine.format.page import FLUSH_TYPE_SHIFT, PageFlags
from engine.pages.cache import PageCache
from engine.pages.mutable import MutablePage

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "100"))
SIZE = 4096
PAGES = 60
NUMBERS = st.integers(1, PAGES)


def fresh(pgno: int, number: int) -> MutablePage:
    page = MutablePage(pgno, SIZE, objid=5, flags=int(PageFlags.LEAF))
    page.insert_key(0, 0, b"key", number.to_bytes(8, "little"))
    return page


def number_of(page: MutablePage) -> int:
    return int.from_bytes(page.data(0), "little")


class Disk:
    """Pages as they lie in a file; a write may be made to fail."""

    def __init__(self) -> None:
        self.pages = {pgno: bytes(fresh(pgno, 0).encode()) for pgno in range(1, PAGES + 1)}
        self.full = False
        self.written: list[int] = []

    def read(self, pgno: int) -> bytes:
        if pgno not in self.pages:
            raise EseError.from_code(Err.FileIOBeyondEOF, page=pgno)
        return self.pages[pgno]

    def write(self, pgno: int, data: bytes | bytearray) -> None:
        if self.full:
            raise EseError.from_code(Err.DiskFull, page=pgno)
        self.pages[pgno] = bytes(data)
        self.written.append(pgno)

    def number(self, pgno: int) -> int:
        return number_of(MutablePage.decode(self.pages[pgno], pgno))


class CacheMachine(RuleBasedStateMachine):
    """Sixteen pages of room, sixty pages, some of them pinned, and a disk that is full at times."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.cache = PageCache("a.edb", SIZE, read=self.disk.read, write=self.disk.write, capacity=1)
        self.wanted = dict.fromkeys(range(1, PAGES + 1), 0)
        self.pins: dict[int, int] = {}
        self.count = 0

    def tried(self, pgno: int) -> MutablePage | None:
        try:
            return self.cache.load(pgno)
        except EseError as error:
            if not (self.disk.full and error.code == Err.DiskFull):
                raise
            return None

    @rule(pgno=NUMBERS)
    def look(self, pgno: int) -> None:
        if pgno not in self.wanted:
            assert self.cache.peek(pgno) is None
            return
        page = self.tried(pgno)
        if page is not None:
            assert number_of(page) == self.wanted[pgno]

    @rule(pgnos=st.lists(NUMBERS, min_size=1, max_size=24, unique=True))
    def change(self, pgnos: list[int]) -> None:
        """Load several, then change them, as an operation on many pages does."""
        loaded = [(each, self.tried(each)) for each in pgnos if each in self.wanted]
        for pgno, page in loaded:
            if page is None:
                continue
            self.count += 1
            page.set_data(0, self.count.to_bytes(8, "little"))
            self.wanted[pgno] = self.count
            self.cache.changed(page)

    @rule(pgno=NUMBERS)
    def put(self, pgno: int) -> None:
        self.count += 1
        self.wanted[pgno] = self.count
        try:
            self.cache.put(fresh(pgno, self.count))
        except EseError as error:
            if not (self.disk.full and error.code == Err.DiskFull):
                raise

    @rule(pgno=NUMBERS)
    def pin(self, pgno: int) -> None:
        self.cache.pin(pgno)
        self.pins[pgno] = self.pins.get(pgno, 0) + 1

    @precondition(lambda self: self.pins)
    @rule(choice=st.integers(0, 99))
    def unpin(self, choice: int) -> None:
        pgno = sorted(self.pins)[choice % len(self.pins)]
        self.cache.unpin(pgno)
        self.pins[pgno] -= 1
        if not self.pins[pgno]:
            del self.pins[pgno]

    @rule(full=st.booleans())
    def disk_full(self, *, full: bool) -> None:
        self.disk.full = full
        if not full:
            # Room is made by the next page that comes in.
            self.put(1)

    @rule()
    def flush(self) -> None:
        dirty = self.cache.dirty_pages
        try:
            self.cache.flush()
        except EseError as error:
            assert error.code == (Err.InternalError if self.cache._dirty & self.pins.keys() else Err.DiskFull)  # noqa: PT017
            assert dirty
            return
        assert not self.cache.dirty_pages
        assert {pgno: self.disk.number(pgno) for pgno in self.wanted} == self.wanted

    @rule(first=st.integers(PAGES // 2, PAGES))
    def cut(self, first: int) -> None:
        self.cache.drop_from(first)
        for pgno in [each for each in self.wanted if each >= first]:
            del self.wanted[pgno]
            self.disk.pages.pop(pgno, None)

    @invariant()
    def nothing_pinned_is_written(self) -> None:
        assert not set(self.disk.written) & self.pins.keys()
        self.disk.written.clear()

    @invariant()
    def it_is_bounded(self) -> None:
        cache = self.cache
        assert cache._dirty <= cache._pages.keys()
        if not self.disk.full:
            assert len(cache._pages) <= 16 + max(len(self.pins), 24)

    def teardown(self) -> None:
        for pgno in [*self.pins]:
            for _ in range(self.pins.pop(pgno)):
                self.cache.unpin(pgno)
        self.disk.full = False
        self.flush()


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)


def cache_of(disk: Disk) -> PageCache:
    return PageCache("a.edb", SIZE, read=disk.read, write=disk.write, capacity=1)


def test_a_page_that_could_not_be_written_is_kept() -> None:
    disk = Disk()
    cache = cache_of(disk)
    for pgno in range(1, 17):
        page = cache.load(pgno)
        page.set_data(0, b"changed!")
        cache.changed(page)
    disk.full = True
    with pytest.raises(EseError) as error:
        cache.load(17)
    assert error.value.code == Err.DiskFull
    assert cache.dirty_pages == 16
    disk.full = False
    cache.flush()
    assert all(MutablePage.decode(disk.pages[pgno], pgno).data(0) == b"changed!" for pgno in range(1, 17))


def test_two_copies_of_a_page_are_not_both_changed() -> None:
    disk = Disk()
    cache = cache_of(disk)
    first = cache.load(1)
    for pgno in range(2, 40):
        cache.load(pgno)
    second = cache.load(1)
    assert second is not first, "it was pushed out meanwhile"
    cache.changed(second)
    with pytest.raises(EseError) as error:
        cache.changed(first)
    assert (error.value.code, error.value.page) == (Err.InternalError, 1)


def test_every_write_steps_the_write_counter() -> None:
    disk = Disk()
    cache = cache_of(disk)
    seen = []
    for _ in range(5):
        cache.changed(cache.load(3))
        cache.flush()
        flags = MutablePage.decode(disk.pages[3], 3).flags
        seen.append((flags & PageFlags.FLUSH_TYPE) >> FLUSH_TYPE_SHIFT)
    assert seen == [1, 2, 3, 1, 2]


def test_what_does_not_fit_is_forgiven_only_for_a_while() -> None:
    disk = Disk()
    cache = cache_of(disk)
    old = EseError.from_code(Err.DbTimeTooOld, page=4)
    new = EseError.from_code(Err.DbTimeTooNew, page=5)
    with pytest.raises(EseError):
        cache.mismatch(4, old)
    cache.tolerant = True
    for pgno in (4, 50, 55):
        cache.mismatch(pgno, old)
    with pytest.raises(EseError):
        cache.mismatch(5, new)
    cache.forget(50, 5)
    assert [*cache.mismatches] == [4, 55]
    cache.drop_from(55)
    assert [*cache.mismatches] == [4]
    cache.put(fresh(4, 9))
    assert not cache.mismatches


def test_a_ruined_page_that_the_log_builds_anew_is_told_of() -> None:
    disk = Disk()
    cache = cache_of(disk)
    del disk.pages[8]

    def ruined(pgno: int) -> bytes:
        if pgno == 7:
            raise EseError.from_code(Err.ReadVerifyFailure, page=7)
        return disk.read(pgno)

    cache._read = ruined
    assert cache.peek(7) is None
    assert cache.peek(8) is None
    cache.put(fresh(7, 1))
    cache.put(fresh(8, 1))
    assert {pgno: error.code for pgno, error in cache.rebuilt.items()} == {7: Err.ReadVerifyFailure}
