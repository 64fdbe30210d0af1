"""The plan of a repair: the pages as they are, as they must be, and whether they may be put there.  Reads only.

    1  the database was shut down clean, and nobody has it open
    2  the set's copy is replayed to that very shutdown (`replayed`)
    3  no page of the database is newer than the replay leaves it (`compare`)
    4  each page is taken from the replay; it gets the write counter that the flush map expects
    5  the trees that the pages belong to pass the integrity check with the new pages in place

Source: database reference 1.1, 2.2, 8.1; log reference 3.1.
"""

from __future__ import annotations

import dataclasses
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.env import Environment
from engine.errors import Err, EseError
from engine.events import EventLog
from engine.files.base import FileKind
from engine.files.readonly import ReadOnlyFileSystem
from engine.flush_map import FlushMap, map_path, read_map_header
from engine.format.checksum import set_page_checksum, verify_page
from engine.format.page import FLUSH_TYPE_SHIFT, Page, PageFlags, page_offset
from engine.header_file import read_header_from
from engine.log.paths import folder_of
from engine.pages.source import FilePages
from engine.repair.compare import compare
from engine.repair.guard import check_at_rest
from engine.repair.page import PlannedPage, state_of
from engine.repair.replayed import replay_copy
from engine.repair.trees import check_trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.check import CheckFinding
    from engine.events import Event
    from engine.files.base import File, FileSystem
    from engine.format.dbheader import DatabaseHeader
    from engine.monitor import Monitor
    from engine.repair.compare import Comparison
    from engine.repair.replayed import ReplayedCopy
    from engine.types import LgPos, ProgressCallback, StrPath

MOST_PAGES: Final = 4096
"""Pages of one repair: their bytes are kept in memory."""

