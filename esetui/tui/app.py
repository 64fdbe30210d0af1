"""The console as a program: bindings, palette and help from the one table of actions, and what each action does.

SIGHUP and SIGTERM cancel what runs, stop every instance that was started here, and then leave.
"""

from __future__ import annotations

import json
import locale
import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType

from engine.errors import EseError
from esetui.actions import ACTIONS, BY_ID, command_line
from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.model import InstanceView, Level
from esetui.tui.screens.dialogs import TITLES, AskDialog, PlanDialog, TextDialog
from esetui.tui.screens.help import HelpScreen
from esetui.tui.screens.main import PANES, MainScreen
from esetui.tui.theme import (
    ASCII_GLYPHS,
    TERMINAL_THEME,
    THEME_NAMES,
    THEMES,
    UNICODE_GLYPHS,
    Palette,
    next_theme,
    palette_of,
    title_of,
)
from esetui.tui.widgets.bars import KeyBar
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.screen import Screen

    from esetui.tui.control import Control

_OWN_KEYS: Final = frozenset(("show", "next_pane", "previous_pane", "pause_events"))
"""Actions whose keys mean more than one thing: the focused widget decides."""
_SIGNALS: Final = {"SIGTERM": 143, "SIGHUP": 129}
_SCREEN_SECONDS: Final = 2.0
"""How long the screen may take to end after a signal, when all work has ended."""
_KINDS: Final = {
    "backup_full": JobKind.FULL,
    "backup_incremental": JobKind.INCREMENTAL,
    "backup_atomic": JobKind.ATOMIC,
}


def _bindings() -> list[BindingType]:
    return [
        Binding(
            ",".join(action.keys),
            f"run('{action.id}')",
            action.title,
            show=False,
            tooltip=action.help,
            id=action.id,
        )
        for action in ACTIONS
        if action.keys and action.id not in _OWN_KEYS
    ]


