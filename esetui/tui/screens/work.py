"""A screen beside the first one, for one piece of work: title above, keys below, and what it is about between them.

    title                          as on the first screen: is anything wrong, what is running?
    body()                         what a subclass lays out
    keys                           the actions of the table that have this screen's scope

It polls like the first screen does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.containers import Container

from esetui.action import Action, Scope
from esetui.actions import BY_ID
from esetui.tui import words
from esetui.tui.screens.polling import PollingScreen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult
    from textual.widget import Widget

    from esetui.tui.app import Console
    from esetui.tui.control import Control


class WorkScreen(PollingScreen):
    """Title, body, keys."""

    scope: ClassVar[Scope]
    """What the screen is about."""

    def __init__(self, control: Control) -> None:
        super().__init__(control, classes="work")

    def body(self) -> Iterable[Widget]:
        """Return what stands between title and keys."""
        return ()

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield self.title_bar
        yield Container(*self.body(), id="body")
        yield self.walk_bar
        yield self.key_bar
        yield self.small

    def scopes(self) -> tuple[Scope, ...]:
        """Return what has the focus."""
        return (*self.always(), self.scope)

    def footer(self) -> list[tuple[Action, str, str]]:
        """Return the keys, with the way back."""
        # What belongs to the first screen is not offered here.
        keys = [each for each in super().footer() if each[0].id != "filter" or hasattr(self, "do_filter")]
        back = BY_ID["back"]
        # First, because the last ones give way where there is little room.
        return [(back, self.action_title(back), ""), *keys[:-2][:5], *keys[-2:]]

    @property
    def console(self) -> Console:
        """The console."""
        return cast("Console", self.app)

    def act(self, name: str) -> None:
        """Run an action by its name, or say why not."""
        self.console.run_named(name)

    def command(self) -> str:
        """Return the command line that does the same, or nothing."""
        return ""

    # Actions that all of these screens have.

    def do_back(self) -> None:
        """Give a maximised pane back, or leave the screen."""
        if not self.give_back():
            self.dismiss(None)

    def do_maximise(self) -> None:
        """Give the screen to the pane with the focus, or give it back."""
        self.toggle_maximised()

    def do_copy_command(self) -> None:
        """Copy the equivalent command line."""
        line = self.command()
        if not line:
            self.app.notify("There is no command for this.", severity="warning", timeout=3)
            return
        self.app.copy_to_clipboard(line)
        self.app.notify(words.safe(f"Copied: {line}"), timeout=4, markup=False)
