"""What redo needs of the pages of one database, and the dbtime rule.

    dbtime of the page      action
    == before               apply
    >= after                already there: skip
    < before                -566, an earlier write was lost (or the page is to vanish later: the store decides)
    between                 -567

Source: log reference 3.1, 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.errors import Err, EseError

if TYPE_CHECKING:
    from engine.pages.mutable import MutablePage


class PageStore(Protocol):
    """The pages of one database, decoded for change."""

    @property
    def page_size(self) -> int:
        """Bytes a page."""

    @property
    def path(self) -> str:
        """Path of the database, for errors."""

    def load(self, pgno: int) -> MutablePage:
        """Return the page for change; -1018 and its family, -1019 blank, -4001 beyond the end of the file."""

    def peek(self, pgno: int) -> MutablePage | None:
        """Return the page if it can be read, None when it is blank, damaged or beyond the end of the file."""

    def put(self, page: MutablePage) -> None:
        """Take a page that was built anew, in place of whatever was there."""

    def changed(self, page: MutablePage) -> None:
        """Note that a loaded page was changed."""

    def mismatch(self, pgno: int, error: EseError) -> None:
        """Judge a page that does not fit its record: return to skip it for now, or raise `error`."""


def due(store: PageStore, pgno: int, before: int, after: int) -> MutablePage | None:
    """Return the page when the record that takes it from dbtime `before` to `after` is to be applied."""
    try:
        page = store.load(pgno)
    except EseError as error:
        if error.code not in {Err.PageNotInitialized, Err.FileIOBeyondEOF}:
            raise
        store.mismatch(pgno, error)
        return None
    if page.dbtime >= after:
        return None
    if page.dbtime != before:
        store.mismatch(pgno, _mismatch(page, before, after))
        return None
    return page


def _mismatch(page: MutablePage, before: int, after: int) -> EseError:
    code = Err.DbTimeTooOld if page.dbtime < before else Err.DbTimeTooNew
    return page.error(code, f"the page has dbtime {page.dbtime}, its record expects {before} and makes it {after}")


def rebuilt(store: PageStore, pgno: int, after: int) -> bool:
    """Return whether a record that builds the whole page is to be applied: the page there is older or unreadable."""
    page = store.peek(pgno)
    return page is None or page.dbtime < after
