"""A page of a repair: what lies in the file beside what the log makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format.checksum import verify_page
from engine.format.node import NodeFlags
from engine.format.page import Page, PageFlags, page_offset
from engine.pages.mutable import MutablePage

if TYPE_CHECKING:
    from engine.format.record import RecordLayout

_VOLATILE: Final = int(PageFlags.FLUSH_TYPE | PageFlags.SCRUBBED)
_NOT_VERSION: Final = ~int(NodeFlags.VERSION)


class PageState(Enum):
    """What is the matter with a page as it lies in the file."""

    DAMAGED = "checksum wrong"
    CORRECTABLE = "checksum wrong by a single bit"
    OLDER = "older than the log has it: a write was lost"
    OTHER_CONTENT = "other content than the log gives it"
    WHOLE = "as the log has it"

    @property
    def needs_repair(self) -> bool:
        """Whether it is to be written."""
        return self is not PageState.WHOLE


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """A page: what lies in the file, what the replay made of it, and in which tree (object id 0: a blank page).

    `from_log` tells whether the log has changed it since the copy; `in_use` whether a tree leads to it.
    """

    pgno: int
    state: PageState
    stored: bytes
    rebuilt: bytes
    dbtime: int
    objid: int
    table: str = ""
    tree: str = ""
    from_log: bool = False
    in_use: bool = False
    error: EseError | None = None
    """What reading the page raises now."""


def state_of(stored: bytes, rebuilt: bytes, pgno: int, path: str) -> tuple[PageState, EseError | None]:
    """Return what is the matter with a stored page, and what reading it raises; -567 when it is newer."""
    bad = verify_page(stored, pgno)
    if bad is not None:
        error = EseError.from_code(
            bad.code,
            path=path,
            page=pgno,
            offset=page_offset(pgno, len(stored)) + bad.offset,
            stored=bad.stored,
            computed=bad.computed,
        )
        return PageState.CORRECTABLE if bad.correctable else PageState.DAMAGED, error
    if stored == rebuilt:
        return PageState.WHOLE, None
    ours, logged = Page(stored, pgno).header.dbtime, Page(rebuilt, pgno).header.dbtime
    if ours > logged:
        raise EseError.from_code(
            Err.DbTimeTooNew, f"its dbtime is {ours}, the logs end for it at {logged}", path=path, page=pgno
        )
    if ours < logged:
        return PageState.OLDER, None
    return (PageState.WHOLE if alike(stored, rebuilt, pgno) else PageState.OTHER_CONTENT), None


def alike(one: bytes, two: bytes, pgno: int, layout: RecordLayout | None = None) -> bool:
    """Whether two pages say the same: order of blobs, write counter and version marks left aside.

    With the `layout` of a table whose records they hold, the bytes of null columns count for nothing: the log does not
    carry them, and engines leave there what was in memory.
    """
    try:
        pages = [MutablePage.decode(each, pgno) for each in (one, two)]
        said = [
            (
                each.objid,
                each.prev,
                each.next,
                each.flags & ~_VOLATILE,
                each.external,
                [
                    (flags & _NOT_VERSION, key, data if layout is None else layout.decode(data))
                    for flags, key, data in each.full()
                ],
            )
            for each in pages
        ]
    except EseError:
        return False
    return said[0] == said[1]
