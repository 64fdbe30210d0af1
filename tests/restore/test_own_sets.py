"""Restores of our own sets: what is refused, what a death in the middle leaves, that it can be done again."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.dbheader import DatabaseHeader
from engine.format.flushmap import FlushMapHeader
from engine.info import database_info
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.types import BkInfo, LogTime, Signature
from engine.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.files.base import FileSystem

PAGE: Final = 4096


@dataclasses.dataclass
class Made:
    """An instance with two databases, its set (full and incremental), and what ran since."""

    inst: Path
    target: Path

    @property
    def first_log(self) -> str:
        return min(each.name for each in self.target.glob("edb*.log"))

    def damage(self, name: str, offset: int) -> None:
        path = self.target / name
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x5A
        path.write_bytes(data)

    def header(self, name: str, change: Callable[[DatabaseHeader], DatabaseHeader]) -> None:
        path = self.target / name
        data = bytearray(path.read_bytes())
        page = change(DatabaseHeader.parse(bytes(data[:PAGE]))).pack()
        data[: 2 * PAGE] = page + page
        path.write_bytes(data)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("prepared")
    (top / "inst").mkdir()
    (top / "set").mkdir()
    for name in ("a.edb", "b.edb"):
        with DatabaseBuilder(Environment(), top / "inst" / name, threaded=False) as builder:
            rows = [{"id": each} for each in range(300)]
            builder.add_table("t", [Column("id", ColumnType.LONG)], rows=rows)
    instance = Instance(path=top / "inst", log_file_size=64)
    instance.init()
    with instance.session() as session:
        for name in ("a.edb", "b.edb"):
            session.attach(top / "inst" / name)
        instance.backup(top / "set")
        instance.writer.roll()
        instance.backup(top / "set", incremental=True)
    instance.term()
    return top


@pytest.fixture
def made(prepared: Path, tmp_path: Path) -> Made:
    shutil.copytree(prepared / "set", tmp_path / "set")
    shutil.copytree(prepared / "inst", tmp_path / "inst")
    return Made(tmp_path / "inst", tmp_path / "set")


def restore(
    source: Path, dest: Path | None, logs: Path, *, fs: FileSystem | None = None, **env: Any
) -> tuple[Any, list[int]]:
    logs.mkdir(exist_ok=True)
    if dest is not None:
        dest.mkdir(exist_ok=True)
    instance = Instance(path=logs, log_file_size=64, env=Environment(fs=fs or RealFileSystem(), **env))
    try:
        return instance.restore(source, dest), [each.id for each in instance.events]
    except EseError as error:
        return error, [each.id for each in instance.events]
    finally:
        instance.abandon()


def digests(folder: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir() if each.is_file()}


def test_a_set_comes_back(made: Made, tmp_path: Path) -> None:
    before = digests(made.target)
    result, events = restore(made.target, tmp_path / "dest", tmp_path / "logs")
    assert sorted(result.databases.values()) == [str(tmp_path / "dest" / name) for name in ("a.edb", "b.edb")]
    assert events[0] == 204
    assert events[-1] == 205
    for name in ("a.edb", "b.edb"):
        header = database_info(tmp_path / "dest" / name)
        assert header.clean
        assert header.bkinfo_full_prev == header.bkinfo_full_cur == BkInfo()
        assert verify(tmp_path / "dest" / name).ok
    assert digests(made.target) == before


@pytest.mark.parametrize("changed", [False, True])
def test_a_flush_map_of_what_lay_there_is_not_believed(made: Made, tmp_path: Path, *, changed: bool) -> None:
    """The copy names the map of the database it was made of; what comes back must not, for its pages may differ."""
    signature = Signature(5, LogTime(b"\1\1\1\1\1\126\0\0"))
    made.header("a.edb", lambda header: header.replace(sign_flush_map_hdr_flush=signature, sign_db_hdr_flush=signature))
    dest = tmp_path / "dest"
    dest.mkdir()
    found = FlushMapHeader(flags=1, sign_flush_map_hdr_flush=signature, sign_db_hdr_flush=signature)
    (dest / "a.jfm").write_bytes(found.pack())
    if changed:
        restore(made.target, dest, made.inst)
    else:
        restore(made.target, dest, tmp_path / "logs")
    header = database_info(dest / "a.edb")
    assert header.clean
    assert not found.accepted_for(header)


def test_twice_gives_the_same_databases(made: Made, tmp_path: Path) -> None:
    """With the same clock and randomness: what is in them comes from the set alone."""
    still: dict[str, Any] = {"now": lambda: datetime(2026, 1, 1, tzinfo=UTC), "random_bytes": bytes}
    for each in ("one", "two"):
        result, _ = restore(made.target, tmp_path / each, tmp_path / f"logs {each}", **still)
        assert len(result.databases) == 2
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_rolled_forward_through_the_live_logs(made: Made, tmp_path: Path) -> None:
    for name in ("a.edb", "b.edb"):
        (made.inst / name).unlink()
    result, events = restore(made.target, tmp_path / "dest", made.inst)
    assert result.replayed.stop > result.from_set.stop
    assert 328 in events
    assert database_info(tmp_path / "dest" / "a.edb").clean


@pytest.mark.parametrize(
    ("code", "event", "damage"),
    [
        (Err.PatchFileMissing, 454, lambda made: [each.unlink() for each in made.target.glob("*.pat")]),
        (Err.RestoreOfNonBackupDatabase, 454, lambda made: shutil.copy(made.inst / "a.edb", made.target / "a.edb")),
        (Err.BadPatchPage, 454, lambda made: made.damage("a.edb", (made.target / "a.edb").stat().st_size - 2000)),
        (
            Err.DatabasePatchFileMismatch,
            430,
            lambda made: made.header("a.edb", lambda header: header.replace(sign_db=header.sign_log)),
        ),
        (Err.DatabaseCorrupted, 454, lambda made: (made.damage("a.edb", 300), made.damage("a.edb", PAGE + 300))),
        (Err.AttachedDatabaseMismatch, 494, lambda made: (made.target / "a.edb").unlink()),
        (Err.LogFileCorrupt, 412, lambda made: made.damage(made.first_log, 100)),
        (Err.LogCorruptDuringHardRestore, 463, lambda made: made.damage(made.first_log, 4096 + 60)),
    ],
    ids=["no-pat", "no-backup", "trailer", "other-backup", "header", "no-database", "log-header", "log"],
)
def test_what_is_refused(made: Made, tmp_path: Path, code: int, event: int, damage: Callable[[Made], object]) -> None:
    damage(made)
    before = digests(made.target)
    error, events = restore(made.target, tmp_path / "dest", tmp_path / "logs")
    assert isinstance(error, EseError)
    assert error.code == code
    assert event in events
    assert list((tmp_path / "dest").iterdir()) == []
    assert digests(made.target) == before
    assert not list((tmp_path / "logs").glob("*.log"))


def test_live_logs_that_do_not_fit(made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with Instance(path=other, log_file_size=64):
        pass
    error, events = restore(made.target, tmp_path / "dest", other)
    assert error.code == Err.ExistingLogFileHasBadSignature
    assert events == [457]
    # What follows the set in the log folder is another log of that number.
    top = max(int(each.stem[3:], 16) for each in made.target.glob("edb*.log"))
    apart = tmp_path / "apart"
    apart.mkdir()
    with LogFile.open(RealFileSystem(), str(made.inst / "edb.log")) as log:
        header = log.header.replace(generation=top + 1, previous_created=log.header.created)
        size = log.header.file_size
    (apart / "edb.log").write_bytes(header.pack() + bytes(size - len(header.pack())))
    error, events = restore(made.target, tmp_path / "dest", apart)
    assert error.code == Err.ExistingLogFileIsNotContiguous
    assert events == [458]
    (apart / "edb.log").rename(apart / f"edb{top + 3:05X}.log")
    error, events = restore(made.target, tmp_path / "dest", apart)
    assert isinstance(error, EseError)
    assert list((tmp_path / "dest").iterdir()) == []
