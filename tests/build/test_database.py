"""The file as a whole: header, determinism, publishing, failures."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from engine.btree.tree import Tree
from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, FormatLevel, Index
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState, read_header_pages
from engine.table import open_database
from engine.types import BkInfo, LgPos, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.files.base import FileSystem

COLUMNS = [
    Column("Id", ColumnType.LONG),
    Column("Name", ColumnType.TEXT, code_page=ASCII),
    Column("Blob", ColumnType.LONG_BINARY),
]


def some_rows(count: int) -> Iterator[tuple[int, str, bytes]]:
    return ((n, f"name {n % 17}", bytes([64 + n % 50]) * (n * 37 % 3000)) for n in range(count))


def fill(build: DatabaseBuilder, count: int = 300) -> None:
    build.add_table(
        "T",
        COLUMNS,
        primary=Index("pk", ("Id",)),
        secondary=[Index("byName", ("Name",))],
        rows=some_rows(count),
    )


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
@pytest.mark.parametrize("level", [FormatLevel.WIDEST, FormatLevel.WINDOWS_10, FormatLevel.NEWEST])
def test_header_is_that_of_a_clean_database(
    env: Environment,
    tmp_path: Path,
    page_size: int,
    level: FormatLevel,
) -> None:
    path = tmp_path / "new.edb"
    with DatabaseBuilder(env, path, page_size=page_size, level=level) as build:
        fill(build)
    data = path.read_bytes()
    read = read_header_pages(data[: 2 * 32768], len(data))
    assert read.problems == ()
    assert data[:page_size] == data[page_size : 2 * page_size]
    assert not any(data[748:page_size])
    header = read.header
    assert header == build.header
    assert header.state is DbState.CLEAN_SHUTDOWN
    assert (header.version, header.update_major, header.update_minor) == (0x620, level.update_major, level.update_minor)
    assert (header.create_version, header.create_update) == (0x620, 20)
    assert header.page_size == page_size
    assert header.sign_db.random != 0
    assert header.sign_db.created.to_datetime() == env.now()
    assert header.sign_log == header.sign_db_hdr_flush == Signature()
    assert header.lgpos_attach == header.lgpos_consistent == header.lgpos_detach == LgPos(0, 0, 0)
    assert header.gen_min_required == header.gen_max_required == header.gen_max_committed == 0
    assert header.bkinfo_full_prev == header.bkinfo_full_cur == BkInfo()
    long_values = build.tables[0].long_values
    assert long_values is not None
    assert header.objid_last == long_values.objid
    assert header.filetype == 1
    assert header.sort_version == 0xFFFFFFFFFFFFFFFF
    assert len(data) % page_size == 0
    assert len(data) // page_size % 16 == 0


def test_two_runs_are_equal_to_the_byte(new_environment: Callable[[], Environment], tmp_path: Path) -> None:
    images = []
    for name, threaded in (("a", True), ("b", True), ("c", False)):
        with DatabaseBuilder(new_environment(), tmp_path / name, threaded=threaded) as build:
            fill(build)
        images.append((tmp_path / name).read_bytes())
    assert images[0] == images[1] == images[2]


def test_empty_database(env: Environment, tmp_path: Path, audit: Callable[..., Any]) -> None:
    for page_size in (4096, 8192, 16384, 32768):
        path = tmp_path / f"{page_size}.edb"
        with DatabaseBuilder(env, path, page_size=page_size):
            pass
        found = audit(path)
        assert sorted(found.database) == ["MSysLocales", "MSysObjects", "MSysObjectsShadow", "MSysObjids"]
        assert path.stat().st_size >= 32 * page_size


def test_counter_goes_into_the_root_from_level_30_on(env: Environment, tmp_path: Path) -> None:
    for level, expected in ((FormatLevel.WIDEST, None), (FormatLevel.WINDOWS_10, 41)):
        path = tmp_path / f"{level.update_major}.edb"
        with DatabaseBuilder(env, path, level=level) as build:
            columns = [Column("Id", ColumnType.LONG, auto_increment=True), Column("A", ColumnType.LONG)]
            rows = [{"A": 1}, {"Id": 40, "A": 2}, {"A": 3}]
            info = build.add_table("T", columns, primary=Index("pk", ("Id",)), rows=rows)
        with open_database(path, strict=True) as database:
            table = database["T"]
            assert table.definition.root == info.tree.root
            assert table.auto_increment == expected
            assert list(table.values(["Id"])) == [(1,), (40,), (41,)]


def test_long_value_ids_have_64_bits_from_level_70_on(env: Environment, tmp_path: Path) -> None:
    for level, size in ((FormatLevel.WIDEST, 4), (FormatLevel.WINDOWS_10, 8)):
        path = tmp_path / f"{level.update_major}.edb"
        with DatabaseBuilder(env, path, level=level) as build:
            info = build.add_table("T", COLUMNS, primary=Index("pk", ("Id",)), rows=[(1, "a", b"x" * 2000)])
        assert info.long_values is not None
        with open_database(path, strict=True) as database:
            keys = [key for key, _ in Tree(database.pages, info.long_values.root, strict=True).entries()]
        assert [len(key) for key in keys] == [size, size + 4]
        assert bool(keys[0][0] & 0x80) == (size == 8)


def test_existing_file_is_kept_unless_told_otherwise(env: Environment, tmp_path: Path) -> None:
    path = tmp_path / "x.edb"
    path.write_bytes(b"mine")
    with pytest.raises(EseError) as caught:
        DatabaseBuilder(env, path)
    assert caught.value.code == Err.DatabaseDuplicate
    assert path.read_bytes() == b"mine"
    with DatabaseBuilder(env, path, overwrite=True):
        assert path.read_bytes() == b"mine"
    assert path.stat().st_size > 4096


def test_failure_leaves_nothing(env: Environment, tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[int, str, bytes]]:
        yield from some_rows(2000)
        raise RuntimeError("the source failed")

    with (
        pytest.raises(RuntimeError, match="source"),
        DatabaseBuilder(env, tmp_path / "x.edb", sort_memory=2000) as build,
    ):
        build.add_table(
            "T",
            COLUMNS,
            primary=Index("pk", ("Id",)),
            secondary=[Index("byName", ("Name",))],
            rows=broken(),
        )
    assert list(tmp_path.iterdir()) == []


def test_swallowed_failure_of_a_table_fails_the_build(env: Environment, tmp_path: Path) -> None:
    def swallow() -> None:
        with DatabaseBuilder(env, tmp_path / "x.edb") as build:
            with pytest.raises(EseError):
                build.add_table("T", COLUMNS, primary=Index("pk", ("Id",)), rows=[(2, "", b""), (1, "", b"")])
            with pytest.raises(EseError):
                fill(build)

    with pytest.raises(EseError) as caught:
        swallow()
    assert caught.value.code == Err.InvalidParameter
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"page_size": 2048}, Err.InvalidParameter),
        ({"page_size": 5000}, Err.InvalidParameter),
        ({"level": FormatLevel(19)}, Err.InvalidParameter),
        ({"level": FormatLevel(4000)}, Err.InvalidParameter),
        ({"extension": 0}, Err.InvalidParameter),
    ],
)
def test_impossible_settings(env: Environment, tmp_path: Path, given: dict[str, Any], code: int) -> None:
    with pytest.raises(EseError) as caught:
        DatabaseBuilder(env, tmp_path / "x.edb", **given)
    assert caught.value.code == code


def test_adding_outside_the_block(env: Environment, tmp_path: Path) -> None:
    build = DatabaseBuilder(env, tmp_path / "x.edb")
    with pytest.raises(EseError):
        fill(build)
    with build:
        fill(build)
        with pytest.raises(EseError) as caught:
            build.add_table("t", COLUMNS)
        assert caught.value.code == Err.TableDuplicate
        with pytest.raises(EseError):
            build.add_table("MSysObjects", COLUMNS)
    with pytest.raises(EseError):
        fill(build)


def small_build(fs: FileSystem, path: str) -> None:
    with DatabaseBuilder(Environment(fs=fs), path, threaded=False, sort_memory=20_000) as build:
        fill(build, 120)


@pytest.mark.parametrize("mode", [FaultMode.EIO, FaultMode.ENOSPC, FaultMode.SHORT_READ])
def test_every_failing_operation_is_a_typed_error_and_leaves_no_database(tmp_path: Path, mode: FaultMode) -> None:
    counting = FaultFileSystem(RealFileSystem())
    small_build(counting, str(tmp_path / "whole.edb"))
    failures = 0
    for at in range(1, counting.count + 1):
        fs = FaultFileSystem(RealFileSystem(), fail_at=at, mode=mode)
        path = tmp_path / f"{at}.edb"
        try:
            small_build(fs, str(path))
        except EseError:
            failures += 1
            # After the rename only the fsync of the folder can fail: the file is whole then.
            assert path.exists() == (fs.operations[at - 1].op == "fsync-dir")
        else:
            assert not fs.fired
        assert not (tmp_path / f"{at}.edb.tmp").exists() or fs.operations[at - 1].op == "unlink"
        if path.exists():
            open_database(path, strict=True).close()
    assert counting.count > 30
    assert failures == (
        counting.count if mode is not FaultMode.SHORT_READ else sum(each.op == "read" for each in counting.operations)
    )


def test_killed_at_any_operation_there_is_no_half_database() -> None:
    for at in itertools.count(1):
        disk = CrashFileSystem()
        disk.make_directory("/data")
        disk.fsync_directory("/")
        fs = FaultFileSystem(disk, fail_at=at, mode=FaultMode.KILL_TORN)
        try:
            small_build(fs, "/data/x.edb")
        except SimulatedKill:
            pass
        else:
            break
        for policy in (CrashPolicy.DROP_ALL, CrashPolicy.KEEP_ALL, CrashPolicy.TORN):
            after = disk.crash(policy, at)
            if after.stat("/data/x.edb") is not None:
                with open_database("/data/x.edb", fs=after, strict=True) as database:
                    assert len(list(database["T"].values())) == 120
    assert at > 20


def test_unsorted_rows_are_sorted_by_way_of_a_spill_file(
    env: Environment,
    tmp_path: Path,
    audit: Callable[..., Any],
) -> None:
    rows = [(n * 7919 % 5003, f"n{n}", b"") for n in range(5003)]
    with DatabaseBuilder(env, tmp_path / "x.edb", sort_memory=50_000) as build:
        info = build.add_table(
            "T",
            COLUMNS,
            primary=Index("pk", ("Id",)),
            secondary=[Index("byName", ("Name",), unique=True)],
            rows=rows,
            presorted=False,
        )
    assert info.rows == 5003
    found = audit(tmp_path / "x.edb")
    assert len(found.trees["T.byName"].entries) == 5003
    assert [path.name for path in tmp_path.iterdir()] == ["x.edb"]


def test_duplicates_are_refused(env: Environment, tmp_path: Path) -> None:
    primary = Index("pk", ("Id",))
    with pytest.raises(EseError) as caught, DatabaseBuilder(env, tmp_path / "x.edb") as build:
        build.add_table("T", COLUMNS, primary=primary, rows=[(1, "a", b""), (1, "b", b"")])
    assert caught.value.code == Err.KeyDuplicate
    unique = [Index("u", ("Name",), unique=True)]
    with pytest.raises(EseError) as caught, DatabaseBuilder(env, tmp_path / "x.edb") as build:
        build.add_table("T", COLUMNS, primary=primary, secondary=unique, rows=[(1, "a", b""), (2, "A", b"")])
    assert caught.value.code == Err.KeyDuplicate


def test_memory_does_not_grow_with_the_number_of_rows(env: Environment, tmp_path: Path) -> None:
    """Streaming: the source is asked for one row at a time, and pages go out before it ends."""
    sizes: list[int] = []

    def watched() -> Iterator[tuple[int, str, bytes]]:
        for number, row in enumerate(some_rows(12_000)):
            if number % 3000 == 0:
                sizes.append((tmp_path / "x.edb.tmp").stat().st_size)
            yield row

    with DatabaseBuilder(env, tmp_path / "x.edb", threaded=False) as build:
        build.add_table("T", COLUMNS, primary=Index("pk", ("Id",)), rows=watched())
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[1] > 0
