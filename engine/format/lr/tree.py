"""Records that make trees and give them pages.  Source: log reference 2.7."""

from __future__ import annotations

from typing import NamedTuple

from engine.format.lr.codec import Record, wire
from engine.format.lr.node import PAGE_PREFIX, PageRecord


class _CreateSEFDP(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    objid_fdp: int
    pgno_fdp_parent: int
    cpg_primary: int
    page_flags: int


@wire
class CreateSEFDP(PageRecord, _CreateSEFDP):
    """A tree is made whose free pages fit the bitmap in its root."""

    __slots__ = ()
    LAYOUT = PAGE_PREFIX + "objid_fdp:I pgno_fdp_parent:I cpg_primary:i page_flags:I"


class _CreateMEFDP(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    objid_fdp: int
    pgno_oe: int
    pgno_ae: int
    pgno_fdp_parent: int
    cpg_primary: int
    page_flags: int


@wire
class CreateMEFDP(PageRecord, _CreateMEFDP):
    """A tree is made that has space trees of owned and available extents."""

    __slots__ = ()
    LAYOUT = PAGE_PREFIX + "objid_fdp:I pgno_oe:I pgno_ae:I pgno_fdp_parent:I cpg_primary:i page_flags:I"


class _ConvertFDP(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    objid_fdp: int
    pgno_oe: int
    pgno_ae: int
    pgno_fdp_parent: int
    pgno_secondary_first: int
    cpg_primary: int
    cpg_secondary: int


_CONVERT = PAGE_PREFIX + (
    "objid_fdp:I pgno_oe:I pgno_ae:I pgno_fdp_parent:I pgno_secondary_first:I cpg_primary:i cpg_secondary:i"
)


@wire
class ConvertFDP(PageRecord, _ConvertFDP):
    """A tree gets space trees, old form."""

    __slots__ = ()
    LAYOUT = _CONVERT


class _ConvertFDP2(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    dbtime: int
    dbtime_before: int
    trx_begin0: int
    level: int
    iline: int
    flags: int
    objid_fdp: int
    pgno_oe: int
    pgno_ae: int
    pgno_fdp_parent: int
    pgno_secondary_first: int
    cpg_primary: int
    cpg_secondary: int
    bitmap_available: int
    page_flags: int


@wire
class ConvertFDP2(PageRecord, _ConvertFDP2):
    """A tree gets space trees: the bitmap in its root becomes owned and available extents."""

    __slots__ = ()
    LAYOUT = _CONVERT + " bitmap_available:I page_flags:I"


class _NewPage(NamedTuple):
    procid: int
    dbid: int
    pgno: int
    objid: int
    dbtime_after: int


@wire
class NewPage(Record, _NewPage):
    """A page is given to a tree; it is blank until a later record fills it."""

    __slots__ = ()
    LAYOUT = "procid:H dbid:B pgno:I objid:I dbtime_after:q"
