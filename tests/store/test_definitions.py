"""Definitions of live tables: made, changed, deleted, taken back; who may do so while others work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType, Index
from engine.errors import Err
from engine.files.crash import CrashPolicy
from engine.format.catalog_row import TableFlags
from engine.format.column import ASCII, Storage
from engine.store import definitions
from engine.store.catalog import Catalog
from tests.store.conftest import PATH
from tests.store.desk import HOST_INDEXES, HOSTS, code_of, hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.table import Table
    from tests.store.desk import Desk

NUMBER = Column("N", ColumnType.LONG)


def filled(table: Table, count: int = 40) -> list[bytes]:
    return [table.insert(Name=f"n{n}", Owner=f"o{n}", Note="t" * (n * 60), Ports=(n, 2 * n)) for n in range(count)]


def test_tables_come_and_go(desk: Desk) -> None:
    _, database = desk.open()
    sizes = set()
    for _ in range(8):
        filled(hosts(database))
        sizes.add(desk.live.pages.last_page)
        assert list(database) == ["Hosts"]
        assert "hosts" in database
        assert "MSysObjects" in list(database.tables(system=True))
        database.rename_table("Hosts", "Machines")
        assert list(database) == ["Machines"]
        assert len(list(database["machines"])) == 40
        database.delete_table("Machines")
        assert list(database) == []
        desk.live.instance.live.cleanup.run()
    # What a deleted table had is used again.
    assert len(sizes) == 1
    assert desk.settled() == []


def test_names_that_cannot_be(desk: Desk) -> None:
    _, database = desk.open()
    database.create_table("T", [NUMBER], indexes=[Index("i", ("N",))])
    table = database["T"]
    assert code_of(lambda: database.create_table("t", [NUMBER])) == Err.TableDuplicate
    assert code_of(lambda: database.create_table("MSysObjects", [NUMBER])) == Err.TableDuplicate
    assert code_of(lambda: database.create_table("a.b", [NUMBER])) == Err.InvalidName
    assert code_of(lambda: database.create_table("U", [NUMBER], density=5)) == Err.DensityInvalid
    assert code_of(lambda: database.create_table("U", [NUMBER, NUMBER])) == Err.ColumnDuplicate
    assert code_of(lambda: database.table("U")) == Err.ObjectNotFound
    assert "\u4e2d" not in database
    assert code_of(lambda: database.delete_table("U")) == Err.ObjectNotFound
    assert code_of(lambda: database.delete_table("MSysObjids")) == Err.CannotDeleteSystemTable
    assert code_of(database["MSysLocales"].insert) == Err.PermissionDenied
    assert code_of(lambda: database["MSysObjects"].add_column(NUMBER)) == Err.FixedDDL
    database.create_table("U", [NUMBER])
    assert code_of(lambda: database.rename_table("T", "u")) == Err.TableDuplicate
    assert code_of(lambda: database.rename_table("T", "")) == Err.InvalidName
    assert code_of(lambda: table.add_column(NUMBER)) == Err.ColumnDuplicate
    assert code_of(lambda: table.create_index(Index("I", ("N",)))) == Err.IndexDuplicate
    assert code_of(lambda: table.create_index(Index("j", ("Q",)))) == Err.ColumnNotFound
    assert code_of(lambda: table.delete_index("j")) == Err.IndexNotFound
    assert code_of(lambda: table.cursor("j")) == Err.IndexNotFound
    assert code_of(lambda: table.delete_column("Q")) == Err.ColumnNotFound
    assert code_of(lambda: table.delete_column("N")) == Err.ColumnInUse
    database.rename_table("T", "t")
    assert list(database) == ["t", "U"]
    assert desk.settled() == []


def test_columns_added_and_deleted(desk: Desk) -> None:
    _, database = desk.open()
    table = hosts(database)
    marks = filled(table)
    table.add_column(Column("Added", ColumnType.LONG, default=9))
    table.add_column(Column("Text", ColumnType.TEXT, size=20, code_page=ASCII))
    table.add_column(Column("Long", ColumnType.LONG_BINARY))
    table.add_column(Column("Tag", ColumnType.SHORT, storage=Storage.TAGGED, default=4))
    assert {name: table.get(marks[3])[name] for name in ("Added", "Text", "Long", "Tag")} == {
        "Added": 9,
        "Text": None,
        "Long": None,
        "Tag": 4,
    }
    table.update(marks[3], Text="t", Long=bytes(3000))
    table.update(marks[4], Added=None, Tag=None)
    table.delete_column("Added")
    table.delete_column("Text")
    table.add_column(Column("Added", ColumnType.LONG_LONG))
    table.add_column(Column("After", ColumnType.TEXT, default="z"))
    fresh = table.insert(Name="f", Owner="f", Added=2**40)
    table.update(marks[5], Added=5, Name="other")
    assert table.get(fresh)["Added"] == 2**40
    assert (table.get(marks[5])["Added"], table.get(marks[5])["After"]) == (5, "z")
    assert (table.get(marks[3])["Added"], table.get(marks[3])["Long"]) == (None, bytes(3000))
    assert code_of(lambda: table.insert(Text="gone")) == Err.ColumnNotFound
    assert code_of(lambda: table.add_column(Column("V", ColumnType.LONG, version=True))) == Err.ColumnRedundant
    assert code_of(lambda: table.add_column(Column("E", ColumnType.LONG, escrow=True, default=1))) == Err.TableNotEmpty
    live = [dict(row) for row in table]
    assert desk.settled() == []
    with open_database(PATH, fs=desk.disk, strict=True) as reader:
        assert [dict(row) for row in reader["Hosts"]] == live


def test_a_counter_is_added_to_rows(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", [Column("A", ColumnType.TEXT)])
    for n in range(100):
        table.insert(A=str(n))
    table.add_column(Column("Id", ColumnType.LONG, auto_increment=True))
    table.insert(A="next")
    assert [row["Id"] for row in table] == list(range(1, 102))
    assert desk.settled() == []


def test_a_counter_does_not_repeat_the_numbers_of_one_before(desk: Desk) -> None:
    session, database = desk.open()
    counter = Column("Id", ColumnType.LONG, auto_increment=True)
    table = database.create_table("T", [counter, NUMBER])
    marks = [table.insert(N=n) for n in range(50)]
    table.delete_column("Id")
    for n in range(50):
        table.insert(N=n)
    table.add_column(counter)
    table.insert_many({"N": n} for n in range(5))
    assert [row["Id"] for row in table] == list(range(1, 106))
    for mark in marks:
        table.delete(mark)
    # The counter of before comes back with the transaction, and goes on.
    session.begin()
    table.delete_column("Id")
    table.add_column(counter)
    table.insert(N=1)
    session.rollback()
    table.insert(N=2)
    numbers: list[Any] = [row["Id"] for row in table]
    assert numbers[-2] == 105
    assert numbers[-1] > 105
    assert desk.settled() == []


def test_columns_that_the_engine_would_refuse(new_desk: Callable[..., Desk]) -> None:
    _, database = new_desk().open()
    table = database.create_table("T", [NUMBER], indexes=[Index("pk", ("N",), primary=True)])
    wide = Column("E", ColumnType.LONG_LONG, escrow=True, default=1)
    assert code_of(lambda: table.add_column(Column("A", ColumnType.TEXT, code_page=437))) == Err.InvalidCodePage
    assert code_of(lambda: table.add_column(wide)) == Err.EngineFormatVersionParamTooLowForRequestedFeature
    fixed = [Column(f"F{n}", ColumnType.BINARY, storage=Storage.FIXED) for n in range(15)]
    assert code_of(lambda: database.create_table("U", fixed)) == Err.RecordTooBig
    database.create_table("U", fixed[:14])
    assert code_of(lambda: database["U"].add_column(fixed[14])) == Err.RecordTooBig
    assert database["U"].columns["F13"].size == 255


def test_a_default_of_a_fixed_text_is_filled_up(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", [NUMBER])
    old = table.insert(N=1)
    for name, kind, value in (("T", ColumnType.TEXT, "ab"), ("B", ColumnType.BINARY, b"ab")):
        table.add_column(Column(name, kind, size=6, storage=Storage.FIXED, code_page=ASCII, default=value))
    table.create_index(Index("byT", ("T", "B")))
    new = table.insert(N=2)
    table.add_column(Column("Last", ColumnType.LONG))
    assert dict(table.get(old)) == {"N": 1, "T": "ab    ", "B": b"ab\0\0\0\0", "Last": None}
    table.update(old, Last=5)
    assert dict(table.get(old)) == {"N": 1, "T": "ab    ", "B": b"ab\0\0\0\0", "Last": 5}
    cursor = table.cursor("byT")
    assert cursor.count(("ab", b"ab"), ("ab", b"ab")) == 2
    assert {key for key, _ in cursor.entries()} == {cursor.make_key("ab", b"ab")}
    assert [row.bookmark for row in cursor.range("ab")] == [old, new]
    assert desk.settled() == []


def test_what_goes_under_a_cursor(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    marks = filled(table, 300)
    by_name, primary, rows = table.cursor("byName"), table.cursor(), iter(table)
    assert by_name.first()
    assert primary.first()
    next(rows)
    session.begin()
    table.delete_index("byName")
    assert code_of(by_name.move) == Err.IndexNotFound
    session.rollback()
    assert by_name.move()
    assert by_name.row["Name"] == "n1"
    table.delete_index("byName")
    desk.live.instance.live.cleanup.run()
    gone: tuple[Callable[[], object], ...] = (by_name.move, by_name.first, by_name.count)
    for call in (*gone, lambda: by_name.seek("n1"), lambda: by_name.row):
        assert code_of(call) == Err.IndexNotFound
    assert primary.move()
    assert primary.bookmark == marks[1]
    database.delete_table("Hosts")
    desk.live.instance.live.cleanup.run()
    filled(hosts(database, "Other"))
    gone = (by_name.move, primary.move, primary.last, primary.count)
    for call in (*gone, lambda: list(primary), lambda: list(rows)):
        assert code_of(call) == Err.ObjectNotFound
    assert desk.settled() == []


@pytest.mark.parametrize("page_size", [4096, 32768])
def test_an_index_over_rows_that_are_there(new_desk: Callable[..., Desk], page_size: int) -> None:
    desk = new_desk(page_size)
    _, database = desk.open()
    table = hosts(database)
    marks = filled(table, 400)
    table.create_index(Index("byVersion", ("Version", "-Id"), unique=True))
    table.create_index(Index("some", ("Owner",), if_present=("Ports",), if_null=("Name",)))
    table.create_index(Index("ports", ("Ports", "Owner")))
    assert code_of(lambda: table.create_index(Index("one", ("Version",), unique=True))) == Err.KeyDuplicate
    assert code_of(lambda: table.create_index(Index("two", ("Id",), primary=True))) == Err.IndexHasPrimary
    assert code_of(lambda: table.create_index(Index("hits", ("Hits",)))) == Err.CannotIndex
    assert code_of(lambda: table.delete_index("pk")) == Err.IndexMustStay
    table.update(marks[7], Name=None)
    assert [row["Id"] for row in table.cursor("some")] == [8]
    assert table.cursor("ports").count() == 799
    table.delete_index("ports")
    table.delete(marks[9])
    assert sorted(table.indexes) == ["byName", "byOwner", "byPort", "byVersion", "pk", "some"]
    assert [row["Id"] for row in table.cursor("byVersion")][:3] == [400, 399, 398]
    assert desk.settled() == []


def test_a_primary_index_comes_before_the_rows(desk: Desk) -> None:
    _, database = desk.open()
    table = database.create_table("T", [NUMBER])
    table.create_index(Index("pk", ("N",), primary=True))
    assert table.insert(N=5) == b"\x7f\x80\0\0\x05"
    other = database.create_table("U", [NUMBER])
    other.insert(N=1)
    assert code_of(lambda: other.create_index(Index("pk", ("N",), primary=True))) == Err.TableNotEmpty
    assert desk.settled() == []


def test_everything_is_taken_back(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    marks = filled(table)
    before = [dict(row) for row in table]
    session.begin()
    table.delete_column("Note")
    table.add_column(Column("New", ColumnType.LONG_BINARY))
    table.update(marks[0], New=bytes(5000))
    session.begin()
    table.delete_index("byPort")
    database.rename_table("Hosts", "Others")
    filled(hosts(database, "Second"))
    session.rollback()
    assert list(database) == ["Hosts"]
    assert "byPort" in table.indexes
    assert "New" in table.columns
    database.delete_table("Hosts")
    assert list(database) == []
    session.rollback()
    assert [dict(row) for row in table] == before
    assert table.cursor("byPort").count() == 79
    filled(hosts(database, "Second"))
    assert desk.settled() == []


@pytest.mark.parametrize("ends", ["session", "instance"])
def test_an_end_takes_open_definitions_back(desk: Desk, ends: str) -> None:
    _, database = desk.open()
    filled(hosts(database))
    session, other = desk.open()
    session.begin()
    filled(hosts(other, "Lost"))
    other["Hosts"].create_index(Index("more", ("Version",)))
    if ends == "session":
        session.close()
        assert list(database) == ["Hosts"]
        assert "more" not in database["Hosts"].indexes
    assert desk.settled() == []
    assert [index.name for index in desk.definition("Hosts").indexes] == [index.name for index in HOST_INDEXES]


def test_others_see_a_definition_when_it_is_committed(desk: Desk) -> None:
    one, database = desk.open()
    table = hosts(database)
    filled(table)
    two, other = desk.open()
    seen = other["Hosts"]
    two.begin()
    assert seen.get(next(iter(seen)).bookmark)["Name"] == "n0"
    with one.transaction():
        table.delete_index("byName")
        table.add_column(Column("New", ColumnType.LONG, default=3))
        assert "New" not in seen.columns
        assert [row["Name"] for row in seen.cursor("byName")][:2] == ["n0", "n1"]
        assert code_of(lambda: seen.add_column(NUMBER)) == Err.TableLocked
        # By the definition before.
        seen.insert(Name="x", Owner="x")
        assert seen.cursor("byName").count() == 41
    # Still the snapshot from before.
    assert "New" not in seen.columns
    seen.insert(Name="y", Owner="y")
    assert seen.cursor("byName").count() == 42
    assert code_of(lambda: seen.add_column(NUMBER)) == Err.WriteConflict
    two.commit()
    assert "New" in seen.columns
    assert "byName" not in seen.indexes
    assert [row["New"] for row in seen if row["Name"] in {"x", "y"}] == [3, 3]
    seen.insert(Name="z", Owner="z", New=1)
    database.delete_table("Hosts")
    assert code_of(lambda: seen.insert(Name="z")) == Err.ObjectNotFound
    assert code_of(lambda: seen.columns) == Err.ObjectNotFound
    assert desk.settled() == []


def test_a_table_whose_first_long_value_came_later_is_not_deleted_by_an_old_view(desk: Desk) -> None:
    _one, database = desk.open()
    table = hosts(database)
    two, other = desk.open()
    two.begin()
    assert list(other) == ["Hosts"]
    table.insert(Name="a", Owner="a", Note="n" * 3000)
    assert code_of(lambda: other.delete_table("Hosts")) == Err.WriteConflict
    two.rollback()
    other.delete_table("Hosts")
    assert list(database) == []
    assert desk.settled() == []


def test_what_is_made_of_the_rows_wants_to_see_all_of_them(desk: Desk) -> None:
    """A counter over an old snapshot would leave rows without number that others have committed since."""
    one, database = desk.open()
    table = database.create_table("T", [NUMBER])
    marks = [table.insert(N=n) for n in range(5)]
    one.begin()
    assert table.count() == 5
    _, other = desk.open()
    other["T"].insert(N=10)
    other["T"].delete(marks[0])
    counter = Column("Id", ColumnType.LONG, auto_increment=True)
    assert code_of(lambda: table.add_column(counter)) == Err.WriteConflict
    table.add_column(Column("Plain", ColumnType.LONG, default=1))
    assert code_of(lambda: table.add_column(counter)) == Err.WriteConflict
    # An index is told what others have done; it is seen by the snapshot.
    table.create_index(Index("byN", ("N",)))
    assert [row["N"] for row in table.cursor("byN")] == list(range(5))
    one.rollback()
    table.create_index(Index("byN", ("N",)))
    table.add_column(counter)
    assert [(row["N"], row["Id"]) for row in table.cursor("byN")] == [(1, 1), (2, 2), (3, 3), (4, 4), (10, 5)]
    assert desk.settled() == []


def test_who_may_only_read_makes_nothing(desk: Desk) -> None:
    session, database = desk.open()
    with session.transaction(read_only=True):
        assert code_of(lambda: database.create_table("T", [NUMBER], indexes=[Index("i", ("N",))])) == Err.TransReadOnly
    assert list(database) == []
    # No page was taken for it.
    assert desk.settled() == []


def test_two_sessions_make_one_name(desk: Desk) -> None:
    one, database = desk.open()
    two, other = desk.open()
    with one.transaction(), two.transaction():
        database.create_table("T", [NUMBER])
        assert code_of(lambda: other.create_table("T", [NUMBER])) == Err.TableDuplicate
        assert list(other) == []
    assert list(other) == ["T"]
    assert desk.settled() == []


@pytest.mark.parametrize("policy", [CrashPolicy.DROP_ALL, CrashPolicy.KEEP_ALL])
def test_definitions_and_rows_outlive_a_crash(desk: Desk, policy: CrashPolicy) -> None:
    session, database = desk.open()
    table = hosts(database)
    filled(table)
    table.delete_column("Note")
    table.create_index(Index("more", ("Version",)))
    kept = [dict(row) for row in table]
    session.begin()
    table.add_column(NUMBER)
    filled(hosts(database, "Lost"))
    desk.live.journal.writer.flush()
    desk.recovered(policy)
    _, database = desk.open()
    assert list(database) == ["Hosts"]
    assert [dict(row) for row in database["Hosts"]] == kept
    assert database["Hosts"].cursor("more").count() == 40
    filled(hosts(database, "Lost"))
    # Pages of what was not committed may be lost to the database, as they are with the engine.
    assert [each for each in desk.settled() if "leak" not in each.lower()] == []


def test_a_detached_database_is_told(desk: Desk) -> None:
    session, database = desk.open()
    table = hosts(database)
    session.detach(PATH)
    assert code_of(lambda: table.insert(Name="x")) == Err.InvalidDatabaseId
    assert code_of(lambda: session.open(PATH)) == Err.DatabaseNotFound
    session.attach(PATH)
    assert list(session.open(PATH)) == ["Hosts"]
    session.close()
    assert code_of(lambda: list(database)) == Err.InvalidSesid
    assert desk.settled() == []


def test_catalog_names_every_column_as_it_was_given(desk: Desk) -> None:
    _, database = desk.open()
    hosts(database)
    desk.settled()
    definition = desk.definition("Hosts")
    by_name: dict[str, Any] = {column.name: column for column in definition.columns}
    assert set(by_name) == {column.name for column in HOSTS}
    assert [by_name[column.name].type for column in HOSTS] == [column.type for column in HOSTS]


def test_tables_that_come_and_go_leave_nothing_in_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "_MOST_KNOWN", 8)
    session, database = desk.open()
    _, watched = desk.open()
    live = desk.live.instance.live
    for turn in range(20):
        table = database.create_table(f"T{turn}", [NUMBER])
        table.insert(N=turn)
        assert [row["N"] for row in watched[f"T{turn}"]] == [turn]
        database.delete_table(f"T{turn}")
        live.cleanup.run()
    shared = desk.live.instance.shared(PATH)
    assert not [kept for kept in (shared._locks, shared._trees) if len(kept) > 2]
    assert len(database._definitions._known) <= 1
    assert len(watched._definitions._known) <= 8
    assert session.store.level == 0


def test_templates_and_derived_tables_keep_their_definitions(desk: Desk) -> None:
    session, database = desk.open()
    for name, flags in (("Above", TableFlags.TEMPLATE | TableFlags.FIXED_DDL), ("Below", TableFlags.DERIVED)):
        table = database.create_table(name, [NUMBER, Column("M", ColumnType.LONG)], indexes=[Index("i", ("N",))])
        with session.transaction():
            row = table.definition.row
            Catalog(desk.live.instance.shared(PATH), session.store).change(row, replace(row, flags=row.flags | flags))
    code = {"Above": Err.FixedDDL, "Below": Err.FeatureNotAvailable}
    for name, expected in code.items():
        table = session.open(PATH)[name]
        assert code_of(lambda table=table: table.add_column(Column("C", ColumnType.LONG))) == expected  # type: ignore[misc]
        assert code_of(lambda table=table: table.delete_column("M")) == expected  # type: ignore[misc]
        assert code_of(lambda table=table: table.create_index(Index("j", ("M",)))) == expected  # type: ignore[misc]
        assert code_of(lambda table=table: table.delete_index("i")) == expected  # type: ignore[misc]
    database = session.open(PATH)
    assert code_of(lambda: database.rename_table("Above", "Other")) == Err.FixedDDL
    assert code_of(lambda: database.delete_table("Above")) == Err.CannotDeleteTemplateTable
    assert list(database) == ["Above", "Below"]
    database["Above"].insert(N=1)
    assert database["Above"].count() == 1
    assert desk.settled() == []
