"""Making the end of the current log fit for appending after a crash.

Four things can be in flight when a process dies; each leaves its own trace:

    a segment written again, or for the first time     wrong, and its shadow behind it is right: the shadow
    behind its finished shadow                         takes its place (event 466)
    a shadow renewed behind its segment                wrong, and it names the segment before it, which is right
    a shadow written ahead of its segment              wrong, behind a place that is still empty, or behind the
                                                       finished shadow of the segment before, itself not there yet
    many segments at once                              wrong, and a mark that names the segment before it, which is
                                                       right, and the last one that was in flight

The last three never were a segment of the log, nothing in them was acknowledged, and they are cleared.  Any other
damage is one that no crash of a writer leaves: -501, events 552 and 465, and nothing is changed.
Source: log reference 1.7, 6.2; `engine.log.generation_file` for the order of writing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import Err
from engine.files.base import OpenMode
from engine.format.checksum import segment_checksum
from engine.format.segment import SEGMENT_SIZE, SegmentHeader
from engine.log.generation_file import marked_last
from engine.log.reader import LogFile
from engine.log.scan import EVENT_SEGMENT_CORRECTED, EVENT_SHADOW_USED, FindingKind, LogScan, Situation
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.errors import EseError
    from engine.events import EventLog
    from engine.files.base import FileSystem

_ZEROS = bytes(SEGMENT_SIZE)
_AHEAD = 3
"""Places behind the last right segment at which a shadow can be ahead of two that are not there yet."""
_NAME: Final = 16
"""Bytes of a segment up to what it says of its place."""
TORN_IN_RESTORE = "CannotPatchHardRecovery"
"""The engine's word in event 552."""
CORRUPTION_EVENTS: Final = {
    Situation.NORMAL: 465,
    Situation.HARD_RESTORE: 463,
    Situation.HARD_RECOVERY: 464,
}
_LEFTOVERS = (FindingKind.SEGMENT_CORRUPT, FindingKind.CORRUPT_AFTER_EMPTY)


class Tail(NamedTuple):
    """The end of a log: its scan, and what must be written before anything is appended behind it.

    `scan.last_valid_segment` and `scan.accumulated_checksum` count whether or not the writes are done.
    """

    path: str
    scan: LogScan
    writes: tuple[tuple[int, bytes], ...]


def read_tail(fs: FileSystem, path: str, events: EventLog) -> Tail:
    """Scan the log at `path` and plan what is to be mended; nothing is written.

    -501 for damage that no crash explains; errors of `LogHeader.parse` for the header.
    """
    with LogFile.open(fs, path) as log:
        scan = log.scan()
        leftover = range(0) if scan.corruption is None else _leftover(log, scan)
        if scan.corruption is not None and not leftover:
            report_corruption(events, path, scan)
            scan.raise_if_corrupt(path)
        writes = [*log.patches(), *_clearing(leftover)]
    return Tail(path, scan, tuple(writes))


def mend_tail(fs: FileSystem, tail: Tail, events: EventLog) -> None:
    """Write what `read_tail` planned (events 466, 554)."""
    if not tail.writes:
        return
    with fs.open(tail.path, OpenMode.READ_WRITE) as file:
        for offset, data in tail.writes[:-1]:
            file.write_at(offset, data)
        # What explains the others goes last: if the power fails now, it still does.
        file.fsync()
        for offset, data in tail.writes[-1:]:
            file.write_at(offset, data)
        # The log must be right before anything is appended behind it.
        file.fsync()
    for finding in tail.scan.findings:
        if finding.event_id == EVENT_SHADOW_USED:
            events.report(EVENT_SHADOW_USED, tail.path)
        elif finding.event_id == EVENT_SEGMENT_CORRECTED:
            place = f"{finding.offset} (0x{finding.offset:016x})"
            events.report(EVENT_SEGMENT_CORRECTED, tail.path, str(finding.segment), place, str(finding.bit))


def report_corruption(
    events: EventLog, path: str, scan: LogScan, situation: Situation = Situation.NORMAL
) -> EseError | None:
    """Report what ended a scan, by events 552 and 465 (463 in a set, 464 behind it), and return it as an error.

    None when the log can be read to its end in this situation.
    """
    error = scan.error(path, situation)
    if error is None:
        return None
    bad, last = scan.corruption, scan.last_valid_segment
    if bad is None:
        # A half-written segment whose shadow is good; here nothing may be written to put it right.
        bad = next(each for each in scan.findings if each.kind is FindingKind.TORN)
        last, reason = bad.segment - 1, TORN_IN_RESTORE
    else:
        reason = bad.kind.value
    checksums = (f"0x{bad.stored:016x}", f"0x{bad.computed:016x}")
    events.report(552, path, reason, str(last), str(bad.segment), *checksums, str(Err.LogFileCorrupt))
    events.report(CORRUPTION_EVENTS[situation], path, "", f"isec {bad.segment} reason {reason}")
    return error


def _leftover(log: LogFile, scan: LogScan) -> range:
    """Return the places of a torn shadow, or of marked segments, of which nothing was acknowledged; else none."""
    bad = scan.corruption
    if bad is None or bad.kind not in _LEFTOVERS:
        return range(0)
    last, end = scan.last_valid_segment, bad.segment + 1
    if bad.kind is FindingKind.SEGMENT_CORRUPT:
        # The place behind the last right segment: it must name that segment, or it is a segment of its own.
        block = log.file.read_at(bad.offset, SEGMENT_SIZE)
        if bad.segment != last + 1 or SegmentHeader.unpack(block).position != LgPos(log.generation, last, 0):
            return range(0)
        marked = marked_last(block, log.generation, bad.segment)
        if marked is not None:
            # With the shadow of the last one.
            end = min(max(marked + 2, end), scan.segments)
    elif bad.segment == last + _AHEAD:
        block = log.file.read_at((last + 2) * SEGMENT_SIZE, SEGMENT_SIZE)
        header = SegmentHeader.unpack(block)
        ahead = LgPos(log.generation, last + 1, 0)
        if header.position != ahead or header.checksum != segment_checksum(block, last + 1):
            return range(0)
    elif bad.segment != last + 2:
        return range(0)
    right = all(_is_unused(log, segment) for segment in range(end, scan.segments - 1))
    return range(bad.segment, end) if right else range(0)


def _clearing(places: range) -> Iterator[tuple[int, bytes]]:
    """Yield the writes that clear places; the last is the beginning of the first, which explains all of them."""
    for segment in reversed(places):
        kept = _NAME if segment == places[0] else 0
        yield segment * SEGMENT_SIZE + kept, _ZEROS[kept:]
    if places:
        yield places[0] * SEGMENT_SIZE, _ZEROS[:_NAME]


def _is_unused(log: LogFile, segment: int) -> bool:
    """Say whether a place holds nothing of this generation: zeros, or a segment of an older one."""
    block = log.file.read_at(segment * SEGMENT_SIZE, SEGMENT_SIZE)
    if len(block) < SEGMENT_SIZE:
        return False
    if block == _ZEROS:
        return True
    header = SegmentHeader.unpack(block)
    right = any(header.checksum == segment_checksum(block, place) for place in (segment, segment - 1))
    return right and header.position.generation < log.generation
