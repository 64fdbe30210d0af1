"""Scalar types and enumerations that every layer shares.

Positions, times and signatures are values: ordered where the engine orders them,
and packed exactly as they lie in files (little-endian, no padding).
Source: log reference 0.1-0.3; jet-api reference 2.3, 4.1, 6.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import os

StrPath: TypeAlias = "str | os.PathLike[str]"

HEADER_MAGIC = 0x89ABCDEF
"""Seed of the header checksum, and the magic number of a database header."""

JET_SESID_NIL = 0xFFFFFFFFFFFFFFFF
"""JET_sesidNil: the session id that callbacks without a session get."""

_LGPOS = struct.Struct("<HHI")
_LOGTIME = struct.Struct("<8s")
_SIGNATURE = struct.Struct("<I8s16s")
_BKINFO = struct.Struct("<8s8sII")


class _LgPosFields(NamedTuple):
    """The fields of LgPos, in the order that makes comparison chronological."""

    generation: int
    segment: int
    offset: int


class LgPos(_LgPosFields):
    """A position in the log: generation, segment number within the file, byte offset within the segment (LGPOS).

    Ordered chronologically.  The first record of a segment carries offset 0 although its bytes
    start at 40; `byte_offset` gives the place in the file.  All zero means "not set".
    """

    __slots__ = ()

    SIZE: ClassVar[int] = 8

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> LgPos:
        """Read the 8 bytes at `at`."""
        offset, segment, generation = _LGPOS.unpack_from(data, at)
        return cls(generation, segment, offset)

    def pack(self) -> bytes:
        """Return the 8 bytes as they lie in a file."""
        return _LGPOS.pack(self.offset, self.segment, self.generation)

    def __str__(self) -> str:
        """Return the engine's own spelling, %08X:%04X:%04X."""
        return f"{self.generation:08X}:{self.segment:04X}:{self.offset:04X}"


LGPOS_MIN = LgPos(0, 0, 0)


