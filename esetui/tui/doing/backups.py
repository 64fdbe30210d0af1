"""Backups, truncation, verification, starting and stopping: each with its plan first where it writes."""

from __future__ import annotations

from typing import Final

from esetui.jobs import JobKind
from esetui.tui.doing.base import Acts
from esetui.tui.screens.dialogs import TITLES, AskDialog, PlanDialog

_KINDS: Final = {
    "backup_full": JobKind.FULL,
    "backup_incremental": JobKind.INCREMENTAL,
    "backup_atomic": JobKind.ATOMIC,
}


class BackupActs(Acts):
    """What is done to instances, databases and sets."""

    def _backup(self, name: str) -> None:
        view, kind, control = self.chosen(), _KINDS[name], self.control

        def go(target: object) -> None:
            if isinstance(target, str):
                absolute = control.fs.absolute(target)
                if absolute != control.target:
                    control.set_target(absolute)
                control.backup(view, kind, absolute)
                self.main.focus_pane("backup-pane")

        self.push_screen(
            PlanDialog(
                f"{TITLES[kind]} of {view.name}",
                "Back up",
                lambda target: control.backup_plan(view, kind, target),
                lambda target: control.command(kind, view, target=target),
                label="into",
                value=control.target,
            ),
            go,
        )

    def do_backup_full(self) -> None:
        """Ask for a full backup."""
        self._backup("backup_full")

    def do_backup_incremental(self) -> None:
        """Ask for an incremental backup."""
        self._backup("backup_incremental")

    def do_backup_atomic(self) -> None:
        """Ask for an atomic backup."""
        self._backup("backup_atomic")

    def do_truncate(self) -> None:
        """Ask for a truncation; the name must be typed."""
        view, control = self.chosen(), self.control

        def go(answer: object) -> None:
            if answer is not None:
                control.backup(view, JobKind.TRUNCATE, None)

        self.push_screen(
            PlanDialog(
                f"Delete logs of {view.name}",
                "Delete",
                lambda _: control.backup_plan(view, JobKind.TRUNCATE, None),
                lambda _: control.command(JobKind.TRUNCATE, view),
                must_type=view.name,
                danger=True,
            ),
            go,
        )

    def do_start_stop(self) -> None:
        """Start the instance with a plan first, or stop it."""
        view, control = self.chosen(), self.control
        if control.is_running(view.key):
            control.stop(view)
            return

        def go(answer: object) -> None:
            if answer is not None:
                control.start(view)

        self.push_screen(
            PlanDialog(
                f"Start {view.name}: what will be written", "Start", lambda _: control.start_plan(view.key), str
            ),
            go,
        )

    def do_verify(self) -> None:
        """Check what has the focus."""
        made = self.main.choice()
        if made.backup_set is not None:
            path = made.backup_set.path
        elif made.database is not None:
            path = made.database.path
        elif made.instance is not None:
            found = self.control.found(made.instance.key)
            path = made.instance.folder if found is None or found.has_log else made.instance.key
        else:
            return
        self.control.verify(path, made.instance)

    def do_cancel_job(self) -> None:
        """Cancel the newest running job, after asking."""
        running = self.control.board.snapshot().running
        if not running:
            return
        job = running[-1]

        def go(answer: object) -> None:
            if answer:
                self.control.board.cancel(job.number)

        text = "Nothing of a half-made backup stays behind." if job.kind.is_backup else "Nothing is changed by it."
        if job.kind in {JobKind.RECOVER, JobKind.RESTORE}:
            text = "What it was made from stays as it is; a copy that is half made is marked as that."
        self.push_screen(AskDialog(f"Cancel the {job.kind.value}?", text, "Cancel it", stay="Go on"), go)
