"""Random work on trees against a dictionary: contents, rules of pages, links, bounds, space, and redo equal to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.format.page import PageFlags
from engine.store import merge, trees
from engine.store.create import create_tree, delete_tree
from engine.store.search import descend
from tests.store.rig import FIRST_PAGES, Rig

if TYPE_CHECKING:
    from random import Random

    from engine.store.doing import TreeRef
    from engine.store.search import Place

SYSTEM_PAGES = 3
PAGE_SIZES = (4096, 8192, 16384, 32768)


class Model:
    """One tree, and what should be in it by bookmark."""

    def __init__(self, rig: Rig, tree: TreeRef, rnd: Random, longest_key: int) -> None:
        self.rig, self.tree, self.rnd, self.longest_key = rig, tree, rnd, longest_key
        self.nodes: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}

    def _mark(self, data: bytes) -> bytes:
        return b"" if self.tree.unique else data

    def place(self, key: bytes, data: bytes) -> Place:
        place = descend(self.tree, key, self._mark(data))
        assert place.exact == ((key, self._mark(data)) in self.nodes)
        return place

    def some(self) -> tuple[bytes, bytes] | None:
        """Return a node: any, or one of the first, so that pages get empty."""
        if not self.nodes:
            return None
        if self.rnd.random() < 0.5:
            return self.nodes[self.rnd.choice(sorted(self.nodes)[:5])]
        return self.rnd.choice(list(self.nodes.values()))

    def insert(self) -> None:
        key = bytes(self.rnd.choices(range(1, 256), k=self.rnd.randint(1, self.longest_key))) + b"\0"
        data = self.rnd.randbytes(self.rnd.randint(1, 300))
        place = self.place(key, data)
        if not place.exact:
            trees.insert(self.rig.doer, self.tree, place, key, data)
            self.nodes[key, self._mark(data)] = key, data

    def replace(self) -> None:
        found = self.some()
        if found is None or not self.tree.unique:
            return
        key, _ = found
        data = self.rnd.randbytes(self.rnd.randint(1, self.tree.capacity - 2 * self.longest_key - 40))
        trees.replace(self.rig.doer, self.tree, self.place(key, b""), data, versioned=self.rnd.random() < 0.5)
        self.nodes[key, b""] = key, data

    def flags(self) -> None:
        """Mark a node deleted, and bring it back, as it was or with other data; or let it go."""
        found = self.some()
        if found is None:
            return
        key, data = found
        trees.flag_delete(self.rig.doer, self.tree, self.place(key, data))
        place = self.place(key, data)
        match self.rnd.randrange(3):
            case 0 if self.tree.unique:
                data = self.rnd.randbytes(self.rnd.randint(1, 500))
                trees.flag_insert_and_replace(self.rig.doer, self.tree, place, data)
                self.nodes[key, b""] = key, data
            case 1:
                trees.flag_insert(self.rig.doer, self.tree, place)
            case _:
                trees.delete(self.rig.doer, self.tree, place)
                del self.nodes[key, self._mark(data)]

    def merge(self) -> None:
        found = self.some()
        if found is not None:
            left = self.rnd.random() < 0.5
            merge.merge(self.rig.doer, self.tree, found[0], self._mark(found[1]), left=left, partial=True)

    def delete(self) -> None:
        found = self.some()
        if found is not None:
            trees.delete(self.rig.doer, self.tree, self.place(*found))
            del self.nodes[found[0], self._mark(found[1])]

    def work(self, step: int) -> None:
        grows = 0.75 if step // 150 % 2 == 0 else 0.25
        at = self.rnd.random()
        if at < grows:
            self.insert()
        else:
            self.rnd.choice([self.replace, self.flags, self.merge, self.delete, self.delete, self.delete])()

    def agrees(self) -> None:
        assert self.rig.content(self.tree) == sorted(self.nodes.values())


def start(page_size: int, *, unique: bool, pages: int, rnd: Random, longest_key: int) -> tuple[Rig, list[Model]]:
    """Return a database with a table's tree and one below it."""
    rig = Rig(page_size)
    kind = 0 if unique else int(PageFlags.INDEX)
    table = create_tree(rig.doer, rig.root, pages=pages, kind=kind, unique=unique)
    below = create_tree(rig.doer, table, kind=int(PageFlags.LONG_VALUE), multiple_extent=pages > 1)
    rig.trees = [table, below]
    return rig, [Model(rig, tree, rnd, longest_key) for tree in rig.trees]


@settings(max_examples=25)
@given(
    page_size=st.sampled_from(PAGE_SIZES),
    unique=st.booleans(),
    pages=st.sampled_from((1, 3, 40)),
    longest_key=st.sampled_from((3, 12, 700)),
    rnd=st.randoms(use_true_random=True),
    steps=st.integers(50, 700),
)
def test_random_work(page_size: int, unique: bool, pages: int, longest_key: int, rnd: Random, steps: int) -> None:  # noqa: FBT001
    rig, models = start(page_size, unique=unique, pages=pages, rnd=rnd, longest_key=longest_key)
    for step in range(steps):
        rnd.choice(models).work(step)
    for model in models:
        model.agrees()
    rig.proven()
    for model in models:
        while model.nodes:
            model.delete()
        model.agrees()
    rig.proven()
    delete_tree(rig.doer, rig.trees[0])
    rig.trees = []
    rig.proven()
    # Nothing leaked: but for the system root and its space trees everything is free again.
    assert rig.free == rig.memory.last_page - SYSTEM_PAGES
    assert rig.memory.last_page >= FIRST_PAGES
