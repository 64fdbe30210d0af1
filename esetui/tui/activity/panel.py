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
from esetui.tui.widgets.readlist import ReadList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.instance.statistics import SessionStatistics
    from esetui.tui.activity.figures import Sample

_NAME = 18
_VALUE = 12
_LIMIT = 18
_GAPS = 3
"""Cells between the parts of a line."""
_TALLEST = 4
_LEAST_SPARK = 8
_LEAST_SAMPLES = 2
_DEPTH = "recovery replays"


class ActivityPanel(Lines, can_focus=True):
    """Charts; without figures it says what fills it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._samples: tuple[Sample, ...] = ()
        self._rate: float | None = None

    def show(self, samples: tuple[Sample, ...], rate: float | None) -> None:
        """Take the newest figures; `rate` is what is wanted of the writers, None where there are none."""
        if samples != self._samples or rate != self._rate:
            self._samples, self._rate = samples, rate
            self.redraw()

    @property
    def span(self) -> str:
        """How much time the charts show, in words; nothing before there are two samples."""
        shown = self._samples[-max(1, self._room(self.size.width)) :]
        if len(shown) < _LEAST_SAMPLES or self._room(self.size.width) < _LEAST_SPARK:
            return ""
        return f"the last {shown[-1].taken - shown[0].taken:.0f} s"

    @staticmethod
    def _room(width: int) -> int:
        """Return the cells of a chart."""
        return width - _NAME - _VALUE - _LIMIT - _GAPS

    def _wanted(self) -> str:
        if self._rate is None:
            return "no writers"
        return f"{self._rate:,.0f} wanted" if self._rate else "the writers rest"

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return a line a figure, taller ones where there is room."""
        if not self._samples:
            return [
                [Part("The instance is not running, so nothing goes on in it.", "muted")],
                [Part("s on the first screen starts it; then this shows its work.", "muted")],
            ]
        last = self._samples[-1]
        store = last.store
        figures: list[tuple[str, str, str, Callable[[Sample], float]]] = [
            ("transactions/s", f"{last.transactions:,.0f}", self._wanted(), lambda each: each.transactions),
            (
                "log written",
                f"{words.size(int(last.log_rate))}/s",
                f"generation {store.generation:X}",
                lambda each: each.log_rate,
            ),
            (
                _DEPTH,
                words.size(store.checkpoint_depth),
                f"kept near {words.size(store.checkpoint_depth_goal)}",
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
                f"of {words.plural(len(store.sessions), 'session')}",
                lambda each: each.store.open_transactions,
            ),
        ]
        tall = max(1, min(_TALLEST, height // len(figures)))
        lines: list[Sequence[Part]] = []
        for figure in figures:
            # Drawn against what it is kept near: how far it is from there is what one looks for.
            least = store.checkpoint_depth_goal if figure[0] == _DEPTH else 0
            lines += self._lines(width, tall, *figure, least=least)
        return lines[:height]

    def _lines(
        self,
        width: int,
        tall: int,
        name: str,
        value: str,
        limit: str,
        figure: Callable[[Sample], float],
        *,
        least: float,
    ) -> list[Sequence[Part]]:
        room = self._room(width)
        values = [figure(each) for each in self._samples]
        head = [Part(name.ljust(_NAME), "muted"), Part(value.rjust(_VALUE), "strong")]
        tail = Part(limit.ljust(_LIMIT), "muted")
        if room < _LEAST_SPARK:
            return [[*head, tail]]
        if tall == 1:
            return [[*head, Part(sparkline(values, room, self.glyphs.spark, least).ljust(room), "bar"), tail]]
        drawn = [line.ljust(room) for line in chart(values, room, tall - 1, self.glyphs.spark, least)]
        blank = [Part(" " * _NAME), Part(" " * _VALUE)]
        last = len(drawn) - 1
        rows: list[Sequence[Part]] = []
        for number, line in enumerate(drawn):
            begin, end = (head, tail) if number == last else (blank, Part(" " * _LIMIT))
            rows.append([*begin, Part(line, "bar"), end])
        return [*rows, [Part("")]]


class SessionPanel(ReadList):
    """A line a session."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._sample: Sample | None = None
        self._shown: list[SessionStatistics] = []

    def show(self, sample: Sample | None) -> None:
        """Take the newest figures; sessions in a transaction come first."""
        if sample is not self._sample:
            self._sample = sample
            sessions = () if sample is None else sample.store.sessions
            self._shown = sorted(sessions, key=lambda each: (not each.level, each.procid))
            self.reload()

    def count(self) -> int:
        """Return the number of sessions."""
        return len(self._shown)

    def lesson(self) -> str:
        """Say why there is nothing."""
        return "The instance is not running." if self._sample is None else "No session is open."

    def parts(self, index: int) -> Sequence[Part]:
        """Return a session: its number, the level of its transaction, its changes."""
        each = self._shown[index]
        doing = "rests" if not each.level else "reads" if each.read_only else f"level {each.level}"
        changes = words.plural(each.changes, "change") if each.changes else ""
        return (
            Part(f"session {each.procid}", width=14),
            Part(doing, "strong" if each.level else "muted", width=12),
            Part(changes, "muted", flex=True),
        )
