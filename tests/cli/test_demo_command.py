"""`esetui demo`: the sample instances, the walk by itself, and their exit codes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.verify import verify
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from esetui.tui.activity import walk
from esetui.tui.activity.walk import STEPS
from tests.cli.running import run

if TYPE_CHECKING:
    from esetui.tui.control import Control


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_it_is_made_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    done = run("demo", "--no-console", "--folder", folder, "--size", 1)
    assert done.code == ExitCode.OK
    (made,) = done.of("demo")
    assert made["folder"] == str(folder)
    assert Path(made["backup"]).is_dir()
    for instance in made["instances"]:
        assert verify(instance).ok
    told = CliRunner().invoke(cli, ["demo", "--no-console", "--folder", str(tmp_path / "other"), "--size", "1"])
    assert told.exit_code == ExitCode.OK
    assert told.stdout.splitlines() == [str(tmp_path / "other")]
    assert f"try: esetui {tmp_path / 'other'}" in told.stderr


def test_without_a_terminal_there_is_no_console() -> None:
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("options", [("--size", "0"), ("--pause", "-1"), ("--pause", "x")])
def test_options_that_cannot_be(options: tuple[str, str]) -> None:
    assert CliRunner().invoke(cli, ["demo", "--no-console", *options]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("kept", [False, True])
def test_the_walk_goes_by_itself(scratch: Path, monkeypatch: pytest.MonkeyPatch, *, kept: bool) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    folder = ("--folder", str(scratch / "made")) if kept else ()
    done = CliRunner().invoke(cli, ["demo", "--no-console", "--play", "--size", "1", *folder])
    assert done.exit_code == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(STEPS)
    assert "no gap, no damage" in lines[-1]
    # What was made to be thrown away is.
    assert [each.name for each in scratch.iterdir()] == (["made"] if kept else [])


def test_a_walk_that_fails(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    begin = walk.Walk.next

    def killed(self: walk.Walk) -> bool:
        went = begin(self)
        control: Control = self.control
        if self.position == 1:
            assert self._thread is not None
            self._thread.join()
            control.kill(control.running()[0])
        return went

    monkeypatch.setattr(walk.Walk, "next", killed)
    done = CliRunner().invoke(cli, ["demo", "--no-console", "--play", "--size", "1"])
    assert done.exit_code == ExitCode.FAILED
    assert list(scratch.iterdir()) == []
