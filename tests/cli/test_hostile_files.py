"""Cut off, empty, flipped and lying files through the commands: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.format.checksum import set_header_checksum
from tests.cli.running import Done, digests, run

EXAMPLES = int(os.environ.get("ESE_FUZZ_EXAMPLES", "60"))
FILES = ("SRUDB.dat", "SRU.log", "SRU0001F.log", "SRU.chk", "SRUDB.jfm")
LENGTHS = (0, 1, 7, 100, 667, 671, 747, 4095, 4096, 4097, 8191, 8192, 8200, 12288, 20000)
COMMANDS = (("show",), ("verify",), ("log", "--limit", "50"), ("discover",), ("tables", "--count"), ("schema",))


def answers(*words: object) -> Done:
    """Run a command; `run` raises what is no proper end."""
    done = run(*words)
    assert 0 <= done.code <= 8
    return done


@pytest.mark.parametrize("name", FILES)
def test_files_cut_off_anywhere(corpus: Path, tmp_path: Path, name: str) -> None:
    data = (corpus / "srum-win10-clean" / name).read_bytes()
    for length in LENGTHS:
        path = tmp_path / f"{length}" / name
        path.parent.mkdir()
        path.write_bytes(data[:length])
        before = digests(path.parent)
        for words in COMMANDS:
            answers(*words, path)
            answers(*words, path.parent)
        assert digests(path.parent) == before


@pytest.mark.parametrize("name", FILES)
def test_headers_that_lie_with_a_right_checksum(
    corpus: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    data = (corpus / "srum-win10-clean" / name).read_bytes()[: 24 * 4096]
    size = 8192 if name.endswith(".jfm") else 4096
    places = st.integers(4, 760)
    values = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(changes=st.lists(st.tuples(places, values), min_size=1, max_size=12), both=st.booleans())
    def lie(changes: list[tuple[int, int]], *, both: bool) -> None:
        page = bytearray(data[:size])
        for at, value in changes:
            page[at] = value
        set_header_checksum(page)
        lied = bytearray(data)
        lied[:size] = page
        if both and name != "SRU.log":
            lied[size : 2 * size] = page
        folder = tmp_path_factory.mktemp("lie")
        path = folder / name
        path.write_bytes(lied)
        for words in COMMANDS:
            answers(*words, path)
        shutil.rmtree(folder)

    lie()


def test_a_million_pages_in_a_file_of_one(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "srum-win10-clean" / "SRUDB.dat").read_bytes()[: 4 * 4096])
    page = bytearray(data[:4096])
    # Generations 1 to 2^31-1 required, and a last page of 2^31-1 scanned.
    page[52:56] = (2).to_bytes(4, "little")
    page[296:304] = (1).to_bytes(4, "little") + (0x7FFFFFFF).to_bytes(4, "little")
    page[416:420] = (0x7FFFFFFF).to_bytes(4, "little")
    page[532:536] = (0x7FFFFFFF).to_bytes(4, "little")
    set_header_checksum(page)
    data[:4096] = data[4096:8192] = page
    path = tmp_path / "SRUDB.dat"
    path.write_bytes(data)
    shutil.copyfile(corpus / "srum-win10-clean" / "SRU.log", tmp_path / "SRU.log")
    for words in COMMANDS:
        answers(*words, path)
        answers(*words, tmp_path)


def test_folders_devices_and_links_in_place_of_files(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder.edb").mkdir()
    places: list[Path] = [tmp_path / "loop", tmp_path / "folder.edb", Path("/dev/null"), Path("/dev/zero")]
    for place in places:
        if place.exists() or place.is_symlink():
            for words in COMMANDS:
                answers(*words, place)
