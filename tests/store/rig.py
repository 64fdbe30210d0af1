"""Trees over pages in memory: a journal that keeps its records, a store, and the proof that both agree.

Every page that a record changed is held against the rules of its format at once; at the end the records are
replayed over the first pages and must give the pages that live work left.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from engine.check import Severity
from engine.check.context import Check
from engine.check.space import SpaceCheck, leaked
from engine.check.tree import TreeWalk
from engine.errors import Err, EseError
from engine.format import lr
from engine.format.page import Page, PageFlags
from engine.pages.mutable import MutablePage
from engine.pages.page_rules import broken_rule
from engine.redo.apply import Applied, apply, apply_macro
from engine.store import extents
from engine.store.search import first_place
from engine.store.space import system_root
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.doing import TreeRef
    from engine.store.journal import Journal
    from engine.store.pages import StorePages

FIRST_PAGES = 46


class MemoryPages:
    """A page store of decoded pages, with the counters of a live database."""

    dbid = 1
    path = "memory.edb"
    announces = True

    def __init__(self, page_size: int, extension: int = 16) -> None:
        self.page_size = page_size
        self.pages: dict[int, MutablePage] = {}
        self.touched: set[int] = set()
        self.last_page = FIRST_PAGES
        self.dbtime_last = 0
        self.objid_last = 1
        self.extension = extension

    def load(self, pgno: int) -> MutablePage:
        try:
            return self.pages[pgno]
        except KeyError:
            raise EseError.from_code(Err.PageNotInitialized, page=pgno) from None

    def peek(self, pgno: int) -> MutablePage | None:
        return self.pages.get(pgno)

    def put(self, page: MutablePage) -> None:
        self.pages[page.pgno] = page
        self.changed(page)

    def changed(self, page: MutablePage) -> None:
        self.touched.add(page.pgno)

    def mismatch(self, pgno: int, error: EseError) -> None:
        raise error

    def next_dbtime(self) -> int:
        self.dbtime_last += 1
        return self.dbtime_last

    def next_objid(self) -> int:
        self.objid_last += 1
        return self.objid_last

    def extend(self, pages: int, procid: int) -> tuple[int, int]:
        assert procid
        count = -(-pages // self.extension) * self.extension
        first = self.last_page + 1
        self.last_page += count
        return first, count


class MemoryJournal:
    """Keeps every record, packed, as single operations and as macros."""

    def __init__(self) -> None:
        self.latch = threading.RLock()
        self.log: list[bytes | list[bytes]] = []
        self.noted: list[lr.Record] = []

    def note(self, record: lr.Record) -> LgPos:
        self.noted.append(record)
        return LgPos(1, len(self.log), 0)

    def do(self, pages: MemoryPages, record: lr.Record, begin0: LgPos | None) -> Applied:
        assert begin0 is not None
        self.log.append(record.pack())
        applied = apply(record, pages)
        assert applied.due
        self._look(pages)
        return applied

    def do_macro(
        self, pages: MemoryPages, procid: int, records: Sequence[lr.Record], begin0: LgPos | None
    ) -> dict[int, Applied]:
        assert procid
        assert begin0 is not None
        self.log.append([record.pack() for record in records])
        applied = apply_macro(records, pages)
        self._look(pages)
        return applied

    def _look(self, pages: MemoryPages) -> None:
        # A rule that one insert broke is still broken a few inserts later; structure is looked at at once.
        if isinstance(self.log[-1], bytes) and len(self.log) % 16:
            return
        for pgno in pages.touched:
            page = pages.pages[pgno]
            broken = broken_rule(page)
            assert broken is None, f"page {pgno}: {broken}"
        pages.touched.clear()

    def replay(self, pages: MemoryPages) -> None:
        for entry in self.log:
            if isinstance(entry, bytes):
                apply(lr.decode(entry), pages)
            else:
                apply_macro([lr.decode(each) for each in entry], pages)


@dataclass
class MemoryDoer:
    """A transaction that never ends; `versions` tells what each bookmark's undoing may need."""

    journal: Journal
    procid: int = 7
    level: int = 1
    trx_begin0: int = 4
    record_flags: int = 0
    versions: dict[tuple[int, bytes, bytes], int] = field(default_factory=dict)

    def begun(self) -> LgPos | None:
        return LgPos(1, 1, 0)

    def held(self, tree: TreeRef, key: bytes, data: bytes) -> int | None:
        return self.versions.get((tree.root, key, data))


