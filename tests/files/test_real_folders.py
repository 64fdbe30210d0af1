"""The real file system: opening, paths, folders, locks."""

import errno
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import DiskFullError, Err, EseError, InvalidPath, IOFailure
from engine.files.base import DirEntry, FileKind, FileSystem, OpenMode
from engine.files.real import RealFileSystem
from engine.files.realfile import RealFile

if TYPE_CHECKING:
    from collections.abc import Callable

FS: FileSystem = RealFileSystem()


def code(error: pytest.ExceptionInfo[EseError]) -> int:
    return error.value.code


class TestOpen:
    def test_modes(self, tmp_path: Path) -> None:
        path = str(tmp_path / "f")
        for mode in (OpenMode.READ, OpenMode.READ_WRITE):
            with pytest.raises(EseError) as error:
                FS.open(path, mode)
            assert (code(error), error.value.path) == (Err.FileNotFound, path)
        with FS.open(path, OpenMode.CREATE_NEW) as file:
            file.write_at(0, b"one")
        with pytest.raises(EseError) as error:
            FS.open(path, OpenMode.CREATE_NEW)
        assert code(error) == Err.FileAlreadyExists
        with FS.open(path) as file:
            assert file.read_at(0, 9) == b"one"
            assert file.path == path
            with pytest.raises(EseError):
                file.write_at(0, b"no")
        with FS.open(path, OpenMode.READ_WRITE) as file:
            file.write_at(3, b"two")
            assert file.read_at(0, 9) == b"onetwo"
        with FS.open(path, OpenMode.CREATE) as file:
            assert file.size() == 0

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have a name")
    def test_only_regular_files(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (str(tmp_path), str(tmp_path / "pipe"), os.devnull):
            for mode in (OpenMode.READ, OpenMode.READ_WRITE, OpenMode.CREATE):
                with pytest.raises(EseError) as error:
                    FS.open(path, mode)
                assert code(error) == Err.FileAccessDenied

    def test_a_file_on_the_way_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "f").touch()
        with pytest.raises(InvalidPath):
            FS.open(str(tmp_path / "f" / "g"), OpenMode.CREATE)

    def test_descriptors_do_not_reach_child_processes(self, tmp_path: Path) -> None:
        with FS.open(str(tmp_path / "f"), OpenMode.CREATE) as file:
            assert isinstance(file, RealFile)
            assert not os.get_inheritable(file.fileno())

    def test_no_descriptor_is_lost_on_failure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = os.open(tmp_path, os.O_RDONLY)
        os.close(before)

        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "no")

        (tmp_path / "f").write_bytes(b"x")
        monkeypatch.setattr(os, "ftruncate", fail)
        with pytest.raises(IOFailure):
            FS.open(str(tmp_path / "f"), OpenMode.CREATE)
        after = os.open(tmp_path, os.O_RDONLY)
        os.close(after)
        assert after == before


