"""Opening the plan of a recovery."""

from __future__ import annotations

from esetui.tui.doing.base import Acts


class RecoveryActs(Acts):
    """What leads to recovery."""

    def do_plan(self) -> None:
        """Show the plan of a recovery."""
        from esetui.tui.screens.plan import PlanScreen  # noqa: PLC0415 - only when asked for

        self.push_screen(PlanScreen(self.control, self.chosen()))

    def do_restore(self) -> None:
        """Choose set, point in time and destination of a restore."""
        from esetui.tui.screens.restore import RestoreScreen  # noqa: PLC0415 - only when asked for

        self.push_screen(RestoreScreen(self.control, self.main.instance, self.main.choice().backup_set))

    def do_drill(self) -> None:
        """Try the chosen set out."""
        chosen = self.main.choice().backup_set
        if chosen is not None:
            self.drill_set(chosen.path)

    def drill_set(self, path: str) -> None:
        """Try a set out: what it says is in the event log, and in the pane of the job."""
        from esetui.tui.recovery.restore_jobs import drill_job  # noqa: PLC0415 - only when asked for

        drill_job(self.control, path)
        self.notify("The drill has begun; its result will be in the event log.", timeout=4)

    def do_recover(self) -> None:
        """Show the plan, from where recovery begins."""
        self.do_plan()
