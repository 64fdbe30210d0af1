"""The guided walk of the demonstration: full backup, work, incremental, cut off, recover, restore.

Each step is work on the real thing and says in a sentence what came of it.  `next` begins one in a thread; the console
does so when a key is pressed or, playing by itself, a while after the one before; without a console `play` goes through
all of them.
"""

from __future__ import annotations

import threading
import time
from itertools import count
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.check import Severity, check
from engine.errors import Err, EseError
from engine.instance.restore_set import restore_set
from engine.table import open_database
from esetui.jobs import JobKind, JobState
from esetui.load import LEDGER, ledger_gaps
from esetui.tui import words
from esetui.tui.model import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.monitor import Monitor
    from esetui.jobs import Job
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView

DATABASE: Final = "dhcp.mdb"
"""The database of the sample that the writers write to."""
RATE: Final = 60.0
BUSY_RATE: Final = 240.0
WORK_SECONDS: Final = 4.0
JOB_SECONDS: Final = 600.0


class Step(NamedTuple):
    """One step: what it is called, what it is about, and the work."""

    title: str
    about: str
    work: Callable[[Walk], str]


class Walk:
    """The walk over one instance; `key` is its key, `folder` where sets and restored databases go."""

    def __init__(self, control: Control, name: str, folder: str) -> None:
        self.control = control
        self.name = name
        self.folder = folder
        self.position = 0
        """Number of steps that were begun."""
        self.said = ""
        self.failed = False
        self.ended = 0.0
        """When the last step ended, by the monotonic clock; 0 before the first."""
        self._thread: threading.Thread | None = None
        self._set = ""
        self._committed = 0

    @property
    def over(self) -> bool:
        """Whether nothing comes next: all steps were done, or one has failed."""
        return self.done or self.failed

    def again(self) -> bool:
        """Begin with the first step again, once the walk is over."""
        if not self.over:
            return False
        self.position, self.failed = 0, False
        return self.next()

    @property
    def busy(self) -> bool:
        """Whether a step is being done."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def done(self) -> bool:
        """Whether all steps were done."""
        return self.position >= len(STEPS) and not self.busy

    @property
    def step(self) -> Step | None:
        """The step that was begun last."""
        return STEPS[self.position - 1] if self.position else None

    @property
    def following(self) -> Step | None:
        """The step that comes next."""
        return STEPS[self.position] if self.position < len(STEPS) else None

    def next(self) -> bool:
        """Begin the next step; False when one is being done, one has failed, or there is none."""
        if self.busy or self.failed or self.position >= len(STEPS):
            return False
        self.position += 1
        self.said = ""
        self._thread = threading.Thread(target=self._do, args=(STEPS[self.position - 1],), name="walk", daemon=True)
        self._thread.start()
        return True

    def play(self, tell: Callable[[str], object]) -> bool:
        """Do all steps, one after the other, telling each; False when one fails."""
        while self.next():
            step = self.step
            if step is not None:
                tell(f"{self.position} of {len(STEPS)}  {step.title}: {step.about}")
            if self._thread is not None:
                self._thread.join()
            tell(f"        {self.said}")
        return not self.failed

    def _do(self, step: Step) -> None:
        self.control.feed.note(f"walk {self.position} of {len(STEPS)}: {step.title}")
        try:
            self.said = step.work(self)
        except EseError as error:
            self.failed = True
            self.said = f"It did not work: {error}"
            self.control.feed.note(f"walk: {step.title}: {error}", level=Level.ERROR)
        self.ended = time.monotonic()

    # What the steps are made of.

    def view(self) -> InstanceView:
        """Return the instance as it was last seen; -1811 when it is gone."""
        self.control.rescan()
        found = next((each for each in self.control.overview.instances if each.name == self.name), None)
        if found is None:
            raise EseError.from_code(Err.FileNotFound, f"the instance {self.name} is gone")
        return found

    def finish(self, job: Job) -> str:
        """Wait for a job and return what it says; its error when it failed."""
        if job.thread is not None:
            job.thread.join(JOB_SECONDS)
        if job.state is not JobState.DONE:
            text = job.error.text if job.error is not None else job.state.value
            raise EseError.from_code(Err.InternalError, f"{job.kind.value}: {text}")
        return job.summary

    def start(self) -> str:
        """Start the instance and set writers to work."""
        view = self.view()
        if not self.control.is_running(view.key):
            self.finish(self.control.start(view))
        self.control.activity.set_to_work(view.key, RATE)
        return f"{view.name} runs; four sessions write {RATE:.0f} transactions a second."

    def full(self) -> str:
        """Make a full backup among the writers."""
        fs = self.control.fs
        places = (str(PurePath(self.folder, f"walk-{number}")) for number in count(1))
        self._set = next(each for each in places if fs.stat(each) is None)
        fs.make_directory(self._set, parents=True)
        return self.finish(self.control.backup(self.view(), JobKind.FULL, self._set))

    def work(self) -> str:
        """Let the writers work harder for a while."""
        key = self.view().key
        before = self.control.activity.counts(key).committed
        self.control.activity.change_rate(key, BUSY_RATE / RATE)
        time.sleep(WORK_SECONDS)
        self.control.activity.change_rate(key, RATE / BUSY_RATE)
        counts = self.control.activity.counts(key)
        if counts.error is not None:
            raise counts.error
        after = counts.committed
        return f"{words.plural(after - before, 'transaction')} more; none of them is in the backup yet."

    def incremental(self) -> str:
        """Add the logs to the set."""
        return self.finish(self.control.backup(self.view(), JobKind.INCREMENTAL, self._set))

    def cut_off(self) -> str:
        """End the run as a power failure would."""
        key = self.view().key
        self.finish(self.control.kill(key))
        self._committed = self.control.activity.counts(key).committed
        return f"Gone in mid-work; {words.count(self._committed)} transactions were acknowledged."

    def recover(self) -> str:
        """Start again: the log is replayed."""
        view = self.view()
        self.finish(self.control.start(view))
        self.finish(self.control.stop(self.view()))
        there = self._count(next((each.path for each in view.databases if each.name == DATABASE), view.folder))
        if there < self._committed:
            raise EseError.from_code(Err.InternalError, f"{there} of {self._committed} transactions are there")
        return f"All {words.count(self._committed)} are there, nothing half, no gap."

    def restore(self) -> str:
        """Restore the set elsewhere, and check it."""
        to = f"{self._set}-restored"

        def work(monitor: Monitor) -> str:
            restore_set(self._set, to=to, monitor=monitor, on_event=self.control.feed.add_event)
            return f"{to} is restored."

        self.finish(self.control.submit(JobKind.RESTORE, work, self.view(), subject=self._set, target=to))
        restored = str(PurePath(to, DATABASE))
        there = self._count(restored)
        errors = sum(each.severity is Severity.ERROR for each in check(restored))
        if errors:
            raise EseError.from_code(Err.DatabaseCorrupted, f"{errors} findings in the restored database")
        return f"{words.count(there)} transactions as of the incremental backup; no gap, no damage."

    @staticmethod
    def _count(path: str) -> int:
        """Return how many numbered transactions a database has; -1206 for a gap."""
        with open_database(path, strict=True) as database:
            pairs = database[LEDGER].values(["Writer", "Number"])
            found = ledger_gaps((int(str(writer)), int(str(number))) for writer, number in pairs)
        for writer, (rows, highest) in found.items():
            if rows != highest:
                raise EseError.from_code(Err.DatabaseCorrupted, f"writer {writer}: {rows} of {highest}", path=path)
        return sum(rows for rows, _ in found.values())


STEPS: Final = (
    Step("Start", "start the instance and set four writers to work", Walk.start),
    Step("Full backup", "copy and verify every page while they write", Walk.full),
    Step("Work", "more transactions, which only the log knows", Walk.work),
    Step("Incremental backup", "add the logs since then to the set", Walk.incremental),
    Step("Cut off", "the power fails in the middle of it", Walk.cut_off),
    Step("Recover", "replay the log, undo what was not committed", Walk.recover),
    Step("Restore", "bring the set back elsewhere, and check it", Walk.restore),
)
