"""The console as a program: bindings and palette from the one table of actions, themes, and the end.

What the actions do is in `doing`; a screen that has actions of its own does them itself.
"""

from __future__ import annotations

import locale
import os
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import SystemCommand
from textual.binding import Binding, BindingType

from esetui.action import Action
from esetui.actions import ACTIONS, BY_ID
from esetui.tui.doing.activity import ActivityActs
from esetui.tui.doing.backups import BackupActs
from esetui.tui.doing.base import ActionScreen
from esetui.tui.doing.browsing import BrowsingActs
from esetui.tui.doing.checking import CheckActs
from esetui.tui.doing.looking import LookingActs
from esetui.tui.doing.moving import MovingActs
from esetui.tui.doing.recovering import RecoveryActs
from esetui.tui.model import Level
from esetui.tui.screens.main import MainScreen
from esetui.tui.signals import SignalWatch
from esetui.tui.theme import (
    ASCII_GLYPHS,
    TERMINAL_THEME,
    THEME_NAMES,
    THEMES,
    UNICODE_GLYPHS,
    Palette,
    palette_of,
)
from esetui.tui.widgets.bars import KeyBar
from esetui.tui.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.screen import Screen

    from esetui.tui.control import Control

_OWN_KEYS: Final = frozenset(("show", "next_pane", "previous_pane", "pause_events"))
"""Actions whose keys mean more than one thing: the focused widget decides."""


def _bindings() -> list[BindingType]:
    keys: dict[str, Action] = {}
    for action in ACTIONS:
        if action.id not in _OWN_KEYS:
            for key in action.keys:
                keys.setdefault(key, action)
    return [
        Binding(key, f"press('{key}')", action.title, show=False, tooltip=action.help, id=f"{action.id}-{key}")
        for key, action in keys.items()
    ]


class Console(ActivityActs, BackupActs, BrowsingActs, CheckActs, LookingActs, MovingActs, RecoveryActs):
    """The console."""

    CSS_PATH = "styles/console.tcss"
    TITLE = "esetui"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = _bindings()

    def __init__(self, control: Control, *, theme: str | None = None, play: float | None = None) -> None:
        super().__init__()
        self.control = control
        self._play = play
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
        self._signals = SignalWatch(self, control.close)

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
        self._signals.take()
        if self._play is not None:
            self.set_interval(0.25, partial(self.go_on, self._play))

    def on_unmount(self) -> None:
        """Give the signals back."""
        self._signals.give_back()

    # Actions.

    def action_press(self, key: str) -> None:
        """Run what a key means on the open screen."""
        screen = self.screen
        if isinstance(screen, ActionScreen):
            action = screen.action_of(key)
            if action is not None:
                self.run_named(action.id)

    def run_named(self, name: str) -> None:
        """Run an action of the table, or say why not; a dialog has none."""
        screen, action = self.screen, BY_ID[name]
        if not isinstance(screen, ActionScreen):
            return
        reason = screen.why_not(action)
        if reason:
            self.notify(f"{action.title}: {reason}.", severity="warning", timeout=4)
            return
        (getattr(screen, f"do_{name}", None) or getattr(self, f"do_{name}"))()

    def on_key_bar_pressed(self, event: KeyBar.Pressed) -> None:
        """Run the action of the key that was clicked."""
        self.run_named(event.action)

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
        self.call_after_refresh(self.run_named, name)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Open the row: show its details large."""
        if self.screen is self.main and event.rows is not self.main.details:
            self.do_show()

    def _recolour(self, _theme: object) -> None:
        """Draw everything in the new colours."""
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                widget.refresh()

    # The end.

    async def action_quit(self) -> None:
        """Take Textual's own quit key for ours."""
        self.run_named("quit")

    def leave(self, code: int) -> None:
        """Cancel what runs, stop what was started here, and end."""
        if self._leaving or self._signals.taken:
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
