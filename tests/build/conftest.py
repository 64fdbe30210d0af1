"""Building in tests: a still clock and repeatable randomness; and an audit of every rule a writer has to keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import pytest

from engine.build import DatabaseBuilder, FormatLevel
from engine.env import Environment
from engine.files.real import RealFileSystem
from engine.format.catalog_row import CatalogRow, CatalogType, IndexFlags
from engine.format.checksum import verify_page
from engine.format.node import COMPRESSION_THRESHOLD, NodeFlags, RootHeader, children, common_prefix, nodes
from engine.format.page import Page, PageFlags, pages_in_file
from engine.header_file import read_header_from
from engine.pages.source import FilePages
from engine.space import available_extents, owned_extents
from engine.table import Database
from tests.build.reading import catalog_rows

if TYPE_CHECKING:
    from pathlib import Path

    from engine.files.base import File, FileSystem


def still_environment(fs: FileSystem | None = None) -> Environment:
    """Return an environment in which two runs are equal."""
    generator = random.Random(620)  # noqa: S311 - repeatable on purpose
    return Environment(
        fs=fs or RealFileSystem(),
        now=lambda: datetime(2024, 5, 17, 12, 30, 45, 678000, tzinfo=UTC),
        random_bytes=generator.randbytes,
    )


@pytest.fixture
def env() -> Environment:
    """Return a still environment over real files."""
    return still_environment()


@pytest.fixture
def new_environment() -> Callable[[], Environment]:
    """Return a function that makes equal still environments."""
    return still_environment


@dataclass
class Tree:
    """What an audit found out about one tree."""

    name: str
    root: int
    objid: int
    unique: bool
    kind: PageFlags
    pages: set[int] = field(default_factory=set)
    owned: set[int] = field(default_factory=set)
    free: set[int] = field(default_factory=set)
    space_pages: set[int] = field(default_factory=set)
    entries: list[tuple[bytes, bytes]] = field(default_factory=list)
    depth: int = 0
    nested: list[Tree] = field(default_factory=list)


@dataclass
class Audit:
    """A database that was looked at page by page."""

    database: Database
    catalog: list[CatalogRow]
    pages: int
    trees: dict[str, Tree]

    @property
    def root(self) -> Tree:
        """The system root."""
        return self.trees["root"]


_KIND = PageFlags.INDEX | PageFlags.LONG_VALUE | PageFlags.NON_UNIQUE


class _Auditor:
    """Walks a database.  With `strict` also what only a fresh build keeps: no left-overs, exact accounting."""

    def __init__(self, file: File, *, strict: bool) -> None:
        self.file = file
        self.strict = strict
        self.header = read_header_from(file).header
        self.page_size = self.header.page_size
        self.database = Database(FilePages(file, self.page_size), strict=True)
        self.catalog = catalog_rows(self.database)
        self.pages = pages_in_file(file.size(), self.page_size)

    def read(self, pgno: int, tree: Tree) -> Page:
        """Read a page and hold it against the rules for any page of its tree."""
        assert pgno <= self.pages
        assert pgno not in tree.pages, "a page twice in one tree"
        tree.pages.add(pgno)
        raw = self.file.read_at((pgno + 1) * self.page_size, self.page_size)
        assert verify_page(raw, pgno) is None
        page = Page(raw, pgno)
        page.check()
        header = page.header
        assert header.objid == tree.objid
        assert 0 < header.dbtime <= self.header.dbtime_dirtied
        assert header.flags & (PageFlags.NEW_RECORD_FORMAT | PageFlags.NEW_CHECKSUM) == 0x2800
        assert header.flags & _KIND == tree.kind
        assert not header.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT)
        if self.strict:
            assert not header.flags & (PageFlags.FLUSH_TYPE | PageFlags.SCRUBBED)
            assert header.uncommitted_free == 0
            assert header.dbtime < self.header.dbtime_dirtied
            tight = max((offset + size for offset, size in _spans(page)), default=0)
            assert header.mic_free == tight, "the used area ends with the last blob"
        self.check_nodes(page)
        return page

    def check_nodes(self, page: Page) -> None:
        """Node flags and prefix compression by rule; keys in order within the page."""
        bare = bool(page.flags & (PageFlags.ROOT | PageFlags.SPACE_TREE))
        prefix = b"" if bare else bytes(page.external_header)
        for node in nodes(page):
            shared = common_prefix(node.key, prefix)
            if node.flags & NodeFlags.COMPRESSED:
                assert not bare
                assert shared > COMPRESSION_THRESHOLD
            else:
                assert shared <= COMPRESSION_THRESHOLD
            assert not self.strict or not node.flags & (NodeFlags.DELETED | NodeFlags.VERSION)
            assert len(node.data)

    def walk(self, tree: Tree) -> None:
        """Walk the whole tree from its root, with bounds, links, flags and order."""
        leaves: list[Page] = []

        def descend(pgno: int, low: bytes, high: bytes, depth: int, *, rightmost: bool) -> int:
            page = self.read(pgno, tree)
            flags = page.flags
            assert bool(flags & PageFlags.ROOT) == (pgno == tree.root)
            if page.is_leaf:
                assert not flags & PageFlags.PARENT_OF_LEAF
                assert page.line_count or page.is_root
                for node in nodes(page):
                    whole = node.key if tree.unique else node.key + bytes(node.data)
                    assert low <= whole
                    assert not high or whole < high
                leaves.append(page)
                return depth
            assert page.header.pgno_prev == page.header.pgno_next == 0
            below = list(children(page))
            assert below
            assert below[-1].key == (b"" if rightmost else high)
            assert all(child.key for child in below[:-1])
            assert [child.key for child in below[:-1]] == sorted({child.key for child in below[:-1]})
            depths = set()
            for order, child in enumerate(below):
                last = order == len(below) - 1
                depths.add(
                    descend(child.pgno, low, child.key or high, depth + 1, rightmost=rightmost and last),
                )
                low = child.key
            assert len(depths) == 1, "leaves at different depths"
            first = Page(self.file.read_at((below[0].pgno + 1) * self.page_size, self.page_size), below[0].pgno)
            assert bool(flags & PageFlags.PARENT_OF_LEAF) == first.is_leaf
            return depths.pop()

        tree.depth = descend(tree.root, b"", b"", 0, rightmost=True)
        for left, right in pairwise(leaves):
            assert left.header.pgno_next == right.pgno
            assert right.header.pgno_prev == left.pgno
        assert leaves[0].header.pgno_prev == leaves[-1].header.pgno_next == 0
        tree.entries = [(node.key, bytes(node.data)) for page in leaves for node in nodes(page)]
        for before, after in pairwise(tree.entries):
            assert before[0] < after[0] if tree.unique else before < after

    def space(self, tree: Tree, parent: int) -> None:
        """Read the space header and the space trees."""
        page = Page(self.file.read_at((tree.root + 1) * self.page_size, self.page_size), tree.root)
        header = RootHeader.of(page).space
        assert header.pgno_parent == parent
        assert bool(header.flags & 2) != tree.unique
        owned = list(owned_extents(self.file, self.page_size, tree.root))
        free = list(available_extents(self.file, self.page_size, tree.root))
        for extent in owned:
            added = set(range(extent.first, extent.last + 1))
            assert not added & tree.owned
            tree.owned |= added
        for extent in free:
            added = set(range(extent.first, extent.last + 1))
            assert any(each.first <= extent.first and extent.last <= each.last for each in owned)
            assert not added & tree.free
            tree.free |= added
        if header.multiple_extent:
            for pgno in (header.pgno_oe, header.pgno_ae):
                root = Tree(tree.name, pgno, tree.objid, unique=True, kind=tree.kind)
                space_page = self.read(pgno, root)
                assert space_page.flags & 0x23 == PageFlags.ROOT | PageFlags.LEAF | PageFlags.SPACE_TREE
                assert not self.strict or bytes(space_page.external_header) == bytes(16)
                tree.space_pages.add(pgno)
        else:
            assert tree.owned == set(range(tree.root, tree.root + header.pages))

    def tree(self, name: str, root: int, objid: int, parent: int, kind: int = 0) -> Tree:
        """Audit one tree."""
        flags = PageFlags(kind)
        found = Tree(name, root, objid, not flags & PageFlags.NON_UNIQUE, flags)
        self.walk(found)
        self.space(found, parent)
        return found

    def run(self) -> Audit:
        """Audit every tree the catalog names, and the accounting of pages."""
        root = self.tree("root", 1, 1, 0)
        trees = {"root": root}
        for name in self.database:
            table = self.database.definition(name)
            trees[name] = main = self.tree(name, table.root, table.objid, 1)
            root.nested.append(main)
            for row in self.catalog:
                if row.objid_table != table.objid:
                    continue
                if row.type == CatalogType.INDEX and not row.flags & IndexFlags.PRIMARY:
                    kind = PageFlags.INDEX | (0 if row.flags & IndexFlags.UNIQUE else PageFlags.NON_UNIQUE)
                elif row.type == CatalogType.LONG_VALUE:
                    kind = PageFlags.LONG_VALUE
                else:
                    continue
                below = self.tree(f"{name}.{row.name}", row.coltyp_or_pgno, row.id, table.root, kind)
                trees[below.name] = below
                main.nested.append(below)
        for tree in trees.values():
            account(tree, exact=self.strict)
        file_pages = set(range(1, self.pages + 1))
        assert root.owned == file_pages if self.strict else root.owned <= file_pages
        assert max(tree.objid for tree in trees.values()) <= self.header.objid_last
        return Audit(self.database, self.catalog, self.pages, trees)


def account(tree: Tree, *, exact: bool) -> None:
    """Owned pages are exactly the tree's own, its space trees', the free ones and the children's, each once.

    Real engines keep some back in split buffers and leak a few, so theirs may be more.
    """
    parts = [tree.pages, tree.space_pages, tree.free, *(nested.owned for nested in tree.nested)]
    union = set().union(*parts)
    assert sum(map(len, parts)) == len(union), f"{tree.name}: a page counted twice"
    assert union <= tree.owned, f"{tree.name}: {sorted(union - tree.owned)[:10]} used but not owned"
    assert not exact or union == tree.owned, f"{tree.name}: {sorted(tree.owned - union)[:10]} lost"


def _spans(page: Page) -> Iterable[tuple[int, int]]:
    """Return (offset from the end of the header, size) of every blob."""
    base = 80 if page.large else 40
    for tag in range(page.header.tag_count):
        at, size, _ = page._tag(tag)
        yield at - base, size


Auditor: TypeAlias = Callable[..., Audit]


@pytest.fixture
def audit() -> Iterator[Auditor]:
    """Return a function that audits a database file and returns what it found; the file stays open for more."""
    with ExitStack() as opened:

        def run(path: Path | str, *, strict: bool = True) -> Audit:
            file = opened.enter_context(RealFileSystem().open(str(path)))
            return _Auditor(file, strict=strict).run()

        yield run


@pytest.fixture
def new_database(env: Environment, tmp_path: Path) -> Callable[..., DatabaseBuilder]:
    """Return a function that starts a builder at tmp_path/new.edb."""

    def start(page_size: int = 4096, level: FormatLevel = FormatLevel.WIDEST, **more: object) -> DatabaseBuilder:
        return DatabaseBuilder(env, tmp_path / "new.edb", page_size=page_size, level=level, **more)  # type: ignore[arg-type]

    return start
