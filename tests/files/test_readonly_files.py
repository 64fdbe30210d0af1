from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.base import FileSystem, OpenMode
from engine.files.readonly import ReadOnlyFileSystem
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_reading_is_as_without_it(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"0123456789")
    fs: FileSystem = ReadOnlyFileSystem(RealFileSystem())
    path = fs.absolute(str(tmp_path / "d" / "f"))
    with fs.open(path) as file:
        assert file.path == path
        assert file.size() == 10
        assert file.read_at(2, 3) == b"234"
        buffer = bytearray(4)
        assert file.read_into_at(8, memoryview(buffer)) == 2
        file.start_writeback(0, 10)
        file.drop_cache(0, 10)
        file.fsync()
    found = fs.stat(path)
    assert found is not None
    assert (found.size, found.writable) == (10, False)
    assert fs.stat(path + "x") is None
    assert [each.name for each in fs.list(str(tmp_path))] == ["d"]
    assert len(list(fs.walk(str(tmp_path), max_depth=5))) == 2
    assert fs.free_space(path) > 0
    fs.fsync_directory(str(tmp_path))


def test_every_write_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"0123456789")
    before = snapshot(tmp_path)
    fs: FileSystem = ReadOnlyFileSystem(RealFileSystem())
    f, d = str(tmp_path / "f"), str(tmp_path / "d")
    with fs.open(f) as file:
        refused: list[Callable[[], object]] = [
            lambda: file.write_at(0, b"x"),
            lambda: file.truncate(0),
            lambda: file.preallocate(100),
            lambda: fs.open(f, OpenMode.READ_WRITE),
            lambda: fs.open(f, OpenMode.CREATE),
            lambda: fs.open(f + "2", OpenMode.CREATE_NEW),
            lambda: fs.make_directory(d + "2"),
            lambda: fs.make_directory(d + "2/3", parents=True),
            lambda: fs.remove_directory(d),
            lambda: fs.rename(f, f + "2"),
            lambda: fs.unlink(f),
            lambda: fs.lock(f + ".lock"),
        ]
        for call in refused:
            with pytest.raises(EseError) as error:
                call()
            assert error.value.code == Err.PermissionDenied
            assert error.value.path is not None
    assert snapshot(tmp_path) == before
