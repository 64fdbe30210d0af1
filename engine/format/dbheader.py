"""DBFILEHDR: the header of a database, twice at the start of the file, one page each.

The first copy ("primary") lies at 0, the second ("shadow") at one page size.  748 bytes have a meaning; the
rest of the page is zero.  The checksum is the header kind over the whole page.  Either copy serves: the primary
when its checksum is right, else the shadow.  The page size stands in the header itself, so when the primary is
damaged the shadow is looked for at each page size that occurs.

Every field below names its offset and type, in the order of the file; offset 667 really is unaligned.  Bytes
without a field survive a change, because `pack` starts from the bytes that were read.

Source: database reference 1.1-1.6.
"""

# ruff: noqa: RUF009 - the calls in the class body only say where a field lies; the values are immutable
from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

from engine.errors import Err, EseError
from engine.format.checksum import header_checksum, set_header_checksum
from engine.format.page import HEADER_PAGES, PAGE_SIZES, WRITABLE_PAGE_SIZES
from engine.types import HEADER_MAGIC, LGPOS_MIN, BkInfo, LgPos, LogTime, Signature

if TYPE_CHECKING:
    from engine.format.page import Buffer

DATABASE_VERSION: Final = 0x620
CREATE_UPDATE: Final = 20
"""Level that a new database is created at before it is raised; also the level to write for widest acceptance."""

NEWEST_UPDATE: Final = 300
"""Highest update level seen in a real file; higher ones may hold structures not known here."""

DEFAULT_PAGE_SIZE: Final = 4096
HEADER_PROBE_SIZE: Final = HEADER_PAGES * max(PAGE_SIZES)
"""Bytes from the start of a file that hold both headers whatever the page size."""

FILETYPE_DATABASE: Final = 1
FILETYPE_TEMP_DATABASE: Final = 5
_FILETYPES: Final = (0, FILETYPE_DATABASE, FILETYPE_TEMP_DATABASE)
_FILETYPE_OFFSET: Final = 667
_PAGE_SIZE_OFFSET: Final = 236
_SMALLEST: Final = 748
_U32 = struct.Struct("<I")

SHADOWING_DISABLED: Final = 0x01
"""Bit of the first flags byte: the second header page may be stale."""


class DbState(IntEnum):
    """State of a database (dbstate); numbers without a name are kept."""

    NONE = 0
    JUST_CREATED = 1
    DIRTY_SHUTDOWN = 2
    CLEAN_SHUTDOWN = 3
    BEING_CONVERTED = 4
    FORCE_DETACH = 5
    INCREMENTAL_RESEED = 6
    DIRTY_AND_PATCHED = 7
    REVERT_IN_PROGRESS = 8

    @classmethod
    def _missing_(cls, value: object) -> DbState | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class _Kind(NamedTuple):
    """How a field lies in the file: its size, and the way from bytes to value and back."""

    size: int
    load: Any
    dump: Any


def _scalar(code: str, of: Any = int) -> _Kind:
    layout = struct.Struct(f"<{code}")
    return _Kind(
        layout.size, lambda data, at: of(layout.unpack_from(data, at)[0]), lambda value: layout.pack(int(value))
    )


def _value(of: Any) -> _Kind:
    return _Kind(of.SIZE, of.unpack, lambda value: value.pack())


def _raw(size: int) -> _Kind:
    return _Kind(size, lambda data, at: bytes(data[at : at + size]), bytes)


_U = _scalar("I")
_I = _scalar("i")
_Q = _scalar("Q")
_STATE = _scalar("I", DbState)
_POS = _value(LgPos)
_TIME = _value(LogTime)
_SIGN = _value(Signature)
_BK = _value(BkInfo)


def _at(offset: int, kind: _Kind, default: Any = 0) -> Any:
    """Declare a field at `offset` bytes."""
    return field(default=default, metadata={"at": offset, "kind": kind})


