"""Real Windows databases, value by value, against libesedb (pyesedb) and dissect.database.

Where a peer is known to be wrong the test says so and checks that nothing else differs:

    libesedb   ignores the null bitmap: a null fixed column gives whatever bytes lie there
               hands out packed values as they are stored, unless they are asked for as text
               gives nothing for a value of zero length
               follows stale links of a database that was not shut down into another tree, and gives its nodes as rows
    dissect    gives flag-deleted nodes as rows
               takes the zero characters off the end of a text
               takes a raw value that begins with 0x08..0x3F for a packed one, fails on it or alters it
               stops at a page that was never written, with an IndexError
"""

from __future__ import annotations

import lzma
import shutil
import struct
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import EseError
from engine.format.column import ColumnDef, ColumnType, Storage
from engine.format.compression import unpack_value
from engine.format.node import nodes
from engine.table import Unreadable, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.table import Database, Table

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

CLEAN = [
    "srum-win10-clean/SRUDB.dat",
    "srum-win10-small/SRUDB.dat",
    "srum-win10-dirty-repaired/SRUDB.dat",
    "srum-win11-clean/SRUDB.dat",
    "bits-24h2-16k/qmgr.db",
    "windows-search-32k/clean.edb.xz",
]
DIRTY = ["srum-win10-dirty/SRUDB.dat", "windows-search-32k/dirty.edb.xz"]
MULTI, TWO, PACKED = 0x08, 0x10, 0x02
DAMAGED_BY_THE_CRASH = "SystemIndex_PropertyStore"


@pytest.fixture(params=[*CLEAN, *DIRTY])
def path(request: pytest.FixtureRequest, corpus: Path, tmp_path: Path) -> Path:
    """Return a database of the corpus, unpacked where it is packed."""
    source: Path = corpus / request.param
    if source.suffix != ".xz":
        return source
    target: Path = tmp_path / source.stem
    with lzma.open(source) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def is_dirty(path: Path) -> bool:
    return "dirty" in {path.stem, path.parent.name.removeprefix("srum-win10-")}


# libesedb


def their_bytes(record: Any, place: int) -> Any:
    """Return the stored form of a column, as libesedb has it; None for an instance outside the record."""
    flags, data = record.get_value_data_flags(place), record.get_value_data(place)
    if flags & MULTI:
        if flags & TWO:
            return data[1 : 1 + data[0]], data[1 + data[0] :]
        count = (struct.unpack_from("<H", data)[0] & 0x7FFF) // 2
        words = struct.unpack_from(f"<{count}H", data)
        ends = [word & 0x7FFF for word in words[1:]] + [len(data)]
        return tuple(
            None if word & 0x8000 else data[word & 0x7FFF : end] for word, end in zip(words, ends, strict=True)
        )
    if record.is_long_value(place):
        return record.get_value_data_as_long_value(place).get_data()
    return unpack_value(data) if flags & PACKED and data else data


def equal_bytes(mine: Any, theirs: Any, column: ColumnDef) -> bool:
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        return len(mine) == len(theirs) and all(b is None or a == b for a, b in zip(mine, theirs, strict=True))
    if isinstance(mine, tuple) and len(mine) == 1:
        mine = mine[0]
    # The null bitmap is ignored there, and nothing is made of zero bytes.
    null = mine is None and column.storage is Storage.FIXED
    return bool(mine == theirs) or null or (mine == b"" and theirs is None)


def test_against_libesedb(path: Path) -> None:
    pyesedb = pytest.importorskip("pyesedb")
    file = pyesedb.file()
    file.open(str(path))
    compared = 0
    with open_database(path) as database:
        for name in database:
            theirs, mine = file.get_table_by_name(name), database[name]
            if is_dirty(path) and name == DAMAGED_BY_THE_CRASH:
                continue
            columns = list(mine.columns.values())
            assert [column.name for column in theirs.columns] == [column.name for column in columns]
            for record, (_, raw) in zip(theirs.records, mine.raw_records(), strict=True):
                for place, column in enumerate(columns):
                    assert equal_bytes(raw[place], their_bytes(record, place), column), f"{name}.{column.name}"
                compared += len(columns)
        check_findings(database, path)
    file.close()
    assert compared > 1000


