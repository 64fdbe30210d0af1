"""The details of one thing on the whole screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content

from esetui.tui.screens.dialogs import Dialog
from esetui.tui.widgets.details import Details, rows_text
from esetui.tui.words import safe

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from esetui.tui.model import LogStrip, Section


class ViewScreen(Dialog):
    """Sections of labelled values; y copies them as text."""

    def __init__(self, heading: str, sections: tuple[Section, ...], strip: LogStrip | None) -> None:
        super().__init__()
        self._heading, self._sections, self._strip = heading, sections, strip
        self._details = Details()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="dialog wide-dialog view") as box:
            box.border_title = Content(safe(self._heading))
            box.border_subtitle = Content("esc back   y copy")
            yield self._details

    def on_mount(self) -> None:
        """Fill it."""
        self._details.show(self._heading, self._sections, self._strip)
        self._details.focus()

    def action_copy(self) -> None:
        """Copy everything as text."""
        self.app.copy_to_clipboard(rows_text(self._sections))
        self.app.notify("Copied.", timeout=2)
