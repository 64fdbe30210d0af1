"""Databases that are attached for reading only, beside others that are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import jet
from engine.build import Column, ColumnType, Index
from engine.errors import Err, Wrn
from engine.instance import Instance
from engine.types import TermOptions
from tests.store.desk import code_of, hosts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a clean database with a row that is marked deleted, and is not removed."""
    path = tmp_path / "made" / "r.edb"
    path.parent.mkdir()
    instance = Instance(path=path.parent)
    instance.init()
    session = instance.session()
    table = hosts(session.create_database(path))
    table.insert_many(
        {"Name": f"n{n}", "Owner": f"o{n}", "Note": "t" * (n * 90), "Ports": (n, n + 1)} for n in range(60)
    )
    instance.live.cleanup.run()
    table.delete(next(iter(table)).bookmark)
    instance.term(TermOptions.ABRUPT)
    return path


def test_it_is_read_and_not_changed(path: Path, tmp_path: Path) -> None:
    before = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()}
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with Instance(path=tmp_path / "i", create_path_if_not_exist=True) as instance, instance.session() as session:
        session.attach(path, read_only=True)
        own = session.create_database(tmp_path / "i" / "own.edb")
        database = session.open(path)
        assert database.read_only
        assert not own.read_only
        table = database["Hosts"]
        assert [row["Id"] for row in table] == list(range(2, 61))
        assert table.count() == 59
        assert [row["Id"] for row in table.cursor("byName").range("n10", "n12")] == [11, 12, 13]
        assert table.cursor("byPort").count() == 118
        mark = table.cursor()
        assert mark.seek(60)
        assert mark.long_value("Note").read() == ("t" * 59 * 90).encode("utf-16-le")
        copy = own.create_table("Copy", [Column("Id", ColumnType.LONG), Column("Note", ColumnType.LONG_TEXT)])
        with session.transaction():
            for row in table:
                copy.insert(Id=row["Id"], Note=row["Note"])
        assert list(copy.values()) == list(table.values(["Id", "Note"]))
        for change in (
            lambda: table.insert(Name="x"),
            lambda: table.update(mark.bookmark, Name="x"),
            lambda: table.escrow(mark.bookmark, "Hits", 1),
            mark.delete,
            lambda: table.add_column(Column("More", ColumnType.LONG)),
            lambda: table.create_index(Index("more", ("Version",))),
            lambda: database.create_table("T", [Column("Id", ColumnType.LONG)]),
            lambda: database.rename_table("Hosts", "T"),
            lambda: database.delete_table("Hosts"),
        ):
            assert code_of(change) == Err.PermissionDenied
        instance.live.cleanup.run()
        session.detach(path)
        assert code_of(table.count) == Err.InvalidDatabaseId
        session.attach(path, read_only=True)
        assert session.open(path)["Hosts"].count() == 59
    path.parent.chmod(0o755)
    path.chmod(0o644)
    after = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()}
    assert after == before


def test_by_the_jet_names(path: Path, tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()
    error, instance = jet.JetCreateInstance("read only")
    assert error == 0
    for param in (0, 2):
        assert jet.JetSetSystemParameter(instance, None, param, str(tmp_path / "i")) == 0
    assert jet.JetInit3(instance) == 0
    _, session = jet.JetBeginSession(instance)
    assert jet.JetAttachDatabase2(session, str(path), 0, 1) == 0
    error, database = jet.JetOpenDatabase(session, str(path))
    assert error == Wrn.FileOpenReadOnly == 1813
    assert jet.JetCloseDatabase(session, database) == 0
    error, database = jet.JetOpenDatabase(session, str(path), None, 1)
    assert error == 0
    error, table = jet.JetOpenTable(session, database, "Hosts")
    assert error == 0
    assert jet.JetMove(session, table, 0) == 0
    assert jet.JetBeginTransaction(session) == 0
    assert jet.JetDelete(session, table) == Err.PermissionDenied
    assert jet.JetDetachDatabase2(session, str(path)) == Err.InTransaction
    assert jet.JetAttachDatabase2(session, str(path), 0, 1) == Err.InTransaction
    assert jet.JetRollback(session) == 0
    assert jet.JetTerm2(instance, TermOptions.COMPLETE) == 0
