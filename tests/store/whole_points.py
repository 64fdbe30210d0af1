"""The power fails in the middle of things: the disk as it is before one of the next operations on it, recovered beside.

Whatever is going on then, a commit, a split, a backup, an end, a recovery: what is found has everything that was to
survive by then, and nothing that came later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from engine.files.fault import FaultFileSystem
from tests.store.conftest import PATH, Live
from tests.store.whole_base import POLICIES, Base, contents
from tests.store.whole_busy import THINGS
from tests.store.whole_state import shown

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.files.crash import CrashFileSystem, CrashPolicy
    from tests.store.whole_model import Model

CHANGES: Final = frozenset(
    ("create", "write", "truncate", "preallocate", "fsync", "fsync-dir", "rename", "unlink", "mkdir", "rmdir")
)
"""Before any other operation the disk is as it was before the last of these."""


@dataclass
class Point:
    """A disk after a crash, and of the states of the model then the first that it may have."""

    disk: CrashFileSystem
    policy: CrashPolicy
    model: Model
    first: int


class Points(Base):
    """Crashes that the instance at work does not know of."""

    things: ClassVar[dict[str, tuple[int, tuple[str, ...]]]] = THINGS | {"expect": (3, ("after", "policy", "seed"))}

    def __init__(self) -> None:
        self.until = 0
        self.chosen: CrashPolicy | None = None
        self.seed = 0
        self.points: list[Point] = []
        super().__init__()

    def file_system(self, disk: CrashFileSystem) -> FileSystem:
        def look(op: str, _: str) -> bool:
            self._look(disk, op)
            return True

        return FaultFileSystem(disk, select=look)

    @rule(after=st.integers(0, 30) | st.integers(0, 400), policy=POLICIES, seed=st.integers(0, 1 << 16))
    def expect(self, after: int, policy: CrashPolicy, seed: int) -> None:
        """Have the disk kept before an operation that is to come."""
        self.until, self.chosen, self.seed = after, policy, seed

    def _look(self, disk: CrashFileSystem, op: str) -> None:
        if self.chosen is None or op not in CHANGES:
            return
        if self.until:
            self.until -= 1
            return
        after = disk.crash(self.chosen, self.seed)
        self.points.append(Point(after, self.chosen, self.model, self.model.durable))
        self.chosen = None

    @invariant()
    def nothing_waits(self) -> None:
        self.after_each()

    def after_each(self) -> None:
        """Judge the crashes in the middle of what was just done: it is known now which state it was to lead to."""
        points, self.points = self.points, []
        for point in points:
            self._judge(point)

    def _judge(self, point: Point) -> None:
        """Recover, end clean, look."""
        live = Live(point.disk, None, self.page_size, self.desk.live.settings, clock=self.desk.live.clock)
        try:
            live.end()
        finally:
            live.instance.abandon()
        self.judge(PATH, point.disk)
        possible = point.model.states[point.first :]
        found = contents(PATH, point.disk)
        assert found in map(shown, possible), f"{point.policy.name}: none of {len(possible)} states"
