from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import EseError
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.names import LogNames
from engine.log.truncate import archives, delete_logs

if TYPE_CHECKING:
    from pathlib import Path

NAMES = LogNames("edb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for generation in (3, 4, 6, 7, 0x1F):
        (tmp_path / f"edb{generation:05X}.log").write_bytes(b"x")
    for name in ("edb.log", "edbtmp.log", "edbres00001.jrs", "xyz00004.log", "edb00005.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "edb00005.log").mkdir()
    return tmp_path


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if each.is_file()}


def test_only_closed_logs_of_the_range_are_deleted(folder: Path) -> None:
    before = names(folder)
    done = delete_logs(RealFileSystem(), str(folder), NAMES, 4, 8)
    assert done.generations == (4, 6, 7)
    assert [path.rpartition("/")[2] for path in done.paths] == ["edb00004.log", "edb00006.log", "edb00007.log"]
    assert (done.missing, done.error) == (1, None)
    assert before - names(folder) == {"edb00004.log", "edb00006.log", "edb00007.log"}


def test_names_of_another_case_and_of_eight_digits(tmp_path: Path) -> None:
    for name in ("EDB00001.LOG", "edb00000002.log", "Edb0000a.Log"):
        (tmp_path / name).write_bytes(b"x")
    assert list(archives(RealFileSystem(), str(tmp_path), NAMES)) == [1, 2, 10]
    assert delete_logs(RealFileSystem(), str(tmp_path), NAMES, 1, 11).generations == (1, 2, 10)
    assert names(tmp_path) == set()


def test_it_stops_at_the_first_failure(folder: Path) -> None:
    """So that no log is ever missing between two that exist."""
    fs = FaultFileSystem(RealFileSystem(), 2, FaultMode.EIO, select=lambda op, _: op == "unlink")
    done = delete_logs(fs, str(folder), NAMES, 1, 8)
    assert done.generations == (3,)
    assert done.error is not None
    assert str(done.error.path).endswith("edb00004.log")
    assert {"edb00004.log", "edb00006.log", "edb00007.log"} <= names(folder)


def test_oldest_first_and_the_folder_flushed(folder: Path) -> None:
    fs = FaultFileSystem(RealFileSystem())
    delete_logs(fs, str(folder), NAMES, 1, 8)
    steps = [(each.op, each.path.rpartition("/")[2]) for each in fs.operations if each.op != "list"]
    assert steps[:4] == [("unlink", f"edb0000{number}.log") for number in (3, 4, 6, 7)]
    assert [op for op, _ in steps[4:]] == ["fsync-dir"]


def test_one_that_goes_away_meanwhile_counts_as_missing(folder: Path) -> None:
    class Racing(RealFileSystem):
        def unlink(self, path: str) -> None:
            if path.endswith("edb00004.log"):
                super().unlink(path)
            super().unlink(path)

    done = delete_logs(Racing(), str(folder), NAMES, 3, 5)
    assert (done.generations, done.missing, done.error) == ((3,), 1, None)


def test_nothing_to_do(folder: Path) -> None:
    before = names(folder)
    for first, end in ((8, 8), (9, 4), (1, 3)):
        assert delete_logs(RealFileSystem(), str(folder), NAMES, first, end).generations == ()
    assert names(folder) == before


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(EseError):
        delete_logs(RealFileSystem(), str(tmp_path / "none"), NAMES, 1, 2)
