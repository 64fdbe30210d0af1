from __future__ import annotations

import itertools
import json
import lzma
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.format.checksum import set_header_checksum
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path


def show(*paths: Path) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(cli, ["show", "--json", *map(str, paths)])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def header(path: Path) -> dict[str, Any]:
    _, lines, _ = show(path)
    fields: dict[str, Any] = lines[0]["header"]
    return fields


DATABASES = {
    # folder and file: page size, update level, state, verdict
    "srum-win10-clean/SRUDB.dat": (4096, 110, "clean_shutdown", "clean"),
    "srum-win10-dirty/SRUDB.dat": (4096, 20, "dirty_shutdown", "dirty"),
    "srum-win10-dirty-repaired/SRUDB.dat": (4096, 110, "clean_shutdown", "clean"),
    "srum-win10-small/SRUDB.dat": (4096, 110, "clean_shutdown", "clean"),
    "srum-win11-clean/SRUDB.dat": (4096, 200, "clean_shutdown", "clean"),
    "bits-24h2-16k/qmgr.db": (16384, 300, "dirty_shutdown", "dirty"),
}


@pytest.mark.parametrize("name", DATABASES)
def test_databases_of_windows(corpus: Path, name: str) -> None:
    code, lines, _ = show(corpus / name)
    assert (code, len(lines)) == (0, 1)
    line = lines[0]
    fields = line["header"]
    assert (fields["cb_page_size"], fields["update_major"], fields["state"], line["verdict"]) == DATABASES[name]
    assert (fields["version"], fields["magic"], fields["filetype"]) == (0x620, 0x89ABCDEF, 1)
    assert line["header_copy"] == "primary"
    assert line["header_problems"] == []
    assert line["pages"] == (corpus / name).stat().st_size // fields["cb_page_size"] - 2


@pytest.mark.parametrize(("name", "verdict"), [("clean", "clean"), ("dirty", "dirty")])
def test_databases_of_32_kib_pages(corpus: Path, tmp_path: Path, name: str, verdict: str) -> None:
    path = tmp_path / f"{name}.edb"
    with lzma.open(corpus / "windows-search-32k" / f"{name}.edb.xz") as packed, path.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    code, lines, _ = show(path)
    fields = lines[0]["header"]
    assert (code, lines[0]["verdict"]) == (0, verdict)
    assert (fields["cb_page_size"], fields["update_major"]) == (32768, 110)


LOGS = {
    # folder: generations on disk, current one, segments, version
    "srum-win10-clean": (range(0x19, 0x20), 0x20, 16, "8.4000.60.140"),
    "srum-win10-dirty": (range(0x4E, 0x52), 0x52, 16, "8.4000.5.16"),
    "srum-win10-small": (range(3, 9), 9, 16, "8.4000.60.140"),
    "srum-win11-clean": (range(9, 0xC), 0xC, 16, "8.4000.90.200"),
}


@pytest.mark.parametrize("folder", LOGS)
def test_logs_of_windows_chain_from_one_to_the_next(corpus: Path, folder: str) -> None:
    generations, current, segments, version = LOGS[folder]
    paths = [corpus / folder / f"SRU{generation:05X}.log" for generation in generations]
    code, lines, _ = show(*paths, corpus / folder / "SRU.log")
    assert code == 0
    assert [line["header"]["generation"] for line in lines] == [*generations, current]
    assert {line["header"]["file_segments"] for line in lines} == {segments}
    assert {line["header"]["version"] for line in lines[:-1]} == {version}
    assert {line["verdict"] for line in lines[:-1]} == {"good"}
    archived = lines[:-1]
    for before, after in itertools.pairwise(archived):
        assert after["header"]["previous_created"] == before["header"]["created"]
        accumulated = int(before["content"]["accumulated_checksum"], 16)
        assert int(after["header"]["previous_checksum"], 16) == accumulated
        assert after["header"]["signature"] == before["header"]["signature"]
    database = header(corpus / folder / "SRUDB.dat")
    assert database["sign_log"] == archived[0]["header"]["signature"]
    ends_clean = database["state"] == "clean_shutdown"
    assert lines[-1]["content"]["ends_clean"] is ends_clean


