"""A list that draws only the lines in view, however long it is.

A subclass says how many rows there are and how one row looks; the list does cursor, scrolling, mouse and
keys.  The cursor follows the *key* of its row, so a refresh that inserts rows above does not move it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from esetui.tui.rows import Part, compose_row, wrap
from esetui.tui.widgets.drawn import glyphs_for, palette_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from esetui.tui.theme import Glyphs, Palette


class RowList(ScrollView, can_focus=True):
    """Rows with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(-1)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    class Chosen(Message):
        """Enter or a double click on a row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self._cursor_key = ""
        self._count = 0

    # What a subclass provides.

    def count(self) -> int:
        """Return the number of rows."""
        return 0

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        raise NotImplementedError

    def row_key(self, index: int) -> str:
        """Return what stays the same when rows move."""
        return str(index)

    def lesson(self) -> str:
        """Return what an empty list teaches: what it will show and which key fills it."""
        return ""

    def selectable(self, index: int) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether the cursor may rest on a row."""
        return True

    # What it does.

    @property
    def glyphs(self) -> Glyphs:
        """The signs of this terminal."""
        return glyphs_for(self)

    @property
    def palette(self) -> Palette:
        """The styles of the present theme."""
        return palette_for(self)

    def reload(self) -> None:
        """Take new rows; the cursor stays on its row, or near its place when that is gone."""
        self._count = self.count()
        if self._cursor_key and not self._holds_key(self.cursor):
            found = next((at for at in range(self._count) if self.row_key(at) == self._cursor_key), None)
            self.cursor = self.cursor if found is None else found
        self.cursor = self._nearest(self.cursor)
        self._keep_key()
        self.virtual_size = Size(0, self._count)
        self.refresh()

    def _holds_key(self, index: int) -> bool:
        return 0 <= index < self._count and self.row_key(index) == self._cursor_key

    def _keep_key(self) -> None:
        self._cursor_key = self.row_key(self.cursor) if 0 <= self.cursor < self._count else ""

    def _nearest(self, index: int) -> int:
        index = max(0, min(index, self._count - 1))
        for step in range(self._count):
            for candidate in (index + step, index - step):
                if 0 <= candidate < self._count and self.selectable(candidate):
                    return candidate
        return index

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on a row and scroll it into view."""
        if not self._count:
            return
        self.cursor = self._nearest(index)
        self._keep_key()
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True)
        self.refresh()
        if tell:
            self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        """Move by rows, passing over those that cannot be chosen."""
        target = self.cursor + by
        while 0 <= target < self._count and not self.selectable(target):
            target += by
        if 0 <= target < self._count:
            self.move_to(target)

    def action_page(self, by: int) -> None:
        """Move by a screenful."""
        self.move_to(self.cursor + by * max(1, self.scrollable_content_region.height - 1))

    def action_edge(self, by: int) -> None:
        """Move to the first or last row."""
        self.move_to(0 if by < 0 else self._count - 1)

    def action_choose(self) -> None:
        """Open the row."""
        if self._count:
            self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """Move to the row under the mouse; a second click opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + self.scroll_offset.y
        if 0 <= index < self._count and self.selectable(index):
            same = index == self.cursor
            self.move_to(index)
            if event.chain > 1 and same:
                self.action_choose()

    def on_focus(self) -> None:
        """Show the cursor as active."""
        self.refresh()
        self.post_message(self.Moved(self))

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        if self._count:
            self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in view."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if not self._count:
            lines = wrap(self.lesson(), width)
            text = lines[y] if y < len(lines) else ""
            return compose_row((Part(text, "muted", flex=True),), width, self.palette, base)
        index = y + self.scroll_offset.y
        if index >= self._count:
            return Strip([Segment(" " * width, base)])
        style: Style = base
        if index == self.cursor and self.selectable(index):
            style = base + (self.palette.cursor if self.has_focus else self.palette.cursor_blurred)
        return compose_row(self.parts(index), width, self.palette, style)
