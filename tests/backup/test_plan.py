"""Plans: what they say is what happens, and nothing is touched for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.backup.plan import plan_backup, source_of_found, source_of_host
from engine.discover import discover
from engine.errors import Err, EseError
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem
from engine.types import BackupOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_ONLY = ReadOnlyFileSystem(RealFileSystem())
ATOMIC, INCREMENTAL = BackupOptions.ATOMIC, BackupOptions.INCREMENTAL


def plan(run: Any, target: Path | None, options: int = 0) -> Any:
    object.__setattr__(run.instance.env, "fs", READ_ONLY)
    try:
        source = source_of_host(run.instance)
        return plan_backup(
            source,
            None if target is None else str(target),
            incremental=bool(options & INCREMENTAL),
            atomic=bool(options & ATOMIC),
        )
    finally:
        object.__setattr__(run.instance.env, "fs", RealFileSystem())


@pytest.mark.parametrize("options", [0, ATOMIC, INCREMENTAL, ATOMIC | INCREMENTAL], ids=str)
def test_the_plan_is_what_happens(tiny: Callable[..., Any], options: int) -> None:
    run = tiny(databases=("a.edb", "b.edb"))
    if options & INCREMENTAL:
        run.backup(options & ATOMIC)
    run.roll(3)
    planned = plan(run, run.target, options)
    assert planned.ok
    result = run.backup(options)
    assert planned.folder == str(result.target)
    assert [each.name for each in planned.files] == [each.name for each in result.files]
    assert (planned.copies.start, planned.copies.stop - 1) == (result.first_generation, result.last_generation)
    assert planned.deletes == result.deleted_logs
    assert planned.bytes_total == result.bytes_copied
    assert planned.kind == result.kind
    assert planned.free_bytes > planned.bytes_total


def test_the_plan_of_a_truncation(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(3)
    planned = plan(run, None)
    assert planned.kind == "truncate"
    assert planned.files == ()
    assert planned.deletes == run.instance.backup(None).deleted_logs


@pytest.mark.parametrize("options", [0, ATOMIC, INCREMENTAL, ATOMIC | INCREMENTAL], ids=str)
@pytest.mark.parametrize("state", ["missing", "empty", "file", "foreign", "plain", "atomic", "half", "damaged"])
def test_refusals_are_those_of_the_backup(tiny: Callable[..., Any], tmp_path: Path, options: int, state: str) -> None:
    run = tiny()
    run.backup(0, _made(tmp_path / "base"))
    run.roll(2)
    target = tmp_path / "target"
    if state not in {"missing", "file"}:
        target.mkdir()
    if state == "file":
        target.write_bytes(b"")
    elif state == "foreign":
        (target / "x").write_bytes(b"")
    elif state == "plain":
        run.backup(0, target)
    elif state == "atomic":
        run.backup(ATOMIC, target)
    elif state == "damaged":
        run.backup(options & ATOMIC, target)
        next(target.rglob("backup.json")).write_bytes(b"{}")
    elif state == "half":
        (target / "backup.json.partial").write_bytes(b"{}")
    planned = plan(run, target, options)
    try:
        run.backup(options, target)
        code = 0
    except EseError as error:
        code = error.code
    assert (planned.refusals[0].code if planned.refusals else 0) == code


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_other_refusals(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny(circular_log=True)
    assert [each.code for each in plan(run, run.target, INCREMENTAL).refusals] == [
        Err.InvalidBackup,
        Err.MissingFullBackup,
    ]
    refusal = plan(run, run.target, INCREMENTAL).refusals[1]
    assert refusal.name == "JET_errMissingFullBackup"
    other = tiny(name="other")
    other.backup()
    other.roll(3)
    for each in other.logs():
        if each > 1:
            (other.folder / f"edb{each:05X}.log").unlink()
    assert plan(other, tmp_path / "inst-bk").refusals[0].code == Err.MissingFileToBackup


def test_creating_folders_is_a_step(tiny: Callable[..., Any], tmp_path: Path) -> None:
    run = tiny(create_path_if_not_exist=True)
    planned = plan(run, tmp_path / "a" / "b", ATOMIC)
    assert planned.ok
    assert planned.steps[0].startswith("create ")
    assert not (tmp_path / "a").exists()


def test_the_plan_of_an_instance_that_was_found(tiny: Callable[..., Any]) -> None:
    run = tiny()
    run.roll(2)
    run.instance.term()
    found = discover(run.folder, fs=READ_ONLY)[0]
    planned = plan_backup(source_of_found(found, READ_ONLY), str(run.target))
    assert planned.ok
    names = [each.name for each in planned.files]
    assert names[0] == "a.edb"
    assert names[-1] == "backup.json"
    assert planned.files[0].size < run.database.stat().st_size + 5 * 4096
    assert found.current_header is not None
    assert planned.copies.stop - 1 == found.current_header.generation


@pytest.mark.corpus
def test_the_plan_of_a_windows_instance(corpus: Path, tmp_path: Path) -> None:
    found = discover(corpus / "srum-win10-clean", fs=READ_ONLY)[0]
    planned = plan_backup(source_of_found(found, READ_ONLY), str(tmp_path))
    assert planned.ok
    assert planned.bytes_total > 1 << 20
