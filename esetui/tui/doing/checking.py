"""Integrity checks, and the repair of damaged pages from a backup set."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from engine.env import Environment
from engine.errors import EseError
from esetui.actions import BY_ID, command_line
from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.doing.base import Acts
from esetui.tui.model import Field, PlanView, State, Tone
from esetui.tui.screens.dialogs import ChoiceDialog, PlanDialog

if TYPE_CHECKING:
    from engine.monitor import Monitor
    from engine.repair import RepairPlan

_MOST_NAMED = 8


class CheckActs(Acts):
    """What checks a database, and what mends a page of it."""

    def do_check(self) -> None:
        """Check the database that has the focus; one that was not shut down also as it would be recovered."""
        database, view = self.main.database, self.main.instance
        if database is None:
            return
        found = None if view is None else self.control.found(view.key)
        if database.state is not State.DIRTY or found is None or not found.has_log:
            self._check(database.path, replay=False)
            return

        def go(answer: object) -> None:
            if answer is not None:
                self._check(database.path, replay=answer == "replay", logs=found.log_folder)

        text = (
            f"{database.name} was not shut down cleanly. It can be checked as recovery would leave it; no file changes."
        )
        answers = [("replay", "As recovered in memory"), ("as-is", "As it is on disk")]
        self.push_screen(ChoiceDialog(f"Check {database.name}", text, answers), go)

    def _check(self, path: str, *, replay: bool, logs: str | None = None) -> None:
        from esetui.tui.checking import check_job  # noqa: PLC0415 - only when asked for
        from esetui.tui.screens.check import CheckScreen  # noqa: PLC0415

        job, run = check_job(self.control, path, self.main.instance, replay=replay, logs=logs)
        self.push_screen(CheckScreen(self.control, run, job.number))

    def do_repair_pages(self) -> None:
        """Rebuild the pages that were found damaged in the database that has the focus."""
        database = self.main.database
        if database is not None:
            self.repair(database.path, self.control.damage.pages(database.path))

    def repair(self, path: str, pages: list[int]) -> None:
        """Show what a repair from a set would write, and do it."""
        from engine.repair import plan_repair, write_repair  # noqa: PLC0415 - only when asked for

        plans: dict[str, RepairPlan] = {}
        control = self.control
        sets = [each for folder in control.overview.folders for each in folder.sets if not each.depth]
        fitting = next((each.path for each in sets if PurePath(path).name in each.databases), control.target)

        def load(source: str) -> PlanView:
            try:
                plan = plan_repair(path, pages, source=source, env=Environment(fs=control.fs))
            except EseError as error:
                return PlanView(problem=f"{error.name} ({error.code}): {error.message}")
            plans[source] = plan
            return _repair_view(plan)

        def command(source: str) -> str:
            numbers = " ".join(str(each) for each in pages)
            line = command_line(BY_ID["repair_pages"], {"file": path, "page": "PAGES", "set": source or "SET"}) or ""
            return line.replace("PAGES", numbers)

        def go(source: object) -> None:
            plan = plans.get(source) if isinstance(source, str) else None
            if plan is None:
                return

            def work(_: Monitor) -> str:
                result = write_repair(plan, env=Environment(fs=control.fs))
                control.damage.forget(path)
                kept = f"; what lay there is kept in {words.plural(len(result.kept), 'file')} beside it"
                return f"{PurePath(path).name}: {words.plural(len(result.pages), 'page')} repaired{kept}."

            control.submit(
                JobKind.REPAIR, work, self.main.instance, subject=path, command=f"{command(str(source))} --yes"
            )

        name = PurePath(path).name
        what = ", ".join(str(each) for each in pages[:_MOST_NAMED]) + (" …" if len(pages) > _MOST_NAMED else "")
        title = f"Repair page {what} of {name}" if len(pages) == 1 else f"Repair pages {what} of {name}"
        dialog = PlanDialog(
            title, "Repair", load, command, label="from set", value=fitting, must_type=name, danger=True
        )
        self.push_screen(dialog, go)


def _repair_view(plan: RepairPlan) -> PlanView:
    lines = [
        Field("set", f"logs {words.generations(plan.from_set.start, plan.from_set.stop - 1)}"),
        Field("replayed", f"{words.generations(plan.replayed.start, plan.replayed.stop - 1)}, from {plan.log_folder}"),
    ]
    for page in plan.pages:
        where = ".".join(each for each in (page.table, page.tree) if each) or f"object {page.objid}"
        origin = "changed by the log since the set" if page.from_log else "as in the set"
        lines.append(Field(f"page {page.pgno}", f"{page.state.value}; {where}; {origin}"))
    if plan.others.damaged_count:
        lines.append(Field("also damaged", f"{words.plural(plan.others.damaged_count, 'other page')}", Tone.WARN))
    lines += [Field("forbids it", each.detail, Tone.BAD) for each in plan.findings[:_MOST_NAMED]]
    problem = "" if plan.ok else "the trees would not be whole with these pages"
    if plan.ok and not plan.needed:
        problem = "the pages are as the log has them: nothing to repair"
    return PlanView(lines=tuple(lines), problem=problem)
