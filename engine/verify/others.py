"""Verify the small files: a log, a checkpoint, a flush map.

A log is judged segment by segment with the rules for the end of a log; behind a corruption the checksums of the
remaining segments are still looked at, so that every damaged one is listed.

Source: jet-api reference 6.5, R28; log reference 1.2, 1.5, 1.7, 5; database reference 8.1.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.findings import Finding, UnitKind
from engine.format.checkpoint import CHECKPOINT_COPY_SIZE, CHECKPOINT_FILE_SIZE, read_checkpoint
from engine.format.checksum import SEGMENT_SIZE, correct_segment, verify_batch, verify_segments
from engine.format.checksum_batch import SegmentState
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FlushMapHeader
from engine.format.logheader import LOG_HEADER_SIZE, LogHeader
from engine.log.scan import BATCH_SEGMENTS, FindingKind, LogScan, ScanFinding, scan_log
from engine.verify.batches import Task, read_batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.files.base import File
    from engine.format.checkpoint import Checkpoint
    from engine.format.checksum_batch import PageBatchResult
    from engine.verify.report import Sheet
    from engine.verify.watch import Watch

_WORDS: Final = {
    FindingKind.CORRECTED: "one bit is wrong",
    FindingKind.TORN: "half written; its shadow holds what was meant",
    FindingKind.CORRUPT_AFTER_EMPTY: "damaged, behind the end of the log",
    FindingKind.BAD_POSITION: "the segment is of a later place or generation",
    FindingKind.VALID_AFTER_EMPTY: "a good segment behind an empty one",
    FindingKind.SEGMENT_CORRUPT: "the segment's checksum is wrong",
    FindingKind.FILE_CUT_OFF: "the file is shorter than its header says",
}


def verify_log(
    file: File,
    sheet: Sheet,
    watch: Watch,
    *,
    correct: bool = False,
    tap: Callable[[memoryview], None] | None = None,
) -> tuple[LogHeader, LogScan] | None:
    """Fill `sheet` with what is found in an open log; None when its header is damaged.

    With `correct` (the file must be writable) segments with one wrong bit are put right in place and made durable.
    """
    if tap is not None:
        with read_batches(file, sheet.size, Task(_nothing, _always)) as batches:
            for batch in batches:
                if batch.error is None:
                    tap(batch.data)
    sheet.units = max(0, sheet.size // SEGMENT_SIZE - 1)
    try:
        header = LogHeader.parse(file.read_at(0, LOG_HEADER_SIZE), path=sheet.path)
    except EseError as error:
        sheet.add(_header_finding(sheet.path, error))
        _sweep_segments(file, sheet, watch, 1)
        watch.advance(sheet.size)
        return None
    sheet.header = {each.name: getattr(header, each.name) for each in dataclasses.fields(header) if each.name != "raw"}
    if sheet.size > header.file_size or sheet.size % SEGMENT_SIZE:
        detail = f"the file has {sheet.size} bytes, its header says {header.file_size}"
        code = Err.LogFileSizeMismatch
        sheet.add(Finding(sheet.path, UnitKind.FILE, 0, min(sheet.size, header.file_size), code, detail))
    scan = scan_log(file.read_at, header, sheet.size)
    corrected = _correct(file, scan) if correct else frozenset()
    for each in scan.findings:
        sheet.add(_segment_finding(sheet.path, each, corrected=each.segment in corrected))
    looked_at = scan.corruption.segment if scan.corruption is not None else header.file_segments - 2
    sheet.checked = min(looked_at, sheet.units)
    sheet.blank = max(0, min(header.file_segments - 2, sheet.units) - scan.last_valid_segment) if scan.ok else 0
    watch.monitor.segments_verified += sheet.checked
    if scan.corruption is not None:
        _sweep_segments(file, sheet, watch, scan.corruption.segment + 1, header.file_segments - 1)
    watch.advance(sheet.size)
    return header, scan


def verify_checkpoint(file: File, sheet: Sheet, watch: Watch) -> Checkpoint | None:
    """Fill `sheet` with what is found in an open checkpoint file; None when both copies are damaged."""
    sheet.units = sheet.checked = 2
    data = file.read_at(0, CHECKPOINT_FILE_SIZE)
    watch.advance(sheet.size)
    try:
        read = read_checkpoint(data, path=sheet.path)
    except EseError as error:
        for number in (1, 2):
            sheet.add(_copy_finding(sheet.path, number, error))
        return None
    checkpoint = read.checkpoint
    sheet.header = {
        each.name: getattr(checkpoint, each.name) for each in dataclasses.fields(checkpoint) if each.name != "raw"
    }
    for problem in read.problems:
        sheet.add(_copy_finding(sheet.path, 3 - read.copy, problem))
    if read.copies_differ:
        detail = "the copies differ: the writer stopped between them"
        place = CHECKPOINT_COPY_SIZE
        sheet.add(Finding(sheet.path, UnitKind.HEADER, 2, place, Err.CheckpointCorrupt, detail, warning=True))
    return checkpoint


def verify_flush_map(file: File, sheet: Sheet, watch: Watch) -> FlushMapHeader | None:
    """Fill `sheet` with what is found in an open flush map; None when its header is damaged.

    Damage of a map costs nothing but the map: the engine deletes and rebuilds it.
    """
    header = _flush_map_header(sheet, file.read_at(0, FLUSH_MAP_PAGE_SIZE))
    with read_batches(file, sheet.size, Task(_map_pages, _never)) as batches:
        for batch in batches:
            if batch.error is not None:
                raise batch.error
            if batch.result is not None:
                _take_map_pages(sheet, batch.result)
            watch.advance(batch.length)
    return header


def _map_pages(offset: int, data: memoryview) -> PageBatchResult:
    """Check the pages of a batch of a flush map, which count from 0 behind the header."""
    first = offset // FLUSH_MAP_PAGE_SIZE - 1
    whole = len(data) // FLUSH_MAP_PAGE_SIZE * FLUSH_MAP_PAGE_SIZE
    start = 0 if offset else FLUSH_MAP_PAGE_SIZE
    return verify_batch(data[start:whole], max(first, 0), FLUSH_MAP_PAGE_SIZE)


def _take_map_pages(sheet: Sheet, result: PageBatchResult) -> None:
    sheet.units += result.count
    sheet.blank += result.blank_count
    sheet.checked += result.count - result.blank_count
    for bad in result.bad:
        place = (bad.number + 1) * FLUSH_MAP_PAGE_SIZE
        detail = "the map page's checksum is wrong"
        numbers = (bad.stored, bad.computed, bad.bits)
        sheet.add(Finding(sheet.path, UnitKind.MAP_PAGE, bad.number, place, bad.code, detail, *numbers))


def _nothing(_offset: int, _data: memoryview) -> None:
    """Only have the file read."""


def _always(_result: object) -> bool:
    return True


def _never(_result: object) -> bool:
    return False


def _flush_map_header(sheet: Sheet, page: bytes) -> FlushMapHeader | None:
    try:
        header = FlushMapHeader.parse(page, path=sheet.path)
    except EseError as error:
        sheet.add(_copy_finding(sheet.path, 1, error))
        return None
    sheet.header = {each.name: getattr(header, each.name) for each in dataclasses.fields(header) if each.name != "raw"}
    return header


def _sweep_segments(file: File, sheet: Sheet, watch: Watch, first: int, end: int | None = None) -> None:
    """Report every segment from `first` on whose checksum fits nothing."""
    last = sheet.size // SEGMENT_SIZE - 1 if end is None else min(end, sheet.size // SEGMENT_SIZE) - 1
    while first <= last:
        count = min(BATCH_SEGMENTS, last - first + 1)
        data = file.read_at(first * SEGMENT_SIZE, count * SEGMENT_SIZE)
        whole = len(data) // SEGMENT_SIZE
        if not whole:
            return
        result = verify_segments(memoryview(data)[: whole * SEGMENT_SIZE], first)
        sheet.checked += whole
        sheet.blank += result.states.count(SegmentState.BLANK)
        watch.monitor.segments_verified += whole
        for bad in result.bad:
            kind = FindingKind.CORRECTED if bad.correctable else FindingKind.SEGMENT_CORRUPT
            finding = ScanFinding(kind, bad.number, bad.number * SEGMENT_SIZE, bad.stored, bad.computed, bad.bit)
            sheet.add(_segment_finding(sheet.path, finding))
        first += count


def _correct(file: File, scan: LogScan) -> frozenset[int]:
    """Write the segments back that had one wrong bit; return which."""
    done = set()
    for each in scan.findings:
        if each.kind is not FindingKind.CORRECTED:
            continue
        block = bytearray(file.read_at(each.offset, SEGMENT_SIZE))
        # A shadow copy carries the number of the segment before it.
        if len(block) == SEGMENT_SIZE and (
            correct_segment(block, each.segment) or correct_segment(block, each.segment - 1)
        ):
            file.write_at(each.offset, block)
            done.add(each.segment)
    if done:
        # Corrected segments must be on disk before the report says that they are.
        file.fsync()
    return frozenset(done)


def _segment_finding(path: str, found: ScanFinding, *, corrected: bool = False) -> Finding:
    return Finding(
        path,
        UnitKind.FILE if found.kind is FindingKind.FILE_CUT_OFF else UnitKind.SEGMENT,
        found.segment,
        found.offset,
        Err.LogFileCorrupt,
        _WORDS[found.kind],
        found.stored,
        found.computed,
        () if found.bit is None else (found.bit,),
        # The shadow makes good for a half-written last segment; that is what it is there for.
        warning=found.kind is FindingKind.TORN,
        corrected=corrected,
    )


def _header_finding(path: str, error: EseError) -> Finding:
    stored, computed = error.stored or 0, error.computed or 0
    return Finding(path, UnitKind.HEADER, 1, 0, error.code, error.message, stored, computed)


def _copy_finding(path: str, number: int, error: EseError) -> Finding:
    place = (number - 1) * CHECKPOINT_COPY_SIZE
    stored, computed = error.stored or 0, error.computed or 0
    return Finding(path, UnitKind.HEADER, number, place, error.code, error.message, stored, computed)
