"""Getting about: help, palette, panes, theme, the equivalent command, and leaving."""

from __future__ import annotations

from esetui.actions import BY_ID, command_line
from esetui.tui import words
from esetui.tui.doing.base import ActionScreen, Acts
from esetui.tui.screens.dialogs import AskDialog
from esetui.tui.screens.help import HelpScreen
from esetui.tui.screens.main import PANES
from esetui.tui.theme import next_theme, title_of


class MovingActs(Acts):
    """What changes the screen and nothing else."""

    def leave(self, code: int) -> None:
        """Cancel what runs, stop what was started here, and end."""
        raise NotImplementedError

    def do_help(self) -> None:
        """Show all keys."""

        def go(name: object) -> None:
            if isinstance(name, str):
                self.run_named(name)

        screen = self.screen
        reason = screen.why_not if isinstance(screen, ActionScreen) else self.main.why_not
        self.push_screen(HelpScreen(reason), go)

    def do_palette(self) -> None:
        """Open the palette."""
        self.action_command_palette()

    def do_back(self) -> None:
        """Leave what is open: a maximised pane, a filter."""
        if self.main.give_back():
            return
        pane = self.main.focused_pane()
        if pane is not None and pane.filtering:
            pane.clear_filter()

    def do_pane_1(self) -> None:
        """Go to the instances."""
        self.main.focus_pane(PANES[0])

    def do_pane_2(self) -> None:
        """Go to the backup directory."""
        self.main.focus_pane(PANES[1])

    def do_pane_3(self) -> None:
        """Go to the running job."""
        self.main.focus_pane(PANES[2])

    def do_pane_4(self) -> None:
        """Go to the page map."""
        self.main.focus_pane(PANES[3])

    def do_pane_5(self) -> None:
        """Go to the event log."""
        self.main.focus_pane(PANES[4])

    def do_next_pane(self) -> None:
        """Go to the next pane."""
        self.main.focus_next()

    def do_previous_pane(self) -> None:
        """Go to the previous pane."""
        self.main.focus_previous()

    def do_maximise(self) -> None:
        """Give the screen to the pane, or give it back."""
        self.main.toggle_maximised()

    def do_copy_command(self) -> None:
        """Copy the command that does what the console did last, or what the focus suggests."""
        shown = self.main.board.shown
        line = shown.command if shown is not None else ""
        view = self.main.instance
        if not line and view is not None:
            values = {"instance": view.folder, "target": self.control.target or "DIRECTORY"}
            line = command_line(BY_ID["backup_full"], values) or ""
        if not line:
            self.notify("There is no command to copy.", severity="warning", timeout=3)
            return
        self.copy_to_clipboard(line)
        self.notify(words.safe(f"Copied: {line}"), timeout=4, markup=False)

    def do_theme(self) -> None:
        """Go to the next theme."""
        self.theme = next_theme(self.theme)
        self.notify(title_of(self.theme), timeout=2)

    def do_quit(self) -> None:
        """Leave; asks while a job runs or an instance was started here."""
        running, started = self.control.board.snapshot().running, self.control.running()
        if not running and not started:
            self.leave(0)
            return

        def go(answer: object) -> None:
            if answer:
                self.leave(0)

        what = []
        if running:
            kinds = ", ".join(job.kind.value for job in running)
            what.append(f"The {kinds} will be cancelled; nothing half-made stays behind.")
        if started:
            what.append(f"{words.plural(len(started), 'instance')} started here will be stopped clean.")
        self.push_screen(AskDialog("Quit?", " ".join(what), "Quit", stay="Stay"), go)
