"""Records about whole databases: made, attached, detached, versions and sizes.  Source: log reference 2.4."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from engine.errors import Err, EseError
from engine.format.lr.codec import WRAPPER, Record, corrupt, register, wire
from engine.types import LGPOS_MIN, LgPos, Signature

PATH_UNICODE: Final = 0x08
"""Flag of CreateDB and AttachDB: the path is UTF-16."""
PATH_SPARSE: Final = 0x10
"""Flag of CreateDB and AttachDB: the file is sparse."""
CREATE_VERSION_INFO: Final = 0x04
"""Flag of CreateDB: four bytes of version information precede the path."""
DETACH_UNICODE: Final = 0x10
"""Flag of DetachDB: the path is UTF-16."""


def _path_bytes(path: str) -> bytes:
    return path.encode("utf-16-le", errors="surrogatepass") + b"\0\0"


def _path_text(data: bytes, *, unicode: bool) -> str:
    """Return the first string of a path field."""
    text = data.decode("utf-16-le", errors="replace") if unicode else data.decode("latin-1")
    return text.split("\0", 1)[0]


class _CreateDB(NamedTuple):
    procid: int
    dbid: int
    grbit: int
    cpg_max: int
    sign_db: Signature
    flags: int
    version_info: bytes
    path_data: bytes


class CreateDB(Record, _CreateDB):
    """A database is made.

    `version_info` is the placeholder of two u16 (today 2 and 0) when flag 4 is set, else empty.
    """

    __slots__ = ()

    FIXED_SIZE = 43
    VERSION_INFO = bytes((2, 0, 0, 0))

    @property
    def path(self) -> str:
        """Path of the database."""
        return _path_text(self.path_data, unicode=bool(self.flags & PATH_UNICODE))

    @classmethod
    def create(
        cls, procid: int, dbid: int, path: str, sign_db: Signature, *, grbit: int = 0, cpg_max: int = 0
    ) -> CreateDB:
        """Make the record as current engines write it."""
        flags = PATH_UNICODE | CREATE_VERSION_INFO
        return cls(procid, dbid, grbit, cpg_max, sign_db, flags, cls.VERSION_INFO, _path_bytes(path))


_CREATE_DB = struct.Struct("<BHBII28sHB")


def _decode_create_db(buffer: bytes, at: int, limit: int) -> tuple[Record, int]:
    start = at + CreateDB.FIXED_SIZE
    if start > limit:
        corrupt("CreateDB record cut off", at)
    _, procid, dbid, grbit, cpg_max, sign, length, flags = _CREATE_DB.unpack_from(buffer, at)
    path_at = start + (len(CreateDB.VERSION_INFO) if flags & CREATE_VERSION_INFO else 0)
    end = path_at + length
    if end > limit:
        corrupt(f"CreateDB record of {end - at} bytes leaves its place", at)
    version_info, path = buffer[start:path_at], buffer[path_at:end]
    return CreateDB(procid, dbid, grbit, cpg_max, Signature.unpack(sign), flags, version_info, path), end


def _pack_create_db(values: tuple[object, ...]) -> bytes:
    record = CreateDB(*values)  # type: ignore[arg-type]  # these are the fields of a CreateDB
    wanted = len(CreateDB.VERSION_INFO) if record.flags & CREATE_VERSION_INFO else 0
    if len(record.version_info) != wanted:
        raise EseError.from_code(Err.InvalidParameter, "version information and flags of CreateDB disagree")
    try:
        fixed = _CREATE_DB.pack(
            record.type,
            record.procid,
            record.dbid,
            record.grbit,
            record.cpg_max,
            record.sign_db.pack(),
            len(record.path_data),
            record.flags,
        )
    except struct.error as error:
        raise EseError.from_code(Err.InvalidParameter, f"a field of CreateDB does not fit: {error}") from None
    return fixed + record.version_info + record.path_data


register(CreateDB, _decode_create_db, _pack_create_db)


class _CreateDBFinish(NamedTuple):
    procid: int
    dbid: int


@wire
class CreateDBFinish(Record, _CreateDBFinish):
    """The database is made; only now can it be used or attached."""

    __slots__ = ()
    LAYOUT = "procid:H dbid:B"


class _AttachDB(NamedTuple):
    procid: int
    dbid: int
    cpg_max: int
    consistent: LgPos
    sign_db: Signature
    sign_log: Signature
    flags: int
    path_data: bytes


@wire
class AttachDB(Record, _AttachDB):
    """A database is attached; `consistent` and `sign_log` are what its header said before."""

    __slots__ = ()
    LAYOUT = "procid:H dbid:B cpg_max:I consistent:pos sign_db:sig sign_log:sig len(path_data):H flags:B"
    TAIL = "path_data"

    @property
    def path(self) -> str:
        """Path of the database."""
        return _path_text(self.path_data, unicode=bool(self.flags & PATH_UNICODE))

    @classmethod
    def create(
        cls,
        procid: int,
        dbid: int,
        path: str,
        *,
        consistent: LgPos,
        sign_db: Signature,
        sign_log: Signature,
        cpg_max: int = 0,
    ) -> AttachDB:
        """Make the record with a UTF-16 path."""
        return cls(procid, dbid, cpg_max, consistent, sign_db, sign_log, PATH_UNICODE, _path_bytes(path))


class _DetachDB(NamedTuple):
    procid: int
    dbid: int
    flags: int
    path_data: bytes


@wire
class DetachDB(Record, _DetachDB):
    """A database is detached; flag 0x10: the path is UTF-16."""

    __slots__ = ()
    LAYOUT = "procid:H dbid:B len(path_data):H flags:B"
    TAIL = "path_data"

    @property
    def path(self) -> str:
        """Path of the database."""
        return _path_text(self.path_data, unicode=bool(self.flags & DETACH_UNICODE))

    @classmethod
    def create(cls, procid: int, dbid: int, path: str) -> DetachDB:
        """Make the record with a UTF-16 path."""
        return cls(procid, dbid, DETACH_UNICODE, _path_bytes(path))


class _ReAttach(NamedTuple):
    dbid: int
    attach: LgPos
    consistent: LgPos
    sign_db: Signature
    rest: bytes = b""


@wire
class ReAttach(Record, _ReAttach):
    """A database stays attached after a recovery that kept attachments."""

    __slots__ = ()
    LAYOUT = WRAPPER + "dbid:B attach:pos consistent:pos sign_db:sig"
    TAIL = "rest"


class _SignalAttachDb(NamedTuple):
    dbid: int


@wire
class SignalAttachDb(Record, _SignalAttachDb):
    """Asks redo to raise the attach callback again."""

    __slots__ = ()
    LAYOUT = "dbid:B"


class _SetDbVersion(NamedTuple):
    dbid: int
    version: int
    update_major: int
    update_minor: int


@wire
class SetDbVersion(Record, _SetDbVersion):
    """The version fields of the database header take these values if they are higher."""

    __slots__ = ()
    LAYOUT = "dbid:B version:I update_major:I update_minor:I"


class _ExtendDB(NamedTuple):
    dbid: int
    pgno_last: int
    rest: bytes = b""


@wire
class ExtendDB(Record, _ExtendDB):
    """The file must reach this page, the last one that the root owns afterwards."""

    __slots__ = ()
    LAYOUT = WRAPPER + "dbid:B pgno_last:I"
    TAIL = "rest"


class _ShrinkDB(NamedTuple):
    dbid: int
    pgno_last: int
    cpg_shrunk: int


_SHRINK = "dbid:B pgno_last:I cpg_shrunk:I"


@wire
class ShrinkDB(Record, _ShrinkDB):
    """The file now ends at this page."""

    __slots__ = ()
    LAYOUT = _SHRINK


@wire
class ShrinkDB2(Record, _ShrinkDB):
    """The file now ends at this page."""

    __slots__ = ()
    LAYOUT = _SHRINK


class _ShrinkDB3(NamedTuple):
    dbid: int
    pgno_last: int
    cpg_shrunk: int
    dbtime: int


@wire
class ShrinkDB3(Record, _ShrinkDB3):
    """As ShrinkDB; the shrinking takes a dbtime."""

    __slots__ = ()
    LAYOUT = _SHRINK + " dbtime:q"


class _TrimDB(NamedTuple):
    dbid: int
    pgno_start: int
    cpg: int


@wire
class TrimDB(Record, _TrimDB):
    """A hole is punched over these pages."""

    __slots__ = ()
    LAYOUT = "dbid:B pgno_start:I cpg:I"


class _ExtentFreed(NamedTuple):
    dbid: int
    pgno_first: int
    cpg: int
    flags: int


@wire
class ExtentFreed(Record, _ExtentFreed):
    """Pages go back to their parent; `flags`: 1 root page of a table, 2 empty page of a deleted tree."""

    __slots__ = ()
    LAYOUT = "dbid:B pgno_first:I cpg:i flags:B"


class _ExtentFreed2(NamedTuple):
    dbid: int
    pgno_first: int
    cpg: int
    flags: int
    dbtime: int


@wire
class ExtentFreed2(Record, _ExtentFreed2):
    """As ExtentFreed, with a dbtime."""

    __slots__ = ()
    LAYOUT = "dbid:B pgno_first:I cpg:i flags:B dbtime:q"


class _ScanCheck(NamedTuple):
    dbid: int
    pgno: int
    dbtime_page: int
    dbtime_current: int
    dbtime_before: int
    dbtime_after: int
    checksum: int
    rest: bytes = b""


@wire
class ScanCheck(Record, _ScanCheck):
    """A page as the scanner read it, for a replica to compare."""

    __slots__ = ()
    LAYOUT = WRAPPER + ("dbid:B pgno:I dbtime_page:q dbtime_current:q dbtime_before:q dbtime_after:q checksum:H")
    TAIL = "rest"


class _ScanCheck2(NamedTuple):
    dbid: int
    pgno: int
    flags: int
    dbtime_page: int
    dbtime_current: int
    checksum: int


@wire
class ScanCheck2(Record, _ScanCheck2):
    """As ScanCheck; `flags`: 0x80 objid invalid, 0x40 empty page, 0x20 page of a deleted tree, low bits the source."""

    __slots__ = ()
    LAYOUT = "dbid:B pgno:I flags:B dbtime_page:q dbtime_current:q checksum:I"


class _FreeFDP(NamedTuple):
    dbid: int
    pgno_fdp: int
    trx_committed: int
    kind: int
    rest: bytes = b""


@wire
class FreeFDP(Record, _FreeFDP):
    """A table (`kind` 1) or an index (2) is gone; replicas forget what they hold of it."""

    __slots__ = ()
    LAYOUT = WRAPPER + "dbid:B pgno_fdp:I trx_committed:I kind:B"
    TAIL = "rest"


NO_POSITION: Final = LGPOS_MIN
"""What AttachDB carries as `consistent` for a database that was never detached."""
