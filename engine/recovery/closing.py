"""The end of a recovery: what undoes open transactions is logged, pages and headers are written, the log is closed.

What is written, in its order, leaves at every point a log that the next recovery brings to the same end: what undoes a
change is durable before the page is written, the pages are durable before the mark, the mark before a header names it,
the headers are clean before RecoveryQuit2 says that nobody need look at them, and that is durable before the checkpoint
points behind everything.
Source: log reference 3.11, 3.13, 4.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from engine.attached import AttachedDatabase
from engine.errors import EseError
from engine.files.base import OpenMode
from engine.flush_map import believable_flush_map
from engine.format.lr import RecoveryQuit2, RecoveryUndo2, ShutDownMark
from engine.format.page import HEADER_PAGES, page_offset
from engine.header_changes import clean_shutdown, restored
from engine.header_file import first_to_write, write_header
from engine.log.paths import folder_of
from engine.pages.shadow import LIVE, RECOVERY, remove_shadow
from engine.recovery.undo import UndoResult, undo_all
from engine.types import LGPOS_MIN, LgPos

if TYPE_CHECKING:
    from engine.env import Environment
    from engine.events import EventLog
    from engine.files.base import FileSystem
    from engine.log.checkpoint_file import CheckpointFile
    from engine.log.writer import LogWriter
    from engine.recovery.control import ControlReplay, ReplayedHeader


class Bond(Protocol):
    """The databases that a new generation has to update, as far as recovery uses it."""

    def add(self, database: AttachedDatabase) -> None:
        """Take in a database."""

    def remove(self, database: AttachedDatabase) -> None:
        """Let go of a database."""


@dataclass(slots=True)
class Closing:
    """Closes one replay.  `started` is where that began, `top` its last generation; `set_top` as in `Recovery`."""

    env: Environment
    events: EventLog
    started: LgPos
    top: int
    set_top: int = 0
    undone: UndoResult = field(default_factory=lambda: UndoResult(0, 0))

    def finish(self, state: ControlReplay, writer: LogWriter, checkpoint: CheckpointFile, bond: Bond) -> LgPos:
        """Do it; return the position of the record that ends the log."""
        for each in (*state.finished.values(), *state.attached.values()):
            if each.anew:
                self._make_file(each)
            if each.pages.rebuilt:
                bad = each.header.bad_checksum + len(each.pages.rebuilt)
                each.header = each.header.replace(bad_checksum=bad, logtime_bad_checksum=self.env.log_time())
        for each in state.finished.values():
            if self.set_top:
                each.header = restored(each.header)
            if each.header != each.on_disk:
                self._write_pages(each, writer)
                with self._opened(each) as database:
                    # Their detach is in the log; a checkpoint that moved on would hide it.
                    database.write_header()
                self._forget_shadows(each)
        ended = state.ended_at
        if ended is None:
            ended = self._close_log(state, writer, bond)
        checkpoint.finish(ended)
        return ended

    def _close_log(self, state: ControlReplay, writer: LogWriter, bond: Bond) -> LgPos:
        """Append what ends a recovery; the position of RecoveryQuit2."""
        began, mark = LGPOS_MIN, state.shutdown_mark
        databases: list[AttachedDatabase] = []
        try:
            for each in state.attached.values():
                database = self._opened(each)
                databases.append(database)
                bond.add(database)
            if not state.last_is_mark:
                began = writer.append(RecoveryUndo2(self.env.log_time()).pack())
                self.undone = undo_all(state.pages, lambda record: writer.append(record.pack()))
                # What undoes a change is on the disk before the page that it changes.
                writer.flush()
            for each in state.attached.values():
                self._write_pages(each, writer)
            if not state.last_is_mark:
                mark = writer.append(ShutDownMark().pack())
                # The mark is on the disk before a header names it.
                writer.flush(fill=True)
            for database in databases:
                pages = state.attached[database.dbid].pages
                database.update_header(dbtime_dirtied=pages.dbtime_last, objid_last=pages.objid_last)
                database.change_header(partial(clean_shutdown, position=mark, time=self.env.log_time()))
                if self.set_top:
                    database.change_header(restored)
                # Clean before the log says that the recovery is over.
                database.write_header()
                self._forget_shadows(state.attached[database.dbid])
                bond.remove(database)
                if self.set_top and self.top > self.set_top:
                    self.events.report(329, database.path, str(mark), "0")
        finally:
            for database in databases:
                bond.remove(database)
                database.close()
        ended = writer.append(RecoveryQuit2(began, self.started, int(bool(self.set_top)), self.env.log_time()).pack())
        # On the disk before the checkpoint points to it.
        writer.flush(fill=True)
        return ended

    def _make_file(self, replayed: ReplayedHeader) -> None:
        """Make the file of a database that was built anew: dirty, so that its pages may come later.

        What lies there, a database whose header nobody can read, is kept under another name.
        """
        fs, path = self.env.fs, replayed.path
        header = replayed.header.replace(
            **{name: getattr(replayed.on_disk, name) for name in ("state", *_RANGE)}, lgpos_consistent=LGPOS_MIN
        )
        aside = f"{path}.building"
        with fs.open(aside, OpenMode.CREATE) as file:
            file.truncate((replayed.pages.spilled.last_page + HEADER_PAGES) * header.page_size)
            write_header(file, header)
        if fs.stat(path) is not None:
            fs.rename(path, _free_name(fs, path))
        fs.rename(aside, path)
        # The name is on the disk before the log says that the database is consistent.
        fs.fsync_directory(folder_of(path))

    def _write_pages(self, replayed: ReplayedHeader, writer: LogWriter) -> None:
        """Bring the replayed pages into the database, and say which damaged ones the log has built anew."""
        pages = replayed.pages
        if not pages.changed:
            return
        for pgno, error in sorted(pages.rebuilt.items()):
            self.events.report(474, replayed.path, *_place_of(error, pages.page_size), str(pgno))
            self.events.report(419, replayed.path, str(pgno), str(error.code), str(self.started), "")
        with self.env.fs.open(replayed.path, OpenMode.READ_WRITE) as target:
            pages.write_back(target, writer.mark)

    def _forget_shadows(self, replayed: ReplayedHeader) -> None:
        """Remove what was kept of pages while they were written: the header says that the database is clean."""
        for suffix in (LIVE, RECOVERY):
            remove_shadow(self.env.fs, replayed.path + suffix)

    def _opened(self, replayed: ReplayedHeader) -> AttachedDatabase:
        """Open a database for writing its header."""
        fs = self.env.fs
        clean = replayed.on_disk.replace(gen_min_required=0)
        # A map that was open when the run died describes pages that may have changed since.
        flush_map = None
        if not replayed.pages.changed:
            with suppress(EseError):  # the map is a help, not a part of the data
                flush_map = believable_flush_map(fs, replayed.path, clean)
        return AttachedDatabase(
            self.env,
            fs.open(replayed.path, OpenMode.READ_WRITE),
            replayed.header,
            dbid=replayed.dbid,
            last_owned_page=0,
            first_copy=first_to_write(replayed.read),
            flush_map=flush_map,
            consistent=replayed.attach_consistent,
        )


def _place_of(error: EseError, page_size: int) -> tuple[str, ...]:
    """Return offset, length, error and checksums as event 474 has them."""
    offset = page_offset(error.page or 0, page_size)
    sums = (f"[{each or 0:016x}]" for each in (error.stored, error.computed))
    return f"{offset} (0x{offset:016x})", f"{page_size} (0x{page_size:08x})", str(error.code), *sums


_RANGE = (
    "gen_min_required", "gen_min_consistent", "gen_max_required", "gen_max_committed",
    "logtime_gen_max_create", "logtime_gen_max_required",
)  # fmt: skip


def _free_name(fs: FileSystem, path: str) -> str:
    """Return a name for a damaged file that is put away."""
    number = 1
    while fs.stat(f"{path}.damaged{number}") is not None:
        number += 1
    return f"{path}.damaged{number}"
