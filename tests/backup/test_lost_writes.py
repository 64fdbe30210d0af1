"""A page that contradicts the flush map while it is copied (R29): told, or the end of the backup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.pages import READS
from engine.env import Environment
from engine.errors import ChecksumError, Err
from engine.files.real import RealFileSystem
from engine.instance import Instance
from tests.flush_maps import PAGE, PAGE_SIZE, Srum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.events import Event
    from engine.params import Param

LOST_WRITE = 544


@pytest.fixture
def srum(corpus: Path, tmp_path: Path) -> Srum:
    return Srum.copy(corpus, tmp_path / "srum")


def running(srum: Srum, detection: int = 5) -> Iterator[Instance]:
    params: dict[Param | int | str, Any] = {"PersistedLostFlushDetection": detection}
    env = Environment(fs=RealFileSystem(), sleep=lambda _: None)
    with Instance.open_found(srum.found(), params=params, env=env) as instance, instance.session() as session:
        session.attach(srum.database)
        yield instance


def told(instance: Instance, number: int = LOST_WRITE) -> list[Event]:
    return [each for each in instance.events if each.id == number]


def backup_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir(exist_ok=True)
    return folder


def test_told_and_copied_by_default(srum: Srum, tmp_path: Path) -> None:
    expected, older = srum.lose_write(PAGE)
    for instance in running(srum):
        result = instance.backup(backup_folder(tmp_path))
        assert result.warnings == (LOST_WRITE,)
        [event] = told(instance)
        offset = (PAGE + 1) * PAGE_SIZE
        assert event.category == 3
        assert event.strings == (
            str(srum.database),
            f"{offset} (0x{offset:016x})",
            f"{PAGE_SIZE} (0x{PAGE_SIZE:08x})",
            "-1119 (0xfffffba1)",
            f"{PAGE} (0x{PAGE:X})",
            str(older),
            "0 (0x0)",
            str(expected),
            "NotInCache:3",
        )
    copied = (tmp_path / "set" / "SRUDB.dat").read_bytes()[(PAGE + 1) * PAGE_SIZE :][:PAGE_SIZE]
    assert copied == srum.page(PAGE)


def test_the_end_of_the_backup_when_it_is_to_be(srum: Srum, tmp_path: Path) -> None:
    srum.lose_write(PAGE)
    folder = backup_folder(tmp_path)
    for instance in running(srum, 1):
        logs = sorted(srum.folder.glob("SRU0*.log"))
        with pytest.raises(ChecksumError) as caught:
            instance.backup(folder)
        assert (caught.value.code, caught.value.page) == (Err.ReadLostFlushVerifyFailure, PAGE)
        assert len(told(instance)) == READS
        ends = [each.id for each in instance.events if each.id in {213, 215, 217, 221, 222}]
        assert ends == [217, 222, 215]
        assert list(folder.iterdir()) == []
        assert set(logs) <= set(srum.folder.glob("SRU0*.log"))
        with pytest.raises(ChecksumError):
            instance.backup(folder)


@pytest.mark.parametrize("detection", [0, 4])
def test_not_looked_for(srum: Srum, tmp_path: Path, detection: int) -> None:
    srum.lose_write(PAGE)
    for instance in running(srum, detection):
        assert instance.backup(backup_folder(tmp_path)).warnings == ()
        assert not told(instance)


def test_no_word_about_pages_that_are_right(srum: Srum, tmp_path: Path) -> None:
    for instance in running(srum, 1):
        assert instance.backup(backup_folder(tmp_path)).warnings == ()
        assert not [each for each in instance.events if each.id in {530, LOST_WRITE, 638, 639, 640}]


def test_a_map_page_behind_its_database(srum: Srum, tmp_path: Path) -> None:
    srum.lose_write(PAGE)
    srum.set_flush_type(PAGE + 1, srum.expected(PAGE + 1), dbtime=1 << 40)
    for instance in running(srum, 1):
        instance.backup(backup_folder(tmp_path))
        assert not told(instance)
        [event] = told(instance, 639)
        assert event.strings[:2] == ("0 (0x00000000)", str(srum.map))
        assert event.strings[3] == f"{PAGE + 1} (0x{PAGE + 1:08x})"


def test_a_damaged_map_page(srum: Srum, tmp_path: Path) -> None:
    srum.lose_write(PAGE)
    data = bytearray(srum.map.read_bytes())
    data[8192 + 500] ^= 1
    srum.map.write_bytes(data)
    for instance in running(srum, 1):
        instance.backup(backup_folder(tmp_path))
        [event] = told(instance, 638)
        assert event.strings == ("-1018", "0 (0x00000000)", str(srum.map))


def test_after_a_change_of_pages_the_map_says_nothing(srum: Srum, tmp_path: Path) -> None:
    srum.lose_write(PAGE)
    for instance in running(srum, 1):
        [database] = instance.attached()
        database.pages_change()
        instance.backup(backup_folder(tmp_path))
        assert not told(instance)