class Rig:
    """A database of nothing but its system root, and the trees that a test makes in it."""

    def __init__(self, page_size: int = 4096, extension: int = 16) -> None:
        self.memory = MemoryPages(page_size, extension)
        self.log = MemoryJournal()
        self.doer = MemoryDoer(cast("Journal", self.log))
        self.root = system_root(cast("StorePages", self.memory))
        self.trees: list[TreeRef] = []
        dbtime = self.memory.next_dbtime()
        record = lr.CreateMEFDP(7, 1, 1, dbtime, lr.DBTIME_NIL, 4, 1, 0, 4, 1, 2, 3, 0, FIRST_PAGES, 0)
        self.log.log.append(record.pack())
        apply(record, self.memory)
        self.memory.touched.clear()

    @property
    def free(self) -> int:
        """Pages that a tree could have at once, of the system root."""
        header = extents.root_header(self.root).space
        return sum(extent.count for _, extent in extents.listed(extents.available(self.root, header)))

    def check(self) -> list[str]:
        """Return what the integrity check has against the trees and their space; all of them must be in `trees`."""
        source = _Source(self.memory)
        check = Check(source, self.memory.last_page, newest=self.memory.dbtime_last, strict=True)
        found: list[Any] = []
        specs = {self.root.root: check.spec("", "", 1, 1)}
        for tree in (self.root, *self.trees):
            if tree is not self.root:
                kind = PageFlags(tree.kind)
                specs[tree.root] = check.spec(f"t{tree.objid}", "", tree.root, tree.objid, kind, unique=tree.unique)
            parent = specs[tree.parent.root] if tree.parent is not None else None
            found += SpaceCheck(check, specs[tree.root], parent).run()
        for tree in (self.root, *self.trees):
            found += TreeWalk(check, specs[tree.root]).run()
        found += leaked(check)
        return [str(each) for each in found if each.severity is not Severity.INFO]

    def content(self, tree: TreeRef) -> list[tuple[bytes, bytes]]:
        """Return the nodes of a tree that are not deleted, along its leaves."""
        page = first_place(tree).page
        found = []
        while True:
            found += [(key, data) for flags, key, data in page.full() if not flags & 2]
            if not page.next:
                return found
            page = self.memory.load(page.next)

    def proven(self) -> None:
        """Hold everything against everything; encoded pages must decode to what they were."""
        assert self.check() == []
        again = MemoryPages(self.memory.page_size)
        self.log.replay(again)
        assert again.pages.keys() == self.memory.pages.keys()
        for pgno, page in self.memory.pages.items():
            assert state(again.pages[pgno]) == state(page)
            data = page.encode()
            Page(data, pgno).check()
            assert state(MutablePage.decode(data, pgno)) == state(page)


def state(page: MutablePage) -> tuple[Any, ...]:
    """Return what is to be equal of two pages: all but the bytes held back for undoing, which no record tells."""
    if page.flags & (PageFlags.EMPTY | PageFlags.PRE_INIT):
        return page.pgno, page.objid, page.flags & ~0x2800, page.dbtime
    nodes = [page.node(line) for line in range(page.line_count)]
    return (page.pgno, page.objid, page.flags, page.dbtime, page.prev, page.next, page.external, nodes, page.used)


class _Source:
    def __init__(self, memory: MemoryPages) -> None:
        self.memory = memory
        self.path = memory.path
        self.page_size = memory.page_size
        self.last_page = memory.last_page

    def page(self, pgno: int) -> Page:
        return Page(self.memory.load(pgno).encode(), pgno, path=self.path)

    def prefetch(self, first: int, count: int) -> None:
        with contextlib.suppress(KeyError):
            del first, count
