"""The logs that lie in the destination already, and whether new ones may be added to them.

Source: jet-api reference R25, R26.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backup.paths import join
from engine.errors import Err, EseError
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.log.truncate import archives

if TYPE_CHECKING:
    from engine.backup.host import BackupHost
    from engine.files.base import FileSystem


def check_joins(fs: FileSystem, folder: str, host: BackupHost, first: int) -> None:
    """Raise -515 when logs from `first` on would leave a gap behind those in `folder`, or are of another stream.

    Without any log in the folder there is nothing to join.
    """
    if fs.stat(folder) is None:
        return
    present = archives(fs, folder, host.names)
    if not present:
        return
    newest = max(present)
    if newest + 1 < first:
        raise EseError.from_code(
            Err.InvalidLogSequence,
            f"the newest log there is {newest:#x}, the oldest to add {first:#x}",
            path=join(folder, host.names.archive(newest)),
            generation=newest,
            hint="take a full backup into another folder",
        )
    with fs.open(present[newest]) as file:
        data = file.read_at(0, LOG_HEADER_SIZE)
    try:
        header = LogHeader.parse(data, path=present[newest])
    except EseError:
        return  # damaged there: if it is copied again, it becomes right
    if header.signature != host.writer.signature:
        raise EseError.from_code(
            Err.InvalidLogSequence,
            "the logs there are of another stream",
            path=present[newest],
            generation=newest,
            hint="choose the folder of this instance's last full backup",
        )
