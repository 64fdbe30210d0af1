"""Pages of trees: bits, conversion, extents, reserves, growth; nothing is lost and nothing given twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.node import Extent, SpaceFlags
from engine.format.page import PageFlags
from engine.store import extents, space, trees
from engine.store.create import create_tree, delete_tree
from engine.store.search import descend
from tests.store.rig import FIRST_PAGES, Rig

if TYPE_CHECKING:
    from engine.store.doing import TreeRef

SYSTEM_PAGES = 3


def kinds(rig: Rig, start: int = 0) -> list[str]:
    """Return the names of the records from `start` on; a macro is one entry."""
    return [type(lr.decode(entry)).__name__ if isinstance(entry, bytes) else "macro" for entry in rig.log.log[start:]]


def levels(rig: Rig, root: int) -> int:
    page, depth = rig.memory.load(root), 0
    while not page.is_leaf:
        page, depth = rig.memory.load(page.child(0)), depth + 1
    return depth


def taken(rig: Rig, tree: TreeRef, pages: int) -> list[int]:
    found = [space.alloc_page(rig.doer, tree) for _ in range(pages)]
    assert len(set(found)) == pages
    return found


def test_a_single_extent_gives_its_pages_by_bits_and_takes_them_back() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, pages=5)
    rig.trees = [tree]
    before = len(rig.log.log)
    pages = taken(rig, tree, 4)
    assert pages == [tree.root + 1, tree.root + 2, tree.root + 3, tree.root + 4]
    assert kinds(rig, before) == ["SetExternalHeader", "NewPage"] * 4
    assert extents.root_header(tree).space.space == 0
    for page in reversed(pages):
        space.free_page(rig.doer, tree, page)
    assert extents.root_header(tree).space.space == 0b1111
    rig.proven()


def test_a_full_single_extent_gets_space_trees_as_the_engine_makes_them() -> None:
    # The sequence of records is that of the real engine for a table of 3 pages that needs a fourth.
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, pages=3)
    rig.trees = [tree]
    taken(rig, tree, 2)
    before = len(rig.log.log)
    (page,) = taken(rig, tree, 1)
    assert kinds(rig, before) == ["Replace", "NewPage", "NewPage", "ConvertFDP2", "FlagDelete", "NewPage"]
    header = extents.root_header(tree).space
    assert header.multiple_extent
    assert page == header.pgno_oe + 2
    again = len(rig.log.log)
    taken(rig, tree, 1)
    assert kinds(rig, again) == ["SetExternalHeader", "Replace", "Insert", "Insert", "Replace", "NewPage"]
    assert extents.root_header(tree).space.flags & SpaceFlags.V2
    assert extents.root_header(tree).space.pages == 4


def test_growth_of_the_file_as_the_engine_enters_it() -> None:
    rig = Rig()
    create_tree(rig.doer, rig.root, pages=FIRST_PAGES - SYSTEM_PAGES)
    before = len(rig.log.log)
    create_tree(rig.doer, rig.root, pages=3)
    assert kinds(rig, before) == ["Insert", "FlagInsertAndReplaceData", "Replace", "NewPage", "CreateSEFDP"] or kinds(
        rig, before
    ) == ["Insert", "Insert", "Replace", "NewPage", "CreateSEFDP"]
    assert rig.memory.last_page == FIRST_PAGES + 16


@pytest.mark.parametrize("size", [1, 2, 33, 34, 40])
def test_trees_of_one_extent_of_any_size(size: int) -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, pages=size)
    rig.trees = [tree]
    assert rig.check() == []
    pages = taken(rig, tree, size + 10)
    for page in pages:
        space.free_page(rig.doer, tree, page)
    rig.proven()


def test_space_in_pieces_comes_together_again() -> None:
    rig = Rig(extension=1)
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    rnd = random.Random(7)  # noqa: S311 - only reproducible
    pages = taken(rig, tree, 1500)
    rnd.shuffle(pages)
    for page in pages[:900]:
        space.free_page(rig.doer, tree, page)
    header = extents.root_header(tree).space
    assert levels(rig, header.pgno_ae) == 1
    (leak,) = rig.check()
    assert "600 pages are owned but neither used nor available" in leak
    for page in pages[900:]:
        space.free_page(rig.doer, tree, page)
    rig.proven()
    delete_tree(rig.doer, tree)
    rig.trees = []
    rig.proven()
    assert rig.free == rig.memory.last_page - SYSTEM_PAGES


def test_space_trees_that_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_LARGEST_STEP", 0)
    rig = Rig(extension=1)
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    space.free_page(rig.doer, tree, taken(rig, tree, 1)[0])
    for number in range(700):
        space.take_secondary(rig.doer, rig.root, 1, 1)
        if number % 2:
            space.take_secondary(rig.doer, tree, 1, 1)
    for each in (tree, rig.root):
        header = extents.root_header(each).space
        assert levels(rig, header.pgno_oe) == 1
        assert levels(rig, header.pgno_ae) == 1
    assert rig.check() == []
    for page in taken(rig, tree, 3000):
        space.free_page(rig.doer, tree, page)
    rig.proven()
    delete_tree(rig.doer, tree)
    rig.trees = []
    rig.proven()


def test_many_trees_come_and_go() -> None:
    rig = Rig(extension=1)
    rnd = random.Random(3)  # noqa: S311 - only reproducible
    table = create_tree(rig.doer, rig.root, pages=3, multiple_extent=True)
    live = [create_tree(rig.doer, rig.root, pages=rnd.randint(1, 6)) for _ in range(300)]
    below = [create_tree(rig.doer, table, kind=int(PageFlags.INDEX), unique=False) for _ in range(60)]
    rnd.shuffle(live)
    for tree in live[:200]:
        delete_tree(rig.doer, tree)
    for tree in below[:40]:
        taken(rig, tree, rnd.randint(0, 9))
        delete_tree(rig.doer, tree)
    rig.trees = [table, *live[200:], *below[40:]]
    rig.proven()
    # With a table goes what its indexes own.
    for tree in (table, *live[200:]):
        delete_tree(rig.doer, tree)
    rig.trees = []
    rig.proven()
    assert rig.free == rig.memory.last_page - SYSTEM_PAGES


def test_what_is_logged_of_a_deleted_tree() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, pages=4)
    delete_tree(rig.doer, tree, trx_committed=48)
    free, freed = rig.log.noted
    assert free == lr.FreeFDP(1, tree.root, 48, 1, b"")
    assert isinstance(freed, lr.ExtentFreed2)
    assert (freed.pgno_first, freed.cpg) == (tree.root, 4)


def test_pages_that_are_not_the_tree_s() -> None:
    rig = Rig()
    one = create_tree(rig.doer, rig.root, pages=3)
    many = create_tree(rig.doer, rig.root, pages=4, multiple_extent=True)
    for tree, pgno, code in ((one, 40, Err.SPOwnExtCorrupted), (one, one.root + 1, Err.SPAvailExtCorrupted)):
        with pytest.raises(EseError) as error:
            space.free_page(rig.doer, tree, pgno)
        assert error.value.code == code
    with pytest.raises(EseError) as error:
        space.free_extent(rig.doer, many, Extent(many.root + 9, 2))
    assert error.value.code == Err.SPOwnExtCorrupted
    with pytest.raises(EseError) as error:
        delete_tree(rig.doer, rig.root)
    assert error.value.code == Err.InvalidParameter


def test_a_full_disk_leaves_trees_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(extension=1)
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    limit = FIRST_PAGES + 20
    extend = rig.memory.extend

    def limited(pages: int, procid: int) -> tuple[int, int]:
        if rig.memory.last_page + pages > limit:
            raise EseError.from_code(Err.OutOfDatabaseSpace)
        return extend(pages, procid)

    monkeypatch.setattr(rig.memory, "extend", limited)
    rnd = random.Random(5)  # noqa: S311 - only reproducible
    content: dict[bytes, bytes] = {}
    refused: list[int] = []
    while len(refused) < 50:
        key, data = rnd.randbytes(8), bytes(rnd.randint(1, 400))
        try:
            trees.insert(rig.doer, tree, descend(tree, key), key, data)
        except EseError as error:
            refused.append(error.code)
        else:
            content[key] = data
    assert set(refused) == {Err.OutOfDatabaseSpace}
    assert rig.content(tree) == sorted(content.items())
    rig.proven()
    # What becomes free is used again.
    for key in list(content)[: len(content) // 2]:
        trees.delete(rig.doer, tree, descend(tree, key))
        del content[key]
    while len(content) < 100:
        key = rnd.randbytes(8)
        trees.insert(rig.doer, tree, descend(tree, key), key, b"x")
        content[key] = b"x"
    assert rig.content(tree) == sorted(content.items())
    rig.proven()
