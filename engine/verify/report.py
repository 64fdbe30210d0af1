"""What a verification found.  Findings are values; nothing is raised for damage.

A `Finding` is one damaged unit (or a warning about one), a `FileReport` all of one file, a `VerifyReport` all of
one call.  However damaged a file is, a report keeps at most `MOST_FINDINGS` of them and counts the rest; a caller
who wants every one takes them as they come (`verify(..., on_finding=...)`).

Source: jet-api reference 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.findings import MOST_FINDINGS, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.info import EseFileType


@dataclass(frozen=True, slots=True)
class FileReport:
    """The verdict on one file.

    `units` are the pages, segments or header copies it has, `checked` those whose checksum was looked at, `blank`
    the all-zero ones.  `outside` counts the pages of a clean database behind its last owned page.  `bad` counts
    units with an error, `warnings` other findings; both exceed `findings` when there are very many.  `header` holds
    the header's fields by name; `note` says why a file was not looked into.
    """

    path: str
    type: EseFileType
    size: int = 0
    units: int = 0
    checked: int = 0
    blank: int = 0
    outside: int = 0
    bad: int = 0
    warnings: int = 0
    correctable: int = 0
    corrected: int = 0
    findings: tuple[Finding, ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, or everything that was has been corrected."""
        return self.bad == self.corrected


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The verdict of one call: one file, or every file of a backup set or an instance's folder."""

    path: str
    kind: str
    """"database", "log", "checkpoint", "flush map", "empty", "backup-set" or "instance"."""
    files: tuple[FileReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every file is."""
        return all(each.ok for each in self.files)

    @property
    def units(self) -> int:
        """Pages, segments and header copies in all files."""
        return sum(each.units for each in self.files)

    @property
    def checked(self) -> int:
        """Units whose checksum was looked at."""
        return sum(each.checked for each in self.files)

    @property
    def blank(self) -> int:
        """Units that are all zero."""
        return sum(each.blank for each in self.files)

    @property
    def bad_count(self) -> int:
        """Units with an error."""
        return sum(each.bad for each in self.files)

    @property
    def warning_count(self) -> int:
        """Findings that are no error."""
        return sum(each.warnings for each in self.files)

    @property
    def correctable(self) -> int:
        """Bad units in which only single bits are wrong."""
        return sum(each.correctable for each in self.files)

    @property
    def corrected(self) -> int:
        """Bad units that were put right in the file."""
        return sum(each.corrected for each in self.files)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings kept, file by file."""
        return tuple(finding for each in self.files for finding in each.findings)

    @property
    def bad(self) -> list[Finding]:
        """The findings that are errors."""
        return [each for each in self.findings if not each.warning]

    @property
    def header(self) -> Mapping[str, Any]:
        """Header fields of the file (of the first one that has a header)."""
        return next((each.header for each in self.files if each.header), {})


class Sheet:
    """A file report being filled in; keeps what `FileReport` keeps, within its bounds."""

    def __init__(
        self,
        path: str,
        file_type: EseFileType,
        size: int,
        on_finding: Callable[[Finding], object] | None = None,
    ) -> None:
        self.path = path
        self.type = file_type
        self.size = size
        self.units = self.checked = self.blank = self.outside = 0
        self.header: dict[str, Any] = {}
        self.note = ""
        self._bad = self._warnings = self._correctable = self._corrected = 0
        self._findings: list[Finding] = []
        self._on_finding = on_finding

    def add(self, finding: Finding) -> None:
        """Count a finding, keep it while there is room, hand it on."""
        if finding.warning:
            self._warnings += 1
        else:
            self._bad += 1
            self._correctable += finding.correctable
            self._corrected += finding.corrected
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)
        if self._on_finding is not None:
            self._on_finding(finding)

    def report(self) -> FileReport:
        """Return what has been gathered."""
        return FileReport(
            path=self.path,
            type=self.type,
            size=self.size,
            units=self.units,
            checked=self.checked,
            blank=self.blank,
            outside=self.outside,
            bad=self._bad,
            warnings=self._warnings,
            correctable=self._correctable,
            corrected=self._corrected,
            findings=tuple(self._findings),
            header=self.header,
            note=self.note,
        )
