"""A screen beside the first one, for one piece of work: title above, keys below, and what it is about between them.

    title                          as on the first screen: is anything wrong, what is running?
    body()                         what a subclass lays out
    keys                           the actions of the table that have this screen's scope

It polls like the first screen does: `refresh_now` is called ten times a second (four over SSH).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.containers import Container
from textual.widgets import Static

from esetui.actions import BY_ID, Action
from esetui.tui import words
from esetui.tui.activity.walk_bar import WalkBar
from esetui.tui.doing.base import ActionScreen
from esetui.tui.screens.layout import set_size_classes, ticks_a_second, too_small
from esetui.tui.widgets.bars import KeyBar, TitleBar
from esetui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from esetui.jobs import BoardSnapshot
    from esetui.tui.app import Console
    from esetui.tui.control import Control


class WorkScreen(ActionScreen):
    """Title, body, keys."""

    def __init__(self, control: Control) -> None:
        super().__init__(classes="work")
        self.control = control
        self.board: BoardSnapshot = control.board.snapshot()
        self.title_bar = TitleBar(id="title")
        self.key_bar = KeyBar(id="keys")
        self.walk_bar = WalkBar(id="walk")

    def body(self) -> Iterable[Widget]:
        """Return what stands between title and keys."""
        return ()

    def refresh_now(self) -> None:
        """Draw what is different."""

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield self.title_bar
        yield Container(*self.body(), id="body")
        yield self.walk_bar
        yield self.key_bar
        yield Static("", id="too-small")

    def on_mount(self) -> None:
        """Begin to poll."""
        self.set_interval(1 / ticks_a_second(self.control.settings.console), self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the size."""
        set_size_classes(self, event.size)
        self.query_one("#too-small", Static).update(too_small(event.size))

    def tick(self) -> None:
        """Take the newest figures and draw what is different."""
        self.board = self.control.board.snapshot()
        self.refresh_now()
        self.title_bar.show(self.control.overview, self.board)
        self.walk_bar.show(self.control.walk)
        self.key_bar.show(self.footer())

    def footer(self) -> list[tuple[Action, str, str]]:
        """Return the keys, with the way back."""
        # What belongs to the first screen is not offered here.
        keys = [each for each in super().footer() if each[0].id != "filter" or hasattr(self, "do_filter")]
        back = BY_ID["back"]
        # First, because the last ones give way where there is little room.
        return [(back, self.action_title(back), ""), *keys[:-2][:5], *keys[-2:]]

    def pane(self, name: str) -> Pane:
        """Return a pane by its id."""
        return self.query_one(f"#{name}", Pane)

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
        if self.maximized is not None:
            self.minimize()
        else:
            self.dismiss(None)

    def do_maximise(self) -> None:
        """Give the screen to the pane with the focus, or give it back."""
        if self.maximized is not None:
            self.minimize()
            return
        focused = self.focused
        panes = [] if focused is None else [each for each in focused.ancestors_with_self if isinstance(each, Pane)]
        if panes:
            self.maximize(panes[0], container=False)

    def do_copy_command(self) -> None:
        """Copy the equivalent command line."""
        line = self.command()
        if not line:
            self.app.notify("There is no command for this.", severity="warning", timeout=3)
            return
        self.app.copy_to_clipboard(line)
        self.app.notify(words.safe(f"Copied: {line}"), timeout=4, markup=False)
