"""Restore and drill as jobs: their events in the event log, their stages for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.drill import drill
from engine.env import Environment
from engine.errors import EseError
from engine.instance.restore_set import restore_set
from engine.monitor import Phase
from esetui.actions import BY_ID, command_line
from esetui.jobs import JobKind
from esetui.tui import words
from esetui.tui.model import Level
from esetui.tui.recovery.restore_plan import restore_command
from esetui.tui.recovery.stages import Stages

if TYPE_CHECKING:
    from engine.drill import DrillResult
    from engine.events import Event
    from engine.monitor import Monitor
    from engine.recovery.stop import StopPoint
    from engine.types import Progress
    from esetui.jobs import Job
    from esetui.tui.control import Control

_FINDINGS_IN_FEED = 50


def restore_job(
    control: Control, set_path: str, to: str, logs: str, stop: StopPoint | None, total: int
) -> tuple[Job, Stages]:
    """Restore a set, `total` generations of logs replayed; returns the job and where it is."""
    stages = Stages(("check", "copy and redo", "undo", "clean"), total)

    def event(each: Event) -> None:
        control.feed.add_event(each)
        stages.event(each)

    def work(monitor: Monitor) -> str:
        monitor.phase, monitor.detail = Phase.STARTING, stages.text

        def progress(step: Progress) -> bool:
            return stages.progress(step, monitor)

        try:
            done = restore_set(
                set_path,
                to=to or None,
                logs=logs or None,
                stop=stop,
                progress=progress,
                monitor=monitor,
                on_event=event,
                env=Environment(fs=control.fs),
            )
        except EseError:
            control.feed.note("The set is as it was; no database was replaced.", level=Level.WARN)
            raise
        stages.end()
        replayed = words.generations(done.replayed.start, done.replayed.stop - 1)
        what = words.plural(len(done.databases), "database")
        where = ", ".join(sorted(done.databases.values()))
        return f"{what} restored: {where}; logs {replayed} replayed, consistent at {done.ended}."

    command = restore_command(set_path, to, logs, stop)
    job = control.submit(JobKind.RESTORE, work, None, subject=set_path, target=to, command=command)
    return job, stages


def drill_job(control: Control, set_path: str) -> Job:
    """Try a set out: restored to a scratch folder, checked, counted, removed."""
    command = command_line(BY_ID["drill"], {"set": set_path}) or ""
    seen = 0

    def tell(path: str, finding: object) -> None:
        nonlocal seen
        seen += 1
        if seen <= _FINDINGS_IN_FEED:
            name = path.replace("\\", "/").rsplit("/", 1)[-1]
            control.feed.note(f"{name}: {getattr(finding, 'detail', finding)}", level=Level.WARN)

    def work(monitor: Monitor) -> str:
        result = drill(
            set_path,
            monitor=monitor,
            on_finding=tell,
            on_event=control.feed.add_event,
            env=Environment(fs=control.fs),
        )
        return drill_text(result)

    return control.submit(JobKind.DRILL, work, None, subject=set_path, command=command)


def drill_text(result: DrillResult) -> str:
    """Return in a sentence or two what a drill gave."""
    rows = sum(each.rows for each in result.databases)
    what = f"{words.plural(len(result.databases), 'database')} restored, {words.plural(rows, 'row')} counted"
    seconds = sum(result.seconds.values())
    if not result.ok:
        bad = result.set_bad + sum(each.bad_units + each.errors for each in result.databases)
        return f"DAMAGED: {words.plural(bad, 'thing')} wrong with the set or what came back; {what}."
    return f"The set restores: {what}, no damage; took {words.duration(seconds)}. Nothing of the drill is left."
