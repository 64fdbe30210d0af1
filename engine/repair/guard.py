"""Whether a database is at rest: shut down clean, its instance too, and nobody at work on either.

The locks are those that an instance takes: one for its log folder, one for each database that it has attached.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

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

_LOCK: Final = ".lock"


def check_at_rest(fs: FileSystem, path: str, header: DatabaseHeader, log_folder: str) -> None:
    """Refuse a database that is not at rest, writing nothing.

    -1202 another process has it attached, -1084 or its instance; -550 one of them was not shut down cleanly, or it is
    a copy of a backup.
    """
    if header.is_backup_copy:
        raise EseError.from_code(
            Err.DatabaseDirtyShutdown, "a copy made by a backup", path=path, hint="restore the set it belongs to"
        )
    for lock in _locks(fs, path, log_folder):
        if is_held(fs, lock):
            raise _in_use(path, log_folder, lock)
    if not header.clean:
        raise EseError.from_code(Err.DatabaseDirtyShutdown, path=path, hint="recover it first")
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
    """Return the locks of a database and its instance, held until the stack is closed; -1202 -1084 when taken."""
    with ExitStack() as held:
        for lock in _locks(env.fs, path, log_folder):
            try:
                held.enter_context(env.hold(lock))
            except EseError:
                if is_held(env.fs, lock):
                    raise _in_use(path, log_folder, lock) from None
                raise
        return held.pop_all()


def _in_use(path: str, log_folder: str, lock: str) -> EseError:
    if lock == path + _LOCK:
        return EseError.from_code(Err.DatabaseInUse, "another process has it attached", path=path)
    return EseError.from_code(Err.LogFilePathInUse, "another process is at work there", path=log_folder)


def _locks(fs: FileSystem, path: str, log_folder: str) -> list[str]:
    folders = [join(log_folder, lock_name(each.names.base)) for each in _streams(fs, log_folder)]
    return [*folders, path + _LOCK]


def _streams(fs: FileSystem, folder: str) -> list[LogStream]:
    stat = fs.stat(folder)
    if stat is None or stat.kind is not FileKind.DIRECTORY:
        return []
    return LogStream.find_all(fs, folder)
