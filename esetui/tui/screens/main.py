"""The main screen: five panes that answer five questions, a title line above them, the keys below.

    title                                  is anything wrong?
    1 instances      | 3 backup            what is happening now?
    2 backup sets    | 4 page map
                     | 5 event log         what happened?
    keys                                   what can I do here?

It polls the board of jobs, the event feed and the last scan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.containers import Horizontal, Vertical

from esetui.action import Action, Scope
from esetui.tui import words
from esetui.tui.advice import ADVICE, Advice
from esetui.tui.model import BackupFolderView, Choice, DatabaseView, FolderState, InstanceView, Section, Verdict
from esetui.tui.screens.polling import PollingScreen
from esetui.tui.screens.reasons import reason_for
from esetui.tui.widgets.backup_panel import BackupPanel
from esetui.tui.widgets.details import Details, event_sections
from esetui.tui.widgets.events import Events
from esetui.tui.widgets.instances import Instances
from esetui.tui.widgets.page_map import PageMap
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.rowlist import RowList
from esetui.tui.widgets.sets import Sets

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from esetui.jobs import JobSnapshot
    from esetui.tui.control import Control

PANES: Final = ("instances-pane", "sets-pane", "backup-pane", "map-pane", "events-pane")
_SCOPES: Final = {
    "instances-pane": (Scope.INSTANCE, Scope.DATABASE),
    "sets-pane": (Scope.BACKUPS, Scope.BACKUP_SET),
    "backup-pane": (Scope.INSTANCE,),
    "map-pane": (Scope.INSTANCE,),
    "events-pane": (Scope.EVENTS,),
    "details-pane": (Scope.INSTANCE,),
}


class MainScreen(PollingScreen):
    """The panes, fed by polling."""

    AUTO_FOCUS = "#instances"

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.instances = Instances(id="instances")
        self.sets = Sets(id="sets")
        self.panel = BackupPanel(id="backup")
        self.page_map = PageMap(control.page_names, id="map")
        self.events = Events(control.feed, id="events")
        self.details = Details(id="details")
        self._scans = -1
        self._last_pane = PANES[0]

    def compose(self) -> ComposeResult:
        """Lay the panes out."""
        yield self.title_bar
        with Horizontal(id="body"):
            with Vertical(id="left", classes="column"):
                yield Pane(self.instances, 1, "Instances", id="instances-pane", hint="filter: name, folder or state")
                yield Pane(self.sets, 2, "Backup directory", id="sets-pane", hint="filter: kind, date or verdict")
            with Vertical(id="middle", classes="column"):
                yield Pane(self.panel, 3, "Backup", id="backup-pane")
                yield Pane(self.page_map, 4, "Page map", id="map-pane")
                yield Pane(
                    self.events, 5, "Event log", id="events-pane", hint="filter: words, id:399, level:w, instance:name"
                )
            with Vertical(id="right", classes="column"):
                yield Pane(self.details, 0, "Details", id="details-pane")
        yield self.walk_bar
        yield self.key_bar
        yield self.small

    # What is shown.

    def refresh_now(self) -> None:
        """Take the newest figures and draw what is different."""
        if self._scans != self.control.scans:
            self._scans = self.control.scans
            self.instances.show(self.control.overview)
            self.sets.show(self.control.overview.folders)
            self._show_details()
        shown = self.board.shown
        self.panel.show(shown)
        self.page_map.show(shown.monitor if shown is not None else None)
        self.events.poll()
        self._name_panes(shown)

    def _name_panes(self, job: JobSnapshot | None) -> None:
        overview = self.control.overview
        count = len(overview.instances)
        self.pane("instances-pane").name_it("Instances", foot=f"{count} found" if count > 1 else "")
        folder = overview.folders[0] if overview.folders else None
        chosen = self.control.target
        self.pane("sets-pane").name_it("Backup directory", note=chosen, foot=_sets_foot(folder))
        title = job.kind.value.capitalize() if job is not None else "Backup"
        arrow = getattr(self.app, "glyphs", None)
        target = f"{arrow.arrow if arrow else '->'} {job.target}" if job is not None and job.target else ""
        self.pane("backup-pane").name_it(title, note=target or (job.subject if job is not None else ""))
        self.pane("map-pane").name_it("Page map", note=self.page_map.title, foot=self.page_map.foot)
        self.pane("events-pane").name_it("Event log", foot=self.events.foot)

    # What has the focus.

    @property
    def place(self) -> str:
        """Id of the pane that has the focus, or had it last."""
        pane = super().focused_pane()
        if pane is not None and pane.id:
            self._last_pane = pane.id
        return self._last_pane

    @property
    def instance(self) -> InstanceView | None:
        """The instance that actions are about: the one under the cursor, else the only one."""
        chosen = self.instances.chosen_instance
        if chosen is None:
            only = self.control.overview.instances
            return only[0] if len(only) == 1 else None
        # The row may be of an earlier scan.
        return self.control.overview.instance(chosen.key) or chosen

    @property
    def database(self) -> DatabaseView | None:
        """The database that actions are about: the one under the cursor, else the only one of the instance."""
        row = self.instances.chosen
        if row is not None and row.database is not None:
            return row.database
        view = self.instance
        return view.databases[0] if view is not None and len(view.databases) == 1 else None

    def choice(self) -> Choice:
        """Return what has the focus."""
        made = Choice(instance=self.instance, folder=self.control.target)
        place = self.place
        if place == "instances-pane" and self.instances.chosen is not None:
            made.database = self.instances.chosen.database
        elif place == "sets-pane" and self.sets.chosen is not None:
            made.backup_set = self.sets.chosen.entry
        elif place == "events-pane":
            made.event = self.events.chosen
        elif place == "map-pane":
            made.extra = self.page_map.sections()
        return made

    def scopes(self) -> tuple[Scope, ...]:
        """Return what actions make sense here."""
        database = self.database if self.place == PANES[0] else None
        bad = (Scope.DAMAGED,) if database is not None and self.control.damage.pages(database.path) else ()
        view = self.instance if self.place != "events-pane" else None
        up = (Scope.RUNNING,) if view is not None and self.control.is_running(view.key) else ()
        return (*self.always(), *bad, *up, *_SCOPES.get(self.place, ()))

    def action_title(self, action: Action) -> str:
        """Return what the footer calls an action."""
        if action.id == "start_stop" and self.instance is not None:
            return "Stop" if self.control.is_running(self.instance.key) else "Start"
        return super().action_title(action)

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        return reason_for(action.id, self)

    def details_of(self, made: Choice) -> tuple[str, tuple[Section, ...], InstanceView | None]:
        """Return heading, sections, and the instance whose logs belong to them."""
        if made.extra:
            return self.page_map.title, made.extra, None
        if made.event is not None:
            advice = ADVICE.get(made.event.event_id or 0, Advice("", ""))
            heading = f"event {made.event.event_id or ''}".strip()
            return heading, event_sections(made.event, advice.meaning, advice.action), None
        if made.backup_set is not None:
            return made.backup_set.kind, made.backup_set.sections, None
        if made.database is not None:
            return made.database.name, made.database.sections, made.instance
        if made.instance is not None:
            return made.instance.name, made.instance.sections, made.instance
        return "", (), None

    def _show_details(self) -> None:
        heading, sections, view = self.details_of(self.choice())
        self.details.show(heading, sections, view.logs if view is not None else None)
        self.pane("details-pane").name_it("Details", note=words.safe(heading))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show the details of the row."""
        if event.rows is not self.details:
            self._show_details()

    def on_page_map_moved(self) -> None:
        """Show what the pages under the cursor are."""
        if self.place == "map-pane":
            self._show_details()

    def on_descendant_focus(self) -> None:
        """Show the details of the pane that is entered."""
        if self.focused is not self.details:
            self._show_details()

    def on_pane_filtered(self, event: Pane.Filtered) -> None:
        """Filter the rows of a pane."""
        body = event.pane.body
        if isinstance(body, Instances | Sets | Events):
            body.set_filter(event.text)

    def focus_pane(self, name: str) -> None:
        """Go to a pane."""
        self.give_back()
        self.pane(name).body.focus()

    def open_filter(self) -> bool:
        """Open the filter of the focused pane; the event log's where that has none."""
        return self.pane(self.place).open_filter() or self.pane("events-pane").open_filter()

    def focused_pane(self) -> Pane | None:
        """Return the pane that has the focus, or had it last."""
        return self.pane(self.place)


def _sets_foot(folder: BackupFolderView | None) -> str:
    if folder is not None and folder.state is FolderState.UNREACHABLE:
        return "UNREACHABLE"
    if folder is None:
        return ""
    half = sum(1 for each in folder.sets if each.verdict is Verdict.UNFINISHED)
    whole = len(folder.sets) - half
    said = [words.plural(whole, "backup")] if whole else []
    return ", ".join([*said, *([f"{half} half-made"] if half else [])])
