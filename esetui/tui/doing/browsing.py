"""Opening the browser: on the file as it is, or on its pages as recovery would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from esetui.tui.doing.base import Acts
from esetui.tui.model import DatabaseView, State
from esetui.tui.screens.dialogs import ChoiceDialog

if TYPE_CHECKING:
    from engine.recovery.memory import Recovered
    from esetui.tui.model import InstanceView
    from esetui.tui.recovery.until import Wish


class Replayed(Message):
    """A recovery in memory is done."""

    def __init__(self, recovered: Recovered, path: str) -> None:
        super().__init__()
        self.recovered = recovered
        self.path = path


class BrowsingActs(Acts):
    """What opens the browser."""

    def do_browse(self) -> None:
        """Look into the database that has the focus."""
        database, view = self.main.database, self.main.instance
        if database is not None:
            self.browse(database, view)

    def browse(self, database: DatabaseView, view: InstanceView | None) -> None:
        """Look into a database; for one that was not shut down ask in which state."""
        found = None if view is None else self.control.found(view.key)
        if database.state is not State.DIRTY or found is None or not found.has_log:
            running = database.state is State.RUNNING
            self.open_browser(database.path, "running: as on disk" if running else database.state.value)
            return

        def go(answer: object) -> None:
            if answer == "replay":
                self.browse_replayed(database.path, view)
            elif answer == "as-is":
                self.open_browser(database.path, "as on disk")

        text = (
            f"{database.name} was not shut down cleanly: its last changes are in the log only. They can be replayed in "
            "memory; no file is changed either way."
        )
        answers = [("replay", "Replay in memory"), ("as-is", "As it is on disk")]
        self.push_screen(ChoiceDialog(f"Browse {database.name}", text, answers), go)

    def browse_replayed(self, path: str, view: InstanceView | None, wish: Wish | None = None) -> None:
        """Recover in memory, in a job, as far as it is wished, and look into the result."""
        from esetui.tui.doing.reading import replay  # noqa: PLC0415 - only when asked for

        # Posted, not called: the job does not wait for the screen.
        replay(self.control, path, view, lambda recovered: self.post_message(Replayed(recovered, path)), wish=wish)
        self.main.focus_pane("backup-pane")

    def on_replayed(self, event: Replayed) -> None:
        """Open the browser on the pages of the recovery."""
        self.open_browser(event.path, "as recovered", recovered=event.recovered)

    def open_browser(self, path: str, note: str, *, recovered: Recovered | None = None) -> None:
        """Open the browser."""
        from esetui.tui.screens.browse import BrowseScreen  # noqa: PLC0415 - only when asked for

        pages = None if recovered is None else recovered.database(path).pages
        close = None if recovered is None else recovered.close
        self.push_screen(BrowseScreen(self.control, path, pages=pages, close=close, note=note))
