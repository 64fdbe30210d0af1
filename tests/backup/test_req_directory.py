"""R12-R22: the directory, the names in a set, the atomic layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.sets import Place, Verdict, read_backup_set
from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader
from engine.format.patch import PatchHeader
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Callable

ATOMIC = BackupOptions.ATOMIC
INCREMENTAL = BackupOptions.INCREMENTAL
FS = RealFileSystem()


def below(part: str) -> Callable[[str, str], bool]:
    """Select the operations on paths that contain `part`."""
    return lambda _, path: part in path


def refused(run: Any, options: int = 0, target: Path | None = None) -> EseError:
    with pytest.raises(EseError) as caught:
        run.backup(options, target)
    return caught.value


def test_r12_a_missing_directory_is_refused_and_nothing_is_created(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    before = run.logs()
    missing = tmp_path / "no" / "such"
    assert refused(run, target=missing).code == Err.InvalidPath
    assert not missing.parent.exists()
    assert set(before) <= set(run.logs())
    assert run.ids() == [210, 220, 488, 222, 215]


def test_r12_a_missing_directory_for_the_atomic_layout(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    assert refused(run, ATOMIC, tmp_path / "no").code == Err.MakeBackupDirectoryFail
    assert run.ids() == [210, 483, 215]
    assert not (tmp_path / "no").exists()


def test_r12_with_the_parameter_every_missing_part_is_created(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny(create_path_if_not_exist=True)
    run.backup(0, tmp_path / "x" / "y" / "z")
    assert (tmp_path / "x" / "y" / "z" / "a.edb").exists()


def test_r12_what_cannot_be_created_is_an_invalid_path(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny(create_path_if_not_exist=True)
    (tmp_path / "file").write_bytes(b"")
    assert refused(run, target=tmp_path / "file" / "below").code == Err.InvalidPath
    assert run.ids() == [210, 483, 215]


def test_r12_created_folders_go_again_when_the_backup_fails(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny(create_path_if_not_exist=True)
    target = tmp_path / "made" / "deep"
    with pytest.raises(EseError):
        run.backup(0, target, progress=lambda _: False)
    assert not (tmp_path / "made").exists()


def test_r13_a_relative_path_counts_from_the_working_directory(
    tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = tiny()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    result = run.backup(0, Path("here"))
    assert result.target == tmp_path / "here"


def test_r13_too_long_and_files_are_invalid_paths(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    assert refused(run, target=Path("/" + "d" * 300)).code == Err.InvalidPath
    assert refused(run, target=Path("/" + "/".join(["d" * 200] * 40))).code == Err.InvalidPath
    assert run.ids() == []
    (tmp_path / "file").write_bytes(b"x")
    assert refused(run, target=tmp_path / "file").code == Err.InvalidPath
    assert refused(run, ATOMIC, tmp_path / "file").code == Err.InvalidPath


def test_r14_a_plain_full_backup_needs_an_empty_directory(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "note.txt").write_text("mine")
    error = refused(run)
    assert error.code == Err.BackupDirectoryNotEmpty
    assert "note.txt" in error.message
    assert run.ids() == [210, 215]
    assert [each.name for each in run.target.iterdir()] == ["note.txt"]


def test_r14_a_second_plain_full_backup_is_refused(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    assert refused(run).code == Err.BackupDirectoryNotEmpty


def test_r14_a_leftover_temp_is_deleted_first(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "temp").mkdir()
    (run.target / "temp" / "a.edb").write_bytes(b"half")
    run.backup()
    assert not (run.target / "temp").exists()


def test_r14_a_leftover_temp_beside_other_things_is_left_alone(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "temp").mkdir()
    (run.target / "other").write_bytes(b"")
    assert refused(run).code == Err.BackupDirectoryNotEmpty
    assert (run.target / "temp").exists()


@pytest.mark.parametrize("name", ["new", "old"])
def test_r14_a_plain_incremental_backup_refuses_an_atomic_layout(tiny: Callable[..., Any], name: str) -> None:
    run = tiny()
    run.backup()
    elsewhere = run.target.parent / "elsewhere"
    (elsewhere / name).mkdir(parents=True)
    assert refused(run, INCREMENTAL, elsewhere).code == Err.BackupDirectoryNotEmpty
    assert run.ids()[-2:] == [211, 215]


def test_r14_an_atomic_backup_takes_any_directory_and_touches_only_its_own(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "note.txt").write_text("mine")
    (run.target / "sub").mkdir()
    run.backup(ATOMIC)
    assert sorted(each.name for each in run.target.iterdir()) == ["new", "note.txt", "sub"]


def test_r15_stale_files_that_cannot_be_deleted(tiny: Callable[..., Any]) -> None:
    fs = FaultFileSystem(FS, fail_at=1, select=lambda op, path: op == "unlink" and "temp" in path)
    run = tiny(fs=fs)
    (run.target / "temp").mkdir()
    (run.target / "temp" / "a.edb").write_bytes(b"half")
    assert refused(run, ATOMIC).code == Err.DeleteBackupFileFail


def test_r15_a_folder_inside_temp_is_never_deleted(tiny: Callable[..., Any]) -> None:
    run = tiny()
    (run.target / "temp" / "mine").mkdir(parents=True)
    assert refused(run, ATOMIC).code == Err.DeleteBackupFileFail
    assert (run.target / "temp" / "mine").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_r15_a_link_called_temp_is_removed_and_not_followed(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"keep")
    (run.target / "temp").symlink_to(precious)
    run.backup(ATOMIC)
    assert (precious / "file").read_bytes() == b"keep"


def test_r15_temp_that_cannot_be_made(tiny: Callable[..., Any]) -> None:
    fs = FaultFileSystem(FS, fail_at=1, select=lambda op, path: op == "mkdir" and path.endswith("temp"))
    run = tiny(fs=fs)
    assert refused(run, ATOMIC).code == Err.MakeBackupDirectoryFail


def test_r16_names_in_the_set(tiny: Callable[..., Any]) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    run.roll(2)
    result = run.backup()
    names = {each.name for each in run.target.iterdir()}
    logs = {f"edb{each:05X}.log" for each in range(result.first_generation, result.last_generation + 1)}
    assert names == {"a.edb", "b.edb", "a.pat", "b.pat", "backup.json", *logs}
    assert (run.target / "a.pat").stat().st_size == 0
    assert not {"edb.log", "edb.chk", "edbtmp.log"} & names
    assert not list(run.folder.glob("*.pat"))


def test_r16_two_databases_of_one_name_collide(tiny: Callable[..., Any], built: Path, tmp_path: Path) -> None:
    run = tiny()
    other = tmp_path / "other"
    other.mkdir()
    (other / "A.edb").write_bytes((built / "b.edb").read_bytes())
    with run.instance.session() as session:
        session.attach(other / "A.edb")
    assert refused(run).code == Err.FileAlreadyExists
    assert not list(run.target.iterdir())


def test_r16_eight_digits_and_the_newer_extension(tiny: Callable[..., Any]) -> None:
    run = tiny(params={"LegacyFileNames": 0})
    run.backup()
    assert (run.target / "edb00000001.jtx").exists()


def test_r17_the_set_holds_every_log_the_databases_need(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(2)
    result = run.backup()
    found = read_backup_set(str(run.target), fs=FS)
    assert found.verdict is Verdict.COMPLETE
    database = found.databases[0]
    generations = [each.generation for each in found.logs]
    assert set(range(database.first_needed, database.last_needed + 1)) <= set(generations)
    assert generations == list(range(result.first_generation, result.last_generation + 1))


def test_r18_the_order_of_the_steps(tiny: Callable[..., Any]) -> None:
    fs = FaultFileSystem(FS)
    run = tiny(fs=fs)
    run.roll(2)
    run.write()
    fs.operations.clear()
    phases = []
    run.backup(ATOMIC, progress=lambda each: phases.append(each.phase))
    steps = [(each.op, Path(each.path).name) for each in fs.operations]
    database = steps.index(("create", "a.edb"))
    rolled = next(index for index, (op, name) in enumerate(steps) if op == "rename" and name == "edb.log")
    log = next(index for index, (op, name) in enumerate(steps) if op == "create" and name.startswith("edb0"))
    promoted = steps.index(("rename", "temp"))
    deleted = next(index for index, (op, name) in enumerate(steps) if op == "unlink" and name.startswith("edb0"))
    header = max(index for index, (op, name) in enumerate(steps) if op == "write" and name == "a.edb")
    assert database < rolled < log < promoted < deleted < header
    assert phases == sorted(phases, key=["database", "log", "truncate"].index)


def test_r19_the_copy_is_header_twice_pages_and_trailer(tiny: Callable[..., Any]) -> None:
    run = tiny()
    before = run.header()
    result = run.backup()
    attached = run.instance.attached()[0]
    copy = (run.target / "a.edb").read_bytes()
    size = attached.page_size
    assert len(copy) == (attached.last_owned_page + 3) * size
    assert copy[:size] == copy[size : 2 * size]
    header = DatabaseHeader.parse(copy[:size])
    assert header.is_backup_copy
    assert (header.bkinfo_full_cur.gen_low, header.bkinfo_full_cur.gen_high) == (result.first_generation, 0)
    trailer = PatchHeader.parse(copy[-size:])
    assert trailer.belongs_to(header)
    assert trailer.bkinfo.gen_high == result.last_generation
    assert copy[2 * size : -size] == (run.folder / "a.edb").read_bytes()[2 * size : len(copy) - size]
    assert not before.bkinfo_full_cur
    assert not run.header().bkinfo_full_cur


def test_r20_the_atomic_layout_keeps_one_set(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(ATOMIC)
    first = (run.target / "new" / "backup.json").read_bytes()
    run.write(2)
    run.backup(ATOMIC)
    assert [each.name for each in run.target.iterdir()] == ["new"]
    assert (run.target / "new" / "backup.json").read_bytes() != first


def test_r20_at_every_step_a_complete_set_is_there(tiny: Callable[..., Any]) -> None:
    """Kill the backup at each operation on the destination; a set stands each time, the earlier one or the new."""
    number, seen = 0, set()
    while True:
        number += 1
        name = f"k{number}"
        fs = FaultFileSystem(FS, mode=FaultMode.KILL, select=below(f"{name}-bk"))
        run = tiny(name=name, fs=fs)
        run.backup(ATOMIC)
        first = read_backup_set(str(run.target), fs=FS)
        run.write(2)
        fs.fail_at = fs.count + number
        try:
            run.backup(ATOMIC)
        except BaseException as error:
            if type(error).__name__ != "SimulatedKill":
                raise
        found = read_backup_set(str(run.target), fs=FS)
        assert found.verdict is Verdict.COMPLETE, (number, found.reason)
        assert found.manifest is not None
        assert first.manifest is not None
        seen.add(found.place)
        if not fs.fired:
            break
        run.instance.abandon()
    assert seen == {Place.NEW, Place.OLD}
    assert number > 20


def test_r21_a_set_is_looked_for_in_the_directory_then_new_then_old(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(ATOMIC)
    assert read_backup_set(str(run.target), fs=FS).place is Place.NEW
    (run.target / "new").rename(run.target / "old")
    assert read_backup_set(str(run.target), fs=FS).place is Place.OLD
    for each in (run.target / "old").iterdir():
        each.rename(run.target / each.name)
    assert read_backup_set(str(run.target), fs=FS).place is Place.PLAIN


def test_r22_atomic_incremental_appends_to_old(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(ATOMIC)
    run.write(2)
    run.backup(ATOMIC | INCREMENTAL)
    run.write(2)
    result = run.backup(ATOMIC | INCREMENTAL)
    assert [each.name for each in run.target.iterdir()] == ["old"]
    found = read_backup_set(str(run.target), fs=FS)
    assert [each.kind for each in found.backups] == ["full", "incremental", "incremental"]
    assert found.last_generation == result.last_generation


def test_r22_without_any_set_it_is_an_invalid_path(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    empty = run.target.parent / "empty"
    empty.mkdir()
    assert refused(run, ATOMIC | INCREMENTAL, empty).code == Err.InvalidPath
    assert run.ids()[-2:] == [211, 215]


def test_r22_the_next_atomic_full_backup_takes_the_place_of_old(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup(ATOMIC)
    run.write(2)
    run.backup(ATOMIC | INCREMENTAL)
    run.write(2)
    run.backup(ATOMIC)
    assert [each.name for each in run.target.iterdir()] == ["new"]
    found = read_backup_set(str(run.target), fs=FS)
    assert [each.kind for each in found.backups] == ["full"]


def test_a_damaged_manifest_is_not_added_to(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.backup()
    run.roll()
    (run.target / "backup.json").write_bytes(b"{}")
    before = sorted(each.name for each in run.target.iterdir())
    assert refused(run, INCREMENTAL).code == Err.InvalidParameter
    assert run.ids()[-2:] == [211, 215]
    assert sorted(each.name for each in run.target.iterdir()) == before
