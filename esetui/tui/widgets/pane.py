"""A pane: border, title with its number, content, and a filter line that appears on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from esetui.action import show_key
from esetui.actions import BY_ID
from esetui.tui.words import crop, crop_middle, safe

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget


class FilterLine(Input):
    """The line in which a filter is typed; escape clears and leaves it, enter keeps it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Clear", show=False),
        Binding("enter,down", "keep", "Keep", show=False),
    ]

    class Left(Message):
        """The line was left."""

    def action_leave(self) -> None:
        """Clear the filter and go back to the rows."""
        self.value = ""
        self.post_message(self.Left())

    def action_keep(self) -> None:
        """Go back to the rows with the filter kept."""
        self.post_message(self.Left())


class Pane(Vertical):
    """One of the numbered panes."""

    ALLOW_MAXIMIZE = True

    class Filtered(Message):
        """The filter of a pane changed."""

        def __init__(self, pane: Pane, text: str) -> None:
            super().__init__()
            self.pane = pane
            self.text = text

    def __init__(self, body: Widget, number: int, title: str, *, id: str, hint: str = "") -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes="pane")
        self.body = body
        self.number = number
        self._name = title
        self._note = ""
        self._foot = ""
        self._hint = hint
        self._filtered = ""

    def compose(self) -> ComposeResult:
        """Body above, filter line below."""
        yield self.body
        if self._hint:
            line = FilterLine(placeholder=self._hint, classes="filter", compact=True)
            line.display = False
            yield line

    def on_mount(self) -> None:
        """Draw the title."""
        self._label()

    def on_resize(self) -> None:
        """Fit the title."""
        self._label()

    def name_it(self, title: str, note: str = "", foot: str = "") -> None:
        """Set the title, what stands after it, and what stands at the lower edge."""
        if (title, note, foot) != (self._name, self._note, self._foot):
            self._name, self._note, self._foot = title, note, foot
            self._label()

    def _label(self) -> None:
        room = max(0, self.outer_size.width - 6)
        title = f"{self.number} {self._name}" if self.number else self._name
        title = crop(safe(title), room)
        note = safe(self._note)
        left = room - len(title) - 1
        if note and left > 6:  # noqa: PLR2004 - less says nothing
            title = f"{title} {crop_middle(note, left)}"
        # Content, not a string: titles hold paths, and a path is never markup.
        self.border_title = Content(title)
        self.border_subtitle = Content(crop(safe(self._said_below()), room))

    def _said_below(self) -> str:
        """Return the foot; alone on the screen, without the line of keys, it also says the way back."""
        if self.screen.maximized is not self:
            return self._foot
        way = f"{show_key(BY_ID['maximise'].key)} or esc: the other panes"
        return f"{way}   {self._foot}" if self._foot else way

    def open_filter(self) -> bool:
        """Show the filter line and go there; False when this pane has none."""
        for line in self.query(FilterLine):
            line.display = True
            line.focus()
            return True
        return False

    @property
    def filtering(self) -> bool:
        """Whether a filter is set."""
        return bool(self._filtered)

    def clear_filter(self) -> None:
        """Take the filter away."""
        for line in self.query(FilterLine):
            line.value = ""
            line.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self._filtered = event.value
        self.post_message(self.Filtered(self, event.value))

    def on_filter_line_left(self, event: FilterLine.Left) -> None:
        """Go back to the rows."""
        event.stop()
        for line in self.query(FilterLine):
            line.display = bool(line.value)
        self.body.focus()
