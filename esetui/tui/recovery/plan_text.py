"""The plan of a recovery in words: what is there, what is missing, what will happen, what would be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.log.stream import StreamFindingKind
from engine.recovery.plan import Outlook
from esetui.tui import words
from esetui.tui.model import Field, LogStrip, Section, Tone

if TYPE_CHECKING:
    from engine.recovery.plan import PlannedDatabase, RecoveryPlan
    from engine.recovery.plan_end import PlannedFormat

_TONES = {
    Outlook.REPLAYED: Tone.GOOD,
    Outlook.ANEW: Tone.WARN,
    Outlook.AS_IT_IS: Tone.MUTED,
    Outlook.REFUSED: Tone.BAD,
}
_MOST_NAMED = 12
_QUIET = frozenset((StreamFindingKind.DUPLICATE, StreamFindingKind.FOREIGN_BASE, StreamFindingKind.TORN))


def verdict(plan: RecoveryPlan) -> Field:
    """Return in one sentence what it comes to."""
    if plan.clean:
        return Field("", "The last run ended well: there is nothing to recover.", Tone.GOOD)
    if plan.ok:
        return Field("", "All that recovery needs is there.", Tone.GOOD)
    return Field("", "Recovery would be refused. Why is named below; nothing would be changed.", Tone.BAD)


def plan_strip(plan: RecoveryPlan) -> LogStrip:
    """Return the generations as cells: present, required, missing, and where the checkpoint is."""
    required = [each.required for each in plan.databases if each.required is not None]
    low = min((each[0] for each in required), default=0)
    high = max((each[1] for each in required), default=0)
    present = set(plan.generations)
    if not present and not high:
        return LogStrip()
    first = min([*present, *([low] if low else [])])
    last = max([*present, high])
    missing = tuple(each for each in range(first, last + 1) if each not in present) if last - first < 1 << 16 else ()
    checkpoint = plan.checkpoint.generation if plan.checkpoint is not None else 0
    return LogStrip(first, last, missing, low, high, checkpoint)


def plan_sections(plan: RecoveryPlan) -> tuple[Section, ...]:
    """Return the plan as sections, the verdict first."""
    sections = [Section("", (verdict(plan),))]
    if plan.refusals:
        lines = tuple(Field(str(each.code), each.detail, Tone.BAD) for each in plan.refusals)
        sections.append(Section("Why not", lines))
    if plan.losses:
        lines = tuple(Field("", each, Tone.BAD) for each in plan.losses)
        sections.append(Section("Lost without what is missing", lines))
    sections.append(Section("What will happen", _steps(plan)))
    if plan.databases:
        lines = tuple(line for each in plan.databases for line in _database(each))
        sections.append(Section("Databases", lines))
    sections.append(Section("Stream", _logs(plan)))
    return tuple(sections)


def _steps(plan: RecoveryPlan) -> tuple[Field, ...]:
    if plan.clean:
        return (Field("", "Nothing."),)
    if not plan.replays:
        return (Field("", "Nothing can be replayed."),)
    low, high = plan.replays.start, plan.replays.stop - 1
    count = words.plural(len(plan.replays), "log")
    lines = [
        Field("analysis", f"headers, checkpoint and records from {plan.start} on"),
        Field("redo", f"logs {words.generations(low, high)}, {count}, into {_counted(plan, Outlook.REPLAYED)}"),
        Field("undo", "what was never committed is taken back"),
        Field("clean", "headers are marked clean, the log is ended"),
    ]
    if plan.end is not None:
        known = "" if plan.end.whole else " that can be read"
        behind = f"{words.plural(plan.end.transactions, 'finished transaction')}{known} behind it"
        lines.insert(2, Field("stops", f"{plan.end.because}: {behind}", Tone.WARN))
        if plan.end.set_aside:
            lines.append(Field("put away", _named(plan.end.set_aside), Tone.WARN))
    if plan.earliest is not None:
        lines.append(Field("may stop", f"from {plan.earliest} on", Tone.MUTED))
    return tuple(lines)


def _counted(plan: RecoveryPlan, outlook: Outlook) -> str:
    return words.plural(sum(1 for each in plan.databases if each.outlook is outlook), "database")


def _database(each: PlannedDatabase) -> tuple[Field, ...]:
    name = each.path.replace("\\", "/").rsplit("/", 1)[-1]
    lines = [Field(name, f"{each.outlook.value}{f': {each.detail}' if each.detail else ''}", _TONES[each.outlook])]
    if each.required is not None:
        committed = f", finished work up to {words.generation(each.committed)}" if each.committed else ""
        lines.append(Field(" needs", f"logs {words.generations(*each.required)}{committed}"))
    if each.missing:
        lines.append(Field(" missing", _named(each.missing), Tone.BAD))
    if each.header is not None:
        header = each.header
        version = f"{header.version:#x}.{header.update_major}.{header.update_minor}"
        lines.append(Field(" format", f"{version}, pages of {words.size(header.page_size)}"))
    lines.append(Field(" file", each.path))
    if each.logged_path != each.path:
        lines.append(Field(" in the log", each.logged_path, Tone.MUTED))
    return tuple(lines)


def _logs(plan: RecoveryPlan) -> tuple[Field, ...]:
    span = words.generations(plan.generations[0], plan.generations[-1]) if plan.generations else "none"
    lines = [
        Field("folder", plan.folder),
        Field("present", f"{plan.base_name} {span}", Tone.PLAIN if plan.generations else Tone.BAD),
    ]
    if plan.missing:
        lines.append(Field("missing", _named(plan.missing), Tone.BAD))
    if plan.current is None and plan.generations:
        lines.append(Field("current", "there is none", Tone.WARN))
    where = str(plan.checkpoint) if plan.checkpoint is not None else "none"
    note = f" ({plan.checkpoint_note})" if plan.checkpoint_note else ""
    lines.append(Field("checkpoint", where + note, Tone.WARN if plan.checkpoint_note else Tone.PLAIN))
    formats = [each for each in plan.formats if each.path is None]
    lines += [_format(each) for each in formats] or [Field("format", plan.log_version or "unknown")]
    for each in plan.findings:
        place = (each.path or plan.base_name).replace("\\", "/").rsplit("/", 1)[-1]
        tone = Tone.WARN if not each.code or each.kind in _QUIET else Tone.BAD
        lines.append(Field(place, f"{each.kind.value} {each.detail}".strip(), tone))
    if plan.spare is not None:
        lines.append(Field("not used", f"{plan.spare}: a log in preparation", Tone.MUTED))
    if plan.signature is not None:
        lines.append(Field("signature", str(plan.signature), Tone.MUTED))
    return tuple(lines)


def _format(each: PlannedFormat) -> Field:
    engine = f", written by {each.engine}" if each.engine else ""
    known = "" if each.understood else "; not understood"
    span = words.generations(each.first, each.last)
    return Field("format", f"{each.version} in {span}{engine}{known}", Tone.PLAIN if each.understood else Tone.BAD)


def _named(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
