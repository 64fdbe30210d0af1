"""The page map: one sign a group of pages, the worst of a group wins; moving over it names page, object and tree.

■■■■■■■■■■■■■■■■■■■■■□□□□□◆■■■■▶············
■ verified  □ free  ◆ corrected  ✗ bad  ▶ being read  · not yet
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from engine.monitor import Cell
from esetui.tui import words
from esetui.tui.model import Field, Section, Tone
from esetui.tui.rows import Part, compose_row, wrap
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from engine.monitor import MonitorSnapshot
    from esetui.tui.page_names import PageName, PageNames
    from esetui.tui.theme import Glyphs

_REVERSE = Style(reverse=True)

CELL_WORDS = {
    Cell.VERIFIED: "verified",
    Cell.FREE: "free",
    Cell.CORRECTED: "corrected",
    Cell.BAD: "bad",
    Cell.READING: "being read",
    Cell.NOT_YET: "not yet",
}
_SHORT = {**CELL_WORDS, Cell.VERIFIED: "ok", Cell.CORRECTED: "fixed", Cell.READING: "now", Cell.NOT_YET: "to do"}
_STYLE = {
    Cell.VERIFIED: "good",
    Cell.FREE: "muted",
    Cell.CORRECTED: "warn strong",
    Cell.BAD: "bad strong",
    Cell.READING: "accent strong",
    Cell.NOT_YET: "track",
}


def cell_glyph(cell: int, glyphs: Glyphs) -> str:
    """Return the sign of a state."""
    return (glyphs.not_yet, glyphs.reading, glyphs.free, glyphs.verified, glyphs.corrected, glyphs.bad)[cell]


def group_cells(cells: bytes, room: int) -> tuple[bytes, int]:
    """Return at most `room` cells and how many map cells each stands for; the worst of a group wins."""
    if not cells or room <= 0:
        return b"", 1
    each = -(-len(cells) // room)
    if each == 1:
        return cells, 1
    return bytes(max(cells[at : at + each]) for at in range(0, len(cells), each)), each


class PageMap(Lines, can_focus=True):
    """The map of the database that is being verified, or was last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Back", show=False),
        Binding("right", "step(1)", "On", show=False),
        Binding("up", "row(-1)", "Up", show=False),
        Binding("down", "row(1)", "Down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
        Binding("n", "next_finding", "Next finding", show=False),
    ]

    class Moved(Message):
        """The cursor names other pages."""

    def __init__(self, names: PageNames | None = None, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.title = ""
        self.path = ""
        self.pages = 0
        self.cells = b""
        self.cursor = 0
        self._names = names
        self._named: tuple[PageName, ...] | None = None

    def show(self, shot: MonitorSnapshot | None) -> None:
        """Take the newest map; an operation without one leaves the last one standing."""
        if shot is None or not shot.map_pages:
            return
        if (shot.map_name, shot.map_pages, shot.map_cells) != (self.title, self.pages, self.cells):
            path = next((each.path for each in shot.files if each.name == shot.map_name), "")
            if (shot.map_name, path) != (self.title, self.path):
                self.cursor, self.path = 0, path
                if self._names is not None:
                    self._names.forget()
            self.title, self.pages, self.cells = shot.map_name, shot.map_pages, shot.map_cells
            self.redraw()
            self.post_message(self.Moved())
        self.poll()

    def poll(self) -> None:
        """Ask what the pages under the cursor are, while somebody looks at them."""
        span = self.span
        if self._names is None or span is None or not self.path or not self.has_focus:
            return
        named = self._names.look(self.path, span[0], span[1])
        if named != self._named:
            self._named = named
            self.redraw()
            self.post_message(self.Moved())

    @property
    def whose(self) -> str:
        """Whose pages are under the cursor, in one line; empty while that is not known."""
        named = self._named
        if not named:
            return ""
        if len(named) == 1:
            return f"page {named[0].pgno}: {named[0].text}"
        owners = list(dict.fromkeys(each.owner or each.part or each.problem for each in named))
        return f"from page {named[0].pgno}: {'; '.join(owners)}"

    def sections(self) -> tuple[Section, ...]:
        """Return the details of the pages under the cursor."""
        span = self.span
        if span is None:
            return ()
        first, last, state = span
        tone = {Cell.BAD: Tone.BAD, Cell.CORRECTED: Tone.WARN}.get(state, Tone.PLAIN)
        pages = words.count(first) if first == last else f"{words.count(first)} to {words.count(last)}"
        sections = [Section("Pages", (Field("page", pages), Field("state", CELL_WORDS[state], tone)))]
        for each in self._named or ():
            rows = [Field("object", str(each.objid)), Field("tree", each.owner)] if each.objid else []
            rows += [Field("part", each.part)] if each.part else []
            rows += [Field("problem", each.problem, Tone.BAD)] if each.problem else []
            sections.append(Section(f"Page {words.count(each.pgno)}", tuple(rows)))
        return tuple(sections)

    def _grid(self) -> tuple[bytes, int, int]:
        """Return the cells drawn, how many pages each stands for, and the cells a line."""
        width = max(1, self.size.width)
        lines = max(1, self.size.height - self._legend_lines())
        shown, each = group_cells(self.cells, width * lines)
        per_cell = -(-self.pages // len(self.cells)) if self.cells else 1
        return shown, each * per_cell, width

    def _legend_lines(self) -> int:
        return 1 if self.size.height > 1 else 0

    @property
    def span(self) -> tuple[int, int, Cell] | None:
        """First page, last page and state under the cursor."""
        shown, pages_each, _ = self._grid()
        if not shown:
            return None
        at = min(self.cursor, len(shown) - 1)
        first = at * pages_each + 1
        return first, min(self.pages, first + pages_each - 1), Cell(shown[at])

    @property
    def foot(self) -> str:
        """What the lower edge of the pane says."""
        span = self.span
        if span is None:
            return ""
        first, last, state = span
        pages = f"page {words.count(first)}" if first == last else f"pages {words.count(first)}–{words.count(last)}"
        return f"{pages} of {words.count(self.pages)}: {CELL_WORDS[state]}"

    def _go(self, index: int) -> None:
        shown, _, _ = self._grid()
        if shown:
            self.cursor = max(0, min(index, len(shown) - 1))
            self._named = None
            self.redraw()
            self.poll()
            self.post_message(self.Moved())

    def action_step(self, by: int) -> None:
        """Move by cells."""
        self._go(self.cursor + by)

    def action_row(self, by: int) -> None:
        """Move by lines."""
        target = self.cursor + by * self._grid()[2]
        if 0 <= target < len(self._grid()[0]):
            self._go(target)

    def action_edge(self, end: int) -> None:
        """Move to the first or last cell."""
        self._go(len(self._grid()[0]) if end else 0)

    def action_next_finding(self) -> None:
        """Move to the next corrected or bad group."""
        shown = self._grid()[0]
        for at in (*range(self.cursor + 1, len(shown)), *range(min(self.cursor + 1, len(shown)))):
            if shown[at] >= Cell.CORRECTED:
                self._go(at)
                return

    def on_click(self, event: events.Click) -> None:
        """Move to the cell under the mouse."""
        offset = event.get_content_offset(self)
        if offset is not None:
            self._go(offset.y * max(1, self.size.width) + offset.x)

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()
        self.poll()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - only the empty map is rows
        """Return what an empty map teaches."""
        text = "The pages of a database appear here while it is backed up or verified."
        return [(Part(line, "muted", flex=True),) for line in wrap(text, width)]

    def render_line(self, y: int) -> Strip:
        """Draw a line of cells, or the legend as the last line."""
        if not self.cells:
            return super().render_line(y)
        width, height = self.size
        base = self.rich_style
        if self._legend_lines() and y == height - 1:
            whose = self.whose if self.has_focus else ""
            row = (Part(words.safe(whose), "strong", flex=True),) if whose else legend(width, self.glyphs)
            return compose_row(row, width, self.palette, base)
        shown, _, per_line = self._grid()
        line = shown[y * per_line : (y + 1) * per_line]
        segments: list[Segment] = []
        palette, glyphs = self.palette, self.glyphs
        styles = {int(state): base + palette.named(name) for state, name in _STYLE.items()}
        start = 0
        for at in range(1, len(line) + 1):
            if at == len(line) or line[at] != line[start]:
                segments.append(Segment(cell_glyph(line[start], glyphs) * (at - start), styles[line[start]]))
                start = at
        segments.append(Segment(" " * (width - len(line)), base))
        strip = Strip(segments)
        place = self.cursor - y * per_line
        if self.has_focus and 0 <= place < len(line):
            here = strip.crop(place, place + 1)
            mark = Strip([Segment(text, (style or base) + _REVERSE) for text, style, _ in here])
            strip = Strip.join([strip.crop(0, place), mark, strip.crop(place + 1)])
        return strip


def legend(width: int, glyphs: Glyphs) -> Sequence[Part]:
    """Return the legend, in short words where the long ones do not fit."""
    for names, gap in ((CELL_WORDS, "  "), (CELL_WORDS, " "), (_SHORT, "  "), (_SHORT, " ")):
        length = sum(len(name) + 2 for name in names.values()) + len(gap) * (len(names) - 1)
        if length <= width:
            break
    parts: list[Part] = []
    for index, (state, name) in enumerate(names.items()):
        parts.append(Part((gap if index else "") + cell_glyph(state, glyphs), _STYLE[state], joined=True))
        parts.append(Part(f" {name}", "muted", joined=True))
    return (*parts, Part("", flex=True))
