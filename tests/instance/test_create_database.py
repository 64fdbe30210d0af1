"""New databases: record by record as the real engine makes them, whole after any crash, refused as documented."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from engine import open_database
from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.check import Severity, check
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.crash import CrashFileSystem, CrashPolicy
from engine.files.fault import FaultFileSystem, FaultMode, SimulatedKill
from engine.files.real import RealFileSystem
from engine.format import lr
from engine.format.dbheader import DbState
from engine.format.page import HEADER_PAGES
from engine.header_file import read_header
from engine.instance import Instance
from engine.log.reader import LogFile
from engine.log.stream import LogStream
from engine.pages.source import FilePages
from engine.params import Param
from tests.instance.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.files.base import FileSystem

PATH = "/i/n.edb"
STRIDE = 1 if os.environ.get("CRASH_ALL") else 9
RUN_ONLY = (
    *("trx_begin0", "trx_commit0", "rceid", "sign_db", "path_data", "filler"),
    *("image", "image_flags", "iline_prefix_new", "iline_prefix_split", "prefix_split_old", "prefix_split_new"),
)
SYSTEM = ["MSysObjects", "MSysObjectsShadow", "MSysObjids", "MSysLocales"]


def disk() -> CrashFileSystem:
    made = CrashFileSystem()
    made.make_directory("/i")
    made.sync_all()
    return made


def instance(fs: FileSystem, **settings: Any) -> Instance:
    chosen: dict[str, Any] = {"path": "/i", "log_file_size": 64} | settings
    return Instance(env=Environment(fs=fs, now=Clock(), background=False), **chosen)


def tables(fs: FileSystem, path: str = PATH) -> list[str]:
    assert [str(each) for each in check(path, fs=fs) if each.severity is not Severity.INFO] == []
    with open_database(path, fs=fs) as database:
        found = list(database)
        assert database.findings == ()
        return found


def records(fs: FileSystem) -> list[lr.Record]:
    stream = LogStream.find(fs, "/i", "edb")
    assert stream is not None
    return [each.record for each in stream.records()]


def until_finished(found: list[lr.Record]) -> list[lr.Record]:
    begin = next(place for place, each in enumerate(found) if isinstance(each, lr.CreateDB))
    end = next(place for place, each in enumerate(found) if isinstance(each, lr.CreateDBFinish))
    return found[begin : end + 1]


def comparable(found: list[lr.Record]) -> list[tuple[object, ...]]:
    """Return records without what belongs to the run: numbers of transactions and versions, names, identities.

    Of the dbtimes the order counts: where a page is not announced the engine leaves out another number than we do.
    Page images are packed or not, and which of several equally good keys becomes a prefix is free.
    """
    named = ("dbtime", "dbtime_before", "dbtime_parent_before")
    times = {each.fields().get(name) for each in found for name in named}
    ranks = {time: rank for rank, time in enumerate(sorted(time for time in times if time is not None))}
    result: list[tuple[object, ...]] = []
    for record in found:
        fields = record.fields()
        for name in RUN_ONLY:
            fields.pop(name, None)
        fields |= {name: ranks[fields[name]] for name in named if name in fields}
        result.append((type(record).__name__, *fields.items()))
    return result


@pytest.mark.oracle
@pytest.mark.parametrize("case", ["dirty-inserts", "dirty-p4k", "dirty-p16k", "dirty-p32k"])
def test_the_records_are_those_of_the_real_engine(oracle: Callable[[str], Path], case: str) -> None:
    folder = oracle("dirty") / case / "before"
    with LogFile.open(RealFileSystem(), str(folder / "edb00000001.log")) as log:
        header = log.header
        real = until_finished([each.record for each in log.records()])
    fs = disk()
    ours = instance(fs, page_size=header.page_size, log_file_size=256, params={Param.EngineFormatVersion: 9600})
    ours.init()
    ours.session().create_database(PATH, overwrite=True)
    mine = until_finished(records(fs))
    assert ours.writer.header.version == header.version
    ours.term()
    assert comparable(mine) == comparable(real)


@pytest.mark.oracle
def test_the_pages_are_those_of_the_real_engine(oracle: Callable[[str], Path]) -> None:
    """Up to where its user's tables begin: what the catalog says of the catalog."""
    real = oracle("clean") / "clean-basic"
    path = next(
        path
        for path in sorted(real.rglob("*.edb"))
        if read_header(RealFileSystem(), str(path)).header.page_size == 8192
    )
    with open_database(path) as database:
        wanted = [row for row in database["MSysObjects"].values() if row[0] in (2, 3)]
    fs = disk()
    ours = instance(fs, page_size=8192, log_file_size=256, params={Param.EngineFormatVersion: 9600})
    ours.init()
    ours.session().create_database(PATH)
    ours.term()
    with open_database(PATH, fs=fs) as database:
        assert [row for row in database["MSysObjects"].values() if row[0] in (2, 3)] == wanted


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
@pytest.mark.parametrize("efv", [None, 8020, 9600])
def test_it_is_whole_at_every_page_size_and_format(page_size: int, efv: int | None) -> None:
    fs = disk()
    params = {} if efv is None else {Param.EngineFormatVersion: efv}
    ours = instance(fs, page_size=page_size, params=params, log_file_size=64 if page_size < 16384 else 256)
    ours.init()
    session = ours.session()
    session.create_database(PATH, max_pages=500)
    found = ours.attached()[0]
    assert (found.dbid, found.cpg_max, found.last_owned_page) == (1, 500, 46)
    assert found.header.state is DbState.DIRTY_SHUTDOWN
    assert found.header.lgpos_attach.generation == 1
    assert [each.id for each in ours.events][-1] == 325
    session.detach(PATH)
    session.attach(PATH)
    ours.term()
    assert tables(fs) == SYSTEM
    header = read_header(fs, PATH).header
    assert header.clean
    assert (header.objid_last, header.gen_min_required, header.gen_max_required) == (7, 0, 0)


