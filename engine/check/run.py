"""The integrity check of a database: what `esentutl /g` does, with findings as they are made.

    header, file size -> system root -> space of every table -> each table: long values, records, indexes
    -> shadow catalog, object ids -> leaked pages

Reads only.  Nothing is raised for damage; memory goes with the number of pages (a few bytes each) and of indexes, not
with the number of rows.

Source: database reference 2.5, 4.3, 10.1.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from engine.catalog import read_catalog
from engine.check.catalog import OBJECT_IDS_TABLE, compare_object_ids, compare_shadow, expected_objects, fixed_columns
from engine.check.context import Check
from engine.check.findings import CheckFinding, CheckKind
from engine.check.space import SpaceCheck, leaked
from engine.check.table import TableCheck
from engine.check.tree import TreeWalk
from engine.errors import Err, EseError
from engine.event_table import Severity
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.findings import Findings
from engine.format.dbheader import DbState, HeaderSource
from engine.format.system_trees import CATALOG, SHADOW, SYSTEM_ROOT
from engine.info import read_database_file
from engine.monitor import Cell, Phase
from engine.pages.source import FilePages

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from engine.catalog import TableDef
    from engine.check.context import TreeSpec
    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.info import DatabaseFileInfo
    from engine.monitor import Monitor
    from engine.pages.source import PageSource
    from engine.types import StrPath

_TRANSIENT: Final = (DbState.JUST_CREATED, DbState.DIRTY_SHUTDOWN, DbState.DIRTY_AND_PATCHED)


def check(
    path: StrPath,
    *,
    fs: FileSystem | None = None,
    pages: PageSource | None = None,
    header: DatabaseHeader | None = None,
    strict: bool = False,
    monitor: Monitor | None = None,
    objects: Container[int] | None = None,
) -> Iterator[CheckFinding]:
    """Check the database at `path` and yield what is wrong with it.

    `pages` replaces the file as the source of pages, for a database that was recovered in memory, `header` is then the
    header that goes with them; the file is not judged.  `strict` adds what an engine would tolerate but never write.
    `objects` limits the walk to the tables that have one of these objects (table, index or long values); of the others
    only the space is checked.  Raised are only -1811 without a file, what the system says to opening it, -800 after
    `monitor.cancel()`.
    """
    with ExitStack() as stack:
        if pages is not None:
            newest = header.dbtime_dirtied if header is not None and header.clean else None
            found = Check(pages, pages.last_page, strict=strict, newest=newest, monitor=monitor)
            if header is not None:
                _judge_state(found, header)
            yield from _run(found, monitor, header, objects)
            return
        system = ReadOnlyFileSystem(fs or RealFileSystem())
        name = system.absolute(os.fspath(path))
        if system.stat(name) is None:
            raise EseError.from_code(Err.FileNotFound, path=name)
        file = stack.enter_context(system.open(name))
        try:
            info = read_database_file(file)
            info.header.check_version(path=name)
        except EseError as error:
            kind = CheckKind.VERSION if error.code == Err.InvalidDatabaseVersion else CheckKind.HEADER
            yield CheckFinding(kind, Severity.ERROR, error.message, error.code)
            return
        header = info.header
        source = FilePages(file, header.page_size)
        newest = header.dbtime_dirtied if header.clean else None
        found = Check(source, info.pages, strict=strict, newest=newest, monitor=monitor)
        _judge_header(found, info, file)
        yield from _run(found, monitor, header, objects)


def _judge_header(found: Check, info: DatabaseFileInfo, file: File) -> None:
    """Note what the header and the size of the file say."""
    for problem in info.read.problems:
        if problem.source is HeaderSource.SHADOW and not info.header.shadowed:
            continue
        found.warn(CheckKind.HEADER, f"the {problem.source.value} header: {problem.detail}")
    _judge_state(found, info.header)
    if rest := file.size() % info.header.page_size:
        found.error(CheckKind.FILE_SIZE, f"the file ends with {rest} bytes of a page")
    if info.trailer_error is not None:
        found.warn(CheckKind.HEADER, f"the trailer of a backup copy: {info.trailer_error.message}")


def _judge_state(found: Check, header: DatabaseHeader) -> None:
    state = header.state
    if state in _TRANSIENT:
        found.error(CheckKind.STATE, "the database was not shut down cleanly and needs its logs")
    elif state != DbState.CLEAN_SHUTDOWN:
        found.add(
            CheckKind.STATE,
            Severity.ERROR,
            f"the database is in state {int(state)} ({state.name.lower()})",
            code=Err.DatabaseCorrupted,
        )


def _run(
    found: Check, monitor: Monitor | None, header: DatabaseHeader | None, objects: Container[int] | None
) -> Iterator[CheckFinding]:
    if monitor is not None:
        monitor.phase = Phase.VERIFYING
        monitor.bytes_total = found.last_page * found.page_size
        monitor.begin_map(found.pages.path, found.last_page)
    try:
        yield from _Run(found, header, objects).run()
    except GeneratorExit:
        raise
    except BaseException:
        if monitor is not None:
            monitor.finish(Phase.CANCELLED if monitor.cancel_requested else Phase.FAILED)
        raise
    if monitor is not None:
        if objects is None:
            # What no tree holds is free; what is missing from the free space too has its finding.
            monitor.mark_pages(1, found.last_page, Cell.FREE)
        monitor.bytes_done = monitor.bytes_total
        monitor.finish(Phase.DONE)


class _Run:
    def __init__(self, found: Check, header: DatabaseHeader | None, objects: Container[int] | None) -> None:
        self._check = found
        self._objects = objects
        self._header = header
        self._root: TreeSpec = found.spec("", "", SYSTEM_ROOT.root, SYSTEM_ROOT.objid)

    def run(self) -> Iterator[CheckFinding]:
        check, root = self._check, self._root
        yield from check.drain()
        yield from SpaceCheck(check, root, None).run()
        yield from TreeWalk(check, root).run()
        self._file_size()
        tables = self._tables()
        yield from check.drain()
        checks = {name: TableCheck(check, table, root) for name, table in tables.items()}
        # All space first: then a page that two trees use is known to belong to the one that owns it.
        for each in checks.values():
            yield from each.space()
        for name, each in checks.items():
            if self._wanted(tables[name]):
                yield from each.trees()
        if self._objects is None:
            self._catalog(tables, checks)
            yield from check.drain()
            yield from leaked(check)
        yield from check.rest()

    def _wanted(self, table: TableDef) -> bool:
        """Whether the trees of a table are to be walked."""
        objects = self._objects
        if objects is None:
            return True
        long = table.long_values
        own = (table.objid, *(each.objid for each in table.indexes), *(() if long is None else (long.id,)))
        return any(each in objects for each in own)

    def _file_size(self) -> None:
        check, root = self._check, self._root
        if not root.extents:
            return
        behind = check.last_page - root.extents[-1][1]
        if behind > 0:
            check.info(CheckKind.FILE_SIZE, f"{behind:,} pages lie behind the end of the database")

    def _tables(self) -> dict[str, TableDef]:
        """Return the tables of the catalog; without any the rest of the database is out of reach."""
        check = self._check
        findings = Findings()
        tables = read_catalog(check.pages, findings=findings)
        for finding in findings.kept:
            if finding.code == Err.CatalogCorrupted:
                detail = f"{finding.table}: {finding.detail}" if finding.table else finding.detail
                check.error(CheckKind.CATALOG, detail, page=finding.number)
            self._root.broken = True
        by_objid = {table.objid: table for table in tables.values()}
        for objid, name in ((CATALOG.objid, "the catalog"), (SHADOW.objid, "its shadow")):
            if objid not in by_objid:
                self._root.broken = True
                check.error(CheckKind.CATALOG, f"{name} does not list itself")
        return tables

    def _catalog(self, tables: dict[str, TableDef], checks: dict[str, TableCheck]) -> None:
        check = self._check
        by_objid = {table.objid: checks[name].spec for name, table in tables.items()}
        if CATALOG.objid in by_objid and SHADOW.objid in by_objid:
            compare_shadow(check, by_objid[CATALOG.objid], by_objid[SHADOW.objid])
        for name, table in tables.items():
            fixed_columns(check, table, checks[name].spec)
        if OBJECT_IDS_TABLE in tables:
            compare_object_ids(check, tables, checks[OBJECT_IDS_TABLE].spec)
        if self._header is not None and check.newest is not None:
            highest = max(expected_objects(tables), default=0)
            last = self._header.objid_last
            if highest > last:
                check.warn(CheckKind.OBJECT_IDS, f"object {highest} is in use, the header knows of {last}")
