"""Windows over the rows of an index, the filter, and the thread that reads."""

from __future__ import annotations

import threading
import time
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

import pytest

from engine.build import Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.errors import Err, EseError
from engine.files.real import RealFileSystem
from engine.table import open_database
from esetui.tui.browse.cells import cell_of, type_word
from esetui.tui.browse.closer import MOST_BYTES, look_closer
from esetui.tui.browse.matches import Matches, RowFilter
from esetui.tui.browse.reader import Reader
from esetui.tui.browse.rowset import Rowset
from esetui.tui.browse.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.table import Database, Table

ROWS = 5000
COLUMNS = [
    Column("Id", ColumnType.LONG),
    Column("Name", ColumnType.TEXT, size=60),
    Column("Kind", ColumnType.LONG),
    Column("Note", ColumnType.LONG_TEXT),
    Column("Blob", ColumnType.LONG_BINARY),
]


def build(path: Path, count: int, *, secondary: bool = True, blobs: bool = True) -> None:
    with DatabaseBuilder(Environment(), path) as database:
        database.add_table(
            "Things",
            COLUMNS if blobs else COLUMNS[:3],
            primary=Index("pk", ("Id",)),
            secondary=[Index("byKind", ("Kind",))] if secondary else [],
            rows=(
                {"Id": number, "Name": f"thing {number}", "Kind": number % 3}
                | ({"Note": "é" * 9000, "Blob": bytes(2_000_000)} if blobs and number == 7 else {})
                for number in range(count)
            ),
        )
        database.add_table("Empty", [Column("Id", ColumnType.LONG)])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rows") / "things.edb"
    build(made, ROWS)
    return made


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with open_database(path) as opened:
        yield opened


@pytest.fixture
def table(database: Database) -> Table:
    return database["Things"]


def surveyed(table: Table, index: str | None = None) -> Rowset:
    rows = Rowset(table, table.definition.primary if index is None else table.index(index))
    while rows.survey(10):
        pass
    return rows


def ids(rows: Rowset | Matches, start: int, count: int) -> list[object]:
    return [None if each.row is None else each.row["Id"] for each in rows.read(start, count)]


@pytest.mark.parametrize("start", [0, 1, 37, 2500, ROWS - 20, ROWS - 1])
def test_a_window_holds_the_rows_of_its_numbers(table: Table, start: int) -> None:
    rows = surveyed(table)
    assert rows.total == ROWS
    assert ids(rows, start, 50) == list(range(start, min(start + 50, ROWS)))
    assert [each.number for each in rows.read(start, 50)] == list(range(start, min(start + 50, ROWS)))


@pytest.mark.parametrize("start", [-1, -17, -100, -ROWS])
def test_from_the_end_without_a_survey(table: Table, start: int) -> None:
    rows = Rowset(table, table.definition.primary)
    assert ids(rows, start, 20) == [ROWS + number for number in range(start, min(start + 20, 0))]
    assert rows.known == 0


def test_beyond_the_ends_is_nothing(table: Table) -> None:
    rows = surveyed(table)
    assert ids(rows, ROWS, 10) == []
    assert ids(rows, -ROWS - 5, 7) == [0, 1]


@pytest.mark.parametrize("window", [1, 7, 400])
def test_all_windows_of_an_index_whose_keys_repeat_make_the_whole(table: Table, window: int) -> None:
    rows = surveyed(table, "byKind")
    whole = [row["Id"] for row in table.cursor("byKind")]
    assert rows.total == len(whole) == ROWS
    step = max(window, 97)
    for start in range(0, ROWS, step):
        assert ids(rows, start, window) == whole[start : start + window]
    assert ids(rows, -60, 60) == whole[-60:]


def test_a_survey_in_slices_knows_more_each_time(table: Table) -> None:
    rows = Rowset(table, table.definition.primary)
    seen = [0]
    while rows.survey(0, most=1):
        seen.append(rows.known)
    assert seen == sorted(set(seen))
    assert rows.total == ROWS
    assert len(seen) > 20
    assert ids(rows, 0, 3) == [0, 1, 2]


def test_the_leaves_that_are_kept_are_bounded(table: Table) -> None:
    rows = Rowset(table, table.definition.primary, most_leaves=3)
    while rows.survey(10):
        pass
    assert rows.cut
    assert rows.total is not None
    assert 0 < rows.total < ROWS


def test_an_empty_table(database: Database) -> None:
    rows = surveyed(database["Empty"])
    assert rows.total == 0
    assert rows.read(0, 10) == rows.read(-10, 10) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("thing 4321", [4321]),
        ("4321", [4321]),
        ("Name:499 Kind:1", [499, 3499, 4990, 4993, 4996, 4999]),
        ("kind:9", []),
        ("nothing like it", []),
    ],
)
def test_rows_that_fit_a_filter(table: Table, text: str, wanted: list[int]) -> None:
    matches = Matches(surveyed(table), RowFilter(text, table.columns))
    while matches.search(10):
        pass
    assert ids(matches, 0, 100) == wanted
    assert matches.looked == ROWS


def test_a_filter_turned_round(table: Table) -> None:
    matches = Matches(surveyed(table), RowFilter("!Kind:1", table.columns))
    while matches.search(10):
        pass
    assert ids(matches, 0, 4) == [0, 2, 3, 5]
    assert ids(matches, -2, 2) == [4997, 4998]


