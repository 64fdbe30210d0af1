"""Looking closer, looking elsewhere, and the event log."""

from __future__ import annotations

import json
from pathlib import Path

from engine.errors import EseError
from esetui.tui import words
from esetui.tui.doing.base import Acts
from esetui.tui.screens.dialogs import TextDialog


class LookingActs(Acts):
    """What shows more, and what is shown."""

    def do_logs(self) -> None:
        """Show the log records of the instance."""
        from esetui.tui.screens.records import RecordsScreen  # noqa: PLC0415 - only when asked for

        found = self.control.found(self.chosen().key)
        if found is None or not found.has_log:
            self.notify("There is no log stream.", severity="warning")
            return
        self.push_screen(RecordsScreen(found, self.control.fs))

    def do_show(self) -> None:
        """Show the details large."""
        from esetui.tui.screens.view import ViewScreen  # noqa: PLC0415 - only when asked for

        heading, sections, view = self.main.details_of(self.main.choice())
        if sections:
            self.push_screen(ViewScreen(heading, sections, view.logs if view is not None else None))

    def do_choose_target(self) -> None:
        """Ask for the backup directory."""

        def go(path: object) -> None:
            if isinstance(path, str):
                self.control.set_target(path)

        hint = "Its sets are listed and watched; backups go there."
        self.push_screen(TextDialog("Backup directory", "folder", self.control.target, hint), go)

    def do_add_path(self) -> None:
        """Ask for another folder to look in."""

        def go(path: object) -> None:
            if isinstance(path, str):
                try:
                    self.control.add_path(path)
                except EseError as error:
                    self.notify(words.safe(str(error)), severity="error", markup=False)

        self.push_screen(TextDialog("Look for instances", "folder", "", "Folders below it are searched too."), go)

    def do_rescan(self) -> None:
        """Look again."""
        self.control.look()

    def do_filter(self) -> None:
        """Open the filter line."""
        self.main.open_filter()

    def do_pause_events(self) -> None:
        """Hold the event log, or let it follow again."""
        self.main.events.toggle_pause()

    def do_export_events(self) -> None:
        """Ask where to write the shown events."""

        def go(path: object) -> None:
            if isinstance(path, str):
                self._export(path)

        name = str(Path.cwd() / "esetui-events.jsonl")
        self.push_screen(TextDialog("Export events", "file", name, "One JSON object a line; must not exist yet."), go)

    def _export(self, path: str) -> None:
        rows = self.main.events.shown
        lines = [
            {
                "schema": 1,
                "type": "event",
                "ts": row.when.isoformat(),
                "id": row.event_id,
                "level": row.level.value,
                "instance": row.instance,
                "strings": row.strings,
                "message": row.text,
            }
            for row in rows
        ]
        try:
            with Path(path).open("x", encoding="utf-8") as out:
                out.writelines(json.dumps(line) + "\n" for line in lines)
        except OSError as error:
            self.notify(words.safe(f"Not written: {error}"), severity="error", markup=False)
            return
        self.notify(words.safe(f"{len(lines)} events written to {path}."), markup=False)
