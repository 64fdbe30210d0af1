"""What all parts of one check share: pages, the maps of owners and users, and the findings on their way out.

`owners` says for every page which tree owns it, the deepest one: a table's index and not the table.  `users` says which
one uses it: as a page of its tree or of its space trees, as available, or kept in a split buffer.  In a whole database
both agree, and only leaked pages have an owner and no user.

Source: database reference 4.3.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.check.findings import MOST_OF_A_KIND, CheckFinding, CheckKind, code_of
from engine.check.page_map import PageMap
from engine.errors import Err, EseError
from engine.event_table import Severity
from engine.format.page import PageFlags
from engine.monitor import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.format.page import Page
    from engine.monitor import Monitor
    from engine.pages.source import PageSource

NO_FLAGS: Final = PageFlags(0)
KIND_FLAGS: Final = PageFlags.INDEX | PageFlags.LONG_VALUE | PageFlags.NON_UNIQUE
"""What all pages of one tree, its space trees included, have in common."""

_READ_KINDS: Final[dict[int, CheckKind]] = {
    Err.PageNotInitialized: CheckKind.BLANK_PAGE,
    Err.FileIOBeyondEOF: CheckKind.BEYOND_END,
    Err.ReadPgnoVerifyFailure: CheckKind.PAGE_NUMBER,
    Err.BadPageLink: CheckKind.CHILD,
}
_MOST_TREES_COUNTED: Final = 10_000


@dataclass(eq=False, slots=True)
class TreeSpec:
    """A tree to be checked, as the catalog describes it.

    `owner` is the number of the tree in the maps; its space trees have the same.  `kind` are the flags that all its
    pages share.  `broken` is set when a part of it could not be read or followed, so that what is missing there is no
    news; `space_broken` when its extents are not known.
    """

    table: str
    tree: str
    root: int
    objid: int
    owner: int
    kind: PageFlags = NO_FLAGS
    unique: bool = True
    space: bool = False
    broken: bool = False
    space_broken: bool = False
    extents: list[tuple[int, int]] = field(default_factory=list)
    """Owned extents, (first, last), ascending."""

    @property
    def title(self) -> str:
        """The tree in words."""
        return ".".join(each for each in (self.table, self.tree) if each) or "the system root"


class Check:
    """The state of one run."""

    def __init__(
        self,
        pages: PageSource,
        last_page: int,
        *,
        strict: bool = False,
        newest: int | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self.pages = pages
        self.page_size = pages.page_size
        self.last_page = last_page
        self.strict = strict
        self.newest = newest
        """The highest dbtime that the header knows; None when the header may be behind the pages."""
        self.owners = PageMap()
        self.users = PageMap()
        self.specs: list[TreeSpec] = [TreeSpec("", "", 0, 0, 0)]
        """The trees by their number in the maps."""
        self.read_count = 0
        self._monitor = monitor
        self._waiting: deque[CheckFinding] = deque()
        self._counts: Counter[tuple[str, str, CheckKind, Severity]] = Counter()
        self._corrected = 0

    def spec(
        self,
        table: str,
        tree: str,
        root: int,
        objid: int,
        kind: PageFlags = NO_FLAGS,
        *,
        unique: bool = True,
    ) -> TreeSpec:
        """Give a tree its number."""
        made = TreeSpec(table, tree, root, objid, len(self.specs), kind, unique)
        self.specs.append(made)
        return made

    def error(
        self, kind: CheckKind, detail: str, spec: TreeSpec | None = None, *, page: int = 0, line: int | None = None
    ) -> None:
        """Note an error."""
        self.add(kind, Severity.ERROR, detail, spec, page=page, line=line)

    def warn(
        self, kind: CheckKind, detail: str, spec: TreeSpec | None = None, *, page: int = 0, line: int | None = None
    ) -> None:
        """Note a warning."""
        self.add(kind, Severity.WARNING, detail, spec, page=page, line=line)

    def info(
        self, kind: CheckKind, detail: str, spec: TreeSpec | None = None, *, page: int = 0, line: int | None = None
    ) -> None:
        """Note something worth knowing."""
        self.add(kind, Severity.INFO, detail, spec, page=page, line=line)

    def add(
        self,
        kind: CheckKind,
        severity: Severity,
        detail: str,
        spec: TreeSpec | None = None,
        *,
        page: int = 0,
        line: int | None = None,
        code: int = 0,
    ) -> None:
        """Note a finding; of one kind in one tree the first ones are told, the others counted."""
        table, tree = (spec.table, spec.tree) if spec is not None else ("", "")
        place = (table, tree, kind, severity)
        if place not in self._counts and len(self._counts) >= _MOST_TREES_COUNTED:
            place = ("", "", kind, severity)
        self._counts[place] += 1
        if self._counts[place] <= MOST_OF_A_KIND:
            known = code or code_of(kind, severity)
            self._waiting.append(CheckFinding(kind, severity, detail, known, table, tree, page, line))

    def drain(self) -> Iterator[CheckFinding]:
        """Yield what was found since the last time."""
        while self._waiting:
            yield self._waiting.popleft()

    def rest(self) -> Iterator[CheckFinding]:
        """Yield, at the end, how many findings were only counted."""
        yield from self.drain()
        for (table, tree, kind, severity), count in self._counts.items():
            if count > MOST_OF_A_KIND:
                detail = f"{count - MOST_OF_A_KIND:,} more of the kind: {kind.value}"
                yield CheckFinding(CheckKind.MORE, severity, detail, code_of(kind, severity), table, tree)

    def read(self, pgno: int, spec: TreeSpec) -> Page | None:
        """Return a page of a tree; None, with a finding and the tree marked as broken, when it cannot be read."""
        self._step(pgno)
        try:
            if pgno > self.last_page:
                raise EseError.from_code(Err.FileIOBeyondEOF, f"page {pgno} of {self.last_page}", page=pgno)
            page = self.pages.page(pgno)
        except EseError as error:
            spec.broken = True
            kind = _READ_KINDS.get(error.code, CheckKind.CHECKSUM)
            self.add(kind, Severity.ERROR, error.message, spec, page=pgno, code=error.code)
            self._mark(pgno, Cell.BAD)
            return None
        corrected: list[int] = getattr(self.pages, "corrected", [])
        for each in corrected[self._corrected :]:
            self.warn(CheckKind.CORRECTED, "one flipped bit was put right in memory", spec, page=each)
            self._mark(each, Cell.CORRECTED)
        self._corrected = len(corrected)
        self._mark(pgno, Cell.VERIFIED)
        return page

    def cancelled(self) -> None:
        """Raise -800 when the monitor asks to stop."""
        if self._monitor is not None and self._monitor.cancel_requested:
            raise EseError.from_code(Err.BackupAbortByCaller, "the check was cancelled", path=self.pages.path)

    def doing(self, what: str) -> None:
        """Say what is looked at now."""
        if self._monitor is not None:
            self._monitor.detail = what

    def _step(self, pgno: int) -> None:
        self.read_count += 1
        if self._monitor is None:
            return
        self.cancelled()
        self._monitor.bytes_done = min(self._monitor.bytes_total, self._monitor.bytes_done + self.page_size)
        self._mark(pgno, Cell.READING)

    def _mark(self, pgno: int, state: Cell) -> None:
        if self._monitor is None:
            return
        if state is Cell.VERIFIED:
            self._monitor.pages_verified += 1
        elif state is Cell.BAD:
            self._monitor.pages_bad += 1
        elif state is Cell.CORRECTED:
            self._monitor.pages_corrected += 1
        self._monitor.mark_pages(pgno, 1, state)
