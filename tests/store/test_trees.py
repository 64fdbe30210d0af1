"""Trees that grow: what is inserted is there, pages keep their rules, space adds up, redo gives what live work made."""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, cast

import pytest

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.page import PageFlags
from engine.store import trees
from engine.store.create import create_tree
from engine.store.search import descend
from tests.store.rig import MemoryJournal, MemoryPages, Rig

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.doing import TreeRef
    from engine.store.pages import StorePages

PAGE_SIZES = (4096, 8192, 16384, 32768)


def put(rig: Rig, tree: TreeRef, key: bytes, data: bytes) -> bool:
    """Insert a node unless it is there."""
    place = descend(tree, key, b"" if tree.unique else data)
    if place.exact:
        return False
    trees.insert(rig.doer, tree, place, key, data)
    return True


def _ascending() -> Callable[[random.Random], bytes]:
    numbers = count()
    return lambda _: b"\x7f" + next(numbers).to_bytes(4, "big")


def _descending() -> Callable[[random.Random], bytes]:
    numbers = count(1)
    return lambda _: b"\x7f" + (2**31 - next(numbers)).to_bytes(4, "big")


def _scattered() -> Callable[[random.Random], bytes]:
    return lambda rnd: rnd.randbytes(8)


def _long() -> Callable[[random.Random], bytes]:
    # None is the beginning of another: keys of real indexes never are, and non-unique trees rely on it.
    def key(rnd: random.Random) -> bytes:
        return rnd.choice([b"", b"abc", b"x" * 200]) + bytes(rnd.choices(range(1, 256), k=rnd.randint(1, 780))) + b"\0"

    return key


def _rows() -> Callable[[random.Random], bytes]:
    # Each run of ten goes to one spot, so that a page is filled there.
    numbers = count()

    def key(_: random.Random) -> bytes:
        at = next(numbers)
        return (at // 10 * 7919 % 5000).to_bytes(4, "big") + (at % 10).to_bytes(2, "big")

    return key


@pytest.mark.parametrize("keys", [_ascending, _descending, _scattered, _long, _rows])
@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("unique", [True, False])
def test_what_is_inserted_is_there(
    keys: Callable[[], Callable[[random.Random], bytes]],
    page_size: int,
    unique: bool,  # noqa: FBT001 - parametrised
) -> None:
    rig = Rig(page_size)
    rnd = random.Random(page_size)  # noqa: S311 - only reproducible
    kind = 0 if unique else PageFlags.INDEX
    tree = create_tree(rig.doer, rig.root, pages=rnd.choice([1, 3, 40]), kind=int(kind), unique=unique)
    child = create_tree(rig.doer, tree, kind=int(PageFlags.LONG_VALUE))
    rig.trees = [tree, child]
    model: dict[int, set[tuple[bytes, bytes]]] = {tree.root: set(), child.root: set()}
    make = keys()
    for _ in range(min(page_size // 8, 1500)):
        key, data = make(rnd), rnd.randbytes(rnd.randint(1, 200))
        for each in (tree, child):
            if put(rig, each, key, data):
                model[each.root].add((key, data))
    for each in (tree, child):
        assert rig.content(each) == sorted(model[each.root])
    rig.proven()


def _splits(rig: Rig) -> list[lr.Split2]:
    found = []
    for entry in rig.log.log:
        if isinstance(entry, list):
            found += [each for each in map(lr.decode, entry) if isinstance(each, lr.Split2)]
    return found


def test_appends_fill_pages_to_the_density_and_move_nothing() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    for number in range(2000):
        put(rig, tree, number.to_bytes(4, "big"), bytes(50))
    kinds = {each.split_type for each in _splits(rig) if each.pgno_new and each.iline_oper}
    assert kinds <= {lr.SplitType.VERTICAL, lr.SplitType.APPEND}
    page = descend(tree, (500).to_bytes(4, "big")).page
    assert 0.7 < page.used / page.capacity < 0.82
    rig.proven()


def test_inserts_at_the_front_leave_pages_full() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    for number in range(2000, 0, -1):
        put(rig, tree, number.to_bytes(4, "big"), bytes(50))
    page = descend(tree, (1500).to_bytes(4, "big")).page
    assert page.used / page.capacity > 0.9
    rig.proven()


def test_a_node_that_no_page_holds_is_refused_and_nothing_is_logged() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    before = len(rig.log.log)
    with pytest.raises(EseError) as error:
        put(rig, tree, b"key", bytes(4096))
    assert error.value.code == Err.RecordTooBig
    assert len(rig.log.log) == before


def test_a_key_twice_is_refused() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    put(rig, tree, b"key", b"data")
    with pytest.raises(EseError) as error:
        trees.insert(rig.doer, tree, descend(tree, b"key"), b"key", b"other")
    assert error.value.code == Err.KeyDuplicate


def test_a_row_of_inserts_in_the_middle_fills_its_pages() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    for number in range(0, 100_000, 500):
        put(rig, tree, number.to_bytes(4, "big"), bytes(50))
    for number in range(50_000, 50_480):
        put(rig, tree, number.to_bytes(4, "big"), bytes(50))
    page = descend(tree, (50_200).to_bytes(4, "big")).page
    assert page.used / page.capacity > 0.9
    rig.proven()


def test_every_moment_of_the_log_is_sound() -> None:
    """Whatever prefix of the log is replayed, trees and space hold together; pages may only be lost."""
    rig = Rig(extension=1)
    table = create_tree(rig.doer, rig.root, pages=2)
    below = create_tree(rig.doer, table, kind=int(PageFlags.INDEX), unique=False)
    rig.trees = [table, below]
    start = len(rig.log.log)
    rnd = random.Random(11)  # noqa: S311 - only reproducible
    keys: list[bytes] = []
    for step in range(900):
        if step % 450 < 300:
            key = rnd.randbytes(rnd.randint(5, 400)) + b"\0"
            keys.append(key)
            for tree in rig.trees:
                put(rig, tree, key, b"twenty bytes of data")
        else:
            key = keys.pop(rnd.randrange(len(keys)))
            for tree in rig.trees:
                trees.delete(rig.doer, tree, descend(tree, key, b"twenty bytes of data"))
    whole = rig.log.log
    moments = set(rnd.sample(range(start, len(whole)), 60))
    again = MemoryPages(rig.memory.page_size)
    last = rig.memory.last_page
    rig.log = MemoryJournal()
    for at, entry in enumerate(whole):
        rig.log.log = [entry]
        rig.log.replay(again)
        if at in moments:
            rig.memory, again.last_page = again, last
            again.dbtime_last = max(page.dbtime for page in again.pages.values())
            for tree in (rig.root, *rig.trees):
                tree.pages = cast("StorePages", again)
            assert [each for each in rig.check() if "leaked" not in each] == []
