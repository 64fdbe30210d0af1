"""Changes below the backup directory: each one reported when it fails, and made durable.

A failure raises the file system's error and puts the matching event into the log first: 483 folder not
created, 484 folder not removed, 485 file not deleted, 486 not renamed, 488 file not created, each with the
path(s), error, system error and its text.
Source: jet-api reference R15, 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.backup.paths import folder_of, join
from engine.errors import Err, EseError
from engine.files.base import FileKind, OpenMode

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import Buffer, File, FileStat

CREATE_FOLDER_ERROR: Final = 483
REMOVE_FOLDER_ERROR: Final = 484
DELETE_FILE_ERROR: Final = 485
MOVE_FILE_ERROR: Final = 486
CREATE_FILE_ERROR: Final = 488


def signed_hex(code: int) -> str:
    """Return an error as events spell it: "-1018 (0xfffffc06)"."""
    return f"{code} (0x{code & 0xFFFFFFFF:08x})"


class Target:
    """File operations on the destination of a backup."""

    def __init__(self, env: Environment, events: EventLog) -> None:
        self.fs = env.fs
        self._events = events

    def stat(self, path: str) -> FileStat | None:
        """Return what is at `path`, or None."""
        return self.fs.stat(path)

    def create_file(self, path: str, *, replace: bool) -> File:
        """Create a file: 488 on failure; -1814 when it exists and may not be replaced, -1023 without its folder."""
        try:
            return self.fs.open(path, OpenMode.CREATE if replace else OpenMode.CREATE_NEW)
        except EseError as error:
            raise self._report(CREATE_FILE_ERROR, _path_not_found(error), path) from error.__cause__

    def write_whole(self, path: str, data: Buffer) -> None:
        """Write a small file from scratch and make it durable (its folder is the caller's business)."""
        with self.create_file(path, replace=True) as file:
            file.write_at(0, data)
            file.fsync()

    def read_whole(self, path: str, limit: int) -> bytes:
        """Return a file's bytes; -1003 when it is larger than `limit`."""
        with self.fs.open(path) as file:
            size = file.size()
            if size > limit:
                raise EseError.from_code(Err.InvalidParameter, f"{size} bytes, at most {limit} expected", path=path)
            return file.read_at(0, size)

    def make_folder(self, path: str, *, parents: bool) -> list[str]:
        """Create a folder durably and return the paths created, outermost first: 483 on failure."""
        try:
            created = self.fs.make_directory(path, parents=parents)
        except EseError as error:
            raise self._report(CREATE_FOLDER_ERROR, _path_not_found(error), path) from error.__cause__
        for each in created:
            self.fs.fsync_directory(folder_of(each))
        return created

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder: 484 on failure."""
        try:
            self.fs.remove_directory(path)
        except EseError as error:
            raise self._report(REMOVE_FOLDER_ERROR, error, path) from error.__cause__

    def delete_file(self, path: str) -> None:
        """Delete a file: 485 on failure."""
        try:
            self.fs.unlink(path)
        except EseError as error:
            raise self._report(DELETE_FILE_ERROR, error, path) from error.__cause__

    def move(self, source: str, target: str) -> None:
        """Rename a file or folder: 486 on failure."""
        try:
            self.fs.rename(source, target)
        except EseError as error:
            raise self._report(MOVE_FILE_ERROR, error, source, target) from error.__cause__

    def sync_folder(self, path: str) -> None:
        """Make the names in a folder durable."""
        self.fs.fsync_directory(path)

    def delete_flat_folder(self, path: str) -> None:
        """Delete a folder of files, if it is there; -524 when something in it, or it, cannot be deleted.

        A folder within is never descended into: a backup set has none, so it is somebody else's.  A link to a
        folder is removed, and what it leads to is left alone.
        """
        found = self.fs.stat(path)
        if found is None:
            return
        try:
            if found.kind is FileKind.DIRECTORY and self._is_real_folder(path):
                entries = self.fs.list(path)
                for entry in entries:
                    if entry.kind is FileKind.DIRECTORY:
                        inner = join(path, entry.name)
                        raise EseError.from_code(Err.DeleteBackupFileFail, "holds a folder", path=inner)
                for entry in entries:
                    self.delete_file(join(path, entry.name))
                self.remove_folder(path)
            else:
                self.delete_file(path)
        except EseError as error:
            if error.code == Err.DeleteBackupFileFail:
                raise
            raise EseError.from_code(Err.DeleteBackupFileFail, error.message, path=error.path or path) from error

    def _is_real_folder(self, path: str) -> bool:
        """Whether `path` is a folder and no link to one: a walk does not follow links."""
        return any(folder == path for folder, _ in self.fs.walk(folder_of(path), max_depth=1))

    def _report(self, event_id: int, error: EseError, *paths: str) -> EseError:
        cause = error.__cause__
        number = cause.errno if isinstance(cause, OSError) and cause.errno is not None else 0
        text = cause.strerror if isinstance(cause, OSError) and cause.strerror else error.message
        self._events.report(event_id, *paths, signed_hex(error.code), f"{number} (0x{number:08x})", text)
        return error.located(path=paths[0], event_id=event_id)


def _path_not_found(error: EseError) -> EseError:
    """Return -1023, as the real engine says, for something whose way is missing; other errors as they are."""
    if error.code != Err.FileNotFound:
        return error
    made = EseError.from_code(Err.InvalidPath, error.message, path=error.path)
    made.__cause__ = error.__cause__
    return made
