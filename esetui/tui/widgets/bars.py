"""The title line and the line of keys."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.message import Message

from esetui.action import show_key
from esetui.tui import words
from esetui.tui.model import EMPTY, Overview, State, utc_now, worst_state
from esetui.tui.rows import Part
from esetui.tui.theme import STATE_STYLE
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from esetui.action import Action
    from esetui.jobs import BoardSnapshot


class TitleBar(Lines):
    """Product, worst state, running job, time of day."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.overview: Overview = EMPTY
        self.board: BoardSnapshot | None = None
        self._last: tuple[object, ...] = ()

    def show(self, overview: Overview, board: BoardSnapshot) -> None:
        """Take the newest state; draws only when something is different."""
        self.overview, self.board = overview, board
        now = (self._states(), self._job(), words.clock(utc_now()), self.size)
        if now != self._last:
            self._last = now
            self.redraw()

    def _states(self) -> tuple[tuple[str, str], ...]:
        """Return what is said about the instances, as (text, style)."""
        overview = self.overview
        worst = overview.worst
        if overview.taken is None:
            return (("looking for instances …", "muted"),)
        unreachable = [each for each in overview.folders if each.state.value == "unreachable"]
        lost = (("backup directory UNREACHABLE", "bad strong"),) if unreachable else ()
        if worst is None:
            return (("no instance found", "warn"), *lost)
        state = worst_state(worst)
        style = STATE_STYLE[state]
        others = len(overview.instances) - 1
        if not others:
            word = state.value.upper() if state.wrong else state.value
            return ((worst.name, "strong"), (word, style), *lost)
        if not state.wrong:
            states = Counter(worst_state(each) for each in overview.instances)
            other = [f"{states[each]} {each.value}" for each in State if each is not State.CLEAN and states[each]]
            good = f"{', '.join(other)}, none in trouble" if other else "all clean"
            return ((words.plural(others + 1, "instance"), "strong"), (good, "good"), *lost)
        wrong = sum(1 for each in overview.instances if worst_state(each).wrong) - 1
        more = f"and {wrong} more of {others + 1} in trouble" if wrong else f"{words.plural(others, 'other')} well"
        return ((worst.name, "strong"), (state.value.upper(), style), (more, "muted"), *lost)

    def _job(self) -> tuple[str, str]:
        job = self.board.shown if self.board else None
        if job is None:
            return ("", "muted")
        if job.running:
            if job.cancelling:
                return (f"{job.kind.value} cancelling", "warn")
            share = " …" if job.percent is None else f" {job.percent} %"
            return (job.kind.value + share, "accent strong")
        if job.error is not None:
            return (f"{job.kind.value} FAILED", "bad strong")
        if job.monitor.pages_bad:
            return (f"{job.kind.value} found DAMAGE", "bad strong")
        return ("", "muted")

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - one line
        """Return the line."""
        parts = [Part(" esetui", "accent strong"), Part("")]
        room = width - 30
        for text, style in self._states():
            parts.append(Part(" " + words.crop(words.safe(text), max(10, room)), style))
        job, style = self._job()
        if job:
            parts.append(Part("  " + job, style, drop=0))
        return [(*parts, Part("", flex=True), Part(words.clock(utc_now()), "muted", drop=1), Part(" ", width=1))]


class KeyBar(Lines):
    """At most eight keys: those that make sense for what has the focus; one that cannot be used stands in brackets."""

    class Pressed(Message):
        """A key was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._keys: tuple[tuple[str, str, str, str], ...] = ()
        self._places: list[tuple[int, int, str, str]] = []

    def show(self, keys: Sequence[tuple[Action, str, str]]) -> None:
        """Take actions with title and the reason why one cannot be used, or an empty reason."""
        new = tuple((action.id, show_key(action.key), title, reason) for action, title, reason in keys)
        if new != self._keys:
            self._keys = new
            self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - one line
        """Return the line, and remember where each key stands."""
        keys = list(self._keys)
        # Help and quit stay whatever the width; the least wanted of the others go first.
        while len(keys) > 2 and _keys_width(keys) > width:  # noqa: PLR2004 - the two that stay
            del keys[-3]
        roomy = _keys_width(keys) + len(keys) <= width
        gap = " " if roomy else ""
        parts: list[Part] = []
        self._places = []
        at = 0
        for name, key, title, reason in keys:
            left, right = ("(", ")") if reason else (" ", " ")
            self._places.append((at, at + cell_len(left + key + title + right) + 1, name, reason))
            parts.append(Part(left, "muted", joined=True))
            parts.append(Part(key, "muted" if reason else "accent strong", joined=True))
            parts.append(Part(f" {title}", "muted" if reason else "plain", joined=True))
            parts.append(Part(right + gap, "muted", joined=True))
            at += cell_len(left + key + title + right + gap) + 1
        return [(*parts, Part("", flex=True))]

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        offset = event.get_content_offset(self)
        for start, end, name, _ in self._places:
            if offset is not None and start <= offset.x < end:
                self.post_message(self.Pressed(name))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say why a key cannot be used."""
        offset = event.get_content_offset(self)
        reason = ""
        for start, end, _, why in self._places:
            if offset is not None and start <= offset.x < end:
                reason = why
        self.tooltip = reason or None


def _keys_width(keys: Sequence[tuple[str, str, str, str]]) -> int:
    return sum(cell_len(key) + cell_len(title) + 3 for _, key, title, _ in keys)
