"""The checkpoint file: where recovery begins.  8192 bytes, two equal copies of 4096.

::

      0 checksum    4 lgposLastFullBackupCheckpoint   12 lgposCheckpoint   20 signLog (28)   48 DBMS_PARAM (567)
    615 lgposFullBackup   623 logtimeFullBackup      631 lgposIncBackup  639 logtimeIncBackup
    647 fVersion (u8, bit 0: attach area is valid)   648 lgposDbConsistency   656 reserved (11)
    667 filetype (4)      671 reserved (8)           679 attach area (2048)  2727 zero

The first copy is written before the second, so at most one is damaged; reading takes the first that is right.
Source: log reference 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.attachinfo import ATTACH_AREA_SIZE, AttachInfo, pack_attach_area, parse_attach_area
from engine.format.checksum import header_checksum, set_header_checksum
from engine.format.dbms_param import DbmsParam
from engine.types import LGPOS_MIN, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from engine.types import StrPath

CHECKPOINT_COPY_SIZE: Final = 4096
CHECKPOINT_FILE_SIZE: Final = 8192
FILETYPE_CHECKPOINT: Final = 4

_ATTACH_VALID: Final = 1
_ATTACH_AT: Final = 679
_FIXED = struct.Struct("<I8s8s28s567s8s8s8s8sB8s11sI8s")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One copy of the checkpoint."""

    raw: bytes
    last_full_backup_checkpoint: LgPos
    checkpoint: LgPos
    signature: Signature
    dbms_param: DbmsParam
    full_backup: LgPos
    full_backup_time: LogTime
    incremental_backup: LgPos
    incremental_backup_time: LogTime
    version_flags: int
    db_consistency: LgPos
    filetype: int
    attachments: tuple[AttachInfo, ...]

    @property
    def attachments_valid(self) -> bool:
        """Whether the attach list describes the databases at `checkpoint`."""
        return bool(self.version_flags & _ATTACH_VALID)

    @classmethod
    def create(
        cls,
        *,
        checkpoint: LgPos,
        signature: Signature,
        dbms_param: DbmsParam,
        db_consistency: LgPos | None = None,
        attachments: tuple[AttachInfo, ...] | None = None,
    ) -> Checkpoint:
        """Make a new checkpoint; with `attachments` (empty is a list too) the attach area is marked valid."""
        return cls(
            raw=bytes(CHECKPOINT_COPY_SIZE),
            last_full_backup_checkpoint=LGPOS_MIN,
            checkpoint=checkpoint,
            signature=signature,
            dbms_param=dbms_param,
            full_backup=LGPOS_MIN,
            full_backup_time=LogTime(),
            incremental_backup=LGPOS_MIN,
            incremental_backup_time=LogTime(),
            version_flags=0 if attachments is None else _ATTACH_VALID,
            db_consistency=checkpoint if db_consistency is None else db_consistency,
            filetype=FILETYPE_CHECKPOINT,
            attachments=attachments or (),
        )

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, *, path: StrPath | None = None, offset: int = 0) -> Checkpoint:
        """Read one copy; -533 when it is short, damaged or of another type; `offset` is its place in the file."""
        raw = bytes(data[:CHECKPOINT_COPY_SIZE])
        if len(raw) < CHECKPOINT_COPY_SIZE:
            detail = f"copy of {len(raw)} bytes"
            raise EseError.from_code(Err.CheckpointCorrupt, detail, path=path, offset=offset + len(raw))
        stored, computed = int.from_bytes(raw[:4], "little"), header_checksum(raw)
        if stored != computed:
            raise EseError.from_code(
                Err.CheckpointCorrupt, "checksum", path=path, offset=offset, stored=stored, computed=computed
            )
        values = _FIXED.unpack_from(raw)
        _, last_full, checkpoint, sign, dbms, full, full_time, incremental, incremental_time = values[:9]
        version_flags, consistency, _, filetype, _ = values[9:]
        if filetype not in (0, FILETYPE_CHECKPOINT):
            detail = f"file type {filetype} is not a checkpoint"
            raise EseError.from_code(Err.CheckpointCorrupt, detail, path=path, offset=offset + 667)
        try:
            area = raw[_ATTACH_AT : _ATTACH_AT + ATTACH_AREA_SIZE]
            attachments = parse_attach_area(area, code=Err.CheckpointCorrupt, offset=offset + _ATTACH_AT)
        except EseError as error:
            raise error.located(path=path) from None
        return cls(
            raw=raw,
            last_full_backup_checkpoint=LgPos.unpack(last_full),
            checkpoint=LgPos.unpack(checkpoint),
            signature=Signature.unpack(sign),
            dbms_param=DbmsParam.unpack(dbms),
            full_backup=LgPos.unpack(full),
            full_backup_time=LogTime(full_time),
            incremental_backup=LgPos.unpack(incremental),
            incremental_backup_time=LogTime(incremental_time),
            version_flags=version_flags,
            db_consistency=LgPos.unpack(consistency),
            filetype=filetype,
            attachments=attachments,
        )

    def pack(self) -> bytes:
        """Return one copy of 4096 bytes; byte for byte what was read when nothing was changed."""
        page = bytearray(self.raw)
        _FIXED.pack_into(
            page,
            0,
            0,
            self.last_full_backup_checkpoint.pack(),
            self.checkpoint.pack(),
            self.signature.pack(),
            self.dbms_param.pack(),
            self.full_backup.pack(),
            self.full_backup_time.raw,
            self.incremental_backup.pack(),
            self.incremental_backup_time.raw,
            self.version_flags,
            self.db_consistency.pack(),
            bytes(page[656:667]),
            self.filetype,
            bytes(page[671:679]),
        )
        listed = b"".join(each.pack() for each in self.attachments)
        end = _ATTACH_AT + len(listed)
        # A list that was not changed leaves the stale bytes behind it alone.
        same = page[_ATTACH_AT:end] == listed and (len(listed) == ATTACH_AREA_SIZE or not page[end])
        if not same:
            page[_ATTACH_AT : _ATTACH_AT + ATTACH_AREA_SIZE] = pack_attach_area(self.attachments)
        set_header_checksum(page)
        return bytes(page)

    def pack_file(self) -> bytes:
        """Return the whole file: the two copies."""
        return self.pack() * 2

    def replace(self, **changes: Any) -> Checkpoint:
        """Return a copy with these fields changed."""
        return replace(self, **changes)


