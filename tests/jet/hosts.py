"""A table of hosts as the JET names see it, and short ways to its rows."""

from __future__ import annotations

import struct
from typing import NamedTuple

from engine import jet
from engine.jet import JET_MoveNext

INSERT, REPLACE, CANCEL, COPY, MOVE = 0, 2, 3, 5, 7
EQ, LT, LE, GE, GT, SET_RANGE = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
NEW_KEY, STRING_LIMIT, SUBSTRING_LIMIT, NORMALIZED = 0x1, 0x2, 0x4, 0x8
ASCII = 1252


class World(NamedTuple):
    """An instance with one session and a database open in it."""

    instance: int
    session: int
    database: int
    path: str


def good(result: tuple[int, int]) -> int:
    error, value = result
    assert error == 0
    return value


class Hosts(NamedTuple):
    """A table of hosts: Id, Name, Hits (escrow), Notes (long), Tags (several)."""

    session: int
    table: int
    columns: dict[str, int]

    def add(self, number: int, name: str | None, **others: bytes) -> bytes:
        assert jet.JetPrepareUpdate(self.session, self.table, INSERT) == 0
        assert jet.JetSetColumn(self.session, self.table, self.columns["Id"], struct.pack("<i", number)) == 0
        text = None if name is None else name.encode("cp1252")
        assert jet.JetSetColumn(self.session, self.table, self.columns["Name"], text) == 0
        for column, value in others.items():
            assert jet.JetSetColumn(self.session, self.table, self.columns[column], value) == 0
        error, bookmark = jet.JetUpdate(self.session, self.table)
        assert error == 0
        return bookmark

    def get(self, column: str, **more: int) -> bytes | None:
        error, value = jet.JetRetrieveColumn(self.session, self.table, self.columns[column], **more)
        assert error in (0, 1004)
        return None if error else value

    @property
    def id(self) -> int:
        found = self.get("Id")
        assert found is not None
        return int(struct.unpack("<i", found)[0])

    def key(self, value: bytes | None, grbit: int = NEW_KEY) -> None:
        assert jet.JetMakeKey(self.session, self.table, value, grbit) == 0

    def ids(self) -> list[int]:
        """Return the ids from the current row to the end of the range."""
        found = [self.id]
        while jet.JetMove(self.session, self.table, JET_MoveNext) == 0:
            found.append(self.id)
        return found
