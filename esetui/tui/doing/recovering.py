"""Opening the plan of a recovery."""

from __future__ import annotations

from esetui.tui.doing.base import Acts


class RecoveryActs(Acts):
    """What leads to recovery."""

    def do_plan(self) -> None:
        """Show the plan of a recovery."""
        from esetui.tui.screens.plan import PlanScreen  # noqa: PLC0415 - only when asked for

        self.push_screen(PlanScreen(self.control, self.chosen()))

    def do_recover(self) -> None:
        """Show the plan, from where recovery begins."""
        self.do_plan()
