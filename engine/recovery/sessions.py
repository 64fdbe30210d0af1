"""Sessions, their transactions and the versions that undo needs, as the log tells of them.

A session is the slot number that records carry.  It is live from its first Begin0 after the place where replay
started; what earlier transactions of it still log is already in the pages.  A version is one change that can be
taken back; a session keeps its versions by (level, rceid), because UndoInfo records bring some of them late.

Source: log reference 2.3, 3.3, 3.4, 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.format.lr import Record
    from engine.redo.version import Version
    from engine.types import LgPos

_LEVEL_BITS = 4
_LEVEL_MASK = 0xF
_RCEID_HALF = 1 << 31
_RCEID_ALL = (1 << 32) - 1


@dataclass(slots=True)
class Session:
    """One session slot: level 0 means no transaction."""

    procid: int
    level: int = 0
    live: bool = False
    begin0: LgPos | None = None
    trx_begin0: int = 0
    macros: dict[int, list[Record]] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)
    deferred: set[int] = field(default_factory=set)
    """Changes whose before-image an UndoInfo record must still bring."""
    _nested: dict[int, list[Version]] = field(default_factory=dict)
    """Versions by level, of levels above 1: few at a time, where a transaction may have very many."""

    def keep(self, version: Version) -> None:
        """Take in a version."""
        self.versions[version.rceid] = version
        if version.level > 1:
            self._nested.setdefault(version.level, []).append(version)

    def above(self, level: int) -> list[Version]:
        """Return the versions of levels above `level`."""
        if not level:
            return list(self.versions.values())
        nested = [each for number, found in self._nested.items() if number > level for each in found]
        return [each for each in nested if self.versions.get(each.rceid) is each]

    def begin0_at(self, pos: LgPos, levels: int, trx: int) -> None:
        """Begin a transaction from level 0."""
        self.live = True
        self.level = levels >> _LEVEL_BITS
        self.begin0, self.trx_begin0 = pos, trx
        self.versions.clear()
        self._nested.clear()
        self.deferred.clear()

    def begin(self, levels: int) -> None:
        """Begin nested levels."""
        self.level = (levels & _LEVEL_MASK) + (levels >> _LEVEL_BITS)

    def commit(self, level: int) -> None:
        """Close levels down to `level`; their versions belong to it now, or are final at 0."""
        self.level = level
        if not level:
            self.end()
            return
        for number in [each for each in self._nested if each > level]:
            for version in self._nested.pop(number):
                version.level = level
                if level > 1:
                    self._nested.setdefault(level, []).append(version)

    def rollback(self, levels: int) -> None:
        """Close levels whose changes the Undo records before this have taken back."""
        lowest = max(0, self.level - levels)
        for version in self.above(lowest):
            del self.versions[version.rceid]
        for number in [each for each in self._nested if each > lowest]:
            del self._nested[number]
        self.level = lowest
        if not lowest:
            self.end()

    def end(self) -> None:
        """Forget the transaction."""
        self.level = 0
        self.begin0 = None
        self.versions.clear()
        self._nested.clear()
        self.deferred.clear()

    def of_level(self, level: int) -> list[Version]:
        """Return the versions of a level, newest first; ids may have wrapped around."""
        found = [each for each in self.versions.values() if each.level == level]
        if not found:
            return found
        pivot = found[0].rceid
        found.sort(key=lambda each: _distance(pivot, each.rceid), reverse=True)
        return found


def _distance(one: int, two: int) -> int:
    """Return how much later `two` is than `one`, in 32 bits that wrap around."""
    difference = (two - one) & _RCEID_ALL
    return difference - (_RCEID_ALL + 1) if difference >= _RCEID_HALF else difference
