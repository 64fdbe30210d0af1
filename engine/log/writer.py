"""The log writer: appends records, makes them durable, begins new generations.

Records follow each other without padding.  One that does not fit in its segment is cut into fragments
(FragmentBegin, Fragment ...), unless fewer than 32 bytes are left there, which then stay zero (NOP).  No record,
and no group of records appended together, crosses from one generation into the next; one byte of the last usable
segment always stays free.  Nothing is written before `flush`, and nothing is acknowledged before it returns.

A writer continues its stream: signature, version, file size, page size, names and their style are those it found.
Source: log reference 1.9-1.11, 6.1-6.6, 6.9.
"""

from __future__ import annotations

import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.lr.control import NOP2, Fragment, FragmentBegin
from engine.format.names import LAST_GENERATION
from engine.format.segment import NOP_PADDING_LIMIT, SEGMENT_HEADER_SIZE, SEGMENT_PAYLOAD
from engine.log.generation_file import GenerationFile
from engine.log.mark import LogMark
from engine.log.paths import join
from engine.log.placing import end_of
from engine.log.rollover import (
    discard_prepared,
    make_log_file,
    make_log_file_from_reserve,
    make_reserves,
    next_header,
    put_in_place,
)
from engine.types import LgPos, LogTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.env import Environment
    from engine.events import EventLog
    from engine.format.dbms_param import DbmsParam
    from engine.format.logheader import LogHeader
    from engine.format.names import LogNames
    from engine.log.owner import LogOwner
    from engine.types import Signature

WARN_GENERATION: Final = 0x40000000
"""From here on the end of the numbering is announced (event 514)."""


LOG_WRITE_FAILED: Final = 408
NEW_LOG_FAILED: Final = 413
"""Events that say why the log was taken down."""

RESERVED_GENERATIONS: Final = 16
"""Generations at the end of the numbering that are left for ending well."""


_make_position = cast("Callable[[type[LgPos], tuple[int, int, int]], LgPos]", tuple.__new__)
"""Makes a position, without the cost of a call into Python."""


