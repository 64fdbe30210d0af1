"""What the screens show: small immutable values, filled from the engine by `gather` and read by the panes.

Nothing here knows the engine or the terminal.  A state is a word; colour is chosen from the word, never
the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum


class State(Enum):
    """State of an instance or a database in one word.  The order is from worst to best."""

    DAMAGED = "damaged"
    UNREACHABLE = "unreachable"
    DIRTY = "dirty"
    LOCKED = "locked"
    UNKNOWN = "unknown"
    RUNNING = "running"
    CLEAN = "clean"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(State).index(self)

    @property
    def wrong(self) -> bool:
        """Whether a person should look at it."""
        return self.rank < State.LOCKED.rank


class Verdict(Enum):
    """What is known about restoring from a set."""

    VERIFIED = "verified"
    NEVER = "never verified"
    BROKEN = "broken"
    UNFINISHED = "half-made"
    UNSEEN = "set not in view"
    NONE = "no backup"


class Tone(Enum):
    """How a text is coloured; the text itself says the same in words."""

    PLAIN = "plain"
    MUTED = "muted"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Field:
    """One line of details: a label and a value in words."""

    label: str
    value: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Section:
    """A titled group of details."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class LogStrip:
    """Generations from the oldest to the current one, for the strip of cells.

    `required_low` .. `required_high` are what recovery needs; `checkpoint` is where it would begin; 0 means none.
    """

    low: int = 0
    high: int = 0
    missing: tuple[int, ...] = ()
    required_low: int = 0
    required_high: int = 0
    checkpoint: int = 0

    @property
    def present(self) -> int:
        """Number of generations on disk."""
        return max(0, self.high - self.low + 1 - len(self.missing)) if self.high else 0


@dataclass(frozen=True, slots=True)
class BackupMark:
    """Last backup of a kind, as the database headers and the sets in view tell it."""

    when: datetime | None = None
    gen_low: int = 0
    gen_high: int = 0
    verdict: Verdict = Verdict.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """One database of an instance."""

    key: str
    name: str
    path: str
    state: State
    size: int = 0
    page_size: int = 0
    problem: str = ""
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance: a log stream and its databases."""

    key: str
    name: str
    base_name: str
    folder: str
    state: State
    databases: tuple[DatabaseView, ...] = ()
    logs: LogStrip = LogStrip()
    last_full: BackupMark = BackupMark()
    last_incremental: BackupMark = BackupMark()
    started: bool = False
    findings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all databases."""
        return sum(each.size for each in self.databases)


@dataclass(frozen=True, slots=True)
class SetView:
    """One backup set, or one incremental part of a set, in the order of its chain."""

    key: str
    path: str
    kind: str
    """"full" or "inc"."""
    when: datetime | None
    verdict: Verdict
    reason: str = ""
    depth: int = 0
    """0 for a full backup, 1 for what builds upon it."""
    last: bool = True
    """Last of its chain."""
    size: int = 0
    gen_low: int = 0
    gen_high: int = 0
    databases: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


class FolderState(Enum):
    """What a watched backup directory is."""

    PRESENT = "present"
    EMPTY = "empty"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class BackupFolderView:
    """A watched backup directory."""

    path: str
    state: FolderState
    sets: tuple[SetView, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that a scan found.  `taken` is None before the first scan has finished."""

    instances: tuple[InstanceView, ...] = ()
    folders: tuple[BackupFolderView, ...] = ()
    taken: datetime | None = None
    problems: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def instance(self, key: str) -> InstanceView | None:
        """Return the instance with this key."""
        return next((each for each in self.instances if each.key == key), None)

    @property
    def worst(self) -> InstanceView | None:
        """The instance in the worst state, by its own word and those of its databases."""
        return min(self.instances, key=lambda each: worst_state(each).rank, default=None)


def worst_state(instance: InstanceView) -> State:
    """Return the worst word of an instance and its databases."""
    return min((instance.state, *(each.state for each in instance.databases)), key=lambda each: each.rank)


class Level(Enum):
    """Severity of an event row: a word and a sign that differ in shape, not only in colour."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the event log.  `number` grows by one for each row."""

    number: int
    when: datetime
    level: Level
    event_id: int | None
    instance: str
    text: str
    name: str = ""
    strings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """Part of a plan in numbers: files and bytes."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class PlanView:
    """What an operation will read, write and delete, shown before it is started."""

    read: Amount = Amount()
    written: Amount = Amount()
    deleted: Amount = Amount()
    lines: tuple[Field, ...] = ()
    logs: LogStrip = LogStrip()
    copied: tuple[int, int] = (0, 0)
    """First and last generation that is copied."""
    removed: tuple[int, int] = (0, 0)
    """First and last generation that is deleted afterwards."""
    problem: str = ""
    """Why it cannot be started; empty when it can."""


EMPTY = Overview()


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Choice:
    """What has the focus: at most one of each, the narrower ones first."""

    instance: InstanceView | None = None
    database: DatabaseView | None = None
    backup_set: SetView | None = None
    event: EventRow | None = None
    folder: str = ""
    extra: tuple[Section, ...] = field(default_factory=tuple)