_NO_TIME: Final = LogTime()
_NO_SIGN: Final = Signature()
_NO_BK: Final = BkInfo()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseHeader:
    """The header of a database.  Generations and counts are integers, page numbers count from 1, 0 means none.

    Make one with `parse` or `create`, change it with `replace`, write `pack()` to both header pages.
    """

    raw: bytes = field(repr=False, compare=False)
    """The whole header page these fields were read from."""

    magic: int = _at(4, _U, HEADER_MAGIC)
    version: int = _at(8, _U, DATABASE_VERSION)
    attrib: int = _at(12, _I)
    dbtime_dirtied: int = _at(16, _Q)
    sign_db: Signature = _at(24, _SIGN, _NO_SIGN)
    state: DbState = _at(52, _STATE, DbState.JUST_CREATED)
    lgpos_consistent: LgPos = _at(56, _POS, LGPOS_MIN)
    logtime_consistent: LogTime = _at(64, _TIME, _NO_TIME)
    logtime_attach: LogTime = _at(72, _TIME, _NO_TIME)
    lgpos_attach: LgPos = _at(80, _POS, LGPOS_MIN)
    logtime_detach: LogTime = _at(88, _TIME, _NO_TIME)
    lgpos_detach: LgPos = _at(96, _POS, LGPOS_MIN)
    dbid: int = _at(104, _U)
    sign_log: Signature = _at(108, _SIGN, _NO_SIGN)
    bkinfo_full_prev: BkInfo = _at(136, _BK, _NO_BK)
    bkinfo_inc_prev: BkInfo = _at(160, _BK, _NO_BK)
    bkinfo_full_cur: BkInfo = _at(184, _BK, _NO_BK)
    dbflags: bytes = _at(208, _raw(4), bytes(4))
    objid_last: int = _at(212, _U)
    os_major: int = _at(216, _U)
    os_minor: int = _at(220, _U)
    os_build: int = _at(224, _U)
    os_service_pack: int = _at(228, _I)
    update_major: int = _at(232, _U, CREATE_UPDATE)
    cb_page_size: int = _at(_PAGE_SIZE_OFFSET, _U)
    repair_count: int = _at(240, _U)
    logtime_repair: LogTime = _at(244, _TIME, _NO_TIME)
    sign_slv: Signature = _at(252, _SIGN, _NO_SIGN)
    dbtime_last_scrub: int = _at(280, _Q)
    logtime_scrub: LogTime = _at(288, _TIME, _NO_TIME)
    gen_min_required: int = _at(296, _I)
    gen_max_required: int = _at(300, _I)
    cpg_upgrade_55_format: int = _at(304, _I)
    cpg_upgrade_free_pages: int = _at(308, _I)
    cpg_upgrade_space_map_pages: int = _at(312, _I)
    bkinfo_snapshot_cur: BkInfo = _at(316, _BK, _NO_BK)
    create_version: int = _at(340, _U, DATABASE_VERSION)
    create_update: int = _at(344, _U, CREATE_UPDATE)
    logtime_gen_max_create: LogTime = _at(348, _TIME, _NO_TIME)
    bkinfo_type_full_prev: int = _at(356, _U)
    bkinfo_type_inc_prev: int = _at(360, _U)
    repair_count_old: int = _at(364, _U)
    ecc_fix_success: int = _at(368, _U)
    logtime_ecc_fix_success: LogTime = _at(372, _TIME, _NO_TIME)
    ecc_fix_success_old: int = _at(380, _U)
    ecc_fix_fail: int = _at(384, _U)
    logtime_ecc_fix_fail: LogTime = _at(388, _TIME, _NO_TIME)
    ecc_fix_fail_old: int = _at(396, _U)
    bad_checksum: int = _at(400, _U)
    logtime_bad_checksum: LogTime = _at(404, _TIME, _NO_TIME)
    bad_checksum_old: int = _at(412, _U)
    gen_max_committed: int = _at(416, _I)
    bkinfo_copy_prev: BkInfo = _at(420, _BK, _NO_BK)
    bkinfo_diff_prev: BkInfo = _at(444, _BK, _NO_BK)
    bkinfo_type_copy_prev: int = _at(468, _U)
    bkinfo_type_diff_prev: int = _at(472, _U)
    incremental_reseed: int = _at(476, _U)
    logtime_incremental_reseed: LogTime = _at(480, _TIME, _NO_TIME)
    incremental_reseed_old: int = _at(488, _U)
    page_patch: int = _at(492, _U)
    logtime_page_patch: LogTime = _at(496, _TIME, _NO_TIME)
    page_patch_old: int = _at(504, _U)
    sort_version: int = _at(508, _Q)
    logtime_dbscan_prev: LogTime = _at(516, _TIME, _NO_TIME)
    logtime_dbscan_start: LogTime = _at(524, _TIME, _NO_TIME)
    pgno_dbscan_highest_continuous: int = _at(532, _U)
    gen_recovering: int = _at(536, _I)
    extend_count: int = _at(540, _U)
    logtime_last_extend: LogTime = _at(544, _TIME, _NO_TIME)
    shrink_count: int = _at(552, _U)
    logtime_last_shrink: LogTime = _at(556, _TIME, _NO_TIME)
    logtime_last_reattach: LogTime = _at(564, _TIME, _NO_TIME)
    lgpos_last_reattach: LgPos = _at(572, _POS, LGPOS_MIN)
    trim_count: int = _at(580, _U)
    sign_db_hdr_flush: Signature = _at(584, _SIGN, _NO_SIGN)
    sign_flush_map_hdr_flush: Signature = _at(612, _SIGN, _NO_SIGN)
    gen_min_consistent: int = _at(640, _I)
    update_minor: int = _at(644, _U)
    efv_max_bin_attach: int = _at(648, _U)
    pgno_dbscan_highest: int = _at(652, _U)
    lgpos_last_resize: LgPos = _at(656, _POS, LGPOS_MIN)
    filetype: int = _at(_FILETYPE_OFFSET, _U, FILETYPE_DATABASE)
    logtime_gen_max_required: LogTime = _at(672, _TIME, _NO_TIME)
    gen_pre_redo_min_consistent: int = _at(680, _I)
    gen_pre_redo_min_required: int = _at(684, _I)
    sign_rbs_hdr_flush: Signature = _at(688, _SIGN, _NO_SIGN)
    revert_count: int = _at(716, _U)
    logtime_revert_from: LogTime = _at(720, _TIME, _NO_TIME)
    logtime_revert_to: LogTime = _at(728, _TIME, _NO_TIME)
    revert_page_count: int = _at(736, _U)
    lgpos_commit_before_revert: LgPos = _at(740, _POS, LGPOS_MIN)

    SIZE: ClassVar[int] = _SMALLEST

    @classmethod
    def create(cls, page_size: int, **fields: Any) -> Self:
        """Make the header of a new database: `fields` as named above, everything else zero or the usual value."""
        if page_size not in WRITABLE_PAGE_SIZES:
            raise EseError.from_code(Err.PageSizeMismatch, f"databases with {page_size}-byte pages are not written")
        return cls(raw=bytes(page_size), cb_page_size=page_size).replace(**fields)

    @classmethod
    def parse(cls, page: Buffer, *, path: str | None = None) -> Self:
        """Read a whole header page.

        -1206 for a wrong length, checksum, file type or page size, -1209 for a wrong magic number.  The version is
        not judged: see `check_version`.
        """
        data = bytes(page)
        if len(data) not in PAGE_SIZES:
            raise _damaged(f"a header page of {len(data)} bytes", path)
        stored, computed = _U32.unpack_from(data)[0], header_checksum(data)
        if stored != computed:
            raise _damaged("the header's checksum is wrong", path, stored=stored, computed=computed)
        values = {name: kind.load(data, at) for name, at, kind in _LAYOUT}
        header = cls(raw=data, **values)
        if header.filetype not in _FILETYPES or header.attrib:
            detail = f"file type {header.filetype}, attribute {header.attrib}: not a database"
            raise _damaged(detail, path, offset=_FILETYPE_OFFSET)
        if header.magic != HEADER_MAGIC:
            raise EseError.from_code(Err.InvalidDatabaseVersion, f"magic number {header.magic:#x}", path=path, offset=4)
        if header.page_size != len(data):
            detail = f"the header of {len(data)}-byte pages says {header.page_size}"
            raise _damaged(detail, path, offset=_PAGE_SIZE_OFFSET)
        return header

    def replace(self, **fields: Any) -> Self:
        """Return a header with other values, its `raw` brought up to date; the page size cannot change."""
        changed = dataclasses.replace(self, **fields)
        return dataclasses.replace(changed, raw=changed.pack())

    def pack(self) -> bytes:
        """Return the whole header page with its checksum; identical to what was read when nothing changed."""
        page = bytearray(self.raw)
        for name, at, kind in _LAYOUT:
            page[at : at + kind.size] = kind.dump(getattr(self, name))
        set_header_checksum(page)
        return bytes(page)

    def check_version(self, *, path: str | None = None) -> None:
        """Raise -1209 when the format is older or newer than what is known here."""
        if self.version != DATABASE_VERSION or self.update_major > NEWEST_UPDATE:
            raise EseError.from_code(
                Err.InvalidDatabaseVersion,
                f"format {self.version:#x}.{self.update_major}, known up to {DATABASE_VERSION:#x}.{NEWEST_UPDATE}",
                path=path,
            )

    @property
    def checksum(self) -> int:
        """The checksum in `raw`."""
        value: int = _U32.unpack_from(self.raw)[0]
        return value

    @property
    def page_size(self) -> int:
        """Bytes of a page, never 0 (old files store 0 for 4096)."""
        return self.cb_page_size or DEFAULT_PAGE_SIZE

    @property
    def clean(self) -> bool:
        """Whether the database was shut down cleanly: no log is needed to open it."""
        return self.state == DbState.CLEAN_SHUTDOWN

    @property
    def is_backup_copy(self) -> bool:
        """Whether this is a streaming-backup copy whose last page is a trailer (section 1.7)."""
        return self.bkinfo_full_cur.gen_low != 0 and self.bkinfo_full_cur.gen_high == 0

    @property
    def shadowed(self) -> bool:
        """Whether the second header page is kept equal to the first."""
        return not self.dbflags[0] & SHADOWING_DISABLED


