"""A decoded page against a plain list: contents, the kept list of keys, the count of bytes, and bytes of any kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.checksum import set_page_checksum
from engine.format.node import NodeFlags
from engine.format.page import PAGE_SIZES, PageFlags
from engine.info import database_info
from engine.pages.mutable import MutablePage
from engine.pages.source import FilePages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "100"))
SIZES = sorted(PAGE_SIZES)
KEPT = int(NodeFlags.VERSION | NodeFlags.DELETED)
KEYS = st.one_of(
    st.binary(max_size=12),
    st.builds(lambda rest: b"a common beginning" + rest, st.binary(max_size=6)),
    st.builds(lambda rest: b"a common" + rest, st.binary(max_size=6)),
)
DATA = st.one_of(st.binary(min_size=2, max_size=20), st.integers(2, 900).map(bytes))
"""A line of fewer than four bytes, two of them the size of its key, is no line."""
FLAGS = st.sampled_from((0, int(NodeFlags.VERSION), int(NodeFlags.DELETED), KEPT))
EXTERNAL = st.sampled_from((b"", b"a common beginning", b"a common beginning, longer", b"a com"))
KINDS = (int(PageFlags.LEAF), int(PageFlags.LEAF | PageFlags.ROOT), int(PageFlags.LEAF | PageFlags.SPACE_TREE))
Line = tuple[int, bytes, bytes]


class PageMachine(RuleBasedStateMachine):
    """Changes in any order; what is refused changes nothing."""

    @initialize(size=st.sampled_from(SIZES), kind=st.sampled_from(KINDS), external=EXTERNAL)
    def begin(self, size: int, kind: int, external: bytes) -> None:
        self.page = MutablePage(7, size, objid=3, flags=kind)
        self.page.set_external(external)
        self.lines: list[Line] = []
        self.external = external

    def change(self, action: Callable[[], object], lines: list[Line], external: bytes | None = None) -> None:
        try:
            action()
        except EseError as error:
            if error.code != Err.RecordTooBig:
                raise
        else:
            self.lines = lines
            if external is not None:
                self.external = external

    def at(self, choice: int) -> int:
        return choice % len(self.lines)

    @rule(choice=st.integers(0, 99), flags=FLAGS, key=KEYS, data=DATA)
    def insert(self, choice: int, flags: int, key: bytes, data: bytes) -> None:
        at = choice % (len(self.lines) + 1)
        lines = [*self.lines[:at], (flags, key, data), *self.lines[at:]]
        self.change(lambda: self.page.insert_key(at, flags, key, data), lines)

    @rule(choice=st.integers(0, 99), shared=st.integers(0, 30), rest=st.binary(max_size=8))
    def insert_as_it_is_stored(self, choice: int, shared: int, rest: bytes) -> None:
        at = choice % (len(self.lines) + 1)
        if shared > len(self.external):
            with pytest.raises(EseError) as error:
                self.page.insert(at, 0, shared, rest, b"data")
            assert error.value.code == Err.NodeCorrupted
            return
        key = self.external[:shared] + rest
        lines = [*self.lines[:at], (0, key, b"data"), *self.lines[at:]]
        self.change(lambda: self.page.insert(at, 0, shared, rest, b"data"), lines)

    @precondition(lambda self: self.lines)
    @rule(choice=st.integers(0, 99))
    def delete(self, choice: int) -> None:
        at = self.at(choice)
        self.page.delete(at)
        del self.lines[at]

    @precondition(lambda self: self.lines)
    @rule(choice=st.integers(0, 99), add=FLAGS, remove=FLAGS)
    def set_flags(self, choice: int, add: int, remove: int) -> None:
        at = self.at(choice)
        self.page.set_flags(at, add=add, remove=remove)
        flags, key, data = self.lines[at]
        self.lines[at] = ((flags | add) & ~remove, key, data)

    @precondition(lambda self: self.lines)
    @rule(choice=st.integers(0, 99), data=st.one_of(DATA, st.integers(3000, 33_000).map(bytes)))
    def set_data(self, choice: int, data: bytes) -> None:
        at = self.at(choice)
        flags, key, _ = self.lines[at]
        lines = [*self.lines[:at], (flags, key, data), *self.lines[at + 1 :]]
        self.change(lambda: self.page.set_data(at, data), lines)

    @precondition(lambda self: self.lines)
    @rule(choice=st.integers(0, 99), key=st.one_of(KEYS, st.integers(1, 2000).map(bytes)))
    def set_key(self, choice: int, key: bytes) -> None:
        at = self.at(choice)
        flags, _, data = self.lines[at]
        lines = [*self.lines[:at], (flags, key, data), *self.lines[at + 1 :]]
        self.change(lambda: self.page.set_key(at, key), lines)

    @rule(external=EXTERNAL)
    def set_external(self, external: bytes) -> None:
        shared = max((prefix for _, prefix, _, _ in self.page._nodes), default=0)
        if external[:shared] != self.external[:shared]:
            with pytest.raises(EseError) as error:
                self.page.set_external(external)
            assert error.value.code == Err.NodeCorrupted
            return
        self.change(lambda: self.page.set_external(external), self.lines, external)

    @rule(external=EXTERNAL, more=st.lists(st.tuples(FLAGS, KEYS, DATA), max_size=40), lazily=st.booleans())
    def refill(self, external: bytes, more: list[Line], *, lazily: bool) -> None:
        lines = [*self.lines, *more]
        self.change(lambda: self.page.refill(external, iter(lines) if lazily else lines), [*lines], external)

    @rule(choice=st.integers(0, 99), first=st.booleans())
    def cut(self, choice: int, *, first: bool) -> None:
        count = choice % (len(self.lines) + 1)
        if first:
            self.page.drop_first(count)
            self.lines = self.lines[count:]
        else:
            self.page.truncate(count)
            self.lines = self.lines[:count]

    @rule(keep=st.booleans())
    def clear(self, *, keep: bool) -> None:
        self.page.clear(keep_external=keep)
        self.lines = []
        self.external = self.external if keep else b""

    @rule()
    def become(self) -> None:
        other = self.page
        self.page = MutablePage(8, other.size)
        self.page.become(other)
        other.clear()
        other.insert_key(0, 0, b"not", b"mine")

    @rule()
    def no_such_line(self) -> None:
        count = len(self.lines)
        for wrong in (-1, count, count + 5):
            for action in (self.page.delete, self.page.set_flags, self.page.node, self.page.key):
                with pytest.raises(EseError) as error:
                    action(wrong)
                assert error.value.code == Err.BadLineCount
        for wrong in (-1, count + 1):
            for cut in (self.page.truncate, self.page.drop_first):
                with pytest.raises(EseError) as error:
                    cut(wrong)
                assert error.value.code == Err.BadLineCount

    @rule()
    def search(self) -> None:
        """From here on the list of keys is kept by every change."""
        assert self.page.keys() == [key for _, key, _ in self.lines]

    @invariant()
    def what_it_says(self) -> None:
        if not hasattr(self, "page"):
            return
        page = self.page
        assert page.full() == self.lines
        assert page.external == self.external
        assert page.alive() == [(key, data) for flags, key, data in self.lines if not flags & NodeFlags.DELETED]
        if page._keys is not None:
            assert page._keys == [key for _, key, _ in self.lines]
        assert 0 <= page.used <= page.capacity
        again = MutablePage.decode(page.encode(), page.pgno)
        assert (again.full(), again.external, again.used) == (self.lines, self.external, page.used)


TestPageMachine = PageMachine.TestCase
TestPageMachine.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)


def sample(size: int) -> bytearray:
    page = MutablePage(7, size, objid=3, flags=int(PageFlags.LEAF))
    page.set_external(b"a common beginning")
    for number in range(12):
        key = (b"a common beginning%d" if number % 2 else b"key %d") % number
        page.insert_key(number, number % 2, key, b"data" * number)
    return page.encode()


def test_the_bytes_a_page_was_made_of_may_change() -> None:
    for size in SIZES:
        source = sample(size)
        page = MutablePage.decode(memoryview(source), 7)
        before = (page.full(), page.external, page.encode())
        source[:] = bytes(len(source))
        assert (page.full(), page.external, page.encode()) == before
        assert all(type(part) is bytes for line in page._nodes for part in line[2:])


def test_lines_have_an_end() -> None:
    page = MutablePage(7, 32768, flags=int(PageFlags.LEAF))
    lines = 0x0FFF - 1
    for number in range(lines):
        page.insert_key(number, 0, b"", b"")
    with pytest.raises(EseError) as error:
        page.insert_key(0, 0, b"", b"")
    assert error.value.code == Err.RecordTooBig
    assert page.line_count == lines


@settings(max_examples=3 * EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.sampled_from(SIZES), changes=st.lists(st.tuples(st.integers(), st.integers(0, 255)), max_size=12))
def test_bytes_of_any_kind(size: int, changes: list[tuple[int, int]]) -> None:
    """A page or an error of the engine; what can be decoded can be encoded, and says the same again."""
    data = sample(size)
    head, tags = 80, 40
    for place, value in changes:
        # Where lengths, counts and tags are.
        at = place % (head + tags)
        data[at if at < head else size - 1 - (at - head)] = value
    set_page_checksum(data, 7)
    try:
        page = MutablePage.decode(data, 7)
    except EseError:
        return
    assert page.used <= page.capacity
    assert len(page.keys()) == page.line_count
    again = MutablePage.decode(page.encode(), 7)
    assert (again.full(), again.external) == (page.full(), page.external)


@pytest.mark.corpus
def test_every_page_of_a_real_database(corpus: Path) -> None:
    """What was decoded takes the bytes that the page says it has in use."""
    path = corpus / "srum-win10-clean" / "SRUDB.dat"
    seen = 0
    size = database_info(path).page_size
    with RealFileSystem().open(str(path)) as file:
        source = FilePages(file, size)
        for pgno in range(1, min(source.last_page, 400) + 1):
            try:
                raw = source.page(pgno)
            except EseError as error:
                if error.code != Err.PageNotInitialized:
                    raise
                continue
            if raw.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
                continue
            page = MutablePage.decode(raw.data, pgno)
            assert page.free == raw.header.free, f"page {pgno}"
            assert MutablePage.decode(page.encode(), pgno).full() == page.full()
            seen += 1
    assert seen > 200
