"""The flush map beside a database (`<name>.jfm`): 8192-byte pages, a header and then two bits for each page.

    header   0 u32 checksum (header kind)   4, 8, 12 u32 version 3, 0, 0     36 u32 flags, 1 = clean
             40, 48, 56 LOGTIME created, attached, detached                  64, 68 i32 generations required, target
             72, 80 LOGTIME last full flush begun, ended
             88 SIGNATURE of the database header's last write                116 SIGNATURE of this header's
             667 u32 file type 7
    page k   (at (k+1) * 8192) checksum of the page kind with k for the page number; 8 u64 highest dbtime; 16 u32 k;
             36 u32 0x2000; from 64 on the two-bit slots, most significant pair first, slot = page number - k * 32512

A slot mirrors the two-bit counter in the page's flags; the engine uses the difference to find lost writes.

**When a database header is rewritten**: the engine takes the map for the database's own when *either* of the two
signatures stored in the database header (sign_db_hdr_flush, sign_flush_map_hdr_flush) is set and equal to the one
in the map, and the map is flagged clean (or its required generation is not older than the database's).  So:

- header fields changed, no page changed: keep both signatures as they were and leave the map alone; it stays
  accepted, and it stays true.  `DatabaseHeader.replace` keeps them unless told otherwise.
- any page changed or replaced (restore, repair, recovery by another program): delete the map, or else its slots
  contradict the pages.  The engine rebuilds a missing map at the next attach, without an event or error.
- a restored copy carries the signatures of the original, so a map left in its folder would be believed: delete it.

Source: database reference 8.1, 1.5.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from engine.errors import Err, EseError
from engine.format.checksum import header_checksum, set_header_checksum
from engine.types import LogTime, Signature

if TYPE_CHECKING:
    from engine.format.dbheader import DatabaseHeader
    from engine.format.page import Buffer

FLUSH_MAP_PAGE_SIZE: Final = 8192
FLUSH_MAP_SLOTS: Final = 32512
"""Database pages that one map page describes."""

FLUSH_MAP_VERSION: Final = 3
DBTIME_UNKNOWN: Final = 0xFFFFFFFFFFFFFFFF
"""Highest dbtime of a map page that has not seen any."""
FILETYPE_FLUSH_MAP: Final = 7
_FILETYPE_OFFSET: Final = 667
_SLOTS_OFFSET: Final = 64
_CLEAN: Final = 1
_VERSION = struct.Struct("<III")
_VERSION_OFFSET: Final = 4
_BODY = struct.Struct("<I8s8s8sii8s8s28s28s")
_BODY_OFFSET: Final = 36
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_DBTIME_OFFSET: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushMapHeader:
    """Header of a flush map; `raw` is the page it was read from, whose other bytes survive `pack`."""

    raw: bytes = dataclasses.field(default=bytes(FLUSH_MAP_PAGE_SIZE), repr=False, compare=False)
    version: tuple[int, int, int] = (FLUSH_MAP_VERSION, 0, 0)
    flags: int = 0
    logtime_create: LogTime = LogTime()  # noqa: RUF009 - an immutable value
    logtime_attach: LogTime = LogTime()  # noqa: RUF009
    logtime_detach: LogTime = LogTime()  # noqa: RUF009
    gen_min_required: int = 0
    gen_min_required_target: int = 0
    logtime_flush_start: LogTime = LogTime()  # noqa: RUF009
    logtime_flush_end: LogTime = LogTime()  # noqa: RUF009
    sign_db_hdr_flush: Signature = Signature()  # noqa: RUF009
    sign_flush_map_hdr_flush: Signature = Signature()  # noqa: RUF009

    @property
    def clean(self) -> bool:
        """Whether the map was closed with its database."""
        return bool(self.flags & _CLEAN)

    @classmethod
    def parse(cls, page: Buffer, *, path: str | None = None) -> Self:
        """Read the first 8192 bytes; -1018 for the checksum, -1812 for another file type or length."""
        data = bytes(page)
        if len(data) != FLUSH_MAP_PAGE_SIZE:
            raise EseError.from_code(Err.FileInvalidType, f"{len(data)} bytes are no flush map header", path=path)
        flags, create, attach, detach, low, target, start, end, sign_db, sign_map = _BODY.unpack_from(
            data, _BODY_OFFSET
        )
        stored, computed = _U32.unpack_from(data)[0], header_checksum(data)
        if stored != computed:
            raise EseError.from_code(
                Err.ReadVerifyFailure,
                "the flush map's header checksum is wrong",
                path=path,
                offset=0,
                stored=stored,
                computed=computed,
            )
        filetype = _U32.unpack_from(data, _FILETYPE_OFFSET)[0]
        if filetype != FILETYPE_FLUSH_MAP:
            raise EseError.from_code(
                Err.FileInvalidType,
                f"file type {filetype} is no flush map",
                path=path,
                offset=_FILETYPE_OFFSET,
            )
        return cls(
            raw=data,
            version=_VERSION.unpack_from(data, _VERSION_OFFSET),
            flags=flags,
            logtime_create=LogTime(create),
            logtime_attach=LogTime(attach),
            logtime_detach=LogTime(detach),
            gen_min_required=low,
            gen_min_required_target=target,
            logtime_flush_start=LogTime(start),
            logtime_flush_end=LogTime(end),
            sign_db_hdr_flush=Signature.unpack(sign_db),
            sign_flush_map_hdr_flush=Signature.unpack(sign_map),
        )

    def replace(self, **fields: Any) -> Self:
        """Return a header with other values, its `raw` brought up to date."""
        changed = dataclasses.replace(self, **fields)
        return dataclasses.replace(changed, raw=changed.pack())

    def pack(self) -> bytes:
        """Return the whole page with its checksum; identical to what was read when nothing changed."""
        page = bytearray(self.raw)
        _VERSION.pack_into(page, _VERSION_OFFSET, *self.version)
        _BODY.pack_into(
            page,
            _BODY_OFFSET,
            self.flags,
            self.logtime_create.raw,
            self.logtime_attach.raw,
            self.logtime_detach.raw,
            self.gen_min_required,
            self.gen_min_required_target,
            self.logtime_flush_start.raw,
            self.logtime_flush_end.raw,
            self.sign_db_hdr_flush.pack(),
            self.sign_flush_map_hdr_flush.pack(),
        )
        _U32.pack_into(page, _FILETYPE_OFFSET, FILETYPE_FLUSH_MAP)
        set_header_checksum(page)
        return bytes(page)

    def accepted_for(self, header: DatabaseHeader) -> bool:
        """Whether the engine would take this map for the database with that header."""
        return self.refused_for(header) is None

    def refused_for(self, header: DatabaseHeader) -> int | None:
        """Return why the engine would throw this map away, -1918 version, -1919 another database, -1920 not closed."""
        if self.version[0] != FLUSH_MAP_VERSION or self.version[1] > 0:
            return Err.FlushMapVersionUnsupported
        same = (header.sign_db_hdr_flush and header.sign_db_hdr_flush == self.sign_db_hdr_flush) or (
            header.sign_flush_map_hdr_flush and header.sign_flush_map_hdr_flush == self.sign_flush_map_hdr_flush
        )
        if not same:
            return Err.FlushMapDatabaseMismatch
        recoverable = 0 < header.gen_min_required <= self.gen_min_required
        return None if self.clean or recoverable else Err.FlushMapUnrecoverable


def map_page_dbtime(map_page: Buffer) -> int:
    """Return the highest dbtime that a map page has seen, or DBTIME_UNKNOWN."""
    dbtime: int = _U64.unpack_from(map_page, _DBTIME_OFFSET)[0]
    return dbtime


def flush_type_of(map_page: Buffer, pgno: int) -> int:
    """Return the write counter 1..3 that a map page keeps for database page `pgno`; 0 when unknown.

    `map_page` is map page `pgno // FLUSH_MAP_SLOTS`, 8192 bytes.
    """
    slot = pgno % FLUSH_MAP_SLOTS
    return memoryview(map_page)[_SLOTS_OFFSET + slot // 4] >> (6 - 2 * (slot % 4)) & 3
