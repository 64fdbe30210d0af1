"""Recovering an instance as a whole piece of work: in its place, or on a copy.

    in place    start the instance, which recovers it, and end it
    copy        DIR/recovery.partial          from here on DIR is not to be used
                logs, checkpoint, databases   copied, each durable
                recovery in DIR               databases end clean
                recovery.partial removed      DIR is whole

A copy that dies on the way leaves the source untouched and the mark in DIR; doing it again begins anew.
Source: log reference 3.11; jet-api reference 2.6.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.discover import discover
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import FileKind, OpenMode
from engine.files.copying import copy_bytes
from engine.instance.core import Instance
from engine.log.paths import folder_of, join, name_of
from engine.monitor import Phase
from engine.pages.shadow import LIVE, RECOVERY
from engine.params import Param
from engine.recovery.looking import folder_and_database
from engine.recovery.plan import Outlook, plan_recovery
from engine.recovery.stop import Lose
from engine.types import InitOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.discover import FoundInstance
    from engine.events import Event
    from engine.files.base import FileSystem
    from engine.monitor import Monitor
    from engine.recovery.plan import RecoveryPlan
    from engine.recovery.result import RecoveryResult
    from engine.recovery.stop import StopPoint
    from engine.types import ProgressCallback, StrPath

PARTIAL: Final = "recovery.partial"
"""Marks a folder in which a recovered copy is being made."""


@dataclass(frozen=True, slots=True)
class RecoverJob:
    """What was done: the folder of the logs that were replayed, what the log called each database and where it is."""

    folder: str
    databases: dict[str, str]
    result: RecoveryResult


def recover(  # noqa: PLR0913 - what a recovery can be told
    path: StrPath,
    *,
    into: StrPath | None = None,
    base_name: str | None = None,
    map_databases: Mapping[str, str] | None = None,
    files: Sequence[str] = (),
    stop: StopPoint | None = None,
    lose: Lose = Lose.NOTHING,
    progress: ProgressCallback | None = None,
    monitor: Monitor | None = None,
    on_event: Callable[[Event], object] | None = None,
    env: Environment | None = None,
) -> RecoverJob:
    """Recover the instance whose logs lie in the folder `path`; with `into` a copy of it there, else in place.

    `map_databases` and `files` tell where databases lie, see `engine.recovery.places`.  With `stop` the log is followed
    to there only, and what is behind is put away, not lost; `lose` is leave to go on without logs that no database
    requires.  What the plan knows to fail is refused before anything is written, with the plan's own code.  -1023 when
    `into` exists and is not empty, -800 when `monitor` asks to stop, which follows the copying; otherwise the errors
    of a start.
    """
    world = env or Environment()
    fs = world.fs
    folder, _ = folder_and_database(fs, path)
    plan = plan_recovery(
        folder,
        base_name=base_name,
        map_databases=map_databases,
        files=files,
        stop=stop,
        lose=lose,
        content=False,
        fs=fs,
    )
    if plan.refusals:
        first = plan.refusals[0]
        raise EseError.from_code(first.code, first.detail, path=first.path or folder)
    places = {each.logged_path: each.path for each in plan.databases}
    target = None
    if into is not None:
        target = fs.absolute(os.fspath(into))
        places = _copy(fs, plan, target, monitor)
        folder = target
    leave: dict[Param | int | str, object] = {Param.DeleteOutOfRangeLogs: bool(lose & Lose.DAMAGED)}
    instance = Instance.open_found(_found(fs, folder, plan.base_name), params=leave, env=world)
    if on_event is not None:
        instance.events.subscribe(on_event)
    try:
        options = InitOptions.REPLAY_IGNORE_LOST_LOGS if lose else InitOptions.NONE
        result = instance.init(options, progress=progress, stop_at=stop, map_databases=dict(places.items()))
        instance.term()
    finally:
        instance.abandon()
    if target is not None:
        fs.unlink(join(target, PARTIAL))
        # The mark is gone for good before anybody is told that the copy is whole.
        fs.fsync_directory(target)
    return RecoverJob(folder, places, result)


def _found(fs: FileSystem, folder: str, base_name: str) -> FoundInstance:
    for each in discover(folder, fs=fs, max_depth=0):
        if each.has_log and each.base_name.lower() == base_name.lower():
            return each
    raise EseError.from_code(Err.MissingLogFile, "no log stream there", path=folder)


def _copy(fs: FileSystem, plan: RecoveryPlan, target: str, monitor: Monitor | None) -> dict[str, str]:
    """Copy what a recovery needs; return where each database is now, by the path in the log."""
    sources = {each.logged_path: each.path for each in plan.databases if each.outlook is not Outlook.ANEW}
    names = [name_of(each).lower() for each in set(sources.values())]
    if len(set(names)) != len(names):
        raise EseError.from_code(Err.InvalidParameter, "two databases of one name", path=target)
    _prepare(fs, target)
    lowest = plan.replays.start if plan.replays else 0
    wanted = [name for number, name in _logs(fs, plan) if number is None or number >= lowest]
    databases = sorted(set(sources.values()))
    # With what may be needed to mend pages that a power failure has torn.
    beside = [f"{each}{suffix}" for each in databases for suffix in (LIVE, RECOVERY)]
    files = [*(join(plan.folder, name) for name in wanted), *databases, *beside]
    there = {path: stat.size for path in files if (stat := fs.stat(path)) is not None}
    if monitor is not None:
        monitor.phase, monitor.bytes_done, monitor.bytes_total = Phase.DATABASES, 0, sum(there.values())
    for source in there:
        copy_file(fs, source, join(target, name_of(source)), monitor=monitor)
    fs.fsync_directory(target)
    return {each.logged_path: join(target, name_of(each.path)) for each in plan.databases}


def _logs(fs: FileSystem, plan: RecoveryPlan) -> list[tuple[int | None, str]]:
    """Return the files of the stream with their generations; None for those that have none in their name."""
    (found,) = [each for each in [_found(fs, plan.folder, plan.base_name)] if each.names is not None]
    names = found.names
    listing: list[tuple[int | None, str]] = []
    for entry in fs.list(plan.folder):
        parsed = None if names is None else names.parse(entry.name)
        if parsed is not None and entry.kind is FileKind.FILE:
            listing.append((parsed.generation, entry.name))
    return listing


def _prepare(fs: FileSystem, target: str) -> None:
    """Make the folder ready and mark it."""
    stat = fs.stat(target)
    if stat is not None:
        if stat.kind is not FileKind.DIRECTORY:
            raise EseError.from_code(Err.InvalidPath, "not a folder", path=target)
        present = {each.name for each in fs.list(target)}
        if present and PARTIAL not in present:
            raise EseError.from_code(Err.InvalidPath, "the folder is not empty", path=target)
        for entry in fs.list(target):
            if entry.kind is FileKind.FILE and entry.name != PARTIAL:
                fs.unlink(join(target, entry.name))
    else:
        fs.make_directory(target, parents=True)
    with fs.open(join(target, PARTIAL), OpenMode.CREATE) as mark:
        mark.fsync()
    # The mark is there before anything that it is about.
    fs.fsync_directory(target)
    fs.fsync_directory(folder_of(target))


def copy_file(
    fs: FileSystem, source: str, target: str, *, size: int | None = None, monitor: Monitor | None = None
) -> None:
    """Copy a file, or its first `size` bytes, and make it durable; a file at `target` is replaced.

    -800 when the monitor asks to stop.
    """
    if monitor is not None:
        monitor.detail = name_of(target)
    with fs.open(source) as reader, fs.open(target, OpenMode.CREATE) as writer:
        end = reader.size() if size is None else size
        for length in copy_bytes(reader, writer, 0, end):
            if monitor is not None:
                monitor.bytes_done += length
                if monitor.cancel_requested:
                    raise EseError.from_code(Err.BackupAbortByCaller, "the copy was cancelled", path=target)
        writer.fsync()
