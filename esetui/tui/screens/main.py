"""The main screen: five panes that answer five questions, a title line above them, the keys below.

    title                                  is anything wrong?
    1 instances      | 3 backup            what is happening now?
    2 backup sets    | 4 page map
                     | 5 event log         what happened?
    keys                                   what can I do here?

It polls: the board of jobs, the event feed and the last scan, ten times a second (four over SSH).  Nothing else
reaches the screen from a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from esetui.actions import Action, Scope
from esetui.tui import words
from esetui.tui.activity.walk_bar import WalkBar
from esetui.tui.advice import ADVICE, Advice
from esetui.tui.doing.base import ActionScreen
from esetui.tui.model import Choice, DatabaseView, FolderState, InstanceView, Section
from esetui.tui.screens.layout import set_size_classes, ticks_a_second, too_small
from esetui.tui.screens.reasons import reason_for
from esetui.tui.widgets.backup_panel import BackupPanel
from esetui.tui.widgets.bars import KeyBar, TitleBar
from esetui.tui.widgets.details import Details, event_sections
from esetui.tui.widgets.events import Events
from esetui.tui.widgets.instances import Instances
from esetui.tui.widgets.page_map import PageMap
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.rowlist import RowList
from esetui.tui.widgets.sets import Sets

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from esetui.jobs import BoardSnapshot, JobSnapshot
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


class MainScreen(ActionScreen):
    """The panes, fed by polling."""

    AUTO_FOCUS = "#instances"

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.instances = Instances(id="instances")
        self.sets = Sets(id="sets")
        self.panel = BackupPanel(id="backup")
        self.page_map = PageMap(control.page_names, id="map")
        self.events = Events(control.feed, id="events")
        self.details = Details(id="details")
        self.title_bar = TitleBar(id="title")
        self.key_bar = KeyBar(id="keys")
        self.walk_bar = WalkBar(id="walk")
        self.board: BoardSnapshot = control.board.snapshot()
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
        yield Static("", id="too-small")

    def on_mount(self) -> None:
        """Begin to poll."""
        self.set_interval(1 / ticks_a_second(self.control.settings.console), self.tick)
        self.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the size."""
        set_size_classes(self, event.size)
        self.query_one("#too-small", Static).update(too_small(event.size))

    # What is shown.

    def tick(self) -> None:
        """Take the newest figures and draw what is different."""
        self.board = self.control.board.snapshot()
        if self._scans != self.control.scans:
            self._scans = self.control.scans
            self.instances.show(self.control.overview)
            self.sets.show(self.control.overview.folders)
            self._show_details()
        shown = self.board.shown
        self.panel.show(shown)
        self.page_map.show(shown.monitor if shown is not None else None)
        self.events.poll()
        self.title_bar.show(self.control.overview, self.board)
        self.walk_bar.show(self.control.walk)
        self.key_bar.show(self.footer())
        self._name_panes(shown)

    def _name_panes(self, job: JobSnapshot | None) -> None:
        overview = self.control.overview
        count = len(overview.instances)
        self._pane("instances-pane").name_it("Instances", foot=f"{count} found" if count > 1 else "")
        folder = overview.folders[0] if overview.folders else None
        chosen = self.control.target
        self._pane("sets-pane").name_it("Backup directory", note=chosen, foot=_sets_foot(folder))
        title = job.kind.value.capitalize() if job is not None else "Backup"
        arrow = getattr(self.app, "glyphs", None)
        target = f"{arrow.arrow if arrow else '->'} {job.target}" if job is not None and job.target else ""
        self._pane("backup-pane").name_it(title, note=target or (job.subject if job is not None else ""))
        self._pane("map-pane").name_it("Page map", note=self.page_map.title, foot=self.page_map.foot)
        self._pane("events-pane").name_it("Event log", foot=self.events.foot)

    def _pane(self, name: str) -> Pane:
        return self.query_one(f"#{name}", Pane)

    # What has the focus.

    @property
    def pane(self) -> str:
        """Id of the pane that has the focus, or had it last."""
        focused = self.focused
        if focused is not None:
            for ancestor in focused.ancestors_with_self:
                if isinstance(ancestor, Pane) and ancestor.id:
                    self._last_pane = ancestor.id
                    break
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
        pane = self.pane
        if pane == "instances-pane" and self.instances.chosen is not None:
            made.database = self.instances.chosen.database
        elif pane == "sets-pane" and self.sets.chosen is not None:
            made.backup_set = self.sets.chosen.entry
        elif pane == "events-pane":
            made.event = self.events.chosen
        elif pane == "map-pane":
            made.extra = self.page_map.sections()
        return made

    def scopes(self) -> tuple[Scope, ...]:
        """Return what actions make sense here."""
        job = (Scope.JOB,) if self.board.running else ()
        walk = () if self.control.walk is None else (Scope.WALK,)
        database = self.database if self.pane == PANES[0] else None
        bad = (Scope.DAMAGED,) if database is not None and self.control.damage.pages(database.path) else ()
        return (*walk, *job, *bad, *_SCOPES.get(self.pane, ()))

    def action_title(self, action: Action) -> str:
        """Return what the footer calls an action."""
        if action.id == "start_stop" and self.instance is not None:
            return "Stop" if self.control.is_running(self.instance.key) else "Start"
        return action.title

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
        self._pane("details-pane").name_it("Details", note=words.safe(heading))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show the details of the row."""
        if event.rows is not self.details:
            self._show_details()

    def on_page_map_moved(self) -> None:
        """Show what the pages under the cursor are."""
        if self.pane == "map-pane":
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
        if self.maximized is not None:
            self.minimize()
        self._pane(name).body.focus()

    def open_filter(self) -> bool:
        """Open the filter of the focused pane; the event log's where that has none."""
        return self._pane(self.pane).open_filter() or self._pane("events-pane").open_filter()

    def toggle_maximised(self) -> None:
        """Give the screen to the focused pane, or give it back."""
        if self.maximized is not None:
            self.minimize()
        else:
            pane = self._pane(self.pane)
            self.maximize(pane, container=False)


def _sets_foot(folder: object) -> str:
    state = getattr(folder, "state", None)
    if state is FolderState.UNREACHABLE:
        return "UNREACHABLE"
    sets = getattr(folder, "sets", ())
    return words.plural(len(sets), "backup") if sets else ""
