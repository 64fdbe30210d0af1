"""One page read from a database file, and judged: the one place where that is done page by page.

    judge_page      the bytes, and what is wrong with them; for those that report damage
    read_verified   bytes that are right, one flipped bit put right in memory; for those that follow pointers

Whole batches are judged by `engine.format.checksum.verify_batch`.
Source: database reference 1.1, 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.errors import Err, EseError
from engine.format.checksum import correct_page, diagnose, verify_page
from engine.format.page import page_offset

if TYPE_CHECKING:
    from engine.format.checksum import BadUnit


class File(Protocol):
    """What is needed of a file: its path, its size in bytes, and reading."""

    @property
    def path(self) -> str:
        """Where it lies."""

    def size(self) -> int:
        """Return the size in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer only at the end."""

    def close(self) -> None:
        """Close it."""


class JudgedPage(NamedTuple):
    """A page as it was read, fewer bytes only at the end of the file, and what is wrong with a whole one."""

    data: bytes
    bad: BadUnit | None


def judge_page(file: File, pgno: int, page_size: int) -> JudgedPage:
    """Read page `pgno` (1 and up) and say what is wrong with it, to the bit."""
    data = file.read_at(page_offset(pgno, page_size), page_size)
    if len(data) < page_size or verify_page(data, pgno) is None:
        return JudgedPage(data, None)
    return JudgedPage(data, diagnose(data, pgno))


def read_verified(file: File, pgno: int, page_size: int, corrected: list[int] | None = None) -> bytes | bytearray:
    """Read one page and verify it.  The number of a corrected page is appended to `corrected`.

    -1018 or -1118 for its checksum, -1019 when it is blank, -4001 when it lies beyond the end, -327 for number 0.
    """
    if pgno < 1:
        raise EseError.from_code(Err.BadPageLink, f"page {pgno}", path=file.path, page=pgno)
    offset = page_offset(pgno, page_size)
    data: bytes | bytearray = file.read_at(offset, page_size)
    if len(data) < page_size:
        detail = "the page lies beyond the end of the file"
        raise EseError.from_code(Err.FileIOBeyondEOF, detail, path=file.path, page=pgno, offset=offset)
    bad = verify_page(data, pgno)
    if bad is not None:
        data = bytearray(data)
        if correct_page(data, pgno) is None:
            raise read_error(bad, file.path, page_size)
        if corrected is not None:
            corrected.append(pgno)
    if not any(data[:8]) and not any(data):
        detail = "the page was never written"
        raise EseError.from_code(Err.PageNotInitialized, detail, path=file.path, page=pgno, offset=offset)
    return data


def read_error(bad: BadUnit, path: str, page_size: int) -> EseError:
    """Return the error of a page whose checksum is wrong beyond repair."""
    detail = f"the page belongs to number {bad.claimed}" if bad.claimed else "the page's checksum is wrong"
    return EseError.from_code(
        bad.code,
        detail,
        path=path,
        page=bad.number,
        offset=page_offset(bad.number, page_size) + bad.offset,
        stored=bad.stored,
        computed=bad.computed,
    )
