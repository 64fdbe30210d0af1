"""What the real engine returned for its own databases, against our records, long values, packed values and keys.

Every row, every value and every index entry of the clean cases, and of the databases after recovery and restore that
are given with their expected content.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from engine.build.index_keys import KeyMaker
from engine.format.catalog_row import IndexFlags
from engine.format.column import ColumnDef, ColumnType
from engine.format.record import RecordLayout
from engine.format.value import decode_value
from engine.table import Table, open_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST_IN_FULL = 400


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


def compare_rows(table: Table, expected: dict[str, Any]) -> list[tuple[bytes, list[Any]]]:
    """Hold every value of every row against what the engine returned; return (bookmark, stored columns)."""
    rows = list(table.raw_records())
    assert len(rows) == expected["nrows"]
    for (bookmark, raw), wanted in zip(rows, expected["rows"], strict=True):
        assert bookmark.hex() == wanted["bm"]
        got = {}
        for column, value in zip(table.columns.values(), raw, strict=True):
            if value is not None:
                instances = value if isinstance(value, tuple) else (value,)
                got[column.name] = [shown(each, column) for each in instances]
        assert got == wanted["c"]
    return [(bookmark, list(raw)) for bookmark, raw in rows]


def compare_records(table: Table) -> int:
    """Encode every record again: equal but for the bytes under null fixed columns."""
    layout = RecordLayout(table.definition.columns, table.pages.page_size)
    equal = 0
    for _, data in table.tree.entries():
        record = layout.decode(data)
        again = layout.encode(record)
        assert len(again) == len(data)
        assert layout.decode(again) == record
        equal += again == data
    return equal


def compare_index(table: Table, name: str, rows: list[tuple[bytes, list[Any]]], expected: dict[str, Any]) -> bool:
    """Recompute the keys of an index; return whether it could be done (Unicode text cannot)."""
    flags = table.index(name).flags
    if flags & IndexFlags.UNICODE_TEXT:
        return False
    maker = KeyMaker(table.index(name), table.definition.columns)
    entries = []
    for ordinal, (bookmark, raw) in enumerate(rows):
        keys = [maker.primary_key(raw)] if flags & IndexFlags.PRIMARY else list(maker.keys(raw))
        entries += [(key, bookmark, ordinal) for key in keys]
    entries.sort(key=lambda entry: entry[:2])
    digest = hashlib.sha256()
    for key, _, ordinal in entries:
        digest.update(key + ordinal.to_bytes(4, "little"))
    assert len(entries) == expected["n"]
    assert digest.hexdigest() == expected["sha256_keys_rows"]
    return True


def compare_database(path: Path, expected: dict[str, Any]) -> Counter[str]:
    """Compare everything; return how much there was."""
    counts: Counter[str] = Counter()
    with open_database(path, strict=True) as database:
        for name, table_expected in expected["tables"].items():
            if name.startswith("MSysObjects"):
                continue  # compared row by row in the tests of the catalog
            table = database[name]
            rows = compare_rows(table, table_expected)
            counts["rows"] += len(rows)
            counts["equal records"] += compare_records(table)
            for index, index_expected in table_expected["indexes"].items():
                if compare_index(table, index, rows, index_expected):
                    counts["indexes"] += 1
                    counts["entries"] += index_expected["n"]
    return counts


@pytest.mark.oracle
@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_clean_databases_of_the_real_engine(oracle: Callable[[str], Path], page_size: int) -> None:
    folder = oracle("clean") / "clean-basic" / f"p{page_size}"
    counts = compare_database(folder / "clean.edb", json.loads((folder / "expected.json").read_text("utf-8")))
    assert counts["rows"] > 900
    assert counts["entries"] > 2400
    assert counts["indexes"] == 26
    assert counts["equal records"] > counts["rows"] * 0.9


@pytest.mark.oracle
@pytest.mark.slow
def test_recovered_databases_of_the_real_engine(oracle: Callable[[str], Path]) -> None:
    total: Counter[str] = Counter()
    for expected in sorted(oracle("dirty").glob("*/expected.json")):
        database = expected.parent / "after" / "a.edb"
        content = json.loads(expected.read_text("utf-8"))
        if database.is_file() and "tables" in content:
            total += compare_database(database, content)
            total["databases"] += 1
    assert total["databases"] > 10
    assert total["rows"] > 5000
