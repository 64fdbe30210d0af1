"""What recovery did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import Wrn
from engine.types import LGPOS_MIN, LgPos, LogTime


class Loss(NamedTuple):
    """Finished work that a database lost on request: that of the generations `first` to `last`."""

    path: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """Result of init: whether anything had to be replayed, which generations, which databases became clean.

    `started` is where the replay began and `ended` the position of the RecoveryQuit2 record.  The databases stand at
    `stands`, the last record that was replayed, whose segment was begun at `stands_time`: they hold what was committed
    up to there, and nothing else.
    """

    needed: bool = False
    replayed: range = range(0)
    databases: tuple[str, ...] = ()
    started: LgPos = LGPOS_MIN
    ended: LgPos = LGPOS_MIN
    stands: LgPos = LGPOS_MIN
    stands_time: LogTime = field(default_factory=LogTime)
    undone_transactions: int = 0
    undone_changes: int = 0
    set_aside: tuple[str, ...] = ()
    """Where the logs are now that were behind a stop point, or could not be used."""
    lost: tuple[Loss, ...] = ()

    @property
    def warning(self) -> int:
        """The warning of JetInit: 585 when finished work was lost, 587 when logs were put away for it, 0 otherwise."""
        if not self.lost:
            return 0
        return int(Wrn.CommittedLogFilesRemoved if self.set_aside else Wrn.CommittedLogFilesLost)
