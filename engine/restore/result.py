"""What a restore did."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.recovery.result import RecoveryResult
from engine.types import LGPOS_MIN, LgPos


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """Result of a restore.

    `databases` leads from what the log calls each database to where it is now.  `replayed` are the generations that
    were read, `from_set` how far the set reached; `ended` is the position up to which the databases are consistent.
    """

    set_folder: str
    databases: dict[str, str]
    replayed: range
    from_set: range
    started: LgPos = LGPOS_MIN
    ended: LgPos = LGPOS_MIN
    recovery: RecoveryResult = field(default_factory=RecoveryResult)
    """What the recovery behind the copying did: where the databases stand, what was undone, what was put away."""
