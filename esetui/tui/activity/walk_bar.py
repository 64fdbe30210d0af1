"""Two lines above the keys that tell where the guided walk is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.actions import BY_ID, show_key
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

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - a widget's method
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
            first = [Part(f" {walk.position} of {len(STEPS)}  {step.title}  ", "strong"), Part(text, style)]
        if walk.failed or following is None:
            second = [Part(" The walk is over." if walk.done or walk.failed else "", "muted")]
        else:
            second = [Part(f" {key} ", "strong"), Part(f"next: {following.title}, {following.about}", "muted")]
        return [first, second]