class Console(App[int]):
    """The console."""

    CSS_PATH = "styles/console.tcss"
    TITLE = "esetui"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = _bindings()

    def __init__(self, control: Control, *, theme: str | None = None) -> None:
        super().__init__()
        self.control = control
        self.animation_level = "none"
        for each, _ in THEMES:
            self.register_theme(each)
        wanted = theme or control.settings.console.theme
        self.theme = wanted if wanted in THEME_NAMES else _default_theme()
        utf8 = "utf" in (locale.getpreferredencoding(False) or "").lower()
        self.glyphs = UNICODE_GLYPHS if utf8 and not os.environ.get("ESETUI_ASCII") else ASCII_GLYPHS
        self._palette: Palette | None = None
        self._palette_for = ""
        self.main = MainScreen(control)
        self._leaving = False
        self._signal_taken = False
        self._signals: dict[int, Any] = {}

    @property
    def palette(self) -> Palette:
        """The styles of the present theme."""
        key = f"{self.theme} {self.native_ansi_color}"
        if self._palette is None or self._palette_for != key:
            self._palette, self._palette_for = palette_of(self), key
        return self._palette

    def get_default_screen(self) -> Screen[Any]:
        """Return the main screen."""
        return self.main

    def on_mount(self) -> None:
        """Begin to look, and take the signals."""
        self.theme_changed_signal.subscribe(self, self._recolour)
        self.control.start_watching()
        self._take_signals()

    def _take_signals(self) -> None:
        # Not the loop's own handlers: a terminal that takes nothing holds the loop up, and a signal must get through.
        for name, code in _SIGNALS.items():
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                self._signals[number] = signal.signal(number, partial(self._signalled, code))
            except ValueError:
                # A test may run the app outside the main thread.
                return

    def on_unmount(self) -> None:
        """Give the signals back."""
        while self._signals:
            number, handler = self._signals.popitem()
            signal.signal(number, handler)

    def _signalled(self, code: int, *_: object) -> None:
        # The main thread may hold any lock here: everything is done by another one.
        if not self._signal_taken:
            self._signal_taken = True
            self._leaving = True
            threading.Thread(target=self._close_for_signal, args=(code,), daemon=True).start()

    def _close_for_signal(self, code: int) -> None:
        try:
            self.control.close()
        finally:
            # A screen that has vanished, or takes nothing, would hold the end up for ever.
            last = threading.Timer(_SCREEN_SECONDS, os._exit, (code,))
            last.daemon = True
            last.start()
            self.call_from_thread(self.exit, code, code)

    # Actions.

    def action_run(self, name: str) -> None:
        """Run an action of the table, or say why not."""
        if self.screen is not self.main:
            return
        action = BY_ID[name]
        reason = self.main.reason(action)
        if reason:
            self.notify(f"{action.title}: {reason}.", severity="warning", timeout=4)
            return
        getattr(self, f"do_{name}")()

    def on_key_bar_pressed(self, event: KeyBar.Pressed) -> None:
        """Run the action of the key that was clicked."""
        self.action_run(event.action)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:  # noqa: ARG002 - textual's signature
        """Give every action to the palette, and each theme by name."""
        for action in ACTIONS:
            if action.id not in {"palette", "back"}:
                title = f"{action.title} ({action.shown_keys})" if action.keys else action.title
                yield SystemCommand(title, action.help, partial(self._from_palette, action.id))
        for theme, title in THEMES:
            yield SystemCommand(f"Theme: {title}", "Change the colours.", partial(setattr, self, "theme", theme.name))

    def _from_palette(self, name: str) -> None:
        """Run an action when the palette has closed."""
        self.call_after_refresh(self.action_run, name)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Open the row: show its details large."""
        if self.screen is self.main and event.rows is not self.main.details:
            self.do_show()

    def _chosen(self) -> InstanceView:
        view = self.main.instance
        if view is None:  # pragma: no cover - `reason` was asked before
            raise RuntimeError("no instance is chosen")
        return view

    def _backup(self, name: str) -> None:
        view, kind, control = self._chosen(), _KINDS[name], self.control

        def go(target: object) -> None:
            if isinstance(target, str):
                absolute = control.fs.absolute(target)
                if absolute != control.target:
                    control.set_target(absolute)
                control.backup(view, kind, absolute)
                self.main.focus_pane("backup-pane")

        self.push_screen(
            PlanDialog(
                f"{TITLES[kind]} of {view.name}",
                "Back up",
                lambda target: control.backup_plan(view, kind, target),
                lambda target: control.command(kind, view, target=target),
                label="into",
                value=control.target,
            ),
            go,
        )

    def do_backup_full(self) -> None:
        """Ask for a full backup."""
        self._backup("backup_full")

    def do_backup_incremental(self) -> None:
        """Ask for an incremental backup."""
        self._backup("backup_incremental")

    def do_backup_atomic(self) -> None:
        """Ask for an atomic backup."""
        self._backup("backup_atomic")

    def do_truncate(self) -> None:
        """Ask for a truncation; the name must be typed."""
        view, control = self._chosen(), self.control

        def go(answer: object) -> None:
            if answer is not None:
                control.backup(view, JobKind.TRUNCATE, None)

        self.push_screen(
            PlanDialog(
                f"Delete logs of {view.name}",
                "Delete",
                lambda _: control.backup_plan(view, JobKind.TRUNCATE, None),
                lambda _: control.command(JobKind.TRUNCATE, view),
                must_type=view.name,
                danger=True,
            ),
            go,
        )

    def do_start_stop(self) -> None:
        """Start the instance with a plan first, or stop it."""
        view, control = self._chosen(), self.control
        if control.is_running(view.key):
            control.stop(view)
            return

        def go(answer: object) -> None:
            if answer is not None:
                control.start(view)

        self.push_screen(
            PlanDialog(
                f"Start {view.name}: what will be written", "Start", lambda _: control.start_plan(view.key), str
            ),
            go,
        )

    def do_verify(self) -> None:
        """Check what has the focus."""
        made = self.main.choice()
        if made.backup_set is not None:
            path = made.backup_set.path
        elif made.database is not None:
            path = made.database.path
        elif made.instance is not None:
            found = self.control.found(made.instance.key)
            path = made.instance.folder if found is None or found.has_log else made.instance.key
        else:
            return
        self.control.verify(path, made.instance)

    def do_logs(self) -> None:
        """Show the log records of the instance."""
        from esetui.tui.screens.records import RecordsScreen  # noqa: PLC0415 - only when asked for

        found = self.control.found(self._chosen().key)
        if found is None or not found.has_log:
            self.notify("There is no log stream.", severity="warning")
            return
        self.push_screen(RecordsScreen(found, self.control.fs))

    def do_show(self) -> None:
        """Show the details large."""
        from esetui.tui.screens.view import ViewScreen  # noqa: PLC0415 - only when asked for

        heading, sections, view = self.main.details_of(self.main.choice())
        if sections:
            self.push_screen(ViewScreen(heading, sections, view.logs if view is not None else None))

    def do_choose_target(self) -> None:
        """Ask for the backup directory."""

        def go(path: object) -> None:
            if isinstance(path, str):
                self.control.set_target(path)

        hint = "Its sets are listed and watched; backups go there."
        self.push_screen(TextDialog("Backup directory", "folder", self.control.target, hint), go)

    def do_add_path(self) -> None:
        """Ask for another folder to look in."""

        def go(path: object) -> None:
            if isinstance(path, str):
                try:
                    self.control.add_path(path)
                except EseError as error:
                    self.notify(words.safe(str(error)), severity="error", markup=False)

        self.push_screen(TextDialog("Look for instances", "folder", "", "Folders below it are searched too."), go)

    def do_rescan(self) -> None:
        """Look again."""
        self.control.look()

    def do_cancel_job(self) -> None:
        """Cancel the newest running job, after asking."""
        running = self.main.board.running
        job = running[-1]

        def go(answer: object) -> None:
            if answer:
                self.control.board.cancel(job.number)

        text = "Nothing of a half-made backup stays behind." if job.kind.is_backup else "Nothing is changed by it."
        self.push_screen(AskDialog(f"Cancel the {job.kind.value}?", text, "Cancel it", stay="Go on"), go)

    def do_filter(self) -> None:
        """Open the filter line."""
        self.main.open_filter()

    def do_pause_events(self) -> None:
        """Hold the event log, or let it follow again."""
        self.main.events.toggle_pause()

    def do_export_events(self) -> None:
        """Ask where to write the shown events."""

        def go(path: object) -> None:
            if isinstance(path, str):
                self._export(path)

        name = str(Path.cwd() / "esetui-events.jsonl")
        self.push_screen(TextDialog("Export events", "file", name, "One JSON object a line; must not exist yet."), go)

    def _export(self, path: str) -> None:
        rows = self.main.events.shown
        lines = [
            {
                "schema": 1,
                "type": "event",
                "ts": row.when.isoformat(),
                "id": row.event_id,
                "level": row.level.value,
                "instance": row.instance,
                "strings": row.strings,
                "message": row.text,
            }
            for row in rows
        ]
        try:
            with Path(path).open("x", encoding="utf-8") as out:
                out.writelines(json.dumps(line) + "\n" for line in lines)
        except OSError as error:
            self.notify(words.safe(f"Not written: {error}"), severity="error", markup=False)
            return
        self.notify(words.safe(f"{len(lines)} events written to {path}."), markup=False)

    def do_help(self) -> None:
        """Show all keys."""

        def go(name: object) -> None:
            if isinstance(name, str):
                self.action_run(name)

        self.push_screen(HelpScreen(self.main.reason), go)

    def do_palette(self) -> None:
        """Open the palette."""
        self.action_command_palette()

    def do_back(self) -> None:
        """Leave what is open: a maximised pane, a filter."""
        main = self.main
        if main.maximized is not None:
            main.minimize()
            return
        pane = main._pane(main.pane)  # noqa: SLF001 - the screen's own pane
        if pane.filtering:
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

    def _recolour(self, _theme: object) -> None:
        """Draw everything in the new colours."""
        for widget in self.main.query("*"):
            widget.refresh()

    def do_quit(self) -> None:
        """Leave; asks while a job runs or an instance was started here."""
        running, started = self.main.board.running, self.control.running()
        if not running and not started:
            self._leave(0)
            return

        def go(answer: object) -> None:
            if answer:
                self._leave(0)

        what = []
        if running:
            kinds = ", ".join(job.kind.value for job in running)
            what.append(f"The {kinds} will be cancelled; nothing half-made stays behind.")
        if started:
            what.append(f"{words.plural(len(started), 'instance')} started here will be stopped clean.")
        self.push_screen(AskDialog("Quit?", " ".join(what), "Quit", stay="Stay"), go)

    async def action_quit(self) -> None:
        """Take Textual's own quit key for ours."""
        self.action_run("quit")

    def _leave(self, code: int) -> None:
        if self._leaving:
            return
        self._leaving = True
        self.control.feed.note("leaving: cancelling jobs and stopping instances")
        self.run_worker(partial(self._close, code), thread=True, exclusive=True)

    def _close(self, code: int) -> None:
        problems = self.control.close()
        for each in problems:
            self.control.feed.note(each, level=Level.ERROR)
        self.call_from_thread(self.exit, code or (1 if problems else 0), 0, "\n".join(problems) or None)


def _default_theme() -> str:
    """Return the theme for this terminal: its own colours where it has few."""
    few = os.environ.get("TERM", "") in {"linux", "vt100", "ansi", "xterm", "screen"} and "COLORTERM" not in os.environ
    return TERMINAL_THEME if few else THEME_NAMES[0]
