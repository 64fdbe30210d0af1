"""Restore: which set, to which point in time, to where; then its stages, and the result.

    1 sets          2 point in time
    destination     what is written and replaced, the same as a command, the buttons, the stages

What a choice comes to is worked out in a thread; nothing is written before the button is pressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from engine.files.readonly import ReadOnlyFileSystem
from esetui.action import Action, Scope
from esetui.actions import BY_ID
from esetui.tui import words
from esetui.tui.model import Field, PlanView, Tone
from esetui.tui.recovery.restore_jobs import restore_job
from esetui.tui.recovery.restore_plan import RestorePlan, plan_restore, restore_command, stop_of
from esetui.tui.screens.dialogs import PlanDialog
from esetui.tui.screens.work import WorkScreen
from esetui.tui.widgets.details import FieldLines
from esetui.tui.widgets.log_strip import strip_rows
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.rowlist import RowList
from esetui.tui.widgets.sets import Sets
from esetui.tui.widgets.stage_line import StageLine
from esetui.tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from esetui.jobs import JobSnapshot
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView, SetView
    from esetui.tui.recovery.restore_plan import Point
    from esetui.tui.recovery.stages import Stages
    from esetui.tui.rows import Part


class Summary(FieldLines):
    """What a restore comes to, with the generations as a strip where there is room."""

    def __init__(self) -> None:
        super().__init__(id="summary")
        self._plan: RestorePlan | None = None
        self._stop: Point | None = None

    def take(self, plan: RestorePlan | None, stop: Point | None) -> None:
        """Take the newest plan and choice."""
        if (plan, stop) != (self._plan, self._stop):
            self._plan, self._stop = plan, stop
            self.redraw()
            self.refresh(layout=True)

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return the lines."""
        lines = super().rows(width, height)
        plan = self._plan
        if plan is None or not plan.points or not self.screen.has_class("-tall"):
            return lines
        replayed = plan.generations(self._stop)
        reach = (replayed.start, replayed.stop - 1)
        return [*lines, *strip_rows(plan.strip, width, self.glyphs, replayed=reach)]


