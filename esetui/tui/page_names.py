"""What the pages under the cursor of the page map are: object, table, tree, and what of the tree.

A thread of its own reads, the screen only asks: `look` says what is known and, when something is missing, has it
looked up; the answer comes with a later question.  Only the newest question waits, so that holding an arrow key
down reads nothing that nobody will see.  The catalog of a database is read once, as long as the file keeps its size
and time; what a damaged one does not tell is shown by number.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EseError

if TYPE_CHECKING:
    from engine.catalog import TreeName
    from engine.files.base import File, FileSystem
    from engine.format.page import PageHeader

MOST_PAGES: Final = 8
"""Pages of a group that are looked at."""
_KEPT_ANSWERS: Final = 512
_KEPT_CATALOGS: Final = 4
_CATALOG_CACHE: Final = 4 << 20
"""Bytes of pages kept while a catalog is read."""


class Question(NamedTuple):
    """Pages `first` to `last` of the database at `path`."""

    path: str
    first: int
    last: int


class PageName(NamedTuple):
    """A page: its number, its object (0: none), whose it is, and what of the tree; `problem` when it is damaged."""

    pgno: int
    objid: int
    owner: str
    part: str
    problem: str = ""

    @property
    def text(self) -> str:
        """The page in a few words."""
        return ", ".join(each for each in (self.owner, self.part, self.problem) if each)


class _Catalog(NamedTuple):
    """The trees of a database by object; `stamp` tells whether the file is still the same one."""

    stamp: tuple[int, object]
    page_size: int
    names: dict[int, TreeName]


class PageNames:
    """Answers questions about pages, without ever making the asker wait."""

    def __init__(self, fs: FileSystem) -> None:
        self._fs = fs
        self._answers: OrderedDict[Question, tuple[PageName, ...]] = OrderedDict()
        self._catalogs: OrderedDict[str, _Catalog] = OrderedDict()
        self._wanted: Question | None = None
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def look(self, path: str, first: int, last: int) -> tuple[PageName, ...] | None:
        """Return what the pages are, the first `MOST_PAGES` of them; None while that is being found out."""
        question = Question(path, first, min(last, first + MOST_PAGES - 1))
        with self._condition:
            found = self._answers.get(question)
            if found is None and not self._closed and self._wanted != question:
                self._wanted = question
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="page-names", daemon=True)
                    self._thread.start()
                self._condition.notify()
            return found

    def forget(self) -> None:
        """Look again at whatever is asked for: the pages may have changed."""
        with self._condition:
            self._answers.clear()

    def close(self) -> None:
        """Stop; nothing is answered any more."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def _work(self) -> None:
        while True:
            with self._condition:
                while self._wanted is None and not self._closed:
                    self._condition.wait()
                if self._closed or self._wanted is None:
                    return
                question = self._wanted
            answer = self._answer(question)
            with self._condition:
                self._answers[question] = answer
                while len(self._answers) > _KEPT_ANSWERS:
                    self._answers.popitem(last=False)
                if self._wanted == question:
                    self._wanted = None

    def _answer(self, question: Question) -> tuple[PageName, ...]:
        numbers = range(question.first, question.last + 1)
        try:
            with self._fs.open(question.path) as file:
                catalog = self._catalog(question.path, file)
                return tuple(_page_name(file, pgno, catalog) for pgno in numbers)
        except EseError as error:
            return (PageName(question.first, 0, "", "", error.message),)

    def _catalog(self, path: str, file: File) -> _Catalog:
        from engine.catalog import read_catalog, tree_names  # noqa: PLC0415 - the console is on the screen before
        from engine.findings import Findings  # noqa: PLC0415
        from engine.header_file import read_header_from  # noqa: PLC0415
        from engine.pages.source import FilePages  # noqa: PLC0415

        stat = self._fs.stat(path)
        stamp = (file.size(), None if stat is None else stat.modified)
        kept = self._catalogs.get(path)
        if kept is not None and kept.stamp == stamp:
            self._catalogs.move_to_end(path)
            return kept
        page_size = read_header_from(file).header.page_size
        tables = read_catalog(FilePages(file, page_size, cache_bytes=_CATALOG_CACHE), findings=Findings())
        made = self._catalogs[path] = _Catalog(stamp, page_size, tree_names(tables))
        while len(self._catalogs) > _KEPT_CATALOGS:
            self._catalogs.popitem(last=False)
        return made


def _page_name(file: File, pgno: int, catalog: _Catalog) -> PageName:
    from engine.format.checksum import verify_page  # noqa: PLC0415 - see _catalog
    from engine.format.page import PageHeader, page_offset  # noqa: PLC0415

    size = catalog.page_size
    data = file.read_at(page_offset(pgno, size), size)
    if len(data) < size:
        return PageName(pgno, 0, "", "", "behind the end of the file")
    if not any(data):
        return PageName(pgno, 0, "", "never used")
    header = PageHeader.unpack(data, size)
    known = catalog.names.get(header.objid)
    owner = f"object {header.objid}" if known is None else ", ".join(each for each in known if each)
    bad = verify_page(data, pgno)
    # What a damaged page says of itself may be wrong: it is told all the same, with a warning.
    return PageName(pgno, header.objid, owner, _part(header), "" if bad is None else "by its own damaged words")


def _part(header: PageHeader) -> str:
    from engine.format.page import PageFlags  # noqa: PLC0415 - see _catalog

    flags = header.flags
    if flags & PageFlags.EMPTY:
        return "empty"
    root, leaf = bool(flags & PageFlags.ROOT), bool(flags & PageFlags.LEAF)
    part = {(True, True): "root and leaf", (True, False): "root", (False, True): "leaf"}.get((root, leaf), "inner page")
    return f"{part} of its space" if flags & PageFlags.SPACE_TREE else part
