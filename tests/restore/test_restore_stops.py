"""Restores that end at a stop point, in the set or in the live logs behind it: whole, consistent, nothing lost."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest

from engine.check import Severity, check
from engine.discover import discover
from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.info import database_info
from engine.instance import Instance
from engine.instance.restore_set import restore_set
from engine.log.stream import LogStream
from engine.recovery.stop import StopPoint, StopTooEarly
from engine.table import open_database
from engine.verify import verify
from tests.recovery.test_stop_points import committed_inserts
from tests.restore.test_restore_oracle import LIVE, digests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.log.records import LogRecord
    from engine.types import LgPos

CASES: Final = ("full-incr3", "rollforward", "rollforward-live", "writers-incr", "uncommitted-incr")


class Case:
    """A set, and the live logs behind it if there are any."""

    def __init__(self, oracle: Callable[[str], Path], name: str) -> None:
        self.set = oracle("restore") / f"restore-{name}" / "after" / "bk"
        self.live: Path | None = None
        if name in LIVE:
            group = "restore" if LIVE[name].startswith("restore") else "backup"
            self.live = oracle(group) / LIVE[name]

    def records(self) -> list[LogRecord]:
        """Return the records of all logs, those of the set first."""
        found: dict[int, list[LogRecord]] = {}
        for folder in (self.live, self.set):
            stream = None if folder is None else LogStream.find(RealFileSystem(), str(folder))
            for generation in () if stream is None else stream.generations:
                assert stream is not None
                with stream.open(generation) as log:
                    found[generation] = list(log.records(strict=False))
        return [each for _, records in sorted(found.items()) for each in records]

    def logs(self, folder: Path) -> Path:
        """Make a folder of live logs."""
        if self.live is None:
            folder.mkdir()
        else:
            shutil.copytree(self.live, folder, copy_function=shutil.copyfile)
            folder.chmod(0o755)
            for path in folder.glob("*.edb"):
                path.unlink()
        return folder


def earliest(case: Case, top: Path) -> LgPos:
    records = case.records()
    with pytest.raises(StopTooEarly) as caught:
        restore_set(case.set, to=top / "e", logs=case.logs(top / "el"), stop=StopPoint(position=records[0].pos))
    assert list((top / "e").iterdir()) == [], "nothing is left of a restore that was refused"
    return caught.value.earliest


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_a_restore_ends_at_its_stop(oracle: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    case = Case(oracle, name)
    before = digests(case.set)
    records = case.records()
    first = earliest(case, tmp_path)
    later = [each.pos for each in records if each.pos >= first and not isinstance(each.record, lr.NOP | lr.NOP2)]
    stops = {first, *later[:: max(1, len(later) // 4)], *{pos._replace(segment=0, offset=0) for pos in later[-1:]}}
    for number, stop in enumerate(sorted(stops)):
        logs = case.logs(tmp_path / f"logs{number}")
        originals = digests(logs)
        result = restore_set(case.set, to=tmp_path / f"to{number}", logs=logs, stop=StopPoint(position=stop))
        whole = not stop.segment
        assert result.recovery.stands == (later[-1] if whole else stop) or whole
        for path in sorted((tmp_path / f"to{number}").glob("*.edb")):
            assert database_info(path).clean
            assert verify(path).ok
            assert not [each for each in check(path) if each.severity is Severity.ERROR], stop
            if not whole:
                assert_rows(path, records, stop)
        for put in result.recovery.set_aside:
            folder, file = put.rsplit("/", 2)[-2:]
            if file in originals:
                assert digests(logs / folder)[file] == originals[file]
        kept = {each.rsplit("/", 1)[-1] for each in result.recovery.set_aside}
        gone = originals.keys() - digests(logs).keys() - kept
        assert not {each for each in gone if each.endswith(".log") and "tmp" not in each}, "a log is put away or there"
        assert_goes_on(logs, tmp_path / f"to{number}", tmp_path / f"set{number}")
    assert digests(case.set) == before


def assert_rows(path: Path, records: list[LogRecord], stop: LgPos) -> None:
    """Compare with the log where that has all inserts from the creation of the table on, and no delete."""
    with open_database(path) as database:
        for name in database.tables(system=False):
            table = database[name]
            objid = table.definition.objid
            made = any(isinstance(each.record, lr.CreateSEFDP) and each.record.objid_fdp == objid for each in records)
            deletes = any(isinstance(each.record, lr.FlagDelete) and each.record.objid_fdp == objid for each in records)
            if made and not deletes:
                assert sum(1 for _ in table) == committed_inserts(records, stop, objid), (name, stop)


def assert_goes_on(logs: Path, databases: Path, target: Path) -> None:
    stream = LogStream.find(RealFileSystem(), str(logs))
    assert stream is not None
    assert [each for each in stream.check() if each.code] == []
    # Where the record that ends a recovery fills a log, the next one is begun, and a start looks through that in vain.
    with stream.open(max(stream.generations)) as log:
        begun = not log.scan().last_valid_segment
    (found,) = [each for each in discover(logs, max_depth=0) if each.has_log]
    with Instance.open_found(found) as instance:
        assert (300 in [event.id for event in instance.events]) == begun
        with instance.session() as session:
            for path in databases.glob("*.edb"):
                session.attach(path)
        target.mkdir()
        assert instance.backup(target).pages_verified


@pytest.mark.oracle
def test_live_logs_behind_a_stop_in_the_set_are_put_away(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    case = Case(oracle, "rollforward-live")
    first = earliest(case, tmp_path)
    logs = case.logs(tmp_path / "logs")
    originals = digests(logs)
    result = restore_set(case.set, to=tmp_path / "to", logs=logs, stop=StopPoint(generation=first.generation))
    stream = LogStream.find(RealFileSystem(), str(logs))
    assert stream is not None
    assert max(stream.generations) == first.generation + 1, "the log that follows the stop is a new one"
    aside = {each.rsplit("/", 1)[-1] for each in result.recovery.set_aside}
    assert aside >= {"edb.log"}
    assert all(digests(logs)[f"{path.rsplit('/', 2)[-2]}/{name}"] == originals[name]
               for path in result.recovery.set_aside for name in [path.rsplit("/", 1)[-1]])  # fmt: skip


@pytest.mark.oracle
def test_the_last_moment_is_what_a_restore_without_a_stop_gives(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    case = Case(oracle, "rollforward")
    top = max(each.pos for each in case.records())
    one = restore_set(case.set, to=tmp_path / "one", logs=case.logs(tmp_path / "l1"))
    two = restore_set(
        case.set, to=tmp_path / "two", logs=case.logs(tmp_path / "l2"), stop=StopPoint(generation=top.generation)
    )
    assert one.recovery.stands == two.recovery.stands
    assert two.recovery.set_aside == ()
    with pytest.raises(EseError):
        restore_set(
            case.set, to=tmp_path / "x", logs=case.logs(tmp_path / "l3"), stop=StopPoint(generation=top.generation + 9)
        )
