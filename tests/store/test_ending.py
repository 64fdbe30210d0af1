"""Sessions at work while their database is detached or their instance ends: all that was committed is there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine import open_database
from engine.attached import AttachedDatabase
from engine.build import Column, ColumnType, Index
from engine.check import Severity, check
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState
from engine.header_file import read_header_from
from engine.instance import Instance
from engine.store.catalog import Catalog
from engine.store.journal import Journal
from engine.store.transactions import StoreSession
from engine.store.turns import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.format.catalog_row import CatalogRow
    from engine.session import Session
    from engine.types import LgPos

_REFUSED = {Err.TermInProgress, Err.InvalidDatabaseId, Err.InvalidSesid, Err.NotInitialized, Err.DatabaseNotFound}


def _made(folder: Path) -> tuple[Instance, Session]:
    instance = Instance(path=folder, log_file_size=256)
    instance.init()
    session = instance.session()
    database = session.create_database(folder / "a.edb")
    database.create_table(
        "T", [Column("Id", ColumnType.LONG, not_null=True)], indexes=[Index("pk", ("Id",), primary=True)]
    )
    return instance, session


def _found(folder: Path) -> set[object]:
    """Return the rows of a database that must be clean and whole."""
    with RealFileSystem().open(str(folder / "a.edb")) as file:
        assert read_header_from(file).header.state is DbState.CLEAN_SHUTDOWN
    with Instance(path=folder, log_file_size=256) as instance, instance.session() as session:
        session.attach(folder / "a.edb")
        return {row["Id"] for row in session.open(folder / "a.edb")["T"]}


def test_a_commit_while_a_database_is_detached_is_refused_or_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, session = _made(tmp_path)
    other = instance.session()
    table = other.open(tmp_path / "a.edb")["T"]
    table.insert(Id=1)
    session.open(tmp_path / "a.edb")
    refused: list[int] = []
    written = AttachedDatabase.write_header

    def write_header(self: AttachedDatabase) -> None:
        if self.header.state is DbState.CLEAN_SHUTDOWN:
            # The log says detached, the header is about to.
            try:
                table.insert(Id=2)
            except EseError as error:
                refused.append(error.code)
        written(self)

    monkeypatch.setattr(AttachedDatabase, "write_header", write_header)
    session.detach(tmp_path / "a.edb")
    monkeypatch.undo()
    instance.term()
    assert refused == [Err.InvalidDatabaseId]
    assert _found(tmp_path) == {1}


class Writers:
    """Threads that insert rows without a pause until that is refused, each call or each row a transaction."""

    def __init__(self, instance: Instance, path: Path, count: int = 4) -> None:
        self._instance = instance
        self._path = path
        self.certain: set[int] = set()
        self.errors: list[EseError] = []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, number: int) -> None:
        with self._instance.session() as session:
            table = session.open(self._path)["T"]
            for place in range(number * 1_000_000, number * 1_000_000 + 100_000):
                try:
                    if number % 2:
                        with session.transaction():
                            table.insert(Id=place)
                    else:
                        table.insert(Id=place)
                except EseError as error:
                    self.errors.append(error)
                    # Not at this moment: what was to be done with the database may fail.
                    if error.code != Err.DatabaseLocked:
                        return
                else:
                    self.certain.add(place)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)


def _until(true: Callable[[], bool]) -> None:
    for _ in range(4000):
        if true():
            return
        time.sleep(0.005)
    raise AssertionError("not in 20 seconds")


@pytest.mark.parametrize("turn", range(3))
def test_a_detach_wins_against_constant_writers(tmp_path: Path, turn: int) -> None:
    instance, session = _made(tmp_path)
    writers = Writers(instance, tmp_path / "a.edb")
    _until(lambda: len(writers.certain) > 50 + turn)
    began = time.monotonic()
    session.detach(None if turn else tmp_path / "a.edb")
    assert time.monotonic() - began < 2 * PATIENCE
    writers.join()
    assert {error.code for error in writers.errors} <= {Err.InvalidDatabaseId, Err.DatabaseLocked}
    instance.term()
    assert _found(tmp_path) == writers.certain
    assert not [found for found in check(tmp_path / "a.edb") if found.severity is not Severity.INFO]


def test_a_detach_waits_for_who_is_at_work_and_keeps_out_who_comes(tmp_path: Path) -> None:
    instance, session = _made(tmp_path)
    path = tmp_path / "a.edb"
    one, two, three = (instance.session() for _ in range(3))
    theirs, others, single = one.open(path)["T"], two.open(path)["T"], three.open(path)["T"]
    codes: dict[str, int] = {}

    def run(name: str, call: Callable[[], object]) -> threading.Thread:
        def coded() -> None:
            try:
                call()
                codes[name] = 0
            except EseError as error:
                codes[name] = error.code

        thread = threading.Thread(target=coded)
        thread.start()
        return thread

    turns = instance.live.journal.turns
    turns.patience = 30
    one.begin()
    theirs.insert(Id=1)
    threads = [run("detach", lambda: session.detach(path))]
    _until(lambda: turns._waiting == 1)
    threads.append(run("insert", lambda: single.insert(Id=3)))
    _until(lambda: turns._waiting == 2)
    two.begin()
    assert list(others) == []
    with pytest.raises(EseError) as refused:
        others.insert(Id=2)
    assert refused.value.code == Err.DatabaseLocked
    two.rollback()
    theirs.insert(Id=4)
    one.commit()
    for thread in threads:
        thread.join(20)
    assert codes == {"detach": 0, "insert": Err.InvalidDatabaseId}
    instance.term()
    assert _found(tmp_path) == {1, 4}


def test_a_detach_gives_up_and_all_goes_on(tmp_path: Path) -> None:
    instance, session = _made(tmp_path)
    path = tmp_path / "a.edb"
    instance.live.journal.turns.patience = 0.02
    other = instance.session()
    table, own = other.open(path)["T"], session.open(path)["T"]
    # Once changes of the transaction itself, once what was before those of another.
    for writer in (table, own):
        other.begin()
        writer.insert(Id=len(list(own)))
        with pytest.raises(EseError) as refused:
            session.detach(path)
        assert refused.value.code == Err.DatabaseInUse
        own.insert(Id=len(list(own)) + 10)
        other.commit()
    session.detach(path)
    instance.term()
    assert len(_found(tmp_path)) == 4


def test_a_tree_that_is_being_made_is_not_detached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance, session = _made(tmp_path)
    path = tmp_path / "a.edb"
    database = session.open(path)
    turns, add = instance.live.journal.turns, Catalog.add
    turns.patience = 30
    detaching: list[threading.Thread] = []

    def added(self: Catalog, row: CatalogRow) -> None:
        # The tree has its pages, and nothing of it is a versioned change yet.
        if not detaching:
            other = instance.session()
            detaching.append(threading.Thread(target=lambda: other.detach(path)))
            detaching[0].start()
            _until(lambda: turns._waiting == 1)
        add(self, row)

    monkeypatch.setattr(Catalog, "add", added)
    database.create_table("U", [Column("Id", ColumnType.LONG)], indexes=[Index("byId", ("Id",))])
    detaching[0].join(20)
    assert instance.attached() == []
    instance.term()
    assert _found(tmp_path) == set()
    with open_database(path) as reader:
        assert "U" in list(reader)
    assert not [found for found in check(path) if found.severity is not Severity.INFO]


def test_an_instance_ends_well_with_definitions_that_are_open(tmp_path: Path) -> None:
    instance, session = _made(tmp_path)
    database = session.open(tmp_path / "a.edb")
    database["T"].insert(Id=1)
    session.begin()
    database.create_table("U", [Column("Id", ColumnType.LONG)], indexes=[Index("byId", ("Id",))]).insert(Id=2)
    database["T"].create_index(Index("more", ("-Id",)))
    instance.term()
    assert _found(tmp_path) == {1}
    assert not [found for found in check(tmp_path / "a.edb") if found.severity is not Severity.INFO]


def test_a_session_whose_user_rolls_back_at_that_moment_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, session = _made(tmp_path)
    session.begin()
    session.open(tmp_path / "a.edb")["T"].insert(Id=1)
    take_back = StoreSession._take_back_level

    def after_the_user(self: StoreSession) -> None:
        monkeypatch.undo()
        take_back(self)
        assert self.level == 0
        take_back(self)

    monkeypatch.setattr(StoreSession, "_take_back_level", after_the_user)
    instance.term()
    assert _found(tmp_path) == set()


def test_an_instance_that_is_given_up_while_a_commit_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is durable, its pages are gone: it has nothing left to do with them."""
    instance, session = _made(tmp_path)
    table = session.open(tmp_path / "a.edb")["T"]
    table.add_column(Column("N", ColumnType.LONG))
    mark = table.insert(Id=1, N=1)
    wait = Journal.wait_durable

    def wait_durable(self: Journal, position: LgPos) -> None:
        wait(self, position)
        monkeypatch.undo()
        instance.abandon()

    monkeypatch.setattr(Journal, "wait_durable", wait_durable)
    table.update(mark, N=2)
    with Instance(path=tmp_path, log_file_size=256) as again, again.session() as other:
        other.attach(tmp_path / "a.edb")
        assert other.open(tmp_path / "a.edb")["T"].get(mark)["N"] == 2


@pytest.mark.parametrize("turn", range(4))
def test_an_instance_ends_well_while_its_sessions_commit(tmp_path: Path, turn: int) -> None:
    instance, _ = _made(tmp_path)
    writers = Writers(instance, tmp_path / "a.edb")
    time.sleep(0.1 + turn / 40)
    instance.term()
    writers.join()
    certain, errors, threads = writers.certain, writers.errors, writers.threads
    assert len(errors) == len(threads)
    assert {error.code for error in errors} <= _REFUSED, errors
    assert not [found for found in check(tmp_path / "a.edb") if found.severity is Severity.ERROR]
    found = _found(tmp_path)
    assert certain
    assert certain <= found
    assert len(found - certain) <= len(threads), "committed, but not yet said"
