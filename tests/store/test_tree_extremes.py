"""Deep trees, nodes as large as a page, reserves that must come from the parent."""

from __future__ import annotations

import random

import pytest

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.node import split_buffers
from engine.store import extents, merge, reserves, space, trees
from engine.store.create import create_tree, delete_tree
from engine.store.search import descend
from tests.store.rig import Rig


def levels(rig: Rig, root: int) -> int:
    page, depth = rig.memory.load(root), 0
    while not page.is_leaf:
        page, depth = rig.memory.load(page.child(0)), depth + 1
    return depth


def twins(rnd: random.Random, pairs: int) -> list[bytes]:
    """Return keys of which every two differ only behind 700 bytes: what separates them is as long."""
    found = []
    for _ in range(pairs):
        base = rnd.randbytes(700)
        found += [base + b"\1", base + b"\2"]
    return found


@pytest.mark.parametrize("order", ["ascending", "descending", "scattered", "from the middle"])
def test_deep_trees_come_and_go(order: str) -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    rnd = random.Random(order)  # noqa: S311 - only reproducible
    keys = twins(rnd, 220)
    for key in keys:
        trees.insert(rig.doer, tree, descend(tree, key), key, bytes(600))
    assert levels(rig, tree.root) >= 3
    rig.proven()
    keys.sort()
    if order == "descending":
        keys.reverse()
    elif order == "scattered":
        rnd.shuffle(keys)
    elif order == "from the middle":
        keys.sort(key=lambda key: abs(key[0] - 128))
    left = set(keys)
    for number, key in enumerate(keys):
        trees.delete(rig.doer, tree, descend(tree, key))
        left.discard(key)
        if number % 60 == 0:
            assert [each for each, _ in rig.content(tree)] == sorted(left)
            assert rig.check() == []
    assert rig.content(tree) == []
    rig.proven()
    assert {lr.MergeFlags.EMPTY_PAGE, lr.MergeFlags.DELETE_NODE} <= _parents(rig)
    assert order == "ascending" or lr.MergeFlags.KEY_CHANGE in _parents(rig)
    delete_tree(rig.doer, tree)
    rig.trees = []
    rig.proven()


