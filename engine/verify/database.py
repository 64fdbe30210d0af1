"""Verify a database file: both headers, every page up to the end of the file, the trailer of a backup copy.

    header | shadow | page 1 | ... | last owned page | ... | end of the file [ | trailer ]

Every page is checked, used or not; all-zero ones count as blank.  What lies behind the last owned page of a
clean database belongs to nobody: damage there is a warning.  (While a database is dirty its space trees on disk may
be behind, so then every page counts.)  A page that fails is read once more, since a running instance may have
been writing it.  Pages that cannot be read are findings too, one by one.  With a flush map that is to be believed,
pages whose last write was lost are found as well.

Source: jet-api reference 6.5, R29; database reference 1.1, 1.7, 2.3, 4.3, 8.3.
"""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from engine.errors import Err, EseError
from engine.findings import Finding, UnitKind
from engine.flush_map import FlushMap, page_marks
from engine.format.checksum import correct_page, verify_batch
from engine.format.dbheader import (
    HEADER_PROBE_SIZE,
    DatabaseHeader,
    DbState,
    HeaderProblem,
    HeaderSource,
)
from engine.format.page import HEADER_PAGES, page_number, page_offset, pages_in_file
from engine.format.patch import PatchHeader
from engine.info import read_database_file
from engine.log.paths import name_of
from engine.monitor import Cell
from engine.page_reading import judge_page
from engine.space import owned_pages
from engine.verify.batches import BATCH_SIZE, Task, read_batches
from engine.verify.lost_writes import LostWrites

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import File, FileSystem
    from engine.flush_map import PageMarks
    from engine.format.checksum import BadUnit
    from engine.format.checksum_batch import PageBatchResult
    from engine.verify.batches import Batch
    from engine.verify.report import Sheet
    from engine.verify.watch import Watch

_CHECKSUM_CODES: Final = frozenset({Err.ReadVerifyFailure, Err.ReadPgnoVerifyFailure, Err.PageNotInitialized})
_LATER_READS: Final = 2
"""How often a page that fails is read again before it counts as bad."""


@dataclasses.dataclass(slots=True)
class _Shape:
    """What is known about the file before its pages are looked at."""

    page_size: int
    header: DatabaseHeader | None
    pages: int
    """Pages to check: those the file has room for, without a trailer."""
    last_owned: int | None = None
    """Last page of the database, where that can be said."""


def verify_database(
    file: File,
    sheet: Sheet,
    watch: Watch,
    *,
    page_size: int | None = None,
    correct: bool = False,
    tap: Callable[[memoryview], None] | None = None,
    fs: FileSystem | None = None,
) -> DatabaseHeader | None:
    """Fill `sheet` with what is found in an open database file; return its header.

    `page_size` is needed only when both headers are lost; without it that is -1206.  With `correct` (the file
    must be writable) pages with single wrong bits are put right in place and made durable.  `tap` gets every byte
    of the file in order, before correction.  `fs` is where to look for the flush map; without it none is used.
    """
    shape = _look(file, sheet, page_size)
    sheet.units = shape.pages
    watch.monitor.begin_map(name_of(sheet.path), shape.pages)
    with ExitStack() as closing:
        flush_map = None if fs is None or shape.header is None else FlushMap.open(fs, sheet.path, shape.header)
        lost_writes = None
        if flush_map is not None:
            closing.enter_context(flush_map)
            lost_writes = LostWrites(flush_map, sheet, watch.monitor, shape.last_owned)
        sweep = _Sweep(file, sheet, watch, shape, lost_writes, correct=correct)
        task = Task(sweep.work, lambda looked: tap is not None or not looked.result.ok)
        for batch in closing.enter_context(read_batches(file, sheet.size, task)):
            if tap is not None and batch.error is None:
                tap(batch.data)
            sweep.batch(batch)
            watch.advance(batch.length)
        sweep.finish()
    return shape.header


