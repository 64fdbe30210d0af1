"""The log as live work uses it: a record is appended and, if it is about pages, applied.

One *latch* guards everything in memory: whoever changes or reads live pages holds it, shortly.  It is the lock of the
log writer, so the order of the records in the log is the order in which they were applied.  Nobody waits for the
disk with it to make a commit durable: `wait_durable` is for after it was given up.

The journal also knows which transactions recovery would still have to see from their beginning: those that are open,
and those whose commit is not on the disk yet.  The checkpoint stays before the oldest.

Source: log reference 1.3, 2.3, 5.2, 6.3, 6.4.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from engine.errors import Err, EseError
from engine.format import lr
from engine.format.versions import LOG_MAJOR, LOG_MINOR, LogVersion
from engine.redo.apply import Applied, apply, apply_macro, apply_undo
from engine.store.turns import Turns

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from engine.log.writer import LogWriter
    from engine.redo.node_ops import UndoData
    from engine.store.pages import StorePages
    from engine.types import LgPos

_LEVEL_BITS: Final = 4
_LEVEL_MASK: Final = 0xF
_MACRO_INFO_WITH_DATABASE: Final = LogVersion(LOG_MAJOR, LOG_MINOR, 5, 14)
_SINCE: Final[dict[type[lr.Record], LogVersion]] = {
    lr.FreeFDP: LogVersion(LOG_MAJOR, LOG_MINOR, 5, 16),
    lr.ExtentFreed: LogVersion(LOG_MAJOR, LOG_MINOR, 90, 200),
    lr.ExtentFreed2: LogVersion(LOG_MAJOR, LOG_MINOR, 120, 260),
}
"""First log version that has a record which older streams do without."""


class _Open:
    """An open transaction: where its Begin0 lies, and its level by what was logged."""

    __slots__ = ("begin0", "level")

    def __init__(self, begin0: LgPos, level: int) -> None:
        self.begin0 = begin0
        self.level = level


class Journal:
    """One per running instance.  Every method but `wait_durable` is called with `latch` held.

    When a record that was appended cannot be applied, the log says what the pages do not: the log is taken down, and
    only recovery, which has the pages as they are on the disk, can go on.
    """

    def __init__(self, writer: LogWriter) -> None:
        self.writer = writer
        self.latch: threading.RLock = writer.lock
        self.turns = Turns(self.latch)
        self._open: dict[int, _Open] = {}
        self._committed: deque[tuple[LgPos, LgPos]] = deque()
        """(position of Commit0 or Rollback, position of Begin0) of transactions whose end may not be durable."""
        self.taking_back = False
        """Whether changes are being taken back, with the latch held: permitted on a full disk too."""
        self._macro: LgPos | None = None
        version = writer.header.version
        self._with_database = version >= _MACRO_INFO_WITH_DATABASE
        self._unknown = frozenset(kind for kind, since in _SINCE.items() if version < since)
        """Records that are left out: engines that read this stream do not know them, and need them no more."""

    # Appending.

    def note(self, record: lr.Record) -> LgPos:
        """Append a record that changes no page; its position.  -529 for what begins new work when the disk is full."""
        if self.writer.disk_full and isinstance(record, _NEW_WORK):
            raise self._full()
        if type(record) in self._unknown:
            return self.writer.last_record
        position = self.writer.append(record.pack())
        handler = _TRANSACTIONS.get(type(record))
        if handler is not None:
            handler(self, position, record)
        return position

    def do(self, pages: StorePages, record: lr.PageRecord | lr.NewPage, begin0: LgPos | None) -> Applied:
        """Append a record and apply it.  `begin0`: of the transaction it belongs to; None for work of the system.

        The record must fit its page: -510 and what the page said when it did not.  -529 when the log disk is full: the
        reserve logs are for taking back and for ending.  -1010 when the database is being detached.
        """
        writer = self.writer
        if pages.sealed or (writer.disk_full and not self.taking_back):
            raise self._refusal(pages)
        position = writer.append(record.pack())
        pages.stamp(position, begin0 or position)
        try:
            return apply(record, pages)
        except BaseException as error:
            self._take_down(error)
            raise

    def undo(self, pages: StorePages, record: lr.Undo, data: UndoData | None, begin0: LgPos | None) -> Applied:
        """Append an Undo record and apply it with what its version knows."""
        position = self.writer.append(record.pack())
        pages.stamp(position, begin0 or position)
        try:
            return apply_undo(record, pages, data)
        except BaseException as error:
            self._take_down(error)
            raise

    def do_macro(
        self, pages: StorePages, procid: int, records: Sequence[lr.Record], begin0: LgPos | None
    ) -> dict[int, Applied]:
        """Append records as one macro and apply them as one; by index, what became of node operations.

        The macro bears the dbtime of its first record.
        """
        first = records[0]
        if not isinstance(first, lr.PageRecord):
            raise EseError.from_code(Err.InternalError, "a macro begins with a page operation")
        if (self.writer.disk_full and not self.taking_back) or pages.sealed:
            raise self._refusal(pages)
        dbtime, append = first.dbtime, self.writer.append
        began = append(lr.MacroBegin(procid, dbtime).pack())
        # A generation that begins in the middle of the macro must leave the checkpoint before it.
        self._macro = began
        for record in records:
            append(record.pack())
        numbers = _pages_of(records)
        # As the engine has it: the older record speaks of database 1.
        with_database = self._with_database and first.dbid != 1
        info = lr.MacroInfo2.create(first.dbid, numbers) if with_database else lr.MacroInfo.create(numbers)
        commit = self.writer.append_group((lr.MacroCommit(procid, dbtime).pack(), info.pack()))
        pages.stamp(commit[-1], begin0 or began)
        try:
            return apply_macro(records, pages)
        except BaseException as error:
            self._take_down(error)
            raise
        finally:
            self._macro = None

    def _take_down(self, error: BaseException) -> None:
        """Let nothing follow a record that is not applied, or not whole, for whatever reason: an interrupt too."""
        if not isinstance(error, EseError):
            error = EseError.from_code(Err.InternalError, f"broken off by {type(error).__name__}")
        self.writer.take_down(error)

    def _refusal(self, pages: StorePages) -> EseError:
        if pages.sealed:
            return EseError.from_code(Err.InvalidDatabaseId, "the database was detached", path=pages.path)
        return self._full()

    def _full(self) -> EseError:
        return EseError.from_code(Err.LogDiskFull, path=self.writer.folder)

    # Durability.

    def wait_durable(self, position: LgPos) -> None:
        """Return when the record at `position` is on the disk.  Called without the latch; -510 when it cannot be."""
        if self.writer.tip <= position:
            self.writer.flush_to(position)

    def flush_lazy(self) -> None:
        """Make durable what nobody waits for.  Called without the latch."""
        if self.writer.unwritten:
            self.writer.flush_to(self.writer.last_record)

    def oldest(self) -> LgPos | None:
        """Return where the oldest transaction begins whose end is not on the disk; None when there is none."""
        tip = self.writer.tip
        while self._committed and self._committed[0][0] < tip:
            self._committed.popleft()
        found = [each.begin0 for each in self._open.values()]
        found += [begin0 for _, begin0 in self._committed]
        if self._macro is not None:
            found.append(self._macro)
        return min(found, default=None)

    # Transactions, as the log tells of them.

    def _begin0(self, position: LgPos, record: lr.Begin0) -> None:
        self._open[record.procid] = _Open(position, record.levels >> _LEVEL_BITS)

    def _begin(self, _position: LgPos, record: lr.Begin) -> None:
        found = self._open.get(record.procid)
        if found is not None:
            found.level = (record.levels & _LEVEL_MASK) + (record.levels >> _LEVEL_BITS)

    def _commit(self, position: LgPos, record: lr.Commit | lr.Commit0) -> None:
        self._to_level(position, record.procid, record.level_to)

    def _rollback(self, position: LgPos, record: lr.Rollback) -> None:
        found = self._open.get(record.procid)
        if found is not None:
            self._to_level(position, record.procid, found.level - record.levels)

    def _to_level(self, position: LgPos, procid: int, level: int) -> None:
        found = self._open.get(procid)
        if found is None:
            return
        found.level = level
        if level <= 0:
            del self._open[procid]
            self._committed.append((position, found.begin0))


_NEW_WORK: Final = (lr.Begin0, lr.Begin, lr.ExtendDB)
"""Records that change no page and are refused when the log disk is full."""

_TRANSACTIONS: dict[type[lr.Record], Callable[[Journal, LgPos, lr.Record], None]] = {
    lr.Begin0: Journal._begin0,  # type: ignore[dict-item]  # noqa: SLF001 - the class's own table
    lr.Begin: Journal._begin,  # type: ignore[dict-item]  # noqa: SLF001
    lr.Commit: Journal._commit,  # type: ignore[dict-item]  # noqa: SLF001
    lr.Commit0: Journal._commit,  # type: ignore[dict-item]  # noqa: SLF001
    lr.Rollback: Journal._rollback,  # type: ignore[dict-item]  # noqa: SLF001
}


def _pages_of(records: Sequence[lr.Record]) -> list[int]:
    """Return the pages that the records of a macro name, ascending."""
    found: set[int] = set()
    for record in records:
        for field in ("pgno", "pgno_new", "pgno_right", "pgno_left"):
            found.add(getattr(record, field, 0))
    found.discard(0)
    return sorted(found)
