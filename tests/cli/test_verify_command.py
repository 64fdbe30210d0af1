from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import run
from tests.flush_maps import PAGE, Srum

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[2]
CLEAN = ("srum-win10-clean", "srum-win10-small", "srum-win11-clean", "srum-win10-dirty", "srum-win10-dirty-repaired")


def verify(*words: object) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(cli, ["verify", "--json", *map(str, words)])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def of_type(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def digests(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", CLEAN)
def test_instances_of_windows_are_good(corpus: Path, folder: str) -> None:
    before = digests(corpus / folder)
    code, lines, _ = verify(corpus / folder)
    end = of_type(lines, "job_finished")[0]
    assert (code, end["ok"], end["bad"], end["kind"]) == (0, True, 0, "instance")
    assert lines[0]["type"] == "job_started"
    assert lines[-1]["type"] == "job_finished"
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert digests(corpus / folder) == before


def test_a_flipped_bit_is_found_named_and_correctable(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.dat"
    data = bytearray((corpus / "srum-win10-clean" / "SRUDB.dat").read_bytes())
    page = 24
    data[(page + 1) * 4096 + 1000] ^= 0x10
    path.write_bytes(data)
    code, lines, _ = verify(path)
    assert code == ExitCode.DAMAGE
    (finding,) = of_type(lines, "finding")
    assert (finding["page"], finding["unit"], finding["code"]) == (page, "page", -1018)
    assert finding["offset"] == (page + 1) * 4096
    assert finding["correctable"]
    assert finding["bits"] == [1000 * 8 + 4]
    assert finding["expected"] != finding["actual"]
    done = CliRunner().invoke(cli, ["verify", str(path)])
    assert done.exit_code == ExitCode.DAMAGE
    assert f"page {page} at offset" in done.stdout
    assert "expected 0x" in done.stdout
    assert "correctable: bit 8004" in done.stdout
    assert path.read_bytes() == bytes(data)


def test_every_damaged_unit_is_listed(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    shutil.copytree(corpus / "srum-win10-clean", folder, copy_function=shutil.copy)
    database = folder / "SRUDB.dat"
    data = bytearray(database.read_bytes())
    pages = [5, 13, 24, 100]
    for page in pages:
        data[(page + 1) * 4096 + 200] ^= 0x5A
    database.chmod(0o644)
    database.write_bytes(data)
    log = folder / "SRU0001C.log"
    log.chmod(0o644)
    content = bytearray(log.read_bytes())
    content[3 * 4096 + 2000] ^= 0x5A
    log.write_bytes(content)
    code, lines, _ = verify(folder)
    assert code == ExitCode.DAMAGE
    findings = of_type(lines, "finding")
    assert [line["page"] for line in findings if line["unit"] == "page"] == pages
    assert {line["number"] for line in findings if line["unit"] == "segment"} == {3}
    assert of_type(lines, "job_finished")[0]["bad"] == 5


def test_the_real_engines_sets_and_its_damaged_instances(oracle: Callable[[str], Path]) -> None:
    backup = oracle("backup")
    code, lines, _ = verify(backup / "backup-full-incr-incr" / "s3-incr2" / "bk")
    assert code == 0
    assert of_type(lines, "job_finished")[0]["kind"] == "backup-set"
    code, lines, _ = verify(backup / "backup-corrupt-page" / "corrupted-inst")
    assert code == ExitCode.DAMAGE
    assert [line["page"] for line in of_type(lines, "finding")] == [47]
    code, lines, _ = verify(backup / "backup-corrupt-page-onebit" / "corrupted-inst")
    assert code == ExitCode.DAMAGE
    assert [line["correctable"] for line in of_type(lines, "finding")] == [True]


def test_a_lost_header_needs_the_page_size(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.dat"
    data = bytearray((corpus / "srum-win10-clean" / "SRUDB.dat").read_bytes())
    data[300] ^= 0x5A
    data[4396] ^= 0x5A
    path.write_bytes(data)
    assert verify(path)[0] == ExitCode.DAMAGE
    code, lines, _ = verify(path, "--kind", "database", "--page-size", "4096")
    assert code == ExitCode.DAMAGE
    assert {line["unit"] for line in of_type(lines, "finding")} == {"header"}


def test_foreign_and_missing(tmp_path: Path) -> None:
    assert verify(tmp_path / "gone")[0] == ExitCode.STORAGE
    foreign = tmp_path / "letter.txt"
    foreign.write_text("Dear reader,\n" * 1000, encoding="utf-8")
    code, _, stderr = verify(foreign)
    assert code == ExitCode.DAMAGE
    assert "JET_errDatabaseCorrupted (-1206)" in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(corpus: Path, tmp_path: Path, number: int, code: int) -> None:
    # A sparse file of zeros behind a good header takes long enough to be interrupted.
    path = tmp_path / "large.dat"
    shutil.copy(corpus / "srum-win10-clean" / "SRUDB.dat", path)
    path.chmod(0o644)
    os.truncate(path, 40 << 30)
    process = subprocess.Popen(
        [sys.executable, "-m", "esetui", "verify", "--json", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "job_started"
        while json.loads(process.stdout.readline())["type"] != "progress":
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == code


def test_a_lost_write_is_told_with_both_counters(corpus: Path, tmp_path: Path) -> None:
    srum = Srum.copy(corpus, tmp_path / "srum")
    expected, older = srum.lose_write(PAGE)
    code, lines, _ = verify(srum.database)
    assert code == ExitCode.DAMAGE
    [finding] = of_type(lines, "finding")
    assert (finding["page"], finding["code"], finding["correctable"]) == (PAGE, -1119, False)
    assert (finding["expected"], finding["actual"]) == (f"{expected:#x}", f"{older:#x}")


def test_a_backup_of_a_lost_write_is_complete_with_something_to_look_at(corpus: Path, tmp_path: Path) -> None:
    srum = Srum.copy(corpus, tmp_path / "srum")
    srum.lose_write(PAGE)
    (tmp_path / "set").mkdir()
    done = run("backup", srum.folder, tmp_path / "set")
    assert done.code == ExitCode.WARNINGS
    assert done.end["warning_events"] == [544]