def _parents(rig: Rig) -> set[int]:
    """Return what has happened to parents in merges."""
    found = set()
    for entry in rig.log.log:
        if isinstance(entry, list):
            merges = [each for each in map(lr.decode, entry) if isinstance(each, lr.Merge2)]
            found |= {each.merge_flags for each in merges[:-1]}
    return found


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_nodes_of_any_size(page_size: int) -> None:
    rig = Rig(page_size)
    tree = create_tree(rig.doer, rig.root, density=100)
    rig.trees = [tree]
    rnd = random.Random(page_size)  # noqa: S311 - only reproducible
    content: dict[bytes, bytes] = {}
    for _ in range(400):
        key = rnd.choice([b"", b"same beginning "]) + rnd.randbytes(rnd.randint(2, 60))
        most = tree.capacity - len(key) - 6
        data = bytes(rnd.choice([1, 30, most // 3, most // 2, most - rnd.randint(0, 40), most]))
        place = descend(tree, key)
        if not place.exact:
            trees.insert(rig.doer, tree, place, key, data)
        elif len(data) < most - 200:
            trees.replace(rig.doer, tree, place, data)
        else:
            continue
        content[key] = data
    for key in rnd.sample(sorted(content), 250):
        data = bytes(rnd.randint(1, tree.capacity - 400))
        trees.replace(rig.doer, tree, descend(tree, key), data, versioned=False)
        content[key] = data
    assert rig.content(tree) == sorted(content.items())
    rig.proven()


def test_a_deleted_node_comes_back_larger_than_its_page_allows() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    for number in range(40):
        trees.insert(rig.doer, tree, descend(tree, bytes((number,))), bytes((number,)), bytes(250))
    for number in range(0, 40, 3):
        key = bytes((number,))
        trees.flag_delete(rig.doer, tree, descend(tree, key))
        trees.flag_insert_and_replace(rig.doer, tree, descend(tree, key), bytes(3000), rceid=5, rceid_replace=7)
    assert {len(data) for _, data in rig.content(tree)} == {250, 3000}
    kinds = [
        type(each)
        for entry in rig.log.log
        if isinstance(entry, list)
        for each in map(lr.decode, entry)
        if not isinstance(each, lr.Split2)
    ]
    assert lr.FlagInsertAndReplaceData in kinds
    rig.proven()


def test_a_prefix_that_no_key_uses_makes_room() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, density=100)
    rig.trees = [tree]
    for number in range(30):
        key = b"p" * 300 + bytes((number,))
        trees.insert(rig.doer, tree, descend(tree, key), key, bytes(400))
    lone = b"z"
    trees.insert(rig.doer, tree, descend(tree, lone), lone, bytes(400))
    page = descend(tree, lone).page
    for key in list(page.keys())[:-1]:
        trees.delete(rig.doer, tree, descend(tree, key))
    page = descend(tree, lone).page
    assert (page.line_count, len(page.external) > 250) == (1, True)
    trees.replace(rig.doer, tree, descend(tree, lone), bytes(page.capacity - 10))
    assert page.external == b""
    rig.proven()


def test_escrow() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    trees.insert(rig.doer, tree, descend(tree, b"k"), b"k", bytes(12))
    trees.delta(rig.doer, tree, descend(tree, b"k"), 0, -5)
    trees.delta(rig.doer, tree, descend(tree, b"k"), 4, 2**40, wide=True)
    assert rig.content(tree) == [(b"k", (-5).to_bytes(4, "little", signed=True) + (2**40).to_bytes(8, "little"))]
    with pytest.raises(EseError) as error:
        trees.delta(rig.doer, tree, descend(tree, b"k"), 9, 1)
    assert error.value.code == Err.InvalidBufferSize


def test_reserves_come_from_the_parent_when_there_are_only_single_pages() -> None:
    rig = Rig(extension=1)
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    pages = [space.alloc_page(rig.doer, tree) for _ in range(1300)]
    header = extents.root_header(tree).space
    free = extents.available(tree, header)
    while next(extents.listed(free), None) is not None:
        pages.append(space.alloc_page(rig.doer, tree))
    pages.sort()
    for page in pages[::2]:
        space.free_page(rig.doer, tree, page)
    assert levels(rig, header.pgno_ae) == 1
    assert split_buffers(rig.memory.load(header.pgno_ae))
    for page in pages[1::2]:
        space.free_page(rig.doer, tree, page)
    rig.proven()


@pytest.mark.parametrize("below", [True, False])
def test_an_oe_tree_that_was_filled_without_reserve(
    below: bool,  # noqa: FBT001 - parametrised
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Other writers leave full space trees with empty reserves: the pages to split them with come first then.
    monkeypatch.setattr(space, "_LARGEST_STEP", 0)
    rig = Rig(extension=1)
    tree = create_tree(rig.doer, rig.root, pages=3, multiple_extent=True)
    rig.trees = [tree]
    full = tree if below else rig.root
    header = extents.root_header(full).space
    owned = rig.memory.load(header.pgno_oe)
    with monkeypatch.context() as patched:
        patched.setattr(reserves, "_ROOM", 0)
        while owned.free >= 14:
            space.take_secondary(rig.doer, full, 1, 1)
            while next(extents.listed(extents.available(full, header)), None) is not None:
                space.take_extent(rig.doer, full, 16, 1)
    assert levels(rig, header.pgno_oe) == 0
    space.take_secondary(rig.doer, full, 1, 1)
    assert levels(rig, header.pgno_oe) == 1
    assert all("leaked" in each for each in rig.check())


def test_neighbours_that_do_not_know_each_other() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    for number in range(300):
        key = number.to_bytes(2, "big")
        trees.insert(rig.doer, tree, descend(tree, key), key, bytes(60))
    page = descend(tree, (150).to_bytes(2, "big")).page
    rig.memory.load(page.next).prev = 3
    with pytest.raises(EseError) as error:
        merge.merge(rig.doer, tree, page.key(0))
    assert error.value.code == Err.BadPageLink
