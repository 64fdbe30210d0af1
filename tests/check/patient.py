"""A database to be damaged: built here, changed page by page with right checksums, checked."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, FormatLevel, Index
from engine.catalog import TableDef, read_catalog
from engine.check import CheckFinding, CheckKind, Severity, check
from engine.env import Environment
from engine.files.real import RealFileSystem
from engine.findings import Findings
from engine.format.checksum import set_page_checksum
from engine.format.dbheader import DatabaseHeader
from engine.format.node import Child, Node, NodeFlags, RootHeader, children, nodes
from engine.format.page import Page, page_offset
from engine.format.page_builder import PageBuilder
from engine.pages.source import FilePages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Entry: TypeAlias = "tuple[int, bytes, bytes]"

COLUMNS = [
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Group", ColumnType.SHORT),
    Column("Name", ColumnType.TEXT, code_page=ASCII, size=200),
    Column("Data", ColumnType.LONG_BINARY),
    Column("Tags", ColumnType.LONG, multi_valued=True),
]
SECONDARY = [
    Index("byName", ("Name",)),
    Index("byGroup", ("-Group", "Id"), unique=True),
    Index("byTag", ("Tags",), ignore_null=True),
    Index("sparse", ("Group", "Name"), ignore_any_null=True, key_most=20),
]


def rows(count: int, longest: int) -> Iterable[dict[str, Any]]:
    source = random.Random(count)  # noqa: S311 - repeatable on purpose
    for number in range(count):
        row: dict[str, Any] = {"Group": None if number % 7 == 0 else number % 5 - 2}
        if number % 3:
            row["Name"] = f"name {source.randrange(count)} of {source.randrange(9)}, {'long ' * 25}"
        if number % 4:
            # Now and then outside the record, else within it.
            row["Data"] = source.randbytes(source.randrange(longest if number % 9 == 0 else 900))
        if number % 2:
            row["Tags"] = [source.randrange(20) for _ in range(1 + number % 4)]
        yield row


def build(path: Path, page_size: int, level: FormatLevel = FormatLevel.NEWEST, count: int = 900) -> None:
    """Build a database with deep trees of every kind."""
    generator = random.Random(620)  # noqa: S311 - repeatable on purpose
    env = Environment(
        fs=RealFileSystem(),
        now=lambda: datetime(2024, 5, 17, 12, 30, 45, 678000, tzinfo=UTC),
        random_bytes=generator.randbytes,
    )
    with DatabaseBuilder(env, path, page_size=page_size, level=level) as made:
        made.add_table(
            "Things", COLUMNS, primary=Index("pk", ("Id",)), secondary=SECONDARY, rows=rows(count, 3 * page_size)
        )
        made.add_table(
            "Log", [Column("Text", ColumnType.TEXT)], rows=[(f"line {n} {'of the log ' * 8}",) for n in range(2000)]
        )
        made.add_table("One", [Column("A", ColumnType.LONG)], rows=[(1,)])
        made.add_table("None", [Column("A", ColumnType.LONG)], primary=Index("pk", ("A",)))


class Patient:
    """One database file; pages are read and replaced with right checksums."""

    def __init__(self, path: Path, page_size: int) -> None:
        self.path = path
        self.page_size = page_size
        self.data = bytearray(path.read_bytes())

    def page(self, pgno: int) -> Page:
        at = page_offset(pgno, self.page_size)
        return Page(bytes(self.data[at : at + self.page_size]), pgno)

    def put(self, pgno: int, page: bytes | bytearray | memoryview, *, checksum: bool = True) -> None:
        fixed = bytearray(page)
        if checksum:
            set_page_checksum(fixed, pgno)
        at = page_offset(pgno, self.page_size)
        self.data[at : at + self.page_size] = fixed

    def poke(self, pgno: int, offset: int, raw: bytes) -> None:
        """Change bytes of a page."""
        page = bytearray(self.page(pgno).data)
        page[offset : offset + len(raw)] = raw
        self.put(pgno, page)

    def header(self, pgno: int, **fields: Any) -> None:
        """Change fields of a page's header."""
        page = self.page(pgno)
        head = page.header._replace(**fields).pack(self.page_size)
        self.put(pgno, head + bytes(page.data)[len(head) :])

    def entries(self, pgno: int) -> list[Entry]:
        page = self.page(pgno)
        return [(node.flags & ~NodeFlags.COMPRESSED, node.key, bytes(node.data)) for node in nodes(page)]

    def rebuild(self, pgno: int, entries: Iterable[Entry], *, external: bytes | None = None) -> None:
        """Give a page other lines."""
        page = self.page(pgno)
        old = bytes(page.external_header) if external is None else external
        maker = PageBuilder(self.page_size, pgno, page.header.objid, page.flags, external=old)
        for flags, key, data in entries:
            maker.add(key, data, flags)
        head = page.header
        self.put(pgno, maker.build(dbtime=head.dbtime, pgno_prev=head.pgno_prev, pgno_next=head.pgno_next))

    def tables(self) -> dict[str, TableDef]:
        self.save()
        with RealFileSystem().open(str(self.path)) as file:
            return read_catalog(FilePages(file, self.page_size), findings=Findings())

    def root(self, table: str, tree: str = "") -> int:
        """Return the root page of a table, an index, or "LV"."""
        found = self.tables()[table]
        if not tree:
            return found.root
        if tree == "LV":
            assert found.long_values is not None
            return found.long_values.coltyp_or_pgno
        return next(index.root for index in found.indexes if index.name == tree)

    def children(self, pgno: int) -> list[Child]:
        return list(children(self.page(pgno)))

    def leaves(self, root: int) -> list[int]:
        """Return the leaves of a tree from left to right."""
        page = self.page(root)
        if page.is_leaf:
            return [root]
        return [leaf for child in children(page) for leaf in self.leaves(child.pgno)]

    def space(self, root: int) -> RootHeader:
        return RootHeader.of(self.page(root))

    def find(self, node_of: Callable[[Node], bool], root: int) -> tuple[int, int]:
        """Return (page, line) of the first node of a tree that fits."""
        for pgno in self.leaves(root):
            for line, node in enumerate(nodes(self.page(pgno))):
                if node_of(node):
                    return pgno, line
        raise AssertionError("no such node")

    def save(self) -> None:
        self.path.write_bytes(self.data)

    def change_header(self, change: Callable[[DatabaseHeader], DatabaseHeader]) -> None:
        """Change the database's header, both copies."""
        header = DatabaseHeader.parse(self.data[: self.page_size])
        packed = change(header).pack()
        self.data[: 2 * self.page_size] = packed + packed

    def check(self, *, strict: bool = False) -> list[CheckFinding]:
        self.save()
        found = list(check(self.path, strict=strict))
        assert self.path.read_bytes() == self.data
        return found

    def errors(self) -> list[CheckFinding]:
        return [each for each in self.check() if each.severity is Severity.ERROR]

    def diagnose(self, kind: CheckKind, page: int, **more: Any) -> CheckFinding:
        """Return the error of this kind on this page; there must be one, and but one."""
        found = self.errors()
        fitting = [
            each
            for each in found
            if each.kind is kind and each.page == page and all(getattr(each, name) == is_ for name, is_ in more.items())
        ]
        assert len(fitting) == 1, "\n".join(f"{each.kind.value}: {each.where}: {each.detail}" for each in found)
        return fitting[0]
