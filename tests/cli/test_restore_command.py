"""`esetui restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.info import database_info
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
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


def test_what_is_refused(demo: Demo, tmp_path: Path) -> None:
    assert run("restore", tmp_path, "--to", tmp_path / "back").code == ExitCode.STORAGE
    assert run("restore", tmp_path).code == ExitCode.USAGE
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    (log,) = Path(demo.backup).glob("*.log")
    log.unlink()
    assert run("restore", demo.backup, "--to", tmp_path / "back").code != ExitCode.OK
    assert not list((tmp_path / "back").glob("*.mdb")) if (tmp_path / "back").exists() else True