@dataclass(frozen=True, slots=True)
class LogTime:
    """A calendar time as headers and records carry it (LOGTIME, 8 bytes kept as they are).

    Equality is equality of all 8 bytes, which is how the links between logs are checked.
    """

    raw: bytes = bytes(8)

    SIZE: ClassVar[int] = 8

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> LogTime:
        """Read the 8 bytes at `at`."""
        return cls(_LOGTIME.unpack_from(data, at)[0])

    @classmethod
    def from_datetime(cls, when: datetime) -> LogTime:
        """Build the UTC form with milliseconds from an aware time."""
        when = when.astimezone(UTC)
        milliseconds = when.microsecond // 1000
        return cls(
            bytes(
                (
                    when.second,
                    when.minute,
                    when.hour,
                    when.day,
                    when.month,
                    when.year - 1900,
                    1 | (milliseconds & 0x7F) << 1,
                    (milliseconds >> 7) << 1,
                ),
            ),
        )

    def pack(self) -> bytes:
        """Return the 8 bytes."""
        return self.raw

    def __bool__(self) -> bool:
        return self.raw != bytes(8)

    def to_datetime(self) -> datetime | None:
        """Return an aware UTC time, or None when not set or not a calendar time.

        A time without the UTC bit was written in the machine's local zone, which the file does not name;
        it is taken as UTC.
        """
        second, minute, hour, day, month, year, low, high = self.raw
        if not self:
            return None
        milliseconds = (low >> 1) | ((high >> 1) & 7) << 7
        try:
            base = datetime(1900 + year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError:
            return None
        return base + timedelta(milliseconds=min(milliseconds, 999))

    def __str__(self) -> str:
        when = self.to_datetime()
        return "-" if when is None else when.strftime("%Y-%m-%d %H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Signature:
    """Identity of a log stream or of a database (SIGNATURE, 28 bytes); all zero means none."""

    random: int = 0
    created: LogTime = LogTime()
    computer: bytes = bytes(16)

    SIZE: ClassVar[int] = 28

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> Signature:
        """Read the 28 bytes at `at`."""
        random, created, computer = _SIGNATURE.unpack_from(data, at)
        return cls(random, LogTime(created), computer)

    def pack(self) -> bytes:
        """Return the 28 bytes."""
        return _SIGNATURE.pack(self.random, self.created.raw, self.computer)

    def __bool__(self) -> bool:
        return self.pack() != bytes(28)

    def __str__(self) -> str:
        return f"{self.random:08x} {self.created}" if self else "-"


@dataclass(frozen=True, slots=True)
class BkInfo:
    """What a header keeps of one backup (BKINFO, 24 bytes): where and when it began, and its generations."""

    mark: LgPos = LGPOS_MIN
    time: LogTime = LogTime()
    gen_low: int = 0
    gen_high: int = 0

    SIZE: ClassVar[int] = 24

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, at: int = 0) -> BkInfo:
        """Read the 24 bytes at `at`."""
        mark, time, low, high = _BKINFO.unpack_from(data, at)
        return cls(LgPos.unpack(mark), LogTime(time), low, high)

    def pack(self) -> bytes:
        """Return the 24 bytes."""
        return _BKINFO.pack(self.mark.pack(), self.time.raw, self.gen_low, self.gen_high)

    def __bool__(self) -> bool:
        return self.pack() != bytes(24)


class BkInfoType(IntEnum):
    """Kind of a backup as headers name it (BKINFOTYPE)."""

    NORMAL = 0
    OS_SNAPSHOT = 1
    SNAPSHOT = 2
    SURROGATE = 3


class BackupOptions(IntFlag):
    """Option bits of JetBackupInstance (JET_bitBackup*)."""

    NONE = 0
    INCREMENTAL = 0x1
    ATOMIC = 0x4
    SNAPSHOT = 0x10


class TermOptions(IntFlag):
    """Option bits of JetTerm2 (JET_bitTerm*)."""

    COMPLETE = 1
    ABRUPT = 2
    STOP_BACKUP = 4
    DIRTY = 8


class InitOptions(IntFlag):
    """Option bits of JetInit3."""

    NONE = 0
    REPLAY_IGNORE_MISSING_DB = 4
    RECOVERY_WITHOUT_UNDO = 8
    TRUNCATE_LOGS_AFTER_RECOVERY = 0x10
    REPLAY_MISSING_MAP_ENTRY_DB = 0x20
    LOG_STREAM_MUST_EXIST = 0x40
    REPLAY_IGNORE_LOST_LOGS = 0x80
    ALLOW_MISSING_CURRENT_LOG = 0x100
    ALLOW_SOFT_RECOVERY_ON_BACKUP = 0x200
    SKIP_LOST_LOGS_EVENT = 0x400
    EXTERNAL_RECOVERY_CONTROL = 0x800
    KEEP_DB_ATTACHED_AT_END_OF_RECOVERY = 0x1000


class EndBackupOptions(IntFlag):
    """Option bits of JetEndExternalBackupInstance2."""

    NORMAL = 1
    ABORT = 2
    TRUNCATE_DONE = 0x100
    NO_DB_HEADER_UPDATE = 0x200


class Snp(IntEnum):
    """Which operation a status callback speaks of (JET_SNP)."""

    REPAIR = 2
    COMPACT = 4
    RESTORE = 8
    BACKUP = 9
    UPGRADE = 10
    SCRUB = 11
    UPGRADE_RECORD_FORMAT = 12
    RECOVERY_CONTROL = 18
    EXTERNAL_AUTO_HEALING = 19
    SPACE_CATEGORIZATION = 20


class Snt(IntEnum):
    """What a status callback says (JET_SNT)."""

    PROGRESS = 0
    FAIL = 3
    BEGIN = 5
    COMPLETE = 6
    REQUIREMENTS = 7


class Snprog(NamedTuple):
    """JET_SNPROG: size of the structure, units done, units in all."""

    cbStruct: int  # noqa: N815 - the API's own name
    cunitDone: int  # noqa: N815 - the API's own name
    cunitTotal: int  # noqa: N815 - the API's own name


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress callback gets.

    `done` of `total` is in percent (total is 100); `phase` is "database", "log", "truncate", "replay" or "undo";
    `bytes_done` of `bytes_total` counts the bytes copied.
    """

    snp: Snp
    snt: Snt
    done: int
    total: int
    phase: str
    path: str | None = None
    bytes_done: int = 0
    bytes_total: int = 0


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""Returning False, a negative int, or raising cancels the operation (R52)."""

StatusCallback: TypeAlias = Callable[[int, int, int, "Snprog | None"], int]
"""JET_PFNSTATUS: session id, snp, snt, JET_SNPROG -> JET_ERR."""

LIBRARY_PATH_LIMIT = 246
"""Longest folder, in characters, that the system parameters accept."""

assert _LGPOS.size == LgPos.SIZE  # noqa: S101 - the layout is checked once, at import
assert _SIGNATURE.size == Signature.SIZE  # noqa: S101
assert _BKINFO.size == BkInfo.SIZE  # noqa: S101
