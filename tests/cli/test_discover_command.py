from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from esetui.demo import Demo

NAMED_BY_THE_LOG = "C:\\Windows\\system32\\SRU\\SRUDB.dat"


def test_the_instances_of_windows(corpus: Path) -> None:
    done = run("discover", corpus)
    assert done.code == 0
    found = {Path(line["log_folder"]).name: line for line in done.of("instance")}
    assert {name: line["state"] for name, line in found.items()} == {
        "srum-win10-clean": "clean",
        "srum-win10-dirty": "dirty",
        "srum-win10-small": "clean",
        "srum-win11-clean": "clean",
        "srum-win10-dirty-repaired": "clean",
        "bits-24h2-16k": "dirty",
    }
    clean = found["srum-win10-clean"]
    assert (clean["base_name"], clean["has_log"], clean["page_size"]) == ("SRU", True, 4096)
    assert clean["generations"] == list(range(0x19, 0x21))
    assert clean["circular"]
    assert clean["checkpoint"] == "00000020:000E:0000"
    assert [Path(each["path"]).name for each in clean["databases"]] == ["SRUDB.dat"]
    assert not found["bits-24h2-16k"]["has_log"]
    assert found["srum-win10-dirty"]["databases"][0]["gen_min_required"] == 0x51


def test_text_says_what_is_there_and_when_it_was_backed_up(demo: Demo) -> None:
    run("backup", demo.instances[0], demo.backup)
    text = CliRunner().invoke(cli, ["discover", demo.folder]).stdout
    assert f"{demo.instances[0]}  j50: clean" in text
    assert "Last full backup 20" in text
    assert "circular    yes" in text
    assert "never backed up in full" in text
    # The set in the backup folder has the same signatures, and is no instance.
    assert len(run("discover", demo.folder).of("instance")) == 2


def test_the_depth(demo: Demo, tmp_path: Path) -> None:
    assert run("discover", demo.folder, "--max-depth", "0").of("instance") == []
    (tmp_path / "user.toml").write_text("[discover]\nmax_depth = 0\n", encoding="utf-8")
    assert run("discover", demo.folder).of("instance") == []
    assert len(run("discover", demo.folder, "--max-depth", "1").of("instance")) == 2


def test_damage_missing_logs_and_missing_databases(windows: Callable[[str], Path]) -> None:
    folder = windows("srum-win10-clean")
    (folder / "SRU0001B.log").unlink()
    found = run("discover", folder).of("instance")[0]
    assert found["missing"] == [[0x1B, 0x1B]]
    (folder / "SRUDB.dat").write_bytes(b"\0" * 20_000)
    done = run("discover", folder)
    found = done.of("instance")[0]
    assert [(each["path"], each["state"]) for each in found["databases"]] == [(NAMED_BY_THE_LOG, "unreachable")]
    log = bytearray((folder / "SRU.log").read_bytes())
    log[5 * 4096 + 100] ^= 0x5A
    (folder / "SRU.log").write_bytes(log)
    done = run("discover", folder)
    assert (done.code, done.of("instance")[0]["state"]) == (ExitCode.WARNINGS, "damaged")


def test_foreign_files_by_the_thousand_and_hostile_names(tmp_path: Path, corpus: Path) -> None:
    folder = tmp_path / "a\x1b[31m[bold]\nb"
    shutil.copytree(corpus / "srum-win10-small", folder, copy_function=shutil.copyfile)
    for number in range(3000):
        (tmp_path / f"file-{number}.log").write_bytes(b"not of ours" * 10)
    before = digests(tmp_path)
    done = CliRunner().invoke(cli, ["discover", str(tmp_path)])
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "a\\x1b[31m[bold]\\nb" in done.stdout
    assert digests(tmp_path) == before


def test_nothing_there(tmp_path: Path) -> None:
    done = run("discover", tmp_path)
    assert (done.code, done.lines) == (0, [])
    assert run("discover", tmp_path / "gone").code == ExitCode.STORAGE


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("demo", "--no-console", "--folder", tmp_path / "sample", "--size", "1")
    line = done.lines[0]
    assert (done.code, line["folder"]) == (0, str(tmp_path / "sample"))
    assert list(Path(line["backup"]).iterdir()) == []
    assert run("verify", line["folder"]).code == 0
    again = run("demo", "--no-console", "--folder", tmp_path / "sample", "--size", "1")
    assert again.code != 0
    assert "JET_errDatabaseDuplicate (-1201)" in again.stderr


def test_the_demo_without_a_terminal_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    done = CliRunner().invoke(cli, ["demo", "--size", "1"])
    assert done.exit_code == ExitCode.USAGE
    assert "needs a terminal" in done.stderr
    assert list(tmp_path.glob("esetui-demo-*")) == []
