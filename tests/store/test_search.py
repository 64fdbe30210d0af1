"""Places in trees: by the short way from the last leaf and by the long way from the root; trees that lead astray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.format.node import child_data
from engine.format.page import PageFlags
from engine.store import trees
from engine.store.create import create_tree
from engine.store.search import descend, first_place, last_leaf, path_to
from tests.store.rig import Rig

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage
    from engine.store.doing import TreeRef


def filled(*, unique: bool = True) -> tuple[Rig, TreeRef]:
    rig = Rig()
    kind = 0 if unique else int(PageFlags.INDEX)
    tree = create_tree(rig.doer, rig.root, kind=kind, unique=unique)
    rig.trees = [tree]
    for number in range(0, 600, 2):
        key, data = number.to_bytes(2, "big"), number.to_bytes(4, "big") * 20
        trees.insert(rig.doer, tree, descend(tree, key, data), key, data)
    return rig, tree


def long_way(tree: TreeRef, key: bytes, data: bytes) -> tuple[MutablePage, int]:
    return path_to(tree, key, data)[-1]


@pytest.mark.parametrize("unique", [True, False])
def test_both_ways_end_at_the_same_place(unique: bool) -> None:  # noqa: FBT001 - parametrised
    _, tree = filled(unique=unique)
    for number in (*range(620), 65_535, 0, 300, 299, 301):
        key, data = number.to_bytes(2, "big"), (number & ~1).to_bytes(4, "big") * 20
        tree.hint = 0
        first = descend(tree, key, data)
        second = descend(tree, key, data)
        assert first == second
        assert (first.page, first.line) == long_way(tree, key, b"" if unique else data)
        assert first.exact == (number < 600 and not number % 2)


def test_equal_keys_are_told_apart_by_their_data() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, kind=int(PageFlags.INDEX), unique=False)
    rig.trees = [tree]
    entries = [(b"same", number.to_bytes(4, "big") + bytes(30)) for number in range(500)]
    for key, data in reversed(entries):
        trees.insert(rig.doer, tree, descend(tree, key, data), key, data)
    assert rig.content(tree) == entries
    for key, data in entries:
        assert descend(tree, key, data).exact
        assert not descend(tree, key, data + b"x").exact
    rig.proven()


def test_both_ends() -> None:
    _, tree = filled()
    page, line, exact = first_place(tree)
    assert (page.key(line), exact) == (b"\0\0", False)
    last = last_leaf(tree)
    assert last.next == 0
    assert last.key(last.line_count - 1) == (598).to_bytes(2, "big")


def test_a_child_of_another_tree() -> None:
    _, tree = filled()
    page = descend(tree, (300).to_bytes(2, "big")).page
    page.objid += 1
    tree.hint = page.pgno
    with pytest.raises(EseError) as error:
        descend(tree, (300).to_bytes(2, "big"))
    assert error.value.code == Err.DatabaseCorrupted


@pytest.mark.parametrize("flag", [PageFlags.EMPTY, PageFlags.PRE_INIT, PageFlags.SPACE_TREE])
def test_a_child_that_is_no_page_of_a_tree(flag: PageFlags) -> None:
    _, tree = filled()
    page = descend(tree, (300).to_bytes(2, "big")).page
    page.flags |= int(flag)
    with pytest.raises(EseError) as error:
        descend(tree, (300).to_bytes(2, "big"))
    assert error.value.code == Err.DatabaseCorrupted


def test_a_tree_in_a_circle_ends() -> None:
    rig, tree = filled()
    root = rig.memory.load(tree.root)
    for line in range(root.line_count):
        root.set_data(line, child_data(tree.root))
    tree.hint = 0
    for search in (lambda: descend(tree, b"\1"), lambda: path_to(tree, b"\1"), lambda: last_leaf(tree)):
        with pytest.raises(EseError) as error:
            search()
        assert error.value.code == Err.DatabaseCorrupted


def test_a_pointer_that_is_none() -> None:
    rig, tree = filled()
    root = rig.memory.load(tree.root)
    for line in range(root.line_count):
        root.set_data(line, b"abc")
    tree.hint = 0
    with pytest.raises(EseError) as error:
        descend(tree, b"\1")
    assert error.value.code == Err.NodeCorrupted
