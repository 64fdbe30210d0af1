"""Tables, columns and rows made by the JET names, in a line each."""

from __future__ import annotations

import struct

from engine import jet
from engine.jet import (
    JetColumnCreate,
    JetIndexCreate,
    JetTableCreate,
)
from tests.jet.hosts import INSERT, World, good


def long(number: int) -> bytes:
    return struct.pack("<i", number)


def made(world: World, *columns: JetColumnCreate, indexes: tuple[JetIndexCreate, ...] = (), name: str = "Made") -> int:
    """Return a table that was made with these columns and indexes."""
    create = JetTableCreate(name, 0, 0, columns, indexes)
    return good(jet.JetCreateTableColumnIndex(world.session, world.database, create))


def number_of(world: World, table: int, column: str) -> int:
    error, described = jet.JetGetTableColumnInfo(world.session, table, column)
    assert error == 0
    return described.columnid


def inserted(world: World, table: int, **values: bytes | None) -> bytes:
    assert jet.JetPrepareUpdate(world.session, table, INSERT) == 0
    for name, value in values.items():
        assert jet.JetSetColumn(world.session, table, number_of(world, table, name), value) == 0
    error, bookmark = jet.JetUpdate(world.session, table)
    assert error == 0
    return bookmark
