"""JetBackup and its forms.  Source: jet-api reference 1."""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backup.sequence import backup_instance
from engine.errors import EseError
from engine.jet.handles import HANDLES, bits, narrow, wide
from engine.jet.life import as_progress

if TYPE_CHECKING:
    from engine.instance import Instance
    from engine.types import StatusCallback


def _backup(instance: Instance, path: str | None, grbit: int, callback: StatusCallback | None) -> int:
    """Run a backup; an empty path counts as NULL (R5)."""
    backup_instance(instance, path or None, bits(grbit), progress=as_progress(callback))
    return 0


def JetBackupInstanceW(
    instance: int | None, szBackupPath: str | None, grbit: int = 0, pfnStatus: StatusCallback | None = None
) -> int:
    """Back up an instance into a folder: all attached databases, or (Incremental 1) its new logs.

    Atomic is 4.  None or "" copies nothing and deletes the logs that are not needed.  `pfnStatus(sesid, snp, snt,
    snprog)` cancels by returning a negative number.  Returns 0 or one of the codes of jet-api reference 1.10.
    """
    try:
        return _backup(HANDLES.instance(instance), wide(szBackupPath), grbit, pfnStatus)
    except EseError as error:
        return error.code


def JetBackupInstanceA(
    instance: int | None, szBackupPath: bytes | None, grbit: int = 0, pfnStatus: StatusCallback | None = None
) -> int:
    """JetBackupInstanceW with a path in the ANSI code page; -1003 when it cannot be decoded."""
    try:
        return _backup(HANDLES.instance(instance), narrow(szBackupPath), grbit, pfnStatus)
    except EseError as error:
        return error.code


JetBackupInstance = JetBackupInstanceW


def JetBackupW(szBackupPath: str | None, grbit: int = 0, pfnStatus: StatusCallback | None = None) -> int:
    """JetBackupInstanceW of the single instance; -1081 in multi-instance mode."""
    try:
        return _backup(HANDLES.single(), wide(szBackupPath), grbit, pfnStatus)
    except EseError as error:
        return error.code


def JetBackupA(szBackupPath: bytes | None, grbit: int = 0, pfnStatus: StatusCallback | None = None) -> int:
    """JetBackupW with a path in the ANSI code page."""
    try:
        return _backup(HANDLES.single(), narrow(szBackupPath), grbit, pfnStatus)
    except EseError as error:
        return error.code


JetBackup = JetBackupW


def JetStopBackupInstance(instance: int | None) -> int:
    """Make the running backup fail with -801 at its next step; nothing happens when none runs."""
    try:
        HANDLES.instance(instance).stop_backup()
    except EseError as error:
        return error.code
    return 0


def JetStopBackup() -> int:
    """JetStopBackupInstance of the single instance."""
    try:
        return JetStopBackupInstance(HANDLES.number_of(HANDLES.single()))
    except EseError as error:
        return error.code
