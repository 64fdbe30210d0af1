from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path


def log(*words: object) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(cli, ["log", "--json", *map(str, words)])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture
def folder(corpus: Path) -> Path:
    return corpus / "srum-win10-clean"


def test_all_records_in_order_and_as_many_as_show_counts(folder: Path) -> None:
    code, lines, _ = log(folder)
    assert code == 0
    assert {line["type"] for line in lines} == {"record"}
    positions = [line["pos"] for line in lines]
    assert positions == sorted(positions)
    shown = CliRunner().invoke(cli, ["show", "--json", *(str(path) for path in sorted(folder.glob("SRU0*.log")))])
    counts = [sum(json.loads(line)["content"]["records"].values()) for line in shown.stdout.splitlines()]
    for generation, count in zip(range(0x19, 0x20), counts, strict=True):
        assert sum(line["generation"] == generation for line in lines) == count


def test_one_file_is_listed_by_itself(folder: Path) -> None:
    _, lines, _ = log(folder / "SRU0001A.log")
    assert {line["generation"] for line in lines} == {0x1A}


@pytest.mark.parametrize(
    ("text", "found"),
    [("31", {31}), ("0x1F", {31}), ("25-26", {25, 26}), ("0x1e-0x20", {30, 31, 32}), ("500", set())],
)
def test_generations(folder: Path, text: str, found: set[int]) -> None:
    _, lines, _ = log(folder, "-g", text)
    assert {line["generation"] for line in lines} == found


@pytest.mark.parametrize("text", ["x", "5-3", "0x", "-1", "1-2-3", ""])
def test_what_is_no_generation(folder: Path, text: str) -> None:
    code, _, stderr = log(folder, f"--generation={text}")
    assert code == ExitCode.USAGE
    assert "generation" in stderr


def test_types_in_any_case(folder: Path) -> None:
    _, lines, _ = log(folder, "-t", "term2", "-t", "INIT2")
    assert [(line["record"], line["pos"]) for line in lines] == [
        ("Term2", "00000020:0009:0000"),
        ("Init2", "00000020:000A:0000"),
        ("Term2", "00000020:000C:0000"),
        ("Init2", "00000020:000D:0000"),
        ("Term2", "00000020:000E:0000"),
    ]
    attach = log(folder, "-t", "AttachDB")[1][0]
    assert attach["fields"]["path"] == "C:\\Windows\\system32\\SRU\\SRUDB.dat"
    code, _, stderr = log(folder, "-t", "Nonsense")
    assert code == ExitCode.USAGE
    assert "AttachDB" in stderr


def test_pages_wherever_a_record_names_them(folder: Path) -> None:
    _, everything, _ = log(folder)
    _, lines, _ = log(folder, "-p", "170")
    positions = {line["pos"] for line in lines}
    assert positions
    direct = {line["pos"] for line in everything if line["fields"].get("pgno") == 170}
    assert direct < positions
    assert {"Split2", "MacroInfo"} & {line["record"] for line in lines}


def test_the_limit_is_told(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["log", str(folder), "-n", "3"])
    assert len(done.stdout.splitlines()) == 3
    assert "--limit" in done.stderr


def test_a_gap_and_damage_do_not_hide_the_rest(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("SRU0*.log"):
        shutil.copy(path, tmp_path)
    (tmp_path / "SRU0001B.log").unlink()
    victim = tmp_path / "SRU0001C.log"
    data = bytearray(victim.read_bytes())
    data[30_000] ^= 0x5A
    victim.chmod(0o644)
    victim.write_bytes(data)
    code, lines, stderr = log(tmp_path)
    assert code == ExitCode.DAMAGE
    assert "generations are missing: 0x1b" in stderr
    assert "JET_errLogFileCorrupt (-501)" in stderr
    generations = {line["generation"] for line in lines if line["type"] == "record"}
    assert generations == {0x19, 0x1A, 0x1C, 0x1D, 0x1E, 0x1F}
    assert {"warning", "error"} <= {line["type"] for line in lines}


def test_a_folder_without_logs(tmp_path: Path) -> None:
    code, _, stderr = log(tmp_path)
    assert code == ExitCode.STORAGE
    assert "JET_errFileNotFound (-1811)" in stderr


def test_lines_of_text(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["log", str(folder), "-t", "AttachDB"])
    assert done.stdout.startswith("00000020:000A:0268  AttachDB")
    assert '\\SRU\\SRUDB.dat"' in done.stdout
