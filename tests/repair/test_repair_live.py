"""Pages of databases that our own live engine has changed since the backup: every one can be built anew."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from engine import Column, ColumnType, Index, Instance
from engine.build import ASCII
from engine.check import check
from engine.drill import drill
from engine.env import Environment
from engine.info import database_info
from engine.repair import PageState, plan_repair, write_repair
from engine.verify import verify
from tests.recovery.oracle_files import page_content
from tests.repair.patient import Patient

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import Session

NAMES = ("a.edb", "b.edb")


def columns() -> list[Column]:
    return [
        Column("Id", ColumnType.LONG, auto_increment=True),
        Column("Name", ColumnType.TEXT, code_page=ASCII),
        Column("Body", ColumnType.LONG_BINARY),
    ]


def fill(session: Session, folder: Path, source: random.Random) -> None:
    """Make two databases with a table each."""
    for name in NAMES:
        made = session.create_database(folder / name).create_table(
            "T", columns(), indexes=[Index("pk", ("Id",), primary=True), Index("byName", ("Name",))]
        )
        with session.transaction():
            for _ in range(100):
                made.insert(Name=word(source), Body=source.randbytes(source.choice((0, 20, 3000))))


def word(source: random.Random) -> str:
    return "".join(source.choices("abcdefgh", k=source.randrange(3, 20)))


def change(session: Session, folder: Path, source: random.Random) -> None:
    """Insert, update and delete, so that pages split and are merged."""
    for name in NAMES:
        table = session.open(folder / name)["T"]
        with session.transaction():
            marks = [
                table.insert(Name=word(source), Body=source.randbytes(source.choice((5, 9000)))) for _ in range(130)
            ]
        with session.transaction():
            for mark in source.sample(marks, 50):
                table.update(mark, Name=word(source))
        with session.transaction():
            for mark in marks[20:120]:
                table.delete(mark)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with two databases: backed up, changed, detached and attached again, changed, ended clean."""
    top = tmp_path_factory.mktemp("live")
    source = random.Random(5)  # noqa: S311 - repeatable on purpose
    inst = top / "inst"
    inst.mkdir()
    (top / "set").mkdir()
    with Instance("live", path=inst, page_size=4096, log_file_size=256) as instance, instance.session() as session:
        fill(session, inst, source)
        instance.backup(top / "set")
        change(session, inst, source)
        session.detach(inst / "a.edb")
        session.attach(inst / "a.edb")
        change(session, inst, source)
        # b.edb ends before the instance does.
        session.detach(inst / "b.edb")
    return top


@pytest.mark.parametrize("name", NAMES)
def test_every_page_and_each_of_many(folder: Path, name: str) -> None:
    patient = Patient(Environment(), str(folder / "inst" / name), str(folder / "set"), str(folder / "inst"))
    assert database_info(patient.database).clean
    last = len(patient.read()) // patient.page_size - 2
    found = plan_repair(patient.database, range(1, last + 1), source=patient.source)
    assert found.ok
    assert {each.state for each in found.pages} == {PageState.WHOLE}
    assert (found.others.damaged_count, found.others.older_count) == (0, 0)
    assert sum(each.from_log for each in found.pages) > 40
    source = random.Random(name)  # noqa: S311 - repeatable on purpose
    used = [each.pgno for each in found.pages if each.in_use]
    assert {each.tree for each in found.pages if each.table == "T"} == {"", "byName", "LV"}
    for pgno in source.sample(used, 5):
        truth = patient.page(pgno)
        patient.flip(pgno)
        assert write_repair(plan_repair(patient.database, [pgno], source=patient.source)).pages == (pgno,)
        assert page_content(patient.page(pgno), pgno) == page_content(truth, pgno)
    assert verify(patient.database).ok
    assert not [each for each in check(patient.database) if each.is_error]


def test_a_drill_against_it(folder: Path, tmp_path: Path) -> None:
    """The set is of before: each table had 100 rows, now more."""
    result = drill(folder / "set", against=folder / "inst", scratch=tmp_path)
    assert result.ok
    assert {(count.rows, count.source_rows) for each in result.databases for count in each.differing} == {(100, 160)}
    assert [each.problem for each in result.databases] == ["", ""]
