"""Restores of the real engine's sets: the same return codes, events, pages and headers as it gave."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from engine.discover import discover
from engine.errors import EseError
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.info import checkpoint_info, database_info
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.verify import verify
from tests.recovery.oracle_files import content
from tests.recovery.test_recovery_oracle import header_fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES: Final = (
    "alllogs-incr", "atomic-incr-root", "atomic-new", "atomic-root", "corrupt-page", "destmissing",
    "err-corrupt-log", "err-corrupt-log-last", "err-corrupt-loghdr", "err-empty", "err-missing-first",
    "err-missing-last", "err-missing-middle", "err-missing-required", "err-nodb", "full-incr1", "full-incr2",
    "full-incr3", "full-only", "multidb-full", "multidb-incr", "no-pat", "p32k", "p4k", "restore2", "rollforward",
    "rollforward-incr3", "rollforward-live", "twice", "uncommitted-full", "uncommitted-incr", "writers-full",
    "writers-incr", "wronglogsize", "wrongpagesize",
)  # fmt: skip
"""All cases but `destnull` (its run has no result) and the two that restore from an `old` that is not there."""

PAGE_SIZES: Final = {"p4k": 4096, "p32k": 32768, "wrongpagesize": 4096}
LIVE: Final = {
    "rollforward": "restore-rollforward/after/inst",
    "rollforward-incr3": "restore-rollforward-incr3/after/inst",
    "rollforward-live": "backup-full-incr-incr/s4-morework/inst",
}
NOT_OURS: Final = frozenset((637, 901))
"""The flush map is not made anew; 901 is a note of the engine to itself."""


def digests(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


def engine_result(case: Path) -> int:
    """Return what the real engine's restore returned."""
    text = (case / "restore.txt").read_text()
    after = text[text.index("> restore") :]
    found = re.search(r"^  = (-?\d+)$", after, re.MULTILINE)
    assert found is not None
    return int(found[1])


def events_of(case: Path) -> set[int]:
    text = (case / "restore.txt.events.txt").read_text()
    return {int(number) for number in re.findall(r"^event (\d+)", text, re.MULTILINE)}


class Restored:
    """One restore of ours."""

    def __init__(self, oracle: Callable[[str], Path], tmp_path: Path, name: str) -> None:
        self.case = oracle("restore") / f"restore-{name}"
        self.dest = tmp_path / "dest"
        self.inst = tmp_path / "inst"
        if name in LIVE:
            group = "restore" if LIVE[name].startswith("restore") else "backup"
            shutil.copytree(oracle(group) / LIVE[name], self.inst, copy_function=shutil.copyfile)
            self.inst.chmod(0o755)
            for path in self.inst.glob("*.edb"):
                path.unlink()
        else:
            self.inst.mkdir()
        self.set = self.case / "after" / "bk"
        if name == "atomic-new":
            self.set = oracle("backup") / "backup-atomic-twice" / "s3-atomic2" / "bk" / "new"
        if name == "twice":
            self.dest.mkdir()
            (self.dest / "a.edb").write_bytes(b"another")
        self.instance = Instance(
            path=self.inst,
            page_size=PAGE_SIZES.get(name, 8192),
            log_file_size=256 if name == "wronglogsize" else log_size(self.set),
            create_path_if_not_exist=True,
        )
        self.code = 0
        try:
            self.result = self.instance.restore(self.set, self.dest)
        except EseError as error:
            self.code = error.code
            self.error = error
        # What is asked of it afterwards, its events, outlives the instance.
        if name != "full-incr2":
            self.instance.abandon()