_LAYOUT: Final[tuple[tuple[str, int, _Kind], ...]] = tuple(
    (each.name, each.metadata["at"], each.metadata["kind"])
    for each in dataclasses.fields(DatabaseHeader)
    if each.metadata
)


class HeaderSource(Enum):
    """Which copy of the header was used."""

    PRIMARY = "primary"
    SHADOW = "shadow"


class HeaderProblem(NamedTuple):
    """Something wrong with one copy of the header.

    `offset` is where the copy begins in the file; `stored` and `computed` are its checksums, both 0 when the
    copy is missing; `computed == stored` when it is whole but differs from the primary.
    """

    source: HeaderSource
    offset: int
    detail: str
    stored: int = 0
    computed: int = 0


class HeaderRead(NamedTuple):
    """The header that counts, the copy it came from, and what is wrong with the copies."""

    header: DatabaseHeader
    source: HeaderSource
    problems: tuple[HeaderProblem, ...]


def read_header_pages(start: Buffer, file_size: int, *, path: str | None = None) -> HeaderRead:
    """Find the header in the first `HEADER_PROBE_SIZE` bytes of a file (fewer only if the file is shorter).

    -1206 when neither copy is usable, -1209 when the only usable one is of another format.
    """
    data = bytes(start[:HEADER_PROBE_SIZE])
    if len(data) < min(PAGE_SIZES):
        raise _damaged(f"{file_size} bytes are too few for a database", path)
    page_size = _U32.unpack_from(data, _PAGE_SIZE_OFFSET)[0] or DEFAULT_PAGE_SIZE
    first: EseError | None = None
    problems: list[HeaderProblem] = []
    if page_size in PAGE_SIZES and len(data) >= page_size:
        try:
            primary = DatabaseHeader.parse(data[:page_size], path=path)
        except EseError as error:
            first = error
            problems.append(_problem(HeaderSource.PRIMARY, 0, data[:page_size], "the primary header is damaged"))
        else:
            return HeaderRead(primary, HeaderSource.PRIMARY, _judge_shadow(primary, data))
    else:
        problems.append(HeaderProblem(HeaderSource.PRIMARY, 0, f"the primary header names {page_size}-byte pages"))
    for size in sorted(PAGE_SIZES, key=lambda size: size != page_size):
        try:
            shadow = DatabaseHeader.parse(data[size : 2 * size], path=path)
        except EseError as error:
            # A copy with a right checksum but a foreign format says more than "damaged".
            if error.code == Err.InvalidDatabaseVersion:
                first = error
        else:
            return HeaderRead(shadow, HeaderSource.SHADOW, tuple(problems))
    raise first or _damaged("neither header copy is usable", path)


