from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import DiskFullError, Err, EseError, IOFailure
from engine.files.base import FileKind, FileSystem, OpenMode
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def every_operation(fs: FileSystem, top: str) -> list[str]:
    """Do each operation of the protocol once and return what the log should say."""
    fs.make_directory(f"{top}/d")
    with fs.lock(f"{top}/lock"):
        pass
    with fs.open(f"{top}/d/f", OpenMode.CREATE) as file:
        file.preallocate(100)
        file.write_at(0, b"0123456789")
        file.start_writeback(0, 10)
        file.fsync()
        file.truncate(10)
        file.size()
        file.drop_cache(0, 10)
    with fs.open(f"{top}/d/f") as file:
        file.read_at(0, 10)
        file.read_into_at(0, memoryview(bytearray(10)))
    fs.stat(f"{top}/d/f")
    fs.list(f"{top}/d")
    list(fs.walk(top, max_depth=2))
    fs.free_space(top)
    fs.rename(f"{top}/d/f", f"{top}/d/g")
    fs.fsync_directory(f"{top}/d")
    fs.unlink(f"{top}/d/g")
    fs.remove_directory(f"{top}/d")
    return [
        "mkdir",
        "lock",
        "create",
        "preallocate",
        "write",
        "fsync",
        "truncate",
        "size",
        "open",
        "read",
        "read",
        "stat",
        "list",
        "walk",
        "free-space",
        "rename",
        "fsync-dir",
        "unlink",
        "rmdir",
    ]


def test_every_operation_is_counted_and_logged(tmp_path: Path) -> None:
    fs = FaultFileSystem(RealFileSystem())
    expected = every_operation(fs, str(tmp_path))
    assert [each.op for each in fs.operations] == expected
    assert [each.n for each in fs.operations] == list(range(1, len(expected) + 1))
    assert fs.count == len(expected)
    assert not fs.fired
    assert fs.operations[4].path == str(tmp_path / "d" / "f")


COUNT = 19


@pytest.mark.parametrize("n", range(1, COUNT + 1))
@pytest.mark.parametrize(("mode", "kind"), [(FaultMode.EIO, IOFailure), (FaultMode.ENOSPC, DiskFullError)])
def test_the_nth_operation_fails_and_only_that(tmp_path: Path, n: int, mode: FaultMode, kind: type[EseError]) -> None:
    fs = FaultFileSystem(RealFileSystem(), n, mode)
    with pytest.raises(kind) as error:
        every_operation(fs, str(tmp_path))
    assert fs.fired
    assert fs.count == n
    assert error.value.path == fs.operations[-1].path
    assert isinstance(error.value.__cause__, OSError)
    fs.list(str(tmp_path))  # later ones work


@pytest.mark.parametrize("n", range(1, COUNT + 1))
@pytest.mark.parametrize("mode", [FaultMode.KILL, FaultMode.KILL_AFTER, FaultMode.KILL_TORN])
def test_after_a_kill_nothing_works_any_more(tmp_path: Path, n: int, mode: FaultMode) -> None:
    fs = FaultFileSystem(RealFileSystem(), n, mode)
    with pytest.raises(SimulatedKill):
        every_operation(fs, str(tmp_path))
    assert fs.count == n
    assert len(fs.operations) == n
    with pytest.raises(SimulatedKill):
        fs.stat(str(tmp_path))
    with RealFileSystem().lock(str(tmp_path / "lock")):
        pass  # a dead process holds no lock


def test_kill_comes_before_after_or_amid_the_write(tmp_path: Path) -> None:
    found = {}
    for mode in (FaultMode.KILL, FaultMode.KILL_AFTER, FaultMode.KILL_TORN):
        path = tmp_path / mode.name
        fs = FaultFileSystem(RealFileSystem(), 2, mode)
        file = fs.open(str(path), OpenMode.CREATE)
        with pytest.raises(SimulatedKill), file:
            file.write_at(0, b"12345678")
        found[mode.name] = path.read_bytes()
    assert found == {"KILL": b"", "KILL_AFTER": b"12345678", "KILL_TORN": b"1234"}


def test_a_kill_passes_through_handlers_of_errors() -> None:
    assert not issubclass(SimulatedKill, Exception)


def test_short_read_gives_half_and_only_of_reads(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"0123456789")
    fs = FaultFileSystem(RealFileSystem(), 2, FaultMode.SHORT_READ)
    with fs.open(path) as file:
        assert file.read_at(0, 10) == b"01234"
        assert fs.fired
        assert file.read_at(0, 10) == b"0123456789"
    fs = FaultFileSystem(RealFileSystem(), 2, FaultMode.SHORT_READ)
    with fs.open(path) as file:
        buffer = bytearray(10)
        assert file.read_into_at(0, memoryview(buffer)) == 5
        assert buffer == b"01234" + bytes(5)
    fs = FaultFileSystem(RealFileSystem(), 1, FaultMode.SHORT_READ)
    with fs.open(path):
        assert not fs.fired


def test_several_in_a_row(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    fs = FaultFileSystem(RealFileSystem(), 2, times=3)
    with fs.open(str(tmp_path / "f")) as file:
        for _ in range(3):
            with pytest.raises(IOFailure):
                file.read_at(0, 1)
        assert file.read_at(0, 1) == b"x"


def test_select_limits_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    fs = FaultFileSystem(RealFileSystem(), 2, select=lambda op, path: op == "read" and path.endswith("f"))
    with fs.open(str(tmp_path / "f")) as file:
        assert file.size() == 1
        assert file.read_at(0, 1) == b"x"
        with pytest.raises(IOFailure):
            file.read_at(0, 1)
    assert fs.count == 2
    assert [(each.n, each.op) for each in fs.operations] == [(0, "open"), (0, "size"), (1, "read"), (2, "read")]


def test_real_errors_come_through(tmp_path: Path) -> None:
    fs: FileSystem = FaultFileSystem(RealFileSystem())
    with pytest.raises(EseError) as error:
        fs.open(str(tmp_path / "none"))
    assert error.value.code == Err.FileNotFound
    assert fs.stat(str(tmp_path / "none")) is None
    found = fs.stat(str(tmp_path))
    assert found is not None
    assert found.kind is FileKind.DIRECTORY


def test_driver_reaches_every_operation_of_a_small_job(tmp_path: Path) -> None:
    def publish(fs: FileSystem, top: str) -> None:
        with fs.open(f"{top}/new", OpenMode.CREATE) as file:
            file.write_at(0, b"content")
            file.fsync()
        fs.rename(f"{top}/new", f"{top}/done")
        fs.fsync_directory(top)

    def outcome(job: Callable[[FileSystem, str], None], n: int, mode: FaultMode) -> bool:
        top = tmp_path / f"{mode.name}-{n}"
        top.mkdir()
        fs = FaultFileSystem(RealFileSystem(), n, mode)
        try:
            job(fs, str(top))
        except (EseError, SimulatedKill):
            assert fs.fired
        done = top / "done"
        assert not done.exists() or done.read_bytes() == b"content"
        return fs.fired

    for mode in (FaultMode.EIO, FaultMode.ENOSPC, FaultMode.KILL, FaultMode.KILL_AFTER, FaultMode.KILL_TORN):
        n = 1
        while outcome(publish, n, mode):
            n += 1
        assert n == 6
