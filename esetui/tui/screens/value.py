"""A value in full: as text, as bytes, and where it is kept; each of several values by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from esetui.tui import words
from esetui.tui.browse.cells import type_word
from esetui.tui.browse.closer import Closer
from esetui.tui.model import Field, Tone
from esetui.tui.rows import Part, wrap
from esetui.tui.screens.dialogs import Dialog
from esetui.tui.widgets.details import FieldLines
from esetui.tui.widgets.readlist import ReadList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from engine.format.column import ColumnDef

_MOST_LINES: Final = 20_000
_BYTES_A_LINE: Final = 16
_SIZES_SHOWN: Final = 6


class ValueLines(ReadList):
    """The lines of a value."""

    def __init__(self) -> None:
        super().__init__()
        self._closer: Closer | None = None
        self._hex = False
        self._width = 0
        self._text: list[str] = []

    def show(self, closer: Closer, *, as_hex: bool) -> None:
        """Take a value."""
        self._closer, self._hex = closer, as_hex
        self._lay_out()
        self.scroll_to(y=0, animate=False, force=True)

    def on_resize(self) -> None:
        """Wrap to the new width."""
        super().on_resize()
        if self.size.width != self._width:
            self._lay_out()

    def _lay_out(self) -> None:
        self._width = self.size.width
        closer = self._closer
        if closer is not None and not self._hex:
            self._text = wrap(closer.text, self._width)[:_MOST_LINES] if closer.text else []
        self.reload()

    def count(self) -> int:
        """Return the number of lines."""
        closer = self._closer
        if closer is None:
            return 0
        return -(-len(closer.data or b"") // _BYTES_A_LINE) if self._hex else len(self._text)

    def lesson(self) -> str:
        """Say why there is nothing."""
        closer = self._closer
        if closer is None:
            return "reading …"
        return closer.problem or ("An empty value." if closer.data is not None else closer.place)

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a line."""
        if not self._hex:
            return (Part(self._text[index], flex=True),)
        at = index * _BYTES_A_LINE
        piece = (self._closer.data or b"")[at : at + _BYTES_A_LINE] if self._closer is not None else b""
        digits = piece.hex(" ")
        half = 3 * _BYTES_A_LINE // 2
        text = "".join(chr(each) if 0x20 <= each < 0x7F else "·" for each in piece)  # noqa: PLR2004 - printable ASCII
        return (
            Part(f"{at:08x}", "muted"),
            Part(digits[: half - 1], width=half),
            Part(digits[half:], width=half - 1),
            Part(text, "accent", flex=True),
        )


class ValueScreen(Dialog):
    """The value of a column; `closers` are its values, one or several."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "swap", "Text or bytes", show=False),
        Binding("left", "step(-1)", "The value before", show=False),
        Binding("right", "step(1)", "The next value", show=False),
    ]

    def __init__(self, column: ColumnDef, number: int, closers: tuple[Closer, ...]) -> None:
        super().__init__()
        self._column, self._number, self._closers = column, number, closers
        self._at = 0
        self._hex = not closers[0].text and closers[0].data is not None
        self._head = FieldLines()
        self._lines = ValueLines()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="dialog wide-dialog view") as box:
            box.border_title = Content(words.safe(f"{self._column.name}  ({type_word(self._column)})"))
            several = "   ←→ values" if len(self._closers) > 1 else ""
            box.border_subtitle = Content(f"h text or bytes   y copy{several}   esc back")
            yield self._head
            yield self._lines
            with Horizontal(classes="buttons"):
                yield Button("Text or bytes", id="toggle", compact=True)
                yield Button("Copy", id="copy", compact=True)
                yield Button("Back", id="back", compact=True)

    def on_mount(self) -> None:
        """Fill it."""
        self._show()
        self._lines.focus()

    def _show(self) -> None:
        closer = self._closers[self._at]
        fields = [Field("row", words.count(self._number + 1) if self._number >= 0 else f"end{self._number + 1 or ''}")]
        if len(self._closers) > 1:
            fields.append(Field("value", f"{self._at + 1} of {len(self._closers)}"))
        fields.append(Field("kept", closer.place))
        if closer.data is not None:
            exact = f" ({closer.size:,} bytes)" if closer.size >= 1024 else ""  # noqa: PLR2004 - a KiB
            fields.append(Field("size", words.size(closer.size) + exact))
        if closer.chunks:
            sizes = ", ".join(words.count(each) for each in closer.chunks[:_SIZES_SHOWN])
            more = ", …" if len(closer.chunks) > _SIZES_SHOWN else ""
            fields.append(Field("chunks", f"{words.count(len(closer.chunks))}: {sizes}{more} bytes"))
        if closer.cut and closer.data is not None:
            shown = words.size(len(closer.data))
            fields.append(Field("shown", f"the first {shown}; an export (ctrl+s) has all of it", Tone.WARN))
        if closer.problem:
            fields.append(Field("problem", closer.problem, Tone.BAD))
        self._head.show(tuple(fields))
        self._lines.show(closer, as_hex=self._hex and closer.data is not None)

    def action_swap(self) -> None:
        """Show bytes instead of text, or text instead of bytes."""
        self._hex = not self._hex
        self._show()

    def action_step(self, by: int) -> None:
        """Go to another of several values."""
        self._at = max(0, min(self._at + by, len(self._closers) - 1))
        self._show()

    def action_copy(self) -> None:
        """Copy the value: its text, or its bytes in hexadecimal."""
        closer = self._closers[self._at]
        self.app.copy_to_clipboard(closer.text or (closer.data or b"").hex())
        self.app.notify("Copied.", timeout=2)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
        if event.button.id == "toggle":
            self.action_swap()
        elif event.button.id == "copy":
            self.action_copy()
        else:
            self.dismiss(None)
