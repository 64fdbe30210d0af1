"""Where a recovery is: the stages it goes through, and how far the one is that is going on.

    copy -> analysis -> redo 12/40 -> undo -> clean

The worker tells of events and progress; a screen reads plain attributes, as often as it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.monitor import Phase
from engine.types import Snt
from esetui.tui import words
from esetui.tui.rows import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.events import Event
    from engine.monitor import Monitor
    from engine.types import Progress
    from esetui.jobs import JobSnapshot
    from esetui.tui.theme import Glyphs

_REPLAYED = 301
_CANCELLABLE = frozenset((Snt.BEGIN, Snt.PROGRESS))


class Stages:
    """The stages of one job.

    `names` has one that ends with "redo" and one "undo"; `total` counts the generations of the redo.
    """

    def __init__(self, names: Sequence[str], total: int) -> None:
        self.names = tuple(names)
        self.total = total
        self.at = 0
        self.done = 0
        self.log = ""
        self.undone = 0
        """Changes that were taken back, known at the end."""
        self.ended = False

    def go(self, name: str) -> None:
        """Go on to a stage; never back."""
        found = next((at for at, each in enumerate(self.names) if each.endswith(name)), 0)
        self.at = max(self.at, found)

    @property
    def fraction(self) -> float:
        """How much of the redo is done, 0..1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def event(self, event: Event) -> None:
        """Take an event of the engine."""
        if event.id == _REPLAYED and event.strings:
            self.log = event.strings[0].replace("\\", "/").rsplit("/", 1)[-1]
            self.go("redo")

    def progress(self, step: Progress, monitor: Monitor) -> bool:
        """Take progress of the engine; the answer says whether to go on."""
        if step.snt is Snt.BEGIN:
            self.go("redo")
        elif step.snt is Snt.PROGRESS:
            self.done += 1
            if self.done >= self.total:
                self.go("undo")
        elif step.snt is Snt.COMPLETE:
            self.done = max(self.done, self.total)
            self.go(self.names[-1])
        monitor.phase, monitor.detail = Phase.REPLAYING, self.text
        return not (monitor.cancel_requested and step.snt in _CANCELLABLE)

    def end(self, undone: int = 0) -> None:
        """Note that all of it is done."""
        self.undone = undone
        self.at, self.ended = len(self.names) - 1, True

    def label(self, at: int) -> str:
        """Return a stage in words, with its numbers once it has begun."""
        name = self.names[at]
        if name.endswith("redo") and self.total and at <= self.at:
            return f"{name} {min(self.done, self.total)}/{self.total}"
        if name == "undo" and self.undone:
            return f"undo {words.count(self.undone)}"
        return name

    @property
    def text(self) -> str:
        """The present stage in words."""
        log = f" {self.log}" if self.log and self.names[self.at].endswith("redo") else ""
        return self.label(self.at) + log

    def parts(self, glyphs: Glyphs, job: JobSnapshot | None) -> Sequence[Part]:
        """Return the line of stages: done, going on, to come."""
        if job is not None and job.monitor.phase is Phase.DATABASES:
            self.go("copy")
        failed = job is not None and not job.running and not self.ended
        parts: list[Part] = []
        for at in range(len(self.names)):
            if at:
                parts.append(Part(glyphs.arrow, "muted"))
            if at < self.at or self.ended:
                parts.append(Part(f"{glyphs.good} {self.label(at)}", "good"))
            elif at == self.at and failed:
                parts.append(Part(f"{glyphs.bad} {self.label(at)}", "bad strong"))
            elif at == self.at:
                parts.append(Part(f"{glyphs.reading} {self.label(at)}", "accent strong"))
            else:
                parts.append(Part(f"{glyphs.not_yet} {self.label(at)}", "muted"))
        return (*parts, Part("", flex=True))
