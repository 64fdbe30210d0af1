"""`esetui check`: findings as lines and as JSON, the verdict, the exit codes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from click.testing import CliRunner

from engine.format.checksum import set_page_checksum
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_good_database(corpus: Path) -> None:
    before = digests(corpus / "srum-win10-clean")
    done = run("check", corpus / "srum-win10-clean" / "SRUDB.dat")
    assert (done.code, done.end["ok"], done.end["errors"], done.end["warnings"]) == (0, True, 0, 0)
    assert done.end["pages"] > 100
    assert digests(corpus / "srum-win10-clean") == before


def test_leaked_pages_are_something_to_look_at(corpus: Path) -> None:
    done = run("check", corpus / "srum-win11-clean" / "SRUDB.dat")
    assert done.code == ExitCode.WARNINGS
    (finding,) = [each for each in done.of("finding") if each["severity"] == "warning"]
    assert (finding["kind"], finding["table"], finding["page"]) == ("leaked", "SruDbIdMapTable", 34)
    assert done.end["ok"] is True


def test_damage(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.dat"
    data = bytearray((corpus / "srum-win10-clean" / "SRUDB.dat").read_bytes())
    # The catalog's second leaf: eight bytes fewer are free than it says.
    page = memoryview(data)[(13 + 1) * 4096 : (13 + 2) * 4096]
    page[28] ^= 8
    set_page_checksum(page, 13)
    page.release()
    path.write_bytes(data)
    done = run("check", path)
    assert done.code == ExitCode.DAMAGE
    (finding,) = [each for each in done.of("finding") if each["severity"] == "error"]
    assert (finding["kind"], finding["table"], finding["page"], finding["code"]) == (
        "free space",
        "MSysObjects",
        13,
        -357,
    )
    assert done.end["kinds"] == {"free space": 1}
    plain = CliRunner().invoke(cli, ["check", str(path), "--quiet"])
    assert plain.exit_code == ExitCode.DAMAGE
    lines = plain.stdout.splitlines()
    assert lines[0].startswith("BAD   MSysObjects page 13: free space: ")
    assert lines[-1].startswith(f"database {path}: damaged: 1 free space; ")
    assert path.read_bytes() == data


def test_a_dirty_database_needs_its_logs_and_may_be_replayed_in_memory(
    oracle: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "instance"
    shutil.copytree(oracle("dirty") / "dirty-lv" / "before", folder)
    before = digests(folder)
    assert run("check", folder / "a.edb").code == ExitCode.DAMAGE
    done = run("check", folder / "a.edb", "--replay")
    assert (done.code, done.end["ok"]) == (0, True)
    assert {each["kind"] for each in done.of("finding")} == {"file size", "long value orphan"}
    assert digests(folder) == before


def test_a_database_that_only_lacks_its_recovery(corpus: Path) -> None:
    done = run("check", corpus / "srum-win10-dirty" / "SRUDB.dat")
    assert done.code == ExitCode.NOT_RECOVERABLE
    assert done.end["kinds"] == {"state": 1}


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "none.edb").write_bytes(b"no database " * 1000)
    assert run("check", tmp_path / "none.edb").code == ExitCode.DAMAGE
    done = CliRunner().invoke(cli, ["check", str(tmp_path / "missing.edb")])
    assert done.exit_code == ExitCode.STORAGE
