"""The rows of the event log: engine events, and the commands that were run, in the order they came.

Bounded; appended to from engine threads without ever waiting for a screen; a pane asks for what is new since
the number it saw last.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from esetui.tui.model import EventRow, Level, utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FEED_ROWS = 10_000
"""Rows that are kept."""


class EngineEvent(Protocol):
    """What a row is made of: an event of the engine or of the journal."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def severity(self) -> int: ...  # noqa: D102
    @property
    def time(self) -> datetime: ...  # noqa: D102
    @property
    def instance(self) -> str: ...  # noqa: D102
    @property
    def strings(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102


_LEVELS = (Level.INFO, Level.WARN, Level.ERROR)


class EventFeed:
    """The ring of rows."""

    def __init__(self, limit: int = FEED_ROWS) -> None:
        self._rows: deque[EventRow] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._number = 0

    @property
    def version(self) -> int:
        """Number of the newest row; changes when there is something new."""
        return self._number

    @property
    def oldest(self) -> int:
        """Number of the oldest row that is kept; one above the newest when there is none."""
        return self._number - len(self._rows) + 1

    def add(
        self,
        level: Level,
        text: str,
        *,
        event_id: int | None = None,
        instance: str = "",
        name: str = "",
        strings: Sequence[str] = (),
        when: datetime | None = None,
    ) -> None:
        """Append a row."""
        with self._lock:
            self._number += 1
            row = EventRow(self._number, when or utc_now(), level, event_id, instance, text, name, tuple(strings))
            self._rows.append(row)

    def add_event(self, event: EngineEvent) -> None:
        """Append an event of the engine."""
        level = _LEVELS[min(2, max(0, int(event.severity)))]
        self.add(
            level,
            event.message,
            event_id=event.id,
            instance=event.instance,
            name=event.name,
            strings=event.strings,
            when=event.time,
        )

    def note(self, text: str, *, instance: str = "", level: Level = Level.INFO) -> None:
        """Append a line of the console itself."""
        self.add(level, text, instance=instance)

    def command(self, line: str, *, instance: str = "") -> None:
        """Append the command line that does what was just begun."""
        self.add(Level.COMMAND, line, instance=instance)

    def since(self, number: int) -> list[EventRow]:
        """Return the kept rows after row `number`."""
        with self._lock:
            skip = max(0, number - (self._number - len(self._rows)))
            return list(islice(self._rows, skip, None))


_TOKEN = re.compile(r"(id|level|instance):(\S*)")


class EventFilter:
    """What rows to show: words, `id:399`, `level:w`, `instance:dhcp`; a leading `!` shows all others."""

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._inverse = self.text.startswith("!")
        rest = self.text.removeprefix("!")
        self._ids: set[str] = set()
        self._levels: list[str] = []
        self._instances: list[str] = []
        for name, value in _TOKEN.findall(rest):
            if value and name == "id":
                self._ids.update(value.split(","))
            elif value and name == "level":
                self._levels.append(value.casefold())
            elif value:
                self._instances.append(value.casefold())
        self._words = _TOKEN.sub(" ", rest).casefold().split()

    def __bool__(self) -> bool:
        return bool(self.text)

    def fits(self, row: EventRow) -> bool:
        """Return whether a row is shown."""
        if not self.text:
            return True
        fits = True
        if self._ids:
            fits = str(row.event_id) in self._ids
        if fits and self._levels:
            fits = any(row.level.value.startswith(level) for level in self._levels)
        if fits and self._instances:
            fits = any(part in row.instance.casefold() for part in self._instances)
        if fits and self._words:
            said = f"{row.event_id or ''} {row.level.value} {row.instance} {row.text} {row.name}".casefold()
            fits = all(word in said for word in self._words)
        return fits is not self._inverse
