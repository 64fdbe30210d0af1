"""Sets on disk: reading them, listing them, and what is said of damaged ones."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sets import Place, Verdict, list_backups, read_backup_set
from engine.backup.stamp import STAMP, write_stamp
from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Callable

FS = ReadOnlyFileSystem(RealFileSystem())
"""Reading sets never writes."""


@pytest.fixture
def chain(tiny: Callable[..., Any]) -> Path:
    """Return the folder of a full backup with two incremental ones."""
    run = tiny()
    run.roll(2)
    run.backup()
    for _ in range(2):
        run.roll(2)
        run.backup(BackupOptions.INCREMENTAL)
    path: Path = run.target
    run.instance.term()
    return path


def read(path: Path) -> Any:
    return read_backup_set(str(path), fs=FS)


def test_a_chain(chain: Path) -> None:
    found = read(chain)
    assert found.verdict is Verdict.COMPLETE
    assert found.restorable
    assert found.reason == ""
    assert found.place is Place.PLAIN
    assert [each.kind for each in found.backups] == ["full", "incremental", "incremental"]
    assert [each.parent for each in found.backups][1:] == [each.id for each in found.backups][:2]
    assert found.created == found.backups[0].started
    assert found.latest == found.backups[2].started
    assert found.first_generation == found.backups[0].first_generation
    assert found.last_generation == found.backups[2].last_generation
    assert [each.name for each in found.databases] == ["a.edb"]
    assert found.databases[0].source.endswith("inst/a.edb")
    assert found.patches == ("a.pat",)
    assert found.verified == found.backups[2].finished
    assert found.has_manifest
    assert found.log_signature is not None


def test_a_set_without_its_manifest_is_read_all_the_same(chain: Path) -> None:
    (chain / "backup.json").unlink()
    found = read(chain)
    assert found.verdict is Verdict.COMPLETE
    assert [each.kind for each in found.backups] == ["full"]
    assert found.verified is None
    assert not found.has_manifest


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_missing_log_breaks_it_at_its_generation(chain: Path, which: int) -> None:
    log = read(chain).logs[which]
    Path(log.path).unlink()
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert found.broken_at == log.generation
    assert any(log.name in each or f"{log.generation:#x}" in each for each in found.problems)


def test_a_log_of_a_wrong_size_or_header_breaks_it(chain: Path) -> None:
    log = Path(read(chain).logs[1].path)
    log.write_bytes(log.read_bytes()[:-4096])
    assert read(chain).verdict is Verdict.BROKEN
    log.write_bytes(b"\xff" * 4096)
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert found.logs[1].header is None


def test_logs_that_do_not_follow_one_another(chain: Path) -> None:
    first, second = (Path(each.path) for each in read(chain).logs[:2])
    first.write_bytes(second.read_bytes())
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert "generation" in found.logs[0].problem


def test_a_missing_or_cut_database_breaks_it(chain: Path) -> None:
    database = chain / "a.edb"
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2 // 4096 * 4096])
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert "trailer" in found.databases[0].problem or "trailer" in found.reason or "bytes instead" in found.reason
    database.unlink()
    assert read(chain).verdict is Verdict.BROKEN


def test_a_database_that_is_no_copy(chain: Path, built: Path) -> None:
    shutil.copyfile(built / "a.edb", chain / "a.edb")
    assert "not a copy" in read(chain).databases[0].problem


def test_a_damaged_manifest_is_told(chain: Path) -> None:
    (chain / "backup.json").write_text("{}")
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert "backup.json" in found.reason


def test_half_made_sets_are_not_sets(chain: Path) -> None:
    (chain / "backup.json").rename(chain / "backup.json.partial")
    assert read(chain).verdict is Verdict.HALF_MADE
    assert not read(chain).restorable


def test_without_a_manifest_an_unfinished_copy_is_half_made(chain: Path) -> None:
    (chain / "backup.json").unlink()
    (chain / "a.edb").write_bytes(b"")
    assert read(chain).verdict is Verdict.HALF_MADE


def test_temp_is_never_a_set(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(BackupOptions.ATOMIC)
    (run.target / "new").rename(run.target / "temp")
    assert [each.verdict for each in list_backups(str(run.target), fs=FS)] == [Verdict.HALF_MADE]
    (run.target / "temp" / "backup.json").unlink()
    assert [each.verdict for each in list_backups(str(run.target), fs=FS)] == [Verdict.HALF_MADE]


def test_an_instance_is_no_set(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    run.roll(2)
    (run.folder / "a.pat").write_bytes(b"")
    assert list_backups(str(run.folder), fs=FS) == []
    with pytest.raises(EseError) as caught:
        read(run.folder)
    assert caught.value.code == Err.FileNotFound


def test_logs_alone(chain: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for each in chain.glob("*.log"):
        shutil.copyfile(each, alone / each.name)
    found = read(alone)
    assert found.verdict is Verdict.LOGS_ONLY
    assert [each.kind for each in found.backups] == ["incremental"]


def test_where_there_is_nothing(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "gone", Err.FileNotFound), (tmp_path, Err.FileNotFound)):
        with pytest.raises(EseError) as caught:
            read(path)
        assert caught.value.code == code
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EseError) as caught:
        read(tmp_path / "file")
    assert caught.value.code == Err.InvalidPath
    assert list_backups(str(tmp_path / "gone"), fs=FS) == []


def test_listing_finds_sets_below_newest_first(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    top = tmp_path / "top"
    for name in ("monday", "tuesday", "wednesday"):
        (top / name).mkdir(parents=True)
        run.roll()
        run.backup(0, top / name)
    (top / "other").mkdir()
    (top / "other" / "file.txt").write_text("x")
    run.backup(BackupOptions.ATOMIC, top)
    found = list_backups(str(top), fs=FS)
    assert [Path(each.path).name for each in found] == ["new", "wednesday", "tuesday", "monday"]
    assert found[0].place is Place.NEW
    assert len(list_backups(str(top), fs=FS, max_sets=2)) == 2


def test_hostile_names_and_contents_stay_values(chain: Path) -> None:
    (chain / "edbFFFFFFFF.log").write_bytes(b"x")
    (chain / "edb7FFFF000.log").write_bytes(b"x")
    (chain / "[red]x.edb").write_bytes(bytes(8192))
    found = read(chain)
    assert found.verdict is Verdict.BROKEN
    assert len(found.problems) < 200


def test_the_stamp_of_a_verification(chain: Path) -> None:
    fs = RealFileSystem()
    when = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    write_stamp(fs, str(chain), when)
    assert read(chain).verified == when
    assert read(chain).verdict is Verdict.COMPLETE
    (chain / "backup.json").write_bytes((chain / "backup.json").read_bytes() + b"\n")
    assert read(chain).verified != when, "another state of the set"
    (chain / STAMP).write_text("nonsense")
    assert read(chain).verified is not None
    (chain / "backup.json").unlink()
    assert read(chain).verified is None
    write_stamp(fs, str(chain), when)
    assert read(chain).verified == when


@pytest.mark.oracle
def test_every_set_of_the_real_engine(oracle: Callable[[str], Path]) -> None:
    """Sets that failed runs left behind are broken or half-made, all others complete."""
    verdicts: dict[Verdict, int] = {}
    for folder in sorted({each.parent for each in oracle("backup").rglob("*.pat")}):
        if (folder / "edb.log").exists():
            continue
        found = read(folder)
        failed = "corrupt-log-incr" in str(folder) and found.broken_at is not None
        failed = failed or (folder.name == "bkn" and "err-misc" not in str(folder))
        assert found.restorable or failed, (folder, found.reason)
        verdicts[found.verdict] = verdicts.get(found.verdict, 0) + 1
    assert verdicts[Verdict.COMPLETE] > 60
