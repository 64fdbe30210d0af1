"""What recovery did."""

from __future__ import annotations

from dataclasses import dataclass

from engine.types import LGPOS_MIN, LgPos


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """Result of init: whether anything had to be replayed, which generations, which databases became clean.

    `started` is where the replay began and `ended` the position of the RecoveryQuit2 record.
    """

    needed: bool = False
    replayed: range = range(0)
    databases: tuple[str, ...] = ()
    started: LgPos = LGPOS_MIN
    ended: LgPos = LGPOS_MIN
