"""`esetui drill`: the report, the exit codes, that a signal leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.instance import Instance
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from esetui.demo import Demo


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_set_that_is_good(demo: Demo, scratch: Path) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    before = digests(Path(demo.folder))
    done = run("drill", demo.backup, "--against", demo.instances[0], "--scratch", scratch)
    assert done.code == ExitCode.OK
    assert list(scratch.iterdir()) == []
    after = {path: digest for path, digest in digests(Path(demo.folder)).items() if not path.endswith(".lock")}
    assert after == {path: digest for path, digest in before.items() if not path.endswith(".lock")}
    assert [(each["bad"], each["errors"], each["problem"]) for each in done.of("database")] == [(0, 0, None)] * 2
    tables = done.of("table")
    assert tables
    assert all(each["compared"] and not each["differs"] and each["rows"] == each["source_rows"] for each in tables)
    assert done.end["ok"] is done.end["same"] is True
    assert done.end["scratch"] is None
    assert set(done.end["seconds"]) == {"verify", "restore", "check", "count"}
    words = CliRunner().invoke(cli, ["drill", demo.backup, "--scratch", str(scratch)])
    assert words.exit_code == ExitCode.OK
    assert "what comes back is whole" in words.stdout
    quiet = CliRunner().invoke(cli, ["drill", demo.backup, "--scratch", str(scratch), "--quiet"])
    assert "what comes back is whole" not in quiet.stdout
    assert quiet.stderr == ""


def test_kept(demo: Demo, scratch: Path) -> None:
    assert run("backup", demo.instances[1], demo.backup, "--create-path").code == ExitCode.OK
    done = run("drill", demo.backup, "--scratch", scratch, "--keep")
    assert done.code == ExitCode.OK
    assert Path(done.of("database")[0]["path"]).parent == Path(done.end["scratch"])
    assert run("check", done.of("database")[0]["path"]).code == ExitCode.OK


def test_another_source(demo: Demo, scratch: Path) -> None:
    """Its databases are others: nothing could be compared."""
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    done = run("drill", demo.backup, "--against", demo.instances[1], "--scratch", scratch)
    assert (done.code, done.end["ok"], done.end["same"]) == (ExitCode.WARNINGS, True, False)
    assert {each["problem"] for each in done.of("database")} == {"the source has no such database"}


def test_damage_and_refusals(demo: Demo, scratch: Path, tmp_path: Path) -> None:
    assert run("backup", demo.instances[0], demo.backup, "--create-path").code == ExitCode.OK
    path = Path(demo.backup) / "dhcp.mdb"
    data = bytearray(path.read_bytes())
    data[4096 * 12 + 200] ^= 0x5A
    path.write_bytes(data)
    done = run("drill", demo.backup, "--scratch", scratch)
    assert (done.code, done.end["ok"]) == (ExitCode.DAMAGE, False)
    assert done.of("finding")
    (log,) = Path(demo.backup).glob("*.log")
    log.unlink()
    gone = run("drill", demo.backup, "--scratch", scratch)
    assert gone.code not in (ExitCode.OK, ExitCode.WARNINGS)
    assert gone.end["ok"] is False
    assert run("drill", tmp_path / "nowhere").code == ExitCode.STORAGE
    assert run("drill", demo.backup, "--scratch", tmp_path / "nowhere").code == ExitCode.STORAGE
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_nothing(tmp_path: Path, scratch: Path, number: int, code: int) -> None:
    instance, target = tmp_path / "inst", tmp_path / "set"
    instance.mkdir()
    target.mkdir()
    with DatabaseBuilder(Environment(), instance / "a.edb", threaded=False) as builder:
        columns = [Column("id", ColumnType.LONG), Column("text", ColumnType.LONG_TEXT)]
        builder.add_table("t", columns, rows=({"id": each, "text": "x" * 300} for each in range(60_000)))
    with Instance(path=instance, page_size=4096, log_file_size=64) as running, running.session() as session:
        session.attach(instance / "a.edb")
        running.backup(target)
    words = [sys.executable, "-m", "esetui", "drill", str(target), "--scratch", str(scratch), "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"NO_COLOR": "1"}
    ) as process:
        deadline = time.monotonic() + 60
        # Restored, and being looked at: that takes long enough to be met.
        while not list(scratch.glob("*/a.edb")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert list(scratch.iterdir()) == []
    last = json.loads(output.splitlines()[-1])
    assert (last["type"], last["ok"], last["exit_code"]) == ("job_finished", False, code)
