"""What an action is: its name, keys, help, where it makes sense, and what it may change.

The table of them is in `esetui.actions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """What must have the focus for an action to make sense."""

    GLOBAL = "anywhere"
    INSTANCE = "an instance"
    RUNNING = "a running instance"
    DATABASE = "a database"
    BACKUPS = "the backup directory"
    BACKUP_SET = "a backup set"
    EVENTS = "the event log"
    JOB = "a running job"
    DAMAGED = "a database with damaged pages"
    BROWSE = "the browser"
    PLAN = "the recovery plan"
    RESTORE = "a restore"
    CHECK = "an integrity check"
    ACTIVITY = "the activity of an instance"
    WALK = "the guided walk"


class Safety(Enum):
    """What an action may change."""

    READS = "reads only"
    WRITES = "writes"
    DELETES = "deletes"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    `keys` are names as Textual spells them (`question_mark`, `ctrl+p`); the first is the one that is shown.
    `priority` orders the footer, smallest first; None keeps an action out of the footer.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    help: str
    where: tuple[Scope, ...]
    command: str | None = None
    safety: Safety = Safety.READS
    priority: int | None = None

    @property
    def key(self) -> str:
        """The key that is shown first, as Textual spells it; empty when the action has none."""
        return self.keys[0] if self.keys else ""

    @property
    def shown_keys(self) -> str:
        """All keys as a person reads them, separated by commas."""
        return ", ".join(show_key(key) for key in self.keys)


_SHOWN = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "minus": "-",
}


def show_key(key: str) -> str:
    """Return a Textual key name as a person reads it."""
    return _SHOWN.get(key, key)
