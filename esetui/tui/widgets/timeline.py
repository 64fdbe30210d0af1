"""The points in time a restore can go to: the ends of generations, with times, the newest last.

19  Nov 22 03:00           set    too early
1B  Nov 22 15:00 – 15:20   set    the newest backup
1F  Nov 22 21:00           live   the newest
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.rows import Part
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.recovery.restore_plan import Point

WIDE = 60


class Timeline(RowList):
    """The points; the cursor is the choice."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.points: tuple[Point, ...] = ()
        self.said = "Choose a set on the left; the points in time it can be restored to appear here."

    def show(self, points: tuple[Point, ...], up_to: int | None = None) -> None:
        """Take the points; the cursor goes to the generation `up_to`, else to the newest."""
        if points != self.points:
            self.points = points
            self.reload()
            wanted = [at for at, each in enumerate(points) if up_to is not None and each.generation == up_to]
            self.move_to(wanted[0] if wanted else len(points) - 1, tell=False)

    @property
    def chosen(self) -> Point | None:
        """The point under the cursor."""
        return self.points[self.cursor] if 0 <= self.cursor < len(self.points) else None

    def count(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def row_key(self, index: int) -> str:
        """Return the key of a point."""
        return str(self.points[index].generation)

    def selectable(self, index: int) -> bool:
        """Return whether databases are consistent there."""
        return self.points[index].allowed

    def lesson(self) -> str:
        """Say what will be here."""
        return self.said

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        point = self.points[index]
        style = "plain" if point.allowed else "muted"
        newest = index == len(self.points) - 1
        ends = not newest and not point.live and self.points[index + 1].live
        note = "too early" if not point.allowed else "newest" if newest else "end of set" if ends else ""
        width = max(len(words.generation(each.generation)) for each in (self.points[0], self.points[-1]))
        until = f"– {words.clock(point.ended)[:5]}" if point.ended is not None else "– end" if newest else ""
        here = self.glyphs.cursor if index == self.cursor else " "
        return (
            Part(here, "accent"),
            Part(words.generation(point.generation), style, width=width, right=True),
            Part(words.short_moment(point.created), style),
            Part(until, "muted", width=7, drop=2),
            Part("live" if point.live else "set", "accent" if point.live else "muted", width=4),
            Part(note, "good" if newest else "muted", flex=True),
        )
