"""Whether a database is at rest: shut down clean, its instance too, and nobody at work on either.

The locks are those that an instance takes: one for its log folder, one for each database that it has attached.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from engine.discover import is_held
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.log.paths import join, lock_name
from engine.log.stream import LogStream
from engine.recovery.looking import look

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.files.base import FileSystem
    from engine.format.dbheader import DatabaseHeader


def check_at_rest(fs: FileSystem, path: str, header: DatabaseHeader, log_folder: str) -> None:
    """Refuse a database that is not at rest, writing nothing.

    -550 it or its instance was not shut down clean, or it is a copy of a backup; -1032
    another process has it.
    """
    if header.is_backup_copy:
        raise EseError.from_code(
            Err.DatabaseDirtyShutdown, "a copy made by a backup", path=path, hint="restore the set it belongs to"
        )
    if not header.clean:
        raise EseError.from_code(Err.DatabaseDirtyShutdown, path=path, hint="recover it first")
    for lock in _locks(fs, path, log_folder):
        if is_held(fs, lock):
            raise EseError.from_code(Err.FileAccessDenied, "another process is at work on it", path=lock)
    for stream in _streams(fs, log_folder):
        if stream.signature != header.sign_log or stream.current is None:
            continue
        if look(fs, log_folder, base=stream.names.base).quit_position is None:
            raise EseError.from_code(
                Err.DatabaseDirtyShutdown,
                "its instance was not shut down cleanly",
                path=log_folder,
                hint="recover the instance first",
            )


def hold_at_rest(env: Environment, path: str, log_folder: str) -> ExitStack:
    """Return the locks of a database and its instance, held until the stack is closed; -1032 when one is taken."""
    with ExitStack() as held:
        for lock in _locks(env.fs, path, log_folder):
            held.enter_context(env.hold(lock))
        return held.pop_all()


def _locks(fs: FileSystem, path: str, log_folder: str) -> list[str]:
    folders = [join(log_folder, lock_name(each.names.base)) for each in _streams(fs, log_folder)]
    return [*folders, path + ".lock"]


def _streams(fs: FileSystem, folder: str) -> list[LogStream]:
    stat = fs.stat(folder)
    if stat is None or stat.kind is not FileKind.DIRECTORY:
        return []
    return LogStream.find_all(fs, folder)