def test_side_files_of_windows(corpus: Path) -> None:
    folder = corpus / "srum-win10-clean"
    code, lines, _ = show(*(folder / name for name in ("SRU.chk", "SRUDB.jfm", "SRUres00001.jrs", "SRUtmp.log")))
    assert code == 0
    assert [(line["kind"], line["verdict"]) for line in lines] == [
        ("checkpoint", "good"),
        ("flush map", "clean"),
        ("reserve log", "reserve log"),
        ("log", "not in use"),
    ]
    checkpoint, flush_map, _, recycled = lines
    database = header(folder / "SRUDB.dat")
    assert checkpoint["header"]["checkpoint"] == "00000020:000E:0000"
    assert checkpoint["header"]["signature"] == database["sign_log"]
    assert flush_map["header"]["sign_flush_map_hdr_flush"] == database["sign_flush_map_hdr_flush"]
    assert recycled["header"]["generation"] == 0x18


def test_the_dirty_database_names_the_logs_it_needs(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "srum-win10-dirty"
    shutil.copy(source / "SRUDB.dat", tmp_path)
    _, lines, _ = show(tmp_path / "SRUDB.dat")
    assert "none of its logs" in lines[0]["sentences"][0]
    shutil.copy(source / "SRU0004F.log", tmp_path)
    _, lines, _ = show(tmp_path / "SRUDB.dat")
    assert "missing: 1, the first is SRU00051" in lines[0]["sentences"][0]
    shutil.copy(source / "SRU00051.log", tmp_path)
    _, lines, _ = show(tmp_path / "SRUDB.dat")
    assert "all are in its folder" in lines[0]["sentences"][0]


def damaged(source: Path, target: Path, *offsets: int) -> Path:
    data = bytearray(source.read_bytes())
    for offset in offsets:
        data[offset] ^= 0x5A
    target.write_bytes(data)
    return target


def test_a_damaged_header_is_told_and_the_shadow_serves(corpus: Path, tmp_path: Path) -> None:
    path = damaged(corpus / "srum-win10-clean" / "SRUDB.dat", tmp_path / "SRUDB.dat", 300)
    code, lines, _ = show(path)
    assert (code, lines[0]["header_copy"], lines[0]["verdict"]) == (ExitCode.WARNINGS, "shadow", "clean")
    assert "primary header is damaged" in lines[0]["sentences"][-1]
    assert lines[0]["header_problems"][0]["source"] == "primary"


def test_both_headers_damaged_is_an_error(corpus: Path, tmp_path: Path) -> None:
    path = damaged(corpus / "srum-win10-clean" / "SRUDB.dat", tmp_path / "SRUDB.dat", 300, 4096 + 300)
    code, lines, stderr = show(path)
    assert code == ExitCode.DAMAGE
    assert lines[0]["type"] == "error"
    assert "JET_errDatabaseCorrupted (-1206)" in stderr


def test_a_damaged_checkpoint_copy_and_a_damaged_log(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "srum-win10-clean"
    code, lines, _ = show(damaged(source / "SRU.chk", tmp_path / "SRU.chk", 100))
    assert (code, lines[0]["verdict"], lines[0]["copy"]) == (ExitCode.WARNINGS, "damaged", 2)
    # Three bits in one byte are more than can be corrected.
    code, lines, _ = show(damaged(source / "SRU0001A.log", tmp_path / "SRU0001A.log", 20_000))
    assert (code, lines[0]["verdict"]) == (ExitCode.DAMAGE, "damaged")
    assert lines[0]["content"]["findings"][0]["segment"] == 4


def test_one_bad_file_does_not_hide_the_others(corpus: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "letter.txt"
    foreign.write_text("Dear reader,\n" * 1000, encoding="utf-8")
    code, lines, stderr = show(foreign, corpus / "srum-win10-clean" / "SRU.chk", tmp_path / "gone")
    assert code == ExitCode.STORAGE
    assert [line["type"] for line in lines] == ["error", "file", "error"]
    assert "JET_errFileInvalidType" in stderr


def test_names_in_a_header_cannot_steer_the_terminal(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "srum-win10-clean" / "SRU.log").read_bytes())
    text = b"C:\\\x1b[31m[bold]\r\n"
    data[72 : 72 + len(text)] = text
    page = bytearray(data[:4096])
    set_header_checksum(page)
    data[:4096] = page
    path = tmp_path / "SRU.log"
    path.write_bytes(data)
    done = CliRunner().invoke(cli, ["show", str(path)])
    assert "[bold]" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_every_line_of_text_has_a_field_and_a_verdict(corpus: Path) -> None:
    done = CliRunner().invoke(cli, ["show", str(corpus / "srum-win10-clean" / "SRUDB.dat")])
    assert done.exit_code == 0
    text = done.stdout
    assert "verdict" in text.splitlines()[2]
    assert "clean: It was shut down cleanly" in text
    fields = header(corpus / "srum-win10-clean" / "SRUDB.dat")
    for name in fields:
        assert name.replace("_", " ") in text
