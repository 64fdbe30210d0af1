"""Writing rebuilt pages into their database.

    locks of the instance and the database                  nobody begins to work on it meanwhile
    DATABASE.pageN.old                                      what lies there, durable before the page is touched
    the pages, each in its place                            durable before anybody is told
    read again and compared

The header is not touched: the database was clean and stays so.  A death in between leaves a page old, new or torn,
as damaged as before; the old bytes lie beside it, and the repair can be done again.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.format.page import page_offset
from engine.header_file import read_header_from
from engine.log.paths import folder_of
from engine.repair.guard import hold_at_rest

if TYPE_CHECKING:
    from engine.files.base import FileSystem
    from engine.repair.page import PlannedPage
    from engine.repair.plan import RepairPlan


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was done: the numbers of the pages that were written, and the files with what lay there."""

    path: str
    pages: tuple[int, ...]
    kept: tuple[str, ...]


def write_repair(plan: RepairPlan, *, env: Environment | None = None) -> RepairResult:
    """Write the pages of a plan; what needs no repair is left alone.

    The error of the first finding when the plan's own check forbids it, -1202 -1084 the database or its instance is in
    use, -1215 it has changed since it was looked at, -1018 what was written reads otherwise; otherwise what the system
    says.
    """
    world = env or Environment()
    fs, path = world.fs, plan.path
    if not plan.ok:
        first = plan.findings[0]
        raise EseError.from_code(
            first.code or Err.DatabaseCorrupted, f"{first.where}: {first.detail}", path=path, page=first.page or None
        )
    needed = plan.needed
    if not needed:
        return RepairResult(path, (), ())
    with ExitStack() as resources:
        resources.enter_context(hold_at_rest(world, path, plan.log_folder))
        file = resources.enter_context(fs.open(path, OpenMode.READ_WRITE))
        header = read_header_from(file).header
        if header != plan.header:
            raise _changed(path)
        size = header.page_size
        for each in needed:
            if file.read_at(page_offset(each.pgno, size), size) != each.stored:
                raise _changed(path, each.pgno)
        kept = tuple(_keep(fs, path, each) for each in needed)
        # The names of what lies there now are on the disk before any of it is overwritten.
        fs.fsync_directory(folder_of(path))
        for each in needed:
            file.write_at(page_offset(each.pgno, size), each.rebuilt)
        # The pages are on the disk before anybody is told that they are whole.
        file.fsync()
        for each in needed:
            if file.read_at(page_offset(each.pgno, size), size) != each.rebuilt:
                raise EseError.from_code(
                    Err.ReadVerifyFailure, "what was written reads otherwise", path=path, page=each.pgno
                )
    return RepairResult(path, tuple(each.pgno for each in needed), kept)


def _changed(path: str, pgno: int | None = None) -> EseError:
    return EseError.from_code(
        Err.DatabaseSharingViolation, "it has changed since it was looked at", path=path, page=pgno, hint="plan again"
    )


def _keep(fs: FileSystem, path: str, page: PlannedPage) -> str:
    """Write what lies in the page to a file of its own, durable; return its name."""
    name, number = f"{path}.page{page.pgno}.old", 1
    while fs.stat(name) is not None:
        number += 1
        name = f"{path}.page{page.pgno}.old{number}"
    with fs.open(name, OpenMode.CREATE_NEW) as aside:
        aside.write_at(0, page.stored)
        # The old bytes are on the disk before the page is overwritten.
        aside.fsync()
    return name
