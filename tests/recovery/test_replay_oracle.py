"""Crashed databases of the real engine: redo and undo give its pages and its undo records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbheader import DatabaseHeader
from engine.format.page import PageFlags, pages_in_file
from engine.log.reader import LogFile
from engine.page_reading import read_verified
from engine.pages.cache import PageCache
from engine.pages.mutable import MutablePage
from engine.recovery.replay import Replay
from engine.recovery.undo import undo_all
from engine.redo.apply import apply
from engine.types import LGPOS_MIN, LgPos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CASES: Final = (
    "circular", "ddl", "deletes", "efvE15", "efvWin10", "escrow", "firstlog", "index", "inserts", "lv", "lv32k",
    "multidb", "names83", "p16k", "p32k", "p4k", "rollback", "termabrupt", "termdirty", "threads", "uncommitted",
    "updates",
)  # fmt: skip
UNDO_INFO_ELSEWHERE: Final = {"uncommitted"}
"""Cases where the engine's cache wrote a page during undo and so logged some UndoInfo records earlier than needed."""
NODE_VERSION: Final = 1
COMPARED_FLAGS: Final = 0x3FFFF & ~(PageFlags.FLUSH_TYPE | PageFlags.SCRUBBED | 0x2800)


class Database:
    """A copy in memory of a crashed database; the file stays as it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = RealFileSystem().open(str(path))
        head = self.file.read_at(0, 32768)
        size = int.from_bytes(head[236:240], "little") or 4096
        self.header = DatabaseHeader.parse(head[:size])
        self.written: dict[int, bytes] = {}
        self.cache = PageCache(str(path), size, read=self.read, write=self.write)
        self.pin, self.unpin = self.cache.pin, self.cache.unpin
        self.attach_position = LGPOS_MIN
        self.dbtime_last = self.header.dbtime_dirtied
        self.objid_last = self.header.objid_last

    @property
    def store(self) -> PageCache:
        return self.cache

    def read(self, pgno: int) -> bytes | bytearray:
        return self.written.get(pgno) or read_verified(self.file, pgno, self.header.page_size)

    def write(self, pgno: int, data: bytes | bytearray) -> None:
        self.written[pgno] = bytes(data)


def open_logs(folder: Path) -> list[LogFile]:
    fs = RealFileSystem()
    found = [
        LogFile.open(fs, str(path))
        for path in folder.iterdir()
        if path.suffix in {".log", ".jtx"} and "tmp" not in path.name and "res" not in path.name
    ]
    return sorted(found, key=lambda each: each.generation)


def replay_all(folder: Path) -> tuple[Replay, dict[str, Database]]:  # noqa: C901 - one branch a kind of record
    replay = Replay()
    found: dict[str, Database] = {}
    logs = open_logs(folder)

    def attach(dbid: int, path: str, pos: LgPos | None) -> None:
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        database = found.get(name) or Database(folder / name)
        if pos is None or database.header.lgpos_attach <= pos:
            found[name] = replay.databases[dbid] = database
        elif name not in found:
            database.file.close()

    for info in logs[0].header.attachments:
        attach(info.dbid, info.path, None)
    for log in logs:
        for each in log.records(strict=False):
            record = each.record
            if replay.feed(each.pos, record):
                continue
            if isinstance(record, lr.CreateDB | lr.AttachDB):
                attach(record.dbid, record.path, each.pos)
            elif isinstance(record, lr.DetachDB):
                replay.databases.pop(record.dbid, None)
            elif isinstance(record, lr.Term2 | lr.RecoveryQuit2):
                replay.end_sessions()
                replay.databases.clear()
        log.close()
    return replay, found


def undo_records(folder: Path) -> list[lr.Record]:
    """Return what the engine's recovery logged between RecoveryUndo2 and ShutDownMark."""
    found: list[lr.Record] = []
    open_phase = False
    for log in open_logs(folder):
        with log:
            for each in log.records(strict=False):
                if isinstance(each.record, lr.RecoveryUndo2):
                    found, open_phase = [], True
                elif isinstance(each.record, lr.ShutDownMark):
                    open_phase = False
                elif open_phase and not isinstance(each.record, lr.NOP | lr.NOP2):
                    found.append(each.record)
    return found


