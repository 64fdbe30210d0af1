"""Databases that Windows wrote, changed by live work: rows, indexes and long values agree afterwards."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine import Column, ColumnType, Index, Instance, database_info, open_database
from engine.check import Severity, check
from engine.format.column import ColumnFlags

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import Session
    from engine.store.table import Table

ROWS = 30
BY_ITSELF = ColumnFlags.VERSION | ColumnFlags.AUTO_INCREMENT


def findings(path: Path) -> set[str]:
    return {str(each) for each in check(path) if each.severity is not Severity.INFO}


def change(session: Session, table: Table) -> list[dict[str, Any]]:
    """Delete a row, write the next, put the one after it back anew; and so on.  Return what the rows are then."""
    settable = [name for name, column in table.columns.items() if not column.flags & BY_ITSELF]
    for number, row in enumerate(list(table)[:ROWS]):
        values = {name: row[name] for name in settable}
        if number % 3 == 0:
            table.delete(row.bookmark)
        elif number % 3 == 1:
            table.update(row.bookmark, **values)
        else:
            with session.transaction():
                table.delete(row.bookmark)
                table.insert(**values)
    return [dict(row) for row in table]


@pytest.mark.parametrize(
    "name", ["srum-win10-clean", "srum-win10-dirty-repaired", "srum-win10-small", "srum-win11-clean"]
)
def test_real_databases_are_changed(corpus: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "SRUDB.dat"
    shutil.copyfile(corpus / name / "SRUDB.dat", path)
    before, page_size = findings(path), database_info(path).page_size
    settings: dict[Any, Any] = {"MaxVerPages": 1000}
    expected: dict[str, list[dict[str, Any]]] = {}
    with Instance(path=tmp_path, page_size=page_size, params=settings) as instance, instance.session() as session:
        session.attach(path)
        database = session.open(path)
        for table in list(database):
            expected[table] = change(session, database[table])
        columns = [Column("Id", ColumnType.LONG, auto_increment=True), Column("Text", ColumnType.LONG_TEXT)]
        fresh = database.create_table("Fresh", columns, indexes=[Index("pk", ("Id",), primary=True)])
        fresh.insert_many({"Text": "x" * (number * 20)} for number in range(100))
        expected["Fresh"] = [dict(row) for row in fresh]
    assert sum(map(len, expected.values())) > ROWS
    assert findings(path) <= before
    with open_database(path, strict=True) as reader:
        assert {table: [dict(row) for row in reader[table]] for table in expected} == expected
