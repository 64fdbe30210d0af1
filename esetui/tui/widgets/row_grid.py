"""The rows of a table, of which only those in view are there.

         Id  Name              Kind
      int32  text             int32
    411,002  row number 411…      5 ▐
    411,003  row number 411…      6 ░

Rows have numbers: from 0 on, or, while nobody knows how many there are, from the other end (-1 is the last).  The
grid says what it lacks (`Lacking`), and is given it (`take`); until then a row is an ellipsis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from esetui.tui import words
from esetui.tui.browse.cells import right_aligned, type_word
from esetui.tui.rows import Part, wrap
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from engine.format.column import ColumnDef
    from esetui.tui.browse.session import Line

HEAD: Final = 2
"""Lines of the heading: names and types."""
WIDEST: Final = 34
_AHEAD: Final = 2
"""Screenfuls that are asked for on either side of what is in view."""
_WHEEL: Final = 3


class RowGrid(Lines, can_focus=True):
    """The grid."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(-1)", "First row", show=False),
        Binding("end,G", "edge(1)", "Last row", show=False),
        Binding("left", "column(-1)", "Column to the left", show=False),
        Binding("right", "column(1)", "Column to the right", show=False),
        Binding("enter", "choose", "Value in full", show=False),
    ]

    class Lacking(Message):
        """Rows are in view that are not there."""

    class Moved(Message):
        """The cursor is at another place."""

    class Chosen(Message):
        """The value under the cursor is to be seen in full."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.columns: tuple[ColumnDef, ...] = ()
        self.known = 0
        self.total: int | None = None
        self.cursor = 0
        self.column = 0
        self.top = 0
        self.left = 0
        self.lesson = ""
        self._widths: dict[str, int] = {}
        self._lines: dict[int, Line] = {}
        self._highest = 0

    # What it is given.

    def show(self, columns: Sequence[ColumnDef]) -> None:
        """Take another table."""
        self.columns = tuple(columns)
        self._widths = {each.name: max(len(words.safe(each.name)), len(type_word(each))) for each in self.columns}
        self.column = self.left = 0
        self.restart()

    def restart(self) -> None:
        """Forget all rows: another filter, another order."""
        self.known, self.total = 0, None
        self.cursor = self.top = 0
        self._lines = {}
        self._highest = 0
        self._ask()

    def count(self, known: int, total: int | None) -> None:
        """Take how many rows there are by now."""
        if (known, total) == (self.known, self.total):
            return
        if total is not None and self.cursor < 0:
            # What was counted from the end has a number now.
            self.cursor, self.top = max(0, self.cursor + total), max(0, self.top + total)
            self._lines = {number + total: line for number, line in self._lines.items()}
        self.known, self.total = known, total
        self._clamp()
        self._ask()

    def take(self, start: int, lines: Sequence[Line]) -> None:
        """Take rows from number `start` on."""
        if start < 0 and self.total is not None:
            start += self.total
        if len(self._lines) > 20 * max(1, self.page):
            self._lines = {}
        for number, line in enumerate(lines, start):
            known = self._lines.get(number)
            self._lines[number] = line
            self._highest = max(self._highest, line.number)
            for name, cell in line.cells.items():
                if known is None or name not in known.cells:
                    self._widths[name] = max(self._widths.get(name, 0), min(WIDEST, len(words.safe(cell.text))))
        self.redraw()
        if self.has_focus:
            self.post_message(self.Moved())

    # What it lacks.

    @property
    def page(self) -> int:
        """Rows in view."""
        return max(1, self.size.height - HEAD)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns whose cells are wanted: those in view, and the next ones to the right."""
        last = self._shown_columns()[-1:] or [0]
        return tuple(each.name for each in self.columns[: last[0] + 4])

    @property
    def wanted(self) -> tuple[int, int]:
        """First number and count of the rows to ask for."""
        low, high = self.top - _AHEAD * self.page, self.top + (_AHEAD + 1) * self.page
        if self.top >= 0:
            low, high = max(0, low), min(high, self.known)
        else:
            high = min(0, high)
        return low, max(0, high - low)

    def _ask(self) -> None:
        self.redraw()
        numbers = range(self.top, self.top + self.page)
        names = [self.columns[at].name for at in self._shown_columns()]
        for number in numbers:
            if not self._exists(number):
                break
            line = self._lines.get(number)
            if line is None or (not line.problem and any(name not in line.cells for name in names)):
                self.post_message(self.Lacking())
                return

    def _exists(self, number: int) -> bool:
        return number < 0 if self.top < 0 else number < self.known

    @property
    def line(self) -> Line | None:
        """The row under the cursor, when it is there."""
        return self._lines.get(self.cursor)

    @property
    def chosen(self) -> ColumnDef | None:
        """The column under the cursor."""
        return self.columns[self.column] if self.column < len(self.columns) else None

    # Moving.

    def _clamp(self) -> None:
        if self.cursor >= 0:
            self.cursor = max(0, min(self.cursor, self.known - 1))
        if self.top >= 0:
            self.top = max(0, min(self.top, self.known - self.page))

    def go(self, number: int) -> None:
        """Put the cursor on a row."""
        if self.cursor < 0:
            number = min(number, -1)
        elif number >= self.known and self.total is None and self.known:
            # Further than is known: there is an end all the same, and it can be looked at from there.
            number = self.known - 1
        self.cursor = number if self.cursor < 0 else max(0, min(number, self.known - 1))
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + self.page:
            self.top = self.cursor - self.page + 1
        self._ask()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move by rows."""
        self.go(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move by a screenful."""
        self.go(self.cursor + by * max(1, self.page - 1))

    def action_edge(self, by: int) -> None:
        """Move to the first or the last row."""
        if by < 0:
            self.cursor = self.top = 0
        elif self.total is not None:
            self.cursor, self.top = max(0, self.total - 1), max(0, self.total - self.page)
        elif self.known:
            self.cursor, self.top = -1, -self.page
        self._ask()
        self.post_message(self.Moved())

    def action_column(self, by: int) -> None:
        """Move by columns."""
        self.column = max(0, min(self.column + by, len(self.columns) - 1))
        self.left = min(self.left, self.column)
        while self.left < self.column and self.column not in self._whole_columns():
            self.left += 1
        self._ask()
        self.post_message(self.Moved())

    def action_choose(self) -> None:
        """Open the value under the cursor."""
        if self.line is not None:
            self.post_message(self.Chosen())

    def on_mouse_scroll_down(self) -> None:
        """Scroll down."""
        self.go(min(self.cursor + _WHEEL, self.known - 1) if self.cursor >= 0 else self.cursor + _WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Scroll up."""
        self.go(self.cursor - _WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Go to the cell under the mouse, or to the place of the bar; a second click opens the value."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < HEAD:
            return
        if offset.x >= self.size.width - 1:
            share = (offset.y - HEAD) / max(1, self.page - 1)
            self.cursor = max(0, self.cursor)
            self.go(int(share * max(0, self.known - 1)))
            return
        number, column = self.top + offset.y - HEAD, self._column_at(offset.x)
        if not self._exists(number):
            return
        same = (number, column) == (self.cursor, self.column)
        self.column = self.column if column is None else column
        self.go(number)
        if event.chain > 1 and same:
            self.action_choose()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._clamp()
        if self.cursor >= self.top + self.page:
            self.top = self.cursor - self.page + 1
        self._ask()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    # Drawing.

    def _number_width(self) -> int:
        widest = len(words.count(max(self.known, self._highest + 1)))
        return max(4, widest if self.top >= 0 else len(f"end-{-self.top}"))

    def _shown_columns(self) -> list[int]:
        """Return the columns in view; the last one may be cut."""
        room = self.size.width - self._number_width() - 2
        shown = []
        for at in range(self.left, len(self.columns)):
            if room <= 0:
                break
            shown.append(at)
            room -= self._width(at) + 2
        return shown

    def _whole_columns(self) -> list[int]:
        shown = self._shown_columns()
        used = self._number_width() + 2 + sum(self._width(at) + 2 for at in shown)
        return shown[:-1] if used > self.size.width + 1 and len(shown) > 1 else shown

    def _width(self, at: int) -> int:
        return min(WIDEST, max(3, self._widths.get(self.columns[at].name, 0)))

    def _column_at(self, x: int) -> int | None:
        edge = self._number_width() + 2
        for at in self._shown_columns():
            edge += self._width(at) + 2
            if x < edge:
                return at
        return None

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return the lines; an empty table teaches."""
        if not self.columns or (not self.known and self.total is not None):
            teach = [(Part(line, "muted", flex=True),) for line in wrap(self.lesson, width)]
            return [*self._heading(), *teach] if self.columns else list(teach)
        lines: list[Sequence[Part]] = self._heading()
        bar = self._bar(height - HEAD)
        for place in range(height - HEAD):
            number = self.top + place
            if not self._exists(number):
                break
            lines.append((*self._row(number, width - 2), Part("", flex=True), Part(bar[place], "track", width=1)))
        return lines

    def _heading(self) -> list[Sequence[Part]]:
        names: list[Part] = [Part(" ", width=self._number_width())]
        types: list[Part] = [Part(" ", width=self._number_width())]
        for at in self._shown_columns():
            column = self.columns[at]
            right, width = right_aligned(column), self._width(at)
            style = "accent strong" if at == self.column and self.has_focus else "strong"
            names += [Part(" ", joined=True), Part(column.name, style, width=width, right=right)]
            types += [Part(" ", joined=True), Part(type_word(column), "muted", width=width, right=right)]
        return [(*names, Part("", flex=True)), (*types, Part("", flex=True))]

    def _row(self, number: int, room: int) -> list[Part]:
        line = self._lines.get(number)
        width = self._number_width()
        label = words.count(line.number + 1) if line is not None and line.number >= 0 else _from_end(number)
        parts = [Part(label, "muted", width=width, right=True)]
        if line is None:
            return [*parts, Part(" ", joined=True), Part("…", "muted", width=1)]
        if line.problem:
            return [*parts, Part(" ", joined=True), Part(line.problem, "bad", width=max(1, room - width - 3))]
        used = width
        for at in self._shown_columns():
            column = self.columns[at]
            cell = line.cells.get(column.name)
            cells = max(0, min(self._width(at), room - used - 2))
            used += cells + 2
            parts.append(Part(" ", joined=True))
            style = "plain" if cell is None else cell.style
            if number == self.cursor and at == self.column and self.has_focus:
                style = f"{style} here"
            text = "…" if cell is None else cell.text.replace("\n", " ")
            parts.append(Part(text, style, width=max(1, cells), right=right_aligned(column)))
        return parts

    def _bar(self, height: int) -> list[str]:
        """Return the bar on the right: where the view is among the rows that are known."""
        if self.known <= height or height <= 0:
            return [" "] * max(0, height)
        top = self.top if self.top >= 0 else self.known - self.page
        size = max(1, height * height // self.known)
        start = min(height - size, round(top / max(1, self.known - self.page) * (height - size)))
        glyphs = self.glyphs
        return [glyphs.full_bar if start <= at < start + size else glyphs.empty_bar for at in range(height)]

    def render_line(self, y: int) -> Strip:
        """Draw one line; the row under the cursor stands out."""
        strip = super().render_line(y)
        if y < HEAD or self.top + y - HEAD != self.cursor or not self.known:
            return strip
        mark = self.palette.cursor if self.has_focus else self.palette.cursor_blurred
        return Strip([Segment(text, (style or self.rich_style) + mark) for text, style, _ in strip])


def _from_end(number: int) -> str:
    return words.count(number + 1) if number >= 0 else f"end-{-number - 1}" if number < -1 else "end"
