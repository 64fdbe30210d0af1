"""A log stream looked at without changing anything: what a replay of it would start from.

Starting an instance mends what a crash left (a roll-over between its two renames, a torn last segment).  Here the
same is only taken into account, so that evidence can be read, and a plan be made, where nothing may be written.
Source: log reference 1.10, 3.9.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.segment import canonical_position
from engine.log.checkpoint_file import read_checkpoint_file
from engine.log.paths import folder_of, join
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.types import LgPos

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.format.checkpoint import Checkpoint, CheckpointRead
    from engine.format.logheader import LogHeader
    from engine.types import StrPath


@dataclass(frozen=True, slots=True)
class Looked:
    """A stream, its checkpoint (None: none of use, for the reason in `checkpoint_problem`), and how it ends.

    `quit_position` is the place of the Term or RecoveryQuit record at its end, None when it does not end so, or when
    the last log cannot be read.
    """

    stream: LogStream
    checkpoint: CheckpointRead | None
    checkpoint_problem: EseError | None
    quit_position: LgPos | None

    @property
    def clean(self) -> bool:
        """Whether there is nothing to replay."""
        if self.quit_position is None or self.stream.current is None:
            return False
        return (
            self.checkpoint is None or canonical_position(self.checkpoint.checkpoint.checkpoint) == self.quit_position
        )


def folder_and_database(fs: FileSystem, path: StrPath) -> tuple[str, str | None]:
    """Return the log folder that a path means, and the database if it is one; -1811 when nothing is there."""
    name = fs.absolute(os.fspath(path))
    stat = fs.stat(name)
    if stat is None:
        raise EseError.from_code(Err.FileNotFound, path=name)
    return (name, None) if stat.kind is FileKind.DIRECTORY else (folder_of(name), name)


def look(fs: FileSystem, folder: str, *, base: str | None = None, system_folder: str | None = None) -> Looked:
    """Look at the stream in `folder`.

    -528 when there is none, -1003 when there are several and `base` does not say which; what is wrong with single
    files shows in the stream's own check, or when they are replayed.
    """
    stream = LogStream.find(fs, folder, base)
    if stream is None or not stream.generations + ((0,) if stream.temp else ()):
        raise EseError.from_code(Err.MissingLogFile, "no log stream there", path=folder)
    stream = _with_prepared(fs, stream)
    checkpoint, problem = None, None
    try:
        path = stream.checkpoint or join(folder, stream.names.checkpoint)
        if system_folder is not None:
            path = join(system_folder, stream.names.checkpoint)
        checkpoint = read_checkpoint_file(fs, path, signature=stream.signature)
        check_within(stream, checkpoint.checkpoint, path)
    except EseError as error:
        checkpoint, problem = None, error
    return Looked(stream, checkpoint, problem, _quit_position(stream))


def check_within(stream: LogStream, checkpoint: Checkpoint, path: str) -> None:
    """Raise -533 for a checkpoint behind the end of the last log: it is of a later time than the logs.

    A replay from there would pass over everything.
    """
    position = checkpoint.checkpoint
    if position.generation != max(stream.generations, default=0) or position.segment <= 1:
        return
    try:
        with stream.open(position.generation) as log:
            last = log.scan().last_valid_segment
    except EseError:
        # What is wrong with the log is told when it is looked at for itself.
        return
    if position.segment > last:
        detail = f"it points to {position}, the log ends in segment {last}"
        raise EseError.from_code(Err.CheckpointCorrupt, detail, path=path, generation=position.generation)


def first_attachments(header: LogHeader, checkpoint: Checkpoint | None, start: LgPos) -> tuple[AttachInfo, ...]:
    """Return the databases attached where a replay starts; `header` is that of the log there."""
    if checkpoint is not None and checkpoint.attachments_valid:
        return checkpoint.attachments
    if start == LgPos(header.generation, 1, 0):
        return header.attachments
    # The checkpoint of a clean end: nothing was attached there.
    return () if checkpoint is not None else header.attachments


def _with_prepared(fs: FileSystem, stream: LogStream) -> LogStream:
    """Take the log in preparation for the current one where the crash came between the renames of a roll-over."""
    if stream.current is not None or stream.temp is None or not stream.archives:
        return stream
    last = max(stream.archives)
    if stream.temp_generation() != last + 1:
        return stream
    try:
        with LogFile.open(fs, stream.temp) as log, stream.open(last) as before:
            prepared, closed = log.header, before.header
    except EseError:
        return stream
    if prepared.signature != closed.signature or prepared.previous_created != closed.created:
        return stream
    return replace(stream, current=stream.temp, current_header=prepared, header=prepared)


def _quit_position(stream: LogStream) -> LgPos | None:
    if not stream.generations:
        return None
    try:
        with stream.open(max(stream.generations)) as log:
            return log.quit_position()
    except EseError:
        return None
