"""A small database for the JET layer."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from engine import jet
from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.jet import JetColumnDef
from engine.params import Param
from tests.jet.hosts import ASCII, Hosts, World, good

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small database, a.edb, of 4 KiB pages."""
    folder = tmp_path_factory.mktemp("built")
    with DatabaseBuilder(Environment(), folder / "a.edb", threaded=False) as builder:
        rows = [{"id": each} for each in range(100)]
        builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    return folder


@pytest.fixture
def world(built: Path, tmp_path: Path) -> Iterator[World]:
    path = tmp_path / "a.edb"
    path.write_bytes((built / "a.edb").read_bytes())
    instance = good(jet.JetCreateInstance("tables"))
    for param in (Param.SystemPath, Param.LogFilePath):
        assert jet.JetSetSystemParameter(instance, None, param, str(tmp_path)) == 0
    assert jet.JetInit3(instance) == 0
    session = good(jet.JetBeginSession(instance))
    assert jet.JetAttachDatabase2(session, str(path)) == 0
    yield World(instance, session, good(jet.JetOpenDatabase(session, str(path))), str(path))
    jet.JetTerm2(instance)


@pytest.fixture
def hosts(world: World) -> Hosts:
    session = world.session
    table = good(jet.JetCreateTable(session, world.database, "Hosts"))
    columns = {
        name: good(jet.JetAddColumn(session, table, name, definition, default))
        for name, definition, default in (
            ("Id", JetColumnDef(0, ColumnType.LONG, grbit=0x4), None),
            ("Name", JetColumnDef(0, ColumnType.TEXT, ASCII, 100), None),
            ("Hits", JetColumnDef(0, ColumnType.LONG, grbit=0x800), struct.pack("<i", 5)),
            ("Notes", JetColumnDef(0, ColumnType.LONG_BINARY), None),
            ("Tags", JetColumnDef(0, ColumnType.LONG, grbit=0x402), None),
        )
    }
    assert jet.JetCreateIndex(session, table, "pk", 0x2, "+Id\0\0") == 0
    assert jet.JetCreateIndex(session, table, "byName", 0, "+Name\0\0") == 0
    made = Hosts(session, table, columns)
    assert jet.JetSetCurrentIndex(session, table, None) == 0
    for number, name in enumerate(("alpha", "beta", "alphabet", "gamma", "beta"), 1):
        made.add(number * 10, name)
    return made