def test_cells_and_types(table: Table) -> None:
    row = surveyed(table).read(7, 1)[0].row
    assert row is not None
    assert cell_of(row, "Id").text == "7"
    blob, note = cell_of(row, "Blob"), cell_of(row, "Note")
    assert blob.text.startswith("1.91 MiB 0000")
    assert blob.size == 2_000_000
    assert "ééé" in note.text
    types = {name: type_word(each) for name, each in table.columns.items()}
    assert types == {"Id": "int32", "Name": "text", "Kind": "int32", "Note": "long text", "Blob": "long binary"}
    other = surveyed(table).read(8, 1)[0].row
    assert other is not None
    assert cell_of(other, "Note").text == ""


def test_a_value_in_full_is_bounded_and_says_where_it_is_kept(table: Table) -> None:
    entry = surveyed(table).read(7, 1)[0]
    (blob,) = look_closer(entry, table.columns["Blob"])
    assert blob.size == 2_000_000
    assert blob.data == bytes(MOST_BYTES)
    assert blob.cut
    assert "outside the record" in blob.place
    assert sum(blob.chunks) >= MOST_BYTES
    (note,) = look_closer(entry, table.columns["Note"])
    assert note.text == "é" * 9000
    (null,) = look_closer(surveyed(table).read(8, 1)[0], table.columns["Note"])
    assert null.place.startswith("null")


def test_the_newest_request_replaces_one_that_waits_and_background_work_gives_way() -> None:
    answers: list[tuple[str, object]] = []
    gate, done = threading.Event(), threading.Event()

    def deliver(key: str, value: object) -> None:
        answers.append((key, value))
        if key == "last":
            done.set()

    slices: list[int] = []

    def a_slice() -> bool:
        slices.append(1)
        return len(slices) < 5

    def fails() -> object:
        raise EseError.from_code(Err.ReadVerifyFailure)

    reader = Reader(deliver)
    reader.in_background(a_slice)
    reader.ask("wait", lambda: gate.wait(10))
    reader.start()
    time.sleep(0.05)
    for number in range(10):
        reader.ask("window", partial(int, number))
    reader.ask("error", fails)
    reader.ask("bug", lambda: 1 // 0)
    reader.ask("last", lambda: "end")
    assert not slices
    gate.set()
    assert done.wait(10)
    assert [key for key, _ in answers] == ["wait", "window", "error", "bug", "last"]
    assert answers[1][1] == 9
    errors = [value.code for _, value in answers if isinstance(value, EseError)]
    assert errors == [Err.ReadVerifyFailure, Err.InternalError]
    closed = threading.Event()
    reader.close(closed.set)
    assert reader.join(10)
    assert closed.is_set()


def test_tables_nobody_opened_are_counted_behind_the_open_one(path: Path) -> None:
    session = Session(str(path), RealFileSystem())
    names = [each.name for each in session.open()]
    assert names[:2] == ["Things", "Empty"]
    assert all(name.startswith("MSys") for name in names[2:])
    session.show("Things", "byKind")
    while session.work():
        pass
    assert session.counts["Things"] == (ROWS, True)
    assert session.counts["Empty"] == (0, True)
    assert session.status.total == ROWS
    session.close()


@pytest.mark.slow
def test_a_million_rows_open_at_once_without_being_loaded(tmp_path: Path) -> None:
    """The first rows, the last ones and any others: each in a fraction of the time that reading all of them takes."""
    count = 1_000_000
    build(tmp_path / "big.edb", count, secondary=False, blobs=False)
    with open_database(tmp_path / "big.edb") as database:
        began = time.perf_counter()
        assert sum(1 for _ in database["Things"].values()) == count
        whole = time.perf_counter() - began
    session = Session(str(tmp_path / "big.edb"), RealFileSystem())
    took = {}

    def timed(name: str, start: int, wanted: int) -> None:
        began = time.perf_counter()
        _, lines = session.window(start, 40, ["Id", "Name", "Kind"])
        took[name] = time.perf_counter() - began
        assert lines[0].cells["Name"].text == f"thing {wanted}"
        assert len(lines) == 40

    began = time.perf_counter()
    session.open()
    session.show("Things", None)
    took["open"] = time.perf_counter() - began
    timed("first", 0, 0)
    timed("last, uncounted", -40, count - 40)
    while session.work():
        pass
    assert session.status.total == count
    for number in (500_000, 123_456, count - 40):
        timed(str(number), number, number)
    assert {name: seconds for name, seconds in took.items() if seconds > whole / 4} == {}, whole
    session.close()

    # What is kept for a million rows, besides the page cache, whose size is a parameter.
    tracemalloc.start()
    with open_database(tmp_path / "big.edb", cache_bytes=1 << 20) as database:
        rows = Rowset(database["Things"], database["Things"].definition.primary)
        while rows.survey(10):
            pass
        assert rows.total == count
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_pages_are_freed_when_the_last_one_lets_go(path: Path) -> None:
    freed: list[int] = []
    with open_database(path) as database:
        session = Session(str(path), RealFileSystem(), database.pages, lambda: freed.append(1))
        session.open()
        session.hold()
        session.close()
        assert freed == []
        session.let_go()
        assert freed == [1]
