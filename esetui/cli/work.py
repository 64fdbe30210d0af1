"""What `backup` and `truncate` share: start the instance, do the work, stop it, say how it ended.

A signal asks the engine to stop; the engine cleans up, the instance is stopped cleanly, and the exit code is that
of the signal.  A signal that comes after the last step changes nothing: the work is done.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.backup.sets import read_backup_set
from engine.discover import FoundState
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.monitor import Monitor
from esetui import config, service
from esetui.cli.describe.fields import range_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.failures import exit_code_for, next_step
from esetui.cli.output import size_text, table
from esetui.cli.progress import Reporter
from esetui.cli.signals import Cancellation, Stopped
from esetui.journal import Journal

if TYPE_CHECKING:
    from engine.backup.plan import BackupPlan
    from engine.backup.result import BackupResult
    from engine.discover import FoundInstance
    from esetui.cli.output import Output

UNCHANGED = "the backup directory is as it was; the backup deleted no log and changed no header"
"""What a backup that fails before its set is complete leaves behind."""


class Work:
    """One run of `backup` or `truncate` on one instance; `target` None deletes logs and copies nothing."""

    def __init__(
        self,
        out: Output,
        instance: str,
        target: str | None,
        *,
        incremental: bool = False,
        atomic: bool = False,
        create_path: bool | None = None,
        recover: bool = False,
        base: str | None = None,
    ) -> None:
        self.out = out
        self.recover = recover
        self.settings = config.load()
        self.fs = RealFileSystem()
        self.target = None if target is None else self.fs.absolute(target)
        self.incremental = incremental
        self.atomic = atomic
        self.create_path = self.settings.backup.create_path if create_path is None else create_path
        depth = self.settings.discover.max_depth
        self.found = service.find_instance(instance, fs=self.fs, max_depth=depth, base=base)
        self.name = service.instance_name(self.found)
        self.began = datetime.now(UTC)
        self.code = ExitCode.OK

    def begin(self) -> None:
        """Announce the job, and name what is left out."""
        self.out.record(
            "job_started",
            command=self.out.command,
            instance=self.name,
            folder=self.found.log_folder,
            target=self.target,
            incremental=self.incremental,
            atomic=self.atomic,
        )
        if self.target is None:
            return
        for path, reason in service.not_attached(self.found):
            self.out.warn(f"left out: {path} ({reason})", path=path)
            self.code = ExitCode.WARNINGS

    def plan(self) -> ExitCode:
        """Show what would happen; nothing is written, not even a lock."""
        plan = self._planned()
        steps = service.start_steps(self.found, attach=self.target is not None)
        code = self.code if plan.ok else exit_code_for(EseError.from_code(plan.refusals[0].code))
        write_plan(self.out, plan, steps, self.found)
        self.out.record("job_finished", ok=plan.ok, exit_code=int(code), dry_run=True)
        return code

    def run(self) -> ExitCode:
        """Do it; what can be foreseen to fail is refused before the instance is started."""
        monitor = Monitor()
        with Cancellation(monitor) as cancellation:
            try:
                self._refuse_what_cannot_be()
                result = self._with_instance(monitor, cancellation)
            except Stopped as stopped:
                return self._stopped(stopped.code)
            except EseError as error:
                return self._failed(error, cancellation)
        self._done(result)
        return self.code

    def _refuse_what_cannot_be(self) -> None:
        place = self.found.log_folder
        if self.found.state is FoundState.LOCKED:
            raise EseError.from_code(Err.LogFilePathInUse, "another program has the instance", path=place)
        if not self.found.has_log:
            hint = "a database that is shut down cleanly can be copied as it is; `esetui verify` checks it"
            raise EseError.from_code(Err.MissingLogFile, "a database without a log stream", path=place, hint=hint)
        if self.target is not None and not service.to_attach(self.found):
            # A set without a database restores nothing, and the logs would be deleted all the same.
            hint = "`esetui discover` names the databases that the logs know of"
            raise EseError.from_code(Err.FileNotFound, "none of its databases is there", path=place, hint=hint)
        if self.found.state is FoundState.DIRTY and not self.recover:
            hint = "--recover replays the logs into the databases first, as the program that owns them would"
            raise EseError.from_code(Err.DatabaseDirtyShutdown, self.found.detail, path=place, hint=hint)
        if self.found.current_header is None:
            # Nothing can be planned; starting it may mend an interrupted roll-over.
            return
        plan = self._planned()
        if not plan.ok:
            first = plan.refusals[0]
            raise EseError.from_code(first.code, first.detail, path=plan.target or place)

    def _planned(self) -> BackupPlan:
        return service.plan(
            self.found,
            self.target,
            fs=self.fs,
            incremental=self.incremental,
            atomic=self.atomic,
            create_path=self.create_path,
        )

    def _with_instance(self, monitor: Monitor, cancellation: Cancellation) -> BackupResult:
        settings = self.settings.journal
        journal = Journal(self.found.log_folder, self.out.job, max_bytes=settings.max_bytes)
        with Reporter(self.out, monitor) as reporter:
            running = service.Running(
                self.found,
                create_path=self.create_path,
                attach=self.target is not None,
                handlers=[reporter.event],
                journal=journal if settings.enabled else None,
                check=cancellation.check,
            )
            with running as instance:
                result = instance.backup(
                    self.target,
                    incremental=self.incremental,
                    atomic=self.atomic,
                    monitor=monitor,
                )
        if journal.problem is not None:
            self.out.warn(f"the journal could not be written: {journal.problem}")
        return result

    def _stopped(self, code: ExitCode) -> ExitCode:
        self.out.narrate(f"cancelled; unchanged: {UNCHANGED}")
        self.out.record("job_finished", ok=False, exit_code=int(code), cancelled=True)
        return code

    def _failed(self, error: EseError, cancellation: Cancellation) -> ExitCode:
        if cancellation.code is not None and error.code == Err.BackupAbortByCaller:
            return self._stopped(cancellation.code)
        code = exit_code_for(error)
        self.out.fail(error, unchanged=self._unchanged(), then=next_step(error))
        for note in getattr(error, "__notes__", ()):
            self.out.complain(f"  note: {note}")
        self.out.record("job_finished", ok=False, exit_code=int(code))
        return code

    def _unchanged(self) -> str:
        """Say what is as it was; when the set was complete before the failure, say that instead."""
        if self.target is None:
            return "no header was changed; logs are deleted from the oldest on, so none is missing between others"
        return self._complete_set(self.target) or UNCHANGED

    def _complete_set(self, target: str) -> str:
        """Return a sentence when the set of this run is complete all the same, because only truncation failed."""
        try:
            made = read_backup_set(target, fs=self.fs)
        except EseError:
            return ""
        if not made.restorable or made.latest is None or made.latest < self.began:
            return ""
        return f"the set in {made.path} is complete; only logs that are no longer needed could not all be deleted"

    def _done(self, result: BackupResult) -> None:
        if result.corrected or result.warnings:
            self.code = ExitCode.WARNINGS
        write_result(self.out, result, self.name)
        self.out.record("job_finished", result_fields(result), ok=True, exit_code=int(self.code))


def write_plan(out: Output, plan: BackupPlan, steps: list[str], found: FoundInstance) -> None:
    """Write a plan, to be read before anything is done."""
    out.line(f"{'atomic ' if plan.atomic else ''}{plan.kind} of {found.log_folder}, nothing is done yet")
    for refusal in plan.refusals:
        out.line(f"REFUSED  {refusal.name} ({refusal.code}): {refusal.detail}")
    for step in steps:
        out.line(f"step     {step}")
    for step in plan.steps:
        out.line(f"step     {step}")
    rows = [
        (
            ("write" if not each.replaces else "replace").ljust(7),
            each.name,
            each.kind,
            size_text(each.size),
            each.source,
        )
        for each in plan.files
    ]
    for line in table(rows, right=frozenset({3})):
        out.line(line)
    if plan.folder is not None:
        free = "" if plan.free_bytes is None else f", {size_text(plan.free_bytes)} free"
        out.line(f"into     {plan.folder}: {size_text(plan.bytes_total)} in {len(plan.files)} files{free}")
    deletes = range_text(plan.deletes.start, plan.deletes.stop - 1) if plan.deletes else "none"
    out.line(f"delete   logs {deletes}")
    for note in plan.notes:
        out.line(f"note     {note}")
    out.record(
        "plan",
        kind=plan.kind,
        atomic=plan.atomic,
        target=plan.target,
        folder=plan.folder,
        files=[
            {"name": each.name, "kind": each.kind, "size": each.size, "source": each.source, "replaces": each.replaces}
            for each in plan.files
        ],
        bytes_total=plan.bytes_total,
        free_bytes=plan.free_bytes,
        copies=plan.copies,
        deletes=plan.deletes,
        steps=[*steps, *plan.steps],
        refusals=[{"code": each.code, "name": each.name, "detail": each.detail} for each in plan.refusals],
        notes=list(plan.notes),
    )


def result_fields(result: BackupResult) -> dict[str, Any]:
    """Return a result as JSON can carry it."""
    return {
        "kind": result.kind,
        "target": None if result.target is None else str(result.target),
        "files": [str(each) for each in result.files],
        "bytes_copied": result.bytes_copied,
        "pages_verified": result.pages_verified,
        "first_generation": result.first_generation,
        "last_generation": result.last_generation,
        "deleted_logs": result.deleted_logs,
        "corrected": [each._asdict() for each in result.corrected],
        "warning_events": list(result.warnings),
        "started": result.started,
        "finished": result.finished,
    }


def write_result(out: Output, result: BackupResult, name: str) -> None:
    """Write what was done."""
    if result.target is None:
        out.summary(f"truncation of {name} complete")
    else:
        out.summary(f"{result.kind} backup of {name} complete: {result.target}")
        seconds = (result.finished - result.started).total_seconds()
        logs = range_text(result.first_generation, result.last_generation)
        out.summary(
            f"  copied     {len(result.files)} files, {size_text(result.bytes_copied)} in {seconds:.1f} s; logs {logs}",
        )
        pages = f"{result.pages_verified:,} pages, " if result.pages_verified else ""
        out.summary(f"  verified   {pages}every segment of the logs")
    for each in result.corrected:
        bits = ", ".join(map(str, each.bits))
        out.line(f"  corrected  {each.kind} {each.number} of {each.path}: bit {bits}; the source is still damaged")
    deleted = result.deleted_logs
    out.summary(f"  deleted    logs {range_text(deleted.start, deleted.stop - 1) if deleted else 'none'}")
    for event in result.warnings:
        out.line(f"  look at    event {event}, see `esetui events`")
