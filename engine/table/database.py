"""A database for reading.

    with open_database("SRUDB.dat") as database:
        for name in database.tables(): ...
        for row in database["SruDbIdMapTable"]: ...
        database.findings           what was damaged on the way

Nothing is ever written.  Pages come from the file, or from any other page source: replayed pages above an untouched
file, for a database that was not shut down.

Source: jet-api reference 6.4; architecture, "Evidence read".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.catalog import read_catalog
from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.findings import Finding, Findings
from engine.header_file import read_header_from
from engine.pages.source import DEFAULT_CACHE_BYTES, FilePages
from engine.table.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from engine.catalog import TableDef
    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.pages.source import PageSource
    from engine.types import StrPath


def open_database(
    path: StrPath,
    *,
    strict: bool = False,
    fs: FileSystem | None = None,
    pages: PageSource | None = None,
    on_finding: Callable[[Finding], object] | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
) -> Database:
    """Open the database at `path` for reading, whatever its state.

    `pages` replaces the file as the source of pages and stays the caller's.  Damage becomes `findings` and
    `on_finding` calls; `strict` raises it instead.  -1811 without a file, -1206 for one that is no database.
    """
    if pages is not None:
        return Database(pages, strict=strict, on_finding=on_finding)
    files = ReadOnlyFileSystem(fs or RealFileSystem())
    name = os.fspath(path)
    if files.stat(name) is None:
        raise EseError.from_code(Err.FileNotFound, path=name)
    file = files.open(name)
    try:
        header = read_header_from(file).header
        source = FilePages(file, header.page_size, cache_bytes=cache_bytes)
        return Database(source, strict=strict, on_finding=on_finding, header=header, file=file)
    except BaseException:
        file.close()
        raise


class Database:
    """An open database.  `header` is None when the pages did not come with one.

    Findings pile up as tables are read: `findings` holds the first of them, `finding_count` counts all.
    """

    def __init__(
        self,
        pages: PageSource,
        *,
        strict: bool = False,
        on_finding: Callable[[Finding], object] | None = None,
        header: DatabaseHeader | None = None,
        file: File | None = None,
    ) -> None:
        self.pages = pages
        self.strict = strict
        self.header = header
        self._file = file
        self._findings = Findings(on_finding)
        self._tables = read_catalog(pages, findings=self._findings, strict=strict)
        self._folded = {name.casefold(): name for name in reversed(self._tables)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.name}: {len(self._tables)} tables>"

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.pages.path

    @property
    def page_size(self) -> int:
        """Bytes a page."""
        return self.pages.page_size

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was damaged so far; see `engine.findings.MOST_FINDINGS`."""
        return tuple(self._findings.kept)

    @property
    def finding_count(self) -> int:
        """Number of findings, those that were not kept included."""
        return self._findings.count

    @property
    def corrected(self) -> tuple[int, ...]:
        """Pages in which one flipped bit was put right in memory so far."""
        found: Sequence[int] = getattr(self.pages, "corrected", ())
        return tuple(found)

    def tables(self, *, system: bool = True) -> Iterator[str]:
        """Yield the names of the tables in the order they were made; without the engine's own if not `system`."""
        return (name for name, table in self._tables.items() if system or not table.is_system)

    def definition(self, name: str) -> TableDef:
        """Return a table as the catalog describes it; -1305 for an unknown name.  Case does not matter."""
        found = self._tables.get(name) or self._tables.get(self._folded.get(name.casefold(), ""))
        if found is None:
            raise EseError.from_code(Err.ObjectNotFound, f"no table {name!r}", path=self.name)
        return found

    def table(self, name: str) -> Table:
        """Return a table for reading; -1305 for an unknown name."""
        return Table(self.definition(name), self.pages, self._findings, strict=self.strict)

    def __getitem__(self, name: str) -> Table:
        return self.table(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._tables or name.casefold() in self._folded)

    def __iter__(self) -> Iterator[str]:
        return self.tables()

    def __len__(self) -> int:
        return len(self._tables)

    def close(self) -> None:
        """Close the file; tables and cursors can then no longer be used.  Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None
