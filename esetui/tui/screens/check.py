"""An integrity check while it runs: how far it is, the pages it has read, and its findings as they are made.

1 check       the tree that is looked at, percent, counts
2 page map
3 findings    | what the chosen one means, and what to do (wide terminals; else enter)
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from esetui.action import Action, Scope
from esetui.jobs import JobState
from esetui.tui import words
from esetui.tui.check_words import advice_for
from esetui.tui.checking import CheckRun, check_command
from esetui.tui.model import Field, Section, Tone
from esetui.tui.screens.view import ViewScreen
from esetui.tui.screens.work import WorkScreen
from esetui.tui.widgets.check_findings import CheckFindings, CheckHead
from esetui.tui.widgets.details import Details
from esetui.tui.widgets.page_map import PageMap
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from engine.check import CheckFinding
    from esetui.jobs import JobSnapshot
    from esetui.tui.control import Control

_TONES = {"ERROR": Tone.BAD, "WARNING": Tone.WARN, "INFO": Tone.PLAIN}


class CheckScreen(WorkScreen):
    """One check."""

    scope: ClassVar[Scope] = Scope.CHECK
    places: ClassVar[frozenset[Scope]] = frozenset((Scope.CHECK, Scope.JOB))
    AUTO_FOCUS = "#findings"

    def __init__(self, control: Control, run: CheckRun, job: int) -> None:
        super().__init__(control)
        self.run = run
        self._job = job
        self.head = CheckHead(id="check-head")
        self.page_map = PageMap(id="map")
        self.findings = CheckFindings(id="findings")
        self.details = Details(id="finding")

    def body(self) -> Iterable[Widget]:
        """Progress, map and findings in a column; the chosen finding beside them."""
        yield Vertical(
            Pane(self.head, 0, "Check", id="check-pane"),
            Pane(self.page_map, 2, "Page map", id="map-pane"),
            Pane(self.findings, 3, "Findings", id="findings-pane", hint="filter: words, a kind, a table, a page"),
            id="check-column",
        )
        yield Pane(self.details, 0, "Finding", id="finding-pane")

    @property
    def job(self) -> JobSnapshot | None:
        """The job that checks."""
        return next((each for each in self.board.jobs if each.number == self._job), None)

    def refresh_now(self) -> None:
        """Follow the job."""
        job = self.job
        self.head.show(job, self.run)
        self.page_map.show(job.monitor if job is not None else None)
        if self.findings.poll(self.run):
            self._show_finding()
        done = job is not None and job.state is JobState.DONE
        if done and not self.findings.done:
            self.findings.done = done
            self.findings.refresh()
        name = PurePath(self.run.path).name
        self.pane("check-pane").name_it(f"Check {name}", note="as recovered in memory" if self.run.replay else "")
        self.pane("map-pane").name_it("Page map", foot=self.page_map.foot)
        count, shown = len(self.run.findings), self.findings.count()
        total = sum(self.run.counts.values())
        foot = f"{words.count(shown)} of {words.count(count)} fit" if self.findings.filter else ""
        if total > count:
            foot = f"{foot} the first {words.count(count)} of {words.count(total)}".strip()
        self.pane("findings-pane").name_it("Findings", foot=foot)

    def command(self) -> str:
        """Return the command that does the same."""
        return check_command(self.run.path, replay=self.run.replay)

    def _show_finding(self) -> None:
        finding = self.findings.chosen
        if finding is not None:
            self.details.show(f"{finding.kind.value} {finding.where}", finding_sections(self.run.path, finding))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show what the finding means."""
        if event.rows is self.findings:
            self._show_finding()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Show the finding large."""
        event.stop()
        if event.rows is self.findings:
            self.do_show()

    def on_pane_filtered(self, event: Pane.Filtered) -> None:
        """Filter the findings."""
        self.findings.set_filter(event.text)

    # Actions.

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        if action.id == "show" and self.findings.chosen is None:
            return "there is no finding"
        if action.id == "repair_pages":
            job = self.job
            if job is not None and job.running:
                return "the check is not through"
            if self.run.replay or self.run.dirty:
                return "the database needs recovery first"
            if not self.run.bad_pages:
                return "no page is damaged as a whole; other damage wants a restore"
        return ""

    def do_filter(self) -> None:
        """Open the filter."""
        self.pane("findings-pane").open_filter()

    def do_back(self) -> None:
        """Clear the filter, or leave; the check goes on."""
        pane = self.pane("findings-pane")
        if self.maximized is None and pane.filtering:
            pane.clear_filter()
        else:
            super().do_back()

    def do_pane_2(self) -> None:
        """Go to the page map."""
        self.page_map.focus()

    def do_pane_3(self) -> None:
        """Go to the findings."""
        self.findings.focus()

    def do_show(self) -> None:
        """Show the finding large, with what it means and what to do."""
        finding = self.findings.chosen
        if finding is not None:
            self.app.push_screen(ViewScreen(finding.kind.value, finding_sections(self.run.path, finding), None))

    def do_repair_pages(self) -> None:
        """Rebuild the damaged pages from a backup set."""
        self.console.repair(self.run.path, self.run.bad_pages)


def finding_sections(path: str, finding: CheckFinding) -> tuple[Section, ...]:
    """Return a finding in full."""
    tone = _TONES.get(finding.severity.name, Tone.PLAIN)
    what = [Field("kind", finding.kind.value, tone), Field("level", finding.severity.name.lower(), tone)]
    if finding.table:
        what.append(Field("table", finding.table))
    if finding.tree:
        what.append(Field("tree", finding.tree))
    if finding.page:
        what.append(Field("page", words.count(finding.page)))
    if finding.line is not None:
        what.append(Field("line", str(finding.line)))
    if finding.code:
        what.append(Field("error", f"{finding.name} ({finding.code})"))
    what.append(Field("file", path))
    advice = advice_for(finding.kind)
    return (
        Section("Finding", (Field("", finding.detail, tone), *what)),
        Section("What it means", (Field("", advice.meaning),)),
        Section("What to do", (Field("", advice.action),)),
    )
