"""A database's header in words: is it clean, what does it need, when was it backed up.

Source: database reference 1.5, 1.7; log reference 7.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.format.dbheader import NEWEST_UPDATE, DatabaseHeader, DbState
from esetui.cli.describe.fields import Verdict, backup_text, range_text
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from engine.info import DatabaseFileInfo


class LogsNear(NamedTuple):
    """The logs of the database's own stream found in its folder."""

    base: str
    generations: tuple[int, ...]


_STATES = {
    DbState.JUST_CREATED: "It was being created; its logs alone can finish it.",
    DbState.BEING_CONVERTED: "It was being converted to another format.",
    DbState.FORCE_DETACH: "It was detached by force; it cannot be recovered.",
    DbState.INCREMENTAL_RESEED: "Pages were being replaced from another copy; it must be reseeded or recovered.",
    DbState.REVERT_IN_PROGRESS: "It was being reverted to an earlier time.",
}


def last_backups(header: DatabaseHeader) -> str:
    """Return when the last backups were, in one sentence."""
    full, incremental = header.bkinfo_full_prev, header.bkinfo_inc_prev
    if not full:
        return "It was never backed up in full."
    text = f"Last full backup {backup_text(full)}."
    return f"{text} Last incremental {backup_text(incremental)}." if incremental else text


def database_verdict(info: DatabaseFileInfo, logs: LogsNear | None) -> Verdict:
    """Say what state a database is in and what it needs."""
    header, problems = info.header, info.read.problems
    tail = tuple(f"{problem.detail[:1].upper()}{problem.detail[1:]}." for problem in problems)
    if header.update_major > NEWEST_UPDATE:
        newer = f"Its format {header.version:#x}.{header.update_major} is newer than any known here."
        tail = (*tail, newer)
    if header.is_backup_copy:
        return _backup_copy(info, tail)
    code = ExitCode.WARNINGS if problems else ExitCode.OK
    if header.clean:
        return Verdict("clean", ("It was shut down cleanly; no log is needed.", last_backups(header), *tail), code)
    if header.state in {DbState.DIRTY_SHUTDOWN, DbState.DIRTY_AND_PATCHED}:
        return Verdict("dirty", (_needs(header, logs), *tail), code)
    known = _STATES.get(header.state, f"Its state {int(header.state)} is not known.")
    return Verdict(header.state.name.lower().replace("_", " "), (known, *tail), code)


def _backup_copy(copy: DatabaseFileInfo, tail: tuple[str, ...]) -> Verdict:
    info = copy.header.bkinfo_full_cur
    begun = f"Made by a backup that began {info.time} at {info.mark}."
    if copy.trailer is None:
        why = f"Its trailer is not usable, so it cannot be restored ({copy.trailer_error})."
        return Verdict("backup copy without a trailer", (begun, why, *tail), ExitCode.DAMAGE)
    high = copy.trailer.bkinfo.gen_high or info.gen_high
    needs = f"It needs logs {range_text(info.gen_low, high)} and must be restored, not opened."
    return Verdict("backup copy", (begun, needs, *tail))


def _needs(header: DatabaseHeader, logs: LogsNear | None) -> str:
    low, high = header.gen_min_required, header.gen_max_required
    committed = max(header.gen_max_committed, high)
    text = f"It needs recovery with logs {range_text(low, high)}"
    if committed > high:
        text += f", and {range_text(high + 1, committed)} to lose nothing"
    if logs is None:
        return f"{text}; none of its logs is in its folder."
    missing = missing_generations(low, high, logs)
    if missing:
        first = missing[0]
        return (
            f"{text}; missing: {len(missing)}, the first is {logs.base}{first:05X}, generation {first} (0x{first:X})."
        )
    return f"{text}; all are in its folder."


def missing_generations(low: int, high: int, logs: LogsNear) -> list[int]:
    """Return the generations of `low`..`high` that are not there; at most 1000 are listed."""
    present = set(logs.generations)
    return [each for each in range(low, min(high, low + 999) + 1) if each not in present]