class LogWriter:
    """Appends to one log stream.  Safe from any thread; every method takes the lock.

    `flush_to` does not hold it while it waits for the disk: others append meanwhile, and what they appended goes with
    the next write.  One thread at a time writes to the file.

    After a failed write the writer is down: everything raises -510, as the state of the file is not known.
    """

    def __init__(  # noqa: PLR0913 - what a stream is made of
        self,
        env: Environment,
        folder: str,
        names: LogNames,
        owner: LogOwner,
        events: EventLog,
        *,
        file: GenerationFile,
        current_name: str,
        next_segment: int,
        dbms_param: DbmsParam,
    ) -> None:
        self.env = env
        self.folder = folder
        self.names = names
        self.lock = threading.RLock()
        self.disk_full = False
        """A reserve log is in use: only what is needed to end cleanly should be logged."""
        self._owner = owner
        self._events = events
        self._file = file
        self._current_name = current_name
        self._dbms_param = dbms_param
        self._failure: EseError | None = None
        self._warned = False
        self._started = LogTime()
        self._begin_segment(next_segment)
        self._full: list[tuple[int, bytes, LogTime]] = []
        self._io = threading.Lock()
        """Held by who writes to the file; taken with `lock` held, never the other way round."""
        self._last_record = LgPos(file.header.generation, next_segment, 0)
        self._mark = LogMark(self._last_record, file.header.created)

    @classmethod
    def open(  # noqa: PLR0913
        cls,
        env: Environment,
        folder: str,
        names: LogNames,
        owner: LogOwner,
        events: EventLog,
        *,
        current_name: str,
        header: LogHeader,
        last_valid_segment: int,
        accumulated: int,
        dbms_param: DbmsParam,
    ) -> LogWriter:
        """Continue the current log behind `last_valid_segment`, whose checksums up to there XOR to `accumulated`.

        The next record begins a new segment, in the next generation when the file has none left.
        """
        file = env.fs.open(join(folder, current_name), OpenMode.READ_WRITE)
        generation = GenerationFile(file, header, accumulated=accumulated)
        return cls(
            env,
            folder,
            names,
            owner,
            events,
            file=generation,
            current_name=current_name,
            next_segment=max(last_valid_segment, 0) + 1,
            dbms_param=dbms_param,
        )

    @classmethod
    def create(
        cls,
        env: Environment,
        folder: str,
        names: LogNames,
        owner: LogOwner,
        events: EventLog,
        *,
        header: LogHeader,
    ) -> LogWriter:
        """Write the first log of a stream, or the next one when the current log is lost, and open it."""
        discard_prepared(env.fs, folder, names)
        make_log_file(env.fs, folder, names.temp, header)
        env.fs.rename(join(folder, names.temp), join(folder, names.current))
        # The log has its name before a record in it is acknowledged.
        env.fs.fsync_directory(folder)
        return cls.open(
            env,
            folder,
            names,
            owner,
            events,
            current_name=names.current,
            header=header,
            last_valid_segment=0,
            accumulated=0,
            dbms_param=header.dbms_param,
        )

    # -- where the stream is --

    @property
    def header(self) -> LogHeader:
        """Header of the current log."""
        return self._file.header

    @property
    def generation(self) -> int:
        """Generation of the current log."""
        return self._file.header.generation

    @property
    def signature(self) -> Signature:
        """Signature of the stream."""
        return self._file.header.signature

    @property
    def created(self) -> LogTime:
        """Creation time of the current log."""
        return self._file.header.created

    @property
    def last_record(self) -> LgPos:
        """First byte of the last record logged so far, fillers included (before the first: where it will be)."""
        return self._last_record

    @property
    def tip(self) -> LgPos:
        """End of what is durable: a record is on the disk when its position is below."""
        return self._mark.position

    @property
    def mark(self) -> LogMark:
        """The same place, as it can be found again."""
        return self._mark

    @property
    def dbms_param(self) -> DbmsParam:
        """The settings of the instance, as headers and Init2 records carry them."""
        return self._dbms_param

    @property
    def near_end(self) -> bool:
        """Whether so few generations are left that a backup, which begins one, had better not start."""
        return self.generation > LAST_GENERATION - RESERVED_GENERATIONS

    @property
    def failed(self) -> bool:
        """Whether a write has failed; nothing can be logged any more."""
        return self._failure is not None

    @property
    def path(self) -> str:
        """Absolute path of the current log."""
        return join(self.folder, self._current_name)

    def check(self) -> None:
        """Raise -510 when a write has failed."""
        if self._failure is not None:
            raise EseError.from_code(
                Err.LogWriteFail, f"after {self._failure.name} ({self._failure.code})", path=self._failure.path
            )

    # -- appending --

    def append(self, record: bytes) -> LgPos:
        """Append one record without flushing; returns its position.  -517 if too large."""
        with self.lock:
            payload = self._payload
            used = len(payload)
            if 0 < used <= self._quick_room - len(record) and self._failure is None:
                # The most frequent step of live work: the record lies within a segment that has begun.
                payload += record
                place = (self._generation, self._segment, SEGMENT_HEADER_SIZE + used)
                self._last_record = position = _make_position(LgPos, place)
                return position
            return self.append_group((record,))[0]

    def append_group(self, records: Sequence[bytes]) -> tuple[LgPos, ...]:
        """Append records that must be adjacent and in one generation; returns their positions.  -517 if too large."""
        with self.lock:
            self.check()
            if not self._fits(records):
                self._roll()
                if not self._fits(records):
                    size = sum(map(len, records))
                    raise EseError.from_code(Err.LogBufferTooSmall, f"{size} bytes do not fit in one log file")
            return tuple(self._place(record) for record in records)

    def append_in_new_generation(self, record: bytes) -> LgPos:
        """Close the current log and write `record` as the first record of the next one, flushed."""
        with self.lock:
            self.roll()
            position = self.append(record)
            self.flush()
            return position

    def flush(self, fill: bool = False) -> None:  # noqa: FBT001, FBT002 - as the callers' contract has it
        """Make everything appended so far durable.

        `fill` ends the segment with a filler record (NOP2), so that what follows begins in a new one; when the
        segment is the last of its file, the next generation begins instead.
        """
        with self.lock:
            self.check()
            room = SEGMENT_PAYLOAD - len(self._payload)
            if fill and self._payload and room >= NOP2.SMALLEST:
                if self._segment >= self._file.last_segment:
                    self._roll()
                else:
                    self._place(NOP2.create(room).pack())
            self._write_out()

    def flush_to(self, position: LgPos) -> None:
        """Make the record at `position` durable, and whatever else is there by then.  Called without the lock.

        Of several threads that wait, one writes for all.
        """
        while self.tip <= position:
            work = None
            with self.lock:
                self.check()
                if mine := self._io.acquire(blocking=False):
                    # What is appended while the shadow settles shall go with the same write.
                    work = self._take() if self._file.settled else None
            if not mine:
                # Somebody is writing: what this thread waits for is among it, or goes with the next write.
                with self._io:
                    continue
            error = None
            try:
                if work is None:
                    self._file.settle()
                elif work[0]:
                    self._file.store(work[0])
                    self._mark = work[1]
                else:
                    return
            except EseError as caught:
                # Nobody may write behind what has failed.
                self._failure = error = caught
            except BaseException:
                self._failure = self._broken_off()
                raise
            finally:
                self._io.release()
            if error is not None:
                with self.lock:
                    self._failure = None
                    raise self._down(error, event_id=LOG_WRITE_FAILED) from error

    @property
    def unwritten(self) -> bool:
        """Whether something was appended that is not on the disk."""
        return bool(self._full) or len(self._payload) > self._stored

    def roll(self) -> None:
        """Close the current log and begin the next generation.  -519 at the last possible one."""
        with self.lock:
            self.check()
            self._roll()

    def keep_reserves(self) -> None:
        """Make the reserve logs that are missing; when both are there, the disk is not full (any more).

        Called without the lock.  A disk without room for them is no error: it is noticed when the log needs it.
        """
        try:
            make_reserves(self.env.fs, self.folder, self.names, self._file.header.file_size)
        except EseError as error:
            if error.code not in (Err.DiskFull, Err.LogDiskFull):
                raise
        else:
            self.disk_full = False

    def take_down(self, error: EseError) -> None:
        """Refuse everything from here on (-510), because the files can no longer follow the log.

        A log that does not end well is what makes the next start recover.
        """
        with self.lock:
            self._down(error, event_id=None)

    def close(self) -> None:
        """Close the file without writing anything more."""
        with self.lock:
            self._file.close()
            self._failure = self._failure or EseError.from_code(Err.LogWriteFail, "the log was closed")

    # -- inside, lock held --

    def _fits(self, records: Sequence[bytes]) -> bool:
        """Say whether the records end within the current file, one byte of its last segment left free."""
        segment, used = self._segment, len(self._payload)
        for record in records:
            segment, used = end_of(segment, used, len(record))
        last = self._file.last_segment
        return segment < last or (segment == last and used < SEGMENT_PAYLOAD)

    def _place(self, record: bytes) -> LgPos:
        room = SEGMENT_PAYLOAD - len(self._payload)
        if len(record) > room and room < NOP_PADDING_LIMIT:
            self._next_segment()
            room = SEGMENT_PAYLOAD
        offset = SEGMENT_HEADER_SIZE + len(self._payload) if self._payload else 0
        position = LgPos(self.generation, self._segment, offset)
        if len(record) <= room:
            self._copy(record)
        else:
            done = room - FragmentBegin.HEADER_SIZE
            self._copy(FragmentBegin(len(record), record[:done]).pack())
            while done < len(record):
                self._next_segment()
                piece = record[done : done + SEGMENT_PAYLOAD - Fragment.HEADER_SIZE]
                self._copy(Fragment(piece).pack())
                done += len(piece)
        self._last_record = position
        return position

    def _copy(self, data: bytes) -> None:
        if not self._payload:
            self._started = self.env.log_time()
        self._payload += data

    def _next_segment(self) -> None:
        self._full.append((self._segment, bytes(self._payload), self._started))
        self._begin_segment(self._segment + 1)

    def _begin_segment(self, segment: int) -> None:
        self._generation, self._segment = self.generation, segment
        self._payload = bytearray()
        self._stored = 0
        # In the last segment of a file the end of the file counts too.
        self._quick_room = SEGMENT_PAYLOAD if segment < self._file.last_segment else 0

    def _take(self) -> tuple[list[tuple[int, bytes, LogTime]], LogMark]:
        """Return what is to be written, and where the stream will end on the disk."""
        segments, self._full = self._full, []
        if len(self._payload) > self._stored:
            segments.append((self._segment, bytes(self._payload), self._started))
            self._stored = len(self._payload)
        offset = SEGMENT_HEADER_SIZE + len(self._payload) if self._payload else 0
        return segments, LogMark(LgPos(self.generation, self._segment, offset), self.created, zlib.crc32(self._payload))

    def _write_out(self) -> None:
        with self._io:
            self.check()
            segments, mark = self._take()
            try:
                self._file.store(segments)
                self._file.settle()
            except EseError as error:
                raise self._down(error, event_id=LOG_WRITE_FAILED) from error
            except BaseException:
                # What was to be written is in no file: nobody may write behind it.
                self._failure = self._broken_off()
                raise
            self._mark = mark

    def _broken_off(self) -> EseError:
        return EseError.from_code(Err.LogWriteFail, "a write was broken off", path=self.path)

    def _roll(self) -> None:
        generation = self.generation + 1
        if generation > LAST_GENERATION:
            raise EseError.from_code(Err.LogSequenceEnd, generation=generation, path=self.path)
        if generation >= WARN_GENERATION and not self._warned:
            self._warned = True
            self._events.report(514, str(generation), str(LAST_GENERATION), str(LAST_GENERATION - generation))
        self._write_out()
        try:
            header = self._prepare(self._next_header(generation))
            self._file.close()
            put_in_place(
                self.env.fs, self.folder, self.names, current=self._current_name, closed_generation=self.generation
            )
            self._current_name = self.names.current
            self._file = GenerationFile(self.env.fs.open(self.path, OpenMode.READ_WRITE), header)
            self._begin_segment(1)
            self._mark = LogMark(LgPos(generation, 1, 0), header.created)
            # The databases know of the generation before any record in it is acknowledged.
            self._owner.generation_begun(header)
        except EseError as error:
            raise self._down(error, event_id=NEW_LOG_FAILED) from error

    def _next_header(self, generation: int) -> LogHeader:
        return next_header(
            self._file.header,
            generation,
            created=self.env.log_time(),
            settings=self._dbms_param,
            accumulated=self._file.accumulated,
            checkpoint=self._owner.checkpoint_position(),
            attachments=self._owner.attach_list(),
        )

    def _prepare(self, header: LogHeader) -> LogHeader:
        fs = self.env.fs
        discard_prepared(fs, self.folder, self.names)
        try:
            make_log_file(fs, self.folder, self.names.temp, header)
        except EseError as error:
            if error.code != Err.DiskFull:
                raise
            reserved = make_log_file_from_reserve(fs, self.folder, self.names, header)
            if reserved is None:
                self._events.report(429, self.path)
                raise EseError.from_code(Err.LogDiskFull, path=self.folder) from error
            if not self.disk_full:
                self.disk_full = True
                self._events.report(428)
            return reserved
        return header

    def _down(self, error: EseError, *, event_id: int | None) -> EseError:
        """Take the log down; the error to raise for the write that failed."""
        if error.code == Err.DiskFull:
            error = EseError.from_code(Err.LogDiskFull, path=error.path)
        if self._failure is None:
            self._failure = error
            if event_id == LOG_WRITE_FAILED:
                self._events.report(event_id, self.path, str(error.code))
            elif event_id is not None:
                self._events.report(event_id, str(error.code))
            self._events.report(492, self.folder)
            with suppress(EseError):
                self._file.close()
        return error
