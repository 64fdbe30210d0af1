"""Stop points: transaction-consistent at every position, the same in memory and in place, and nothing is lost by it.

The truth for rows comes from the log alone: inserts of transactions that were committed at the stop.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from engine.check import Severity, check
from engine.discover import discover
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.segment import SegmentHeader, build_partial_segment
from engine.info import database_info
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.recovery.looking import look
from engine.recovery.memory import open_recovered
from engine.recovery.places import Places
from engine.recovery.plan import plan_recovery
from engine.recovery.reach import earliest_stop
from engine.recovery.stop import StopPoint, StopTooEarly
from engine.table import open_database
from engine.types import LgPos
from engine.verify import verify
from tests.recovery.oracle_files import content, writable_copy
from tests.recovery.test_recovery_memory import digests, pages_of
from tests.recovery.test_recovery_oracle import CASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.log.records import LogRecord
    from engine.recovery.result import RecoveryResult

INSERTS_ONLY: Final = ("inserts", "termabrupt", "firstlog", "names83", "termdirty", "efvWin10")
FILLERS: Final = (lr.NOP, lr.NOP2)


def earliest(folder: Path) -> LgPos:
    looked = look(RealFileSystem(), str(folder))
    checkpoint = None if looked.checkpoint is None else looked.checkpoint.checkpoint
    return earliest_stop(Environment(), looked.stream, checkpoint, Places(RealFileSystem(), str(folder)).find)


def records_of(folder: Path) -> list[LogRecord]:
    looked = look(RealFileSystem(), str(folder))
    assert looked.checkpoint is not None
    return list(looked.stream.records(looked.checkpoint.checkpoint.checkpoint))


def stops_of(folder: Path, count: int) -> list[LgPos]:
    """Return positions of records from the earliest stop to the end, about evenly."""
    first = earliest(folder)
    found = [each.pos for each in records_of(folder) if each.pos >= first and not isinstance(each.record, FILLERS)]
    return found[:: max(1, len(found) // count)]


def committed_inserts(records: list[LogRecord], stop: LgPos, objid: int) -> int:
    """Count the rows that finished transactions have inserted into a tree, by the log alone."""
    open_: dict[int, int] = {}
    levels: dict[int, int] = {}
    count = 0
    for each in records:
        record = each.record
        if each.pos > stop:
            break
        if isinstance(record, lr.Begin0):
            open_[record.procid] = 0
            levels[record.procid] = record.levels >> 4
        elif isinstance(record, lr.Begin):
            levels[record.procid] = (record.levels & 15) + (record.levels >> 4)
        elif isinstance(record, lr.Insert) and record.objid_fdp == objid and record.flags & lr.NodeFlags.VERSIONED:
            open_[record.procid] = open_.get(record.procid, 0) + 1
        elif isinstance(record, lr.Undo) and record.objid_fdp == objid and record.oper == lr.Oper.INSERT:
            open_[record.procid] -= 1
        elif isinstance(record, lr.Commit0):
            count += open_.pop(record.procid, 0)
    return count


def unlocked(folder: Path) -> dict[str, str]:
    """Return the digests of a folder without the file that locks it, which stays when an instance was there."""
    return {name: each for name, each in digests(folder).items() if name != "edb.lock"}


def init_until(folder: Path, stop: StopPoint | LgPos) -> tuple[RecoveryResult, list[int]]:
    (found,) = [each for each in discover(folder) if each.has_log]
    instance = Instance.open_found(found)
    try:
        result = instance.init(stop_at=stop)
        events = [event.id for event in instance.events]
        instance.term()
    finally:
        instance.abandon()
    return result, events


@pytest.mark.oracle
@pytest.mark.parametrize("case", INSERTS_ONLY)
def test_rows_are_those_of_transactions_committed_at_the_stop(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("dirty") / f"dirty-{case}" / "before"
    records = records_of(folder)
    before = digests(folder)
    seen = set()
    for stop in stops_of(folder, 12):
        with open_recovered(folder, stop=StopPoint(position=stop)) as recovered:
            assert recovered.result.stands == stop
            found = recovered.database()
            with open_database(found.path, pages=found.pages) as database:
                name = next(database.tables(system=False), None)
                if name is None:
                    # Before the transaction that made the table.
                    seen.add(-1)
                    continue
                table = database[name]
                rows = sum(1 for _ in table)
                seen.add(rows)
                assert rows == committed_inserts(records, stop, table.definition.objid), stop
            findings = [
                each
                for each in check(found.path, pages=found.pages, header=found.header)
                if each.severity is Severity.ERROR
            ]
            assert not findings, stop
    assert len(seen) > 1, "the stops tell rows apart"
    assert digests(folder) == before


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_stops_are_whole_and_none_is_before_the_earliest(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("dirty") / f"dirty-{case}" / "before"
    first = earliest(folder)
    for stop in (first, *stops_of(folder, 3)):
        with open_recovered(folder, stop=StopPoint(position=stop)) as recovered:
            assert recovered.result.stands == stop
            for found in recovered.databases:
                findings = check(found.path, pages=found.pages, header=found.header)
                assert not [each for each in findings if each.severity is Severity.ERROR], stop
    before = [each.pos for each in records_of(folder) if each.pos < first][-1]
    with pytest.raises(StopTooEarly) as caught:
        open_recovered(folder, stop=StopPoint(position=before))
    assert caught.value.earliest == first
    assert (caught.value.code, caught.value.generation) == (Err.RequiredLogFilesMissing, first.generation)
    assert str(first) in str(caught.value)


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["uncommitted", "names83", "multidb", "circular"])
def test_in_place_is_as_in_memory_and_every_log_is_kept(
    oracle: Callable[[str], Path], tmp_path: Path, case: str
) -> None:
    source = oracle("dirty") / f"dirty-{case}" / "before"
    originals = digests(source)
    for number, stop in enumerate(stops_of(source, 4)):
        folder = writable_copy(source, tmp_path / f"at{number}")
        result, events = init_until(folder, stop)
        assert result.stands == stop
        with open_recovered(source, stop=StopPoint(position=stop)) as recovered:
            assert recovered.undone.transactions == result.undone_transactions
            assert recovered.result.stands_time == result.stands_time
            for found in recovered.databases:
                name = found.path.rsplit("/", 1)[-1]
                ours = pages_of(recovered, name)
                wanted = content(folder / name)
                assert {pgno: page for pgno, page in ours.items() if pgno in wanted} == wanted, stop
                assert database_info(folder / name).clean
                assert verify(folder / name).ok
        behind = [each.pos for each in records_of(source) if each.pos > stop and not isinstance(each.record, FILLERS)]
        assert bool(result.set_aside) == bool(behind), stop
        assert (527 in events) == bool(behind)
        for path in result.set_aside:
            name = path.rsplit("/", 1)[-1]
            assert digests(folder / path.rsplit("/", 2)[-2])[name] == originals[name]
        assert_the_stream_goes_on(folder, tmp_path / f"set{number}")


def assert_the_stream_goes_on(folder: Path, target: Path) -> None:
    """Nothing is wrong with the stream, it starts without recovery, and a full backup of its databases is whole."""
    stream = LogStream.find(RealFileSystem(), str(folder))
    assert stream is not None
    assert [each for each in stream.check() if each.code] == []
    (found,) = [each for each in discover(folder, max_depth=0) if each.has_log]
    with Instance.open_found(found) as instance:
        assert 300 not in [event.id for event in instance.events]
        with instance.session() as session:
            for path in folder.glob("*.edb"):
                session.attach(path)
        target.mkdir()
        assert instance.backup(target).pages_verified
    assert verify(target).ok


@pytest.mark.oracle
def test_a_log_torn_at_the_stop_gives_the_same(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """What the real engine makes of a log whose end is zeros is known; a stop is that, by another way."""
    source = oracle("dirty") / "dirty-uncommitted" / "before"
    inside = [each for each in stops_of(source, 40) if each.generation == 6]
    assert len(inside) > 3
    for number, stop in enumerate(inside[1::6]):
        torn = writable_copy(source, tmp_path / f"torn{number}")
        end = next(each.end for each in records_of(source) if each.pos == stop)
        tear(torn / "edb.log", end)
        (found,) = [each for each in discover(torn) if each.has_log]
        with Instance.open_found(found):
            pass
        stopped = writable_copy(source, tmp_path / f"stop{number}")
        init_until(stopped, stop)
        assert content(torn / "a.edb") == content(stopped / "a.edb")
        ours, theirs = (
            [type(each.record) for each in records_of_log(folder / "edb.log")] for folder in (stopped, torn)
        )
        assert ours == theirs


def tear(path: Path, end: LgPos) -> None:
    """Make zeros of a log from `end` on, segment checksum put right."""
    data = bytearray(path.read_bytes())
    at = end.segment * 4096
    started = SegmentHeader.unpack(data, at).started
    kept = bytes(data[at + 40 : at + max(end.offset, 40)])
    data[at:] = bytes(len(data) - at)
    if kept:
        data[at : at + 8192] = build_partial_segment(kept, end.generation, end.segment, started)
    path.write_bytes(data)


def records_of_log(path: Path) -> list[LogRecord]:
    with LogFile.open(RealFileSystem(), str(path)) as log:
        return list(log.records())


@pytest.mark.oracle
def test_by_generation_and_by_time(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("dirty") / "dirty-p4k" / "before"
    assert earliest(source).generation == 0xE
    folder = writable_copy(source, tmp_path / "g")
    result, _ = init_until(folder, StopPoint(generation=0xE))
    assert result.stands.generation == 0xE
    assert [path.rsplit("/", 1)[-1] for path in result.set_aside] == ["edb.log", "edb0000000F.log"]
    with open_recovered(source, stop=StopPoint(position=LgPos(0xE, 0, 0))) as recovered:
        assert recovered.result.stands == result.stands, "GEN:0:0 is the whole generation"
    assert_the_stream_goes_on(folder, tmp_path / "set")
    # By time: a segment counts when it was begun at or before that.
    stream = LogStream.find(RealFileSystem(), str(source))
    assert stream is not None
    with stream.open(0xF) as log:
        begun = [SegmentHeader.unpack(log.segment(number)).started.to_datetime() for number in range(1, 15)]
    moment = begun[6]
    assert moment is not None
    last = max(number for number, each in enumerate(begun, 1) if each is not None and each <= moment)
    with open_recovered(source, stop=StopPoint(time=moment)) as recovered:
        assert (recovered.result.stands.generation, recovered.result.stands.segment) == (0xF, last)
        assert recovered.result.stands_time.to_datetime() == moment
    with open_recovered(source, stop=StopPoint(time=datetime.now(UTC))) as recovered:
        assert recovered.result.stands == records_of(source)[-1].pos
        assert recovered.result.needed
    with pytest.raises(StopTooEarly):
        open_recovered(source, stop=StopPoint(time=moment - timedelta(days=1)))


@pytest.mark.oracle
def test_a_clean_stream_cannot_go_back(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-termdirty" / "before", tmp_path / "i")
    (found,) = [each for each in discover(folder) if each.has_log]
    with Instance.open_found(found):
        pass
    consistent = database_info(folder / "a.edb").lgpos_consistent
    before = digests(folder)
    for stop in (StopPoint(generation=2), StopPoint(position=LgPos(3, 1, 0))):
        with pytest.raises(StopTooEarly) as caught:
            init_until(folder, stop)
        assert caught.value.earliest >= consistent
    assert digests(folder) == before
    result, _ = init_until(folder, StopPoint(generation=consistent.generation))
    assert result.set_aside == ()


@pytest.mark.oracle
def test_what_is_no_stop_point(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    before = digests(folder)
    with pytest.raises(EseError) as caught:
        init_until(folder, StopPoint(generation=7))
    assert caught.value.code == Err.MissingLogFile
    for bad in ({}, {"generation": 1, "position": LgPos(1, 1, 0)}, {"generation": 0}):
        with pytest.raises(EseError) as caught:
            StopPoint(**bad)
        assert caught.value.code == Err.InvalidParameter
    with pytest.raises(EseError):
        StopPoint(time=datetime(2024, 1, 1))  # noqa: DTZ001 - the point of it
    assert unlocked(folder) == before


@pytest.mark.oracle
def test_a_stop_before_damage(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """What lies behind a stop need not be whole, when no database requires it; here one does, up to its last log."""
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    path = folder / "edb.log"
    data = bytearray(path.read_bytes())
    data[2 * 4096 + 200] ^= 0x5A
    path.write_bytes(data)
    before = digests(folder)
    with pytest.raises(EseError) as caught:
        init_until(folder, StopPoint(generation=5))
    assert caught.value.code == Err.LogFileCorrupt, "whether its pages hold what is damaged cannot be told"
    assert unlocked(folder) == before


@pytest.mark.oracle
def test_a_position_within_a_record_is_that_record(oracle: Callable[[str], Path]) -> None:
    folder = oracle("dirty") / "dirty-uncommitted" / "before"
    first = earliest(folder)
    records = [each for each in records_of(folder) if each.pos >= first]
    one = next(each for each in records if each.pos.offset and each.end.segment == each.pos.segment)
    inside = one.pos._replace(offset=one.pos.offset + 3)
    assert inside < one.end
    assert StopPoint(position=inside).limit(look(RealFileSystem(), str(folder)).stream) == inside
    with open_recovered(folder, stop=StopPoint(position=inside)) as recovered:
        assert recovered.result.stands == one.pos
    plans = [plan_recovery(folder, stop=StopPoint(position=each)).end for each in (one.pos, inside)]
    assert plans[0] is not None
    assert plans[1] is not None
    assert plans[1].whole
    assert plans[0]._replace(limit=inside, because="") == plans[1]._replace(because="")
