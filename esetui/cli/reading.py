"""What the commands that read a database share: opening it, telling its findings, the exit code that follows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.table import open_database
from esetui.cli.describe.findings import finding_fields, finding_text
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.findings import Finding
    from engine.table import Database
    from esetui.cli.output import Output

_MOST_NAMED = 20
"""Pages that a warning lists."""


class Told:
    """Writes findings as they come, and knows how bad they were."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._code = ExitCode.OK
        self.database: Database | None = None

    @property
    def code(self) -> ExitCode:
        """The exit code that follows from what was met."""
        corrected = self.database is not None and self.database.corrected
        return max(self._code, ExitCode.WARNINGS if corrected else ExitCode.OK)

    def __call__(self, finding: Finding) -> None:
        """Write one finding: to standard error, or a line of JSON."""
        self.note(ExitCode.WARNINGS if finding.warning else ExitCode.DAMAGE)
        self._out.record("finding", finding_fields(finding))
        if not self._out.json:
            self._out.complain(finding_text(finding))

    def note(self, code: ExitCode) -> None:
        """Remember the worst of what was met."""
        self._code = max(self._code, code)


@contextmanager
def reading(out: Output, path: str, *, strict: bool = False) -> Iterator[tuple[Database, Told]]:
    """Open a database for a command; errors as `open_database`."""
    fs = ReadOnlyFileSystem(RealFileSystem())
    told = Told(out)
    with open_database(fs.absolute(path), strict=strict, fs=fs, on_finding=told) as database:
        told.database = database
        yield database, told
        if database.corrected:
            pages = ", ".join(map(str, database.corrected[:_MOST_NAMED]))
            out.warn(f"one bit was put right in memory in {len(database.corrected)} page(s): {pages}", path=path)
