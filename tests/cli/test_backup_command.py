from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.env import Environment
from esetui import service
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from esetui.demo import Demo

REPOSITORY = Path(__file__).resolve().parents[2]
EVENTS_FULL = [102, 105, 326, 326, 210, 220, 221, 220, 221, 223, 225, 213, 103]


def state(folder: str) -> list[str]:
    found = run("discover", folder)
    return [line["state"] for line in found.of("instance")]


def test_a_dry_run_writes_nothing(demo: Demo) -> None:
    folder = Path(demo.folder)
    before = digests(folder)
    for options in ([], ["--atomic"], ["--incremental"]):
        run("backup", demo.instances[0], demo.backup, *options, "--dry-run")
        run("truncate", demo.instances[0], "--dry-run")
        run("discover", demo.folder)
        run("show", folder / "dhcp" / "dhcp.mdb")
        run("log", folder / "dhcp")
        run("verify", demo.folder)
    assert digests(folder) == before


def test_a_dry_run_tells_what_the_backup_then_does(demo: Demo) -> None:
    planned = run("backup", demo.instances[0], demo.backup, "--dry-run")
    assert (planned.code, planned.end["dry_run"]) == (0, True)
    plan = planned.of("plan")[0]
    done = run("backup", demo.instances[0], demo.backup)
    written = {Path(path).name for path in done.end["files"]}
    assert {each["name"] for each in plan["files"]} == written
    for each in plan["files"]:
        if each["kind"] in {"database", "log"}:
            assert each["size"] == (Path(demo.backup) / each["name"]).stat().st_size
    assert plan["folder"] == done.end["target"]
    assert plan["deletes"] == done.end["deleted_logs"]


def test_a_full_backup_then_incremental_ones(demo: Demo) -> None:
    full = run("backup", demo.instances[0], demo.backup)
    assert full.code == 0
    assert full.end["ok"]
    assert [line["id"] for line in full.of("event")] == EVENTS_FULL
    copied = {(Path(line["path"]).name, line["kind"]) for line in full.of("file_done")}
    assert copied == {("dhcp.mdb", "database"), ("lease.mdb", "database"), ("j5000001.log", "log")}
    databases = {path: value for path, value in digests(Path(demo.backup)).items() if path.endswith(".mdb")}
    for _ in range(2):
        added = run("backup", demo.instances[0], demo.backup, "--incremental")
        assert (added.code, added.end["kind"]) == (0, "incremental")
    assert {p: v for p, v in digests(Path(demo.backup)).items() if p.endswith(".mdb")} == databases
    assert state(demo.instances[0]) == ["clean"]
    checked = run("verify", demo.backup)
    assert (checked.code, checked.end["kind"]) == (0, "backup-set")
    header = run("show", Path(demo.instances[0]) / "dhcp.mdb").lines[0]["header"]
    assert header["bkinfo_full_prev"]["gen_low"] == full.end["first_generation"]
    assert header["bkinfo_inc_prev"]["gen_high"] == added.end["last_generation"]


def test_an_atomic_backup_keeps_the_set_before(demo: Demo) -> None:
    first = run("backup", demo.instances[0], demo.backup, "--atomic")
    assert (first.code, first.end["target"]) == (0, str(Path(demo.backup) / "new"))
    again = run("backup", demo.instances[0], demo.backup, "--atomic")
    assert again.code == 0
    assert sorted(path.name for path in Path(demo.backup).iterdir()) == ["new"]
    added = run("backup", demo.instances[0], demo.backup, "--atomic", "--incremental")
    assert added.code == 0
    assert run("verify", demo.backup).code == 0


def test_what_can_be_foreseen_is_refused_before_the_instance_is_touched(demo: Demo) -> None:
    folder = Path(demo.instances[0])
    target = Path(demo.backup)
    before = digests(folder)
    missing = run("backup", folder, target / "gone")
    assert missing.code == ExitCode.STORAGE
    assert missing.of("error")[0]["name"] == "JET_errInvalidPath"
    early = run("backup", folder, target, "--incremental")
    assert early.code == ExitCode.FAILED
    assert "JET_errMissingFullBackup (-560)" in early.stderr
    assert "next: " in early.stderr
    (target / "something").touch()
    occupied = run("backup", folder, target)
    assert occupied.code == ExitCode.USAGE
    assert "JET_errBackupDirectoryNotEmpty (-504)" in occupied.stderr
    circular = run("backup", demo.instances[1], target, "--incremental")
    assert circular.code == ExitCode.USAGE
    assert "unchanged: " in circular.stderr
    assert digests(folder) == before
    assert [path.name for path in target.iterdir()] == ["something"]


