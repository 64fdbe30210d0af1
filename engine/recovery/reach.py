"""How far databases have come: the earliest point at which a replay of their log may be ended.

A database cannot go back.  What its pages hold already must be part of what is replayed, so a stop must not lie before

    the last record whose change is in a page of the file
    the end of what such a change belongs to: its macro, or the before-image that undo needs of it, or its commit
    the position at which the database is consistent, or was attached, by its own header, or its creation was finished

Only the required range can be in the file; behind it nothing has to be looked at.  The log is read and the dbtimes of
the pages are, nothing is replayed.
Source: log reference 3.1, 3.3, 3.7, 4.2, 5.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import Err, EseError
from engine.events import EventLog
from engine.format import lr
from engine.log.tail import read_tail
from engine.recovery.control import ControlReplay
from engine.recovery.looking import first_attachments
from engine.recovery.replay import Replay
from engine.recovery.sequence import LogSequence
from engine.types import LGPOS_MIN, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.env import Environment
    from engine.format.checkpoint import Checkpoint
    from engine.format.logheader import LogHeader
    from engine.log.reader import LogFile
    from engine.log.records import LogRecord
    from engine.log.stream import LogStream
    from engine.recovery.attach_rule import Named
    from engine.recovery.database_pages import ReplayedPages

_PAGES: Final = ("pgno", "pgno_new", "pgno_left", "pgno_right", "pgno_parent", "pgno_dest", "pgno_oe", "pgno_ae")
_NO_PAGE: Final = (0, 0xFFFFFFFF)
_NEEDS_IMAGE: Final = (lr.Replace, lr.ReplaceD, lr.FlagDelete)
_BEGINS: Final = (lr.Begin0, lr.BeginDT)
_TRANSACTIONS: Final = (lr.Begin, lr.Refresh, lr.MacroAbort)
_CUTS: Final = (lr.ShrinkDB, lr.ShrinkDB2, lr.ShrinkDB3, lr.TrimDB)
_MOST_KNOWN: Final = 1 << 18
"""Pages whose dbtimes are remembered."""


class Reach(Replay):
    """Follows a log without changing a page; `earliest` is the answer so far."""

    def __init__(self) -> None:
        super().__init__()
        self.earliest = LGPOS_MIN
        self._live: set[int] = set()
        self._lacking: dict[int, set[int]] = {}
        """By session: changes that are in the file and whose before-images are not in the log yet."""
        self._macros: set[tuple[int, int]] = set()
        """Macros, by session and dbtime, of which something is in the file."""
        self._known: dict[tuple[int, int], int] = {}
        self._fields: dict[type[lr.Record], tuple[str, ...]] = {}

    def feed(self, pos: LgPos, record: lr.Record) -> bool:
        """Look at one record; False when it is none of transactions or pages."""
        if isinstance(record, lr.PageRecord | lr.NewPage):
            self._look(pos, record)
        elif isinstance(record, _BEGINS):
            self._live.add(record.procid)
            self._lacking.pop(record.procid, None)
        elif isinstance(record, lr.Commit | lr.Commit0 | lr.Rollback):
            self._ended(pos, record)
        elif isinstance(record, lr.MacroCommit):
            if (record.procid, record.dbtime) in self._macros:
                self._macros.discard((record.procid, record.dbtime))
                self.earliest = pos
        else:
            return isinstance(record, (*_TRANSACTIONS, lr.MacroBegin))
        return True

    def end_sessions(self) -> None:
        """Forget all sessions."""
        self._live.clear()
        self._lacking.clear()
        self._macros.clear()

    def forget_pages(self) -> None:
        """Forget what is known of pages: a database number may mean another file now."""
        self._known.clear()

    def _ended(self, pos: LgPos, record: lr.Commit | lr.Commit0 | lr.Rollback) -> None:
        """Meet the end of a transaction, or of a level of it."""
        outermost = not isinstance(record, lr.Rollback) and not record.level_to
        if record.procid not in self._live:
            # It began before the replay does, and all of it is in the file.
            self.earliest = pos
        elif self._lacking.get(record.procid):
            self.earliest = pos
            if outermost:
                self._lacking.pop(record.procid)

    def _look(self, pos: LgPos, record: Any) -> None:
        database: Any = self._database(pos, record.dbid)
        if database is None or not database.cache.tolerant:
            return
        lacking = self._lacking.get(record.procid)
        if isinstance(record, lr.UndoInfo):
            if lacking and record.rceid in lacking:
                lacking.discard(record.rceid)
                self.earliest = pos
            return
        after = record.dbtime_after if isinstance(record, lr.NewPage) else record.dbtime
        if not any(self._dbtime(database, record.dbid, pgno) >= after for pgno in self._pages_of(record)):
            return
        self.earliest = pos
        if isinstance(record, lr.NewPage):
            return
        self._macros.add((record.procid, record.dbtime))
        if record.flags & lr.NodeFlags.VERSIONED:
            if isinstance(record, _NEEDS_IMAGE):
                self._lacking.setdefault(record.procid, set()).add(record.rceid)
            elif isinstance(record, lr.FlagInsertAndReplaceData):
                self._lacking.setdefault(record.procid, set()).add(record.rceid_replace)

    def _pages_of(self, record: Any) -> Iterator[int]:
        kind = type(record)
        fields = self._fields.get(kind)
        if fields is None:
            fields = self._fields[kind] = tuple(name for name in _PAGES if hasattr(record, name))
        for name in fields:
            pgno = getattr(record, name)
            if pgno not in _NO_PAGE:
                yield pgno
        if isinstance(record, lr.EmptyTree):
            yield from (each.pgno for each in record.empty_pages())

    def _dbtime(self, database: ReplayedPages, dbid: int, pgno: int) -> int:
        """Return the dbtime of a page in the file, -1 when there is no such page or it cannot be read."""
        found = self._known.get((dbid, pgno))
        if found is None:
            try:
                source = database.spilled if pgno in database.torn else database.spilled.base
                found = source.page(pgno).header.dbtime
            except EseError as error:
                if error.code not in _UNREADABLE:
                    raise
                found = -1
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[dbid, pgno] = found
        return found


_UNREADABLE: Final = frozenset(
    (
        Err.ReadVerifyFailure,
        Err.ReadPgnoVerifyFailure,
        Err.PageNotInitialized,
        Err.FileIOBeyondEOF,
        Err.DatabaseCorrupted,
    )
)
"""A page that cannot be read holds nothing that would be ahead: it is built anew, or found damaged, at any stop."""


def earliest_stop(
    env: Environment,
    stream: LogStream,
    checkpoint: Checkpoint | None,
    find: Callable[[str, Named], str],
    *,
    set_top: int = 0,
) -> LgPos:
    """Return the position of the first record at which a replay may end; `find` tells where databases lie.

    -515, -501, -543 ... when a log of the required range is missing or damaged: what the pages hold cannot be told.
    """
    quiet = EventLog(now=env.now, shared=False)
    start = LgPos(min(stream.generations), 1, 0) if checkpoint is None else checkpoint.checkpoint
    reach = Reach()
    state = ControlReplay(
        env, quiet, find, start.generation, _highest(stream, start.generation), set_top=set_top, pages=reach
    )
    state.follows(stream, start)
    try:
        _follow(stream, checkpoint, start, state, reach, set_top)
    finally:
        state.close()
    return max(reach.earliest, start)


def _highest(stream: LogStream, lowest: int) -> LogHeader:
    """Return the header of the newest log that has one."""
    for generation in range(max(stream.generations), lowest, -1):
        try:
            with stream.open(generation) as log:
                return log.header
        except EseError:
            continue
    with stream.open(lowest) as log:
        return log.header


def _follow(
    stream: LogStream,
    checkpoint: Checkpoint | None,
    start: LgPos,
    state: ControlReplay,
    reach: Reach,
    set_top: int,
) -> None:
    sequence = LogSequence(stream, state.events, set_top)
    generation = start.generation
    while generation <= max(*stream.generations, _needed(state)):
        needed = generation <= _needed(state) or generation == start.generation
        try:
            with sequence.open(generation) as log:
                first = generation == start.generation
                if first:
                    state.begin(first_attachments(log.header, checkpoint, start), log.header)
                    _meet_all(state, reach)
                state.begin_generation(generation)
                if generation <= _needed(state):
                    _check_whole(sequence, log)
                for each in log.records(start if first else None, strict=False):
                    state.apply(each, log.header)
                    _judge(each, state, reach)
                sequence.done(log)
        except EseError:
            if needed:
                raise
            # Behind the required range there is nothing that the files could hold.
            return
        generation += 1


def _check_whole(sequence: LogSequence, log: LogFile) -> None:
    """Raise for a damaged log; the last one may end as a crash leaves it."""
    if log.generation == max(sequence.stream.generations):
        read_tail(sequence.stream.fs, log.path, sequence.events)
    elif log.scan().corruption is not None:
        sequence.refuse_corrupt(log)


def _needed(state: ControlReplay) -> int:
    """Return the highest generation of which something may be in a file."""
    return max((each.on_disk.gen_max_required for each in state.attached.values()), default=0)


def _judge(found: LogRecord, state: ControlReplay, reach: Reach) -> None:
    """Look at what a record said about a database as a whole."""
    record = found.record
    if isinstance(record, lr.AttachDB | lr.CreateDB):
        reach.forget_pages()
        taken = state.attached.get(record.dbid)
        if taken is not None and not taken.anew and taken.on_disk.lgpos_attach == found.pos:
            reach.earliest = max(reach.earliest, found.pos)
        _meet_all(state, reach)
    elif isinstance(record, lr.CreateDBFinish):
        # Before that it is no database yet: its catalog does not even list itself.
        if record.dbid in state.attached:
            reach.earliest = max(reach.earliest, found.pos)
    elif isinstance(record, _CUTS):
        cut = state.attached.get(record.dbid)
        if cut is not None and cut.pages.cache.tolerant:
            reach.earliest = max(reach.earliest, found.pos)


def _meet_all(state: ControlReplay, reach: Reach) -> None:
    """Take in the databases that are further than the log at this point."""
    for each in state.passed.values():
        if each.verdict.harmless:
            reach.earliest = max(reach.earliest, each.later)
