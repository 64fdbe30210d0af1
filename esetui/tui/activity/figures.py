"""Figures of running instances over time, and the writers that the demonstration sets to work on them.

Nothing here draws.  Figures are taken when a screen asks, at most every SAMPLE_SECONDS, and kept for its charts.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from esetui.load import Load, LoadCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.instance import Instance
    from engine.instance.statistics import StoreStatistics

SAMPLE_SECONDS: Final = 0.5
KEPT: Final = 240
"""Samples that are kept for a chart: two minutes."""
WRITERS: Final = 4
FIRST_RATE: Final = 50.0
LEAST_RATE, MOST_RATE = 3.125, 1600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at an instance.  Rates are a second, since the sample before."""

    taken: float
    store: StoreStatistics
    committed: int
    transactions: float
    log_rate: float


class Activity:
    """Figures and writers by the key of their instance.  `instance_of` gives a running one, or None."""

    def __init__(self, instance_of: Callable[[str], Instance | None]) -> None:
        self._instance_of = instance_of
        self._samples: dict[str, deque[Sample]] = {}
        self._loads: dict[str, Load] = {}

    # Figures.

    def look(self, key: str) -> tuple[Sample, ...]:
        """Return the samples of an instance, oldest first, with a new one when it is time; none when it is not up."""
        instance = self._instance_of(key)
        if instance is None:
            self._samples.pop(key, None)
            return ()
        samples = self._samples.setdefault(key, deque(maxlen=KEPT))
        now = time.monotonic()
        if not samples or now - samples[-1].taken >= SAMPLE_SECONDS:
            # An instance that is being stopped has no figures any more.
            with suppress(EseError):
                samples.append(self._sample(key, instance, samples[-1] if samples else None, now))
        return tuple(samples)

    def _sample(self, key: str, instance: Instance, before: Sample | None, now: float) -> Sample:
        store = instance.statistics()
        committed = self.counts(key).committed
        if before is None:
            return Sample(now, store, committed, 0.0, 0.0)
        seconds = max(now - before.taken, SAMPLE_SECONDS / 2)
        return Sample(
            now,
            store,
            committed,
            max(0, committed - before.committed) / seconds,
            max(0, store.log_bytes - before.store.log_bytes) / seconds,
        )

    # Writers.

    def working(self, key: str) -> bool:
        """Whether writers are at work on an instance."""
        load = self._loads.get(key)
        return load is not None and load.running

    def rate(self, key: str) -> float:
        """Return the transactions a second that are wanted; 0 without writers."""
        load = self._loads.get(key)
        return load.rate if load is not None and load.running else 0.0

    def counts(self, key: str) -> LoadCounts:
        """Return what the writers have done since they were set to work."""
        load = self._loads.get(key)
        return LoadCounts(0, 0, None) if load is None else load.counts()

    def set_to_work(self, key: str, rate: float = FIRST_RATE) -> None:
        """Set writers to work on the first database of an instance.  -1029 when it is not up, -1203 without one."""
        instance = self._instance_of(key)
        if instance is None:
            raise EseError.from_code(Err.NotInitialized, "the instance is not running")
        written = [each.path for each in instance.databases() if each.logged and not each.read_only]
        if not written:
            raise EseError.from_code(Err.DatabaseNotFound, "no database is attached for writing")
        self.stop(key)
        load = Load(instance, written[0], writers=WRITERS, rate=rate)
        load.start()
        self._loads[key] = load

    def change_rate(self, key: str, factor: float) -> float:
        """Change how much is done; below the least the writers rest.  Returns transactions a second."""
        load = self._loads.get(key)
        if load is None or not load.running:
            if factor > 1:
                self.set_to_work(key)
            return self.rate(key)
        wanted = load.rate * factor if load.rate else LEAST_RATE if factor > 1 else 0.0
        load.rate = 0.0 if wanted < LEAST_RATE else min(MOST_RATE, wanted)
        return load.rate

    def stop(self, key: str) -> None:
        """Let the writers end their transactions; idempotent."""
        load = self._loads.get(key)
        if load is not None:
            load.stop()

    def close(self) -> None:
        """Stop all writers."""
        for key in list(self._loads):
            self.stop(key)
