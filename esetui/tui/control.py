"""What the console does: instances started and stopped, backups and verifications run, the disk looked at again.

Nothing here draws.  Work runs in the threads of the job board; a screen asks for `scan`, `board.snapshot()` and
what is new in `feed`, as often as it likes, and nothing waits for it.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from engine.backup.plan import plan_backup, source_of_host
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.types import TermOptions
from esetui import service
from esetui.actions import BY_ID, command_line
from esetui.config import Config
from esetui.jobs import JobBoard, JobKind
from esetui.tui import words
from esetui.tui.activity.figures import Activity
from esetui.tui.damage import Damage
from esetui.tui.feed import EventFeed
from esetui.tui.gather import Scan, scan
from esetui.tui.model import Amount, Field, InstanceView, Level, Overview, PlanView, State, Tone
from esetui.tui.page_names import PageNames
from esetui.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.backup.plan import BackupPlan
    from engine.backup.result import BackupResult
    from engine.discover import FoundInstance
    from engine.files.base import FileSystem
    from engine.instance import Instance
    from engine.monitor import Monitor
    from engine.verify import VerifyReport
    from esetui.jobs import Job
    from esetui.tui.activity.walk import Walk

_KINDS = {
    JobKind.FULL: "backup_full",
    JobKind.INCREMENTAL: "backup_incremental",
    JobKind.ATOMIC: "backup_atomic",
}
_DAMAGE_CODES = frozenset(
    (Err.ReadVerifyFailure, Err.ReadPgnoVerifyFailure, Err.ReadLostFlushVerifyFailure, Err.LogReadVerifyFailure)
)
"""Errors that say of a file that it is damaged."""
_FINDINGS_IN_FEED = 200
"""Findings of one verification that become rows of the event log; the rest is counted."""


class Control:
    """Everything behind the screens."""

    def __init__(
        self,
        paths: Sequence[str],
        *,
        target: str | None = None,
        settings: Config | None = None,
        fs: FileSystem | None = None,
        watch: bool = True,
        sandbox: str = "",
    ) -> None:
        self.settings = settings or Config()
        self.fs = fs or RealFileSystem()
        self.board = JobBoard()
        self.feed = EventFeed()
        self.page_names = PageNames(self.fs)
        self.damage = Damage()
        self.paths = tuple(self.fs.absolute(each) for each in paths)
        self.folders: tuple[str, ...] = (self.fs.absolute(target),) if target else ()
        self._runs: dict[str, service.Running] = {}
        self.activity = Activity(self.instance_of)
        self.walk: Walk | None = None
        """The guided walk, in the demonstration."""
        self._sandbox = self.fs.absolute(sandbox) if sandbox else ""
        # A signal may come while the person leaves: whoever is second finds everything stopped.
        self._closing = threading.Lock()
        self._lock = threading.Lock()
        self._scan = Scan(Overview(paths=self.paths), {})
        self._scanned = 0
        polled = self.settings.watch.poll_seconds
        self._watcher = Watcher(
            self.rescan,
            hinted=self.settings.watch.rescan_seconds,
            use_hints=watch and not polled,
            **({"polled": polled} if polled else {}),
        )

    # Looking.

    @property
    def overview(self) -> Overview:
        """What the last scan saw."""
        return self._scan.overview

    @property
    def scans(self) -> int:
        """Number of scans so far; changes when there is something new to draw."""
        return self._scanned

    def found(self, key: str) -> FoundInstance | None:
        """Return what the last scan found of an instance."""
        return self._scan.found.get(key)

    def start_watching(self) -> None:
        """Begin to look; the first scan comes at once."""
        self._watcher.start()

    def look(self) -> None:
        """Look again soon."""
        self._watcher.hint()

    def rescan(self) -> None:
        """Look at everything now, in the calling thread."""
        with self._lock:
            running = frozenset(self._runs)
        seen = scan(self.paths, self.folders, fs=self.fs, max_depth=self.settings.discover.max_depth, running=running)
        self._scan = Scan(self.damage.mark(seen.overview), seen.found)
        self._scanned += 1
        watched = {each.folder for each in self._scan.overview.instances}
        for folder in self.folders:
            watched |= {folder, *(each.path for view in self.overview.folders for each in view.sets)}
        self._watcher.watch(watched)

    def add_path(self, path: str) -> None:
        """Look below another folder too; -1811 when there is nothing."""
        path = self.fs.absolute(path)
        if self.fs.stat(path) is None:
            raise EseError.from_code(Err.FileNotFound, path=path)
        if path not in self.paths:
            self.paths = (*self.paths, path)
        self.look()

    @property
    def target(self) -> str:
        """The backup directory, empty when none was chosen."""
        return self.folders[0] if self.folders else ""

    def set_target(self, path: str) -> None:
        """Choose the backup directory."""
        self.folders = (self.fs.absolute(path),)
        self.look()

    # Running instances.

    def is_running(self, key: str) -> bool:
        """Whether this console started the instance."""
        with self._lock:
            return key in self._runs

    def running(self) -> list[str]:
        """Return the keys of the instances that this console started."""
        with self._lock:
            return list(self._runs)

    def instance_of(self, key: str) -> Instance | None:
        """Return the running instance that this console started, or None."""
        with self._lock:
            run = self._runs.get(key)
        return None if run is None else run.instance

    def is_sandbox(self, folder: str) -> bool:
        """Whether a folder is part of the demonstration, where writers may be let loose."""
        return bool(self._sandbox) and PurePath(folder).is_relative_to(self._sandbox)

    def start_plan(self, key: str) -> PlanView:
        """Say what starting would write."""
        found = self.found(key)
        if found is None:
            return PlanView(problem="The instance is gone.")
        lines = [Field("", step) for step in service.start_steps(found)]
        lines += [Field("left out", f"{path} ({reason})", Tone.WARN) for path, reason in service.not_attached(found)]
        return PlanView(lines=tuple(lines), problem=_why_not_start(found))

    def start(self, view: InstanceView) -> Job:
        """Start an instance and attach its databases, in a job."""
        return self.submit(JobKind.START, lambda _: self._start(view), view)

    def _start(self, view: InstanceView) -> str:
        found = self.found(view.key)
        if found is None:
            raise EseError.from_code(Err.FileNotFound, "the instance is gone", path=view.folder)
        run = service.Running(
            found,
            create_path=self.settings.backup.create_path,
            handlers=[self.feed.add_event],
            journal=self._journal(view),
        )
        run.start()
        with self._lock:
            self._runs[view.key] = run
        return f"{view.name} is running with {words.plural(len(run.instance.databases()), 'database')}."

    def stop(self, view: InstanceView) -> Job:
        """Stop an instance clean, in a job."""
        return self.submit(JobKind.STOP, lambda _: self._stop(view.key, view.name), view)

    def kill(self, key: str) -> Job:
        """Cut an instance of the demonstration off in the middle of its work: nothing more is written, in a job."""

        def work(_: Monitor) -> str:
            with self._lock:
                run = self._runs.pop(key, None)
            if run is None:
                raise EseError.from_code(Err.NotInitialized, "the instance is not running")
            run.abandon()
            self.activity.stop(key)
            return "The instance was cut off; its databases are dirty until they are recovered."

        return self.submit(JobKind.CUT_OFF, work, self.overview.instance(key))

    def _stop(self, key: str, name: str) -> str:
        self.activity.stop(key)
        with self._lock:
            run = self._runs.pop(key)
        try:
            run.stop()
        except EseError:
            with self._lock:
                self._runs[key] = run
            raise
        return f"{name} is stopped, its databases are clean."

    def _journal(self, view: InstanceView) -> Any:
        if not self.settings.journal.enabled:
            return None
        from esetui.journal import Journal  # noqa: PLC0415 - only needed when something runs

        return Journal(view.folder, uuid.uuid4().hex[:12], max_bytes=self.settings.journal.max_bytes)

    # Backups.

    def backup_plan(self, view: InstanceView, kind: JobKind, target: str | None) -> PlanView:
        """Say what a backup (or, without target, a truncation) would read, write and delete."""
        incremental, atomic = kind is JobKind.INCREMENTAL, kind is JobKind.ATOMIC
        try:
            with self._lock:
                run = self._runs.get(view.key)
            if run is not None:
                plan = plan_backup(source_of_host(run.instance), target, incremental=incremental, atomic=atomic)
                steps: list[str] = []
            else:
                found = self.found(view.key)
                if found is None:
                    return PlanView(problem="The instance is gone.")
                problem = _why_not_start(found)
                if problem:
                    return PlanView(problem=problem)
                create = self.settings.backup.create_path
                plan = service.plan(
                    found, target, fs=self.fs, create_path=create, incremental=incremental, atomic=atomic
                )
                steps = service.start_steps(found, attach=target is not None)
        except EseError as error:
            return PlanView(problem=error.message)
        return _plan_view(plan, steps, view)

    def command(self, kind: JobKind, view: InstanceView | None, *, target: str = "", path: str = "") -> str:
        """Return the command line that does the same."""
        actions = {JobKind.VERIFY: "verify", JobKind.TRUNCATE: "truncate"}
        name = _KINDS.get(kind) or actions.get(kind)
        if name is None:
            return ""
        values = {"path": path, "target": target or "DIRECTORY"}
        if view is not None:
            values["instance"] = view.folder
        line = command_line(BY_ID[name], values) or ""
        return f"{line} --recover" if view is not None and kind is not JobKind.VERIFY and self._is_dirty(view) else line

    def _is_dirty(self, view: InstanceView) -> bool:
        """Whether starting the instance recovers it first, which a command does only when told to."""
        found = self.found(view.key)
        return found is not None and found.state.value == State.DIRTY.value and not self.is_running(view.key)

    def backup(self, view: InstanceView, kind: JobKind, target: str | None) -> Job:
        """Back up an instance; one that does not run is started for it and stopped again."""

        def work(monitor: Monitor) -> str:
            started = not self.is_running(view.key)
            if started:
                self._start(view)
            try:
                with self._lock:
                    instance = self._runs[view.key].instance
                result = instance.backup(
                    target,
                    incremental=kind is JobKind.INCREMENTAL,
                    atomic=kind is JobKind.ATOMIC,
                    monitor=monitor,
                )
            finally:
                if started:
                    self._stop(view.key, view.name)
            return _result_text(result)

        return self.submit(kind, work, view, target=target or "")

    def verify(self, path: str, view: InstanceView | None = None) -> Job:
        """Check every checksum of a file, a set or an instance."""

        def work(monitor: Monitor) -> str:
            from engine.verify import verify  # noqa: PLC0415 - numpy takes 0.15 s to import

            seen = 0

            def note(finding: Any) -> None:
                nonlocal seen
                seen += 1
                if seen <= _FINDINGS_IN_FEED:
                    where = f"{PurePath(finding.path).name}, {finding.kind.value} {finding.number}"
                    level = Level.WARN if finding.warning else Level.ERROR
                    self.feed.note(f"{where}: {finding.detail}", level=level)

            report = verify(path, monitor=monitor, fs=self.fs, on_finding=note)
            self.damage.take(report)
            if seen > _FINDINGS_IN_FEED:
                self.feed.note(f"{seen - _FINDINGS_IN_FEED:,} more findings", level=Level.WARN)
            if self.damage.pages(path):
                self.feed.note(f"{PurePath(path).name}: e rebuilds damaged pages from a backup set")
            return _report_text(report)

        return self.submit(JobKind.VERIFY, work, view, subject=path, path=path)

    def submit(
        self,
        kind: JobKind,
        work: Any,
        view: InstanceView | None,
        *,
        subject: str = "",
        target: str = "",
        path: str = "",
        command: str = "",
    ) -> Job:
        """Start a job; what it is, what does the same as a command, and its end become rows of the event log."""
        command = command or self.command(kind, view, target=target, path=path)
        if command:
            self.feed.command(command, instance=view.name if view else "")

        def ended(job: Job) -> None:
            name = view.name if view else ""
            if job.error is not None:
                if job.error.code in _DAMAGE_CODES and job.error.path:
                    page = () if job.error.page is None else (job.error.page,)
                    self.damage.note(job.error.path, job.error.text, page)
                self.feed.note(f"{kind.value} failed: {job.error.text}", instance=name, level=Level.ERROR)
            elif job.summary:
                self.feed.note(job.summary, instance=name)
            else:
                self.feed.note(f"{kind.value}: {job.state.value}", instance=name, level=Level.WARN)
            self.look()

        return self.board.submit(
            kind,
            work,
            instance=view.key if view else "",
            subject=subject or (view.name if view else ""),
            target=target,
            command=command,
            ended=ended,
        )

    # The end.

    def close(self, timeout: float = 30.0) -> list[str]:
        """Cancel what runs, stop every instance clean, and return what could not be done."""
        with self._closing:
            self._watcher.stop()
            self.page_names.close()
            # A key that was pressed before the end may be answered after it: nothing must begin then.
            self.board.close()
            self.board.cancel_all()
            self.activity.close()
            problems = [] if self.board.join(timeout) else ["a job did not end in time"]
            for key in self.running():
                try:
                    self._stop(key, key)
                except EseError as error:
                    problems.append(str(error))
                    with self._lock:
                        run = self._runs.pop(key)
                    try:
                        run.instance.term(TermOptions.ABRUPT)
                    except EseError as second:
                        problems.append(str(second))
            return problems


def _why_not_start(found: FoundInstance) -> str:
    """Return why an instance cannot be started now, or nothing."""
    word = found.state.value
    if word == "locked":
        return "Another program has this instance."
    if not found.has_log:
        return "A database without a log stream: nothing to start. v verifies it."
    if word in {"damaged", "unreachable"}:
        return f"The instance is {word}: {found.detail}"
    return ""


def _plan_view(plan: BackupPlan, steps: list[str], view: InstanceView) -> PlanView:
    databases = [each for each in plan.files if each.kind == "database"]
    logs = [each for each in plan.files if each.kind == "log"]
    deleted = len(plan.deletes)
    lines = [Field("", step, Tone.MUTED) for step in (*steps, *plan.steps)]
    lines += [Field("note", note, Tone.WARN) for note in plan.notes]
    if plan.free_bytes is not None and plan.target is not None:
        lines.append(Field("free", words.size(plan.free_bytes)))
    read = Amount(len(databases) + len(logs), sum(each.size for each in (*databases, *logs)))
    size = logs[0].size if logs else 0
    return PlanView(
        read=read,
        written=Amount(len(plan.files), plan.bytes_total),
        deleted=Amount(deleted, deleted * size),
        lines=tuple(lines),
        logs=view.logs,
        copied=(plan.copies.start, plan.copies.stop - 1) if plan.copies else (0, 0),
        removed=(plan.deletes.start, plan.deletes.stop - 1) if plan.deletes else (0, 0),
        problem="; ".join(f"{each.detail} ({each.code})" for each in plan.refusals),
    )


def _result_text(result: BackupResult) -> str:
    deleted = words.plural(len(result.deleted_logs), "log") if result.deleted_logs else "no log"
    if result.target is None:
        return f"Truncated: {deleted} deleted."
    logs = result.last_generation - result.first_generation + 1
    verified = words.plural(result.pages_verified, "page") if result.pages_verified else words.plural(logs, "log")
    corrected = f", {words.plural(len(result.corrected), 'unit')} corrected" if result.corrected else ""
    return (
        f"{words.plural(len(result.files), 'file')}, {words.size(result.bytes_copied)}, "
        f"{verified} verified{corrected}; {deleted} deleted."
    )


def _report_text(report: VerifyReport) -> str:
    what = f"{words.count(report.checked)} checked in {words.plural(len(report.files), 'file')}"
    if report.ok and not report.warning_count:
        return f"No damage: {what}."
    bad = words.plural(report.bad_count, "bad unit")
    return f"{bad}, {report.correctable} correctable, {words.plural(report.warning_count, 'warning')}; {what}."
