"""The checkpoint file of an instance: reading it, and writing its two copies so that one is always whole.

While an instance runs, the checkpoint is the first position of a generation and its attach list is valid; after
a clean end it is the position of the Term2 (or RecoveryQuit2) record and the list is empty and not valid.  A new
stream writes it, for generation 1, before the first log.  It never goes backwards within a stream.
Source: log reference 5, 5.1, 5.2.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.checkpoint import (
    CHECKPOINT_COPY_SIZE,
    CHECKPOINT_FILE_SIZE,
    Checkpoint,
    CheckpointRead,
    read_checkpoint,
)
from engine.log.paths import folder_of

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.types import LgPos, LogTime, Signature


def read_checkpoint_file(fs: FileSystem, path: str, *, signature: Signature | None = None) -> CheckpointRead:
    """Read the file: -542 missing, -533 both copies bad, -532 of a stream other than `signature`."""
    try:
        with fs.open(path) as file:
            data = file.read_at(0, CHECKPOINT_FILE_SIZE)
    except EseError as error:
        if error.code == Err.FileNotFound:
            raise EseError.from_code(Err.CheckpointFileNotFound, path=path) from error
        raise
    return read_checkpoint(data, path=path, signature=signature)


def write_checkpoint_file(fs: FileSystem, path: str, checkpoint: Checkpoint, *, bad_copy: int | None = None) -> None:
    """Write both copies, one after the other; `bad_copy` (1 or 2) is written first when it is the damaged one."""
    data = checkpoint.pack()
    known = fs.stat(path) is not None
    places = [CHECKPOINT_COPY_SIZE, 0] if bad_copy == 2 else [0, CHECKPOINT_COPY_SIZE]  # noqa: PLR2004
    with fs.open(path, OpenMode.READ_WRITE if known else OpenMode.CREATE_NEW) as file:
        for offset in places:
            file.write_at(offset, data)
            # One copy must be whole on the disk before the other one is touched.
            file.fsync()
    if not known:
        # The name must be there before a log is made that relies on it.
        fs.fsync_directory(folder_of(path))


class CheckpointFile:
    """The checkpoint of a running instance: the value in memory is what the file holds.  Safe from any thread."""

    def __init__(self, fs: FileSystem, path: str, checkpoint: Checkpoint, *, bad_copy: int | None = None) -> None:
        self.path = path
        self._fs = fs
        self._checkpoint = checkpoint
        self._bad_copy = bad_copy
        self._lock = threading.Lock()

    @property
    def value(self) -> Checkpoint:
        """The checkpoint as it was last read or written."""
        return self._checkpoint

    @property
    def position(self) -> LgPos:
        """Where recovery would begin."""
        return self._checkpoint.checkpoint

    def write(self, checkpoint: Checkpoint) -> None:
        """Make `checkpoint` the one in the file."""
        with self._lock:
            self._write(checkpoint)

    def advance(self, position: LgPos, attachments: tuple[AttachInfo, ...]) -> bool:
        """Move forward to `position`, where `attachments` are attached; False when it is there or beyond."""
        with self._lock:
            now = self._checkpoint
            if position <= now.checkpoint:
                return False
            self._write(
                now.replace(
                    checkpoint=position,
                    db_consistency=max(position, now.db_consistency),
                    version_flags=now.version_flags | 1,
                    attachments=attachments,
                )
            )
            return True

    def finish(self, position: LgPos) -> None:
        """Set the value of a clean end: both positions at the Term2 or RecoveryQuit2 record, nothing attached."""
        with self._lock:
            now = self._checkpoint
            self._write(
                now.replace(
                    checkpoint=position,
                    db_consistency=position,
                    version_flags=now.version_flags & ~1,
                    attachments=(),
                )
            )

    def record_backup(self, *, full: bool, position: LgPos, time: LogTime) -> None:
        """Keep position and time of the PrepareLogs record of a successful backup."""
        with self._lock:
            if full:
                changed = self._checkpoint.replace(full_backup=position, full_backup_time=time)
            else:
                changed = self._checkpoint.replace(incremental_backup=position, incremental_backup_time=time)
            self._write(changed)

    def _write(self, checkpoint: Checkpoint) -> None:
        write_checkpoint_file(self._fs, self.path, checkpoint, bad_copy=self._bad_copy)
        self._bad_copy = None
        self._checkpoint = checkpoint
