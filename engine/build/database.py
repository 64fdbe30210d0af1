"""Building a database from rows: the whole file, written aside and put in place when it is complete.

    with DatabaseBuilder(env, "dhcp.mdb", page_size=4096) as build:
        build.add_table("Leases", columns=[...], primary=Index("pk", ("Id",)), secondary=[...], rows=rows)
    header = build.header

Order of writing: table after table from page 31 on, then the catalog, then the root, then both header pages, each
page once.  Memory is bounded by the batches in flight and by `sort_memory`, not by the size of the database.

Source: database reference 1.4, 1.6, 10, 12.2.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from engine.build.allocation import FileSpace
from engine.build.schema import DEFAULT_DENSITY, Column, Index
from engine.build.sink import PageSink
from engine.build.sorter import DEFAULT_MEMORY
from engine.build.system import SystemTables, write_system_root
from engine.build.table import BuildContext, TableBuilder, TableInfo
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.dbheader import CREATE_UPDATE, NEWEST_UPDATE, DatabaseHeader, DbState
from engine.format.levels import LID64_LEVEL, ROOT_COUNTER_LEVEL
from engine.format.longvalue import LidSize
from engine.format.page import HEADER_PAGES, WRITABLE_PAGE_SIZES
from engine.format.system_trees import FIRST_USER_PAGE, LOCALES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from engine.build.rows import Row
    from engine.env import Environment
    from engine.files.base import File
    from engine.format.catalog_row import CatalogRow
    from engine.types import StrPath

_SORT_VERSION: Final = 0xFFFFFFFFFFFFFFFF
_FEWEST_PHYSICAL_PAGES: Final = 32
_SYSTEM_TABLES: Final = frozenset(("MSYSOBJECTS", "MSYSOBJECTSSHADOW", "MSYSOBJIDS", "MSYSLOCALES"))


@dataclass(frozen=True, slots=True)
class FormatLevel:
    """Format of a new database: updateMajor, updateMinor, engine format version of the header."""

    update_major: int
    update_minor: int = 0
    efv: int = 0

    WIDEST: ClassVar[FormatLevel]
    """620.20: every engine since Windows 8 and every third-party reader; what an engine raises by itself."""
    WINDOWS_10: ClassVar[FormatLevel]
    """620.110, as Windows 10 1903 to 22H2 write it: 64-bit long-value ids, counters in root pages."""
    NEWEST: ClassVar[FormatLevel]
    """620.290, the newest in the published engine."""


FormatLevel.WIDEST = FormatLevel(20)
FormatLevel.WINDOWS_10 = FormatLevel(110, 240, 9180)
FormatLevel.NEWEST = FormatLevel(290, 600, 9600)


class DatabaseBuilder:
    """Writes a new database.

    Leaving the `with` block completes the file and puts it at `path`: pages and headers are fsynced under the name
    `path`.tmp, then renamed, then the folder is fsynced.  Leaving by an exception removes what was written.
    -1201 when `path` exists, unless `overwrite`.

    `extension` is the number of pages that the file grows by: its size is rounded up and the rest is free.
    `threaded=False` does all I/O in the caller's thread.
    """

    def __init__(
        self,
        env: Environment,
        path: StrPath,
        *,
        page_size: int = 4096,
        level: FormatLevel = FormatLevel.WIDEST,
        overwrite: bool = False,
        extension: int = 16,
        sort_memory: int = DEFAULT_MEMORY,
        threaded: bool = True,
    ) -> None:
        if page_size not in WRITABLE_PAGE_SIZES:
            raise EseError.from_code(Err.InvalidParameter, f"page size {page_size}")
        if not CREATE_UPDATE <= level.update_major <= NEWEST_UPDATE:
            raise EseError.from_code(Err.InvalidParameter, f"format level {level.update_major}")
        if extension < 1:
            raise EseError.from_code(Err.InvalidParameter, f"extension of {extension} pages")
        self.path = env.fs.absolute(str(path))
        self.page_size = page_size
        self.level = level
        self.header: DatabaseHeader | None = None
        """Header of the finished database; None before."""
        self.tables: list[TableInfo] = []
        self._env = env
        self._temporary = self.path + ".tmp"
        self._extension = extension
        self._sort_memory = sort_memory
        self._threaded = threaded
        self._catalog: list[CatalogRow] = []
        self._names: set[str] = set(_SYSTEM_TABLES)
        self._failed = False
        self._file: File | None = None
        self._context: BuildContext | None = None
        found = env.fs.stat(self.path)
        if found is not None and not overwrite:
            raise EseError.from_code(Err.DatabaseDuplicate, path=self.path)

    def __enter__(self) -> Self:
        fs = self._env.fs
        self._file = fs.open(self._temporary, OpenMode.CREATE)
        self._context = BuildContext(
            fs=fs,
            path=self._temporary,
            page_size=self.page_size,
            sink=PageSink(self._file, self.page_size, threaded=self._threaded),
            space=FileSpace(FIRST_USER_PAGE),
            lid_size=LidSize.LID64 if self.level.update_major >= LID64_LEVEL else LidSize.LID32,
            auto_increment_in_root=self.level.update_major >= ROOT_COUNTER_LEVEL,
            sort_memory=self._sort_memory,
            objid_last=LOCALES.objid,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and not self._failed:
            try:
                self._complete()
            except BaseException:
                self._abandon()
                raise
        else:
            self._abandon()
            if kind is None:
                raise EseError.from_code(Err.InvalidParameter, "a table failed; nothing was built", path=self.path)

    def add_table(
        self,
        name: str,
        columns: Sequence[Column],
        *,
        primary: Index | None = None,
        secondary: Sequence[Index] = (),
        rows: Iterable[Row] = (),
        presorted: bool = True,
        density: int = DEFAULT_DENSITY,
    ) -> TableInfo:
        """Write a table with all its rows.

        Rows come in primary-key order, or in any order with `presorted=False` (they are then sorted by way of a
        spill file).  Without a primary index they are numbered as they come.  -1303 for a name in use, -1605
        for a key that is there twice; see `engine.build.rows` and `engine.build.schema` for the others.
        """
        with self._adding(name) as context:
            table = TableBuilder(context, name, columns, primary=primary, secondary=secondary, density=density)
            info = table.load(rows, presorted=presorted)
        self._register(info)
        return info

    def add_filled_table(self, name: str, size: int, *, seed: int = 0) -> TableInfo:
        """Write a table of generated rows of about 1 KiB, `size` bytes of leaf pages in all.

        Rows: Id (primary key), Stamp, Shard, Payload; see `engine.build.filled`.  Much quicker than `add_table`.
        """
        from engine.build.filled import FilledTable  # noqa: PLC0415 - numpy is slow to load, and only this needs it

        with self._adding(name) as context:
            info = FilledTable(context, name).fill(max(2, size // self.page_size), seed)
        self._register(info)
        return info

    @contextlib.contextmanager
    def _adding(self, name: str) -> Iterator[BuildContext]:
        """Check that a table can be added now; any failure inside makes the whole build fail."""
        context = self._context
        if context is None or self.header is not None or self._failed:
            raise EseError.from_code(Err.InvalidParameter, "the builder is not open", path=self.path)
        if name.upper() in self._names:
            raise EseError.from_code(Err.TableDuplicate, name)
        self._failed = True
        yield context
        self._failed = False

    def _register(self, info: TableInfo) -> None:
        self._names.add(info.name.upper())
        self._catalog += info.catalog
        self.tables.append(info)

    def _complete(self) -> None:
        context, file, fs = self._context, self._file, self._env.fs
        if context is None or file is None:
            raise EseError.from_code(Err.InvalidParameter, "the builder is not open", path=self.path)
        SystemTables(context, self.level.update_major).write(self._catalog)
        pages = self._round_up(context.space.next_page - 1)
        write_system_root(context, pages)
        context.sink.finish()
        file.truncate((pages + HEADER_PAGES) * self.page_size)
        header = self._make_header(context)
        page = header.pack()
        file.write_at(0, page)
        file.write_at(self.page_size, page)
        # Data before the name: nobody sees a database under `path` that is not whole.
        file.fsync()
        context.sink.close()
        file.close()
        fs.rename(self._temporary, self.path)
        fs.fsync_directory(fs.absolute(self.path + "/.."))
        self.header = header

    def _round_up(self, pages: int) -> int:
        physical = max(pages + HEADER_PAGES, _FEWEST_PHYSICAL_PAGES)
        return -(-physical // self._extension) * self._extension - HEADER_PAGES

    def _make_header(self, context: BuildContext) -> DatabaseHeader:
        """Return the header of a clean database that no log stream knows yet."""
        return DatabaseHeader.create(
            self.page_size,
            dbtime_dirtied=context.sink.dbtime + 1,
            sign_db=self._env.new_signature(),
            state=DbState.CLEAN_SHUTDOWN,
            objid_last=context.objid_last,
            update_major=self.level.update_major,
            update_minor=self.level.update_minor,
            efv_max_bin_attach=self.level.efv,
            sort_version=_SORT_VERSION,
        )

    def _abandon(self) -> None:
        """Remove what was written; the error that led here is what counts."""
        if self._context is not None:
            self._context.sink.close()
        if self._file is not None:
            with contextlib.suppress(EseError):
                self._file.close()
                self._env.fs.unlink(self._temporary)
