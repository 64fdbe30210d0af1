"""Sessions at work while their database is detached or their instance ends: all that was committed is there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine.attached import AttachedDatabase
from engine.build import Column, ColumnType, Index
from engine.check import Severity, check
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.format.dbheader import DbState
from engine.header_file import read_header_from
from engine.instance import Instance

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import Session

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


@pytest.mark.parametrize("turn", range(4))
def test_an_instance_ends_well_while_its_sessions_commit(tmp_path: Path, turn: int) -> None:
    instance, _ = _made(tmp_path)
    certain: set[int] = set()
    errors: list[EseError] = []

    def write(number: int) -> None:
        try:
            with instance.session() as session:
                table = session.open(tmp_path / "a.edb")["T"]
                for place in range(number * 1_000_000, number * 1_000_000 + 100_000):
                    if number % 2:
                        with session.transaction():
                            table.insert(Id=place)
                    else:
                        table.insert(Id=place)
                    certain.add(place)
        except EseError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1 + turn / 40)
    instance.term()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(errors) == len(threads)
    assert {error.code for error in errors} <= _REFUSED, errors
    assert not [found for found in check(tmp_path / "a.edb") if found.severity is Severity.ERROR]
    found = _found(tmp_path)
    assert certain
    assert certain <= found
    assert len(found - certain) <= len(threads), "committed, but not yet said"
