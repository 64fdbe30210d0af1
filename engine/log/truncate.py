"""Deleting closed logs that are not needed any more, oldest first.

The order keeps the sequence whole: when one cannot be deleted the work stops there, so no log is ever missing
between two that exist.  A log that is gone already is counted and passed over.
Source: jet-api reference R31; log reference 1.11, 7.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Err, EseError
from engine.files.base import FileKind
from engine.format.names import FolderNames
from engine.log.paths import join

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.names import LogNames


class Truncation(NamedTuple):
    """What was deleted: generations and paths in order, how many of the range were gone already, what stopped it."""

    generations: tuple[int, ...]
    paths: tuple[str, ...]
    missing: int
    error: EseError | None


def archives(fs: FileSystem, folder: str, names: LogNames) -> dict[int, str]:
    """Return the closed generations in the folder, ascending, each with its path."""
    listed = FolderNames(entry.name for entry in fs.list(folder) if entry.kind is FileKind.FILE)
    return {generation: join(folder, name) for generation, name in sorted(listed.archives(names).items())}


def delete_logs(fs: FileSystem, folder: str, names: LogNames, first: int, end: int) -> Truncation:
    """Delete the closed generations `first` .. `end` - 1, ascending, up to the first that cannot be deleted."""
    present = archives(fs, folder, names)
    inside = [generation for generation in present if first <= generation < end]
    missing = max(0, end - first) - len(inside)
    generations: list[int] = []
    stopped: EseError | None = None
    for generation in inside:
        try:
            fs.unlink(present[generation])
        except EseError as error:
            if error.code == Err.FileNotFound:
                missing += 1
                continue
            stopped = error
            break
        generations.append(generation)
    if generations:
        # Nothing relies on the removals: what comes back after a crash is deleted again the next time.  They are
        # flushed so that what a backup reports as deleted stays deleted.
        fs.fsync_directory(folder)
    return Truncation(tuple(generations), tuple(present[each] for each in generations), missing, stopped)
