"""The findings of an integrity check as they come, and the line that says how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.event_table import Severity
from esetui.jobs import JobState
from esetui.tui import words
from esetui.tui.rows import Part, bar
from esetui.tui.widgets.drawn import Lines
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.check import CheckFinding
    from esetui.jobs import JobSnapshot
    from esetui.tui.checking import CheckRun

WIDE = 100
_STYLE = {Severity.ERROR: "bad strong", Severity.WARNING: "warn", Severity.INFO: "muted"}
_WORD = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class CheckHead(Lines):
    """What is looked at now, how far it is, and how many findings there are of each sort.

    Leases.byAddress                                61 %   0:07
    ████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
    3,214 pages read   2 errors   1 warning   0 notes
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.job: JobSnapshot | None = None
        self.run: CheckRun | None = None

    def show(self, job: JobSnapshot | None, run: CheckRun) -> None:
        """Take the newest figures."""
        self.job, self.run = job, run
        self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - three lines
        """Return the lines."""
        job, run = self.job, self.run
        if job is None or run is None:
            return [(Part("The check begins …", "muted", flex=True),)]
        shot = job.monitor
        took = words.duration(shot.elapsed)
        if job.running:
            said, style = ("cancelling …" if job.cancelling else shot.detail or "opening …"), "strong"
        elif job.error is not None:
            said, style = job.error.text, "bad strong"
        elif job.state is JobState.CANCELLED:
            said, style = "CANCELLED; nothing was changed", "warn strong"
        else:
            said, style = run.verdict
        fraction = shot.fraction if job.state is not JobState.DONE else 1.0
        filled, empty = bar(fraction, width, self.glyphs.full_bar, self.glyphs.part_bar, self.glyphs.empty_bar)
        percent = f"{int(fraction * 100)} %" if job.running else ""
        counts = run.counts
        return [
            (
                Part(said, style, flex=True),
                Part(percent, width=5, right=True),
                Part(took, "muted", width=7, right=True),
            ),
            (Part(filled, "bar"), Part(empty, "track", joined=bool(filled))),
            (
                Part(f"{words.plural(shot.pages_verified, 'page')} read", "muted"),
                Part(" "),
                _counted(counts[Severity.ERROR], "error", "bad strong"),
                Part(" "),
                _counted(counts[Severity.WARNING], "warning", "warn strong"),
                Part(" "),
                _counted(counts[Severity.INFO], "note", "plain"),
                Part("", flex=True),
            ),
        ]


def _counted(count: int, noun: str, style: str) -> Part:
    return Part(words.plural(count, noun), style if count else "muted")


class CheckFindings(RowList):
    """The findings, newest last."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.filter = ""
        self.done = False
        self._run: CheckRun | None = None
        self._seen = 0
        self._rows: list[CheckFinding] = []

    def poll(self, run: CheckRun) -> bool:
        """Take what is new; returns whether anything was."""
        self._run = run
        fresh = run.findings[self._seen :]
        if not fresh:
            return False
        self._seen += len(fresh)
        self._rows += [each for each in fresh if self._fits(each)]
        self.reload()
        return True

    def set_filter(self, text: str) -> None:
        """Show only findings that hold `text`."""
        self.filter = text.casefold()
        found = [] if self._run is None else self._run.findings[: self._seen]
        self._rows = [each for each in found if self._fits(each)]
        self.reload()

    def _fits(self, each: CheckFinding) -> bool:
        said = f"{_WORD[each.severity]} {each.kind.value} {each.where} {each.detail} {each.name} {each.code}"
        return all(word in said.casefold() for word in self.filter.split())

    @property
    def chosen(self) -> CheckFinding | None:
        """The finding under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def count(self) -> int:
        """Return the number of findings shown."""
        return len(self._rows)

    def lesson(self) -> str:
        """Say what will be here."""
        if self.filter:
            return "No finding fits the filter; esc clears it."
        if self.done:
            return "Nothing is wrong: trees, space, records, indexes and long values agree with each other."
        return "Nothing was found so far. What is wrong with a tree, a page, a row or an index appears here at once."

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        each = self._rows[index]
        style, glyphs = _STYLE[each.severity], self.glyphs
        sign = {Severity.ERROR: glyphs.error, Severity.WARNING: glyphs.warn, Severity.INFO: glyphs.info}[each.severity]
        wide = self.size.width >= WIDE
        return (
            Part(sign, style, width=1),
            Part(each.kind.value, style, width=20 if wide else 14),
            Part(each.where, "accent", width=34 if wide else 22, path=True),
            Part(each.detail, "plain", flex=True),
        )
