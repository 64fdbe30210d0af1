"""Pages against the flush map: real pairs agree in every page, and a page of an older write shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.attached import AttachedDatabase
from engine.btree.tree import Tree
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.flush_map import FlushMap, believable_flush_map, page_marks
from engine.format.checksum import verify_batch
from engine.format.flushmap import FLUSH_MAP_PAGE_SIZE, FLUSH_MAP_SLOTS, FlushMapHeader
from engine.format.page import page_offset, pages_in_file
from engine.header_file import read_header, read_header_from, write_header
from engine.instance import Instance
from engine.store import nodes
from engine.store.doing import TreeRef
from engine.table import open_database
from engine.types import Signature
from tests.flush_maps import PAGE, PAGE_SIZE, Srum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from engine.flush_map import Compared
    from engine.params import Param

FS = RealFileSystem()
LOST = Err.ReadLostFlushVerifyFailure


@pytest.fixture
def srum(corpus: Path, tmp_path: Path) -> Srum:
    return Srum.copy(corpus, tmp_path / "srum")


def compared(path: Path, *, skip: Iterable[int] = (), batch: int = 100) -> list[Compared] | None:
    """Compare all pages of a database, in small batches; None when the map is not believed."""
    header = read_header(FS, str(path)).header
    flush_map = FlushMap.open(FS, str(path), header)
    if flush_map is None:
        return None
    size = header.page_size
    data = path.read_bytes()
    found = []
    with flush_map:
        for first in range(1, pages_in_file(len(data), size) + 1, batch):
            begin = page_offset(first, size)
            end = min(begin + batch * size, len(data) // size * size)
            pages = data[begin:end]
            result = verify_batch(pages, first, size)
            found.append(flush_map.compare(page_marks(pages, size, result), set(skip)))
    return found


def lost(path: Path, **options: int) -> list[tuple[int, ...]]:
    found = compared(path, batch=options.get("batch", 100))
    assert found is not None
    return [tuple(each) for part in found for each in part.lost]


def test_every_real_pair_agrees(corpus: Path, oracle: Callable[[str], Path]) -> None:
    """Maps that are believed contradict no page; those of databases that were open are not believed."""
    believed = refused = 0
    for top in (corpus, *(oracle(group) for group in ("clean", "dirty", "backup", "restore"))):
        for path in top.rglob("*.jfm"):
            for database in path.parent.glob(f"{path.stem}.*"):
                if database.suffix not in {".edb", ".dat"}:
                    continue
                found = compared(database)
                clean = read_header(FS, str(database)).header.clean
                assert (found is not None) == clean, database
                believed += clean
                refused += not clean
                for part in found or ():
                    assert not part.lost, database
                    assert not part.distrusted, database
    assert believed >= 60
    assert refused >= 80


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_an_older_write_shows(srum: Srum, batch: int) -> None:
    expected, older = srum.lose_write(PAGE)
    assert lost(srum.database, batch=batch) == [(PAGE, expected, older, 0)]


def test_a_page_that_is_not_there_shows(srum: Srum) -> None:
    srum.write_page(PAGE, bytes(PAGE_SIZE))
    assert lost(srum.database) == [(PAGE, srum.expected(PAGE), 0, 0)]


def test_no_verdict(srum: Srum) -> None:
    """A page without counter, a slot without counter, a page that is damaged anyway."""
    srum.set_flush_type(PAGE, 0)
    assert lost(srum.database) == []
    srum.lose_write(PAGE)
    found = compared(srum.database, skip=[PAGE])
    assert found is not None
    assert not any(part.lost for part in found)
    slots = FLUSH_MAP_PAGE_SIZE - FLUSH_MAP_SLOTS // 4
    srum.change_map_page(slots + PAGE // 4, b"\0")
    assert lost(srum.database) == []


def test_a_map_page_behind_its_database_is_not_believed(srum: Srum) -> None:
    srum.set_flush_type(PAGE + 1, srum.expected(PAGE + 1), dbtime=1 << 40)
    srum.lose_write(PAGE)
    srum.lose_write(PAGE + 200)
    found = compared(srum.database, batch=50)
    assert found is not None
    doubts = [each for part in found for each in part.distrusted]
    assert [(each.map_page, each.code, each.pgno, each.dbtime) for each in doubts] == [(0, 0, PAGE + 1, 1 << 40)]
    assert not any(part.lost for part in found)
    # One that has not seen any dbtime is believed.
    srum.change_map_page(8, b"\xff" * 8)
    assert [each[0] for each in lost(srum.database)] == [PAGE, PAGE + 200]


def test_a_damaged_map_page_is_not_believed(srum: Srum) -> None:
    srum.lose_write(PAGE)
    data = bytearray(srum.map.read_bytes())
    data[FLUSH_MAP_PAGE_SIZE + 500] ^= 1
    srum.map.write_bytes(data)
    found = compared(srum.database)
    assert found is not None
    assert [(each.map_page, each.code) for part in found for each in part.distrusted] == [(0, Err.ReadVerifyFailure)]
    assert not any(part.lost for part in found)
    srum.map.write_bytes(data[:FLUSH_MAP_PAGE_SIZE])
    assert lost(srum.database) == []


def test_maps_that_are_not_believed(srum: Srum) -> None:
    header = read_header(FS, str(srum.database)).header
    place = str(srum.database)
    good = srum.map.read_bytes()

    def refusal() -> int:
        assert FlushMap.open(FS, place, header) is None
        with pytest.raises(EseError) as caught:
            believable_flush_map(FS, place, header)
        assert caught.value.path == str(srum.map)
        return caught.value.code

    read = FlushMapHeader.parse(good[:FLUSH_MAP_PAGE_SIZE])
    assert believable_flush_map(FS, place, header) == read.sign_flush_map_hdr_flush
    other = {"sign_db_hdr_flush": Signature(), "sign_flush_map_hdr_flush": Signature()}
    for fields, code in (
        ({"flags": 0}, Err.FlushMapUnrecoverable),
        ({"version": (4, 0, 0)}, Err.FlushMapVersionUnsupported),
        (other, Err.FlushMapDatabaseMismatch),
    ):
        srum.map.write_bytes(read.replace(**fields).pack() + good[FLUSH_MAP_PAGE_SIZE:])
        assert refusal() == code
    srum.map.write_bytes(b"\1" + good[1:])
    assert refusal() == Err.ReadVerifyFailure
    srum.map.write_bytes(b"short")
    assert refusal() == Err.FileInvalidType
    srum.map.unlink()
    assert FlushMap.open(FS, place, header) is None
    assert believable_flush_map(FS, place, header) is None


def test_somebody_begins_to_write(srum: Srum) -> None:
    flush_map = FlushMap.open(FS, str(srum.database), read_header(FS, str(srum.database)).header)
    assert flush_map is not None
    with flush_map:
        assert flush_map.unchanged()
        data = srum.map.read_bytes()
        read = FlushMapHeader.parse(data[:FLUSH_MAP_PAGE_SIZE])
        srum.map.write_bytes(read.replace(flags=0).pack() + data[FLUSH_MAP_PAGE_SIZE:])
        assert not flush_map.unchanged()


def test_pages_change(srum: Srum) -> None:
    """Before a page is written the header on the disk gives the map up, for good."""
    with Instance.open_found(srum.found()) as instance, instance.session() as session:
        session.attach(srum.database)
        [database] = instance.attached()
        assert believable_flush_map(FS, str(srum.database), read_header(FS, str(srum.database)).header)
        database.pages_change()
        on_disk = read_header(FS, str(srum.database)).header
        assert not on_disk.sign_flush_map_hdr_flush
        assert FlushMap.open(FS, str(srum.database), on_disk) is None
        before = srum.database.read_bytes()[:PAGE_SIZE]
        database.pages_change()
        assert srum.database.read_bytes()[:PAGE_SIZE] == before, "once is enough"
    with pytest.raises(EseError) as caught:
        believable_flush_map(FS, str(srum.database), read_header(FS, str(srum.database)).header)
    assert caught.value.code == Err.FlushMapDatabaseMismatch


@pytest.mark.parametrize(("detection", "kept"), [(5, True), (1, True), (0, False), (4, False)])
def test_only_a_map_that_is_looked_after_stays_believed(srum: Srum, detection: int, *, kept: bool) -> None:
    params: dict[Param | int | str, Any] = {"PersistedLostFlushDetection": detection}
    with Instance.open_found(srum.found(), params=params) as instance, instance.session() as session:
        session.attach(srum.database)
    header = read_header(FS, str(srum.database)).header
    assert header.clean
    found = FlushMap.open(FS, str(srum.database), header)
    assert (found is not None) == kept
    if found is not None:
        found.close()
    assert 640 not in [each.id for each in instance.events]


def test_attaching_tells_of_a_map_that_is_not_believed(srum: Srum) -> None:
    with FS.open(str(srum.database), OpenMode.READ_WRITE) as file:
        header = read_header_from(file).header
        write_header(file, header.replace(sign_db_hdr_flush=Signature(), sign_flush_map_hdr_flush=Signature()))
    with Instance.open_found(srum.found()) as instance, instance.session() as session:
        session.attach(srum.database)
    [event] = [each for each in instance.events if each.id == 640]
    assert event.strings[:2] == (str(Err.FlushMapDatabaseMismatch), str(srum.map))


def test_the_store_gives_the_map_up_before_it_writes_a_page(srum: Srum, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of a Windows database is changed: when the first page is written, the header on the disk has let go."""
    believed: list[bool] = []
    write = AttachedDatabase.write_pages

    def watched(database: AttachedDatabase, offset: int, data: bytes) -> None:
        header = read_header(FS, str(srum.database)).header
        found = FlushMap.open(FS, str(srum.database), header)
        believed.append(found is not None)
        if found is not None:
            found.close()
        write(database, offset, data)

    monkeypatch.setattr(AttachedDatabase, "write_pages", watched)
    with Instance.open_found(srum.found()) as instance, instance.session() as session:
        session.attach(srum.database)
        [database] = instance.attached()
        pages = instance.live.find(database)
        with open_database(srum.database) as reading:
            table = reading.definition("SruDbIdMapTable")
            key, data = next(iter(Tree(reading.pages, table.root).entries()))
        assert believed == []
        session.store.begin()
        tree = TreeRef(pages, table.root, table.objid, parent=TreeRef(pages, 1, 1))
        nodes.replace(session.store, tree, key, data[:-1] + bytes([data[-1] ^ 1]))
        session.store.commit()
    assert believed
    assert not any(believed)
    header = read_header(FS, str(srum.database)).header
    assert header.clean
    with pytest.raises(EseError) as caught:
        believable_flush_map(FS, str(srum.database), header)
    assert caught.value.code == Err.FlushMapDatabaseMismatch
