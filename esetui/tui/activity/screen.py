"""What goes on in a running instance: charts of its figures, and its sessions.

1 activity    transactions, log, what a recovery would replay, cache, versions
2 sessions    level and changes of each

In the demonstration writers can be set to work, slowed down, and cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from engine.errors import EseError
from esetui.action import Action, Scope
from esetui.tui import words
from esetui.tui.activity.panel import ActivityPanel, SessionPanel
from esetui.tui.screens.dialogs import AskDialog
from esetui.tui.screens.work import WorkScreen
from esetui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from esetui.tui.control import Control

_TWICE, _HALF = 2.0, 0.5


class ActivityScreen(WorkScreen):
    """The figures of one instance."""

    AUTO_FOCUS = "#activity"
    scope: ClassVar[Scope] = Scope.ACTIVITY
    places: ClassVar[frozenset[Scope]] = frozenset((Scope.ACTIVITY, Scope.JOB))

    def __init__(self, control: Control, key: str, name: str, folder: str) -> None:
        super().__init__(control)
        self.key = key
        self._name = name
        self._folder = folder
        self.panel = ActivityPanel(id="activity")
        self.sessions = SessionPanel(id="sessions")

    def body(self) -> Iterable[Widget]:
        """Charts above, sessions below."""
        yield Vertical(
            Pane(self.panel, 1, "Activity", id="activity-pane"),
            Pane(self.sessions, 2, "Sessions", id="sessions-pane"),
            id="activity-column",
        )

    def refresh_now(self) -> None:
        """Draw the newest figures."""
        activity = self.control.activity
        samples = activity.look(self.key)
        self.panel.show(samples, activity.rate(self.key) if activity.working(self.key) else None)
        self.sessions.show(samples[-1] if samples else None)
        counts = activity.counts(self.key)
        foot = self.panel.span
        # As of the last sample: a frame that changes is drawn with all that is in it.
        committed = samples[-1].committed if samples else counts.committed
        if committed:
            done = f"{words.plural(committed, 'transaction')}, {words.plural(counts.conflicts, 'conflict')}"
            foot = f"{done}   {foot}" if foot else done
        if samples and counts.error is not None and not activity.working(self.key):
            foot = f"writers ended: {counts.error.name}"
        running = "running" if samples else "not running"
        self.pane("activity-pane").name_it(f"Activity of {self._name}", note=running, foot=foot)
        count = len(samples[-1].store.sessions) if samples else 0
        self.pane("sessions-pane").name_it("Sessions", foot=words.count(count) if count else "")

    def scopes(self) -> tuple[Scope, ...]:
        """Return what has the focus; nobody is let loose on an instance that is not the demonstration's."""
        own = (self.scope,) if self.control.is_sandbox(self._folder) else ()
        return (*self.always(), *own)

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        if Scope.ACTIVITY in action.where and action.id != "show":
            if not self.control.is_sandbox(self._folder):
                return "only in the demonstration: nobody writes to your databases"
            if not self.control.is_running(self.key):
                return "the instance is not running"
            if action.id in {"less_work", "kill"} and not self.control.activity.working(self.key):
                return "no writers are at work"
        return ""

    def do_more_work(self) -> None:
        """Twice as many transactions."""
        self._change(_TWICE)

    def do_less_work(self) -> None:
        """Half as many transactions."""
        self._change(_HALF)

    def _change(self, factor: float) -> None:
        # What is wanted stands beside the chart of what is done.
        try:
            self.control.activity.change_rate(self.key, factor)
        except EseError as error:
            self.app.notify(words.safe(str(error)), severity="error", markup=False)

    def do_kill(self) -> None:
        """Ask, and cut the instance off."""

        def go(answer: object) -> None:
            if answer:
                self.control.kill(self.key)

        text = "As when the power fails: nothing more is written. Recovery brings back what was committed."
        self.app.push_screen(AskDialog(f"Cut {self._name} off?", text, "Cut off", stay="Stay"), go)

    def do_pane_1(self) -> None:
        """Go to the charts."""
        self.panel.focus()

    def do_pane_2(self) -> None:
        """Go to the sessions."""
        self.sessions.focus()
