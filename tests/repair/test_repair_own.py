"""Repairs of databases of our own: what is refused, what is told, what is written and what never is."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem
from engine.files.real import RealFileSystem
from engine.format.page import Page, PageFlags
from engine.header_file import write_header
from engine.info import database_info
from engine.instance import Instance
from engine.repair import PageState, plan_repair, write_repair
from engine.repair.plan import MOST_PAGES
from tests.repair.patient import PAGE, Patient, make_patient

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.repair import RepairPlan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_patient(Environment(), str(folder))
    return folder


@pytest.fixture
def patient(made: Path, tmp_path: Path) -> Patient:
    shutil.copytree(made, tmp_path / "p")
    folder = tmp_path / "p"
    return Patient(Environment(), str(folder / "inst" / "a.edb"), str(folder / "set"), str(folder / "inst"))


@pytest.fixture
def leaves(patient: Patient) -> list[int]:
    """The leaves of the table's tree."""
    last = len(patient.read()) // PAGE - 2
    found = plan(patient, *range(1, last + 1))
    pages = [each.pgno for each in found.pages if each.table == "t" and each.in_use]
    assert len(pages) > 6
    return pages[2:]


def plan(patient: Patient, *pages: int, **options: object) -> RepairPlan:
    words: dict[str, object] = {"source": patient.source, "env": patient.env, **options}
    return plan_repair(patient.database, pages, **words)  # type: ignore[arg-type]


def refused(patient: Patient, *pages: int, **options: object) -> EseError:
    before = patient.read()
    with pytest.raises(EseError) as caught:
        plan(patient, *pages, **options)
    assert patient.read() == before
    return caught.value


def set_dbtime(value: Callable[[int], int]) -> Callable[[bytearray], None]:
    def change(page: bytearray) -> None:
        struct.pack_into("<Q", page, 8, value(struct.unpack_from("<Q", page, 8)[0]))

    return change


def test_a_damaged_page_comes_back(patient: Patient, leaves: list[int]) -> None:
    good = patient.read()
    patient.flip(leaves[0])
    damaged = patient.page(leaves[0])
    made_plan = plan(patient, leaves[0])
    assert made_plan.ok
    assert (made_plan.pages[0].state, made_plan.pages[0].table, made_plan.pages[0].in_use) == (
        PageState.DAMAGED,
        "t",
        True,
    )
    result = write_repair(made_plan, env=patient.env)
    assert patient.read() == good
    assert result.pages == (leaves[0],)
    (kept,) = result.kept
    assert Path(kept).name == f"a.edb.page{leaves[0]}.old"
    assert Path(kept).read_bytes() == damaged
    # Another time, beside the first file.
    patient.flip(leaves[0])
    again = write_repair(plan(patient, leaves[0]), env=patient.env)
    assert Path(again.kept[0]).name == f"a.edb.page{leaves[0]}.old2"
    assert patient.read() == good


def test_the_instance_starts_afterwards_and_the_set_is_untouched(patient: Patient, leaves: list[int]) -> None:
    before = {each: each.read_bytes() for each in Path(patient.source).iterdir()}
    patient.flip(leaves[1])
    write_repair(plan(patient, leaves[1]), env=patient.env)
    assert {each: each.read_bytes() for each in Path(patient.source).iterdir()} == before
    with Instance(path=patient.logs, page_size=PAGE, log_file_size=64) as instance, instance.session() as session:
        session.attach(patient.database)
    assert database_info(patient.database).clean


