"""The figures of a running instance as lines with small charts.

transactions/s        48  ▁▂▃▅▆▇▇   50 wanted
...
session 5   level 1   3 changes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esetui.tui import words
from esetui.tui.rows import Part, chart, sparkline
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esetui.tui.activity.figures import Sample

_NAME = 18
_VALUE = 12
_LIMIT = 18
_GAPS = 3
"""Cells between the parts of a line."""
_TALLEST = 4
_LEAST_SPARK = 8


class ActivityPanel(Lines):
    """Charts; without figures it says what fills it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._samples: tuple[Sample, ...] = ()
        self._rate = 0.0

    def show(self, samples: tuple[Sample, ...], rate: float) -> None:
        """Take the newest figures; `rate` is what is wanted of the writers."""
        if samples != self._samples or rate != self._rate:
            self._samples, self._rate = samples, rate
            self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return a line a figure, then what it means where there is room."""
        if not self._samples:
            return [
                [Part("The instance is not running, so nothing goes on in it.", "muted")],
                [Part("s on the first screen starts it; then this shows its work.", "muted")],
            ]
        last = self._samples[-1]
        store = last.store
        wanted = f"{self._rate:,.0f} wanted" if self._rate else "no writers"
        figures: list[tuple[str, str, str, Callable[[Sample], float]]] = [
            ("transactions/s", f"{last.transactions:,.0f}", wanted, lambda each: each.transactions),
            (
                "log written",
                f"{words.size(int(last.log_rate))}/s",
                f"generation {store.generation:X}",
                lambda each: each.log_rate,
            ),
            (
                "recovery replays",
                words.size(store.checkpoint_depth),
                f"at most {words.size(store.checkpoint_depth_goal)}",
                lambda each: each.store.checkpoint_depth,
            ),
            (
                "pages in memory",
                words.count(store.cache_pages),
                f"of {words.count(store.cache_limit)}",
                lambda each: each.store.cache_pages,
            ),
            ("  not yet written", words.count(store.dirty_pages), "", lambda each: each.store.dirty_pages),
            (
                "version store",
                words.size(store.version_bytes),
                f"of {words.size(store.version_limit)}",
                lambda each: each.store.version_bytes,
            ),
            (
                "open transactions",
                words.count(store.open_transactions),
                f"{words.count(len(store.sessions))} sessions",
                lambda each: each.store.open_transactions,
            ),
        ]
        tall = max(1, min(_TALLEST, height // len(figures)))
        lines: list[Sequence[Part]] = []
        for figure in figures:
            lines += self._lines(width, tall, *figure)
        return lines[:height]

    def _lines(
        self, width: int, tall: int, name: str, value: str, limit: str, figure: Callable[[Sample], float]
    ) -> list[Sequence[Part]]:
        room = width - _NAME - _VALUE - _LIMIT - _GAPS
        values = [figure(each) for each in self._samples]
        head = [Part(name.ljust(_NAME), "muted"), Part(value.rjust(_VALUE), "strong")]
        tail = Part(limit.ljust(_LIMIT), "muted")
        if room < _LEAST_SPARK:
            return [[*head, tail]]
        if tall == 1:
            return [[*head, Part(sparkline(values, room, self.glyphs.spark).ljust(room), "bar"), tail]]
        drawn = [line.ljust(room) for line in chart(values, room, tall - 1, self.glyphs.spark)]
        blank = [Part(" " * _NAME), Part(" " * _VALUE)]
        last = len(drawn) - 1
        rows: list[Sequence[Part]] = []
        for number, line in enumerate(drawn):
            begin, end = (head, tail) if number == last else (blank, Part(" " * _LIMIT))
            rows.append([*begin, Part(line, "bar"), end])
        return [*rows, [Part("")]]


class SessionPanel(Lines):
    """A line a session."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._sample: Sample | None = None

    def show(self, sample: Sample | None) -> None:
        """Take the newest figures."""
        if sample is not self._sample:
            self._sample = sample
            self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:  # noqa: ARG002 - a widget's method
        """Return the sessions, those in a transaction first."""
        if self._sample is None:
            return [[Part("No sessions.", "muted")]]
        sessions = sorted(self._sample.store.sessions, key=lambda each: (not each.level, each.procid))
        lines: list[Sequence[Part]] = []
        for each in sessions:
            doing = "rests" if not each.level else "reads" if each.read_only else f"level {each.level}"
            changes = words.plural(each.changes, "change") if each.changes else ""
            lines.append(
                [
                    Part(f"session {each.procid}".ljust(14)),
                    Part(doing.ljust(12), "strong" if each.level else "muted"),
                    Part(changes, "muted"),
                ]
            )
        if len(lines) > height:
            lines[height - 1 :] = [[Part(f"and {len(lines) - height + 1} more", "muted")]]
        return lines
