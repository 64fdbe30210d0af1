"""`esetui restore`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import Err
from engine.files import copying
from engine.info import database_info
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.files.base import File
    from esetui.demo import Demo


def test_a_set_of_ours(demo: Demo, tmp_path: Path) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    before = digests(Path(demo.backup))
    done = run("restore", demo.backup, "--to", tmp_path / "back")
    assert done.code == ExitCode.OK
    assert {Path(line["path"]).name for line in done.of("database")} == {"dhcp.mdb", "lease.mdb"}
    for line in done.of("database"):
        assert Path(line["path"]).parent == tmp_path / "back"
        assert database_info(line["path"]).clean
    assert {204, 205} <= {line["id"] for line in done.of("event")}
    assert digests(Path(demo.backup)) == before
    # The logs of that restore lie there now; the databases are replaced only when that is said.
    assert run("restore", demo.backup, "--to", tmp_path / "back").code == ExitCode.USAGE
    assert run("restore", demo.backup, "--to", tmp_path / "back", "--yes").code == ExitCode.OK


def test_to_the_original_place_through_newer_logs(demo: Demo) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    paths = sorted(Path(demo.instances[0]).glob("*.mdb"))
    for path in paths:
        path.unlink()
    done = run("restore", demo.backup, "--logs", demo.instances[0], "--yes")
    assert done.code == ExitCode.OK
    assert done.end["replayed"]["last"] > done.end["from_set"]["last"]
    assert sorted(Path(line["path"]) for line in done.of("database")) == paths
    assert run("plan", demo.instances[0]).of("recovery_plan")[0]["clean"]
    assert all(database_info(path).clean for path in paths)


def test_a_log_that_is_there_is_written_to_only_when_that_is_said(demo: Demo, tmp_path: Path) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    live = Path(demo.instances[0])
    before = digests(live)
    aside = ("restore", demo.backup, "--to", tmp_path / "aside", "--logs", live)
    refused = run(*aside)
    assert refused.code == ExitCode.USAGE
    assert f"writes on in the log of {live}" in refused.stderr
    assert "replaces" not in refused.stderr
    assert "--yes" in refused.stderr
    assert digests(live) == before
    assert not (tmp_path / "aside").exists()
    done = run(*aside, "--yes")
    assert done.code == ExitCode.OK
    assert done.end["replayed"]["last"] > done.end["from_set"]["last"]
    assert digests(live) != before
    # The same where the logs are those of the folder that the databases go to.
    (tmp_path / "own").mkdir()
    for log in live.glob("*.log"):
        shutil.copy(log, tmp_path / "own")
    assert run("restore", demo.backup, "--to", tmp_path / "own").code == ExitCode.USAGE
    assert [path.name for path in (tmp_path / "own").glob("*.mdb*")] == []
    assert run("restore", demo.backup, "--to", tmp_path / "own", "--yes").code == ExitCode.OK
    # A log of another base name there is none of the restore's business.
    (tmp_path / "other").mkdir()
    for log in Path(demo.instances[1]).glob("*.log"):
        shutil.copy(log, tmp_path / "other")
    assert run("restore", demo.backup, "--to", tmp_path / "other").code == ExitCode.OK


def test_what_is_refused(demo: Demo, tmp_path: Path) -> None:
    assert run("restore", tmp_path, "--to", tmp_path / "back").code == ExitCode.STORAGE
    assert run("restore", tmp_path).code == ExitCode.USAGE
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    (log,) = Path(demo.backup).glob("*.log")
    log.unlink()
    assert run("restore", demo.backup, "--to", tmp_path / "back").code != ExitCode.OK
    assert not list((tmp_path / "back").glob("*.mdb")) if (tmp_path / "back").exists() else True


def test_up_to_a_stop(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("restore") / "restore-full-incr3" / "after" / "bk"
    before = digests(source)
    last = max(int(path.stem[3:], 16) for path in source.glob("edb0*.log"))
    done = run("restore", source, "--to", tmp_path / "to", "--until-generation", f"{last - 1:X}")
    assert done.code == ExitCode.OK
    assert done.end["stands_at"].startswith(f"{last - 1:08X}:")
    assert done.end["stands_time"].endswith("Z")
    assert done.end["replayed"]["last"] == last - 1
    assert database_info(tmp_path / "to" / "a.edb").clean
    moment = done.end["stands_time"].replace(" ", "T")
    by_time = run("restore", source, "--to", tmp_path / "by time", "--until-time", moment)
    assert by_time.code == ExitCode.OK
    assert by_time.end["stands_time"] == done.end["stands_time"]
    early = run("restore", source, "--to", tmp_path / "early", "--until-generation", "1")
    assert early.code == ExitCode.NOT_RECOVERABLE
    (error,) = early.of("error")
    assert error["code"] == Err.RequiredLogFilesMissing
    assert "the earliest is" in error["message"]
    assert not list((tmp_path / "early").glob("*.edb*"))
    assert digests(source) == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_a_database_is_copied(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    before = digests(Path(demo.backup))

    def interrupted(source: File, target: File, start: int, end: int) -> Iterator[int]:
        for length in copying.copy_bytes(source, target, start, end):
            os.kill(os.getpid(), number)
            yield length

    monkeypatch.setattr("engine.restore.copies.copy_bytes", interrupted)
    target = tmp_path / "back"
    target.mkdir()
    done = run("restore", demo.backup, "--to", target)
    assert done.code == code
    assert (done.end["ok"], done.end["exit_code"]) == (False, code)
    assert [each.name for each in target.iterdir() if each.suffix != ".lock"] == []
    assert digests(Path(demo.backup)) == before
    monkeypatch.undo()
    assert run("restore", demo.backup, "--to", target).code == ExitCode.OK
