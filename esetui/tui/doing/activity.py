"""The activity of a running instance, and the guided walk."""

from __future__ import annotations

import time

from esetui.tui.doing.base import Acts


class ActivityActs(Acts):
    """What shows an instance at work."""

    def do_activity(self) -> None:
        """Show the figures of the chosen instance."""
        from esetui.tui.activity.screen import ActivityScreen  # noqa: PLC0415 - only when asked for

        view = self.chosen()
        self.push_screen(ActivityScreen(self.control, view.key, view.name, view.folder))

    def go_on(self, pause: float) -> None:
        """Go on with the walk by itself, `pause` seconds after a step has ended."""
        walk = self.control.walk
        if walk is not None and self.control.overview.instances and time.monotonic() - walk.ended >= pause:
            walk.next()

    def do_walk(self) -> None:
        """Begin the next step of the guided walk, or the walk again."""
        walk = self.control.walk
        if walk is not None and not walk.again():
            walk.next()
