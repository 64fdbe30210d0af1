"""ATTACHINFO: the attached databases that log headers and checkpoints list.

A packed sequence in an area of 2048 bytes, ended by a byte 0 or by the end of the area.  Bytes behind the
end are not cleared by the engine and mean nothing::

    0  dbid (0 ends the list)   1  flags   2  length of the name (u16, terminators included)
    4  dbtime i64   12 objidLast   16 cpgMax   20 lgposAttach   28 lgposConsistent   36 signDb   64 name

Source: log reference 1.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.types import LGPOS_MIN, LgPos, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable

ATTACH_AREA_SIZE: Final = 2048

_FIXED = struct.Struct("<BBHqII8s8s28s")


class AttachFlags(IntFlag):
    """Flags of an entry; those below 0x20 are of older versions."""

    LOGGED = 0x01
    VERSIONING = 0x02
    READ_ONLY = 0x04
    SLV_PROVIDER = 0x08
    SLV_EXISTS = 0x10
    UNICODE_NAME = 0x20
    SPARSE_FILE = 0x40


@dataclass(frozen=True, slots=True)
class AttachInfo:
    """One attached database.

    `attach` is the position of its AttachDB or CreateDB record, `consistent` the value that this record carried;
    `dbtime` and `objid_last` are the counters when the list was written; `name` is kept as it lies in the file.
    """

    dbid: int
    flags: int
    dbtime: int
    objid_last: int
    cpg_max: int
    attach: LgPos
    consistent: LgPos
    sign_db: Signature
    name: bytes

    @classmethod
    def create(
        cls,
        dbid: int,
        path: str,
        sign_db: Signature,
        *,
        attach: LgPos,
        consistent: LgPos = LGPOS_MIN,
        dbtime: int = 0,
        objid_last: int = 0,
        cpg_max: int = 0,
    ) -> AttachInfo:
        """Make an entry with a UTF-16 name, as every current engine writes."""
        name = path.encode("utf-16-le", errors="surrogatepass") + b"\0\0"
        return cls(dbid, AttachFlags.UNICODE_NAME, dbtime, objid_last, cpg_max, attach, consistent, sign_db, name)

    @property
    def path(self) -> str:
        """Full path of the database."""
        if self.flags & AttachFlags.UNICODE_NAME:
            return self.name.decode("utf-16-le", errors="replace").split("\0", 1)[0]
        return self.name.split(b"\0", 1)[0].decode("latin-1")

    def pack(self) -> bytes:
        """Return the entry as it lies in the area."""
        return (
            _FIXED.pack(
                self.dbid,
                self.flags,
                len(self.name),
                self.dbtime,
                self.objid_last,
                self.cpg_max,
                self.attach.pack(),
                self.consistent.pack(),
                self.sign_db.pack(),
            )
            + self.name
        )


def parse_attach_area(area: bytes, *, code: int = Err.LogFileCorrupt, offset: int = 0) -> tuple[AttachInfo, ...]:
    """Read the list in `area`; `code` is raised, with `offset` plus the place, for an entry that leaves the area."""
    found = []
    at = 0
    while at < len(area) and area[at]:
        if len(area) - at < _FIXED.size:
            raise EseError.from_code(code, "attach entry cut off by the end of its area", offset=offset + at)
        dbid, flags, length, dbtime, objid, cpg_max, attach, consistent, sign = _FIXED.unpack_from(area, at)
        start = at + _FIXED.size
        at = start + length
        if at > len(area):
            raise EseError.from_code(code, f"attach entry claims a name of {length} bytes", offset=offset + start)
        found.append(
            AttachInfo(
                dbid,
                flags,
                dbtime,
                objid,
                cpg_max,
                LgPos.unpack(attach),
                LgPos.unpack(consistent),
                Signature.unpack(sign),
                area[start:at],
            ),
        )
    return tuple(found)


def pack_attach_area(entries: Iterable[AttachInfo]) -> bytes:
    """Return the area of 2048 bytes; -1805 when the entries do not fit."""
    packed = b"".join(each.pack() for each in entries)
    if len(packed) > ATTACH_AREA_SIZE:
        raise EseError.from_code(Err.TooManyAttachedDatabases, f"attach list of {len(packed)} bytes does not fit")
    return packed.ljust(ATTACH_AREA_SIZE, b"\0")


assert _FIXED.size == 64  # noqa: S101, PLR2004 - the layout is checked once, at import