def test_a_folder_of_several_instances_asks_for_one(demo: Demo) -> None:
    several = run("backup", demo.folder, demo.backup)
    assert several.code == ExitCode.USAGE
    assert "dhcp" in several.stderr
    assert "tickets" in several.stderr
    assert run("backup", demo.folder, demo.backup, "--base", "J50").code == 0


def test_missing_folders_are_made_when_asked_for(demo: Demo) -> None:
    target = Path(demo.backup) / "a" / "b"
    assert run("backup", demo.instances[0], target).code == ExitCode.STORAGE
    assert not target.parent.exists()
    assert run("backup", demo.instances[0], target, "--create-path").code == 0
    assert (target / "backup.json").is_file()


def test_the_configuration_file_and_the_flag_that_beats_it(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_text("[backup]\ncreate_path = true\n", encoding="utf-8")
    target = Path(demo.backup) / "made"
    assert run("backup", demo.instances[0], target, "--no-create-path").code == ExitCode.STORAGE
    assert run("backup", demo.instances[0], target).code == 0


def test_damage_fails_the_backup_and_leaves_nothing(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    # A page that cannot be read right is read 17 times, with growing pauses in between.
    monkeypatch.setattr(service, "Environment", functools.partial(Environment, read_retry_delay=0.0))
    database = Path(demo.instances[0]) / "lease.mdb"
    data = bytearray(database.read_bytes())
    page = 60
    data[(page + 1) * 4096 + 1500] ^= 0x5A
    database.write_bytes(data)
    done = run("backup", demo.instances[0], demo.backup)
    assert done.code == ExitCode.DAMAGE
    error = done.of("error")[0]
    assert (error["name"], error["page"], error["path"]) == ("JET_errReadVerifyFailure", page, str(database))
    assert "unchanged: " in done.stderr
    assert list(Path(demo.backup).iterdir()) == []
    assert {217, 222, 215} <= {line["id"] for line in done.of("event")}
    assert state(demo.instances[0]) == ["clean"]


def test_one_wrong_bit_is_corrected_in_the_copy_and_reported(demo: Demo) -> None:
    database = Path(demo.instances[0]) / "lease.mdb"
    data = bytearray(database.read_bytes())
    page = 60
    data[(page + 1) * 4096 + 1500] ^= 0x08
    database.write_bytes(data)
    done = run("backup", demo.instances[0], demo.backup)
    assert (done.code, done.end["ok"]) == (ExitCode.WARNINGS, True)
    assert [each["number"] for each in done.end["corrected"]] == [page]
    assert 399 in {line["id"] for line in done.of("event")}
    assert run("verify", demo.backup).code == 0
    assert run("verify", database).code == ExitCode.DAMAGE


def test_instances_of_windows(windows: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("srum-win10-clean", "srum-win10-small", "srum-win11-clean"):
        folder, target = windows(name), tmp_path / f"set of {name}"
        done = run("backup", folder, target, "--create-path")
        assert done.code == 0, done.stderr
        assert run("verify", target).code == 0
        assert run("verify", folder).code == 0
        assert state(str(folder)) == ["clean"]


def test_a_dirty_instance_of_windows_is_left_alone(windows: Callable[[str], Path], tmp_path: Path) -> None:
    folder, target = windows("srum-win10-dirty"), tmp_path / "set"
    before = digests(folder)
    done = run("backup", folder, target, "--create-path")
    assert done.code == ExitCode.NOT_RECOVERABLE
    assert "--recover" in done.stderr
    assert not target.exists()
    assert digests(folder) == before
    planned = run("backup", folder, target, "--create-path", "--dry-run")
    assert planned.of("plan")[0]["steps"][0].startswith("recover: ")


def test_a_database_that_is_gone_is_told_and_without_any_nothing_is_done(demo: Demo) -> None:
    folder = Path(demo.instances[0])
    # The log is rolled while both databases are attached, so from then on its header names them.
    assert run("backup", folder, demo.backup).code == 0
    (folder / "lease.mdb").unlink()
    done = run("backup", folder, demo.backup, "--incremental")
    assert (done.code, done.end["ok"]) == (ExitCode.WARNINGS, True)
    assert [Path(line["path"]).name for line in done.of("warning")] == ["lease.mdb"]
    before = digests(folder)
    (folder / "dhcp.mdb").unlink()
    before.pop(str(folder / "dhcp.mdb"))
    none = run("backup", folder, Path(demo.backup) / "second", "--create-path")
    assert none.code == ExitCode.STORAGE
    assert digests(folder) == before


def test_a_database_without_logs_is_no_instance(corpus: Path, tmp_path: Path) -> None:
    done = run("backup", corpus / "srum-win10-dirty-repaired", tmp_path / "set", "--create-path")
    assert done.code == ExitCode.NOT_RECOVERABLE
    assert "without a log stream" in done.stderr
    assert run("backup", tmp_path / "nowhere", tmp_path).code == ExitCode.STORAGE


def test_truncation(demo: Demo) -> None:
    folder = Path(demo.instances[0])
    for _ in range(3):
        target = Path(demo.backup) / str(time.monotonic_ns())
        assert run("backup", folder, target, "--create-path").code == 0
    before = run("discover", folder).of("instance")[0]["generations"]
    planned = run("truncate", folder, "--dry-run").of("plan")[0]
    assert run("truncate", folder).code == ExitCode.USAGE
    done = run("truncate", folder, "--yes")
    assert (done.code, done.end["kind"]) == (0, "truncate")
    after = run("discover", folder).of("instance")[0]["generations"]
    assert len(before) > len(after)
    assert planned["deletes"] == done.end["deleted_logs"]
    assert state(str(folder)) == ["clean"]


def test_the_journal_knows_what_happened(demo: Demo) -> None:
    run("backup", demo.instances[0], demo.backup)
    kept = run("events", demo.instances[0])
    assert [line["id"] for line in kept.lines] == EVENTS_FULL
    assert run("events", demo.instances[1]).lines == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_after_a_kill_the_instance_is_recovered_when_asked_for(tmp_path: Path) -> None:
    made = run("demo", "--no-console", "--folder", tmp_path / "big", "--size", "256").lines[0]
    folder, target = Path(made["instances"][0]), Path(made["backup"])
    process = started("backup", folder, target, "--atomic")
    wait_for_copy(process)
    process.kill()
    with process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert state(str(folder)) == ["dirty"]
    assert run("backup", folder, target, "--atomic").code == ExitCode.NOT_RECOVERABLE
    done = run("backup", folder, target, "--atomic", "--recover")
    assert (done.code, done.end["ok"]) == (0, True), done.stderr
    assert sorted(path.name for path in target.iterdir()) == ["new"]
    assert run("verify", target).code == 0
    shutil.rmtree(tmp_path / "big")


def wait_for_copy(process: subprocess.Popen[str]) -> None:
    """Read the lines of a started backup until it copies the large database."""
    assert process.stdout is not None
    for text in process.stdout:
        line = json.loads(text)
        if line["type"] == "event" and line["id"] == 220 and line["strings"][0].endswith("lease.mdb"):
            return


def started(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "esetui", *map(str, words), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("options", [[], ["--atomic"]], ids=["full", "atomic"])
def test_a_signal_during_a_backup_leaves_nothing(tmp_path: Path, number: int, code: int, options: list[str]) -> None:
    made = run("demo", "--no-console", "--folder", tmp_path / "big", "--size", "256").lines[0]
    folder, target = Path(made["instances"][0]), Path(made["backup"])
    process = started("backup", folder, target, *options)
    with process:
        wait_for_copy(process)
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    last = json.loads(rest.splitlines()[-1])
    assert (last["type"], last["ok"], last["exit_code"]) == ("job_finished", False, code)
    assert process.returncode == code
    assert list(target.iterdir()) == []
    assert state(str(folder)) == ["clean"]
    assert run("backup", folder, target, *options).code == 0
    shutil.rmtree(tmp_path / "big")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a pipe of a small size")
def test_a_reader_that_does_not_read_holds_nothing_up(demo: Demo) -> None:
    fcntl = pytest.importorskip("fcntl")
    process = started("backup", demo.instances[0], demo.backup)
    with process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        manifest = Path(demo.backup) / "backup.json"
        # More is written than the pipe holds, and yet the set gets complete and the instance is stopped.
        deadline = time.monotonic() + 30
        while not (manifest.exists() and state(demo.instances[0]) == ["clean"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert process.poll() is None
        rest, _ = process.communicate(timeout=30)
    assert len(rest) > 4096
    assert (process.returncode, json.loads(rest.splitlines()[-1])["ok"]) == (0, True)


def test_quiet_is_silent_when_all_is_well(demo: Demo) -> None:
    runner = CliRunner()
    for words in (
        ["backup", demo.instances[0], demo.backup],
        ["verify", demo.backup],
        ["truncate", demo.instances[0], "-y"],
    ):
        done = runner.invoke(cli, [*words, "--quiet"])
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
