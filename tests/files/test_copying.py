from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.copying import CHUNK, copy_bytes
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from pathlib import Path


def test_a_part_of_a_file(tmp_path: Path) -> None:
    data = bytes(range(251)) * (CHUNK // 100)
    (tmp_path / "a").write_bytes(data)
    fs = RealFileSystem()
    with fs.open(str(tmp_path / "a")) as source, fs.open(str(tmp_path / "b"), OpenMode.CREATE) as target:
        end = len(data) - 7
        assert list(copy_bytes(source, target, 10, end)) == [CHUNK, CHUNK, end - 10 - 2 * CHUNK]
    assert (tmp_path / "b").read_bytes() == bytes(10) + data[10:end]


def test_a_read_that_comes_back_short_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    fs = FaultFileSystem(RealFileSystem(), fail_at=3, mode=FaultMode.SHORT_READ)
    with (
        fs.open(str(tmp_path / "a")) as source,
        fs.open(str(tmp_path / "b"), OpenMode.CREATE) as target,
        pytest.raises(EseError) as caught,
    ):
        list(copy_bytes(source, target, 0, 1000))
    assert (caught.value.code, caught.value.path, caught.value.offset) == (Err.DiskIO, str(tmp_path / "a"), 0)
