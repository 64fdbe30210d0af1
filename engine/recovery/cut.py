"""Ending a log stream where a replay ended: what is behind is put away, and the last log is cut.

    1  headers say that no log behind the end is needed        `Recovery.lower_ranges`, before anything here
    2  logs behind the end move, newest first, into a folder   edb.after-0000000A-0003-0120, beside the logs
    3  the last log, when it goes on behind the end,
       is copied into that folder, becomes the current log,
       and is replaced by its beginning

No record is lost: the folder has every log as it was.  After each step the stream is a whole one, shorter than before,
and a crash leaves one that can be recovered again, to the same stop or to its end.  What comes of it is the log that a
crash at that point would have left: a current log with zeros behind its last record, or closed logs alone, which the
next one follows.  That is how the engine itself goes on when it loses the end of a log.
Source: log reference 1.7, 1.10, 3.9, 3.12, 6.2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.files.base import OpenMode
from engine.files.copying import copy_bytes
from engine.format.names import aside_name
from engine.format.segment import (
    SEGMENT_HEADER_SIZE,
    SEGMENT_SIZE,
    SegmentHeader,
    build_partial_segment,
)
from engine.log.paths import folder_of, join, name_of
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.recovery.stop import end_of

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import File, FileSystem
    from engine.recovery.soft import Recovery
    from engine.types import LgPos

_CHUNK: Final = 1 << 20


class CutStream(NamedTuple):
    """The stream as it is now, and where what was behind its end lies."""

    stream: LogStream
    set_aside: tuple[str, ...]


def behind(stream: LogStream, generation: int) -> list[str]:
    """Return the paths of the logs behind a generation, newest first."""
    found = []
    if stream.current is not None and (stream.current_generation is None or stream.current_generation > generation):
        found.append(stream.current)
    return found + [path for number, path in sorted(stream.archives.items(), reverse=True) if number > generation]


def _going(stream: LogStream, generation: int, *, cuts: bool) -> list[str]:
    """Return what has to leave the stream's folder; a restore replays logs that lie elsewhere, in a set."""
    live = LogStream.find(stream.fs, stream.folder, stream.names.base)
    if live is None:
        return []
    found = behind(live, generation)
    own = live.archives.get(generation)
    # The beginning of the set's log takes the place of the live one of that number.
    return found if own is None or not cuts or own == stream.path(generation) else [*found, own]


def aside_folder(stream: LogStream, end: LgPos) -> str:
    """Return the folder for what is behind `end`."""
    return join(stream.folder, aside_name(stream.names.base, end))


def cut_stream(env: Environment, events: EventLog, stream: LogStream, recovery: Recovery) -> CutStream:
    """End the stream where the recovery's replay ended; nothing is done where the log ends there anyway."""
    limit, fs = recovery.limit, env.fs
    if limit is None:
        return CutStream(stream, ())
    generation = recovery.top
    cuts = limit != end_of(generation) and limit.generation == generation
    going = _going(stream, generation, cuts=cuts)
    aside = aside_folder(stream, recovery.last_end)
    if going or cuts:
        for made in fs.make_directory(aside, parents=True):
            # The folder is there for good before anything moves into it.
            fs.fsync_directory(folder_of(made))
    moved = []
    for path in going:
        target = _free_name(fs, join(aside, name_of(path)))
        fs.rename(path, target)
        # Each has its new place before the next one moves: the stream stays without a gap.
        fs.fsync_directory(aside)
        fs.fsync_directory(stream.folder)
        moved.append(target)
    ended = _without(stream, generation)
    if cuts:
        ended, copy = _cut_last(fs, ended, generation, recovery.last_end, aside)
        moved.append(copy)
    if moved:
        numbers = (str(len(moved)), f"{generation + (not cuts):#x}", f"{max(stream.generations):#x}")
        events.report(527, *numbers, f"{generation:#x}", stream.folder)
    return CutStream(ended, tuple(moved))


def _without(stream: LogStream, generation: int) -> LogStream:
    """Return the stream without the logs behind a generation."""
    archives = {number: path for number, path in stream.archives.items() if number <= generation}
    keeps = stream.current_generation is not None and stream.current_generation <= generation
    ended = replace(
        stream,
        archives=archives,
        current=stream.current if keeps else None,
        current_header=stream.current_header if keeps else None,
        temp=None,
        findings=(),
    )
    with ended.open(generation) as log:
        return replace(ended, header=log.header)


def _cut_last(fs: FileSystem, stream: LogStream, generation: int, end: LgPos, aside: str) -> tuple[LogStream, str]:
    """Make the beginning of a log, up to `end`, the current log; return the path of the copy of the whole one."""
    path, current = stream.path(generation) or "", join(stream.folder, stream.names.current)
    copy = _free_name(fs, join(aside, name_of(path)))
    prepared = join(stream.folder, stream.names.temp)
    with LogFile.open(fs, path, generation) as log:
        header = log.header
        with fs.open(copy, OpenMode.CREATE) as whole:
            for _ in copy_bytes(log.file, whole, 0, log.size):
                pass
            whole.fsync()
        # The whole log is safe before its place is taken.
        fs.fsync_directory(aside)
        with fs.open(prepared, OpenMode.CREATE) as file:
            write_beginning(file, log, end)
            # Whole before it gets the name of a log.
            file.fsync()
    if folder_of(path) == stream.folder and path != current:
        if path in stream.archives.values():
            fs.rename(path, current)
            # The closed log is the current one before that is replaced: there is never one generation twice.
            fs.fsync_directory(stream.folder)
        else:
            current = path
    fs.rename(prepared, current)
    fs.fsync_directory(stream.folder)
    archives = {number: each for number, each in stream.archives.items() if number < generation}
    return replace(stream, archives=archives, current=current, current_header=header, header=header), copy


def write_beginning(file: File, log: LogFile, end: LgPos) -> None:
    """Write the log up to `end` into an empty file of its size, as a crash there would have left it."""
    whole = range(1, end.segment)
    for _ in copy_bytes(log.file, file, 0, SEGMENT_SIZE):
        pass
    for segment in whole:
        file.write_at(segment * SEGMENT_SIZE, log.segment(segment))
    written = end.segment * SEGMENT_SIZE
    if end.offset > SEGMENT_HEADER_SIZE:
        block = log.segment(end.segment)
        records = block[SEGMENT_HEADER_SIZE : end.offset]
        started = SegmentHeader.unpack(block).started
        piece = build_partial_segment(records, log.generation, end.segment, started)
        file.write_at(written, piece)
        written += len(piece)
    for offset in range(written, log.size, _CHUNK):
        file.write_at(offset, bytes(min(_CHUNK, log.size - offset)))


def _free_name(fs: FileSystem, path: str) -> str:
    """Return a name that nothing has: a cut that died may have left the same log there."""
    number, name = 1, path
    while fs.stat(name) is not None:
        number += 1
        name = f"{path}.{number}"
    return name
