"""An integrity check as a job: its findings as they are made, kept in bounded number for the screen that looks."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from engine.check import CheckKind, Severity, check
from engine.env import Environment
from engine.files.readonly import ReadOnlyFileSystem
from engine.recovery.memory import open_recovered
from esetui.actions import BY_ID, command_line
from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.model import Level

if TYPE_CHECKING:
    from engine.check import CheckFinding
    from engine.monitor import Monitor
    from esetui.jobs import Job
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView

MOST_KEPT: Final = 10_000
"""Findings that are kept; of more only the number is known."""
_IN_FEED: Final = 50
_PAGE_KINDS: Final = frozenset((CheckKind.CHECKSUM, CheckKind.BLANK_PAGE, CheckKind.PAGE_NUMBER))
"""Findings about a page as a whole, which a repair can build anew."""


class CheckRun:
    """What one check has found so far; written by the job, read by the screen."""

    def __init__(self, path: str, *, replay: bool) -> None:
        self.path = path
        self.replay = replay
        self.findings: list[CheckFinding] = []
        self.counts: Counter[Severity] = Counter()
        self.kinds: Counter[CheckKind] = Counter()

    def add(self, finding: CheckFinding) -> None:
        """Take a finding."""
        self.counts[finding.severity] += 1
        if finding.severity is Severity.ERROR:
            self.kinds[finding.kind] += 1
        if len(self.findings) < MOST_KEPT:
            self.findings.append(finding)

    @property
    def dirty(self) -> bool:
        """Whether the database needs its logs: what its pages lack may be there."""
        return CheckKind.STATE in self.kinds

    @property
    def bad_pages(self) -> list[int]:
        """Pages that cannot be read, ascending."""
        return sorted({each.page for each in self.findings if each.kind in _PAGE_KINDS and each.page})

    @property
    def verdict(self) -> tuple[str, str]:
        """Return what it comes to in words, and the style of them."""
        errors, warnings = self.counts[Severity.ERROR], self.counts[Severity.WARNING]
        if self.kinds.keys() == {CheckKind.STATE}:
            return "whole, but not shut down cleanly: it needs its logs", "warn strong"
        if self.dirty:
            others = words.plural(errors - self.kinds[CheckKind.STATE], "finding")
            return f"not shut down cleanly: {others} may be gone when it is recovered", "warn strong"
        if errors:
            kinds = ", ".join(f"{count:,} {kind.value}" for kind, count in self.kinds.most_common(4))
            return f"DAMAGED: {kinds}", "bad strong"
        if warnings:
            return f"good, with {words.plural(warnings, 'thing')} to look at", "warn"
        return "good", "good strong"


def check_command(path: str, *, replay: bool) -> str:
    """Return the command that does the same."""
    line = command_line(BY_ID["check"], {"file": path}) or ""
    return f"{line} --replay" if replay else line


def check_job(
    control: Control, path: str, view: InstanceView | None, *, replay: bool, logs: str | None = None
) -> tuple[Job, CheckRun]:
    """Check a database, with `replay` as it would be after recovery; nothing is written."""
    run = CheckRun(path, replay=replay)

    def work(monitor: Monitor) -> str:
        fs = ReadOnlyFileSystem(control.fs)
        with ExitStack() as stack:
            if replay:
                monitor.detail = "replaying the log in memory"
                recovered = stack.enter_context(open_recovered(path, logs=logs, env=Environment(fs=fs)))
                database = recovered.database(path)
                found = check(path, pages=database.pages, header=database.header, monitor=monitor)
            else:
                found = check(path, fs=fs, monitor=monitor)
            for finding in found:
                run.add(finding)
                if finding.is_error and run.counts[Severity.ERROR] <= _IN_FEED:
                    where = f"{finding.where}: " if finding.where else ""
                    name = PurePath(path).name
                    control.feed.note(f"{name}, {where}{finding.kind.value}: {finding.detail}", level=Level.ERROR)
        if run.bad_pages and not replay and not run.dirty:
            text = f"{words.plural(len(run.bad_pages), 'page')} cannot be read"
            control.damage.note(path, text, run.bad_pages)
        pages = words.plural(monitor.pages_verified, "page")
        return f"{PurePath(path).name}: {run.verdict[0]}; {pages} of its trees read."

    command = check_command(path, replay=replay)
    return control.submit(JobKind.CHECK, work, view, subject=path, command=command), run