_NO_FLUSH_TYPE: Final = ~int(PageFlags.FLUSH_TYPE)


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """The plan.  `findings` are errors of the integrity check that forbid the repair, `remaining` others it met."""

    path: str
    header: DatabaseHeader
    set_folder: str
    source: str
    """Path of the copy in the set."""
    log_folder: str
    replayed: range
    from_set: range
    started: LgPos
    ended: LgPos
    pages: tuple[PlannedPage, ...]
    others: Comparison
    findings: tuple[CheckFinding, ...]
    remaining: tuple[CheckFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether the pages may be written."""
        return not self.findings

    @property
    def needed(self) -> tuple[PlannedPage, ...]:
        """The pages that are to be written."""
        return tuple(each for each in self.pages if each.state.needs_repair)


def plan_repair(
    path: StrPath,
    pages: Iterable[int],
    *,
    source: StrPath,
    logs: StrPath | None = None,
    progress: ProgressCallback | None = None,
    monitor: Monitor | None = None,
    on_event: Callable[[Event], object] | None = None,
    env: Environment | None = None,
) -> RepairPlan:
    """Plan the repair of `pages` (numbers from 1) of the database at `path` from the set in `source`.

    `logs` is the folder of the logs since, by default that of the database.  -1003 a page number that the database
    does not have, or more than `MOST_PAGES`; -550 not shut down clean, -1202 -1084 in use; -531 -539 -543 -551 set or
    logs do not lead to the database, -567 it was changed by something else; -1018 the set's own copy of the page is
    damaged and the log does not build it anew; otherwise the errors of a restore.
    """
    world = env or Environment()
    name = world.fs.absolute(os.fspath(path))
    folder = world.fs.absolute(os.fspath(logs)) if logs is not None else folder_of(name)
    stat = world.fs.stat(name)
    if stat is None or stat.kind is not FileKind.FILE:
        raise EseError.from_code(Err.FileNotFound if stat is None else Err.FileAccessDenied, path=name)
    numbers = sorted(set(pages))
    events = EventLog(now=world.now, shared=False)
    if on_event is not None:
        events.subscribe(on_event)
    reading = ReadOnlyFileSystem(world.fs)
    with ExitStack() as resources:
        file = resources.enter_context(reading.open(name))
        header = read_header_from(file).header
        last = _check_numbers(file, header, numbers)
        check_at_rest(world.fs, name, header, folder)
        copy = replay_copy(
            dataclasses.replace(world, fs=reading),
            events,
            header,
            path=name,
            source=os.fspath(source),
            log_folder=folder,
            progress=progress,
        )
        resources.callback(copy.close)
        others = compare(file, header, last, copy, frozenset(numbers))
        flush_map = _flush_map(reading, name, header, resources)
        planned = [_plan_page(file, header, pgno, copy, flush_map) for pgno in numbers]
        checked = check_trees(FilePages(file, header.page_size), header, planned, monitor)
        return RepairPlan(
            path=name,
            header=header,
            set_folder=copy.set_folder,
            source=copy.source,
            log_folder=folder,
            replayed=copy.replayed,
            from_set=copy.from_set,
            started=copy.started,
            ended=copy.ended,
            pages=checked.pages,
            others=others,
            findings=checked.findings,
            remaining=checked.remaining,
        )


def _flush_map(fs: FileSystem, name: str, header: DatabaseHeader, resources: ExitStack) -> FlushMap | None:
    """Return the map whose counters the pages must carry; None when the engine would not take it."""
    try:
        found = read_map_header(fs, name)
    except EseError as error:
        # Damaged or of another kind: the engine throws it away.  Any other answer leaves open what it says.
        if error.code not in (Err.ReadVerifyFailure, Err.FileInvalidType):
            raise
        return None
    if found is None or not found.clean or not found.accepted_for(header):
        return None
    return resources.enter_context(FlushMap(fs.open(map_path(name)), found))


def _check_numbers(file: File, header: DatabaseHeader, numbers: Sequence[int]) -> int:
    """Return the last page of the file; -1003 for numbers that it does not have."""
    last = FilePages(file, header.page_size).last_page
    if not numbers or len(numbers) > MOST_PAGES:
        raise EseError.from_code(
            Err.InvalidParameter, f"{len(numbers)} pages; 1 to {MOST_PAGES} can be repaired at once", path=file.path
        )
    for pgno in (numbers[0], numbers[-1]):
        if not 1 <= pgno <= last:
            raise EseError.from_code(
                Err.InvalidParameter, f"the database has the pages 1 to {last}", path=file.path, page=pgno
            )
    return last


def _plan_page(
    file: File, header: DatabaseHeader, pgno: int, copy: ReplayedCopy, flush_map: FlushMap | None
) -> PlannedPage:
    size = header.page_size
    stored = file.read_at(page_offset(pgno, size), size)
    rebuilt = _rebuilt(copy, pgno, size, flush_map)
    page = Page(rebuilt, pgno, path=file.path)
    state, error = state_of(stored, rebuilt, pgno, file.path)
    return PlannedPage(
        pgno=pgno,
        state=state,
        stored=stored,
        rebuilt=rebuilt,
        dbtime=page.header.dbtime,
        objid=page.header.objid,
        from_log=bool(copy.pages.replayed_in(pgno, 1)),
        error=error,
    )


def _rebuilt(copy: ReplayedCopy, pgno: int, size: int, flush_map: FlushMap | None) -> bytes:
    """Return a page as the database must have it, its checksum right."""
    try:
        data = bytearray(copy.pages.read(pgno))
    except EseError as error:
        if error.code not in (Err.PageNotInitialized, Err.FileIOBeyondEOF):
            raise
        # Never written when the copy was made, nor since: all zeros, as a file is extended.
        return bytes(size)
    counter = 0 if flush_map is None else flush_map.counter(pgno)
    if counter:
        # The map is how the engine knows a lost write: it must find the counter that it remembers.
        page = Page(data, pgno)
        flags = int(page.header.flags) & _NO_FLUSH_TYPE | counter << FLUSH_TYPE_SHIFT
        data[: len(page.header.pack(size))] = page.header._replace(flags=PageFlags(flags)).pack(size)
        set_page_checksum(data, pgno)
    found = Page(data, pgno, path=copy.source)
    found.check()
    bad = verify_page(data, pgno)
    if bad is not None:
        raise EseError.from_code(Err.InternalError, "the rebuilt page's checksum is wrong", page=pgno)
    return bytes(data)