def test_it_is_as_one_that_was_built(tmp_path: Path) -> None:
    """The same system tables, row for row, as a database written at once."""
    fs = disk()
    ours = instance(fs)
    ours.init()
    ours.session().create_database(PATH)
    level = ours.attached()[0].header
    ours.term()
    from engine.build import FormatLevel  # noqa: PLC0415

    with DatabaseBuilder(
        Environment(fs=fs), "/i/b.edb", level=FormatLevel(level.update_major, level.update_minor), threaded=False
    ):
        pass
    with open_database(PATH, fs=fs) as one, open_database("/i/b.edb", fs=fs) as other:
        for name in SYSTEM:
            assert list(one[name].values()) == list(other[name].values()), name


def create(fs: FileSystem) -> None:
    """Go through a life with two databases made in it; what is held is given up however it ends."""
    ours = instance(fs)
    try:
        ours.init()
        session = ours.session()
        session.create_database(PATH)
        session.create_database("/i/second.edb")
        ours.writer.roll()
        ours.term()
    finally:
        ours.abandon()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_power_fails_at_every_operation() -> None:
    counted = FaultFileSystem(disk())
    create(counted)
    policies = list(CrashPolicy)
    whole = 0
    for number in range(1, counted.count + 1, STRIDE):
        dying = disk()
        with suppress(SimulatedKill):
            create(FaultFileSystem(dying, number, FaultMode.KILL))
        after = dying.crash(policies[number % len(policies)], number)
        again = instance(after)
        again.init()
        session = again.session()
        for path in (PATH, "/i/second.edb"):
            if after.stat(path) is None:
                continue
            state = read_header(after, path).header.state if readable(after, path) else None
            if state is DbState.CLEAN_SHUTDOWN and made(after, path):
                session.attach(path)
                whole += 1
            session_replaces(session, path)
        again.term()
        for path in (PATH, "/i/second.edb"):
            if after.stat(path) is not None:
                assert tables(after, path) == SYSTEM
    assert whole > 5


