"""A change that can be taken back: where its node is now, and the records that its undoing logs.

Recovery makes versions of the records it replays, live work of the records it has just applied; both take them
back with what is here.
Source: log reference 2.6, 4.1, 4.2, 6.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.errors import Err
from engine.format import lr
from engine.format.lr import DBTIME_NIL, NodeFlags, Oper
from engine.redo.node_ops import UndoData

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage
    from engine.redo.store import PageStore

UNDONE: Final = frozenset((Oper.INSERT, Oper.REPLACE, Oper.FLAG_DELETE, Oper.DELTA, Oper.DELTA64))
"""Operations whose undoing changes a page and is logged."""
NEED_IMAGE: Final = frozenset((Oper.REPLACE, Oper.FLAG_DELETE))
"""Operations whose record does not say what was there before."""
_DEEPEST: Final = 32


class Change:
    """One change of one node that can be taken back.

    `key` and `data` are the bookmark (data only for trees that are not unique).  `before` is the data that a
    replace had found; `delta` was added at byte `offset`.
    """

    __slots__ = ()

    rceid: int
    oper: int
    key: bytes
    data: bytes
    level: int
    before: bytes | None
    delta: int
    offset: int

    if TYPE_CHECKING:

        @property
        def procid(self) -> int: ...  # noqa: D102
        @property
        def dbid(self) -> int: ...  # noqa: D102
        @property
        def pgno_fdp(self) -> int: ...  # noqa: D102
        @property
        def objid_fdp(self) -> int: ...  # noqa: D102
        @property
        def unique(self) -> bool: ...  # noqa: D102
        @property
        def flags(self) -> int: ...  # noqa: D102
        @property
        def trx_begin0(self) -> int: ...  # noqa: D102

    def undo_data(self) -> UndoData:
        """Return what the undoing of the change needs beyond its record."""
        return UndoData(self.before, self.delta, self.offset)

    def undo_record(self, page: MutablePage, line: int, dbtime: int) -> lr.Undo:
        """Return the record that takes the change back, of the node that is line `line` of `page` now."""
        return lr.Undo(
            self.procid,
            self.dbid,
            page.pgno,
            dbtime,
            page.dbtime,
            self.trx_begin0,
            self.level,
            line,
            self.flags & ~NodeFlags.VERSIONED,
            self.rceid,
            self.pgno_fdp,
            self.objid_fdp,
            self.oper,
            self.level,
            self.key,
            self.data,
        )

    def image_record(self, pgno: int, cb_present: int) -> lr.UndoInfo:
        """Return the record that brings the before-image into the log.

        `pgno` is the page that is to be written; the record names no line.  `cb_present` is the length of the
        data after the change; it counts for replaces only.
        """
        before = b""
        if self.oper == Oper.REPLACE:
            before = self.before or b""
        else:
            cb_present = 0
        return lr.UndoInfo(
            self.procid,
            self.dbid,
            pgno,
            DBTIME_NIL,
            DBTIME_NIL,
            self.trx_begin0,
            self.level,
            0,
            self.flags & ~NodeFlags.VERSIONED,
            self.rceid,
            self.pgno_fdp,
            self.objid_fdp,
            self.oper,
            max(len(before), cb_present),
            cb_present - len(before),
            self.key,
            self.data,
            before,
        )


@dataclass(slots=True)
class Version(Change):
    """A change that a record of the log tells of.

    `image_due`: the before-image is not in the log yet and has to be logged before the page `pgno` of the change is
    written.
    """

    procid: int
    rceid: int
    oper: int
    dbid: int
    pgno_fdp: int
    objid_fdp: int
    unique: bool
    key: bytes
    data: bytes
    level: int
    flags: int
    trx_begin0: int
    before: bytes | None = None
    delta: int = 0
    offset: int = 0
    image_due: bool = False
    pgno: int = 0


def locate(store: PageStore, version: Change) -> tuple[MutablePage, int]:
    """Return the leaf page and line where the version's node is now; -1917 when it is nowhere."""
    wanted = version.key if version.unique else version.key + version.data
    page = store.load(version.pgno_fdp)
    for _ in range(_DEEPEST):
        if page.is_leaf:
            break
        page = store.load(int.from_bytes(page.data(_child_line(page, wanted)), "little"))
    line = _search(page, version)
    if line is None:
        raise page.error(Err.RollbackError, f"the node of version {version.rceid} is not where it belongs")
    return page, line


def _child_line(page: MutablePage, wanted: bytes) -> int:
    """Return the first line whose separator is above `wanted`; the empty key is above everything."""
    low, high = 0, page.line_count - 1
    while low < high:
        middle = (low + high) // 2
        key = page.key(middle)
        if key and key <= wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _search(page: MutablePage, version: Change) -> int | None:
    """Return the line of the version's bookmark on a leaf."""
    low, high = 0, page.line_count
    mark = (version.key, version.data) if not version.unique else (version.key,)
    while low < high:
        middle = (low + high) // 2
        if _bookmark(page, middle, version) < mark:
            low = middle + 1
        else:
            high = middle
    return low if low < page.line_count and _bookmark(page, low, version) == mark else None


def _bookmark(page: MutablePage, line: int, version: Change) -> tuple[bytes, ...]:
    return (page.key(line),) if version.unique else (page.key(line), page.data(line))