class TestAbsolute:
    def test_resolves_and_normalises(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert FS.absolute("a/../b/./c") == str(tmp_path / "b" / "c")

    def test_does_not_follow_links(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/")
        assert FS.absolute(str(tmp_path / "link")) == str(tmp_path / "link")

    @pytest.mark.parametrize("path", ["", "a\0b", "x" * 256, "/" + "y/" * 2100, "\ud800"])
    def test_unusable_paths(self, path: str) -> None:
        for call in (FS.absolute, FS.open, FS.stat, FS.list, FS.unlink, FS.make_directory, FS.fsync_directory):
            with pytest.raises(InvalidPath):
                call(path)


class TestFolders:
    def test_stat(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"123")
        (tmp_path / "broken").symlink_to(tmp_path / "nothing")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        (tmp_path / "good").symlink_to(tmp_path / "f")
        (tmp_path / "f").chmod(0o400)
        found = FS.stat(str(tmp_path / "f"))
        assert found is not None
        assert (found.kind, found.size, found.writable) == (FileKind.FILE, 3, False)
        assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=5)
        kinds = {
            name: found.kind for name in ("broken", "loop", "good", ".") if (found := FS.stat(str(tmp_path / name)))
        }
        assert kinds == {
            "broken": FileKind.OTHER,
            "loop": FileKind.OTHER,
            "good": FileKind.FILE,
            ".": FileKind.DIRECTORY,
        }
        assert FS.stat(str(tmp_path / "none")) is None
        assert FS.stat(str(tmp_path / "f" / "below")) is None

    def test_list(self, tmp_path: Path) -> None:
        (tmp_path / "b").touch()
        (tmp_path / "a").mkdir()
        (tmp_path / "c").symlink_to("nowhere")
        assert FS.list(str(tmp_path)) == [
            DirEntry("a", FileKind.DIRECTORY),
            DirEntry("b", FileKind.FILE),
            DirEntry("c", FileKind.OTHER),
        ]
        with pytest.raises(EseError) as error:
            FS.list(str(tmp_path / "none"))
        assert code(error) == Err.FileNotFound
        with pytest.raises(InvalidPath):
            FS.list(str(tmp_path / "b"))

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems allow only text in names")
    def test_names_that_are_not_text_survive(self, tmp_path: Path) -> None:
        name = os.fsdecode(b"\xff\xfe.log")
        with FS.open(str(tmp_path / name), OpenMode.CREATE) as file:
            file.write_at(0, b"x")
        assert [entry.name for entry in FS.list(str(tmp_path))] == [name]

    def test_walk_is_bounded_and_follows_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        (tmp_path / "z").mkdir()
        top = str(tmp_path)
        assert [folder for folder, _ in FS.walk(top, max_depth=0)] == [top]
        assert [folder for folder, _ in FS.walk(top, max_depth=1)] == [top, f"{top}/a", f"{top}/z"]
        everything = dict(FS.walk(top, max_depth=99))
        assert list(everything) == [top, f"{top}/a", f"{top}/a/b", f"{top}/a/b/c", f"{top}/z"]
        assert DirEntry("loop", FileKind.DIRECTORY) in everything[f"{top}/a"]
        with pytest.raises(EseError) as error:
            list(FS.walk(f"{top}/none", max_depth=1))
        assert code(error) == Err.FileNotFound

    def test_walk_passes_over_what_vanishes(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        walk = FS.walk(str(tmp_path), max_depth=3)
        next(walk)
        (tmp_path / "a").rmdir()
        assert [folder for folder, _ in walk] == [str(tmp_path / "b")]

    def test_make_directory(self, tmp_path: Path) -> None:
        top = str(tmp_path)
        assert FS.make_directory(f"{top}/a/b/c", parents=True) == [f"{top}/a", f"{top}/a/b", f"{top}/a/b/c"]
        assert FS.make_directory(f"{top}/a/b/c", parents=True) == []
        assert FS.make_directory(f"{top}/a/b/c") == []
        assert FS.make_directory(f"{top}/a/d") == [f"{top}/a/d"]
        with pytest.raises(EseError) as error:
            FS.make_directory(f"{top}/x/y")
        assert code(error) == Err.FileNotFound
        (tmp_path / "file").touch()
        with pytest.raises(EseError) as error:
            FS.make_directory(f"{top}/file")
        assert code(error) == Err.FileAlreadyExists
        with pytest.raises(InvalidPath):
            FS.make_directory(f"{top}/file/below", parents=True)

    def test_make_directory_leaves_nothing_half_done(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.mkdir

        def limited(path: str) -> None:
            if path.endswith("c"):
                raise OSError(errno.ENOSPC, "full")
            real(path)

        monkeypatch.setattr(os, "mkdir", limited)
        with pytest.raises(DiskFullError):
            FS.make_directory(str(tmp_path / "a" / "b" / "c"), parents=True)
        assert list(tmp_path.iterdir()) == []

    def test_remove_rename_unlink(self, tmp_path: Path) -> None:
        top = str(tmp_path)
        (tmp_path / "one").write_bytes(b"1")
        (tmp_path / "two").write_bytes(b"2")
        FS.rename(f"{top}/one", f"{top}/two")
        assert (tmp_path / "two").read_bytes() == b"1"
        (tmp_path / "dir" / "sub").mkdir(parents=True)
        with pytest.raises(EseError) as error:
            FS.remove_directory(f"{top}/dir")
        assert code(error) == Err.FileAlreadyExists
        FS.remove_directory(f"{top}/dir/sub")
        FS.remove_directory(f"{top}/dir")
        FS.unlink(f"{top}/two")
        assert list(tmp_path.iterdir()) == []
        calls: tuple[Callable[[], object], ...] = (
            lambda: FS.unlink(f"{top}/two"),
            lambda: FS.remove_directory(f"{top}/dir"),
            lambda: FS.rename(f"{top}/x", f"{top}/y"),
            lambda: FS.fsync_directory(f"{top}/dir"),
        )
        for call in calls:
            with pytest.raises(EseError) as error:
                call()
            assert code(error) == Err.FileNotFound

    def test_fsync_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        FS.fsync_directory(str(tmp_path))
        (tmp_path / "f").touch()
        with pytest.raises(InvalidPath):
            FS.fsync_directory(str(tmp_path / "f"))

        def fail(number: int) -> None:
            def fsync(_: int) -> None:
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr(os, "fsync", fsync)

        fail(errno.EINVAL)
        FS.fsync_directory(str(tmp_path))  # a file system without such a thing
        fail(errno.EIO)
        with pytest.raises(IOFailure):
            FS.fsync_directory(str(tmp_path))

    def test_free_space_of_what_is_not_there_yet(self, tmp_path: Path) -> None:
        assert FS.free_space(str(tmp_path / "not" / "yet")) > 0


class TestLock:
    def test_is_exclusive_and_can_be_taken_again(self, tmp_path: Path) -> None:
        path = str(tmp_path / "lock")
        with FS.lock(path):
            with pytest.raises(EseError) as error:
                FS.lock(path)
            assert code(error) == Err.FileAccessDenied
        with FS.lock(path):
            pass

    def test_holds_between_processes(self, tmp_path: Path) -> None:
        path = str(tmp_path / "lock")
        program = (
            "import sys\n"
            "from engine.files.real import RealFileSystem\n"
            "from engine.errors import EseError\n"
            "try:\n    RealFileSystem().lock(sys.argv[1])\n"
            "except EseError as error:\n    print(error.code)\n"
            "else:\n    print('taken')\n"
        )

        def attempt() -> str:
            return subprocess.run(
                [sys.executable, "-c", program, path],
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parents[2],
            ).stdout.strip()

        with FS.lock(path):
            assert attempt() == "-1032"
        assert attempt() == "taken"

    def test_makes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(EseError) as error:
            FS.lock(str(tmp_path / "none" / "lock"))
        assert code(error) == Err.FileNotFound
        assert not (tmp_path / "none").exists()