def _look(file: File, sheet: Sheet, page_size: int | None) -> _Shape:
    """Read headers, trailer and owned pages, and report what is wrong with them."""
    try:
        info = read_database_file(file)
    except EseError as error:
        if page_size is None or error.code not in {Err.DatabaseCorrupted, Err.InvalidDatabaseVersion}:
            raise
        return _look_without_header(file, sheet, page_size, error)
    header = info.header
    page_size = header.page_size
    sheet.header = header_fields(header)
    for problem in info.read.problems:
        sheet.add(_header_finding(sheet.path, problem))
    if sheet.size % page_size:
        detail = f"{sheet.size} bytes are not a whole number of pages of {page_size}"
        sheet.add(_file_finding(sheet.path, detail, sheet.size // page_size * page_size))
    shape = _Shape(page_size, header, info.pages)
    if info.trailer_error is not None:
        _report_trailer(file, sheet, shape, info.trailer_error)
    _look_at_space(file, sheet, shape)
    return shape


def _look_without_header(file: File, sheet: Sheet, page_size: int, error: EseError) -> _Shape:
    for number, offset in enumerate((0, page_size), 1):
        detail = f"no usable header: {error.message}" if number == 1 else "the shadow header is no better"
        sheet.add(Finding(sheet.path, UnitKind.HEADER, number, offset, error.code, detail))
    pages = pages_in_file(sheet.size, page_size)
    if pages:
        try:
            PatchHeader.parse(file.read_at(page_offset(pages, page_size), page_size))
        except EseError:
            pass
        else:
            pages -= 1
    return _Shape(page_size, None, pages)


def _report_trailer(file: File, sheet: Sheet, shape: _Shape, error: EseError) -> None:
    """Report a missing or damaged trailer; the last page is a page of the database only if it is right as one."""
    pages, size = shape.pages, shape.page_size
    offset = page_offset(pages, size)
    last = judge_page(file, pages, size)
    if len(last.data) == size and (last.bad is not None or not any(last.data)):
        shape.pages -= 1
    stored, computed = error.stored or 0, error.computed or 0
    detail = f"trailer of the backup copy: {error.message}"
    sheet.add(Finding(sheet.path, UnitKind.TRAILER, pages, offset, error.code, detail, stored, computed))


def _look_at_space(file: File, sheet: Sheet, shape: _Shape) -> None:
    try:
        owned = owned_pages(file, shape.page_size)
    except EseError as error:
        # Wrong checksums are found again, with all others, when the pages are read.
        if error.code not in _CHECKSUM_CODES:
            pgno = error.page or 1
            offset = page_offset(pgno, shape.page_size)
            sheet.add(Finding(sheet.path, UnitKind.PAGE, pgno, offset, error.code, f"space tree: {error.message}"))
        return
    if owned.last > shape.pages:
        detail = f"the database owns {owned.last} pages, the file holds {shape.pages}"
        sheet.add(_file_finding(sheet.path, detail, sheet.size))
    if shape.header is not None and shape.header.clean:
        shape.last_owned = owned.last
        sheet.outside = max(0, shape.pages - owned.last)


class _Looked(NamedTuple):
    """What was found out about a batch by itself; `marks` only when there is a flush map to compare with."""

    result: PageBatchResult
    marks: PageMarks | None


class _Sweep:
    """The pages, batch by batch."""

    def __init__(
        self,
        file: File,
        sheet: Sheet,
        watch: Watch,
        shape: _Shape,
        lost_writes: LostWrites | None = None,
        *,
        correct: bool,
    ) -> None:
        self.file = file
        self.sheet = sheet
        self.monitor = watch.monitor
        self.shape = shape
        self.correct = correct
        self.lost_writes = lost_writes
        self.size = shape.page_size
        self.temporary = shape.header is not None and _is_temporary(shape.header)
        self.seen = 0
        self.written = False

    def part(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Return the pages of a batch and the first one's number: no headers, no trailer, no incomplete page."""
        first = page_number(offset, self.size)
        skip = max(0, 1 - first)
        count = min(len(data) // self.size - skip, self.shape.pages - first - skip + 1)
        return first + skip, data[skip * self.size : (skip + max(0, count)) * self.size]

    def work(self, offset: int, data: memoryview) -> _Looked:
        """Compute the checksums of one batch; changes nothing, so any thread may do it."""
        first, view = self.part(offset, data)
        return self.look(data[:0] if self.temporary else view, first)

    def look(self, view: memoryview, first: int) -> _Looked:
        """Compute the checksums of the pages from `first` on, and gather what the flush map is compared with."""
        result = verify_batch(view, first, self.size)
        return _Looked(result, None if self.lost_writes is None else page_marks(view, self.size, result))

    def batch(self, batch: Batch[_Looked]) -> None:
        """Take the result of one batch, or look at its pages one by one when it could not be read."""
        first, view = self.part(batch.offset, batch.data)
        if batch.result is not None:
            self.take(batch.result, view)
        elif not self.temporary:
            for index in range(len(view) // self.size):
                self.single(view[index * self.size : (index + 1) * self.size], first + index)

    def single(self, view: memoryview, pgno: int) -> None:
        """Read and check one page of a batch that could not be read as a whole."""
        try:
            count = self.file.read_into_at(page_offset(pgno, self.size), view)
        except EseError as error:
            self.seen = pgno
            self.monitor.pages_bad += 1
            self.monitor.mark_pages(pgno, 1, Cell.BAD)
            offset = page_offset(pgno, self.size)
            detail = f"the page cannot be read: {error.message}"
            self.sheet.add(Finding(self.sheet.path, UnitKind.PAGE, pgno, offset, error.code, detail))
            return
        if count == self.size:
            self.take(self.look(view, pgno), view)

    def take(self, looked: _Looked, view: memoryview) -> None:
        """Count and report what was found in consecutive pages; `view` holds them if any of them is bad."""
        result = looked.result
        if not result.count:
            return
        first, blank = result.first_pgno, result.blank_count
        self.seen = first + result.count - 1
        self.sheet.checked += result.count - blank
        self.sheet.blank += blank
        self.monitor.pages_verified += result.count - blank
        self.monitor.pages_blank += blank
        self.mark(result)
        for bad in result.bad:
            at = (bad.number - first) * self.size
            self.bad(view[at : at + self.size], bad)
        if self.lost_writes is not None and looked.marks is not None:
            self.lost_writes.take(looked.marks, {bad.number for bad in result.bad}, self.size)

    def mark(self, result: PageBatchResult) -> None:
        """Put the batch on the page map, run by run."""
        edges = (np.flatnonzero(np.diff(result.blank)) + 1).tolist()
        for begin, end in zip([0, *edges], [*edges, result.count], strict=True):
            state = Cell.FREE if result.blank[begin] else Cell.VERIFIED
            self.monitor.mark_pages(result.first_pgno + begin, end - begin, state)

    def bad(self, view: memoryview, bad: BadUnit) -> None:
        """Judge one page that failed, reading it again first; report and perhaps correct it."""
        for _ in range(_LATER_READS):
            again = judge_page(self.file, bad.number, self.size)
            if len(again.data) < self.size or again.data == view:
                break
            view[:] = again.data
            if again.bad is None:
                return
            bad = again.bad
        corrected = bool(bad.bits) and self.correct
        if corrected:
            correct_page(view, bad.number)
            self.file.write_at(page_offset(bad.number, self.size), view)
            self.written = True
        outside = self.shape.last_owned is not None and bad.number > self.shape.last_owned
        if corrected:
            self.monitor.pages_corrected += 1
        elif not outside:
            self.monitor.pages_bad += 1
        state = Cell.CORRECTED if corrected else Cell.FREE if outside else Cell.BAD
        self.monitor.mark_pages(bad.number, 1, state)
        self.sheet.add(_page_finding(self.sheet.path, bad, self.size, corrected=corrected, outside=outside))

    def finish(self) -> None:
        """Make corrections durable and report pages that vanished while the file was read."""
        if self.lost_writes is not None:
            self.lost_writes.finish()
        if self.written:
            # Corrected pages must be on disk before the report says that they are.
            self.file.fsync()
        if self.temporary:
            self.sheet.note = "a temporary database: its pages carry no checksums"
        elif self.seen < self.shape.pages:
            detail = f"the file ended at page {self.seen} while it was read"
            self.sheet.add(_file_finding(self.sheet.path, detail, page_offset(self.seen + 1, self.size)))


def header_fields(header: DatabaseHeader) -> dict[str, object]:
    """Return the fields of a header by name, in file order, and the checksum."""
    fields = {each.name: getattr(header, each.name) for each in dataclasses.fields(header) if each.name != "raw"}
    return {"checksum": header.checksum, "page_size": header.page_size, **fields}


def _is_temporary(header: DatabaseHeader) -> bool:
    """Whether this is a temporary database, which is created anew at each start and never checksummed."""
    return header.state == DbState.JUST_CREATED and not header.shadowed and not header.dbid


def _header_finding(path: str, problem: HeaderProblem) -> Finding:
    number = 1 if problem.source is HeaderSource.PRIMARY else 2
    return Finding(
        path,
        UnitKind.HEADER,
        number,
        problem.offset,
        Err.DatabaseCorrupted,
        problem.detail,
        problem.stored,
        problem.computed,
        # Two whole copies that differ are what a crash between their writes leaves: the primary counts.
        warning=bool(problem.stored) and problem.stored == problem.computed,
    )


def _page_finding(path: str, bad: BadUnit, page_size: int, *, corrected: bool, outside: bool) -> Finding:
    if bad.code == Err.ReadPgnoVerifyFailure:
        detail = f"the page names itself page {bad.claimed}"
    elif bad.claimed is not None:
        detail = f"the checksum would be right for page {bad.claimed}"
    elif bad.bits:
        detail = f"wrong bits: {len(bad.bits)}" if len(bad.bits) > 1 else f"bit {bad.bits[0]} is wrong"
    else:
        detail = "the page's checksum is wrong"
    if outside:
        detail += "; behind the last page of the database"
    return Finding(
        path,
        UnitKind.PAGE,
        bad.number,
        page_offset(bad.number, page_size),
        bad.code,
        detail,
        bad.stored,
        bad.computed,
        bad.bits,
        bad.claimed,
        warning=outside,
        corrected=corrected,
    )


def _file_finding(path: str, detail: str, offset: int) -> Finding:
    return Finding(path, UnitKind.FILE, 0, offset, Err.DatabaseCorrupted, detail)


assert BATCH_SIZE % HEADER_PROBE_SIZE == 0  # noqa: S101 - batches begin at page boundaries, whatever the page size
assert BATCH_SIZE > HEADER_PAGES  # noqa: S101
