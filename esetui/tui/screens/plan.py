"""The plan of a recovery before the act, the choice how, and the act with its stages.

    1 plan      verdict, why not, what will happen, databases, logs as a strip
    how         a copy (suggested), in place, in memory; below it the same as a command

The plan is worked out in a thread; nothing is written before a button is pressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from engine.errors import EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.recovery.plan import plan_recovery
from engine.recovery.stop import Lose
from esetui.action import Action, Scope
from esetui.actions import BY_ID, command_line
from esetui.tui import words
from esetui.tui.model import Field, PlanView, Section, Tone
from esetui.tui.recovery.jobs import recover_command, recover_job
from esetui.tui.recovery.plan_text import plan_sections, plan_strip
from esetui.tui.recovery.until import Wish, parse_until
from esetui.tui.screens.dialogs import PlanDialog
from esetui.tui.screens.work import WorkScreen
from esetui.tui.widgets.details import Details
from esetui.tui.widgets.pane import Pane
from esetui.tui.widgets.stage_line import StageLine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from engine.recovery.plan import RecoveryPlan
    from esetui.jobs import JobSnapshot
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView
    from esetui.tui.recovery.stages import Stages

_ON_PLAN = frozenset(("recover", "recover_in_place", "browse", "accept_loss"))


class PlanScreen(WorkScreen):
    """The plan of one instance."""

    scope: ClassVar[Scope] = Scope.PLAN
    places: ClassVar[frozenset[Scope]] = frozenset((Scope.PLAN, Scope.JOB))
    AUTO_FOCUS = "#recover"

    def __init__(self, control: Control, view: InstanceView) -> None:
        super().__init__(control)
        self.view = view
        self.plan: RecoveryPlan | None = None
        self.problem = ""
        self.details = Details(id="plan")
        self.stage_line = StageLine(id="stages")
        self._stages: Stages | None = None
        self._wish = Wish()
        self._lossy: tuple[RecoveryPlan, Wish] | None = None
        """The plan that works when a loss is accepted, and with which."""
        self._job = 0
        self._asked = 0
        self._accepted = Lose.NOTHING

    def body(self) -> Iterable[Widget]:
        """Plan above, choice and stages below."""
        yield Pane(self.details, 1, "Recovery plan", id="plan-pane")
        with_command = Vertical(
            self.stage_line,
            Horizontal(Static("copy into", classes="label"), Input("", id="into", compact=True), classes="line"),
            Horizontal(
                Static("until", classes="label"),
                Input("", placeholder="the end; or 1F, or 2026-11-28 13:35", id="until", compact=True),
                classes="line",
            ),
            Static("", id="command", classes="text", markup=False),
            Horizontal(
                Button("Recover a copy", id="recover", variant="primary", compact=True, disabled=True),
                Button("In place …", id="recover_in_place", compact=True, disabled=True),
                Button("Accept loss …", id="accept_loss", compact=True, disabled=True),
                Button("In memory", id="browse", compact=True, disabled=True),
                Button("Back", id="back", compact=True),
                classes="buttons",
            ),
            id="how",
            classes="how",
        )
        yield with_command

    def on_mount(self) -> None:
        """Work out the plan."""
        super().on_mount()
        self.query_one("#into", Input).value = f"{self.view.folder}.recovered"
        self.details.show("plan", (Section("", (Field("", "working it out …", Tone.MUTED),)),))
        self._ask()

    def _ask(self) -> None:
        """Work the plan out, to the end or to the point that was typed."""
        self._asked += 1
        asked = self._asked
        stop, problem = parse_until(self.query_one("#until", Input).value)
        wish = Wish(stop, self._accepted)
        if problem:
            self._planned(asked, None, problem, wish, None)
            return

        def work() -> None:
            plan, lossy, failed = None, None, ""
            try:
                plan = self._plan(wish)
                if not plan.ok and stop is None and not wish.lose:
                    lossy = self._with_loss()
            except EseError as error:
                failed = f"{error.name} ({error.code}): {error.message}"
            if self.is_attached:
                self.app.call_from_thread(self._planned, asked, plan, failed, wish, lossy)

        self.run_worker(work, thread=True, group="plan", exclusive=False)

    def _plan(self, wish: Wish) -> RecoveryPlan:
        return plan_recovery(
            self.view.folder,
            base_name=self.view.base_name or None,
            stop=wish.stop,
            lose=wish.lose,
            fs=ReadOnlyFileSystem(self.control.fs),
        )

    def _with_loss(self) -> tuple[RecoveryPlan, Wish] | None:
        """Return the plan with the least loss that would work, if any does."""
        for lose in (Lose.MISSING, Lose.MISSING | Lose.DAMAGED):
            wish = Wish(lose=lose)
            plan = self._plan(wish)
            if plan.ok:
                return plan, wish
        return None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Work the plan out again when another end was typed."""
        if event.input.id == "until":
            self._ask()

    def _planned(
        self,
        asked: int,
        plan: RecoveryPlan | None,
        problem: str,
        wish: Wish,
        lossy: tuple[RecoveryPlan, Wish] | None,
    ) -> None:
        if asked != self._asked or not self.is_attached:
            return
        first = self.plan is None and not self.problem
        self.plan, self.problem, self._wish, self._lossy = plan, problem, wish, lossy
        if plan is None:
            said = (Field("", self.problem, Tone.BAD), Field("", "Nothing was changed."))
            self.details.show("no plan", (Section("No plan can be made", said),))
        else:
            self.details.show(f"plan {plan.start} {wish}", plan_sections(plan), plan_strip(plan), early=True)
            self.pane("plan-pane").name_it("Recovery plan", note=self.view.name)
        self._allow()
        if not first:
            return
        focus = "#recover" if plan is not None and plan.ok and not plan.clean else "#back"
        self.query_one(focus, Button).focus()

    # What is drawn again and again.

    def refresh_now(self) -> None:
        """Follow the job."""
        job = self.job
        if self._stages is not None:
            self.stage_line.show(self._stages, job)
        self._allow()
        line = self.command()
        self.query_one("#command", Static).update(Content(f"$ {words.safe(line)}" if line else ""))

    @property
    def job(self) -> JobSnapshot | None:
        """The job that was begun here."""
        return next((each for each in self.board.jobs if each.number == self._job), None)

    def _allow(self) -> None:
        for name in _ON_PLAN:
            self.query_one(f"#{name}", Button).disabled = bool(self.reason(BY_ID[name]))
        self.query_one("#accept_loss", Button).display = self._lossy is not None

    @property
    def into(self) -> str:
        """Where the copy goes."""
        return self.query_one("#into", Input).value.strip()

    def command(self) -> str:
        """Return the command that recovers the copy, or that shows this plan."""
        if self.plan is not None and self.plan.ok and not self.plan.clean and self.into:
            return recover_command(self.plan, self.into, self._wish)
        return command_line(BY_ID["plan"], {"instance": self.view.folder}) or ""

    # Actions.

    def reason(self, action: Action) -> str:
        """Return why an action cannot be run now, or nothing."""
        if action.id not in _ON_PLAN:
            return ""
        return self._busy() or self._unfit(action)

    def _busy(self) -> str:
        job = self.job
        if job is not None and job.running:
            return "it is being recovered"
        if self.board.busy(self.view.key) is not None:
            return "a job is running on this instance"
        if self.control.is_running(self.view.key):
            return "the instance is running; its log is still being written"
        return ""

    def _unfit(self, action: Action) -> str:
        plan = self.plan
        if plan is None:
            return "there is no plan" if self.problem else "the plan is being worked out"
        if action.id == "accept_loss":
            if self._wish.lose:
                return "it is accepted already"
            if plan.ok:
                return "nothing is lacking"
            return "" if self._lossy is not None else "no loss that may be accepted would help"
        if not plan.ok:
            return "recovery would be refused; see the plan"
        if plan.clean:
            return "there is nothing to recover"
        if action.id == "recover" and not self.into:
            return "say where the copy goes"
        return "" if plan.databases or action.id != "browse" else "there is no database"

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Do what the button says."""
        event.stop()
        if event.button.id == "back":
            self.do_back()
        elif event.button.id in _ON_PLAN:
            self.act(event.button.id)

    def on_input_submitted(self) -> None:
        """Enter in the line of the folder goes to the button."""
        self.query_one("#recover", Button).focus()

    def _begin(self, into: str | None) -> None:
        if self.plan is not None:
            job, self._stages = recover_job(self.control, self.plan, self.view, into, self._wish)
            self._job = job.number
            self.tick()
            self.query_one("#back", Button).focus()

    def do_recover(self) -> None:
        """Recover a copy."""
        self._begin(self.control.fs.absolute(self.into))

    def do_recover_in_place(self) -> None:
        """Recover the instance itself; the name must be typed."""
        plan = self.plan
        if plan is None:
            return
        lines = [Field("", f"{each.path}: pages and header are changed", Tone.WARN) for each in plan.databases]
        lines += [Field("", f"{plan.folder}: the log is ended, the checkpoint moves", Tone.WARN)]
        lines += [Field("", "A copy leaves the original as it is; this does not.", Tone.WARN)]

        def go(answer: object) -> None:
            if answer is not None:
                self._begin(None)

        dialog = PlanDialog(
            f"Recover {self.view.name} in place",
            "Recover",
            lambda _: PlanView(lines=tuple(lines), logs=plan_strip(plan)),
            lambda _: recover_command(plan, None, self._wish),
            must_type=self.view.name,
            danger=True,
        )
        self.app.push_screen(dialog, go)

    def do_accept_loss(self) -> None:
        """Go on without logs that hold finished work; what is lost is said, and the name must be typed."""
        if self._lossy is None:
            return
        plan, wish = self._lossy
        lines = [Field("lost", each, Tone.BAD) for each in plan.losses]
        lines.append(Field("", "Nothing is done yet: the plan is made again with this loss."))

        def go(answer: object) -> None:
            if answer is not None:
                self._accepted = wish.lose
                self._ask()

        dialog = PlanDialog(
            f"Accept a loss in {self.view.name}",
            "Accept",
            lambda _: PlanView(lines=tuple(lines), logs=plan_strip(plan)),
            lambda _: recover_command(plan, self.into or None, wish),
            must_type=self.view.name,
            danger=True,
        )
        self.app.push_screen(dialog, go)

    def do_browse(self) -> None:
        """Look into the database as it would be, without a change to any file."""
        plan = self.plan
        if plan is not None and plan.databases:
            database = next((each for each in plan.databases if each.path), plan.databases[0])
            self.console.browse_replayed(database.path, self.view, self._wish)
