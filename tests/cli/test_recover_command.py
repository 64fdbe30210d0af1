"""`esetui plan` and `esetui recover`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine.info import database_info
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def crashed(oracle: Callable[[str], Path], tmp_path: Path) -> Path:
    folder = tmp_path / "crashed"
    shutil.copytree(oracle("dirty") / "dirty-uncommitted" / "before", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder


def test_the_plan_changes_nothing(crashed: Path) -> None:
    before = digests(crashed)
    done = run("plan", crashed)
    assert done.code == ExitCode.OK
    (plan,) = done.of("recovery_plan")
    assert plan["replays"] == {"first": 1, "last": 6}
    assert plan["missing"] == []
    (database,) = plan["databases"]
    assert database["path"] == str(crashed / "a.edb")
    assert database["logged_path"] == "C:\\ese\\d-uncommitted\\a.edb"
    assert (database["outlook"], database["required"], database["committed"]) == ("replayed", [1, 6], 6)
    assert digests(crashed) == before


def test_what_is_missing_is_named_and_refused(crashed: Path) -> None:
    (crashed / "edb00000003.log").unlink()
    before = digests(crashed)
    for command in (("plan",), ("recover", "--in-place", "--yes"), ("recover",)):
        done = run(*command, crashed)
        assert done.code == ExitCode.NOT_RECOVERABLE
        assert done.of("recovery_plan")[0]["missing"] == ["edb00000003.log"]
        assert not done.end["ok"]
    assert digests(crashed) == before
    assert not crashed.with_name("crashed.recovered").exists()


def test_a_copy_is_recovered_by_default(crashed: Path) -> None:
    before = digests(crashed)
    done = run("recover", crashed)
    assert done.code == ExitCode.OK
    assert done.end["needed"]
    assert [line["id"] for line in done.of("event")] == [102, 300, 301, 301, 301, 301, 301, 301, 302, 105, 103]
    copy = crashed.with_name("crashed.recovered")
    assert done.end["folder"] == str(copy)
    assert database_info(copy / "a.edb").clean
    assert digests(crashed) == before
    again = run("recover", crashed)
    assert again.code == ExitCode.STORAGE, "the copy is there already"


def test_in_place_asks_first(crashed: Path) -> None:
    before = digests(crashed)
    assert run("recover", crashed, "--in-place").code == ExitCode.USAGE
    assert digests(crashed) == before
    done = run("recover", crashed, "--in-place", "--yes")
    assert done.code == ExitCode.OK
    assert database_info(crashed / "a.edb").clean
    assert run("plan", crashed).of("recovery_plan")[0]["clean"]


def test_a_database_that_lies_elsewhere(crashed: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.move(crashed / "a.edb", apart / "b.edb")
    done = run("plan", crashed, "--map", f"C:\\ese\\d-uncommitted\\a.edb={apart / 'b.edb'}")
    assert [each["path"] for each in done.of("recovery_plan")[0]["databases"]] == [str(apart / "b.edb")]
    assert run("plan", crashed, "--map", "nonsense").code == ExitCode.USAGE
