"""The running job: what happens now, one progress line a file, rate with its history, pages by outcome.

copying databases                61 %  0:07 left
dhcp.mdb     ███████████████░░░░░░░░░       61 %
lease.mdb    ░░░░░░░░░░░░░░░░░░░░░░░░    waiting
logs 1A–1F   ░░░░░░░░░░░░░░░░░░░░░░░░    waiting
1.20 GiB/s   ▁▂▅▇▇▆▇▇
pages 3,214 ok   0 corrected   0 bad
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.monitor import FileProgress, FileState, Phase
from esetui.jobs import JobKind, JobSnapshot, JobState
from esetui.tui import words
from esetui.tui.rows import Part, bar, chart, sparkline, wrap
from esetui.tui.widgets.drawn import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esetui.tui.theme import Glyphs

CHART_FROM = 12
"""Lines from which on the rate is drawn as a chart."""

_LESSON = (
    "Nothing is running.",
    "   ".join(each.replace(" ", "\u00a0") for each in ("b full backup", "i incremental", "a atomic", "v verify")),
    "Progress, checksums and the transfer rate will be shown here.",
)
_WITHOUT_BYTES = frozenset(
    (
        JobKind.START,
        JobKind.STOP,
        JobKind.CUT_OFF,
        JobKind.TRUNCATE,
        JobKind.REPLAY,
        JobKind.RECOVER,
        JobKind.RESTORE,
        JobKind.EXPORT,
    )
)
_OUTCOME = {
    JobState.DONE: ("done", "good strong"),
    JobState.FAILED: ("FAILED", "bad strong"),
    JobState.CANCELLED: ("CANCELLED", "warn strong"),
}


class BackupPanel(Lines, can_focus=True):
    """The job that the board shows."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self.job: JobSnapshot | None = None

    def show(self, job: JobSnapshot | None) -> None:
        """Take the newest figures."""
        if job is None and self.job is None:
            return
        still = self.job is not None and job is not None and not job.running and not self.job.running
        if still and self.job is not None and job is not None and self.job.number == job.number:
            return
        self.job = job
        self.redraw()

    def rows(self, width: int, height: int) -> list[Sequence[Part]]:
        """Return the lines for this size."""
        job = self.job
        if job is None:
            return [(Part(line, "muted", flex=True),) for text in _LESSON for line in wrap(text, width)]
        head = _head(job, width)
        tail = self._tail(job, width, height)
        room = max(0, height - len(head) - len(tail))
        return [*head, *file_rows(job, width, room, self.glyphs), *tail]

    def _tail(self, job: JobSnapshot, width: int, height: int) -> list[Sequence[Part]]:
        shot = job.monitor
        if job.kind in _WITHOUT_BYTES and not shot.files:
            return []
        rows: list[Sequence[Part]] = []
        if height >= CHART_FROM and job.rates:
            lines = chart(job.rates, width, max(2, min(5, (height - 7) // 2)), self.glyphs.spark)
            rows += [(Part(line, "bar", flex=True),) for line in lines]
        label = words.rate(job.rate) if shot.bytes_done else "-"
        spark = sparkline(job.rates, max(0, width - 14), self.glyphs.spark) if height < CHART_FROM else ""
        rows.append(
            (
                Part(label, "strong", width=12),
                Part(
                    spark or f"{words.size(shot.bytes_done)} of {words.size(shot.bytes_total)}",
                    "bar" if spark else "muted",
                    flex=True,
                ),
            ),
        )
        rows.append(page_parts(job))
        return rows


def _head(job: JobSnapshot, width: int) -> list[Sequence[Part]]:
    shot = job.monitor
    if job.running:
        doing = "cancelling …" if job.cancelling else now_text(job)
        percent = "" if job.percent is None else f"{job.percent} %"
        left = f"{words.duration(shot.remaining)} left" if percent and shot.remaining is not None else ""
        return [(Part(doing, "strong", flex=True), Part(percent, width=5, right=True), Part(left, "muted", drop=1))]
    word, style = _OUTCOME[job.state]
    if job.state is JobState.DONE and shot.pages_bad:
        word, style = "DAMAGE FOUND", "bad strong"
    took = words.duration(shot.elapsed)
    rows: list[Sequence[Part]] = [
        (Part(word, style), Part(job.kind.value, "plain", flex=True), Part(f"took {took}", "muted", drop=1)),
    ]
    if job.error is not None:
        rows += [(Part(line, "bad", flex=True),) for line in wrap(job.error.text, width)[:3]]
        if job.error.hint:
            rows += [(Part(line, "muted", flex=True),) for line in wrap(job.error.hint, width)[:2]]
    elif job.summary:
        rows += [(Part(line, flex=True),) for line in wrap(job.summary, width)[:2]]
    return rows


def now_text(job: JobSnapshot) -> str:
    """Return what happens now, in words."""
    shot = job.monitor
    phase = job.kind.value if shot.phase in {Phase.IDLE, Phase.STARTING} else shot.phase.value
    active = next((each.name for each in shot.files if each.state is FileState.ACTIVE), "")
    said = shot.detail or (active if shot.phase in {Phase.LOGS, Phase.VERIFYING} else "")
    return f"{phase}: {said}" if said else phase


def page_parts(job: JobSnapshot) -> Sequence[Part]:
    """Return pages (segments, where there are only logs) verified, corrected and bad, coloured when there are any."""
    shot = job.monitor
    logs = bool(shot.segments_verified) and not shot.pages_verified
    good = shot.segments_verified if logs else shot.pages_verified
    return (
        Part("log segments" if logs else "pages", "muted"),
        Part(f"{words.count(good)} ok", "good" if good else "muted"),
        Part(""),
        Part(f"{words.count(shot.pages_corrected)} corrected", "warn strong" if shot.pages_corrected else "muted"),
        Part(""),
        Part(f"{words.count(shot.pages_bad)} bad", "bad strong" if shot.pages_bad else "muted"),
        Part(f" {words.count(shot.pages_blank)} blank" if shot.pages_blank else "", "muted", drop=1),
        Part("", flex=True),
    )


def file_rows(job: JobSnapshot, width: int, room: int, glyphs: Glyphs) -> list[Sequence[Part]]:
    """Return one line a file; logs share one, and databases that do not fit are counted."""
    files = job.monitor.files
    databases = [each for each in files if each.kind != "log"]
    logs = [each for each in files if each.kind == "log"]
    shown = list(files)
    if len(files) > room:
        shown = databases + ([_together(logs)] if logs else [])
    rest = 0
    if room < 2 and len(shown) > room and not job.running:  # noqa: PLR2004 - one line says nothing of several files
        return []
    if len(shown) > room:
        # The ones at work are what a person wants to see.
        shown.sort(key=lambda each: each.state is not FileState.ACTIVE)
        rest = len(shown) - max(0, room - 1)
        shown = shown[: max(0, room - 1)]
    name_width = min(max((len(words.safe(each.name)) for each in shown), default=0), max(10, width // 3))
    rows = [_file_row(each, name_width, width, glyphs) for each in shown]
    if rest and room:
        rows.append((Part(f"and {words.plural(rest, 'more file')}", "muted", flex=True),))
    return rows


def _together(logs: list[FileProgress]) -> FileProgress:
    done = sum(1 for each in logs if each.state is FileState.DONE)
    if any(each.state is FileState.FAILED for each in logs):
        state = FileState.FAILED
    elif done == len(logs):
        state = FileState.DONE
    else:
        state = FileState.ACTIVE if done or any(each.state is FileState.ACTIVE for each in logs) else FileState.WAITING
    name = words.plural(len(logs), "log") if state is not FileState.ACTIVE else f"log {done + 1} of {len(logs)}"
    return FileProgress(name, "", "log", sum(x.bytes_total for x in logs), sum(x.bytes_done for x in logs), state)


def _file_row(each: FileProgress, name_width: int, width: int, glyphs: Glyphs) -> Sequence[Part]:
    if each.state is FileState.ACTIVE:
        fraction = each.bytes_done / each.bytes_total if each.bytes_total else 0.0
        word, style = f"{int(fraction * 100)} %", "plain"
    else:
        fraction = (
            1.0 if each.state is FileState.DONE else each.bytes_done / each.bytes_total if each.bytes_total else 0.0
        )
        word = each.state.value.upper() if each.state is FileState.FAILED else each.state.value
        style = {FileState.DONE: "good", FileState.FAILED: "bad strong"}.get(each.state, "muted")
    room = max(4, width - name_width - 9)
    filled, empty = bar(fraction, room, glyphs.full_bar, glyphs.part_bar, glyphs.empty_bar)
    return (
        Part(each.name, width=name_width, path=True),
        Part(filled, "good" if each.state is FileState.DONE else "bad" if each.state is FileState.FAILED else "bar"),
        Part(empty, "track", joined=bool(filled)),
        Part(word, style, flex=True, right=True),
    )
