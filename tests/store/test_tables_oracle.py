"""The same definitions and rows as the real engine was given: the same catalog rows, bookmarks, keys and values.

Unicode text is indexed here in an order of our own, so such an index differs in its order's name and in its keys.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine import Instance, open_database
from engine.btree.tree import Tree
from engine.build import Column, FormatLevel, Index
from engine.catalog.reader import SORT_ID, VERSION
from engine.check import Severity, check
from engine.files.base import OpenMode
from engine.format.catalog_row import (
    LAST_SET_TIME,
    LOCALE,
    CatalogRow,
    CatalogType,
    IndexFlags,
)
from engine.format.column import UNICODE, ColumnFlags
from engine.format.key import TextOrder
from engine.format.system_trees import CATALOG
from engine.format.value import decoder
from tests.store.conftest import PATH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.catalog import IndexDef, TableDef
    from engine.format.column import ColumnDef
    from engine.store.table import Table as LiveTable
    from engine.table import Database, Table
    from tests.store.desk import Desk

TABLES = ("all", "simple", "seq", "binpk", "lv", "empty")


def column_of(column: ColumnDef) -> Column:
    """Return the definition that a column of the catalog came from."""
    flags = column.flags
    default = None if column.default is None else decoder(column.type, column.code_page)(column.default)
    return Column(
        column.name,
        column.type,
        column.size,
        column.code_page or UNICODE,
        column.storage,
        default,
        bool(flags & ColumnFlags.NOT_NULL),
        bool(flags & ColumnFlags.AUTO_INCREMENT),
        bool(flags & ColumnFlags.MULTI_VALUED),
        bool(flags & ColumnFlags.VERSION),
        bool(flags & ColumnFlags.ESCROW_UPDATE),
        bool(flags & ColumnFlags.COMPRESSED),
    )


def index_of(index: IndexDef) -> Index:
    """Return the definition that an index of the catalog came from."""
    flags = index.flags
    return Index(
        index.name,
        tuple("-" * each.descending + each.name for each in index.columns),
        primary=index.primary,
        unique=bool(flags & IndexFlags.UNIQUE) and not index.primary,
        ignore_null=not flags & IndexFlags.ALLOW_ALL_NULLS,
        ignore_first_null=not flags & IndexFlags.ALLOW_FIRST_NULL,
        ignore_any_null=not flags & IndexFlags.ALLOW_SOME_NULLS,
        text_order=TextOrder.ORDINAL if flags & IndexFlags.UNICODE_TEXT else None,
        density=index.density,
    )


def fill(live: LiveTable, source: Table) -> None:
    """Give a table the rows of another: numbers that were deleted are counted past, versions counted up."""
    counter = next((each.name for each in live.columns.values() if each.flags & ColumnFlags.AUTO_INCREMENT), None)
    version = next((each.name for each in live.columns.values() if each.flags & ColumnFlags.VERSION), None)
    rows: list[dict[str, Any]] = [dict(row) for row in source]
    if counter is not None:
        rows.sort(key=lambda row: row[counter])
    number = 0
    for row in rows:
        given = {name: value for name, value in row.items() if name not in {counter, version}}
        while counter is not None and (number := number + 1) < row[counter]:
            live.delete(live.insert(**{name: value for name, value in given.items() if name != "cGuid"}))
        mark = live.insert(**given)
        some = dict([next(iter(given.items()))])
        for _ in range(row[version] if version else 0):
            live.update(mark, **some)


def catalog_rows(database: Database, table: TableDef) -> list[tuple[Any, ...]]:
    """Return what the catalog says of a table, object numbers, pages and times left out."""
    found = []
    for _, data in Tree(database.pages, CATALOG.root, objid=CATALOG.objid).entries():
        row = CatalogRow.unpack(data, database.page_size)
        if row.objid_table != table.objid:
            continue
        more = dict(row.more)
        assert (LAST_SET_TIME in more) is (row.type != CatalogType.COLUMN)
        more.pop(LAST_SET_TIME, None)
        if row.type == CatalogType.INDEX and row.flags & IndexFlags.UNICODE_TEXT:
            for number in (LOCALE, VERSION, SORT_ID):
                more.pop(number, None)
        column = row.type == CatalogType.COLUMN
        found.append(
            (
                row.type,
                row.id if column else 0,
                row.coltyp_or_pgno if column else 0,
                row.space_usage,
                row.flags,
                row.pages_or_locale,
                row.name,
                row.root_flag,
                row.record_offset,
                row.lcmap_flags,
                row.key_most,
                row.lv_chunk_max,
                more,
            )
        )
    return found


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_same_catalog_rows_and_keys(
    oracle: Callable[[str], Path], new_desk: Callable[..., Desk], page_size: int
) -> None:
    desk = new_desk(page_size, level=FormatLevel.NEWEST)
    path = oracle("clean") / "clean-basic" / f"p{page_size}" / "clean.edb"
    with open_database(path) as theirs:
        _, database = desk.open()
        for name in TABLES:
            definition = theirs.definition(name)
            columns = [column_of(each) for each in definition.columns]
            indexes = [index_of(each) for each in sorted(definition.indexes, key=lambda each: each.objid)]
            fill(database.create_table(name, columns, indexes=indexes), theirs[name])
        assert desk.settled() == []
        with open_database(PATH, fs=desk.disk, strict=True) as ours:
            for name in TABLES:
                assert catalog_rows(ours, ours.definition(name)) == catalog_rows(theirs, theirs.definition(name)), name
                assert [dict(row) for row in ours[name]] == [dict(row) for row in theirs[name]]
                assert [row.bookmark for row in ours[name]] == [row.bookmark for row in theirs[name]]
                for index in theirs.definition(name).indexes:
                    if not index.flags & IndexFlags.UNICODE_TEXT:
                        entries = [list(each[name].cursor(index.name).entries()) for each in (ours, theirs)]
                        assert entries[0] == entries[1], f"{name}.{index.name}"
                tree = theirs.definition(name).long_values
                assert (ours.definition(name).long_values is None) is (tree is None)


def test_a_stub_stays_of_a_deleted_column_as_the_engine_leaves_it(
    oracle: Callable[[str], Path], new_desk: Callable[..., Desk]
) -> None:
    desk = new_desk(8192, level=FormatLevel.NEWEST)
    with open_database(oracle("dirty") / "dirty-ddl" / "after" / "a.edb") as theirs:
        definition = theirs.definition("t1")
        _, database = desk.open()
        before = [column_of(each) for each in definition.columns if not each.name.startswith("new")]
        before.insert(-2, Column("pay", definition.columns[-1].type.__class__.BINARY))
        table = database.create_table("t1", before, indexes=[index_of(each) for each in definition.indexes])
        table.insert(k=1, pay=b"pay", utxt="u", lv=bytes(10))
        for each in definition.columns:
            if each.name.startswith("new"):
                table.add_column(column_of(each))
        table.insert(k=2, pay=b"paid", newLong=7, newTag=bytes(2000))
        table.delete_column("pay")
        table.insert(k=3, utxt="x", newLong=8)
        assert [(row["k"], row["utxt"], row["newLong"]) for row in table] == [(1, "u", None), (2, None, 7), (3, "x", 8)]
        assert desk.settled() == []
        with open_database(PATH, fs=desk.disk, strict=True) as ours:
            found = catalog_rows(ours, ours.definition("t1"))
            assert [each for each in found if each[0] == 2] == [
                each for each in catalog_rows(theirs, definition) if each[0] == 2
            ]


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_values_that_the_engine_packed_are_changed_in_pieces(
    oracle: Callable[[str], Path], tmp_path: Path, page_size: int
) -> None:
    path = tmp_path / "a.edb"
    shutil.copyfile(oracle("clean") / "clean-basic" / f"p{page_size}" / "clean.edb", path)
    settings: dict[Any, Any] = {"MaxVerPages": 4000}
    with Instance(path=tmp_path, page_size=page_size, params=settings) as instance, instance.session() as session:
        session.attach(path)
        table = session.open(path)["all"]
        changed = 0
        for row in list(table):
            for name in ("lvComp", "lvTextComp", "lvBin", "lvMV"):
                if row[name] is None:
                    continue
                field = table.long_value(row.bookmark, name)
                before = field.read()
                at = len(before) // 2
                field.write(at, b"Q" * 20)
                field.append(b"ZZZZ")
                after = before[:at] + b"Q" * 20 + before[at + 20 :] + b"ZZZZ"
                assert field.read() == after
                field.resize(max(0, len(after) - 3000))
                assert field.read() == after[: max(0, len(after) - 3000)]
                changed += 1
        live = [dict(row) for row in table]
    assert changed > 180
    assert [str(each) for each in check(path) if each.severity is not Severity.INFO] == []
    with open_database(path, strict=True) as reader:
        assert [dict(row) for row in reader["all"]] == live


def test_real_files_are_changed_and_stay_whole(oracle: Callable[[str], Path], new_desk: Callable[..., Desk]) -> None:
    desk = new_desk(8192)
    session, _ = desk.open()
    session.detach(PATH)
    source = (oracle("clean") / "clean-basic" / "p8192" / "clean.edb").read_bytes()
    with desk.disk.open(PATH, OpenMode.CREATE) as file:
        file.write_at(0, source)
        file.truncate(len(source))
        file.fsync()
    session.attach(PATH)
    database = session.open(PATH)
    table = database["lv"]
    expected: dict[Any, dict[str, Any]] = {row["id"]: dict(row) for row in table}
    for number, row in enumerate(list(table)):
        key = row["id"]
        if number % 3 == 0:
            table.delete(row.bookmark)
            del expected[key]
        elif number % 3 == 1:
            table.update(row.bookmark, k=number, lv=bytes(number * 1000), lv2="z" * number)
            expected[key] |= {"k": number, "lv": bytes(number * 1000), "lv2": "z" * number}
        elif row["lv"] is not None:
            table.long_value(row.bookmark, "lv").append(b"more")
            expected[key]["lv"] += b"more"
    fresh = database["simple"].insert(k=1, txt="fresh", lv=bytes(9000))
    assert database["simple"].get(fresh)["id"] not in {row["id"] for row in database["simple"] if row["txt"] != "fresh"}
    database.delete_table("binpk")
    database["seq"].create_index(Index("more", ("b",)))
    assert {row["id"]: dict(row) for row in table} == expected
    assert desk.settled() == []
