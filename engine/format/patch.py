"""PATCHHDR: the trailer page that a streaming backup appends to the copy of a database.

    0    u32 checksum of the header kind over the whole page; the rest of the 40-byte page-header area is zero
    40   BKINFO     as bkinfoFullCur of the copy's header, but with the last generation filled in
    64   SIGNATURE  of the database        92   SIGNATURE of the log stream
    120  u32 lowest required generation    124  u32 highest required     128  u32 highest committed
    132  LOGTIME creation of the highest required log                    140  LOGTIME of the highest committed log
    148  zero to the end of the page

It holds what was true when the copy ended; generations may be zero, then the header's count.  It is not a page of
the database: as one it would be "bad".  Recognise it by the header (`DatabaseHeader.is_backup_copy`), its place
(the last page of the file), its checksum, and by `belongs_to`.

Source: database reference 1.7; log reference 7.6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from engine.errors import Err, EseError
from engine.format.checksum import header_checksum, set_header_checksum
from engine.format.page import PAGE_SIZES
from engine.types import BkInfo, LogTime, Signature

if TYPE_CHECKING:
    from engine.format.dbheader import DatabaseHeader
    from engine.format.page import Buffer

_LAYOUT = struct.Struct("<I36x24s28s28sIII8s8s")
_SIZE: Final = 148


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchHeader:
    """What the trailer of a backup copy says; generations are 0 when not known."""

    bkinfo: BkInfo
    sign_db: Signature
    sign_log: Signature
    gen_min_required: int = 0
    gen_max_required: int = 0
    gen_max_committed: int = 0
    logtime_gen_max_required: LogTime = LogTime()  # noqa: RUF009 - an immutable value
    logtime_gen_max_committed: LogTime = LogTime()  # noqa: RUF009 - an immutable value

    @classmethod
    def parse(cls, page: Buffer, *, path: str | None = None, pgno: int | None = None) -> Self:
        """Read a whole trailer page; -552 when its checksum is wrong, `pgno` is its place for the error."""
        data = bytes(page)
        if len(data) not in PAGE_SIZES:
            raise EseError.from_code(Err.PageSizeMismatch, f"a trailer of {len(data)} bytes", path=path, page=pgno)
        stored, bkinfo, sign_db, sign_log, low, high, committed, high_time, committed_time = _LAYOUT.unpack_from(data)
        computed = header_checksum(data)
        if stored != computed:
            raise EseError.from_code(
                Err.DatabasePatchFileMismatch,
                "the trailer's checksum is wrong",
                path=path,
                page=pgno,
                stored=stored,
                computed=computed,
            )
        return cls(
            bkinfo=BkInfo.unpack(bkinfo),
            sign_db=Signature.unpack(sign_db),
            sign_log=Signature.unpack(sign_log),
            gen_min_required=low,
            gen_max_required=high,
            gen_max_committed=committed,
            logtime_gen_max_required=LogTime(high_time),
            logtime_gen_max_committed=LogTime(committed_time),
        )

    def pack(self, page_size: int) -> bytes:
        """Return the whole page with its checksum."""
        page = bytearray(page_size)
        _LAYOUT.pack_into(
            page,
            0,
            0,
            self.bkinfo.pack(),
            self.sign_db.pack(),
            self.sign_log.pack(),
            self.gen_min_required,
            self.gen_max_required,
            self.gen_max_committed,
            self.logtime_gen_max_required.raw,
            self.logtime_gen_max_committed.raw,
        )
        set_header_checksum(page)
        return bytes(page)

    def belongs_to(self, header: DatabaseHeader) -> bool:
        """Whether this trailer and the header are of one backup: both signatures and the mark agree."""
        return (
            self.sign_db == header.sign_db
            and self.sign_log == header.sign_log
            and self.bkinfo.mark == header.bkinfo_full_cur.mark
        )


assert _LAYOUT.size == _SIZE  # noqa: S101 - the layout is checked once, at import
