"""Records of transactions and macros.

A session logs its begin record only before its first logged change; a begin or a commit may open or close
several levels at once.  Source: log reference 2.3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from engine.format.lr.codec import WRAPPER, Record, wire

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Begin(NamedTuple):
    procid: int
    levels: int


@wire
class Begin(Record, _Begin):
    """Begin from a level above 0; `levels`: low half the level before, high half the number of levels begun."""

    __slots__ = ()
    LAYOUT = "procid:H levels:B"

    @property
    def level_from(self) -> int:
        """The level the session was at."""
        return self.levels & 0xF

    @property
    def begun(self) -> int:
        """The number of levels begun."""
        return self.levels >> 4


class _Begin0(NamedTuple):
    procid: int
    levels: int
    trx_begin0: int


@wire
class Begin0(Record, _Begin0):
    """Begin from level 0, with the transaction's id; `levels` as in Begin."""

    __slots__ = ()
    LAYOUT = "procid:H levels:B trx_begin0:I"

    @property
    def begun(self) -> int:
        """The number of levels begun."""
        return self.levels >> 4


@wire
class BeginDT(Record, _Begin0):
    """Begin of a distributed transaction of old."""

    __slots__ = ()
    LAYOUT = "procid:H levels:B trx_begin0:I"


class _Refresh(NamedTuple):
    procid: int
    trx_begin0: int


@wire
class Refresh(Record, _Refresh):
    """The transaction, which changed nothing, starts again in place with a new id."""

    __slots__ = ()
    LAYOUT = "procid:H trx_begin0:I"


class _Commit(NamedTuple):
    procid: int
    level_to: int


@wire
class Commit(Record, _Commit):
    """Commit down to a level of 1 or more."""

    __slots__ = ()
    LAYOUT = "procid:H level_to:B"


class _Commit0(NamedTuple):
    procid: int
    level_to: int
    trx_commit0: int


@wire
class Commit0(Record, _Commit0):
    """Commit of the outermost level: all changes are permanent."""

    __slots__ = ()
    LAYOUT = "procid:H level_to:B trx_commit0:I"


class _Rollback(NamedTuple):
    procid: int
    levels: int


@wire
class Rollback(Record, _Rollback):
    """Roll back this many levels; their Undo records precede it."""

    __slots__ = ()
    LAYOUT = "procid:H levels:B"


class _PrepCommit(NamedTuple):
    procid: int
    data: bytes


@wire
class PrepCommit(Record, _PrepCommit):
    """First phase of an old distributed commit; ignored."""

    __slots__ = ()
    LAYOUT = "procid:H len(data):I"
    TAIL = "data"


class _PrepRollback(NamedTuple):
    procid: int


@wire
class PrepRollback(Record, _PrepRollback):
    """First phase of an old distributed rollback; ignored."""

    __slots__ = ()
    LAYOUT = "procid:H"


class _CommitCtx(NamedTuple):
    procid: int
    flags: int
    data: bytes


@wire
class CommitCtx(Record, _CommitCtx):
    """Application data attached to a commit.

    `flags`: 1 call back on redo, 2 customer data, 4 logged before the commit.  Streams older than 8.4000.5.2
    (8.4000.4.8) have no flags: there the first byte of the data stands in their place.
    """

    __slots__ = ()
    LAYOUT = WRAPPER + "procid:H flags:B"
    TAIL = "data"


class _Macro(NamedTuple):
    procid: int
    dbtime: int


@wire
class MacroBegin(Record, _Macro):
    """Start of a change of several pages that is done whole or not at all; (procid, dbtime) names it."""

    __slots__ = ()
    LAYOUT = "procid:H dbtime:q"


@wire
class MacroCommit(Record, _Macro):
    """All records of the macro take effect."""

    __slots__ = ()
    LAYOUT = "procid:H dbtime:q"


@wire
class MacroAbort(Record, _Macro):
    """The records of the macro are dropped."""

    __slots__ = ()
    LAYOUT = "procid:H dbtime:q"


class _MacroInfo(NamedTuple):
    pages: bytes


@wire
class MacroInfo(Record, _MacroInfo):
    """The pages that a macro touches, as u32 numbers in `pages`; in the log right behind its MacroCommit."""

    __slots__ = ()
    LAYOUT = WRAPPER
    TAIL = "pages"

    @property
    def pgnos(self) -> tuple[int, ...]:
        """The page numbers."""
        return _numbers(self.pages)

    @classmethod
    def create(cls, pgnos: Iterable[int]) -> MacroInfo:
        """Make the record."""
        return cls(_packed(pgnos))


class _MacroInfo2(NamedTuple):
    dbid: int
    page_count: int
    pages: bytes


@wire
class MacroInfo2(Record, _MacroInfo2):
    """As MacroInfo, with the database; `page_count` page numbers in `pages`."""

    __slots__ = ()
    LAYOUT = WRAPPER + "dbid:B page_count:I"
    TAIL = "pages"

    @property
    def pgnos(self) -> tuple[int, ...]:
        """The page numbers; no more than are there."""
        return _numbers(self.pages)[: self.page_count]

    @classmethod
    def create(cls, dbid: int, pgnos: Iterable[int]) -> MacroInfo2:
        """Make the record."""
        pages = _packed(pgnos)
        return cls(dbid, len(pages) // 4, pages)


def _numbers(pages: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f"<{len(pages) // 4}I", pages)


def _packed(pgnos: Iterable[int]) -> bytes:
    numbers = tuple(pgnos)
    return struct.pack(f"<{len(numbers)}I", *numbers)
