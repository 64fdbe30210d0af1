"""Finding instances: by signature, whatever the names and whatever lies about."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine import header_changes
from engine.build import DatabaseBuilder
from engine.discover import FoundInstance, FoundState, discover
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState
from engine.header_file import read_header
from engine.instance import Instance
from engine.types import LgPos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FS = RealFileSystem()


def make(folder: Path, name: str = "a.edb", **settings: object) -> Path:
    """Make an instance with one database, attached once and ended cleanly."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with DatabaseBuilder(Environment(), path, threaded=False):
        pass
    with Instance(path=folder, log_file_size=64, **settings) as instance:  # type: ignore[arg-type]
        instance.session().attach(path)
        instance.writer.roll()
    return path


def one(path: Path) -> FoundInstance:
    found = discover(path)
    assert len(found) == 1
    return found[0]


# -- real folders --


@pytest.mark.corpus
def test_the_corpus(corpus: Path) -> None:
    found = {each.log_folder.rpartition("/")[2]: each for each in discover(corpus)}
    assert {name: each.state.value for name, each in found.items()} == {
        "srum-win10-clean": "clean",
        "srum-win10-dirty": "dirty",
        "srum-win10-small": "clean",
        "srum-win11-clean": "clean",
        "srum-win10-dirty-repaired": "clean",
        "bits-24h2-16k": "dirty",
    }
    clean = found["srum-win10-clean"]
    assert (clean.base_name, clean.page_size, clean.log_file_size, clean.circular) == ("SRU", 4096, 65536, True)
    assert clean.generations == tuple(range(0x19, 0x21))
    assert clean.missing == ()
    assert clean.checkpoint_generation == 0x20
    assert [each.path.rpartition("/")[2] for each in clean.databases] == ["SRUDB.dat"]
    dirty = found["srum-win10-dirty"]
    assert dirty.databases[0].state is FoundState.DIRTY
    assert dirty.databases[0].problem == "needs the logs 0x51 to 0x51"
    for name in ("srum-win10-dirty-repaired", "bits-24h2-16k"):
        assert not found[name].has_log
        assert found[name].generations == ()
        assert found[name].base_name == ""
    assert found["bits-24h2-16k"].page_size == 16384


@pytest.mark.corpus
def test_odd_case_of_names(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "i"
    shutil.copytree(corpus / "srum-win10-small", folder)
    folder.chmod(0o755)
    for each in list(folder.iterdir()):
        each.rename(folder / each.name.swapcase())
    found = one(folder)
    assert (found.state, found.base_name) == (FoundState.CLEAN, "sru")
    assert found.generations == (3, 4, 5, 6, 7, 8, 9)
    assert found.databases[0].path.endswith("srudb.DAT")


@pytest.mark.corpus
def test_a_file_of_an_instance_leads_to_it(corpus: Path) -> None:
    folder = corpus / "srum-win10-clean"
    for name in ("SRUDB.dat", "SRU.log", "SRU0001B.log", "SRU.chk"):
        assert one(folder / name).log_folder == str(folder)


@pytest.mark.oracle
def test_backup_sets_are_no_instances(oracle: Callable[[str], Path]) -> None:
    for case in ("backup-full-incr-incr", "backup-atomic-twice", "backup-multidb", "backup-p32k"):
        found = discover(oracle("backup") / case)
        assert found
        assert all("/inst" in each.log_folder or "/corrupted-inst" in each.log_folder for each in found)
        assert all(each.has_log for each in found)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("case", "generations", "databases", "page_size", "base"),
    [
        ("multidb", 6, ["a.edb", "b.edb", "c.edb"], 8192, "edb"),
        ("names83", 3, ["a.edb"], 8192, "e00"),
        ("p32k", None, ["a.edb"], 32768, "edb"),
    ],
)
def test_instances_of_the_real_engine(
    oracle: Callable[[str], Path], case: str, generations: int | None, databases: list[str], page_size: int, base: str
) -> None:
    for state, folder in ((FoundState.DIRTY, "before"), (FoundState.CLEAN, "after")):
        found = one(oracle("dirty") / f"dirty-{case}" / folder)
        assert found.state is state
        assert [each.path.rpartition("/")[2] for each in found.databases] == databases
        assert (found.page_size, found.base_name.lower()) == (page_size, base)
        assert generations is None or len(found.generations) >= generations


# -- made folders --


