"""Made-up databases, small and valid, of any page size."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from engine.format.checksum import set_batch_checksums
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.node import SpaceFlags, SpaceHeader
from engine.format.page import PageFlags, page_offset
from engine.format.page_builder import PageBuilder
from engine.format.patch import PatchHeader
from engine.types import BkInfo, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGN_DB = Signature(7, LogTime(b"\1\2\3\4\5\6\7\0"))
SIGN_LOG = Signature(8, LogTime(b"\1\2\3\4\5\6\7\0"))


@dataclass
class MadeDatabase:
    """A file with a header, a system root that owns `owned` pages, random pages, and blank ones in between."""

    path: Path
    page_size: int
    pages: int
    blank: frozenset[int]
    header: DatabaseHeader

    def offset(self, pgno: int, within: int = 0) -> int:
        return page_offset(pgno, self.page_size) + within

    def flip(self, pgno: int, bit: int) -> None:
        self.poke(self.offset(pgno, bit >> 3), 1 << (bit & 7))

    def poke(self, offset: int, mask: int) -> None:
        """XOR one byte of the file."""
        with self.path.open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ mask]))


@pytest.fixture
def make_database(tmp_path: Path) -> Callable[..., MadeDatabase]:
    """Return a function that writes a database of `pages` pages and returns it."""

    def make(
        page_size: int = 4096,
        pages: int = 40,
        *,
        owned: int | None = None,
        state: DbState = DbState.CLEAN_SHUTDOWN,
        blank: frozenset[int] = frozenset(),
        trailer: bool = False,
        name: str = "made.edb",
    ) -> MadeDatabase:
        rng = random.Random(pages)  # noqa: S311 - what is drawn must be the same in each run
        full = BkInfo(LgPos(3, 1, 0), SIGN_DB.created, 3, 0) if trailer else BkInfo()
        header = DatabaseHeader.create(
            page_size, state=state, sign_db=SIGN_DB, sign_log=SIGN_LOG, bkinfo_full_cur=full, dbid=1
        )
        content = bytearray(rng.randbytes(pages * page_size))
        for pgno in blank:
            content[(pgno - 1) * page_size : pgno * page_size] = bytes(page_size)
        space = SpaceHeader(pages if owned is None else owned, 0, SpaceFlags.NONE, 0)
        root = PageBuilder(page_size, 1, 1, PageFlags.ROOT | PageFlags.LEAF, external=space.pack())
        set_batch_checksums(content, 1, page_size)
        content[:page_size] = root.build(dbtime=1)
        end = PatchHeader(bkinfo=BkInfo(full.mark, full.time, 3, 4), sign_db=SIGN_DB, sign_log=SIGN_LOG)
        path = tmp_path / name
        path.write_bytes(header.pack() * 2 + content + (end.pack(page_size) if trailer else b""))
        return MadeDatabase(path, page_size, pages, blank, header)

    return make