def _judge_shadow(primary: DatabaseHeader, data: bytes) -> tuple[HeaderProblem, ...]:
    """Compare the second copy with a good primary; nothing is asked of it where shadowing is off."""
    size = primary.page_size
    shadow = data[size : 2 * size]
    if shadow == primary.raw or not primary.shadowed:
        return ()
    if len(shadow) < size:
        return (HeaderProblem(HeaderSource.SHADOW, size, "the shadow header is cut off"),)
    stored, computed = _U32.unpack_from(shadow)[0], header_checksum(shadow)
    detail = "the shadow header is damaged" if stored != computed else "the shadow header differs from the primary"
    return (HeaderProblem(HeaderSource.SHADOW, size, detail, stored, computed),)


def _problem(source: HeaderSource, offset: int, page: bytes, detail: str) -> HeaderProblem:
    return HeaderProblem(source, offset, detail, _U32.unpack_from(page)[0], header_checksum(page))


def _damaged(detail: str, path: str | None, **place: Any) -> EseError:
    return EseError.from_code(Err.DatabaseCorrupted, detail, path=path, **place)


def _assert_layout() -> None:
    """Fields must be in order, must not overlap, and must end with the structure."""
    end = 4
    for name, at, kind in _LAYOUT:
        assert at >= end, name  # noqa: S101 - the layout is checked once, at import
        end = at + kind.size
    assert end == _SMALLEST  # noqa: S101


_assert_layout()
