"""The writers of the demonstration: what they leave has no gap, whatever happens to them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from engine import Instance, open_database, restore_set
from engine.build import DatabaseBuilder
from engine.check import Severity, check
from engine.env import Environment
from esetui.load import LEDGER, RENEWALS, Load, ledger_gaps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    with DatabaseBuilder(Environment(), place / "a.edb"):
        pass
    return place


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def numbers(path: Path) -> dict[int, tuple[int, int]]:
    with open_database(path, strict=True) as database:
        pairs = [(row[0], row[1]) for row in database[LEDGER].values(["Writer", "Number"])]
    return ledger_gaps((int(str(writer)), int(str(number))) for writer, number in pairs)


def test_writers_work_and_go_on_where_they_were(folder: Path) -> None:
    for least in (40, 80):
        with Instance("load", path=folder) as instance, instance.session() as session:
            session.attach(folder / "a.edb")
            load = Load(instance, str(folder / "a.edb"), writers=3, rate=400)
            load.start()
            wait_for(lambda load=load: load.counts().committed >= 40 or load.counts().error is not None)  # type: ignore[misc]
            seen = instance.statistics()
            load.stop()
            assert load.counts().error is None
            assert not load.running
            assert len(seen.sessions) == 4
            assert seen.cache_pages > 0
            assert seen.log_bytes > seen.checkpoint_depth > 0
        found = numbers(folder / "a.edb")
        assert sum(count for count, _ in found.values()) >= least
        assert all(count == highest for count, highest in found.values())
    findings = [each for each in check(folder / "a.edb") if each.severity is Severity.ERROR]
    assert findings == []


def test_the_rate_can_be_changed(folder: Path) -> None:
    with Instance("load", path=folder) as instance, instance.session() as session:
        session.attach(folder / "a.edb")
        load = Load(instance, str(folder / "a.edb"), writers=2, rate=0)
        load.start()
        time.sleep(0.5)
        assert load.counts().committed == 0
        load.rate = 300
        wait_for(lambda: load.counts().committed > 5)
        load.stop()


def test_a_backup_among_writers_restores_without_a_gap(folder: Path, tmp_path: Path) -> None:
    backup, back = tmp_path / "backup", tmp_path / "back"
    backup.mkdir()
    back.mkdir()
    with Instance("load", path=folder, log_file_size=128) as instance, instance.session() as session:
        session.attach(folder / "a.edb")
        load = Load(instance, str(folder / "a.edb"), rate=400)
        load.start()
        wait_for(lambda: load.counts().committed >= 50)
        before = load.counts().committed
        instance.backup(backup)
        wait_for(lambda: load.counts().committed >= before + 50)
        instance.backup(backup, incremental=True)
        load.stop()
        assert load.counts().error is None
    restore_set(backup, to=back)
    found = numbers(back / "a.edb")
    assert all(count == highest for count, highest in found.values())
    assert before + 50 <= sum(count for count, _ in found.values())
    with open_database(back / "a.edb", strict=True) as database:
        assert database[RENEWALS].count() > 0