def test_thousands_of_unrelated_files(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "down" / "here")
    junk = tmp_path / "junk"
    junk.mkdir()
    for number in range(3000):
        suffix = (".txt", ".log", ".dat", ".db", "")[number % 5]
        (junk / f"file{number}{suffix}").write_bytes(b"not ours " * (number % 600))
    (junk / "empty.edb").write_bytes(b"")
    (junk / "zeros.edb").write_bytes(bytes(65536))
    (junk / "edb.log").write_bytes(b"text " * 1000)
    (junk / "link.edb").symlink_to(junk / "nowhere")
    found = one(tmp_path)
    assert found.log_folder.endswith("here")


def test_a_folder_of_odd_things(tmp_path: Path) -> None:
    (tmp_path / "x\x1b[31m.edb").mkdir()
    (tmp_path / "[bold]").mkdir()
    make(tmp_path / "[bold]" / "y\tz")
    assert one(tmp_path).state is FoundState.CLEAN


def test_depth_and_absence(tmp_path: Path) -> None:
    make(tmp_path / "a" / "b" / "c")
    assert discover(tmp_path, max_depth=2) == []
    assert len(discover(tmp_path, max_depth=3)) == 1
    with pytest.raises(EseError) as caught:
        discover(tmp_path / "none")
    assert caught.value.code == Err.FileNotFound
    (tmp_path / "readme.txt").write_text("hello")
    assert discover(tmp_path / "readme.txt") == []


def test_read_only_media(tmp_path: Path) -> None:
    make(tmp_path / "i")
    for each in tmp_path.rglob("*.lock"):
        each.unlink()
    before = sorted((each.name, each.stat().st_mtime_ns) for each in tmp_path.rglob("*"))
    found = discover(tmp_path, fs=ReadOnlyFileSystem(FS))
    assert [each.state for each in found] == [FoundState.CLEAN]
    assert sorted((each.name, each.stat().st_mtime_ns) for each in tmp_path.rglob("*")) == before


def test_a_lock_file_on_read_only_media_locks_nothing(tmp_path: Path) -> None:
    make(tmp_path / "i")
    assert (tmp_path / "i" / "edb.lock").exists()
    assert [each.state for each in discover(tmp_path, fs=ReadOnlyFileSystem(FS))] == [FoundState.CLEAN]


def test_in_use(tmp_path: Path) -> None:
    path = make(tmp_path / "i")
    with Instance(path=tmp_path / "i", log_file_size=64) as instance:
        instance.session().attach(path)
        found = one(tmp_path)
        assert found.state is FoundState.LOCKED
        assert found.detail == "in use"
        assert found.databases[0].state is FoundState.DIRTY
    assert one(tmp_path).state is FoundState.CLEAN


def test_databases_elsewhere_are_found_by_signature(tmp_path: Path) -> None:
    make(tmp_path / "logs")
    other = tmp_path / "data" / "renamed.bin"
    other.parent.mkdir()
    (tmp_path / "logs" / "a.edb").rename(other)
    (tmp_path / "logs" / "edb.chk").rename(tmp_path / "data" / "edb.chk")
    found = one(tmp_path)
    assert [each.path for each in found.databases] == [str(other)]
    assert found.log_folder == str(tmp_path / "logs")
    assert found.system_folder == str(tmp_path / "data")
    assert found.checkpoint is not None


