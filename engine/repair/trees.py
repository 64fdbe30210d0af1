"""The integrity of the trees that rebuilt pages belong to, with those pages in place of what lies in the file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.catalog import read_catalog
from engine.check import check
from engine.errors import Err, EseError
from engine.findings import Findings
from engine.format.page import Page, PageFlags, header_size
from engine.format.record import RecordLayout
from engine.format.system_trees import SYSTEM_ROOT
from engine.repair.page import PageState, alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.catalog import TableDef
    from engine.check import CheckFinding
    from engine.format.dbheader import DatabaseHeader
    from engine.monitor import Monitor
    from engine.pages.source import FilePages
    from engine.repair.page import PlannedPage

_MOST_REMAINING: Final = 1000
_CATALOG: Final = frozenset(("", "MSysObjects"))
_NOT_A_BODY: Final = PageFlags.EMPTY | PageFlags.PRE_INIT


class RepairedPages:
    """The pages of a database as they will be: a `engine.pages.source.PageSource`.  `asked`: new pages that were."""

    def __init__(self, base: FilePages, pages: Sequence[PlannedPage]) -> None:
        self.path = base.path
        self.page_size = base.page_size
        self.last_page = base.last_page
        self.corrected = base.corrected
        self.asked: set[int] = set()
        self._base = base
        self._new = {each.pgno: each for each in pages}

    def page(self, pgno: int) -> Page:
        """Return a page, the new one where there is one; a new one that is blank is asked of nobody's file."""
        planned = self._new.get(pgno)
        if planned is None:
            return self._base.page(pgno)
        self.asked.add(pgno)
        if not any(planned.rebuilt):
            raise EseError.from_code(Err.PageNotInitialized, "the page was never written", path=self.path, page=pgno)
        return Page(planned.rebuilt, pgno, path=self.path)

    def prefetch(self, first: int, count: int) -> None:
        """Read ahead in the file."""
        self._base.prefetch(first, count)


@dataclass(frozen=True, slots=True)
class CheckedTrees:
    """The pages with what they belong to; what forbids to write them, and what else was met."""

    pages: tuple[PlannedPage, ...]
    findings: tuple[CheckFinding, ...]
    remaining: tuple[CheckFinding, ...]


def check_trees(
    base: FilePages, header: DatabaseHeader, planned: Sequence[PlannedPage], monitor: Monitor | None
) -> CheckedTrees:
    """Check the trees of the rebuilt pages; of the whole database where a page is of no tree that the catalog knows.

    An error in one of these tables, or on one of these pages, forbids the repair.
    """
    pages = RepairedPages(base, planned)
    met = Findings()
    tables_by_name = read_catalog(pages, findings=met)
    trees = _trees(tables_by_name.values())
    objids = {each.objid for each in planned if not _bodiless(each)}
    every = len(objids) < len({each.objid for each in planned}) or not objids <= trees.keys()
    wanted = {each.pgno for each in planned}
    tables = {trees[objid][0] for objid in objids if objid in trees}
    if met.count:
        # What the catalog does not tell now cannot be checked.
        tables |= _CATALOG
        every = True
    pages.asked.clear()
    forbidding: list[CheckFinding] = []
    remaining: list[CheckFinding] = []
    for finding in check(
        base.path, pages=pages, header=header, monitor=monitor, objects=None if every else frozenset(objids)
    ):
        if finding.is_error and (finding.table in tables or finding.page in wanted):
            forbidding.append(finding)
        elif len(remaining) < _MOST_REMAINING:
            remaining.append(finding)
    placed = []
    for each in planned:
        table, tree = trees.get(each.objid, ("", ""))
        state = each.state
        if state is PageState.OTHER_CONTENT and table and not tree and _holds_records(each):
            layout = RecordLayout(tables_by_name[table].columns, base.page_size)
            state = PageState.WHOLE if alike(each.stored, each.rebuilt, each.pgno, layout) else state
        in_use = each.pgno in pages.asked
        placed.append(dataclasses.replace(each, state=state, table=table, tree=tree, in_use=in_use))
    return CheckedTrees(tuple(placed), tuple(forbidding), tuple(remaining))


def _bodiless(page: PlannedPage) -> bool:
    """Whether a page is blank or marked as free: its object id says nothing."""
    if not any(page.rebuilt[: header_size(len(page.rebuilt))]):
        return True
    return bool(Page(page.rebuilt, page.pgno).flags & _NOT_A_BODY)


def _holds_records(page: PlannedPage) -> bool:
    flags = Page(page.rebuilt, page.pgno).flags
    return bool(flags & PageFlags.LEAF) and not flags & PageFlags.SPACE_TREE


def _trees(tables: Iterable[TableDef]) -> dict[int, tuple[str, str]]:
    """Return (table, index or "LV") by object id; the system root is of no table."""
    found: dict[int, tuple[str, str]] = {SYSTEM_ROOT.objid: ("", "")}
    for table in tables:
        found[table.objid] = table.name, ""
        found |= {index.objid: (table.name, index.name) for index in table.indexes if not index.primary}
        if table.long_values is not None:
            found[table.long_values.id] = table.name, "LV"
    return found
