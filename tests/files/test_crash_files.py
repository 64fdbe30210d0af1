from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Err, EseError, InvalidPath
from engine.files.base import DirEntry, FileKind, FileSystem, OpenMode
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.real import RealFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICIES = list(CrashPolicy)
SEEDS = range(40)


def fresh() -> CrashFileSystem:
    fs = CrashFileSystem()
    fs.make_directory("/w")
    fs.sync_all()
    return fs


def put(fs: FileSystem, path: str, data: bytes, *, sync: bool) -> None:
    with fs.open(path, OpenMode.CREATE) as file:
        file.write_at(0, data)
        if sync:
            file.fsync()


def get(fs: FileSystem, path: str) -> bytes | None:
    if fs.stat(path) is None:
        return None
    with fs.open(path) as file:
        return file.read_at(0, file.size())


def names(fs: FileSystem, path: str = "/w") -> list[str]:
    return [each.name for each in fs.list(path)]


def test_without_fsync_a_file_is_gone_or_empty() -> None:
    fs = fresh()
    put(fs, "/w/f", b"data", sync=False)
    assert get(fs, "/w/f") == b"data"
    assert names(fs.crash()) == []
    fs.fsync_directory("/w")
    assert get(fs.crash(), "/w/f") == b""


def test_fsync_of_the_file_alone_does_not_keep_its_name() -> None:
    fs = fresh()
    put(fs, "/w/f", b"data", sync=True)
    assert names(fs.crash()) == []
    fs.fsync_directory("/w")
    for policy in POLICIES:
        assert get(fs.crash(policy, 1), "/w/f") == b"data"


def test_keep_all_is_what_a_killed_program_leaves() -> None:
    fs = fresh()
    put(fs, "/w/f", b"data", sync=False)
    fs.rename("/w/f", "/w/g")
    after = fs.crash(CrashPolicy.KEEP_ALL)
    assert (names(after), get(after, "/w/g")) == (["g"], b"data")


def test_crash_leaves_this_one_alone_and_the_other_durable() -> None:
    fs = fresh()
    put(fs, "/w/f", b"data", sync=False)
    after = fs.crash(CrashPolicy.KEEP_ALL)
    put(after, "/w/f", b"changed", sync=True)
    assert get(fs, "/w/f") == b"data"
    assert get(after.crash(), "/w/f") == b"changed"


def test_rename_is_one_step() -> None:
    fs = fresh()
    fs.make_directory("/w/a")
    fs.make_directory("/w/b")
    put(fs, "/w/a/f", b"data", sync=True)
    fs.sync_all()
    fs.rename("/w/a/f", "/w/b/f")
    for seed in SEEDS:
        after = fs.crash(CrashPolicy.RANDOM, seed)
        assert names(after, "/w/a") + names(after, "/w/b") == ["f"]
    assert names(fs.crash(), "/w/a") == ["f"]
    fs.fsync_directory("/w/b")
    assert names(fs.crash(), "/w/a") == []
    assert names(fs.crash(), "/w/b") == ["f"]


def test_replacing_by_rename_shows_old_or_new_whole() -> None:
    fs = fresh()
    put(fs, "/w/f", b"old", sync=True)
    fs.sync_all()
    put(fs, "/w/f.tmp", b"new content", sync=True)
    fs.rename("/w/f.tmp", "/w/f")
    seen = {get(fs.crash(policy, seed), "/w/f") for policy in POLICIES for seed in SEEDS}
    assert seen == {b"old", b"new content"}


def test_replacing_without_fsync_may_show_an_empty_file() -> None:
    fs = fresh()
    put(fs, "/w/f", b"old", sync=True)
    fs.sync_all()
    put(fs, "/w/f.tmp", b"new", sync=False)
    fs.rename("/w/f.tmp", "/w/f")
    fs.fsync_directory("/w")
    assert get(fs.crash(), "/w/f") == b""


def test_a_folder_that_was_not_synced_takes_its_files_with_it() -> None:
    fs = fresh()
    fs.make_directory("/w/d")
    put(fs, "/w/d/f", b"data", sync=True)
    fs.fsync_directory("/w/d")
    assert names(fs.crash()) == []
    fs.fsync_directory("/w")
    assert get(fs.crash(), "/w/d/f") == b"data"


def test_unsynced_removal_may_come_back() -> None:
    fs = fresh()
    put(fs, "/w/f", b"data", sync=True)
    fs.sync_all()
    fs.unlink("/w/f")
    assert names(fs) == []
    assert get(fs.crash(), "/w/f") == b"data"
    assert {tuple(names(fs.crash(CrashPolicy.RANDOM, seed))) for seed in SEEDS} == {(), ("f",)}
    fs.fsync_directory("/w")
    assert names(fs.crash()) == []


