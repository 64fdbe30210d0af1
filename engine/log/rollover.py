"""The file side of a roll-over: the next log is made aside, then two renames put it in place.

    1  <base>tmp.log   whole size, zeros, then the header            fsync file, fsync folder
    2  <base>.log   -> <base>XXXXX.log                               fsync folder
    3  <base>tmp.log -> <base>.log                                   fsync folder

A crash before 2 leaves the old log current and a file in preparation that is made anew next time.  A crash
between 2 and 3 leaves no current log and a finished one in preparation, which the next start renames
(`finish_rollover`).  The folder is flushed between the renames: otherwise the second could reach the disk
without the first and wipe out the closed log.

When the disk is full a reserve log takes the place of the new file: its blocks exist already.
Source: log reference 1.1, 1.10.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader, LogHeaderFlags
from engine.format.names import FolderNames, LogNames
from engine.log.paths import join

if TYPE_CHECKING:
    from engine.files.base import File, FileSystem
    from engine.format.attachinfo import AttachInfo
    from engine.format.dbms_param import DbmsParam
    from engine.types import LgPos, LogTime

_CHUNK = 1 << 20
_DISK_FULL_CODES = (Err.DiskFull, Err.LogDiskFull)


def make_log_file(fs: FileSystem, folder: str, name: str, header: LogHeader) -> None:
    """Write a whole new log file under `name`, durable with its name; -1808 when the disk is full.

    Real zeros are written, so that a later record cannot meet a full disk.
    """
    path = join(folder, name)
    try:
        with fs.open(path, OpenMode.CREATE) as file:
            file.preallocate(header.file_size)
            _fill(file, header)
    except EseError as error:
        if error.code in _DISK_FULL_CODES:
            with suppress(EseError):
                fs.unlink(path)
        raise
    fs.fsync_directory(folder)


def make_log_file_from_reserve(fs: FileSystem, folder: str, names: LogNames, header: LogHeader) -> LogHeader | None:
    """Turn a reserve log into the log in preparation; its header, or None when there is no reserve of that size."""
    present = FolderNames(entry.name for entry in fs.list(folder))
    for wanted in names.reserves:
        actual = present.actual(wanted)
        stat = None if actual is None else fs.stat(join(folder, actual))
        if actual is None or stat is None or stat.size != header.file_size:
            continue
        header = header.replace(flags=header.flags | LogHeaderFlags.RESERVE_LOG)
        fs.rename(join(folder, actual), join(folder, names.temp))
        with fs.open(join(folder, names.temp), OpenMode.READ_WRITE) as file:
            _fill(file, header)
        fs.fsync_directory(folder)
        return header
    return None


def make_reserves(fs: FileSystem, folder: str, names: LogNames, size: int) -> None:
    """Make the reserve logs that are missing or have another size; -1808 when the disk is full.

    What they hold does not matter, but their blocks must exist.
    """
    present = FolderNames(entry.name for entry in fs.list(folder))
    for name in names.reserves:
        actual = present.actual(name)
        path = join(folder, actual or name)
        stat = fs.stat(path)
        if stat is not None and stat.size == size:
            continue
        try:
            with fs.open(path, OpenMode.CREATE) as file:
                file.preallocate(size)
                zeros = bytes(min(_CHUNK, size))
                for offset in range(0, size, len(zeros)):
                    file.write_at(offset, zeros[: size - offset])
                # The blocks are there before anybody counts on them.
                file.fsync()
        except EseError:
            with suppress(EseError):
                fs.unlink(path)
            raise
        fs.fsync_directory(folder)


def _fill(file: File, header: LogHeader) -> None:
    zeros = bytes(min(_CHUNK, header.file_size))
    for offset in range(LOG_HEADER_SIZE, header.file_size, len(zeros)):
        file.write_at(offset, zeros[: header.file_size - offset])
    # The zeros before the header: with a right header and old bytes behind it, those would be taken for records.
    file.fsync()
    file.write_at(0, header.pack())
    # The header before any rename that makes this file a log.
    file.fsync()


def put_in_place(fs: FileSystem, folder: str, names: LogNames, *, current: str, closed_generation: int) -> None:
    """Rename the current log (existing name `current`) to its archive name, and the prepared one to current."""
    fs.rename(join(folder, current), join(folder, names.archive(closed_generation)))
    # The closed log has its name before the name `current` is taken from it for good.
    fs.fsync_directory(folder)
    finish_rollover(fs, folder, names, names.temp)


def finish_rollover(fs: FileSystem, folder: str, names: LogNames, prepared: str) -> None:
    """Make the finished log `prepared` (existing name) the current one."""
    fs.rename(join(folder, prepared), join(folder, names.current))
    # The new generation has its name before a record in it is acknowledged.
    fs.fsync_directory(folder)


def discard_prepared(fs: FileSystem, folder: str, names: LogNames) -> None:
    """Remove a log in preparation, whatever the case of its name; it is never part of the stream."""
    present = FolderNames(entry.name for entry in fs.list(folder))
    actual = present.actual(names.temp)
    if actual is not None:
        fs.unlink(join(folder, actual))


def next_header(
    before: LogHeader,
    generation: int,
    *,
    created: LogTime,
    settings: DbmsParam,
    accumulated: int,
    checkpoint: LgPos,
    attachments: tuple[AttachInfo, ...],
) -> LogHeader:
    """Return the header of the generation after `before`; `accumulated` is the XOR of that one's checksums."""
    return LogHeader.create(
        generation=generation,
        file_segments=before.file_segments,
        page_size=before.cb_page_size,
        created=created,
        previous_created=before.created,
        signature=before.signature,
        version=before.version,
        engine_version=before.engine_version,
        dbms_param=settings,
        previous_checksum=accumulated,
        flags=next_flags(before, settings),
        checkpoint=checkpoint,
        attachments=attachments,
    )


def next_flags(before: LogHeader, settings: DbmsParam) -> int:
    """Return the flags of the generation after `before`: circular now, and whether it ever was."""
    flags = LogHeaderFlags.CIRCULAR_NOW if settings.circular else LogHeaderFlags(0)
    if before.flags & (LogHeaderFlags.CIRCULAR_NOW | LogHeaderFlags.CIRCULAR_HISTORY):
        flags |= LogHeaderFlags.CIRCULAR_HISTORY
    return int(flags)
