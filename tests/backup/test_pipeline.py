"""The copy: content, checksum, order, failures on either side, and memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from crc32c import crc32c

from engine.backup.pipeline import BUFFER_SIZE, BUFFERS, BufferPool, copy_stream
from engine.errors import Err, EseError
from engine.files.base import OpenMode
from engine.files.fault import FaultFileSystem, FaultMode
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from pathlib import Path

FS = RealFileSystem()


class Source:
    """Bytes that come in units of 4 KiB."""

    def __init__(self, data: bytes, *, fail_at: int | None = None) -> None:
        self.data = data
        self.total = len(data)
        self.at = 0
        self.fail_at = fail_at
        self.threads: set[int] = set()

    def read_into(self, buffer: memoryview) -> int:
        self.threads.add(threading.get_ident())
        if self.fail_at is not None and self.at >= self.fail_at:
            raise EseError.from_code(Err.ReadVerifyFailure)
        part = self.data[self.at : self.at + len(buffer) // 4096 * 4096]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


def pattern(size: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in range(size // 8))


@pytest.mark.parametrize("size", [0, 4096, 65536, 65536 + 4096, 5 * 65536, 40 * 65536])
def test_the_copy_is_the_same_and_its_crc_right(tmp_path: Path, size: int) -> None:
    data = pattern(size)
    counts: list[int] = []
    with FS.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file:
        copied = copy_stream(Source(data), file, BufferPool(65536, 3), counts.append)
    assert (tmp_path / "copy").read_bytes() == data
    assert copied == (size, crc32c(data))
    assert sum(counts) == size


def test_everything_but_writing_is_on_the_calling_thread(tmp_path: Path) -> None:
    source = Source(pattern(20 * 65536))
    seen: set[int] = set()
    with FS.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file:
        copy_stream(source, file, BufferPool(65536, 3), lambda _: seen.add(threading.get_ident()))
    assert source.threads == seen == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 20])
def test_a_failing_source_ends_it(tmp_path: Path, threads: int) -> None:
    source = Source(pattern(threads * 65536), fail_at=threads * 65536 // 2 if threads > 1 else 0)
    with FS.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file, pytest.raises(EseError) as caught:
        copy_stream(source, file, BufferPool(65536, 3), lambda _: None)
    assert caught.value.code == Err.ReadVerifyFailure
    assert no_writer_left()


@pytest.mark.parametrize("number", [1, 2, 5, 11, 20])
def test_a_failing_write_ends_it(tmp_path: Path, number: int) -> None:
    fs = FaultFileSystem(FS, fail_at=number, mode=FaultMode.ENOSPC, select=lambda op, _: op == "write")
    with fs.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file, pytest.raises(EseError) as caught:
        copy_stream(Source(pattern(20 * 65536)), file, BufferPool(65536, 3), lambda _: None)
    assert caught.value.code == Err.DiskFull
    assert no_writer_left()


def test_a_failing_sync_ends_it(tmp_path: Path) -> None:
    fs = FaultFileSystem(FS, fail_at=1, select=lambda op, _: op == "fsync")
    with fs.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file, pytest.raises(EseError):
        copy_stream(Source(pattern(5 * 65536)), file, BufferPool(65536, 3), lambda _: None)


def test_a_raising_callback_ends_it(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with FS.open(str(tmp_path / "copy"), OpenMode.CREATE_NEW) as file, pytest.raises(KeyboardInterrupt):
        copy_stream(Source(pattern(20 * 65536)), file, BufferPool(65536, 3), stop)
    assert no_writer_left()


def no_writer_left() -> bool:
    return not any(each.name == "backup-writer" for each in threading.enumerate())


def test_a_pool_makes_its_buffers_once() -> None:
    pool = BufferPool(65536, 3)
    first = [each.obj for each in pool.take(3, 65536)]
    again: list[Any] = [each.obj for each in pool.take(3, 65536)]
    assert all(one is two for one, two in zip(first, again, strict=True))
    assert len(pool.take(1, 4096)[0]) == 4096


def test_the_fixed_memory_is_sixteen_mebibytes() -> None:
    assert BUFFER_SIZE * BUFFERS == 16 << 20
