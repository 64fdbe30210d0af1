"""Every page of built databases against the writer's rules, for all page sizes and format levels."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, FormatLevel, Index
from engine.build.index_keys import KeyMaker
from engine.format.catalog_row import CatalogType
from engine.format.longvalue import LongValueKey, LongValueRoot, chunk_size
from engine.format.page import PageFlags

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., DatabaseBuilder]
Audit = Callable[..., Any]

COLUMNS = [
    Column("Id", ColumnType.LONG, auto_increment=True),
    Column("Group", ColumnType.SHORT),
    Column("Name", ColumnType.TEXT, code_page=ASCII, size=60),
    Column("Data", ColumnType.LONG_BINARY),
    Column("Tags", ColumnType.LONG, multi_valued=True),
]
SECONDARY = [
    Index("byName", ("Name",)),
    Index("byGroup", ("-Group", "Id"), unique=True),
    Index("byTag", ("Tags",), ignore_null=True),
    Index("sparse", ("Group", "Name"), ignore_any_null=True, key_most=20),
]


def rows(count: int, longest: int) -> list[dict[str, Any]]:
    source = random.Random(count)  # noqa: S311 - repeatable on purpose
    made = []
    for number in range(count):
        row: dict[str, Any] = {"Group": None if number % 7 == 0 else number % 5 - 2}
        if number % 3:
            row["Name"] = f"name {source.randrange(count)} of {source.randrange(9)}"
        if number % 4:
            row["Data"] = source.randbytes(source.randrange(longest))
        if number % 2:
            row["Tags"] = [source.randrange(20) for _ in range(1 + number % 4)]
        made.append(row)
    return made


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
@pytest.mark.parametrize("level", [FormatLevel.WIDEST, FormatLevel.WINDOWS_10, FormatLevel.NEWEST])
def test_every_page_obeys_the_rules(
    new_database: Start,
    audit: Audit,
    tmp_path: Path,
    page_size: int,
    level: FormatLevel,
) -> None:
    with new_database(page_size, level) as build:
        build.add_table(
            "Things", COLUMNS, primary=Index("pk", ("Id",)), secondary=SECONDARY, rows=rows(900, 3 * page_size)
        )
        build.add_table("Log", [Column("Text", ColumnType.TEXT)], rows=[(f"line {n}",) for n in range(2000)])
        build.add_table("One", [Column("A", ColumnType.LONG)], rows=[(1,)])
        build.add_table("None", [Column("A", ColumnType.LONG)], primary=Index("pk", ("A",)))
    found = audit(tmp_path / "new.edb")
    for table in build.tables:
        assert len(found.trees[table.name].entries) == table.rows
        assert len(found.trees[table.name].owned) == table.tree.pages
    # The first three pages are the system root and its space trees, and nothing else starts before page 4.
    assert found.root.pages == {1}
    assert found.root.space_pages == {2, 3}
    for name, root, objid in (
        ("MSysObjects", 4, 2),
        ("MSysObjectsShadow", 24, 3),
        ("MSysObjids", 29, 6),
        ("MSysLocales", 30, 7),
    ):
        assert (found.trees[name].root, found.trees[name].objid) == (root, objid)
    assert found.trees["MSysObjects.Name"].root == 7
    assert found.trees["MSysObjects.RootObjects"].root == 10


@pytest.mark.parametrize("page_size", [4096, 32768])
def test_secondary_entries_are_those_of_the_records(
    new_database: Start,
    audit: Audit,
    tmp_path: Path,
    page_size: int,
) -> None:
    with new_database(page_size) as build:
        build.add_table("Things", COLUMNS, primary=Index("pk", ("Id",)), secondary=SECONDARY, rows=rows(500, 4000))
    found = audit(tmp_path / "new.edb")
    table = found.database["Things"]
    stored = list(table.raw_records())
    assert len(stored) == 500
    for index in SECONDARY:
        keys = KeyMaker(table.index(index.name), table.definition.columns)
        expected = sorted((key, bookmark) for bookmark, raw in stored for key in keys.keys(raw))
        assert found.trees[f"Things.{index.name}"].entries == expected
        assert expected


def test_catalog_shadow_and_its_indexes_agree(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    with new_database() as build:
        for number in range(40):
            secondary = [Index(f"i{column}", (f"C{column}",)) for column in range(5)]
            columns = [Column(f"C{column}", ColumnType.LONG) for column in range(30)]
            build.add_table(f"Table{number:03}", columns, secondary=secondary, rows=[range(30)])
    found = audit(tmp_path / "new.edb")
    trees, rows_of = found.trees, found.catalog
    assert trees["MSysObjects"].entries == trees["MSysObjectsShadow"].entries
    assert trees["MSysObjects"].depth > 0
    assert trees["MSysObjects.Name"].entries == sorted((row.name_key, row.key) for row in rows_of)
    tables = [row for row in rows_of if row.type == CatalogType.TABLE]
    assert trees["MSysObjects.RootObjects"].entries == sorted((row.root_key, row.key) for row in tables)
    assert len(tables) == 44
    # Every tree is in MSysObjids, those of the catalog included.
    assert len(trees["MSysObjids"].entries) == 40 * 6 + 4 + 2


def test_long_values_are_whole_and_counted_once(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    sizes = [1, 1023, 1024, 4014, 4015, 8028, 50_000, 0]
    columns = [Column("Id", ColumnType.LONG), Column("V", ColumnType.LONG_BINARY)]
    with new_database() as build:
        info = build.add_table(
            "T",
            columns,
            primary=Index("pk", ("Id",)),
            rows=[(n, bytes([97 + n]) * size) for n, size in enumerate(sizes)],
        )
    found = audit(tmp_path / "new.edb")
    entries = found.trees["T.LV"].entries
    chunk = chunk_size(4096)
    left = {}
    for key, data in entries:
        at = LongValueKey.unpack(key)
        if at.offset is None:
            root = LongValueRoot.unpack(data)
            assert root.references == 1
            left[at.lid] = root.size
        else:
            assert at.offset % chunk == 0
            assert len(data) == min(chunk, left[at.lid])
            left[at.lid] -= len(data)
    assert set(left.values()) == {0}
    assert len(left) == sum(size > 1023 for size in sizes)
    assert info.long_values is not None
    assert info.long_values.entries == len(left)


def test_record_that_is_too_big_sends_its_longest_values_out(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    columns = [Column("Id", ColumnType.LONG), *(Column(f"V{n}", ColumnType.LONG_BINARY) for n in range(6))]
    row: list[Any] = [1, *(bytes([65 + n]) * (900 + n) for n in range(6))]
    with new_database() as build:
        info = build.add_table("T", columns, primary=Index("pk", ("Id",)), rows=[row])
    assert info.long_values is not None
    assert info.long_values.entries == 2
    found = audit(tmp_path / "new.edb")
    lengths = [LongValueRoot.unpack(data).size for key, data in found.trees["T.LV"].entries if len(key) == 4]
    assert lengths == [905, 904]


def test_small_table_is_a_single_extent_of_one_page(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    with new_database() as build:
        info = build.add_table("One", [Column("A", ColumnType.LONG)], rows=[(1,), (2,)])
    found = audit(tmp_path / "new.edb")
    tree = found.trees["One"]
    assert info.tree.pages == 1
    assert tree.owned == tree.pages == {31}
    assert tree.space_pages == set()
    assert tree.entries[0][0] == b"\0\0\0\1"


def test_deep_tree_has_levels_above_the_parents_of_leaves(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    columns = [Column("Key", ColumnType.TEXT, code_page=ASCII, size=200)]
    keys = sorted(f"{'K' * 120}{n:07}{'X' * 60}" for n in range(9000))
    with new_database() as build:
        build.add_table("Deep", columns, primary=Index("pk", ("Key",)), rows=[(key,) for key in keys])
    found = audit(tmp_path / "new.edb")
    assert found.trees["Deep"].depth >= 2
    root = found.database.pages.page(found.trees["Deep"].root)
    assert not root.flags & (PageFlags.PARENT_OF_LEAF | PageFlags.LEAF)


def test_filled_table_obeys_the_rules_too(new_database: Start, audit: Audit, tmp_path: Path) -> None:
    for page_size in (4096, 8192, 16384, 32768):
        with new_database(page_size, overwrite=True) as build:
            build.add_table("Before", [Column("A", ColumnType.LONG)], rows=[(n,) for n in range(500)])
            info = build.add_filled_table("Fill", 300 * page_size, seed=7)
        found = audit(tmp_path / "new.edb")
        assert len(found.trees["Fill"].entries) == info.rows == 300 * (info.rows // 300)
        values = list(found.database["Fill"].values(["Id", "Payload"], raw=True))
        assert [int.from_bytes(number, "little") for number, _ in values] == list(range(1, info.rows + 1))
        payloads = {payload for _, payload in values}
        assert len(payloads) == info.rows
        assert {len(payload) for payload in payloads} <= set(range(900, 1024))


@pytest.mark.oracle
@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_the_rules_hold_for_the_real_engine(oracle: Callable[[str], Path], audit: Audit, page_size: int) -> None:
    found = audit(oracle("clean") / "clean-basic" / f"p{page_size}" / "clean.edb", strict=False)
    assert len(found.trees) > 20
    assert found.trees["all"].depth > 0


@pytest.mark.oracle
def test_catalog_rows_look_like_the_engines(
    new_database: Start,
    audit: Audit,
    oracle: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """The table `simple` of the oracle, built here: every field of its catalog rows but places and dates."""
    columns = [
        Column("id", ColumnType.LONG, auto_increment=True),
        Column("k", ColumnType.LONG),
        Column("txt", ColumnType.TEXT, code_page=ASCII, size=80),
        Column("pay", ColumnType.BINARY),
        Column("utxt", ColumnType.TEXT, size=120),
        Column("lv", ColumnType.LONG_BINARY),
    ]
    secondary = [Index("iK", ("k",), density=80), Index("iTxt", ("txt",), density=80)]
    with new_database(level=FormatLevel.NEWEST) as build:
        primary = Index("PK", ("id",), density=80)
        build.add_table("simple", columns, primary=primary, secondary=secondary, rows=[{"lv": b"x" * 5000}])
    ours = audit(tmp_path / "new.edb")
    theirs = audit(oracle("clean") / "clean-basic" / "p4096" / "clean.edb", strict=False)

    def described(found: Any, table: str) -> list[tuple[Any, ...]]:
        objid = found.database.definition(table).objid
        return [
            (
                row.type,
                row.id if row.type == CatalogType.COLUMN else None,
                row.coltyp_or_pgno if row.type == CatalogType.COLUMN else None,
                row.space_usage,
                row.flags,
                row.pages_or_locale,
                row.name,
                row.root_flag,
                row.record_offset,
                row.lcmap_flags,
                row.key_most,
                {number: value for number, value in row.more.items() if number != 13},
            )
            for row in found.catalog
            if row.objid_table == objid and row.type != CatalogType.LONG_VALUE
        ]

    assert described(ours, "simple") == described(theirs, "simple")
    for system in ("MSysObjects", "MSysObjectsShadow", "MSysObjids", "MSysLocales"):
        assert described(ours, system) == described(theirs, system)
