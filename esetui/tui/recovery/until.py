"""A stop point as a person types it: a generation, a position or a time; and all that a recovery is told.

1F                      through generation 1F, in hexadecimal as the names of logs have it
1F:12:0                 through the record there
2026-11-28 13:35        through what was written by then; in the local zone unless it names another
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.errors import EseError
from engine.recovery.stop import Lose, StopPoint
from engine.types import LgPos
from esetui.actions import quote

_GENERATION: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,7}")
_POSITION: Final = re.compile(r"([0-9a-fA-F]{1,8}):([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a recovery is wanted: to where, and what it may lose."""

    stop: StopPoint | None = None
    lose: Lose = Lose.NOTHING

    @property
    def options(self) -> str:
        """The options that say the same to a command, with a space before each."""
        loss = (
            "" if not self.lose else " --accept-loss damaged" if self.lose & Lose.DAMAGED else " --accept-loss missing"
        )
        return until_option(self.stop) + loss


def parse_until(text: str) -> tuple[StopPoint | None, str]:
    """Return the stop point, or why there is none; nothing typed is no stop and no problem."""
    text = text.strip()
    if not text:
        return None, ""
    try:
        if _GENERATION.fullmatch(text):
            return StopPoint(generation=int(text, 16)), ""
        found = _POSITION.fullmatch(text)
        if found is not None:
            return StopPoint(position=LgPos(*(int(each, 16) for each in found.groups()))), ""
        when = datetime.fromisoformat(text)
    except EseError as error:
        return None, error.message
    except ValueError:
        return None, f"{text} is no generation (1F), no position (1F:12:0) and no time (2026-11-28 13:35)"
    return StopPoint(time=when if when.tzinfo is not None else when.astimezone()), ""


def until_option(stop: StopPoint | None) -> str:
    """Return the option that says the same to a command, with a space before it."""
    if stop is None:
        return ""
    if stop.generation is not None:
        return f" --until-generation {stop.generation:X}"
    if stop.position is not None:
        position = stop.position
        return f" --until-position {position.generation:X}:{position.segment:X}:{position.offset:X}"
    return f" --until-time {quote(stop.time.isoformat(timespec='seconds'))}" if stop.time is not None else ""
