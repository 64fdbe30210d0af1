"""Pages kept twice: what tears in the database is found whole in the shadow, and nothing else is taken from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem
from engine.files.fault import FaultFileSystem
from engine.format.checksum import verify_page
from engine.format.dbheader import DatabaseHeader, DbState
from engine.format.node import NodeFlags
from engine.format.page import PageFlags, page_offset
from engine.log.mark import LogMark
from engine.pages import shadow
from engine.pages.mutable import MutablePage
from engine.pages.shadow import LIVE, RECOVERY, Bond, PageShadow, state_of, torn_pages
from engine.types import LgPos, LogTime, Signature

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/d/a.edb"


MARK = LogMark(LgPos(3, 4, 500), LogTime(b"\1" * 8), 77)
HEADER = DatabaseHeader.create(
    4096,
    sign_db=Signature(1),
    sign_log=Signature(2),
    state=DbState.DIRTY_SHUTDOWN,
    dbid=1,
    lgpos_attach=LgPos(2, 1, 0),
    logtime_attach=LogTime(b"\2" * 8),
    lgpos_consistent=LgPos(1, 9, 0),
)


def mark_at(segment: int) -> LogMark:
    return MARK._replace(position=LgPos(3, segment, 0))


def image(pgno: int, dbtime: int, size: int, text: bytes = b"") -> bytes:
    page = MutablePage(pgno, size, objid=9, flags=PageFlags.LEAF)
    page.dbtime = dbtime
    page.insert_key(0, 0, b"key", text or b"data")
    return bytes(page.encode())


class Place:
    """A disk with a database of a few pages, and its shadow."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.disk = CrashFileSystem()
        self.disk.make_directory("/d")
        self.fs = FaultFileSystem(self.disk)
        self.file = self.fs.open(PATH, OpenMode.CREATE)
        for pgno in range(1, 9):
            self.put(pgno, image(pgno, 10, size))
        self.shadow = self.new_shadow(LIVE)
        self.bond = Bond(state_of(HEADER), LgPos(2, 1, 0), lambda _: True)

    def new_shadow(self, suffix: str) -> PageShadow:
        return PageShadow(self.fs, PATH + suffix, self.size, state_of(HEADER), self.file.fsync)

    def put(self, pgno: int, data: bytes) -> None:
        self.file.write_at(page_offset(pgno, self.size), data)

    def tear(self, pgno: int, data: bytes) -> None:
        self.put(pgno, data[: self.size // 2] + bytes(self.size // 2))

    def torn(self) -> dict[int, bytes]:
        return torn_pages(self.disk, self.file, self.size, self.bond)


@pytest.fixture(params=[4096, 32768])
def place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param)


def test_a_torn_page_is_found_in_the_shadow(place: Place) -> None:
    new = {pgno: image(pgno, 20, place.size) for pgno in (2, 3, 5)}
    place.shadow.protect([*new.items()], MARK)
    place.put(2, new[2])
    place.tear(3, new[3])
    assert place.torn() == {3: new[3], 5: new[5]}, "2 is written; that 5 is not torn cannot be seen"


def test_the_newest_image_counts(place: Place) -> None:
    for dbtime in (20, 30, 30):
        last = image(4, dbtime, place.size, b"%d" % dbtime)
        place.shadow.protect([(4, last)], MARK)
    place.tear(4, last)
    assert place.torn() == {4: last}
    second = place.new_shadow(RECOVERY)
    newer = image(4, 40, place.size)
    second.protect([(4, newer)], MARK)
    assert place.torn() == {4: newer}


def test_a_page_that_is_torn_and_has_the_right_checksum(place: Place) -> None:
    """The flags of two lines lie in the last sectors, everything else that changed in the first."""
    page = MutablePage(4, place.size, objid=9, flags=PageFlags.LEAF)
    for line in range(40):
        page.insert_key(line, 0, b"key%02d" % line, b"data" * 4)
    page.dbtime = 20
    old = bytes(page.encode())
    page.dbtime = 21
    for line in (21, 29):
        page.set_flags(line, add=NodeFlags.DELETED | NodeFlags.VERSION)
    new = bytes(page.encode())
    place.shadow.protect([(4, new)], MARK)
    place.put(4, new[:512] + old[512:])
    if place.size == 4096:
        assert verify_page(place.file.read_at(page_offset(4, place.size), place.size), 4) is None
    assert place.torn() == {4: new}


def test_a_page_that_is_torn_and_has_the_right_checksum_and_an_old_dbtime(place: Place) -> None:
    """All sectors but the first have words that are all alike, and the first one never came."""
    old, new = (
        image(4, dbtime, place.size, bytes([fill]) * (place.size * 3 // 4)) for dbtime, fill in ((10, 60), (20, 61))
    )
    torn = old[:1024] + new[1024:2048] + old[2048:]
    if place.size == 4096:
        assert verify_page(torn, 4) is None
    place.put(4, old)
    place.shadow.protect([(4, new)], MARK)
    place.put(4, torn)
    assert place.torn() == {4: new}


def test_a_page_that_somebody_else_has_brought_further(place: Place) -> None:
    old, newer = image(4, 20, place.size), image(4, 30, place.size)
    place.shadow.protect([(4, old)], MARK)
    place.put(4, newer)
    assert place.torn() == {}
    place.tear(4, newer)
    assert place.torn() == {4: old}, "what came later is replayed"


@pytest.mark.parametrize(
    "change",
    [
        {"state": DbState.CLEAN_SHUTDOWN},
        {"sign_db": Signature(3)},
        {"sign_log": Signature(3)},
        {"dbid": 2},
        {"lgpos_attach": LgPos(3, 1, 0)},
        {"logtime_attach": LogTime(b"\3" * 8)},
        {"lgpos_consistent": LgPos(2, 9, 0)},
        {"lgpos_last_reattach": LgPos(3, 1, 0)},
    ],
    ids=lambda each: next(iter(each)),
)
def test_images_of_another_state_of_the_database(place: Place, change: dict[str, Any]) -> None:
    new = image(4, 20, place.size)
    place.shadow.protect([(4, new)], MARK)
    place.tear(4, new)
    assert place.torn() == {4: new}
    place.bond = place.bond._replace(state=state_of(HEADER.replace(**change)))
    assert place.torn() == {}


def test_what_moves_while_a_database_is_attached_is_no_other_state() -> None:
    moved = HEADER.replace(gen_min_required=4, gen_max_required=9, gen_max_committed=9, update_major=150, objid_last=77)
    assert state_of(moved.replace(dbtime_dirtied=99, sign_db_hdr_flush=Signature(5))) == state_of(HEADER)


@pytest.mark.parametrize("reached", range(1, 8))
@pytest.mark.parametrize("start", [1, 3])
def test_images_count_between_the_start_and_the_end_of_the_log(place: Place, start: int, reached: int) -> None:
    new = {pgno: image(pgno, 20, place.size) for pgno in range(1, 8)}
    for pgno, each in new.items():
        place.shadow.protect([(pgno, each)], mark_at(pgno))
    asked: list[LogMark] = []

    def reaches(mark: LogMark) -> bool:
        asked.append(mark)
        return mark.position.segment <= reached

    place.bond = place.bond._replace(start=LgPos(3, start, 0), reaches=reaches)
    assert place.torn() == {pgno: new[pgno] for pgno in range(start, reached + 1)}
    assert all(each.created == MARK.created and each.check == MARK.check for each in asked)
    assert asked[0] == mark_at(7)
    assert len(asked) == 1 or reached < 7


def test_a_log_that_was_replaced_leaves_no_image(place: Place) -> None:
    place.shadow.protect([(4, image(4, 20, place.size))], MARK)
    place.bond = place.bond._replace(reaches=lambda _: False)
    assert place.torn() == {}


def test_images_that_are_torn_themselves_are_no_help(place: Place) -> None:
    new = image(4, 20, place.size)
    place.shadow.protect([(4, new)], MARK)
    with place.fs.open(PATH + LIVE, OpenMode.READ_WRITE) as file:
        file.write_at(2 * place.size - 512, b"\xee" * 512)
    place.tear(4, new)
    assert place.torn() == {}


def test_an_image_that_is_torn_and_has_the_right_checksum_is_no_help() -> None:
    place = Place(4096)
    old, new = (image(4, 20, 4096, bytes([fill]) * 3072) for fill in (60, 61))
    torn = new[:1024] + old[1024:2048] + new[2048:]
    assert verify_page(torn, 4) is None
    place.shadow.protect([(4, new)], MARK)
    with place.fs.open(PATH + LIVE, OpenMode.READ_WRITE) as file:
        file.write_at(4096, torn)
    assert place.torn() == {}


def test_what_is_no_shadow_is_passed_over(place: Place) -> None:
    for content in (b"", b"x" * 100, b"\xff" * (3 * place.size), b"ESEshad2" + b"\xff" * (2 * place.size)):
        with place.fs.open(PATH + LIVE, OpenMode.CREATE) as file:
            file.write_at(0, content)
        assert place.torn() == {}
    place.fs.unlink(PATH + LIVE)
    place.fs.make_directory(PATH + LIVE)
    assert place.torn() == {}


def test_an_index_with_a_wrong_byte_ends_the_file(place: Place) -> None:
    for pgno in (2, 3):
        place.shadow.protect([(pgno, image(pgno, 20, place.size))], MARK)
    for offset in (8, 12, 16, 20, 28, 40, 100, 200):
        with place.fs.open(PATH + LIVE, OpenMode.READ_WRITE) as file:
            at = 2 * place.size + offset
            (before,) = file.read_at(at, 1)
            file.write_at(at, bytes([before ^ 1]))
            assert list(place.torn()) == [2], offset
            file.write_at(at, bytes([before]))
    assert list(place.torn()) == [2, 3]


def test_images_of_an_earlier_round_do_not_count(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_ROUND", 4 * place.size)
    rounds = [place.shadow.protect([(pgno, image(pgno, 20, place.size))], MARK) for pgno in (2, 3, 4)]
    assert rounds == [1, 1, 2]
    assert list(place.torn()) == [4], "2 and its like are on the disk, the file has 3 behind 4 still"


def test_the_database_is_durable_before_a_round_begins_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_ROUND", 5 * place.size)
    del place.fs.operations[:]
    for dbtime in (20, 21, 22):
        place.shadow.protect([(1, image(1, dbtime, place.size))], MARK)
    done = [(each.op, each.path.rpartition(".")[2]) for each in place.fs.operations]
    assert done.count(("fsync", "edb")) == 1
    assert done.index(("fsync", "edb")) == len(done) - 3, "before the third is written"


@pytest.mark.parametrize("leave", [PageShadow.close, PageShadow.remove])
def test_the_file_goes_with_the_need_of_it(leave: Callable[[PageShadow], None]) -> None:
    place = Place(4096)
    leave(place.shadow)
    assert place.fs.stat(PATH + LIVE) is None, "never needed"
    place.shadow.protect([(1, image(1, 20, 4096))], MARK)
    leave(place.shadow)
    assert (place.fs.stat(PATH + LIVE) is None) == (leave is PageShadow.remove)
