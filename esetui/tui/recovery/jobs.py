"""Recovery as a job: in place or on a copy, its events in the event log, its stages for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.env import Environment
from engine.errors import EseError
from engine.instance.recovering import recover
from engine.monitor import Phase
from esetui.actions import BY_ID, command_line
from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.model import Level
from esetui.tui.recovery.stages import Stages

if TYPE_CHECKING:
    from engine.events import Event
    from engine.monitor import Monitor
    from engine.recovery.plan import RecoveryPlan
    from engine.types import Progress
    from esetui.jobs import Job
    from esetui.tui.control import Control
    from esetui.tui.model import InstanceView
    from esetui.tui.recovery.until import Wish

_WARNING = 1


def recover_command(plan: RecoveryPlan, into: str | None, wish: Wish) -> str:
    """Return the command that does the same."""
    if into is None:
        line = command_line(BY_ID["recover_in_place"], {"instance": plan.folder}) or ""
    else:
        line = command_line(BY_ID["recover"], {"instance": plan.folder, "target": into}) or ""
    return line + wish.options


def recover_job(
    control: Control, plan: RecoveryPlan, view: InstanceView, into: str | None, wish: Wish
) -> tuple[Job, Stages]:
    """Recover an instance, with `into` a copy of it there; returns the job and where it is."""
    names = ("analysis", "redo", "undo", "clean") if into is None else ("analysis", "copy", "redo", "undo", "clean")
    stages = Stages(names, len(plan.replays))

    def event(each: Event) -> None:
        control.feed.add_event(each)
        stages.event(each)

    def work(monitor: Monitor) -> str:
        monitor.phase = Phase.STARTING
        monitor.detail = stages.text

        def progress(step: Progress) -> bool:
            return stages.progress(step, monitor)

        try:
            done = recover(
                plan.folder,
                into=into,
                base_name=plan.base_name,
                stop=wish.stop,
                lose=wish.lose,
                progress=progress,
                monitor=monitor,
                on_event=event,
                env=Environment(fs=control.fs),
            )
        except EseError:
            unchanged = "the instance is as it was" if into is not None else "recovery can be run again"
            control.feed.note(f"Recovery did not end: {unchanged}.", instance=view.name, level=Level.WARN)
            raise
        result = done.result
        stages.end(result.undone_changes)
        if not result.needed:
            return f"{view.name}: nothing had to be replayed; {done.folder} is clean."
        logs = words.generations(result.replayed.start, result.replayed.stop - 1)
        what = words.plural(len(done.databases), "database")
        behind = f" {words.plural(len(result.set_aside), 'log')} behind it put away." if result.set_aside else ""
        for each in result.lost:
            lost = words.generations(each.first, each.last)
            control.feed.note(
                f"{each.path}: finished work of logs {lost} is lost", instance=view.name, level=Level.WARN
            )
        return f"{what} clean in {done.folder}: logs {logs} replayed, consistent at {result.stands}.{behind}"

    command = recover_command(plan, into, wish)
    job = control.submit(JobKind.RECOVER, work, view, target=into or "", command=command)
    return job, stages
