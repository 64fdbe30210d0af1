"""Walks past damage: bad pages, bad parents, wrong links, circles, pages of other trees; forwards and backwards."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from engine.btree.tree import Tree
from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.findings import UnitKind
from engine.format.checksum import set_page_checksum
from engine.format.node import children, nodes
from engine.format.page import Page
from engine.pages.source import FilePages
from engine.table import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE_SIZE = 4096
ROWS = 14_000
PREV, NEXT, OBJID, FLAGS = 16, 20, 24, 36


class Pages:
    """Pages of a file with some of them replaced or taken away."""

    def __init__(self, base: FilePages) -> None:
        self.base = base
        self.path = base.path
        self.page_size = base.page_size
        self.last_page = base.last_page
        self.changed: dict[int, Page | None] = {}
        self.reads = 0

    def page(self, pgno: int) -> Page:
        self.reads += 1
        if pgno not in self.changed:
            return self.base.page(pgno)
        page = self.changed[pgno]
        if page is None:
            raise EseError.from_code(Err.ReadVerifyFailure, "damaged", path=self.path, page=pgno)
        return page

    def prefetch(self, first: int, count: int) -> None:
        self.base.prefetch(first, count)

    def break_page(self, pgno: int) -> None:
        self.changed[pgno] = None

    def patch(self, pgno: int, offset: int, value: int) -> None:
        data = bytearray(self.page(pgno).data)
        struct.pack_into("<I", data, offset, value)
        set_page_checksum(data, pgno)
        self.changed[pgno] = Page(bytes(data), pgno, path=self.path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("walk") / "a.edb"
    columns = [Column("Id", ColumnType.LONG), Column("Text", ColumnType.TEXT, code_page=ASCII)]
    rows = ((number, f"{number:05} {'x' * 150}") for number in range(ROWS))
    with DatabaseBuilder(Environment(), path, page_size=PAGE_SIZE) as build:
        index = Index("byText", ("-Text", "Id"), key_most=200)
        build.add_table("T", columns, primary=Index("pk", ("Id",)), secondary=[index], rows=rows)
        build.add_table("Other", columns, primary=Index("pk", ("Id",)), rows=[(1, "a")])
    return path


@pytest.fixture
def pages(built: Path) -> Iterator[Pages]:
    with RealFileSystem().open(str(built)) as file:
        yield Pages(FilePages(file, PAGE_SIZE))


@pytest.fixture
def trees(built: Path, pages: Pages) -> Callable[..., Tree]:
    """Return a function that makes the tree of the rows, or of an index."""
    with open_database(built) as database:
        definition = database.definition("T")

    def make(name: str = "", **options: Any) -> Tree:
        index = next((each for each in definition.indexes if each.name == name), None)
        root, objid = (definition.root, definition.objid) if index is None else (index.root, index.objid)
        return Tree(pages, root, objid=objid, table="T", name=name, **options)

    return make


def ids(tree: Tree, *, reverse: bool = False) -> list[int]:
    found = []
    for page in tree.leaves(reverse=reverse, ahead=True):
        keys = tree.leaf(page).keys
        found += [int.from_bytes(key[1:], "big") ^ 1 << 31 for key in (reversed(keys) if reverse else keys)]
    return found


def leaf_numbers(tree: Tree) -> list[int]:
    return [page.pgno for page in tree.leaves()]


def forks(tree: Tree) -> list[int]:
    """Return the internal pages below the root."""
    return [child.pgno for child in children(tree.page(tree.root))]


def held(tree: Tree, pgno: int) -> set[int]:
    return {int.from_bytes(key[1:], "big") ^ 1 << 31 for key in tree.leaf(tree.page(pgno)).keys}


def test_a_whole_tree(trees: Callable[..., Tree]) -> None:
    tree = trees()
    assert ids(tree) == list(range(ROWS))
    assert ids(tree, reverse=True) == list(range(ROWS))[::-1]
    assert len(forks(tree)) >= 3  # three levels, or the tests below show nothing
    assert tree.findings.kept == []


def test_parsed_leaves_agree_with_nodes(trees: Callable[..., Tree]) -> None:
    for name in ("", "byText"):
        tree = trees(name)
        for page in tree.leaves():
            leaf = tree.leaf(page)
            plain = [(node.key, bytes(node.data)) for node in nodes(page) if not node.deleted]
            assert plain == [(key, leaf.value(at)) for at, key in enumerate(leaf.keys)]


def test_search(trees: Callable[..., Tree]) -> None:
    tree = trees()
    for number in range(0, ROWS, 97):
        key = b"\x7f" + (number ^ 1 << 31).to_bytes(4, "big")
        found = tree.find(key)
        assert found is not None
        assert found[0].keys[found[1]] == key
    assert tree.get(b"\x7f\xff\xff\xff\xff") is None
    start = b"\x7f" + (3000 ^ 1 << 31).to_bytes(4, "big")
    assert next(key for key, _ in tree.entries(start) if key >= start) == start


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("place", [0, 1, 20, -2, -1])
def test_a_leaf_that_cannot_be_read(pages: Pages, trees: Callable[..., Tree], place: int, *, reverse: bool) -> None:
    numbers = leaf_numbers(trees())
    lost = held(trees(), numbers[place])
    pages.break_page(numbers[place])
    tree = trees()
    wanted = [number for number in range(ROWS) if number not in lost]
    assert ids(tree, reverse=reverse) == (wanted[::-1] if reverse else wanted)
    (finding,) = tree.findings.kept
    assert (finding.kind, finding.number, finding.code) == (UnitKind.PAGE, numbers[place], Err.ReadVerifyFailure)
    assert finding.table == "T"
    with pytest.raises(EseError, match=f"page {numbers[place]}"):
        ids(trees(strict=True), reverse=reverse)


def test_neighbouring_leaves_that_cannot_be_read(pages: Pages, trees: Callable[..., Tree]) -> None:
    numbers = leaf_numbers(trees())
    lost = set[int]()
    for place in (10, 11, 12):
        lost |= held(trees(), numbers[place])
        pages.break_page(numbers[place])
    tree = trees()
    assert ids(tree) == [number for number in range(ROWS) if number not in lost]
    assert [finding.number for finding in tree.findings.kept] == numbers[10:13]


@pytest.mark.parametrize("place", [0, 1, -1])
def test_an_internal_page_that_cannot_be_read_costs_nothing_behind_a_leaf(
    pages: Pages, trees: Callable[..., Tree], place: int
) -> None:
    pages.break_page(forks(trees())[place])
    tree = trees()
    found = ids(tree)
    # Without a leaf before it nothing points at the leaves of the first internal page; the links do at the others.
    if place:
        assert found == list(range(ROWS))
    else:
        assert found == list(range(found[0], ROWS))
        assert ids(trees(), reverse=True) == list(range(ROWS))[::-1]
    assert [finding.number for finding in tree.findings.kept] == [forks(trees())[place]]


def test_a_leaf_within_a_gap_ends_the_links(pages: Pages, trees: Callable[..., Tree]) -> None:
    fork = forks(trees())[1]
    below = [child.pgno for child in children(trees().page(fork))]
    pages.break_page(fork)
    pages.break_page(below[3])
    tree = trees()
    found = ids(tree)
    assert found == sorted(set(found))
    assert {finding.number for finding in tree.findings.kept} == {fork, below[3]}
    assert found[-1] == ROWS - 1


def test_a_link_that_leads_back_ends_the_walk(pages: Pages, trees: Callable[..., Tree]) -> None:
    numbers = leaf_numbers(trees())
    pages.patch(numbers[30], NEXT, numbers[5])
    tree = trees()
    before = pages.reads
    assert ids(tree) == sorted(set().union(*(held(trees(), each) for each in numbers[:31])))
    assert pages.reads - before < 3 * len(numbers)
    assert "was there before" in tree.findings.kept[-1].detail
    assert not tree.findings.kept[-1].warning


def test_a_link_to_itself(pages: Pages, trees: Callable[..., Tree]) -> None:
    numbers = leaf_numbers(trees())
    pages.patch(numbers[0], NEXT, numbers[0])
    tree = trees()
    assert set(ids(tree)) == held(trees(), numbers[0])
    assert tree.findings.count == 2


@pytest.mark.parametrize("strict", [False, True])
def test_a_page_of_another_tree_ends_the_walk(pages: Pages, trees: Callable[..., Tree], *, strict: bool) -> None:
    numbers = leaf_numbers(trees())
    pages.patch(numbers[8], OBJID, 3)
    tree = trees(strict=strict)
    if strict:
        with pytest.raises(EseError, match="belongs to object 3"):
            ids(tree)
        return
    assert set(ids(tree)) == set().union(*(held(trees(), each) for each in numbers[:8]))
    (finding,) = tree.findings.kept
    assert finding.code == Err.BadPageLink
    assert finding.number == numbers[8]


def test_a_link_to_nothing_or_too_far_is_put_right_by_the_parents(pages: Pages, trees: Callable[..., Tree]) -> None:
    numbers = leaf_numbers(trees())
    pages.patch(numbers[4], NEXT, 0)
    pages.patch(numbers[9], NEXT, numbers[12])
    tree = trees()
    assert ids(tree) == list(range(ROWS))
    assert [finding.warning for finding in tree.findings.kept] == [True, True]


def test_a_leaf_that_its_parent_does_not_know_is_taken_along(pages: Pages, trees: Callable[..., Tree]) -> None:
    tree = trees()
    fork = tree.fork(tree.page(forks(tree)[0]))
    # What a crash leaves of a split: the leaf is linked, the page above was not written yet.
    unknown = fork.children.pop(6)
    assert ids(tree) == list(range(ROWS))
    (finding,) = tree.findings.kept
    assert finding.warning
    assert f"leads to page {unknown}" in finding.detail
    assert ids(tree, reverse=True) == list(range(ROWS))[::-1]


def test_a_leaf_that_is_named_twice_ends_the_walk(pages: Pages, trees: Callable[..., Tree]) -> None:
    tree = trees()
    fork = tree.fork(tree.page(forks(tree)[0]))
    fork.children[6] = fork.children[5]
    found = ids(tree)
    assert found == list(range(len(found)))
    assert tree.findings.kept[-1].code == Err.BadPageLink


def test_a_tree_in_a_circle_of_internal_pages(pages: Pages, trees: Callable[..., Tree]) -> None:
    tree = trees()
    root = tree.page(tree.root)
    inner = forks(tree)
    position = bytes(root.data).index(struct.pack("<I", inner[1]))
    pages.patch(root.pgno, position, inner[0])
    tree = trees()
    found = ids(tree)
    assert found == sorted(set(found))
    assert any("twice" in finding.detail or "before" in finding.detail for finding in tree.findings.kept)
    with pytest.raises(EseError):
        ids(trees(strict=True))


def test_a_root_that_cannot_be_read(pages: Pages, trees: Callable[..., Tree]) -> None:
    pages.break_page(trees().root)
    tree = trees()
    assert ids(tree) == []
    assert tree.findings.count == 1
    with pytest.raises(EseError):
        tree.get(b"\x7f")


def test_a_node_that_leaves_its_page(pages: Pages, trees: Callable[..., Tree]) -> None:
    number = leaf_numbers(trees())[3]
    # The fifth tag: a size that reaches into the tags.
    pages.patch(number, PAGE_SIZE - 4 * 6, 0x0FFF0FFF)
    tree = trees()
    assert len(ids(tree)) == ROWS - 1
    (finding,) = tree.findings.kept
    assert (finding.kind, finding.number, finding.line) == (UnitKind.RECORD, number, 4)


def test_too_many_tags(pages: Pages, trees: Callable[..., Tree]) -> None:
    number = leaf_numbers(trees())[3]
    lost = held(trees(), number)
    pages.patch(number, 32, 0x1FFF0000)
    tree = trees()
    found = [key for page in tree.leaves() for leaf in [tree.parsed(page)] if leaf is not None for key in leaf.keys]
    assert len(found) == ROWS - len(lost)
    assert tree.findings.kept[0].code == Err.PageTagCorrupted
