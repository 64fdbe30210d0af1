"""The reader against what the real engine returned: every table, row, value, bookmark and index entry."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from engine.format.column import ColumnDef, ColumnType
from engine.format.value import decode_value
from engine.table import open_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.table import Table

LONGEST_IN_FULL = 400
NO_ROW = 0xFFFFFFFF


def shown(raw: bytes, column: ColumnDef) -> str:
    """Return a value in the spelling of the expected files."""
    kind = column.type
    if len(raw) > LONGEST_IN_FULL:
        return f"L:{len(raw)}:{hashlib.sha256(raw).hexdigest()}"
    if kind is ColumnType.BIT:
        return f"i:{int(raw[0] != 0)}"
    if kind.is_text:
        return f"t:{decode_value(raw, kind, column.code_page)!s}"
    if kind.is_binary or kind is ColumnType.GUID:
        return f"x:{raw.hex()}"
    value: Any = decode_value(raw, kind)
    if kind is ColumnType.IEEE_SINGLE:
        return f"f:{value:.9g}"
    if kind is ColumnType.IEEE_DOUBLE:
        return f"f:{value:.17g}"
    return f"d:{value:.17g}" if kind is ColumnType.DATE_TIME else f"i:{value}"


def same(got: list[bytes], wanted: list[str], column: ColumnDef) -> bool:
    """Return whether the instances of a column are those expected."""
    # Bytes that are no characters of the code page were noted in hexadecimal.
    return len(got) == len(wanted) and all(
        raw.hex() == each[2:] if each.startswith("x:") else shown(raw, column) == each
        for raw, each in zip(got, wanted, strict=True)
    )


def compare_rows(table: Table, expected: dict[str, Any]) -> tuple[dict[bytes, int], int]:
    """Hold every value against the expected one; return the ordinals by bookmark and the number of values."""
    columns = list(table.columns.values())
    assert [column.name for column in columns] == [each["name"] for each in expected["columns"]]
    assert [column.id for column in columns] == [each["id"] for each in expected["columns"]]
    ordinals: dict[bytes, int] = {}
    values = 0
    for (bookmark, raw), wanted in zip(table.raw_records(), expected["rows"], strict=True):
        assert bookmark.hex() == wanted["bm"]
        ordinals[bookmark] = len(ordinals)
        for column, value in zip(columns, raw, strict=True):
            if value is None:
                assert column.name not in wanted["c"]
                continue
            values += 1
            assert same(list(value) if isinstance(value, tuple) else [value], wanted["c"][column.name], column)
        assert len(wanted["c"]) == sum(value is not None for value in raw)
    assert len(ordinals) == expected["nrows"]
    return ordinals, values


def compare_index(table: Table, name: str, ordinals: dict[bytes, int], expected: dict[str, Any]) -> int:
    """Hold every entry against the expected ones, by their digest; return their number.

    The key bytes of Unicode text come from a substitute collation there, but they are what the files hold.
    """
    digest, count = hashlib.sha256(), 0
    for key, bookmark in table.cursor(name).entries():
        digest.update(key + ordinals.get(bookmark, NO_ROW).to_bytes(4, "little"))
        count += 1
    assert count == expected["n"]
    assert digest.hexdigest() == expected["sha256_keys_rows"]
    return count


def compare(path: Path, expected: dict[str, Any]) -> Counter[str]:
    """Compare a whole database."""
    counts: Counter[str] = Counter(databases=1)
    with open_database(path, strict=True) as database:
        assert set(database.tables()) == set(expected["tables"])
        for name, wanted in expected["tables"].items():
            table = database[name]
            ordinals, values = compare_rows(table, wanted)
            counts["rows"] += len(ordinals)
            counts["values"] += values
            # Typed values: the same number of them, none unreadable.
            typed = [row.astuple() for row in table]
            assert sum(value is not None for row in typed for value in row) == values
            assert typed == list(table.values())
            for index, index_expected in wanted["indexes"].items():
                counts["entries"] += compare_index(table, index, ordinals, index_expected)
                counts["indexes"] += 1
        assert database.findings == ()
    return counts


def cases(group: Path) -> list[tuple[Path, Path]]:
    """Return (database, expected file) of all cases of a group that give both, where the engine had recovered it."""
    found = []
    for expected in sorted(group.rglob("expected*.json")):
        letter = expected.stem.removeprefix("expected").removeprefix("-") or "a"
        places = [expected.parent / "clean.edb"]
        places += [expected.parent / "after" / folder / f"{letter}.edb" for folder in (".", "dest", "inst")]
        database = next((place for place in places if place.is_file()), None)
        if database is not None:
            found.append((database, expected))
    return found


@pytest.mark.oracle
@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_clean_databases(oracle: Callable[[str], Path], page_size: int) -> None:
    folder = oracle("clean") / "clean-basic" / f"p{page_size}"
    counts = compare(folder / "clean.edb", json.loads((folder / "expected.json").read_text("utf-8")))
    assert counts["rows"] > 1200
    assert counts["entries"] > 3000
    assert counts["indexes"] >= 30


@pytest.mark.oracle
@pytest.mark.parametrize(("group", "least"), [("dirty", 23), ("restore", 26)])
def test_recovered_and_restored_databases(oracle: Callable[[str], Path], group: str, least: int) -> None:
    total: Counter[str] = Counter()
    refused = 0
    for database, expected in cases(oracle(group)):
        content = json.loads(expected.read_text("utf-8"))
        if content.get("tables"):
            total += compare(database, content)
        else:
            # The engine refused to open it; so there is nothing to be equal to.
            refused += 1
    assert total["databases"] >= least
    assert total["rows"] > 500 * least
    assert refused <= 10