def test_a_plan_reads_only(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    watched = FaultFileSystem(RealFileSystem())
    plan(patient, leaves[0], env=Environment(fs=watched))
    doing = {name for _, name, _ in watched.operations}
    assert doing <= {"open", "read", "size", "stat", "list", "walk", "lock"}
    # Asked for only where somebody has held it before.
    assert all(Path(path).exists() for _, name, path in watched.operations if name == "lock")


def test_nothing_to_do(patient: Patient, leaves: list[int]) -> None:
    found = plan(patient, leaves[0])
    assert found.pages[0].state is PageState.WHOLE
    assert found.needed == ()
    watched = FaultFileSystem(RealFileSystem())
    assert write_repair(found, env=Environment(fs=watched)).pages == ()
    assert watched.operations == []


def test_states_that_are_repaired_though_the_checksum_is_right(patient: Patient, leaves: list[int]) -> None:
    good = patient.read()
    patient.rewrite(leaves[0], set_dbtime(lambda dbtime: dbtime - 1))
    patient.rewrite(leaves[1], lambda page: page.__setitem__(slice(200, 204), b"\0\1\2\3"))
    patient.flip(leaves[2], mask=0x10)
    found = plan(patient, *leaves[:3])
    assert [each.state for each in found.pages] == [
        PageState.OLDER,
        PageState.OTHER_CONTENT,
        PageState.CORRECTABLE,
    ]
    write_repair(found, env=patient.env)
    assert patient.read() == good


def test_what_else_is_wrong_is_told(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    # In another tree: the space tree of the system root is none of this table's.
    other = next(each.pgno for each in plan(patient, *range(1, leaves[0])).pages if each.table == "MSysLocales")
    patient.rewrite(other, set_dbtime(lambda dbtime: dbtime - 1))
    found = plan(patient, leaves[0])
    assert found.ok
    assert found.others.older == [other]
    patient.flip(other)
    found = plan(patient, leaves[0])
    assert found.others.damaged == [other]
    assert (found.others.damaged_count, found.others.older_count) == (1, 0)


def test_a_page_that_something_else_has_changed(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    patient.rewrite(leaves[1], set_dbtime(lambda dbtime: dbtime + 1000))
    error = refused(patient, leaves[0])
    assert (error.code, error.page) == (Err.DbTimeTooNew, leaves[1])
    error = refused(patient, leaves[1])
    assert (error.code, error.page) == (Err.DbTimeTooNew, leaves[1])


def test_a_tree_that_stays_damaged_is_not_touched(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    patient.flip(leaves[1])
    found = plan(patient, leaves[0])
    assert not found.ok
    assert {each.page for each in found.findings} >= {leaves[1]}
    before = patient.read()
    with pytest.raises(EseError) as caught:
        write_repair(found, env=patient.env)
    assert caught.value.code == Err.ReadVerifyFailure
    assert patient.read() == before
    assert write_repair(plan(patient, *leaves[:2]), env=patient.env).pages == tuple(leaves[:2])


def test_a_damaged_catalog_has_to_be_named_too(patient: Patient, leaves: list[int]) -> None:
    """Without it nobody knows what tree the page belongs to."""
    last = len(patient.read()) // PAGE - 2
    pages = plan(patient, *range(1, last + 1)).pages
    catalog = [
        each.pgno
        for each in pages
        if (each.table, each.tree, each.in_use) == ("MSysObjects", "", True)
        and not Page(each.rebuilt, each.pgno).flags & PageFlags.SPACE_TREE
    ]
    assert len(catalog) > 2
    good = patient.read()
    for damaged in catalog:
        patient.flip(leaves[0])
        patient.flip(damaged)
        found = plan(patient, leaves[0])
        assert not found.ok, damaged
        assert found.others.damaged == [damaged]
        write_repair(plan(patient, leaves[0], damaged), env=patient.env)
        assert patient.read() == good


def test_a_page_that_is_damaged_in_the_set_too(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    copy = Path(patient.source) / "a.edb"
    data = bytearray(copy.read_bytes())
    data[(leaves[0] + 1) * PAGE + 500] ^= 0x5A
    copy.write_bytes(data)
    error = refused(patient, leaves[0])
    assert (error.code, error.path, error.page) == (Err.ReadVerifyFailure, str(copy), leaves[0])


def test_numbers(patient: Patient) -> None:
    last = len(patient.read()) // PAGE - 2
    for wrong in ((), (0,), (last + 1,), (-3,), range(1, MOST_PAGES + 2)):
        assert refused(patient, *wrong).code == Err.InvalidParameter


def test_who_is_at_work_or_was_not_ended(patient: Patient) -> None:
    instance = Instance(path=patient.logs, page_size=PAGE, log_file_size=64)
    instance.init()
    assert refused(patient, 5).code == Err.LogFilePathInUse
    with instance.session() as session:
        session.attach(patient.database)
        assert refused(patient, 5).code == Err.LogFilePathInUse
        assert refused(patient, 5, logs=patient.source).code == Err.DatabaseInUse
        session.detach(patient.database)
    # Died without an end: the database is whole, its instance is not.
    instance.abandon()
    assert database_info(patient.database).clean
    assert refused(patient, 5).code == Err.DatabaseDirtyShutdown
    assert refused(patient, 5).path == patient.logs


def test_somebody_takes_it_between_plan_and_write(patient: Patient, leaves: list[int]) -> None:
    patient.flip(leaves[0])
    found = plan(patient, leaves[0])
    before = patient.read()
    with patient.env.fs.lock(patient.database + ".lock"), pytest.raises(EseError) as caught:
        write_repair(found, env=Environment(sleep=lambda _: None))
    assert caught.value.code == Err.DatabaseInUse
    patient.flip(leaves[0], offset=700)
    with pytest.raises(EseError) as caught:
        write_repair(found, env=patient.env)
    assert caught.value.code == Err.DatabaseSharingViolation
    patient.flip(leaves[0], offset=700)
    header = database_info(patient.database)
    with patient.env.fs.open(patient.database, OpenMode.READ_WRITE) as file:
        write_header(file, header.replace(dbtime_dirtied=header.dbtime_dirtied + 1))
    with pytest.raises(EseError) as caught:
        write_repair(found, env=patient.env)
    assert caught.value.code == Err.DatabaseSharingViolation
    assert patient.read()[2 * PAGE :] == before[2 * PAGE :]
    assert not list(Path(patient.logs).glob("*.old*"))


def test_sets_and_logs_that_do_not_lead_to_the_database(patient: Patient, tmp_path: Path) -> None:
    assert refused(patient, 5, source=str(tmp_path / "nowhere")).code == Err.FileNotFound
    # Without the logs since, the database's own shutdown is not reached.
    assert refused(patient, 5, logs=str(tmp_path)).code == Err.RequiredLogFilesMissing
    other = make_patient(Environment(), str(tmp_path / "other"))
    assert refused(patient, 5, source=other.source).code == Err.BadDbSignature
    # A copy of a set is no database that is repaired.
    copy = Patient(patient.env, str(Path(patient.source) / "a.edb"), patient.source, patient.logs)
    assert refused(copy, 5).code == Err.DatabaseDirtyShutdown
    # Kept from before the logs ended: they lead beyond it.
    kept = tmp_path / "kept.edb"
    shutil.copy(patient.database, kept)
    with Instance(path=patient.logs, page_size=PAGE, log_file_size=64) as instance, instance.session() as session:
        session.attach(patient.database)
    shutil.copy(kept, patient.database)
    assert refused(patient, 5).code == Err.ConsistentTimeMismatch


def test_a_database_beside_another_stream(patient: Patient, tmp_path: Path) -> None:
    """The logs beside it are of another instance: they are no roll-forward for this set."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with Instance(path=folder, page_size=PAGE, log_file_size=64):
        pass
    assert refused(patient, 5, logs=str(folder)).code == Err.ExistingLogFileHasBadSignature
    with DatabaseBuilder(Environment(), folder / "b.edb", threaded=False) as builder:
        builder.add_table("t", [Column("id", ColumnType.LONG)], rows=[])
    stranger = Patient(patient.env, str(folder / "b.edb"), patient.source, patient.logs)
    assert refused(stranger, 5).code == Err.BadDbSignature


def test_cancelled(patient: Patient) -> None:
    assert refused(patient, 5, progress=lambda _: False).code == Err.CallbackFailed


def test_a_flush_map_that_cannot_be_trusted(patient: Patient, leaves: list[int]) -> None:
    """One that is not the database's own says nothing."""
    Path(patient.logs, "a.jfm").write_bytes(b"\x11" * 16384)
    patient.flip(leaves[0])
    assert write_repair(plan(patient, leaves[0]), env=patient.env).pages == (leaves[0],)
