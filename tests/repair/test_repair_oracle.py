"""Pages of the real engine's databases, rebuilt from its sets and its logs: what it wrote comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.check import check
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem
from engine.files.real import RealFileSystem
from engine.instance import Instance
from engine.instance.recovering import recover
from engine.repair import PageState, plan_repair, write_repair
from engine.verify import verify
from tests.recovery.oracle_files import page_content, writable_copy
from tests.repair.patient import Patient
from tests.table.test_oracle_reading import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.repair import RepairPlan

CORRUPT = {"corrupt-page": PageState.DAMAGED, "corrupt-page-onebit": PageState.CORRECTABLE}
USED_PAGE = 47
"""The page of the flips at offset 393,516 (8 KiB pages)."""


def plan(patient: Patient, *pages: int) -> RepairPlan:
    return plan_repair(patient.database, pages, source=patient.source, logs=patient.logs, env=patient.env)


@pytest.fixture
def rolled(oracle: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Patient]:
    """Return a function from a case of a roll-forward to the database, set and logs of the real engine."""

    def copied(name: str) -> Patient:
        folder = writable_copy(oracle("restore") / f"restore-{name}" / "after", tmp_path / name)
        return Patient(Environment(), str(folder / "dest" / "a.edb"), str(folder / "bk"), str(folder / "inst"))

    return copied


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["rollforward", "rollforward-incr3"])
def test_every_page_is_what_the_engine_wrote(rolled: Callable[[str], Patient], name: str) -> None:
    patient = rolled(name)
    last = len(patient.read()) // patient.page_size - 2
    found = plan(patient, *range(1, last + 1))
    assert found.ok
    assert {each.state for each in found.pages} == {PageState.WHOLE}
    assert (found.ended, found.others.damaged_count, found.others.older_count) == (found.header.lgpos_consistent, 0, 0)
    by_log = [each for each in found.pages if each.from_log]
    assert len(by_log) > 60
    for each in found.pages:
        assert any(each.stored) == any(each.rebuilt)
        if any(each.stored):
            assert page_content(each.rebuilt, each.pgno) == page_content(each.stored, each.pgno)
            # The counter that the flush map has: the engine would take any other for a lost write.
            assert each.rebuilt[37:39] == each.stored[37:39]
    assert sum(each.stored == each.rebuilt for each in found.pages) > 55


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["rollforward", "rollforward-incr3"])
def test_one_page_after_the_other_is_damaged_and_repaired(
    rolled: Callable[[str], Patient], oracle: Callable[[str], Path], name: str
) -> None:
    patient = rolled(name)
    expected = json.loads((oracle("restore") / f"restore-{name}" / "expected.json").read_text("utf-8"))
    first = plan(patient, *range(1, len(patient.read()) // patient.page_size - 1))
    used = [each.pgno for each in first.pages if each.in_use]
    assert len(used) > 70
    for pgno in used[::9]:
        before = patient.read()
        truth = patient.page(pgno)
        patient.flip(pgno)
        made = plan(patient, pgno)
        assert made.pages[0].state is PageState.DAMAGED
        result = write_repair(made, env=patient.env)
        assert result.pages == (pgno,)
        size = patient.page_size
        start, after = (pgno + 1) * size, patient.read()
        assert page_content(patient.page(pgno), pgno) == page_content(truth, pgno)
        if truth == first.pages[pgno - 1].rebuilt:
            assert after == before
        else:
            assert after[:start] + after[start + size :] == before[:start] + before[start + size :]
    assert verify(patient.database).ok
    assert not [each for each in check(patient.database) if each.is_error]
    compare(Path(patient.database), expected)


@pytest.mark.oracle
def test_a_flush_map_that_cannot_be_read_stops_it(rolled: Callable[[str], Patient]) -> None:
    """The page would get a counter that the engine takes for a lost write."""
    patient = rolled("rollforward")
    for point in range(1, 6):
        faulty = FaultFileSystem(RealFileSystem(), fail_at=point, select=lambda op, path: path.endswith(".jfm"))
        with pytest.raises(EseError) as caught:
            plan_repair(patient.database, [50], source=patient.source, logs=patient.logs, env=Environment(fs=faulty))
        assert caught.value.code == Err.DiskIO
    # One whose page is damaged knows nothing; one with a damaged header is not taken.
    path = Path(patient.database).with_suffix(".jfm")
    for offset in (8192 + 100, 100):
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x5A
        path.write_bytes(data)
        assert plan(patient, 50).ok


@pytest.mark.oracle
def test_all_pages_of_a_table_at_once(rolled: Callable[[str], Patient]) -> None:
    patient = rolled("rollforward")
    first = plan(patient, *range(1, len(patient.read()) // patient.page_size - 1))
    pages = [each.pgno for each in first.pages if each.table == "t1" and each.in_use]
    assert len(pages) > 30
    for pgno in pages:
        patient.write(pgno, b"\xa5" * patient.page_size)
    with pytest.raises(EseError):
        write_repair(plan(patient, *pages[:3]), env=patient.env)
    result = write_repair(plan(patient, *pages), env=patient.env)
    assert result.pages == tuple(pages)
    assert not [each for each in check(patient.database) if each.is_error]


@pytest.mark.oracle
@pytest.mark.parametrize("case", CORRUPT)
def test_a_corrupt_page_of_the_engine_cases(oracle: Callable[[str], Path], tmp_path: Path, case: str) -> None:
    """A set made while the page was good; then it is as the case left it: the undamaged bytes come back."""
    patient, truth, damage = _before_the_flip(oracle, tmp_path, case)
    good = patient.read()
    patient.write(USED_PAGE, damage)
    made = plan(patient, USED_PAGE)
    (page,) = made.pages
    assert page.state is CORRUPT[case]
    assert page.error is not None
    assert page.error.code == Err.ReadVerifyFailure
    result = write_repair(made, env=patient.env)
    assert patient.page(USED_PAGE) == truth
    assert patient.read() == good
    assert Path(result.kept[0]).read_bytes() == damage
    assert verify(patient.database).ok


@pytest.mark.oracle
def test_a_set_made_of_a_page_with_one_wrong_bit(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """The backup puts the bit right in its copy, so the set has what the repair needs."""
    case = oracle("backup") / "backup-corrupt-page-onebit"
    patient = _with_set(writable_copy(case / "corrupted-inst", tmp_path / "i"), tmp_path / "set")
    truth, _ = _flipped(case, patient)
    assert patient.page(USED_PAGE) != truth
    write_repair(plan(patient, USED_PAGE), env=patient.env)
    assert patient.page(USED_PAGE) == truth


@pytest.mark.oracle
def test_a_page_that_was_never_used(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    case = oracle("backup") / "backup-corrupt-page-unused"
    folder = writable_copy(case / "corrupted-inst", tmp_path / "i")
    damaged = (folder / "a.edb").read_bytes()
    offset = int((case / "flips.txt").read_text().split()[2])
    pgno = offset // 8192 - 1
    data = bytearray(damaged)
    data[offset] ^= 0x5A
    (folder / "a.edb").write_bytes(data)
    patient = _with_set(folder, tmp_path / "set")
    patient.write(pgno, damaged[(pgno + 1) * 8192 : (pgno + 2) * 8192])
    made = plan(patient, pgno)
    assert (made.pages[0].state, made.pages[0].in_use, made.pages[0].objid) == (PageState.DAMAGED, False, 0)
    write_repair(made, env=patient.env)
    assert patient.page(pgno) == bytes(8192)
    assert verify(patient.database).ok


@pytest.mark.oracle
def test_the_engines_own_set_that_is_newer_than_the_database(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """The case's set was made after the database was copied: it cannot tell what the page was."""
    case = oracle("backup") / "backup-corrupt-page-onebit"
    folder = writable_copy(case / "corrupted-inst", tmp_path / "i")
    patient = Patient(Environment(), str(folder / "a.edb"), str(case / "final-bk"), str(tmp_path))
    with pytest.raises(EseError) as caught:
        plan(patient, USED_PAGE)
    assert caught.value.code == Err.ConsistentTimeMismatch
    # A set of another run of the same script is of another stream.
    patient.source = str(oracle("backup") / "backup-corrupt-page-control" / "final-bk")
    with pytest.raises(EseError) as caught:
        plan(patient, USED_PAGE)
    assert caught.value.code == Err.BadDbSignature


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("source", "instance"),
    [
        ("backup-full-incr-incr/s1-full/bk", "backup-full-incr-incr/s4-morework/inst"),
        ("backup-full-incr-incr/s3-incr2/bk", "backup-full-incr-incr/s4-morework/inst"),
    ],
)
def test_a_killed_instance_is_recovered_first(
    oracle: Callable[[str], Path], tmp_path: Path, source: str, instance: str
) -> None:
    """Dirty it is refused; recovered, every page of it can be rebuilt from the real engine's set and logs."""
    folder = writable_copy(oracle("backup") / instance, tmp_path / "i")
    patient = Patient(Environment(), str(folder / "a.edb"), str(oracle("backup") / source), str(folder))
    with pytest.raises(EseError) as caught:
        plan(patient, 40)
    assert caught.value.code == Err.DatabaseDirtyShutdown
    recover(folder)
    last = len(patient.read()) // patient.page_size - 2
    found = plan(patient, *range(1, last + 1))
    assert found.ok
    assert {each.state for each in found.pages} == {PageState.WHOLE}
    assert len([each for each in found.pages if each.from_log]) > 50


