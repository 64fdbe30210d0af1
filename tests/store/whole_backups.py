"""Backups while sessions work, in one call or piece by piece, and what their sets restore to.

What is committed when the log is rolled for a set is what the set restores to, neither more nor less; with the live
logs beside it a set restores to what the instance would recover to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from engine.env import Environment
from engine.errors import Err
from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.instance import Instance
from tests.store.conftest import FOLDER, PATH
from tests.store.desk import code_of
from tests.store.whole_base import contents
from tests.store.whole_busy import SEEDS, Busy
from tests.store.whole_state import State, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.backup.external import BackupFile


@dataclass
class Kept:
    """A set in its folder, and the states to which it may restore."""

    folder: str
    possible: list[State]
    atomic: bool = False


class Backups(Busy):
    """Sets made and restored.

    `base` is the set that incremental backups go to: the last full one after which logs were deleted.  Without that
    it is a copy, which no incremental one can follow.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Kept] = []
        self.base: Kept | None = None
        self.folders = 0
        self.stream: Iterator[None] | None = None

    def new_folder(self) -> str:
        self.folders += 1
        folder = f"/b/{self.folders}"
        disk = self.desk.disk
        disk.make_directory(folder, parents=True)
        for above in ("/", "/b"):
            disk.fsync_directory(above)
        return folder

    @rule(seed=SEEDS, count=st.integers(0, 20), atomic=st.booleans())
    def back_up(self, seed: int, count: int, atomic: bool) -> None:  # noqa: FBT001 - a drawn value
        """Make a full backup in one call, with work between its steps."""
        kept = Kept(self.new_folder(), [], atomic)
        if self._back_up(kept, seed, count):
            self.kept.append(kept)
            self.base = kept

    @rule(seed=SEEDS, count=st.integers(0, 20))
    def back_up_more(self, seed: int, count: int) -> None:
        """Add the logs since then to the last full set."""
        self._back_up(self.base or Kept(self.new_folder(), []), seed, count, incremental=True)

    def _back_up(self, kept: Kept, seed: int, count: int, *, incremental: bool = False) -> bool:
        """Back up; return whether it was made, and not refused for another that is running."""
        before, turn = len(self.model.states) - 1, 0

        def working(_: Any) -> None:
            nonlocal turn
            turn += 1
            if turn <= count:
                self.burst(seed + turn, 3)

        code = code_of(
            lambda: self.desk.live.instance.backup(
                kept.folder, incremental=incremental, atomic=kept.atomic, progress=working
            )
        )
        missing = incremental and self.base is None
        expected = Err.BackupInProgress if self.stream is not None else Err.MissingFullBackup if missing else 0
        assert code == expected
        if not code:
            kept.possible = self.model.states[before:]
            # Whatever the set may have must be durable: it is not ahead of the instance.
            self.model.durable = max(self.model.durable, before)
        return not code

    @rule(incremental=st.booleans(), truncate=st.booleans())
    @precondition(lambda self: self.stream is None)
    def begin_streaming(self, incremental: bool, truncate: bool) -> None:  # noqa: FBT001 - a drawn value
        """Begin a backup that is read piece by piece."""
        kept = self.base if incremental else Kept(self.new_folder(), [])
        if kept is None:
            backup = self.desk.live.instance.begin_external_backup
            assert code_of(lambda: backup(incremental=True)) == Err.MissingFullBackup
        elif not kept.atomic:
            self.stream = self._streamed(kept, incremental=incremental, truncate=truncate)
            next(self.stream)

    @rule(count=st.sampled_from((1, 3, 10, 100)))
    @precondition(lambda self: self.stream is not None)
    def go_on_streaming(self, count: int) -> None:
        """Read some pieces more; with the last one the set is there."""
        for _ in range(count):
            if self.stream is not None and next(self.stream, self) is self:
                self.stream = None

    def _streamed(self, kept: Kept, *, incremental: bool, truncate: bool) -> Iterator[None]:
        """Back up; between the pieces others do what they like."""
        with self.desk.live.instance.begin_external_backup(incremental=incremental) as backup:
            yield
            for path in () if incremental else backup.attached():
                with backup.open(path) as file:
                    yield from self._copied(file, kept.folder)
            paths = backup.logs().paths
            place = len(self.model.states) - 1
            state, self.model.durable = self.model.states[place], max(self.model.durable, place)
            for path in paths:
                with backup.open(path) as file:
                    yield from self._copied(file, kept.folder)
            self.desk.disk.fsync_directory(kept.folder)
            if truncate:
                backup.truncate()
            backup.end()
        kept.possible = [state]
        if not incremental:
            self.kept.append(kept)
            self.base = kept if truncate else self.base

    def _copied(self, file: BackupFile, folder: str) -> Iterator[None]:
        at, name = 0, f"{folder}/{file.path.rpartition('/')[2]}"
        # A log that is not whole must not be taken for one of the set before.
        with self.desk.disk.open(name + ".part", OpenMode.CREATE) as copy:
            while piece := file.read(8 * self.page_size):
                copy.write_at(at, piece)
                at += len(piece)
                yield
            copy.fsync()
        self.desk.disk.rename(name + ".part", name)

    @rule(which=st.integers(0, 3), forward=st.booleans())
    @precondition(lambda self: self.kept)
    def restore(self, which: int, forward: bool) -> None:  # noqa: FBT001 - a drawn value
        """Restore a set elsewhere; `forward`: with the live logs beside it, as a killed process leaves them."""
        forward = forward and self.base is not None
        kept = self.base if forward and self.base is not None else self.kept[which % len(self.kept)]
        possible = self.model.states[self.model.durable :] if forward else kept.possible
        killed, disk = self.desk.disk.crash(CrashPolicy.KEEP_ALL), CrashFileSystem()
        disk.load(kept.folder, kept.folder, source=killed)
        disk.make_directory("/r/logs", parents=True)
        for each in killed.list(FOLDER) if forward else ():
            if each.name.endswith(".log"):
                with (
                    killed.open(f"{FOLDER}/{each.name}") as log,
                    disk.open(f"/r/logs/{each.name}", OpenMode.CREATE) as to,
                ):
                    to.write_at(0, log.read_at(0, log.size()))
        world = Environment(fs=disk, now=self.desk.live.clock, background=False)
        other = Instance("restore", env=world, path="/r/logs", page_size=self.page_size, log_file_size=64)
        try:
            other.restore(kept.folder, "/r")
        finally:
            # Its name is free again at once, not when the garbage collector comes.
            other.abandon()
        path = f"/r/{PATH.rpartition('/')[2]}"
        self.judge(path, disk)
        assert contents(path, disk) in map(shown, possible), f"none of {len(possible)} states"

    def leave(self) -> None:
        if self.stream is not None:
            self.stream.close()  # type: ignore[attr-defined] # a generator
            self.stream = None

    def teardown(self) -> None:
        for which in range(len(self.kept)):
            self.restore(which, False)
        super().teardown()
