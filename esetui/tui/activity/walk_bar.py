"""Two lines above the keys that tell where the guided walk is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from esetui.action import show_key
from esetui.actions import BY_ID
from esetui.tui import words
from esetui.tui.activity.walk import STEPS
from esetui.tui.rows import Part
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.activity.walk import Walk


class WalkBar(Lines):
    """Hidden where there is no walk."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._walk: Walk | None = None
        self._last: tuple[object, ...] = ()

    def show(self, walk: Walk | None) -> None:
        """Take the walk as it is now."""
        self.display = walk is not None
        if walk is None:
            return
        now = (walk.position, walk.busy, walk.said, self.size)
        if now != self._last:
            self._last, self._walk = now, walk
            self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - always two
        """Return what is being done or what came of it, and what comes next."""
        walk = self._walk
        if walk is None:
            return []
        key = show_key(BY_ID["walk"].key)
        step, following = walk.step, walk.following
        if step is None:
            first = [Part(" Guided walk ", "strong"), Part("full backup, work, incremental, cut off, recover, restore")]
        else:
            text = walk.said or f"{step.about} {self.glyphs.ellipsis}"
            style = "bad" if walk.failed else "good" if walk.said else "muted"
            # What came of it matters more than what it is called.
            named = f" {walk.position} of {len(STEPS)}  {step.title}  "
            short = f" {walk.position} of {len(STEPS)} "
            fits = cell_len(named) + 1 + cell_len(words.safe(text)) <= width
            first = [Part(named if fits else short, "strong"), Part(text, style)]
        if walk.over:
            second = [Part(f" {key} ", "strong"), Part("the walk is over; once more from the beginning", "muted")]
        elif following is None:
            second = [Part(" The last step.", "muted")]
        else:
            second = [Part(f" {key} ", "strong"), Part(f"next: {following.title}, {following.about}", "muted")]
        return [first, second]
