"""Crashed instances of the real engine, recovered in place: files, headers and records as the engine left them."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from engine.discover import discover
from engine.env import Environment
from engine.errors import EseError
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbheader import DatabaseHeader
from engine.info import database_info
from engine.instance import Instance
from engine.log.stream import LogStream
from engine.verify import verify
from tests.recovery.oracle_files import content, writable_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES: Final = (
    "circular", "ddl", "deletes", "efvE15", "efvWin10", "escrow", "firstlog", "index", "inserts", "lv", "lv32k",
    "multidb", "names83", "p16k", "p32k", "p4k", "rollback", "termabrupt", "termdirty", "threads", "uncommitted",
    "updates",
)  # fmt: skip
NOT_COMPARED: Final = (
    "checksum", "raw", "logtime_consistent", "logtime_detach", "logtime_attach", "sign_db_hdr_flush",
    "sign_flush_map_hdr_flush", "extend_count", "logtime_last_extend",
    "logtime_bad_checksum",
)  # fmt: skip
"""Header fields that depend on the clock, on randomness, on the flush map (which is not rebuilt), and the count of how
often the file grew: the engine grows it step by step while it replays, here it is written once."""


UNDO_INFO_ELSEWHERE: Final = {"uncommitted"}
"""The engine's cache wrote a page during undo and so logged some UndoInfo earlier: what follows lies elsewhere."""
MARKS: Final = ("lgpos_consistent", "lgpos_detach", "lgpos_last_resize")


def recover(folder: Path) -> None:
    (found,) = [each for each in discover(folder) if each.has_log]
    instance = Instance.open_found(found)
    instance.init()
    assert 302 in [event.id for event in instance.events]
    instance.term()


def recovery_records(folder: Path) -> list[lr.Record]:
    """Return what was logged from the last RecoveryUndo2 to its RecoveryQuit2, fillers left out."""
    stream = LogStream.find(RealFileSystem(), str(folder))
    assert stream is not None
    found: list[lr.Record] = []
    for generation in stream.generations:
        with stream.open(generation) as log:
            for each in log.records(strict=False):
                if isinstance(each.record, lr.RecoveryUndo2):
                    found = []
                if not isinstance(each.record, lr.NOP | lr.NOP2):
                    found.append(each.record)
    ends = [at for at, record in enumerate(found) if isinstance(record, lr.RecoveryQuit2)]
    return found[1 : ends[0]] if ends else []


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_recovery_in_place_leaves_what_the_engine_left(
    oracle: Callable[[str], Path], tmp_path: Path, case: str
) -> None:
    source = oracle("dirty") / f"dirty-{case}"
    folder = writable_copy(source / "before", tmp_path / "inst")
    recover(folder)
    databases = sorted(folder.glob("*.edb"))
    assert databases
    for path in databases:
        after = source / "after" / path.name
        assert content(path) == content(after)
        assert path.stat().st_size == after.stat().st_size
        ours, theirs = header_fields(database_info(path)), header_fields(database_info(after))
        if case in UNDO_INFO_ELSEWHERE:
            ours, theirs = ({k: v for k, v in each.items() if k not in MARKS} for each in (ours, theirs))
        assert ours == theirs
        assert verify(path).ok
    ours_logged, theirs_logged = (
        [each for each in recovery_records(place) if not isinstance(each, lr.UndoInfo)]
        for place in (folder, source / "after")
    )
    assert ours_logged == theirs_logged


def header_fields(header: DatabaseHeader) -> dict[str, object]:
    return {name: getattr(header, name) for name in DatabaseHeader.__dataclass_fields__ if name not in NOT_COMPARED}


@pytest.mark.corpus
def test_the_crashed_srum_instance_becomes_clean(corpus: Path, tmp_path: Path) -> None:
    folder = writable_copy(corpus / "srum-win10-dirty", tmp_path / "srum")
    recover(folder)
    assert database_info(folder / "SRUDB.dat").state.name == "CLEAN_SHUTDOWN"
    assert verify(folder / "SRUDB.dat").ok


@pytest.mark.oracle
def test_a_recovered_instance_starts_again_and_is_backed_up(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "inst")
    recover(folder)
    (found,) = discover(folder)
    with Instance.open_found(found) as instance, instance.session() as session:
        session.attach(folder / "a.edb")
        target = tmp_path / "set"
        target.mkdir()
        result = instance.backup(target)
    assert result.pages_verified > 80
    assert verify(target).ok


@pytest.mark.oracle
def test_a_replay_that_is_refused_changes_nothing(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "inst")
    path = folder / "edb00000003.log"
    data = bytearray(path.read_bytes())
    data[60_000] ^= 0x5A
    path.write_bytes(data)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    (found,) = [each for each in discover(folder) if each.has_log]
    instance = Instance.open_found(found)
    with pytest.raises(EseError) as caught:
        instance.init()
    assert caught.value.code == -501
    assert {each.name: each.read_bytes() for each in folder.iterdir() if each.name in before} == before


def recover_on(fs: FaultFileSystem, folder: Path) -> None:
    (found,) = [each for each in discover(folder) if each.has_log]
    instance = Instance.open_found(found, env=Environment(fs=fs))
    try:
        instance.init()
        instance.term()
    finally:
        instance.abandon()


@pytest.mark.oracle
@pytest.mark.parametrize("mode", [FaultMode.KILL, FaultMode.KILL_TORN, FaultMode.EIO], ids=str)
def test_recovery_that_dies_anywhere_is_done_by_the_next(
    oracle: Callable[[str], Path], tmp_path: Path, mode: FaultMode
) -> None:
    source = oracle("dirty") / "dirty-termabrupt"
    counting = FaultFileSystem(RealFileSystem(), fail_at=None, mode=mode)
    recover_on(counting, writable_copy(source / "before", tmp_path / "count"))
    total = counting.count
    wanted = content(source / "after" / "a.edb")
    points = 14
    for point in range(points):
        fail_at = 1 + point * total // points
        folder = writable_copy(source / "before", tmp_path / f"at{fail_at}")
        fs = FaultFileSystem(RealFileSystem(), fail_at=fail_at, mode=mode)
        with contextlib.suppress(EseError, SimulatedKill):
            recover_on(fs, folder)
        assert fs.fired
        (found,) = [each for each in discover(folder) if each.has_log]
        with Instance.open_found(found):
            pass
        header = database_info(folder / "a.edb")
        assert header.state.name == "CLEAN_SHUTDOWN", fail_at
        pages = content(folder / "a.edb")
        assert {pgno: without_dbtime(page) for pgno, page in pages.items()} == {
            pgno: without_dbtime(page) for pgno, page in wanted.items()
        }, fail_at
        assert verify(folder / "a.edb").ok
        shutil.rmtree(folder)


def without_dbtime(page: tuple[object, ...]) -> tuple[object, ...]:
    """Undo that was begun twice has used more dbtimes."""
    return ("empty",) if page[0] == "empty" else page[1:]
