"""Stop points, loss that is allowed, and recovery in memory from the command line."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.info import database_info
from engine.types import LgPos
from esetui.cli.app import cli
from esetui.cli.commands import recover as recover_command
from esetui.cli.exit_codes import ExitCode
from esetui.cli.stops import parse_stop
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIDDLE = "5:17:0"
"""A position behind the earliest stop of the case, in the log before the last."""


@pytest.fixture
def crashed(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "crashed"
    shutil.copytree(oracle("dirty") / "dirty-uncommitted" / "before", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


def test_the_plan_says_what_is_behind_a_stop(crashed: Path) -> None:
    before = digests(crashed)
    (plan,) = run("plan", crashed).of("recovery_plan")
    assert plan["end"] is None
    assert plan["earliest_stop"] == "00000005:0016:03C1"
    assert [(each["what"], each["understood"]) for each in plan["formats"]] == [("logs", True), ("database", True)]
    done = run("plan", crashed, "--until-position", MIDDLE)
    assert done.code == ExitCode.OK
    (plan,) = done.of("recovery_plan")
    assert plan["end"]["set_aside"] == ["edb.log", "edb00000005.log"]
    assert plan["end"]["cut"] == "edb00000005.log"
    assert plan["end"]["transactions"] > 0
    assert plan["replays"] == {"first": 1, "last": 5}
    refused = run("plan", crashed, "--until-generation", "4")
    assert refused.code == ExitCode.NOT_RECOVERABLE
    (refusal,) = refused.of("recovery_plan")[0]["refusals"]
    assert "00000005:0016:03C1" in refusal["detail"]
    assert digests(crashed) == before


def test_in_place_up_to_a_position(crashed: Path) -> None:
    logs = {path.name: path.read_bytes() for path in crashed.glob("*.log")}
    done = run("recover", crashed, "--in-place", "--yes", "--until-position", MIDDLE)
    assert done.code == ExitCode.OK
    stands = LgPos(*(int(each, 16) for each in done.end["stands_at"].split(":")))
    assert LgPos(5, 0x16, 0) < stands <= LgPos(5, 0x17, 0)
    assert done.end["stands_time"].endswith("Z")
    names = [path.rsplit("/", 1)[-1] for path in done.end["set_aside"]]
    assert names == ["edb.log", "edb00000005.log"]
    for path, name in zip(done.end["set_aside"], names, strict=True):
        with open(path, "rb") as file:  # noqa: PTH123 - a path of the answer
            assert file.read() == logs[name]
    assert 527 in [line["id"] for line in done.of("event")]
    assert database_info(crashed / "a.edb").clean
    assert run("plan", crashed).of("recovery_plan")[0]["clean"]
    idle = run("recover", crashed, "--in-memory")
    assert (idle.code, idle.end["needed"]) == (ExitCode.OK, False)
    assert run("check", crashed / "a.edb").code == ExitCode.OK
    found = run("discover", crashed.parent).of("instance")
    assert [each["log_folder"] for each in found] == [str(crashed)], "what was put away is no instance"
    again = run("recover", crashed, "--in-place", "--yes", "--until-generation", "4")
    assert again.code == ExitCode.NOT_RECOVERABLE, "a clean database cannot go back"


def test_a_copy_up_to_a_generation(crashed: Path, tmp_path: Path) -> None:
    before = digests(crashed)
    done = run("recover", crashed, "--into", tmp_path / "copy", "--until-generation", "0x5")
    assert done.code == ExitCode.OK
    assert done.end["stands_at"].startswith("00000005:")
    assert database_info(tmp_path / "copy" / "a.edb").clean
    assert digests(crashed) == before


def test_in_memory_tells_what_recovery_would_give(crashed: Path) -> None:
    before = digests(crashed)
    done = run("recover", crashed, "--in-memory")
    assert done.code == ExitCode.OK
    (database,) = done.of("recovered_database")
    assert database["pages"] > 0
    assert digests(crashed) == before
    partly = run("recover", crashed, "--in-memory", "--until-position", MIDDLE)
    assert partly.of("recovered_database")[0]["dbtime"] < database["dbtime"]
    assert digests(crashed) == before
    real = run("recover", crashed, "--in-place", "--yes")
    same = ("stands_at", "stands_time", "undone_transactions", "undone_changes", "replayed")
    assert {name: done.end[name] for name in same} == {name: real.end[name] for name in same}
    header = database_info(crashed / "a.edb")
    assert (header.dbtime_dirtied, header.objid_last) == (database["dbtime"], database["objid_last"])


def test_rows_at_a_stop(crashed: Path) -> None:
    whole = run("rows", crashed / "a.edb", "t1", "--replay")
    partly = run("rows", crashed / "a.edb", "t1", "--replay", "--until-position", MIDDLE)
    assert len(partly.of("row")) < len(whole.of("row"))
    assert partly.of("replayed")[0]["stands_at"] < whole.of("replayed")[0]["stands_at"]
    assert run("rows", crashed / "a.edb", "t1", "--until-generation", "5").code == ExitCode.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ("--until-generation", "5", "--until-position", "5:1:0"),
        ("--until-generation", "xyz"),
        ("--until-generation", "0"),
        ("--until-position", "5:1"),
        ("--until-position", "5:10000:0"),
        ("--until-time", "yesterday"),
        ("--accept-loss", "everything"),
        ("--in-memory", "--in-place"),
        ("--in-memory", "--into", "x"),
    ],
    ids=" ".join,
)
def test_what_is_not_understood(crashed: Path, words: tuple[str, ...]) -> None:
    before = digests(crashed)
    assert run("recover", crashed, *words).code == ExitCode.USAGE
    assert digests(crashed) == before


def test_times_are_utc_unless_they_say_otherwise() -> None:
    plain, zoned = parse_stop(None, None, "2024-05-17T12:00:00"), parse_stop(None, None, "2024-05-17T14:00:00+02:00")
    assert plain is not None
    assert zoned is not None
    assert plain.time == zoned.time


@pytest.mark.parametrize(("typed", "code"), [("crashed", 0), ("yes", 130), ("", 130)])
def test_a_person_types_the_name(crashed: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    monkeypatch.setattr(recover_command, "is_terminal", lambda _: True)
    before = digests(crashed)
    done = CliRunner().invoke(cli, ["recover", str(crashed), "--in-place"], input=f"{typed}\n")
    assert done.exit_code == code
    assert "result" in done.stdout, "the plan is shown first"
    if code:
        assert digests(crashed) == before
    else:
        assert database_info(crashed / "a.edb").clean