def before_images(records: list[lr.Record]) -> dict[int, tuple[int, bytes, bytes]]:
    return {each.rceid: (each.oper, each.bookmark_key, each.data) for each in records if isinstance(each, lr.UndoInfo)}


def differences(ours: MutablePage, theirs: MutablePage) -> list[str]:
    """Compare what a page says; the order of blobs, the write counter and version marks do not count."""
    if (ours.flags | theirs.flags) & PageFlags.EMPTY:
        return [] if (ours.flags & theirs.flags) & PageFlags.EMPTY and ours.dbtime == theirs.dbtime else ["empty"]
    pairs = {
        "dbtime": (ours.dbtime, theirs.dbtime),
        "links": ((ours.prev, ours.next, ours.objid), (theirs.prev, theirs.next, theirs.objid)),
        "flags": (ours.flags & COMPARED_FLAGS, theirs.flags & COMPARED_FLAGS),
        "external": (ours.external, theirs.external),
        "free": (ours.free, theirs.free),
        "nodes": tuple([(flags & ~NODE_VERSION, *rest) for flags, *rest in page.full()] for page in (ours, theirs)),
    }
    return [name for name, (one, two) in pairs.items() if one != two]


def compared_pages(ours: Database, theirs: Database) -> Iterator[tuple[int, list[str]]]:
    last = pages_in_file(theirs.file.size(), theirs.header.page_size)
    for pgno in range(1, last + 1):
        one, two = ours.cache.peek(pgno), theirs.cache.peek(pgno)
        if one is None or two is None:
            yield pgno, [] if one is two else ["missing on one side"]
        else:
            yield pgno, differences(one, two)


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_recovered_pages_and_undo_records_are_the_engines(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("dirty") / f"dirty-{case}"
    replay, databases = replay_all(folder / "before")
    logged: list[lr.Record] = []
    undo_all(replay, logged.append)
    expected = undo_records(folder / "after")
    if case in UNDO_INFO_ELSEWHERE:
        assert before_images(logged) == before_images(expected)
        logged, expected = (
            [each for each in records if not isinstance(each, lr.UndoInfo)] for records in (logged, expected)
        )
    assert logged == expected
    assert databases
    compared = 0
    for name, database in databases.items():
        after = Database(folder / "after" / name)
        wrong = {pgno: what for pgno, what in compared_pages(database, after) if what}
        assert wrong == {}
        compared += len(database.cache._pages)
        after.file.close()
        database.file.close()
    assert compared > 10


@pytest.mark.oracle
def test_replaying_twice_changes_nothing(oracle: Callable[[str], Path]) -> None:
    folder = oracle("dirty") / "dirty-lv" / "before"
    _, first = replay_all(folder)
    database = first["a.edb"]
    database.cache.flush()
    again = Replay()
    again.databases[1] = database
    for log in open_logs(folder):
        with log:
            for each in log.records(strict=False):
                again.feed(each.pos, each.record)
    assert database.cache.dirty_pages == 0
    database.file.close()


def test_a_record_of_a_page_that_is_too_old_is_refused(tmp_path: Path) -> None:
    page = MutablePage(5, 4096, objid=7, flags=PageFlags.ROOT | PageFlags.LEAF)
    page.dbtime = 10
    kept: dict[int, bytes | bytearray] = {5: page.encode()}
    cache = PageCache(str(tmp_path), 4096, read=kept.__getitem__, write=kept.__setitem__)
    record = lr.Insert(1, 1, 5, 21, 20, 4, 1, 0, 0, 0, 5, 7, b"", b"k", b"data")
    with pytest.raises(EseError) as caught:
        apply(record, cache)
    assert caught.value.code == -566
    assert caught.value.page == 5
