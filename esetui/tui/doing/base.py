"""What all groups of actions stand on: the console's parts, and the two rules of a screen that has actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import App
from textual.screen import Screen

from esetui.action import Action, Scope
from esetui.actions import ACTIONS, footer
from esetui.tui.model import InstanceView

if TYPE_CHECKING:
    from esetui.tui.control import Control
    from esetui.tui.screens.main import MainScreen


FIRST: Final = frozenset(
    (
        Scope.INSTANCE,
        Scope.RUNNING,
        Scope.DATABASE,
        Scope.DAMAGED,
        Scope.BACKUPS,
        Scope.BACKUP_SET,
        Scope.EVENTS,
        Scope.JOB,
    )
)
"""What can have the focus on the first screen."""
EVERYWHERE: Final = frozenset(("help", "palette", "theme", "quit", "cancel_job", "walk"))
"""Actions of the console that every screen with actions has."""


class ActionScreen(Screen[Any]):
    """A screen with actions: it says which make sense in it, and why one of them cannot be run now.

    `places` are all scopes that something on this screen can have.
    """

    places: ClassVar[frozenset[Scope]] = FIRST

    def why_not(self, action: Action) -> str:
        """Return why an action cannot be run on this screen now, or nothing."""
        if not (self.places | {Scope.GLOBAL, Scope.WALK}).intersection(action.where):
            back = FIRST.intersection(action.where)
            return "go back to the first screen for it (esc)" if back else f"only in {action.where[0].value}"
        if self.places != FIRST and action.id not in EVERYWHERE and not hasattr(self, f"do_{action.id}"):
            return "go back to the first screen for it (esc)"
        return self.reason(action)

    def scopes(self) -> tuple[Scope, ...]:
        """Return what has the focus."""
        return ()

    def reason(self, action: Action) -> str:  # noqa: ARG002 - for subclasses
        """Return why an action cannot be run now, or nothing."""
        return ""

    def action_title(self, action: Action) -> str:
        """Return what the footer calls an action."""
        return action.title

    def action_of(self, key: str) -> Action | None:
        """Return what a key means here; one that means something elsewhere too is told apart by the focus."""
        having = [action for action in ACTIONS if key in action.keys]
        here = {*self.scopes(), Scope.GLOBAL}
        return next((each for each in having if here.intersection(each.where)), having[0] if having else None)

    def footer(self) -> list[tuple[Action, str, str]]:
        """Return at most eight actions, with title and the reason why one cannot be run; help and quit stay."""
        return [(each, self.action_title(each), self.why_not(each)) for each in footer(self.scopes())]


class Acts(App[int]):
    """The console as the groups of actions see it."""

    control: Control
    main: MainScreen

    def run_named(self, name: str) -> None:
        """Run an action of the table, or say why not."""
        raise NotImplementedError

    def chosen(self) -> InstanceView:
        """Return the instance that has the focus."""
        view = self.main.instance
        if view is None:  # pragma: no cover - `reason` was asked before
            raise RuntimeError("no instance is chosen")
        return view
