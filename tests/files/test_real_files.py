from __future__ import annotations

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from engine.errors import DiskFullError, Err, EseError, IOFailure
from engine.files.base import File, FileSystem, OpenMode
from engine.files.oserror import code_of, from_os_error
from engine.files.real import RealFileSystem
from engine.files.realfile import RealFile, SeekingFile, _sync_file_range

if TYPE_CHECKING:
    from pathlib import Path

FS: FileSystem = RealFileSystem()


def code(error: pytest.ExceptionInfo[EseError]) -> int:
    return error.value.code


def open_with(kind: type[RealFile], path: Path) -> File:
    return kind(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), str(path))


@pytest.mark.parametrize("kind", [RealFile, SeekingFile])
class TestFile:
    def test_reads_and_writes_at_offsets(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            file.write_at(4096, b"abcdef")
            assert file.size() == 4102
            assert file.read_at(4095, 4) == b"\0abc"
            assert file.read_at(4098, 100) == b"cdef"
            assert file.read_at(5000, 10) == b""
            file.write_at(4097, memoryview(bytearray(b"XY")))
            assert file.read_at(4096, 6) == b"aXYdef"
            buffer = bytearray(8)
            assert file.read_into_at(4096, memoryview(buffer)) == 6
            assert buffer == b"aXYdef\0\0"
            assert file.read_into_at(9999, memoryview(buffer)) == 0

    def test_multi_byte_buffers_count_in_bytes(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            words = memoryview(bytearray(16)).cast("I")
            words[0] = 0x01020304
            file.write_at(0, words)
            assert file.size() == 16
            assert file.read_into_at(0, words) == 16

    def test_truncate_and_preallocate(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            file.write_at(0, b"x" * 100)
            file.preallocate(1 << 16)
            assert file.size() == 1 << 16
            file.preallocate(10)
            assert file.size() == 1 << 16
            file.truncate(7)
            assert (file.size(), file.read_at(0, 99)) == (7, b"x" * 7)
            file.preallocate(0)
            assert file.size() == 7

    def test_hints_and_fsync_change_nothing(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            file.write_at(0, b"x" * 8192)
            file.start_writeback(0, 8192)
            file.fsync()
            file.drop_cache(0, 8192)
            file.start_writeback(0, 0)
            file.drop_cache(0, 0)
            assert file.read_at(0, 8192) == b"x" * 8192

    def test_close_is_idempotent_and_later_calls_are_typed(self, tmp_path: Path, kind: type[RealFile]) -> None:
        file = open_with(kind, tmp_path / "f")
        file.close()
        file.close()
        file.start_writeback(0, 10)
        file.drop_cache(0, 10)
        for call in (lambda: file.read_at(0, 1), lambda: file.write_at(0, b"x"), file.size, file.fsync):
            with pytest.raises(EseError) as error:
                call()
            assert code(error) == Err.DiskIO
            assert error.value.path == str(tmp_path / "f")

    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (2**63, 1), (2**64, 1), (2**63 - 1, 2)])
    def test_impossible_ranges_are_refused(
        self, tmp_path: Path, kind: type[RealFile], offset: int, length: int
    ) -> None:
        with open_with(kind, tmp_path / "f") as file, pytest.raises(EseError) as error:
            file.read_at(offset, length)
        assert code(error) == Err.InvalidParameter

    def test_a_length_from_a_hostile_file_costs_no_memory(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            file.write_at(0, b"tiny")
            assert file.read_at(0, 1 << 50) == b"tiny"
            assert file.read_at(100, 1 << 50) == b""

    def test_two_threads_share_a_file(self, tmp_path: Path, kind: type[RealFile]) -> None:
        with open_with(kind, tmp_path / "f") as file:
            bad: list[int] = []

            def work(which: int) -> None:
                block = bytes([which]) * 512
                for turn in range(200):
                    at = (turn * 2 + which) * 512
                    file.write_at(at, block)
                    if file.read_at(at, 512) != block:
                        bad.append(at)

            threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not bad
            assert file.read_at(0, 1024) == bytes(512) + b"\1" * 512


class OddFile(RealFile):
    """Transfers three bytes at a time, as the system may."""

    __slots__ = ()

    def _pread(self, length: int, offset: int) -> bytes:
        return super()._pread(min(length, 3), offset)

    def _preadv(self, view: memoryview, offset: int) -> int:
        return super()._preadv(view[:3], offset)

    def _pwrite(self, view: memoryview, offset: int) -> int:
        return super()._pwrite(view[:3], offset)


def test_partial_transfers_are_completed(tmp_path: Path) -> None:
    with open_with(OddFile, tmp_path / "f") as file:
        file.write_at(1, b"0123456789")
        assert file.read_at(1, 10) == b"0123456789"
        buffer = bytearray(12)
        assert file.read_into_at(0, memoryview(buffer)) == 11
        assert buffer == b"\x000123456789\x00"


class StuckFile(RealFile):
    __slots__ = ()

    def _pwrite(self, view: memoryview, offset: int) -> int:
        return 0


def test_a_write_without_progress_is_an_error(tmp_path: Path) -> None:
    with open_with(StuckFile, tmp_path / "f") as file, pytest.raises(IOFailure):
        file.write_at(0, b"x")


class FullFile(RealFile):
    __slots__ = ()

    def _pwrite(self, view: memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_names_file_and_offset(tmp_path: Path) -> None:
    with open_with(FullFile, tmp_path / "f") as file, pytest.raises(DiskFullError) as error:
        file.write_at(4096, b"x")
    assert (error.value.path, error.value.offset) == (str(tmp_path / "f"), 4096)
    assert isinstance(error.value.__cause__, OSError)


def test_preallocate_falls_back_to_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with FS.open(str(tmp_path / "f"), OpenMode.CREATE) as file:
        file.preallocate(5000)
        assert file.size() == 5000


def test_preallocate_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with FS.open(str(tmp_path / "f"), OpenMode.CREATE) as file, pytest.raises(DiskFullError):
        file.preallocate(5000)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has sync_file_range")
def test_write_behind_is_there_on_linux() -> None:
    assert _sync_file_range() is not None


def test_a_forgotten_file_is_closed_and_told_of(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    file = RealFile(fd, str(tmp_path / "f"))
    with pytest.warns(ResourceWarning, match="not closed"):
        file.__del__()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENOENT", -1811),
        ("EACCES", -1032),
        ("EPERM", -1032),
        ("EBUSY", -1032),
        ("ETXTBSY", -1032),
        ("ENOSPC", -1808),
        ("EDQUOT", -1808),
        ("EFBIG", -1808),
        ("EIO", -1022),
        ("EMFILE", -1020),
        ("ENFILE", -1020),
        ("EEXIST", -1814),
        ("ENOTEMPTY", -1814),
        ("ENOTDIR", -1023),
        ("EISDIR", -1023),
        ("ENAMETOOLONG", -1023),
        ("EINVAL", -1023),
        ("ELOOP", -1023),
        ("EXDEV", -1023),
        ("EROFS", -1809),
        ("ENOMEM", -1011),
        ("ENODATA", -1021),
        ("EUCLEAN", -1121),
        ("EBADMSG", -1121),
        ("ESTALE", -1022),
        ("EINTR", -1022),
    ],
)
def test_system_errors_become_jet_codes(name: str, expected: int) -> None:
    number = getattr(errno, name, None)
    if number is None:
        pytest.skip(f"this system has no {name}")
    made = from_os_error(OSError(number, "text"), "/p", offset=5, doing="read")
    assert (made.code, made.path, made.offset) == (expected, "/p", 5)
    assert "read: text" in made.message


def test_an_error_without_number_is_an_io_error() -> None:
    assert from_os_error(OSError("odd"), None).code == Err.DiskIO


def test_windows_numbers_go_first() -> None:
    error = OSError(errno.EIO, "CRC")
    error.winerror = 23  # type: ignore[attr-defined,unused-ignore]
    assert code_of(error) == Err.DiskReadVerificationFailure
