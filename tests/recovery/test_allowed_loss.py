"""Finished work that may be lost: refused unless that was allowed, told in numbers, and never what databases require.

The real engine left no case of its own: its crashed databases require all that is committed.  Here the header of one is
made to say what its pages bear out, that the last log is not required.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.discover import discover
from engine.errors import Err, EseError, Wrn
from engine.files.base import OpenMode
from engine.files.real import RealFileSystem
from engine.header_file import read_header, write_header
from engine.info import database_info, log_info
from engine.instance import Instance
from engine.params import Param
from engine.recovery.memory import open_recovered
from engine.recovery.plan import plan_recovery
from engine.recovery.stop import Lose, StopPoint
from engine.types import InitOptions
from engine.verify import verify
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run
from tests.recovery.oracle_files import content, writable_copy
from tests.recovery.test_dirty_damage import flip
from tests.recovery.test_recovery_memory import pages_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.recovery.result import RecoveryResult

ALL = Lose.MISSING | Lose.DAMAGED


@pytest.fixture
def crashed(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    before_last = log_info(folder / "edb00000005.log")
    fs = RealFileSystem()
    header = read_header(fs, str(folder / "a.edb")).header
    assert (header.gen_max_required, header.gen_max_committed) == (6, 6)
    changed = header.replace(gen_max_required=5, logtime_gen_max_required=before_last.created)
    with fs.open(str(folder / "a.edb"), OpenMode.READ_WRITE) as file:
        write_header(file, changed)
    return folder


@pytest.fixture
def wanted(crashed: Path) -> dict[int, tuple[object, ...]]:
    """What the database holds at the end of the last log it requires."""
    with open_recovered(crashed, stop=StopPoint(generation=5)) as recovered:
        return pages_of(recovered, "a.edb")


def start(folder: Path, lose: Lose) -> tuple[RecoveryResult | EseError, list[int]]:
    (found,) = [each for each in discover(folder, max_depth=0) if each.has_log]
    instance = Instance.open_found(found, params={Param.DeleteOutOfRangeLogs: bool(lose & Lose.DAMAGED)})
    try:
        result = instance.init(InitOptions.REPLAY_IGNORE_LOST_LOGS if lose else InitOptions.NONE)
        events = [each.id for each in instance.events]
        instance.term()
    except EseError as error:
        return error, [each.id for each in instance.events]
    else:
        return result, events
    finally:
        instance.abandon()


def assert_recovered(folder: Path, wanted: dict[int, tuple[object, ...]]) -> None:
    found = content(folder / "a.edb")
    assert {pgno: page for pgno, page in wanted.items() if pgno in found} == found
    assert database_info(folder / "a.edb").clean
    assert verify(folder / "a.edb").ok
    plan = plan_recovery(folder)
    assert plan.clean
    assert not [each for each in plan.findings if each.code]


@pytest.mark.oracle
def test_a_last_log_that_is_missing(crashed: Path, wanted: dict[int, tuple[object, ...]]) -> None:
    (crashed / "edb.log").unlink()
    plan = plan_recovery(crashed)
    assert [each.code for each in plan.refusals] == [Err.CommittedLogFilesMissing]
    assert len(plan.losses) == 1
    assert "1 log(s), 0x6 to 0x6" in plan.losses[0]
    before = digests(crashed)
    error, events = start(crashed, Lose.NOTHING)
    assert isinstance(error, EseError)
    assert (error.code, error.generation) == (Err.CommittedLogFilesMissing, 6)
    assert 523 in events
    assert {name: each for name, each in digests(crashed).items() if "lock" not in name} == before
    assert plan_recovery(crashed, lose=Lose.MISSING).ok
    result, events = start(crashed, Lose.MISSING)
    assert not isinstance(result, EseError), result
    assert [(each.first, each.last) for each in result.lost] == [(6, 6)]
    assert 524 in events
    assert result.stands.generation == 5
    assert result.warning == Wrn.CommittedLogFilesLost
    assert_recovered(crashed, wanted)


@pytest.mark.oracle
@pytest.mark.parametrize(("offset", "code"), [(4096 * 2 + 200, -501), (100, -501)], ids=["content", "header"])
def test_a_last_log_that_is_damaged(
    crashed: Path, wanted: dict[int, tuple[object, ...]], offset: int, code: int
) -> None:
    flip(crashed / "edb.log", offset)
    damaged = (crashed / "edb.log").read_bytes()
    for lose in (Lose.NOTHING, Lose.MISSING):
        before = digests(crashed)
        error, _ = start(crashed, lose)
        assert isinstance(error, EseError)
        assert error.code == code
        assert error.path == str(crashed / "edb.log")
        assert {name: each for name, each in digests(crashed).items() if "lock" not in name} == {
            name: each for name, each in before.items() if "lock" not in name
        }
    plan = plan_recovery(crashed, lose=ALL)
    assert plan.ok
    assert plan.end is not None
    assert plan.end.set_aside == ("edb.log",)
    assert any("edb.log" in each for each in plan.losses)
    with open_recovered(crashed, lose=ALL) as recovered:
        assert pages_of(recovered, "a.edb") == wanted
    result, events = start(crashed, ALL)
    assert not isinstance(result, EseError), result
    assert {526, 527, 524} <= set(events)
    assert [(each.first, each.last) for each in result.lost] == [(6, 6)]
    assert result.warning == Wrn.CommittedLogFilesRemoved
    (path,) = result.set_aside
    with open(path, "rb") as file:  # noqa: PTH123 - a path of the answer
        assert file.read() == damaged, "what cannot be used is kept all the same"
    assert_recovered(crashed, wanted)


@pytest.mark.oracle
def test_a_log_before_the_last_that_only_holds_finished_work(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """Two logs are not required: the first of them is damaged, so the second is of no use either."""
    folder = writable_copy(oracle("dirty") / "dirty-p4k" / "before", tmp_path / "i")
    fs = RealFileSystem()
    header = read_header(fs, str(folder / "a.edb")).header
    with fs.open(str(folder / "a.edb"), OpenMode.READ_WRITE) as file:
        created = log_info(folder / "edb0000000E.log").created
        write_header(file, header.replace(gen_max_required=0xE, logtime_gen_max_required=created))
    with open_recovered(folder, stop=StopPoint(generation=0xE)) as recovered:
        wanted = pages_of(recovered, "a.edb")
    flip(folder / "edb0000000F.log", 4096 * 3 + 77, 4096 * 3 + 78)
    error, events = start(folder, Lose.MISSING)
    assert isinstance(error, EseError)
    assert (error.code, error.generation, error.segment) == (Err.CommittedLogFileCorrupt, 0xF, 3)
    assert 525 in events
    result, _ = start(folder, ALL)
    assert not isinstance(result, EseError), result
    assert [(each.first, each.last) for each in result.lost] == [(0xF, 0x10)]
    assert [path.rsplit("/", 1)[-1] for path in result.set_aside] == ["edb.log", "edb0000000F.log"]
    assert_recovered(folder, wanted)


def lose_last(folder: Path) -> None:
    (folder / "edb.log").unlink()


def damage_last(folder: Path) -> None:
    flip(folder / "edb.log", 2 * 4096 + 100)


@pytest.mark.oracle
@pytest.mark.parametrize("lose", [Lose.MISSING, ALL], ids=str)
def test_what_is_required_is_never_lost(oracle: Callable[[str], Path], tmp_path: Path, lose: Lose) -> None:
    for number, damage in enumerate((lose_last, damage_last)):
        folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / f"{number}")
        damage(folder)
        before = digests(folder)
        error, _ = start(folder, lose)
        assert isinstance(error, EseError)
        assert error.code in (Err.RequiredLogFilesMissing, Err.LogFileCorrupt)
        assert {name: each for name, each in digests(folder).items() if "lock" not in name} == before
        plan = plan_recovery(folder, lose=lose)
        assert not plan.ok


@pytest.mark.oracle
def test_from_the_command_line(crashed: Path) -> None:
    (crashed / "edb.log").unlink()
    assert run("recover", crashed, "--in-place", "--yes").code == ExitCode.NOT_RECOVERABLE
    plan = run("plan", crashed, "--accept-loss", "missing")
    assert plan.code == ExitCode.OK
    assert "0x6 to 0x6" in plan.of("recovery_plan")[0]["losses"][0]
    done = run("recover", crashed, "--in-place", "--yes", "--accept-loss", "missing")
    assert done.code == ExitCode.WARNINGS
    assert done.end["lost"] == [{"path": str(crashed / "a.edb"), "first": 6, "last": 6}]


@pytest.mark.oracle
def test_a_stop_and_damage_that_may_be_lost_exclude_each_other(crashed: Path) -> None:
    (found,) = [each for each in discover(crashed, max_depth=0) if each.has_log]
    instance = Instance.open_found(found, params={Param.DeleteOutOfRangeLogs: True})
    with pytest.raises(EseError) as caught:
        instance.init(InitOptions.REPLAY_IGNORE_LOST_LOGS, stop_at=StopPoint(generation=5))
    assert caught.value.code == Err.InvalidParameter
    instance.abandon()
