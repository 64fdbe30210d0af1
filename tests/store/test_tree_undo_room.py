"""What an open transaction may have to put back has its room, whatever others do to the page meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Err, EseError
from engine.format import lr
from engine.redo.apply import apply_undo
from engine.redo.node_ops import UndoData
from engine.store import merge, trees
from engine.store.create import create_tree
from engine.store.search import descend
from tests.store.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from engine.store.doing import TreeRef


def undo_replace(rig: Rig, tree: TreeRef, key: bytes, before: bytes) -> None:
    """Put the data of a node back as the undoing of a replace does."""
    place = descend(tree, key)
    assert place.exact
    page = place.page
    head = (7, 1, page.pgno, rig.memory.next_dbtime(), page.dbtime, 4, 1, place.line, 5)
    record = lr.Undo(*head, 9, tree.root, tree.objid, lr.Oper.REPLACE, 1, key, b"")
    assert apply_undo(record, rig.memory, UndoData(before)).due


@settings(max_examples=30)
@given(page_size=st.sampled_from((4096, 8192, 32768)), rnd=st.randoms(use_true_random=True), steps=st.integers(20, 400))
def test_replaces_can_be_undone_after_anything(page_size: int, rnd: Random, steps: int) -> None:
    rig = Rig(page_size)
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    content: dict[bytes, bytes] = {}
    before: dict[bytes, bytes] = {}
    for _ in range(steps):
        at = rnd.random()
        if at < 0.5 or len(content) < 2:
            key, data = rnd.randbytes(rnd.randint(4, 9)), rnd.randbytes(rnd.randint(1, 600))
            if key not in content:
                trees.insert(rig.doer, tree, descend(tree, key), key, data)
                content[key] = data
            continue
        key = rnd.choice(list(content))
        if at < 0.85:
            # The open transaction's replace: shorter, or longer again.
            data = rnd.randbytes(rnd.choice([1, 20, rnd.randint(1, 900)]))
            before.setdefault(key, content[key])
            held = rig.doer.versions.get((tree.root, key, b""), 0)
            rig.doer.versions[tree.root, key, b""] = max(held, len(content[key]))
            trees.replace(rig.doer, tree, descend(tree, key), data)
            content[key] = data
        elif key not in before:
            trees.delete(rig.doer, tree, descend(tree, key))
            del content[key]
        else:
            merge.merge(rig.doer, tree, key, left=rnd.random() < 0.5, partial=True)
    assert rig.content(tree) == sorted(content.items())
    rig.proven()
    for key, data in rnd.sample(sorted(before.items()), len(before)):
        undo_replace(rig, tree, key, data)
        content[key] = data
    assert rig.content(tree) == sorted(content.items())
    assert rig.check() == []


def test_freed_bytes_are_there_again_once_nothing_holds_them() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, density=100)
    for number in range(8):
        trees.insert(rig.doer, tree, descend(tree, bytes((number,))), bytes((number,)), bytes(450))
    first = bytes((0,))
    rig.doer.versions[tree.root, first, b""] = 450
    trees.replace(rig.doer, tree, descend(tree, first), b"x")
    root = rig.memory.load(tree.root)
    assert root.uncommitted_free == 449
    assert root.free >= 449
    pages = len(rig.memory.pages)
    # As long as the replace can be undone the insert has no room there, and afterwards it has.
    rig.doer.versions.clear()
    trees.insert(rig.doer, tree, descend(tree, b"\x03m"), b"\x03m", bytes(440))
    assert len(rig.memory.pages) == pages
    assert root.uncommitted_free == 0


def test_an_insert_leaves_held_bytes_alone() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root, density=100)
    for number in range(8):
        trees.insert(rig.doer, tree, descend(tree, bytes((number,))), bytes((number,)), bytes(450))
    first = bytes((0,))
    rig.doer.versions[tree.root, first, b""] = 450
    trees.replace(rig.doer, tree, descend(tree, first), b"x")
    trees.insert(rig.doer, tree, descend(tree, b"\x03m"), b"\x03m", bytes(440))
    assert not rig.memory.load(tree.root).is_leaf
    undo_replace(rig, tree, first, bytes(450))


def test_deleted_nodes_that_are_still_needed_keep_their_page() -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    rig.trees = [tree]
    for number in range(200):
        trees.insert(rig.doer, tree, descend(tree, bytes((number,))), bytes((number,)), bytes(100))
    page = descend(tree, b"\x50").page
    keys = list(page.keys())
    for key in keys[1:]:
        trees.delete(rig.doer, tree, descend(tree, key))
        if descend(tree, keys[0]).page is not page:
            return
    rig.doer.versions[tree.root, keys[0], b""] = 100
    trees.flag_delete(rig.doer, tree, descend(tree, keys[0]))
    assert not merge.merge(rig.doer, tree, keys[0])
    del rig.doer.versions[tree.root, keys[0], b""]
    assert merge.merge(rig.doer, tree, keys[0])
    rig.proven()


@pytest.mark.parametrize("operation", [trees.flag_delete, trees.flag_insert, trees.delete])
def test_a_node_that_is_not_there(operation: Callable[..., object]) -> None:
    rig = Rig()
    tree = create_tree(rig.doer, rig.root)
    with pytest.raises(EseError) as error:
        operation(rig.doer, tree, descend(tree, b"nothing"))
    assert error.value.code == Err.RecordNotFound
