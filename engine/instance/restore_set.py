"""Restoring a set as a whole piece of work, with an instance that is made for it from what the set says of itself.

A restore writes on in the log of the folder it is given: `continued_log` says beforehand whether there is one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.backup.sets import read_backup_set
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.instance.core import Instance
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.params import Param

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.backup.sets import BackupSet
    from engine.events import Event
    from engine.files.base import FileSystem
    from engine.monitor import Monitor
    from engine.recovery.stop import StopPoint
    from engine.restore.result import RestoreResult
    from engine.types import ProgressCallback, StrPath


def restore_set(  # noqa: PLR0913 - what a restore can be told
    source: StrPath,
    *,
    to: StrPath | None = None,
    logs: StrPath | None = None,
    stop: StopPoint | None = None,
    create_path: bool = True,
    progress: ProgressCallback | None = None,
    monitor: Monitor | None = None,
    on_event: Callable[[Event], object] | None = None,
    env: Environment | None = None,
) -> RestoreResult:
    """Restore the set in `source`: databases into the folder `to`, or with None to where its logs say.

    `logs` is the folder of the live logs, `to` by default: newer ones there are replayed too, up to `stop`, and the
    log that follows goes there.  Page size, log size and names are those of the set.  -1003 with neither folder,
    -1811 without a set, -800 when the monitor asks to stop; otherwise the errors of `Instance.restore`.
    """
    world = env or Environment()
    folder = logs if logs is not None else to
    if folder is None:
        raise EseError.from_code(Err.InvalidParameter, "no folder for the logs", hint="say `logs`, `to`, or both")
    found = read_backup_set(os.fspath(source), fs=world.fs)
    instance = instance_for(found, world.fs.absolute(os.fspath(folder)), create_path=create_path, env=world)
    if on_event is not None:
        instance.events.subscribe(on_event)
    try:
        return instance.restore(found.path, to, progress=progress, monitor=monitor, stop_at=stop)
    finally:
        instance.abandon()


def continued_log(found: BackupSet, folder: StrPath, *, fs: FileSystem) -> LogStream | None:
    """Return the log stream in a folder that a restore of the set would replay and then write on in; None without one.

    It ends as the restored databases leave it.  Other databases that this log has open are not part of that: what they
    lack is behind its new end, and they cannot be recovered from it any more.
    """
    place = fs.stat(os.fspath(folder))
    if found.names is None or place is None or place.kind is not FileKind.DIRECTORY:
        return None
    return LogStream.find(fs, os.fspath(folder), found.names.base)


def instance_for(found: BackupSet, log_folder: str, *, create_path: bool, env: Environment) -> Instance:
    """Return an instance, not begun, with the settings of a set; -1811 when the set has no log that can be read."""
    settings: dict[Param | int | str, object] = {
        Param.LogFilePath: log_folder,
        Param.SystemPath: log_folder,
        Param.CreatePathIfNotExist: create_path,
    }
    if found.names is None or not found.logs:
        raise EseError.from_code(Err.FileNotFound, "no log in the set", path=found.path)
    settings |= {Param.BaseName: found.names.base, Param.LegacyFileNames: found.names.legacy_bits}
    for each in found.logs:
        if each.header is not None and not each.problem:
            with LogFile.open(env.fs, each.path) as log:
                settings[Param.LogFileSize] = log.header.file_size // 1024
                settings[Param.DatabasePageSize] = log.header.page_size
            break
    return Instance(params=settings, env=env)
