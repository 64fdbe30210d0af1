"""Restore drills: what is counted and checked, that nothing is left behind, that sets and sources are only read."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from engine.check import CheckKind, check
from engine.drill import SCRATCH, TableCount, drill, remove_scratch
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.monitor import Monitor
from tests.repair.patient import make_patient
from tests.restore.test_restore_oracle import engine_result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.events import Event
    from tests.repair.patient import Patient

RESTORABLE = (
    "alllogs-incr", "atomic-incr-root", "atomic-root", "full-incr1", "full-incr2", "full-incr3", "full-only",
    "multidb-full", "multidb-incr", "p32k", "p4k", "rollforward", "uncommitted-full", "uncommitted-incr",
    "writers-full", "writers-incr",
)  # fmt: skip


def digests(*folders: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return make_patient(Environment(), str(tmp_path / "p"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.mark.oracle
@pytest.mark.parametrize("name", RESTORABLE)
def test_the_sets_of_the_engine(oracle: Callable[[str], Path], scratch: Path, name: str) -> None:
    """As many rows of each table as the engine itself returned after its restore; the archive is only read."""
    case = oracle("restore") / f"restore-{name}"
    before = digests(case / "after" / "bk")
    found: list[object] = []
    result = drill(case / "after" / "bk", scratch=scratch, on_finding=lambda _, finding: found.append(finding))
    assert (result.ok, result.same, result.scratch) == (True, True, None)
    assert list(scratch.iterdir()) == []
    assert digests(case / "after" / "bk") == before
    assert set(result.seconds) == {"verify", "restore", "check", "count"}
    if name == "rollforward":
        return  # that restore went on through newer logs
    # Pages and long values that its writers had open when the copy was made: in the engine's own restore too.
    theirs = [each for path in sorted((case / "after" / "dest").glob("*.edb")) for each in check(path)]
    assert found == theirs
    assert {each.kind for each in theirs} <= {CheckKind.LEAKED, CheckKind.LV_ORPHAN}
    for database in result.databases:
        letter = database.logged_path.rsplit("\\", 1)[1][0]
        plain = case / "expected.json"
        expected = json.loads((plain if plain.exists() else case / f"expected-{letter}.json").read_text("utf-8"))
        wanted = {table: each["nrows"] for table, each in expected["tables"].items() if not table.startswith("MSys")}
        assert {each.name: each.rows for each in database.tables} == wanted


@pytest.mark.oracle
def test_against_a_source(oracle: Callable[[str], Path], scratch: Path) -> None:
    after = oracle("restore") / "restore-multidb-full" / "after"
    result = drill(after / "bk", against=after / "dest", scratch=scratch)
    assert result.same
    assert [each.source for each in result.databases] == [str(after / "dest" / name) for name in ("a.edb", "b.edb")]
    assert all(count.compared and count.rows == count.source_rows for each in result.databases for count in each.tables)
    # One of the two only: the other has nothing to be compared with.
    result = drill(after / "bk", against=after / "dest" / "b.edb", scratch=scratch)
    assert [each.problem for each in result.databases] == ["the source has no such database", ""]
    assert not result.same


@pytest.mark.oracle
def test_against_an_instance_that_was_killed(oracle: Callable[[str], Path], scratch: Path) -> None:
    """Its rows are those after recovery, in memory: more than the set has."""
    case = oracle("backup") / "backup-full-incr-incr"
    before = digests(case / "s4-morework" / "inst")
    result = drill(case / "s1-full" / "bk", against=case / "s4-morework" / "inst", scratch=scratch)
    (database,) = result.databases
    assert database.source is not None
    assert database.problem == ""
    # The engine itself returned these after rolling forward through that instance's logs.
    expected = json.loads((oracle("restore") / "restore-rollforward-live" / "expected.json").read_text("utf-8"))
    assert {each.name: each.source_rows for each in database.tables} == {
        name: each["nrows"] for name, each in expected["tables"].items() if not name.startswith("MSys")
    }
    assert {each.name: each.rows for each in database.differing} == {"t1": 200, "t2": 15}
    assert (result.ok, result.same) == (True, False)
    assert digests(case / "s4-morework" / "inst") == before


@pytest.mark.oracle
def test_damage_in_a_set(oracle: Callable[[str], Path], scratch: Path) -> None:
    found: list[tuple[str, object]] = []
    result = drill(
        oracle("restore") / "restore-corrupt-page" / "after" / "bk",
        scratch=scratch,
        on_finding=lambda path, finding: found.append((path, finding)),
    )
    assert not result.ok
    assert result.set_bad == 1
    assert [path.rsplit("/", 1)[1] for path, _ in found] == ["a.edb"]


@pytest.mark.oracle
@pytest.mark.parametrize(
    "name", ["err-corrupt-log", "err-empty", "err-missing-middle", "err-missing-required", "err-nodb", "no-pat"]
)
def test_a_set_that_cannot_be_restored(oracle: Callable[[str], Path], scratch: Path, name: str) -> None:
    case = oracle("restore") / f"restore-{name}"
    with pytest.raises(EseError) as caught:
        drill(case / "after" / "bk", scratch=scratch)
    assert caught.value.code == engine_result(case)
    assert list(scratch.iterdir()) == []


def test_kept(patient: Patient, scratch: Path) -> None:
    events: list[Event] = []
    result = drill(patient.source, against=patient.logs, scratch=scratch, keep=True, on_event=events.append)
    assert result.same
    (folder,) = scratch.iterdir()
    assert str(folder) == result.scratch
    assert folder.name.startswith(SCRATCH)
    assert result.databases[0].path == str(folder / "a.edb")
    assert result.databases[0].rows == 300
    assert [each.id for each in events][:1] == [204]
    assert 205 in [each.id for each in events]


def test_what_one_of_both_has_only() -> None:
    assert not TableCount("t", 3).differs
    assert not TableCount("t", 3, 3, compared=True).differs
    assert TableCount("t", None, 0, compared=True).differs
    assert TableCount("t", 0, None, compared=True).differs


def test_what_is_refused(patient: Patient, scratch: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for against, place in ((nowhere, scratch), (scratch, scratch), (None, nowhere)):
        with pytest.raises(EseError) as caught:
            drill(patient.source, against=against, scratch=place)
        assert caught.value.code == Err.FileNotFound
    with pytest.raises(EseError) as caught:
        drill(nowhere, scratch=scratch)
    assert caught.value.code == Err.FileNotFound
    assert list(scratch.iterdir()) == []


def test_no_room(patient: Patient, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = RealFileSystem()
    monkeypatch.setattr(fs, "free_space", lambda _path: 100_000)
    with pytest.raises(EseError) as caught:
        drill(patient.source, scratch=scratch, env=Environment(fs=fs))
    assert caught.value.code == Err.DiskFull
    assert list(scratch.iterdir()) == []


def test_a_name_that_is_taken_is_left_alone(patient: Patient, scratch: Path) -> None:
    given = iter([b"\0" * 6, b"\0" * 6, b"\1" * 6])
    taken = scratch / f"{SCRATCH}000000000000"
    taken.mkdir()
    (taken / "mine").write_text("mine")

    def random_bytes(count: int) -> bytes:
        return next(given) if count == 6 else bytes(count)

    assert drill(patient.source, scratch=scratch, env=Environment(random_bytes=random_bytes)).ok
    assert [each.name for each in scratch.iterdir()] == [taken.name]
    assert (taken / "mine").read_text() == "mine"


def test_cancelled_at_any_time(patient: Patient, scratch: Path) -> None:
    class Impatient(Monitor):
        left = 0

        @property
        def cancel_requested(self) -> bool:
            self.left -= 1
            return self.left < 0

        @cancel_requested.setter
        def cancel_requested(self, _value: bool) -> None:
            pass

    codes = []
    for patience in range(200):
        monitor = Impatient()
        monitor.left = patience
        try:
            drill(patient.source, scratch=scratch, monitor=monitor)
        except EseError as error:
            codes.append(error.code)
        else:
            break
        assert list(scratch.iterdir()) == []
    assert len(codes) > 5
    assert set(codes) == {Err.BackupAbortByCaller}


@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.ENOSPC])
def test_an_error_anywhere_leaves_nothing_behind(
    patient: Patient, scratch: Path, tmp_path: Path, mode: FaultMode
) -> None:
    before = digests(tmp_path / "p")
    counting = FaultFileSystem(RealFileSystem())
    drill(patient.source, scratch=scratch, env=Environment(fs=counting))
    # Not what removes the scratch folder itself: its failing is the error that is raised.
    last = max(each.n for each in counting.operations if each.op == "read")
    for point in range(1, last, 9):
        faulty = FaultFileSystem(RealFileSystem(), fail_at=point, mode=mode)
        with suppress(EseError):
            drill(patient.source, scratch=scratch, env=Environment(fs=faulty, sleep=lambda _: None))
        assert list(scratch.iterdir()) == [], (point, counting.operations[point - 1])
    assert digests(tmp_path / "p") == before


def test_a_kill_leaves_a_folder_that_names_itself(patient: Patient, scratch: Path) -> None:
    counting = FaultFileSystem(RealFileSystem())
    drill(patient.source, scratch=scratch, env=Environment(fs=counting))
    with pytest.raises(SimulatedKill):
        drill(
            patient.source,
            scratch=scratch,
            env=Environment(fs=FaultFileSystem(RealFileSystem(), fail_at=counting.count // 2, mode=FaultMode.KILL)),
        )
    assert [each.name.startswith(SCRATCH) for each in scratch.iterdir()] == [True]
    assert drill(patient.source, scratch=scratch).ok


def test_what_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "precious").write_text("x")
    (inside / "file").write_text("y")
    (inside / "dangling").symlink_to(tmp_path / "nowhere")
    (inside / "linked").symlink_to(outside / "precious")
    (inside / "folder").symlink_to(outside)
    with pytest.raises(EseError):
        remove_scratch(RealFileSystem(), str(inside))
    assert [each.name for each in inside.iterdir()] == ["folder"]
    (inside / "folder").unlink()
    remove_scratch(RealFileSystem(), str(inside))
    assert not inside.exists()
    assert (outside / "precious").read_text() == "x"
