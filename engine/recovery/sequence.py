"""The logs of a replay, one after the other: each is opened, and checked to follow the one before.

Neighbours are linked by the creation time of the log before and, in newer formats, by the XOR of its segment checksums.
Damage is -501 in a soft recovery; in a restore -573 within the set, -574 in the logs behind it.  A half-written last
segment whose shadow is good is put right when it is read, but not in a restore: there it is -570 or -571, unless it is
in the current log.
Source: log reference 1.6, 1.7, 3.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.format.versions import LOG_VERSION_ACCUMULATED_CHECKSUM
from engine.log.paths import join
from engine.log.scan import Situation
from engine.log.tail import CORRUPTION_EVENTS, report_corruption

if TYPE_CHECKING:
    from engine.events import EventLog
    from engine.format.logheader import LogHeader
    from engine.log.reader import LogFile
    from engine.log.stream import LogStream


@dataclass(slots=True)
class LogSequence:
    """The logs of a stream in their order.  `set_top` is the highest generation of a backup set, 0 without one.

    `last` is the header of the log that was done last, `accumulated` the XOR of its segment checksums.
    """

    stream: LogStream
    events: EventLog
    set_top: int = 0
    last: LogHeader | None = None
    accumulated: int = 0

    def open(self, generation: int) -> LogFile:
        """Open the next log.

        -515 (event 567) when it is missing between others or was not made after the one before, -590 (event 543) when
        it does not follow its content; errors of its header (event 412).
        """
        if self.stream.path(generation) is None:
            self._refuse_missing(generation)
        try:
            log = self.stream.open(generation)
        except EseError as error:
            self.events.report(412, str(error.path), str(error.code))
            raise
        try:
            self._check_link(log)
        except BaseException:
            log.close()
            raise
        return log

    def done(self, log: LogFile) -> None:
        """Note that a log was read: the next one has to follow it."""
        self.last, self.accumulated = log.header, log.scan().accumulated_checksum

    def refuse_corrupt(self, log: LogFile) -> None:
        """Report damage of a log (events 552 and 465, 463 or 464), and raise it; nothing when there is none."""
        situation = self._situation(log)
        error = report_corruption(self.events, log.path, log.scan(), situation)
        if error is not None:
            error.event_id = CORRUPTION_EVENTS[situation]
            raise error

    def half_written(self, log: LogFile) -> int:
        """Return the segment that is half written where its shadow may not take its place; 0 when there is none."""
        scan = log.scan()
        mended = not self.set_top or (log.generation > self.set_top and log.path == self.stream.current)
        return 0 if mended or not scan.torn or scan.corruption is not None else scan.last_valid_segment

    def _situation(self, log: LogFile) -> Situation:
        if not self.set_top:
            return Situation.NORMAL
        return Situation.HARD_RESTORE if log.generation <= self.set_top else Situation.HARD_RECOVERY

    def _refuse_missing(self, generation: int) -> None:
        above = [each for each in self.stream.generations if each > generation]
        if not above:
            path = join(self.stream.folder, self.stream.names.archive(generation))
            raise EseError.from_code(Err.MissingLogFile, path=path, generation=generation)
        path = self.stream.path(min(above)) or ""
        self.events.report(567, path, str(Err.InvalidLogSequence))
        raise EseError.from_code(
            Err.InvalidLogSequence,
            f"generation {generation:#x} is missing before it",
            path=path,
            generation=min(above),
            event_id=567,
        )

    def _check_link(self, log: LogFile) -> None:
        before, header = self.last, log.header
        if before is None:
            return
        if header.previous_created != before.created:
            self.events.report(567, log.path, str(Err.InvalidLogSequence))
            raise EseError.from_code(
                Err.InvalidLogSequence,
                f"made after a log of {header.previous_created}, not of {before.created}",
                path=log.path,
                generation=log.generation,
                event_id=567,
            )
        if header.version >= LOG_VERSION_ACCUMULATED_CHECKSUM and header.previous_checksum != self.accumulated:
            expected, actual = f"0x{header.previous_checksum:016x}", f"0x{self.accumulated:016x}"
            self.events.report(543, log.path, expected, actual)
            raise EseError.from_code(
                Err.LogSequenceChecksumMismatch,
                path=log.path,
                generation=log.generation,
                stored=header.previous_checksum,
                computed=self.accumulated,
                event_id=543,
            )
