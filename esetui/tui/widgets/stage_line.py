"""The stages of a recovery or a restore: where it is, how far, and how it ended.

✓ analysis → ▶ redo 12/40 → · undo → · clean
edb0001A.log   ██████████████░░░░░░░░░░░  30 %   0:04
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.monitor import Phase
from esetui.jobs import JobState
from esetui.tui import words
from esetui.tui.rows import Part, bar, wrap
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.jobs import JobSnapshot
    from esetui.tui.recovery.stages import Stages

_ENDS = {
    JobState.DONE: ("done", "good strong"),
    JobState.FAILED: ("FAILED", "bad strong"),
    JobState.CANCELLED: ("CANCELLED", "warn strong"),
}


class StageLine(Lines):
    """The stages of one job."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes="text")
        self.stages: Stages | None = None
        self.job: JobSnapshot | None = None

    def show(self, stages: Stages | None, job: JobSnapshot | None) -> None:
        """Take the newest state."""
        high = len(self.rows(self.size.width, 0))
        self.stages, self.job = stages, job
        self.set_class(stages is not None, "-shown")
        self.redraw()
        if len(self.rows(self.size.width, 0)) != high:
            self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:  # noqa: ARG002
        """Return the lines needed."""
        return max(1, len(self.rows(width, 0)))

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - as many as it takes
        """Return the lines."""
        stages, job = self.stages, self.job
        if stages is None or job is None:
            return []
        rows: list[Sequence[Part]] = [stages.parts(self.glyphs, job)]
        shot = job.monitor
        if job.running:
            copying = shot.phase is Phase.DATABASES
            fraction = shot.fraction if copying else stages.fraction
            said = f"copying {shot.detail}" if copying else stages.log or stages.text
            said = "cancelling …" if job.cancelling else said
            label = min(24, max(14, width // 4))
            filled, empty = bar(
                fraction, max(4, width - label - 16), self.glyphs.full_bar, self.glyphs.part_bar,
                self.glyphs.empty_bar,
            )  # fmt: skip
            rows.append(
                (
                    Part(said, "muted", width=label, path=True),
                    Part(filled, "bar"),
                    Part(empty, "track", joined=bool(filled)),
                    Part(f"{int(fraction * 100)} %", width=5, right=True),
                    Part(words.duration(shot.elapsed), "muted", width=7, right=True),
                )
            )
            return rows
        word, style = _ENDS[job.state]
        text = job.summary
        if job.error is not None:
            hint = f" {job.error.hint}" if job.error.hint else ""
            text = f"{job.error.text}.{hint}"
        elif job.state is JobState.CANCELLED:
            text = "Nothing half-made is taken for a database."
        lines = wrap(text, max(1, width - len(word) - 1))
        for at, line in enumerate(lines or [""]):
            rows.append((Part(word if not at else " ", style, width=len(word)), Part(line, flex=True)))
        return rows
