"""The event log: typed events of the engine with their real numbers.

    instance log --+--> its ring, its subscribers, logging.getLogger("ese")
                   +--> `events`, the log of the whole process

An event's fields are data; `Event.message` makes the text.  The ring is bounded, so a long run forgets its oldest
events.  Reporting never waits: subscribers are called on the reporting thread and should only take a note.

Source: jet-api reference 1.11, 5 and 6.5.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from engine.errors import Err, EseError, printable
from engine.event_table import CATEGORY_NAMES, EVENTS, EventKind, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

__all__ = ["CATEGORY_NAMES", "EVENTS", "Event", "EventFilter", "EventKind", "EventLog", "Severity", "events"]

DEFAULT_CAPACITY = 10_000
"""Events a log keeps."""

_logger = logging.getLogger("ese")
_logger.addHandler(logging.NullHandler())  # a program that sets up no logging gets no lines on its terminal
_LOGGING_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}
_PLACEHOLDER = re.compile(r"%(\d+)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event.  `strings` are those from %4 on; `time` is aware UTC; `level` as in JET_paramEventLoggingLevel."""

    id: int
    name: str
    severity: Severity
    category: int
    time: datetime
    source: str
    pid: int
    instance: str
    strings: tuple[str, ...]
    level: int = 1

    @property
    def all_strings(self) -> tuple[str, ...]:
        """The strings as the system's event log has them: %1 source, %2 process id, %3 instance, then the rest."""
        return (self.source, str(self.pid), f"{self.instance}: " if self.instance else "", *self.strings)

    @property
    def message(self) -> str:
        """The text with the strings filled in, control characters escaped."""
        kind = EVENTS.get(self.id)
        if kind is None:
            return printable(" ".join((self.name, *self.strings)))
        strings = self.all_strings

        def string(match: re.Match[str]) -> str:
            number = int(match[1])
            return strings[number - 1] if 0 < number <= len(strings) else "?"

        return printable(_PLACEHOLDER.sub(string, kind.text))

    @property
    def named_strings(self) -> dict[str, str]:
        """The strings from %4 on by name, as far as the table names them; a repeated name gets a number."""
        kind = EVENTS.get(self.id)
        named: dict[str, str] = {}
        for index, value in enumerate(self.strings):
            name = kind.fields[index] if kind is not None and index < len(kind.fields) else f"string {index + 4}"
            named[name if name not in named else f"{name} {index + 4}"] = value
        return named


class EventFilter(Protocol):
    """What decides whether an event is reported; the parameters of an instance are one."""

    @property
    def no_information_event(self) -> bool:
        """JET_paramNoInformationEvent: hide information events."""

    @property
    def event_logging_level(self) -> int:
        """JET_paramEventLoggingLevel: 0 hides all, else the highest level that is shown."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _program_name() -> str:
    name = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - a word of the command line
    return name or "python"


class EventLog:
    """A bounded log of events, oldest first; safe to use from any thread.

    `source` defaults to the program's name; `settings` filters (R48).  What passes also goes to `events`, the log
    of the process, unless `shared` is false.
    """

    def __init__(
        self,
        *,
        source: str = "",
        instance: str = "",
        settings: EventFilter | None = None,
        now: Callable[[], datetime] = _utc_now,
        capacity: int = DEFAULT_CAPACITY,
        shared: bool = True,
    ) -> None:
        self.source = source
        self.instance = instance
        self.settings = settings
        self._now = now
        self._parent: EventLog | None = events if shared else None
        self._ring: deque[Event] = deque(maxlen=capacity)
        self._total = 0
        self._handlers: list[Callable[[Event], object]] = []
        self._lock = threading.Lock()

    def report(
        self, event_id: int, *strings: object, category: int | None = None, severity: Severity | None = None
    ) -> Event | None:
        """Report an event with its strings from %4 on; return it, or None when the settings hide it.

        `category` and `severity` are for events that have a choice of them.  A number that is not in the table is
        -1003.
        """
        kind = EVENTS.get(event_id)
        if kind is None:
            raise EseError.from_code(Err.InvalidParameter, f"no event {event_id}")
        event = Event(
            id=event_id,
            name=kind.symbol,
            severity=kind.severity if severity is None else severity,
            category=kind.categories[0] if category is None else category,
            time=self._now(),
            source=self.source or _program_name(),
            pid=os.getpid(),
            instance=self.instance,
            strings=tuple(map(str, strings)),
            level=kind.level,
        )
        if self._hidden(event):
            return None
        self.add(event)
        _logger.log(_LOGGING_LEVELS[event.severity], "%s", event.message, extra={"event_id": event.id, "event": event})
        return event

    def add(self, event: Event) -> None:
        """Take in an event made elsewhere: keep it, tell the subscribers and the log of the process."""
        with self._lock:
            self._ring.append(event)
            self._total += 1
            handlers = tuple(self._handlers)
        for handler in handlers:
            try:
                handler(event)
            except Exception:
                _logger.exception("a subscriber of the event log failed")
        if self._parent is not None:
            self._parent.add(event)

    def __iter__(self) -> Iterator[Event]:
        """Return the events kept now, oldest first."""
        with self._lock:
            return iter(tuple(self._ring))

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def total(self) -> int:
        """Events ever taken in, forgotten ones included; what `tail` counts by."""
        return self._total

    def tail(self, after: int) -> tuple[int, list[Event]]:
        """Return (total, the events kept that came after the first `after`), for a screen that polls."""
        with self._lock:
            wanted = max(0, self._total - after)
            newest = list(islice(reversed(self._ring), wanted))
            total = self._total
        newest.reverse()
        return total, newest

    def query(
        self,
        *,
        ids: Container[int] | None = None,
        min_severity: Severity = Severity.INFO,
        since: datetime | None = None,
    ) -> list[Event]:
        """Return the events kept that fit, oldest first; `since` is an aware time, included."""
        return [
            event
            for event in self
            if (ids is None or event.id in ids)
            and event.severity >= min_severity
            and (since is None or event.time >= since)
        ]

    def subscribe(self, handler: Callable[[Event], object]) -> Callable[[], None]:
        """Call `handler` with each new event, on the reporting thread; return what ends that (idempotent).

        What a handler raises goes to `logging` and nowhere else.
        """
        with self._lock:
            self._handlers.append(handler)
        ended = False

        def unsubscribe() -> None:
            nonlocal ended
            with self._lock:
                if not ended:
                    ended = True
                    self._handlers.remove(handler)

        return unsubscribe

    def clear(self) -> None:
        """Forget the events kept; subscribers and the total stay."""
        with self._lock:
            self._ring.clear()

    def _hidden(self, event: Event) -> bool:
        settings = self.settings
        if settings is None:
            return False
        if settings.event_logging_level < event.level:
            return True
        return event.severity is Severity.INFO and settings.no_information_event


events = EventLog(shared=False)
"""The log of the process: what every instance reports."""
