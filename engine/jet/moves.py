"""Going places in a table: moves, searches, ranges, bookmarks, counts.

A search without a hit leaves the table without a current row: where the row would be, after a search for one key, so
that a move leads to its neighbours; else at the end that the search ran to.
Source: jet-api reference 3.4, 4.1.
"""

# ruff: noqa: N802, N803 - names of the C interface
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError, Wrn
from engine.jet.keys import made_key
from engine.jet.opened import OpenTable, Range, allowed, level_of, returns_error, returns_pair, table
from engine.table.seeking import Seek

if TYPE_CHECKING:
    from engine.store.cursor import Cursor

JET_MoveFirst: Final = -0x80000000
JET_MovePrevious: Final = -1
JET_MoveNext: Final = 1
JET_MoveLast: Final = 0x7FFFFFFF
_KEY_NE: Final = 1

_MATCHES: Final = {0x1: Seek.EQ, 0x2: Seek.LT, 0x4: Seek.LE, 0x8: Seek.GE, 0x10: Seek.GT}
_SET_RANGE: Final = 0x20
_CHECK_UNIQUENESS: Final = 0x40

_INCLUSIVE: Final = 0x1
_UPPER: Final = 0x2
_INSTANT: Final = 0x4
_REMOVE: Final = 0x8


@returns_error
def JetMove(sesid: int, tableid: int, cRow: int, grbit: int = 0) -> int:
    """Move by `cRow` entries, or to JET_MoveFirst or JET_MoveLast; with bit 1 to the next or previous other key.

    -1603 when there is none; then the table has no current row.  First and last end a range.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _KEY_NE)
    cursor = opened.moving(level_of(sesid))
    if cRow in (JET_MoveFirst, JET_MoveLast):
        opened.range = None
        found = cursor.first() if cRow == JET_MoveFirst else cursor.last()
    elif not cRow:
        _ = cursor.key
        return 0
    else:
        step = 1 if cRow > 0 else -1
        found = all(_step(opened, step, other_key=bool(options & _KEY_NE)) for _ in range(abs(cRow)))
    if not found:
        raise EseError.from_code(Err.NoCurrentRecord, f"{cursor!r}")
    return 0


def _step(opened: OpenTable, step: int, *, other_key: bool) -> bool:
    cursor, limit = opened.cursor, opened.range
    before = cursor.place if other_key else None
    while cursor.move(step):
        if limit is not None and limit.upper == (step > 0) and not limit.holds(cursor.key):
            cursor.leave(behind=step > 0)
            return False
        if before is None or cursor.key != before:
            return True
    return False


@returns_error
def JetSeek(sesid: int, tableid: int, grbit: int) -> int:
    """Search with the key that was made, which is used up: 0, or 1039 when GE or LE found a neighbour; -1601, -1608.

    Bits: EQ 1, LT 2, LE 4, GE 8, GT 10; with EQ bit 0x20 limits the range to the key, and bit 0x40 says by 345 that
    no other entry has it, in which case there is no range either.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, sum(_MATCHES) | _SET_RANGE | _CHECK_UNIQUENESS)
    match = _MATCHES.get(options & sum(_MATCHES))
    if match is None:
        raise EseError.from_code(Err.InvalidParameter, f"search {options:#x}")
    key = made_key(opened)
    cursor = opened.moving(level_of(sesid))
    opened.range = None
    opened.use_key()
    if not cursor.seek_key(key, match):
        raise EseError.from_code(Err.RecordNotFound, f"{cursor!r}")
    if match is Seek.EQ:
        if options & _CHECK_UNIQUENESS and _is_alone(cursor):
            return Wrn.UniqueKey
        if options & _SET_RANGE:
            opened.range = Range(key, upper=True, inclusive=True)
        return 0
    return Wrn.SeekNotEqual if match in (Seek.GE, Seek.LE) and cursor.place != key else 0


def _is_alone(cursor: Cursor) -> bool:
    """Say whether the entry at hand, the first with its key, is the only one."""
    key, bookmark = cursor.key, cursor.bookmark
    alone = not cursor.move(1) or cursor.key != key
    cursor.goto_entry(key, bookmark)
    return alone


@returns_error
def JetSetIndexRange(sesid: int, tableid: int, grbit: int) -> int:
    """Let moves end at the key that was made, which is used up by it.

    Bits: 1 the key belongs to the range, 2 it is the upper end, 4 only look whether the range is empty, 8 end the
    range.  -1603 when the current row is not in the range, -1608 without a key, -1515 for rows without an order, -1906
    when there is none to end.
    """
    opened = table(sesid, tableid)
    options = allowed(grbit, _INCLUSIVE | _UPPER | _INSTANT | _REMOVE)
    if options & _REMOVE:
        if opened.range is None:
            raise EseError.from_code(Err.InvalidOperation, "no range is set")
        opened.range = None
        return 0
    cursor = opened.cursor
    if cursor.index is None:
        raise EseError.from_code(Err.NoCurrentIndex, opened.table.name)
    limit = Range(made_key(opened), upper=bool(options & _UPPER), inclusive=bool(options & _INCLUSIVE))
    current = cursor.place
    opened.use_key()
    if current is None or not limit.holds(current):
        cursor.leave(behind=limit.upper)
        opened.range = None
        raise EseError.from_code(Err.NoCurrentRecord, "the range is empty")
    opened.range = None if options & _INSTANT else limit
    return 0


@returns_pair(b"")
def JetGetBookmark(sesid: int, tableid: int) -> tuple[int, bytes]:
    """Return (error, bookmark of the current row); -1603."""
    return 0, table(sesid, tableid).cursor.bookmark


@returns_error
def JetGotoBookmark(sesid: int, tableid: int, pvBookmark: bytes) -> int:
    """Go to the row of a bookmark; -1017 when it is gone, -1603 when the index has no entry of it, -1045 for none."""
    opened = table(sesid, tableid)
    bookmark = bytes(pvBookmark or b"")
    if not bookmark:
        raise EseError.from_code(Err.InvalidBookmark, "an empty bookmark")
    opened.moving(level_of(sesid))
    opened.range = None
    opened.use_key()
    goto(opened, bookmark)
    return 0


def goto(opened: OpenTable, bookmark: bytes) -> None:
    """Go to the row of a bookmark; -1017 and -1603 as JetGotoBookmark."""
    if not opened.cursor.goto(bookmark):
        code = Err.NoCurrentRecord if bookmark in opened.table else Err.RecordDeleted
        raise EseError.from_code(code, f"{opened.cursor!r}")


@returns_pair(0)
def JetIndexRecordCount(sesid: int, tableid: int, crecMax: int = 0) -> tuple[int, int]:
    """Count the entries from the current one to the end of the range, at most `crecMax` (0: no limit).

    Returns (error, count); the current row stays where it is, and the range is ended.  -1603.
    """
    opened = table(sesid, tableid)
    cursor = opened.cursor
    key, bookmark = cursor.key, cursor.bookmark
    count = 1
    while (not crecMax or count < crecMax) and _step(opened, 1, other_key=False):
        count += 1
    opened.range = None
    cursor.goto_entry(key, bookmark)
    return 0, count