def test_syncing_one_folder_brings_what_it_builds_upon() -> None:
    fs = fresh()
    fs.make_directory("/w/a")
    fs.make_directory("/w/b")
    fs.sync_all()
    put(fs, "/w/a/f", b"data", sync=True)
    fs.rename("/w/a/f", "/w/b/f")
    put(fs, "/w/a/other", b"", sync=True)
    fs.fsync_directory("/w/b")
    after = fs.crash()
    assert (names(after, "/w/a"), get(after, "/w/b/f")) == ([], b"data")


def test_torn_writes_break_at_sectors() -> None:
    fs = fresh()
    put(fs, "/w/f", b"o" * 4096, sync=True)
    fs.sync_all()
    with fs.open("/w/f", OpenMode.READ_WRITE) as file:
        file.write_at(100, b"n" * 3000)
    mixed = 0
    for seed in SEEDS:
        data = get(fs.crash(CrashPolicy.TORN, seed), "/w/f")
        assert data is not None
        assert len(data) == 4096
        for start in range(0, 4096, 512):
            new = [data[at] == ord("n") for at in range(max(start, 100), min(start + 512, 3100))]
            assert all(new) or not any(new)
        mixed += b"n" in data and data.count(b"n") < 3000
    assert mixed > 5


def test_reordered_writes_may_lie_under_earlier_ones() -> None:
    fs = fresh()
    put(fs, "/w/f", b"0", sync=True)
    fs.sync_all()
    with fs.open("/w/f", OpenMode.READ_WRITE) as file:
        file.write_at(0, b"1")
        file.write_at(0, b"2")
        file.write_at(4, b"x")
    states = {get(fs.crash(CrashPolicy.REORDERED, seed), "/w/f") for seed in range(200)}
    assert {b"1\0\0\0x", b"2\0\0\0x", b"0\0\0\0x", b"0", b"1", b"2"} == states
    both_kept_in_order = {get(fs.crash(CrashPolicy.KEEP_ALL, seed), "/w/f") for seed in SEEDS}
    assert both_kept_in_order == {b"2\0\0\0x"}


def test_a_seed_repeats() -> None:
    fs = fresh()
    for index in range(20):
        put(fs, f"/w/{index}", bytes([index]) * 2000, sync=False)
    for policy in POLICIES:
        states = [
            {name: get(after, f"/w/{name}") for name in names(after)}
            for after in (fs.crash(policy, 7), fs.crash(policy, 7))
        ]
        assert states[0] == states[1]


def test_open_files_outlive_their_name() -> None:
    fs = fresh()
    with fs.open("/w/f", OpenMode.CREATE) as file:
        fs.unlink("/w/f")
        file.write_at(0, b"x")
        file.fsync()
        assert file.read_at(0, 5) == b"x"
    assert names(fs) == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 3), st.integers(0, 1500), st.binary(max_size=700)),
            st.tuples(st.just("truncate"), st.integers(0, 3), st.integers(0, 1500), st.just(b"")),
            st.tuples(st.just("fsync"), st.integers(0, 3), st.just(0), st.just(b"")),
            st.tuples(st.just("unlink"), st.integers(0, 3), st.just(0), st.just(b"")),
            st.tuples(st.just("rename"), st.integers(0, 3), st.integers(0, 3), st.just(b"")),
            st.tuples(st.just("fsync-dir"), st.just(0), st.just(0), st.just(b"")),
        ),
        max_size=25,
    ),
    st.sampled_from(POLICIES),
    st.integers(0, 1000),
)
def test_behaves_like_files_and_syncs_hold(
    steps: list[tuple[str, int, int, bytes]], policy: CrashPolicy, seed: int
) -> None:
    fs = fresh()
    model: dict[str, bytes] = {}
    for op, which, number, data in steps:
        name = f"{which}"
        path = f"/w/{name}"
        if op == "write":
            with fs.open(path, OpenMode.READ_WRITE if name in model else OpenMode.CREATE_NEW) as file:
                file.write_at(number, data)
            old = model.get(name, b"")
            model[name] = (
                (old.ljust(number, b"\0")[:number] + data + old[number + len(data) :])
                if data
                else (old.ljust(number, b"\0"))
            )
        elif op == "fsync-dir":
            fs.fsync_directory("/w")
        elif name in model and op == "truncate":
            with fs.open(path, OpenMode.READ_WRITE) as file:
                file.truncate(number)
            model[name] = model[name][:number].ljust(number, b"\0")
        elif name in model and op == "fsync":
            with fs.open(path, OpenMode.READ_WRITE) as file:
                file.fsync()
        elif name in model and op == "unlink":
            fs.unlink(path)
            del model[name]
        elif name in model and op == "rename":
            fs.rename(path, f"/w/{number}")
            model[f"{number}"] = model.pop(name)
    assert {name: get(fs, f"/w/{name}") for name in names(fs)} == model
    assert {name: get(kept, f"/w/{name}") for kept in [fs.crash(CrashPolicy.KEEP_ALL)] for name in names(kept)} == model
    fs.crash(policy, seed)
    fs.sync_all()
    after = fs.crash(policy, seed)
    assert {name: get(after, f"/w/{name}") for name in names(after)} == model


