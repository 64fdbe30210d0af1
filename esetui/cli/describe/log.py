"""One log file in words, and its records as lines.

Source: log reference 1.6, 1.9, 2.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import EseError
from engine.format.lr import UnknownRecord
from engine.format.lr.node import EmptyTree
from engine.format.names import NameKind, detect_names
from engine.log.reader import LogFile
from engine.log.scan import FindingKind
from esetui.cli.describe.fields import Row, Verdict, generation_text, json_fields, value_text
from esetui.cli.exit_codes import ExitCode
from esetui.cli.output import plain

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.format.lr import Record
    from engine.log.records import LogRecord
    from engine.log.scan import LogScan
    from engine.types import LgPos

_LONGEST_BYTES = 16
"""Bytes of a variable part that a line shows."""

_TEXTS = {"path_data": "path", "data": "text", "info": "text"}
"""Fields of bytes that some records also give as text, under another name."""


@dataclass(frozen=True, slots=True)
class LogContent:
    """What a scan of a whole log file found; `records` counts by type, `error` is why the counting stopped."""

    scan: LogScan
    records: Counter[str] = field(default_factory=Counter)
    last: LgPos | None = None
    ends_clean: bool = False
    error: EseError | None = None

    def fields(self) -> dict[str, Any]:
        """Return the content as JSON can carry it."""
        scan = self.scan
        return {
            "segments": scan.segments,
            "last_valid_segment": scan.last_valid_segment,
            "first_empty_segment": scan.first_empty_segment,
            "accumulated_checksum": f"0x{scan.accumulated_checksum:016X}",
            "torn": scan.torn,
            "ends_clean": self.ends_clean,
            "findings": [
                {"kind": each.kind.value, "segment": each.segment, "offset": each.offset, "bit": each.bit}
                for each in scan.findings
            ],
            "records": dict(self.records),
            "last_record": plain(self.last),
        }


def scan_log(fs: FileSystem, path: str) -> LogContent:
    """Read a log file to its end; damage is part of the result, only what cannot be opened raises."""
    with LogFile.open(fs, path) as log:
        scan = log.scan()
        records: Counter[str] = Counter()
        last = None
        try:
            for each in log.records(strict=False):
                records[type_name(each.record)] += 1
                last = each.pos
            ends_clean = log.quit_position() is not None
        except EseError as error:
            return LogContent(scan, records, last, error=error)
    return LogContent(scan, records, last, ends_clean)


def log_rows(content: LogContent) -> list[Row]:
    """Return what the scan found as rows."""
    scan = content.scan
    rows = [
        Row("valid segments", f"{scan.last_valid_segment} of {scan.segments - 2}"),
        Row("accumulated checksum", f"0x{scan.accumulated_checksum:016X}"),
        Row("last record", value_text("", content.last)),
        Row("records", str(content.records.total())),
    ]
    rows += [Row(f"  {name}", str(count)) for name, count in content.records.most_common()]
    rows += [Row(each.kind.value, f"segment {each.segment}, offset {each.offset:#x}") for each in scan.findings]
    return rows


def log_verdict(header: Any, content: LogContent, name: str) -> Verdict:
    """Say what a log file is worth: whole, torn, damaged, empty, or a recycled one that is not in use."""
    scan = content.scan
    first = f"Generation {generation_text(header.generation)}, created {header.created}."
    if is_temp_name(name):
        # Prepared ahead or recycled: what it holds belongs to an older file.
        return Verdict("not in use", (first, "By its name it is the next log in preparation, not part of the stream."))
    if not scan.ok and scan.corruption is not None:
        where = (
            f"{scan.corruption.kind.value} at segment {scan.corruption.segment}, offset {scan.corruption.offset:#x}."
        )
        return Verdict("damaged", (first, where), ExitCode.DAMAGE)
    if content.error is not None:
        return Verdict("damaged", (first, f"{content.error}."), ExitCode.DAMAGE)
    if scan.empty:
        return Verdict("empty", (first, "It holds no record."))
    corrected = sum(each.kind is FindingKind.CORRECTED for each in scan.findings)
    used = f"{scan.last_valid_segment} of {scan.segments - 2} segments are valid, {content.records.total()} records."
    end = "It is full." if scan.full else "It does not end with a shutdown."
    if content.ends_clean:
        end = "It ends with a clean shutdown."
    if corrected:
        note = f"{corrected} segment(s) have one wrong bit, which can be corrected."
        return Verdict("damaged, correctable", (first, used, note), ExitCode.DAMAGE)
    if scan.torn:
        return Verdict("torn", (first, used, "The last write was torn; its shadow serves."), ExitCode.WARNINGS)
    return Verdict("good", (first, used, end))


def is_temp_name(name: str) -> bool:
    """Whether a name is that of the next log in preparation."""
    kinds = {parsed.kind for names in detect_names([name]) if (parsed := names.parse(name)) is not None}
    return NameKind.TEMP in kinds


def type_name(record: Record) -> str:
    """Return the name of a record's type; unknown types by number."""
    return f"type {int(record.type)}" if isinstance(record, UnknownRecord) else record.type.name


def pages_of(record: Record) -> set[int]:
    """Return the pages that a record names (whatever their role in it)."""
    pages = {value for name, value in record.fields().items() if name.startswith("pgno") and isinstance(value, int)}
    pages.update(getattr(record, "pgnos", ()))
    if isinstance(record, EmptyTree):
        pages.update(each.pgno for each in record.empty_pages())
    return pages


def record_text(record: Record) -> str:
    """Return a record's fields on one line."""
    return " ".join(f"{name}={_value(name, value)}" for name, value in _readable(record).items())


def record_fields(each: LogRecord) -> dict[str, Any]:
    """Return a record with its place as JSON can carry it; variable parts are given whole, in hexadecimal."""
    record = each.record
    made = {
        name: json_fields(value) if name == "dbms_param" else plain(value) for name, value in _readable(record).items()
    }
    return {
        "pos": str(each.pos),
        "generation": each.pos.generation,
        "record": type_name(record),
        "number": int(record.type),
        "size": len(each.raw),
        "fields": made,
    }


def _readable(record: Record) -> dict[str, Any]:
    """Return the fields, with text in place of the bytes it is stored as."""
    made: dict[str, Any] = {}
    for name, value in record.fields().items():
        text = getattr(record, _TEXTS.get(name, ""), None) if isinstance(value, bytes) else None
        if isinstance(text, str):
            made[_TEXTS[name]] = text
        else:
            made[name] = value
    return made


def _value(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        short = value[:_LONGEST_BYTES].hex() or "-"
        return f"{short}...({len(value)})" if len(value) > _LONGEST_BYTES else short
    if isinstance(value, str):
        return f'"{value}"'
    if name == "dbms_param":
        return f'"{value.log_path}"'
    return value_text(name, value).replace(" ", "_")
