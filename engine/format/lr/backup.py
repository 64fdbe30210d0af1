"""Records of backups.

A backup that succeeds logs Begin, PrepareLogs, Truncate, Update for each database, Stop; one that fails after
its begin logs Abort and Stop.  Source: log reference 2.5.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from engine.format.lr.codec import Record, wire
from engine.types import LGPOS_MIN, LgPos, LogTime


class BackupPhase(IntEnum):
    """What a Backup2 record marks."""

    BEGIN = 1
    PREPARE_LOGS = 2
    TRUNCATE = 3
    UPDATE = 4
    ABORT = 5
    STOP = 6


class BackupScope(IntEnum):
    """How much is backed up."""

    FULL = 1
    INCREMENTAL = 2
    COPY = 5
    DIFFERENTIAL = 6


class _LogRestore(NamedTuple):
    path_data: bytes


@wire
class FullBackup(Record, _LogRestore):
    """Mark of a full backup in ancient streams."""

    __slots__ = ()
    LAYOUT = "len(path_data):H"
    TAIL = "path_data"


@wire
class IncBackup(Record, _LogRestore):
    """Mark of an incremental backup in ancient streams."""

    __slots__ = ()
    LAYOUT = "len(path_data):H"
    TAIL = "path_data"


class _Backup(NamedTuple):
    kind: int
    reserved: int
    path_data: bytes


@wire
class Backup(Record, _Backup):
    """Mark of a backup, superseded by Backup2; `kind` is full, incremental or start."""

    __slots__ = ()
    LAYOUT = "kind:B reserved:B len(path_data):H"
    TAIL = "path_data"


class _Backup2(NamedTuple):
    phase: int
    kind: int
    scope: int
    dbid: int = 0
    mark: LgPos = LGPOS_MIN
    time: LogTime = LogTime()
    gen_low: int = 0
    gen_high: int = 0
    reserved: int = 0
    path_data: bytes = b""


@wire
class Backup2(Record, _Backup2):
    """A step of a backup.

    `kind` is a BkInfoType.  `mark` is set in phase Update only, where `time` and the generations are those of the
    BKINFO that the header of `dbid` gets; in phase Truncate the generations are the range [low, high) deleted;
    elsewhere `time` is the time of writing.
    """

    __slots__ = ()
    LAYOUT = "phase:B kind:I scope:B dbid:B mark:pos time:time gen_low:I gen_high:I reserved:B len(path_data):H"
    TAIL = "path_data"