class RestoreScreen(WorkScreen):
    """A restore; `view` is the instance whose live logs are offered, `chosen` the set to begin with."""

    scope: ClassVar[Scope] = Scope.RESTORE
    places: ClassVar[frozenset[Scope]] = frozenset((Scope.RESTORE, Scope.JOB))
    AUTO_FOCUS = "#sets"

    def __init__(self, control: Control, view: InstanceView | None, chosen: SetView | None) -> None:
        super().__init__(control)
        self.view = view
        self._first = chosen
        self.sets = Sets(id="sets")
        self.timeline = Timeline(id="timeline")
        self.summary = Summary()
        self.stage_line = StageLine(id="stages")
        self.plan: RestorePlan | None = None
        self._asked = 0
        self._scans = -1
        self._set: SetView | None = None
        self._stages: Stages | None = None
        self._job = 0

    def body(self) -> Iterable[Widget]:
        """Lay out sets and points above, the destination below."""
        yield Horizontal(
            Pane(self.sets, 1, "Set", id="sets-pane"),
            Pane(self.timeline, 2, "Point in time", id="timeline-pane"),
            id="choices",
        )
        yield Vertical(
            self.stage_line,
            Horizontal(Static("to folder", classes="label"), Input("", id="to", compact=True), classes="line"),
            Horizontal(
                Static("live logs", classes="label"),
                Input("", placeholder="none: to the end of the set, not further", id="logs", compact=True),
                classes="line",
            ),
            self.summary,
            Static("", id="command", classes="text", markup=False),
            Horizontal(
                Button("Restore", id="restore", variant="primary", compact=True, disabled=True),
                Button("Live logs", id="live", compact=True, disabled=not self._live),
                Button("Drill", id="drill", compact=True, disabled=True),
                Button("Back", id="back", compact=True),
                classes="buttons",
            ),
            id="how",
            classes="how",
        )

    def on_mount(self) -> None:
        """Begin with the chosen set."""
        super().on_mount()
        if self._first is not None:
            self.sets.choose(self._first.key)
        self._choose()

    @property
    def _live(self) -> str:
        """The folder of the instance's own logs, or nothing."""
        return self.view.folder if self.view is not None and self.view.logs.high else ""

    # What is drawn again and again.

    def refresh_now(self) -> None:
        """Follow the scans and the job."""
        if self._scans != self.control.scans:
            self._scans = self.control.scans
            self.sets.show(self.control.overview.folders)
            self._choose()
        if self._stages is not None:
            self.stage_line.show(self._stages, self.job)
        self.summary.take(self.plan, self.timeline.chosen)
        line = self.command()
        self.query_one("#command", Static).update(Content(f"$ {words.safe(line)}" if line else ""))
        for name in ("restore", "drill"):
            self.query_one(f"#{name}", Button).disabled = bool(self.reason(BY_ID[name]))
        self.pane("sets-pane").name_it("Set", note=self.control.target)
        point = self.timeline.chosen
        where = ""
        if point is not None:
            when = f", {words.moment(point.ended)}" if point.ended is not None else ""
            where = f"the end of {words.generation(point.generation)}{when}"
        self.pane("timeline-pane").name_it("Point in time:" if where else "Point in time", note=where)

    @property
    def job(self) -> JobSnapshot | None:
        """The job that was begun here."""
        return next((each for each in self.board.jobs if each.number == self._job), None)

    @property
    def to(self) -> str:
        """The folder for the databases; empty: where their logs say."""
        return self.query_one("#to", Input).value.strip()

    @property
    def logs(self) -> str:
        """The folder of the live logs, or nothing."""
        return self.query_one("#logs", Input).value.strip()

    def command(self) -> str:
        """Return the command that does the same."""
        plan = self.plan
        if plan is None or not plan.points:
            return ""
        return restore_command(plan.set_path, self.to, self.logs, stop_of(plan, self.timeline.chosen))

    # What is chosen.

    def _choose(self) -> None:
        row = self.sets.chosen
        entry = None if row is None else row.entry
        if entry is None or entry == self._set:
            return
        if self._set is None or entry.path != self._set.path:
            field = self.query_one("#to", Input)
            if self._set is None or field.value == f"{self._set.path}.restored":
                field.value = f"{entry.path}.restored"
        self._set = entry
        self._reload()

    def _reload(self) -> None:
        if self._set is None:
            return
        self._asked += 1
        asked, path, to, logs = self._asked, self._set.path, self.to, self.logs
        fs = ReadOnlyFileSystem(self.control.fs)

        def work() -> None:
            to_folder, log_folder = (fs.absolute(each) if each else "" for each in (to, logs))
            plan = plan_restore(fs, path, to_folder, log_folder)
            if self.is_attached:
                self.app.call_from_thread(self._planned, asked, plan)

        self.run_worker(work, thread=True, group="plan", exclusive=False)

    def _planned(self, asked: int, plan: RestorePlan) -> None:
        if asked != self._asked or not self.is_attached or self._set is None:
            return
        self.plan = plan
        # An incremental part means: to its end, not to the end of the whole chain.
        up_to = self._set.gen_high if self._set.depth else None
        self.timeline.show(plan.points, up_to)
        lines = plan.lines
        if plan.problem:
            lines = (Field("cannot", plan.problem, Tone.BAD), *lines)
        self.summary.show(lines)
        self.refresh_now()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Take the set under the cursor."""
        if event.rows is self.sets:
            self._choose()
        self.refresh_now()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Go on to the next choice."""
        event.stop()
        if event.rows is self.sets:
            self.timeline.focus()
        else:
            self.query_one("#restore", Button).focus()

    def on_input_changed(self) -> None:
        """Work it out again."""
        self._reload()

    def on_input_submitted(self) -> None:
        """Enter in a line goes to the button."""
        self.query_one("#restore", Button).focus()

    # Actions.

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        if action.id not in {"restore", "drill"}:
            return ""
        job = self.job
        if job is not None and job.running:
            return "a restore is running"
        if self._set is None:
            return "there is no set; b on the first screen makes one, f chooses another backup directory"
        if action.id == "drill":
            return "" if self._set.verdict.value not in {"broken", "half-made"} else "the set is not complete"
        if self.plan is None:
            return "it is being worked out"
        return self.plan.problem

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
        event.stop()
        if event.button.id == "back":
            self.do_back()
        elif event.button.id == "live":
            field = self.query_one("#logs", Input)
            field.value = "" if field.value == self._live else self._live
        elif event.button.id is not None:
            self.act(event.button.id)

    def do_pane_1(self) -> None:
        """Go to the sets."""
        self.sets.focus()

    def do_pane_2(self) -> None:
        """Go to the points in time."""
        self.timeline.focus()

    def do_restore(self) -> None:
        """Restore; where databases would be replaced the name must be typed."""
        plan = self.plan
        if plan is None:
            return
        to = self.control.fs.absolute(self.to) if self.to else ""
        if not plan.replaced and to and not plan.goes_on:
            self._begin(plan)
            return
        name = to.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] if to else "original"

        def go(answer: object) -> None:
            if answer is not None:
                self._begin(plan)

        dialog = PlanDialog(
            "Restore: what is there will be changed",
            "Restore",
            lambda _: PlanView(lines=plan.lines),
            lambda _: self.command(),
            must_type=name,
            danger=True,
        )
        self.app.push_screen(dialog, go)

    def _begin(self, plan: RestorePlan) -> None:
        fs, point = self.control.fs, self.timeline.chosen
        to, logs = (fs.absolute(each) if each else "" for each in (self.to, self.logs))
        total = len(plan.generations(point))
        job, self._stages = restore_job(self.control, plan.set_path, to, logs, stop_of(plan, point), total)
        self._job = job.number
        self.tick()
        self.query_one("#back", Button).focus()

    def do_drill(self) -> None:
        """Try the set out."""
        if self._set is not None:
            self.console.drill_set(self._set.path)