def test_a_copy_of_the_whole_folder_keeps_its_own_database(tmp_path: Path) -> None:
    make(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = discover(tmp_path)
    assert [each.log_folder.rpartition("/")[2] for each in found] == ["one", "two"]
    for each in found:
        assert [database.path for database in each.databases] == [f"{each.log_folder}/a.edb"]


def test_two_streams_in_one_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.edb")
    make(tmp_path, "b.edb", base_name="xyz")
    found = discover(tmp_path)
    assert [(each.base_name, [database.path[-5:] for database in each.databases]) for each in found] == [
        ("edb", ["a.edb"]),
        ("xyz", ["b.edb"]),
    ]


def test_a_database_that_the_log_names_is_not_there(tmp_path: Path) -> None:
    path = make(tmp_path)
    path.unlink()
    found = one(tmp_path)
    assert [(each.path, each.state) for each in found.databases] == [(str(path), FoundState.UNREACHABLE)]
    assert found.state is FoundState.CLEAN


def test_a_run_that_died(tmp_path: Path) -> None:
    path = make(tmp_path)
    instance = Instance(path=tmp_path, log_file_size=64)
    instance.init()
    instance.session().attach(path)
    instance.abandon()
    found = one(tmp_path)
    assert (found.state, found.detail) == (FoundState.DIRTY, "the last run did not end")
    with Instance.open_found(found):
        pass
    assert one(tmp_path).state is FoundState.CLEAN


def test_damage(tmp_path: Path) -> None:
    make(tmp_path)
    log = tmp_path / "edb.log"
    good = log.read_bytes()
    log.write_bytes(good[:100] + b"\xff" + good[101:])
    assert (one(tmp_path).state, one(tmp_path).detail) == (
        FoundState.DAMAGED,
        "the header of edb.log cannot be used",
    )
    log.write_bytes(good[:4200] + b"\xff\xff\xff" + good[4203:8192] + bytes(len(good) - 8192))
    found = one(tmp_path)
    assert (found.state, found.detail) == (FoundState.DAMAGED, "edb.log is damaged")
    assert Err.LogFileCorrupt in [each.code for each in found.findings]
    log.unlink()
    assert (one(tmp_path).state, one(tmp_path).detail) == (FoundState.DAMAGED, "edb.log is missing")


def test_an_interrupted_rollover(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "edb.log").rename(tmp_path / "edbtmp.log")
    found = one(tmp_path)
    assert (found.state, found.detail) == (FoundState.DIRTY, "a roll-over of the log was interrupted")


def test_a_damaged_database(tmp_path: Path) -> None:
    path = make(tmp_path)
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    found = one(tmp_path)
    assert found.state is FoundState.CLEAN
    assert found.databases[0].problem is not None
    data[4096 + 300] ^= 1
    path.write_bytes(data)
    found = one(tmp_path)
    assert found.state is FoundState.DAMAGED
    assert found.databases[0].state is FoundState.DAMAGED
    assert found.databases[0].header is None


def test_states_of_lone_databases(tmp_path: Path) -> None:
    words = {
        DbState.CLEAN_SHUTDOWN: ("clean", None),
        DbState.JUST_CREATED: ("dirty", "its creation did not finish"),
        DbState.DIRTY_AND_PATCHED: ("dirty", "restored, but not replayed to the end"),
        DbState.DIRTY_SHUTDOWN: ("dirty", "needs the logs 0x3 to 0x5"),
    }
    for state in words:
        path = tmp_path / f"{int(state)}.edb"
        with DatabaseBuilder(Environment(), path, threaded=False):
            pass
        header = read_header(FS, str(path)).header.replace(state=state, gen_min_required=3, gen_max_required=5)
        data = bytearray(path.read_bytes())
        data[:8192] = header.pack() * 2
        path.write_bytes(data)
    found = discover(tmp_path)
    assert {each.databases[0].path: (each.state.value, each.databases[0].problem) for each in found} == {
        str(tmp_path / f"{int(state)}.edb"): text for state, text in words.items()
    }


def test_a_lone_database_is_opened_with_a_new_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.edb"
    with DatabaseBuilder(Environment(), path, page_size=8192, threaded=False):
        pass
    with Instance.open_found(one(tmp_path), params={"LogFileSize": 64}) as instance:
        assert instance.params.database_page_size == 8192
        instance.session().attach(path)
    assert one(tmp_path).has_log
    assert one(tmp_path).databases[0].path == str(path)


def test_a_backup_copy_says_what_it_is(tmp_path: Path) -> None:
    path = make(tmp_path / "i")
    with Instance(path=tmp_path / "i", log_file_size=64) as instance:
        instance.session().attach(path)
        (tmp_path / "bk").mkdir()
        instance.backup(tmp_path / "bk")
    assert one(tmp_path).log_folder == str(tmp_path / "i"), "the set is not taken for an instance"
    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(tmp_path / "bk" / "a.edb", lone / "a.edb")
    found = one(lone)
    assert (found.state, found.detail) == (FoundState.DIRTY, "a copy made by a backup; restore the set")


def test_it_is_what_open_found_needs(tmp_path: Path) -> None:
    make(tmp_path, circular_log=True, base_name="V01", params={"LegacyFileNames": 0})
    found = one(tmp_path)
    assert found.names is not None
    assert (found.names.base, found.names.ext, found.names.eight) == ("V01", ".jtx", True)
    with Instance.open_found(found) as instance:
        assert instance.params.circular_log
        assert instance.params.log_file_size == 64
        assert instance.writer.signature == found.signature


def test_header_changes_are_pure(tmp_path: Path) -> None:
    header = read_header(FS, str(make(tmp_path))).header
    before = header.pack()
    changed = header_changes.clean_shutdown(header, position=LgPos(9, 9, 9), time=Environment().log_time())
    assert header.pack() == before
    assert changed.lgpos_consistent == LgPos(9, 9, 9)