def check_findings(database: Database, path: Path) -> None:
    if not is_dirty(path):
        assert database.findings == ()
    assert {finding.table for finding in database.findings} <= {DAMAGED_BY_THE_CRASH}


# dissect.database


def deleted_nodes(table: Table) -> int:
    return sum(node.deleted for page in table.tree.leaves() for node in nodes(page))


def as_theirs(value: Any, raw: Any, column: ColumnDef) -> Any:
    """Return a value in the form that dissect gives it."""
    if isinstance(value, tuple):
        return [as_theirs(each, raw, column) for each in value]
    if isinstance(value, uuid.UUID):
        return str(value)
    if column.type is ColumnType.DATE_TIME and raw is not None:
        return struct.unpack("<q", raw)[0]
    return value


def known_fault(mine: Any, raw: Any, theirs: Any, column: ColumnDef) -> bool:
    if column.type.is_text:
        return isinstance(mine, str) and mine.rstrip("\0") == theirs
    return isinstance(mine, bytes) and (isinstance(theirs, Failed) or 0x08 <= raw[0] <= 0x3F or 0 in mine)


class Failed:
    """Stands for a value that dissect could not get."""


def their_row(record: Any, columns: list[ColumnDef]) -> list[Any]:
    values: list[Any] = []
    for column in columns:
        try:
            values.append(record.get(column.name))
        except Exception:  # noqa: BLE001 - a peer may raise anything
            values.append(Failed())
    return values


def equal_rows(mine: tuple[Any, ...], raw: tuple[Any, ...], theirs: list[Any], columns: list[ColumnDef]) -> bool:
    return all(
        as_theirs(a, b, column) == c or known_fault(a, b, c, column)
        for a, b, c, column in zip(mine, raw, theirs, columns, strict=True)
    )


def test_against_dissect(path: Path) -> None:
    ese = pytest.importorskip("dissect.database.ese")
    if is_dirty(path) and path.suffix == ".edb":
        with path.open("rb") as file, pytest.raises(IndexError):
            list(ese.ESE(file).table(DAMAGED_BY_THE_CRASH).records())
        return
    rows = 0
    with path.open("rb") as file, open_database(path) as database:
        theirs = ese.ESE(file)
        for name in database:
            mine = database[name]
            columns = list(mine.columns.values())
            records: Iterator[list[Any]] = (their_row(each, columns) for each in theirs.table(name).records())
            extra = 0
            for values, (_, raw) in zip(mine.values(), mine.raw_records(), strict=True):
                # What they have and we have not must be deleted nodes.
                for record in records:
                    if equal_rows(values, raw, record, columns):
                        break
                    extra += 1
                else:
                    pytest.fail(f"{name}: no such row there: {values}")
                rows += 1
            extra += sum(1 for _ in records)
            assert extra == deleted_nodes(mine), name
    assert rows > 100


# by ourselves


def test_every_value_can_be_read_and_every_index_leads_to_its_rows(path: Path) -> None:
    with open_database(path, strict=not is_dirty(path)) as database:
        for name in database:
            table = database[name]
            rows = {row.bookmark: row.astuple() for row in table}
            assert not any(isinstance(value, Unreadable) for row in rows.values() for value in row)
            if is_dirty(path):
                continue
            for index in table.indexes:
                cursor = table.cursor(index)
                bookmarks = [bookmark for _, bookmark in cursor.entries()]
                assert set(bookmarks) <= set(rows)
                assert cursor.last() is bool(bookmarks)
                if bookmarks:
                    assert cursor.bookmark == bookmarks[-1]
                    assert cursor.row.astuple() == rows[bookmarks[-1]]


def test_bookmarks_follow_from_the_columns(path: Path) -> None:
    checked = 0
    with open_database(path) as database:
        for name in database:
            table = database[name]
            primary = table.definition.primary
            if primary is None:
                continue
            places = [table.places[each.name] for each in primary.columns]
            for bookmark, raw in table.raw_records():
                try:
                    key = primary.key([raw[place] for place in places])
                except EseError:
                    break  # Unicode text
                assert key == bookmark
                checked += 1
    assert checked > 100