def log_size(folder: Path) -> int:
    sizes = {each.stat().st_size // 1024 for each in folder.rglob("edb0*.log")}
    return sizes.pop() if len(sizes) == 1 else 128


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_the_same_result_as_the_engine(oracle: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    source = oracle("restore") / f"restore-{name}" / "after" / "bk"
    before = digests(source)
    done = Restored(oracle, tmp_path, name)
    assert done.code == engine_result(done.case)
    assert {each.id for each in done.instance.events} - {301} == events_of(done.case) - NOT_OURS - {301}
    assert digests(source) == before, "the set is only read"
    databases = sorted(done.dest.glob("*.edb")) if done.dest.exists() else []
    assert not list(tmp_path.rglob("*.restoring"))
    if done.code not in (0, -545):
        assert not databases
        return
    expected = sorted((done.case / "after" / "dest").glob("*.edb"))
    assert [each.name for each in databases] == [each.name for each in expected]
    for ours, theirs in zip(databases, expected, strict=True):
        assert content(ours) == content(theirs)
        after = database_info(theirs)
        if name in {"rollforward", "rollforward-incr3"}:
            # The engine leaves the last generation in the header where the stream ends cleanly; there it means nothing.
            after = after.replace(gen_recovering=0)
        assert header_fields(database_info(ours)) == header_fields(after)
        assert ours.stat().st_size == theirs.stat().st_size
        assert verify(ours).ok


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["full-incr2", "uncommitted-full", "uncommitted-incr", "multidb-incr", "writers-full"])
def test_the_log_that_follows_the_set(oracle: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    done = Restored(oracle, tmp_path, name)
    ours, theirs = done.inst / "edb.log", done.case / "after" / "inst" / "edb.log"
    assert [type(each) for each in tail(ours)] == [type(each) for each in tail(theirs)]
    undone = [[each for each in tail(path) if isinstance(each, lr.Undo | lr.Rollback)] for path in (ours, theirs)]
    assert undone[0] == undone[1]
    quit_ = [each for each in tail(ours) if isinstance(each, lr.RecoveryQuit2)]
    assert [each.hard for each in quit_] == [1]
    with LogFile.open(RealFileSystem(), str(ours)) as one, LogFile.open(RealFileSystem(), str(theirs)) as two:
        for field in ("generation", "signature", "previous_created", "previous_checksum", "flags"):
            assert getattr(one.header, field) == getattr(two.header, field), field
        assert [each.path for each in one.header.attachments] == [each.path for each in two.header.attachments]
    ends = [checkpoint_info(path.parent / "edb.chk").checkpoint for path in (ours, theirs)]
    assert len({(each.checkpoint, each.db_consistency, each.version_flags, each.attachments) for each in ends}) == 1


def tail(path: Path) -> list[lr.Record]:
    with LogFile.open(RealFileSystem(), str(path)) as log:
        return [each.record for each in log.records() if not isinstance(each.record, lr.NOP | lr.NOP2)]


@pytest.mark.oracle
def test_a_restored_instance_starts_and_takes_a_full_backup(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    done = Restored(oracle, tmp_path, "full-incr2")
    done.instance.init()
    with done.instance.session() as session:
        session.attach(done.dest / "a.edb")
        (tmp_path / "set").mkdir()
        result = done.instance.backup(tmp_path / "set")
    assert result.pages_verified
    done.instance.term()
    again = Instance("again", path=tmp_path / "inst2", page_size=8192, log_file_size=128, create_path_if_not_exist=True)
    restored = again.restore(tmp_path / "set", tmp_path / "dest2")
    again.abandon()
    (path,) = restored.databases.values()
    assert database_info(path).clean
    rows = {pgno: page[1:] for pgno, page in content(done.dest / "a.edb").items()}
    assert {pgno: page[1:] for pgno, page in content(tmp_path / "dest2" / "a.edb").items()} == rows


@pytest.mark.oracle
def test_the_instance_is_as_before(oracle: Callable[[str], Path], tmp_path: Path) -> None:
    """Restored into an instance folder, found there, and clean."""
    done = Restored(oracle, tmp_path, "full-only")
    states = {each.base_name: each.state.value for each in discover(tmp_path) if each.has_log}
    assert states == {"edb": "clean"}
    assert json.loads((done.case / "expected.json").read_text())
