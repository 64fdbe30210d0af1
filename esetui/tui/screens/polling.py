"""What the first screen and those beside it share: title above, walk and keys below, and the beat that draws.

    title      is anything wrong, what is running?
    ...        panes
    walk       two lines, in the demonstration
    keys       what can be done here

A screen is asked ten times a second (four over SSH) for what is different: `refresh_now`.  Nothing else reaches it
from a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

from esetui.action import Action, Scope
from esetui.tui.activity.walk_bar import WalkBar
from esetui.tui.doing.base import ActionScreen
from esetui.tui.screens.layout import set_size_classes, ticks_a_second, too_small
from esetui.tui.widgets.bars import KeyBar, TitleBar
from esetui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual import events

    from esetui.jobs import BoardSnapshot
    from esetui.tui.control import Control


class PollingScreen(ActionScreen):
    """Bars, size classes, and the beat; a subclass lays out `title_bar`, `walk_bar`, `key_bar` and `small`."""

    def __init__(self, control: Control, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.control = control
        self.board: BoardSnapshot = control.board.snapshot()
        self.title_bar = TitleBar(id="title")
        self.key_bar = KeyBar(id="keys")
        self.walk_bar = WalkBar(id="walk")
        self.small = Static("", id="too-small")

    def refresh_now(self) -> None:
        """Draw what is different."""

    def on_mount(self) -> None:
        """Begin to poll."""
        self.set_interval(1 / ticks_a_second(self.control.settings.console), self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the size."""
        set_size_classes(self, event.size)
        self.small.update(too_small(event.size))

    def tick(self) -> None:
        """Take the newest figures and draw what is different."""
        self.board = self.control.board.snapshot()
        self.refresh_now()
        self.title_bar.show(self.control.overview, self.board)
        self.walk_bar.show(self.control.walk)
        self.key_bar.show(self.footer())

    def why_not(self, action: Action) -> str:
        """Return why an action cannot be run now; what is said of the job and the walk is the same on every screen."""
        if action.id == "cancel_job":
            return "" if self.board.running else "nothing is running"
        if action.id == "walk":
            walk = self.control.walk
            if walk is None:
                return "only in the demonstration: esetui demo"
            return "the step is not through" if walk.busy else ""
        return super().why_not(action)

    def action_title(self, action: Action) -> str:
        """Return what the footer calls an action."""
        if action.id == "walk" and self.control.walk is not None:
            return "Again" if self.control.walk.over else "Next"
        return super().action_title(action)

    def always(self) -> tuple[Scope, ...]:
        """Return what has the focus whatever pane has it: the guided walk, a running job."""
        job = (Scope.JOB,) if self.board.running else ()
        walk = () if self.control.walk is None else (Scope.WALK,)
        return (*walk, *job)

    # Panes.

    def pane(self, name: str) -> Pane:
        """Return a pane by its id."""
        return self.query_one(f"#{name}", Pane)

    def focused_pane(self) -> Pane | None:
        """Return the pane that has the focus."""
        focused = self.focused
        if focused is None:
            return None
        return next((each for each in focused.ancestors_with_self if isinstance(each, Pane)), None)

    def give_back(self) -> bool:
        """Make a maximised pane one among others again; False when none was."""
        if self.maximized is None:
            return False
        self.minimize()
        return True

    def toggle_maximised(self) -> None:
        """Give the screen to the pane with the focus, or give it back."""
        if self.give_back():
            return
        pane = self.focused_pane()
        if pane is not None:
            self.maximize(pane, container=False)
