"""Pages kept twice: what tears in the database is found whole in the shadow, and nothing else is taken from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.files.base import OpenMode
from engine.files.crash import CrashFileSystem
from engine.files.fault import FaultFileSystem
from engine.format.checksum import verify_page
from engine.format.node import NodeFlags
from engine.format.page import PageFlags, page_offset
from engine.pages import shadow
from engine.pages.mutable import MutablePage
from engine.pages.shadow import LIVE, RECOVERY, PageShadow, torn_pages

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/d/a.edb"


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
        self.shadow = PageShadow(self.fs, PATH + LIVE, size, self.file.fsync)

    def put(self, pgno: int, data: bytes) -> None:
        self.file.write_at(page_offset(pgno, self.size), data)

    def tear(self, pgno: int, data: bytes) -> None:
        self.put(pgno, data[: self.size // 2] + bytes(self.size // 2))

    def torn(self) -> dict[int, bytes]:
        return torn_pages(self.disk, self.file, self.size)


@pytest.fixture(params=[4096, 32768])
def place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param)


def test_a_torn_page_is_found_in_the_shadow(place: Place) -> None:
    new = {pgno: image(pgno, 20, place.size) for pgno in (2, 3, 5)}
    place.shadow.protect([*new.items()])
    place.put(2, new[2])
    place.tear(3, new[3])
    assert place.torn() == {3: new[3]}, "2 is written, 5 is as it was"


def test_the_newest_image_counts(place: Place) -> None:
    for dbtime in (20, 30, 30):
        last = image(4, dbtime, place.size, b"%d" % dbtime)
        place.shadow.protect([(4, last)])
    place.tear(4, last)
    assert place.torn() == {4: last}
    second = PageShadow(place.fs, PATH + RECOVERY, place.size, place.file.fsync)
    newer = image(4, 40, place.size)
    second.protect([(4, newer)])
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
    place.shadow.protect([(4, new)])
    place.put(4, new[:512] + old[512:])
    if place.size == 4096:
        assert verify_page(place.file.read_at(page_offset(4, place.size), place.size), 4) is None
    assert place.torn() == {4: new}


def test_images_that_are_torn_themselves_are_no_help(place: Place) -> None:
    new = image(4, 20, place.size)
    place.shadow.protect([(4, new)])
    with place.fs.open(PATH + LIVE, OpenMode.READ_WRITE) as file:
        file.write_at(2 * place.size - 512, b"\xee" * 512)
    place.tear(4, new)
    assert place.torn() == {}


def test_what_is_no_shadow_is_passed_over(place: Place) -> None:
    for content in (b"", b"x" * 100, b"\xff" * (3 * place.size), b"ESEshad1" + b"\xff" * (2 * place.size)):
        with place.fs.open(PATH + LIVE, OpenMode.CREATE) as file:
            file.write_at(0, content)
        assert place.torn() == {}
    place.fs.unlink(PATH + LIVE)
    place.fs.make_directory(PATH + LIVE)
    assert place.torn() == {}


def test_the_database_is_durable_before_a_round_begins_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_ROUND", 5 * place.size)
    del place.fs.operations[:]
    for dbtime in (20, 21, 22):
        place.shadow.protect([(1, image(1, dbtime, place.size))])
    done = [(each.op, each.path.rpartition(".")[2]) for each in place.fs.operations]
    assert done.count(("fsync", "edb")) == 1
    assert done.index(("fsync", "edb")) == len(done) - 3, "before the third is written"


@pytest.mark.parametrize("leave", [PageShadow.close, PageShadow.remove])
def test_the_file_goes_with_the_need_of_it(leave: Callable[[PageShadow], None]) -> None:
    place = Place(4096)
    leave(place.shadow)
    assert place.fs.stat(PATH + LIVE) is None, "never needed"
    place.shadow.protect([(1, image(1, 20, 4096))])
    leave(place.shadow)
    assert (place.fs.stat(PATH + LIVE) is None) == (leave is PageShadow.remove)