class CheckpointRead(NamedTuple):
    """What a checkpoint file gave: the checkpoint, which copy (1 or 2) it is, and what was wrong with the other."""

    checkpoint: Checkpoint
    copy: int
    problems: tuple[EseError, ...]
    copies_differ: bool = False
    """Both copies are right but not equal: the writer died between the two."""


def read_checkpoint(data: bytes, *, path: StrPath | None = None, signature: Signature | None = None) -> CheckpointRead:
    """Take the first right copy out of the first 8192 bytes of the file.

    -533 when both are bad; -532 when the checkpoint belongs to a stream other than `signature`.
    """
    copies: list[Checkpoint | None] = []
    problems = []
    for offset in (0, CHECKPOINT_COPY_SIZE):
        try:
            copies.append(Checkpoint.parse(data[offset : offset + CHECKPOINT_COPY_SIZE], path=path, offset=offset))
        except EseError as error:
            copies.append(None)
            problems.append(error)
    first, second = copies
    chosen = first or second
    if chosen is None:
        raise problems[0]
    if signature is not None and chosen.signature != signature:
        detail = f"signature {chosen.signature} is not that of the stream, {signature}"
        raise EseError.from_code(Err.BadCheckpointSignature, detail, path=path)
    differ = first is not None and second is not None and first.raw != second.raw
    return CheckpointRead(chosen, 1 if first is not None else 2, tuple(problems), differ)


assert _FIXED.size == _ATTACH_AT  # noqa: S101 - the layout is checked once, at import
