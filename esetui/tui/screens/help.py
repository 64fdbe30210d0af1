"""All keys, with what they do; a row can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from esetui.action import Action
from esetui.actions import ACTIONS
from esetui.tui.model import Field, Tone
from esetui.tui.rows import Part
from esetui.tui.screens.dialogs import Dialog
from esetui.tui.widgets.details import FieldLines
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult


class Keys(RowList):
    """The actions, one a row."""

    def __init__(self, reason: Callable[[Action], str]) -> None:
        super().__init__(id="help-rows")
        self._reason = reason

    def count(self) -> int:
        """Return the number of rows."""
        return len(ACTIONS)

    def row_key(self, index: int) -> str:
        """Return the id of the action."""
        return ACTIONS[index].id

    def parts(self, index: int) -> Sequence[Part]:
        """Return the parts of a row."""
        action = ACTIONS[index]
        reason = self._reason(action)
        text = f"not now: {reason}" if reason else action.help
        return (
            Part(action.shown_keys, "accent strong", width=14),
            Part(action.title, "muted" if reason else "strong", width=17),
            Part(text, "muted" if reason else "plain", flex=True),
        )


class HelpScreen(Dialog):
    """The list of keys; ends with the id of the action to run."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1,q", "leave", "Back", show=False)]

    def __init__(self, reason: Callable[[Action], str]) -> None:
        super().__init__()
        self._rows = Keys(reason)
        self._all = FieldLines()

    def compose(self) -> ComposeResult:
        """Lay the list out."""
        with Vertical(classes="dialog wide-dialog help") as box:
            box.border_title = Content("Keys")
            box.border_subtitle = Content("enter runs the row   esc back")
            yield self._rows
            yield self._all

    def on_mount(self) -> None:
        """Fill the list."""
        self._rows.reload()
        self._rows.focus()

    def on_row_list_moved(self) -> None:
        """Say in full what the row does."""
        action = ACTIONS[self._rows.cursor]
        fields = [Field("", action.help)]
        if action.command:
            fields.append(Field("", f"$ {action.command}", Tone.MUTED))
        self._all.show(tuple(fields))

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Run the row."""
        event.stop()
        self.dismiss(ACTIONS[self._rows.cursor].id)
