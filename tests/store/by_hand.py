"""Transactions on a live database, written record by record: no code of trees or transactions is in the way."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from engine.format import lr

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage
    from engine.types import LgPos
    from tests.store.conftest import Live

PROCID = 9
_UNIQUE, _VERSIONED = lr.NodeFlags.UNIQUE, lr.NodeFlags.VERSIONED


class Writer:
    """A transaction of the table Marks, written record by record; `procid` is the session's number."""

    def __init__(self, live: Live, trx: int = 4, procid: int = PROCID) -> None:
        self.live, self.trx, self.procid = live, trx, procid
        self.root, self.objid = live.root("Marks")
        with live.journal.latch:
            self.begin0 = live.journal.note(lr.Begin0(procid, 1 << 4, trx))
        self.rceid = 2 * trx
        self.images: list[Image] = []

    def _node(self, page: MutablePage, line: int) -> tuple[Any, ...]:
        self.rceid += 2
        dbtime = self.live.pages.next_dbtime()
        where = (self.procid, self.live.pages.dbid, page.pgno, dbtime, page.dbtime, self.trx, 1, line)
        return (*where, int(_UNIQUE | _VERSIONED), self.rceid, self.root, self.objid)

    def insert(self, number: int) -> None:
        """Insert a row behind the last one, while the table fits one page: a copy of the first with another number."""
        live = self.live
        with live.journal.latch:
            page = live.pages.load(self.root)
            data = bytearray(page.data(0))
            struct.pack_into("<ii", data, 4, number, number)
            key = b"\x7f" + struct.pack(">I", number + 0x80000000)
            prefix, suffix = page.compress(key)
            fields = self._node(page, page.line_count)
            record = lr.Insert._make((*fields, key[:prefix], suffix, bytes(data)))
            applied = live.journal.do(live.pages, record, self.begin0)
            assert applied.due

    def replace(self, line: int, number: int, pgno: int = 0) -> Image:
        """Give a row of a leaf (the root) another value, and pin what it was."""
        live = self.live
        with live.journal.latch:
            page = live.pages.load(pgno or self.root)
            before = page.data(line)
            data = bytearray(before)
            struct.pack_into("<i", data, 8, number)
            fields = self._node(page, line)
            record = lr.Replace._make((*fields, len(before), len(data), bytes(data)))
            applied = live.journal.do(live.pages, record, self.begin0)
            assert applied.before == before
            image = Image(page.pgno, record, page.key(line), before)
            live.pages.pin_image(image)
            self.images.append(image)
            return image

    def commit(self) -> LgPos:
        with self.live.journal.latch:
            position = self.live.journal.note(lr.Commit0(self.procid, 0, self.trx + 4))
            for image in self.images:
                self.live.pages.unpin_image(image)
        self.live.journal.wait_durable(position)
        return position


class Image:
    def __init__(self, pgno: int, record: lr.Replace, key: bytes, before: bytes) -> None:
        self.pgno, self.record, self.key, self.before = pgno, record, key, before

    def undo_info(self) -> lr.UndoInfo:
        flags = int(_UNIQUE)
        mine = self.record
        nil = lr.DBTIME_NIL
        head = (mine.procid, mine.dbid, self.pgno, nil, nil, mine.trx_begin0, mine.level, 0, flags, mine.rceid)
        size = len(self.before)
        return lr.UndoInfo(*head, mine.pgno_fdp, mine.objid_fdp, lr.Oper.REPLACE, size, 0, self.key, b"", self.before)


def leaves(live: Live) -> list[int]:
    """Return the leaf pages of the table Marks in order."""
    root, _ = live.root("Marks")
    page = live.pages.load(root)
    while not page.is_leaf:
        page = live.pages.load(int.from_bytes(page.data(0), "little"))
    found = [page.pgno]
    while page.next:
        page = live.pages.load(page.next)
        found.append(page.pgno)
    return found


def values(live: Live) -> list[int]:
    """Return the value of each row; the database must be clean."""
    return [row["Value"] for row in live.rows("Marks")]