def readable(fs: FileSystem, path: str) -> bool:
    try:
        read_header(fs, path)
    except EseError as error:
        assert error.code == Err.DatabaseCorrupted  # noqa: PT017 - the only one that is right
        return False
    return True


def made(fs: FileSystem, path: str) -> bool:
    """Whether its creation came to its end: the catalog is there, and with it the tables that come last."""
    with fs.open(path) as file:
        pages = FilePages(file, 4096)
        try:
            catalog = pages.page(4).header.objid == 2
        except EseError:
            return False
    if not catalog:
        return False
    with open_database(path, fs=fs) as database:
        return list(database) == SYSTEM and len(list(database["MSysLocales"])) == 7


def session_replaces(session: Any, path: str) -> None:
    """Make a database anew over what a crash left of it, unless it is attached."""
    try:
        session.create_database(path, overwrite=True)
    except EseError as error:
        assert error.code == Err.DatabaseDuplicate  # noqa: PT017


@pytest.mark.slow
def test_every_operation_fails_in_turn() -> None:
    number, failed = 1 - STRIDE, 0
    while True:
        number += STRIDE
        fs = disk()
        fault = FaultFileSystem(fs, number, FaultMode.EIO)
        try:
            create(fault)
        except EseError:
            failed += 1
        if not fault.fired:
            break
        again = instance(fs)
        again.init()
        again.session().create_database("/i/third.edb")
        again.term()
        assert tables(fs, "/i/third.edb") == SYSTEM
    assert failed > 5


def test_refusals() -> None:
    fs = disk()
    ours = instance(fs)
    ours.init()
    session = ours.session()
    session.create_database(PATH)
    with pytest.raises(EseError) as caught:
        session.create_database(PATH, overwrite=True)
    assert caught.value.code == Err.DatabaseDuplicate
    session.detach(PATH)
    with pytest.raises(EseError) as caught:
        session.create_database(PATH)
    assert caught.value.code == Err.DatabaseDuplicate
    with pytest.raises(EseError) as caught:
        session.create_database("/nowhere/n.edb")
    assert caught.value.code in (Err.InvalidPath, Err.FileNotFound)
    session.store.begin()
    with pytest.raises(EseError) as caught:
        session.create_database("/i/m.edb")
    assert caught.value.code == Err.InTransaction
    session.store.rollback()
    with pytest.raises(EseError) as caught:
        session.create_database("/i/m.edb", max_pages=10)
    assert caught.value.code == Err.OutOfDatabaseSpace
    for number in range(6):
        session.create_database(f"/i/{number}.edb")
    with pytest.raises(EseError) as caught:
        session.create_database("/i/m.edb")
    assert caught.value.code == Err.TooManyAttachedDatabases
    assert fs.stat("/i/m.edb") is None
    ours.term()
    unlogged = instance(fs, recovery=False)
    unlogged.init()
    with pytest.raises(EseError) as caught:
        unlogged.session().create_database("/i/m.edb")
    assert caught.value.code == Err.LoggingDisabled
    unlogged.term()


def test_an_old_database_is_replaced() -> None:
    fs = disk()
    with DatabaseBuilder(Environment(fs=fs), PATH, threaded=False) as build:
        build.add_table("Old", [Column("Id", ColumnType.LONG)], primary=Index("pk", ("Id",)), rows=[{"Id": 1}])
    ours = instance(fs)
    ours.init()
    ours.session().create_database(PATH, overwrite=True)
    ours.term()
    assert tables(fs) == SYSTEM


def test_the_file_is_grown_ahead() -> None:
    fs = disk()
    ours = instance(fs)
    ours.init()
    ours.session().create_database(PATH)
    assert ours.databases()[0].size_bytes == (46 + 16 + HEADER_PAGES) * 4096
    ours.term()
