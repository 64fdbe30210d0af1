"""LGFILEHDR: the header of a log file, segment 0, 4096 bytes.

::

      0 checksum         4 lGeneration         8 cbSec (u16, 4096)    10 csecHeader (u16, 1)
     12 csecLGFile (u16) 14 cbPageSize (u16, 0 = 4096)                16 tmCreate        24 tmPrevGen
     32 version major    36 minor              40 updateMajor         44 signLog (28)    72 DBMS_PARAM (567)
    639 flags (u8)      640 lgposCheckpoint   648 updateMinor        652 sector size mismatch (u8)
    653 checksumPrevLogAllSegments (u64)      661 engine format version              665 reserved (u16)
    667 filetype (3)    671 attach area (2048)                       2719 zero

Bytes that are not understood survive a change: `pack` starts from the bytes that were read.
Source: log reference 1.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.attachinfo import ATTACH_AREA_SIZE, AttachInfo, pack_attach_area, parse_attach_area
from engine.format.checksum import header_checksum, set_header_checksum
from engine.format.dbms_param import DbmsParam
from engine.format.versions import (
    LEGACY_LOG_MAJOR,
    LEGACY_LOG_MINOR,
    LOG_MAJOR,
    LOG_MINOR,
    LOG_VERSION_MAX,
    LogVersion,
)
from engine.types import LGPOS_MIN, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from engine.types import StrPath

LOG_HEADER_SIZE: Final = 4096
SEGMENT_SIZE: Final = 4096
FILETYPE_LOG: Final = 3
SMALLEST_LOG_SEGMENTS: Final = 4
"""Header, one data segment, one more, and the last, which only can hold a shadow."""

_ATTACH_AT: Final = 671
_FIXED = struct.Struct("<IIHHHH8s8sIII28s567sB8sIBQIHI")


class LogHeaderFlags(IntFlag):
    """Flags of a log header."""

    RESERVE_LOG = 1
    """Made from a reserve log."""
    CIRCULAR_NOW = 2
    CIRCULAR_HISTORY = 4
    """Circular logging was on at some time in this stream."""


class LogHeaderExpectation(NamedTuple):
    """What an opener knows already; None asks nothing.

    `log_file_size` is in bytes; `databases_clean` turns -541 into -545, after which logs may be deleted.
    """

    signature: Signature | None = None
    page_size: int | None = None
    log_file_size: int | None = None
    version_limit: LogVersion | None = None
    databases_clean: bool = False


@dataclass(frozen=True, slots=True)
class LogHeader:
    """The header of one generation."""

    raw: bytes
    generation: int
    segment_size: int
    header_segments: int
    file_segments: int
    cb_page_size: int
    created: LogTime
    previous_created: LogTime
    version: LogVersion
    signature: Signature
    dbms_param: DbmsParam
    flags: int
    checkpoint: LgPos
    disk_sector_mismatch: int
    previous_checksum: int
    engine_version: int
    filetype: int
    attachments: tuple[AttachInfo, ...]

    @property
    def page_size(self) -> int:
        """Page size of the databases in bytes, never 0."""
        return self.cb_page_size or 4096

    @property
    def file_size(self) -> int:
        """Size of the whole file in bytes."""
        return self.file_segments * self.segment_size

    @property
    def circular(self) -> bool:
        """Whether circular logging was on when this generation was made."""
        return bool(self.flags & LogHeaderFlags.CIRCULAR_NOW)

    @classmethod
    def create(  # noqa: PLR0913 - one argument a field that a new generation has
        cls,
        *,
        generation: int,
        file_segments: int,
        page_size: int,
        created: LogTime,
        signature: Signature,
        version: LogVersion,
        engine_version: int,
        dbms_param: DbmsParam,
        previous_created: LogTime = LogTime(),  # noqa: B008 - an immutable value
        previous_checksum: int = 0,
        flags: int = 0,
        checkpoint: LgPos = LGPOS_MIN,
        attachments: tuple[AttachInfo, ...] = (),
    ) -> LogHeader:
        """Make the header of a new generation of `file_segments` segments of 4096 bytes."""
        return cls(
            raw=bytes(LOG_HEADER_SIZE),
            generation=generation,
            segment_size=SEGMENT_SIZE,
            header_segments=1,
            file_segments=file_segments,
            cb_page_size=page_size,
            created=created,
            previous_created=previous_created,
            version=version,
            signature=signature,
            dbms_param=dbms_param,
            flags=flags,
            checkpoint=checkpoint,
            disk_sector_mismatch=0,
            previous_checksum=previous_checksum,
            engine_version=engine_version,
            filetype=FILETYPE_LOG,
            attachments=attachments,
        )

    @classmethod
    def parse(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        path: StrPath | None = None,
        expect: LogHeaderExpectation | None = None,
    ) -> LogHeader:
        """Read and check the first 4096 bytes of a log, in the order in which the engine checks.

        -501 short or checksum wrong; -1812 not a log; -514 version; -622 version above `expect.version_limit`;
        -501 segment size and counts; -530 signature; -1213 page size; -541 or -545 file size.
        """
        raw = bytes(data[:LOG_HEADER_SIZE])
        if len(raw) < LOG_HEADER_SIZE:
            raise EseError.from_code(Err.LogFileCorrupt, f"header of {len(raw)} bytes", path=path, offset=len(raw))
        stored, computed = int.from_bytes(raw[:4], "little"), header_checksum(raw)
        if stored != computed:
            raise EseError.from_code(
                Err.LogFileCorrupt, "header checksum", path=path, offset=0, stored=stored, computed=computed
            )
        try:
            header = cls.decode(raw)
            header.check(expect or LogHeaderExpectation(), path)
        except EseError as error:
            raise error.located(path=path) from None
        return header

    @classmethod
    def decode(cls, data: bytes) -> LogHeader:
        """Take the fields out of 4096 bytes without judging them, for showing a damaged header.

        -501 for fewer bytes, or an attach entry that leaves its area.

        A header whose filetype or version is foreign gets no attach list.
        """
        if len(data) < LOG_HEADER_SIZE:
            raise EseError.from_code(Err.LogFileCorrupt, f"header of {len(data)} bytes", offset=len(data))
        values = _FIXED.unpack_from(data)
        _, generation, sector, header_segments, file_segments, page_size, created, previous = values[:8]
        major, minor, update_major, sign, dbms, flags, checkpoint, update_minor = values[8:16]
        mismatch, previous_checksum, engine_version, _, filetype = values[16:]
        listed = filetype in (0, FILETYPE_LOG) and (major, minor) == (LOG_MAJOR, LOG_MINOR)
        area = data[_ATTACH_AT : _ATTACH_AT + ATTACH_AREA_SIZE]
        return cls(
            raw=bytes(data[:LOG_HEADER_SIZE]),
            generation=generation,
            segment_size=sector,
            header_segments=header_segments,
            file_segments=file_segments,
            cb_page_size=page_size,
            created=LogTime(created),
            previous_created=LogTime(previous),
            version=LogVersion(major, minor, update_major, update_minor),
            signature=Signature.unpack(sign),
            dbms_param=DbmsParam.unpack(dbms),
            flags=flags,
            checkpoint=LgPos.unpack(checkpoint),
            disk_sector_mismatch=mismatch,
            previous_checksum=previous_checksum,
            engine_version=engine_version,
            filetype=filetype,
            attachments=parse_attach_area(area, offset=_ATTACH_AT) if listed else (),
        )

    def pack(self) -> bytes:
        """Return the 4096 bytes with their checksum; byte for byte what was read when nothing was changed."""
        page = bytearray(self.raw)
        reserved = int.from_bytes(page[665:667], "little")
        _FIXED.pack_into(
            page,
            0,
            0,
            self.generation,
            self.segment_size,
            self.header_segments,
            self.file_segments,
            self.cb_page_size,
            self.created.raw,
            self.previous_created.raw,
            self.version.major,
            self.version.minor,
            self.version.update_major,
            self.signature.pack(),
            self.dbms_param.pack(),
            self.flags,
            self.checkpoint.pack(),
            self.version.update_minor,
            self.disk_sector_mismatch,
            self.previous_checksum,
            self.engine_version,
            reserved,
            self.filetype,
        )
        listed = b"".join(each.pack() for each in self.attachments)
        end = _ATTACH_AT + len(listed)
        # A list that was not changed leaves the stale bytes behind it alone.
        same = page[_ATTACH_AT:end] == listed and (len(listed) == ATTACH_AREA_SIZE or not page[end])
        if not same:
            page[_ATTACH_AT : _ATTACH_AT + ATTACH_AREA_SIZE] = pack_attach_area(self.attachments)
        set_header_checksum(page)
        return bytes(page)

    def replace(self, **changes: Any) -> LogHeader:
        """Return a copy with these fields changed."""
        return replace(self, **changes)

    def check(self, expect: LogHeaderExpectation, path: StrPath | None = None) -> None:
        """Check everything behind the checksum, in order; the errors are those of `parse`."""
        generation = self.generation
        if self.filetype not in (0, FILETYPE_LOG):
            raise EseError.from_code(Err.FileInvalidType, f"file type {self.filetype} is not a log", path=path)
        self._check_version(expect.version_limit, path)
        counts = (self.segment_size, self.header_segments)
        if counts != (SEGMENT_SIZE, 1) or self.file_segments < SMALLEST_LOG_SEGMENTS or not generation:
            detail = (
                f"header claims generation {generation:#x}, segments of {self.segment_size} bytes, "
                f"{self.header_segments} of {self.file_segments} for the header"
            )
            raise EseError.from_code(Err.LogFileCorrupt, detail, path=path, offset=4)
        if expect.signature is not None and self.signature != expect.signature:
            detail = f"signature {self.signature} is not that of the stream, {expect.signature}"
            raise EseError.from_code(Err.BadLogSignature, detail, path=path, generation=generation)
        if expect.page_size is not None and self.page_size != expect.page_size:
            detail = f"log is for pages of {self.page_size} bytes, {expect.page_size} wanted"
            raise EseError.from_code(Err.PageSizeMismatch, detail, path=path, generation=generation)
        if expect.log_file_size is not None and self.file_size != expect.log_file_size:
            code = Err.LogFileSizeMismatchDatabasesConsistent if expect.databases_clean else Err.LogFileSizeMismatch
            detail = f"log is of {self.file_size} bytes, {expect.log_file_size} wanted"
            raise EseError.from_code(code, detail, path=path, generation=generation)

    def _check_version(self, limit: LogVersion | None, path: StrPath | None) -> None:
        version = self.version
        if (version.major, version.minor) != (LOG_MAJOR, LOG_MINOR) or version.update_major > LOG_VERSION_MAX[2]:
            legacy = (version.major, version.minor) == (LEGACY_LOG_MAJOR, LEGACY_LOG_MINOR)
            raise EseError.from_code(
                Err.BadLogVersion,
                f"log version {version}; newest understood is {LOG_VERSION_MAX}",
                path=path,
                generation=self.generation,
                hint="logs of Windows 7 and older have another layout; finish them with the engine that wrote them"
                if legacy
                else None,
            )
        if limit is not None and version > limit:
            raise EseError.from_code(
                Err.EngineFormatVersionSpecifiedTooLowForLogVersion,
                f"log version {version} is above {limit}",
                path=path,
                generation=self.generation,
            )


assert _FIXED.size == _ATTACH_AT  # noqa: S101 - the layout is checked once, at import
