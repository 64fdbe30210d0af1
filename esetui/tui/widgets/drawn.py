"""What every hand-drawn widget needs: the palette, the signs, and a panel made of composed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from esetui.tui.rows import Part, compose_row
from esetui.tui.theme import UNICODE_GLYPHS, Glyphs, Palette, palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style


def palette_for(widget: Widget) -> Palette:
    """Return the styles of the present theme; the console keeps them, a bare test app does not."""
    kept = getattr(widget.app, "palette", None)
    return kept if isinstance(kept, Palette) else palette_of(widget.app)


def glyphs_for(widget: Widget) -> Glyphs:
    """Return the signs of this terminal."""
    return cast("Glyphs", getattr(widget.app, "glyphs", UNICODE_GLYPHS))


class Lines(Widget):
    """A widget whose lines are rows of parts; asked again at each refresh."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._rows: list[Sequence[Part]] | None = None
        self._rows_for = (-1, -1)

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return the rows for this size, top first; what is too many is cut off."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Ask for the rows again and draw them."""
        self._rows = None
        self.refresh()

    @property
    def glyphs(self) -> Glyphs:
        """The signs of this terminal."""
        return glyphs_for(self)

    @property
    def palette(self) -> Palette:
        """The styles of the present theme."""
        return palette_for(self)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width, height = self.size
        if self._rows is None or self._rows_for != (width, height):
            self._rows = self.rows(width, height)
            self._rows_for = (width, height)
        base: Style = self.rich_style
        if y >= len(self._rows):
            return Strip([Segment(" " * width, base)])
        return compose_row(self._rows[y], width, self.palette, base)
