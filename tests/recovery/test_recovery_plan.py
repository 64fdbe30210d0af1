"""The plan before the act: what it says is what happens, and it writes nothing."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.header_file import read_header, write_header
from engine.info import database_info
from engine.instance.recovering import PARTIAL, recover
from engine.log.stream import StreamFindingKind
from engine.recovery.plan import Outlook, plan_recovery
from tests.recovery.oracle_files import content, writable_copy
from tests.recovery.test_dirty_damage import LOGS, RUNS, engine_result
from tests.recovery.test_recovery_oracle import CASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_a_crashed_instance_can_be_recovered(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("dirty") / f"dirty-{case}" / "before"
    plan = plan_recovery(folder)
    assert plan.ok
    assert not plan.clean
    assert not plan.missing
    assert not plan.losses
    assert plan.replays.stop - 1 == max(plan.generations)
    on_disk = {each.name for each in folder.glob("*.edb")}
    assert {each.path.rsplit("/", 1)[-1] for each in plan.databases} == on_disk
    for each in plan.databases:
        clean = database_info(each.path).clean
        assert each.outlook is (Outlook.AS_IT_IS if clean else Outlook.REPLAYED)
        assert each.logged_path.startswith("C:\\")


@pytest.mark.oracle
@pytest.mark.parametrize("run", [each for each in RUNS if not each.startswith(("all-logs", "logs-and"))])
def test_the_plan_foresees_the_result(oracle: Callable[[str], Path], tmp_path: Path, run: str) -> None:
    dirty = oracle("dirty")
    folder = writable_copy(dirty / "dirty-uncommitted" / "before", tmp_path / "i")
    RUNS[run](folder)
    before = digests(folder)
    wanted, _ = engine_result(dirty / "dirty-damage", run)
    if run == "wrong-logsize":
        # The plan knows of no parameter; that the sizes differ shows when everything is recovered.
        wanted = 0
    if run == "edblog-hdr-corrupt":
        assert {each.code for each in plan_recovery(folder).refusals} >= {wanted}
        return
    plan = plan_recovery(folder)
    assert digests(folder) == before
    assert plan.ok == (wanted == 0)
    assert wanted in {0, *(each.code for each in plan.refusals)}
    if run.startswith("edb-") and run not in ("edb-hdr-primary-corrupt", "edb-page-corrupt"):
        assert [each.outlook for each in plan.databases] == [Outlook.ANEW]


@pytest.mark.oracle
def test_what_is_missing_has_its_name(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-uncommitted" / "before", tmp_path / "i")
    (folder / "edb00000003.log").unlink()
    (folder / "edb.log").unlink()
    plan = plan_recovery(folder)
    assert plan.missing == ("edb00000003.log", "edb.log (or edb00000006.log)")
    assert plan.current is None
    for name in LOGS:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(EseError) as caught:
        plan_recovery(folder)
    assert caught.value.code == Err.MissingLogFile


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["multidb", "names83", "uncommitted"])
def test_recovery_of_a_copy(oracle: Callable[[str], Path], tmp_path: Path, case: str) -> None:
    source = oracle("dirty") / f"dirty-{case}"
    before = digests(source / "before")
    job = recover(source / "before", into=tmp_path / "copy")
    assert job.result.needed
    for path in sorted((source / "after").glob("*.edb")):
        assert content(tmp_path / "copy" / path.name) == content(path)
    assert not (tmp_path / "copy" / PARTIAL).exists()
    assert digests(source / "before") == before
    with pytest.raises(EseError) as caught:
        recover(source / "before", into=tmp_path / "copy")
    assert caught.value.code == Err.InvalidPath


@pytest.mark.oracle
def test_a_copy_goes_by_its_own_databases(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """Even where the path in the log is one of this system, and the source lies there."""
    source = oracle("dirty") / "dirty-multidb" / "before"
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.copy(source / "a.edb", apart / "a.edb")
    before = digests(apart)
    mapped = {"C:\\ese\\d-multidb\\a.edb": str(apart / "a.edb")}
    job = recover(source, into=tmp_path / "copy", map_databases=mapped)
    assert job.databases["C:\\ese\\d-multidb\\a.edb"] == str(tmp_path / "copy" / "a.edb")
    assert database_info(tmp_path / "copy" / "a.edb").clean
    assert digests(apart) == before


@pytest.mark.oracle
def test_a_copy_that_dies_is_marked_and_begun_again(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    source = oracle("dirty") / "dirty-termabrupt"
    counting = FaultFileSystem(RealFileSystem(), fail_at=None)
    recover(source / "before", into=tmp_path / "count", env=Environment(fs=counting))
    wanted = content(source / "after" / "a.edb")
    for point in range(1, counting.count, counting.count // 12):
        into = tmp_path / f"at{point}"
        fs = FaultFileSystem(RealFileSystem(), fail_at=point, mode=FaultMode.KILL)
        with pytest.raises(SimulatedKill):
            recover(source / "before", into=into, env=Environment(fs=fs))
        left = {each.name for each in into.iterdir()} if into.exists() else set()
        whole = left and PARTIAL not in left
        if not whole:
            recover(source / "before", into=into)
        assert content(into / "a.edb") == wanted
        shutil.rmtree(into)


@pytest.mark.oracle
def test_databases_are_found_wherever_they_are(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """By the path of the log, by name, by signature under another name, by a map of folders, or when they are named."""
    source = oracle("dirty") / "dirty-multidb" / "before"
    names = sorted(each.name for each in source.glob("*.edb"))
    assert len(names) > 1
    wanted = {each.logged_path for each in plan_recovery(source).databases}

    def planned(folder: Path, **options: Any) -> dict[str, str]:
        plan = plan_recovery(folder, **options)
        assert plan.ok, plan.refusals
        return {each.logged_path: each.path for each in plan.databases}

    renamed = writable_copy(source, tmp_path / "renamed")
    for name in names:
        (renamed / name).rename(renamed / f"x-{name}")
    found = planned(renamed)
    assert found.keys() == wanted
    assert {each.rsplit("/", 1)[-1] for each in found.values()} == {f"x-{name}" for name in names}
    # What is put away under a longer name is not taken for the database; two of one signature are not either.
    (renamed / f"x-{names[0]}").rename(renamed / f"{names[0]}.old")
    assert not plan_recovery(renamed).ok or plan_recovery(renamed).databases[0].outlook is Outlook.ANEW
    apart = tmp_path / "apart"
    apart.mkdir()
    moved = writable_copy(source, tmp_path / "moved")
    for name in names:
        shutil.move(moved / name, apart / f"y-{name}")
    files = [str(apart / f"y-{name}") for name in names]
    assert set(planned(moved, files=files).values()) == set(files)
    for name in names:
        (apart / f"y-{name}").rename(apart / name)
    folder = min(wanted).rsplit("\\", 1)[0]
    assert set(planned(moved, map_databases={folder: str(apart)}).values()) == {str(apart / name) for name in names}
    job = recover(moved, into=tmp_path / "copy", files=[str(apart / name) for name in names])
    assert job.databases.keys() == wanted
    assert all(database_info(path).clean for path in job.databases.values())


@pytest.mark.oracle
def test_logs_of_another_stream_recycled_and_damaged_ones_have_their_names(
    oracle: Callable[[str], Path], tmp_path: Path
) -> None:
    dirty = oracle("dirty")
    folder = writable_copy(dirty / "dirty-uncommitted" / "before", tmp_path / "i")
    shutil.copyfile(dirty / "dirty-inserts" / "before" / "edb00000002.log", folder / "edb00000002.log")
    shutil.copyfile(folder / "edb00000003.log", folder / "edb00000004.log")
    data = bytearray((folder / "edb00000005.log").read_bytes())
    data[5 * 4096 + 99] ^= 0x5A
    (folder / "edb00000005.log").write_bytes(data)
    shutil.copyfile(folder / "edb00000001.log", folder / "xyz00000001.log")
    plan = plan_recovery(folder, base_name="edb")
    found = {(each.kind, (each.path or "").rsplit("/", 1)[-1]) for each in plan.findings}
    assert (StreamFindingKind.FOREIGN, "edb00000002.log") in found
    assert (StreamFindingKind.WRONG_GENERATION, "edb00000004.log") in found
    assert (StreamFindingKind.CORRUPT, "edb00000005.log") in found
    assert (StreamFindingKind.FOREIGN_BASE, "xyz00000001.log") in found
    assert not plan.ok
    assert {each.path for each in plan.refusals} >= {
        str(folder / name) for name in ("edb00000002.log", "edb00000004.log", "edb00000005.log")
    }


@pytest.mark.oracle
@pytest.mark.parametrize(("case", "version"), [("efvWin10", "8.4000"), ("names83", "8.4000"), ("p32k", "8.4000")])
def test_formats_are_told(oracle: Callable[[str], Path], case: str, version: str) -> None:
    folder = oracle("dirty") / f"dirty-{case}" / "before"
    plan = plan_recovery(folder)
    logs = [each for each in plan.formats if each.what == "logs"]
    assert (logs[0].first, logs[-1].last) == (min(plan.generations), max(plan.generations))
    assert all(each.version.startswith(version) and each.understood and each.engine for each in logs)
    databases = [each for each in plan.formats if each.what == "database"]
    assert {each.path for each in databases} == {each.path for each in plan.databases}
    assert all(each.understood for each in databases)


@pytest.mark.oracle
def test_a_format_that_is_too_new_is_named(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    folder = writable_copy(oracle("dirty") / "dirty-termabrupt" / "before", tmp_path / "i")
    fs = RealFileSystem()
    header = read_header(fs, str(folder / "a.edb")).header
    with fs.open(str(folder / "a.edb"), OpenMode.READ_WRITE) as file:
        write_header(file, header.replace(update_major=9999))
    before = digests(folder)
    plan = plan_recovery(folder)
    (found,) = [each for each in plan.formats if each.what == "database"]
    assert not found.understood
    assert ".9999." in found.version
    assert [each.code for each in plan.refusals] == [Err.InvalidDatabaseVersion]
    with pytest.raises(EseError) as caught:
        recover(folder)
    assert caught.value.code == Err.InvalidDatabaseVersion
    assert {name: each for name, each in digests(folder).items() if "lock" not in name} == before