class TestProtocol:
    def test_is_one(self) -> None:
        fs: FileSystem = fresh()
        assert fs.free_space("/w") > 0

    def test_open_modes(self) -> None:
        fs = fresh()
        for mode in (OpenMode.READ, OpenMode.READ_WRITE):
            with pytest.raises(EseError) as error:
                fs.open("/w/f", mode)
            assert error.value.code == Err.FileNotFound
        put(fs, "/w/f", b"abc", sync=False)
        with pytest.raises(EseError) as error:
            fs.open("/w/f", OpenMode.CREATE_NEW)
        assert error.value.code == Err.FileAlreadyExists
        with pytest.raises(EseError) as error:
            fs.open("/w")
        assert error.value.code == Err.FileAccessDenied
        with fs.open("/w/f") as file, pytest.raises(EseError):
            file.write_at(0, b"x")
        with fs.open("/w/f", OpenMode.CREATE) as file:
            assert file.size() == 0
            file.preallocate(10)
            assert file.size() == 10
            buffer = bytearray(20)
            assert file.read_into_at(5, memoryview(buffer)) == 5
            with pytest.raises(EseError):
                file.read_at(-1, 1)
            file.close()
            with pytest.raises(EseError):
                file.read_at(0, 1)

    def test_errors_of_names(self) -> None:
        fs = fresh()
        put(fs, "/w/f", b"", sync=False)
        fs.make_directory("/w/d/e", parents=True)
        cases: list[tuple[Callable[[], object], int]] = [
            (lambda: fs.open("/w/none/f", OpenMode.CREATE), Err.FileNotFound),
            (lambda: fs.open("/w/f/g", OpenMode.CREATE), Err.InvalidPath),
            (lambda: fs.list("/none"), Err.FileNotFound),
            (lambda: fs.list("/w/f"), Err.InvalidPath),
            (lambda: fs.make_directory("/w/f"), Err.FileAlreadyExists),
            (lambda: fs.make_directory("/w/x/y"), Err.FileNotFound),
            (lambda: fs.remove_directory("/w/d"), Err.FileAlreadyExists),
            (lambda: fs.remove_directory("/w/none"), Err.FileNotFound),
            (lambda: fs.remove_directory("/w/f"), Err.InvalidPath),
            (lambda: fs.rename("/w/none", "/w/g"), Err.FileNotFound),
            (lambda: fs.rename("/w/f", "/w/d"), Err.FileAlreadyExists),
            (lambda: fs.rename("/w/d", "/w/f"), Err.InvalidPath),
            (lambda: fs.rename("/w/d", "/w/d/e/x"), Err.InvalidPath),
            (lambda: fs.unlink("/w/none"), Err.FileNotFound),
            (lambda: fs.unlink("/w/d"), Err.InvalidPath),
            (lambda: fs.fsync_directory("/none"), Err.FileNotFound),
            (lambda: fs.fsync_directory("/w/f"), Err.InvalidPath),
        ]
        for call, code in cases:
            with pytest.raises(EseError) as error:
                call()
            assert error.value.code == code
        with pytest.raises(InvalidPath):
            fs.open("")

    def test_folders(self) -> None:
        fs = fresh()
        assert fs.make_directory("/w/a/b", parents=True) == ["/w/a", "/w/a/b"]
        assert fs.make_directory("/w/a/b") == []
        put(fs, "/w/a/f", b"12", sync=False)
        assert fs.list("/w/a") == [DirEntry("b", FileKind.DIRECTORY), DirEntry("f", FileKind.FILE)]
        assert [folder for folder, _ in fs.walk("/w", max_depth=9)] == ["/w", "/w/a", "/w/a/b"]
        assert [folder for folder, _ in fs.walk("/w", max_depth=1)] == ["/w", "/w/a"]
        found = fs.stat("/w/a/f")
        assert found is not None
        assert (found.kind, found.size) == (FileKind.FILE, 2)
        fs.rename("/w/a", "/w/z")
        assert get(fs, "/w/z/f") == b"12"
        fs.remove_directory("/w/z/b")
        assert names(fs, "/w/z") == ["f"]

    def test_lock(self) -> None:
        fs = fresh()
        with fs.lock("/w/lock"):
            with pytest.raises(EseError) as error:
                fs.lock("/w/lock")
            assert error.value.code == Err.FileAccessDenied
        with fs.lock("/w/lock"):
            pass
        with pytest.raises(EseError):
            fs.lock("/none/lock")


def test_real_folders_in_and_out(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "f").write_bytes(b"x" * (1 << 20) + b"tail")
    (tmp_path / "in" / "sub" / "g").write_bytes(b"y")
    fs = CrashFileSystem()
    fs.load(str(tmp_path / "in"), "/data/copy")
    assert get(fs.crash(), "/data/copy/sub/g") == b"y"
    fs.save("/data/copy", str(tmp_path / "out"))
    assert (tmp_path / "out" / "f").read_bytes() == (tmp_path / "in" / "f").read_bytes()
    assert [each.name for each in RealFileSystem().list(str(tmp_path / "out"))] == ["f", "sub"]
