"""Instances as Windows left them: started, backed up in every way, ended; the sets verify and the stream goes on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from engine.backup.sets import Verdict, read_backup_set
from engine.discover import FoundState, discover
from engine.files.real import RealFileSystem
from engine.instance import Instance
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FS = RealFileSystem()


def copy_of(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    for each in [target, *target.rglob("*")]:
        each.chmod(0o755 if each.is_dir() else 0o644)
    return target


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["srum-win10-clean"])
def test_a_windows_instance_is_backed_up(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = copy_of(corpus / name, tmp_path / "inst")
    found = discover(folder)[0]
    assert found.state is FoundState.CLEAN
    signature, generation = found.signature, found.generations[-1]
    instance = Instance.open_found(found, params={"CreatePathIfNotExist": 1})
    instance.init()
    with instance.session() as session:
        for database in found.databases:
            session.attach(database.path)
    result = instance.backup(tmp_path / "plain")
    assert result.pages_verified > 100
    atomic = instance.backup(tmp_path / "atomic", atomic=True)
    assert atomic.target == tmp_path / "atomic" / "new"
    if not found.circular:
        instance.backup(tmp_path / "plain", incremental=True)
    instance.term()
    for each in ("plain", "atomic"):
        made = read_backup_set(str(tmp_path / each), fs=FS)
        assert made.verdict is Verdict.COMPLETE, made.problems
        assert made.log_signature == signature
        assert verify(tmp_path / each, kind="backup-set").ok
    again = discover(folder)[0]
    assert again.state is FoundState.CLEAN
    assert again.signature == signature
    assert again.generations[-1] >= generation + 2
    header = again.databases[0].header
    assert header is not None
    assert header.bkinfo_full_prev.gen_high > 0


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["backup-corrupt-page-control", "backup-missing-log"])
def test_an_instance_of_the_engine_is_backed_up(oracle: Callable[[str], Path], tmp_path: Path, case: str) -> None:
    folder = copy_of(oracle("backup") / case / "corrupted-inst", tmp_path / "inst")
    (tmp_path / "bk").mkdir()
    with Instance.open_found(discover(folder)[0]) as instance:
        with instance.session() as session:
            session.attach(folder / "a.edb")
        instance.backup(tmp_path / "bk")
        instance.backup(tmp_path / "bk", incremental=True)
    assert verify(tmp_path / "bk", kind="backup-set").ok
    assert discover(folder)[0].state is FoundState.CLEAN
