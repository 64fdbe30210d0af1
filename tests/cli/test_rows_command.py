"""`tables`, `schema` and `rows`: every format, indexes, limits, damage and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.build import ASCII, Column, ColumnType, DatabaseBuilder, Index
from engine.env import Environment
from engine.format.checksum import set_page_checksum
from esetui.cli.app import cli
from esetui.cli.exit_codes import ExitCode
from tests.cli.running import digests, run

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

PAGE_SIZE = 4096
COLUMNS = [
    Column("Id", ColumnType.LONG),
    Column("When", ColumnType.DATE_TIME),
    Column("Ratio", ColumnType.IEEE_DOUBLE),
    Column("Key", ColumnType.GUID),
    Column("On", ColumnType.BIT),
    Column("Name", ColumnType.TEXT, code_page=ASCII, default="nobody"),
    Column("Tags", ColumnType.TEXT, multi_valued=True),
    Column("Data", ColumnType.LONG_BINARY),
]
KEY = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")


def record(number: int) -> tuple[Any, ...]:
    return (
        number,
        datetime(2024, 5, 17, 12, 30, 45, tzinfo=UTC),
        number / 4,
        KEY,
        number % 2 == 0,
        f"name {999 - number}",
        ["a", "ü\x1b"] if number % 3 else None,
        bytes((number % 251,)) * (5000 if number % 50 == 0 else 20),
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "a.edb"
    with DatabaseBuilder(Environment(), path, page_size=PAGE_SIZE) as builder:
        builder.add_table(
            "T",
            COLUMNS,
            primary=Index("pk", ("Id",)),
            secondary=[Index("byName", ("Name",))],
            rows=map(record, range(1, 301)),
        )
    return path


def plainly(*words: object) -> Result:
    done = CliRunner().invoke(cli, [*map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_tables(database: Path) -> None:
    done = run("tables", database, "--count", "--user")
    assert done.code == ExitCode.OK
    (line,) = done.of("table")
    assert (line["name"], line["columns"], line["indexes"], line["rows"], line["flags"]) == ("T", 8, 2, 300, [])
    text = plainly("tables", database).stdout
    assert "MSysObjects" in text
    assert "system, fixed schema" in text


def test_schema(database: Path) -> None:
    (line,) = run("schema", database, "T").of("schema")
    by_name = {each["name"]: each for each in line["columns"]}
    assert [each["type"] for each in line["columns"]] == [
        "Long", "DateTime", "IEEEDouble", "GUID", "Bit", "Text", "Text", "LongBinary",
    ]  # fmt: skip
    assert by_name["Name"]["default"] == "nobody"
    assert by_name["Tags"]["flags"] == ["multi-valued"]
    assert [(each["name"], each["columns"], each["primary"]) for each in line["indexes"]] == [
        ("pk", ["+Id"], True),
        ("byName", ["+Name"], False),
    ]
    everything = plainly("schema", database).stdout
    assert "MSysObjects " in everything
    assert 'default "nobody"' in everything


def test_rows_as_json_lines(database: Path) -> None:
    done = plainly("rows", database, "T")
    assert done.exit_code == ExitCode.OK
    lines = done.stdout.splitlines()
    assert len(lines) == 300
    assert done.stdout.isascii()
    assert json.loads(lines[49]) == {
        "Id": 50,
        "When": "2024-05-17T12:30:45Z",
        "Ratio": 12.5,
        "Key": str(KEY),
        "On": True,
        "Name": "name 949",
        "Tags": ["a", "ü\x1b"],
        "Data": "32" * 5000,
    }
    assert json.loads(lines[2])["Tags"] is None


def test_rows_in_index_order_with_columns_and_limit(database: Path) -> None:
    done = plainly("rows", database, "t", "--index", "byName", "--columns", "Name, Id", "--limit", 3)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"Name": f"name {999 - number}", "Id": number} for number in (300, 299, 298)
    ]
    assert plainly("rows", database, "T", "--limit", 0).stdout == ""


def test_rows_as_csv(database: Path) -> None:
    done = plainly("rows", database, "T", "--format", "csv", "--columns", "Id,Tags,Data,On", "--limit", 3)
    cells = list(csv.reader(io.StringIO(done.stdout)))
    assert cells[0] == ["Id", "Tags", "Data", "On"]
    assert cells[1] == ["1", '["a","\\u00fc\\u001b"]', "01" * 20, "false"]
    assert cells[3][1] == ""


def test_rows_as_a_table(database: Path) -> None:
    done = plainly("rows", database, "T", "--format", "table")
    lines = done.stdout.splitlines()
    assert len(lines) == 301
    assert lines[0].split() == [column.name for column in COLUMNS]
    assert max(map(len, lines)) < 45 * len(COLUMNS)
    assert "\x1b" not in done.stdout


def test_rows_with_the_envelope(database: Path) -> None:
    done = run("rows", database, "T", "--limit", 2)
    assert [line["row"]["Id"] for line in done.of("row")] == [1, 2]
    assert done.lines[0]["row"]["Key"] == str(KEY)


def test_what_is_not_there(database: Path, tmp_path: Path) -> None:
    assert plainly("rows", database, "None").exit_code == ExitCode.FAILED
    assert "JET_errIndexNotFound" in plainly("rows", database, "T", "--index", "x").stderr
    assert "JET_errColumnNotFound" in plainly("rows", database, "T", "--columns", "Id,x").stderr
    assert plainly("rows", tmp_path / "none.edb", "T").exit_code == ExitCode.STORAGE


def test_damage_is_told_and_passed_over(database: Path, tmp_path: Path) -> None:
    before = digests(database.parent)
    path = tmp_path / "damaged.edb"
    data = bytearray(database.read_bytes())
    # The first leaf of the table that is full of rows loses some bytes.
    leaf = next(
        page
        for page in range(32, len(data) // PAGE_SIZE - 2)
        if b"name 9" in data[(page + 1) * PAGE_SIZE : (page + 2) * PAGE_SIZE]
    )
    data[(leaf + 1) * PAGE_SIZE + 1000 : (leaf + 1) * PAGE_SIZE + 1010] = bytes(10)
    path.write_bytes(data)
    done = run("rows", path, "T")
    assert done.code == ExitCode.DAMAGE
    (finding,) = done.of("finding")
    assert (finding["page"], finding["table"], finding["name"]) == (leaf, "T", "JET_errReadVerifyFailure")
    assert 250 < len(done.of("row")) < 300
    strict = plainly("rows", path, "T", "--strict")
    assert strict.exit_code == ExitCode.DAMAGE
    assert f"page {leaf}" in strict.stderr
    assert len(strict.stdout.splitlines()) < len(done.of("row"))
    assert digests(database.parent) == before


def test_a_flipped_bit_is_put_right_and_told(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.edb"
    data = bytearray(database.read_bytes())
    at = data.index(b"name 949")
    data[at] ^= 1
    path.write_bytes(data)
    done = run("rows", path, "T", "--columns", "Name")
    assert done.code == ExitCode.WARNINGS
    assert [line["row"]["Name"] for line in done.of("row")] == [f"name {999 - number}" for number in range(1, 301)]
    (warning,) = done.of("warning")
    assert str(at // PAGE_SIZE - 1) in warning["message"]
    assert path.read_bytes() == data


def test_numbers_json_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "n.edb"
    with DatabaseBuilder(Environment(), path, page_size=PAGE_SIZE) as builder:
        columns = [Column("N", ColumnType.IEEE_DOUBLE)]
        builder.add_table("T", columns, rows=[(float("nan"),), (float("inf"),), (float("-inf"),)])
    wanted = ["NaN", "Infinity", "-Infinity"]
    assert [json.loads(line)["N"] for line in plainly("rows", path, "T").stdout.splitlines()] == wanted
    assert [line["row"]["N"] for line in run("rows", path, "T").of("row")] == wanted


def test_a_packed_value_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.edb"
    marker = bytes(range(0x28, 0x40)) * 2
    with DatabaseBuilder(Environment(), path, page_size=PAGE_SIZE) as builder:
        builder.add_table("T", [Column("N", ColumnType.LONG), Column("V", ColumnType.LONG_BINARY)], rows=[(1, marker)])
    data = bytearray(path.read_bytes())
    at = data.index(marker)
    data[at - 1] |= 0x02  # the header byte now says that the value is packed; its first byte names XPRESS9
    page = at // PAGE_SIZE
    raw = bytearray(data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE])
    set_page_checksum(raw, page - 1)
    data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = raw
    path.write_bytes(data)
    done = plainly("rows", path, "T")
    assert done.exit_code == ExitCode.WARNINGS
    row = json.loads(done.stdout)
    assert row["N"] == 1
    assert row["V"]["error"] == "JET_errDecompressionFailed"
    assert "XPRESS9" in row["V"]["detail"]