def _flipped(case: Path, patient: Patient) -> tuple[bytes, bytes]:
    """Return the page of a case's flip as it was, and as it lies there."""
    words = (case / "flips.txt").read_text().split()
    offset, mask = int(words[2]), int(words[4], 16)
    damaged = (case / "corrupted-inst" / "a.edb").read_bytes()[offset // 8192 * 8192 :][:8192]
    truth = bytearray(damaged)
    truth[offset % 8192] ^= mask
    assert offset // 8192 - 1 == USED_PAGE
    assert patient.page_size == 8192
    return bytes(truth), damaged


def _before_the_flip(oracle: Callable[[str], Path], tmp_path: Path, case: str) -> tuple[Patient, bytes, bytes]:
    """Undo a case's flip, and make a set of the instance; return the page as it was and as it was damaged."""
    source = oracle("backup") / f"backup-{case}"
    folder = writable_copy(source / "corrupted-inst", tmp_path / "i")
    patient = Patient(Environment(), str(folder / "a.edb"), str(tmp_path / "set"), str(folder))
    truth, damage = _flipped(source, patient)
    patient.write(USED_PAGE, truth)
    return _with_set(folder, tmp_path / "set"), truth, damage


def _with_set(folder: Path, target: Path) -> Patient:
    """Back up a clean instance of the real engine, and end it again."""
    target.mkdir()
    instance = Instance(path=folder, page_size=8192, log_file_size=128)
    with instance, instance.session() as session:
        session.attach(folder / "a.edb")
        instance.backup(target)
    return Patient(Environment(), str(folder / "a.edb"), str(target), str(folder))
